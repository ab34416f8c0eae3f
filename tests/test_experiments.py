"""Results of long runs: written whole, read back, refused by name."""

import json

import pytest

from nlp_helpers import files
from nlp_helpers.experiments import EXPERIMENTS, load_experiment, save_experiment

RESULT = {
    "question": "Which cell adds?",
    "date": "2026-11-20",
    "seed": 0,
    "settings": {"steps": 3},
    "results": {"lstm": [0.5, 0.25]},
}


def test_round_trip(tmp_path):
    save_experiment("adding-problem", RESULT, tmp_path / "new")
    assert load_experiment("adding-problem", tmp_path / "new") == {
        "name": "adding-problem",
        **RESULT,
    }


def test_unknown_name_lists_the_known_ones(tmp_path):
    save_experiment("one", RESULT, tmp_path)
    with pytest.raises(ValueError, match=r"no experiment 'two'.*there are: one"):
        load_experiment("two", tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"question": "?"}', ""])
def test_damaged_file(tmp_path, text):
    (tmp_path / "one.json").write_text(text)
    with pytest.raises(ValueError, match=r"'one': one\.json is damaged"):
        load_experiment("one", tmp_path)


def test_what_cannot_be_saved(tmp_path):
    for name, result, words in (
        ("../one", RESULT, "name must be"),
        ("one", {**RESULT, "results": [float("nan")]}, "JSON"),
        ("one", {"question": "?"}, "lacks date, results, seed, settings"),
        ("one", [], "must be a dictionary"),
    ):
        with pytest.raises(ValueError, match=words):
            save_experiment(name, result, tmp_path)
    with pytest.raises(TypeError):
        save_experiment("one", {**RESULT, "results": {1, 2}}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_half_written(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_experiment("one", RESULT, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_books_experiments_load():
    for file in EXPERIMENTS.glob("*.json"):
        assert load_experiment(file.stem)["name"] == file.stem
        assert json.loads(file.read_text())["results"]

"""Measured speeds are read from bench/, and a chapter survives where there are none."""

import json

import pytest

from nlp_helpers.benchmarks import BENCH, load_bench, show_bench, show_race


def test_the_committed_groups_can_be_shown():
    for file in BENCH.glob("*.json"):
        bench = json.loads(file.read_text())
        shown = show_bench(file.stem)
        for part in (bench["date"], bench["machine"]["cpu"], bench["rows"][0]["name"]):
            assert part in shown.data
            assert part in repr(shown)


def test_numbers_are_those_of_the_file(tmp_path):
    row = {"name": "x", "ours_seconds": 0.0123, "ratio": 1.234}
    bench = {"title": "T", "date": "2026-01-01", "machine": {"cpu": "c", "threads": 2}}
    (tmp_path / "g.json").write_text(json.dumps({**bench, "rows": [row]}))
    assert load_bench("g", tmp_path)["rows"] == [row]
    assert repr(show_bench("g", tmp_path)).splitlines()[-1].split() == ["x", "12.3", "1.23"]


def test_references_are_named_where_there_are_several(tmp_path):
    row = {"name": "x", "ours_seconds": 0.0123, "ratio": 1.234}
    bench = {"title": "T", "date": "2026-01-01", "machine": {"cpu": "c", "threads": 2}}
    rows = [row | {"against": "fused"}, row | {"name": "y", "against": "loop"}]
    (tmp_path / "g.json").write_text(json.dumps({**bench, "rows": rows}))
    shown = repr(show_bench("g", tmp_path)).splitlines()
    assert shown[-2].split() == ["x", "12.3", "fused", "1.23"]
    assert shown[-1].split() == ["y", "12.3", "loop", "1.23"]
    assert "against" in show_bench("g", tmp_path).data


def test_without_the_repository_a_note_is_shown(tmp_path):
    assert load_bench("rnn", tmp_path / "nothing") is None
    assert "make bench" in show_bench("rnn", tmp_path / "nothing").data


def test_the_race_has_means_over_seeds_and_one_row_for_each_change(tmp_path):
    def run(loss, seconds, **more):
        return {"loss": loss, "seconds": seconds, "updates": 1200, **more}

    rows = [
        {"ours": run(1.875, 20.0), "reference": run(1.9, 99.0)},
        {"ours": run(1.885, 24.0), "reference": run(1.91, 101.0)},
    ]
    changes = [run(1.875, 20.0, name="ours"), run(1.95, 30.0, name="no decay")]
    bench = {"title": "T", "date": "2026-01-01", "machine": {"cpu": "c", "threads": 2}}
    bench |= {"rows": rows, "one_change_put_back": changes}
    (tmp_path / "race.json").write_text(json.dumps(bench))
    lines = repr(show_race(tmp_path)).splitlines()
    assert "2 seeds" in lines[0]
    assert " ".join(lines[-3].split()) == "nanoGPT's recipe 1,200 100.0 1.905 (1.900 to 1.910)"
    assert " ".join(lines[-2].split()) == "our recipe 1,200 22.0 1.880 (1.875 to 1.885)"
    assert " ".join(lines[-1].split()) == "ours, but no decay 1,200 30.0 1.950"
    assert "make bench" in show_race(tmp_path / "nothing").data


def test_unknown_group(tmp_path):
    (tmp_path / "g.json").write_text("{}")
    with pytest.raises(ValueError, match=r"'h'.*there are: g"):
        load_bench("h", tmp_path)

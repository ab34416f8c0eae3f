"""Measured speeds are read from bench/, and a chapter survives where there are none."""

import json

import pytest

from nlp_helpers.benchmarks import BENCH, load_bench, show_bench


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


def test_unknown_group(tmp_path):
    (tmp_path / "g.json").write_text("{}")
    with pytest.raises(ValueError, match=r"'h'.*there are: g"):
        load_bench("h", tmp_path)

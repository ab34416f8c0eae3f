"""The bench measures ratios of paired runs and writes its result whole."""

import json
import time

import pytest

from tools import bench


def test_a_slower_function_has_a_ratio_above_one():
    slow = bench.Pair("slow", lambda: time.sleep(0.004), lambda: time.sleep(0.001))
    row = bench.measure(slow, n_pairs=5)
    assert row["ratio"] > 1.5
    assert row["ratio_quartiles"][0] <= row["ratio"] <= row["ratio_quartiles"][1]
    assert row["ours_seconds"] > row["reference_seconds"] > 0.001


def test_rnn_pairs_do_the_same_work():
    for pair in bench.rnn_pairs():
        pair.ours()
        pair.reference()
    names = [pair.name for pair in bench.rnn_pairs()]
    assert names[:2] == ["training step, 8 time steps", "inference, 8 time steps"]


def test_main_writes_one_file_per_group(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bench, "BENCH", tmp_path)
    monkeypatch.setattr(bench, "GROUPS", {"tiny": ("tiny", lambda: [bench.Pair("x", int, int)])})
    monkeypatch.setattr("sys.argv", ["bench.py", "--pairs", "1"])
    bench.main()
    result = json.loads((tmp_path / "tiny.json").read_text())
    assert result["title"] == "tiny"
    assert result["rows"][0]["name"] == "x"
    assert result["machine"]["threads"] >= 1
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.json"]
    assert "x: " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["nothing"], ["--pairs", "0"]])
def test_unknown_groups_and_no_pairs(monkeypatch, arguments):
    monkeypatch.setattr("sys.argv", ["bench.py", *arguments])
    with pytest.raises(SystemExit):
        bench.main()

"""The bench measures ratios of paired runs and writes its result whole."""

import json
import subprocess
import sys
import time

import pytest
import torch

from tools import bench


def test_a_slower_function_has_a_ratio_above_one():
    slow = bench.Pair("slow", lambda: time.sleep(0.004), lambda: time.sleep(0.001))
    row = bench.measure(slow, n_pairs=5)
    assert row["ratio"] > 1.5
    assert row["ratio_quartiles"][0] <= row["ratio"] <= row["ratio_quartiles"][1]
    assert row["ours_seconds"] > row["reference_seconds"] > 0.001


def same_results(pair):
    """Whether both sides of a pair do the same with the same input, and come to the same end."""
    (model, x), (reference, same_x) = pair.ours.args, pair.reference.args
    assert pair.ours.func is pair.reference.func
    assert same_x is x
    for mine, theirs in zip(model(x), reference(x), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    return True


def test_rnn_pairs_do_the_same_work():
    for pair in bench.rnn_pairs():
        assert same_results(pair)
        pair.ours()
        pair.reference()
    names = [pair.name for pair in bench.rnn_pairs()]
    assert names[:2] == ["training step, 8 time steps", "inference, 8 time steps"]


def test_the_fastest_reference_counts_and_is_named(monkeypatch):
    monkeypatch.setattr(bench, "seconds", lambda work: work())
    pair = bench.Pair("x", lambda: 2.0, lambda: 6.0, "slow", {"quick": lambda: 1.0})
    row = bench.measure(pair, n_pairs=3)
    assert (row["against"], row["ratio"], row["reference_seconds"]) == ("quick", 2.0, 1.0)
    row = bench.measure(bench.Pair("x", pair.ours, pair.reference, "slow"), n_pairs=3)
    assert (row["against"], row["ratio"]) == ("slow", pytest.approx(1 / 3))
    assert "against" not in bench.measure(bench.Pair("x", pair.ours, pair.reference), n_pairs=1)


@pytest.fixture
def narrow(monkeypatch):
    """Pairs of two sequences and three steps; the weights are as wide as they are."""
    randn = torch.randn
    monkeypatch.setattr(bench.torch, "randn", lambda *shape: randn(*shape)[:2, :3].contiguous())


@pytest.mark.usefixtures("narrow")
def test_cells_and_references_compute_the_same():
    works = set()
    for pair in bench.cells_pairs():
        model, x = pair.ours.args
        for work in (pair.reference, *pair.others.values()):
            reference, same_x = work.args
            assert work.func is pair.ours.func
            assert same_x is x
            torch.testing.assert_close(model(x)[0], reference(x)[0])
        pair.ours()
        works.add((pair.name, pair.against))
    assert len(works) == 12
    assert ("GRU, inference", "loop over GRUCell") in works


def test_training_step_makes_gradients_and_inference_none():
    model, x = bench.CellLoop(torch.nn.GRUCell(3, 4), unbind=True), torch.randn(2, 5, 3)
    bench.inference(model, x)
    assert model.cell.weight_hh.grad is None
    bench.training_step(model, x)
    assert model.cell.weight_hh.grad.any()


@pytest.mark.usefixtures("narrow")
def test_sru_pairs_do_the_same_work():
    pairs = bench.sru_pairs()
    for pair in pairs:
        mine, theirs = pair.ours(), pair.reference()
        if pair.against == "parallel scan":  # the gradients of decay and increment
            for a, b in zip(mine, theirs, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
                assert a.any()
        else:  # two different networks: the same input, outputs of the same size
            (sru, x), (lstm, same_x) = pair.ours.args, pair.reference.args
            assert pair.ours.func is pair.reference.func
            assert same_x is x
            assert sru(x)[0].shape == lstm(x)[0].shape
    assert [pair.against for pair in pairs] == ["our LSTM", "our LSTM", "parallel scan"] * 3


def test_main_writes_one_file_per_group(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bench, "BENCH", tmp_path)
    monkeypatch.setattr(bench, "GROUPS", {"tiny": ("tiny", lambda: [bench.Pair("x", int, int)])})
    monkeypatch.setattr("sys.argv", ["bench.py", "tiny", "--pairs", "1"])
    bench.main()
    result = json.loads((tmp_path / "tiny.json").read_text())
    assert result["title"] == "tiny"
    assert result["rows"][0]["name"] == "x"
    assert result["machine"]["threads"] >= 1
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.json"]
    assert "x: " in capsys.readouterr().out


def test_every_group_is_known_by_name_run_as_a_file_too():
    command = [sys.executable, str(bench.BENCH.parent / "tools" / "bench.py"), "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout
    assert "rnn, cells, sru, beam" in " ".join(text.split())


@pytest.mark.parametrize("arguments", [["nothing"], ["--pairs", "0"]])
def test_unknown_groups_and_no_pairs(monkeypatch, arguments):
    monkeypatch.setattr("sys.argv", ["bench.py", *arguments])
    with pytest.raises(SystemExit):
        bench.main()


def test_the_race_is_a_group_of_its_own(monkeypatch, tmp_path):
    asked = []

    def result(text):
        asked.append(text)
        return {"rows": []}

    monkeypatch.setattr(bench, "BENCH", tmp_path)
    monkeypatch.setattr(bench.bench_race, "result", result)
    monkeypatch.setattr("sys.argv", ["bench.py", "race", "--text", "some.txt"])
    bench.main()
    assert [path.name for path in asked] == ["some.txt"]
    found = json.loads((tmp_path / "race.json").read_text())
    assert found["title"] == bench.bench_race.TITLE
    assert found["machine"]["threads"] >= 1

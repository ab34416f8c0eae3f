"""The recipes of chapter 02: equal sizes where equal sizes are promised, and what they store."""

import functools

import pytest
import torch

from nlp_helpers.data.adding import adding_batch
from nlp_helpers.experiments import load_experiment, save_experiment
from tools import train_gates


def test_the_compared_models_have_about_as_many_weights(monkeypatch):
    class Tokenizer:
        vocab_size = 87

    monkeypatch.setattr(train_gates, "library_docs", lambda: (Tokenizer(), {}, {}))
    sizes = {
        name: sum(p.numel() for p in train_gates.text_model(name).parameters())
        for name in train_gates.TEXT["models"]
    }
    assert sizes["RNN"] == 99_127  # chapter 01's live model
    assert all(size == pytest.approx(sizes["RNN"], rel=0.01) for size in sizes.values())


def test_every_cell_meets_every_length_and_learning_rate_once():
    jobs = train_gates.adding_jobs()
    assert len(jobs) == len(set(jobs)) == 4 * 3 * 3
    assert {cell for cell, _, _ in jobs} == set(train_gates.CELLS)


def test_blocks():
    assert train_gates.blocks([1.0, 3.0, 0.123456, 0.123456], 2) == [2.0, 0.1235]


def test_a_run_of_the_adding_problem(monkeypatch):
    monkeypatch.setitem(train_gates.ADDING, "n_updates", 100)
    run = train_gates.adding_run(("GRU", 6, 1e-2))
    assert (run["cell"], run["length"], run["learning_rate"]) == ("GRU", 6, 1e-2)
    assert len(run["curve"]) == 2
    assert run["test"] < 0.12 < run["curve"][0]
    assert run["test"] != run["validation"]


def test_held_out_sums_are_not_the_training_ones():
    ours = train_gates.held_out_sums(6, 101)[0]
    training, _ = adding_batch(32, 6, torch.Generator().manual_seed(train_gates.SEED))
    assert not torch.equal(ours[:32], training)


def test_a_run_of_the_recall_task(monkeypatch):
    monkeypatch.setitem(train_gates.RECALL, "n_updates", 60)
    monkeypatch.setitem(train_gates.RECALL, "learning_rate", 1e-2)
    run = train_gates.forget_bias_run((2, 3.0, 0))
    assert 10 <= run["updates"] <= 60
    assert train_gates.forget_bias_run((2, 3.0, 0)) == run
    monkeypatch.setitem(train_gates.RECALL, "n_updates", 10)
    assert train_gates.forget_bias_run((2, 3.0, 0))["updates"] is None


def test_results_can_be_loaded(monkeypatch, tmp_path):
    save = functools.partial(save_experiment, folder=tmp_path)
    monkeypatch.setattr(train_gates, "save_experiment", save)
    train_gates.store("a-trial", "Does it work?", {"n": 1}, [2])
    found = load_experiment("a-trial", tmp_path)
    assert found["results"] == [2] and found["settings"]["n"] == 1
    assert found["seed"] == train_gates.SEED

"""Everything that the chapters load can be made again by a recipe of its name."""

import sys

import pytest

from nlp_helpers.data.cmudict import load_cmudict
from nlp_helpers.experiments import EXPERIMENTS
from nlp_helpers.g2p import error_rates, pronounce
from nlp_helpers.pretrained import CHECKPOINTS, load_checkpoint
from tools import train

# made by the recipe of another name, together with its experiment
MADE_TOGETHER = {"g2p-lstm-luong": "g2p-180-seconds"}

# what the chapters load; others may be there as well
PROMISED_CHECKPOINTS = {
    "char-rnn-library-docs",
    "char-lstm-library-docs",
    "g2p-lstm-luong",
    "g2p-lstm-plain",
    "g2p-transformer",
    "elmo-tiny-world",
    "gpt-tiny-world",
    "gpt-library-docs",
    "gpt-in-context",
    "bert-tiny-world",
    "bert-library-docs",
}
PROMISED_EXPERIMENTS = {
    "adding-problem",
    "copy-task",
    "cells-on-text",
    "forget-bias",
    "g2p-180-seconds",
    "g2p-larger",
    "g2p-transformer-180-seconds",
    "norm-order",
    "elmo-frozen-features",
    "ulmfit",
    "gpt-fine-tuning",
    "gpt-auxiliary",
    "in-context-emergence",
    "scaling",
    "sparse-attention",
    "bert-learning-rates",
    "bert-fine-tuning",
    "bert-ablations",
}
G2P = sorted(name for name in PROMISED_CHECKPOINTS if name.startswith("g2p"))


def test_what_the_chapters_load_is_there():
    checkpoints = {path.stem for path in CHECKPOINTS.glob("*.json")}
    experiments = {path.stem for path in EXPERIMENTS.glob("*.json")}
    assert not PROMISED_CHECKPOINTS - checkpoints
    assert not PROMISED_EXPERIMENTS - experiments


@pytest.mark.parametrize("name", G2P)
def test_stored_error_rates_are_of_the_whole_test_split_and_true(name):
    """Every 19th test word, about 300 of them, written again: PER within 0.02 of the stored."""
    dictionary, checkpoint = load_cmudict(), load_checkpoint(name)
    metrics = checkpoint.info["metrics"]
    for split in ("validation", "test"):
        assert {row["words"] for row in metrics[split]} == {len(dictionary.words(split))}
    (greedy,) = (row for row in metrics["test"] if row["beam_width"] == 1)
    words = dictionary.words("test")[::19]
    assert len(words) > 300
    per, wer = error_rates(dictionary, words, pronounce(checkpoint.model, words))
    assert per == pytest.approx(greedy["PER"], abs=0.02)
    assert wer == pytest.approx(greedy["WER"], abs=0.1)


def test_each_checkpoint_and_experiment_has_a_recipe():
    made = {path.stem for folder in (CHECKPOINTS, EXPERIMENTS) for path in folder.glob("*.json")}
    known = train.recipes()
    assert {MADE_TOGETHER.get(name, name) for name in made} <= known.keys()
    assert all(callable(recipe) and recipe.__doc__ for recipe in known.values())


def test_an_unknown_name_is_refused_before_any_training(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train", "char-rnn-library-docs", "oracle"])
    with pytest.raises(SystemExit):
        train.main()
    assert "unknown recipes ['oracle']" in capsys.readouterr().err


def test_names_are_made_in_the_order_given(monkeypatch, capsys):
    made = []
    recipes = {"a": lambda: made.append("a"), "b": lambda: made.append("b")}
    monkeypatch.setattr(train, "recipes", lambda: recipes)
    monkeypatch.setattr(sys, "argv", ["train", "b", "a"])
    train.main()
    assert made == ["b", "a"]
    monkeypatch.setattr(sys, "argv", ["train"])
    train.main()
    assert made == ["b", "a", "a", "b"]
    assert "a: training" in capsys.readouterr().out

"""Everything that the chapters load can be made again by a recipe of its name."""

import sys

import pytest

from nlp_helpers.experiments import EXPERIMENTS
from nlp_helpers.pretrained import CHECKPOINTS
from tools import train

# made by the recipe of another name, together with its experiment
MADE_TOGETHER = {"g2p-lstm-luong": "g2p-180-seconds"}


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

"""What the speeds and the race of chapter 06 compare, and that the race is fair."""

import pytest
import torch

from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.muon import MuonAdamW
from tools import bench_gpt, bench_race


@pytest.fixture
def small(monkeypatch):
    sizes = {"VOCAB": 61, "D_MODEL": 24, "N_HEADS": 3, "N_LAYERS": 2, "CONTEXT": 40, "PROMPT": 5}
    for name, value in sizes.items():
        monkeypatch.setattr(bench_gpt, name, value)
    monkeypatch.setattr(bench_gpt, "NEW_TOKENS", (3, 11))


def test_all_three_write_the_same_tokens(small):
    pairs = bench_gpt.generation_pairs()
    assert [p.against for p in pairs] == ["without cache", "transformers' generate"] * 2
    assert [p.name for p in pairs] == ["3 tokens"] * 2 + ["11 tokens"] * 2
    for pair, n in zip(pairs, (3, 3, 11, 11), strict=True):
        ours, theirs = pair.ours(), pair.reference()
        assert torch.equal(ours, theirs)
        assert ours.shape == (1, 5 + n)
        assert len(set(ours[0].tolist())) > 2  # not one token over and over


@pytest.fixture
def short(monkeypatch):
    """A race of few updates on a text of the test's own."""
    for name in ("NANOGPT", "OURS"):
        recipe = getattr(bench_race, name)
        fewer = bench_race.with_settings(recipe, n_steps=2, warmup=0)
        monkeypatch.setattr(bench_race, name, fewer)
    without = {
        name: bench_race.with_settings(recipe, n_steps=2, warmup=0)
        for name, recipe in bench_race.WITHOUT.items()
    }
    monkeypatch.setattr(bench_race, "WITHOUT", without)
    sizes = {**bench_race.SIZES, "max_len": 8, "d_model": 8, "n_heads": 2, "d_ff": 16}
    monkeypatch.setattr(bench_race, "SIZES", {**sizes, "n_layers": 1})
    monkeypatch.setattr(bench_race, "BLOCK", 8)


def test_the_race_measures_both_recipes_once_a_seed(short, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be, that is the question. " * 30)
    found = bench_race.result(text, n_seeds=2)
    assert [row["name"] for row in found["rows"]] == ["seed 0", "seed 1"]
    for row in found["rows"]:
        assert row["ratio"] == pytest.approx(row["ours_seconds"] / row["reference_seconds"])
        assert row["ours"]["windows_evaluated"] == row["reference"]["windows_evaluated"] > 10
        assert row["ours"]["characters_read"] == 2 * bench_race.OURS.batch * 8
        assert row["ours"]["seed"] == row["reference"]["seed"]
        assert row["ours"]["loss"] != row["reference"]["loss"]
    names = [row["name"] for row in found["one_change_put_back"]]
    assert names == ["ours", *bench_race.WITHOUT]
    assert found["one_change_put_back"][0]["loss"] == found["rows"][0]["ours"]["loss"]


def test_the_text_is_cut_as_nanogpt_cuts_it(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("abcdefghij" * 10)
    train, held_out, vocab_size = bench_race.load_text(text)
    assert (len(train), len(held_out), vocab_size) == (90, 10, 10)
    assert train[:10].tolist() == list(range(10))


def test_nanogpts_recipe_is_that_of_its_readme():
    settings = bench_race.NANOGPT.settings
    assert (settings.n_steps, settings.learning_rate, bench_race.NANOGPT.batch) == (2000, 1e-3, 12)
    assert (settings.warmup, settings.final_fraction, settings.beta2) == (100, 0.1, 0.99)
    assert (settings.weight_decay, settings.clip_norm) == (0.1, 1.0)
    assert bench_race.NANOGPT.optimizer() is torch.optim.AdamW


def test_what_is_put_back_is_one_thing_each():
    model = GPT(GPTConfig(vocab_size=65, **bench_race.SIZES))
    assert len(bench_race.WITHOUT) >= 5
    for recipe in bench_race.WITHOUT.values():
        assert recipe != bench_race.OURS
        read = recipe.settings.n_steps * recipe.batch
        assert read == bench_race.OURS.settings.n_steps * bench_race.OURS.batch
        groups = recipe.groups(model)
        assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    updates = bench_race.OURS.optimizer()(bench_race.OURS.groups(model), lr=1e-2)
    assert isinstance(updates, MuonAdamW)
    assert updates.param_groups[0]["momentum"] == bench_race.OURS.momentum
    assert updates.param_groups[0]["weight_decay"] == bench_race.OURS.muon_decay


def test_short_windows_come_first_and_as_many_characters_are_read():
    ids = torch.arange(1000)
    recipe = bench_race.with_settings(bench_race.OURS, n_steps=5)
    found = recipe.batches(ids, seed=0)
    shapes = [tokens.shape for tokens, _ in found]
    assert shapes == [(48, 32)] * 2 + [(24, 64)] * 3
    assert all((targets == tokens + 1).all() for tokens, targets in found)
    nano = bench_race.with_settings(bench_race.NANOGPT, n_steps=3, warmup=0)
    assert [tokens.shape for tokens, _ in nano.batches(ids, 0)] == [(12, 64)] * 3

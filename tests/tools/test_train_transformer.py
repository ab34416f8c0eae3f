"""The recipes of chapter 04: what they measure, on stubs and in a few updates."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from nlp_helpers.experiments import check_result, load_experiment
from nlp_helpers.pretrained import build_transformer
from nlp_helpers.training import TrainConfig
from tools import train_transformer as recipes


def writer(right_places: int):
    """A stub that copies the first symbols of a sequence rightly, and the others wrongly."""

    def step(tokens, state):
        source, place = state
        answer = source[:, place] if place < right_places else source[:, place] % 10 + 1
        return F.one_hot(answer, 11).float(), (source, place + 1)

    return SimpleNamespace(start=lambda source: (source, 0), step=step)


def test_only_a_sequence_without_any_mistake_counts_as_copied():
    assert recipes.share_copied(writer(10), n_sequences=13) == 1.0
    assert recipes.share_copied(writer(9), n_sequences=13) == 0.0


def test_the_copy_task_reports_every_seed(monkeypatch):
    saved = {}
    monkeypatch.setattr(
        recipes, "save_experiment", lambda name, result: saved.update({name: result})
    )
    monkeypatch.setattr(recipes, "COPY_SETTINGS", TrainConfig(n_steps=3, learning_rate=1e-3))
    monkeypatch.setattr(recipes, "COPY_SEEDS", (5, 6))
    monkeypatch.setattr(recipes, "COPY_HELD_OUT", 7)
    recipes.copy_task()
    check_result(saved["copy-task"])
    rows = saved["copy-task"]["results"]
    assert [row["seed"] for row in rows] == [5, 6]
    assert all(row["exact"] == 0 for row in rows)  # three updates teach nothing
    assert rows[0]["last_loss"] != rows[1]["last_loss"]  # each seed has weights of its own


def test_the_stored_copy_task_is_exact_for_five_seeds():
    result = load_experiment("copy-task")
    assert [run["seed"] for run in result["results"]] == [0, 1, 2, 3, 4]
    assert all(run["exact"] == 1.0 for run in result["results"])
    assert (result["settings"]["held_out"], result["settings"]["n_steps"]) == (2000, 500)


def test_sizes_are_as_promised():
    def size(config):
        return sum(p.numel() for p in build_transformer(config).parameters())

    assert size(recipes.G2P) <= 2_000_000
    lstm = load_experiment("g2p-180-seconds")["settings"]["parameters"]
    assert abs(size(recipes.SMALL_G2P) / lstm - 1) < 0.1  # about as large as what it is set beside


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_a_run_of_six_layers_tells_its_loss_along_the_way(monkeypatch, norm):
    monkeypatch.setattr(recipes, "NORM_STEPS", 4)
    monkeypatch.setattr(recipes, "STEPS_PER_POINT", 2)
    monkeypatch.setattr(recipes, "NORM_BATCH", 13)
    row = recipes.norm_run(norm, 2, 1e-3)
    assert (row["norm"], row["warmup"], row["learning_rate"]) == (norm, 2, 1e-3)
    assert len(row["curve"]) == 2
    assert 0.5 * math.log(42) < row["curve"][0] < 3 * math.log(42)


def test_the_stored_runs_cover_the_grid():
    result = load_experiment("norm-order")
    found = {(run["norm"], run["warmup"], run["learning_rate"]) for run in result["results"]}
    assert found == {(*where, rate) for where in recipes.NORM_GRID for rate in recipes.NORM_RATES}
    points = result["settings"]["n_steps"] // result["settings"]["steps_per_point"]
    assert all(len(run["curve"]) == points for run in result["results"])
    assert all(torch.tensor(run["curve"]).isfinite().all() for run in result["results"])

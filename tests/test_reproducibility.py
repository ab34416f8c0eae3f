"""One seed repeats Python, NumPy and torch; threads follow OMP_NUM_THREADS."""

import random

import numpy as np
import pytest
import torch

from nlp_helpers.reproducibility import set_seed


@pytest.fixture(autouse=True)
def restore_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def draw():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_the_same_seed_repeats_all_three_streams():
    set_seed(5)
    first = draw()
    set_seed(5)
    assert draw() == first
    set_seed(6)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


@pytest.mark.parametrize(("value", "threads"), [(None, 2), ("", 2), ("1", 1), ("3", 3), ("4,2", 4)])
def test_threads(monkeypatch, value, threads):
    if value is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", value)
    set_seed(0)
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("seed", "error"),
    [(-1, ValueError), (2**32, ValueError), (1.5, TypeError), ("1", TypeError), (True, TypeError)],
)
def test_bad_seed(seed, error):
    with pytest.raises(error, match="seed must be"):
        set_seed(seed)


@pytest.mark.parametrize("value", ["0", "two", "-1"])
def test_bad_number_of_threads(monkeypatch, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    with pytest.raises(ValueError, match=f"OMP_NUM_THREADS.*{value}"):
        set_seed(0)

"""Windows of a stream: at random places for training, side by side for comparisons."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.data.windows import all_windows, random_windows

STREAM = torch.randperm(101, generator=torch.Generator().manual_seed(0))  # every token once


def starts(walk):
    """The places of the windows of a stream that counts upwards, batch by batch."""
    return [tokens[:, 0].tolist() for tokens, _ in walk]


@given(
    n=st.integers(2, 60),
    batch_size=st.integers(1, 7),
    length=st.integers(1, 13),
    seed=st.integers(0, 3),
)
def test_random_windows_are_slices_and_targets_are_one_place_later(n, batch_size, length, seed):
    ids = STREAM[:n]
    if n <= length:
        with pytest.raises(ValueError, match=f"needs {length + 1}"):
            random_windows(ids, batch_size, length)
        return
    slices = {tuple(ids[i : i + length + 1].tolist()) for i in range(n - length)}
    walk = list(random_windows(ids, batch_size, length, n_batches=3, seed=seed))
    assert len(walk) == 3
    for tokens, targets in walk:
        assert tokens.shape == targets.shape == (batch_size, length)
        assert tokens.dtype == targets.dtype == torch.int64
        for row, after in zip(tokens.tolist(), targets.tolist(), strict=True):
            assert (*row, after[-1]) in slices
            assert row[1:] == after[:-1]


@pytest.mark.parametrize(("n", "length"), [(13, 7), (8, 7), (2, 1)])
def test_every_place_is_drawn_the_last_one_too_and_about_equally_often(n, length):
    walk = list(random_windows(torch.arange(n), 50, length, n_batches=40))
    drawn = torch.tensor(starts(walk)).flatten()
    assert set(drawn.tolist()) == set(range(n - length))
    counts = drawn.bincount(minlength=n - length)
    expected = len(drawn) / (n - length)
    assert counts.min() > 0.8 * expected and counts.max() < 1.2 * expected
    assert max(targets.max().item() for _, targets in walk) == n - 1


def test_equal_seeds_walk_alike_and_every_walk_is_another():
    one, two, other = (random_windows(torch.arange(999), 5, 7, seed=s) for s in (3, 3, 4))
    first, second = starts(one), starts(one)
    assert first != second
    assert (starts(two), starts(two)) == (first, second)
    assert starts(other) not in (first, second)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    list(random_windows(torch.arange(99), 5, 7))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("n", "batch_size", "length", "n_batches", "expected"),
    [
        (105, 3, 7, None, 5),
        (104, 3, 7, None, 4),
        (8, 3, 7, None, 1),  # at least one
        (105, 3, 7, 2, 2),
        (8, 3, 7, 11, 11),
    ],
)
def test_a_walk_is_as_long_as_said_or_covers_the_stream_once(
    n, batch_size, length, n_batches, expected
):
    windows = random_windows(torch.arange(n), batch_size, length, n_batches)
    assert len(windows) == len(list(windows)) == expected


def test_all_windows_by_hand():
    found = [(x.tolist(), y.tolist()) for x, y in all_windows(torch.arange(12), 2, 3)]
    assert found == [
        ([[0, 1, 2], [3, 4, 5]], [[1, 2, 3], [4, 5, 6]]),
        ([[6, 7, 8]], [[7, 8, 9]]),  # 9, 10, 11 has no target for 11: left out
    ]


@given(n=st.integers(2, 100), batch_size=st.integers(1, 7), length=st.integers(1, 13))
def test_all_windows_cover_the_stream_once_in_order(n, batch_size, length):
    if n <= length:
        with pytest.raises(ValueError, match=f"needs {length + 1}"):
            all_windows(STREAM[:n], batch_size, length)
        return
    windows = all_windows(STREAM[:n], batch_size, length)
    walk = list(windows)
    assert len(walk) == len(windows)
    sizes = [len(tokens) for tokens, _ in walk]
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1) and 1 <= sizes[-1] <= batch_size
    assert sum(sizes) == windows.n_windows
    assert all(x.shape == y.shape == (len(x), length) for x, y in walk)
    tokens, targets = (torch.cat(part).flatten() for part in zip(*walk, strict=True))
    assert torch.equal(tokens, STREAM[: len(tokens)])
    assert torch.equal(targets, STREAM[1 : len(tokens) + 1])
    assert 0 <= n - 1 - len(tokens) < length  # fewer than a window are left
    again = list(windows)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(walk, again, strict=True))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1, 2, 3], 1, 1), TypeError, "ids must be a LongTensor, got list"),
        ((torch.ones(9), 1, 1), TypeError, "float32"),
        ((torch.arange(9).int(), 1, 1), TypeError, "int32"),
        ((torch.zeros(3, 3, dtype=torch.long), 1, 1), ValueError, r"1-D.*\[3, 3\]"),
        ((torch.arange(7), 1, 7), ValueError, "7 tokens; a window of 7 needs 8"),
        ((torch.arange(0), 1, 1), ValueError, "0 tokens"),
        ((torch.arange(9), 0, 1), ValueError, "batch_size must be at least 1, got 0"),
        ((torch.arange(9), 2.0, 1), TypeError, "batch_size"),
        ((torch.arange(9), 1, -2), ValueError, "length must be at least 1, got -2"),
        ((torch.arange(9), 1, True), TypeError, "length"),
    ],
)
def test_bad_input(arguments, error, message):
    for windows in (random_windows, all_windows):
        with pytest.raises(error, match=message):
            windows(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_batches": 0}, ValueError, "n_batches must be at least 1, got 0"),
        ({"n_batches": 1.5}, TypeError, "n_batches"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": None}, TypeError, "seed"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        random_windows(torch.arange(9), 2, 3, **options)

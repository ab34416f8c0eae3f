import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.data.batches import language_model_batches


def test_by_hand():
    batches = language_model_batches(torch.arange(14), batch_size=2, n_steps=3)
    found = [(tokens.tolist(), targets.tolist()) for tokens, targets in batches]
    assert found == [
        ([[0, 1, 2], [6, 7, 8]], [[1, 2, 3], [7, 8, 9]]),
        ([[3, 4, 5], [9, 10, 11]], [[4, 5, 6], [10, 11, 12]]),
    ]


@given(
    n=st.integers(2, 200),
    batch_size=st.integers(1, 7),
    n_steps=st.integers(1, 13),
)
def test_rows_continue_and_targets_are_the_next_tokens(n, batch_size, n_steps):
    ids = torch.arange(n)  # a token is its own place, so its target is itself plus one
    if n < batch_size * n_steps + 1:
        with pytest.raises(ValueError, match="give more text"):
            language_model_batches(ids, batch_size, n_steps)
        return
    batches = language_model_batches(ids, batch_size, n_steps)
    seen = list(batches)
    assert len(seen) == len(batches) >= 1
    for tokens, targets in seen:
        assert tokens.shape == targets.shape == (batch_size, n_steps)
        assert torch.equal(targets, tokens + 1)
    for (before, _), (after, _) in itertools.pairwise(seen):
        assert torch.equal(after[:, 0], before[:, -1] + 1)
    used = torch.cat([tokens for tokens, _ in seen], dim=1).flatten()
    assert torch.equal(used, torch.arange(len(used)))  # row after row, nothing twice or left out
    assert n - 1 - len(used) < batch_size * n_steps
    again = list(batches)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(seen, again, strict=True))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1, 2, 3], 1, 1), TypeError, "list"),
        ((torch.ones(9), 1, 1), TypeError, "float32"),
        ((torch.zeros(3, 3, dtype=torch.long), 1, 1), ValueError, r"\[3, 3\]"),
        ((torch.arange(9), 0, 1), ValueError, "batch_size must be at least 1, got 0"),
        ((torch.arange(9), 1, -2), ValueError, "n_steps must be at least 1, got -2"),
        ((torch.arange(9), 2.0, 1), TypeError, "batch_size"),
        ((torch.arange(9), 1, True), TypeError, "n_steps"),
        ((torch.arange(6), 2, 3), ValueError, "6 tokens.*needs 7"),
        ((torch.arange(0), 1, 1), ValueError, "0 tokens"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        language_model_batches(*arguments)

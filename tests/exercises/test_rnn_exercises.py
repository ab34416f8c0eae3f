"""Chapter 01's checks: a right answer passes, typical wrong ones are told what is wrong."""

import math

import pytest
import torch

from nlp_helpers.exercises import rnn
from tests.exercises.judging import assert_judged, verdict


def clip_right(gradients, limit):
    norm = math.sqrt(sum((g**2).sum().item() for g in gradients))
    return [g * min(1, limit / norm) if norm else g for g in gradients]


def steps_right(w, fraction):
    if abs(w) >= 1:
        return math.inf
    return next(n for n in range(1, 10_000) if abs(w) ** n < fraction)


def count_right(vocab_size, hidden_size):
    return 2 * vocab_size * hidden_size + hidden_size**2 + hidden_size + vocab_size


CASES = [
    (rnn.check_count_parameters, count_right,
     [lambda v, h: v * h, lambda v, h: count_right(v, h) - v]),
    (rnn.check_last_state, rnn._last_state,
     [lambda x, U, W, b: torch.tanh(U @ x[-1] + b),
      lambda x, U, W, b: rnn._last_state(x, U, W.T, b)]),
    (rnn.check_clip_by_norm, clip_right,
     [lambda gs, limit: [g * limit / g.norm() for g in gs],
      lambda gs, limit: [g.clamp(-limit, limit) for g in gs]]),
    (rnn.check_training_pairs, rnn._pairs,
     [lambda ids, n: rnn._pairs(ids, n)[::-1], lambda ids, n: (ids[:-1], ids[1:])]),
    (rnn.check_steps_until, steps_right,
     [lambda w, f: math.log(f) / math.log(w), lambda w, f: 4]),
    (rnn.check_carry_back, rnn._carry_back,
     [lambda d, s, W: rnn._carry_back(d, s, W.T),
      lambda d, s, W: rnn._carry_back(d, torch.zeros_like(s), W)]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "right", "wrong"), CASES)
def test_right_wrong_and_not_attempted(capsys, check, right, wrong):
    assert_judged(capsys, check, right, wrong)


def test_the_function_with_the_bug_counts_as_not_attempted(capsys):
    out = verdict(capsys, rnn.check_training_pairs, rnn._pairs_with_the_bug)
    assert "not attempted yet." in out

"""Chapter 03's checks: a right answer passes, typical wrong ones are told what is wrong."""

import math
from functools import partial

import pytest
import torch

from nlp_helpers.exercises import seq2seq
from tests.exercises.judging import assert_quiz, verdict


def attend(query, keys, values, *, scale=1.0, mixed=None):
    scores = [math.fsum((query * key).tolist()) * scale for key in keys]
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    weights = [power / sum(powers) for power in powers]
    rows = values if mixed is None else keys[:, : values.shape[1]]
    context = [sum(w * row[j].item() for w, row in zip(weights, rows, strict=True))
               for j in range(rows.shape[1])]  # fmt: skip
    return torch.tensor(context), torch.tensor(weights)


def attend_with_exp(query, keys, values):
    powers = (keys @ query).exp()
    weights = powers / powers.sum()
    return weights @ values, weights


def length_normalised(probabilities, power):
    return math.fsum(map(math.log, probabilities)) / math.pow(len(probabilities), power)


def padding_mask(lengths):
    longest = max(lengths.tolist())
    return [[place < length for place in range(longest)] for length in lengths.tolist()]


def masked_softmax(scores, mask):
    weights = torch.zeros_like(scores)
    for row, real in enumerate(mask):
        if real.any():
            weights[row, real] = torch.softmax(scores[row, real], dim=0)
    return weights


def masked_with(fill, scores, mask):
    return torch.softmax(scores.masked_fill(~mask, fill), dim=-1)


def divided_again(scores, mask):
    weights = torch.softmax(scores, dim=-1) * mask
    return weights / weights.sum(dim=-1, keepdim=True)


def distance(a, b):
    table = {(i, 0): i for i in range(len(a) + 1)} | {(0, j): j for j in range(len(b) + 1)}
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            change = table[i - 1, j - 1] + (x != y)
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, change)
    return table[len(a), len(b)]


def error_rate(hypotheses, references, *, distance=distance, choose=None, by=None):
    errors = length = 0
    choose = choose or (lambda h, right: min(right, key=lambda r: (distance(h, r), -len(r))))
    for hypothesis, right in zip(hypotheses, references, strict=True):
        reference = choose(hypothesis, right)
        errors += distance(hypothesis, reference)
        length += len(hypothesis if by == "hypothesis" else reference)
    return errors / length


def by_position(a, b):
    return sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))


def mean_of_rates(hypotheses, references):
    rates = [error_rate([h], [r]) for h, r in zip(hypotheses, references, strict=True)]
    return sum(rates) / len(rates)


def shortest_of_nearest(hypothesis, right):
    return min(right, key=lambda r: (distance(hypothesis, r), len(r)))


def beam_step(log_probs, next_log_probs, k, *, key=None):
    table = [
        (float(log_probs[parent] + next_log_probs[parent, token]), parent, token)
        for parent in range(len(log_probs))
        for token in range(next_log_probs.shape[1])
    ]
    table.sort(key=key or (lambda entry: (-entry[0], entry[1], entry[2])))
    return [(parent, token) for _, parent, token in table[:k]]


def best_of_each_parent(log_probs, next_log_probs, k):
    best = next_log_probs.argmax(dim=1).tolist()
    order = (log_probs + next_log_probs.amax(dim=1)).argsort(descending=True).tolist()
    return [(parent, best[parent]) for parent in order][:k]


def split_by_k(log_probs, next_log_probs, k):
    flat = (log_probs[:, None] + next_log_probs).flatten()
    return [divmod(i, k) for i in flat.argsort(descending=True, stable=True)[:k].tolist()]


CHECKS = [
    (seq2seq.check_attend, attend),
    (seq2seq.check_length_normalised, length_normalised),
    (seq2seq.check_padding_mask, padding_mask),
    (seq2seq.check_masked_softmax, masked_softmax),
    (seq2seq.check_error_rate, error_rate),
    (seq2seq.check_beam_step, beam_step),
]

# check, wrong answer, words of the hint that it must get
WRONG = [
    (seq2seq.check_attend, lambda q, k, v: attend(q, k, v, scale=len(q) ** -0.5), "plain dot"),
    (seq2seq.check_attend, lambda q, k, v: attend(q, k, v)[0], "plain dot"),
    (seq2seq.check_attend, lambda q, k, v: (k @ q @ v, k @ q), "softmax runs over the source"),
    (seq2seq.check_attend, partial(attend, mixed="keys"), "what is added up, by weight, are the v"),
    (seq2seq.check_attend, attend_with_exp, "exp of a large score is infinite"),
    (seq2seq.check_length_normalised, lambda p, a: math.prod(p), "the logarithm of the product"),
    (seq2seq.check_length_normalised, lambda p, a: sum(map(math.log2, p)), "in nats"),
    (seq2seq.check_length_normalised, lambda p, a: math.log(math.prod(p)), "mean of the logarithm"),
    (seq2seq.check_length_normalised,
     lambda p, a: sum(map(math.log, p)) / (a * len(p) or 1), "to that power"),
    (seq2seq.check_length_normalised,
     lambda p, a: math.log(math.prod(p)) / len(p) ** a, "add logarithms instead"),
    (seq2seq.check_padding_mask, lambda n: torch.arange(n.max()) >= n[:, None], "True stands for"),
    (seq2seq.check_padding_mask, lambda n: torch.arange(n.max()) <= n[:, None], "True stands for"),
    (seq2seq.check_padding_mask, lambda n: (torch.arange(n.max()) < n[:, None]).float(),
     "True and False, not numbers"),
    (seq2seq.check_padding_mask, lambda n: (torch.arange(n.max())[:, None] < n), "True stands for"),
    (seq2seq.check_padding_mask, lambda n: torch.arange(3) < n[:, None], "up to the greatest"),
    (seq2seq.check_masked_softmax, lambda s, m: masked_softmax(s, ~m), "True means real"),
    (seq2seq.check_masked_softmax, lambda s, m: s.softmax(0), "over the last axis"),
    (seq2seq.check_masked_softmax, partial(masked_with, 0.0), "exp(0) is 1"),
    (seq2seq.check_masked_softmax, lambda s, m: (s * m).softmax(-1) * m, "exp(0) is 1"),
    (seq2seq.check_masked_softmax, partial(masked_with, -math.inf), "zeros, not nan"),
    (seq2seq.check_masked_softmax, partial(masked_with, -1e9), "zeros, not nan"),
    (seq2seq.check_masked_softmax, divided_again, "far above all others"),
    (seq2seq.check_error_rate, partial(error_rate, distance=by_position), "find the fewest"),
    (seq2seq.check_error_rate, lambda h, r: float(error_rate(h, r) > 0), "find the fewest"),
    (seq2seq.check_error_rate, partial(error_rate, by="hypothesis"), "the length of the reference"),
    (seq2seq.check_error_rate, partial(error_rate, choose=lambda h, r: r[0]), "nearest reference"),
    (seq2seq.check_error_rate, partial(error_rate, choose=shortest_of_nearest), "the longest"),
    (seq2seq.check_error_rate, mean_of_rates, "divide once"),
    (seq2seq.check_beam_step,
     lambda p, n, k: beam_step(torch.zeros_like(p), n, k), "rank by log_probs"),
    (seq2seq.check_beam_step, partial(beam_step, key=lambda e: e), "best first"),
    (seq2seq.check_beam_step, best_of_each_parent, "both winners may be of one parent"),
    (seq2seq.check_beam_step, split_by_k, "place // vocab and place % vocab"),
    (seq2seq.check_beam_step,
     partial(beam_step, key=lambda e: (-e[0], e[2], e[1])), "the lower parent first"),
    (seq2seq.check_beam_step,
     partial(beam_step, key=lambda e: (-e[0], -e[1], -e[2])), "the lower parent first"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "right"), CHECKS)
def test_right_and_not_attempted(capsys, check, right):
    assert ": correct. " in verdict(capsys, check, right)
    assert "not attempted yet." in verdict(capsys, check, lambda *_: ...)
    assert "not attempted yet." in verdict(capsys, check, None)


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_a_wrong_answer_gets_its_hint(capsys, check, answer, hint):
    out = verdict(capsys, check, answer)
    assert ": not yet. " in out
    assert hint in out


def test_the_reference_solutions_agree_with_the_checks(capsys):
    for check, answer in (
        (seq2seq.check_attend, seq2seq._attend),
        (seq2seq.check_length_normalised, seq2seq._length_normalised),
        (seq2seq.check_padding_mask, seq2seq._padding_mask),
        (seq2seq.check_masked_softmax, seq2seq._masked_softmax),
        (seq2seq.check_beam_step, seq2seq._beam_step),
    ):
        assert ": correct. " in verdict(capsys, check, answer)


def test_the_function_with_the_bug_counts_as_not_attempted(capsys):
    out = verdict(capsys, seq2seq.check_masked_softmax, seq2seq._masked_softmax_with_the_bug)
    assert "not attempted yet." in out


def test_the_bug_shows_in_the_notebook():
    """What exercise 4's cell prints: padding changes the weights of the same word."""
    scores = torch.tensor([[2.0, 1.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, False, False]])
    for function, same in (
        (seq2seq._masked_softmax_with_the_bug, False),
        (seq2seq._masked_softmax, True),
    ):
        alone = function(scores[:, :2], mask[:, :2])
        assert torch.allclose(function(scores, mask)[:, :2], alone) == same


def test_the_quiz():
    assert_quiz("quiz-seq2seq", seq2seq.QUIZ)


def test_the_numbers_of_the_quiz():
    hat, straw = (0.2, 0.3, 0.1), (0.1, 0.3, 0.3, 0.4)
    assert math.prod(hat) == pytest.approx(0.006)
    assert math.prod(straw) == pytest.approx(0.0036)
    assert round(math.exp(length_normalised(hat, 1)), 3) == 0.182
    assert round(math.exp(length_normalised(straw, 1)), 3) == 0.245

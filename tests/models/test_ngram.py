"""The fast n-gram model against the equations written out with dictionaries."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch

from nlp_helpers.models.ngram import NGramLM, modified_discounts


class SlowKneserNey:
    """Chen & Goodman 1999, modified Kneser-Ney, one dictionary per order, one token at a time."""

    def __init__(self, ids, order, vocab_size):
        self.order, self.vocab_size = order, vocab_size
        self.counts = {}
        for k in range(1, order + 1):
            if k == order:
                self.counts[k] = Counter(tuple(ids[i : i + k]) for i in range(len(ids) - k + 1))
            else:
                left = defaultdict(set)
                for i in range(1, len(ids) - k + 1):
                    left[tuple(ids[i : i + k])].add(ids[i - 1])
                self.counts[k] = Counter({gram: len(before) for gram, before in left.items()})
        self.discounts = {k: self._discounts(self.counts[k]) for k in self.counts}

    @staticmethod
    def _discounts(counts):
        n = Counter(counts.values())
        if n[1] == 0:
            return {1: 0.5, 2: 0.5, 3: 0.5}
        y = n[1] / (n[1] + 2 * n[2])
        if n[2] and n[3]:
            d = {
                1: 1 - 2 * y * n[2] / n[1],
                2: 2 - 3 * y * n[3] / n[2],
                3: 3 - 4 * y * n[4] / n[3],
            }
            if all(0 < d[i] <= i for i in d):
                return d
        return {1: y, 2: y, 3: y}

    def p(self, token, context):
        k = len(context) + 1
        lower = self.p(token, context[1:]) if context else 1 / self.vocab_size
        following = {g[-1]: c for g, c in self.counts[k].items() if g[:-1] == context}
        total = sum(following.values())
        if not total:
            return lower
        d = self.discounts[k]
        n1 = sum(c == 1 for c in following.values())
        n2 = sum(c == 2 for c in following.values())
        n3 = sum(c >= 3 for c in following.values())
        gamma = (d[1] * n1 + d[2] * n2 + d[3] * n3) / total
        c = following.get(token, 0)
        return (c - d[min(c, 3)] if c else 0) / total + gamma * lower


def stream(seed, n, vocab_size):
    """A skewed Markov chain, so that counts of 1, 2, 3 and 4 all occur."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(vocab_size, 0.3), size=vocab_size)
    ids = [0]
    for _ in range(n - 1):
        ids.append(int(rng.choice(vocab_size, p=table[ids[-1]])))
    return ids


CASES = [(1, 40, 3), (2, 60, 5), (3, 200, 6), (4, 300, 5), (5, 80, 4), (3, 3, 2), (6, 400, 9)]


@pytest.mark.parametrize(("order", "n", "vocab_size"), CASES)
def test_equals_the_equations(order, n, vocab_size):
    ids, test = stream(order, n, vocab_size), stream(order + 100, 50, vocab_size + 1)
    vocab_size += 1  # one token is never seen in training
    fast = NGramLM(order, vocab_size).fit(torch.tensor(ids))
    slow = SlowKneserNey(ids, order, vocab_size)
    expected = [
        math.log(slow.p(test[t], tuple(test[max(0, t - order + 1) : t])))
        for t in range(1, len(test))
    ]
    found = fast.log_probs(torch.tensor(test))
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_the_cases_reach_the_modified_discounts():
    """Three discounts, as in the paper, not only the fallback for few n-grams."""
    slow = SlowKneserNey(stream(6, 400, 9), 6, 10)
    assert sum(len(set(d.values())) == 3 for d in slow.discounts.values()) >= 2


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("context", [[], [0], [1, 2], [7, 7, 7], [0, 1, 0, 1, 0, 1, 0]])
def test_probabilities_sum_to_one_for_seen_and_unseen_contexts(order, context):
    model = NGramLM(order, 8).fit(stream(0, 500, 7))  # token 7 never occurs
    log_p = model.next_log_probs(context)
    assert log_p.shape == (8,)
    assert torch.isfinite(log_p).all()
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)
    if context:
        each = [model.log_probs([*context, token])[-1] for token in range(8)]
        torch.testing.assert_close(torch.stack(each), log_p)


def test_what_was_frequent_is_likelier_and_longer_context_helps():
    ids = [0, 1, 2, 0, 1, 3] * 50
    model = NGramLM(3, 4).fit(ids)
    p = model.next_log_probs([0, 1]).exp()
    assert p[2] > 0.4
    assert p[3] > 0.4
    assert p[0] < 0.05
    perplexities = [NGramLM(order, 4).fit(ids).perplexity(ids) for order in (1, 2, 3, 4)]
    assert perplexities == sorted(perplexities, reverse=True)
    assert perplexities[3] < 1.05 < 1.25 < perplexities[2]  # after 0 1: one bit, told by token -3


def test_lower_orders_count_left_neighbours_not_occurrences():
    """ "Francisco" is frequent, but only after "San", so it is unlikely after a new word."""
    ids = [0, 1] * 30 + [2, 3, 4, 3, 5, 3]  # 1 follows only 0; 3 follows 2, 4 and 5
    p = NGramLM(2, 7).fit(ids).next_log_probs([6])
    assert p[3] > p[1]


def test_perplexity_is_exp_of_the_mean_and_uniform_for_nothing_seen():
    ids = stream(3, 300, 5)
    model = NGramLM(3, 5).fit(ids)
    assert model.perplexity(ids) == pytest.approx(math.exp(-model.log_probs(ids).mean()))
    assert len(model.log_probs(ids)) == len(ids) - 1


def test_many_tokens_and_a_high_order_do_not_overflow():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 50_000, 2_000)
    ids[1_000:] = ids[:1_000]
    model = NGramLM(9, 50_000).fit(ids)  # 50,000 ** 9 is far beyond 64 bits
    assert model.perplexity(ids) < 5
    assert model.next_log_probs(ids[:8]).exp().sum().item() == pytest.approx(1)


def test_discounts_of_the_paper_and_the_fallbacks():
    counts = np.repeat([1, 2, 3, 4, 9], [100, 30, 15, 10, 7])
    y = 100 / 160
    expected = [0, 1 - 2 * y * 30 / 100, 2 - 3 * y * 15 / 30, 3 - 4 * y * 10 / 15]
    np.testing.assert_allclose(modified_discounts(counts), expected)
    np.testing.assert_allclose(modified_discounts(np.array([5, 6])), [0, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(modified_discounts(np.array([1, 1, 2])), [0, 0.5, 0.5, 0.5])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: NGramLM(0, 5), ValueError, "order must be at least 1, got 0"),
        (lambda: NGramLM(2, 0), ValueError, "vocab_size must be at least 1, got 0"),
        (lambda: NGramLM(2.0, 5), TypeError, "order"),
        (lambda: NGramLM(2, True), TypeError, "vocab_size"),
        (lambda: NGramLM(3, 5).fit([0, 1]), ValueError, r"n >= 3, got shape \(2,\)"),
        (lambda: NGramLM(1, 5).fit([]), ValueError, r"n >= 1, got shape \(0,\)"),
        (lambda: NGramLM(1, 5).fit([[0, 1]]), ValueError, r"\(1, 2\)"),
        (lambda: NGramLM(1, 5).fit([0.5, 1.0]), TypeError, "float64"),
        (lambda: NGramLM(1, 5).fit("abc"), TypeError, "integers"),
        (lambda: NGramLM(1, 5).fit([0, 5]), ValueError, "id 5 is out of range for vocab_size 5"),
        (lambda: NGramLM(1, 5).fit([0, -1]), ValueError, "id -1"),
        (lambda: NGramLM(1, 5).fit([0, 1]).log_probs([0]), ValueError, "n >= 2"),
        (lambda: NGramLM(1, 5).fit([0, 1]).next_log_probs([9]), ValueError, "id 9"),
        (lambda: NGramLM(1, 5).log_probs([0, 1]), RuntimeError, r"call fit\(ids\) first"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()

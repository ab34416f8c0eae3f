"""The n-gram language model with interpolated modified Kneser-Ney smoothing.

The classical baseline: count which token followed the last ``order - 1`` tokens, and fall back
gently on shorter contexts. It is one sorted table per n-gram length:

    level k: every distinct k-gram, as the number ``parent * vocab_size + last token``,

where the parent is the row of its first k - 1 tokens in level k - 1. Finding an n-gram is one
binary search per token, for a whole text at once.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class Level:
    """The k-grams of one length: sorted keys, counts, discounts, and totals per context.

    Args:
        keys: sorted keys of the distinct k-grams, [n_grams].
        counts: their counts (lower orders: how many different tokens precede), [n_grams].
        n_contexts: rows of the level below, which are the contexts here.
        vocab_size: how many tokens there are.
    """

    def __init__(self, keys: np.ndarray, counts: np.ndarray, n_contexts: int, vocab_size: int):
        self.keys = keys
        self.vocab_size = vocab_size
        parents = keys // vocab_size
        discounts = modified_discounts(counts)[np.minimum(counts, 3)]  # D(c) [n_grams]
        self.total = np.bincount(parents, counts, n_contexts)  # c(context) [n_contexts]
        self.left_over = np.bincount(parents, discounts, n_contexts)  # Σ D(c) [n_contexts]
        self.kept = counts - discounts  # c - D(c) [n_grams]

    def find(self, contexts: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The row of each context extended by a token, or -1 if it never occurred.

        Shape:
            contexts: int64 [n], rows of the level below, -1 where unseen; tokens: int64 [n];
            returns: int64 [n].
        """
        keys = contexts * self.vocab_size + tokens
        rows = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where((contexts >= 0) & (self.keys[rows] == keys), rows, -1)

    def interpolate(
        self, contexts: np.ndarray, tokens: np.ndarray, shorter: np.ndarray
    ) -> np.ndarray:
        """P(token | context) from this level's counts and the shorter context's probability.

        Source: Chen & Goodman 1999, equation for p_KN of the modified version (section 3):
            p = (c - D(c)) / c(context) + γ(context) p_shorter, γ = Σ D(c) / c(context).
        Shape:
            contexts, tokens, shorter: [n]; returns: [n].
        """
        rows = self.find(contexts, tokens)
        total = np.where(contexts >= 0, self.total[contexts], 0)
        known = total > 0
        kept = np.where(rows >= 0, self.kept[rows], 0)
        mixed = kept + self.left_over[contexts] * shorter
        return np.divide(mixed, total, out=shorter.copy(), where=known)


class NGramLM:
    """An n-gram model of a stream of token ids, smoothed by modified Kneser-Ney.

    Source: Kneser & Ney 1995; Chen & Goodman 1999, "An empirical study of smoothing techniques
    for language modeling", Computer Speech & Language 13, section 3 (modified, interpolated).

    The highest order uses how often an n-gram occurred; a lower order uses how many different
    tokens came before it. The unigram is interpolated with the uniform distribution over
    ``vocab_size`` tokens, so that a token never seen keeps some probability. Discounts follow
    from the counts of counts of each order (see ``modified_discounts``).

    Args:
        order: the n of n-gram; a prediction looks at ``order - 1`` tokens.
        vocab_size: tokens are 0 … vocab_size - 1.
    Raises:
        TypeError: not ints.
        ValueError: below 1.
    """

    def __init__(self, order: int, vocab_size: int):
        for name, value in (("order", order), ("vocab_size", vocab_size)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an int, got {value!r}")
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.order = order
        self.vocab_size = vocab_size
        self.levels: list[Level] = []

    def fit(self, ids: Tensor | np.ndarray | Sequence[int]) -> "NGramLM":
        """Count a stream of tokens and return the model itself.

        Shape:
            ids: integers [n], n >= order.
        Raises:
            TypeError: ids are not integers.
            ValueError: not 1-D, shorter than ``order``, or an id out of range.
        """
        ids = self._check(ids, at_least=self.order)
        tables: list[list] = []
        rows, n_contexts = np.zeros(len(ids) + 1, dtype=np.int64), 1  # level 0: the empty context
        for k in range(1, self.order + 1):
            lower = rows  # of the (k - 1)-gram that ends at each token, the last included
            grams = lower[:-1] * self.vocab_size + ids[k - 1 :]
            keys, first, rows, counts = np.unique(
                grams, return_index=True, return_inverse=True, return_counts=True
            )
            if tables:  # each distinct k-gram is one left neighbour of its last k - 1 tokens
                tables[-1][1] = np.bincount(lower[1:][first], minlength=n_contexts)
            tables.append([keys, counts, n_contexts])
            n_contexts = len(keys)
        self.levels = [Level(*table, self.vocab_size) for table in tables]
        return self

    def log_probs(self, ids: Tensor | np.ndarray | Sequence[int]) -> Tensor:
        """Log-probability, in nats, of each token but the first given the tokens before it.

        The first is only context, as for a network that reads ``ids[:-1]`` and predicts
        ``ids[1:]``; the next few are predicted from the shorter contexts that there are.

        Shape:
            ids: integers [n], n >= 2; returns: float64 [n - 1].
        Raises:
            TypeError, ValueError: as ``fit``; RuntimeError: the model is not fitted.
        """
        ids = self._check(ids, at_least=2)
        contexts = [rows[:-1] for rows in self._rows(ids)]
        return torch.from_numpy(np.log(self._probabilities(contexts, ids[1:])))

    def next_log_probs(self, context: Tensor | np.ndarray | Sequence[int]) -> Tensor:
        """Log-probabilities, in nats, of every possible next token after a context.

        Shape:
            context: integers [n], n >= 0; returns: float64 [vocab_size].
        Raises:
            TypeError, ValueError: as ``fit``; RuntimeError: the model is not fitted.
        """
        ids = self._check(context, at_least=0)[-self.order :]
        every = np.arange(self.vocab_size)
        rows = [row[-1:] if len(row) else np.array([-1]) for row in self._rows(ids)]
        rows[0] = np.zeros(1, dtype=np.int64)
        contexts = [np.repeat(row, self.vocab_size) for row in rows]
        return torch.from_numpy(np.log(self._probabilities(contexts, every)))

    def perplexity(self, ids: Tensor | np.ndarray | Sequence[int]) -> float:
        """exp of the mean of ``-log_probs(ids)``: perplexity per token."""
        return float(torch.exp(-self.log_probs(ids).mean()))

    def _rows(self, ids: np.ndarray) -> list[np.ndarray]:
        """For k = 0 … order - 1: where in level k the k tokens up to each position are."""
        if not self.levels:
            raise RuntimeError("the model is not fitted: call fit(ids) first")
        rows = [np.zeros(len(ids), dtype=np.int64)]
        for level in self.levels[:-1]:
            before = np.roll(rows[-1], 1)
            if len(rows) > 1:
                before[:1] = -1  # nothing stands before the first token
            rows.append(level.find(before, ids))
        return rows

    def _probabilities(self, contexts: list[np.ndarray], tokens: np.ndarray) -> np.ndarray:
        p = np.full(len(tokens), 1 / self.vocab_size)
        for level, rows in zip(self.levels, contexts, strict=True):
            p = level.interpolate(rows, tokens, p)
        return p

    def _check(self, ids: Tensor | np.ndarray | Sequence[int], at_least: int) -> np.ndarray:
        array = np.asarray(ids)
        if array.size and array.dtype.kind not in "iu":
            raise TypeError(f"ids must be integers, got {array.dtype}")
        if array.ndim != 1 or len(array) < at_least:
            raise ValueError(f"ids must be [n] with n >= {at_least}, got shape {array.shape}")
        if array.size and not 0 <= array.min() <= array.max() < self.vocab_size:
            wrong = array[(array < 0) | (array >= self.vocab_size)][0]
            raise ValueError(f"id {wrong} is out of range for vocab_size {self.vocab_size}")
        return array.astype(np.int64)


def modified_discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken off counts of 0, 1, 2 and 3 or more: D(0) = 0, D1, D2, D3+.

    Source: Chen & Goodman 1999, section 3: with n_i the number of n-grams of count i and
    Y = n1 / (n1 + 2 n2), D_i = i - (i + 1) Y n_(i+1) / n_i. Where that is undefined or outside
    (0, i], as it can be for few n-grams, all three are Y, or 1/2 where no count is 1.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(float)
    y = n[1] / (n[1] + 2 * n[2]) if n[1] else 0.5
    if n[1:4].all():
        found = np.array([i - (i + 1) * y * n[i + 1] / n[i] for i in (1, 2, 3)])
        if (found > 0).all() and (found <= (1, 2, 3)).all():
            return np.array([0, *found])
    return np.array([0, y, y, y])

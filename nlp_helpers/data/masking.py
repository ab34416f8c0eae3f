"""BERT's masked words: which places are asked for, and what the model sees at them."""

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nlp_helpers.checks import check_int, check_number, check_tokens

IGNORE = -100  # the target of places that do not count, as in torch's cross_entropy
NOT_CHOSEN, MASKED, RANDOM, KEPT = range(4)


class Masked(NamedTuple):
    """Tokens with some places hidden, and what stood there.

    Shape:
        tokens: int64 [batch, time], what the model sees; targets: int64 [batch, time], the token
        that stood at a chosen place, IGNORE elsewhere; kinds: int8 [batch, time], 0 = not chosen,
        1 = became [MASK], 2 = became a random token, 3 = chosen but kept.
    """

    tokens: Tensor
    targets: Tensor
    kinds: Tensor


class Masker:
    """Chooses 15 % of the places of each row; most of them become [MASK].

    Of the n tokens of a row that are not special, max(1, round(rate n)) are chosen, all equally
    likely. Each of them becomes [MASK] with probability 0.8, a random token with 0.1, and stays
    with 0.1, independently of the others. The random token is drawn from the vocabulary without
    the special tokens, so it may be the one that stood there.

    The authors' code differs in two details: it counts [CLS] and [SEP] in n (it never chooses
    them), and its random tokens may be special ones.

    Source: Devlin et al. 2019, section 3.1 (task 1) and appendix A.1; the number of places is the
        authors' code's.

    Args:
        mask_id: of [MASK].
        vocab_size: number of tokens, special ones included.
        special_ids: tokens that are never chosen and never drawn: [PAD], [CLS], [SEP], ...;
            [MASK] is one of them in any case.
        rate: share of the places that is chosen.
        shares: of [MASK], of random tokens and of kept ones among the chosen places.

    Raises:
        ValueError: an id outside the vocabulary, no token that is not special, a rate that is not
            between 0 and 1, shares that are negative or do not sum to 1.
        TypeError: ids that are not ints, numbers that are not numbers.
    """

    def __init__(
        self,
        mask_id: int,
        vocab_size: int,
        special_ids: Collection[int],
        rate: float = 0.15,
        shares: Sequence[float] = (0.8, 0.1, 0.1),
    ):
        check_int("vocab_size", vocab_size)
        for name, token in [("mask_id", mask_id), *(("a special id", i) for i in special_ids)]:
            check_int(name, token, least=0)
            if token >= vocab_size:
                raise ValueError(f"{name} must be below vocab_size={vocab_size}, got {token}")
        check_number("rate", rate, 0, 1, open_low=True, open_high=True)
        self.mask_id, self.vocab_size = mask_id, vocab_size
        self.rate, self.shares = rate, check_shares(shares)
        self.special_ids = frozenset({mask_id, *special_ids})
        self._ordinary = torch.ones(vocab_size, dtype=torch.bool)
        self._ordinary[list(self.special_ids)] = False
        self._drawn = self._ordinary.nonzero().squeeze(1)  # what a random token may be
        if not len(self._drawn):
            raise ValueError(f"all {vocab_size} tokens of the vocabulary are special")

    def __call__(self, tokens: Tensor, generator: torch.Generator) -> Masked:
        """The same rows with places hidden; `tokens` stays as it is.

        A row of special tokens only has no place to choose.

        Shape:
            tokens: integers [batch, time].

        Raises:
            ValueError: tokens of wrong rank or outside the vocabulary.
            TypeError: tokens that are not integers, a generator that is none.
        """
        check_tokens(tokens, self.vocab_size)
        if not isinstance(generator, torch.Generator):
            kind = type(generator).__name__
            raise TypeError(f"generator must be a torch.Generator, got {kind}")
        tokens = tokens.long()
        chosen = self._choose(tokens, generator)
        draw = torch.rand(tokens.shape, generator=generator)
        masked, random, _ = self.shares
        kinds = torch.full_like(tokens, KEPT, dtype=torch.int8)
        kinds[draw < masked + random] = RANDOM
        kinds[draw < masked] = MASKED
        kinds[~chosen] = NOT_CHOSEN
        others = torch.randint(len(self._drawn), tokens.shape, generator=generator)
        seen = torch.where(kinds == RANDOM, self._drawn[others], tokens)
        seen = seen.masked_fill(kinds == MASKED, self.mask_id)
        return Masked(seen, tokens.masked_fill(~chosen, IGNORE), kinds)

    def _choose(self, tokens: Tensor, generator: torch.Generator) -> Tensor:
        """The places with the lowest lots, bool [batch, time]."""
        ordinary = self._ordinary[tokens]
        n_ordinary = ordinary.sum(dim=1, keepdim=True)
        n_chosen = (self.rate * n_ordinary.double()).round().clamp(min=1).minimum(n_ordinary)
        lots = torch.rand(tokens.shape, generator=generator).masked_fill(~ordinary, 2.0)
        order = lots.argsort(dim=1)
        turns = torch.arange(tokens.shape[1]).expand_as(order)
        rank = torch.empty_like(order).scatter_(1, order, turns)  # of each place among the lots
        return rank < n_chosen


def check_shares(shares: Sequence[float]) -> tuple[float, float, float]:
    """Three shares that sum to 1.

    Raises:
        ValueError: not three, one negative, another sum.
        TypeError: not numbers.
    """
    if len(shares) != 3:
        raise ValueError(f"shares must be three ([MASK], random, kept), got {shares}")
    for share in shares:
        check_number("a share", share, 0, 1)
    if not math.isclose(sum(shares), 1):
        raise ValueError(f"shares must sum to 1, got {shares} with sum {sum(shares)}")
    return tuple(shares)

"""Masks as in section 3.1 of Devlin et al. 2019: how many, where, and what the model sees."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from nlp_helpers.data.masking import IGNORE, Masker

VOCAB, PAD, CLS, SEP, MASK = 37, 0, 2, 3, 4
SPECIAL = (PAD, 1, CLS, SEP, MASK)
masker = Masker(MASK, VOCAB, SPECIAL)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(batch=13, time=37, seed=0, low=0):
    return torch.randint(low, VOCAB, (batch, time), generator=gen(seed))


def n_chosen(n, rate=0.15):
    """As in the authors' code, but for what n counts."""
    return max(1, round(n * rate)) if n else 0


def within(count, n, p, deviations=4):
    return abs(count - n * p) <= deviations * math.sqrt(n * p * (1 - p))


@given(
    batch=st.integers(1, 13),
    time=st.integers(1, 41),
    vocab=st.integers(6, 50),
    rate=st.sampled_from([0.01, 0.15, 0.5, 0.99]),
    seed=st.integers(0, 999),
)
def test_what_is_hidden_is_asked_for_and_nothing_else_changes(batch, time, vocab, rate, seed):
    tokens = torch.randint(0, vocab, (batch, time), generator=gen(seed))
    before = tokens.clone()
    seen, targets, kinds = Masker(MASK, vocab, SPECIAL, rate)(tokens, gen(seed))
    assert torch.equal(tokens, before)
    assert seen.dtype == targets.dtype == torch.int64
    assert kinds.dtype == torch.int8
    assert seen.shape == targets.shape == kinds.shape == tokens.shape
    for b in range(batch):
        n = sum(token not in SPECIAL for token in tokens[b].tolist())
        assert (kinds[b] > 0).sum() == n_chosen(n, rate)
        for t in range(time):
            token, kind = tokens[b, t].item(), kinds[b, t].item()
            assert targets[b, t] == (token if kind else IGNORE)
            if token in SPECIAL:
                assert kind == 0
            if kind in (0, 3):
                assert seen[b, t] == token
            elif kind == 1:
                assert seen[b, t] == MASK
            else:
                assert kind == 2
                assert seen[b, t].item() not in SPECIAL


@pytest.mark.parametrize(
    ("n", "expected"),
    [(1, 1), (3, 1), (6, 1), (9, 1), (10, 2), (16, 2), (17, 3), (30, 4), (50, 8), (126, 19)],
)
def test_how_many_of_a_row_rounded_as_python_does(n, expected):
    tokens = torch.full((1, 128), PAD)
    tokens[0, :n] = 7
    assert (masker(tokens, gen()).kinds > 0).sum() == expected == n_chosen(n)


def test_rows_of_different_lengths_and_one_of_special_tokens_only():
    tokens = torch.full((4, 40), PAD)
    lengths = [40, 11, 1, 0]
    for row, n in zip(tokens, lengths, strict=True):
        row[:n] = 9
        row[n : n + 1] = SEP
    _, targets, kinds = masker(tokens, gen())
    assert (kinds > 0).sum(1).tolist() == [6, 2, 1, 0]
    assert (targets[3] == IGNORE).all()


def test_the_shares_are_15_percent_and_80_10_10():
    tokens = rows(3000, 101, low=5)  # no special tokens: 303,000 places
    counts = masker(tokens, gen(1)).kinds.flatten().bincount(minlength=4).tolist()
    chosen = sum(counts[1:])
    assert chosen == 3000 * 15  # round(0.15 * 101)
    assert chosen / tokens.numel() == pytest.approx(0.15, abs=0.002)
    for count, share in zip(counts[1:], (0.8, 0.1, 0.1), strict=True):
        assert within(count, chosen, share)
    assert min(counts) > 0


def test_other_shares_and_another_rate():
    tokens = rows(2000, 103, low=5)
    shares = (0.2, 0.5, 0.3)
    kinds = Masker(MASK, VOCAB, SPECIAL, 0.4, shares)(tokens, gen(2)).kinds
    counts = kinds.flatten().bincount(minlength=4).tolist()
    assert sum(counts[1:]) == 2000 * 41
    for count, share in zip(counts[1:], shares, strict=True):
        assert within(count, 2000 * 41, share)


@pytest.mark.parametrize(("shares", "kind"), [((1, 0, 0), 1), ((0, 1, 0), 2), ((0.0, 0, 1.0), 3)])
def test_one_kind_alone(shares, kind):
    kinds = Masker(MASK, VOCAB, SPECIAL, 0.5, shares)(rows(50, 101), gen()).kinds
    assert set(kinds.unique().tolist()) == {0, kind}


def test_every_place_is_chosen_equally_often_and_independently_of_its_neighbour():
    tokens = torch.full((20_000, 20), 7)
    chosen = masker(tokens, gen(3)).kinds > 0
    assert chisquare(chosen.sum(0)).pvalue > 1e-4
    both = (chosen[:, :-1] & chosen[:, 1:]).double().mean().item()  # 3 of 20 without replacement
    assert both == pytest.approx(3 / 20 * 2 / 19, rel=0.05)


def test_random_tokens_are_uniform_over_what_is_not_special():
    seen, _, kinds = Masker(MASK, VOCAB, SPECIAL, 0.5, (0, 1, 0))(rows(2000, 100), gen(4))
    counts = seen[kinds == 2].bincount(minlength=VOCAB)
    ordinary = [i for i in range(VOCAB) if i not in SPECIAL]
    assert counts[list(SPECIAL)].sum() == 0
    assert chisquare(counts[ordinary]).pvalue > 1e-4


def test_special_tokens_anywhere_in_the_vocabulary_and_mask_is_always_one():
    masker = Masker(11, 13, {12})
    tokens = torch.randint(0, 13, (300, 101), generator=gen())
    seen, targets, kinds = masker(tokens, gen(5))
    assert masker.special_ids == {11, 12}
    assert not ((tokens >= 11) & (kinds > 0)).any()
    assert set(seen[kinds == 2].tolist()) == set(range(11))
    assert set(targets.unique().tolist()) == {IGNORE, *range(11)}


def test_the_generator_alone_decides():
    tokens = rows()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    one, two, other = (masker(tokens, gen(s)) for s in (7, 7, 8))
    assert torch.equal(torch.rand(1), expected)  # the global state is left alone
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one.kinds, other.kinds)
    generator = gen(7)
    first, second = masker(tokens, generator), masker(tokens, generator)
    assert torch.equal(first.kinds, one.kinds)
    assert not torch.equal(first.kinds, second.kinds)


def test_int32_tokens_give_the_same():
    tokens = rows()
    one, two = masker(tokens, gen()), masker(tokens.int(), gen())
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"mask_id": 37}, ValueError, "mask_id must be below vocab_size=37, got 37"),
        ({"mask_id": -1}, ValueError, "mask_id must be at least 0, got -1"),
        ({"mask_id": "[MASK]"}, TypeError, r"mask_id must be an int, got str: '\[MASK\]'"),
        ({"special_ids": [0, 40]}, ValueError, "a special id must be below vocab_size=37, got 40"),
        ({"special_ids": [-3]}, ValueError, "a special id must be at least 0, got -3"),
        ({"special_ids": ["[PAD]"]}, TypeError, "a special id must be an int"),
        ({"special_ids": range(37)}, ValueError, "all 37 tokens of the vocabulary are special"),
        ({"vocab_size": 0}, ValueError, "vocab_size must be at least 1"),
        ({"rate": 0}, ValueError, r"rate must be in \(0, 1\), got 0"),
        ({"rate": 1.0}, ValueError, r"rate must be in \(0, 1\), got 1.0"),
        ({"rate": 15}, ValueError, "rate.*got 15"),
        ({"rate": "0.15"}, TypeError, "rate must be a number"),
        ({"shares": (0.8, 0.1)}, ValueError, r"shares must be three.*\(0.8, 0.1\)"),
        ({"shares": (0.8, 0.1, 0.2)}, ValueError, r"must sum to 1, got \(0.8, 0.1, 0.2\)"),
        ({"shares": (1.1, -0.1, 0)}, ValueError, r"a share must be in \[0, 1\], got 1.1"),
        ({"shares": (0.8, "0.1", 0.1)}, TypeError, "a share must be a number"),
    ],
)
def test_bad_settings(change, error, message):
    settings = {"mask_id": MASK, "vocab_size": VOCAB, "special_ids": SPECIAL, **change}
    with pytest.raises(error, match=message):
        Masker(**settings)


@pytest.mark.parametrize(
    ("tokens", "generator", "error", "message"),
    [
        (torch.tensor([5, 6]), gen(), ValueError, r"\[batch, time\].*got \[2\]"),
        (torch.zeros(2, 0).long(), gen(), ValueError, r"got \[2, 0\]"),
        (torch.tensor([[5, 37]]), gen(), ValueError, "vocab_size=37.*got 5 .. 37"),
        (torch.tensor([[5, -100]]), gen(), ValueError, "got -100 .. 5"),
        (torch.zeros(2, 3), gen(), TypeError, "float32"),
        ([[5, 6]], gen(), TypeError, "list"),
        (torch.tensor([[5]]), 0, TypeError, "generator must be a torch.Generator, got int"),
        (torch.tensor([[5]]), None, TypeError, "got NoneType"),
    ],
)
def test_bad_tokens(tokens, generator, error, message):
    with pytest.raises(error, match=message):
        masker(tokens, generator)

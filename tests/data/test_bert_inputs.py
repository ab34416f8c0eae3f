"""Rows as in figure 2 of Devlin et al. 2019, and batches of masked ones."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.data.bert_inputs import (
    BERTInputs,
    PackedRows,
    pad_rows,
    pair_row,
    pretraining_batches,
    single_row,
)
from nlp_helpers.data.masking import IGNORE, Masker

VOCAB, PAD, CLS, SEP, MASK = 37, 0, 2, 3, 4
masker = Masker(MASK, VOCAB, (PAD, 1, CLS, SEP, MASK))
nothing_hidden = Masker(MASK, VOCAB, (PAD, 1, CLS, SEP, MASK), shares=(0, 0, 1))


def many(n=60, seed=0, longest=11):
    """Pairs of texts of unequal lengths whose first token says which row it is."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda high: torch.randint(5, VOCAB, (high,), generator=generator).tolist()  # noqa: E731
    sizes = torch.randint(1, longest + 1, (n, 2), generator=generator).tolist()
    return [pair_row(draw(a), draw(b), CLS, SEP) for a, b in sizes]


# ---------------------------------------------------------------- rows


def test_rows_by_hand():
    assert single_row([7, 8], CLS, SEP) == ([2, 7, 8, 3], [0, 0, 0, 0])
    assert pair_row([7], [8, 9], CLS, SEP) == ([2, 7, 3, 8, 9, 3], [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("kind", [tuple, torch.tensor, np.array])
def test_ids_may_be_any_sequence_and_become_ints(kind):
    ids, segments = pair_row(kind([7]), kind([8, 9]), CLS, SEP)
    assert (ids, segments) == ([2, 7, 3, 8, 9, 3], [0, 0, 0, 1, 1, 1])
    assert set(map(type, ids)) == {int}


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([], ValueError, "is empty"),
        ([5, -1], ValueError, "holds the id -1: ids start at 0"),
        ([5, 1.5], TypeError, r"must be a sequence of ints, got \[5, 1.5\]"),
        ("ab", TypeError, "must be a sequence of ints, got 'ab'"),
        (7, TypeError, "must be a sequence of ints, got 7"),
    ],
)
def test_bad_ids(ids, error, message):
    with pytest.raises(error, match=f"ids {message}"):
        single_row(ids, CLS, SEP)
    with pytest.raises(error, match=f"first {message}"):
        pair_row(ids, [7], CLS, SEP)
    with pytest.raises(error, match=f"second {message}"):
        pair_row([7], ids, CLS, SEP)


def test_padding_by_hand():
    inputs = pad_rows([pair_row([7], [8, 9], CLS, SEP), single_row([5], CLS, SEP)], PAD)
    assert isinstance(inputs, BERTInputs)
    assert inputs.tokens.tolist() == [[2, 7, 3, 8, 9, 3], [2, 5, 3, 0, 0, 0]]
    assert inputs.segments.tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0]]
    assert inputs.mask.tolist() == [[True] * 6, [True] * 3 + [False] * 3]
    assert inputs.tokens.dtype == inputs.segments.dtype == torch.int64
    assert inputs.mask.dtype == torch.bool
    other = pad_rows([([7, 8], [0, 1]), ([9], [1])], 31)
    assert other.tokens.tolist() == [[7, 8], [9, 31]]
    assert other.segments.tolist() == [[0, 1], [1, 0]]


rows_of_lengths = st.lists(st.integers(1, 9), min_size=1, max_size=20)


@given(lengths=rows_of_lengths, data=st.data())
def test_any_rows_come_back_from_any_batch(lengths, data):
    rows = [([10 * i + j for j in range(n)], [i % 2] * n) for i, n in enumerate(lengths)]
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=7))
    tokens, segments, mask = PackedRows(rows).inputs(torch.tensor(chosen), pad_id=999)
    assert tokens.shape == (len(chosen), max(lengths[i] for i in chosen))
    for i, row, kinds, real in zip(chosen, tokens, segments, mask, strict=True):
        n = lengths[i]
        assert real.tolist() == [True] * n + [False] * (len(real) - n)
        assert (row[:n].tolist(), kinds[:n].tolist()) == rows[i]
        assert (row[n:] == 999).all() and (kinds[n:] == 0).all()


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([], ValueError, "rows is empty"),
        ([([7], [0]), ([], [])], ValueError, r"rows\[1\] has 0 ids and 0 segments"),
        ([([7, 8], [0])], ValueError, r"rows\[0\] has 2 ids and 1 segments"),
        ([[7, 8]], TypeError, r"rows\[0\] must be \(ids, segments\), got \[7, 8\]"),
        ([([7], [0], [0])], TypeError, r"rows\[0\] must be"),
        ([("ab", [0, 0])], TypeError, r"rows\[0\] must be.*'ab'"),
        ([([7.5], [0])], TypeError, "the ids of the rows must be ints"),
        ([([7], ["0"])], TypeError, "the segments of the rows must be ints"),
        ([([7, -2], [0, 0])], ValueError, "the ids of the rows must be at least 0, got -2"),
        ([([7], [-1])], ValueError, "the segments of the rows must be at least 0, got -1"),
    ],
)
def test_bad_rows(rows, error, message):
    with pytest.raises(error, match=message):
        pad_rows(rows, PAD)


@pytest.mark.parametrize(("pad", "error"), [(-1, ValueError), ("[PAD]", TypeError)])
def test_bad_pad_id(pad, error):
    with pytest.raises(error, match="pad_id must be"):
        pad_rows([([7], [0])], pad)


# ---------------------------------------------------------------- batches of masked rows


def originals(batch):
    """The rows of a batch, read back: what is hidden is put in from the targets."""
    tokens = torch.where(batch.targets == IGNORE, batch.inputs.tokens, batch.targets)
    parts = zip(tokens, batch.inputs.segments, batch.inputs.mask, strict=True)
    return [(row[real].tolist(), kinds[real].tolist()) for row, kinds, real in parts]


@given(
    n=st.integers(1, 30),
    batch_size=st.integers(1, 7),
    seed=st.integers(0, 9),
    dynamic=st.booleans(),
    bucket=st.booleans(),
)
def test_every_row_comes_once_an_epoch_with_its_label(n, batch_size, seed, dynamic, bucket):
    rows = many(n)
    labels = [i % 2 for i in range(n)]
    batches = pretraining_batches(
        rows, labels, masker, batch_size, PAD, seed, dynamic=dynamic, bucket=bucket
    )
    for _epoch in range(2):
        epoch = list(batches)
        assert len(epoch) == len(batches) == math.ceil(n / batch_size)
        found = [
            (row, label)
            for batch in epoch
            for row, label in zip(originals(batch), batch.is_random.tolist(), strict=True)
        ]
        assert sorted(found) == sorted(zip(rows, labels, strict=True))
        for batch in epoch:
            (tokens, segments, mask), targets, is_random = batch
            assert tokens.shape == segments.shape == mask.shape == targets.shape
            assert len(tokens) == len(is_random) <= batch_size
            assert mask.any(dim=0).all()  # no column is all padding
            assert (tokens[~mask] == PAD).all() and (targets[~mask] == IGNORE).all()
            for dtype, tensor in [
                (torch.bool, mask),
                *((torch.int64, x) for x in (tokens, targets)),
            ]:
                assert tensor.dtype == dtype
            assert is_random.dtype == segments.dtype == torch.int64
            for row, real, asked in zip(tokens, mask, targets, strict=True):
                n_places = real.sum().item() - 3  # [CLS] and two [SEP]
                assert (asked != IGNORE).sum() == max(1, round(0.15 * n_places))
                assert row[0] == CLS and (asked[0] == IGNORE)


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize(("shares", "kinds"), [((1, 0, 0), "mask"), ((0, 1, 0), "random")])
def test_the_model_sees_what_the_masker_left(dynamic, shares, kinds):
    hiding = Masker(MASK, VOCAB, (PAD, 1, CLS, SEP, MASK), shares=shares)
    changed = asked = 0
    for batch in pretraining_batches(many(200), None, hiding, 7, PAD, dynamic=dynamic):
        tokens, hidden = batch.inputs.tokens, batch.targets != IGNORE
        if kinds == "mask":
            assert torch.equal(tokens == MASK, hidden)
        else:
            assert not (tokens == MASK).any()
        changed += (tokens[hidden] != batch.targets[hidden]).sum().item()
        asked += hidden.sum().item()
    assert changed > 0.9 * asked > 200  # of random tokens 1 in 32 is the one that stood there


def test_without_labels_there_is_no_next_sentence_prediction():
    rows = [single_row([7, 8, 9], CLS, SEP)] * 5
    assert all(b.is_random is None for b in pretraining_batches(rows, None, masker, 2, PAD))


def by_row(epoch, rows):
    """row number -> (what is seen, what is asked), for rows that are all different."""
    found = {}
    for batch in epoch:
        parts = zip(originals(batch), batch.inputs.tokens, batch.targets, strict=True)
        for row, seen, asked in parts:
            n = len(row[0])
            found[rows.index(row)] = (seen[:n].tolist(), asked[:n].tolist())
    return found


def test_static_masks_are_the_same_in_each_epoch_and_dynamic_ones_are_not():
    rows = many(600)
    static = pretraining_batches(rows, None, masker, 7, PAD, dynamic=False)
    epochs = [by_row(static, rows) for _ in range(3)]
    assert epochs[0] == epochs[1] == epochs[2]
    assert len(epochs[0]) == 600
    dynamic = pretraining_batches(rows, None, masker, 7, PAD)
    one, two = by_row(dynamic, rows), by_row(dynamic, rows)
    long = [i for i, (ids, _) in enumerate(rows) if len(ids) > 18]
    assert sum(one[i] == two[i] for i in long) < len(long) / 10


def test_copies_take_turns():
    rows = many(150)
    batches = pretraining_batches(rows, None, masker, 7, PAD, dynamic=False, n_copies=3)
    epochs = [by_row(batches, rows) for _ in range(7)]
    for i, j in itertools.combinations(range(7), 2):
        assert (epochs[i] == epochs[j]) == ((j - i) % 3 == 0)


def test_the_order_depends_on_the_seed_alone():
    rows = many(80)

    def order(seed=0, **options):
        batches = pretraining_batches(rows, None, nothing_hidden, 7, PAD, seed, **options)
        return [[rows.index(row) for batch in batches for row in originals(batch)] for _ in "12"]

    first, second = order()
    assert first != second
    assert order() == order(dynamic=False) == order(dynamic=False, n_copies=2) == [first, second]
    assert order(1) != order()


def test_equal_seeds_give_equal_masks():
    def masks(seed):
        batches = pretraining_batches(many(), None, masker, 7, PAD, seed)
        return [batch.targets.tolist() for _ in "12" for batch in batches]

    assert masks(3) == masks(3)
    assert masks(3) != masks(4)


def test_buckets_hold_rows_of_similar_length_in_random_order():
    rows = many(400, longest=30)
    plain = list(pretraining_batches(rows, None, masker, 8, PAD))
    bucket = list(pretraining_batches(rows, None, masker, 8, PAD, bucket=True))
    spans = sorted((b.inputs.mask.sum(1).min().item(), b.inputs.mask.shape[1]) for b in bucket)
    assert all(long <= short for (_, long), (short, _) in itertools.pairwise(spans))
    widths = [b.inputs.tokens.shape[1] for b in bucket]
    assert widths != sorted(widths)
    filled = [sum((~b.inputs.mask).sum().item() for b in walk) for walk in (plain, bucket)]
    assert filled[1] < filled[0] / 10


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    list(pretraining_batches(many(), None, masker, 7, PAD))
    list(pretraining_batches(many(), None, masker, 7, PAD, dynamic=False))
    assert torch.equal(torch.rand(1), expected)


def test_leaving_an_epoch_early_does_no_harm():
    rows = many()
    for dynamic in (True, False):
        batches = pretraining_batches(rows, None, masker, 7, PAD, dynamic=dynamic)
        next(iter(batches))
        assert sorted(row for b in batches for row in originals(b)) == sorted(rows)


ROW = ([CLS, 7, SEP], [0, 0, 0])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rows": []}, ValueError, "rows is empty"),
        ({"rows": [([7, 8], [0])]}, ValueError, "2 ids and 1 segments"),
        ({"rows": [([37], [0])]}, ValueError, "rows hold the id 37: vocab_size=37"),
        ({"labels": [0]}, ValueError, "got 2 rows and 1 labels"),
        ({"labels": [0, 2]}, ValueError, r"labels must be 0 \(next\) or 1 \(random\), got 2"),
        ({"labels": [0, 0.5]}, ValueError, "got 0.5"),
        ({"labels": ["next", 1]}, ValueError, "got 'next'"),
        ({"masker": 0.15}, TypeError, "masker must be a Masker, got float"),
        ({"pad_id": 7}, ValueError, "pad_id=7 is not among the masker's special_ids"),
        ({"pad_id": -1}, ValueError, "pad_id must be at least 0, got -1"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": None}, TypeError, "seed"),
        ({"n_copies": 0, "dynamic": False}, ValueError, "n_copies must be at least 1"),
        ({"n_copies": 2}, ValueError, "dynamic masks have no copies, got n_copies=2"),
    ],
)
def test_bad_settings(change, error, message):
    settings = {"rows": [ROW, ROW], "labels": [0, 1], "masker": masker, "batch_size": 2}
    with pytest.raises(error, match=message):
        pretraining_batches(**{**settings, "pad_id": PAD, **change})

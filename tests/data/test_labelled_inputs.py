"""Labelled rows: four kinds of labels in batches, and tags on the first piece of each word."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.data.bert_inputs import BERTInputs, single_row
from nlp_helpers.data.labelled_inputs import (
    LabelledBatch,
    labelled_batches,
    tag_row,
    tags_of_words,
)
from nlp_helpers.data.masking import IGNORE

PAD, CLS, SEP = 0, 2, 3
X = IGNORE


def numbered(lengths):
    """Rows of these lengths whose tokens are all different."""
    count = itertools.count(5)
    return [([next(count) for _ in range(n)], [i % 2] * n) for i, n in enumerate(lengths)]


def read(batch):
    """The rows of a batch without what fills up."""
    parts = zip(*batch.inputs, strict=True)
    return [(row[real].tolist(), kinds[real].tolist()) for row, kinds, real in parts]


# ---------------------------------------------------------------- batches

ROWS = numbered([3, 5, 2])


@pytest.mark.parametrize(
    ("labels", "dtype", "expected"),
    [
        ([2, 0, 1], torch.int64, [2, 0, 1]),
        (torch.tensor([2, 0, 1], dtype=torch.int32), torch.int64, [2, 0, 1]),
        (np.array([2, 0, 1]), torch.int64, [2, 0, 1]),
        ([0.5, 3.25, -1.0], torch.float32, [0.5, 3.25, -1.0]),
        ([0, 3.25, 5], torch.float32, [0, 3.25, 5]),
        (torch.tensor([0.5, 2, 1]).double(), torch.float32, [0.5, 2, 1]),
        ([(0, 0), (2, 4), (1, 1)], torch.int64, [[0, 0], [2, 4], [1, 1]]),
        (
            [[X, 1, X], [X, 0, X, 2, X], [3, X]],
            torch.int64,
            [[X, 1, X, X, X], [X, 0, X, 2, X], [3, X, X, X, X]],
        ),
    ],
)
def test_each_kind_of_label(labels, dtype, expected):
    (batch,) = labelled_batches(ROWS, labels, 3, PAD, seed=None)
    assert isinstance(batch, LabelledBatch) and isinstance(batch.inputs, BERTInputs)
    assert batch.labels.dtype == dtype
    assert batch.labels.tolist() == expected
    assert read(batch) == ROWS


def test_a_list_of_two_is_two_tags_and_a_tuple_of_two_is_an_answer():
    rows = numbered([2, 2])
    (tags,) = labelled_batches(rows, [[0, 1], [1, 1]], 2, PAD)
    (answers,) = labelled_batches(rows, [(0, 1), (1, 1)], 2, PAD)
    assert tags.labels.shape == answers.labels.shape == (2, 2)
    wide = numbered([2, 9])
    (tags,) = labelled_batches(wide, [[0, 1], [1] * 9], 2, PAD, seed=None)
    assert tags.labels.tolist() == [[0, 1, *[X] * 7], [1] * 9]
    (answers,) = labelled_batches(wide, [(0, 1), (1, 8)], 2, PAD, seed=None)
    assert answers.labels.tolist() == [[0, 1], [1, 8]]


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=30),
    batch_size=st.integers(1, 7),
    seed=st.sampled_from([None, 0, 3]),
    bucket=st.booleans(),
)
def test_every_row_comes_once_an_epoch_with_its_label(lengths, batch_size, seed, bucket):
    rows = numbered(lengths)
    numbers = list(range(len(rows)))
    tags = [[token % 7 for token in ids] for ids, _ in rows]
    walks = [
        labelled_batches(rows, labels, batch_size, PAD, seed, bucket) for labels in (numbers, tags)
    ]
    for _epoch in range(2):
        by_number, by_tag = (list(walk) for walk in walks)
        assert len(by_number) == len(walks[0]) == math.ceil(len(rows) / batch_size)
        order = [number for batch in by_number for number in batch.labels.tolist()]
        assert [row for batch in by_number for row in read(batch)] == [rows[i] for i in order]
        assert sorted(order) == numbers
        if seed is None and not bucket:
            assert order == numbers
        if seed is None and bucket:
            assert order == sorted(numbers, key=lambda i: lengths[i])
        for batch in by_tag:
            tokens, _, mask = batch.inputs
            assert torch.equal(batch.labels, torch.where(mask, tokens % 7, IGNORE))


def test_epochs_differ_and_equal_seeds_give_equal_epochs():
    rows = numbered([3] * 40)

    def orders(seed):
        batches = labelled_batches(rows, range(40), 7, PAD, seed)
        return [[b.labels.tolist() for b in batches] for _ in "12"]

    first, second = orders(5)
    assert first != second
    assert orders(5) == [first, second] != orders(6)
    assert orders(None)[0] == orders(None)[1]


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([1, 0], ValueError, "got 3 rows and 2 labels"),
        ([1, 0, 2, 1], ValueError, "got 3 rows and 4 labels"),
        ([1, 0, -1], ValueError, "a class must be at least 0, got -1"),
        ([1, 0, IGNORE], ValueError, "got -100"),
        (["PER", "O", "O"], TypeError, r"labels must be all ints.*got \['str'\]"),
        ([True, False, True], TypeError, r"got \['bool'\]"),
        ([1, (0, 1), [0]], TypeError, r"got \['int', 'list', 'tuple'\]"),
        ([None] * 3, TypeError, r"got \['NoneType'\]"),
        ([[0] * 3, [0] * 5, [0]], ValueError, r"labels\[2\] has 1 tags for a row of 2 tokens"),
        ([[0] * 3, [0] * 5, [0, -1]], ValueError, r"labels\[2\] holds -1: a tag is at least 0"),
        ([[0] * 3, [0] * 5, [0, 0.5]], TypeError, r"labels\[2\] must hold ints, got \[0, 0.5\]"),
        ([(0, 1), (2, 5), (0, 0)], ValueError, r"labels\[1\] = \(2, 5\) is no span of.* 5 tokens"),
        ([(0, 1), (3, 2), (0, 0)], ValueError, r"labels\[1\] = \(3, 2\) is no span"),
        ([(-1, 1), (0, 0), (0, 0)], ValueError, r"labels\[0\] = \(-1, 1\) is no span"),
        ([(0, 1), (0, 0), (0,)], TypeError, r"labels\[2\] must be \(first, last\), two ints"),
        ([(0, 1), (0, 0), (0, 0.5)], TypeError, r"labels\[2\] must be \(first, last\)"),
    ],
)
def test_bad_labels(labels, error, message):
    with pytest.raises(error, match=message):
        labelled_batches(ROWS, labels, 2, PAD)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rows": [], "labels": []}, ValueError, "rows is empty"),
        ({"rows": [([7, 8], [0])] * 3}, ValueError, "2 ids and 1 segments"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": "2"}, TypeError, "batch_size"),
        ({"pad_id": -1}, ValueError, "pad_id must be at least 0, got -1"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": 0.5}, TypeError, "seed"),
    ],
)
def test_bad_settings(change, error, message):
    settings = {"rows": ROWS, "labels": [0, 1, 0], "batch_size": 2, "pad_id": PAD, **change}
    with pytest.raises(error, match=message):
        labelled_batches(**settings)


# ---------------------------------------------------------------- tags of words


def test_the_tag_stands_on_the_first_piece():
    pieces, word_numbers = range(10, 18), [0, 1, 1, 2, 3, 4, 4, 4]
    ids, segments, labels = tag_row(pieces, word_numbers, [1, 2, 0, 0, 3], CLS, SEP)
    assert (ids, segments) == single_row(range(10, 18), CLS, SEP)
    assert labels == [X, 1, 2, X, 0, 0, 3, X, X, X]
    assert tags_of_words(labels, labels) == [1, 2, 0, 0, 3]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 6)), min_size=1, max_size=12))
def test_tags_come_back_one_a_word(words):
    numbers = [i for i, (n, _) in enumerate(words) for _ in range(n)]
    tags = [tag for _, tag in words]
    pieces = list(range(5, 5 + len(numbers)))
    ids, segments, labels = tag_row(pieces, numbers, tags, CLS, SEP)
    assert len(ids) == len(segments) == len(labels) == len(pieces) + 2
    assert tags_of_words(labels, labels) == tags
    places = [t for t, label in enumerate(labels) if label != IGNORE]
    assert places == [1 + numbers.index(i) for i in range(len(words))]
    predicted = torch.arange(len(labels) + 3)
    padded = torch.nn.functional.pad(torch.tensor(labels), (0, 3), value=IGNORE)
    assert tags_of_words(predicted, padded) == places


@pytest.mark.parametrize(
    ("pieces", "numbers", "tags", "error", "message"),
    [
        ([], [], [], ValueError, "pieces is empty"),
        ([7, 8], [0], [1], ValueError, "got 2 pieces and 1 word_numbers"),
        ([7, 8], [1, 2], [1, 1], ValueError, r"word_numbers\[0\] is 1 at first: count .* from 0"),
        ([7, 8], [-1, 0], [1, 1], ValueError, "word_numbers holds the id -1"),
        ([7, 8], [0, 2], [1, 1], ValueError, r"word_numbers\[1\] is 2 after 0"),
        ([7, 8, 9], [0, 1, 0], [1, 1], ValueError, r"word_numbers\[2\] is 0 after 1"),
        ([7, 8, 9], [0, 1, 1], [1], ValueError, "got 1 tags for 2 words"),
        ([7, 8, 9], [0, 1, 1], [1, 2, 3], ValueError, "got 3 tags for 2 words"),
        ([7, 8], [0, 1], [1, IGNORE], ValueError, "tags holds the id -100"),
        ([7, 8], [0, 1], ["O", "O"], TypeError, "tags must be a sequence of ints"),
        ([7, 8], [0, None], [1, 1], TypeError, "word_numbers must be a sequence of ints"),
        ([7, "a"], [0, 1], [1, 1], TypeError, "pieces must be a sequence of ints"),
    ],
)
def test_bad_tags(pieces, numbers, tags, error, message):
    with pytest.raises(error, match=message):
        tag_row(pieces, numbers, tags, CLS, SEP)


@pytest.mark.parametrize(
    ("predicted", "labels", "message"),
    [
        ([1, 2], [1, 2, 3], r"got \[2\] and \[3\]"),
        ([[1, 2]], [[1, 2]], r"\[time\].*got \[1, 2\] and \[1, 2\]"),
    ],
)
def test_predictions_that_do_not_fit(predicted, labels, message):
    with pytest.raises(ValueError, match=message):
        tags_of_words(predicted, labels)

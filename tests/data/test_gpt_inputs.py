"""Rows of tokens as in figure 1 of Radford et al. 2018, and batches of them."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.data.gpt_inputs import (
    MARKS,
    Marks,
    choice_inputs,
    classification_inputs,
    entailment_inputs,
    framed,
    similarity_inputs,
    task_batches,
)

S, D, E = marks = Marks.after(37)
A, B, C = [3, 4, 5], [6, 0], [7]


def test_the_three_tokens_come_after_those_of_pre_training():
    assert marks == (37, 38, 39)
    assert (marks.start, marks.delimiter, marks.extract) == (37, 38, 39)
    assert len(MARKS) == len(marks)


def test_the_four_rows_of_figure_1():
    assert classification_inputs(A, marks) == [[S, 3, 4, 5, E]]
    assert entailment_inputs(A, B, marks) == [[S, 3, 4, 5, D, 6, 0, E]]
    assert similarity_inputs(A, B, marks) == [[S, 3, 4, 5, D, 6, 0, E], [S, 6, 0, D, 3, 4, 5, E]]
    assert choice_inputs(A, [B, C, A], marks) == [
        [S, 3, 4, 5, D, 6, 0, E],
        [S, 3, 4, 5, D, 7, E],
        [S, 3, 4, 5, D, 3, 4, 5, E],
    ]


def test_marks_may_be_any_three_tokens():
    other = Marks(start=9, delimiter=0, extract=4)
    assert entailment_inputs([1, 2], [3], other) == [[9, 1, 2, 0, 3, 4]]


@pytest.mark.parametrize("kind", [tuple, torch.tensor, np.array])
def test_ids_may_be_any_sequence_and_become_ints(kind):
    (row,) = entailment_inputs(kind(A), kind(B), marks)
    assert row == [S, 3, 4, 5, D, 6, 0, E]
    assert set(map(type, row)) == {int}


def test_the_texts_are_left_as_they_are():
    first, second = [1, 2], [3]
    rows = similarity_inputs(first, second, marks)
    rows[0].append(0)
    assert (first, second) == ([1, 2], [3])
    assert rows[1] == [S, 3, D, 1, 2, E]


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        (([],), ValueError, "part 0 of the input is empty"),
        ((A, ()), ValueError, "part 1 of the input is empty"),
        ((A, [1, D]), ValueError, r"part 1.*one of the tokens \(37, 38, 39\)"),
        (([E, 1], A), ValueError, "part 0.*one of the tokens"),
        (([S],), ValueError, "part 0.*one of the tokens"),
        ((A, [1, -2]), ValueError, "part 1 of the input holds the id -2"),
        (([1, 2.7],), TypeError, r"part 0.*sequence of ints, got \[1, 2.7\]"),
        ((torch.tensor([1.0]),), TypeError, "part 0.*sequence of ints"),
        ((A, "ab"), TypeError, "part 1.*got 'ab'"),
        ((A, 3), TypeError, "part 1.*got 3"),
        ((None,), TypeError, "part 0.*got None"),
    ],
)
def test_bad_parts(parts, error, message):
    with pytest.raises(error, match=message):
        framed(marks, *parts)
    if len(parts) == 1:
        with pytest.raises(error, match=message):
            classification_inputs(*parts, marks)
    else:
        with pytest.raises(error, match=message):
            entailment_inputs(*parts, marks)
        with pytest.raises(error, match=message):
            similarity_inputs(*parts, marks)


@pytest.mark.parametrize("answers", [[], [A]])
def test_a_choice_is_among_two_or_more(answers):
    with pytest.raises(ValueError, match=f"at least two answers, got {len(answers)}"):
        choice_inputs(A, answers, marks)


def test_answers_without_their_list():
    with pytest.raises(TypeError, match=r"part 1.*got 3"):
        choice_inputs(A, [3, 4], marks)


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (2.0, TypeError), (True, TypeError)])
def test_bad_vocabulary_size(size, error):
    with pytest.raises(error, match="vocab_size"):
        Marks.after(size)


def rows_of(batch):
    """The examples of a batch, read back: each input up to its extract token."""
    return [
        [row[: last + 1].tolist() for row, last in zip(inputs, lasts, strict=True)]
        for inputs, lasts in zip(batch.tokens, batch.last.tolist(), strict=True)
    ]


def test_a_batch_by_hand():
    examples = [similarity_inputs(A, B, marks), similarity_inputs(C, B, marks)]
    (batch,) = task_batches(examples, [1, 0], batch_size=2, seed=None)
    assert batch.tokens.tolist() == [
        [[S, 7, D, 6, 0, E, 0, 0], [S, 6, 0, D, 7, E, 0, 0]],  # the shorter example first
        [[S, 3, 4, 5, D, 6, 0, E], [S, 6, 0, D, 3, 4, 5, E]],
    ]
    assert batch.last.tolist() == [[5, 5], [7, 7]]
    assert batch.labels.tolist() == [0, 1]
    assert batch.tokens.dtype == batch.last.dtype == batch.labels.dtype == torch.int64


def test_answers_of_several_lengths_end_each_at_its_own_place():
    examples = [choice_inputs(A, [B, C, A], marks), choice_inputs(C, [C, A, A], marks)]
    (batch,) = task_batches(examples, [2, 0], batch_size=5, seed=None)
    assert batch.last.tolist() == [[4, 6, 6], [7, 6, 8]]
    assert rows_of(batch) == [examples[1], examples[0]]
    assert (batch.tokens.gather(2, batch.last[..., None]) == E).all()
    after = torch.arange(batch.tokens.shape[2]) > batch.last[..., None]
    assert (batch.tokens[after] == 0).all()


texts = st.lists(st.integers(0, 36), min_size=1, max_size=9)
pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=30)


@given(pairs=pairs, batch_size=st.integers(1, 7), seed=st.sampled_from([None, 0, 3]))
def test_every_example_comes_once_an_epoch_with_its_label_among_others_as_long(
    pairs, batch_size, seed
):
    examples = [similarity_inputs(*pair, marks) for pair in pairs]
    batches = task_batches(examples, list(range(len(pairs))), batch_size, seed)
    for _epoch in range(2):
        epoch = list(batches)
        assert len(epoch) == len(batches) == math.ceil(len(pairs) / batch_size)
        labels = [label for batch in epoch for label in batch.labels.tolist()]
        assert sorted(labels) == list(range(len(pairs)))
        found = [inputs for batch in epoch for inputs in rows_of(batch)]
        assert found == [examples[label] for label in labels]
        sizes = sorted(len(batch.labels) for batch in epoch)
        assert sizes[1:] == [batch_size] * (len(sizes) - 1)  # at most one is smaller
        assert all(batch.tokens.shape[2] == batch.last.max() + 1 for batch in epoch)
        spans = sorted((b.last.amax(1).min().item(), b.last.max().item()) for b in epoch)
        assert all(long <= short for (_, long), (short, _) in itertools.pairwise(spans))


def many(n=600):
    lengths = torch.randint(1, 13, (n,), generator=torch.Generator().manual_seed(3)).tolist()
    return [classification_inputs([5] * length, marks) for length in lengths]


def order(epoch):
    return [batch.labels.tolist() for batch in epoch]


def test_epochs_differ_in_order_and_in_what_is_together():
    batches = task_batches(many(), range(600), 8)
    epochs = [order(batches), order(batches)]
    assert epochs[0] != epochs[1]
    together = [{frozenset(batch) for batch in epoch} for epoch in epochs]
    assert len(together[0] & together[1]) < len(epochs[0]) / 2
    lengths = [batch.tokens.shape[2] for batch in batches]
    assert lengths != sorted(lengths)  # long texts do not all come at the end


def test_equal_seeds_give_equal_epochs_and_none_gives_the_order_of_the_lengths():
    one, two, other, fixed = (task_batches(many(), range(600), 8, s) for s in (5, 5, 6, None))
    for _epoch in range(2):
        assert order(one) == order(two)
    assert order(task_batches(many(), range(600), 8, 5)) != order(other)
    assert order(fixed) == order(fixed)
    lengths = torch.cat([batch.last[:, 0] for batch in fixed])
    assert torch.equal(lengths, lengths.sort().values)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    list(task_batches(many(50), range(50), 8))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([2, 0, 1], torch.int64),
        ([0.5, -1.0, 3.25], torch.float32),
        (torch.tensor([0.5, -1.0, 3.25]).double(), torch.float64),
        (np.array([2, 0, 1]), torch.int64),
    ],
)
def test_labels_stay_class_numbers_or_scores(labels, dtype):
    examples = [classification_inputs([5] * n, marks) for n in (1, 2, 3)]
    (batch,) = task_batches(examples, labels, 3, seed=None)
    assert batch.labels.dtype == dtype
    assert batch.labels.tolist() == list(labels)


ROW = [S, 1, E]


@pytest.mark.parametrize(
    ("examples", "labels", "error", "message"),
    [
        ([], [], ValueError, "0 examples and 0 labels"),
        ([[ROW]], [], ValueError, "1 examples and 0 labels"),
        ([[ROW], [ROW]], [1, 2, 3], ValueError, "2 examples and 3 labels"),
        ([[ROW], [ROW, ROW]], [0, 1], ValueError, r"as many inputs; got \[1, 2\]"),
        ([[], []], [0, 1], ValueError, r"as many inputs; got \[0\]"),
        ([[ROW], [[]]], [0, 1], ValueError, r"examples\[1\] has an empty input"),
        ([ROW, ROW], [0, 1], TypeError, r"examples\[0\] must be a list of lists of ids.*37"),
        ([[ROW], "ab"], [0, 1], TypeError, r"examples\[1\].*'ab'"),
        ([[ROW], [ROW]], [[0], [1]], ValueError, r"labels must be one a row.*\[2, 1\]"),
    ],
)
def test_bad_examples(examples, labels, error, message):
    with pytest.raises(error, match=message):
        task_batches(examples, labels, 2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": "0"}, TypeError, "seed"),
    ],
)
def test_bad_numbers(options, error, message):
    with pytest.raises(error, match=message):
        task_batches([[ROW]], [0], **{"batch_size": 2, **options})

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.data.pairs import bucketed_batches, collate, pad

START, END, PAD = 101, 102, 100
sequences_of_ids = st.lists(st.integers(0, 99), min_size=1, max_size=9)
pairs_of_ids = st.lists(st.tuples(sequences_of_ids, sequences_of_ids), min_size=1, max_size=40)


def unpad(batch, *, check=True):
    """The pairs of a batch, read back through its masks."""
    found = []
    for row in range(len(batch.source)):
        source = batch.source[row][batch.source_mask[row]].tolist()
        real = batch.target_mask[row]
        read, predicted = batch.target_in[row][real].tolist(), batch.target_out[row][real].tolist()
        if check:
            assert read[0] == START and predicted[-1] == END
            assert read[1:] == predicted[:-1]  # moved by one
        found.append((source, predicted[:-1]))
    return found


def test_pad_by_hand():
    ids, mask = pad([[5, 6, 7], [8], [9, 0]], pad_id=4)
    assert ids.tolist() == [[5, 6, 7], [8, 4, 4], [9, 0, 4]]
    assert mask.tolist() == [[True, True, True], [True, False, False], [True, True, False]]
    assert (ids.dtype, mask.dtype) == (torch.long, torch.bool)
    assert pad([[2]])[0].tolist() == [[2]]


def test_collate_by_hand():
    batch = collate([([3, 4], [7, 8, 9]), ([5], [6])], start_id=1, end_id=2)
    assert batch.source.tolist() == [[3, 4], [5, 0]]
    assert batch.source_mask.tolist() == [[True, True], [True, False]]
    assert batch.target_in.tolist() == [[1, 7, 8, 9], [1, 6, 0, 0]]
    assert batch.target_out.tolist() == [[7, 8, 9, 2], [6, 2, 0, 0]]
    assert batch.target_mask.tolist() == [[True] * 4, [True, True, False, False]]
    assert all(t.is_contiguous() for t in batch)


def test_tensors_are_sequences_of_ids():
    ids, _ = pad([torch.arange(3), torch.tensor([7])], pad_id=9)
    assert ids.tolist() == [[0, 1, 2], [7, 9, 9]]


@given(pairs=pairs_of_ids)
def test_a_batch_holds_its_pairs_and_padding_nowhere_else(pairs):
    batch = collate(pairs, START, END, PAD)
    assert unpad(batch) == pairs
    assert (batch.source[~batch.source_mask] == PAD).all()
    assert (batch.target_in[~batch.target_mask] == PAD).all()
    assert (batch.target_out[~batch.target_mask] == PAD).all()
    assert batch.source.shape == (len(pairs), max(len(s) for s, _ in pairs))
    assert batch.target_in.shape == (len(pairs), max(len(t) for _, t in pairs) + 1)
    for mask in (batch.source_mask, batch.target_mask):
        assert (mask[:, :-1] >= mask[:, 1:]).all()  # real tokens first


@given(pairs=pairs_of_ids, batch_size=st.integers(1, 7), seed=st.integers(0, 3))
def test_every_pair_comes_exactly_once_an_epoch(pairs, batch_size, seed):
    batches = bucketed_batches(pairs, batch_size, START, END, PAD, seed)
    for _epoch in range(2):
        epoch = list(batches)
        assert len(epoch) == len(batches) == -(-len(pairs) // batch_size)
        sizes = [len(batch.source) for batch in epoch]
        assert sorted(sizes)[1:] == [batch_size] * (len(sizes) - 1)  # at most one is smaller
        found = [pair for batch in epoch for pair in unpad(batch)]
        assert sorted(found) == sorted(pairs)


@given(pairs=pairs_of_ids, batch_size=st.integers(1, 7))
def test_batches_are_of_similar_lengths(pairs, batch_size):
    """Sorted by their shortest source, no batch reaches into the next one."""
    spans = []
    for batch in bucketed_batches(pairs, batch_size, START, END, PAD):
        lengths = batch.source_mask.sum(1)
        spans.append((lengths.min().item(), lengths.max().item()))
    spans.sort()
    assert all(long <= short for (_, long), (short, _) in itertools.pairwise(spans))


def many_pairs(n=600):
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(1, 13, (n, 2), generator=generator).tolist()
    return [([i] * source, [i] * target) for i, (source, target) in enumerate(lengths)]


def order(epoch):
    return [batch.source[:, 0].tolist() for batch in epoch]


def test_little_padding():
    batches = list(bucketed_batches(many_pairs(2000), 8, 5000, 5001))
    for masks in ([b.source_mask for b in batches], [b.target_mask for b in batches]):
        real = sum(int(mask.sum()) for mask in masks)
        assert real / sum(mask.numel() for mask in masks) > 0.9


def test_epochs_differ_in_order_and_in_what_is_together():
    batches = bucketed_batches(many_pairs(), 8, 1000, 1001)
    first, second = order(batches), order(batches)
    assert first != second
    together = [{frozenset(batch) for batch in epoch} for epoch in (first, second)]
    assert len(together[0] & together[1]) < len(first) / 2
    lengths = [batch.source.shape[1] for batch in batches]
    assert lengths != sorted(lengths)  # long words do not all come at the end


def test_equal_seeds_give_equal_epochs_and_other_seeds_others():
    pairs = many_pairs()
    one, two, other = (bucketed_batches(pairs, 8, 1000, 1001, seed=s) for s in (5, 5, 6))
    for _epoch in range(2):
        assert order(one) == order(two)
    assert order(bucketed_batches(pairs, 8, 1000, 1001, seed=5)) != order(other)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    list(bucketed_batches(many_pairs(50), 8, 1000, 1001))
    assert torch.equal(torch.rand(1), expected)


def test_the_pairs_are_not_changed_and_batches_are_copies():
    pairs = [([1, 2], [3]), ([4], [5, 6])]
    batches = bucketed_batches(pairs, 2, 8, 9)
    next(iter(batches)).source.zero_()
    assert sorted(unpad(next(iter(batches)), check=False)) == pairs


@pytest.mark.parametrize(
    ("sequences", "error", "message"),
    [
        ([], ValueError, "sequences is empty"),
        ([[1], []], ValueError, r"sequences\[1\] is empty"),
        ([[1], [2, -3], [-4]], ValueError, r"sequences\[1\] holds the id -3"),
        ([[1], [2.0]], TypeError, r"sequences\[1\] must be a sequence of ints, got \[2.0\]"),
        ([[1], [True]], TypeError, r"sequences\[1\].*True and False are no ids"),
        ([[1], "ab"], TypeError, r"sequences\[1\] must be a sequence of ints, got 'ab'"),
        ([[1], [2**70]], TypeError, r"sequences\[1\].*too big"),
        ([1, 2], TypeError, r"sequences\[0\] must be a sequence of ints, got 1"),
        ([[1], None], TypeError, r"sequences\[1\].*got None"),
        ("ab", TypeError, "must be a list of sequences of ints, got 'ab'"),
        (7, TypeError, "got 7"),
    ],
)
def test_bad_sequences(sequences, error, message):
    with pytest.raises(error, match=message):
        pad(sequences)


@pytest.mark.parametrize(
    ("pairs", "error", "message"),
    [
        ([], ValueError, "pairs is empty"),
        ([([1], [])], ValueError, r"target\[0\] is empty"),
        ([([1], [2]), ([], [2])], ValueError, r"source\[1\] is empty"),
        ([([1], [2]), ([1], [-1])], ValueError, r"target\[1\] holds the id -1"),
        ([([1], ["a"])], TypeError, r"target\[0\] must be a sequence of ints, got \['a'\]"),
        ([([1], [2]), [3]], TypeError, r"pairs\[1\] must be \(source ids, target ids\), got \[3\]"),
        (["ab"], TypeError, r"pairs\[0\].*got 'ab'"),
        ("ab", TypeError, "pairs must be a list"),
    ],
)
def test_bad_pairs(pairs, error, message):
    with pytest.raises(error, match=message):
        collate(pairs, 1, 2)
    with pytest.raises(error, match=message):
        bucketed_batches(pairs, 4, 1, 2)


@pytest.mark.parametrize(
    ("numbers", "error", "message"),
    [
        ({"start_id": -1}, ValueError, "start_id must be at least 0, got -1"),
        ({"end_id": 2.0}, TypeError, "end_id must be an int, got float"),
        ({"pad_id": -1}, ValueError, "pad_id must be at least 0, got -1"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": True}, TypeError, "batch_size"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": None}, TypeError, "seed"),
    ],
)
def test_bad_numbers(numbers, error, message):
    arguments = {"batch_size": 2, "start_id": 1, "end_id": 2} | numbers
    with pytest.raises(error, match=message):
        bucketed_batches([([1], [2])], **arguments)


def test_bad_pad_id():
    with pytest.raises(TypeError, match="pad_id must be an int, got NoneType"):
        pad([[1]], pad_id=None)

"""Demonstrations: classes, labels that differ, pairs kept from training, the best guesser."""

import math

import pytest
import torch

from nlp_helpers.data.in_context import (
    CLASSES,
    LABELS,
    WORDS,
    Demonstrations,
    LabelTask,
    demonstration_batches,
    demonstrations,
    ideal_accuracy,
    seen_before,
)

TASK = LabelTask(n_classes=5, words_per_class=3, n_labels=23)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def maps_of(batch: Demonstrations):
    """For each sequence: class -> its labels (without the offset)."""
    for classes, labels in zip(batch.classes.tolist(), batch.labels.tolist(), strict=True):
        found: dict[int, set[int]] = {}
        for c, label in zip(classes, labels, strict=True):
            found.setdefault(c, set()).add(label - TASK.n_words)
        yield found


@pytest.mark.parametrize("unseen", [False, True])
def test_a_sequence_has_different_words_and_one_label_of_its_own_for_each_class(unseen):
    batch = demonstrations(TASK, 130, 7, unseen, seeded())
    assert batch.tokens.shape == (130, 14)
    assert batch.classes.shape == batch.labels.shape == (130, 7)
    words = batch.tokens[:, ::2]
    assert all(len(set(row)) == 7 for row in words.tolist())
    assert torch.equal(words // 3, batch.classes)
    assert torch.equal(batch.tokens[:, 1::2], batch.labels)
    assert batch.labels.min() >= TASK.n_words
    assert batch.labels.max() < TASK.vocab_size == 38
    for found in maps_of(batch):
        labels = [label for of_class in found.values() for label in of_class]
        assert len(labels) == len(found) == len(set(labels))


def test_training_and_unseen_pairs_have_nothing_in_common_and_all_occur():
    pairs = {
        unseen: {
            (c, label)
            for found in maps_of(demonstrations(TASK, 3000, 7, unseen, seeded()))
            for c, labels in found.items()
            for label in labels
        }
        for unseen in (False, True)
    }
    assert not pairs[False] & pairs[True]
    held_out = {tuple(pair) for pair in TASK.unseen_pairs().nonzero().tolist()}
    assert pairs[True] == held_out
    assert len(pairs[False] | pairs[True]) == 5 * 23


def test_words_and_labels_are_drawn_evenly():
    batch = demonstrations(TASK, 6000, 5, False, seeded(1))
    words = batch.tokens[:, ::2].flatten().bincount(minlength=TASK.n_words)[: TASK.n_words]
    assert (words / words.sum() - 1 / 15).abs().max() < 0.006
    labels = (batch.labels - TASK.n_words).flatten().bincount(minlength=23)
    assert (labels / labels.sum() - 1 / 23).abs().max() < 0.012


def test_names():
    task = LabelTask()
    assert (len(CLASSES), len(WORDS), len(LABELS)) == (6, task.n_words, task.n_labels)
    assert len({*WORDS, *LABELS, *CLASSES}) == 6 + 48 + 32
    assert [task.name(i) for i in (0, 8, 47, 48, 79)] == ["pear", "hammer", "fox", "ba", "no"]
    assert task.name(47) == "fox"
    assert CLASSES[47 // task.words_per_class] == "animal"
    for token in (-1, 80):
        with pytest.raises(ValueError, match="is not in"):
            task.name(token)
    with pytest.raises(ValueError, match="only the default task"):
        TASK.name(0)


def test_seen_before():
    classes = torch.tensor([[0, 1, 0, 1, 2], [3, 3, 3, 4, 3]])
    assert seen_before(classes).int().tolist() == [[0, 0, 1, 1, 0], [0, 1, 1, 0, 1]]


def test_the_best_guesser_by_hand():
    classes = torch.tensor([[0, 1, 0], [2, 2, 1]])
    batch = Demonstrations(torch.zeros(2, 6), classes, classes)
    expected = [1 / 23, (1 / 22 + 1) / 2, (1 + 1 / 22) / 2]
    assert ideal_accuracy(batch, TASK).tolist() == pytest.approx(expected)


def test_the_share_of_classes_seen_is_that_of_draws_without_replacement():
    known = seen_before(demonstrations(TASK, 20_000, 6, False, seeded(2)).classes).float()
    for i, share in enumerate(known.mean(dim=0).tolist()):
        assert share == pytest.approx(1 - math.comb(12, i) / math.comb(14, i), abs=0.015)


def test_batches_are_new_in_every_pass_and_repeat_with_the_seed():
    first, again = (demonstration_batches(TASK, 3, 13, 7, seed=4) for _ in range(2))
    assert len(first) == 3
    walks = [[*first], [*first]]
    assert walks[0][0].tokens.shape == (13, 14)
    assert walks[0][0].labels.shape == walks[0][0].classes.shape == (13, 7)
    assert not torch.equal(walks[0][0].tokens, walks[1][0].tokens)
    for one, other in zip(walks[0], again, strict=True):
        assert torch.equal(one.tokens, other.tokens)
    tokens, held_out = torch.cat([b.tokens for b in walks[0]]), TASK.unseen_pairs()
    classes, labels = tokens[:, ::2] // 3, tokens[:, 1::2] - TASK.n_words
    assert not held_out[classes, labels].any()  # a test of this file says what an unseen pair is


def test_labels_of_ones_own():
    label_of = torch.tensor([22, 0, 7, 3, 11])
    batch = demonstrations(TASK, 13, 7, generator=seeded(5), label_of=label_of)
    assert torch.equal(batch.labels, TASK.n_words + label_of[batch.classes])
    assert torch.equal(batch.tokens[:, 1::2], batch.labels)
    drawn = demonstrations(TASK, 13, 7, generator=seeded(5))
    assert torch.equal(drawn.classes, batch.classes)  # the words are the same
    (in_batches,) = demonstration_batches(TASK, 1, 13, 7, seed=5, label_of=label_of)
    assert torch.equal(in_batches.tokens, batch.tokens)


def own_labels(*labels: int):
    return demonstration_batches(TASK, 1, 2, 3, label_of=torch.tensor(labels))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: LabelTask(n_classes=1), ValueError, "n_classes"),
        (lambda: LabelTask(n_labels=23), ValueError, "n_labels=23 are too few"),
        (lambda: LabelTask(words_per_class=0), ValueError, "words_per_class"),
        (lambda: LabelTask(n_classes=8.0), TypeError, "n_classes"),
        (lambda: demonstrations(TASK, 0), ValueError, "batch_size"),
        (lambda: demonstrations(TASK, 2, 16), ValueError, "n_pairs=16 are more than the 15"),
        (lambda: demonstrations(TASK, 2, 3, unseen=1), TypeError, "unseen"),
        (lambda: demonstrations(TASK, 2, 3, label_of=[1, 2]), TypeError, "label_of"),
        (lambda: demonstrations(TASK, 2, 3, label_of=torch.ones(5)), TypeError, "label_of"),
        (lambda: own_labels(0, 1, 2, 3), ValueError, "5 different labels from 0 to 22"),
        (lambda: own_labels(0, 1, 2, 3, 3), ValueError, "5 different labels"),
        (lambda: own_labels(0, 1, 2, 3, 23), ValueError, "5 different labels"),
        (lambda: own_labels(0, 1, 2, 3, -1), ValueError, "5 different labels"),
        (lambda: demonstration_batches(TASK, 0, 2), ValueError, "n_batches"),
        (lambda: demonstration_batches(TASK, 1, 2, 99), ValueError, "n_pairs"),
    ],
)
def test_bad_input(make, error, words):
    with pytest.raises(error, match=words):
        make()

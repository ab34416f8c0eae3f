"""Probes: what is there to be read is read, what is not there is not."""

import pytest
import torch

from nlp_helpers.data.tiny_world_tasks import WordExample
from nlp_helpers.probing import (
    Examples,
    LinearProbes,
    majority_accuracy,
    padded_layers,
    probe_accuracy,
    vectors_at,
    word_examples,
)

WIDTH, N = 37, 130


def made(seed: int, n: int = N) -> Examples:
    """Layer 0 is noise; layer 1 holds the label; in layer 2 its sign depends on the group."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(3, n, WIDTH, generator=generator)
    labels = [int(i % 3 == 0) for i in range(n)]
    groups = [i % 2 for i in range(n)]
    sign = torch.tensor(labels) * 2.0 - 1
    noise[1, :, 5] += 9 * sign
    noise[2, :, 5] += 9 * sign * (torch.tensor(groups) * 2 - 1)
    return Examples(noise, tuple(map(str, groups)), tuple(map(str, labels)))


def test_a_probe_reads_what_is_there_and_nothing_else():
    train, test = made(0), made(1)
    assert probe_accuracy(train, test, 1) == 1
    assert probe_accuracy(train, test, 2) == 1
    assert 0.4 < probe_accuracy(train, test, 0) < 0.8


def test_each_group_has_a_probe_of_its_own():
    train, test = (e._replace(groups=("",) * N) for e in (made(0), made(1)))
    assert probe_accuracy(train, test, 1) == 1
    assert probe_accuracy(train, test, 2) < 0.8  # without groups the sign is lost


def test_the_majority_is_of_the_training_labels_of_the_group():
    train, test = made(0), made(1)
    share = sum(label == "0" for label in test.labels) / N
    assert majority_accuracy(train, test) == pytest.approx(share)
    one = train._replace(groups=tuple("ab"[label == "1"] for label in train.labels))
    other = test._replace(groups=tuple("ab"[label == "1"] for label in test.labels))
    assert majority_accuracy(one, other) == 1
    assert probe_accuracy(one, other, 0) == 1  # a group with one label


def test_vectors_stand_where_the_words_do():
    def layers_of(sentences):
        return [torch.arange(2 * len(s) * 3.0).view(2, len(s), 3) for s in sentences]

    found = vectors_at(layers_of, [["a", "b"], ["c", "d", "e"]], [1, 0])
    assert found.tolist() == [[[3, 4, 5], [0, 1, 2]], [[9, 10, 11], [9, 10, 11]]]
    examples = [WordExample(("a", "b"), 1, "x"), WordExample(("c", "d", "e"), 0, "y")]
    by_word = word_examples(layers_of, examples)
    assert torch.equal(by_word.vectors, found)
    assert by_word.groups == ("b", "c")
    assert by_word.labels == ("x", "y")
    assert word_examples(layers_of, examples, by_word=False).groups == ("", "")


def test_equal_sentences_are_read_once():
    asked = []

    def layers_of(sentences):
        asked.extend(sentences)
        return [
            torch.full((1, len(s), 1), len(s)) + torch.arange(len(s))[:, None] for s in sentences
        ]

    sentences = [["a", "b"], ("c", "d", "e"), ("a", "b"), ["a", "b"]]
    found = vectors_at(layers_of, sentences, [1, 2, 0, 1])
    assert found.tolist() == [[[3], [5], [2], [3]]]
    assert asked == [["a", "b"], ["c", "d", "e"]]


def test_bad_input_is_refused():
    train, test = made(0), made(1)
    for layer in (3, -1):
        with pytest.raises(ValueError, match=f"layer {layer} is not there: the examples have 3"):
            LinearProbes(train, layer)
    probes = LinearProbes(train, 0)
    for shape in ((2, N, WIDTH), (3, N, WIDTH - 1)):
        with pytest.raises(ValueError, match=f"got {shape[0]} of width {shape[2]}"):
            probes.accuracy(test._replace(vectors=torch.zeros(shape)))
    with pytest.raises(ValueError, match=r"no examples of \['9'\]"):
        probes.accuracy(test._replace(groups=("9",) * N))
    with pytest.raises(ValueError, match=r"\[3, 130, 37\], 130 groups and 129 labels"):
        probe_accuracy(train._replace(labels=train.labels[1:]), test, 0)
    for sentences, positions in (([], []), ([["a"]], [0, 1])):
        with pytest.raises(ValueError, match="do not fit"):
            vectors_at(None, sentences, positions)
    for position in (-1, 1):
        with pytest.raises(ValueError, match=f"position {position} is outside"):
            vectors_at(None, [["a"]], [position])


def test_padding_is_behind_the_words_and_zero():
    layers = [torch.randn(3, n, 5) for n in (2, 7, 1)]
    filled, mask = padded_layers(layers)
    assert filled.shape == (3, 3, 7, 5)
    assert mask.sum(dim=1).tolist() == [2, 7, 1]
    for row, (h, n) in enumerate(zip(layers, (2, 7, 1), strict=True)):
        assert torch.equal(filled[row, :, :n], h)
        assert not filled[row, :, n:].any()
        assert mask[row, :n].all()
    with pytest.raises(ValueError, match="empty"):
        padded_layers([])


def test_rounding_is_no_information():
    """Vectors that differ by rounding only, even where the rounding happens to follow the label."""
    torch.manual_seed(0)
    labels = ("a", "b", "b", "b", "a", "b") * 10
    follows = torch.tensor([label == "a" for label in labels])[:, None]
    noise = 1e-7 * (torch.rand(60, 37) + follows)
    vectors = (torch.randn(37) + noise).unsqueeze(0)
    examples = Examples(vectors, ("",) * 60, labels)
    assert probe_accuracy(examples, examples, 0) == majority_accuracy(examples, examples) == 2 / 3
    larger = Examples(vectors + 1e4 * noise, ("",) * 60, labels)
    assert probe_accuracy(larger, larger, 0) == 1.0

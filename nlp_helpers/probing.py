"""Probes: what a linear classifier can read from vectors that stay as they are."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor


class Examples(NamedTuple):
    """Vectors to probe: [n_layers, examples, width], what they are of, and their labels.

    A probe is fitted for each group of its own (for example, for each word of several senses);
    with one group for all there is one probe.
    """

    vectors: Tensor
    groups: tuple[str, ...]
    labels: tuple[str, ...]


def vectors_at(
    layers_of: Callable[[list[list[str]]], list[Tensor]],
    sentences: Sequence[Sequence[str]],
    positions: Sequence[int],
) -> Tensor:
    """The vectors of one word in each sentence; equal sentences are read once.

    Args:
        layers_of: sentences -> for each [n_layers, n_words, width], such as `ELMo.layers`.

    Shape:
        returns [n_layers, examples, width].

    Raises:
        ValueError: no sentences, as many positions are not given, or one is outside its sentence.
    """
    if not sentences or len(sentences) != len(positions):
        raise ValueError(f"{len(sentences)} sentences and {len(positions)} positions do not fit")
    for sentence, position in zip(sentences, positions, strict=True):
        if not 0 <= position < len(sentence):
            raise ValueError(f"position {position} is outside a sentence of {len(sentence)} words")
    distinct = dict.fromkeys(map(tuple, sentences))  # each is computed once
    layers = dict(zip(distinct, layers_of([list(words) for words in distinct]), strict=True))
    at = zip(sentences, positions, strict=True)
    return torch.stack([layers[tuple(sentence)][:, i] for sentence, i in at], dim=1)


def word_examples(layers_of: Callable, examples: Sequence, by_word: bool = True) -> Examples:
    """Vectors of the words of `WordExample`s; with `by_word` each word is a group of its own."""
    sentences = [example.words for example in examples]
    positions = [example.position for example in examples]
    vectors = vectors_at(layers_of, sentences, positions)
    words = tuple(s[i] if by_word else "" for s, i in zip(sentences, positions, strict=True))
    return Examples(vectors, words, tuple(example.label for example in examples))


def padded_layers(layers: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Vectors of sentences of different lengths as one tensor, and where the words are.

    Shape:
        layers: for each sentence [n_layers, n_words, width]. Returns
        [sentences, n_layers, time, width], 0 at the padding, and mask, bool [sentences, time].

    Raises:
        ValueError: no sentences.
    """
    if not layers:
        raise ValueError("layers is empty: give at least one sentence")
    by_word = [h.transpose(0, 1) for h in layers]  # [n_words, n_layers, width]
    filled = torch.nn.utils.rnn.pad_sequence(by_word, batch_first=True)
    lengths = torch.tensor([len(h) for h in by_word])
    return filled.transpose(1, 2), torch.arange(filled.shape[1]) < lengths[:, None]


class LinearProbes:
    """A linear classifier for each group, fitted to one layer of some examples.

    Logistic regression with scikit-learn's default penalty on standardised vectors; dimensions
    that differ by rounding only are left as they are. Where a group has one label only, that is
    the answer.

    Raises:
        ValueError: examples whose parts do not fit, a layer that is not there; in `accuracy`,
            other numbers of layers or widths, a group that the fitted examples lack.
    """

    def __init__(self, train: Examples, layer: int):
        check_examples(train)
        self.n_layers, _, self.width = train.vectors.shape
        if not 0 <= layer < self.n_layers:
            raise ValueError(f"layer {layer} is not there: the examples have {self.n_layers}")
        self.layer = layer
        self._predict = {
            group: _fitted(*_of_group(train, group, layer)) for group in sorted(set(train.groups))
        }

    def accuracy(self, test: Examples) -> float:
        """Share of the labels that the probes read from the vectors."""
        check_examples(test)
        n_layers, _, width = test.vectors.shape
        if (n_layers, width) != (self.n_layers, self.width):
            fitted = f"{self.n_layers} layers of width {self.width}"
            raise ValueError(f"fitted to {fitted}, got {n_layers} of width {width}")
        unknown = set(test.groups) - self._predict.keys()
        if unknown:
            raise ValueError(f"fitted to no examples of {sorted(unknown)[:5]}")
        right = 0
        for group in sorted(set(test.groups)):
            x, y = _of_group(test, group, self.layer)
            right += int((self._predict[group](x) == y).sum())
        return right / len(test.labels)


def probe_accuracy(train: Examples, test: Examples, layer: int) -> float:
    """`LinearProbes(train, layer).accuracy(test)`, for one test."""
    return LinearProbes(train, layer).accuracy(test)


def majority_accuracy(train: Examples, test: Examples) -> float:
    """Share of the test's labels that are their group's most frequent one in `train`."""
    right = 0
    for group in sorted(set(test.groups)):
        _, y = _of_group(train, group, 0)
        labels, counts = np.unique(y, return_counts=True)
        _, y_test = _of_group(test, group, 0)
        right += int((y_test == labels[counts.argmax()]).sum())
    return right / len(test.labels)


def check_examples(examples: Examples) -> None:
    """Refuse examples whose parts do not fit.

    Raises:
        ValueError: naming the shapes.
    """
    shape = list(examples.vectors.shape)
    n_groups, n_labels = len(examples.groups), len(examples.labels)
    if len(shape) != 3 or 0 in shape or not shape[1] == n_groups == n_labels:
        raise ValueError(
            f"vectors must be [n_layers, examples, width] with a group and a label for each "
            f"example; got {shape}, {n_groups} groups and {n_labels} labels"
        )


def _of_group(examples: Examples, group: str, layer: int) -> tuple[np.ndarray, np.ndarray]:
    chosen = [i for i, g in enumerate(examples.groups) if g == group]
    labels = np.array([examples.labels[i] for i in chosen])
    return examples.vectors[layer][chosen].numpy(), labels


def _fitted(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    if len(set(y)) == 1:
        return lambda x_test: np.full(len(x_test), y[0])
    x = x.astype(np.float64)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread < 1e-5 * np.sqrt(np.square(x).mean())] = 1  # constant: what differs is rounding
    probe = LogisticRegression(max_iter=1000).fit((x - mean) / spread, y)
    return lambda x_test: probe.predict((x_test - mean) / spread)

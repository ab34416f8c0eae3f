"""Sequences of demonstrations for in-context learning: words, each with a label.

Every word belongs to a class, always the same one. In every sequence the classes get labels of
their own, drawn anew, so that what a label means can be found in the sequence only.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from nlp_helpers.checks import check_int

# What a reader sees in place of the tokens of the default task; the model sees numbers only.
_WORDS = """pear plum melon lemon orange cherry apple grape
hammer saw ladder shovel rake bucket wrench axe
coat scarf hat glove boot dress shirt belt
tulip lily daisy rose violet orchid iris poppy
violin flute guitar trumpet harp banjo drum organ
dog cat horse cow goat hen rabbit fox"""
WORDS = tuple(_WORDS.split())
CLASSES = ("fruit", "tool", "garment", "flower", "instrument", "animal")
LABELS = tuple(consonant + vowel for consonant in "bdfgklmn" for vowel in "aeio")  # 32
UNSEEN_SHARE = 4  # one in four pairs of class and label is kept from training


class Demonstrations(NamedTuple):
    """A batch of sequences: word, label, word, label, ...; each word is asked about in its turn.

    The label of the word at place i (0 is the first) comes after i demonstrations: "i shots".

    Shape:
        tokens: int64 [batch, 2 * pairs]. classes: int64 [batch, pairs], the class of each word.
        labels: int64 [batch, pairs], the tokens at the odd places.
    """

    tokens: Tensor
    classes: Tensor
    labels: Tensor


@dataclass(frozen=True)
class LabelTask:
    """Which words and labels there are.

    Tokens 0 to n_classes * words_per_class - 1 are the words, class after class; the n_labels
    tokens after them are the labels. A quarter of all pairs of class and label, the same for all
    tasks of one size, never occurs in training: pair (c, l) is unseen where (c + l) is divisible
    by 4.

    Source: after Chan et al. 2022, "Data distributional properties drive emergent in-context
        learning in transformers"; Brown et al. 2020, section 2 (shots).

    Raises:
        ValueError: fewer than two classes, or not at least four labels for each class.
        TypeError: not ints.
    """

    n_classes: int = 6
    words_per_class: int = 8
    n_labels: int = 32

    def __post_init__(self):
        check_int("n_classes", self.n_classes, 2)
        check_int("words_per_class", self.words_per_class)
        check_int("n_labels", self.n_labels)
        if self.n_labels < UNSEEN_SHARE * self.n_classes:
            raise ValueError(
                f"n_labels={self.n_labels} are too few: {self.n_classes} classes need "
                f"{UNSEEN_SHARE * self.n_classes}, so that the unseen pairs suffice"
            )

    @property
    def n_words(self) -> int:
        return self.n_classes * self.words_per_class

    @property
    def vocab_size(self) -> int:
        return self.n_words + self.n_labels

    def name(self, token: int) -> str:
        """What a token is called in the default task, such as "pear" or "ko".

        Raises:
            ValueError: a task of another size; a token outside the vocabulary.
        """
        if self != LabelTask():
            raise ValueError(f"only the default task has names, not {self}")
        if not 0 <= token < self.vocab_size:
            raise ValueError(f"token {token} is not in [0, {self.vocab_size})")
        return (WORDS + LABELS)[token]

    def unseen_pairs(self) -> Tensor:
        """True where a class never has a label in training: bool [class, label]."""
        classes, labels = torch.arange(self.n_classes), torch.arange(self.n_labels)
        return (classes[:, None] + labels) % UNSEEN_SHARE == 0


def demonstrations(
    task: LabelTask,
    batch_size: int,
    n_pairs: int = 9,
    unseen: bool = False,
    generator: torch.Generator | None = None,
    label_of: Tensor | None = None,
) -> Demonstrations:
    """Random sequences; in each the words differ, and no two classes share a label.

    Args:
        n_pairs: words in a sequence; the last of them has n_pairs - 1 shots before it.
        unseen: only pairs of class and label that never occur in training, or only the others.
        label_of: the same labels in every sequence, in place of labels that are drawn; counted
            from 0, the first label.

    Shape:
        label_of: int64 [class].

    Raises:
        ValueError: batch_size below 1, n_pairs below 1 or above the number of words, labels that
            are not one for each class, all different.
        TypeError: not ints, unseen not bool.
    """
    check_int("batch_size", batch_size)
    check_int("n_pairs", n_pairs)
    if n_pairs > task.n_words:
        raise ValueError(f"n_pairs={n_pairs} are more than the {task.n_words} words")
    if not isinstance(unseen, bool):
        raise TypeError(f"unseen must be True or False, got {unseen!r}")
    if label_of is not None:
        check_labels(label_of, task)
    words = torch.rand(batch_size, task.n_words, generator=generator).argsort(dim=1)[:, :n_pairs]
    classes = words // task.words_per_class
    if label_of is None:
        maps = label_maps(task, batch_size, unseen, generator)
    else:
        maps = label_of.expand(batch_size, -1)
    labels = task.n_words + maps.gather(1, classes)  # maps: [batch, class]
    tokens = torch.stack([words, labels], dim=2).flatten(1)
    return Demonstrations(tokens, classes, labels)


def label_maps(
    task: LabelTask, batch_size: int, unseen: bool, generator: torch.Generator | None
) -> Tensor:
    """For each sequence a label of its own for every class: int64 [batch, class]."""
    allowed = task.unseen_pairs() if unseen else ~task.unseen_pairs()
    free = torch.ones(batch_size, task.n_labels, dtype=torch.bool)
    chosen = []
    for of_class in allowed:
        draws = torch.rand(batch_size, task.n_labels, generator=generator)
        label = draws.where(free & of_class, -1.0).argmax(dim=1)
        free[torch.arange(batch_size), label] = False
        chosen.append(label)
    return torch.stack(chosen, dim=1)


def check_labels(label_of: Tensor, task: LabelTask) -> None:
    """Refuse labels that are not one for each class, all different."""
    if not isinstance(label_of, Tensor) or label_of.dtype != torch.int64:
        raise TypeError(f"label_of must be a tensor of int64, got {label_of!r:.80}")
    wanted = f"{task.n_classes} different labels from 0 to {task.n_labels - 1}, one for each class"
    fits = label_of.shape == (task.n_classes,) and len(label_of.unique()) == task.n_classes
    if not fits or label_of.min() < 0 or label_of.max() >= task.n_labels:
        raise ValueError(f"label_of must be {wanted}; got {label_of.tolist()}")


def seen_before(classes: Tensor) -> Tensor:
    """True where a word's class has been demonstrated earlier in its sequence.

    Shape:
        classes: int64 [batch, pairs]; returns bool, the same.
    """
    same = classes[:, :, None] == classes[:, None, :]  # [batch, pair, earlier pair]
    return same.tril(-1).any(dim=2)


def ideal_accuracy(batch: Demonstrations, task: LabelTask) -> Tensor:
    """How often the best guesser is right who knows the classes, and that labels differ.

    He is certain where the class has been demonstrated. Where it has not, he guesses among the
    labels that have not been used; which pairs never occur he does not know.

    Shape:
        returns float [pairs], the mean over the batch at 0, 1, 2, ... shots.
    """
    known = seen_before(batch.classes)
    n_used = (~known).cumsum(dim=1) - (~known).int()  # classes demonstrated before each place
    guess = 1.0 / (task.n_labels - n_used)
    return torch.where(known, torch.ones(()), guess).mean(dim=0)


class demonstration_batches:
    """`n_batches` batches of training sequences (`Demonstrations`), new ones in every pass.

    Args:
        label_of: as for `demonstrations`.

    Raises:
        ValueError, TypeError: as `demonstrations`; n_batches below 1.
    """

    def __init__(
        self,
        task: LabelTask,
        n_batches: int,
        batch_size: int,
        n_pairs: int = 9,
        seed: int = 0,
        label_of: Tensor | None = None,
    ):
        check_int("n_batches", n_batches)
        check_int("seed", seed, 0)
        self.n_batches = n_batches
        self._arguments = (task, batch_size, n_pairs, False)
        self._generator, self._label_of = torch.Generator().manual_seed(seed), label_of
        demonstrations(*self._arguments, torch.Generator(), label_of)  # refuses what does not fit

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self):
        for _ in range(self.n_batches):
            yield demonstrations(*self._arguments, self._generator, self._label_of)

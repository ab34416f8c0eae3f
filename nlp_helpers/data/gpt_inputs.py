"""Labelled examples as GPT-1 reads them: rows of tokens with a start, delimiter and extract token.

Every input ends with the extract token; what the model computes there goes to the classifier.

Source: Radford et al. 2018, section 3.3 and figure 1 (right).
"""

from collections.abc import Iterator, Sequence
from operator import index
from typing import NamedTuple

import torch
from torch import Tensor

from nlp_helpers.checks import check_int

Ids = Sequence[int]
MARKS = ("<start>", "<delimiter>", "<extract>")


class Marks(NamedTuple):
    """The ids of the three tokens that fine-tuning adds to the vocabulary."""

    start: int
    delimiter: int
    extract: int

    @classmethod
    def after(cls, vocab_size: int) -> "Marks":
        """The three ids after those of pre-training.

        Raises:
            ValueError, TypeError: a vocab_size that is not an int of at least 1.
        """
        check_int("vocab_size", vocab_size)
        return cls(vocab_size, vocab_size + 1, vocab_size + 2)


def classification_inputs(text: Ids, marks: Marks) -> list[list[int]]:
    """One input: start, text, extract."""
    return [framed(marks, text)]


def entailment_inputs(premise: Ids, hypothesis: Ids, marks: Marks) -> list[list[int]]:
    """One input: start, premise, delimiter, hypothesis, extract."""
    return [framed(marks, premise, hypothesis)]


def similarity_inputs(first: Ids, second: Ids, marks: Marks) -> list[list[int]]:
    """Two inputs, since neither text comes first: both orders."""
    return [framed(marks, first, second), framed(marks, second, first)]


def choice_inputs(context: Ids, answers: Sequence[Ids], marks: Marks) -> list[list[int]]:
    """One input for each answer: start, context (with its question), delimiter, answer, extract.

    Raises:
        ValueError: fewer than two answers, and as `framed`.
    """
    if len(answers) < 2:
        raise ValueError(f"a choice needs at least two answers, got {len(answers)}")
    return [framed(marks, context, answer) for answer in answers]


def framed(marks: Marks, *parts: Ids) -> list[int]:
    """The start token, the parts with delimiters between them, the extract token.

    Raises:
        ValueError: an empty part, a negative id, or a part that holds one of the three tokens.
        TypeError: a part that is not a sequence of ints.
    """
    row = [marks.start]
    for i, part in enumerate(parts):
        name = f"part {i} of the input"
        try:
            ids = [index(token) for token in part]
        except TypeError:
            raise TypeError(f"{name} must be a sequence of ints, got {part!r:.60}") from None
        if not ids:
            raise ValueError(f"{name} is empty")
        if min(ids) < 0:
            raise ValueError(f"{name} holds the id {min(ids)}: ids start at 0")
        if not set(marks).isdisjoint(ids):
            raise ValueError(f"{name} holds one of the tokens {tuple(marks)}")
        row += [*([marks.delimiter] if i else []), *ids]
    return [*row, marks.extract]


class TaskBatch(NamedTuple):
    """Inputs of some examples, filled up at the end, and their labels.

    Shape:
        tokens: int64 [batch, input, time]; last: int64 [batch, input], where each input's extract
        token stands; labels: int64 or float [batch].
    """

    tokens: Tensor
    last: Tensor
    labels: Tensor


class task_batches:
    """Batches of examples of similar lengths, in a new random order each epoch.

    What fills a row up comes after its extract token, so a causal model never sees it.

    Args:
        examples: for each example its inputs, as the functions above make them.
        labels: one a row: class numbers (int), or scores (float) for a regression.
        batch_size: examples per batch.
        seed: of the order; None: in the order of the lengths, always the same.

    Raises:
        ValueError: no examples, another number of labels or not one a row, examples of different
            numbers of inputs, an empty input, a number out of range.
        TypeError: examples that are not lists of inputs, numbers that are not ints.
    """

    def __init__(
        self,
        examples: Sequence[list[list[int]]],
        labels: Sequence[int] | Sequence[float],
        batch_size: int,
        seed: int | None = 0,
    ):
        check_int("batch_size", batch_size)
        if seed is not None:
            check_int("seed", seed, least=0)
        if not len(examples) or len(examples) != len(labels):
            raise ValueError(f"got {len(examples)} examples and {len(labels)} labels")
        check_examples(examples)
        self._examples, self._labels = list(examples), torch.as_tensor(labels)
        if self._labels.dim() != 1:
            raise ValueError(f"labels must be one a row, got shape {list(self._labels.shape)}")
        self._lengths = torch.tensor([max(map(len, inputs)) for inputs in examples])
        self.batch_size = batch_size
        self._generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-len(self._examples) // self.batch_size)

    def __iter__(self) -> Iterator[TaskBatch]:
        n, generator = len(self._examples), self._generator
        order = torch.arange(n) if generator is None else torch.randperm(n, generator=generator)
        batches = order[self._lengths[order].argsort(stable=True)].split(self.batch_size)
        turn = range(len(batches))
        if generator is not None:
            turn = torch.randperm(len(batches), generator=generator).tolist()
        return (self._batch(batches[i]) for i in turn)

    def _batch(self, chosen: Tensor) -> TaskBatch:
        rows = [[torch.tensor(row) for row in self._examples[i]] for i in chosen.tolist()]
        flat = torch.nn.utils.rnn.pad_sequence([x for r in rows for x in r], batch_first=True)
        last = torch.tensor([[len(row) - 1 for row in inputs] for inputs in rows])
        return TaskBatch(flat.view(*last.shape, -1), last, self._labels[chosen])


def check_examples(examples: Sequence[list[list[int]]]) -> None:
    """Refuse what are not lists of inputs, all of one length and no input empty."""
    for i, inputs in enumerate(examples):
        if not all(isinstance(row, list | tuple) for row in inputs):
            raise TypeError(f"examples[{i}] must be a list of lists of ids, got {inputs!r:.60}")
        if not all(inputs):
            raise ValueError(f"examples[{i}] has an empty input: {inputs!r:.60}")
    counts = sorted({len(inputs) for inputs in examples})
    if len(counts) > 1 or not counts[0]:
        raise ValueError(f"every example needs as many inputs; got {counts}")

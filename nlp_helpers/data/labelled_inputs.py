"""Labelled rows for fine-tuning BERT: classes, numbers, answers, and tags of words."""

from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from typing import NamedTuple

import torch
from torch import Tensor

from nlp_helpers.checks import check_int
from nlp_helpers.data.bert_inputs import (
    BERTInputs,
    Ids,
    PackedRows,
    Row,
    batches_of,
    check_count,
    checked_ids,
    single_row,
)
from nlp_helpers.data.masking import IGNORE


class LabelledBatch(NamedTuple):
    """Inputs and their labels.

    Shape:
        inputs: `BERTInputs`; labels: int64 [batch] (classes), float32 [batch] (numbers), int64
        [batch, 2] (first and last place of an answer), or int64 [batch, time] (tags, IGNORE where
        no tag is asked for).
    """

    inputs: BERTInputs
    labels: Tensor


class labelled_batches:
    """Batches of labelled rows, every row once an epoch.

    Args:
        rows: ids and segments.
        labels: one a row and all of one kind: a class (int of at least 0), a number (float), the
            first and last place of an answer (tuple of two ints), or a list with a tag or IGNORE
            for every token of the row.
        batch_size: rows per batch; the last one may be smaller.
        pad_id: what fills up.
        seed: of the order, new in each epoch; None: the order of the rows.
        bucket: rows of similar length come together, with less to fill up.

    Raises:
        ValueError: rows as for `pad_rows`, another number of labels than of rows, a negative
            class or tag, an answer outside its row, tags of another number than the row's
            tokens, a number out of range.
        TypeError: rows as for `pad_rows`, labels of no such kind or of several, numbers that are
            not ints.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        labels: Sequence,
        batch_size: int,
        pad_id: int,
        seed: int | None = 0,
        bucket: bool = False,
    ):
        check_int("batch_size", batch_size)
        check_int("pad_id", pad_id, least=0)
        if seed is not None:
            check_int("seed", seed, least=0)
        check_count(rows, labels)
        self._rows, self.batch_size = PackedRows(rows), batch_size
        self._labels, self._per_token = label_tensor(labels, self._rows.lengths.tolist())
        self._pad, self._bucket = pad_id, bucket
        self._generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-len(self._rows) // self.batch_size)

    def __iter__(self) -> Iterator[LabelledBatch]:
        lengths, generator = self._rows.lengths, self._generator
        chosen = batches_of(lengths, self.batch_size, generator, self._bucket)
        return (self._batch(batch) for batch in chosen)

    def _batch(self, chosen: Tensor) -> LabelledBatch:
        inputs = self._rows.inputs(chosen, self._pad)
        if self._per_token:
            return LabelledBatch(inputs, self._rows.cut(self._labels, chosen, IGNORE)[0])
        return LabelledBatch(inputs, self._labels[chosen])


def label_tensor(labels: Sequence, lengths: list[int]) -> tuple[Tensor, bool]:
    """The labels of rows of these lengths, and whether they are tags, one a token of all rows."""
    labels = labels.tolist() if hasattr(labels, "tolist") else labels
    if all(isinstance(label, list) for label in labels):
        return checked_tags(labels, lengths), True
    if all(isinstance(label, tuple) for label in labels):
        return checked_answers(labels, lengths), False
    if not all(isinstance(label, Real) and not isinstance(label, bool) for label in labels):
        kinds = sorted({type(label).__name__ for label in labels})
        wanted = "all ints, floats, tuples of two ints, or lists of ints"
        raise TypeError(f"labels must be {wanted}, got {kinds}")
    if not all(isinstance(label, Integral) for label in labels):
        return torch.tensor(labels, dtype=torch.float32), False
    if min(labels) < 0:
        raise ValueError(f"a class must be at least 0, got {min(labels)}")
    return torch.tensor(labels), False


def checked_tags(labels: Sequence[list[int]], lengths: list[int]) -> Tensor:
    """The tags of all rows in one tensor, int64 [tokens of all rows]."""
    for i, (tags, n) in enumerate(zip(labels, lengths, strict=True)):
        if len(tags) != n:
            raise ValueError(f"labels[{i}] has {len(tags)} tags for a row of {n} tokens")
        if not all(isinstance(tag, Integral) for tag in tags):
            raise TypeError(f"labels[{i}] must hold ints, got {tags!r:.60}")
        wrong = [tag for tag in tags if tag < 0 and tag != IGNORE]
        if wrong:
            raise ValueError(f"labels[{i}] holds {wrong[0]}: a tag is at least 0, or {IGNORE}")
    return torch.tensor([tag for tags in labels for tag in tags])


def checked_answers(labels: Sequence[tuple[int, int]], lengths: list[int]) -> Tensor:
    """First and last places, int64 [rows, 2]."""
    for i, (answer, n) in enumerate(zip(labels, lengths, strict=True)):
        if len(answer) != 2 or not all(isinstance(place, Integral) for place in answer):
            raise TypeError(f"labels[{i}] must be (first, last), two ints, got {answer}")
        if not 0 <= answer[0] <= answer[1] < n:
            raise ValueError(f"labels[{i}] = {answer} is no span of a row of {n} tokens")
    return torch.tensor(labels)


def tag_row(
    pieces: Ids, word_numbers: Sequence[int], tags: Sequence[int], cls: int, sep: int
) -> tuple[list[int], list[int], list[int]]:
    """[CLS] pieces [SEP], the segments, and the tags: each on the first piece of its word.

    The other pieces and the special tokens have IGNORE.

    Source: Devlin et al. 2019, section 5.3.

    Args:
        pieces: the ids of the WordPieces.
        word_numbers: for each piece the number of its word: 0, 0, 1, 2, 2, ...
        tags: the tag of each word.

    Raises:
        ValueError: another number of word numbers than of pieces, words that do not come one
            after the other from 0 on, another number of tags than of words, a negative tag.
        TypeError: what are not sequences of ints.
    """
    pieces, tags = checked_ids("pieces", pieces), checked_ids("tags", tags)
    words = checked_ids("word_numbers", word_numbers)
    if len(words) != len(pieces):
        raise ValueError(f"got {len(pieces)} pieces and {len(words)} word_numbers")
    before = [-1, *words[:-1]]
    for place, (last, word) in enumerate(zip(before, words, strict=True)):
        if word not in (last, last + 1):
            after = f"after {last}" if place else "at first"
            raise ValueError(f"word_numbers[{place}] is {word} {after}: count the words from 0 on")
    if words[-1] + 1 != len(tags):
        raise ValueError(f"got {len(tags)} tags for {words[-1] + 1} words")
    pairs = zip(before, words, strict=True)
    labels = [tags[word] if word != last else IGNORE for last, word in pairs]
    return *single_row(pieces, cls, sep), [IGNORE, *labels, IGNORE]


def tags_of_words(predicted: Sequence[int] | Tensor, labels: Sequence[int] | Tensor) -> list[int]:
    """One predicted tag for each word: those at the places whose label is not IGNORE.

    Shape:
        predicted, labels: integers [time]; what is predicted at padding may be there or not, as
        long as both have it.

    Raises:
        ValueError: not one axis, or unequal lengths.
    """
    predicted, labels = torch.as_tensor(predicted), torch.as_tensor(labels)
    if predicted.dim() != 1 or predicted.shape != labels.shape:
        shapes = f"{list(predicted.shape)} and {list(labels.shape)}"
        raise ValueError(f"expected predicted [time] and labels [time], got {shapes}")
    return predicted[labels != IGNORE].tolist()

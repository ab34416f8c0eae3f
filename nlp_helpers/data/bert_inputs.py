"""Rows of tokens as BERT reads them, [CLS] first [SEP] second [SEP], and batches of such rows."""

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import index
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nlp_helpers.checks import check_int
from nlp_helpers.data.masking import IGNORE, Masker

Ids = Sequence[int]
Row = tuple[Ids, Ids]  # ids and segments
MASKED_AT_ONCE = 512  # rows


class BERTInputs(NamedTuple):
    """Rows filled up at the end: what a BERT takes, in this order.

    Shape:
        tokens: int64 [batch, time]; segments: int64 [batch, time], 0 for the first text and for
        what fills up, 1 for the second; mask: bool [batch, time], True = a real token.
    """

    tokens: Tensor
    segments: Tensor
    mask: Tensor


def single_row(ids: Ids, cls: int, sep: int) -> tuple[list[int], list[int]]:
    """[CLS] text [SEP], all in segment 0: the ids and the segments.

    Source: Devlin et al. 2019, section 3 and figure 2.

    Raises:
        ValueError: no ids, or a negative one.
        TypeError: ids that are not ints.
    """
    ids = checked_ids("ids", ids)
    return [cls, *ids, sep], [0] * (len(ids) + 2)


def pair_row(first: Ids, second: Ids, cls: int, sep: int) -> tuple[list[int], list[int]]:
    """[CLS] first [SEP] in segment 0, second [SEP] in segment 1: the ids and the segments.

    Source, Raises: as `single_row`.
    """
    first, second = checked_ids("first", first), checked_ids("second", second)
    segments = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    return [cls, *first, sep, *second, sep], segments


def checked_ids(name: str, ids: Ids) -> list[int]:
    """Refuse what is not a sequence of one or more ids; return it as a list."""
    try:
        found = [index(token) for token in ids]
    except TypeError:
        raise TypeError(f"{name} must be a sequence of ints, got {ids!r:.60}") from None
    if not found:
        raise ValueError(f"{name} is empty")
    if min(found) < 0:
        raise ValueError(f"{name} holds the id {min(found)}: ids start at 0")
    return found


def pad_rows(rows: Sequence[Row], pad_id: int) -> BERTInputs:
    """All rows in one batch.

    Args:
        rows: ids and segments, as `single_row` and `pair_row` make them.
        pad_id: what fills up.

    Raises:
        ValueError: no rows, an empty row, as many ids as segments in none, a negative number.
        TypeError: rows that are not two sequences of ints, a pad_id that is not an int.
    """
    packed = PackedRows(rows)
    return packed.inputs(torch.arange(len(packed)), pad_id)


class PackedRows:
    """Rows of unequal lengths, one after the other in one tensor: a batch is cut out quickly.

    Args:
        rows: ids and segments.

    Raises:
        ValueError, TypeError: as `pad_rows`.
    """

    def __init__(self, rows: Sequence[Row]):
        check_rows(rows)
        self.lengths = torch.tensor([len(ids) for ids, _ in rows])
        self._starts = self.lengths.cumsum(0) - self.lengths
        self.tokens = flat("ids", [ids for ids, _ in rows])
        self.segments = flat("segments", [segments for _, segments in rows])

    def __len__(self) -> int:
        return len(self.lengths)

    def inputs(self, chosen: Tensor, pad_id: int) -> BERTInputs:
        """The rows of these numbers, int64 [batch]."""
        check_int("pad_id", pad_id, least=0)
        tokens, mask = self.cut(self.tokens, chosen, pad_id)
        return BERTInputs(tokens, self.cut(self.segments, chosen, 0)[0], mask)

    def cut(self, values: Tensor, chosen: Tensor, filler: int) -> tuple[Tensor, Tensor]:
        """Rows out of any values that stand beside the tokens, filled up, and their mask."""
        lengths = self.lengths[chosen, None]
        place = torch.arange(int(lengths.max()))
        mask = place < lengths
        places = (self._starts[chosen, None] + place).clamp(max=len(values) - 1)
        return values[places].long().masked_fill_(~mask, filler), mask


def check_rows(rows: Sequence[Row]) -> None:
    """Refuse no rows, and rows that are not ids with as many segments."""
    if not len(rows):
        raise ValueError("rows is empty")
    for i, row in enumerate(rows):
        sized = [hasattr(part, "__len__") and not isinstance(part, str) for part in row]
        if sized != [True, True]:
            raise TypeError(f"rows[{i}] must be (ids, segments), got {row!r:.60}")
        ids, segments = row
        if not len(ids) or len(ids) != len(segments):
            raise ValueError(f"rows[{i}] has {len(ids)} ids and {len(segments)} segments")


def flat(name: str, parts: Sequence[Ids]) -> Tensor:
    """All numbers of all parts in one int32 tensor.

    Raises:
        ValueError: a negative number.
        TypeError: a number that is not an int.
    """
    try:
        numbers = torch.from_numpy(np.fromiter(map(index, chain(*parts)), np.int32))
    except TypeError:
        raise TypeError(f"the {name} of the rows must be ints, got {parts!r:.60}") from None
    if numbers.min() < 0:
        raise ValueError(f"the {name} of the rows must be at least 0, got {numbers.min()}")
    return numbers


def check_count(rows: Sequence[Row], labels: Sequence) -> None:
    """Refuse another number of labels than of rows."""
    if len(rows) != len(labels):
        raise ValueError(f"got {len(rows)} rows and {len(labels)} labels")


def batches_of(
    lengths: Tensor, batch_size: int, generator: torch.Generator | None, bucket: bool
) -> list[Tensor]:
    """The numbers of the rows of each batch: shuffled, or in order without a generator.

    With `bucket` rows of similar length come together, and the batches are shuffled then.
    """
    n = len(lengths)
    order = torch.arange(n) if generator is None else torch.randperm(n, generator=generator)
    if not bucket:
        return list(order.split(batch_size))
    batches = order[lengths[order].argsort(stable=True)].split(batch_size)
    if generator is None:
        return list(batches)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


class PreTrainingBatch(NamedTuple):
    """What BERT's two tasks of pre-training read.

    Shape:
        inputs: `BERTInputs`; targets: int64 [batch, time], IGNORE where nothing is asked;
        is_random: int64 [batch], 0 = the second text is the next, 1 = it is a random one (the
        labels of the authors), or None.
    """

    inputs: BERTInputs
    targets: Tensor
    is_random: Tensor | None


class pretraining_batches:
    """Batches of masked rows, in a new random order each epoch, every row once.

    Dynamic masks are drawn anew each time that a row is seen. Static ones are drawn once, in
    n_copies versions: epoch e shows every row in version e mod n_copies. BERT's data were masked
    ten times before the training (n_copies=10); RoBERTa masks dynamically. The order of the rows
    depends on the seed alone, so that both see the same rows in the same order.

    Source: Devlin et al. 2019, appendix A.2; Liu et al. 2019, section 4.1 (static or dynamic).

    Args:
        rows: ids and segments, as `single_row` and `pair_row` make them.
        labels: one a row, 0 (next) or 1 (random); None: no next-sentence prediction.
        masker: draws the masks.
        batch_size: rows per batch; the last one may be smaller.
        pad_id: what fills up; one of the masker's special tokens.
        seed: of the order and the masks.
        dynamic: new masks each time, or the same ones.
        bucket: rows of similar length come together, with less to fill up.
        n_copies: how many versions of a row there are with static masks.

    Raises:
        ValueError: rows as for `pad_rows`, another number of labels than of rows, a label that is
            not 0 or 1, an id outside the masker's vocabulary, a number out of range, n_copies
            with dynamic masks.
        TypeError: rows as for `pad_rows`, a masker that is none, numbers that are not ints.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        labels: Sequence[int] | None,
        masker: Masker,
        batch_size: int,
        pad_id: int,
        seed: int = 0,
        dynamic: bool = True,
        bucket: bool = False,
        n_copies: int = 1,
    ):
        check_int("batch_size", batch_size)
        check_int("seed", seed, least=0)
        check_int("pad_id", pad_id, least=0)
        check_int("n_copies", n_copies)
        if dynamic and n_copies > 1:
            raise ValueError(f"dynamic masks have no copies, got n_copies={n_copies}")
        if not isinstance(masker, Masker):
            raise TypeError(f"masker must be a Masker, got {type(masker).__name__}")
        if pad_id not in masker.special_ids:
            raise ValueError(f"pad_id={pad_id} is not among the masker's special_ids")
        self._rows, self._labels = PackedRows(rows), None
        if self._rows.tokens.max() >= masker.vocab_size:
            highest = self._rows.tokens.max().item()
            raise ValueError(f"rows hold the id {highest}: vocab_size={masker.vocab_size}")
        if labels is not None:
            check_count(rows, labels)
            wrong = [label for label in labels if label not in (0, 1)]
            if wrong:
                raise ValueError(f"labels must be 0 (next) or 1 (random), got {wrong[0]!r}")
            self._labels = torch.tensor([int(label) for label in labels])
        self._masker, self._pad, self._bucket = masker, pad_id, bucket
        self.batch_size, self._epoch = batch_size, 0
        self._order = torch.Generator().manual_seed(seed)
        mask_seed = torch.randint(2**62, (), generator=self._order).item()
        self._masks = torch.Generator().manual_seed(mask_seed)
        self._copies = [] if dynamic else [self._static() for _ in range(n_copies)]

    def __len__(self) -> int:
        return -(-len(self._rows) // self.batch_size)

    def __iter__(self) -> Iterator[PreTrainingBatch]:
        chosen = batches_of(self._rows.lengths, self.batch_size, self._order, self._bucket)
        copy = self._copies[self._epoch % len(self._copies)] if self._copies else None
        self._epoch += 1
        return (self._batch(batch, copy) for batch in chosen)

    def _batch(self, chosen: Tensor, copy: tuple[Tensor, Tensor] | None) -> PreTrainingBatch:
        inputs = self._rows.inputs(chosen, self._pad)
        if copy is None:
            tokens, targets, _ = self._masker(inputs.tokens, self._masks)
        else:
            tokens = self._rows.cut(copy[0], chosen, self._pad)[0]
            targets = self._rows.cut(copy[1], chosen, IGNORE)[0]
        labels = None if self._labels is None else self._labels[chosen]
        return PreTrainingBatch(inputs._replace(tokens=tokens), targets, labels)

    def _static(self) -> tuple[Tensor, Tensor]:
        """Masked tokens and targets of all rows, packed as the rows are."""
        parts = []
        for chosen in torch.arange(len(self._rows)).split(MASKED_AT_ONCE):
            inputs = self._rows.inputs(chosen, self._pad)
            tokens, targets, _ = self._masker(inputs.tokens, self._masks)
            parts.append((tokens[inputs.mask].int(), targets[inputs.mask].int()))
        tokens, targets = zip(*parts, strict=True)
        return torch.cat(tokens), torch.cat(targets)

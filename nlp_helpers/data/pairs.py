"""Batches of (source, target) pairs of token ids, padded, for sequence-to-sequence models."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from nlp_helpers.checks import check_int

Ids = Sequence[int]


class PairBatch(NamedTuple):
    """A batch of pairs. The decoder reads ``target_in`` and is to predict ``target_out``.

    ``target_in`` is start, y_1 ... y_n and ``target_out`` is y_1 ... y_n, end: at each step the
    right answer is the token one step later. Masks are True where a token is real.

    Shape:
        source: LongTensor [batch, source]; source_mask: bool [batch, source].
        target_in, target_out: LongTensor [batch, target]; target_mask: bool [batch, target].
    """

    source: Tensor
    source_mask: Tensor
    target_in: Tensor
    target_out: Tensor
    target_mask: Tensor


def pad(sequences: Sequence[Ids], pad_id: int = 0) -> tuple[Tensor, Tensor]:
    """Fill sequences up to the longest one, at the right.

    Shape:
        returns: ids, LongTensor [batch, time], and mask, bool [batch, time], True = a real token.
    Raises:
        TypeError: not sequences of ints.
        ValueError: there are none, one is empty, or an id is negative.
    """
    check_int("pad_id", pad_id, 0)
    return _Ragged("sequences", sequences).padded(None, pad_id)


def collate(
    pairs: Sequence[tuple[Ids, Ids]], start_id: int, end_id: int, pad_id: int = 0
) -> PairBatch:
    """Pad pairs into one batch, with the target shifted for teacher forcing.

    Args:
        pairs: (source ids, target ids), the target without start and end.
        start_id: what the decoder reads first.
        end_id: what the decoder is to predict last.
        pad_id: what fills up; the masks say where it stands.
    Raises:
        TypeError: not pairs of sequences of ints, or an id is not an int.
        ValueError: there are no pairs, a sequence is empty, or an id is negative.
    """
    return _Pairs(pairs, start_id, end_id, pad_id).batch(None)


class bucketed_batches:
    """Batches of pairs of equal or similar lengths, in random order.

    Each epoch shuffles the pairs, sorts them by the length of the source and then of the target
    (equal lengths stay shuffled), cuts that row into batches and shuffles the batches. So padding
    is little, each pair comes exactly once an epoch, and each epoch is shuffled anew. The last
    pairs of the row may make one smaller batch. Equal seeds give equal epochs, in the order in
    which they are walked.

    Args:
        pairs: (source ids, target ids), the target without start and end.
        batch_size: pairs per batch.
        start_id, end_id, pad_id: as in ``collate``.
        seed: of the shuffling.
    Raises:
        TypeError, ValueError: as ``collate``; and ``batch_size`` below 1 or ``seed`` below 0.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Ids, Ids]],
        batch_size: int,
        start_id: int,
        end_id: int,
        pad_id: int = 0,
        seed: int = 0,
    ):
        check_int("batch_size", batch_size)
        check_int("seed", seed, 0)
        self._pairs = _Pairs(pairs, start_id, end_id, pad_id)
        self.batch_size = batch_size
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-len(self._pairs) // self.batch_size)

    def __iter__(self) -> Iterator[PairBatch]:
        shuffled = torch.randperm(len(self._pairs), generator=self._generator)
        source, target = self._pairs.source.lengths, self._pairs.target.lengths
        key = source * (target.max() + 1) + target  # the source first, then the target
        by_length = key[shuffled].argsort(stable=True)
        batches = shuffled[by_length].split(self.batch_size)
        order = torch.randperm(len(batches), generator=self._generator)
        return (self._pairs.batch(batches[i]) for i in order.tolist())


class _Ragged:
    """Sequences end to end in one tensor, from which any rows are padded by indexing."""

    def __init__(self, name: str, sequences: Sequence[Ids]):
        if isinstance(sequences, str) or not isinstance(sequences, Sequence):
            raise TypeError(f"{name} must be a list of sequences of ints, got {sequences!r:.60}")
        if not sequences:
            raise ValueError(f"{name} is empty: give at least one sequence")
        try:
            lengths = [len(sequence) for sequence in sequences]
            flat = list(chain.from_iterable(sequences))
            if bool in set(map(type, flat)):
                raise TypeError("True and False are no ids")
            flat = array("q", flat)  # refuses all that is no integer of 64 bits
        except (TypeError, OverflowError) as error:
            wrong = next(i for i, sequence in enumerate(sequences) if not _are_ids(sequence))
            raise TypeError(
                f"{name}[{wrong}] must be a sequence of ints, got {sequences[wrong]!r:.60}: {error}"
            ) from None
        if 0 in lengths:
            raise ValueError(f"{name}[{lengths.index(0)}] is empty: give at least one token")
        self.flat = torch.tensor(flat, dtype=torch.long)  # [total]
        self.lengths = torch.tensor(lengths)  # [n]
        self.starts = self.lengths.cumsum(0) - self.lengths  # [n]
        if self.flat.min() < 0:
            place = self.flat.lt(0).nonzero()[0].item()
            row = int(self.starts.le(place).sum()) - 1
            raise ValueError(
                f"{name}[{row}] holds the id {self.flat[place].item()}: ids start at 0"
            )

    def padded(self, rows: Tensor | None, pad_id: int) -> tuple[Tensor, Tensor]:
        """Rows [batch] (None: all) -> ids [batch, time], mask [batch, time]."""
        starts, lengths = self.starts, self.lengths
        if rows is not None:
            starts, lengths = starts[rows], lengths[rows]
        steps = torch.arange(int(lengths.max()))
        mask = steps < lengths[:, None]  # [batch, time]
        places = (starts[:, None] + steps).clamp_(max=len(self.flat) - 1)
        return self.flat[places].masked_fill_(~mask, pad_id), mask


def _are_ids(sequence: object) -> bool:
    try:
        array("q", list(sequence))
        return len(sequence) >= 0 and bool not in map(type, sequence)
    except (TypeError, OverflowError):
        return False


class _Pairs:
    """Checked pairs, the target between start and end, from which batches are cut."""

    def __init__(self, pairs: Sequence[tuple[Ids, Ids]], start_id: int, end_id: int, pad_id: int):
        for name, value in (("start_id", start_id), ("end_id", end_id), ("pad_id", pad_id)):
            check_int(name, value, 0)
        if isinstance(pairs, str) or not isinstance(pairs, Sequence):
            raise TypeError(f"pairs must be a list of (source, target), got {pairs!r:.60}")
        if not pairs:
            raise ValueError("pairs is empty: give at least one (source, target)")
        for i, pair in enumerate(pairs):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise TypeError(f"pairs[{i}] must be (source ids, target ids), got {pair!r:.60}")
        sources, targets = zip(*pairs, strict=True)
        self.source = _Ragged("source", sources)
        _Ragged("target", targets)  # checks them as they were given
        self.target = _Ragged("target", [[start_id, *target, end_id] for target in targets])
        self.pad_id = pad_id

    def __len__(self) -> int:
        return len(self.source.lengths)

    def batch(self, rows: Tensor | None) -> PairBatch:
        source, source_mask = self.source.padded(rows, self.pad_id)
        whole, mask = self.target.padded(rows, self.pad_id)  # [batch, target + 1]
        target_out = whole[:, 1:].contiguous()
        target_mask = mask[:, 1:].contiguous()  # one step fewer: y_1 ... y_n, end
        target_in = whole[:, :-1].masked_fill(~target_mask, self.pad_id)  # without the end
        return PairBatch(source, source_mask, target_in.contiguous(), target_out, target_mask)

"""Windows of a long text at random places, for language models that keep no state."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nlp_helpers.checks import check_int


class random_windows:
    """Batches of windows that start at random places of one long stream of tokens.

    Unlike `data.batches.language_model_batches`, no window continues another: a Transformer sees
    what is in its context and nothing before it. Every walk draws new places.

    Args:
        ids: the stream.
        batch_size: windows per batch.
        length: tokens per window; the targets are the tokens one place later.
        n_batches: batches per walk; by default as many as cover the stream once.
        seed: of the places.
    Shape:
        ids: int64 [n]. Each batch: (tokens, targets), both int64 [batch, time = length].
    Raises:
        TypeError: ids that are not int64, numbers that are not ints.
        ValueError: ids that are not 1-D or fewer than length + 1, a number out of range.
    """

    def __init__(
        self,
        ids: Tensor,
        batch_size: int,
        length: int,
        n_batches: int | None = None,
        seed: int = 0,
    ):
        check_stream(ids, length)
        check_int("batch_size", batch_size)
        check_int("seed", seed, least=0)
        if n_batches is not None:
            check_int("n_batches", n_batches)
        self._ids, self.batch_size, self.length = ids, batch_size, length
        self._n_batches = n_batches or max(1, len(ids) // (batch_size * length))
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self._n_batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        offsets = torch.arange(self.length + 1)
        for _ in range(self._n_batches):
            n_places = len(self._ids) - self.length
            starts = torch.randint(n_places, (self.batch_size, 1), generator=self._generator)
            window = self._ids[starts + offsets]  # [batch, time + 1]
            yield window[:, :-1], window[:, 1:]


class all_windows:
    """The windows of a stream side by side, in order: the same for every model that is compared.

    The tokens left over at the end (fewer than a window) are not used.

    Shape, Raises: as `random_windows`. The last batch may be smaller.
    """

    def __init__(self, ids: Tensor, batch_size: int, length: int):
        check_stream(ids, length)
        check_int("batch_size", batch_size)
        self.n_windows = (len(ids) - 1) // length
        used = self.n_windows * length
        self._tokens = ids[:used].view(-1, length)
        self._targets = ids[1 : used + 1].view(-1, length)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-self.n_windows // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        parts = (self._tokens.split(self.batch_size), self._targets.split(self.batch_size))
        return zip(*parts, strict=True)


def check_stream(ids: Tensor, length: int) -> None:
    """Refuse a stream that holds no window and its targets."""
    check_int("length", length)
    if not isinstance(ids, Tensor) or ids.dtype != torch.int64:
        kind = f"a {ids.dtype} tensor" if isinstance(ids, Tensor) else type(ids).__name__
        raise TypeError(f"ids must be a LongTensor, got {kind}")
    if ids.dim() != 1:
        raise ValueError(f"ids must be 1-D, [n], got shape {list(ids.shape)}")
    if len(ids) <= length:
        raise ValueError(f"ids has {len(ids)} tokens; a window of {length} needs {length + 1}")

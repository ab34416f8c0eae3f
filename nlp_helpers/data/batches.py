"""Batches for language models over one long stream of tokens."""

from collections.abc import Iterator

import torch
from torch import Tensor


class language_model_batches:
    """Cut a stream into ``batch_size`` parallel rows and walk along them ``n_steps`` at a time.

    The stream is cut into ``batch_size`` contiguous pieces of equal length, one per row. Row i
    of one batch continues row i of the batch before, so a recurrent state may be carried on
    (truncated back-propagation through time). Targets are the tokens one step later, also
    across the edge of a batch and of a row. The tokens left over at the end (fewer than one
    batch: ``batch_size * n_steps``) are not used. It can be walked again, and has a length.

    Args:
        ids: the stream.
        batch_size: rows per batch.
        n_steps: time steps per batch.
    Shape:
        ids: LongTensor [n].
        each batch: ``(tokens, targets)``, both LongTensor [batch, time] = [batch_size, n_steps].
    Raises:
        TypeError: ``ids`` is not an integer tensor, or a number is not an int.
        ValueError: ``ids`` is not 1-D or is too short for one batch, or a number is below 1.
    """

    def __init__(self, ids: Tensor, batch_size: int, n_steps: int):
        if not isinstance(ids, Tensor) or ids.dtype != torch.long:
            kind = f"a {ids.dtype} tensor" if isinstance(ids, Tensor) else type(ids).__name__
            raise TypeError(f"ids must be a LongTensor, got {kind}; use tokenizer.encode(text)")
        if ids.dim() != 1:
            raise ValueError(f"ids must be 1-D, [n], got shape {list(ids.shape)}")
        for name, value in (("batch_size", batch_size), ("n_steps", n_steps)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an int, got {value!r}")
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self._n_batches = (len(ids) - 1) // (batch_size * n_steps) if len(ids) else 0
        if self._n_batches == 0:
            raise ValueError(
                f"ids has {len(ids)} tokens; one batch of {batch_size} rows x {n_steps} steps "
                f"and its targets needs {batch_size * n_steps + 1}: give more text, or lower "
                "batch_size or n_steps"
            )
        row = self._n_batches * n_steps
        used = batch_size * row
        self._tokens = ids[:used].view(batch_size, row)  # [batch, row]
        self._targets = ids[1 : used + 1].view(batch_size, row)  # [batch, row]
        self.n_steps = n_steps

    def __len__(self) -> int:
        return self._n_batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        tokens = self._tokens.split(self.n_steps, dim=1)
        targets = self._targets.split(self.n_steps, dim=1)
        return zip(tokens, targets, strict=True)

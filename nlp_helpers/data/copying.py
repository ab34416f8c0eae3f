"""The copy task: read a sequence of random symbols and write it again."""

import torch

from nlp_helpers.checks import check_int
from nlp_helpers.data.pairs import PairBatch

START = 0  # the decoder's first token; symbols are 1 ... vocab_size - 1


def copy_batch(
    batch_size: int,
    length: int = 10,
    vocab_size: int = 11,
    generator: torch.Generator | None = None,
) -> PairBatch:
    """Random sequences, each the source and the target at once; nothing is padded.

    There is no end token: all sequences have the same length. With 10 symbols and 10 places there
    are 10^10 sequences, so one drawn anew has, in practice, not been seen before.

    Source: the first example of Rush 2018, "The Annotated Transformer" (there the first symbol is
        always 1 and stands for the start).

    Shape:
        source, target_out: LongTensor [batch_size, length], symbols in [1, vocab_size);
        target_in: the same shifted right, first START.

    Raises:
        ValueError: batch_size or length below 1, vocab_size below 2.
        TypeError: not ints.
    """
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("length", length, 1),
        ("vocab_size", vocab_size, 2),
    ):
        check_int(name, value, least)
    symbols = torch.randint(1, vocab_size, (batch_size, length), generator=generator)
    start = torch.full((batch_size, 1), START)
    real = torch.ones_like(symbols, dtype=torch.bool)
    return PairBatch(symbols, real, torch.cat([start, symbols[:, :-1]], dim=1), symbols, real)


class copy_batches:
    """`n_batches` batches of the copy task, new ones in every pass.

    Raises:
        ValueError, TypeError: as `copy_batch`; n_batches below 1.
    """

    def __init__(
        self,
        n_batches: int,
        batch_size: int,
        length: int = 10,
        vocab_size: int = 11,
        *,
        seed: int = 0,
    ):
        check_int("n_batches", n_batches)
        check_int("seed", seed, 0)
        self.n_batches, self.sizes = n_batches, (batch_size, length, vocab_size)
        copy_batch(*self.sizes, torch.Generator())  # refuses bad sizes before any training
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self):
        return (copy_batch(*self.sizes, self._generator) for _ in range(self.n_batches))

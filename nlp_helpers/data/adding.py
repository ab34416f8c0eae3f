"""The adding problem: numbers to be remembered over a long stretch of other numbers."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nlp_helpers.checks import check_int

MEAN_ERROR = 1 / 6  # mean squared error of always answering 1: the variance of the sum


def adding_batch(
    batch_size: int, n_steps: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw sequences of random numbers, two of them marked, and the sum of the marked ones.

    At each step the input is a number, uniform in [0, 1), and a marker, 0 or 1. One step of the
    first half and one of the second half is marked, each chosen uniformly. (Of an odd number of
    steps the second half has one more.) The best answer without reading is 1, the mean of the
    sum; its mean squared error is 1/6, twice the variance 1/12 of one number.

    Source: Hochreiter and Schmidhuber 1997, section 5.4, in the form of Le, Jaitly and Hinton
        2015, section 4.1 (numbers in [0, 1] and the plain sum for a target).

    Shape:
        Returns inputs [batch, time, 2] (number, marker) and targets [batch].

    Raises:
        ValueError: batch_size below 1, n_steps below 2.
        TypeError: one of them is not an int.
    """
    check_int("batch_size", batch_size)
    check_int("n_steps", n_steps, least=2)
    half = n_steps // 2
    numbers = torch.rand(batch_size, n_steps, generator=generator)
    first = torch.randint(0, half, (batch_size, 1), generator=generator)
    second = torch.randint(half, n_steps, (batch_size, 1), generator=generator)
    marked = torch.cat([first, second], dim=1)  # [batch, 2]
    markers = torch.zeros(batch_size, n_steps).scatter_(1, marked, 1.0)
    return torch.stack([numbers, markers], dim=-1), numbers.gather(1, marked).sum(dim=1)


class adding_batches:
    """A fixed number of fresh batches of the adding problem; walked again, it gives the same ones.

    Shape:
        each batch: (inputs [batch, time, 2], targets [batch]), see `adding_batch`.

    Raises:
        ValueError: a number below 1 (n_steps below 2, seed below 0).
        TypeError: a number that is not an int.
    """

    def __init__(self, n_batches: int, batch_size: int, n_steps: int, seed: int = 0):
        check_int("n_batches", n_batches)
        check_int("batch_size", batch_size)
        check_int("n_steps", n_steps, least=2)
        check_int("seed", seed, least=0)
        self.n_batches, self.batch_size = n_batches, batch_size
        self.n_steps, self.seed = n_steps, seed

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(self.n_batches):
            yield adding_batch(self.batch_size, self.n_steps, generator)

"""Independent jobs of a recipe, two at a time."""

import multiprocessing
import os
from collections.abc import Callable, Iterable

import torch


def one_thread() -> None:
    """What a process does first: PyTorch gets one thread in it."""
    os.environ["OMP_NUM_THREADS"] = "1"  # `set_seed` reads it
    torch.set_num_threads(1)


def in_two_processes(
    function: Callable, jobs: Iterable, prepare: Callable[[], None] = one_thread
) -> list:
    """Run independent jobs, two at a time, each on one thread; the results in order.

    `function` and `prepare` are functions of a module: new processes look them up there.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(2, initializer=prepare) as pool:
        return pool.map(function, jobs, chunksize=1)

"""Independent jobs of a recipe, two at a time."""

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from nlp_helpers.files import write_whole

PARTS = Path(__file__).parents[1] / ".cache" / "parts"  # of long runs, a folder each


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


class Kept:
    """A job's result is written as soon as it is there, and read where it already is.

    So a run of hours that was stopped goes on where it was. The results are JSON: tuples become
    lists. They say nothing of the code that made them: when it changes, delete the folder.
    """

    def __init__(self, function: Callable, folder: Path):
        self.function, self.folder = function, folder

    def __call__(self, job: tuple):
        path = self.folder / f"{'-'.join(map(str, job))}.json"
        if not path.exists():
            write_whole(path, json.dumps(self.function(job), indent=1) + "\n")
        return json.loads(path.read_text(encoding="utf-8"))

"""Make a run repeat: one call at the top of every notebook and training script."""

import os
import random

import numpy as np
import torch


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and torch, and make torch's CPU arithmetic repeatable.

    Deterministic algorithms are switched on and torch uses two threads, unless the environment
    variable `OMP_NUM_THREADS` asks for another number: sums are added up in an order that depends
    on the number of threads, so the last digits of a result do too.

    Raises:
        TypeError: if `seed` is not an integer.
        ValueError: if `seed` is not in [0, 2**32), the range that NumPy accepts, or
            `OMP_NUM_THREADS` is not a number of threads.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be an int, got {type(seed).__name__}: {seed!r}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be in [0, 2**32), got {seed}")
    threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip() or "2"
    if not threads.isdigit() or int(threads) < 1:
        raise ValueError(
            f"OMP_NUM_THREADS must be a number of threads, got {os.environ['OMP_NUM_THREADS']!r}"
        )
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (the global stream is the one that scikit-learn reads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(int(threads))

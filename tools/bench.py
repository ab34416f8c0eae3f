"""Measure speeds as ratios against a reference in the same run, into bench/<group>.json.

Ours and the reference take turns (A B A B ...), so that a machine that gets slower for a while
slows both; the figure to quote is the median of the ratios of the pairs. Usage:

    python tools/bench.py [group ...] [--pairs 15]
"""

import argparse
import datetime
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from nlp_helpers.files import write_whole
from nlp_helpers.models.rnn import RNN
from nlp_helpers.reproducibility import set_seed

BENCH = Path(__file__).resolve().parent.parent / "bench"


@dataclass(frozen=True)
class Pair:
    """Two ways to do the same work; `ratio` below is seconds of ours over seconds of theirs."""

    name: str
    ours: Callable[[], object]
    reference: Callable[[], object]


def rnn_pairs() -> list[Pair]:
    """Our RNN (a loop in Python) against torch.nn.RNN (fused), batch 64, widths 128 -> 256."""
    pairs = []
    for time_steps in (8, 32, 128):
        set_seed(0)
        reference = nn.RNN(128, 256, batch_first=True)
        ours = RNN.from_torch(reference)
        x = torch.randn(64, time_steps, 128)

        def training_step(model, x=x):
            model.zero_grad(set_to_none=True)
            model(x)[0].square().mean().backward()

        @torch.no_grad()
        def inference(model, x=x):
            return model(x)

        for name, work in (("training step", training_step), ("inference", inference)):
            pairs.append(
                Pair(
                    f"{name}, {time_steps} time steps",
                    lambda work=work, model=ours: work(model),
                    lambda work=work, model=reference: work(model),
                )
            )
    return pairs


# group -> (title, how to make its pairs)
GROUPS: dict[str, tuple[str, Callable[[], list[Pair]]]] = {
    "rnn": ("Our RNN against torch.nn.RNN, batch 64, input 128, state 256", rnn_pairs)
}


def seconds(work: Callable[[], object], least: float = 0.02) -> float:
    """Seconds of one call, from as many calls as fill `least` seconds."""
    start, calls = time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - start < least:
        work()
        calls += 1
    return (time.perf_counter() - start) / calls


def measure(pair: Pair, n_pairs: int) -> dict:
    """Medians of both and of their ratio over `n_pairs` turns, after one turn of warm-up."""
    turns = [(seconds(pair.ours), seconds(pair.reference)) for _ in range(n_pairs + 1)][1:]
    ratios = sorted(ours / reference for ours, reference in turns)
    return {
        "name": pair.name,
        "ours_seconds": statistics.median(ours for ours, _ in turns),
        "reference_seconds": statistics.median(reference for _, reference in turns),
        "ratio": statistics.median(ratios),
        "ratio_quartiles": [ratios[len(ratios) // 4], ratios[(3 * len(ratios)) // 4]],
    }


def machine() -> dict:
    """What the figures depend on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    return {
        "cpu": cpu,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("groups", nargs="*", help=f"out of {', '.join(GROUPS)}; default: all")
    parser.add_argument("--pairs", type=int, default=15, help="turns per row (default 15)")
    arguments = parser.parse_args()
    unknown = set(arguments.groups) - GROUPS.keys()
    if unknown or arguments.pairs < 1:
        parser.error(f"unknown groups {sorted(unknown)}, or --pairs below 1: {arguments.pairs}")
    for group in arguments.groups or GROUPS:
        title, make_pairs = GROUPS[group]
        print(title)
        rows = []
        for pair in make_pairs():
            row = measure(pair, arguments.pairs)
            rows.append(row)
            print(
                f"{row['name']}: {row['ours_seconds'] * 1e3:.2f} ms against "
                f"{row['reference_seconds'] * 1e3:.2f} ms, ratio {row['ratio']:.2f} "
                f"({row['ratio_quartiles'][0]:.2f} to {row['ratio_quartiles'][1]:.2f})"
            )
        date = datetime.date.today().isoformat()
        how = {"date": date, "machine": machine(), "pairs": arguments.pairs}
        result = {"title": title, **how, "rows": rows}
        write_whole(BENCH / f"{group}.json", json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Measure speeds as ratios against a reference in the same run, into bench/<group>.json.

Ours and the reference take turns (A B A B ...), so that a machine that gets slower for a while
slows both; the figure to quote is the median of the ratios of the pairs. Usage:

    python tools/bench.py [group ...] [--pairs 15] [--text FILE]

The group "race" trains instead: see tools/bench_race.py.
"""

import argparse
import datetime
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # run as a file, Python knows only tools/
    sys.path.insert(0, str(ROOT))

from nlp_helpers.benchmarks import Pair  # noqa: E402
from nlp_helpers.files import write_whole  # noqa: E402
from nlp_helpers.models.gru import GRU  # noqa: E402
from nlp_helpers.models.lstm import LSTM  # noqa: E402
from nlp_helpers.models.rnn import RNN  # noqa: E402
from nlp_helpers.models.sru import SRU, linear_recurrence, parallel_scan  # noqa: E402
from nlp_helpers.reproducibility import set_seed  # noqa: E402
from tools import bench_beam, bench_gpt, bench_race, bench_transformer  # noqa: E402

BENCH = ROOT / "bench"


def training_step(model: nn.Module, x: Tensor) -> None:
    """Forward, and the gradients of all weights."""
    model.zero_grad(set_to_none=True)
    model(x)[0].square().mean().backward()


@torch.no_grad()
def inference(model: nn.Module, x: Tensor) -> None:
    model(x)


WORKS = {"training step": training_step, "inference": inference}


class CellLoop(nn.Module):
    """What one writes with torch's cells: a loop in Python over nn.RNNCell, LSTMCell or GRUCell."""

    def __init__(self, cell: nn.RNNCellBase, unbind: bool):
        super().__init__()
        self.cell, self.unbind = cell, unbind

    def forward(self, x: Tensor) -> tuple[Tensor, object]:
        state = x.new_zeros(len(x), self.cell.hidden_size)
        state = (state, state) if isinstance(self.cell, nn.LSTMCell) else state
        steps = x.unbind(dim=1) if self.unbind else (x[:, t] for t in range(x.shape[1]))
        outputs = []
        for x_t in steps:
            state = self.cell(x_t, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs, dim=1), state


def rnn_pairs() -> list[Pair]:
    """Our RNN (a loop in Python) against torch.nn.RNN (fused), batch 64, widths 128 -> 256."""
    pairs = []
    for time_steps in (8, 32, 128):
        set_seed(0)
        reference = nn.RNN(128, 256, batch_first=True)
        ours = RNN.from_torch(reference)
        x = torch.randn(64, time_steps, 128)
        for name, work in WORKS.items():
            name = f"{name}, {time_steps} time steps"
            pairs.append(Pair(name, partial(work, ours, x), partial(work, reference, x)))
    return pairs


def cells_pairs() -> list[Pair]:
    """Our RNN, LSTM and GRU against torch's fused ones, and against loops over torch's cells."""
    pairs = []
    for ours_class, fused_class, cell_class in (
        (RNN, nn.RNN, nn.RNNCell),
        (LSTM, nn.LSTM, nn.LSTMCell),
        (GRU, nn.GRU, nn.GRUCell),
    ):
        set_seed(0)
        fused = fused_class(128, 256, batch_first=True)
        ours, cell = ours_class.from_torch(fused), cell_class(128, 256)
        cell.load_state_dict({k.removesuffix("_l0"): v for k, v in fused.state_dict().items()})
        loop, unbound = CellLoop(cell, unbind=False), CellLoop(cell, unbind=True)
        x = torch.randn(64, 32, 128)
        for name, work in WORKS.items():
            name = f"{ours_class.__name__}, {name}"
            mine, kind = partial(work, ours, x), cell_class.__name__
            pairs.append(Pair(name, mine, partial(work, fused, x), "torch.nn, fused"))
            others = {f"loop over {kind}, unbound once": partial(work, unbound, x)}
            pairs.append(Pair(name, mine, partial(work, loop, x), f"loop over {kind}", others))
    return pairs


def sru_pairs() -> list[Pair]:
    """Our SRU against our LSTM, and its two ways to compute the recurrence, widths 256 -> 256."""
    pairs = []
    for time_steps in (32, 128, 512):
        set_seed(0)
        x = torch.randn(64, time_steps, 256)
        sru, lstm = SRU(256, 256), LSTM(256, 256)
        for name, work in WORKS.items():
            name = f"SRU, {name}, {time_steps} time steps"
            pairs.append(Pair(name, partial(work, sru, x), partial(work, lstm, x), "our LSTM"))
        decay, increment = torch.rand_like(x).requires_grad_(), x.clone().requires_grad_()
        given = (decay, increment, x.new_zeros(len(x), 256))

        def both_ways(recurrence, given=given):
            return torch.autograd.grad(recurrence(*given).square().mean(), given[:2])

        loop, scan = partial(both_ways, linear_recurrence), partial(both_ways, parallel_scan)
        name = f"recurrence alone, loop with gradient, {time_steps} time steps"
        pairs.append(Pair(name, loop, scan, "parallel scan"))
    return pairs


# group -> (title, how to make its pairs)
GROUPS: dict[str, tuple[str, Callable[[], list[Pair]]]] = {
    "rnn": ("Our RNN against torch.nn.RNN, batch 64, input 128, state 256", rnn_pairs),
    "cells": ("Our cells against torch's, batch 64, 32 steps, input 128, state 256", cells_pairs),
    "sru": ("Our SRU against our LSTM, batch 64, input 256, state 256", sru_pairs),
    "beam": (bench_beam.TITLE, bench_beam.beam_pairs),
    **{k: (bench_transformer.TITLES[k], pairs) for k, pairs in bench_transformer.GROUPS.items()},
    "generation": (bench_gpt.TITLE, bench_gpt.generation_pairs),
}
RACE = "race"


def seconds(work: Callable[[], object], least: float = 0.02) -> float:
    """Seconds of one call, from as many calls as fill `least` seconds."""
    start, calls = time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - start < least:
        work()
        calls += 1
    return (time.perf_counter() - start) / calls


def measure(pair: Pair, n_pairs: int) -> dict:
    """Medians of both and of their ratio over `n_pairs` turns, after one turn of warm-up."""
    references = {pair.against: pair.reference, **pair.others}
    turns = [
        (seconds(pair.ours), {name: seconds(work) for name, work in references.items()})
        for _ in range(n_pairs + 1)
    ][1:]
    medians = {name: statistics.median(turn[name] for _, turn in turns) for name in references}
    against = min(medians, key=medians.get)
    ratios = sorted(ours / turn[against] for ours, turn in turns)
    row = {
        "name": pair.name,
        "ours_seconds": statistics.median(ours for ours, _ in turns),
        "reference_seconds": medians[against],
        "ratio": statistics.median(ratios),
        "ratio_quartiles": [ratios[len(ratios) // 4], ratios[(3 * len(ratios)) // 4]],
    }
    return row | ({"against": against} if against else {})


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


def write(group: str, title: str, found: dict) -> None:
    """Write what a group has measured, whole or not at all."""
    how = {"title": title, "date": datetime.date.today().isoformat(), "machine": machine()}
    write_whole(BENCH / f"{group}.json", json.dumps(how | found, indent=1) + "\n")


def measure_group(group: str, n_pairs: int) -> None:
    """Measure the pairs of a group, print a line for each, and write them."""
    title, make_pairs = GROUPS[group]
    print(title)
    rows = []
    for pair in make_pairs():
        row = measure(pair, n_pairs)
        rows.append(row)
        against = f" against {row['against']}" if "against" in row else ""
        print(
            f"{row['name']}{against}: {row['ours_seconds'] * 1e3:.2f} ms against "
            f"{row['reference_seconds'] * 1e3:.2f} ms, ratio {row['ratio']:.2f} "
            f"({row['ratio_quartiles'][0]:.2f} to {row['ratio_quartiles'][1]:.2f})"
        )
    write(group, title, {"pairs": n_pairs, "rows": rows})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    known = [*GROUPS, RACE]
    parser.add_argument("groups", nargs="*", help=f"out of {', '.join(known)}; default: all")
    parser.add_argument("--pairs", type=int, default=15, help="turns per row (default 15)")
    parser.add_argument("--text", type=Path, help="tiny-shakespeare as a file, for the race")
    arguments = parser.parse_args()
    unknown = set(arguments.groups) - set(known)
    if unknown or arguments.pairs < 1:
        parser.error(f"unknown groups {sorted(unknown)}, or --pairs below 1: {arguments.pairs}")
    for group in arguments.groups or known:
        if group == RACE:
            print(bench_race.TITLE)
            write(RACE, bench_race.TITLE, bench_race.result(arguments.text))
        else:
            measure_group(group, arguments.pairs)


if __name__ == "__main__":
    main()

"""Prove the outputs contract in the other settings the book promises.

    .venv/bin/python tools/test_matrix.py                  # all notebooks, all settings
    .venv/bin/python tools/test_matrix.py notebooks/01_rnn.ipynb --settings "one thread"

Every notebook is re-run by nbval with two threads (twice: is it deterministic?), with one thread,
and as on a CPU without AVX-512 (and without torch's own vector code). Prints a table; the exit
status is 1 when a cell fails, and the reports of the failing cells follow the table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
OLDER_CPU = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}
SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "default again": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "older CPU": OLDER_CPU,
}
# What a setting does not name must not leak in from the shell.
_CONTROLLED = ("OMP_NUM_THREADS", *OLDER_CPU)


class Result(NamedTuple):
    """The outcome of one setting: cells that passed and failed, seconds, reports of failures."""

    passed: int
    failed: int
    seconds: float
    reports: list[str]


def run_setting(files: Sequence[Path], variables: Mapping[str, str]) -> Result:
    """Run nbval with the outputs contract on the notebooks with these environment variables.

    Raises:
        RuntimeError: pytest itself did not work (no cell was collected, or no report written).
    """
    env = {name: value for name, value in os.environ.items() if name not in _CONTROLLED}
    env |= variables
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        command = [
            *(sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "--color=no"),
            *("-p", "tests.book.outputs_contract", "-p", "no:cacheprovider", "-q"),
            f"--junitxml={junit}",
            *map(str, files),
        ]
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        cases = list(ElementTree.parse(junit).iter("testcase")) if junit.exists() else []
    if not cases:
        raise RuntimeError(f"pytest ran no cell:\n{done.stdout}{done.stderr}")
    reports = []
    for case in cases:
        problems = [problem for problem in case if problem.tag in ("failure", "error", "skipped")]
        for problem in problems:
            reports.append(f"{case.get('classname')} {case.get('name')}\n{problem.text}")
    if done.returncode != 0 and not reports:
        raise RuntimeError(f"pytest failed:\n{done.stdout}{done.stderr}")
    return Result(len(cases) - len(reports), len(reports), seconds, reports)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="default: notebooks/*.ipynb")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    options = parser.parse_args(arguments)
    files = [path.resolve() for path in options.files]
    files = files or sorted((ROOT / "notebooks").glob("*.ipynb"))
    missing = [str(path) for path in files if not path.is_file()]
    if missing or not files:
        parser.error(f"no such file: {', '.join(missing)}" if missing else "there is no notebook")
    reports = []
    print(f"{'setting':<16}{'passed':>8}{'failed':>8}{'seconds':>9}", flush=True)
    for name in options.settings:
        result = run_setting(files, SETTINGS[name])
        row = f"{name:<16}{result.passed:>8}{result.failed:>8}{result.seconds:>9.1f}"
        print(row, flush=True)
        reports += [f"--- {name}: {report}" for report in result.reports]
    for report in reports:
        print(report)
    return int(bool(reports))


if __name__ == "__main__":
    sys.exit(main())

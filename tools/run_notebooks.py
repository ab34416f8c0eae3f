"""Re-execute notebooks in place, so that what is committed is what the code prints.

    .venv/bin/python tools/run_notebooks.py                     # all of notebooks/*.ipynb
    .venv/bin/python tools/run_notebooks.py notebooks/01_rnn.ipynb --time-cells
    .venv/bin/python tools/run_notebooks.py --check             # write nothing, compare

A notebook is written whole or not at all: an exception, or text on stderr (a warning is a bug),
leaves the file as it was. What is written holds no widget state, no `widget-view+json`, no time
stamps and no versions, so a second run gives the same bytes, pictures and trained numbers apart.
The kernel is the Python that runs this tool; its folder is the notebook's; `OMP_NUM_THREADS` is
taken from its environment unless `--keep-env` is given (then the book's numbers may round
differently, within the outputs contract).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import psutil
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # run as a file, Python knows only tools/
    sys.path.insert(0, str(ROOT))

from nlp_helpers.files import write_whole  # noqa: E402
from tests.book.outputs_contract import (  # noqa: E402
    WIDGET_VIEW,
    first_difference,
    stderr_of,
    tags_of,
)

MAX_SECONDS = 90
MAX_MEBIBYTES = 2048
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE_INFO = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "pygments_lexer": "ipython3",
}
FOLDED = {"solution", "remove-cell"}  # tags of cells whose source JupyterLab folds away
# What editors and executors leave in a cell's metadata.
_FLEETING = ("execution", "ExecuteTime", "collapsed", "scrolled", "vscode", "widgets")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailed(Exception):
    """A notebook did not run to its end, or wrote to stderr."""


class Run(NamedTuple):
    """What one execution of a notebook took: seconds, mebibytes, and seconds of each code cell."""

    seconds: float
    mebibytes: float
    cells: list[tuple[float, int, str]]  # seconds, index of the cell, its first line


def _peak_mebibytes(pid: int) -> float:
    """Return the peak resident memory of a process that is still alive."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1024
    except (OSError, TypeError):  # not Linux: the best that psutil knows
        memory = psutil.Process(pid).memory_info()
        return getattr(memory, "peak_wset", memory.rss) / 2**20


def _kernel_environment(keep_env: bool) -> dict[str, str]:
    env = dict(os.environ)
    if not keep_env:
        env.pop("OMP_NUM_THREADS", None)
    return env


def execute(nb: Any, folder: Path, timeout: float = 600, keep_env: bool = False) -> Run:
    """Execute every code cell of `nb` in a new kernel whose working directory is `folder`.

    Args:
        nb: a notebook; its outputs are replaced.
        folder: the working directory of the kernel.
        timeout: seconds allowed for one cell.
        keep_env: hand `OMP_NUM_THREADS` on to the kernel.

    Raises:
        NotebookFailed: a cell raised, timed out, or wrote to stderr; the message shows which.
    """
    manager = AsyncKernelManager(
        kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=NbvalKernelspecManager()
    )
    started: dict[int, float] = {}
    cells: list[tuple[float, int, str]] = []

    def on_start(cell: Any, cell_index: int) -> None:
        started[cell_index] = time.perf_counter()

    def on_executed(cell: Any, cell_index: int, execute_reply: Any) -> None:
        seconds = time.perf_counter() - started[cell_index]
        cells.append((seconds, cell_index, cell.source.strip().split("\n")[0]))

    client = NotebookClient(
        nb,
        km=manager,
        timeout=timeout,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=on_start,
        on_cell_executed=on_executed,
    )
    begin = time.perf_counter()
    nb.cells = [_without_outputs(cell) for cell in nb.cells]
    mebibytes = 0.0
    try:
        with client.setup_kernel(env=_kernel_environment(keep_env), stderr=subprocess.DEVNULL):
            _run_cells(client, nb)
            mebibytes = _peak_mebibytes(manager.provisioner.pid)
    except CellTimeoutError as error:
        raise NotebookFailed(f"a cell took more than {timeout:g} s\n{error}") from None
    except CellExecutionError as error:
        raise NotebookFailed(_ANSI.sub("", str(error))) from None
    except DeadKernelError as error:
        raise NotebookFailed(f"the kernel died (out of memory?): {error}") from None
    _refuse_stderr(nb)
    return Run(time.perf_counter() - begin, mebibytes, cells)


def _refuse_stderr(nb: Any) -> None:
    for index, cell in enumerate(nb.cells):
        if cell.cell_type == "code" and stderr_of(cell.outputs):
            raise NotebookFailed(
                f"cell {index} writes to stderr (a warning is a bug):\n{cell.source}\n"
                f"------------------\n{stderr_of(cell.outputs)}"
            )


def _run_cells(client: NotebookClient, nb: Any) -> None:
    count = 0
    for index, cell in enumerate(nb.cells):
        if cell.cell_type == "code" and cell.source.strip():
            count += 1
            client.execute_cell(cell, index, execution_count=count)


def _without_outputs(cell: Any) -> Any:
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def _joined(outputs: Sequence[Any]) -> list[Any]:
    """Join neighbouring pieces of one stream: where a stream is cut depends on timing."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def normalise(nb: Any) -> Any:
    """Drop what a notebook should not carry and number its cells; the same for every machine."""
    widgets_gone = {k: v for k, v in nb.metadata.items() if k not in ("widgets", "signature")}
    nb.metadata = nbformat.from_dict(
        widgets_gone | {"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO}
    )
    nb.nbformat, nb.nbformat_minor = 4, 5
    count = 0
    for index, cell in enumerate(nb.cells):
        cell.setdefault("id", f"cell-{index:03d}")
        for key in _FLEETING:
            cell.metadata.pop(key, None)
        if cell.cell_type != "code":
            continue
        if FOLDED & set(tags_of(cell)):
            cell.metadata["jupyter"] = {"source_hidden": True}
        if cell.source.strip():
            count += 1
        cell.execution_count = count if cell.source.strip() else None
        kept = []
        for output in _joined(cell.outputs):
            if "data" in output:
                for mime in (WIDGET_VIEW, WIDGET_STATE):
                    output.data.pop(mime, None)
                    output.metadata.pop(mime, None)
                if not output.data:
                    continue
            if output.output_type == "execute_result":
                output.execution_count = count
            output.pop("transient", None)
            kept.append(output)
        cell.outputs = kept
    nbformat.validate(nb)
    return nb


def dumps(nb: Any) -> str:
    """Return the notebook as it is committed: keys sorted, one space of indent, final newline."""
    return nbformat.writes(nb, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def read(path: Path) -> Any:
    """Read a notebook without letting nbformat invent random cell ids.

    Raises:
        ValueError: the file is not a notebook of format 4.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["nbformat"] != 4:
            raise ValueError(f"format {raw['nbformat']} is not 4")
        for index, cell in enumerate(raw["cells"]):
            cell.setdefault("id", f"cell-{index:03d}")
        raw["nbformat_minor"] = 5
        nb = nbformat.from_dict(nbformat.v4.reads(json.dumps(raw)))
        nbformat.validate(nb)
    except (AttributeError, KeyError, TypeError, ValueError, nbformat.ValidationError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(f"{path} is not a Jupyter notebook of format 4: {reason}") from None
    return nb


def run_file(path: Path, timeout: float = 600, keep_env: bool = False) -> Run:
    """Execute one notebook and write it back.

    Raises:
        NotebookFailed: it did not run cleanly; the file is unchanged.
    """
    nb = read(path)
    run = execute(nb, path.resolve().parent, timeout, keep_env)
    write_whole(path, dumps(normalise(nb)))
    return run


def check_file(path: Path, timeout: float = 600, keep_env: bool = False) -> tuple[Run, list[str]]:
    """Execute one notebook, write nothing, and list the cells that break the outputs contract."""
    committed, nb = read(path), read(path)
    run = execute(nb, path.resolve().parent, timeout, keep_env)
    normalise(nb)
    problems = []
    for index, (old, new) in enumerate(zip(committed.cells, nb.cells, strict=True)):
        if old.cell_type != "code":
            continue
        tags = tags_of(old)
        ignored = {"nbval-ignore-output", "live-only"} & set(tags)
        if old.source.strip() and old.execution_count is None:
            problems.append(f"cell {index}: committed without being run")
        elif not ignored and "NBVAL_IGNORE_OUTPUT" not in old.source:
            difference = first_difference(old.outputs, new.outputs, "trained" in tags)
            if difference is not None:
                problems.append(f"cell {index}: {difference}")
    return run, problems


def report(path: Path, run: Run, time_cells: int = 0) -> str:
    """Return the line (or lines) printed for one notebook."""
    over_time = f" OVER the {MAX_SECONDS} s of a chapter" if run.seconds > MAX_SECONDS else ""
    over_memory = " OVER the 2 GiB of a chapter" if run.mebibytes > MAX_MEBIBYTES else ""
    lines = [
        f"{path.name}: {run.seconds:.1f} s{over_time}, "
        f"peak memory {run.mebibytes:.0f} MiB{over_memory}, {len(run.cells)} code cells"
    ]
    for seconds, index, first_line in sorted(run.cells, reverse=True)[:time_cells]:
        lines.append(f"  {seconds:7.2f} s  cell {index:3d}  {first_line[:70]}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="default: notebooks/*.ipynb")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument(
        "--time-cells", nargs="?", type=int, const=10, default=0, metavar="N", help="slowest cells"
    )
    parser.add_argument("--timeout", type=float, default=600, help="seconds allowed for one cell")
    parser.add_argument("--keep-env", action="store_true", help="hand OMP_NUM_THREADS on")
    options = parser.parse_args(arguments)
    files = options.files or sorted((ROOT / "notebooks").glob("*.ipynb"))
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        parser.error(f"no such file: {', '.join(missing)}")
    status = 0
    for path in files:
        try:
            if options.check:
                run, problems = check_file(path, options.timeout, options.keep_env)
            else:
                run, problems = run_file(path, options.timeout, options.keep_env), []
        except (NotebookFailed, ValueError) as error:
            print(f"{path}: FAILED, file unchanged\n{error}", file=sys.stderr)
            return 1
        print(report(path, run, options.time_cells), flush=True)
        if options.check:
            print("  " + ("\n  ".join(problems) or "same outputs (outputs contract)"), flush=True)
        status = status or int(bool(problems))
    return status


if __name__ == "__main__":
    sys.exit(main())

"""Speeds that `make bench` has measured, for the chapters to quote with machine and date."""

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nlp_helpers.display import Rendered, table

BENCH = Path(__file__).resolve().parent.parent / "bench"


@dataclass(frozen=True)
class Pair:
    """Two ways to do the same work; `ratio` in a row is seconds of ours over seconds of theirs.

    Where there are further ways to write the reference, the fastest counts; `against` names each.
    """

    name: str
    ours: Callable[[], object]
    reference: Callable[[], object]
    against: str = ""
    others: dict[str, Callable[[], object]] = field(default_factory=dict)


def load_bench(group: str, folder: Path | str = BENCH) -> dict | None:
    """The measured rows of a group such as "rnn"; None where there are none to read.

    There are none where the package was installed without the repository (on Colab, say).

    Raises:
        ValueError: the repository is there, but has no such group (the known ones are listed).
    """
    folder = Path(folder)
    if not folder.is_dir():
        return None
    file = folder / f"{group}.json"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.json")))
        raise ValueError(f"no measured group {group!r} in {folder}; there are: {known}")
    return json.loads(file.read_text(encoding="utf-8"))


def show_bench(group: str, folder: Path | str = BENCH) -> Rendered:
    """The measured rows as a table: milliseconds of ours, and their ratio to the reference's.

    Where the rows of a group have different references, a column names them.

    Raises:
        ValueError: as `load_bench`.
    """
    bench = load_bench(group, folder)
    if bench is None:
        return nothing_measured()
    headers, rows = ["what", "milliseconds", "ratio"], []
    for row in bench["rows"]:
        rows.append([row["name"], f"{1000 * row['ours_seconds']:.1f}", f"{row['ratio']:.2f}"])
    if any(row.get("against") for row in bench["rows"]):
        headers.insert(2, "against")
        for cells, row in zip(rows, bench["rows"], strict=True):
            cells.insert(2, row.get("against", ""))
    return table(rows, headers, f"{bench['title']} ({where_measured(bench)})")


def show_race(folder: Path | str = BENCH) -> Rendered:
    """The race of chapter 06 as a table: both recipes, then ours with one thing put back.

    Of recipes that ran with several seeds, the means, and the least and greatest loss.
    """
    bench = load_bench("race", folder)
    if bench is None:
        return nothing_measured()
    pairs = {"nanoGPT's recipe": "reference", "our recipe": "ours"}
    runs = {name: [row[key] for row in bench["rows"]] for name, key in pairs.items()}
    for run in bench["one_change_put_back"]:
        if run["name"] != "ours":
            runs[f"ours, but {run['name']}"] = [run]
    rows = []
    for name, found in runs.items():
        losses = [run["loss"] for run in found]
        loss = f"{statistics.mean(losses):.3f}"
        if len(losses) > 1:
            loss += f" ({min(losses):.3f} to {max(losses):.3f})"
        seconds = statistics.mean(run["seconds"] for run in found)
        rows.append([name, f"{found[0]['updates']:,}", f"{seconds:.1f}", loss])
    headers = ["recipe", "updates", "seconds", "validation loss"]
    title = f"{len(bench['rows'])} seeds for the first two rows, one for the others"
    return table(rows, headers, f"{title} ({where_measured(bench)})")


def where_measured(bench: dict) -> str:
    """Day and machine."""
    machine = bench["machine"]
    return f"{bench['date']}, {machine['cpu']}, {machine['threads']} threads"


def nothing_measured() -> Rendered:
    """Shown where bench/ is missing."""
    note = "No measured speeds here: clone the repository and run make bench."
    return Rendered(f"<p>{note}</p>", note)

"""Speeds that `make bench` has measured, for the chapters to quote with machine and date."""

import json
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
        note = "No measured speeds here: clone the repository and run make bench."
        return Rendered(f"<p>{note}</p>", note)
    machine = bench["machine"]
    where = f"{bench['date']}, {machine['cpu']}, {machine['threads']} threads"
    headers, rows = ["what", "milliseconds", "ratio"], []
    for row in bench["rows"]:
        rows.append([row["name"], f"{1000 * row['ours_seconds']:.1f}", f"{row['ratio']:.2f}"])
    if any(row.get("against") for row in bench["rows"]):
        headers.insert(2, "against")
        for cells, row in zip(rows, bench["rows"], strict=True):
            cells.insert(2, row.get("against", ""))
    return table(rows, headers, f"{bench['title']} ({where})")

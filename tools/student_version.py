"""Write the notebooks without their solutions.

    .venv/bin/python tools/student_version.py                       # into _build/student/notebooks
    .venv/bin/python tools/student_version.py --out ~/handouts notebooks/01_rnn.ipynb

Every cell tagged `solution` (code or Markdown) is left out with its outputs; the exercise cells
keep theirs, which say "not attempted yet". Nothing is written for a notebook in which an exercise
has no solution or more than one. The committed notebooks are not touched.
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # run as a file, Python knows only tools/
    sys.path.insert(0, str(ROOT))

from nlp_helpers.files import write_whole  # noqa: E402
from tests.book.outputs_contract import tags_of  # noqa: E402
from tools.run_notebooks import dumps, normalise, read  # noqa: E402

DEFAULT_OUT = ROOT / "_build" / "student" / "notebooks"
NOT_ATTEMPTED = "not attempted yet."
CORRECT = ": correct."
_HEADING = re.compile(r"^(#{1,6})\s+(.*\S)\s*$", re.MULTILINE)
_EXERCISE = re.compile(r"^Exercise\s+(\d+)\b")


class ExerciseBlock(NamedTuple):
    """An exercise: its number, its heading, and the cells up to the next heading of its rank."""

    number: int
    heading: str
    cells: list[Any]


def headings(cell: Any) -> list[tuple[int, str]]:
    """Return the headings of a Markdown cell as (level, text), code blocks left out."""
    if cell.cell_type != "markdown":
        return []
    text = re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.MULTILINE | re.DOTALL)
    return [(len(match[1]), match[2]) for match in _HEADING.finditer(text)]


def exercises(nb: Any) -> list[ExerciseBlock]:
    """Return the exercises of a notebook: the headings "Exercise N ..." with their cells."""
    blocks: list[ExerciseBlock] = []
    level = 0  # of the heading of the open exercise; 0: none is open
    for cell in nb.cells:
        for rank, text in headings(cell):
            match = _EXERCISE.match(text)
            if match and "solution" not in tags_of(cell):
                blocks.append(ExerciseBlock(int(match[1]), text, []))
                level = rank
            elif level and rank <= level:
                level = 0
        if level:
            blocks[-1].cells.append(cell)
    return blocks


def _printed(cells: Sequence[Any]) -> str:
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def _solutions(cells: Sequence[Any]) -> int:
    """Count the runs of neighbouring `solution` cells that hold code."""
    count, inside = 0, False
    for cell in cells:
        solution = "solution" in tags_of(cell)
        if solution and cell.cell_type == "code" and not inside:
            count, inside = count + 1, True
        elif not solution:
            inside = False
    return count


def exercise_problems(nb: Any) -> list[str]:
    """Return what is wrong with the exercises of a notebook, one sentence each.

    Each exercise needs a code cell tagged `exercise` whose check prints "not attempted yet.", and
    after it exactly one solution: a code cell tagged `solution` (or neighbouring ones, if one would
    be too long) whose check prints "correct.".
    """
    problems = []
    blocks = exercises(nb)
    if [block.number for block in blocks] != list(range(1, len(blocks) + 1)):
        problems.append(f"exercises are not numbered 1, 2, ...: {[b.number for b in blocks]}")
    for block in blocks:
        name = f"exercise {block.number}"
        todo = [i for i, c in enumerate(block.cells) if "exercise" in tags_of(c)]
        solved = [i for i, c in enumerate(block.cells) if "solution" in tags_of(c)]
        count = _solutions(block.cells)
        if not any(block.cells[i].cell_type == "code" for i in todo):
            problems.append(f"{name} has no code cell tagged `exercise`")
        elif NOT_ATTEMPTED not in _printed([block.cells[i] for i in todo]):
            problems.append(f"{name}: its exercise cell does not print {NOT_ATTEMPTED!r}")
        if count != 1:
            problems.append(f"{name} has {count} solutions (code cells tagged `solution`), not one")
        elif CORRECT not in _printed([block.cells[i] for i in solved]):
            problems.append(f"{name}: its solution does not print '{CORRECT[2:]}'")
        if todo and solved and min(solved) < max(todo):
            problems.append(f"{name}: its solution stands before its exercise cell")
    inside = {id(cell) for block in blocks for cell in block.cells}
    for index, cell in enumerate(nb.cells):
        if id(cell) not in inside and {"solution", "exercise"} & set(tags_of(cell)):
            problems.append(f"cell {index} is tagged {tags_of(cell)} but belongs to no exercise")
    return problems


def student_version(nb: Any) -> Any:
    """Return a copy of a notebook without its solutions, its cells numbered anew.

    Raises:
        ValueError: an exercise has no solution or several, or a tag stands outside an exercise.
    """
    problems = exercise_problems(nb)
    if problems:
        raise ValueError("\n".join(problems))
    student = copy.deepcopy(nb)
    student.cells = [cell for cell in student.cells if "solution" not in tags_of(cell)]
    return normalise(student)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="default: notebooks/*.ipynb")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write into")
    options = parser.parse_args(arguments)
    files = options.files or sorted((ROOT / "notebooks").glob("*.ipynb"))
    status = 0
    for path in files:
        target = options.out / path.name
        try:
            if target.resolve() == path.resolve():
                raise ValueError("the student version would replace the notebook; choose --out")
            nb = read(path)
            student = student_version(nb)
        except (OSError, ValueError) as error:
            print(f"{path}: not written\n{error}", file=sys.stderr)
            status = 1
            continue
        write_whole(target, dumps(student))
        count = len(nb.cells) - len(student.cells)
        print(f"{target}: {len(exercises(student))} exercises, {count} solution cells left out")
    return status


if __name__ == "__main__":
    sys.exit(main())

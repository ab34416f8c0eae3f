"""The student version leaks no solution, keeps the rest, and still runs from top to bottom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.book.outputs_contract import first_difference, stderr_of, tags_of
from tools.run_notebooks import dumps, execute, normalise, read
from tools.student_version import (
    NOT_ATTEMPTED,
    exercise_problems,
    exercises,
    main,
    student_version,
)

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECRET = "xyzzy_42"


def code(source: str, *tags: str) -> Any:
    cell = new_code_cell(source)
    if tags:
        cell.metadata["tags"] = list(tags)
    return cell


def markdown(source: str, *tags: str) -> Any:
    cell = new_markdown_cell(source)
    if tags:
        cell.metadata["tags"] = list(tags)
    return cell


def exercise(number: int) -> list[Any]:
    check = f"EX{number}.check_function(double, CASES)"
    return [
        markdown(f"### Exercise {number} ★ Double\n\nWrite `double`."),
        code(
            f"EX{number} = Exercise({number}, 'Double', why='It is.')\n"
            f"def double(x):\n    ...\n\n{check}",
            "exercise",
        ),
        markdown(f"Because {SECRET}_told.", "solution"),
        code(f"def double(x):\n    {SECRET} = 2\n    return {SECRET} * x\n\n{check}", "solution"),
        code(f"print('{SECRET}', double(4))", "solution"),
    ]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Execute a notebook with two exercises."""
    start = "from nlp_helpers.exercises.harness import Case, Exercise\nCASES = [Case((2,), 4)]"
    cells = [markdown("# Small"), code(start), markdown("## Exercises")]
    cells += [*exercise(1), *exercise(2), markdown("## Summary"), code("print('end')")]
    nb = new_notebook(cells=cells)
    execute(nb, tmp_path_factory.mktemp("full"))
    return normalise(nb)


@pytest.fixture
def copied(full: Any) -> Any:
    """Return a copy that a test may change."""
    return nbformat.from_dict(nbformat.reads(dumps(full), as_version=4))


def test_no_solution_leaks(full: Any) -> None:
    assert dumps(full).count(SECRET) > 4
    student = dumps(student_version(full))
    assert SECRET not in student
    assert "correct." not in student
    assert '"solution"' not in student


def test_exercise_cells_keep_not_attempted(full: Any) -> None:
    student = student_version(full)
    kept = [cell for cell in student.cells if "exercise" in tags_of(cell)]
    assert len(kept) == 2
    for number, cell in enumerate(kept, start=1):
        assert cell.outputs[0].text == f"Exercise {number} (Double): {NOT_ATTEMPTED}\n"
    assert [c.execution_count for c in student.cells if c.cell_type == "code"] == [1, 2, 3, 4]
    assert student.cells[-1].outputs[0].text == "end\n"


def test_original_is_not_changed(full: Any) -> None:
    before = dumps(full)
    student_version(full)
    assert dumps(full) == before


def test_student_version_runs_and_prints_the_same(full: Any, tmp_path: Path) -> None:
    student = student_version(full)
    again = nbformat.reads(dumps(student), as_version=4)
    execute(again, tmp_path)
    assert dumps(normalise(again)) == dumps(student)


def test_markdown_heading_in_a_code_block_is_no_exercise(copied: Any) -> None:
    copied.cells.append(nbformat.from_dict(markdown("```python\n# Exercise 9\n```\n")))
    copied.cells[-1]["id"] = "last"
    assert [block.number for block in exercises(copied)] == [1, 2]
    assert exercise_problems(copied) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda nb: [c for c in nb.cells if "solution" not in tags_of(c)], "has 0 solutions"),
        (lambda nb: nb.cells[:6] + [markdown("## Next")] + nb.cells[6:], "belongs to no exercise"),
        (lambda nb: nb.cells[:7] + [markdown("Or:")] + nb.cells[7:], "has 2 solutions"),
        (lambda nb: nb.cells[:4] + nb.cells[5:], "no code cell tagged `exercise`"),
        (lambda nb: nb.cells[8:], "not numbered 1, 2"),
    ],
)
def test_unequal_exercises_and_solutions_are_refused(copied: Any, change, message: str) -> None:
    copied.cells = change(copied)
    with pytest.raises(ValueError, match=message):
        student_version(copied)


def test_command_line(full: Any, copied: Any, tmp_path: Path, capsys) -> None:
    good, bad = tmp_path / "01_good.ipynb", tmp_path / "02_bad.ipynb"
    good.write_text(dumps(full), encoding="utf-8")
    copied.cells = [cell for cell in copied.cells if "exercise" not in tags_of(cell)]
    bad.write_text(dumps(copied), encoding="utf-8")
    out = tmp_path / "out"
    assert main([str(good), "--out", str(out)]) == 0
    assert "2 exercises, 6 solution cells left out" in capsys.readouterr().out
    assert main([str(good), str(bad), "--out", str(out)]) == 1
    assert "no code cell tagged `exercise`" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["01_good.ipynb"]
    assert SECRET not in (out / "01_good.ipynb").read_text(encoding="utf-8")
    assert main([str(good), "--out", str(tmp_path)]) == 1
    assert "would replace the notebook" in capsys.readouterr().err
    assert good.read_text(encoding="utf-8") == dumps(full)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebook_runs_without_solutions(path: Path, tmp_path: Path) -> None:
    nb = read(path)
    assert exercise_problems(nb) == []
    student = student_version(nb)
    expected = nbformat.reads(dumps(student), as_version=4)
    execute(student, tmp_path, keep_env=True)  # two threads beside another test: ten times slower
    for old, new in zip(expected.cells, student.cells, strict=True):
        tags = set(tags_of(old))
        if old.cell_type == "code" and not tags & {"nbval-ignore-output", "live-only"}:
            assert stderr_of(new.outputs) == ""
            problem = first_difference(old.outputs, new.outputs, "trained" in tags)
            assert problem is None, f"without the solutions, {old.source!r} prints\n{problem}"

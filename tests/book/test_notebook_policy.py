"""The policy over all committed notebooks, and a failing example of each of its rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.book.notebook_policy import RULES, SECTIONS, problems_of_book
from tools.run_notebooks import normalise, read

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebook(path: Path, rule: str) -> None:
    problems = RULES[rule](read(path))
    assert not problems, f"{path.name}, {rule}:\n" + "\n".join(problems)


def test_committed_book() -> None:
    problems = problems_of_book({path.name: read(path) for path in NOTEBOOKS})
    assert not problems, "\n".join(problems)


def stream(text: str, name: str = "stdout") -> dict:
    return new_output("stream", name=name, text=text)


def shown(**data: Any) -> dict:
    mimes = {"plain": "text/plain", "png": "image/png", "html": "text/html", "svg": "image/svg+xml"}
    return new_output("display_data", data={mimes[key]: value for key, value in data.items()})


def code(source: str, *outputs: dict, tags: tuple[str, ...] = (), **metadata: Any) -> Any:
    cell = new_code_cell(source, outputs=list(outputs))
    cell.metadata.update(metadata)
    if tags:
        cell.metadata["tags"] = list(tags)
    if "solution" in tags:
        cell.metadata["jupyter"] = {"source_hidden": True}
    return cell


def text(source: str) -> Any:
    return new_markdown_cell(source)


def explorable(name: str, state: dict) -> dict:
    page = (
        f'<div class="nlpx-host" data-explorable="{name}"><style>a{{transition:0.25s}}</style>'
        f'<script type="module">mount(render, {json.dumps(state)});</script></div>'
    )
    return shown(plain=f"Explorable({name!r})", html=page)


def exercise(number: int, heading: str = "★★ Title", ask: str = "Write it.") -> list[Any]:
    name = f"Exercise {number} (Title)"
    return [
        text(f"### Exercise {number} {heading}\n\n{ask}"),
        code("a = None\ncheck(a)", stream(f"{name}: not attempted yet.\n"), tags=("exercise",)),
        code("b = 3\ncheck(b)", stream(f"{name}: correct. Why.\n"), tags=("solution", "hide-cell")),
    ]


def chapter() -> Any:
    """Make a notebook that breaks no rule."""
    cells = [
        text("# 1 A chapter\n\nWhat does it answer?"),
        text(
            "You will be able to\n\n- a\n- b\n- c\n\n**Prerequisites**: none.\nRunning time: 9 s."
        ),
        text("## Predict first\n\nA guess {cite:t}`Elman1990`, see {term}`loss`."),
        code("import torch\nx = torch.ones(2)\nprint(x)", stream("tensor([1., 1.])\n")),
        code("show_source(RNN)\nx", shown(html="<pre>class RNN</pre>", plain="<HTML object>")),
        code(
            "plt.plot(x)\nplt.show()",
            shown(plain="<Figure size 640x480 with 1 Axes>", png="AAAA"),
            tags=("hide-input",),
            mystnb={"image": {"alt": "A line that falls from one to zero."}},
        ),
        text("*Figure 1.1. A line.*"),
        code("HelloStepper(a)\nb", explorable("hello", {"x": 1})),
        text("## Break it: without state\n\n$$a = b \\tag{1.1}$$\n\n```python\n# Summary\n```"),
        text("## Strengths and limits"),
        text("## Common misreadings"),
        text("## Exercises"),
        *(cell for number in (1, 2, 3) for cell in exercise(number)),
        *exercise(4, "★ Find the bug"),
        text("## Quiz"),
        code("q = Quiz()\nq", explorable("quiz", {"questions": [{"a": 1}] * 5})),
        text("## Summary"),
        text("## References"),
    ]
    nb = new_notebook(cells=cells)
    return normalise(nbformat.from_dict(nb))


def find(nb: Any, start: str) -> Any:
    """Return the first cell whose source starts so."""
    return next(cell for cell in nb.cells if cell.source.startswith(start))


def source(start: str, new: str) -> Callable[[Any], None]:
    """Return a change of a cell's source."""

    def change(nb: Any) -> None:
        find(nb, start).source = new

    return change


def output(*items: dict, code: str = "import torch") -> Callable[[Any], None]:
    """Return a change of the outputs of a cell."""

    def change(nb: Any) -> None:
        find(nb, code).outputs = [nbformat.from_dict(item) for item in items]

    return change


def printed(line: str) -> Callable[[Any], None]:
    return output(stream(line))


def tags(start: str, *names: str) -> Callable[[Any], None]:
    def change(nb: Any) -> None:
        find(nb, start).metadata["tags"] = list(names)

    return change


def open_in_lab(start: str) -> Callable[[Any], None]:
    return lambda nb: find(nb, start).metadata.pop("jupyter")


def drop(start: str) -> Callable[[Any], None]:
    return lambda nb: nb.cells.remove(find(nb, start))


def add(cell: Any, before: str = "## Summary") -> Callable[[Any], None]:
    return lambda nb: nb.cells.insert(nb.cells.index(find(nb, before)), nbformat.from_dict(cell))


def both(*changes: Callable[[Any], None]) -> Callable[[Any], None]:
    def change(nb: Any) -> None:
        for one in changes:
            one(nb)

    return change


def metadata(**values: Any) -> Callable[[Any], None]:
    return lambda nb: nb.metadata.update(values)


def drop_exercises(*numbers: int) -> Callable[[Any], None]:
    def change(nb: Any) -> None:
        for number in numbers:
            start = nb.cells.index(find(nb, f"### Exercise {number} "))
            del nb.cells[start : start + 3]

    return change


def add_exercises(*numbers: int) -> Callable[[Any], None]:
    def change(nb: Any) -> None:
        at = nb.cells.index(find(nb, "## Quiz"))
        new = [nbformat.from_dict(cell) for number in numbers for cell in exercise(number)]
        nb.cells[at:at] = new

    return change


def swap(first: str, second: str) -> Callable[[Any], None]:
    def change(nb: Any) -> None:
        i, j = nb.cells.index(find(nb, first)), nb.cells.index(find(nb, second))
        nb.cells[i], nb.cells[j] = nb.cells[j], nb.cells[i]

    return change


WIDGET = "application/vnd.jupyter.widget-view+json"
# rule, change of a good chapter, what the message says
BROKEN = [
    ("ignored_outputs", tags("import torch", "nbval-ignore-output"), "are not compared"),
    ("ignored_outputs", tags("import torch", "live-only"), "are not compared"),
    ("ignored_outputs", source("import torch", "# NBVAL_IGNORE_OUTPUT\nx"), "are not compared"),
    ("ignored_outputs", tags("import torch", "nbval-skip"), "is skipped"),
    ("ignored_outputs", source("import torch", "# NBVAL_SKIP\nx"), "is skipped"),
    ("clean_file", metadata(widgets={}), "widget state"),
    ("clean_file", metadata(kernelspec={"name": "py311"}), "python3"),
    ("clean_file", metadata(language_info={"version": "3.11"}), "Python version"),
    ("clean_file", lambda nb: find(nb, "q =").update(execution_count=99), "top to bottom"),
    ("clean_file", lambda nb: find(nb, "q =").update(execution_count=None), "top to bottom"),
    ("clean_file", lambda nb: nb.cells[0].update(id=nb.cells[1].id), "repeated"),
    ("clean_file", lambda nb: nb.cells[3].metadata.update(execution={}), "time stamps"),
    ("outputs_allowed", output(stream("UserWarning: old\n", "stderr")), "stderr: UserWarning"),
    ("outputs_allowed", output(new_output("display_data", data={WIDGET: {}})), "widget-view"),
    ("outputs_allowed", output(new_output("error", ename="E", evalue="")), "shows an error: E"),
    ("outputs_allowed", printed("<RNN object at 0x7f2e4d383e10>"), "memory address"),
    ("outputs_allowed", printed("saved to /home/me/model.pt"), "absolute path"),
    ("outputs_allowed", printed("saved to C:\\Users"), "absolute path"),
    ("outputs_allowed", output(shown(html="<p>at /tmp/x</p>")), "absolute path"),
    ("outputs_allowed", printed("run on 2026-11-20"), "a date"),
    ("outputs_allowed", printed("at 13:05:10"), "a date or a time"),
    ("outputs_allowed", printed("took 1.25s"), "a timing: '1.25s'"),
    ("outputs_allowed", printed("took 1.25 s"), "a timing"),
    ("outputs_allowed", printed("took 13 ms"), "a timing"),
    ("outputs_allowed", printed("took 3 seconds"), "a timing"),
    ("outputs_allowed", printed("1,250 tokens/s"), "a timing"),
    ("outputs_allowed", printed("torch 2.13.0"), "a version"),
    ("outputs_allowed", printed(" 40%|████      | 4/10"), "a progress bar"),
    ("short_cells", source("import torch", "x = 1\n" * 21), "more than 20 lines"),
    ("short_cells", source("import torch", "class A:\n    pass"), "defines a class (A)"),
    ("short_cells", source("import torch", "def f(:"), "not valid Python"),
    ("short_cells", source("import torch", "import sys\nsys.path.append('..')"), "sys.path"),
    ("short_cells", add(code("")), "empty code cell"),
    ("short_cells", both(*[add(code("x = 1\n" * 9)) for _ in range(15)]), "median code cell"),
    ("short_cells", both(*[add(code("x = 1")) for _ in range(15)]), "median code cell"),
    ("figures", tags("plt.plot"), "hide-input"),
    ("figures", lambda nb: find(nb, "plt.").metadata.pop("mystnb"), "alt text"),
    ("figures", lambda nb: find(nb, "plt.").metadata.mystnb.image.update(alt=" "), "alt text"),
    ("figures", source("plt.plot", "plt.show()\nx"), "plt.show()"),
    ("figures", drop("*Figure"), "without a caption"),
    ("figures", source("*Figure", "As we see"), "must start with '*Figure'"),
    ("figures", output(shown(plain="F", svg="<svg/>")), "figures are PNG"),
    ("plain_markdown", source("## Summary", "```{note}\nhi\n```"), "directive"),
    ("plain_markdown", source("## Summary", ":::{note}\nhi\n:::"), "directive"),
    ("plain_markdown", source("## Summary", "::: note"), "::: fence"),
    ("plain_markdown", source("## Summary", "(here)=\n## Summary"), "target"),
    ("plain_markdown", source("## Summary", "$$\na\n$$ (eq-a)"), "\\tag"),
    ("plain_markdown", source("## Summary", "as {eq}`a` says"), "the role {eq}"),
    ("explorable_states", output(explorable("big", {"x": [0.25] * 50_000})), "300,0"),
    ("explorable_states", output(explorable("", {})), "no name"),
    ("chapter_sections", source("# 1 A", "A chapter?"), "one title"),
    ("chapter_sections", source("## Summary", "# Summary"), "one title"),
    ("chapter_sections", source("# 1 A", "# 1 A chapter"), "does not ask"),
    ("chapter_sections", source("You will", "Goals"), "says 'You will be able to'"),
    ("chapter_sections", source("You will", "Prerequisites"), "says 'Running time'"),
    (
        "chapter_sections",
        source("You will", "You will be able to\n\n- a\n- b\n\nPrerequisites\n\nRunning time"),
        "lists 2 goals",
    ),
    *[("chapter_sections", drop(f"## {name}"), f"no section '{name}'") for name in SECTIONS],
    ("chapter_sections", swap("## Quiz", "## Summary"), "too early"),
    ("chapter_sections", swap("## Break it", "## Strengths"), "too early"),
    ("chapter_sections", source("show_source", "print(1)\nx"), "show_source"),
    ("graded_exercises", drop_exercises(3), "numbered"),
    ("graded_exercises", drop_exercises(4), "3 exercises"),
    ("graded_exercises", drop_exercises(4), "find the bug"),
    ("graded_exercises", add_exercises(5, 6, 7), "7 exercises"),
    ("graded_exercises", source("### Exercise 2", "### Exercise 2 Title"), "no grade"),
    ("graded_exercises", source("### Exercise 2", "### Exercise 2 ★★★★"), "no grade"),
    ("graded_exercises", tags("b = 3", "solution"), "hide-cell"),
    ("graded_exercises", open_in_lab("b = 3"), "open in JupyterLab"),
    ("graded_exercises", tags("b = 3", "hide-cell"), "has 0 solutions"),
    ("graded_exercises", drop("b = 3"), "has 0 solutions"),
    ("graded_exercises", tags("a = None"), "no code cell tagged `exercise`"),
    ("graded_exercises", output(stream("no"), code="a = None"), "does not print 'not attempted"),
    ("graded_exercises", output(stream("no"), code="b = 3"), "does not print 'correct.'"),
    ("graded_exercises", swap("a = None", "b = 3"), "stands before"),
    ("graded_exercises", tags("show_source", "solution"), "belongs to no exercise"),
    (
        "graded_exercises",
        both(
            add(code("c = 4", tags=("solution",)), before="### Exercise 2"),
            add(text("Another way:"), before="c = 4"),
        ),
        "has 2 solutions",
    ),
    (
        "quiz_questions",
        output(explorable("quiz", {"questions": [{}] * 4}), code="q ="),
        "quizzes of [4]",
    ),
    ("quiz_questions", output(code="q ="), "quizzes of []"),
    ("quiz_questions", output(explorable("quiz-b", {"questions": [{}]})), "quizzes of [1, 5]"),
]


def test_every_rule_has_a_failing_example() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_good_chapter_breaks_no_rule(rule: str) -> None:
    assert RULES[rule](chapter()) == []


def name_of(value: object) -> str:
    """A test's name without addresses of functions: the same in every process."""
    return value[:40] if isinstance(value, str) else "chapter"


@pytest.mark.parametrize(("rule", "change", "message"), BROKEN, ids=name_of)
def test_rule_catches(rule: str, change: Callable[[Any], None], message: str) -> None:
    nb = chapter()
    change(nb)
    problems = RULES[rule](nb)
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("outputs_allowed", printed("5 s_t, 0x1, a/b, http://x.org/home/, 3.5 steps, 12:30, 2017")),
        ("outputs_allowed", both(printed("2026-11-20: 1.25 s"), source("import", "bench\nx"))),
        ("outputs_allowed", both(source("import", "1/0"), tags("1/0", "raises-exception"))),
        ("outputs_allowed", output(explorable("e", {"path": "/tmp/x", "t": "1.25 s"}))),
        ("short_cells", both(source("a = None", "class A:\n    pass"), tags("class", "exercise"))),
        ("short_cells", source("import torch", "%matplotlib inline\nx = 1")),
        ("short_cells", source("import torch", "x = 1\n" * 20)),
        ("explorable_states", output(explorable("e", {"x": "a" * 190_000}))),
        ("graded_exercises", add_exercises(5, 6)),
        ("graded_exercises", add(code("c", tags=("solution", "hide-cell")), "### Exercise 2")),
        ("plain_markdown", source("## Summary", "use `{note}` or {1}, f{x}, $\\mathbf{h}`$")),
        ("figures", source("*Figure", "\n*Figure 1.1 (a)*")),
    ],
)
def test_rule_lets_pass(rule: str, change: Callable[[Any], None]) -> None:
    nb = chapter()
    change(nb)
    assert RULES[rule](nb) == []


def test_file_names_and_explorable_names_of_the_book() -> None:
    other = chapter()
    find(other, "HelloStepper").outputs = [nbformat.from_dict(explorable("other", {}))]
    find(other, "q =").outputs = []
    assert problems_of_book({"01_rnn.ipynb": chapter(), "01b_shapes.ipynb": other}) == []
    twice = problems_of_book({"01_rnn.ipynb": chapter(), "02_lstm.ipynb": chapter()})
    assert len(twice) == 2
    assert "explorable 'hello' is in 01_rnn.ipynb cell 7 and in 02_lstm.ipynb cell 7" in twice
    assert "NN_name.ipynb" in problems_of_book({"rnn.ipynb": other})[0]

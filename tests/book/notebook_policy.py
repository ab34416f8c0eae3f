"""What every committed notebook must look like: one function a rule, each returning its problems.

A rule takes a notebook object and returns sentences; an empty list means that the rule holds.
`RULES` maps a name to each rule, `problems_of_book` holds the rules about several notebooks.
"""

from __future__ import annotations

import ast
import json
import re
import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.book.outputs_contract import WIDGET_VIEW, stderr_of, tags_of
from tools.student_version import exercise_problems, exercises, headings

# The sections of a chapter that every chapter shares, in this order; others may stand between them.
# A heading may go on after these words: "Break it: no recurrence".
SECTIONS = [
    "Predict first",
    "Break it",
    "Strengths and limits",
    "Common misreadings",
    "Exercises",
    "Quiz",
    "Summary",
    "References",
]
# What the text before the first of them must speak of.
OPENING = ["You will be able to", "Prerequisites", "Running time"]
FILE_NAME = re.compile(r"\d\d[a-z]?_[a-z0-9_]+\.ipynb")

MAX_IGNORED = 0.05
MAX_LINES = 20
MEDIAN_LINES = (2, 6.99)
MIN_EXERCISES, MAX_EXERCISES = 4, 6
QUIZ_QUESTIONS = 5
MAX_STATE_BYTES = 200_000
MIN_ALT = 20
ROLES = {"cite", "cite:t", "cite:p", "ref", "numref", "term", "doc"}

_MOUNT = "mount(render, {"  # the call with the state, not the function's own definition
_EXPLORABLE = re.compile(r'data-explorable="([^"$]*)"')  # "$": the script's own selector
_IGNORE_COMMENT = re.compile(
    r"^\s*#+\s*(?:NBVAL_IGNORE_OUTPUT|PYTEST_VALIDATE_IGNORE_OUTPUT)\s*$", re.MULTILINE
)
_SKIP_COMMENT = re.compile(r"^\s*#+\s*NBVAL_SKIP\s*$", re.MULTILINE)
_FORBIDDEN_OUTPUT = {
    "a memory address": re.compile(r"\b0x[0-9a-fA-F]{6,}\b"),
    "an absolute path": re.compile(
        r"(?<![\w.:/<])/(?:home|root|tmp|usr|var|work|mnt|opt|Users|private|content)/\S*"
        r"|\b[A-Za-z]:\\\w+"
    ),
    "a version": re.compile(
        r"\b(?:python|torch|numpy|scipy|matplotlib|scikit-learn|transformers)[ =]+v?\d+\.\d[\w.+]*",
        re.IGNORECASE,
    ),
    "a progress bar": re.compile(r"\d+%\|| ?[\d.]+ ?(?:it/s|s/it)\b"),
}
# Allowed where a cell quotes bench/*.json, which is the same on every machine.
_FORBIDDEN_UNLESS_BENCH = {
    "a date or a time of day": re.compile(
        r"\b(?:19|20)\d\d-[01]\d-[0-3]\d\b|\b[0-2]?\d:[0-5]\d:[0-5]\d\b"
    ),
    "a timing": re.compile(
        r"\b\d+(?:\.\d+)? ?(?:ms|µs|μs|ns|seconds?|secs?|minutes?)\b|\b\d+\.\d+ ?s\b"
        r"|\b[\d,.]+ ?\w*/s(?:ec(?:ond)?)?\b"
    ),
}


def code_cells(nb: Any) -> Iterator[tuple[int, Any]]:
    """Yield (index in the notebook, cell) of the code cells."""
    return ((i, cell) for i, cell in enumerate(nb.cells) if cell.cell_type == "code")


def texts_of(cell: Any) -> Iterator[str]:
    """Yield the text that a reader sees of a cell's outputs (of HTML: without tags and scripts)."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        for mime, text in output.get("data", {}).items():
            if mime == "text/html":
                text = re.sub(r"(?s)<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", " ", text)
            if mime.startswith("text/"):
                yield text


def html_of(nb: Any) -> Iterator[tuple[int, str]]:
    """Yield (index of the cell, HTML) of every HTML output."""
    for index, cell in code_cells(nb):
        for output in cell.outputs:
            if "text/html" in output.get("data", {}):
                yield index, output.data["text/html"]


def explorables(nb: Any) -> list[tuple[int, str, str]]:
    """Return (index of the cell, name, JSON of the state) of every explorable.

    Where no state can be found in the page, the whole fragment is given.
    """
    found = []
    for index, page in html_of(nb):
        for name in _EXPLORABLE.findall(page):
            start = page.find(_MOUNT) + len(_MOUNT) - 1
            try:
                _, end = json.JSONDecoder().raw_decode(page, start)
                found.append((index, name, page[start:end]))
            except ValueError:
                found.append((index, name, page))
    return found


def ignored_outputs(nb: Any) -> list[str]:
    """Few outputs escape comparison (`live-only` cells do, too), and no cell is skipped."""
    problems, ignored, shown = [], [], 0
    for index, cell in code_cells(nb):
        tags = tags_of(cell)
        if "nbval-skip" in tags or _SKIP_COMMENT.search(cell.source):
            problems.append(f"cell {index} is skipped by nbval; no cell may be")
        shown += bool(cell.outputs)
        if {"nbval-ignore-output", "live-only"} & set(tags) or _IGNORE_COMMENT.search(cell.source):
            ignored.append(index)
    if len(ignored) > MAX_IGNORED * shown:
        problems.append(
            f"{len(ignored)} of {shown} cells with outputs are not compared (cells {ignored}: "
            f"nbval-ignore-output or live-only); at most {MAX_IGNORED:.0%} may be"
        )
    return problems


def clean_file(nb: Any) -> list[str]:
    """The file is as tools/run_notebooks.py writes it."""
    problems = []
    if "widgets" in nb.metadata:
        problems.append("the notebook carries widget state; write it with `make run-notebooks`")
    if nb.metadata.get("kernelspec", {}).get("name") != "python3":
        problems.append(f"kernelspec must be named python3: {nb.metadata.get('kernelspec')}")
    if "version" in nb.metadata.get("language_info", {}):
        problems.append("language_info names a Python version")
    counts = [c.execution_count for _, c in code_cells(nb) if c.source.strip()]
    if counts != list(range(1, len(counts) + 1)):
        problems.append(f"the cells were not run once, from top to bottom: {counts}")
    ids = [cell.get("id") for cell in nb.cells]
    if None in ids or len(set(ids)) < len(ids):
        problems.append("cell ids are missing or repeated")
    for index, cell in enumerate(nb.cells):
        if "execution" in cell.metadata:
            problems.append(f"cell {index} carries time stamps")
    return problems


def outputs_allowed(nb: Any) -> list[str]:
    """No output holds what differs between machines or runs, and none is a warning."""
    problems = []
    for index, cell in code_cells(nb):
        if stderr_of(cell.outputs):
            first = stderr_of(cell.outputs).strip().split("\n")[0]
            problems.append(f"cell {index} writes to stderr: {first}")
        for output in cell.outputs:
            if any("widget" in mime for mime in output.get("data", {})):
                problems.append(f"cell {index} carries {WIDGET_VIEW} or widget state")
            if output.output_type == "error" and "raises-exception" not in tags_of(cell):
                problems.append(f"cell {index} shows an error: {output.ename}")
        forbidden = dict(_FORBIDDEN_OUTPUT)
        if "bench" not in cell.source:
            forbidden |= _FORBIDDEN_UNLESS_BENCH
        for text in texts_of(cell):
            for what, pattern in forbidden.items():
                match = pattern.search(text)
                if match:
                    problems.append(f"cell {index} prints {what}: {match.group().strip()!r}")
    return problems


def _tree(source: str) -> ast.Module | None:
    lines = ["pass" if line.lstrip()[:1] in ("%", "!") else line for line in source.split("\n")]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return None


def short_cells(nb: Any) -> list[str]:
    """Code cells are short and define no classes (exercises may)."""
    problems, lengths = [], []
    for index, cell in code_cells(nb):
        lines = [line for line in cell.source.split("\n") if line.strip()]
        if not lines:
            problems.append(f"cell {index} is an empty code cell")
            continue
        lengths.append(len(lines))
        if len(cell.source.strip().split("\n")) > MAX_LINES:
            problems.append(f"cell {index} has more than {MAX_LINES} lines: {lines[0]}")
        tree = _tree(cell.source)
        if tree is None and "raises-exception" not in tags_of(cell):
            problems.append(f"cell {index} is not valid Python")
        classes = [n.name for n in ast.walk(tree or ast.Module([])) if isinstance(n, ast.ClassDef)]
        if classes and not {"exercise", "solution"} & set(tags_of(cell)):
            problems.append(f"cell {index} defines a class ({', '.join(classes)}): import it")
        if re.search(r"\bsys\.path\b", cell.source):
            problems.append(f"cell {index} edits sys.path: nlp_helpers is installed")
    low, high = MEDIAN_LINES
    if lengths and not low <= statistics.median(lengths) <= high:
        problems.append(
            f"the median code cell has {statistics.median(lengths)} lines, not {low} to {high}"
        )
    return problems


def figures(nb: Any) -> list[str]:
    """A picture comes from a hidden plot cell and has alt text and a caption below it."""
    problems = []
    for index, cell in code_cells(nb):
        mimes = {mime for output in cell.outputs for mime in output.get("data", {})}
        if mimes & {"image/svg+xml", "image/jpeg"}:
            problems.append(f"cell {index}: figures are PNG, not {sorted(mimes)}")
        if "image/png" not in mimes:
            continue
        if "hide-input" not in tags_of(cell):
            problems.append(f"cell {index} draws a figure but is not tagged hide-input")
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if len(str(alt).strip()) < MIN_ALT:
            problems.append(
                f"cell {index} draws a figure without alt text: metadata "
                f'{{"mystnb": {{"image": {{"alt": "..."}}}}}} of at least {MIN_ALT} characters'
            )
        if cell.source.strip().split("\n")[-1].strip() != "plt.show()":
            problems.append(f"cell {index} draws a figure but does not end in plt.show()")
        following = nb.cells[index + 1] if index + 1 < len(nb.cells) else None
        if following is None or following.cell_type != "markdown":
            problems.append(f"cell {index} draws a figure without a caption in the next cell")
        elif not following.source.lstrip().startswith("*Figure"):
            problems.append(f"cell {index + 1}, below a figure, must start with '*Figure'")
    return problems


def plain_markdown(nb: Any) -> list[str]:
    """Markdown reads well everywhere: no MyST directives, targets or labels, few roles."""
    problems = []
    for index, cell in enumerate(nb.cells):
        if cell.cell_type != "markdown":
            continue
        if re.search(r"^\s*(?:`{3,}|~{3,}|:{3,})\s*\{", cell.source, re.MULTILINE):
            problems.append(f"cell {index} holds a MyST directive")
        elif re.search(r"^\s*:{3,}", cell.source, re.MULTILINE):
            problems.append(f"cell {index} holds a ::: fence")
        if re.search(r"^\([\w-]+\)=\s*$", cell.source, re.MULTILINE):
            problems.append(f"cell {index} holds a MyST target, (name)=")
        if re.search(r"\$\$[ \t]*\([\w-]+\)[ \t]*$", cell.source, re.MULTILINE):
            problems.append(f"cell {index} labels an equation the MyST way; use \\tag{{...}}")
        for role in re.findall(r"(?<![\w\\`])\{([A-Za-z][\w:+-]*)\}`", cell.source):
            if role not in ROLES:
                problems.append(f"cell {index} uses the role {{{role}}}; only {sorted(ROLES)}")
    return problems


def explorable_states(nb: Any) -> list[str]:
    """Explorables are small and named."""
    problems = []
    for index, name, state in explorables(nb):
        size = len(state.encode("utf-8"))
        if size > MAX_STATE_BYTES:
            problems.append(
                f"cell {index}: the state of explorable {name!r} takes {size:,} bytes, "
                f"the limit is {MAX_STATE_BYTES:,}"
            )
        if not name:
            problems.append(f"cell {index}: an explorable has no name")
    return problems


def chapter_sections(nb: Any) -> list[str]:
    """The chapter opens as chapters do and has the shared sections in order."""
    problems = []
    found = [heading for cell in nb.cells for heading in headings(cell)]
    titles = [text for level, text in found if level == 1]
    first = nb.cells[0] if nb.cells else None
    if len(titles) != 1 or first is None or not first.source.startswith("# "):
        problems.append(f"one title, at the very start; the headings of level 1 are {titles}")
    elif "?" not in first.source:
        problems.append("the first cell does not ask the question of the chapter")
    opening = []
    for cell in nb.cells:
        if any(text.startswith(SECTIONS[0]) for _, text in headings(cell)):
            break
        opening.append(cell.source if cell.cell_type == "markdown" else "")
    text = "\n".join(opening)
    for words in OPENING:
        if words.lower() not in text.lower():
            problems.append(f"nothing before '{SECTIONS[0]}' says '{words}'")
    goals = re.split(re.escape(OPENING[0]), text, maxsplit=1, flags=re.IGNORECASE)
    if len(goals) == 2:
        block = re.match(r"[^\n]*\n(?:\s*\n)?((?:[ \t]*(?:[-*]|\d+\.)?[ \t]+\S.*\n?)*)", goals[1])
        bullets = re.findall(r"^(?:[-*]|\d+\.)[ \t]", block[1] if block else "", re.MULTILINE)
        if not 3 <= len(bullets) <= 5:
            problems.append(f"'{OPENING[0]}' lists {len(bullets)} goals, not 3 to 5")
    texts = [text.lower() for _, text in found]
    position = -1
    for section in SECTIONS:
        places = [i for i, text in enumerate(texts) if text.startswith(section.lower())]
        if not places:
            problems.append(f"no section '{section}'")
        elif not any(place > position for place in places):
            problems.append(f"section '{section}' stands too early; the order is {SECTIONS}")
        else:
            position = min(place for place in places if place > position)
    if not any("show_source(" in cell.source for _, cell in code_cells(nb)):
        problems.append("no cell shows the imported implementation with show_source(...)")
    return problems


def graded_exercises(nb: Any) -> list[str]:
    """Four to six exercises, graded with stars, solved, one of them "find the bug"."""
    problems = exercise_problems(nb)
    blocks = exercises(nb)
    if not MIN_EXERCISES <= len(blocks) <= MAX_EXERCISES:
        problems.append(
            f"{len(blocks)} exercises (headings 'Exercise N ★ ...'), "
            f"not {MIN_EXERCISES} to {MAX_EXERCISES}"
        )
    for block in blocks:
        if not re.search(r"(?<!★)★{1,3}(?!★)", block.heading) or block.heading.count("★") > 3:
            problems.append(f"exercise {block.number} has no grade (★, ★★ or ★★★) in its heading")
        for cell in block.cells:
            tags = tags_of(cell)
            if cell.cell_type == "code" and "solution" in tags and "hide-cell" not in tags:
                problems.append(f"exercise {block.number}: its solution is not tagged hide-cell")
            folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
            if cell.cell_type == "code" and "solution" in tags and not folded:
                problems.append(
                    f"exercise {block.number}: its solution is open in JupyterLab; "
                    "`make run-notebooks` folds it (metadata jupyter.source_hidden)"
                )
    told = [cell.source for b in blocks for cell in b.cells if cell.cell_type == "markdown"]
    if not any("find the bug" in text.lower() for text in told):
        problems.append("no exercise says 'find the bug'")
    return problems


def quiz_questions(nb: Any) -> list[str]:
    """One quiz of five questions."""
    counts = []
    for _, _, state in explorables(nb):
        try:
            questions = json.loads(state).get("questions")
        except (ValueError, AttributeError):
            continue
        if questions is not None:
            counts.append(len(questions))
    if sum(counts) != QUIZ_QUESTIONS or len(counts) != 1:
        return [f"one quiz of {QUIZ_QUESTIONS} questions is wanted; found quizzes of {counts}"]
    return []


RULES: Mapping[str, Callable[[Any], list[str]]] = {
    "ignored_outputs": ignored_outputs,
    "clean_file": clean_file,
    "outputs_allowed": outputs_allowed,
    "short_cells": short_cells,
    "figures": figures,
    "plain_markdown": plain_markdown,
    "explorable_states": explorable_states,
    "chapter_sections": chapter_sections,
    "graded_exercises": graded_exercises,
    "quiz_questions": quiz_questions,
}


def problems_of_book(notebooks: Mapping[str, Any]) -> list[str]:
    """The rules about several notebooks at once: file names, and names of explorables."""
    problems = []
    owners: dict[str, str] = {}
    for file, nb in notebooks.items():
        if not FILE_NAME.fullmatch(file):
            problems.append(f"{file}: chapters are named NN_name.ipynb or NNx_name.ipynb")
        for index, name, _ in explorables(nb):
            place = f"{file} cell {index}"
            if name in owners:
                problems.append(f"explorable {name!r} is in {owners[name]} and in {place}")
            owners.setdefault(name, place)
    return problems

"""The outputs contract: each rule on its own, and a real notebook mutated one thing at a time."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.book.outputs_contract import (
    ContractText,
    first_difference,
    text_difference,
    tokenize,
)
from tools.run_notebooks import dumps, execute, normalise

ROOT = Path(__file__).resolve().parents[2]


SAME = [
    ("loss 0.1234 nats", "loss 0.1235 nats"),  # one unit of the last digit
    ("loss 123.45", "loss 123.57"),  # 1e-3 relative
    ("loss  0.5\n  then", "loss 0.5 then"),  # white space
    ("  a\n", "a"),
    ("tensor([ 0.0000, 0.5000])", "tensor([-0.0000, 0.5000])"),
    ("tensor([-0.0000,  0.5000])", "tensor([0.0000, 0.5000])"),  # no sign, no padding
    ("[0.  0.5]", "[0.      0.50001]"),
    ("[0.5, 0. ]", "[0.50001, 0.     ]"),
    ("x=-0.0", "x= 0.0"),
    ("0.3", "0.30000000000000004"),
    ("1.234e-05", "1.235e-05"),
    ("1.234e-05 1.e-3", "1.234e-05 1.e-03"),
    ("-0", "0"),
    ("1.250s", "1.251s"),
    ("width:12.50em", "width:12.51em"),
    ("1,234,567.8", "1,234,999.8"),
    ("tensor(5.)", "tensor(4.9999)"),
    ("tensor([1., 2.])", "tensor([1.0000, 1.9999])"),
    ("[   -inf, 0.5000]", "[-inf, 0.5000]"),
    ("1.5 − 2", "1.5 − 2"),
    ('<img src="data:image/png;base64,iVBORw0KG+/=">', '<img src="data:image/png;base64,AAAA">'),
    ("", "  \n"),
]
DIFFERENT = [
    ("loss 0.1234 nats", "loss 0.1236 nats"),
    ("loss 123.45", "loss 123.60"),
    ("0.3", "0.39"),  # the finer unit counts
    ("0.0000", "0.0002"),
    ("0.5000", "-0.5000"),
    ("0.1", "0.1 0.1"),
    ("0.1 0.1", "0.1"),
    ("tensor([1., 2.])", "tensor([1., 3.])"),  # "2." has no last digit to spare
    ("tensor(5000.)", "tensor(5010.)"),
    ("It has 5000.", "It has 5001."),  # end of a sentence: an integer
    ("5000 words", "5001 words"),
    ("1,115,394", "1,115,395"),
    ("1,234", "1234"),
    ("[1,234.5678]", "[1,235.0000]"),  # a list, not a thousand
    ("7", "-7"),
    ("1", "1.0"),
    ("1.0", "1"),
    ("nan", "0.5"),
    ("nan", "inf"),
    ("inf", "-inf"),
    ("cat", "dog"),
    ("Cat", "cat"),
    ("a b", "ab"),
    ("f (x)", "f(x)"),
    ("1 s", "1s"),
    ("torch 1.20.3", "torch 1.20.4"),
    ("v1.5000", "v1.5001"),
    ("GPT-2.500", "GPT-2.501"),
    ("python-3.110", "python-3.111"),
    ("x0.500", "x0.501"),
    ("#3E4A5B", "#3E4A5C"),
    ("hash 3e4f", "hash 4e4f"),
    ("2026-11-20", "2026-11-21"),
    ("1.234e-05", "1.234e-06"),
    ("1.234e-05", "1.237e-05"),
    ("<td>0.123</td>", "<td>0.125</td>"),
    ("<td>0.123</td>", "<th>0.123</th>"),
    ("93%", "94%"),
    ("3-0.5", "3+0.5"),
]


@pytest.mark.parametrize(("committed", "now"), SAME)
def test_same_meaning(committed: str, now: str) -> None:
    assert text_difference(committed, now) is None
    assert ContractText(committed) == now
    assert now == ContractText(committed)
    assert not ContractText(committed) != now  # noqa: SIM202
    assert hash(ContractText(committed)) == hash(ContractText(now))


@pytest.mark.parametrize(("committed", "now"), DIFFERENT)
def test_different_meaning(committed: str, now: str) -> None:
    assert text_difference(committed, now) is not None
    assert ContractText(committed) != now
    assert now != ContractText(committed)
    assert not ContractText(committed) == now  # noqa: SIM201


@pytest.mark.parametrize(
    ("committed", "now", "same"),
    [
        ("loss 1.000", "loss 1.099", True),
        ("loss 1.000", "loss 1.101", False),
        ("loss 0.010", "loss 0.029", True),
        ("loss 0.010", "loss 0.031", False),
        ("100 right", "110 right", True),
        ("100 right", "111 right", False),
        ("5 right", "6 right", False),
        ("loss 1.0", "less 1.0", False),
        ("1.2.3", "1.2.4", False),
        ("nan", "inf", False),
    ],
)
def test_trained_numbers(committed: str, now: str, same: bool) -> None:
    assert (text_difference(committed, now, trained=True) is None) == same
    assert (ContractText(committed, trained=True) == now) == same


def test_not_equal_to_other_types() -> None:
    assert ContractText("1") != 1
    assert ContractText("1") is not None


def test_message_names_the_token() -> None:
    problem = text_difference("epoch 1 loss 0.5000 nats", "epoch 1 loss 0.6000 nats")
    assert "committed 0.5000, now 0.6000" in problem
    assert "differs by 0.1, allowed 0.0005" in problem
    assert "epoch 1 loss >>0.6000<< nats" in problem
    assert "the output has ended" in text_difference("a b", "a")


numbers = st.decimals(min_value=-(10**6), max_value=10**6, places=4, allow_nan=False)
words = st.text(alphabet="abcxyzé=:()[]世界", min_size=1, max_size=8)


@given(st.text())
def test_every_text_equals_itself(text: str) -> None:
    assert ContractText(text) == str(text)
    joined = [re.sub(r"\s", "", part) for part in (text, "".join(t.text for t in tokenize(text)))]
    assert joined[0] == joined[1] or "base64" in text  # tokens lose nothing but white space


@given(st.lists(words | numbers.map(str), min_size=1), st.sampled_from([" ", "\n", "\t \n"]))
def test_white_space_never_matters_between_tokens(pieces: list[str], space: str) -> None:
    assert text_difference(" ".join(pieces), space.join(pieces) + space) is None


@given(numbers, st.decimals(min_value=0, max_value=3, places=3, allow_nan=False), st.booleans())
def test_decimals_follow_the_stated_tolerance(
    number: Decimal, factor: Decimal, negative: bool
) -> None:
    allowed = max(abs(number) * Decimal("1e-3"), Decimal("0.0001"))
    moved = number + (-1 if negative else 1) * allowed * factor
    moved = moved.quantize(Decimal("0.0001"))
    expected = abs(moved - number) <= allowed
    assert (text_difference(f"x {number:f} y", f"x {moved:f} y") is None) == expected


@given(st.integers(), st.integers(min_value=1, max_value=10**9))
def test_integers_are_exact(number: int, step: int) -> None:
    assert text_difference(f"n = {number}", f"n = {number}") is None
    assert text_difference(f"n = {number}", f"n = {number + step}") is not None


@given(st.lists(words | numbers.map(str), min_size=1), words, st.data())
def test_a_changed_word_is_caught(pieces: list[str], word: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(pieces) - 1))
    changed = pieces[:index] + [word + "q"] + pieces[index + 1 :]
    assert text_difference(" ".join(pieces), " ".join(changed)) is not None


def outputs(*items: dict) -> list:
    return [nbformat.from_dict(item) for item in items]


def shown(**data: str) -> dict:
    mimes = {"plain": "text/plain", "png": "image/png", "latex": "text/latex", "html": "text/html"}
    return new_output("display_data", data={mimes[key]: value for key, value in data.items()})


def stream(text: str, name: str = "stdout") -> dict:
    return new_output("stream", name=name, text=text)


@pytest.mark.parametrize(
    ("committed", "now", "same"),
    [
        ([shown(plain="F", png="AAAA")], [shown(plain="F", png="BBBB")], True),
        ([shown(plain="F", png="AAAA")], [shown(plain="F")], False),
        ([shown(plain="F")], [shown(plain="F", png="AAAA")], False),
        ([shown(latex="$1.00$")], [shown(latex="$2.00$")], False),
        ([shown(html="<b>1.00</b>")], [shown(html="<b>2.00</b>")], False),
        ([stream("a"), stream("b")], [stream("ab")], True),
        ([stream("a"), shown(plain="F")], [shown(plain="F"), stream("a")], False),
        ([], [stream("a")], False),
        ([stream("a")], [], False),
        ([stream("a")], [stream("a"), shown(plain="F")], False),
        ([stream("a", "stderr")], [stream("a")], False),
        ([new_output("error", ename="E", evalue="1")], [], False),
        (
            [new_output("error", ename="E", evalue="1")],
            [new_output("error", ename="E", evalue="2")],
            False,
        ),
    ],
)
def test_structure_of_outputs(committed: list, now: list, same: bool) -> None:
    assert (first_difference(outputs(*committed), outputs(*now)) is None) == same


def test_widget_view_is_ignored() -> None:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
    live = new_output("display_data", data=view | {"text/html": "<p>1</p>"})
    page = new_output("display_data", data={"text/html": "<p>1</p>"})
    assert first_difference(outputs(page), outputs(live)) is None
    assert first_difference(outputs(), outputs(new_output("display_data", data=view))) is None


# The mutation test. Cells by number as nbval counts them (code cells only).
TEXT, TENSOR, TABLE, STREAMS, FIGURE, TRAINED, RAISES, LATEX = range(1, 9)
CELLS = [
    "from IPython.display import HTML, Latex, display\n"
    "import matplotlib.pyplot as plt\nimport numpy as np",
    "print('word 12 loss 0.1234 nats')",
    "np.array([0.25, -1.5, 3.0])",
    "HTML('<table><tr><td>0.500</td><td>42</td></tr></table>')",
    "print('first 1')\ndisplay(HTML('<p>between</p>'))\nprint('second 2')",
    "plt.plot([1, 2])\nplt.show()",
    "print('trained loss', 1.000, 'right', 100)",
    "raise ValueError('found 3 of 4')",
    "Latex('$x = 0.500$')",
]
CELL_TAGS = {TRAINED: ["trained"], RAISES: ["raises-exception"]}


def small_notebook() -> nbformat.NotebookNode:
    cells = [new_markdown_cell("# Small")]
    for number, source in enumerate(CELLS):
        cell = new_code_cell(source)
        if number in CELL_TAGS:
            cell.metadata["tags"] = CELL_TAGS[number]
        cells.append(cell)
    return new_notebook(cells=cells)


def code(nb: nbformat.NotebookNode, number: int) -> nbformat.NotebookNode:
    return [cell for cell in nb.cells if cell.cell_type == "code"][number]


class Mutation(NamedTuple):
    """A change of one committed code cell."""

    number: int
    action: Callable[[nbformat.NotebookNode], object]


def change(number: int, action: Callable[[nbformat.NotebookNode], object]) -> Mutation:
    return Mutation(number, action)


def replace(number: int, old: str, new: str) -> Mutation:
    """Return a mutation that replaces text in the outputs of a cell."""

    def action(cell: nbformat.NotebookNode) -> None:
        hits = 0
        for output in cell.outputs:
            fields = output.get("data", output)
            for key, text in fields.items():
                if isinstance(text, str) and key != "image/png" and old in text:
                    fields[key] = text.replace(old, new)
                    hits += 1
        assert hits, f"{old!r} is nowhere in the outputs of cell {number}"

    return Mutation(number, action)


def drop_image(cell: nbformat.NotebookNode) -> None:
    del cell.outputs[0].data["image/png"]


def add_output(*items: dict):
    return lambda cell: cell.outputs.extend(outputs(*items))


def unrun(cell: nbformat.NotebookNode) -> None:
    cell.outputs, cell.execution_count = [], None


def set_source(source: str):
    def action(cell: nbformat.NotebookNode) -> None:
        cell.source = source

    return action


def skip(cell: nbformat.NotebookNode) -> None:
    cell.metadata["tags"] = ["nbval-skip"]


# name -> (mutation, what the report of the failing cell must say; None: the cell must pass)
MUTATIONS = {
    "nothing": (change(TEXT, lambda c: None), None),
    "decimal_beyond": (replace(TEXT, "0.1234", "0.1334"), "committed 0.1334, now 0.1234"),
    "decimal_within": (replace(TEXT, "0.1234", "0.1235"), None),
    "integer_by_one": (replace(TEXT, "12", "13"), "committed 13"),
    "word": (replace(TEXT, "nats", "bits"), "committed word 'bits', now 'nats'"),
    "white_space": (replace(TEXT, "word 12 ", "\n word \t 12\n"), None),
    "output_missing": (change(TEXT, lambda c: c.outputs.clear()), "committed: nothing"),
    "output_extra": (change(TEXT, add_output(shown(plain="x"))), "number, order or kind"),
    "tensor_beyond": (replace(TENSOR, "0.25", "0.29"), "committed 0.29, now 0.25"),
    "tensor_within": (replace(TENSOR, "0.25", "0.251"), None),
    "tensor_integral": (replace(TENSOR, "3.  ", "4.  "), "committed 4., now 3."),
    "html_decimal": (replace(TABLE, "0.500", "0.600"), "committed 0.600, now 0.500"),
    "html_integer": (replace(TABLE, "42", "43"), "committed 43, now 42"),
    "html_within": (replace(TABLE, "0.500", "0.501"), None),
    "html_element": (replace(TABLE, "table", "div"), "committed word"),
    "stream_second": (replace(STREAMS, "second 2", "second 3"), "committed 3, now 2"),
    "stream_order": (
        change(STREAMS, lambda c: c.outputs.insert(0, c.outputs.pop(1))),
        "number, order or kind",
    ),
    "image_removed": (change(FIGURE, drop_image), "image/png"),
    "image_other": (
        change(FIGURE, lambda c: c.outputs[0].data.update({"image/png": "AAAA"})),
        None,
    ),
    "figure_missing": (change(FIGURE, lambda c: c.outputs.clear()), "committed: nothing"),
    "image_no_longer_drawn": (change(FIGURE, set_source("plt.close()")), "now:"),
    "trained_5_percent": (replace(TRAINED, "1.0", "1.05"), None),
    "trained_30_percent": (replace(TRAINED, "1.0", "1.3"), "tag `trained`"),
    "trained_integer_within": (replace(TRAINED, "100", "105"), None),
    "trained_integer_beyond": (replace(TRAINED, "100", "130"), "committed 130, now 100"),
    "trained_word": (replace(TRAINED, "right", "wrong"), "committed word 'wrong'"),
    "error_text": (replace(RAISES, "found 3", "found 2"), "committed 2, now 3"),
    "error_gone": (change(RAISES, set_source("pass")), "committed: error ValueError"),
    "latex": (replace(LATEX, "0.500", "0.600"), "committed 0.600, now 0.500"),
    "unrun": (change(TEXT, unrun), "without being run"),
    "unrun_silent": (change(0, unrun), "without being run"),
    "skipped": (change(TEXT, skip), "nbval-skip is not allowed"),
    "stderr_committed": (
        change(TEXT, add_output(stream("Warning", "stderr"))),
        "committed: stdout; stderr",
    ),
    "stderr_now": (
        change(0, lambda c: c.update(source=c.source + "\nimport sys\nprint(1, file=sys.stderr)")),
        "stderr",
    ),
    "stderr_ignored_output": (
        change(
            TEXT,
            lambda c: c.update(
                source="# NBVAL_IGNORE_OUTPUT\nimport warnings\nwarnings.warn('old')"
            ),
        ),
        "text on stderr in this run",
    ),
    "new_exception": (change(TEXT, set_source("1 / 0")), "ZeroDivisionError"),
}


def batches() -> list[list[str]]:
    """Spread the mutations over few notebooks: at most one mutation of each cell in a notebook."""
    groups: list[list[str]] = []
    for name, (mutation, _) in MUTATIONS.items():
        for group in groups:
            if all(MUTATIONS[other][0].number != mutation.number for other in group):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """Run the mutated notebooks under nbval; name -> report of the mutated cell, None: it passed.

    Cells that were not mutated must pass.
    """
    folder = tmp_path_factory.mktemp("mutations")
    nb = small_notebook()
    execute(nb, folder)
    normalise(nb)
    groups = batches()
    for index, group in enumerate(groups):
        mutated = copy.deepcopy(nb)
        for name in group:
            number, action = MUTATIONS[name][0]
            action(code(mutated, number))
        (folder / f"mutated_{index}.ipynb").write_text(dumps(mutated), encoding="utf-8")
    junit = folder / "junit.xml"
    command = [
        *(sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env"),
        *("-p", "tests.book.outputs_contract", "-p", "no:cacheprovider", "--color=no", "-q"),
        *(f"--rootdir={folder}", "-c", os.devnull, f"--junitxml={junit}", str(folder)),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    reports: dict[tuple[int, int], str | None] = {}
    for case in ElementTree.parse(junit).iter("testcase"):
        notebook = int(re.search(r"mutated_(\d+)", case.get("classname"))[1])
        failures = [*case.findall("failure"), *case.findall("error"), *case.findall("skipped")]
        report = "\n".join(failure.text for failure in failures) if failures else None
        reports[notebook, int(case.get("name").removeprefix("Cell "))] = report
    assert len(reports) == len(groups) * len(CELLS)
    found = {}
    for index, group in enumerate(groups):
        for name in group:
            found[name] = reports.pop((index, MUTATIONS[name][0].number))
    assert set(reports.values()) == {None}, "a cell that was not mutated failed"
    return found


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation(verdicts: dict[str, str | None], name: str) -> None:
    message = MUTATIONS[name][1]
    if message is None:
        assert verdicts[name] is None
    else:
        assert verdicts[name] is not None, "nbval did not notice"
        assert message in verdicts[name]

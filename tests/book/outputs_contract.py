"""Pytest plugin on top of nbval: what a notebook prints is compared by meaning, number by number.

Load it with `-p tests.book.outputs_contract`, from the root of the repository:

    python -m pytest --nbval --nbval-current-env -p tests.book.outputs_contract notebooks

nbval re-runs every code cell. This plugin replaces nbval's cell class by `ContractCell`, whose
`sanitize` returns a `ContractText`: a `str` with a tolerant equality. The rules:

Words are compared exactly; a run of white space counts as one space, and white space at either end
of an output as none. Padding beside a number counts as none where a printed tensor needs it:
between punctuation and a number ("[ 0.5" is "[0.5"), between a number and one of `] ) } , ;`.

Numbers
    integers    exactly, as printed ("1,234" is not "1234"). A cell tagged `trained`: see below.
    decimals    (a point or an exponent) within max(1e-3 x |committed|, one unit of the last printed
                digit). When the two sides print different numbers of digits, the finer unit
                counts: "0.3" accepts "0.30000000000000004" but not "0.39".
    "5."        a float without printed decimals (as torch and numpy write them) has no last digit
                to spare: 1e-3 relative only. At the end of a sentence "5." is the integer 5 and a
                point.
    zero        -0.0 is 0.0, and -0 is 0.
    nan, inf    exactly, sign included.
    kind        an integer that turns into a decimal, or the other way round, is a difference.
    trained     (cell tag) any number within max(the above, 10 % of |committed|, 0.02).
    units       "1.25s", "0.5em", "93%": the number by the rules above, the unit as a word.
    words       "1.2.3", "v1.5", "x1", "GPT-2", "python-3.11", "#3E4A5B": digits inside an
                identifier, after a letter and a hyphen, or with two points, are words: exact.
                A bare "3.11" cannot be told from a decimal: print no versions.

Structure: the same outputs in the same order (after joining what went to one stream), each with the
same set of MIME types. A picture is not compared, but it must be there, on both sides; so is a
picture embedded in HTML as a data URL. `widget-view+json` is ignored (its ids are random, and
committed notebooks drop it).

A cell also fails when it was committed without having been run, when it is tagged `nbval-skip`, and
when there is text on stderr, in the committed notebook or now: a warning is a bug. Cells tagged
`live-only` (plain ipywidgets) are run, and only checked for errors and stderr: what an `Output`
widget captures reaches nbval as outputs of the cell but is not stored in a notebook.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import nbval.plugin
import pytest

RELATIVE = Decimal("1e-3")
TRAINED_RELATIVE = Decimal("0.1")
TRAINED_ABSOLUTE = Decimal("0.02")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"})

_EMBEDDED_PICTURE = re.compile(r"(data:image/(?:png|jpeg|gif|webp);base64,)[A-Za-z0-9+/=\s]+")
_NUMBER = re.compile(
    r"""
    (?P<special>
        (?: (?<![A-Za-z0-9_.)\]]) [+\-\u2212] )?
        (?<![A-Za-z0-9_]) (?: inf | nan | NaN ) (?![A-Za-z0-9_])
    )
  | (?P<grouped>                                     # 12,345.6 but not the list [12,345.6]
        (?<![A-Za-z0-9_.\#()\[\],]) [+\-\u2212]? (?<![A-Za-z]-)
        [0-9]{1,3} (?:,[0-9]{3})+ (?:\.[0-9]+)?
        (?! ,?[0-9] | \.[0-9] )
    )
  | (?P<plain>
        (?: (?<![A-Za-z0-9_.\#)\]]) [+\-\u2212] )?    # a sign, unless it joins two things: 3-5
        (?<![A-Za-z0-9_.\#]) (?<![A-Za-z]-)          # not inside an identifier
        (?:
            [0-9]+ \. [0-9]+
          | \. [0-9]+
          | [0-9]+ \. (?= [eE][+-]?[0-9] )
          | [0-9]+ \. (?= \s*[,\]] | \s+[+-]?(?:[0-9]*\.|nan|inf) )   # inside a printed array
          | (?: (?<=\() | (?<=\(-) ) [0-9]+ \. (?= \) )               # tensor(5.)
          | [0-9]+
        )
        (?: [eE][+-]?[0-9]{1,3} (?![A-Za-z0-9_]) )?
        (?! \.?[0-9] )                               # not the start of 1.2.3
    )
    """,
    re.VERBOSE,
)
_CLOSING = tuple("])},;")


class Token(NamedTuple):
    """A piece of an output: `kind` is "word", "integer", "decimal" or "special" (nan, inf)."""

    text: str
    kind: str
    glued: bool  # no white space between this token and the one before

    @property
    def is_number(self) -> bool:
        """Whether the token is a number (nan and inf included)."""
        return self.kind != "word"

    @property
    def value(self) -> Decimal:
        """The number that the token stands for (not for words, nan and inf)."""
        return Decimal(self.text.replace("\u2212", "-").replace(",", ""))

    @property
    def unit(self) -> Decimal:
        """One unit of the last printed digit; 0 for a float printed without decimals ("5.")."""
        mantissa, _, exponent = self.text.lower().partition("e")
        _, point, decimals = mantissa.partition(".")
        if point and not decimals and not exponent:
            return Decimal(0)
        return Decimal(1).scaleb(int(exponent or 0) - len(decimals))


def _words(chunk: str, at_start: bool) -> Iterator[Token]:
    for match in re.finditer(r"\S+", chunk):
        yield Token(match.group(), "word", glued=match.start() == 0 and not at_start)


def tokenize(text: str) -> list[Token]:
    """Split an output at its numbers and its white space."""
    text = _EMBEDDED_PICTURE.sub(r"\1(picture)", text)
    tokens: list[Token] = []
    end = 0
    for match in _NUMBER.finditer(text):
        tokens.extend(_words(text[end : match.start()], at_start=end == 0))
        number = match.group()
        if match["special"]:
            kind = "special"
        else:
            kind = "decimal" if re.search(r"[.eE]", number) else "integer"
        glued = match.start() > 0 and not text[match.start() - 1].isspace()
        tokens.append(Token(number, kind, glued))
        end = match.end()
    tokens.extend(_words(text[end:], at_start=end == 0))
    return tokens


def allowed_difference(committed: Token, now: Token, trained: bool) -> Decimal:
    """Return how far the number printed now may lie from the committed one."""
    if committed.kind == "integer":
        allowed = Decimal(0)
    else:
        allowed = max(RELATIVE * abs(committed.value), min(committed.unit, now.unit))
    if trained:
        allowed = max(allowed, TRAINED_RELATIVE * abs(committed.value), TRAINED_ABSOLUTE)
    return allowed


def _number_difference(committed: Token, now: Token, trained: bool) -> str | None:
    if committed.kind != now.kind:
        return f"committed {committed.text} ({committed.kind}), now {now.text} ({now.kind})"
    if committed.kind == "special":
        if committed.text == now.text:
            return None
        return f"committed {committed.text}, now {now.text}"
    if committed.kind == "integer" and not trained:
        zeros = committed.value == 0 == now.value
        same = committed.text.lstrip("+-\u2212") == now.text.lstrip("+-\u2212") and (
            zeros or committed.value == now.value
        )
        if same:
            return None
        return f"committed {committed.text}, now {now.text} (integers are compared exactly)"
    difference = abs(committed.value - now.value)
    allowed = allowed_difference(committed, now, trained)
    if difference <= allowed:
        return None
    rule = ", tag `trained`" if trained else ""
    return (
        f"committed {committed.text}, now {now.text} "
        f"(differs by {float(difference):.3g}, allowed {float(allowed):.3g}{rule})"
    )


def _space_matters(before: Token | None, token: Token) -> bool:
    if before is None:
        return False
    if token.is_number and not before.is_number:
        return before.text[-1].isalnum()
    return not (before.is_number and token.text.startswith(_CLOSING))


def _around(tokens: Sequence[Token], index: int, width: int = 6) -> str:
    """Show the tokens around `index`, the one in question between >> and <<."""
    first, last = max(0, index - width), min(len(tokens), index + width + 1)
    parts = ["... "] if first > 0 else []
    for i in range(first, last):
        text = tokens[i].text if len(tokens[i].text) <= 80 else tokens[i].text[:77] + "..."
        parts.append("" if i == first or tokens[i].glued else " ")
        parts.append(f">>{text}<<" if i == index else text)
    if index >= len(tokens):
        parts.append(" >>(end)<<")
    return "".join(parts) + (" ..." if last < len(tokens) else "")


def text_difference(committed: str, now: str, trained: bool = False) -> str | None:
    """Say how `now` differs from `committed` under the contract; `None` when it does not."""
    if str.__eq__(committed, now):
        return None
    left, right = tokenize(committed), tokenize(now)
    before = None
    for index in range(max(len(left), len(right))):
        problem = None
        if index >= len(right):
            problem = f"committed {left[index].text!r}, now the output has ended"
        elif index >= len(left):
            problem = f"now {right[index].text!r}, where the committed output has ended"
        elif left[index].is_number != right[index].is_number:
            problem = f"committed {left[index].text!r}, now {right[index].text!r}"
        elif left[index].is_number:
            problem = _number_difference(left[index], right[index], trained)
        elif left[index].text != right[index].text:
            problem = f"committed word {left[index].text!r}, now {right[index].text!r}"
        glue_differs = (
            index < min(len(left), len(right)) and left[index].glued != right[index].glued
        )
        if problem is None and glue_differs and _space_matters(before, left[index]):
            problem = f"white space before {left[index].text!r} on one side only"
        if problem is not None:
            return (
                f"token {index + 1} of {len(left)}: {problem}\n"
                f"  committed: {_around(left, index)}\n"
                f"  now:       {_around(right, index)}"
            )
        before = left[index]
    return None


class ContractText(str):
    """A string whose equality is the outputs contract.

    `self` is the committed side (nbval compares `committed != now`; for `plain == tolerant` Python
    asks the subclass first, so there too the tolerant side is the committed one). The relation is
    not transitive; equal texts have equal hashes, because the hash looks only at the words.
    """

    trained: bool

    def __new__(cls, text: str, trained: bool = False) -> ContractText:
        """Make a tolerant text; `trained` widens the tolerance of its numbers."""
        self = super().__new__(cls, text)
        self.trained = trained
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return NotImplemented
        return text_difference(str(self), str(other), self.trained) is None

    def __ne__(self, other: object) -> bool:
        if not isinstance(other, str):
            return NotImplemented
        return not self == other

    def __hash__(self) -> int:
        return hash(tuple(token.text for token in tokenize(str(self)) if not token.is_number))

    def __str__(self) -> str:
        return str.__str__(self)


def _mimes(output: Any) -> frozenset[str]:
    return frozenset(output.get("data", {})) - {WIDGET_VIEW}


def _comparable(outputs: Sequence[Any]) -> list[Any]:
    """Join the streams as nbval does and drop outputs that only a live widget could show."""
    joined = nbval.plugin.coalesce_streams(copy.deepcopy(list(outputs)))
    return [o for o in joined if o["output_type"] in ("stream", "error") or _mimes(o)]


def _kind(output: Any) -> str:
    if output["output_type"] == "stream":
        return output["name"]
    if output["output_type"] == "error":
        return f"error {output['ename']}"
    return f"{output['output_type']} with {', '.join(sorted(_mimes(output)))}"


def _kinds(outputs: Sequence[Any]) -> str:
    return "; ".join(_kind(output) for output in outputs) or "nothing"


def _fields(output: Any) -> dict[str, Any]:
    """Return what is compared of an output: name -> text (or JSON)."""
    if output["output_type"] == "stream":
        return {output["name"]: output["text"]}
    if output["output_type"] == "error":
        return {"ename": output["ename"], "evalue": output["evalue"]}
    mimes = sorted(_mimes(output) - PICTURES)
    return {mime: output["data"][mime] for mime in mimes}


def first_difference(
    committed: Sequence[Any], now: Sequence[Any], trained: bool = False
) -> str | None:
    """Say how the outputs of a cell differ under the contract; `None` when they do not."""
    left, right = _comparable(committed), _comparable(now)
    if [_kind(output) for output in left] != [_kind(output) for output in right]:
        return f"outputs differ in number, order or kind\n  committed: {_kinds(left)}\n" + (
            f"  now:       {_kinds(right)}"
        )
    for number, (old, new) in enumerate(zip(left, right, strict=True), start=1):
        for name, text in _fields(old).items():
            other = _fields(new)[name]
            if isinstance(text, str) and isinstance(other, str):
                problem = text_difference(text, other, trained)
            else:
                problem = None if text == other else f"committed {text!r}, now {other!r}"
            if problem is not None:
                return f"output {number} ({name}): {problem}"
    return None


def stderr_of(outputs: Sequence[Any]) -> str:
    """Return all that a cell wrote to stderr."""
    streams = [o for o in outputs if o["output_type"] == "stream" and o["name"] == "stderr"]
    return "".join(output["text"] for output in streams)


def tags_of(cell: Any) -> list[str]:
    """Return the tags of a cell."""
    return list(cell.get("metadata", {}).get("tags", []))


class ContractCell(nbval.plugin.IPyNbCell):
    """A notebook cell checked by nbval under the outputs contract."""

    @property
    def trained(self) -> bool:
        """Whether the cell's numbers come out of training in this notebook."""
        return "trained" in tags_of(self.cell)

    def sanitize(self, s: Any) -> Any:
        """Return text with tolerant equality."""
        s = super().sanitize(s)
        return ContractText(s, self.trained) if isinstance(s, str) else s

    def compare_outputs(self, test: Any, ref: Any, skip_compare: Any = None) -> bool:
        """Compare structure and text; keep the first difference for the report."""
        problem = first_difference(committed=ref, now=test, trained=self.trained)
        if problem is not None:
            self.comparison_traceback = [problem]
            return False
        return super().compare_outputs(test, ref, skip_compare)

    def format_output_compare(self, key: str, left: Any, right: Any) -> None:
        """Describe a difference that nbval itself found."""
        problem = None
        if isinstance(left, str) and isinstance(right, str):
            problem = text_difference(str(left), str(right), self.trained)
        self.comparison_traceback.append(f"{key}: {problem or f'{left!r} is now {right!r}'}")

    def runtest(self) -> None:
        """Run the cell (always: later cells need it), then apply what nbval lets pass."""
        problems = []
        if self.options["skip"]:
            problems.append("nbval-skip is not allowed: the cell must run")
            self.options["skip"] = False
        if self.cell.execution_count is None and self.cell.source.strip():
            problems.append("the cell was committed without being run (no execution_count)")
        if stderr_of(self.cell.outputs):
            problems.append(f"committed text on stderr: {stderr_of(self.cell.outputs)}")
        if "live-only" in tags_of(self.cell):
            self.options["check"] = False
        super().runtest()
        if stderr_of(self.test_outputs or []):
            problems.append(f"text on stderr in this run: {stderr_of(self.test_outputs)}")
        if problems:
            self.raise_cell_error("Cell breaks the outputs contract", "\n".join(problems))


class ContractFile(nbval.plugin.IPyNbFile):
    """A notebook whose cells are checked under the outputs contract."""

    def collect(self) -> Iterator[ContractCell]:
        """Yield a `ContractCell` for each cell that nbval collects."""
        for cell in super().collect():
            yield ContractCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Any, parent: Any) -> Any:
    """Replace nbval's collector of a notebook by ours."""
    collectors = yield
    return [
        ContractFile.from_parent(parent, path=file_path)
        if type(collector) is nbval.plugin.IPyNbFile
        else collector
        for collector in collectors
    ]

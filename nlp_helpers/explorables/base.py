"""The base of all explorables: one ES module, shown live by Jupyter and static by any browser.

A subclass names its module (`_source = "quiz.js"`), declares its state as traitlets tagged
`sync=True`, and gives a script-less reader a table or picture in `fallback_html`. The module ends
with exactly one `export default { render };`. Live, anywidget imports it. In a page, the same text
becomes an inline module script whose export is replaced by a call that mounts it with the state.
What only one explorable needs of style lies beside its module (`alignment.css`).
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import numpy as np
import traitlets

from nlp_helpers.plotting import COLORS

MAX_STATE_BYTES = 200_000
SIGNIFICANT_DIGITS = 6

_FOLDER = Path(__file__).parent
_EXPORT = "export default { render };"
_FALLBACK_NOTE = (
    "This is the printed form. The figure answers to mouse and keyboard in the book's pages, "
    "and in a notebook once its cell has run."
)
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
# Everything that could end or reopen a <script>, start a comment or an entity, close a string in
# an attribute, or end a line in older JavaScript. All of them occur in JSON inside strings only.
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&'\u2028\u2029"}


def script_json(value: Any) -> str:
    """Return `value` as JSON that is safe inside an inline `<script>`.

    Raises: ValueError if a number is not finite; TypeError if a value has no JSON form.
    """
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    # A lone surrogate is a legal Python character but no legal UTF-8.
    text = re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)
    return text.translate(_ESCAPES)


def rounded(value: Any, digits: int = SIGNIFICANT_DIGITS) -> Any:
    """Return `value` as plain JSON types, every float rounded to `digits` significant digits."""
    if isinstance(value, np.ndarray):
        return rounded(value.tolist(), digits)
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    if isinstance(value, float | np.floating):
        number = float(f"{float(value):.{digits}g}")
        return 0.0 if number == 0 else number  # -0.0 and 0.0 must give the same page
    if isinstance(value, np.integer):
        return int(value)
    return value


def real_array(value: Any, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return `value` as a finite float64 array of the given shape (None = any length >= 1).

    Raises: TypeError if the elements are not real numbers; ValueError for a wrong shape or a
    number that is not finite.
    """
    if hasattr(value, "detach"):  # a torch tensor, without importing torch
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular array of numbers: {error}") from None
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    wanted = "[" + ", ".join("any" if n is None else str(n) for n in shape) + "]"
    if array.ndim != len(shape):
        raise ValueError(f"{name} must have shape {wanted}, got {list(array.shape)}")
    if any(n is not None and n != m for n, m in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must have shape {wanted}, got {list(array.shape)}")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {list(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}")
    return array.astype(np.float64)


def text_of(value: Any, name: str) -> str:
    """Return `value` if it is a string with something to read in it.

    Raises: TypeError if it is not a string; ValueError if it is blank.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{name} must not be blank")
    return value


def check_name(name: Any) -> str:
    """Return `name` if it can name an explorable in a page.

    Raises: TypeError if it is not a string; ValueError if it is not lower-case words joined by
    hyphens, at most 64 characters.
    """
    text_of(name, "name")
    if len(name) > 64 or not _NAME.fullmatch(name):
        raise ValueError(
            f"name must be lower-case letters and digits joined by hyphens, such as "
            f"'hello-stepper' (at most 64 characters), got {name!r}"
        )
    return name


def index_of(value: Any, name: str, count: int) -> int:
    """Return `value` if it is an index into `count` things.

    Raises: TypeError if it is not an int; ValueError if it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    if not 0 <= value < count:
        raise ValueError(f"{name} must be between 0 and {count - 1}, got {value}")
    return int(value)


def html_table(caption: str, header: list[str], rows: list[list[str]]) -> str:
    """Return an HTML table of plain texts; the first cell of each row is its header."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{html.escape(first)}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return (
        f"<table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _channels(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def _luminance(channels: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio (1 to 21) of two colours given as '#rrggbb'.

    Source: WCAG 2.2, "contrast ratio" and "relative luminance".
    """
    low, high = sorted((_luminance(_channels(first)), _luminance(_channels(second))))
    return (high + 0.05) / (low + 0.05)


def readable(colour: str, background: str, ratio: float = 4.5) -> str:
    """Return `colour`, moved towards black or white until text in it is readable."""
    goal = 0.0 if _luminance(_channels(background)) > 0.18 else 1.0
    for step in range(101):
        mixed = [c + (goal - c) * step / 100 for c in _channels(colour)]
        candidate = "#" + "".join(f"{math.floor(c * 255 + 0.5):02x}" for c in mixed)
        if contrast(candidate, background) >= ratio:
            return candidate
    raise AssertionError("black or white is readable on every colour")


# The least favourable backgrounds that text in a role's colour meets: the tinted surfaces.
_LIGHT_SURFACE, _DARK_SURFACE = "#e6eaee", "#333d4b"


def role_css() -> str:
    """Return CSS variables for the book's colours: `--nlpx-<role>`, and `-text` for writing."""
    marks = "".join(f"--nlpx-{role}:{colour};" for role, colour in COLORS.items())

    def text(background: str) -> str:
        return "".join(
            f"--nlpx-{role}-text:{readable(colour, background)};" for role, colour in COLORS.items()
        )

    light, dark = text(_LIGHT_SURFACE), text(_DARK_SURFACE)
    return (
        f".nlpx{{{marks}{light}}}\n"
        "@media (prefers-color-scheme:dark){html:not([data-theme]) "
        f"body:not([data-jp-theme-light],.vscode-light) .nlpx{{{dark}}}}}\n"
        "html[data-theme=dark] .nlpx,[data-jp-theme-light=false] .nlpx,"
        f".vscode-dark .nlpx{{{dark}}}\n"
    )


class Explorable(anywidget.AnyWidget):
    """A figure that answers to the reader, with a kernel or without one.

    `name` identifies it in its page; each explorable of a notebook needs its own.

    Raises: TypeError or ValueError for a bad name; ValueError if the state is over 200 KB.
    """

    _source: ClassVar[str]
    _before: ClassVar[tuple[str, ...]] = ("common.js",)  # modules put in front of it
    title: ClassVar[str] = ""

    name = traitlets.Unicode(read_only=True).tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "_source" in cls.__dict__:
            module = (_FOLDER / cls._source).read_text(encoding="utf-8")
            before = [(_FOLDER / name).read_text(encoding="utf-8") for name in cls._before]
            cls._esm = check_module("\n".join([*before, module]), cls._source)
            cls._css = role_css() + (_FOLDER / "explorables.css").read_text(encoding="utf-8")
            own_style = (_FOLDER / cls._source).with_suffix(".css")
            if own_style.exists():
                cls._css += own_style.read_text(encoding="utf-8")
        super().__init_subclass__(**kwargs)

    def __init__(self, name: str, **state: Any) -> None:
        check_name(name)
        state = rounded(state)
        check_size(name, {"name": name, **state})
        super().__init__(**state)
        self.set_trait("name", name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def page_state(self) -> dict[str, Any]:
        """Return the state that the module reads, as plain JSON types with rounded floats."""
        inherited = set(anywidget.AnyWidget.class_trait_names())
        names = [n for n in self.trait_names(sync=True) if n not in inherited and n[0] != "_"]
        return rounded({name: getattr(self, name) for name in sorted(names)})

    def fallback_html(self) -> str:
        """Return what a reader without JavaScript sees: an HTML table or picture."""
        raise NotImplementedError(f"{type(self).__name__} needs a fallback_html")

    def to_html(self) -> str:
        """Return the explorable as one self-contained HTML fragment.

        Raises: ValueError if the state has grown over 200 KB.
        """
        state = check_size(self.name, self.page_state())
        module = str(self._esm).replace(_EXPORT, f"mount(render, {state});")
        return (
            f'<div class="nlpx-host" data-explorable="{self.name}">\n'
            f"<style>\n{self._css}</style>\n"
            f'<div class="nlpx nlpx-fallback"><p class="nlpx-title">{html.escape(self.title)}</p>\n'
            f"{self.fallback_html()}\n<p>{_FALLBACK_NOTE}</p>\n</div>\n"
            f'<script type="module">\n{module}</script>\n</div>'
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, "text/plain": repr(self), "text/html": self.to_html()}, metadata


def check_module(text: str, source: str) -> str:
    """Return the text of an ES module if it can be shown live and inline.

    Raises: ValueError if it has not exactly one export, at its end, or could end its script tag.
    """
    if text.count("export ") != 1 or not text.rstrip().endswith(_EXPORT):
        raise ValueError(f"{source} must end with its only export: {_EXPORT!r}")
    for forbidden in ("</script", "<script", "<!--", "://"):
        if forbidden in text.lower():
            raise ValueError(f"{source} must not hold {forbidden!r}: it is placed inside a page")
    return text


def check_size(name: str, state: dict[str, Any]) -> str:
    """Return the state as JSON for a script.

    Raises: ValueError if it takes more than 200 KB.
    """
    text = script_json(state)
    size = len(text.encode("utf-8"))
    if size > MAX_STATE_BYTES:
        raise ValueError(
            f"the state of {name!r} takes {size:,} bytes, the limit is {MAX_STATE_BYTES:,}: "
            "show fewer steps, units, prompts or pieces"
        )
    return text

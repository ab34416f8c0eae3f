"""What the chapters print as HTML: source code of the package, and tables."""

import ast
import html
import inspect
import itertools
import re
import textwrap
from pathlib import Path

from IPython.display import HTML
from pygments import lex
from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String

_PACKAGE = Path(__file__).resolve().parent
_LEXER = PythonLexer(stripnl=False, ensurenl=False)
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_NUMBER = re.compile(
    r"[-+\u2212\u00b1\u2264\u2265~<>]?\s*\d[\d,.\u202f ]*(e[-+]?\d+)?\s*[%\u00d7kMG]?"
    r"|[-\u2013\u2014]?"
)

# Each pair is (on a light page, on a dark page).
INK = ("#1F2A35", "#E3E8EC")
PAGE = ("#F6F7F8", "#1B2127")
HEAD = ("#E9ECEF", "#262E36")
RULE = ("#C9D0D6", "#46515B")
SYNTAX = {
    Comment: ("#56616B", "#A3B0BB"),
    String: ("#1C6B45", "#86D3A4"),
    Number: ("#8A4B00", "#F0B46A"),
    Keyword: ("#7A2E8E", "#D9A3EA"),
    Operator.Word: ("#7A2E8E", "#D9A3EA"),
    Name.Function: ("#0B5C96", "#84C4F2"),
    Name.Class: ("#0B5C96", "#84C4F2"),
    Name.Decorator: ("#8A4B00", "#F0B46A"),
    Name.Builtin: ("#0E6570", "#7FD3DE"),
    Name.Exception: ("#0E6570", "#7FD3DE"),
}


class Rendered(HTML):
    """HTML for the page, with a short plain text for places that show none."""

    def __init__(self, markup, plain):
        super().__init__(data=markup)
        self.plain = plain

    def __repr__(self):
        return self.plain


def show_source(obj, *, lines=None, only=None, docstring=True):
    """The source of a class or function of this package, highlighted, as the package runs it.

    `only` keeps a class's header and the named methods, `lines` the lines first to last (counted
    from 1 in what would be shown otherwise); `docstring=False` leaves every docstring out. What is
    left out is marked by a comment of three dots.

    Raises:
        TypeError: obj is not a class, function or method.
        ValueError: obj is not defined in nlp_helpers, has no such method, or has fewer lines.
    """
    obj, path = _located(obj)
    shown = textwrap.dedent(inspect.getsource(obj)).rstrip().split("\n")
    if only is not None:
        shown = _only_methods(shown, obj, (only,) if isinstance(only, str) else tuple(only))
    if not docstring:
        shown = _without_docstrings(shown)
    if lines is not None:
        shown = _line_range(shown, lines, obj)
    kind = "class " if inspect.isclass(obj) else "def "
    name = obj.__qualname__
    parts = "" if only is None else f" · {only if isinstance(only, str) else ', '.join(only)}"
    header = f"nlp_helpers/{path} · {kind}{name}{parts}"
    code = _highlight("\n".join(shown))
    region = html.escape(f"Source code of {name}{parts}")
    markup = (
        f'{_style()}<figure class="nh-source"><figcaption>{html.escape(header)}</figcaption>'
        f'<div class="nh-scroll" role="region" tabindex="0" aria-label="{region}">'
        f'<pre class="nh-code"><code>{code}</code></pre></div></figure>'
    )
    return Rendered(markup, f"<source of {header}>")


def table(rows, headers, caption, *, row_headers=True):
    """An accessible table of cells that the caller has already formatted.

    Columns whose cells are all numbers stand to the right. With `row_headers` the first cell of
    each row names the row.

    Shape: rows [rows][columns]; headers [columns]; every cell is shown as str(cell).
    Raises:
        ValueError: no rows or headers, an empty caption, or a row of another length.
    """
    headers = [str(entry) for entry in headers]
    rows = [[str(cell) for cell in row] for row in rows]
    if not headers or not rows:
        raise ValueError(f"a table needs headers and rows, got {len(headers)} and {len(rows)}")
    if not str(caption).strip():
        raise ValueError("caption is empty: say what the table shows")
    for i, row in enumerate(rows):
        if len(row) != len(headers):
            raise ValueError(f"row {i} has {len(row)} cells, the header has {len(headers)}: {row}")
    numeric = [all(_NUMBER.fullmatch(row[c].strip()) for row in rows) for c in range(len(headers))]
    side = [' class="nh-number"' if number else "" for number in numeric]
    esc = html.escape
    head = "".join(f'<th scope="col"{s}>{esc(h)}</th>' for h, s in zip(headers, side, strict=True))
    body = []
    for row in rows:
        cells = [f"<td{s}>{esc(cell)}</td>" for cell, s in zip(row, side, strict=True)]
        if row_headers:
            cells[0] = f'<th scope="row"{side[0]}>{esc(row[0])}</th>'
        body.append(f"<tr>{''.join(cells)}</tr>")
    markup = (
        f'{_style()}<div class="nh-table" role="region" tabindex="0" aria-label="{esc(caption)}">'
        f"<table><caption>{esc(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )
    return Rendered(markup, _plain_table(rows, headers, caption, numeric))


# ---- source ---------------------------------------------------------------------------------


def _located(obj):
    """The unwrapped object and its file's path inside the package."""
    obj = inspect.unwrap(obj) if callable(obj) else obj
    obj = getattr(obj, "__func__", obj)
    if not (inspect.isclass(obj) or inspect.isfunction(obj)):
        raise TypeError(
            f"show_source shows a class, function or method, got a {type(obj).__name__}: "
            "pass the class itself, not an object made from it"
        )
    try:
        file = Path(inspect.getsourcefile(obj) or "").resolve()
    except (TypeError, OSError):
        file = Path()
    if not file.is_relative_to(_PACKAGE):
        raise ValueError(
            f"{obj.__module__}.{obj.__qualname__} is not defined in nlp_helpers: "
            "show_source shows this package's own code"
        )
    return obj, file.relative_to(_PACKAGE).as_posix()


def _only_methods(source, obj, names):
    """The class's header, its docstring and the named methods, in the order of the source."""
    if not inspect.isclass(obj):
        raise ValueError(f"only=... chooses methods of a class; {obj.__qualname__} is a function")
    node = ast.parse("\n".join(source)).body[0]
    methods = {m.name: m for m in node.body if isinstance(m, _FUNCTION)}
    unknown = [name for name in names if name not in methods]
    if unknown or not names:
        raise ValueError(
            f"{obj.__name__} defines {', '.join(methods)}; only={names!r} does not fit"
        )
    start = _first_line(node.body[0])
    documented = ast.get_docstring(node, clean=False) is not None
    blocks = [(0, node.body[0].end_lineno if documented else start - 1)]
    chosen = [method for name, method in methods.items() if name in names]
    blocks += [(_first_line(method) - 1, method.end_lineno) for method in chosen]
    shown, end = [], 0
    for first, last in [*blocks, (len(source), len(source))]:
        if any(line.strip() for line in source[end:first]):
            shown += ["", "    # ..."]
        shown += [""] * (bool(shown) and first < last) + source[first:last]
        end = last
    return shown


def _first_line(node):
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _without_docstrings(source):
    """The lines without docstrings and the blank line after each; a lone docstring stays."""
    drop = set()
    for node in ast.walk(ast.parse("\n".join(source))):
        if not isinstance(node, (ast.ClassDef, *_FUNCTION)) or len(node.body) < 2:
            continue
        if ast.get_docstring(node, clean=False) is not None:
            first, last = node.body[0].lineno - 1, node.body[0].end_lineno
            blank = last < len(source) and not source[last].strip()
            drop.update(range(first, last + blank))
    return [line for i, line in enumerate(source) if i not in drop]


def _line_range(source, lines, obj):
    first, last = lines
    if not 1 <= first <= last <= len(source):
        raise ValueError(
            f"lines={lines} does not fit {obj.__qualname__}: it has 1 to {len(source)}"
        )
    before, after = ["# ..."] * (first > 1), ["# ..."] * (last < len(source))
    return before + source[first - 1 : last] + after


# ---- HTML -----------------------------------------------------------------------------------


def _highlight(code):
    """Python code as HTML spans whose classes name the kind of token."""
    tokens = ((_styled(kind), text) for kind, text in lex(code, _LEXER))
    pieces = []
    for kind, group in itertools.groupby(tokens, key=lambda token: token[0]):
        text = html.escape("".join(text for _, text in group))
        pieces.append(f'<span class="{_css_class(kind)}">{text}</span>' if kind else text)
    return "".join(pieces)


def _styled(kind):
    """The token kind, or its nearest ancestor, that has a colour; None for plain text."""
    while kind is not None and kind not in SYNTAX:
        kind = kind.parent
    return kind


def _css_class(kind):
    return "nh-" + "-".join(str(kind).lower().split(".")[1:])


def _style():
    """The style block: light colours, and dark ones where the page says that it is dark."""
    names = {"ink": INK, "page": PAGE, "head": HEAD, "rule": RULE}
    names |= {_css_class(kind)[3:]: pair for kind, pair in SYNTAX.items()}
    light, dark = ("".join(f"--nh-{n}:{p[i]};" for n, p in names.items()) for i in (0, 1))
    blocks = (".nh-source", ".nh-table")
    where = ('html[data-theme="dark"] ', 'body[data-jp-theme-light="false"] ', "body.vscode-dark ")
    tokens = "".join(
        f".nh-source .{_css_class(kind)}{{color:var(--nh-{_css_class(kind)[3:]})}}"
        for kind in SYNTAX
    )
    on_dark = ",".join(page + block for page in where for block in blocks)
    return (
        f"<style>{','.join(blocks)}{{{light}}}{on_dark}{{color-scheme:dark;{dark}}}"
        f"{_RULES}{tokens}</style>"
    )


_RULES = (
    ".text_html:has(.nh-source,.nh-table){background:transparent!important;padding:0!important}"
    ".nh-source{margin:.5em 0;border:1px solid var(--nh-rule);border-radius:6px;overflow:hidden;"
    "background:var(--nh-page);color:var(--nh-ink);text-align:left;max-width:100%}"
    ".nh-source figcaption{margin:0;padding:.35em .9em;font:600 .82em/1.5 system-ui,sans-serif;"
    "background:var(--nh-head);color:var(--nh-ink);border-bottom:1px solid var(--nh-rule);"
    "text-align:left;overflow-wrap:anywhere}"
    ".nh-scroll,.nh-table{overflow-x:auto}"
    ".nh-scroll:focus-visible,.nh-table:focus-visible{outline:2px solid #3B82C4;"
    "outline-offset:-2px}"
    ".nh-source pre.nh-code{margin:0;padding:.8em .9em;border:0;border-radius:0;box-shadow:none;"
    "background:transparent;color:inherit;font:.8em/1.55 ui-monospace,SFMono-Regular,Menlo,"
    "Consolas,'DejaVu Sans Mono',monospace;white-space:pre;overflow:visible;width:max-content;"
    "min-width:100%;box-sizing:border-box}"
    ".nh-source pre.nh-code code{background:none;border:0;padding:0;color:inherit;font:inherit;"
    "white-space:pre}"
    ".nh-table{margin:.5em 0;color:var(--nh-ink)}"
    ".nh-table table{border-collapse:collapse;margin:0;width:auto;font-size:.95em;border:0;"
    "background:var(--nh-page);color:var(--nh-ink)}"
    ".nh-table caption{caption-side:top;text-align:left;padding:.4em .2em;font-weight:600;"
    "color:var(--nh-ink);background:var(--nh-page)}"
    ".nh-table th,.nh-table td{padding:.32em .8em;text-align:left;border:0;"
    "border-bottom:1px solid var(--nh-rule);background:var(--nh-page);color:var(--nh-ink);"
    "white-space:normal;max-width:none}"
    ".nh-table thead th{background:var(--nh-head);font-weight:600}"
    ".nh-table tbody th{font-weight:500}"
    ".nh-table .nh-number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
)


def _plain_table(rows, headers, caption, numeric):
    """The table as aligned text."""
    widths = [max(len(row[c]) for row in [headers, *rows]) for c in range(len(headers))]
    lines = [str(caption)]
    for row in [headers, ["-" * width for width in widths], *rows]:
        cells = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numeric, strict=True)
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)

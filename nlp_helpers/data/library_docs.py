"""``library-docs``: real English and real code from the docstrings of installed libraries.

numpy, scipy and scikit-learn are read, never imported: their installed ``.py`` files are parsed
with ``ast``. A passage is a paragraph. The rules, in the order in which they apply:

1. Files: all ``.py`` files below the three packages in sorted order, without tests, without code
   that was vendored from elsewhere, and without files that a build writes (they differ between
   platforms).
2. Docstrings: of modules, classes and functions, and the strings given to ``add_newdoc``.
3. Blocks: a docstring falls into paragraphs at blank lines, at changes of indentation, and at
   list items. Doctests (``>>>``), the bodies of code directives, and literal blocks (after
   ``::``) that parse as Python are *code*. Section titles, tables, references, "See Also",
   maths, and all other directives are dropped; the body of a note or warning is read as text.
4. Prose: light reST markup is taken away, and what then reads as whole English sentences (see
   ``is_prose``) stays. A last sentence that only announces what follows (it ends in a colon) is
   cut. Signatures, terms and fragments do not pass.
5. Passages with characters outside printable ASCII (after quotes and dashes) are dropped.
6. Duplicates: of passages that differ only in numbers, inline code or identifiers the first stays.
7. Splits go by file, so the passages of one module stay on one side; a validation or test
   passage most of whose 8-word sequences also occur in train is dropped.
"""

import ast
import importlib.metadata
import importlib.util
import inspect
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nlp_helpers.data.splits import split_of

LIBRARIES = {"numpy": "numpy", "scipy": "scipy", "scikit-learn": "sklearn"}  # name: package
EXTRACTOR_VERSION = 1  # raise it with every change of the rules: it is part of the cache's name
SALT = "library-docs:"  # of the split: gives near 90/5/5 of the characters, not only of the files

_SKIPPED_FOLDERS = {
    *("tests", "_test_common", "distutils"),  # distutils: only on Python 3.11
    *("externals", "array_api_compat", "array_api_extra", "_external", "_vendored"),
}
_SKIPPED_FILES = re.compile(r"__config__|version|_version|_distributor_init\w*|conftest|setup")

_UNDERLINE = re.compile(r"([=\-~^*\"'#+.])\1{2,}$")
_TABLE_BORDER = re.compile(r"(=+|-+)(\s+(=+|-+))+$|\+[-=+]+\+$|\|.*\|$")
_DIRECTIVE = re.compile(r"\.\.(?:\s+([\w:-]+)::(.*)|\s.*|)$")
_FIELD = re.compile(r":[\w -]+:(\s|$)")
_LIST_ITEM = re.compile(r"([-*+]|\(?\d{1,2}[.)]|\(?[a-zA-Z][.)]|#\.)\s+(?=\S)")
_CODE_DIRECTIVES = {"code", "code-block", "sourcecode", "plot", "testcode", "ipython"}
_TEXT_DIRECTIVES = {"note", "warning", "tip", "important", "caution", "hint", "attention"}
_DROPPED_SECTIONS = {"references", "see also", "reference", "bibliography", "routine listings"}

_QUOTES = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "…": "...", " ": " "}
)
_UNREADABLE = re.compile(
    r"https?:|www\.|Copyright|%\(|\$|\|\w+\||:(ref|doc|pep|doi|arxiv|issue|gh):`[^<`]+`"
)
_PLAIN_MATH = re.compile(r"[A-Za-z0-9 ,.=<>+\-/()]+")
_INLINE_CODE = re.compile(r"(:[\w:+-]+:)?(`+)[^`]+\2_{0,2}")
_IDENTIFIER = re.compile(r"\S*[\w)][_.(=]\w\S*|\S*\d\S*|\w+[a-z][A-Z]\w*|'[^' ]*'|\"[^\" ]*\"")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_FUNCTION_WORD = re.compile(
    r"(?:a|an|the|this|that|these|those|it|its|is|are|was|be|been|being|will|would|can|could|may"
    r"|might|must|should|shall|has|have|had|do|does|not|no|if|then|else|when|where|which|who"
    r"|what|while|and|or|but|nor|of|in|on|at|to|for|from|by|with|without|as|than|into|over"
    r"|under|between|per|each|all|any|some|both|only|also|such|more|most|other|same|there|they"
    r"|their|we|you|your|so|because|since|however|thus|therefore)"
)


def installed_versions() -> dict[str, str]:
    """The installed versions of the three libraries.

    Raises:
        RuntimeError: one is not installed.
    """
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            raise _missing(library) from None
    return versions


def package_folder(library: str) -> Path:
    """The folder that a library is installed in, found without importing it.

    Raises:
        RuntimeError: it is not installed, or not as a folder.
    """
    spec = importlib.util.find_spec(LIBRARIES[library])
    if spec is None or not spec.submodule_search_locations:
        raise _missing(library)
    return Path(next(iter(spec.submodule_search_locations)))


def _missing(library: str) -> RuntimeError:
    return RuntimeError(
        f"the corpus 'library-docs' is read from the docstrings of {', '.join(LIBRARIES)}, and "
        f"{library} is not installed: install the book's requirements.txt"
    )


def extract() -> tuple[list[dict[str, str]], Counter]:
    """Read the three libraries and return their passages and what was dropped, counted by reason.

    Each passage is a dict with text, kind, library, subpackage, source and split.

    Raises:
        RuntimeError: a library is not installed.
    """
    passages: list[dict[str, str]] = []
    dropped: Counter = Counter()
    seen: set[str] = set()
    for library in LIBRARIES:
        folder = package_folder(library)
        for path in source_files(folder):
            source = path.relative_to(folder.parent).as_posix()
            labels = {
                "library": library,
                "subpackage": ".".join(source.split("/")[:-1][:2]),
                "source": source,
                "split": split_of(source, SALT),
            }
            for docstring in docstrings(path.read_text(encoding="utf-8")):
                for kind, raw in blocks(docstring):
                    text, reason = (prose if kind == "prose" else code)(raw)
                    if not reason:
                        keys = {text, duplicate_key(raw) if kind == "prose" else text}
                        reason = "" if seen.isdisjoint(keys) else "duplicate"
                        seen |= keys
                    if reason:
                        dropped[f"{kind}: {reason}"] += 1
                    else:
                        passages.append({"text": text, "kind": kind, **labels})
    kept = decontaminate(passages)
    dropped["held out: mostly in train"] = len(passages) - len(kept)
    return kept, dropped


def source_files(folder: Path) -> list[Path]:
    """The ``.py`` files of a package that are read, sorted by their path."""
    files = []
    for path in folder.rglob("*.py"):
        inside = path.relative_to(folder)
        if not _SKIPPED_FOLDERS.intersection(inside.parts) and not _SKIPPED_FILES.fullmatch(
            path.stem
        ):
            files.append(path)
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def docstrings(source: str) -> list[str]:
    """The documentation strings of one file's source, in the order of the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in other people's strings
        tree = ast.parse(source)
    found = []
    for node in _statements(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if text := ast.get_docstring(node):
                found.append((node.body[0].lineno, text))
        elif "add_newdoc" in _called_name(node):
            found += [
                (part.lineno, inspect.cleandoc(part.value))
                for argument in node.value.args
                for part in _constants(argument)
                if isinstance(part.value, str) and "\n" in part.value
            ]
    return [text for _, text in sorted(found, key=lambda pair: pair[0])]


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all statements below it; expressions are not entered (half the time)."""
    yield node
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, ()):
            yield from _statements(child)


def _called_name(node: ast.AST) -> str:
    """The name that a statement calls, or "" if it is not a call."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return ""
    function = node.value.func
    return getattr(function, "id", getattr(function, "attr", ""))


def _constants(node: ast.AST) -> Iterator[ast.Constant]:
    if isinstance(node, ast.Constant):
        yield node
    elif not isinstance(node, ast.JoinedStr):  # the pieces of an f-string are fragments
        for child in ast.iter_child_nodes(node):
            yield from _constants(child)


class _BlockReader:
    """Sorts the lines of one docstring into blocks of prose and code."""

    def __init__(self) -> None:
        self.blocks: list[tuple[str, str]] = []
        self.lines: list[str] = []  # of the paragraph being read
        self.indent = 0  # of that paragraph
        self.hanging = False  # a list item: its later lines may be indented further
        self.tainted = False  # part of a table or of a section that is dropped
        self.section = ""
        self.body: str | None = None  # inside an indented body: "code" or "dropped"
        self.body_indent = 0
        self.code: list[str] = []
        self.doctest = False

    def read(self, docstring: str) -> list[tuple[str, str]]:
        for line in docstring.expandtabs().splitlines():
            self._line(line.rstrip())
        self._flush()
        self._flush_code()
        return self.blocks

    def _line(self, line: str) -> None:
        text = line.lstrip()
        indent = len(line) - len(text)
        if not text:
            self._flush()
            self._flush_code()
        elif self.doctest:
            self.code.append(line)
        elif self.body is not None and indent > self.body_indent:
            if self.body == "code":
                self.doctest = text.startswith(">>>")
                self.code.append(line)
        elif text.startswith(">>>"):
            self._flush()
            self.body, self.doctest = None, True
            self.code.append(line)
        else:
            self._flush_code()
            self.body = None
            self._text(text, indent)

    def _text(self, text: str, indent: int) -> None:
        if _UNDERLINE.match(text):
            if len(self.lines) == 1:
                self.section = self.lines[0].lower()
            self.lines, self.tainted = [], False
        elif _TABLE_BORDER.match(text):
            self.tainted = True
        elif text.startswith("..") and (directive := _DIRECTIVE.match(text)):
            self._directive(directive, indent)
        elif _FIELD.match(text):
            self._flush()
        else:
            self._paragraph(text, indent)
            self.tainted |= self.section in _DROPPED_SECTIONS  # kept for now: it may be a title

    def _directive(self, directive: re.Match, indent: int) -> None:
        self._flush()
        name, argument = directive.groups()
        if name in _TEXT_DIRECTIVES:
            if argument.strip():
                self._paragraph(argument.strip(), indent)
                self.hanging = True
        else:
            self.body = "code" if name in _CODE_DIRECTIVES else "dropped"
            self.body_indent = indent

    def _paragraph(self, text: str, indent: int) -> None:
        item = _LIST_ITEM.match(text)
        deeper = indent > self.indent
        if item and (not self.lines or self.hanging or deeper):
            self._flush()
            text, self.hanging = text[item.end() :], True
            self.indent = indent
        elif self.lines and indent != self.indent and not (self.hanging and deeper):
            self._flush()
        if not self.lines:
            self.indent = indent
        self.tainted |= bool(re.search(r"[^.?!:]\s{3,}\S", text))
        self.lines.append(text)

    def _flush(self) -> None:
        text = " ".join(self.lines)
        if text.endswith("::"):
            self.body, self.body_indent = "code", self.indent
            text = text[:-1]
        if text and not self.tainted:
            self.blocks.append(("prose", text))
        self.lines, self.hanging, self.tainted = [], False, False

    def _flush_code(self) -> None:
        if self.code:
            self.blocks.append(("code", inspect.cleandoc("\n" + "\n".join(self.code))))
        self.code, self.doctest = [], False


def blocks(docstring: str) -> list[tuple[str, str]]:
    """Cut a docstring into ``("prose" or "code", raw text)`` blocks (rule 3).

    Lines of prose are joined by a space; lines of code stay, without their common indentation.
    """
    return _BlockReader().read(docstring)


def prose(raw: str) -> tuple[str, str]:
    """Clean a raw prose block (rule 4); returns the text and, if it is to be dropped, why."""
    if re.search(
        r"https?:|Copyright|www\.|%\(|\$|\|\w+\||:(ref|doc|pep|doi|arxiv|issue|gh):`[^<`]+`", raw
    ):
        return "", "address, placeholder or bare reference"
    for formula in re.findall(r":math:`([^`]*)`", raw):
        if not _PLAIN_MATH.fullmatch(formula):
            return "", "maths"
    text = strip_markup(raw).translate(_QUOTES)
    if not text.isascii():
        return "", "not ASCII"
    if text.endswith(":"):
        text = text[: -len(_SENTENCE_END.split(text)[-1])].rstrip()
    return (text, "") if is_prose(text) else ("", "not whole sentences")


def strip_markup(raw: str) -> str:
    """Take light reST markup out of a paragraph and make each run of white space one space."""
    text = re.sub(r":[\w:+-]+:`~?!?([^`<]+?)\s*<[^`>]*>`", r"\1", raw)  # :role:`text <target>`
    text = re.sub(r":[\w:+-]+:`~[^`]*?(\w+)`", r"\1", text)  # :role:`~a.b` -> b
    text = re.sub(r":[\w:+-]+:`!?([^`]+)`", r"\1", text)  # :role:`x` -> x
    text = re.sub(r"\s*\[[\w*#.+-]+\]_(?!\w)", "", text)  # citations [1]_
    text = re.sub(r"\s*\((see|see also|cf\.?|from|in|e\.g\.,?)?[\s,]*\)(?!`|\w)", _cited, text)
    text = re.sub(r"``(.+?)``", r"\1", text)
    text = re.sub(r"`~?([^`<]+?)\s*<[^`>]*>`_{0,2}", r"\1", text)  # `text <target>`_
    text = re.sub(r"`~?([^`]+)`_{0,2}", r"\1", text)
    text = re.sub(r"(?<![\w*])(\*\*?)(?![\s*])([^*]*[^\s*])\1(?![\w*])", r"\2", text)
    text = re.sub(r"\\ ", "", text)
    text = re.sub(r"\s+([.,;:])(?=\s|$)", r"\1", text)
    return " ".join(text.split())


def _cited(match: re.Match) -> str:
    """Brackets that held only a citation go; an empty call ``f()`` stays."""
    return match[0] if match[0] == "()" else ""


def is_prose(text: str) -> bool:
    """Say whether a cleaned paragraph reads as whole English sentences (rule 4).

    It starts with a capital and ends with a full stop, has at least 40 characters and 6 words,
    is letters and spaces for at least 86 %, has at least one function word in ten words, closes
    its brackets and quotes, and holds nothing that looks like markup, code or a lost citation.
    """
    words = re.findall(r"[A-Za-z]+(?:'[a-z]+)?", text)
    if len(text) < 40 or len(words) < 6 or not re.match(r"[A-Z]", text):
        return False
    if not re.search(r"[.!?][)\"']?$", text) or text.endswith("..."):
        return False
    if re.search(r"[`\\{}|@^~]|\*\*|::|>>>|\]_|__|--|\s:\s|[=<>*/+-]\s.*[=<>*/+]\s|\w\[|;$", text):
        return False
    if re.search(r"\b(in|see|from|of|the|with|by)[.,;)]|\b(to|and|also|cf|or)[.;)]", text):
        return False  # a citation stood here
    if any(text.count(a) != text.count(b) for a, b in ("()", "[]")) or text.count('"') % 2:
        return False
    plain = sum(c.isalpha() or c == " " for c in text)
    function_words = sum(_FUNCTION_WORD.fullmatch(word.lower()) is not None for word in words)
    return plain >= 0.86 * len(text) and function_words * 10 >= len(words)


def code(raw: str) -> tuple[str, str]:
    """Check a raw code block (rule 3); returns the text and, if it is to be dropped, why."""
    text = "\n".join(line.rstrip() for line in raw.splitlines())
    if not text.isascii() or not text.replace("\n", "").isprintable():
        return "", "not ASCII"
    if text.startswith(">>>"):
        return (text, "") if len(text) >= 10 else ("", "not Python")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError):
        return "", "not Python"
    return (
        (text, "") if len(text) >= 10 and re.search(r"[=(]|import ", text) else ("", "not Python")
    )


def duplicate_key(raw: str) -> str:
    """What is left of a raw prose block without inline code, identifiers, numbers and case."""
    text = _IDENTIFIER.sub(" x ", _INLINE_CODE.sub(" x ", raw))
    return " ".join(re.findall(r"[a-z]+", text.lower()))


def decontaminate(passages: list[dict[str, str]], n_words: int = 8) -> list[dict[str, str]]:
    """Drop held-out prose of which more than half of the 8-word sequences occur in train."""
    train: set[int] = set()
    for passage in passages:
        if passage["kind"] == "prose" and passage["split"] == "train":
            train.update(_sequences(passage["text"], n_words))
    kept = []
    for passage in passages:
        if passage["kind"] == "prose" and passage["split"] != "train":
            sequences = _sequences(passage["text"], n_words)
            if sum(s in train for s in sequences) * 2 > len(sequences):
                continue
        kept.append(passage)
    return kept


def _sequences(text: str, n_words: int) -> list[tuple[str, ...]]:
    words = re.findall(r"[a-z]+", text.lower())
    return [tuple(words[i : i + n_words]) for i in range(max(1, len(words) - n_words + 1))]

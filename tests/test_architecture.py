"""Promises about the shape of the package: which way imports point, and how long things get."""

import ast
from pathlib import Path

import pytest

import nlp_helpers

PACKAGE = Path(nlp_helpers.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)
TOOLS = sorted((PACKAGE.parent / "tools").glob("*.py"))

# module or folder -> what it must not import
FORBIDDEN = {
    "models": (
        "data",
        "training",
        "plotting",
        "diagrams",
        "explorables",
        "exercises",
        "pretrained",
        "elmo_files",
        "gpt_files",
        "bert_files",
        "downloads",
    ),
    "training": ("models", "data", "plotting", "explorables"),
    "decoding": ("models", "data", "plotting", "explorables"),
    "metrics": ("models", "data", "plotting", "explorables"),
    "plotting": ("models", "data", "training"),
    "diagrams": ("models", "data", "training"),
    "explorables": ("models", "data", "training"),
    "data": (
        "models",
        "training",
        "plotting",
        "explorables",
        "exercises",
        "pretrained",
        "elmo_files",
        "gpt_files",
        "bert_files",
    ),
    "downloads": ("models", "data", "training", "plotting", "explorables", "pretrained"),
}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(source: str) -> set[str]:
    """The parts of nlp_helpers that a module imports: 'models', 'training', ..."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("nlp_helpers.")}
    return found


def long_functions(source: str, limit: int) -> list[str]:
    """Functions whose code, without docstring and signature, is longer than the limit."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body and body[-1].end_lineno - body[0].lineno + 1 > limit:
                found.append(node.name)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_one_way(path):
    forbidden = FORBIDDEN.get(part_of(path), ())
    assert not imports_of(path.read_text(encoding="utf-8")) & set(forbidden)


@pytest.mark.parametrize("path", [*MODULES, *TOOLS], ids=lambda p: f"{p.parent.name}/{p.name}")
def test_functions_are_short(path):
    assert not long_functions(path.read_text(encoding="utf-8"), limit=40)


@pytest.mark.parametrize(
    "path", [p for p in MODULES if part_of(p) == "models"], ids=lambda p: p.stem
)
def test_model_files_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 230


def test_the_checks_see_what_they_look_for():
    source = "from nlp_helpers.models.rnn import RNN\nimport nlp_helpers.training\nimport math\n"
    assert imports_of(source) == {"models", "training"}
    long = "def f():\n" + "    x = 1\n" * 41
    assert long_functions(long, limit=40) == ["f"]
    assert long_functions('def f():\n    """Doc."""\n' + "    x = 1\n" * 40, limit=40) == []

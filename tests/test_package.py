"""The wheel holds everything the package needs at run time, and the package's map is complete."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import nlp_helpers

PACKAGE = Path(nlp_helpers.__file__).parent
MB = 2**20


def data_files(*suffixes: str) -> set[str]:
    return {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.suffix in suffixes and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel_names(root, tmp_path_factory) -> set[str]:
    """Names inside a wheel built from a copy of the sources, without any network."""
    copy = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    shutil.copytree(root / "nlp_helpers", copy / "nlp_helpers", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text", "NOTICE"):
        shutil.copy(root / name, copy / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "out", "."]
    result = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    (wheel,) = (copy / "out").glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.parametrize("suffix", [".py", ".js", ".css"])
def test_wheel_holds_every_file_of_a_kind(wheel_names, suffix):
    expected = data_files(suffix)
    assert expected, f"the package has no {suffix} file"
    assert expected - wheel_names == set()


def test_wheel_holds_every_checkpoint_and_its_description(wheel_names):
    expected = data_files(".safetensors", ".json")
    assert expected - wheel_names == set()


def test_wheel_holds_licences_and_nothing_of_the_book(wheel_names):
    for licence in ("LICENSE", "LICENSE-text", "NOTICE"):
        assert any(name.endswith(f"licenses/{licence}") for name in wheel_names), licence
    outside = {name for name in wheel_names if not name.startswith("nlp_helpers")}
    assert outside == {name for name in outside if ".dist-info/" in name}


def test_checkpoints_are_small_and_described():
    weights = sorted((PACKAGE / "checkpoints").glob("*.safetensors"))
    sizes = {path.name: path.stat().st_size for path in weights}
    assert all(size <= 8 * MB for size in sizes.values()), sizes
    assert sum(sizes.values()) <= 40 * MB, sizes
    for path in weights:
        described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        assert described, f"{path.stem}.json says nothing"


def test_the_docstring_maps_every_module():
    text = nlp_helpers.__doc__
    modules = {p for p in PACKAGE.rglob("*.py") if not p.name.startswith("_")}
    assert modules
    missing = sorted(str(p.relative_to(PACKAGE)) for p in modules if p.name not in text)
    assert missing == [], f"add to the docstring of nlp_helpers: {missing}"


def test_the_map_names_nothing_that_is_gone():
    present = {p.name for p in PACKAGE.rglob("*.py")}
    named = {word for word in nlp_helpers.__doc__.replace(",", " ").split()
             if word.endswith(".py")}  # fmt: skip
    assert named <= present, sorted(named - present)


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys, nlp_helpers; print([m for m in ('torch', 'numpy', 'matplotlib', 'anywidget')"
        " if m in sys.modules], [m for m in sys.modules if m.startswith('nlp_helpers.')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[] []"

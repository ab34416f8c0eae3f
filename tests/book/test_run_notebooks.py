"""Re-execution in place: reproducible bytes, whole files, honest reports; and the test matrix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import run_notebooks, test_matrix
from tools.run_notebooks import (
    NotebookFailed,
    Run,
    check_file,
    dumps,
    normalise,
    read,
    report,
    run_file,
)

SOURCES = [
    "import os, sys, ipywidgets\nfrom pathlib import Path\nfrom IPython.display import HTML",
    "print('a', flush=True)\nprint('b')",
    "HTML('<b>0.500</b>')",
    "ipywidgets.IntSlider()",
    "",
    "print(Path.cwd().name, os.environ.get('OMP_NUM_THREADS'))",
    "block = bytearray(300 * 2**20)\nlen(block)",
]


def save(path: Path, *sources: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [new_markdown_cell("# Title"), *map(new_code_cell, sources)]
    cells[1]["metadata"] = {"execution": {"iopub.status.busy": "2026"}, "tags": ["trained"]}
    metadata = {"widgets": {}, "language_info": {"name": "python", "version": "3"}}
    nb = new_notebook(cells=cells, metadata=metadata)
    path.write_text(json.dumps(nb), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run, list[str]]:
    """Run a notebook in place; also return its cell ids from before."""
    path = save(tmp_path_factory.mktemp("a") / "here" / "01_a.ipynb", *SOURCES)
    ids = [cell["id"] for cell in json.loads(path.read_text())["cells"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "7")
        run = run_file(path)
    return path, run, ids


def printed(path: Path, index: int) -> str:
    return read(path).cells[index].outputs[0].text


def test_a_run_notebook_is_normalised(first) -> None:
    path, _, ids = first
    text = path.read_text(encoding="utf-8")
    raw = json.loads(text)
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")
    assert json.dumps(raw, sort_keys=True, indent=1, ensure_ascii=False) + "\n" == text
    assert [cell["id"] for cell in raw["cells"]] == ids
    counts = [c["execution_count"] for c in raw["cells"] if c["cell_type"] == "code"]
    assert counts == [1, 2, 3, 4, None, 5, 6]
    assert raw["cells"][1]["metadata"] == {"tags": ["trained"]}
    assert "widget" not in json.dumps([cell["outputs"] for cell in raw["cells"][1:]])
    assert raw["metadata"]["kernelspec"] == run_notebooks.KERNELSPEC
    assert set(raw["metadata"]) == {"kernelspec", "language_info"}
    assert "version" not in raw["metadata"]["language_info"]
    assert raw["cells"][2]["outputs"][0]["text"] == ["a\n", "b\n"]
    assert len(raw["cells"][2]["outputs"]) == 1
    assert raw["cells"][4]["outputs"][0]["data"] == {"text/plain": ["IntSlider(value=0)"]}


def test_solutions_and_hidden_assertions_are_folded_in_lab() -> None:
    cells = [nbformat.v4.new_code_cell("x = 1") for _ in range(3)]
    cells[1].metadata["tags"] = ["solution", "hide-cell"]
    cells[2].metadata["tags"] = ["remove-cell"]
    nb = run_notebooks.normalise(nbformat.v4.new_notebook(cells=cells))
    folded = [cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in nb.cells]
    assert folded == [False, True, True]


def test_a_second_run_gives_the_same_bytes(first) -> None:
    path, _, _ = first
    before = path.read_bytes()
    run_file(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_kernel_runs_beside_the_notebook_with_the_books_threads(first) -> None:
    assert printed(first[0], 6) == "here None\n"


def test_threads_can_be_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    path = save(tmp_path / "01_a.ipynb", "import os\nprint(os.environ['OMP_NUM_THREADS'])")
    run_file(path, keep_env=True)
    assert printed(path, 1) == "7\n"


def test_report_names_seconds_memory_and_slow_cells(first) -> None:
    path, run, _ = first
    assert 300 < run.mebibytes < 2000
    assert sum(seconds for seconds, _, _ in run.cells) < run.seconds
    lines = report(path, run, time_cells=2).split("\n")
    assert lines[0].startswith(f"01_a.ipynb: {run.seconds:.1f} s, peak memory {run.mebibytes:.0f}")
    assert len(lines) == 3
    over = report(path, Run(91.0, 3000.0, []))
    assert "OVER the 90 s" in over
    assert "OVER the 2 GiB" in over


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("print(1)\n1 / 0", "ZeroDivisionError"),
        ("import warnings\nwarnings.warn('old')", "writes to stderr"),
        ("import time\ntime.sleep(60)", "took more than 2 s"),
        ("import os\nos._exit(1)", "the kernel died"),
    ],
)
def test_failure_leaves_the_file_alone(tmp_path: Path, source: str, message: str, capsys) -> None:
    path = save(tmp_path / "01_a.ipynb", "print('fine')", source, "print('never')")
    before = path.read_bytes()
    assert run_notebooks.main([str(path), "--timeout", "2"]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "FAILED, file unchanged" in err
    assert "\x1b" not in err
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_stops_at_the_first_failure(tmp_path: Path) -> None:
    bad = save(tmp_path / "01_bad.ipynb", "1 / 0")
    good = save(tmp_path / "02_good.ipynb", "print(1)")
    before = good.read_bytes()
    assert run_notebooks.main([str(bad), str(good)]) == 1
    assert good.read_bytes() == before


def test_check_compares_and_writes_nothing(tmp_path: Path, capsys) -> None:
    path = save(tmp_path / "01_a.ipynb", "print(1)", "print('loss 0.5000')")
    _, problems = check_file(path)
    assert problems == [f"cell {index}: committed without being run" for index in (1, 2)]
    assert run_notebooks.main([str(path), "--time-cells", "1"]) == 0
    assert "  cell   " in capsys.readouterr().out
    path.write_text(path.read_text().replace("loss 0.5000\\n", "loss 0.9000\\n"))
    before = path.read_bytes()
    assert run_notebooks.main([str(path), "--check"]) == 1
    assert "cell 2: output 1 (stdout): token 2 of 2: committed 0.9000, now 0.5000" in (
        capsys.readouterr().out
    )
    path.write_text(path.read_text().replace("loss 0.9000\\n", "loss  0.5001\\n"))
    assert run_notebooks.main([str(path), "--check"]) == 0
    assert "same outputs" in capsys.readouterr().out
    assert len(path.read_bytes()) == len(before) + 1


def test_streams_are_joined_where_they_touch() -> None:
    def stream(text: str, name: str = "stdout") -> Any:
        return new_output("stream", name=name, text=text)

    page = new_output("display_data", data={"text/html": "x"})
    cell = new_code_cell("x", outputs=[stream("a"), stream("b"), page, stream("c")])
    nb = normalise(nbformat.from_dict(new_notebook(cells=[cell])))
    assert [output.get("text") for output in nb.cells[0].outputs] == ["ab", None, "c"]


def test_missing_ids_do_not_become_random(tmp_path: Path) -> None:
    path = save(tmp_path / "01_a.ipynb", "1")
    raw = json.loads(path.read_text())
    for cell in raw["cells"]:
        del cell["id"]
    raw["nbformat_minor"] = 2
    path.write_text(json.dumps(raw))
    assert dumps(normalise(read(path))) == dumps(normalise(read(path)))
    assert [cell.id for cell in read(path).cells] == ["cell-000", "cell-001"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"nbformat": 4, "cells": [{}]}',
        '{"nbformat": 3, "worksheets": []}',
        "not json",
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "01_a.ipynb"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"01_a\.ipynb is not a Jupyter notebook of format 4"):
        read(path)


def test_missing_file_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run_notebooks.main([str(tmp_path / "99_none.ipynb")])


def test_failed_is_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(NotebookFailed, match="NameError"):
        run_file(save(tmp_path / "01_a.ipynb", "undefined"))


def test_matrix_controls_the_environment(tmp_path: Path, monkeypatch, capsys) -> None:
    names = ("OMP_NUM_THREADS", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS")
    source = f"import os\nprint(*[os.environ.get(n) for n in {names!r}])"
    path = save(tmp_path / "01_a.ipynb", source)
    for name in names:
        monkeypatch.delenv(name, raising=False)
    run_file(path)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")  # must not reach the default setting
    assert test_matrix.main([str(path), "--settings", "default", "older CPU"]) == 1
    out = capsys.readouterr().out.split("\n")
    assert out[1].split()[:3] == ["default", "1", "0"]
    assert out[2].split()[:4] == ["older", "CPU", "0", "1"]
    report_text = "\n".join(out[3:])
    assert "--- older CPU:" in report_text
    assert "now 'default'" in report_text
    assert test_matrix.SETTINGS["one thread"] == {"OMP_NUM_THREADS": "1"}
    assert test_matrix.SETTINGS["older CPU"] == {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }

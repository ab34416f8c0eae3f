"""The installer of the browser says what to do about a Chromium that does not start."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def install(root, tmp_path):
    """Run a copy of the script with a Chromium that ends with a status, and with nothing else."""

    def run(status: int) -> subprocess.CompletedProcess:
        (tmp_path / "tools").mkdir()
        script = shutil.copy(root / "tools" / "install_browser.sh", tmp_path / "tools")
        programs = tmp_path / "programs"
        programs.mkdir()
        for name, text in (
            ("chromium", f"exit {status}"),
            ("npm", 'mkdir -p .cache/npm/node_modules/axe-core; echo \'"version": "1.2.3"\' '
                    "> .cache/npm/node_modules/axe-core/package.json"),
        ):  # fmt: skip
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "AXE_VERSION": "1.2.3", "CHROMIUM": ""}
        return subprocess.run(["bash", script], env=env, capture_output=True, text=True)

    return run


def test_a_browser_that_starts_is_taken(install, tmp_path):
    result = install(0)
    assert result.returncode == 0, result.stderr
    assert Path("programs/chromium").as_posix() in result.stdout
    assert (tmp_path / ".cache/npm/node_modules/axe-core").is_dir()


def test_a_snap_wrapper_fails_with_the_remedy(install, tmp_path):
    result = install(1)
    assert result.returncode == 1
    for said in ("does not start", "snap", "CHROMIUM=/path/to/chrome make test"):
        assert said in result.stderr
    assert not (tmp_path / ".cache").exists()

"""Fixtures of the tests that need the built book."""

from pathlib import Path

import pytest
import yaml

from tests.book.built_site import make, pages_of


@pytest.fixture(scope="session")
def site(root) -> Path:
    """The built book; built now if a source is newer, by the same rule as `make book`."""
    result = make(root, "book", timeout=900)
    assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]
    return root / "_build" / "html"


@pytest.fixture(scope="session")
def pages(site) -> list[Path]:
    return pages_of(site)


@pytest.fixture(scope="session")
def toc(root) -> list[str]:
    contents = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    files = [contents["root"]]

    def collect(node):
        if isinstance(node, dict):
            files.extend([node["file"]] if "file" in node else [])
            for value in node.values():
                collect(value)
        elif isinstance(node, list):
            for value in node:
                collect(value)

    collect(contents["parts"])
    return files

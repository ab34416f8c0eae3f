"""Fixtures shared by all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every run and no time limit for one: a busy machine must not fail a test.
settings.register_profile("book", deadline=None, derandomize=True)
settings.load_profile("book")

# Two threads unless the caller says otherwise, as in the notebooks (nlp_helpers.reproducibility).
os.environ.setdefault("OMP_NUM_THREADS", "2")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project's root folder."""
    return ROOT


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """A real Chromium, closed with the module: until then Playwright's asyncio loop is running."""
    from tools.chromium import find_chromium, launched

    try:
        find_chromium()
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    with launched() as chromium:
        yield chromium

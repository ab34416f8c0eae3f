"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

# Two threads unless the caller says otherwise, as in the notebooks (nlp_helpers.reproducibility).
os.environ.setdefault("OMP_NUM_THREADS", "2")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project's root folder."""
    return ROOT

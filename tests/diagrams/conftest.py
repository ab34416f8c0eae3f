"""Every drawing is tested in the book's style, and its figures are closed."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import pytest

from nlp_helpers import plotting


@pytest.fixture(autouse=True)
def _style():
    plotting.set_style()
    yield
    plt.close("all")

"""The book's colour maps as lists that a page can look values up in, and numbers as short text."""

from __future__ import annotations

import re

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from nlp_helpers.explorables.base import contrast

STEPS = 41  # odd, so that a diverging map has its middle, white


def color_scale(cmap: str) -> list[list[str]]:
    """Return 41 evenly spaced colours of a colour map, each with the ink that is readable on it.

    Shape: returns [steps, 2], fill and ink as "#rrggbb".

    Raises: ValueError for a name that matplotlib does not know.
    """
    if cmap not in colormaps:
        raise ValueError(f"unknown colour map {cmap!r}")
    fills = [to_hex(colormaps[cmap](value)) for value in np.linspace(0, 1, STEPS)]
    return [[fill, max("#000000", "#ffffff", key=lambda c: contrast(c, fill))] for fill in fills]


def two_decimals(values: np.ndarray) -> str:
    """Return numbers as one text with two decimals each, such as ".48 -.05 1.20 .00".

    The error is at most 0.005. Written as decimals, the numbers of a committed notebook are
    compared with a tolerance; packed bytes would differ on the next processor.

    Shape: values [count].
    """
    words = (re.sub(r"^(-?)0\.", r"\1.", f"{value:.2f}") for value in np.ravel(values).tolist())
    return " ".join(".00" if word == "-.00" else word for word in words)

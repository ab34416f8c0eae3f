"""Sinusoidal positions: every pair of dimensions is a hand that turns at its own speed."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import traitlets

from nlp_helpers.explorables.base import Explorable, html_table, index_of
from nlp_helpers.explorables.color_scale import color_scale
from nlp_helpers.plotting import DIVERGING

LENGTHS = (2, 128)
WIDTHS = (4, 64)
START = {"position": 10, "offset": 4, "pair": 2}  # or the last there is


def frequencies(d_model: int) -> np.ndarray:
    """Return by how many radians each pair of dimensions turns per position.

    Source: Vaswani et al. 2017, section 3.5.

    Shape: returns [d_model / 2].
    """
    return 10_000.0 ** (-np.arange(0, d_model, 2) / d_model)


def encodings(length: int, d_model: int) -> np.ndarray:
    """Return the vectors of positions 0, 1, …: dimension 2i a sine, 2i + 1 a cosine.

    Source: Vaswani et al. 2017, section 3.5.

    Shape: returns [length, d_model].
    """
    angles = np.arange(length)[:, None] * frequencies(d_model)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, d_model)


class PositionalEncoding(Explorable):
    """Choose a position, an offset and a pair of dimensions, and see how far the pair turns.

    `position` p (from 0), `offset` k (from position p to p + k, which may lie beyond the table)
    and `pair` i (dimensions 2i and 2i + 1) are the reader's. The page computes the vectors itself.

    Raises: TypeError for a number that is no int; ValueError for a length outside 2…128, a d_model
    that is odd or outside 4…64, and a position, offset or pair that there is not.
    """

    _source = "positional_encoding.js"
    title = "Positions as hands of many clocks"

    length = traitlets.Int(64).tag(sync=True)
    d_model = traitlets.Int(32).tag(sync=True)
    scale = traitlets.List().tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    offset = traitlets.Int(0).tag(sync=True)
    pair = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        name: str = "positional-encoding",
        length: int = 64,
        d_model: int = 32,
        position: int | None = None,
        offset: int | None = None,
        pair: int | None = None,
    ) -> None:
        length, d_model = check_between(length, "length", LENGTHS), check_width(d_model)
        counts = {"position": length, "offset": length, "pair": d_model // 2}
        given = {"position": position, "offset": offset, "pair": pair}
        chosen = {
            key: min(START[key], counts[key] - 1) if value is None else value
            for key, value in given.items()
        }
        super().__init__(
            name,
            length=length,
            d_model=d_model,
            scale=color_scale(DIVERGING),
            **{key: index_of(value, key, counts[key]) for key, value in chosen.items()},
        )

    @traitlets.validate("length")
    def _check_length(self, proposal: dict[str, Any]) -> int:
        return check_between(proposal["value"], "length", LENGTHS)

    @traitlets.validate("d_model")
    def _check_d_model(self, proposal: dict[str, Any]) -> int:
        return check_width(proposal["value"])

    @traitlets.validate("position", "offset")
    def _check_place(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], proposal["trait"].name, self.length)

    @traitlets.validate("pair")
    def _check_pair(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "pair", self.d_model // 2)

    def fallback_html(self) -> str:
        """Return some positions' vectors, every pair's speed, and the dot products as tables."""
        p, d_model = self.position, self.d_model
        table = encodings(self.length, d_model)
        wanted = {0, 1, 2, p, p + self.offset, self.length - 1}
        shown = [q for q in range(self.length) if q in wanted]
        dimensions = sorted({0, 1, 2 * self.pair, 2 * self.pair + 1, d_model - 2, d_model - 1})
        vectors = [[f"{q}", *(f"{table[q, j]:.2f}" for j in dimensions)] for q in shown]
        speeds = [
            [f"{i}", f"{2 * i} and {2 * i + 1}", f"{w:.2g}", f"{2 * np.pi / w:,.1f}"]
            for i, w in enumerate(frequencies(d_model))
        ]
        products = table @ table[0]
        distances = [k for k in (0, 1, 2, 4, 8, 16, 32, 64) if k < self.length]
        return (
            html_table(
                "Positions (rows) in some of their dimensions (columns)",
                ["position", *(f"dimension {j}" for j in dimensions)],
                vectors,
            )
            + html_table(
                "How fast each pair of dimensions turns",
                ["pair", "dimensions", "radians per position", "positions per turn"],
                speeds,
            )
            + html_table(
                "Dot product of two positions, by the distance between them",
                ["distance", *map(str, distances)],
                [["PE(p) · PE(q)", *(f"{products[k]:.2f}" for k in distances)]],
            )
            + f"<p>{html.escape(turn_words(p, self.offset, self.pair, d_model))}</p>"
        )


def turn_words(position: int, offset: int, pair: int, d_model: int) -> str:
    """Return how far a pair turns from a position to the one `offset` later."""
    speed = float(frequencies(d_model)[pair])
    return (
        f"From position {position} to {position + offset}, pair {pair} turns by "
        f"{offset} × {speed:.2g} = {offset * speed:.2g} radians, wherever it starts."
    )


def check_between(value: Any, name: str, ends: tuple[int, int]) -> int:
    """Return `value` if it is an int between two ends.

    Raises: TypeError or ValueError if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    if not ends[0] <= value <= ends[1]:
        raise ValueError(f"{name} must be between {ends[0]} and {ends[1]}, got {value}")
    return int(value)


def check_width(d_model: Any) -> int:
    """Return `d_model` if it is an even int between 4 and 64.

    Raises: TypeError or ValueError if it is not.
    """
    if check_between(d_model, "d_model", WIDTHS) % 2:
        raise ValueError(f"d_model must be even, sines and cosines come in pairs; got {d_model}")
    return int(d_model)

"""Drawings of the Transformer: contents, that nothing is cut or mislabelled, and refusals."""

import re
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from nlp_helpers.diagrams.transformer import draw_transformer
from nlp_helpers.diagrams.transformer_attention import (
    draw_heads,
    draw_masks,
    draw_query_key_value,
)
from nlp_helpers.plotting import COLORS
from tests.diagrams.layout import arrows, texts

DRAWINGS = {
    "transformer": draw_transformer,
    "transformer of one layer": lambda: draw_transformer(1),
    "transformer deepest": lambda: draw_transformer(96),
    "query, key, value": draw_query_key_value,
    "query, key, value smallest": lambda: draw_query_key_value("ab", 2, 1),
    "query, key, value largest": lambda: draw_query_key_value(["down", "went", "mmmm", "love"]),
    "heads": draw_heads,
    "heads fewest": lambda: draw_heads(2, 4),
    "heads widest": lambda: draw_heads(3, 12),
    "masks": draw_masks,
    "masks smallest": lambda: draw_masks(2, 1),
    "masks without padding": lambda: draw_masks(6, 0),
    "masks mostly padding": lambda: draw_masks(6, 5),
}


def drawn_in(ax, color):
    return [patch for patch in arrows(ax) if to_hex(patch.get_edgecolor()).upper() == color]


def ends(arrow):
    """Where an arrow starts and ends, in the drawing's units."""
    if arrow._posA_posB is not None:
        return [tuple(map(float, point)) for point in arrow._posA_posB]
    points = arrow._path_original.vertices
    return [tuple(map(float, points[i])) for i in (0, -1)]


def cells(ax, role):
    """The cells of matrices in one role's colour, as (left, bottom, width)."""
    return [
        (patch.get_x(), patch.get_y(), patch.get_width())
        for patch in ax.patches
        if type(patch) is Rectangle and to_hex(patch.get_edgecolor()).upper() == COLORS[role]
    ]


def place(ax, text, nth=0):
    return [entry for entry in ax.texts if entry.get_text() == text][nth].get_position()


@pytest.mark.parametrize("n_layers", [1, 6, 12])
def test_the_model_has_all_parts_in_the_order_of_the_paper(n_layers):
    ax = draw_transformer(n_layers)
    count = Counter(texts(ax))
    assert count["Add & Norm"] == 2 + 3
    assert count["feed-forward"] == count["embedding"] == count["positions"] == 2
    assert count[f"encoder × {n_layers}"] == count[f"decoder × {n_layers}"] == 1
    stack = ["target, shifted right", "embedding", "masked self-attention", "cross-attention",
             "linear", "softmax", "output probabilities"]  # fmt: skip
    heights = [place(ax, text, -1)[1] for text in stack]
    assert heights == sorted(heights)
    assert place(ax, "source tokens")[0] < place(ax, "target, shifted right")[0]


def test_every_sub_layer_has_a_residual_road_into_its_norm():
    ax = draw_transformer()
    roads = [ends(road) for road in drawn_in(ax, COLORS["hidden"]) if len(road._path_original) > 2]
    norms = [entry.get_position() for entry in ax.texts if entry.get_text() == "Add & Norm"]
    assert len(roads) == len(norms) == 5
    assert sorted(round(end[1], 6) for _, end in roads) == sorted(round(y, 6) for _, y in norms)
    assert all(start[1] < end[1] for start, end in roads)


def test_cross_attention_takes_keys_and_values_from_the_memory_and_queries_from_the_decoder():
    ax = draw_transformer()
    assert [Counter(texts(ax))[f"${name}$"] for name in "QKV"] == [3, 3, 3]
    for role in ("query", "key", "value"):
        assert len(drawn_in(ax, COLORS[role])) == 3
    memory = max(drawn_in(ax, COLORS["encoder"]), key=lambda a: len(a._path_original or ()))
    (_, turn, _, last) = memory._path_original.vertices
    bottom = place(ax, "cross-attention")
    cross = {role: max(map(ends, drawn_in(ax, COLORS[role])), key=lambda e: e[1][1])
             for role in ("query", "key", "value")}  # fmt: skip
    for role in ("key", "value"):
        assert turn[0] < cross[role][0][0] <= last[0]  # rises from the memory's line
        assert cross[role][0][1] == last[1] < bottom[1]
    assert last[0] < bottom[0] < cross["query"][0][0]  # the query does not


def test_one_layer_has_no_second_card_behind_it():
    cards = [len([p for p in draw_transformer(n).patches if p.get_zorder() == 0]) for n in (1, 2)]
    assert cards == [2, 4]


def test_matrices_of_attention_have_their_sizes():
    ax = draw_query_key_value(("I", "love", "you", "so"), d_model=3, d_k=2)
    n, d_model, d_k = 4, 3, 2
    assert len(cells(ax, "input")) == n * d_model
    assert len(cells(ax, "query")) == len(cells(ax, "key")) == d_model * d_k + n * d_k
    assert len(cells(ax, "value")) == d_model * d_k + 2 * n * d_k  # W_V, V and the output
    assert len(cells(ax, "neutral")) == 2 * n * n  # scores and weights
    shown = Counter(texts(ax))
    assert all(shown[token] == 7 for token in ("I", "love", "you", "so"))  # all but the W's
    assert shown[r"$n \times n$"] == 2
    assert shown[r"$n \times d_k$"] == 4
    assert shown[r"$d_\mathrm{model} \times d_k$"] == 3
    legend = next(text for text in shown if "$n = 4$" in text)
    assert "= 3$" in legend and "$d_k = 2$" in legend


def test_weights_are_on_the_sequential_map_and_unequal():
    faces = {to_hex(patch.get_facecolor()) for patch in draw_query_key_value().patches
             if to_hex(patch.get_edgecolor()).upper() == COLORS["neutral"]
             and type(patch) is Rectangle}  # fmt: skip
    assert len(faces) > 5  # the scores' one colour, and several weights


def blocks(ax, role):
    """Matrices of a role as (columns, rows, left): cells that touch belong together."""
    found = []
    for x, y, width in sorted(cells(ax, role)):
        for block in found:
            if any(np.hypot(x - a, y - b) < 1.1 * width for a, b in block):
                block.append((x, y))
                break
        else:
            found.append([(x, y)])
    return [
        (len({round(x, 6) for x, _ in b}), len({round(y, 6) for _, y in b}), min(b)[0])
        for b in found
    ]


@pytest.mark.parametrize(("n_heads", "d_model"), [(4, 8), (2, 4), (3, 12), (2, 12)])
def test_every_head_receives_all_columns_of_x(n_heads, d_model):
    ax = draw_heads(n_heads, d_model)
    d_k = d_model // n_heads
    inputs = blocks(ax, "input")
    assert [block[:2] for block in inputs] == [(d_model, 3)] * (n_heads + 1)  # whole, everywhere
    for role in ("query", "key"):
        assert [block[:2] for block in blocks(ax, role)] == [(d_k, d_model)] * n_heads
    shapes = Counter(block[:2] for block in blocks(ax, "value"))
    assert shapes == Counter({(d_k, d_model): n_heads}) + Counter({(d_k, 3): n_heads}) + Counter(
        {(d_model, 3): 1})  # fmt: skip
    assert [block[:2] for block in blocks(ax, "neutral")] == [(d_model, d_model)]
    assert [block[:2] for block in blocks(ax, "hidden")] == [(d_model, 3)]


def test_every_head_is_named_and_has_matrices_of_its_own():
    shown = texts(draw_heads(3, 6))
    assert [text for text in shown if text.startswith("head")] == ["head 1", "head 2", "head 3"]
    assert len({text for text in shown if re.fullmatch(r"\$W_[QKV].*\d\}\$", text)}) == 9
    assert "every head gets\nthe whole of $X$" in shown
    assert r"$d_k = d_\mathrm{model} / 3 = 2$" in shown
    assert {"concatenated", "$W_O$", "output"} <= {*shown}


def test_each_head_writes_its_own_slot_of_the_concatenation():
    ax = draw_heads(4, 8)
    (left,) = [left for columns, rows, left in blocks(ax, "value") if (columns, rows) == (8, 3)]
    width = 1.92
    into = sorted(ends(a)[1][0] for a in arrows(ax) if 9 < ends(a)[1][1] < 11 and a._posA_posB
                  and ends(a)[0][1] < ends(a)[1][1] - 1)  # fmt: skip
    assert np.allclose(into, [left + width * (i + 0.5) / 4 for i in range(4)])


def tables(ax, length):
    """The three masks as arrays of True and False, read from the drawn cells."""
    found = [p for p in ax.patches if type(p) is Rectangle][: 3 * length**2]
    allowed = np.array([patch.get_hatch() is None for patch in found])
    return allowed.reshape(3, length, length)


@pytest.mark.parametrize(("length", "n_padding"), [(5, 2), (2, 1), (6, 0), (3, 2)])
def test_masks_are_what_they_say(length, n_padding):
    ax = draw_masks(length, n_padding)
    padding, causal, both = tables(ax, length)
    keys = np.arange(length) < length - n_padding
    assert (padding == keys[None, :]).all()
    assert (causal == np.tril(np.ones((length, length), dtype=bool))).all()
    assert (both == padding & causal).all()
    assert Counter(texts(ax))["✓"] == tables(ax, length).sum() + 1  # and the legend


def test_masks_name_queries_keys_and_both_values():
    ax = draw_masks(4, 1)
    shown = Counter(texts(ax))
    assert shown["queries"] == shown["keys"] == 3
    assert shown["pad"] == 3 * (1 + 1)
    assert {"True: may attend", "False: may not", "and", "="} <= {*shown}
    for role, axis in (("key", 0), ("query", 1)):
        (first, *others) = [ends(a) for a in drawn_in(ax, COLORS[role])]
        assert len(others) == 2
        assert first[0][axis] != first[1][axis] and first[0][1 - axis] == first[1][1 - axis]


@pytest.mark.parametrize("draw", [draw_transformer, draw_query_key_value, draw_heads, draw_masks])
def test_a_given_axes_is_used(draw):
    figure, axes = plt.subplots(1, 2)
    assert draw(ax=axes[1]) is axes[1]
    assert not axes[0].patches
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: draw_transformer(0), ValueError, "n_layers must lie between 1 and 96, got 0"),
        (lambda: draw_transformer(6.0), TypeError, "n_layers must be a whole number"),
        (lambda: draw_query_key_value(["a"]), ValueError, r"2 to 4 tokens .* got \['a'\]"),
        (lambda: draw_query_key_value("abcde"), ValueError, "2 to 4 tokens"),
        (lambda: draw_query_key_value(["I", "loved"]), ValueError, "1 to 4 characters"),
        (lambda: draw_query_key_value(["I", ""]), ValueError, r"got \['I', ''\]"),
        (lambda: draw_query_key_value("我爱"), ValueError, "no glyph"),
        (lambda: draw_query_key_value(3), TypeError, "got 3"),
        (lambda: draw_query_key_value(d_model=5), ValueError, "d_model must lie .* got 5"),
        (lambda: draw_query_key_value(d_k=4), ValueError, "d_k must lie between 1 and 3"),
        (lambda: draw_heads(5, 10), ValueError, "n_heads must lie between 2 and 4"),
        (lambda: draw_heads(4, 10), ValueError, "multiple of n_heads, got 10 and 4"),
        (lambda: draw_heads(2, 14), ValueError, "d_model must lie between 4 and 12"),
        (lambda: draw_heads("4"), TypeError, "n_heads must be a whole number, got '4'"),
        (lambda: draw_masks(7), ValueError, "source_length must lie between 2 and 6, got 7"),
        (lambda: draw_masks(3, 3), ValueError, "n_padding must lie between 0 and 2, got 3"),
        (lambda: draw_masks(3, -1), ValueError, "got -1"),
        (lambda: draw_masks(True), TypeError, "whole number, got True"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert not plt.get_fignums()

"""Drawings of the Transformer: contents, that nothing is cut or mislabelled, and refusals."""

import re
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from nlp_helpers.diagrams.base import FADED
from nlp_helpers.diagrams.transformer import (
    draw_clocks,
    draw_norm_order,
    draw_path_lengths,
    draw_transformer,
)
from nlp_helpers.diagrams.transformer_attention import (
    draw_heads,
    draw_masks,
    draw_query_key_value,
)
from nlp_helpers.models.positions import sinusoidal_positions
from nlp_helpers.plotting import COLORS
from tests.diagrams.layout import arrows, drawn_in, edges, ends, texts

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
    "norm order": draw_norm_order,
    "clocks": draw_clocks,
    "clocks fewest": lambda: draw_clocks(2, 2),
    "clocks most": lambda: draw_clocks(10, 6),
    "path lengths": draw_path_lengths,
    "path lengths shortest": lambda: draw_path_lengths(3),
    "path lengths longest": lambda: draw_path_lengths(8),
}


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


def test_norms_stand_on_the_road_or_beside_it():
    ax = draw_norm_order()
    roads = [ends(road) for road in drawn_in(ax, COLORS["hidden"])]
    assert len(roads) == 2
    (post, _), (pre, _) = sorted(start for start, _ in roads)
    norms = sorted(entry.get_position() for entry in ax.texts if entry.get_text() == "norm")
    on_the_road = [[y for x, y in norms if abs(x - road) < 0.01] for road in (post, pre)]
    assert [len(found) for found in on_the_road] == [2, 1]
    assert on_the_road[1][0] > max(top for _, top in _layers(ax))  # the final norm: after all
    assert len(norms) == 5  # so two stand beside the road of pre-LN


def _layers(ax):
    """The lower and upper edge of every panel."""
    boxes = [p.get_path().get_extents() for p in ax.patches if p.get_zorder() == 0]
    return [(box.y0, box.y1) for box in boxes]


def test_pre_ln_normalizes_before_each_sub_layer_and_post_ln_after_each_sum():
    ax = draw_norm_order()
    at = {name: sorted(e.get_position() for e in ax.texts if e.get_text() == name)
          for name in ("norm", "self-attention", "feed-forward")}  # fmt: skip
    for name in ("self-attention", "feed-forward"):
        post, pre = at[name]
        below = [y for x, y in at["norm"] if x == pre[0] and 0 < pre[1] - y < 1.2]
        assert len(below) == 1
        assert not [y for x, y in at["norm"] if x == post[0]]
    sums = [ends(a)[1] for a in arrows(ax) if ends(a)[1][0] < ends(a)[0][0]]
    assert len(sums) == 4  # every sub-layer comes back to its road
    left = [y for x, y in sums if x < 6]
    assert all(any(0 < norm - y < 1 for x, norm in at["norm"] if x < 6) for y in left)
    assert {"post-LN", "pre-LN", "one final norm", "× N"} <= {*texts(ax)}


@pytest.mark.parametrize(("positions", "n_pairs"), [(8, 4), (2, 2), (10, 6), (5, 3)])
def test_hands_show_what_the_model_adds(positions, n_pairs):
    ax = draw_clocks(positions, n_pairs)
    hands = [ends(hand) for hand in arrows(ax)]
    drawn = np.array([np.subtract(tip, center) for center, tip in hands])
    drawn /= np.hypot(*drawn.T)[:, None]
    table = np.asarray(sinusoidal_positions(positions, 2 * n_pairs))
    expected = table.reshape(positions, n_pairs, 2).transpose(1, 0, 2).reshape(-1, 2)
    assert np.allclose(drawn, expected, atol=1e-5)  # (sin, cos), pair by pair


def test_clocks_are_named_by_dimensions_and_by_the_positions_of_a_turn():
    ax = draw_clocks(8, 4)
    shown = texts(ax)
    assert [text for text in shown if re.fullmatch(r"\d+, \d+", text)] == [
        "0, 1", "2, 3", "4, 5", "6, 7"]  # fmt: skip
    assert {"6.3", "62.8", "628", "6,283", "position", *"01234567"} <= {*shown}
    assert edges(ax, Circle).count(COLORS["input"]) == 8 * 4
    assert any("-2i / 8" in text for text in shown)


@pytest.mark.parametrize(("n", "layers"), [(3, 1), (4, 2), (5, 2), (6, 3), (7, 3), (8, 4)])
def test_paths_are_as_long_as_they_say(n, layers):
    ax = draw_path_lengths(n)
    assert len(drawn_in(ax, COLORS["hidden"])) == (n - 1) + layers + 1
    shown = texts(ax)
    assert f"$n - 1 = {n - 1}$ steps" in shown
    assert rf"$\lceil (n - 1) / 2 \rceil = {layers}$ layer" + "s" * (layers > 1) in shown
    assert "$1$ layer" in shown
    assert layers == -(-(n - 1) // 2)
    links = n + (n - 1) + layers * (3 * n - 3) + n * n
    assert len(arrows(ax)) == links == len(drawn_in(ax, FADED)) + (n - 1) + layers + 1


@pytest.mark.parametrize("n", [3, 6, 8])
def test_every_path_leads_from_the_first_token_to_the_last(n):
    ax = draw_path_lengths(n)
    steps = [ends(a) for a in drawn_in(ax, COLORS["hidden"])]
    first, last = (min(e[0][0] for e in steps), max(e[1][0] for e in steps))
    tokens = [e.get_position()[0] for e in ax.texts if e.get_text() == "1"]
    goals = [e.get_position()[0] for e in ax.texts if e.get_text() == str(n)]
    assert len(tokens) == len(goals) == 3
    assert 0 < first - tokens[0] < 0.4 and 0 < goals[0] - last < 0.4
    assert sum(e[0][0] - tokens[0] < 0.4 for e in steps) == 3  # one start in every network
    assert sum(goals[0] - e[1][0] < 0.4 for e in steps) == 3  # and one end
    for start, end in steps:
        assert start[0] < end[0]  # always onwards


def test_no_path_is_hidden_behind_a_unit():
    for n in (3, 6, 8):
        ax = draw_path_lengths(n)
        units = [p.center for p in ax.patches if isinstance(p, Circle)]
        for (x0, y0), (x1, y1) in map(ends, drawn_in(ax, COLORS["hidden"])):
            for x, y in units:
                share = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / np.hypot(
                    x1 - x0, y1 - y0) ** 2  # fmt: skip
                nearest = np.clip(share, 0, 1)
                away = np.hypot(x0 + nearest * (x1 - x0) - x, y0 + nearest * (y1 - y0) - y)
                assert away >= 0.28


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_shape_covers_another(name):
    shapes = [
        p
        for p in DRAWINGS[name]().patches
        if isinstance(p, FancyBboxPatch | Rectangle) or getattr(p, "radius", 0) > 0.1
    ]
    boxes = np.array([p.get_patch_transform().transform_path(p.get_path()).get_extents().extents
                      for p in shapes if p.get_zorder() > 0])  # fmt: skip
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    shared = np.minimum(high, boxes[None, :, 2:]) - np.maximum(low, boxes[None, :, :2])
    covered = (shared > 0.01).all(axis=2)
    np.fill_diagonal(covered, False)
    assert not covered.any()


ALL = (draw_transformer, draw_query_key_value, draw_heads, draw_masks, draw_norm_order,
       draw_clocks, draw_path_lengths)  # fmt: skip


@pytest.mark.parametrize("draw", ALL)
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
        (lambda: draw_clocks(1), ValueError, "positions must lie between 2 and 10, got 1"),
        (lambda: draw_clocks(8, 7), ValueError, "n_pairs must lie between 2 and 6, got 7"),
        (lambda: draw_clocks(8, 4.0), TypeError, "n_pairs must be a whole number"),
        (lambda: draw_path_lengths(2), ValueError, "n must lie between 3 and 8, got 2"),
        (lambda: draw_path_lengths(9), ValueError, "got 9"),
        (lambda: draw_path_lengths("six"), TypeError, "n must be a whole number, got 'six'"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert not plt.get_fignums()

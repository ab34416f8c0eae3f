"""Drawings of GPT: contents, who reads whom, what is computed, what merges, and refusals."""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from nlp_helpers.diagrams.base import FADED
from nlp_helpers.diagrams.gpt import (
    draw_bpe_merges,
    draw_decoder_only,
    draw_gpt1_gpt2,
    draw_input_transforms,
    draw_key_value_cache,
    draw_next_token_training,
)
from nlp_helpers.plotting import COLORS, INK, SLATE
from tests.diagrams.layout import arrows, drawn_in, ends, texts

BANANA = [["b", "a", "n", "a", "n", "a"], ["b", "an", "an", "a"], ["b", "anan", "a"]]
LONG = "internationalize"
CAFE = [["Ġ", "c", "a", "f", "Ã", "©"], ["Ġ", "c", "a", "f", "Ã©"], ["Ġc", "a", "f", "Ã©"]]

DRAWINGS = {
    "decoder only": draw_decoder_only,
    "decoder only, pre-LN, one layer": lambda: draw_decoder_only("pre", 1),
    "decoder only, deepest": lambda: draw_decoder_only("pre", 96),
    "GPT-1 and GPT-2": draw_gpt1_gpt2,
    "GPT-1 and GPT-2, one layer": lambda: draw_gpt1_gpt2((1, 96)),
    "next token": draw_next_token_training,
    "next token, fewest": lambda: draw_next_token_training(["a", "muddy", "bank"]),
    "next token, most": lambda: draw_next_token_training(
        [" the", " bank", "mmm", " love", " to", "the", " poor"]
    ),
    "next token, widest": lambda: draw_next_token_training(["mmmm", "$a$", "$$", "mmmm"]),
    "inputs of tasks": draw_input_transforms,
    "inputs of tasks, two answers": lambda: draw_input_transforms(2),
    "inputs of tasks, four answers": lambda: draw_input_transforms(4),
    "key-value cache": draw_key_value_cache,
    "key-value cache, fewest": lambda: draw_key_value_cache(2),
    "key-value cache, most": lambda: draw_key_value_cache(6),
    "key-value cache, a prompt": lambda: draw_key_value_cache(3, 4),
    "merges": draw_bpe_merges,
    "merges, fewest": lambda: draw_bpe_merges([["m", "m"], ["mm"]]),
    "merges, a pair twice": lambda: draw_bpe_merges(BANANA, ranks=[3, 50_000]),
    "merges, most": lambda: draw_bpe_merges(
        [[LONG[:k], *LONG[k:]] for k in range(1, 11)], ranks=list(range(9))
    ),
    "merges, bytes": lambda: draw_bpe_merges(CAFE, word=" café"),
}


def places(ax, text):
    return [entry.get_position() for entry in ax.texts if entry.get_text() == text]


def plates(ax, color):
    """Rounded plates of one edge colour, as (left, bottom, width, height)."""
    return [
        (p.get_x(), p.get_y(), p.get_width(), p.get_height())
        for p in ax.patches
        if isinstance(p, FancyBboxPatch) and to_hex(p.get_edgecolor()).upper() == color
    ]


def around(boxes, xy):
    return [b for b in boxes if b[0] < xy[0] < b[0] + b[2] and b[1] < xy[1] < b[1] + b[3]]


def of_gpt(ax, text):
    """Where a text stands in the large model."""
    return [xy for xy in places(ax, text) if xy[0] > 6.5]


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_gpt_is_the_decoder_without_the_cross_attention(norm):
    ax = draw_decoder_only(norm)
    stack = ["tokens", "token embedding $W_e$", "masked self-attention", "feed-forward",
             r"output $W_e^\mathsf{T}$", "softmax"]  # fmt: skip
    (column,) = {xy[0] for text in stack for xy in of_gpt(ax, text)}
    heights = [y for text in stack for _, y in of_gpt(ax, text)]
    assert len(heights) == len(stack) and heights == sorted(heights)
    assert not of_gpt(ax, "cross-\nattention") and places(ax, "cross-\nattention")
    assert of_gpt(ax, "learned\npositions $W_p$")[0][0] > column
    assert places(ax, "next token")[0][1] > heights[-1]


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_what_gpt_leaves_out_is_dashed_and_what_it_keeps_stands_at_the_same_height(norm):
    ax = draw_decoder_only(norm)
    faded, kept = plates(ax, FADED), plates(ax, COLORS["decoder"])
    for text in ("self-\nattention", "cross-\nattention", "source"):
        assert len(around(faded, places(ax, text)[0])) == 1
    left, right = sorted(places(ax, "feed-\nforward"))
    assert around(faded, left) and around(kept, right)
    assert len(faded) == 4 + 1  # and the legend's
    (small,) = places(ax, "masked self-\nattention")
    assert around(kept, small) and small[1] == of_gpt(ax, "masked self-attention")[0][1]
    assert right[1] == of_gpt(ax, "feed-forward")[0][1]
    assert small[1] < places(ax, "cross-\nattention")[0][1] < right[1]


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_norms_stand_after_the_sums_or_before_the_sub_layers(norm):
    ax = draw_decoder_only(norm)
    roads = sorted(ends(road)[0][1] for road in drawn_in(ax, COLORS["hidden"]))
    sums = sorted(ends(road)[1][1] for road in drawn_in(ax, COLORS["hidden"]))
    layers = [of_gpt(ax, name)[0][1] for name in ("masked self-attention", "feed-forward")]
    norms = sorted(y for _, y in places(ax, "LayerNorm"))
    assert len(roads) == len(sums) == len(norms) == 2
    for start, layer, end, at in zip(roads, layers, sums, norms, strict=True):
        order = (start, at, layer, end) if norm == "pre" else (start, layer, end, at)
        assert list(order) == sorted(order)
    assert sums[0] < roads[1]
    final = places(ax, "final LayerNorm")
    assert len(final) == (norm == "pre")
    top = places(ax, r"output $W_e^\mathsf{T}$")[0][1]
    assert all(sums[1] < y < top for _, y in final)
    assert {"pre": "GPT-2", "post": "GPT-1"}[norm] in texts(ax) and f"{norm}-LN" in texts(ax)


def test_query_key_and_value_leave_the_stream_after_the_norm_of_pre_ln():
    for norm in ("post", "pre"):
        ax = draw_decoder_only(norm)
        at = of_gpt(ax, "masked self-attention")[0]
        low = min(y for _, y in places(ax, "LayerNorm"))
        for role in ("query", "key", "value"):
            (way,) = [ends(a) for a in drawn_in(ax, COLORS[role])]
            assert (low < way[0][1]) == (norm == "pre")
            assert way[0][1] < way[1][1] < at[1]


def test_one_dashed_line_joins_the_embedding_and_its_transpose():
    ax = draw_decoder_only()
    (line,) = drawn_in(ax, COLORS["input"])
    assert line.get_linestyle() not in ("-", "solid")
    low, high = ends(line)
    assert low[1] == of_gpt(ax, "token embedding $W_e$")[0][1]
    assert high[1] == of_gpt(ax, r"output $W_e^\mathsf{T}$")[0][1]
    assert low[0] == high[0]
    assert len(around(plates(ax, COLORS["input"]), (high[0] + 0.01, high[1]))) == 1


def test_one_layer_has_no_second_card_behind_it():
    cards = [len([p for p in draw_decoder_only("pre", n).patches if p.get_zorder() == 0])
             for n in (1, 2)]  # fmt: skip
    assert cards == [3, 4]
    assert "× 1" in texts(draw_decoder_only("pre", 1))


def test_both_generations_differ_only_in_their_norms_and_their_depth():
    ax = draw_gpt1_gpt2((12, 24))
    halves = [Counter(e.get_text() for e in ax.texts if (e.get_position()[0] < 6.45) == left)
              for left in (True, False)]  # fmt: skip
    assert halves[0] - halves[1] == Counter(["GPT-1", "post-LN", "× 12"])
    assert halves[1] - halves[0] == Counter(["GPT-2", "pre-LN", "× 24", "final LayerNorm"])
    for text in ("tokens", "softmax", r"output $W_e^\mathsf{T}$"):
        assert len({y for _, y in places(ax, text)}) == 1


@pytest.mark.parametrize("n", [3, 5, 7])
def test_targets_are_the_tokens_shifted_by_one(n):
    tokens = ["the", " bank", "lends", "cash", "to", "the", "poor"][:n]
    ax = draw_next_token_training(tokens)
    shown = [token.replace(" ", "␣") for token in tokens]
    rows = {
        y: sorted((e.get_position()[0], e.get_text()) for e in ax.texts
                  if e.get_position()[1] == y and e.get_text() in shown)
        for y in (0, 6.9)
    }  # fmt: skip
    assert [text for _, text in rows[0]] == [text for _, text in rows[6.9]] == shown
    columns = [x for x, _ in rows[0]]
    assert [x for x, _ in rows[6.9]][1:] == pytest.approx(columns[:-1])  # token k + 1 over token k
    dashed = plates(ax, FADED)
    assert len(dashed) == 2
    assert around(dashed, (columns[-1], 0)) and around(dashed, (rows[6.9][0][0], 6.9))
    assert any(f"{n - 1} tokens read, {n - 1} predictions" in text for text in texts(ax))


@pytest.mark.parametrize("n", [3, 5, 7])
def test_every_position_reads_itself_and_what_is_before_it_and_predicts(n):
    ax = draw_next_token_training(["t"] * n)
    columns = sorted(x for x, y in places(ax, "t") if y == 0)[:-1]
    states = [p.center for p in ax.patches if isinstance(p, Circle)]
    assert [x for x, _ in states] == pytest.approx(columns)

    def column(x):
        return int(np.abs(np.array(columns) - x).argmin())

    reads, thick = [], []
    for patch in arrows(ax):
        start, (x, y) = ends(patch)
        if start[1] > 1:
            continue
        j = int(np.hypot(*(np.array(states) - (x, y)).T).argmin())
        assert np.hypot(states[j][0] - x, states[j][1] - y) < 0.5
        reads.append((column(start[0]), j))
        if to_hex(patch.get_edgecolor()).upper() == COLORS["hidden"]:
            thick.append((column(start[0]), j))
    assert sorted(reads) == [(i, j) for i in range(n - 1) for j in range(i, n - 1)]
    assert sorted(thick) == [(i, n - 3) for i in range(n - 2)]
    assert len(plates(ax, COLORS["output"])) == 5 * (n - 1)  # a distribution at each position


@pytest.mark.parametrize("n", [2, 3, 4])
def test_inputs_of_the_four_tasks(n):
    ax = draw_input_transforms(n)
    rows = {}
    for entry in ax.texts:
        x, y = entry.get_position()
        if x < 7.9 and entry.get_fontsize() < 10:
            rows.setdefault(y, []).append((x, entry.get_text()))
    found = [" ".join(text for _, text in sorted(rows[y])) for y in sorted(rows, reverse=True)]
    assert found == [
        "start text extract",
        "start premise delimiter hypothesis extract",
        "start text 1 delimiter text 2 extract",
        "start text 2 delimiter text 1 extract",
        *(f"start context delimiter answer {k} extract" for k in range(1, n + 1)),
        "start",  # the legend
    ]
    assert sorted(y for _, y in places(ax, "Transformer")) == sorted(rows)[1:]


def test_special_tokens_and_no_others_are_dark_pills():
    ax = draw_input_transforms(3)
    pills = [p for p in ax.patches if isinstance(p, FancyBboxPatch)
             and to_hex(p.get_facecolor()).upper() == SLATE]  # fmt: skip
    boxes = [(p.get_x(), p.get_y(), p.get_width(), p.get_height()) for p in pills]
    on_pills = [e.get_text() for e in ax.texts if around(boxes, e.get_position())]
    assert Counter(on_pills) == {"start": 8, "extract": 7, "delimiter": 6}
    assert len(boxes) == 8 + 7 + 6
    blue = plates(ax, COLORS["input"])
    assert len(blue) == 1 + 2 + 4 + 6


@pytest.mark.parametrize("n", [2, 4])
def test_states_of_extract_go_where_the_task_needs_them(n):
    ax = draw_input_transforms(n)
    states = sorted((ends(a) for a in drawn_in(ax, COLORS["hidden"])), key=lambda e: -e[0][1])
    rows = sorted((y for _, y in places(ax, "Transformer")), reverse=True)
    leaving = [e for e in states if 9.8 < e[0][0] < 9.9]
    assert [e[0][1] for e in leaving] == rows
    middle = (rows[2] + rows[3]) / 2
    sums = [end for _, end in leaving[2:4]]
    assert sums[0][0] == sums[1][0]
    assert [y - middle for _, y in sums] == pytest.approx([0.28, -0.28])  # the rim of the plus
    assert len(states) == len(rows) + 1 + 1  # the sum's state, and the legend's
    linear = sorted((y for _, y in places(ax, "linear")), reverse=True)
    assert linear == pytest.approx([middle, *rows[4:]])  # one for the sum, one for every answer
    assert len(places(ax, "linear,\nsoftmax")) == 2
    (over,) = places(ax, "softmax")
    assert over[1] == pytest.approx((rows[4] + rows[-1]) / 2)
    neutral = [p for p in around(plates(ax, COLORS["neutral"]), over) if p[3] > 1]
    assert len(neutral) == 1 and neutral[0][1] < rows[-1] < rows[4] < neutral[0][1] + neutral[0][3]
    assert len(plates(ax, COLORS["output"])) == 2 + 3 + 1 + n


def cells(ax, role, left):
    """Cells of a role in the left or right panel, without the legend, as {(step, token)}."""
    found = [
        (p.get_x() + p.get_width() / 2, p.get_y() + p.get_height() / 2)
        for p in ax.patches
        if (type(p) is Rectangle or isinstance(p, FancyBboxPatch))
        and to_hex(p.get_edgecolor()).upper() == COLORS[role]
    ]
    half = (lambda x: x < 6.5) if left else (lambda x: x > 6.5)
    steps = {round(y, 6): int(e.get_text().split()[1]) for e in ax.texts
             if e.get_text().startswith("step") for y in [e.get_position()[1]]}  # fmt: skip
    heads = {int(e.get_text()): e.get_position()[0] for e in ax.texts
             if e.get_text().isdigit() and half(e.get_position()[0])}  # fmt: skip

    def token(x):
        return min(heads, key=lambda k: abs(heads[k] - x))

    return Counter((steps[round(y, 6)], token(x)) for x, y in found
                   if half(x) and round(y, 6) in steps)  # fmt: skip


@pytest.mark.parametrize(("n_steps", "n_prompt"), [(4, 1), (2, 1), (6, 1), (3, 4), (2, 2)])
def test_a_cache_leaves_one_token_to_compute_and_the_others_to_read(n_steps, n_prompt):
    ax = draw_key_value_cache(n_steps, n_prompt)
    every = [(s, t) for s in range(1, n_steps + 1) for t in range(1, n_prompt + s)]
    new = [(s, t) for s, t in every if s == 1 or t == n_prompt + s - 1]
    old = [cell for cell in every if cell not in new]
    assert cells(ax, "decoder", left=True) == Counter(every)
    assert not cells(ax, "key", left=True) and not cells(ax, "value", left=True)
    assert cells(ax, "decoder", left=False) == Counter(new)
    assert cells(ax, "key", left=False) == cells(ax, "value", left=False) == Counter(old)
    predicted = Counter((s, n_prompt + s) for s in range(1, n_steps + 1))
    for left in (True, False):
        assert cells(ax, "output", left) == predicted
    sums = [text for text in texts(ax) if "=" in text]
    assert sums[0].endswith(f"= {len(every)}") and sums[1].endswith(f"= {len(new)}")
    assert [sum(map(int, text.split("=")[0].split("+"))) for text in sums] == [
        len(every), len(new)]  # fmt: skip


def test_the_predicted_token_is_the_next_steps_input():
    ax = draw_key_value_cache(4)
    fed = [ends(a) for a in drawn_in(ax, COLORS["output"])]
    assert len(fed) == 2 * 3
    assert all(start[0] == end[0] and start[1] > end[1] for start, end in fed)


def rows_of_pieces(ax):
    """Pieces by row, from the bytes upwards, as (left, right, text, dark)."""
    rows = {}
    for p in ax.patches:
        if isinstance(p, FancyBboxPatch):
            dark = to_hex(p.get_edgecolor()).upper() == INK
            if dark or to_hex(p.get_edgecolor()).upper() == COLORS["input"]:
                box = (p.get_x(), p.get_y(), p.get_width(), p.get_height())
                (text,) = [e.get_text() for e in ax.texts if around([box], e.get_position())]
                row = rows.setdefault(round(box[1], 6), [])
                row.append((box[0], box[0] + box[2], text, dark))
    return [sorted(rows[y]) for y in sorted(rows)]


@pytest.mark.parametrize(
    ("states", "dark"),
    [
        ([["l", "o", "w"], ["lo", "w"], ["low"]], [[0, 1], [0, 1], []]),
        (BANANA, [[1, 2, 3, 4], [1, 2], []]),
        ([["a", "a", "a"], ["aa", "a"]], [[0, 1], []]),
        (CAFE, [[4, 5], [0, 1], []]),
    ],
)
def test_rows_are_the_states_and_the_next_pair_is_dark(states, dark):
    rows = rows_of_pieces(draw_bpe_merges(states))
    assert [[text for *_, text, _ in row] for row in rows] == states
    assert [[i for i, piece in enumerate(row) if piece[3]] for row in rows] == dark


def test_a_piece_is_as_wide_as_its_bytes_and_stands_over_them():
    ax = draw_bpe_merges(BANANA)
    rows = rows_of_pieces(ax)
    for row in rows[1:]:
        k = 0
        for left, right, text, _ in row:
            assert left == pytest.approx(rows[0][k][0])
            k += len(text)
            assert right == pytest.approx(rows[0][k - 1][1])
    thick = [ends(a) for a in drawn_in(ax, INK)]
    assert len(thick) == 4 + 2  # from every part of a pair
    merged = [(left, right) for row in rows for left, right, text, _ in row if len(text) > 1]
    assert all(any(a < x < b for a, b in merged) for _, (x, _) in thick)
    assert len(drawn_in(ax, FADED)) == 2 + 2  # b and a stay
    assert len(drawn_in(ax, SLATE)) == 6  # the word falls into its bytes


def test_merges_are_numbered_and_ranked_and_the_word_is_written():
    shown = texts(draw_bpe_merges(CAFE, word=" café", ranks=[105, 1_234]))
    assert {"bytes", "merge 1", "merge 2", "rank 105", "rank 1,234", "␣café"} <= {*shown}
    shown = texts(draw_bpe_merges(BANANA))
    assert "banana" in shown and not any(text.startswith("rank") for text in shown)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: draw_bpe_merges([["$", "x", "$"], ["$x", "$"], ["$x$"]]),
        lambda: draw_next_token_training(["cost", "$x$", "or"]),
    ],
)
def test_dollar_signs_are_drawn_as_they_are(draw):
    literal = [e.get_parse_math() for e in draw().texts if "$x$" in e.get_text()]
    assert len(literal) == 2 and not any(literal)


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_shape_covers_another(name):
    shapes = [
        p
        for p in DRAWINGS[name]().patches
        if (isinstance(p, FancyBboxPatch | Rectangle) and p.get_zorder() == 3)
        or getattr(p, "radius", 0) > 0.1
    ]
    boxes = np.array([p.get_patch_transform().transform_path(p.get_path()).get_extents().extents
                      for p in shapes])  # fmt: skip
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    shared = np.minimum(high, boxes[None, :, 2:]) - np.maximum(low, boxes[None, :, :2])
    covered = (shared > 0.01).all(axis=2)
    np.fill_diagonal(covered, False)
    assert not covered.any()


ALL = (draw_decoder_only, draw_gpt1_gpt2, draw_next_token_training, draw_input_transforms,
       draw_key_value_cache, draw_bpe_merges)  # fmt: skip


@pytest.mark.parametrize("draw", ALL)
def test_a_given_axes_is_used(draw):
    figure, axes = plt.subplots(1, 2)
    assert draw(ax=axes[1]) is axes[1]
    assert not axes[0].patches
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: draw_decoder_only("both"), ValueError, '"post" or "pre", got \'both\''),
        (lambda: draw_decoder_only(["pre"]), ValueError, r"got \['pre'\]"),
        (lambda: draw_decoder_only("pre", 97), ValueError, "between 1 and 96, got 97"),
        (lambda: draw_decoder_only(n_layers=12.0), TypeError, "n_layers must be a whole number"),
        (lambda: draw_gpt1_gpt2(12), TypeError, "two whole numbers, got 12"),
        (lambda: draw_gpt1_gpt2((12,)), ValueError, r"two whole numbers, got \(12,\)"),
        (lambda: draw_gpt1_gpt2((12, 0)), ValueError, "got 0"),
        (lambda: draw_gpt1_gpt2((12, "48")), TypeError, "whole number, got '48'"),
        (lambda: draw_next_token_training("the bank"), TypeError, "tokens must be a list .* 'the"),
        (lambda: draw_next_token_training(["a", 2, "b"]), TypeError, "tokens must be a list"),
        (lambda: draw_next_token_training(["a", "b"]), ValueError, "3 to 7 tokens, got 2"),
        (lambda: draw_next_token_training(["a"] * 8), ValueError, "3 to 7 tokens, got 8"),
        (lambda: draw_next_token_training(["a", "", "b"]), ValueError, "tokens holds an empty"),
        (
            lambda: draw_next_token_training(["a", "a", "mmmmmm"]),
            ValueError,
            "'m+' is too long",
        ),
        (lambda: draw_next_token_training(["岸", "a", "b"]), ValueError, "no glyph"),
        (lambda: draw_input_transforms(1), ValueError, "n_answers must lie between 2 and 4, got 1"),
        (lambda: draw_input_transforms("3"), TypeError, "n_answers must be a whole number"),
        (lambda: draw_key_value_cache(1), ValueError, "n_steps must lie between 2 and 6, got 1"),
        (lambda: draw_key_value_cache(2, 5), ValueError, "n_prompt must lie between 1 and 4"),
        (lambda: draw_key_value_cache(4, 4), ValueError, r"at most 7 tokens, got 4 \+ 4"),
        (lambda: draw_key_value_cache(True), TypeError, "n_steps must be a whole number"),
        (lambda: draw_bpe_merges("low"), TypeError, "list of lists of strings, got 'low'"),
        (lambda: draw_bpe_merges([["l", "o"], "lo"]), TypeError, "a state must .* got 'lo'"),
        (lambda: draw_bpe_merges([["l", "o"]]), ValueError, "2 to 10 states, got 1"),
        (lambda: draw_bpe_merges([["l"], ["l"]]), ValueError, "2 to 16 bytes .* got 1"),
        (lambda: draw_bpe_merges([["l", "o"], ["l", "o"]]), ValueError, "with one pair merged"),
        (
            lambda: draw_bpe_merges([["l", "o"], ["ol"]]),
            ValueError,
            r"\['ol'\] is not \['l', 'o'\]",
        ),
        (lambda: draw_bpe_merges([["l", "o", "w"], ["low"]]), ValueError, "with one pair merged"),
        (lambda: draw_bpe_merges([["l", "o", "w"], ["l", "o"]]), ValueError, "with one pair"),
        (
            lambda: draw_bpe_merges([["a", "b", "c", "d"], ["ab", "cd"]]),
            ValueError,
            "with one pair merged",
        ),
        (
            lambda: draw_bpe_merges([["a", "b", "a", "b"], ["ab", "a", "b"]]),
            ValueError,
            "with one pair merged",
        ),
        (lambda: draw_bpe_merges([["l", ""], ["l"]]), ValueError, "a state holds an empty"),
        (lambda: draw_bpe_merges([["abcdefghij", "b"], ["abcdefghijb"]]), ValueError, "over 1 of"),
        (lambda: draw_bpe_merges(BANANA, word=3), TypeError, "word must be a string, got 3"),
        (lambda: draw_bpe_merges(BANANA, word=""), ValueError, "word must have a letter"),
        (lambda: draw_bpe_merges(BANANA, word="m" * 60), ValueError, "room over 6 bytes"),
        (lambda: draw_bpe_merges(BANANA, ranks=[1]), ValueError, "2 merges but 1 ranks"),
        (lambda: draw_bpe_merges(BANANA, ranks=[1, 2.0]), TypeError, "ranks must be a list"),
        (lambda: draw_bpe_merges(BANANA, ranks=2), TypeError, "ranks must be a list .* got 2"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert not plt.get_fignums()

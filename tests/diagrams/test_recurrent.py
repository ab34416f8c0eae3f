"""Drawings of recurrent networks: which marks and symbols they hold, and what they refuse."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyBboxPatch

from nlp_helpers.diagrams.recurrent import (
    draw_bptt,
    draw_feedforward_window,
    draw_sequence_shapes,
    draw_unrolled,
)
from nlp_helpers.plotting import COLORS
from tests.diagrams.layout import edges, texts

DRAWINGS = {
    "unrolled": lambda: draw_unrolled(3),
    "unrolled letters": lambda: draw_unrolled("hell", outputs="ello"),
    "unrolled backward": lambda: draw_unrolled(4, backward=True),
    "unrolled longest": lambda: draw_unrolled(6, backward=True),
    "shapes": draw_sequence_shapes,
    "bptt": draw_bptt,
    "bptt longest": lambda: draw_bptt(6, 1),
    "window": draw_feedforward_window,
    "window widest": lambda: draw_feedforward_window(12, 4),
}


def test_unrolled_symbols_and_roles():
    ax = draw_unrolled(3)
    shown = texts(ax)
    assert {"$x_t$", "$s_t$", "$o_t$", "$s_0$", "$x_3$", "$s_3$", "$o_3$", "unfold"} <= {*shown}
    assert [shown.count(name) for name in ("$U$", "$V$", "$W$")] == [4, 4, 4]
    assert edges(ax, Circle) == [COLORS["hidden"]] * 5
    assert edges(ax, FancyBboxPatch).count(COLORS["input"]) == 4
    assert edges(ax, FancyBboxPatch).count(COLORS["output"]) == 4
    assert not any("delta" in text for text in shown)


def test_unrolled_letters_and_outputs():
    shown = texts(draw_unrolled("hell", outputs="ello", folded=False))
    letters = [text[1:-1] for text in shown if text.startswith("“")]
    assert letters == list("heellllo")
    assert "unfold" not in shown
    assert "$x_t$" not in shown


def test_backward_path_is_drawn_in_the_gradients_colour():
    ax = draw_unrolled(3, backward=True)
    red = [patch for patch in ax.patches if to_hex(patch.get_edgecolor()).upper()
           == COLORS["gradient"]]  # fmt: skip
    assert len(red) == 3 + 2  # from each output down, and from state to state
    assert [text for text in texts(ax) if "delta" in text] == [
        rf"$\delta_{t}$" for t in (1, 2, 3)]  # fmt: skip


def test_bptt_has_one_factor_per_step_and_the_product():
    ax = draw_bptt(5, 2)
    factors = [text for text in texts(ax) if text.startswith(r"$\mathrm{diag}")]
    assert [text.split("_")[1][0] for text in factors] == ["2", "3", "4"]
    formula = next(text for text in texts(ax) if text.startswith(r"$\delta_2 ="))
    assert formula.count("diag") == 3
    assert formula.endswith(r"\delta_5$")
    assert r"\delta_1" not in "".join(texts(ax))
    whole = next(t for t in texts(draw_bptt(6, 1)) if t.startswith(r"$\delta_1 ="))
    assert whole.count("diag") == 2
    assert "cdots" in whole


def test_bptt_to_the_last_step_is_the_error_itself():
    shown = texts(draw_bptt(3, 3))
    assert [text for text in shown if "delta" in text] == [r"$\delta_3$"]
    assert not any("diag" in text for text in shown)


def test_window_counts_what_is_within_reach():
    ax = draw_feedforward_window(9, 3)
    assert [text.replace("\n", " ") for text in texts(ax) if text.startswith("sees")] == [
        "sees 3 inputs", "sees 5 inputs", "sees all 9 inputs"]  # fmt: skip
    assert edges(ax, FancyBboxPatch).count(COLORS["input"]) == 3 + 5 + 9
    assert texts(ax).count("out of reach") == 2


def test_shapes_name_all_five():
    shown = texts(draw_sequence_shapes())
    names = ["one to one", "one to many", "many to one"]
    names += ["many to many, delayed", "many to many, aligned"]
    assert [text for text in shown if text in names] == names
    assert sum("→" in text for text in shown) == 5
    assert [shown.count(f"${s}$") for s in "xso"] == [11, 15, 11]


def test_a_given_axes_is_used():
    figure, axes = plt.subplots(1, 2)
    assert draw_unrolled(2, ax=axes[1]) is axes[1]
    assert not axes[0].patches
    assert axes[1].patches
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: draw_unrolled(0), ValueError, "n_steps must lie between 1 and 6"),
        (lambda: draw_unrolled(7), ValueError, "got 7"),
        (lambda: draw_unrolled(""), ValueError, "got 0"),
        (lambda: draw_unrolled(2.5), TypeError, "number of steps or a sequence"),
        (lambda: draw_unrolled(True), TypeError, "whole number, got True"),
        (lambda: draw_unrolled("我"), ValueError, "no glyph"),
        (lambda: draw_unrolled(3, outputs="ab"), ValueError, "outputs has 2 letters"),
        (lambda: draw_bptt(0), ValueError, "n_steps must lie"),
        (lambda: draw_bptt(1, 1), ValueError, "at least 2"),
        (lambda: draw_bptt(4, 5), ValueError, "k must lie between 1 and n_steps = 4"),
        (lambda: draw_feedforward_window(4), ValueError, "length 4 and window 3"),
        (lambda: draw_feedforward_window(6, 4), ValueError, "do not fit"),
    ],
)
def test_bad_sizes(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert not plt.get_fignums()


def test_input_and_output_differ_in_shape_where_their_colours_do_not():
    ax = draw_unrolled(1, folded=False)
    rounding = {
        to_hex(patch.get_edgecolor()).upper(): patch.get_boxstyle().rounding_size
        for patch in ax.patches
        if isinstance(patch, FancyBboxPatch)
    }
    assert rounding[COLORS["output"]] > 5 * rounding[COLORS["input"]]

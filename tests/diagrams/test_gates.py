"""Drawings of gated cells: which marks, symbols and equations they hold, and what they refuse."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.path import Path

from nlp_helpers.diagrams.base import FADED
from nlp_helpers.diagrams.gates import (
    draw_gradient_roads,
    draw_gru_cell,
    draw_lstm_cell,
    draw_parallel_scan,
    draw_sru,
)
from nlp_helpers.plotting import COLORS
from tests.diagrams.layout import arrows, drawn_in, edges, texts

DRAWINGS = {
    "lstm": draw_lstm_cell,
    "lstm forget": lambda: draw_lstm_cell("forget"),
    "lstm input": lambda: draw_lstm_cell("input"),
    "lstm output": lambda: draw_lstm_cell("output"),
    "gru": draw_gru_cell,
    "gru of the paper": lambda: draw_gru_cell("before"),
    "sru": draw_sru,
    "roads": draw_gradient_roads,
    "roads shortest": lambda: draw_gradient_roads(2),
    "scan": draw_parallel_scan,
    "scan uneven": lambda: draw_parallel_scan(5),
    "scan shortest": lambda: draw_parallel_scan(2),
}


def points_of(arrow):
    path = arrow.get_path()
    return path.vertices[path.codes != Path.CLOSEPOLY]


def test_lstm_holds_three_gates_a_candidate_and_both_equations():
    ax = draw_lstm_cell()
    shown = texts(ax)
    assert [s for s in shown if s in ("$f_t$", "$i_t$", "$g_t$", "$o_t$")] == [
        "$f_t$", "$i_t$", "$g_t$", "$o_t$"]  # fmt: skip
    assert shown.count(r"$\sigma$") == 3
    assert shown.count(r"$\tanh$") == 2  # the candidate's, and the one on the way out
    assert {"forget", "input", "candidate", "output"} <= {*shown}
    assert r"$c_t = f_t \odot c_{t-1} + i_t \odot g_t$" in shown
    assert r"$h_t = o_t \odot \tanh(c_t)$" in shown


def test_lstm_road_is_straight_thick_and_in_the_cell_states_colour():
    ax = draw_lstm_cell()
    (road,) = drawn_in(ax, COLORS["cell"])
    line = points_of(road)
    assert line[:, 1].max() - line[:, 1].min() < 0.6  # the head's height, and no more
    assert line[:, 0].max() - line[:, 0].min() > 10
    assert road.get_linewidth() == max(arrow.get_linewidth() for arrow in arrows(ax))


@pytest.mark.parametrize(("part", "faded"), [("forget", 4), ("input", 3), ("output", 3)])
def test_lstm_part_fades_the_others_and_writes_its_equation(part, faded):
    ax = draw_lstm_cell(part)
    assert edges(ax, FancyBboxPatch).count(FADED) == faded  # of three gates and two tanh
    assert len([text for text in texts(ax) if text.startswith(f"${part[0]}_t = ")]) == 1
    whole = draw_lstm_cell()
    assert FADED not in edges(whole, FancyBboxPatch) + edges(whole, Circle)


def test_gru_has_one_road_two_gates_and_no_cell_state():
    ax = draw_gru_cell()
    shown = texts(ax)
    assert shown.count(r"$\sigma$") == 2
    assert {"update", "reset", "candidate", "$z_t$", "$r_t$", "$n_t$"} <= {*shown}
    assert not any("c_t" in text for text in shown)
    assert COLORS["cell"] not in edges(ax, FancyBboxPatch) + edges(ax, Circle)
    assert r"$h_t = z_t \odot h_{t-1} + (1 - z_t) \odot n_t$" in shown


def test_gru_resets_after_or_before_the_product():
    after, before = texts(draw_gru_cell()), texts(draw_gru_cell("before"))
    assert any(r"r_t \odot (W_n h_{t-1} + d)" in text for text in after)
    assert any(r"W_n (r_t \odot h_{t-1})" in text for text in before)
    assert "$W_n h_{t-1}$" in after
    assert "$W_n$" in before


def test_sru_has_three_products_a_step_and_one_thin_chain():
    ax = draw_sru()
    shown = texts(ax)
    for t in (1, 2, 3):
        names = {f"$f_{t}$", rf"$\tilde{{x}}_{t}$", f"$r_{t}$", f"$c_{t}$", f"$h_{t}$", f"$x_{t}$"}
        assert names <= {*shown}
    assert shown.count("all times at once") == 2
    assert shown.count("one by one, no matrix") == 1
    assert len(drawn_in(ax, COLORS["cell"])) == 3  # c_0 -> c_1 -> c_2 -> c_3
    assert len(drawn_in(ax, COLORS["input"])) == 3  # the highway


def test_roads_multiply_by_a_matrix_or_by_the_forget_gate():
    ax = draw_gradient_roads(3)
    shown = texts(ax)
    factors = [text for text in shown if text.startswith(r"$W^{\!\!\top}")]
    assert [text[-3] for text in factors] == ["2", "3"]
    assert [text for text in shown if text.startswith(r"$\odot\; f_")] == [
        r"$\odot\; f_2$", r"$\odot\; f_3$"]  # fmt: skip
    rnn, lstm = (text for text in shown if "dfrac" in text)
    assert rnn.count("diag") == 2
    assert "W" not in lstm
    assert r"f_2 \odot f_3 \odot" in lstm


def test_the_rnns_red_arrows_narrow_and_the_lstms_do_not():
    ax = draw_gradient_roads(4)
    widths = {}
    for arrow in drawn_in(ax, COLORS["gradient"]):
        x, y = points_of(arrow).mean(axis=0)
        widths.setdefault(y > 2, []).append((x, arrow))
    rnn, lstm = ([arrow.get_linewidth() for _, arrow in sorted(row, key=lambda pair: pair[0])]
                 for row in (widths[True], widths[False]))  # fmt: skip
    assert rnn == [0.5, 1.0, 2.0, 4.0]
    assert lstm == [4.0] * 4


@pytest.mark.parametrize(("n_steps", "passes"), [(2, 1), (3, 2), (4, 2), (5, 3), (8, 3)])
def test_scan_covers_every_time_in_doubling_passes(n_steps, passes):
    shown = texts(draw_parallel_scan(n_steps))
    stretches = [text for text in shown if text.replace("–", "").isdigit()]
    assert len(stretches) == n_steps * (passes + 1)
    top, bottom = stretches[:n_steps], stretches[-n_steps:]
    assert top == ["1", *(f"1–{t}" for t in range(2, n_steps + 1))]
    assert bottom == [str(t) for t in range(1, n_steps + 1)]
    assert sum(text.startswith("pass") for text in shown) == passes


def test_scan_has_a_thick_tree_over_all_inputs():
    ax = draw_parallel_scan(8)
    assert len(drawn_in(ax, COLORS["cell"])) == 2 + 4 + 8  # two into each needed node
    assert len(drawn_in(ax, FADED)) == 3 * 8 + (8 - 1) + (8 - 2) + (8 - 4) - 14
    solid = [p for p in ax.patches if isinstance(p, Circle) and p.get_linestyle() in ("-", "solid")]
    assert len(solid) == 1 + 2 + 4 + 8


@pytest.mark.parametrize("draw", [draw_lstm_cell, draw_gru_cell, draw_sru, draw_gradient_roads])
def test_a_given_axes_is_used(draw):
    figure, axes = plt.subplots(1, 2)
    assert draw(ax=axes[1]) is axes[1]
    assert not axes[0].patches
    assert axes[1].patches
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: draw_lstm_cell("memory"), ValueError, "part must be .* got 'memory'"),
        (lambda: draw_gru_cell("never"), ValueError, "reset must be .* got 'never'"),
        (lambda: draw_gradient_roads(1), ValueError, "n_steps must lie between 2 and 4, got 1"),
        (lambda: draw_gradient_roads(5), ValueError, "got 5"),
        (lambda: draw_gradient_roads(2.0), TypeError, "whole number, got 2.0"),
        (lambda: draw_parallel_scan(1), ValueError, "n_steps must lie between 2 and 8, got 1"),
        (lambda: draw_parallel_scan(9), ValueError, "got 9"),
        (lambda: draw_parallel_scan(True), TypeError, "whole number, got True"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert not plt.get_fignums()

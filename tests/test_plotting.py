"""Colours, style and charts: what they draw, and what they refuse."""

import io
import itertools

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb

from nlp_helpers import plotting
from nlp_helpers.plotting import COLORS

FIXED = {
    "input": "#3B82C4",
    "hidden": "#1F9E77",
    "cell": "#C58A00",
    "output": "#8B62C9",
    "gradient": "#D4513D",
}
# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB
VISION = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(color):
    c = np.array(to_rgb(color))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(color, vision):
    x = TO_XYZ @ np.clip(VISION[vision] @ linear(color), 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(x > 216 / 24389, np.cbrt(x), (24389 / 27 * x + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one, other, vision):
    return float(np.linalg.norm(lab(COLORS[one], vision) - lab(COLORS[other], vision)))


@pytest.fixture(autouse=True)
def _style():
    plotting.set_style()
    yield
    plt.close("all")


def png(ax):
    stream = io.BytesIO()
    ax.figure.savefig(stream, format="png", bbox_inches="tight")
    return stream.getvalue()


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


class TestColours:
    def test_roles(self):
        rest = {"encoder", "decoder", "query", "key", "value", "neutral"}
        assert set(COLORS) == set(FIXED) | rest
        assert FIXED.items() <= COLORS.items()
        assert len(set(COLORS.values())) == len(COLORS)

    def test_the_helpers_of_this_test_know_black_from_white(self):
        assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
        assert lab("#FFFFFF", "normal") == pytest.approx([100, 0, 0], abs=0.02)
        assert lab("#FF0000", "normal") == pytest.approx([53.24, 80.09, 67.20], abs=0.05)

    @pytest.mark.parametrize("page", ["#ffffff", "#121212", plotting.PAPER])
    def test_contrast_on_light_and_dark_pages(self, page):
        least = 2.9 if page == plotting.PAPER else 2.995  # the card is a shade under white
        assert min(contrast(color, page) for color in COLORS.values()) >= least

    @pytest.mark.parametrize("vision", VISION)
    @pytest.mark.parametrize(
        "together", [tuple(FIXED), ("query", "key", "value"), ("encoder", "decoder")]
    )
    def test_roles_drawn_together_can_be_told_apart(self, together, vision):
        distances = {
            pair: distance(*pair, vision)
            for pair in itertools.combinations(together, 2)
            # the fixed blue and violet look alike without green cones: shape tells them apart
            if (set(pair), vision) != ({"input", "output"}, "deuteranopia")
            and (set(pair), vision) != ({"input", "output"}, "protanopia")
        }
        assert min(distances.values()) >= 14, distances

    def test_unknown_role(self):
        with pytest.raises(ValueError, match=r"unknown role 'state'; choose one of input, hidden"):
            plotting.color_of("state")

    def test_sequential_map_darkens_and_diverging_map_is_white_in_the_middle(self):
        shades = colormaps[plotting.SEQUENTIAL](np.linspace(0, 1, 64))[:, :3]
        luminance = [plotting._luminance(rgb) for rgb in shades]
        assert all(b < a for a, b in itertools.pairwise(luminance))
        middle = colormaps[plotting.DIVERGING](0.5)[:3]
        assert min(middle) > 0.95

    def test_style_overrides_the_readers_settings(self):
        plt.rcParams.update({"axes.grid": False, "figure.dpi": 40, "lines.marker": "x"})
        plotting.set_style()
        assert plt.rcParams["axes.grid"] is True
        assert plt.rcParams["figure.dpi"] == 150
        assert plt.rcParams["lines.marker"] == "None"
        background = plt.figure().get_facecolor()
        assert background[3] == 1
        assert contrast(plotting.INK, background[:3]) >= 7


class TestLoss:
    def test_lines_labels_and_unit(self):
        ax = plotting.plot_loss([0, 10, 20], [3.0, 2.0, 1.5])
        assert ax.get_xlabel() == "update steps"
        assert ax.get_ylabel() == "loss (nats per character)"
        assert ax.get_legend() is None
        np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[0, 3.0], [10, 2.0], [20, 1.5]])

    def test_validation_with_and_without_its_own_steps(self):
        same = plotting.plot_loss([0, 1], [3, 2], validation=[3.1, 2.2])
        own = plotting.plot_loss([0, 1], [3, 2], validation=([1], [2.2]), unit="bits per byte")
        np.testing.assert_array_equal(same.lines[1].get_xydata(), [[0, 3.1], [1, 2.2]])
        np.testing.assert_array_equal(own.lines[1].get_xydata(), [[1, 2.2]])
        assert own.get_ylabel() == "loss (bits per byte)"
        legend = [text.get_text() for text in own.get_legend().get_texts()]
        assert legend == ["training", "validation"]

    def test_references_are_level_lines_with_labels_that_do_not_touch(self):
        levels = {"5-gram": 1.62, "trigram": 1.63, "uniform": 3.4}
        ax = plotting.plot_loss([0, 1], [4, 1], references=levels)
        assert [line.get_ydata()[0] for line in ax.lines[1:]] == list(levels.values())
        assert texts(ax) == ["5-gram 1.62", "trigram 1.63", "uniform 3.40"]
        ax.figure.canvas.draw()
        boxes = [text.get_window_extent() for text in ax.texts]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))

    def test_a_given_axes_is_used_and_tensors_are_welcome(self):
        ax = plt.subplots()[1]
        losses = torch.tensor([2.0, 1.0], requires_grad=True)
        assert plotting.plot_loss([0, 1], losses, ax=ax) is ax
        assert len(ax.lines) == 1

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([0, 1], [1.0]), "steps has 2 entries but losses has 1"),
            (([0, 1], [1.0, np.nan]), r"losses holds nan at index \(1,\)"),
            (([0, 1], [[1.0, 2.0]]), r"losses must be .* rank 1, got shape \(1, 2\)"),
            (([], []), "non-empty"),
        ],
    )
    def test_bad_arrays(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            plotting.plot_loss(*arguments)
        assert not plt.get_fignums()

    def test_bad_validation_and_reference(self):
        with pytest.raises(ValueError, match="steps has 2 entries but validation has 3"):
            plotting.plot_loss([0, 1], [1, 1], validation=[1, 1, 1])
        with pytest.raises(ValueError, match="references holds inf"):
            plotting.plot_loss([0, 1], [1, 1], references={"uniform": np.inf})
        assert not plt.get_fignums()


class TestHeatmap:
    def test_labels_scale_and_annotations(self):
        values = np.array([[0.0, 0.25, 0.75], [0.9, 0.1, 0.0]])
        ax = plotting.plot_heatmap(
            values, x_labels=list("a $"), y_labels=["q", "r"], annotate=True, label="weight"
        )
        image = ax.images[0]
        assert image.get_cmap().name == plotting.SEQUENTIAL
        assert image.get_clim() == (0.0, 0.9)
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "\u2423", "$"]
        assert [tick.get_text() for tick in ax.get_yticklabels()] == ["q", "r"]
        assert texts(ax) == ["0.00", "0.25", "0.75", "0.90", "0.10", "0.00"]
        assert image.colorbar.ax.get_ylabel() == "weight"
        png(ax)  # a lone dollar sign is no formula

    def test_annotations_are_readable_on_their_cells(self):
        values = np.linspace(-1, 1, 24).reshape(3, 8)
        for diverging in (False, True):
            ax = plotting.plot_heatmap(values, annotate=".1f", diverging=diverging)
            image = ax.images[0]
            for text, value in zip(ax.texts, values.ravel(), strict=True):
                cell = image.get_cmap()(image.norm(value))[:3]
                assert contrast(text.get_color(), cell) >= 4.5, (value, diverging)

    def test_diverging_is_symmetric(self):
        ax = plotting.plot_heatmap([[-0.5, 2.0]], diverging=True)
        assert ax.images[0].get_clim() == (-2.0, 2.0)
        assert ax.images[0].get_cmap().name == plotting.DIVERGING
        given = plotting.plot_heatmap([[-0.5, 2.0]], diverging=True, vmax=1)
        assert given.images[0].get_clim() == (-1.0, 1.0)
        zero = plotting.plot_heatmap([[0.0, 0.0]])
        assert zero.images[0].get_clim() == (0.0, 1.0)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"values": [1.0]}, "rank 2"),
            ({"values": [[np.nan]]}, r"nan at index \(0, 0\)"),
            ({"values": [[1.0]], "x_labels": "ab"}, "x_labels has 2 entries"),
            ({"values": [[1.0]], "y_labels": "ab"}, "y_labels has 2 entries"),
            ({"values": [[1.0]], "x_labels": ["爱"]}, "no glyph for .*show such text as HTML"),
        ],
    )
    def test_bad_input(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            plotting.plot_heatmap(**arguments)


class TestGradientLag:
    def test_log_axis_labels_and_curves(self):
        ax = plotting.plot_gradient_lag({"0.5": 0.5 ** np.arange(20), "1": np.ones(20)})
        assert ax.get_yscale() == "log"
        assert ax.get_xlabel() == "lag $t-k$ (steps)"
        assert "partial L_t" in ax.get_ylabel()
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0.5", "1"]
        assert ax.lines[0].get_ydata()[3] == 0.125
        assert ax.lines[0].get_color() != ax.lines[1].get_color()
        assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()

    def test_one_curve_has_the_gradients_colour_and_zeros_are_left_out(self):
        ax = plotting.plot_gradient_lag({"truncated": [1.0, 0.5, 0.0]})
        assert to_hex(ax.lines[0].get_color()).upper() == COLORS["gradient"]
        assert np.ma.getmaskarray(ax.lines[0].get_ydata()).tolist() == [False, False, True]

    @pytest.mark.parametrize(
        ("curves", "message"),
        [
            ({}, "non-empty dict"),
            ([1.0], "non-empty dict"),
            ({"a": [1.0, -1.0]}, "curve 'a' must hold norms >= 0"),
            ({"a": [0.0, 0.0]}, "at least one of them > 0"),
            ({"a": [np.inf]}, "holds inf"),
        ],
    )
    def test_bad_curves(self, curves, message):
        with pytest.raises(ValueError, match=message):
            plotting.plot_gradient_lag(curves)


class TestAlignment:
    def test_letters_across_phonemes_down_from_0_to_1(self):
        weights = np.array([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]])
        ax = plotting.plot_alignment(weights, "owe", ["OW", "<end>"])
        assert [tick.get_text() for tick in ax.get_xticklabels()] == list("owe")
        assert [tick.get_text() for tick in ax.get_yticklabels()] == ["OW", "<end>"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("letters read", "phonemes written")
        (image,) = ax.images
        assert image.get_cmap().name == plotting.SEQUENTIAL
        assert image.get_clim() == (0.0, 1.0)
        assert np.array_equal(image.get_array(), weights)

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            ([[0.5, -0.1]], "between 0 and 1, got -0.1"),
            ([[0.5, 1.2]], "between 0 and 1, got 1.2"),
            ([0.5, 0.5], "rank 2"),
            ([[0.5, 0.2, 0.3]], "x_labels has 2 entries"),
            ([[0.5, np.nan]], "holds nan"),
        ],
    )
    def test_bad_weights(self, weights, message):
        with pytest.raises(ValueError, match=message):
            plotting.plot_alignment(weights, "ab", ["AH"])


class TestBars:
    def test_heights_labels_and_highlight(self):
        ax = plotting.plot_bars(["a", " ", "\n"], [0.5, 0.3, 0.2], highlight=1)
        assert [bar.get_height() for bar in ax.patches] == [0.5, 0.3, 0.2]
        ticks = [tick.get_text() for tick in ax.get_xticklabels()]
        assert ticks == ["a", "\u2423", "\u23ce"]
        assert ax.get_ylabel() == "probability"
        assert [to_hex(bar.get_edgecolor()).upper() for bar in ax.patches] == [
            COLORS["output"], plotting.INK, COLORS["output"]]  # fmt: skip

    def test_series_stand_side_by_side(self):
        ax = plotting.plot_bars("ab", {"T = 1": [0.4, 0.6], "T = 2": [0.5, 0.5]}, role="hidden")
        assert len(ax.patches) == 4
        spans = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
        assert to_hex(ax.patches[0].get_edgecolor()).upper() == COLORS["hidden"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("ab", [0.5]), "2 tokens but 1 probabilities"),
            (("ab", [0.5, -0.1]), "negative"),
            (("ab", {}), "1 to 4 distributions, got 0"),
            (("爱", [1.0]), "no glyph"),
        ],
    )
    def test_bad_input(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            plotting.plot_bars(*arguments)

    def test_bad_role_and_highlight(self):
        with pytest.raises(ValueError, match="unknown role 'colour'"):
            plotting.plot_bars("ab", [1, 0], role="colour")
        with pytest.raises(ValueError, match="highlight 2 is not an index of 2"):
            plotting.plot_bars("ab", [1, 0], highlight=2)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plotting.plot_loss([0, 1], [2, 1], validation=[2, 1.5], references={"a": 1.2}),
        lambda: plotting.plot_heatmap(np.eye(3), annotate=True, label="weight"),
        lambda: plotting.plot_alignment(np.eye(2), "ab", ["AH", "B"]),
        lambda: plotting.plot_gradient_lag({"a": [1, 0.1], "b": [1, 2]}),
        lambda: plotting.plot_bars("abc", [0.2, 0.3, 0.5], highlight=1),
    ],
)
def test_charts_give_the_same_picture_every_time(draw):
    first = draw()
    image = png(first)
    assert image[:4] == b"\x89PNG"
    assert image == png(draw())

"""Drawings of encoder, decoder, attention, beam search and alignment: contents and refusals."""

import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from nlp_helpers.diagrams.base import FADED
from nlp_helpers.diagrams.seq2seq import (
    draw_attention_decoder,
    draw_beam_example,
    draw_encoder_decoder,
    soft_alignment_picture,
)
from nlp_helpers.plotting import COLORS, SEQUENTIAL
from tests.diagrams.layout import drawn_in, edges, texts

DRAWINGS = {
    "encoder-decoder": draw_encoder_decoder,
    "encoder-decoder shortest": lambda: draw_encoder_decoder("a", ["AH"]),
    "encoder-decoder longest": lambda: draw_encoder_decoder("stop", ["S", "T", "AA", "P"]),
    "attention": draw_attention_decoder,
    "attention shortest": lambda: draw_attention_decoder("he", (0.3, 0.7)),
    "beam": draw_beam_example,
}


def test_the_word_passes_from_encoder_to_decoder_through_one_vector():
    ax = draw_encoder_decoder("love", ["L", "AH", "V"])
    assert edges(ax, Circle) == [COLORS["encoder"]] * 4 + [COLORS["decoder"]] * 4
    boxes = edges(ax, FancyBboxPatch)
    assert [boxes.count(COLORS[role]) for role in ("input", "output")] == [4 + 4, 4]
    assert boxes.count(COLORS["encoder"]) == 4  # the numbers of the context vector
    shown = texts(ax)
    assert [text for text in shown if text in ("start", "end", "L", "AH", "V")] == [
        "start", "L", "L", "AH", "AH", "V", "V", "end"]  # fmt: skip
    across = [a for a in drawn_in(ax, COLORS["decoder"]) + drawn_in(ax, COLORS["encoder"])
              if a.get_linewidth() > 2]  # fmt: skip
    assert len(across) == 2  # into the vector and out of it, and nowhere else


def test_attention_has_three_numbered_steps_and_reads_every_encoder_state():
    ax = draw_attention_decoder("love", (0.1, 0.6, 0.2, 0.1))
    shown = texts(ax)
    assert [text for text in shown if text in "123"] == ["1", "2", "3"]
    assert {"score", "softmax", "weighted sum", "$c_t$", "$q_t$", "$s_t$", "$s_{t-1}$"} <= {*shown}
    assert [text for text in shown if re.fullmatch(r"0\.\d\d", text)] == [
        "0.10", "0.60", "0.20", "0.10"]  # fmt: skip
    for role in ("key", "value"):
        assert len(drawn_in(ax, COLORS[role])) == 4
    assert len(drawn_in(ax, COLORS["query"])) == 4 + 1  # one line, and a branch to every score


def test_attention_weights_are_coloured_on_the_sequential_map():
    ax = draw_attention_decoder("he", (0.3, 0.7))
    cells = [p for p in ax.patches if type(p) is Rectangle]
    assert [to_hex(cell.get_facecolor()) for cell in cells] == [
        to_hex(colormaps[SEQUENTIAL](share)) for share in (0.3, 0.7)]  # fmt: skip


def test_beam_example_has_the_probabilities_and_both_rankings():
    shown = texts(draw_beam_example())
    assert [float(text) for text in shown if re.fullmatch(r"0\.\d+", text)] == [
        0.2, 0.06, 0.006, 0.1, 0.03, 0.009, 0.0036, 0.0036]  # fmt: skip
    assert [text for text in shown if text.startswith("×")] == [
        "× 0.2", "× 0.3", "× 0.1", "× 0.1", "× 0.3", "× 0.3", "× 0.4"]  # fmt: skip
    assert {"straw hat end", "man with straw hat"} <= {*shown}
    assert [text for text in shown if "=" in text] == ["∛0.006 = 0.182", "✓ ∜0.0036 = 0.245"]
    assert [text for text in shown if "✓" in text] == ["✓ 0.006", "✓ ∜0.0036 = 0.245"]


def test_beam_example_shows_what_falls_out_in_grey():
    ax = draw_beam_example()
    assert len(drawn_in(ax, COLORS["output"])) == 7
    assert len(drawn_in(ax, FADED)) == 5 == texts(ax).count("…")


@pytest.mark.parametrize("draw", [draw_encoder_decoder, draw_attention_decoder, draw_beam_example])
def test_a_given_axes_is_used(draw):
    figure, axes = plt.subplots(1, 2)
    assert draw(ax=axes[1]) is axes[1]
    assert not axes[0].patches
    assert plt.get_fignums() == [figure.number]


def fans(picture):
    pieces = re.findall(r"<svg.*?</svg>", picture.data, flags=re.DOTALL)
    return [ElementTree.fromstring(piece) for piece in pieces]


def test_soft_alignment_of_i_love_you():
    picture = soft_alignment_picture()
    assert repr(picture).split("\n") == [
        "Soft alignment (shares of attention):",
        "我: I 0.6, love 0.2, you 0.2",
        "爱: I 0.2, love 0.6, you 0.2",
        "你: I 0.2, love 0.2, you 0.6",
    ]
    first, second, _ = fans(picture)
    assert [text.text for text in first.iter("text")] == [
        "0.6", "I", "0.2", "love", "0.2", "you", "我"]  # fmt: skip
    assert [line.get("stroke-width") for line in second.iter("line")] == ["3.2", "9.6", "3.2"]
    assert [t.get("lang") for t in first.iter("text")] == [None] * 6 + ["zh"]
    assert 'role="img" aria-label="Soft alignment. 我: I 0.6, love 0.2' in picture.data


def test_soft_alignment_is_readable_in_both_themes():
    style = soft_alignment_picture().data.split("</style>")[0]
    for page in ('html[data-theme="dark"]', 'data-jp-theme-light="false"', "vscode-dark"):
        assert page in style
    assert style.count("--nh-ink:") == style.count("--nh-to:") == 2
    assert ".nh-word{fill:var(--nh-ink)}" in style


def test_soft_alignment_escapes_its_words():
    picture = soft_alignment_picture(["<b>", "&"], ['"x"'], [[0.5, 0.5]])
    assert "<b>" not in picture.data
    (fan,) = fans(picture)
    assert [text.text for text in fan.iter("text")] == ["0.5", "<b>", "0.5", "&", '"x"']
    assert 'aria-label="Soft alignment. &quot;x&quot;: &lt;b&gt; 0.5' in picture.data


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: draw_encoder_decoder(""), ValueError, "at least 1 entry .* got 0 and 3"),
        (lambda: draw_encoder_decoder("love", []), ValueError, "got 4 and 0"),
        (lambda: draw_encoder_decoder("straw", "STRO"), ValueError, "got 5 and 4"),
        (lambda: draw_encoder_decoder(3), TypeError, "got 3"),
        (lambda: draw_encoder_decoder("爱"), ValueError, "no glyph"),
        (lambda: draw_attention_decoder("a", [1.0]), ValueError, "2 to 4 letters"),
        (lambda: draw_attention_decoder("love", [0.5, 0.5]), ValueError, "got 4 and 2"),
        (lambda: draw_attention_decoder("he", [0.5, 0.6]), ValueError, r"sum to 1, got \[0.5, 0.6"),
        (lambda: draw_attention_decoder("he", [1.5, -0.5]), ValueError, "0 or more"),
        (lambda: soft_alignment_picture(["a"]), ValueError, r"2 to 4 words read .* got \['a'\]"),
        (lambda: soft_alignment_picture(target="xy"), ValueError, r"rows of \[3, 3, 3\]"),
        (lambda: soft_alignment_picture(weights=[[1, 1, 0]] * 3), ValueError, "sum to 1"),
    ],
)  # fmt: skip
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert not plt.get_fignums()

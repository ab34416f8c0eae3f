"""Drawings of GPT: decoder only, training, inputs of tasks, key-value cache, byte-pair merges."""

import itertools
import math

from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.textpath import TextPath

from nlp_helpers.diagrams.base import (
    FADED,
    QUIET,
    arrow,
    band,
    box,
    canvas,
    check_count,
    inside,
    joint,
    letter,
    node,
    operation,
    plate,
    route,
    thin,
)
from nlp_helpers.plotting import FIGURE_WIDTH, INK, PAPER, SLATE, color_of, tint, visible

_WIDE = 3.6  # sub-layers
_FIRST = {  # where the parts of the first sub-layer stand: its norm after the sum, or before all
    "post": {"split": 3.1, "layer": 4.22, "sum": 5.22, "norm": 6.07},
    "pre": {"norm": 3.69, "split": 4.2, "layer": 5.32, "sum": 6.3},
}
_SECOND = {
    "post": {"start": 6.62, "layer": 7.33, "sum": 8.29, "norm": 9.14},
    "pre": {"start": 6.85, "norm": 7.46, "layer": 8.42, "sum": 9.36},
}
_TOP = 9.95  # of the layers' panel
_NAMES = {"post": "GPT-1", "pre": "GPT-2"}


def draw_decoder_only(norm="post", n_layers=12, ax=None):
    """GPT beside the Transformer: its decoder without the cross-attention, and no encoder.

    The small Transformer at the left is drawn without norms and residual roads. A dashed blue line
    joins the two uses of one matrix: token embedding, and transposed before the softmax.

    Source: Radford et al. (2018), section 3.1 and figure 1, for norm="post", GPT-1; Radford et
        al. (2019), section 2.3, for norm="pre", GPT-2: a norm before each sub-layer, and a final
        one.
    Shape: n_layers 1 to 96; GPT-1 and the smallest GPT-2 have 12.
    Raises:
        ValueError: norm is neither "post" nor "pre", or n_layers is outside 1 to 96.
        TypeError: n_layers is not a whole number.
    """
    if norm not in tuple(_NAMES):
        raise ValueError(f'norm must be "post" or "pre", got {norm!r}')
    n_layers = check_count(n_layers, "n_layers", 96)
    ax = canvas(ax, (0.0, 13.0), (-0.45, 14.3))
    _whole_transformer(ax, _FIRST[norm]["layer"], _SECOND[norm]["layer"])
    arrow(ax, (5.35, 6.35), (6.2, 6.35), color=SLATE, width=3.2, head=14)
    _gpt(ax, 9.95, norm, n_layers)
    return ax


def draw_gpt1_gpt2(n_layers=(12, 48), ax=None):
    """GPT-1 beside GPT-2: the norms move from after the sums to before the sub-layers.

    Source: Radford et al. (2018), section 3.1; Radford et al. (2019), section 2.3.
    Shape: n_layers of the two, each 1 to 96; the largest GPT-2 has 48.
    Raises:
        ValueError: not two numbers, or one outside 1 to 96.
        TypeError: n_layers is not a sequence of whole numbers.
    """
    if not isinstance(n_layers, (list, tuple)):
        raise TypeError(f"n_layers must be two whole numbers, got {n_layers!r}")
    if len(n_layers) != 2:
        raise ValueError(f"n_layers must be two whole numbers, got {n_layers!r}")
    for count in n_layers:
        check_count(count, "n_layers", 96)
    ax = canvas(ax, (0.0, 13.0), (-0.45, 14.3))
    for x, norm, count in zip((3.5, 10.0), _NAMES, n_layers, strict=True):
        _gpt(ax, x, norm, count)
    return ax


def _named(ax, xy, text, role, size, *, rounding=0.12, faded=False, fontsize=10.5):
    """A plate with words in it."""
    plate(ax, xy, size, role, rounding=rounding, faded=faded)
    inside(ax, xy, text, faded, fontsize)


def _gpt(ax, x, norm, n_layers):
    """The whole of GPT in a column at x, from the tokens to the next token's distribution."""
    low, high = 2.75, _TOP
    if n_layers > 1:
        band(ax, (x - 2.48, x + 2.87), (low + 0.12, high + 0.15))
    band(ax, (x - 2.6, x + 2.75), (low, high))
    ax.text(x - 2.4, high - 0.4, f"× {n_layers}", va="center", fontsize=11, weight="bold")
    ax.text(x - 3.05, 13.95, _NAMES[norm], va="center", fontsize=12, weight="bold")
    ax.text(x - 3.05, 13.35, f"{norm}-LN", va="center", fontsize=10.5, color=SLATE)
    _embedded(ax, x)
    _attention(ax, x, norm)
    _feed_forward(ax, x, norm)
    _next_token(ax, x, norm)
    color = color_of("input")  # the same matrix twice
    tied = [(x - 1.8, 1.05), (x - 2.95, 1.05), (x - 2.95, 11.5), (x - 1.8, 11.5)]
    route(ax, tied, color=color, width=1.8, head=0, style=(0, (4, 2)))
    letter(ax, x - 3.27, 6.3, "the same matrix, transposed", fontsize=10, color=SLATE, rotation=90)


def _embedded(ax, x):
    """Tokens, embedded, plus learned positions."""
    _named(ax, (x, 0), "tokens", "input", (_WIDE, 0.66), rounding=0.02)
    arrow(ax, (x, 0.33), (x, 0.72))
    _named(ax, (x, 1.05), "token embedding $W_e$", "input", (_WIDE, 0.66))
    arrow(ax, (x, 1.38), (x, 1.8))
    operation(ax, (x, 2.07), "plus")
    _named(ax, (x + 1.9, 2.07), "learned\npositions $W_p$", "input", (2.0, 0.94), fontsize=9.8)
    arrow(ax, (x + 0.88, 2.07), (x + 0.28, 2.07))
    route(ax, [(x, 2.34), (x, 3.1)], head=0)


def _road(ax, x, start, end):
    """The residual road around a sub-layer, from the joint at `start` to the sum at `end`."""
    points = [(x, start), (x + 2.4, start), (x + 2.4, end), (x + 0.28, end)]
    route(ax, points, color=color_of("hidden"), width=2.4, head=14)
    joint(ax, (x, start))
    operation(ax, (x, end), "plus")


def _attention(ax, x, norm):
    """Masked self-attention with its sum, and its norm after the sum or before the split."""
    at = _FIRST[norm]
    _road(ax, x, 3.1, at["sum"])
    if norm == "pre":
        arrow(ax, (x, 3.1), (x, at["norm"] - 0.27))
        route(ax, [(x, at["norm"] + 0.27), (x, at["split"])], head=0)
        route(ax, [(x - 1.2, at["split"]), (x + 1.2, at["split"])], head=0)
    else:
        route(ax, [(x, 3.1), (x - 1.2, 3.1)], head=0)
        arrow(ax, (x, at["sum"] + 0.27), (x, at["norm"] - 0.27))
    _named(ax, (x, at["norm"]), "LayerNorm", "neutral", (2.3, 0.54))
    for shift, kind in ((-1.2, "key"), (0, "value"), (1.2, "query")):
        joint(ax, (x + shift, at["split"]))
        arrow(ax, (x + shift, at["split"]), (x + shift, at["layer"] - 0.36), color=color_of(kind),
              width=2.4)  # fmt: skip
        middle = (at["split"] + at["layer"] - 0.35) / 2
        letter(ax, x + shift + 0.28, middle, f"${kind[0].upper()}$", fontsize=12)
    _named(ax, (x, at["layer"]), "masked self-attention", "decoder", (_WIDE, 0.7))
    arrow(ax, (x, at["layer"] + 0.35), (x, at["sum"] - 0.27))


def _feed_forward(ax, x, norm):
    """The feed-forward network with its sum and its norm."""
    at, below = _SECOND[norm], _FIRST[norm]
    top = below["norm"] if norm == "post" else below["sum"]
    route(ax, [(x, top + 0.27), (x, at["start"])], head=0)
    _road(ax, x, at["start"], at["sum"])
    _named(ax, (x, at["norm"]), "LayerNorm", "neutral", (2.3, 0.54))
    if norm == "pre":
        arrow(ax, (x, at["start"]), (x, at["norm"] - 0.27))
        arrow(ax, (x, at["norm"] + 0.27), (x, at["layer"] - 0.33))
    else:
        arrow(ax, (x, at["start"]), (x, at["layer"] - 0.33))
        arrow(ax, (x, at["sum"] + 0.27), (x, at["norm"] - 0.27))
    _named(ax, (x, at["layer"]), "feed-forward", "decoder", (_WIDE, 0.66))
    arrow(ax, (x, at["layer"] + 0.33), (x, at["sum"] - 0.27))


def _next_token(ax, x, norm):
    """From the last layer, through the transposed embedding, to the next token's distribution."""
    below = _SECOND[norm]["norm" if norm == "post" else "sum"] + 0.27
    if norm == "pre":
        arrow(ax, (x, below), (x, 10.33))
        _named(ax, (x, 10.6), "final LayerNorm", "neutral", (3.0, 0.54))
        below = 10.87
    arrow(ax, (x, below), (x, 11.17))
    _named(ax, (x, 11.5), r"output $W_e^\mathsf{T}$", "input", (_WIDE, 0.66))
    arrow(ax, (x, 11.83), (x, 12.16))
    _named(ax, (x, 12.45), "softmax", "neutral", (2.3, 0.58))
    arrow(ax, (x, 12.74), (x, 13.1))
    _distribution(ax, (x, 13.2))
    ax.text(x + 1.1, 13.5, "next token", va="center", fontsize=10.5)


_SHARES = (0.23, 0.5, 1.0, 0.33, 0.18)


def _distribution(ax, xy, width=1.8, tallest=0.62, shares=_SHARES):
    """Bars of probabilities, invented, over the middle of their base line."""
    (x, y), step = xy, width / len(shares)
    for i, share in enumerate(shares):
        at = (x + step * (i + 0.5 - len(shares) / 2), y + tallest * share / 2)
        plate(ax, at, (0.78 * step, tallest * share), "output", rounding=0.02)


def _whole_transformer(ax, low, high):
    """The Transformer in small: what GPT keeps in its colour, what it leaves out dashed."""
    encoder, decoder, middle = 1.25, 4.05, (low + high) / 2
    ax.text(0.2, 13.95, "Transformer", va="center", fontsize=12, weight="bold", color=QUIET)
    for x, name in ((encoder, "encoder"), (decoder, "decoder")):
        band(ax, (x - 1.2, x + 1.2), (low - 0.95, high + 1.25))
        letter(ax, x, high + 0.88, name, fontsize=10.5, color=QUIET)
    for x, y, text in ((encoder, low, "self-\nattention"), (encoder, middle, "feed-\nforward"),
                       (decoder, middle, "cross-\nattention")):  # fmt: skip
        _small(ax, (x, y), text, "encoder", 0.98, faded=True)
    for y, text, role, height in (
        (low, "masked self-\nattention", "decoder", 0.98),
        (high, "feed-\nforward", "decoder", 0.98),
        (11.5, "linear", "neutral", 0.56),
        (12.45, "softmax", "neutral", 0.56),
    ):
        _small(ax, (decoder, y), text, role, height)
    _small(ax, (encoder, low - 2.05), "source", "input", 0.6, faded=True)
    _small(ax, (decoder, low - 2.05), "target", "input", 0.6)
    _distribution(ax, (decoder, 13.2), 1.4, 0.5)
    memory = [(encoder, middle + 0.49), (encoder, high), (2.65, high), (2.65, middle),
              (decoder - 1.07, middle)]  # fmt: skip
    route(ax, memory, color=FADED, head=10)
    for start, end in ((low - 1.74, low - 0.5), (low + 0.49, middle - 0.5)):
        arrow(ax, (encoder, start), (encoder, end), color=FADED, head=10)
    for start, end in ((low - 1.74, low - 0.5), (low + 0.49, middle - 0.5),
                       (middle + 0.49, high - 0.5), (high + 1.25, 11.21), (11.78, 12.16),
                       (12.73, 13.1)):  # fmt: skip
        arrow(ax, (decoder, start), (decoder, end), color=QUIET, head=10)
    plate(ax, (0.55, 0.42), (0.7, 0.36), "decoder")
    ax.text(1.1, 0.42, "GPT keeps it", va="center", fontsize=10, color=SLATE)
    plate(ax, (0.55, -0.18), (0.7, 0.36), "neutral", faded=True)
    ax.text(1.1, -0.18, "GPT leaves it out", va="center", fontsize=10, color=SLATE)


def _small(ax, xy, text, role, height, faded=False):
    """A part of the small Transformer."""
    size = (1.5 if role == "input" else 2.1, height)
    rounding = 0.02 if role == "input" else 0.12
    _named(ax, xy, text, role, size, rounding=rounding, faded=faded, fontsize=9.5)


def draw_next_token_training(tokens=("the", "bank", "lends", "money", "to"), ax=None):
    """Training on one row of tokens: the targets are the same row shifted, all from one pass.

    Thin arrows are what the mask allows: a position reads itself and all before it. The thick ones
    are those of one position. The distributions are invented.

    Source: Radford et al. (2018), section 3.1, equation 1: the log probability of each token given
        those before it.
    Shape: tokens 3 to 7 strings, short enough for their columns; all but the last are read, all
        but the first are targets.
    Raises:
        ValueError: fewer than 3 or more than 7 tokens, an empty one, or one too long to draw.
        TypeError: tokens is not a list or tuple of strings.
    """
    tokens = _strings(tokens, "tokens")
    if not 3 <= len(tokens) <= 7:
        raise ValueError(f"give 3 to 7 tokens, got {len(tokens)}: {tokens}")
    pitch = 10.9 / (len(tokens) + 1)
    width = min(pitch - 0.14, 1.5)
    for token in tokens:
        if _breadth(token, 10) > width - 0.16:
            raise ValueError(f"{token!r} is too long to draw beside {len(tokens) - 1} others")
    ax = canvas(ax, (0.0, 13.0), (-1.45, 8.0))
    columns = [1.95 + pitch * (j + 1.5) for j in range(-1, len(tokens))]  # [0]: the first target's
    band(ax, (columns[1] - pitch / 2, columns[-2] + pitch / 2), (0.75, 4.55))
    chips = (width, 0.66)
    for j, token in enumerate(tokens):
        for x, y, unused in ((columns[j + 1], 0, j == len(tokens) - 1), (columns[j], 6.9, j == 0)):
            _literal(ax, (x, y), token, "input", chips, faded=unused, fontsize=10)
    _causal(ax, columns[1:-1])
    for y, said in (
        (0, "input"),
        (2.65, "GPT,\none pass"),
        (5.35, "predictions"),
        (6.9, "targets"),
    ):
        ax.text(0.1, y, said, va="center", fontsize=10.5, weight="bold", linespacing=1.35)
    ax.text(0.1, 7.6, "the same row, shifted by one", va="center", fontsize=10.5, color=SLATE)
    count = len(tokens) - 1
    said = f"{count} tokens read, {count} predictions: "
    said += r"the loss is the mean of their $-\log\,p(\mathrm{target})$"
    letter(ax, 6.5, -1.05, said, fontsize=10.5, color=SLATE)
    return ax


def _causal(ax, columns):
    """What each position reads and predicts; the last but one with thick arrows."""
    shown = len(columns) - 2
    pairs = [(i, j) for j in range(len(columns)) for i in range(j + 1)]
    for i, j in sorted(pairs, key=lambda pair: pair[1] == shown):  # the thick ones on top
        look = {"color": FADED, "width": 1.2, "head": 8}
        if j == shown:
            look = {"color": color_of("hidden"), "width": 2.4, "head": 12}
        arrow(ax, *_between((columns[i], 0.36), (columns[j], 3.75), 0.45), **look)
    for k, x in enumerate(columns):
        node(ax, (x, 3.75), "", "hidden", radius=0.38)
        arrow(ax, (x, 4.15), (x, 5.0))
        _distribution(ax, (x, 5.08), 1.1, 0.55, _SHARES[k % 5 :] + _SHARES[: k % 5])
        thin(ax, (x, 5.8), (x, 6.5))


def _between(start, end, gap):
    """The way from a point to another, short of it by a gap."""
    (x0, y0), (x1, y1) = start, end
    share = 1 - gap / math.hypot(x1 - x0, y1 - y0)
    return start, (x0 + share * (x1 - x0), y0 + share * (y1 - y0))


def _literal(ax, xy, token, role, size, *, faded=False, fontsize=11):
    """A plate with a token in it, dollar signs and all."""
    _named(ax, xy, token, role, size, rounding=0.02, faded=faded, fontsize=fontsize)
    ax.texts[-1].set_parse_math(False)


def _breadth(token, fontsize):
    """How wide a token is on a canvas of 13 units."""
    path = TextPath((0, 0), token.replace("$", r"\$"), size=fontsize)
    return 1.05 * path.get_extents().width * 13 / (72 * FIGURE_WIDTH)  # 1.05: the figure's margins


def _strings(value, name):
    """A sequence of strings, none of them empty, all of them drawable."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(entry, str) for entry in value):
        raise TypeError(f"{name} must be a list of strings, got {value!r}")
    if "" in value:
        raise ValueError(f"{name} holds an empty string: {value!r}")
    return [visible(entry) for entry in value]


def draw_input_transforms(n_answers=3, ax=None):
    """Four tasks as rows of tokens for one and the same Transformer, and what is put on top of it.

    Source: Radford et al. (2018), section 3.3 and figure 1, right.
    Shape: n_answers the answers of the multiple choice, 2 to 4.
    Raises:
        ValueError: n_answers outside 2 to 4.
        TypeError: n_answers is not a whole number.
    """
    n_answers = check_count(n_answers, "n_answers", 4, least=2)
    choices = [("context", f"answer {k}") for k in range(1, n_answers + 1)]
    pair, orders = ("premise", "hypothesis"), (("text 1", "text 2"), ("text 2", "text 1"))
    tasks = (
        ("classification", [("text",)], lambda ys: _classified(ax, ys, (0.4, 1.0))),
        ("entailment", [pair], lambda ys: _classified(ax, ys, (1.0, 0.5, 0.25))),
        ("similarity: both orders, added", orders, lambda ys: _summed(ax, ys)),
        ("multiple choice: one row per answer", choices, lambda ys: _chosen(ax, ys)),
    )
    heights = [0.92 + 0.9 * len(rows) for _, rows, _ in tasks]
    ax = canvas(ax, (0.0, 13.0), (-sum(heights) - 2.0, 0.05))
    top = 0.0
    for (title, rows, finish), height in zip(tasks, heights, strict=True):
        band(ax, (0.1, 12.9), (top - height, top))
        ax.text(0.35, top - 0.38, title, va="center", fontsize=11, weight="bold")
        levels = [top - 1.18 - 0.9 * i for i in range(len(rows))]
        for y, texts in zip(levels, rows, strict=True):
            _row(ax, y, texts)
        finish(levels)
        top -= height + 0.15
    _special(ax, 0.35, top - 0.35, "start")
    arrow(ax, (0.4, top - 1.05), (1.4, top - 1.05), color=color_of("hidden"), width=2.4, head=14)
    for y, said in ((top - 0.35, "special token: its vector is new and learned in fine-tuning"),
                    (top - 1.05, "the last layer's state at the extract token")):  # fmt: skip
        ax.text(1.7, y, said, va="center", fontsize=10.5, color=SLATE)
    return ax


def _row(ax, y, texts):
    """Start, the task's texts with delimiters between them, extract; then the Transformer."""
    left = _special(ax, 0.35, y, "start")
    for i, text in enumerate(texts):
        left = _special(ax, left, y, "delimiter") if i else left
        width = 0.24 + 0.15 * len(text)
        _named(ax, (left + width / 2, y), text, "input", (width, 0.6), rounding=0.02,
               fontsize=9.3)  # fmt: skip
        left += width + 0.08
    left = _special(ax, left, y, "extract")
    arrow(ax, (left - 0.04, y), (7.93, y))
    _named(ax, (8.9, y), "Transformer", "decoder", (1.9, 0.7), fontsize=9.5)


def _special(ax, left, y, text):
    """A special token, a dark pill; returns where the next token begins."""
    width = 0.26 + 0.146 * len(text)
    look = {"facecolor": SLATE, "edgecolor": SLATE, "linewidth": 1.8, "zorder": 3}
    shape = "round,pad=0,rounding_size=0.29"
    ax.add_patch(FancyBboxPatch((left, y - 0.29), width, 0.58, boxstyle=shape, **look))
    ax.text(left + width / 2, y, text, ha="center", va="center", fontsize=9.3, color=PAPER,
            zorder=4)  # fmt: skip
    return left + width + 0.08


def _state(ax, points):
    """The state at the extract token, on its way."""
    route(ax, points, color=color_of("hidden"), width=2.4, head=14)


def _classified(ax, levels, shares):
    (y,) = levels
    _state(ax, [(9.86, y), (10.4, y)])
    _named(ax, (11.07, y), "linear,\nsoftmax", "neutral", (1.3, 0.86), fontsize=9.3)
    arrow(ax, (11.73, y), (12.05, y))
    _distribution(ax, (12.45, y - 0.26), 0.25 * len(shares), 0.5, shares)


def _summed(ax, levels):
    """The states of both orders, added."""
    middle = sum(levels) / 2
    for y, side in zip(levels, (1, -1), strict=True):
        _state(ax, [(9.86, y), (10.4, y), (10.4, middle + 0.28 * side)])
    operation(ax, (10.4, middle), "plus")
    _state(ax, [(10.68, middle), (11.06, middle)])
    _named(ax, (11.55, middle), "linear", "neutral", (0.95, 0.62), fontsize=9.3)
    arrow(ax, (12.03, middle), (12.25, middle))
    box(ax, (12.45, middle), "output", 0.36)


def _chosen(ax, levels):
    """One number for each answer, and a softmax over the answers."""
    for i, y in enumerate(levels):
        _state(ax, [(9.86, y), (10.2, y)])
        _named(ax, (10.68, y), "linear", "neutral", (0.93, 0.62), fontsize=9.3)
        arrow(ax, (11.16, y), (11.42, y))
        arrow(ax, (11.95, y), (12.2, y))
        length = (0.12, 0.42, 0.2, 0.1)[i]
        plate(ax, (12.26 + length / 2, y), (length, 0.22), "output", rounding=0.02)
    middle = (levels[0] + levels[-1]) / 2
    plate(ax, (11.68, middle), (0.5, levels[0] - levels[-1] + 0.7), "neutral")
    letter(ax, 11.68, middle, "softmax", fontsize=9.3, rotation=90, zorder=4)


def draw_key_value_cache(n_steps=4, n_prompt=1, ax=None):
    """Generation step by step: which tokens go through the layers, without a cache and with one.

    A row is a step. A full cell is a token that goes through all layers in this step; a divided
    cell is a token whose keys and values are read, and nothing else of it is needed. The box at
    the row's end is the token that the step predicts: it is the next row's last cell.

    Source: Vaswani et al. (2017), section 3.2.3: with the causal mask, the keys and values of a
        token do not depend on the tokens after it.
    Shape: n_steps 2 to 6; n_prompt the tokens before the first step, 1 to 4; at most 7 together.
    Raises:
        ValueError: a number outside these limits.
        TypeError: a number is not a whole number.
    """
    n_steps = check_count(n_steps, "n_steps", 6, least=2)
    n_prompt = check_count(n_prompt, "n_prompt", 4)
    if n_steps + n_prompt > 7:
        raise ValueError(f"draw at most 7 tokens, got {n_prompt} + {n_steps}")
    pitch = min(0.95, 4.6 / (n_steps + n_prompt))
    bottom = -pitch * (n_steps - 1) - 2.0
    ax = canvas(ax, (0.0, 13.0), (bottom - 1.75, 1.95))
    for left, cached in ((0.1, False), (6.6, True)):
        band(ax, (left, left + 6.3), (bottom, 1.9))
        title = "with a key-value cache" if cached else "without a cache"
        ax.text(left + 0.25, 1.5, title, va="center", fontsize=11, weight="bold")
        new = _steps(ax, left + 1.55, pitch, (n_steps, n_prompt), cached)
        said = " + ".join(str(count) for count in new) + f" = {sum(new)}"
        letter(ax, left + 3.15, bottom + 0.92, said, fontsize=10.5)
        said = "tokens through the layers"
        letter(ax, left + 3.15, bottom + 0.4, said, fontsize=10.5, color=SLATE)
    rows = (bottom - 0.55, bottom - 1.3)
    _computed(ax, (0.5, rows[0]), 0.56)
    _cached(ax, (0.5, rows[1]), 0.56)
    box(ax, (9.75, rows[0]), "output", 0.5)
    for x, y, said in (
        (1.05, rows[0], "computed: the token goes through all layers"),
        (1.05, rows[1], "read from the cache: the token's keys and values"),
        (10.3, rows[0], "predicted token"),
    ):
        ax.text(x, y, said, va="center", fontsize=10.5, color=SLATE)
    return ax


def _steps(ax, left, pitch, counts, cached):
    """The rows of one panel; returns how many cells are computed in each."""
    (n_steps, n_prompt), cell, new = counts, 0.7 * pitch, []
    at = [left + pitch * (j + 0.5) for j in range(n_steps + n_prompt)]
    ax.text(left - 1.05, 0.75, "token", va="center", fontsize=10.5, color=SLATE)
    for j, x in enumerate(at):
        letter(ax, x, 0.75, f"{j + 1}", fontsize=10.5, color=SLATE)
    low = -pitch * (n_steps - 1) - 0.35
    arrow(ax, (left - 1.25, 0.3), (left - 1.25, low), color=SLATE, head=10)
    for step in range(n_steps):
        y, length = -pitch * step, n_prompt + step
        ax.text(left - 1.05, y, f"step {step + 1}", va="center", fontsize=10.5)
        reused = length - 1 if cached and step else 0
        for j in range(length):
            (_cached if j < reused else _computed)(ax, (at[j], y), cell)
        box(ax, (at[length], y), "output", 0.9 * cell)
        if step < n_steps - 1:
            arrow(ax, (at[length], y - 0.47 * cell), (at[length], y - pitch + cell / 2 + 0.02),
                  color=color_of("output"), head=8)  # fmt: skip
        new.append(length - reused)
    return new


def _computed(ax, xy, side):
    color = color_of("decoder")
    look = {"facecolor": tint(color, 0.35), "edgecolor": color, "linewidth": 1.4, "zorder": 3}
    ax.add_patch(Rectangle((xy[0] - side / 2, xy[1] - side / 2), side, side, **look))


def _cached(ax, xy, side):
    """A token of which only the keys and the values are read."""
    for shift, role in ((-side / 2, "key"), (0, "value")):
        color = color_of(role)
        look = {"facecolor": tint(color, 0.85), "edgecolor": color, "linewidth": 1.2, "zorder": 3}
        corner = (xy[0] + shift + (0.02 if shift == 0 else 0), xy[1] - side / 2)
        ax.add_patch(Rectangle(corner, side / 2 - 0.02, side, **look))


_LOWER = (["l", "o", "w", "e", "r"], ["lo", "w", "e", "r"], ["low", "e", "r"], ["low", "er"],
          ["lower"])  # fmt: skip


def draw_bpe_merges(states=_LOWER, word=None, ranks=None, ax=None):
    """A word falls into bytes, and pairs of neighbours merge, one row per merge, to its tokens.

    The pair that merges next is dark. A merge joins every place where the pair stands.

    Source: Sennrich et al. (2016), section 3.2; Radford et al. (2019), section 2.2, for bytes.
    Args:
        word: what is written below the bytes; by default the pieces of the first state, joined.
        ranks: the merges' places in the table of merges, written beside their rows.
    Shape: states 2 to 10 sequences of strings, the first of 2 to 16 pieces; ranks [states - 1].
    Raises:
        ValueError: a number of states, pieces or ranks outside these limits, a state that is not
            the one before it with one pair merged, or a word or piece too long to draw.
        TypeError: states is not a sequence of sequences of strings, word not a string, or a rank
            not a whole number.
    """
    states = _states(states)
    merges = [_merge(before, after) for before, after in itertools.pairwise(states)]
    ranks = _ranks(ranks, len(merges))
    if word is not None and not isinstance(word, str):
        raise TypeError(f"word must be a string, got {word!r}")
    word = visible("".join(states[0]) if word is None else word)
    n, unit = len(states[0]), min(1.5, 10.4 / len(states[0]))
    if not word or _breadth(word, 11) > unit * n - 0.3:
        raise ValueError(f"word must have a letter or more, and room over {n} bytes, got {word!r}")
    rows = _over_bytes(states, merges, unit)
    ax = canvas(ax, (0.0, 13.0), (-0.45, 1.25 * len(states) + 0.45))
    ax.text(0.2, 0, "word", va="center", fontsize=10.5, weight="bold")
    _literal(ax, (7.6, 0), word, "neutral", (unit * n - 0.14, 0.64))
    for i in range(n):
        x = 7.6 + unit * (i + 0.5 - n / 2)
        arrow(ax, (x, 0.34), (x, 0.9), color=SLATE, width=1.2, head=9)
    for k, row in enumerate(rows):
        y = 1.25 * (k + 1)
        rank = ranks[k - 1] if k and ranks else None
        name = f"merge {k}" if k else "bytes"
        above = 0.0 if rank is None else 0.2
        ax.text(0.2, y + above, name, va="center", fontsize=10.5, weight="bold")
        if rank is not None:
            ax.text(0.2, y - 0.22, f"rank {rank:,}", va="center", fontsize=10, color=SLATE)
        _pieces(ax, (7.6 - unit * n / 2, y, unit), row, merges[k] if k < len(merges) else ())
    return ax


def _states(states):
    """The states of a word as lists of drawable strings."""
    if not isinstance(states, (list, tuple)):
        raise TypeError(f"states must be a list of lists of strings, got {states!r}")
    states = [_strings(state, "a state") for state in states]
    if not 2 <= len(states) <= 10:
        raise ValueError(f"give 2 to 10 states, got {len(states)}")
    if not 2 <= len(states[0]) <= 16:
        raise ValueError(f"a word of 2 to 16 bytes can be drawn, got {len(states[0])}: {states[0]}")
    return states


def _merge(before, after):
    """Where in the state before the pair stands that the state after has merged everywhere."""
    changed = [i for i, (old, new) in enumerate(zip(before, after, strict=False)) if old != new]
    pair = before[changed[0] : changed[0] + 2] if changed else []
    places, merged, i = [], [], 0
    while i < len(before):
        here = len(pair) == 2 and before[i : i + 2] == pair
        places += [i] * here
        merged.append("".join(before[i : i + 1 + here]))
        i += 1 + here
    if not places or merged != after:
        raise ValueError(f"{after} is not {before} with one pair merged")
    return places


def _ranks(ranks, n_merges):
    """The merges' places in the table, or None."""
    if ranks is None:
        return None
    if not isinstance(ranks, (list, tuple)) or not all(type(rank) is int for rank in ranks):
        raise TypeError(f"ranks must be a list of whole numbers, got {ranks!r}")
    if len(ranks) != n_merges:
        raise ValueError(f"{n_merges} merges but {len(ranks)} ranks: {ranks}")
    return list(ranks)


def _over_bytes(states, merges, unit):
    """Every state as (piece, first byte, number of bytes), each piece wide enough to be drawn."""
    spans, rows = [1] * len(states[0]), []
    for pieces, places in zip(states, [[], *merges], strict=True):
        for i in reversed(places):
            spans[i : i + 2] = [spans[i] + spans[i + 1]]
        starts = [sum(spans[:i]) for i in range(len(spans))]
        rows.append(list(zip(pieces, starts, spans, strict=True)))
        for piece, span in zip(pieces, spans, strict=True):
            if _breadth(piece, 11) > unit * span - 0.3:
                raise ValueError(f"{piece!r} is too long to draw over {span} of the word's bytes")
    return rows


def _pieces(ax, place, row, merged):
    """A row of pieces, dark where a pair merges next, with an arrow from each to the row above."""
    left, y, unit = place
    dark = {i + k for i in merged for k in (0, 1)}
    for i, (piece, start, span) in enumerate(row):
        x = left + unit * (start + span / 2)
        _literal(ax, (x, y), piece, "input", (unit * span - 0.14, 0.64))
        if i in dark:
            look = {"facecolor": tint(color_of("input"), 0.5), "edgecolor": INK, "linewidth": 2.2}
            ax.patches[-1].set(**look)
            arrow(ax, (x, y + 0.34), (x, y + 0.9), width=2.2)
        elif merged:
            arrow(ax, (x, y + 0.34), (x, y + 0.9), color=FADED, width=1.2, head=9)

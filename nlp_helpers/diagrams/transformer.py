"""Drawings of the Transformer: the whole model, norms, clocks of positions, lengths of paths."""

from nlp_helpers.diagrams.base import (
    arrow,
    band,
    canvas,
    check_count,
    inside,
    joint,
    letter,
    operation,
    plate,
    route,
)
from nlp_helpers.plotting import SLATE, color_of

_ENCODER, _DECODER = 2.95, 9.95  # where the two streams rise
_WIDE = 3.9  # sub-layers


def draw_transformer(n_layers=6, ax=None):
    """The Transformer: an encoder stack, its memory, and a decoder stack that asks the memory.

    The lines around the sub-layers are the residual roads; each ends in an Add & Norm.

    Source: Vaswani et al. (2017), section 3.1 and figure 1.
    Shape: n_layers the layers of each stack, 1 to 96.
    Raises:
        ValueError: n_layers outside 1 to 96.
        TypeError: n_layers is not a whole number.
    """
    n_layers = check_count(n_layers, "n_layers", 96)
    ax = canvas(ax, (0.0, 12.9), (-0.45, 14.25))
    for x, low, high in ((0.1, 2.75, 8.6), (7.6, 2.75, 11.2)):
        if n_layers > 1:
            band(ax, (x + 0.12, x + 5.2), (low + 0.12, high + 0.15))
        band(ax, (x, x + 5.08), (low, high))
    for x, name, y in ((0.3, "encoder", 8.25), (10.25, "decoder", 10.85)):
        ax.text(x, y, f"{name} × {n_layers}", va="center", fontsize=11, weight="bold")
    _entrance(ax, _ENCODER, -1, "source tokens")
    _entrance(ax, _DECODER, 1, "target, shifted right")
    _attention(ax, _ENCODER, "encoder", "self-attention", -1)
    _feed_forward(ax, _ENCODER, 5.6, "encoder", -1)
    _attention(ax, _DECODER, "decoder", "masked self-attention", 1)
    _cross_attention(ax)
    _feed_forward(ax, _DECODER, 8.25, "decoder", 1)
    _memory(ax)
    _legend(ax)
    _exit(ax)
    return ax


def _named(ax, xy, text, role, size, rounding=0.12):
    """A plate with words in it."""
    plate(ax, xy, size, role, rounding=rounding)
    inside(ax, xy, text, False, 10.5)


def _entrance(ax, x, side, text):
    """Tokens, embedded, plus their positions; `side` is -1 for the left and 1 for the right."""
    _named(ax, (x, 0), text, "input", (_WIDE, 0.66), rounding=0.02)
    arrow(ax, (x, 0.33), (x, 0.72))
    _named(ax, (x, 1.05), "embedding", "input", (2.4, 0.66))
    arrow(ax, (x, 1.38), (x, 1.8))
    operation(ax, (x, 2.07), "plus")
    _named(ax, (x + 1.95 * side, 2.07), "positions", "input", (1.85, 0.6))
    arrow(ax, (x + 1.02 * side, 2.07), (x + 0.28 * side, 2.07))
    route(ax, [(x, 2.34), (x, 3.1)], head=0)


def _add_norm(ax, x, y, start, side):
    """Add & Norm at y, its residual road from the joint at `start`."""
    _named(ax, (x, y), "Add & Norm", "neutral", (_WIDE, 0.56))
    road, color = x + 2.5 * side, color_of("hidden")
    points = [(x, start), (road, start), (road, y), (x + _WIDE / 2 * side, y)]
    route(ax, points, color=color, width=2.4, head=14)


def _attention(ax, x, role, name, side):
    """Self-attention on the bottom of a layer: queries, keys and values from one stream."""
    _add_norm(ax, x, 5.2, 3.1, side)
    route(ax, [(x, 3.1), (x - 1.2 * side, 3.1)], head=0)
    for shift, kind in ((-1.2, "key"), (0, "value"), (1.2, "query")):
        _into(ax, x + shift, 3.1, 3.87, kind)
    _named(ax, (x, 4.23), name, role, (_WIDE, 0.7))
    arrow(ax, (x, 4.58), (x, 4.91))


def _into(ax, x, low, high, kind):
    """An arrow up into an attention, in the colour and with the letter of what it carries."""
    joint(ax, (x, low))
    arrow(ax, (x, low), (x, high), color=color_of(kind), width=2.4)
    letter(ax, x + 0.28, (low + high) / 2 + 0.02, f"${kind[0].upper()}$", fontsize=12)


def _cross_attention(ax):
    """The decoder's stream asks with Q; K and V come from the memory."""
    x, start = _DECODER, 5.8
    route(ax, [(x, 5.48), (x, start)], head=0)
    _add_norm(ax, x, 7.85, start, 1)
    _into(ax, x + 1.2, start, 6.52, "query")
    for shift, kind in ((-1.6, "key"), (-0.8, "value")):
        _into(ax, x + shift, 5.8, 6.52, kind)
    _named(ax, (x, 6.88), "cross-attention", "decoder", (_WIDE, 0.7))
    arrow(ax, (x, 7.23), (x, 7.56))


def _feed_forward(ax, x, start, role, side):
    """The feed-forward network of a layer, on the stream that leaves an Add & Norm at `start`."""
    route(ax, [(x, start - 0.12), (x, start + 0.15)], head=0)
    joint(ax, (x, start + 0.15))
    arrow(ax, (x, start + 0.15), (x, start + 0.52))
    _named(ax, (x, start + 0.87), "feed-forward", role, (_WIDE, 0.66))
    arrow(ax, (x, start + 1.2), (x, start + 1.53))
    _add_norm(ax, x, start + 1.82, start + 0.15, side)


def _memory(ax):
    """The encoder's last vectors, one for each token, on their way to the decoder."""
    color = color_of("encoder")
    arrow(ax, (_ENCODER, 7.7), (_ENCODER, 9.1), color=color, width=2.4)
    for i in range(3):
        for j in range(4):
            at = (_ENCODER + 0.5 * (i - 1), 9.28 + 0.32 * j)
            plate(ax, at, (0.32, 0.32), "encoder", rounding=0.02)
    route(ax, [(_ENCODER + 0.75, 9.76), (6.5, 9.76), (6.5, 5.8), (_DECODER - 0.8, 5.8)],
          color=color, width=2.4, head=0)  # fmt: skip
    ax.text(0.3, 12.1, "memory", va="center", fontsize=11, weight="bold")
    ax.text(0.3, 11.35, "one vector per source token, keys\nand values for every decoder layer",
            va="center", fontsize=10.5, color=SLATE, linespacing=1.35)  # fmt: skip


def _legend(ax):
    """What the green roads are, between the two stacks."""
    route(ax, [(5.9, 4.75), (7.0, 4.75)], color=color_of("hidden"), width=2.4, head=14)
    letter(ax, 6.46, 4.05, "residual\nroad", fontsize=10.5, color=SLATE, linespacing=1.3)


def _exit(ax):
    """From the decoder's top to a probability for every token of the vocabulary."""
    x = _DECODER
    route(ax, [(x, 10.35), (x, 11.45)])
    _named(ax, (x, 11.75), "linear", "neutral", (2.4, 0.58))
    arrow(ax, (x, 12.04), (x, 12.36))
    _named(ax, (x, 12.66), "softmax", "neutral", (2.4, 0.58))
    arrow(ax, (x, 12.95), (x, 13.3))
    for i, height in enumerate((0.14, 0.3, 0.62, 0.2, 0.1)):
        at = (x + 0.36 * (i - 2), 13.4 + height / 2)
        plate(ax, at, (0.28, height), "output", rounding=0.02)
    ax.text(x - 1.2, 13.7, "output probabilities", ha="right", va="center", fontsize=10.5)

"""Drawings of the Transformer: the whole model, norms, clocks of positions, lengths of paths."""

import math

from matplotlib.patches import Circle

from nlp_helpers.diagrams.base import (
    FADED,
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
)
from nlp_helpers.plotting import INK, PAPER, SLATE, color_of

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


_LEVELS = (1.05, 3.6, 5.0, 7.55)  # where a sub-layer leaves the road and where it comes back


def draw_norm_order(ax=None):
    """Post-LN beside pre-LN: norms that stand on the residual road, or beside it.

    Source: Xiong et al. (2020), figure 1: post-LN x <- LayerNorm(x + sublayer(x)), as in Vaswani
        et al. (2017); pre-LN x <- x + sublayer(LayerNorm(x)), with one norm after the last layer.
    """
    ax = canvas(ax, (0.0, 13.0), (-0.5, 12.35))
    color = color_of("hidden")
    for left, title, said in (
        (0.1, "post-LN", "every norm is on the road"),
        (6.7, "pre-LN", "the road is free"),
    ):
        road, aside = left + 1.55, left + 4.4
        band(ax, (left, left + 6.2), (0.55, 8.95))
        ax.text(left + 0.25, 12.0, title, va="center", fontsize=12, weight="bold")
        ax.text(left + 0.25, 11.4, said, va="center", fontsize=10.5, color=SLATE)
        ax.text(left + 5.95, 8.5, "× N", ha="right", va="center", fontsize=11, weight="bold")
        route(ax, [(road, 0.0), (road, 10.55)], color=color, width=4, head=18)
        node(ax, (road, 0.0), "$x$", "hidden", radius=0.38)
        for start, end, name in ((*_LEVELS[:2], "self-attention"), (*_LEVELS[2:], "feed-forward")):
            _beside(ax, (road, aside), (start, end), name, title == "pre-LN")
    _named(ax, (8.25, 9.65), "norm", "neutral", (1.7, 0.6))
    ax.text(9.3, 9.65, "one final norm", va="center", fontsize=10.5, color=SLATE)
    return ax


def _beside(ax, columns, heights, name, norm_first):
    """A sub-layer beside the road, its sum on the road, and its norm before it or after the sum."""
    (road, aside), (start, end) = columns, heights
    joint(ax, (road, start), color=color_of("hidden"))
    place = end - 0.8 if norm_first else (start + end) / 2
    first = start + 0.75 if norm_first else place
    route(ax, [(road, start), (aside, start), (aside, first - 0.32)])
    route(ax, [(aside, place + 0.35), (aside, end), (road + 0.28, end)])
    _named(ax, (aside, place), name, "encoder", (3.0, 0.66))
    operation(ax, (road, end), "plus")
    if norm_first:
        arrow(ax, (aside, first + 0.3), (aside, place - 0.34))
        _named(ax, (aside, first), "norm", "neutral", (1.7, 0.6))
    else:
        _named(ax, (road, end + 0.75), "norm", "neutral", (1.7, 0.6))


def draw_clocks(positions=8, n_pairs=4, ax=None):
    """Sinusoidal positions as clocks: a row for each pair of dimensions, a clock per position.

    The hand's tip is (sin, cos) of the angle: at noon at position 0, and clockwise from there.

    Source: Vaswani et al. (2017), section 3.5: PE(p, 2i) = sin(p w_i), PE(p, 2i + 1) = cos(p w_i),
        w_i = 10000^(-2i / d_model); here d_model = 2 n_pairs.
    Shape: positions 2 to 10; n_pairs 2 to 6.
    Raises:
        ValueError: a count outside these limits.
        TypeError: a count is not a whole number.
    """
    check_count(positions, "positions", 10, least=2)
    check_count(n_pairs, "n_pairs", 6, least=2)
    ax = canvas(ax, (0.0, 13.0), (-1.2 * n_pairs - 0.6, 1.75))
    band(ax, (4.1, 12.9), (-1.2 * n_pairs + 0.5, 0.75))
    step = min(1.15, 8.6 / positions)
    heads = ((1.0, "dimensions"), (3.05, "positions\nper turn"))
    for x, head in heads:
        ax.text(x, 1.3, head, ha="center", va="center", fontsize=10.5, color=SLATE)
    ax.text(4.35, 1.5, "position", va="center", fontsize=10.5, color=SLATE)
    for i in range(n_pairs):
        speed, y = 10_000 ** (-i / n_pairs), -1.2 * i
        turn = 2 * math.pi / speed
        ax.text(1.0, y, f"{2 * i}, {2 * i + 1}", ha="center", va="center", fontsize=11)
        ax.text(3.05, y, f"{turn:.1f}" if turn < 100 else f"{turn:,.0f}", ha="center",
                va="center", fontsize=11)  # fmt: skip
        for p in range(positions):
            _clock(ax, (4.25 + step * (p + 0.5), y), min(0.46, 0.46 * step), p * speed)
    for p in range(positions):
        letter(ax, 4.25 + step * (p + 0.5), 1.02, f"{p}", fontsize=11)
    rule = r"$\mathrm{hand} = (\sin \omega_i p,\ \cos \omega_i p),\quad "
    rule += rf"\omega_i = 10000^{{-2i / {2 * n_pairs}}}$"
    letter(ax, 6.5, -1.2 * n_pairs - 0.1, rule, fontsize=13)
    return ax


def _clock(ax, xy, radius, angle):
    """A clock whose hand has turned by an angle, in radians, from noon."""
    (x, y), color = xy, color_of("input")
    ax.add_patch(Circle(xy, radius, facecolor=PAPER, edgecolor=color, linewidth=1.6, zorder=1))
    ax.plot([x, x], [y + 0.78 * radius, y + radius], color=color, lw=1.4, zorder=1.5)
    tip = (x + 0.8 * radius * math.sin(angle), y + 0.8 * radius * math.cos(angle))
    arrow(ax, xy, tip, width=1.8, head=8)
    ax.add_patch(Circle(xy, 0.05, facecolor=INK, edgecolor="none", zorder=3))


def draw_path_lengths(n=6, ax=None):
    """The way from the first token to the last: through an RNN, a convolution, self-attention.

    The convolution is one-sided: a unit reads the unit below it and the two before that, so that
    a layer carries a signal over two tokens.

    Source: Vaswani et al. (2017), section 4 and table 1, "maximum path length".
    Shape: n the number of tokens, 3 to 8.
    Raises:
        ValueError: n outside 3 to 8.
        TypeError: n is not a whole number.
    """
    n = check_count(n, "n", 8, least=3)
    layers = n // 2  # (n - 1) / 2, rounded up
    networks = (  # title, the path's length, its unit, layers of the drawing, their height, links
        ("RNN", f"$n - 1 = {n - 1}$", "steps", 1, 1.3, _recurrent(n)),
        (
            *("convolution, width 3", rf"$\lceil (n - 1) / 2 \rceil = {layers}$"),
            *("layers" if layers > 1 else "layer", layers, 1.2, _convolved(n, layers)),
        ),
        ("self-attention", "$1$", "layer", 1, max(1.3, 0.46 * (n - 1)), _attended(n)),
    )
    heights = [1.35 + rows * rise for *_, rows, rise, _ in networks]
    ax = canvas(ax, (0.0, 13.0), (-sum(heights) - 0.5, 0.1))
    top = 0.0
    for (title, count, unit, rows, rise, links), height in zip(networks, heights, strict=True):
        band(ax, (0.1, 12.9), (top - height, top))
        ax.text(0.35, top - 0.5, title, va="center", fontsize=11, weight="bold")
        letter(ax, 0.35, top - 1.15, f"{count} {unit}", ha="left", fontsize=12)
        _network(ax, n, top - height + 0.65, (rows, rise), links)
        top -= height + 0.2
    return ax


def _recurrent(n):
    """Links (from, to, on the path) between units (row, column): up, and on to the next state."""
    up = [((0, j), (1, j), False) for j in range(n)]
    return up + [((1, j - 1), (1, j), True) for j in range(1, n)]


def _convolved(n, layers):
    """A unit reads the unit below and two before; the path goes as far in a layer as it can."""
    way = [min(2 * row, n - 1) for row in range(layers + 1)]
    return [
        ((row - 1, j - back), (row, j), (way[row - 1], way[row]) == (j - back, j))
        for row in range(1, layers + 1)
        for j in range(n)
        for back in range(min(2, j) + 1)
    ]


def _attended(n):
    """Every unit reads every token."""
    return [((0, i), (1, j), (i, j) == (0, n - 1)) for i in range(n) for j in range(n)]


def _network(ax, n, bottom, layers, links):
    """Tokens below, units above, thin links, and the path in the states' colour."""
    (rows, rise), step = layers, min(1.5, 7.4 / (n - 1))
    right, radius = 12.4, 0.28
    at = {(r, j): (right - step * (n - 1 - j), bottom + rise * r)
          for r in range(rows + 1) for j in range(n)}  # fmt: skip
    for start, end, on_path in sorted(links, key=lambda link: link[2]):  # the path on top
        (x0, y0), (x1, y1) = at[start], at[end]
        share = (radius + 0.03) / math.hypot(x1 - x0, y1 - y0)
        dx, dy = share * (x1 - x0), share * (y1 - y0)
        look = {"color": color_of("hidden"), "width": 3} if on_path else {
            "color": FADED, "width": 1, "head": 7}  # fmt: skip
        arrow(ax, (x0 + dx, y0 + dy), (x1 - dx, y1 - dy), **look)
    for (row, j), xy in at.items():
        if row:
            node(ax, xy, "", "hidden", radius=radius)
        else:
            box(ax, xy, "input", 0.56, f"{j + 1}", size_of_label=11)

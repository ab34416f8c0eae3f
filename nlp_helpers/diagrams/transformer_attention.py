"""Drawings of attention inside the Transformer: query, key and value, heads, masks."""

import math

from matplotlib import colormaps
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from nlp_helpers.diagrams.base import (
    FADED,
    arrow,
    band,
    canvas,
    check_count,
    inside,
    joint,
    letter,
    letters_of,
    node,
    plate,
    route,
    thin,
)
from nlp_helpers.plotting import (
    FIGURE_WIDTH,
    INK,
    PAPER,
    SEQUENTIAL,
    SLATE,
    color_of,
    tint,
    visible,
)

_CELL = 0.44


def _grid(ax, xy, shape, role, cell=_CELL, faces=None):
    """A matrix as cells, centred at xy; `faces` gives every cell a colour of its own."""
    (x, y), (rows, columns) = xy, shape
    edge, face = color_of(role), tint(color_of(role), 0.8)
    for i in range(rows):
        for j in range(columns):
            corner = (x + cell * (j - columns / 2), y + cell * (rows / 2 - 1 - i))
            color = faces[i][j] if faces else face
            look = {"facecolor": color, "edgecolor": edge, "linewidth": 1.3, "zorder": 3}
            ax.add_patch(Rectangle(corner, cell, cell, **look))


def _named_grid(ax, xy, shape, role, name, sides, tokens=(), faces=None):
    """A matrix with its name above, its size below, and its tokens at the rows."""
    _grid(ax, xy, shape, role, faces=faces)
    x, y = xy
    half = _CELL * shape[0] / 2
    letter(ax, x, y + half + 0.3, f"${name}$", fontsize=13)
    letter(ax, x, y - half - 0.3, f"${sides[0]} \\times {sides[1]}$", fontsize=11, color=SLATE)
    _row_names(ax, x - _CELL * shape[1] / 2, y, tokens)


def _size(ax, xy, name, sides):
    """A matrix's name and, below it, its size, at its right."""
    (x, y), (rows, columns) = xy, sides
    letter(ax, x, y + 0.22, f"${name}$", ha="left", fontsize=13)
    letter(ax, x, y - 0.28, rf"${rows} \times {columns}$", ha="left", fontsize=11, color=SLATE)


def _row_names(ax, x, y, tokens):
    """The tokens beside the rows of a matrix whose left edge is at x."""
    for i, token in enumerate(tokens):
        row = y + _CELL * (len(tokens) / 2 - i - 0.5)
        ax.text(x - 0.12, row, visible(token), ha="right", va="center", fontsize=10)


def _reach(tokens):
    """How far the names of the rows stand out to the left of a matrix, with a little room."""
    points = max(TextPath((0, 0), visible(token), size=10).get_extents().width for token in tokens)
    return 0.26 + points * 13.75 / (72 * FIGURE_WIDTH)


def _product(ax, xy):
    """The sign of a matrix product."""
    node(ax, xy, r"$\times$", "neutral", radius=0.27, size=12)


def _weights(n):
    """Invented attention weights as colours: every row sums to 1 and favours its own token."""
    rows = [[math.exp(-1.1 * abs(i - j) + 0.5 * math.sin(5 * i + 3 * j)) for j in range(n)]
            for i in range(n)]  # fmt: skip
    return [[colormaps[SEQUENTIAL](share / sum(row)) for share in row] for row in rows]


_MODEL, _HEAD = r"d_\mathrm{model}", "d_k"


def draw_query_key_value(tokens=("I", "love", "you"), d_model=4, d_k=3, ax=None):
    """Self-attention as matrices: three projections of X, scores, softmax, weighted sum of V.

    The weights are invented.

    Source: Vaswani et al. (2017), section 3.2.1, equation 1:
        Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V.
    Shape: tokens [n], 2 to 4, of 1 to 4 characters; d_model 2 to 4; d_k 1 to 3.
    Raises:
        ValueError: a number of tokens or a size outside these limits, or a token of another
            length.
        TypeError: tokens is not a sequence of strings, or a size is not a whole number.
    """
    tokens = letters_of(tokens)
    check_count(d_model, "d_model", 4, least=2)
    check_count(d_k, "d_k", 3)
    if not 2 <= len(tokens) <= 4 or not all(1 <= len(token) <= 4 for token in tokens):
        raise ValueError(f"draw 2 to 4 tokens of 1 to 4 characters, got {tokens}")
    n, rows = len(tokens), (7.1, 3.75, 0.4)
    ax = canvas(ax, (-0.05, 13.7), (-1.4, 8.95))
    _named_grid(ax, (1.22 + _CELL * d_model / 2, rows[1]), (n, d_model), "input", "X",
                ("n", _MODEL), tokens)  # fmt: skip
    trunk = 1.22 + _CELL * d_model + 0.35
    route(ax, [(trunk - 0.3, rows[1]), (trunk, rows[1])], head=0)
    route(ax, [(trunk, rows[0]), (trunk, rows[2])], head=0)
    joint(ax, (trunk, rows[1]))
    for y, role in zip(rows, ("query", "key", "value"), strict=True):
        name, half = role[0].upper(), _CELL * d_k / 2
        _named_grid(ax, (4.4, y), (d_model, d_k), role, f"W_{name}", (_MODEL, _HEAD))
        arrow(ax, (trunk, y), (4.4 - half - 0.05, y))
        arrow(ax, (4.4 + half + 0.05, y), (7.4 - half - _reach(tokens), y))
        _named_grid(ax, (7.4, y), (n, d_k), role, name, ("n", _HEAD), tokens)
    _attend(ax, tokens, d_k, rows)
    legend = rf"$n = {n}$" + "\n" + rf"${_MODEL} = {d_model}$" + "\n" + rf"$d_k = {d_k}$"
    ax.text(0.1, 7.5, legend, va="center", fontsize=12, linespacing=1.5)
    return ax


def _attend(ax, tokens, d_k, rows):
    """The right half: scores from Q and K, weights, and the weighted sum of the rows of V."""
    n, edge = len(tokens), 7.4 + _CELL * d_k / 2 + 0.05
    half = _CELL * n / 2
    x = 10.68 + half
    query, key, value = (color_of(role) for role in ("query", "key", "value"))
    arrow(ax, (edge, rows[0]), (8.5, rows[0]), color=query, width=2.4)
    route(ax, [(edge, rows[1]), (8.78, rows[1]), (8.78, rows[0] - 0.29)], color=key, width=2.4)
    arrow(ax, (edge, rows[2]), (9.62, rows[2]), color=value, width=2.4)
    _product(ax, (8.78, rows[0]))
    _product(ax, (9.9, rows[2]))
    arrow(ax, (9.06, rows[0]), (x - half - _reach(tokens), rows[0]))
    _grid(ax, (x, rows[0]), (n, n), "neutral")
    _grid(ax, (x, rows[1]), (n, n), "neutral", faces=_weights(n))
    for y in rows[:2]:
        _row_names(ax, x - half, y, tokens)
    letter(ax, x, rows[0] + half + 0.42, r"$Q K^\mathsf{T} / \sqrt{d_k}$", fontsize=13)
    letter(ax, x + half + 0.15, rows[0], r"$n \times n$", ha="left", fontsize=11, color=SLATE)
    _size(ax, (x + half + 0.15, rows[1]), r"\mathrm{weights}", ("n", "n"))
    arrow(ax, (x, rows[0] - half - 0.05), (x, rows[1] + 1.88))
    plate(ax, (x, rows[1] + 1.6), (2.0, 0.54), "neutral")
    inside(ax, (x, rows[1] + 1.6), "softmax", False, 10.5)
    arrow(ax, (x, rows[1] + 1.32), (x, rows[1] + half + 0.05))
    route(ax, [(x, rows[1] - half - 0.05), (x, 2.2), (9.9, 2.2), (9.9, rows[2] + 0.29)])
    output = 12.2 + _CELL * d_k / 2
    arrow(ax, (10.18, rows[2]), (12.2 - _reach(tokens), rows[2]))
    _named_grid(ax, (output, rows[2]), (n, d_k), "value", r"\mathrm{output}", ("n", _HEAD), tokens)


def draw_heads(n_heads=4, d_model=8, ax=None):
    """Multi-head attention: every head gets the whole of X and projects it in its own way.

    What is put side by side is the heads' outputs; X is not cut.

    Source: Vaswani et al. (2017), section 3.2.2: head_i = Attention(X W_Q^i, X W_K^i, X W_V^i),
        MultiHead = Concat(head_1, ..., head_h) W_O, with d_k = d_model / h.
    Shape: n_heads 2 to 4; d_model 4 to 12, a multiple of n_heads.
    Raises:
        ValueError: a size outside these limits, or d_model is no multiple of n_heads.
        TypeError: a size is not a whole number.
    """
    check_count(n_heads, "n_heads", 4, least=2)
    check_count(d_model, "d_model", 12, least=4)
    if d_model % n_heads:
        raise ValueError(f"d_model must be a multiple of n_heads, got {d_model} and {n_heads}")
    d_k, cell, step = d_model // n_heads, min(0.28, 1.92 / d_model), 13.0 / n_heads
    ax = canvas(ax, (0.0, 13.0), (-0.65, 13.4))
    _grid(ax, (6.5, 0), (_N, d_model), "input", cell)
    _size(ax, (6.65 + cell * d_model / 2, 0), "X", ("n", _MODEL))
    columns = [step * (i + 0.5) for i in range(n_heads)]
    route(ax, [(6.5, _N * cell / 2 + 0.04), (6.5, 1.0)], head=0)
    route(ax, [(columns[0], 1.0), (columns[-1], 1.0)], head=0)
    said = "every head gets\nthe whole of $X$"
    letter(ax, 0.15, 0.0, said, ha="left", fontsize=10.5, linespacing=1.3)
    letter(ax, 12.85, 0.0, rf"$d_k = {_MODEL} / {n_heads} = {d_k}$", ha="right", fontsize=11.5)
    for i, x in enumerate(columns):
        half = min(step / 2, 2.2) - 0.08
        band(ax, (x - half, x + half), (1.45, 8.9))
        ax.text(x - half + 0.15, 1.85, f"head {i + 1}", va="center", fontsize=10, weight="bold")
        joint(ax, (x, 1.0))
        _head(ax, x, i + 1, (d_model, d_k), cell)
        slot = _CONCAT + cell * d_k * (i + 0.5 - n_heads / 2)
        arrow(ax, (x, 8.05 + _N * cell / 2 + 0.05), (slot, _TOP - _N * cell / 2 - 0.06))
    _joined(ax, (n_heads, d_model), cell)
    return ax


_N = 3  # rows of the matrices that have one row for each token
_CONCAT, _TOP = 4.4, 11.4  # where the heads' outputs stand side by side


def _head(ax, x, number, shape, cell):
    """One head from bottom to top: all of X, three projections, attention, its output."""
    d_model, d_k = shape
    arrow(ax, (x, 1.0), (x, 2.75 - _N * cell / 2 - 0.04))
    _grid(ax, (x, 2.75), (_N, d_model), "input", cell)
    letter(ax, x + cell * d_model / 2 + 0.26, 2.75, "$X$", fontsize=12)
    route(ax, [(x, 2.75 + _N * cell / 2 + 0.04), (x, 3.5)], head=0)
    apart = max(cell * d_k + 0.3, 0.9)
    route(ax, [(x - apart, 3.5), (x + apart, 3.5)], head=0)
    for side, role in ((-1, "query"), (0, "key"), (1, "value")):
        at, height = x + side * apart, cell * d_model
        arrow(ax, (at, 3.5), (at, 3.92))
        _grid(ax, (at, 3.96 + height / 2), (d_model, d_k), role, cell)
        name = f"$W_{role[0].upper()}^{{\\,{number}}}$"
        letter(ax, at, 4.26 + height, name, fontsize=11)
        arrow(ax, (at, 4.58 + height), (at, 6.85), color=color_of(role), width=2)
    plate(ax, (x, 7.1), (2.3, 0.5), "neutral")
    inside(ax, (x, 7.1), "attention", False, 10)
    arrow(ax, (x, 7.35), (x, 8.05 - _N * cell / 2 - 0.04))
    _grid(ax, (x, 8.05), (_N, d_k), "value", cell)
    letter(ax, x + cell * d_k / 2 + 0.12, 8.05, r"$n \times d_k$", ha="left", fontsize=10.5,
           color=SLATE)  # fmt: skip


def _joined(ax, shape, cell):
    """The heads' outputs side by side, times W_O."""
    n_heads, d_model = shape
    width = cell * d_model
    _grid(ax, (_CONCAT, _TOP), (_N, d_model), "value", cell)
    for i in range(1, n_heads):
        x = _CONCAT + width * (i / n_heads - 0.5)
        reach = _N * cell / 2 + 0.06
        ax.plot([x, x], [_TOP - reach, _TOP + reach], color=INK, lw=2, zorder=4)
    for x, high, name, sides in (
        (_CONCAT, _N * cell / 2, "concatenated", ("n", _MODEL)),
        (7.9, width / 2, "$W_O$", (_MODEL, _MODEL)),
        (11.25, _N * cell / 2, "output", ("n", _MODEL)),
    ):
        letter(ax, x, _TOP + high + 0.82, name, fontsize=13 if "$" in name else 11)
        size = rf"${sides[0]} \times {sides[1]}$"
        letter(ax, x, _TOP + high + 0.32, size, fontsize=11, color=SLATE)
    _grid(ax, (7.9, _TOP), (d_model, d_model), "neutral", cell)
    _grid(ax, (11.25, _TOP), (_N, d_model), "hidden", cell)
    for left, right in ((_CONCAT, 7.9), (7.9, 11.25)):
        arrow(ax, (left + width / 2 + 0.06, _TOP), (right - width / 2 - 0.06, _TOP))


def draw_masks(source_length=5, n_padding=2, ax=None):
    """Which query may attend to which key: padding mask, causal mask, and both at once.

    A check mark is True, may attend; a hatched cell is False.

    Source: Vaswani et al. (2017), section 3.2.3, for the causal mask.
    Shape: source_length the tokens of the sequence with its padding, 2 to 6; n_padding of them,
        0 to source_length - 1. Each mask is [query, key].
    Raises:
        ValueError: a length outside 2 to 6, or no token left beside the padding.
        TypeError: a size is not a whole number.
    """
    length = check_count(source_length, "source_length", 6, least=2)
    n_padding = check_count(n_padding, "n_padding", length - 1, least=0)
    real = length - n_padding
    tokens = [str(i + 1) for i in range(real)] + ["pad"] * n_padding
    ax = canvas(ax, (0.0, 13.0), (-1.2, 5.0))
    masks = (
        ("padding mask", lambda query, key: key < real),
        ("causal mask", lambda query, key: key <= query),
        ("both", lambda query, key: key < real and key <= query),
    )
    for i, (name, rule) in enumerate(masks):
        _mask(ax, 1.35 + 4.3 * i, name, tokens, rule)
    for x, word in ((4.85, "and"), (9.0, "=")):
        ax.text(x, 4.65, word, ha="center", va="center", fontsize=11, weight="bold")
    for x, allowed, said in ((2.6, True, "True: may attend"), (7.2, False, "False: may not")):
        _cell(ax, (x, -1.1), 0.5, allowed)
        ax.text(x + 0.7, -0.85, said, va="center", fontsize=10.5)
    return ax


_SIDE = 2.85  # a mask's width


def _mask(ax, left, name, tokens, rule):
    """One mask: a row for each query, a column for each key."""
    cell = _SIDE / len(tokens)
    ax.text(left, 4.65, name, va="center", fontsize=11, weight="bold")
    for i, token in enumerate(tokens):
        y = _SIDE - cell * (i + 0.5)
        ax.text(left - 0.12, y, token, ha="right", va="center", fontsize=10)
        if token != "pad":
            letter(ax, left + cell * (i + 0.5), _SIDE + 0.26, token, fontsize=10)
        for j in range(len(tokens)):
            _cell(ax, (left + cell * j, y - cell / 2), cell, rule(i, j))
    n_padding = tokens.count("pad")
    if n_padding:
        start = left + _SIDE - cell * n_padding
        thin(ax, (start + 0.06, _SIDE + 0.07), (left + _SIDE - 0.06, _SIDE + 0.07))
        letter(ax, (start + left + _SIDE) / 2, _SIDE + 0.28, "pad", fontsize=10)
    arrow(ax, (left, _SIDE + 0.6), (left + _SIDE, _SIDE + 0.6), color=color_of("key"))
    letter(ax, left + _SIDE / 2, _SIDE + 0.95, "keys", fontsize=10.5)
    arrow(ax, (left - 0.85, _SIDE), (left - 0.85, 0), color=color_of("query"))
    letter(ax, left - 1.12, _SIDE / 2, "queries", fontsize=10.5, rotation=90)


def _cell(ax, corner, side, allowed):
    """True as a filled cell with a check mark, False as a hatched one."""
    neutral = color_of("neutral")
    look = {"facecolor": tint(neutral, 0.75)} if allowed else {"facecolor": PAPER, "hatch": "////"}
    look |= {"edgecolor": neutral if allowed else FADED, "linewidth": 1.3}
    ax.add_patch(Rectangle(corner, side, side, zorder=3.5 if allowed else 3, **look))
    if allowed:
        middle = (corner[0] + side / 2, corner[1] + side / 2)
        inside(ax, middle, "✓", False, 12)

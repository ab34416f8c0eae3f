"""Drawings of who sees what in pre-training: XLNet's masks, and what BERT's masking replaces."""

import numpy as np
from matplotlib.patches import Rectangle

from nlp_helpers.diagrams.base import FADED, arrow, canvas, inside, letter, route, thin
from nlp_helpers.diagrams.bert import CHIP, breadth, chip, tokens_of
from nlp_helpers.plotting import INK, PAPER, SLATE, color_of, tint


def draw_permutation_masks(order, content, query, ax=None):
    """XLNet's two masks for one order of prediction, beside the causal mask of left to right.

    A check mark is True, may attend; a hatched cell is False. The dark frames are the cells in
    which a position would attend to itself.

    Source: Yang et al. (2019), section 2.3 and figure 1.
    Args:
        order: the positions as they are predicted, counted from 0; 2 to 6 of them.
        content, query: the masks, for instance those of `models.permutation.permutation_masks`.
    Shape: order [time]; content, query [time, time], bool, as [query, key].
    Raises:
        ValueError: not a permutation of 0 .. time - 1, fewer than 2 or more than 6 positions, or
            a mask of another shape.
        TypeError: an order that is no sequence of whole numbers, or a mask that is not bool.
    """
    order = _order(order)
    n = len(order)
    masks = [_mask_array(mask, name, n) for mask, name in ((content, "content"), (query, "query"))]
    ax = canvas(ax, (0.0, 13.0), (-2.0, 5.6))
    causal = np.tril(np.ones((n, n), dtype=bool))
    for k, (title, way, mask) in enumerate(zip(
        ("causal mask", "content stream", "query stream"), (list(range(n)), order, order),
        (causal, *masks), strict=True)):  # fmt: skip
        left = 1.3 + 4.3 * k
        ax.text(left, 5.25, title, va="center", fontsize=11, weight="bold")
        said = " → ".join(map(str, way))
        ax.text(left, 4.7, said, va="center", fontsize=10 if n < 6 else 9, color=SLATE)
        _matrix(ax, left, mask)
    ax.text(0.1, 4.7, "order", va="center", fontsize=10, color=SLATE)
    for x, y, allowed, said in ((1.3, -0.8, True, "True: may attend"),
                                (7.2, -0.8, False, "False: may not")):  # fmt: skip
        _cell(ax, (x, y - 0.25), 0.5, allowed)
        ax.text(x + 0.7, y, said, va="center", fontsize=10.5)
    _cell(ax, (1.3, -1.8), 0.5, None)
    ax.text(2.0, -1.55, "a position and itself; positions are counted from 0", va="center",
            fontsize=10.5)  # fmt: skip
    return ax


def _order(order):
    if not isinstance(order, (list, tuple, range)) or not all(type(p) is int for p in order):
        raise TypeError(f"order must be a sequence of whole numbers, got {order!r}")
    if not 2 <= len(order) <= 6 or sorted(order) != list(range(len(order))):
        raise ValueError(f"order must be a permutation of 2 to 6 positions from 0 on, got {order}")
    return list(order)


def _mask_array(mask, name, n):
    array = np.asarray(mask)
    if array.dtype != bool:
        raise TypeError(f"{name} must be bool (True = may attend), got {array.dtype}")
    if array.shape != (n, n):
        raise ValueError(f"{name} must have shape ({n}, {n}), got {array.shape}")
    return array


_SIDE = 2.85  # a mask's width


def _matrix(ax, left, mask):
    """One mask: a row for each query, a column for each key."""
    n = len(mask)
    cell = _SIDE / n
    for i in range(n):
        y = _SIDE - cell * (i + 1)
        ax.text(left - 0.14, y + cell / 2, str(i), ha="right", va="center", fontsize=10)
        letter(ax, left + cell * (i + 0.5), _SIDE + 0.28, str(i), fontsize=10)
        for j in range(n):
            _cell(ax, (left + cell * j, y), cell, bool(mask[i, j]))
        _cell(ax, (left + cell * i, y), cell, None)
    arrow(ax, (left, _SIDE + 0.62), (left + _SIDE, _SIDE + 0.62), color=color_of("key"))
    letter(ax, left + _SIDE / 2, _SIDE + 0.97, "keys", fontsize=10.5)
    arrow(ax, (left - 0.6, _SIDE), (left - 0.6, 0), color=color_of("query"))
    letter(ax, left - 0.87, _SIDE / 2, "queries", fontsize=10.5, rotation=90)


def _cell(ax, corner, side, allowed):
    """True as a filled cell with a check mark, False as a hatched one; None is a dark frame."""
    neutral = color_of("neutral")
    look = {"facecolor": tint(neutral, 0.75), "edgecolor": neutral, "linewidth": 1.3, "zorder": 3.5}
    if allowed is None:
        corner, side = (corner[0] + 0.03, corner[1] + 0.03), side - 0.06
        look = {"facecolor": "none", "edgecolor": INK, "linewidth": 2.2, "zorder": 3.8}
    elif not allowed:
        look |= {"facecolor": PAPER, "edgecolor": FADED, "hatch": "////", "zorder": 3}
    ax.add_patch(Rectangle(corner, side, side, **look))
    if allowed:
        inside(ax, (corner[0] + side / 2, corner[1] + side / 2), "✓", False, 12)


_KINDS = ("not chosen", "[MASK]", "random", "kept")


def draw_masking_shares(counts, word="dog", random="pear", ax=None):
    """What becomes of the tokens of a corpus in masked language modelling, from counts.

    The first bar holds all tokens, the second only the chosen ones, the ones to be predicted.

    Source: Devlin et al. (2019), section 3.1, task 1: 15 % chosen; of these 80 % [MASK], 10 % a
        random token, 10 % kept as they are.
    Args:
        counts: a dict of numbers of tokens with the keys "not chosen", "[MASK]", "random", "kept".
        word, random: the words of the examples.
    Raises:
        ValueError: other keys, a negative count, no chosen token, an example too long to draw.
        TypeError: counts is not a dict of whole numbers, or a word not a string.
    """
    counts = _counts(counts)
    examples = ("[MASK]", *tokens_of([random], "random"), *tokens_of([word], "word"))
    word = examples[-1]
    if max(breadth(entry, CHIP) for entry in examples) > 1.4:
        raise ValueError(f"the words {word!r} and {random!r} are too long to draw")
    whole, chosen = sum(counts), sum(counts[1:])
    ax = canvas(ax, (0.0, 13.0), (-2.55, 4.6))
    split = 0.1 + 12.8 * counts[0] / whole
    _bar(ax, 3.2, (0.1, split), "neutral")
    _bar(ax, 3.2, (split, 12.9), "output", 0.5)
    ax.text(0.1, 4.2, f"not chosen: {_percent(counts[0], whole)}", va="center", fontsize=10.5)
    ax.text(12.9, 4.2, f"chosen, to be predicted: {_percent(chosen, whole)}",
            ha="right", va="center", fontsize=10.5)  # fmt: skip
    for start, end in ((split, 0.1), (12.9, 12.9)):
        thin(ax, (start, 3.2), (end, 2.3))
    left = 0.1
    for k, (count, shown) in enumerate(zip(counts[1:], examples, strict=True)):
        right = left + 12.8 * count / chosen
        _bar(ax, 1.6, (left, right), "output", (0.5, 0.68, 0.86)[k])
        middle, x = (left + right) / 2, 0.1 + 12.8 * (2 * k + 1) / 6
        route(ax, [(middle, 1.6), (middle, 1.2), (x, 0.95), (x, 0.6)], head=0, color=SLATE,
              width=1.2)  # fmt: skip
        said = ("replaced by [MASK]", "replaced by a\nrandom token", "kept as it is")[k]
        letter(ax, x, 0.1, said, fontsize=10.5, weight="bold")
        chip(ax, (x - 1.05, -0.95), word, 1.6)
        arrow(ax, (x - 0.22, -0.95), (x + 0.22, -0.95), head=10)
        chip(ax, (x + 1.05, -0.95), shown, 1.6)
        said = f"{_percent(count, chosen)} of the chosen,\n{_percent(count, whole)} of all tokens"
        letter(ax, x, -1.95, said, fontsize=10, color=SLATE, linespacing=1.35)
        left = right
    return ax


def _counts(counts):
    """The four numbers in their order."""
    if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
        raise TypeError(f"counts must be a dict of whole numbers, got {counts!r}")
    if set(counts) != set(_KINDS):
        raise ValueError(f"counts must have the keys {', '.join(_KINDS)}, got {list(counts)}")
    counts = [counts[kind] for kind in _KINDS]
    if min(counts) < 0 or not sum(counts[1:]):
        raise ValueError(f"counts must be 0 or more, and some tokens chosen, got {counts}")
    return counts


def _percent(part, whole):
    return f"{100 * part / whole:.1f} %"


def _bar(ax, y, ends, role, share=0.8):
    """A part of a bar, from left to right, its lower edge at y."""
    color = color_of(role)
    look = {"facecolor": tint(color, share), "edgecolor": color, "linewidth": 1.6, "zorder": 3}
    ax.add_patch(Rectangle((ends[0], y), ends[1] - ends[0], 0.7, **look))

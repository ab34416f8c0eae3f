"""Drawings of ELMo: words in context, character CNN, biLM, mixture of layers; and ULMFiT."""

import itertools
import math

from matplotlib import colormaps
from matplotlib.patches import FancyBboxPatch, Rectangle

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
    letters_of,
    node,
    operation,
    plate,
    route,
)
from nlp_helpers.plotting import DIVERGING, INK, SEQUENTIAL, SLATE, color_of, tint, visible

_FORWARD, _BACKWARD = r"\overrightarrow{h}", r"\overleftarrow{h}"
_SENTENCES = (("a", "muddy", "bank", "of", "reeds"), ("the", "bank", "lends", "money"))
_STATIC = (0.35, -0.6, 0.75, -0.2, 0.5)  # invented numbers, for the drawing only
_IN_CONTEXT = ((-0.7, 0.3, 0.65, -0.45, 0.1), (0.5, -0.25, -0.6, 0.8, -0.75))


def draw_two_vectors(word="bank", sentences=_SENTENCES, ax=None):
    """A word in two sentences: one row of a static table for both, or one vector in each context.

    The numbers behind the colours are invented.

    Source: Peters et al. (2018), section 1: a vector that is a function of the whole sentence.
    Shape: sentences two sequences of 2 to 6 words, or two strings, each with `word` in it once.
    Raises:
        ValueError: not two sentences of 2 to 6 words, a sentence or `word` too long to draw, or
            `word` not in a sentence exactly once.
        TypeError: `word` is not a string, or a sentence is neither a string nor a sequence.
    """
    places = _places(word, sentences)
    ax = canvas(ax, (0.0, 13.0), (0.0, 9.75))
    for low, high, title, said in (
        (5.35, 9.65, "a static table", "one vector per word"),
        (0.1, 5.1, "a contextual model", "one vector per word and sentence"),
    ):
        band(ax, (0.1, 12.9), (low, high))
        ax.text(0.4, high - 0.42, title, va="center", fontsize=11, weight="bold")
        ax.text(12.6, high - 0.42, said, ha="right", va="center", fontsize=10.5, color=SLATE)
    for i, sentence in enumerate(places):
        at = _chips(ax, sentence, 5.9, word)
        _look_up(ax, at, 1 - 2 * i)
        at = _chips(ax, sentence, 0.65, word)
        _read(ax, sentence, at, i)
    for row, name in ((-1, "…"), (1, "…"), (0, word)):
        y = 7.65 + 0.46 * row
        face = "#F3F4F4" if row else tint(color_of("input"), 0.8)
        _cell(ax, (4.4, y - 0.23), (1.7, 0.46), face, FADED if row else color_of("input"))
        inside(ax, (5.25, y), visible(name), row != 0, 10.5)
        _vector(ax, (7.25, y), "input", _STATIC, faded=row != 0)
    letter(ax, 6.4, 8.55, "one row for both", fontsize=10.5, color=SLATE)
    letter(ax, 6.5, 3.66, "≠", fontsize=13)
    return ax


def _places(word, sentences):
    """Every sentence as (word, x, width of its chip), on its half of the drawing."""
    if not isinstance(word, str):
        raise TypeError(f"word must be a string, got {word!r}")
    if len(word) > 8:
        raise ValueError(f"word must have at most 8 letters to be drawn, got {word!r}")
    sentences = [_words(sentence) for sentence in letters_of(sentences)]
    if len(sentences) != 2 or not all(2 <= len(sentence) <= 6 for sentence in sentences):
        raise ValueError(f"give two sentences of 2 to 6 words each, got {sentences}")
    places = []
    for words, middle in zip(sentences, (3.35, 9.65), strict=True):
        if words.count(word) != 1:
            raise ValueError(f"the word {word!r} must stand once in each sentence, got {words}")
        widths = [0.36 + 0.19 * len(entry) for entry in words]
        whole = sum(widths) + 0.12 * (len(words) - 1)
        if whole > 6.0:
            raise ValueError(f"the sentence {words} is too long to draw: use fewer letters")
        left = middle - whole / 2
        starts = [left + sum(widths[:k]) + 0.12 * k for k in range(len(words))]
        places.append([(w, x + s / 2, s) for w, x, s in zip(words, starts, widths, strict=True)])
    return places


def _words(sentence):
    """A sentence, or a sequence of words, as a list of words."""
    words = letters_of(sentence.split() if isinstance(sentence, str) else sentence)
    for word in words:
        if not isinstance(word, str):
            raise TypeError(f"words must be strings, got {word!r}")
        if not word:
            raise ValueError(f"no word may be empty, got {words}")
    return words


def _chips(ax, sentence, y, word):
    """The words of a sentence in boxes; returns where the word in question stands."""
    for entry, x, width in sentence:
        role = "input" if entry == word else "neutral"
        plate(ax, (x, y), (width, 0.6), role, rounding=0.02)
        inside(ax, (x, y), visible(entry), False, 10.5)
    return next(x for entry, x, _ in sentence if entry == word)


def _look_up(ax, x, side):
    """From a word to its row of the table, at the table's left (side 1) or right (side -1)."""
    end = 6.4 - 2.02 * side
    turn = end - 0.65 * side
    points = [(x, 6.2), (x, 7.65), (end, 7.65)]
    if (x - turn) * side > 0:  # under the table: around its edge
        points = [(x, 6.2), (x, 6.7), (turn, 6.7), (turn, 7.65), (end, 7.65)]
    route(ax, points, color=color_of("input"), width=2.2, head=14)


def _read(ax, sentence, x, i):
    """A sentence read whole by the model, and the vector it gives to the word in question."""
    middle = (3.35, 9.65)[i]
    for _, at, _ in sentence:
        look = {"color": color_of("input"), "width": 2.2} if at == x else {"color": SLATE}
        arrow(ax, (at, 0.95), (at, 1.72), **look)
    plate(ax, (middle, 2.15), (6.0, 0.82), "neutral")
    inside(ax, (middle, 2.15), "reads the whole sentence", False, 10.5)
    arrow(ax, (x, 2.57), (x, 3.4), color=color_of("hidden"), width=2.2)
    low, high = ((1.55, 5.1), (7.9, 11.45))[i]
    at = min(max(x, low), high)  # inside the panel, and beside the sign between the two
    _vector(ax, (at, 3.66), "hidden", _IN_CONTEXT[i])


def _vector(ax, xy, role, values, *, cell=0.46, faded=False, upright=False, cmap=DIVERGING):
    """A vector as cells in a row or a column, each in its value's colour, or pale."""
    (x, y), edge = xy, FADED if faded else color_of(role)
    for i, value in enumerate(values):
        shift = cell * (i - len(values) / 2)
        corner = (x - cell / 2, y - shift - cell) if upright else (x + shift, y - cell / 2)
        if faded or value is None:
            face = "#F3F4F4" if faded else tint(edge, 0.8)
        else:
            face = colormaps[cmap](0.5 + 0.5 * value if cmap == DIVERGING else value)
        _cell(ax, corner, (cell, cell), face, edge)


def _cell(ax, corner, size, face, edge):
    look = {"facecolor": face, "edgecolor": edge, "linewidth": 1.4, "zorder": 3}
    ax.add_patch(Rectangle(corner, *size, **look))


def draw_char_cnn(word="springs", ax=None):
    """A word's letters through embeddings, filters, max, highway and projection to its vector.

    One filter of each width 1, 2 and 3 is drawn, a cell above the middle of each window it reads;
    the bracket marks the window with the largest value. The numbers behind the colours are
    invented.

    Source: Peters et al. (2018), section 3.4; Kim et al. (2016), sections 2.2 and 2.3.
    Shape: word 1 to 10 letters; the marks of the word's begin and end are added.
    Raises:
        ValueError: fewer than 1 or more than 10 letters.
        TypeError: word is not a string.
    """
    if not isinstance(word, str):
        raise TypeError(f"word must be a string, got {word!r}")
    if not 1 <= len(word) <= 10:
        raise ValueError(f"word must have 1 to 10 letters, got {len(word)}: {word!r}")
    letters = ["‹", *(visible(entry) for entry in word), "›"]
    ax = canvas(ax, (0.0, 13.0), (-0.45, 8.85))
    pitch = min(0.78, 7.3 / len(letters))
    columns = [4.15 + pitch * (j - (len(letters) - 1) / 2) for j in range(len(letters))]
    for x, entry in zip(columns, letters, strict=True):
        box(ax, (x, 0), "neutral" if entry in "‹›" else "input", 0.56, entry, size_of_label=12)
        arrow(ax, (x, 0.3), (x, 0.72), width=1.2, head=8)
        _vector(ax, (x, 1.47), "input", [_invented(f"{entry} {i}") for i in range(4)], cell=0.36,
                upright=True)  # fmt: skip
    band(ax, (0.15, 10.35), (2.95, 8.7))
    arrow(ax, (4.15, 2.3), (4.15, 2.9), width=2.2)
    ax.text(10.1, 8.25, "one number per filter", ha="right", va="center", fontsize=10.5,
            color=SLATE)  # fmt: skip
    for size, y in ((1, 3.75), (2, 5.6), (3, 7.45)):
        _filter_row(ax, (columns, y), letters, size)
    ax.text(8.3, 0, "characters, between\nmarks ‹ › of begin and end", va="center", fontsize=10.5,
            color=SLATE, linespacing=1.3)  # fmt: skip
    ax.text(8.3, 1.47, "character embeddings", va="center", fontsize=10.5, color=SLATE)
    _to_the_token_vector(ax)
    return ax


def _invented(seed):
    """A number between -1 and 1 that depends on a string, the same every time."""
    return 0.85 * math.sin(
        sum((i + 1) * ord(character) for i, character in enumerate(seed)) * 12.9898
    )


def _filter_row(ax, place, letters, size):
    """What a filter answers at every window, the window of the largest answer, and its max."""
    columns, y = place
    starts = range(len(letters) - size + 1)
    values = [0.5 + 0.5 * _invented("".join(letters[j : j + size]) + str(size)) for j in starts]
    best = max(starts, key=lambda j: values[j])
    name = f"filters of width {size}"
    ax.text(0.4, y + 0.8, name, va="center", fontsize=10.5, weight="bold")
    for j in starts:
        middle = (columns[j] + columns[j + size - 1]) / 2
        _vector(ax, (middle, y), "neutral", [0.85 * values[j]], cell=0.5, cmap=SEQUENTIAL)
        if j == best:
            ax.add_patch(Rectangle((middle - 0.25, y - 0.25), 0.5, 0.5, facecolor="none",
                                   edgecolor=INK, linewidth=2.6, zorder=4))  # fmt: skip
    left, right = columns[best] - 0.28, columns[best + size - 1] + 0.28
    route(ax, [(left, y - 0.36), (left, y - 0.5), (right, y - 0.5), (right, y - 0.36)], head=0)
    if best + size < len(letters):
        arrow(ax, (right + 0.1, y - 0.5), (right + 0.65, y - 0.5), color=SLATE, width=1.2, head=9)
    arrow(ax, (8.15, y), (9.27, y), width=2.2)
    letter(ax, 8.7, y + 0.3, "max", fontsize=10.5)
    numbers = [values[best], *(0.5 + 0.4 * _invented(f"{name} {k}") for k in (1, 2))]
    _vector(ax, (9.5, y), "neutral", [0.85 * n for n in numbers], cell=0.36, upright=True,
            cmap=SEQUENTIAL)  # fmt: skip
    route(ax, [(9.72, y), (10.05, y)], head=0)


def _to_the_token_vector(ax):
    """From the maxima of all filters through highway and projection to the token vector."""
    route(ax, [(10.05, 7.45), (10.05, 3.75), (10.55, 3.75)])
    for y, name in ((3.75, "highway"), (5.15, "projection")):
        plate(ax, (11.7, y), (2.2, 0.7), "neutral")
        inside(ax, (11.7, y), name, False, 10.5)
        arrow(ax, (11.7, y + 0.37), (11.7, y + (1.02 if y < 4 else 1.2)))
    _vector(ax, (11.7, 6.6), "input", [_invented(f"token {i}") for i in range(5)], cell=0.42)
    letter(ax, 11.7, 7.2, "token vector", fontsize=11, weight="bold")


def draw_bilm(words=("the", "bank", "was", "closed"), ax=None):
    """The biLM: two stacks of LSTMs that never meet between the token vectors and the softmax.

    A strip is one LSTM, unrolled over the positions. The green roads are the residual connections
    around layer 2.

    Source: Peters et al. (2018), sections 3.1 and 3.4.
    Shape: words 2 to 4, each of 1 to 6 letters, or one string of them.
    Raises:
        ValueError: fewer than 2 or more than 4 words, or a word of 0 or over 6 letters.
        TypeError: words is neither a string nor a sequence of strings.
    """
    words = _words(words)
    if not 2 <= len(words) <= 4 or not all(1 <= len(word) <= 6 for word in words):
        raise ValueError(f"give 2 to 4 words of 1 to 6 letters, got {words}")
    ax = canvas(ax, (0.0, 13.0), (-2.1, 10.0))
    framed = ["start", *words, "end"]
    for left, role, targets in ((0.1, "encoder", framed[2:]), (6.65, "decoder", framed[:-2])):
        _stack(ax, left, words, role)
        _targets(ax, left, targets, role)
    plate(ax, (6.5, 7.35), (12.6, 0.7), "output")
    inside(ax, (6.5, 7.35), "one softmax, shared by both directions", False, 10.5)
    said = "the same token vectors on both sides, and no arrow from stack to stack"
    letter(ax, 6.5, -0.95, said, fontsize=10.5, color=SLATE)
    plate(ax, (0.65, -1.65), (0.7, 0.36), "neutral")
    said = "one LSTM: the same weights at every position"
    ax.text(1.2, -1.65, said, va="center", fontsize=10.5, color=SLATE)
    route(ax, [(9.35, -1.65), (10.1, -1.65)], color=color_of("hidden"), width=2)
    ax.text(10.3, -1.65, "residual road", va="center", fontsize=10.5, color=SLATE)
    return ax


def _targets(ax, left, targets, role):
    """What one direction predicts at each position, and its name."""
    name, side, kind = "forward", "left to right", "next"
    if role == "decoder":
        name, side, kind = "backward", "right to left", "previous"
    ax.text(left + 0.2, 9.65, name, va="center", fontsize=11, weight="bold")
    ax.text(left + 6.05, 9.65, f"reads from {side}", ha="right", va="center", fontsize=10.5,
            color=SLATE)  # fmt: skip
    letter(ax, left + 0.65, 8.55, f"{kind}\nword", fontsize=9.5, color=SLATE, linespacing=1.3)
    letter(ax, left + 0.65, 0, "token\nvectors", fontsize=9.5, color=SLATE, linespacing=1.3)
    edge = len(targets) - 1 if role == "encoder" else 0  # the sentence's mark
    for j, x in enumerate(_columns(left, len(targets))):
        arrow(ax, (x, 7.72), (x, 8.2), width=1.3)
        _word(ax, (x, 8.55), targets[j], "neutral" if j == edge else "output")


def _columns(left, n):
    return [left + 1.87 + 3.54 * j / (n - 1) for j in range(n)]


def _word(ax, xy, word, role):
    plate(ax, xy, (1.08, 0.62), role, rounding=0.02 if role == "input" else 0.18)
    inside(ax, xy, visible(word), False, 10 if len(word) < 6 else 9)


def _stack(ax, left, words, role):
    """One direction: token vectors, LSTM 1, LSTM 2 with a residual road around it."""
    at, ahead = _columns(left, len(words)), 1 if role == "encoder" else -1
    band(ax, (left, left + 6.25), (0.75, 6.65))
    for k, y in ((1, 1.95), (2, 4.45)):
        look = {"facecolor": tint(color_of(role), 0.86), "edgecolor": color_of(role)}
        shape = "round,pad=0,rounding_size=0.2"
        ax.add_patch(FancyBboxPatch((left + 0.12, y - 0.62), 6.0, 1.24, boxstyle=shape,
                                    linewidth=1.4, zorder=0, **look))  # fmt: skip
        ax.text(left + 0.71, y, f"LSTM\nlayer {k}", ha="center", va="center", fontsize=9.2,
                linespacing=1.35)  # fmt: skip
        symbol = _FORWARD if ahead > 0 else _BACKWARD
        for j, x in enumerate(at):
            node(ax, (x, y), f"${symbol}_{{{k}}}$", role, radius=0.36, size=11)
            if 0 <= j + ahead < len(at):
                arrow(ax, (x + 0.36 * ahead, y), (at[j + ahead] - 0.38 * ahead, y),
                      color=color_of(role), width=2.2)  # fmt: skip
    for x, word in zip(at, words, strict=True):
        _word(ax, (x, 0), word, "input")
        arrow(ax, (x, 0.32), (x, 1.57))
        arrow(ax, (x, 2.32), (x, 4.07))
        arrow(ax, (x, 4.82), (x, 5.52))
        operation(ax, (x, 5.8), "plus")
        arrow(ax, (x, 6.08), (x, 6.98))
        joint(ax, (x, 3.15), color=color_of("hidden"))
        aside = x + 0.5 * ahead
        road = [(x, 3.15), (aside, 3.15), (aside, 5.8), (x + 0.28 * ahead, 5.8)]
        route(ax, road, color=color_of("hidden"), width=2)


def draw_scalar_mix(ax=None):
    """The three layers of one word, weighted, summed and scaled: its ELMo vector, for a task.

    Source: Peters et al. (2018), section 3.2, equation 1: ELMo = gamma sum_j s_j h_j, with
        s = softmax(a); h_0 is the token vector twice, a and gamma are learned with the task.
    """
    ax = canvas(ax, (0.0, 13.0), (-0.1, 7.1))
    band(ax, (0.1, 4.75), (0.0, 7.0))
    ax.text(0.4, 6.55, "biLM, frozen", va="center", fontsize=11, weight="bold")
    _lock(ax, (4.3, 6.5))
    letter(ax, 2.4, 0.38, "the layers of one word", fontsize=10.5, color=SLATE)
    middle, sums = 3.0, 7.15
    for k, y in ((0, 1.05), (1, middle), (2, 4.95)):
        parts = ("x", "x") if k == 0 else (f"{_FORWARD}_{k}", f"{_BACKWARD}_{k}")
        letter(ax, 2.4, y + 0.62, f"$h_{k} = [\\,{parts[0]}\\,;\\ {parts[1]}\\,]$", fontsize=12)
        for side, role in ((-1, "encoder"), (1, "decoder")):
            _vector(ax, (2.4 + 0.92 * side, y), role if k else "input", [None] * 4, cell=0.42)
        arrow(ax, (4.2, y), (5.58, y))
        operation(ax, (5.87, y), "dot")
        letter(ax, 5.87, y + 0.58, f"$s_{k}$", fontsize=14)
        if k == 1:
            arrow(ax, (6.15, y), (sums - 0.29, y))
        else:
            route(ax, [(6.15, y), (sums, y), (sums, middle + 0.29 * (k - 1))])
    operation(ax, (sums, middle), "plus")
    arrow(ax, (sums + 0.28, middle), (8.1, middle))
    operation(ax, (8.4, middle), "dot")
    letter(ax, 8.4, middle + 0.55, r"$\gamma$", fontsize=15)
    arrow(ax, (8.68, middle), (9.2, middle), color=color_of("hidden"), width=2.4)
    _vector(ax, (11.0, middle), "hidden", [None] * 8, cell=0.42)
    letter(ax, 11.0, middle - 0.6, "the word's ELMo vector", fontsize=11, weight="bold")
    arrow(ax, (11.0, middle + 0.24), (11.0, 4.6), color=color_of("hidden"), width=2.4)
    plate(ax, (11.0, 5.0), (3.2, 0.76), "neutral")
    inside(ax, (11.0, 5.0), "the task's model", False, 11)
    said = "learned with the task:\n" + r"$a$ with $s = \mathrm{softmax}(a)$, and $\gamma$"
    letter(ax, 10.2, 0.95, said, fontsize=10.5, color=SLATE, linespacing=1.5)
    return ax


def _lock(ax, xy, scale=1.0, color=INK):
    """A closed padlock: these weights are not trained."""
    (x, y), turns = xy, [math.pi * i / 12 for i in range(13)]
    bow = [(x + 0.11 * scale * math.cos(a), y + scale * (0.12 + 0.12 * math.sin(a))) for a in turns]
    ends = ((bow[0][0], y), (bow[-1][0], y))
    points = [ends[0], *bow, ends[1]]
    ax.plot(*zip(*points, strict=True), color=color, lw=1.8 * scale, zorder=4)
    corner = (x - 0.18 * scale, y - 0.22 * scale)
    ax.add_patch(Rectangle(corner, 0.36 * scale, 0.27 * scale, facecolor=color, edgecolor="none",
                           zorder=4))  # fmt: skip


def draw_directions_apart(ax=None):
    """Why the two directions may not mix before the prediction: the word would reach its target.

    Left, layer 2 reads both directions of layer 1; right, as in ELMo, each reads its own. The
    thick way is the word's at position t; the drawn prediction of it is the forward one, from the
    states at t - 1 (the backward one, from t + 1, is its mirror image).

    Source: Devlin et al. (2019), section 3.1: in a multi-layered context, conditioning on both
        directions would let each word "see itself"; Peters et al. (2018), section 3.1.
    """
    ax = canvas(ax, (0.0, 13.0), (-2.3, 8.75))
    for left, title, said in (
        (0.1, "layer 2 reads both directions", "$x_t$ reaches its own prediction"),
        (6.65, "ELMo: two stacks, apart", "no way from $x_t$ to its prediction"),
    ):
        mixed = left < 6
        band(ax, (left, left + 6.25), (-0.65, 8.65))
        ax.text(left + 0.3, 8.2, title, va="center", fontsize=11, weight="bold")
        letter(ax, left + 3.12, -1.2, said, fontsize=11)
        _both_directions(ax, left + 3.2, mixed)
    said = "green: all that $x_t$ reaches;  → forward states,  ← backward states"
    letter(ax, 6.5, -1.85, said, fontsize=10.5, color=SLATE)
    return ax


_HEIGHTS = {("f", 1): 1.75, ("b", 1): 2.85, ("f", 2): 4.75, ("b", 2): 5.85}


def _both_directions(ax, middle, mixed):
    """Three positions of a two-layer network; (direction, layer, column) names a state."""
    at = {
        (d, k, j): (middle + 1.95 * (j - 1) + (-0.42 if d == "f" else 0.42), y)
        for (d, k), y in _HEIGHTS.items()
        for j in range(3)
    }
    at |= {("x", 0, j): (middle + 1.95 * (j - 1), 0.0) for j in range(3)}
    at["target"] = (at["f", 2, 0][0], 7.3)
    links = [(("f", 2, 0), "target")]
    for j in range(3):
        links += [(("x", 0, j), (d, 1, j)) for d in "fb"]
        links += [((d, 1, j), (e, 2, j)) for d in "fb" for e in "fb" if mixed or d == e]
        links += [((d, k, j), (d, k, j + s)) for d, s in (("f", 1), ("b", -1)) for k in (1, 2)
                  if 0 <= j + s < 3]  # fmt: skip
    way = [("x", 0, 1), ("b", 1, 1), ("b", 1, 0), ("f", 2, 0), "target"] if mixed else []
    steps = list(itertools.pairwise(way))
    reached = _reached(("x", 0, 1), links)
    green, quiet = color_of("hidden"), {"color": FADED, "width": 1.3, "head": 9}
    for link in sorted(links, key=lambda link: (link in steps, link[0] in reached)):
        look = {"color": green, "width": 1.8, "head": 11} if link[0] in reached else quiet
        look = {"color": green, "width": 4, "head": 16} if link in steps else look
        _between(ax, at[link[0]], at[link[1]], **look)
    for name, xy in at.items():
        if name == "target":
            box(ax, xy, "output", 0.72, "$x_t$", size_of_label=13)
        elif name[0] == "x":
            box(ax, xy, "input", 0.86, ("$x_{t-1}$", "$x_t$", "$x_{t+1}$")[name[2]],
                size_of_label=11)  # fmt: skip
        else:
            role, sign = ("encoder", "→") if name[0] == "f" else ("decoder", "←")
            node(ax, xy, sign, role, radius=0.32, size=11)
    ax.text(at["target"][0] + 0.55, 7.3, "prediction of $x_t$", va="center", fontsize=10.5)


def _reached(start, links):
    """All marks to which a way along the links leads, and the start."""
    reached, before = {start}, set()
    while reached != before:
        before, reached = reached, reached | {end for begin, end in links if begin in reached}
    return reached


def _between(ax, start, end, **look):
    """An arrow from the rim of one mark to the rim of another."""
    (x0, y0), (x1, y1) = start, end
    far = math.hypot(x1 - x0, y1 - y0)
    out, back = (0.47 if y0 < 0.1 else 0.34) / far, (0.42 if y1 > 7 else 0.36) / far
    dx, dy = x1 - x0, y1 - y0
    arrow(ax, (x0 + out * dx, y0 + out * dy), (x1 - back * dx, y1 - back * dy), **look)


def draw_ulmfit(n_layers=3, ax=None):
    """ULMFiT's three stages over one stack: what is trained in each, unfreezing, learning rates.

    Source: Howard and Ruder (2018), sections 3.1 to 3.3 and figure 1: gradual unfreezing adds a
        layer at each epoch; the rate of a layer is that of the layer above divided by 2.6.
    Shape: n_layers the LSTM layers, 2 to 4; the paper has 3.
    Raises:
        ValueError: n_layers outside 2 to 4.
        TypeError: n_layers is not a whole number.
    """
    n_layers = check_count(n_layers, "n_layers", 4, least=2)
    height = 1.3 * (n_layers + 1)
    top = height + 0.7
    ax = canvas(ax, (0.0, 13.0), (-2.2, top + 2.35))
    names = ["embedding", *(f"LSTM {k}" for k in range(1, n_layers + 1))]
    stages = (
        ((0.1, 2.8), "language model,\ngeneral text"),
        ((3.25, 5.95), "language model,\nthe task's text"),
        ((6.4, 12.9), "classifier, the task's labels:\none more layer is trained per epoch"),
    )
    for i, ((left, right), said) in enumerate(stages, start=1):
        band(ax, (left, right), (-0.7, top + 2.25))
        ax.text(left + 0.2, top + 1.85, f"stage {i}", va="center", fontsize=11, weight="bold")
        ax.text(left + 0.2, top + 1.05, said, va="center", fontsize=9.5, color=SLATE,
                linespacing=1.35)  # fmt: skip
    for x in (1.45, 4.6):
        _layers(ax, x, [*names, "softmax"], len(names) + 1)
    for epoch, x in enumerate((7.5, 9.65, 11.8), start=1):
        _layers(ax, x, [*names, "classifier"], epoch, rates=True)
        letter(ax, x, top + 0.15, f"epoch {epoch}", fontsize=10.5)
    for x in (2.83, 5.98):
        arrow(ax, (x, height / 2), (x + 0.39, height / 2), color=SLATE, width=3.2, head=14)
    said = r"learning rate, stages 2 and 3: $\eta$ on top, divided by 2.6 from layer to layer"
    ax.text(0.3, -1.2, said, va="center", fontsize=10.5, color=SLATE)
    _lock(ax, (0.48, -1.83), color=QUIET)
    ax.text(0.85, -1.85, "frozen: not trained in this epoch", va="center", fontsize=10.5,
            color=SLATE)  # fmt: skip
    return ax


def _layers(ax, x, names, trained, rates=False):
    """A stack of layers of which the upper ones are trained, with or without their rates."""
    for i, name in enumerate(names):
        y, depth = 1.3 * i, len(names) - 1 - i
        role = "input" if i == 0 else "output" if depth == 0 else "hidden"
        faded = depth >= trained
        plate(ax, (x, y), (1.9, 0.95), role, faded=faded)
        inside(ax, (x, y + 0.2 * rates), name, faded, 9.8)
        if faded:
            _lock(ax, (x, y - 0.22), 0.7, color=QUIET)
        elif rates:
            below = "" if depth == 0 else "/2.6" if depth == 1 else f"/2.6^{depth}"
            inside(ax, (x, y - 0.22), rf"$\eta{below}$", False, 10.5)
        if depth:
            arrow(ax, (x, y + 0.49), (x, y + 0.81), width=1.3, head=9)

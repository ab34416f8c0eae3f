"""Drawings of BERT: its input, what a position is computed from, why words must be masked."""

import itertools
import math
import random

from matplotlib import colormaps
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.textpath import TextPath

from nlp_helpers.diagrams.base import (
    FADED,
    arrow,
    band,
    box,
    canvas,
    check_count,
    inside,
    letter,
    node,
    plate,
    route,
)
from nlp_helpers.plotting import DIVERGING, FIGURE_WIDTH, PAPER, SLATE, color_of, visible

CHIP = 9.4  # points, of a token's letters
_FIRST, _SECOND = ("mara", "fed", "the", "dog"), ("it", "was", "happy")


def is_special(token):
    """Whether a token is one of BERT's marks: [CLS], [SEP], [MASK]."""
    return len(token) > 2 and token[0] == "[" and token[-1] == "]"


def chip(ax, xy, token, width, *, faded=False, size=CHIP):
    """A token in a box, dollar signs and all; the special ones are dark pills."""
    if is_special(token) and not faded:
        (x, y), look = xy, {"facecolor": SLATE, "edgecolor": SLATE, "linewidth": 1.8, "zorder": 3}
        shape = "round,pad=0,rounding_size=0.29"
        corner = (x - width / 2, y - 0.29)
        ax.add_patch(FancyBboxPatch(corner, width, 0.58, boxstyle=shape, **look))
        ax.text(x, y, token, ha="center", va="center", fontsize=size, color=PAPER, zorder=4)
    else:
        plate(ax, xy, (width, 0.6), "input", rounding=0.02, faded=faded)
        inside(ax, xy, token, faded, size)
    ax.texts[-1].set_parse_math(False)


def breadth(text, size):
    """How wide a text is on a canvas of 13 units."""
    path = TextPath((0, 0), text.replace("$", r"\$"), size=size)
    return 1.05 * path.get_extents().width * 13 / (72 * FIGURE_WIDTH)  # 1.05: the figure's margins


def columns(cells, limits, *, least=0.4, most=1.15, pad=0.19, gap=0.09):
    """Where columns stand and how wide they are, from the left, for the texts in each of them.

    Narrow columns are widened to one common width, `most` at the most, as far as there is room;
    the row stands in the middle.
    """
    widths = [max(max(breadth(text, CHIP) for text in texts) + pad, least) for texts in cells]
    room = limits[1] - limits[0] - gap * (len(cells) - 1)
    if sum(widths) > room:
        raise ValueError(
            f"the tokens {[texts[0] for texts in cells]} are too long to draw in a row"
        )
    ranked = sorted(widths)
    levels = [(room - sum(ranked[k:])) / k for k in range(1, len(ranked) + 1)]  # k columns widened
    level = min(level for level, width in zip(levels, ranked, strict=True) if level >= width)
    widths = [max(width, min(level, most)) for width in widths]
    left, places = limits[0] + (room - sum(widths)) / 2, []
    for width in widths:
        places.append((left + width / 2, width))
        left += width + gap
    return places


def two_texts(first, second):
    """One row of tokens, [CLS] first [SEP] second [SEP], and the segment of each."""
    first = tokens_of(first, "first")
    second = [] if second is None else [*tokens_of(second, "second"), "[SEP]"]
    row = ["[CLS]", *first, "[SEP]", *second]
    return row, "A" * (len(row) - len(second)) + "B" * len(second)


def tokens_of(text, name):
    """A string of tokens with blanks between them, or a sequence of tokens, as a list."""
    tokens = text.split() if isinstance(text, str) else text
    if not isinstance(tokens, (list, tuple)) or not all(isinstance(t, str) for t in tokens):
        raise TypeError(f"{name} must be a string or a list of strings, got {text!r}")
    if not tokens or "" in tokens:
        raise ValueError(f"{name} must hold tokens, none of them empty, got {text!r}")
    return [visible(token) for token in tokens]


def draw_bert_input(first=_FIRST, second=_SECOND, masked=None, ax=None):
    """BERT's input: at every token the sum of a token, a segment and a position embedding.

    The same colours are the same vector: both [SEP] have one token embedding, all tokens of a text
    one segment embedding. The numbers behind the colours are invented; the sums are theirs.

    Source: Devlin et al. (2019), section 3 and figure 2; the norm after the sum is that of the
        authors' code.
    Args:
        first, second: the texts' tokens, as a string with blanks or a sequence; second None: one
            text only.
        masked: the place in the row, 0 for [CLS], that [MASK] takes, or several of them.
    Shape: as many tokens as fit into one row, about 10 in all.
    Raises:
        ValueError: no token, an empty one, too many or too long ones, a place outside the row or
            one of a special token.
        TypeError: texts that are not strings or sequences of them, places that are not ints.
    """
    row, segments = two_texts(first, second)
    masked = _places(masked, row)
    shown = ["[MASK]" if i in masked else token for i, token in enumerate(row)]
    at = columns([[new, old] for new, old in zip(shown, row, strict=True)], (2.1, 12.9), least=0.8)
    left, right = at[0][0] - at[0][1] / 2, at[-1][0] + at[-1][1] / 2
    bottom = -2.05 if masked else -1.0
    ax = canvas(ax, (0.0, 13.0), (bottom - 0.2, 8.5))
    for y, name in ((0, "tokens"), (1.25, "token\nembedding"), (2.69, "segment\nembedding"),
                    (4.13, "position\nembedding"), (5.6, "sum")):  # fmt: skip
        ax.text(left - 2.0, y, name, va="center", fontsize=10, weight="bold", linespacing=1.3)
    for i, (x, width) in enumerate(at):
        chip(ax, (x, 0), shown[i], width)
        if i in masked:
            chip(ax, (x, -1.05), row[i], width, faded=True)
            arrow(ax, (x, -0.72), (x, -0.33), color=FADED, head=9)
        _added(ax, (x, width), (shown[i], segments[i], str(i)))
    for y, role, name, height in ((6.85, "neutral", "LayerNorm", 0.52),
                                  (7.95, "encoder", "BERT: encoder layers", 0.8)):  # fmt: skip
        plate(ax, ((left + right) / 2, y), (right - left, height), role)
        inside(ax, ((left + right) / 2, y), name, False, 10.5)
    _texts_below(ax, at, segments, bottom + 0.45)
    return ax


def _places(masked, row):
    """The places to be masked, as a set."""
    places = () if masked is None else masked if isinstance(masked, (list, tuple)) else (masked,)
    for place in places:
        if type(place) is not int:
            raise TypeError(f"masked must be a place in the row or several, got {masked!r}")
        if not 0 <= place < len(row) or is_special(row[place]):
            raise ValueError(f"masked {place} is no place of a word in {row}")
    return {*places}


def _added(ax, column, labels):
    """The three embeddings of one token, plus signs between them, and their sum."""
    x, width = column
    token, segment, position = labels
    size = (width, 0.9)
    arrow(ax, (x, 0.33), (x, 0.76), head=9)
    vectors = [[share * _invented(f"{kind} {label} {k}") for k in range(4)]
               for share, kind, label in ((0.4, "token", token), (0.3, "segment", segment),
                                          (0.3, "position", position))]  # fmt: skip
    vectors.append([sum(values) for values in zip(*vectors, strict=True)])
    sum_of = f"$E_{{{position}}}$"
    for y, label, vector in zip((1.25, 2.69, 4.13, 5.6), (*labels, sum_of), vectors, strict=True):
        plate(ax, (x, y), size, "input", rounding=0.02)
        ax.patches[-1].set(facecolor=PAPER)
        inside(ax, (x, y + 0.2), label, False, CHIP if label != sum_of else 11)
        ax.texts[-1].set_parse_math(label == sum_of)
        _strip(ax, (x, y - 0.24), 0.18, vector)
    for y in (1.97, 3.41):
        letter(ax, x, y, "+", fontsize=13)
    arrow(ax, (x, 4.6), (x, 5.12), head=9)
    arrow(ax, (x, 6.07), (x, 6.56), head=9)
    arrow(ax, (x, 7.13), (x, 7.53), head=9)


def _invented(seed):
    """A number between -1 and 1, not near 0, that depends on a string, the same every time."""
    numbers = random.Random(seed)
    return numbers.choice((-1, 1)) * numbers.uniform(0.3, 1)


def _strip(ax, xy, cell, values):
    """A vector as a row of cells, each in its value's colour."""
    left, low = xy[0] - cell * len(values) / 2, xy[1] - cell / 2
    for k, value in enumerate(values):
        face = colormaps[DIVERGING](0.5 + 0.5 * value)
        look = {"facecolor": face, "edgecolor": color_of("input"), "linewidth": 0.8, "zorder": 4}
        ax.add_patch(Rectangle((left + k * cell, low), cell, cell, **look))


def _texts_below(ax, at, segments, y):
    """A bracket under each text, with its segment's name."""
    for segment, name in (("A", "first text"), ("B", "second text")):
        inside_it = [place for place, letter in zip(at, segments, strict=True) if letter == segment]
        if inside_it:
            left = inside_it[0][0] - inside_it[0][1] / 2
            right = inside_it[-1][0] + inside_it[-1][1] / 2
            ends = [(left, y + 0.16), (left, y), (right, y), (right, y + 0.16)]
            route(ax, ends, color=SLATE, width=1.2, head=0)
            said = f"{name}: segment {segment}"
            letter(ax, (left + right) / 2, y - 0.33, said, fontsize=10, color=SLATE)


_REACHES = (  # name, panel, how far apart the columns' states stand, what is said
    ("ELMo", (0.1, 5.1), "left and right apart,\njoined at the top"),
    ("GPT", (5.2, 9.0), "from the left only,\nin every layer"),
    ("BERT", (9.1, 12.9), "from everywhere,\nin every layer"),
)


def draw_attention_reach(n=5, position=None, ax=None):
    """What one position's vector is computed from in ELMo, GPT and BERT, each of two layers.

    Coloured is all that the vector depends on; thick arrows lead into the position itself. The
    bars below span the inputs it reaches: forward (blue) and backward (brown) apart, or green.
    A position of BERT attends to all positions in every layer, not to its neighbours only.

    Source: Devlin et al. (2019), figure 3 (of the appendix), which draws fewer arrows.
    Shape: n positions, 3 to 6; position 1 to n, the middle one if None.
    Raises:
        ValueError: a number outside these limits.
        TypeError: a number is not a whole number.
    """
    n = check_count(n, "n", 6, least=3)
    position = (n + 1) // 2 if position is None else check_count(position, "position", n)
    ax = canvas(ax, (0.0, 13.0), (-2.35, 7.2))
    for name, (left, right), said in _REACHES:
        band(ax, (left, right), (-1.15, 7.1))
        ax.text(left + 0.25, 6.65, name, va="center", fontsize=11, weight="bold")
        middle = (left + right) / 2
        letter(ax, middle, -1.75, said, fontsize=10, linespacing=1.3)
        pitch = (right - left - 0.3) / n
        at = [middle + pitch * (j - (n - 1) / 2) for j in range(n)]
        _reach(ax, name, at, position - 1)
        x = min(max(at[position - 1], left + 0.95), right - 0.95)  # the name inside the panel
        letter(ax, x, 5.95, f"position {position}", fontsize=10)
    return ax


def _marks(name, at):
    """Where the marks of a network stand; (direction, layer, column) names one."""
    marks = {("x", 0, j): (x, 0.0) for j, x in enumerate(at)}
    for layer in (1, 2):
        for j, x in enumerate(at):
            if name == "ELMo":
                marks["f", layer, j] = (x - 0.2, 2 * layer - 0.55)
                marks["b", layer, j] = (x + 0.2, 2 * layer + 0.15)
            else:
                marks["h", layer, j] = (x, 2.0 * layer - 0.2)
    return marks


def _links(name, n):
    """Who reads whom: pairs of marks, from and to."""
    if name != "ELMo":
        return [(("h" if k > 1 else "x", k - 1, i), ("h", k, j)) for k in (1, 2) for j in range(n)
                for i in range(n if name == "BERT" else j + 1)]  # fmt: skip
    links = [((d if k > 1 else "x", k - 1, j), (d, k, j)) for k in (1, 2) for d in "fb"
             for j in range(n)]  # fmt: skip
    for direction, step in (("f", 1), ("b", -1)):
        links += [((direction, k, j), (direction, k, j + step)) for k in (1, 2) for j in range(n)
                  if 0 <= j + step < n]  # fmt: skip
    return links


def _sources(ends, links):
    """All marks from which a way along the links leads to one of the ends, and the ends."""
    found, before = {*ends}, set()
    while found != before:
        before, found = found, found | {start for start, end in links if end in found}
    return found


def _reach(ax, name, at, i):
    """One network, what the vector of column i depends on, and the bars under its inputs."""
    marks, links, side = _marks(name, at), _links(name, len(at)), min(0.48, at[1] - at[0] - 0.16)
    tops = [mark for mark in marks if mark[1:] == (2, i)]
    sources = {mark for top in tops for mark in _sources([top], links)}
    roles = {"f": "encoder", "b": "decoder", "h": "hidden"}
    for start, end in sorted(links, key=lambda link: (link[1] in sources, link[1] in tops)):
        look = {"color": FADED, "width": 0.9, "head": 6}
        if end in sources:
            look = {"color": color_of(roles[end[0]]), "width": 1.3, "head": 8}
        if end in tops:
            look |= {"width": 2.8, "head": 12}
        between(ax, marks[start], marks[end], (0.27 if start[0] == "x" else 0.2, 0.22), **look)
    for mark, xy in marks.items():
        if mark[0] == "x":
            box(ax, xy, "input", side, f"{mark[2] + 1}", faded=mark not in sources,
                size_of_label=10)  # fmt: skip
        else:
            node(ax, xy, "", roles[mark[0]], faded=mark not in sources, radius=0.18)
    for k, top in enumerate(tops):
        role, x = roles[top[0]], at[i]
        half = 0.4 if len(tops) == 2 else 0.7
        x += (k - (len(tops) - 1) / 2) * half
        between(ax, marks[top], (x, 5.22), (0.2, 0), color=color_of(role), width=2.8, head=12)
        plate(ax, (x, 5.4), (half, 0.34), role, rounding=0.02)
        reached = [at[j] for kind, _, j in _sources([top], links) if kind == "x"]
        y = -0.5 - 0.28 * k
        ax.plot([min(reached) - 0.2, max(reached) + 0.2], [y, y], color=color_of(role), lw=4.5,
                solid_capstyle="butt", zorder=2)  # fmt: skip


def between(ax, start, end, gaps, **look):
    """An arrow from one point towards another, short of both."""
    (x0, y0), (x1, y1) = start, end
    far = math.hypot(x1 - x0, y1 - y0)
    dx, dy = (x1 - x0) / far, (y1 - y0) / far
    arrow(ax, (x0 + gaps[0] * dx, y0 + gaps[0] * dy), (x1 - gaps[1] * dx, y1 - gaps[1] * dy),
          **look)  # fmt: skip


def draw_sees_itself(n=3, ax=None):
    """Why a model that reads both sides cannot predict every word: a word reaches itself.

    No position looks at its own place in the first two panels. With one layer that hides the word;
    with two it goes to another place and comes back (the thick way is one of such ways). Masked,
    the word is not in the input, and every position may look everywhere.

    Source: Devlin et al. (2019), section 3.1, task 1: "see itself".
    Shape: n positions, 3 or 4; the word is that of position n // 2 + 1.
    Raises:
        ValueError: n outside these limits.
        TypeError: n is not a whole number.
    """
    n = check_count(n, "n", 4, least=3)
    ax = canvas(ax, (0.0, 13.0), (-3.1, 7.55))
    word = f"x_{n // 2 + 1}"
    for k, (title, said) in enumerate((
        ("one layer,\nown place left out", f"no way from ${word}$\nto its prediction"),
        ("two layers,\nown place left out", f"${word}$ comes back through\nanother place"),
        ("two layers,\nthe word masked", f"${word}$ is not\nin the input"),
    )):  # fmt: skip
        left, right = 0.1 + 4.3 * k, 4.3 + 4.3 * k
        band(ax, (left, right), (-1.35, 7.45))
        ax.text(left + 0.25, 6.85, title, va="center", fontsize=10.5, weight="bold",
                linespacing=1.3)  # fmt: skip
        middle = (left + right) / 2
        letter(ax, middle, -1.9, said, fontsize=10.5, linespacing=1.3)
        at = [middle + (j - (n - 1) / 2) * 3.9 / n for j in range(n)]
        _own_word(ax, at, 1 if k == 0 else 2, k == 2)
    said = f"green: all that ${word}$ reaches;  dark: what else its prediction is made from"
    letter(ax, 6.5, -2.8, said, fontsize=10, color=SLATE)
    return ax


def _own_word(ax, at, n_layers, masked):
    """Layers in which a place reads all others; what a word reaches, and its own prediction."""
    n, i = len(at), len(at) // 2
    marks = {(k, j): (x, 2.0 * k) for k in range(n_layers + 1) for j, x in enumerate(at)}
    target = (n_layers + 1, i)
    marks[target] = (at[i], 2.0 * n_layers + 1.6)
    links = [((k, a), (k + 1, b)) for k in range(n_layers) for a in range(n) for b in range(n)
             if masked or a != b]  # fmt: skip
    links.append(((n_layers, i), target))
    into = _sources([target], links)  # all that the prediction is made from
    reached = set() if masked else _sources([(0, i)], [(end, start) for start, end in links])
    way = [(0, i), (1, i - 1), (2, i), target] if target in reached else []
    steps = list(itertools.pairwise(way))
    for link in sorted(links, key=lambda link: (link in steps, link[0] in reached)):
        look = {"color": SLATE if link[1] in into else FADED, "width": 1.2, "head": 8}
        if link[0] in reached:
            look = {"color": color_of("hidden"), "width": 1.8, "head": 10}
        if link in steps:
            look |= {"width": 4, "head": 16}
        gaps = (0.42 if link[0][0] == 0 else 0.32, 0.42 if link[1] == target else 0.34)
        between(ax, marks[link[0]], marks[link[1]], gaps, **look)
    for mark, xy in marks.items():
        if mark == target:
            box(ax, xy, "output", 0.7, f"$x_{i + 1}$", size_of_label=12)
        elif mark[0]:
            node(ax, xy, "", "hidden" if mark in reached else "neutral", radius=0.3)
        elif masked and mark[1] == i:
            chip(ax, xy, "[MASK]", 1.05, size=9)
            box(ax, (xy[0], -0.9), "input", 0.66, f"$x_{i + 1}$", faded=True, size_of_label=12)
        else:
            box(ax, xy, "input", 0.72, f"$x_{mark[1] + 1}$", size_of_label=12)

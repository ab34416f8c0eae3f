"""Drawings of GPT-2's and GPT-3's tasks without training: ways to ask, and an induction circuit."""

import itertools

from matplotlib.patches import FancyBboxPatch
from matplotlib.textpath import TextPath

from nlp_helpers.diagrams.base import (
    arrow,
    band,
    canvas,
    inside,
    joint,
    letter,
    node,
    plate,
    route,
    thin,
)
from nlp_helpers.plotting import FIGURE_WIDTH, INK, PAPER, RULE, SLATE, color_of, tint, visible

_SMALL = 9.4  # points, on a plate
_TASK = "is it a tool\nor a fruit?"
_SHOTS = (("hammer", "tool"), ("plum", "fruit"), ("saw", "tool"))
_BATCHES = (
    _SHOTS[:2],
    (("saw", "tool"), ("melon", "fruit")),
    (("lemon", "fruit"), ("axe", "tool")),
)
_ASKED = "pear"
_PROMPTS = (  # name, what is said of it, number of demonstrations
    ("zero-shot", "the task in words, no demonstration", 0),
    ("one-shot", "one demonstration", 1),
    ("few-shot", "some demonstrations; for GPT-3 mostly 10 to 100", 3),
)


def draw_ways_to_ask(ax=None):
    """Fine-tuning, and zero, one or a few demonstrations in the text: only the first one trains.

    Blue boxes are the task and the words, violet ones labels; a dashed one is the label that the
    model is to write. The red arrow is the gradient.

    Source: Brown et al. (2020), section 2 and figure 2.1; the examples are ours.
    """
    ax = canvas(ax, (0.0, 13.0), (-11.1, 0.05))
    _fine_tuning(ax)
    top = -4.1
    for name, said, shots in _PROMPTS:
        band(ax, (0.1, 12.9), (top - 1.95, top))
        ax.text(0.35, top - 0.38, name, va="center", fontsize=11, weight="bold")
        ax.text(2.5, top - 0.38, said, va="center", fontsize=10, color=SLATE)
        _prompt(ax, top - 1.25, _SHOTS[:shots])
        _model(ax, (top - 0.97, 1.6), "weights\nstay", "neutral")
        top -= 2.1
    _legend_of_plates(ax, top - 0.32)
    return ax


def _fine_tuning(ax):
    """Batches with labels, one after the other, and the question after them."""
    band(ax, (0.1, 12.9), (-3.95, 0))
    ax.text(0.35, -0.38, "fine-tuning", va="center", fontsize=11, weight="bold")
    red = color_of("gradient")
    said = "after every batch a gradient: the weights change"
    ax.text(11.3, -0.38, said, ha="right", va="center", fontsize=10, color=INK)
    loop = [(12.4, -0.87), (12.4, -0.38), (11.75, -0.38), (11.75, -0.87)]
    route(ax, loop, color=red, width=2.8, head=15)
    left = 0.35
    for k, batch in enumerate(_BATCHES, start=1):
        left = _batch(ax, left, k, batch) + 0.15
    arrow(ax, (left, -1.85), (11.35, -1.85))
    ax.text(0.45, -3.4, "then", va="center", fontsize=10, color=SLATE)
    left = _pair(ax, 1.35, -3.4, _ASKED, "?")
    arrow(ax, (left + 0.15, -3.4), (11.35, -3.4))
    _model(ax, (-2.32, 2.9), "weights\nchange", "gradient")


def _batch(ax, left, number, pairs):
    """A frame with a batch's examples and labels; returns where it ends."""
    width = 0.24 + max(_width(word) + _width(label) for word, label in pairs) + 0.36
    look = {"facecolor": PAPER, "edgecolor": RULE, "linewidth": 1.2, "zorder": 1}
    shape = "round,pad=0,rounding_size=0.12"
    ax.add_patch(FancyBboxPatch((left, -2.92), width, 2.14, boxstyle=shape, **look))
    ax.text(left + 0.14, -1.02, f"batch {number}", va="center", fontsize=_SMALL, color=SLATE)
    for y, (word, label) in zip((-1.6, -2.42), pairs, strict=True):
        _pair(ax, left + 0.12, y, word, label)
    return left + width


def _prompt(ax, y, shots):
    """The task in words, the demonstrations, the question: one row of text for the model."""
    width = _width(*_TASK.split("\n"))
    plate(ax, (0.35 + width / 2, y), (width, 0.92), "input", rounding=0.02)
    inside(ax, (0.35 + width / 2, y), _TASK, False, _SMALL)
    left = 0.35 + width + 0.13
    for word, label in shots:
        left = _pair(ax, left, y, word, label) + 0.13
    left = _pair(ax, left, y, _ASKED, "?")
    arrow(ax, (left + 0.1, y), (11.35, y))


def _pair(ax, left, y, word, label):
    """A word, an arrow and its label; a question mark is a label to be written."""
    width = _width(word)
    _literal(ax, (left + width / 2, y), word, "input", (width, 0.62))
    left += width
    arrow(ax, (left + 0.03, y), (left + 0.34, y), color=SLATE, width=1.3, head=8)
    left, width = left + 0.36, _width(label)
    _literal(ax, (left + width / 2, y), label, "output", (width, 0.62), dashed=label == "?")
    return left + width


def _model(ax, place, said, role):
    """The model at the end of a row, and what becomes of its weights."""
    y, height = place
    plate(ax, (12.08, y), (1.4, height), role)
    if role == "gradient":
        ax.patches[-1].set(facecolor=tint(color_of(role), 0.6), linewidth=2.8)
    inside(ax, (12.08, y + 0.46), "model", False, 10)
    letter(ax, 12.08, y - 0.2, said, fontsize=_SMALL, weight="bold", zorder=4)


def _legend_of_plates(ax, y):
    for x, text, said in (
        (0.35, "label", "a label that is given"),
        (6.0, "?", "a label for the model to write"),
    ):
        width = _width(text)
        _literal(ax, (x + width / 2, y), text, "output", (width, 0.56), dashed=text == "?")
        ax.text(x + width + 0.18, y, said, va="center", fontsize=10, color=SLATE)


def _literal(ax, xy, text, role, size, *, dashed=False):
    """A plate with a text in it, dollar signs and all: square-cornered for what is read."""
    plate(ax, xy, size, role, rounding=0.02 if role == "input" else 0.2)
    if dashed:
        ax.patches[-1].set(facecolor=PAPER, linestyle=(0, (2.5, 2)))
    inside(ax, xy, text, False, _SMALL)
    ax.texts[-1].set_parse_math(False)


def _width(*texts):
    """How wide a plate must be for texts below each other, on a canvas of 13 units."""
    paths = [TextPath((0, 0), text.replace("$", r"\$"), size=_SMALL) for text in texts]
    widest = max(path.get_extents().width for path in paths)
    return max(0.28 + 1.05 * widest * 13 / (72 * FIGURE_WIDTH), 0.46)  # 1.05: the margins


_WORDS = (("pear", "fruit", "ko"), ("hammer", "tool", "da"))
_QUERY_ROAD, _VALUE_ROAD = 4.4, 5.2  # how high the arrows of the second layer run


def draw_induction(words=_WORDS, question=("plum", "fruit"), ax=None):
    """An induction circuit of two layers: how the label of the question's class is found.

    Layer 1 takes the class of every word one place on, to its label's place: the tag there. Layer 2
    looks from the question to the places whose tag is the question's own class, and takes the label
    from there. Tags of that class are dark. Only what the circuit needs is drawn.

    Source: Olsson et al. (2022), "In-context learning and induction heads": previous-token head
        and induction head, there for the same word again, here for a word of the same class.
    Shape: words 1 to 4 triples (word, class, label); question a pair (word, class) whose class is
        that of one of the words at least. The fewer, the longer they may be.
    Raises:
        ValueError: a number outside these limits, an empty string or one too long to draw, a word
            of two classes, a class of two labels, a label of two classes, or no word of the
            question's class.
        TypeError: not sequences of sequences of strings.
    """
    words, question = _checked(words, question)
    pitch = min(11.3 / (2 * len(words) + 2), 2.0)
    columns = [12.9 - pitch * (k + 0.5) for k in reversed(range(2 * len(words) + 2))]
    size = (min(pitch - 0.1, 1.8), 0.64)
    for text in itertools.chain(*words, question):
        if _width(text) - 0.14 > size[0]:
            raise ValueError(f"{text!r} is too long to draw in a row of {len(words)} words")
    ax = canvas(ax, (0.0, 13.0), (-2.85, 7.1))
    _panels(ax, columns[-2] + pitch / 2)
    for (word, kind, label), at, after in zip(words, columns[::2], columns[1::2], strict=False):
        _tagged(ax, at, after, (word, kind, label), kind == question[1], size)
    _look_up(ax, columns, [kind == question[1] for _, kind, _ in words], question, size)
    answer = next(label for _, kind, label in words if kind == question[1])
    _write(ax, columns[-2:], answer, size)
    _legend_of_roles(ax)
    return ax


def _checked(words, question):
    """Triples and the question as tuples of drawable strings that agree with each other."""
    if not isinstance(words, (list, tuple)):
        raise TypeError(f"words must be a list of (word, class, label), got {words!r}")
    if not 1 <= len(words) <= 4:
        raise ValueError(f"give 1 to 4 words, got {len(words)}")
    words = [_strings(entry, "an entry of words", "(word, class, label)") for entry in words]
    question = _strings(question, "question", "(word, class)")
    classes = [entry[:2] for entry in (*words, question)]
    labels = [(kind, label) for _, kind, label in words]
    swapped = [(label, kind) for kind, label in labels]
    for pairs, whose, what in ((classes, "word", "classes"), (labels, "class", "labels"),
                               (swapped, "label", "classes")):  # fmt: skip
        for (name, one), (other_name, other) in itertools.combinations(pairs, 2):
            if name == other_name and one != other:
                raise ValueError(f"{whose} {name!r} has two {what}, {one!r} and {other!r}")
    if question[1] not in dict(labels):
        raise ValueError(f"no word has the question's class {question[1]!r}: {words}")
    return words, question


def _strings(value, name, parts):
    """A tuple of as many drawable strings as there are parts."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(part, str) for part in value):
        raise TypeError(f"{name} must be strings {parts}, got {value!r}")
    if len(value) != parts.count(",") + 1 or "" in value:
        raise ValueError(f"{name} must be strings {parts}, none of them empty, got {value!r}")
    return tuple(visible(part) for part in value)


def _panels(ax, right):
    """The two layers as panels, with what their heads do at the left."""
    band(ax, (0.1, right), (1.0, 3.5))
    band(ax, (0.1, right), (3.7, 5.85))
    for y, name, head, does in (
        (3.1, "layer 1", "previous-\ntoken head", "looks one\nplace back"),
        (5.5, "layer 2", "induction\nhead", "looks where\nthe tag is mine"),
    ):
        ax.text(0.3, y, name, va="center", fontsize=10.5, weight="bold")
        ax.text(0.3, y - 0.62, head, va="center", fontsize=_SMALL)
        ax.text(0.3, y - 1.4, does, va="center", fontsize=_SMALL, color=SLATE)
    for y, name in ((0, "tokens"), (6.6, "answer")):
        ax.text(0.3, y, name, va="center", fontsize=10.5, weight="bold")


def _tagged(ax, at, after, entry, found, size):
    """A word and its label; the word's class goes to the label's place and is its tag."""
    word, kind, label = entry
    _literal(ax, (at, 0), word, "input", size)
    _literal(ax, (after, 0), label, "input", size)
    thin(ax, (after, 0.32), (after, 1.63))
    slope = (1.97 - 0.32) / (after - at)
    stop = 0.36 / (1 + slope**2) ** 0.5  # short of the circle, on the way to its middle
    arrow(ax, (at, 0.32), (after - stop, 1.97 - slope * stop), color=color_of("value"), width=2.4)
    node(ax, (after, 1.97), "", "hidden", radius=0.34)
    _tag(ax, after, kind, "key", found, size[0])


def _tag(ax, x, kind, role, dark, width):
    thin(ax, (x, 2.31), (x, 2.6))
    _literal(ax, (x, 2.88), kind, role, (min(max(_width(kind), 0.7), width), 0.56))
    if dark:
        ax.patches[-1].set(facecolor=tint(color_of(role), 0.5), linewidth=2.6)


def _look_up(ax, columns, found, question, size):
    """From the question's place to the tags of its class, and back with the label."""
    word, kind = question
    x, low = columns[-2], 3.16
    _literal(ax, (x, 0), word, "input", size)
    thin(ax, (x, 0.32), (x, 1.63))
    node(ax, (x, 1.97), "", "hidden", radius=0.34)
    _tag(ax, x, kind, "query", True, size[0])
    thin(ax, (x, low), (x, _VALUE_ROAD - 0.34))
    places = [at for at, same in zip(columns[1::2], found, strict=False) if same]
    looks, takes = {"color": color_of("query")}, {"color": color_of("value")}
    for k, at in enumerate(places):
        points = [(x - 0.18, low), (x - 0.18, _QUERY_ROAD), (at + 0.18, _QUERY_ROAD)]
        route(ax, [*points, (at + 0.18, low)], width=2.4, **looks)
        points = [(at - 0.18, low), (at - 0.18, _VALUE_ROAD), (x - 0.36, _VALUE_ROAD)]
        route(ax, points, width=2.4, **takes)
        if k:
            joint(ax, (at + 0.18, _QUERY_ROAD), **looks)
            joint(ax, (at - 0.18, _VALUE_ROAD), **takes)
    node(ax, (x, _VALUE_ROAD), "", "hidden", radius=0.34)


def _write(ax, columns, answer, size):
    """The label comes out at the question's place and is the next token."""
    x, after = columns
    arrow(ax, (x, _VALUE_ROAD + 0.34), (x, 6.26))
    _literal(ax, (x, 6.6), answer, "output", size)
    points = [(x + size[0] / 2 + 0.02, 6.6), (after, 6.6), (after, 0.36)]
    route(ax, points, color=color_of("output"), width=2.0)
    _literal(ax, (after, 0), "?", "output", size, dashed=True)


def _legend_of_roles(ax):
    for y, role, said in (
        (-1.05, "query", "query: the question's own class; it looks for the same tag"),
        (-1.7, "key", "key: the tag at a label's place, the class of the word before it"),
        (-2.35, "value", "value: what is taken along, in layer 1 a class, in layer 2 a label"),
    ):
        if role != "value":
            plate(ax, (0.75, y), (0.9, 0.36), role)
        else:
            arrow(ax, (0.3, y), (1.25, y), color=color_of(role), width=2.4)
        ax.text(1.5, y, said, va="center", fontsize=10, color=SLATE)

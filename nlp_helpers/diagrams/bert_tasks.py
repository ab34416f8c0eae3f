"""Drawings of what BERT is trained for: the two tasks of pre-training, four fine-tuned ones."""

from nlp_helpers.diagrams.base import (
    arrow,
    band,
    box,
    canvas,
    inside,
    letter,
    node,
    operation,
    plate,
    route,
    thin,
)
from nlp_helpers.diagrams.bert import CHIP, chip, columns, is_special, tokens_of, two_texts
from nlp_helpers.plotting import INK, SLATE, color_of, visible

_CHOSEN = {4: "[MASK]", 8: "[MASK]"}
_SHARES = (0.2, 0.45, 1.0, 0.3, 0.15)


def draw_pretraining(
    first=("mara", "fed", "the", "dog"),
    second=("it", "was", "happy"),
    chosen=_CHOSEN,
    is_next=True,
    ax=None,
):
    """Both tasks of pre-training on one input: masked words, next sentence, and their losses.

    Only the vectors that a head reads are coloured; a chosen word that is not masked has a dark
    frame. The distributions are invented.

    Source: Devlin et al. (2019), section 3.1 and figure 1 (left); appendix A.2 for the sum.
    Args:
        first, second: the texts' tokens, as a string with blanks or a sequence.
        chosen: place in the row, 0 for [CLS], to the token that the input shows there: "[MASK]", a
            random word, or the word itself. The target is the word of the text.
        is_next: whether the second text follows the first.
    Shape: as many tokens as fit into one row, about 10 in all.
    Raises:
        ValueError: no token, an empty one, too many or too long ones; no chosen place, one outside
            the row or one of a special token.
        TypeError: texts that are not strings or sequences of them, a chosen that is no dict of
            places to strings, an is_next that is not True or False.
    """
    row = two_texts(first, tokens_of(second, "second"))[0]
    chosen = _chosen(chosen, row)
    if not isinstance(is_next, bool):
        raise TypeError(f"is_next must be True or False, got {is_next!r}")
    targets = {0: "IsNext" if is_next else "NotNext", **{i: row[i] for i in chosen}}
    shown = [chosen.get(i, token) for i, token in enumerate(row)]
    cells = [[token, targets.get(i, token)] for i, token in enumerate(shown)]
    at = columns(cells, (1.95, 12.9), least=0.8, pad=0.24)
    left, right = at[0][0] - at[0][1] / 2, at[-1][0] + at[-1][1] / 2
    ax = canvas(ax, (0.0, 13.0), (-0.4, 10.4))
    for y, name in ((0, "input"), (2.75, "vectors"), (4.15, "heads"), (5.35, "predicted"),
                    (6.5, "targets"), (7.75, "losses")):  # fmt: skip
        ax.text(left - 1.85, y, name, va="center", fontsize=10, weight="bold")
    plate(ax, ((left + right) / 2, 1.35), (right - left, 0.8), "encoder")
    inside(ax, ((left + right) / 2, 1.35), "BERT", False, 11)
    for i, (x, width) in enumerate(at):
        chip(ax, (x, 0), shown[i], width)
        if i in chosen and not is_special(shown[i]):
            ax.patches[-1].set(edgecolor=INK, linewidth=2.6)
        arrow(ax, (x, 0.33), (x, 0.92), head=9)
        arrow(ax, (x, 1.77), (x, 2.34), head=9)
        name = f"$T_{{{i}}}$" if i else "$C$"
        node(ax, (x, 2.75), name, "hidden", faded=i not in targets, radius=0.38, size=11)
    _heads(ax, at, targets, is_next)
    return ax


def _chosen(chosen, row):
    """The chosen places, in the order of the row, and what the input shows there."""
    if not isinstance(chosen, dict) or not all(
        type(place) is int and isinstance(token, str) for place, token in chosen.items()
    ):
        raise TypeError(f"chosen must be a dict of places to tokens, got {chosen!r}")
    for place, token in chosen.items():
        if not 0 <= place < len(row) or is_special(row[place]) or not token:
            raise ValueError(f"chosen {place}: {token!r} is no word, or no place of one in {row}")
    if not chosen:
        raise ValueError("chosen must hold at least one place")
    return {place: visible(chosen[place]) for place in sorted(chosen)}


def _heads(ax, at, targets, is_next):
    """The two heads over the vectors they read, their predictions and targets, and the losses."""
    (first, width), chosen = at[0], [at[i] for i in targets if i]
    edge = first + max(width, 0.98) / 2
    _named(ax, (first, 4.15), "NSP\nhead", (2 * (edge - first), 0.9))
    _named(ax, (edge - 0.8, 7.75), "NSP loss", (1.6, 0.66))
    low, high = _span(chosen, edge + 0.1, 1.75)
    _named(ax, ((low + high) / 2, 4.15), "MLM head", (high - low, 0.9))
    _named(ax, ((low + high) / 2, 7.75), "MLM loss", (high - low, 0.66))
    for i, target in targets.items():
        x, width = at[i]
        arrow(ax, (x, 3.17), (x, 3.67), color=color_of("hidden"), width=2.4)
        arrow(ax, (x, 4.63), (x, 5.05), head=9)
        if i:
            chip(ax, (x, 6.5), target, width)
            distribution(ax, (x, 5.1), 0.8, 0.6, _SHARES[i % 5 :] + _SHARES[: i % 5])
        else:
            plate(ax, (x, 6.5), (width, 0.6), "output", rounding=0.18)
            inside(ax, (x, 6.5), target, False, CHIP)
            distribution(ax, (x, 5.1), 0.5, 0.6, (1.0, 0.2) if is_next else (0.2, 1.0))
        thin(ax, (x, 5.78), (x, 6.14))
        arrow(ax, (x, 6.87), (x, 7.38), head=9)
    ends = (first, (low + high) / 2)
    middle = sum(ends) / 2
    for x, side in zip(ends, (-1, 1), strict=True):
        route(ax, [(x, 8.12), (x, 8.85), (middle + 0.28 * side, 8.85)])
    operation(ax, (middle, 8.85), "plus")
    arrow(ax, (middle, 9.14), (middle, 9.58))
    _named(ax, (middle, 9.95), "loss", (1.2, 0.66))


def _span(places, edge, least):
    """From left to right of some columns, at least so wide, right of an edge and in the drawing."""
    low, high = max(places[0][0] - places[0][1] / 2, edge), places[-1][0] + places[-1][1] / 2
    more = max(least - (high - low), 0)
    high = min(high + more / 2, 12.9)
    low = max(min(low - more / 2, high - least), edge)
    return low, max(high, low + least)


def _named(ax, xy, text, size, role="neutral", fontsize=10):
    plate(ax, xy, size, role)
    inside(ax, xy, text, False, fontsize)


def distribution(ax, xy, width, tallest, shares):
    """Bars of probabilities over the middle of their base line."""
    (x, y), step = xy, width / len(shares)
    for i, share in enumerate(shares):
        at = (x + step * (i + 0.5 - len(shares) / 2), y + tallest * share / 2)
        plate(ax, at, (0.78 * step, tallest * share), "output", rounding=0.02)


_UPPER, _LOWER = -6.15, -13.15  # the bottoms of the panels
_PANELS = (  # left, bottom, top, name, what comes out
    (0.1, _UPPER, 0.0, "(a) two texts", "a class, or a number"),
    (6.6, _UPPER, 0.0, "(b) one text", "a class"),
    (0.1, _LOWER, _UPPER - 0.15, "(c) question and passage", "start and end, each by a softmax"),
    (6.6, _LOWER, _UPPER - 0.15, "(d) one text", "a tag for every token"),
)
_PAIR, _SINGLE = ("the dog fell", "it fell"), "mara was so happy"
_QUESTION, _TAGGED = ("who fell", "the dog fell"), (("mara", "B-PER"), ("went", "O"), ("to", "O"),
                                                    ("oslo", "B-LOC"))  # fmt: skip


def draw_fine_tuning_shapes(
    pair=_PAIR, single=_SINGLE, question=_QUESTION, span=(0, 1), tagged=_TAGGED, ax=None
):
    """Four shapes of tasks on one BERT: what goes in, which vectors are read, what is new on top.

    In (c) every token of the passage is multiplied with both new vectors, S for the start and E
    for the end. The heights of the bars are invented.

    Source: Devlin et al. (2019), section 4, section 5.3 and figure 4 (of the appendix).
    Args:
        pair, question: two texts, each a string with blanks or a sequence of tokens; in `question`
            the second is the passage.
        single: a text.
        span: first and last token of the answer, counted from 0 in the passage.
        tagged: pairs of a token and its tag.
    Shape: about 5 to 7 tokens in a row, with the special ones.
    Raises:
        ValueError: texts without tokens, or too many or too long tokens; a span outside the
            passage.
        TypeError: texts or tags that are not strings, a span that is not two ints.
    """
    words, tags = _tagged(tagged)
    rows = [two_texts(*_two(pair, "pair")), two_texts(tokens_of(single, "single"), None),
            two_texts(*_two(question, "question")), two_texts(words, None)]  # fmt: skip
    passage = [i for i, segment in enumerate(rows[2][1]) if segment == "B"][:-1]
    span = _checked_span(span, [rows[2][0][i] for i in passage])
    reads = ([0], [0], passage, list(range(1, len(words) + 1)))
    cells = [[[token] for token in row] for row, _ in rows]
    cells[3][1:-1] = zip(words, tags, strict=True)
    at = [columns(texts, (left + 0.13, left + 6.17), least=0.42, most=0.95, pad=0.15, gap=0.07)
          for (left, *_), texts in zip(_PANELS, cells, strict=True)]  # fmt: skip
    ax = canvas(ax, (0.0, 13.0), (_LOWER - 1.85, 0.1))
    for (left, bottom, top, title, said), places, (row, _), read in zip(
        _PANELS, at, rows, reads, strict=True
    ):
        band(ax, (left, left + 6.3), (bottom, top))
        ax.text(left + 0.25, top - 0.45, title, va="center", fontsize=11, weight="bold")
        ax.text(left + 0.25, top - 0.98, said, va="center", fontsize=10, color=SLATE)
        _body(ax, places, bottom, row, read)
    _classified(ax, at[0], number=True)
    _classified(ax, at[1], number=False)
    _answered(ax, [at[2][i] for i in passage], span)
    _labelled(ax, at[3][1:-1], tags)
    _legend(ax, _LOWER - 0.7)
    return ax


def _two(texts, name):
    """Two texts, tokens each."""
    if not isinstance(texts, (list, tuple)) or len(texts) != 2:
        raise TypeError(f"{name} must be two texts, got {texts!r}")
    return [tokens_of(text, name) for text in texts]


def _tagged(tagged):
    """Tokens, and their tags."""
    fine = isinstance(tagged, (list, tuple)) and all(
        isinstance(entry, (list, tuple)) and len(entry) == 2 for entry in tagged
    )
    if not fine:
        raise TypeError(f"tagged must be pairs (token, tag), got {tagged!r}")
    return [tokens_of([entry[k] for entry in tagged], "tagged") for k in (0, 1)]


def _checked_span(span, passage):
    if not isinstance(span, (list, tuple)) or [type(end) for end in span] != [int, int]:
        raise TypeError(f"span must be two whole numbers, got {span!r}")
    if not 0 <= span[0] <= span[1] < len(passage):
        raise ValueError(f"span {span} does not lie in the passage {passage}")
    return span


def _body(ax, at, bottom, row, read):
    """Tokens, BERT and its vectors, of which the ones that are read are coloured."""
    start, stop = at[0][0] - at[0][1] / 2, at[-1][0] + at[-1][1] / 2
    middle = ((start + stop) / 2, bottom + 1.5)
    _named(ax, middle, "BERT", (stop - start, 0.6), "encoder")
    for i, (x, width) in enumerate(at):
        chip(ax, (x, bottom + 0.5), row[i], width, size=9)
        arrow(ax, (x, bottom + 0.82), (x, bottom + 1.19), width=1.2, head=8)
        arrow(ax, (x, bottom + 1.82), (x, bottom + 2.17), width=1.2, head=8)
        node(ax, (x, bottom + 2.4), "", "hidden", faded=i not in read, radius=0.2)
        if i in read:
            arrow(ax, (x, bottom + 2.62), (x, bottom + 3.05), color=color_of("hidden"), width=2.2,
                  head=11)  # fmt: skip
        if i == 0 and i in read:
            letter(ax, x, bottom + 2.4, "$C$", fontsize=9, zorder=4)


def _classified(ax, at, number):
    """A linear layer on [CLS]: classes, or a number."""
    x, y = max(at[0][0], at[0][0] - at[0][1] / 2 + 0.6), _UPPER + 3.36
    _named(ax, (x, y), "linear", (1.2, 0.58))
    arrow(ax, (x, y + 0.31), (x, y + 0.68), head=9)
    distribution(ax, (x, y + 0.74), 0.9, 0.6, (0.25, 1.0, 0.4) if number else (0.25, 1.0))
    ax.text(x + 0.7, y + 1.0, "softmax: a class", va="center", fontsize=10)
    if number:
        arrow(ax, (x + 0.62, y), (x + 1.1, y), head=9)
        box(ax, (x + 1.33, y), "output", 0.36)
        ax.text(x + 1.68, y, "or one output: a number", va="center", fontsize=10)


def _answered(ax, at, span):
    """Two new vectors, multiplied with every vector of the passage: a start and an end."""
    bottom, left, right = _LOWER, at[0][0] - at[0][1] / 2, at[-1][0] + at[-1][1] / 2
    _named(ax, ((left + right) / 2, bottom + 3.36), "$S$,  $E$", (right - left, 0.58), fontsize=12)
    ax.text(left - 0.15, bottom + 3.36, "start vector,\nend vector", ha="right", va="center",
            fontsize=9.4, linespacing=1.25)  # fmt: skip
    for x, _ in at:
        arrow(ax, (x, bottom + 3.67), (x, bottom + 4.08), head=9)
    for y, place, name in ((4.15, span[0], "start"), (4.95, span[1], "end")):
        for i, (x, _) in enumerate(at):
            tall = 0.6 if i == place else 0.12 + 0.05 * (i % 2)
            plate(ax, (x, bottom + y + tall / 2), (0.3, tall), "output", rounding=0.02)
        symbol = name[0].upper()
        said = f"{name}: ${symbol} \\cdot T_i$"
        ax.text(left - 0.15, bottom + y + 0.22, said, ha="right", va="center", fontsize=9.4)


def _labelled(ax, at, tags):
    """One linear layer on every token, and its tag."""
    bottom, left, right = _LOWER, at[0][0] - at[0][1] / 2, at[-1][0] + at[-1][1] / 2
    _named(ax, ((left + right) / 2, bottom + 3.36), "linear", (right - left, 0.58))
    for (x, width), tag in zip(at, tags, strict=True):
        arrow(ax, (x, bottom + 3.67), (x, bottom + 4.04), head=9)
        plate(ax, (x, bottom + 4.38), (width, 0.58), "output", rounding=0.18)
        inside(ax, (x, bottom + 4.38), tag, False, 9)
        ax.texts[-1].set_parse_math(False)


def _legend(ax, y):
    plate(ax, (0.7, y), (0.8, 0.4), "encoder")
    ax.text(1.3, y, "pre-trained; fine-tuning changes all its weights", va="center", fontsize=10,
            color=SLATE)  # fmt: skip
    plate(ax, (0.7, y - 0.65), (0.8, 0.4), "neutral")
    ax.text(1.3, y - 0.65, "new, and learned in fine-tuning", va="center", fontsize=10,
            color=SLATE)  # fmt: skip
    node(ax, (8.35, y - 0.65), "", "hidden", radius=0.2)
    ax.text(8.75, y - 0.65, "vector that the task reads", va="center", fontsize=10, color=SLATE)

"""Ways to ask and the induction circuit: what is read, what changes, who looks where, refusals."""

import itertools
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyBboxPatch

from nlp_helpers.diagrams.shots import draw_induction, draw_ways_to_ask
from nlp_helpers.plotting import COLORS, INK, SLATE
from tests.diagrams import layout
from tests.diagrams.layout import arrows, drawn_in, ends, texts

BOOK = [("pear", "fruit", "ko"), ("hammer", "tool", "da")]
FOUR = [("pear", "fruit", "ko"), ("saw", "tool", "da"), ("plum", "fruit", "ko"),
        ("axe", "tool", "da")]  # fmt: skip
ALIKE = [(word, "m", "l") for word in "abcd"]

DRAWINGS = {
    "ways to ask": draw_ways_to_ask,
    "induction": draw_induction,
    "induction, one word": lambda: draw_induction(
        [("guitar", "instrument", "ko")], ("trumpet", "instrument")
    ),
    "induction, the last word": lambda: draw_induction(BOOK, ("ladder", "tool")),
    "induction, three words": lambda: draw_induction(
        [*BOOK, ("poppy", "flower", "be")], ("rose", "flower")
    ),
    "induction, two of a class": lambda: draw_induction(FOUR, ("fig", "fruit")),
    "induction, four of a class": lambda: draw_induction(ALIKE, ("e", "m")),
    "induction, blanks and signs": lambda: draw_induction([(" a", "$x$", "$y$")], ("$", "$x$")),
}
SEQUENCES = {
    "book": (BOOK, ("plum", "fruit")),
    "last": (BOOK, ("ladder", "tool")),
    "one": (BOOK[:1], ("plum", "fruit")),
    "same word": (BOOK, ("pear", "fruit")),
    "two of a class": (FOUR, ("fig", "fruit")),
    "four of a class": (ALIKE, ("e", "m")),
}


def places(ax, text):
    return [entry.get_position() for entry in ax.texts if entry.get_text() == text]


def plates(ax, role):
    """Plates of a role, from the left, as (patch, text in it or "")."""
    found = []
    for p in ax.patches:
        if isinstance(p, FancyBboxPatch) and to_hex(p.get_edgecolor()).upper() == COLORS[role]:
            held = [e.get_text() for e in ax.texts if holds(p, e.get_position())]
            found.append((p, " ".join(held)))
    return sorted(found, key=lambda entry: entry[0].get_x())


def holds(p, xy):
    x, y, width, height = p.get_x(), p.get_y(), p.get_width(), p.get_height()
    return x < xy[0] < x + width and y < xy[1] < y + height


def middle(p):
    return p.get_x() + p.get_width() / 2, p.get_y() + p.get_height() / 2


def dashed(p):
    return p.get_linestyle() not in ("-", "solid")


# Ways to ask


def bands(ax):
    """The four rows of the drawing by their names, from the top."""
    panels = [p for p in ax.patches if isinstance(p, FancyBboxPatch) and p.get_zorder() == 0]
    rows = {}
    for p in sorted(panels, key=lambda p: -p.get_y()):
        (name,) = [e.get_text() for e in ax.texts
                   if e.get_weight() == "bold" and e.get_fontsize() == 11
                   and holds(p, e.get_position())]  # fmt: skip
        rows[name] = p
    return rows


def read_in(ax, row):
    """What stands in a row's blue and violet plates, line by line, from the left."""
    found = {}
    for role in ("input", "output"):
        for p, text in plates(ax, role):
            if holds(row, middle(p)):
                found.setdefault(round(middle(p)[1], 6), []).append((p.get_x(), text))
    return [[text for _, text in sorted(found[y])] for y in sorted(found, reverse=True)]


def test_four_rows_one_below_the_other():
    rows = bands(draw_ways_to_ask())
    assert list(rows) == ["fine-tuning", "zero-shot", "one-shot", "few-shot"]
    edges = [(p.get_y(), p.get_y() + p.get_height()) for p in rows.values()]
    assert all(low > high for (low, _), (_, high) in itertools.pairwise(edges))


@pytest.mark.parametrize(("name", "shots"), [("zero-shot", 0), ("one-shot", 1), ("few-shot", 3)])
def test_a_prompt_is_the_task_then_as_many_demonstrations_then_the_question(name, shots):
    ax = draw_ways_to_ask()
    (line,) = read_in(ax, bands(ax)[name])
    assert line[0] == "is it a tool\nor a fruit?"
    pairs = list(zip(line[1::2], line[2::2], strict=True))
    assert pairs[-1] == ("pear", "?")
    assert pairs[:-1] == [("hammer", "tool"), ("plum", "fruit"), ("saw", "tool")][:shots]


def test_fine_tuning_reads_labelled_batches_and_then_the_question_without_task_words():
    ax = draw_ways_to_ask()
    *examples, question = read_in(ax, bands(ax)["fine-tuning"])
    assert question == ["pear", "?"]
    pairs = [pair for line in examples for pair in zip(line[::2], line[1::2], strict=True)]
    assert len(pairs) == 6 and len({word for word, _ in pairs}) == 6
    kinds = {"hammer": "tool", "saw": "tool", "axe": "tool"}
    assert all(label == kinds.get(word, "fruit") for word, label in pairs)
    assert "pear" not in {word for word, _ in pairs}
    frames = [p for p in ax.patches if isinstance(p, FancyBboxPatch) and p.get_zorder() == 1]
    named = [[e.get_text() for e in ax.texts if holds(p, e.get_position())] for p in frames]
    assert [[text for text in held if "batch" in text] for held in named] == [
        ["batch 1"], ["batch 2"], ["batch 3"]]  # fmt: skip
    assert all(len(held) == 5 for held in named)  # the name, and two words with their labels
    after = places(ax, "then")[0]
    assert all(after[1] < p.get_y() for p in frames)


def test_only_the_first_row_changes_weights():
    ax = draw_ways_to_ask()
    rows = bands(ax)
    models = {
        name: (role, text)
        for role in ("gradient", "neutral")
        for p, text in plates(ax, role)
        for name, row in rows.items()
        if holds(row, middle(p))
    }
    assert models.pop("fine-tuning") == ("gradient", "model weights\nchange")
    assert len(models) == 3
    assert set(models.values()) == {("neutral", "model weights\nstay")}
    assert len(plates(ax, "gradient")) + len(plates(ax, "neutral")) == 4
    (loop,) = drawn_in(ax, COLORS["gradient"])
    ((model, _),) = plates(ax, "gradient")
    top = model.get_y() + model.get_height()
    for x, y in ends(loop):  # from the model back to it
        assert model.get_x() < x < model.get_x() + model.get_width()
        assert y == pytest.approx(top, abs=0.03)
    (said,) = [e for e in ax.texts if "gradient" in e.get_text()]
    assert "weights change" in said.get_text() and holds(rows["fine-tuning"], said.get_position())


def test_every_line_goes_to_its_model():
    ax = draw_ways_to_ask()
    models = [p for role in ("gradient", "neutral") for p, _ in plates(ax, role)]
    ways = [ends(a) for a in drawn_in(ax, INK)]
    assert len(ways) == 2 + 1 + 1 + 1
    hit = [next(i for i, p in enumerate(models) if holds(p, (x + 0.1, y))) for _, (x, y) in ways]
    assert sorted(hit) == [0, 0, 1, 2, 3]
    assert all(end[0] - start[0] > 0.2 and end[1] == start[1] for start, end in ways)
    starts = [start[0] for start, _ in ways[2:]]  # a longer text, a shorter arrow
    assert starts == sorted(starts)


def test_only_the_wanted_label_is_dashed_and_every_label_has_its_word():
    ax = draw_ways_to_ask()
    labels = plates(ax, "output")
    assert all(dashed(p) == (text == "?") for p, text in labels)
    assert not any(dashed(p) for p, _ in plates(ax, "input"))
    assert [text for _, text in labels].count("?") == 4 + 1  # and the legend's
    into = [ends(a)[1] for a in drawn_in(ax, SLATE)]
    named = [p for p, _ in labels if middle(p)[1] > -10.4]
    assert len(into) == len(named) == 6 + 4 + 1 + 3
    for p in named:
        assert [holds(p, (x, y)) for x, y in into if holds(p, (x + 0.1, y))] == [False]


# The induction circuit


def columns_of(ax):
    """Where the tokens stand, from the left, and their texts."""
    row = [e for e in ax.texts if e.get_position()[1] == 0 and e.get_text() != "tokens"]
    row.sort(key=lambda e: e.get_position()[0])
    return [e.get_position()[0] for e in row], [e.get_text() for e in row]


def nearest(columns, x):
    return int(np.abs(np.array(columns) - x).argmin())


@pytest.mark.parametrize("name", SEQUENCES)
def test_tokens_are_words_and_labels_in_turn_then_the_question(name):
    words, question = SEQUENCES[name]
    ax = draw_induction(words, question)
    columns, shown = columns_of(ax)
    given = [token for word, _, label in words for token in (word, label)]
    assert shown == [*given, question[0], "?"]
    assert np.diff(columns) == pytest.approx(np.diff(columns)[0])
    assert [text for _, text in plates(ax, "input")] == shown[:-1]
    assert [text for p, text in plates(ax, "output") if dashed(p)] == ["?"]


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_first_layer_takes_every_class_to_the_labels_place(name):
    words, question = SEQUENCES[name]
    ax = draw_induction(words, question)
    columns, _ = columns_of(ax)
    carried = [ends(a) for a in drawn_in(ax, COLORS["value"])]
    carried = [way for way in carried if 0 < way[0][1] < 1]  # from the tokens
    states = [p.center for p in ax.patches if isinstance(p, Circle) and p.radius > 0.1]
    moves = []
    for start, end in carried:
        state = min(states, key=lambda xy: math.dist(xy, end))
        assert 0.33 < math.dist(state, end) < 0.4
        moves.append((nearest(columns, start[0]), nearest(columns, state[0])))
    assert moves == [(2 * i, 2 * i + 1) for i in range(len(words))]
    keys = [(nearest(columns, middle(p)[0]), text) for p, text in plates(ax, "key") if text]
    assert keys == [(2 * i + 1, kind) for i, (_, kind, _) in enumerate(words)]
    queries = [(nearest(columns, middle(p)[0]), text) for p, text in plates(ax, "query") if text]
    assert queries == [(2 * len(words), question[1])]


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_second_layer_looks_at_the_same_tags_and_brings_their_label(name):
    words, question = SEQUENCES[name]
    ax = draw_induction(words, question)
    columns, _ = columns_of(ax)
    same = [2 * i + 1 for i, (_, kind, _) in enumerate(words) if kind == question[1]]
    asked = 2 * len(words)
    tags = {nearest(columns, middle(p)[0]): p
            for role in ("key", "query") for p, text in plates(ax, role) if text}  # fmt: skip
    looks = [ends(a) for a in drawn_in(ax, COLORS["query"])]
    assert [nearest(columns, end[0]) for _, end in looks] == same
    for start, end in looks:
        assert holds(tags[asked], (start[0], start[1] - 0.1))
        assert holds(tags[nearest(columns, end[0])], (end[0], end[1] - 0.1))
    takes = [ends(a) for a in drawn_in(ax, COLORS["value"])]
    takes = [way for way in takes if way[0][1] > 1]
    assert [nearest(columns, start[0]) for start, _ in takes] == same
    circles = [p for p in ax.patches if isinstance(p, Circle)]
    high = max((p.center for p in circles if p.radius > 0.1), key=lambda xy: xy[1])
    assert high[0] == pytest.approx(columns[asked])
    for start, end in takes:
        assert holds(tags[nearest(columns, start[0])], (start[0], start[1] - 0.1))
        assert math.dist(end, high) < 0.4
    wide = {k for k, p in tags.items() if p.get_linewidth() > 2}
    assert wide == {*same, asked}
    assert len([p for p in circles if p.radius < 0.1]) == 2 * (len(same) - 1)


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_answer_is_that_label_and_becomes_the_next_token(name):
    words, question = SEQUENCES[name]
    ax = draw_induction(words, question)
    columns, _ = columns_of(ax)
    (answer,) = [(p, text) for p, text in plates(ax, "output") if text != "?"]
    assert answer[1] == {kind: label for _, kind, label in words}[question[1]]
    assert middle(answer[0])[0] == pytest.approx(columns[-2])
    (out,) = [ends(a) for a in drawn_in(ax, INK)]
    assert out[0][0] == out[1][0] == pytest.approx(columns[-2])
    assert holds(answer[0], (out[1][0], out[1][1] + 0.1))
    (fed,) = [ends(a) for a in drawn_in(ax, COLORS["output"])]
    assert fed[1][0] == pytest.approx(columns[-1]) and 0.3 < fed[1][1] < 0.45
    assert fed[0][1] == pytest.approx(middle(answer[0])[1])


def test_layers_and_their_heads_are_named_from_below():
    ax = draw_induction()
    heights = [places(ax, text)[0][1] for text in (
        "tokens", "previous-\ntoken head", "layer 1", "induction\nhead", "layer 2", "answer"
    )]  # fmt: skip
    assert heights == sorted(heights)
    legend = [text.split(":")[0] for text in texts(ax) if ":" in text]
    assert legend == ["query", "key", "value"]


def test_the_default_sequence_is_the_same_as_given():
    given = draw_induction(tuple(map(list, BOOK)), ["plum", "fruit"])
    assert layout.png(given) == layout.png(draw_induction())


def test_blanks_are_shown_and_dollar_signs_are_drawn_as_they_are():
    ax = DRAWINGS["induction, blanks and signs"]()
    assert "␣a" in texts(ax)
    literal = [e.get_parse_math() for e in ax.texts if "$" in e.get_text()]
    assert len(literal) == 5 and not any(literal)  # two labels, two tags, the question


# Both


@pytest.mark.parametrize("name", DRAWINGS)
def test_layout_as_of_every_drawing(name):
    ax = DRAWINGS[name]()
    assert layout.touching_texts(ax) == []
    assert layout.texts_outside(ax) == []
    assert layout.crossed_texts(ax) == []
    assert layout.texts_on_edges(ax) == []
    assert len(arrows(ax)) >= 3
    assert min(text.get_fontsize() for text in ax.texts) >= 9


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_shape_covers_another_and_all_lie_inside(name):
    ax = DRAWINGS[name]()
    shapes = [
        p
        for p in ax.patches
        if (isinstance(p, FancyBboxPatch) and p.get_zorder() == 3) or getattr(p, "radius", 0) > 0.1
    ]
    boxes = np.array([p.get_patch_transform().transform_path(p.get_path()).get_extents().extents
                      for p in shapes])  # fmt: skip
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    shared = np.minimum(high, boxes[None, :, 2:]) - np.maximum(low, boxes[None, :, :2])
    covered = (shared > 0.01).all(axis=2)
    np.fill_diagonal(covered, False)
    assert not covered.any()
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert boxes[:, 0].min() > left and boxes[:, 2].max() < right
    assert boxes[:, 1].min() > bottom and boxes[:, 3].max() < top


@pytest.mark.parametrize("draw", [draw_ways_to_ask, draw_induction])
def test_a_given_axes_is_used(draw):
    figure, axes = plt.subplots(1, 2)
    assert draw(ax=axes[1]) is axes[1]
    assert not axes[0].patches
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize(
    ("words", "question", "error", "message"),
    [
        ("pear", ("plum", "fruit"), TypeError, "list of .*word, class, label.* got 'pear'"),
        ([], ("plum", "fruit"), ValueError, "1 to 4 words, got 0"),
        (BOOK * 3, ("plum", "fruit"), ValueError, "1 to 4 words, got 6"),
        (["pfk"], ("plum", "fruit"), TypeError, "an entry of words .* got 'pfk'"),
        ([("pear", "fruit", 3)], ("plum", "fruit"), TypeError, r"got \('pear', 'fruit', 3\)"),
        ([("pear", "fruit")], ("plum", "fruit"), ValueError, "word, class, label.* got"),
        ([("pear", "fruit", "")], ("plum", "fruit"), ValueError, "none of them empty"),
        (BOOK, "plum", TypeError, "question must be strings .* got 'plum'"),
        (BOOK, ("plum", None), TypeError, "question must be strings"),
        (BOOK, ("plum",), ValueError, r"question .*word, class.* got \('plum',\)"),
        (BOOK, ("plum", "fruit", "ko"), ValueError, "question must be strings"),
        (BOOK, ("", "fruit"), ValueError, "question .* none of them empty"),
        (BOOK, ("coat", "garment"), ValueError, "no word has the question's class 'garment'"),
        (BOOK, ("pear", "tool"), ValueError, "word 'pear' has two classes, 'fruit' and 'tool'"),
        (
            [*BOOK, ("fig", "fruit", "mi")],
            ("plum", "fruit"),
            ValueError,
            "class 'fruit' has two labels, 'ko' and 'mi'",
        ),
        (
            [*BOOK, ("coat", "garment", "ko")],
            ("plum", "fruit"),
            ValueError,
            "label 'ko' has two classes, 'fruit' and 'garment'",
        ),
        ([("岸", "fruit", "ko")], ("plum", "fruit"), ValueError, "no glyph"),
        (BOOK, ("screwdrivers everywhere", "tool"), ValueError, "too long .* row of 2 words"),
        ([*FOUR[:3], BOOK[1]], ("fig", "fruit"), ValueError, "'hammer' is too long"),
        ([("pear", "f" * 20, "ko")], ("plum", "f" * 20), ValueError, "'f+' is too long"),
    ],
)
def test_bad_arguments(words, question, error, message):
    with pytest.raises(error, match=message):
        draw_induction(words, question)
    assert not plt.get_fignums()

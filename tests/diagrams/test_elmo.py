"""Drawings of ELMo and ULMFiT: contents, who reaches whom, and refusals."""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from nlp_helpers.diagrams.base import FADED
from nlp_helpers.diagrams.elmo import (
    draw_bilm,
    draw_char_cnn,
    draw_directions_apart,
    draw_scalar_mix,
    draw_two_vectors,
    draw_ulmfit,
)
from nlp_helpers.plotting import COLORS, INK
from tests.diagrams.layout import arrows, drawn_in, edges, ends, texts

DRAWINGS = {
    "two vectors": draw_two_vectors,
    "two vectors, word at the inner ends": lambda: draw_two_vectors(
        "bat", ("the old man saw a bat", "bat and ball were new")
    ),
    "two vectors, word at the outer ends": lambda: draw_two_vectors(
        "spring", ("spring came late so", "we drank from a spring")
    ),
    "two vectors, shortest": lambda: draw_two_vectors("seal", ("a seal", "seal it")),
    "character CNN": draw_char_cnn,
    "character CNN, one letter": lambda: draw_char_cnn("a"),
    "character CNN, longest": lambda: draw_char_cnn("wwwmmmmwww"),
    "biLM": draw_bilm,
    "biLM, two words": lambda: draw_bilm(["a", "bank"]),
    "biLM, widest": lambda: draw_bilm("season season closed closed"),
    "scalar mix": draw_scalar_mix,
    "directions apart": draw_directions_apart,
    "ULMFiT": draw_ulmfit,
    "ULMFiT of two layers": lambda: draw_ulmfit(2),
    "ULMFiT of four layers": lambda: draw_ulmfit(4),
}


def cells(ax, role):
    """The cells of vectors in one role's colour, as (left, bottom, face)."""
    return [
        (patch.get_x(), patch.get_y(), to_hex(patch.get_facecolor()))
        for patch in ax.patches
        if type(patch) is Rectangle and to_hex(patch.get_edgecolor()).upper() == COLORS[role]
    ]


def places(ax, text):
    return [entry.get_position() for entry in ax.texts if entry.get_text() == text]


SENTENCES = ("a seal swam by", ["she", "broke", "the", "seal"])


def test_the_table_has_one_row_for_both_and_the_model_a_vector_for_each():
    ax = draw_two_vectors("seal", SENTENCES)
    shown = Counter(texts(ax))
    assert shown["seal"] == 2 + 2 + 1  # each sentence twice, and the table's row
    assert all(shown[word] == 2 for word in ("a", "swam", "by", "she", "broke", "the"))
    rows = {y for _, y, _ in cells(ax, "input")}
    assert len(rows) == 1 and len(cells(ax, "input")) == 1 + 5
    faces = [face for _, _, face in sorted(cells(ax, "hidden"))]
    assert len(faces) == 10 and all(a != b for a, b in zip(faces[:5], faces[5:], strict=True))


def test_both_words_lead_to_the_row_from_their_two_sides():
    ax = draw_two_vectors("seal", SENTENCES)
    row = sorted(x for x, _, _ in cells(ax, "input"))
    (_, middle) = max(places(ax, "seal"), key=lambda xy: xy[1])
    ways = [ends(a) for a in drawn_in(ax, COLORS["input"]) if a._posA_posB is None]
    words = sorted(xy for xy in places(ax, "seal") if 5.5 < xy[1] < 6.5)
    assert [start[0] for start, _ in ways] == pytest.approx([x for x, _ in words])
    assert all(end[1] == pytest.approx(middle) for _, end in ways)
    assert ways[0][1][0] < row[0] < row[-1] + 0.46 < ways[1][1][0]


def test_the_contextual_model_reads_every_word_of_the_sentence():
    ax = draw_two_vectors("seal", SENTENCES)
    starts = [ends(a)[0] for a in arrows(ax)]
    lower = [xy for text in {*texts(ax)} for xy in places(ax, text) if xy[1] == 0.65]
    assert len(lower) == 8
    for x, y in lower:
        assert sum(abs(x - a) < 1e-9 and 0 < b - y < 0.4 for a, b in starts) == 1


@pytest.mark.parametrize("word", ["springs", "a", "bank", "watermills"])
def test_filters_answer_once_per_window_over_letters_and_marks(word):
    ax = draw_char_cnn(word)
    n = len(word) + 2
    assert len(cells(ax, "input")) == 4 * n + 5  # columns of embeddings, and the token vector
    small = [p for p in ax.patches if type(p) is Rectangle and p.get_width() == 0.5]
    answers = [p for p in small if to_hex(p.get_edgecolor()).upper() == COLORS["neutral"]]
    by_row = Counter(p.get_y() for p in answers)
    assert [by_row[y] for y in sorted(by_row)] == [n, n - 1, n - 2]
    assert [*texts(ax)].count("‹") == [*texts(ax)].count("›") == 1
    assert places(ax, "‹")[0][0] < min(places(ax, word[0]))[0] < places(ax, "›")[0][0]


def test_max_takes_the_darkest_answer_and_its_bracket_spans_the_window():
    ax = draw_char_cnn("springs")
    framed = [p for p in ax.patches if to_hex(p.get_edgecolor()).upper() == INK]
    marks = sorted((p for p in framed if type(p) is Rectangle), key=lambda p: p.get_y())
    assert len(marks) == 3
    columns = sorted(x for x, y in [places(ax, "‹")[0], places(ax, "›")[0]])
    pitch = (columns[1] - columns[0]) / 8
    brackets = sorted((a for a in arrows(ax) if a._posA_posB is None
                       and len(a._path_original) == 4), key=lambda a: ends(a)[0][1])  # fmt: skip
    for size, (mark, bracket) in enumerate(zip(marks, brackets, strict=True), start=1):
        (left, _), (right, _) = ends(bracket)
        assert right - left - 0.56 == pytest.approx((size - 1) * pitch)
        assert (left + right) / 2 == pytest.approx(mark.get_x() + 0.25)
        row = [p for p in ax.patches if type(p) is Rectangle and p.get_width() == 0.5
               and p.get_y() == mark.get_y() and p is not mark]  # fmt: skip
        dark = min(row, key=lambda p: sum(p.get_facecolor()[:3]))
        assert dark.get_x() == pytest.approx(mark.get_x())
        (first, *_) = [p for p in ax.patches if type(p) is Rectangle and p.get_x() > 9
                       and abs(p.get_y() + 0.36 - mark.get_y() - 0.25 - 0.54) < 0.01]  # fmt: skip
        assert first.get_facecolor() == dark.get_facecolor()


def test_the_token_vector_is_made_in_the_order_of_the_paper():
    ax = draw_char_cnn()
    heights = [places(ax, name)[0][1] for name in ("highway", "projection", "token vector")]
    assert heights == sorted(heights)
    assert texts(ax).count("max") == 3
    for name, low in (("highway", 1), ("projection", 2)):
        (x, y) = places(ax, name)[0]
        assert any(a[0] == x and y < a[1] < y + 0.5 for a, _ in map(ends, arrows(ax))), low


@pytest.mark.parametrize("words", [("the", "bank", "was", "closed"), ("a", "bank")])
def test_no_arrow_leads_from_one_direction_to_the_other(words):
    ax = draw_bilm(words)
    for arrow in arrows(ax):
        xs = [x for x, _ in arrow.get_transform().transform(arrow._path_original.vertices
              if arrow._posA_posB is None else arrow._posA_posB)]  # fmt: skip
        middle = ax.transData.transform((6.5, 0))[0]
        low = ax.transData.transform((0, -1))[1]
        if ends(arrow)[0][1] > -1:
            assert max(xs) < middle or min(xs) > middle, low
    cards = [p.get_path().get_extents() for p in ax.patches
             if p.get_zorder() == 0 and to_hex(p.get_edgecolor()) == "#e1e4e6"]  # fmt: skip
    assert len(cards) == 2 and cards[0].x1 < cards[1].x0


@pytest.mark.parametrize("n", [2, 3, 4])
def test_each_direction_has_two_layers_that_run_its_way(n):
    words = ["the", "bank", "was", "closed"][:n]
    ax = draw_bilm(words)
    for role, sign in (("encoder", 1), ("decoder", -1)):
        assert edges(ax, Circle).count(COLORS[role]) == 2 * n
        steps = [ends(a) for a in drawn_in(ax, COLORS[role])]
        assert len(steps) == 2 * (n - 1)
        assert all(sign * (end[0] - start[0]) > 0 for start, end in steps)
        strips = [p for p in ax.patches if isinstance(p, FancyBboxPatch) and p.get_zorder() == 0
                  and to_hex(p.get_edgecolor()).upper() == COLORS[role]]  # fmt: skip
        assert len(strips) == 2  # one LSTM per layer and direction
    assert texts(ax).count("LSTM\nlayer 1") == texts(ax).count("LSTM\nlayer 2") == 2
    roads = [ends(a) for a in drawn_in(ax, COLORS["hidden"]) if ends(a)[0][1] > -1]
    assert len(roads) == 2 * n  # around layer 2 only
    assert {(start[1], end[1]) for start, end in roads} == {(3.15, 5.8)}


def test_targets_are_the_neighbours_on_the_side_not_yet_read():
    words = ["the", "bank", "was", "closed"]
    ax = draw_bilm(words)
    high = sorted((e.get_position()[0], e.get_text()) for e in ax.texts
                  if e.get_position()[1] == 8.55 and "\n" not in e.get_text())  # fmt: skip
    assert [text for _, text in high] == ["bank", "was", "closed", "end", "start", *words[:3]]
    low = sorted((e.get_position()[0], e.get_text()) for e in ax.texts
                 if e.get_position()[1] == 0 and "\n" not in e.get_text())  # fmt: skip
    assert [text for _, text in low] == words * 2
    assert [x for x, _ in low] == [x for x, _ in high]
    grey = [p for p in ax.patches if to_hex(p.get_edgecolor()).upper() == COLORS["neutral"]]
    marks = [p.get_x() + p.get_width() / 2 for p in grey if p.get_y() > 8]
    assert marks == pytest.approx([places(ax, name)[0][0] for name in ("end", "start")])
    assert texts(ax).count("one softmax, shared by both directions") == 1


def test_the_mixture_weighs_three_layers_of_both_directions_and_scales_the_sum():
    ax = draw_scalar_mix()
    assert [len(cells(ax, role)) for role in ("input", "encoder", "decoder", "hidden")] == [
        8, 8, 8, 8]  # fmt: skip
    for y in {y for _, y, _ in cells(ax, "encoder")}:
        forward = [x for x, at, _ in cells(ax, "encoder") if at == y]
        backward = [x for x, at, _ in cells(ax, "decoder") if at == y]
        assert len(forward) == len(backward) == 4 and max(forward) < min(backward)
    signs = {f"$s_{k}$": places(ax, f"$s_{k}$")[0] for k in (0, 1, 2)}
    assert [y for _, y in signs.values()] == sorted(y for _, y in signs.values())
    assert places(ax, r"$\gamma$")[0][0] > max(x for x, _ in signs.values())
    assert {"biLM, frozen", "the word's ELMo vector", "the task's model"} <= {*texts(ax)}
    (last,) = [a for a in map(ends, drawn_in(ax, COLORS["hidden"])) if a[0][0] == a[1][0]]
    assert last[1][1] < places(ax, "the task's model")[0][1]


def _panels(ax):
    """Links between the marks of each panel: (from, to, colour), marks by their centres."""
    marks = [p.center for p in ax.patches if isinstance(p, Circle)]
    marks += [e.get_position() for e in ax.texts if e.get_text() in LETTERS]
    marks = np.array(marks)

    def nearest(point):
        distances = np.hypot(*(marks - point).T)
        assert distances.min() < 0.55
        return tuple(float(v) for v in marks[distances.argmin()])

    links = [(*map(nearest, ends(a)), to_hex(a.get_edgecolor()).upper(), a.get_linewidth())
             for a in arrows(ax)]  # fmt: skip
    return [link for link in links if link[0][0] < 6.5], [
        link for link in links if link[0][0] > 6.5]  # fmt: skip


LETTERS = ("$x_{t-1}$", "$x_t$", "$x_{t+1}$")


def _reach(start, links):
    found, todo = {start}, [start]
    while todo:
        here = todo.pop()
        new = {end for begin, end, *_ in links if begin == here} - found
        found |= new
        todo += new
    return found


def test_a_word_reaches_its_prediction_only_where_layer_2_reads_both_directions():
    ax = draw_directions_apart()
    left, right = _panels(ax)
    assert len(left) == 6 + 12 + 8 + 1
    assert len(right) == 6 + 6 + 8 + 1
    spots = sorted(places(ax, "$x_t$"))
    for links, here, leaks in ((left, spots[:2], True), (right, spots[2:], False)):
        (word, target) = sorted(here, key=lambda xy: xy[1])
        assert (tuple(map(float, target)) in _reach(tuple(map(float, word)), links)) == leaks
        before = min(start for start, *_ in links if start[1] == 0)
        assert tuple(map(float, target)) in _reach(before, links)  # the words before it may


def test_green_is_what_the_word_reaches_and_thick_its_way_to_the_prediction():
    ax = draw_directions_apart()
    spots = sorted(places(ax, "$x_t$"))
    for links, here in zip(_panels(ax), (spots[:2], spots[2:]), strict=True):
        (word, target) = (tuple(map(float, xy)) for xy in sorted(here, key=lambda xy: xy[1]))
        reached = _reach(word, links)
        for start, _, color, _ in links:
            assert color == (COLORS["hidden"] if start in reached else FADED)
        thick = [link for link in links if link[3] == 4]
        assert len(thick) == (4 if target in reached else 0)
        if thick:
            assert target in _reach(word, thick)


def test_states_run_to_the_right_or_to_the_left_by_their_sign():
    ax = draw_directions_apart()
    assert texts(ax).count("→") == texts(ax).count("←") == 12
    signs = {tuple(map(float, e.get_position())): e.get_text() for e in ax.texts}
    for links in _panels(ax):
        for start, end, *_ in links:
            if start[1] == end[1]:
                assert signs[start] == signs[end] == ("→" if start[0] < end[0] else "←")


@pytest.mark.parametrize("n_layers", [2, 3, 4])
def test_one_more_layer_is_trained_in_every_epoch_at_a_lower_rate(n_layers):
    ax = draw_ulmfit(n_layers)
    shown = Counter(texts(ax))
    assert shown["softmax"] == 2 and shown["classifier"] == 3 and shown["embedding"] == 5
    assert all(shown[f"LSTM {k}"] == 5 for k in range(1, n_layers + 1))
    rates = (r"$\eta$", r"$\eta/2.6$", r"$\eta/2.6^2$")
    assert [shown[rate] for rate in rates] == [3, 2, 1]
    epochs = [places(ax, f"epoch {e}")[0][0] for e in (1, 2, 3)]
    assert epochs == sorted(epochs)
    for epoch, x in enumerate(epochs, start=1):
        heights = [y for rate in rates for at, y in places(ax, rate) if at == x]
        assert len(heights) == epoch and heights == sorted(heights, reverse=True)
        plates = [p for p in ax.patches if isinstance(p, FancyBboxPatch) and p.get_zorder() == 3
                  and abs(p.get_x() + p.get_width() / 2 - x) < 0.01]  # fmt: skip
        frozen = [p for p in plates if to_hex(p.get_edgecolor()).upper() == FADED]
        assert len(plates) == n_layers + 2 and len(frozen) == n_layers + 2 - epoch
        assert max(p.get_y() for p in frozen) < min(p.get_y() for p in plates if p not in frozen)


def test_language_models_are_trained_whole_and_every_frozen_layer_has_a_lock():
    ax = draw_ulmfit(3)
    plates = [p for p in ax.patches if isinstance(p, FancyBboxPatch) and p.get_zorder() == 3]
    frozen = [p for p in plates if to_hex(p.get_edgecolor()).upper() == FADED]
    stage_3 = min(x for x, _ in places(ax, "classifier")) - 1
    assert all(p.get_x() > stage_3 for p in frozen)
    assert len(ax.lines) == len(frozen) + 1  # the locks' bows, and the legend's
    assert len(draw_scalar_mix().lines) == 1 + 2  # a lock, and the plus's strokes


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_shape_covers_another(name):
    shapes = [
        p
        for p in DRAWINGS[name]().patches
        if (isinstance(p, FancyBboxPatch) and p.get_zorder() == 3) or getattr(p, "radius", 0) > 0.1
        or (type(p) is Rectangle and p.get_zorder() == 3)
    ]  # fmt: skip
    boxes = np.array([p.get_patch_transform().transform_path(p.get_path()).get_extents().extents
                      for p in shapes])  # fmt: skip
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    shared = np.minimum(high, boxes[None, :, 2:]) - np.maximum(low, boxes[None, :, :2])
    covered = (shared > 0.01).all(axis=2)
    np.fill_diagonal(covered, False)
    assert not covered.any()


ALL = (draw_two_vectors, draw_char_cnn, draw_bilm, draw_scalar_mix, draw_directions_apart,
       draw_ulmfit)  # fmt: skip


@pytest.mark.parametrize("draw", ALL)
def test_a_given_axes_is_used(draw):
    figure, axes = plt.subplots(1, 2)
    assert draw(ax=axes[1]) is axes[1]
    assert not axes[0].patches
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: draw_two_vectors(3), TypeError, "word must be a string, got 3"),
        (lambda: draw_two_vectors("bank", 2), TypeError, "got 2"),
        (lambda: draw_two_vectors("bank", ("a bank", 2)), TypeError, "got 2"),
        (lambda: draw_two_vectors("bank", ["a bank"]), ValueError, "two sentences of 2 to 6"),
        (lambda: draw_two_vectors("bank", ("bank", "a bank")), ValueError, r"got \[\['bank'\]"),
        (lambda: draw_two_vectors("bat", ("a bank", "a bat")), ValueError, "'bat' must stand once"),
        (lambda: draw_two_vectors("a", ("a or a", "a b")), ValueError, "once in each sentence"),
        (
            lambda: draw_two_vectors("bank", ("bank", "the extraordinarily long riverside bank")),
            ValueError,
            "2 to 6 words",
        ),
        (
            lambda: draw_two_vectors("bank", ("a bank", "the extraordinarily long riverside bank")),
            ValueError,
            "too long to draw",
        ),
        (lambda: draw_two_vectors("bookworms"), ValueError, "at most 8 letters .* 'bookworms'"),
        (lambda: draw_two_vectors("a", (["a", 3], "a b")), TypeError, "words must be strings"),
        (lambda: draw_two_vectors("岸", ("河 岸", "银 岸")), ValueError, "no glyph"),
        (lambda: draw_char_cnn(7), TypeError, "word must be a string, got 7"),
        (lambda: draw_char_cnn(""), ValueError, "1 to 10 letters, got 0"),
        (lambda: draw_char_cnn("windowpanes"), ValueError, "got 11: 'windowpanes'"),
        (lambda: draw_char_cnn("岸"), ValueError, "no glyph"),
        (lambda: draw_bilm(["bank"]), ValueError, r"2 to 4 words .* got \['bank'\]"),
        (lambda: draw_bilm("a b c d e"), ValueError, "2 to 4 words"),
        (lambda: draw_bilm(["a", "springs"]), ValueError, "1 to 6 letters"),
        (lambda: draw_bilm(["a", ""]), ValueError, r"may be empty, got \['a', ''\]"),
        (lambda: draw_bilm(4), TypeError, "got 4"),
        (lambda: draw_ulmfit(1), ValueError, "n_layers must lie between 2 and 4, got 1"),
        (lambda: draw_ulmfit(5), ValueError, "got 5"),
        (lambda: draw_ulmfit(3.0), TypeError, "n_layers must be a whole number"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert not plt.get_fignums()

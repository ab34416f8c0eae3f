"""Drawings of BERT: what is added up, who reads whom, heads and losses, shapes of tasks, masks."""

import itertools
import math
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from nlp_helpers.diagrams.base import FADED
from nlp_helpers.diagrams.bert import draw_attention_reach, draw_bert_input, draw_sees_itself
from nlp_helpers.diagrams.bert_masks import draw_masking_shares, draw_permutation_masks
from nlp_helpers.diagrams.bert_tasks import draw_fine_tuning_shapes, draw_pretraining
from nlp_helpers.models.permutation import permutation_masks
from nlp_helpers.plotting import COLORS, DIVERGING, INK, SLATE
from tests.diagrams.layout import arrows, drawn_in, ends, texts

ROW = ["[CLS]", "mara", "fed", "the", "dog", "[SEP]", "it", "was", "happy", "[SEP]"]
COUNTS = {"not chosen": 85_213, "[MASK]": 11_822, "random": 1_499, "kept": 1_466}
OTHER_SHAPES = {
    "pair": ("so am i", "me too"),
    "single": ["a"],
    "question": ("what", "in oslo town"),
    "span": (1, 2),
    "tagged": [("jon", "B-PER"), ("hill", "I-PER"), ("ran", "O")],
}


def masks_of(order):
    return draw_permutation_masks(order, *permutation_masks(order))


DRAWINGS = {
    "BERT's input": draw_bert_input,
    "BERT's input, masked": lambda: draw_bert_input(masked=4),
    "BERT's input, one text": lambda: draw_bert_input("the bank lends money", None),
    "BERT's input, least": lambda: draw_bert_input("a", None),
    "BERT's input, most": lambda: draw_bert_input("a b c d", "e f g h", masked=[2, 7]),
    "BERT's input, pieces": lambda: draw_bert_input("un ##believ ##able $x$", "was it", 2),
    "reach": draw_attention_reach,
    "reach, fewest": lambda: draw_attention_reach(3, 1),
    "reach, most": lambda: draw_attention_reach(6, 6),
    "sees itself": draw_sees_itself,
    "sees itself, most": lambda: draw_sees_itself(4),
    "pre-training": draw_pretraining,
    "pre-training, the first word": lambda: draw_pretraining(
        "mara fed it", "she was glad", {1: "[MASK]"}, False
    ),
    "pre-training, random and kept": lambda: draw_pretraining(
        chosen={8: "happy", 2: "pear"}, is_next=False
    ),
    "pre-training, least": lambda: draw_pretraining("a", "b", {3: "[MASK]"}),
    "pre-training, most": lambda: draw_pretraining("a b c d", "e f g h", {1: "[MASK]", 2: "q"}),
    "pre-training, the last word": lambda: draw_pretraining(
        "a b c d", "e f g h", {9: "[MASK]"}
    ),
    "fine-tuning": draw_fine_tuning_shapes,
    "fine-tuning, other texts": lambda: draw_fine_tuning_shapes(**OTHER_SHAPES),
    "permutation masks": lambda: masks_of((2, 0, 3, 1)),
    "permutation masks, fewest": lambda: masks_of((1, 0)),
    "permutation masks, most": lambda: masks_of((3, 0, 5, 1, 4, 2)),
    "shares": lambda: draw_masking_shares(COUNTS),
    "shares, all masked": lambda: draw_masking_shares(
        {"not chosen": 0, "[MASK]": 3, "random": 0, "kept": 0}, "elephant", "a"
    ),
    "shares, few chosen": lambda: draw_masking_shares(
        {"not chosen": 9_999, "[MASK]": 1, "random": 1, "kept": 1}
    ),
}  # fmt: skip


def places(ax, text):
    return [entry.get_position() for entry in ax.texts if entry.get_text() == text]


def row_at(ax, y, among=None):
    """The texts at one height, from the left, as (x, text)."""
    found = [(e.get_position()[0], e.get_text()) for e in ax.texts
             if e.get_position()[1] == pytest.approx(y) and e.get_text()
             and e.get_weight() != "bold"]  # fmt: skip
    return sorted((x, text) for x, text in found if among is None or text in among)


def plates(ax, color):
    return [p for p in ax.patches if isinstance(p, FancyBboxPatch)
            and to_hex(p.get_edgecolor()).upper() == color.upper()]  # fmt: skip


def holds(p, xy):
    x, y, width, height = p.get_x(), p.get_y(), p.get_width(), p.get_height()
    return x < xy[0] < x + width and y < xy[1] < y + height


def around(ax, color, xy):
    return [p for p in plates(ax, color) if holds(p, xy)]


# BERT's input


def strips(ax):
    """Values behind the coloured cells: {height of the row: vectors from left to right}."""
    table = colormaps[DIVERGING](np.linspace(0, 1, 256))[:, :3]
    cells = {}
    for p in ax.patches:
        if isinstance(p, Rectangle) and p.get_zorder() == 4:
            index = np.abs(table - p.get_facecolor()[:3]).sum(axis=1).argmin()
            cells.setdefault(round(p.get_y(), 6), []).append((p.get_x(), 2 * index / 255 - 1))
    return [np.array([value for _, value in sorted(cells[y])]).reshape(-1, 4)
            for y in sorted(cells)]  # fmt: skip


def test_rows_of_the_input():
    ax = draw_bert_input()
    for y, row in ((0, ROW), (1.45, ROW), (2.89, "AAAAAABBBB"), (4.33, map(str, range(10))),
                   (5.8, [f"$E_{{{i}}}$" for i in range(10)])):  # fmt: skip
        assert [text for _, text in row_at(ax, y)] == [*row]
    columns = [x for x, _ in row_at(ax, 0)]
    for y in (1.97, 3.41):
        assert [(pytest.approx(x), "+") for x in columns] == row_at(ax, y)
    assert {"first text: segment A", "second text: segment B"} <= {*texts(ax)}


def test_a_separator_belongs_to_the_text_before_it():
    ax = draw_bert_input()
    brackets = [a for a in drawn_in(ax, SLATE) if len(a._path_original.vertices) == 4]
    spans = sorted((ends(a)[0][0], ends(a)[1][0]) for a in brackets)
    held = [[text for x, text in row_at(ax, 0) if low < x < high] for low, high in spans]
    assert held == [ROW[:6], ROW[6:]]


def test_the_sum_is_the_sum_and_equal_names_have_equal_vectors():
    token, segment, position, whole = strips(draw_bert_input())
    np.testing.assert_allclose(whole, token + segment + position, atol=0.02)
    assert (token[5] == token[9]).all()  # both [SEP]
    assert len({*map(tuple, token)}) == len(ROW) - 1
    assert [int((row == segment[0]).all()) for row in segment] == [1] * 6 + [0] * 4
    assert len({*map(tuple, segment)}) == 2
    assert len({*map(tuple, position)}) == len(ROW)
    assert not (whole[5] == whole[9]).all()  # the same token, another place


def test_every_column_goes_up_into_the_stack():
    ax = draw_bert_input()
    columns = [x for x, _ in row_at(ax, 0)]
    ups = [ends(a) for a in drawn_in(ax, INK)]
    for x in columns:
        heights = sorted((s[1], e[1]) for s, e in ups if s[0] == pytest.approx(x))
        assert len(heights) == 4 and all(low < high for low, high in heights)
    (stack,) = plates(ax, COLORS["encoder"])
    assert sum(holds(stack, (x, y + 0.1)) for _, (x, y) in ups) == len(columns)
    assert places(ax, "LayerNorm")[0][1] < stack.get_y()
    assert row_at(ax, 5.8)[0][1] == "$E_{0}$" and places(ax, "LayerNorm")[0][1] > 5.8


def test_a_masked_word_stands_below_and_only_its_token_changes():
    plain, masked = strips(draw_bert_input()), draw_bert_input(masked=(4, 8))
    assert [text for _, text in row_at(masked, 0)] == [
        "[MASK]" if i in (4, 8) else token for i, token in enumerate(ROW)]  # fmt: skip
    assert [text for _, text in row_at(masked, -1.05)] == ["dog", "happy"]
    assert len(drawn_in(masked, FADED.upper())) == 2
    token, segment, position, _ = strips(masked)
    changed = [i for i in range(len(ROW)) if not (token[i] == plain[0][i]).all()]
    assert changed == [4, 8] and (token[4] == token[8]).all()
    assert (segment == plain[1]).all() and (position == plain[2]).all()


def test_one_text_has_one_segment_and_one_separator():
    ax = draw_bert_input("the bank", None)
    assert [text for _, text in row_at(ax, 0)] == ["[CLS]", "the", "bank", "[SEP]"]
    assert [text for _, text in row_at(ax, 2.89)] == ["A"] * 4
    assert not any("second" in text for text in texts(ax))


# Who reads whom


class Network:
    """The marks of a panel and the links between them, read from the drawing."""

    def __init__(self, ax, panel):
        self.ax, self.panel = ax, panel
        self.states = [p for p in ax.patches if isinstance(p, Circle) and self.inside(p.center)]
        self.boxes = [p for p in ax.patches if isinstance(p, FancyBboxPatch)
                      and p.get_zorder() == 3 and self.inside(center(p))]  # fmt: skip
        self.at = [p.center for p in self.states] + [center(p) for p in self.boxes]
        self.marks = self.states + self.boxes
        self.links = [(self.mark(ends(a)[0]), self.mark(ends(a)[1]), a) for a in arrows(ax)
                      if self.inside(ends(a)[0])]  # fmt: skip

    def inside(self, xy):
        return self.panel[0] < xy[0] < self.panel[1]

    def mark(self, xy):
        return int(np.hypot(*(np.array(self.at) - xy).T).argmin())

    def from_left(self, y):
        """The marks at a height."""
        found = [i for i, (_, height) in enumerate(self.at) if height == pytest.approx(y)]
        return sorted(found, key=lambda i: self.at[i][0])

    def sources(self, mark):
        """All marks from which a way along the drawn arrows leads to this one."""
        found, new = {mark}, {mark}
        while new:
            new = {start for start, end, _ in self.links if end in new} - found
            found |= new
        return found

    def colored(self, i):
        return to_hex(self.marks[i].get_edgecolor()).upper() != FADED.upper()


def center(p):
    return p.get_x() + p.get_width() / 2, p.get_y() + p.get_height() / 2


def near(xy, points):
    return any(math.dist(xy, point) < 1e-6 for point in points)


def panels(ax):
    found = [p for p in ax.patches if isinstance(p, FancyBboxPatch) and p.get_zorder() == 0]
    found.sort(key=lambda p: p.get_x())
    return [Network(ax, (p.get_x(), p.get_x() + p.get_width())) for p in found]


REACHES = [(5, 3), (3, 1), (4, 4), (6, 2), (6, 6)]


@pytest.mark.parametrize(("n", "position"), REACHES)
def test_every_layer_of_bert_reads_all_positions_and_of_gpt_those_on_the_left(n, position):
    _, gpt, bert = panels(draw_attention_reach(n, position))
    for network, allowed in ((gpt, lambda i, j: i <= j), (bert, lambda i, j: True)):
        rows = [network.from_left(y) for y in (0, 1.8, 3.8)]
        assert [len(row) for row in rows] == [n] * 3
        links = Counter((start, end) for start, end, _ in network.links)
        wanted = Counter((low[i], high[j]) for low, high in itertools.pairwise(rows)
                         for i in range(n) for j in range(n) if allowed(i, j))  # fmt: skip
        assert links - wanted == Counter([(rows[2][position - 1], network.from_left(5.4)[0])])
        assert not wanted - links


@pytest.mark.parametrize(("n", "position"), REACHES)
def test_elmo_is_two_chains_that_meet_at_the_top_only(n, position):
    elmo = panels(draw_attention_reach(n, position))[0]
    forward, backward = ([elmo.from_left(y) for y in ys] for ys in ((1.45, 3.45), (2.15, 4.15)))
    inputs = elmo.from_left(0)
    assert all(len(row) == n for row in (*forward, *backward, inputs))
    for rows, of in ((forward, lambda j: {*range(j + 1)}), (backward, lambda j: {*range(j, n)})):
        for row in rows:
            for j, state in enumerate(row):
                assert {inputs.index(i) for i in elmo.sources(state) if i in inputs} == of(j)
    tops = elmo.from_left(5.4)
    assert len(tops) == 2
    for top, rows in zip(tops, (forward, backward), strict=True):
        assert [start for start, end, _ in elmo.links if end == top] == [rows[1][position - 1]]


@pytest.mark.parametrize(("n", "position"), REACHES)
def test_coloured_is_exactly_what_the_vector_depends_on(n, position):
    for network in panels(draw_attention_reach(n, position)):
        sources = set().union(*(network.sources(top) for top in network.from_left(5.4)))
        assert {i for i in range(len(network.marks)) if network.colored(i)} == sources
        for _, end, patch in network.links:
            color = to_hex(patch.get_edgecolor()).upper()
            assert (color != FADED.upper()) == (end in sources)


@pytest.mark.parametrize(("n", "position"), REACHES)
def test_thick_arrows_lead_into_the_position_and_out_of_it(n, position):
    elmo, gpt, bert = panels(draw_attention_reach(n, position))
    sides = (position > 1) + (position < n)
    for network, into in ((elmo, 2 + sides), (gpt, position), (bert, n)):
        thick = [link for link in network.links if link[2].get_linewidth() > 2]
        tops = network.from_left(5.4)
        last = {start for start, end, _ in thick if end in tops}
        assert len(thick) == len(tops) + into
        assert all(end in {*tops, *last} for _, end, _ in thick)


@pytest.mark.parametrize(("n", "position"), REACHES)
def test_bars_span_the_inputs_that_are_reached(n, position):
    ax = draw_attention_reach(n, position)
    reached = {"encoder": range(position), "decoder": range(position - 1, n)}
    spans = [(0, "encoder", reached["encoder"]), (0, "decoder", reached["decoder"]),
             (1, "hidden", range(position)), (2, "hidden", range(n))]  # fmt: skip
    networks = panels(ax)
    assert len(ax.lines) == len(spans)
    for line, (k, role, wanted) in zip(ax.lines, spans, strict=True):
        low, high = line.get_xdata()
        inputs = networks[k].from_left(0)
        assert [low < networks[k].at[i][0] < high for i in inputs] == [
            j in wanted for j in range(n)]  # fmt: skip
        assert to_hex(line.get_color()).upper() == COLORS[role]


@pytest.mark.parametrize("n", [3, 4])
def test_a_word_reaches_its_own_prediction_only_through_two_layers(n):
    ax, i = draw_sees_itself(n), n // 2
    for network, height, reaches in zip(panels(ax), (3.6, 5.6, 5.6), (False, True, None),
                                        strict=True):  # fmt: skip
        (target,) = network.from_left(height)
        inputs = network.from_left(0)
        assert len(inputs) == n
        sources = network.sources(target)
        assert {*inputs} - {inputs[i]} <= sources
        word = f"$x_{i + 1}$"
        assert near(network.at[target], places(ax, word))
        if reaches is None:  # the masked word has no arrow
            (out,) = network.from_left(-0.9)
            assert near(network.at[out], places(ax, word)) and not network.colored(out)
            assert all(out not in link[:2] for link in network.links)
            assert near(network.at[inputs[i]], places(ax, "[MASK]"))
        else:
            assert (inputs[i] in sources) == reaches
            assert near(network.at[inputs[i]], places(ax, word))


@pytest.mark.parametrize("n", [3, 4])
def test_no_place_looks_at_itself_until_the_word_is_masked(n):
    for network, layers, own in zip(panels(draw_sees_itself(n)), (1, 2, 2), (False, False, True),
                                    strict=True):  # fmt: skip
        rows = [network.from_left(2 * k) for k in range(layers + 1)]
        links = {link[:2] for link in network.links}
        for low, high in itertools.pairwise(rows):
            for a, b in itertools.product(range(n), repeat=2):
                assert ((low[a], high[b]) in links) == (own or a != b)
        assert len(links) == layers * (n * n if own else n * n - n) + 1


@pytest.mark.parametrize("n", [3, 4])
def test_green_is_what_the_word_reaches_and_the_thick_way_brings_it_back(n):
    green = COLORS["hidden"]
    for k, network in enumerate(panels(draw_sees_itself(n))):
        word = network.from_left(0)[n // 2]
        reached = {i for i in range(len(network.marks)) if word in network.sources(i)}
        for i, state in enumerate(network.states):
            assert (to_hex(state.get_edgecolor()).upper() == green) == (k < 2 and i in reached)
        for start, _, patch in network.links:
            seen = to_hex(patch.get_edgecolor()).upper() == green
            assert seen == (k < 2 and start in reached)
        thick = sorted((link for link in network.links if link[2].get_linewidth() > 3),
                       key=lambda link: network.at[link[0]][1])  # fmt: skip
        assert len(thick) == (3 if k == 1 else 0)
        if thick:
            assert thick[0][0] == word and thick[-1][1] == network.from_left(5.6)[0]
            assert all(a[1] == b[0] for a, b in itertools.pairwise(thick))
            assert not math.isclose(network.at[thick[0][1]][0], network.at[word][0])


# Pre-training


def heads(ax):
    """Where the vectors stand that a head reads, and the head's name, from the left."""
    found = []
    for a in drawn_in(ax, COLORS["hidden"]):
        x, y = ends(a)[1]
        (head,) = around(ax, COLORS["neutral"], (x, y + 0.2))
        (name,) = [e.get_text() for e in ax.texts if holds(head, e.get_position())]
        found.append((x, name))
    return sorted(found)


@pytest.mark.parametrize("is_next", [True, False])
@pytest.mark.parametrize(
    "chosen", [{4: "[MASK]", 8: "[MASK]"}, {1: "[MASK]"}, {8: "happy", 2: "pear", 7: "[MASK]"}]
)
def test_heads_read_the_class_vector_and_the_chosen_places_only(chosen, is_next):
    ax = draw_pretraining(chosen=chosen, is_next=is_next)
    shown = [chosen.get(i, token) for i, token in enumerate(ROW)]
    row = row_at(ax, 0)
    assert [text for _, text in row] == shown
    columns = [x for x, _ in row]
    wanted = [(0, "NSP\nhead"), *((i, "MLM head") for i in sorted(chosen))]
    assert heads(ax) == [(pytest.approx(columns[i]), name) for i, name in wanted]
    states = sorted((p for p in ax.patches if isinstance(p, Circle) and p.center[1] == 2.75),
                    key=lambda p: p.center[0])  # fmt: skip
    coloured = [to_hex(p.get_edgecolor()).upper() == COLORS["hidden"] for p in states]
    assert coloured == [i == 0 or i in chosen for i in range(len(ROW))]
    assert [text for _, text in row_at(ax, 2.75)] == ["$C$"] + [
        f"$T_{{{i}}}$" for i in range(1, 10)
    ]
    targets = [(columns[0], "IsNext" if is_next else "NotNext"),
               *((columns[i], ROW[i]) for i in sorted(chosen))]  # fmt: skip
    assert row_at(ax, 6.5) == [(pytest.approx(x), text) for x, text in targets]


def test_a_chosen_word_that_is_not_masked_has_a_dark_frame():
    ax = draw_pretraining(chosen={8: "happy", 2: "pear", 7: "[MASK]"})
    framed = [p for p in plates(ax, INK) if p.get_y() < 0]
    at = {text: (x, 0) for x, text in row_at(ax, 0)}
    assert len(framed) == 2
    assert all(any(holds(p, at[word]) for p in framed) for word in ("happy", "pear"))
    assert not [p for p in plates(draw_pretraining(), INK) if p.get_y() < 0]


def test_the_loss_is_the_sum_of_both():
    ax = draw_pretraining()
    names = {name: places(ax, name)[0] for name in ("NSP loss", "MLM loss", "loss")}
    (plus,) = [p for p in ax.patches if isinstance(p, Circle) and p.radius == 0.27]
    routes = [a for a in drawn_in(ax, INK) if a._posA_posB is None]
    assert len(routes) == 2
    starts = [ends(a)[0] for a in routes]
    for name, start in zip(("NSP loss", "MLM loss"), sorted(starts), strict=True):
        (plate,) = around(ax, COLORS["neutral"], names[name])
        assert holds(plate, (start[0], start[1] - 0.1))
    for a in routes:
        assert math.dist(ends(a)[1], plus.center) == pytest.approx(0.28)
    (up,) = [a for a in drawn_in(ax, INK) if ends(a)[0] == (plus.center[0], 9.14)]
    assert around(ax, COLORS["neutral"], (ends(up)[1][0], ends(up)[1][1] + 0.1)) == around(
        ax, COLORS["neutral"], names["loss"])  # fmt: skip
    into = [ends(a)[1] for a in drawn_in(ax, INK) if ends(a)[1][1] == 7.38]
    kinds = Counter(name for x, _ in into for name in ("NSP loss", "MLM loss")
                    if around(ax, COLORS["neutral"], (x, 7.6)) ==
                    around(ax, COLORS["neutral"], names[name]))  # fmt: skip
    assert kinds == {"NSP loss": 1, "MLM loss": 2}


@pytest.mark.parametrize("is_next", [True, False])
def test_the_higher_bar_is_that_of_the_target(is_next):
    ax = draw_pretraining(is_next=is_next)
    x = row_at(ax, 0)[0][0]
    bars = [p for p in plates(ax, COLORS["output"])
            if p.get_y() == 5.1 and abs(center(p)[0] - x) < 0.5]  # fmt: skip
    bars.sort(key=lambda p: p.get_x())
    left, right = (p.get_height() for p in bars)  # IsNext, NotNext
    assert (left > right) == is_next


# Fine-tuning


def quarters(ax):
    """The panels (a) to (d)."""
    found = [p for p in ax.patches if isinstance(p, FancyBboxPatch) and p.get_zorder() == 0]
    return sorted(found, key=lambda p: (-p.get_y(), p.get_x()))


def tokens_in(ax, panel):
    """The panel's tokens from the left, as (x, token)."""
    y = panel.get_y() + 0.5
    return [(x, text) for x, text in row_at(ax, y) if holds(panel, (x, y))]


def read_in(ax, panel):
    """The places of the tokens whose vectors are read, by their arrows."""
    columns = [x for x, _ in tokens_in(ax, panel)]
    starts = [ends(a)[0] for a in drawn_in(ax, COLORS["hidden"])]
    return sorted(int(np.abs(np.array(columns) - x).argmin()) for x, y in starts
                  if holds(panel, (x, y)))  # fmt: skip


@pytest.mark.parametrize("given", [{}, OTHER_SHAPES])
def test_each_shape_has_its_input_and_reads_its_vectors(given):
    ax = draw_fine_tuning_shapes(**given)
    a, b, c, d = quarters(ax)
    rows = {
        "a": "[CLS] the dog fell [SEP] it fell [SEP]",
        "b": "[CLS] mara was so happy [SEP]",
        "c": "[CLS] who fell [SEP] the dog fell [SEP]",
        "d": "[CLS] mara went to oslo [SEP]",
    }
    if given:
        rows = {
            "a": "[CLS] so am i [SEP] me too [SEP]",
            "b": "[CLS] a [SEP]",
            "c": "[CLS] what [SEP] in oslo town [SEP]",
            "d": "[CLS] jon hill ran [SEP]",
        }
    for panel, row in zip((a, b, c, d), rows.values(), strict=True):
        assert [text for _, text in tokens_in(ax, panel)] == row.split()
    assert read_in(ax, a) == read_in(ax, b) == [0]
    row = rows["c"].split()
    assert read_in(ax, c) == [*range(row.index("[SEP]") + 1, len(row) - 1)]  # the passage
    assert read_in(ax, d) == [*range(1, len(rows["d"].split()) - 1)]  # all words
    for panel in (a, b, c, d):
        circles = sorted((p for p in ax.patches if isinstance(p, Circle)
                          and holds(panel, p.center)), key=lambda p: p.center[0])  # fmt: skip
        coloured = [i for i, p in enumerate(circles)
                    if to_hex(p.get_edgecolor()).upper() == COLORS["hidden"]]  # fmt: skip
        assert coloured == read_in(ax, panel)
        assert len(circles) == len(tokens_in(ax, panel))


def test_what_comes_out_of_each_shape():
    ax = draw_fine_tuning_shapes()
    a, b, c, d = quarters(ax)
    new = [[e.get_text() for p in plates(ax, COLORS["neutral"]) if holds(panel, center(p))
            for e in ax.texts if holds(p, e.get_position())] for panel in (a, b, c, d)]  # fmt: skip
    assert new == [["linear"], ["linear"], ["$S$,  $E$"], ["linear"]]
    said = [{e.get_text() for e in ax.texts if holds(p, e.get_position())} for p in (a, b, c, d)]
    assert {"softmax: a class", "or one output: a number"} <= said[0]
    assert "softmax: a class" in said[1] and "or one output: a number" not in said[1]
    assert {r"start: $S \cdot T_i$", r"end: $E \cdot T_i$"} <= said[2]
    tags = [(center(p)[0], e.get_text()) for p in plates(ax, COLORS["output"])
            if holds(d, center(p)) for e in ax.texts if holds(p, e.get_position())]  # fmt: skip
    assert [text for _, text in sorted(tags)] == ["B-PER", "O", "O", "B-LOC"]
    assert [x for x, _ in sorted(tags)] == pytest.approx([x for x, _ in tokens_in(ax, d)[1:-1]])


@pytest.mark.parametrize("span", [(0, 0), (0, 1), (1, 2), (0, 2)])
def test_start_and_end_are_highest_over_the_span(span):
    ax = draw_fine_tuning_shapes(span=span)
    panel = quarters(ax)[2]
    columns = [x for x, _ in tokens_in(ax, panel)]
    bars = [p for p in plates(ax, COLORS["output"]) if holds(panel, center(p))]
    rows = sorted({round(p.get_y(), 6) for p in bars})
    assert len(rows) == 2 and len(bars) == 2 * 3  # one for every token of the passage
    for y, place in zip(rows, span, strict=True):
        row = sorted((p for p in bars if round(p.get_y(), 6) == y), key=lambda p: p.get_x())
        assert [center(p)[0] for p in row] == pytest.approx(columns[4:7])
        assert int(np.argmax([p.get_height() for p in row])) == place
    (low,) = [e for e in ax.texts if e.get_text().startswith("start:")]
    (high,) = [e for e in ax.texts if e.get_text().startswith("end:")]
    assert rows[0] < low.get_position()[1] < rows[1] < high.get_position()[1]


# Masks


def tables(ax, n):
    """The three masks as arrays, read from the drawn cells; and the frames."""
    cells = [p for p in ax.patches if type(p) is Rectangle and p.get_zorder() < 3.8]
    frames = [p for p in ax.patches if type(p) is Rectangle and p.get_zorder() == 3.8]
    allowed = np.array([p.get_hatch() is None for p in cells[: 3 * n * n]])
    return allowed.reshape(3, n, n), cells[: 3 * n * n], frames


@pytest.mark.parametrize("order", [(2, 0, 3, 1), (1, 0), (0, 1, 2), (3, 0, 5, 1, 4, 2)])
def test_masks_are_drawn_as_they_are_given(order):
    n, (content, query) = len(order), permutation_masks(order)
    ax = draw_permutation_masks(order, content, query)
    (causal, *drawn), cells, frames = tables(ax, n)
    assert (causal == np.tril(np.ones((n, n), dtype=bool))).all()
    assert (drawn[0] == content.numpy()).all() and (drawn[1] == query.numpy()).all()
    checks = places(ax, "✓")
    assert len(checks) == causal.sum() + content.sum() + query.sum() + 1  # and the legend's
    for p in cells:
        inside = [xy for xy in checks if p.get_x() < xy[0] < p.get_x() + p.get_width()
                  and p.get_y() < xy[1] < p.get_y() + p.get_height()]  # fmt: skip
        assert len(inside) == (p.get_hatch() is None)
    diagonal = [cells[k * n * n + i * n + i] for k in range(3) for i in range(n)]
    assert len(frames) == len(diagonal) + 1
    for p, frame in zip(diagonal, frames, strict=False):
        assert frame.get_x() - p.get_x() == pytest.approx(0.03)
        assert frame.get_y() - p.get_y() == pytest.approx(0.03)


def test_rows_are_queries_and_columns_keys():
    given = np.zeros((3, 3), dtype=bool)
    given[0, 2] = True  # the first query, the last key
    ax = draw_permutation_masks([0, 1, 2], given, ~given)
    (_, drawn, other), cells, _ = tables(ax, 3)
    assert (drawn == given).all() and (other == ~given).all()
    true = cells[9 + 2]
    rows = [y for x, y in places(ax, "0") if x < true.get_x() and x > true.get_x() - 3.2]
    assert min(abs(y - true.get_y() - true.get_height() / 2) for y in rows) < 1e-6


def test_each_matrix_names_its_order():
    shown = texts(masks_of((2, 0, 3, 1)))
    assert shown.count("2 → 0 → 3 → 1") == 2 and shown.count("0 → 1 → 2 → 3") == 1
    assert {"causal mask", "content stream", "query stream"} <= {*shown}
    assert {"True: may attend", "False: may not"} <= {*shown}


@pytest.mark.parametrize("counts", [COUNTS, {"not chosen": 6, "[MASK]": 2, "random": 1, "kept": 1}])
def test_bars_are_as_wide_as_their_shares(counts):
    ax = draw_masking_shares(counts)
    bars = [p for p in ax.patches if type(p) is Rectangle]
    whole, chosen = sum(counts.values()), sum(counts.values()) - counts["not chosen"]
    shares = [counts["not chosen"] / whole, chosen / whole,
              *(counts[kind] / chosen for kind in ("[MASK]", "random", "kept"))]  # fmt: skip
    assert [p.get_width() / 12.8 for p in bars] == pytest.approx(shares)
    heights = [p.get_y() for p in bars]
    assert heights[0] == heights[1] > heights[2] == heights[3] == heights[4]
    for left, right in ((0, 1), (2, 3), (3, 4)):
        assert bars[left].get_x() + bars[left].get_width() == pytest.approx(bars[right].get_x())


def test_shares_are_written_and_have_examples():
    ax = draw_masking_shares(COUNTS, word="bank", random="otto")
    shown = texts(ax)
    assert {"not chosen: 85.2 %", "chosen, to be predicted: 14.8 %"} <= {*shown}
    assert "79.9 % of the chosen,\n11.8 % of all tokens" in shown
    assert [shown.count(text) for text in ("bank", "[MASK]", "otto")] == [4, 1, 1]
    said = [places(ax, text)[0][0] for text in
            ("replaced by [MASK]", "replaced by a\nrandom token", "kept as it is")]  # fmt: skip
    bars = [p for p in ax.patches if type(p) is Rectangle][2:]
    lines = [ends(a) for a in drawn_in(ax, SLATE)]
    assert [(s[0], e[0]) for s, e in lines] == [
        (pytest.approx(p.get_x() + p.get_width() / 2), pytest.approx(x))
        for p, x in zip(bars, said, strict=True)]  # fmt: skip


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_shape_covers_another(name):
    shapes = [
        p
        for p in DRAWINGS[name]().patches
        if (isinstance(p, FancyBboxPatch | Rectangle) and p.get_zorder() in (3, 3.5))
        or getattr(p, "radius", 0) > 0.1
    ]
    boxes = np.array([p.get_patch_transform().transform_path(p.get_path()).get_extents().extents
                      for p in shapes])  # fmt: skip
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    shared = np.minimum(high, boxes[None, :, 2:]) - np.maximum(low, boxes[None, :, :2])
    covered = (shared > 0.01).all(axis=2)
    np.fill_diagonal(covered, False)
    assert not covered.any()


def test_dollar_signs_are_drawn_as_they_are():
    for ax in (
        draw_bert_input("$x$ a", None),
        draw_pretraining("$x$ a", "b", {1: "[MASK]"}),
        draw_fine_tuning_shapes(single="$x$", tagged=[("a", "$x$")]),
        draw_masking_shares(COUNTS, "$x$", "$x$"),
    ):
        literal = [e.get_parse_math() for e in ax.texts if e.get_text() == "$x$"]
        assert literal and not any(literal)


ALL = (
    draw_bert_input,
    draw_attention_reach,
    draw_sees_itself,
    draw_pretraining,
    draw_fine_tuning_shapes,
    lambda ax: draw_permutation_masks((1, 0), *permutation_masks((1, 0)), ax=ax),
    lambda ax: draw_masking_shares(COUNTS, ax=ax),
)


@pytest.mark.parametrize("draw", ALL)
def test_a_given_axes_is_used(draw):
    figure, axes = plt.subplots(1, 2)
    assert draw(ax=axes[1]) is axes[1]
    assert not axes[0].patches
    assert plt.get_fignums() == [figure.number]


def test_the_given_texts_and_masks_are_not_changed():
    chosen, counts = {8: "[MASK]", 2: "pear"}, dict(COUNTS)
    first, second = ["mara", "fed", "the", "dog"], ["it", "was", "happy"]
    draw_pretraining(first, second, chosen)
    draw_masking_shares(counts)
    assert [*chosen] == [8, 2] and counts == COUNTS
    assert (len(first), len(second)) == (4, 3)


SQUARE = np.ones((2, 2), dtype=bool)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: draw_bert_input(3), TypeError, "first must be a string or a list .* got 3"),
        (lambda: draw_bert_input(["a", 3]), TypeError, r"got \['a', 3\]"),
        (lambda: draw_bert_input("a", 5), TypeError, "second must be .* got 5"),
        (lambda: draw_bert_input(""), ValueError, "first must hold tokens, .* got ''"),
        (lambda: draw_bert_input("a", []), ValueError, r"second must hold tokens, .* got \[\]"),
        (lambda: draw_bert_input(["a", ""]), ValueError, r"none of them empty, got \['a', ''\]"),
        (lambda: draw_bert_input("岸"), ValueError, "no glyph"),
        (lambda: draw_bert_input("a b c d e f g", "h i j k"), ValueError, "too long to draw"),
        (lambda: draw_bert_input("internationalization is a mouthful of letters"), ValueError,
         r"\['\[CLS\]', 'internationalization', .* too long to draw in a row"),
        (lambda: draw_bert_input(masked="dog"), TypeError, "masked must be a place .* got 'dog'"),
        (lambda: draw_bert_input(masked=True), TypeError, "got True"),
        (lambda: draw_bert_input(masked=10), ValueError, "masked 10 is no place of a word"),
        (lambda: draw_bert_input(masked=(1, -1)), ValueError, "masked -1 is no place"),
        (lambda: draw_bert_input(masked=0), ValueError, "masked 0 is no place of a word"),
        (lambda: draw_bert_input(masked=5), ValueError, "masked 5 is no place of a word"),
        (lambda: draw_attention_reach(2), ValueError, "n must lie between 3 and 6, got 2"),
        (lambda: draw_attention_reach(7), ValueError, "n must lie between 3 and 6, got 7"),
        (lambda: draw_attention_reach(5.0), TypeError, "n must be a whole number, got 5.0"),
        (lambda: draw_attention_reach(5, 0), ValueError, "position must lie between 1 and 5"),
        (lambda: draw_attention_reach(5, "3"), TypeError, "position must be a whole number"),
        (lambda: draw_sees_itself(2), ValueError, "n must lie between 3 and 4, got 2"),
        (lambda: draw_sees_itself(5), ValueError, "got 5"),
        (lambda: draw_sees_itself(True), TypeError, "n must be a whole number, got True"),
        (lambda: draw_pretraining(second=None), TypeError, "second must be .* got None"),
        (lambda: draw_pretraining(chosen=[4]), TypeError, r"chosen must be a dict .* got \[4\]"),
        (lambda: draw_pretraining(chosen={"4": "a"}), TypeError, "chosen must be a dict"),
        (lambda: draw_pretraining(chosen={4: 5}), TypeError, "chosen must be a dict"),
        (lambda: draw_pretraining(chosen={}), ValueError, "at least one place"),
        (lambda: draw_pretraining(chosen={5: "a"}), ValueError, "chosen 5: 'a' is no word, or no"),
        (lambda: draw_pretraining(chosen={10: "a"}), ValueError, "chosen 10: 'a'"),
        (lambda: draw_pretraining(chosen={4: ""}), ValueError, "chosen 4: ''"),
        (lambda: draw_pretraining(is_next=1), TypeError, "is_next must be True or False, got 1"),
        (lambda: draw_fine_tuning_shapes(pair="ab"), TypeError, "pair must be two texts, got 'ab'"),
        (lambda: draw_fine_tuning_shapes(question=("a",)), TypeError, "question must be two texts"),
        (lambda: draw_fine_tuning_shapes(single=""), ValueError, "single must hold"),
        (lambda: draw_fine_tuning_shapes(single="a " * 12), ValueError, "too long to draw"),
        (lambda: draw_fine_tuning_shapes(span=1), TypeError, "span must be two whole .* got 1"),
        (lambda: draw_fine_tuning_shapes(span=(0, 1.0)), TypeError, r"got \(0, 1\.0\)"),
        (lambda: draw_fine_tuning_shapes(span=(2, 1)), ValueError, r"span \(2, 1\) does not lie"),
        (lambda: draw_fine_tuning_shapes(span=(0, 3)), ValueError, r"span \(0, 3\) does not lie"),
        (lambda: draw_fine_tuning_shapes(tagged="ab"), TypeError, "tagged must be pairs"),
        (lambda: draw_fine_tuning_shapes(tagged=[("a",)]), TypeError, "tagged must be pairs"),
        (lambda: draw_fine_tuning_shapes(tagged=[("a", "")]), ValueError, "tagged must hold"),
        (lambda: draw_permutation_masks("01", SQUARE, SQUARE), TypeError, "order must be a seq"),
        (lambda: draw_permutation_masks((0, 1.0), SQUARE, SQUARE), TypeError, "order must be"),
        (lambda: draw_permutation_masks((1, 2), SQUARE, SQUARE), ValueError, r"got \(1, 2\)"),
        (lambda: draw_permutation_masks((0,), SQUARE, SQUARE), ValueError, "2 to 6 positions"),
        (lambda: draw_permutation_masks(range(7), SQUARE, SQUARE), ValueError, "2 to 6 positions"),
        (lambda: draw_permutation_masks((1, 0), SQUARE.astype(int), SQUARE), TypeError,
         "content must be bool .* got int64"),
        (lambda: draw_permutation_masks((1, 0), SQUARE, SQUARE[:1]), ValueError,
         r"query must have shape \(2, 2\), got \(1, 2\)"),
        (lambda: draw_masking_shares([1, 2]), TypeError, "counts must be a dict of whole numbers"),
        (lambda: draw_masking_shares({**COUNTS, "kept": 0.5}), TypeError, "dict of whole numbers"),
        (lambda: draw_masking_shares({"kept": 1}), ValueError, r"must have the keys .* \['kept'\]"),
        (lambda: draw_masking_shares({**COUNTS, "kept": -1}), ValueError, "0 or more"),
        (lambda: draw_masking_shares({"not chosen": 5, "[MASK]": 0, "random": 0, "kept": 0}),
         ValueError, "some tokens chosen"),
        (lambda: draw_masking_shares(COUNTS, word=3), TypeError, "word must be a string"),
        (lambda: draw_masking_shares(COUNTS, word="internationalize"), ValueError, "too long"),
    ],
)  # fmt: skip
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert not plt.get_fignums()

"""What holds for every drawing: nothing overlaps, all is legible, twice the same picture."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import FancyArrowPatch, Rectangle

from tests.diagrams import (
    layout,
    test_bert,
    test_elmo,
    test_gates,
    test_gpt,
    test_recurrent,
    test_seq2seq,
    test_shots,
    test_transformer,
)

DRAWINGS = (
    test_recurrent.DRAWINGS
    | test_gates.DRAWINGS
    | test_seq2seq.DRAWINGS
    | test_transformer.DRAWINGS
    | test_elmo.DRAWINGS
    | test_gpt.DRAWINGS
    | test_shots.DRAWINGS
    | test_bert.DRAWINGS
)


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_two_texts_overlap_and_all_lie_inside(name):
    ax = DRAWINGS[name]()
    assert layout.touching_texts(ax) == []
    assert layout.texts_outside(ax) == []


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_text_lies_on_an_arrow_or_a_line(name):
    ax = DRAWINGS[name]()
    assert len(layout.arrows(ax)) >= 3
    assert layout.crossed_texts(ax) == []


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_text_is_inside_a_shape_or_beside_it(name):
    assert layout.texts_on_edges(DRAWINGS[name]()) == []


@pytest.mark.parametrize("name", DRAWINGS)
def test_same_picture_every_time_and_readable_on_a_phone(name):
    ax = DRAWINGS[name]()
    first = layout.png(ax)
    assert first == layout.png(DRAWINGS[name]())
    width = ax.figure.get_figwidth() * 72  # points
    sizes = [text.get_fontsize() * 390 / width for text in ax.texts]
    assert min(sizes) >= 7.5  # CSS pixels when the figure is 390 wide


def test_the_checks_see_what_they_look_for():
    ax = plt.figure(layout="none").add_subplot()
    ax.text(0.5, 0.5, "here")
    assert not layout.touching_texts(ax)
    ax.text(0.51, 0.5, "there")
    assert layout.touching_texts(ax) == [("here", "there")]
    ax.text(-3, 0.5, "beyond")
    assert layout.texts_outside(ax) == ["beyond"]
    ax.add_patch(FancyArrowPatch((0.4, 0.2), (0.66, 0.8)))
    assert layout.crossed_texts(ax) == ["here", "there"]
    ax.plot([0.3, 1], [0.51, 0.51])
    assert layout.crossed_texts(ax) == ["here", "there"]  # beyond the end of the line
    ax.plot([-4, 0], [0.51, 0.51])
    assert layout.crossed_texts(ax) == ["here", "there", "beyond"]
    ax.add_patch(Rectangle((0.3, 0.3), 0.9, 0.4, zorder=3))
    assert layout.crossed_texts(ax) == ["beyond"]  # the others stand on the rectangle
    assert layout.texts_on_edges(ax) == []
    ax.text(0.1, 0.31, "on the rectangle's edge")
    assert layout.texts_on_edges(ax) == ["on the rectangle's edge"]

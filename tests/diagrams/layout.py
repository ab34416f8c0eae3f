"""What a drawing holds and how its parts lie, for the tests of all drawings."""

import io
import itertools

from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path


def png(ax):
    stream = io.BytesIO()
    ax.figure.savefig(stream, format="png", bbox_inches="tight")
    return stream.getvalue()


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def edges(ax, kind):
    return [to_hex(p.get_edgecolor()).upper() for p in ax.patches if isinstance(p, kind)]


def arrows(ax):
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def drawn_in(ax, color):
    """Arrows of one colour."""
    return [patch for patch in arrows(ax) if to_hex(patch.get_edgecolor()).upper() == color]


def ends(arrow):
    """Where an arrow starts and ends, in the drawing's units."""
    if arrow._posA_posB is not None:
        return [tuple(map(float, point)) for point in arrow._posA_posB]
    points = arrow._path_original.vertices
    return [tuple(map(float, points[i])) for i in (0, -1)]


def touching_texts(ax):
    """Pairs of texts whose boxes overlap."""
    ax.figure.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in ax.texts if text.get_text()]
    return [
        (a, b)
        for (a, one), (b, other) in itertools.combinations(boxes, 2)
        if one.x1 > other.x0 and other.x1 > one.x0 and one.y1 > other.y0 and other.y1 > one.y0
    ]


def texts_outside(ax):
    """Texts that reach over the figure's edge."""
    ax.figure.canvas.draw()
    frame = ax.figure.bbox
    boxes = [(text.get_text(), text.get_window_extent()) for text in ax.texts]
    return [
        text
        for text, box in boxes
        if box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1
    ]


def texts_on_edges(ax):
    """Texts that reach over the outline of a shape: neither wholly in it nor wholly beside it."""
    ax.figure.canvas.draw()
    outlines = [
        shape.get_transform().transform_path(shape.get_path())
        for shape in ax.patches
        if not isinstance(shape, FancyArrowPatch)
    ]
    boxes = [(text.get_text(), text.get_window_extent()) for text in ax.texts if text.get_text()]
    return [
        text for text, box in boxes if any(o.intersects_bbox(box, filled=False) for o in outlines)
    ]


def crossed_texts(ax):
    """Texts that an arrow or a line runs through, unless a filled shape hides it from them."""
    ax.figure.canvas.draw()
    lines = [
        (Path(line), artist.zorder)
        for artist in [*arrows(ax), *ax.lines]
        for line in ax.transData.transform_path(artist.get_path()).to_polygons(closed_only=False)
    ]
    crossed = []
    for text in filter(lambda text: text.get_text(), ax.texts):
        box = text.get_window_extent()
        covers = [
            patch.zorder
            for patch in ax.patches
            if not isinstance(patch, FancyArrowPatch)
            and all(patch.get_window_extent().contains(*corner) for corner in box.corners())
        ]
        seen = [line for line, zorder in lines if zorder >= max(covers, default=0)]
        if any(line.intersects_bbox(box, filled=False) for line in seen):
            crossed.append(text.get_text())
    return crossed

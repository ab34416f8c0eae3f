"""What the drawings share: an empty canvas, marks for units and arrows, checks of sizes.

Inputs are squares, states circles and outputs rounded boxes, so that shape tells them apart where
colour does not.
"""

import matplotlib.pyplot as plt
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from nlp_helpers.plotting import FIGURE_WIDTH, INK, SLATE, color_of, tint, visible

RADIUS = 0.42


def canvas(ax, x_limits, y_limits):
    """An empty Axes with equal units; a new figure takes the drawing's proportions."""
    if ax is None:
        ratio = (y_limits[1] - y_limits[0]) / (x_limits[1] - x_limits[0])
        ax = plt.subplots(figsize=(FIGURE_WIDTH, FIGURE_WIDTH * ratio))[1]
    ax.set(xlim=x_limits, ylim=y_limits, aspect="equal")
    ax.set_axis_off()
    return ax


def look(role, faded=False, dashed=False):
    color = "#B4BAC0" if faded else color_of(role)
    face = "#F3F4F4" if faded else tint(color, 0.8)
    return {"facecolor": face, "edgecolor": color, "linewidth": 1.8,
            "linestyle": (0, (2.5, 2)) if dashed or faded else "-", "zorder": 3}  # fmt: skip


def node(ax, xy, label, role, *, faded=False, dashed=False, radius=RADIUS, size=14):
    ax.add_patch(Circle(xy, radius, **look(role, faded, dashed)))
    inside(ax, xy, label, faded, size)


def box(ax, xy, role, size, label="", *, faded=False, size_of_label=14):
    """A square for an input, a rounded one for anything else, centred at xy."""
    rounding = 0.02 if role == "input" else 0.3 * size
    corner = (xy[0] - size / 2, xy[1] - size / 2)
    shape = f"round,pad=0,rounding_size={rounding}"
    ax.add_patch(FancyBboxPatch(corner, size, size, boxstyle=shape, **look(role, faded)))
    inside(ax, xy, label, faded, size_of_label)


def inside(ax, xy, label, faded, size):
    if label:
        color = "#747D86" if faded else INK
        ax.text(*xy, label, ha="center", va="center", fontsize=size, color=color, zorder=4)


def arrow(ax, start, end, *, color=INK, width=1.6, head=12, style="-"):
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=head, lw=width,
                                 color=color, linestyle=style, shrinkA=0, shrinkB=0,
                                 joinstyle="miter", zorder=2))  # fmt: skip


def thin(ax, start, end):
    ax.plot(*zip(start, end, strict=True), color=SLATE, lw=1.2, zorder=1)


def check_count(value, name, most):
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if not 1 <= value <= most:
        raise ValueError(f"{name} must lie between 1 and {most}, got {value}")
    return value


def letters_of(value):
    if not isinstance(value, (str, list, tuple)):
        raise TypeError(f"give the number of steps or a sequence of letters, got {value!r}")
    for letter in value:
        visible(letter)
    return list(value)

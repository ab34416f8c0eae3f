"""What the drawings share: an empty canvas, marks for units and arrows, checks of sizes.

Inputs are squares, states circles and outputs rounded boxes, so that shape tells them apart where
colour does not.
"""

import matplotlib.pyplot as plt
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from nlp_helpers.plotting import FIGURE_WIDTH, INK, PAPER, RULE, SLATE, color_of, tint, visible

RADIUS = 0.42
FADED = "#B4BAC0"  # lines and edges of what is out of play
QUIET = "#747D86"  # their letters
PALE = tint(SLATE, 0.92)  # the panel behind a part of a drawing


def canvas(ax, x_limits, y_limits):
    """An empty Axes with equal units; a new figure takes the drawing's proportions."""
    if ax is None:
        ratio = (y_limits[1] - y_limits[0]) / (x_limits[1] - x_limits[0])
        ax = plt.subplots(figsize=(FIGURE_WIDTH, FIGURE_WIDTH * ratio))[1]
    ax.set(xlim=x_limits, ylim=y_limits, aspect="equal")
    ax.set_axis_off()
    return ax


def look(role, faded=False, dashed=False):
    color = FADED if faded else color_of(role)
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
        color = QUIET if faded else INK
        ax.text(*xy, label, ha="center", va="center", fontsize=size, color=color, zorder=4)


def arrow(ax, start, end, *, color=INK, width=1.6, head=12, style="-"):
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=head, lw=width,
                                 color=color, linestyle=style, shrinkA=0, shrinkB=0,
                                 joinstyle="miter", zorder=2))  # fmt: skip


def thin(ax, start, end):
    ax.plot(*zip(start, end, strict=True), color=SLATE, lw=1.2, zorder=1)


def route(ax, points, *, color=INK, width=1.6, head=12, style="-"):
    """An arrow along straight pieces; without a head, a line."""
    ax.add_patch(FancyArrowPatch(path=Path(points), arrowstyle="-|>" if head else "-",
                                 mutation_scale=head or 1, lw=width, color=color, linestyle=style,
                                 joinstyle="miter", zorder=2))  # fmt: skip


def plate(ax, xy, size, role, label="", *, name="", rounding=0.12, faded=False):
    """A box of any width and height, with a name in small letters above its symbol."""
    width, height = size
    corner = (xy[0] - width / 2, xy[1] - height / 2)
    shape = f"round,pad=0,rounding_size={rounding}"
    ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=shape, **look(role, faded)))
    shift = 0.24 if name else 0.0
    inside(ax, (xy[0], xy[1] - shift), label, faded, 13)
    inside(ax, (xy[0], xy[1] + shift), name, faded, 10)


def operation(ax, xy, kind, *, color=INK, faded=False):
    """The sign of an operation element by element: "dot" for the product, "plus" for the sum."""
    color = FADED if faded else color
    x, y = xy
    ax.add_patch(Circle(xy, 0.27, facecolor=PAPER, edgecolor=color, linewidth=1.6, zorder=3))
    if kind == "dot":
        ax.add_patch(Circle(xy, 0.07, facecolor=color, edgecolor="none", zorder=4))
    else:
        ax.plot([x - 0.16, x + 0.16], [y, y], color=color, lw=1.6, zorder=4)
        ax.plot([x, x], [y - 0.16, y + 0.16], color=color, lw=1.6, zorder=4)


def joint(ax, xy, *, color=INK):
    """The dot where a line branches, or where two lines become one."""
    ax.add_patch(Circle(xy, 0.09, facecolor=color, edgecolor="none", zorder=3))


def letter(ax, x, y, symbol, *, faded=False, **look):
    """A symbol or an equation, centred at a point."""
    look = {"ha": "center", "va": "center", "fontsize": 14, **look}
    ax.text(x, y, symbol, **{"color": QUIET if faded else INK, **look})


def band(ax, x_limits, y_limits):
    """A pale panel behind a part of the drawing."""
    (x0, x1), (y0, y1) = x_limits, y_limits
    look = {"facecolor": PALE, "edgecolor": RULE, "linewidth": 1, "zorder": 0}
    shape = "round,pad=0,rounding_size=0.25"
    ax.add_patch(FancyBboxPatch((x0, y0), x1 - x0, y1 - y0, boxstyle=shape, **look))


def check_count(value, name, most, least=1):
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{name} must lie between {least} and {most}, got {value}")
    return value


def letters_of(value):
    if not isinstance(value, (str, list, tuple)):
        raise TypeError(f"give the number of steps or a sequence of letters, got {value!r}")
    for letter in value:
        visible(letter)
    return list(value)

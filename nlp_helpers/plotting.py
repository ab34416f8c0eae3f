"""The book's colours, its one matplotlib style, and its charts: arrays in, Axes out."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps, font_manager
from matplotlib.colors import LinearSegmentedColormap, to_rgb

COLORS = {
    "input": "#3B82C4",
    "hidden": "#1F9E77",
    "cell": "#C58A00",
    "output": "#8B62C9",
    "gradient": "#D4513D",
    "encoder": "#5B6FD6",
    "decoder": "#B5652B",
    "query": "#D1478F",
    "key": "#8A8400",
    "value": "#0E93A8",
    "neutral": "#7C828C",
}
SEQUENTIAL = "YlGnBu"  # weights and probabilities, 0 upwards: attention, activations' size
DIVERGING = "RdBu_r"  # signed values: blue below zero, white at zero, red above
INK, PAPER, RULE = "#1F2A35", "#FDFDFB", "#E1E4E6"  # text, figure background, grid lines
FIGURE_WIDTH = 6.4  # inches; 960 pixels at the style's resolution

_STYLE = {
    "figure.figsize": (FIGURE_WIDTH, 3.6),
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "savefig.dpi": 150,
    "svg.hashsalt": "nlp_helpers",
    "axes.facecolor": PAPER,
    "axes.edgecolor": "#6B747C",
    "axes.labelcolor": INK,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "mathtext.fontset": "cm",
}
SLATE = "#56616B"  # for lines and labels that are no role
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (9, 3)))
_VISIBLE = {" ": "\u2423", "\n": "\u23ce", "\t": "\u21e5"}


def set_style():
    """Give every later figure the book's look, whatever the reader's own matplotlib settings.

    The background is a light solid card, so that a figure reads the same in light and dark pages.
    """
    plt.style.use(["default", _STYLE])


def color_of(role):
    """The hex colour of a role such as "hidden" or "query".

    Raises:
        ValueError: unknown role.
    """
    if role not in COLORS:
        raise ValueError(f"unknown role {role!r}; choose one of {', '.join(COLORS)}")
    return COLORS[role]


def visible(token):
    """A token with its blanks made visible (open box, return and tab signs), for axis labels.

    Raises:
        ValueError: a character that the figures' font cannot draw, such as Chinese.
    """
    shown = "".join(_VISIBLE.get(character, character) for character in str(token))
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    missing = sorted({character for character in shown if ord(character) not in font.get_charmap()})
    if missing:
        raise ValueError(
            f"the figures' font has no glyph for {missing} in {token!r}: show such text as HTML"
        )
    return shown


def plot_loss(
    steps, losses, *, validation=None, references=None, unit="nats per character", ax=None
):
    """Training loss against update steps, with validation points and reference levels.

    Shape: steps [points]; losses [points]; validation [points], or a tuple (steps, losses) of its
        own; references a dict of label to level.
    Units: losses and references in `unit`.
    Raises:
        ValueError: lengths that differ, a wrong rank, or a value that is not finite.
    """
    steps, losses = _pair(steps, losses, "losses")
    if validation is not None:
        own = isinstance(validation, tuple) and len(validation) == 2
        validation = _pair(*(validation if own else (steps, validation)), "validation")
    levels = {str(k): float(_array([v], "references", 1)[0]) for k, v in (references or {}).items()}
    ax = _axes(ax)
    alone = validation is None
    ax.plot(steps, losses, color=INK if alone else COLORS["neutral"], lw=1.4, label="training")
    if validation is not None:
        ax.plot(*validation, color=INK, marker="o", ms=4.5, label="validation")
        _legend_above(ax)
    for i, level in enumerate(levels.values()):
        ax.axhline(level, color=SLATE, lw=1.4, ls=_DASHES[1 + i % 4])
    ax.set(xlabel="update steps", ylabel=f"loss ({unit})")
    ax.margins(x=0.02)
    _label_levels(ax, levels)
    return ax


def plot_heatmap(
    values,
    *,
    x_labels=None,
    y_labels=None,
    annotate=False,
    diverging=False,
    label=None,
    vmin=None,
    vmax=None,
    ax=None,
):
    """A matrix as coloured cells, with its colour scale.

    The sequential map starts at 0 when no value is negative; the diverging one is symmetric about
    0, so that white means 0. `annotate` writes the values into the cells (True: two decimals, or
    a format such as ".1f").

    Shape: values [rows, columns]; y_labels [rows]; x_labels [columns].
    Raises:
        ValueError: a wrong rank, labels that do not fit, a value that is not finite.
    """
    values = _array(values, "values", 2)
    for labels, name, axis in ((y_labels, "y_labels", 0), (x_labels, "x_labels", 1)):
        if labels is not None and len(labels) != values.shape[axis]:
            raise ValueError(
                f"{name} has {len(labels)} entries, values has shape {values.shape}: give "
                f"{values.shape[axis]}"
            )
    low, high = _limits(values, diverging, vmin, vmax)
    rows, columns = values.shape
    if ax is None:
        cell = min((FIGURE_WIDTH - 2) / columns, 0.62)
        height = float(np.clip(1.1 + cell * rows, 1.8, 6.0))
        ax = plt.subplots(figsize=(FIGURE_WIDTH, height))[1]
    cmap = colormaps[DIVERGING if diverging else SEQUENTIAL]
    image = ax.imshow(values, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
    ax.set_aspect("equal" if 0.2 <= rows / columns <= 5 else "auto")
    ax.grid(False)
    for labels, axis in ((x_labels, ax.xaxis), (y_labels, ax.yaxis)):
        if labels is not None:
            shown = [visible(entry) for entry in labels]
            axis.set_ticks(range(len(shown)), shown, parse_math=False)
            axis.set_tick_params(length=0)
    if x_labels is not None and max(len(str(entry)) for entry in x_labels) > 3:
        plt.setp(ax.get_xticklabels(), rotation=40, ha="right", rotation_mode="anchor")
    if annotate:
        _write_values(ax, image, ".2f" if annotate is True else annotate)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.9, pad=0.02)
    bar.outline.set_visible(False)
    if label:
        bar.set_label(label)
    return ax


def _limits(values, diverging, vmin, vmax):
    """The ends of the colour scale: symmetric about 0, or from 0 where no value is negative."""
    if diverging:
        given = [abs(float(bound)) for bound in (vmin, vmax) if bound is not None]
        limit = max(given or [float(np.abs(values).max())]) or 1.0
        return -limit, limit
    low = min(0.0, float(values.min())) if vmin is None else vmin
    high = float(values.max()) if vmax is None else vmax
    return low, high if high > low else low + 1.0


def _write_values(ax, image, form):
    """Write each value into its cell, dark on light cells and light on dark ones."""
    values = np.asarray(image.get_array())
    size = float(np.clip(46 / max(values.shape) ** 0.75, 6, 11))
    for (row, column), value in np.ndenumerate(values):
        color = ink_on(image.cmap(image.norm(value)))
        ax.text(
            column, row, format(value, form), ha="center", va="center", fontsize=size, color=color
        )


def plot_gradient_lag(curves, ax=None):
    """How the size of the gradient changes with the lag it has travelled back, on a log axis.

    Shape: curves a dict of label to norms [lags]; norms[j] is the norm of the gradient of the loss
        of step t by the state of step t - j. Norms of exactly 0 are left out.
    Raises:
        ValueError: no curve, a wrong rank, a negative norm or one that is not finite, or a curve
            that is 0 throughout.
    """
    if not isinstance(curves, dict) or not curves:
        raise ValueError(f"curves must be a non-empty dict of label to norms, got {curves!r}")
    arrays = {str(label): _array(norms, f"curve {label!r}", 1) for label, norms in curves.items()}
    for label, norms in arrays.items():
        if (norms < 0).any() or not (norms > 0).any():
            raise ValueError(f"curve {label!r} must hold norms >= 0, at least one of them > 0")
    ax = _axes(ax)
    shades = LinearSegmentedColormap.from_list(
        "gradient", ["#E06A57", COLORS["gradient"], "#571409"]
    )
    for i, (label, norms) in enumerate(arrays.items()):
        shade = shades(i / max(len(arrays) - 1, 1)) if len(arrays) > 1 else COLORS["gradient"]
        every = max(len(norms) // 12, 1)
        look = {"ls": _DASHES[i % 5], "marker": "osD^v"[i % 5], "ms": 4, "markevery": every}
        ax.plot(np.ma.masked_equal(norms, 0), color=shade, label=label, **look)
    ax.set_yscale("log")
    ax.set(xlabel=r"lag $t-k$ (steps)", ylabel=r"$\|\partial L_t/\partial s_k\|$")
    ax.legend(loc="best")
    return ax


def plot_bars(
    tokens, probabilities, *, role="output", highlight=None, label="probability", ax=None
):
    """A distribution over tokens as bars, or several side by side to compare them.

    Shape: tokens [tokens]; probabilities [tokens], or a dict of label to [tokens] (at most 4);
        highlight the index of one bar to set off, for instance the right answer.
    Raises:
        ValueError: lengths that differ, a negative value, an unknown role, a bad highlight.
    """
    color = color_of(role)
    series = probabilities if isinstance(probabilities, dict) else {"": probabilities}
    series = {str(k): _array(v, "probabilities", 1) for k, v in series.items()}
    if not 1 <= len(series) <= 4:
        raise ValueError(f"plot_bars compares 1 to 4 distributions, got {len(series)}")
    for name, values in series.items():
        if len(values) != len(tokens):
            raise ValueError(f"{len(tokens)} tokens but {len(values)} probabilities {name!r}")
        if (values < 0).any():
            raise ValueError(f"probabilities {name!r} has a negative value: {values.min()}")
    if highlight is not None and not 0 <= highlight < len(tokens):
        raise ValueError(f"highlight {highlight} is not an index of {len(tokens)} tokens")
    ax = _axes(ax)
    width = 0.8 / len(series)
    for i, (name, values) in enumerate(series.items()):
        x = np.arange(len(tokens)) + (i - (len(series) - 1) / 2) * width
        face = tint(color, 0.75 * (1 - i / len(series)) if len(series) > 1 else 0.15)
        bars = ax.bar(x, values, width=width * 0.94, color=face, ec=color, lw=1, label=name)
        if highlight is not None:
            bars[highlight].set(edgecolor=INK, linewidth=2.2)
    ax.set_xticks(range(len(tokens)), [visible(token) for token in tokens], parse_math=False)
    ax.tick_params(axis="x", length=0)
    if max(len(str(token)) for token in tokens) > 4 and len(tokens) > 6:
        plt.setp(ax.get_xticklabels(), rotation=40, ha="right", rotation_mode="anchor")
    ax.grid(False, axis="x")
    ax.set(ylabel=label, ylim=(0, None))
    if len(series) > 1:
        _legend_above(ax)
    return ax


def plot_alignment(weights, letters, phonemes, ax=None):
    """Attention weights as a heat map: which letters were looked at when a phoneme was written.

    Shape: weights [phonemes, letters], each between 0 and 1; letters [letters] across, phonemes
        [phonemes] down.
    Raises:
        ValueError: a wrong rank, labels that do not fit, or a weight outside 0 to 1.
    """
    weights = _array(weights, "weights", 2)
    if weights.min() < 0 or weights.max() > 1 + 1e-6:
        outside = weights.min() if weights.min() < 0 else weights.max()
        raise ValueError(f"attention weights lie between 0 and 1, got {outside:.4g}")
    ax = plot_heatmap(
        weights,
        x_labels=list(letters),
        y_labels=list(phonemes),
        label="attention weight",
        vmin=0.0,
        vmax=1.0,
        ax=ax,
    )
    plt.setp(ax.get_xticklabels(), rotation=0, ha="center", rotation_mode="default")
    ax.set(xlabel="letters read", ylabel="phonemes written")
    return ax


def _axes(ax):
    return plt.subplots()[1] if ax is None else ax


def _array(values, name, rank):
    values = values.detach() if hasattr(values, "detach") else values
    array = np.asarray(values, dtype=float)
    if array.ndim != rank or array.size == 0:
        raise ValueError(
            f"{name} must be a non-empty array of rank {rank}, got shape {array.shape}"
        )
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} holds {array[where]} at index {where}: plot finite values only")
    return array


def _pair(steps, values, name):
    steps, values = _array(steps, "steps", 1), _array(values, name, 1)
    if len(steps) != len(values):
        raise ValueError(f"steps has {len(steps)} entries but {name} has {len(values)}")
    return steps, values


def _legend_above(ax):
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, borderaxespad=0.2)


def tint(color, share):
    """The colour mixed with `share` of white."""
    return tuple((1 - share) * channel + share for channel in to_rgb(color))


def ink_on(color):
    """Black or white, whichever reads better on the colour."""
    return "white" if _luminance(to_rgb(color)) < 0.179 else "black"  # alike there, 4.6 to 1


def _luminance(rgb):
    """WCAG relative luminance of an sRGB colour."""
    c = np.asarray(rgb, dtype=float)
    return float(
        np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
    )


def _label_levels(ax, levels):
    """Write each reference's label at the right end of its line, labels that would touch apart."""
    low, high = ax.get_ylim()
    line = 0.07 * (high - low)
    lowest = low
    for label, level in sorted(levels.items(), key=lambda item: item[1]):
        y = max(level, lowest)
        lowest = y + line
        ax.annotate(
            f"{label} {level:.2f}",
            (1.01, y),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=10,
            color=SLATE,
        )

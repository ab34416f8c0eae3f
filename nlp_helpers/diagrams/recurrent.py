"""Drawings of recurrent networks: unrolled, their shapes, backpropagation, what they reach."""

from matplotlib.patches import Circle, FancyArrowPatch

from nlp_helpers.diagrams.base import (
    FADED,
    RADIUS,
    arrow,
    box,
    canvas,
    check_count,
    letters_of,
    look,
    node,
    thin,
)
from nlp_helpers.plotting import INK, SLATE, color_of, visible


def draw_unrolled(steps=3, *, outputs=None, backward=False, folded=None, ax=None):
    """A recurrent network folded, with its loop, and unrolled over time, with shared U, W and V.

    Source: Elman (1990), the network's unrolled view; s_t = f(U x_t + W s_{t-1} + b),
        o_t = g(V s_t + b').
    Shape: steps the number of time steps, 1 to 6, or the letters fed in; outputs the wanted letter
        of each step. `backward` adds the path of the gradient with its error terms delta_t;
        `folded=False` leaves the left part out (the default above 4 steps).
    Raises:
        ValueError: fewer than 1 or more than 6 steps, or outputs of another length.
        TypeError: steps is neither a whole number nor a sequence of letters.
    """
    letters = None if isinstance(steps, int) else letters_of(steps)
    n_steps = check_count(steps if letters is None else len(letters), "n_steps", 6)
    outputs = None if outputs is None else letters_of(outputs)
    if outputs is not None and len(outputs) != n_steps:
        raise ValueError(f"outputs has {len(outputs)} letters, the network {n_steps} steps")
    folded = n_steps <= 4 if folded is None else folded
    step, start = (2.15 if backward else 1.9), (3.55 if folded else 0.0)
    low = -0.75 - 0.55 * (letters is not None)
    high = 3.95 + 0.55 * (outputs is not None)
    ax = canvas(ax, (-1.25 if folded else -0.6, start + 1.25 + step * n_steps), (low, high))
    if folded:
        _folded(ax, 0.0)
        arrow(ax, (1.1, 1.6), (2.3, 1.6), color=SLATE, width=3.2, head=16)
        ax.text(1.66, 1.85, "unfold", ha="center", va="bottom", fontsize=10.5, color=SLATE)
    node(ax, (start, 1.6), "$s_0$", "hidden", dashed=True)
    for t in range(1, n_steps + 1):
        x = start + step * t
        _column(ax, x, str(t), backward)
        _link(ax, x - step, x, 1.75 if backward and t > 1 else 1.6)
        if letters is not None:
            _letter(ax, x, -0.72, letters[t - 1])
        if outputs is not None:
            _letter(ax, x, 3.92, outputs[t - 1])
    end = start + step * n_steps
    arrow(ax, (end + RADIUS, 1.6), (end + 1.15, 1.6), color=SLATE, style=":")
    if backward:
        for t in range(1, n_steps + 1):
            _backward_step(ax, start + step * t, step, t)
    return ax


def draw_sequence_shapes(ax=None):
    """The five ways in which a recurrent network's inputs and outputs can line up, with tasks."""
    shapes = (
        ("one to one", "picture → class", 1, (0,), (0,)),
        ("one to many", "picture → caption", 3, (0,), (0, 1, 2)),
        ("many to one", "review → sentiment", 3, (0, 1, 2), (2,)),
        ("many to many, delayed", "sentence → translation", 5, (0, 1, 2), (2, 3, 4)),
        ("many to many, aligned", "word → part of speech", 3, (0, 1, 2), (0, 1, 2)),
    )
    ax = canvas(ax, (0.0, 12.7), (-5.55, 4.2))
    corners = ((1.6, 0), (4.95, 0), (9.7, 0), (1.3, -5.1), (8.45, -5.1))
    for (name, task, n_steps, inputs, outputs), (left, base) in zip(shapes, corners, strict=True):
        for t in range(n_steps):
            x = left + 1.25 * t
            node(ax, (x, base + 1.3), "$s$", "hidden", radius=0.34, size=12)
            if t:
                arrow(ax, (x - 0.91, base + 1.3), (x - 0.36, base + 1.3))
            if t in inputs:
                box(ax, (x, base), "input", 0.64, "$x$", size_of_label=12)
                arrow(ax, (x, base + 0.33), (x, base + 0.94))
            if t in outputs:
                box(ax, (x, base + 2.6), "output", 0.64, "$o$", size_of_label=12)
                arrow(ax, (x, base + 1.64), (x, base + 2.26))
        middle = left + 1.25 * (n_steps - 1) / 2
        ax.text(middle, base + 3.85, name, ha="center", va="center", fontsize=11, weight="bold")
        ax.text(middle, base + 3.3, task, ha="center", va="center", fontsize=10, color=SLATE)
    return ax


def draw_bptt(n_steps=5, k=2, ax=None):
    """The error term on its way from the last step t back to step k, one factor a step.

    Source: backpropagation through time, delta_j = diag(f'_j) W^T delta_{j+1}, where f'_j is the
        derivative of f at step j's pre-activation.
    Shape: n_steps the step t at which the loss is taken, 2 to 6; k the step reached, 1 to t.
    Raises:
        ValueError: n_steps outside 2 to 6, or k outside 1 to n_steps.
    """
    n_steps = check_count(n_steps, "n_steps", 6)
    if n_steps < 2:
        raise ValueError("n_steps must be at least 2: an error term needs a step to go back")
    if not 1 <= check_count(k, "k", 6) <= n_steps:
        raise ValueError(f"k must lie between 1 and n_steps = {n_steps}, got {k}")
    step = 2.5
    ax = canvas(ax, (0.55, step * (n_steps - 1) + 2.6), (-2.3, 3.3))
    at = [step * j + 1.3 for j in range(n_steps)]
    red = color_of("gradient")
    for j in range(1, n_steps + 1):
        x, reached = at[j - 1], j >= k
        node(ax, (x, 0.8), f"$s_{j}$", "hidden", faded=not reached)
        box(ax, (x, -0.95), "input", 0.74, f"$x_{j}$", faded=not reached)
        arrow(ax, (x, -0.56), (x, 0.36), color=SLATE if reached else FADED, width=1.1)
        if j > 1:
            shade = SLATE if j > k else FADED
            arrow(ax, (at[j - 2] + 0.36, 0.58), (x - 0.36, 0.58), color=shade, width=1.1)
        if k < j:
            arrow(ax, (x - 0.36, 1.02), (at[j - 2] + 0.36, 1.02), color=red, width=2.4)
            middle = (x + at[j - 2]) / 2
            factor = rf"$\mathrm{{diag}}(f^{{\prime}}_{j - 1})\,W^{{\!\!\top}}$"
            size = 11 if n_steps < 6 else 9.5
            ax.text(middle, 1.16, factor, ha="center", va="bottom", fontsize=size, color=red)
        if reached and j < n_steps:
            ax.text(x, 1.32, rf"$\delta_{j}$", ha="center", va="bottom", fontsize=14, color=red)
    x = at[-1]
    box(ax, (x, 2.8), "gradient", 0.84, f"$L_{n_steps}$")
    arrow(ax, (x, 2.38), (x, 1.24), color=red, width=2.4)
    ax.text(x + 0.2, 1.8, rf"$\delta_{n_steps}$", va="center", fontsize=14, color=red)
    if k < n_steps:
        _product(ax, (at[0] + x) / 2, k, n_steps, red)
    return ax


def draw_feedforward_window(length=9, window=3, ax=None):
    """Which inputs can reach the last output: a fixed window, a convolution, a recurrent network.

    Shape: length the number of inputs, 5 to 12; window the inputs that the feed-forward network
        takes and the width of each of the two convolutions, 2 upwards, 2 * window - 1 <= length.
    Raises:
        ValueError: length or window outside these limits.
    """
    length = check_count(length, "length", 12)
    window = check_count(window, "window", 6)
    if length < 5 or window < 2 or 2 * window - 1 > length:
        raise ValueError(
            f"length {length} and window {window} do not fit: length 5 to 12, window 2 upwards "
            "and 2 * window - 1 at most length, so that the convolution's reach is visible"
        )
    ax = canvas(ax, (-0.5, length + 2.3), (-0.4, 10.15))
    field, last = 2 * window - 1, length - 1
    near = range(length - window, length)
    reaches = (
        ("feed-forward net, fixed window", window),
        ("CNN, two layers", field),
        ("RNN", length),
    )
    for base, (title, reached) in zip((7.2, 3.6, 0.0), reaches, strict=True):
        _panel(ax, base, length, reached, title)
    for i in near:
        thin(ax, (i, 7.2), (last, 8.2))
        thin(ax, (i, 4.6), (last, 5.6))
        for j in range(i - window + 1, i + 1):
            thin(ax, (j, 3.6), (i, 4.6))
    for i in range(length):
        thin(ax, (i, 0.0), (i, 1.0))
        if i:
            arrow(ax, (i - 0.74, 1.0), (i - 0.25, 1.0), color=SLATE, width=1.2, head=8)
    dots = [(last, 8.2), *((i, 4.6) for i in near), *((i, 1.0) for i in range(length))]
    for xy in dots:
        ax.add_patch(Circle(xy, 0.25, **look("hidden")))
    return ax


def _product(ax, x, k, t, color):
    """The formula that joins delta_k to delta_t; from the fourth factor on it is abbreviated."""
    factors = [rf"\mathrm{{diag}}(f^{{\prime}}_{j})\,W^{{\!\!\top}}" for j in range(k, t)]
    if len(factors) > 3:
        factors = [factors[0], r"\cdots", factors[-1]]
    product = r"\;".join(factors)
    formula = rf"$\delta_{k} = {product}\;\delta_{t}$"
    ax.text(x, -1.95, formula, ha="center", va="center", fontsize=13, color=color)


# ---- parts of the unrolled network ----------------------------------------------------------


def _folded(ax, x):
    _column(ax, x, "t", False)
    loop = FancyArrowPatch((x - 0.3, 1.9), (x - 0.3, 1.3), connectionstyle="arc3,rad=1.6",
                           arrowstyle="-|>", mutation_scale=12, lw=1.6, color=INK)  # fmt: skip
    ax.add_patch(loop)
    ax.text(x - 1.02, 1.6, "$W$", ha="center", va="center", fontsize=13)


def _column(ax, x, index, backward):
    """Input, state and output of one step with the arrows U and V."""
    box(ax, (x, 0), "input", 0.78, f"$x_{index}$")
    node(ax, (x, 1.6), f"$s_{index}$", "hidden")
    box(ax, (x, 3.2), "output", 0.78, f"$o_{index}$")
    shift = -0.13 if backward else 0.0
    arrow(ax, (x, 0.4), (x, 1.6 - RADIUS - 0.02))
    arrow(ax, (x + shift, 1.6 + RADIUS), (x + shift, 2.79))
    ax.text(x - 0.18, 0.76, "$U$", ha="right", va="center", fontsize=13)
    ax.text(x - 0.18 + 1.4 * shift, 2.42, "$V$", ha="right", va="center", fontsize=13)


def _backward_step(ax, x, step, t):
    """The gradient's way at one step: down from the output and left to the step before."""
    red = color_of("gradient")
    arrow(ax, (x + 0.15, 2.79), (x + 0.15, 1.6 + RADIUS), color=red, width=2)
    ax.text(x + 0.3, 2.42, rf"$\delta_{t}$", ha="left", va="center", fontsize=13, color=red)
    if t > 1:
        arrow(ax, (x - 0.39, 1.45), (x - step + 0.39, 1.45), color=red, width=2)
        ax.text(
            x - step / 2, 1.36, r"$W^{\!\!\top}$", ha="center", va="top", fontsize=12, color=red
        )


def _link(ax, x0, x1, y):
    """The arrow W from one state to the next."""
    gap = RADIUS if y == 1.6 else RADIUS - 0.03
    arrow(ax, (x0 + gap, y), (x1 - gap - 0.02, y))
    ax.text((x0 + x1) / 2, y + 0.1, "$W$", ha="center", va="bottom", fontsize=13)


def _letter(ax, x, y, letter):
    ax.text(x, y, f"“{visible(letter)}”", ha="center", va="center", fontsize=12,
            color=INK, parse_math=False)  # fmt: skip


def _panel(ax, base, length, reached, title):
    """A row of inputs, those within reach in colour, the output, a title and what is seen."""
    last = length - 1
    ax.text(-0.3, base + 2.35, title, va="center", fontsize=11, weight="bold")
    for i in range(length):
        box(ax, (i, base), "input", 0.5, faded=i < length - reached)
    if reached < length:
        middle = (length - reached - 1) / 2
        ax.text(middle, base + 0.62, "out of reach", ha="center", va="center", fontsize=10,
                color=SLATE)  # fmt: skip
    thin(ax, (last, base + 1), (last, base + 2))
    box(ax, (last, base + 2), "output", 0.5)
    ax.text(last + 0.45, base, "$x_t$", va="center", fontsize=13)
    ax.text(last + 0.45, base + 2, "$o_t$", va="center", fontsize=13)
    seen = f"sees all {length}\ninputs" if reached == length else f"sees {reached}\ninputs"
    ax.text(last + 0.75, base + 1, seen, va="center", fontsize=10.5, linespacing=1.3)

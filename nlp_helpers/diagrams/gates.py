"""Drawings of gated cells: LSTM, GRU and SRU, the gradient's roads, and the parallel scan."""

from nlp_helpers.diagrams.base import (
    FADED,
    PALE,
    arrow,
    band,
    box,
    canvas,
    check_count,
    joint,
    letter,
    node,
    operation,
    plate,
    route,
)
from nlp_helpers.plotting import INK, SLATE, color_of

_GATE, _CANDIDATE = 0.5, 0.08  # rounding: a gate is a pill, a tanh is a plate with corners
_SIZE = (1.75, 1.15)
_ROAD = 6.3  # the height of the straight road across the top of a cell
_BACK = r"W^{\!\!\top}\mathrm{diag}(f^{\prime}_%d)"  # one step of the gradient through an RNN
_LSTM = {  # the equations below the drawing, by the part that is shown
    None: (r"$h_t = o_t \odot \tanh(c_t)$",),
    "forget": (r"$f_t = \sigma(U_f x_t + W_f h_{t-1} + b_f)$",),
    "input": (
        r"$i_t = \sigma(U_i x_t + W_i h_{t-1} + b_i)$",
        r"$g_t = \tanh(U_g x_t + W_g h_{t-1} + b_g)$",
    ),
    "output": (
        r"$o_t = \sigma(U_o x_t + W_o h_{t-1} + b_o)$",
        r"$h_t = o_t \odot \tanh(c_t)$",
    ),
}
_SRU = (  # what each panel holds: its lower and upper edge, title, equations
    (
        *(1.05, 3.75, "all times at once"),
        (r"$\tilde{x}_t = W x_t$", r"$f_t = \sigma(W_f x_t + b_f)$",
         r"$r_t = \sigma(W_r x_t + b_r)$"),
    ),
    (
        *(4.0, 6.2, "one by one, no matrix"),
        (r"$c_t = f_t \odot c_{t-1}$", r"$\quad\;\; +\,(1 - f_t) \odot \tilde{x}_t$"),
    ),
    (
        *(6.45, 8.85, "all times at once"),
        (r"$h_t = r_t \odot \tanh(c_t)$", r"$\quad\;\; +\,(1 - r_t) \odot x_t$"),
    ),
)  # fmt: skip


def draw_lstm_cell(part=None, ax=None):
    """One step of the LSTM, with the cell state as a straight road across the top.

    A gate is a pill with a sigma; the candidate, a plate with tanh, has the cell state's colour.
    `part` names one part to show in full, "forget", "input" or "output", the others faded.

    Source: Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000);
        c_t = f_t * c_{t-1} + i_t * g_t, h_t = o_t * tanh(c_t).
    Raises:
        ValueError: part is none of the three.
    """
    if part not in (None, "forget", "input", "output"):
        raise ValueError(f'part must be None, "forget", "input" or "output", got {part!r}')
    ax = canvas(ax, (-0.15, 13.0), (-0.65, 7.75))
    band(ax, (1.2, 11.75), (1.0, 7.55))
    cell, hidden = color_of("cell"), color_of("hidden")
    route(ax, [(0.95, _ROAD), (11.95, _ROAD)], color=cell, width=4, head=18)
    route(ax, [(0.95, 1.55), (8.75, 1.55)], head=0)
    route(ax, [(1.75, 0.45), (1.75, 1.55)], head=0)
    joint(ax, (1.75, 1.55))
    _state(ax, (0.45, _ROAD), "$c_{t-1}$", "cell")
    _state(ax, (12.4, _ROAD), "$c_t$", "cell")
    _state(ax, (0.45, 1.55), "$h_{t-1}$", "hidden")
    box(ax, (1.75, 0.05), "input", 0.78, "$x_t$")
    for name, draw in (("forget", _forget), ("input", _write), ("output", _read)):
        draw(ax, part not in (None, name))
    shade = FADED if part not in (None, "output") else hidden
    route(ax, [(10.7, 3.65), (10.7, 1.55), (11.95, 1.55)], color=shade, width=2.4, head=14)
    _state(ax, (12.4, 1.55), "$h_t$", "hidden", shade == FADED)
    letter(ax, 5.75, 7.12, r"$c_t = f_t \odot c_{t-1} + i_t \odot g_t$")
    for line, equation in enumerate(_LSTM[part]):
        letter(ax, 12.85, 0.42 - 0.62 * line, equation, ha="right", fontsize=13)
    return ax


def _gate(ax, x, name, symbol, faded, label_at=None, *, tanh=False):
    """A gate, or the candidate, above the input line, and its letter beside the way out."""
    role, sign = ("cell", r"$\tanh$") if tanh else ("neutral", r"$\sigma$")
    color = FADED if faded else INK
    arrow(ax, (x, 1.55), (x, 2.36), color=color)
    plate(ax, (x, 2.95), _SIZE, role, sign, name=name, faded=faded,
          rounding=_CANDIDATE if tanh else _GATE)  # fmt: skip
    if label_at:
        letter(ax, *label_at, symbol, faded=faded)


def _state(ax, xy, label, role, faded=False):
    node(ax, xy, label, role, radius=0.48, size=12.5, faded=faded)


def _forget(ax, faded):
    _gate(ax, 2.75, "forget", "$f_t$", faded, (3.1, 4.75))
    arrow(ax, (2.75, 3.53), (2.75, _ROAD - 0.28), color=FADED if faded else INK)
    operation(ax, (2.75, _ROAD), "dot", faded=faded)


def _write(ax, faded):
    """The input gate times the candidate, added to the road."""
    _gate(ax, 4.75, "input", "$i_t$", faded, (4.4, 4.25))
    _gate(ax, 6.75, "candidate", "$g_t$", faded, (7.15, 4.25), tanh=True)
    color = FADED if faded else INK
    route(ax, [(4.75, 3.53), (4.75, 4.9), (5.47, 4.9)], color=color)
    route(ax, [(6.75, 3.53), (6.75, 4.9), (6.03, 4.9)], color=color)
    arrow(ax, (5.75, 5.18), (5.75, _ROAD - 0.28), color=color)
    operation(ax, (5.75, 4.9), "dot", faded=faded)
    operation(ax, (5.75, _ROAD), "plus", faded=faded)


def _read(ax, faded):
    """The output gate times tanh of the road."""
    color = FADED if faded else INK
    _gate(ax, 8.75, "output", "$o_t$", faded, (9.55, 4.3))
    route(ax, [(8.75, 3.53), (8.75, 3.93), (10.42, 3.93)], color=color)
    arrow(ax, (10.7, _ROAD), (10.7, 5.66), color=color)
    plate(ax, (10.7, 5.3), (1.3, 0.7), "cell", r"$\tanh$", rounding=_CANDIDATE, faded=faded)
    arrow(ax, (10.7, 4.95), (10.7, 4.21), color=color)
    operation(ax, (10.7, 3.93), "dot", faded=faded)


def draw_gru_cell(reset="after", ax=None):
    """One step of the GRU: the state itself is the road, and one gate z both keeps and writes.

    Source: Cho et al. (2014); h_t = z_t * h_{t-1} + (1 - z_t) * n_t. `reset="after"` draws torch's
        form, n_t = tanh(U x_t + b + r_t * (W h_{t-1} + d)), "before" the paper's,
        n_t = tanh(U x_t + W (r_t * h_{t-1}) + b).
    Raises:
        ValueError: reset is neither "after" nor "before".
    """
    if reset not in ("after", "before"):
        raise ValueError(f'reset must be "after" or "before", got {reset!r}')
    ax = canvas(ax, (-0.15, 13.0), (-1.45, 7.75))
    band(ax, (1.2, 11.75), (1.0, 7.55))
    hidden = color_of("hidden")
    route(ax, [(0.95, _ROAD), (11.95, _ROAD)], color=hidden, width=4, head=18)
    route(ax, [(1.7, _ROAD), (1.7, 1.6), (7.55, 1.6), (7.55, 2.68)], color=hidden, width=2)
    joint(ax, (1.7, _ROAD), color=hidden)
    _state(ax, (0.45, _ROAD), "$h_{t-1}$", "hidden")
    _state(ax, (12.4, _ROAD), "$h_t$", "hidden")
    for x, name in ((3.3, "update"), (5.5, "reset")):
        arrow(ax, (x - 0.35, 1.6), (x - 0.35, 2.36), color=hidden, width=2)
        _fed(ax, x + 0.35)
        plate(ax, (x, 2.95), _SIZE, "neutral", r"$\sigma$", name=name, rounding=_GATE)
    _gru_update(ax)
    _gru_candidate(ax, reset)
    letter(ax, 6.6, 7.12, r"$h_t = z_t \odot h_{t-1} + (1 - z_t) \odot n_t$")
    equation = r"$n_t = \tanh(U_n x_t + b_n + r_t \odot (W_n h_{t-1} + d))$"
    if reset == "before":
        equation = r"$n_t = \tanh(U_n x_t + W_n (r_t \odot h_{t-1}) + b_n)$"
    letter(ax, 6.5, -1.1, equation, fontsize=13)
    return ax


def _fed(ax, x):
    """The input, with its arrow up into a gate or the candidate, over a gap in the state's line."""
    box(ax, (x, 0.05), "input", 0.78, "$x_t$")
    ax.plot([x, x], [1.5, 1.7], color=PALE, lw=7, zorder=2)
    arrow(ax, (x, 0.45), (x, 2.36), color=color_of("input"), width=2)


def _gru_update(ax):
    """z_t keeps what is on the road, and 1 - z_t lets the candidate in."""
    arrow(ax, (3.3, 3.53), (3.3, _ROAD - 0.28))
    operation(ax, (3.3, _ROAD), "dot")
    letter(ax, 2.95, 4.2, "$z_t$")
    route(ax, [(3.3, 4.9), (5.35, 4.9)])
    joint(ax, (3.3, 4.9))
    plate(ax, (6.0, 4.9), (1.3, 0.7), "neutral", "$1 - z_t$", rounding=_CANDIDATE)
    arrow(ax, (6.65, 4.9), (9.47, 4.9))
    operation(ax, (9.75, 4.9), "dot")
    arrow(ax, (9.75, 5.18), (9.75, _ROAD - 0.28))
    operation(ax, (9.75, _ROAD), "plus")


def _gru_candidate(ax, reset):
    """r_t scales what the candidate sees of the old state: after W, or before it."""
    arrow(ax, (6.38, 2.95), (7.27, 2.95))
    operation(ax, (7.55, 2.95), "dot")
    letter(ax, 6.8, 3.3, "$r_t$")
    arrow(ax, (7.83, 2.95), (8.87, 2.95))
    plate(ax, (9.75, 2.95), _SIZE, "hidden", r"$\tanh$", name="candidate", rounding=_CANDIDATE)
    _fed(ax, 9.75)
    arrow(ax, (9.75, 3.53), (9.75, 4.62))
    letter(ax, 10.15, 4.1, "$n_t$")
    if reset == "after":
        letter(ax, 7.75, 2.1, "$W_n h_{t-1}$", ha="left", fontsize=12)
    else:
        letter(ax, 8.3, 3.3, "$W_n$", fontsize=12)


def draw_sru(ax=None):
    """Three steps of the SRU: all matrix products at once, then a thin chain, element by element.

    Source: Lei et al. (2017), arXiv:1709.02755v1; c_t = f_t * c_{t-1} + (1 - f_t) * x~_t,
        h_t = r_t * tanh(c_t) + (1 - r_t) * x_t.
    """
    ax = canvas(ax, (-0.05, 13.05), (-0.55, 9.0))
    for low, high, title, rules in _SRU:
        band(ax, (0.1, 12.9), (low, high))
        ax.text(0.4, high - 0.42, title, va="center", fontsize=10.5, weight="bold")
        for line, rule in enumerate(rules):
            y = high - 1.08 - 0.58 * line
            letter(ax, 0.4, y, rule, ha="left", fontsize=12)
    for t, x in enumerate((5.85, 8.65, 11.45), start=1):
        _sru_step(ax, x, t)
    return ax


def _sru_step(ax, x, t):
    """One column: the three products, the chain's link, and the output with its highway."""
    at, cell, blue = x - 0.42, color_of("cell"), color_of("input")
    route(ax, [(x + 0.85, 2.72), (x + 0.85, 7.4), (at + 0.45, 7.4)])
    route(ax, [(x + 0.39, 0), (x + 1.28, 0), (x + 1.28, 7.85), (at + 0.42, 7.85)], color=blue)
    start = at - 1.3 if t == 1 else at - 2.8 + 0.46
    ax.plot([start, at - 0.5], [5.1, 5.1], color=PALE, lw=8, zorder=2)
    arrow(ax, (start, 5.1), (at - 0.47, 5.1), color=cell, width=2.4)
    for shift, name, role in ((-0.85, "f", "neutral"), (0, r"\tilde{x}", "cell"),
                              (0.85, "r", "neutral")):  # fmt: skip
        arrow(ax, (x, 0.4), (x + shift, 1.92))
        rounding = _CANDIDATE if role == "cell" else 0.3
        plate(ax, (x + shift, 2.32), (0.74, 0.78), role, f"${name}_{t}$", rounding=rounding)
    arrow(ax, (x - 0.85, 2.72), (at - 0.17, 4.66))
    arrow(ax, (x, 2.72), (at + 0.17, 4.66))
    arrow(ax, (at, 5.54), (at, 7.15))
    box(ax, (x, 0), "input", 0.78, f"$x_{t}$")
    _state(ax, (at, 5.1), f"$c_{t}$", "cell")
    _state(ax, (at, 7.6), f"$h_{t}$", "hidden")
    if t == 1:
        letter(ax, at - 1.62, 5.1, "$c_0$", fontsize=12.5)


def draw_gradient_roads(n_steps=4, ax=None):
    """The gradient's way back: through a matrix at every step of an RNN, along a road in an LSTM.

    The narrowing arrows of the RNN stand for a gradient that vanishes.

    Source: Hochreiter & Schmidhuber (1997), the constant error carousel, with the forget gate of
        Gers et al. (2000).
    Shape: n_steps the number of time steps, 2 to 4.
    Raises:
        ValueError: n_steps outside 2 to 4.
        TypeError: n_steps is not a whole number.
    """
    n_steps = check_count(n_steps, "n_steps", 4, least=2)
    step = 3.35
    width = step * (n_steps - 1) + 2.95
    ax = canvas(ax, (-0.1, width + 0.1), (-3.3, 7.4))
    band(ax, (0, width), (2.55, 7.3))
    band(ax, (0, width), (-3.2, 2.3))
    for y, title in (
        (6.88, "RNN: a matrix at every step"),
        (1.88, "LSTM: the cell state is a road"),
    ):
        ax.text(0.3, y, title, va="center", fontsize=11, weight="bold")
    for t in range(1, n_steps + 1):
        x = 0.85 + step * (t - 1)
        _gradient_step(ax, x, t, n_steps, step)
    back = r"\,".join(_BACK % t for t in range(2, n_steps + 1))
    gates = r" \odot ".join(f"f_{t}" for t in range(2, n_steps + 1))
    road = r"\mathrm{along\ the\ road:}\quad "
    lines = ((3.05, "", "h", back + r"\,"), (-2.68, road, "c", gates + r" \odot "))
    for y, start, state, product in lines:
        way = r"\dfrac{\partial L}{\partial %s_{%d}}"
        formula = start + way % (state, 1) + "=" + product + way % (state, n_steps)
        letter(ax, width / 2, y, f"${formula}$", fontsize=12, color=color_of("gradient"))
    return ax


def _gradient_step(ax, x, t, n_steps, step):
    """One step of both networks, and the red arrows that come back to it."""
    red, last = color_of("gradient"), t == n_steps
    node(ax, (x, 4.75), f"$h_{t}$", "hidden")
    node(ax, (x, 0.1), f"$c_{t}$", "cell")
    node(ax, (x, -1.4), f"$h_{t}$", "hidden", faded=True)
    arrow(ax, (x, -0.32), (x, -0.97), color=FADED, width=1.2)
    if last:
        for y in (4.75, 0.1):
            box(ax, (x + 1.55, y), "gradient", 0.78, "$L$")
            arrow(ax, (x + 1.15, y), (x + 0.44, y), color=red, width=4)
        return
    far = x + step
    for y in (4.57, -0.08):
        arrow(ax, (x + 0.38, y), (far - 0.38, y), color=SLATE, width=1.1)
    arrow(ax, (x + 0.39, -1.25), (far - 0.34, -0.2), color=FADED, width=1.2)
    thinner = 4 * 0.5 ** (n_steps - t)
    arrow(ax, (far - 0.38, 4.93), (x + 0.38, 4.93), color=red, width=thinner)
    arrow(ax, (far - 0.38, 0.28), (x + 0.38, 0.28), color=red, width=4)
    middle = x + step / 2
    letter(ax, middle, 5.43, f"${_BACK % (t + 1)}$", fontsize=12, color=red)
    letter(ax, middle, 0.78, rf"$\odot\; f_{t + 1}$", fontsize=13, color=red)


def draw_parallel_scan(n_steps=8, ax=None):
    """A linear recurrence by doubling: each node joins its stretch to the one just before it.

    A node names the times that it covers; its edge is solid once they begin at 1. The thick arrows
    lead to the last state.

    Source: Hillis & Steele (1986) for the passes; Blelloch (1990), section 1.4, and Martin & Cundy
        (2018) for c_t = a_t * c_{t-1} + b_t.
    Shape: n_steps the number of time steps, 2 to 8.
    Raises:
        ValueError: n_steps outside 2 to 8.
        TypeError: n_steps is not a whole number.
    """
    n_steps = check_count(n_steps, "n_steps", 8, least=2)
    passes = (n_steps - 1).bit_length()
    step = 1.32
    heights = (0.0, 1.45, 3.05, 5.65)[: passes + 1]  # a longer reach rises more, clear of the nodes
    right = step * n_steps
    ax = canvas(ax, (-0.75, right + 1.5), (-1.6, heights[-1] + 0.65))
    needed = {n_steps}
    for level in range(passes, -1, -1):
        y, distance = heights[level], 2 ** (level - 1) if level else 0
        before = needed | {t - distance for t in needed if t > distance}
        for t in range(1, n_steps + 1):
            if level:
                _join(ax, t, distance, (step, y, y - heights[level - 1]), t in needed)
            first = max(t - 2**level + 1, 1)
            label = f"{t}" if first == t else f"{first}–{t}"
            node(ax, (step * (t - 1), y), label, "cell", dashed=first > 1, size=10, radius=0.46)
        title = f"pass {level}\n{distance} back" if level else "inputs\n" + r"$(a_t, b_t)$"
        ax.text(right - 0.25, y, title, va="center", fontsize=10.5, linespacing=1.3)
        needed = before
    rule = (
        r"$(a, b)\;\mathrm{then}\;(a^\prime, b^\prime) \;=\; (a^\prime a,\; a^\prime b + b^\prime)$"
    )
    letter(ax, (right - step) / 2, -1.2, rule, fontsize=13)
    return ax


def _join(ax, t, distance, grid, needed):
    """The arrows into a node: from below, and from the stretch that ends where its own begins."""
    step, y, rise = grid
    x = step * (t - 1)
    look = {"color": color_of("cell"), "width": 2.4} if needed else {"color": FADED, "width": 1.1}
    arrow(ax, (x, y - rise + 0.46), (x, y - 0.5), **look)
    if t > distance:
        start = x - step * distance
        run = (step * distance, rise)
        share = 0.48 / (run[0] ** 2 + run[1] ** 2) ** 0.5
        arrow(ax, (start + share * run[0], y - rise + share * run[1]),
              (x - share * run[0], y - share * run[1]), **look)  # fmt: skip

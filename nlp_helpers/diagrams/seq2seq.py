"""Drawings of sequence to sequence: encoder and decoder, attention, beam search, soft alignment."""

import html
import math

from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from nlp_helpers.diagrams.base import (
    FADED,
    PALE,
    QUIET,
    arrow,
    band,
    box,
    canvas,
    joint,
    letter,
    letters_of,
    node,
    operation,
    plate,
    route,
)
from nlp_helpers.display import Rendered
from nlp_helpers.plotting import INK, SEQUENTIAL, SLATE, color_of, ink_on, tint, visible

_STEP = 1.34
_LOVE = (0.05, 0.75, 0.15, 0.05)  # invented weights, for the drawing only


def draw_encoder_decoder(source="love", target=("L", "AH", "V"), ax=None):
    """A word read by the encoder, squeezed into one vector, and written out by the decoder.

    Source: Sutskever et al. (2014), figure 1: the decoder starts from the encoder's last state.
    Shape: source the letters read, target the tokens written, without the end sign that the drawing
        adds; 2 to 8 together.
    Raises:
        ValueError: nothing to read, or more than 8 letters and tokens together.
        TypeError: source or target is not a sequence of strings.
    """
    source, target = letters_of(source), [*letters_of(target), "end"]
    if len(source) < 1 or len(target) < 2 or len(source) + len(target) > 9:
        raise ValueError(
            "source and target must hold at least 1 entry each and 8 together, got "
            f"{len(source)} and {len(target) - 1}"
        )
    gap = 0.6 + _STEP * len(source)  # where the context vector stands
    start = gap + 1.9
    right = start + _STEP * (len(target) - 1) + 0.75
    ax = canvas(ax, (-0.35, right + 0.1), (-1.5, 4.4))
    band(ax, (-0.25, gap - 0.75), (-0.65, 4.3))
    band(ax, (start - 0.75, right), (-0.65, 4.3))
    encoder, decoder = color_of("encoder"), color_of("decoder")
    for j, token in enumerate(source, start=1):
        _step(ax, 0.5 + _STEP * (j - 1), token, f"$h_{j}$", "encoder", j > 1)
    arrow(ax, (gap - _STEP + 0.34, 1.6), (gap + 0.19, 1.6), color=encoder, width=2.4)
    _vector(ax, gap + 0.45, 1.6)
    arrow(ax, (gap + 0.71, 1.6), (start - 0.46, 1.6), color=decoder, width=2.4)
    for i, token in enumerate(target, start=1):
        x = start + _STEP * (i - 1)
        _step(ax, x, "start" if i == 1 else target[i - 2], f"$s_{i}$", "decoder", i > 1)
        box(ax, (x, 3.0), "output", 0.8, visible(token), size_of_label=_fit(token))
        arrow(ax, (x, 2.03), (x, 2.58))
    for x, name in (((gap - 1) / 2, "encoder"), ((start - 0.75 + right) / 2, "decoder")):
        ax.text(x, 3.87, name, ha="center", va="center", fontsize=11, weight="bold")
    ax.text(gap + 0.45, -1.15, "context vector: of one fixed size, all that the decoder gets",
            ha="center", va="center", fontsize=10.5, color=SLATE)  # fmt: skip
    return ax


def _step(ax, x, token, state, role, linked):
    """An input, the state above it, and the arrow from the state before."""
    box(ax, (x, 0), "input", 0.8, visible(token), size_of_label=_fit(token))
    arrow(ax, (x, 0.41), (x, 1.16))
    node(ax, (x, 1.6), state, role)
    if linked:
        arrow(ax, (x - _STEP + 0.43, 1.6), (x - 0.44, 1.6), color=color_of(role), width=2)


def _fit(token):
    """A font size at which a token fits into its box."""
    return 13 if len(token) < 3 else 9


def _vector(ax, x, y):
    """The context vector as a column of four numbers, wide at neither end: the bottleneck."""
    for i in range(4):
        plate(ax, (x, y + 0.42 * (i - 1.5)), (0.42, 0.42), "encoder", rounding=0.02)
    letter(ax, x, y + 1.2, "$c$")
    arrow(ax, (x, -0.82), (x, y - 0.95), color=SLATE, width=1.1, head=9)


def draw_attention_decoder(source="love", weights=_LOVE, ax=None):
    """One step of a decoder with attention: score every encoder state, softmax, weighted sum.

    Source: Bahdanau et al. (2015), section 3.1, with t for their i: the query q_t is s_{t-1},
        e_tj = score(q_t, h_j), alpha_t = softmax(e_t), c_t = sum_j alpha_tj h_j.
    Shape: source the letters read, 2 to 4; weights [letters], shares that sum to 1.
    Raises:
        ValueError: fewer than 2 or more than 4 letters, or weights that do not fit or sum to 1.
        TypeError: source is not a sequence of strings.
    """
    source, weights = letters_of(source), _shares(weights)
    if not 2 <= len(source) <= 4 or len(weights) != len(source):
        raise ValueError(
            f"draw 2 to 4 letters and as many weights, got {len(source)} and {len(weights)}"
        )
    columns = [5.45 + 1.6 * j for j in range(len(source))]
    last = columns[-1]
    right = last + 2.45
    ax = canvas(ax, (0.0, right + 1.7), (-1.4, 8.95))
    for low, high, number, title, rule in _STAGES:
        band(ax, (0.1, last + 1.1), (low, high))
        middle = (low + high) / 2
        node(ax, (0.65, middle + 0.45), number, "neutral", radius=0.27, size=10.5)
        ax.text(1.1, middle + 0.45, title, va="center", fontsize=11, weight="bold")
        letter(ax, 0.4, middle - 0.4, rule, ha="left", fontsize=12.5)
    ax.text(0.4, 0.55, "encoder states", va="center", fontsize=11, weight="bold")
    for j, (x, token, share) in enumerate(zip(columns, source, weights, strict=True), start=1):
        _attended(ax, x, visible(token), j, share)
        if j > 1:
            arrow(ax, (x - 1.17, 0.55), (x - 0.44, 0.55), color=color_of("encoder"), width=2)
    middle = (columns[0] + last) / 2
    plate(ax, (middle, 4.2), (last - columns[0] + 0.9, 0.56), "neutral", rounding=0.12)
    ax.text(middle, 4.2, "softmax", ha="center", va="center", fontsize=10.5, zorder=4)
    _query(ax, columns, right)
    _sum(ax, columns, right)
    return ax


_STAGES = (  # the lower and upper edge of each panel, number, title, equation
    (1.35, 3.45, "1", "score", r"$e_{tj} = \mathrm{score}(q_t, h_j)$"),
    (3.65, 6.05, "2", "softmax", r"$\alpha_{tj} = e^{e_{tj}} \,/\, \Sigma_i\, e^{e_{ti}}$"),
    (6.25, 8.85, "3", "weighted sum", r"$c_t = \Sigma_j\, \alpha_{tj}\, h_j$"),
)


def _attended(ax, x, token, j, share):
    """One encoder state on its way up: into a score, into a weight, and into the weighted sum."""
    value = color_of("value")
    box(ax, (x, -0.95), "input", 0.7, token, size_of_label=12)
    arrow(ax, (x, -0.59), (x, 0.11))
    node(ax, (x, 0.55), f"$h_{j}$", "encoder")
    arrow(ax, (x - 0.2, 0.92), (x - 0.2, 2.46), color=color_of("key"), width=2)
    route(ax, [(x + 0.2, 0.92), (x + 0.2, 1.15), (x + 0.8, 1.15), (x + 0.8, 7.1), (x + 0.28, 7.1)],
          color=value, width=2)  # fmt: skip
    for crossing in (x - 0.2, x + 0.8)[j == 1 :]:  # gaps where the query passes over
        ax.plot([crossing] * 2, [1.7, 1.96], color=PALE, lw=7, zorder=2, solid_capstyle="butt")
    plate(ax, (x, 2.85), (0.95, 0.72), "neutral", f"$e_{{t{j}}}$", rounding=0.12)
    arrow(ax, (x, 3.21), (x, 3.91))
    arrow(ax, (x, 4.49), (x, 4.96))
    color = colormaps[SEQUENTIAL](share)
    ax.add_patch(Rectangle((x - 0.5, 5.0), 1.0, 0.72, facecolor=color, edgecolor=SLATE, zorder=3))
    ax.text(x, 5.36, f"{share:.2f}", ha="center", va="center", fontsize=10.5, zorder=4,
            color=ink_on(color))  # fmt: skip
    arrow(ax, (x, 5.72), (x, 6.82))
    operation(ax, (x, 7.1), "dot")


def _query(ax, columns, right):
    """The decoder's last state, brought to every score."""
    query = color_of("query")
    route(ax, [(right - 0.46, 1.83), (columns[0] + 0.2, 1.83)], color=query, width=2, head=0)
    letter(ax, columns[-1] + 1.55, 2.15, "$q_t$", fontsize=13)
    for x in columns:
        arrow(ax, (x + 0.2, 1.83), (x + 0.2, 2.46), color=query, width=2)
    node(ax, (right, 1.83), "$s_{t-1}$", "decoder", radius=0.48, size=12)
    node(ax, (right, 4.6), "$s_t$", "decoder", radius=0.48)
    arrow(ax, (right, 2.32), (right, 4.09), color=color_of("decoder"), width=2)
    arrow(ax, (right + 0.49, 4.6), (right + 0.85, 4.6))
    box(ax, (right + 1.25, 4.6), "output", 0.78, "$y_t$", size_of_label=13)


def _sum(ax, columns, right):
    """The weighted values added up to the context vector, which goes to the new state."""
    for x in columns[:-1]:
        route(ax, [(x, 7.38), (x, 8.25)], head=0)
        joint(ax, (x, 8.25))
    route(ax, [(columns[0], 8.25), (columns[-1] - 0.29, 8.25)])
    arrow(ax, (columns[-1], 7.38), (columns[-1], 7.96))
    operation(ax, (columns[-1], 8.25), "plus")
    arrow(ax, (columns[-1] + 0.28, 8.25), (right - 0.25, 8.25))
    for i in range(4):
        plate(ax, (right, 8.25 - 0.42 * i), (0.42, 0.42), "encoder", rounding=0.02)
    letter(ax, right + 0.6, 7.62, "$c_t$")
    arrow(ax, (right, 6.76), (right, 5.11), color=color_of("encoder"), width=2.4)


def _shares(weights):
    """Weights as a list of floats that are shares of 1."""
    weights = [float(weight) for weight in weights]
    if not weights or min(weights) < 0 or not math.isclose(sum(weights), 1, abs_tol=1e-6):
        raise ValueError(f"attention weights must be 0 or more and sum to 1, got {weights}")
    return weights


def draw_beam_example(ax=None):
    """Beam search with two hypotheses over the words straw, hat, man and with, step by step.

    The probabilities are invented. What falls out of the beam is grey; below, the two hypotheses
    ranked by the product of their probabilities and by its n-th root, n the number of tokens.

    Source: Graves (2012) and Sutskever et al. (2014), section 3.2, for the search; Wu et al.
        (2016), section 7, for the division by length.
    """
    ax = canvas(ax, (-0.15, 12.75), (-4.3, 5.55))
    for step in range(1, 5):
        ax.text(_column(step), 5.2, f"step {step}", ha="center", va="center", fontsize=10.5,
                color=SLATE)  # fmt: skip
    plate(ax, (0.7, 2.0), (1.4, 0.76), "neutral", rounding=0.3)
    ax.text(0.7, 2.0, "start", ha="center", va="center", fontsize=11, zorder=4)
    _branch(ax, 3.3, _FIRST, 0.95)
    _branch(ax, 0.7, _SECOND, -0.95)
    _dropped(ax, (1.05, 1.6), (_column(1), -0.75))
    _ranking(ax)
    return ax


_FIRST = (("straw", 0.2), ("hat", 0.3), ("end", 0.1))
_SECOND = (("man", 0.1), ("with", 0.3), ("straw", 0.3), ("hat", 0.4))


def _column(step):
    return 0.7 + 2.75 * step


def _branch(ax, y, words, away):
    """One hypothesis growing to the right, and what it drops on the way."""
    color, total, x = color_of("output"), 1.0, 0.7
    for step, (word, probability) in enumerate(words, start=1):
        total *= probability
        before, x = x, _column(step)
        rise = (y - 2.0) * 0.22 if step == 1 else 0.0
        arrow(
            ax, (before + 0.72, y if step > 1 else 2.0 + rise), (x - 0.74, y), color=color, width=2
        )
        at = ((before + x) / 2, y + 0.3) if step > 1 else (2.07 - 0.35 * away, 2.4 + 0.8 * away)
        ax.text(*at, f"× {probability:g}", ha="center", va="center", fontsize=10.5, color=SLATE)
        plate(ax, (x, y), (1.4, 0.76), "output", rounding=0.3)
        ax.text(x, y, word, ha="center", va="center", fontsize=11, zorder=4,
                style="italic" if word == "end" else "normal")  # fmt: skip
        ax.text(x, y - 0.62, f"{total:.3g}", ha="center", va="center", fontsize=11, weight="bold")
        if step in (2, 3):
            _dropped(ax, (before + 0.6, y + math.copysign(0.4, away)), (x, y + 1.5 * away))


def _dropped(ax, start, end):
    """A continuation that is not among the best two."""
    x, y = end
    arrow(ax, start, (x - 0.5, y), color=FADED, width=1.2, head=9)
    ax.text(x - 0.4, y, "…", ha="left", va="center", fontsize=12, color=QUIET)


def _ranking(ax):
    """The two hypotheses side by side: each measure has another winner."""
    band(ax, (0.0, 12.6), (-4.2, -1.75))
    heads = (
        (0.35, "left", "hypothesis"),
        (7.2, "center", "product"),
        (10.5, "center", "per token"),
    )
    for x, side, head in heads:
        ax.text(x, -2.15, head, ha=side, va="center", fontsize=10.5, color=SLATE)
    for y, words, wins in ((-2.9, _FIRST, 0), (-3.7, _SECOND, 1)):
        product = math.prod(probability for _, probability in words)
        n, root = len(words), "∛∜"[len(words) - 3]
        cells = (f"{product:.3g}", f"{root}{product:.3g} = {product ** (1 / n):.3f}")
        ax.text(0.35, y, " ".join(word for word, _ in words), va="center", fontsize=11)
        for column, (x, cell) in enumerate(zip((7.2, 10.5), cells, strict=True)):
            bold = "bold" if column == wins else "normal"
            mark = "✓ " if column == wins else ""
            ax.text(x, y, mark + cell, ha="center", va="center", fontsize=11, weight=bold)


def soft_alignment_picture(source=None, target=None, weights=None):
    """A soft alignment as one small fan for each word written: thicker lines, larger shares.

    Without arguments, "I love you" and its Chinese translation, where each character gives 0.6 to
    its own word and 0.2 to each of the others. HTML with SVG, since the figures' font has no
    Chinese; screen readers and plain text get the shares as a list.

    Shape: source [words read], 2 to 4; target [words written], 1 to 4; weights [target, source],
        each row shares that sum to 1.
    Raises:
        ValueError: a number of words or weights that does not fit, or a row that does not sum to 1.
    """
    source = list(("I", "love", "you") if source is None else source)
    target = list(("我", "爱", "你") if target is None else target)
    if weights is None:
        weights = [[0.6 if i == j else 0.2 for j in range(3)] for i in range(3)]
    rows = [_shares(row) for row in weights]
    if not (2 <= len(source) <= 4 and 1 <= len(target) <= 4):
        raise ValueError(f"draw 2 to 4 words read and 1 to 4 written, got {source} and {target}")
    if len(rows) != len(target) or any(len(row) != len(source) for row in rows):
        raise ValueError(
            f"{len(target)} words written and {len(source)} read need as many rows and columns of "
            f"weights, got rows of {[len(row) for row in rows]}"
        )
    words = [
        f"{word}: " + ", ".join(f"{s} {share:.2g}" for s, share in zip(source, row, strict=True))
        for word, row in zip(target, rows, strict=True)
    ]
    fans = "".join(_fan(source, word, row) for word, row in zip(target, rows, strict=True))
    said = html.escape("Soft alignment. " + "; ".join(words))
    markup = f'{_FAN_STYLE}<div class="nh-fans" role="img" aria-label="{said}">{fans}</div>'
    return Rendered(markup, "\n".join(["Soft alignment (shares of attention):", *words]))


def _fan(source, word, row):
    """One word written, above the words read, joined by lines as thick as their shares."""
    step, middle = 52, 26 * len(source)
    language = ' lang="zh"' if any("\u4e00" <= sign <= "\u9fff" for sign in word) else ""
    top = (
        f'<rect class="nh-to" x="{middle - 21}" y="2" width="42" height="38" rx="10"/>'
        f'<text class="nh-word"{language} x="{middle}" y="29" font-size="22">'
        f"{html.escape(word)}</text>"
    )
    parts = []
    for j, (token, share) in enumerate(zip(source, row, strict=True)):
        x, color = 26 + step * j, to_hex(colormaps[SEQUENTIAL](share))
        parts.append(
            f'<line x1="{middle}" y1="41" x2="{x}" y2="104" stroke-width="{16 * share:.1f}"/>'
            f'<rect x="{x - 20}" y="104" width="40" height="24" fill="{color}" class="nh-share"/>'
            f'<text x="{x}" y="121" font-size="14" fill="{ink_on(color)}">{share:.2g}</text>'
            f'<text class="nh-word" x="{x}" y="150" font-size="16">{html.escape(token)}</text>'
        )
    size = f'viewBox="0 0 {2 * middle} 160" width="{2 * middle}" height="160"'
    return f'<svg {size} aria-hidden="true" text-anchor="middle">{"".join(parts)}{top}</svg>'


_DARK = ('html[data-theme="dark"]', 'body[data-jp-theme-light="false"]', "body.vscode-dark")
_LIGHT = f"--nh-ink:{INK};--nh-to:{to_hex(tint(color_of('output'), 0.8))};--nh-line:#8A949D;"
_FAN_STYLE = (
    f"<style>.nh-fans{{{_LIGHT}display:flex;flex-wrap:wrap;gap:.6em 1.6em;margin:.6em 0}}"
    + ",".join(f"{page} .nh-fans" for page in _DARK)
    + "{--nh-ink:#E3E8EC;--nh-to:#3A2F4D}"
    ".text_html:has(.nh-fans){background:transparent!important;padding:0!important}"
    ".nh-fans svg{max-width:100%;height:auto;font-family:system-ui,'Noto Sans CJK SC',sans-serif}"
    ".nh-fans line{stroke:var(--nh-line)}.nh-fans .nh-word{fill:var(--nh-ink)}"
    f".nh-fans .nh-to{{fill:var(--nh-to);stroke:{color_of('output')};stroke-width:2}}"
    ".nh-fans .nh-share{stroke:var(--nh-line)}</style>"
)

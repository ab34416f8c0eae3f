"""Draw the book's logo, favicon, chapter map and timeline as SVG files in book/_static.

Run `python tools/draw_book_art.py` to write them, with `--check` to compare the files with what
would be written. The output depends on nothing but this file and the book's colours.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from nlp_helpers.files import write_whole
from nlp_helpers.plotting import COLORS

STATIC = Path(__file__).resolve().parent.parent / "book" / "_static"
FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif"
STATE = COLORS["hidden"]
ATTENTION = "#1D86BA"  # the strong end of the map for attention weights


@dataclass(frozen=True)
class Theme:
    """The colours that differ between a light and a dark page."""

    text: str
    muted: str
    card: str
    border: str
    line: str


LIGHT = Theme("#1B2733", "#4A5763", "#FFFFFF", "#C9D2DA", "#66737F")
DARK = Theme("#EEF2F5", "#B9C3CC", "#20272E", "#48545F", "#9BA8B3")


@dataclass(frozen=True)
class Chapter:
    """A card of the map: its number, title in one or two lines, date, and what it computes with."""

    number: str
    title: tuple[str, ...]
    date: str
    kinds: tuple[str, ...] = ()


CHAPTERS = {
    chapter.number: chapter
    for chapter in (
        Chapter("00", ("Words and", "vectors"), "2003 · 2013"),
        Chapter("01", ("RNN",), "1990", ("state",)),
        Chapter("01b", ("Shapes of", "recurrence"), "1997", ("state",)),
        Chapter("02", ("LSTM, GRU,", "SRU"), "1997 · 2014 · 2017", ("state",)),
        Chapter("03", ("Seq2Seq and", "attention"), "2014 · 2015", ("state", "attention")),
        Chapter("03b", ("Attention on", "pictures"), "2015", ("state", "attention")),
        Chapter("04", ("Transformer",), "June 2017", ("attention",)),
        Chapter("05", ("ELMo",), "February 2018", ("state",)),
        Chapter("06", ("GPT",), "June 2018", ("attention",)),
        Chapter("06b", ("Tasks without", "training"), "2019 · 2020", ("attention",)),
        Chapter("07", ("BERT",), "October 2018", ("attention",)),
    )
}
BUILDS_ON = (
    ("00", "01"), ("01", "01b"), ("01", "02"), ("02", "03"), ("03", "03b"), ("03", "04"),
    ("01b", "05"), ("02", "05"), ("04", "06"), ("06", "06b"), ("04", "07"), ("05", "07"),
    ("06", "07"),
)  # fmt: skip
DESCRIPTION = (
    "Chapters 00 to 07 with dates. Words and vectors leads to the RNN (1990); the RNN to shapes of "
    "recurrence and to LSTM (1997), GRU (2014) and SRU (2017); these to Seq2Seq (2014) with "
    "attention (2014, 2015), which leads to attention on pictures and to the Transformer "
    "(June 2017). ELMo (February 2018) builds on LSTM and bidirectional recurrence. GPT "
    "(June 2018) builds on the Transformer and leads to tasks without training. BERT "
    "(October 2018) builds on the Transformer, ELMo and GPT."
)


def svg(width, height, title, description, body):
    """Wrap SVG elements in a titled, described document.

    Shape: width and height in user units; body a list of elements as text.
    """
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" aria-labelledby="title desc" '
            f"font-family={quoteattr(FONT)}>",
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(description)}</desc>',
            *body,
            "</svg>",
            "",
        ]
    )


def text(x, y, content, size, fill, *, weight=400, anchor="start"):
    """One line of text as an SVG element."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{fill}">{escape(content)}</text>'
    )


def arrow_marker(colour, name="arrow", size=5.5):
    """The definition of an arrow head, referred to as url(#name)."""
    return (
        f'<defs><marker id="{name}" viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="{size:g}" '
        f'markerHeight="{size:g}" markerUnits="strokeWidth" orient="auto">'
        f'<path d="M0.5 0.8 L9.5 5 L0.5 9.2 Z" fill="{colour}"/></marker></defs>'
    )


def path(d, colour, width=2.2, *, marker="arrow"):
    """An open curve, ending in an arrow head unless marker is None."""
    end = f' marker-end="url(#{marker})"' if marker else ""
    return (
        f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
        f'stroke-linejoin="round" stroke-linecap="round"{end}/>'
    )


# ---- the chapter map ------------------------------------------------------------------------


def stripe(x, y, height, kinds, theme):
    """The coloured bar at a card's left edge: green for a state, blue for attention, or both."""
    colours = [{"state": STATE, "attention": ATTENTION}[kind] for kind in kinds] or [theme.border]
    part = height / len(colours)
    return [
        f'<rect x="{x:g}" y="{y + i * part:g}" width="7" height="{part:g}" rx="3" fill="{colour}"/>'
        for i, colour in enumerate(colours)
    ]


def card(chapter, x, y, width, height, theme, *, scale=1.0, size=17.5):
    """A chapter's card with number, title and date; its top left corner is at (x, y)."""
    branch = chapter.number.endswith("b")
    dash = ' stroke-dasharray="5 4"' if branch else ""
    left = x + 18 * scale
    elements = [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="10" '
        f'fill="{theme.card}" stroke="{theme.border}" stroke-width="1.6"{dash}/>',
        *stripe(x + 5, y + 9, height - 18, chapter.kinds, theme),
        text(left, y + 25 * scale, chapter.number, 16 * scale, theme.muted, weight=600),
    ]
    for i, line in enumerate(chapter.title):
        baseline = y + (53 + 22 * i) * scale
        elements.append(text(left, baseline, line, size * scale, theme.text, weight=700))
    elements.append(text(left, y + height - 12 * scale, chapter.date, 14.5 * scale, theme.muted))
    return elements


def legend(x, y, theme, *, size, step):
    """What colours, arrows and dashes mean: a row starting at (x, y), step its first column."""
    elements = []
    for dx, kinds, label in (
        (0, ("state",), "carries a hidden state"),
        (step, ("attention",), "attends"),
        (step * 1.52, ("state", "attention"), "both"),
    ):
        elements += stripe(x + dx, y, 18, kinds, theme)
        elements.append(text(x + dx + 14, y + 14, label, size, theme.muted))
    return elements


NOTE = "arrow: builds on · dashed: a side trip"


def wide_map(theme):
    """The landscape map for a text column: one line of chapters, side trips above and below."""
    w, h, step = 162, 122, 187
    columns = [8 + i * step for i in range(5)]
    rows = {"top": 8, "middle": 172, "bottom": 336}
    place = {
        "00": (0, "top"), "01": (0, "middle"), "01b": (0, "bottom"), "02": (1, "middle"),
        "03": (2, "middle"), "03b": (2, "top"), "04": (3, "middle"), "05": (3, "bottom"),
        "06": (4, "middle"), "06b": (4, "top"), "07": (4, "bottom"),
    }  # fmt: skip
    at = {number: (columns[c], rows[r]) for number, (c, r) in place.items()}
    body = [arrow_marker(theme.line)]
    for source, target in BUILDS_ON:
        (xs, ys), (xt, yt) = at[source], at[target]
        if (source, target) == ("04", "07"):  # down the gap between two columns
            d = f"M{xs + w} {ys + 92} h5 q6 0 6 6 V{yt + 26} q0 6 6 6 H{xt - 3}"
        elif (source, target) == ("02", "05"):
            d = f"M{xs + w / 2:g} {ys + h} V{yt + 18} q0 14 14 14 H{xt - 3}"
        elif ys == yt:
            d = f"M{xs + w} {ys + h / 2 + 10:g} H{xt - 3}"
        else:
            start, end = (ys + h, yt - 3) if yt > ys else (ys, yt + h + 3)
            d = f"M{xs + w / 2:g} {start} V{end}"
        body.append(path(d, theme.line))
    for number, (x, y) in at.items():
        body += card(CHAPTERS[number], x, y, w, h, theme)
    width, foot = columns[-1] + w + 8, rows["bottom"] + h + 24
    body += legend(columns[0] + 5, foot, theme, size=15.5, step=204)
    body.append(text(width - 8, foot + 14, NOTE, 15.5, theme.muted, anchor="end"))
    return svg(width, foot + 28, "The chapters and what builds on what", DESCRIPTION, body)


def narrow_map(theme):
    """The portrait map for a phone: the main line down the left, the rest beside it."""
    width, w, h, gap = 390, 158, 92, 26
    left, right, top = 26, 206, 62
    rows = [top + i * (h + gap) for i in range(7)]
    place = {
        "00": (left, 0), "01": (left, 1), "01b": (right, 1), "02": (left, 2), "03": (left, 3),
        "03b": (right, 3), "04": (left, 4), "05": (right, 4), "06": (left, 5), "06b": (right, 5),
        "07": (left, 6),
    }  # fmt: skip
    at = {number: (x, rows[row]) for number, (x, row) in place.items()}
    lane_right, lane_left, r = right + w + 14, 11, 9
    body = [arrow_marker(theme.line)]
    for source, target in BUILDS_ON:
        (xs, ys), (xt, yt) = at[source], at[target]
        out, into = ys + h / 2, yt + h / 2
        if (source, target) == ("04", "07"):
            out, into = ys + 60, yt + 46
            d = (f"M{xs} {out} H{lane_left + r} q{-r} 0 {-r} {r} V{into - r} q0 {r} {r} {r} "
                 f"H{xt - 3}")  # fmt: skip
        elif target == "05":
            out, into = (ys + 46, yt + 30)
            d = (f"M{xs + w} {out} H{lane_right - r} q{r} 0 {r} {r} V{into - r} q0 {r} {-r} {r} "
                 f"H{xt + w + 3}")  # fmt: skip
        elif source == "05":
            out, into = ys + 64, yt + 46
            d = (f"M{xs + w} {out} H{lane_right - r} q{r} 0 {r} {r} V{into - r} q0 {r} {-r} {r} "
                 f"H{xt + w + 3}")  # fmt: skip
        elif ys == yt:
            d = f"M{xs + w} {out:g} H{xt - 3}"
        else:
            d = f"M{xs + w / 2:g} {ys + h} V{yt - 3}"
        body.append(path(d, theme.line, 1.8))
    for number, (x, y) in at.items():
        body += card(CHAPTERS[number], x, y, w, h, theme, scale=0.84, size=18)
    body += legend(31, 8, theme, size=14, step=190)
    body.append(text(31, 46, NOTE, 14, theme.muted))
    height = rows[-1] + h + 16
    return svg(width, height, "The chapters and what builds on what", DESCRIPTION, body)


# ---- the timeline of the epilogue -----------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """A model of the epilogue: the year and month of its first paper, and what it computes with."""

    names: str
    year: int
    month: int | None
    kinds: tuple[str, ...]

    @property
    def time(self):
        """The date as a number of years; the middle of the year where no month is given."""
        return self.year + ((self.month - 0.5) / 12 if self.month else 0.5)

    @property
    def date(self):
        """The date in words, such as "June 2017"."""
        return f"{MONTHS[self.month]} {self.year}" if self.month else str(self.year)


MONTHS = {2: "Feb", 5: "May", 6: "June", 9: "Sept", 10: "Oct", 11: "Nov"}
MODELS = (
    Model("RNN", 1990, None, ("state",)),
    Model("LSTM", 1997, 11, ("state",)),
    Model("GRU, Seq2Seq", 2014, 6, ("state",)),
    Model("attention", 2014, 9, ("state", "attention")),
    Model("Transformer", 2017, 6, ("attention",)),
    Model("SRU", 2017, 9, ("state",)),
    Model("ELMo", 2018, 2, ("state",)),
    Model("GPT-1", 2018, 6, ("attention",)),
    Model("BERT", 2018, 10, ("attention",)),
    Model("GPT-2", 2019, 2, ("attention",)),
    Model("GPT-3", 2020, 5, ("attention",)),
)
ENLARGED = 2014  # from this year on the models stand on the second axis
TIMELINE = (
    "Twelve models on an axis of time: "
    + ", ".join(f"{model.names} ({model.date})" for model in MODELS)
    + ". Green carries a hidden state, blue attends, attention with an encoder does both."
)


def dot(x, y, kinds, theme, radius=6):
    """A point of time in the colour of what the model computes with; two halves for both."""
    colours = [{"state": STATE, "attention": ATTENTION}[kind] for kind in kinds]
    body = [f'<circle cx="{x:g}" cy="{y:g}" r="{radius + 2}" fill="{theme.card}"/>']
    body.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius}" fill="{colours[0]}"/>')
    if len(colours) > 1:
        d = f"M{x:g} {y - radius:g} a{radius} {radius} 0 0 1 0 {2 * radius} Z"
        body.append(f'<path d="{d}" fill="{colours[1]}"/>')
    return body


def axis(place, first, last, step, theme):
    """A line of time from one year to another with ticks; place(time) is a point (x, y)."""
    (x1, y1), (x2, y2) = place(first), place(last + 0.6)
    body = [path(f"M{x1:g} {y1:g} L{x2:g} {y2:g}", theme.line, 1.8, marker=None)]
    for year in range(first, last + 1, step):
        x, y = place(year)
        body.append(path(f"M{x:g} {y - 4:g} V{y + 4:g}", theme.line, 1.8, marker=None))
        body.append(text(x, y + 20, str(year), 13.5, theme.muted, anchor="middle"))
    return body


def timeline_wide(theme):
    """The timeline for a text column: thirty years above, the last six enlarged below."""
    left, right, top, low = 24, 916, 62, 206

    def above(time):
        return left + (right - left) * (time - 1990) / 30.6, top

    def below(time):
        return left + (right - left) * (time - ENLARGED) / 6.6, low

    x1, x2 = above(ENLARGED)[0], above(2020.6)[0]
    body = [
        f'<path d="M{x1:g} {top + 9} H{x2:g} L{right} {low - 62} H{left} Z" '
        f'fill="{theme.border}" opacity="0.28"/>',
        *axis(above, 1990, 2020, 5, theme),
        *axis(below, ENLARGED, 2020, 1, theme),
    ]
    for i, model in enumerate(MODELS):
        x, y = above(model.time)
        body += dot(x, y, model.kinds, theme)
        lift = -34
        if model.year >= ENLARGED:
            (x, y), lift = below(model.time), (-34 if i % 2 == 0 else 52)
            stem = f"M{x:g} {y + (-9 if lift < 0 else 26)} V{y + (-14 if lift < 0 else 35)}"
            body += [path(stem, theme.line, 1.4, marker=None), *dot(x, y, model.kinds, theme)]
        body.append(text(x, y + lift, model.names, 16, theme.text, weight=700, anchor="middle"))
        body.append(text(x, y + lift + 16, model.date, 13.5, theme.muted, anchor="middle"))
    body += legend(left, low + 92, theme, size=15.5, step=204)
    return svg(940, low + 118, "Twelve models in thirty years", TIMELINE, body)


def timeline_narrow(theme):
    """The timeline for a phone: downwards, 2014 to 2020 to scale, the two older models on top."""
    x, first, scale = 96, 182, 72

    def place(time):
        return x, first + scale * (time - ENLARGED)

    body, end = legend(12, 6, theme, size=14, step=190), place(2020.6)[1]
    body.append(path(f"M{x} 52 V{first - 40}", theme.line, 1.8, marker=None))
    gap = f"M{x} {first - 36} V{first - 4}"
    body.append(path(gap, theme.line, 1.8, marker=None).replace("/>", ' stroke-dasharray="2 6"/>'))
    body.append(path(f"M{x} {first} V{end:g}", theme.line, 1.8, marker=None))
    for i, model in enumerate(MODELS):
        y = 72 + 54 * i if model.year < ENLARGED else place(model.time)[1]
        body += dot(x, y, model.kinds, theme)
        body.append(text(x - 16, y + 5, model.date, 13.5, theme.muted, anchor="end"))
        body.append(text(x + 18, y + 5.5, model.names, 16, theme.text, weight=700))
    return svg(360, round(end) + 10, "Twelve models in thirty years", TIMELINE, body)


# ---- logo and favicon -----------------------------------------------------------------------


def chain_to_arcs(xs, y, radius, theme):
    """Nodes in a row: the first half chained by arrows, the last one attending to all others."""
    body, half = [], len(xs) // 2
    for i in range(half):
        d = f"M{xs[i] + radius + 1:g} {y} H{xs[i + 1] - radius - 2:g}"
        body.append(path(d, STATE, 2.6, marker="state"))
    weights = (0.30, 0.45, 0.6, 0.8, 1.0)
    for x, weight in zip(xs[:-1], weights, strict=True):
        rise = 0.62 * (xs[-1] - x) ** 0.82 + 12
        d = (f"M{xs[-1]:g} {y - radius - 1} C{xs[-1]:g} {y - radius - rise:.1f} {x:g} "
             f"{y - radius - rise:.1f} {x:g} {y - radius - 1}")  # fmt: skip
        body.append(
            f'<path d="{d}" fill="none" stroke="{ATTENTION}" stroke-width="{1 + 2.2 * weight:.1f}" '
            f'stroke-linecap="round" opacity="{weight:g}"/>'
        )
    for i, x in enumerate(xs):
        colour = STATE if i < half else ATTENTION
        body.append(f'<circle cx="{x:g}" cy="{y}" r="{radius}" fill="{colour}"/>')
    return body


def logo(theme):
    """The logo: an unrolled chain that turns into attention arcs, over the book's title."""
    body = [arrow_marker(STATE, "state", 4)]
    body += chain_to_arcs([28 + 40.8 * i for i in range(6)], 78, 10, theme)
    body.append(text(130, 122, "From RNN to BERT", 23, theme.text, weight=700, anchor="middle"))
    description = (
        "A chain of circles linked by arrows turns into a row joined by arcs: from recurrence to "
        "attention."
    )
    return svg(260, 138, "From RNN to BERT", description, body)


def favicon():
    """The favicon: two chained nodes and an arc to a third, on a dark tile."""
    body = [
        '<rect width="32" height="32" rx="7" fill="#14202B"/>',
        f'<path d="M26 19 C26 4 6 4 6 19" fill="none" stroke="{ATTENTION}" stroke-width="2.6"/>',
        f'<path d="M26 19 C26 11 16 11 16 19" fill="none" stroke="{ATTENTION}" '
        'stroke-width="2.6"/>',
        f'<path d="M6 22 H16" stroke="{STATE}" stroke-width="2.6"/>',
        '<circle cx="6" cy="22" r="4" fill="#2FC496"/>',
        '<circle cx="16" cy="22" r="4" fill="#2FC496"/>',
        '<circle cx="26" cy="22" r="4" fill="#4DB2E4"/>',
    ]
    return svg(32, 32, "From RNN to BERT", "Three nodes, a chain and two attention arcs.", body)


# ---- files ----------------------------------------------------------------------------------


def drawings():
    """Every file's name and content: dict of name to SVG text."""
    return {
        "logo.svg": logo(LIGHT),
        "logo-dark.svg": logo(DARK),
        "favicon.svg": favicon(),
        "chapter_map.svg": wide_map(LIGHT),
        "chapter_map_dark.svg": wide_map(DARK),
        "chapter_map_narrow.svg": narrow_map(LIGHT),
        "chapter_map_narrow_dark.svg": narrow_map(DARK),
        "timeline.svg": timeline_wide(LIGHT),
        "timeline_dark.svg": timeline_wide(DARK),
        "timeline_narrow.svg": timeline_narrow(LIGHT),
        "timeline_narrow_dark.svg": timeline_narrow(DARK),
    }


def main(arguments=None):
    """Write the drawings, or with --check report those that are missing or out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--folder", type=Path, default=STATIC, help="where the files go")
    options = parser.parse_args(arguments)
    if options.check:
        stale = [
            name
            for name, content in drawings().items()
            if not (options.folder / name).is_file()
            or (options.folder / name).read_text(encoding="utf-8") != content
        ]
        if stale:
            print(f"out of date: {', '.join(stale)}; run python tools/draw_book_art.py")
        return 1 if stale else 0
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, content in drawings().items():
        write_whole(options.folder / name, content)
    return 0


if __name__ == "__main__":
    sys.exit(main())

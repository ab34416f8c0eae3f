"""Sphinx extension of this book: a site that loads nothing from elsewhere.

* MathJax is copied from the sphinx-mathjax-offline package, only the files a page can ask for.
* sphinx-thebe, which Jupyter Book always loads, is taken out: it names a CDN on every page.
* Repository and launch buttons appear when ``repository: url:`` in ``_config.yml`` is filled.
* The output of a cell tagged ``live-only`` is replaced by a note, since a slider needs a kernel.
* What axe-core objects to in the theme's markup is put right in the finished HTML.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.util.fileutil import copy_asset

MATHJAX_FOLDER = "vendor/mathjax"
# tex-svg.js holds TeX input and SVG output; it fetches rarer TeX commands from this folder.
MATHJAX_FILES = ("tex-svg.js", "input/tex/extensions")
MATHJAX_LICENCE = Path(__file__).with_name("mathjax-LICENSE.txt")  # the package brings none
LIVE_ONLY_NOTE = "Run this notebook live to play with it: this figure needs Python behind it."


def configure_buttons(app, config) -> None:
    """Show repository and launch buttons if a repository is named, none of them otherwise."""
    options = config.html_theme_options
    named = bool((options.get("repository_url") or "").strip())
    for button in ("repository", "issues", "edit_page"):
        options[f"use_{button}_button"] = named
    if not named:
        options.pop("repository_url", None)
        options["launch_buttons"] = {}


def remove_thebe(app, config) -> None:
    """Disconnect sphinx-thebe: its scripts name a CDN, and the second one is a syntax error."""
    for name, listeners in app.events.listeners.items():
        app.events.listeners[name] = [
            listener for listener in listeners if listener.handler.__module__ != "sphinx_thebe"
        ]
    app.registry.css_files = [
        (name, attributes)
        for name, attributes in app.registry.css_files
        if name != "sphinx-thebe.css"
    ]


def replace_live_only(app, doctree) -> None:
    """Replace the outputs of cells tagged ``live-only`` by a note."""
    for cell in list(doctree.findall(nodes.container)):
        if "tag_live-only" not in cell.get("classes", []):
            continue
        outputs = [
            child
            for child in cell.children
            if isinstance(child, nodes.container) and "cell_output" in child.get("classes", [])
        ]
        for child in outputs:
            cell.remove(child)
        note = nodes.note(classes=["live-only-note"])
        note += nodes.paragraph(text=LIVE_ONLY_NOTE)
        cell += note


def mathjax_source() -> Path:
    """Return the folder of MathJax files that sphinx-mathjax-offline installed."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise RuntimeError("sphinx-mathjax-offline is missing: pip install -r requirements.txt")
    return Path(spec.origin).parent / "static" / "mathjax"


def copy_mathjax(app, exception) -> None:
    """Copy the MathJax files the pages can ask for, and their licence, into the site."""
    if exception is not None or app.builder.format != "html":
        return
    source = mathjax_source()
    target = Path(app.outdir) / "_static" / MATHJAX_FOLDER
    for name in MATHJAX_FILES:
        destination = (target / name) if (source / name).is_dir() else (target / name).parent
        destination.mkdir(parents=True, exist_ok=True)
        copy_asset(str(source / name), str(destination))
    (target / "input/tex/extensions/all-packages.js").unlink(missing_ok=True)
    shutil.copyfile(MATHJAX_LICENCE, target / "LICENSE")


def remove_unused_assets(app, exception) -> None:
    """Leave out of the site what no page loads: source maps and translations."""
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    for path in static.rglob("*.map"):
        path.unlink()
    shutil.rmtree(static / "locales", ignore_errors=True)


# What axe-core finds in the theme's templates, and the cure: a label must contain the visible text,
# and all content must lie in a landmark.
MARKUP_FIXES = (
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    (
        re.compile(r'(<button class="btn search-button-field[^>]*?) aria-label="Search"'),
        r"\1",
    ),
    (
        re.compile(r'(<i class="theme-switch [^>]*?data-mode="\w+")\s+title="[^"]*"'),
        r'\1 aria-hidden="true"',
    ),
    (
        re.compile(r'(<div class="citation" id="[^"]*") role="doc-biblioentry"'),
        r'\1 role="listitem"',
    ),
    (
        re.compile(r'<div id="pst-primary-sidebar" '),
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Book" ',
    ),
)


def fix_markup(app, exception) -> None:
    """Apply MARKUP_FIXES to every finished page."""
    if exception is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        fixed = page
        for pattern, replacement in MARKUP_FIXES:
            fixed = pattern.sub(replacement, fixed)
        if fixed != page:
            path.write_text(fixed, encoding="utf-8")


def setup(app):
    """Connect the handlers above."""
    app.connect("config-inited", configure_buttons, priority=100)
    app.connect("config-inited", remove_thebe, priority=100)
    app.connect("doctree-read", replace_live_only)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", fix_markup)
    app.connect("build-finished", remove_unused_assets)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

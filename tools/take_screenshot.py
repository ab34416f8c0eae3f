"""Take the README's picture of chapter 01 from the built book: `.venv/bin/python <this file>`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from nlp_helpers.files import write_whole  # noqa: E402
from tools.chromium import launched  # noqa: E402

PAGE = ROOT / "_build" / "html" / "notebooks" / "01_rnn.html"
PICTURE = ROOT / "book" / "_static" / "screenshot.png"
WIDTH, HEIGHT, MAX_BYTES = 1200, 900, 300_000


def picture_of(page_file: Path) -> bytes:
    """Return a PNG of the page where the reader has stepped through the hello network.

    Raises: FileNotFoundError if the page has not been built.
    """
    if not page_file.is_file():
        raise FileNotFoundError(f"{page_file} is missing: run `make book`")
    with launched() as browser:
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT},
            color_scheme="light",
            reduced_motion="reduce",
        )
        page.goto(page_file.as_uri())
        page.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => true)")
        figure = page.locator('[data-explorable="hello-stepper"] .nlpx-live')
        figure.get_by_label("Time step t").press("End")
        page.evaluate("document.activeElement.blur()")
        figure.evaluate("node => scrollTo(0, node.getBoundingClientRect().top + scrollY - 75)")
        taken = page.screenshot(animations="disabled")
    small = io.BytesIO()
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        small, "PNG", optimize=True
    )
    return small.getvalue()


def main() -> None:
    """Write the picture, whole or not at all."""
    picture = picture_of(PAGE)
    if len(picture) > MAX_BYTES:
        raise SystemExit(f"the picture takes {len(picture):,} bytes, the limit is {MAX_BYTES:,}")
    write_whole(PICTURE, picture)
    print(f"{PICTURE.relative_to(ROOT)}: {len(picture):,} bytes")


if __name__ == "__main__":
    main()

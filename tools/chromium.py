"""Chromium as the browser tests and the README's picture use it: Debian's, quiet, and offline."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The same names, in the same order, as tools/install_browser.sh looks for.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-default-browser-check",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    # A page that asks another host gets an error at once, here and on a machine with a network.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def find_chromium() -> str:
    """Return the path of a Chromium.

    Raises: FileNotFoundError, saying what to run, if there is none.
    """
    for name in (os.environ.get("CHROMIUM"), *NAMES):
        path = shutil.which(name) if name else None
        if path:
            return path
    raise FileNotFoundError(
        "no Chromium is installed: run `make test`, which installs what the tests need, "
        "or set CHROMIUM=/path/to/chrome"
    )


@contextmanager
def launched() -> Iterator[Browser]:
    """Start Chromium, and close it at the end.

    Raises: FileNotFoundError if there is none.
    """
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()

"""The built book as the tests use it: made by the Makefile, at most once, served from 127.0.0.1."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

INSTALLED = ".venv/.installed"
ENV = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL")}


def make(root: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    """Run the Makefile with this Python's tools, taking the environment as installed."""
    tools = Path(sys.executable).parent
    command = ["make", "-o", INSTALLED, f"BIN={tools}", *arguments]
    return subprocess.run(command, cwd=root, env=ENV, capture_output=True, text=True, **options)


def pages_of(site: Path) -> list[Path]:
    """Return the finished pages (not the templates that themes leave in _static)."""
    return sorted(p for p in site.rglob("*.html") if "_static" not in p.relative_to(site).parts)


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP from a thread; yields its address, with a slash at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

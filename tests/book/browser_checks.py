"""What the browser tests ask of a page; each check returns what is wrong, in words."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, Request

LOCAL_SCHEMES = ("data:", "blob:", "about:")
SERIOUS = ("serious", "critical")

READY = """async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  await document.fonts.ready;
  const broken = [];
  for (const image of document.images) {
    image.loading = "eager";
    try { await image.decode(); } catch { broken.push(`broken picture: ${image.src}`); }
  }
  return broken;
}"""

# What lies behind the right edge, a box or a text, unless an ancestor scrolls or cuts it.
TOO_WIDE = """() => {
  const root = document.scrollingElement;
  const limit = root.clientWidth + 1;
  if (root.scrollWidth <= limit) return [];
  const inside = (node) => {
    for (let up = node.parentElement; up && up !== document.body; up = up.parentElement) {
      if (getComputedStyle(up).overflowX !== "visible") return true;
    }
    return false;
  };
  const name = (node) => node.tagName.toLowerCase() + (node.id ? "#" + node.id : "")
    + [...node.classList].map((one) => "." + one).join("");
  const end = (node) => {
    const box = node.getBoundingClientRect();
    const text = getComputedStyle(node).overflowX === "visible" ? box.left + node.scrollWidth : 0;
    return scrollX + Math.max(box.right, text);
  };
  const wide = [...document.body.querySelectorAll("*")]
    .filter((node) => end(node) > limit && !inside(node));
  return [`${root.scrollWidth} px in ${root.clientWidth}: ` + wide.slice(-5).map(name).join(", ")];
}"""

MATH = r"""() => {
  const problems = [];
  for (const source of document.querySelectorAll("span.math, div.math")) {
    const drawn = source.querySelector("mjx-container[jax=SVG] svg");
    if (!drawn) problems.push(`not typeset: ${source.textContent.trim().slice(0, 80)}`);
    else if (drawn.getBoundingClientRect().height < 3) problems.push("an equation without height");
    else if (source.matches("div")) {
      const lefts = [...drawn.querySelectorAll("use, rect")]
        .map((node) => node.getBoundingClientRect())
        .filter((box) => box.width > 0)
        .map((box) => box.left);
      if (Math.min(...lefts) < source.getBoundingClientRect().left - 1) {
        problems.push(`cut at its beginning: ${source.textContent.trim().slice(0, 80)}`);
      }
    }
  }
  const wrong = "[data-mml-node=merror], [data-mjx-error], mjx-merror, merror";
  for (const error of document.querySelectorAll(wrong)) {
    problems.push(`math error: ${error.getAttribute("data-mjx-error") || error.textContent}`);
  }
  for (const text of document.querySelectorAll("mjx-assistive-mml mtext")) {
    if (/^\\[a-zA-Z]/.test(text.textContent)) problems.push(`no such command: ${text.textContent}`);
  }
  if (document.body.innerText.includes("Math input error")) problems.push("Math input error");
  return problems;
}"""

# Equations that must be scrolled to be read, while all details are open.
LONG = """() => [...document.querySelectorAll("div.math")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => `equation wider than the page: ${box.textContent.slice(0, 60)}`)"""

# The numbers on the right; MathJax repeats each equation as MathML for screen readers.
TAGS = """() => [...document.querySelectorAll("mjx-assistive-mml mlabeledtr > mtd:first-child")]
  .filter((tag) => tag.closest("mjx-container").querySelector("[data-mml-node=mlabeledtr]"))
  .map((tag) => tag.textContent)"""

AXE = """async () => {
  const found = await axe.run(document, { preload: false, resultTypes: ["violations"] });
  return found.violations.flatMap(({ id, impact, nodes }) => nodes.map((node) =>
    [impact, `${id} at ${node.target.join(" ")}: ` +
      node.failureSummary.replace(/\\s+/g, " ").slice(0, 300)]));
}"""


class Watch:
    """Writes down what goes wrong while a page lives, and every address it asks for.

    `home` is where the book is: a file: address of its folder or http://127.0.0.1:port/.
    """

    def __init__(self, page: Page, home: str):
        self.home = home
        self.problems: list[str] = []
        self.requests: list[Request] = []
        self.outside: list[str] = []
        page.on("request", self._request)
        page.on("websocket", lambda socket: self._leave(socket.url))
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("console", self._console)
        page.on("requestfailed", lambda r: self.problems.append(f"failed: {r.url} ({r.failure})"))
        page.on("response", self._response)

    def _request(self, request: Request) -> None:
        self.requests.append(request)
        if not request.url.startswith((self.home, *LOCAL_SCHEMES)):
            self._leave(request.url)

    def _leave(self, address: str) -> None:
        self.outside.append(address)
        self.problems.append(f"asks elsewhere: {address}")

    def _console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text}")

    def _response(self, response) -> None:
        if response.status >= 400:
            self.problems.append(f"status {response.status}: {response.url}")

    def loaded_bytes(self) -> int:
        """Return the bytes of everything that has been loaded, as sent by the server."""
        responses = [request.response() for request in self.requests]
        return sum(len(response.body()) for response in responses if response is not None)


def visit(page: Page, address: str) -> list[str]:
    """Open a page, wait for equations, fonts and pictures; returns the pictures that are broken."""
    page.goto(address)
    return page.evaluate(READY)


def too_wide(page: Page) -> list[str]:
    """Return what makes the page scroll sideways."""
    return page.evaluate(TOO_WIDE)


def math_problems(page: Page) -> list[str]:
    """Return equations that are not drawn, or drawn as an error."""
    return page.evaluate(MATH)


def long_equations(page: Page) -> list[str]:
    """Return equations that are wider than the text: their end is not seen without scrolling."""
    return page.evaluate(LONG)


def equation_tags(page: Page) -> list[str]:
    """Return the numbers beside the equations, such as "(1)", in their order."""
    return page.evaluate(TAGS)


def find_axe(root: Path) -> Path:
    """Return the path of axe-core's script.

    Raises: FileNotFoundError, saying what to run, if it is not installed.
    """
    path = root / ".cache" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        raise FileNotFoundError(
            f"axe-core is missing ({path}): run `make test`, which installs what the tests need"
        )
    return path


def axe_violations(page: Page, axe: Path) -> dict[str, list[str]]:
    """Return what axe-core objects to, by impact."""
    page.add_script_tag(path=axe)
    found: dict[str, list[str]] = {}
    for impact, words in page.evaluate(AXE):
        found.setdefault(impact, []).append(words)
    return found

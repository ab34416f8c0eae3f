"""What every explorable owes its readers, checked in a page: names, focus, width, contrast."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.explorables.test_browser import CONTRASTS, THEMES, pydata_css

_NAMELESS = """nodes => nodes.filter(node => !(node.getAttribute("aria-label")
  || [...(node.labels || [])].some(label => label.textContent.trim())
  || (node.matches("button") && node.textContent.trim())
  || (node.matches("fieldset") && node.querySelector("legend").textContent.trim())))
  .map(node => node.outerHTML)"""
_DANGLING = """() => [...document.querySelectorAll("[for],[aria-describedby],[aria-labelledby]")]
  .flatMap(node => ["for", "aria-describedby", "aria-labelledby"]
    .map(name => node.getAttribute(name)).filter(Boolean))
  .filter(id => !document.getElementById(id))"""
_STOP = """() => {
  const node = document.activeElement;
  if (!node.closest(".nlpx")) return null;
  const shown = node.matches(".nlpx-choice input") ? node.nextElementSibling
    : node.matches("g") ? node.querySelector("rect") : node;
  const style = getComputedStyle(shown);
  const ring = style.outlineStyle !== "none" ? parseFloat(style.outlineWidth) : 0;
  const stroke = node.matches("g") ? parseFloat(style.strokeWidth) : 0;
  return [node.tagName + "." + (node.getAttribute("class") || node.type), Math.max(ring, stroke)];
}"""
_CONTROLS = (
    "button, input, select, [role=button], [role=img], [role=group], [role=region], fieldset"
)


def problems_of_names(page: Page) -> list[str]:
    """Controls without a name, and references to ids that are not there."""
    controls = page.locator(".nlpx-live").locator(_CONTROLS)
    assert controls.count() > 5
    return controls.evaluate_all(_NAMELESS) + page.evaluate(_DANGLING)


def tab_stops(page: Page) -> list[tuple[str, float]]:
    """What the tab key reaches, each with the width of the line that shows its focus."""
    stops = []
    for _ in range(60):
        page.keyboard.press("Tab")
        stop = page.evaluate(_STOP)
        if stop is None:
            break
        stops.append(tuple(stop))
    return stops


def theme_options(theme: str) -> dict:
    """The arguments of `open_page` for one of THEMES."""
    options = dict(THEMES[theme])
    if options.pop("pydata", False):
        options["head"] = pydata_css()
    return options


def contrasts(page: Page) -> list:
    """[ratio, text, class] of every visible text."""
    return page.evaluate(CONTRASTS)

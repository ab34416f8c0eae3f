"""The finished book in a real browser: from a folder and from a server, by mouse and keyboard."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect

from nlp_helpers.decoding import next_token_distribution
from nlp_helpers.explorables.alignment import verdict
from nlp_helpers.explorables.attention_mask import allowed_pairs, mask_steps
from nlp_helpers.explorables.beam_tree import hypotheses, per_token, probability
from nlp_helpers.explorables.gate_traces import label
from nlp_helpers.explorables.gradient_lag import gradient_norms
from nlp_helpers.explorables.hello_stepper import forward
from nlp_helpers.explorables.masking import Masking
from nlp_helpers.scaling import fit_power_law
from tests.book import browser_checks
from tests.book.browser_checks import Watch, axe_violations, find_axe, too_wide, visit
from tests.book.built_site import pages_of, served
from tools import chromium

CONTENTS = Path(__file__).resolve().parents[2] / "_toc.yml"
CHAPTERS = re.findall(r"- file: (notebooks/\S+)", CONTENTS.read_text(encoding="utf-8"))
FIRST = CHAPTERS[0]
LANDING = "book/intro"
PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"  # a GIF of one pixel
# a figure higher than the window is photographed in a higher window, into which these would slide
NOTHING_OVER_IT = ".bd-header-article, .skip-link, #pst-back-to-top {visibility: hidden}"
SIZES = {"desk": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="session")
def homes(site) -> Iterator[dict[str, str]]:
    """Where the book is: in a folder, and behind a server. Both addresses end with a slash."""
    with served(site) as address:
        yield {"file": f"{site.as_uri()}/", "http": address}


@pytest.fixture(scope="session")
def axe(root) -> Path:
    try:
        return find_axe(root)
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def screenshots(root) -> Path:
    """An empty folder for pictures of this run."""
    folder = root / "_build" / "screenshots"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def new_page(browser: Browser, homes) -> Iterator[Callable[..., tuple[Page, Watch]]]:
    """Open pages of one's own profile; at the end none of them may have had a problem."""
    opened: list[tuple[Page, Watch]] = []

    def open_page(home: str = "file", size: str = "desk", **options) -> tuple[Page, Watch]:
        width, height = SIZES[size]
        page = browser.new_page(viewport={"width": width, "height": height}, **options)
        page.set_default_timeout(10_000)
        page.set_default_navigation_timeout(60_000)  # a busy machine must not fail a test
        opened.append((page, Watch(page, homes.get(home, home))))
        return opened[-1]

    yield open_page
    for page, _ in opened:
        page.close()
    assert [problem for _, watch in opened for problem in watch.problems] == []


@pytest.fixture
def chapter(request, new_page, homes) -> Page:
    """The first chapter, or the one that a test is given by `every_chapter` or `only_in`."""
    name = getattr(request, "param", FIRST)
    page, _ = new_page()
    assert visit(page, f"{homes['file']}{name}.html") == []
    return page


every_chapter = pytest.mark.parametrize("chapter", CHAPTERS, indirect=True)


def numbered(number: str) -> str:
    """Return the name of a chapter: "02" -> "notebooks/02_lstm_gru_sru", "02" if there is none."""
    return next((name for name in CHAPTERS if Path(name).name.startswith(f"{number}_")), number)


def only_in(number: str) -> pytest.MarkDecorator:
    """Give a test the one chapter whose explorables it operates."""
    return pytest.mark.parametrize("chapter", [numbered(number)], indirect=True)


def source_of(root: Path, page: Page) -> nbformat.NotebookNode:
    """The notebook that a chapter's page was made of."""
    return nbformat.read(root / "notebooks" / f"{Path(page.url).stem}.ipynb", as_version=4)


def names(site: Path) -> list[str]:
    """Every page but the root's index.html, which only leads on to the landing page."""
    found = [path.relative_to(site).as_posix() for path in pages_of(site)]
    return [name for name in found if name != "index.html"]


# ---- every page ----


@pytest.mark.parametrize("home", ["file", "http"])
def test_every_page_is_quiet_typeset_and_asks_nobody_else(
    new_page, homes, site, home, capsys, record_property
):
    problems, outside, sizes = {}, 0, {}
    for name in names(site):
        page, watch = new_page(home)
        found = visit(page, homes[home] + name) + browser_checks.math_problems(page)
        problems[name] = found + watch.problems
        outside += len(watch.outside)
        if home == "http":
            sizes[name] = (watch.loaded_bytes(), len(watch.requests))
        watch.problems.clear()  # told here, with the page's name
        page.close()
    assert len(problems) >= 8
    assert {name: found for name, found in problems.items() if found} == {}
    assert outside == 0
    for name in CHAPTERS if sizes else []:
        loaded, requests = sizes[f"{name}.html"]
        record_property(f"{name}_bytes", loaded)
        record_property("outside_requests", outside)
        with capsys.disabled():
            print(f"\n{name}: {loaded:,} bytes in {requests} requests, {outside} elsewhere")
        assert 100_000 < loaded < 7_000_000  # 15 figures and four explorables in chapter 04


def test_every_notebook_of_the_contents_is_a_chapter_here(toc):
    assert [name for name in toc if name.startswith("notebooks/")] == CHAPTERS


@every_chapter
def test_all_equations_of_a_chapter_have_their_numbers(chapter, root):
    cells = source_of(root, chapter).cells
    text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    wanted = [f"({number})" for number in re.findall(r"\\tag\{(\w+)\}", text)]
    assert wanted[:3] == ["(1)", "(2)", "(3)"]
    assert browser_checks.equation_tags(chapter) == wanted


@pytest.mark.parametrize("size", SIZES)
def test_no_page_scrolls_sideways_in_either_theme(new_page, homes, site, size):
    wide = {}
    for name in names(site):
        page, _ = new_page(size=size, color_scheme="light")
        visit(page, homes["file"] + name)
        wide[name] = too_wide(page)
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        use(page)
        wide[name] += browser_checks.long_equations(page) if size == "desk" else []
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)  # the book follows the system
            expect(page.locator("html")).to_have_attribute("data-theme", scheme)
            wide[name] += too_wide(page) + browser_checks.math_problems(page)
        page.close()
    assert {name: found for name, found in wide.items() if found} == {}


# ---- finding one's way ----


SEARCHED = {
    "vanishing gradient": "01",
    "forget gate": "02",
    "beam search": "03",
    "positional encoding": "04",
}


@pytest.mark.parametrize(
    ("words", "home"), [*((words, "file") for words in SEARCHED), ("vanishing gradient", "http")]
)
def test_search_finds_the_chapter(new_page, homes, root, home, words):
    name = numbered(SEARCHED[words])
    page, watch = new_page(home)
    visit(page, f"{homes[home]}{LANDING}.html")
    page.keyboard.press("Control+k")
    box = page.locator("input[type=search]:visible")
    expect(box).to_be_focused()
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search\.html\?q=" + words.replace(" ", r"\+")))
    expect(page.locator("#search-results")).to_contain_text("found")
    page.locator(f'#search-results ul.search li a[href*="{name}.html"]').first.click()
    expect(page).to_have_url(re.compile(re.escape(f"{name}.html")))
    title = source_of(root, page).cells[0].source.splitlines()[0]
    expect(page.locator(".bd-article h1")).to_contain_text(title.removeprefix("# "))
    assert page.evaluate(browser_checks.READY) == []
    assert watch.outside == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_index_leads_to_the_landing_page_and_on_to_the_chapter(new_page, homes, name):
    page, _ = new_page()
    page.goto(f"{homes['file']}index.html")
    page.wait_for_url(f"**/{LANDING}.html")
    page.get_by_role("navigation").locator(f'a[href*="{Path(name).name}"]').first.click()
    page.wait_for_url(f"**/{name}.html", wait_until="commit")


def test_the_theme_switch_works_by_keyboard_and_is_remembered(chapter):
    shown = chapter.locator("html")
    button = chapter.locator(".theme-switch-button:visible")
    paper = "getComputedStyle(document.body).backgroundColor"
    expect(shown).to_have_attribute("data-theme", "light")
    light = chapter.evaluate(paper)
    button.focus()
    chapter.keyboard.press("Enter")
    expect(shown).to_have_attribute("data-theme", "dark")
    expect(button).to_be_focused()
    assert chapter.evaluate(paper) != light
    chapter.reload()
    expect(shown).to_have_attribute("data-theme", "dark")
    button.focus()
    chapter.keyboard.press("Space")
    expect(shown).to_have_attribute("data-theme", "light")
    expect(button).to_be_focused()
    assert chapter.evaluate(paper) == light


def test_the_sidebar_closes_and_opens_by_mouse_and_keyboard(chapter):
    toggle = chapter.locator("button.primary-toggle:visible")
    sidebar = chapter.locator("#pst-primary-sidebar")
    text = chapter.locator(".bd-article")
    narrow = text.bounding_box()["x"]
    expect(sidebar).to_be_visible()
    toggle.click()
    expect(sidebar).to_be_hidden()
    chapter.wait_for_function(
        "left => document.querySelector('.bd-article').getBoundingClientRect().x < left - 50",
        arg=narrow,
    )  # the room it took goes to the text
    toggle.focus()
    chapter.keyboard.press("Enter")
    expect(sidebar).to_be_visible()
    expect(sidebar.get_by_role("link", name=re.compile("^How to"))).to_be_in_viewport()


def test_the_sidebar_of_a_phone_opens_and_closes_with_escape(new_page, homes):
    page, _ = new_page(size="phone", reduced_motion="reduce")
    visit(page, f"{homes['file']}{FIRST}.html")
    top = page.locator("nav.bd-links a.reference").first
    expect(top).not_to_be_in_viewport()
    page.locator("button.primary-toggle:visible").click()
    expect(top).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(top).not_to_be_in_viewport()
    page.locator("button.primary-toggle:visible").focus()
    page.keyboard.press("Enter")
    expect(top).to_be_in_viewport()
    page.get_by_role("link", name="Glossary").first.click()
    page.wait_for_url("**/book/glossary.html")


@every_chapter
def test_hidden_cells_open_by_mouse_and_keyboard(chapter, root):
    tagged = [(c.metadata.get("tags", []), c.source) for c in source_of(root, chapter).cells]
    for tag in ("solution", "hide-input"):
        sources = [source for tags, source in tagged if tag in tags]
        cells = chapter.locator(f".cell.tag_{tag}").filter(has=chapter.locator("details"))
        assert cells.count() == len(sources) >= 3, tag
        assert cells.locator("details[open]").count() == 0, tag
        for cell, source, key in zip(cells.all(), sources, (None, "Enter", "Space"), strict=False):
            summary = cell.locator("summary")
            code = cell.locator("details .cell_input pre").first
            expect(code).to_be_hidden()
            if key:
                summary.focus()
                chapter.keyboard.press(key)
            else:
                summary.click()
            expect(code).to_be_visible()
            assert code.inner_text().split() == source.split()
            expect(summary).to_contain_text("Hide")
            summary.press("Enter")
            expect(code).to_be_hidden()


# ---- explorables: operated as in the page, checked against Python ----


def named(page: Page) -> list[str]:
    """The names of a page's explorables."""
    return page.locator("[data-explorable]").evaluate_all(
        "all => all.map(n => n.dataset.explorable)"
    )


def explorable(page: Page, name: str) -> Locator:
    assert named(page).count(name) == 1, f"{page.url} has {named(page)}, not {name}"
    found = page.locator(f'[data-explorable="{name}"] .nlpx-live')
    found.scroll_into_view_if_needed()
    return found


def state_of(page: Page, name: str) -> dict:
    """The state that the page itself holds, so that nothing here depends on what was trained."""
    script = page.locator(f'[data-explorable="{name}"] script').text_content()
    return json.loads(re.search(r"^mount\(render, (\{.*\})\);\s*\Z", script, re.MULTILINE)[1])


def numbers(text: str) -> list[float]:
    found = re.findall(r"[-\u2212]?\d+\.\d+(?:e[+-]\d+)?", text)
    return [float(number.replace("\u2212", "-")) for number in found]


# All sliders to their ends, all questions answered, the longest word, a curve pinned: in one go,
# since mouse and keyboard have their own tests.
USE = """() => {
  const tell = (node, kind) => node.dispatchEvent(new Event(kind, { bubbles: true }));
  for (const part of document.querySelectorAll(".nlpx-live")) {
    for (const slider of part.querySelectorAll("input[type=range]")) {
      slider.value = slider.max;
      tell(slider, "input");
    }
    for (const list of part.querySelectorAll("select.nlpx-words")) {
      const [longest] = [...list.options].sort((a, b) => b.text.length - a.text.length);
      list.value = longest.value;
      tell(list, "change");
    }
    for (const options of part.querySelectorAll("fieldset.nlpx-question")) {
      options.querySelector("input").click();
    }
  }
}"""


def use(page: Page) -> None:
    """Bring whatever explorables a page has into a state with more to see, or to be too wide."""
    page.evaluate(USE)
    for text in page.get_by_label("Input letters").all():
        text.fill("hellohello")
    for button in page.get_by_role("button", name="Pin this curve").all():
        button.click()
    for tile in page.locator(".nlpx-target").all()[:1]:
        tile.click()


@only_in("01")
def test_hello_stepper_by_mouse_and_keyboard(chapter):
    part, state = explorable(chapter, "hello-stepper"), state_of(chapter, "hello-stepper")
    status = part.locator(".nlpx-status")
    word, vocabulary = state["word"], state["vocabulary"]

    def says(snapshot: dict, letters: str, t: int) -> None:
        states, probabilities = forward(snapshot, vocabulary, letters)
        p, target = probabilities[t - 1], word[t]
        best = vocabulary[int(p.argmax())]
        expect(status).to_contain_text(f"Step {t} of {len(letters)}: input {letters[t - 1]}.")
        expect(status).to_contain_text(f"Likeliest next letter: {best}")
        expect(status).to_contain_text(f"The target is {target}")
        wanted = [*states[t - 1], p.max(), -np.log(p[vocabulary.index(target)])]
        np.testing.assert_allclose(numbers(status.inner_text()), wanted, atol=0.00501)

    last, first = state["snapshots"][-1], state["snapshots"][0]
    says(last, word[:-1], 1)
    part.get_by_role("button", name="Next").click()
    says(last, word[:-1], 2)
    part.get_by_role("button", name="Next").press("Enter")
    says(last, word[:-1], 3)
    part.get_by_label("Time step t").press("End")
    says(last, word[:-1], len(word) - 1)
    part.locator(".nlpx-choice label").first.click()
    says(first, word[:-1], len(word) - 1)
    part.locator(".nlpx-choice input").first.focus()
    chapter.keyboard.press("ArrowRight")
    says(state["snapshots"][1], word[:-1], len(word) - 1)
    part.get_by_label("Input letters").fill("")
    part.get_by_label("Input letters").press_sequentially("he")
    part.get_by_label("Time step t").press("Home")
    says(state["snapshots"][1], "he", 1)
    part.locator('.nlpx-cell[data-t="1"][data-unit="2"]').click()
    expect(part.locator("caption").filter(has_text="got its number")).to_contain_text("unit 2")
    chapter.mouse.move(1, 1)  # a resting pointer would go on showing the unit under it
    chapter.keyboard.press("ArrowDown")
    expect(part.locator("caption").filter(has_text="got its number")).to_contain_text("unit 3")


@only_in("01")
def test_gradient_lag_by_mouse_and_keyboard(chapter):
    part, state = explorable(chapter, "gradient-lag"), state_of(chapter, "gradient-lag")
    status, readout = part.locator(".nlpx-status"), part.locator(".nlpx-readout")
    rho, lag = part.get_by_label("Spectral radius"), part.get_by_label("Read at lag")
    written = part.locator(".nlpx-controls output")

    def says(radius: float, activation: str, at: int) -> None:
        norms = gradient_norms(state["W"], state["inputs"], radius, activation)
        left = norms[20]
        verb = "vanishes" if left < 1e-2 else "explodes" if left > 1e2 else "survives"
        expect(written).to_have_text(f"{radius:.2f}")
        expect(status).to_contain_text(f"it {verb}.")
        np.testing.assert_allclose(numbers(status.inner_text()), [left], rtol=0.051)
        expect(readout).to_contain_text(f"Lag {at}, back to state {len(state['inputs']) - at}:")
        exact = float(readout.locator("[data-value]").get_attribute("data-value"))
        np.testing.assert_allclose(exact, norms[at], rtol=1e-6)

    start, activation = state["rho"], state["activation"]
    says(start, activation, 20)
    rho.focus()
    chapter.keyboard.press("ArrowRight")
    says(round(start + 0.01, 2), activation, 20)
    chapter.keyboard.press("End")
    says(1.5, activation, 20)
    box = rho.bounding_box()
    chapter.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
    says(0.5, activation, 20)
    part.locator(".nlpx-choice label", has_text="linear").click()
    says(0.5, "linear", 20)
    part.get_by_label("linear").press("ArrowLeft")
    says(0.5, "tanh", 20)
    lag.press("Home")
    says(0.5, "tanh", 0)
    box = lag.bounding_box()
    chapter.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    says(0.5, "tanh", len(state["inputs"]))
    part.locator(".nlpx-chart").hover()
    expect(readout).not_to_contain_text(f"Lag {len(state['inputs'])},")
    part.get_by_role("button", name="Pin this curve").press("Enter")
    expect(part.locator(".nlpx-legend")).to_contain_text("1: ρ = 0.50, tanh")


def gates_say(part: Locator, state: dict, unit: int, t: int) -> None:
    """Status and table have the values of a unit at character t, and the note tells of the unit."""
    column, notes = state["units"].index(unit), dict(state["notes"])
    wanted = [float(trace["values"][column].split(" ")[t - 1]) for trace in state["traces"]]
    status, where = part.locator(".nlpx-status"), f"character {t} of {len(state['text'])}, "
    expect(status).to_contain_text(f"Unit {unit}, {where}")
    assert numbers(status.inner_text()) == wanted
    assert numbers(part.locator(".nlpx-panel tbody").inner_text()) == wanted
    note = f"Unit {unit}: {notes[unit]}" if unit in notes else ""
    expect(part.locator(".nlpx-unit-note")).to_have_text(note)


@only_in("02")
def test_gate_traces_by_mouse_and_keyboard(chapter):
    part, state = explorable(chapter, "gate-traces"), state_of(chapter, "gate-traces")
    units, unit, count = state["units"], state["unit"], len(state["text"])
    tiles = part.locator(".nlpx-tile")

    def coloured_by(trace: dict) -> None:
        expect(part.locator(".nlpx-panel tr.nlpx-current th")).to_have_text(label(trace))
        shown = tiles.evaluate_all("all => all.map(tile => Number(tile.dataset.value))")
        assert shown == [float(v) for v in trace["values"][units.index(unit)].split(" ")]

    assert tiles.count() == count >= 100
    gates_say(part, state, unit, 1)
    tiles.nth(39).click()
    gates_say(part, state, unit, 40)
    chapter.keyboard.press("ArrowRight")
    expect(tiles.nth(40)).to_be_focused()
    gates_say(part, state, unit, 41)
    chapter.keyboard.press("End")
    gates_say(part, state, unit, count)
    part.get_by_label("Unit", exact=True).press("End")
    gates_say(part, state, units[-1], count)
    part.get_by_role("button", name="Previous unit").click()
    gates_say(part, state, units[-2], count)
    unit = state["notes"][0][0]
    part.get_by_label("Units worth a look").select_option(str(unit))
    gates_say(part, state, unit, count)
    part.locator(".nlpx-choice label").last.click()
    coloured_by(state["traces"][-1])
    chapter.keyboard.press("ArrowLeft")
    coloured_by(state["traces"][-2])
    tiles.nth(19).hover()
    expect(part.locator(".nlpx-panel caption")).to_contain_text(f"Unit {unit} after character 20,")


def steps_through(part: Locator, search: dict) -> None:
    """Press Next to the end; every step says what it keeps, and draws Python's numbers."""
    said = part.locator(".nlpx-status")
    part.get_by_label("Step", exact=True).press("Home")
    for t, step in enumerate(search["steps"], start=1):
        part.get_by_role("button", name="Next").press("Enter")
        over = t == len(search["steps"])
        expect(said).to_contain_text(f"Step {t}: ")
        expect(said).to_contain_text("The search is over." if over else "")
        drawn = part.locator(f'.nlpx-node[data-t="{t}"]')
        values = drawn.evaluate_all("all => all.map(n => [+n.dataset.i, +n.dataset.value])")
        assert sorted(values) == [[i, c["product"]] for i, c in enumerate(step["candidates"])]
        kept = [c for c in step["candidates"] if c["fate"] != "dropped"]
        for candidate in kept if len(kept) == 1 or not over else kept[:1]:
            assert probability(candidate["product"]) in said.inner_text()


def ranks(part: Locator, search: dict, ranking: str) -> None:
    """The table of what was found has Python's hypotheses in Python's order."""
    score = per_token if ranking == "per token" else lambda h: h["product"]
    found = sorted(hypotheses(search), key=score, reverse=True)
    rows = part.locator(".nlpx-found tbody tr")
    expect(rows).to_have_count(len(found))
    for row, h in zip(rows.all(), found, strict=True):
        cells = row.locator("th, td").all_inner_texts()
        assert cells[0] == " ".join(h["words"])
        assert cells[1:3] == [probability(h["product"]), probability(per_token(h))]


@only_in("03")
@pytest.mark.parametrize("name", ["beam-straw-hat", "beam-word"])
def test_beam_trees_by_mouse_and_keyboard(chapter, name):
    part, state = explorable(chapter, name), state_of(chapter, name)
    searches = {search["width"]: search for search in state["searches"]}
    assert list(searches) == [1, 2, 3]
    widths = part.locator("fieldset", has_text="Beam width k")
    widths.locator("label").first.click()
    steps_through(part, searches[1])
    ranks(part, searches[1], "product")
    for width in (2, 3):
        widths.get_by_label(str(width - 1), exact=True).press("ArrowRight")
        expect(widths.get_by_label(str(width), exact=True)).to_be_checked()
        steps_through(part, searches[width])
        ranks(part, searches[width], "product")
        part.locator("label", has_text="per token").click()
        ranks(part, searches[width], "per token")
        part.get_by_label("per token", exact=True).press("ArrowLeft")
        ranks(part, searches[width], "product")
    node = part.locator('.nlpx-node[data-t="1"][data-i="0"]')
    node.click()
    first = searches[3]["steps"][0]["candidates"]
    says = part.locator(".nlpx-readout")
    expect(says).to_contain_text(f"“{first[0]['label']}”: {probability(first[0]['product'])};")
    chapter.keyboard.press("ArrowDown")
    expect(says).to_contain_text(f"“{first[1]['label']}”: {probability(first[1]['product'])};")


@only_in("03")
def test_the_slides_beam_search_has_their_numbers(chapter):
    part = explorable(chapter, "beam-straw-hat")
    said = part.locator(".nlpx-status")
    part.locator("fieldset", has_text="Beam width k").locator("label").nth(1).click()
    part.get_by_label("Step", exact=True).press("Home")
    for words in (
        ["“straw” (0.2) and “man” (0.1) are kept"],
        ["“straw hat” (0.06) and “man with” (0.03) are kept"],
        ["“straw hat <end>” ends with probability 0.006", "“man with straw” (0.009) is kept"],
        ["“man with straw hat” (0.0036) is kept", "“straw hat <end>” is first with 0.006, before"],
    ):
        part.get_by_role("button", name="Next").click()
        for each in words:
            expect(said).to_contain_text(each)
    part.locator("label", has_text="per token").click()
    expect(said).to_contain_text("“man with straw hat” is first with 0.245, before")
    expect(said).to_contain_text("“straw hat <end>” with 0.182.")


def alignment_reads(part: Locator, item: dict) -> list[list[float]]:
    """Heading, status and table are those of an item, whose weights are returned."""
    words, sounds = item["word"], " ".join(item["phonemes"])
    expect(part.locator(".nlpx-heading")).to_contain_text(f"{words} → {sounds}")
    expect(part.locator(".nlpx-status")).to_contain_text(
        f"{words} is read as {sounds}: {verdict(item)}"
    )
    weights = [[float(weight) for weight in line.split(" ")] for line in item["weights"]]
    cells = part.locator(".nlpx-weights tbody td")
    shown = cells.evaluate_all("all => all.map(cell => Number(cell.dataset.value))")
    assert shown == [weight for row in weights for weight in row]
    return weights


def alignment_marks(part: Locator, side: str, text: str, weights: list[float]) -> None:
    """The status tells the large weights of a phoneme or letter, its partners show them all."""
    status = part.locator(".nlpx-status")
    noticed = sorted((w for w in weights if w >= 0.1), reverse=True) or [0.1, max(weights)]
    expect(status).to_contain_text(f"{side} {text} ")
    said = numbers(status.inner_text())
    assert said[: len(noticed)] == noticed or said[:1] == [max(weights)]
    partners = part.locator(".nlpx-source" if side == "phoneme" else ".nlpx-target")
    labels = [tile.get_attribute("aria-label") for tile in partners.all()]
    assert [numbers(each) for each in labels] == [[weight] for weight in weights]


@only_in("03")
def test_alignment_marks_by_mouse_and_keyboard(chapter):
    part, item = explorable(chapter, "alignment"), state_of(chapter, "alignment")["items"][0]
    phonemes, letters = part.locator(".nlpx-target"), part.locator(".nlpx-source")
    weights = alignment_reads(part, item)
    phonemes.first.click()
    alignment_marks(part, "phoneme", item["phonemes"][0], weights[0])
    chapter.keyboard.press("ArrowRight")
    expect(phonemes.nth(1)).to_be_focused()
    alignment_marks(part, "phoneme", item["phonemes"][1], weights[1])
    chapter.keyboard.press("ArrowUp")
    best = int(np.argmax(weights[1]))
    expect(letters.nth(best)).to_be_focused()
    alignment_marks(part, "letter", item["word"][best], [row[best] for row in weights])
    chapter.keyboard.press("Escape")
    alignment_reads(part, item)
    last = len(item["word"]) - 1
    letters.nth(last).hover()
    alignment_marks(part, "letter", item["word"][last], [row[last] for row in weights])


@only_in("03")
def test_words_of_the_alignment_by_mouse_and_keyboard(chapter):
    part, items = explorable(chapter, "alignment"), state_of(chapter, "alignment")["items"]
    words, wrong = part.locator(".nlpx-words"), [item for item in items if not item["correct"]]
    assert len(items) >= 200
    part.get_by_role("button", name="Next").click()
    alignment_reads(part, items[1])
    words.press("ArrowDown")
    alignment_reads(part, items[2])
    part.locator("label", has_text=f"{len(wrong)} wrong").click()
    expect(words.locator("option")).to_have_count(len(wrong))
    words.press("End")
    alignment_reads(part, wrong[-1])
    part.get_by_label(f"{len(wrong)} wrong").press("ArrowLeft")
    expect(words.locator("option")).to_have_count(len(items))
    part.get_by_label("Find a word").press_sequentially(items[-1]["word"])
    alignment_reads(part, items[-1])


def weights_shown(grid: Locator) -> np.ndarray:
    """The numbers of the third grid of the mask viewer, without the sums of its rows."""
    cells = grid.locator("tbody td[data-value]:not(.nlpx-mask-sum)")
    found = cells.evaluate_all("all => all.map(cell => Number(cell.dataset.value))")
    side = round(len(found) ** 0.5)
    return np.array(found).reshape(side, side)


@only_in("04")
def test_mask_viewer_by_mouse_and_keyboard(chapter):
    part, state = explorable(chapter, "attention-mask"), state_of(chapter, "attention-mask")
    scores, n_tokens = np.array(state["scores"]), len(state["tokens"])
    grids = part.locator(".nlpx-mask-grid")
    padding = part.locator("input[type=range]").first

    def shows(n_padding: int, causal: bool, method: str) -> None:
        allowed = allowed_pairs(n_tokens, n_padding, causal)
        _, weights = mask_steps(scores, allowed, method)
        np.testing.assert_allclose(weights_shown(grids.nth(2)), weights, atol=6e-5)
        expect(part.locator(".nlpx-status")).to_contain_text(
            f"{(~allowed).sum()} of {n_tokens**2} pairs are forbidden"
        )

    part.locator("label", has_text="hidden (causal)").click()
    shows(state["padding"], True, "minus-infinity")
    padding.press("End")
    padding.press("ArrowLeft")
    shows(n_tokens - 2, True, "minus-infinity")
    for method, words in (
        ("zero-scores", "0 before the softmax"),
        ("zero-weights", "0 after the softmax"),
    ):
        part.locator("label", has_text=words).click()
        shows(n_tokens - 2, True, method)
    part.get_by_label("0 after the softmax").press("ArrowDown")  # round to the first
    shows(n_tokens - 2, True, "minus-infinity")
    part.locator("button.nlpx-mask-query").nth(1).click()
    expect(part.locator(".nlpx-status")).to_contain_text(state["tokens"][1])
    chapter.keyboard.press("ArrowDown")
    expect(part.locator("button.nlpx-mask-query").nth(2)).to_be_focused()


@only_in("04")
def test_positions_viewer_by_keyboard_and_mouse(chapter):
    part = explorable(chapter, "positional-encoding")
    state, said = state_of(chapter, "positional-encoding"), part.locator(".nlpx-status")
    position, offset = part.get_by_label("Position p"), part.get_by_label("Offset k")
    part.get_by_label("Pair i").press("Home")
    expect(said).to_contain_text("Pair 0 turns by 1.00 rad per position")
    position.press("Home")
    position.press("ArrowRight")
    offset.press("Home")
    offset.press("ArrowRight")
    expect(said).to_contain_text("from position 1 to 2 it turns by 1.00 rad, wherever it starts")
    part.get_by_label("Pair i").press("End")
    expect(said).to_contain_text(f"Pair {state['d_model'] // 2 - 1} turns by")
    part.locator(".nlpx-pe-map").click(position={"x": 60, "y": 40})
    expect(said).not_to_contain_text(f"Pair {state['d_model'] // 2 - 1} turns by")


def head_shows(part: Locator, item: dict, kind: str, layer: int, head: int) -> list[float]:
    """The table holds the weights of a head, which are returned, row after row."""
    weights = [float(weight) for weight in item[kind][layer][head].split(" ")]
    expect(part.locator(".nlpx-heads-heading")).to_contain_text(
        f"Layer {layer + 1}, head {head + 1}"
    )
    cells = part.locator(".nlpx-heads-table tbody td[data-value]")
    shown = cells.evaluate_all("all => all.map(cell => Number(cell.dataset.value))")
    np.testing.assert_allclose(shown, weights, atol=6e-5)
    return weights


@only_in("04")
def test_heads_viewer_by_mouse_and_keyboard(chapter):
    part, state = explorable(chapter, "attention-heads"), state_of(chapter, "attention-heads")
    item = state["items"][state["word"]]
    head_shows(part, item, "encoder", 0, 0)
    for kind in ("decoder", "cross"):
        part.locator(f'input[value="{kind}"]').check(force=True)
        head_shows(part, item, kind, 0, 0)
    part.locator('button[data-layer="1"][data-head="1"]').click()
    head_shows(part, item, "cross", 1, 1)
    chapter.keyboard.press("ArrowRight")
    weights = head_shows(part, item, "cross", 1, 2)
    part.locator('g[data-side="query"][data-place="1"]').click()
    said = part.locator(".nlpx-status")
    expect(said).to_contain_text(f"{item['predicted'][0]} will be written")
    expect(said).to_contain_text(f"{max(weights[: len(item['source'])]):.2f}")
    chapter.keyboard.press("Escape")
    expect(part.locator('g[aria-pressed="true"]')).to_have_count(0)
    part.locator("select").select_option(index=len(state["items"]) - 1)
    head_shows(part, state["items"][-1], "cross", 1, 2)


@only_in("05")
def test_sense_map_by_mouse_and_keyboard(chapter):
    part = explorable(chapter, "sense-map-tiny-world")
    said, count = part.locator(".nlpx-status"), part.locator(".nlpx-sm-point").count()
    assert count == 40
    part.get_by_role("button", name="layer 0 only").click()
    expect(said).to_contain_text("all 40 occurrences of bank are the same")
    part.get_by_role("button", name="layer 2 only").click()
    expect(said).to_contain_text("At the weights 0.00, 0.00, 1.00")
    found = re.search(r"names the sense of (\d+) of 40", said.inner_text())
    assert int(found[1]) >= 36
    slider = part.locator(".nlpx-sm-slider input").nth(1)
    slider.focus()
    chapter.keyboard.press("End")
    expect(said).to_contain_text("At the weights 0.00, 0.50, 0.50")
    part.get_by_label("crane", exact=True).check(force=True)
    expect(said).to_contain_text("occurrences of crane")
    part.locator(".nlpx-sm-point").nth(3).focus()
    expect(part.locator(".nlpx-sm-details .nlpx-sm-word").first).to_have_text("crane")
    expect(part.locator(".nlpx-sm-neighbour")).to_have_count(3)


@only_in("06")
def test_next_token_by_mouse_and_keyboard(chapter):
    part, state = explorable(chapter, "next-token"), state_of(chapter, "next-token")
    rows, measured = part.locator(".nlpx-nt-chart tbody tr"), part.locator(".nlpx-nt-measures")
    part.get_by_label("Prompt").select_option(index=3)
    gaps = np.array(state["gaps"][3].split(), dtype=float)

    def agrees(temperature: float, top_k: int | None, top_p: float) -> None:
        p = next_token_distribution(torch.tensor(-gaps), temperature, top_k, top_p).numpy()
        shown = [
            float(rows.nth(k).locator("[data-value]").first.get_attribute("data-value"))
            for k in range(12)
        ]
        np.testing.assert_allclose(shown, p[np.argsort(gaps, kind="stable")[:12]], rtol=1e-6)
        left = measured.locator("tbody tr").first.locator("td").first
        assert int(left.get_attribute("data-value")) == (p > 0).sum()

    agrees(1.0, None, 1.0)
    for name, key, setting in (
        ("Temperature", "End", (2.0, None, 1.0)),
        ("Top-k", "Home", (2.0, 1, 1.0)),
        ("Top-k", "End", (2.0, None, 1.0)),
        ("Temperature", "Home", (0.1, None, 1.0)),
        ("Top-p", "Home", (0.1, None, 0.05)),
    ):
        part.get_by_role("slider", name=name).focus()
        chapter.keyboard.press(key)
        agrees(*setting)
    expect(part.locator(".nlpx-status")).to_contain_text("can be drawn: the entropy is 0 bits")
    draw = part.get_by_role("button", name="Draw 20")
    draw.focus()
    chapter.keyboard.press("Enter")
    expect(part.locator(".nlpx-nt-batch").first.locator("li")).to_have_count(1)


@only_in("06b")
def test_shots_by_mouse_and_keyboard(chapter):
    part, state = explorable(chapter, "shots"), state_of(chapter, "shots")
    slider, said = part.get_by_role("slider", name="Shots"), part.locator(".nlpx-status")
    part.get_by_label("Question").select_option(index=2)

    def shows(k: int, model: int) -> None:
        said_at_k = state["items"][2]["predictions"][model][k]
        expect(said).to_contain_text(f"{k} shot{'s' * (k != 1)}: the model says")
        expect(said).to_contain_text(said_at_k["labels"][0])
        bars = part.locator(".nlpx-sh-bars tbody tr [data-value]")
        shown = [float(bars.nth(i).get_attribute("data-value")) for i in range(5)]
        np.testing.assert_allclose(shown, said_at_k["probabilities"], atol=1e-9)
        expect(part.locator(".nlpx-sh-pair [data-place]")).to_have_count(2 * k + 1)

    for key, k in (("Home", 0), ("ArrowRight", 1), ("End", 8)):
        slider.focus()
        chapter.keyboard.press(key)
        shows(k, 0)
    part.get_by_role("button", name="One shot fewer").click()
    shows(7, 0)
    part.get_by_role("radio", name=state["models"][1], exact=True).check(force=True)
    shows(7, 1)
    part.get_by_role("checkbox", name="Show the classes").check(force=True)
    expect(part.locator(".nlpx-sh-same").first).to_be_visible()


@only_in("06b")
def test_scaling_plot_by_mouse_and_keyboard(chapter):
    part, state = explorable(chapter, "scaling-plot"), state_of(chapter, "scaling-plot")
    measures = part.locator(".nlpx-sp-measures td")
    runs = state["runs"]
    longest = max(run["characters"] for run in runs)
    points = [run for run in runs if run["characters"] == longest]
    points.sort(key=lambda run: run["weights"])

    def agrees(kept: list[dict], floor: float) -> None:
        losses = [run["loss"] - floor for run in kept]
        law = fit_power_law([run["weights"] for run in kept], losses)
        expect(measures.first).to_have_attribute("data-value", re.compile(r"\d"))
        expect(part.locator(".nlpx-status")).to_contain_text(f"{law.exponent:.3f}")
        assert float(measures.first.get_attribute("data-value")) == pytest.approx(law.exponent)
        low, high = map(float, measures.nth(1).get_attribute("data-value").split())
        assert (low, high) == pytest.approx(law.interval)

    part.locator(".nlpx-sp-points input").first.press("Space")
    first = int(part.locator(".nlpx-sp-points input").first.get_attribute("data-run"))
    agrees([run for run in points if run != runs[first]], 0.0)
    part.get_by_role("button", name="All points into the fit").click()
    agrees(points, 0.0)
    part.get_by_label("Floor").fill("0.50")
    agrees(points, 0.5)
    part.get_by_label("Ask the law at").focus()
    chapter.keyboard.press("End")
    expect(part.locator(".nlpx-sp-caution")).to_contain_text("3")
    part.get_by_label("compute", exact=True).check(force=True)
    expect(part.locator(".nlpx-status")).to_contain_text("operations")


@only_in("07")
def test_masking_by_mouse_and_keyboard(chapter):
    part, state = explorable(chapter, "masking"), state_of(chapter, "masking")
    masking = Masking(**state)  # the page's own texts: what Python draws of them is what is shown
    chosen = part.locator("ol.nlpx-ma-row").first.locator("li:has(.nlpx-ma-sign)")
    totals = part.locator(".nlpx-ma-counts tbody td:nth-child(3)")

    def agrees(**changes) -> None:
        for trait, value in changes.items():
            setattr(masking, trait, value)
        drawn = masking.draw(masking.text, masking.number)
        n = len(masking.free(masking.text))
        expect(part.locator(".nlpx-status")).to_contain_text(f": {len(drawn)} of {n} token")
        places = chosen.evaluate_all("all => all.map(n => Number(n.dataset.place))")
        assert places == [one.place for one in drawn]
        assert chosen.locator(".nlpx-ma-now").all_inner_texts() == [one.token for one in drawn]
        right = part.locator(".nlpx-ma-asked .nlpx-ma-right").all_inner_texts()
        assert right == [masking.texts[masking.text][place] for place in places]
        shown = totals.evaluate_all("all => all.map(n => Number(n.dataset.value))")
        assert shown == [*masking.counts(masking.text, masking.number).values()]

    agrees()
    part.get_by_label("Text", exact=True).select_option(index=1)
    agrees(text=1)
    part.get_by_role("button", name="Mask again").click()
    agrees(number=masking.number + 1)
    chapter.keyboard.press("Enter")
    agrees(number=masking.number + 1)
    part.get_by_role("button", name="100 draws at once").press("Space")
    agrees(number=masking.number + 100)
    part.get_by_role("slider", name="Rate").focus()
    for key, rate in (("End", 0.5), ("Home", 0.05), ("ArrowRight", 0.06)):
        chapter.keyboard.press(key)
        agrees(rate=rate)
    part.get_by_label("[MASK] / random / kept").select_option("100/0/0 (always [MASK])")
    agrees(shares=[1.0, 0.0, 0.0])
    part.get_by_label("[MASK] / random / kept").select_option("80/10/10 vs 100/0/0")
    agrees(shares=[0.8, 0.1, 0.1])
    other = part.locator(".nlpx-ma-other .nlpx-ma-mask")
    expect(other).to_have_count(len(masking.draw(1, masking.number)))
    part.get_by_role("radio", name="static").check(force=True)
    agrees(dynamic=False)
    part.get_by_role("button", name="Next epoch").click()
    agrees(number=masking.number + 1)
    expect(part.locator(".nlpx-status")).to_contain_text("masked as in epoch 1")
    part.get_by_role("button", name="Start again").press("Enter")
    agrees(number=1)


@only_in("07")
def test_masked_word_by_mouse_and_keyboard(chapter):
    part, state = explorable(chapter, "masked-word"), state_of(chapter, "masked-word")
    tiles, item = part.locator(".nlpx-mw-line > *"), state["items"][1]
    part.get_by_label("Sentence", exact=True).select_option(index=1)
    tokens, places = item["tokens"], item["places"]

    def shows(place: int, model: int) -> None:
        expect(tiles.nth(place)).to_have_attribute("aria-pressed", "true")
        expect(tiles.nth(place)).to_be_focused()
        words = f"[MASK] stands for \u201c{tokens[place]}\u201d."
        expect(part.locator(".nlpx-status")).to_contain_text(words)
        for m, answers in enumerate(item["answers"]):
            answer, one = answers[places.index(place)], part.locator(".nlpx-mw-part").nth(m)
            expect(one.locator(".nlpx-mw-nothing")).to_be_visible(visible=answer is None)
            if answer is None:
                continue
            bars = one.locator("tbody tr [data-value]")
            values = bars.evaluate_all("nodes => nodes.map(n => Number(n.dataset.value))")
            assert values[: len(answer["tokens"])] == answer["probabilities"]
            true = one.locator("tr.nlpx-mw-true")
            expect(true.locator("td").first).to_have_text(f"{answer['rank']:,}")
            expect(true.locator("bdi")).to_have_text(tokens[place])
        seen = tiles.evaluate_all("all => all.map(n => n.classList.contains('nlpx-mw-seen'))")
        left = state["reads"][model] == "left"
        assert seen == [i < place if left else i != place for i in range(len(tokens))]

    tiles.nth(places[3]).click()
    shows(places[3], 0)
    for key, place in (("ArrowRight", places[4]), ("End", places[-1]), ("Home", places[0])):
        chapter.keyboard.press(key)
        shows(place, 0)
    part.get_by_role("radio", name=f"{state['models'][1]} reads").check(force=True)
    tiles.nth(places[2]).click()
    shows(places[2], 1)


@every_chapter
def test_quiz_by_mouse_and_keyboard(chapter):
    (name,) = [name for name in named(chapter) if name.startswith("quiz")]
    part, questions = explorable(chapter, name), state_of(chapter, name)["questions"]
    status = part.locator(".nlpx-status")
    assert len(questions) >= 5
    expect(status).to_have_text(f"No answer yet, {len(questions)} questions.")
    for i, question in enumerate(questions):
        box = part.locator("fieldset").nth(i)
        right = question["answer_index"]
        wrong = (right + 1) % len(question["options"])  # "up" goes from the first to the last
        box.locator("label").nth(wrong).click()
        expect(box.locator(".nlpx-feedback")).to_contain_text("Not this one.")
        box.locator("input").nth(wrong).focus()
        chapter.keyboard.press("ArrowUp")
        expect(box.locator("input").nth(right)).to_be_checked()
        expect(box.locator(".nlpx-feedback")).to_contain_text("Right.")
        said = re.sub(r"[`*]", "", box.locator(".nlpx-feedback").inner_text()).split()
        words = re.sub(r"[`*]", "", question["explanations"][right]).split()
        assert said[-len(words) :] == words
        expect(status).to_contain_text(f"{i + 1} of {len(questions)} right")
    part.get_by_role("button", name="Clear my answers").press("Enter")
    expect(status).to_have_text(f"No answer yet, {len(questions)} questions.")


@pytest.mark.parametrize("name", CHAPTERS)
def test_without_javascript_the_explorables_are_tables(new_page, homes, name):
    page, watch = new_page(java_script_enabled=False, size="phone")
    page.goto(f"{homes['file']}{name}.html")
    assert all(problem.endswith("(csp)") for problem in watch.problems)  # the scripts not run
    watch.problems.clear()
    parts = page.locator("[data-explorable]")
    assert page.locator(".nlpx-fallback").count() == parts.count() >= 2  # a quiz, and another one
    for part in parts.all():
        expect(part.locator(".nlpx-fallback")).to_be_visible()
        if part.get_attribute("data-explorable").startswith("quiz"):
            assert part.locator("summary:visible").count() >= 1
        else:
            expect(part.locator("table").first).to_be_visible()
            shown = [len(numbers(text)) for text in part.locator("table").all_inner_texts()]
            assert shown[0] >= 9
            assert max(shown) >= 12
    assert page.locator(".nlpx-live").count() == 0
    width = page.locator("html").bounding_box()["width"]
    boxes = [box.bounding_box() for box in page.locator(".bd-article > *, .nlpx-fallback").all()]
    assert max(box["x"] + box["width"] for box in boxes if box) <= width + 1


# ---- for everyone ----


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(new_page, homes, site, axe, scheme, record_property):
    serious, milder = {}, []
    for name in names(site):
        page, _ = new_page(color_scheme=scheme, reduced_motion="reduce")
        visit(page, homes["file"] + name)
        if name.removesuffix(".html") in CHAPTERS:  # answered, operated, and a cell opened
            use(page)
            page.locator("details.hide summary").first.click()
        found = axe_violations(page, axe)
        serious[name] = [w for i in browser_checks.SERIOUS for w in found.pop(i, [])]
        milder += [words for each in found.values() for words in each]
        page.close()
    record_property(f"axe_milder_{scheme}", milder)
    assert {name: found for name, found in serious.items() if found} == {}


@pytest.mark.parametrize(
    ("size", "scheme"), [("desk", "light"), ("desk", "dark"), ("phone", "light")]
)
def test_screenshots_to_look_at(new_page, homes, screenshots, site, size, scheme):
    """Every page's beginning, and every figure, table and explorable of the chapters."""
    for name in names(site):
        page, _ = new_page(size=size, color_scheme=scheme, reduced_motion="reduce")
        visit(page, homes["file"] + name)
        label = f"{size}-{scheme}-{Path(name).stem}"
        page.screenshot(path=screenshots / f"{label}.png")
        if name.removesuffix(".html") in CHAPTERS:
            assert page.locator(".nlpx-live").count() >= 2
            assert page.locator(".cell_output img").count() >= 1
            parts = page.locator(".nlpx-live, .cell_output img, div.math, .nh-table, .nh-source")
            for number, part in enumerate(parts.all(), start=1):
                box = part.bounding_box()
                assert box["width"] > 40, part.evaluate("node => node.outerHTML.slice(0, 200)")
                assert box["height"] > 15, part.evaluate("node => node.outerHTML.slice(0, 200)")
                if part.evaluate("node => node.matches('.nlpx-live, img')"):
                    path = screenshots / f"{label}-{number:02d}.png"
                    part.screenshot(path=path, style=NOTHING_OVER_IT)
        page.close()
    taken = list(screenshots.glob(f"{size}-{scheme}-*.png"))
    assert len(taken) >= len(names(site)) + 3 * len(CHAPTERS)
    assert min(path.stat().st_size for path in taken) > 2_000


# ---- the checks themselves, on small pages that are wrong on purpose ----


@pytest.fixture
def made(browser: Browser, tmp_path) -> Iterator[Callable[..., tuple[Page, Watch]]]:
    """Open a page made of a body, from a folder; what goes wrong is for the test to see."""
    opened = []

    def make_page(body: str, **options) -> tuple[Page, Watch]:
        path = tmp_path / "page.html"
        path.write_text(
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Made</title></head>'
            f"<body><main><h1>Made</h1>{body}</main></body></html>",
            encoding="utf-8",
        )
        page = browser.new_page(viewport={"width": 390, "height": 600}, **options)
        opened.append(page)
        watch = Watch(page, f"{tmp_path.as_uri()}/")
        watch.broken = visit(page, path.as_uri())
        return page, watch

    yield make_page
    for page in opened:
        page.close()


def test_a_good_page_passes_all_checks(made, axe):
    page, watch = made("<p>Text, <b>and</b> more.</p><script>console.log('fine')</script>")
    assert watch.problems == watch.broken == watch.outside == too_wide(page) == []
    assert axe_violations(page, axe) == {}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<script>console.error('oh no')</script>", "console error: oh no"),
        ("<script>setTimeout(() => undefinedThing())</script>", "page error: undefinedThing"),
        ("<script type='module'>throw new Error('late')</script>", "page error: late"),
        ("<script>Promise.reject(new Error('forgotten'))</script>", "page error: forgotten"),
        ("<script src='missing.js'></script>", "failed: file:"),
        ("<script src='https://example.org/x.js'></script>", "asks elsewhere: https://example.org"),
        ("<img alt='' src='//example.org/x.png'>", "asks elsewhere: file:"),
        (
            "<style>@import 'http://example.org/x.css';</style>",
            "asks elsewhere: http://example.org",
        ),
        ("<script>fetch('https://example.org/').catch(() => 0)</script>", "asks elsewhere: https:"),
        ("<script>new WebSocket('ws://example.org/')</script>", "asks elsewhere: ws://example.org"),
        ("<img alt='' src='file:///etc/hostname'>", "asks elsewhere: file:///etc/hostname"),
    ],
)
def test_what_goes_wrong_in_a_page_is_seen(made, body, words):
    page, watch = made(body)
    page.wait_for_load_state("networkidle")
    assert any(problem.startswith(words) for problem in watch.problems), watch.problems


def test_a_missing_file_is_seen_over_http(browser, tmp_path):
    (tmp_path / "a.html").write_text("<!doctype html><title>a</title><img src='b.png' alt='b'>")
    with served(tmp_path) as address:
        page = browser.new_page()
        watch = Watch(page, address)
        broken = visit(page, f"{address}a.html")
        page.close()
    assert broken == [f"broken picture: {address}b.png"]
    assert f"status 404: {address}b.png" in watch.problems


@pytest.mark.parametrize(
    ("body", "wide"),
    [
        ("<div class='big' style='width:401px'>x</div>", "div.big"),
        ("<p>" + "m" * 200 + "</p>", "p"),
        ("<img alt='' width='900' src='data:image/gif;base64," + PIXEL + "'>", "img"),
        ("<div style='overflow-x:auto'><div style='width:900px'>x</div></div>", None),
        ("<div style='position:relative;left:-50px;width:300px'>x</div>", None),
    ],
)
def test_a_page_that_scrolls_sideways_is_seen(made, body, wide):
    page, _ = made(f"<style>body{{margin:0}}</style>{body}")
    found = too_wide(page)
    assert ([f.endswith(wide) for f in found] == [True]) if wide else found == []


def test_equations_that_are_not_drawn_or_wrong_are_seen(made, site):
    script = (site / "_static" / "vendor" / "mathjax" / "tex-svg.js").as_uri()
    load = f"<script defer src='{script}'></script>"
    equation = "<div class='math'>\\[ %s \\]</div>"
    page, _ = made(load + equation % r"a = b \tag{7}")
    assert browser_checks.math_problems(page) == []
    assert browser_checks.equation_tags(page) == ["(7)"]
    page, _ = made(load + equation % r"\left( a")
    assert any(words.startswith("math error: ") for words in browser_checks.math_problems(page))
    page, _ = made(load + equation % r"\notacommand{a}")
    assert browser_checks.math_problems(page) == [r"no such command: \notacommand"]
    page, _ = made(equation % "a = b")
    assert browser_checks.math_problems(page) == [r"not typeset: \[ a = b \]"]
    wide = "<style>.math{display:flex;flex-direction:row-reverse;overflow:auto}</style>"
    page, _ = made(load + wide + equation % (" + ".join("abcdefghij") * 3 + r"\tag{1}"))
    assert any("cut at its beginning" in words for words in browser_checks.math_problems(page))
    narrow = "<style>.math{width:9em;overflow:auto}</style>"
    for terms, n_long in (("ab", 0), ("abcdefghijklmn", 1)):
        page, _ = made(load + narrow + equation % " + ".join(terms))
        assert len(browser_checks.long_equations(page)) == n_long


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("<p style='color:#bbb;background:#fff'>pale</p>", "color-contrast"),
        ("<img src='data:image/gif;base64," + PIXEL + "'>", "image-alt"),
        ("<button></button>", "button-name"),
        ("<a href='#x' style='color:inherit'></a>", "link-name"),
        ("<input type='range'>", "label"),
    ],
)
def test_axe_sees_what_is_wrong(made, axe, body, rule):
    page, _ = made(body)
    found = axe_violations(page, axe)
    words = [words for impact in browser_checks.SERIOUS for words in found.get(impact, [])]
    assert any(each.startswith(f"{rule} at ") for each in words), found


def test_bytes_are_counted_as_they_are_sent(browser, tmp_path):
    (tmp_path / "a.html").write_text("<!doctype html><title>a</title><script src='b.js'></script>")
    (tmp_path / "b.js").write_text("//" + "x" * 5000)
    with served(tmp_path) as address:
        page = browser.new_page()
        watch = Watch(page, address)
        visit(page, f"{address}a.html")
        sizes = [(tmp_path / name).stat().st_size for name in ("a.html", "b.js")]
        assert watch.loaded_bytes() == sum(sizes)
        page.close()


def test_what_is_missing_is_named_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    with pytest.raises(FileNotFoundError, match="no Chromium is installed: run `make test`"):
        chromium.find_chromium()
    with pytest.raises(FileNotFoundError, match=r"axe-core is missing .* run `make test`"):
        find_axe(tmp_path)
    own = tmp_path / "my-chrome"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("CHROMIUM", str(own))
    assert chromium.find_chromium() == str(own)

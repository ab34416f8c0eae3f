"""GateTraces: its state against the arrays, and the page by mouse and keyboard."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps
from matplotlib.colors import to_hex
from playwright.sync_api import expect

from nlp_helpers.explorables.base import contrast, role_css, script_json
from nlp_helpers.explorables.color_scale import STEPS, color_scale, two_decimals
from nlp_helpers.explorables.gate_traces import TRACES, GateTraces
from nlp_helpers.explorables.hello_stepper import HelloStepper
from nlp_helpers.models import gru, lstm
from nlp_helpers.plotting import DIVERGING, SEQUENTIAL
from tests.book.outputs_contract import text_difference
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.test_browser import THEMES, live, part, status
from tests.explorables.test_python_side import visible_text

TEXT = 'The sum (of "a" & b) is <c>.\nIt is zero if scipy.sparse.linalg.LinearOperator is empty.'
HIDDEN = 6
UNITS = [1, 4, 5]
NOTES = {5: "rises in <brackets>", 4: "counts lines"}


def lstm_traces(text: str, scale: float = 2.0) -> dict[str, np.ndarray]:
    """Gates and states [time, hidden] of a random torch.nn.LSTM over the text, step by step."""
    torch.manual_seed(5)
    lstm = torch.nn.LSTM(4, HIDDEN, batch_first=True).double()
    x = scale * torch.randn(len(text), 4, dtype=torch.float64)
    hidden = cell = torch.zeros(HIDDEN, dtype=torch.float64)
    found: dict[str, list] = {key: [] for key in ("i", "f", "o", "g", "cell", "hidden")}
    with torch.no_grad():
        for x_t in x:
            sums = lstm.weight_ih_l0 @ x_t + lstm.bias_ih_l0
            sums = 3 * (sums + lstm.weight_hh_l0 @ hidden + lstm.bias_hh_l0)
            i, f, g, o = sums.chunk(4)
            i, f, o, g = torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), torch.tanh(g)
            cell = f * cell + i * g
            hidden = o * torch.tanh(cell)
            for key, value in zip(found, (i, f, o, g, cell, hidden), strict=True):
                found[key].append(value.numpy())
    return {key: np.array(values) for key, values in found.items()}


@pytest.fixture(scope="module")
def traces() -> dict[str, np.ndarray]:
    return lstm_traces(TEXT)


@pytest.fixture
def gates(traces) -> GateTraces:
    return GateTraces(text=TEXT, traces=traces, units=UNITS, notes=NOTES, gate="f")


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(" ")]


# ---- numbers and colours in a page ----


@given(st.lists(st.floats(-120, 120), min_size=1, max_size=30))
def test_two_decimals_are_at_most_half_a_hundredth_off(values):
    text = two_decimals(np.array(values))
    np.testing.assert_allclose(numbers(text), values, rtol=0, atol=0.005 + 1e-12)
    assert all(re.fullmatch(r"-?([1-9]\d*)?\.\d\d", word) for word in text.split(" "))


def test_two_decimals_drop_only_a_leading_zero():
    values = np.array([[0.481, -0.05], [10.05, -20.0], [-0.001, 1.0]])
    assert two_decimals(values) == ".48 -.05 10.05 -20.00 .00 1.00"


@pytest.mark.parametrize("cmap", [SEQUENTIAL, DIVERGING])
def test_colours_are_the_maps_with_readable_ink(cmap):
    scale = color_scale(cmap)
    assert len(scale) == STEPS == 41
    for k, (fill, ink) in enumerate(scale):
        assert fill == to_hex(colormaps[cmap](k / 40))
        assert contrast(fill, ink) >= 4.5


def test_an_unknown_map_is_named():
    with pytest.raises(ValueError, match="'rainbows'"):
        color_scale("rainbows")


# ---- the Python side ----


def test_every_value_is_kept_to_half_a_hundredth(gates, traces):
    state = gates.page_state()
    assert [trace["symbol"] for trace in state["traces"]] == [*traces]
    for trace in state["traces"]:
        for line, unit in zip(trace["values"], UNITS, strict=True):
            exact = traces[trace["symbol"]][:, unit]
            np.testing.assert_allclose(numbers(line), exact, rtol=0, atol=0.005 + 1e-12)


def test_24_units_of_six_traces_over_250_characters_fit_and_twice_as_many_do_not():
    text = (TEXT * 3)[:250]
    random = np.random.default_rng(0)
    shares = {key: random.random((250, 48)) for key in "ifo"}
    signed = {key: random.uniform(-1, 1, (250, 48)) for key in ("g", "cell", "hidden")}
    explorable = GateTraces(text=text, traces=shares | signed, units=range(24))
    assert 100_000 < len(script_json(explorable.page_state())) < 190_000
    with pytest.raises(ValueError, match=r"takes \d{3},\d{3} bytes.*200,000"):
        GateTraces(text=text, traces=shares | signed)


def test_another_processor_may_round_a_last_digit_differently(gates, traces):
    def page(error):
        moved = {key: np.clip(values + error, -1, 1) for key, values in traces.items()}
        moved |= {key: np.clip(moved[key], 0, 1) for key in "ifo"}
        return GateTraces(text=TEXT, traces=moved, units=UNITS, notes=NOTES, gate="f").to_html()

    assert page(4e-5) != page(0)  # some value does cross a boundary
    assert text_difference(page(0), page(4e-5)) is None
    assert text_difference(page(0), page(0.03)) is not None


def test_the_state_is_the_traits_and_the_page_is_the_same_every_time(gates, traces):
    again = GateTraces(text=TEXT, traces=traces, units=UNITS, notes=NOTES, gate="f")
    assert again.to_html() == gates.to_html()
    assert repr(gates) == "GateTraces('gate-traces')"
    assert set(gates.page_state()) == {
        "name", "text", "traces", "units", "notes", "scales", "unit", "gate", "position",
    }  # fmt: skip
    assert gates.page_state()["notes"] == [[4, NOTES[4]], [5, NOTES[5]]]  # as units are ordered
    assert gates.unit == 4  # the first with a note
    assert not re.search(r"://|@import|\burl\(|\bsrc=|\bhref=", gates.to_html())


def test_tensors_and_all_units_are_taken(traces):
    tensors = {key: torch.tensor(value).requires_grad_() for key, value in traces.items()}
    explorable = GateTraces(text=TEXT, traces=tensors)
    assert explorable.units == list(range(HIDDEN))
    assert explorable.gate == "i"
    assert explorable.unit == 0


@pytest.mark.parametrize(
    ("module", "symbols"),
    [(lstm, ["i", "f", "g", "o", "cell", "hidden"]), (gru, ["r", "z", "n", "hidden"])],
)
def test_the_models_own_traces_are_taken(module, symbols):
    torch.manual_seed(0)
    layer = getattr(module, module.__name__.rpartition(".")[2].upper())(3, 4)
    found = module.trace(layer, torch.randn(1, 9, 3))
    explorable = GateTraces(text="nine tiny", traces={key: v[0] for key, v in found.items()})
    assert sorted(trace["symbol"] for trace in explorable.traces) == sorted(symbols)
    with pytest.raises(ValueError, match=r"must have shape \[9, any\], got \[1, 9, 4\]"):
        GateTraces(text="nine tiny", traces=found)


def test_an_explorable_brings_its_own_style_and_leaves_the_others_alone(root):
    folder = root / "nlp_helpers/explorables"
    shared = role_css() + (folder / "explorables.css").read_text(encoding="utf-8")
    own = (folder / "gate_traces.css").read_text(encoding="utf-8")
    assert HelloStepper._css == shared
    assert GateTraces._css == shared + own


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"text": 3}, TypeError, "text must be a string"),
        ({"text": " \n "}, ValueError, "text must not be blank"),
        ({"text": "a"}, ValueError, "2 to 400 characters, got 1"),
        ({"text": "a" * 401}, ValueError, "got 401"),
        ({"text": "a\x00b"}, ValueError, r"cannot be shown: \['\\x00'\]"),
        ({"text": "abc"}, ValueError, r"traces\['f'\] must have shape \[3, any\], got \[4, 2\]"),
        ({"traces": None}, TypeError, "needs text and traces"),
        ({"traces": [1]}, TypeError, "mapping of symbol to array, got list"),
        ({"traces": {}}, ValueError, r"symbols among .*got \[\]"),
        ({"traces": {"q": np.ones((4, 2))}}, ValueError, r"got \['q'\]"),
        ({"traces": {"f": np.ones((1, 4, 2))}}, ValueError, r"got \[1, 4, 2\]"),
        (
            {"traces": {"f": np.ones((4, 2)), "cell": np.ones((4, 3))}},
            ValueError,
            r"traces\['cell'\] must have shape \[4, 2\], got \[4, 3\]",
        ),
        ({"traces": {"f": np.full((4, 2), np.nan)}}, ValueError, r"traces\['f'\] must be finite"),
        ({"traces": {"f": np.ones((4, 2), complex)}}, TypeError, "complex"),
        ({"traces": {"f": np.full((4, 2), -0.1)}}, ValueError, "between 0 and 1.*got -0.1"),
        ({"traces": {"o": np.full((4, 2), 1.5)}}, ValueError, r"traces\['o'\].*got 1.5"),
        ({"traces": {"g": np.full((4, 2), -1.5)}}, ValueError, "between -1 and 1.*got -1.5"),
        ({"units": "01"}, TypeError, "units must be a list of ints, got str"),
        ({"units": []}, ValueError, "1 to 100, got 0"),
        ({"units": [0, 2]}, ValueError, r"units\[1\] must be between 0 and 1, got 2"),
        ({"units": [0.0]}, TypeError, r"units\[0\] must be an int, got float"),
        ({"units": [1, 1]}, ValueError, r"different, got \[1, 1\]"),
        ({"units": [0], "notes": {1: "x"}}, ValueError, r"not shown: \[1\]"),
        ({"notes": ["x"]}, TypeError, "mapping of unit to text, got list"),
        ({"notes": {0: " "}}, ValueError, r"notes\[0\] must not be blank"),
        ({"notes": {0: 3}}, TypeError, r"notes\[0\] must be a string"),
        ({"gate": "cell"}, ValueError, r"gate must be one of \['f'\], got 'cell'"),
        ({"name": "Gate"}, ValueError, "name must be"),
    ],
)
def test_bad_arguments_are_named(changes, error, words):
    good = {"text": "ab c", "traces": {"f": np.full((4, 2), 0.5)}}
    GateTraces(**good)
    with pytest.raises(error, match=words):
        GateTraces(**(good | changes))


@pytest.mark.parametrize(("trait", "value"), [("unit", 0), ("gate", "z"), ("position", len(TEXT))])
def test_bad_changes_are_refused(gates, trait, value):
    with pytest.raises(ValueError, match=trait):
        setattr(gates, trait, value)


def test_without_scripts_it_is_a_table_of_the_chosen_unit(gates, traces, open_page):
    gates.unit = 5
    text = visible_text(gates.to_html())
    assert "Unit 5 after each of the first 40 characters: input gate i, forget gate f, " in text
    assert "cell, hidden character i f o g cell hidden 1 T " in text
    for t, spoken in [(0, "T"), (3, "space"), (16, "&"), (28, "new line")]:
        values = " ".join(f"{traces[key][t, 5] + 0.0:.2f}" for key in traces)
        assert f"{t + 1} {spoken} {values}".replace("-0.00", "0.00") in text
    assert "Unit 5: rises in <brackets>" in text
    page = open_page(gates.to_html(), scripts=False, width=390)
    expect(page.get_by_text("Unit 5 after each")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


# ---- the page ----


def tile(page, t: int):
    return page.locator(f'.nlpx-tile[data-t="{t}"]')


def shown_values(page) -> list[float]:
    return [
        float(v)
        for v in page.locator(".nlpx-panel td[data-value]").evaluate_all(
            "nodes => nodes.map(node => node.dataset.value)"
        )
    ]


def values_at(traces, unit: int, t: int) -> list[float]:
    return [traces[key][t - 1, unit] for key in traces]


def rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[k : k + 2], 16) for k in (1, 3, 5)))


@pytest.mark.parametrize("symbol", ["i", "f", "o", "g", "cell", "hidden"])
def test_every_tile_has_its_value_and_its_colour(open_page, gates, traces, symbol):
    page = open_page(gates.to_html())
    page.locator(f'.nlpx-choice input[value="{symbol}"]').check()
    found = page.locator(".nlpx-tile").evaluate_all(
        "nodes => nodes.map(n => [Number(n.dataset.value), getComputedStyle(n).backgroundColor])"
    )
    exact = traces[symbol][:, 4]
    np.testing.assert_allclose([value for value, _ in found], exact, rtol=0, atol=0.0051)
    share = TRACES[symbol][1] == "share"
    limit = 1 if symbol != "cell" else np.ceil(2 * np.abs(exact).max()) / 2
    ends = page.locator(".nlpx-key .nlpx-number").all_inner_texts()
    assert ends == (["0", "1"] if share else [f"−{limit:.1f}", f"{limit:.1f}"])
    for value, colour in found:
        place = value if share else (value / limit + 1) / 2
        fill = colormaps[SEQUENTIAL if share else DIVERGING](np.floor(place * 40 + 0.5) / 40)
        assert colour == rgb(to_hex(fill))


def test_the_tiles_are_the_text_in_lines_of_whole_words(open_page, gates):
    page = open_page(gates.to_html())
    shown = page.locator(".nlpx-tile").all_inner_texts()
    assert [c.replace("\xa0", " ") for c in shown] == list(TEXT.replace("\n", "⏎"))
    tops = page.locator(".nlpx-tile").evaluate_all(
        "nodes => nodes.map(n => Math.round(n.getBoundingClientRect().top))"
    )
    assert tops[TEXT.index("\n") + 1] > tops[TEXT.index("\n")]
    for word in re.finditer(r"[^\s]{2,16}(?=\s|$)", TEXT):
        if len(word[0]) <= 15:
            assert len(set(tops[word.start() : word.end()])) == 1
    expect(tile(page, 29)).to_have_attribute("aria-label", re.compile("^Character 29, new line: f"))


def test_hovering_shows_all_gates_there_and_leaving_goes_back(open_page, gates, traces):
    page = open_page(gates.to_html())
    caption = page.locator(".nlpx-panel caption")
    expect(caption).to_have_text("Unit 4 after character 1, “T”")
    tile(page, 10).hover()
    expect(caption).to_have_text("Unit 4 after character 10, “o”")
    np.testing.assert_allclose(shown_values(page), values_at(traces, 4, 10), atol=0.0051)
    assert status(page, "gate-traces").startswith("Unit 4, character 1 of")
    page.locator(".nlpx-title").last.hover()
    expect(caption).to_have_text("Unit 4 after character 1, “T”")


def test_a_click_picks_the_character(open_page, gates, traces):
    page = open_page(gates.to_html())
    tile(page, 9).click()
    f = traces["f"][8, 4]
    assert status(page, "gate-traces").startswith(f"Unit 4, character 9 of {len(TEXT)}, “(”: ")
    assert f"forget gate {f:.2f}" in status(page, "gate-traces")
    expect(tile(page, 9)).to_have_attribute("aria-pressed", "true")
    assert page.locator('.nlpx-tile[aria-pressed="true"]').count() == 1
    assert page.locator('.nlpx-tile[tabindex="0"]').count() == 1


def test_arrow_keys_move_along_the_text_and_keep_the_focus(open_page, gates, traces):
    page = open_page(gates.to_html())
    tile(page, 1).focus()
    last = len(TEXT)
    for key, t in [("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", last),
                   ("ArrowRight", last), ("Home", 1), ("ArrowLeft", 1)]:  # fmt: skip
        page.keyboard.press(key)
        expect(tile(page, t)).to_be_focused()
        assert status(page, "gate-traces").startswith(f"Unit 4, character {t} of {last}")
        np.testing.assert_allclose(shown_values(page), values_at(traces, 4, t), atol=0.0051)
    page.keyboard.press("ArrowDown")  # the second line begins after the new line
    expect(tile(page, TEXT.index("\n") + 2)).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    expect(tile(page, 2)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(tile(page, 2)).to_be_focused()


def test_a_resting_pointer_does_not_take_the_reading_from_the_keyboard(open_page, gates):
    page = open_page(gates.to_html())
    caption = page.locator(".nlpx-panel caption")
    tile(page, 10).click()
    resting = {"clientX": 300, "clientY": 300, "bubbles": True}
    tile(page, 10).dispatch_event("pointermove", resting)
    page.keyboard.press("ArrowRight")
    # some browsers report a move of the pointer when it is the page that has moved
    tile(page, 30).dispatch_event("pointermove", resting)
    expect(caption).to_have_text("Unit 4 after character 11, “f”")
    page.keyboard.press("PageUp")  # the note goes, and another line comes under the pointer
    expect(page.locator(".nlpx-unit-note")).to_be_hidden()
    page.wait_for_timeout(150)
    expect(caption).to_have_text("Unit 1 after character 11, “f”")
    tile(page, 12).hover()
    expect(caption).to_have_text("Unit 1 after character 12, space")


def test_units_by_slider_buttons_and_box(open_page, gates, traces):
    page = open_page(gates.to_html())
    note = page.locator(".nlpx-unit-note")
    expect(note).to_have_text("Unit 4: counts lines")
    unit = page.get_by_label("Unit", exact=True)
    unit.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".nlpx-units output")).to_have_text("1 (1 of 3)")
    expect(note).to_be_hidden()
    expect(page.get_by_label("Units worth a look")).to_have_value("")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(note).to_have_text("Unit 5: rises in <brackets>")
    np.testing.assert_allclose(shown_values(page), values_at(traces, 5, 1), atol=0.0051)
    values = [float(v) for v in page.locator(".nlpx-tile").evaluate_all(
        "nodes => nodes.map(n => n.dataset.value)")]  # fmt: skip
    np.testing.assert_allclose(values, traces["f"][:, 5], atol=0.0051)
    page.get_by_role("button", name="Next unit").click(force=True)
    expect(page.locator(".nlpx-units output")).to_have_text("5 (3 of 3)")
    page.get_by_role("button", name="Previous unit").press("Enter")
    assert status(page, "gate-traces").startswith("Unit 4,")
    page.get_by_label("Units worth a look").select_option("5")
    assert status(page, "gate-traces").startswith("Unit 5,")
    box = unit.bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    assert status(page, "gate-traces").startswith("Unit 1,")


def test_page_keys_change_the_unit_at_one_character(open_page, gates, traces):
    page = open_page(gates.to_html())
    tile(page, 6).click()
    page.keyboard.press("PageDown")
    expect(tile(page, 6)).to_be_focused()
    assert status(page, "gate-traces").startswith("Unit 5, character 6 ")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    np.testing.assert_allclose(shown_values(page), values_at(traces, 1, 6), atol=0.0051)


def test_gates_by_mouse_and_by_keyboard(open_page, gates):
    page = open_page(gates.to_html())
    strong = page.locator(".nlpx-panel tr.nlpx-current th")
    expect(strong).to_have_text("forget gate f")
    page.locator(".nlpx-choice label", has_text="cell").click()
    expect(strong).to_have_text("cell")
    page.keyboard.press("ArrowRight")
    expect(strong).to_have_text("hidden")
    assert page.locator(".nlpx-strips .nlpx-strong").text_content() == "hidden"
    page.locator(".nlpx-choice label", has_text="input gate i").click()
    assert page.locator(".nlpx-strips .nlpx-trace").count() == 4


def test_the_cell_is_explained_by_its_gates(open_page, gates, traces):
    page = open_page(gates.to_html())
    assert page.locator(".nlpx-sum").count() == 0  # the state before the first is not known
    tile(page, 30).click()
    f, i, g = (traces[key][29, 4] for key in "fig")
    before, now = traces["cell"][28:30, 4]

    def signed(value):
        text = f"{abs(value):.2f}"
        return f"(−{text})" if value < 0 and text != "0.00" else text

    result = signed(now).strip("()")
    expect(page.locator(".nlpx-sum")).to_contain_text(
        f"{f:.2f} × {signed(before)} + {i:.2f} × {signed(g)} ≈ {result}"
    )


def test_the_lines_are_the_traces_and_read_the_position(open_page, gates, traces):
    page = open_page(gates.to_html())
    svg = page.locator(".nlpx-strips")
    strips = page.locator(".nlpx-strip").evaluate_all(
        "nodes => nodes.map(n => ['x', 'y', 'width', 'height'].map(a => +n.getAttribute(a)))"
    )
    for symbol, (x, y, width, height) in zip(("i", "f", "o", "cell"), strips, strict=True):
        d = page.locator(f".nlpx-trace-{symbol}[d]").get_attribute("d")
        points = np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", d), dtype=float)
        exact = traces[symbol][:, 4]
        limit = np.ceil(2 * np.abs(exact).max()) / 2 if symbol == "cell" else 1
        low = -limit if symbol == "cell" else 0
        np.testing.assert_allclose(points[:, 0], np.linspace(x, x + width, len(TEXT)), atol=0.06)
        np.testing.assert_allclose(
            points[:, 1], y + (1 - (exact - low) / (limit - low)) * height, atol=0.4
        )
    x, y, width, _ = strips[0]
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    across = box["x"] + x + 19 / (len(TEXT) - 1) * width
    page.mouse.move(across, box["y"] + 60)
    expect(page.locator(".nlpx-panel caption")).to_contain_text("after character 20,")
    at = float(page.locator(".nlpx-here").get_attribute("x1"))
    assert at == pytest.approx(x + 19 / (len(TEXT) - 1) * width)
    page.mouse.click(across, box["y"] + 60)
    assert status(page, "gate-traces").startswith("Unit 4, character 20 ")
    expect(tile(page, 20)).to_have_class(re.compile("nlpx-picked"))


def test_a_gru_without_a_cell_shows_its_hidden_state(open_page):
    random = np.random.default_rng(1)
    traces = {key: random.random((8, 2)) for key in "zr"}
    traces |= {"n": random.uniform(-1, 1, (8, 2)), "hidden": random.uniform(-1, 1, (8, 2))}
    page = open_page(GateTraces("gru", text="a gru. \t", traces=traces).to_html())
    labels = ["update gate z", "reset gate r", "candidate n", "hidden"]
    assert page.locator(".nlpx-panel th").all_inner_texts() == labels
    assert page.locator(".nlpx-strips .nlpx-trace-hidden[d]").count() == 1
    assert page.locator(".nlpx-select").count() == 0  # no notes
    tile(page, 8).click()
    assert status(page, "gru").startswith("Unit 0, character 8 of 8, tab: update gate 0.")


def test_constant_traces_are_drawn(open_page):
    traces = {"f": np.ones((3, 1)), "cell": np.zeros((3, 1))}
    page = open_page(GateTraces(text="abc", traces=traces, gate="cell").to_html())
    assert "NaN" not in part(page, "gate-traces").evaluate("node => node.outerHTML")
    assert page.locator(".nlpx-key").inner_text().split() == ["cell", "−0.5", "0.5"]


def test_hostile_text_is_shown_as_it_is_written(open_page):
    hostile = "</script><script>window.pwned=1</script><!--&\u2028\"'"
    text = hostile.replace("\u2028", "|")
    traces = {"f": np.full((len(text), 1), 0.5)}
    page = open_page(GateTraces(text=text, traces=traces, notes={0: hostile}).to_html())
    assert "".join(page.locator(".nlpx-tile").all_inner_texts()).replace("\xa0", " ") == text
    assert hostile[:30] in page.locator(".nlpx-unit-note").inner_text()
    assert part(page, "gate-traces").locator("script").count() == 0
    assert page.evaluate("window.pwned") is None


def test_letters_outside_the_basic_plane_count_as_one(open_page):
    traces = {"f": np.array([[0.1], [0.2], [0.3]])}
    page = open_page(GateTraces(text="a𝄞语", traces=traces).to_html())
    assert page.locator(".nlpx-tile").all_inner_texts() == ["a", "𝄞", "语"]
    expect(tile(page, 3)).to_have_attribute("data-value", "0.30")


def test_two_on_a_page_and_with_the_kernel(open_page, gates, traces):
    other = GateTraces("other", text=TEXT, traces=traces, units=[0, 2])
    page = open_page(gates.to_html(), other.to_html())
    part(page, "other").get_by_role("button", name="Next unit").click()
    assert status(page, "gate-traces").startswith("Unit 4,")
    assert status(page, "other").startswith("Unit 2,")
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))
    page = live(open_page, gates)
    tile(page, 7).click()
    assert page.evaluate("window.testModel.values.position") == 6
    assert page.evaluate("window.testModel.saved") > 0
    page.evaluate("() => { testModel.set('unit', 5); testModel.set('gate', 'o'); }")
    assert status(page, "gate-traces").startswith("Unit 5, character 7 ")
    expect(page.locator(".nlpx-panel tr.nlpx-current th")).to_have_text("output gate o")
    page.evaluate("window.testStop()")
    assert page.evaluate("window.testHandlers()") == 0


def test_a_phone_needs_no_sideways_scrolling(open_page, gates):
    page = open_page(gates.to_html(), width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    inside = page.evaluate(
        """() => { const right = document.querySelector(".nlpx-live .nlpx").getBoundingClientRect()
          .right; return [...document.querySelectorAll(".nlpx-live .nlpx *")].filter(node =>
          node.getBoundingClientRect().right > right - 10).map(node => node.outerHTML); }"""
    )
    assert inside == []
    sizes = page.locator(".nlpx-live svg text, .nlpx-live .nlpx-tile").evaluate_all(
        "nodes => nodes.map(n => parseFloat(getComputedStyle(n).fontSize))"
    )
    assert min(sizes) >= 11.5
    page.set_viewport_size({"width": 800, "height": 900})
    expect(page.locator(".nlpx-strips")).not_to_have_attribute("width", re.compile("^3"))


def test_names_focus_and_live_region(open_page, gates):
    page = open_page(gates.to_html())
    assert problems_of_names(page) == []
    assert part(page, "gate-traces").locator('[role=status][aria-live="polite"]').count() == 1
    stops = tab_stops(page)
    assert [name.split(".")[0] for name, _ in stops] == [
        "INPUT", "BUTTON", "BUTTON", "INPUT", "SELECT", "BUTTON",
    ]  # fmt: skip
    assert [stop for stop in stops if stop[1] < 2] == []


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_is_readable_in_every_theme(open_page, gates, theme):
    page = open_page(gates.to_html(), reduced_motion="reduce", **theme_options(theme))
    for symbol in ("cell", "f"):
        page.locator(f'.nlpx-choice input[value="{symbol}"]').check()
        found = contrasts(page)
        assert len(found) > 100
        assert [entry for entry in found if entry[0] < 4.5] == []

"""PositionalEncoding: its computation against the book's positions, and the page itself."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex
from playwright.sync_api import expect

from nlp_helpers.explorables.base import script_json
from nlp_helpers.explorables.positional_encoding import (
    PositionalEncoding,
    encodings,
    frequencies,
)
from nlp_helpers.models.positions import sinusoidal_positions
from nlp_helpers.plotting import DIVERGING
from tests.book.outputs_contract import text_difference
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.test_browser import THEMES, live, part, status
from tests.explorables.test_python_side import visible_text

NAME = "positional-encoding"
SIZES = [(2, 4), (8, 6), (64, 32), (128, 64)]


@pytest.fixture
def positions() -> PositionalEncoding:
    return PositionalEncoding()


def reference(length: int, d_model: int) -> np.ndarray:
    return sinusoidal_positions(length, d_model).double().numpy()


# ---- the Python side ----


@pytest.mark.parametrize(("length", "d_model"), SIZES)
def test_the_vectors_are_the_books(length, d_model):
    table = encodings(length, d_model)
    np.testing.assert_allclose(table, reference(length, d_model), rtol=0, atol=1e-6)
    speeds = frequencies(d_model)
    assert speeds[0] == 1
    np.testing.assert_allclose(speeds[1:] / speeds[:-1], 10_000 ** (-2 / d_model))
    np.testing.assert_allclose(table[1, 0::2], np.sin(speeds))
    np.testing.assert_allclose(table[1, 1::2], np.cos(speeds))


@pytest.mark.parametrize(("length", "d_model"), SIZES)
def test_what_the_page_claims_about_dot_products_is_so(length, d_model):
    table = encodings(length, d_model)
    products = table @ table.T
    for k in range(length):  # a distance is all that counts
        np.testing.assert_allclose(np.diag(products, k), products[0, k], atol=1e-9)
    np.testing.assert_allclose(np.diag(products), d_model / 2)
    off = products[~np.eye(length, dtype=bool)]
    assert off.max() < d_model / 2  # less with every other position


def test_the_state_is_the_traits_and_the_page_is_the_same_every_time(positions):
    assert PositionalEncoding().to_html() == positions.to_html()
    assert repr(positions) == "PositionalEncoding('positional-encoding')"
    state = positions.page_state()
    assert set(state) == {
        "name", "length", "d_model", "scale", "position", "offset", "pair",
    }  # fmt: skip
    assert [state[key] for key in ("length", "d_model", "position", "offset", "pair")] == [
        64, 32, 10, 4, 2,
    ]  # fmt: skip
    assert len(script_json(state)) < 1_500
    assert not re.search(r"://|@import|\burl\(|\bsrc=|\bhref=", positions.to_html())
    assert text_difference(positions.to_html(), PositionalEncoding(pair=3).to_html())


def test_the_reader_starts_inside_a_small_table():
    small = PositionalEncoding(length=np.int64(2), d_model=4)
    assert [small.position, small.offset, small.pair] == [1, 1, 1]
    chosen = PositionalEncoding("other", length=20, d_model=8, position=0, offset=19, pair=3)
    assert [chosen.position, chosen.offset, chosen.pair] == [0, 19, 3]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"length": 1}, ValueError, "length must be between 2 and 128, got 1"),
        ({"length": 129}, ValueError, "length must be between 2 and 128, got 129"),
        ({"length": 64.0}, TypeError, "length must be an int, got float"),
        ({"length": True}, TypeError, "length must be an int, got bool"),
        ({"length": "64"}, TypeError, "length must be an int, got str"),
        ({"d_model": 2}, ValueError, "d_model must be between 4 and 64, got 2"),
        ({"d_model": 66}, ValueError, "d_model must be between 4 and 64, got 66"),
        ({"d_model": 33}, ValueError, "d_model must be even.*got 33"),
        ({"d_model": None}, TypeError, "d_model must be an int, got NoneType"),
        ({"position": 64}, ValueError, "position must be between 0 and 63, got 64"),
        ({"position": -1}, ValueError, "position must be between 0 and 63, got -1"),
        ({"offset": 64}, ValueError, "offset must be between 0 and 63, got 64"),
        ({"offset": 1.5}, TypeError, "offset must be an int, got float"),
        ({"pair": 16}, ValueError, "pair must be between 0 and 15, got 16"),
        ({"pair": False}, TypeError, "pair must be an int, got bool"),
        ({"name": "a b"}, ValueError, "name must be"),
    ],
)
def test_bad_arguments_are_named(changes, error, words):
    with pytest.raises(error, match=words):
        PositionalEncoding(**changes)


@pytest.mark.parametrize(
    ("trait", "value"),
    [("position", 64), ("offset", -1), ("pair", 16), ("length", 1), ("length", 129),
     ("d_model", 33), ("d_model", 66)],
)  # fmt: skip
def test_bad_changes_are_refused(positions, trait, value):
    with pytest.raises(ValueError, match=trait):
        setattr(positions, trait, value)


def test_without_scripts_it_is_tables_of_vectors_speeds_and_products(positions, open_page):
    text = visible_text(positions.to_html())
    table = reference(64, 32)
    dimensions = [0, 1, 4, 5, 30, 31]
    for p in (0, 1, 2, 10, 14, 63):
        numbers = " ".join(f"{table[p, j]:.2f}" for j in dimensions)
        assert f" {p} {numbers}" in text
    assert "pair dimensions radians per position positions per turn 0 0 and 1 1 6.3" in text
    assert "2 4 and 5 0.32 19.9" in text
    assert f"{2 * np.pi * 10_000 ** (30 / 32):,.1f}" in text
    products = table[:33] @ table[0]
    expected = " ".join(f"{products[k]:.2f}" for k in (0, 1, 2, 4, 8, 16, 32))
    assert f"PE(p) · PE(q) {expected}" in text
    assert (
        "From position 10 to 14, pair 2 turns by 4 × 0.32 = 1.3 radians, wherever it starts."
    ) in text
    page = open_page(positions.to_html(), scripts=False, width=390)
    expect(page.get_by_text("How fast each pair of dimensions turns")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


# ---- the computation in the page ----

COMPUTATION = """async ({ esm, cases }) => {
  const source = esm.replace("export default { render };",
    "export { encode, dotProducts, frequencyOf, wavelengthOf, turnsOf };");
  const module = await import(URL.createObjectURL(new Blob([source],
    { type: "text/javascript" })));
  return cases.map(([length, dModel]) => ({
    rows: Array.from({ length }, (_, q) => module.encode(q, dModel)),
    products: Array.from({ length }, (_, q) => module.dotProducts(q, length, dModel)),
    speeds: Array.from({ length: dModel / 2 }, (_, i) => module.frequencyOf(i, dModel)),
    wavelengths: Array.from({ length: dModel / 2 }, (_, i) => module.wavelengthOf(i, dModel)),
    turns: [0, 1, 6.28, 6.29, 100].map((angle) => module.turnsOf(angle)),
  }));
}"""


def test_the_module_computes_what_numpy_computes(open_page, positions):
    page = open_page()
    found = page.evaluate(COMPUTATION, {"esm": str(positions._esm), "cases": SIZES})
    for (length, d_model), one in zip(SIZES, found, strict=True):
        table = encodings(length, d_model)
        np.testing.assert_allclose(one["rows"], table, rtol=0, atol=1e-11)
        np.testing.assert_allclose(one["rows"], reference(length, d_model), rtol=0, atol=1e-6)
        np.testing.assert_allclose(one["products"], table @ table.T, rtol=0, atol=1e-10)
        np.testing.assert_allclose(one["speeds"], frequencies(d_model), rtol=1e-12)
        wavelengths = 2 * np.pi * 10_000 ** (np.arange(0, d_model, 2) / d_model)
        np.testing.assert_allclose(one["wavelengths"], wavelengths, rtol=1e-12)
        for angle, turned in zip([0, 1, 6.28, 6.29, 100], one["turns"], strict=True):
            turns, rest = divmod(angle, 2 * np.pi)
            assert turned["turns"] == turns
            assert turned["rest"] == pytest.approx(rest, abs=1e-9)


# ---- the page ----


LABELS = {"position": "Position p", "offset": "Offset k", "pair": "Pair i"}


def control(page, key: str):
    return page.get_by_role("slider", name=LABELS[key])


def choose(page, **values: int):
    for key, value in values.items():
        control(page, key).fill(str(value))


def now(page) -> tuple[int, int, int]:
    return tuple(int(control(page, key).input_value()) for key in LABELS)


def attribute(locator, *names: str) -> list[float]:
    return [float(locator.get_attribute(name)) for name in names]


def points(page, selector: str) -> np.ndarray:
    """The corners of a path [count, 2]."""
    d = page.locator(selector).get_attribute("d")
    return np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", d), dtype=float)


@pytest.mark.parametrize(("length", "d_model"), SIZES)
def test_the_heat_map_has_every_number_in_the_maps_colour(open_page, length, d_model):
    page = open_page(PositionalEncoding(length=length, d_model=d_model).to_html())
    canvas = page.locator(".nlpx-pe-canvas")
    shape = canvas.evaluate("node => [node.height, node.width]")
    assert shape == [length, d_model]
    pixels = canvas.evaluate(
        "node => [...node.getContext('2d').getImageData(0, 0, node.width, node.height).data]"
    )
    found = np.reshape(pixels, (length, d_model, 4))
    assert (found[..., 3] == 255).all()
    exact = (encodings(length, d_model) + 1) / 2 * 40
    for shift in (-1e-9, 1e-9):  # a number between two colours may take either
        index = np.floor(exact + 0.5 + shift)
        colours = [to_hex(colormaps[DIVERGING](k / 40)) for k in range(41)]
        rgb = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in colours])
        right = (rgb[index.clip(0, 40).astype(int)] == found[..., :3]).all(-1)
        sure = np.floor(exact + 0.5 - 1e-9) == np.floor(exact + 0.5 + 1e-9)
        assert right[sure].all()


def test_the_rows_and_the_pairs_columns_are_marked(open_page, positions):
    page = open_page(positions.to_html())
    choose(page, position=20, offset=7, pair=5)
    canvas = page.locator(".nlpx-pe-canvas").bounding_box()
    row, column = canvas["height"] / 64, canvas["width"] / 32

    def lies(selector, x, y, width, height):
        box = page.locator(f"{selector}.nlpx-pe-line").bounding_box()
        found = [box["x"] - canvas["x"], box["y"] - canvas["y"], box["width"], box["height"]]
        np.testing.assert_allclose(
            found, [x - 1.5, y - 1.5, width + 3, height + 3], atol=1.6
        )  # fmt: skip

    lies(".nlpx-pe-row:not(.nlpx-pe-other)", 0, 20 * row, canvas["width"], row)
    lies(".nlpx-pe-other", 0, 27 * row, canvas["width"], row)
    lies(".nlpx-pe-columns", 10 * column, 0, 2 * column, canvas["height"])
    marks = page.locator(".nlpx-pe-marks")
    assert marks.locator(".nlpx-pe-from:not(rect)").text_content() == "20"
    assert marks.locator(".nlpx-pe-to:not(rect)").text_content() == "27"
    assert marks.locator(".nlpx-strong").all_text_contents() == ["10, 11", "27", "20"]
    sine, cosine = reference(64, 32)[20, 10:12]
    assert page.locator(".nlpx-pe-cell").inner_text() == (
        f"PE(20) in dimensions 10, 11: {sine:.2f}, {cosine:.2f}".replace("-", "−")
    )


@pytest.mark.parametrize(
    ("position", "offset", "pair"), [(10, 4, 2), (0, 1, 0), (3, 10, 0), (63, 63, 15), (20, 5, 3)]
)
def test_the_clocks_hands_are_the_pairs_numbers(open_page, position, offset, pair):
    chosen = PositionalEncoding(position=position, offset=offset, pair=pair)
    page = open_page(chosen.to_html())
    table = encodings(127, 32)
    face = page.locator(".nlpx-pe-face")
    cx, cy, r = attribute(face, "cx", "cy", "r")
    for role, q in (("from", position), ("to", position + offset)):
        hand = page.locator(f".nlpx-pe-hand.nlpx-pe-{role}")
        sine, cosine = table[q, 2 * pair : 2 * pair + 2]
        assert attribute(hand, "data-q") == [q]
        np.testing.assert_allclose(attribute(hand, "data-x", "data-y"), [sine, cosine], atol=1e-8)
        x1, y1, x2, y2 = attribute(hand, "x1", "y1", "x2", "y2")
        np.testing.assert_allclose([x1, y1], [cx, cy])
        # sine to the right, cosine upwards: position 0 stands at twelve, time goes clockwise
        np.testing.assert_allclose([x2, y2], [cx + r * sine, cy - r * cosine], atol=1e-6)
    speed = 10_000 ** (-2 * pair / 32)
    turned = page.locator(".nlpx-pe-turn").inner_text()
    assert turned.startswith(f"{offset} × ")
    total = float(re.search(r"= ([\d.]+) rad", turned)[1])
    assert total == pytest.approx(offset * speed, abs=0.005)
    turns = int(offset * speed / (2 * np.pi))
    assert ("turn" in turned) == (turns > 0)
    assert page.locator(".nlpx-pe-clock .nlpx-pe-step").count() == min(offset, 41) - 1


def test_the_arc_goes_clockwise_by_the_angle(open_page, positions):
    page = open_page(positions.to_html())
    cx, cy, r = attribute(page.locator(".nlpx-pe-face"), "cx", "cy", "r")
    for offset in (4, 15, 23):  # 1.26, 4.74 and 7.27 radians
        choose(page, offset=offset)
        d = page.locator(".nlpx-pe-arc").first.get_attribute("d")
        numbers = [float(x) for x in re.findall(r"-?[\d.]+", d)]
        x1, y1, rx, ry, _, large, sweep, x2, y2 = numbers
        assert rx == ry == pytest.approx(0.42 * r, abs=0.006)
        speed = 10_000 ** (-4 / 32)
        start, angle = 10 * speed, offset * speed % (2 * np.pi)
        for x, y, at in ((x1, y1, start), (x2, y2, start + angle)):
            expected = [cx + 0.42 * r * math.sin(at), cy - 0.42 * r * math.cos(at)]
            np.testing.assert_allclose([x, y], expected, atol=0.01)
        assert (large, sweep) == (angle > np.pi, 1)
    assert page.locator(".nlpx-pe-turn").inner_text() == (
        "23 × 0.32 = 7.27 rad (1 turn and 0.99 rad)"
    )


def test_hands_that_nearly_meet_have_their_numbers_apart(open_page):
    page = open_page(PositionalEncoding(position=10, offset=1, pair=15).to_html())
    first, second = (
        page.locator(f".nlpx-pe-clock text.nlpx-pe-{role}").bounding_box()
        for role in ("from", "to")
    )
    assert second["y"] + second["height"] < first["y"] + 4


def axes(page, kind: str, length: int):
    """Functions from position and value to the plot's coordinates, read from its own ticks."""
    ticks = page.locator(f".{kind} line.nlpx-axis").evaluate_all(
        "nodes => nodes.map(n => ['x1', 'x2', 'y1', 'y2'].map(a => +n.getAttribute(a)))"
    )
    left, right, zero, _ = ticks[0]
    at_one = page.locator(f".{kind} line.nlpx-grid").last
    (top,) = attribute(at_one, "y1")
    return lambda q: left + q / (length - 1) * (right - left), zero, top


@pytest.mark.parametrize("pair", [0, 2, 15])
def test_the_waves_are_sine_and_cosine_with_their_wavelength(open_page, pair):
    page = open_page(PositionalEncoding(position=12, offset=3, pair=pair).to_html())
    x, zero, one = axes(page, "nlpx-pe-waves", 64)
    speed = 10_000 ** (-2 * pair / 32)
    table = encodings(64, 32)[:, 2 * pair : 2 * pair + 2]
    paths = [".nlpx-pe-waves .nlpx-pe-wave:not(.nlpx-pe-cosine)", ".nlpx-pe-waves .nlpx-pe-cosine"]
    for selector, wave in zip(paths, (np.sin, np.cos), strict=True):
        drawn = points(page, selector)
        q = (drawn[:, 0] - x(0)) / (x(63) - x(0)) * 63
        assert len(q) > 400
        np.testing.assert_allclose([q[0], q[-1]], [0, 63], atol=1e-9)
        np.testing.assert_allclose(drawn[:, 1], zero + wave(q * speed) * (one - zero), atol=0.1)
    dots = page.locator(".nlpx-pe-waves .nlpx-pe-dot").evaluate_all(
        "nodes => nodes.map(n => [+n.getAttribute('cx'), +n.getAttribute('cy')])"
    )
    expected = [[x(p), zero + table[p, j] * (one - zero)] for p in (15, 12) for j in (0, 1)]
    np.testing.assert_allclose(dots, expected, atol=1e-6)
    wavelength = 2 * np.pi * 10_000 ** (2 * pair / 32)
    span = page.locator(".nlpx-pe-span")
    assert span.count() == (wavelength <= 63)
    if wavelength <= 63:
        horizontal = re.search(r"29H([\d.]+)", span.get_attribute("d"))[1]
        assert float(horizontal) == pytest.approx(x(wavelength))
    title = page.locator(".nlpx-pe-title").nth(2).inner_text()
    shown = f"{wavelength:.1f}" if wavelength < 100 else f"{wavelength:,.0f}"
    assert title == f"Its waves: wavelength {shown} positions"


def test_the_curve_is_the_dot_product_and_only_moves(open_page, positions):
    page = open_page(positions.to_html())
    x, zero, one = axes(page, "nlpx-pe-products", 64)  # the last grid line is at d_model / 2 = 16
    table = reference(64, 32)
    drawn = {}
    for p in (10, 30, 63):
        choose(page, position=p)
        drawn[p] = points(page, ".nlpx-pe-products .nlpx-pe-wave")
        np.testing.assert_allclose(drawn[p][:, 0], x(np.arange(64)), atol=0.006)
        products = table @ table[p]
        np.testing.assert_allclose(drawn[p][:, 1], zero + products / 16 * (one - zero), atol=0.02)
    # the same curve, 20 positions on
    np.testing.assert_allclose(drawn[30][20:, 1], drawn[10][:44, 1], atol=0.011)
    np.testing.assert_allclose(drawn[63][53:, 1], drawn[10][:11, 1], atol=0.011)
    choose(page, position=10)
    to, own = page.locator(".nlpx-pe-products .nlpx-pe-dot").evaluate_all(
        "nodes => nodes.map(n => +n.dataset.value)"
    )
    np.testing.assert_allclose([to, own], [table[10] @ table[14], 16], rtol=1e-6)
    assert page.locator(".nlpx-pe-product").inner_text() == (
        f"PE(10) · PE(14) = {to:.2f}; with itself 16"
    )
    choose(page, offset=0)
    assert page.locator(".nlpx-pe-product").inner_text() == "PE(10) · PE(10) = 16"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "Pair 2 turns by 0.32 rad per position, once around every 19.9 positions; from "
         "position 10 to 14 it turns by 1.26 rad, wherever it starts."),
        ({"offset": 0}, "Pair 2 turns by 0.32 rad per position, once around every 19.9 positions; "
         "with an offset of 0 it does not turn."),
        ({"pair": 0, "offset": 10}, "Pair 0 turns by 1.00 rad per position, once around every 6.3 "
         "positions; from position 10 to 20 it turns by 10.00 rad (1 turn and 3.72 rad), wherever "
         "it starts."),
        ({"pair": 0, "offset": 40, "position": 0}, "Pair 0 turns by 1.00 rad per position, once "
         "around every 6.3 positions; from position 0 to 40 it turns by 40.00 rad (6 turns and "
         "2.30 rad), wherever it starts."),
        ({"pair": 15}, "Pair 15 turns by 0.00018 rad per position, once around every 35,333 "
         "positions; from position 10 to 14 it turns by 0.00071 rad, wherever it starts."),
        ({"position": 62}, "Pair 2 turns by 0.32 rad per position, once around every 19.9 "
         "positions; from position 62 to 66, beyond the table of 64, it turns by 1.26 rad, "
         "wherever it starts."),
    ],
)  # fmt: skip
def test_the_sentence_says_the_numbers(open_page, settings, words):
    page = open_page(PositionalEncoding(**settings).to_html())
    assert status(page, NAME) == words
    assert page.locator(".nlpx-pe-hand").count() == (1 if settings.get("offset") == 0 else 2)
    beyond = settings.get("position") == 62
    assert page.locator("rect.nlpx-pe-other.nlpx-pe-line").count() == (
        0 if beyond or settings.get("offset") == 0 else 1
    )
    assert "NaN" not in part(page, NAME).evaluate("node => node.outerHTML")


def test_sliders_by_keyboard_and_by_mouse(open_page, positions):
    page = open_page(positions.to_html())
    for place, key in enumerate(LABELS):
        before = now(page)[place]
        control(page, key).focus()
        page.keyboard.press("ArrowRight")
        assert now(page)[place] == before + 1
        page.keyboard.press("End")
        assert now(page)[place] == (15 if place == 2 else 63)
        page.keyboard.press("Home")
        assert now(page)[place] == 0
        expect(control(page, key)).to_be_focused()
    assert status(page, NAME).startswith("Pair 0 turns by 1.00 rad")
    box = control(page, "pair").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    assert now(page)[2] == 15
    assert status(page, NAME).startswith("Pair 15 ")
    expect(page.locator(".nlpx-pe-sliders output").nth(2)).to_have_text("15")


def test_a_click_on_the_heat_map_chooses_position_and_pair(open_page, positions):
    page = open_page(positions.to_html())
    box = page.locator(".nlpx-pe-canvas").bounding_box()
    for position, dimension in [(0, 0), (33, 13), (63, 31), (50, 8)]:
        page.mouse.click(
            box["x"] + (dimension + 0.5) / 32 * box["width"],
            box["y"] + (position + 0.5) / 64 * box["height"],
        )
        assert now(page) == (position, 4, dimension // 2)
        assert status(page, NAME).startswith(f"Pair {dimension // 2} turns ")
        assert f"position {position} to {position + 4}" in status(page, NAME)
        assert page.locator(".nlpx-pe-canvas").bounding_box() == box  # nothing has moved
    page.mouse.click(box["x"] - 10, box["y"] + box["height"] + 10)  # beside it: the nearest
    assert now(page) == (63, 4, 0)


def test_arrow_keys_move_on_the_heat_map(open_page, positions):
    page = open_page(positions.to_html())
    page.locator(".nlpx-pe-map").focus()
    for key, position, pair in [
        ("ArrowDown", 11, 2), ("ArrowRight", 11, 3), ("ArrowUp", 10, 3), ("ArrowLeft", 10, 2),
        ("ArrowLeft", 10, 1), ("ArrowLeft", 10, 0), ("ArrowLeft", 10, 0),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert now(page) == (position, 4, pair)
        expect(page.locator(".nlpx-pe-map")).to_be_focused()
    choose(page, position=63)
    page.locator(".nlpx-pe-map").press("ArrowDown")
    page.locator(".nlpx-pe-map").press("Control+ArrowUp")
    assert now(page) == (63, 4, 0)


@pytest.mark.parametrize(("length", "d_model"), SIZES)
def test_every_size_is_drawn_at_its_ends(open_page, length, d_model):
    page = open_page(PositionalEncoding(length=length, d_model=d_model).to_html())
    for position in (0, length - 1):
        for offset in (0, length - 1):
            for pair in (0, d_model // 2 - 1):
                choose(page, position=position, offset=offset, pair=pair)
                assert status(page, NAME).startswith(f"Pair {pair} turns ")
                markup = part(page, NAME).evaluate("node => node.outerHTML")
                assert "NaN" not in markup
                assert "Infinity" not in markup
    assert page.locator(".nlpx-pe-products .nlpx-pe-step").count() == (
        length if length <= 64 else 0
    )


def test_two_on_a_page_and_with_the_kernel(open_page, positions):
    page = open_page(positions.to_html(), PositionalEncoding("other", 16, 8).to_html())
    part(page, "other").get_by_label("Pair i").fill("3")
    assert status(page, NAME).startswith("Pair 2 ")
    assert status(page, "other").startswith("Pair 3 turns by 0.0010 rad")
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))
    page = live(open_page, positions)
    choose(page, position=5, offset=6, pair=7)
    values = page.evaluate("['position', 'offset', 'pair'].map(k => testModel.values[k])")
    assert values == [5, 6, 7]
    assert page.evaluate("testModel.saved") > 0
    page.evaluate("() => { testModel.set('position', 40); testModel.set('offset', 2); "
                  "testModel.set('pair', 1); }")  # fmt: skip
    expect(page.locator(".nlpx-status")).to_have_text(
        re.compile("^Pair 1 turns by 0.56 rad .* from position 40 to 42 it turns by 1.12 rad")
    )
    assert now(page) == (40, 2, 1)
    page.evaluate("window.testStop()")
    assert page.evaluate("window.testHandlers()") == 0


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_needs_no_sideways_scrolling(open_page, width):
    page = open_page(PositionalEncoding(length=128, d_model=64, position=100).to_html(),
                     width=width)  # fmt: skip
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        """() => { const right = document.querySelector(".nlpx-live .nlpx").getBoundingClientRect()
          .right; return [...document.querySelectorAll(".nlpx-live .nlpx *")].filter(node =>
          node.getBoundingClientRect().right > right).map(node => node.outerHTML); }"""
    )
    assert outside == []
    sizes = page.locator(".nlpx-live svg text").evaluate_all(
        "nodes => nodes.map(n => parseFloat(getComputedStyle(n).fontSize))"
    )
    assert min(sizes) >= 11.5
    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".nlpx-pe-part").all()}
    assert len(lefts) == 1
    page.set_viewport_size({"width": 900, "height": 900})
    expect(page.locator(".nlpx-pe-waves")).to_have_attribute("width", re.compile("^4"))
    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".nlpx-pe-part").all()}
    assert len(lefts) == 2


def test_the_heat_maps_picture_lies_under_its_marks_at_every_width(open_page, positions):
    page = open_page(positions.to_html(), width=900)
    for width in (900, 500, 320):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(100)
        canvas = page.locator(".nlpx-pe-canvas").bounding_box()
        row = page.locator(".nlpx-pe-row.nlpx-pe-line:not(.nlpx-pe-other)").bounding_box()
        assert row["x"] + row["width"] / 2 == pytest.approx(
            canvas["x"] + canvas["width"] / 2, abs=1
        )
        middle = canvas["y"] + 10.5 / 64 * canvas["height"]
        assert row["y"] + row["height"] / 2 == pytest.approx(middle, abs=1)


def test_names_focus_and_live_region(open_page, positions):
    page = open_page(positions.to_html())
    assert problems_of_names(page) == []
    assert part(page, NAME).locator('[role=status][aria-live="polite"]').count() == 1
    stops = tab_stops(page)
    assert [name.split(".")[0] for name, _ in stops] == ["INPUT", "INPUT", "INPUT", "DIV"]
    assert [stop for stop in stops if stop[1] < 2] == []
    labels = page.locator(".nlpx-live [role=img]").evaluate_all(
        "nodes => nodes.map(n => n.getAttribute('aria-label'))"
    )
    assert labels == [
        "Pair 2 as a clock: the hand of position 10 and that of 14, 1.26 radians apart.",
        "Sine and cosine of pair 2 along 64 positions, wavelength 19.9 positions.",
        "Dot product of position 10 with each of the 64 positions: 16 with itself, less with "
        "every other.",
    ]


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_is_readable_in_every_theme(open_page, positions, theme):
    page = open_page(positions.to_html(), reduced_motion="reduce", **theme_options(theme))
    for position, offset, pair in [(10, 4, 2), (0, 30, 15), (62, 1, 0)]:
        choose(page, position=position, offset=offset, pair=pair)
        found = contrasts(page)
        assert len(found) > 50
        assert [entry for entry in found if entry[0] < 4.5] == []

"""AttentionMask: its computation against the book's attention, and the page by mouse and keys."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps
from matplotlib.colors import to_hex
from playwright.sync_api import expect

from nlp_helpers.explorables.attention_mask import (
    METHODS,
    AttentionMask,
    allowed_pairs,
    mask_steps,
    softmax,
)
from nlp_helpers.explorables.base import script_json
from nlp_helpers.models.scaled_dot_product import attention_weights, causal_mask
from nlp_helpers.plotting import DIVERGING, SEQUENTIAL
from tests.book.outputs_contract import text_difference
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.test_browser import THEMES, live, part, status
from tests.explorables.test_python_side import visible_text

TOKENS = ["a", "b", "c", "d"]
SCORES = [
    [0.5, -1.0, 2.0, 0.25],
    [1.5, 0.75, -0.5, 3.0],
    [0.0, 0.4, 0.9, -2.0],
    [-0.25, 1.0, 1.25, -0.75],
]
LONG = ["the", "old", "cat", "sat", "on", "the", "mat", "<pad>"]
SETTINGS = [
    (padding, causal, method) for padding in range(4) for causal in (False, True)
    for method in METHODS
]  # fmt: skip


@pytest.fixture
def masks() -> AttentionMask:
    return AttentionMask(tokens=TOKENS, scores=SCORES)


def steps(padding: int, causal: bool, method: str, scores=SCORES):
    """Allowed pairs, what stands between, and weights."""
    scores = np.array(scores)
    allowed = allowed_pairs(len(scores), padding, causal)
    return allowed, *mask_steps(scores, allowed, method)


def random_scores(count: int, scale: float = 2.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, count)) * scale


# ---- the computation ----


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("count", [3, 5, 8])
def test_the_right_method_is_the_books_attention(count, causal):
    scores = random_scores(count)
    for padding in range(count):
        allowed = allowed_pairs(count, padding, causal)
        mask = torch.arange(count) < count - padding
        mask = mask & causal_mask(count) if causal else mask.expand(count, count)
        np.testing.assert_array_equal(allowed, mask.numpy())
        expected = attention_weights(torch.tensor(scores), mask).numpy()
        between, weights = mask_steps(scores, allowed, "minus-infinity")
        np.testing.assert_allclose(weights, expected, rtol=1e-12, atol=1e-15)
        assert (weights[~allowed] == 0).all()
        np.testing.assert_array_equal(between == -np.inf, ~allowed)
        np.testing.assert_array_equal(between[allowed], scores[allowed])


@given(st.integers(3, 8), st.integers(0, 7), st.booleans())
def test_no_query_is_without_a_key(count, padding, causal):
    assert allowed_pairs(count, min(padding, count - 1), causal)[:, 0].all()


def test_a_query_without_a_key_would_get_zeros():
    allowed = np.array([[True, False, True], [False, False, False], [True, True, True]])
    scores = random_scores(3)
    _, weights = mask_steps(scores, allowed, "minus-infinity")
    expected = attention_weights(torch.tensor(scores), torch.tensor(allowed)).numpy()
    np.testing.assert_allclose(weights, expected, rtol=1e-12)
    assert (weights[1] == 0).all()
    np.testing.assert_array_equal(softmax(np.full((2, 3), -np.inf)), np.zeros((2, 3)))


def test_the_wrong_methods_are_wrong_as_described():
    allowed, between, weights = steps(1, True, "zero-scores")
    np.testing.assert_allclose(weights.sum(1), 1)
    assert (weights[~allowed] > 0).all()  # e to the power 0 is 1
    assert (between[~allowed] == 0).all()
    np.testing.assert_allclose(weights[0, 1:], 1 / (np.exp(0.5) + 3))
    allowed, between, weights = steps(1, True, "zero-weights")
    np.testing.assert_allclose(between, torch.tensor(SCORES, dtype=torch.float64).softmax(-1))
    assert (weights[~allowed] == 0).all()
    np.testing.assert_array_equal(weights[allowed], between[allowed])
    assert (weights.sum(1) < 0.98).all()
    _, _, right = steps(1, True, "minus-infinity")
    np.testing.assert_allclose(weights / weights.sum(1, keepdims=True), right)


@given(st.integers(3, 8), st.integers(0, 2), st.booleans(), st.sampled_from([0.1, 5.0, 40.0]))
def test_weights_are_finite_shares_whatever_the_scores(count, padding, causal, scale):
    allowed = allowed_pairs(count, padding, causal)
    scores = random_scores(count, scale).clip(-100, 100)
    for method in METHODS:
        _, weights = mask_steps(scores, allowed, method)
        assert ((weights >= 0) & (weights <= 1)).all()
        if method != "zero-weights":
            np.testing.assert_allclose(weights.sum(1), 1)


def test_without_a_mask_the_methods_agree():
    allowed = allowed_pairs(4, 0, False)
    found = [mask_steps(np.array(SCORES), allowed, method)[1] for method in METHODS]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


# ---- the Python side ----


def test_the_state_is_the_traits_and_the_page_is_the_same_every_time(masks):
    assert AttentionMask(tokens=TOKENS, scores=torch.tensor(SCORES)).to_html() == masks.to_html()
    assert repr(masks) == "AttentionMask('attention-mask')"
    state = masks.page_state()
    assert set(state) == {
        "name", "tokens", "scores", "scales", "padding", "causal", "method", "row",
    }  # fmt: skip
    assert (state["tokens"], state["scores"]) == (TOKENS, SCORES)
    assert not re.search(r"://|@import|\burl\(|\bsrc=|\bhref=", masks.to_html())
    assert len(script_json(state)) < 5_000
    chosen = AttentionMask(tokens=TOKENS, scores=SCORES, padding=2, causal=np.True_,
                           method="zero-scores")  # fmt: skip
    state = chosen.page_state()
    assert (state["padding"], state["causal"], state["method"]) == (2, True, "zero-scores")


def test_scores_are_kept_with_four_decimals():
    scores = random_scores(8)
    kept = AttentionMask(tokens=LONG, scores=scores).page_state()["scores"]
    np.testing.assert_allclose(kept, scores, rtol=0, atol=5e-5 + 1e-12)


def test_another_processor_may_round_a_last_digit_differently():
    def page(error):
        scores = random_scores(8) + error
        return AttentionMask(tokens=LONG, scores=scores, padding=2, causal=True).to_html()

    assert page(3e-6) != page(0)  # some score does cross a boundary
    assert text_difference(page(0), page(3e-6)) is None
    assert text_difference(page(0), page(0.3)) is not None


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"tokens": None}, TypeError, "needs tokens and their scores"),
        ({"scores": None}, TypeError, "needs tokens and their scores"),
        ({"tokens": "abcd"}, TypeError, "tokens must be a list of strings, got str"),
        ({"tokens": {"a", "b", "c", "d"}}, TypeError, "got set"),
        ({"tokens": ["a", "b"]}, ValueError, "3 to 8, got 2"),
        ({"tokens": list("abcdefghi")}, ValueError, "3 to 8, got 9"),
        ({"tokens": ["a", "b", "c", 4]}, TypeError, r"tokens\[3\] must be a string, got int"),
        ({"tokens": ["a", " ", "c", "d"]}, ValueError, r"tokens\[1\] must not be blank"),
        ({"tokens": ["a", "b", "c", "d" * 13]}, ValueError, r"tokens\[3\] must be 1 to 12"),
        ({"tokens": ["a\n", "b", "c", "d"]}, ValueError, r"tokens\[0\] must be .*'a\\n'"),
        ({"tokens": ["a", "b", "c"]}, ValueError, r"scores must have shape \[3, 3\], got \[4, 4\]"),
        ({"scores": SCORES[:3]}, ValueError, r"shape \[4, 4\], got \[3, 4\]"),
        ({"scores": [SCORES]}, ValueError, r"shape \[4, 4\], got \[1, 4, 4\]"),
        ({"scores": [[1, 2], [3]]}, ValueError, "rectangular"),
        ({"scores": np.full((4, 4), -np.inf)}, ValueError, "must be finite, got -inf"),
        ({"scores": np.full((4, 4), np.nan)}, ValueError, "must be finite, got nan"),
        ({"scores": np.full((4, 4), 1j)}, TypeError, "real numbers, got dtype complex128"),
        ({"scores": np.full((4, 4), -101)}, ValueError, "between -100 and 100.*got -101"),
        ({"padding": 4}, ValueError, "padding must be between 0 and 3, got 4"),
        ({"padding": -1}, ValueError, "padding must be between 0 and 3, got -1"),
        ({"padding": 1.0}, TypeError, "padding must be an int, got float"),
        ({"causal": 1}, TypeError, "causal must be a bool, got int"),
        ({"method": "zeros"}, ValueError, r"method must be one of .*got 'zeros'"),
        ({"name": "a b"}, ValueError, "name must be"),
    ],
)
def test_bad_arguments_are_named(changes, error, words):
    with pytest.raises(error, match=words):
        AttentionMask(**({"tokens": TOKENS, "scores": SCORES} | changes))


@pytest.mark.parametrize(
    ("trait", "value"), [("padding", 4), ("padding", -1), ("method", ""), ("row", 4), ("row", -2)]
)
def test_bad_changes_are_refused(masks, trait, value):
    with pytest.raises(ValueError, match=trait):
        setattr(masks, trait, value)
    masks.row = 3
    masks.row = -1


def test_without_scripts_it_is_tables_of_scores_weights_and_methods(open_page):
    masks = AttentionMask(tokens=TOKENS, scores=SCORES, padding=1, causal=True)
    text = visible_text(masks.to_html())
    assert "query a b c d a 0.50 ✗ −1.00 ✗ 2.00 ✗ 0.25 b 1.50 0.75 ✗ −0.50" in text
    _, _, weights = steps(1, True, "minus-infinity")
    b, c = weights[1], weights[2]
    assert f"b {b[0]:.2f} {b[1]:.2f} ✗ 0.00 ✗ 0.00 1.00" in text
    assert f"c {c[0]:.2f} {c[1]:.2f} {c[2]:.2f} ✗ 0.00 1.00" in text
    assert "7 of 16 pairs are forbidden" in text
    allowed, _, leaky = steps(1, True, "zero-scores")
    leak = np.where(allowed, 0, leaky).sum(1).max()
    lowest = steps(1, True, "zero-weights")[2].sum(1).min()
    assert "−∞ before the softmax 0.00 1.00" in text
    assert f"0 before the softmax {leak:.2f} 1.00" in text
    assert f"0 after the softmax 0.00 {lowest:.2f}" in text
    assert "Padding: d. Causal: yes." in text
    page = open_page(masks.to_html(), scripts=False, width=390)
    expect(page.get_by_text("7 of 16 pairs are forbidden")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


# ---- the page ----


def grid(page, place: int):
    return page.locator(".nlpx-mask-grid").nth(place - 1)


def query(page, place: int):
    return page.locator("button.nlpx-mask-query").nth(place - 1)


def shown(page, place: int) -> np.ndarray:
    """The exact numbers of a grid [query, key]."""
    numbers = grid(page, place).locator("td[data-value]:not(.nlpx-mask-sum)").evaluate_all(
        "nodes => nodes.map(n => n.dataset.value)"
    )  # fmt: skip
    side = round(len(numbers) ** 0.5)
    return np.array([float(number) for number in numbers]).reshape(side, side)


def written(page, place: int) -> list[list[str]]:
    """The texts of a grid's rows, with the token first."""
    return [
        [cell.strip() for cell in line]
        for line in grid(page, place)
        .locator("tbody tr")
        .evaluate_all("rows => rows.map(r => [...r.children].map(cell => cell.textContent))")
    ]


def forbidden(page, place: int) -> np.ndarray:
    flags = grid(page, place).locator("td[data-value]:not(.nlpx-mask-sum)").evaluate_all(
        "nodes => nodes.map(n => n.classList.contains('nlpx-forbidden'))"
    )  # fmt: skip
    side = round(len(flags) ** 0.5)
    return np.array(flags).reshape(side, side)


def sums(page) -> list[float]:
    return [float(x) for x in page.locator("td.nlpx-mask-sum").evaluate_all(
        "nodes => nodes.map(n => n.dataset.value)")]  # fmt: skip


def choose(page, padding: int | None = None, causal: bool | None = None, method: str | None = None):
    if padding is not None:
        page.get_by_label("Padding").fill(str(padding))
    if causal is not None:
        page.get_by_label("hidden (causal)" if causal else "visible", exact=True).check()
    if method is not None:
        page.get_by_label(METHODS[method]).check()


def leave(page):
    page.locator(".nlpx-title").last.hover()


COMPUTATION = """async ({ esm, cases }) => {
  const source = esm.replace("export default { render };",
    "export { allowedPairs, maskSteps, softmax };");
  const module = await import(URL.createObjectURL(new Blob([source],
    { type: "text/javascript" })));
  const plain = (rows) => rows.map((row) => row.map(String));
  return cases.map(({ scores, allowed, padding, causal, method }) => {
    const pairs = allowed || module.allowedPairs(scores.length, padding, causal);
    const { between, weights } = module.maskSteps(scores, pairs, method);
    return { pairs, between: plain(between), weights: plain(weights) };
  });
}"""


def computed(open_page, masks, cases: list[dict]) -> list[dict]:
    """What the module's functions return, without any drawing."""
    page = open_page()
    found = page.evaluate(COMPUTATION, {"esm": str(masks._esm), "cases": cases})
    read = np.vectorize(lambda text: float(text.replace("Infinity", "inf")))
    return [one | {key: read(one[key]) for key in ("between", "weights")} for one in found]


def test_the_module_computes_what_numpy_computes(open_page, masks):
    cases = [
        {"scores": random_scores(count, scale, seed).clip(-100, 100).tolist(), "padding": padding,
         "causal": causal, "method": method}
        for seed, (count, scale) in enumerate([(3, 1.0), (5, 4.0), (8, 40.0)])
        for padding in range(count) for causal in (False, True) for method in METHODS
    ]  # fmt: skip
    for case, found in zip(cases, computed(open_page, masks, cases), strict=True):
        allowed, between, weights = steps(
            case["padding"], case["causal"], case["method"], case["scores"]
        )
        np.testing.assert_array_equal(found["pairs"], allowed)
        np.testing.assert_allclose(found["between"], between, rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(found["weights"], weights, rtol=1e-12, atol=1e-300)


def test_the_module_gives_zeros_to_a_query_without_a_key(open_page, masks):
    allowed = [[True, False, False], [False, False, False], [True, True, False]]
    case = {"scores": random_scores(3).tolist(), "allowed": allowed, "method": "minus-infinity"}
    (found,) = computed(open_page, masks, [case])
    assert (found["weights"][1] == 0).all()
    np.testing.assert_allclose(found["weights"].sum(1), [1, 0, 1])


def test_every_setting_shows_what_numpy_computes(open_page, masks):
    page = open_page(masks.to_html())
    for padding, causal, method in SETTINGS:
        choose(page, padding, causal, method)
        allowed, between, weights = steps(padding, causal, method)
        np.testing.assert_array_equal(shown(page, 1), SCORES)
        np.testing.assert_allclose(shown(page, 2), between, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(shown(page, 3), weights, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(sums(page), weights.sum(1), rtol=1e-7)
        for place in (1, 2, 3):
            np.testing.assert_array_equal(forbidden(page, place), ~allowed)
    assert "NaN" not in part(page, "attention-mask").evaluate("node => node.outerHTML")


def test_numbers_are_written_short(open_page):
    scores = np.array(SCORES)
    scores[0] = [12.34, -0.5, 0, -100]
    page = open_page(AttentionMask(tokens=TOKENS, scores=scores, padding=1).to_html())
    assert written(page, 1)[0] == ["a", "12.3", "−.50", "0", "−100.0"]
    assert written(page, 2)[0] == ["a", "12.3", "−.50", "0", "−∞"]
    assert written(page, 3)[0] == ["a", "1.00", ".00", ".00", "0", "1.00"]  # .00 is not quite 0


def rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[k : k + 2], 16) for k in (1, 3, 5)))


def test_cells_have_the_maps_colours_and_forbidden_ones_a_hatch_too(open_page, masks):
    page = open_page(masks.to_html())
    choose(page, 1, True, "zero-scores")
    allowed, between, weights = steps(1, True, "zero-scores")
    ends = 3  # the largest score is 3.0

    def look(place):
        return grid(page, place).locator("td[data-value]:not(.nlpx-mask-sum)").evaluate_all(
            "nodes => nodes.map(n => getComputedStyle(n)).map(s => [s.backgroundColor, "
            "s.backgroundImage])"
        )  # fmt: skip

    for place, values, cmap in [
        (1, np.array(SCORES) / (2 * ends) + 0.5, DIVERGING),
        (2, between / (2 * ends) + 0.5, DIVERGING),
        (3, weights, SEQUENTIAL),
    ]:
        found = look(place)
        expected = [
            rgb(to_hex(colormaps[cmap](np.floor(v * 40 + 0.5) / 40))) for v in values.ravel()
        ]
        assert [colour for colour, _ in found] == expected
        hatched = np.reshape(["gradient" in image for _, image in found], (4, 4))
        np.testing.assert_array_equal(hatched, ~allowed)
    choose(page, method="minus-infinity")
    found = look(2)
    assert found[1][0] == "rgba(0, 0, 0, 0)"  # minus infinity is on no colour map
    assert "gradient" in found[1][1]
    label = "−∞, forbidden"
    expect(grid(page, 2).locator("td[data-value]").nth(1)).to_have_attribute("aria-label", label)


def test_the_grids_say_what_has_been_done(open_page, masks):
    page = open_page(masks.to_html())
    captions = page.locator(".nlpx-mask-grid caption")
    found = []
    for method in METHODS:
        choose(page, method=method)
        found.append([re.sub(r"\s+", " ", text) for text in captions.all_inner_texts()])
    assert found == [
        ["1 Scores", "2 Mask: forbidden scores become −∞", "3 Softmax: weights"],
        ["1 Scores", "2 Mask: forbidden scores become 0", "3 Softmax: weights"],
        ["1 Scores", "2 Softmax: weights of all keys", "3 Mask: forbidden weights become 0"],
    ]
    assert page.locator(".nlpx-mask-grid thead").nth(2).inner_text().split() == [*TOKENS, "sum"]
    choose(page, padding=2)
    padded = page.locator(".nlpx-mask-grid").first.locator(".nlpx-padded")
    assert padded.all_inner_texts() == ["c", "d"] * 2
    expect(padded.first).to_have_css("text-decoration-line", "line-through")
    expect(page.locator(".nlpx-mask-padding output")).to_have_text("2 tokens")


def test_the_sentence_says_what_happened_to_all(open_page, masks):
    page = open_page(masks.to_html())
    assert status(page, "attention-mask") == (
        "No pair is forbidden: every query may attend to all 4 keys, every row sums to 1, and the "
        "three ways to apply a mask agree."
    )
    choose(page, padding=1, causal=True)
    begin = "7 of 16 pairs are forbidden; "
    assert status(page, "attention-mask") == (
        begin + "forbidden keys get 0 of the weight; every row sums to 1."
    )
    choose(page, method="zero-scores")
    allowed, _, weights = steps(1, True, "zero-scores")
    leaks = np.where(allowed, 0, weights).sum(1)
    assert status(page, "attention-mask") == (
        f"{begin}forbidden keys still get up to {leaks.max():.2f} of a row’s weight (query "
        f"“{TOKENS[leaks.argmax()]}”), although every row sums to 1."
    )
    choose(page, method="zero-weights")
    total = steps(1, True, "zero-weights")[2].sum(1)
    assert status(page, "attention-mask") == (
        f"{begin}forbidden keys get 0 of the weight, but row sums fall to {total.min():.2f} (query "
        f"“{TOKENS[total.argmin()]}”)."
    )
    short = page.locator("td.nlpx-mask-short")
    assert short.count() == 4
    choose(page, method="minus-infinity")
    assert short.count() == 0


def test_what_is_nearly_nothing_or_nearly_all_is_not_rounded_away(open_page):
    scores = np.zeros((4, 4))
    scores[:, 0] = 8  # the others get e to the power -8 of it
    page = open_page(AttentionMask(tokens=TOKENS, scores=scores, padding=1).to_html())
    choose(page, method="zero-scores")
    assert "still get up to less than 0.01 of a row’s weight" in status(page, "attention-mask")
    choose(page, method="zero-weights")
    assert "but row sums fall to just below 1 (query “a”)." in status(page, "attention-mask")
    scores[:, 0] = -20
    page = open_page(AttentionMask(tokens=TOKENS, scores=scores, padding=3).to_html())
    choose(page, method="zero-scores")
    assert "still get up to more than 0.99 of a row’s weight" in status(page, "attention-mask")


@pytest.mark.parametrize("method", METHODS)
def test_the_sentence_about_a_query(open_page, masks, method):
    page = open_page(masks.to_html())
    choose(page, 1, True, method)
    _, _, weights = steps(1, True, method)
    w = [[f"{weight:.2f}" for weight in row] for row in weights]
    query(page, 2).click()
    leave(page)
    rest = {
        "minus-infinity": "",
        "zero-scores": f"; forbidden, but still given weight: “c” {w[1][2]} and “d” {w[1][3]}",
        "zero-weights": f"; their sum is {weights[1].sum():.2f}, not 1, because the softmax has "
        "also counted “c” and “d”",
    }[method]
    assert status(page, "attention-mask") == (
        f"“b” may attend to “a” and “b”: weights {w[1][0]}, {w[1][1]}{rest}."
    )
    query(page, 1).click()
    leave(page)
    assert status(page, "attention-mask").startswith(f"“a” may attend to “a”: weight {w[0][0]}")
    query(page, 4).click()
    leave(page)
    assert status(page, "attention-mask").endswith(" It is padding itself: nothing reads its row.")
    choose(page, 0, False, method)
    assert re.fullmatch(
        r"“d” may attend to “a”, “b”, “c” and “d”: weights (0\.\d\d, ){3}0\.\d\d\.",
        status(page, "attention-mask"),
    )


def test_tokens_that_occur_twice_are_told_apart(open_page):
    page = open_page(AttentionMask(tokens=LONG, scores=random_scores(8), causal=True).to_html())
    query(page, 6).click()
    assert status(page, "attention-mask").startswith(
        "The 2nd “the” may attend to the 1st “the”, “old”, “cat”, “sat”, “on” and the 2nd “the”: "
    )


def test_pointing_at_a_row_of_any_grid_speaks_of_it(open_page, masks):
    page = open_page(masks.to_html())
    overall = status(page, "attention-mask")
    for place in (1, 2, 3):
        grid(page, place).locator("tbody tr").nth(2).locator("td").nth(1).hover()
        assert status(page, "attention-mask").startswith("“c” may attend to ")
        assert page.locator(".nlpx-mask-row").count() == 3
        assert page.locator('[aria-pressed="true"]').count() == 0  # pointing is no choice
    grid(page, 3).locator("td.nlpx-mask-sum").nth(1).hover()
    assert status(page, "attention-mask").startswith("“b” may attend to ")
    leave(page)
    assert status(page, "attention-mask") == overall
    assert page.locator(".nlpx-mask-row").count() == 0


def test_a_click_marks_and_a_second_takes_the_mark_away(open_page, masks):
    page = open_page(masks.to_html())
    overall = status(page, "attention-mask")
    cell = grid(page, 3).locator("tbody tr").nth(1).locator("td").nth(0)
    cell.click()
    leave(page)
    assert status(page, "attention-mask").startswith("“b” may attend to ")
    expect(query(page, 2)).to_have_attribute("aria-pressed", "true")
    cell.click()
    leave(page)
    assert status(page, "attention-mask") == overall
    query(page, 3).click()
    leave(page)
    assert status(page, "attention-mask").startswith("“c” may attend to ")
    choose(page, causal=True)  # the mark stays
    assert status(page, "attention-mask").startswith("“c” may attend to “a”, “b” and “c”: ")


def test_rows_by_keyboard(open_page, masks):
    page = open_page(masks.to_html())
    overall = status(page, "attention-mask")
    query(page, 1).focus()
    assert status(page, "attention-mask") == overall
    for key, place in [
        ("ArrowDown", 1), ("ArrowDown", 2), ("End", 4), ("ArrowDown", 4), ("ArrowUp", 3),
        ("Home", 1), ("ArrowUp", 1), ("ArrowDown", 2),
    ]:  # fmt: skip
        page.keyboard.press(key)
        expect(query(page, place)).to_be_focused()
        expect(query(page, place)).to_have_attribute("aria-pressed", "true")
        assert page.locator('button[aria-pressed="true"]').count() == 1
        assert page.locator('.nlpx-mask-query[tabindex="0"]').count() == 1
        assert status(page, "attention-mask").startswith(f"“{TOKENS[place - 1]}” may attend ")
    page.keyboard.press("Escape")
    assert status(page, "attention-mask") == overall
    expect(query(page, 2)).to_be_focused()
    page.keyboard.press("Space")
    assert status(page, "attention-mask").startswith("“b” may attend ")
    page.keyboard.press("Enter")
    assert status(page, "attention-mask") == overall
    page.keyboard.press("Control+ArrowDown")
    assert status(page, "attention-mask") == overall


def test_a_resting_pointer_does_not_take_the_mark_from_the_keyboard(open_page, masks):
    page = open_page(masks.to_html())
    query(page, 1).click()
    resting = {"clientX": 300, "clientY": 300, "bubbles": True}
    query(page, 1).dispatch_event("pointermove", resting)
    page.keyboard.press("ArrowDown")
    # some browsers report a move of the pointer when it is the page that has moved
    query(page, 4).dispatch_event("pointermove", resting)
    assert status(page, "attention-mask").startswith("“b” may attend ")
    query(page, 4).hover()
    assert status(page, "attention-mask").startswith("“d” may attend ")
    leave(page)
    assert status(page, "attention-mask").startswith("“b” may attend ")


def test_controls_by_mouse_and_by_keyboard(open_page, masks):
    page = open_page(masks.to_html())
    slider = page.get_by_label("Padding")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert status(page, "attention-mask").startswith("4 of 16 pairs ")
    page.keyboard.press("End")
    assert status(page, "attention-mask").startswith("12 of 16 pairs ")
    assert shown(page, 3).tolist() == [[1, 0, 0, 0]] * 4
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    assert status(page, "attention-mask").startswith("No pair ")
    page.locator(".nlpx-choice label", has_text="hidden (causal)").click()
    assert status(page, "attention-mask").startswith("6 of 16 pairs ")
    page.keyboard.press("ArrowLeft")
    assert status(page, "attention-mask").startswith("No pair ")
    page.keyboard.press("ArrowRight")
    page.locator(".nlpx-choice label", has_text="0 after the softmax").click()
    assert "row sums fall to" in status(page, "attention-mask")
    page.keyboard.press("ArrowLeft")
    assert "forbidden keys still get" in status(page, "attention-mask")


def test_hostile_text_is_shown_as_it_is_written(open_page):
    tokens = ["</script>", '<b>&"', "<!--", "&amp;"]
    page = open_page(AttentionMask(tokens=tokens, scores=SCORES).to_html())
    assert [row[0] for row in written(page, 1)] == tokens
    query(page, 2).click()
    assert status(page, "attention-mask").startswith('“<b>&"” may attend to “</script>”, ')
    assert part(page, "attention-mask").locator("script, b").count() == 0
    assert page.evaluate("window.pwned") is None


def test_two_on_a_page_and_with_the_kernel(open_page, masks):
    other = AttentionMask("other", tokens=LONG, scores=random_scores(8))
    page = open_page(masks.to_html(), other.to_html())
    part(page, "other").get_by_label("Padding").fill("3")
    assert status(page, "attention-mask").startswith("No pair ")
    assert status(page, "other").startswith("24 of 64 pairs ")
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))
    page = live(open_page, masks)
    choose(page, 2, True, "zero-weights")
    query(page, 3).click()
    values = page.evaluate("['padding', 'causal', 'method', 'row'].map(k => testModel.values[k])")
    assert values == [2, True, "zero-weights", 2]
    assert page.evaluate("testModel.saved") > 0
    page.evaluate("() => { testModel.set('row', -1); testModel.set('method', 'zero-scores'); "
                  "testModel.set('padding', 0); testModel.set('causal', false); }")  # fmt: skip
    leave(page)
    assert status(page, "attention-mask").startswith("No pair ")
    expect(page.get_by_label("0 before the softmax")).to_be_checked()
    expect(page.get_by_label("visible", exact=True)).to_be_checked()
    expect(page.get_by_label("Padding")).to_have_value("0")
    page.evaluate("testModel.set('row', 1)")
    assert status(page, "attention-mask").startswith("“b” may attend ")
    page.evaluate("window.testStop()")
    assert page.evaluate("window.testHandlers()") == 0


def lefts(page) -> list[float]:
    return [grid(page, k).bounding_box()["x"] for k in (1, 2, 3)]


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_needs_no_sideways_scrolling(open_page, width):
    tokens = [*LONG[:7], "incomprehens"]
    page = open_page(AttentionMask(tokens=tokens, scores=random_scores(8)).to_html(), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        """() => { const right = document.querySelector(".nlpx-live .nlpx").getBoundingClientRect()
          .right; return [...document.querySelectorAll(".nlpx-live .nlpx *")].filter(node =>
          !node.closest(".nlpx-mask-grids table") && node.getBoundingClientRect().right > right)
          .map(node => node.outerHTML); }"""
    )
    assert outside == []
    assert len(set(lefts(page))) == 1  # stacked
    figure = page.locator(".nlpx-mask-grids")
    assert figure.evaluate("node => node.scrollWidth > node.clientWidth")
    figure.focus()
    page.keyboard.press("End")
    figure.evaluate("node => { node.scrollLeft = 10000; }")
    last = page.locator("td.nlpx-mask-sum").first.bounding_box()
    assert last["x"] + last["width"] <= width  # the sums can be reached
    assert query(page, 1).bounding_box()["x"] >= 0  # and the queries stay in sight
    sizes = page.locator(".nlpx-live td span, .nlpx-live th").evaluate_all(
        "nodes => nodes.map(n => parseFloat(getComputedStyle(n).fontSize))"
    )
    assert min(sizes) >= 11.5


def test_the_grids_stand_side_by_side_where_there_is_room(open_page, masks):
    page = open_page(masks.to_html(), width=900)
    assert sorted(set(lefts(page))) == lefts(page)
    tops = [grid(page, k).locator("tbody").bounding_box() for k in (1, 2, 3)]
    assert len({round(box["y"]) for box in tops}) == 1
    page.set_viewport_size({"width": 390, "height": 900})
    expect(page.locator(".nlpx-mask-grids")).to_have_class(re.compile("nlpx-mask-stacked"))
    columns = [grid(page, k).locator("thead th").nth(3).bounding_box() for k in (1, 2, 3)]
    assert max(box["x"] for box in columns) - min(box["x"] for box in columns) < 1
    page.set_viewport_size({"width": 900, "height": 900})
    expect(page.locator(".nlpx-mask-grids")).not_to_have_class(re.compile("nlpx-mask-stacked"))


def test_names_focus_and_live_region(open_page, masks):
    page = open_page(masks.to_html())
    assert problems_of_names(page) == []
    assert part(page, "attention-mask").locator('[role=status][aria-live="polite"]').count() == 1
    stops = tab_stops(page)
    assert [name.split(".")[0] for name, _ in stops] == [
        "INPUT", "INPUT", "INPUT", "DIV", "BUTTON",
    ]  # fmt: skip
    assert [stop for stop in stops if stop[1] < 2] == []


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_is_readable_in_every_theme(open_page, theme):
    masks = AttentionMask(tokens=LONG, scores=random_scores(8), padding=2, causal=True)
    page = open_page(masks.to_html(), reduced_motion="reduce", **theme_options(theme))
    for method in METHODS:
        choose(page, method=method)
        query(page, 3).click()
        found = contrasts(page)
        assert len(found) > 200
        assert [entry for entry in found if entry[0] < 4.5] == []
    assert json.dumps(masks.page_state())  # plain types all through

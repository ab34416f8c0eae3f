"""Alignment: its state against the arrays, and the page by mouse and keyboard."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from matplotlib.colors import to_hex
from playwright.sync_api import expect

from nlp_helpers.explorables.alignment import Alignment
from nlp_helpers.explorables.base import script_json
from nlp_helpers.plotting import SEQUENTIAL
from tests.book.outputs_contract import text_difference
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.test_browser import THEMES, live, part, status
from tests.explorables.test_python_side import visible_text

ROUGH = [  # letters r o u g h, phonemes R AH F
    [0.90, 0.06, 0.02, 0.02, 0.00],
    [0.05, 0.30, 0.60, 0.03, 0.02],
    [0.01, 0.02, 0.04, 0.48, 0.45],
]
TITLES = [  # letters t i t l e s, phonemes T AY T AH L Z
    [0.80, 0.10, 0.10, 0.00, 0.00, 0.00],
    [0.00, 0.90, 0.05, 0.00, 0.05, 0.00],
    [0.10, 0.00, 0.82, 0.08, 0.00, 0.00],
    [0.00, 0.00, 0.05, 0.25, 0.70, 0.00],
    [0.00, 0.00, 0.00, 0.95, 0.05, 0.00],
    [0.00, 0.00, 0.02, 0.03, 0.05, 0.90],
]
FLAT = [[1 / 12] * 12]
ITEMS = [
    {"word": "rough", "phonemes": ["R", "AH", "F"], "weights": ROUGH, "correct": True,
     "references": [["R", "AH", "F"], ["R", "UH", "F"]]},
    {"word": "titles", "phonemes": ["T", "AY", "T", "AH", "L", "Z"], "weights": TITLES,
     "correct": False, "references": [["T", "AY", "T", "AH", "L", "S"]]},
    {"word": "undetermined", "phonemes": ["AH"], "weights": FLAT, "correct": False},
    {"word": "trough", "phonemes": ["T", "R"], "weights": np.full((2, 6), 1 / 6), "correct": True},
]  # fmt: skip


@pytest.fixture
def alignment() -> Alignment:
    return Alignment(items=ITEMS)


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(" ")]


def many(count: int) -> list[dict]:
    """Made-up items with random attention, words and phonemes of usual lengths."""
    random = np.random.default_rng(2)
    items = []
    for k in range(count):
        source, target = random.integers(3, 13), random.integers(2, 11)
        word = f"{k:03d}".translate(str.maketrans("0123456789", "abcdefghij")) + "x" * (source - 3)
        weights = torch.softmax(torch.tensor(random.normal(size=(target, source)) * 3), -1)
        phonemes = [str(p) for p in random.choice(["AH", "K", "T", "IY", "S"], target)]
        items.append(
            {"word": word, "phonemes": phonemes, "weights": weights, "correct": bool(k % 4)}
        )
    return items


# ---- the Python side ----


def test_every_weight_is_kept_to_half_a_hundredth():
    items = many(50)
    state = Alignment(items=items).page_state()
    assert [item["word"] for item in state["items"]] == [item["word"] for item in items]
    for kept, item in zip(state["items"], items, strict=True):
        assert kept["phonemes"] == item["phonemes"]
        assert kept["correct"] == item["correct"]
        found = np.array([numbers(line) for line in kept["weights"]])
        np.testing.assert_allclose(found, item["weights"], rtol=0, atol=0.005 + 1e-12)


def test_250_words_fit_with_room_and_too_many_are_refused():
    assert len(script_json(Alignment(items=many(250)).page_state())) < 120_000
    with pytest.raises(ValueError, match=r"takes \d{3},\d{3} bytes.*200,000"):
        Alignment(items=many(700))


def test_another_processor_may_round_a_last_digit_differently():
    def page(seed, error):
        random = np.random.default_rng(seed)
        items = many(20)
        for item in items:
            weights = item["weights"].numpy() * (1 + error * random.uniform(-1, 1))
            item["weights"] = weights / weights.sum(axis=1, keepdims=True) * (1 + error)
        return Alignment(items=items).to_html()

    assert page(0, 9e-4) != page(0, 0)
    assert text_difference(page(0, 0), page(0, 9e-4)) is None
    other = [ITEMS[0] | {"weights": np.roll(ROUGH, 1, axis=1)}, *ITEMS[1:]]
    assert text_difference(
        Alignment(items=ITEMS).to_html(), Alignment(items=other).to_html()
    )  # fmt: skip


def test_the_state_is_the_traits_and_the_page_is_the_same_every_time(alignment):
    assert Alignment(items=ITEMS).to_html() == alignment.to_html()
    assert repr(alignment) == "Alignment('alignment')"
    assert set(alignment.page_state()) == {
        "name", "items", "scale", "word", "shown", "side", "place",
    }  # fmt: skip
    assert not re.search(r"://|@import|\burl\(|\bsrc=|\bhref=", alignment.to_html())
    assert Alignment(items=ITEMS, word="titles").word == 1


def spoil(**changes):
    return [ITEMS[0], ITEMS[1] | changes]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"items": []}, ValueError, "items must not be empty"),
        ({"items": {"word": "a"}}, TypeError, "list of mappings, got dict"),
        ({"items": [3]}, TypeError, r"items\[0\] must be a mapping, got int"),
        ({"items": [{"word": "a"}]}, ValueError, r"items\[0\] must have the keys"),
        ({"items": spoil(stress=1)}, ValueError, r"items\[1\] must have the keys"),
        ({"items": [ITEMS[0], ITEMS[0]]}, ValueError, r"once, got again: \['rough'\]"),
        ({"items": spoil(word="")}, ValueError, r"items\[1\]\['word'\] must not be blank"),
        ({"items": spoil(word="a b")}, ValueError, "visible letters, got 'a b'"),
        ({"items": spoil(word="a" * 41)}, ValueError, "1 to 40 visible letters"),
        ({"items": spoil(word=5)}, TypeError, r"items\[1\]\['word'\] must be a string"),
        ({"items": spoil(phonemes="TAY")}, TypeError, "list of phonemes, got str"),
        ({"items": spoil(phonemes=[])}, ValueError, "1 to 40, got 0"),
        ({"items": spoil(phonemes=["T", 3])}, TypeError, r"\['phonemes'\]\[1\]"),
        ({"items": spoil(references=["T AY"])}, TypeError, r"\['references'\]\[0\]"),
        ({"items": spoil(references="T AY")}, TypeError, r"\['references'\] must be a list"),
        ({"items": spoil(correct=1)}, TypeError, r"\['correct'\] must be a bool, got int"),
        ({"items": spoil(correct=True)}, ValueError, "is True, but T AY T AH L Z is not among"),
        (
            {"items": [ITEMS[0] | {"correct": False}]},
            ValueError,
            r"items\[0\]\['correct'\] is False, but R AH F is among the references of 'rough'",
        ),
        (
            {"items": spoil(weights=np.array(TITLES).T[:5])},
            ValueError,
            r"items\[1\]\['weights'\] must have shape \[6, 6\], got \[5, 6\]",
        ),
        ({"items": spoil(weights=TITLES[:5])}, ValueError, r"shape \[6, 6\], got \[5, 6\]"),
        ({"items": spoil(weights=np.full((6, 6), np.nan))}, ValueError, "must be finite"),
        ({"items": spoil(weights=np.full((6, 6), "a"))}, TypeError, "real numbers"),
        (
            {"items": spoil(weights=np.array(TITLES) * [[1], [1], [0.5], [1], [1], [1]])},
            ValueError,
            "row 2 sums to 0.5",
        ),
        (
            {"items": spoil(weights=np.array([[1.5, -0.5, 0, 0, 0, 0]] * 6))},
            ValueError,
            "must not be negative, got -0.5",
        ),
        ({"word": "tough"}, ValueError, "one of the 4 items' words, got 'tough'"),
        ({"name": "a b"}, ValueError, "name must be"),
    ],
)
def test_bad_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        Alignment(**({"items": ITEMS} | arguments))


@pytest.mark.parametrize(
    ("trait", "value"), [("word", 4), ("shown", "right"), ("side", "left"), ("place", -1)]
)
def test_bad_changes_are_refused(alignment, trait, value):
    with pytest.raises(ValueError, match=trait):
        setattr(alignment, trait, value)


def test_without_scripts_it_is_a_table_of_weights_and_one_of_words(alignment, open_page):
    text = visible_text(alignment.to_html())
    assert "rough, read as R AH F (right): attention weights" in text
    assert "r o u g h R 0.90 0.06 0.02 0.02 0.00 AH 0.05" in text
    assert "The first 4 of 4 words" in text
    assert "rough R AH F right R AH F or R UH F" in text
    assert "titles T AY T AH L Z wrong T AY T AH L S" in text
    assert "undetermined AH wrong not given" in text
    page = open_page(alignment.to_html(), scripts=False, width=390)
    expect(page.get_by_text("rough, read as R AH F")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


# ---- the page ----


def sign(page, side: str, place: int):
    return page.locator(f'g[data-side="{side}"][data-place="{place}"]')


def heading(page) -> str:
    return page.locator(".nlpx-heading").inner_text()


def rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[k : k + 2], 16) for k in (1, 3, 5)))


def expected_colour(weight: float) -> str:
    return rgb(to_hex(colormaps[SEQUENTIAL](np.floor(weight * 40 + 0.5) / 40)))


def fills(page, side: str) -> list[str]:
    return page.locator(f'g[data-side="{side}"] rect').evaluate_all(
        "nodes => nodes.map(n => getComputedStyle(n).fill)"
    )


def test_the_table_has_every_weight_and_its_colour(open_page, alignment):
    page = open_page(alignment.to_html())
    cells = page.locator(".nlpx-weights tbody td").evaluate_all(
        "nodes => nodes.map(n => [+n.dataset.value, getComputedStyle(n).backgroundColor])"
    )
    assert [value for value, _ in cells] == [w for row in ROUGH for w in row]
    assert [colour for _, colour in cells] == [expected_colour(w) for row in ROUGH for w in row]
    assert page.locator(".nlpx-weights thead th").all_inner_texts() == list("rough")
    assert page.locator(".nlpx-weights tbody th").all_inner_texts() == ["R", "AH", "F"]
    assert page.locator(".nlpx-weights tbody tr").nth(2).inner_text().split() == [
        "F", ".01", ".02", ".04", ".48", ".45",
    ]  # fmt: skip


def test_a_phoneme_marks_its_letters_by_weight(open_page, alignment):
    page = open_page(alignment.to_html())
    assert status(page, "alignment") == "rough is read as R AH F: right."
    before = fills(page, "letter")
    sign(page, "phoneme", 3).hover()
    assert status(page, "alignment") == (
        "The phoneme F is read from g 0.48 and h 0.45; 0.07 is spread over the other letters."
    )
    assert fills(page, "letter") == [expected_colour(w) for w in ROUGH[2]]
    weights = page.locator('[data-weight-of="letter"]').all_text_contents()
    assert weights == [".01", ".02", ".04", ".48", ".45"]
    expect(sign(page, "letter", 4)).to_have_attribute("aria-label", "letter g, 4 of 5, weight 0.48")
    lines = page.locator(".nlpx-thread").evaluate_all(
        "nodes => nodes.map(n => [+n.style.opacity, +n.getAttribute('stroke-width')])"
    )
    opacity, thickness = np.array(lines).reshape(3, 5, 2).transpose(2, 0, 1)
    assert (opacity[:2] == 0).all()
    np.testing.assert_allclose(opacity[2], 0.1 + 0.9 * np.array(ROUGH[2]), atol=0.006)
    np.testing.assert_allclose(thickness[2], 0.6 + 7 * np.array(ROUGH[2]), atol=0.006)
    assert page.locator(".nlpx-in-row").count() == 5
    page.locator(".nlpx-title").last.hover()
    assert status(page, "alignment") == "rough is read as R AH F: right."
    assert fills(page, "letter") == before
    assert page.locator(".nlpx-in-row").count() == 0


def test_a_letter_marks_the_phonemes_that_read_it(open_page, alignment):
    page = open_page(alignment.to_html())
    sign(page, "letter", 2).hover()
    assert status(page, "alignment") == (
        "The letter o is read by AH 0.30; its weights from all phonemes sum to 0.38."
    )
    assert fills(page, "phoneme") == [expected_colour(row[1]) for row in ROUGH]
    assert page.locator(".nlpx-in-column").count() == 3
    opacity = np.reshape(
        page.locator(".nlpx-thread").evaluate_all("nodes => nodes.map(n => +n.style.opacity)"),
        (3, 5),
    )
    assert (opacity[:, [0, 2, 3, 4]] == 0).all()
    assert (opacity[:, 1] > 0).all()


@pytest.mark.parametrize(
    ("word", "side", "place", "words"),
    [
        ("titles", "phoneme", 1, "The 1st phoneme T is read from the 1st t 0.80, i 0.10 and the "
         "2nd t 0.10."),
        ("titles", "phoneme", 3, "The 2nd phoneme T is read from the 2nd t 0.82 and the 1st t "
         "0.10; 0.08 is spread over the other letters."),
        ("titles", "phoneme", 2, "The phoneme AY is read from i 0.90; 0.10 is spread over the "
         "other letters."),
        ("titles", "letter", 3, "The 2nd letter t is read by the 2nd T 0.82 and the 1st T 0.10; "
         "its weights from all phonemes sum to 1.04."),
        ("undetermined", "phoneme", 1, "The phoneme AH is read from no letter in particular: the "
         "largest weight is 0.08, on u."),
        ("undetermined", "letter", 2, "No phoneme gives the 1st letter n a weight of 0.10 or "
         "more: the largest is 0.08, from AH."),
    ],
)  # fmt: skip
def test_what_is_marked_is_said_in_words(open_page, word, side, place, words):
    page = open_page(Alignment(items=ITEMS, word=word).to_html())
    sign(page, side, place).click()
    assert status(page, "alignment") == words


@pytest.mark.parametrize(
    ("word", "words", "dictionary"),
    [
        ("titles", "titles is read as T AY T AH L Z: wrong, the dictionary has T AY T AH L S.",
         "In the dictionary: T AY T AH L S"),
        ("undetermined", "undetermined is read as AH: wrong.", "No dictionary pronunciation"),
        ("rough", "rough is read as R AH F: right.", "In the dictionary: R AH F or R UH F"),
    ],
)  # fmt: skip
def test_right_and_wrong_are_said_in_words(open_page, word, words, dictionary):
    page = open_page(Alignment(items=ITEMS, word=word).to_html())
    assert status(page, "alignment") == words
    expect(page.locator(".nlpx-dictionary")).to_contain_text(dictionary)
    assert ("✓ right" if word == "rough" else "✗ wrong") in heading(page)


def test_arrow_keys_go_through_the_tiles_and_keep_the_focus(open_page, alignment):
    page = open_page(alignment.to_html())
    sign(page, "phoneme", 1).focus()
    assert status(page, "alignment").startswith("The phoneme R is read from r 0.90")
    for key, side, place in [
        ("ArrowRight", "phoneme", 2), ("ArrowRight", "phoneme", 3), ("ArrowRight", "phoneme", 3),
        ("ArrowDown", "phoneme", 3), ("ArrowUp", "letter", 4), ("ArrowUp", "letter", 4),
        ("ArrowRight", "letter", 5), ("ArrowRight", "letter", 5), ("ArrowLeft", "letter", 4),
        ("ArrowLeft", "letter", 3), ("ArrowDown", "phoneme", 2), ("ArrowLeft", "phoneme", 1),
    ]:  # fmt: skip
        page.keyboard.press(key)
        expect(sign(page, side, place)).to_be_focused()
        expect(sign(page, side, place)).to_have_attribute("aria-pressed", "true")
        assert page.locator('g[data-side][aria-pressed="true"]').count() == 1
        assert page.locator('g[data-side][tabindex="0"]').count() == 1
        text = "rough"[place - 1] if side == "letter" else ["R", "AH", "F"][place - 1]
        assert status(page, "alignment").startswith(f"The {side} {text} is read ")
    page.keyboard.press("Escape")
    assert status(page, "alignment") == "rough is read as R AH F: right."
    page.keyboard.press("Enter")
    assert status(page, "alignment").startswith("The phoneme R ")


def test_a_resting_pointer_does_not_take_the_mark_from_the_keyboard(open_page, alignment):
    page = open_page(alignment.to_html())
    sign(page, "phoneme", 1).click()
    resting = {"clientX": 300, "clientY": 300, "bubbles": True}
    sign(page, "phoneme", 1).dispatch_event("pointermove", resting)
    page.keyboard.press("ArrowRight")
    # some browsers report a move of the pointer when it is the page that has moved
    sign(page, "letter", 2).dispatch_event("pointermove", resting)
    assert status(page, "alignment").startswith("The phoneme AH ")
    sign(page, "letter", 1).hover()
    assert status(page, "alignment").startswith("The letter r ")
    page.locator(".nlpx-title").last.hover()
    assert status(page, "alignment").startswith("The phoneme AH ")


def test_a_click_beside_the_tiles_takes_the_mark_away(open_page, alignment):
    page = open_page(alignment.to_html())
    sign(page, "letter", 1).click()
    page.locator(".nlpx-alignment").click(position={"x": 4, "y": 90})
    assert status(page, "alignment") == "rough is read as R AH F: right."


def test_the_table_marks_too(open_page, alignment):
    page = open_page(alignment.to_html())
    page.locator(".nlpx-weights tbody td").nth(7).hover()
    assert status(page, "alignment").startswith("The phoneme AH is read from u 0.60 and o 0.30")
    page.locator(".nlpx-weights thead th").nth(3).click()
    page.locator(".nlpx-title").last.hover()
    assert status(page, "alignment").startswith("The letter g is read by F 0.48")
    expect(sign(page, "letter", 4)).to_have_attribute("aria-pressed", "true")


def test_words_by_list_and_buttons(open_page, alignment):
    page = open_page(alignment.to_html())
    words = page.get_by_label("Words, 4 of 4")
    assert words.locator("option").all_inner_texts() == [
        "✓ rough", "✗ titles", "✗ undetermined", "✓ trough",
    ]  # fmt: skip
    words.select_option("1")
    assert heading(page).startswith("titles → T AY T AH L Z")
    assert page.locator(".nlpx-weights thead th").all_inner_texts() == list("titles")
    sign(page, "phoneme", 6).click()
    words.focus()
    page.keyboard.press("ArrowDown")
    assert status(page, "alignment") == "undetermined is read as AH: wrong."  # the mark is gone
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click(force=True)
    assert heading(page).startswith("trough")
    expect(page.get_by_role("button", name="Next")).to_have_attribute("aria-disabled", "true")
    expect(words).to_have_value("3")
    page.get_by_role("button", name="Prev").press("Enter")
    assert heading(page).startswith("undetermined")


def test_searching_by_keyboard(open_page, alignment):
    page = open_page(alignment.to_html())
    search = page.get_by_label("Find a word")
    options = page.locator(".nlpx-words option")
    search.press_sequentially("T")
    assert options.all_inner_texts() == ["✗ titles", "✓ trough", "✗ undetermined"]  # "un…t…" last
    assert heading(page).startswith("titles")
    search.press_sequentially("ro")
    assert options.all_inner_texts() == ["✓ trough"]
    assert heading(page).startswith("trough")
    search.fill("rough")
    assert options.all_inner_texts() == ["✓ rough", "✓ trough"]
    assert heading(page).startswith("rough")
    search.press("ArrowDown")
    assert heading(page).startswith("trough")
    expect(search).to_be_focused()
    search.press("ArrowUp")
    assert heading(page).startswith("rough")
    search.fill("xyz")
    assert status(page, "alignment") == "No word holds “xyz”."
    assert options.all_inner_texts() == ["no such word"]
    assert heading(page).startswith("rough")
    page.get_by_role("button", name="Next").click(force=True)
    assert heading(page).startswith("rough")
    search.fill("")
    assert options.count() == 4
    assert status(page, "alignment") == "rough is read as R AH F: right."


def test_only_the_wrong_ones(open_page, alignment):
    page = open_page(alignment.to_html())
    page.locator(".nlpx-choice label", has_text="2 wrong").click()
    options = page.locator(".nlpx-words option")
    assert options.all_inner_texts() == ["✗ titles", "✗ undetermined"]
    assert heading(page).startswith("titles")
    expect(page.get_by_label("Words, 2 of 4")).to_have_value("1")
    page.get_by_label("Find a word").fill("rough")
    assert status(page, "alignment") == "No wrongly read word holds “rough”."
    page.get_by_label("Find a word").fill("")
    page.get_by_label("2 wrong").focus()
    page.keyboard.press("ArrowLeft")
    assert options.count() == 4
    assert heading(page).startswith("titles")


def test_without_a_wrong_word_the_filter_says_so(open_page):
    page = open_page(Alignment(items=[ITEMS[0]]).to_html())
    page.get_by_label("0 wrong").check()
    assert status(page, "alignment") == "No word was read wrongly."
    assert heading(page).startswith("rough")


def test_hostile_text_is_shown_as_it_is_written(open_page):
    hostile = '</script><!--<b>&"'
    item = {
        "word": hostile,
        "phonemes": ["<i>", "&amp;"],
        "correct": False,
        "weights": np.full((2, len(hostile)), 1 / len(hostile)),
        "references": [["<u>"]],
    }
    page = open_page(Alignment(items=[item]).to_html())
    assert heading(page).startswith(f"{hostile} → <i> &amp;")
    page.get_by_label("Find a word").fill("<img src=x onerror=window.pwned=1>")
    assert part(page, "alignment").locator("script, b, i, u, img").count() == 0
    assert page.evaluate("window.pwned") is None


def test_two_on_a_page_and_with_the_kernel(open_page, alignment):
    page = open_page(alignment.to_html(), Alignment("other", items=ITEMS).to_html())
    part(page, "other").get_by_role("button", name="Next").click()
    assert status(page, "alignment").startswith("rough ")
    assert status(page, "other").startswith("titles ")
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))
    page = live(open_page, alignment)
    sign(page, "phoneme", 3).click()
    assert page.evaluate("[testModel.values.side, testModel.values.place]") == ["phoneme", 2]
    page.evaluate("() => testModel.set('word', 2)")  # one phoneme only: the mark moves to it
    expect(page.locator(".nlpx-status")).to_have_text(re.compile("^The phoneme AH is read from no"))
    page.evaluate("() => testModel.set('shown', 'wrong')")
    expect(page.get_by_label("Words, 2 of 4")).to_have_value("2")
    page.evaluate("window.testStop()")
    assert page.evaluate("window.testHandlers()") == 0


def test_a_phone_needs_no_sideways_scrolling(open_page):
    long = {"word": "incomprehensibly", "phonemes": ["AH"] * 16, "correct": True,
            "weights": np.full((16, 16), 1 / 16)}  # fmt: skip
    page = open_page(Alignment(items=[*ITEMS, long], word=long["word"]).to_html(), width=390)
    sign(page, "phoneme", 3).click()
    for _ in range(16):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(150)  # the tiles have moved under the resting pointer: no matter
    expect(sign(page, "phoneme", 16)).to_have_class(re.compile("nlpx-marked"))
    box = sign(page, "phoneme", 16).bounding_box()
    assert box["x"] >= 0  # scrolled to the tile
    assert box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    sizes = page.locator(".nlpx-live svg text, .nlpx-live td").evaluate_all(
        "nodes => nodes.map(n => parseFloat(getComputedStyle(n).fontSize))"
    )
    assert min(sizes) >= 11.5
    page.get_by_label("Find a word").fill("titles")
    picture = page.locator(".nlpx-alignment").locator("..")
    assert picture.evaluate("node => node.scrollWidth <= node.clientWidth")
    page.set_viewport_size({"width": 800, "height": 900})
    expect(page.locator(".nlpx-alignment")).not_to_have_attribute("width", re.compile("^3"))
    assert status(page, "alignment").startswith("titles ")


def test_names_focus_and_live_region(open_page, alignment):
    page = open_page(alignment.to_html())
    assert problems_of_names(page) == []
    assert part(page, "alignment").locator('[role=status][aria-live="polite"]').count() == 1
    stops = tab_stops(page)
    assert [name.split(".")[0] for name, _ in stops] == [
        "INPUT", "INPUT", "SELECT", "BUTTON", "BUTTON", "g", "DIV",
    ]  # fmt: skip
    assert [stop for stop in stops if stop[1] < 2] == []


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_is_readable_in_every_theme(open_page, theme):
    page = open_page(
        Alignment(items=ITEMS, word="titles").to_html(),
        reduced_motion="reduce",
        **theme_options(theme),
    )
    for side, place in [(None, None), ("phoneme", 3), ("letter", 4)]:
        if side:
            sign(page, side, place).click()
        found = contrasts(page)
        assert len(found) > 60
        assert [entry for entry in found if entry[0] < 4.5] == []

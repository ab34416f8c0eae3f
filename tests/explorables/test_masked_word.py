"""MaskedWord: what it takes and keeps, its page against those numbers, mouse and keyboard."""

from __future__ import annotations

import copy
import json
import math
import re
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import expect
from traitlets import TraitError

from nlp_helpers.exercises.elmo import QUIZ
from nlp_helpers.explorables.base import script_json
from nlp_helpers.explorables.color_scale import color_scale
from nlp_helpers.explorables.masked_word import MaskedWord, nearest, sentence_text
from nlp_helpers.explorables.masked_word_items import answer_at, masked_word_item
from nlp_helpers.explorables.quiz import Quiz
from nlp_helpers.plotting import SEQUENTIAL
from tests.book.browser_checks import axe_violations, find_axe
from tests.book.outputs_contract import text_difference
from tests.explorables.masked_items import (
    MODELS,
    PIECES,
    SENTENCES,
    distributions,
    made_up_item,
)
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.test_browser import THEMES, live, part, status
from tests.explorables.test_python_side import visible_text

NAME = "masked-word"
READS = ["both", "left"]
DOES = {"both": "reads both sides", "left": "reads the left only"}
ITEMS = [made_up_item(k) for k in range(len(SENTENCES))]


@pytest.fixture
def words() -> MaskedWord:
    return MaskedWord(ITEMS)


def changed(path: tuple, value, items=None) -> list[dict]:
    """The items with one entry replaced."""
    items = copy.deepcopy(ITEMS if items is None else items)
    inner = items
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return items


# ---- from probabilities to an item ----


def reference_answer(p: list[float], true_id: int, pieces: list[str], k: int) -> dict:
    """The same by sorting and summing in plain Python."""
    order = sorted(range(len(p)), key=lambda token: (-p[token], token))
    return {
        "tokens": [pieces[token] for token in order[:k]],
        "probabilities": [float(f"{p[token]:.4g}") for token in order[:k]],
        "probability": float(f"{p[true_id]:.4g}"),
        "rank": order.index(true_id) + 1,
        "entropy": float(f"{-sum(q * math.log2(q) for q in p if q > 0):.4g}"),
    }


@pytest.mark.parametrize(("k", "n_shown"), [(0, 8), (3, 1), (4, 20), (5, 3)])
def test_an_item_is_what_the_models_say_at_each_place(k, n_shown):
    tokens = SENTENCES[k].split()
    places, rows = distributions(tokens, seed=k)
    item = made_up_item(k, n_shown)
    assert item["tokens"] == tokens
    assert item["places"] == places == list(range(1, len(tokens) - 1))
    assert item["vocab_size"] == len(PIECES) == 104
    for model in MODELS:
        for i, place in enumerate(places):
            found = item["answers"][model][i]
            if model == "GPT" and i == 0:
                assert found is None
                continue
            true = PIECES.index(tokens[place])
            assert found == reference_answer(rows[model][i].tolist(), true, PIECES, n_shown)


@given(st.lists(st.integers(0, 6), min_size=2, max_size=9).filter(any), st.data())
def test_ties_zeros_and_certainty(counts, data):
    p = np.array(counts) / sum(counts)
    pieces = [f"t{i}" for i in range(len(p))]
    true = data.draw(st.integers(0, len(p) - 1))
    k = data.draw(st.integers(1, len(p)))
    found = answer_at(p, true, pieces, k)
    assert found == reference_answer(p.tolist(), true, pieces, k)
    assert math.copysign(1, found["entropy"]) == 1
    assert found["entropy"] <= math.log2(len(p)) + 1e-3


def test_tensors_arrays_and_lists_say_the_same():
    tokens, pieces = ["[CLS]", "a", "b"], ["[CLS]", "a", "b", "c"]
    p = torch.tensor([[0.125, 0.5, 0.25, 0.125], [0.25, 0.25, 0.25, 0.25]], dtype=torch.float64)
    made = [
        masked_word_item(tokens, {"m": rows}, pieces, ids, places, 2)
        for rows, ids, places in [
            (p, torch.tensor([0, 1, 2]), range(1, 3)),
            (p.float().numpy(), np.array([0, 1, 2]), (1, 2)),
            (p.tolist(), [0, 1, 2], [1, 2]),
        ]
    ]
    assert made[0] == made[1] == made[2]
    assert made[0]["answers"]["m"] == [
        {"tokens": ["a", "b"], "probabilities": [0.5, 0.25], "probability": 0.5, "rank": 1,
         "entropy": 1.75},
        {"tokens": ["[CLS]", "a"], "probabilities": [0.25, 0.25], "probability": 0.25, "rank": 3,
         "entropy": 2.0},
    ]  # fmt: skip
    script_json(made[0])  # plain types only


def test_what_cannot_be_seen_in_a_token_is_written():
    pieces = [" the", "\n", "a"]
    rows = [[0.5, 0.25, 0.25]] * 2
    item = masked_word_item([" the", "\n"], {"m": rows}, pieces, [0, 1], [0, 1], 3)
    assert item["tokens"] == ["\u2423the", "\u23ce"]
    assert item["answers"]["m"][1]["tokens"] == ["\u2423the", "\u23ce", "a"]
    shown = MaskedWord([item], ["m"], reads=["left"])
    assert shown.items[0]["tokens"] == item["tokens"]


ROW = [0.5, 0.25, 0.125, 0.125]
GOOD = {"tokens": ["[CLS]", "a", "b"], "distributions": {"m": [ROW, ROW]},
        "pieces": ["[CLS]", "a", "b", "c"], "true_ids": [0, 1, 2], "places": [1, 2],
        "k": 2}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"tokens": "abc"}, TypeError, "tokens must be a list of texts, got str"),
        ({"tokens": []}, ValueError, "tokens must not be empty"),
        ({"tokens": ["[CLS]", 3, "b"]}, TypeError, r"tokens\[1\] must be a string, got int"),
        ({"tokens": ["[CLS]", "", "b"]}, ValueError, r"tokens\[1\] must not be empty"),
        ({"pieces": {"a": 1}}, TypeError, "pieces must be a list of texts, got dict"),
        ({"pieces": ["[CLS]", "a", "b", None]}, TypeError, r"pieces\[3\] must be a string"),
        ({"true_ids": [0, 1]}, ValueError, "true_ids must number 3, as the tokens, got 2"),
        ({"true_ids": 1}, TypeError, "true_ids must be a list of ints, got int"),
        ({"true_ids": [0, 1, 4]}, ValueError, r"true_ids\[2\] must be between 0 and 3, got 4"),
        ({"true_ids": [0, 1.0, 2]}, TypeError, r"true_ids\[1\] must be an int, got float"),
        ({"true_ids": [0, 2, 2]}, ValueError,
         r"true_ids\[1\] is 2, the piece 'b', but tokens\[1\] is 'a'"),
        ({"places": []}, ValueError, "places must not be empty"),
        ({"places": 1}, TypeError, "places must be a list of ints, got int"),
        ({"places": [1, 3]}, ValueError, r"places\[1\] must be between 0 and 2, got 3"),
        ({"places": [True, 2]}, TypeError, r"places\[0\] must be an int, got bool"),
        ({"places": [2, 1]}, ValueError, r"places must rise, got \[2, 1\]"),
        ({"places": [1, 1]}, ValueError, r"places must rise, got \[1, 1\]"),
        ({"k": 0}, ValueError, "k must be at least 1, got 0"),
        ({"k": 5}, ValueError, "k must be between 0 and 4, got 5"),
        ({"k": 2.0}, TypeError, "k must be an int, got float"),
        ({"distributions": {}}, ValueError, "distributions must be models by name, at least one"),
        ({"distributions": [ROW]}, ValueError, "distributions must be models by name"),
        ({"distributions": {"m": None}}, ValueError,
         r"distributions\['m'\] must have a row for each of 2 places, got NoneType"),
        ({"distributions": {"m": [ROW] * 3}}, ValueError, "for each of 2 places, got 3"),
        ({"distributions": {"m": [ROW, ROW[:3]]}}, ValueError,
         r"distributions\['m'\]\[1\] must have shape \[4\], got \[3\]"),
        ({"distributions": {"m": [ROW, [0.5, 0.75, -0.25, 0]]}}, ValueError,
         r"distributions\['m'\]\[1\] must not be negative, got -0.25"),
        ({"distributions": {"m": [[0.5, 0.25, 0.125, 0.12], ROW]}}, ValueError,
         r"distributions\['m'\]\[0\] must sum to 1, it sums to 0.995"),
        ({"distributions": {"m": [[math.nan, 0, 0, 1], ROW]}}, ValueError, "must be finite"),
        ({"distributions": {"m": [["a", 0, 0, 1], ROW]}}, TypeError, "must hold real numbers"),
    ],
)  # fmt: skip
def test_bad_sentences_and_probabilities_are_named(changes, error, words):
    assert masked_word_item(**GOOD)["places"] == [1, 2]
    with pytest.raises(error, match=words):
        masked_word_item(**(GOOD | changes))


# ---- the Python side ----


def test_what_is_kept_are_the_items_with_the_models_in_order(words):
    for kept, item in zip(words.items, ITEMS, strict=True):
        assert kept | {"answers": None} == item | {"answers": None}
        assert kept["answers"] == [item["answers"][model] for model in MODELS]
    turned = [item | {"answers": dict(reversed(item["answers"].items()))} for item in ITEMS]
    assert MaskedWord(turned).items == words.items
    other = MaskedWord(turned, ["GPT", "BERT"], reads=["left", "both"])
    assert [one["answers"] for one in other.items] == [one["answers"][::-1] for one in words.items]
    assert (other.models, other.reads) == (["GPT", "BERT"], ["left", "both"])
    assert words.scale == color_scale(SEQUENTIAL)


def test_the_state_is_the_traits_and_the_page_is_the_same_every_time(words):
    assert MaskedWord(ITEMS).to_html() == words.to_html()
    assert repr(words) == "MaskedWord('masked-word')"
    state = words.page_state()
    assert set(state) == {
        "name", "items", "models", "reads", "scale", "sentence", "place", "model",
    }  # fmt: skip
    assert [state[key] for key in ("sentence", "place", "model")] == [0, 7, 0]
    assert not re.search(r"://|@import|\burl\(|\bsrc=|\bhref=", words.to_html())
    assert f'"{MaskedWord.title}"' in str(words._esm)
    chosen = MaskedWord(
        tuple(ITEMS), tuple(MODELS), name="other", sentence=np.int64(3), place=np.int64(17), model=1
    )
    assert (chosen.name, chosen.sentence, chosen.place, chosen.model) == ("other", 3, 17, 1)


def test_six_sentences_of_20_tokens_fit_well_into_a_state(words):
    items = []
    for k in range(6):
        tokens = ["[CLS]", *(SENTENCES[k].split()[1:-1] * 4)[:18], "[SEP]"]
        places, rows = distributions(tokens, seed=k)
        ids = [PIECES.index(token) for token in tokens]
        items.append(masked_word_item(tokens, rows, PIECES, ids, places))
    size = len(script_json(MaskedWord(items).page_state()).encode())
    assert size < 60_000
    with pytest.raises(ValueError, match=r"'masked-word' takes \d{3},\d{3} bytes.*200,000"):
        MaskedWord(items * 5)


def test_another_choice_of_sentence_keeps_the_place_as_near_as_it_can(words):
    words.place = 1
    words.sentence = 4
    assert words.place == 1
    words.sentence = 3
    words.place = 17
    words.sentence = 4  # 6 places only
    assert words.place == 6
    words.set_state({"sentence": 3, "place": 15, "model": 1})  # as from the page, at once
    assert (words.sentence, words.place, words.model) == (3, 15, 1)
    assert '"place":15' in words.to_html()
    assert [nearest([2, 4, 9], place) for place in (0, 3, 4, 6, 7, 40)] == [2, 2, 4, 4, 9, 9]


def test_a_sentence_reads_as_a_sentence():
    assert sentence_text(SENTENCES[2].split()) == (
        "the engineer fixed the engine because it had lost its water."
    )
    assert sentence_text(["a", ",", "##", "b", "##c", "##d", "?"]) == "a, ## bcd?"
    assert sentence_text(["[CLS]", "[SEP]"]) == "[CLS] [SEP]"
    assert sentence_text([".", "5"]) == ". 5"


A = ("answers", "BERT")
ANSWER = ITEMS[0]["answers"]["BERT"][6]  # of "was": rank 7
BEYOND = ITEMS[0]["answers"]["GPT"][5]  # of "river": rank 15
EIGHT = [0.3, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05]


def test_the_answers_that_the_tests_change_are_what_they_should_be():
    assert (ANSWER["rank"], BEYOND["rank"]) == (7, 15)
    assert BEYOND["probability"] < BEYOND["probabilities"][-1]


@pytest.mark.parametrize(
    ("path", "value", "error", "words"),
    [
        ((0,), "x", TypeError, r"sentences\[0\] must be a mapping, got str"),
        ((1,), {"tokens": []}, ValueError, r"sentences\[1\] must have the keys tokens, places, "),
        ((1,), ITEMS[1] | {"more": 1}, ValueError, r"sentences\[1\] must have the keys .*'more'"),
        ((0, "tokens"), "abc", TypeError, r"\['tokens'\] must be a list of texts, got str"),
        ((0, "tokens"), [], ValueError, r"\['tokens'\] must number 1 to 64, got 0"),
        ((0, "tokens"), ["a"] * 65, ValueError, r"\['tokens'\] must number 1 to 64, got 65"),
        ((0, "tokens", 3), 3, TypeError, r"sentences\[0\]\['tokens'\]\[3\] must be a string"),
        ((0, "tokens", 3), " ", ValueError, r"\['tokens'\]\[3\] must not be blank"),
        ((0, "tokens", 3), "x" * 41, ValueError, r"\[3\] must have at most 40 characters, got 'x"),
        ((0, "tokens", 7), "is", ValueError,
         r"\['BERT'\]\[6\]: the true token 'is' has rank 7 with 0.05304, but there stands 'was'"),
        ((0, "places"), 3, TypeError, r"\['places'\] must be a list of ints, got int"),
        ((0, "places", 0), -1, ValueError, r"\['places'\]\[0\] must be between 0 and 14, got -1"),
        ((0, "places", 0), 2, ValueError, r"sentences\[0\]\['places'\] must rise"),
        ((0, "vocab_size"), 1, ValueError, r"\['vocab_size'\] must be at least 2, got 1"),
        ((0, "vocab_size"), "x", TypeError, r"\['vocab_size'\] must be an int"),
        ((0, "vocab_size"), 14, ValueError, r"\['entropy'\] must be in \[0, 3.8.*, got 3.98"),
        ((0, "answers"), [], TypeError, r"\['answers'\] must be a mapping by model, got \[\]"),
        ((0, "answers"), {"BERT": []}, ValueError, r"models \['BERT', 'GPT'\], got \['BERT'\]"),
        ((2, *A), "x", TypeError, r"sentences\[2\]\['answers'\]\['BERT'\] must be a list, got str"),
        ((0, *A), [None] * 12, ValueError, r"must number 13, as the places, got 12"),
        ((0, *A, 6), [1], TypeError, r"\['BERT'\]\[6\] must be a mapping, got list"),
        ((0, *A, 6), {"tokens": []}, ValueError, r"\['BERT'\]\[6\] must have the keys tokens, pro"),
        ((0, *A, 6, "tokens"), ["was"] * 21, ValueError, "must number 1 to 20, got 21"),
        ((0, *A, 6, "tokens", 0), " ", ValueError, r"\['tokens'\]\[0\] must not be blank"),
        ((0, *A, 6, "probabilities"), EIGHT[:7], ValueError, r"must have shape \[8\], got \[7\]"),
        ((0, *A, 6, "probabilities"), EIGHT[::-1], ValueError, r"must not increase, got \[0.05"),
        ((0, *A, 6, "probabilities"), [1.2, *EIGHT[1:]], ValueError, "between 0 and 1, got 1.2"),
        ((0, *A, 6, "probabilities"), [*EIGHT[:7], -0.1], ValueError, "0 and 1, got -0.1"),
        ((0, *A, 6, "probabilities"), [0.9, *EIGHT[1:]], ValueError, "at most 1, got 1.5"),
        ((0, *A, 6, "probabilities"), ["1"] * 8, TypeError, "must hold real numbers"),
        ((0, *A, 6, "probability"), 1.5, ValueError, r"\['probability'\] must be in \[0, 1\]"),
        ((0, *A, 6, "probability"), math.nan, ValueError, r"\['probability'\] must be in \[0, 1\]"),
        ((0, *A, 6, "probability"), None, TypeError, r"\['probability'\] must be a number"),
        ((0, *A, 6, "probability"), 0.2, ValueError, "rank 7 with 0.2, but there stands 'was'"),
        ((0, *A, 6, "rank"), 0, ValueError, r"\['rank'\] must be at least 1, got 0"),
        ((0, *A, 6, "rank"), 7.0, TypeError, r"\['rank'\] must be an int, got float"),
        ((0, *A, 6, "rank"), 105, ValueError, r"\['rank'\] must be at most 104, got 105"),
        ((0, *A, 6, "rank"), 9, ValueError, "has rank 9 with 0.05304, more than the last one sho"),
        ((0, *A, 6, "rank"), 6, ValueError, "has rank 6 with 0.05304, but there stands 'found'"),
        ((0, *A, 6, "entropy"), -0.1, ValueError, r"\['entropy'\] must be in \[0, 6.7"),
        ((0, *A, 6, "entropy"), 6.75, ValueError, r"\['entropy'\] must be in \[0, 6.7.* got 6.75"),
        ((0,), made_up_item(0, 7), ValueError, "as many tokens, they have 7 to 8"),
    ],
)  # fmt: skip
def test_bad_items_are_named(path, value, error, words):
    with pytest.raises(error, match=words):
        MaskedWord(changed(path, value))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"sentences": []}, ValueError, "sentences must not be empty"),
        ({"sentences": {}}, TypeError, "sentences must be a list of mappings, got dict"),
        ({"sentences": "x"}, TypeError, "sentences must be a list of mappings, got str"),
        ({"models": "BERT"}, TypeError, "models must be a list of names, got str"),
        ({"models": []}, ValueError, "models must number 1 to 3, got 0"),
        ({"models": list("abcd")}, ValueError, "models must number 1 to 3, got 4"),
        ({"models": ["BERT", 3]}, TypeError, r"models\[1\] must be a string, got int"),
        ({"models": ["BERT", "B" * 41]}, ValueError, r"models\[1\] must have at most 40 char"),
        ({"models": ["BERT", "BERT"]}, ValueError, "models must be different, got"),
        ({"models": ["BERT", "ELMo"]}, ValueError, r"sentences\[0\]\['answers'\] must have the mo"),
        ({"models": ["BERT"]}, ValueError, "reads must number 1, as the models, got 2"),
        ({"reads": "both"}, TypeError, "reads must be a list, got str"),
        ({"reads": ["both"]}, ValueError, "reads must number 2, as the models, got 1"),
        ({"reads": ["both", "right"]}, ValueError, r"reads\[1\] must be one of both, left, got 'r"),
        ({"reads": ["both", []]}, ValueError, r"reads\[1\] must be one of both, left, got \[\]"),
        ({"sentence": 6}, ValueError, "sentence must be between 0 and 5, got 6"),
        ({"sentence": "x"}, TypeError, "sentence must be an int, got str"),
        ({"place": 0}, ValueError, r"place must be one of \[1, .*, 13\], got 0"),
        ({"place": 99}, ValueError, "place must be between 0 and 63, got 99"),
        ({"place": True}, TypeError, "place must be an int, got bool"),
        ({"model": 2}, ValueError, "model must be between 0 and 1, got 2"),
        ({"model": "BERT"}, TypeError, "model must be an int, got str"),
        ({"name": "a b"}, ValueError, "name must be"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(changes, error, words):
    with pytest.raises(error, match=words):
        MaskedWord(**({"sentences": ITEMS} | changes))


@pytest.mark.parametrize("trait", ["sentence", "place", "model"])
def test_bad_changes_are_refused(words, trait):
    before = getattr(words, trait)
    for value in (-1, 0 if trait == "place" else 9):
        with pytest.raises(ValueError, match=trait):
            setattr(words, trait, value)
    with pytest.raises(TraitError, match=trait):
        setattr(words, trait, "x")
    assert getattr(words, trait) == before


def printed_rows(item: dict, model: str) -> str:
    """The rows of a table in the printed form."""
    rows = []
    for place, answer in zip(item["places"], item["answers"][model], strict=True):
        token = item["tokens"][place]
        if answer is None:
            rows.append(f"{token} - - - -")
            continue
        best = ", ".join(
            f"{text} {share(p)}"
            for text, p in list(zip(answer["tokens"], answer["probabilities"], strict=True))[:3]
        )
        own = share(answer["probability"])
        rows.append(f"{token} {own} {answer['rank']} {best} {answer['entropy']:.2f}")
    return " ".join(rows)


def test_without_scripts_it_is_tables(words, open_page):
    text = visible_text(words.to_html())
    for item in ITEMS:
        for model, reads in zip(MODELS, READS, strict=True):
            assert (
                f"{model} {DOES[reads]}: \u201c{sentence_text(item['tokens'])}\u201d; ranks among "
                f"104 tokens masked probability rank most probable bits {printed_rows(item, model)}"
            ) in text
    page = open_page(words.to_html(), scripts=False, width=360)
    assert page.locator("table:visible").count() == 2
    assert page.locator("table").count() == 12
    expect(page.locator("table").first).to_contain_text("BERT reads both sides: \u201cthe old bank")
    assert page.locator("summary:visible").all_inner_texts() == [
        sentence_text(item["tokens"]) for item in ITEMS[1:]
    ]
    page.locator("summary").nth(2).click()
    assert page.locator("table:visible").count() == 4
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    decimals = [
        len(re.findall(r"\d+\.\d+", one)) for one in page.locator("table").all_inner_texts()
    ]
    assert decimals[0] >= 12
    other = MaskedWord(ITEMS, sentence=2).fallback_html()
    assert other.index("the engineer fixed") < other.index("the old bank")
    assert other.count("<details>") == 5


def test_another_processor_may_round_a_last_digit_differently(words):
    def nudged(factor: float) -> str:
        items = copy.deepcopy(ITEMS)
        for item in items:
            for answer in (one for each in item["answers"].values() for one in each if one):
                answer["probabilities"] = [factor * p for p in answer["probabilities"]]
                answer["probability"] *= factor
                answer["entropy"] *= factor
        return MaskedWord(items).to_html()

    assert nudged(1 - 2e-4) != words.to_html()
    assert text_difference(words.to_html(), nudged(1 - 2e-4)) is None
    assert text_difference(words.to_html(), nudged(0.97))


# ---- the computation in the page ----

COMPUTATION = """async ({ esm, calls }) => {
  const names = "seenBy, nearestPlace, restOf, firstCount, boxInLine, sentenceText";
  const source = esm.replace("export default { render };", `export { ${names} };`);
  const module = await import(URL.createObjectURL(new Blob([source],
    { type: "text/javascript" })));
  return calls.map(([name, ...args]) => {
    const before = JSON.stringify(args);
    const found = module[name](...args);
    if (JSON.stringify(args) !== before) throw new Error("an argument has changed");
    return found;
  });
}"""


def called(open_page, words, calls: list[list]) -> list:
    """What the module's functions return, [name, argument, ...] each."""
    return open_page().evaluate(COMPUTATION, {"esm": str(words._esm), "calls": calls})


def rest_of(answer: dict, vocab_size: int) -> dict:
    listed = {**dict(enumerate(answer["probabilities"], start=1)),
              answer["rank"]: answer["probability"]}  # fmt: skip
    return {
        "count": vocab_size - len(listed),
        "probability": pytest.approx(max(0.0, 1 - sum(listed.values())), abs=1e-12),
    }


def test_the_page_computes_as_python_does(open_page, words):
    calls, expected = [], []

    def ask(expect_, *call):
        calls.append(list(call))
        expected.append(expect_)

    ask([True, True, False, True], "seenBy", "both", 2, 4)
    ask([True, True, False, False], "seenBy", "left", 2, 4)
    ask([False] * 3, "seenBy", "left", 0, 3)
    for places in ([3], [2, 4, 9], [0, 1, 2, 3]):
        for place in range(12):
            ask(nearest(places, place), "nearestPlace", places, place)
    texts = [text.split() for text in SENTENCES]
    for tokens in [*texts, ["a", ",", "##", "b", "##c", "?", "!"], ["[CLS]"], [".", "5", ".5"]]:
        ask(sentence_text(tokens), "sentenceText", tokens)
    for item in ITEMS:
        for each in item["answers"].values():
            asked = [one for one in each if one is not None]
            ask(
                {"first": sum(one["rank"] == 1 for one in asked), "asked": len(asked)},
                "firstCount",
                each,
            )
            for one in asked:
                ask(rest_of(one, 104), "restOf", one, 104)
    full = reference_answer([0.5001, 0.3, 0.2], 2, list("abc"), 3)
    ask({"count": 0, "probability": 0}, "restOf", full, 3)
    boxes = [{"x": x, "y": y} for x, y in [(5, 9), (25, 9), (48, 9), (8, 40), (30, 40), (4, 71)]]
    for at, above, below in [(0, 0, 3), (1, 1, 4), (2, 2, 4), (3, 0, 5), (4, 1, 5), (5, 3, 5)]:
        ask(above, "boxInLine", boxes, at, -1)
        ask(below, "boxInLine", boxes, at, 1)
    assert called(open_page, words, calls) == expected
    assert len(calls) > 150


# ---- the page ----


def tile(page, place):
    return page.locator(f'.nlpx-live .nlpx-mw-line [data-place="{place}"]')


def choose(page, sentence=0, place=7, model=0) -> None:
    page.get_by_label("Sentence", exact=True).select_option(index=sentence)
    tile(page, place).click()
    page.get_by_role("radio", name=f"{MODELS[model]} reads", exact=True).check()


def written(value: float, digits: int = 2) -> str:
    """A number as the page rounds it: 0.125 is 0.13, in Python's formats 0.12."""
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def share(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}" if value < 0.001 else written(value, 3)


def said_of(name: str, reads: str, answer: dict | None, token: str) -> str:
    if answer is None:
        return f"{name} has no answer here."
    p = answer["probabilities"][0]
    if answer["rank"] == 1:
        return f"{name}, which {DOES[reads]}, puts it first ({share(p)})."
    return (
        f"{name}, which {DOES[reads]}, puts “{answer['tokens'][0]}” first ({share(p)}) and "
        f"“{token}” at rank {answer['rank']:,} ({share(answer['probability'])})."
    )


TILES = """nodes => nodes.map(node => {
  const style = getComputedStyle(node);
  const shown = [...node.querySelectorAll(".nlpx-mw-token, .nlpx-mw-mask")]
    .filter(one => getComputedStyle(one).visibility === "visible");
  const heard = node.querySelector(".nlpx-mw-heard");
  const mark = node.querySelector(".nlpx-mw-mark");
  return { tag: node.tagName, text: shown.map(one => one.textContent).join("|"),
    mark: mark.textContent, value: mark.dataset.value === undefined ? null
      : Number(mark.dataset.value), seen: node.classList.contains("nlpx-mw-seen"),
    pressed: node.getAttribute("aria-pressed"), stop: node.getAttribute("tabindex"),
    heard: heard && heard.textContent,
    border: style.borderTopStyle };
})"""


def check_tiles(page, item, answers, name, reads, place) -> None:
    """The sentence: what stands there, how sure the model is of it, what it reads."""
    found = page.locator(".nlpx-live .nlpx-mw-line > *").evaluate_all(TILES)
    assert len(found) == len(item["tokens"])
    for i, (one, token) in enumerate(zip(found, item["tokens"], strict=True)):
        masked = i == place
        assert one["text"] == ("[MASK]" if masked else token)
        assert one["seen"] == (i < place if reads == "left" else i != place)
        assert masked or one["border"] == ("solid" if one["seen"] else "dashed")
        if i not in item["places"]:
            assert (one["tag"], one["mark"], one["heard"]) == ("SPAN", "", None)
            continue
        k = item["places"].index(i)
        assert (one["tag"], one["pressed"]) == ("BUTTON", str(masked).lower())
        assert one["stop"] == ("0" if masked else "-1")
        label = f"for {token}, " if masked else ""
        label += f"token {k + 1} of {len(item['places'])}: "
        answer = answers[k]
        if answer is None:
            assert (one["mark"], one["value"]) == ("-", None)
            label += f"no answer from {name}"
        else:
            p = answer["probability"]
            assert one["value"] == p
            assert one["mark"] == ("0" if p < 0.005 else written(p).removeprefix("0"))
            label += f"{name} gives it {share(p)}, rank {answer['rank']:,}"
        if reads == "left" and i > place:
            label += f"; hidden from {name} now"
        assert one["heard"] == label


BARS = """rows => rows.map(row => ({ rank: row.cells[0].textContent,
  token: row.querySelector("bdi") ? row.querySelector("bdi").textContent
    : row.cells[1].textContent,
  value: Number(row.querySelector("[data-value]").dataset.value),
  text: row.querySelector("[data-value]").textContent,
  width: row.querySelector(".nlpx-fill")
    && parseFloat(row.querySelector(".nlpx-fill").style.width) / 100,
  sign: row.querySelector(".nlpx-mw-sign") && row.querySelector(".nlpx-mw-sign").textContent,
  heavy: getComputedStyle(row.cells[1]).fontWeight }))"""


def check_part(section, answer, token, vocab_size) -> None:
    """One model's answer: the entropy, and a row for each of the tokens."""
    if answer is None:
        assert section.locator("table:visible, .nlpx-mw-open:visible").count() == 0
        expect(section.locator(".nlpx-mw-nothing")).to_be_visible()
        assert section.locator(".nlpx-mw-nothing strong").inner_text() == "-"
        return
    assert section.locator(".nlpx-mw-nothing:visible").count() == 0
    bits = answer["entropy"]
    expect(section.locator(".nlpx-mw-open")).to_have_text(
        f"How open the place is: {written(bits)} bits, like a choice among "
        f"{written(2**bits, 1)} equally probable tokens"
    )
    assert float(section.locator(".nlpx-mw-open strong").get_attribute("data-value")) == bits
    n = len(answer["tokens"])
    top = f"Top {n} of {vocab_size:,}" if n < vocab_size else f"All {vocab_size}"
    expect(section.locator("caption")).to_have_text(f"{top} tokens (✓ true)")
    rows = section.locator("tbody tr").evaluate_all(BARS)
    ranks, values = list(range(1, n + 1)), list(answer["probabilities"])
    texts = list(answer["tokens"])
    if answer["rank"] > n:
        ranks, values = [*ranks, answer["rank"]], [*values, answer["probability"]]
        texts.append(token)
    shown = rows[: len(ranks)]
    assert [row["rank"] for row in shown] == [f"{rank:,}" for rank in ranks]
    assert [row["token"] for row in shown] == texts
    assert [row["value"] for row in shown] == values
    assert [row["text"] for row in shown] == [share(p) for p in values]
    np.testing.assert_allclose([row["width"] for row in shown], values, atol=1e-4)
    marked = [rank for rank, row in zip(ranks, shown, strict=True) if row["sign"]]
    assert marked == [answer["rank"]]
    assert [row["heavy"] for row in shown if row["sign"]] == ["700"]
    assert {row["heavy"] for row in rows if not row["sign"]} <= {"400"}
    rest = rest_of(answer, vocab_size)
    others = rows[len(ranks) :]
    if rest["count"] == 0:
        assert others == []
        return
    (other,) = others
    plural = "s" if rest["count"] > 1 else ""
    assert (other["token"], other["width"]) == (f"{rest['count']:,} other{plural}", None)
    assert other["value"] == rest["probability"]


def check_page(page, words, sentence, place, model) -> None:
    """Everything that the page shows of one state, against what Python has."""
    item = words.items[sentence]
    k, token = item["places"].index(place), item["tokens"][place]
    each = list(zip(words.models, words.reads, item["answers"], strict=True))
    said = [said_of(name, reads, answers[k], token) for name, reads, answers in each]
    expect(page.locator(".nlpx-live .nlpx-mw-status")).to_have_text(
        " ".join([f"[MASK] stands for “{token}”.", *said])
    )
    name, reads, answers = each[model]
    check_tiles(page, item, answers, name, reads, place)
    for i, (other, side, these) in enumerate(each):
        section = page.locator(".nlpx-live .nlpx-mw-part").nth(i)
        expect(section.locator(".nlpx-mw-heading")).to_have_text(f"{other} {DOES[side]}")
        check_part(section, these[k], token, item["vocab_size"])
    key = page.locator(".nlpx-live .nlpx-mw-key > *").all_inner_texts()
    counts = [
        f"{other} at {sum(one['rank'] == 1 for one in these if one)} of "
        f"{sum(one is not None for one in these)}"
        for other, _, these in each
    ]
    assert [" ".join(line.split()) for line in key] == [
        f"{name} gives the true token 0 1",
        f"read by {name}",
        *([f"hidden from {name}"] if reads == "left" else []),
        f"Places where the true token comes first: {', '.join(counts)}",
    ]


def test_the_page_shows_what_python_has(open_page, words):
    page = open_page(words.to_html())
    check_page(page, words, 0, 7, 0)
    ranks = set()
    for sentence, item in enumerate(ITEMS):
        for place in item["places"]:
            model = (sentence + place) % 2
            choose(page, sentence, place, model)
            check_page(page, words, sentence, place, model)
            answers = item["answers"][MODELS[model]][place - 1]
            ranks.add(answers and (answers["rank"] > 8, answers["rank"] == 1))
    assert ranks == {None, (False, True), (False, False), (True, False)}  # each case has occurred


def test_it_opens_with_what_was_chosen(open_page):
    words = MaskedWord(ITEMS, sentence=3, place=17, model=1)
    page = open_page(words.to_html())
    check_page(page, words, 3, 17, 1)
    expect(page.get_by_label("Sentence", exact=True)).to_have_value("3")
    expect(page.get_by_role("radio", name="GPT reads")).to_be_checked()


def test_the_marks_have_the_books_colours(open_page, words):
    page = open_page(words.to_html())
    for model, name in enumerate(MODELS):
        choose(page, 3, 9, model)
        for place, answer in zip(ITEMS[3]["places"], ITEMS[3]["answers"][name], strict=True):
            mark = tile(page, place).locator(".nlpx-mw-mark")
            shown = mark.evaluate("n => getComputedStyle(n).backgroundColor")
            if answer is None:
                assert shown == "rgba(0, 0, 0, 0)"
                continue
            fill = color_scale(SEQUENTIAL)[int(np.floor(answer["probability"] * 40 + 0.5))][0]
            assert shown == f"rgb({', '.join(str(int(fill[i : i + 2], 16)) for i in (1, 3, 5))})"


def test_masking_by_mouse(open_page, words):
    page = open_page(words.to_html())
    for place in (1, 13, 9, 9):
        tile(page, place).click()
        check_page(page, words, 0, place, 0)
    tile(page, 0).click()  # [CLS] is no button
    check_page(page, words, 0, 9, 0)
    page.get_by_role("radio", name="GPT reads").click()
    check_page(page, words, 0, 9, 1)
    tile(page, 3).locator(".nlpx-mw-mark").click()
    check_page(page, words, 0, 3, 1)
    page.get_by_role("button", name=re.compile("^river token 6 of 13: GPT gives it")).click()
    check_page(page, words, 0, 6, 1)
    page.get_by_label("Sentence", exact=True).select_option(label=sentence_text(ITEMS[4]["tokens"]))
    check_page(page, words, 4, 6, 1)
    page.get_by_label("Sentence", exact=True).select_option(index=3)
    tile(page, 17).click()
    page.get_by_label("Sentence", exact=True).select_option(index=4)  # it has 6 places only
    check_page(page, words, 4, 6, 1)


def test_masking_by_keyboard(open_page, words):
    page = open_page(words.to_html(), width=700)
    tile(page, 7).focus()
    for key, place in [("ArrowRight", 8), ("ArrowLeft", 7), ("ArrowLeft", 6), ("Home", 1),
                       ("ArrowLeft", 1), ("End", 13), ("ArrowRight", 13)]:  # fmt: skip
        page.keyboard.press(key)
        check_page(page, words, 0, place, 0)
        expect(tile(page, place)).to_be_focused()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Control+Home")
    page.keyboard.press("a")
    check_page(page, words, 0, 13, 0)
    page.keyboard.press("Shift+Tab")  # back to the radio buttons, and to the sentences
    page.keyboard.press("ArrowRight")
    check_page(page, words, 0, 13, 1)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")
    place = nearest(ITEMS[1]["places"], 13)
    check_page(page, words, 1, place, 1)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(tile(page, place)).to_be_focused()
    tile(page, 4).evaluate("node => node.focus()")
    page.keyboard.press("Enter")
    check_page(page, words, 1, 4, 1)
    tile(page, 5).evaluate("node => node.focus()")
    page.keyboard.press("Space")
    check_page(page, words, 1, 5, 1)


def test_up_and_down_go_from_line_to_line(open_page, words):
    page = open_page(words.to_html(), width=390)
    page.get_by_label("Sentence", exact=True).select_option(index=3)
    boxes = {place: tile(page, place).bounding_box() for place in ITEMS[3]["places"]}
    middle = {p: (b["x"] + b["width"] / 2, b["y"] + b["height"] / 2) for p, b in boxes.items()}
    lines = sorted({round(y) for _, y in middle.values()})
    assert len(lines) >= 3
    for key, by in (("ArrowDown", 1), ("ArrowUp", -1)):
        for place in (1, 4, 9, 12, 17):
            tile(page, place).click()
            page.keyboard.press(key)
            line = lines.index(round(middle[place][1])) + by
            there = [p for p, (_, y) in middle.items() if 0 <= line < len(lines)
                     and round(y) == lines[line]]  # fmt: skip
            x = middle[place][0]
            to = min(there, key=lambda p: abs(middle[p][0] - x)) if there else place
            expect(tile(page, to)).to_be_focused()
            check_page(page, words, 3, to, 0)


def test_one_model_or_three_and_all_tokens_of_a_small_vocabulary(open_page):
    pieces = ["[CLS]", "a", "b", "c"]
    certain, flat = [0.0, 1.0, 0.0, 0.0], [0.25] * 4
    answers = {"sees all": [certain, flat], "x": [None, flat], "before training": [flat, certain]}
    item = masked_word_item(["[CLS]", "a", "b"], answers, pieces, [0, 1, 2], [1, 2], 4)
    three = MaskedWord([item], list(answers), reads=["both", "left", "both"], place=1)
    page = open_page(three.to_html())
    check_page(page, three, 0, 1, 0)
    page.get_by_role("radio", name="before training reads").check()
    tile(page, 2).click()
    check_page(page, three, 0, 2, 2)
    assert page.locator(".nlpx-mw-others").count() == 0
    one = masked_word_item(["[CLS]", "a"], {"x": [flat]}, pieces, [0, 1], [1], 3)
    alone = MaskedWord([one], ["x"], reads=["left"])
    page = open_page(alone.to_html())
    check_page(page, alone, 0, 1, 0)
    assert page.get_by_role("radio").count() == 0
    expect(page.locator(".nlpx-mw-others")).to_contain_text("1 other")
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"):
        tile(page, 1).press(key)
    check_page(page, alone, 0, 1, 0)
    assert "NaN" not in part(page, NAME).evaluate("node => node.outerHTML")


def test_numbers_of_a_large_vocabulary(open_page):
    pieces = [f"w{i}" for i in range(30_522)]
    p = np.full(len(pieces), 1e-3 / (len(pieces) - 1))
    p[0] = 0.999
    item = masked_word_item(["w0", "w9999"], {"x": [p, p]}, pieces, [0, 9999], [0, 1])
    large = MaskedWord([item], ["x"], reads=["both"], place=1)
    page = open_page(large.to_html())
    check_page(page, large, 0, 1, 0)
    assert "“w9999” at rank 10,000 (3.3e-08)" in status(page, NAME)
    expect(page.locator(".nlpx-live caption")).to_have_text("Top 8 of 30,522 tokens (✓ true)")
    expect(page.locator(".nlpx-mw-others")).to_contain_text("30,513 others")


HOSTILE = ["</script><!--<b>&\"'", "<img src=x onerror=window.pwned=1>", "&amp;", "${pwned}`"]


def test_hostile_text_is_shown_as_it_is_written(open_page):
    word, image, model, other = HOSTILE
    pieces = [word, image, other, "\u05d0", "\u2028"]
    p = [0.1, 0.6, 0.2, 0.05, 0.05]
    item = masked_word_item(
        [image, word, "\u05d0"], {model: [p, p, p]}, pieces, [1, 0, 3], [0, 1, 2], 4
    )
    item = json.loads(json.dumps(item, ensure_ascii=False).replace("\u2423", " "))
    hostile = MaskedWord([item, item], [model], reads=["both"], place=1)
    page = open_page(hostile.to_html())
    check_page(page, hostile, 0, 1, 0)
    assert part(page, NAME).locator("script, b, i, img").count() == 0
    assert page.evaluate("window.pwned") is None
    page = open_page(hostile.to_html(), scripts=False)
    text = page.locator(".nlpx-fallback").text_content()
    for one in (word, image, other):
        assert one in text
    assert page.locator(".nlpx-fallback :is(script, b, i, img)").count() == 0


def test_two_on_a_page_do_not_disturb_each_other(open_page, words):
    other = MaskedWord(ITEMS, name="other", sentence=2)
    page = open_page(words.to_html(), other.to_html())
    before = part(page, NAME).evaluate("node => node.innerHTML")
    second = part(page, "other")
    second.get_by_role("radio", name="GPT reads").check()
    second.locator('[data-place="3"]').click()
    second.locator('[data-place="3"]').press("ArrowRight")
    assert status(page, "other").startswith("[MASK] stands for “##ed”. BERT, which reads both")
    assert part(page, NAME).evaluate("node => node.innerHTML") == before
    expect(part(page, NAME).get_by_role("radio", name="BERT reads")).to_be_checked()
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))


def test_with_the_kernel(open_page, words):
    page = live(open_page, words)
    choose(page, 2, 4, 1)
    values = page.evaluate("['sentence', 'place', 'model'].map(k => testModel.values[k])")
    assert values == [2, 4, 1]
    assert page.evaluate("testModel.saved") > 0
    page.evaluate("() => { testModel.set('sentence', 3); testModel.set('place', 16); "
                  "testModel.set('model', 0); }")  # fmt: skip
    check_page(page, words, 3, 16, 0)
    expect(page.get_by_label("Sentence", exact=True)).to_have_value("3")
    expect(page.get_by_role("radio", name="BERT reads")).to_be_checked()
    page.evaluate("testModel.set('sentence', 4)")  # the place comes after it
    check_page(page, words, 4, 6, 0)
    choose(page, 3, 17, 0)
    page.get_by_label("Sentence", exact=True).select_option(index=4)  # the kernel takes no other
    assert page.evaluate("[testModel.values.sentence, testModel.values.place]") == [4, 6]
    page.evaluate("window.testStop()")
    assert page.evaluate("window.testHandlers()") == 0


OUTSIDE = """() => { const right = document.querySelector(".nlpx-live .nlpx")
  .getBoundingClientRect().right;
  return [...document.querySelectorAll(".nlpx-live .nlpx *")].filter(node =>
    node.getBoundingClientRect().right > right).map(node => node.outerHTML); }"""


@pytest.mark.parametrize("width", [320, 360, 390])
def test_a_phone_needs_no_sideways_scrolling(open_page, width):
    long = ("D" + "onaudampfschifffahrt" * 2)[:40]
    names = {"BERT": "B" * 40, "GPT": "a name that is as long as names may be, 40"[:40]}
    items = [
        item | {"answers": {names[model]: item["answers"][model] for model in MODELS}}
        for item in changed((3, "answers", "BERT", 8, "tokens", 1), long)
    ]
    items[3]["tokens"][0] = long  # it cannot be masked, so no answer has it
    page = open_page(MaskedWord(items, list(names.values())).to_html(), width=width)
    for sentence, place, model in [(0, 7, 0), (3, 1, 1), (3, 9, 1), (3, 10, 0)]:
        page.get_by_label("Sentence", exact=True).select_option(index=sentence)
        tile(page, place).click()
        page.get_by_role("radio").nth(model).check()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == []
    track = page.locator(".nlpx-mw-track").first.bounding_box()
    assert track["width"] >= 50
    for cell in page.locator(".nlpx-mw-bars :is(td, th)").all():
        assert cell.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    sizes = page.locator(".nlpx-live .nlpx *").evaluate_all(
        "nodes => nodes.filter(n => n.textContent.trim()).map(n => "
        "parseFloat(getComputedStyle(n).fontSize))"
    )
    assert min(sizes) >= 11.5
    for button in page.locator("button.nlpx-mw-word").all():  # a finger needs room
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 40
    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".nlpx-mw-part").all()}
    assert len(lefts) == 1
    page.set_viewport_size({"width": 1000, "height": 900})
    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".nlpx-mw-part").all()}
    assert len(lefts) == 2


@pytest.mark.parametrize("width", [390, 800, 1100])
def test_nothing_jumps_when_the_mask_moves(open_page, words, width):
    page = open_page(words.to_html(), width=width)
    page.get_by_label("Sentence", exact=True).select_option(index=3)
    at = "nodes => nodes.map(n => { const b = n.getBoundingClientRect();" \
         " return [b.x, b.y + scrollY, b.width]; })"  # fmt: skip
    marks = page.locator(".nlpx-live :is(.nlpx-mw-mark, .nlpx-mw-parts)")
    before = np.array(marks.evaluate_all(at))
    for place in ITEMS[3]["places"]:
        tile(page, place).click()
        expect(tile(page, place)).to_have_attribute("aria-pressed", "true")
        np.testing.assert_allclose(np.array(marks.evaluate_all(at)), before, atol=0.02)


@pytest.mark.parametrize("width", [360, 900])
def test_a_later_explorable_does_not_change_its_look(open_page, words, width):
    boxes = []
    for later in ([], [Quiz(name="quiz", questions=QUIZ).to_html()]):
        page = open_page(words.to_html(), *later, width=width, reduced_motion="reduce")
        choose(page, 0, 6, 1)
        page.evaluate("scrollTo(0, 0)")
        boxes.append(
            page.locator('[data-explorable="masked-word"] .nlpx-live *').evaluate_all(
                """nodes => nodes.map(n => { const b = n.getBoundingClientRect();
                  const s = getComputedStyle(n);
                  return [n.getAttribute("class"), b.x, b.y, b.width, b.height, s.color,
                    s.backgroundColor, s.borderTopColor, s.borderLeftColor, s.fontWeight,
                    s.fontSize, s.display, s.visibility]; })"""
            )
        )
    assert len(boxes[0]) > 150
    assert boxes[0] == boxes[1]


def test_names_focus_and_live_region(open_page, words):
    page = open_page(words.to_html())
    assert problems_of_names(page) == []
    assert part(page, NAME).locator('[role=status][aria-live="polite"]').count() == 1
    stops = tab_stops(page)
    kinds = [name.split(".")[0] for name, _ in stops]
    assert kinds == ["SELECT", "INPUT", "BUTTON"]
    assert [stop for stop in stops if stop[1] < 2] == []
    assert page.get_by_role("group", name="Show in the sentence what", exact=True).count() == 1
    line = page.get_by_role("group", name=re.compile("^The sentence, each token a button"))
    assert line.get_by_role("button").count() == 13
    masked = line.get_by_role("button", pressed=True)
    assert masked.count() == 1
    assert (
        masked.and_(
            line.get_by_role(
                "button", name=re.compile(r"^\[MASK\] for was, token 7 of 13: BERT gives")
            )
        ).count()
        == 1
    )
    for model, reads in zip(MODELS, READS, strict=True):
        region = page.get_by_role("region", name=f"{model} {DOES[reads]}")
        assert region.get_by_role("table", name="Top 8 of 104 tokens (✓ true)").count() == 1
        assert region.get_by_role("rowheader", name="was ✓ the true token").count() == 1
    for row in page.locator(".nlpx-mw-bars tbody tr").all():
        assert row.locator('th[scope="row"]').count() == 1
        assert row.locator("td").count() == 3
    assert all(head.strip() for head in page.locator("table thead th").all_text_contents())


# each mark's ratio to the ground it lies on, both read as painted
MARK_CONTRASTS = """() => {
  const context = document.createElement("canvas").getContext("2d");
  const light = (colour) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = (selector) => getComputedStyle(document.querySelector(".nlpx-live " + selector));
  const ground = light(style(".nlpx").backgroundColor);
  return [style(".nlpx-mw-word.nlpx-mw-seen").borderTopColor,
    style(".nlpx-mw-masked").borderTopColor, style(".nlpx-mw-select").borderTopColor,
    style(".nlpx-mw-word:not(.nlpx-mw-seen, .nlpx-mw-masked)").borderTopColor,
    style("tr:not(.nlpx-mw-true) .nlpx-fill").backgroundColor,
    style(".nlpx-mw-true .nlpx-fill").backgroundColor].map((c) => {
      const [low, high] = [light(c), ground].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    });
}"""


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_and_all_marks_are_readable_in_every_theme(open_page, words, theme):
    page = open_page(words.to_html(), reduced_motion="reduce", **theme_options(theme))
    for state in [(0, 7, 0), (3, 1, 1), (3, 9, 1)]:
        choose(page, *state)
        found = contrasts(page)
        assert len(found) > 60
        assert [entry for entry in found if entry[0] < 4.5] == []
    assert min(page.evaluate(MARK_CONTRASTS)) >= 3
    true, other = (
        page.locator(f".nlpx-live {row} .nlpx-fill").first.evaluate(
            "n => getComputedStyle(n).backgroundColor"
        )
        for row in ("tr.nlpx-mw-true", "tr:not(.nlpx-mw-true)")
    )
    assert true != other
    paper = page.locator(".nlpx-live .nlpx").evaluate("n => getComputedStyle(n).backgroundColor")
    assert (int(re.findall(r"\d+", paper)[0]) < 60) == ("dark" in theme)


@pytest.mark.parametrize("theme", ["book light", "book dark"])
def test_axe_finds_nothing(open_page, words, theme, root):
    page = open_page(words.to_html(), reduced_motion="reduce", **theme_options(theme))
    for state in [(0, 7, 0), (3, 1, 1), (3, 9, 1)]:
        choose(page, *state)
        assert axe_violations(page, find_axe(root)) == {}

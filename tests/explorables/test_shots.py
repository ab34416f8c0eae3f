"""Shots: what it takes and keeps, its page against those numbers, and use by mouse and keyboard."""

from __future__ import annotations

import copy
import re
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from traitlets import TraitError

from nlp_helpers.data.in_context import CLASSES, LabelTask, demonstrations
from nlp_helpers.exercises.elmo import QUIZ
from nlp_helpers.explorables.base import script_json
from nlp_helpers.explorables.color_scale import color_scale
from nlp_helpers.explorables.quiz import Quiz
from nlp_helpers.explorables.shots import Shots
from nlp_helpers.explorables.shots_items import predictor, shots_item
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.plotting import SEQUENTIAL
from tests.book.outputs_contract import text_difference
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.test_browser import THEMES, live, part, status
from tests.explorables.test_python_side import visible_text

NAME = "shots"
MODELS = ["whole", "without its induction heads"]
TASK = LabelTask()


def made_up_item(seed: int, n_shots: int = 8) -> dict:
    """A question as a trained model may answer it: sure once its class has been demonstrated."""
    random = np.random.default_rng(seed)
    batch = demonstrations(TASK, 1, n_shots + 1, generator=torch.Generator().manual_seed(seed))
    names = [TASK.name(token) for token in batch.tokens[0].tolist()]
    kinds = [CLASSES[k] for k in batch.classes[0].tolist()]
    triples = list(zip(names[::2], kinds, names[1::2], strict=True))
    (query, query_class, answer), shown = triples[-1], triples[:-1]
    labels = [TASK.name(token) for token in range(TASK.n_words, TASK.vocab_size)]

    def prediction(k: int, able: bool) -> dict:
        scores = random.normal(size=len(labels)) / 2
        used = {label for _, _, label in shown[:k]}
        scores[[labels.index(label) for label in used]] += 1.0
        if able and any(kind == query_class for _, kind, _ in shown[:k]):
            scores[labels.index(answer)] += 7
        p = np.exp(scores) / np.exp(scores).sum()
        order = np.argsort(-p)[:5]
        return {"labels": [labels[i] for i in order], "probabilities": p[order].tolist()}

    def weights(k: int) -> list[float]:
        scores = random.normal(size=2 * k + 1) / 2
        for i, (_, kind, _) in enumerate(shown[:k]):
            scores[2 * i + 1] += 3.5 if kind == query_class else 0
        return (np.exp(scores) / np.exp(scores).sum()).tolist()

    return {
        "query": query, "query_class": query_class, "answer": answer, "demonstrations": shown,
        "predictions": {
            model: [prediction(k, model == MODELS[0]) for k in range(n_shots + 1)]
            for model in MODELS
        },
        "attention": {MODELS[0]: [weights(k) for k in range(n_shots + 1)], MODELS[1]: None},
    }  # fmt: skip


ITEMS = [made_up_item(seed) for seed in (3, 1, 2, 7, 9, 12)]
ACCURACIES = {
    MODELS[0]: [0.031, 0.17, 0.32, 0.441, 0.54, 0.62, 0.68, 0.74, 0.772],
    MODELS[1]: [0.03, 0.05, 0.07, 0.081, 0.1, 0.105, 0.12, 0.125, 0.13],
}
IDEAL = [1 / 32, 0.19, 0.341, 0.46, 0.56, 0.64, 0.701, 0.751, 0.79]
CHANCE = 1 / 32
DEFAULT = {"items": ITEMS, "accuracies": ACCURACIES, "chance": CHANCE, "ideal": IDEAL}


@pytest.fixture
def shots() -> Shots:
    return Shots(**DEFAULT)


def changed(path: tuple, value, items=None) -> list[dict]:
    """The items with one entry replaced."""
    items = copy.deepcopy(ITEMS if items is None else items)
    inner = items
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return items


# ---- the Python side ----


def test_what_is_kept_are_the_numbers_given_with_four_decimals(shots):
    assert shots.models == MODELS
    for kept, item in zip(shots.items, ITEMS, strict=True):
        for key in ("query", "query_class", "answer"):
            assert kept[key] == item[key]
        assert kept["demonstrations"] == [list(one) for one in item["demonstrations"]]
        for m, model in enumerate(MODELS):
            for one, given in zip(kept["predictions"][m], item["predictions"][model], strict=True):
                assert one["labels"] == given["labels"]
                assert one["probabilities"] == np.round(given["probabilities"], 4).tolist()
        for row, given in zip(kept["attention"][0], item["attention"][MODELS[0]], strict=True):
            assert row == np.round(given, 4).tolist()
        assert kept["attention"][1] is None
    assert shots.accuracies == [ACCURACIES[model] for model in MODELS]
    assert (shots.chance, shots.ideal[0]) == (0.0312, 0.0312)
    assert shots.scale == color_scale(SEQUENTIAL)


def test_the_state_is_the_traits_and_the_page_is_the_same_every_time(shots):
    assert Shots(**DEFAULT).to_html() == shots.to_html()
    assert repr(shots) == "Shots('shots')"
    state = shots.page_state()
    assert set(state) == {
        "name", "items", "models", "accuracies", "ideal", "chance", "scale", "item", "shots",
        "model", "classes",
    }  # fmt: skip
    assert [state[key] for key in ("item", "shots", "model", "classes")] == [0, 0, 0, False]
    assert not re.search(r"://|@import|\burl\(|\bsrc=|\bhref=", shots.to_html())
    assert f'"{Shots.title}"' in str(shots._esm)
    assert len(script_json(state).encode()) < 40_000
    tensors = {model: torch.tensor(values) for model, values in ACCURACIES.items()}
    chosen = Shots(
        tuple(ITEMS), tensors, chance=np.float32(0.5), name="other", item=5, shots=np.int64(8),
        model=1, classes=True,
    )  # fmt: skip
    assert (chosen.name, chosen.item, chosen.shots, chosen.model) == ("other", 5, 8, 1)
    assert (chosen.classes, chosen.ideal, chosen.chance) == (True, None, 0.5)
    np.testing.assert_allclose(chosen.accuracies, shots.accuracies, atol=5e-5)


def test_the_models_keep_their_order_though_a_page_sorts_its_keys():
    names = {"whole": "b model", "without its induction heads": "a model"}
    items = [
        item | {key: {names[m]: item[key][m] for m in MODELS} for key in ("predictions",
                                                                          "attention")}
        for item in ITEMS
    ]  # fmt: skip
    other = Shots(items, {names[m]: ACCURACIES[m] for m in MODELS}, chance=CHANCE)
    assert other.page_state()["models"] == ["b model", "a model"]
    assert other.accuracies[0][-1] == ACCURACIES["whole"][-1]


def test_a_state_that_is_too_large_is_refused():
    items = [made_up_item(k) for k in range(150)]
    with pytest.raises(ValueError, match=r"'shots' takes \d{3},\d{3} bytes.*200,000"):
        Shots(items, ACCURACIES, chance=CHANCE)


P = ("predictions", MODELS[0])
GOOD = ITEMS[0]["predictions"][MODELS[0]][2]
FIVE = [0.4, 0.3, 0.1, 0.1, 0.05]
WORD, KIND, LABEL = ITEMS[0]["demonstrations"][0]
ONLY = {MODELS[0]: ITEMS[0]["predictions"][MODELS[0]]}


@pytest.mark.parametrize(
    ("path", "value", "error", "words"),
    [
        ((0,), "x", TypeError, r"items\[0\] must be a mapping, got str"),
        ((1,), {"query": "x"}, ValueError, r"items\[1\] must have the keys query, .*got \['query"),
        ((1,), ITEMS[1] | {"more": 1}, ValueError, r"items\[1\] must have the keys .*'more'"),
        ((0, "query"), 3, TypeError, r"items\[0\]\['query'\] must be a string, got int"),
        ((0, "query"), " ", ValueError, r"items\[0\]\['query'\] must not be blank"),
        ((0, "query_class"), None, TypeError, r"\['query_class'\] must be a string"),
        ((0, "answer"), "x" * 41, ValueError, r"\['answer'\] must have at most 40 characters"),
        ((0, "demonstrations"), "x", TypeError, r"\['demonstrations'\] must be a list, got str"),
        ((0, "demonstrations"), [], ValueError, r"\['demonstrations'\] must number 1 to 8, got 0"),
        ((0, "demonstrations"), [("w", "c", "l")] * 9, ValueError, "must number 1 to 8, got 9"),
        ((2, "demonstrations"), ITEMS[2]["demonstrations"][:7], ValueError,
         r"items\[2\]\['demonstrations'\] must number 8, as in items\[0\], got 7"),
        ((0, "demonstrations", 1), "abc", TypeError, r"\[1\] must be a list, got str"),
        ((0, "demonstrations", 1), ("a", "b"), ValueError, r"must be word, class and label, got"),
        ((0, "demonstrations", 1), ("a", "b", 3), TypeError, r"\[1\]\[2\] must be a string"),
        ((0, "demonstrations", 1), (WORD, KIND, "zu"), ValueError,
         f"\\[1\\] gives the class '{KIND}' the label 'zu', in the same sequence it has '{LABEL}'"),
        ((0, "demonstrations", 1), (WORD, "stone", LABEL), ValueError,
         f"the label '{LABEL}' to the class 'stone', in the same sequence it belongs to '{KIND}'"),
        ((0, "answer"), "zu", ValueError, "gives the class 'fruit' the label 'be'"),
        ((0, "predictions"), [], TypeError, r"\['predictions'\] must be a mapping by model"),
        ((0, "predictions"), {}, ValueError, r"\['predictions'\] must have 1 to 4 models, got 0"),
        ((0, "predictions"), {str(k): [] for k in range(5)}, ValueError, "1 to 4 models, got 5"),
        ((0, "predictions"), {3: []}, TypeError, "a model's name must be a string, got int"),
        ((1, "predictions"), ONLY, ValueError,
         r"items\[1\]\['predictions'\] must have the models \['whole', .* got \['whole'\]"),
        ((0, "attention"), dict(reversed(ITEMS[0]["attention"].items())), ValueError,
         r"items\[0\]\['attention'\] must have the models .* in this order"),
        ((0, *P), 3, TypeError, r"\['predictions'\]\['whole'\] must be a list, got int"),
        ((0, *P), [GOOD] * 8, ValueError,
         r"\['whole'\] must have 9 entries, for 0 to 8 shots, got 8"),
        ((0, *P, 2), [1], TypeError, r"\['whole'\]\[2\] must be a mapping, got list"),
        ((0, *P, 2), {"labels": []}, ValueError, r"\[2\] must have the keys labels, prob"),
        ((0, *P, 2, "labels"), "abcde", TypeError, r"\['labels'\] must be a list, got str"),
        ((0, *P, 2, "labels"), ["a", "b", "c", "d"], ValueError, "must be 5 different ones"),
        ((0, *P, 2, "labels"), ["a", "b", "c", "d", "a"], ValueError, "must be 5 different ones"),
        ((0, *P, 2, "labels"), ["a", "b", "c", "d", 5], TypeError, r"\['labels'\]\[4\] must be a"),
        ((0, *P, 2, "labels"), [["a"]] * 5, TypeError, r"\['labels'\]\[0\] must be a string"),
        ((0, *P, 2, "probabilities"), FIVE[:4], ValueError,
         r"\['whole'\]\[2\]\['probabilities'\] must have shape \[5\], got \[4\]"),
        ((0, *P, 2, "probabilities"), FIVE[::-1], ValueError, r"must not increase, got \[0.05"),
        ((0, *P, 2, "probabilities"), [1.2, 0, 0, 0, 0], ValueError, "between 0 and 1, got 1.2"),
        ((0, *P, 2, "probabilities"), [0.2, 0, 0, 0, -0.1], ValueError, "0 and 1, got -0.1"),
        ((0, *P, 2, "probabilities"), [0.9, 0.2, 0, 0, 0], ValueError, "they sum to 1.1"),
        ((0, *P, 2, "probabilities"), [np.nan, 0, 0, 0, 0], ValueError, "must be finite, got nan"),
        ((0, *P, 2, "probabilities"), ["1"] * 5, TypeError, "must hold real numbers"),
        ((0, "attention", MODELS[0]), [[1.0]], ValueError, "must have 9 entries.*got 1"),
        ((0, "attention", MODELS[0]), 1.0, TypeError, "must be a list, got float"),
        ((3, "attention", MODELS[0], 2), [0.5, 0.5], ValueError,
         r"items\[3\]\['attention'\]\['whole'\]\[2\] must have shape \[5\], got \[2\]"),
        ((0, "attention", MODELS[0], 1), [1.1, 0, -0.1], ValueError, "between 0 and 1, got 1.1"),
        ((0, "attention", MODELS[0], 1), [0.2, 0.2, 0.2], ValueError, r"\[1\] must sum to 1, it"),
    ],
)  # fmt: skip
def test_bad_items_are_named(path, value, error, words):
    with pytest.raises(error, match=words):
        Shots(**(DEFAULT | {"items": changed(path, value)}))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"items": []}, ValueError, "items must not be empty"),
        ({"items": {}}, TypeError, "items must be a list of mappings, got dict"),
        ({"items": "x"}, TypeError, "items must be a list of mappings, got str"),
        ({"accuracies": None}, TypeError, "accuracies must be a mapping by model, got NoneType"),
        ({"accuracies": [0.5] * 9}, TypeError, "accuracies must be a mapping by model, got list"),
        ({"accuracies": {"whole": [0.5] * 9}}, ValueError, "accuracies must have the models"),
        ({"accuracies": dict(reversed(ACCURACIES.items()))}, ValueError, "in this order, got"),
        ({"accuracies": ACCURACIES | {"whole": [0.5] * 8}}, ValueError,
         r"accuracies\['whole'\] must have shape \[9\], got \[8\]"),
        ({"accuracies": ACCURACIES | {"whole": [50] * 9}}, ValueError,
         r"accuracies\['whole'\] must lie between 0 and 1, got 50"),
        ({"ideal": [0.5]}, ValueError, r"ideal must have shape \[9\], got \[1\]"),
        ({"ideal": [1.5] * 9}, ValueError, "ideal must lie between 0 and 1, got 1.5"),
        ({"chance": -0.1}, ValueError, "chance must lie between 0 and 1, got -0.1"),
        ({"chance": None}, TypeError, "chance must hold real numbers"),
        ({"item": 6}, ValueError, "item must be between 0 and 5, got 6"),
        ({"item": "x"}, TypeError, "item must be an int, got str"),
        ({"shots": 9}, ValueError, "shots must be between 0 and 8, got 9"),
        ({"shots": True}, TypeError, "shots must be an int, got bool"),
        ({"model": -1}, ValueError, "model must be between 0 and 1, got -1"),
        ({"model": "whole"}, TypeError, "model must be an int, got str"),
        ({"classes": 1}, TypeError, "classes must be a bool, got int"),
        ({"name": "a b"}, ValueError, "name must be"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(changes, error, words):
    with pytest.raises(error, match=words):
        Shots(**(DEFAULT | changes))


@pytest.mark.parametrize("trait", ["item", "shots", "model"])
def test_bad_changes_are_refused(shots, trait):
    for value in (-1, 9):
        with pytest.raises(ValueError, match=trait):
            setattr(shots, trait, value)
    with pytest.raises(TraitError, match=trait):
        setattr(shots, trait, "x")
    assert getattr(shots, trait) == 0


def test_without_scripts_it_is_tables(shots, open_page):
    text = visible_text(shots.to_html())
    item = ITEMS[0]
    added = ["none"] + [f"{word} → {label}" for word, _, label in item["demonstrations"]]
    for model in MODELS:
        rows = [
            f"{k} {added[k]} {one['labels'][0]} {one['probabilities'][0]:.2f} "
            + ("right" if one["labels"][0] == item["answer"] else "wrong")
            for k, one in enumerate(shots.items[0]["predictions"][MODELS.index(model)])
        ]
        assert (
            f"Which label belongs to plum? The right one is be. Model: {model} shots demonstration "
            f"added most probable label its probability verdict {' '.join(rows)}"
        ) in text
    assert {"right", "wrong"} <= set(text.split())
    rows = " ".join(
        f"{k} {a:.2f} {b:.2f} {c:.2f} 0.03"
        for k, (a, b, c) in enumerate(zip(*shots.accuracies, shots.ideal, strict=True))
    )
    assert (
        f"Share of right labels over many sequences shots {MODELS[0]} {MODELS[1]} "
        f"knows the classes chance {rows}"
    ) in text
    page = open_page(shots.to_html(), scripts=False, width=360)
    assert page.locator("table:visible").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    without = Shots(ITEMS, ACCURACIES, chance=CHANCE, item=2).fallback_html()
    assert "knows the classes" not in without
    assert f"belongs to {ITEMS[2]['query']}?" in without


def test_another_processor_may_round_a_last_digit_differently(shots):
    items, far = copy.deepcopy(ITEMS), copy.deepcopy(ITEMS)
    for factor, changed_items in ((1 - 1e-5, items), (0.97, far)):
        for item in changed_items:
            for each in item["predictions"].values():
                for one in each:
                    one["probabilities"] = [factor * p for p in one["probabilities"]]
    other = Shots(**(DEFAULT | {"items": items}))
    assert other.to_html() != shots.to_html()
    assert text_difference(shots.to_html(), other.to_html()) is None
    assert text_difference(shots.to_html(), Shots(**(DEFAULT | {"items": far})).to_html())


# ---- from a model to an item ----


@pytest.fixture(scope="module")
def gpt() -> GPT:
    torch.manual_seed(0)
    sizes = {"d_model": 12, "n_heads": 3, "d_ff": 20, "n_layers": 2, "max_len": 17}
    return GPT(GPTConfig(vocab_size=TASK.vocab_size, dropout=0.0, **sizes)).double().eval()


def test_an_item_is_what_the_model_says_after_each_number_of_shots(gpt):
    batch = demonstrations(TASK, 3, generator=torch.Generator().manual_seed(5))
    heads = [(1, 0), (0, 2)]
    predictors = {"seeing": predictor(gpt, heads), "blind": predictor(gpt)}
    items = [
        shots_item(tokens, classes, predictors, TASK.name, CLASSES)
        for tokens, classes in zip(batch.tokens, batch.classes, strict=True)
    ]
    for row, item in enumerate(items):
        tokens, classes = batch.tokens[row].tolist(), batch.classes[row].tolist()
        assert item["query"] == TASK.name(tokens[16])
        assert item["answer"] == TASK.name(tokens[17])
        assert item["query_class"] == CLASSES[classes[8]]
        assert item["demonstrations"] == [
            (TASK.name(tokens[2 * i]), CLASSES[classes[i]], TASK.name(tokens[2 * i + 1]))
            for i in range(8)
        ]
        for k in range(9):
            prompt = torch.tensor([[*tokens[: 2 * k], tokens[16]]])
            with torch.no_grad():
                p = gpt(prompt)[0, -1].softmax(-1)
                weights = gpt.run(prompt, need_weights=True)[1]
            best = sorted(range(TASK.vocab_size), key=lambda t: -p[t])[:5]
            for model in predictors:
                one = item["predictions"][model][k]
                assert one["labels"] == [TASK.name(t) for t in best]
                np.testing.assert_allclose(one["probabilities"], p[best])
            expected = (weights[1][0, 0, -1] + weights[0][0, 2, -1]) / 2
            np.testing.assert_allclose(item["attention"]["seeing"][k], expected)
        assert item["attention"]["blind"] is None
    made = Shots(items, {model: [0.5] * 9 for model in predictors}, chance=1 / TASK.n_labels)
    assert made.models == ["seeing", "blind"]


def test_ties_go_to_the_lower_token():
    batch = demonstrations(TASK, 1, 2, generator=torch.Generator().manual_seed(5))
    flat = torch.full((TASK.vocab_size,), 1 / TASK.vocab_size)
    item = shots_item(batch.tokens[0], batch.classes[0], {"flat": lambda tokens: (flat, None)},
                      TASK.name, CLASSES)  # fmt: skip
    assert item["predictions"]["flat"][1]["labels"] == [TASK.name(k) for k in range(5)]
    assert item["attention"] == {"flat": None}


TOKENS, KINDS = torch.arange(6), torch.arange(3)
FLAT = torch.full((80,), 1 / 80)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"tokens": [1, 2]}, TypeError, "tokens must be a tensor of int64, got \\[1, 2\\]"),
        ({"classes": KINDS.double()}, TypeError, "classes must be a tensor of int64"),
        ({"tokens": TOKENS[:5]}, ValueError, r"have shapes \[5\] and \[3\]"),
        ({"tokens": TOKENS[None]}, ValueError, r"have shapes \[1, 6\] and \[3\]"),
        ({"tokens": TOKENS[:2], "classes": KINDS[:1]}, ValueError, r"shapes \[2\] and \[1\]"),
        ({"classes": KINDS[None]}, ValueError, r"have shapes \[6\] and \[1, 3\]"),
        ({"classes": KINDS + 5}, ValueError, "classes must be between 0 and 5, got 6"),
        ({"predictors": {}}, ValueError, "predictors must be models by name, at least one"),
        ({"predictors": [1]}, ValueError, "predictors must be models by name"),
        ({"predictors": {"a": lambda tokens: (FLAT[None], None)}}, ValueError,
         r"the model 'a' must return probabilities \[vocab\] .* got shape \[1, 80\]"),
        ({"predictors": {"a": lambda tokens: (FLAT[:4], None)}}, ValueError, r"shape \[4\]"),
        ({"predictors": {"a": lambda tokens: (FLAT, FLAT)}}, ValueError,
         r"must return attention \[1\] to the tokens of its prompt, got shape \[80\]"),
    ],
)  # fmt: skip
def test_bad_sequences_and_models_are_named(changes, error, words):
    arguments = {"tokens": TOKENS, "classes": KINDS, "name_of": TASK.name, "class_names": CLASSES,
                 "predictors": {"flat": lambda tokens: (FLAT, None)}}  # fmt: skip
    with pytest.raises(error, match=words):
        shots_item(**(arguments | changes))


def test_heads_that_are_not_there_are_named(gpt):
    with pytest.raises(ValueError, match="layer must be between 0 and 1, got 2"):
        predictor(gpt, [(2, 0)])
    with pytest.raises(ValueError, match="head must be between 0 and 2, got -1"):
        predictor(gpt, [(0, -1)])


# ---- the page ----


def slider(page):
    return page.get_by_role("slider", name="Shots")


def choose(page, item=0, k=0, model=0, classes=False) -> None:
    page.get_by_label("Question").select_option(index=item)
    slider(page).fill(str(k))
    page.get_by_role("radio", name=MODELS[model], exact=True).check()
    page.get_by_role("checkbox", name="Show the classes").set_checked(classes)


def chips(page) -> list[tuple[str, float | None]]:
    """The tokens of the prompt in their order, each with the weight that is shown."""
    found = page.locator(".nlpx-sh-pair:not(.nlpx-sh-room) [data-place]").evaluate_all(
        """nodes => nodes.map(n => [n.dataset.place, n.querySelector("bdi").textContent,
          n.dataset.value === undefined ? null : Number(n.dataset.value)])"""
    )
    assert [place for place, _, _ in found] == [str(k) for k in range(len(found))]
    return [(text, value) for _, text, value in found]


def bars(page) -> list[dict]:
    return page.locator(".nlpx-sh-bars tbody tr").evaluate_all(
        """rows => rows.map(row => ({ label: row.querySelector("th").textContent,
          value: Number(row.querySelector("[data-value]").dataset.value),
          text: row.querySelector("[data-value]").textContent,
          width: row.querySelector(".nlpx-fill")
            && parseFloat(row.querySelector(".nlpx-fill").style.width) / 100,
          mark: row.querySelector(".nlpx-sh-mark").textContent }))"""
    )


def written(value: float, digits: int = 2) -> str:
    """A number as the page rounds it: 0.125 is 0.13, in Python's formats 0.12."""
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def sentence(item, prediction, k, weights, classes) -> str:
    labels, p = prediction["labels"], prediction["probabilities"]
    words = (
        f"{k} shot{'' if k == 1 else 's'}: the model says {labels[0]} ({written(p[0])}), which is "
    )
    if labels[0] == item["answer"]:
        words += "right."
    elif item["answer"] in labels:
        has = written(p[labels.index(item["answer"])])
        words += f"wrong: the right label {item['answer']} has {has}."
    else:
        words += f"wrong: the right label {item['answer']} is not among the 5 most probable."
    shown = item["demonstrations"][:k]
    if weights is not None and k == 0:
        words += " The query has only itself to look at."
    elif weights is not None:
        best = int(np.argmax(weights))
        word, _, label = [*shown, ("", "", "")][best // 2]
        where = "itself" if best == 2 * k else (
            f"{label}, the label of {word}" if best % 2 else f"the word {word}"
        )  # fmt: skip
        words += f" The query looks most at {where} ({written(weights[best])})."
    same = sum(kind == item["query_class"] for _, kind, _ in shown)
    if classes and k:
        of = "one demonstration" if k == 1 else f"{k} demonstrations"
        have = "have" if same > 1 else "has"
        words += (
            f" Of the {of}, {same or 'none'} {have} the class of the query, {item['query_class']}."
        )
    return words


def check_page(page, shots, item, k, model, classes) -> None:
    """Everything that the page shows of one state, against what Python has."""
    kept = shots.items[item]
    prediction = kept["predictions"][model][k]
    weights = kept["attention"][model] and kept["attention"][model][k]
    said = sentence(kept, prediction, k, weights, classes)
    expect(page.locator(".nlpx-live .nlpx-status").first).to_have_text(said)
    tokens = [text for word, _, label in kept["demonstrations"][:k] for text in (word, label)]
    expected = [*tokens, kept["query"]]
    assert chips(page) == list(zip(expected, weights or [None] * len(expected), strict=True))
    assert page.locator(".nlpx-sh-question").inner_text().split()[-(2 if classes else 1)] == "?"
    kinds = [kind for _, kind, _ in kept["demonstrations"][:k]]
    shown = page.locator(".nlpx-sh-pair:not(.nlpx-sh-room) .nlpx-sh-class").evaluate_all(
        "nodes => nodes.map(n => n.firstChild ? n.firstChild.textContent : '')"
    )
    assert shown == ([*kinds, kept["query_class"]] if classes else [""] * (k + 1))
    outlined = page.locator(".nlpx-sh-pair").evaluate_all(
        "nodes => nodes.map(n => n.classList.contains('nlpx-sh-same'))"
    )
    assert outlined[:k] == [classes and kind == kept["query_class"] for kind in kinds]
    assert not any(outlined[k:])
    rows = bars(page)
    rest = 1 - sum(prediction["probabilities"])
    assert [row["label"] for row in rows] == [*prediction["labels"], "all others"]
    values = [*prediction["probabilities"], rest]
    np.testing.assert_allclose([row["value"] for row in rows], values, atol=1e-9)
    assert [row["text"] for row in rows[:5]] == [written(p, 3) for p in prediction["probabilities"]]
    np.testing.assert_allclose([row["width"] for row in rows[:5]], values[:5], atol=1e-4)
    marks = ["✓ right" if label == kept["answer"] else "" for label in prediction["labels"]]
    assert [row["mark"] for row in rows] == [*marks, ""]
    missing = page.locator(".nlpx-sh-missing").inner_text()
    among = kept["answer"] in prediction["labels"]
    assert missing == ("" if among else f"The right label, {kept['answer']}, is among the others.")
    legend = page.locator(".nlpx-sh-legend li").all_inner_texts()
    named = zip(shots.models, shots.accuracies, strict=True)
    assert legend == [
        *(f"{name}: {written(values[k])}" for name, values in named),
        f"knows the classes: {written(shots.ideal[k])}", f"chance: {written(shots.chance)}",
    ]  # fmt: skip
    assert page.locator(".nlpx-sh-cursor").get_attribute("data-shots") == str(k)
    chosen = page.locator("g.nlpx-sh-chosen")
    assert chosen.evaluate_all("nodes => nodes.map(n => n.dataset.model)") == [str(model)]
    plural = "1 shot" if k == 1 else f"{k} shots"
    expect(page.locator(".nlpx-sh-slider output")).to_have_text(plural)
    assert slider(page).get_attribute("aria-valuetext") == plural
    for name, end in (("One shot fewer", 0), ("One shot more", 8)):
        state = page.get_by_role("button", name=name).get_attribute("aria-disabled")
        assert state == str(k == end).lower()


def test_the_page_shows_what_python_has(open_page, shots):
    page = open_page(shots.to_html())
    check_page(page, shots, 0, 0, 0, False)
    for item in range(6):
        for k in range(9):
            state = item, k, (item + k) % 2, bool((item + k // 2) % 2)
            choose(page, *state)
            check_page(page, shots, *state)


def test_it_opens_with_what_was_chosen(open_page):
    shots = Shots(**DEFAULT, item=3, shots=4, model=1, classes=True)
    page = open_page(shots.to_html())
    check_page(page, shots, 3, 4, 1, True)
    expect(page.get_by_label("Question")).to_have_value("3")
    expect(page.get_by_role("radio", name=MODELS[1])).to_be_checked()
    expect(page.get_by_role("checkbox")).to_be_checked()


def test_the_chips_have_the_books_colours_and_say_their_weights(open_page, shots):
    page = open_page(shots.to_html())
    choose(page, 1, 6)
    weights = shots.items[1]["attention"][0][6]
    for k, weight in enumerate(weights):
        chip = page.locator(f'.nlpx-sh-pair [data-place="{k}"]')
        fill = color_scale(SEQUENTIAL)[int(np.floor(weight * 40 + 0.5))][0]
        rgb = ", ".join(str(int(fill[i : i + 2], 16)) for i in (1, 3, 5))
        assert chip.evaluate("n => getComputedStyle(n).backgroundColor") == f"rgb({rgb})"
        assert chip.get_attribute("title") == f"attention weight {written(weight)}"
        assert f", attention {written(weight)}" in chip.text_content()
        small = "0" if weight < 0.005 else written(weight).removeprefix("0")
        assert chip.locator(".nlpx-sh-weight").inner_text() == small
    choose(page, 1, 6, model=1)
    assert page.locator(".nlpx-sh-weight").count() == 0
    expect(page.locator(".nlpx-sh-key")).to_have_text("No attention is shown for this model.")


def test_shots_by_mouse_and_by_keyboard(open_page, shots):
    page = open_page(shots.to_html())
    fewer, more = (page.get_by_role("button", name=f"One shot {one}") for one in ("fewer", "more"))
    fewer.click(force=True)  # disabled at 0 shots
    check_page(page, shots, 0, 0, 0, False)
    more.click()
    check_page(page, shots, 0, 1, 0, False)
    more.press("Enter")
    more.press("Space")
    check_page(page, shots, 0, 3, 0, False)
    expect(more).to_be_focused()
    fewer.press("Enter")
    check_page(page, shots, 0, 2, 0, False)
    slider(page).focus()
    for key, k in [("ArrowRight", 3), ("End", 8), ("ArrowLeft", 7), ("Home", 0)]:
        page.keyboard.press(key)
        check_page(page, shots, 0, k, 0, False)
        expect(slider(page)).to_be_focused()
    box = slider(page).bounding_box()
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    check_page(page, shots, 0, 8, 0, False)
    more.click(force=True)
    check_page(page, shots, 0, 8, 0, False)
    chart = page.locator(".nlpx-sh-chart").bounding_box()  # a click picks the nearest shots
    inner = chart["width"] - 38 - 14
    page.mouse.click(chart["x"] + 38 + inner * 5.3 / 8, chart["y"] + 80)
    check_page(page, shots, 0, 5, 0, False)
    page.mouse.click(chart["x"] + 3, chart["y"] + 80)
    check_page(page, shots, 0, 0, 0, False)


def test_question_model_and_classes_by_mouse_and_by_keyboard(open_page, shots):
    page = open_page(Shots(**DEFAULT, shots=5).to_html())
    select = page.get_by_label("Question")
    assert select.locator("option").all_inner_texts() == [
        f"{k}: {item['query']}" for k, item in enumerate(ITEMS, start=1)
    ]
    select.focus()
    page.keyboard.press("ArrowDown")
    check_page(page, shots, 1, 5, 0, False)
    page.get_by_role("radio", name=MODELS[1]).click()
    check_page(page, shots, 1, 5, 1, False)
    page.get_by_role("radio", name=MODELS[1]).focus()
    page.keyboard.press("ArrowLeft")
    check_page(page, shots, 1, 5, 0, False)
    part(page, NAME).get_by_text("Show the classes").click()
    check_page(page, shots, 1, 5, 0, True)
    page.get_by_role("checkbox").press("Space")
    check_page(page, shots, 1, 5, 0, False)
    expect(page.get_by_role("checkbox")).to_be_focused()
    page.get_by_role("checkbox").press("Space")
    select.select_option(label="6: " + ITEMS[5]["query"])
    check_page(page, shots, 5, 5, 0, True)


def test_the_chart_draws_the_accuracies(open_page, shots):
    page = open_page(shots.to_html())
    choose(page, 0, 6, 1)

    def shares(path: str) -> list[float]:
        """Heights of the points of a line, as shares of the axis from 0 to 1."""
        ys = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]
        return [(200 - y) / (200 - 26) for y in ys]

    for m, model in enumerate(MODELS):
        line = page.locator(f'.nlpx-sh-chart [data-model="{m}"] .nlpx-sh-line')
        np.testing.assert_allclose(shares(line.get_attribute("d")), ACCURACIES[model], atol=1e-3)
        points = page.locator(f'.nlpx-sh-chart [data-model="{m}"] .nlpx-sh-point')
        assert points.count() == 9
    ideal = page.locator(".nlpx-sh-chart path.nlpx-sh-ideal").get_attribute("d")
    np.testing.assert_allclose(shares(ideal), IDEAL, atol=1e-3)
    chance = page.locator(".nlpx-sh-chart path.nlpx-reference").get_attribute("d")
    np.testing.assert_allclose(shares(chance), [CHANCE] * 9, atol=1e-3)
    ring, cursor = page.locator(".nlpx-sh-ring"), page.locator(".nlpx-sh-cursor")
    assert (200 - float(ring.get_attribute("cy"))) / 174 == pytest.approx(0.12, abs=1e-3)
    assert ring.get_attribute("cx") == cursor.get_attribute("x1") == cursor.get_attribute("x2")
    assert page.get_by_role("img").get_attribute("aria-label") == (
        "Share of right labels over many sequences, from 0 to 8 shots: whole from 0.03 to 0.77; "
        "without its induction heads from 0.03 to 0.13. Chance is 0.03."
    )
    dashes = page.locator(".nlpx-sh-chart .nlpx-sh-line").evaluate_all(
        "nodes => nodes.map(n => n.getAttribute('stroke-dasharray'))"
    )
    assert len(set(dashes)) == 2  # the lines are not told apart by colour alone


def test_one_model_few_shots_and_no_ideal(open_page):
    item = made_up_item(4, 3)
    item |= {key: {"whole": item[key]["whole"]} for key in ("predictions", "attention")}
    one = Shots([item], {"whole": [0.1, 0.2, 0.3, 0.4]}, chance=0.0, shots=3)
    page = open_page(one.to_html())
    assert page.get_by_role("radio").count() == 0
    assert page.get_by_role("button", name="One shot more").get_attribute("aria-disabled") == "true"
    assert slider(page).get_attribute("max") == "3"
    assert page.locator(".nlpx-sh-legend li").all_inner_texts() == ["whole: 0.40", "chance: 0.00"]
    assert len(chips(page)) == 7
    assert "NaN" not in part(page, NAME).evaluate("node => node.outerHTML")


HOSTILE = ["</script><!--<b>&\"'", "<img src=x onerror=window.pwned=1>", "&amp;", "${pwned}`\u2028"]


def test_hostile_text_is_shown_as_it_is_written(open_page):
    word, kind, label, model = HOSTILE
    labels = [label, word, "c", "<i>d", "\u05d0"]
    item = {
        "query": word, "query_class": kind, "answer": label,
        "demonstrations": [(model, kind, label)],
        "predictions": {model: [{"labels": labels, "probabilities": FIVE}] * 2},
        "attention": {model: [[1.0], [0.1, 0.7, 0.2]]},
    }  # fmt: skip
    hostile = Shots([item], {model: [0, 1]}, chance=0.5, shots=1, classes=True)
    page = open_page(hostile.to_html())
    assert chips(page) == [(model, 0.1), (label, 0.7), (word, 0.2)]
    assert [row["label"] for row in bars(page)] == [*labels, "all others"]
    assert f"the class of the query, {kind}." in part(page, NAME).inner_text()
    assert page.locator(".nlpx-sh-legend li").first.text_content() == f"{model}: 1.00"
    assert part(page, NAME).locator("script, b, i, img").count() == 0
    assert page.evaluate("window.pwned") is None
    page = open_page(hostile.to_html(), scripts=False)
    text = page.locator(".nlpx-fallback").text_content()
    for one in (word, label, model):
        assert one in text
    assert page.locator(".nlpx-fallback :is(script, b, i, img)").count() == 0


def test_two_on_a_page_do_not_disturb_each_other(open_page, shots):
    other = Shots(**DEFAULT, name="other", item=2)
    page = open_page(shots.to_html(), other.to_html())
    before = part(page, NAME).evaluate("node => node.innerHTML")
    second = part(page, "other")
    second.get_by_role("slider").fill("4")
    second.get_by_role("radio", name=MODELS[1]).check()
    second.get_by_role("checkbox").check()
    second.get_by_role("button", name="One shot more").click()
    assert status(page, "other").startswith("5 shots: the model says")
    assert part(page, NAME).evaluate("node => node.innerHTML") == before
    expect(part(page, NAME).get_by_role("radio", name=MODELS[0])).to_be_checked()
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))


def test_with_the_kernel(open_page, shots):
    page = live(open_page, shots)
    choose(page, 2, 7, 1, True)
    values = page.evaluate("['item', 'shots', 'model', 'classes'].map(k => testModel.values[k])")
    assert values == [2, 7, 1, True]
    assert page.evaluate("testModel.saved") > 0
    page.evaluate("() => { testModel.set('item', 4); testModel.set('shots', 3); "
                  "testModel.set('model', 0); testModel.set('classes', false); }")  # fmt: skip
    check_page(page, shots, 4, 3, 0, False)
    expect(page.get_by_label("Question")).to_have_value("4")
    expect(slider(page)).to_have_value("3")
    expect(page.get_by_role("radio", name=MODELS[0], exact=True)).to_be_checked()
    expect(page.get_by_role("checkbox")).not_to_be_checked()
    page.evaluate("window.testStop()")
    assert page.evaluate("window.testHandlers()") == 0


def test_python_sees_what_the_page_sets(shots):
    shots.set_state({"item": 1, "shots": 6, "model": 1, "classes": True})
    assert (shots.item, shots.shots, shots.model, shots.classes) == (1, 6, 1, True)
    assert '"shots":6' in shots.to_html()


OUTSIDE = """() => { const right = document.querySelector(".nlpx-live .nlpx")
  .getBoundingClientRect().right;
  return [...document.querySelectorAll(".nlpx-live .nlpx *")].filter(node =>
    node.getBoundingClientRect().right > right).map(node => node.outerHTML); }"""


@pytest.mark.parametrize("width", [320, 360, 390])
def test_a_phone_needs_no_sideways_scrolling(open_page, width):
    items = changed((1, "query"), "D" + "onaudampfschifffahrt" * 2)[:2]
    items[1]["query"] = items[1]["query"][:40]
    names = {"whole": "w" * 40, MODELS[1]: "a name that is as long as names may be, 40"[:40]}
    for item in items:
        for key in ("predictions", "attention"):
            item[key] = {names[m]: item[key][m] for m in MODELS}
    page = open_page(
        Shots(items, {names[m]: ACCURACIES[m] for m in MODELS}, chance=CHANCE).to_html(),
        width=width,
    )
    for item, k, classes in [(0, 0, False), (0, 8, True), (1, 8, True), (1, 3, False)]:
        page.get_by_label("Question").select_option(index=item)
        slider(page).fill(str(k))
        page.get_by_role("checkbox").set_checked(classes)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == []
    assert slider(page).bounding_box()["width"] >= 60
    track = page.locator(".nlpx-sh-track").first.bounding_box()
    assert track["width"] >= 50
    for cell in page.locator(".nlpx-sh-bars :is(td, th):not(.nlpx-sh-mark)").all():
        assert cell.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    sizes = page.locator(".nlpx-live .nlpx *").evaluate_all(
        "nodes => nodes.filter(n => n.textContent.trim()).map(n => "
        "parseFloat(getComputedStyle(n).fontSize))"
    )
    assert min(sizes) >= 11.5
    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".nlpx-sh-part").all()}
    assert len(lefts) == 1
    page.set_viewport_size({"width": 1000, "height": 900})
    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".nlpx-sh-part").all()}
    assert len(lefts) == 2


def test_on_a_wide_page_nothing_jumps_when_shots_are_added(open_page, shots):
    page = open_page(shots.to_html(), width=1000)
    for classes in (False, True):
        tops = set()
        for k in range(9):
            choose(page, 0, k, 0, classes)
            tops.add(round(page.locator(".nlpx-sh-parts").bounding_box()["y"]))
        assert len(tops) == 1


@pytest.mark.parametrize("width", [360, 900])
def test_a_later_explorable_does_not_change_its_look(open_page, shots, width):
    boxes = []
    for later in ([], [Quiz(name="quiz", questions=QUIZ).to_html()]):
        page = open_page(shots.to_html(), *later, width=width, reduced_motion="reduce")
        choose(page, 0, 5, 0, True)
        page.evaluate("scrollTo(0, 0)")
        boxes.append(
            page.locator('[data-explorable="shots"] .nlpx-live *').evaluate_all(
                """nodes => nodes.map(n => { const b = n.getBoundingClientRect();
                  const s = getComputedStyle(n);
                  return [n.getAttribute("class"), b.x, b.y, b.width, b.height, s.color,
                    s.backgroundColor, s.borderTopColor, s.borderLeftColor, s.fontWeight,
                    s.fontSize, s.stroke, s.fill]; })"""
            )
        )
    assert len(boxes[0]) > 150
    assert boxes[0] == boxes[1]


def test_names_focus_and_live_region(open_page, shots):
    page = open_page(shots.to_html())
    assert problems_of_names(page) == []
    assert part(page, NAME).locator('[role=status][aria-live="polite"]').count() == 1
    stops = tab_stops(page)
    kinds = [name.split(".")[0] for name, _ in stops]
    assert kinds == ["SELECT", "INPUT", "BUTTON", "INPUT", "BUTTON", "INPUT"]
    assert [stop for stop in stops if stop[1] < 2] == []
    assert page.get_by_role("group", name="Model", exact=True).count() == 1
    prompt = page.get_by_role("list", name="The prompt: demonstrations, then the query")
    choose(page, 0, 4)
    assert prompt.get_by_role("listitem").count() == 5
    assert page.get_by_role("table", name="The 5 most probable labels for plum").count() == 1
    for row in page.locator(".nlpx-sh-bars tbody tr").all():
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
  const style = (selector) => getComputedStyle(document.querySelector(selector));
  const ground = light(style(".nlpx-live .nlpx").backgroundColor);
  return [style(".nlpx-sh-chart .nlpx-sh-chosen .nlpx-sh-line").stroke,
    style(".nlpx-sh-chart .nlpx-sh-model:not(.nlpx-sh-chosen) .nlpx-sh-line").stroke,
    style(".nlpx-sh-chart .nlpx-sh-ideal").stroke, style(".nlpx-sh-chart .nlpx-reference").stroke,
    style(".nlpx-sh-ring").stroke, style(".nlpx-sh-bars .nlpx-fill").backgroundColor,
    style(".nlpx-sh-same").borderTopColor, style(".nlpx-sh-query").borderTopColor,
    style(".nlpx-sh-slot").borderTopColor, style(".nlpx-sh-select").borderTopColor].map((c) => {
      const [low, high] = [light(c), ground].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    });
}"""


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_and_all_marks_are_readable_in_every_theme(open_page, shots, theme):
    page = open_page(shots.to_html(), reduced_motion="reduce", **theme_options(theme))
    for state in [(0, 0, 0, False), (0, 8, 1, True), (0, 8, 0, True)]:
        choose(page, *state)
        found = contrasts(page)
        assert len(found) > 60
        assert [entry for entry in found if entry[0] < 4.5] == []
    assert min(page.evaluate(MARK_CONTRASTS)) >= 3
    paper = page.locator(".nlpx-live .nlpx").evaluate("n => getComputedStyle(n).backgroundColor")
    assert (int(re.findall(r"\d+", paper)[0]) < 60) == ("dark" in theme)

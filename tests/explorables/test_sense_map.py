"""SenseMap: vectors and accuracy against NumPy, and the page by mouse and keyboard."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from nlp_helpers.exercises.elmo import QUIZ
from nlp_helpers.explorables.base import script_json
from nlp_helpers.explorables.quiz import Quiz
from nlp_helpers.explorables.sense_map import (
    SenseItem,
    SenseMap,
    leave_one_out_accuracy,
    majority_baseline,
    merged,
    project,
)
from tests.book.outputs_contract import text_difference
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.sense_items import made_up
from tests.explorables.test_browser import THEMES, live, part, status
from tests.explorables.test_python_side import visible_text

NAME = "sense-map"
ITEMS = made_up()
SETTINGS = [
    (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 0, 0), (0.2, 0.9, 0.05), (0.99, 0.01, 0),
    (0, 0.5, 0.5), (0.6, 0, 0.35),
]  # fmt: skip


@pytest.fixture
def senses() -> SenseMap:
    return SenseMap(ITEMS)


NEAR_TIE = (np.array([[0.0], [-0.4], [0.1], [0.2], [0.9]]), ["a", "a", "b", "b", "b"])


def of_word(word: str, items=ITEMS) -> list[SenseItem]:
    return [item for item in items if item.words[item.position] == word]


def reference_accuracy(vectors, senses) -> float:
    """By loops, one occurrence at a time; ties as documented."""
    names = sorted(set(senses), key=lambda sense: (-list(senses).count(sense), sense))
    slack = 1e-9 * max(((v - vectors[0]) ** 2).sum() for v in vectors)
    right = 0
    for i, vector in enumerate(vectors):
        distances = {}
        for name in names:
            others = [v for j, v in enumerate(vectors) if j != i and senses[j] == name]
            if others:
                distances[name] = ((vector - np.mean(others, axis=0)) ** 2).sum()
        least = min(distances.values())
        said = next(name for name in names if distances.get(name, np.inf) <= least + slack)
        right += said == senses[i]
    return right / len(vectors)


def reference_mixture(vectors, sliders) -> np.ndarray:
    weights = np.array(sliders, float)
    weights = weights / weights.sum() if weights.sum() else np.full(len(weights), 1 / len(weights))
    return sum(weight * layer for weight, layer in zip(weights, vectors, strict=True))


# ---- accuracy ----


@pytest.mark.parametrize("seed", range(5))
def test_the_accuracy_is_that_of_a_loop(seed):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(30, 4))
    names = [str(s) for s in random.choice(["a", "b", "c"], 30, p=[0.5, 0.3, 0.2])]
    vectors += np.array([names.index(s) for s in names])[:, None] * 0.2
    expected = reference_accuracy(vectors, names)
    assert 0.1 < expected < 1
    assert leave_one_out_accuracy(vectors, names) == pytest.approx(expected)
    assert leave_one_out_accuracy(torch.tensor(vectors), tuple(names)) == pytest.approx(expected)


def test_by_hand_the_occurrence_is_left_out():
    # at 4, a's other one is at 0 (16 away squared), b's centroid at 7.5 (12.25): wrong. With
    # itself in a, the centroid would be at 2 (4 away): right
    vectors, names = np.array([[0.0], [4.0], [7.0], [8.0]]), ["a", "a", "b", "b"]
    assert leave_one_out_accuracy(vectors, names) == 0.75
    # a sense that occurs once has no centroid without it, so it is never right
    assert leave_one_out_accuracy(np.array([[0.0], [0.1], [9.0]]), ["a", "a", "b"]) == 2 / 3


@pytest.mark.parametrize("names", [["b", "a", "b"], ["c", "b", "b", "c", "a"], [*"aabb"]])
@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e8, -7.7])
def test_vectors_that_are_all_the_same_reach_exactly_the_majority_baseline(names, value):
    vectors = np.full((len(names), 3), value)
    assert leave_one_out_accuracy(vectors, names) == majority_baseline(names)
    assert leave_one_out_accuracy(vectors[:2], ["a", "b"]) == 0  # no centroid of its own is left


def test_a_tie_goes_to_the_most_frequent_sense_then_to_the_alphabet():
    line = np.array([[0.0], [-1.0], [1.0], [-1.0], [1.0]])
    # the first lies between a (at -1) and b (at 1)
    assert leave_one_out_accuracy(line, ["b", "a", "b", "a", "b"]) == 1
    assert leave_one_out_accuracy(line, ["a", "a", "b", "a", "b"]) == 1
    assert majority_baseline(["b", "a", "b"]) == 2 / 3
    # 0 lies between -0.4 and the mean of the three others, whose float64 sum is a bit too large
    assert leave_one_out_accuracy(*NEAR_TIE) == reference_accuracy(*NEAR_TIE) == 3 / 5


@pytest.mark.parametrize(
    ("vectors", "names", "error", "words"),
    [
        (np.ones((2, 3)), ["a", "a"], ValueError, "at least two different ones, got .'a'."),
        (np.ones((2, 3)), [], ValueError, "at least two different"),
        (np.ones((2, 3)), "ab", TypeError, "senses must be a list of texts, got str"),
        (np.ones((2, 3)), ["a", 1], TypeError, r"senses\[1\] must be a string, got int"),
        (np.ones((3, 3)), ["a", "b"], ValueError, "senses must be 3, one for each vector, got 2"),
        (np.ones(3), ["a", "b"], ValueError, r"vectors must have shape \[any, any\], got \[3\]"),
        (np.full((2, 3), np.nan), ["a", "b"], ValueError, "vectors must be finite, got nan"),
        ([["x"], ["y"]], ["a", "b"], TypeError, "vectors must hold real numbers"),
    ],
)
def test_bad_vectors_and_senses_are_named(vectors, names, error, words):
    with pytest.raises(error, match=words):
        leave_one_out_accuracy(vectors, names)


# ---- the Python side ----


def test_the_vectors_keep_the_distances_of_each_layer(senses):
    for k, word in enumerate(["bank", "apple", "spring"]):
        given = np.stack([item.vectors for item in of_word(word)], axis=1).astype(float)
        exact, _ = project(given, 64)  # all components: a rotation
        centred = given - given.mean(axis=1, keepdims=True)
        for layer, kept in zip(centred, exact, strict=True):
            distances, found = (
                np.linalg.norm(one[:, None] - one[None], axis=-1) for one in (layer, kept)
            )
            np.testing.assert_allclose(found, distances, atol=2e-5 * np.abs(layer).max() + 2e-5)
        shown = senses.vectors(k)
        assert shown.shape == (3, 40, 12)
        assert np.abs(shown).max() == 10
        ratio = np.abs(exact[:, :, :12]).max() / 10
        np.testing.assert_allclose(shown * ratio, exact[:, :, :12], atol=0.00501 * ratio)
        shares = (exact[:, :, :12] ** 2).sum((1, 2))[1:] / (centred**2).sum((1, 2))[1:]
        np.testing.assert_allclose(senses.variance_kept[word], [1, *shares], atol=1e-4)
        assert not shown[0].any()


def test_the_components_are_those_of_all_layers_together():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(2, 9, 5)) * np.array([1, 3])[:, None, None]
    centred = (vectors - vectors.mean(axis=1, keepdims=True)).reshape(-1, 5)
    values, axes = np.linalg.eigh(centred.T @ centred)
    found, _ = project(vectors, 3)
    expected = np.abs(centred @ axes[:, ::-1][:, :3])
    np.testing.assert_allclose(np.abs(found.reshape(-1, 3)), expected, atol=1e-9)
    np.testing.assert_allclose((found**2).sum((0, 1)), values[::-1][:3])
    flipped, _ = project(-vectors, 3)  # the axes, and so their signs, are the same
    np.testing.assert_allclose(flipped, -found)


def test_few_occurrences_or_a_small_width_leave_zeros():
    items = [SenseItem(("x",), 0, s, [[v, 1.0], [1.0, v]]) for s, v in (("a", 1.0), ("b", 2.0))]
    senses = SenseMap(items, layer_names=["one", "two"], n_dimensions=4)
    assert senses.vectors(0).shape == (2, 2, 4)
    assert not senses.vectors(0)[:, :, 2:].any()
    assert senses.variance_kept == {"x": [1.0, 1.0]}


def test_vectors_that_differ_by_rounding_only_are_the_same():
    random = np.random.default_rng(1)
    items = [
        item._replace(vectors=item.vectors * (1 + 1e-7 * random.normal(size=item.vectors.shape)))
        for item in ITEMS
    ]
    senses = SenseMap(items)
    for k in range(3):
        assert not senses.vectors(k)[0].any()
        assert senses.accuracy(k, (1, 0, 0)) == majority_baseline(senses.senses(k))
    assert text_difference(SenseMap(ITEMS).to_html(), senses.to_html()) is None
    layer = random.normal(size=(4, 6))[[0, 1, 0, 2, 1, 3]]
    noisy = layer * (1 + 1e-7 * random.normal(size=layer.shape))
    assert len(np.unique(merged(noisy), axis=0)) == 4
    np.testing.assert_allclose(merged(noisy), layer, rtol=1e-6)
    distinct = np.array([[1.0, 0.5], [1.0, 0.5 + 2e-5], [1.0, 0.5 - 2e-5]])
    np.testing.assert_array_equal(merged(distinct), distinct)


def test_the_state_is_the_traits_and_the_page_is_the_same_every_time(senses):
    assert SenseMap(ITEMS).to_html() == senses.to_html()
    assert repr(senses) == "SenseMap('sense-map')"
    state = senses.page_state()
    assert set(state) == {
        "name", "words", "layer_names", "n_dimensions", "sliders", "word", "marked", "fit",
    }  # fmt: skip
    assert [state[key] for key in ("sliders", "word", "marked", "fit")] == [[1, 1, 1], 0, 0, True]
    first = state["words"][0]
    assert first["word"] == "bank"
    assert first["senses"] == ["bank/money", "bank/river"]  # the most frequent first
    assert [*first["occurrences"][3]["words"]] == list(of_word("bank")[3].words)
    assert senses.senses(0) == [item.sense for item in of_word("bank")]
    assert not re.search(r"://|@import|\burl\(|\bsrc=|\bhref=", senses.to_html())
    chosen = SenseMap(ITEMS, name="other", word="spring")
    assert (chosen.name, chosen.word) == ("other", 2)


def test_six_words_fit_with_room_and_too_many_are_refused():
    def many(count):
        return [
            item._replace(words=tuple(f"{w}{k}" for w in item.words))
            for k in range(count // 3)
            for item in ITEMS
        ]

    assert len(script_json(SenseMap(many(6)).page_state())) < 90_000
    assert len(script_json(SenseMap(many(12)).page_state())) < 180_000
    with pytest.raises(ValueError, match=r"takes \d{3},\d{3} bytes.*200,000"):
        SenseMap(many(18))


def item(words=("a", "bank"), position=1, sense="x", vectors=None) -> SenseItem:
    return SenseItem(words, position, sense, np.eye(3, 4) if vectors is None else vectors)


TWO = [item(), item(sense="y")]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"items": []}, ValueError, "items must not be empty"),
        ({"items": "bank"}, TypeError, "items must be a list of SenseItem, got str"),
        ({"items": item()}, TypeError, "items must be a list of SenseItem, got SenseItem"),
        ({"items": [("a",)]}, TypeError, r"items\[0\] must be a SenseItem, got tuple"),
        ({"items": [item()]}, ValueError, "'bank' must have 2 to 6 senses, got 1: .'x'."),
        ({"items": [item(sense=s) for s in "abcdefg"]}, ValueError, "2 to 6 senses, got 7"),
        ({"items": [item(position=2)]}, ValueError,
         r"items\[0\].position must be between 0 and 1, got 2"),
        ({"items": [item(position=-1)]}, ValueError, "position must be between 0 and 1, got -1"),
        ({"items": [item(position=1.0)]}, TypeError, "position must be an int, got float"),
        ({"items": [item(words=())]}, ValueError, r"items\[0\].words must number 1 to 100, got 0"),
        ({"items": [item(words="bank")]}, TypeError, r"words must be a tuple of words, got str"),
        ({"items": [item(words=("", "a"))]}, ValueError, r"words\[0\] must not be blank"),
        ({"items": [item(sense=" ")]}, ValueError, r"items\[0\].sense must not be blank"),
        ({"items": [item(sense=1)]}, TypeError, r"items\[0\].sense must be a string"),
        ({"items": [*TWO, item(vectors=np.ones((2, 4)))]}, ValueError,
         r"items\[2\].vectors must have shape \[3, any\], got \[2, 4\]"),
        ({"items": [*TWO, item(vectors=np.ones((3, 5)))]}, ValueError,
         r"same width: items\[0\] has 4, items\[2\] has 5"),
        ({"items": [item(vectors=np.full((3, 4), np.inf))]}, ValueError,
         r"items\[0\].vectors must be finite, got inf"),
        ({"items": TWO, "layer_names": ("a", "b")}, ValueError, r"shape \[2, any\], got \[3, 4\]"),
        ({"items": TWO, "layer_names": "abc"}, TypeError, "layer_names must be a list"),
        ({"items": TWO, "layer_names": ()}, ValueError, "layer_names must be at least one"),
        ({"items": TWO, "layer_names": ("a", "b", "a")}, ValueError, "none of them twice"),
        ({"items": TWO, "n_dimensions": 17}, ValueError, "between 2 and 16, got 17"),
        ({"items": TWO, "n_dimensions": 1}, ValueError, "between 2 and 16, got 1"),
        ({"items": TWO, "n_dimensions": 3.0}, TypeError, "n_dimensions must be an int"),
        ({"items": TWO, "word": "river"}, ValueError, "word must be one of .'bank'., got 'river'"),
        ({"items": TWO, "name": "a b"}, ValueError, "name must be"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        SenseMap(**arguments)


@pytest.mark.parametrize(
    ("trait", "value"),
    [("word", 3), ("word", -1), ("marked", 41), ("sliders", [1, 1]), ("sliders", [1, 1, 1.5]),
     ("sliders", [-0.1, 0, 0]), ("sliders", [np.nan, 0, 0])],
)  # fmt: skip
def test_bad_changes_are_refused(senses, trait, value):
    with pytest.raises(ValueError, match=trait):
        setattr(senses, trait, value)


def test_without_scripts_it_is_a_table_of_accuracy_by_layer(senses, open_page):
    text = visible_text(senses.to_html())
    assert (
        "word occurrences majority characters lower LSTM layer upper LSTM layer equal weights"
    ) in text
    layers = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)]
    for k, word in enumerate(["bank", "apple", "spring"]):
        names = [one.sense for one in of_word(word)]
        found = [reference_accuracy(reference_mixture(senses.vectors(k), s), names) for s in layers]
        majority = majority_baseline(names)
        assert found[0] == majority < found[1] < found[2]
        numbers = " ".join(f"{value:.3f}" for value in [majority, *found])
        assert f" {word} 40 {numbers} " in text
    page = open_page(senses.to_html(), scripts=False, width=390)
    expect(page.get_by_text("Share of occurrences whose sense")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_another_processor_may_round_a_last_digit_differently(senses):
    words = senses.page_state()["words"]
    line = words[1]["layers"][2]
    number = line.split(" ")[7]
    other = SenseMap(ITEMS)
    nudged = line.replace(number, f"{float(number) + 0.01:.2f}".replace("0.", ".", 1), 1)
    words[1]["layers"][2] = nudged
    other.words = words
    assert other.to_html() != senses.to_html()
    assert text_difference(senses.to_html(), other.to_html()) is None


# ---- the computation in the page ----

COMPUTATION = """async ({ esm, cases }) => {
  const source = esm.replace("export default { render };", "export { computeMap };");
  const { computeMap } = await import(URL.createObjectURL(new Blob([source],
    { type: "text/javascript" })));
  return cases.map((run) => {
    let previous = null;
    return run.map((state) => {
      const before = JSON.stringify(state);
      const map = computeMap({ ...state, previous });
      if (JSON.stringify(state) !== before) throw new Error("the state has changed");
      previous = map.axes;
      return map;
    });
  });
}"""


def computed(open_page, senses, runs):
    """What `computeMap` returns for lists of (vectors, senses, sliders), axes handed on."""
    cases = []
    for run in runs:
        states = []
        for vectors, names, sliders in run:
            order = sorted(set(names), key=lambda sense: (-list(names).count(sense), sense))
            states.append(
                {
                    "layers": np.asarray(vectors, float).tolist(),
                    "senses": [order.index(name) for name in names],
                    "nSenses": len(order),
                    "sliders": list(sliders),
                }
            )
        cases.append(states)
    return open_page().evaluate(COMPUTATION, {"esm": str(senses._esm), "cases": cases})


def check_map(found, vectors, names, sliders):
    mixture = reference_mixture(vectors, sliders)
    assert sum(found["weights"]) == pytest.approx(1)
    np.testing.assert_allclose(found["mixture"], mixture, atol=1e-12)
    assert found["accuracy"] == pytest.approx(reference_accuracy(mixture, names))
    assert found["baseline"] == pytest.approx(max(map(list(names).count, names)) / len(names))
    distances = ((mixture[:, None] - mixture[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :3]
    points = np.array(found["points"])
    axes = np.array(found["axes"])
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-9)
    if np.ptp(mixture, axis=0).any():
        assert found["neighbours"] == nearest.tolist()
        centred = mixture - mixture.mean(axis=0)
        values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
        np.testing.assert_allclose(points, centred @ np.array(found["axes"]).T, atol=1e-9)
        plane = centred @ axes[:, -2:]  # the same plane, perhaps turned
        np.testing.assert_allclose(points @ points.T, plane @ plane.T, atol=1e-7)
        assert found["share"] == pytest.approx(values[-2:].sum() / values.sum())
        assert found["spread"] == pytest.approx(np.sqrt(values.sum()))
    else:
        assert found["same"]
        assert not points.any()
        assert found["accuracy"] == found["baseline"]
        assert found["places"] == [list(range(len(names)))]


def test_the_module_computes_what_numpy_computes(open_page, senses):
    inputs = [(senses.vectors(k), senses.senses(k), s) for k in range(3) for s in SETTINGS]
    results = computed(open_page, senses, [[one] for one in inputs])
    for [found], one in zip(results, inputs, strict=True):
        check_map(found, *one)
    for k, s in itertools.product(range(3), SETTINGS):
        [found] = results[k * len(SETTINGS) + SETTINGS.index(s)]
        assert found["accuracy"] == senses.accuracy(k, s)


@pytest.mark.parametrize(("n_layers", "count", "width"), [(1, 5, 2), (2, 13, 7), (5, 31, 16)])
def test_any_number_of_layers(open_page, senses, n_layers, count, width):
    random = np.random.default_rng(3)
    vectors = random.normal(size=(n_layers, count, width)).round(2)
    names = ["a", "b", *random.choice(["a", "b", "c", "d"], count - 2)]
    run = [(vectors, names, random.uniform(size=n_layers)) for _ in range(4)]
    for found, one in zip(computed(open_page, senses, [run])[0], run, strict=True):
        check_map(found, *one)


def disagreeing() -> np.ndarray:
    """Layers [3, 40, 12] that disagree in the order and signs of their two widest directions."""
    random = np.random.default_rng(5)
    blobs = random.normal(size=(3, 40, 12)) * np.array([4, 3.9] + [0.4] * 10)
    blobs[1, :, [0, 1]] *= -1
    blobs[2] = blobs[2][:, [1, 0, *range(2, 12)]]
    return blobs


def test_the_map_does_not_flip_while_a_slider_moves(open_page, senses):
    blobs = disagreeing()
    names = ["a", "b"] * 20
    steps = np.linspace(0, 1, 101)
    runs = [[(blobs, names, s) for s in path] for path in (
        [(1 - t, 0.5, t) for t in steps], [(0.3, t, 1) for t in steps], [(t, 0, 1) for t in steps],
    )]  # fmt: skip
    runs.append([(senses.vectors(0), senses.senses(0), (0.2, 1 - t, t)) for t in steps])
    for run, found in zip(runs, computed(open_page, senses, runs), strict=True):
        for one, state in list(zip(found, run, strict=True))[::20]:
            check_map(one, *state)
        points = np.array([one["points"] for one in found])
        size = np.abs(points).max()
        assert np.abs(np.diff(points, axis=0)).max() < 0.2 * size
    # without alignment the same path does flip
    alone = computed(open_page, senses, [[one] for one in runs[0]])
    points = np.array([one["points"] for [one] in alone])
    assert np.abs(np.diff(points, axis=0)).max() > np.abs(points).max()


def test_nor_does_it_flip_in_the_page(open_page):
    items = [
        SenseItem(("x",), 0, "ab"[i % 2], vectors)
        for i, vectors in enumerate(disagreeing().transpose(1, 0, 2))
    ]
    page = open_page(SenseMap(items).to_html())
    points = []
    for t in np.linspace(0, 1, 51):
        set_sliders(page, (0.3, round(t, 2), 1))
        points.append(spots(page))
    points = np.array(points)
    assert np.abs(np.diff(points, axis=0)).max() < 0.4 * np.abs(points).max()


def test_near_ties_are_ties_in_the_page_too(open_page, senses):
    vectors, names = NEAR_TIE
    padded = np.hstack([vectors, np.zeros((5, 1))])
    [[found]] = computed(open_page, senses, [[([padded], names, [1])]])
    assert found["accuracy"] == 3 / 5


def test_a_first_map_has_fixed_signs_and_a_collapse_keeps_the_axes(open_page, senses):
    vectors, names = senses.vectors(1), senses.senses(1)
    layer, nothing = (vectors, names, (0, 0, 1)), (vectors, names, (1, 0, 0))
    first, gone, again = computed(open_page, senses, [[layer, nothing, layer]])[0]
    for axis in first["axes"]:
        assert max(axis, key=abs) > 0
    assert gone["axes"] == first["axes"]
    np.testing.assert_allclose(again["points"], first["points"], atol=1e-9)
    [start] = computed(open_page, senses, [[nothing]])[0]
    check_map(start, *nothing)


# ---- the page ----


def point(page, place: int):
    return page.locator(f'.nlpx-sm-point[data-place="{place}"]')


def spots(page) -> np.ndarray:
    return np.array(page.locator(".nlpx-sm-point").evaluate_all(
        "nodes => nodes.map(n => [+n.dataset.x, +n.dataset.y])"))  # fmt: skip


def drawn(page) -> np.ndarray:
    """Where the points are in the picture, in pixels."""
    texts = page.locator(".nlpx-sm-point").evaluate_all(
        "nodes => nodes.map(n => n.getAttribute('transform'))"
    )
    return np.array([[float(x) for x in re.findall(r"-?[\d.]+", text)] for text in texts])


def shown(page) -> dict:
    numbers = page.locator(".nlpx-sm-meter strong").evaluate_all(
        "nodes => nodes.map(n => +n.dataset.value)"
    )
    weights = page.locator(".nlpx-sm-weight").evaluate_all(
        "nodes => nodes.map(n => +n.dataset.value)"
    )
    return {"accuracy": numbers[0], "baseline": numbers[1], "weights": weights}


def set_sliders(page, sliders) -> None:
    for slider, value in zip(page.locator(".nlpx-sm-slider input").all(), sliders, strict=True):
        slider.fill(str(value))


@pytest.mark.parametrize("sliders", SETTINGS)
@pytest.mark.parametrize("word", [0, 2])
def test_the_pages_numbers_are_pythons(open_page, senses, word, sliders):
    page = open_page(senses.to_html())
    page.get_by_label(["bank", "apple", "spring"][word], exact=True).check()
    set_sliders(page, sliders)
    found = shown(page)
    total = sum(sliders)
    weights = [s / total for s in sliders] if total else [1 / 3] * 3
    np.testing.assert_allclose(found["weights"], weights)
    assert found["accuracy"] == pytest.approx(senses.accuracy(word, sliders))
    assert found["baseline"] == pytest.approx(majority_baseline(senses.senses(word)))
    for line, position, weight in zip(
        page.locator(".nlpx-sm-slider").all(), sliders, weights, strict=True
    ):
        assert line.locator("output").inner_text() == f"{position:.2f}"
        assert line.locator(".nlpx-sm-weight").inner_text() == f"→ weight {weight:.2f}"
        assert line.locator("input").get_attribute("aria-valuetext") == (
            f"{position:.2f}, weight {weight:.2f}"
        )
    right = round(found["accuracy"] * 40)
    expect(page.locator(".nlpx-sm-accuracy .nlpx-note")).to_have_text(f"{right} of 40")
    assert page.locator(".nlpx-sm-point .nlpx-sm-wrong").count() == 40 - right
    zero = "" if total else "All sliders are at 0, so the weights are equal. "
    said = ", ".join(f"{weight:.2f}" for weight in weights)
    majority = round(found["baseline"] * 40)
    one = senses.words[word]
    sentence = (
        f"{zero}At the weights {said} the nearest centroid names the sense of {right} of 40 "
        f"occurrences of {one['word']}; always saying {one['senses'][0]} gets {majority}."
    )
    if sliders == (1, 0, 0):
        sentence = re.compile(f"^At these weights all 40 .* {right} of 40 come out right; always")
    expect(page.locator(".nlpx-status")).to_have_text(sentence)
    mixture = reference_mixture(senses.vectors(word), sliders)
    centred = mixture - mixture.mean(axis=0)
    plane = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -2:]
    np.testing.assert_allclose(spots(page) @ spots(page).T, plane @ plane.T, atol=1e-5)


def test_the_buttons_set_the_weights(open_page, senses):
    page = open_page(senses.to_html())
    for name, weights in [
        ("layer 0 only", [1, 0, 0]), ("layer 1 only", [0, 1, 0]), ("layer 2 only", [0, 0, 1]),
        ("equal", [1 / 3] * 3),
    ]:  # fmt: skip
        page.get_by_role("button", name=name).click()
        np.testing.assert_allclose(shown(page)["weights"], weights)
        assert shown(page)["accuracy"] == senses.accuracy(0, weights)


def test_one_and_five_layers_have_as_many_sliders(open_page):
    random = np.random.default_rng(0)
    for count in (1, 5):
        items = [
            SenseItem(("x",), 0, sense, random.normal(size=(count, 8)))
            for sense in ["a", "b", "c", "a", "b"]
        ]
        names = [f"layer {k}" for k in range(count)]
        page = open_page(SenseMap(items, layer_names=names, n_dimensions=3).to_html())
        assert page.locator(".nlpx-sm-slider").count() == count
        assert page.locator(".nlpx-sm-presets button").count() == count + 1
        page.locator(".nlpx-sm-presets button").nth(count - 1).click()
        assert shown(page)["weights"] == [0] * (count - 1) + [1]


def test_sliders_by_keyboard_and_by_mouse(open_page, senses):
    page = open_page(senses.to_html())
    slider = page.get_by_label("s1 lower LSTM layer")
    slider.focus()
    page.keyboard.press("Home")
    np.testing.assert_allclose(shown(page)["weights"], [0.5, 0, 0.5])
    page.keyboard.press("ArrowRight")
    np.testing.assert_allclose(shown(page)["weights"], [1 / 2.01, 0.01 / 2.01, 1 / 2.01])
    expect(slider).to_be_focused()
    box = page.get_by_label("s0 characters").bounding_box()
    page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
    np.testing.assert_allclose(shown(page)["weights"], [0, 0.01 / 1.01, 1 / 1.01])


def test_a_moving_slider_does_not_make_the_live_region_talk(open_page, senses):
    page = open_page(senses.to_html())
    page.evaluate("""() => { window.said = []; new MutationObserver(() => said.push(
      document.querySelector(".nlpx-status").textContent)).observe(
      document.querySelector(".nlpx-status"), { childList: true, characterData: true,
      subtree: true }); }""")
    page.get_by_label("s0 characters").focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".nlpx-status")).to_contain_text("At the weights 0.26, 0.37, 0.37")
    assert len(page.evaluate("said")) <= 3
    before = page.evaluate("said.length")
    point(page, 1).focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(600)
    assert page.evaluate("said.length") == before


def test_the_points_are_drawn_where_the_map_has_them(open_page, senses):
    page = open_page(senses.to_html())
    for fit in ("fit the points", "one for all weights"):
        page.get_by_label(fit).check()
        xy, pixels = spots(page), drawn(page)
        size = page.locator(".nlpx-sm-map").evaluate(
            "n => [+n.getAttribute('width'), +n.getAttribute('height')]"
        )
        moved = (pixels - np.array(size) / 2) * [1, -1]
        unit = np.abs(moved).max() / np.abs(xy).max()
        np.testing.assert_allclose(moved, xy * unit, atol=0.03)
        reach = np.hypot(*moved.T).max()
        edge = min(size) / 2 - 20
        assert (reach == pytest.approx(edge, abs=0.1)) == (fit == "fit the points")
        assert reach <= edge + 0.1
    # one scale: more of the layer that has one vector for all only makes the cloud smaller
    before = drawn(page)
    set_sliders(page, (1, 0.25, 0.25))
    after = drawn(page)
    middle = np.array(size) / 2
    ratio = (0.5 / 1.5) / (2 / 3)
    np.testing.assert_allclose(after - middle, (before - middle) * ratio, atol=0.1)
    assert "one for all" in page.locator(".nlpx-choice").last.inner_text()


def test_the_senses_differ_in_colour_and_in_shape(open_page, senses):
    page = open_page(senses.to_html())
    page.get_by_label("spring", exact=True).check()
    seen = page.locator(".nlpx-sm-point").evaluate_all(
        """nodes => nodes.map(n => [n.getAttribute("aria-label").split(":")[0],
          n.querySelector("path").getAttribute("d"),
          getComputedStyle(n.querySelector("path")).stroke])"""
    )
    by_sense = {tuple(one) for one in seen}
    assert len(by_sense) == 3
    for column in range(3):
        assert len({one[column] for one in by_sense}) == 3
    assert [one[0] for one in seen] == senses.senses(2)
    legend = page.locator(".nlpx-sm-legend li").all_inner_texts()
    assert legend[:3] == ["spring/season", "spring/water", "spring/coil"]
    shapes = page.locator(".nlpx-sm-legend li path").evaluate_all(
        "nodes => nodes.map(n => n.getAttribute('d'))"
    )
    assert [{d for s, d, _ in seen if s == name} for name in legend[:3]] == [
        {shape} for shape in shapes[:3]
    ]


def test_hovering_shows_the_sentence_and_the_nearest_neighbours(open_page, senses):
    page = open_page(senses.to_html())
    page.get_by_role("button", name="layer 2 only").click()
    layer = senses.vectors(0)[2]
    details = page.locator(".nlpx-sm-details")
    expect(details).to_contain_text("Point at an occurrence")
    place = 1 + int(np.abs(spots(page)).max(axis=1).argmax())  # one at the edge, under no other
    point(page, place).hover()
    one = of_word("bank")[place - 1]
    text = " ".join(details.inner_text().split())
    assert " ".join(one.words) in text
    assert text.startswith(one.sense)
    expect(details.locator(".nlpx-sm-word").first).to_have_text("bank")
    distances = ((layer - layer[place - 1]) ** 2).sum(-1)
    nearest = [int(j) for j in np.argsort(distances, kind="stable") if j != place - 1][:3]
    buttons = details.locator(".nlpx-sm-neighbour")
    assert [int(b.get_attribute("data-place")) - 1 for b in buttons.all()] == nearest
    for button, j in zip(buttons.all(), nearest, strict=True):
        other = of_word("bank")[j]
        expect(button.locator(".nlpx-sm-sentence")).to_have_text(" ".join(other.words))
        expect(button.locator(".nlpx-sm-hidden")).to_have_text(f"{other.sense}: ")
    lines = page.locator(".nlpx-sm-line").evaluate_all(
        """nodes => nodes.map(n => ["x1", "y1", "x2", "y2"].map(a => +n.getAttribute(a)))"""
    )
    pixels = drawn(page)
    expected = [[*pixels[place - 1], *pixels[j]] for j in nearest]
    np.testing.assert_allclose(lines, expected, atol=0.01)
    assert page.locator(".nlpx-sm-near").count() == 3
    page.mouse.move(5, 5)
    expect(details).to_contain_text("Point at an occurrence")
    assert page.locator(".nlpx-sm-line").count() == 0
    point(page, place).click()
    page.mouse.move(5, 5)
    assert point(page, place).get_attribute("aria-pressed") == "true"
    expect(buttons).to_have_count(3)
    buttons.nth(1).click()  # a neighbour becomes the marked one
    expect(point(page, nearest[1] + 1)).to_be_focused()
    assert point(page, nearest[1] + 1).get_attribute("aria-pressed") == "true"
    box = page.locator(".nlpx-sm-map").bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + 3)  # beside all points
    expect(details).to_contain_text("Point at an occurrence")


def test_arrow_keys_reach_every_point(open_page, senses):
    page = open_page(senses.to_html())
    assert page.locator('.nlpx-sm-point[tabindex="0"]').count() == 1
    page.locator('.nlpx-sm-point[tabindex="0"]').focus()
    xy = spots(page)
    for start, step, axis in [("Home", "ArrowRight", 0), ("End", "ArrowLeft", 0)]:
        page.keyboard.press(start)
        seen = []
        for _ in range(40):
            focused = page.evaluate("+document.activeElement.dataset.place")
            assert page.locator('.nlpx-sm-point[aria-pressed="true"]').evaluate_all(
                "nodes => nodes.map(n => +n.dataset.place)"
            ) == [focused]
            seen.append(focused - 1)
            page.keyboard.press(step)
        order = np.argsort(xy[:, axis], kind="stable")
        assert seen == list(order if step == "ArrowRight" else order[::-1])
        assert page.evaluate("+document.activeElement.dataset.place") - 1 == seen[-1]
    now = page.evaluate("+document.activeElement.dataset.place") - 1
    rank = list(np.argsort(xy[:, 1], kind="stable"))
    page.keyboard.press("ArrowUp")
    above = page.evaluate("+document.activeElement.dataset.place") - 1
    assert above == rank[min(rank.index(now) + 1, 39)]
    page.keyboard.press("Control+ArrowUp")
    assert page.evaluate("+document.activeElement.dataset.place") - 1 == above
    page.keyboard.press("Escape")
    expect(page.locator(".nlpx-sm-details")).to_contain_text("Point at an occurrence")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")  # back in the map, at its one stop
    assert page.evaluate("document.activeElement.matches('.nlpx-sm-point')")


def test_a_resting_pointer_does_not_take_the_mark_from_the_keyboard(open_page, senses):
    page = open_page(senses.to_html())
    point(page, 7).hover(force=True)
    point(page, 3).focus()
    page.keyboard.press("ArrowRight")
    marked = page.evaluate("+document.activeElement.dataset.place")
    words = " ".join(of_word("bank")[marked - 1].words)
    expect(page.locator(".nlpx-sm-details .nlpx-sm-sentence").first).to_have_text(words)


def test_the_same_vector_for_all_is_one_spot_and_the_majority(open_page, senses):
    page = open_page(senses.to_html())
    for index, word in enumerate(["bank", "apple", "spring"]):
        page.get_by_label(word, exact=True).check()
        page.get_by_role("button", name="layer 0 only").click()
        assert len({tuple(row) for row in drawn(page)}) == 1
        badge = page.locator(".nlpx-sm-badge")
        assert badge.count() == 1
        assert badge.get_attribute("data-count") == "40"
        texts = badge.locator("text").all_text_contents()
        names = senses.senses(index)
        most = [f"{names.count(s)} {s}" for s in sorted({*names}, key=names.count, reverse=True)]
        assert texts[:3] == ["40", "all 40 occurrences", "are the same vector"]
        assert sorted(texts[3:]) == sorted(most)
        found = shown(page)
        assert found["accuracy"] == found["baseline"] == majority_baseline(names)
        expect(page.locator(".nlpx-status")).to_have_text(
            re.compile(f"At these weights all 40 occurrences of {word} are the same vector: every "
                       f"distance is a tie, and the tie goes to {word}/")
        )  # fmt: skip
        point(page, 4).focus()
        expect(page.locator(".nlpx-sm-details")).to_contain_text("None: all 40 occurrences are")
        assert page.locator(".nlpx-sm-line").count() == 0
        page.keyboard.press("ArrowRight")  # each is still reached
        assert page.evaluate("+document.activeElement.dataset.place") == 5
        assert "NaN" not in part(page, NAME).evaluate("node => node.outerHTML")
    set_sliders(page, (1, 0.01, 0))  # the least of another layer separates again
    assert page.locator(".nlpx-sm-badge").count() == 0
    assert shown(page)["accuracy"] == senses.accuracy(2, (0, 1, 0))


def test_some_that_coincide_have_their_number(open_page):
    bank = of_word("bank")
    twins = [*bank, bank[0], bank[0], bank[1]._replace(sense="bank/slope")]
    page = open_page(SenseMap(twins).to_html())
    badges = page.locator(".nlpx-sm-badge")
    assert sorted(b.get_attribute("data-count") for b in badges.all()) == ["2", "3"]
    assert page.locator(".nlpx-sm-mixed").get_attribute("data-count") == "2"
    point(page, 1).focus()
    expect(page.locator(".nlpx-sm-details")).to_contain_text("3 occurrences have this vector.")


def test_hostile_text_is_shown_as_it_is_written(open_page):
    hostile = '</script><!--<b>&"'
    items = [
        SenseItem(("<i>", hostile), 1, sense, np.eye(2, 3) * k)
        for k, sense in enumerate(["<u>one", "&amp;two", "<u>one"])
    ]
    layers = ["<img src=x onerror=window.pwned=1>", "&lt;"]
    senses = SenseMap(items, layer_names=layers)
    page = open_page(senses.to_html())
    point(page, 1).focus()
    expect(page.locator(".nlpx-sm-details .nlpx-sm-sentence").first).to_have_text(f"<i> {hostile}")
    assert page.locator(".nlpx-sm-legend li").first.inner_text() == "<u>one"
    assert page.locator(".nlpx-slider label").first.inner_text() == f"s0 {layers[0]}"
    assert part(page, NAME).locator("script, b, i, u, img").count() == 0
    assert page.evaluate("window.pwned") is None
    page = open_page(senses.to_html(), scripts=False)
    assert hostile in page.locator(".nlpx-fallback").inner_text()
    assert page.locator(".nlpx-fallback :is(b, i, u, img)").count() == 0


def test_two_on_a_page_and_with_the_kernel(open_page, senses):
    page = open_page(senses.to_html(), SenseMap(ITEMS, name="other", word="apple").to_html())
    part(page, "other").get_by_role("button", name="layer 0 only").click()
    expect(part(page, "other").locator(".nlpx-status")).to_contain_text("occurrences of apple are")
    assert "occurrences of bank; always" in status(page, NAME)
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))
    page = live(open_page, senses)
    page.get_by_role("button", name="layer 1 only").click()
    page.get_by_label("one for all weights").check()
    point(page, 6).focus()
    values = page.evaluate("['sliders', 'fit', 'marked'].map(k => testModel.values[k])")
    assert values == [[0, 1, 0], False, 6]
    page.get_by_label("spring", exact=True).check()
    assert page.evaluate("[testModel.values.word, testModel.values.marked]") == [2, 0]
    assert page.evaluate("testModel.saved") > 0
    page.evaluate("() => { testModel.set('sliders', [0.5, 0, 0.5]); testModel.set('word', 1); "
                  "testModel.set('marked', 3); testModel.set('fit', true); }")  # fmt: skip
    expect(page.locator(".nlpx-status")).to_contain_text("At the weights 0.50, 0.00, 0.50")
    expect(page.locator(".nlpx-sm-details .nlpx-sm-sentence").first).to_have_text(
        " ".join(of_word("apple")[2].words)
    )
    expect(page.get_by_label("fit the points")).to_be_checked()
    page.evaluate("window.testStop()")
    assert page.evaluate("window.testHandlers()") == 0


def test_the_words_keep_their_maps(open_page, senses):
    page = open_page(senses.to_html())
    first = spots(page)
    page.get_by_label("apple", exact=True).check()
    assert not np.allclose(spots(page), first)
    page.get_by_label("bank", exact=True).check()
    np.testing.assert_allclose(spots(page), first, atol=1e-6)


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_needs_no_sideways_scrolling(open_page, senses, width):
    later = Quiz(name="quiz", questions=QUIZ).to_html()  # brings the shared styles once more
    page = open_page(senses.to_html(), later, width=width)
    row = page.locator(".nlpx-sm-slider").first
    label, bar, value, weight = (
        row.locator(one).bounding_box() for one in ("label", "input", "output", ".nlpx-sm-weight")
    )
    assert label["y"] + label["height"] <= bar["y"] + bar["height"] / 2
    assert bar["x"] + bar["width"] <= value["x"]
    assert value["x"] + value["width"] <= weight["x"]
    for sliders in [(1, 1, 1), (1, 0, 0)]:
        set_sliders(page, sliders)
        point(page, 5).focus()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        outside = page.evaluate(
            """() => { const right = document.querySelector(".nlpx-live .nlpx")
              .getBoundingClientRect().right;
              return [...document.querySelectorAll(".nlpx-live .nlpx *")].filter(node =>
                node.getBoundingClientRect().right > right).map(node => node.outerHTML); }"""
        )
        assert outside == []
    sizes = page.locator(".nlpx-live svg text").evaluate_all(
        "nodes => nodes.map(n => parseFloat(getComputedStyle(n).fontSize))"
    )
    assert min(sizes) >= 11.5
    page.set_viewport_size({"width": 900, "height": 900})
    expect(page.locator(".nlpx-sm-map")).to_have_attribute("width", re.compile("^4"))
    lefts = [page.locator(f".nlpx-sm-{one}").bounding_box()["x"] for one in ("part", "details")]
    assert lefts[1] > lefts[0] + 300


def test_names_focus_and_live_region(open_page, senses):
    page = open_page(senses.to_html())
    assert problems_of_names(page) == []
    assert part(page, NAME).locator('[role=status][aria-live="polite"]').count() == 1
    stops = tab_stops(page)
    kinds = [name.split(".")[0] for name, _ in stops]
    # word, three sliders, four buttons, one point, its three neighbours, scale
    assert kinds[:9] == ["INPUT"] * 4 + ["BUTTON"] * 4 + ["g"]
    assert sorted(kinds[9:]) == ["BUTTON"] * 3 + ["INPUT"]
    assert [stop for stop in stops if stop[1] < 2] == []


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_is_readable_in_every_theme(open_page, senses, theme):
    page = open_page(senses.to_html(), reduced_motion="reduce", **theme_options(theme))
    for sliders in [(1, 1, 1), (0, 1, 0), (1, 0, 0)]:
        set_sliders(page, sliders)
        point(page, 2).focus()
        found = contrasts(page)
        assert len(found) > 30
        assert [entry for entry in found if entry[0] < 4.5] == []
    marks = page.evaluate(MARK_CONTRASTS)
    assert min(marks) >= 3


# the ratio of each sense's colour to the map's ground, both read as painted
MARK_CONTRASTS = """() => {
  const context = document.createElement("canvas").getContext("2d");
  const light = (colour) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.querySelector(".nlpx-sm-map")).backgroundColor);
  return [0, 1, 2, 3, 4, 5].map((k) => {
    const path = document.querySelector(".nlpx-sm-point path");
    const before = path.getAttribute("class");
    path.setAttribute("class", `nlpx-sm-shape nlpx-sm-sense${k}`);
    const [low, high] = [light(getComputedStyle(path).stroke), ground].sort((a, b) => a - b);
    path.setAttribute("class", before);
    return (high + 0.05) / (low + 0.05);
  });
}"""

"""AttentionHeads: its state against the arrays, and the page by mouse and keyboard."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from matplotlib.colors import to_hex
from playwright.sync_api import expect

from nlp_helpers.explorables.attention_heads import AttentionHeads, measured
from nlp_helpers.explorables.base import script_json
from nlp_helpers.plotting import SEQUENTIAL
from tests.book.outputs_contract import text_difference
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.test_browser import DARK, THEMES, live, part, status
from tests.explorables.test_python_side import visible_text

NAME = "attention-heads"
KINDS = ("encoder", "decoder", "cross")
LAYERS, HEADS = 2, 3


def stack(random, n_queries: int, n_keys: int, causal=False, layers=LAYERS, heads=HEADS):
    """Random attention weights [layer, head, query, key]."""
    scores = random.normal(size=(layers, heads, n_queries, n_keys)) * 2
    if causal:
        scores[..., np.triu(np.ones((n_queries, n_keys), dtype=bool), 1)] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def item_of(random, word: str, phonemes: list[str], **size) -> dict:
    source, target = len(word), len(phonemes) + 1
    return {
        "word": word,
        "source": list(word),
        "target": ["start", *phonemes],
        "predicted": [*phonemes, "end"],
        "encoder": stack(random, source, source, **size),
        "decoder": stack(random, target, target, causal=True, **size),
        "cross": stack(random, target, source, **size),
    }


def make_items() -> list[dict]:
    random = np.random.default_rng(4)
    letters = item_of(random, "letters", ["L", "EH", "T", "ER", "Z"])
    letters["encoder"][1, 0, 3] = [0.02, 0.61, 0.02, 0.02, 0.02, 0.30, 0.01]  # the 2nd t
    letters["encoder"][1, 0, 4] = [0.01, 0.01, 0.01, 0.96, 0.01, 0.00, 0.00]  # the 2nd e
    letters["decoder"][0, 1, 2, :3] = [0.70, 0.28, 0.02]  # L, EH read; T comes
    letters["cross"][1, 2, 0] = [0.90, 0.05, 0.01, 0.01, 0.01, 0.01, 0.01]  # start; L comes
    letters["cross"][0, 0] = np.eye(6, 7)  # each query reads the letter at its position
    flat = item_of(random, "undetermined", ["AH"])
    flat["encoder"][:] = 1 / 12
    single = item_of(random, "a", [])  # one letter, nothing predicted but the end
    return [letters, flat, item_of(random, "through", ["TH", "R", "UW"]), single]


ITEMS = make_items()
SIDES = {
    "encoder": ("source", "source"),
    "decoder": ("target", "target"),
    "cross": ("target", "source"),
}


@pytest.fixture
def heads() -> AttentionHeads:
    return AttentionHeads(items=ITEMS)


def shown(item: dict, kind: str, layer: int, head: int) -> np.ndarray:
    """The weights as the page has them: two decimals, or the mean of such numbers."""
    if head == HEADS:
        return np.mean([shown(item, kind, layer, one) for one in range(HEADS)], axis=0)
    return np.vectorize(lambda weight: float(f"{weight:.2f}"))(item[kind][layer, head])


def realistic(count: int) -> list[dict]:
    """Items of usual lengths (means 9 and 8), 3 layers of 4 heads."""
    random = np.random.default_rng(2)
    items = []
    for k in range(count):
        source, target = 6 + k % 7, 5 + (3 * k) % 7
        word = f"{k:03d}".translate(str.maketrans("0123456789", "abcdefghij")) + "x" * (source - 3)
        phonemes = [str(p) for p in random.choice(["AH", "K", "T", "IY", "S"], target - 1)]
        items.append(item_of(random, word, phonemes, layers=3, heads=4))
    return items


def entropy_bits(weights: np.ndarray) -> float:
    """The mean entropy of the rows, by torch, from nats."""
    rows = torch.tensor(weights / weights.sum(axis=1, keepdims=True))
    return float(torch.special.entr(rows).sum(-1).mean() / np.log(2))


def summary(weights: np.ndarray, kind: str, where: str) -> str:
    """The sentence that the page must say of a head; written apart from the page's code."""
    queries, keys = weights.shape
    own = np.mean([weights[i, i] for i in range(min(queries, keys))])
    before = [weights[i, i - 1] for i in range(1, queries) if i - 1 < keys]
    after = [weights[i, i + 1] for i in range(queries) if i + 1 < keys]
    most = np.log2(np.arange(1, queries + 1)).mean() if kind == "decoder" else np.log2(keys)
    what = "the letter at its own position" if kind == "cross" else "its own position"
    text = f"{where}: on average a query puts {own:.2f} of its weight on {what}"
    if kind == "decoder":
        if before:
            text += f" and, from position 2 on, {np.mean(before):.2f} on the one before"
            text += f" and {np.mean(weights[1:, 0]):.2f} on start"
    elif before and after:
        text += f", {np.mean(before):.2f} on the one before and {np.mean(after):.2f} on the one"
        text += " after, where there is one"
    return f"{text}; the mean entropy is {entropy_bits(weights):.1f} bits, of at most {most:.1f}."


# ---- the Python side ----


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_kept_to_half_a_hundredth(kind):
    items = realistic(5)
    heads = AttentionHeads(items=items)
    heads.kind = kind
    assert (heads.n_layers, heads.n_heads) == (3, 4)
    for k, item in enumerate(items):
        heads.word = k
        for key in ("word", "source", "target", "predicted"):
            assert heads.page_state()["items"][k][key] == item[key]
        for layer, head in np.ndindex(3, 4):
            found = heads.weights(layer, head)
            assert found.shape == item[kind][layer, head].shape
            np.testing.assert_allclose(found, item[kind][layer, head], rtol=0, atol=0.005 + 1e-12)
        mean = np.mean([heads.weights(1, head) for head in range(4)], axis=0)
        np.testing.assert_array_equal(heads.weights(1, 4), mean)
        if kind == "decoder":
            assert (np.triu(found, 1) == 0).all()


def test_twenty_words_fit_and_too_many_are_refused():
    items = realistic(21)
    lengths = [(len(item["source"]), len(item["target"])) for item in items]
    assert np.mean(lengths, axis=0).tolist() == [9.0, 8.0]
    size = len(script_json(AttentionHeads(items=items[:20]).page_state()))
    assert 180_000 < size < 200_000
    one = item_of(np.random.default_rng(0), "telephone", ["T"] * 7, layers=3, heads=4)
    nine = len(script_json(AttentionHeads(items=[one]).page_state()["items"]))
    assert 9_200 < nine < 9_400  # as the docstring says
    with pytest.raises(ValueError, match=r"takes \d{3},\d{3} bytes.*200,000"):
        AttentionHeads(items=realistic(24))


def test_arrays_lists_and_tensors_give_the_same_state(heads):
    def converted(convert):
        return [item | {kind: convert(item[kind]) for kind in KINDS} for item in ITEMS]

    for convert in (np.ndarray.tolist, torch.tensor, np.float32):
        assert AttentionHeads(items=converted(convert)).page_state() == heads.page_state()
    trained = converted(lambda weights: torch.tensor(weights, requires_grad=True))
    assert AttentionHeads(items=trained).page_state() == heads.page_state()


def test_another_processor_may_round_a_last_digit_differently():
    def page(seed, error):
        random = np.random.default_rng(seed)
        items = realistic(12)
        for item in items:
            for kind in KINDS:
                weights = item[kind] * (1 + error * random.uniform(-1, 1, item[kind].shape))
                item[kind] = weights / weights.sum(axis=-1, keepdims=True)
        return AttentionHeads(items=items).to_html()

    assert page(0, 9e-4) != page(0, 0)
    assert text_difference(page(0, 0), page(0, 9e-4)) is None
    other = [ITEMS[0] | {"cross": np.roll(ITEMS[0]["cross"], 1, axis=1)}, *ITEMS[1:]]
    assert text_difference(
        AttentionHeads(items=ITEMS).to_html(), AttentionHeads(items=other).to_html()
    )


def test_the_state_is_the_traits_and_the_page_is_the_same_every_time(heads):
    assert AttentionHeads(items=ITEMS).to_html() == heads.to_html()
    assert repr(heads) == "AttentionHeads('attention-heads')"
    assert set(heads.page_state()) == {
        "name", "items", "scale", "word", "kind", "layer", "head", "side", "place",
    }  # fmt: skip
    assert not re.search(r"://|@import|\burl\(|\bsrc=|\bhref=", heads.to_html())
    assert AttentionHeads(items=ITEMS, word="through").word == 2


def spoil(**changes):
    return [ITEMS[0], ITEMS[2] | changes]


def changed(kind: str, at: tuple[int, ...], value: float | list[float]) -> list[dict]:
    weights = ITEMS[2][kind].copy()
    weights[at] = value
    return spoil(**{kind: weights})


def more_layers() -> list[dict]:
    more = {kind: np.concatenate([ITEMS[2][kind]] * 2) for kind in KINDS}
    return spoil(**more)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"items": []}, ValueError, "items must not be empty"),
        ({"items": {"word": "a"}}, TypeError, "list of mappings, got dict"),
        ({"items": [3]}, TypeError, r"items\[0\] must be a mapping, got int"),
        ({"items": [{"word": "a"}]}, ValueError, r"items\[0\] must have the keys word, source"),
        ({"items": spoil(stress=1)}, ValueError, r"items\[1\] must have the keys"),
        ({"items": [ITEMS[0], ITEMS[0]]}, ValueError, r"once, got again: \['letters'\]"),
        ({"items": spoil(word="")}, ValueError, r"items\[1\]\['word'\] must not be blank"),
        ({"items": spoil(word="a\nb")}, ValueError, "visible letters"),
        ({"items": spoil(word="a" * 41)}, ValueError, "1 to 40 visible letters"),
        ({"items": spoil(word=5)}, TypeError, r"items\[1\]\['word'\] must be a string"),
        ({"items": spoil(source="through")}, TypeError, r"\['source'\] must be a list.*got str"),
        ({"items": spoil(source=[])}, ValueError, "1 to 40, got 0"),
        ({"items": spoil(source=["t"] * 41)}, ValueError, "1 to 40, got 41"),
        ({"items": spoil(target=["start", 3])}, TypeError, r"\['target'\]\[1\]"),
        (
            {"items": spoil(target=["TH", "R", "UW", "end"])},
            ValueError,
            r"\['target'\] must be shifted right: first 'start', got \['TH', 'R', 'UW', 'end'\]",
        ),
        (
            {"items": spoil(predicted=["start", "TH", "R", "UW"])},
            ValueError,
            r"\['predicted'\] must end in 'end', got \['start'",
        ),
        (
            {"items": spoil(predicted=["TH", "R", "end"])},
            ValueError,
            r"items\[1\] must predict one token at each of the 4 target positions, got 3",
        ),
        (
            {"items": spoil(cross=ITEMS[2]["cross"].swapaxes(2, 3))},
            ValueError,
            r"items\[1\]\['cross'\] must have shape \[2, 3, 4, 7\], got \[2, 3, 7, 4\]",
        ),
        (
            {"items": spoil(encoder=ITEMS[2]["encoder"][0])},
            ValueError,
            r"\['encoder'\] must have shape \[any, any, 7, 7\], got \[3, 7, 7\]",
        ),
        (
            {"items": spoil(decoder=ITEMS[2]["decoder"][:1])},
            ValueError,
            r"\['decoder'\] must have shape \[2, 3, 4, 4\], got \[1, 3, 4, 4\]",
        ),
        ({"items": more_layers()}, ValueError, r"items\[0\] has \[2, 3\], items\[1\] has \[4, 3\]"),
        ({"items": spoil(cross=np.full((2, 3, 4, 7), "a"))}, TypeError, "real numbers"),
        ({"items": changed("cross", (0, 0, 0, 0), np.nan)}, ValueError, "must be finite"),
        (
            {"items": changed("cross", (1, 2, 3), 0.5)},
            ValueError,
            r"\['cross'\]: each row must sum to 1, row 3 of layer 1, head 2 sums to 3.5",
        ),
        (
            {"items": changed("encoder", (0, 1, 2), [1.5, -0.5, 0, 0, 0, 0, 0])},
            ValueError,
            r"\['encoder'\] must not be negative, got -0.5",
        ),
        (
            {"items": changed("decoder", (1, 2, 1), [0.4, 0.3, 0.3, 0])},
            ValueError,
            r"\['decoder'\] must not look ahead: in layer 1, head 2 position 1 has a weight of 0.3 "
            "on the later position 2",
        ),
        ({"word": "tough"}, ValueError, "one of the 4 items' words, got 'tough'"),
        ({"name": "a b"}, ValueError, "name must be"),
    ],
)
def test_bad_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        AttentionHeads(**({"items": ITEMS} | arguments))


@pytest.mark.parametrize(
    ("trait", "value"),
    [("word", 4), ("kind", "self"), ("layer", 2), ("layer", -1), ("head", 4), ("side", "left"),
     ("place", -1), ("place", 40)],
)  # fmt: skip
def test_bad_changes_are_refused(heads, trait, value):
    with pytest.raises(ValueError, match=trait):
        setattr(heads, trait, value)


def test_known_heads_measure_as_they_should():
    before = np.eye(5, k=-1)
    before[0, 0] = 1
    assert measured(before, "encoder") == {"own": 0.2, "before": 1, "after": 0, "entropy": 0}
    found = measured(np.tril(np.ones((4, 4))) / np.arange(1, 5)[:, None], "decoder")
    assert found["own"] == pytest.approx(np.mean([1, 1 / 2, 1 / 3, 1 / 4]))
    assert found["before"] == found["start"] == pytest.approx(np.mean([1 / 2, 1 / 3, 1 / 4]))
    assert found["entropy"] == pytest.approx(np.log2([1, 2, 3, 4]).mean())
    assert measured(np.full((3, 8), 1 / 8), "cross")["entropy"] == pytest.approx(3)
    assert measured(np.ones((1, 1)), "encoder") == {
        "own": 1, "before": None, "after": None, "entropy": 0,
    }  # fmt: skip


def test_without_scripts_it_is_three_tables(heads, open_page):
    text = visible_text(heads.to_html())
    assert "letters, encoder, layer 1, head 1: attention weights, one row per query" in text
    row = " ".join(f"{w:.2f}" for w in shown(ITEMS[0], "encoder", 0, 0)[0])
    assert f"l e t t e r s l {row} e " in text
    assert "own before after entropy layer 1, head 1 " in text
    weights = shown(ITEMS[0], "encoder", 1, 2)
    own, bits = np.diagonal(weights).mean(), entropy_bits(weights)
    assert re.search(rf"layer 2, head 3 {own:.2f} \S+ \S+ {bits:.1f} The 4 words", text)
    assert "letters L EH T ER Z end undetermined AH end" in text
    page = open_page(heads.to_html(), scripts=False, width=360)
    expect(page.get_by_text("layer 1, head 1: attention weights")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    heads.kind, heads.head = "decoder", 3
    text = visible_text(heads.to_html())
    assert "letters, decoder, layer 1, mean of the heads: attention weights" in text
    assert "start L EH T ER Z start → L 1.00 L → EH " in text
    assert "the one before and start, and mean entropy in bits own before start entropy" in text
    heads.word, heads.kind = 3, "encoder"
    assert "layer 1, head 1 1.00 none none 0.0" in visible_text(heads.to_html())


# ---- the page ----


def tile(page, side: str, place: int):
    return page.locator(f'g[data-side="{side}"][data-place="{place}"]')


def head_button(page, layer: int, head: int):
    return page.locator(f'button[data-layer="{layer}"][data-head="{head}"]')


def rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[k : k + 2], 16) for k in (1, 3, 5)))


def expected_colour(weight: float) -> str:
    return rgb(to_hex(colormaps[SEQUENTIAL](np.floor(weight * 40 + 0.5) / 40)))


def fills(page, side: str) -> list[str]:
    return page.locator(f'g[data-side="{side}"] rect').evaluate_all(
        "nodes => nodes.map(n => getComputedStyle(n).fill)"
    )


def choose(page, kind: str) -> None:
    page.locator(f'input[type=radio][value="{kind}"]').check(force=True)


def open_cells(weights: np.ndarray, kind: str) -> list[float]:
    """What is not masked, row by row."""
    keep = np.tril(np.ones(weights.shape, dtype=bool), 0 if kind == "decoder" else 99)
    return weights[keep].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_every_head_shows_its_weights_colours_and_summary(open_page, heads, kind):
    page = open_page(heads.to_html(), width=900)
    choose(page, kind)
    for layer, head in np.ndindex(LAYERS, HEADS + 1):
        head_button(page, layer, head).click()
        weights = shown(ITEMS[0], kind, layer, head)
        expected = open_cells(weights, kind)
        cells = page.locator(".nlpx-heads-table tbody td[data-value]").evaluate_all(
            "nodes => nodes.map(n => [+n.dataset.value, getComputedStyle(n).backgroundColor])"
        )
        np.testing.assert_allclose([value for value, _ in cells], expected, rtol=0, atol=6e-5)
        assert page.locator(".nlpx-heads-masked").count() == weights.size - len(expected)
        if head < HEADS:
            assert [colour for _, colour in cells] == [expected_colour(w) for w in expected]
        which = f"head {head + 1}" if head < HEADS else "averaged over the heads"
        where = f"Layer {layer + 1}, {which}"
        assert status(page, NAME) == summary(weights, kind, where)
        assert page.locator(".nlpx-heads-heading").inner_text().startswith(f"{where}: ")
    queries, keys = SIDES[kind]
    assert page.locator(".nlpx-heads-table thead th").all_inner_texts() == ITEMS[0][keys]
    names = page.locator(".nlpx-heads-table tbody th").all_inner_texts()
    assert [name.split(" → ")[0] for name in names] == ITEMS[0][queries]
    if kind != "encoder":
        assert [name.split(" → ")[1] for name in names] == ITEMS[0]["predicted"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_overview_has_a_map_of_every_head(open_page, heads, kind):
    page = open_page(heads.to_html())
    choose(page, kind)
    for layer, head in np.ndindex(LAYERS, HEADS):
        button = head_button(page, layer, head)
        expect(button).to_have_accessible_name(f"layer {layer + 1}, head {head + 1}")
        found = button.locator("rect").evaluate_all(
            "nodes => nodes.map(n => [+n.getAttribute('y'), +n.getAttribute('x'), n.style.fill])"
        )
        weights = shown(ITEMS[0], kind, layer, head)
        assert [colour for *_, colour in found] == [
            expected_colour(w) for w in open_cells(weights, kind)
        ]
        assert all(weights[i, j] >= 0 and (kind != "decoder" or j <= i) for i, j, _ in found)
    assert page.locator(".nlpx-heads-button").count() == LAYERS * (HEADS + 1)
    expect(head_button(page, 1, 3)).to_have_accessible_name("layer 2, mean of the heads")
    assert page.locator('.nlpx-heads-button[aria-pressed="true"]').count() == 1


def test_a_model_with_one_head_has_no_mean(open_page):
    one = {kind: ITEMS[2][kind][:, :1] for kind in KINDS}
    page = open_page(AttentionHeads(items=[ITEMS[2] | one]).to_html())
    assert page.locator(".nlpx-heads-button").count() == LAYERS
    assert "mean" not in page.locator(".nlpx-heads-overview").inner_text()


@pytest.mark.parametrize("word", ["undetermined", "through", "a"])
def test_other_words_are_summarised_too(open_page, word):
    page = open_page(AttentionHeads(items=ITEMS, word=word).to_html())
    item = next(item for item in ITEMS if item["word"] == word)
    for kind in KINDS:
        choose(page, kind)
        weights = shown(item, kind, 0, 0)
        expected = summary(weights, kind, "Layer 1, head 1")
        if word == "a" and kind == "encoder":
            assert expected.endswith("1.00 of its weight on its own position; the mean entropy is "
                                     "0.0 bits, of at most 0.0.")  # fmt: skip
        assert status(page, NAME) == expected


def test_a_word_is_chosen_from_the_list(open_page, heads):
    page = open_page(heads.to_html())
    words = page.get_by_label("Word")
    assert words.locator("option").all_inner_texts() == [item["word"] for item in ITEMS]
    expect(page.locator(".nlpx-heads-spelling")).to_have_text("→ L EH T ER Z")
    tile(page, "key", 7).click()
    words.select_option(label="through")
    expect(page.locator(".nlpx-heads-spelling")).to_have_text("→ TH R UW")
    assert page.locator('g[data-side="query"]').count() == 7
    assert page.locator('g[data-side][aria-pressed="true"]').count() == 0  # the mark has gone
    assert status(page, NAME).startswith("Layer 1, head 1: ")
    words.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator('g[data-side="query"]')).to_have_count(1)


def test_a_query_marks_its_keys_by_weight(open_page, heads):
    page = open_page(heads.to_html())
    head_button(page, 1, 0).click()
    before, said = fills(page, "key"), status(page, NAME)
    tile(page, "query", 4).hover()
    assert status(page, NAME) == (
        "In layer 2, head 1, the query at the 2nd t (position 4) reads the 1st e 0.61 and r 0.30; "
        "0.09 is spread over the others."
    )
    weights = shown(ITEMS[0], "encoder", 1, 0)
    assert fills(page, "key") == [expected_colour(w) for w in weights[3]]
    numbers = page.locator('[data-weight-of="key"]').all_text_contents()
    assert numbers == [".02", ".61", ".02", ".02", ".02", ".30", ".01"]
    assert page.locator('[data-weight-of="query"]').all_text_contents() == [""] * 7
    expect(tile(page, "key", 2)).to_have_attribute("aria-label", "key e, 2 of 7, weight 0.61")
    lines = page.locator(".nlpx-heads-line").evaluate_all(
        "nodes => nodes.map(n => [+n.style.strokeOpacity, +n.getAttribute('stroke-width')])"
    )
    opacity, thickness = np.array(lines).reshape(7, 7, 2).transpose(2, 0, 1)
    assert (np.delete(opacity, 3, axis=0) == 0).all()
    np.testing.assert_allclose(opacity[3], 0.1 + 0.9 * weights[3], atol=0.006)
    np.testing.assert_allclose(thickness, 0.6 + 7 * weights, atol=0.006)
    assert page.locator(".nlpx-heads-in-row").count() == 7
    page.locator(".nlpx-title").last.hover()
    assert status(page, NAME) == said
    assert fills(page, "key") == before
    assert page.locator(".nlpx-heads-in-row").count() == 0
    opacity = page.locator(".nlpx-heads-line").evaluate_all(
        "nodes => nodes.map(n => +n.style.strokeOpacity)"
    )
    np.testing.assert_allclose(np.reshape(opacity, (7, 7)), weights, atol=0.006)


def test_lines_join_the_tiles_they_belong_to(open_page, heads):
    page = open_page(heads.to_html())
    choose(page, "cross")
    ends = page.locator(".nlpx-heads-line").evaluate_all(
        "nodes => nodes.map(n => ['y1', 'y2'].map(name => +n.getAttribute(name)))"
    )
    middles = {
        side: page.locator(f'g[data-side="{side}"] rect').evaluate_all(
            "nodes => nodes.map(n => +n.getAttribute('y') + n.getAttribute('height') / 2)"
        )
        for side in ("query", "key")
    }
    assert ends == [[query, key] for query in middles["query"] for key in middles["key"]]


def test_a_key_marks_the_queries_that_read_it(open_page, heads):
    page = open_page(heads.to_html())
    choose(page, "decoder")
    head_button(page, 0, 1).click()
    tile(page, "key", 2).hover()
    down = shown(ITEMS[0], "decoder", 0, 1)[1:, 1]  # the first query may not read it
    order = [k for k in np.argsort(-down, kind="stable") if down[k] >= 0.1]
    tokens = ITEMS[0]["target"][1:]
    named = [f"{tokens[k]} {down[k]:.2f}" for k in order]
    reads = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
    assert status(page, NAME) == (
        f"In layer 1, head 2, the key at L (position 2) is read by {reads}; its weights from all "
        f"queries sum to {down.sum():.2f}."
    )
    numbers = page.locator('[data-weight-of="query"]').all_text_contents()
    assert numbers == ["", *(f"{w:.2f}".removeprefix("0") for w in down)]
    assert fills(page, "query")[1:] == [expected_colour(w) for w in down]
    assert page.locator(".nlpx-heads-in-column").count() == 5
    expect(tile(page, "query", 1)).to_have_attribute(
        "aria-label", "query start, predicts L, 1 of 6"
    )


@pytest.mark.parametrize(
    ("word", "kind", "layer", "head", "side", "place", "words"),
    [
        ("letters", "encoder", 1, 0, "query", 5, "In layer 2, head 1, the query at the 2nd e "
         "(position 5) reads the 2nd t 0.96; 0.04 is spread over the others."),
        ("letters", "decoder", 0, 1, "query", 3, "In layer 1, head 2, the query at EH (position "
         "3), where start, L and EH have been read and T will be written, reads start 0.70 and L "
         "0.28."),
        ("letters", "decoder", 1, 0, "query", 1, "In layer 2, head 1, the query at start "
         "(position 1), where start has been read and L will be written, reads start 1.00."),
        ("letters", "cross", 1, 2, "query", 1, "In layer 2, head 3, the query at start (position "
         "1), where start has been read and L will be written, reads l 0.90; 0.10 is spread over "
         "the others."),
        ("letters", "cross", 0, 0, "key", 3, "In layer 1, head 1, the key at the 1st t (position "
         "3) is read by EH 1.00; its weights from all queries sum to 1.00."),
        ("letters", "cross", 0, 0, "key", 7, "In layer 1, head 1, no query gives the key at s "
         "(position 7) a weight of 0.10 or more: the largest is 0.00, from start."),
        ("undetermined", "encoder", 0, 3, "query", 1, "In layer 1, averaged over the heads, the "
         "query at u (position 1) reads no key in particular: the largest weight is 0.08, on u."),
        ("undetermined", "encoder", 1, 1, "key", 4, "In layer 2, head 2, no query gives the key at "
         "the 1st e (position 4) a weight of 0.10 or more: the largest is 0.08, from u."),
    ],
)  # fmt: skip
def test_what_is_marked_is_said_in_words(open_page, word, kind, layer, head, side, place, words):
    explorable = AttentionHeads(items=ITEMS, word=word)
    explorable.kind, explorable.layer, explorable.head = kind, layer, head
    page = open_page(explorable.to_html())
    tile(page, side, place).click()
    assert status(page, NAME) == words


def test_arrow_keys_go_through_the_tiles_and_keep_the_focus(open_page, heads):
    page = open_page(heads.to_html())
    choose(page, "cross")
    tile(page, "query", 1).focus()
    assert "the query at start (position 1)" in status(page, NAME)
    for key, side, place in [
        ("ArrowDown", "query", 2), ("ArrowDown", "query", 3), ("ArrowUp", "query", 2),
        ("ArrowLeft", "query", 2), ("ArrowRight", "key", 2), ("ArrowRight", "key", 2),
        ("ArrowDown", "key", 3), ("ArrowDown", "key", 4), ("ArrowLeft", "query", 4),
        ("ArrowUp", "query", 3), ("ArrowUp", "query", 2), ("ArrowUp", "query", 1),
        ("ArrowUp", "query", 1),
    ]:  # fmt: skip
        page.keyboard.press(key)
        expect(tile(page, side, place)).to_be_focused()
        expect(tile(page, side, place)).to_have_attribute("aria-pressed", "true")
        assert page.locator('g[data-side][aria-pressed="true"]').count() == 1
        assert page.locator('g[data-side][tabindex="0"]').count() == 1
        assert f"the {side} at " in status(page, NAME)
        assert f"(position {place})" in status(page, NAME)
    page.keyboard.press("Escape")
    assert status(page, NAME).startswith("Layer 1, head 1: ")
    expect(tile(page, "query", 1)).to_be_focused()
    page.keyboard.press("Enter")
    assert "the query at start (position 1)" in status(page, NAME)


def test_arrow_keys_move_within_the_grid_of_heads(open_page, heads):
    page = open_page(heads.to_html())
    head_button(page, 0, 0).focus()
    for key, layer, head in [
        ("ArrowRight", 0, 1), ("ArrowDown", 1, 1), ("ArrowDown", 1, 1), ("ArrowRight", 1, 2),
        ("ArrowRight", 1, 3), ("ArrowRight", 1, 3), ("ArrowUp", 0, 3), ("ArrowLeft", 0, 2),
    ]:  # fmt: skip
        page.keyboard.press(key)
        button = head_button(page, layer, head)
        expect(button).to_be_focused()
        expect(button).to_have_attribute("aria-pressed", "true")
        assert page.locator('.nlpx-heads-button[aria-pressed="true"]').count() == 1
        assert page.locator('.nlpx-heads-button[tabindex="0"]').count() == 1
        assert status(page, NAME).startswith(f"Layer {layer + 1}, ")
    shadow = head_button(page, 0, 2).evaluate("node => getComputedStyle(node).boxShadow")
    assert "2px" in shadow  # the chosen one is framed
    assert head_button(page, 1, 1).evaluate("n => getComputedStyle(n).boxShadow") == "none"


def test_a_mark_stays_from_head_to_head_and_goes_with_the_kind(open_page, heads):
    page = open_page(heads.to_html())
    tile(page, "query", 4).click()
    head_button(page, 1, 0).click()
    assert "the query at the 2nd t (position 4) reads the 1st e 0.61" in status(page, NAME)
    page.keyboard.press("Escape")  # the focus is on the head's button
    assert status(page, NAME).startswith("Layer 2, head 1: on average")
    tile(page, "query", 4).click()
    choose(page, "decoder")
    assert status(page, NAME).startswith("Layer 2, head 1: on average")
    assert page.locator('g[data-side][aria-pressed="true"]').count() == 0


def test_escape_takes_the_mark_away_from_anywhere(open_page, heads):
    page = open_page(heads.to_html())
    for place in [page.get_by_label("Word"), page.get_by_label("cross: phonemes to letters"),
                  head_button(page, 0, 0), page.get_by_role("region")]:  # fmt: skip
        tile(page, "key", 2).click()
        assert "the key at" in status(page, NAME)
        place.focus()
        page.keyboard.press("Escape")
        assert status(page, NAME).startswith("Layer 1, head 1: ")
        assert page.locator(".nlpx-heads-marked").count() == 0


def test_a_resting_pointer_does_not_take_the_mark_from_the_keyboard(open_page, heads):
    page = open_page(heads.to_html())
    tile(page, "query", 1).click()
    resting = {"clientX": 300, "clientY": 300, "bubbles": True}
    tile(page, "query", 1).dispatch_event("pointermove", resting)
    page.keyboard.press("ArrowDown")
    # some browsers report a move of the pointer when it is the page that has moved
    tile(page, "key", 2).dispatch_event("pointermove", resting)
    assert "the query at the 1st e (position 2)" in status(page, NAME)
    tile(page, "key", 1).hover()
    assert "the key at l (position 1)" in status(page, NAME)
    page.locator(".nlpx-title").last.hover()
    assert "the query at the 1st e (position 2)" in status(page, NAME)


def test_a_click_beside_the_tiles_takes_the_mark_away(open_page, heads):
    page = open_page(heads.to_html())
    tile(page, "key", 1).click()
    page.locator(".nlpx-heads-columns").click(position={"x": 4, "y": 5})
    assert status(page, NAME).startswith("Layer 1, head 1: ")


def test_the_table_marks_too(open_page, heads):
    page = open_page(heads.to_html())
    head_button(page, 1, 0).click()
    page.locator(".nlpx-heads-table tbody tr").nth(3).locator("td").nth(5).hover()
    assert "the query at the 2nd t (position 4) reads the 1st e 0.61" in status(page, NAME)
    page.locator(".nlpx-heads-table thead th").nth(6).click()
    page.locator(".nlpx-title").last.hover()
    assert "the key at s (position 7)" in status(page, NAME)
    choose(page, "decoder")
    page.locator(".nlpx-heads-masked").first.click()  # nothing is there to be marked
    assert status(page, NAME).startswith("Layer 2, head 1: on average")


def test_hostile_text_is_shown_as_it_is_written(open_page):
    hostile = '</script><!--<b>&"'
    item = item_of(np.random.default_rng(1), "abc", ["<i>", "&amp;"])
    item |= {"word": hostile, "source": ["<u>", hostile, "'"]}
    page = open_page(AttentionHeads(items=[item]).to_html())
    assert page.locator("option").all_inner_texts() == [hostile]
    expect(page.locator(".nlpx-heads-spelling")).to_have_text("→ <i> &amp;")
    tile(page, "query", 1).click()
    assert "the query at <u> (position 1)" in status(page, NAME)
    assert part(page, NAME).locator("script, b, i, u, img").count() == 0


def test_two_on_a_page(open_page, heads):
    page = open_page(heads.to_html(), AttentionHeads("other", items=ITEMS).to_html())
    part(page, "other").get_by_role("button", name="layer 2, head 2").click()
    assert status(page, NAME).startswith("Layer 1, head 1")
    assert status(page, "other").startswith("Layer 2, head 2")
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))


def test_live_the_reader_and_the_kernel_change_the_same_state(open_page, heads):
    page = live(open_page, heads)
    tile(page, "query", 4).click()
    assert page.evaluate("[testModel.values.side, testModel.values.place]") == ["query", 3]
    head_button(page, 1, 2).click()
    assert page.evaluate("[testModel.values.layer, testModel.values.head]") == [1, 2]
    assert page.evaluate("testModel.saved") >= 2
    page.evaluate("() => { testModel.set('layer', 1); testModel.set('head', 0); }")
    said = page.locator(".nlpx-status")
    expect(said).to_have_text(re.compile("^In layer 2, head 1, the query at the 2nd t .* 0.61 and"))
    expect(head_button(page, 1, 0)).to_have_attribute("aria-pressed", "true")
    page.evaluate("() => testModel.set('word', 3)")  # one letter only: the mark moves to it
    expect(said).to_have_text(re.compile("the query at a .position 1. reads a 1.00"))
    expect(page.get_by_label("Word")).to_have_value("3")
    page.evaluate("() => { testModel.set('side', ''); testModel.set('kind', 'cross'); }")
    expect(page.get_by_label("cross: phonemes to letters")).to_be_checked()
    expect(said).to_have_text(summary(shown(ITEMS[3], "cross", 1, 0), "cross", "Layer 2, head 1"))
    page.evaluate("() => testModel.set('word', 0)")  # the focus returns and marks nothing
    expect(said).to_have_text(summary(shown(ITEMS[0], "cross", 1, 0), "cross", "Layer 2, head 1"))
    assert page.evaluate("testModel.values.side") == ""
    page.evaluate("window.testStop()")
    assert page.evaluate("window.testHandlers()") == 0


def test_the_kernel_may_change_the_word_under_a_focused_tile(open_page, heads):
    page = live(open_page, heads)
    tile(page, "key", 2).focus()
    page.keyboard.press("Escape")
    page.evaluate("() => testModel.set('word', 2)")
    expect(page.locator(".nlpx-heads-spelling")).to_have_text("→ TH R UW")
    expect(tile(page, "query", 1)).to_be_focused()
    assert status(page, NAME).startswith("Layer 1, head 1: on average")


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_scrolls_inside_the_figure_only(open_page, width):
    random = np.random.default_rng(5)
    long = item_of(random, "incomprehensibly", ["AH", "NG"] * 8, layers=3, heads=4)
    usual = item_of(random, "letters", ["L", "EH", "T", "ER", "Z"], layers=3, heads=4)
    page = open_page(AttentionHeads(items=[usual, long]).to_html(), width=width)
    for word in (0, 1):
        page.get_by_label("Word").select_option(str(word))
        for kind in KINDS:
            choose(page, kind)
            tile(page, "query", 2).click()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            picture = page.locator(".nlpx-heads-columns").locator("..")
            assert picture.evaluate("node => node.scrollWidth <= node.clientWidth")
            overview = page.locator(".nlpx-heads-overview").locator("..")
            assert overview.evaluate("node => node.scrollWidth <= node.clientWidth")
            sizes = page.locator(".nlpx-live svg text, .nlpx-live :is(td, th)").evaluate_all(
                "nodes => nodes.map(n => parseFloat(getComputedStyle(n).fontSize))"
            )
            assert min(sizes) >= 11.5
    page.set_viewport_size({"width": 900, "height": 900})
    expect(page.locator(".nlpx-heads-columns")).not_to_have_class(re.compile("tight"))
    assert "the query at the 1st AH (position 2)" in status(page, NAME)


def test_in_the_books_column_a_usual_word_needs_no_scrolling(open_page):
    usual = item_of(np.random.default_rng(5), "telephone", ["T"] * 7, layers=3, heads=4)
    page = open_page(AttentionHeads(items=[usual]).to_html(), width=700)
    for kind in KINDS:
        choose(page, kind)
        for figure in page.locator(".nlpx-live .nlpx-scroll").all():
            assert figure.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_no_text_runs_over_another_or_out_of_its_tile(open_page, heads):
    for width in (320, 900):
        page = open_page(heads.to_html(), width=width)
        choose(page, "cross")
        tile(page, "key", 1).click()
        outside = page.locator(".nlpx-heads-tile").evaluate_all(
            """nodes => nodes.filter(node => {
              const box = node.querySelector("rect").getBoundingClientRect();
              const text = node.querySelector("text").getBoundingClientRect();
              return text.left < box.left + 2 || text.right > box.right - 2;
            }).length"""
        )
        assert outside == 0
        gaps = page.locator(".nlpx-heads-query text").evaluate_all(
            """nodes => nodes.map(node => {
              const [token, next] = node.querySelectorAll("tspan");
              return next.getBoundingClientRect().left - token.getBoundingClientRect().right;
            })"""
        )
        assert min(gaps) > 3
        cut = page.locator(".nlpx-heads-columns text").evaluate_all(
            """nodes => nodes.filter(node => {
              const svg = node.ownerSVGElement.getBoundingClientRect();
              const box = node.getBoundingClientRect();
              return box.width && (box.left < svg.left || box.right > svg.right);
            }).length"""
        )
        assert cut == 0


def test_names_focus_and_live_region(open_page, heads):
    page = open_page(heads.to_html())
    assert problems_of_names(page) == []
    assert part(page, NAME).locator('[role=status][aria-live="polite"]').count() == 1
    stops = tab_stops(page)
    assert [name.split(".")[0] for name, _ in stops] == ["SELECT", "INPUT", "BUTTON", "g", "DIV"]
    assert [stop for stop in stops if stop[1] < 2] == []


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_is_readable_in_every_theme(open_page, theme):
    page = open_page(
        AttentionHeads(items=ITEMS).to_html(), reduced_motion="reduce", **theme_options(theme)
    )
    for kind, side, place in [("encoder", None, None), ("encoder", "query", 4),
                              ("cross", "query", 1), ("decoder", "key", 2)]:  # fmt: skip
        choose(page, kind)
        if side:
            tile(page, side, place).click()
        found = contrasts(page)
        assert len(found) > 60
        assert [entry for entry in found if entry[0] < 4.5] == []


def test_tiles_and_lines_stand_out_in_light_and_dark(open_page, heads):
    for options in ({}, DARK):
        page = open_page(heads.to_html(), **options)
        strokes = page.locator(".nlpx-heads-query rect, .nlpx-heads-key rect").evaluate_all(
            "nodes => [...new Set(nodes.map(n => getComputedStyle(n).stroke))]"
        )
        assert strokes == ["rgb(209, 71, 143)", "rgb(138, 132, 0)"]  # the query's, the key's
        line, paper = page.locator(".nlpx-heads-line").first.evaluate(
            """node => [getComputedStyle(node).stroke,
              getComputedStyle(node.closest(".nlpx")).backgroundColor]"""
        )
        channels = [int(re.findall(r"\d+", colour)[0]) for colour in (line, paper)]
        assert abs(channels[0] - channels[1]) > 150

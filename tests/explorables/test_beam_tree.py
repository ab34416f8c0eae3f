"""BeamTree: its state against beam_search, and the page by mouse and keyboard."""

from __future__ import annotations

import copy
import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect
from traitlets import TraitError

from nlp_helpers.decoding import beam_search, language_model_step, table_step
from nlp_helpers.explorables.beam_tree import BeamTree, hypotheses, per_token, probability
from nlp_helpers.models.gru import GRU
from nlp_helpers.models.recurrent_lm import RecurrentLM
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.test_browser import THEMES, live, part, status
from tests.explorables.test_python_side import visible_text

NAME = "beam-straw-hat"
WORDS = ["<end>", "straw", "man", "hat", "with", "in", "on", *"abcdefghijklmnopqrstuv"]
TABLE = {
    (): {"straw": 0.2, "man": 0.1, "hat": 0.06},
    ("straw",): {"hat": 0.3, "man": 0.1},
    ("man",): {"with": 0.3, "in": 0.15},
    ("hat",): {"on": 0.2, "<end>": 0.1},
    ("straw", "hat"): {"<end>": 0.1, "with": 0.08},
    ("man", "with"): {"straw": 0.3, "hat": 0.15},
    ("man", "with", "straw"): {"hat": 0.4, "<end>": 0.1},
}
PROMPT = torch.zeros(1, 1, dtype=torch.long)
SOUNDS = ["<end>", "AA", "AE", "AH", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G"]


def straw_step():
    return table_step(TABLE, WORDS)


@pytest.fixture
def straw() -> BeamTree:
    return BeamTree.from_step(NAME, straw_step(), WORDS, PROMPT, 0, 4)


def random_step():
    torch.manual_seed(1)
    model = RecurrentLM(len(SOUNDS), GRU(6, 12)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 3
    return language_model_step(model)


@pytest.fixture(scope="module")
def sounds() -> BeamTree:
    """A long search that no hypothesis ends."""
    return BeamTree.from_step(
        "beam-word", random_step(), SOUNDS, PROMPT + 3, 0, 11, start="thorough", dropped=2
    )


# ---- the state, against beam_search ----


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("make", [straw_step, random_step])
def test_the_hypotheses_are_those_of_beam_search(make, width):
    step, labels = make(), WORDS if make is straw_step else SOUNDS
    tree = BeamTree.from_step("t", step, labels, PROMPT, 0, 6, widths=[width], dropped=1)
    found = sorted(hypotheses(tree.searches[0]), key=lambda h: -h["product"])
    expected = beam_search(step, PROMPT, width, 6, 0)[0]
    assert [h["words"] for h in found] == [[labels[t] for t in h.tokens] for h in expected]
    assert [h["ended"] for h in found] == [h.finished for h in expected]
    assert [h["product"] for h in found] == pytest.approx(
        [math.exp(h.log_prob) for h in expected], rel=1e-5
    )
    per_word = [math.exp(h.log_prob / len(h.tokens)) for h in expected]
    assert [per_token(h) for h in found] == pytest.approx(per_word, rel=1e-5)


def test_every_step_of_the_slides_example(straw):
    search = straw.searches[1]
    shown = [
        [(c["label"], c["probability"], c["product"], c["fate"]) for c in s["candidates"][:3]]
        for s in search["steps"]
    ]
    assert shown[0] == [("straw", 0.2, 0.2, "open"), ("man", 0.1, 0.1, "open"),
                        ("hat", 0.06, 0.06, "dropped")]  # fmt: skip
    assert shown[1][:2] == [("hat", 0.3, 0.06, "open"), ("with", 0.3, 0.03, "open")]
    assert shown[2] == [("straw", 0.3, 0.009, "open"), ("<end>", 0.1, 0.006, "ended"),
                        ("with", 0.08, 0.0048, "dropped")]  # fmt: skip
    assert shown[3][0] == ("hat", 0.4, 0.0036, "open")
    assert [len(s["candidates"]) for s in search["steps"]] == [5, 5, 5, 4]
    assert [s["others"] for s in search["steps"]] == [24, 53, 53, 25]


def test_the_prompts_state_and_a_select_of_ones_own_are_handed_on():
    def step(tokens, state):
        return torch.tensor([[0.0, float(len(read))] for read in state]), [
            [*read, token] for read, token in zip(state, tokens[:, -1].tolist(), strict=True)
        ]

    tree = BeamTree.from_step(
        "t", step, "ab", PROMPT, None, 2, widths=(1, 2), state=[["x"] * 3], dropped=0,
        select=lambda state, rows: [state[row] for row in rows.tolist()],
    )  # fmt: skip
    first = tree.searches[0]["steps"][0]["candidates"][0]
    assert first["probability"] == pytest.approx(1 / (1 + math.exp(-3)), rel=1e-5)
    assert (tree.width, tree.start, tree.step, tree.ranking) == (2, "start", 0, "product")


def test_the_page_is_the_same_every_time_and_small(straw, sounds):
    again = BeamTree.from_step(NAME, straw_step(), WORDS, PROMPT, 0, 4)
    assert again.to_html() == straw.to_html()
    assert len(sounds.to_html()) < 80_000
    assert repr(straw) == "BeamTree('beam-straw-hat')"


def test_without_scripts_every_step_is_a_table(straw):
    text = visible_text(straw.to_html())
    assert "Every step of the search with beam width 2, from “start”" in text
    assert "3 man with straw 0.3 0.009 kept 3 straw hat <end> 0.1 0.006 ended" in text
    assert "3 straw hat with 0.08 0.0048 dropped" in text
    assert text.index("straw hat <end> 0.006 0.182 yes") < text.index(
        "man with straw hat 0.0036 0.245 no"
    )
    straw.ranking = "per token"
    text = visible_text(straw.to_html())
    assert text.index("man with straw hat 0.0036 0.245 no") < text.index(
        "straw hat <end> 0.006 0.182 yes"
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.0, "1"), (0.99999, "> 0.999"), (0.9994, "0.999"), (0.2, "0.2"), (0.24495, "0.245"),
        (0.0036, "0.0036"), (0.001, "0.001"), (0.0009004, "0.0009"), (0.000144, "0.00014"),
        (0.00001, "0.00001"), (9.04e-6, "9.0e-06"), (3e-20, "3.0e-20"),
    ],
)  # fmt: skip
def test_probabilities_in_figures(value, written):
    assert probability(value) == written


# ---- bad input ----


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"prompt": torch.zeros(2, 1, dtype=torch.long)}, ValueError, r"one prompt.*\[2, 1\]"),
        ({"prompt": torch.zeros(1, 1)}, TypeError, "prompt.*float32"),
        ({"labels": WORDS[:2]}, ValueError, "token 2 has no label: there are 2"),
        ({"dropped": -1}, ValueError, "dropped.*-1"),
        ({"widths": ()}, ValueError, "searches must number 1 to 5, got 0"),
        ({"widths": (2, 1)}, ValueError, r"searches\[1\] has 1"),
        ({"widths": (30,), "step": None}, ValueError, r"widths.*30"),
        ({"widths": ("2",)}, TypeError, "widths must be an int, got str"),
        (
            {"widths": (1, 4), "dropped": 9, "step": None},  # refused before the first step
            ValueError,
            r"at most 12.*widths \[1, 4\] and dropped 9",
        ),
        ({"width": 4}, ValueError, r"width must be one of \[1, 2, 3\], got 4"),
        ({"start": " "}, ValueError, "start must not be blank"),
        ({"max_len": 31, "end_token": None}, ValueError, "1 to 30 steps, got 31"),
        ({"name": "Beam Tree"}, ValueError, "Beam Tree"),
    ],
)
def test_bad_searches_are_refused(changes, error, words):
    arguments = {"name": NAME, "step": straw_step(), "labels": WORDS, "prompt": PROMPT}
    arguments |= {"end_token": 0, "max_len": 4} | changes
    with pytest.raises(error, match=words):
        BeamTree.from_step(**arguments)


@pytest.mark.parametrize("confidence", [800.0, 400.0])
@pytest.mark.parametrize("end_token", [None, 0])
def test_a_confident_model_whose_other_candidates_are_too_improbable_for_a_float(
    confidence, end_token
):
    """At 400 nats a step the second factor is still a float, the product of two is none."""

    def step(tokens, state):
        logits = -confidence * torch.arange(5, dtype=torch.float64)
        return logits.expand(len(tokens), 5), state

    tree = BeamTree.from_step("sure", step, "abcde", PROMPT, end_token, 4, widths=(1, 2, 4))
    greedy, *_, widest = tree.searches
    assert greedy["steps"][0]["candidates"][0]["product"] == 1
    for search in tree.searches:
        for t, one in enumerate(search["steps"]):
            shown = one["candidates"]
            assert all(0 < c["product"] <= 1 and 0 < c["probability"] <= 1 for c in shown)
            dropped = [c for c in shown if c["fate"] == "dropped"]
            assert all(c["product"] > 1e-300 for c in dropped)
            open_before = [c for c in search["steps"][t - 1]["candidates"] if c["fate"] == "open"]
            parents = len(open_before) if t else 1
            assert len(shown) + one["others"] == 5 * parents  # none is lost
    kept = [c for c in widest["steps"][0]["candidates"] if c["fate"] != "dropped"]
    assert len(kept) == 4 and kept[-1]["product"] == pytest.approx(2.2e-308, rel=0.02)
    tree.width = 4
    assert "2.2e-308" in tree.fallback_html()


def put(path, value):
    """A change of one place in the searches of the example."""

    def change(searches):
        for key in path[:-1]:
            searches = searches[key]
        searches[path[-1]] = value

    return change


CANDIDATE = (1, "steps", 1, "candidates", 0)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (put((0, "width"), 0), ValueError, "increase from 1 upwards"),
        (put((0, "width"), "1"), TypeError, "width.*str"),
        (put((0, "steps"), []), ValueError, "1 to 30 steps, got 0"),
        (put((0,), {"width": 1}), ValueError, "keys width, steps"),
        (put((0, "steps", 0), [1]), ValueError, "keys candidates, others"),
        (put((0, "steps", 0, "candidates"), []), ValueError, "1 to 12 candidates, got 0"),
        (put((0, "steps", 0, "others"), -1), ValueError, "others.*-1"),
        (put((1, "steps", 0, "candidates", 2, "fate"), "open"), ValueError, "keeps 3.*room for 2"),
        (put((1, "steps", 3, "candidates", 1, "fate"), "open"), ValueError, "keeps 2.*room for 1"),
        (put((*CANDIDATE, "parent"), None), TypeError, "parent.*NoneType"),
        (put((*CANDIDATE, "parent"), 9), ValueError, "parent.*9"),
        (put((*CANDIDATE, "parent"), 2), ValueError, "continues 'hat', which is dropped"),
        (put((1, "steps", 0, "candidates", 0, "parent"), 0), ValueError, "None at the first"),
        (put((*CANDIDATE, "label"), ""), ValueError, "label.*blank"),
        (put((*CANDIDATE, "fate"), "lost"), ValueError, "fate.*'lost'"),
        (put((*CANDIDATE, "probability"), 0.0), ValueError, r"probability.*\(0, 1\], got 0.0"),
        (put((*CANDIDATE, "probability"), "0.3"), TypeError, "probability.*str"),
        (put((*CANDIDATE, "product"), math.nan), ValueError, "product.*nan"),
        (put((*CANDIDATE, "product"), 0.07), ValueError, r"product.*0.2 \* 0.3, got 0.07"),
        (put(CANDIDATE, {"label": "hat"}), ValueError, "keys.*'fate'"),
    ],
)
def test_searches_that_do_not_fit_together_are_named(straw, change, error, words):
    searches = copy.deepcopy(straw.searches)
    BeamTree("fine", searches)
    change(searches)
    with pytest.raises(error, match=words):
        BeamTree("bad", searches)


@pytest.mark.parametrize("searches", [None, {"width": 1}, "searches", 3])
def test_searches_of_another_type(searches):
    with pytest.raises(TypeError, match="searches must be a list"):
        BeamTree("bad", searches)


@pytest.mark.parametrize(
    ("trait", "value"),
    [("width", 4), ("step", -1), ("step", 5), ("ranking", "length"), ("width", "2")],
)
def test_bad_changes_are_refused(straw, trait, value):
    with pytest.raises((ValueError, TypeError, TraitError)):
        setattr(straw, trait, value)


def test_hostile_labels_cannot_enter_the_markup():
    hostile = "</script><b>&amp;"
    tree = BeamTree.from_step(
        "t", table_step({(): {hostile: 0.9}}, [hostile, "b"]), [hostile, "b"], PROMPT, None, 1,
        widths=(1,), start=hostile,
    )  # fmt: skip
    page = tree.to_html()
    assert page.count("</script>") == 1
    assert "<b>" not in page


# ---- the page, by mouse and keyboard ----


def nodes(page: Page, step: int) -> list[tuple[str, str]]:
    """(label, number) of the candidates drawn at a step, from top to bottom."""
    found = []
    for node in page.locator(f'.nlpx-node[data-t="{step}"]').all():
        texts = node.locator("text").all_text_contents()
        found.append((float(node.locator("rect").first.get_attribute("y")), tuple(texts)))
    assert found == sorted(found)
    return [texts for _, texts in found]


def go_to(page: Page, step: int) -> None:
    page.get_by_label("Step", exact=True).fill(str(step))


def rows_of(page: Page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(".nlpx-found tr").all_inner_texts()[1:]]


def test_the_search_by_mouse_in_words(open_page, straw):
    page = open_page(straw.to_html())
    said = [status(page, NAME)]
    for _ in range(5):
        page.get_by_role("button", name="Next").click(force=True)  # disabled at the last step
        said.append(status(page, NAME))
    assert said == [
        "Nothing is chosen yet. The beam has room for 2 hypotheses.",
        "Step 1: “straw” (0.2) and “man” (0.1) are kept in the beam; 27 candidates are dropped, "
        "the best of them “hat” (0.06).",
        "Step 2: “straw hat” (0.06) and “man with” (0.03) are kept in the beam; 56 candidates are "
        "dropped, the best of them “straw man” (0.02).",
        "Step 3: “straw hat <end>” ends with probability 0.006 and is kept aside; “man with straw” "
        "(0.009) is kept in the beam; 56 candidates are dropped, the best of them “straw hat with” "
        "(0.0048). From here on the beam has room for 1 hypothesis.",
        "Step 4: “man with straw hat” (0.0036) is kept and cut off at 4 tokens; 28 candidates are "
        "dropped, the best of them “man with straw <end>” (0.0009). The search is over. Ranked by "
        "product, “straw hat <end>” is first with 0.006, before “man with straw hat” with 0.0036.",
    ] + [said[4]]
    page.get_by_label("per token", exact=True).check()
    assert status(page, NAME).endswith(
        "Ranked per token, “man with straw hat” is first with 0.245, before “straw hat <end>” with "
        "0.182."
    )
    page.get_by_role("button", name="Back").click()
    assert status(page, NAME) == said[3]


def test_the_tree_shows_each_step_and_no_later_one(open_page, straw):
    page = open_page(straw.to_html())
    assert page.locator(".nlpx-tree .nlpx-node").count() == 0
    assert page.locator(".nlpx-ghost").count() == 4
    go_to(page, 3)
    assert nodes(page, 1)[:3] == [("straw", "0.2"), ("man", "0.1"), ("hat", "0.06")]
    assert nodes(page, 2)[:2] == [("hat", "0.06"), ("man", "0.02")]
    assert nodes(page, 2)[3:] == [("with", "0.03"), ("in", "0.015")]
    assert nodes(page, 3)[0] == ("<end>", "0.006")
    assert nodes(page, 3)[3:] == [("straw", "0.009"), ("hat", "0.0045")]
    assert page.locator('.nlpx-node[data-t="4"]').count() == 0
    assert page.locator(".nlpx-ghost").count() == 1
    fates = [page.locator(f".nlpx-tree .nlpx-node.nlpx-{f}").count() for f in
             ("open", "ended", "dropped")]  # fmt: skip
    assert fates == [5, 1, 9]
    assert page.locator(".nlpx-tree .nlpx-end-mark").count() == 1
    assert page.locator(".nlpx-branch").count() == 15


def test_no_two_edges_cross(open_page, sounds):
    page = open_page(sounds.to_html())
    page.get_by_label("3", exact=True).check()
    page.get_by_label("Step", exact=True).press("End")
    ends = page.locator(".nlpx-branch").evaluate_all(
        r"""paths => paths.map(path => [Number(path.dataset.t),
          ...path.getAttribute("d").match(/-?[\d.]+/g).map(Number)])"""
    )
    assert len(ends) == sum(len(s["candidates"]) for s in sounds.searches[2]["steps"])
    for step in range(1, 12):
        level = sorted((end[2], end[-1]) for end in ends if end[0] == step)
        assert [y for _, y in level] == sorted(y for _, y in level)
        assert len({y for _, y in level}) == len(level)


def test_every_number_of_the_page_is_that_of_python(open_page, sounds):
    page = open_page(sounds.to_html())
    page.get_by_label("3", exact=True).check()
    go_to(page, 11)
    for t, step in enumerate(sounds.searches[2]["steps"], 1):
        for i, candidate in enumerate(step["candidates"]):
            node = page.locator(f'.nlpx-node[data-t="{t}"][data-i="{i}"]')
            assert float(node.get_attribute("data-value")) == candidate["product"]
            assert node.locator("text").all_text_contents() == [
                candidate["label"], probability(candidate["product"])
            ]  # fmt: skip
    for ranking in ("per token", "product"):
        page.get_by_label(ranking, exact=True).check()
        sounds_score = per_token if ranking == "per token" else lambda h: h["product"]
        found = sorted(hypotheses(sounds.searches[2]), key=lambda h: -sounds_score(h))
        assert rows_of(page) == [
            f"{' '.join(h['words'])} {probability(h['product'])} {probability(per_token(h))} "
            f"{len(h['words'])} cut off"
            for h in found
        ]


@given(st.one_of(st.floats(1e-12, 1), st.floats(0.9, 1), st.floats(1e-6, 1e-2)))
def test_numbers_have_at_most_three_digits_and_are_right(value):
    written = probability(value)
    if written == "> 0.999":
        assert 0.9995 <= value < 1
    else:
        assert float(written) == pytest.approx(value, rel=5e-3 if value >= 1e-3 else 6e-2)
        assert len(re.sub(r"e.*|^0*\.?0*|\.", "", written)) <= 3


def test_page_and_python_write_numbers_alike(open_page, straw):
    page = live(open_page, straw)
    values = [10 ** (-k / 7) for k in range(60)] + [0.9994, 0.9996, 1.0, 0.001, 1e-5, 9.99e-6]
    module = str(straw._esm).replace("export default { render };", "window.write = probability;")
    page.evaluate("text => { (0, eval)('(() => {' + text + '})()'); }", module)
    assert page.evaluate("values => values.map(write)", values) == [probability(v) for v in values]


def test_other_widths(open_page, straw):
    page = open_page(straw.to_html())
    page.get_by_label("1", exact=True).check()
    assert status(page, NAME) == (
        "Nothing is chosen yet. The beam has room for 1 hypothesis: this is greedy decoding."
    )
    go_to(page, 3)
    assert status(page, NAME) == (
        "Step 3: “straw hat <end>” ends with probability 0.006 and is kept aside; 28 candidates "
        "are dropped, the best of them “straw hat with” (0.0048). The search is over. Ranked by "
        "product, “straw hat <end>” is first with 0.006."
    )
    expect(page.locator(".nlpx-time output")).to_have_text("3 of 3")
    assert rows_of(page) == ["straw hat <end> 0.006 0.182 3 ended"]
    page.locator(".nlpx-choice label", has_text="3").click()
    expect(page.locator(".nlpx-time output")).to_have_text("3 of 4")
    assert rows_of(page)[0] == "man with straw 0.009 0.208 3 open"
    assert "From here on the beam has room for 2 hypotheses." in status(page, NAME)
    page.get_by_label("Step", exact=True).press("End")
    page.get_by_label("1", exact=True).check()  # its search is a step shorter
    expect(page.locator(".nlpx-time output")).to_have_text("3 of 3")


def test_the_table_is_ranked_and_marks_the_first_at_the_end(open_page, straw):
    page = open_page(straw.to_html())
    go_to(page, 2)
    assert rows_of(page) == ["straw hat 0.06 0.245 2 open", "man with 0.03 0.173 2 open"]
    assert page.locator(".nlpx-current").count() == 0
    go_to(page, 4)
    assert rows_of(page) == [
        "straw hat <end> 0.006 0.182 3 ended", "man with straw hat 0.0036 0.245 4 cut off"
    ]  # fmt: skip
    best = page.locator(".nlpx-best text.nlpx-token")
    assert best.all_text_contents() == ["straw", "hat", "<end>"]
    page.get_by_label("per token", exact=True).check()
    expect(page.locator(".nlpx-current th")).to_have_text("man with straw hat")
    assert best.all_text_contents() == ["man", "with", "straw", "hat"]


def test_stepping_by_keyboard(open_page, straw):
    page = open_page(straw.to_html())
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert status(page, NAME).startswith("Step 2")
    expect(page.get_by_role("button", name="Next")).to_be_focused()
    page.get_by_label("Step", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert status(page, NAME).startswith("Step 3")
    page.keyboard.press("Home")
    assert status(page, NAME).startswith("Nothing is chosen yet")
    page.get_by_label("2", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("3", exact=True)).to_be_checked()
    page.get_by_label("product").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("per token", exact=True)).to_be_checked()


def readout(page: Page):
    return page.locator(".nlpx-readout")


def test_arrow_keys_walk_through_the_tree(open_page, straw):
    page = open_page(straw.to_html())
    expect(readout(page)).to_have_text("Step on to see the first candidates.")
    go_to(page, 3)
    expect(readout(page)).to_contain_text("“man with straw”: 0.1 × 0.3 × 0.3 = 0.009")
    page.locator('.nlpx-node[aria-pressed="true"]').focus()
    for key, words in [
        ("ArrowUp", "“straw hat straw”: 0.2 × 0.3 × 0.0304 = 0.00182, per token 0.122; dropped at"),
        ("ArrowUp", "“straw hat with”: 0.2 × 0.3 × 0.08 = 0.0048, per token 0.169; dropped at"),
        ("ArrowUp", "“straw hat <end>”: 0.2 × 0.3 × 0.1 = 0.006, per token 0.182; ended and kept"),
        ("ArrowUp", "“straw hat <end>”"),
        ("ArrowLeft", "“straw hat”: 0.2 × 0.3 = 0.06, per token 0.245; kept in the beam at step 2"),
        ("ArrowLeft", "“straw”: 0.2; kept in the beam at step 1."),
        ("ArrowLeft", "“straw”"),
        ("ArrowDown", "“man”: 0.1; kept in the beam at step 1."),
        ("ArrowRight", "“man with”: 0.1 × 0.3 = 0.03"),
        ("ArrowRight", "“man with straw”: 0.1 × 0.3 × 0.3 = 0.009"),
        ("ArrowRight", "“man with straw”"),
    ]:
        page.keyboard.press(key)
        expect(readout(page)).to_contain_text(words)
        expect(page.locator('.nlpx-node[aria-pressed="true"]')).to_be_focused()
    assert page.locator('.nlpx-node[tabindex="0"]').count() == 1
    assert status(page, NAME).startswith("Step 3")
    page.locator('.nlpx-node[data-t="1"][data-i="2"]').click()  # dropped: it has no children
    page.keyboard.press("ArrowRight")
    expect(readout(page)).to_contain_text("“hat”: 0.06; dropped at step 1.")


def test_the_focus_stays_in_the_tree_when_it_is_drawn_again(open_page, straw):
    page = open_page(straw.to_html())
    go_to(page, 2)
    page.locator('.nlpx-node[aria-pressed="true"]').focus()
    page.set_viewport_size({"width": 500, "height": 900})
    page.wait_for_timeout(200)
    expect(page.locator('.nlpx-node[aria-pressed="true"]')).to_be_focused()


def test_hovering_shows_a_path_and_leaving_takes_it_back(open_page, straw):
    page = open_page(straw.to_html())
    go_to(page, 4)
    expect(readout(page)).to_contain_text("“straw hat <end>”: 0.2 × 0.3 × 0.1 = 0.006")
    page.locator('.nlpx-node[data-t="3"][data-i="2"]').hover()
    expect(readout(page)).to_contain_text("“straw hat with”")
    on_path = page.locator(".nlpx-node.nlpx-on-path text.nlpx-token")
    assert on_path.all_text_contents() == ["straw", "hat", "with"]
    assert page.locator(".nlpx-branch.nlpx-on-path").count() == 3
    page.get_by_role("button", name="Back").hover()
    expect(readout(page)).to_contain_text("“straw hat <end>”")
    page.locator('.nlpx-node[data-t="2"][data-i="1"]').click()
    page.get_by_role("button", name="Back").hover()
    expect(readout(page)).to_have_text(
        "“man with”: 0.1 × 0.3 = 0.03, per token 0.173; kept in the beam at step 2."
    )


def test_a_resting_pointer_does_not_take_the_path_from_the_keyboard(open_page, straw):
    page = open_page(straw.to_html())
    go_to(page, 2)
    page.get_by_role("button", name="Next").focus()
    page.locator('.nlpx-node[data-t="1"][data-i="2"]').hover()
    expect(readout(page)).to_contain_text("“hat”: 0.06;")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)  # browsers report the node under a resting pointer a bit late
    expect(readout(page)).to_contain_text("“man with straw”")


def test_a_long_search_scrolls_inside_its_figure(open_page, sounds):
    page = open_page(sounds.to_html(), width=390)
    page.get_by_label("Step", exact=True).press("End")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator('.nlpx-node[data-t="11"]').first.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.locator('.nlpx-node[aria-pressed="true"]').focus()
    figure = page.locator(".nlpx-figure").bounding_box()
    for step in range(10, 0, -1):
        page.keyboard.press("ArrowLeft")
        box = page.locator(f'.nlpx-node[data-t="{step}"][aria-pressed="true"]').bounding_box()
        assert figure["x"] <= box["x"]
        assert box["x"] + box["width"] <= figure["x"] + figure["width"]
    sizes = page.locator(".nlpx-live svg text").evaluate_all(
        "nodes => nodes.map(n => parseFloat(getComputedStyle(n).fontSize) * n.getScreenCTM().a)"
    )
    assert min(sizes) >= 11.5


@pytest.mark.parametrize("width", [640, 700, 900])
def test_a_short_search_is_shown_whole(open_page, straw, width):
    page = open_page(straw.to_html(), width=width)
    go_to(page, 4)
    figure = page.locator(".nlpx-figure")
    assert figure.evaluate("node => [node.scrollLeft, node.scrollWidth - node.clientWidth]") == [
        0,
        0,
    ]
    root, box = page.locator(".nlpx-root").bounding_box(), figure.bounding_box()
    assert root["x"] >= box["x"]


@pytest.mark.parametrize("width", [390, 1280])
def test_texts_stay_inside_their_boxes(open_page, straw, sounds, width):
    page = open_page(straw.to_html(), sounds.to_html(), width=width)
    for name in (NAME, "beam-word"):
        part(page, name).get_by_label("3", exact=True).check()
        part(page, name).get_by_label("Step", exact=True).press("End")
    over = page.locator(".nlpx-tree .nlpx-node").evaluate_all(
        """nodes => nodes.flatMap(node => {
          const box = node.querySelector("rect").getBoundingClientRect();
          return [...node.querySelectorAll("text")].filter(text => {
            const own = text.getBoundingClientRect();
            return own.left < box.left + 1 || own.right > box.right - 1;
          }).map(text => text.textContent);
        })"""
    )
    assert over == []


def test_two_trees_on_one_page_have_result_regions_of_different_names(open_page, straw, sounds):
    names = []
    for tree in (straw, sounds):
        page = open_page(tree.to_html())
        go_to(page, 2)
        (label,) = (r.get_attribute("aria-label") for r in page.get_by_role("region").all())
        names.append(label)
    assert names[0].startswith("Hypotheses after step 2, ranked ")
    assert len(set(names)) == 2


def test_names_focus_and_the_status_line(open_page, straw):
    straw.step = 4
    page = open_page(straw.to_html())
    assert problems_of_names(page) == []
    stops = tab_stops(page)
    assert [stop for stop in stops if stop[1] < 2] == []
    kinds = [stop[0] for stop in stops]
    assert [sum(word in kind for kind in kinds) for word in ("BUTTON", "INPUT", "nlpx-node")] == [
        2, 3, 1
    ]  # fmt: skip
    assert part(page, NAME).locator('[role=status][aria-live="polite"]').count() == 1


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_is_readable_in_every_theme(open_page, straw, theme):
    page = open_page(straw.to_html(), **theme_options(theme))
    go_to(page, 4)
    found = contrasts(page)
    assert len(found) > 60
    assert [entry for entry in found if entry[0] < 4.5] == []


def test_without_scripts_the_tables_fit_a_phone(open_page, straw):
    page = open_page(straw.to_html(), scripts=False, width=390)
    expect(page.get_by_text("Every step of the search with beam width 2")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_live_the_kernel_and_the_reader_change_the_same_traits(open_page, straw):
    page = live(open_page, straw)
    page.get_by_role("button", name="Next").click()
    assert page.evaluate("[testModel.values.step, testModel.saved > 0]") == [1, True]
    page.evaluate("testModel.set('width', 3)")
    expect(page.get_by_label("3", exact=True)).to_be_checked()
    page.evaluate("testModel.set('step', 4)")
    expect(page.locator(".nlpx-time output")).to_have_text("4 of 4")
    page.evaluate("testModel.set('ranking', 'per token')")
    expect(page.get_by_label("per token", exact=True)).to_be_checked()
    page.evaluate("testStop()")
    assert page.evaluate("testHandlers()") == 0

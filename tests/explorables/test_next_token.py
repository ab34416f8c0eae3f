"""NextToken: what it keeps of the logits, its page against `next_token_distribution`, and use."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from traitlets import TraitError

from nlp_helpers.decoding import next_token_distribution
from nlp_helpers.exercises.elmo import QUIZ
from nlp_helpers.explorables.base import script_json
from nlp_helpers.explorables.next_token import FLOOR, NextToken, four_digits, readable_text
from nlp_helpers.explorables.quiz import Quiz
from tests.book.outputs_contract import text_difference
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.test_browser import THEMES, live, part, status
from tests.explorables.test_python_side import visible_text

NAME = "next-token"
PROMPTS = ["The old man went to the", "She put the", "Once upon a time\nthere was"]
WORDS = [" the", " a", " bank", " river", "s", ".", ",", "\n", " sea", " and", "ing", " house"]
SETTINGS = [
    (1.0, None, 1.0), (0.1, None, 1.0), (2.0, None, 1.0), (0.7, 40, 1.0), (1.0, 1, 1.0),
    (1.3, None, 0.9), (1.0, None, 0.05), (0.5, 5, 0.8), (2.0, 100, 0.95), (1.0, 12, 0.99),
    (1.55, 250, 0.6), (0.3, 3, 0.97), (1.0, 15, 1.0), (0.1, 20, 0.5),
]  # fmt: skip


def made_up(count: int = 300, n_prompts: int = 3, seed: int = 0):
    """Pieces, and logits [prompt, piece] that fall off as those of a language model do."""
    random = np.random.default_rng(seed)
    pieces = WORDS + [f" w{k}" for k in range(count - len(WORDS))]
    logits = random.normal(size=(n_prompts, count)) * 2 - 1.2 * np.log1p(np.arange(count))
    return pieces, logits


PIECES, LOGITS = made_up()


@pytest.fixture
def tokens() -> NextToken:
    return NextToken(PIECES, PROMPTS, LOGITS)


def reference(logits, temperature=1.0, top_k=None, top_p=1.0) -> np.ndarray:
    """The book's distribution, in float64."""
    return next_token_distribution(
        torch.as_tensor(np.asarray(logits), dtype=torch.float64), temperature, top_k, top_p
    ).numpy()


def entropy_bits(probabilities) -> float:
    p = probabilities[probabilities > 0]
    return float(-(p * np.log2(p)).sum())


# ---- the Python side ----


def test_four_digits_of_every_size():
    gaps = np.array([0, 0.00004, 0.03124, 0.99994, 0.99996, 1, 4.25, 9.9994, 9.9996, 17.076, 250])
    assert four_digits(gaps) == (
        ".0000 .0000 .0312 .9999 1.000 1.000 4.250 9.999 10.00 17.08 99.99"
    )


def test_the_logits_that_are_kept_are_those_given_but_for_the_highest(tokens):
    for k, row in enumerate(LOGITS):
        kept = tokens.logits(k)
        assert kept.max() == 0
        assert kept.argmax() == row.argmax()
        np.testing.assert_allclose(kept, row - row.max(), rtol=0, atol=0.00501)
        near = row - row.max() > -9.99
        np.testing.assert_allclose(kept[near], (row - row.max())[near], rtol=0, atol=0.000501)
    far = NextToken(PIECES, PROMPTS, LOGITS * np.where(LOGITS < -6, 1e6, 1))
    assert far.logits(0).min() == -FLOOR
    shifted = NextToken(PIECES, PROMPTS, torch.tensor(LOGITS + 1234.5, dtype=torch.float64))
    assert shifted.gaps == tokens.gaps


@pytest.mark.parametrize("spread", [0.1, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 1.1, 2.0])
def test_the_rounding_changes_no_probability_by_a_percent(spread, temperature):
    random = np.random.default_rng(3)
    zipf = -1.1 * np.log1p(np.arange(4096))
    logits = np.stack([
        spread * random.normal(size=4096) + zipf,
        spread * random.normal(size=4096),
        spread * random.standard_t(3, size=4096),
        np.r_[0, -10.004 + np.zeros(4095)],  # the worst: all but one are off to the same side
    ])  # fmt: skip
    pieces, prompts = [f"{k}" for k in range(4096)], [*"abcd"]
    kept = NextToken(pieces, prompts, logits)
    for k, row in enumerate(logits):
        exact = reference(row, temperature)
        found = reference(kept.logits(k), temperature)
        seen = exact > 1e-4
        assert seen.any()
        np.testing.assert_allclose(found[seen], exact[seen], rtol=0.006)


def test_the_state_is_the_traits_and_the_page_is_the_same_every_time(tokens):
    assert NextToken(PIECES, PROMPTS, LOGITS).to_html() == tokens.to_html()
    assert repr(tokens) == "NextToken('next-token')"
    state = tokens.page_state()
    assert set(state) == {
        "name", "pieces", "prompts", "gaps", "seed", "prompt", "temperature", "top_k", "top_p",
    }  # fmt: skip
    assert [state[key] for key in ("prompt", "temperature", "top_k", "top_p", "seed")] == [
        0, 1, None, 1, 0,
    ]  # fmt: skip
    assert not re.search(r"://|@import|\burl\(|\bsrc=|\bhref=", tokens.to_html())
    chosen = NextToken(
        tuple(PIECES), tuple(PROMPTS), LOGITS.astype(np.float32), name="other", prompt=2,
        temperature=0.5, top_k=np.int64(300), top_p=0.05, seed=7,
    )  # fmt: skip
    assert (chosen.name, chosen.prompt, chosen.temperature) == ("other", 2, 0.5)
    assert (chosen.top_k, chosen.top_p, chosen.seed) == (300, 0.05, 7)


def test_a_vocabulary_of_4096_and_five_prompts_fit_and_more_are_refused():
    random = np.random.default_rng(0)
    letters = [*"abcdefghijklmnopqrstuvwxyz\u00e4\u8a9e<&\"'\n"]
    pieces = [" " + "".join(random.choice(letters, random.integers(1, 9))) for _ in range(4096)]
    logits = 3 * random.normal(size=(7, 4096))
    prompts = [
        "A prompt of about sixty characters, as a chapter would have, " + c for c in "abcdefg"
    ]
    state = NextToken(pieces, prompts[:5], logits[:5]).page_state()
    assert max(map(len, state["gaps"])) < 6 * 4096
    assert len(script_json(state).encode()) < 185_000
    with pytest.raises(ValueError, match=r"'next-token' takes \d{3},\d{3} bytes.*200,000"):
        NextToken(pieces, prompts, logits)


TWO = {"pieces": ["a", " b"], "prompts": ["x"], "logits": [[0.0, 1.0]]}


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"pieces": "ab"}, TypeError, "pieces must be a list of texts, got str"),
        ({"pieces": {"a": 0}}, TypeError, "pieces must be a list of texts, got dict"),
        ({"pieces": ["a"]}, ValueError, "pieces must number at least 2, got 1"),
        ({"pieces": []}, ValueError, "pieces must number at least 2, got 0"),
        ({"pieces": ["a", b"b"]}, TypeError, r"pieces\[1\] must be a string, got bytes"),
        ({"pieces": ["a", ""]}, ValueError, r"pieces\[1\] must not be empty"),
        ({"prompts": "x"}, TypeError, "prompts must be a list of texts, got str"),
        ({"prompts": []}, ValueError, "prompts must not be empty"),
        ({"prompts": [" \n"]}, ValueError, r"prompts\[0\] must not be blank"),
        ({"prompts": [3]}, TypeError, r"prompts\[0\] must be a string, got int"),
        ({"prompts": ["x", "y", "x"]}, ValueError, "may occur once, got again: .'x'."),
        ({"logits": [0.0, 1.0]}, ValueError, r"logits must have shape \[1, 2\], got \[2\]"),
        ({"logits": [[0.0]]}, ValueError, r"logits must have shape \[1, 2\], got \[1, 1\]"),
        ({"logits": [[0.0, 1.0]] * 2}, ValueError, r"shape \[1, 2\], got \[2, 2\]"),
        ({"logits": [[0.0, 1.0], [0.0]]}, ValueError, "logits must be a rectangular array"),
        ({"logits": [[0.0, np.nan]]}, ValueError, "logits must be finite, got nan"),
        ({"logits": [[0.0, -np.inf]]}, ValueError, "logits must be finite, got -inf"),
        ({"logits": [["a", "b"]]}, TypeError, "logits must hold real numbers"),
        ({"temperature": 0}, ValueError, r"temperature must be in \[0.1, 2.0\], got 0"),
        ({"temperature": 2.1}, ValueError, r"temperature must be in \[0.1, 2.0\], got 2.1"),
        ({"temperature": np.nan}, ValueError, "temperature must be in .*, got nan"),
        ({"temperature": "1"}, TypeError, "temperature must be a number, got str"),
        ({"top_k": 0}, ValueError, "top_k must be between 1 and the 2 pieces, got 0"),
        ({"top_k": 3}, ValueError, "top_k must be between 1 and the 2 pieces, got 3"),
        ({"top_k": 1.0}, TypeError, "top_k must be an int or None, got float"),
        ({"top_k": True}, TypeError, "top_k must be an int or None, got bool"),
        ({"top_p": 0}, ValueError, r"top_p must be in \[0.05, 1.0\], got 0"),
        ({"top_p": 1.01}, ValueError, r"top_p must be in \[0.05, 1.0\], got 1.01"),
        ({"top_p": None}, TypeError, "top_p must be a number, got NoneType"),
        ({"prompt": 1}, ValueError, "prompt must be between 0 and 0, got 1"),
        ({"prompt": "x"}, TypeError, "prompt must be an int, got str"),
        ({"seed": -1}, ValueError, "seed must be between 0 and 4294967295, got -1"),
        ({"seed": 0.5}, TypeError, "seed must be an int, got float"),
        ({"name": "a b"}, ValueError, "name must be"),
    ],
)
def test_bad_arguments_are_named(changes, error, words):
    with pytest.raises(error, match=words):
        NextToken(**(TWO | changes))


@pytest.mark.parametrize(
    ("trait", "value"),
    [("prompt", 3), ("prompt", -1), ("temperature", 0.05), ("temperature", 3.0), ("top_k", 0),
     ("top_k", 301), ("top_p", 0.01), ("top_p", 1.5), ("seed", 2**32)],
)  # fmt: skip
def test_bad_changes_are_refused(tokens, trait, value):
    before = getattr(tokens, trait)
    with pytest.raises(ValueError, match=trait):
        setattr(tokens, trait, value)
    with pytest.raises(TraitError, match=trait):
        setattr(tokens, trait, "x")
    assert getattr(tokens, trait) == before


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (" the", "␣the"), ("\n\t", "⏎⇥"), ("a\x00\x1b", r"a\x00\x1b"), ("\xa0b\xad", r"\xa0b\xad"),
        ("\u202eabc\u200d", r"\u202eabc\u200d"), ("\ud800", r"\ud800"), ("\U000e0001",
         r"\U000e0001"), ("<b>&\"'é語🙂", "<b>&\"'é語🙂"),
    ],
)  # fmt: skip
def test_every_character_can_be_seen(text, seen):
    assert readable_text(text) == seen
    assert readable_text(f"a b{text}", keep=" ") == "a b" + seen.replace("␣", " ")


def test_without_scripts_it_is_tables_of_the_most_probable_tokens(tokens, open_page):
    text = visible_text(tokens.to_html())
    for k, prompt in enumerate(PROMPTS):
        probabilities = reference(LOGITS[k])
        order = np.argsort(-probabilities, kind="stable")[:10]
        sums = probabilities[order].cumsum()
        rows = " ".join(
            f"{rank} {readable_text(PIECES[i])} {probabilities[i]:.3f} {s:.3f}"
            for rank, (i, s) in enumerate(zip(order, sums, strict=True), start=1)
        )
        shown = prompt.replace("\n", "⏎")
        assert (
            f"Most probable next tokens after “{shown}”, of 300; temperature 1, nothing cut "
            f"rank next token probability sum so far {rows}"
        ) in text
    page = open_page(tokens.to_html(), scripts=False, width=360)
    assert page.locator("table:visible").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert visible_text(NextToken(**TWO).fallback_html()).count("0.269") == 1


def test_without_scripts_ties_go_to_the_lower_index_too():
    logits = np.random.default_rng(0).integers(0, 3, (1, 300))
    text = visible_text(NextToken([f"w{k}" for k in range(300)], ["x"], logits).to_html())
    first = sorted(range(300), key=lambda k: (-logits[0, k], k))[:10]
    assert re.findall(r"\d+ (w\d+) 0", text) == [f"w{k}" for k in first]


def test_another_processor_may_round_a_last_digit_differently(tokens):
    noise = 1e-5 * np.random.default_rng(1).normal(size=LOGITS.shape)
    other = NextToken(PIECES, PROMPTS, LOGITS + noise)
    assert other.to_html() != tokens.to_html()
    assert text_difference(tokens.to_html(), other.to_html()) is None
    assert text_difference(tokens.to_html(), NextToken(PIECES, PROMPTS, LOGITS * 1.01).to_html())


# ---- the computation in the page ----

COMPUTATION = """async ({ esm, cases, seed }) => {
  const source = esm.replace("export default { render };",
    "export { distribution, entropyOf, uniformNumbers, drawTokens, countTokens, stopsOf };");
  const module = await import(URL.createObjectURL(new Blob([source],
    { type: "text/javascript" })));
  const draws = (found) => module.drawTokens(found, 20000, module.uniformNumbers(seed));
  return { stops: [2, 11, 13, 300, 4096].map(module.stopsOf),
    numbers: [0, 1, 2 ** 32 - 2, 2 ** 32 - 1].map((one) => {
      const next = module.uniformNumbers(one);
      return Array.from({ length: 1000 }, next);
    }),
    found: cases.map(([logits, ...setting]) => {
      const before = JSON.stringify(logits);
      const found = module.distribution(logits, ...setting);
      if (JSON.stringify(logits) !== before) throw new Error("the logits have changed");
      return { ...found, entropy: module.entropyOf(found.probabilities) };
    }),
    drawn: cases.slice(0, 14).map(([logits, ...setting]) =>
      draws(module.distribution(logits, ...setting))),
    counts: module.countTokens([3, 1, 2, 1, 3, 0], [2, 3, 1, 0]) };
}"""


def computed(open_page, tokens, cases):
    cases = [[np.asarray(logits, float).tolist(), *setting] for logits, *setting in cases]
    return open_page().evaluate(COMPUTATION, {"esm": str(tokens._esm), "cases": cases, "seed": 5})


def xorshift(seed: int, count: int) -> list[float]:
    """Marsaglia 2003: three shifts of 32 bits; here after ten numbers that are thrown away."""
    state, numbers = ((seed + 1) * 2654435761) % 2**32 or 1, []
    for _ in range(count + 10):
        state ^= (state << 13) % 2**32
        state ^= state >> 17
        state ^= (state << 5) % 2**32
        numbers.append(state / 2**32)
    return numbers[10:]


def drawn_by_hand(logits, setting, numbers) -> list[int]:
    """The first token, most probable first, at which the summed probabilities pass a number."""
    probabilities = reference(logits, *setting)
    order = np.argsort(-np.asarray(logits), kind="stable")
    sums = probabilities[order].cumsum()
    return [int(order[np.searchsorted(sums, u, side="right")]) for u in numbers]


def check_distribution(found, logits, temperature, top_k, top_p):
    expected = reference(logits, temperature, top_k, top_p)
    np.testing.assert_allclose(found["probabilities"], expected, rtol=1e-12, atol=0)
    uncut = reference(logits, temperature)
    cut = expected == 0
    order = np.argsort(-np.asarray(logits), kind="stable")
    assert found["order"] == order.tolist()
    assert found["most"] == (len(expected) if top_k is None else top_k)
    assert found["kept"] >= (~cut).sum()
    if uncut.min() > 0:
        assert found["kept"] == (~cut).sum()
    assert found["cutAway"] == pytest.approx(uncut[cut].sum(), rel=1e-9, abs=1e-300)
    assert found["entropy"] == pytest.approx(entropy_bits(expected), rel=1e-9, abs=1e-12)


def test_the_module_computes_what_the_book_computes(open_page, tokens):
    cases = [(tokens.logits(k), *s) for s, k in zip(SETTINGS, itertools.cycle(range(3)))]
    random = np.random.default_rng(2)
    for _ in range(60):
        size = int(random.integers(2, 400))
        logits = random.normal(size=size) * random.uniform(0.01, 8) + random.normal() * 50
        logits = logits.round(random.integers(0, 4))  # few decimals: many ties
        top_k = None if random.random() < 0.3 else int(random.integers(1, size + 1))
        top_p = 1.0 if random.random() < 0.3 else random.integers(5, 101) / 100
        cases.append((logits, random.integers(2, 41) / 20, top_k, top_p))
    _, wide = made_up(4096, 1)
    cases += [(wide[0], *setting) for setting in SETTINGS]
    results = computed(open_page, tokens, cases)["found"]
    for found, case in zip(results, cases, strict=True):
        check_distribution(found, *case)


TIES = [
    # (logits, temperature, top_k, top_p), the tokens that are left
    ((np.zeros(4), 1, None, 0.5), [0, 1]),  # reached exactly: no third one
    ((np.zeros(4), 1, None, 0.51), [0, 1, 2]),
    ((np.zeros(10), 1, None, 0.3), [0, 1, 2]),  # 0.1 + 0.1 + 0.1 is more than 0.3 in float64
    ((np.zeros(10), 1, None, 0.8), [*range(8)]),  # and eight of them are less than 0.8
    ((np.zeros(1000), 0.1, None, 0.7), [*range(700)]),
    ((np.log([0.25, 0.5, 0.125, 0.125]), 1, None, 0.75), [0, 1]),
    ((np.log([0.25, 0.5, 0.125, 0.125]), 1, None, 0.76), [0, 1, 2]),
    ((np.log([0.1, 0.2, 0.3, 0.4]), 1, None, 0.7), [2, 3]),
    ((np.log([0.1, 0.2, 0.3, 0.4]), 1, 3, 0.44), [3]),  # 0.4 of the 0.9 that top-k leaves
    ((np.log([0.1, 0.2, 0.3, 0.4]), 1, 3, 0.45), [2, 3]),
    ((np.array([1.0, 2, 2, 2, 0]), 1, 2, 1.0), [1, 2]),
    ((np.array([1.0, 2, 2, 2, 0]), 2, 1, 0.05), [1]),
    ((np.array([0.0, -5000]), 0.1, None, 1.0), [0, 1]),  # the second has e^-50000
]


def test_ties_go_to_the_lower_index_and_p_that_is_reached_is_enough(open_page, tokens):
    results = computed(open_page, tokens, [case for case, _ in TIES])["found"]
    for found, (case, left) in zip(results, TIES, strict=True):
        assert sorted(found["order"][: found["kept"]]) == left
        check_distribution(found, *case)


def test_the_draws_are_those_of_the_distribution(open_page, tokens):
    cases = [(tokens.logits(0), *setting) for setting in SETTINGS]
    results = computed(open_page, tokens, cases)
    for drawn, case in zip(results["drawn"], cases, strict=True):
        assert drawn == drawn_by_hand(case[0], case[1:], xorshift(5, 20_000))
        expected = 20_000 * reference(*case)
        counts = np.bincount(drawn, minlength=300)
        assert not counts[expected == 0].any()
        often = expected >= 5
        chi2 = ((counts - expected)[often] ** 2 / expected[often]).sum()
        assert chi2 < often.sum() + 4 * np.sqrt(2 * often.sum())
    assert results["counts"] == [[3, 2], [1, 2], [2, 1], [0, 1]]


def test_the_generator_is_uniform_for_every_seed(open_page, tokens):
    results = computed(open_page, tokens, [])
    for seed, numbers in zip([0, 1, 2**32 - 2, 2**32 - 1], results["numbers"], strict=True):
        assert numbers == xorshift(seed, 1000)
        assert 0 <= min(numbers) < 0.01 < 0.99 < max(numbers) < 1
        assert np.mean(numbers) == pytest.approx(0.5, abs=0.04)


def test_the_slider_for_k_stops_at_every_small_k(open_page, tokens):
    for count, stops in zip(
        [2, 11, 13, 300, 4096], computed(open_page, tokens, [])["stops"], strict=True
    ):
        assert stops == stops_of(count)
        assert stops[:10] == [*range(1, min(count, 10) + 1)]
        assert stops[-1] == count
        assert (np.diff(stops) > 0).all()
        assert len(stops) < 40


# ---- the page ----


def stops_of(count: int) -> list[int]:
    round_ones = [m * 10**e for e in range(5) for m in (12, 15, 20, 25, 30, 40, 50, 60, 80, 100)]
    return [k for k in [*range(1, 11), *round_ones] if k < count] + [count]


def control(page, label: str):
    return page.get_by_role("slider", name=label)


def choose(page, temperature=1.0, top_k=None, top_p=1.0, count=300) -> None:
    control(page, "Temperature").fill(f"{temperature:g}")
    control(page, "Top-k").fill(str(stops_of(count).index(top_k or count)))
    control(page, "Top-p").fill(f"{top_p:g}")


def chart(page) -> list[dict]:
    """The rows as they are shown: label, the two numbers, words, and how long the bars are."""
    return page.locator(".nlpx-nt-chart tbody tr").evaluate_all(
        """rows => rows.map(row => ({
          label: row.querySelector("th").textContent,
          values: [...row.querySelectorAll("[data-value]")].map(n => +n.dataset.value),
          texts: [...row.querySelectorAll("[data-value]")].map(n => n.textContent),
          bars: ["now", "own"].map(one => row.querySelector(".nlpx-nt-" + one))
            .map(bar => bar && parseFloat(bar.style.width) / 100),
          said: row.querySelector(".nlpx-nt-said").textContent,
          cut: row.classList.contains("nlpx-nt-cut") }))"""
    )


def measures(page) -> list[list[float]]:
    """[now, own] of: tokens left, probability cut, entropy, perplexity."""
    return page.locator(".nlpx-nt-measures tbody tr").evaluate_all(
        "rows => rows.map(r => [...r.querySelectorAll('td')].map(n => +n.dataset.value))"
    )


def written(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.1e}" if value < 0.001 else f"{value:.3f}"


def batches(page) -> list[dict[str, int]]:
    """The drawn tokens with their counts, the newest round first."""
    return [
        {
            item.locator(".nlpx-nt-piece").inner_text(): int(
                item.locator(".nlpx-nt-times").inner_text().removeprefix("×")
            )
            for item in batch.locator("li").all()
        }
        for batch in page.locator(".nlpx-nt-batch").all()
    ]


@pytest.mark.parametrize("prompt", [0, 2])
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_page_shows_the_books_probabilities(open_page, tokens, setting, prompt):
    page = open_page(tokens.to_html())
    page.get_by_label("Prompt").select_option(index=prompt)
    choose(page, *setting)
    now, own = reference(tokens.logits(prompt), *setting), reference(tokens.logits(prompt))
    order = np.argsort(-own, kind="stable")
    rows = chart(page)
    assert [row["label"] for row in rows] == [
        *(readable_text(PIECES[i]) for i in order[:12]), "288 others",
    ]  # fmt: skip
    expected = [(now[i], own[i]) for i in order[:12]]
    rest = now[order[12:]].sum(), own[order[12:]].sum()
    for row, pair in zip(rows, [*expected, rest], strict=True):
        np.testing.assert_allclose(row["values"], pair, rtol=1e-9, atol=1e-300)
        assert row["texts"] == [written(value) for value in row["values"]]
    axis = float(page.locator(".nlpx-nt-axis span").last.inner_text())
    most = max(max(pair) for pair in expected)
    assert axis == next(a for a in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1) if most <= a)
    for row, pair in zip(rows[:12], expected, strict=True):
        np.testing.assert_allclose(row["bars"], np.array(pair) / axis, atol=1e-6)
    assert rows[12]["bars"] == [None, None]

    kept = int((now > 0).sum())
    by_k = 300 if setting[1] is None else setting[1]
    for rank, row in enumerate(rows):
        assert row["cut"] == (rank >= kept)
        if rank >= kept:
            assert row["texts"][0] == "0"
            assert row["said"] == ("cut by top-k" if rank >= by_k else "cut by top-p")
    if 12 < kept < 300:
        assert rows[12]["said"] == f"{kept - 12} left"
    uncut = reference(tokens.logits(prompt), setting[0])
    bits = entropy_bits(now), entropy_bits(own)
    np.testing.assert_allclose(
        measures(page),
        [[kept, 300], [uncut[now == 0].sum(), 0], bits, np.exp2(bits)],
        rtol=1e-9, atol=1e-12,
    )  # fmt: skip
    assert control(page, "Temperature").get_attribute("aria-valuetext") == f"{setting[0]:.2f}"
    k_text = "all 300" if setting[1] is None else str(setting[1])
    assert control(page, "Top-k").get_attribute("aria-valuetext") == k_text
    outputs = page.locator(".nlpx-nt-slider output").all_inner_texts()
    assert outputs == [f"{setting[0]:.2f}", k_text, f"{setting[2]:.2f}"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ((1, None, 1), "The model’s own distribution: temperature 1, nothing cut. Its entropy is "
                       "{own} bits."),
        ((0.5, None, 1), "Temperature 0.50 makes the choice sharper; nothing is cut. The entropy "
                         "is {now} bits, the model’s own is {own}."),
        ((2, 40, 1), "Temperature 2.00 makes the choice flatter; top-k leaves 40 tokens. The "
                     "entropy is {now} bits, the model’s own is {own}."),
        ((1, None, 0.8), "Temperature 1.00 leaves the probabilities as they are; top-p leaves "
                         "{kept} of 300. The entropy is {now} bits, the model’s own is {own}."),
        ((2, 20, 0.8), "Temperature 2.00 makes the choice flatter; top-k leaves 20 tokens, top-p "
                       "leaves {kept} of these. The entropy is {now} bits, the model’s own is "
                       "{own}."),
        ((1, 1, 1), "Temperature 1.00 leaves the probabilities as they are; top-k leaves 1 token. "
                    "Only “{first}” can be drawn: the entropy is 0 bits, the model’s own is "
                    "{own}."),
    ],
)  # fmt: skip
def test_the_status_says_what_the_setting_does(open_page, tokens, setting, words):
    page = open_page(tokens.to_html())
    control(page, "Top-p").fill("0.5")  # and away from there again
    choose(page, *setting)
    now, own = reference(tokens.logits(0), *setting), reference(tokens.logits(0))
    sentence = words.format(
        now=f"{entropy_bits(now):.2f}", own=f"{entropy_bits(own):.2f}", kept=(now > 0).sum(),
        first=readable_text(PIECES[own.argmax()]),
    )  # fmt: skip
    expect(page.locator(".nlpx-status")).to_have_text(sentence)


def test_the_prompts_are_chosen_by_mouse_and_by_keyboard(open_page, tokens):
    page = open_page(tokens.to_html())
    line, select = page.locator(".nlpx-nt-prompt"), page.get_by_label("Prompt")
    assert select.locator("option").all_inner_texts() == [p.replace("\n", "⏎") for p in PROMPTS]
    assert line.inner_text() == PROMPTS[0] + "?"
    select.focus()
    page.keyboard.press("ArrowDown")
    assert line.inner_text() == PROMPTS[1] + "?"
    expect(select).to_be_focused()
    assert measures(page)[2][1] == pytest.approx(entropy_bits(reference(tokens.logits(1))))
    select.select_option(index=2)
    assert line.inner_text() == "Once upon a time⏎\nthere was?"
    chosen = open_page(NextToken(PIECES, PROMPTS, LOGITS, prompt=1).to_html())
    assert chosen.get_by_label("Prompt").input_value() == "1"
    assert chosen.locator(".nlpx-nt-prompt").inner_text() == PROMPTS[1] + "?"


def test_sliders_by_keyboard_and_by_mouse(open_page, tokens):
    page = open_page(tokens.to_html())
    outputs = page.locator(".nlpx-nt-slider output")
    for label, place, key, text in [
        ("Temperature", 0, "ArrowRight", "1.05"), ("Temperature", 0, "Home", "0.10"),
        ("Temperature", 0, "ArrowRight", "0.15"), ("Temperature", 0, "End", "2.00"),
        ("Top-k", 1, "ArrowLeft", "250"), ("Top-k", 1, "Home", "1"), ("Top-k", 1, "ArrowUp", "2"),
        ("Top-k", 1, "End", "all 300"), ("Top-p", 2, "ArrowLeft", "0.99"),
        ("Top-p", 2, "Home", "0.05"), ("Top-p", 2, "ArrowRight", "0.06"),
    ]:  # fmt: skip
        control(page, label).focus()
        page.keyboard.press(key)
        assert outputs.nth(place).inner_text() == text
        expect(control(page, label)).to_be_focused()
    now = reference(tokens.logits(0), 2.0, None, 0.06)
    assert measures(page)[0][0] == (now > 0).sum()
    for label, place, most in [("Temperature", 0, 0.1), ("Top-k", 1, 1), ("Top-p", 2, 0.06)]:
        box = control(page, label).bounding_box()
        page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
        assert float(outputs.nth(place).inner_text()) <= most
    assert measures(page)[0] == [1, 300]


def test_all_twenty_steps_of_temperature_are_round_numbers(open_page, tokens):
    page = open_page(tokens.to_html())
    slider = control(page, "Temperature")
    slider.focus()
    page.keyboard.press("Home")
    for k in range(2, 41):
        assert page.locator(".nlpx-nt-slider output").first.inner_text() == f"{k / 20:.2f}"
        page.keyboard.press("ArrowRight")


def test_back_to_the_models_own(open_page, tokens):
    page = open_page(NextToken(PIECES, PROMPTS, LOGITS, prompt=1, temperature=0.5, top_k=7,
                               top_p=0.6).to_html())  # fmt: skip
    back = page.get_by_role("button", name="Back to the model’s own")
    before = measures(page)
    assert before[0][0] < 7
    assert back.get_attribute("aria-disabled") == "false"
    back.focus()
    page.keyboard.press("Enter")
    assert [now for now, _ in measures(page)] == [own for _, own in before]
    assert page.locator(".nlpx-nt-slider output").all_inner_texts() == ["1.00", "all 300", "1.00"]
    assert [slider.input_value() for slider in page.get_by_role("slider").all()] == [
        "1", str(len(stops_of(300)) - 1), "1",
    ]  # fmt: skip
    assert page.get_by_label("Prompt").input_value() == "1"
    expect(page.locator(".nlpx-status")).to_contain_text("The model’s own distribution")
    assert back.get_attribute("aria-disabled") == "true"
    expect(back).to_be_focused()
    choose(page, top_p=0.9)
    back.click()
    assert measures(page)[0][0] == 300


def test_draw_twenty_by_mouse_and_by_keyboard(open_page, tokens):
    page = open_page(tokens.to_html())
    button = page.get_by_role("button", name="Draw 20")
    numbers, drawn = xorshift(0, 100), []
    expect(page.locator(".nlpx-nt-log")).to_contain_text("see how many different ones come")
    settings = [(1, None, 1), (2, None, 1), (0.5, 40, 0.8), (1, 1, 1)]
    for round_, setting in enumerate(settings):
        choose(page, *setting)
        if round_ % 2:
            button.focus()
            page.keyboard.press("Space")
            expect(button).to_be_focused()
        else:
            button.click()
        picked = drawn_by_hand(tokens.logits(0), setting, numbers[20 * round_ : 20 * round_ + 20])
        expected = {readable_text(PIECES[i]): picked.count(i) for i in picked}
        found = batches(page)
        assert found[0] == expected
        assert sum(found[0].values()) == 20
        counts = [*found[0].values()]
        assert counts == sorted(counts, reverse=True)
        drawn.insert(0, expected)
        assert found == drawn[:3]
        temperature, top_k, top_p = setting
        words = f"temperature {temperature:.2f}, top-k {top_k or 'all'}, top-p {top_p:.2f}"
        n = len(expected)
        different = "one token only" if n == 1 else f"{n} different tokens"
        first = page.locator(".nlpx-nt-batch").first.locator("p").inner_text()
        assert first == f"{different} at {words}"
        token = next(iter(found[0]))
        often = f" most often ({counts[0]})" if n > 1 else ""
        assert status(page, NAME) == f"20 drawn at {words}: {different}, “{token}”{often}."
    assert len(drawn[2]) > len(drawn[3]) > len(drawn[1]) > len(drawn[0]) == 1
    control(page, "Temperature").fill("1.4")  # the rounds stay, with their own setting
    assert batches(page) == drawn[:3]
    page.get_by_label("Prompt").select_option(index=1)
    assert batches(page) == []


def test_the_same_seed_draws_the_same_and_another_one_other_tokens(open_page, tokens):
    rounds = []
    for seed in (0, 0, 1):
        page = open_page(NextToken(PIECES, PROMPTS, LOGITS, seed=seed).to_html())
        for _ in range(2):
            page.get_by_role("button", name="Draw 20").click()
        rounds.append(batches(page))
    assert rounds[0] == rounds[1] != rounds[2]
    assert rounds[0][0] != rounds[0][1]


def test_the_drawn_sentence_is_not_talked_over(open_page, tokens):
    page = open_page(tokens.to_html())
    choose(page, 0.5)
    page.get_by_role("button", name="Draw 20").click()
    page.wait_for_timeout(600)
    assert status(page, NAME).startswith("20 drawn at temperature 0.50")


def test_a_moving_slider_does_not_make_the_live_region_talk(open_page, tokens):
    page = open_page(tokens.to_html())
    page.evaluate("""() => { window.said = []; new MutationObserver(() => said.push(
      document.querySelector(".nlpx-status").textContent)).observe(
      document.querySelector(".nlpx-status"), { childList: true, characterData: true,
      subtree: true }); }""")
    control(page, "Temperature").focus()
    for _ in range(16):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".nlpx-status")).to_contain_text("Temperature 0.20 makes")
    assert len(page.evaluate("said")) <= 3


@pytest.mark.parametrize("count", [2, 5, 12, 13])
def test_small_vocabularies(open_page, count):
    pieces = [f"w{k}" for k in range(count)]
    small = NextToken(pieces, ["x"], np.linspace(0, 1, count)[None])
    page = open_page(small.to_html())
    rows = chart(page)
    assert len(rows) == count
    if count < 13:
        assert [row["label"] for row in rows] == pieces[::-1]
        expect(page.locator(".nlpx-nt-chart caption")).to_have_text(f"All {count} tokens")
    else:
        assert rows[-1]["label"] == "1 other"
    for key in ("Home", "End"):
        control(page, "Top-k").press(key)
        expected = reference(small.logits(0), 1.0, 1 if key == "Home" else None)
        values = [row["values"][0] for row in chart(page)][:12]
        np.testing.assert_allclose(values, expected[::-1][:12])
        assert "NaN" not in part(page, NAME).evaluate("node => node.outerHTML")


def test_a_token_that_can_be_drawn_but_hardly_is_not_called_cut(open_page):
    rare = NextToken(["a", "b", "c"], ["x"], [[0.0, -99.0, -5.0]], temperature=0.1)
    page = open_page(rare.to_html())
    assert [row["texts"][0] for row in chart(page)] == ["1.000", "1.9e-22", "≈0"]
    assert [row["cut"] for row in chart(page)] == [False] * 3
    assert measures(page)[0] == [3, 3]


HOSTILE = [
    "</script><!--<b>&\"'", "<img src=x onerror=window.pwned=1>", " \n\t\x00\x1b\x7f", "&amp;",
    "\u202edesrever", "\u0301", "\ud83d", "\u2028", "`${pwned}`", "\u05d0\u05d1", "x" * 60,
    "\ufffd",
]  # fmt: skip


def test_hostile_text_is_shown_as_it_is_written(open_page):
    prompts = [HOSTILE[0], "a\x00\u202e<i>\ud800"]
    logits = [-np.arange(12.0) / 10, np.zeros(12)]
    hostile = NextToken(HOSTILE, prompts, logits)
    page = open_page(hostile.to_html())
    labels = [row["label"] for row in chart(page)]
    expected = [readable_text(piece) for piece in HOSTILE]
    expected[1] = "<img␣src=x␣onerror=windo…"
    expected[5] = "\u25cc\u0301"  # an accent sits on a circle
    expected[10] = "x" * 24 + "…"
    assert labels == expected
    for _ in range(3):
        page.get_by_role("button", name="Draw 20").click()
    assert page.locator(".nlpx-nt-prompt").inner_text() == f"{prompts[0]}?"
    page.get_by_label("Prompt").select_option(index=1)
    assert page.locator(".nlpx-nt-prompt").inner_text() == r"a\x00\u202e<i>\ud800?"
    assert part(page, NAME).locator("script, b, i, u, img").count() == 0
    assert page.evaluate("window.pwned") is None
    page = open_page(hostile.to_html(), scripts=False)
    text = page.locator(".nlpx-fallback").inner_text()
    for one in (
        HOSTILE[0],
        "<img␣src=x␣onerror=window.pwned=1>",
        r"␣⏎⇥\x00\x1b\x7f",
        "&amp;",
        r"\u202edesrever",
    ):
        assert one in text
    assert page.locator(".nlpx-fallback :is(script, b, i, img)").count() == 0


def test_two_on_a_page_and_with_the_kernel(open_page, tokens):
    page = open_page(
        tokens.to_html(), NextToken(PIECES, PROMPTS, LOGITS, name="other", prompt=1).to_html()
    )
    part(page, "other").get_by_label("Top-k").fill("4")
    part(page, "other").get_by_role("button", name="Draw 20").click()
    assert "top-k 5" in status(page, "other")
    assert status(page, NAME).startswith("The model’s own")
    assert part(page, NAME).locator(".nlpx-nt-batch").count() == 0
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))
    page = live(open_page, tokens)
    choose(page, 0.5, 40, 0.9)
    page.get_by_label("Prompt").select_option(index=2)
    values = page.evaluate(
        "['temperature', 'top_k', 'top_p', 'prompt'].map(k => testModel.values[k])"
    )
    assert values == [0.5, 40, 0.9, 2]
    page.get_by_role("button", name="Back to").click()
    assert page.evaluate("testModel.values.top_k") is None
    assert page.evaluate("testModel.saved") > 0
    page.evaluate("() => { testModel.set('temperature', 0.73); testModel.set('top_k', 37); "
                  "testModel.set('top_p', 0.875); testModel.set('prompt', 1); }")  # fmt: skip
    expect(page.locator(".nlpx-status")).to_contain_text(
        "Temperature 0.73 makes the choice sharper"
    )
    outputs = page.locator(".nlpx-nt-slider output").all_inner_texts()
    assert outputs == ["0.73", "37", "0.875"]  # though no slider can stop there
    now = reference(tokens.logits(1), 0.73, 37, 0.875)
    assert measures(page)[0][0] == (now > 0).sum()
    assert control(page, "Top-k").get_attribute("aria-valuetext") == "37"
    page.evaluate("window.testStop()")
    assert page.evaluate("window.testHandlers()") == 0


def test_a_real_vocabulary_is_fast_enough_to_slide(open_page):
    pieces, logits = made_up(4096, 5)
    page = open_page(NextToken(pieces, [*"abcde"], logits).to_html())
    control(page, "Temperature").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert measures(page)[2][0] > measures(page)[2][1]
    kept = NextToken(pieces, [*"abcde"], logits).logits(0)
    assert measures(page)[2][0] == pytest.approx(entropy_bits(reference(kept, 1.5)))


OUTSIDE = """() => { const right = document.querySelector(".nlpx-live .nlpx")
  .getBoundingClientRect().right;
  return [...document.querySelectorAll(".nlpx-live .nlpx *")].filter(node =>
    node.getBoundingClientRect().right > right).map(node => node.outerHTML); }"""


@pytest.mark.parametrize("width", [320, 360, 390])
def test_a_phone_needs_no_sideways_scrolling(open_page, width):
    long = ["A" * 40 + " prompt", "One that is longer than any phone is wide, by far " * 2]
    page = open_page(NextToken(PIECES[:-1] + ["Donaudampfschifffahrt"], long,
                               np.r_[LOGITS[0][:-1], 9][None].repeat(2, 0)).to_html(),
                     width=width)  # fmt: skip
    assert "Donaudampfschifffahrt" in chart(page)[0]["label"]
    for prompt, setting in [(0, (1, None, 1)), (1, (0.1, 2, 0.9)), (1, (2, 250, 0.95))]:
        page.get_by_label("Prompt").select_option(index=prompt)
        choose(page, *setting)
        page.get_by_role("button", name="Draw 20").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == []
    label, bar, value = (
        page.locator(".nlpx-nt-slider").first.locator(one).bounding_box()
        for one in ("label", "input", "output")
    )
    assert label["x"] + label["width"] <= bar["x"]
    assert bar["x"] + bar["width"] <= value["x"]
    track = page.locator(".nlpx-nt-track").first.bounding_box()
    assert track["width"] >= 50
    for cell in page.locator(".nlpx-nt-chart td, .nlpx-nt-chart th, .nlpx-nt-measures td").all():
        assert cell.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    sizes = page.locator(".nlpx-live .nlpx *").evaluate_all(
        "nodes => nodes.filter(n => n.textContent.trim()).map(n => "
        "parseFloat(getComputedStyle(n).fontSize))"
    )
    assert min(sizes) >= 11.5
    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".nlpx-nt-part").all()}
    assert len(lefts) == 1
    page.set_viewport_size({"width": 900, "height": 900})
    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".nlpx-nt-part").all()}
    assert len(lefts) == 2


@pytest.mark.parametrize("width", [360, 900])
def test_a_later_explorable_does_not_change_its_look(open_page, tokens, width):
    boxes = []
    for later in ([], [Quiz(name="quiz", questions=QUIZ).to_html()]):
        page = open_page(tokens.to_html(), *later, width=width, reduced_motion="reduce")
        choose(page, 1.5, 100, 0.9)
        page.get_by_role("button", name="Draw 20").click()
        page.evaluate("scrollTo(0, 0)")
        boxes.append(
            page.locator('[data-explorable="next-token"] .nlpx-live *').evaluate_all(
                """nodes => nodes.map(n => { const b = n.getBoundingClientRect();
                  const s = getComputedStyle(n);
                  return [n.className, b.x, b.y, b.width, b.height, s.color,
                    s.backgroundColor, s.borderTopColor, s.borderLeftColor, s.fontWeight,
                    s.fontSize]; })"""
            )
        )
    assert len(boxes[0]) > 150
    assert boxes[0] == boxes[1]


def test_names_focus_and_live_region(open_page, tokens):
    page = open_page(tokens.to_html())
    assert problems_of_names(page) == []
    assert part(page, NAME).locator('[role=status][aria-live="polite"]').count() == 1
    stops = tab_stops(page)
    kinds = [name.split(".")[0] for name, _ in stops]
    assert kinds == ["SELECT", "INPUT", "INPUT", "INPUT", "BUTTON", "BUTTON"]
    assert [stop for stop in stops if stop[1] < 2] == []
    for row in page.locator(".nlpx-nt-chart tbody tr").all():
        assert row.locator('th[scope="row"]').count() == 1
        assert row.locator("td").count() == 3
    assert page.get_by_role("table", name="The 12 most probable next tokens, of 300").count() == 1
    heads = page.locator("table thead th").all_inner_texts()
    assert all(head.strip() for head in heads)


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
  return [style(".nlpx-nt-now").backgroundColor, style(".nlpx-nt-own").borderTopColor,
    style("tr.nlpx-nt-cut .nlpx-nt-own").borderTopColor, style(".nlpx-nt-slot").borderTopColor,
    style(".nlpx-nt-select").borderTopColor].map((colour) => {
      const [low, high] = [light(colour), ground].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    });
}"""


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_and_all_marks_are_readable_in_every_theme(open_page, tokens, theme):
    page = open_page(tokens.to_html(), reduced_motion="reduce", **theme_options(theme))
    for setting in [(1, None, 1), (0.5, 5, 1), (2, None, 0.5)]:
        choose(page, *setting)
        page.get_by_role("button", name="Draw 20").click()
        found = contrasts(page)
        assert len(found) > 80
        assert [entry for entry in found if entry[0] < 4.5] == []
    choose(page, 1, 2, 1)
    assert min(page.evaluate(MARK_CONTRASTS)) >= 3


def test_what_is_cut_is_not_told_by_colour_alone(open_page, tokens):
    page = open_page(tokens.to_html())
    choose(page, 1, 3, 1)
    kept, cut = (
        page.locator(f"tr.nlpx-nt-token{one} .nlpx-nt-own").first.evaluate(
            "node => getComputedStyle(node).borderTopStyle"
        )
        for one in (":not(.nlpx-nt-cut)", ".nlpx-nt-cut")
    )
    assert (kept, cut) == ("solid", "dashed")
    rows = chart(page)
    assert [row["said"] for row in rows] == [""] * 3 + ["cut by top-k"] * 10
    legend = page.locator(".nlpx-nt-legend li").all_inner_texts()
    assert legend == ["now", "the model’s own: temperature 1, nothing cut", "cut: cannot be drawn"]


def test_reduced_motion_is_respected(open_page, tokens):
    for preference, moves in [("reduce", False), ("no-preference", True)]:
        page = open_page(tokens.to_html(), reduced_motion=preference)
        duration = page.locator(".nlpx-nt-now").first.evaluate(
            "node => parseFloat(getComputedStyle(node).transitionDuration)"
        )
        assert (duration > 0) == moves

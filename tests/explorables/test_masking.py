"""Masking: its draws against BERT's recipe, the page against Python, and use by mouse and keys."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from playwright.sync_api import expect
from traitlets import TraitError

from nlp_helpers.exercises.elmo import QUIZ
from nlp_helpers.explorables.base import script_json
from nlp_helpers.explorables.masking import MAX_DRAWS, Chosen, Masking, number_chosen
from nlp_helpers.explorables.quiz import Quiz
from tests.book.browser_checks import SERIOUS, axe_violations, find_axe
from tests.explorables.page_checks import contrasts, problems_of_names, tab_stops, theme_options
from tests.explorables.test_browser import THEMES, live, part, status
from tests.explorables.test_next_token import xorshift
from tests.explorables.test_python_side import visible_text

NAME = "masking"
TEXTS = [
    text.split()
    for text in (
        "[CLS] the old man went to the bank of the river . [SEP] he sat down there . [SEP]",
        "[CLS] the em ##bank ##ment was flooded after three days of rain . [SEP]",
        "[CLS] rain [SEP]",
    )
] + [
    ["[CLS]", *[f"t{k}" for k in range(30)], "[SEP]", *[f"u{k}" for k in range(8)], "[SEP]"],
]  # 16, 12, 1 and 38 tokens that may be chosen
PIECES = ["a", "of", "dog", "##ing", "money", "house", "##s", "green", "walked", "the"]
SIGNS = {"mask": "■", "random": "⇄", "kept": "="}
ALWAYS = (1, 0, 0)


@pytest.fixture
def masking() -> Masking:
    return Masking(TEXTS, PIECES)


def made(**changes) -> Masking:
    return Masking(TEXTS, PIECES, **changes)


def drawn_by_hand(explorable: Masking, text: int, number: int) -> list[Chosen]:
    """BERT's recipe with the generator of the other explorables: shuffle, take, replace."""
    tokens, seed = explorable.texts[text], explorable.seed
    for value in (text, number if explorable.dynamic else 1):
        seed = int(xorshift((seed + value) % 2**32, 1)[0] * 2**32)
    left = [k for k, token in enumerate(tokens) if token not in explorable.specials]
    numbers = iter(xorshift(seed, 3 * len(left)))
    chosen = []
    for _ in range(max(1, round(explorable.rate * len(left)))):
        at = int(next(numbers) * len(left))
        place, left[at] = left[at], left[0]
        left.pop(0)
        u, piece = next(numbers), PIECES[int(next(numbers) * len(PIECES))]
        to_mask, to_random, _ = explorable.shares
        if u < to_mask:
            chosen.append(Chosen(place, "mask", "[MASK]"))
        elif u < to_mask + to_random:
            chosen.append(Chosen(place, "random", piece))
        else:
            chosen.append(Chosen(place, "kept", tokens[place]))
    return sorted(chosen)


# ---- the Python side ----


@pytest.mark.parametrize(
    ("rate", "n", "chosen"),
    [
        (0.15, 1, 1), (0.05, 7, 1), (0.15, 3, 1), (0.15, 10, 2), (0.15, 30, 4), (0.15, 50, 8),
        (0.5, 1, 1), (0.5, 3, 2), (0.5, 5, 2), (0.5, 7, 4), (0.15, 38, 6), (0.15, 128, 19),
    ],
)  # fmt: skip
def test_the_number_chosen_is_at_least_one_and_halves_go_to_the_even_number(rate, n, chosen):
    assert number_chosen(rate, n) == chosen
    one = Masking([[f"t{k}" for k in range(n)]], PIECES, rate=rate)
    assert {len(one.draw(0, number)) for number in range(1, 6)} == {chosen}


@pytest.mark.parametrize("seed", [0, 1, 77, 2**32 - 1])
@pytest.mark.parametrize("dynamic", [True, False])
def test_draws_are_those_of_the_recipe(seed, dynamic):
    shares = [(0.8, 0.1, 0.1), ALWAYS, (0, 1, 0), (0, 0, 1), (0.57, 0.43, 0), (0.34, 0.33, 0.33)]
    for rate, share in itertools.product((0.05, 0.15, 0.33, 0.5), shares):
        one = made(seed=seed, rate=rate, shares=share, dynamic=dynamic)
        for text, number in itertools.product(range(4), (1, 2, 3, 1000)):
            found = one.draw(text, number)
            assert found == drawn_by_hand(one, text, number)
            assert all(TEXTS[text][place] not in one.specials for place, _, _ in found)
            assert len({place for place, _, _ in found}) == len(found)
            assert {kind for _, kind, _ in found} <= {
                kind for kind, part in zip(SIGNS, share, strict=True) if part
            }


def chi2_is_usual(counts, expected) -> bool:
    counts, expected = np.asarray(counts, float), np.asarray(expected, float)
    chi2 = ((counts - expected) ** 2 / expected).sum()
    return chi2 < len(counts) + 4 * np.sqrt(2 * len(counts))


def test_all_places_kinds_and_pieces_come_as_often_as_they_should():
    one = made(shares=(0.5, 0.3, 0.2))
    draws = [one.draw(3, number) for number in range(1, 4001)]
    places = Counter(place for draw in draws for place, _, _ in draw)
    assert sorted(places) == one.free(3)
    assert chi2_is_usual([*places.values()], [4000 * 6 / 38] * 38)
    kinds = Counter(kind for draw in draws for _, kind, _ in draw)
    assert chi2_is_usual(
        [kinds[kind] for kind in SIGNS], 24_000 * np.array(one.shares)
    )  # each place by itself, so that a draw may have none of a kind
    pieces = Counter(token for draw in draws for _, kind, token in draw if kind == "random")
    assert chi2_is_usual([pieces[piece] for piece in PIECES], [kinds["random"] / 10] * 10)
    masked = Counter(sum(kind == "mask" for _, kind, _ in draw) for draw in draws)
    binomial = [4000 * c / 64 for c in (1, 6, 15, 20, 15, 6, 1)]
    assert chi2_is_usual([masked[k] for k in range(7)], binomial)


def test_draws_texts_and_seeds_have_nothing_in_common():
    """The overlap of two draws of 6 of 38 places is hypergeometric: mean 36/38."""
    one, other = made(), made(seed=1)
    same_tokens = Masking([TEXTS[3]] * 2, PIECES)

    def places(explorable, text, number):
        return {place for place, _, _ in explorable.draw(text, number)}

    pairs = {
        "next draw": lambda k: (places(one, 3, k), places(one, 3, k + 1)),
        "another seed": lambda k: (places(one, 3, k), places(other, 3, k)),
        "another text": lambda k: (places(same_tokens, 0, k), places(same_tokens, 1, k)),
    }
    p = 6 / 38
    deviation = np.sqrt(6 * p * (1 - p) * (38 - 6) / (38 - 1) / 2000)
    for name, pair in pairs.items():
        overlaps = [len(a & b) for a, b in map(pair, range(1, 2001))]
        assert np.mean(overlaps) == pytest.approx(36 / 38, abs=4 * deviation), name
    assert len({tuple(one.draw(3, k)) for k in range(1, 2001)}) == 2000


def test_a_higher_rate_adds_places_and_other_shares_move_none():
    rates = [k / 100 for k in range(5, 51)]
    draws = [{one.place: one for one in made(rate=rate).draw(3, 7)} for rate in rates]
    for low, high in itertools.pairwise(draws):
        assert low.items() <= high.items()
    assert len(draws[0]) < len(draws[-1]) == 19
    places = [
        [one.place for one in made(shares=shares).draw(0, 2)]
        for shares in ((0.8, 0.1, 0.1), ALWAYS, (0, 0.5, 0.5))
    ]
    assert places[0] == places[1] == places[2]


def test_static_masking_repeats_the_first_draw():
    static, dynamic = made(dynamic=False), made()
    for text in range(4):
        assert static.draw(text, 1) == static.draw(text, 2) == static.draw(text, 500)
        assert static.draw(text, 1) == dynamic.draw(text, 1)
    assert dynamic.draw(0, 1) != dynamic.draw(0, 2)


@pytest.mark.parametrize("dynamic", [True, False])
def test_counts_are_the_sums_of_the_draws(dynamic):
    one = made(dynamic=dynamic, seed=3)
    for text, number in [(0, 1), (0, 25), (1, 7), (2, 3), (3, 100)]:
        draws = [drawn_by_hand(one, text, k) for k in range(1, number + 1)]
        kinds = Counter(kind for draw in draws for _, kind, _ in draw)
        n = len(one.free(text))
        assert one.counts(text, number) == {
            "free": n * number, "chosen": sum(kinds.values()), **{k: kinds[k] for k in SIGNS},
            "places": len({place for draw in draws for place, _, _ in draw}),
        }  # fmt: skip
    assert one.counts(3, 100)["places"] == (38 if dynamic else 6)


def test_the_state_is_the_traits_and_the_page_is_the_same_every_time(masking):
    assert made().to_html() == masking.to_html()
    assert repr(masking) == "Masking('masking')"
    state = masking.page_state()
    assert set(state) == {
        "name", "texts", "pieces", "specials", "seed", "rate", "shares", "dynamic", "text",
        "number", "compare",
    }  # fmt: skip
    keys = ("rate", "shares", "dynamic", "text", "number", "compare", "seed")
    assert [state[key] for key in keys] == [0.15, [0.8, 0.1, 0.1], True, 0, 1, False, 0]
    assert state["specials"] == ["[CLS]", "[SEP]", "[PAD]"]
    assert not re.search(r"://|@import|\burl\(|\bsrc=|\bhref=", masking.to_html())
    assert f'"{Masking.title}"' in str(masking._esm)
    chosen = Masking(
        tuple(map(tuple, TEXTS)), tuple(PIECES), specials=(".",), name="other", rate=0.5,
        shares=np.array([0.29, 0.7, 0.01]), seed=np.int64(5), dynamic=False, text=np.int64(3),
        number=np.int64(7), compare=True,
    )  # fmt: skip
    assert (chosen.name, chosen.rate, chosen.shares) == ("other", 0.5, [0.29, 0.7, 0.01])
    assert (chosen.seed, chosen.dynamic, chosen.text, chosen.number) == (5, False, 3, 7)
    assert chosen.compare
    assert chosen.free(2) == [0, 1, 2]


def test_five_texts_and_three_hundred_pieces_are_small_and_too_much_is_refused():
    texts = [["[CLS]", *[f"word{k}" for k in range(38)], "[SEP]"]] * 5
    state = Masking(texts, [f"piece{k}" for k in range(300)]).page_state()
    assert len(script_json(state).encode()) < 8_000
    with pytest.raises(ValueError, match=r"'masking' takes \d{3},\d{3} bytes.*200,000"):
        Masking(texts, [f"piece{k}" for k in range(20_000)])


def test_python_sees_what_the_page_sets(masking):
    masking.set_state({"text": 1, "rate": 0.3, "shares": [1, 0, 0], "dynamic": False, "number": 9})
    assert masking.draw(1, 9) == made(rate=0.3, shares=ALWAYS, dynamic=False).draw(1, 1)
    assert '"number":9' in masking.to_html()
    masking.rate = 0.123456789
    assert masking.rate == masking.page_state()["rate"] == 0.123457


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"texts": "a b"}, TypeError, "texts must be a list of lists of tokens, got str"),
        ({"texts": {"a": 1}}, TypeError, "texts must be a list of lists of tokens, got dict"),
        ({"texts": []}, ValueError, "texts must not be empty"),
        ({"texts": ["a b"]}, TypeError, r"texts\[0\] must be a list of tokens, got str"),
        ({"texts": [["a"], [3]]}, TypeError, r"texts\[1\]\[0\] must be a string, got int"),
        ({"texts": [["a", ""]]}, ValueError, r"texts\[0\]\[1\] must have 1 to 40 char.*got ''"),
        ({"texts": [["x" * 41]]}, ValueError, r"texts\[0\]\[0\] must have 1 to 40 characters"),
        ({"texts": [["a b"]]}, ValueError, r"texts\[0\]\[0\] must have no space .*got 'a b'"),
        ({"texts": [["a\n"]]}, ValueError, r"nothing that cannot be seen, got 'a\\n'"),
        ({"texts": [["\u202ea"]]}, ValueError, r"nothing that cannot be seen, got '\\u202ea'"),
        ({"texts": [["\ud800"]]}, ValueError, r"nothing that cannot be seen, got '\\ud800'"),
        ({"texts": [["a"] * 129]}, ValueError, r"texts\[0\] must have at most 128 tokens, got 129"),
        ({"texts": [["a", "[MASK]"]]}, ValueError, r"not be masked already, got \[MASK\] at 1"),
        ({"texts": [["a"], ["[CLS]", "[SEP]"]]}, ValueError,
         r"texts\[1\] must have a token that is not special, got \['\[CLS\]', '\[SEP\]'\]"),
        ({"texts": [[]]}, ValueError, r"\[0\] must have a token that is not special, got \[\]"),
        ({"pieces": "ab"}, TypeError, "pieces must be a list of tokens, got str"),
        ({"pieces": []}, ValueError, "pieces must not be empty"),
        ({"pieces": ["a", None]}, TypeError, r"pieces\[1\] must be a string, got NoneType"),
        ({"pieces": ["a", " "]}, ValueError, r"pieces\[1\] must have no space"),
        ({"pieces": ["a", "b", "a"]}, ValueError, "each piece may occur once, got again: .'a'."),
        ({"pieces": ["a", "[SEP]"]}, ValueError, r"\[1\] must be an ordinary token, got '\[SEP"),
        ({"pieces": ["[MASK]"]}, ValueError, r"pieces\[0\] must be an ordinary token, got '\[MASK"),
        ({"specials": "[CLS]"}, TypeError, "specials must be a list of tokens, got str"),
        ({"specials": [1]}, TypeError, r"specials\[0\] must be a string, got int"),
        ({"specials": ("a", "rain")}, ValueError, r"\[0\] must be an ordinary token, got 'a'"),
        ({"rate": 0.04}, ValueError, r"rate must be in \[0.05, 0.5\], got 0.04"),
        ({"rate": 0.51}, ValueError, r"rate must be in \[0.05, 0.5\], got 0.51"),
        ({"rate": np.nan}, ValueError, "rate must be in .*, got nan"),
        ({"rate": "15"}, TypeError, "rate must be a number, got str"),
        ({"shares": (0.8, 0.2)}, ValueError, r"shares must have shape \[3\], got \[2\]"),
        ({"shares": (0.8, 0.1, 0.2)}, ValueError, r"shares must sum to 1, got \[0.8, 0.1, 0.2\]"),
        ({"shares": (1.1, -0.1, 0)}, ValueError, r"must be whole percents from 0 to 1, got \[1.1,"),
        ({"shares": (0.805, 0.1, 0.095)}, ValueError, "must be whole percents .*got .0.805"),
        ({"shares": (np.nan, 0, 0)}, ValueError, "shares must be finite, got nan"),
        ({"shares": "abc"}, TypeError, "shares must hold real numbers"),
        ({"dynamic": 1}, TypeError, "dynamic must be a bool, got int"),
        ({"compare": "yes"}, TypeError, "compare must be a bool, got str"),
        ({"text": 4}, ValueError, "text must be between 0 and 3, got 4"),
        ({"text": "0"}, TypeError, "text must be an int, got str"),
        ({"seed": -1}, ValueError, "seed must be between 0 and 4294967295, got -1"),
        ({"seed": 0.5}, TypeError, "seed must be an int, got float"),
        ({"number": 0}, ValueError, "number must be between 1 and 10000, got 0"),
        ({"number": 10_001}, ValueError, "number must be between 1 and 10000, got 10001"),
        ({"number": 1.0}, TypeError, "number must be an int, got float"),
        ({"name": "a b"}, ValueError, "name must be"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(changes, error, words):
    with pytest.raises(error, match=words):
        Masking(**({"texts": TEXTS, "pieces": PIECES} | changes))


@pytest.mark.parametrize(
    ("trait", "value"),
    [("text", 4), ("text", -1), ("seed", 2**32), ("number", 0), ("number", MAX_DRAWS + 1),
     ("rate", 0.01), ("rate", 0.6), ("shares", [0.5, 0.5, 0.5]), ("shares", [1.0])],
)  # fmt: skip
def test_bad_changes_are_refused(masking, trait, value):
    before = getattr(masking, trait)
    with pytest.raises(ValueError, match=trait):
        setattr(masking, trait, value)
    with pytest.raises((TraitError, TypeError), match=trait):
        setattr(masking, trait, "x")
    assert getattr(masking, trait) == before


@pytest.mark.parametrize("method", ["draw", "counts"])
@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize(
    ("text", "number", "error", "words"),
    [
        (4, 1, ValueError, "text must be between 0 and 3, got 4"),
        ("a", 1, TypeError, "text must be an int, got str"),
        (0, 0, ValueError, "number must be between 1 and 10000, got 0"),
        (0, True, TypeError, "number must be an int, got bool"),
    ],
)
def test_bad_draws_are_named(method, dynamic, text, number, error, words):
    with pytest.raises(error, match=words):
        getattr(made(dynamic=dynamic), method)(text, number)


@pytest.mark.parametrize("dynamic", [True, False])
def test_without_scripts_it_is_tables_of_counts_and_of_the_first_draw(open_page, dynamic):
    one = made(dynamic=dynamic, text=3)
    unit = "draw" if dynamic else "epoch"
    first, all_ = one.counts(3, 1), one.counts(3, 100)
    places = (38, 100 * (1 - (32 / 38) ** 100), 100 * (1 - 0.85**100)) if dynamic else (
        6, 100 * 6 / 38, 15)  # fmt: skip
    rows = [("may be chosen", 38, 3800, 100, 100, 100)]
    for key, label, share in [("chosen", "chosen", 1), ("mask", "[MASK]", 0.8),
                              ("random", "random", 0.1), ("kept", "kept", 0.1)]:  # fmt: skip
        shown = (all_[key] / 38, 100 * share * 6 / 38, 15 * share)
        rows.append((label, first[key], all_[key], *shown))
    rows.append(("different places", 6, places[0], 100 * places[0] / 38, *places[1:]))
    text = visible_text(one.to_html())
    assert (
        f"Tokens, {'dynamic' if dynamic else 'static'} masking tokens {unit} 1 100 {unit}s " in text
    )
    for label, now, total, *percents in rows:
        assert f"{label} {now} {total} " + " ".join(f"{half_up(p / 100)}" for p in percents) in text
    labels = {"mask": "[MASK]", "random": "random", "kept": "kept"}
    asked = " ".join(
        f"{place} {TEXTS[3][place]} {token} {labels[kind]}" for place, kind, token in one.draw(3, 1)
    )
    assert f"in {unit} 1 place right token is read as kind {asked}" in text
    read = list(TEXTS[3])
    for place, _, token in one.draw(3, 1):
        read[place] = token
    assert f"The model reads: {' '.join(read)}" in text
    assert "The loss counts only the chosen places" in text
    for width in (360, 768):
        page = open_page(one.to_html(), scripts=False, width=width)
        shown = [len(re.findall(r"\d+\.\d+", text))
                 for text in page.locator("table:visible").all_inner_texts()]  # fmt: skip
        assert shown[0] >= 12
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 768:
            assert page.locator(".nlpx-fallback").evaluate("n => n.scrollWidth <= n.clientWidth")


# ---- the computation in the page ----

COMPUTATION = """async ({ esm, cases, halves }) => {
  const source = esm.replace("export default { render };",
    "export { drawOf, countDraws, freePlaces, numberChosen, mixedSeed };");
  const m = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  return { numbers: halves.map(([rate, count]) => m.numberChosen(rate, count)),
    seeds: [[0, 0, 1], [2 ** 32 - 1, 4, 9999], [5, 3, 10000]].map((one) => m.mixedSeed(...one)),
    found: cases.map(({ tokens, specials, number, ...setting }) => {
      const free = m.freePlaces(tokens, specials);
      const before = JSON.stringify(free);
      const drawn = m.drawOf(free, setting, number);
      const half = m.countDraws(free, setting, Math.ceil(number / 2));
      const kept = JSON.stringify(half);
      const counts = m.countDraws(free, setting, number, half);
      const again = m.countDraws(free, setting, number);
      if (JSON.stringify(free) !== before || JSON.stringify(half) !== kept
        || JSON.stringify(counts) !== JSON.stringify(again)) throw new Error("not pure");
      return { drawn, counts };
    }) };
}"""


def test_the_module_draws_and_counts_what_python_does(open_page):
    random = np.random.default_rng(0)
    settings = []
    for k in range(120):
        parts = random.multinomial(100, random.dirichlet([1, 1, 1]))
        settings.append((
            made(seed=int(random.integers(2**32)), rate=int(random.integers(5, 51)) / 100,
                 shares=parts / 100, dynamic=bool(random.random() < 0.7)),
            k % 4, int(random.integers(1, 40)),
        ))  # fmt: skip
    settings += [(made(seed=2**32 - 1), 3, 1), (made(shares=ALWAYS), 0, 3),
                 (made(shares=(0, 0, 1), rate=0.5), 3, 2), (made(), 3, 1000)]  # fmt: skip
    cases = [
        {"tokens": TEXTS[text], "specials": one.specials, "number": number, "seed": one.seed,
         "text": text, "rate": one.rate, "shares": one.shares, "dynamic": one.dynamic,
         "pieces": len(PIECES)}
        for one, text, number in settings
    ]  # fmt: skip
    halves = [(k / 100, n) for k in range(5, 51) for n in range(1, 129)]
    argument = {"esm": str(made()._esm), "cases": cases, "halves": halves}
    results = open_page().evaluate(COMPUTATION, argument)
    assert results["numbers"] == [max(1, round(rate * n)) for rate, n in halves]
    assert len(set(results["seeds"])) == 3
    assert all(seed == int(seed) and 0 <= seed < 2**32 for seed in results["seeds"])
    for found, (one, text, number) in zip(results["found"], settings, strict=True):
        expected = one.draw(text, number)
        assert [(c["place"], c["kind"]) for c in found["drawn"]] == [c[:2] for c in expected]
        for mine, theirs in zip(found["drawn"], expected, strict=True):
            if theirs.kind == "random":
                assert PIECES[mine["piece"]] == theirs.token
        counts, total = found["counts"], one.counts(text, number)
        assert {key: counts[key] for key in SIGNS} == {key: total[key] for key in SIGNS}
        assert counts["number"] == number
        assert sum(counts["times"].values()) == total["chosen"]
        assert len(counts["times"]) == total["places"]
        places = Counter(str(c.place) for k in range(1, number + 1) for c in one.draw(text, k))
        assert counts["times"] == dict(places)


# ---- the page ----

ROW = """items => items.map(item => ({ place: +item.dataset.place,
  kind: /nlpx-ma-(mask|random|kept|plain|special)/.exec(item.className)[1],
  now: item.querySelector(".nlpx-ma-now").textContent,
  was: [...item.querySelectorAll(".nlpx-ma-was bdi")].map(n => n.textContent).join(),
  sign: [...item.querySelectorAll(".nlpx-ma-sign")].map(n => n.textContent).join(),
  shown: item.querySelector(".nlpx-ma-place").textContent,
  often: item.querySelector(".nlpx-ma-often")
    && +(item.querySelector(".nlpx-ma-often").dataset.value || NaN),
  bar: item.querySelector(".nlpx-ma-often")
    && parseFloat(item.querySelector(".nlpx-ma-often span").style.width) }))"""


def row(page, other: bool = False) -> list[dict]:
    kind = ".nlpx-ma-other" if other else ":not(.nlpx-ma-other)"
    return page.locator(f"ol.nlpx-ma-row{kind} > li").evaluate_all(ROW)


def counted(page) -> list[list[float]]:
    return page.locator(".nlpx-ma-counts tbody tr").evaluate_all(
        "rows => rows.map(r => [...r.querySelectorAll('td')].map(n => +n.dataset.value))"
    )


def texts_of(page) -> list[list[str]]:
    return page.locator(".nlpx-ma-counts tbody tr").evaluate_all(
        "rows => rows.map(r => [...r.querySelectorAll('td')].map(n => n.textContent))"
    )


def check_row(found: list[dict], one: Masking, drawn: list[Chosen]) -> None:
    tokens = one.texts[one.text]
    chosen = {c.place: c for c in drawn}
    assert [item["place"] for item in found] == [*range(len(tokens))]
    assert [item["shown"] for item in found] == [str(k) for k in range(len(tokens))]
    for place, (item, token) in enumerate(zip(found, tokens, strict=True)):
        if place in chosen:
            _, kind, now = chosen[place]
            was = token if kind != "kept" else ""
            expected = (kind, now, was, SIGNS[kind])
        else:
            expected = ("special" if token in one.specials else "plain", token, "", "")
        assert tuple(item[key] for key in ("kind", "now", "was", "sign")) == expected


def half_up(share: float) -> Decimal:
    """In percent, rounded as in the page."""
    return Decimal(100 * share).quantize(Decimal("0.1"), ROUND_HALF_UP)


def said_by_hand(one: Masking) -> str:
    drawn, n, number = one.draw(one.text, one.number), len(one.free(one.text)), one.number
    kinds = Counter(c.kind for c in drawn)
    k, places = len(drawn), one.counts(one.text, number)["places"]
    unit = "draw" if one.dynamic else "epoch"
    start = f"{unit.title()} {number:,}"
    if not one.dynamic and number > 1:
        start += ", masked as in epoch 1"
    words = (
        f"{start}: {k} of {n} token{'s' * (n > 1)} {'is' if k == 1 else 'are'} chosen. "
        f"{kinds['mask']} became [MASK], {kinds['random']} became a random token, {kinds['kept']} "
        f"{'was' if kinds['kept'] == 1 else 'were'} kept."
    )
    if number > 1:
        only = "" if one.dynamic else "only "
        all_ = "the one token" if n == 1 else f"all {n} tokens"
        of = all_ if places == n else f"{only}{places} of the {n} tokens"
        verb = "was" if places == 1 else "were"
        words += f" In {number:,} {unit}s, {of} {verb} asked for at least once."
    if one.compare:
        same = "place is" if k == 1 else f"{k} places are"
        words += f" With 100/0/0 the same {same} [MASK] every time."
    return words


def check_counts(page, one: Masking) -> None:
    now, total = one.counts(one.text, one.number), one.counts(one.text, one.number)
    drawn, n = one.draw(one.text, one.number), len(one.free(one.text))
    kinds = Counter(c.kind for c in drawn)
    now = {"free": n, "chosen": len(drawn), **{k: kinds[k] for k in SIGNS}, "places": len(drawn)}
    rounds = one.number if one.dynamic else 1
    here, rate = len(drawn) / n, one.rate
    expected = {"free": (1, 1), "chosen": (here, rate),
                "places": (1 - (1 - here) ** rounds, 1 - (1 - rate) ** rounds)}  # fmt: skip
    for kind, share in zip(SIGNS, one.shares, strict=True):
        expected[kind] = (here * share, rate * share)
    shown, written = counted(page), texts_of(page)
    for key, values, words in zip(now, shown, written, strict=True):
        share = total[key] / (n if key == "places" else total["free"])
        np.testing.assert_allclose(
            values, [now[key], total[key], share, *expected[key]], atol=1e-12
        )
        percents = [f"{half_up(v)}\xa0%".replace("100.0", "100") for v in values[2:]]
        assert words == [f"{values[0]:,.0f}", f"{values[1]:,.0f}", *percents]
    labels = page.locator(".nlpx-ma-counts tbody th").all_inner_texts()
    assert labels == ["may be chosen", "chosen", "■ [MASK]", "⇄ random", "= kept",
                      "different places"]  # fmt: skip
    unit = "draw" if one.dynamic else "epoch"
    heads = page.locator(".nlpx-ma-counts thead th").all_inner_texts()
    assert heads == ["tokens", f"{unit} {one.number:,}", f"{one.number:,} {unit}" + "s" * (
        one.number > 1), "share", "expected", "long text"]  # fmt: skip


def check_page(page, **changes) -> None:
    """The page shows what Python draws and counts with these settings."""
    one = made(**changes)
    expect(part(page, NAME).locator(".nlpx-status")).to_have_text(said_by_hand(one))
    drawn = one.draw(one.text, one.number)
    found = row(page)
    check_row(found, one, drawn)
    times = Counter(c.place for k in range(1, one.number + 1) for c in one.draw(one.text, k))
    for item in found:
        if item["kind"] == "special":
            assert item["often"] is None
        else:
            assert item["often"] == pytest.approx(times[item["place"]] / one.number)
            assert item["bar"] == pytest.approx(100 * item["often"], abs=0.006)
    asked = page.locator(".nlpx-ma-asked li").all_inner_texts()
    tokens = one.texts[one.text]
    assert [re.sub(r"\s+", " ", text) for text in asked] == [
        f"{SIGNS[c.kind]} place {c.place} → {tokens[c.place]}" for c in drawn
    ]
    k = len(drawn)
    assert page.locator(".nlpx-ma-loss").inner_text() == (
        f"The loss counts only the chosen places: {k} of {len(tokens)}. What the model says at "
        f"the other {len(tokens) - k} is not scored."
    )
    check_counts(page, one)
    other = page.locator(".nlpx-ma-other")
    assert other.is_visible() == one.compare
    if one.compare:
        always = made(**(changes | {"shares": ALWAYS}))
        check_row(row(page, other=True), always, always.draw(one.text, one.number))
    expect(page.get_by_label("Text", exact=True)).to_have_value(str(one.text))
    expect(rate_of(page)).to_have_attribute("aria-valuetext", f"{100 * one.rate:g}\xa0%")
    kind = "dynamic" if one.dynamic else "static"
    expect(page.get_by_role("radio", name=kind)).to_be_checked()


def rate_of(page):
    return page.get_by_role("slider", name="Rate")


def shares_of(page):
    return page.get_by_label("[MASK] / random / kept")


def press(page, name: str):
    return page.get_by_role("button", name=name)


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"seed": 5}, {"text": 1, "number": 3}, {"text": 2, "number": 4}, {"rate": 0.5},
        {"text": 3, "rate": 0.05, "number": 250}, {"text": 3, "dynamic": False, "number": 250},
        {"shares": ALWAYS, "number": 2}, {"compare": True, "text": 3, "number": 9},
        {"shares": (0, 1, 0), "rate": 0.4, "number": 17}, {"shares": (0.6, 0.3, 0.1), "seed": 9},
        {"text": 2, "dynamic": False, "compare": True, "number": 10_000}, {"rate": 0.125},
    ],
)  # fmt: skip
def test_the_page_shows_pythons_draw(open_page, changes):
    page = open_page(made(**changes).to_html())
    check_page(page, **changes)


def test_mask_again_by_mouse_and_by_keyboard(open_page, masking):
    page = open_page(masking.to_html())
    again = press(page, "Mask again")
    seen = []
    for number in range(1, 6):
        check_page(page, number=number)
        expect(page.locator(".nlpx-ma-heading").first).to_have_text(f"Draw {number}")
        seen.append([item["place"] for item in row(page) if item["sign"]])
        if number % 2:
            again.click()
        else:
            again.focus()
            page.keyboard.press("Space" if number == 2 else "Enter")
            expect(again).to_be_focused()
    assert len({tuple(places) for places in seen}) == 5


def test_static_masking_shows_the_same_places_in_every_epoch(open_page, masking):
    page = open_page(masking.to_html())
    press(page, "Mask again").click()
    page.get_by_role("radio", name="dynamic").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="static")).to_be_focused()
    check_page(page, dynamic=False, number=2)
    assert press(page, "Mask again").count() == 0
    press(page, "Start again").click()
    first = [item["place"] for item in row(page) if item["sign"]]
    for number in (2, 3, 4):
        press(page, "Next epoch").click()
        check_page(page, dynamic=False, number=number)
        heading = page.locator(".nlpx-ma-heading").first
        expect(heading).to_have_text(f"Epoch {number}, masked as in epoch 1")
        assert [item["place"] for item in row(page) if item["sign"]] == first
    press(page, "100 epochs at once").press("Enter")
    check_page(page, dynamic=False, number=104)
    assert {item["often"] for item in row(page) if item["kind"] != "special"} == {0, 1}
    page.get_by_role("radio", name="dynamic").click()
    check_page(page, number=104)


def test_a_hundred_draws_at_once_come_close_to_what_is_expected(open_page, masking):
    page = open_page(masking.to_html())
    page.get_by_label("Text", exact=True).select_option(index=3)
    hundred = press(page, "100 draws at once")
    off = []
    for k in range(1, 31):
        hundred.click() if k % 2 else hundred.press("Space")
        off.append(max(abs(share - expected) for _, _, share, expected, _ in counted(page)))
    check_page(page, text=3, number=3001)
    assert off[-1] < 0.005
    assert off[-1] < max(off[:3])
    expect(hundred).to_be_focused()
    back = press(page, "Start again")
    assert back.get_attribute("aria-disabled") == "false"
    back.focus()
    page.keyboard.press("Enter")
    check_page(page, text=3)
    assert back.get_attribute("aria-disabled") == "true"
    expect(back).to_be_focused()


def test_there_is_a_last_draw(open_page):
    page = open_page(made(number=MAX_DRAWS - 101, text=2).to_html())
    buttons = [press(page, name) for name in ("Mask again", "100 draws at once")]
    for name, number in [("100", MAX_DRAWS - 1), ("100", MAX_DRAWS), ("Mask", MAX_DRAWS)]:
        assert buttons[0].get_attribute("aria-disabled") == "false"
        press(page, name).first.click()
        if number == MAX_DRAWS:
            break
    check_page(page, number=MAX_DRAWS, text=2)
    assert [one.get_attribute("aria-disabled") for one in buttons] == ["true", "true"]
    buttons[0].click(force=True)
    expect(page.locator(".nlpx-ma-heading").first).to_have_text("Draw 10,000")


def test_text_rate_and_shares_by_mouse_and_by_keyboard(open_page, masking):
    page = open_page(masking.to_html())
    select = page.get_by_label("Text", exact=True)
    assert select.locator("option").all_inner_texts() == [
        " ".join(token for token in tokens if token not in ("[CLS]", "[SEP]")) for tokens in TEXTS
    ]
    select.focus()
    page.keyboard.press("ArrowDown")
    check_page(page, text=1)
    select.select_option(index=3)
    rate_of(page).focus()
    for key, rate in [("ArrowRight", 0.16), ("Home", 0.05), ("ArrowUp", 0.06), ("End", 0.5),
                      ("ArrowLeft", 0.49)]:  # fmt: skip
        page.keyboard.press(key)
        check_page(page, text=3, rate=rate)
        assert page.locator(".nlpx-ma-slider output").inner_text() == f"{100 * rate:g}\xa0%"
        expect(rate_of(page)).to_be_focused()
    box = rate_of(page).bounding_box()
    page.mouse.click(box["x"] + 1, box["y"] + box["height"] / 2)
    check_page(page, text=3, rate=0.05)
    options = ["80/10/10 (BERT)", "100/0/0 (always [MASK])", "80/10/10 vs 100/0/0"]
    assert shares_of(page).locator("option").all_inner_texts() == options
    shares_of(page).select_option(options[1])
    check_page(page, text=3, rate=0.05, shares=ALWAYS)
    shares_of(page).focus()
    page.keyboard.press("ArrowDown")
    check_page(page, text=3, rate=0.05, compare=True)
    expect(shares_of(page)).to_be_focused()
    headings = page.locator(".nlpx-ma-heading:visible").all_inner_texts()
    assert headings[:2] == ["Draw 1, with 80/10/10", "The same places with 100/0/0"]
    caption = page.locator(".nlpx-ma-counts caption")
    words = "Tokens in draw 1 and in all draws so far"
    assert caption.inner_text() == f"{words}, with 80/10/10"
    shares_of(page).select_option(options[0])
    check_page(page, text=3, rate=0.05)
    assert caption.inner_text() == words
    page.set_viewport_size({"width": 390, "height": 900})
    assert caption.inner_text() == f"{words}; shares in percent"


def test_all_steps_of_the_rate_are_those_of_python(open_page, masking):
    page = open_page(made(text=3).to_html())
    for percent in range(5, 51):
        rate_of(page).fill(str(percent))
        found = [item["place"] for item in row(page) if item["sign"]]
        assert found == [c.place for c in made(rate=percent / 100).draw(3, 1)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "15 % of the 16 tokens that may be chosen is 2.4; rounded, 2 are chosen: 12.5 %. In "
             "a long text the rounding does not matter."),
        ({"text": 2}, "15 % of the one token that may be chosen is 0.15; at least one is chosen: "
                      "100 %. In a long text the rounding does not matter."),
        ({"text": 2, "rate": 0.5}, "50 % of the one token that may be chosen is 0.5; at least one "
                                   "is chosen: 100 %. In a long text the rounding does not "
                                   "matter."),
        ({"text": 3, "rate": 0.5}, "50 % of the 38 tokens that may be chosen is 19."),
        ({"text": 1, "rate": 0.125}, "12.5 % of the 12 tokens that may be chosen is 1.5; rounded, "
                                     "2 are chosen: 16.7 %. In a long text the rounding does not "
                                     "matter."),
        ({"text": 1, "rate": 0.1}, "10 % of the 12 tokens that may be chosen is 1.2; rounded, 1 is "
                                   "chosen: 8.3 %. In a long text the rounding does not matter."),
    ],
)  # fmt: skip
def test_the_rounding_is_told(open_page, changes, words):
    page = open_page(made(**changes).to_html())
    shown = page.locator(".nlpx-ma-part .nlpx-note").inner_text().replace("\xa0", " ")
    assert shown == words


def test_shares_of_the_kernel_are_offered_too(open_page):
    page = open_page(made(shares=(0.6, 0.3, 0.1)).to_html())
    assert shares_of(page).locator("option").all_inner_texts()[-1] == "60/30/10"
    expect(shares_of(page)).to_have_value("60/30/10")
    shares_of(page).select_option(index=0)
    check_page(page)
    shares_of(page).select_option("60/30/10")
    check_page(page, shares=(0.6, 0.3, 0.1))
    page = open_page(made(shares=(0.6, 0.3, 0.1), compare=True).to_html())
    expect(shares_of(page)).to_have_value("60/30/10 vs 100/0/0")


def test_a_random_token_may_be_the_right_one(open_page):
    one = Masking([["a", "b"]], ["a"], shares=(0, 1, 0), rate=0.5)
    number = next(k for k in range(1, 50) if one.draw(0, k)[0].place == 0)
    one.number = number
    page = open_page(one.to_html())
    assert row(page)[0]["kind"] == "random"
    assert (row(page)[0]["now"], row(page)[0]["was"]) == ("a", "a")


def test_a_moving_slider_does_not_make_the_live_region_talk(open_page, masking):
    page = open_page(masking.to_html())
    page.evaluate("""() => { window.said = []; new MutationObserver(() => said.push(
      document.querySelector(".nlpx-status").textContent)).observe(
      document.querySelector(".nlpx-status"), { childList: true, characterData: true,
      subtree: true }); }""")
    rate_of(page).focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".nlpx-status")).to_have_text(said_by_hand(made(rate=0.35)))
    assert len(page.evaluate("said")) <= 3
    rate_of(page).press("Home")
    press(page, "Mask again").click()  # what the slider has left to say must not come later
    page.wait_for_timeout(600)
    assert status(page, NAME) == said_by_hand(made(rate=0.05, number=2))


HOSTILE = ["</script><!--<b>&\"'", "<img/src=x/onerror=window.pwned=1>", "&amp;", "${pwned}`",
           "\u05d0\u05d1", "##" + "x" * 38, "e\u0301"]  # fmt: skip


def test_hostile_text_is_shown_as_it_is_written(open_page):
    one = Masking([HOSTILE, ["<i>", *HOSTILE]], HOSTILE, specials=("<i>", "[SEP]"),
                  shares=(0.2, 0.6, 0.2), rate=0.5)  # fmt: skip
    page = open_page(one.to_html())
    for text in (0, 1):
        page.get_by_label("Text", exact=True).select_option(index=text)
        for number in range(1, 4):
            one.set_state({"text": text, "number": number})
            check_row(row(page), one, one.draw(text, number))
            press(page, "Mask again").click()
        press(page, "Start again").click()
    assert part(page, NAME).locator("script, b, i, img").count() == 0
    assert page.evaluate("window.pwned") is None
    page = open_page(one.to_html(), scripts=False)
    shown = page.locator(".nlpx-fallback").text_content()
    for place, _, token in one.draw(1, 1):
        assert token in shown
        assert one.texts[1][place] in shown
    assert page.locator(".nlpx-fallback :is(script, b, i, img)").count() == 0


def test_two_on_a_page_do_not_disturb_each_other(open_page, masking):
    page = open_page(masking.to_html(), made(name="other", seed=1, text=3).to_html())
    before = part(page, NAME).evaluate("node => node.innerHTML")
    second = part(page, "other")
    second.get_by_role("slider").fill("30")
    second.get_by_role("radio", name="static").check()
    second.get_by_role("button", name="Next epoch").click()
    assert status(page, "other").startswith("Epoch 2, masked as in epoch 1: 11 of 38")
    assert part(page, NAME).evaluate("node => node.innerHTML") == before
    expect(part(page, NAME).get_by_role("radio", name="dynamic")).to_be_checked()
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))


def test_with_the_kernel(open_page, masking):
    page = live(open_page, masking)
    page.get_by_label("Text", exact=True).select_option(index=1)
    rate_of(page).fill("40")
    shares_of(page).select_option(index=2)
    page.get_by_role("radio", name="static").check()
    press(page, "Next epoch").click()
    keys = ["text", "rate", "shares", "compare", "dynamic", "number"]
    values = page.evaluate("keys => keys.map(k => testModel.values[k])", keys)
    assert values == [1, 0.4, [0.8, 0.1, 0.1], True, False, 2]
    assert page.evaluate("testModel.saved") > 0
    changes = {"text": 3, "rate": 0.123, "shares": [0.5, 0.25, 0.25], "compare": False,
               "dynamic": True, "number": 77, "seed": 12}  # fmt: skip
    page.evaluate("all => Object.entries(all).forEach(([k, v]) => testModel.set(k, v))", changes)
    check_page(page, **changes)
    expect(shares_of(page)).to_have_value("50/25/25")
    page.evaluate("testModel.set('number', 5)")  # fewer draws are counted anew
    check_page(page, **(changes | {"number": 5}))
    page.evaluate("window.testStop()")
    assert page.evaluate("window.testHandlers()") == 0


OUTSIDE = """() => { const right = document.querySelector(".nlpx-live .nlpx")
  .getBoundingClientRect().right;
  return [...document.querySelectorAll(".nlpx-live .nlpx *")].filter(node =>
    node.getBoundingClientRect().right > right).map(node => node.outerHTML); }"""


@pytest.mark.parametrize("width", [320, 360, 390, 768])
def test_a_phone_needs_no_sideways_scrolling(open_page, width):
    long = ["[CLS]", "D" + "onaudampfschifffahrt" * 2, *TEXTS[3][1:]]
    long[1] = long[1][:40]
    pieces = [*PIECES, "W" * 40]
    one = Masking([long, [f"w{k}" for k in range(128)]], pieces, shares=(0.34, 0.33, 0.33))
    page = open_page(one.to_html(), width=width)
    for text, percent, share in [(0, 15, 0), (0, 50, 3), (1, 50, 2), (1, 15, 1)]:
        page.get_by_label("Text", exact=True).select_option(index=text)
        rate_of(page).fill(str(percent))
        shares_of(page).select_option(index=share)
        for _ in range(2):
            press(page, "100").click()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(OUTSIDE) == []
    page.locator(".nlpx-ma-counts td:nth-child(3)").evaluate_all(
        "(cells, text) => cells.forEach(cell => { cell.textContent = text; })",
        "64,000" if width == 320 else "640,000",
    )
    for cell in page.locator(".nlpx-ma-counts :is(td, th)").all():
        assert cell.evaluate("node => node.scrollWidth <= node.clientWidth + 1"), cell.inner_text()
    assert rate_of(page).bounding_box()["width"] >= 60
    sizes = page.locator(".nlpx-live .nlpx *").evaluate_all(
        "nodes => nodes.filter(n => n.textContent.trim()).map(n => "
        "parseFloat(getComputedStyle(n).fontSize))"
    )
    assert min(sizes) >= 11.5
    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".nlpx-ma-part").all()}
    assert len(lefts) == 1
    page.set_viewport_size({"width": 1000, "height": 900})
    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".nlpx-ma-part").all()}
    assert len(lefts) == 2


def test_the_buttons_stay_where_they_are(open_page, masking):
    """The reader clicks again and again: what changes lies below."""
    for width in (390, 900):
        page = open_page(masking.to_html(), width=width)
        tops = set()
        for _ in range(8):
            box = press(page, "Mask again").bounding_box()
            tops.add((round(box["x"]), round(box["y"]), round(box["width"])))
            press(page, "Mask again").click()
        assert len(tops) == 1


@pytest.mark.parametrize("width", [360, 900])
def test_a_later_explorable_does_not_change_its_look(open_page, width):
    boxes = []
    for later in ([], [Quiz(name="quiz", questions=QUIZ).to_html()]):
        page = open_page(
            made(compare=True, rate=0.5, number=3).to_html(), *later, width=width,
            reduced_motion="reduce",
        )  # fmt: skip
        boxes.append(
            page.locator(f'[data-explorable="{NAME}"] .nlpx-live *').evaluate_all(
                """nodes => nodes.map(n => { const b = n.getBoundingClientRect();
                  const s = getComputedStyle(n);
                  return [n.getAttribute("class"), b.x, b.y, b.width, b.height, s.color,
                    s.backgroundColor, s.borderTopColor, s.borderTopStyle, s.fontWeight,
                    s.fontSize]; })"""
            )
        )
    assert len(boxes[0]) > 200
    assert boxes[0] == boxes[1]


def test_names_focus_and_live_region(open_page, masking):
    page = open_page(masking.to_html())
    assert problems_of_names(page) == []
    assert part(page, NAME).locator('[role=status][aria-live="polite"]').count() == 1
    stops = tab_stops(page)
    kinds = [name.split(".")[0] for name, _ in stops]
    assert kinds == ["SELECT", "INPUT", "INPUT", "SELECT", "BUTTON", "BUTTON", "BUTTON"]
    assert [stop for stop in stops if stop[1] < 2] == []
    assert page.get_by_role("group", name="Masking", exact=True).count() == 1
    text = page.get_by_role("list", name="Draw 1", exact=True)
    assert text.get_by_role("listitem").count() == len(TEXTS[0])
    chosen = masking.draw(0, 1)
    item = text.get_by_role("listitem").nth(chosen[0].place)
    heard = re.sub(r"\s+", " ", item.text_content())
    assert heard.startswith(f"instead of {TEXTS[0][chosen[0].place]}")
    assert "[MASK], asked for" in heard
    assert page.get_by_role("table", name="Tokens in draw 1 and in all draws so far").count() == 1
    for line in page.locator(".nlpx-ma-counts tbody tr").all():
        assert line.locator('th[scope="row"]').count() == 1
        assert line.locator("td").count() == 5
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
  const row = "ol.nlpx-ma-row ";
  return [style(row + ".nlpx-ma-mask .nlpx-ma-box").backgroundColor,
    style(row + ".nlpx-ma-random .nlpx-ma-box").borderTopColor,
    style(row + ".nlpx-ma-kept .nlpx-ma-box").borderTopColor,
    style(row + ".nlpx-ma-often > span").backgroundColor,
    style(".nlpx-ma-select").borderTopColor].map((colour) => {
      const [low, high] = [light(colour), ground].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    });
}"""


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_and_all_marks_are_readable_in_every_theme(open_page, theme):
    one = made(text=3, rate=0.5, shares=(0.34, 0.33, 0.33), compare=True)
    page = open_page(one.to_html(), reduced_motion="reduce", **theme_options(theme))
    for number in (1, 2):
        kinds = {item["kind"] for item in row(page)}
        assert kinds == {"mask", "random", "kept", "plain", "special"}
        found = contrasts(page)
        assert len(found) > 150
        assert [entry for entry in found if entry[0] < 4.5] == []
        assert min(page.evaluate(MARK_CONTRASTS)) >= 3
        if number == 1:
            press(page, "Mask again").click()
    paper = page.locator(".nlpx-live .nlpx").evaluate("n => getComputedStyle(n).backgroundColor")
    assert (int(re.findall(r"\d+", paper)[0]) < 60) == ("dark" in theme)


def test_what_has_happened_is_not_told_by_colour_alone(open_page):
    page = open_page(made(text=3, rate=0.5, shares=(0.34, 0.33, 0.33)).to_html())
    looks = {
        kind: page.locator(f"ol.nlpx-ma-row .nlpx-ma-{kind} .nlpx-ma-box").first.evaluate(
            "n => { const s = getComputedStyle(n); return [s.borderTopStyle, s.borderTopWidth,"
            " s.fontWeight]; }"
        )
        for kind in SIGNS
    }
    assert looks["random"][0] == "dashed" != looks["kept"][0]
    signs = {item["kind"]: item["sign"] for item in row(page)}
    assert signs == {**SIGNS, "plain": "", "special": ""}
    legend = page.locator(".nlpx-ma-legend li").all_inner_texts()
    assert [re.sub(r"\s+", " ", words).strip() for words in legend] == [
        "■ became [MASK]", "⇄ became a random token", "= kept, but asked for",
        "how often a place was chosen so far",
    ]  # fmt: skip


@pytest.mark.parametrize("theme", ["book light", "book dark"])
def test_axe_finds_nothing_serious(open_page, root, theme):
    page = open_page(
        made(text=3, rate=0.3, compare=True, number=3).to_html(), reduced_motion="reduce",
        **theme_options(theme),
    )  # fmt: skip
    found = axe_violations(page, find_axe(root))
    assert [words for impact in SERIOUS for words in found.get(impact, [])] == []

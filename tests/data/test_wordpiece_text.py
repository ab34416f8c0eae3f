"""What comes before WordPiece does what the normalizer and the splitter of tokenizers do."""

import unicodedata

import pytest
import regex
import tokenizers
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from nlp_helpers.data import wordpiece_text
from nlp_helpers.data.wordpiece_text import (
    BasicTokenizer,
    category,
    clean,
    decompose,
    is_chinese,
    is_punctuation,
    lower,
)
from tests.data.wordpiece_texts import OPTIONS, TEXTS

SPLIT = BertPreTokenizer()

# Where anything happens: up to U+33FF every code point, in the planes above the parts with
# letters and marks, and of the rest (ideographs, syllables, private use, unassigned) one in 97.
POINTS = sorted(
    {
        *range(0x3420),
        *range(0xA000, 0xAC10),
        *(0x4DBF, 0x4DC0, 0x9FFF, 0xD7A3),
        *range(0xE000, 0x110000, 97),
        *range(0xF8F0, 0x12600),
        *range(0x16000, 0x17000),
        *range(0x1BC00, 0x1F400),
        *(edge for part in wordpiece_text.CHINESE for edge in (part[0] - 1, part[0], part[-1])),
        *(part[-1] + 1 for part in wordpiece_text.CHINESE),
        0x10FFFF,
    }
)


def theirs(text: str, lower_case, strip_accents, chinese_characters) -> list[str]:
    normalizer = BertNormalizer(True, chinese_characters, strip_accents, lower_case)
    return [word for word, _ in SPLIT.pre_tokenize_str(normalizer.normalize_str(text))]


@pytest.mark.parametrize(
    "options", [(True, None, True), (False, True, False), (True, False, False)]
)
def test_each_character_between_letters_is_treated_as_theirs(options):
    if tokenizers.__version__ != "0.23.3":
        pytest.skip("another version: perhaps other Unicode tables")
    assert len(POINTS) > 50_000
    text = " ".join(f"A{chr(i)}B" for i in POINTS if not 0xD800 <= i < 0xE000)
    ours, reference = BasicTokenizer(*options).words(text), theirs(text, *options)
    differing = [(a, b) for a, b in zip(ours, reference, strict=False) if a != b]
    assert not differing[:5]
    assert len(ours) == len(reference)


@given(TEXTS, st.sampled_from(OPTIONS))
@example("\u0301\u0323a\u0345\u0334\u0323", (False, True, True))
@example("a\u302e\U0001d165\u0301é\u302e\u0323\U0001d165", (True, None, True))  # both stay
@example("ΑΣ ΣΑΣ\u0301 İI", (True, False, True))
def test_words_are_theirs(text, options):
    assert BasicTokenizer(*options).words(text) == theirs(text, *options)


def test_the_tables_hold_for_newer_pythons_too():
    """What is new in the Unicode of regex, which is newer than Python 3.11's, is in the tables."""
    kinds = {"P": regex.compile(r"\p{P}"), "Mn": regex.compile(r"\p{Mn}")}
    kinds |= {"Cf": regex.compile(r"\p{Cf}"), "marks": regex.compile(r"\P{ccc=0}")}
    everything = "".join(chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000)
    found = {name: kind.findall(everything) for name, kind in kinds.items()}
    newer = {c for name in ("P", "Mn", "Cf") for c in found[name]}
    newer = {c for c in newer if unicodedata.category(c) == "Cn"}
    marks = {c for c in found["marks"] if unicodedata.category(c) == "Cn"}
    assert len(newer) > 100 and len(marks) > 50
    assert {category(c) for c in newer} == {"Cn"}
    composed = [0x105C9, 0x105E4, 0x11383, 0x1138E, 0x113C8, *range(0x16121, 0x16129), 0x16D68]
    for c in {*marks, *map(chr, composed)}:  # those that Unicode 16 decomposes
        assert any(ord(c) in part for part in wordpiece_text._SINCE_UNICODE_9), hex(ord(c))


def test_no_table_hides_what_unicode_3_2_knew():
    old = unicodedata.ucd_3_2_0
    hidden = {old.category(chr(i)) for part in wordpiece_text._SINCE_UNICODE_8 for i in part}
    assert {"Cn", "Lo"} <= hidden
    assert not {kind for kind in hidden if kind in ("Mn", "Cf") or kind.startswith("P")}
    for part in wordpiece_text._SINCE_UNICODE_9:
        for c in map(chr, part):
            assert old.normalize("NFD", c) == c and old.combining(c) == 0


def test_capitals_since_unicode_14_are_those_of_later_pythons():
    pairs = {c + distance: c for part, distance in wordpiece_text._CAPITALS_SINCE_UNICODE_14
             for c in part}  # fmt: skip
    assert len(pairs) == 55
    assert lower("\ua7cb") == "\u0264"
    assert lower("\ua7dc") == "\u019b"
    assert lower("\u1c89") == "\u1c8a"
    assert lower("\U00010d65") == "\U00010d85"
    for small, capital in pairs.items():  # nothing else has this small letter
        assert chr(capital).lower() in (chr(capital), chr(small))


def test_characters_by_hand():
    assert [clean(c) for c in "\t\n\r\xa0\u2028 a"] == [" "] * 6 + ["a"]
    assert [clean(c) for c in "\x00\x0b\x0c\x1c\x85\u200b\ufeff\ufffd\ue000"] == [""] * 9
    assert all(map(is_punctuation, "$+<=>^`|~!?.,-_#—“¿。"))
    assert not any(map(is_punctuation, "a1é€£©°×÷ "))
    assert all(map(is_chinese, "中文豈\U00020000\U0002b81f\U0002b920"))
    assert not any(map(is_chinese, "あア한〇\U0002b820\U0002b91f"))
    assert lower("Σ") == "σ"
    assert lower("İ") == "i\u0307"


def test_decompose_by_hand():
    placed = decompose([("é", 3), ("\u0323", 4), ("x", 7)])
    # The dot below comes before the accent; as the second original character it has its place.
    assert placed == [("e", 3), ("\u0323", 4), ("\u0301", 4), ("x", 7)]


def test_steps_by_hand():
    steps = BasicTokenizer().steps("Ça,\tВ中\x00İ!")
    assert steps == {
        "clean": "Ça, В中İ!",
        "Chinese characters apart": "Ça, В 中 İ!",
        "without accents": "Ca, В 中 I!",
        "lower case": "ca, в 中 i!",
        "punctuation apart": "ca ,  в 中 i ! ",
    }
    cased = BasicTokenizer(lower_case=False, chinese_characters=False)
    assert cased.steps("Ça,中") == {"clean": "Ça,中", "punctuation apart": "Ça , 中"}
    assert list(BasicTokenizer(True, False).steps("a")) == [
        *("clean", "Chinese characters apart", "lower case", "punctuation apart"),
    ]
    assert list(BasicTokenizer(False, True).steps("a"))[2] == "without accents"


@given(TEXTS, st.sampled_from(OPTIONS))
def test_steps_end_in_the_words(text, options):
    basic = BasicTokenizer(*options)
    assert list(basic.steps(text).values())[-1].split() == basic.words(text)


def test_places_are_those_of_the_characters():
    placed = BasicTokenizer().placed_words(" É\x00a 中!")
    assert placed == [("ea", [1, 3]), ("中", [5]), ("!", [6])]


def test_no_text_has_no_words():
    assert BasicTokenizer().words("") == BasicTokenizer().words(" \t\x00\u200b") == []
    assert set(BasicTokenizer().steps("").values()) == {""}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: BasicTokenizer(lower_case=1), TypeError, "lower_case must be True .* got 1"),
        (lambda: BasicTokenizer(None), TypeError, "lower_case must be True or False, got None"),
        (lambda: BasicTokenizer(True, "no"), TypeError, "strip_accents .* or None, got 'no'"),
        (lambda: BasicTokenizer(True, None, None), TypeError, "chinese_characters must be"),
        (lambda: BasicTokenizer().words(b"a"), TypeError, "text must be a string, got bytes"),
        (lambda: BasicTokenizer().steps(None), TypeError, "text must be a string, got NoneType"),
        (lambda: BasicTokenizer().words("a\ud800"), ValueError, r"U\+D800 at position 1"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()

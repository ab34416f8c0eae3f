"""WordPiece does what the BERT tokenizers of tokenizers and transformers do."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer, decoders
from transformers import BertTokenizer

from nlp_helpers.data import wordpiece
from nlp_helpers.data.wordpiece import MatchStep, WordPiece, match_steps
from tests.data.wordpiece_texts import LONG, OPTIONS, SNIPPETS, SPECIALS, TEXTS, vocabulary
from tests.data.wordpiece_texts import tokenizers_of as all_three

PIECES = [*"!#?.,[]'abcdehmnorstu", "the", "cat", "un", "##aff", "##able", "##s", "##a", "##t"]
PIECES += ["##h", "##e", "##at", "ma", "##sk", "new", "york", "中", "##m"]
SMALL = WordPiece([*SPECIALS, *PIECES])

OPTION = st.sampled_from(OPTIONS)


# Pieces, ids and offsets


@settings(max_examples=400)
@given(TEXTS, OPTION)
@example("the [MASK] sat[MASK]the [mask] [ MASK ] [MAS\x00K] [[MASK]]", (True, None, True))
@example("".join(SNIPPETS), (False, None, True))
@example(" ".join(SNIPPETS), (True, None, True))
@example(" ".join(LONG), (True, False, False))
@example("a\u302e\U0001d165 é\u302e\u0323\U0001d165", (True, None, True))  # marks change places
@example("", (True, None, True))
def test_pieces_ids_and_offsets_are_theirs(text, options):
    ours, theirs, _ = all_three(*options)
    reference = theirs.encode(text, add_special_tokens=False)
    placed = ours.offsets(text)
    assert [piece for piece, _, _ in placed] == reference.tokens
    assert [(begin, end) for _, begin, end in placed] == reference.offsets
    assert ours.tokenize(text) == reference.tokens
    assert ours.ids(text) == reference.ids


@given(TEXTS, TEXTS, OPTION)
def test_encoded_texts_and_pairs_are_theirs(text, pair, options):
    ours, theirs, official = all_three(*options)
    assert ours.tokenize(text) == official.tokenize(text)
    for second in (None, pair):
        reference = theirs.encode(text, second)
        assert ours.encode(text, second) == (reference.ids, reference.type_ids)
        if second != "":  # transformers takes an empty pair for no pair
            batch = official(text, second)
            assert ours.encode(text, second) == (batch["input_ids"], batch["token_type_ids"])


WORDS = st.lists(st.sampled_from(["the", "cats", "[MASK]", "unaffable", "!", "zebra"]), max_size=9)


@given(WORDS.map(" ".join), WORDS.map(" ".join), st.integers(3, 30))
@example("the the the", "the the the", 8)
@example("the the the the", "the the the", 8)
@example("the the the", "the the the the", 8)
@example("", "", 3)
def test_truncated_texts_and_pairs_are_theirs(text, pair, max_len):
    ours, theirs, official = all_three(True, None, True)
    for second in (None, pair):
        theirs.enable_truncation(max_len)
        reference = theirs.encode(text, second)
        theirs.no_truncation()
        encoded = ours.encode(text, second, max_len, truncate=True)
        assert encoded == (reference.ids, reference.type_ids)
        assert len(encoded[0]) == min(max_len, len(ours.encode(text, second)[0]))
        if second != "":
            batch = official(text, second, truncation=True, max_length=max_len)
            assert encoded == (batch["input_ids"], batch["token_type_ids"])


@given(st.data())
def test_any_vocabulary_cuts_words_as_theirs_does(data):
    parts = data.draw(st.lists(st.text("ab", min_size=1, max_size=4), max_size=8, unique=True))
    pieces = dict.fromkeys("##" * data.draw(st.booleans()) + part for part in parts)
    vocab = {piece: i for i, piece in enumerate([*pieces, *SPECIALS])}
    ours, theirs = WordPiece(vocab), BertWordPieceTokenizer(vocab)
    for word in data.draw(st.lists(st.text("ab", min_size=1, max_size=12), max_size=6)):
        assert ours.tokenize(word) == theirs.encode(word, add_special_tokens=False).tokens


@given(st.lists(st.integers(0, len(vocabulary()) - 1)), st.booleans())
def test_decoded_text_is_theirs_without_its_tidying(ids, skip_special):
    ours, theirs, _ = all_three(True, None, True)
    theirs._tokenizer.decoder = decoders.WordPiece(cleanup=False)
    text = theirs.decode(ids, skip_special_tokens=skip_special)
    assert ours.decode(ids, skip_special) == text
    assert ours.decode(torch.tensor(ids, dtype=torch.long), skip_special) == text


def test_a_long_english_text_is_cut_as_theirs():
    text = "\n\n".join(inspect.getdoc(getattr(np, name)) or "" for name in np.__all__[:200])
    ours = WordPiece.train(text[:100_000], 500)
    theirs = BertWordPieceTokenizer(ours.vocab)
    reference = theirs.encode(text, add_special_tokens=False)
    assert len(reference.ids) > 50_000
    assert ours.ids(text) == reference.ids
    assert [(begin, end) for _, begin, end in ours.offsets(text)] == reference.offsets


def test_pieces_by_hand():
    assert SMALL.tokenize("The unaffable cats!") == [
        *("the", "un", "##aff", "##able", "cat", "##s", "!"),
    ]
    assert SMALL.tokenize("thé 中中 the中") == ["the", "中", "中", "the", "中"]
    assert SMALL.tokenize("unaffably the") == ["[UNK]", "the"]  # no part of the word is kept
    assert SMALL.ids("the cat") == [SMALL.vocab["the"], SMALL.vocab["cat"]]
    pieces = ["un", "una", "unaf", "##affable", "##ffable", "##fable"]
    # The longest match first does not look ahead: "unaf" is taken, and the rest is "##fable".
    assert WordPiece(SPECIALS + pieces).tokenize("unaffable") == ["unaf", "##fable"]
    assert WordPiece([*SPECIALS, "un", "una", "##affable"]).tokenize("unaffable") == ["[UNK]"]


def test_special_tokens_in_the_text_by_hand():
    assert SMALL.tokenize("the[MASK]cat") == ["the", "[MASK]", "cat"]
    assert SMALL.tokenize("[mask]") == ["[", "ma", "##sk", "]"]
    assert SMALL.tokenize("[ MASK ]") == ["[", "ma", "##sk", "]"]
    assert SMALL.offsets("\u0301[MASK]") == [("[MASK]", 1, 7)]


def test_segments_by_hand():
    ids, segments = SMALL.encode("the cat", "un cats")
    names = [SMALL.pieces[i] for i in ids]
    assert names == ["[CLS]", "the", "cat", "[SEP]", "un", "cat", "##s", "[SEP]"]
    assert segments == [0, 0, 0, 0, 1, 1, 1, 1]
    assert SMALL.encode("", "") == ([2, 3, 3], [0, 0, 1])
    assert SMALL.encode("") == ([2, 3], [0, 0])


def test_truncation_by_hand():
    def kept(n, m, max_len):
        ids, segments = SMALL.encode("a " * n, "b " * m, max_len, truncate=True)
        assert segments == sorted(segments)
        return ids.count(SMALL.vocab["a"]), ids.count(SMALL.vocab["b"])

    assert kept(5, 3, 11) == (5, 3)
    assert kept(5, 3, 9) == (3, 3)
    assert kept(5, 3, 8) == (3, 2)  # the longer one keeps one more
    assert kept(3, 5, 8) == (2, 3)
    assert kept(4, 4, 8) == (2, 3)  # the pair, if both were equally long
    assert kept(9, 1, 8) == (4, 1)
    assert kept(1, 9, 3) == (0, 0)
    assert SMALL.encode("the cat un", None, 4, truncate=True)[0] == SMALL.encode("the cat")[0]


@given(TEXTS, OPTION)
def test_offsets_give_the_text_back(text, options):
    ours, _, _ = all_three(*options)
    end_before = 0
    for piece, begin, end in ours.offsets(text):
        assert 0 <= begin < end <= len(text)
        assert end >= end_before
        end_before = end
        if piece in SPECIALS and piece != "[UNK]":
            assert text[begin:end] == piece


def test_offsets_by_hand():
    text = "  THÉ\u200b, unaffable[SEP]"
    placed = SMALL.offsets(text)
    assert placed == [
        *(("the", 2, 5), (",", 6, 7)),
        *(("un", 8, 10), ("##aff", 10, 13), ("##able", 13, 17), ("[SEP]", 17, 22)),
    ]
    assert text[2:5] == "THÉ"
    assert SMALL.offsets("zzz cat") == [("[UNK]", 0, 3), ("cat", 4, 7)]


def test_the_limit_of_characters_is_theirs():
    for limit in (1, 3, 100):
        ours = WordPiece([*SPECIALS, "a", "##a"], max_characters=limit)
        assert ours.tokenize("a" * limit) == ["a"] + ["##a"] * (limit - 1)
        assert ours.tokenize("a" * (limit + 1)) == ["[UNK]"]
        assert ours.offsets("á" * (limit + 1)) == [("[UNK]", 0, limit + 1)]
        assert ours.tokenize("a\u0301" * limit) != ["[UNK]"]  # accents are not counted


# Words one by one


@given(st.lists(st.one_of(st.sampled_from(SNIPPETS), TEXTS), max_size=8))
@example(["New York", "", "[MASK]", "\u200b", "cats", " ", "unaffable"])
def test_pieces_of_words_are_theirs_and_no_word_is_lost(words):
    ours, _, official = all_three(True, None, True)
    ids, numbers = ours.pieces_of_words(words)
    assert len(ids) == len(numbers)
    assert sorted(set(numbers)) == list(range(len(words)))
    kept = [word for word in words if ours.ids(word)]
    if kept:
        batch = official(kept, is_split_into_words=True, add_special_tokens=False)
        assert ours.pieces_of_words(kept) == (batch["input_ids"], batch.word_ids())
    for number, word in enumerate(words):
        of_word = [i for i, n in zip(ids, numbers, strict=True) if n == number]
        assert of_word == (ours.ids(word) or [ours.special_id("[UNK]")])


def test_pieces_of_words_by_hand():
    ids, numbers = SMALL.pieces_of_words(("New York", "\x00", "cats"))
    assert [SMALL.pieces[i] for i in ids] == ["new", "york", "[UNK]", "cat", "##s"]
    assert numbers == [0, 0, 1, 2, 2]
    assert SMALL.pieces_of_words([]) == ([], [])


# Step by step


def test_steps_by_hand():
    assert match_steps("cats", SMALL.vocab) == [
        MatchStep(0, 3, ("cats", "cat"), "cat"),
        MatchStep(3, 4, ("##s",), "##s"),
    ]
    assert match_steps("thaz", SMALL.vocab) == [
        MatchStep(0, 1, ("thaz", "tha", "th", "t"), "t"),
        MatchStep(1, 2, ("##haz", "##ha", "##h"), "##h"),
        MatchStep(2, 3, ("##az", "##a"), "##a"),
        MatchStep(3, 3, ("##z",), None),
    ]
    assert match_steps("cats", ["c", "##a"], longest=2)[0].tried == ("ca", "c")


@given(st.text("acehst", min_size=1, max_size=9))
def test_steps_are_those_of_the_tokenizer(word):
    steps = match_steps(word, set(SMALL.pieces))
    taken = [step.taken for step in steps]
    assert SMALL.tokenize(word) == (["[UNK]"] if None in taken else taken)
    for step in steps:
        lengths = [len(piece.removeprefix("##")) for piece in step.tried]
        assert lengths == list(range(len(word) - step.begin, lengths[-1] - 1, -1))


# Vocabulary and memory


def test_attributes():
    vocab = {"a": 5, "[MASK]": 0, "[SEP]": 1, "[UNK]": 2, "[CLS]": 3, "[PAD]": 4}
    tokenizer = WordPiece(vocab)
    assert tokenizer.pieces == ["[MASK]", "[SEP]", "[UNK]", "[CLS]", "[PAD]", "a"]
    assert tokenizer.vocab == vocab
    assert tokenizer.vocab_size == 6
    assert tokenizer.special_id("[MASK]") == 0
    assert tokenizer.special_ids == {0, 1, 2, 3, 4}
    assert tokenizer.encode("a b") == ([3, 5, 2, 1], [0, 0, 0, 0])
    assert repr(tokenizer) == "WordPiece(6 pieces, lower_case=True)"
    assert WordPiece(tuple(tokenizer.pieces)).vocab == vocab


def test_options_are_told_apart():
    pieces = [*SPECIALS, "a", "A", "à", "À", "##中", "a中", "中"]
    text = "aAàÀ"
    for lower_case, strip_accents, expected in [
        *((True, None, "aaaa"), (True, True, "aaaa"), (True, False, "aaàà")),
        *((False, None, "aAàÀ"), (False, False, "aAàÀ"), (False, True, "aAaA")),
    ]:
        tokenizer = WordPiece(pieces, lower_case, strip_accents)
        assert tokenizer.tokenize(" ".join(text)) == list(expected)
    assert WordPiece(pieces).tokenize("a中") == ["a", "中"]
    assert WordPiece(pieces, chinese_characters=False).tokenize("a中") == ["a中"]


def test_the_memory_of_parts_is_bounded_and_safe(monkeypatch):
    monkeypatch.setattr(wordpiece, "CACHE_SIZE", 3)
    fresh = WordPiece(SMALL.pieces)
    for text in ("the cat un cats", "york the [MASK] new", "the cat"):
        assert fresh.offsets(text) == SMALL.offsets(text)
        assert 0 < len(fresh._cache) <= 3
    fresh.offsets("the").append("changed")
    fresh.tokenize("the").append("changed")
    assert fresh.offsets("the") == [("the", 0, 3)]
    fresh.tokenize("a" * 41)
    assert "a" * 41 not in fresh._cache


def test_decode_by_hand():
    assert SMALL.decode(SMALL.encode("The unaffable [MASK]!")[0]) == (
        "[CLS] the unaffable [MASK] ! [SEP]"
    )
    assert SMALL.decode(SMALL.encode("Cats", "the")[0], skip_special=True) == "cats the"
    assert SMALL.decode([SMALL.vocab["##s"], SMALL.vocab["##s"]]) == "##ss"
    assert SMALL.decode([]) == SMALL.decode(torch.tensor([], dtype=torch.long)) == ""


# Bad input

GOOD = {piece: i for i, piece in enumerate([*SPECIALS, "a"])}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: WordPiece("abc"), TypeError, "vocab must map pieces to ids.* got str"),
        (lambda: WordPiece(3), TypeError, "vocab must map pieces to ids.* got int"),
        (lambda: WordPiece([*SPECIALS, 3]), TypeError, "piece with id 5 must be a string, got int"),
        (lambda: WordPiece([*SPECIALS, b"a"]), TypeError, "id 5 must be a string, got bytes"),
        (lambda: WordPiece(GOOD | {3: 6}), TypeError, "piece with id 6 must be a string, got int"),
        (lambda: WordPiece([*SPECIALS, ""]), ValueError, "piece with id 5 is empty"),
        (lambda: WordPiece([*SPECIALS, "a\nb"]), ValueError, r"id 5, 'a\\nb', holds the end of a"),
        (lambda: WordPiece([*SPECIALS, "a\r"]), ValueError, r"id 5, 'a\\r', holds the end of a"),
        (lambda: WordPiece([*SPECIALS, "\ud800"]), ValueError, r"id 5 holds a lone surrogate"),
        (lambda: WordPiece([*SPECIALS, "a", "a"]), ValueError, "'a' has two ids, 5 and 6"),
        (lambda: WordPiece(["a"]), ValueError, r"lacks \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK"),
        (lambda: WordPiece([]), ValueError, r"lacks \[PAD\].* its 0 pieces"),
        (lambda: WordPiece(SPECIALS[:-1]), ValueError, r"lacks \[MASK\]: its 4 pieces"),
        (lambda: WordPiece(GOOD | {"b": 5}), ValueError, "'a' and 'b' have the same id, 5"),
        (lambda: WordPiece(GOOD | {"b": 7}), ValueError, r"id of 'b' .* 0 to 6 .*, got 7"),
        (lambda: WordPiece(GOOD | {"b": -1}), ValueError, r"id of 'b' .* 0 to 6 .*, got -1"),
        (lambda: WordPiece(GOOD | {"b": 6.0}), TypeError, r"id of 'b' must be an int, got 6\.0"),
        (lambda: WordPiece(GOOD | {"a": True}), TypeError, "id of 'a' must be an int, got True"),
        (lambda: WordPiece(GOOD, lower_case=0), TypeError, "lower_case must be True or False"),
        (lambda: WordPiece(GOOD, strip_accents="x"), TypeError, "strip_accents must be"),
        (lambda: WordPiece(GOOD, chinese_characters=2), TypeError, "chinese_characters must be"),
        (lambda: WordPiece(GOOD, max_characters=0), ValueError, "max_characters .* at least 1"),
        (lambda: WordPiece(GOOD, max_characters="9"), TypeError, "max_characters must be an int"),
        (lambda: SMALL.tokenize(None), TypeError, "text must be a string, got NoneType"),
        (lambda: SMALL.tokenize(b"a"), TypeError, "text must be a string, got bytes"),
        (lambda: SMALL.encode(["a"]), TypeError, "text must be a string, got list"),
        (lambda: SMALL.encode("a", b"b"), TypeError, "pair must be a string, got bytes"),
        (lambda: SMALL.ids("a\ud800"), ValueError, r"U\+D800 at position 1"),
        (lambda: SMALL.offsets(3), TypeError, "text must be a string, got int"),
        (lambda: SMALL.encode("a b", "cat", 5), ValueError, "pair longer than max_len: 2 and 1 .*"
         "are 6 ids .* max_len is 5"),
        (lambda: SMALL.encode("a b c", max_len=4), ValueError, "text of 3 pieces longer than max_l"
         ".* 5 ids .* max_len is 4"),
        (lambda: SMALL.encode("a", max_len=1), ValueError, "max_len must be at least 2, got 1"),
        (lambda: SMALL.encode("a", "b", 2), ValueError, "max_len must be at least 3, got 2"),
        (lambda: SMALL.encode("a", max_len=4.0), TypeError, "max_len must be an int"),
        (lambda: SMALL.encode("a", truncate=True), ValueError, "truncate=True needs a max_len"),
        (lambda: SMALL.encode("a", max_len=9, truncate=1), TypeError, "truncate must be True or F"),
        (lambda: SMALL.decode([99]), ValueError, "id 99 at position 0 is out of range"),
        (lambda: SMALL.decode([0, -1]), ValueError, "id -1 at position 1"),
        (lambda: SMALL.decode([0.5]), TypeError, r"ids must be integers, got 0\.5"),
        (lambda: SMALL.decode("12"), TypeError, "ids must be a sequence of integers, got '12'"),
        (lambda: SMALL.decode([1], skip_special=0), TypeError, "skip_special must be True or"),
        (lambda: SMALL.special_id("[MSK]"), ValueError, r"no special token '\[MSK\]'; there are"),
        (lambda: SMALL.special_id("the"), ValueError, "no special token 'the'"),
        (lambda: SMALL.pieces_of_words("the cat"), TypeError, "words must be .* got 'the cat'"),
        (lambda: SMALL.pieces_of_words(3), TypeError, "words must be a sequence of strings, got 3"),
        (lambda: SMALL.pieces_of_words(["a", 3]), TypeError, r"words\[1\] must be a string"),
        (lambda: match_steps("", {"a"}), ValueError, "word must have characters, got ''"),
        (lambda: match_steps(None, {"a"}), TypeError, "word must be a string, got NoneType"),
        (lambda: match_steps("a", "abc"), TypeError, "vocab must be a collection of pieces"),
        (lambda: match_steps("a", 3), TypeError, "vocab must be a collection of pieces, got int"),
        (lambda: match_steps("a", {"a"}, 0), ValueError, "longest must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_transformers_has_no_other_class():
    """Once there was a second one, in Python; now there is one to be equal to."""
    from transformers import BertTokenizerFast

    assert BertTokenizerFast is BertTokenizer

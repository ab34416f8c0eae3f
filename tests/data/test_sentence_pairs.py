"""Sentence pairs: half of them true, each true one from one document, each false one from two."""

import math
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizer

from nlp_helpers.data.sentence_pairs import (
    SentencePair,
    full_sentences,
    sentence_pairs,
    truncate_pair,
)

HEAD = 10_000  # token = HEAD * document + place in the document: so each says where it is from


def numbered(lengths):
    """Documents of sentences of these lengths, whose tokens say where they stand."""
    documents = []
    for number, document in enumerate(lengths):
        tokens = iter(range(HEAD * number, HEAD * (number + 1)))
        documents.append([[next(tokens) for _ in range(n)] for n in document])
    return documents


def contiguous(ids):
    return ids == list(range(ids[0], ids[0] + len(ids)))


def one_at_a_time(first, second, max_tokens):
    first, second = list(first), list(second)
    while len(first) + len(second) > max_tokens:
        (first if len(first) > len(second) else second).pop()
    return first, second


# ---------------------------------------------------------------- truncation


@pytest.mark.parametrize("max_tokens", [2, 3, 4, 5, 8, 13, 30])
def test_the_longer_text_loses_one_token_after_the_other(max_tokens):
    for n in range(14):
        for m in range(14):
            first, second = list(range(n)), list(range(50, 50 + m))
            expected = one_at_a_time(first, second, max_tokens)
            assert truncate_pair(first, second, max_tokens) == expected
            assert truncate_pair(tuple(first), tuple(second), max_tokens) == expected


def test_truncation_by_hand():
    assert truncate_pair([1, 2, 3], [4, 5, 6], 3) == ([1, 2], [4])
    assert truncate_pair([1, 2, 3, 4, 5], [6], 3) == ([1, 2], [6])
    assert truncate_pair([1], [2, 3, 4, 5], 3) == ([1], [2, 3])
    assert truncate_pair([1, 2], [3], 3) == ([1, 2], [3])


def test_the_given_texts_stay_as_they_are():
    first, second = [1, 2, 3], [4]
    shorter, same = truncate_pair(first, second, 9)
    shorter.append(0)
    same.append(0)
    assert (first, second) == ([1, 2, 3], [4])


def test_transformers_keeps_as_much_but_for_an_odd_token_of_equally_long_rests(tmp_path):
    """Its Rust code gives the odd token to the text that was longer (the second of equal ones)."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(60))]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    tokenizer = BertTokenizer(vocab=str(tmp_path / "vocab.txt"))
    same = 0
    for n in range(1, 12):
        for m in range(1, 12):
            for max_tokens in range(2, 15):
                first, second = [f"w{i}" for i in range(n)], [f"w{30 + i}" for i in range(m)]
                ids = tokenizer(
                    " ".join(first),
                    " ".join(second),
                    truncation="longest_first",
                    max_length=max_tokens + 3,
                )["input_ids"]
                tokens = tokenizer.convert_ids_to_tokens(ids)
                theirs = tokens[1 : tokens.index("[SEP]")], tokens[tokens.index("[SEP]") + 1 : -1]
                ours = truncate_pair(first, second, max_tokens)
                half, odd = divmod(max_tokens, 2)
                if odd and n <= m and n > half:
                    assert list(map(len, ours)) == [half + 1, half]
                    assert list(map(len, theirs)) == [half, half + 1]
                else:
                    same += 1
                    assert ours == theirs
    assert same > 1000


@pytest.mark.parametrize(("value", "error"), [(1, ValueError), (-3, ValueError), (2.0, TypeError)])
def test_no_room_for_two_texts(value, error):
    with pytest.raises(error, match=f"max_tokens must be .*{value}"):
        truncate_pair([1, 2], [3], value)


# ---------------------------------------------------------------- pairs

lengths = st.lists(
    st.lists(st.integers(1, 9), min_size=1, max_size=12), min_size=2, max_size=7
)  # of the sentences of documents


@given(
    lengths=lengths,
    max_len=st.integers(5, 40),
    short=st.sampled_from([0, 0.1, 1]),
    seed=st.integers(0, 99),
)
def test_what_every_pair_keeps_to(lengths, max_len, short, seed):
    documents = numbered(lengths)
    pairs = sentence_pairs(documents, max_len, seed, short)
    kept = {}  # what first texts and true second texts hold, document by document
    for first, second, is_next in pairs:
        assert first and second and len(first) + len(second) <= max_len - 3
        assert contiguous(first) and contiguous(second)
        own, other = first[0] // HEAD, second[0] // HEAD
        assert (own == other) == is_next
        full = len(first) + len(second) == max_len - 3
        starts = [sentence[0] for sentence in documents[other]]
        assert second[0] in starts and first[0] in [s[0] for s in documents[own]]
        if is_next:
            before = [s for s in documents[own] if s[0] == second[0]]
            assert before and (first[-1] + 1 == second[0] or full)
        for text in (first, second) if is_next else (first,):
            kept.setdefault(own, []).append((text, full))
    assert list(kept) == list(range(len(documents)))  # every document, in order
    for number, document in enumerate(documents):
        texts = kept[number]
        found = [token for text, _ in texts for token in text]
        assert found == sorted(set(found))  # nothing twice, all in order
        sentence_starts = {s[0] for s in document}
        for i, (text, full) in enumerate(texts):
            after = texts[i + 1][0][0] if i + 1 < len(texts) else document[-1][-1] + 1
            assert text[-1] + 1 == after or full  # only truncation loses tokens
            assert text[0] in sentence_starts


@given(lengths=lengths, seed=st.integers(0, 99), max_len=st.integers(5, 30))
def test_nothing_is_lost_where_nothing_is_too_long(lengths, seed, max_len):
    """With sentences of one token a pair ends at its length exactly."""
    documents = numbered([[1] * len(document) for document in lengths])
    found = []
    for first, second, is_next in sentence_pairs(documents, max_len, seed):
        found += [*first, *(second if is_next else [])]
    assert found == [token for document in documents for (token,) in document]


def test_half_of_the_pairs_are_true_where_documents_have_many_sentences():
    documents = numbered([[1 + (i + j) % 5 for j in range(900)] for i in range(60)])
    pairs = sentence_pairs(documents, 35, seed=0)
    n, true = len(pairs), sum(pair.is_next for pair in pairs)
    assert n > 5000
    assert abs(true - n / 2) <= 4 * math.sqrt(n / 4)


def test_a_sentence_alone_gets_a_random_second_text():
    pairs = sentence_pairs(numbered([[4], [7], [3]]), 30, seed=0)
    assert [pair.first for pair in pairs] == [s for d in numbered([[4], [7], [3]]) for s in d]
    assert not any(pair.is_next for pair in pairs)
    long = sentence_pairs(numbered([[40] * 50, [40] * 50]), 40, seed=0, short=0)
    assert len(long) == 100 and not any(pair.is_next for pair in long)
    assert {(len(p.first), len(p.second)) for p in long} == {(19, 18)}


def test_two_sentences_are_true_half_of_the_time():
    pairs = sentence_pairs(numbered([[2, 2]] * 4000), 30, seed=1, short=0)
    true = sum(pair.is_next for pair in pairs)
    assert abs(true - 2000) <= 4 * math.sqrt(1000)
    assert len(pairs) == true + 2 * (4000 - true)  # what was cut off makes a pair of its own


def test_the_cut_is_anywhere_between_two_sentences():
    documents = numbered([[1] * 10] * 3000)
    pairs = sentence_pairs(documents, 13, seed=2, short=0)
    cuts = [len(p.first) for p in pairs if p.is_next and p.first[0] % HEAD == 0]
    assert set(cuts) == set(range(1, 10))
    counts = [cuts.count(cut) for cut in range(1, 10)]
    expected = len(cuts) / 9
    assert all(abs(c - expected) < 4 * math.sqrt(expected) for c in counts)


def test_a_random_second_text_is_from_any_other_document_and_any_sentence():
    documents = numbered([[1] * 8] * 5)
    seconds = {}
    for seed in range(400):
        for first, second, is_next in sentence_pairs(documents, 11, seed, short=0):
            if not is_next:
                starts = seconds.setdefault(first[0] // HEAD, {})
                starts[second[0]] = starts.get(second[0], 0) + 1
                assert len(second) == min(8 - len(first) or 1, 8 - second[0] % HEAD)
    for own in range(5):
        expected = {HEAD * i + j for i in range(5) if i != own for j in range(8)}
        assert set(seconds[own]) == expected
        total = sum(seconds[own].values())
        by_document = [
            sum(n for s, n in seconds[own].items() if s // HEAD == i) for i in range(5) if i != own
        ]
        assert all(abs(n - total / 4) <= 4 * math.sqrt(total * 3 / 16) for n in by_document)


def test_short_pairs_are_the_share_that_was_asked_for():
    documents = numbered([[1] * 2000] * 12)

    def below(short):
        pairs = sentence_pairs(documents, 103, 0, short)
        own = [len(p.first) + len(p.second) for p in pairs if p.is_next]
        return sum(n < 100 for n in own) / len(own), min(own)

    assert below(0) == (0, 100) or below(0)[0] < 0.1  # only where a document ends
    assert below(1)[0] > 0.95 and below(1)[1] == 2
    assert below(0)[0] < below(0.5)[0] < below(1)[0]


def test_equal_seeds_give_equal_pairs():
    documents = numbered([[1 + j % 4 for j in range(40)] for _ in range(9)])
    assert sentence_pairs(documents, 20, 3) == sentence_pairs(documents, 20, 3)
    assert sentence_pairs(documents, 20, 3) != sentence_pairs(documents, 20, 4)
    pair = sentence_pairs(documents, 20, 3)[0]
    assert isinstance(pair, SentencePair) and isinstance(pair.is_next, bool)


# ---------------------------------------------------------------- full sentences

SEP = 99 * HEAD  # no token of `numbered`


@given(lengths=lengths, max_len=st.integers(3, 30))
def test_full_sentences_hold_every_token_once_and_split_no_sentence_that_fits(lengths, max_len):
    documents, room = numbered(lengths), max_len - 2
    rows = full_sentences(documents, max_len, SEP)
    found = [token for row in rows for token in row if token != SEP]
    assert found == [token for document in documents for sentence in document for token in sentence]
    starts = {s[0] for s in chain(*documents)}
    long = {token for s in chain(*documents) if len(s) > room for token in s}
    for i, row in enumerate(rows):
        assert 0 < len(row) <= room
        assert row[0] != SEP and row[-1] != SEP
        assert row[0] in starts or row[0] in long
        for a, b in pairwise(row):
            if SEP not in (a, b):
                assert a // HEAD == b // HEAD  # another document begins after a separator
        for a, mark, b in zip(row, row[1:], row[2:], strict=False):
            if mark == SEP:
                assert a // HEAD < b // HEAD
        if i + 1 < len(rows):  # the next piece would not have fitted
            after = rows[i + 1]
            sentence = next(s for s in chain(*documents) if after[0] in s)
            at = sentence.index(after[0])
            piece = len(sentence[at : at + room])
            separator = row[-1] // HEAD != after[0] // HEAD
            assert len(row) + separator + piece > room


def test_full_sentences_by_hand():
    documents = [[[1, 2], [3]], [[4, 5, 6]], [[7], [8, 9, 10, 11, 12, 13, 14]]]
    assert full_sentences(documents, 9, 0) == [
        [1, 2, 3, 0, 4, 5, 6],
        [7],
        [8, 9, 10, 11, 12, 13, 14],
    ]
    assert full_sentences(documents, 8, 0) == [
        [1, 2, 3],
        [4, 5, 6, 0, 7],
        [8, 9, 10, 11, 12, 13],
        [14],
    ]


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"documents": []}, ValueError, "second document to draw from, got 0"),
        ({"documents": [[[1]]]}, ValueError, "second document to draw from, got 1"),
        ({"documents": [[[1]], []]}, ValueError, r"documents\[1\] must be a list of sentences"),
        (
            {"documents": [[[1]], [[2], []]]},
            ValueError,
            r"documents\[1\]\[1\] is an empty sentence",
        ),
        (
            {"documents": [[[1]], [2]]},
            TypeError,
            r"documents\[1\]\[0\] must be a list of ids, got 2",
        ),
        ({"documents": [["ab"], [[1]]]}, TypeError, r"documents\[0\]\[0\].*got 'ab'"),
        ({"documents": ["ab", [[1]]]}, ValueError, r"documents\[0\].*got 'ab'"),
        ({"max_len": 4}, ValueError, "max_len must be at least 5, got 4"),
        ({"max_len": 128.0}, TypeError, "max_len"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": None}, TypeError, "seed"),
        ({"short": 1.1}, ValueError, r"short must be in \[0, 1\], got 1.1"),
        ({"short": "0.1"}, TypeError, "short must be a number"),
    ],
)
def test_bad_documents_and_numbers(change, error, message):
    settings = {"documents": [[[1]], [[2]]], "max_len": 20, "seed": 0, **change}
    with pytest.raises(error, match=message):
        sentence_pairs(**settings)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"documents": []}, ValueError, "documents must hold a document, got 0"),
        ({"documents": [[[1], []]]}, ValueError, r"documents\[0\]\[1\] is an empty sentence"),
        ({"max_len": 2}, ValueError, "max_len must be at least 3, got 2"),
        ({"separator_id": -1}, ValueError, "separator_id must be at least 0, got -1"),
        ({"separator_id": "[SEP]"}, TypeError, "separator_id"),
    ],
)
def test_bad_full_sentences(change, error, message):
    settings = {"documents": [[[1]]], "max_len": 20, "separator_id": 3, **change}
    with pytest.raises(error, match=message):
        full_sentences(**settings)

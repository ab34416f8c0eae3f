"""Pieces are learned as they should be: as tokenizers does, or as a slow reference does."""

import inspect
import random
from collections import Counter
from itertools import pairwise
from math import log

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer

from nlp_helpers.data.wordpiece import WordPiece
from nlp_helpers.data.wordpiece_text import BasicTokenizer
from nlp_helpers.data.wordpiece_training import (
    FrequencyLearner,
    LikelihoodLearner,
    alphabet_of,
    as_piece,
    join_steps,
    learn_pieces,
)
from tests.data.wordpiece_texts import OPTIONS, SPECIALS, TEXTS

# Real English, and enough of it for pieces to be joined hundreds of times.
ENGLISH = [inspect.getdoc(getattr(np, name)) or "" for name in sorted(np.__all__)][:150]

TOY = {"low": 5, "lowest": 2, "newer": 6, "wider": 3}

WORDS = st.dictionaries(
    st.one_of(st.text("ab", min_size=1, max_size=9), st.text("abcd", min_size=1, max_size=6)),
    st.integers(1, 6),
    max_size=8,
)


def train_theirs(texts, vocab_size, min_frequency=2, options=(True, None, True)) -> list[str]:
    """The pieces that the trainer of tokenizers learns, in the order of their ids.

    There the ids of the characters with "##" come in the order of a hash table that differs from
    run to run, and ids decide ties. Named as special tokens, the characters get fixed ids.
    """
    words = {word for text in texts for word in BasicTokenizer(*options).words(text)}
    lower_case, strip_accents, chinese_characters = options
    tokenizer = BertWordPieceTokenizer(
        lowercase=lower_case,
        strip_accents=strip_accents,
        handle_chinese_chars=chinese_characters,
    )
    tokenizer.train_from_iterator(
        texts,
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        limit_alphabet=100_000,
        special_tokens=[*SPECIALS, *map(as_piece, alphabet_of(words))],
        show_progress=False,
    )
    vocab = tokenizer.get_vocab()
    return sorted(vocab, key=vocab.__getitem__)


def joined(left: str, right: str) -> str:
    return left + right.removeprefix("##")


def learn_slowly(words, n_pieces, gain, min_frequency) -> tuple[list[str], list[float]]:
    """A reference: everything is counted again for each join, with pieces as they are written."""
    cuts = {word: [word[0], *("##" + c for c in word[1:])] for word in words}
    pieces = sorted({c for word in words for c in word})
    pieces += sorted({piece for cut in cuts.values() for piece in cut[1:]})
    gains = []
    while len(pieces) < n_pieces:
        count, pair_count = Counter(), Counter()
        for word, cut in cuts.items():
            for piece in cut:
                count[piece] += words[word]
            for pair in pairwise(cut):
                pair_count[pair] += words[word]
        total = sum(count.values())
        scored = {pair: gain(n, count[pair[0]], count[pair[1]], total)
                  for pair, n in pair_count.items() if n >= min_frequency}  # fmt: skip
        best = max(scored.values(), default=0)
        if best <= 0:
            break
        ties = [pair for pair, value in scored.items() if value >= best * (1 - 1e-9)]
        left, right = min(ties, key=lambda pair: [pieces.index(piece) for piece in pair])
        for word, cut in cuts.items():
            merged = []
            for piece in cut:
                if merged and (merged[-1], piece) == (left, right):
                    merged[-1] = joined(left, right)
                else:
                    merged.append(piece)
            cuts[word] = merged
        pieces.append(joined(left, right))
        gains.append(best)
    return pieces, gains


def by_likelihood(n, n_left, n_right, total) -> float:
    return n * log(n * total / (n_left * n_right))


def by_frequency(n, n_left, n_right, total) -> float:
    return n


# Frequency: as tokenizers


@given(st.lists(st.text("ab ", max_size=30), max_size=4), st.integers(12, 40), st.integers(1, 3))
@example(["aaaaaaa aaaa aaaaa baaaa"], 40, 1)
def test_frequency_on_runs_and_ties_is_theirs(texts, vocab_size, min_frequency):
    ours = WordPiece.train(texts, vocab_size, "frequency", min_frequency=min_frequency)
    assert ours.pieces == train_theirs(texts, vocab_size, min_frequency)


@given(TEXTS, st.sampled_from(OPTIONS))
def test_frequency_on_any_text_is_theirs(text, options):
    texts = [text, text[::-1], text]
    ours = WordPiece.train(texts, 1000, "frequency", *options, min_frequency=1)
    assert ours.pieces == train_theirs(texts, 1000, 1, options)


@pytest.mark.parametrize("vocab_size", [150, 700, 20_000])  # 20,000: nothing is left to join
def test_frequency_on_english_is_theirs(vocab_size):
    ours = WordPiece.train(ENGLISH, vocab_size, "frequency")
    assert ours.pieces == train_theirs(ENGLISH, vocab_size)
    assert (ours.vocab_size == vocab_size) == (vocab_size < 20_000)


# Likelihood: as a reference that counts everything anew


@given(WORDS, st.integers(1, 3))
@example({"aaaa": 1, "aaa": 2, "baaa": 1}, 1)
def test_both_scores_are_those_of_the_reference(words, min_frequency):
    for score, gain in (("likelihood", by_likelihood), ("frequency", by_frequency)):
        n_pieces = len(alphabet_of(words)) + 12
        pieces, _ = learn_slowly(words, n_pieces, gain, min_frequency)
        assert learn_pieces(words, n_pieces, score, min_frequency) == pieces


def test_likelihood_on_english_is_that_of_the_reference():
    words = Counter(word for text in ENGLISH[:40] for word in BasicTokenizer().words(text))
    n_pieces = len(alphabet_of(words)) + 60
    pieces, gains = learn_slowly(words, n_pieces, by_likelihood, 2)
    assert len(pieces) == n_pieces
    assert learn_pieces(words, n_pieces) == pieces
    steps = join_steps(words, 60, min_frequency=2)
    assert [step.score for step in steps] == pytest.approx(gains, rel=1e-9)
    assert WordPiece.train(ENGLISH[:40], n_pieces + 5).pieces == [*SPECIALS, *pieces]


def log_likelihood(words, cuts) -> float:
    count = Counter()
    for word, cut in cuts.items():
        for piece in cut:
            count[piece] += words[word]
    total = sum(count.values())
    return sum(n * log(n / total) for n in count.values())


def test_the_gain_is_that_of_the_likelihood_up_to_the_count():
    words = Counter(word for text in ENGLISH[:40] for word in BasicTokenizer().words(text))
    learner = LikelihoodLearner(words)
    before, checked = log_likelihood(words, learner.cuts), 0
    for pair, gain in learner.joins(300):
        after = log_likelihood(words, learner.cuts)
        count = learner.piece_counts[-1]  # of the new piece
        if pair[0] != pair[1]:
            assert abs(after - before - gain) <= count * (1 + 1e-9)
            checked += 1
        before = after
    assert checked > 290


def test_counts_are_kept_right_step_by_step():
    words = Counter(word for text in ENGLISH[:10] for word in BasicTokenizer().words(text))
    learner = LikelihoodLearner(words)
    for _ in learner.joins(100):
        pieces, pairs = Counter(), Counter()
        for word, cut in learner.cuts.items():
            for name in cut:
                pieces[learner.vocab[name]] += words[word]
            for pair in pairwise(cut):
                pairs[pair] += words[word]
        assert dict(enumerate(learner.piece_counts)) == {
            i: pieces[i] for i in range(len(learner.names))
        }
        kept = {pair: learner.counts[row] for pair, row in learner.rows.items()}
        assert {pair: n for pair, n in kept.items() if n} == pairs
    assert [learner.vocab[name] for name in learner.names] == list(range(len(learner.names)))


@given(WORDS, st.data())
def test_no_piece_is_made_twice(words, data):
    """In whatever order pairs are joined: so a join is always one piece more."""
    learner = FrequencyLearner(words)
    while pairs := sorted(pair for pair, n in learner.pair_counts.items() if n > 0):
        pair = data.draw(st.sampled_from(pairs))
        assert "".join(pair) not in learner.vocab
        learner.merge(pair)


# By hand


def test_the_first_joins_by_hand():
    frequent = join_steps(TOY, 3, "frequency")
    # e r: 6 + 3. Then l o and o w have 5 + 2; "l" has a smaller id than "##o".
    assert [(step.pair, step.piece, step.count, step.score) for step in frequent] == [
        (("##e", "##r"), "##er", 9, 9),
        (("l", "##o"), "lo", 7, 7),
        (("lo", "##w"), "low", 7, 7),
    ]
    assert frequent[2].words == {
        "low": ("low",),
        "lowest": ("low", "##e", "##s", "##t"),
        "newer": ("n", "##e", "##w", "##er"),
        "wider": ("w", "##i", "##d", "##er"),
    }
    # 72 characters. "l" and "##o" are always together: 7 log(7 · 72 / (7 · 7)) = 16.3; for
    # "##e" (17) and "##r" (9): 9 log(9 · 72 / (17 · 9)) = 13.0; "##o" and "##w" (13): 12.0.
    likely = join_steps(TOY, 2)
    assert likely[0].pair == ("l", "##o")
    assert likely[0].score == pytest.approx(7 * log(72 / 7))
    assert likely[0].count == 7
    # 65 pieces are left, and the next is 9 log(65 / 17) = 12.1, before "lo" "##w", 11.3.
    assert likely[1].pair == ("##e", "##r")
    assert likely[1].score == pytest.approx(9 * log(65 / 17))


def test_the_scores_differ_where_a_frequent_pair_is_no_surprise():
    # "##a" and "##b" stand everywhere, and beside each other as often as by chance or less.
    words = {"xabab": 20, "xbbaa": 20, "xaabb": 20, "qu": 9, "qua": 9}
    assert join_steps(words, 1, "frequency")[0].pair == ("##a", "##b")
    assert join_steps(words, 1, "likelihood")[0].pair == ("q", "##u")


def test_the_order_of_pieces():
    tokenizer = WordPiece.train("cab cab ac", 30)
    assert tokenizer.pieces[:11] == [*SPECIALS, "a", "b", "c", "##a", "##b", "##c"]
    assert tokenizer.pieces[11:] == ["ca", "cab"]  # "ac" occurs once
    assert WordPiece.train("cab cab ac", 30, min_frequency=1).pieces[11:] == ["ca", "cab", "ac"]
    assert WordPiece.train("cab cab", 11).pieces[-2:] == ["##b", "ca"]


@pytest.mark.parametrize("words", [{"aaa": 1, "a": 1}, {"aaaa": 2, "a": 1}])
def test_training_ends_when_no_gain_is_left(words):
    # Both pairs are exactly as frequent as by chance: 1 · 4 = 2 · 2; 2 · 9 = 3 · 6, 4 · 9 = 6 · 6.
    assert join_steps(words, 5) == []
    assert learn_pieces(words, 9, min_frequency=1) == ["a", "##a"]
    assert len(learn_pieces(words, 9, "frequency", min_frequency=1)) > 2


def test_training_ends_when_each_word_is_a_piece():
    assert set(learn_pieces({"ab": 3, "cde": 2}, 99)) == {*"abcde", "##b", "##d", "##e"} | {
        *("ab", "cd", "cde"),
    }
    assert learn_pieces({"a": 3, "b": 1}, 99) == ["a", "b"]


def test_options_of_training_are_kept():
    cased = WordPiece.train("Éa Éa", 20, lower_case=False)
    assert cased.basic.lower_case is False
    assert cased.pieces[5:] == ["a", "É", "##a", "Éa"]
    assert WordPiece.train("Éa Éa", 20).pieces[5:] == ["a", "e", "##a", "ea"]
    kept = WordPiece.train("Éa 中中", 20, strip_accents=False, chinese_characters=False)
    assert kept.pieces[5:8] == ["a", "é", "中"]
    assert kept.basic == BasicTokenizer(True, False, False)
    assert WordPiece.train("a", 20, max_characters=3).max_characters == 3


@pytest.mark.parametrize("score", ["likelihood", "frequency"])
def test_texts_in_any_order_and_as_one_give_the_same_pieces(score):
    lines = [line for text in ENGLISH[:60] for line in text.splitlines()]
    pieces = WordPiece.train(lines, 400, score).pieces
    assert len(pieces) == 400
    random.Random(0).shuffle(lines)
    assert WordPiece.train(iter(lines), 400, score).pieces == pieces
    assert WordPiece.train("\n".join(lines), 400, score).pieces == pieces


@pytest.mark.parametrize("score", ["likelihood", "frequency"])
def test_text_of_training_has_no_unknown_word(score):
    text = " ".join(ENGLISH[:40])
    tokenizer = WordPiece.train(text, 600, score)
    pieces = tokenizer.tokenize(text)
    assert "[UNK]" not in pieces
    assert len(pieces) < 2 * len(BasicTokenizer().words(text))


@given(TEXTS)
def test_no_text_of_training_gives_an_unknown_word(text):
    text = text.translate({ord(c): " " for c in "[]"})
    tokenizer = WordPiece.train(text, 2000, max_characters=10_000)
    assert "[UNK]" not in tokenizer.tokenize(text)


def test_special_tokens_are_cut_in_training():
    assert "mask" in WordPiece.train("[MASK] [MASK]", 50).pieces
    assert WordPiece.train("[MASK] [MASK]", 50).tokenize("[MASK]") == ["[MASK]"]


def test_nothing_to_learn_from():
    for texts in ("", [], [" ", "\x00"]):
        for score in ("likelihood", "frequency"):
            assert WordPiece.train(texts, 9, score).pieces == SPECIALS
    assert join_steps({}, 3) == []


# Bad input


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: WordPiece.train(3, 30), TypeError, "text must be a string, got int"),
        (lambda: WordPiece.train(b"ab", 30), TypeError, "text must be a string, got bytes"),
        (
            lambda: WordPiece.train(["a", None], 30),
            TypeError,
            "text must be a string, got NoneType",
        ),
        (lambda: WordPiece.train("\ud800", 30), ValueError, r"U\+D800"),
        (
            lambda: WordPiece.train("ab ba", 8),
            ValueError,
            "vocab_size must be at least 9, .*8",
        ),
        (lambda: WordPiece.train("", 4), ValueError, "vocab_size must be at least 5, .* got 4"),
        (lambda: WordPiece.train("a", 0), ValueError, "vocab_size must be at least 1, got 0"),
        (lambda: WordPiece.train("a", 30.0), TypeError, "vocab_size must be an int, got float"),
        (
            lambda: WordPiece.train("a", 30, "bpe"),
            ValueError,
            "unknown score 'bpe': use one",
        ),
        (lambda: WordPiece.train("a", 30, None), ValueError, "unknown score None"),
        (lambda: WordPiece.train("a", 30, lower_case=1), TypeError, "lower_case must be True or F"),
        (lambda: WordPiece.train("a", 30, max_characters=0), ValueError, "max_characters"),
        (lambda: WordPiece.train("a", 30, min_frequency=0), ValueError, "min_frequency .* least 1"),
        (lambda: WordPiece.train("a", 30, min_frequency=1.5), TypeError, "min_frequency must be"),
        (lambda: learn_pieces({"ab": 1}, 2), ValueError, "3 characters .* the 2 pieces"),
        (lambda: learn_pieces({"ab": 1}, 2.0), TypeError, "n_pieces must be an int"),
        (lambda: learn_pieces({"ab": 0}, 9), ValueError, "the count of 'ab' must be at least 1"),
        (lambda: learn_pieces({"": 1}, 9), ValueError, "a word must have characters"),
        (lambda: learn_pieces({"a\0": 1}, 9), ValueError, r"none of them U\+0000, got 'a\\x00'"),
        (lambda: learn_pieces({3: 1}, 9), TypeError, "word must be a string, got int"),
        (lambda: learn_pieces(["ab"], 9), TypeError, "words must map words to counts, got list"),
        (lambda: join_steps(TOY, 0), ValueError, "n_joins must be at least 1, got 0"),
        (lambda: join_steps(TOY, 1, "x"), ValueError, "unknown score 'x'"),
        (lambda: join_steps("low", 1), TypeError, "words must map words to counts, got str"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()

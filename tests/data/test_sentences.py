"""Batches of sentences: every sentence once, spelled as the model spells, words as targets."""

from functools import partial

import pytest
import torch

from nlp_helpers.data.sentences import MARKS, SPECIALS, sentence_batches
from nlp_helpers.data.vocabulary import Vocab
from nlp_helpers.models.char_cnn import characters_of

SENTENCES = [["a", "bank"], ["the", "river", "bank"], ["go"], ["a", "café", "bank", "x"]] * 5
VOCAB = Vocab(["a", "bank", "the", "river", "go"], specials=SPECIALS)
spell = partial(characters_of, max_characters=11)


def read(batch) -> list[tuple[str, ...]]:
    _, mask, words = batch
    return [tuple(VOCAB.decode(row[m])) for row, m in zip(words, mask.bool(), strict=True)]


def test_each_sentence_comes_once_an_epoch_between_its_marks():
    batches = sentence_batches(SENTENCES, VOCAB, spell, batch_size=3)
    known = lambda w: w if w in VOCAB else "<unk>"  # noqa: E731
    wanted = sorted((MARKS[0], *map(known, s), MARKS[1]) for s in SENTENCES)
    for _ in range(2):
        assert sorted(row for batch in batches for row in read(batch)) == wanted
    assert len(batches) == len(list(batches)) == 7


def test_characters_and_mask_are_those_of_the_model():
    sentences = [["river", "café"], ["a"], ["the", "go", "bank"]]
    ((characters, mask, words),) = sentence_batches(sentences, VOCAB, spell, 5, seed=None)
    by_length = sorted(sentences, key=len)
    expected, expected_mask = spell(by_length)
    assert torch.equal(characters, expected)
    assert torch.equal(mask, expected_mask)
    assert words[1].tolist() == VOCAB.encode(["<S>", "river", "café", "</S>"]) + [0]


def test_lengths_are_alike_and_epochs_are_not():
    batches = sentence_batches(SENTENCES, VOCAB, spell, batch_size=5, seed=3)
    first, second = list(batches), list(batches)
    assert all(mask.all() for _, mask, _ in first)  # five of each length
    assert [read(b) for b in first] != [read(b) for b in second]
    again = sentence_batches(SENTENCES, VOCAB, spell, batch_size=5, seed=3)
    assert [read(b) for b in again] == [read(b) for b in first]
    fixed = sentence_batches(SENTENCES, VOCAB, spell, batch_size=5, seed=None)
    assert [read(b) for b in fixed] == [read(b) for b in fixed]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"sentences": []}, ValueError, "empty"),
        ({"sentences": [["a"], []]}, ValueError, "empty sentence"),
        ({"sentences": ["a bank"]}, TypeError, "split it first"),
        ({"sentences": "a bank"}, TypeError, "split it first"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": 2.0}, TypeError, "batch_size"),
        ({"seed": -1}, ValueError, "seed"),
        ({"vocab": Vocab(["a"], specials=("<unk>",))}, ValueError, "lacks .*<S>"),
    ],
)
def test_bad_input_is_refused(change, error, message):
    arguments = {"sentences": SENTENCES, "vocab": VOCAB, "spell": spell, "batch_size": 2}
    with pytest.raises(error, match=message):
        sentence_batches(**{**arguments, **change})

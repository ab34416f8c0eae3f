import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from nlp_helpers.data.tokenizers import CharTokenizer, WordTokenizer, split_words
from nlp_helpers.data.vocabulary import Vocab


@given(st.text(min_size=1))
@example("\x00")
@example("a\x00\x00")
def test_characters_come_back_exactly(text):
    tokenizer = CharTokenizer.train(text)
    ids = tokenizer.encode(text)
    assert ids.dtype == torch.long
    assert ids.shape == (len(text),)
    assert tokenizer.vocab_size == len(set(text))
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode(ids.tolist()) == text


def test_character_ids_are_the_vocabulary_s():
    tokenizer = CharTokenizer.train("hello")
    assert tokenizer.vocab.tokens == ("l", "e", "h", "o")
    assert tokenizer.encode("hole").tolist() == [2, 3, 0, 1]


@pytest.mark.parametrize("unknown", ["!", "z", "é", "\x00"])  # below, above, beyond the known
def test_unknown_character_is_named_with_its_position(unknown):
    with pytest.raises(ValueError, match=r"position 2.*train the tokenizer"):
        CharTokenizer.train("hello").encode("he" + unknown)


def test_a_vocabulary_for_characters_holds_single_characters():
    assert CharTokenizer(Vocab("helo")).encode("hello").tolist() == [1, 0, 2, 2, 3]
    with pytest.raises(ValueError, match="'ab'"):
        CharTokenizer(Vocab(["a", "ab"]))
    with pytest.raises(TypeError, match="train"):
        CharTokenizer("abc")


def test_words_numbers_and_marks_are_tokens():
    assert split_words("It's a well-known fact: pi is 3.14, isn't it?") == [
        *("It's", "a", "well-known", "fact", ":", "pi", "is", "3.14", ",", "isn't", "it", "?")
    ]
    assert split_words("The End", lower=True) == ["the", "end"]


def test_words_unknown_to_the_tokenizer_become_unk():
    tokenizer = WordTokenizer.train("the cat and the dog")
    ids = tokenizer.encode("the mouse and the cat")
    assert ids.dtype == torch.long
    assert ids.tolist()[1] == 0
    assert tokenizer.decode(ids) == "the <unk> and the cat"
    assert tokenizer.vocab_size == 5


def test_word_options():
    text = "The cat saw the cat run"
    assert WordTokenizer.train(text, min_count=2).vocab.tokens == ("<unk>", "cat")
    assert WordTokenizer.train(text, lower=True, max_size=3).vocab.tokens == ("<unk>", "cat", "the")
    lower = WordTokenizer.train(text, lower=True)
    assert lower.encode("THE").tolist() == lower.encode("the").tolist() != [0]


@pytest.mark.parametrize("kind", [CharTokenizer, WordTokenizer])
def test_bad_input(kind):
    for bad in (None, 3, b"abc", ["a"]):
        with pytest.raises(TypeError, match="text must be a string"):
            kind.train(bad)
        with pytest.raises(TypeError, match="text must be a string"):
            kind.train("abc").encode(bad)
    with pytest.raises(ValueError, match="empty"):
        kind.train("")
    with pytest.raises(ValueError, match="empty"):
        kind.train("abc").encode("")
    with pytest.raises(ValueError, match="id 9 at position 0"):
        kind.train("abc").decode([9])
    with pytest.raises(ValueError, match="id -1 at position 1"):
        kind.train("abc").decode([0, -1])
    with pytest.raises(TypeError, match=r"1\.5"):
        kind.train("abc").decode([1.5])


def test_bad_word_options():
    with pytest.raises(ValueError, match="no word"):
        WordTokenizer.train(" \n ")
    with pytest.raises(TypeError, match="lower"):
        WordTokenizer.train("abc", lower="yes")
    with pytest.raises(TypeError, match="lower"):
        WordTokenizer(Vocab(["a"]), lower=1)
    with pytest.raises(TypeError, match="Vocab"):
        WordTokenizer(["a"])
    with pytest.raises(ValueError, match="'b' at position 0"):
        WordTokenizer(Vocab(["a"])).encode("b")

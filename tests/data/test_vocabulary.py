import random

import pytest
import torch

from nlp_helpers.data.vocabulary import Vocab


def test_order_is_specials_then_falling_count_then_code_point():
    vocab = Vocab(["b", "b", "a", "a", "c", "d", "d", "d"], specials=("<pad>", "<unk>"))
    assert vocab.tokens == ("<pad>", "<unk>", "d", "a", "b", "c")
    assert vocab.counts == (0, 0, 3, 2, 2, 1)
    assert len(vocab) == 6
    assert "a" in vocab
    assert "z" not in vocab


def test_order_does_not_depend_on_the_order_of_the_tokens():
    tokens = list("abracadabra, abracadabra!")
    shuffled = tokens[:]
    random.Random(0).shuffle(shuffled)
    assert shuffled != tokens
    assert Vocab(shuffled).tokens == Vocab(tokens).tokens


def test_min_count_and_max_size():
    tokens = ["a", "a", "a", "b", "b", "c"]
    assert Vocab(tokens, min_count=2).tokens == ("a", "b")
    assert Vocab(tokens, specials=("<unk>",), max_size=2).tokens == ("<unk>", "a")


def test_a_special_that_occurs_is_listed_once():
    assert Vocab(["<eos>", "a", "<eos>"], specials=("<eos>",)).tokens == ("<eos>", "a")


def test_encode_and_decode_are_inverse():
    vocab = Vocab(["the", "cat", "sat", "on", "the", "mat"])
    words = ["the", "mat", "sat"]
    assert vocab.decode(vocab.encode(words)) == words
    assert vocab.decode(torch.tensor(vocab.encode(words))) == words
    assert vocab["the"] == 0


def test_unknown_token_goes_to_unk_or_is_named_with_its_position():
    assert Vocab(["a"], specials=("<pad>", "<unk>")).encode(["a", "z"]) == [2, 1]
    with pytest.raises(ValueError, match=r"'z' at position 1.*specials=\(\"<unk>\",\)"):
        Vocab(["a"]).encode(["a", "z"])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Vocab([]), ValueError, "empty"),
        (lambda: Vocab(["a"], min_count=2), ValueError, "min_count=2"),
        (lambda: Vocab(["a"], min_count=0), ValueError, "min_count must be at least 1, got 0"),
        (lambda: Vocab(["a"], min_count=1.5), TypeError, "min_count must be an int, got 1.5"),
        (lambda: Vocab(["a"], max_size=True), TypeError, "max_size"),
        (lambda: Vocab(["a"], specials=("x", "y"), max_size=1), ValueError, "max_size"),
        (lambda: Vocab(["a"], specials=("x", "x")), ValueError, "distinct"),
        (lambda: Vocab(["a"], specials="<unk>"), TypeError, "specials"),
        (lambda: Vocab(["a", 3]), TypeError, "got 3 at position 1"),
        (lambda: Vocab(7), TypeError, "int"),
        (lambda: Vocab(b"abc"), TypeError, "bytes"),
        (lambda: Vocab(["a"]).encode(["a", None]), TypeError, "None at position 1"),
        (lambda: Vocab(["a"]).decode([0, 1]), ValueError, "id 1 at position 1"),
        (lambda: Vocab(["a"]).decode([-1]), ValueError, "id -1"),
        (lambda: Vocab(["a"]).decode([0.0]), TypeError, "0.0"),
        (lambda: Vocab(["a"]).decode([True]), TypeError, "True"),
        (lambda: Vocab(["a"]).decode("0"), TypeError, "'0'"),
        (lambda: Vocab(["a"]).decode(0), TypeError, "sequence of integers"),
        (lambda: Vocab(["a"]).decode(torch.tensor([[0]])), TypeError, "position 0"),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()

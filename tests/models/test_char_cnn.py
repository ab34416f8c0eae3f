"""Character ids as the official code has them; the character CNN against its equations."""

import pytest
import torch
from torch import nn

from nlp_helpers.models.char_cnn import (
    BEGIN_SENTENCE,
    BEGIN_WORD,
    END_SENTENCE,
    END_WORD,
    PADDING,
    CharacterCNN,
    Highway,
    character_ids,
    characters_of,
)
from nlp_helpers.models.elmo_config import ELMoConfig

CONFIG = {
    "char_dim": 5,
    "filters": ((1, 4), (3, 9), (11, 2)),
    "n_highway": 2,
    "activation": "tanh",
    "max_characters": 11,
    "hidden_size": 17,
    "projection_size": 37,
}


def cnn(**changes):
    torch.manual_seed(0)
    return CharacterCNN(ELMoConfig(**{**CONFIG, **changes})).double()


def test_the_marks_are_the_official_ones_plus_1():
    official = {"begin_sentence": 256, "end_sentence": 257, "begin_word": 258, "end_word": 259}
    ours = (BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD)
    assert tuple(i - 1 for i in ours) == tuple(official.values())
    assert PADDING - 1 == 260


def test_characters_of_a_batch():
    characters, mask = characters_of([["ab", "é"], ["c"]], max_characters=6)
    assert characters.dtype == torch.int64
    begin, end = [259, 257, 260, 261, 261, 261], [259, 258, 260, 261, 261, 261]
    ab, c = [259, 98, 99, 260, 261, 261], [259, 100, 260, 261, 261, 261]
    accent = [259, 0xC3 + 1, 0xA9 + 1, 260, 261, 261]
    assert characters.tolist() == [[begin, ab, accent, end], [begin, c, end, [0] * 6]]
    assert mask.tolist() == [[True] * 4, [True] * 3 + [False]]


def test_the_limit_is_50_unless_said_otherwise():
    characters, mask = characters_of([["a"] * 5] * 13)
    assert characters.shape == (13, 7, 50)
    assert mask.all()


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("abcd", b"abcd"),
        ("abcde", b"abcd"),
        ("abcé", b"abc\xc3"),  # cut in the middle of a character of two bytes
        ("éé", b"\xc3\xa9\xc3\xa9"),
        ("日本", b"\xe6\x97\xa5\xe6"),
        ("🙂x", b"\xf0\x9f\x99\x82"),
        ("\ud800z", b"z"),  # half of a surrogate pair has no UTF-8: the official code drops it
        ("\x00", b"\x00"),
    ],
)
def test_a_longer_word_is_cut_after_its_first_bytes(word, kept):
    ids = character_ids(word, max_characters=6)
    inside = [byte + 1 for byte in kept]
    assert ids == [BEGIN_WORD, *inside, END_WORD] + [PADDING] * (4 - len(kept))


def test_the_words_that_name_the_marks_are_the_marks():
    characters, _ = characters_of([["<S>", "</S>", "<s>"]], max_characters=8)
    begin, first, second, third, end = characters[0]
    assert torch.equal(first, begin)
    assert torch.equal(second, end)
    assert third[1] == ord("<") + 1


@pytest.mark.parametrize("bad", [[], (), [[]], [["a"], ()], [[""]], [["\ud800"]]])
def test_nothing_to_read(bad):
    with pytest.raises(ValueError, match=r"at least one|empty"):
        characters_of(bad)


@pytest.mark.parametrize("bad", ["ab", ["ab", "c"], [["a", 1]], [[b"a"]], None, 3, [None]])
def test_what_is_no_list_of_words(bad):
    with pytest.raises(TypeError, match=r"must be a (list|str)"):
        characters_of(bad)


def test_what_is_no_word_or_no_limit():
    with pytest.raises(TypeError, match="must be a str, got int: 3"):
        character_ids(3)
    for bad, error in ((2, ValueError), (5.0, TypeError)):
        with pytest.raises(error, match="max_characters"):
            character_ids("a", bad)
        with pytest.raises(error, match="max_characters"):
            characters_of([["a"]], bad)


def by_hand(model, row):
    """One word's vector by loops over filters and positions."""
    config, table = model.config, model.embedding.weight[row]
    x = []
    for (width, n), convolution in zip(config.filters, model.convolutions, strict=True):
        for j in range(n):
            responses = [
                (convolution.weight[j] * table[s : s + width].T).sum() + convolution.bias[j]
                for s in range(config.max_characters - width + 1)
            ]
            x.append(max(responses))
    x = {"tanh": torch.tanh, "relu": torch.relu}[config.activation](torch.stack(x))
    for highway in model.highways:
        c = torch.sigmoid(highway.carry.weight @ x + highway.carry.bias)
        new = torch.relu(highway.transform.weight @ x + highway.transform.bias)
        x = c * new + (1 - c) * x
    if config.character_projection:
        x = model.projection.weight @ x + model.projection.bias
    return x


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("n_highway", [0, 1, 2])
@pytest.mark.parametrize("projection_size", [37, 15])
def test_vectors_are_those_of_the_equations(activation, n_highway, projection_size):
    model = cnn(activation=activation, n_highway=n_highway, projection_size=projection_size)
    for convolution in model.convolutions:
        nn.init.normal_(convolution.bias)
    words = [["a", "the", "nine-char", "much-longer-than-that"], ["naïve", "the"]]
    characters, _ = characters_of(words, 11)
    found = model(characters)
    assert found.shape == (2, 6, projection_size)
    for i in range(2):
        for t in range(6):
            torch.testing.assert_close(found[i, t], by_hand(model, characters[i, t]))


def test_short_words_meet_all_padding_that_the_official_code_shows_them():
    """Padding has an embedding and can win the maximum: it must not be cut off altogether."""
    model = cnn(filters=((1, 6), (2, 6)), n_highway=0, projection_size=12)
    with torch.no_grad():
        model.embedding.weight[PADDING] *= 10
    short, _ = characters_of([["a"]], 11)  # three characters at most, and much padding
    torch.testing.assert_close(model(short)[0, 1], by_hand(model, short[0, 1]))
    full, _ = characters_of([["a", "b" * 9]], 11)  # a word that leaves none
    torch.testing.assert_close(model(full)[0, 1], model(short)[0, 1])
    torch.testing.assert_close(model(full)[0, 2], by_hand(model, full[0, 2]))


def test_each_distinct_word_is_computed_once():
    model, seen = cnn(), []
    model.projection.register_forward_hook(lambda module, args, output: seen.append(len(output)))
    characters, _ = characters_of([["a", "b", "a"], ["b"], ["a"]], 11)
    vectors = model(characters)
    assert seen == [5]  # a, b, two marks and what fills up the batch
    assert torch.equal(vectors[0, 1], vectors[2, 1])


def test_gradients_add_up_over_a_words_places():
    characters, _ = characters_of([["a", "b", "a"]], 11)
    gradients = []
    for once in (True, False):
        model = cnn()
        encoded = model(characters) if once else model.encode(characters[0]).unsqueeze(0)
        (encoded * torch.arange(5.0).reshape(1, 5, 1)).sin().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for mine, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, expected)


def test_a_new_highway_layer_lets_most_through():
    torch.manual_seed(0)
    layer = Highway(37)
    assert (layer.carry.bias == -2).all()
    x = torch.randn(13, 7, 37)
    assert layer(x).shape == x.shape
    with torch.no_grad():
        layer.carry.bias.fill_(-50)
        torch.testing.assert_close(layer(x), x)
        layer.carry.bias.fill_(50)
        torch.testing.assert_close(layer(x), layer.transform(x).relu())


def test_bad_characters():
    model = cnn()
    good, _ = characters_of([["a", "b"]], 11)
    for bad in (good[0], good[..., :5], good[:, :0], good.clamp(min=262), good - 300):
        with pytest.raises(ValueError, match="characters must be"):
            model(bad)
    for bad in (good.double(), good.tolist()):
        with pytest.raises(TypeError, match="characters must be"):
            model(bad)

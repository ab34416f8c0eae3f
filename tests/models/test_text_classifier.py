"""Classifiers over the vectors of a sentence: pooling that knows the padding, and its heads."""

import pytest
import torch
import torch.nn.functional as F

from nlp_helpers.models.char_cnn import characters_of
from nlp_helpers.models.elmo import ELMo
from nlp_helpers.models.elmo_config import ELMoConfig
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.models.text_classifier import (
    BiLMClassifier,
    ConcatPooling,
    LayerMixClassifier,
    PooledClassifier,
)

BATCH, TIME, WIDTH, CLASSES, VOCAB = 13, 7, 5, 3, 37
LENGTHS = [7, 1, 3, 5, 2, 7, 4, 6, 1, 7, 2, 3, 5]


def padded():
    torch.manual_seed(0)
    mask = torch.arange(TIME) < torch.tensor(LENGTHS).unsqueeze(1)
    return torch.randn(BATCH, TIME, WIDTH).double(), mask


def by_hand(rows):
    """[h_T, maxpool(H), meanpool(H)] of one sentence without padding, [time, width]."""
    return torch.cat([rows[-1], rows.max(dim=0).values, rows.mean(dim=0)])


def test_pooling_is_the_last_vector_the_greatest_and_the_mean():
    vectors, _ = padded()
    pooled = ConcatPooling()(vectors)
    assert pooled.shape == (BATCH, 3 * WIDTH)
    torch.testing.assert_close(pooled, torch.stack([by_hand(rows) for rows in vectors]))


@pytest.mark.parametrize("filler", [0.0, 1e9, -1e9, float("nan")])
def test_pooling_does_not_see_the_padding(filler):
    vectors, mask = padded()
    vectors = vectors.masked_fill(~mask.unsqueeze(-1), filler)
    pooled = ConcatPooling()(vectors, mask)
    expected = [by_hand(rows[:n]) for rows, n in zip(vectors, LENGTHS, strict=True)]
    torch.testing.assert_close(pooled, torch.stack(expected))


def test_the_greatest_of_negative_vectors_is_not_the_paddings_zero():
    vectors, mask = padded()
    pooled = ConcatPooling()((-1 - vectors.abs()) * mask.unsqueeze(-1), mask)
    assert (pooled[:, WIDTH : 2 * WIDTH] <= -1).all()


def test_padding_may_stand_at_the_left():
    vectors, mask = padded()
    pooled = ConcatPooling()(vectors, mask.flip(1))
    expected = [by_hand(rows[TIME - n :]) for rows, n in zip(vectors, LENGTHS, strict=True)]
    torch.testing.assert_close(pooled, torch.stack(expected))


def test_gradients_reach_real_steps_only():
    vectors, mask = padded()
    vectors.requires_grad_()
    ConcatPooling()(vectors, mask).sum().backward()
    assert (vectors.grad[mask] != 0).all()
    assert (vectors.grad[~mask] == 0).all()


@pytest.mark.parametrize(
    ("vectors", "mask", "error", "words"),
    [
        ([[1.0]], None, TypeError, "list"),
        (torch.zeros(2, 3, 5, dtype=torch.long), None, TypeError, "int64"),
        (torch.zeros(3, 5), None, ValueError, r"\[batch, time, width\].*\[3, 5\]"),
        (torch.zeros(2, 0, 5), None, ValueError, r"\[2, 0, 5\]"),
        (torch.zeros(0, 3, 5), None, ValueError, r"\[0, 3, 5\]"),
        (torch.zeros(2, 3, 5), torch.ones(2, 3), TypeError, "mask"),
        (torch.zeros(2, 3, 5), torch.ones(2, 4).bool(), ValueError, r"mask.*\[2, 3\].*\[2, 4\]"),
        (torch.zeros(2, 3, 5), torch.tensor([[True] * 3, [False] * 3]), ValueError, r"rows \[1\]"),
    ],
)
def test_bad_vectors_and_masks(vectors, mask, error, words):
    with pytest.raises(error, match=words):
        ConcatPooling()(vectors, mask)
    with pytest.raises(error, match=words):
        PooledClassifier(5, 2)(vectors, mask)


def head(**options):
    torch.manual_seed(1)
    return PooledClassifier(WIDTH, CLASSES, **options).double()


def test_pooled_classifier_is_two_linear_layers_on_the_pooled_vectors():
    vectors, mask = padded()
    model = head(hidden_size=11, dropout=0.5).eval()
    pooled = ConcatPooling()(vectors, mask)
    hidden = F.relu(F.linear(pooled, model.hidden.weight, model.hidden.bias))
    expected = F.linear(hidden, model.output.weight, model.output.bias)
    torch.testing.assert_close(model(vectors, mask), expected)
    assert model(vectors, mask).shape == (BATCH, CLASSES)
    sizes = [tuple(p.shape) for p in model.parameters()]
    assert sizes == [(11, 3 * WIDTH), (11,), (CLASSES, 11), (CLASSES,)]
    assert head().hidden.out_features == 50


def test_dropout_of_the_head_acts_in_training_only_before_each_linear_layer():
    vectors, mask = padded()
    model = head(dropout=0.5)
    assert not torch.equal(model(vectors, mask), model(vectors, mask))
    dropped = []
    model.dropout.register_forward_hook(lambda module, args, out: dropped.append(out.shape[-1]))
    model.eval()
    assert torch.equal(model(vectors, mask), model(vectors, mask))
    assert dropped == [3 * WIDTH, 50] * 2


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"width": 0}, ValueError, "width"),
        ({"width": 2.5}, TypeError, "width"),
        ({"n_classes": 1}, ValueError, "n_classes must be at least 2, got 1"),
        ({"hidden_size": 0}, ValueError, "hidden_size"),
        ({"dropout": 1.0}, ValueError, "dropout"),
    ],
)
def test_bad_heads(arguments, error, words):
    with pytest.raises(error, match=words):
        PooledClassifier(**{"width": WIDTH, "n_classes": CLASSES, **arguments})


def test_a_head_refuses_vectors_of_another_width():
    with pytest.raises(ValueError, match=r"width=5.*\[13, 7, 6\]"):
        head()(torch.zeros(BATCH, TIME, 6).double())
    with pytest.raises(TypeError, match="float32"):
        head()(torch.zeros(BATCH, TIME, WIDTH))


LETTERS = 9


def language_model(**other):
    torch.manual_seed(2)
    config = {
        "char_dim": 4,
        "filters": ((1, 5), (2, 6)),
        "n_highway": 1,
        "activation": "relu",
        "max_characters": LETTERS,
        "hidden_size": 11,
        "projection_size": WIDTH,
        "vocab_size": VOCAB,
    }
    return ELMo(ELMoConfig(**{**config, **other}))


def sentences():
    words = ["a", "bank", "of", "reeds", "closes", "the", "letterboxes"]
    rows = [[words[(3 * row + i) % 7] for i in range(n)] for row, n in enumerate(LENGTHS)]
    return characters_of(rows, LETTERS)


def test_classifier_reads_the_top_layer_of_both_directions():
    bilm, (characters, mask) = language_model().eval(), sentences()
    model = BiLMClassifier(bilm, CLASSES, hidden_size=13).eval()
    logits = model(characters, mask)
    assert logits.shape == (BATCH, CLASSES)
    for row, n in enumerate(LENGTHS):
        alone = characters[row : row + 1, : n + 2], mask[row : row + 1, : n + 2]
        top = bilm.hidden_layers(*alone)[-1]  # [1, n + 2, 2 * projection]
        assert top.shape == (1, n + 2, 2 * WIDTH)
        torch.testing.assert_close(logits[row], model.head(top)[0])


def test_the_language_model_itself_stays_as_it_is():
    bilm, inputs = language_model(), sentences()
    before = {name: value.clone() for name, value in bilm.state_dict().items()}
    model = BiLMClassifier(bilm, CLASSES)
    model(*inputs).sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    assert all(torch.equal(value, before[name]) for name, value in bilm.state_dict().items())
    assert all(parameter.grad is None for parameter in bilm.parameters())
    assert bilm.output is not None and model.bilm.output is None


def test_layer_groups_hold_every_parameter_once_from_the_bottom_to_the_top():
    model = BiLMClassifier(language_model(), CLASSES)
    forward, backward = model.bilm.forward_lstm.cells, model.bilm.backward_lstm.cells
    pairs = [[forward[0], backward[0]], [forward[1], backward[1]]]
    groups = model.layer_groups()
    assert groups == [[model.bilm.encoder], *pairs, [model.head]]
    held = [id(p) for group in groups for part in group for p in part.parameters()]
    assert len(set(held)) == len(held)
    assert set(held) == {id(p) for p in model.parameters()}


def test_every_parameter_has_a_gradient():
    model = BiLMClassifier(language_model(), CLASSES)
    F.cross_entropy(model(*sentences()), torch.arange(BATCH) % CLASSES).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_dropout_of_the_language_model_stays():
    inputs = sentences()
    model = BiLMClassifier(language_model(dropout=0.5), CLASSES)
    assert not torch.equal(model(*inputs), model(*inputs))
    model.eval()
    assert torch.equal(model(*inputs), model(*inputs))


def test_classifiers_mode_and_dtype_are_the_language_models():
    model = BiLMClassifier(language_model().double().eval(), CLASSES)
    assert not model.training and not model.head.training
    assert model(*sentences()).dtype == torch.float64


@pytest.mark.parametrize(
    ("characters", "mask", "error", "words"),
    [
        (torch.full((2, 3, LETTERS), 262), torch.ones(2, 3).bool(), ValueError, "262"),
        (torch.ones(2, 3, LETTERS), torch.ones(2, 3).bool(), TypeError, "float32"),
        (torch.ones(2, 3, 5).long(), torch.ones(2, 3).bool(), ValueError, r"\[2, 3, 5\]"),
        (torch.ones(2, 3, LETTERS).long(), torch.ones(2, 2).bool(), ValueError, "mask"),
        (torch.ones(2, 3, LETTERS).long(), torch.zeros(2, 3).bool(), ValueError, r"\[0, 1\]"),
    ],
)
def test_bad_characters_and_masks(characters, mask, error, words):
    with pytest.raises(error, match=words):
        BiLMClassifier(language_model(), CLASSES)(characters, mask)


def test_bad_classifiers():
    with pytest.raises(TypeError, match=r"ELMo.*LSTM"):
        BiLMClassifier(LSTM(WIDTH, 11), CLASSES)
    with pytest.raises(ValueError, match="n_classes"):
        BiLMClassifier(language_model(), 1)
    with pytest.raises(ValueError, match="dropout"):
        BiLMClassifier(language_model(), CLASSES, dropout=-0.1)


def test_the_mixture_of_layers_is_pooled_and_classified():
    torch.manual_seed(0)
    model = LayerMixClassifier(3, 37, n_classes=4, hidden_size=5)
    layers, mask = torch.randn(13, 3, 7, 37), torch.ones(13, 7, dtype=torch.bool)
    mask[4:, 5:] = False
    with torch.no_grad():
        model.mix.weights.copy_(torch.tensor([0.5, -1.0, 2.0]))
        model.mix.gamma.fill_(1.5)
    s = model.mix.weights.softmax(dim=0)
    mixed = 1.5 * sum(s[j] * layers[:, j] for j in range(3))
    torch.testing.assert_close(model(layers, mask), model.head(mixed, mask))
    model(layers, mask).sum().backward()
    assert model.mix.weights.grad.abs().sum() > 0
    normal = LayerMixClassifier(3, 37, n_classes=4, normalize=True)
    larger = layers * torch.tensor([5.0, 1.0, 2.0]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(normal(larger, mask), normal(layers, mask), rtol=1e-3, atol=1e-3)
    one = LayerMixClassifier(1, 37, n_classes=4)
    assert one(layers[:, :1], mask).shape == (13, 4)


@pytest.mark.parametrize("shape", [(13, 7, 37), (13, 2, 7, 37), (13, 3, 7, 36)])
def test_a_mixture_of_other_layers_is_refused(shape):
    with pytest.raises(ValueError, match="must be"):
        LayerMixClassifier(3, 37, n_classes=4)(torch.zeros(shape))

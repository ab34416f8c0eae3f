"""Classifiers over the vectors of a sentence: pooling that knows the padding, and its heads."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nlp_helpers.models.gru import GRU
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.models.recurrent_lm import RecurrentLM
from nlp_helpers.models.rnn import RNN
from nlp_helpers.models.sru import SRU
from nlp_helpers.models.text_classifier import (
    ConcatPooling,
    LanguageModelClassifier,
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


def language_model(kind=LSTM, dropout=0.0):
    torch.manual_seed(2)
    width = 11 if kind is SRU else WIDTH
    return RecurrentLM(VOCAB, kind(width, 11, n_layers=2, dropout=dropout), dropout)


def sentences():
    torch.manual_seed(3)
    return torch.randint(VOCAB, (BATCH, TIME)), padded()[1]


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU, SRU])
def test_classifier_reads_the_top_layer_of_the_language_model(kind):
    lm, (tokens, mask) = language_model(kind).eval(), sentences()
    model = LanguageModelClassifier(lm, CLASSES, hidden_size=13).eval()
    logits = model(tokens, mask)
    assert logits.shape == (BATCH, CLASSES)
    for row, n in enumerate(LENGTHS):
        outputs, _ = lm.recurrent(lm.embedding(tokens[row : row + 1, :n]))
        torch.testing.assert_close(logits[row], model.head(outputs)[0])
    torch.testing.assert_close(model(tokens)[0], logits[0])
    left = [tokens[row].roll(TIME - n) for row, n in enumerate(LENGTHS)]
    torch.testing.assert_close(model(torch.stack(left), mask.flip(1)), logits)


def test_the_language_model_itself_stays_as_it_is():
    lm, (tokens, mask) = language_model(), sentences()
    before = {name: value.clone() for name, value in lm.state_dict().items()}
    model = LanguageModelClassifier(lm, CLASSES)
    model(tokens, mask).sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    assert all(torch.equal(value, before[name]) for name, value in lm.state_dict().items())
    assert all(parameter.grad is None for parameter in lm.parameters())


def test_layer_groups_hold_every_parameter_once_from_the_bottom_to_the_top():
    model = LanguageModelClassifier(language_model(), CLASSES)
    groups = model.layer_groups()
    assert groups == [model.embedding, *model.recurrent.cells, model.head]
    assert all(isinstance(group, nn.Module) for group in groups)
    assert groups[1].U.shape[1] == WIDTH and groups[2].U.shape[1] == 11
    held = [id(p) for group in groups for p in group.parameters()]
    assert len(set(held)) == len(held)
    assert set(held) == {id(p) for p in model.parameters()}


def test_every_parameter_has_a_gradient():
    tokens, mask = sentences()
    model = LanguageModelClassifier(language_model(), CLASSES)
    F.cross_entropy(model(tokens, mask), torch.arange(BATCH) % CLASSES).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_dropout_of_the_language_model_stays():
    tokens, mask = sentences()
    model = LanguageModelClassifier(language_model(dropout=0.5), CLASSES)
    seen = []
    model.dropout.register_forward_hook(lambda module, args, out: seen.append(module.p))
    model(tokens, mask)
    assert seen == [0.5]
    assert model.recurrent.dropout.p == 0.5
    assert not torch.equal(model(tokens, mask), model(tokens, mask))
    model.eval()
    assert torch.equal(model(tokens, mask), model(tokens, mask))


def test_classifiers_mode_and_dtype_are_the_language_models():
    lm = language_model().double().eval()
    model = LanguageModelClassifier(lm, CLASSES)
    assert not model.training and not model.head.training
    tokens, mask = sentences()
    assert model(tokens, mask).dtype == torch.float64


@pytest.mark.parametrize(
    ("tokens", "mask", "error", "words"),
    [
        (torch.full((2, 3), VOCAB), None, ValueError, r"vocab_size=37.*37 \.\. 37"),
        (torch.zeros(2, 3), None, TypeError, "float32"),
        (torch.zeros(2, 0, dtype=torch.long), None, ValueError, r"\[2, 0\]"),
        (torch.zeros(2, 3, dtype=torch.long), torch.ones(2, 2).bool(), ValueError, "mask"),
        (torch.zeros(2, 3, dtype=torch.long), torch.zeros(2, 3).bool(), ValueError, r"\[0, 1\]"),
    ],
)
def test_bad_tokens_and_masks(tokens, mask, error, words):
    with pytest.raises(error, match=words):
        LanguageModelClassifier(language_model(), CLASSES)(tokens, mask)


def test_bad_classifiers():
    with pytest.raises(TypeError, match=r"RecurrentLM.*LSTM"):
        LanguageModelClassifier(LSTM(WIDTH, 11), CLASSES)
    with pytest.raises(ValueError, match="n_classes"):
        LanguageModelClassifier(language_model(), 1)
    with pytest.raises(ValueError, match="dropout"):
        LanguageModelClassifier(language_model(), CLASSES, dropout=-0.1)


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
    one = LayerMixClassifier(1, 37, n_classes=4)
    assert one(layers[:, :1], mask).shape == (13, 4)


@pytest.mark.parametrize("shape", [(13, 7, 37), (13, 2, 7, 37), (13, 3, 7, 36)])
def test_a_mixture_of_other_layers_is_refused(shape):
    with pytest.raises(ValueError, match="must be"):
        LayerMixClassifier(3, 37, n_classes=4)(torch.zeros(shape))

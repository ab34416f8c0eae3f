"""ELMo as a language model: its two directions apart, its layers, batches, mixtures, bad input."""

import pytest
import torch

from nlp_helpers.models.char_cnn import characters_of
from nlp_helpers.models.elmo import ELMo, ScalarMix
from nlp_helpers.models.elmo_config import ELMoConfig

BATCH, TIME, WIDTH = 13, 7, 37
CONFIG = {
    "char_dim": 5,
    "filters": ((1, 4), (3, 9)),
    "n_highway": 1,
    "activation": "relu",
    "max_characters": 11,
    "hidden_size": 17,
    "projection_size": WIDTH,
    "vocab_size": 23,
}


def model(seed=0, **changes):
    torch.manual_seed(seed)
    return ELMo(ELMoConfig(**{**CONFIG, **changes})).double().eval()


def sentences(count=BATCH, longest=TIME - 2):
    """Sentences of 1 to `longest` words, all words different."""
    return [[f"word{i}x{j}" for j in range(1 + i % longest)] for i in range(count)]


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("n_layers", [1, 3])
def test_shapes_at_awkward_sizes(skip, n_layers):
    elmo = model(skip_connections=skip, n_layers=n_layers)
    characters, mask = characters_of(sentences(), max_characters=11)
    assert characters.shape == (BATCH, TIME, 11)
    forward, backward = elmo(characters, mask)
    assert forward.shape == backward.shape == (BATCH, TIME, 23)
    hidden = elmo.hidden_layers(characters, mask)
    assert hidden.shape == (n_layers + 1, BATCH, TIME, 2 * WIDTH)
    assert torch.equal(hidden[0, ..., :WIDTH], hidden[0, ..., WIDTH:])
    assert hidden[:, ~mask].abs().max() == 0
    assert hidden[:, mask].abs().min(dim=1).values.max() > 0


@pytest.mark.parametrize("skip", [True, False])
def test_no_direction_sees_the_other_by_perturbation(skip):
    elmo = model(n_layers=2, skip_connections=skip)
    sentence = [["a", "b", "c", "d", "e"]]
    forward, backward = elmo(*characters_of(sentence, 11))
    for t in range(1, 6):  # position in the marked sentence
        changed = [[*sentence[0][: t - 1], "other", *sentence[0][t:]]]
        new_forward, new_backward = elmo(*characters_of(changed, 11))
        torch.testing.assert_close(new_forward[:, :t], forward[:, :t], rtol=0, atol=1e-14)
        torch.testing.assert_close(new_backward[:, t + 1 :], backward[:, t + 1 :])
        for new, old in ((new_forward[:, t:], forward[:, t:]), (new_backward, backward)):
            differs = (new - old).abs().amax(dim=-1) > 1e-6
            assert differs[:, : t + 1].all() if new is new_backward else differs.all()


@pytest.mark.parametrize("skip", [True, False])
def test_no_direction_sees_the_other_by_gradient(skip):
    elmo = model(n_layers=2, skip_connections=skip)
    characters, mask = characters_of(sentences(), 11)
    x = elmo.encoder(characters).detach().requires_grad_()
    for t in range(TIME):
        for stack, unseen in (
            (elmo.forward_lstm, slice(t + 1, None)),
            (elmo.backward_lstm, slice(t)),
        ):
            outputs = stack(x, mask)[-1][:, t]
            (gradient,) = torch.autograd.grad(outputs.sin().sum(), x)
            assert gradient[:, unseen].abs().sum() == 0
            assert gradient[~mask].abs().sum() == 0
            seen = torch.ones(TIME, dtype=torch.bool)
            seen[unseen] = False
            real = mask & seen & mask[:, t : t + 1]
            assert (gradient.abs().sum(dim=-1)[real] > 0).all()


def test_logits_come_from_one_softmax_over_the_top_layer():
    elmo = model()
    characters, mask = characters_of(sentences(), 11)
    top = elmo.hidden_layers(characters, mask)[-1]
    forward, backward = elmo(characters, mask)
    torch.testing.assert_close(forward, elmo.output(top[..., :WIDTH]))
    torch.testing.assert_close(backward, elmo.output(top[..., WIDTH:]))
    n_softmax = sum(p.numel() for p in elmo.output.parameters())
    without = model(vocab_size=None)
    assert sum(p.numel() for p in elmo.parameters()) == n_softmax + sum(
        p.numel() for p in without.parameters()
    )
    with pytest.raises(ValueError, match="vocab_size is None"):
        without(characters, mask)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_layers_of_a_sentence_do_not_depend_on_the_others(batch_size):
    elmo = model(n_layers=3)
    together = elmo.layers(sentences(), batch_size)
    assert [t.shape for t in together] == [(4, len(s), 2 * WIDTH) for s in sentences()]
    for found, sentence in zip(together, sentences(), strict=True):
        alone = elmo.layers([sentence])[0]
        torch.testing.assert_close(found, alone)
        hidden = elmo.hidden_layers(*characters_of([sentence], 11))
        torch.testing.assert_close(alone, hidden[:, 0, 1:-1])
    again = elmo.layers(sentences(), batch_size)
    assert all(torch.equal(a, b) for a, b in zip(again, together, strict=True))


def test_a_word_has_another_vector_in_another_sentence_except_in_layer_0():
    elmo = model()
    first, second = elmo.layers([["a", "bank"], ["the", "bank"]])
    assert torch.equal(first[0, 1], second[0, 1])
    for layer in (1, 2):  # forward and backward: the backward reads only the end mark and "bank"
        assert (first[layer, 1, :WIDTH] - second[layer, 1, :WIDTH]).abs().max() > 1e-6
        torch.testing.assert_close(first[layer, 1, WIDTH:], second[layer, 1, WIDTH:])


def test_layers_are_without_dropout_and_gradient_and_leave_the_mode():
    elmo = model(dropout=0.5)
    expected = elmo.layers(sentences())
    elmo.train()
    found = elmo.layers(sentences())
    assert elmo.training
    assert elmo.encoder.training
    assert not found[0].requires_grad
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    with pytest.raises(TypeError):
        elmo.layers([["a", 3]])
    assert elmo.training
    elmo.eval()
    elmo.layers(sentences())
    assert not elmo.training


def test_dropout_acts_between_layers_and_before_the_softmax():
    elmo = model(dropout=0.5).train()
    characters, mask = characters_of(sentences(), 11)
    torch.manual_seed(1)
    first, second = (elmo.hidden_layers(characters, mask) for _ in range(2))
    assert torch.equal(first[0], second[0])  # the word vectors are recorded before it
    assert not torch.equal(first[1], second[1])
    elmo.forward_lstm.dropout.p = elmo.backward_lstm.dropout.p = 0.0
    first, second = (elmo(characters, mask)[0] for _ in range(2))
    assert not torch.equal(first, second)


def test_every_parameter_learns():
    elmo = model(n_layers=3).train()
    characters, mask = characters_of(sentences(), 11)
    forward, backward = elmo(characters, mask)
    (forward[mask].sin().sum() + backward[mask].cos().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in elmo.parameters())
    assert elmo.encoder.embedding.weight.grad[0].abs().sum() == 0  # what fills up a batch


def test_padding_of_a_batch_changes_no_gradient():
    """The loss of a short sentence, alone and beside a long one."""
    short, long = ["a", "b"], list("abcdefg")
    gradients = []
    for batch in ([short], [short, long]):
        elmo = model()
        forward, backward = elmo(*characters_of(batch, 11))
        (forward[0, :4].sin().sum() + backward[0, :4].cos().sum()).backward()
        gradients.append([p.grad for p in elmo.parameters()])
    for alone, beside in zip(*gradients, strict=True):
        torch.testing.assert_close(alone, beside)


@pytest.mark.parametrize("bad", [[], [[]], [["a"], []], [["a", ""]]])
def test_sentences_without_words(bad):
    with pytest.raises(ValueError, match=r"at least one|empty"):
        model().layers(bad)


@pytest.mark.parametrize("bad", ["a b", ["a b", "c"], [["a", 3]], [["a", None]], None, [3]])
def test_sentences_that_are_no_lists_of_words(bad):
    with pytest.raises(TypeError, match=r"must be a (list|str)"):
        model().layers(bad)


def test_bad_tensors():
    elmo = model()
    characters, mask = characters_of(sentences(), 11)
    for bad in (
        characters[..., :10],
        characters[0],
        characters[:0],
        characters + 9,
        characters - 1,
    ):
        with pytest.raises(ValueError, match="characters must be"):
            elmo(bad, mask)
    with pytest.raises(TypeError, match="characters must be"):
        elmo(characters.double(), mask)
    for bad in (mask[:, :-1], mask[0]):
        with pytest.raises(ValueError, match="mask must have shape"):
            elmo(characters, bad)
    for bad in (mask.long(), None):
        with pytest.raises(TypeError, match="mask must be a bool"):
            elmo(characters, bad)
    with pytest.raises(ValueError, match="all padding: rows"):
        elmo(characters, mask & (torch.arange(BATCH) != 4).unsqueeze(1))
    for bad, error in ((0, ValueError), (2.0, TypeError)):
        with pytest.raises(error, match="batch_size"):
            elmo.layers([["a"]], batch_size=bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"char_dim": 0},
        {"hidden_size": 2.0},
        {"projection_size": -1},
        {"n_layers": 0},
        {"n_highway": -1},
        {"max_characters": 2},
        {"activation": "gelu"},
        {"activation": ["relu"]},
        {"filters": ()},
        {"filters": ((12, 3),)},
        {"filters": ((1,),)},
        {"filters": 3},
        {"skip_connections": 1},
        {"cell_clip": 0},
        {"projection_clip": -2.0},
        {"cell_clip": float("nan")},
        {"dropout": 1},
        {"vocab_size": 0},
        {"cell_projection": False},
        {"character_projection": False},
        {"cell_projection": 1},
    ],
    ids=str,
)
def test_bad_config(bad):
    name = {"filters": "filter", "max_characters": "max_characters"}.get(next(iter(bad)))
    with pytest.raises((ValueError, TypeError), match=name or next(iter(bad))):
        ELMoConfig(**{**CONFIG, **bad})


def test_config_takes_lists_as_json_has_them_and_is_frozen():
    config = ELMoConfig(**{**CONFIG, "filters": [[1, 4], [3, 9]]})
    assert config == ELMoConfig(**CONFIG)
    assert config.n_filters == 13
    assert config.character_projection
    assert config.cell_projection
    with pytest.raises(AttributeError):
        config.n_layers = 3
    with pytest.raises(TypeError):
        ELMoConfig(5, ((1, 4),), 1, "relu", 11, 17, WIDTH)  # keywords only


def test_projections_only_where_widths_differ_unless_asked_for():
    equal = {"filters": ((1, 7), (2, 30)), "hidden_size": WIDTH}
    without = model(**equal)
    assert without.forward_lstm.cells[0].P is None
    assert list(without.encoder.projection.parameters()) == []
    asked = model(**equal, cell_projection=True, character_projection=True)
    assert asked.backward_lstm.cells[1].P.shape == (WIDTH, WIDTH)
    assert asked.encoder.projection.weight.shape == (WIDTH, WIDTH)


def test_layer_groups_hold_every_parameter_once_from_the_bottom_to_the_top():
    bilm = model()
    forward, backward = bilm.forward_lstm.cells, bilm.backward_lstm.cells
    groups = bilm.layer_groups()
    pairs = [[forward[0], backward[0]], [forward[1], backward[1]]]
    assert groups == [[bilm.encoder], *pairs, [bilm.output]]
    held = [id(p) for group in groups for part in group for p in part.parameters()]
    assert len(set(held)) == len(held)
    assert set(held) == {id(p) for p in bilm.parameters()}
    assert len(model(vocab_size=None).layer_groups()) == 3


def test_scalar_mix_is_the_equation():
    mix = ScalarMix(3).double()
    layers = torch.randn(3, BATCH, TIME, WIDTH, dtype=torch.float64)
    torch.testing.assert_close(mix(layers), layers.mean(dim=0))
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([0.5, -1.0, 2.0]))
        mix.gamma.fill_(1.5)
    powers = [torch.e**0.5, torch.e**-1.0, torch.e**2.0]
    expected = sum(1.5 * p / sum(powers) * h for p, h in zip(powers, layers, strict=True))
    torch.testing.assert_close(mix(layers), expected)
    torch.testing.assert_close(mix(layers[:, 0, 0]), expected[0, 0])
    mix(layers).sin().sum().backward()
    assert mix.gamma.grad.abs() > 0
    assert (mix.weights.grad.abs() > 0).all()
    assert abs(mix.weights.grad.sum()) < 1e-10  # softmax: only differences of weights matter


def test_normalized_layers_weigh_alike_whatever_their_sizes():
    layers = torch.randn(3, BATCH, TIME, WIDTH, dtype=torch.float64)
    sizes = torch.tensor([100.0, 1.0, 0.1], dtype=torch.float64).reshape(3, 1, 1, 1)
    mix, plain = ScalarMix(3, normalize=True).double(), ScalarMix(3).double()
    centred = layers - layers.mean(dim=-1, keepdim=True)
    by_hand = (centred / centred.pow(2).mean(dim=-1, keepdim=True).sqrt()).mean(dim=0)
    torch.testing.assert_close(mix(layers), by_hand, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mix(sizes * layers), by_hand, rtol=1e-2, atol=1e-2)
    assert (plain(sizes * layers) - layers.mean(dim=0)).abs().max() > 10


def test_bad_mixtures():
    for bad, error in ((0, ValueError), (2.0, TypeError)):
        with pytest.raises(error, match="n_layers"):
            ScalarMix(bad)
    for bad in (torch.zeros(2, 5), torch.zeros(3)):
        with pytest.raises(ValueError, match="layers must be"):
            ScalarMix(3)(bad)
    for bad in (torch.zeros(3, 5).double(), [1.0, 2.0, 3.0]):
        with pytest.raises(TypeError):
            ScalarMix(3)(bad)

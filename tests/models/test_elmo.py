"""ELMo as a language model: its two directions apart, its layers, batches, mixtures, bad input."""

import pytest
import torch

from nlp_helpers.models.char_cnn import characters_of
from nlp_helpers.models.elmo import ELMo
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

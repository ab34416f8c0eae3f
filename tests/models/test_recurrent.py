"""What all recurrent layers share: copies of torch's, states carried over, padding masks."""

import functools
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlp_helpers.models import recurrent
from nlp_helpers.models.gru import GRU
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.models.rnn import RNN
from nlp_helpers.models.sru import SRU

BATCH, TIME, WIDTH, HIDDEN = 13, 7, 37, 19
LENGTHS = torch.tensor([7, 1, 3, 6, 7, 2, 5, 4, 1, 6, 3, 7, 2])
PAIRS = [(RNN, nn.RNN), (LSTM, nn.LSTM), (GRU, nn.GRU)]
ALL = [RNN, LSTM, GRU, SRU]
GRU_OF_THE_PAPER = functools.partial(GRU, reset="before")


def right_padding(lengths=LENGTHS):
    return torch.arange(TIME) < lengths.unsqueeze(1)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def results(model, x, state, mask=None, lengths=None):
    """Outputs, last states, and the gradients of x and of the first states."""
    x, state = x.clone().requires_grad_(), tuple(s.clone().requires_grad_() for s in state)
    given = state if len(state) > 1 else state[0]
    if lengths is not None:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        outputs, last = model(packed, given)
        outputs, _ = pad_packed_sequence(outputs, batch_first=True)
    else:
        outputs, last = model(x, given, mask)
    loss = outputs.sin().sum() + sum((k + 2) * s.cos().sum() for k, s in enumerate(parts(last)))
    loss.backward()
    return [outputs, *parts(last), x.grad, *(s.grad for s in state)]


def first_states(model, batch=BATCH, dtype=torch.float64):
    shape = (model.n_layers * model.directions, batch, model.hidden_size)
    return tuple(torch.randn(shape, dtype=dtype) for _ in range(model.n_states))


@pytest.mark.parametrize(("ours_class", "torch_class"), PAIRS)
def test_one_sequence_of_one_step(ours_class, torch_class):
    torch.manual_seed(0)
    reference = torch_class(WIDTH, HIDDEN, batch_first=True, dtype=torch.float64)
    x = torch.randn(1, 1, WIDTH, dtype=torch.float64)
    mine, theirs = ours_class.from_torch(reference)(x)[0], reference(x)[0]
    torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("model_class", [*ALL, GRU_OF_THE_PAPER])
def test_state_carries_over_from_one_half_of_a_sequence_to_the_other(model_class):
    torch.manual_seed(0)
    model = model_class(WIDTH, HIDDEN, n_layers=2).double()
    x = torch.randn(BATCH, TIME, WIDTH, dtype=torch.float64)
    whole, last = model(x)
    first, state = model(x[:, :4])
    second, state = model(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    for mine, theirs in zip(parts(state), parts(last), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(("ours_class", "torch_class"), PAIRS)
def test_dropout_training_mode_frozen_weights_and_pickle(ours_class, torch_class):
    torch.manual_seed(0)
    reference = torch_class(WIDTH, HIDDEN, num_layers=2, batch_first=True, dropout=0.5)
    ours = ours_class.from_torch(reference.requires_grad_(False))
    assert ours.training
    assert not any(p.requires_grad for p in ours.parameters())
    x = torch.randn(BATCH, TIME, WIDTH)
    assert not torch.equal(ours(x)[0], ours(x)[0])
    torch.testing.assert_close(ours.eval()(x)[0], reference.eval()(x)[0])
    assert torch.equal(pickle.loads(pickle.dumps(ours))(x)[0], ours(x)[0])


@pytest.mark.parametrize(("ours_class", "torch_class"), PAIRS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_layers", [1, 3])
def test_masked_outputs_and_gradients_equal_torchs_packed_ones(
    ours_class, torch_class, bidirectional, n_layers
):
    torch.manual_seed(0)
    reference = torch_class(
        WIDTH,
        HIDDEN,
        num_layers=n_layers,
        bidirectional=bidirectional,
        batch_first=True,
        dtype=torch.float64,
    )
    ours = ours_class.from_torch(reference)
    x = torch.randn(BATCH, TIME, WIDTH, dtype=torch.float64)
    state = first_states(ours)
    theirs = results(reference, x, state, lengths=LENGTHS)
    mine = results(ours, x, state, mask=right_padding())
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    for cell, weights in zip(ours.cells, reference.all_weights, strict=True):
        torch.testing.assert_close(cell.U.grad, weights[0].grad, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(cell.b.grad, weights[2].grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("model_class", ALL)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_anywhere_equals_the_sequence_without_it(model_class, bidirectional):
    """Holes in the middle and on the left as well: a padded step is a step that is not there."""
    torch.manual_seed(1)
    model = model_class(WIDTH, HIDDEN, n_layers=2, bidirectional=bidirectional).double()
    x = torch.randn(4, TIME, WIDTH, dtype=torch.float64)
    mask = torch.rand(4, TIME) < 0.6
    mask[0], mask[1, 0], mask[2, -1] = True, False, False
    assert mask.any(dim=1).all()
    state = first_states(model, batch=4)
    outputs, last = model(x, state if model.n_states > 1 else state[0], mask)
    for row in range(4):
        alone = tuple(s[:, row : row + 1] for s in state)
        short = x[row : row + 1, mask[row]]
        expected, final = model(short, alone if model.n_states > 1 else alone[0])
        torch.testing.assert_close(outputs[row, mask[row]], expected[0])
        assert not outputs[row, ~mask[row]].any()
        for mine, theirs in zip(parts(last), parts(final), strict=True):
            torch.testing.assert_close(mine[:, row], theirs[:, 0])


@pytest.mark.parametrize("model_class", ALL)
def test_what_stands_at_padded_steps_does_not_matter(model_class):
    torch.manual_seed(2)
    model = model_class(WIDTH, HIDDEN, n_layers=2, bidirectional=True)
    x, mask = torch.randn(BATCH, TIME, WIDTH), right_padding()
    other = torch.where(mask.unsqueeze(-1), x, 1e3)
    for mine, theirs in zip(model(x, mask=mask), model(other, mask=mask), strict=True):
        for a, b in zip(parts(mine), parts(theirs), strict=True):
            assert torch.equal(a, b)
    x.requires_grad_()
    model(x, mask=mask)[0].sum().backward()
    assert not x.grad[~mask].any()


@pytest.mark.parametrize("model_class", ALL)
def test_a_mask_that_hides_nothing_takes_the_path_without_one(model_class, monkeypatch):
    torch.manual_seed(3)
    model = model_class(WIDTH, HIDDEN)
    x = torch.randn(BATCH, TIME, WIDTH)
    monkeypatch.setattr(recurrent, "run_masked", None)
    everything = torch.ones(BATCH, TIME, dtype=torch.bool)
    assert torch.equal(model(x, mask=everything)[0], model(x)[0])


@pytest.mark.parametrize(("ours_class", "torch_class"), PAIRS)
@pytest.mark.parametrize("frozen", [(), ("ih",), ("hh",), ("bias",), ("ih", "hh"), ("hh", "bias")])
def test_weights_frozen_in_torch_are_frozen_here_and_no_others(ours_class, torch_class, frozen):
    reference = torch_class(WIDTH, HIDDEN, num_layers=2, batch_first=True)
    names = {"ih": "weight_ih_l1", "hh": "weight_hh_l1", "bias": ("bias_ih_l1", "bias_hh_l1")}
    for name, parameter in reference.named_parameters():
        parameter.requires_grad_(not any(name in names[part] for part in frozen))
    ours = ours_class.from_torch(reference)
    for model in (reference, ours):
        model(torch.randn(BATCH, TIME, WIDTH))[0].sum().backward()
    for cell, weights in zip(ours.cells, reference.all_weights, strict=True):
        mine = [cell.U, cell.W, cell.b, *([cell.d] if ours_class is GRU else [])]
        assert [p.grad is None for p in mine] == [w.grad is None for w in weights[: len(mine)]]
    assert all((p.grad is None) == (not p.requires_grad) for p in ours.parameters())


@pytest.mark.parametrize(("ours_class", "torch_class"), PAIRS)
def test_one_frozen_bias_of_two_is_refused(ours_class, torch_class):
    reference = torch_class(3, 4, num_layers=2, batch_first=True)
    reference.bias_hh_l1.requires_grad_(False)
    with pytest.raises(ValueError, match="bias_ih and bias_hh become one bias"):
        ours_class.from_torch(reference)


@pytest.mark.parametrize("model_class", ALL)
@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (torch.ones(2, 5), TypeError, r"bool.*float32"),
        ([[True] * 5] * 2, TypeError, "list"),
        (torch.ones(5, 2, dtype=torch.bool), ValueError, r"\[2, 5\], got \[5, 2\]"),
        (torch.ones(2, 5, 1, dtype=torch.bool), ValueError, r"\[2, 5, 1\]"),
        (torch.tensor([[True] * 5, [False] * 5]), ValueError, r"all padding: rows \[1\]"),
        (torch.zeros(2, 5, dtype=torch.bool), ValueError, r"rows \[0, 1\]"),
    ],
)
def test_bad_masks(model_class, mask, error, words):
    with pytest.raises(error, match=words):
        model_class(3, 4)(torch.randn(2, 5, 3), mask=mask)

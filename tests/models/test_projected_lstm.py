"""The LSTM with a projection against torch.nn.LSTM(proj_size=...), and what torch has not."""

import pytest
import torch
from torch import nn

from nlp_helpers.models.projected_lstm import ProjectedLSTM, ProjectedLSTMCell

BATCH, TIME, WIDTH, HIDDEN, PROJECTION = 13, 7, 37, 19, 11
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def sequences(width=WIDTH):
    return torch.randn(BATCH, TIME, width, dtype=torch.float64)


def padded():
    """True at the first 1 .. TIME steps of each row."""
    return torch.arange(TIME) < (1 + torch.arange(BATCH) % TIME).unsqueeze(1)


def weights_of(reference, suffix):
    """Weights of one layer and direction of torch's module; its two biases as one."""
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"]
    found = [getattr(reference, f"{name}_{suffix}", None) for name in names]
    return found[0], found[1], found[2] + found[3], found[4]


def from_torch(reference, reverse=False):
    ours = ProjectedLSTM(
        reference.input_size,
        reference.hidden_size,
        reference.proj_size or None,
        n_layers=reference.num_layers,
        reverse=reverse,
    ).double()
    for layer, cell in enumerate(ours.cells):
        cell.load(*weights_of(reference, f"l{layer}" + "_reverse" * reverse))
    return ours


@pytest.mark.parametrize("projection", [PROJECTION, 0])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_outputs_and_gradients_equal_torch_in_each_direction(projection, reverse, masked):
    torch.manual_seed(0)
    reference = nn.LSTM(
        WIDTH, HIDDEN, proj_size=projection, bidirectional=True, batch_first=True
    ).double()
    ours = from_torch(reference, reverse)
    mask = padded() if masked else torch.ones(BATCH, TIME, dtype=torch.bool)
    x = sequences()
    ours_x, theirs_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    packed = nn.utils.rnn.pack_padded_sequence(
        theirs_x, mask.sum(dim=1), batch_first=True, enforce_sorted=False
    )
    out, _ = nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
    theirs = out.chunk(2, dim=-1)[int(reverse)]
    mine = ours(ours_x, mask)[0]
    torch.testing.assert_close(mine, theirs, **CLOSE)
    mine.sin().sum().backward()
    theirs.sin().sum().backward()
    torch.testing.assert_close(ours_x.grad, theirs_x.grad, **CLOSE)
    suffix, cell = "l0" + "_reverse" * reverse, ours.cells[0]
    pairs = {"weight_ih": cell.U, "weight_hh": cell.W, "bias_ih": cell.b, "weight_hr": cell.P}
    for name, parameter in pairs.items():
        if parameter is not None:
            theirs_grad = getattr(reference, f"{name}_{suffix}").grad
            torch.testing.assert_close(parameter.grad, theirs_grad, **CLOSE)


def test_a_stack_without_skip_connections_is_torchs():
    torch.manual_seed(0)
    reference = nn.LSTM(WIDTH, HIDDEN, 3, proj_size=PROJECTION, batch_first=True).double()
    ours, x = from_torch(reference), sequences()
    outputs = ours(x)
    assert outputs.shape == (3, BATCH, TIME, PROJECTION)
    torch.testing.assert_close(outputs[-1], reference(x)[0], **CLOSE)


@pytest.mark.parametrize("reverse", [False, True])
def test_skip_connections_add_a_layers_input_but_do_not_feed_it_back(reverse):
    torch.manual_seed(0)
    options = {"n_layers": 3, "reverse": reverse}
    ours = ProjectedLSTM(WIDTH, HIDDEN, PROJECTION, skip_connections=True, **options).double()
    x, mask = sequences(), padded()
    outputs = ours(x, mask)
    layer_input = x
    for layer, cell in enumerate(ours.cells):
        single = ProjectedLSTM(layer_input.shape[-1], HIDDEN, PROJECTION, reverse=reverse).double()
        single.cells[0].load_state_dict(cell.state_dict())
        expected = single(layer_input, mask)[0]
        if layer > 0:
            expected = expected + layer_input
        torch.testing.assert_close(outputs[layer], expected, **CLOSE)
        layer_input = expected
    assert outputs[:, ~mask].abs().max() == 0


def test_clipping_holds_the_cell_before_it_is_shown_and_h_after_its_projection():
    torch.manual_seed(0)
    cell = ProjectedLSTMCell(WIDTH, HIDDEN, PROJECTION, cell_clip=0.3, projection_clip=0.02)
    free = ProjectedLSTMCell(WIDTH, HIDDEN, PROJECTION)
    free.load_state_dict(cell.state_dict())
    x = 3 * torch.randn(BATCH, WIDTH)
    state = (torch.zeros(BATCH, PROJECTION), torch.zeros(BATCH, HIDDEN))
    (h, c), (_, free_c) = cell(x, state), free(x, state)
    assert free_c.abs().max() > 0.3
    torch.testing.assert_close(c, free_c.clamp(-0.3, 0.3))
    o = torch.sigmoid(cell.project(x)[:, 3 * HIDDEN :])
    shown = (o * torch.tanh(c)) @ cell.P.T
    assert shown.abs().max() > 0.02
    torch.testing.assert_close(h, shown.clamp(-0.02, 0.02))


def test_without_a_projection_h_is_not_clipped():
    torch.manual_seed(0)
    cell = ProjectedLSTMCell(WIDTH, HIDDEN, projection_clip=0.02)
    h, _ = cell(torch.randn(BATCH, WIDTH), cell.zero_state(torch.zeros(BATCH, WIDTH)))
    assert h.shape == (BATCH, HIDDEN)
    assert h.abs().max() > 0.02


def test_first_weights_are_small_with_a_forget_bias_of_about_1():
    torch.manual_seed(0)
    cell = ProjectedLSTMCell(WIDTH, 400, PROJECTION)
    gates = cell.b.detach().split(400)
    assert [round(gate.mean().item()) for gate in gates] == [0, 1, 0, 0]
    for weight in (cell.U, cell.W, cell.P):
        assert weight.abs().max() <= 400**-0.5


def test_a_longer_padding_changes_nothing():
    torch.manual_seed(0)
    for reverse in (False, True):
        ours = ProjectedLSTM(WIDTH, HIDDEN, PROJECTION, n_layers=2, reverse=reverse).double()
        x = sequences()
        mask = torch.arange(TIME) < 5
        longer = ours(x, mask.expand(BATCH, TIME))
        torch.testing.assert_close(longer[:, :, :5], ours(x[:, :5]), **CLOSE)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"input_size": 0}, ValueError),
        ({"hidden_size": 2.5}, TypeError),
        ({"projection_size": 0}, ValueError),
        ({"cell_clip": 0}, ValueError),
        ({"projection_clip": "3"}, TypeError),
        ({"n_layers": 0}, ValueError),
        ({"dropout": 1.0}, ValueError),
    ],
    ids=str,
)
def test_bad_sizes(bad, error):
    with pytest.raises(error, match=next(iter(bad))):
        ProjectedLSTM(**{"input_size": 3, "hidden_size": 4, "projection_size": 2, **bad})


def test_bad_input():
    ours = ProjectedLSTM(WIDTH, HIDDEN, PROJECTION)
    x = torch.zeros(BATCH, TIME, WIDTH)
    for bad in (x[0], x[:, :, 1:], x[:, :0]):
        with pytest.raises(ValueError, match="input must"):
            ours(bad)
    with pytest.raises(TypeError, match="input must"):
        ours(x.double())
    with pytest.raises(ValueError, match="mask"):
        ours(x, torch.ones(BATCH, TIME + 1, dtype=torch.bool))
    with pytest.raises(ValueError, match="all padding"):
        ours(x, torch.zeros(BATCH, TIME, dtype=torch.bool))

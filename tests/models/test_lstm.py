"""LSTM against torch.nn.LSTM in float64 and at awkward sizes; its gates against the equations."""

import pytest
import torch
from torch import nn

from nlp_helpers.models.lstm import LSTM, LSTMCell, trace

BATCH, TIME, WIDTH, HIDDEN = 13, 7, 37, 19
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def reference_and_ours(**options):
    torch.manual_seed(0)
    reference = nn.LSTM(WIDTH, HIDDEN, batch_first=True, dtype=torch.float64, **options)
    return reference, LSTM.from_torch(reference)


def sequences(batch=BATCH, time=TIME):
    return torch.randn(batch, time, WIDTH, dtype=torch.float64)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("with_state", [False, True])
def test_outputs_and_gradients_equal_torch(bias, bidirectional, n_layers, with_state):
    reference, ours = reference_and_ours(
        num_layers=n_layers, bidirectional=bidirectional, bias=bias
    )
    x = sequences()
    states = [
        torch.randn(n_layers * (1 + bidirectional), BATCH, HIDDEN, dtype=torch.float64)
        for _ in range(2)
    ]
    results = []
    for model in (reference, ours):
        leaves = [t.clone().requires_grad_() for t in (x, *states)]
        outputs, (h, c) = model(leaves[0], tuple(leaves[1:]) if with_state else None)
        (outputs.sin().sum() + h.cos().sum() + (2 * c).sin().sum()).backward()
        results.append([outputs, h, c] + [t.grad for t in leaves[: 3 if with_state else 1]])
    for theirs, mine in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)
    for cell, weights in zip(ours.cells, reference.all_weights, strict=True):
        mine = [cell.U, cell.W] + ([cell.b] if bias else [])
        for a, b in zip(mine, weights[: len(mine)], strict=True):
            torch.testing.assert_close(a.grad, b.grad, **CLOSE)
    assert (ours.cells[0].b is None) == (not bias)


def test_cell_is_one_step_of_the_layer():
    _, ours = reference_and_ours()
    x = sequences()
    outputs, (_, last_cell) = ours(x)
    state = (x.new_zeros(BATCH, HIDDEN), x.new_zeros(BATCH, HIDDEN))
    for t in range(TIME):
        state = ours.cells[0](x[:, t], state)
        torch.testing.assert_close(state[0], outputs[:, t])
    torch.testing.assert_close(state[1], last_cell[0])


def test_trace_shows_the_gates_of_the_equations():
    _, ours = reference_and_ours()
    x, cell = sequences(), ours.cells[0]
    state = tuple(torch.randn(1, BATCH, HIDDEN, dtype=torch.float64) for _ in range(2))
    shown = trace(ours, x, state)
    assert list(shown) == ["i", "f", "g", "o", "cell", "hidden"]
    h, c = state[0][0], state[1][0]
    for t in range(TIME):
        z = dict(
            zip("ifgo", (x[:, t] @ cell.U.T + h @ cell.W.T + cell.b).split(19, 1), strict=True)
        )
        squashed = {k: torch.tanh(v) if k == "g" else 1 / (1 + torch.exp(-v)) for k, v in z.items()}
        c = squashed["f"] * c + squashed["i"] * squashed["g"]
        h = squashed["o"] * torch.tanh(c)
        for name, value in {**squashed, "cell": c, "hidden": h}.items():
            torch.testing.assert_close(shown[name][:, t], value, msg=name)


@pytest.mark.parametrize("layer", [0, 1])
def test_trace_of_a_layer_in_a_stack_of_both_directions(layer):
    _, ours = reference_and_ours(num_layers=2, bidirectional=True)
    x = sequences()
    state = tuple(torch.randn(4, BATCH, HIDDEN, dtype=torch.float64) for _ in range(2))
    shown = trace(ours, x, state, layer=layer)
    outputs, last = ours(x, state)
    torch.testing.assert_close(shown["cell"][:, -1], last[1][2 * layer])
    if layer == 1:
        torch.testing.assert_close(shown["hidden"], outputs[..., :HIDDEN])
    assert not shown["hidden"].requires_grad


def test_forget_bias_moves_the_forget_gate_only():
    made = []
    for forget_bias in (0.0, 1.0, 2.5):
        torch.manual_seed(0)
        made.append(LSTMCell(3, 4, forget_bias=forget_bias))
    difference = (made[2].b - made[0].b).view(4, 4)
    torch.testing.assert_close(difference, torch.tensor([0, 2.5, 0, 0])[:, None].expand(4, 4))
    torch.manual_seed(0)
    assert torch.equal(LSTM(3, 4).cells[0].b, made[1].b)  # 1 unless told otherwise
    assert LSTM(3, 4, bias=False).cells[0].b is None
    assert made[0].b.abs().max() <= 0.5  # 1 / sqrt(hidden_size)


def test_parameters_are_as_many_as_the_docstring_says():
    mine = sum(p.numel() for p in LSTM(WIDTH, HIDDEN).parameters())
    assert mine == 4 * HIDDEN * (WIDTH + HIDDEN + 1)
    theirs = sum(p.numel() for p in nn.LSTM(WIDTH, HIDDEN).parameters())
    assert theirs - mine == 4 * HIDDEN


@pytest.mark.parametrize(
    ("module", "error", "words"),
    [
        (nn.GRU(3, 4, batch_first=True), TypeError, "torch.nn.LSTM"),
        (nn.LSTM(3, 4), ValueError, "batch_first"),
        (nn.LSTM(3, 4, batch_first=True, proj_size=2), ValueError, "proj_size=2"),
    ],
)
def test_from_torch_refuses_what_it_cannot_copy(module, error, words):
    with pytest.raises(error, match=words):
        LSTM.from_torch(module)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"input_size": 0}, ValueError, "input_size"),
        ({"hidden_size": -1}, ValueError, "hidden_size"),
        ({"n_layers": 0}, ValueError, "n_layers"),
        ({"dropout": 1.0}, ValueError, "dropout"),
        ({"hidden_size": 4.0}, TypeError, "hidden_size.*4.0"),
        ({"forget_bias": "1"}, TypeError, "forget_bias.*'1'"),
        ({"forget_bias": float("nan")}, ValueError, "forget_bias.*nan"),
        ({"forget_bias": float("inf")}, ValueError, "forget_bias.*inf"),
        ({"forget_bias": 2.0, "bias": False}, ValueError, "bias=False leaves no b_f.*2.0"),
    ],
)
def test_bad_construction(arguments, error, words):
    with pytest.raises(error, match=words):
        LSTM(**{"input_size": 3, "hidden_size": 4, **arguments})


@pytest.mark.parametrize("name", ["input_size", "hidden_size"])
def test_cell_refuses_bad_sizes(name):
    with pytest.raises(ValueError, match=f"{name}.*0"):
        LSTMCell(**{"input_size": 3, "hidden_size": 4, name: 0})


ZEROS = torch.zeros(1, 2, 4)


@pytest.mark.parametrize(
    ("x", "state", "error", "words"),
    [
        (torch.randn(2, 3), None, ValueError, r"\[2, 3\]"),
        (torch.randn(2, 0, 3), None, ValueError, "at least one"),
        (torch.randn(2, 5, 3).double(), None, TypeError, "float64"),
        (torch.randn(2, 5, 3), ZEROS, ValueError, "2 tensor"),
        (torch.randn(2, 5, 3), (ZEROS,), ValueError, "2 tensor"),
        (torch.randn(2, 5, 3), (ZEROS, ZEROS[:, :1]), ValueError, r"\[1, 1, 4\]"),
        (torch.randn(2, 5, 3), (ZEROS, ZEROS.double()), TypeError, "float64"),
        (torch.randn(2, 5, 3), (ZEROS, None), TypeError, "NoneType"),
    ],
)
def test_bad_input(x, state, error, words):
    with pytest.raises(error, match=words):
        LSTM(3, 4)(x, state)
    with pytest.raises(error, match=words):
        trace(LSTM(3, 4), x, state)


@pytest.mark.parametrize(("layer", "error"), [(2, ValueError), (-1, ValueError), (0.5, TypeError)])
def test_trace_of_a_layer_that_is_not_there(layer, error):
    with pytest.raises(error, match=f"layer.*{layer}"):
        trace(LSTM(3, 4, n_layers=2), torch.randn(2, 5, 3), layer=layer)

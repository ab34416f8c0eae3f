"""GRU against torch.nn.GRU in float64 and at awkward sizes; the paper's form by its equations."""

import pytest
import torch
from torch import nn

from nlp_helpers.models.gru import GRU, GRUCell, trace

BATCH, TIME, WIDTH, HIDDEN = 13, 7, 37, 19
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def reference_and_ours(**options):
    torch.manual_seed(0)
    reference = nn.GRU(WIDTH, HIDDEN, batch_first=True, dtype=torch.float64, **options)
    return reference, GRU.from_torch(reference)


def sequences(batch=BATCH, time=TIME):
    return torch.randn(batch, time, WIDTH, dtype=torch.float64)


def paper(reset="before", **options):
    torch.manual_seed(0)
    return GRU(WIDTH, HIDDEN, reset=reset, **options).double()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("with_state", [False, True])
def test_outputs_and_gradients_equal_torch(bias, bidirectional, n_layers, with_state):
    reference, ours = reference_and_ours(
        num_layers=n_layers, bidirectional=bidirectional, bias=bias
    )
    x = sequences()
    state = torch.randn(n_layers * (1 + bidirectional), BATCH, HIDDEN, dtype=torch.float64)
    results = []
    for model in (reference, ours):
        leaves = [t.clone().requires_grad_() for t in (x, state)]
        outputs, last = model(leaves[0], leaves[1] if with_state else None)
        (outputs.sin().sum() + last.cos().sum()).backward()
        results.append([outputs, last] + [t.grad for t in leaves[: 2 if with_state else 1]])
    for theirs, mine in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)
    for cell, (w_ih, w_hh, *biases) in zip(ours.cells, reference.all_weights, strict=True):
        torch.testing.assert_close(cell.U.grad, w_ih.grad, **CLOSE)
        torch.testing.assert_close(cell.W.grad, w_hh.grad, **CLOSE)
        if bias:
            torch.testing.assert_close(cell.b.grad, biases[0].grad, **CLOSE)
            torch.testing.assert_close(cell.d.grad, biases[1].grad[2 * HIDDEN :], **CLOSE)
    assert (ours.cells[0].b is None) == (not bias)
    assert (ours.cells[0].d is None) == (not bias)


def by_the_paper(cell, x, h):
    """Cho et al. 2014, eq. 5-8, from the rows of the stacked matrices; r, z, n and h by step."""
    U_r, U_z, U_n = cell.U.split(HIDDEN)
    W_r, W_z, W_n = cell.W.split(HIDDEN)
    b_r, b_z, b_n = cell.b.split(HIDDEN)
    rows = []
    for t in range(x.shape[1]):
        r = 1 / (1 + torch.exp(-(x[:, t] @ U_r.T + h @ W_r.T + b_r)))
        z = 1 / (1 + torch.exp(-(x[:, t] @ U_z.T + h @ W_z.T + b_z)))
        n = torch.tanh(x[:, t] @ U_n.T + (r * h) @ W_n.T + b_n)
        h = z * h + (1 - z) * n
        rows.append({"r": r, "z": z, "n": n, "hidden": h})
    return {name: torch.stack([row[name] for row in rows], dim=1) for name in rows[0]}


def test_reset_before_the_product_is_the_papers_form():
    ours = paper()
    x, h = sequences(), torch.randn(1, BATCH, HIDDEN, dtype=torch.float64)
    expected = by_the_paper(ours.cells[0], x, h[0])
    outputs, last = ours(x, h)
    torch.testing.assert_close(outputs, expected["hidden"], **CLOSE)
    torch.testing.assert_close(last[0], expected["hidden"][:, -1], **CLOSE)
    shown = trace(ours, x, h)
    assert list(shown) == ["r", "z", "n", "hidden"]
    for name, value in expected.items():
        torch.testing.assert_close(shown[name], value, **CLOSE, msg=name)
    grads = [
        torch.autograd.grad(o.sin().sum(), list(ours.parameters()))
        for o in (outputs, expected["hidden"])
    ]
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)


def test_the_two_places_of_the_reset_are_two_different_networks():
    before, after = paper("before"), paper("after")
    after.load_state_dict(before.state_dict(), strict=False)
    after.cells[0].d.data.zero_()
    x = sequences()
    first, second = before(x)[0], after(x)[0]
    torch.testing.assert_close(first[:, 0], second[:, 0])  # h_0 = 0: nothing to reset yet
    assert (first[:, 1:] - second[:, 1:]).abs().max() > 1e-3


def test_z_of_one_keeps_the_old_state():
    ours = paper("after")
    ours.cells[0].b.data[HIDDEN : 2 * HIDDEN] = 60
    h = torch.randn(1, BATCH, HIDDEN, dtype=torch.float64)
    torch.testing.assert_close(ours(sequences(), h)[1], h)


@pytest.mark.parametrize("layer", [0, 1])
def test_trace_of_a_layer_in_a_stack_of_both_directions(layer):
    _, ours = reference_and_ours(num_layers=2, bidirectional=True)
    x, state = sequences(), torch.randn(4, BATCH, HIDDEN, dtype=torch.float64)
    shown = trace(ours, x, state, layer=layer)
    torch.testing.assert_close(shown["hidden"][:, -1], ours(x, state)[1][2 * layer])
    assert not shown["hidden"].requires_grad


def test_parameters_are_as_many_as_the_docstring_says():
    count = {
        reset: sum(p.numel() for p in paper(reset).parameters()) for reset in ("before", "after")
    }
    assert count["before"] == 3 * HIDDEN * (WIDTH + HIDDEN + 1)
    assert count["after"] == count["before"] + HIDDEN
    theirs = sum(p.numel() for p in nn.GRU(WIDTH, HIDDEN).parameters())
    assert theirs == count["before"] + 3 * HIDDEN


@pytest.mark.parametrize(
    ("module", "error", "words"),
    [
        (nn.LSTM(3, 4, batch_first=True), TypeError, "torch.nn.GRU"),
        (nn.GRU(3, 4), ValueError, "batch_first"),
    ],
)
def test_from_torch_refuses_what_it_cannot_copy(module, error, words):
    with pytest.raises(error, match=words):
        GRU.from_torch(module)


@pytest.mark.parametrize("made", [GRU, GRUCell])
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"input_size": 0}, ValueError, "input_size"),
        ({"hidden_size": -1}, ValueError, "hidden_size"),
        ({"hidden_size": True}, TypeError, "hidden_size.*True"),
        ({"reset": "never"}, ValueError, "reset.*'never'"),
        ({"reset": None}, ValueError, "reset.*None"),
    ],
)
def test_bad_construction(made, arguments, error, words):
    with pytest.raises(error, match=words):
        made(**{"input_size": 3, "hidden_size": 4, **arguments})


@pytest.mark.parametrize(
    ("x", "state", "error", "words"),
    [
        (torch.randn(2, 3), None, ValueError, r"\[2, 3\]"),
        (torch.randn(2, 0, 3), None, ValueError, "at least one"),
        (torch.randn(2, 5, 3).double(), None, TypeError, "float64"),
        (torch.randn(2, 5, 3), (torch.zeros(1, 2, 4),) * 2, ValueError, "1 tensor"),
        (torch.randn(2, 5, 3), torch.zeros(2, 2, 4), ValueError, r"\[2, 2, 4\]"),
    ],
)
def test_bad_input(x, state, error, words):
    with pytest.raises(error, match=words):
        GRU(3, 4)(x, state)
    with pytest.raises(error, match=words):
        trace(GRU(3, 4), x, state)


def test_trace_of_a_layer_that_is_not_there():
    with pytest.raises(ValueError, match=r"layer must be below n_layers=2, got 2"):
        trace(GRU(3, 4, n_layers=2), torch.randn(2, 5, 3), layer=2)

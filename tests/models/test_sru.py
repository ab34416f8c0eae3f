"""SRU against the paper's five equations step by step; its recurrence against a plain loop."""

import math
import pickle

import pytest
import torch
from torch import nn

from nlp_helpers.models.sru import PIECE, SRU, SRUCell, linear_recurrence, parallel_scan

BATCH, TIME, WIDTH, HIDDEN = 13, 7, 37, 19
CLOSE = {"rtol": 1e-10, "atol": 1e-12}
BOTH = pytest.mark.parametrize("recurrence", [linear_recurrence, parallel_scan])


def sequences(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


# The layer --------------------------------------------------------------------------------------


def by_the_paper(cell, x, c):
    """One layer, left to right: the five equations of arXiv 1709.02755v1, one step at a time."""
    hidden = c.shape[1]
    W, W_f, W_r = cell.W[:hidden], cell.W[hidden : 2 * hidden], cell.W[2 * hidden : 3 * hidden]
    b_f, b_r = cell.b[:hidden], cell.b[hidden:]
    outputs = []
    for t in range(x.shape[1]):
        x_t = x[:, t]
        candidate = x_t @ W.T
        f = 1 / (1 + torch.exp(-(x_t @ W_f.T + b_f)))
        r = 1 / (1 + torch.exp(-(x_t @ W_r.T + b_r)))
        c = f * c + (1 - f) * candidate
        highway = x_t if x_t.shape[1] == hidden else x_t @ cell.W[3 * hidden :].T
        outputs.append(r * torch.tanh(c) + (1 - r) * highway)
    return torch.stack(outputs, dim=1), c


def stack_by_the_paper(model, x, state):
    last = []
    for layer in range(model.n_layers):
        outputs = []
        for direction in range(model.directions):
            k = layer * model.directions + direction
            read = x.flip(1) if direction else x
            h, c = by_the_paper(model.cells[k], read, state[k])
            outputs.append(h.flip(1) if direction else h)
            last.append(c)
        x = torch.cat(outputs, dim=-1)
    return x, torch.stack(last)


@pytest.mark.parametrize("width", [WIDTH, HIDDEN])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("with_state", [False, True])
def test_outputs_and_gradients_equal_the_papers_equations(
    width, bidirectional, n_layers, with_state
):
    torch.manual_seed(0)
    model = SRU(width, HIDDEN, n_layers=n_layers, bidirectional=bidirectional).double()
    for cell in model.cells:
        cell.b.data.normal_()  # they start at 0, where a mistake would not show
    x = sequences(BATCH, TIME, width)
    c = sequences(n_layers * (1 + bidirectional), BATCH, HIDDEN) * with_state
    results = []
    for run in (lambda x, c: stack_by_the_paper(model, x, c), model):
        leaves = [x.clone().requires_grad_(), c.clone().requires_grad_()]
        outputs, last = run(leaves[0], leaves[1] if with_state or run is not model else None)
        loss = outputs.sin().sum() + last.cos().sum()
        wanted = [leaves[0], *model.parameters()] + ([leaves[1]] if with_state else [])
        results.append([outputs, last, *torch.autograd.grad(loss, wanted)])
    for theirs, mine in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_long_sequence_is_read_in_pieces_and_its_padding_too(bidirectional):
    torch.manual_seed(0)
    lengths = [2 * PIECE + 7, PIECE, 5]
    model = SRU(HIDDEN, HIDDEN, n_layers=2, bidirectional=bidirectional).double()
    x = sequences(3, lengths[0], HIDDEN).requires_grad_()
    mask = torch.arange(lengths[0]) < torch.tensor(lengths).unsqueeze(1)
    outputs, last = model(x, mask=mask)
    (gradient,) = torch.autograd.grad(outputs.sin().sum() + last.cos().sum(), x)
    for row, length in enumerate(lengths):
        short = x[row : row + 1, :length].detach().requires_grad_()
        zeros = torch.zeros(len(last), 1, HIDDEN, dtype=torch.float64)
        expected, final = stack_by_the_paper(model, short, zeros)
        (wanted,) = torch.autograd.grad(expected.sin().sum() + final.cos().sum(), short)
        torch.testing.assert_close(outputs[row, :length], expected[0], **CLOSE)
        torch.testing.assert_close(last[:, row], final[:, 0], **CLOSE)
        torch.testing.assert_close(gradient[row, :length], wanted[0], **CLOSE)


def test_projection_is_there_only_where_the_highway_needs_it():
    same, wider = SRUCell(HIDDEN, HIDDEN), SRUCell(WIDTH, HIDDEN)
    assert sum(p.numel() for p in same.parameters()) == 3 * HIDDEN * HIDDEN + 2 * HIDDEN
    assert sum(p.numel() for p in wider.parameters()) == 4 * HIDDEN * WIDTH + 2 * HIDDEN


def test_first_weights_have_the_stated_variance():
    torch.manual_seed(0)
    cell = SRUCell(300, 200)
    assert cell.W.var().item() == pytest.approx(1 / 300, rel=0.02)
    assert cell.W.abs().max() <= math.sqrt(3 / 300)
    assert not cell.b.any()


def test_state_carries_over_and_single_steps_equal_the_whole():
    torch.manual_seed(0)
    model = SRU(WIDTH, HIDDEN, n_layers=2).double()
    x = sequences(BATCH, TIME, WIDTH)
    whole, last = model(x)
    state, outputs = None, []
    for t in range(TIME):
        output, state = model(x[:, t : t + 1], state)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, dim=1), whole, **CLOSE)
    torch.testing.assert_close(state, last, **CLOSE)


def test_dropout_between_layers_and_pickle():
    torch.manual_seed(0)
    model = SRU(WIDTH, HIDDEN, n_layers=2, dropout=0.5)
    x = sequences(BATCH, TIME, WIDTH, dtype=torch.float32)
    assert not torch.equal(model(x)[0], model(x)[0])
    model.eval()
    assert torch.equal(pickle.loads(pickle.dumps(model))(x)[0], model(x)[0])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"input_size": 0}, ValueError, "input_size"),
        ({"hidden_size": 0}, ValueError, "hidden_size"),
        ({"n_layers": 0}, ValueError, "n_layers"),
        ({"dropout": -0.1}, ValueError, "dropout"),
        ({"input_size": 3.0}, TypeError, "input_size.*3.0"),
    ],
)
def test_bad_construction(arguments, error, words):
    with pytest.raises(error, match=words):
        SRU(**{"input_size": 3, "hidden_size": 4, **arguments})


@pytest.mark.parametrize(
    ("x", "state", "error", "words"),
    [
        (torch.randn(2, 3), None, ValueError, r"\[2, 3\]"),
        (torch.randn(2, 0, 3), None, ValueError, "at least one"),
        (torch.randn(2, 5, 3).double(), None, TypeError, "float64"),
        (torch.randn(2, 5, 3), torch.zeros(1, 3, 4), ValueError, r"\[1, 2, 4\]"),
        (torch.randn(2, 5, 3), (torch.zeros(1, 2, 4),) * 2, ValueError, "1 tensor"),
    ],
)
def test_bad_input(x, state, error, words):
    with pytest.raises(error, match=words):
        SRU(3, 4)(x, state)


def test_cell_refuses_bad_sizes_and_there_is_nothing_to_copy_from():
    with pytest.raises(ValueError, match=r"hidden_size.*0"):
        SRUCell(3, 0)
    with pytest.raises(TypeError, match="no SRU"):
        SRU.from_torch(nn.GRU(3, 4, batch_first=True))


# The recurrence ---------------------------------------------------------------------------------


def plain_loop(decay, increment, initial):
    c, states = initial, []
    for t in range(decay.shape[1]):
        c = decay[:, t] * c + increment[:, t]
        states.append(c)
    return torch.stack(states, dim=1)


def problem(time, batch=3, hidden=5):
    torch.manual_seed(time)
    decay = torch.rand(batch, time, hidden, dtype=torch.float64)
    increment, initial = sequences(batch, time, hidden), sequences(batch, hidden)
    return [t.requires_grad_() for t in (decay, increment, initial)]


def outputs_and_gradients(recurrence, arguments):
    c = recurrence(*arguments)
    weights = torch.linspace(1, 2, c.numel(), dtype=c.dtype).view(c.shape)
    return [c, *torch.autograd.grad((weights * c.sin()).sum(), arguments)]


@BOTH
@pytest.mark.parametrize("time", [1, 2, 7, 32, 100])
def test_equals_the_plain_loop_forward_and_backward(recurrence, time):
    arguments = problem(time)
    mine = outputs_and_gradients(recurrence, arguments)
    theirs = outputs_and_gradients(plain_loop, arguments)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@BOTH
@pytest.mark.parametrize("time", [1, 5])
def test_gradcheck(recurrence, time):
    assert torch.autograd.gradcheck(recurrence, problem(time, 2, 3))


@BOTH
def test_decay_of_any_sign_and_size(recurrence):
    arguments = [sequences(2, 9, 3).requires_grad_() for _ in range(2)]
    arguments.append(sequences(2, 3).requires_grad_())
    with torch.no_grad():
        arguments[0][:, 4] = 0
    mine = outputs_and_gradients(recurrence, arguments)
    for a, b in zip(mine, outputs_and_gradients(plain_loop, arguments), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@BOTH
def test_views_are_read_right_and_nothing_is_written_to(recurrence):
    torch.manual_seed(0)
    wide = sequences(5, 14, 6)
    decay, increment = wide[:, ::2, :3].sigmoid(), wide.transpose(0, 2)[:5, ::2, :3]
    decay = decay.transpose(0, 1).contiguous().transpose(0, 1)
    initial = wide[0, :5, ::2]
    before = [t.clone() for t in (decay, increment, initial)]
    assert not any(t.is_contiguous() for t in (decay, increment, initial))
    c = recurrence(decay, increment, initial)
    torch.testing.assert_close(c, plain_loop(*before))
    for now, then in zip((decay, increment, initial), before, strict=True):
        assert torch.equal(now, then)


@BOTH
@pytest.mark.parametrize("needed", [0, 1, 2])
def test_one_argument_alone_can_need_a_gradient(recurrence, needed):
    arguments = [t.detach().requires_grad_(k == needed) for k, t in enumerate(problem(7))]
    (mine,) = torch.autograd.grad(recurrence(*arguments).sin().sum(), arguments[needed])
    (theirs,) = torch.autograd.grad(plain_loop(*arguments).sin().sum(), arguments[needed])
    torch.testing.assert_close(mine, theirs)


@BOTH
def test_the_gradient_that_comes_in_is_left_as_it_is(recurrence):
    arguments, incoming = problem(7), sequences(3, 7, 5)
    before = incoming.clone()
    torch.autograd.grad(recurrence(*arguments), arguments, incoming)
    assert torch.equal(incoming, before)


def test_a_second_derivative_is_refused_rather_than_wrong():
    arguments = problem(4)
    c = linear_recurrence(*arguments).sin().sum()
    (gradient,) = torch.autograd.grad(c, arguments[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


GOOD = [torch.zeros(2, 5, 3), torch.zeros(2, 5, 3), torch.zeros(2, 3)]


@BOTH
@pytest.mark.parametrize(
    ("position", "bad", "error", "words"),
    [
        (0, torch.zeros(2, 3), ValueError, r"decay must be \[batch, time, hidden\].*\[2, 3\]"),
        (0, torch.zeros(2, 0, 3), ValueError, r"\[2, 0, 3\]"),
        (1, torch.zeros(2, 4, 3), ValueError, r"increment.*\[2, 5, 3\], got \[2, 4, 3\]"),
        (2, torch.zeros(3, 2), ValueError, r"initial.*\[2, 3\], got \[3, 2\]"),
        (1, torch.zeros(2, 5, 3).double(), TypeError, "float64"),
        (0, torch.ones(2, 5, 3, dtype=torch.int64), TypeError, "int64"),
        (2, None, TypeError, "NoneType"),
    ],
)
def test_recurrence_refuses_bad_input(recurrence, position, bad, error, words):
    arguments = list(GOOD)
    arguments[position] = bad
    with pytest.raises(error, match=words):
        recurrence(*arguments)

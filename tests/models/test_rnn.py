"""RNN against torch.nn.RNN, and bptt against autograd, in float64 and at awkward sizes."""

import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nlp_helpers.models.rnn import RNN, RNNCell, bptt, error_terms

BATCH, TIME, WIDTH, HIDDEN, VOCAB = 13, 7, 37, 19, 11


def reference_and_ours(**options):
    torch.manual_seed(0)
    reference = nn.RNN(WIDTH, HIDDEN, batch_first=True, dtype=torch.float64, **options)
    return reference, RNN.from_torch(reference)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("with_state", [False, True])
def test_outputs_and_gradients_equal_torch(nonlinearity, bidirectional, n_layers, with_state):
    reference, ours = reference_and_ours(
        num_layers=n_layers, bidirectional=bidirectional, nonlinearity=nonlinearity
    )
    x = torch.randn(BATCH, TIME, WIDTH, dtype=torch.float64)
    state = torch.randn(n_layers * (1 + bidirectional), BATCH, HIDDEN, dtype=torch.float64)
    results = []
    for model in (reference, ours):
        x_leaf, s_leaf = x.clone().requires_grad_(), state.clone().requires_grad_()
        outputs, last = model(x_leaf, s_leaf) if with_state else model(x_leaf)
        (outputs.sin().sum() + last.cos().sum()).backward()
        results.append([outputs, last, x_leaf.grad] + ([s_leaf.grad] if with_state else []))
    for theirs, mine in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)
    for cell, (w_ih, w_hh, b_ih, _) in zip(ours.cells, reference.all_weights, strict=True):
        for mine, theirs in ((cell.U, w_ih), (cell.W, w_hh), (cell.b, b_ih)):
            torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-10, atol=1e-12)


def test_without_bias_and_at_batch_1_time_1():
    reference, ours = reference_and_ours(bias=False)
    x = torch.randn(1, 1, WIDTH, dtype=torch.float64)
    torch.testing.assert_close(ours(x)[0], reference(x)[0])
    assert ours.cells[0].b is None


def test_state_carries_over_from_one_half_of_a_sequence_to_the_other():
    _, ours = reference_and_ours(num_layers=2)
    x = torch.randn(BATCH, TIME, WIDTH, dtype=torch.float64)
    whole, last = ours(x)
    first, state = ours(x[:, :4])
    second, state = ours(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(state, last)


def test_dropout_acts_between_layers_in_training_only():
    torch.manual_seed(0)
    reference = nn.RNN(WIDTH, HIDDEN, num_layers=2, batch_first=True, dropout=0.5)
    ours = RNN.from_torch(reference)
    x = torch.randn(BATCH, TIME, WIDTH)
    assert ours.training
    assert not torch.equal(ours(x)[0], ours(x)[0])
    torch.testing.assert_close(ours.eval()(x)[0], reference.eval()(x)[0])


def test_cell_is_one_step_of_the_layer():
    _, ours = reference_and_ours()
    x = torch.randn(BATCH, TIME, WIDTH, dtype=torch.float64)
    state = x.new_zeros(BATCH, HIDDEN)
    for t in range(TIME):
        state = ours.cells[0](x[:, t], state)
        torch.testing.assert_close(state, ours(x)[0][:, t])


@pytest.mark.parametrize(
    ("module", "error", "words"),
    [
        (nn.LSTM(3, 4, batch_first=True), TypeError, "torch.nn.RNN"),
        (nn.RNN(3, 4), ValueError, "batch_first"),
    ],
)
def test_from_torch_refuses_what_it_cannot_copy(module, error, words):
    with pytest.raises(error, match=words):
        RNN.from_torch(module)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"input_size": 0}, "input_size"),
        ({"hidden_size": -1}, "hidden_size"),
        ({"n_layers": 0}, "n_layers"),
        ({"dropout": 1.0}, "dropout"),
        ({"nonlinearity": "sine"}, "sine"),
        ({"input_size": 3.0}, "input_size.*3.0"),
        ({"hidden_size": True}, "hidden_size.*True"),
        ({"n_layers": "2"}, "n_layers.*'2'"),
    ],
)
def test_bad_construction(arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        RNN(**{"input_size": 3, "hidden_size": 4, **arguments})


@pytest.mark.parametrize(
    ("x", "state", "error", "words"),
    [
        (torch.randn(2, 3), None, ValueError, r"\[2, 3\]"),
        (torch.randn(2, 5, 4), None, ValueError, r"input_size=3.*\[2, 5, 4\]"),
        (torch.randn(2, 0, 3), None, ValueError, "at least one"),
        (torch.ones(2, 5, 3, dtype=torch.int64), None, TypeError, "int64"),
        ([[1.0]], None, TypeError, "list"),
        (torch.randn(2, 5, 3), torch.zeros(1, 3, 4), ValueError, r"\[1, 2, 4\]"),
        (torch.randn(2, 5, 3).double(), None, TypeError, "float64"),
        (torch.randn(2, 5, 3), torch.zeros(1, 2, 4).double(), TypeError, "float64"),
        (torch.randn(2, 5, 3), 3, TypeError, "int"),
        (torch.randn(2, 5, 3), [[0.0] * 4], TypeError, "list"),
    ],
)
def test_bad_input(x, state, error, words):
    with pytest.raises(error, match=words):
        RNN(3, 4)(x, state)


# Backpropagation through time -------------------------------------------------------------------


def problem(seed=0, time=TIME):
    torch.manual_seed(seed)
    d = torch.float64
    weights = {
        "U": torch.randn(HIDDEN, WIDTH, dtype=d) / WIDTH**0.5,
        "W": torch.randn(HIDDEN, HIDDEN, dtype=d) / HIDDEN**0.5,
        "V": torch.randn(VOCAB, HIDDEN, dtype=d) / HIDDEN**0.5,
        "b": torch.randn(HIDDEN, dtype=d) / 3,
        "c": torch.randn(VOCAB, dtype=d) / 3,
    }
    x = torch.randn(BATCH, time, WIDTH, dtype=d)
    targets = torch.randint(VOCAB, (BATCH, time))
    return x, targets, weights, torch.randn(BATCH, HIDDEN, dtype=d) / 3


def autograd(x, targets, weights, state, nonlinearity, truncate=None):
    """The same loss through RNNCell and torch's automatic differentiation."""
    leaves = {k: w.clone().requires_grad_() for k, w in weights.items()}
    leaves["x"], leaves["state"] = x.clone().requires_grad_(), state.clone().requires_grad_()
    f = {"tanh": torch.tanh, "relu": torch.relu, "linear": lambda z: z}[nonlinearity]
    s, nets, logits = leaves["state"], [], []
    for t in range(x.shape[1]):
        if truncate and t and t % truncate == 0:
            s = s.detach()
        z = leaves["x"][:, t] @ leaves["U"].T + s @ leaves["W"].T + leaves["b"]
        z.retain_grad()
        s = f(z)
        nets.append(z)
        logits.append(s @ leaves["V"].T + leaves["c"])
    logits = torch.stack(logits, 1)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    gradients = {k: leaf.grad for k, leaf in leaves.items()}
    return loss.detach(), logits.detach(), torch.stack([z.grad for z in nets], 1), gradients


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", "linear"])
@pytest.mark.parametrize("truncate", [None, 1, 3, 50])
def test_bptt_equals_autograd(nonlinearity, truncate):
    x, targets, weights, state = problem()
    mine = bptt(x, targets, **weights, state=state, nonlinearity=nonlinearity, truncate=truncate)
    loss, logits, deltas, gradients = autograd(x, targets, weights, state, nonlinearity, truncate)
    torch.testing.assert_close(mine.loss, loss, rtol=0, atol=1e-12)
    torch.testing.assert_close(mine.logits, logits, rtol=0, atol=1e-12)
    torch.testing.assert_close(mine.deltas, deltas, rtol=0, atol=1e-12)
    assert mine.gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(mine.gradients[name], gradient, rtol=0, atol=1e-12, msg=name)


def test_truncation_changes_the_gradient_of_W_but_not_of_V():
    x, targets, weights, _ = problem()
    full, cut = (bptt(x, targets, **weights, truncate=k).gradients for k in (None, 2))
    assert (full["W"] - cut["W"]).norm() > 1e-3 * full["W"].norm()
    torch.testing.assert_close(full["V"], cut["V"])


def test_error_terms_add_up_to_the_deltas():
    """delta_k of the whole loss is the sum, over the steps t >= k, of each step's delta_k."""
    x, targets, weights, state = problem()
    result = bptt(x, targets, **weights, state=state)
    total = torch.zeros_like(result.deltas)
    p = result.logits.softmax(-1) - F.one_hot(targets, VOCAB)
    for t in range(TIME):
        local = (p[:, t] / targets.numel()) @ weights["V"] * (1 - result.states[:, t] ** 2)
        total[:, : t + 1] += error_terms(local, result.states[:, : t + 1], weights["W"])
    torch.testing.assert_close(total, result.deltas, rtol=0, atol=1e-12)


def zeros(*shape):
    return torch.zeros(shape, dtype=torch.float64)


BAD_BPTT = [
    ({"targets": zeros(BATCH, TIME)}, TypeError, "float64"),
    ({"targets": torch.zeros(BATCH, TIME, dtype=torch.uint8)}, TypeError, "uint8"),
    ({"targets": [[0]]}, TypeError, "list"),
    ({"targets": torch.full((BATCH, TIME), VOCAB)}, ValueError, r"\[0, 11\)"),
    ({"targets": torch.zeros(BATCH, TIME + 1, dtype=torch.long)}, ValueError, "targets"),
    ({"U": zeros(HIDDEN, WIDTH + 1)}, ValueError, "U must have shape"),
    ({"W": zeros(HIDDEN, HIDDEN + 1)}, ValueError, "W must have shape"),
    ({"W": zeros()}, ValueError, r"W must have shape \[19, 19\], got \[\]"),
    ({"V": torch.zeros(VOCAB, HIDDEN)}, TypeError, "float32"),
    ({"b": None}, TypeError, "NoneType"),
    ({"x": [1.0]}, TypeError, "list"),
    ({"x": zeros(BATCH, WIDTH)}, ValueError, "x must be"),
    ({"x": zeros(BATCH, 0, WIDTH)}, ValueError, "none of them 0"),
    ({"truncate": 0}, ValueError, "at least 1"),
    ({"truncate": 2.5}, TypeError, "2.5"),
    ({"nonlinearity": "sine"}, ValueError, "sine"),
    ({"state": zeros(HIDDEN)}, ValueError, "state must have shape"),
]


@pytest.mark.parametrize(("change", "error", "words"), BAD_BPTT)
def test_bptt_bad_input(change, error, words):
    x, targets, weights, _ = problem()
    with pytest.raises(error, match=words):
        bptt(**{"x": x, "targets": targets, **weights, **change})


def test_error_terms_bad_input():
    with pytest.raises(ValueError, match="expected states"):
        error_terms(torch.zeros(2, 3), torch.zeros(2, 4, 5), torch.zeros(5, 5))


def test_cell_refuses_bad_arguments():
    with pytest.raises(ValueError, match="sine"):
        RNNCell(3, 4, nonlinearity="sine")
    with pytest.raises(ValueError, match=r"hidden_size.*0"):
        RNNCell(3, 0)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", "linear"])
def test_a_network_can_be_pickled(nonlinearity):
    network = RNN(3, 4, nonlinearity=nonlinearity)
    twin = pickle.loads(pickle.dumps(network))
    x = torch.randn(2, 5, 3)
    assert torch.equal(twin(x)[0], network(x)[0])


def test_frozen_weights_stay_frozen():
    reference, _ = reference_and_ours()
    ours = RNN.from_torch(reference.requires_grad_(False))
    assert not any(p.requires_grad for p in ours.parameters())

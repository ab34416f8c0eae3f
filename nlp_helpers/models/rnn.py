"""The simple (Elman) recurrent network, and backpropagation through time written out by hand.

The letters are those of chapter 01: input x_t, state s_t, logits o_t;
U input to state, W state to state, V state to output; b and c the two biases.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_float_tensors, check_int, check_shapes
from nlp_helpers.models.recurrent import Recurrent, State


def identity(z: Tensor) -> Tensor:
    return z


# name -> (f, its derivative f' written in terms of the state s = f(z))
NONLINEARITIES = {
    "tanh": (torch.tanh, lambda s: 1 - s**2),
    "relu": (torch.relu, lambda s: (s > 0).to(s.dtype)),
    "linear": (identity, torch.ones_like),
}


def _nonlinearity(name: str):
    if name not in NONLINEARITIES:
        raise ValueError(f"nonlinearity must be one of {sorted(NONLINEARITIES)}, got {name!r}")
    return NONLINEARITIES[name]


class RNNCell(nn.Module):
    """One step of the simple recurrent network, s_t = f(U x_t + W s_{t-1} + b).

    Source: Elman 1990, "Finding Structure in Time"; Goodfellow, Bengio and Courville 2016,
        eq. 10.8-10.9 (their W and U are our W and U, their h our s).

    Shape:
        x: [batch, input_size]; state: [batch, hidden_size]; returns the new state,
        [batch, hidden_size].

    Raises:
        ValueError: sizes below 1, an unknown nonlinearity.
        TypeError: sizes that are not integers.
    """

    def __init__(
        self, input_size: int, hidden_size: int, nonlinearity: str = "tanh", bias: bool = True
    ):
        super().__init__()
        check_int("input_size", input_size)
        check_int("hidden_size", hidden_size)
        self.f, _ = _nonlinearity(nonlinearity)
        bound = 1 / math.sqrt(hidden_size)
        self.U = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-bound, bound))
        self.W = nn.Parameter(torch.empty(hidden_size, hidden_size).uniform_(-bound, bound))
        b = torch.empty(hidden_size).uniform_(-bound, bound) if bias else None
        self.register_parameter("b", nn.Parameter(b) if bias else None)

    def project(self, x: Tensor) -> Tensor:
        """The part that needs only the input; x [..., input_size] -> [..., hidden_size]."""
        return nn.functional.linear(x, self.U, self.b)  # U x_t + b, for one step or for all

    def step(self, projected: Tensor, state: State) -> State:
        """The rest of a step; projected and state [batch, hidden_size]."""
        (s,) = state
        return (self.f(torch.addmm(projected, s, self.W.t())),)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        return self.step(self.project(x), (state,))[0]

    @torch.no_grad()
    def load(self, weight_ih, weight_hh, bias_ih=None, bias_hh=None) -> None:
        """Take over the weights of one layer and direction of `torch.nn.RNN`."""
        self.U.copy_(weight_ih)
        self.W.copy_(weight_hh)
        if bias_ih is not None:
            self.b.copy_(bias_ih + bias_hh)  # torch keeps two biases where one is enough


class RNN(Recurrent):
    """The simple recurrent network over whole sequences, with layers and directions.

    Source: Elman 1990; stacked and bidirectional as in Graves et al. 2013 and Schuster and
        Paliwal 1997. Agrees with `torch.nn.RNN` (see `from_torch`).

    Shape and Raises: see `Recurrent`.
    """

    cell_class = RNNCell
    torch_class = nn.RNN

    @classmethod
    def options_of(cls, module: nn.RNN) -> dict:
        return {"bias": module.bias, "nonlinearity": module.nonlinearity}


@dataclass(frozen=True)
class BPTT:
    """What `bptt` returns; every gradient is of `loss`.

    Shape:
        loss: scalar, nats per token. states: [batch, time, hidden]. logits: [batch, time, vocab].
        deltas: [batch, time, hidden], dL/dz_t for the net input z_t = U x_t + W s_{t-1} + b.
        gradients: "U" [hidden, input], "W" [hidden, hidden], "b" [hidden], "V" [vocab, hidden],
            "c" [vocab], "x" [batch, time, input] (the error that goes to the layer below) and
            "state" [batch, hidden] (the error that reaches the initial state).
    """

    loss: Tensor
    states: Tensor
    logits: Tensor
    deltas: Tensor
    gradients: dict[str, Tensor]


@torch.no_grad()
def bptt(x, targets, U, W, V, b, c, state=None, nonlinearity="tanh", truncate=None) -> BPTT:
    """Loss of a simple RNN and all its gradients, without automatic differentiation.

    The loss is the cross-entropy of softmax(o_t), o_t = V s_t + c, averaged over batch and time.

    Source: Werbos 1990; Goodfellow, Bengio and Courville 2016, section 10.2.2. With `truncate`
        the error stops at every multiple of `truncate` steps (Williams and Peng 1990).

    Shape:
        x: [batch, time, input]; targets: integers [batch, time]; U: [hidden, input];
        W: [hidden, hidden]; V: [vocab, hidden]; b: [hidden]; c: [vocab];
        state: [batch, hidden], zeros if None.

    Raises:
        ValueError: shapes that do not fit, a target outside the vocabulary, truncate < 1,
            an unknown nonlinearity.
        TypeError: targets that are not int64, weights that are not of x's dtype.
    """
    f, f_prime = _nonlinearity(nonlinearity)
    state = _check_bptt(x, targets, U, W, V, b, c, state, truncate)

    states = [state]  # forward: s_0, s_1, ..., s_T
    for x_t in x.unbind(dim=1):
        states.append(f(x_t @ U.T + states[-1] @ W.T + b))
    s = torch.stack(states[1:], dim=1)
    logits = s @ V.T + c
    log_p = logits.log_softmax(dim=-1)
    loss = -log_p.gather(-1, targets.unsqueeze(-1)).mean()

    d_logits = log_p.exp()  # dL/do_t = (softmax(o_t) - onehot(y_t)) / (batch * time)
    d_logits.scatter_add_(-1, targets.unsqueeze(-1), -torch.ones_like(d_logits[..., :1]))
    d_logits /= targets.numel()

    deltas = torch.zeros_like(s)
    from_future = torch.zeros_like(state)  # W^T delta_{t+1}: the error that comes back in time
    for t in reversed(range(x.shape[1])):
        deltas[:, t] = (d_logits[:, t] @ V + from_future) * f_prime(s[:, t])
        from_future = deltas[:, t] @ W
        if truncate is not None and t > 0 and t % truncate == 0:
            from_future = torch.zeros_like(from_future)

    before = torch.stack(states[:-1], dim=1)  # s_{t-1} for t = 1 .. T
    gradients = {
        "U": torch.einsum("bth,bti->hi", deltas, x),
        "W": torch.einsum("bth,btk->hk", deltas, before),
        "b": deltas.sum(dim=(0, 1)),
        "V": torch.einsum("btv,bth->vh", d_logits, s),
        "c": d_logits.sum(dim=(0, 1)),
        "x": deltas @ U,
        "state": from_future,
    }
    return BPTT(loss, s, logits, deltas, gradients)


@torch.no_grad()
def error_terms(delta: Tensor, states: Tensor, W: Tensor, nonlinearity: str = "tanh") -> Tensor:
    """Carry one step's error term back in time: delta_k for every k up to that step.

    delta_k = diag(f'(z_k)) W^T delta_{k+1}, from the last of the `states` back to the first.

    Source: Pascanu, Mikolov and Bengio 2013, eq. 5 (the product of Jacobians).

    Shape:
        delta: [batch, hidden], the error term at the last of the states;
        states: [batch, time, hidden]; W: [hidden, hidden].
        Returns [batch, time, hidden]; the last entry along time is `delta` itself.

    Raises:
        ValueError: shapes that do not fit, an unknown nonlinearity.
    """
    _, f_prime = _nonlinearity(nonlinearity)
    batch, time, hidden = states.shape if states.dim() == 3 else (0, 0, 0)
    if time == 0 or delta.shape != (batch, hidden) or W.shape != (hidden, hidden):
        raise ValueError(
            "expected states [batch, time, hidden], delta [batch, hidden], W [hidden, hidden]; got "
            f"{list(states.shape)}, {list(delta.shape)}, {list(W.shape)}"
        )
    terms = [delta]
    for s_k in reversed(states[:, :-1].unbind(dim=1)):
        terms.append((terms[-1] @ W) * f_prime(s_k))
    return torch.stack(terms[::-1], dim=1)


def _check_bptt(x, targets, U, W, V, b, c, state, truncate) -> Tensor:
    """Refuse what does not fit together; return the initial state, zeros where there was none."""
    given = {} if state is None else {"state": state}
    check_float_tensors(x=x, U=U, W=W, V=V, b=b, c=c, **given)
    if not isinstance(targets, Tensor) or targets.dtype != torch.int64:
        kind = targets.dtype if isinstance(targets, Tensor) else type(targets).__name__
        raise TypeError(f"targets must be a tensor of int64, got {kind}")
    if truncate is not None:
        check_int("truncate", truncate)
    if x.dim() != 3 or 0 in x.shape:
        raise ValueError(f"x must be [batch, time, input], none of them 0; got {list(x.shape)}")
    batch, time, width = x.shape
    hidden, vocab = b.numel(), c.numel()
    state = x.new_zeros(batch, hidden) if state is None else state
    check_shapes(targets=(targets, (batch, time)), state=(state, (batch, hidden)))
    check_shapes(U=(U, (hidden, width)), W=(W, (hidden, hidden)), V=(V, (vocab, hidden)))
    check_shapes(b=(b, (hidden,)), c=(c, (vocab,)))
    if targets.min() < 0 or targets.max() >= vocab:
        raise ValueError(f"targets must be in [0, {vocab}), got {targets.min()} .. {targets.max()}")
    return state

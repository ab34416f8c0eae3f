"""The gated recurrent unit: two gates and no cell state.

The letters are those of Cho et al. 2014: update gate z, reset gate r, candidate n (their h with a
tilde), hidden state h; U input to state, W state to state, b bias, as in chapter 01.
"""

import math

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_int
from nlp_helpers.models.recurrent import Recurrent, State, uniform


class GRUCell(nn.Module):
    """One step of a GRU; the rows of U, W and b are stacked in torch's order r, z, n.

        r_t = sigmoid(U_r x_t + W_r h_{t-1} + b_r)              what of the past the candidate sees
        z_t = sigmoid(U_z x_t + W_z h_{t-1} + b_z)              what of the past is kept
        n_t = tanh(U_n x_t + b_n + r_t * (W_n h_{t-1} + d))     reset="after"
        n_t = tanh(U_n x_t + b_n + W_n (r_t * h_{t-1}))         reset="before"
        h_t = z_t * h_{t-1} + (1 - z_t) * n_t

    Two conventions for z: here, as in Cho et al. 2014 and in torch, z = 1 keeps the old state;
    in Chung et al. 2014 it is 1 - z that keeps it.

    Parameters: 3 * hidden_size * (input_size + hidden_size + 1), and hidden_size more for d with
    reset="after". `torch.nn.GRUCell` has 3 * hidden_size more than with one bias throughout.

    Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder", v3,
        eq. 5-8 (reset="before", no biases there); reset="after" is the form of cuDNN and torch:
        the product no longer waits for r, so it can be computed beside the gates.

    Shape:
        x: [batch, input_size]; state: [batch, hidden_size]; returns the new state.

    Raises:
        ValueError: sizes below 1, a reset that is not "after" or "before".
        TypeError: sizes that are not integers.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, reset: str = "after"):
        super().__init__()
        check_int("input_size", input_size)
        check_int("hidden_size", hidden_size)
        if reset not in ("after", "before"):
            raise ValueError(f"reset must be 'after' or 'before', got {reset!r}")
        bound = 1 / math.sqrt(hidden_size)
        self.reset = reset
        self.U = uniform(bound, 3 * hidden_size, input_size)
        self.W = uniform(bound, 3 * hidden_size, hidden_size)
        self.register_parameter("b", uniform(bound, 3 * hidden_size) if bias else None)
        inner = bias and reset == "after"
        self.register_parameter("d", uniform(bound, hidden_size) if inner else None)

    def project(self, x: Tensor) -> Tensor:
        """The part that needs only the input; x [..., input_size] -> [..., 3 * hidden_size]."""
        return nn.functional.linear(x, self.U, self.b)

    def _gates(self, projected: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        sizes = (2 * hidden.shape[1], hidden.shape[1])  # r and z together, n
        rz, n = projected.split(sizes, dim=1)
        if self.reset == "after":  # one product for all three
            past_rz, past_n = (hidden @ self.W.t()).split(sizes, dim=1)
            r, z = (rz + past_rz).sigmoid().chunk(2, dim=1)
            past_n = past_n if self.d is None else past_n + self.d
            return r, z, torch.addcmul(n, r, past_n).tanh()
        W_rz, W_n = self.W.split(sizes)
        r, z = torch.addmm(rz, hidden, W_rz.t()).sigmoid().chunk(2, dim=1)
        return r, z, torch.addmm(n, r * hidden, W_n.t()).tanh()

    def step(self, projected: Tensor, state: State) -> State:
        """The rest of a step; projected [batch, 3 * hidden_size]."""
        (h,) = state
        _, z, n = self._gates(projected, h)
        return (torch.lerp(n, h, z),)  # z * h + (1 - z) * n

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        return self.step(self.project(x), (state,))[0]

    def gates(self, x: Tensor, state: Tensor) -> dict[str, Tensor]:
        """The values of r, z and n at one step, each [batch, hidden_size]."""
        return dict(zip("rzn", self._gates(self.project(x), state), strict=True))

    @torch.no_grad()
    def load(self, weight_ih, weight_hh, bias_ih=None, bias_hh=None) -> None:
        """Take over the weights of one layer and direction of `torch.nn.GRU`."""
        gates = 2 * weight_hh.shape[1]  # the rows of r and z
        self.U.copy_(weight_ih)
        self.W.copy_(weight_hh)
        if bias_ih is not None:
            self.b.copy_(bias_ih)
            self.b[:gates] += bias_hh[:gates]
            self.d.copy_(bias_hh[gates:])  # stays apart: r multiplies it


class GRU(Recurrent):
    """The GRU over whole sequences, with layers and directions; its state is one tensor.

    Source: as `GRUCell`. With reset="after" it agrees with `torch.nn.GRU` (see `from_torch`).

    Shape and Raises: see `Recurrent` and `GRUCell`.
    """

    cell_class = GRUCell
    torch_class = nn.GRU


@torch.no_grad()
def trace(gru: GRU, x: Tensor, state: Tensor | None = None, layer: int = 0) -> dict[str, Tensor]:
    """Every gate and the state of one layer, read from left to right, at every step.

    Shape:
        x and state: as `GRU`. Returns r, z, n and hidden, each [batch, time, hidden].

    Raises:
        ValueError, TypeError: as `GRU`, and for a layer that the network does not have.
    """
    x, (hidden,) = gru.layer_input(layer, x, state)
    cell = gru.cells[layer * gru.directions]
    steps = []
    for x_t in x.unbind(dim=1):
        gates = cell.gates(x_t, hidden)
        hidden = cell(x_t, hidden)
        steps.append({**gates, "hidden": hidden})
    return {name: torch.stack([step[name] for step in steps], dim=1) for name in steps[0]}

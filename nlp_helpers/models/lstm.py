"""Long short-term memory: a cell state that gates write, keep and read.

The letters are the usual ones: input gate i, forget gate f, candidate g, output gate o,
cell state c, hidden state h; U input to state, W state to state, b bias, as in chapter 01.
"""

import math

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_int, check_number
from nlp_helpers.models.recurrent import Recurrent, State, uniform


class LSTMCell(nn.Module):
    """One step of an LSTM; the four rows of products are stacked in the order i, f, g, o.

        i_t = sigmoid(U_i x_t + W_i h_{t-1} + b_i)          what to write
        f_t = sigmoid(U_f x_t + W_f h_{t-1} + b_f)          what to keep
        g_t = tanh(U_g x_t + W_g h_{t-1} + b_g)             what could be written
        o_t = sigmoid(U_o x_t + W_o h_{t-1} + b_o)          what to show
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(c_t)

    Parameters: 4 * hidden_size * (input_size + hidden_size + 1). `torch.nn.LSTMCell` has
    4 * hidden_size more: it adds two biases where one is enough.

    Source: Hochreiter and Schmidhuber 1997; the forget gate is of Gers, Schmidhuber and Cummins
        2000. No peepholes.

    Args:
        forget_bias: added to the first value of b_f. With 1, as Gers et al. start it and as
            Jozefowicz et al. 2015 recommend (Keras does so too, torch does not), a new network
            keeps about 3/4 of its cell state at each step, and with 0 about half. None
            is 1; with bias=False there is no b_f, and any other value is refused.

    Shape:
        x: [batch, input_size]; state: (hidden, cell), each [batch, hidden_size]; returns the
        new state.

    Raises:
        ValueError: sizes below 1, a forget bias that is not finite or has no b_f to add it to.
        TypeError: sizes that are not integers, a forget bias that is not a number.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        forget_bias: float | None = None,
    ):
        super().__init__()
        check_int("input_size", input_size)
        check_int("hidden_size", hidden_size)
        if forget_bias is not None and not bias:
            raise ValueError(f"bias=False leaves no b_f to add forget_bias={forget_bias} to")
        forget_bias = 1.0 if forget_bias is None else forget_bias
        check_number("forget_bias", forget_bias, -float("inf"), open_low=True, open_high=True)
        bound = 1 / math.sqrt(hidden_size)
        self.U = uniform(bound, 4 * hidden_size, input_size)
        self.W = uniform(bound, 4 * hidden_size, hidden_size)
        self.register_parameter("b", uniform(bound, 4 * hidden_size) if bias else None)
        if bias:
            self.b.data[hidden_size : 2 * hidden_size] += forget_bias

    def project(self, x: Tensor) -> Tensor:
        """The part that needs only the input; x [..., input_size] -> [..., 4 * hidden_size]."""
        return nn.functional.linear(x, self.U, self.b)

    def _gates(self, projected: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        i, f, g, o = torch.addmm(projected, hidden, self.W.t()).chunk(4, dim=1)
        return i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()

    def step(self, projected: Tensor, state: State) -> State:
        """The rest of a step; projected [batch, 4 * hidden_size]."""
        h, c = state
        i, f, g, o = self._gates(projected, h)
        c = f * c + i * g
        return o * c.tanh(), c

    def forward(self, x: Tensor, state: State) -> State:
        return self.step(self.project(x), state)

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """The values of i, f, g and o at one step, each [batch, hidden_size]."""
        return dict(zip("ifgo", self._gates(self.project(x), state[0]), strict=True))

    @torch.no_grad()
    def load(self, weight_ih, weight_hh, bias_ih=None, bias_hh=None) -> None:
        """Take over the weights of one layer and direction of `torch.nn.LSTM`."""
        self.U.copy_(weight_ih)
        self.W.copy_(weight_hh)
        if bias_ih is not None:
            self.b.copy_(bias_ih + bias_hh)


class LSTM(Recurrent):
    """The LSTM over whole sequences, with layers and directions; its state is (hidden, cell).

    Source: as `LSTMCell`; stacked and bidirectional as in Graves et al. 2013. Agrees with
        `torch.nn.LSTM` (see `from_torch`).

    Shape and Raises: see `Recurrent` and `LSTMCell`.
    """

    cell_class = LSTMCell
    torch_class = nn.LSTM
    n_states = 2


@torch.no_grad()
def trace(lstm: LSTM, x: Tensor, state: State | None = None, layer: int = 0) -> dict[str, Tensor]:
    """Every gate and state of one layer, read from left to right, at every step.

    Shape:
        x and state: as `LSTM`. Returns i, f, g, o, cell and hidden, each [batch, time, hidden].

    Raises:
        ValueError, TypeError: as `LSTM`, and for a layer that the network does not have.
    """
    x, state = lstm.layer_input(layer, x, state)
    cell = lstm.cells[layer * lstm.directions]
    steps = []
    for x_t in x.unbind(dim=1):
        gates = cell.gates(x_t, state)
        state = cell(x_t, state)
        steps.append({**gates, "cell": state[1], "hidden": state[0]})
    return {name: torch.stack([step[name] for step in steps], dim=1) for name in steps[0]}

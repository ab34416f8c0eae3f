"""An LSTM whose output is projected to a smaller width before it is fed back."""

import math

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_int, check_number
from nlp_helpers.models.recurrent import (
    State,
    check_input,
    check_mask,
    run_cell,
    run_masked,
    uniform,
)


class ProjectedLSTMCell(nn.Module):
    """One step of an LSTM with a recurrent projection; the gates are stacked as i, f, g, o.

        i_t = sigmoid(U_i x_t + W_i h_{t-1} + b_i)
        f_t = sigmoid(U_f x_t + W_f h_{t-1} + b_f)
        g_t = tanh(U_g x_t + W_g h_{t-1} + b_g)
        o_t = sigmoid(U_o x_t + W_o h_{t-1} + b_o)
        c_t = clip(f_t * c_{t-1} + i_t * g_t)
        h_t = clip(P (o_t * tanh(c_t)))

    A wide cell remembers much, a narrow h keeps U and W small. The first value of b_f is raised
    by 1, as in `LSTMCell`.

    Source: Sak, Senior and Beaufays 2014, section 2.2 (without peepholes and without the second,
        non-recurrent projection); clipping as in TensorFlow's `LSTMCell`, which ELMo uses: the
        cell before it is shown, h after its projection.

    Args:
        projection_size: width of h; None: no matrix P and no clipping of h, which is then as
            wide as the cell.
        cell_clip, projection_clip: bounds of c and of h on both sides; None: there is none.

    Shape:
        x: [batch, input_size]; state: (h [batch, projection_size], c [batch, hidden_size]);
        returns the new state.

    Raises:
        ValueError: sizes below 1, a clip that is not above 0.
        TypeError: sizes that are not integers, a clip that is not a number.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        projection_size: int | None = None,
        cell_clip: float | None = None,
        projection_clip: float | None = None,
    ):
        super().__init__()
        check_int("input_size", input_size)
        check_int("hidden_size", hidden_size)
        if projection_size is not None:
            check_int("projection_size", projection_size)
        for name, clip in (("cell_clip", cell_clip), ("projection_clip", projection_clip)):
            if clip is not None:
                check_number(name, clip, 0, open_low=True)
        self.hidden_size, self.output_size = hidden_size, projection_size or hidden_size
        self.cell_clip, self.projection_clip = cell_clip, projection_clip
        bound = 1 / math.sqrt(hidden_size)
        self.U = uniform(bound, 4 * hidden_size, input_size)
        self.W = uniform(bound, 4 * hidden_size, self.output_size)
        self.b = uniform(bound, 4 * hidden_size)
        self.b.data[hidden_size : 2 * hidden_size] += 1
        P = uniform(bound, projection_size, hidden_size) if projection_size else None
        self.register_parameter("P", P)

    def zero_state(self, x: Tensor) -> State:
        """The state before the first step, for an input of this batch size."""
        return x.new_zeros(len(x), self.output_size), x.new_zeros(len(x), self.hidden_size)

    def project(self, x: Tensor) -> Tensor:
        """The part that needs only the input; x [..., input_size] -> [..., 4 * hidden_size]."""
        return nn.functional.linear(x, self.U, self.b)

    def step(self, projected: Tensor, state: State) -> State:
        """The rest of a step; projected [batch, 4 * hidden_size]."""
        h, c = state
        i, f, g, o = torch.addmm(projected, h, self.W.t()).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        if self.cell_clip is not None:
            c = c.clamp(-self.cell_clip, self.cell_clip)
        h = o.sigmoid() * c.tanh()
        if self.P is not None:
            h = h @ self.P.t()
            if self.projection_clip is not None:
                h = h.clamp(-self.projection_clip, self.projection_clip)
        return h, c

    def forward(self, x: Tensor, state: State) -> State:
        return self.step(self.project(x), state)

    @torch.no_grad()
    def load(self, weight_ih, weight_hh, bias, weight_hr=None) -> None:
        """Take over weights in torch's layout: rows in the order i, f, g, o; one bias."""
        self.U.copy_(weight_ih)
        self.W.copy_(weight_hh)
        self.b.copy_(bias)
        if self.P is not None:
            self.P.copy_(weight_hr)


class ProjectedLSTM(nn.Module):
    """Layers of projected LSTMs, all read in the same direction, each from a zero state.

    With skip connections every layer but the first adds its input to its output. What a layer
    feeds back to itself is its output without that sum.

    Source: Peters et al. 2018, section 3.4 (residual connection); one layer without clipping
        agrees with `torch.nn.LSTM(proj_size=...)`.

    Args:
        reverse: read from right to left.
        dropout: share of each layer's input that is set to 0 in training.
        others: see `ProjectedLSTMCell`.

    Shape:
        x: [batch, time, input_size]; mask: bool [batch, time], True = a real step, or None. At
        padded steps the state stands still, so that from right to left the padding is passed
        before anything is read, and the output is 0.
        Returns the outputs of all layers, [n_layers, batch, time, output_size], in x's order.

    Raises:
        ValueError, TypeError: as `ProjectedLSTMCell` and `Recurrent`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        projection_size: int | None = None,
        n_layers: int = 1,
        reverse: bool = False,
        skip_connections: bool = False,
        cell_clip: float | None = None,
        projection_clip: float | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        check_int("n_layers", n_layers)
        check_number("dropout", dropout, 0, 1, open_high=True)
        self.input_size, self.reverse = input_size, reverse
        self.skip_connections = skip_connections
        self.dropout = nn.Dropout(dropout)
        widths = [input_size] + [projection_size or hidden_size] * (n_layers - 1)
        self.cells = nn.ModuleList(
            ProjectedLSTMCell(width, hidden_size, projection_size, cell_clip, projection_clip)
            for width in widths
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        check_input(x, self.input_size, self.cells[0].U.dtype)
        mask = check_mask(mask, x)
        outputs = []
        for layer, cell in enumerate(self.cells):
            x = self.dropout(x)
            state = cell.zero_state(x)
            if mask is None:
                output, _ = run_cell(cell, x, state, self.reverse)
            else:
                output, _ = run_masked(cell, x, state, mask, self.reverse)
            if self.skip_connections and layer > 0:
                output = output + x
            outputs.append(output)
            x = output
        return torch.stack(outputs)

"""The simple recurrent unit: gates that do not see the state, so that all products run at once.

What is left for the loop over time is c_t = f_t * c_{t-1} + (something known beforehand), element
by element. That is a linear recurrence, and a linear recurrence can also be computed by doubling.
"""

import math

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nlp_helpers.checks import check_float_tensors, check_int, check_shapes
from nlp_helpers.models.recurrent import Recurrent, State, uniform

PIECE = 32  # steps that SRU takes at once: short enough for the processor's caches


def linear_recurrence(decay: Tensor, increment: Tensor, initial: Tensor) -> Tensor:
    """c_t = decay_t * c_{t-1} + increment_t, one step after the other, c_0 being `initial`.

    Source: the cell state of Lei, Zhang and Artzi 2017; the backward pass is the same recurrence
        from right to left (see `_LinearRecurrence`).

    Shape:
        decay and increment: [batch, time, hidden]; initial: [batch, hidden].
        Returns c_1 .. c_T, [batch, time, hidden].

    Raises:
        ValueError: shapes that do not fit, an axis of size 0.
        TypeError: not floating-point tensors of one dtype.
    """
    _check_recurrence(decay, increment, initial)
    return _LinearRecurrence.apply(
        decay.transpose(0, 1), increment.transpose(0, 1), initial
    ).transpose(0, 1)


class _LinearRecurrence(torch.autograd.Function):
    """`linear_recurrence` with time as the first axis, so that each step is one piece of memory.

    With D_t = dL/dc_t, everything that comes after step t included:
        D_t = dL/d(output_t) + decay_{t+1} * D_{t+1}
        dL/d(increment_t) = D_t,   dL/d(decay_t) = D_t * c_{t-1},   dL/d(c_0) = decay_1 * D_1
    """

    @staticmethod
    def forward(ctx, decay: Tensor, increment: Tensor, initial: Tensor) -> Tensor:
        c = torch.empty_like(increment, memory_format=torch.contiguous_format)
        before = initial
        for decay_t, increment_t, c_t in zip(decay, increment, c, strict=True):
            before = torch.addcmul(increment_t, decay_t, before, out=c_t)
        ctx.save_for_backward(decay, c, initial)
        return c

    @staticmethod
    @once_differentiable
    def backward(ctx, d_output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, c, initial = ctx.saved_tensors
        d_c = d_output.clone(memory_format=torch.contiguous_format)
        for t in range(len(c) - 2, -1, -1):
            d_c[t].addcmul_(decay[t + 1], d_c[t + 1])
        d_decay = torch.empty_like(d_c)
        torch.mul(d_c[1:], c[:-1], out=d_decay[1:])
        torch.mul(d_c[0], initial, out=d_decay[0])
        return d_decay, d_c, d_c[0] * decay[0]


def parallel_scan(decay: Tensor, increment: Tensor, initial: Tensor) -> Tensor:
    """The same as `linear_recurrence` in ceil(log2(time)) passes, each over all times at once.

    Two steps in a row are one step: a_2 (a_1 c + b_1) + b_2 = (a_2 a_1) c + (a_2 b_1 + b_2). So
    after k passes every position has the 2^k steps up to it merged into one. There are more
    products in all (time * log2(time)), but only log2(time) have to wait for each other.

    Source: Hillis and Steele 1986, "Data Parallel Algorithms"; Blelloch 1990 for the operator.

    Shape and Raises: as `linear_recurrence`.
    """
    _check_recurrence(decay, increment, initial)
    first = increment[:, :1] + decay[:, :1] * initial.unsqueeze(1)
    a, b = decay, torch.cat([first, increment[:, 1:]], dim=1)
    shift = 1
    while shift < b.shape[1]:
        later = a[:, shift:]
        b = torch.cat([b[:, :shift], b[:, shift:] + later * b[:, :-shift]], dim=1)
        a = torch.cat([a[:, :shift], later * a[:, :-shift]], dim=1)
        shift *= 2
    return b


class SRUCell(nn.Module):
    """A layer of simple recurrent units in one direction, over all times.

        x~_t = W x_t                                    candidate
        f_t  = sigmoid(W_f x_t + b_f)                   forget gate
        r_t  = sigmoid(W_r x_t + b_r)                   reset gate
        c_t  = f_t * c_{t-1} + (1 - f_t) * x~_t         cell state
        h_t  = r_t * tanh(c_t) + (1 - r_t) * x_t        output, with a highway for the input

    The highway needs an input as wide as the state; where it is not, x_t in the last line is
    W_p x_t, a learned projection. The rows of `W` are those of W, W_f, W_r (and W_p), of `b`
    those of b_f and b_r.

    Parameters: 3 * hidden_size * input_size + 2 * hidden_size, and hidden_size * input_size for
    the projection. There is no product with the state.

    Source: Lei, Zhang and Artzi 2017, "Training RNNs as Fast as CNNs", the five
        equations of arXiv 1709.02755v1. The published form (Lei et al. 2018) adds v * c_{t-1}
        to both gates, which then have to wait for the state. First weights with variance
        1 / input_size, as the 2018 paper has them.

    Raises:
        ValueError: sizes below 1.
        TypeError: sizes that are not integers.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        check_int("input_size", input_size)
        check_int("hidden_size", hidden_size)
        self.hidden_size = hidden_size
        self.widths = [hidden_size, 2 * hidden_size]  # of W, and of W_f and W_r together
        if input_size != hidden_size:
            self.widths.append(hidden_size)  # of W_p
        self.W = uniform(math.sqrt(3 / input_size), sum(self.widths), input_size)
        self.b = nn.Parameter(torch.zeros(2 * hidden_size))

    def forward(self, x: Tensor, c: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [batch, time, input_size], c [batch, hidden_size] -> outputs and the last c."""
        size = self.hidden_size
        b = nn.functional.pad(self.b, (size, len(self.W) - 3 * size))  # only the gates have one
        products = nn.functional.linear(x, self.W, b)  # all of them, for all times
        candidate, gates, *projected = products.split(self.widths, dim=-1)
        highway = projected[0] if projected else x
        f, r = gates.sigmoid().chunk(2, dim=-1)
        increment = torch.addcmul(candidate, f, candidate, value=-1)  # (1 - f) * candidate
        if mask is not None:  # c_t = 1 * c_{t-1} + 0: the state stands still
            padded = ~mask.unsqueeze(-1)
            f, increment = f.masked_fill(padded, 1), increment.masked_fill(padded, 0)
        c = linear_recurrence(f, increment, c)
        h = torch.lerp(highway, c.tanh(), r)  # r * tanh(c) + (1 - r) * x
        return (h if mask is None else h.masked_fill(padded, 0)), c[:, -1]


class SRU(Recurrent):
    """The simple recurrent unit over whole sequences, with layers and directions.

    Its state is the cell state c, [n_layers * directions, batch, hidden_size].

    Source: as `SRUCell`. torch has no SRU, so there is no `from_torch`.

    Shape and Raises: see `Recurrent` and `SRUCell`.
    """

    cell_class = SRUCell

    @staticmethod
    def run(cell: SRUCell, x: Tensor, state: State, mask: Tensor | None, reverse: bool):
        """One layer in one direction, piece by piece; the pieces change the speed only."""
        if reverse:
            x, mask = x.flip(1), None if mask is None else mask.flip(1)
        pieces = x.split(PIECE, dim=1)
        masks = [None] * len(pieces) if mask is None else mask.split(PIECE, dim=1)
        (c,), outputs = state, []
        for piece, mask_of_piece in zip(pieces, masks, strict=True):
            h, c = cell(piece, c, mask_of_piece)
            outputs.append(h)
        h = torch.cat(outputs, dim=1)
        return h.flip(1) if reverse else h, (c,)

    @classmethod
    def from_torch(cls, module: nn.Module):
        raise TypeError(f"torch.nn has no SRU to copy from, got {module!r}")


def _check_recurrence(decay: Tensor, increment: Tensor, initial: Tensor) -> None:
    check_float_tensors(decay=decay, increment=increment, initial=initial)
    if decay.dim() != 3 or 0 in decay.shape:
        raise ValueError(
            f"decay must be [batch, time, hidden], none of them 0; got {list(decay.shape)}"
        )
    check_shapes(increment=(increment, decay.shape), initial=(initial, decay[:, 0].shape))

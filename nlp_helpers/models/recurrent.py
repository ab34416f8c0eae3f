"""What RNN, LSTM, GRU and SRU share: a cell over time, in layers and directions, with padding."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_bool_tensor, check_int, check_number, check_shapes

State = tuple[Tensor, ...]  # what a cell carries from step to step, each [batch, hidden_size]


def run_cell(
    cell: nn.Module, x: Tensor, state: State, reverse: bool = False
) -> tuple[Tensor, State]:
    """Apply one cell at every time step, from left to right or from right to left.

    What needs only the input is computed for all steps before the loop, and unbound once: with
    `x[:, t]` inside the loop, the backward pass would be quadratic in time.

    Shape:
        x: [batch, time, input_size]; state: tuple of [batch, hidden_size].
        Returns outputs [batch, time, hidden_size] in the order of `x`, and the last state.
    """
    projected = cell.project(x).unbind(dim=1)  # time tensors of [batch, gates * hidden_size]
    outputs = []
    for projected_t in reversed(projected) if reverse else projected:
        state = cell.step(projected_t, state)
        outputs.append(state[0])
    if reverse:
        outputs.reverse()
    return torch.stack(outputs, dim=1), state


def run_masked(
    cell: nn.Module, x: Tensor, state: State, mask: Tensor, reverse: bool = False
) -> tuple[Tensor, State]:
    """`run_cell` for sequences of different lengths, padded to the longest.

    At a padded step the state is carried over unchanged: the last one is that of the sequence's
    own last step, and from right to left the padding is passed before anything is read.

    Shape:
        As `run_cell`; mask: bool [batch, time], True = a real step. Outputs at padded steps are 0.
    """
    projected, real = cell.project(x).unbind(dim=1), mask.unsqueeze(-1).unbind(dim=1)
    everyone = mask.all(dim=0).tolist()  # steps without padding need no selection
    outputs = []
    for t in reversed(range(len(projected))) if reverse else range(len(projected)):
        old, state = state, cell.step(projected[t], state)
        if not everyone[t]:
            state = tuple(torch.where(real[t], s, o) for s, o in zip(state, old, strict=True))
        outputs.append(state[0])
    if reverse:
        outputs.reverse()
    return torch.stack(outputs, dim=1).masked_fill(~mask.unsqueeze(-1), 0), state


class Recurrent(nn.Module):
    """A stack of recurrent layers, each read in one or two directions.

    A subclass names its cell. A cell has `project(x)`, the part that needs only the input,
    `step(projected, state) -> state`, and `load(weight_ih, weight_hh, bias_ih, bias_hh)`.

    Shape:
        x: [batch, time, input_size].
        state: [n_layers * directions, batch, hidden_size], or a tuple of two such tensors where
            the cell carries two (LSTM); zeros if None. Layer 0 forward comes first, then layer 0
            backward, as in `torch.nn`.
        mask: bool [batch, time], True = a real step; all real if None. At padded steps the state
            stands still and the output is 0, as with torch's `pack_padded_sequence`.
        Returns outputs [batch, time, directions * hidden_size] of the top layer, and the state
            after the last step in the shape of `state`.

    Raises:
        ValueError: sizes below 1, dropout outside [0, 1), an input of wrong rank or width, an
            empty sequence, a state or mask of wrong shape, a row that is all padding.
        TypeError: an input or state that is not a tensor of the weights' dtype, a mask that is
            not of bool, a size that is not an int.
    """

    cell_class: ClassVar[type[nn.Module]]
    n_states: ClassVar[int] = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        n_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        **cell_options,
    ):
        super().__init__()
        check_int("input_size", input_size)
        check_int("hidden_size", hidden_size)
        check_int("n_layers", n_layers)
        check_number("dropout", dropout, 0, 1, open_high=True)
        self.input_size, self.hidden_size, self.n_layers = input_size, hidden_size, n_layers
        self.directions = 2 if bidirectional else 1
        self.dropout = nn.Dropout(dropout)
        widths = [input_size] + [self.directions * hidden_size] * (n_layers - 1)
        self.cells = nn.ModuleList(
            self.cell_class(width, hidden_size, **cell_options)
            for width in widths
            for _ in range(self.directions)
        )

    def forward(self, x: Tensor, state: Tensor | State | None = None, mask: Tensor | None = None):
        first_states = self._unpack(x, state)
        mask = check_mask(mask, x)
        last_states = []
        for layer in range(self.n_layers):
            if layer > 0:
                x = self.dropout(x)
            x, states = self.run_layer(layer, x, first_states, mask)
            last_states += states
        packed = tuple(torch.stack(part) for part in zip(*last_states, strict=True))
        return x, packed if self.n_states > 1 else packed[0]

    def run_layer(
        self, layer: int, x: Tensor, first_states: State, mask: Tensor | None
    ) -> tuple[Tensor, list[State]]:
        """One layer in all its directions: its outputs, and the last state of each direction."""
        outputs, last_states = [], []
        for direction in range(self.directions):
            i = layer * self.directions + direction
            state = tuple(s[i] for s in first_states)
            output, state = self.run(self.cells[i], x, state, mask, reverse=direction == 1)
            outputs.append(output)
            last_states.append(state)
        return torch.cat(outputs, dim=-1), last_states  # [batch, time, directions * hidden_size]

    def layer_input(self, layer: int, x: Tensor, state) -> tuple[Tensor, State]:
        """What the forward cell of a layer reads: its input at all steps, and its first state."""
        check_int("layer", layer, least=0)
        if layer >= self.n_layers:
            raise ValueError(f"layer must be below n_layers={self.n_layers}, got {layer}")
        first_states = self._unpack(x, state)
        for below in range(layer):
            x, _ = self.run_layer(below, x, first_states, mask=None)
        return x, tuple(s[layer * self.directions] for s in first_states)

    @staticmethod
    def run(cell: nn.Module, x: Tensor, state: State, mask: Tensor | None, reverse: bool):
        if mask is None:
            return run_cell(cell, x, state, reverse)
        return run_masked(cell, x, state, mask, reverse)

    def _unpack(self, x: Tensor, state: Tensor | State | None) -> State:
        """Check `x` and `state`; return the state as a tuple, zeros where there was none."""
        check_input(x, self.input_size, next(self.parameters()).dtype)
        shape = (self.n_layers * self.directions, x.shape[0], self.hidden_size)
        if state is None:
            return tuple(x.new_zeros(shape) for _ in range(self.n_states))
        states = tuple(state) if isinstance(state, tuple | list) else (state,)
        if not all(isinstance(s, Tensor) and s.dtype == x.dtype for s in states):
            kinds = [s.dtype if isinstance(s, Tensor) else type(s).__name__ for s in states]
            raise TypeError(f"state must be of tensors of {x.dtype}, as the input; got {kinds}")
        if len(states) != self.n_states or any(s.shape != shape for s in states):
            raise ValueError(
                f"state must be {self.n_states} tensor(s) of shape {list(shape)} [n_layers * "
                f"directions, batch, hidden_size], got {[list(s.shape) for s in states]}"
            )
        return states

    @classmethod
    def from_torch(cls, module: nn.RNNBase):
        """Copy a `torch.nn` recurrent module of the same kind, weights included.

        Raises:
            TypeError: if `module` is of another kind.
            ValueError: for `batch_first=False` or `proj_size`, or if one of two biases is frozen.
        """
        if not isinstance(module, cls.torch_class):
            raise TypeError(f"expected a torch.nn.{cls.torch_class.__name__}, got {module!r}")
        if not module.batch_first:
            raise ValueError("batch_first=False is not supported; build it with batch_first=True")
        if getattr(module, "proj_size", 0):
            raise ValueError(f"proj_size={module.proj_size} is not supported; use proj_size=0")
        for _, _, *biases in module.all_weights:
            if len({bias.requires_grad for bias in biases}) > 1:
                raise ValueError("bias_ih and bias_hh become one bias: freeze both, or neither")
        ours = cls(
            module.input_size,
            module.hidden_size,
            n_layers=module.num_layers,
            bidirectional=module.bidirectional,
            dropout=module.dropout,
            **cls.options_of(module),
        ).to(module.weight_hh_l0)
        for cell, weights in zip(ours.cells, module.all_weights, strict=True):
            cell.load(*weights)
            for own, copied in zip(cell.parameters(), weights, strict=False):  # U, W, b and d
                own.requires_grad_(copied.requires_grad)
        return ours.train(module.training)

    @classmethod
    def options_of(cls, module: nn.RNNBase) -> dict:
        """The cell's own options, read off the reference module."""
        return {"bias": module.bias}


def check_input(x: Tensor, input_size: int, dtype: torch.dtype) -> None:
    """Refuse an input that a recurrent layer of this width and dtype cannot read."""
    if not isinstance(x, Tensor) or x.dtype != dtype:
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"input must be a tensor of {dtype}, as the weights are; got {kind}")
    shape = list(x.shape)
    if x.dim() != 3 or x.shape[-1] != input_size:
        raise ValueError(f"input must be [batch, time, input_size={input_size}], got {shape}")
    if 0 in x.shape:
        raise ValueError(f"input must hold at least one sequence and step, got {shape}")


def check_mask(mask: Tensor | None, x: Tensor) -> Tensor | None:
    """Refuse a mask that does not fit; return None where it would hide nothing."""
    if mask is None:
        return None
    check_bool_tensor("mask", mask, "a real step")
    check_shapes(mask=(mask, x.shape[:2]))
    empty = (~mask.any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"every row of mask must have a real step; all padding: rows {empty}")
    return None if mask.all() else mask


def uniform(bound: float, *shape: int) -> nn.Parameter:
    """First weights, drawn between -bound and bound."""
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))

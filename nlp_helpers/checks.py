"""Checks of arguments that many modules share; each error names the argument and its value."""

import math

import torch
from torch import Tensor


def check_int(name: str, value: object, least: int = 1) -> None:
    """Refuse what is not an integer of at least `least`.

    Raises:
        TypeError: not an int (True and 2.0 are not).
        ValueError: below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}: {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def check_number(
    name: str, value: object, low: float, high: float = math.inf, *, open_low=False, open_high=False
) -> None:
    """Refuse what is not a number in the range from `low` to `high`.

    Raises:
        TypeError: not an int or float.
        ValueError: out of range, or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}: {value!r}")
    above = value > low if open_low else value >= low
    below = value < high if open_high else value <= high
    if not (above and below):
        interval = f"{'(' if open_low else '['}{low}, {high}{')' if open_high else ']'}"
        raise ValueError(f"{name} must be in {interval}, got {value}")


def check_float_tensors(**tensors: object) -> None:
    """Refuse what are not floating-point tensors of one and the same dtype.

    Raises:
        TypeError: with the dtype, or type, of each.
    """
    kinds = {k: t.dtype if isinstance(t, Tensor) else type(t).__name__ for k, t in tensors.items()}
    fine = all(isinstance(t, Tensor) and t.is_floating_point() for t in tensors.values())
    if not fine or len(set(kinds.values())) > 1:
        raise TypeError(f"expected floating-point tensors of one dtype, got {kinds}")


def check_bool_tensor(name: str, value: object, meaning: str) -> None:
    """Refuse what is not a tensor of bool; `meaning` says what True stands for.

    Raises:
        TypeError: with the dtype, or type, of what was given.
    """
    if not isinstance(value, Tensor) or value.dtype != torch.bool:
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must be a bool tensor (True = {meaning}), got {kind}")


def check_shapes(**expected: tuple[Tensor, tuple[int, ...]]) -> None:
    """Refuse tensors that do not have the shape given beside them.

    Raises:
        ValueError: naming the tensor, the shape it must have and the one it has.
    """
    for name, (tensor, shape) in expected.items():
        if tensor.shape != shape:
            raise ValueError(f"{name} must have shape {list(shape)}, got {list(tensor.shape)}")


def check_tokens(tokens: Tensor, vocab_size: int) -> None:
    """Refuse tokens that an embedding of this size cannot look up.

    Raises:
        TypeError: not a tensor of int64 or int32.
        ValueError: not [batch, time], an axis of 0, a token outside the vocabulary.
    """
    if not isinstance(tokens, Tensor) or tokens.dtype not in (torch.int64, torch.int32):
        kind = tokens.dtype if isinstance(tokens, Tensor) else type(tokens).__name__
        raise TypeError(f"tokens must be a tensor of int64 or int32, got {kind}")
    if tokens.dim() != 2 or 0 in tokens.shape:
        raise ValueError(f"tokens must be [batch, time], none of them 0; got {list(tokens.shape)}")
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= vocab_size:
        raise ValueError(f"tokens must be in [0, vocab_size={vocab_size}), got {low} .. {high}")

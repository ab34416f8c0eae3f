"""XLNet's masks: any order of prediction, with every token at its own position.

Masks are boolean, True = may attend.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def permutation_masks(order: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Who may attend to whom when the positions are predicted in a given order.

    A position of the content stream attends to itself and to all that come earlier in the order;
    one of the query stream to the earlier ones only, so that it does not see the token that it
    is to predict. The first in the order has nothing before it: its row of the query mask is all
    False, and attention then returns zeros.

    Source: Yang et al. 2019, section 2.3, figure 1; the mask of their queries is z_<t, that of
        their contents z_<=t.

    Args:
        order: the positions, counted from 0, as they are predicted: order[0] is the first.

    Shape:
        order: [time]. Returns content and query, both bool [time, time], as [query, key]; rows
        and columns stand in the order of the text.

    Raises:
        ValueError: no position at all, or not a permutation of 0 .. time - 1.
        TypeError: not a sequence of ints.
    """
    if not isinstance(order, Sequence) or not all(type(position) is int for position in order):
        raise TypeError(f"order must be a sequence of ints, got {order!r}")
    n = len(order)
    if n == 0:
        raise ValueError(f"order must hold at least one position, got {order!r}")
    if sorted(order) != list(range(n)):
        raise ValueError(f"order must be a permutation of 0 .. {n - 1}, got {order!r}")
    rank = torch.empty(n, dtype=torch.long)
    rank[torch.tensor(order)] = torch.arange(n)
    content = rank[None, :] <= rank[:, None]  # [query, key]
    return content, content & ~torch.eye(n, dtype=torch.bool)

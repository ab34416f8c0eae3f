"""Scaled dot-product attention, and the masked softmax that every attention of the book uses.

Masks are boolean, True = may attend.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nlp_helpers.checks import check_bool_tensor, check_float_tensors, check_int


def attention_weights(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax over the keys that a query may attend to; the others get exactly 0.

    A query that may attend to no key gets zeros (not NaN), and so does its gradient.

    Shape:
        scores: [..., query, key]; mask: bool, broadcastable to it, True = may attend.
        Returns weights [..., query, key]; each row adds up to 1, or to 0 where all is masked.

    Raises:
        TypeError: scores that are not floating-point, a mask that is not bool.
        ValueError: a mask that does not fit the scores.
    """
    check_float_tensors(scores=scores)
    if mask is None:
        return scores.softmax(dim=-1)
    check_mask(mask, scores.shape)
    # The lowest number stands for minus infinity: exp() makes 0 of it, and of no row a NaN.
    lowest = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~mask, lowest).softmax(dim=-1)
    return weights.masked_fill(~mask, 0)  # matters only where a whole row is masked


def check_mask(mask: Tensor, shape: torch.Size) -> None:
    """Refuse a mask that is not boolean or not broadcastable to the scores."""
    check_bool_tensor("mask", mask, "may attend")
    try:
        fits = torch.broadcast_shapes(mask.shape, shape) == shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"mask {list(mask.shape)} is not broadcastable to [..., query, key] = {list(shape)}"
        )


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    need_weights: bool = True,
    dropout: float = 0.0,
) -> tuple[Tensor, Tensor | None]:
    """softmax(Q K^T / sqrt(d_k)) V.

    Source: Vaswani et al. 2017, eq. 1.

    Args:
        need_weights: False takes PyTorch's fused path, and None comes back for the weights.
        dropout: this share of the weights is set to 0, the others are scaled up to make good for
            it; the weights that are returned are those before.

    Shape:
        query: [..., query, d_k]; key: [..., key, d_k]; value: [..., key, d_v];
        mask: bool, broadcastable to [..., query, key], True = may attend.
        Returns output [..., query, d_v] and weights [..., query, key]; both are 0 for a query
        that may attend to no key.

    Raises:
        ValueError: shapes that do not fit each other, no key at all, a width of 0.
        TypeError: tensors that are not floating-point and of one dtype, a mask that is not bool.
    """
    check_attention(query, key, value)
    if need_weights:
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        weights = attention_weights(scores, mask)
        return F.dropout(weights, dropout) @ value, weights
    if mask is None:
        return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout), None
    check_mask(mask, torch.Size((*query.shape[:-1], key.shape[-2])))
    mask = torch.atleast_2d(mask)
    blind = ~mask.any(dim=-1, keepdim=True)  # such a query looks at all, and is then zeroed
    output = F.scaled_dot_product_attention(query, key, value, mask | blind, dropout)
    return output.masked_fill(blind, 0), None


def zero_where_blind(output: Tensor, mask: Tensor | None) -> Tensor:
    """The output with 0 for each query that may attend to no key in any head.

    Shape:
        output: [batch, query, d_model]; mask: broadcastable to [batch, heads, query, key].
    """
    if mask is None:
        return output
    sees = torch.atleast_2d(mask).any(dim=-1)  # the last axis is now the query
    sees = sees.reshape((1,) * (3 - sees.dim()) + sees.shape)  # [batch or 1, heads or 1, query]
    return output.masked_fill(~sees.any(dim=1).unsqueeze(-1), 0)


def check_attention(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Refuse queries, keys and values that do not fit each other."""
    check_float_tensors(query=query, key=key, value=value)
    shapes = {k: list(t.shape) for k, t in (("query", query), ("key", key), ("value", value))}
    if min(query.dim(), key.dim(), value.dim()) < 2 or 0 in (*key.shape[-2:], value.shape[-1]):
        raise ValueError(
            f"expected [..., query or key, width], at least one key, no width of 0; got {shapes}"
        )
    if query.shape[-1] != key.shape[-1] or key.shape[:-1] != value.shape[:-1]:
        raise ValueError(f"query and key differ in width, or key and value in length: {shapes}")
    if query.shape[:-2] != key.shape[:-2]:
        raise ValueError(f"query and key differ in their batch axes: {shapes}")


def causal_mask(n_queries: int, n_keys: int | None = None, device=None) -> Tensor:
    """True where a query may attend: to its own position and those before it.

    Shape:
        Returns bool [query, key]. With more keys than queries, the queries are the last positions.

    Raises:
        ValueError: n_queries < 1, or fewer keys than queries.
        TypeError: not ints.
    """
    n_keys = n_queries if n_keys is None else n_keys
    check_int("n_queries", n_queries)
    check_int("n_keys", n_keys)
    if n_keys < n_queries:
        raise ValueError(f"n_keys={n_keys} is below n_queries={n_queries}")
    ones = torch.ones(n_queries, n_keys, dtype=torch.bool, device=device)
    return ones.tril(n_keys - n_queries)


def banded_mask(n_queries: int, n_keys: int, band: int, device=None) -> Tensor:
    """True where a query may attend: to its own position and the band - 1 before it.

    Source: Child et al. 2019, "Generating long sequences with sparse transformers" (local
        attention); Brown et al. 2020, section 2.1 (GPT-3's every second layer).

    Shape:
        Returns bool [query, key]. With more keys than queries, the queries are the last positions.

    Raises:
        ValueError, TypeError: as `causal_mask`; a band below 1.
    """
    check_int("band", band)
    mask = causal_mask(n_queries, n_keys, device)
    return mask & ~mask.tril(n_keys - n_queries - band)

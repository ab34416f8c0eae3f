"""Attention in three steps: score every key, softmax, weighted sum of the values.

All scorers share the last two steps and differ in the first. Masks are boolean, True = may attend.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, need_weights: bool = True
) -> tuple[Tensor, Tensor | None]:
    """softmax(Q K^T / sqrt(d_k)) V.

    Source: Vaswani et al. 2017, eq. 1.

    Args:
        need_weights: False takes PyTorch's fused path, and None comes back for the weights.

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
        return weights @ value, weights
    if mask is None:
        return F.scaled_dot_product_attention(query, key, value), None
    check_mask(mask, torch.Size((*query.shape[:-1], key.shape[-2])))
    nowhere = ~mask.any(dim=-1, keepdim=True)  # such a query looks at all, and is then zeroed
    output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask | nowhere)
    return output.masked_fill(nowhere, 0), None


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


class Attention(nn.Module):
    """A decoder looks at an encoder's states: the keys are also the values.

    A subclass says how to score. What it needs of the keys alone, `project_key` computes once;
    `score` does the rest for each query.

    Shape:
        query: [batch, target, query_size]; key: [batch, source, key_size];
        mask: bool, broadcastable to [batch, target, source], True = may attend.
        projected_key: what `project_key(key)` returned, to save computing it again.
        Returns context [batch, target, key_size] and weights [batch, target, source].

    Raises:
        ValueError: sizes below 1, shapes that do not fit, no key at all.
        TypeError: tensors that are not floating-point and of the weights' dtype, a mask that is
            not bool.
    """

    def __init__(self, query_size: int, key_size: int):
        super().__init__()
        check_int("query_size", query_size)
        check_int("key_size", key_size)
        self.query_size, self.key_size = query_size, key_size

    def project_key(self, key: Tensor) -> Tensor:
        return key

    def score(self, query: Tensor, projected_key: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        mask: Tensor | None = None,
        projected_key: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        given = {"query": query, "key": key, "projected_key": projected_key}
        weights = dict(list(self.named_parameters())[:1])  # the dot product has none
        check_float_tensors(**{k: t for k, t in given.items() if t is not None}, **weights)
        for name, tensor, size in (("query", query, self.query_size), ("key", key, self.key_size)):
            if tensor.dim() != 3 or tensor.shape[-1] != size or 0 in tensor.shape:
                raise ValueError(
                    f"{name} must be [batch, time, {name}_size={size}], none of them 0; "
                    f"got {list(tensor.shape)}"
                )
        if len(query) != len(key):
            raise ValueError(f"query has a batch of {len(query)}, key one of {len(key)}")
        if projected_key is None:
            projected_key = self.project_key(key)
        elif projected_key.shape[:-1] != key.shape[:-1]:
            shapes = f"{list(projected_key.shape)} for a key {list(key.shape)}"
            raise ValueError(f"projected_key must be [batch, source, any], got {shapes}")
        weights = attention_weights(self.score(query, projected_key), mask)  # steps 1 and 2
        return weights @ key, weights  # step 3


class DotAttention(Attention):
    """score = q . k; no weights of its own, so both must have the same width.

    Source: Luong, Pham and Manning 2015, section 3.1, "dot".
    """

    def __init__(self, query_size: int, key_size: int):
        super().__init__(query_size, key_size)
        if query_size != key_size:
            raise ValueError(
                f"the dot product needs query_size == key_size, got {query_size} and {key_size}; "
                "GeneralAttention takes any"
            )

    def score(self, query: Tensor, projected_key: Tensor) -> Tensor:
        return query @ projected_key.transpose(1, 2)


class GeneralAttention(Attention):
    """score = q . (W k), a dot product after one matrix; `scaled` divides it by sqrt(query_size).

    Source: Luong, Pham and Manning 2015, section 3.1, "general"; scaled as in Vaswani et al. 2017.
    """

    def __init__(self, query_size: int, key_size: int, scaled: bool = False):
        super().__init__(query_size, key_size)
        self.W = nn.Linear(key_size, query_size, bias=False)
        self.scale = 1 / math.sqrt(query_size) if scaled else 1.0

    def project_key(self, key: Tensor) -> Tensor:
        return self.scale * self.W(key)  # [batch, source, query_size]

    def score(self, query: Tensor, projected_key: Tensor) -> Tensor:
        return query @ projected_key.transpose(1, 2)


class AdditiveAttention(Attention):
    """score = v . tanh(W q + U k): a small network with one hidden layer.

    Source: Bahdanau, Cho and Bengio 2015, appendix A.1.2. There the query is the decoder's state
        *before* the step.
    """

    def __init__(self, query_size: int, key_size: int, attention_size: int):
        super().__init__(query_size, key_size)
        check_int("attention_size", attention_size)
        self.W = nn.Linear(query_size, attention_size, bias=False)
        self.U = nn.Linear(key_size, attention_size, bias=False)
        self.v = nn.Linear(attention_size, 1, bias=False)

    def project_key(self, key: Tensor) -> Tensor:
        return self.U(key)  # [batch, source, attention_size]

    def score(self, query: Tensor, projected_key: Tensor) -> Tensor:
        both = self.W(query).unsqueeze(2) + projected_key.unsqueeze(1)
        return self.v(both.tanh()).squeeze(-1)  # of [batch, target, source, attention_size]


class ConcatAttention(Attention):
    """score = v . tanh(W [q; k]): the additive score with its two matrices side by side.

    Source: Luong, Pham and Manning 2015, section 3.1, "concat". There the query is the decoder's
        state *after* the step.
    """

    def __init__(self, query_size: int, key_size: int, attention_size: int):
        super().__init__(query_size, key_size)
        check_int("attention_size", attention_size)
        self.W = nn.Linear(query_size + key_size, attention_size, bias=False)
        self.v = nn.Linear(attention_size, 1, bias=False)

    def score(self, query: Tensor, projected_key: Tensor) -> Tensor:
        target, source = query.shape[1], projected_key.shape[1]
        queries = query.unsqueeze(2).expand(-1, -1, source, -1)
        keys = projected_key.unsqueeze(1).expand(-1, target, -1, -1)
        return self.v(self.W(torch.cat([queries, keys], dim=-1)).tanh()).squeeze(-1)

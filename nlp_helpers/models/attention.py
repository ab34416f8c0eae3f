"""Attention in three steps: score every key, softmax, weighted sum of the values.

First that of the Transformer, then that of recurrent decoders, whose scorers share the last two
steps and differ in the first. Masks are boolean, True = may attend.
"""

import math

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_float_tensors, check_int, check_number
from nlp_helpers.models.scaled_dot_product import (
    attention_weights,
    scaled_dot_product_attention,
    zero_where_blind,
)
from nlp_helpers.models.torch_weights import attention_from_torch


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several subspaces at once: Concat(head_1 ... head_h) W_O.

    Every head sees all positions and all of `d_model`, through projections of its own down to
    d_k = d_model / n_heads, which stand side by side in W_Q, W_K and W_V.

    Source: Vaswani et al. 2017, section 3.2.2 (which names no biases); dropout on the weights.

    Shape:
        query: [batch, query, d_model]; key, value: [batch, key, d_model]; mask: bool,
        broadcastable to [batch, heads, query, key], True = may attend.
        Returns output [batch, query, d_model] and weights [batch, heads, query, key], None if not
        needed. Where a query may attend to nothing, in any head, its weights and output are 0.

    Raises:
        ValueError: d_model not divisible by n_heads, shapes that do not fit each other.
        TypeError: tensors not floating-point or not of the weights' dtype, a mask that is not
            bool (a float mask, which others add to the scores, is refused).
    """

    def __init__(self, d_model: int, n_heads: int, dropout: float = 0.0, bias: bool = True):
        super().__init__()
        check_int("d_model", d_model)
        check_int("n_heads", n_heads)
        check_number("dropout", dropout, 0, 1, open_high=True)
        if d_model % n_heads:
            raise ValueError(f"d_model={d_model} is not divisible by n_heads={n_heads}")
        self.d_model, self.n_heads, self.dropout = d_model, n_heads, dropout
        parts = [nn.Linear(d_model, d_model, bias=bias) for _ in range(4)]
        self.W_Q, self.W_K, self.W_V, self.W_O = parts
        for linear in parts:
            nn.init.xavier_uniform_(linear.weight)
            if bias:
                nn.init.zeros_(linear.bias)

    @classmethod
    def from_torch(cls, module: nn.MultiheadAttention) -> "MultiHeadAttention":
        """The same attention as PyTorch's, which must be batch_first (see `torch_weights`)."""
        return attention_from_torch(cls, module)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask=None, need_weights: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        return self.attend(query, self.keys_and_values(key, value), mask, need_weights)

    def keys_and_values(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """What a decoder can keep from step to step: both [batch, heads, key, d_k]."""
        self.check(key=key, value=value)
        return self._split(self.W_K(key)), self._split(self.W_V(value))

    def attend(
        self,
        query: Tensor,
        keys_and_values: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
        need_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """`forward` from projected keys and values on."""
        self.check(query=query)
        dropout = self.dropout if self.training else 0.0
        heads, weights = scaled_dot_product_attention(
            self._split(self.W_Q(query)), *keys_and_values, mask, need_weights, dropout
        )
        output = self.W_O(heads.transpose(1, 2).flatten(2))  # heads side by side again
        return zero_where_blind(output, mask), weights

    def _split(self, x: Tensor) -> Tensor:
        """[batch, time, d_model] -> [batch, heads, time, d_k]."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def check(self, **tensors: Tensor) -> None:
        """Refuse what is not [batch, time, d_model] in the weights' dtype."""
        check_float_tensors(**tensors, weights=self.W_Q.weight)
        for name, x in tensors.items():
            if x.dim() != 3 or x.shape[-1] != self.d_model or 0 in x.shape:
                sizes = f"[batch, time, d_model={self.d_model}], none of them 0"
                raise ValueError(f"{name} must be {sizes}; got {list(x.shape)}")


class Attention(nn.Module):
    """A decoder looks at an encoder's states: the keys are also the values.

    A subclass says how to score. What it needs of the keys alone, `project_key` computes once;
    `score` does the rest for each query.

    Shape:
        query: [batch, target, query_size]; key: [batch, source, key_size];
        mask: bool, broadcastable to [batch, target, source], True = may attend.
        projected_key: what `project_key(key)` returned, not to compute it again.
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
            sizes = f"{query_size} and {key_size}; GeneralAttention takes any"
            raise ValueError(f"the dot product needs query_size == key_size, got {sizes}")

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

"""The layers of the Transformer: feed-forward network, add and norm, encoder and decoder layer.

A layer has two calls: `forward` returns vectors alone; `run`, which it calls, also takes the keys
and values of earlier positions, and returns them and the attention weights.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlp_helpers.models.attention import MultiHeadAttention
from nlp_helpers.models.torch_weights import layer_from_torch
from nlp_helpers.models.transformer_config import StackConfig

ACTIVATIONS = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
}
Pair = tuple[Tensor, Tensor]  # keys and values, both [batch, heads, time, d_k]


class FeedForward(nn.Module):
    """W_2 activation(W_1 x + b_1) + b_2, the same at every position, each position alone.

    Source: Vaswani et al. 2017, eq. 2. (PyTorch's layers also drop units between the two, the
        paper does not; in eval mode they are the same.)

    Shape:
        x: [..., d_model]; returns the same.
    """

    def __init__(self, config: StackConfig):
        super().__init__()
        self.inner = nn.Linear(config.d_model, config.d_ff)
        self.outer = nn.Linear(config.d_ff, config.d_model)
        self.activation = ACTIVATIONS[config.activation]
        for linear in (self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.activation(self.inner(x)))


class AddNorm(nn.Module):
    """The residual connection and the layer normalisation around a sub-layer.

    Post-LN: LayerNorm(x + sublayer(x)). Pre-LN: x + sublayer(LayerNorm(x)).

    Source: Vaswani et al. 2017, section 3.1 (post); Radford et al. 2019, section 2.3 (pre);
        Ba, Kiros and Hinton 2016 (layer normalisation); He et al. 2016 (residual connections).

    Shape:
        x, output: [batch, time, d_model]; both calls return the same.
    """

    def __init__(self, config: StackConfig):
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model, eps=config.eps)
        self.pre = config.norm == "pre"
        self.dropout = nn.Dropout(config.dropout)

    def before(self, x: Tensor) -> Tensor:
        """What the sub-layer reads."""
        return self.norm(x) if self.pre else x

    def after(self, x: Tensor, output: Tensor) -> Tensor:
        """What goes on, from x and the sub-layer's output."""
        x = x + self.dropout(output)
        return x if self.pre else self.norm(x)


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network; each with its add and norm.

    With a causal mask it is also the layer of GPT, which has no cross-attention.

    Source: Vaswani et al. 2017, section 3.1.

    Shape, Raises: as `transformer.Encoder`.
    """

    def __init__(self, config: StackConfig):
        super().__init__()
        self.attention = MultiHeadAttention(config.d_model, config.n_heads, config.dropout)
        self.attention_norm = AddNorm(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = AddNorm(config)

    @classmethod
    def from_torch(cls, module: nn.TransformerEncoderLayer) -> "EncoderLayer":
        """The same layer as PyTorch's (see `torch_weights`)."""
        return layer_from_torch(cls, module)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.run(x, mask)[0]

    def run(self, x: Tensor, mask=None, past: Pair | None = None, need_weights: bool = False):
        """Returns x, the attention's weights, and the keys and values so far."""
        self.attention.check(x=x)
        y = self.attention_norm.before(x)
        present = longer(past, self.attention.keys_and_values(y, y))
        y, weights = self.attention.attend(y, present, mask, need_weights)
        x = self.attention_norm.after(x, y)
        y = self.feed_forward(self.feed_forward_norm.before(x))
        return self.feed_forward_norm.after(x, y), weights, present


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention (queries from here, keys and values from the encoder), FFN.

    Source: Vaswani et al. 2017, section 3.1.

    Shape, Raises: as `transformer.Decoder`.
    """

    def __init__(self, config: StackConfig):
        super().__init__()
        self.attention = MultiHeadAttention(config.d_model, config.n_heads, config.dropout)
        self.attention_norm = AddNorm(config)
        self.cross_attention = MultiHeadAttention(config.d_model, config.n_heads, config.dropout)
        self.cross_attention_norm = AddNorm(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = AddNorm(config)

    @classmethod
    def from_torch(cls, module: nn.TransformerDecoderLayer) -> "DecoderLayer":
        """The same layer as PyTorch's (see `torch_weights`)."""
        return layer_from_torch(cls, module)

    def forward(self, x: Tensor, memory: Tensor, self_mask=None, memory_mask=None) -> Tensor:
        remembered = self.cross_attention.keys_and_values(memory, memory)
        return self.run(x, remembered, self_mask, memory_mask)[0]

    def run(
        self,
        x: Tensor,
        memory: Pair,
        self_mask=None,
        memory_mask=None,
        past=None,
        need_weights=False,
    ):
        """`memory`: the encoder's output as keys and values. Returns as the encoder layer's `run`,
        with two weights: of the self-attention and of the cross-attention."""
        self.attention.check(x=x)
        y = self.attention_norm.before(x)
        present = longer(past, self.attention.keys_and_values(y, y))
        y, own = self.attention.attend(y, present, self_mask, need_weights)
        x = self.attention_norm.after(x, y)
        y = self.cross_attention_norm.before(x)
        y, cross = self.cross_attention.attend(y, memory, memory_mask, need_weights)
        x = self.cross_attention_norm.after(x, y)
        y = self.feed_forward(self.feed_forward_norm.before(x))
        return self.feed_forward_norm.after(x, y), (own, cross), present


def longer(past: Pair | None, new: Pair) -> Pair:
    """The keys and values of earlier positions, and those of the new ones after them."""
    if past is None:
        return new
    return torch.cat([past[0], new[0]], dim=2), torch.cat([past[1], new[1]], dim=2)

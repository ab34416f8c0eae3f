"""Speeds of chapter 04: layers and attention against torch's, decoding with a cache, and length.

tools/bench.py measures the pairs.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlp_helpers.benchmarks import Pair
from nlp_helpers.models.attention import MultiHeadAttention
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.models.scaled_dot_product import causal_mask, scaled_dot_product_attention
from nlp_helpers.models.transformer import Transformer
from nlp_helpers.models.transformer_config import TransformerConfig
from nlp_helpers.models.transformer_layers import EncoderLayer
from nlp_helpers.reproducibility import set_seed

D_MODEL, N_HEADS, D_FF, BATCH, TIME = 256, 4, 1024, 32, 64
TITLES = {
    "transformer": (
        f"Our encoder layer and attention against torch's, batch {BATCH}, {TIME} tokens, "
        f"width {D_MODEL}, {N_HEADS} heads"
    ),
    "cache": "Decoding one token after another, with the key-value cache against without, batch 1",
    "length": "One layer of self-attention against one of our LSTM, width 128, 8,192 tokens in all",
}


def training_step(module: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Forward, and the gradients of all weights."""
    module.zero_grad(set_to_none=True)
    output = module(*inputs)
    (output[0] if isinstance(output, tuple) else output).square().mean().backward()


@torch.no_grad()
def inference(module: Callable[..., Tensor], *inputs: Tensor) -> None:
    module(*inputs)


def encoder_layer_pairs() -> list[Pair]:
    """Our encoder layer against PyTorch's, in both orders of the norm; no dropout, no mask."""
    pairs = []
    for pre in (False, True):
        set_seed(0)
        theirs = nn.TransformerEncoderLayer(
            D_MODEL, N_HEADS, D_FF, dropout=0.0, batch_first=True, norm_first=pre
        )
        ours, x = EncoderLayer.from_torch(theirs), torch.randn(BATCH, TIME, D_MODEL)
        order = "pre-LN" if pre else "post-LN"
        name, against = f"encoder layer, {order}", "nn.TransformerEncoderLayer"
        step = partial(training_step, ours, x), partial(training_step, theirs, x)
        pairs.append(Pair(f"{name}, training step", *step, against))
        quiet = EncoderLayer.from_torch(theirs).eval()
        still = nn.TransformerEncoderLayer(
            D_MODEL, N_HEADS, D_FF, dropout=0.0, batch_first=True, norm_first=pre
        )
        still.load_state_dict(theirs.state_dict())
        calls = partial(inference, quiet, x), partial(inference, still.eval(), x)
        pairs.append(Pair(f"{name}, inference", *calls, against))
    return pairs


def attention_pairs() -> list[Pair]:
    """Scaled dot-product attention that returns its weights, against the fused one without."""
    set_seed(0)
    shape = (BATCH, N_HEADS, TIME, D_MODEL // N_HEADS)
    parts = [torch.randn(shape, requires_grad=True) for _ in range(3)]
    mask = causal_mask(TIME)

    def both_ways(attention: Callable[..., Tensor]) -> None:
        torch.autograd.grad(attention(*parts).square().mean(), parts)

    def ours(*qkv: Tensor) -> Tensor:
        return scaled_dot_product_attention(*qkv, mask)[0]

    def fused(*qkv: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(*qkv, attn_mask=mask)

    @torch.no_grad()
    def forward(attention: Callable[..., Tensor]) -> None:
        attention(*parts)

    return [
        Pair(f"attention with weights, {name}", partial(work, ours), partial(work, fused), "SDPA")
        for name, work in (("with gradient", both_ways), ("inference", forward))
    ]


def transformer_pairs() -> list[Pair]:
    """Layers, then attention alone."""
    return encoder_layer_pairs() + attention_pairs()


class WithoutCache(nn.Module):
    """The same model, which reads all its tokens again for every new one."""

    def __init__(self, model: Transformer):
        super().__init__()
        self.model = model

    def step(self, tokens: Tensor, state):
        first, before = state
        tokens = torch.cat([before, tokens], dim=1)
        logits, _ = self.model.step(tokens, first)
        return logits, (first, tokens)


@torch.no_grad()
def decode(step: Callable, state, n_tokens: int) -> None:
    """Feed each greedy choice back in, `n_tokens` times."""
    token = torch.zeros(1, 1, dtype=torch.long)
    for _ in range(n_tokens):
        logits, state = step(token, state)
        token = logits.argmax(dim=-1, keepdim=True)


def cache_pairs() -> list[Pair]:
    """Decoding with the key-value cache against without, at 32, 128 and 512 tokens."""
    set_seed(0)
    config = TransformerConfig(
        source_vocab_size=64,
        vocab_size=64,
        d_model=128,
        n_heads=4,
        d_ff=512,
        n_layers=3,
        max_len=512,
    )
    model = Transformer(config).eval()
    with torch.no_grad():
        state = model.start(torch.randint(0, 64, (1, 32)))
    slow = (state, torch.zeros(1, 0, dtype=torch.long))
    return [
        Pair(
            f"decoding {n} tokens",
            partial(decode, model.step, state, n),
            partial(decode, WithoutCache(model).step, slow, n),
            "without cache",
        )
        for n in (32, 128, 512)
    ]


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself, by the fused path."""

    def __init__(self, d_model: int, n_heads: int):
        super().__init__()
        self.attention = MultiHeadAttention(d_model, n_heads)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


def length_pairs() -> list[Pair]:
    """Self-attention against our LSTM; as many tokens in all at every length."""
    pairs = []
    for time in (16, 64, 256, 1024):
        set_seed(0)
        x = torch.randn(8192 // time, time, 128)
        attention, lstm = SelfAttention(128, 4), LSTM(128, 128)
        for name, work in (("training step", training_step), ("inference", inference)):
            calls = partial(work, attention, x), partial(work, lstm, x)
            pairs.append(Pair(f"self-attention, {name}, {time} tokens", *calls, "our LSTM"))
    return pairs


GROUPS: dict[str, Callable[[], list[Pair]]] = {
    "transformer": transformer_pairs,
    "cache": cache_pairs,
    "length": length_pairs,
}

"""GPT: the decoder of the Transformer alone, without cross-attention, as a language model.

Its layers are those of `transformer_layers` under a causal mask. GPT-1 and GPT-2 differ by their
configuration (`gpt_config`). Weights of Hugging Face's models are read by `gpt_weights`.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlp_helpers.checks import check_tokens
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.models.gpt_weights import gpt_from_huggingface
from nlp_helpers.models.scaled_dot_product import banded_mask, causal_mask
from nlp_helpers.models.transformer import Encoder
from nlp_helpers.models.transformer_layers import Pair

INIT_STD = 0.02  # of all matrices; positions 0.01, as in OpenAI's code of GPT-2


@dataclass(frozen=True)
class GPTState:
    """The key-value cache: the keys and values of all tokens so far, for each layer.

    Shape:
        past: pairs of [batch, heads, time so far, d_k].
    """

    past: list[Pair]

    @property
    def n_tokens(self) -> int:
        """How many tokens have been read so far."""
        return self.past[0][0].shape[2]

    def select(self, rows: Tensor) -> "GPTState":
        """The states of the given rows, for beam search; rows: integers [new batch]."""
        pairs = [(k.index_select(0, rows), v.index_select(0, rows)) for k, v in self.past]
        return GPTState(pairs)


class GPT(nn.Module):
    """A causal language model: at every position, logits for the token after it.

    h_0 = U W_e + W_p, then the layers, then h_n W_e^T: the matrix of the token embedding is also
    that of the output.

    Source: Radford et al. 2018, eq. 2 (GPT-1); Radford et al. 2019, section 2.3 (GPT-2: the
        layer normalisations before the sub-layers and one at the end, the smaller start).

    Shape:
        tokens: integers [batch, time]. Returns logits [batch, time, vocab_size].

    Raises:
        ValueError: tokens of wrong rank or outside the vocabulary, none at all, or more than
            max_len.
        TypeError: tokens that are not integers.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)  # W_e
        self.positions = nn.Embedding(config.max_len, config.d_model)  # W_p
        self.dropout = nn.Dropout(config.dropout)
        self.stack = Encoder(config)
        self.initialize()

    @classmethod
    def from_huggingface(cls, module: nn.Module) -> "GPT":
        """The same model as a `GPT2LMHeadModel` or `OpenAIGPTLMHeadModel` (see `gpt_weights`)."""
        return gpt_from_huggingface(cls, module)

    @torch.no_grad()
    def initialize(self) -> None:
        """Draw the weights anew; gains of layer normalisations start as 1, all biases as 0."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif "norm" in name:
                nn.init.ones_(parameter)
        nn.init.normal_(self.tokens.weight, std=INIT_STD)
        nn.init.normal_(self.positions.weight, std=INIT_STD / 2)
        n_sums = 2 * self.config.n_layers
        for layer in self.stack.layers:
            attention, feed_forward = layer.attention, layer.feed_forward
            for linear in (attention.W_Q, attention.W_K, attention.W_V, feed_forward.inner):
                nn.init.normal_(linear.weight, std=INIT_STD)
            for last in (attention.W_O, feed_forward.outer):
                scale = math.sqrt(n_sums) if self.config.scaled_init else 1.0
                nn.init.normal_(last.weight, std=INIT_STD / scale)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.logits(self.run(tokens)[0])

    def run(self, tokens: Tensor, past: list[Pair] | None = None, need_weights: bool = False):
        """The layers alone: the last hidden states, weights, and keys and values.

        Shape:
            tokens: integers [batch, time], those that come after `past`.
            Returns hidden states [batch, time, d_model]; for each layer the attention weights
            [batch, heads, query, key], or None if not needed; and for each layer the keys and
            values of all tokens so far.
        """
        check_tokens(tokens, self.config.vocab_size)
        n_past = 0 if past is None else past[0][0].shape[2]
        n_all = n_past + tokens.shape[1]
        if n_all > self.config.max_len:
            raise ValueError(
                f"{n_all} tokens are more than max_len={self.config.max_len}; to generate beyond "
                "it, use `sliding_step`, which reads only the last max_len"
            )
        if past is not None:
            check_rows(tokens, past[0][0])
        x = self.tokens(tokens) + self.positions.weight[n_past:n_all]
        return self.stack.run(
            self.dropout(x), self.masks(n_all - n_past, n_all), past, need_weights
        )

    def masks(self, n_queries: int, n_keys: int) -> list[Tensor]:
        """For each layer where its queries may attend: bool [query, key]."""
        device, found = self.tokens.weight.device, {}
        for band in {self.config.band_of(layer) for layer in range(self.config.n_layers)}:
            dense = causal_mask(n_queries, n_keys, device)
            found[band] = dense if band is None else banded_mask(n_queries, n_keys, band, device)
        return [found[self.config.band_of(layer)] for layer in range(self.config.n_layers)]

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores for the next token: hidden [..., d_model] -> logits [..., vocab_size]."""
        return F.linear(hidden, self.tokens.weight)

    def step(self, tokens: Tensor, state: GPTState | None) -> tuple[Tensor, GPTState]:
        """The step function for `decoding`: tokens [batch, time] -> logits [batch, vocab_size].

        Only the new tokens go through the layers; what the earlier ones left is in the state.

        Raises:
            ValueError: more tokens in all than max_len, another number of rows than the state's;
                and as the model.
        """
        hidden, _, past = self.run(tokens, None if state is None else state.past)
        return self.logits(hidden[:, -1]), GPTState(past)

    def sliding_step(self, tokens: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """As `step` for texts of any length: each time the last max_len tokens are read anew.

        The state is the tokens in the window. Without a cache: once the window moves, every token
        has another position, so that no earlier key or value is of use.

        Shape:
            tokens, state: integers [batch, time]. Returns logits [batch, vocab_size] and the state.

        Raises:
            ValueError: another number of rows than the state's; and as the model.
        """
        check_tokens(tokens, self.config.vocab_size)
        if state is not None:
            check_rows(tokens, state)
            tokens = torch.cat([state, tokens], dim=1)
        window = tokens[:, -self.config.max_len :]
        return self.logits(self.run(window)[0][:, -1]), window


def check_rows(tokens: Tensor, past: Tensor) -> None:
    """Refuse tokens that do not continue the rows of a state."""
    if len(tokens) != len(past):
        raise ValueError(f"tokens of {len(tokens)} rows do not fit a past of {len(past)}")

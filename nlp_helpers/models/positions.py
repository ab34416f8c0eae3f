"""Where a token stands: sinusoidal positions, and the embedding that adds them to tokens."""

import math

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_int, check_tokens
from nlp_helpers.models.transformer_config import TransformerConfig


def sinusoidal_positions(length: int, d_model: int) -> Tensor:
    """A vector for each position: sines (even dimensions) and cosines (odd) of many wavelengths.

    Source: Vaswani et al. 2017, section 3.5.

    Shape:
        Returns [length, d_model].

    Raises:
        ValueError: length < 1, an odd d_model.
        TypeError: not ints.
    """
    check_int("length", length)
    check_int("d_model", d_model)
    if d_model % 2:
        raise ValueError(f"d_model must be even, sines and cosines come in pairs; got {d_model}")
    frequencies = 10_000.0 ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    angles = torch.arange(length, dtype=torch.float64)[:, None] * frequencies  # radians
    both = torch.stack([angles.sin(), angles.cos()], dim=-1)  # [length, d_model / 2, 2]
    return both.flatten(1).to(torch.get_default_dtype())


class Embedding(nn.Module):
    """sqrt(d_model) * the token's vector + the position's vector.

    Source: Vaswani et al. 2017, sections 3.4 and 3.5.

    Shape:
        tokens: integers [batch, time]; start: the position of the first of them.
        Returns [batch, time, d_model].

    Raises:
        ValueError: tokens of wrong rank or outside the vocabulary, more positions than max_len.
        TypeError: tokens that are not integers.
    """

    def __init__(self, vocab_size: int, config: TransformerConfig):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, config.d_model)
        nn.init.normal_(self.tokens.weight, std=config.d_model**-0.5)
        positions = sinusoidal_positions(config.max_len, config.d_model)
        self.register_buffer("positions", positions, persistent=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        check_tokens(tokens, self.tokens.num_embeddings)
        end = start + tokens.shape[1]
        if end > len(self.positions):
            raise ValueError(f"{end} tokens are more than max_len={len(self.positions)}")
        scale = math.sqrt(self.tokens.embedding_dim)
        return self.dropout(scale * self.tokens(tokens) + self.positions[start:end])

"""Parts of BERT: the head of the masked language model, how weights start, a check."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlp_helpers.checks import check_shapes
from nlp_helpers.models.bert_config import BERTConfig
from nlp_helpers.models.transformer_layers import ACTIVATIONS

INIT_STD = 0.02  # of all matrices, cut off at two standard deviations, as in the authors' code


class MLMHead(nn.Module):
    """Scores for the token at a place: a layer, then the matrix of the token embedding and a bias.

    Source: Devlin et al. 2019, section 3.1 (task 1); the layer in between is the authors' code's.

    Shape:
        hidden: [..., d_model], matrix: [vocab_size, d_model]; returns [..., vocab_size].
    """

    def __init__(self, config: BERTConfig):
        super().__init__()
        self.linear = nn.Linear(config.d_model, config.d_model)
        self.activation = ACTIVATIONS[config.activation]
        self.norm = nn.LayerNorm(config.d_model, config.eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, hidden: Tensor, matrix: Tensor) -> Tensor:
        return F.linear(self.norm(self.activation(self.linear(hidden))), matrix, self.bias)


def initialize(module: nn.Module) -> None:
    """Draw the matrices of a module anew, and set its biases to 0."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.trunc_normal_(module.weight, std=INIT_STD, a=-2 * INIT_STD, b=2 * INIT_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def check_segments(segments: Tensor, tokens: Tensor, n_segments: int) -> None:
    """Refuse segments that do not say of each token which text it is in."""
    if not isinstance(segments, Tensor) or segments.dtype not in (torch.int64, torch.int32):
        kind = segments.dtype if isinstance(segments, Tensor) else type(segments).__name__
        raise TypeError(f"segments must be a tensor of int64 or int32, got {kind}")
    check_shapes(segments=(segments, tokens.shape))
    low, high = int(segments.min()), int(segments.max())
    if low < 0 or high >= n_segments:
        raise ValueError(f"segments must be in [0, n_segments={n_segments}), got {low} .. {high}")

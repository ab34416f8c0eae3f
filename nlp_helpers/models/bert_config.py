"""The configuration of BERTs, the two sizes of the paper, and how many weights they have."""

from dataclasses import dataclass, replace

from nlp_helpers.checks import check_int
from nlp_helpers.models.transformer_config import StackConfig, check_name


@dataclass(frozen=True, kw_only=True)
class BERTConfig(StackConfig):
    """A stack of encoder layers that reads two segments. The defaults are BERT-base, uncased.

    Source: Devlin et al. 2019, section 3 (sizes), appendix A.2 (dropout, activation); eps and the
        layer normalisation of the embeddings are those of the authors' code.

    Args:
        vocab_size: number of WordPieces.
        max_len: the longest input, in tokens; each position has a vector that is learned.
        n_segments: how many kinds of segment there are (2: the first and the second text).
        embedding_norm: a layer normalisation after the sum of the three embeddings.
        pooler: a layer on top of the first token, tanh(W h + b), which next-sentence prediction
            and classification read.
        The others: as `StackConfig`.

    Raises:
        ValueError: as `StackConfig`.
        TypeError: as `StackConfig`; an embedding_norm or a pooler that is not bool.
    """

    vocab_size: int = 30_522
    max_len: int = 512
    n_segments: int = 2
    d_model: int = 768
    n_heads: int = 12
    d_ff: int = 3072
    n_layers: int = 12
    activation: str = "gelu"
    eps: float = 1e-12
    embedding_norm: bool = True
    pooler: bool = True

    def __post_init__(self):
        super().__post_init__()
        for name in ("vocab_size", "max_len", "n_segments"):
            check_int(name, getattr(self, name))
        for name in ("embedding_norm", "pooler"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False, got {getattr(self, name)!r}")


# Source: Devlin et al. 2019, section 3; the number of WordPieces is that of the uncased models
BERT_SIZES = {
    "bert-base": BERTConfig(),
    "bert-large": BERTConfig(n_layers=24, d_model=1024, n_heads=16, d_ff=4096),
}


def bert_config(size: str = "bert-base", **changes) -> BERTConfig:
    """The configuration of BERT-base or BERT-large, with some fields changed.

    Raises:
        ValueError: an unknown size; and as `BERTConfig`.
    """
    check_name("size", size, tuple(BERT_SIZES))
    return replace(BERT_SIZES[size], **changes)


def n_parameters(config: BERTConfig) -> int:
    """How many weights a `BERT` has, by formula; without the heads of pre-training.

    With d_ff = 4 d it is (V + T + S) d + 2 d + n_layers (12 d^2 + 13 d) + d^2 + d: the three
    embeddings and their norm, the layers, the pooler.
    """
    d, d_ff = config.d_model, config.d_ff
    embeddings = (config.vocab_size + config.max_len + config.n_segments) * d
    attention = 4 * (d * d + d)  # W_Q, W_K, W_V, W_O and their biases
    feed_forward = d * d_ff + d_ff + d_ff * d + d
    norms = 2 * 2 * d  # two in a layer, each a gain and a bias
    layers = config.n_layers * (attention + feed_forward + norms)
    further = (config.embedding_norm + config.final_norm) * 2 * d + config.pooler * (d * d + d)
    return embeddings + layers + further

"""The configuration of GPTs, the sizes of GPT-1 to GPT-3, and how many weights they have."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from nlp_helpers.checks import check_int
from nlp_helpers.models.transformer_config import StackConfig, check_name

ATTENTIONS = ("dense", "banded", "alternating")


@dataclass(frozen=True, kw_only=True)
class GPTConfig(StackConfig):
    """A decoder-only Transformer. The defaults are the smallest GPT-2, but for its vocabulary.

    GPT-1 has norm="post", no final_norm and no scaled_init; GPT-2 has norm="pre" and both. GPT-3
    is GPT-2 with attention="alternating".

    Source: Radford et al. 2018, section 4.1 (GPT-1); Radford et al. 2019, section 2.3 (GPT-2);
        Brown et al. 2020, section 2.1 (GPT-3).

    Args:
        vocab_size: number of tokens.
        max_len: the longest sequence, in tokens (GPT-1: 512, GPT-2: 1024); each position has a
            vector that is learned.
        scaled_init: the last matrix of every sub-layer starts smaller by 1 / sqrt(N), where
            N = 2 * n_layers is the number of sums on the residual path.
        attention: "dense", each position attends to all before it; "banded", to the last `band`
            positions, its own among them; "alternating", dense in the first layer, banded in the
            second, and so on.
        band: of banded layers.
        The others: as `StackConfig`.

    Raises:
        ValueError: as `StackConfig`; an unknown attention, a band without banded layers, banded
            layers without a band.
        TypeError: as `StackConfig`; a scaled_init that is not bool.
    """

    vocab_size: int
    max_len: int = 1024
    d_model: int = 768
    n_heads: int = 12
    d_ff: int = 3072
    n_layers: int = 12
    norm: str = "pre"
    activation: str = "gelu_tanh"
    final_norm: bool = True
    scaled_init: bool = True
    attention: str = "dense"
    band: int | None = None

    def __post_init__(self):
        super().__post_init__()
        check_int("vocab_size", self.vocab_size)
        check_int("max_len", self.max_len)
        if not isinstance(self.scaled_init, bool):
            raise TypeError(f"scaled_init must be True or False, got {self.scaled_init!r}")
        check_name("attention", self.attention, ATTENTIONS)
        if (self.band is None) != (self.attention == "dense"):
            raise ValueError(f"band={self.band} does not fit attention={self.attention!r}")
        if self.band is not None:
            check_int("band", self.band)

    def band_of(self, layer: int) -> int | None:
        """The band of a layer, counted from 0; None where it is dense."""
        return None if self.attention == "alternating" and layer % 2 == 0 else self.band


GPT1 = GPTConfig(vocab_size=40_478, max_len=512, norm="post", final_norm=False, scaled_init=False)

# name -> layers, width, heads; all with 50,257 tokens and a context of 1,024
_GPT2_SHAPES = {
    "gpt2": (12, 768, 12),
    "gpt2-medium": (24, 1024, 16),
    "gpt2-large": (36, 1280, 20),
    "gpt2-xl": (48, 1600, 25),
}
GPT2_SIZES = {
    name: GPTConfig(
        vocab_size=50_257, n_layers=n_layers, d_model=d_model, n_heads=n_heads, d_ff=4 * d_model
    )
    for name, (n_layers, d_model, n_heads) in _GPT2_SHAPES.items()
}


def gpt2_config(size: str = "gpt2", **changes) -> GPTConfig:
    """The configuration of one of the four GPT-2 models, with some fields changed.

    Source: Radford et al. 2019, table 2.

    Raises:
        ValueError: an unknown size; and as `GPTConfig`.
    """
    check_name("size", size, tuple(GPT2_SIZES))
    return replace(GPT2_SIZES[size], **changes)


def n_parameters(config: GPTConfig) -> int:
    """How many weights the model has, by formula; the tied output matrix counts once.

    With d_ff = 4 d_model it is V d + T d + n_layers (12 d^2 + 13 d), and 2 d more for a final norm.
    """
    d, d_ff = config.d_model, config.d_ff
    embeddings = (config.vocab_size + config.max_len) * d
    attention = 4 * (d * d + d)  # W_Q, W_K, W_V, W_O and their biases
    feed_forward = d * d_ff + d_ff + d_ff * d + d
    norms = 2 * 2 * d  # two, each a gain and a bias
    layers = config.n_layers * (attention + feed_forward + norms)
    return embeddings + layers + 2 * d * config.final_norm


def attended_pairs(config: GPTConfig, n_tokens: int) -> int:
    """How many pairs of a query and a key that it may attend to, in all layers, for one head.

    Raises:
        ValueError: n_tokens below 1 or above max_len.
        TypeError: not an int.
    """
    check_int("n_tokens", n_tokens)
    if n_tokens > config.max_len:
        raise ValueError(f"n_tokens={n_tokens} are more than max_len={config.max_len}")
    bands = [config.band_of(layer) or n_tokens for layer in range(config.n_layers)]
    return sum(min(place, band) for band in bands for place in range(1, n_tokens + 1))


class GPT3Size(NamedTuple):
    """A row of the table of GPT-3 models, as it is printed, whether it can be built or not."""

    printed_parameters: float
    n_layers: int
    d_model: int
    n_heads: int
    d_head: int

    @property
    def consistent(self) -> bool:
        """Whether the heads side by side are as wide as the model."""
        return self.n_heads * self.d_head == self.d_model

    def n_parameters(self, d_model: int | None = None, attention_width: int | None = None) -> int:
        """The weights by formula, with 50,257 tokens and a context of 2,048.

        Args:
            d_model: another width than the printed one.
            attention_width: of all heads side by side; by default d_model.
        """
        d = self.d_model if d_model is None else d_model
        width = d if attention_width is None else attention_width
        attention = 3 * (d * width + width) + width * d + d
        feed_forward = d * 4 * d + 4 * d + 4 * d * d + d
        return (50_257 + 2_048) * d + self.n_layers * (attention + feed_forward + 4 * d) + 2 * d


# Source: Brown et al. 2020, table 2.1
GPT3_SIZES = {
    "GPT-3 Small": GPT3Size(125e6, 12, 768, 12, 64),
    "GPT-3 Medium": GPT3Size(350e6, 24, 1024, 16, 64),
    "GPT-3 Large": GPT3Size(760e6, 24, 1536, 16, 96),
    "GPT-3 XL": GPT3Size(1.3e9, 24, 2048, 24, 128),
    "GPT-3 2.7B": GPT3Size(2.7e9, 32, 2560, 32, 80),
    "GPT-3 6.7B": GPT3Size(6.7e9, 32, 4096, 32, 128),
    "GPT-3 13B": GPT3Size(13.0e9, 40, 5140, 40, 128),
    "GPT-3 175B": GPT3Size(175.0e9, 96, 12288, 96, 128),
}

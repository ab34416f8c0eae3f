"""What Transformers vary by name or number, as frozen configurations."""

from dataclasses import dataclass

from nlp_helpers.checks import check_int, check_number

ACTIVATIONS = ("relu", "gelu", "gelu_tanh")
SHARED = ("none", "output", "all")


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """A stack of layers, as encoder or as decoder. The defaults are the paper's base model.

    Source: Vaswani et al. 2017, table 3 (base), section 5.4 (dropout).

    Args:
        d_model: width of the vectors that go from layer to layer.
        n_heads: of each attention; d_k = d_model / n_heads.
        d_ff: width of the feed-forward networks' hidden layer.
        n_layers: number of layers.
        dropout: share of each sub-layer's output, of the attention weights and of the embeddings
            that is set to 0 in training.
        norm: "post", LayerNorm(x + sublayer(x)) as in the paper, or "pre", x +
            sublayer(LayerNorm(x)) as in GPT-2 (Xiong et al. 2020 compare them).
        activation: "relu" (the paper), "gelu" (exact, with erf: BERT) or "gelu_tanh" (GPT).
        eps: added to the variance in layer normalisation.
        final_norm: one more layer normalisation after the last layer, which pre-LN needs.

    Raises:
        ValueError: a number out of range, d_model not divisible by n_heads, an unknown name.
        TypeError: a count that is not an int, a number that is none, a final_norm not bool.
    """

    d_model: int = 512
    n_heads: int = 8
    d_ff: int = 2048
    n_layers: int = 6
    dropout: float = 0.1
    norm: str = "post"
    activation: str = "relu"
    eps: float = 1e-5
    final_norm: bool = False

    def __post_init__(self):
        for name in ("d_model", "n_heads", "d_ff", "n_layers"):
            check_int(name, getattr(self, name))
        check_number("dropout", self.dropout, 0, 1, open_high=True)
        check_number("eps", self.eps, 0, open_low=True, open_high=True)
        check_name("norm", self.norm, ("post", "pre"))
        check_name("activation", self.activation, ACTIVATIONS)
        if not isinstance(self.final_norm, bool):
            raise TypeError(f"final_norm must be True or False, got {self.final_norm!r}")
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model={self.d_model} is not divisible by n_heads={self.n_heads}")


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(StackConfig):
    """An encoder and a decoder of equal size, with embeddings, positions and output layer.

    Source: Vaswani et al. 2017, section 3.4 (shared matrices), 3.5 (positions).

    Args:
        source_vocab_size, vocab_size: number of tokens that are read, and that are written.
        max_len: the longest sequence, in tokens.
        shared: "none"; "output", the output layer's matrix is the target embedding's; or "all",
            the source embedding's too, as in the paper (one vocabulary for both).

    Raises:
        ValueError: an odd d_model (sines and cosines come in pairs), "all" with two vocabularies
            of different size; and as `StackConfig`.
    """

    source_vocab_size: int
    vocab_size: int
    max_len: int = 512
    shared: str = "output"

    def __post_init__(self):
        super().__post_init__()
        for name in ("source_vocab_size", "vocab_size", "max_len"):
            check_int(name, getattr(self, name))
        check_name("shared", self.shared, SHARED)
        if self.d_model % 2:
            raise ValueError(f"sinusoidal positions need an even d_model, got {self.d_model}")
        if self.shared == "all" and self.source_vocab_size != self.vocab_size:
            sizes = f"{self.source_vocab_size} and {self.vocab_size}"
            raise ValueError(f"shared='all' needs one vocabulary, got sizes {sizes}")


def check_name(name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse a name that is not one of the known ones."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")

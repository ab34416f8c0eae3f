"""The Transformer: two stacks of layers, and the whole model.

Its layers are in `transformer_layers`, its embeddings in `positions`. Stacks have two calls, as
layers have: `forward` returns vectors alone; `run` also takes the keys and values of earlier
positions, and returns them and the attention weights.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import Tensor, nn

from nlp_helpers.checks import check_bool_tensor, check_shapes, check_tokens
from nlp_helpers.models.positions import Embedding
from nlp_helpers.models.scaled_dot_product import causal_mask
from nlp_helpers.models.torch_weights import stack_from_torch, transformer_from_torch
from nlp_helpers.models.transformer_config import StackConfig, TransformerConfig
from nlp_helpers.models.transformer_layers import DecoderLayer, EncoderLayer, Pair


class Encoder(nn.Module):
    """A stack of encoder layers; with a causal mask, the stack of GPT.

    Shape:
        x: [batch, time, d_model]; mask: bool, broadcastable to [batch, heads, query, key],
        True = may attend, or a list with one for each layer. Returns [batch, time, d_model].

    Raises:
        ValueError: shapes that do not fit.
        TypeError: tensors that are not floating-point, a mask that is not bool.
    """

    def __init__(self, config: StackConfig):
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.d_model, config.eps) if config.final_norm else nn.Identity()

    @classmethod
    def from_torch(cls, module: nn.TransformerEncoder) -> "Encoder":
        """The same stack as PyTorch's (see `torch_weights`)."""
        return stack_from_torch(cls, module)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.run(x, mask)[0]

    def run(self, x: Tensor, mask=None, past: list[Pair] | None = None, need_weights=False):
        """Returns x, and for each layer the weights (or None), and the keys and values so far."""
        weights, present = [], []
        masks = mask if isinstance(mask, list) else [mask] * len(self.layers)
        if len(masks) != len(self.layers):
            raise ValueError(f"{len(masks)} masks do not fit {len(self.layers)} layers")
        for i, layer in enumerate(self.layers):
            x, seen, pair = layer.run(x, masks[i], past and past[i], need_weights)
            weights.append(seen)
            present.append(pair)
        return self.norm(x), weights, present


class Decoder(nn.Module):
    """A stack of decoder layers, each of which looks at the encoder's output, the memory.

    Shape:
        x: [batch, target, d_model]; memory: [batch, source, d_model]; self_mask and memory_mask:
        bool, broadcastable to [batch, heads, target, target] and [batch, heads, target, source].
        Returns [batch, target, d_model].

    Raises:
        ValueError, TypeError: as `Encoder`.
    """

    def __init__(self, config: StackConfig):
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.d_model, config.eps) if config.final_norm else nn.Identity()

    @classmethod
    def from_torch(cls, module: nn.TransformerDecoder) -> "Decoder":
        """The same stack as PyTorch's (see `torch_weights`)."""
        return stack_from_torch(cls, module)

    def forward(self, x: Tensor, memory: Tensor, self_mask=None, memory_mask=None) -> Tensor:
        return self.run(x, self.remember(memory), self_mask, memory_mask)[0]

    def remember(self, memory: Tensor) -> list[Pair]:
        """The memory as keys and values, for each layer."""
        return [layer.cross_attention.keys_and_values(memory, memory) for layer in self.layers]

    def run(
        self, x, memory: list[Pair], self_mask=None, memory_mask=None, past=None, need_weights=False
    ):
        """As the encoder's `run`; two weights for each layer: to the target, to the source."""
        weights, present = [], []
        for i, layer in enumerate(self.layers):
            before = past and past[i]
            x, seen, pair = layer.run(x, memory[i], self_mask, memory_mask, before, need_weights)
            weights.append(seen)
            present.append(pair)
        return self.norm(x), weights, present


class AttentionMaps(NamedTuple):
    """Weights of every attention, one tensor per layer: [batch, heads, query, key]."""

    encoder: list[Tensor]
    decoder: list[Tensor]
    cross: list[Tensor]


@dataclass(frozen=True)
class TransformerState:
    """What decoding keeps from step to step: keys and values, for each layer.

    Shape:
        memory, past: pairs of [batch, heads, source or target so far, d_k];
        mask: bool [batch, 1, 1, source], True = a real token of the source.
    """

    memory: list[Pair]
    mask: Tensor | None
    past: list[Pair] | None = None

    @property
    def n_tokens(self) -> int:
        """How many tokens have been read so far."""
        return 0 if self.past is None else self.past[0][0].shape[2]

    def select(self, rows: Tensor) -> "TransformerState":
        """The states of the given rows, for beam search; rows: integers [new batch]."""

        def pick(pairs):
            return pairs and [(k.index_select(0, rows), v.index_select(0, rows)) for k, v in pairs]

        mask = None if self.mask is None else self.mask.index_select(0, rows)
        return TransformerState(pick(self.memory), mask, pick(self.past))


class Transformer(nn.Module):
    """Encoder, decoder, embeddings and output layer: sequence to sequence by attention alone.

    Source: Vaswani et al. 2017, figure 1.

    Shape:
        source: integers [batch, source]; target_in: integers [batch, target], the target shifted
        right (each the token before the one to be predicted); source_mask: bool [batch, source],
        True = a real token, all real if None.
        Returns logits [batch, target, vocab_size], and `AttentionMaps` if needed, else None.

    Raises:
        ValueError: tokens outside the vocabulary, more of them than max_len, a source_mask of
            wrong shape, a number of targets that is not that of the sources.
        TypeError: tokens that are not integers, a mask that is not bool.
    """

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        self.source_embedding = Embedding(config.source_vocab_size, config)
        self.target_embedding = Embedding(config.vocab_size, config)
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.output = nn.Linear(config.d_model, config.vocab_size, bias=False)
        nn.init.xavier_uniform_(self.output.weight)
        if config.shared != "none":
            self.output.weight = self.target_embedding.tokens.weight
        if config.shared == "all":
            self.source_embedding.tokens = self.target_embedding.tokens

    @classmethod
    def from_torch(
        cls, module: nn.Transformer, source_vocab_size: int, vocab_size: int, max_len: int = 512
    ) -> "Transformer":
        """PyTorch's stacks between fresh embeddings, which `nn.Transformer` leaves to its user."""
        return transformer_from_torch(cls, module, source_vocab_size, vocab_size, max_len)

    def forward(self, source: Tensor, target_in: Tensor, source_mask=None, need_weights=False):
        if len(source) != len(target_in):
            raise ValueError(f"{len(source)} sources, but {len(target_in)} targets")
        check_tokens(target_in, self.config.vocab_size)  # before any work
        memory, mask, own = self.read(source, source_mask, need_weights)
        x = self.target_embedding(target_in)
        causal = causal_mask(target_in.shape[1], device=x.device)
        x, weights, _ = self.decoder.run(
            x, self.decoder.remember(memory), causal, mask, need_weights=need_weights
        )
        maps = AttentionMaps(own, *map(list, zip(*weights, strict=True))) if need_weights else None
        return self.output(x), maps

    def read(self, source: Tensor, source_mask: Tensor | None, need_weights: bool = False):
        """The encoder's output, its mask for attention, and its weights."""
        x = self.source_embedding(source)
        mask = None
        if source_mask is not None:
            check_bool_tensor("source_mask", source_mask, "a real token")
            check_shapes(source_mask=(source_mask, source.shape))
            mask = source_mask[:, None, None, :]  # [batch, head, query, key]
        memory, weights, _ = self.encoder.run(x, mask, need_weights=need_weights)
        return memory, mask, weights

    def start(self, source: Tensor, source_mask: Tensor | None = None) -> TransformerState:
        """Read the source: the state before the first token of the target."""
        memory, mask, _ = self.read(source, source_mask)
        return TransformerState(self.decoder.remember(memory), mask)

    def step(self, tokens: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        """The step function for `decoding`: tokens [batch, time] -> logits [batch, vocab_size].

        Only the new tokens go through the layers; what the earlier ones left is in the state.

        Raises:
            ValueError: more tokens in all than max_len, another number of rows than the state's;
                and as the model.
        """
        n, n_rows = state.n_tokens, len(state.memory[0][0])
        if len(tokens) != n_rows:
            raise ValueError(f"tokens of {len(tokens)} rows do not fit a state of {n_rows}")
        x = self.target_embedding(tokens, start=n)
        causal = causal_mask(tokens.shape[1], n + tokens.shape[1], x.device)
        x, _, past = self.decoder.run(x, state.memory, causal, state.mask, state.past)
        return self.output(x[:, -1]), replace(state, past=past)

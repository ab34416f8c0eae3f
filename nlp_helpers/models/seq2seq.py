"""Sequence to sequence: an encoder, and a decoder that writes from the encoder's last state.

Decoders that look back at the source are in `seq2seq_attention`. All are called alike,
`(tokens, state) -> (logits, weights, state)`, for one step or for many; the state holds all that a
decoder needs to go on from it.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_int, check_number, check_tokens
from nlp_helpers.models.recurrent import Recurrent


@dataclass(frozen=True)
class DecoderState:
    """What a decoder carries from step to step.

    Shape:
        recurrent: tuple of tensors [n_layers, batch, hidden]: two for an LSTM (hidden, cell),
            one for RNN and GRU (hidden), and for SRU, its cell state.
        memory: [batch, source, memory_size], the encoder's outputs.
        mask: bool [batch, source], True = a real token of the source.
        projected: [batch, source, any], what an attention computes from the memory once.
    """

    recurrent: tuple[Tensor, ...]
    memory: Tensor
    mask: Tensor
    projected: Tensor | None = None

    def select(self, rows: Tensor) -> "DecoderState":
        """The states of the given rows, for beam search; rows: integers [new batch]."""
        recurrent = tuple(part.index_select(1, rows) for part in self.recurrent)
        parts = (self.memory, self.mask, self.projected)
        return DecoderState(
            recurrent, *(None if p is None else p.index_select(0, rows) for p in parts)
        )


class Encoder(nn.Module):
    """Read the whole source; hand over an output for each token, and a last state.

    Source: Cho et al. 2014; Sutskever, Vinyals and Le 2014; both directions, Bahdanau et al. 2015.

    Shape:
        tokens: integers [batch, source]; mask: bool [batch, source], True = a real token.
        Returns memory [batch, source, directions * hidden_size] (0 at padding) and the last
        state, a tuple of one or two [n_layers, batch, directions * hidden_size]: the state after
        the last token and, where it also reads backward, the one after the first beside it.

    Raises:
        ValueError: tokens of wrong rank or outside the vocabulary, a source without a token (no
            columns, or a row that is all padding), dropout outside [0, 1).
        TypeError: tokens that are not integers, a mask that is not bool, a network not of ours.
    """

    def __init__(self, vocab_size: int, recurrent: Recurrent, dropout: float = 0.0):
        super().__init__()
        check_parts(vocab_size, recurrent, dropout)
        self.vocab_size = vocab_size
        self.embedding = nn.Embedding(vocab_size, recurrent.input_size)
        self.recurrent = recurrent
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, mask: Tensor | None = None):
        check_tokens(tokens, self.vocab_size)
        memory, last = self.recurrent(self.dropout(self.embedding(tokens)), mask=mask)
        last = tuple(self._join(part) for part in as_tuple(last))
        return self.dropout(memory), last

    def _join(self, state: Tensor) -> Tensor:
        """[n_layers * directions, batch, hidden] -> [n_layers, batch, directions * hidden]."""
        layers = state.unflatten(0, (self.recurrent.n_layers, self.recurrent.directions))
        return layers.transpose(1, 2).flatten(2)


class Decoder(nn.Module):
    """Write the target from the encoder's last state alone: a language model with a first state.

    That state is the hidden state, of an LSTM with its cell state; with SRU, its cell state.

    Source: Sutskever, Vinyals and Le 2014, section 2.

    Shape:
        tokens: integers [batch, target], each the token before the one to be predicted.
        Returns logits [batch, target, vocab_size]; weights [batch, target, source], or None from
        a decoder without attention; and the new state.

    Raises:
        ValueError: a network in two directions (it would see the token it predicts), tokens
            outside the vocabulary, dropout outside [0, 1).
        TypeError: tokens that are not integers, a network that is not one of ours.
    """

    def __init__(self, vocab_size: int, recurrent: Recurrent, dropout: float = 0.0):
        super().__init__()
        check_parts(vocab_size, recurrent, dropout)
        if recurrent.directions != 1:
            raise ValueError("a decoder must not read from right to left: directions = 2")
        self.vocab_size = vocab_size
        self.embedding = nn.Embedding(vocab_size, recurrent.input_size)
        self.recurrent = recurrent
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(recurrent.hidden_size, vocab_size)

    def start(self, last: tuple[Tensor, ...], memory: Tensor, mask: Tensor) -> DecoderState:
        """The state before the first token, from what the encoder hands over."""
        return DecoderState(last, memory, mask)

    def forward(self, tokens: Tensor, state: DecoderState):
        embedded = self.embed(tokens)
        hidden, recurrent = self.run(embedded, state.recurrent)
        return self.output(self.dropout(hidden)), None, replace(state, recurrent=recurrent)

    def embed(self, tokens: Tensor) -> Tensor:
        check_tokens(tokens, self.vocab_size)
        return self.dropout(self.embedding(tokens))

    def run(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The recurrent network over x [batch, time, input_size], its state always a tuple."""
        outputs, state = self.recurrent(x, state)
        return outputs, as_tuple(state)


class Seq2Seq(nn.Module):
    """An encoder and a decoder whose states fit each other.

    Shape:
        source: integers [batch, source]; source_mask: bool [batch, source], True = a real token,
        all real if None; target_in: integers [batch, target], each the right token before the
        one to be predicted (teacher forcing, Williams and Zipser 1989).
        Returns logits [batch, target, vocab_size] and weights [batch, target, source] (or None).

    Raises:
        ValueError: states that differ in cell, layers or width; a key_size that is not the width
            of the memory; sources and targets of different number; and what the parts raise.
        TypeError: parts that are not an `Encoder` and a `Decoder`.
    """

    def __init__(self, encoder: Encoder, decoder: Decoder):
        super().__init__()
        check_fit(encoder, decoder)
        self.encoder, self.decoder = encoder, decoder

    def start(self, source: Tensor, source_mask: Tensor | None = None) -> DecoderState:
        """Read the source: the decoder's state before its first token."""
        memory, last = self.encoder(source, source_mask)
        mask = torch.ones_like(source, dtype=torch.bool) if source_mask is None else source_mask
        return self.decoder.start(last, memory, mask)

    def forward(self, source: Tensor, target_in: Tensor, source_mask: Tensor | None = None):
        if len(source) != len(target_in):
            raise ValueError(f"{len(source)} sources, but {len(target_in)} targets")
        logits, weights, _ = self.decoder(target_in, self.start(source, source_mask))
        return logits, weights

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """The step function for `decoding`: tokens [batch, time] -> logits [batch, vocab_size]."""
        logits, _, state = self.decoder(tokens, state)
        return logits[:, -1], state


def as_tuple(state: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (state,) if isinstance(state, Tensor) else tuple(state)


def check_parts(vocab_size: int, recurrent: Recurrent, dropout: float) -> None:
    """Refuse what no encoder or decoder can be built from."""
    check_int("vocab_size", vocab_size)
    check_number("dropout", dropout, 0, 1, open_high=True)
    if not isinstance(recurrent, Recurrent):
        raise TypeError(f"recurrent must be a network of ours, got {type(recurrent).__name__}")


def check_fit(encoder: Encoder, decoder: Decoder) -> None:
    """Refuse an encoder whose last state cannot be the first state of the decoder."""
    if not isinstance(encoder, Encoder) or not isinstance(decoder, Decoder):
        kinds = f"{type(encoder).__name__} and {type(decoder).__name__}"
        raise TypeError(f"expected an Encoder and a Decoder, got {kinds}")
    ours, theirs = encoder.recurrent, decoder.recurrent
    width = ours.directions * ours.hidden_size
    given = (ours.cell_class.__name__, ours.n_layers, width)
    wanted = (theirs.cell_class.__name__, theirs.n_layers, theirs.hidden_size)
    if given != wanted:
        raise ValueError(
            "the encoder must hand over what the decoder starts from: (cell, layers, "
            f"directions * hidden_size) are {given}, the decoder's are {wanted}"
        )
    key_size = getattr(getattr(decoder, "attention", None), "key_size", width)
    if key_size != width:
        raise ValueError(
            f"the attention's key_size={key_size} must be the width of the memory, {width}"
        )

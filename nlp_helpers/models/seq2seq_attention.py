"""Decoders with attention: at each step they look at the encoder's outputs, the memory.

They differ in when they look: after the recurrent step (Luong) or before it (Bahdanau).
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from nlp_helpers.models.attention import Attention
from nlp_helpers.models.recurrent import Recurrent
from nlp_helpers.models.seq2seq import Decoder, DecoderState


class AttentionDecoder(Decoder):
    """What the two decoders below share: an attention whose queries are hidden states.

    Luong's queries are the network's outputs; Bahdanau's are the first tensor of its state, which
    is the hidden state h with RNN, LSTM and GRU, and with SRU, its cell state c.

    Raises:
        ValueError: an attention whose query_size is not the network's hidden_size.
        TypeError: an attention that is not one of ours; and as `Decoder`.
    """

    def __init__(
        self, vocab_size: int, recurrent: Recurrent, attention: Attention, dropout: float = 0.0
    ):
        super().__init__(vocab_size, recurrent, dropout)
        if not isinstance(attention, Attention):
            raise TypeError(f"attention must be one of ours, got {type(attention).__name__}")
        if attention.query_size != recurrent.hidden_size:
            sizes = f"query_size={attention.query_size}, hidden_size={recurrent.hidden_size}"
            raise ValueError(f"the attention must take the decoder's states as queries: {sizes}")
        self.attention = attention

    def start(self, last: tuple[Tensor, ...], memory: Tensor, mask: Tensor) -> DecoderState:
        return DecoderState(last, memory, mask, self.attention.project_key(memory))

    def look(self, query: Tensor, state: DecoderState) -> tuple[Tensor, Tensor]:
        """Context and weights for query [batch, target, hidden]; padding is masked."""
        return self.attention(query, state.memory, state.mask.unsqueeze(1), state.projected)


class LuongDecoder(AttentionDecoder):
    """Step, then look: context = attention(h_t); logits = V tanh(W [context; h_t] + b) + c.

    The recurrent network does not see the context. So in training, where all the tokens before
    are given, it runs over all steps first, and then all its states ask at once.

    Source: Luong, Pham and Manning 2015, eq. 5 and 6 (without their "input feeding", which hands
        the tanh on to the next step).
    """

    def __init__(
        self, vocab_size: int, recurrent: Recurrent, attention: Attention, dropout: float = 0.0
    ):
        super().__init__(vocab_size, recurrent, attention, dropout)
        self.combine = nn.Linear(attention.key_size + recurrent.hidden_size, recurrent.hidden_size)

    def forward(self, tokens: Tensor, state: DecoderState):
        hidden, recurrent = self.run(self.embed(tokens), state.recurrent)
        context, weights = self.look(hidden, state)
        combined = self.combine(torch.cat([context, hidden], dim=-1)).tanh()
        return self.output(self.dropout(combined)), weights, replace(state, recurrent=recurrent)


class BahdanauDecoder(AttentionDecoder):
    """Look, then step: context = attention(h_{t-1}); h_t reads [token; context] and h_{t-1}.

    Logits are V [h_t; token; context] + c. A step needs the context, and the context the step
    before, so the steps go one by one, in training too.

    Source: Bahdanau, Cho and Bengio 2015, section 3.1 and appendix A.2.2 (there with a maxout
        layer before the output).

    Raises:
        ValueError: the network's input_size is not above the attention's key_size: it must be
            embedding + key_size; and as `AttentionDecoder`.
    """

    def __init__(
        self, vocab_size: int, recurrent: Recurrent, attention: Attention, dropout: float = 0.0
    ):
        super().__init__(vocab_size, recurrent, attention, dropout)
        size = recurrent.input_size - attention.key_size  # what is left for the token
        if size < 1:
            sizes = f"input_size={recurrent.input_size}, key_size={attention.key_size}"
            raise ValueError(f"input_size must be embedding + key_size, got {sizes}")
        self.embedding = nn.Embedding(vocab_size, size)
        self.output = nn.Linear(recurrent.hidden_size + recurrent.input_size, vocab_size)

    def forward(self, tokens: Tensor, state: DecoderState):
        recurrent, outputs, looks = state.recurrent, [], []
        for token in self.embed(tokens).split(1, dim=1):  # [batch, 1, embedding], step by step
            query = recurrent[0][-1].unsqueeze(1)  # the old state, s_{t-1}, top layer
            context, weights = self.look(query, state)
            x = torch.cat([token, context], dim=-1)
            hidden, recurrent = self.run(x, recurrent)
            outputs.append(torch.cat([self.dropout(hidden), x], dim=-1))  # x: dropped out before
            looks.append(weights)
        logits = self.output(torch.cat(outputs, dim=1))
        return logits, torch.cat(looks, dim=1), replace(state, recurrent=recurrent)

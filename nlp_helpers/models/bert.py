"""BERT: the encoder of the Transformer over two segments, and what is put on top of it.

Its layers are those of chapter 04 without a causal mask: every position attends to all others.
Weights of Hugging Face's models are read by `bert_weights`.
"""

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from nlp_helpers.checks import (
    check_bool_tensor,
    check_int,
    check_number,
    check_shapes,
    check_tokens,
)
from nlp_helpers.models.bert_config import BERTConfig
from nlp_helpers.models.bert_layers import MLMHead, check_segments, initialize
from nlp_helpers.models.bert_weights import bert_from_huggingface, head_from_huggingface
from nlp_helpers.models.transformer import Encoder


class BERT(nn.Module):
    """A vector for every token, made from all tokens of the input, and one for the whole input.

    Source: Devlin et al. 2019, section 3 and figure 2 (the three embeddings).

    Shape:
        tokens: integers [batch, time]; segments: integers [batch, time], 0 for the first text and
        1 for the second (all 0 if None); mask: bool [batch, time], True = a real token (all real
        if None). Returns hidden [batch, time, d_model] and pooled [batch, d_model], None where
        the configuration has no pooler. What stands at padded places of `hidden` has no meaning.

    Raises:
        ValueError: tokens of wrong rank or outside the vocabulary, none at all, more than max_len;
            segments or a mask of another shape, segments out of range.
        TypeError: tokens or segments that are not integers, a mask that is not bool.
    """

    def __init__(self, config: BERTConfig):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)
        self.positions = nn.Embedding(config.max_len, config.d_model)
        self.segments = nn.Embedding(config.n_segments, config.d_model)
        norm = nn.LayerNorm(config.d_model, config.eps) if config.embedding_norm else nn.Identity()
        self.norm, self.dropout = norm, nn.Dropout(config.dropout)
        self.stack = Encoder(config)
        self.pooler = nn.Linear(config.d_model, config.d_model) if config.pooler else None
        self.apply(initialize)

    @classmethod
    def from_huggingface(cls, module: nn.Module) -> "BERT":
        """The same model as a `BertModel` of transformers (see `bert_weights`)."""
        return bert_from_huggingface(cls, module)

    def forward(self, tokens: Tensor, segments: Tensor | None = None, mask: Tensor | None = None):
        hidden = self.run(tokens, segments, mask)[0]
        return hidden, self.pool(hidden)

    def run(self, tokens: Tensor, segments=None, mask=None, need_weights: bool = False):
        """The layers alone: hidden states, and for each layer the weights or None.

        Shape:
            as the model's; weights: [batch, heads, query, key].
        """
        x = self.embed(tokens, segments)
        if mask is not None:
            check_bool_tensor("mask", mask, "a real token")
            check_shapes(mask=(mask, tokens.shape))
            mask = mask[:, None, None, :]  # [batch, head, query, key]
        return self.stack.run(x, mask, need_weights=need_weights)[:2]

    def embed(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """Token, position and segment embedding, added and normalised: [batch, time, d_model]."""
        check_tokens(tokens, self.config.vocab_size)
        segments = torch.zeros_like(tokens) if segments is None else segments
        check_segments(segments, tokens, self.config.n_segments)
        n, max_len = tokens.shape[1], self.config.max_len
        if n > max_len:
            raise ValueError(f"{n} tokens are more than max_len={max_len}")
        x = self.tokens(tokens) + self.positions.weight[:n] + self.segments(segments)
        return self.dropout(self.norm(x))

    def pool(self, hidden: Tensor) -> Tensor | None:
        """tanh(W h + b) of the first token, [CLS]; None without a pooler."""
        return None if self.pooler is None else torch.tanh(self.pooler(hidden[:, 0]))


class BERTForPreTraining(nn.Module):
    """BERT with both heads of pre-training: which token was here, and is the second text the next.

    Source: Devlin et al. 2019, section 3.1.

    Shape:
        inputs as `BERT`. Returns mlm_logits [batch, time, vocab_size] and nsp_logits [batch, 2]:
        class 0, the second text follows the first; class 1, it is another text.

    Raises:
        ValueError, TypeError: as `BERT`; a configuration without a pooler.
    """

    def __init__(self, config: BERTConfig):
        super().__init__()
        if not config.pooler:
            raise ValueError("next-sentence prediction needs a pooler, got pooler=False")
        self.bert = BERT(config)
        self.mlm = MLMHead(config)
        self.nsp = nn.Linear(config.d_model, 2)
        for head in (self.mlm, self.nsp):
            head.apply(initialize)

    @classmethod
    def from_huggingface(cls, module: nn.Module) -> "BERTForPreTraining":
        """The same model as transformers' class of the same name (see `bert_weights`)."""
        return head_from_huggingface(cls, BERT, module)

    def forward(self, tokens: Tensor, segments: Tensor | None = None, mask: Tensor | None = None):
        hidden, pooled = self.bert(tokens, segments, mask)
        return self.mlm_logits(hidden), self.nsp(pooled)

    def mlm_logits(self, hidden: Tensor) -> Tensor:
        """Of any hidden states, as those at masked places: [..., d_model] -> [..., vocab_size]."""
        return self.mlm(hidden, self.bert.tokens.weight)


class BERTTask(nn.Module):
    """What the fine-tuned models share: a copy of BERT, dropout, and one new linear layer.

    Training it leaves the model that it was made from as it is.

    Args:
        bert: usually pre-trained.
        n_outputs: of the linear layer.
        dropout: before the linear layer; None: that of the configuration.

    Raises:
        ValueError: n_outputs below 1, a dropout out of range; inputs as `BERT`.
        TypeError: not a `BERT`, an n_outputs that is not an int, a dropout that is no number;
            inputs as `BERT`.
    """

    pooled = False  # whether the task reads the pooled vector

    def __init__(self, bert: BERT, n_outputs: int, dropout: float | None = None):
        super().__init__()
        if not isinstance(bert, BERT):
            raise TypeError(f"bert must be a BERT, got {type(bert).__name__}")
        check_int("n_outputs", n_outputs)
        if dropout is not None:
            check_number("dropout", dropout, 0, 1, open_high=True)
        self.bert = with_pooler(bert) if self.pooled else without_pooler(bert)
        self.dropout = nn.Dropout(bert.config.dropout if dropout is None else dropout)
        self.output = nn.Linear(bert.config.d_model, n_outputs)
        self.output.apply(initialize).to(bert.tokens.weight)
        self.train(bert.training)

    @classmethod
    def from_huggingface(cls, module: nn.Module) -> "BERTTask":
        """The same model as transformers' class of the same name (see `bert_weights`)."""
        return head_from_huggingface(cls, BERT, module)


class BERTForSequenceClassification(BERTTask):
    """One answer for a text or a pair of texts: classes, or with n_outputs=1 a number.

    Source: Devlin et al. 2019, sections 4.1 and appendix A.5, figure 4 (a) and (b).

    Shape:
        inputs as `BERT`. Returns logits [batch, n_outputs].
    """

    pooled = True

    def forward(self, tokens: Tensor, segments: Tensor | None = None, mask: Tensor | None = None):
        return self.output(self.dropout(self.bert(tokens, segments, mask)[1]))


class BERTForQuestionAnswering(BERTTask):
    """Where the answer begins and ends: a start vector S and an end vector E, S h_i and E h_i.

    Source: Devlin et al. 2019, section 4.2, figure 4 (c).

    Shape:
        inputs as `BERT`. Returns start_logits and end_logits, both [batch, time].
    """

    def __init__(self, bert: BERT, dropout: float | None = 0.0):
        super().__init__(bert, 2, dropout)

    def forward(self, tokens: Tensor, segments: Tensor | None = None, mask: Tensor | None = None):
        return self.output(self.dropout(self.bert.run(tokens, segments, mask)[0])).unbind(-1)


class BERTForTokenClassification(BERTTask):
    """A class for every token.

    Source: Devlin et al. 2019, section 5.3, figure 4 (d).

    Shape:
        inputs as `BERT`. Returns logits [batch, time, n_outputs].
    """

    def forward(self, tokens: Tensor, segments: Tensor | None = None, mask: Tensor | None = None):
        return self.output(self.dropout(self.bert.run(tokens, segments, mask)[0]))


def with_pooler(bert: BERT) -> BERT:
    """A copy that has a pooler; where there was none, its weights are drawn."""
    other = copy.deepcopy(bert)
    if other.pooler is None:
        other.pooler = nn.Linear(bert.config.d_model, bert.config.d_model)
        other.pooler.apply(initialize).to(bert.tokens.weight)
    other.config = other.stack.config = replace(bert.config, pooler=True)
    return other


def without_pooler(bert: BERT) -> BERT:
    """A copy that has no pooler."""
    other = copy.deepcopy(bert)
    other.pooler = None
    other.config = other.stack.config = replace(bert.config, pooler=False)
    return other

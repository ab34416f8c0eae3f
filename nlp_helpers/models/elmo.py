"""ELMo: word vectors that depend on the sentence, out of a language model in both directions."""

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_bool_tensor, check_float_tensors, check_int
from nlp_helpers.models.char_cnn import (
    CharacterCNN,
    characters_of,
    check_characters,
    check_sentences,
)
from nlp_helpers.models.elmo_config import ELMoConfig
from nlp_helpers.models.projected_lstm import ProjectedLSTM
from nlp_helpers.models.recurrent import check_mask


class ELMo(nn.Module):
    """A language model in both directions over one character CNN, and with one softmax.

    The forward LSTM has read positions 0 .. t when it predicts word t + 1, the backward LSTM the
    positions t .. end when it predicts word t - 1. They are trained together, but neither reads
    the other: only afterwards are their outputs laid side by side.

    Source: Peters et al. 2018, section 3.1 (the two language models and their joint likelihood),
        3.2 (the layers), 3.4 (sizes, residual connection).

    Shape:
        characters: ids [batch, time, max_characters] with the sentence marks; mask: bool
        [batch, time], True = a real word or mark, as from `characters_of`. Returns
        (forward_logits, backward_logits), each [batch, time, vocab_size].

    Raises:
        ValueError: characters or mask of another shape, ids out of range, a row without a word;
            for logits, a config without vocab_size.
        TypeError: characters that are not integers, a mask that is not of bool.
    """

    def __init__(self, config: ELMoConfig):
        super().__init__()
        self.config = config
        self.encoder = CharacterCNN(config)
        self.forward_lstm = self._stack(reverse=False)
        self.backward_lstm = self._stack(reverse=True)
        self.dropout = nn.Dropout(config.dropout)
        self.output = None
        if config.vocab_size is not None:
            self.output = nn.Linear(config.projection_size, config.vocab_size)
            nn.init.normal_(self.output.weight, std=config.projection_size**-0.5)
            nn.init.zeros_(self.output.bias)

    def _stack(self, reverse: bool) -> ProjectedLSTM:
        config = self.config
        return ProjectedLSTM(
            config.projection_size,
            config.hidden_size,
            config.projection_size if config.cell_projection else None,
            n_layers=config.n_layers,
            reverse=reverse,
            skip_connections=config.skip_connections,
            cell_clip=config.cell_clip,
            projection_clip=config.projection_clip,
            dropout=config.dropout,
        )

    def forward(self, characters: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        if self.output is None:
            raise ValueError("no softmax: config.vocab_size is None; use hidden_layers or layers")
        top = self.dropout(self.hidden_layers(characters, mask)[-1])
        forward, backward = top.chunk(2, dim=-1)  # each [batch, time, projection_size]
        return self.output(forward), self.output(backward)

    def hidden_layers(self, characters: Tensor, mask: Tensor) -> Tensor:
        """The word vectors, then the outputs of each LSTM layer, forward beside backward.

        Shape:
            Returns [n_layers + 1, batch, time, 2 * projection_size]. Layer 0 is the word's
            vector twice. The sentence marks are included; where mask is False, there are 0s.
        """
        check_characters(characters, self.config.max_characters)
        check_bool_tensor("mask", mask, "a real word or mark")
        check_mask(mask, characters)
        x = self.encoder(characters).masked_fill(~mask.unsqueeze(-1), 0)
        forward = torch.cat([x.unsqueeze(0), self.forward_lstm(x, mask)])
        backward = torch.cat([x.unsqueeze(0), self.backward_lstm(x, mask)])
        return torch.cat([forward, backward], dim=-1)

    def layer_groups(self) -> list[list[nn.Module]]:
        """From the bottom to the top: the character CNN, each LSTM layer of both directions, and
        the softmax if there is one. Fine-tuning treats each apart."""
        pairs = zip(self.forward_lstm.cells, self.backward_lstm.cells, strict=True)
        top = [] if self.output is None else [[self.output]]
        return [[self.encoder], *([*pair] for pair in pairs), *top]

    @torch.no_grad()
    def layers(self, sentences: list[list[str]], batch_size: int = 64) -> list[Tensor]:
        """All layers for each sentence, as frozen features: no gradient, no dropout, no marks.

        Each sentence is read from a zero state, so the answer does not depend on what else was
        asked. (The official code is stateful: it starts a batch in the state in which it ended
        the batch before, so that only its first answer is the same.)

        Shape:
            Returns for each sentence [n_layers + 1, n_words, 2 * projection_size].

        Raises:
            ValueError: no sentence, an empty one, an empty word, a batch size below 1.
            TypeError: a sentence that is not a list of words, a word that is not a string.
        """
        check_int("batch_size", batch_size)
        check_sentences(sentences)
        by_length = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
        found: list[Tensor] = [torch.empty(0)] * len(sentences)
        was_training = self.training
        self.eval()
        try:
            for start in range(0, len(by_length), batch_size):
                chosen = by_length[start : start + batch_size]
                batch = [sentences[i] for i in chosen]
                hidden = self.hidden_layers(*characters_of(batch, self.config.max_characters))
                for row, i in enumerate(chosen):
                    found[i] = hidden[:, row, 1 : len(sentences[i]) + 1].clone()
        finally:
            self.train(was_training)
        return found


class ScalarMix(nn.Module):
    """One vector a word out of its layers: gamma * sum_j s_j h_j, with s = softmax(weights).

    Source: Peters et al. 2018, eq. 1 and section 3.2. A new mixture is the mean of the layers.

    Args:
        normalize: bring each vector of each layer to mean 0 and variance 1 before it is weighed
            (layer normalization without learned weights), so that a layer of large numbers does
            not outweigh the others.

    Shape:
        layers: [n_layers, ..., width]; returns [..., width].

    Raises:
        ValueError: n_layers below 1, another number of layers.
        TypeError: layers that are not a tensor of the weights' dtype.
    """

    def __init__(self, n_layers: int, normalize: bool = False):
        super().__init__()
        check_int("n_layers", n_layers)
        self.normalize = normalize
        self.weights = nn.Parameter(torch.zeros(n_layers))
        self.gamma = nn.Parameter(torch.ones(()))

    def forward(self, layers: Tensor) -> Tensor:
        check_float_tensors(layers=layers, weights=self.weights)
        n_layers = len(self.weights)
        if layers.dim() < 2 or len(layers) != n_layers:
            wanted = f"[n_layers={n_layers}, ..., width]"
            raise ValueError(f"layers must be {wanted}, got {list(layers.shape)}")
        if self.normalize:
            layers = nn.functional.layer_norm(layers, layers.shape[-1:])
        return self.gamma * torch.tensordot(self.weights.softmax(dim=0), layers, dims=1)

"""Classify a whole sentence: pool its vectors, two linear layers, and perhaps a model below."""

import copy

import torch
from torch import Tensor, nn

from nlp_helpers.checks import check_float_tensors, check_int, check_number
from nlp_helpers.models.elmo import ELMo, ScalarMix
from nlp_helpers.models.recurrent import check_mask


class ConcatPooling(nn.Module):
    """One vector for a sentence: its last vector, the greatest and the mean of all, side by side.

        h_c = [h_T, maxpool(H), meanpool(H)],   H = {h_1 ... h_T}

    The last vector has read all, but a few words anywhere may decide: the other two parts do not
    forget them.

    Source: Howard and Ruder 2018, section 3.3, eq. 4.

    Shape:
        vectors: [batch, time, width]; mask: bool [batch, time], True = a real step, all real if
        None. T is the last real step. Returns [batch, 3 * width].

    Raises:
        ValueError: an axis of 0, a wrong rank, a mask of another shape, a row that is all padding.
        TypeError: vectors that are not of floating point, a mask that is not of bool.
    """

    def forward(self, vectors: Tensor, mask: Tensor | None = None) -> Tensor:
        check_float_tensors(vectors=vectors)
        if vectors.dim() != 3 or 0 in vectors.shape:
            shape = list(vectors.shape)
            raise ValueError(f"vectors must be [batch, time, width], none of them 0; got {shape}")
        mask = check_mask(mask, vectors)
        if mask is None:
            return torch.cat([vectors[:, -1], vectors.amax(dim=1), vectors.mean(dim=1)], dim=-1)
        steps = torch.arange(mask.shape[1], device=mask.device)
        last = (mask * steps).amax(dim=1)  # [batch], each the place of the last real step
        padding = ~mask.unsqueeze(-1)  # [batch, time, 1]
        total = vectors.masked_fill(padding, 0).sum(dim=1)
        pooled = [
            vectors[torch.arange(len(vectors), device=mask.device), last],
            vectors.masked_fill(padding, -torch.inf).amax(dim=1),
            total / mask.sum(dim=1, keepdim=True),
        ]
        return torch.cat(pooled, dim=-1)  # [batch, 3 * width]


class PooledClassifier(nn.Module):
    """Concat pooling, a linear layer, ReLU, and a linear layer to the classes.

    It reads any vectors: static ones, ELMo's, the states of a language model.

    Source: Howard and Ruder 2018, sections 3.3 and 4.1 (a hidden layer of 50; theirs also has
        batch normalization before each linear layer).

    Args:
        width: of the vectors.
        dropout: before each linear layer.

    Shape:
        vectors: [batch, time, width]; mask: bool [batch, time], True = a real step, all real if
        None. Returns logits [batch, n_classes].

    Raises:
        ValueError: sizes below 1, fewer than two classes, dropout outside [0, 1); vectors and
            masks as `ConcatPooling`, and vectors of another width.
        TypeError: sizes that are not ints; vectors of another dtype than the weights.
    """

    def __init__(self, width: int, n_classes: int, hidden_size: int = 50, dropout: float = 0.0):
        super().__init__()
        check_int("width", width)
        check_int("n_classes", n_classes, least=2)
        check_int("hidden_size", hidden_size)
        check_number("dropout", dropout, 0, 1, open_high=True)
        self.width = width
        self.pooling = ConcatPooling()
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(3 * width, hidden_size)
        self.output = nn.Linear(hidden_size, n_classes)

    def forward(self, vectors: Tensor, mask: Tensor | None = None) -> Tensor:
        check_float_tensors(vectors=vectors, weights=self.hidden.weight)
        if vectors.dim() == 3 and vectors.shape[-1] != self.width:
            raise ValueError(
                f"vectors must be [batch, time, width={self.width}], got {list(vectors.shape)}"
            )
        pooled = self.pooling(vectors, mask)
        hidden = torch.relu(self.hidden(self.dropout(pooled)))
        return self.output(self.dropout(hidden))


class LayerMixClassifier(nn.Module):
    """Weigh the layers of frozen vectors, pool, and classify: what ELMo adds to a task.

    Source: Peters et al. 2018, section 3.2 and eq. 1 (the mixture is learned with the task).

    Args:
        n_layers, width: of the vectors; with one layer there is nothing to weigh but its gamma.
        normalize: see `ScalarMix`.
        others: see `PooledClassifier`.

    Shape:
        layers: [batch, n_layers, time, width]; mask: bool [batch, time], True = a real step.
        Returns logits [batch, n_classes].

    Raises:
        ValueError, TypeError: as `ScalarMix` and `PooledClassifier`.
    """

    def __init__(
        self,
        n_layers: int,
        width: int,
        n_classes: int,
        hidden_size: int = 50,
        dropout: float = 0.0,
        normalize: bool = False,
    ):
        super().__init__()
        self.mix = ScalarMix(n_layers, normalize)
        self.head = PooledClassifier(width, n_classes, hidden_size, dropout)

    def forward(self, layers: Tensor, mask: Tensor | None = None) -> Tensor:
        if not isinstance(layers, Tensor) or layers.dim() != 4:
            shape = list(layers.shape) if isinstance(layers, Tensor) else type(layers).__name__
            raise ValueError(f"layers must be [batch, n_layers, time, width], got {shape}")
        return self.head(self.mix(layers.transpose(0, 1)), mask)


class BiLMClassifier(nn.Module):
    """A language model in both directions whose softmax gives way to a classifier.

    It starts from a copy of the biLM's layers: training it leaves the biLM as it is. It reads the
    top layer of both directions, side by side; all of it can be trained.

    Source: Howard and Ruder 2018, section 3.3. Theirs has one direction, and reads long documents
        in pieces (BPTT for text classification); a sentence is read in one piece here.

    Args:
        bilm: an `ELMo`, with or without its softmax.
        hidden_size, dropout: of the head; the layers below keep the biLM's dropout.

    Shape:
        characters: ids [batch, time, max_characters] with the sentence marks; mask: bool
        [batch, time], True = a real word or mark, as from `characters_of`. Returns logits
        [batch, n_classes].

    Raises:
        ValueError, TypeError: characters and masks as `ELMo`; sizes and dropout as
            `PooledClassifier`.
        TypeError: a biLM that is not an `ELMo`.
    """

    def __init__(self, bilm: ELMo, n_classes: int, hidden_size: int = 50, dropout: float = 0.0):
        super().__init__()
        if not isinstance(bilm, ELMo):
            raise TypeError(f"bilm must be an ELMo, got {type(bilm).__name__}")
        self.bilm = copy.deepcopy(bilm)
        self.bilm.output = None
        head = PooledClassifier(2 * bilm.config.projection_size, n_classes, hidden_size, dropout)
        self.head = head.to(next(bilm.parameters()))
        self.train(bilm.training)

    def forward(self, characters: Tensor, mask: Tensor) -> Tensor:
        return self.head(self.bilm.hidden_layers(characters, mask)[-1], mask)

    def layer_groups(self) -> list[list[nn.Module]]:
        """The character CNN, each LSTM layer in both directions, and the head."""
        return [*self.bilm.layer_groups(), [self.head]]

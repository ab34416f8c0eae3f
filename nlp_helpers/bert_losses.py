"""Losses of BERT: masked words and next sentences, answers, tags, classes and numbers."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlp_helpers.checks import check_shapes

IGNORE = -100  # `data.masking.IGNORE`


class PreTrainingLoss:
    """The mean loss of the masked words plus the mean loss of next-sentence prediction.

    The scores of the vocabulary are computed at the chosen places only, about one in seven.

    Source: Devlin et al. 2019, section 3.1 and appendix A.2.

    Args:
        next_sentence: False leaves next-sentence prediction out, as RoBERTa does.

    Shape:
        batch: a `data.bert_inputs.PreTrainingBatch`. The model is a `models.bert.
        BERTForPreTraining`. Returns a scalar, nats per chosen token (plus nats per pair).

    Raises:
        ValueError: targets of another shape or outside the vocabulary, no chosen place; no
            `is_random`, or not one a row and 0 or 1, where next sentences are predicted.
    """

    def __init__(self, next_sentence: bool = True):
        self.next_sentence = next_sentence

    def __call__(self, model: nn.Module, batch) -> Tensor:
        if self.next_sentence and batch.is_random is None:
            raise ValueError("is_random is None: next-sentence prediction needs it")
        mlm_logits, targets, nsp_logits = pretraining_logits(model, batch)
        loss = F.cross_entropy(mlm_logits, targets)
        if self.next_sentence:
            loss = loss + class_loss("is_random", nsp_logits, batch.is_random)
        return loss


def pretraining_logits(model: nn.Module, batch) -> tuple[Tensor, Tensor, Tensor | None]:
    """Both heads on a batch, the words only where they are asked for.

    Shape:
        Returns mlm_logits [chosen, vocab_size], targets int64 [chosen], and nsp_logits [batch, 2],
        None where the batch has no `is_random`.

    Raises:
        ValueError: targets of another shape or outside the vocabulary, no chosen place.
    """
    check_shapes(targets=(batch.targets, batch.inputs.tokens.shape))
    chosen = batch.targets != IGNORE
    if not chosen.any():
        raise ValueError(f"no place is chosen in a batch of {list(chosen.shape)}")
    hidden = model.bert.run(*batch.inputs)[0]
    mlm_logits, targets = model.mlm_logits(hidden[chosen]), batch.targets[chosen].long()
    check_classes("targets", targets, mlm_logits.shape[1])
    nsp_logits = None if batch.is_random is None else model.nsp(model.bert.pool(hidden))
    return mlm_logits, targets, nsp_logits


class PreTrainingScores(NamedTuple):
    """How well both tasks are done: nats per chosen token, and shares that are right.

    nsp_accuracy is None where next sentences were not predicted.
    """

    mlm_nll: float
    mlm_accuracy: float
    nsp_accuracy: float | None


@torch.no_grad()
def pretraining_scores(model: nn.Module, batches: Iterable) -> PreTrainingScores:
    """Over all chosen places, and all pairs, of all batches; in eval mode, then back.

    Raises:
        ValueError: no batches; and as `PreTrainingLoss`.
    """
    nats, right, asked, right_pairs, pairs = 0.0, 0, 0, 0, 0
    was_training = model.training
    model.eval()
    try:
        for batch in batches:
            mlm_logits, targets, nsp_logits = pretraining_logits(model, batch)
            nats += F.cross_entropy(mlm_logits, targets, reduction="sum").item()
            right += (mlm_logits.argmax(dim=1) == targets).sum().item()
            asked += len(targets)
            if nsp_logits is not None:
                right_pairs += (nsp_logits.argmax(dim=1) == batch.is_random).sum().item()
                pairs += len(batch.is_random)
    finally:
        model.train(was_training)
    if not asked:
        raise ValueError("batches is empty: nothing to evaluate")
    return PreTrainingScores(nats / asked, right / asked, right_pairs / pairs if pairs else None)


class SpanLoss:
    """The mean of the cross-entropies of the answer's first place and of its last place.

    Both are over all places of the row, padding too, as in transformers.

    Source: Devlin et al. 2019, section 4.2 (there the sum).

    Shape:
        batch: a `data.labelled_inputs.LabelledBatch` with labels int64 [batch, 2]. The model
        returns start_logits and end_logits, [batch, time]. Returns a scalar, nats.

    Raises:
        ValueError: labels of another shape, a place outside the row.
    """

    def __call__(self, model: nn.Module, batch) -> Tensor:
        check_shapes(labels=(batch.labels, (len(batch.inputs.tokens), 2)))
        check_classes("the places of an answer", batch.labels, batch.inputs.tokens.shape[1])
        logits = model(*batch.inputs)
        parts = zip(logits, batch.labels.long().unbind(dim=1), strict=True)
        start, end = (F.cross_entropy(scores, place) for scores, place in parts)
        return (start + end) / 2


class TagLoss:
    """Cross-entropy of the tags, a mean over all tokens whose label is not -100.

    Source: Devlin et al. 2019, section 5.3.

    Shape:
        batch: a `data.labelled_inputs.LabelledBatch` with labels int64 [batch, time]. The model
        returns logits [batch, time, tag]. Returns a scalar, nats per tag.

    Raises:
        ValueError: labels of another shape, none that counts, one that is no tag of the model.
    """

    def __call__(self, model: nn.Module, batch) -> Tensor:
        check_shapes(labels=(batch.labels, batch.inputs.tokens.shape))
        counts = batch.labels != IGNORE
        if not counts.any():
            raise ValueError(f"all labels of a batch of {list(counts.shape)} are {IGNORE}")
        return class_loss("labels", model(*batch.inputs)[counts], batch.labels[counts])


class SequenceLoss:
    """Cross-entropy of the right class, or, for labels that are numbers, the squared error.

    Source: Devlin et al. 2019, section 4.1.

    Shape:
        batch: a `data.labelled_inputs.LabelledBatch` with labels [batch]: integers, or floats for
        a model with one output. The model returns logits [batch, class]. Returns a scalar.

    Raises:
        ValueError: labels of another shape, a class out of range, numbers for a model with
            several outputs.
    """

    def __call__(self, model: nn.Module, batch) -> Tensor:
        check_shapes(labels=(batch.labels, batch.inputs.tokens.shape[:1]))
        logits = model(*batch.inputs)
        if not batch.labels.is_floating_point():
            return class_loss("labels", logits, batch.labels)
        check_shapes(logits=(logits, (len(batch.labels), 1)))
        return F.mse_loss(logits[:, 0], batch.labels.to(logits.dtype))


def class_loss(name: str, logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the classes [n] under logits [n, class].

    Raises:
        ValueError: another number of labels than of logits, a class out of range.
    """
    check_shapes(**{name: (labels, logits.shape[:1])})
    check_classes(name, labels, logits.shape[1])
    return F.cross_entropy(logits, labels.long())


def check_classes(name: str, labels: Tensor, n: int) -> None:
    """Refuse what is not in 0 .. n - 1; cross_entropy would leave out -100 in silence."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= n:
        raise ValueError(f"{name} must be in [0, {n}), got {low} .. {high}")

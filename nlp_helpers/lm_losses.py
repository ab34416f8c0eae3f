"""Losses of causal language models: pre-training, demonstrations, GPT-1's fine-tuning."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlp_helpers.checks import check_number, check_shapes, check_tokens


class NextTokenLoss:
    """Cross-entropy of a model that predicts, at every position, the token after it.

    Source: Radford et al. 2018, eq. 1 (L1; a mean instead of a sum).

    Shape:
        batch: (tokens, targets), both integers [batch, time]. The model takes the tokens and
        returns logits [batch, time, vocab_size]. Returns a scalar, nats per token.

    Raises:
        ValueError: targets of another shape, or outside the vocabulary.
        TypeError: targets that are not integers.
    """

    def __call__(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        tokens, targets = batch
        check_shapes(targets=(targets, tokens.shape))
        logits = model(tokens)
        check_tokens(targets, logits.shape[-1])  # cross_entropy would leave out targets of -100
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten().long())


def next_token_nll(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Mean negative log-likelihood in nats per token, over all tokens of all batches.

    Call it through `training.evaluated`, or in eval mode under `torch.no_grad()`.

    Raises:
        ValueError: if there are no batches.
    """
    loss_function, total, count = NextTokenLoss(), 0.0, 0
    for tokens, targets in batches:
        total += loss_function(model, (tokens, targets)).item() * targets.numel()
        count += targets.numel()
    if count == 0:
        raise ValueError("batches is empty: nothing to evaluate")
    return total / count


class LabelLoss:
    """Cross-entropy of the labels in sequences of word, label, word, label, ...

    The words are not predicted: they are drawn by lot.

    Shape:
        batch: `data.in_context.Demonstrations`. The model takes tokens [batch, time] and returns
        logits [batch, time, vocab_size]. Returns a scalar, nats per label.

    Raises:
        ValueError, TypeError: as the model, which checks the tokens; the labels are among them.
    """

    def __call__(self, model: nn.Module, batch) -> Tensor:
        logits = model(batch.tokens[:, :-1])[:, ::2]  # at the words: [batch, pairs, vocab]
        check_tokens(batch.labels, logits.shape[-1])
        return F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten())


class FineTuningLoss:
    """L3 = L2 + lambda L1: the task's loss, and the language model's on the same inputs.

    L2 is the cross-entropy of the right class, or, for labels that are numbers (float), the
    squared error. L1 counts every token after the start token, extract included.

    Source: Radford et al. 2018, eq. 4 and 5; both are means here, so that lambda does not depend
        on the length of the texts.

    Args:
        lm_weight: lambda; 0 leaves the language model's loss out.

    Shape:
        batch: a `data.gpt_inputs.TaskBatch`. The model is one of `models.gpt_tasks`. Returns a
        scalar; L1 and a cross-entropy in nats.

    Raises:
        ValueError, TypeError: a lambda that is not a number of at least 0; labels that do not fit
            the outputs.
    """

    def __init__(self, lm_weight: float = 0.5):
        check_number("lm_weight", lm_weight, 0, open_high=True)
        self.lm_weight = lm_weight

    def __call__(self, model: nn.Module, batch) -> Tensor:
        outputs, lm_logits = model(batch.tokens, batch.last, need_lm=self.lm_weight > 0)
        loss = task_loss(outputs, batch.labels)  # L2
        if self.lm_weight:
            loss = loss + self.lm_weight * auxiliary_loss(lm_logits, batch.tokens, batch.last)
        return loss


def task_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """L2: the cross-entropy of classes [batch], or the squared error of numbers [batch].

    Raises:
        ValueError: outputs that do not fit the labels, a class out of range.
    """
    if labels.is_floating_point():
        check_shapes(outputs=(outputs, labels.shape))
        return F.mse_loss(outputs, labels.to(outputs.dtype))
    if outputs.dim() != 2 or labels.shape != outputs.shape[:1]:
        shapes = f"{list(outputs.shape)} and {list(labels.shape)}"
        raise ValueError(f"expected outputs [batch, class] and labels [batch], got {shapes}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= outputs.shape[1]:
        raise ValueError(f"labels must be in [0, {outputs.shape[1]}), got {low} .. {high}")
    return F.cross_entropy(outputs, labels.long())


def auxiliary_loss(lm_logits: Tensor, tokens: Tensor, last: Tensor) -> Tensor:
    """L1 on the task's own inputs: the mean over all their real tokens but the first.

    Shape:
        lm_logits: [batch, input, time, vocab_size]; tokens: [batch, input, time]; last: the place
        of each input's last real token, [batch, input]. Returns a scalar, nats per token.

    Raises:
        ValueError: inputs of one real token each, so that none is predicted.
    """
    place = torch.arange(tokens.shape[-1], device=tokens.device)
    real = place[1:] <= last.unsqueeze(-1)  # [batch, input, time - 1]: the targets that count
    if not real.any():
        raise ValueError(f"no token follows the first in inputs of shape {list(tokens.shape)}")
    return F.cross_entropy(lm_logits[:, :, :-1][real], tokens[:, :, 1:][real].long())

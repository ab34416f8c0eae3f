"""One visible training loop for every chapter. It knows no model and no data set."""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlp_helpers.checks import (
    check_bool_tensor,
    check_float_tensors,
    check_int,
    check_number,
    check_shapes,
    check_tokens,
)


@dataclass(frozen=True)
class TrainConfig:
    """How to train: number of updates, step size, clipping, schedule.

    Source: AdamW, Loshchilov and Hutter 2019; the cosine, Loshchilov and Hutter 2017; the inverse
        square root, Vaswani et al. 2017, eq. 3; the slanted triangle, Howard and Ruder 2018,
        eq. 3; clipping, Pascanu, Mikolov and Bengio 2013, algorithm 1.

    Args:
        n_steps: number of parameter updates.
        learning_rate: the largest step size of Adam.
        warmup: steps over which the step size rises from 0.
        schedule: how it falls after them: "cosine", "linear", or "inverse-sqrt", as
            1 / sqrt(step); or "slanted-triangular", which has its own rise:
            `slanted_triangular`.
        final_fraction: along half a cosine, or a line, it falls to this fraction of the largest.
        beta2: how slowly Adam forgets squared gradients (the Transformer's paper takes 0.98).
        clip_norm: gradients are scaled down to this norm where theirs is larger; None: never.
        weight_decay: of AdamW, on matrices only (not on biases and gains).
        evaluate_every: steps between two evaluations; 0: only after the last step.

    Raises:
        ValueError: a number out of range, named.
        TypeError: not a number, or not an integer where a count is wanted.
    """

    n_steps: int
    learning_rate: float = 1e-3
    warmup: int = 0
    schedule: str = "cosine"
    final_fraction: float = 0.0
    beta2: float = 0.999
    clip_norm: float | None = 1.0
    weight_decay: float = 0.0
    evaluate_every: int = 0

    def __post_init__(self):
        check_int("n_steps", self.n_steps)
        check_int("warmup", self.warmup, least=0)
        check_int("evaluate_every", self.evaluate_every, least=0)
        check_number("learning_rate", self.learning_rate, 0, open_low=True, open_high=True)
        check_number("final_fraction", self.final_fraction, 0, 1)
        check_number("weight_decay", self.weight_decay, 0, open_high=True)
        check_number("beta2", self.beta2, 0, 1, open_low=True, open_high=True)
        if not isinstance(self.schedule, str) or self.schedule not in SCHEDULES:
            known = ", ".join(SCHEDULES)
            raise ValueError(f"schedule must be one of {known}; got {self.schedule!r}")
        if self.schedule == "inverse-sqrt":
            check_int("warmup (of inverse-sqrt)", self.warmup)
            if self.final_fraction:
                raise ValueError("final_fraction is for cosine and linear; inverse-sqrt has none")
        if self.schedule == "slanted-triangular":
            for name in ("warmup", "final_fraction"):
                if getattr(self, name):
                    raise ValueError(
                        f"{name} must be 0: slanted-triangular rises and ends its own way"
                    )
        if self.clip_norm is not None:
            check_number("clip_norm", self.clip_norm, 0, open_low=True)


@dataclass
class History:
    """What happened in training, one entry a step (losses in nats, as the loss function's)."""

    losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)  # before clipping
    evaluations: dict[int, float] = field(default_factory=dict)  # step -> what evaluate returned
    seconds: float = 0.0  # in training, evaluations apart


def train(
    model: nn.Module,
    batches: Iterable,
    loss_function: Callable[[nn.Module, object], Tensor],
    config: TrainConfig,
    evaluate: Callable[[nn.Module], float] | None = None,
    max_seconds: float | None = None,
    groups: list[dict] | None = None,
    before_step: Callable[[int], None] | None = None,
    optimizer: Callable[..., torch.optim.Optimizer] | None = None,
) -> History:
    """Fit a model: for each batch the loss, its gradient, clipping, one update.

    Args:
        batches: anything that can be iterated over again and again; an epoch is one pass.
        loss_function: `(model, batch) -> scalar`. If it has a method `reset`, that is called at
            the start of each epoch (see `CarriedStateLoss`).
        evaluate: called in eval mode without gradients.
        max_seconds: stop early after this much time in training (comparisons at equal time).
        groups: for the optimizer, in place of `parameter_groups`; a group's own "lr" and
            "weight_decay" win over the config's, and the schedule multiplies each "lr".
        before_step: called with the step, from 0, before each update (see `finetuning`).
        optimizer: called with the groups, lr, betas and weight_decay (see `muon`); None: AdamW.

    Returns the history; the model is left in eval mode.

    Raises:
        ValueError: if there are no batches, or a loss or gradient is not finite (with the step);
            groups without a parameter that is to be trained, or with one that is not the model's.
    """
    if max_seconds is not None:
        check_number("max_seconds", max_seconds, 0)
    updates = (optimizer or torch.optim.AdamW)(
        parameter_groups(model, config.weight_decay) if groups is None else _own(model, groups),
        lr=config.learning_rate,
        betas=(0.9, config.beta2),
        weight_decay=config.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        updates, lambda step: SCHEDULES[config.schedule](step, config)
    )
    history = History()
    model.train()
    for step, batch in enumerate(itertools.islice(_epochs(batches, loss_function), config.n_steps)):
        start = time.perf_counter()
        if before_step is not None:
            before_step(step)
        model.zero_grad()
        loss = loss_function(model, batch)
        if not torch.isfinite(loss):
            raise ValueError(f"the loss is {loss.item()} at step {step}: lower the learning rate?")
        loss.backward()
        limit = float("inf") if config.clip_norm is None else config.clip_norm
        norm = nn.utils.clip_grad_norm_(model.parameters(), limit)
        if not torch.isfinite(norm):
            raise ValueError(f"the gradient is {norm.item()} at step {step}; the weights are kept")
        updates.step()
        schedule.step()
        history.seconds += time.perf_counter() - start
        history.losses.append(loss.item())
        history.gradient_norms.append(norm.item())
        out_of_time = max_seconds is not None and history.seconds >= max_seconds
        last = step + 1 == config.n_steps or out_of_time
        due = config.evaluate_every and (step + 1) % config.evaluate_every == 0
        if evaluate is not None and (last or due):
            history.evaluations[step + 1] = evaluated(model, evaluate)
        if out_of_time:
            break
    model.eval()
    return history


def _epochs(batches: Iterable, loss_function) -> Iterator:
    """The batches, over and over; tells the loss function where an epoch starts."""
    while True:
        if hasattr(loss_function, "reset"):
            loss_function.reset()
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise ValueError("batches is empty (or can be iterated over only once)")


def warmup_cosine(step: int, config: TrainConfig) -> float:
    """The fraction of the largest step size at this step: a linear rise, then half a cosine."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.n_steps - config.warmup)
    cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * min(1.0, progress))).item())
    return config.final_fraction + (1 - config.final_fraction) * cosine


def warmup_linear(step: int, config: TrainConfig) -> float:
    """The fraction of the largest step size at this step: a linear rise, then a linear fall."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.n_steps - config.warmup)
    return 1 - (1 - config.final_fraction) * min(1.0, progress)


def warmup_inverse_sqrt(step: int, config: TrainConfig) -> float:
    """The fraction of the largest step size at this step: a linear rise, then 1 / sqrt(step).

    With learning_rate = 1 / sqrt(d_model * warmup) the step size is `paper_step_size`.
    """
    return min((step + 1) / config.warmup, (config.warmup / (step + 1)) ** 0.5)


def slanted_triangular(
    step: int, n_steps: int, cut_fraction: float = 0.1, ratio: float = 32
) -> float:
    """The fraction of the largest step size at this step: a short rise, then a long fall.

    Both are straight lines between 1 / ratio and 1; the peak is at cut = floor(n_steps *
    cut_fraction), and without a rise where that is 0. The fall takes the n_steps - cut steps that
    are left. The paper writes them as cut (1 / cut_fraction - 1): the same where n_steps *
    cut_fraction is whole, but too few elsewhere (at 19 steps its step size falls below 0).

    Source: Howard and Ruder 2018, section 3.2, eq. 3, with the paper's constants.

    Args:
        step: counted from 0; at n_steps, after the last, the fall has come down to 1 / ratio.

    Raises:
        ValueError: n_steps below 1, a step outside [0, n_steps], a cut_fraction outside [0, 1),
            a ratio below 1 or infinite.
        TypeError: not numbers, or not ints where counts are wanted.
    """
    check_int("n_steps", n_steps)
    check_int("step", step, least=0)
    if step > n_steps:
        raise ValueError(f"step must be at most n_steps={n_steps}, got {step}")
    check_number("cut_fraction", cut_fraction, 0, 1, open_high=True)
    check_number("ratio", ratio, 1, open_high=True)
    cut = math.floor(n_steps * cut_fraction)
    p = step / cut if step < cut else 1 - (step - cut) / (n_steps - cut)
    return (1 + p * (ratio - 1)) / ratio


SCHEDULES: dict[str, Callable[[int, TrainConfig], float]] = {
    "cosine": warmup_cosine,
    "linear": warmup_linear,
    "inverse-sqrt": warmup_inverse_sqrt,
    "slanted-triangular": lambda step, config: slanted_triangular(step, config.n_steps),
}


def paper_step_size(step: int, d_model: int, warmup: int) -> float:
    """The step size of the Transformer's paper: d_model^-0.5 min(step^-0.5, step warmup^-1.5).

    Source: Vaswani et al. 2017, eq. 3; steps count from 1.

    Raises:
        ValueError: step, d_model or warmup below 1.
        TypeError: not ints.
    """
    for name, value in (("step", step), ("d_model", d_model), ("warmup", warmup)):
        check_int(name, value)
    return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Parameters for AdamW: matrices decay, vectors (biases and gains) do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]


def _own(model: nn.Module, groups: list[dict]) -> list[dict]:
    """Copies of the groups (an optimizer writes into them), if they fit the model."""
    groups = [{**group, "params": list(group["params"])} for group in groups]
    names = {parameter: name for name, parameter in model.named_parameters()}
    given = {parameter for group in groups for parameter in group["params"]}
    left_out = [name for p, name in names.items() if p.requires_grad and p not in given]
    if left_out:
        raise ValueError(f"parameters {left_out} are in no group: add them, or freeze them")
    strange = [list(parameter.shape) for parameter in given if parameter not in names]
    if strange:
        raise ValueError(f"groups hold parameters of shapes {strange} that are not the model's")
    return groups


@torch.no_grad()
def evaluated(model: nn.Module, evaluate: Callable[[nn.Module], float]) -> float:
    """Call `evaluate(model)` in eval mode without gradients; then back to the mode before."""
    was_training = model.training
    model.eval()
    try:
        return float(evaluate(model))
    finally:
        model.train(was_training)


class CarriedStateLoss:
    """Cross-entropy of a recurrent language model that remembers its state between batches.

    The state goes on from batch to batch, the gradient does not: this is truncated
    backpropagation through time (Williams and Peng 1990), truncated at the batch's length.

    Shape:
        batch: (tokens [batch, time], targets [batch, time]); returns a scalar, nats per token.
    """

    def __init__(self):
        self.state = None

    def reset(self) -> None:
        self.state = None

    def __call__(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        tokens, targets = batch
        logits, state = model(tokens, self.state)
        self.state = detached(state)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class ClassificationLoss:
    """Cross-entropy of a classifier.

    Shape:
        batch: (*inputs, labels), as (tokens, mask, labels). The model takes the inputs and
        returns logits [batch, n_classes]; labels: integers [batch]. Returns a scalar, the mean
        in nats per item.

    Raises:
        ValueError: a batch without inputs, labels that do not fit the logits or are outside
            [0, n_classes).
        TypeError: a batch that is not a tuple or list, labels that are not integers.
    """

    def __call__(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        if not isinstance(batch, tuple | list):
            raise TypeError(f"batch must be a tuple (*inputs, labels), got {type(batch).__name__}")
        if len(batch) < 2:
            raise ValueError(f"batch must hold inputs and labels, got {len(batch)} tensor(s)")
        *inputs, labels = batch
        if not isinstance(labels, Tensor) or labels.dtype not in (torch.int64, torch.int32):
            kind = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
            raise TypeError(f"labels must be a tensor of int64 or int32, got {kind}")
        logits = model(*inputs)
        shapes = f"logits {list(logits.shape)} do not fit labels {list(labels.shape)}"
        if logits.dim() != 2 or labels.shape != logits.shape[:1] or not labels.numel():
            raise ValueError(f"{shapes}; wanted [batch, n_classes] and [batch]")
        low, high, n_classes = int(labels.min()), int(labels.max()), logits.shape[1]
        if low < 0 or high >= n_classes:
            raise ValueError(f"labels must be in [0, n_classes={n_classes}), got {low} .. {high}")
        return F.cross_entropy(logits, labels.long())


class TeacherForcingLoss:
    """Cross-entropy of a sequence-to-sequence model that is given the right tokens so far.

    Source: Williams and Zipser 1989 (teacher forcing); Szegedy et al. 2016, section 7 (label
        smoothing).

    Args:
        label_smoothing: this share of each target's probability is spread over all tokens.

    Shape:
        batch: a `data.pairs.PairBatch`. The model takes (source, target_in, source_mask) and
        returns logits [batch, target, vocab] first. Returns a scalar, the mean over the real
        tokens of the targets, the end token included, in nats per token.

    Raises:
        ValueError, TypeError: a label smoothing that is not a number in [0, 1).
    """

    def __init__(self, label_smoothing: float = 0.0):
        check_number("label_smoothing", label_smoothing, 0, 1, open_high=True)
        self.label_smoothing = label_smoothing

    def __call__(self, model: nn.Module, batch) -> Tensor:
        logits = model(batch.source, batch.target_in, batch.source_mask)[0]
        real = batch.target_mask
        return F.cross_entropy(
            logits[real], batch.target_out[real], label_smoothing=self.label_smoothing
        )


class BidirectionalLMLoss:
    """Cross-entropy of a language model in both directions: the mean over all their targets.

    The forward logits at t are for the word at t + 1, the backward logits at t for the word at
    t - 1. So the begin mark is a target only of the backward, the end mark only of the forward
    model, and both have as many targets.

    Source: Peters et al. 2018, section 3.1 (the joint log likelihood; a mean instead of a sum).

    Shape:
        batch: (characters [batch, time, max_characters], mask bool [batch, time], words int64
        [batch, time], the ids of the words at the same positions, marks included). The model
        takes (characters, mask) and returns (forward_logits, backward_logits). Returns a scalar,
        nats per token.

    Raises:
        ValueError: words or mask of another shape, a real word outside the softmax, no two words
            that follow each other.
        TypeError: a mask that is not of bool, words that are not integers.
    """

    def __call__(self, model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        forward, backward, count = bidirectional_sums(model, batch)
        return (forward + backward) / (2 * count)


def bidirectional_sums(
    model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor, int]:
    """Summed cross-entropy of the forward and of the backward model, and targets of each.

    Shape and Raises: see `BidirectionalLMLoss`.
    """
    characters, mask, words = batch
    check_bool_tensor("mask", mask, "a real word or mark")
    check_shapes(mask=(mask, characters.shape[:2]), words=(words, characters.shape[:2]))
    both = mask[:, :-1] & mask[:, 1:]  # [batch, time - 1]: a word at t, and one at t + 1
    count = int(both.sum())
    if count == 0:
        raise ValueError(f"no two words follow each other in a batch of {list(mask.shape)}")
    forward, backward = model(characters, mask)
    check_tokens(words.masked_fill(~mask, 0), forward.shape[-1])
    next_word, word_before = words[:, 1:][both], words[:, :-1][both]
    return (
        F.cross_entropy(forward[:, :-1][both], next_word, reduction="sum"),
        F.cross_entropy(backward[:, 1:][both], word_before, reduction="sum"),
        count,
    )


def bidirectional_nll(model: nn.Module, batches: Iterable) -> tuple[float, float]:
    """Mean negative log-likelihood (nats per token) of the forward and of the backward model.

    Call it with a model in eval mode, under `torch.no_grad()`. Batches: see
    `BidirectionalLMLoss`.

    Raises:
        ValueError: if there are no batches.
    """
    totals, count = [0.0, 0.0], 0
    for batch in batches:
        forward, backward, n = bidirectional_sums(model, batch)
        totals[0] += forward.item()
        totals[1] += backward.item()
        count += n
    if count == 0:
        raise ValueError("batches is empty: nothing to evaluate")
    return totals[0] / count, totals[1] / count


def smoothed_targets(
    targets: Tensor, vocab_size: int, label_smoothing: float, dtype: torch.dtype | None = None
) -> Tensor:
    """The distribution that label smoothing asks for: (1 - e) one-hot + e / vocab_size.

    Source: Szegedy et al. 2016, section 7; Vaswani et al. 2017, section 5.4 (e = 0.1).

    Shape:
        targets: integers [...]; returns probabilities [..., vocab_size].

    Raises:
        ValueError: targets outside [0, vocab_size), a smoothing outside [0, 1).
        TypeError: targets that are not integers.
    """
    check_int("vocab_size", vocab_size)
    check_number("label_smoothing", label_smoothing, 0, 1, open_high=True)
    if targets.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"targets must be int64 or int32, got {targets.dtype}")
    if targets.numel() and not 0 <= int(targets.min()) <= int(targets.max()) < vocab_size:
        span = f"{int(targets.min())} .. {int(targets.max())}"
        raise ValueError(f"targets must be in [0, vocab_size={vocab_size}), got {span}")
    one_hot = F.one_hot(targets.long(), vocab_size).to(dtype or torch.get_default_dtype())
    return (1 - label_smoothing) * one_hot + label_smoothing / vocab_size


def label_smoothing_divergence(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """KL divergence of the model's distribution from the smoothed targets, in nats per token.

    It is the cross-entropy with label smoothing less the smoothed targets' own entropy, which no
    model can go below: so its least value is 0, and its gradient is the same.

    Shape:
        logits: [..., vocab_size]; targets: integers [...]. Returns a scalar, the mean.

    Raises:
        ValueError, TypeError: as `smoothed_targets`; shapes that do not fit.
    """
    check_float_tensors(logits=logits)
    if logits.shape[:-1] != targets.shape or not targets.numel():
        raise ValueError(f"logits {list(logits.shape)} do not fit targets {list(targets.shape)}")
    wanted = smoothed_targets(targets, logits.shape[-1], label_smoothing, logits.dtype)
    divergence = F.kl_div(logits.log_softmax(dim=-1), wanted, reduction="none")
    return divergence.sum(dim=-1).mean()


def detached(state):
    """The same state (a tensor or a tuple of them) without its history of gradients."""
    return state.detach() if isinstance(state, Tensor) else tuple(s.detach() for s in state)


def language_model_nll(model: nn.Module, batches: Iterable) -> float:
    """Mean negative log-likelihood (nats per token) of a recurrent model over a text.

    The state is carried from batch to batch, so every token is predicted from all before it in
    its row. Call it through `evaluated`, or with a model in eval mode, under `torch.no_grad()`.

    Raises:
        ValueError: if there are no batches.
    """
    loss_function = CarriedStateLoss()
    total, count = 0.0, 0
    for tokens, targets in batches:
        total += loss_function(model, (tokens, targets)).item() * targets.numel()
        count += targets.numel()
    if count == 0:
        raise ValueError("batches is empty: nothing to evaluate")
    return total / count

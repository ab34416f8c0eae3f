"""How good a model is: nats, bits, perplexity, accuracy; phoneme and word error rates."""

import math
from collections.abc import Sequence

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor
from torch.nn import functional as F


def mean_nll(logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean negative log-likelihood of the targets, in nats per token.

    Args:
        logits: unnormalised scores; the softmax is taken over the last axis.
        targets: the token ids that came.
        mask: True where a token counts; None counts all. Targets where it is False may hold
            any value.
    Shape:
        logits: float [..., vocab]; targets: LongTensor [...]; mask: bool [...];
        returns: a scalar (differentiable with respect to the logits).
    Raises:
        TypeError: a wrong dtype, or not tensors.
        ValueError: shapes that do not fit, a target out of range, or no token that counts.
    """
    logits, targets = _counted(logits, targets, mask)
    return F.cross_entropy(logits, targets)


def token_accuracy(logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> float:
    """Share of counted tokens whose target has the highest logit, between 0 and 1.

    Shape:
        logits: float [..., vocab]; targets: LongTensor [...]; mask: bool [...].
    Raises:
        TypeError, ValueError: as ``mean_nll``.
        ValueError: a counted logit is NaN, which argmax would take for the highest.
    """
    logits, targets = _counted(logits, targets, mask)
    if logits.isnan().any():
        row = logits.isnan().any(dim=-1).nonzero()[0].item()
        raise ValueError(
            f"the logits of counted token {row} hold NaN, so no logit is the highest; the model "
            "has diverged: try a smaller learning rate, or clip gradients"
        )
    return (logits.argmax(dim=-1) == targets).double().mean().item()


def perplexity(nats_per_token: float) -> float:
    """Perplexity per token, exp of the mean negative log-likelihood in nats per token.

    It is the number of equally likely choices that would be as hard to guess. Infinite when
    the exponential is beyond a float.

    Raises:
        TypeError: not a number.
        ValueError: NaN or below 0.
    """
    nats = _nats(nats_per_token)
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def bits_per_token(nats_per_token: float) -> float:
    """Mean negative log-likelihood in bits per token: nats / ln 2.

    For a character model this is bits per character.

    Raises:
        TypeError: not a number.
        ValueError: NaN or below 0.
    """
    return _nats(nats_per_token) / math.log(2)


def bits_per_character(nats_per_token: float, n_tokens: int, n_characters: int) -> float:
    """Bits per character of a text of ``n_characters`` that was predicted as ``n_tokens`` tokens.

    It makes models with different tokens comparable: the total surprise in bits, shared out
    over the characters.

    Raises:
        TypeError: not numbers, or counts that are not ints.
        ValueError: NaN or nats below 0, or a count below 1.
    """
    for name, value in (("n_tokens", n_tokens), ("n_characters", n_characters)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an int, got {value!r}")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    return bits_per_token(nats_per_token) * n_tokens / n_characters


def phoneme_error_rate(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> float:
    """Phoneme errors per phoneme: edits over the length of the references, as a fraction.

    Errors are the fewest insertions, deletions and substitutions that turn a hypothesis into its
    nearest reference. They are summed over all words and divided by the summed lengths of those
    nearest references, so long words weigh more. Of equally near references the longest counts
    (whatever their order). Nothing bounds the rate at 1: insertions may outnumber phonemes.

    Args:
        hypotheses: one sequence of phonemes per word; it may be empty.
        references: for each word, one or more right sequences.
    Raises:
        TypeError: a string in place of a sequence of strings, or not sequences of strings.
        ValueError: no words, numbers of words that differ, or a word without a reference or
            with an empty one.
    """
    _check_transcripts(hypotheses, references)
    errors = length = 0
    for hypothesis, right in zip(hypotheses, references, strict=True):
        distance, negative_length = min(
            (Levenshtein.distance(hypothesis, reference), -len(reference)) for reference in right
        )
        errors += distance
        length -= negative_length
    return errors / length


def word_error_rate(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> float:
    """Share of words whose hypothesis equals none of their references, between 0 and 1.

    Args:
        hypotheses, references: as in ``phoneme_error_rate``.
    Raises:
        TypeError, ValueError: as ``phoneme_error_rate``.
    """
    _check_transcripts(hypotheses, references)
    wrong = sum(
        all(list(hypothesis) != list(reference) for reference in right)
        for hypothesis, right in zip(hypotheses, references, strict=True)
    )
    return wrong / len(hypotheses)


def _check_transcripts(hypotheses: Sequence, references: Sequence) -> None:
    for name, value in (("hypotheses", hypotheses), ("references", references)):
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise TypeError(f"{name} must be a list, one entry per word, got {value!r:.60}")
    if len(hypotheses) != len(references):
        raise ValueError(
            "hypotheses and references must have one entry per word each, got "
            f"{len(hypotheses)} and {len(references)}"
        )
    if not hypotheses:
        raise ValueError("there are no words: hypotheses and references are empty")
    for i, (hypothesis, right) in enumerate(zip(hypotheses, references, strict=True)):
        _check_symbols(f"hypotheses[{i}]", hypothesis)
        if isinstance(right, str) or not isinstance(right, Sequence):
            raise TypeError(f"references[{i}] must be a list of references, got {right!r:.60}")
        if not right:
            raise ValueError(f"references[{i}] is empty: give at least one reference")
        for j, reference in enumerate(right):
            _check_symbols(f"references[{i}][{j}]", reference)
            if not reference:
                raise ValueError(f"references[{i}][{j}] is empty: it has nothing to get wrong")


def _check_symbols(name: str, symbols: object) -> None:
    fine = isinstance(symbols, Sequence) and not isinstance(symbols, str)
    if not fine or not all(isinstance(symbol, str) for symbol in symbols):
        raise TypeError(
            f"{name} must be a sequence of strings such as ['K', 'AE', 'T'], got {symbols!r:.60}"
        )


def _nats(value: float) -> float:
    if isinstance(value, Tensor):
        value = value.item() if value.numel() == 1 else value.tolist()
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError(f"nats per token must be one number, got {value!r}")
    value = float(value)
    if math.isnan(value) or value < 0:
        raise ValueError(
            f"nats per token must be 0 or more, got {value}; it is the mean of -log p: "
            "was the sign forgotten?"
        )
    return value


def _counted(logits: Tensor, targets: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Check the three and return the counted logits [n, vocab] and targets [n]."""
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        raise TypeError(f"logits must be a float tensor, got {_kind(logits)}")
    if not isinstance(targets, Tensor) or targets.dtype != torch.long:
        raise TypeError(f"targets must be a LongTensor, got {_kind(targets)}")
    if logits.dim() < 1 or logits.shape[:-1] != targets.shape:
        raise ValueError(
            "logits must be [..., vocab] and targets [...] with the same leading axes, got "
            f"{list(logits.shape)} and {list(targets.shape)}"
        )
    if mask is not None:
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            raise TypeError(f"mask must be a bool tensor, True = counts, got {_kind(mask)}")
        if mask.shape != targets.shape:
            raise ValueError(
                f"mask must have the shape of targets, {list(targets.shape)}, "
                f"got {list(mask.shape)}"
            )
        logits, targets = logits[mask], targets[mask]
    vocab_size = logits.shape[-1]
    logits, targets = logits.reshape(-1, vocab_size), targets.reshape(-1)
    if targets.numel() == 0:
        raise ValueError("no token counts: targets is empty or the mask is False everywhere")
    if targets.min() < 0 or targets.max() >= vocab_size:
        wrong = targets[(targets < 0) | (targets >= vocab_size)][0].item()
        raise ValueError(
            f"target {wrong} is out of range for logits over {vocab_size} tokens; "
            "mask padding with mask=False instead of a special id"
        )
    return logits, targets


def _kind(value: object) -> str:
    return f"a {value.dtype} tensor" if isinstance(value, Tensor) else type(value).__name__

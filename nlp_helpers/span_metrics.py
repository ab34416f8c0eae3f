"""How well spans are found: answers to questions, and entities."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

Span = Sequence[Hashable]


class SpanScores(NamedTuple):
    """Means over all questions, between 0 and 1."""

    exact_match: float
    f1: float


def span_f1(predicted: Sequence[Span], true: Sequence[Span]) -> SpanScores:
    """SQuAD's two scores of answers that are lists of words (or of ids).

    Exact match: the share of answers that are the same words in the same order. F1: of the words
    that both have, each as often as both have it, precision is the share of the predicted words
    and recall of the true ones; their harmonic mean is F1 of the answer, and the mean over all
    answers is taken. An empty list is "no answer": right with 1 where there is none, else 0.

    SQuAD's script first drops case, punctuation and articles, and takes the best of several true
    answers; this does neither. Places work as words do: with range(first, last + 1) words count
    only where they stand.

    Source: Rajpurkar et al. 2016, section 6.1; Rajpurkar et al. 2018 (no answer).

    Raises:
        ValueError: no answers, or unequal numbers of them.
        TypeError: an answer that is a string or no sequence.
    """
    check_paired("answers", predicted, true)
    exact = [list(guess) == list(right) for guess, right in zip(predicted, true, strict=True)]
    overlaps = [overlap_f1(guess, right) for guess, right in zip(predicted, true, strict=True)]
    return SpanScores(sum(exact) / len(exact), sum(overlaps) / len(overlaps))


def overlap_f1(guess: Span, right: Span) -> float:
    """F1 of the words of one answer: 2 P R / (P + R) = 2 common / (predicted + true)."""
    if not guess and not right:
        return 1.0
    common = (Counter(guess) & Counter(right)).total()
    return 2 * common / (len(guess) + len(right))


class EntityScores(NamedTuple):
    """Over all entities of all sentences, between 0 and 1."""

    precision: float
    recall: float
    f1: float


def entity_scores(
    predicted: Sequence[Sequence[str]], true: Sequence[Sequence[str]]
) -> EntityScores:
    """Precision, recall and F1 of whole entities: right are those with equal borders and kind.

    Tags are IOB2: B-PER begins a person, I-PER goes on with it, O is no entity. An I- without
    a B- or I- of its kind before it begins no entity. Where no entity is predicted, precision
    is 0; where there is none, recall is 0. Computed by seqeval in its strict mode.

    Source: Tjong Kim Sang and De Meulder 2003, section 2.4 (the score).

    Args:
        predicted, true: for each sentence the tags of its words.

    Raises:
        ValueError: no sentences, unequal numbers of sentences or of words, a tag that is not O,
            B-... or I-....
        TypeError: sentences that are not lists of strings.
    """
    check_paired("sentences", predicted, true)
    for i, (guess, right) in enumerate(zip(predicted, true, strict=True)):
        if len(guess) != len(right):
            raise ValueError(f"sentence {i} has {len(guess)} predicted and {len(right)} true tags")
        for tag in (*guess, *right):
            if not isinstance(tag, str):
                raise TypeError(f"a tag must be a string, got {tag!r} in sentence {i}")
            if tag != "O" and (tag[:2] not in ("B-", "I-") or len(tag) < 3):
                raise ValueError(f"a tag must be O, B-... or I-..., got {tag!r} in sentence {i}")
    from seqeval.metrics import f1_score, precision_score, recall_score
    from seqeval.scheme import IOB2

    lists = [[list(tags) for tags in sentences] for sentences in (true, predicted)]
    settings = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    scores = (score(*lists, **settings) for score in (precision_score, recall_score, f1_score))
    return EntityScores(*map(float, scores))


def check_paired(name: str, predicted: Sequence, true: Sequence) -> None:
    """Refuse unequal numbers, none at all, and what are not sequences of sequences."""
    if len(predicted) != len(true) or not len(true):
        raise ValueError(f"got {len(predicted)} predicted and {len(true)} true {name}")
    for kind, items in (("predicted", predicted), ("true", true)):
        for i, item in enumerate(items):
            if isinstance(item, str) or not hasattr(item, "__len__"):
                raise TypeError(f"{kind}[{i}] must be a list, got {item!r:.60}")

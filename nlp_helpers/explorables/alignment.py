"""Which letters each phoneme is read from: the attention weights of real words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets

from nlp_helpers.explorables.attention_items import (
    MAX_LENGTH,
    TOLERANCE,
    AttentionItems,
    check_each,
    check_tokens,
    one_of,
)
from nlp_helpers.explorables.base import html_table, real_array, text_of
from nlp_helpers.explorables.color_scale import two_decimals

SHOWN = ("all", "wrong")
FALLBACK_WORDS = 20
_REQUIRED = {"word", "phonemes", "weights", "correct"}


class Alignment(AttentionItems):
    """Choose a word and see which letters every predicted phoneme was read from.

    Each item is a mapping with the keys word, phonemes (the predicted ones), weights, correct and,
    if there are any, references (the dictionary's pronunciations). Weights are kept with two
    decimals, so they are at most 0.005 off. `word` is the index of the chosen item; `shown` ("all"
    or "wrong") the filter; `side` ("phoneme", "letter" or "") and `place` say what is marked.

    Shape: weights [target, source], target = len(phonemes), source = len(word).

    Raises: TypeError or ValueError for items that lack a key or do not fit together, rows of
    weights that are not distributions, a `correct` that contradicts the references, words that
    occur twice, and over 200 KB.
    """

    _source = "alignment.js"
    sides = ("", "phoneme", "letter")
    title = "Which letters is each phoneme read from?"

    shown = traitlets.Unicode("all").tag(sync=True)

    def __init__(
        self,
        name: str = "alignment",
        items: Sequence[Mapping[str, Any]] = (),
        word: str | None = None,
    ) -> None:
        super().__init__(name, check_items(items), word)

    @traitlets.validate("shown")
    def _check_shown(self, proposal: dict[str, Any]) -> str:
        return one_of(proposal["value"], "shown", SHOWN)

    def fallback_html(self) -> str:
        """Return the weights of the chosen word and the first words' pronunciations as tables."""
        item = self.items[self.word]
        rows = [
            [phoneme, *(f"{float(weight):.2f}" for weight in line.split(" "))]
            for phoneme, line in zip(item["phonemes"], item["weights"], strict=True)
        ]
        caption = (
            f"{item['word']}, read as {' '.join(item['phonemes'])} ({verdict(item)}): "
            "attention weights, one row per phoneme"
        )
        weights = html_table(caption, ["", *item["word"]], rows)
        some = [
            [one["word"], " ".join(one["phonemes"]), verdict(one)]
            + [" or ".join(" ".join(reference) for reference in one["references"]) or "not given"]
            for one in self.items[:FALLBACK_WORDS]
        ]
        count = f"The first {len(some)} of {len(self.items)} words"
        words = html_table(count, ["word", "predicted", "", "dictionary"], some)
        return f'{weights}<div class="nlpx-printed">{words}</div>'


def verdict(item: Mapping[str, Any]) -> str:
    """Return "right" or "wrong"."""
    return "right" if item["correct"] else "wrong"


def check_items(items: Any) -> list[dict[str, Any]]:
    """Return the items with weights as short texts, one per phoneme.

    Raises: TypeError or ValueError, naming the item, for anything that does not fit together.
    """
    return check_each(items, check_item)


def check_item(item: Any, where: str) -> dict[str, Any]:
    """Return one item as plain JSON types.

    Raises: TypeError for a wrong type; ValueError for a missing or unknown key, a shape that does
    not fit, weights that are no distributions, or a `correct` that contradicts the references.
    """
    if not isinstance(item, Mapping):
        raise TypeError(f"{where} must be a mapping, got {type(item).__name__}")
    if not _REQUIRED <= set(item) <= _REQUIRED | {"references"}:
        raise ValueError(
            f"{where} must have the keys word, phonemes, weights, correct and may have "
            f"references: {[*item]}"
        )
    word = text_of(item["word"], f"{where}['word']")
    if len(word) > MAX_LENGTH or not word.isprintable() or " " in word:
        raise ValueError(f"{where}['word'] must be 1 to {MAX_LENGTH} visible letters, got {word!r}")
    phonemes = check_tokens(item["phonemes"], f"{where}['phonemes']", "phonemes")
    given = [] if item.get("references") is None else item["references"]
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"{where}['references'] must be a list, got {type(given).__name__}")
    references = [
        check_tokens(one, f"{where}['references'][{k}]", "phonemes") for k, one in enumerate(given)
    ]
    if not isinstance(item["correct"], bool | np.bool_):
        raise TypeError(f"{where}['correct'] must be a bool, got {type(item['correct']).__name__}")
    correct = bool(item["correct"])
    if references and correct != (phonemes in references):
        raise ValueError(
            f"{where}['correct'] is {correct}, but {' '.join(phonemes)} is "
            f"{'not ' if correct else ''}among the references of {word!r}"
        )
    weights = check_weights(item["weights"], f"{where}['weights']", (len(phonemes), len(word)))
    return {
        "word": word,
        "phonemes": phonemes,
        "references": references,
        "correct": correct,
        "weights": [two_decimals(row) for row in weights],
    }


def check_weights(weights: Any, where: str, shape: tuple[int, int]) -> np.ndarray:
    """Return attention weights as a float64 array [target, source].

    Raises: TypeError or ValueError for a wrong type or shape; ValueError for a negative weight or
    a row that does not sum to 1.
    """
    array = real_array(weights, where, shape)
    if array.min() < 0:
        raise ValueError(f"{where} must not be negative, got {array.min():g}")
    sums = array.sum(axis=1)
    row = int(np.abs(sums - 1).argmax())
    if abs(sums[row] - 1) > TOLERANCE:
        raise ValueError(f"{where}: each row must sum to 1, row {row} sums to {sums[row]:.4g}")
    return array

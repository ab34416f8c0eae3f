"""What figures of attention weights share: chosen items, and a mark on one of two sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import traitlets

from nlp_helpers.explorables.base import Explorable, index_of, text_of
from nlp_helpers.explorables.color_scale import color_scale
from nlp_helpers.plotting import SEQUENTIAL

MAX_LENGTH = 40
TOLERANCE = 1e-3  # of a row's sum


class AttentionItems(Explorable):
    """Items with a word each, one of them chosen, and a mark on a side at a place.

    A subclass names its `sides` ("" for no mark) and checks one item in `check_item`.
    """

    _before = ("common.js", "attention.js")
    sides: ClassVar[tuple[str, ...]]

    items = traitlets.List().tag(sync=True)
    scale = traitlets.List().tag(sync=True)
    word = traitlets.Int(0).tag(sync=True)
    side = traitlets.Unicode("").tag(sync=True)
    place = traitlets.Int(0).tag(sync=True)

    def __init__(self, name: str, items: list[dict[str, Any]], word: str | None) -> None:
        words = [item["word"] for item in items]
        if word is not None and word not in words:
            raise ValueError(f"word must be one of the {len(words)} items' words, got {word!r}")
        scale, chosen = color_scale(SEQUENTIAL), 0 if word is None else words.index(word)
        super().__init__(name, items=items, scale=scale, word=chosen)

    @traitlets.validate("word")
    def _check_word(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "word", len(self.items))

    @traitlets.validate("side")
    def _check_side(self, proposal: dict[str, Any]) -> str:
        return one_of(proposal["value"], "side", self.sides)

    @traitlets.validate("place")
    def _check_place(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "place", MAX_LENGTH)


def one_of(value: str, name: str, known: Sequence[str]) -> str:
    """Return the value. Raises: ValueError if it is none of the known ones."""
    if value not in known:
        raise ValueError(f"{name} must be one of {known}, got {value!r}")
    return value


def check_each(items: Any, check_item) -> list[dict[str, Any]]:
    """Return the items as `check_item(item, where)` returns them.

    Raises: TypeError or ValueError, naming the item, for no list, an empty one, words that occur
    twice, and what `check_item` raises.
    """
    if isinstance(items, Mapping | str) or not isinstance(items, Sequence):
        raise TypeError(f"items must be a list of mappings, got {type(items).__name__}")
    if not items:
        raise ValueError("items must not be empty")
    checked = [check_item(item, f"items[{k}]") for k, item in enumerate(items)]
    words = [item["word"] for item in checked]
    twice = sorted({word for word in words if words.count(word) > 1})
    if twice:
        raise ValueError(f"each word may occur once, got again: {twice}")
    return checked


def check_tokens(tokens: Any, where: str, what: str = "tokens") -> list[str]:
    """Return tokens as a list of 1 to 40 strings.

    Raises: TypeError if it is no sequence of strings; ValueError if it is empty or too long, or
    a token is blank.
    """
    if isinstance(tokens, str) or not isinstance(tokens, Sequence):
        raise TypeError(f"{where} must be a list of {what}, got {type(tokens).__name__}")
    if not 1 <= len(tokens) <= MAX_LENGTH:
        raise ValueError(f"{where} must number 1 to {MAX_LENGTH}, got {len(tokens)}")
    return [text_of(token, f"{where}[{k}]") for k, token in enumerate(tokens)]

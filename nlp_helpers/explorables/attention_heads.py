"""What every head of an encoder–decoder Transformer reads: its attention weights for real words."""

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
from nlp_helpers.explorables.base import html_table, index_of, real_array, text_of
from nlp_helpers.explorables.color_scale import two_decimals

KINDS = ("encoder", "decoder", "cross")
START, END = "start", "end"
_KEYS = ("word", "source", "target", "predicted", *KINDS)


class AttentionHeads(AttentionItems):
    """Choose a word, a kind of attention, a layer and a head, and see which query reads which key.

    Each item is a mapping with the keys word, source (the encoder's tokens), target (the decoder's
    input tokens, shifted right, so that the first is "start"), predicted (what the decoder predicts
    at each of these positions; the last is "end"), and the weights of all heads: encoder, decoder
    and cross. All items have the same numbers of layers and heads. `word` is the index of the
    chosen item, `kind` one of "encoder", "decoder", "cross"; `layer` and `head` count from 0, and
    `head` may be the number of heads: the mean of the layer's heads. `side` ("query", "key" or "")
    and `place` say what is marked.

    Weights are kept with two decimals, so they are at most 0.005 off; the decoder's are kept up to
    the diagonal only. A weight takes 4 bytes: a word of 9 letters and 8 decoder positions about
    9.3 KB at 3 layers of 4 heads, so that 20 such words fit in the 200 KB of a state.

    Shape: encoder [layer, head, source, source], decoder [layer, head, target, target],
    cross [layer, head, target, source].

    Raises: TypeError or ValueError for items that lack a key or do not fit together, target that
    is not shifted right, rows of weights that are not distributions, decoder weights on a later
    position, words that occur twice, and over 200 KB.
    """

    _source = "attention_heads.js"
    sides = ("", "query", "key")
    title = "What does each head read?"

    kind = traitlets.Unicode("encoder").tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        name: str = "attention-heads",
        items: Sequence[Mapping[str, Any]] = (),
        word: str | None = None,
    ) -> None:
        super().__init__(name, check_items(items), word)

    @property
    def n_layers(self) -> int:
        """The number of layers of each kind of attention."""
        return len(self.items[0]["encoder"])

    @property
    def n_heads(self) -> int:
        """The number of heads of each layer."""
        return len(self.items[0]["encoder"][0])

    @traitlets.validate("kind")
    def _check_kind(self, proposal: dict[str, Any]) -> str:
        return one_of(proposal["value"], "kind", KINDS)

    @traitlets.validate("layer")
    def _check_layer(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "layer", self.n_layers)

    @traitlets.validate("head")
    def _check_head(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "head", self.n_heads + 1)  # the last is their mean

    def weights(self, layer: int, head: int) -> np.ndarray:
        """Return the weights of a head as they are shown: of the chosen word and kind.

        Shape: returns [query, key]; what the decoder's mask hides is 0.
        """
        item = self.items[self.word]
        if head == self.n_heads:
            return np.mean([self.weights(layer, one) for one in range(head)], axis=0)
        shape = shape_of(item, self.kind)
        numbers = [float(word) for word in item[self.kind][layer][head].split(" ")]
        if self.kind != "decoder":
            return np.reshape(numbers, shape)
        weights = np.zeros(shape)
        weights[np.tril_indices(shape[0])] = numbers
        return weights

    def fallback_html(self) -> str:
        """Return the chosen head's weights, what all heads do with the word, and the words."""
        item = self.items[self.word]
        causal = self.kind == "decoder"
        rows = [
            [query, *("" if causal and j > i else f"{w:.2f}" for j, w in enumerate(row))]
            for i, (query, row) in enumerate(
                zip(queries_of(item, self.kind), self.weights(self.layer, self.head), strict=True)
            )
        ]
        name = self._name_of(self.layer, self.head)
        caption = f"{item['word']}, {self.kind}, {name}: attention weights, one row per query"
        chosen = html_table(caption, ["", *keys_of(item, self.kind)], rows)
        third = "start" if causal else "after"
        header = ["", "own", "before", third, "entropy"]
        heads = [(layer, head) for layer in range(self.n_layers) for head in range(self.n_heads)]
        lines = [
            [self._name_of(*at), *written(measured(self.weights(*at), self.kind))] for at in heads
        ]
        caption = (
            f"{item['word']}, {self.kind}: mean weight of a query on the key at its own position, "
            f"the one before and {'start' if causal else 'the one after'}, and mean entropy in bits"
        )
        words = [[one["word"], " ".join(one["predicted"])] for one in self.items]
        listed = html_table(f"The {len(words)} words", ["word", "predicted"], words)
        return (
            f'{chosen}<div class="nlpx-heads-printed">{html_table(caption, header, lines)}</div>'
            f'<div class="nlpx-heads-printed nlpx-heads-list">{listed}</div>'
        )

    def _name_of(self, layer: int, head: int) -> str:
        which = "mean of the heads" if head == self.n_heads else f"head {head + 1}"
        return f"layer {layer + 1}, {which}"


def queries_of(item: Mapping[str, Any], kind: str) -> list[str]:
    """Return the queries' tokens; in the decoder each with the token that it predicts."""
    if kind == "encoder":
        return list(item["source"])
    return [
        f"{read} → {next_one}"
        for read, next_one in zip(item["target"], item["predicted"], strict=True)
    ]


def keys_of(item: Mapping[str, Any], kind: str) -> list[str]:
    """Return the keys' tokens."""
    return list(item["target"] if kind == "decoder" else item["source"])


def shape_of(item: Mapping[str, Any], kind: str) -> tuple[int, int]:
    """Return the numbers of queries and of keys."""
    return len(queries_of(item, kind)), len(keys_of(item, kind))


def measured(weights: np.ndarray, kind: str) -> dict[str, float | None]:
    """Return the mean weight on some positions and the mean entropy of the rows.

    `own` is the key at the query's position, `before` and `after` its neighbours, `start` the first
    key; `before` and `start` are means over the queries from the second on. None where no query
    has such a key. Rows are scaled to sum to 1 for the entropy.

    Shape: weights [query, key], rows summing to 1 but for rounding.
    """
    own, before, after = (np.diagonal(weights, offset) for offset in (0, -1, 1))
    shares = weights / weights.sum(axis=1, keepdims=True)
    bits = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1)
    third = {"start": weights[1:, 0]} if kind == "decoder" else {"after": after}
    found = {"own": own, "before": before, **third, "entropy": bits}
    return {key: float(values.mean()) if values.size else None for key, values in found.items()}


def written(measures: Mapping[str, float | None]) -> list[str]:
    """Return weights with two decimals and the entropy, which their rounding blurs, with one."""
    digits = {"entropy": 1}
    return [
        "none" if value is None else f"{value:.{digits.get(key, 2)}f}"
        for key, value in measures.items()
    ]


def check_items(items: Any) -> list[dict[str, Any]]:
    """Return the items with weights as texts, one per layer and head.

    Raises: TypeError or ValueError, naming the item, for anything that does not fit together.
    """
    checked = check_each(items, check_item)
    stacks = [(len(item["encoder"]), len(item["encoder"][0])) for item in checked]
    for k, stack in enumerate(stacks):
        if stack != stacks[0]:
            raise ValueError(
                f"all items must have the same numbers of layers and heads: items[0] has "
                f"{list(stacks[0])}, items[{k}] has {list(stack)}"
            )
    return checked


def check_item(item: Any, where: str) -> dict[str, Any]:
    """Return one item as plain JSON types.

    Raises: TypeError for a wrong type; ValueError for a missing or unknown key, tokens that are
    not shifted right, a shape that does not fit, or weights that are no distributions.
    """
    if not isinstance(item, Mapping):
        raise TypeError(f"{where} must be a mapping, got {type(item).__name__}")
    if set(item) != set(_KEYS):
        raise ValueError(f"{where} must have the keys {', '.join(_KEYS)}: {[*item]}")
    word = text_of(item["word"], f"{where}['word']")
    if len(word) > MAX_LENGTH or not word.isprintable():
        raise ValueError(f"{where}['word'] must be 1 to {MAX_LENGTH} visible letters, got {word!r}")
    source, target, predicted = (
        check_tokens(item[key], f"{where}['{key}']") for key in ("source", "target", "predicted")
    )
    if len(predicted) != len(target):
        raise ValueError(
            f"{where} must predict one token at each of the {len(target)} target positions, got "
            f"{len(predicted)}"
        )
    if target[0] != START:
        raise ValueError(f"{where}['target'] must be shifted right: first {START!r}, got {target}")
    if predicted[-1] != END:
        raise ValueError(f"{where}['predicted'] must end in {END!r}, got {predicted}")
    checked = {"word": word, "source": source, "target": target, "predicted": predicted}
    stack: tuple[int | None, int | None] = (None, None)
    for kind in KINDS:
        shape = (*stack, *shape_of(checked, kind))
        weights = check_weights(item[kind], f"{where}['{kind}']", shape, causal=kind == "decoder")
        stack = weights.shape[:2]
        checked[kind] = kept(weights, causal=kind == "decoder")
    return checked


def check_weights(
    weights: Any, where: str, shape: tuple[int | None, ...], causal: bool
) -> np.ndarray:
    """Return attention weights as a float64 array [layer, head, query, key].

    Raises: TypeError or ValueError for a wrong type or shape; ValueError for a negative weight, a
    row that does not sum to 1 or, if `causal`, a weight on a later position.
    """
    array = real_array(weights, where, shape)
    if array.min() < 0:
        raise ValueError(f"{where} must not be negative, got {array.min():g}")
    sums = array.sum(axis=-1)
    worst = np.unravel_index(int(np.abs(sums - 1).argmax()), sums.shape)
    if abs(sums[worst] - 1) > TOLERANCE:
        layer, head, row = (int(k) for k in worst)
        raise ValueError(
            f"{where}: each row must sum to 1, row {row} of layer {layer}, head {head} sums to "
            f"{sums[worst]:.4g}"
        )
    later = np.argwhere(np.triu(array, 1) > 0) if causal else []
    if len(later):
        layer, head, row, column = later[0].tolist()
        raise ValueError(
            f"{where} must not look ahead: in layer {layer}, head {head} position {row} has a "
            f"weight of {array[layer, head, row, column]:.4g} on the later position {column}"
        )
    return array


def kept(weights: np.ndarray, causal: bool) -> list[list[str]]:
    """Return one text per layer and head: the weights row by row, up to the diagonal if causal.

    Shape: weights [layer, head, query, key].
    """
    n_queries, n_keys = weights.shape[2:]
    shown = np.tril(np.ones((n_queries, n_keys), dtype=bool), 0 if causal else n_keys)
    return [[two_decimals(head[shown]) for head in layer] for layer in weights]

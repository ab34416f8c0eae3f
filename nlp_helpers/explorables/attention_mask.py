"""What a mask does before and after the softmax, and what two wrong masks do."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets

from nlp_helpers.explorables.base import Explorable, html_table, index_of, real_array, text_of
from nlp_helpers.explorables.color_scale import color_scale
from nlp_helpers.plotting import DIVERGING, SEQUENTIAL

METHODS = {
    "minus-infinity": "−∞ before the softmax",
    "zero-scores": "0 before the softmax",
    "zero-weights": "0 after the softmax",
}
TOKENS_RANGE = (3, 8)
MAX_TOKEN = 12
MAX_SCORE = 100.0
_DECIMALS = 4


def allowed_pairs(n_tokens: int, padding: int, causal: bool) -> np.ndarray:
    """Return which query may attend to which key; the last `padding` tokens are padding.

    Query 1 always sees key 1, and so does every other query: no row is ever wholly forbidden.

    Shape: returns bool [query, key], True = may attend.
    """
    real = np.arange(n_tokens) < n_tokens - padding
    allowed = np.broadcast_to(real, (n_tokens, n_tokens))
    return np.tril(allowed) if causal else allowed.copy()


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis; minus infinity gets 0, also in a row of nothing else.

    Shape: scores [query, key]; returns the same.
    """
    top = scores.max(axis=-1, keepdims=True)
    powers = np.exp(scores - np.where(np.isfinite(top), top, 0.0))
    return powers / np.maximum(powers.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)


def mask_steps(
    scores: np.ndarray, allowed: np.ndarray, method: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return what stands between scores and weights, and the weights, as the page computes them.

    Between them stand the masked scores or, if the mask comes last ("zero-weights"), the weights
    that the softmax has given to all keys.

    Shape: scores [query, key]; allowed bool [query, key]; returns two of the same shape.
    """
    if method == "zero-weights":
        between = softmax(scores)
        return between, np.where(allowed, between, 0.0)
    between = np.where(allowed, scores, -np.inf if method == "minus-infinity" else 0.0)
    return between, softmax(between)


class AttentionMask(Explorable):
    """Choose a mask and a way to apply it, and see scores become weights.

    `padding` (how many of the last tokens are padding), `causal`, `method` ("minus-infinity",
    "zero-scores" or "zero-weights") and `row` (the marked query, -1 for none) are the reader's.
    Scores are kept with four decimals.

    Shape: scores [query, key], query = key = len(tokens): those of one head, already scaled.

    Raises: TypeError or ValueError for fewer than 3 or more than 8 tokens, blank or long ones,
    scores that do not fit them, are not finite or lie outside -100…100, and for a padding, a
    method or a row that there is not.
    """

    _source = "attention_mask.js"
    title = "What a mask does before and after the softmax"

    tokens = traitlets.List().tag(sync=True)
    scores = traitlets.List().tag(sync=True)
    scales = traitlets.Dict().tag(sync=True)
    padding = traitlets.Int(0).tag(sync=True)
    causal = traitlets.Bool(False).tag(sync=True)
    method = traitlets.Unicode("minus-infinity").tag(sync=True)
    row = traitlets.Int(-1).tag(sync=True)

    def __init__(
        self,
        name: str = "attention-mask",
        tokens: Sequence[str] | None = None,
        scores: Any = None,
        padding: int = 0,
        causal: bool = False,
        method: str = "minus-infinity",
    ) -> None:
        if tokens is None or scores is None:
            raise TypeError("AttentionMask needs tokens and their scores [query, key]")
        words = check_token_list(tokens)
        if not isinstance(causal, bool | np.bool_):
            raise TypeError(f"causal must be a bool, got {type(causal).__name__}")
        super().__init__(
            name,
            tokens=words,
            scores=check_scores(scores, len(words)).round(_DECIMALS).tolist(),
            scales={"score": color_scale(DIVERGING), "weight": color_scale(SEQUENTIAL)},
            padding=index_of(padding, "padding", len(words)),
            causal=bool(causal),
            method=check_method(method),
        )

    @traitlets.validate("padding")
    def _check_padding(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "padding", len(self.tokens))

    @traitlets.validate("method")
    def _check_method(self, proposal: dict[str, Any]) -> str:
        return check_method(proposal["value"])

    @traitlets.validate("row")
    def _check_row(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] == -1:
            return -1
        return index_of(proposal["value"], "row", len(self.tokens))

    def fallback_html(self) -> str:
        """Return scores and weights as tables, and what each of the three methods gives."""
        scores = np.array(self.scores)
        allowed = allowed_pairs(len(self.tokens), self.padding, self.causal)
        weights = mask_steps(scores, allowed, self.method)[1]
        header = ["query", *self.tokens]

        def lines(values: np.ndarray) -> list[list[str]]:
            return [
                [token, *(two(v) if may else f"✗ {two(v)}" for v, may in zip(*row, strict=True))]
                for token, *row in zip(self.tokens, values, allowed, strict=True)
            ]

        summed = [[*line, two(s)] for line, s in zip(lines(weights), weights.sum(1), strict=True)]
        tables = [
            html_table("Scores, a column for each key; ✗ forbidden", header, lines(scores)),
            html_table(f"Weights, {METHODS[self.method]}", [*header, "sum"], summed),
            html_table(
                f"{int((~allowed).sum())} of {allowed.size} pairs are forbidden",
                ["", "forbidden keys get at most", "smallest sum of a row"],
                [
                    [words, two(np.where(allowed, 0, final).sum(1).max()), two(final.sum(1).min())]
                    for words, final in (
                        (words, mask_steps(scores, allowed, method)[1])
                        for method, words in METHODS.items()
                    )
                ],
            ),
        ]
        padded = ", ".join(self.tokens[len(self.tokens) - self.padding :])
        note = f"Padding: {padded or 'none'}. Causal: {'yes' if self.causal else 'no'}."
        return "".join(tables) + f"<p>{html.escape(note)}</p>"


def two(value: float) -> str:
    """Return a number with two decimals and a real minus sign."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def check_token_list(tokens: Any) -> list[str]:
    """Return tokens as a list of 3 to 8 short strings.

    Raises: TypeError if they are no sequence of strings; ValueError for another number of them, or
    one that is blank, too long or cannot be printed.
    """
    if isinstance(tokens, str) or not isinstance(tokens, Sequence):
        raise TypeError(f"tokens must be a list of strings, got {type(tokens).__name__}")
    low, high = TOKENS_RANGE
    if not low <= len(tokens) <= high:
        raise ValueError(f"tokens must number {low} to {high}, got {len(tokens)}")
    words = [text_of(token, f"tokens[{k}]") for k, token in enumerate(tokens)]
    for k, word in enumerate(words):
        if len(word) > MAX_TOKEN or not word.isprintable():
            raise ValueError(
                f"tokens[{k}] must be 1 to {MAX_TOKEN} printable characters, got {word!r}"
            )
    return words


def check_scores(scores: Any, n_tokens: int) -> np.ndarray:
    """Return attention scores as a float64 array [query, key].

    Raises: TypeError or ValueError for a wrong type or shape, or a number beyond -100…100.
    """
    array = real_array(scores, "scores", (n_tokens, n_tokens))
    largest = array.ravel()[np.abs(array).argmax()]
    if abs(largest) > MAX_SCORE:
        raise ValueError(
            f"scores must lie between -{MAX_SCORE:g} and {MAX_SCORE:g} (divided by the square "
            f"root of d_k), got {largest:g}"
        )
    return array


def check_method(method: Any) -> str:
    """Return `method` if the page knows it.

    Raises: ValueError if it does not.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {[*METHODS]}, got {method!r}")
    return method

"""From models' probabilities at masked places to an item of `MaskedWord`: numbers in, mapping out.

How to get the probabilities: a model that reads both sides is asked once for each place, with the
token there replaced by [MASK]; a left-to-right model once for the sentence, its answer at a place
being its distribution for the next token after the place before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlp_helpers.explorables.base import index_of, real_array, rounded
from nlp_helpers.explorables.next_token import readable_text

N_SHOWN, MAX_SHOWN = 8, 20  # as many of the most probable tokens are shown
TOLERANCE = 1e-3  # of a sum of probabilities
DIGITS = 4  # of every number that is kept


def masked_word_item(
    tokens: Sequence[str],
    distributions: Mapping[str, Any],
    pieces: Sequence[str],
    true_ids: Sequence[int],
    places: Sequence[int],
    k: int = N_SHOWN,
) -> dict[str, Any]:
    """Return a sentence with each model's answer at each of its maskable places.

    `pieces` is the vocabulary that all models share; `true_ids` has the id of every token;
    `places` are the indices of the tokens that may be masked, rising, so without [CLS] and [SEP].
    A model has for each of these places, in their order, the probabilities of all pieces, or None
    where it has no answer. Compute them in float64 for pages that are compared across processors:
    two tokens that are nearly as probable must not change their order.

    Each answer has the k most probable tokens, of equals the lower id first, with their
    probabilities, the probability and rank of the true token, and the entropy in bits, all with
    four significant digits.

    Shape: true_ids [time]; each of `distributions` [place, vocab].

    Raises: TypeError or ValueError, naming the argument, for texts that are none or empty, ids and
    places out of range, a true id whose piece is not the token, places that do not rise, a number
    of rows that is not that of the places, rows that are no distributions over the pieces, and a k
    outside 1...20 or above the number of pieces.
    """
    texts, pieces = _texts(tokens, "tokens"), _texts(pieces, "pieces")
    places = check_places(places, "places", len(texts))
    ids = _ids(true_ids, texts, pieces)
    k = index_of(k, "k", min(MAX_SHOWN, len(pieces)) + 1)
    if k == 0:
        raise ValueError("k must be at least 1, got 0")
    if not isinstance(distributions, Mapping) or not distributions:
        raise ValueError(
            f"distributions must be models by name, at least one, got {distributions!r:.80}"
        )
    answers = {}
    for model, rows in distributions.items():
        where = f"distributions[{model!r}]"
        if not hasattr(rows, "__len__") or len(rows) != len(places):
            got = f"{len(rows)}" if hasattr(rows, "__len__") else type(rows).__name__
            raise ValueError(f"{where} must have a row for each of {len(places)} places, got {got}")
        answers[model] = [
            None if row is None else answer_at(row, ids[place], pieces, k, f"{where}[{i}]")
            for i, (row, place) in enumerate(zip(rows, places, strict=True))
        ]
    return {
        "tokens": [readable_text(token) for token in texts],
        "places": places,
        "vocab_size": len(pieces),
        "answers": answers,
    }


def answer_at(
    row: Any, true_id: int, pieces: Sequence[str], k: int, where: str = "row"
) -> dict[str, Any]:
    """Return what a model thinks of one place: the k most probable tokens, the true one, how open.

    Shape: row [vocab].

    Raises: TypeError or ValueError for what is no distribution over the pieces.
    """
    p = real_array(row, where, (len(pieces),))
    if p.min() < 0:
        raise ValueError(f"{where} must not be negative, got {p.min():g}")
    if abs(p.sum() - 1) > TOLERANCE:
        raise ValueError(f"{where} must sum to 1, it sums to {p.sum():.4g}")
    order = np.argsort(-p, kind="stable")
    bits = -(p * np.log2(np.where(p > 0, p, 1))).sum()
    found = {
        "tokens": [readable_text(pieces[token]) for token in order[:k]],
        "probabilities": p[order[:k]].clip(0, 1),
        "probability": min(p[true_id], 1.0),
        "rank": int(np.flatnonzero(order == true_id)[0]) + 1,
        "entropy": max(bits, 0.0),
    }
    return rounded(found, DIGITS)


def check_places(places: Any, name: str, n_tokens: int) -> list[int]:
    """Return the indices of tokens that may be masked.

    Raises: TypeError if they are no list of ints; ValueError for none, one out of range, or if they
    do not rise.
    """
    if isinstance(places, str) or not isinstance(places, Sequence | range):
        raise TypeError(f"{name} must be a list of ints, got {type(places).__name__}")
    if not places:
        raise ValueError(f"{name} must not be empty")
    checked = [index_of(place, f"{name}[{i}]", n_tokens) for i, place in enumerate(places)]
    if checked != sorted(set(checked)):
        raise ValueError(f"{name} must rise, got {checked}")
    return checked


def _texts(texts: Any, name: str) -> list[str]:
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise TypeError(f"{name} must be a list of texts, got {type(texts).__name__}")
    if not texts:
        raise ValueError(f"{name} must not be empty")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"{name}[{i}] must be a string, got {type(text).__name__}")
        if not text:
            raise ValueError(f"{name}[{i}] must not be empty")
    return list(texts)


def _ids(true_ids: Any, tokens: list[str], pieces: list[str]) -> list[int]:
    """Return the tokens' ids. Raises: TypeError or ValueError if they are not the tokens'."""
    ids = true_ids.tolist() if hasattr(true_ids, "tolist") else true_ids
    if isinstance(ids, str) or not isinstance(ids, Sequence):
        raise TypeError(f"true_ids must be a list of ints, got {type(true_ids).__name__}")
    if len(ids) != len(tokens):
        raise ValueError(f"true_ids must number {len(tokens)}, as the tokens, got {len(ids)}")
    checked = [index_of(one, f"true_ids[{i}]", len(pieces)) for i, one in enumerate(ids)]
    for i, (one, token) in enumerate(zip(checked, tokens, strict=True)):
        if pieces[one] != token:
            raise ValueError(
                f"true_ids[{i}] is {one}, the piece {pieces[one]!r}, but tokens[{i}] is {token!r}"
            )
    return checked

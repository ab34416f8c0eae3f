"""Grapheme to phoneme: let a trained model write pronunciations, and score them on CMUdict.

The model is any with `start(source, source_mask) -> state` and `step(tokens, state) -> (logits,
state)`, over the letters and phonemes of `data.cmudict`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nlp_helpers.checks import check_int
from nlp_helpers.data.cmudict import PHONEMES, Cmudict, encode_word
from nlp_helpers.data.pairs import pad
from nlp_helpers.decoding import Hypothesis, beam_search, generate
from nlp_helpers.metrics import phoneme_error_rate, word_error_rate

START, END = PHONEMES["<start>"], PHONEMES["<end>"]
SPECIALS = frozenset(range(len(PHONEMES.specials)))


def max_phonemes(word: str) -> int:
    """How many phonemes a model may write for a word, the end included, before it is stopped."""
    return 2 * len(word) + 5


def phonemes_of(tokens: Sequence[int]) -> tuple[str, ...]:
    """Ids as a model wrote them -> phonemes, up to the first end; padding and start left out."""
    tokens = list(tokens)
    if END in tokens:
        tokens = tokens[: tokens.index(END)]
    return tuple(PHONEMES.decode([token for token in tokens if token not in SPECIALS]))


@torch.no_grad()
def pronounce(model, words: Sequence[str], batch_size: int = 256) -> list[tuple[str, ...]]:
    """Write the pronunciation of each word, greedily.

    Words of like length are written together, each up to its own limit (`max_phonemes`): the
    result does not depend on the batch. It is in the order of `words`.

    Raises:
        ValueError: no words, a letter that is not a to z, batch_size < 1.
        TypeError: a word that is not a string.
    """
    found: list[tuple[str, ...]] = [()] * len(words)
    for rows, source, mask in _groups(words, batch_size):
        prompt = torch.full((len(rows), 1), START)
        n_tokens = max_phonemes(words[rows[-1]])  # the longest word's
        state = model.start(source, mask)
        written = generate(model.step, prompt, n_tokens, state=state, stop_token=END)
        for row, tokens in zip(rows, written[:, 1:].tolist(), strict=True):
            found[row] = phonemes_of(tokens[: max_phonemes(words[row])])
    return found


@torch.no_grad()
def pronounce_by_beam(
    model,
    words: Sequence[str],
    beam_width: int,
    length_penalty: float = 0.0,
    batch_size: int = 128,
) -> list[list[Hypothesis]]:
    """The best hypotheses for each word, by beam search; best first (see `decoding.beam_search`).

    Each word's search has its own limit (`max_phonemes`), whatever the batch.

    Raises:
        ValueError: as `pronounce` and `beam_search`.
        TypeError: a word that is not a string.
    """
    found: list[list[Hypothesis]] = [[]] * len(words)

    def search(rows: list[int], source: Tensor, mask: Tensor) -> list[list[Hypothesis]]:
        prompt, limit = torch.full((len(rows), 1), START), max_phonemes(words[rows[-1]])
        state, penalty = model.start(source, mask), length_penalty
        return beam_search(model.step, prompt, beam_width, limit, END, state, penalty)

    for rows, source, mask in _groups(words, batch_size):
        for row, best in zip(rows, search(rows, source, mask), strict=True):
            if max(len(one.tokens) for one in best) > max_phonemes(words[row]):  # went on too long
                (best,) = search([row], *pad([encode_word(words[row])]))
            found[row] = best
    return found


def error_rates(
    dictionary: Cmudict, words: Sequence[str], pronunciations: Sequence[Sequence[str]]
) -> tuple[float, float]:
    """Phoneme and word error rate against all the dictionary's pronunciations, as fractions.

    Raises:
        ValueError: a word that is not in the dictionary, or lists of different length.
    """
    references = [dictionary.references(word) for word in words]
    return (
        phoneme_error_rate(pronunciations, references),
        word_error_rate(pronunciations, references),
    )


def _groups(words: Sequence[str], batch_size: int):
    """Words in batches, shortest first: (their places in the list, source, mask)."""
    if isinstance(words, str) or len(words) == 0:
        raise ValueError(f"words must be a list of at least one word, got {words!r}")
    check_int("batch_size", batch_size)
    encoded = [encode_word(word) for word in words]
    order = sorted(range(len(words)), key=lambda i: len(words[i]))
    for first in range(0, len(order), batch_size):
        rows = order[first : first + batch_size]
        yield rows, *pad([encoded[i] for i in rows])

"""A vocabulary: the two-way table between tokens and integer ids."""

from collections import Counter
from collections.abc import Iterable, Sequence

UNK = "<unk>"


class Vocab:
    """Number the distinct tokens of an iterable: specials first, then by falling count.

    Tokens of equal count are ordered by their code points, so the same tokens always get the
    same ids, whatever order they arrive in.

    Args:
        tokens: the tokens to count, for example all words of a text.
        specials: tokens that come first, in this order, whether they occur or not, for example
            ``("<pad>", "<unk>", "<bos>", "<eos>")``. With ``"<unk>"`` among them, ``encode``
            maps unknown tokens to it.
        min_count: leave out tokens seen fewer times (specials always stay).
        max_size: keep at most this many tokens in all, specials included.
    Raises:
        TypeError: ``tokens`` is not an iterable of strings, or a number is not an int.
        ValueError: a special given twice, ``min_count < 1``, ``max_size`` too small for the
            specials, or a vocabulary that would be empty.
    """

    def __init__(
        self,
        tokens: Iterable[str],
        *,
        specials: Sequence[str] = (),
        min_count: int = 1,
        max_size: int | None = None,
    ):
        if isinstance(specials, str):
            raise TypeError(f"specials must be a sequence of strings, got the string {specials!r}")
        specials = _strings(specials, "specials")
        if len(set(specials)) < len(specials):
            raise ValueError(f"specials must be distinct, got {specials}")
        _at_least(min_count, 1, "min_count")
        if max_size is not None:
            _at_least(max_size, max(1, len(specials)), "max_size")
        seen = Counter(_strings(tokens, "tokens"))
        kept = [t for t, count in seen.items() if count >= min_count and t not in set(specials)]
        kept.sort(key=lambda token: (-seen[token], token))
        self.tokens: tuple[str, ...] = tuple((specials + kept)[:max_size])
        if not self.tokens:
            raise ValueError(
                f"the vocabulary would be empty ({len(seen)} distinct tokens, min_count="
                f"{min_count}): give it tokens, or lower min_count"
            )
        self.counts: tuple[int, ...] = tuple(seen[token] for token in self.tokens)
        self.specials: tuple[str, ...] = tuple(specials)
        self._ids = {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def __getitem__(self, token: str) -> int:
        """The id of one token (``<unk>``'s for an unknown one, as in ``encode``)."""
        return self.encode([token])[0]

    def __repr__(self) -> str:
        return f"Vocab({len(self)} tokens, specials={self.specials})"

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Turn tokens into ids.

        Raises:
            TypeError: ``tokens`` is not an iterable of strings.
            ValueError: a token is unknown and the vocabulary has no ``<unk>``.
        """
        tokens = _strings(tokens, "tokens")
        unknown = self._ids.get(UNK)
        ids = [self._ids.get(token, unknown) for token in tokens]
        if unknown is None and None in ids:
            position = ids.index(None)
            raise ValueError(
                f"unknown token {tokens[position]!r} at position {position}: it is not among the "
                f"{len(self)} tokens of the vocabulary; remove it, build the vocabulary from text "
                f'that holds it, or build it with specials=("{UNK}",)'
            )
        return ids

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Turn ids (ints, or a 1-D integer tensor or array) into tokens.

        Raises:
            TypeError: an id is not an integer.
            ValueError: an id is below 0 or not below ``len(self)``.
        """
        return [self.tokens[i] for i in check_ids(ids, len(self))]


def check_ids(ids: Iterable[int], vocab_size: int) -> list[int]:
    """Return ids as a list of ints after checking them.

    Raises:
        TypeError: ``ids`` is not an iterable of integers.
        ValueError: an id is below 0 or not below ``vocab_size``.
    """
    if hasattr(ids, "tolist"):
        ids = ids.tolist()
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise TypeError(f"ids must be a sequence of integers, got {ids!r}")
    ids = list(ids)
    for position, i in enumerate(ids):
        if isinstance(i, bool) or not hasattr(i, "__index__"):
            raise TypeError(f"ids must be integers, got {i!r} at position {position}")
        if not 0 <= i < vocab_size:
            raise ValueError(
                f"id {i} at position {position} is out of range: the vocabulary has "
                f"{vocab_size} tokens, ids 0 to {vocab_size - 1}"
            )
    return ids


def _strings(tokens: Iterable[str], name: str) -> list[str]:
    if isinstance(tokens, bytes) or not isinstance(tokens, Iterable):
        raise TypeError(f"{name} must be an iterable of strings, got {type(tokens).__name__}")
    tokens = list(tokens)
    for position, token in enumerate(tokens):
        if not isinstance(token, str):
            raise TypeError(f"{name} must be strings, got {token!r} at position {position}")
    return tokens


def _at_least(value: int, least: int, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")

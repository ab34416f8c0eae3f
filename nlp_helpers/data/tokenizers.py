"""Tokenizers that cut at characters and at words; ``encode`` gives a 1-D LongTensor."""

import re
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from nlp_helpers.data.vocabulary import UNK, Vocab

# A word with inner apostrophes or hyphens, a number, or one mark of punctuation.
_WORD = re.compile(r"\d+(?:\.\d+)*|\w+(?:['-]\w+)*|[^\w\s]")


class CharTokenizer:
    """One token per character; ``decode(encode(text)) == text`` exactly.

    Build it with ``CharTokenizer.train(text)``, or from a ``Vocab`` of single characters.

    Raises:
        TypeError: ``vocab`` is not a ``Vocab``.
        ValueError: a token of ``vocab`` is not a single character.
    """

    def __init__(self, vocab: Vocab):
        self.vocab = _check_vocab(vocab)
        for token in vocab.tokens:
            if len(token) != 1:
                raise ValueError(f"CharTokenizer needs tokens of one character, got {token!r}")
        points = np.array([ord(token) for token in vocab.tokens])
        self._order = np.argsort(points)  # ids by rising code point
        self._points = points[self._order]

    @classmethod
    def train(cls, text: str) -> "CharTokenizer":
        """Make a tokenizer that knows the characters of ``text``.

        Raises:
            TypeError: ``text`` is not a string.
            ValueError: ``text`` is empty.
        """
        return cls(Vocab(_check_text(text)))

    @property
    def vocab_size(self) -> int:
        """How many characters the tokenizer knows."""
        return len(self.vocab)

    def encode(self, text: str) -> Tensor:
        """Turn text into ids.

        Shape:
            returns: LongTensor [time], one id per character.
        Raises:
            TypeError: ``text`` is not a string.
            ValueError: ``text`` is empty or holds a character not seen in training.
        """
        points = np.array(_check_text(text), dtype=np.str_).reshape(1).view(np.uint32)
        rank = np.searchsorted(self._points, points).clip(max=len(self._points) - 1)
        unknown = np.flatnonzero(self._points[rank] != points)
        if len(unknown):
            position = int(unknown[0])
            raise ValueError(
                f"unknown character {text[position]!r} at position {position}: the tokenizer "
                f"knows {self.vocab_size} characters; replace it, or train the tokenizer on "
                "text that holds it"
            )
        return torch.from_numpy(self._order[rank].astype(np.int64))

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids (ints, or a 1-D integer tensor) back into text.

        Raises:
            TypeError: an id is not an integer.
            ValueError: an id is out of range.
        """
        return "".join(self.vocab.decode(ids))


class WordTokenizer:
    """One token per word, number or mark of punctuation; unknown words become ``<unk>``.

    White space is not kept: ``decode`` puts one space between tokens.

    Raises:
        TypeError: ``vocab`` is not a ``Vocab``, or ``lower`` is not a bool.
    """

    def __init__(self, vocab: Vocab, *, lower: bool = False):
        if not isinstance(lower, bool):
            raise TypeError(f"lower must be True or False, got {lower!r}")
        self.vocab = _check_vocab(vocab)
        self.lower = lower

    @classmethod
    def train(
        cls, text: str, *, min_count: int = 1, max_size: int | None = None, lower: bool = False
    ) -> "WordTokenizer":
        """Make a tokenizer that knows ``<unk>`` (id 0) and the words of ``text``.

        Args:
            text: what to count words in.
            min_count: words seen fewer times become ``<unk>``.
            max_size: at most this many tokens, ``<unk>`` included.
            lower: put text into lower case before cutting it.
        Raises:
            TypeError: ``text`` is not a string, or an option has the wrong type.
            ValueError: ``text`` is empty, or an option is out of range.
        """
        words = split_words(text, lower=lower)
        vocab = Vocab(words, specials=(UNK,), min_count=min_count, max_size=max_size)
        return cls(vocab, lower=lower)

    @property
    def vocab_size(self) -> int:
        """How many tokens the tokenizer knows."""
        return len(self.vocab)

    def encode(self, text: str) -> Tensor:
        """Turn text into ids.

        Shape:
            returns: LongTensor [time], one id per word or mark.
        Raises:
            TypeError: ``text`` is not a string.
            ValueError: ``text`` is empty or only white space, or holds an unknown word while
                the vocabulary has no ``<unk>``.
        """
        words = split_words(text, lower=self.lower)
        return torch.tensor(self.vocab.encode(words), dtype=torch.long)

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids (ints, or a 1-D integer tensor) into tokens joined by one space.

        Raises:
            TypeError: an id is not an integer.
            ValueError: an id is out of range.
        """
        return " ".join(self.vocab.decode(ids))


def split_words(text: str, *, lower: bool = False) -> list[str]:
    """Cut text into words, numbers and marks of punctuation.

    Raises:
        TypeError: ``text`` is not a string, or ``lower`` is not a bool.
        ValueError: ``text`` is empty or only white space.
    """
    if not isinstance(lower, bool):
        raise TypeError(f"lower must be True or False, got {lower!r}")
    words = _WORD.findall(_check_text(text).lower() if lower else _check_text(text))
    if not words:
        raise ValueError(f"text holds no word: {text[:40]!r}")
    return words


def _check_text(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {type(text).__name__}: {text!r:.60}")
    if not text:
        raise ValueError("text is empty: give at least one character")
    return text


def _check_vocab(vocab: Vocab) -> Vocab:
    if not isinstance(vocab, Vocab):
        raise TypeError(
            f"vocab must be a Vocab, got {type(vocab).__name__}; "
            "to build one from text call the class's train(text)"
        )
    return vocab

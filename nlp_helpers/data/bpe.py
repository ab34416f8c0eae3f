"""The tokenizer of GPT-2, byte-level byte-pair encoding: learned from text, then applied to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path

import regex

from nlp_helpers.checks import check_int
from nlp_helpers.data.bpe_files import (
    check_merges,
    check_specials,
    check_text,
    check_vocab,
    read_merges,
    read_vocab,
    write_files,
)
from nlp_helpers.data.bpe_merges import (
    PATTERN,
    MergeLearner,
    Pair,
    byte_alphabet,
    count_words,
    merge_pair,
)
from nlp_helpers.data.vocabulary import check_ids

CACHE_SIZE = 2**16  # words whose pieces are remembered


@dataclass(frozen=True)
class MergeStep:
    """One merge: its pair, how often the pair occurred, and each word's pieces after it."""

    pair: Pair
    count: int
    words: dict[str, tuple[str, ...]]


def merge_steps(
    words_or_text: Mapping[str, int] | str | Iterable[str], n_merges: int
) -> list[MergeStep]:
    """The first merges that training learns, step by step, to be looked at on a few words.

    Args:
        words_or_text: words with their counts, taken as they are, or one text or several.
        n_merges: how many; fewer when no pair is left.
    Raises:
        TypeError: what is neither words with counts nor text; a number that is not an int.
        ValueError: a count or n_merges below 1, a lone surrogate.
    """
    check_int("n_merges", n_merges)
    if isinstance(words_or_text, Mapping):
        words = {check_text("word", word): count for word, count in words_or_text.items()}
        for word, count in words.items():
            check_int(f"the count of {word!r}", count)
    else:
        words = count_words(words_or_text)
    learner = MergeLearner(words)
    return [
        MergeStep(pair, count, {word: tuple(pieces) for word, pieces in learner.cuts.items()})
        for pair, count in learner.steps(n_merges)
    ]


class ByteLevelBPE:
    """GPT-2's tokenizer: each word is cut into bytes, and learned merges join them again.

    Any text can be written, without an unknown token, and `decode(encode(text)) == text`.
    Special tokens never come out of ordinary text unless `specials=True` asks for it.

    Source: Sennrich et al. 2016, section 3.2; Radford et al. 2019, section 2.2.

    Args:
        vocab: each piece with its id; the ids are 0 to n - 1.
        merges: pairs of pieces, the first learned first.
        specials: the special tokens; those that vocab lacks get the next ids. None: the pieces
            of vocab that are no byte's symbol and that no merge makes, as in GPT-2's own files.
    Raises:
        TypeError: a vocab, merges or specials of another type.
        ValueError: ids that are not 0 to n - 1, a byte without its symbol; a merge whose pieces
            are not in vocab or not made before it, or given twice; a special that is a piece of
            ordinary text; with specials given, a piece that is neither made nor special.
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        merges: Iterable[Pair],
        specials: Sequence[str] | None = None,
    ):
        self._alphabet = byte_alphabet()
        symbols = set(self._alphabet.values())
        vocab = check_vocab("vocab", vocab, symbols)
        self.merges: list[Pair] = check_merges(merges, vocab, symbols)
        made = symbols | {left + right for left, right in self.merges}
        specials = check_specials(specials, vocab, made)
        ordered = sorted(vocab, key=vocab.__getitem__)
        self.pieces: list[str] = ordered + [name for name in specials if name not in vocab]
        self.vocab: dict[str, int] = {piece: i for i, piece in enumerate(self.pieces)}
        self.specials: tuple[str, ...] = tuple(p for p in self.pieces if p not in made)
        byte_of = {symbol: byte for byte, symbol in self._alphabet.items()}
        self._bytes = [
            bytes(byte_of[symbol] for symbol in piece) if piece in made else piece.encode()
            for piece in self.pieces
        ]
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        longest_first = sorted(self.specials, key=len, reverse=True)
        self._special_pattern = regex.compile(f"({'|'.join(map(regex.escape, longest_first))})")
        self._cache: dict[str, list[str]] = {}

    @classmethod
    def train(
        cls,
        text_or_texts: str | Iterable[str],
        vocab_size: int,
        specials: Sequence[str] = (),
        *,
        min_count: int = 1,
    ) -> "ByteLevelBPE":
        """Learn merges: the most frequent pair of neighbours becomes a piece, again and again.

        Of pairs that are equally frequent, the one whose ids come first is merged (the first
        piece's id, then the second's). This is the rule of `BpeTrainer` of tokenizers, and the
        merges are equal to its merges. Ids are GPT-2's: 256 bytes, then the merges' pieces, then
        the specials, where `BpeTrainer` puts specials first. When no pair is left before
        vocab_size is reached, there are fewer pieces, as in `BpeTrainer`.

        Args:
            text_or_texts: one text, or several; no word crosses from one text to the next.
                (To train from files, tokenizers takes each line as a text.)
            vocab_size: bytes, merged pieces and specials together.
            specials: names of special tokens; no merge makes one of them.
            min_count: leave pairs that occur fewer times. (`ByteLevelBPETokenizer.train` has 2.)
        Raises:
            TypeError: a text that is not a string, a number that is not an int.
            ValueError: a vocab_size below 256 and the specials, a special that is the symbol of
                a byte, a lone surrogate.
        """
        specials = check_specials(specials, {}, set(byte_alphabet().values()))
        check_int("vocab_size", vocab_size, 256 + len(specials))
        check_int("min_count", min_count)
        learner = MergeLearner(count_words(text_or_texts), specials)
        n_merges = vocab_size - 256 - len(specials)
        merges = [pair for pair, _ in learner.steps(n_merges, min_count)]
        return cls(learner.vocab, merges, specials)

    @classmethod
    def from_files(
        cls, vocab_json: Path | str, merges_txt: Path | str, specials: Sequence[str] | None = None
    ) -> "ByteLevelBPE":
        """The tokenizer of two files in GPT-2's layout, vocab.json and merges.txt.

        Args:
            specials: as in the constructor. Naming them also finds a merges.txt that was cut
                off, because pieces that no merge makes are then refused.
        Raises:
            FileNotFoundError: a file that is not there.
            ValueError: a file that is malformed, naming the file, and in merges.txt the line; a
                vocabulary that does not fit the merges and the specials.
        """
        symbols = set(byte_alphabet().values())
        vocab = check_vocab(str(vocab_json), read_vocab(Path(vocab_json)), symbols)
        merges, lines = read_merges(Path(merges_txt))
        return cls(vocab, check_merges(merges, vocab, symbols, lines), specials)

    def save(self, folder: Path | str) -> None:
        """Write vocab.json and merges.txt, both or neither; `from_files` reads them again."""
        write_files(Path(folder), self.vocab, self.merges)

    def __repr__(self) -> str:
        sizes = f"{self.vocab_size} pieces, {len(self.merges)} merges"
        return f"ByteLevelBPE({sizes}, specials={self.specials})"

    @property
    def vocab_size(self) -> int:
        """How many ids there are, specials included."""
        return len(self.pieces)

    def tokenize(self, text: str, *, specials: bool = False) -> list[str]:
        """Cut text into pieces, written in the byte alphabet: " world" is "Ġworld".

        Args:
            text: any text; an empty one has no pieces.
            specials: whether the name of a special token in the text stands for that token, as
                in the GPT-2 tokenizer of transformers (the longest name that starts first).
                Without it "<|endoftext|>" is cut like any other text.
        Raises:
            TypeError: text that is not a string, specials that is not a bool.
            ValueError: a lone surrogate, which has no UTF-8 bytes.
        """
        if not isinstance(specials, bool):
            raise TypeError(f"specials must be True or False, got {specials!r}")
        check_text("text", text)
        parts = self._special_pattern.split(text) if specials and self.specials else [text]
        pieces: list[str] = []
        for i, part in enumerate(parts):
            if i % 2:  # between two ordinary parts stands a special
                pieces.append(part)
                continue
            for word in PATTERN.findall(part):
                pieces += self._pieces_of(word)
        return pieces

    def _pieces_of(self, word: str) -> list[str]:
        """Join a word's bytes by the merges, the earliest learned first."""
        if word in self._cache:
            return self._cache[word]
        pieces = [self._alphabet[byte] for byte in word.encode()]
        while len(pieces) > 1:
            pair = min(pairwise(pieces), key=lambda pair: self._ranks.get(pair, inf))
            if pair not in self._ranks:
                break
            pieces = merge_pair(pieces, pair)
        if len(self._cache) == CACHE_SIZE:
            self._cache.clear()
        self._cache[word] = pieces
        return pieces

    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        """The ids of `tokenize`'s pieces; its arguments and errors."""
        return [self.vocab[piece] for piece in self.tokenize(text, specials=specials)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids (ints, or a 1-D integer tensor); a special is its name.

        Bytes that are no UTF-8 (an id may be a part of a character) become U+FFFD.

        Raises:
            TypeError: an id that is not an integer.
            ValueError: an id out of range.
        """
        return b"".join(self._bytes[i] for i in check_ids(ids, self.vocab_size)).decode(
            errors="replace"
        )

    def readable(self, i: int) -> str:
        """A piece as text for a table: a space is "·", a line feed "\\n", a stray byte "\\xe2".

        Raises:
            TypeError, ValueError: as in `decode`.
        """
        check_ids([i], self.vocab_size)
        if self.pieces[i] in self.specials:
            return self.pieces[i]
        text = self._bytes[i].decode(errors="backslashreplace").replace(" ", "·")
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

    def special_id(self, name: str) -> int:
        """The id of a special token.

        Raises:
            ValueError: a name that is no special token's (the known ones are listed).
        """
        if name not in self.specials:
            known = ", ".join(self.specials) or "none"
            raise ValueError(f"no special token {name!r}; there are: {known}")
        return self.vocab[name]

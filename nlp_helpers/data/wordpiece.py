"""BERT's tokenizer, WordPiece: words are cut into the longest pieces that the vocabulary has."""

import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nlp_helpers.checks import check_int
from nlp_helpers.data.bpe_files import check_text
from nlp_helpers.data.vocabulary import check_ids
from nlp_helpers.data.wordpiece_files import (
    SPECIALS,
    check_pieces,
    read_options,
    read_pieces,
    write_files,
)
from nlp_helpers.data.wordpiece_text import BasicTokenizer, lower
from nlp_helpers.data.wordpiece_training import alphabet_of, learn_pieces

PAD, UNK, CLS, SEP, MASK = SPECIALS

CACHE_SIZE = 2**16  # parts of texts whose pieces are remembered ...
CACHED_LENGTH = 40  # ... if they have no more characters

# A special token, or what stands between white space and special tokens. (In Python "\s" is more:
# it has control characters in it, which are taken away and separate nothing.)
_SPECIAL = rf"\[(?:{'|'.join(name[1:-1] for name in SPECIALS)})\]"
_SPACE = " \t\n\r\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_PARTS = re.compile(rf"{_SPECIAL}|(?:[^{_SPACE}\[]|(?!{_SPECIAL})\[)+")

Placed = tuple[str, int, int]  # a piece, and where in the text it begins and ends


@dataclass(frozen=True)
class MatchStep:
    """One place in a word: the pieces that were tried there, in order, and the one taken.

    `taken` is None where no piece fits: then the whole word is [UNK].
    """

    begin: int
    end: int
    tried: tuple[str, ...]
    taken: str | None


def match_steps(word: str, vocab: Collection[str], longest: int | None = None) -> list[MatchStep]:
    """How a word is cut into pieces, place by place: the longest match first.

    Pieces that do not begin the word have "##" before them.

    Source: Devlin et al. 2019, section 3; `WordpieceTokenizer` in the released `tokenization.py`.

    Args:
        word: one word, as it comes out of `BasicTokenizer`.
        vocab: pieces, for example a WordPiece's `vocab`.
        longest: try no piece of more characters.
    Raises:
        TypeError: a word that is not a string, a vocab that is no collection of pieces.
        ValueError: an empty word, a longest below 1.
    """
    if not check_text("word", word):
        raise ValueError("word must have characters, got ''")
    if isinstance(vocab, str | bytes) or not isinstance(vocab, Collection):
        raise TypeError(f"vocab must be a collection of pieces, got {type(vocab).__name__}")
    check_int("longest", len(word) if longest is None else longest)
    steps, begin = [], 0
    while begin < len(word):
        tried, taken = [], None
        end = min(len(word), begin + (longest or len(word)))
        while taken is None and end > begin:
            tried.append("##" * (begin > 0) + word[begin:end])
            if tried[-1] in vocab:
                taken = tried[-1]
            else:
                end -= 1
        steps.append(MatchStep(begin, end, tuple(tried), taken))
        if taken is None:
            break
        begin = end
    return steps


class WordPiece:
    """BERT's tokenizer: text is cut into words, and each word into pieces of the vocabulary.

    The name of a special token in the text stands for that token wherever it is, inside a word
    too, if it is written exactly so: "[MASK]" is one piece, "[mask]" three or more.

    Pieces, ids and offsets are those of tokenizers 0.23.3 (and transformers 5, which uses it).
    Google's code differs in that it cuts special tokens like other text, allows 200 characters
    in a word, and as `BasicTokenizer` says.

    Source: Schuster and Nakajima 2012; Wu et al. 2016, section 4.1; Devlin et al. 2019, section 3.

    Args:
        vocab: each piece with its id (0 to n - 1), or the pieces in the order of their ids; the
            special tokens [PAD], [UNK], [CLS], [SEP] and [MASK] among them.
        lower_case: put letters in lower case.
        strip_accents: take accents away; None: if lower_case.
        chinese_characters: each Chinese character is a word.
        max_characters: a longer word is [UNK].
    Raises:
        TypeError: a vocab, a piece or an option of another type.
        ValueError: ids that are not 0 to n - 1; a piece that is empty, holds the end of a line or
            is given twice; a special token that is missing; a max_characters below 1.
    """

    def __init__(
        self,
        vocab: Mapping[str, int] | Sequence[str],
        lower_case: bool = True,
        strip_accents: bool | None = None,
        chinese_characters: bool = True,
        max_characters: int = 100,
    ):
        self.pieces: list[str] = check_pieces(vocab)
        self.vocab: dict[str, int] = {piece: i for i, piece in enumerate(self.pieces)}
        self.basic = BasicTokenizer(lower_case, strip_accents, chinese_characters)
        check_int("max_characters", max_characters)
        self.max_characters = max_characters
        self.special_ids: frozenset[int] = frozenset(self.vocab[name] for name in SPECIALS)
        self._longest = max(map(len, self.pieces))
        self._cache: dict[str, list[Placed]] = {}

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int,
        score: str = "likelihood",
        lower_case: bool = True,
        strip_accents: bool | None = None,
        chinese_characters: bool = True,
        max_characters: int = 100,
        *,
        min_frequency: int = 2,
    ) -> "WordPiece":
        """Learn pieces: from characters upwards, the best pair of neighbours becomes one piece.

        Ids: the special tokens, in the order [PAD] [UNK] [CLS] [SEP] [MASK]; all characters by
        code point; those that stand inside a word once more, with "##"; then the joined pieces
        in the order they were learned. When nothing is left to join before vocab_size is reached,
        there are fewer. The same texts, in any order, give the same pieces.

        Google has never released its trainer. "likelihood" follows the idea in the papers: join
        the pair that raises the likelihood of the texts most, where a text is pieces drawn one
        by one. The gain is about count(ab) · log(count(ab) · N / (count(a) · count(b))), see
        `LikelihoodLearner`. The ratio that is often given in its place,
        count(ab) / (count(a) · count(b)), has no factor count(ab), so that pairs of rare pieces
        come first. "frequency" joins the most frequent pair, as in BPE; it is what
        `WordPieceTrainer` of tokenizers does, and the pieces are equal to its pieces (there the
        ids of the characters with "##", and with them ties, change from run to run).

        Args:
            texts: one text, or several; special tokens in them are cut like any other text.
            vocab_size: special tokens, characters and joined pieces together.
            score: "likelihood" or "frequency".
            min_frequency: leave pairs that occur fewer times.
            lower_case, strip_accents, chinese_characters, max_characters: as in the constructor.
        Raises:
            TypeError: a text that is not a string; an argument of another type.
            ValueError: a vocab_size too small for special tokens and characters; an unknown
                score; a number below 1; a lone surrogate.
        """
        check_int("vocab_size", vocab_size)
        options = (lower_case, strip_accents, chinese_characters, max_characters)
        words = _count_words(texts, cls(SPECIALS, *options).basic)
        needed = len(SPECIALS) + len(alphabet_of(words))
        if vocab_size < needed:
            raise ValueError(
                f"vocab_size must be at least {needed}, for the special tokens and the characters "
                f"(at the beginning of words and inside them), got {vocab_size}"
            )
        pieces = learn_pieces(words, vocab_size - len(SPECIALS), score, min_frequency)
        return cls([*SPECIALS, *pieces], *options)

    @classmethod
    def from_folder(cls, folder: Path | str, lower_case: bool | None = None) -> "WordPiece":
        """The tokenizer of a folder in the layout of transformers.

        vocab.txt has one piece a line, in the order of ids. tokenizer_config.json, if it is
        there, has the options. Without it letters are put in lower case, as in transformers;
        where the vocabulary has capitals, which could then not be reached, there is a warning.

        Args:
            lower_case: None: as the files say.
        Raises:
            TypeError: a lower_case of another type.
            FileNotFoundError: there is no vocab.txt.
            ValueError: a file that is malformed, naming it, and in vocab.txt the line.
        """
        folder = Path(folder)
        pieces = read_pieces(folder / "vocab.txt")
        options = read_options(folder / "tokenizer_config.json")
        capitals = [p for p in pieces if p not in SPECIALS and any(lower(c) != c for c in p)]
        if lower_case is not None:
            options["lower_case"] = lower_case
        elif "lower_case" not in options and capitals:
            warnings.warn(
                f"{folder / 'vocab.txt'} has {len(capitals)} pieces with capitals, such as "
                f"{capitals[0]!r}, and no tokenizer_config.json says do_lower_case: text is put "
                "in lower case, so they are never used; lower_case=False keeps capitals",
                UserWarning,
                stacklevel=2,
            )
        return cls(pieces, **options)

    def save(self, folder: Path | str) -> None:
        """Write vocab.txt and tokenizer_config.json, both or neither, as transformers reads them.

        Raises:
            ValueError: a piece that would be read otherwise, as white space at its end would.
        """
        options = {
            "lower_case": self.basic.lower_case,
            "strip_accents": self.basic.strip_accents,
            "chinese_characters": self.basic.chinese_characters,
            "max_characters": self.max_characters,
        }
        write_files(Path(folder), self.pieces, options)

    def __repr__(self) -> str:
        return f"WordPiece({self.vocab_size} pieces, lower_case={self.basic.lower_case})"

    @property
    def vocab_size(self) -> int:
        """How many ids there are, special tokens included."""
        return len(self.pieces)

    def special_id(self, name: str) -> int:
        """The id of a special token.

        Raises:
            ValueError: a name that is no special token's.
        """
        if name not in SPECIALS:
            raise ValueError(f"no special token {name!r}; there are: {', '.join(SPECIALS)}")
        return self.vocab[name]

    def offsets(self, text: str) -> list[Placed]:
        """The pieces of a text, and where each begins and ends in it, in characters.

        text[begin:end] is what the piece was made of: its capitals and accents are still there.

        Raises:
            TypeError: text that is not a string.
            ValueError: a lone surrogate.
        """
        placed: list[Placed] = []
        for part in _PARTS.finditer(check_text("text", text)):
            at = part.start()
            placed += [
                (piece, at + begin, at + end) for piece, begin, end in self._pieces_of(part[0])
            ]
        return placed

    def _pieces_of(self, part: str) -> list[Placed]:
        """The pieces of a part of a text: one special token, or no white space and no special."""
        if part in SPECIALS:
            return [(part, 0, len(part))]
        if part in self._cache:
            return self._cache[part]
        placed: list[Placed] = []
        for word, places in self.basic.placed_words(part):
            placed += [
                (piece, places[begin], places[end - 1] + 1)
                for piece, begin, end in self._pieces_of_word(word)
            ]
        if len(part) <= CACHED_LENGTH:
            if len(self._cache) == CACHE_SIZE:
                self._cache.clear()
            self._cache[part] = placed
        return placed

    def _pieces_of_word(self, word: str) -> list[Placed]:
        """The longest matches; one [UNK] if the word is too long, or no piece fits somewhere."""
        steps = []
        if len(word) <= self.max_characters:
            steps = match_steps(word, self.vocab, self._longest)
        if not steps or steps[-1].taken is None:
            return [(UNK, 0, len(word))]
        return [(step.taken, step.begin, step.end) for step in steps]

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text, without [CLS] and [SEP] around them.

        Raises:
            TypeError, ValueError: as in `offsets`.
        """
        return [piece for piece, _, _ in self.offsets(text)]

    def ids(self, text: str) -> list[int]:
        """The ids of `tokenize`'s pieces; its errors."""
        return [self.vocab[piece] for piece, _, _ in self.offsets(text)]

    def encode(
        self,
        text: str,
        pair: str | None = None,
        max_len: int | None = None,
        *,
        truncate: bool = False,
    ) -> tuple[list[int], list[int]]:
        """The ids of [CLS] text [SEP], or [CLS] text [SEP] pair [SEP], and their segments.

        Segment 0 is the text with its [CLS] and [SEP], segment 1 the pair with its [SEP].

        Args:
            pair: a second text; "" is one too.
            max_len: how many ids there may be.
            truncate: cut what is longer than max_len. Ids go one by one from the end of the
                longer text. Where both are equally long, the one that was longer keeps the
                last place (the pair, if none was), as in tokenizers; in Google's code, the text.
        Raises:
            TypeError: a text that is not a string; an argument of another type.
            ValueError: more than max_len ids without truncate; a max_len without room for
                [CLS] and [SEP]; truncate without max_len; a lone surrogate.
        """
        first = self.ids(text)
        second = None if pair is None else self.ids(check_text("pair", pair))
        n_specials = 2 if second is None else 3
        if not isinstance(truncate, bool):
            raise TypeError(f"truncate must be True or False, got {truncate!r}")
        if max_len is not None:
            check_int("max_len", max_len, n_specials)
            first, second = _fit(first, second, max_len - n_specials, truncate)
        elif truncate:
            raise ValueError("truncate=True needs a max_len")
        cls_id, sep_id = self.vocab[CLS], self.vocab[SEP]
        ids = [cls_id, *first, sep_id]
        segments = [0] * len(ids)
        if second is not None:
            ids += [*second, sep_id]
            segments += [1] * (len(second) + 1)
        return ids, segments

    def pieces_of_words(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """The ids of words that are given one by one, and the number of the word of each id.

        For labels that belong to words: tags, or the first and the last word of an answer. A
        word without a piece (empty, or nothing but control characters) becomes one [UNK], so
        that each word has an id.

        Raises:
            TypeError: words that are not a sequence of strings.
            ValueError: a lone surrogate.
        """
        if isinstance(words, str | bytes) or not isinstance(words, Sequence):
            raise TypeError(f"words must be a sequence of strings, got {words!r:.60}")
        ids, numbers = [], []
        for number, word in enumerate(words):
            check_text(f"words[{number}]", word)
            of_word = self.ids(word) or [self.vocab[UNK]]
            ids += of_word
            numbers += [number] * len(of_word)
        return ids, numbers

    def decode(self, ids: Iterable[int], skip_special: bool = False) -> str:
        """The pieces of ids (ints, or a 1-D integer tensor) as text, with spaces between words.

        A piece with "##" is joined to the one before it. This is no exact inverse: what was lost
        stays lost, and marks of punctuation have spaces around them.

        Args:
            skip_special: leave special tokens out.
        Raises:
            TypeError: an id that is not an integer; a skip_special that is not a bool.
            ValueError: an id out of range.
        """
        if not isinstance(skip_special, bool):
            raise TypeError(f"skip_special must be True or False, got {skip_special!r}")
        ids = check_ids(ids, self.vocab_size)
        pieces = [self.pieces[i] for i in ids if not (skip_special and i in self.special_ids)]
        joined = [p[2:] if i and p.startswith("##") else " " * (i > 0) + p
                  for i, p in enumerate(pieces)]  # fmt: skip
        return "".join(joined)


def _fit(
    first: list[int], second: list[int] | None, room: int, truncate: bool
) -> tuple[list[int], list[int] | None]:
    """Cut ids until there are no more than there is room for, or refuse them."""
    n, m = len(first), len(second or [])
    if n + m <= room:
        return first, second
    if second is None:
        if not truncate:
            raise ValueError(
                f"text of {n} pieces longer than max_len: {n + 2} ids with [CLS] and [SEP], "
                f"max_len is {room + 2}; truncate=True cuts it"
            )
        return first[:room], None
    if not truncate:
        raise ValueError(
            f"pair longer than max_len: {n} and {m} pieces are {n + m + 3} ids with [CLS] and two "
            f"[SEP], max_len is {room + 3}; truncate=True cuts the longer one first"
        )
    shorter = min(n, m, room // 2)
    kept = (room - shorter, shorter) if n > m else (shorter, room - shorter)
    return first[: kept[0]], second[: kept[1]]


def _count_words(texts: str | Iterable[str], basic: BasicTokenizer) -> Counter[str]:
    """How often each word occurs in one text or in several."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        texts = [texts]
    parts: Counter[str] = Counter()
    for text in texts:
        parts.update(re.findall(rf"[^{_SPACE}]+", check_text("text", text)))
    words: Counter[str] = Counter()
    for part, count in parts.items():
        for word, _ in basic.placed_words(part):
            words[word] += count
    return words

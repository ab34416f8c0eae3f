"""What happens to a text before WordPiece: it is cleaned, put in lower case, and cut into words."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby

from nlp_helpers.data.bpe_files import check_text

# Each character with the place, in the original text, of the character it comes from.
Characters = list[tuple[str, int]]

CACHE_SIZE = 2**14  # characters whose class is remembered

# The ranges of ideographs in Google's code, as tokenizers has them: there the sixth begins at
# U+2B920, in Google's code at U+2B820. Kana and Hangul are not among them.
CHINESE = (
    *(range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0xF900, 0xFB00)),
    *(range(0x20000, 0x2A6E0), range(0x2A700, 0x2B820), range(0x2B920, 0x2CEB0)),
    range(0x2F800, 0x2FA20),
)


def _ranges(text: str) -> tuple[range, ...]:
    bounds = [[int(bound, 16) for bound in part.split("-")] for part in text.split()]
    return tuple(range(pair[0], pair[-1] + 1) for pair in bounds)


# The categories of tokenizers 0.23.3 are those of Unicode 8. The marks, the punctuation and the
# format characters that came later are in these ranges, and no earlier ones are.
_SINCE_UNICODE_8 = _ranges(
    "5C8-5C9 61D 7FD 890-8E2 9FD-9FE A76 AFA-AFF B53-B55 C04-C3C C77 C84 D00 D3B-D3C D81 EBA ECE "
    "180F-1886 1ABF-1AF0 1B4E-1B4F 1B7D-1B7F 1DF6-1DFB 2E43-2E63 A82C A8C5 A8FF A9BD 10D24-10F89 "
    "11070-11074 110C2-110CD 111C9 111CF 1123E-11241 1133B 113BB-1145E 11660-1166C 116B9 "
    "1182F-11FFF 12FF1-1612F 16D6D-16F4F 16FE2-16FE4 1CF00-1D128 1D25B-1D25C 1E000-1E6F5 "
    "1E944-1E95F"
)
_CATEGORY_IN_UNICODE_8 = {"\u166d": "Po", "\u1734": "Mn", "\U000111c9": "Po", "\U0001171e": "Mn"}

# Its decompositions and the order of its marks are those of Unicode 9.
_SINCE_UNICODE_9 = _ranges(
    "5C8-5C9 7FD 897-8D3 9FE C3C D3B-D3C EBA 1715 1ABF-1AF0 1DF6-1DFA A82C 105C9-105E4 10D24-10F85 "
    "11070 1133B 11383-113D0 1145E 11839-11A99 11D42-1612F 16D68-16FF1 1D127-1D128 1D250-1D281 "
    "1E08F-1E6F5"
)

# Its lower case is that of Unicode 17, which has more pairs than Python 3.11: capitals, and how
# far behind them their small letters are.
_CAPITALS_SINCE_UNICODE_14 = (
    *((range(0x1C89, 0x1C8A), 1), (range(0xA7CB, 0xA7CC), 0x264 - 0xA7CB)),
    *((range(0xA7CC, 0xA7CF, 2), 1), (range(0xA7D2, 0xA7D5, 2), 1), (range(0xA7DA, 0xA7DB), 1)),
    *((range(0xA7DC, 0xA7DD), 0x19B - 0xA7DC), (range(0x10D50, 0x10D66), 0x20)),
    (range(0x16EA0, 0x16EB9), 0x1B),
)


@lru_cache(maxsize=CACHE_SIZE)
def category(character: str) -> str:
    """The general category in Unicode 8: "Lu" a capital, "Mn" a mark, "Po" a punctuation mark."""
    if character in _CATEGORY_IN_UNICODE_8:
        return _CATEGORY_IN_UNICODE_8[character]
    if any(ord(character) in part for part in _SINCE_UNICODE_8):
        return "Cn"
    return unicodedata.category(character)


def is_space(character: str) -> bool:
    """Whether a character is white space to BERT: not so the other control characters."""
    return character in "\t\n\r" or category(character) in ("Zs", "Zl", "Zp")


@lru_cache(maxsize=CACHE_SIZE)
def is_chinese(character: str) -> bool:
    """Whether a character is an ideograph, as Chinese, Japanese and Korean write them."""
    return any(ord(character) in part for part in CHINESE)


@lru_cache(maxsize=CACHE_SIZE)
def is_punctuation(character: str) -> bool:
    """Whether a character is a word by itself: Unicode's punctuation, and in ASCII $+<=>^`|~."""
    return character in "$+<=>^`|~" or category(character).startswith("P")


@lru_cache(maxsize=CACHE_SIZE)
def clean(character: str) -> str:
    """A space for white space, nothing for a control character or for U+FFFD."""
    if is_space(character):
        return " "
    removed = character == "\ufffd" or category(character) in ("Cc", "Cf", "Co")
    return "" if removed else character


@lru_cache(maxsize=CACHE_SIZE)
def lower(character: str) -> str:
    """A character in lower case, whatever stands beside it: "Σ" is "σ" at a word's end too."""
    for capitals, distance in _CAPITALS_SINCE_UNICODE_14:
        if ord(character) in capitals:
            return chr(ord(character) + distance)
    return character.lower()


@lru_cache(maxsize=CACHE_SIZE)
def _parts_of(character: str) -> tuple[tuple[str, int], ...]:
    """What a character is composed of, and each part's combining class (0: no mark)."""
    if any(ord(character) in part for part in _SINCE_UNICODE_9):
        return ((character, 0),)
    parts = unicodedata.normalize("NFD", character)
    return tuple((part, unicodedata.combining(part)) for part in parts)


def decompose(characters: Characters) -> Characters:
    """Unicode's form NFD: "é" becomes "e" and a mark; marks in a row come in their order.

    Where marks change places, the places are handed out as tokenizers does: each character's
    first part takes the next one, and a further part the one of the part before it.
    """
    parts = [
        (part, mark, i == 0)
        for character, _ in characters
        for i, (part, mark) in enumerate(_parts_of(character))
    ]
    ordered = []
    for _, run in groupby(parts, key=lambda part: part[1] > 0):
        ordered += sorted(run, key=lambda part: part[1])  # stable: no mark (0) changes its place
    places, place, placed = (place for _, place in characters), -1, []
    for part, _, first in ordered:
        place = next(places) if first else place
        placed.append((part, place))
    return placed


def without_accents(characters: Characters) -> Characters:
    """Decomposed, and the marks that take no room of their own (category Mn) left out."""
    return [(c, place) for c, place in decompose(characters) if category(c) != "Mn"]


def _each(change: Callable[[str], str]) -> Callable[[Characters], Characters]:
    """Change each character by itself; what it becomes keeps its place."""
    return lambda characters: [(new, place) for c, place in characters for new in change(c)]


def _apart(found: Callable[[str], bool]) -> Callable[[Characters], Characters]:
    """Put spaces around the characters that are found."""
    return _each(lambda c: f" {c} " if found(c) else c)


@dataclass(frozen=True)
class BasicTokenizer:
    """Cut a text into words, as BERT does before WordPiece cuts the words into pieces.

    White space separates words, and each mark of punctuation is a word. The original text cannot
    be had back: control characters, white space and, by default, capitals and accents are lost.

    This is what tokenizers 0.23.3 does (and transformers 5, which uses it). Google's code differs
    in what English text rarely has: it lowers before it strips accents, and minds the place in
    the word (a final "Σ" becomes "ς"); it sets the ideographs from U+2B820 to U+2B91F apart too;
    it keeps private-use characters; and its categories are those of Python's Unicode version.

    Source: Devlin et al. 2019, section 3 (the cased and the uncased models); `BasicTokenizer` in
        the released `tokenization.py`.

    Args:
        lower_case: put letters in lower case.
        strip_accents: take marks such as accents away; None: if lower_case.
        chinese_characters: each Chinese character is a word.
    Raises:
        TypeError: an option that is not True or False.
    """

    lower_case: bool = True
    strip_accents: bool | None = None
    chinese_characters: bool = True

    def __post_init__(self):
        for name in ("lower_case", "strip_accents", "chinese_characters"):
            value = getattr(self, name)
            if not isinstance(value, bool) and not (name == "strip_accents" and value is None):
                choices = "True, False or None" if name == "strip_accents" else "True or False"
                raise TypeError(f"{name} must be {choices}, got {value!r:.60}")

    @cached_property
    def _stages(self) -> list[tuple[str, Callable[[Characters], Characters]]]:
        strip = self.lower_case if self.strip_accents is None else self.strip_accents
        stages = [
            ("clean", _each(clean), True),
            ("Chinese characters apart", _apart(is_chinese), self.chinese_characters),
            ("without accents", without_accents, strip),
            ("lower case", _each(lower), self.lower_case),
            ("punctuation apart", _apart(is_punctuation), True),
        ]
        return [(name, stage) for name, stage, wanted in stages if wanted]

    def steps(self, text: str) -> dict[str, str]:
        """The text after each step, by the step's name; white space then separates the words.

        Raises:
            TypeError: text that is not a string.
            ValueError: a lone surrogate.
        """
        characters = [(c, i) for i, c in enumerate(check_text("text", text))]
        after = {}
        for name, stage in self._stages:
            characters = stage(characters)
            after[name] = "".join(c for c, _ in characters)
        return after

    def words(self, text: str) -> list[str]:
        """The words of a text.

        Raises:
            TypeError, ValueError: as in `steps`.
        """
        return [word for word, _ in self.placed_words(check_text("text", text))]

    def placed_words(self, text: str) -> list[tuple[str, list[int]]]:
        """The words, and for each of their characters the place in the text it comes from."""
        characters = [(c, i) for i, c in enumerate(text)]
        for _, stage in self._stages:
            characters = stage(characters)
        found = []
        for space, group in groupby(characters, key=lambda character: character[0] == " "):
            if not space:
                letters, places = zip(*group, strict=True)
                found.append(("".join(letters), list(places)))
        return found

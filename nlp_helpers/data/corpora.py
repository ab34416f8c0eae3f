"""Corpora by name: ``load_corpus("library-docs")`` needs no network, the others are downloaded."""

import functools
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from nlp_helpers.data import library_docs
from nlp_helpers.data.splits import SPLITS, split_of
from nlp_helpers.downloads import Download, cache_error, cache_folder, fetch

KINDS = ("prose", "code")

# The versions whose text the book's printed figures come from, and the hash of that text.
PINNED_VERSIONS = {"numpy": "2.4.6", "scipy": "1.17.1", "scikit-learn": "1.9.1"}
PINNED_SHA256 = "3936182a5d3ba2b45f1d30083ec2f0158dbb7f702c8da912503d3a3b99e2874f"


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph of a corpus and where it comes from.

    ``source`` is the file (or, for a downloaded corpus, its name) that the passage was read from;
    ``split`` is "train", "validation" or "test".
    """

    text: str
    kind: str
    library: str
    subpackage: str
    split: str
    source: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """A named sequence of passages, each in one split and of one kind ("prose" or "code")."""

    name: str
    passages: tuple[Passage, ...]

    def passages_of(self, split: str | None = None, kind: str = "prose") -> list[Passage]:
        """The passages of a split (None: of all) and a kind, in the order of the corpus.

        Raises:
            ValueError: an unknown split or kind.
        """
        if split is not None and split not in SPLITS:
            raise ValueError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}, or None")
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}: use one of {', '.join(KINDS)}")
        return [p for p in self.passages if p.kind == kind and split in (None, p.split)]

    def text(self, split: str | None = None, kind: str = "prose") -> str:
        """The passages of a split (None: of all) joined by blank lines.

        Raises:
            ValueError: an unknown split or kind.
        """
        return "\n\n".join(passage.text for passage in self.passages_of(split, kind))

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, {len(self.passages)} passages)"


DOWNLOADS = {
    "tiny-shakespeare": Download(
        url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
        "input.txt",
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
}


def load_corpus(name: str) -> Corpus:
    """Load a corpus: "library-docs" (embedded), or "tiny-shakespeare" (downloaded once).

    "library-docs" is extracted from the installed numpy, scipy and scikit-learn (see
    ``library_docs``), "tiny-shakespeare" is cut into speeches at blank lines, each in a split by
    the hash of its text. Both are kept in the cache folder: ``NLP_HELPERS_CACHE`` if it is set,
    otherwise pooch's place for this operating system. Once there, nothing needs the network.

    Source: numpy, scipy and scikit-learn (BSD licence); A. Karpathy, char-rnn.

    Raises:
        TypeError: ``name`` is not a string.
        ValueError: there is no corpus of that name.
        RuntimeError: the download failed, the cache folder cannot be written, or a library that
            "library-docs" is read from is not installed.
    Warns:
        UserWarning: once, when "library-docs" is not the text that the book's figures come from.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a corpus must be a string, got {name!r}")
    if name == "library-docs":
        return _library_docs()
    if name in DOWNLOADS:
        return _speeches(name, download_corpus(name).read_text(encoding="utf-8"))
    raise ValueError(
        f"unknown corpus {name!r}: the corpora are {', '.join(['library-docs', *DOWNLOADS])}"
    )


def _probe(folder: Path) -> None:
    """Write a file there and remove it, before the work whose result must be kept there."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".part") as file:
            file.write(b"?")
    except OSError as error:
        raise cache_error(folder, error) from error


def _library_docs() -> Corpus:
    versions = library_docs.installed_versions()
    stem = "-".join(f"{library}-{version}" for library, version in versions.items())
    path = cache_folder() / f"library-docs-{library_docs.EXTRACTOR_VERSION}-{stem}.jsonl"
    cached = _read_cache(path)
    if cached is None:
        _probe(path.parent)
        passages = [Passage(**fields) for fields in library_docs.extract()[0]]
        found = _write_cache(path, passages)
    else:
        found, passages = cached
    if found != PINNED_SHA256:
        _warn_once(
            "library-docs is not the text that the book was printed with, so figures will differ: "
            f"installed {_listed(versions)}; the book has {_listed(PINNED_VERSIONS)}"
            + (" (the versions are the same: are the installed files changed?)")
            * (versions == PINNED_VERSIONS)
        )
    return Corpus("library-docs", tuple(passages))


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{library} {version}" for library, version in versions.items())


@functools.cache
def _warn_once(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)


def _to_lines(passages: Iterable[Passage]) -> bytes:
    """One passage per line, as JSON."""
    return "".join(json.dumps(asdict(p), ensure_ascii=True) + "\n" for p in passages).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_cache(path: Path, passages: list[Passage]) -> str:
    """Write the SHA-256 of the lines and the lines: whole, or not at all. Return the SHA-256."""
    lines = _to_lines(passages)
    found = _sha256(lines)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            file.write(found.encode() + b"\n" + lines)
        temporary.chmod(0o644)  # a class may share the folder
        os.replace(temporary, path)
    except OSError as error:
        raise cache_error(path.parent, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return found


def _read_cache(path: Path) -> tuple[str, list[Passage]] | None:
    """Read what ``_write_cache`` wrote, hash first; None if there is nothing or it is damaged."""
    try:
        recorded, _, lines = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cache_error(path.parent, error) from error
    found = _sha256(lines)
    if recorded.decode("ascii", "replace") != found:
        return None
    return found, [Passage(**json.loads(line)) for line in lines.splitlines()]


def download_corpus(name: str) -> Path:
    """The local copy of a downloaded corpus."""
    otherwise = "use the embedded corpus 'library-docs', which needs none"
    return fetch(DOWNLOADS[name], f"{name}.txt", f"the corpus {name!r}", otherwise)


def _speeches(name: str, text: str) -> Corpus:
    speeches = (speech.strip("\n") for speech in text.split("\n\n"))
    return Corpus(
        name,
        tuple(
            Passage(speech, "prose", name, name, split_of(speech), name)
            for speech in speeches
            if speech
        ),
    )

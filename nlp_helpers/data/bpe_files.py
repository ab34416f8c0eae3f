"""The two files of a byte-level BPE, vocab.json and merges.txt: checked, read and written."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from pathlib import Path

from nlp_helpers.files import write_all

VERSION = "#version: 0.2"  # the first line of merges.txt


def check_text(name: str, text: str) -> str:
    """Refuse what is not a string that UTF-8 can write."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a string, got {type(text).__name__}: {text!r:.60}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} holds a lone surrogate, U+{ord(text[error.start]):04X} at position "
            f"{error.start}: it is half of a character and has no UTF-8 bytes"
        ) from None
    return text


def check_vocab(name: str, vocab: Mapping[str, int], symbols: Collection[str]) -> dict[str, int]:
    """Refuse what does not number its pieces from 0 to n - 1, or lacks a byte's symbol."""
    if not isinstance(vocab, Mapping):
        raise TypeError(f"{name} must map pieces to ids, got {type(vocab).__name__}")
    seen: dict[int, str] = {}
    for piece, i in vocab.items():
        if not check_text(f"{name}: a piece", piece):
            raise ValueError(f"{name}: the piece with id {i!r} is empty")
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < len(vocab):
            raise ValueError(
                f"{name}: the id of {piece!r} must be an integer from 0 to {len(vocab) - 1} "
                f"({len(vocab)} pieces), got {i!r}"
            )
        if i in seen:
            raise ValueError(f"{name}: {seen[i]!r} and {piece!r} have the same id, {i}")
        seen[i] = piece
    missing = sorted(set(symbols) - vocab.keys())
    if missing:
        raise ValueError(f"{name} lacks {len(missing)} of 256 byte symbols: {missing[0]!r} ...")
    return dict(vocab)


def check_merges(
    merges: Iterable[tuple[str, str]],
    vocab: Collection[str],
    symbols: Collection[str],
    lines: Sequence[str] | None = None,
) -> list[tuple[str, str]]:
    """Refuse merges that are malformed; `lines` says where each stands, for the message."""
    if isinstance(merges, str) or not isinstance(merges, Iterable):
        raise TypeError(f"merges must be pairs of pieces, got {type(merges).__name__}")
    checked: dict[tuple[str, str], str] = {}
    made = set(symbols)
    for i, pair in enumerate(merges):
        place = lines[i] if lines else f"merges[{i}], {pair!r:.80}"
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise ValueError(f"{place}: expected two pieces")
        if not all(isinstance(piece, str) for piece in pair):
            raise TypeError(f"{place}: expected two strings")
        pair = tuple(pair)
        for piece in (*pair, "".join(pair)):
            if piece not in vocab:
                raise ValueError(f"{place}: {piece!r} is not in the vocabulary")
        for piece in pair:
            if piece not in made:
                raise ValueError(f"{place}: {piece!r} is no byte, and no earlier merge makes it")
        if pair in checked:
            raise ValueError(f"{place}: the same merge as in {checked[pair]}")
        checked[pair] = place
        made.add("".join(pair))
    return list(checked)


def check_specials(
    specials: Sequence[str] | None, vocab: Mapping[str, int], made: Set[str]
) -> tuple[str, ...]:
    """The special tokens (None: what text cannot make), refused if text could make one."""
    left = [piece for piece in vocab if piece not in made]
    if specials is None:
        return tuple(left)
    if isinstance(specials, str) or not isinstance(specials, Sequence):
        raise TypeError(f"specials must be a sequence of strings, got {specials!r:.60}")
    for i, name in enumerate(specials):
        if not check_text("a special", name):
            raise ValueError(f"specials[{i}] is empty")
        if name in made:
            raise ValueError(f"special {name!r} is a piece of ordinary text: choose another name")
        if name in specials[:i]:
            raise ValueError(f"special {name!r} is given twice")
    for piece in left:
        if piece not in specials:
            raise ValueError(
                f"piece {piece!r} (id {vocab[piece]}) is no byte, no merge makes it, and it is "
                f"not among the specials {tuple(specials)}"
            )
    return tuple(specials)


def read_vocab(path: Path) -> dict:
    """The object in a vocab.json."""
    try:
        vocab = json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(vocab, dict):
        raise ValueError(f"{path} must hold an object, piece: id, got {type(vocab).__name__}")
    return vocab


def read_merges(path: Path) -> tuple[list[tuple[str, ...]], list[str]]:
    """The pairs in a merges.txt (after a first line "#version ..."), and where each stands."""
    lines = _read(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    pairs, places = [], []
    for number, line in enumerate(lines, start=1):
        if number == 1 and line.startswith("#version"):
            continue
        place = f"{path}, line {number}, {line!r:.80}"
        pair = tuple(line.split(" "))
        if len(pair) != 2 or not all(pair):
            raise ValueError(f"{place}: expected two pieces with one space between them")
        pairs.append(pair)
        places.append(place)
    return pairs, places


def _read(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:  # a folder; not text
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from error


def write_files(folder: Path, vocab: dict[str, int], merges: Iterable[tuple[str, str]]) -> None:
    """Write both files whole; when one fails, put back what was there before."""
    contents = {
        folder / "vocab.json": json.dumps(vocab),
        folder / "merges.txt": "\n".join([VERSION, *(" ".join(pair) for pair in merges), ""]),
    }
    write_all(contents)

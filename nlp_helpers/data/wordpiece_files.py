"""The vocabulary of a WordPiece: checked, and in the files vocab.txt and tokenizer_config.json."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from nlp_helpers.data.bpe_files import check_text
from nlp_helpers.files import write_all

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# What loaders of vocab.txt take away at the end of a line: Unicode's White_Space.
WHITE_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)

# Our options: their names in tokenizer_config.json, and the values when it does not name them.
OPTIONS = {
    "lower_case": ("do_lower_case", True),
    "strip_accents": ("strip_accents", None),
    "chinese_characters": ("tokenize_chinese_chars", True),
    "max_characters": ("max_input_chars_per_word", 100),
}


def check_pieces(vocab: Mapping[str, int] | Sequence[str]) -> list[str]:
    """The pieces in the order of their ids; refuse what is no vocabulary of a WordPiece."""
    if isinstance(vocab, Mapping):
        pieces = _in_order(vocab)
    elif isinstance(vocab, Sequence) and not isinstance(vocab, str | bytes):
        pieces = list(vocab)
    else:
        kind = type(vocab).__name__
        raise TypeError(f"vocab must map pieces to ids, or be a sequence of pieces, got {kind}")
    ids: dict[str, int] = {}
    for i, piece in enumerate(pieces):
        if not check_text(f"the piece with id {i}", piece):
            raise ValueError(f"the piece with id {i} is empty")
        if "\n" in piece or "\r" in piece:
            raise ValueError(f"the piece with id {i}, {piece!r:.60}, holds the end of a line")
        if piece in ids:
            raise ValueError(f"the piece {piece!r:.60} has two ids, {ids[piece]} and {i}")
        ids[piece] = i
    missing = [name for name in SPECIALS if name not in ids]
    if missing:
        raise ValueError(
            f"the vocabulary lacks {', '.join(missing)}: its {len(ids)} pieces must have the "
            f"special tokens {', '.join(SPECIALS)} among them"
        )
    return pieces


def _in_order(vocab: Mapping[str, int]) -> list[str]:
    pieces: list[str | None] = [None] * len(vocab)
    for piece, i in vocab.items():
        if isinstance(i, bool) or not isinstance(i, int):
            raise TypeError(f"the id of {piece!r:.60} must be an int, got {i!r:.60}")
        if not 0 <= i < len(vocab):
            raise ValueError(
                f"the id of {piece!r:.60} must be from 0 to {len(vocab) - 1} ({len(vocab)} "
                f"pieces), got {i}"
            )
        if pieces[i] is not None:
            raise ValueError(f"{pieces[i]!r:.60} and {piece!r:.60} have the same id, {i}")
        pieces[i] = piece
    return pieces


def read_pieces(path: Path) -> list[str]:
    """The pieces in a vocab.txt: one a line, white space at its end left out."""
    pieces = _pieces_in(_read(path), path)
    missing = [name for name in SPECIALS if name not in pieces]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)} (it has {len(pieces)} pieces)")
    return pieces


def _pieces_in(text: str, path: Path) -> list[str]:
    if text.startswith("\ufeff"):
        raise ValueError(f"{path}, line 1 begins with a byte order mark, U+FEFF: remove it")
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    pieces: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        place = f"{path}, line {number}"
        if "\r" in line:
            raise ValueError(f"{place}, {line!r:.60}, holds a carriage return")
        if not line.strip(" \t"):
            raise ValueError(f"{place} is blank: each line must hold a piece")
        # The vocabulary of the Chinese BERT has a line that is U+2028 alone.
        piece = line.rstrip(WHITE_SPACE) or line
        if piece in pieces:
            raise ValueError(f"{place}: {piece!r:.60} stands in line {pieces[piece]} already")
        pieces[piece] = number
    return list(pieces)


def read_options(path: Path) -> dict:
    """The options that a tokenizer_config.json names, under our names; none without the file."""
    if not path.exists():
        return {}
    try:
        config = json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} must hold an object, got {type(config).__name__}")
    options = {}
    for ours, (theirs, default) in OPTIONS.items():
        if theirs not in config:
            continue
        value = config[theirs]
        if ours == "max_characters":
            wanted = "an integer of at least 1"
            fine = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        else:
            wanted = "true, false or null" if default is None else "true or false"
            fine = isinstance(value, bool) or (value is None and default is None)
        if not fine:
            raise ValueError(f"{path}: {theirs} must be {wanted}, got {value!r:.60}")
        options[ours] = value
    return options


def _read(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        return path.read_bytes().decode("utf-8")  # read_text would turn "\r" into "\n"
    except (OSError, UnicodeDecodeError) as error:  # a folder; not text
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from error


def write_files(folder: Path, pieces: Sequence[str], options: Mapping[str, object]) -> None:
    """Write both files; when one fails, put back what was there before.

    max_characters is written if it is not 100: transformers has no such option.
    """
    lines = "".join(f"{piece}\n" for piece in pieces)
    read = _pieces_in(lines, folder / "vocab.txt")
    for i, piece in enumerate(pieces):
        if piece != read[i]:
            raise ValueError(f"the piece with id {i}, {piece!r:.60}, would be read as {read[i]!r}")
    config: dict[str, object] = {"tokenizer_class": "BertTokenizer"}
    for ours, (theirs, default) in OPTIONS.items():
        if ours != "max_characters" or options[ours] != default:
            config[theirs] = options[ours]
    contents = {
        folder / "vocab.txt": lines,
        folder / "tokenizer_config.json": json.dumps(config, indent=2) + "\n",
    }
    write_all(contents)

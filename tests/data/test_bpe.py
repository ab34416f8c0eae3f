"""Byte-level BPE does what tokenizers and transformers do, in training and in use."""

import json
import random
import re
from collections import Counter
from functools import cache

import pytest
import regex
import tokenizers
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import ByteLevelBPETokenizer, Tokenizer, decoders
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import GPT2Tokenizer, GPT2TokenizerFast

from nlp_helpers import files
from nlp_helpers.data import bpe
from nlp_helpers.data.bpe import ByteLevelBPE, byte_alphabet, merge_steps
from nlp_helpers.data.bpe_merges import PATTERN, MergeLearner, merge_pair, split_text

SYMBOLS = sorted(byte_alphabet().values())
BASE = {symbol: i for i, symbol in enumerate(SYMBOLS)}
THEIR_SPLIT = ByteLevel(add_prefix_space=False)
VERSIONS = {"regex": "2026.11.15", "tokenizers": "0.23.3"}
MIXED = (
    "The cat's hat isn't the hat that we'll hate; they've 1234 cats, 12 hats.\n\n\tif x == 10:\n"
    "        return x  # naïve café, Ünïcode ½ x² — “quoted” … 中文文本，中文。 "
    "Привет, привет мир! 👩‍👩‍👧‍👦 👍🏽 🇩🇪 e\u0301e\u0301 हिन्दी हिन्दी ภาษาไทย ١٢٣ "
    "\u200b\u00a0\u3000 <|endoftext|>   \n"
) * 3


def their_tokenizer(vocab, merges) -> Tokenizer:
    """The reference: GPT-2's split, merges and decoder out of the tokenizers library."""
    tokenizer = Tokenizer(BPE(vocab, merges))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train_theirs(texts, vocab_size, **options) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """The merges and the vocabulary that BpeTrainer learns."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
        **options,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return learned(tokenizer)


def learned(tokenizer) -> tuple[list[tuple[str, str]], dict[str, int]]:
    model = json.loads(tokenizer.to_str())["model"]
    return [tuple(pair) for pair in model["merges"]], model["vocab"]


def cut_theirs(text: str) -> list[str]:
    return [text[start:end] for _, (start, end) in THEIR_SPLIT.pre_tokenize_str(text)]


@cache
def kinds(cut) -> dict[str, str]:
    """Each code point (but the space) with its class under a splitter: letter, number ...

    All of them in one text make runs of one class, which is asked for one member of the run.
    """
    points = "".join(chr(i) for i in range(0x110000) if i != 0x20 and not 0xD800 <= i < 0xE000)
    found = {}
    for run in cut(points):
        neighbours = {"letter": "a", "number": "1", "mark": "!"}
        kind = [k for k, c in neighbours.items() if cut(c + run[0]) == [c + run[0]]]
        found |= dict.fromkeys(run, kind[0] if kind else "space")
    return found


@cache
def new_characters() -> dict[str, tuple[str, str]]:
    """The code points that the libraries class apart: their class to tokenizers and to regex."""
    theirs, ours = kinds(cut_theirs), kinds(PATTERN.findall)
    return {c: (theirs[c], ours[c]) for c in ours if theirs[c] != ours[c]}


# Pieces of text with what a tokenizer may get wrong: endings, white space, marks that join.
SNIPPETS = ["'s", "'ll", "'LL", " ", "  ", "\n", "\t", "\r\n", "\x00", "\x85", "\xa0", "\u3000"]
SNIPPETS += ["\u200d", "\u0301", "👩‍👩‍👧‍👦", "🇩🇪", "the", " hat", "123", "½", "中文", "Ġ"]
SNIPPETS += ["<|endoftext|>"]


def known(text: str) -> str:
    """The text without the code points that the two libraries class apart."""
    return "".join(c for c in text if c not in new_characters())


TEXTS = st.one_of(
    st.text(),
    st.text(st.characters(min_codepoint=0x10000)),
    st.text("aehst 'T\n\t 19é中!", max_size=40),
    st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=3))).map("".join),
).map(known)


@pytest.fixture(scope="module")
def ours() -> ByteLevelBPE:
    return ByteLevelBPE.train(MIXED, 420)


@pytest.fixture(scope="module")
def theirs(ours) -> Tokenizer:
    return their_tokenizer(ours.vocab, ours.merges)


# The alphabet and the split


def test_the_alphabet_is_gpt_2s():
    alphabet = byte_alphabet()
    assert list(alphabet) == list(range(256))
    assert set(alphabet.values()) == set(ByteLevel.alphabet())
    for byte in range(128):
        assert ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(chr(byte)) == [
            (alphabet[byte], (0, 1))
        ]
    text = "".join(map(chr, range(0x80, 0x800)))  # every byte that starts or continues
    ((written, _),) = ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    assert written == "".join(alphabet[byte] for byte in text.encode())
    assert [alphabet[byte] for byte in b" \n!~\xad"] == ["Ġ", "Ċ", "!", "~", "Ń"]


def test_only_characters_newer_than_their_unicode_are_cut_otherwise():
    if {"regex": regex.__version__, "tokenizers": tokenizers.__version__} != VERSIONS:
        pytest.skip("other versions: other Unicode tables")
    assert len(kinds(cut_theirs)) == len(kinds(PATTERN.findall)) == 0x110000 - 0x800 - 1
    assert Counter(kinds(cut_theirs).values())["letter"] == 141028  # as many as Unicode 16.0 has
    new = new_characters()
    assert Counter(new.values()) == {("mark", "letter"): 17144, ("mark", "number"): 336}
    assert len(new) == 17480  # the number in split_text's docstring
    assert "\ua7ce" in new  # came with Unicode 17
    assert "\u1c89" not in new  # came with Unicode 16


@given(TEXTS)
@example("a  b")
@example("a \n")
@example("I'll we'LL 's''s can't I'm we're we've he'd d'd 'tis")
@example("\x1c\x1d a\u180eb")  # no white space to Unicode
def test_words_are_theirs(text):
    assert split_text(text) == cut_theirs(text)
    assert "".join(split_text(text)) == text


def test_the_split_by_hand():
    assert split_text("It's  a test, isn't it? 12 x2\n\n  y ") == [
        *("It", "'s", " ", " a", " test", ",", " isn", "'t", " it", "?", " 12", " x", "2"),
        *("\n\n ", " y", " "),
    ]


# Use


@given(TEXTS)
@example("")
@example("\ufeff a\r\n\r\n")
def test_pieces_ids_and_text_are_theirs(ours, theirs, text):
    reference = theirs.encode(text)
    assert ours.tokenize(text) == reference.tokens
    assert ours.encode(text) == reference.ids
    assert ours.decode(reference.ids) == text == theirs.decode(reference.ids)


@given(st.text())  # the new characters too
def test_any_text_comes_back(ours, text):
    ids = ours.encode(text)
    assert ours.decode(ids) == text
    assert ours.decode(torch.tensor(ids, dtype=torch.long)) == text
    assert [ours.pieces[i] for i in ids] == ours.tokenize(text)


@given(st.binary())
@example(b"\xf0\x9f\x91")
@example(b"\xed\xa0\x80\xc0\x80\xf4\x90\x80\x80 \xe2\x82")
def test_any_bytes_decode_as_theirs(ours, theirs, data):
    ids = [ours.vocab[byte_alphabet()[byte]] for byte in data]
    assert ours.decode(ids) == theirs.decode(ids)


@given(st.lists(st.integers(0, 419)))
def test_any_ids_decode_as_theirs(ours, theirs, ids):
    assert ours.decode(ids) == theirs.decode(ids)


@given(st.data())
def test_any_order_of_merges_is_theirs(data):
    """Merges that no training would give, with pieces made in two ways."""
    pieces, merges = list("abc"), []
    for _ in range(data.draw(st.integers(1, 12))):
        pair = data.draw(st.tuples(st.sampled_from(pieces), st.sampled_from(pieces)))
        if pair not in merges:
            merges.append(pair)
            pieces = list(dict.fromkeys(pieces + ["".join(pair)]))
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(SYMBOLS + pieces))}
    ours, theirs = ByteLevelBPE(vocab, merges), their_tokenizer(vocab, merges)
    for text in data.draw(st.lists(st.text("abc", max_size=30), min_size=1, max_size=4)):
        assert ours.tokenize(text) == theirs.encode(text).tokens


def test_merges_apply_in_the_order_they_were_learned():
    vocab = BASE | {"he": 256, "th": 257, "the": 258, "Ġt": 259}
    merges = [("h", "e"), ("t", "h"), ("t", "he"), ("Ġ", "t")]
    tokenizer = ByteLevelBPE(vocab, merges)
    assert tokenizer.tokenize("the that then") == ["the", "Ġ", "th", "a", "t", "Ġ", "the", "n"]
    assert tokenizer.tokenize(" to é") == ["Ġt", "o", "Ġ", "Ã", "©"]
    assert tokenizer.encode("the") == [258]
    assert tokenizer.decode([259, 256]) == " the"
    assert merge_pair(list("aaaba"), ("a", "a")) == ["aa", "a", "b", "a"]


def test_the_memory_of_words_is_bounded(ours, monkeypatch):
    monkeypatch.setattr(bpe, "CACHE_SIZE", 3)
    fresh = ByteLevelBPE(ours.vocab, ours.merges)
    for text in ("the hat", "that cat hate the", "the hat"):
        assert fresh.tokenize(text) == ours.tokenize(text)
        assert len(fresh._cache) <= 3
    fresh.tokenize("the").append("changed")
    assert fresh.tokenize("the") == ours.tokenize("the")


def test_attributes(ours):
    assert ours.vocab_size == len(ours.vocab) == len(ours.pieces) == 420
    assert len(ours.merges) == 164
    assert [ours.vocab[piece] for piece in ours.pieces] == list(range(420))
    assert ours.pieces[:256] == SYMBOLS
    assert ours.pieces[256:] == ["".join(pair) for pair in ours.merges]
    assert repr(ours) == "ByteLevelBPE(420 pieces, 164 merges, specials=())"


def test_readable_shows_what_a_piece_is():
    merges = [("Ġ", "a"), ("Ċ", "Ċ"), ("Ã", "©")]
    vocab = BASE | {"".join(pair): 256 + i for i, pair in enumerate(merges)}
    tokenizer = ByteLevelBPE(vocab, merges, ("<a b>",))
    shown = {"a": "a", "Ġ": "·", "Ġa": "·a", "ĊĊ": "\\n\\n", "Ã©": "é", "Ã": "\\xc3"}
    shown |= {"ŀ": "\\x9e", "<a b>": "<a b>"}
    assert {piece: tokenizer.readable(tokenizer.vocab[piece]) for piece in shown} == shown


# Training


@pytest.mark.parametrize("vocab_size", [256, 257, 300, 420, 5000])  # 5000: pairs run out
def test_training_is_theirs_with_ties(vocab_size):
    tokenizer = ByteLevelBPE.train(MIXED, vocab_size)
    assert (tokenizer.merges, tokenizer.vocab) == train_theirs([MIXED], vocab_size)
    assert (tokenizer.vocab_size == vocab_size) == (vocab_size < 5000)


@given(st.lists(st.text("ab \n", max_size=40), max_size=4), st.integers(256, 300))
@example(["aaaaaaa aaaa aaaaa"], 300)
def test_training_on_runs_and_ties_is_theirs(texts, vocab_size):
    tokenizer = ByteLevelBPE.train(texts, vocab_size)
    assert (tokenizer.merges, tokenizer.vocab) == train_theirs(texts, vocab_size)


@given(TEXTS, st.integers(1, 3))
def test_training_on_any_text_is_theirs(text, min_count):
    tokenizer = ByteLevelBPE.train(text, 300, min_count=min_count)
    reference = train_theirs([text], 300, min_frequency=min_count)
    assert (tokenizer.merges, tokenizer.vocab) == reference


def test_training_on_library_docs_is_theirs(corpus):
    text = corpus.text("train")
    tokenizer = ByteLevelBPE.train(text, 600)
    merges, vocab = train_theirs([text], 600)
    assert len(merges) == 344
    assert tokenizer.merges == merges
    assert tokenizer.vocab == vocab
    held_out = corpus.text("test")[:100_000]
    assert tokenizer.encode(held_out) == their_tokenizer(vocab, merges).encode(held_out).ids


def test_training_on_files_is_theirs(corpus, tmp_path):
    texts = [MIXED, corpus.text("validation", "code")[:50_000]]
    for i, text in enumerate(texts):
        (tmp_path / f"{i}.txt").write_text(text, encoding="utf-8", newline="")
    theirs = ByteLevelBPETokenizer()
    theirs.train([str(tmp_path / "0.txt"), str(tmp_path / "1.txt")], 500, show_progress=False)
    lines = [line for text in texts for line in re.findall(r"[^\n]*\n|[^\n]+", text)]
    tokenizer = ByteLevelBPE.train(lines, 500, min_count=2)
    assert (tokenizer.merges, tokenizer.vocab) == learned(theirs._tokenizer)


def test_training_does_not_depend_on_the_order_of_texts():
    lines = MIXED.splitlines(keepends=True)
    merges = ByteLevelBPE.train(lines, 350).merges
    random.Random(0).shuffle(lines)
    assert ByteLevelBPE.train(iter(lines), 350).merges == merges


def test_the_pairs_of_sennrich_by_hand():
    words = {"low": 5, "lowest": 2, "newer": 6, "wider": 3}
    steps = merge_steps(words, 4)
    # e r: 6 + 3. Then l o and o w have 5 + 2; l has the smaller id. n e and e w have 6.
    assert [(step.pair, step.count) for step in steps] == [
        (("e", "r"), 9),
        (("l", "o"), 7),
        (("lo", "w"), 7),
        (("e", "w"), 6),
    ]
    assert steps[0].words["newer"] == ("n", "e", "w", "er")
    assert steps[0].words["lowest"] == ("l", "o", "w", "e", "s", "t")
    assert steps[3].words == {
        "low": ("low",),
        "lowest": ("low", "e", "s", "t"),
        "newer": ("n", "ew", "er"),
        "wider": ("w", "i", "d", "er"),
    }


def test_steps_are_those_of_training():
    steps = merge_steps(MIXED, 50)
    assert [step.pair for step in steps] == ByteLevelBPE.train(MIXED, 306).merges
    assert merge_steps([MIXED[:80], MIXED[80:]], 5)[0].words.keys() == {
        *split_text(MIXED[:80]),
        *split_text(MIXED[80:]),
    }
    assert len(merge_steps({"abc": 1}, 9)) == 2


def test_counts_are_kept_right_step_by_step():
    words = Counter(split_text(MIXED))
    learner = MergeLearner(words)
    for pair, count in learner.steps(120):
        recount = Counter()
        for word, pieces in learner.cuts.items():
            for i in range(len(pieces) - 1):
                recount[pieces[i], pieces[i + 1]] += words[word]
        assert pair not in recount
        assert recount == +learner.pair_counts
        assert count >= max(recount.values())


def test_no_merge_makes_a_special():
    text = "start start starting restart"
    assert ByteLevelBPE.train(text, 262).vocab["start"] == 259
    tokenizer = ByteLevelBPE.train(text, 262, ("start",))
    assert tokenizer.specials == ("start",)
    assert tokenizer.vocab["start"] == 261
    assert tokenizer.vocab_size == 262
    assert "start" not in tokenizer.tokenize(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


# Special tokens


@pytest.fixture(scope="module")
def gpt_2(ours) -> ByteLevelBPE:
    names = ("<|endoftext|>", "<start>", "<start>2", "é[x y]")
    return ByteLevelBPE(ours.vocab, ours.merges, names)


def test_specials_do_not_come_out_of_ordinary_text(gpt_2, ours):
    text = "the<|endoftext|> hat <start>"
    assert gpt_2.encode(text) == ours.encode(text)
    assert max(gpt_2.encode(text)) < 420
    assert gpt_2.decode(gpt_2.encode(text)) == text


def test_specials_when_asked_for(gpt_2):
    assert [gpt_2.special_id(name) for name in gpt_2.specials] == [420, 421, 422, 423]
    text = "the <|endoftext|> hat<start>2<start><start>3é[x y]"
    pieces = gpt_2.tokenize(text, specials=True)
    assert pieces == [
        *gpt_2.tokenize("the "),
        *("<|endoftext|>", *gpt_2.tokenize(" hat")),
        *("<start>2", "<start>", "<start>", "3", "é[x y]"),
    ]
    ids = gpt_2.encode(text, specials=True)
    assert [gpt_2.pieces[i] for i in ids] == pieces
    assert gpt_2.decode(ids) == text
    assert gpt_2.decode([420, 422]) == "<|endoftext|><start>2"


def test_asking_where_there_are_no_specials(ours):
    assert ours.encode("the<|endoftext|>", specials=True) == ours.encode("the<|endoftext|>")


SPECIAL_TEXTS = st.lists(st.one_of(st.sampled_from(["<|endoftext|>", " ", "\n", "<|"]), TEXTS))


@pytest.fixture(scope="module")
def official(ours, tmp_path_factory) -> dict:
    """Both classes of transformers out of saved files, and ours."""
    folder = tmp_path_factory.mktemp("gpt2")
    ByteLevelBPE(ours.vocab, ours.merges, ("<|endoftext|>",)).save(folder)
    files = {"vocab": str(folder / "vocab.json"), "merges": str(folder / "merges.txt")}
    return {
        "ours": ByteLevelBPE.from_files(files["vocab"], files["merges"]),
        "slow": GPT2Tokenizer(**files),
        "fast": GPT2TokenizerFast(**files),
        "folder": GPT2TokenizerFast.from_pretrained(str(folder)),
    }


@given(parts=SPECIAL_TEXTS)
@example(parts=["a  ", "<|endoftext|>", "  b <|endoftext|>"])
def test_transformers_tokenizer_gives_the_same_ids(official, parts):
    text, ours = "".join(parts), official["ours"]
    ids = ours.encode(text, specials=True)
    for kind in ("slow", "fast", "folder"):
        assert len(official[kind]) == ours.vocab_size == 421
        assert official[kind](text)["input_ids"] == ids
        decoded = official[kind].decode(ids, clean_up_tokenization_spaces=False)
        assert ours.decode(ids) == decoded == text


# Files


def test_saved_files_are_gpt_2s_layout_and_come_back(gpt_2, tmp_path):
    gpt_2.save(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["merges.txt", "vocab.json"]
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#version: 0.2"
    assert lines[1:] == [" ".join(pair) for pair in gpt_2.merges]
    back = ByteLevelBPE.from_files(folder / "vocab.json", folder / "merges.txt")
    assert (back.vocab, back.merges, back.specials) == (gpt_2.vocab, gpt_2.merges, gpt_2.specials)
    back.save(str(folder))
    assert BPE.read_file(str(folder / "vocab.json"), str(folder / "merges.txt")) == (
        gpt_2.vocab,
        gpt_2.merges,
    )


def test_merges_cut_off_are_found_when_the_specials_are_named(gpt_2, tmp_path):
    gpt_2.save(tmp_path)
    files = tmp_path / "vocab.json", tmp_path / "merges.txt"
    assert ByteLevelBPE.from_files(*files, gpt_2.specials).specials == gpt_2.specials
    assert ByteLevelBPE.from_files(*files, [*gpt_2.specials, "<x>"]).special_id("<x>") == 424
    lines = files[1].read_text(encoding="utf-8").splitlines(keepends=True)
    files[1].write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"\(id 419\) is no byte, no merge makes it"):
        ByteLevelBPE.from_files(*files, gpt_2.specials)


def test_merges_without_version_and_with_windows_line_ends(ours, tmp_path):
    ours.save(tmp_path)
    path = tmp_path / "merges.txt"
    body = path.read_bytes().split(b"\n", 1)[1]
    for content in (body, body.rstrip(b"\n"), body.replace(b"\n", b"\r\n")):
        path.write_bytes(content)
        assert ByteLevelBPE.from_files(tmp_path / "vocab.json", path).merges == ours.merges


@pytest.mark.parametrize("failing", ["vocab.json", "merges.txt"])
@pytest.mark.parametrize("old", [True, False])
def test_a_failed_save_leaves_what_was_there(ours, tmp_path, monkeypatch, failing, old):
    folder = tmp_path / "a" / "b"
    if old:
        ByteLevelBPE.train("abc", 257).save(folder)
        (folder / "merges.txt").write_text("older")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_whole = files.write_whole

    def fail(path, content):
        if path.name == failing and content not in before.values():
            path.parent.mkdir(parents=True, exist_ok=True)
            raise OSError("disk full")
        write_whole(path, content)

    monkeypatch.setattr(files, "write_whole", fail)
    with pytest.raises(OSError, match="disk full"):
        ours.save(folder)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (tmp_path / "a").exists() == old


VOCAB = BASE | {"he": 256, "the": 257}


@pytest.mark.parametrize(
    ("vocab", "merges", "message"),
    [
        ("{", "", r"vocab\.json is not JSON"),
        ("[1]", "", r"vocab\.json must hold an object, piece: id, got list"),
        (VOCAB | {"x": 999}, "", r"vocab\.json: the id of 'x' must be .* 0 to 257 .* got 999"),
        (VOCAB | {"the": 256}, "", r"vocab\.json: 'he' and 'the' have the same id, 256"),
        (VOCAB | {"the": "257"}, "", r"id of 'the' must be an integer .* got '257'"),
        (VOCAB | {"the": 257.0}, "", r"id of 'the' must be an integer .* got 257\.0"),
        (VOCAB | {"!": False}, "", r"id of '!' must be an integer .* got False"),
        (VOCAB | {"": 258}, "", r"the piece with id 258 is empty"),
        ({"a": 0}, "", r"vocab\.json lacks 255 of 256 byte symbols: '!'"),
        (VOCAB, "h e\nt\n", r"merges\.txt, line 3, 't': expected two pieces"),
        (VOCAB, "h e\n\nt he\n", r"merges\.txt, line 3, '': expected two pieces"),
        (VOCAB, "h  e\n", r"line 2, 'h  e': expected two pieces"),
        (VOCAB, "h \n", r"line 2, 'h ': expected two pieces"),
        (VOCAB, "h e\n#version: 0.2\n", r"line 3, '#version: 0\.2': '#version:' is not in"),
        (VOCAB, "h e \n", r"line 2, 'h e ': expected two pieces"),
        (VOCAB, "h e\nth e\n", r"line 3, 'th e': 'th' is not in the vocabulary"),
        (VOCAB, "h e\nx y\n", r"line 3, 'x y': 'xy' is not in the vocabulary"),
        (VOCAB, "h e\nt he\nh e\n", r"line 4, 'h e': the same merge as in .*, line 2"),
        (VOCAB, "t he\nh e\n", r"line 2, 't he': 'he' is no byte, and no earlier merge makes it"),
        (VOCAB, b"h e\n\xff \xfe\n", r"merges\.txt is not a text file in UTF-8"),
    ],
)
def test_malformed_files(tmp_path, vocab, merges, message):
    text = vocab if isinstance(vocab, str) else json.dumps(vocab)
    (tmp_path / "vocab.json").write_text(text)
    merges = merges if isinstance(merges, bytes) else merges.encode()
    (tmp_path / "merges.txt").write_bytes(b"#version: 0.2\n" + merges)
    with pytest.raises(ValueError, match=message):
        ByteLevelBPE.from_files(tmp_path / "vocab.json", tmp_path / "merges.txt")


def test_missing_files_and_folders_in_their_place(ours, tmp_path):
    ours.save(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no file .*vocab2\.json"):
        ByteLevelBPE.from_files(tmp_path / "vocab2.json", tmp_path / "merges.txt")
    with pytest.raises(FileNotFoundError, match=r"no file .*merges2\.txt"):
        ByteLevelBPE.from_files(tmp_path / "vocab.json", tmp_path / "merges2.txt")
    with pytest.raises(ValueError, match="is not a text file"):
        ByteLevelBPE.from_files(tmp_path, tmp_path / "merges.txt")


# Bad input

PLAIN = ByteLevelBPE(BASE, [])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: PLAIN.encode(None), TypeError, "text must be a string, got NoneType"),
        (lambda: PLAIN.tokenize(b"abc"), TypeError, "text must be a string, got bytes"),
        (lambda: PLAIN.encode(["a"]), TypeError, "text must be a string, got list"),
        (lambda: PLAIN.encode("ab\ud800c"), ValueError, r"surrogate, U\+D800 at position 2"),
        (lambda: PLAIN.tokenize("\udfff"), ValueError, r"surrogate, U\+DFFF at position 0"),
        (lambda: PLAIN.encode("a", specials="x"), TypeError, "True or False, got 'x'"),
        (lambda: PLAIN.decode([0, 256]), ValueError, "id 256 at position 1.*ids 0 to 255"),
        (lambda: PLAIN.decode([-1]), ValueError, "id -1 at position 0"),
        (lambda: PLAIN.decode([1.5]), TypeError, r"1\.5"),
        (lambda: PLAIN.decode([True]), TypeError, "True"),
        (lambda: PLAIN.decode(3), TypeError, "sequence of integers, got 3"),
        (lambda: PLAIN.decode(torch.tensor([[1]])), TypeError, r"\[1\] at position 0"),
        (lambda: PLAIN.readable(256), ValueError, "id 256"),
        (lambda: PLAIN.readable("a"), TypeError, "'a'"),
        (lambda: PLAIN.special_id("<x>"), ValueError, "no special token '<x>'; there are: none"),
        (lambda: ByteLevelBPE.train(3, 300), TypeError, "text must be a string, got int"),
        (lambda: ByteLevelBPE.train(b"ab", 300), TypeError, "text must be a string, got bytes"),
        (lambda: ByteLevelBPE.train(["a", None], 300), TypeError, "got NoneType"),
        (lambda: ByteLevelBPE.train("\ud800", 300), ValueError, r"U\+D800"),
        (lambda: ByteLevelBPE.train("a", 255), ValueError, "vocab_size must be at least 256"),
        (lambda: ByteLevelBPE.train("a", 257, ("<x>", "<y>")), ValueError, "at least 258"),
        (lambda: ByteLevelBPE.train("a", 3e2), TypeError, "vocab_size must be an int"),
        (lambda: ByteLevelBPE.train("a", 300, min_count=0), ValueError, "min_count"),
        (lambda: ByteLevelBPE.train("a", 300, ("b",)), ValueError, "'b' is a piece of ordinary"),
        (lambda: ByteLevelBPE.train("a", 300, "<x>"), TypeError, "specials must be a sequence"),
        (lambda: ByteLevelBPE.train("a", 300, ("<x>", 3)), TypeError, "special must be a string"),
        (lambda: ByteLevelBPE.train("a", 300, ("<x>", "<x>")), ValueError, "'<x>' is given twice"),
        (lambda: ByteLevelBPE.train("a", 300, ("",)), ValueError, r"specials\[0\] is empty"),
        (lambda: ByteLevelBPE([], []), TypeError, "vocab must map pieces to ids, got list"),
        (lambda: ByteLevelBPE(BASE | {3: 256}, []), TypeError, "piece must be a string, got int"),
        (lambda: ByteLevelBPE({"a": 0}, []), ValueError, "lacks 255 of 256 byte symbols"),
        (lambda: ByteLevelBPE(VOCAB, "he"), TypeError, "merges must be pairs .* got str"),
        (lambda: ByteLevelBPE(VOCAB, ["he"]), ValueError, r"merges\[0\], 'he': expected two"),
        (lambda: ByteLevelBPE(VOCAB, [("h",)]), ValueError, r"merges\[0\].*expected two pieces"),
        (lambda: ByteLevelBPE(VOCAB, [(1, 2)]), TypeError, r"merges\[0\].*two strings"),
        (lambda: ByteLevelBPE(VOCAB, [("h", "e")] * 2), ValueError, r"merges\[1\].*same merge"),
        (lambda: ByteLevelBPE(VOCAB, [("h", "e")], ("he",)), ValueError, "'he' is a piece of ord"),
        (lambda: ByteLevelBPE(VOCAB, [("h", "e")], ()), ValueError, r"'the' \(id 257\) is no byte"),
        (lambda: merge_steps("abc", 0), ValueError, "n_merges must be at least 1"),
        (lambda: merge_steps({"abc": 0}, 1), ValueError, "the count of 'abc'"),
        (lambda: merge_steps({3: 1}, 1), TypeError, "word must be a string"),
        (lambda: merge_steps(3, 1), TypeError, "text must be a string, got int"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_pieces_that_no_merge_makes_are_specials_unless_they_are_named():
    assert ByteLevelBPE(VOCAB, [("h", "e")]).specials == ("the",)
    tokenizer = ByteLevelBPE(VOCAB, [("h", "e")], ["<x>", "the"])
    assert tokenizer.specials == ("the", "<x>")
    assert tokenizer.special_id("<x>") == 258
    assert tokenizer.tokenize("the the", specials=True) == ["the", "Ġ", "the"]
    assert tokenizer.tokenize("the") == ["t", "he"]


def test_empty_text_and_no_ids(ours):
    assert ours.tokenize("") == ours.encode("") == []
    assert ours.decode([]) == ours.decode(torch.tensor([], dtype=torch.long)) == ""
    assert ByteLevelBPE.train("", 300).vocab == ByteLevelBPE.train([], 300).vocab == BASE

"""BERT in the files that transformers writes, from folders and from a server in this test."""

import functools
import hashlib
import http.server
import json
import re
import shutil
import socket
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from transformers import (
    AlbertConfig,
    AlbertModel,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    BertTokenizer,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
)

from nlp_helpers import bert_files, downloads
from nlp_helpers.bert_files import RELEASED
from nlp_helpers.data.wordpiece import WordPiece
from nlp_helpers.downloads import Download
from nlp_helpers.models.bert import BERT, BERTForTokenClassification
from nlp_helpers.models.bert_config import BERT_SIZES, BERTConfig
from nlp_helpers.models.bert_weights import config_from_huggingface
from nlp_helpers.pretrained import load_bert

TEXTS = [
    "The bank of the river was muddy; the BANK in the town was closed.",
    "naïve Café 日本語 it's  two  spaces\n\nand\tlines, 2019!",
    " leading, trailing ",
    "a [MASK] in the middle, and one in[MASK]side",
    "unheard-of: ☃",
    "",
]
PAIRS = [
    (TEXTS[0], None),
    (TEXTS[0], TEXTS[1]),
    (TEXTS[1], " "),
    ("", TEXTS[2]),
    (TEXTS[3], TEXTS[4]),
]
WORDS = "the The bank river was muddy in town closed naive naïve café ##ing ##y two ##ch 日本 cafe"
LETTERS = sorted({*"".join(TEXTS[:4]), *"".join(TEXTS[:4]).lower()} - {*" \n\t[]"})
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIALS, *LETTERS, *(f"##{c}" for c in LETTERS), *WORDS.split()]
PIECES = list(dict.fromkeys(PIECES))  # no piece twice
SIZES = {
    "vocab_size": len(PIECES),
    "max_position_embeddings": 80,
    "hidden_size": 36,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "intermediate_size": 50,
}
OPTIONS = {  # ours -> theirs
    "lower_case": "do_lower_case",
    "strip_accents": "strip_accents",
    "chinese_characters": "tokenize_chinese_chars",
}


def their_model(cls=BertForPreTraining, **changes):
    torch.manual_seed(0)
    model = cls(BertConfig(**{**SIZES, **changes})).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.3)
    return model


def write_vocab(folder, pieces=PIECES):
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")


def save_tokenizer(folder, **options):
    """With transformers' own code, which writes tokenizer.json and no vocab.txt."""
    vocab = {piece: i for i, piece in enumerate(PIECES)}
    BertTokenizer(vocab=vocab, **options).save_pretrained(folder)
    assert not (folder / "vocab.txt").exists()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder that their own code wrote, tokenizer included."""
    folder = tmp_path_factory.mktemp("saved")
    their_model().save_pretrained(folder)
    save_tokenizer(folder)
    written = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in folder.iterdir()} == written
    return folder


@pytest.fixture
def new_folder(saved, tmp_path):
    """As transformers 5 writes it."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture
def folder(new_folder):
    """As the official models are: with a vocab.txt."""
    (new_folder / "tokenizer.json").unlink()
    write_vocab(new_folder)
    return new_folder


@pytest.fixture(params=["folder", "new_folder"])
def either(request):
    return request.getfixturevalue(request.param)


def batch_case(tokenizer):
    """The pairs in one batch, filled up."""
    rows = [tokenizer.encode(*pair) for pair in PAIRS]
    longest = max(len(ids) for ids, _ in rows)
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    segments, mask = tokens.clone(), tokens.bool()
    for row, (ids, kinds) in enumerate(rows):
        tokens[row, : len(ids)], segments[row, : len(ids)] = torch.tensor(ids), torch.tensor(kinds)
        mask[row, : len(ids)] = True
    return tokens, segments, mask


@torch.no_grad()
def check_outputs(model, tokenizer, theirs=None):
    """Hidden states at real places, and the pooled vectors, are those of the reference."""
    theirs = their_model() if theirs is None else theirs
    tokens, segments, mask = batch_case(tokenizer)
    assert segments.any() and not mask.all()
    reference = getattr(theirs, "bert", theirs)(tokens, mask.long(), segments)
    hidden, pooled = model(tokens, segments, mask)
    torch.testing.assert_close(
        hidden[mask], reference.last_hidden_state[mask], rtol=1e-5, atol=1e-5
    )
    if reference.pooler_output is None:
        assert pooled is None
    else:
        torch.testing.assert_close(pooled, reference.pooler_output, rtol=1e-5, atol=1e-5)


def check_ids(ours, theirs):
    for text, pair in PAIRS:
        expected = theirs(text, pair)
        assert ours.encode(text, pair) == (expected["input_ids"], expected["token_type_ids"])
    for text in TEXTS:
        assert ours.tokenize(text) == theirs.tokenize(text)


# ---- folders ----


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_of_theirs_gives_their_ids_and_their_vectors(either, kind):
    before = torch.get_rng_state()
    model, tokenizer = load_bert(kind(either))
    assert torch.equal(torch.get_rng_state(), before)
    assert type(model) is BERT
    assert type(tokenizer) is WordPiece
    assert tokenizer.vocab_size == model.config.vocab_size == len(PIECES)
    assert not any(module.training for module in model.modules())
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    check_ids(tokenizer, BertTokenizer.from_pretrained(either))
    assert len({*tokenizer.encode(TEXTS[0])[0]}) > 9  # not all of it unknown
    check_outputs(model, tokenizer)
    check_outputs(model, tokenizer, BertModel.from_pretrained(either).eval())  # from the file


def test_what_is_loaded_can_be_fine_tuned(folder):
    model, tokenizer = load_bert(folder)
    tagger = BERTForTokenClassification(model, 3)
    tokens, segments, mask = batch_case(tokenizer)
    tagger(tokens, segments, mask)[mask].square().sum().backward()
    assert tagger.bert.tokens.weight.grad.abs().sum() > 0
    check_outputs(model, tokenizer)


def change_tensors(folder, change):
    path = folder / "model.safetensors"
    tensors = change(load_file(path))
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, path)


def without_head(tensors):
    return {k: v for k, v in tensors.items() if k.startswith("bert.")}


def without_prefix(tensors):
    return {k.removeprefix("bert."): v for k, v in without_head(tensors).items()}


def with_old_names(tensors):
    def old(name):
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        return name.replace("LayerNorm.bias", "LayerNorm.beta")

    return {old(name): tensor for name, tensor in tensors.items()}


def with_buffers(tensors):
    prefix = "bert." * any(name.startswith("bert.") for name in tensors)
    buffers = {f"{prefix}embeddings.position_ids": torch.arange(80)[None]}
    return {**tensors, **buffers, f"{prefix}embeddings.token_type_ids": torch.zeros(1, 80).long()}


WEIGHTS = {
    "with heads, old names": [with_old_names],
    "with heads, buffers": [with_buffers],
    "no heads": [without_head],
    "no heads, old names and buffers": [without_head, with_buffers, with_old_names],
    "no prefix": [without_prefix],
    "no prefix, old names and buffers": [without_prefix, with_buffers, with_old_names],
}


@pytest.mark.parametrize("layout", WEIGHTS)
def test_other_layouts_of_the_weights(folder, layout):
    for change in WEIGHTS[layout]:
        change_tensors(folder, change)
    check_outputs(*load_bert(folder))


@pytest.mark.parametrize("layout", ["with heads", *WEIGHTS])
def test_without_a_pooler_there_is_no_pooled_vector(folder, layout):
    change_tensors(folder, lambda t: {k: v for k, v in t.items() if ".pooler." not in k})
    for change in WEIGHTS.get(layout, []):
        change_tensors(folder, change)
    model, tokenizer = load_bert(folder)
    assert model.config.pooler is False
    theirs = their_model().bert
    theirs.pooler = None
    check_outputs(model, tokenizer, theirs)


@pytest.mark.parametrize(
    "cls",
    [
        BertModel,
        BertForMaskedLM,
        BertForQuestionAnswering,
        BertForSequenceClassification,
        BertForTokenClassification,
    ],
)
def test_the_files_of_their_other_classes(folder, cls):
    theirs = their_model(cls)
    theirs.save_pretrained(folder)
    model, tokenizer = load_bert(folder)
    assert model.config.pooler is (cls in (BertModel, BertForSequenceClassification))
    check_outputs(model, tokenizer, theirs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_model_is_in_float32_whatever_the_file_holds(folder, dtype):
    change_tensors(folder, lambda tensors: {k: v.to(dtype) for k, v in tensors.items()})
    model, tokenizer = load_bert(folder)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    check_outputs(model, tokenizer, their_model().to(dtype).float())


def change_json(path, **changes):
    found = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in found.items() if v is not ...}))


def test_the_configuration_of_the_first_release(folder):
    """Without model_type and eps, as in the authors' bert_config.json."""
    known = ("hidden_dropout_prob", "attention_probs_dropout_prob", "hidden_act", "type_vocab_size")
    config = json.loads((folder / "config.json").read_text())
    config = {k: config[k] for k in (*SIZES, *known, "initializer_range")}
    (folder / "config.json").write_text(json.dumps(config))
    check_outputs(*load_bert(folder))


@pytest.mark.parametrize("n", [1, 3])
def test_a_vocabulary_may_have_fewer_pieces_than_the_embedding_has_rows(either, n):
    """As where the rows were padded to a multiple of 8."""
    theirs = their_model(vocab_size=len(PIECES) + n)
    theirs.save_pretrained(either)
    model, tokenizer = load_bert(either)
    assert tokenizer.vocab_size == len(PIECES)
    assert model.config.vocab_size == len(PIECES) + n
    check_outputs(model, tokenizer, theirs)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(
    ("layout", "name"), [("folder", "vocab.txt"), ("new_folder", "tokenizer.json")]
)
def test_a_vocabulary_with_more_pieces_than_the_model_is_refused(request, layout, name, n):
    folder, size = request.getfixturevalue(layout), len(PIECES) - n
    their_model(vocab_size=size).save_pretrained(folder)
    words = rf"{folder}: {name} has {len(PIECES)} pieces, config\.json says vocab_size={size}"
    with pytest.raises(ValueError, match=words):
        load_bert(folder)


# ---- the tokenizer ----


@pytest.mark.parametrize("in_json", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"lower_case": True},
        {"lower_case": False},
        {"lower_case": True, "strip_accents": False},
        {"lower_case": False, "strip_accents": True},
        {"lower_case": True, "chinese_characters": False},
        {"lower_case": False, "strip_accents": True, "chinese_characters": False},
    ],
    ids=str,
)
def test_the_options_of_the_tokenizer_are_theirs(folder, options, in_json):
    options = {OPTIONS[name]: value for name, value in options.items()}
    if in_json:
        (folder / "vocab.txt").unlink()
        save_tokenizer(folder, **options)
    else:
        (folder / "tokenizer_config.json").write_text(json.dumps(options))
    check_ids(load_bert(folder)[1], BertTokenizer.from_pretrained(folder))


@pytest.mark.parametrize("in_files", [True, False])
@pytest.mark.parametrize("lower_case", [True, False])
def test_lower_case_can_be_chosen_against_the_files(either, lower_case, in_files):
    change_json(either / "tokenizer_config.json", do_lower_case=in_files)
    _, ours = load_bert(either, lower_case)
    assert ours.basic.lower_case is lower_case
    assert ours.encode(TEXTS[1]) == load_bert(either, lower_case=lower_case)[1].encode(TEXTS[1])
    check_ids(ours, BertTokenizer.from_pretrained(either, do_lower_case=lower_case))


@pytest.mark.parametrize("options", [{}, {"do_lower_case": False}, {"strip_accents": False}])
def test_a_tokenizer_json_alone_says_all(new_folder, options):
    """As the library tokenizers reads it, which has no tokenizer_config.json."""
    save_tokenizer(new_folder, **options)
    (new_folder / "tokenizer_config.json").unlink()
    _, ours = load_bert(new_folder)
    theirs = Tokenizer.from_file(str(new_folder / "tokenizer.json"))
    for text, pair in PAIRS:
        expected = theirs.encode(text, pair)
        assert ours.encode(text, pair) == (expected.ids, expected.type_ids)


def test_capitals_that_no_file_speaks_of_are_warned_about(folder):
    (folder / "tokenizer_config.json").unlink()
    with pytest.warns(UserWarning, match=r"vocab\.txt has \d+ pieces with capitals.*lower_case=Fa"):
        _, ours = load_bert(folder)
    assert ours.basic.lower_case is True
    check_ids(ours, BertTokenizer.from_pretrained(folder))


def change_tokenizer(folder, part, **changes):
    path = folder / "tokenizer.json"
    found = json.loads(path.read_text())
    found[part] = {k: v for k, v in {**found[part], **changes}.items() if v is not ...}
    path.write_text(json.dumps(found))


def test_what_tokenizer_config_says_goes_before_what_tokenizer_json_says(new_folder):
    change_tokenizer(new_folder, "normalizer", lowercase=True, strip_accents=True)
    changes = {"do_lower_case": False, "strip_accents": None}
    change_json(new_folder / "tokenizer_config.json", **changes)
    _, ours = load_bert(new_folder)
    assert ours.basic.lower_case is False
    check_ids(ours, BertTokenizer.from_pretrained(new_folder))


def test_the_longest_word_is_read_from_tokenizer_json(new_folder):
    change_tokenizer(new_folder, "model", max_input_chars_per_word=4)
    _, ours = load_bert(new_folder)
    assert ours.tokenize("bank muddy") == ["bank", "[UNK]"]
    theirs = Tokenizer.from_file(str(new_folder / "tokenizer.json"))
    assert theirs.encode("bank muddy", add_special_tokens=False).tokens == ["bank", "[UNK]"]


def test_tokenizer_json_of_earlier_versions(new_folder):
    processor = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    change_json(new_folder / "tokenizer.json", post_processor=processor, added_tokens=[])
    change_tokenizer(new_folder, "model", type=...)
    _, ours = load_bert(new_folder)
    theirs = Tokenizer.from_file(str(new_folder / "tokenizer.json"))
    for text, pair in PAIRS[:3]:
        expected = theirs.encode(text, pair)
        assert ours.encode(text, pair) == (expected.ids, expected.type_ids)


def test_vocab_txt_goes_before_tokenizer_json(new_folder):
    pieces = PIECES[:]
    a, b = pieces.index("bank"), pieces.index("river")
    pieces[a], pieces[b] = pieces[b], pieces[a]
    write_vocab(new_folder, pieces)
    assert load_bert(new_folder)[1].vocab["bank"] == b


SINGLE = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("normalizer", {"type": "NFC"}, "normalizer.type must be 'BertNormalizer', got 'NFC'"),
        ("normalizer", {"clean_text": False}, "normalizer.clean_text must be True, got False"),
        ("normalizer", {"lowercase": "no"}, "lower_case must be True or False, got 'no'"),
        ("pre_tokenizer", {"type": "Metaspace"}, "pre_tokenizer.type must be 'BertPreTok.*Metasp"),
        ("model", {"type": "BPE"}, "model.type must be 'WordPiece', got 'BPE'"),
        ("model", {"unk_token": "<unk>"}, r"model.unk_token must be '\[UNK\]', got '<unk>'"),
        ("model", {"continuing_subword_prefix": ""}, "model.continuing_subword_prefix must be '##"),
        ("model", {"max_input_chars_per_word": 0}, "max_characters must be at least 1, got 0"),
        ("model", {"vocab": ...}, "vocab must map pieces to ids, .* got NoneType"),
        ("model", {"vocab": {"a": 0}}, r"the vocabulary lacks \[PAD\], \[UNK\]"),
        ("model", {"vocab": {"a": "0"}}, "the id of 'a' must be an int, got '0'"),
        ("model", {"vocab": {"a": 7}}, "the id of 'a' must be from 0 to 0"),
        ("post_processor", {"type": "RobertaProcessing"}, r"must make \[CLS\] text \[SEP\] and"),
        ("post_processor", {"single": SINGLE}, r"post_processor must make \[CLS\] text \[SEP\]"),
        ("post_processor", {"pair": ...}, "post_processor must make"),
        ("post_processor", {"pair": 7}, "post_processor must make"),
    ],
)
def test_the_tokenizer_of_another_model_is_refused(new_folder, part, changes, words):
    change_tokenizer(new_folder, part, **changes)
    (new_folder / "tokenizer_config.json").unlink()
    with pytest.raises(ValueError, match=rf"{new_folder}/tokenizer\.json: .*{words}"):
        load_bert(new_folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"normalizer": None}, "normalizer must be an object, got None"),
        ({"pre_tokenizer": [1]}, r"pre_tokenizer must be an object, got \[1\]"),
        ({"model": ...}, "model must be an object, got None"),
        ({"post_processor": None}, "post_processor must make .*, got None"),
        ({"added_tokens": [{"content": "bank"}]}, "added_tokens must be a list of objects: 'id'"),
        ({"added_tokens": 3}, "added_tokens must be a list of objects"),
        (
            {"added_tokens": [{"content": "[SEP]", "id": 4}]},
            r"'\[SEP\]' has another id in added_tokens than in its vocab",
        ),
    ],
)
def test_a_tokenizer_json_that_lacks_a_part_is_refused(new_folder, changes, words):
    change_json(new_folder / "tokenizer.json", **changes)
    with pytest.raises(ValueError, match=rf"{new_folder}/tokenizer\.json: .*{words}"):
        load_bert(new_folder)


def test_added_tokens_are_refused(new_folder):
    theirs = BertTokenizer.from_pretrained(new_folder)
    theirs.add_tokens(["bank", "sandbank"])  # one that is a piece, and one that is none
    theirs.save_pretrained(new_folder)
    words = r"tokenizer\.json has added tokens, which WordPiece has not: bank, sandbank"
    with pytest.raises(ValueError, match=words):
        load_bert(new_folder)


# ---- folders that are refused ----


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config.json", r"config\.json$"),
        ("model.safetensors", r"model\.safetensors$"),
        ("vocab.txt", r"vocab\.txt or tokenizer\.json$"),
    ],
)
def test_a_missing_file_is_named(folder, name, words):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{folder} lacks {words}"):
        load_bert(folder)


def test_a_missing_tokenizer_json_is_named(new_folder):
    (new_folder / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks vocab\.txt or tokenizer\.json$"):
        load_bert(new_folder)


def test_an_empty_folder_lacks_everything(tmp_path):
    words = r"lacks config\.json, vocab\.txt or tokenizer\.json, model\.safetensors$"
    with pytest.raises(FileNotFoundError, match=words):
        load_bert(tmp_path)


@pytest.mark.parametrize(
    ("lacks", "has"),
    [
        ("model.safetensors", "pytorch_model.bin"),
        ("model.safetensors", "model.safetensors.index.json"),
        ("model.safetensors", "tf_model.h5"),
        ("model.safetensors", "bert_model.ckpt.index"),
        ("config.json", "bert_config.json"),
    ],
)
def test_what_stands_in_place_of_a_file_is_named(either, lacks, has):
    (either / lacks).rename(either / has)
    with pytest.raises(FileNotFoundError, match=rf"lacks {lacks} \(it has {has}, which load_bert"):
        load_bert(either)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "roberta"}, "model_type must be one of bert; got 'roberta'"),
        ({"model_type": "distilbert"}, "model_type must be .*'distilbert'"),
        ({"is_decoder": True}, "does not support is_decoder=True"),
        ({"add_cross_attention": True}, "does not support add_cross_attention=True"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type='relative_key'"),
        ({"hidden_act": "silu"}, "hidden_act must be .*'silu'"),
        ({"attention_probs_dropout_prob": 0.5}, r"attention_probs_dropout_prob=0\.5"),
        ({"hidden_dropout_prob": [0.1]}, r"hidden_dropout_prob=\[0\.1\]"),
        ({"hidden_size": ...}, "lacks hidden_size"),
        ({"hidden_size": "36"}, "hidden_size must be an int, got str"),
        ({"num_attention_heads": 5}, "d_model=36 is not divisible by n_heads=5"),
        ({"vocab_size": None}, "vocab_size must be an int"),
        ({"layer_norm_eps": "small"}, "eps must be a number"),
    ],
)
def test_a_configuration_that_ours_cannot_have_is_named_with_its_file(folder, changes, words):
    change_json(folder / "config.json", **changes)
    with pytest.raises(ValueError, match=rf"{folder}/config\.json: .*{words}"):
        load_bert(folder)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00", b"[1, 2]", b"null", b'"bert"'])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_files_that_are_no_json_object(new_folder, name, content):
    (new_folder / name).write_bytes(content)
    words = rf"{new_folder}/{re.escape(name)} (is not JSON|is not a text file|must hold an object)"
    with pytest.raises(ValueError, match=words):
        load_bert(new_folder)


SMALL = {"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: RobertaModel(RobertaConfig(**SMALL, intermediate_size=9)), "roberta"),
        (lambda: AlbertModel(AlbertConfig(**SMALL, intermediate_size=9)), "albert"),
        (
            lambda: DistilBertModel(
                DistilBertConfig(vocab_size=9, dim=8, n_layers=1, n_heads=2, hidden_dim=9)
            ),
            "distilbert",
        ),
    ],
)
def test_the_folders_of_other_models_are_refused(either, make, kind):
    make().save_pretrained(either)
    with pytest.raises(ValueError, match=rf"config\.json: model_type must be one .*'{kind}'"):
        load_bert(either)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("vocab.txt", b"", r"vocab\.txt lacks \[PAD\]"),
        ("vocab.txt", b"\xff\xff", r"vocab\.txt is not a text file"),
        ("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\na\n", r"vocab\.txt, line 7: 'a'"),
        ("tokenizer_config.json", b'{"do_lower_case": 1}', r"tokenizer_config\.json: do_lower_cas"),
        ("model.safetensors", b"", r"model\.safetensors: "),
        ("model.safetensors", b"half a file", r"model\.safetensors: "),
    ],
)
def test_damaged_files_are_named(folder, name, content, words):
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{folder}/{words}"):
        load_bert(folder)


def test_a_weights_file_that_is_cut_off(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=rf"{path}: "):
        load_bert(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"hidden_size": 48},
            r"word_embeddings\.weight must have shape \[\d+, 36\], got \[\d+, 48",
        ),
        (
            {"hidden_size": 24},
            r"word_embeddings\.weight must have shape \[\d+, 36\], got \[\d+, 24",
        ),
        ({"intermediate_size": 51}, r"dense\.weight must have shape \[50, 36\], got \[51, 36\]"),
        (
            {"max_position_embeddings": 64},
            r"position_embeddings\.weight must .*\[80, 36\], got \[64",
        ),
        ({"num_hidden_layers": 1}, r"BERT of 2 layers: missing: encoder\.layer\.1\.attention"),
        ({"num_hidden_layers": 3}, r"BERT of 2 layers: not known: encoder\.layer\.2\.attention"),
        ({"type_vocab_size": 1}, r"token_type_embeddings\.weight must .*\[2, 36\], got \[1, 36\]"),
        ({"vocab_size": 300}, r"word_embeddings\.weight must have shape \[\d+, 36\], got \[300"),
    ],
    ids=str,
)
def test_weights_of_another_size_than_the_configuration_says(folder, tmp_path, changes, words):
    their_model(**changes).save_pretrained(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", folder)
    with pytest.raises(ValueError, match=rf"{folder}/model\.safetensors: .*{words}"):
        load_bert(folder)


POOLER = "bert.pooler.dense.bias"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: {k: v for k, v in t.items() if k != POOLER}, r"missing: pooler\.dense\.bias"),
        (lambda t: {**t, "bert.pooler.more": torch.zeros(2)}, r"not known: pooler\.more"),
        (
            lambda t: {**t, POOLER: torch.zeros(36, dtype=torch.int32)},
            r"pooler\.dense\.bias must hold floating-point numbers, got torch\.int32",
        ),
        (lambda t: {f"roberta.{k}": v for k, v in t.items()}, r"missing: embeddings\.LayerNorm"),
    ],
)
def test_tensors_that_do_not_fit_are_named_with_their_file(folder, change, words):
    change_tensors(folder, change)
    with pytest.raises(ValueError, match=rf"{folder}/model\.safetensors: .*{words}"):
        load_bert(folder)


@pytest.mark.parametrize("wrong", ["bert", "BERT-tiny", "", "./bert-tiny", "/no/such/folder"])
def test_neither_a_folder_nor_a_name(wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = "bert-base-uncased, bert-base-cased, bert-large-uncased, bert-tiny"
    words = rf"{re.escape(repr(wrong))} is no folder and none of the names {names}"
    with pytest.raises(ValueError, match=words):
        load_bert(wrong)


def test_a_file_is_no_folder(folder):
    for wrong in (folder / "config.json", Path("/no/such/folder")):
        with pytest.raises(ValueError, match=rf"{wrong}' is no folder"):
            load_bert(wrong)


@pytest.mark.parametrize("wrong", [None, 2, b"bert-tiny", ["bert-tiny"]])
def test_neither_a_path_nor_a_string(wrong):
    with pytest.raises(TypeError, match=f"a folder or a name, got {type(wrong).__name__}"):
        load_bert(wrong)


# ---- by name, from a server in this test ----

NAME = "bert-tiny"
SENT = ("config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors")


class _Server(http.server.BaseHTTPRequestHandler):
    def __init__(self, behaviour, *args):
        self.behaviour = behaviour
        super().__init__(*args)

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        self.behaviour["requests"].append(name)
        body = self.behaviour["bodies"][name]
        self.send_response(self.behaviour["status"])
        self.send_header("Content-Length", str(len(body) + self.behaviour["missing"]))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep the test's output clean."""


def released(root, folder):
    """What `RELEASED` says of a model, with other addresses and the hashes of a folder's files."""
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in SENT}
    return {name: Download(f"{root}/{name}", hashes[name]) for name in SENT}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of its own for each test."""
    monkeypatch.setenv("NLP_HELPERS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(folder, cache, monkeypatch):
    """The small model, released as "bert-tiny"."""
    bodies = {name: (folder / name).read_bytes() for name in SENT}
    behaviour = {"bodies": bodies, "requests": [], "status": 200, "missing": 0}
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Server, behaviour))
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    root = f"http://127.0.0.1:{httpd.server_port}/bert/resolve/abc"
    monkeypatch.setitem(RELEASED, NAME, released(root, folder))
    yield behaviour
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_a_name_is_downloaded_once_and_works_offline_afterwards(server, cache, capfd):
    model, tokenizer = load_bert(NAME)
    check_outputs(model, tokenizer)
    assert sorted(server["requests"]) == sorted(SENT)
    assert [path.name for path in cache.iterdir()] == [NAME]
    assert {path.name for path in (cache / NAME).iterdir()} == {*SENT}
    assert "%" in capfd.readouterr().err  # a progress bar
    server["status"] = 500
    again, _ = load_bert(NAME, lower_case=False)
    assert torch.equal(again.tokens.weight, model.tokens.weight)
    assert len(server["requests"]) == len(SENT)
    check_outputs(*load_bert(cache / NAME))  # what is in the cache is such a folder


def test_the_tokenizer_of_a_name_is_that_of_its_files_or_as_asked(server):
    assert load_bert(NAME)[1].basic.lower_case is True
    assert load_bert(NAME, lower_case=False)[1].basic.lower_case is False


@pytest.mark.parametrize("wrong", [1, 0, "no", "yes"])
def test_a_lower_case_that_is_none_is_refused_before_any_work(server, folder, wrong):
    for given in (NAME, folder):
        with pytest.raises(
            TypeError, match=f"lower_case must be True, False or None, got {wrong!r}"
        ):
            load_bert(given, lower_case=wrong)
    assert not server["requests"]


@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize("damage", [lambda whole: whole[:-9], lambda whole: b"", None])
def test_a_damaged_or_missing_copy_is_downloaded_again_and_no_other(server, cache, name, damage):
    load_bert(NAME)
    path = cache / NAME / name
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    server["requests"].clear()
    check_outputs(*load_bert(NAME))
    assert server["requests"] == [name]
    assert path.read_bytes() == server["bodies"][name]


def fails_clearly(cache, name="config.json", left=()):
    """The error names the file, its address and the other way; only whole files are left."""
    url = RELEASED[NAME][name].url
    with pytest.raises(RuntimeError) as caught:
        load_bert(NAME)
    said = str(caught.value)
    assert f"could not download {name} of {NAME!r} from {url}" in said
    assert "give load_bert a folder that holds config.json, vocab.txt, model.safetensors" in said
    found = [path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file()]
    assert sorted(found) == sorted(f"{NAME}/{other}" for other in left)
    if not left:
        assert list(cache.iterdir()) == []


@pytest.mark.parametrize("status", [404, 500])
def test_an_http_error(server, cache, status):
    server["status"] = status
    fails_clearly(cache)


def test_a_truncated_body(server, cache):
    server["missing"] = 100
    fails_clearly(cache)


def test_another_body_than_the_hash_says(server, cache):
    server["bodies"]["config.json"] = server["bodies"]["config.json"].replace(b"gelu", b"relu")
    fails_clearly(cache)


def test_other_weights_than_the_hash_says(server, cache):
    whole = server["bodies"]["model.safetensors"]
    server["bodies"]["model.safetensors"] = whole[:-1] + bytes([whole[-1] ^ 1])
    fails_clearly(cache, "model.safetensors", left=SENT[:-1])
    server["bodies"]["model.safetensors"] = whole
    server["requests"].clear()
    check_outputs(*load_bert(NAME))
    assert server["requests"] == ["model.safetensors"]  # what was whole was kept


def test_no_network(folder, server, cache, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and never listening: connections are refused
        root = f"http://127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setitem(RELEASED, NAME, released(root, folder))
        fails_clearly(cache)


def test_an_interrupted_download_leaves_nothing_behind(server, cache, monkeypatch):
    def interrupt(*args, **kwargs):
        (Path(args[3]) / "half").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads.pooch, "retrieve", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_bert(NAME)
    assert list(cache.iterdir()) == []


def test_a_cache_folder_that_cannot_be_used_is_an_error_that_names_the_remedy(
    server, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NLP_HELPERS_CACHE", str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match=r"cannot use the cache folder.*NLP_HELPERS_CACHE"):
        load_bert(NAME)
    assert not server["requests"]


def test_a_string_that_is_a_name_is_not_the_folder_of_that_name(server, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    folder.rename(NAME)
    for path in (f"./{NAME}", Path(NAME)):
        check_outputs(*load_bert(path))
    assert not server["requests"]
    load_bert(NAME)
    assert len(server["requests"]) == len(SENT)


# ---- what is recorded of the released models ----

# The official config.json: what the first three have in common, and what is their own.
COMMON = {
    "architectures": ["BertForMaskedLM"],
    "attention_probs_dropout_prob": 0.1,
    "gradient_checkpointing": False,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "transformers_version": "4.6.0.dev0",
    "type_vocab_size": 2,
    "use_cache": True,
    "vocab_size": 30522,
}
LARGE = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
}
LATER = ("architectures", "gradient_checkpointing", "position_embedding_type")
LATER += ("transformers_version", "use_cache")
TINY = {
    **{k: v for k, v in COMMON.items() if k not in LATER},
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
}
OFFICIAL = {
    "bert-base-uncased": (COMMON, BERT_SIZES["bert-base"]),
    "bert-base-cased": ({**COMMON, "vocab_size": 28996}, BERTConfig(vocab_size=28996)),
    "bert-large-uncased": ({**COMMON, **LARGE}, BERT_SIZES["bert-large"]),
    "bert-tiny": (TINY, BERTConfig(d_model=128, d_ff=512, n_heads=2, n_layers=2)),
}


@pytest.mark.parametrize("name", RELEASED)
def test_the_recorded_configuration_is_the_official_one_and_gives_our_sizes(name):
    config, ours = OFFICIAL[name]
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    assert hashlib.sha256(text.encode()).hexdigest() == RELEASED[name]["config.json"].sha256
    assert config_from_huggingface(config) == ours


@pytest.mark.parametrize("name", RELEASED)
def test_the_recorded_options_of_the_tokenizer_are_the_official_ones(name):
    if name == "bert-tiny":  # it has none, and is in lower case
        assert "tokenizer_config.json" not in RELEASED[name]
        return
    text = json.dumps({"do_lower_case": "uncased" in name, "model_max_length": 512})
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    assert RELEASED[name]["tokenizer_config.json"].sha256 == sha256


def test_the_recorded_files_are_on_the_hub_at_fixed_revisions():
    assert list(RELEASED) == list(OFFICIAL)
    for name, sources in RELEASED.items():
        assert {"config.json", "vocab.txt", "model.safetensors"} <= {*sources}
        assert {*sources} <= {*SENT}
        assert list(sources)[-1] == "model.safetensors"
        place = (
            "google/bert_uncased_L-2_H-128_A-2" if name == "bert-tiny" else f"google-bert/{name}"
        )
        for file, source in sources.items():
            url = rf"https://huggingface\.co/{re.escape(place)}/resolve/[0-9a-f]{{40}}/{file}"
            assert re.fullmatch(url, source.url)
            assert re.fullmatch(r"[0-9a-f]{64}", source.sha256)
        assert len({source.url.rsplit("/", 1)[0] for source in sources.values()}) == 1
    assert len({sources["model.safetensors"].sha256 for sources in RELEASED.values()}) == 4
    vocabularies = [sources["vocab.txt"].sha256 for sources in RELEASED.values()]
    assert vocabularies[0] == vocabularies[2] == vocabularies[3] != vocabularies[1]


def test_the_smallest_is_the_one_that_was_confirmed():
    root = "https://huggingface.co/google/bert_uncased_L-2_H-128_A-2/resolve"
    root += "/30b0a37ccaaa32f332884b96992754e246e48c5f"
    assert bert_files.RELEASED["bert-tiny"] == {
        "config.json": Download(
            f"{root}/config.json",
            "508e1f01aae55d73355cbdd82609be2f43ba5a0d3428837adbe56cf8391f8b39",
        ),
        "vocab.txt": Download(
            f"{root}/vocab.txt",
            "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        ),
        "model.safetensors": Download(
            f"{root}/model.safetensors",
            "7fb69ad9f6866d8983183c930e33828f326470bf6ad8bbb2ad4ed957a92e9414",
        ),
    }

"""Our checkpoints: written whole, checked against hashes and config, refused by name."""

import hashlib
import json

import pytest
import torch

from nlp_helpers import files, pretrained
from nlp_helpers.data.bpe import ByteLevelBPE
from nlp_helpers.pretrained import (
    CHECKPOINTS,
    build_char_lm,
    build_seq2seq,
    build_transformer,
    description_sha256,
    load_checkpoint,
    save_checkpoint,
)

CONFIG = {
    "cell": "rnn",
    "vocab_size": 4,
    "embedding_size": 3,
    "hidden_size": 5,
    "n_layers": 1,
    "dropout": 0.0,
}
SEQ2SEQ = {**CONFIG, "cell": "gru", "hidden_size": 6, "decoder": "luong", "source_vocab_size": 3}


def info():
    return {
        "kind": "char-lm",
        "config": CONFIG,
        "vocabulary": list("helo"),
        "training": {"seed": 0},
        "metrics": {},
    }


def rewrite(file, change, stamp=True):
    """Change a checkpoint's JSON; with `stamp`, as if it had been written like that."""
    changed = {**json.loads(file.read_text()), **change}
    if stamp:
        changed["description_sha256"] = description_sha256(changed)
    file.write_text(json.dumps(changed))


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save_checkpoint("tiny", build_char_lm(CONFIG), info(), tmp_path)
    return tmp_path


def test_round_trip(folder):
    torch.manual_seed(0)
    model = build_char_lm(CONFIG).eval()
    loaded = load_checkpoint("tiny", folder)
    tokens = loaded.tokenizer.encode("hello").unsqueeze(0)
    assert tokens.tolist() == [[0, 1, 2, 2, 3]]
    assert torch.equal(loaded.model(tokens)[0], model(tokens)[0])
    assert not loaded.model.training
    assert sorted(p.name for p in folder.iterdir()) == ["tiny.json", "tiny.safetensors"]


TRANSFORMER = {
    "source_vocab_size": 4,
    "vocab_size": 4,
    "d_model": 6,
    "n_heads": 2,
    "d_ff": 5,
    "n_layers": 1,
    "max_len": 9,
    "dropout": 0.1,
    "norm": "pre",
    "final_norm": True,
}


@pytest.mark.parametrize("shared", ["none", "output", "all"])
def test_transformer_round_trip(tmp_path, shared):
    config = {**TRANSFORMER, "shared": shared}
    torch.manual_seed(0)
    model = build_transformer(config).eval()
    described = {**info(), "kind": "transformer", "config": config}
    described["source_vocabulary"] = list("abcd")
    save_checkpoint("attention", model, described, tmp_path)
    loaded = load_checkpoint("attention", tmp_path)
    source, target = torch.tensor([[0, 2, 1]]), torch.tensor([[0, 3]])
    assert torch.equal(loaded.model(source, target)[0], model(source, target)[0])
    assert loaded.model.config == model.config
    parameters = [sum(p.numel() for p in m.parameters()) for m in (loaded.model, model)]
    assert parameters[0] == parameters[1]
    for change, words in (
        ({"norm": "both"}, "norm"),
        ({"depth": 3}, "depth"),
        ({"n_heads": 4}, "4"),
    ):
        rewrite(tmp_path / "attention.json", {"config": {**config, **change}})
        with pytest.raises(ValueError, match=f"'attention' does not fit its config.*{words}"):
            load_checkpoint("attention", tmp_path)


@pytest.mark.parametrize("decoder", ["plain", "luong", "bahdanau"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "sru"])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_seq2seq_round_trip(tmp_path, decoder, cell, n_layers):
    config = {**SEQ2SEQ, "decoder": decoder, "cell": cell, "n_layers": n_layers}
    model = build_seq2seq(config).eval()
    described = {**info(), "kind": "seq2seq", "config": config, "source_vocabulary": list("abc")}
    save_checkpoint("pairs", model, described, tmp_path)
    loaded = load_checkpoint("pairs", tmp_path)
    assert loaded.source_vocab.tokens == ("a", "b", "c")
    assert loaded.vocab.tokens == ("h", "e", "l", "o")
    source, target = torch.tensor([[0, 2, 1]]), torch.tensor([[0, 3]])
    assert torch.equal(loaded.model(source, target)[0], model(source, target)[0])
    rewrite(tmp_path / "pairs.json", {"config": {**config, "decoder": "oracle"}})
    with pytest.raises(ValueError, match=r"'pairs' does not fit its config.*oracle"):
        load_checkpoint("pairs", tmp_path)


def test_unknown_name_lists_the_known_ones(folder):
    with pytest.raises(ValueError, match=r"'big'.*there are: tiny"):
        load_checkpoint("big", folder)


def test_missing_and_corrupt_weights(folder):
    weights = folder / "tiny.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + b"\0" if content[-1] else content[:-1] + b"\1")
    with pytest.raises(ValueError, match=r"tiny.*SHA-256"):
        load_checkpoint("tiny", folder)
    weights.unlink()
    with pytest.raises(ValueError, match="is missing"):
        load_checkpoint("tiny", folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "oracle"}, "oracle"),
        ({"kind": []}, r"unknown kind \[\]"),
        ({"config": None}, "config must be a dictionary, got None"),
        ({"config": []}, r"config must be a dictionary, got \[\]"),
        ({"config": {**CONFIG, "hidden_size": "256"}}, "does not fit.*hidden_size.*'256'"),
        ({"config": {**CONFIG, "hidden_size": -2}}, "does not fit.*hidden_size.*-2"),
        ({"config": {**CONFIG, "n_layers": None}}, "does not fit.*n_layers.*None"),
        ({"config": {**CONFIG, "dropout": 5}}, "does not fit.*dropout.*5"),
        ({"config": {**CONFIG, "cell": []}}, "does not fit"),
        ({"vocabulary": None}, "vocabulary must be a list of strings, got None"),
        ({"vocabulary": "helo"}, "vocabulary must be a list of strings, got 'helo'"),
        ({"vocabulary": [1, 2, 3, 4]}, r"vocabulary must be a list of strings, got \[1, 2"),
        ({"vocabulary": list("hell")}, r"distinct tokens.*repeated: \['l'\]"),
        ({"vocabulary": [], "config": {**CONFIG, "vocab_size": 0}}, "at least one"),
        ({"source_vocabulary": None}, "source_vocabulary must be a list"),
        ({"config": {**CONFIG, "hidden_size": 6}}, "does not fit"),
        ({"config": {"cell": "rnn", "vocab_size": 4}}, "does not fit.*embedding_size"),
        ({"config": {**CONFIG, "cell": "oracle"}}, "does not fit.*oracle"),
        ({"config": {**CONFIG, "source_vocab_size": 3}}, "lacks source_vocabulary"),
        ({"source_vocabulary": ["a"]}, "source_vocabulary has 1 tokens, the config says None"),
        ({"config": {}}, "4 tokens, the config says None"),
        ({"vocabulary": list("hel")}, "3 tokens, the config says 4"),
    ],
)
def test_config_that_does_not_match(folder, change, words):
    rewrite(folder / "tiny.json", change)
    with pytest.raises(ValueError, match=f"'tiny'.*{words}"):
        load_checkpoint("tiny", folder)


@pytest.mark.parametrize(
    "change",
    [
        {"config": {**CONFIG, "dropout": 0.5}},
        {"config": {**CONFIG, "colour": "blue"}},
        {"vocabulary": list("oleh")},
        {"description_sha256": None},
        {"description_sha256": "0" * 64},
    ],
)
def test_a_description_that_would_load_but_was_changed(folder, change):
    rewrite(folder / "tiny.json", change, stamp="description_sha256" in change)
    rewrite(folder / "tiny.json", change, stamp=False)
    with pytest.raises(ValueError, match=r"'tiny': tiny\.json is damaged: its kind, config or voc"):
        load_checkpoint("tiny", folder)


def test_the_order_of_keys_and_what_was_measured_are_not_in_the_hash(folder):
    config = dict(reversed(CONFIG.items()))
    rewrite(folder / "tiny.json", {"config": config, "metrics": {"loss": 1.0}}, stamp=False)
    assert load_checkpoint("tiny", folder).info["metrics"] == {"loss": 1.0}


def test_a_json_without_the_hash_of_its_description(folder):
    file = folder / "tiny.json"
    described = json.loads(file.read_text())
    del described["description_sha256"]
    file.write_text(json.dumps(described))
    with pytest.raises(ValueError, match="info lacks description_sha256"):
        load_checkpoint("tiny", folder)


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_truncated_weights_whose_hash_fits(folder, length):
    weights = folder / "tiny.safetensors"
    content = weights.read_bytes()[:length]
    weights.write_bytes(content)
    rewrite(folder / "tiny.json", {"sha256": hashlib.sha256(content).hexdigest()})
    with pytest.raises(ValueError, match="'tiny' does not fit its config"):
        load_checkpoint("tiny", folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "char-lm"}', ""])
def test_damaged_json(folder, text):
    (folder / "tiny.json").write_text(text)
    with pytest.raises(ValueError, match=r"'tiny': tiny\.json is damaged"):
        load_checkpoint("tiny", folder)


def test_loading_draws_no_random_numbers(folder):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_checkpoint("tiny", folder)
    assert torch.equal(torch.rand(4), expected)


def test_nothing_half_written(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint("tiny", build_char_lm(CONFIG), info(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_saved(tmp_path):
    model = build_char_lm(CONFIG)
    for name, bad, words in (
        ("tiny", {"kind": "char-lm"}, "lacks config, metrics"),
        ("tiny", {**info(), "kind": "oracle"}, "oracle"),
        ("../tiny", info(), r"'\.\./tiny'"),
        ("", info(), "name must be"),
    ):
        with pytest.raises(ValueError, match=words):
            save_checkpoint(name, model, bad, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_books_checkpoints_load_and_are_small():
    names = sorted(p.stem for p in CHECKPOINTS.glob("*.json"))
    assert names
    for name in names:
        assert load_checkpoint(name).info["name"] == name
    sizes = [p.stat().st_size for p in CHECKPOINTS.glob("*.safetensors")]
    assert max(sizes) <= 8 * 2**20
    assert sum(sizes) <= 40 * 2**20


def small_gpt():
    """A GPT of few weights, its tokenizer, and the info of its checkpoint."""
    tokenizer = ByteLevelBPE.train("the cat and the hat", 262, specials=["<|endoftext|>"])
    config = {"vocab_size": 262, "d_model": 12, "n_heads": 3, "d_ff": 24, "n_layers": 1}
    torch.manual_seed(0)
    model = pretrained.build_gpt({**config, "max_len": 9})
    info = {"kind": "gpt", "config": {**config, "max_len": 9}, "vocabulary": tokenizer.pieces}
    info |= {"merges": [" ".join(pair) for pair in tokenizer.merges]}
    return model, tokenizer, {**info, "training": {}, "metrics": {}}


def test_a_gpt_comes_back_with_its_tokenizer(tmp_path):
    model, tokenizer, info = small_gpt()
    save_checkpoint("small-gpt", model, info, tmp_path)
    checkpoint = load_checkpoint("small-gpt", tmp_path)
    assert checkpoint.tokenizer.merges == tokenizer.merges
    assert checkpoint.tokenizer.specials == ("<|endoftext|>",)
    assert checkpoint.tokenizer is checkpoint.tokenizer  # made once
    tokens = torch.tensor([tokenizer.encode("the cat")])
    torch.testing.assert_close(checkpoint.model(tokens), model.eval()(tokens), rtol=0, atol=0)


def test_half_precision_makes_half_the_file_and_comes_back_in_float32(tmp_path):
    model, _, info = small_gpt()
    save_checkpoint("whole", model, info, tmp_path)
    save_checkpoint("half", model, info, tmp_path, dtype=torch.float16)
    n = sum(p.numel() for p in model.parameters())
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "half")]
    assert sizes[0] - sizes[1] > 2 * n - 100
    for name, value in load_checkpoint("half", tmp_path).model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, model.state_dict()[name].half().float())


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        ("Ġ t", "merges must be a list of strings"),
        ([["Ġ", "t"]], "merges must be a list of strings"),
        (["Ġ t h"], "merge"),
        (["q z"], "q"),
    ],
)
def test_merges_that_do_not_fit_the_vocabulary(tmp_path, merges, message):
    model, _, info = small_gpt()
    with pytest.raises(ValueError, match=message):
        save_checkpoint("bad", model, {**info, "merges": merges}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_changed_merges_are_noticed(tmp_path):
    model, _, info = small_gpt()
    save_checkpoint("small-gpt", model, info, tmp_path)
    file = tmp_path / "small-gpt.json"
    stored = json.loads(file.read_text())
    file.write_text(json.dumps({**stored, "merges": stored["merges"][:-1]}))
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint("small-gpt", tmp_path)

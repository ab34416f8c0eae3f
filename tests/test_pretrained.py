"""Our checkpoints: written whole, checked against hash and config, refused by name."""

import json

import pytest
import torch

from nlp_helpers import files
from nlp_helpers.pretrained import (
    CHECKPOINTS,
    build_char_lm,
    build_seq2seq,
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
    (tmp_path / "pairs.json").write_text(
        json.dumps({**loaded.info, "config": {**config, "decoder": "oracle"}})
    )
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
    file = folder / "tiny.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ValueError, match=words):
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

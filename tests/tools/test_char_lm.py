"""The recipe of the character models: what is trained, with which settings, and its JSON."""

import contextlib
import functools
import json

import pytest
import torch

from nlp_helpers.data.tokenizers import CharTokenizer
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.pretrained import CHECKPOINTS, load_checkpoint, save_checkpoint
from nlp_helpers.training import TrainConfig
from tools import char_lm, train, train_gates


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A text of one sentence, and a folder of its own."""
    text = "a short text, read again and again by a small network. " * 60
    tokenizer = CharTokenizer.train(text)
    ids = {split: tokenizer.encode(text) for split in ("train", "validation", "test")}
    given = tokenizer, ids, {"train": text}
    monkeypatch.setattr(char_lm, "library_docs", lambda: given)
    save = functools.partial(save_checkpoint, folder=tmp_path)
    monkeypatch.setattr(char_lm, "save_checkpoint", save)
    return tmp_path


def test_a_character_model_is_trained_scored_and_saved(small):
    config = {"cell": "gru", "embedding_size": 4, "hidden_size": 8, "n_layers": 1, "dropout": 0.0}
    entered = []

    @contextlib.contextmanager
    def within():
        entered.append("in")
        yield
        entered.append("out")

    settings = TrainConfig(n_steps=3, learning_rate=1e-2, evaluate_every=2)
    char_lm.train_char_lm("trial", config, settings, held_out_steps=16, within=within())
    assert entered == ["in", "out"]
    found = load_checkpoint("trial", small)
    assert list(found.info["config"])[:2] == ["cell", "vocab_size"]
    assert found.info["config"] == {**config, "vocab_size": len(found.vocab)}
    assert found.info["training"]["n_steps"] == 3
    shipped = json.loads((CHECKPOINTS / "char-rnn-library-docs.json").read_text())
    assert found.info["training"].keys() == shipped["training"].keys()
    assert found.info["metrics"].keys() == shipped["metrics"].keys()
    first = {k: v.clone() for k, v in found.model.state_dict().items()}
    char_lm.train_char_lm("trial", config, settings, held_out_steps=16)
    again = load_checkpoint("trial", small).model.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_two_chapters_ask_for_what_their_checkpoints_say(monkeypatch):
    asked = {}

    def record(name, config, settings, held_out_steps, within=None):
        asked[name] = (config, settings, held_out_steps, within)

    monkeypatch.setattr(train, "train_char_lm", record)
    monkeypatch.setattr(train_gates, "train_char_lm", record)
    train.char_rnn_library_docs()
    train_gates.char_lstm_library_docs()
    for name, (config, settings, _, within) in asked.items():
        described = json.loads((CHECKPOINTS / f"{name}.json").read_text())
        assert {"vocab_size": described["config"]["vocab_size"], **config} == described["config"]
        assert {**described["training"], **vars(settings)} == described["training"]
        assert (within is None) == (name == "char-rnn-library-docs")
    assert [steps for _, _, steps, _ in asked.values()] == [128, 64]
    ours = LSTM.run
    with asked["char-lstm-library-docs"][3]:
        assert LSTM.run is train_gates.fused_run
    assert LSTM.run is ours

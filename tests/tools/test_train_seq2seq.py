"""The recipes of chapter 03 train what the book's own code would train."""

import pytest
import torch

from nlp_helpers.data.pairs import collate
from nlp_helpers.experiments import check_result
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.pretrained import build_seq2seq
from nlp_helpers.training import History, TeacherForcingLoss
from tools import train_seq2seq


@pytest.mark.parametrize("decoder", ["plain", "luong", "bahdanau"])
def test_the_fused_lstm_gives_the_same_loss_and_gradients(decoder, monkeypatch):
    torch.manual_seed(0)
    config = {**train_seq2seq.SMALL, "hidden_size": 12, "n_layers": 2, "decoder": decoder}
    model = build_seq2seq(config).double()
    equal = collate([([1, 2, 3], [4, 5]), ([4, 5, 6], [7, 8])], 1, 2)
    padded = collate([([1, 2, 3], [4, 5]), ([4, 5], [7])], 1, 2)

    def loss_and_gradients(batch):
        model.zero_grad()
        loss = TeacherForcingLoss()(model, batch)
        loss.backward()
        return [loss.detach(), *(p.grad.clone() for p in model.parameters())]

    ours = [loss_and_gradients(batch) for batch in (equal, padded)]
    monkeypatch.setattr(LSTM, "run", staticmethod(train_seq2seq.fused_run))
    fused = [loss_and_gradients(batch) for batch in (equal, padded)]
    for mine, theirs in zip(ours, fused, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b)


def test_training_says_how_it_went_and_leaves_our_lstm_in_place(monkeypatch):
    monkeypatch.setattr(train_seq2seq, "train", lambda model, *_: History(losses=[1.0] * 884))
    before = LSTM.run
    config = {**train_seq2seq.SMALL, "hidden_size": 4}
    model, history = train_seq2seq.fit(config, train_seq2seq.SHORT, 128)
    assert LSTM.run is before
    described = train_seq2seq.how_trained(train_seq2seq.SHORT, 128, history)
    assert described["pairs"] == 113_117
    assert described["epochs"] == 1.0
    assert len(described["data_sha256"]) == 64
    assert train_seq2seq.n_parameters(model) == sum(p.numel() for p in model.parameters())


def test_the_larger_model_leaves_its_result_and_no_weights(monkeypatch):
    kept, weights = {}, []
    found = {"test": [{"words": 5, "beam_width": 1, "PER": 0.1, "WER": 0.4}]}
    model = build_seq2seq({**train_seq2seq.SMALL, "hidden_size": 4})
    history = History(losses=[1.0] * 884, seconds=61.4)
    asked = []

    def fit(config, settings, batch_size):
        asked.append((config["n_layers"], settings.n_steps))
        return model, history

    monkeypatch.setattr(train_seq2seq, "fit", fit)
    monkeypatch.setattr(train_seq2seq, "scores", lambda model: found)
    monkeypatch.setattr(train_seq2seq, "save_experiment", kept.__setitem__)
    monkeypatch.setattr(train_seq2seq, "save_checkpoint", lambda *all: weights.append(all))
    train_seq2seq.RECIPES["g2p-larger"]()
    assert asked == [(2, 18_000)]
    assert weights == []
    assert list(kept) == ["g2p-larger"]
    result = kept["g2p-larger"]
    check_result(result)
    assert result["results"] == found
    assert "after 61 s" in result["question"]
    assert result["settings"]["parameters"] == train_seq2seq.n_parameters(model)
    assert result["settings"]["training"]["epochs"] == 1.0

"""The long runs of chapter 03, all on CMUdict: letters to phonemes.

What 180 seconds of training reach, with attention and without (the weights are shipped), and what a
larger model reaches in three times as many updates. All are started by tools/train.py, under the
names in `RECIPES`.
"""

import datetime
import hashlib
import time
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor, nn

from nlp_helpers.data.cmudict import LETTERS, PHONEMES, Cmudict, encode_phonemes, encode_word
from nlp_helpers.data.cmudict import load_cmudict as load
from nlp_helpers.data.pairs import bucketed_batches
from nlp_helpers.experiments import save_experiment
from nlp_helpers.g2p import END, START, error_rates, phonemes_of, pronounce, pronounce_by_beam
from nlp_helpers.models.lstm import LSTM, LSTMCell
from nlp_helpers.models.recurrent import Recurrent
from nlp_helpers.pretrained import build_seq2seq, save_checkpoint
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import History, TeacherForcingLoss, TrainConfig, train

SEED = 0
WIDTHS = (1, 2, 4, 8)  # of the beam
SMALL = {
    "cell": "lstm",
    "decoder": "luong",
    "source_vocab_size": len(LETTERS),
    "vocab_size": len(PHONEMES),
    "embedding_size": 64,
    "hidden_size": 256,
    "n_layers": 1,
    "dropout": 0.0,
}


def fused_run(cell: LSTMCell, x: Tensor, state, mask: Tensor | None, reverse: bool):
    """`LSTM.run` by torch's fused LSTM, which gives the same numbers in about half the time."""
    if mask is not None:
        return Recurrent.run(cell, x, state, mask, reverse)
    weights = [cell.U, cell.W, cell.b, torch.zeros_like(cell.b)]
    first = [part.unsqueeze(0) for part in state]
    x = x.flip(1) if reverse else x
    outputs, *last = torch.lstm(x, first, weights, True, 1, 0.0, False, False, True)
    return outputs.flip(1) if reverse else outputs, tuple(part[0] for part in last)


def fit(
    config: dict,
    settings: TrainConfig,
    batch_size: int,
    build: Callable[[dict], nn.Module] = build_seq2seq,
    label_smoothing: float = 0.0,
) -> tuple[nn.Module, History]:
    """Train a model of this configuration on the training words, with torch's fused LSTM."""
    dictionary = load()
    set_seed(SEED)
    model = build(config)
    pairs = [(encode_word(w), encode_phonemes(p)) for w, p in dictionary.pairs("train")]
    batches = bucketed_batches(pairs, batch_size, START, END, seed=SEED)
    words = dictionary.words("validation")[::4]

    def word_error_rate(model: nn.Module) -> float:
        per, wer = error_rates(dictionary, words, pronounce(model, words))
        clock = time.strftime("%H:%M:%S")
        print(f"{clock} validation (1 in 4 words): PER {per:.4f}, WER {wer:.4f}", flush=True)
        return wer

    evaluate = word_error_rate if settings.evaluate_every else None
    with mock.patch.object(LSTM, "run", staticmethod(fused_run)):
        loss = TeacherForcingLoss(label_smoothing)
        return model, train(model, batches, loss, settings, evaluate)


def rates(model: nn.Module, dictionary: Cmudict, split: str, width: int) -> dict:
    """Error rates on a split: greedy for width 1, else by beam search."""
    words = dictionary.words(split)
    if width == 1:
        written = pronounce(model, words)
    else:
        found = pronounce_by_beam(model, words, width)
        written = [phonemes_of(hypotheses[0].tokens) for hypotheses in found]
    per, wer = error_rates(dictionary, words, written)
    return {"words": len(words), "beam_width": width, "PER": per, "WER": wer}


def scores(model: nn.Module, splits=("validation", "test"), widths=WIDTHS) -> dict:
    """Error rates on each split at each width of the beam."""
    dictionary = load()
    found = {split: [rates(model, dictionary, split, w) for w in widths] for split in splits}
    for split, rows in found.items():
        for row in rows:
            print(split, {k: round(v, 4) for k, v in row.items()}, flush=True)
    return found


def how_trained(settings: TrainConfig, batch_size: int, history: History) -> dict:
    """What the JSON says of the data, the settings and the training."""
    pairs = load().pairs("train")
    text = "\n".join(" ".join([word, *phonemes]) for word, phonemes in pairs)
    return {
        "seed": SEED,
        "date": datetime.date.today().isoformat(),
        "data": "cmudict, train split by hash of the word, stress left out",
        "data_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "pairs": len(pairs),
        "batch_size": batch_size,
        **vars(settings),
        "epochs": round(len(history.losses) * batch_size / len(pairs), 2),
        "seconds": round(history.seconds, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


SHORT = TrainConfig(n_steps=5_500, learning_rate=8e-3, warmup=200, final_fraction=0.01)
SHORT_BATCH = 128


def n_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def described(config: dict, training: dict, metrics: dict, kind: str = "seq2seq") -> dict:
    """The JSON of a checkpoint."""
    vocabularies = {
        "vocabulary": list(PHONEMES.tokens),
        "source_vocabulary": list(LETTERS.tokens),
    }
    return {
        "kind": kind,
        "config": config,
        **vocabularies,
        "training": training,
        "metrics": metrics,
    }


def store(name: str, config: dict, model: nn.Module, training: dict, found: dict) -> None:
    """Write a result where `load_experiment(name)` finds it."""
    result = {
        "question": f"Which error rates are reached after {training['seconds']:.0f} s of training?",
        "date": datetime.date.today().isoformat(),
        "seed": SEED,
        "settings": {"config": config, "parameters": n_parameters(model), "training": training},
        "results": found,
    }
    save_experiment(name, result)


def g2p_180_seconds() -> None:
    """What 180 seconds of training on two cores reach; the weights stay, to be compared.

    The number of updates is fixed, so that the weights are the same everywhere; on two quiet cores
    they take less than 180 seconds, and the result says how long they took.
    """
    model, history = fit(SMALL, SHORT, SHORT_BATCH)
    print(f"{n_parameters(model):,} parameters, {history.seconds:.0f} s", flush=True)
    if history.seconds > 180:
        print("over 180 seconds: this machine is busy, or slower than two of its authors' cores")
    training = how_trained(SHORT, SHORT_BATCH, history)
    found = scores(model)
    store("g2p-180-seconds", SMALL, model, training, found)
    save_checkpoint("g2p-lstm-luong", model, described(SMALL, training, found))


def g2p_lstm_plain() -> None:
    """The same without attention: same words, updates and widths."""
    config = {**SMALL, "decoder": "plain"}
    model, history = fit(config, SHORT, SHORT_BATCH)
    training = how_trained(SHORT, SHORT_BATCH, history)
    save_checkpoint("g2p-lstm-plain", model, described(config, training, scores(model)))


LONG = TrainConfig(
    n_steps=18_000, learning_rate=6e-3, warmup=500, final_fraction=0.005, evaluate_every=2_000
)


def g2p_larger() -> None:
    """With a second layer, dropout, and three times as many updates; only the result is kept."""
    config = {**SMALL, "n_layers": 2, "dropout": 0.2}
    model, history = fit(config, LONG, SHORT_BATCH)
    print(f"{n_parameters(model):,} parameters, {history.seconds:.0f} s", flush=True)
    training = how_trained(LONG, SHORT_BATCH, history)
    store("g2p-larger", config, model, training, scores(model))


RECIPES: dict[str, Callable[[], None]] = {
    "g2p-180-seconds": g2p_180_seconds,
    "g2p-lstm-plain": g2p_lstm_plain,
    "g2p-larger": g2p_larger,
}

"""Make what the chapters load: checkpoints, and the results of experiments that take long.

python -m tools.train [name ...]        (default: all; each takes minutes on 2 cores)
"""

import argparse
import datetime
import hashlib
import time
from collections.abc import Callable

import torch

from nlp_helpers.data.batches import language_model_batches
from nlp_helpers.data.corpora import load_corpus
from nlp_helpers.data.tokenizers import CharTokenizer
from nlp_helpers.metrics import perplexity
from nlp_helpers.pretrained import build_char_lm, save_checkpoint
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import (
    CarriedStateLoss,
    History,
    TrainConfig,
    evaluated,
    language_model_nll,
    train,
)


def char_rnn_library_docs() -> None:
    """Chapter 01: a character RNN on the prose of library-docs."""
    seed = 0
    set_seed(seed)
    corpus = load_corpus("library-docs")
    texts = {split: corpus.text(split) for split in ("train", "validation", "test")}
    tokenizer = CharTokenizer.train(texts["train"])
    ids = {split: tokenizer.encode(text) for split, text in texts.items()}
    held_out = {s: language_model_batches(ids[s], 32, 128) for s in ("validation", "test")}

    config = {"cell": "rnn", "vocab_size": tokenizer.vocab_size, "embedding_size": 64}
    config |= {"hidden_size": 512, "n_layers": 1, "dropout": 0.1}
    model = build_char_lm(config)
    settings = TrainConfig(
        n_steps=7_000, learning_rate=2.5e-3, warmup=100, final_fraction=0.02, evaluate_every=1_000
    )
    history = train(
        model,
        language_model_batches(ids["train"], 64, 48),
        CarriedStateLoss(),
        settings,
        lambda m: report(language_model_nll(m, held_out["validation"])),
    )
    metrics = scores(model, held_out)
    training = {
        "seed": seed,
        "data": "library-docs, prose, train split",
        "batch": [64, 48],
        **how_trained(texts["train"], settings, history),
    }
    info = {
        "kind": "char-lm",
        "config": config,
        "vocabulary": list(tokenizer.vocab.tokens),
        "training": training,
        "metrics": metrics,
    }
    save_checkpoint("char-rnn-library-docs", model, info)
    print(metrics)


def scores(model, held_out: dict) -> dict:
    """Nats per character on each held-out split, and the perplexity on the test split."""
    found = {
        f"{split}_nats_per_character": evaluated(model, lambda m, b=b: language_model_nll(m, b))
        for split, b in held_out.items()
    }
    found["test_perplexity_per_character"] = perplexity(found["test_nats_per_character"])
    return found


def how_trained(text: str, settings: TrainConfig, history: History) -> dict:
    """What a checkpoint's JSON says of its text, its settings and its training."""
    return {
        "date": datetime.date.today().isoformat(),
        "data_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "characters": len(text),
        **vars(settings),
        "seconds": round(history.seconds),
        "torch": torch.__version__,
    }


def report(nll: float) -> float:
    print(f"{time.strftime('%H:%M:%S')} validation {nll:.4f} nats", flush=True)
    return nll


def recipes() -> dict[str, Callable[[], None]]:
    """Name -> what makes it. The chapters' own modules import from this one, so they come late."""
    from tools import train_gates, train_seq2seq

    return {
        "char-rnn-library-docs": char_rnn_library_docs,
        **train_gates.RECIPES,
        **train_seq2seq.RECIPES,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    known = recipes()
    parser.add_argument("names", nargs="*", help=f"out of {', '.join(known)}; default: all")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - known.keys()
    if unknown:
        parser.error(f"unknown recipes {sorted(unknown)}; there are {', '.join(known)}")
    for name in arguments.names or known:
        print(f"{name}: training", flush=True)
        known[name]()


if __name__ == "__main__":
    main()

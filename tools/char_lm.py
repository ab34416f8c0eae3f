"""What the character models of chapters 01 and 02 share: the text, the training, the JSON."""

import datetime
import functools
import hashlib
import time
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

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

SEED = 0
BATCH = (64, 48)  # rows, steps


@functools.cache
def library_docs() -> tuple[CharTokenizer, dict[str, Tensor], dict[str, str]]:
    """Tokenizer, token ids and text of each split."""
    corpus = load_corpus("library-docs")
    texts = {split: corpus.text(split) for split in ("train", "validation", "test")}
    tokenizer = CharTokenizer.train(texts["train"])
    return tokenizer, {split: tokenizer.encode(text) for split, text in texts.items()}, texts


def train_char_lm(
    name: str,
    config: dict,
    settings: TrainConfig,
    held_out_steps: int,
    within: AbstractContextManager | None = None,
) -> None:
    """Train a character language model on the prose of library-docs, and save it as `name`.

    Args:
        config: as for `pretrained.build_char_lm`, without the vocabulary's size.
        held_out_steps: time steps of the batches in which the held-out texts are read.
        within: a context to train in; the scores are measured outside it.
    """
    set_seed(SEED)
    tokenizer, ids, texts = library_docs()
    held_out = {
        split: language_model_batches(ids[split], 32, held_out_steps)
        for split in ("validation", "test")
    }
    config = {"cell": config["cell"], "vocab_size": tokenizer.vocab_size, **config}
    model = build_char_lm(config)
    batches = language_model_batches(ids["train"], *BATCH)

    def validate(model) -> float:
        return report(language_model_nll(model, held_out["validation"]))

    with within or nullcontext():
        history = train(model, batches, CarriedStateLoss(), settings, validate)
    metrics = scores(model, held_out)
    info = {
        "kind": "char-lm",
        "config": config,
        "vocabulary": list(tokenizer.vocab.tokens),
        "training": how_trained(texts["train"], settings, history),
        "metrics": metrics,
    }
    save_checkpoint(name, model, info)
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
        "seed": SEED,
        "data": "library-docs, prose, train split",
        "batch": list(BATCH),
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

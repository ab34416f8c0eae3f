"""The long runs of chapter 06b on real text: sizes of GPT, and sparse attention.

All read the prose of library-docs, character by character. They are started by tools/train.py,
under their names in `RECIPES`.
"""

import datetime
import time
from collections.abc import Callable
from functools import partial

import torch

from nlp_helpers.data.windows import all_windows, random_windows
from nlp_helpers.experiments import save_experiment
from nlp_helpers.lm_losses import NextTokenLoss, next_token_nll
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.muon import MuonAdamW, muon_groups
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import TrainConfig, evaluated, train
from tools.char_lm import library_docs
from tools.processes import in_two_processes

SEED = 0
D_HEAD = 16
BATCH = (32, 128)  # windows, characters
WARMUP, MUON_RATE, RATE = 50, 0.05, 0.02
# the equal conditions of both experiments: only the model and the number of updates differ
CONDITIONS = {
    "text": "library-docs, prose, characters",
    "batch": list(BATCH),
    "schedule": "linear to 0",
    "warmup": WARMUP,
    "muon_rate": MUON_RATE,
    "adam_rate": RATE,
    "weight_decay": 0.0,
    "dropout": 0.0,
    "d_head": D_HEAD,
    "rates_chosen": "validation loss after 400 updates, seed 0: the best of three to four pairs at "
    "widths 16, 32 and 128; at 64, where it was not tried before, it is 0.012 worse than the best "
    "of three (0.04 and 0.02)",
}
# width and layers: each about 2.4 times as many weights in its layers as the one before
SIZES = [(16, 2), (24, 2), (32, 3), (48, 3), (64, 4), (96, 4), (128, 5)]
UPDATES = [400, 800, 1600]
SPARSE_SIZE, SPARSE_UPDATES, BAND, SPARSE_SEEDS = (64, 4), 1000, 16, [0, 1, 2]
ATTENTIONS = ["dense", "alternating", "banded"]


def language_model(d_model: int, n_layers: int, **changes) -> GPT:
    """A GPT on characters with heads of equal width."""
    tokenizer, _, _ = library_docs()
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size,
        max_len=BATCH[1],
        d_model=d_model,
        n_heads=round(d_model / D_HEAD),
        d_ff=4 * d_model,
        n_layers=n_layers,
        dropout=0.0,
        **changes,
    )
    return GPT(config)


def fitted(model: GPT, n_updates: int, seed: int, muon_rate=MUON_RATE, rate=RATE) -> dict:
    """Train under the equal conditions: validation and test loss in nats per character."""
    _, ids, _ = library_docs()
    settings = TrainConfig(
        n_steps=n_updates, learning_rate=rate, warmup=WARMUP, schedule="linear", clip_norm=None
    )
    groups = muon_groups(model, model.stack, muon_rate, rate)
    batches = random_windows(ids["train"], *BATCH, seed=seed)
    history = train(model, batches, NextTokenLoss(), settings, groups=groups, optimizer=MuonAdamW)
    found = {"updates": n_updates, "seed": seed, "seconds": round(history.seconds)}
    for split in ("validation", "test"):
        windows = all_windows(ids[split], *BATCH)
        found[split] = evaluated(model, partial(next_token_nll, batches=windows))
    found["training"] = sum(history.losses[-50:]) / 50
    return found


def one_size(job: tuple[int, int, int]) -> dict:
    """A model of one size, trained for so many updates."""
    d_model, n_layers, n_updates = job
    set_seed(SEED)
    model = language_model(d_model, n_layers)
    row = {"d_model": d_model, "n_layers": n_layers, "n_heads": model.config.n_heads}
    row["weights"] = sum(p.numel() for p in model.parameters())
    row["weights_in_layers"] = sum(p.numel() for p in model.stack.parameters())
    row["characters"] = n_updates * BATCH[0] * BATCH[1]
    row |= fitted(model, n_updates, SEED)
    print(time.strftime("%H:%M:%S"), row, flush=True)
    return row


def scaling() -> None:
    """Chapter 06b: the loss against the size of the model and the length of training."""
    jobs = [(*size, n) for size in SIZES for n in UPDATES]
    jobs.sort(key=lambda job: -(job[0] ** 2) * job[1] * job[2])  # the longest first
    rows = in_two_processes(one_size, jobs)
    rows.sort(key=lambda row: (row["weights_in_layers"], row["updates"]))
    save_experiment(
        "scaling",
        {
            "question": "How does the loss of a GPT fall with its size and with its training?",
            "date": datetime.date.today().isoformat(),
            "seed": SEED,
            "settings": CONDITIONS | {"torch": torch.__version__},
            "results": rows,
        },
    )


def one_attention(job: tuple[str, int]) -> dict:
    """A model with one kind of attention."""
    attention, seed = job
    set_seed(seed)
    band = None if attention == "dense" else BAND
    model = language_model(*SPARSE_SIZE, attention=attention, band=band)
    row = {"attention": attention, "band": band}
    row |= fitted(model, SPARSE_UPDATES, seed)
    print(time.strftime("%H:%M:%S"), row, flush=True)
    return row


def sparse_attention() -> None:
    """Chapter 06b: dense, alternating and banded attention after equally many updates."""
    rows = in_two_processes(one_attention, [(a, s) for a in ATTENTIONS for s in SPARSE_SEEDS])
    d_model, n_layers = SPARSE_SIZE
    settings = CONDITIONS | {"d_model": d_model, "n_layers": n_layers, "torch": torch.__version__}
    save_experiment(
        "sparse-attention",
        {
            "question": "What does a GPT lose if its layers see only the characters just before?",
            "date": datetime.date.today().isoformat(),
            "seed": SPARSE_SEEDS,
            "settings": settings,
            "results": rows,
        },
    )


RECIPES: dict[str, Callable[[], None]] = {
    "scaling": scaling,
    "sparse-attention": sparse_attention,
}

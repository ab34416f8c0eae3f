"""The long runs of chapter 04: the copy task, CMUdict, and where the layer normalisation stands.

All are started by tools/train.py, under the names in `RECIPES`.
"""

import datetime
from collections.abc import Callable

import torch

from nlp_helpers.data.cmudict import LETTERS, PHONEMES, encode_phonemes, encode_word
from nlp_helpers.data.cmudict import load_cmudict as load
from nlp_helpers.data.copying import START as COPY_START
from nlp_helpers.data.copying import copy_batch, copy_batches
from nlp_helpers.data.pairs import bucketed_batches
from nlp_helpers.decoding import generate
from nlp_helpers.experiments import save_experiment
from nlp_helpers.g2p import END, START
from nlp_helpers.models.transformer import Transformer
from nlp_helpers.models.transformer_config import TransformerConfig
from nlp_helpers.pretrained import build_transformer, save_checkpoint
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import TeacherForcingLoss, TrainConfig, train
from tools.train_seq2seq import described, fit, how_trained, n_parameters, scores, store

# ---- the copy task --------------------------------------------------------------------------

COPY_MODEL = {
    "source_vocab_size": 11,
    "vocab_size": 11,
    "d_model": 64,
    "n_heads": 4,
    "d_ff": 256,
    "n_layers": 2,
    "dropout": 0.0,
    "max_len": 10,
    "shared": "none",
}
COPY_SETTINGS = TrainConfig(n_steps=500, learning_rate=3e-3, warmup=50, beta2=0.98)
COPY_BATCH, COPY_HELD_OUT, COPY_SEEDS = 64, 2_000, (0, 1, 2, 3, 4)


@torch.no_grad()
def share_copied(model: Transformer, n_sequences: int = COPY_HELD_OUT, seed: int = 999) -> float:
    """The share of new sequences that are written again without a single mistake, greedily."""
    batch = copy_batch(n_sequences, generator=torch.Generator().manual_seed(seed))
    prompt = torch.full((n_sequences, 1), COPY_START)
    written = generate(model.step, prompt, batch.source.shape[1], state=model.start(batch.source))
    return (written[:, 1:] == batch.source).all(dim=1).double().mean().item()


def copy_task() -> None:
    """Five seeds: how many of 2,000 new sequences come out exactly, and after which time."""
    results = []
    for seed in COPY_SEEDS:
        set_seed(seed)
        model = Transformer(TransformerConfig(**COPY_MODEL))
        batches = copy_batches(100, COPY_BATCH, seed=seed)
        history = train(model, batches, TeacherForcingLoss(), COPY_SETTINGS)
        row = {
            "seed": seed,
            "exact": share_copied(model),
            "seconds": round(history.seconds, 1),
            "last_loss": float(f"{sum(history.losses[-20:]) / 20:.3g}"),
        }
        print(row, flush=True)
        results.append(row)
    settings = {
        "config": COPY_MODEL,
        **vars(COPY_SETTINGS),
        "batch_size": COPY_BATCH,
        "held_out": COPY_HELD_OUT,
        "parameters": n_parameters(model),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    save_experiment(
        "copy-task",
        {
            "question": "Does the Transformer learn to copy, whatever the seed?",
            "date": datetime.date.today().isoformat(),
            "seed": list(COPY_SEEDS),
            "settings": settings,
            "results": results,
        },
    )


# ---- CMUdict --------------------------------------------------------------------------------

G2P = {
    "source_vocab_size": len(LETTERS),
    "vocab_size": len(PHONEMES),
    "d_model": 128,
    "n_heads": 4,
    "d_ff": 512,
    "n_layers": 3,
    "dropout": 0.0,
    "norm": "pre",
    "final_norm": True,
    "max_len": 256,
    "shared": "none",
}
SMALL_G2P = {**G2P, "n_layers": 2, "d_ff": 256}
SAME_SECONDS = TrainConfig(
    n_steps=3_000, learning_rate=2e-3, warmup=200, final_fraction=0.01, beta2=0.98
)
LONG = TrainConfig(
    n_steps=20_000,
    learning_rate=2e-3,
    warmup=500,
    final_fraction=0.005,
    beta2=0.98,
    evaluate_every=2_000,
)
G2P_BATCH, LABEL_SMOOTHING = 128, 0.1


def g2p_transformer_180_seconds() -> None:
    """The Transformer on chapter 03's words, in about the seconds of chapter 03's model.

    Two layers: in so short a time a smaller model, which gets more updates, learns more.
    """
    model, history = fit(SMALL_G2P, SAME_SECONDS, G2P_BATCH, build_transformer)
    print(f"{n_parameters(model):,} parameters, {history.seconds:.0f} s", flush=True)
    training = how_trained(SAME_SECONDS, G2P_BATCH, history)
    store("g2p-transformer-180-seconds", SMALL_G2P, model, training, scores(model))


def g2p_transformer() -> None:
    """The shipped Transformer: larger, trained for longer, with dropout and label smoothing."""
    config = {**G2P, "dropout": 0.1}
    model, history = fit(config, LONG, G2P_BATCH, build_transformer, LABEL_SMOOTHING)
    print(f"{n_parameters(model):,} parameters, {history.seconds:.0f} s", flush=True)
    training = how_trained(LONG, G2P_BATCH, history) | {"label_smoothing": LABEL_SMOOTHING}
    found = scores(model)
    save_checkpoint("g2p-transformer", model, described(config, training, found, "transformer"))


# ---- post-LN against pre-LN -----------------------------------------------------------------

DEEP = {**G2P, "d_model": 64, "d_ff": 256, "n_layers": 6}
NORM_GRID = [(norm, warmup) for norm in ("post", "pre") for warmup in (0, 200)]
NORM_RATES = (1e-3, 4e-3)
NORM_STEPS, NORM_BATCH, STEPS_PER_POINT = 400, 64, 20
NORM_FIXED = {"beta2": 0.98, "clip_norm": 1.0}


def norm_run(norm: str, warmup: int, learning_rate: float) -> dict:
    """Train a deep Transformer briefly; its loss along the way."""
    settings = TrainConfig(
        n_steps=NORM_STEPS,
        learning_rate=learning_rate,
        warmup=warmup,
        final_fraction=1.0,
        **NORM_FIXED,
    )
    set_seed(0)
    model = build_transformer({**DEEP, "norm": norm, "final_norm": norm == "pre"})
    pairs = [(encode_word(w), encode_phonemes(p)) for w, p in load().pairs("train")]
    batches = bucketed_batches(pairs, NORM_BATCH, START, END, seed=0)
    history = train(model, batches, TeacherForcingLoss(), settings)
    means = torch.tensor(history.losses).view(-1, STEPS_PER_POINT).mean(dim=1)
    row = {
        "norm": norm,
        "warmup": warmup,
        "learning_rate": learning_rate,
        "curve": [float(f"{value:.4g}") for value in means.tolist()],
    }
    print(norm, warmup, learning_rate, row["curve"][-1], flush=True)
    return row


def norm_order() -> None:
    """Six layers each: does training start, with the norm after or before, with warm-up or not?"""
    results = [norm_run(*where, rate) for where in NORM_GRID for rate in NORM_RATES]
    save_experiment(
        "norm-order",
        {
            "question": "Does a deep Transformer need the warm-up, post-LN and pre-LN?",
            "date": datetime.date.today().isoformat(),
            "seed": 0,
            "settings": {
                "config": DEEP,
                "n_steps": NORM_STEPS,
                "batch_size": NORM_BATCH,
                "steps_per_point": STEPS_PER_POINT,
                **NORM_FIXED,
            },
            "results": results,
        },
    )


RECIPES: dict[str, Callable[[], None]] = {
    "copy-task": copy_task,
    "g2p-transformer-180-seconds": g2p_transformer_180_seconds,
    "g2p-transformer": g2p_transformer,
    "norm-order": norm_order,
}

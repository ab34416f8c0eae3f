"""The long runs of chapter 06b on demonstrations: a small GPT that learns in its context.

They are started by tools/train.py, under their names in `RECIPES`.
"""

import datetime
import time
from collections.abc import Callable

import torch

from nlp_helpers.data.in_context import (
    LabelTask,
    demonstration_batches,
    demonstrations,
    ideal_accuracy,
    seen_before,
)
from nlp_helpers.experiments import save_experiment
from nlp_helpers.induction import (
    label_accuracy,
    label_attention,
    previous_token_attention,
    right_labels,
)
from nlp_helpers.lm_losses import LabelLoss
from nlp_helpers.models.gpt import GPT
from nlp_helpers.muon import MuonAdamW, muon_groups
from nlp_helpers.pretrained import build_gpt, load_checkpoint, save_checkpoint
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import History, TrainConfig, train
from tools.processes import in_two_processes

NAME = "gpt-in-context"
TASK, N_PAIRS, BATCH = LabelTask(), 9, 64
SIZES = {"d_model": 64, "n_heads": 4, "d_ff": 256, "n_layers": 2, "dropout": 0.0}
MAX_LEN = 32  # training uses 2 * N_PAIRS places; those after them are never trained
SETTINGS = TrainConfig(
    n_steps=1_000, learning_rate=3e-3, warmup=50, evaluate_every=25, clip_norm=None
)
MUON_RATE = 0.02
SEEDS = [0, 1, 2]
FIXED = "one mapping"  # the same labels in all sequences of training
DRAWN = "new mappings"
TEST_SEED, N_TEST = 1_000_000, 1_000


def test_batches():
    """New sequences with pairs of class and label as in training, and with pairs never shown."""
    generator = torch.Generator().manual_seed(TEST_SEED)
    return {
        "pairs of training": demonstrations(TASK, N_TEST, N_PAIRS, False, generator),
        "new pairs": demonstrations(TASK, N_TEST, N_PAIRS, True, generator),
    }


@torch.no_grad()
def measured(model: GPT) -> dict:
    """Accuracy by shots and where the class was shown, and the scores of all heads."""
    found = {}
    for name, batch in test_batches().items():
        known = seen_before(batch.classes)
        found[name] = {
            "by_shots": rounded(label_accuracy(model, batch)),
            "class_shown": round(right_labels(model, batch)[known].float().mean().item(), 4),
        }
    _, weights, _ = model.run(batch.tokens[:200], need_weights=True)
    found["label_attention"] = [rounded(label_attention(w, batch.classes[:200])) for w in weights]
    found["previous_token"] = [rounded(previous_token_attention(w)) for w in weights]
    return found


def rounded(values: torch.Tensor) -> list[float]:
    return [round(value, 4) for value in values.tolist()]


def learned(seed: int, way: str = DRAWN) -> tuple[GPT, History, list[dict]]:
    """Train one model; what was measured on the way, from before the first update on."""
    set_seed(seed)
    model = build_gpt({"vocab_size": TASK.vocab_size, "max_len": MAX_LEN, **SIZES})
    label_of = torch.arange(TASK.n_classes) * 4 + 1 if way == FIXED else None
    curve = [{"update": 0, **measured(model.eval())}]

    def measure(model: GPT) -> float:
        found = measured(model)
        curve.append({"update": len(curve) * SETTINGS.evaluate_every, **found})
        return found["new pairs"]["class_shown"]

    batches = demonstration_batches(TASK, 1_000, BATCH, N_PAIRS, seed, label_of)
    groups = muon_groups(model, model.stack, MUON_RATE, SETTINGS.learning_rate)
    history = train(
        model, batches, LabelLoss(), SETTINGS, measure, groups=groups, optimizer=MuonAdamW
    )
    return model, history, curve


def how() -> dict:
    """The settings of all runs."""
    return {
        "task": vars(TASK),
        "pairs": N_PAIRS,
        "batch": BATCH,
        "muon_rate": MUON_RATE,
        **SIZES,
        **vars(SETTINGS),
        "test_sequences": N_TEST,
        "torch": torch.__version__,
    }


def gpt_in_context() -> None:
    """Chapter 06b: a GPT of two layers that finds in its context what a label means."""
    model, history, _ = learned(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half())
    config = {"vocab_size": TASK.vocab_size, "max_len": MAX_LEN, **SIZES}
    info = {
        "kind": "gpt",
        "config": config,
        "vocabulary": [TASK.name(token) for token in range(TASK.vocab_size)],
        "training": {
            "seed": 0,
            "data": "sequences of demonstrations, pairs of class and label of training",
            "date": datetime.date.today().isoformat(),
            "seconds": round(history.seconds),
            **how(),
        },
        "metrics": {name: measured(model)[name] for name in test_batches()},
    }
    save_checkpoint(NAME, model, info, dtype=torch.float16)
    print(load_checkpoint(NAME).info["metrics"])


def one_curve(job: tuple[str, int]) -> dict:
    """The curve of one model."""
    way, seed = job
    _, history, curve = learned(seed, way)
    print(time.strftime("%H:%M:%S"), way, seed, curve[-1], flush=True)
    return {"way": way, "seed": seed, "curve": [shorter(point) for point in curve]} | {
        "losses": [round(sum(part) / len(part), 4) for part in parts_of(history.losses)],
        "at_the_end": {name: curve[-1][name]["by_shots"] for name in test_batches()},
    }


def shorter(point: dict) -> dict:
    """A point of the curve without the accuracies of every number of shots."""
    return {k: v["class_shown"] if isinstance(v, dict) else v for k, v in point.items()}


def parts_of(losses: list[float]) -> list[list[float]]:
    """The losses between two evaluations."""
    n = SETTINGS.evaluate_every
    return [losses[i : i + n] for i in range(0, len(losses), n)]


def in_context_emergence() -> None:
    """Chapter 06b: when learning in the context appears, and what it needs."""
    runs = in_two_processes(one_curve, [(way, s) for way in (DRAWN, FIXED) for s in SEEDS])
    batches = test_batches().items()
    save_experiment(
        "in-context-emergence",
        {
            "question": "When does a GPT begin to use the demonstrations in its context?",
            "date": datetime.date.today().isoformat(),
            "seed": SEEDS,
            "settings": how()
            | {"best_possible": {name: rounded(ideal_accuracy(b, TASK)) for name, b in batches}},
            "results": runs,
        },
    )


RECIPES: dict[str, Callable[[], None]] = {
    NAME: gpt_in_context,
    "in-context-emergence": in_context_emergence,
}

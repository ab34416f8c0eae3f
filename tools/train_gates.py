"""The long runs of chapter 02: a character LSTM, the adding problem, forget biases, four cells.

They are started by tools/train.py, under the names in `RECIPES`. The independent short runs of one
recipe go two at a time, each on one thread; what is timed runs alone.
"""

import datetime
import itertools
from collections.abc import Callable
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlp_helpers.data.adding import MEAN_ERROR, adding_batch, adding_batches
from nlp_helpers.data.batches import language_model_batches
from nlp_helpers.experiments import save_experiment
from nlp_helpers.models.gru import GRU
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.models.recurrent_lm import RecurrentLM
from nlp_helpers.models.rnn import RNN
from nlp_helpers.models.sru import SRU
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import (
    CarriedStateLoss,
    History,
    TrainConfig,
    evaluated,
    language_model_nll,
    train,
)
from tools.char_lm import library_docs, train_char_lm
from tools.processes import in_two_processes, one_thread
from tools.train_seq2seq import fused_run

CELLS = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU, "SRU": SRU}
SEED = 0


def prepare_process() -> None:
    """One thread, and torch's fused LSTM: these runs are not timed, and its numbers are ours."""
    one_thread()
    LSTM.run = staticmethod(fused_run)


def blocks(losses: list[float], size: int) -> list[float]:
    """The mean of each `size` losses in a row, rounded for a file that can be read."""
    means = torch.tensor(losses, dtype=torch.float64).view(-1, size).mean(dim=1)
    return [float(f"{mean:.4g}") for mean in means.tolist()]


def store(name: str, question: str, settings: dict, results) -> None:
    """Write a result where `load_experiment(name)` finds it."""
    result = {
        "question": question,
        "date": datetime.date.today().isoformat(),
        "seed": SEED,
        "settings": {**settings, "torch": torch.__version__},
        "results": results,
    }
    save_experiment(name, result)


# ---- the adding problem ---------------------------------------------------------------------

ADDING = {
    "hidden_size": 64,
    "batch_size": 32,
    "n_updates": 2000,
    "warmup": 20,
    "final_fraction": 0.1,
    "clip_norm": 1.0,
    "lengths": [50, 100, 200],
    "learning_rates": [2e-3, 8e-3, 3.2e-2],
    "updates_per_point": 50,
}


def adding_model(cell: str) -> nn.ModuleDict:
    """A recurrent network that reads (number, marker) pairs, and a linear layer on its end."""
    hidden = ADDING["hidden_size"]
    return nn.ModuleDict({"recurrent": CELLS[cell](2, hidden), "output": nn.Linear(hidden, 1)})


def adding_loss(model: nn.ModuleDict, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean squared error of the sum."""
    inputs, targets = batch
    outputs, _ = model["recurrent"](inputs)
    return F.mse_loss(model["output"](outputs[:, -1]).squeeze(-1), targets)


def adding_run(job: tuple[str, int, float]) -> dict:
    """Train one cell at one length and learning rate; its curve and errors."""
    cell, length, learning_rate = job
    set_seed(SEED)
    model = adding_model(cell)
    settings = TrainConfig(
        n_steps=ADDING["n_updates"],
        learning_rate=learning_rate,
        warmup=ADDING["warmup"],
        final_fraction=ADDING["final_fraction"],
        clip_norm=ADDING["clip_norm"],
    )
    batches = adding_batches(settings.n_steps, ADDING["batch_size"], length, seed=SEED)
    history = train(model, batches, adding_loss, settings)
    found = {
        name: evaluated(model, lambda m, s=seed: adding_loss(m, held_out_sums(length, s)))
        for name, seed in (("validation", 101), ("test", 102))
    }
    print(f"{cell:4s} T={length:3d} lr={learning_rate:g}: {found['test']:.5f}", flush=True)
    return {
        "cell": cell,
        "length": length,
        "learning_rate": learning_rate,
        "parameters": sum(p.numel() for p in model.parameters()),
        "validation": found["validation"],
        "test": found["test"],
        "curve": blocks(history.losses, ADDING["updates_per_point"]),
    }


def held_out_sums(length: int, seed: int) -> tuple[Tensor, Tensor]:
    return adding_batch(4000, length, torch.Generator().manual_seed(seed))


def adding_problem() -> None:
    """Every cell at every length and learning rate; the chapter shows each cell at its best."""
    store(
        "adding-problem",
        "Which cells learn to add two marked numbers, and over how many steps?",
        {**ADDING, "mean_error": MEAN_ERROR},
        in_two_processes(adding_run, adding_jobs(), prepare_process),
    )


def adding_jobs() -> list[tuple[str, int, float]]:
    """(cell, length, learning rate) of every run, the longest first."""
    lengths = sorted(ADDING["lengths"], reverse=True)
    return list(itertools.product(CELLS, lengths, ADDING["learning_rates"]))


# ---- the forget gate's bias -----------------------------------------------------------------

RECALL = {
    "embedding_size": 16,
    "hidden_size": 64,
    "batch_size": 64,
    "n_updates": 600,
    "learning_rate": 3e-3,
    "distances": [10, 20, 40],
    "forget_biases": [0.0, 1.0, 2.0, 3.0, 5.0],
    "seeds": [0, 1, 2],
    "learned": 0.1,  # nats: the mean loss of ten updates in a row
}


def recall_batch(distance: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Chapter 01's task: a symbol of 0 to 3, then noise of 4 to 7; the target is the symbol."""
    sequence = torch.randint(4, 8, (size, distance + 1), generator=generator)
    sequence[:, 0] = torch.randint(0, 4, (size,), generator=generator)
    return sequence, sequence[:, 0]


def recall_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy of the symbol, read off at the end."""
    sequence, symbol = batch
    return F.cross_entropy(model(sequence)[0][:, -1], symbol)


def forget_bias_run(job: tuple[int, float, int]) -> dict:
    """Train an LSTM to recall a symbol; after how many updates has it learned to?"""
    distance, forget_bias, seed = job
    set_seed(seed)
    recurrent = LSTM(RECALL["embedding_size"], RECALL["hidden_size"], forget_bias=forget_bias)
    model = RecurrentLM(8, recurrent)
    generator = torch.Generator().manual_seed(seed)
    batches = [recall_batch(distance, RECALL["batch_size"], generator) for _ in range(300)]
    settings = TrainConfig(n_steps=RECALL["n_updates"], learning_rate=RECALL["learning_rate"])
    losses = train(model, batches, recall_loss, settings).losses
    means = torch.tensor(losses).unfold(0, 10, 1).mean(dim=1)
    learned = (means < RECALL["learned"]).nonzero().flatten()
    found = learned[0].item() + 10 if len(learned) else None
    print(f"distance {distance}, bias {forget_bias}, seed {seed}: {found}", flush=True)
    return {"distance": distance, "forget_bias": forget_bias, "seed": seed, "updates": found}


def forget_bias() -> None:
    """An LSTM on chapter 01's recall task: distances, forget biases, seeds."""
    jobs = list(itertools.product(*(RECALL[k] for k in ("distances", "forget_biases", "seeds"))))
    store(
        "forget-bias",
        "How soon does an LSTM learn to remember, for each first value of the forget bias?",
        RECALL,
        in_two_processes(forget_bias_run, jobs, prepare_process),
    )


# ---- four cells on one text -----------------------------------------------------------------

TEXT = {
    "embedding_size": 32,
    "batch": [32, 32],
    "n_updates": 1600,
    "warmup": 50,
    "final_fraction": 0.05,
    "learning_rates": [6e-3, 1.2e-2, 2.4e-2, 4.8e-2],
    "seconds": 45,
    # name: (cell, hidden_size, n_layers), chosen for about the same number of parameters
    "models": {
        "RNN": ["RNN", 256, 1],
        "LSTM": ["LSTM", 130, 1],
        "GRU": ["GRU", 150, 1],
        "SRU": ["SRU", 146, 2],  # with one layer, 443 units: no gate would see more than x_t
    },
}


def text_model(name: str) -> RecurrentLM:
    tokenizer, _, _ = library_docs()
    cell, hidden_size, n_layers = TEXT["models"][name]
    recurrent = CELLS[cell](TEXT["embedding_size"], hidden_size, n_layers=n_layers)
    return RecurrentLM(tokenizer.vocab_size, recurrent)


def held_out_nll(model: nn.Module, split: str) -> float:
    _, ids, _ = library_docs()
    return language_model_nll(model, language_model_batches(ids[split], 32, 64))


def train_on_text(model: nn.Module, learning_rate: float, n_updates: int, points: int) -> History:
    """Chapter 01's live settings, with `points` evaluations on the validation text."""
    _, ids, _ = library_docs()
    settings = TrainConfig(
        n_steps=n_updates,
        learning_rate=learning_rate,
        warmup=TEXT["warmup"],
        final_fraction=TEXT["final_fraction"],
        evaluate_every=max(1, n_updates // points) if points else 0,
    )
    batches = language_model_batches(ids["train"], *TEXT["batch"])
    evaluate = (lambda m: held_out_nll(m, "validation")) if points else None
    return train(model, batches, CarriedStateLoss(), settings, evaluate)


def equal_steps_run(job: tuple[str, float]) -> dict:
    """Train one model for the stated number of updates."""
    name, learning_rate = job
    set_seed(SEED)
    model = text_model(name)
    history = train_on_text(model, learning_rate, TEXT["n_updates"], points=16)
    test = evaluated(model, lambda m: held_out_nll(m, "test"))
    print(f"{name:14s} lr={learning_rate:g}: test {test:.4f} nats", flush=True)
    return {
        "model": name,
        "learning_rate": learning_rate,
        "parameters": sum(p.numel() for p in model.parameters()),
        "updates": TEXT["n_updates"],
        "validation": {str(step): round(nll, 4) for step, nll in history.evaluations.items()},
        "test": test,
    }


def seconds_per_update(n_rounds: int = 40, n_updates: int = 5) -> dict[str, float]:
    """The time of one update of each model: the least of several short rounds, taken in turns.

    The least, because whatever else the machine does can only add to it.
    """
    models = {name: text_model(name) for name in TEXT["models"]}
    rounds = [
        {
            name: train_on_text(model, 1e-4, n_updates, points=0).seconds / n_updates
            for name, model in models.items()
        }
        for _ in range(n_rounds)
    ]
    return {name: min(row[name] for row in rounds) for name in models}


def equal_seconds_run(job: tuple[str, float, int, float]) -> dict:
    """Train one model for as many updates as the stated number of seconds has room for."""
    name, learning_rate, n_updates, pace = job
    set_seed(SEED)
    model = text_model(name)
    history = train_on_text(model, learning_rate, n_updates, points=15)
    test = evaluated(model, lambda m: held_out_nll(m, "test"))
    print(f"{name:4s} {n_updates} updates: test {test:.4f} nats", flush=True)
    return {
        "model": name,
        "learning_rate": learning_rate,
        "updates": n_updates,
        "milliseconds_per_update": round(1000 * pace, 2),
        "validation": {str(step): round(nll, 4) for step, nll in history.evaluations.items()},
        "test": test,
    }


def best_rates(runs: list[dict]) -> dict[str, float]:
    """The learning rate of each model with the least validation loss at the end."""
    best = {}
    for run in runs:
        loss = list(run["validation"].values())[-1]
        if run["model"] not in best or loss < best[run["model"]][0]:
            best[run["model"]] = (loss, run["learning_rate"])
    return {name: rate for name, (_, rate) in best.items()}


def cells_on_text() -> None:
    """Four cells at equal parameters: after equal numbers of updates, and of seconds."""
    library_docs()
    jobs = [(name, rate) for name in TEXT["models"] for rate in TEXT["learning_rates"]]
    steps = in_two_processes(equal_steps_run, jobs, prepare_process)
    pace = seconds_per_update()
    seconds = in_two_processes(
        equal_seconds_run,
        [
            (name, rate, int(TEXT["seconds"] / pace[name]), pace[name])
            for name, rate in best_rates(steps).items()
        ],
        prepare_process,
    )
    store(
        "cells-on-text",
        "Which cell predicts text best at equal parameters, in equal updates or equal time?",
        {**TEXT, "data": "library-docs, prose", "threads": torch.get_num_threads()},
        {"equal updates": steps, "equal seconds": seconds},
    )


# ---- a character LSTM to look at ------------------------------------------------------------


def char_lstm_library_docs() -> None:
    """The checkpoint of chapter 02: as chapter 01's, text and updates included, but an LSTM."""
    config = {"cell": "lstm", "embedding_size": 64, "hidden_size": 251}  # weights as chapter 01's
    config |= {"n_layers": 1, "dropout": 0.1}
    settings = TrainConfig(
        n_steps=7_000, learning_rate=8e-3, warmup=100, final_fraction=0.02, evaluate_every=1_000
    )
    fused = mock.patch.object(LSTM, "run", staticmethod(fused_run))
    train_char_lm("char-lstm-library-docs", config, settings, held_out_steps=64, within=fused)


RECIPES: dict[str, Callable[[], None]] = {
    "char-lstm-library-docs": char_lstm_library_docs,
    "adding-problem": adding_problem,
    "forget-bias": forget_bias,
    "cells-on-text": cells_on_text,
}

"""The search for the learning rates of chapter 07's fine-tuning.

It is started by tools/train.py, under the name in `RECIPES`. One run with 1,000 labels and seed 0
for each way, task and rate, on data that no test set holds. What is chosen from it stands in
train_bert_tasks: `Task.learning_rate`, `Task.scratch_rate`, `GPT_RATES`.
"""

import datetime
from collections.abc import Callable

from nlp_helpers.experiments import save_experiment
from tools import train_bert_tasks
from tools.processes import in_two_processes
from tools.train_bert_tasks import (
    GPT_RATES,
    RATES,
    TASKS,
    bert_scores,
    dropping,
    fresh,
    gpt_scores,
)

N_LABELS, SEED = 1_000, 0
N_VALIDATION = {"questions": 300, "library": 900}
DEFAULT_N_VALIDATION = 800
LONG = ("library", "questions")  # with 200 labels, the largest rate was not the best in either
PRE_TRAINED, SCRATCH, GPT = "BERT, pre-trained", "BERT, from scratch", "GPT, pre-trained"


def validation(name: str, known: list) -> list:
    """Examples to choose by; library has no split of its own for them, so other training ones."""
    examples, n = TASKS[name].examples, N_VALIDATION.get(name, DEFAULT_N_VALIDATION)
    if name != "library":
        return examples(n, "validation", SEED)
    seen = {example.texts for example in known}
    drawn = examples(2_400, "train", 99)
    return [example for example in drawn if example.texts not in seen][:n]


def measured(job: tuple[str, str, float]) -> dict:
    """One way, task and rate: its score."""
    way, name, rate = job
    task = TASKS[name]
    known = task.examples(N_LABELS, "train", SEED)
    tests = {"validation": validation(name, known)}
    if way == GPT:
        scores = gpt_scores(name, known, tests, SEED, rate)
    else:
        checkpoint = train_bert_tasks.load_checkpoint(task.checkpoint)
        bert = dropping(checkpoint.model.bert)
        start = bert if way == PRE_TRAINED else fresh(bert, SEED)
        scores = bert_scores(task, start, checkpoint.tokenizer, known, tests, SEED, rate)
    found = {"task": name, "way": way, "learning_rate": rate, **scores["validation"]}
    print(found, flush=True)
    return found


def rates(name: str) -> tuple[float, ...]:
    """The rates that are tried; where rows are long, a run takes minutes, and there are fewer."""
    return RATES[:2] if name in LONG else RATES


def jobs() -> list[tuple[str, str, float]]:
    """All ways of all tasks; GPT in those whose rate was not chosen in chapter 06."""
    ways = [(way, name) for name in TASKS for way in (PRE_TRAINED, SCRATCH)]
    ways += [(GPT, name) for name in GPT_RATES]
    return [(way, name, rate) for way, name in ways for rate in rates(name)]


def learning_rates() -> None:
    """Chapter 07: three rates for each way and task, on validation data."""
    result = {
        "question": "Which learning rate is best for each way and task?",
        "date": datetime.date.today().isoformat(),
        "seed": SEED,
        "settings": {
            "labels": N_LABELS,
            "rates": {name: rates(name) for name in TASKS},
            "examples": {name: N_VALIDATION.get(name, DEFAULT_N_VALIDATION) for name in TASKS},
        },
        "results": in_two_processes(measured, jobs()),
    }
    save_experiment("bert-learning-rates", result)


RECIPES: dict[str, Callable[[], None]] = {"bert-learning-rates": learning_rates}

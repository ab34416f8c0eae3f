"""The fine-tuning experiments of chapter 06: GPT on six sets of labelled data.

They are started by tools/train.py, under the names in `RECIPES`. Each way is repeated with several
seeds (other labelled examples, another order, another head).
"""

import datetime
import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from nlp_helpers.data import tiny_world_tasks as world
from nlp_helpers.data.bpe import ByteLevelBPE
from nlp_helpers.data.corpora import Passage, load_corpus
from nlp_helpers.data.gpt_inputs import (
    MARKS,
    Marks,
    choice_inputs,
    classification_inputs,
    entailment_inputs,
    similarity_inputs,
    task_batches,
)
from nlp_helpers.experiments import save_experiment
from nlp_helpers.lm_losses import FineTuningLoss
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_tasks import (
    GPTClassifier,
    GPTMultipleChoice,
    GPTSimilarity,
    GPTTask,
    with_new_tokens,
)
from nlp_helpers.pretrained import load_checkpoint
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import TrainConfig, train
from tools import bag_of_words
from tools.processes import in_two_processes
from tools.train_elmo_tasks import spread

SEEDS = (0, 1, 2)
LABELLED = (50, 200, 1000)
UPDATES = {50: 150, 200: 300, 1000: 600}
FEWER_UPDATES = {**UPDATES, 1000: 300}  # of choice, whose updates take longest
LM_WEIGHT = 0.5  # Radford et al. 2018, section 4.1
LM_WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
N_TEST = {"choice": 300}
DEFAULT_N_TEST = 1000
SETTINGS = TrainConfig(n_steps=300, warmup=30, schedule="linear", weight_decay=0.01)
TESTS = ("test-combinations", "test-templates")
Ids = list[int]


class Example(NamedTuple):
    """Texts (of a choice: the story with its question, then the answers) and a label."""

    texts: tuple[str, ...]
    label: int | float


@dataclass(frozen=True)
class Task:
    """A labelled data set, and how GPT reads it.

    examples: (n, split, seed) -> examples; model: GPT -> task model; inputs: the rows of one
    example from its texts as ids, and the marks. The learning rate was chosen for the pre-trained
    model with the auxiliary objective, one run with 200 labels and seed 0 for each of two or three
    rates, on data of the validation split (library: on other passages of the training split;
    sentiment: 5e-4 was better by 0.4 points; choice: not searched). From scratch it is the same.
    """

    checkpoint: str
    examples: Callable[[int, str, int], list[Example]]
    model: Callable[[GPT], GPTTask]
    inputs: Callable[[Sequence[Ids], Marks], list[Ids]]
    learning_rate: float = 1e-3
    tests: tuple[str, ...] = TESTS
    batch_size: int = 32
    bag: str = "classes"  # kind of the bag-of-words baseline, see bag_of_words


def joined(words: Sequence[str]) -> str:
    return " ".join(words)


def sentence_task(make: Callable, labels: Sequence[str]) -> Callable:
    """Sentences with labels by name -> examples with numbers."""

    def examples(n: int, split: str, seed: int) -> list[Example]:
        return [Example((joined(e.words),), labels.index(e.label)) for e in make(n, split, seed)]

    return examples


def entailment(n: int, split: str, seed: int) -> list[Example]:
    names = ("entailment", "contradiction", "neutral")
    found = world.entailment_examples(n, split, seed)
    return [Example((joined(e.first), joined(e.second)), names.index(e.label)) for e in found]


def similarity(n: int, split: str, seed: int) -> list[Example]:
    found = world.similarity_examples(n, split, seed)
    return [Example((joined(e.first), joined(e.second)), float(e.label)) for e in found]


def choice(n: int, split: str, seed: int) -> list[Example]:
    """Without the sentences that tell nothing, so that a story fits into fewer tokens."""
    found = world.choice_examples(n, split, seed, asides=False)
    return [
        Example((joined((*e.text, *e.question)), *map(joined, e.options)), e.label) for e in found
    ]


LIBRARIES = ("numpy", "scipy", "scikit-learn")


@functools.cache
def passages(split: str) -> dict[str, list[Passage]]:
    """Passages of each library, at least 60 characters long; validation and test are one test."""
    corpus = load_corpus("library-docs")
    splits = ("train",) if split == "train" else ("validation", "test")
    found = [p for s in splits for p in corpus.passages_of(s) if len(p.text) >= 60]
    return {name: [p for p in found if p.library == name] for name in LIBRARIES}


def library(n: int, split: str, seed: int) -> list[Example]:
    """Which library a passage of real documentation is from; as many of each."""
    drawn, rng = [], random.Random(f"library {split} {seed}")
    for label, name in enumerate(LIBRARIES):
        count = n // 3 + (label < n % 3)
        drawn += [Example((p.text,), label) for p in rng.sample(passages(split)[name], count)]
    rng.shuffle(drawn)
    return drawn


def two_classes(gpt: GPT) -> GPTClassifier:
    return GPTClassifier(gpt, 2)


def three_classes(gpt: GPT) -> GPTClassifier:
    return GPTClassifier(gpt, 3)


def one_text(texts: Sequence[Ids], marks: Marks) -> list[Ids]:
    return classification_inputs(texts[0], marks)


def two_texts(texts: Sequence[Ids], marks: Marks) -> list[Ids]:
    return entailment_inputs(*texts, marks)


def both_orders(texts: Sequence[Ids], marks: Marks) -> list[Ids]:
    return similarity_inputs(*texts, marks)


def story_and_answers(texts: Sequence[Ids], marks: Marks) -> list[Ids]:
    return choice_inputs(texts[0], texts[1:], marks)


SIGNS, WELL_FORMED = ("negative", "positive"), ("unacceptable", "acceptable")
TASKS = {
    "agreement": Task(
        "gpt-tiny-world",
        sentence_task(world.acceptability_examples, WELL_FORMED),
        two_classes,
        one_text,
    ),
    "sentiment": Task(
        "gpt-tiny-world", sentence_task(world.sentiment_examples, SIGNS), two_classes, one_text
    ),
    "entailment": Task("gpt-tiny-world", entailment, three_classes, two_texts),
    "similarity": Task(
        "gpt-tiny-world", similarity, GPTSimilarity, both_orders, 3e-4, bag="numbers"
    ),
    "choice": Task(
        "gpt-tiny-world", choice, GPTMultipleChoice, story_and_answers, batch_size=4, bag="choice"
    ),
    "library": Task(
        "gpt-library-docs", library, three_classes, one_text, 3e-4, ("test",), batch_size=16
    ),
}


def updates(task: Task) -> dict[int, int]:
    """How many updates for how many labels."""
    return FEWER_UPDATES if task is TASKS["choice"] else UPDATES


def n_test(name: str) -> int:
    return N_TEST.get(name, DEFAULT_N_TEST)


def rows_of(
    task: Task, examples: Sequence[Example], tokenizer: ByteLevelBPE, max_len: int
) -> list[list[Ids]]:
    """The inputs of some examples; a text that is too long for the context loses its end."""
    marks = Marks.after(tokenizer.vocab_size)
    rows = []
    for example in examples:
        texts = [tokenizer.encode(text) for text in example.texts]
        if len(texts) == 1:
            texts = [texts[0][: max_len - 2]]
        rows.append(task.inputs(texts, marks))
    return rows


def fit(
    task: Task, start: GPT, rows: list[list[Ids]], labels: list, lm_weight: float, seed: int
) -> GPTTask:
    """Fine-tune all weights on some labelled examples."""
    set_seed(seed)
    settings = replace(SETTINGS, n_steps=updates(task)[len(rows)], learning_rate=task.learning_rate)
    model = task.model(with_new_tokens(start, len(MARKS)))
    batches = task_batches(rows, labels, min(task.batch_size, len(rows)), seed)
    train(model, batches, FineTuningLoss(lm_weight), settings)
    return model


@torch.no_grad()
def predictions(model: GPTTask, rows: list[list[Ids]], labels: list) -> tuple[np.ndarray, ...]:
    """What the model puts out, and the labels in the same order."""
    outputs, right = [], []
    for batch in task_batches(rows, labels, 64 if len(rows[0]) < 3 else 16, seed=None):
        outputs.append(model.eval()(batch.tokens, batch.last, need_lm=False)[0])
        right.append(batch.labels)
    return torch.cat(outputs).numpy(), torch.cat(right).numpy()


def score(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of classes; Pearson's correlation of numbers."""
    if outputs.ndim == 1:
        return float(np.corrcoef(outputs, labels)[0, 1])
    return float((outputs.argmax(axis=1) == labels).mean())


class Way(NamedTuple):
    """Where the weights start, and lambda."""

    pretrained: bool
    lm_weight: float


WAYS = {
    "from scratch": Way(False, LM_WEIGHT),
    "pre-trained": Way(True, 0.0),
    "pre-trained, auxiliary": Way(True, LM_WEIGHT),
}


def fresh(gpt: GPT, seed: int) -> GPT:
    """The same model with weights drawn anew."""
    set_seed(seed)
    return GPT(gpt.config)


def measure(name: str, n_labels: int, ways: dict[str, Way]) -> list[dict]:
    """Each way's scores on each test set, over the seeds; and those of a bag of words."""
    task = TASKS[name]
    checkpoint = load_checkpoint(task.checkpoint)
    gpt = checkpoint.model
    gpt = with_dropout(gpt, 0.1)
    read = functools.partial(
        rows_of, task, tokenizer=checkpoint.tokenizer, max_len=gpt.config.max_len
    )
    tests = {split: task.examples(n_test(name), split, 0) for split in task.tests}
    test_rows = {split: read(examples) for split, examples in tests.items()}
    found = {way: {split: [] for split in tests} for way in ("bag of words", *ways)}
    for seed in SEEDS:
        known = task.examples(n_labels, "train", seed)
        rows, labels = read(known), [e.label for e in known]
        bag = bag_of_words.fit(task.bag, known)
        for split, examples in tests.items():
            right = np.array([e.label for e in examples])
            found["bag of words"][split].append(score(bag(examples), right))
        for way, (pretrained, lm_weight) in ways.items():
            start = gpt if pretrained else fresh(gpt, seed)
            model = fit(task, start, rows, labels, lm_weight, seed)
            for split, examples in tests.items():
                right = [e.label for e in examples]
                found[way][split].append(score(*predictions(model, test_rows[split], right)))
    results = []
    for way, scores in found.items():
        row = {split: spread(values) for split, values in scores.items()}
        results.append({"task": name, "labels": n_labels, "way": way, **row})
        print(
            {
                k: v if isinstance(v, str | int) else round(v["mean"], 3)
                for k, v in results[-1].items()
            },
            flush=True,
        )
    return results


def measured(job: tuple[str, int, dict[str, Way]]) -> list[dict]:
    """One job of a process."""
    return measure(*job)


def with_dropout(gpt: GPT, dropout: float) -> GPT:
    """The same weights in a model that drops units in training."""
    other = GPT(replace(gpt.config, dropout=dropout))
    other.load_state_dict(gpt.state_dict())
    return other.eval()


def fine_tuning() -> None:
    """Chapter 06: each task with 50, 200 and 1,000 labels, against scratch and a bag of words."""
    jobs = [(name, n, WAYS) for name in TASKS for n in LABELLED]
    results = [row for rows in in_two_processes(measured, jobs) for row in rows]
    save("gpt-fine-tuning", "What does pre-training add to each task, with few labels?", results)


def auxiliary() -> None:
    """Chapter 06: lambda swept on two tasks with 200 labels."""
    ways = {f"lambda = {weight:g}": Way(True, weight) for weight in LM_WEIGHTS}
    jobs = [(name, 200, ways) for name in ("agreement", "entailment")]
    results = [row for rows in in_two_processes(measured, jobs) for row in rows]
    save("gpt-auxiliary", "Does the language model's loss help the task's?", results)


def save(name: str, question: str, results: list[dict]) -> None:
    settings = {
        "updates": {
            name: {str(n_labels): n_steps for n_labels, n_steps in updates(task).items()}
            for name, task in TASKS.items()
        },
        "learning_rates": {name: task.learning_rate for name, task in TASKS.items()},
        "batch_sizes": {name: task.batch_size for name, task in TASKS.items()},
        "test_examples": {name: n_test(name) for name in TASKS},
    }
    result = {"question": question, "date": datetime.date.today().isoformat()}
    save_experiment(name, result | {"seed": list(SEEDS), "settings": settings, "results": results})


RECIPES: dict[str, Callable[[], None]] = {
    "gpt-fine-tuning": fine_tuning,
    "gpt-auxiliary": auxiliary,
}

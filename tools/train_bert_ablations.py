"""What BERT's pre-training loses without one of its parts (chapter 07).

Started by tools/train.py, under the name in `RECIPES`. A smaller model than the shipped one, on a
part of tiny-world, so that every row is read several times and static masks can matter.
"""

import datetime
import functools
from collections.abc import Callable
from dataclasses import asdict, replace

from nlp_helpers.data.tiny_world_tasks import follows_examples
from nlp_helpers.data.wordpiece import WordPiece
from nlp_helpers.experiments import save_experiment
from nlp_helpers.pretrained import build_bert
from nlp_helpers.reproducibility import set_seed
from tools.processes import PARTS, Kept, in_two_processes
from tools.train_bert import RUNS, Variant, fit, held_out, in_ids, scores
from tools.train_bert_tasks import TASKS, Task, bert_scores, dropping, n_test, summary
from tools.train_gpt_tasks import Example, joined

SEEDS = (0, 1, 2)
N_TEXTS = 2_300
RUN = replace(
    RUNS["bert-tiny-world"],
    config={"d_model": 128, "n_heads": 4, "n_layers": 4, "max_len": 64},
    phases=((1_000, 48, 52),),
)
VARIANTS = {
    "as BERT": Variant(),
    "without next sentences": Variant(next_sentence=False),
    "static masks": Variant(dynamic=False),
    "always [MASK]": Variant(shares=(1.0, 0.0, 0.0)),
}
N_LABELS = 200


def follows(n: int, split: str, seed: int) -> list[Example]:
    names = ("another", "follows")
    found = follows_examples(n, split, seed)
    return [Example((joined(e.first), joined(e.second)), names.index(e.label)) for e in found]


ABLATION_TASKS = {
    "follows": Task(follows, "pair"),
    "entailment": TASKS["entailment"],
    "sentiment": TASKS["sentiment"],
    "entities": TASKS["entities"],
}


@functools.cache
def prepared() -> tuple[WordPiece, dict]:
    """The tokenizer, and the documents of training and validation as ids."""
    documents = RUN.documents()
    documents = {"train": documents["train"][:N_TEXTS], "validation": documents["validation"]}
    sentences = [s for document in documents["train"] for s in document]
    tokenizer = WordPiece.train(sentences, RUN.pieces)
    return tokenizer, {s: in_ids(tokenizer, found) for s, found in documents.items()}


def measured(job: tuple[str | None, int]) -> dict:
    """Pre-train one variant (None: not at all) with one seed; its scores, and those of tasks."""
    name, seed = job
    tokenizer, ids = prepared()
    set_seed(seed)
    config = {"vocab_size": tokenizer.vocab_size, **RUN.config}
    model = build_bert({**config, "d_ff": 4 * config["d_model"], "dropout": 0.0})
    found: dict = {"variant": name or "no pre-training", "seed": seed}
    if name is not None:
        fit(RUN, model, tokenizer, ids, VARIANTS[name], seed)
        model.eval()
        # on rows of its own kind, at [MASK] places: so none is asked what is new to it
        judged = replace(VARIANTS[name], shares=(1.0, 0.0, 0.0))
        rows = held_out(tokenizer, ids["validation"], 48, judged)
        found["pre-training"] = scores(model, rows)
    bert = dropping(model.bert)
    for task_name, task in ABLATION_TASKS.items():
        tests = {split: task.examples(n_test(task_name), split, 0) for split in task.tests}
        known = task.examples(N_LABELS, "train", seed)
        rate = task.scratch_rate if name is None else task.learning_rate
        found[task_name] = bert_scores(task, bert, tokenizer, known, tests, seed, rate)
    print(found, flush=True)
    return found


def ablations() -> None:
    """Chapter 07: no next sentences, static masks, always [MASK], and no pre-training at all."""
    jobs = [(name, seed) for name in (*VARIANTS, None) for seed in SEEDS]
    runs = in_two_processes(Kept(measured, PARTS / "bert-ablations"), jobs)
    results = []
    for name in (*VARIANTS, "no pre-training"):
        of_variant = [run for run in runs if run["variant"] == name]
        row: dict = {"variant": name}
        if "pre-training" in of_variant[0]:
            row["pre-training"] = summary([{"all": run["pre-training"]} for run in of_variant])[
                "all"
            ]
        row |= {task: summary([run[task] for run in of_variant]) for task in ABLATION_TASKS}
        results.append(row)
    settings = {
        "config": RUN.config,
        "phases": RUN.phases,
        "texts": N_TEXTS,
        "labels": N_LABELS,
        "variants": {name: asdict(variant) for name, variant in VARIANTS.items()},
    }
    question = "Which parts of BERT's pre-training are needed?"
    result = {"question": question, "date": datetime.date.today().isoformat()}
    result |= {"seed": list(SEEDS), "settings": settings, "results": results}
    save_experiment("bert-ablations", result)


RECIPES: dict[str, Callable[[], None]] = {"bert-ablations": ablations}

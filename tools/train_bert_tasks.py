"""The fine-tuning experiments of chapter 07: BERT in its four shapes, and a regression.

They are started by tools/train.py, under the names in `RECIPES`. Each way is repeated with several
seeds (other labelled examples, another order, another head). Labels, updates and rows a step are
those of chapter 06's experiments with GPT, whose results stand beside.
"""

import datetime
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from nlp_helpers.bert_losses import SequenceLoss, SpanLoss, TagLoss
from nlp_helpers.data import tiny_world_tasks as world
from nlp_helpers.data.answer_spans import best_spans, passage_mask, question_row
from nlp_helpers.data.bert_inputs import pair_row, single_row
from nlp_helpers.data.bpe import ByteLevelBPE
from nlp_helpers.data.gpt_inputs import MARKS, Marks
from nlp_helpers.data.labelled_inputs import labelled_batches, tag_row, tags_of_words
from nlp_helpers.data.tiny_world_tags import ENTITY_TAGS, tagging_examples
from nlp_helpers.data.wordpiece import WordPiece
from nlp_helpers.experiments import load_experiment, save_experiment
from nlp_helpers.models.bert import (
    BERT,
    BERTForQuestionAnswering,
    BERTForSequenceClassification,
    BERTForTokenClassification,
)
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_tasks import with_new_tokens
from nlp_helpers.pretrained import load_checkpoint
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.span_metrics import entity_scores, span_f1
from nlp_helpers.training import train
from tools import bag_of_words, train_gpt_tasks
from tools.bag_of_spans import fit_spans, fit_tags
from tools.processes import PARTS, Kept, in_two_processes
from tools.train_elmo_tasks import spread
from tools.train_gpt_tasks import (
    LABELLED,
    SEEDS,
    SETTINGS,
    SIGNS,
    TESTS,
    UPDATES,
    WELL_FORMED,
    Example,
    entailment,
    joined,
    library,
    sentence_task,
    similarity,
    two_texts,
    with_dropout,
)

DROPOUT = 0.1  # in fine-tuning
N_TEST = {"questions": 300}
DEFAULT_N_TEST = 1000
MAX_ANSWER = 8  # words


@dataclass(frozen=True)
class Task:
    """A labelled data set, and how BERT reads it.

    examples: (n, split, seed) -> examples; shape: "text", "pair", "span" or "tags"; n_outputs: of
    the head (1: a number). Each way has a learning rate of its own: the best of RATES in one run
    with 1,000 labels and seed 0, on data of the validation split (library: on other passages of the
    training split). Where two were equal, or nearly so (library, pre-trained: 71.0 and 71.2), it is
    the one that was better with 200 labels, if these were tried. See train_bert_rates.
    """

    examples: Callable[[int, str, int], list]
    shape: str
    n_outputs: int = 2
    learning_rate: float = 1e-3  # of the pre-trained BERT
    scratch_rate: float = 1e-3
    checkpoint: str = "bert-tiny-world"
    tests: tuple[str, ...] = TESTS
    batch_size: int = 32


def paraphrase(n: int, split: str, seed: int) -> list[Example]:
    names = ("different", "paraphrase")
    found = world.paraphrase_examples(n, split, seed)
    return [Example((joined(e.first), joined(e.second)), names.index(e.label)) for e in found]


TASKS = {
    "entailment": Task(entailment, "pair", 3),
    "paraphrase": Task(paraphrase, "pair", 2, 3e-4, 3e-4),
    "similarity": Task(similarity, "pair", 1),
    "agreement": Task(
        sentence_task(world.acceptability_examples, WELL_FORMED), "text", 2, 3e-4, 3e-4
    ),
    "sentiment": Task(sentence_task(world.sentiment_examples, SIGNS), "text"),
    "library": Task(library, "text", 3, 3e-4, 3e-4, "bert-library-docs", ("test",), 16),
    "questions": Task(world.question_examples, "span", 2, 3e-4, 3e-4, batch_size=16),
    "entities": Task(tagging_examples, "tags", len(ENTITY_TAGS)),
}
RATES = (3e-4, 1e-3, 2e-3)


def n_test(name: str) -> int:
    return N_TEST.get(name, DEFAULT_N_TEST)


class Rows(NamedTuple):
    """Rows of ids and segments, and their labels."""

    rows: list
    labels: list


def rows_of(task: Task, examples: Sequence, tokenizer: WordPiece, max_len: int) -> Rows:
    """The rows as BERT reads them; one text that is too long loses its end."""
    cls, sep = tokenizer.special_id("[CLS]"), tokenizer.special_id("[SEP]")
    if task.shape == "text":
        texts = [tokenizer.ids(e.texts[0])[: max_len - 2] for e in examples]
        return Rows([single_row(t, cls, sep) for t in texts], [e.label for e in examples])
    if task.shape == "pair":
        pairs = [tuple(map(tokenizer.ids, e.texts)) for e in examples]
        return Rows([pair_row(*p, cls, sep) for p in pairs], [e.label for e in examples])
    found = [in_pieces(task.shape, e, tokenizer, cls, sep, max_len) for e in examples]
    return Rows([(ids, segments) for ids, segments, _ in found], [label for *_, label in found])


def in_pieces(shape: str, example, tokenizer: WordPiece, cls: int, sep: int, max_len: int):
    """A row whose labels stand at words, from the pieces of these words."""
    if shape == "tags":
        ids, numbers = tokenizer.pieces_of_words(example.words)
        return tag_row(ids, numbers, [ENTITY_TAGS.index(tag) for tag in example.tags], cls, sep)
    question, _ = tokenizer.pieces_of_words(example.question)
    passage, numbers = tokenizer.pieces_of_words(example.text)
    begin, end = example.answer
    places = [i for i, number in enumerate(numbers) if begin <= number < end]
    return question_row(question, passage, (places[0], places[-1] + 1), cls, sep, max_len)


HEADS = {"text": BERTForSequenceClassification, "pair": BERTForSequenceClassification}
HEADS |= {"tags": BERTForTokenClassification}
LOSSES = {"text": SequenceLoss, "pair": SequenceLoss, "span": SpanLoss, "tags": TagLoss}


def head_of(task: Task, bert: BERT) -> nn.Module:
    if task.shape == "span":
        return BERTForQuestionAnswering(bert, dropout=None)
    return HEADS[task.shape](bert, task.n_outputs)


def fit(task: Task, model: nn.Module, known: Rows, pad: int, seed: int, rate: float):
    """Fine-tune all weights on some labelled rows."""
    n = len(known.rows)
    settings = replace(SETTINGS, n_steps=UPDATES[n], learning_rate=rate)
    batches = labelled_batches(*known, min(task.batch_size, n), pad, seed)
    train(model, batches, LOSSES[task.shape](), settings)
    return model


@torch.no_grad()
def scores_of(task: Task, model: nn.Module, tests: Rows, pad: int) -> dict[str, float]:
    """What the task is measured by, on rows in their order."""
    model.eval()
    outputs, labels, inputs = [], [], []
    for batch in labelled_batches(*tests, 64, pad, seed=None):
        outputs.append(model(*batch.inputs))
        labels.append(batch.labels)
        inputs.append(batch.inputs)
    if task.shape == "span":
        return answer_scores(outputs, labels, inputs)
    if task.shape == "tags":
        return tag_scores(outputs, labels)
    return label_scores(torch.cat(outputs).numpy(), torch.cat(labels).numpy())


def label_scores(outputs: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy of classes; Spearman's correlation of numbers."""
    if outputs.ndim == 1 or outputs.shape[1] == 1:
        return {"spearman": float(spearmanr(outputs.reshape(-1), labels).statistic)}
    return {"accuracy": float((outputs.argmax(axis=1) == labels).mean())}


def answer_scores(outputs: Sequence, labels: Sequence, inputs: Sequence) -> dict[str, float]:
    """Exact match and F1 of the places of the words."""
    guessed, right = [], []
    for (start, end), answer, batch in zip(outputs, labels, inputs, strict=True):
        allowed = passage_mask(batch.segments, batch.mask)
        starts, ends, _ = best_spans(start, end, allowed, MAX_ANSWER)
        guessed += [range(i, j + 1) for i, j in zip(starts.tolist(), ends.tolist(), strict=True)]
        right += [range(i, j + 1) for i, j in answer.tolist()]
    found = span_f1(guessed, right)
    return {"f1": found.f1, "exact_match": found.exact_match}


def tag_scores(outputs: Sequence[Tensor], labels: Sequence[Tensor]) -> dict[str, float]:
    """F1 of whole entities."""
    guessed, right = [], []
    for logits, tags in zip(outputs, labels, strict=True):
        for row, wanted in zip(logits.argmax(dim=-1), tags, strict=True):
            guessed.append([ENTITY_TAGS[i] for i in tags_of_words(row, wanted)])
            right.append([ENTITY_TAGS[i] for i in tags_of_words(wanted, wanted)])
    return {"f1": entity_scores(guessed, right).f1}


# The same tasks for GPT: those that chapter 06 has, and two that read a vector at every token


class GPTForTokens(nn.Module):
    """One linear layer on GPT's vector at every token, called as BERT's models are."""

    def __init__(self, gpt: GPT, n_outputs: int, span: bool, dropout: float = DROPOUT):
        super().__init__()
        self.gpt, self.span = gpt, span
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(gpt.config.d_model, n_outputs)
        nn.init.normal_(self.output.weight, std=0.02)
        nn.init.zeros_(self.output.bias)

    def forward(self, tokens: Tensor, segments: Tensor, mask: Tensor):
        logits = self.output(self.dropout(self.gpt.run(tokens)[0]))
        return logits.unbind(-1) if self.span else logits


def gpt_pieces(tokenizer: ByteLevelBPE, words: Sequence[str]) -> tuple[list[int], list[int]]:
    """The pieces of the words of a text, and the number of the word that each is from."""
    pieces = [tokenizer.encode(" " * (i > 0) + word) for i, word in enumerate(words)]
    ids = [token for word in pieces for token in word]
    return ids, [i for i, word in enumerate(pieces) for _ in word]


def gpt_rows(task: Task, examples: Sequence, tokenizer: ByteLevelBPE, max_len: int) -> Rows:
    """As BERT's rows, with GPT's tokens: <start> question <delimiter> text <extract>."""
    marks = Marks.after(tokenizer.vocab_size)
    rows, labels = [], []
    for example in examples:
        if task.shape == "tags":
            ids, numbers = gpt_pieces(tokenizer, example.words)
            tags = [ENTITY_TAGS.index(tag) for tag in example.tags]
            row = tag_row(ids, numbers, tags, marks.start, marks.extract)
        else:
            question, _ = gpt_pieces(tokenizer, example.question)
            passage, numbers = gpt_pieces(tokenizer, example.text)
            begin, end = example.answer
            at = [i for i, number in enumerate(numbers) if begin <= number < end]
            answer = (at[0], at[-1] + 1)
            ids, segments, place = question_row(
                question, passage, answer, marks.start, marks.delimiter, max_len
            )
            row = [*ids[:-1], marks.extract], segments, place
        rows.append(row[:2])
        labels.append(row[2])
    return Rows(rows, labels)


# Chosen as BERT's rates are, for the pre-trained GPT; those of the other tasks are chapter 06's
GPT_RATES = {"paraphrase": 2e-3, "questions": 1e-3, "entities": 1e-3}
GPT_TASKS = {
    "paraphrase": train_gpt_tasks.Task(
        "gpt-tiny-world", paraphrase, train_gpt_tasks.two_classes, two_texts
    ),
    "similarity": train_gpt_tasks.TASKS["similarity"],
}
FROM_CHAPTER_06 = {
    "entailment": "accuracy",
    "agreement": "accuracy",
    "sentiment": "accuracy",
    "library": "accuracy",
}


def gpt_scores(
    name: str, known: list, tests: dict[str, list], seed: int, rate: float | None = None
) -> dict[str, dict]:
    """GPT fine-tuned as chapter 06 does it, or with a head at every token.

    The rate is the chosen one, of GPT_RATES or of chapter 06's task, unless another is given.
    """
    rate = GPT_RATES.get(name) if rate is None else rate
    checkpoint = load_checkpoint("gpt-tiny-world")
    gpt, tokenizer = with_dropout(checkpoint.model, DROPOUT), checkpoint.tokenizer
    if name in GPT_TASKS:
        task = GPT_TASKS[name]
        task = task if rate is None else replace(task, learning_rate=rate)
        read = functools.partial(
            train_gpt_tasks.rows_of, task, tokenizer=tokenizer, max_len=gpt.config.max_len
        )
        labels = [e.label for e in known]
        lm_weight = train_gpt_tasks.LM_WEIGHT
        model = train_gpt_tasks.fit(task, gpt, read(known), labels, lm_weight, seed)
        return {
            split: label_scores(
                *train_gpt_tasks.predictions(model, read(found), [e.label for e in found])
            )
            for split, found in tests.items()
        }
    task = TASKS[name]
    set_seed(seed)
    longer = with_new_tokens(gpt, len(MARKS))
    model = GPTForTokens(longer, task.n_outputs, task.shape == "span")
    read = functools.partial(gpt_rows, task, tokenizer=tokenizer, max_len=gpt.config.max_len)
    fit(task, model, read(known), 0, seed, rate)
    return {split: scores_of(task, model, read(found), 0) for split, found in tests.items()}


def bag_scores(name: str, known: list, tests: dict[str, list]) -> dict[str, dict]:
    """What words tell without order: linear models on counts."""
    task = TASKS[name]
    if task.shape == "tags":
        tags_for = fit_tags(known)
        return {
            split: {"f1": entity_scores(tags_for(found), [list(e.tags) for e in found]).f1}
            for split, found in tests.items()
        }
    if task.shape == "span":
        spans_for, scores = fit_spans(known, MAX_ANSWER), {}
        for split, found in tests.items():
            spans = span_f1(spans_for(found), [range(*e.answer) for e in found])
            scores[split] = {"f1": spans.f1, "exact_match": spans.exact_match}
        return scores
    bag = bag_of_words.fit("numbers" if task.n_outputs == 1 else "classes", known)
    return {
        split: label_scores(bag(found), np.array([e.label for e in found]))
        for split, found in tests.items()
    }


def fresh(bert: BERT, seed: int) -> BERT:
    """The same model with weights drawn anew."""
    set_seed(seed)
    return BERT(bert.config)


def dropping(bert: BERT, dropout: float = DROPOUT) -> BERT:
    """The same weights in a model that drops units in training."""
    other = BERT(replace(bert.config, dropout=dropout))
    other.load_state_dict(bert.state_dict())
    return other.eval()


def bert_scores(
    task: Task, start: BERT, tokenizer, known: list, tests: dict, seed: int, rate: float
) -> dict:
    """BERT fine-tuned from some start."""
    set_seed(seed)
    pad = tokenizer.special_id("[PAD]")
    read = functools.partial(rows_of, task, tokenizer=tokenizer, max_len=start.config.max_len)
    model = fit(task, head_of(task, start), read(known), pad, seed, rate)
    return {split: scores_of(task, model, read(found), pad) for split, found in tests.items()}


def measured(job: tuple[str, int, int]) -> dict[str, dict]:
    """One task with some labels and one seed: each way's scores on each test set."""
    name, n_labels, seed = job
    task = TASKS[name]
    checkpoint = load_checkpoint(task.checkpoint)
    bert, tokenizer = dropping(checkpoint.model.bert), checkpoint.tokenizer
    tests = {split: task.examples(n_test(name), split, 0) for split in task.tests}
    known = task.examples(n_labels, "train", seed)
    new = fresh(bert, seed)
    found = {
        "bag of words": bag_scores(name, known, tests),
        "BERT, from scratch": bert_scores(
            task, new, tokenizer, known, tests, seed, task.scratch_rate
        ),
        "BERT, pre-trained": bert_scores(
            task, bert, tokenizer, known, tests, seed, task.learning_rate
        ),
    }
    if name not in FROM_CHAPTER_06:
        found["GPT, pre-trained"] = gpt_scores(name, known, tests, seed)
    print(job, found, flush=True)
    return found


def results_of(name: str, n_labels: int, of_seeds: Sequence[dict[str, dict]]) -> list[dict]:
    """Each way's scores over the seeds."""
    results = [
        {"task": name, "labels": n_labels, "way": way, **summary([one[way] for one in of_seeds])}
        for way in of_seeds[0]
    ]
    return results + from_chapter_06(name, n_labels)


def summary(scores: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict]:
    """Split -> score -> its spread over the seeds."""
    return {
        split: {name: spread([s[split][name] for s in scores]) for name in scores[0][split]}
        for split in scores[0]
    }


def from_chapter_06(name: str, n_labels: int) -> list[dict]:
    """GPT's results in the same task, labels, updates and test sets, with its auxiliary loss."""
    if name not in FROM_CHAPTER_06:
        return []
    rows = load_experiment("gpt-fine-tuning")["results"]
    row = next(
        r
        for r in rows
        if (r["task"], r["labels"], r["way"]) == (name, n_labels, "pre-trained, auxiliary")
    )
    scores = {split: {FROM_CHAPTER_06[name]: row[split]} for split in TASKS[name].tests}
    return [{"task": name, "labels": n_labels, "way": "GPT, pre-trained", **scores}]


def fine_tuning() -> None:
    """Chapter 07: each task with 50, 200 and 1,000 labels, against scratch, GPT and words."""
    pairs = [(name, n) for name in TASKS for n in sorted(LABELLED, reverse=True)]
    jobs = [(name, n, seed) for name, n in pairs for seed in SEEDS]
    runs = in_two_processes(Kept(measured, PARTS / "bert-fine-tuning"), jobs)
    found = dict(zip(jobs, runs, strict=True))
    results = []
    for name, n in pairs:
        results += results_of(name, n, [found[name, n, seed] for seed in SEEDS])
    result = {
        "question": "What does BERT's pre-training add to each task, with few labels?",
        "date": datetime.date.today().isoformat(),
        "seed": list(SEEDS),
        "settings": {
            "updates": {str(n_labels): n_steps for n_labels, n_steps in UPDATES.items()},
            "learning_rates": {
                "BERT, pre-trained": {name: task.learning_rate for name, task in TASKS.items()},
                "BERT, from scratch": {name: task.scratch_rate for name, task in TASKS.items()},
                "GPT, pre-trained": {
                    **GPT_RATES,
                    "similarity": GPT_TASKS["similarity"].learning_rate,
                },
            },
            "batch_sizes": {name: task.batch_size for name, task in TASKS.items()},
            "test_examples": {name: n_test(name) for name in TASKS},
        },
        "results": results,
    }
    save_experiment("bert-fine-tuning", result)


RECIPES: dict[str, Callable[[], None]] = {"bert-fine-tuning": fine_tuning}

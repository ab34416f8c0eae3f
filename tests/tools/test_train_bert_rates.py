"""The search for learning rates of chapter 07: what is run, on which examples, what is written."""

from types import SimpleNamespace

import pytest
import torch

from nlp_helpers import experiments
from nlp_helpers.models.bert import BERT, BERTForPreTraining
from nlp_helpers.models.bert_config import BERTConfig
from tools import train_bert_rates, train_bert_tasks
from tools.train_bert_rates import GPT, PRE_TRAINED, SCRATCH
from tools.train_bert_tasks import GPT_RATES, RATES, TASKS

SIZES = {"vocab_size": 37, "d_model": 12, "n_heads": 3, "d_ff": 24, "n_layers": 1, "max_len": 20}


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """The runs that the search asks for; each has the score 0.001 times its number."""
    torch.manual_seed(3)
    model = BERTForPreTraining(BERTConfig(dropout=0.0, **SIZES)).eval()
    asked = []

    def note(**run):
        asked.append(SimpleNamespace(**run))
        return {"validation": {"accuracy": len(asked) / 1000}}

    def of_bert(task, start, tokenizer, known, tests, seed, rate):
        return note(way="BERT", task=task, start=start, known=known, tests=tests, rate=rate)

    def of_gpt(name, known, tests, seed, rate):
        return note(way="GPT", task=TASKS[name], known=known, tests=tests, rate=rate)

    changes = {"bert_scores": of_bert, "gpt_scores": of_gpt}
    changes["in_two_processes"] = lambda function, jobs: [function(job) for job in jobs]
    changes["save_experiment"] = lambda name, result: experiments.save_experiment(
        name, result, folder=tmp_path
    )
    for name, value in changes.items():
        monkeypatch.setattr(train_bert_rates, name, value)
    stored = SimpleNamespace(model=model, tokenizer=None)
    monkeypatch.setattr(train_bert_tasks, "load_checkpoint", lambda name: stored)
    return asked, model.bert, lambda: experiments.load_experiment("bert-learning-rates", tmp_path)


def few(monkeypatch):
    monkeypatch.setattr(train_bert_rates, "N_LABELS", 11)
    monkeypatch.setattr(train_bert_rates, "N_VALIDATION", {"questions": 3, "library": 13})
    monkeypatch.setattr(train_bert_rates, "DEFAULT_N_VALIDATION", 7)


def test_each_way_is_tried_with_each_rate(runs, monkeypatch):
    few(monkeypatch)
    asked, _, result = runs
    train_bert_rates.RECIPES["bert-learning-rates"]()
    rows = result()["results"]
    wanted = [(way, name) for way in (PRE_TRAINED, SCRATCH) for name in TASKS]
    wanted += [(GPT, name) for name in GPT_RATES]
    assert {(r["way"], r["task"], r["learning_rate"]) for r in rows} == {
        (way, name, rate)
        for way, name in wanted
        for rate in (RATES if name not in ("library", "questions") else (3e-4, 1e-3))
    }
    assert len(rows) == 2 * (6 * 3 + 2 * 2) + 2 * 3 + 2
    assert [r["accuracy"] for r in rows] == [i / 1000 for i in range(1, 53)]
    assert [r["learning_rate"] for r in rows] == [run.rate for run in asked]
    assert [TASKS[r["task"]] for r in rows] == [run.task for run in asked]
    assert [r["way"] == GPT for r in rows] == [run.way == "GPT" for run in asked]


def test_from_scratch_the_weights_are_new_and_otherwise_the_stored_ones(runs, monkeypatch):
    few(monkeypatch)
    asked, stored, _ = runs
    for way in (PRE_TRAINED, SCRATCH):
        train_bert_rates.measured((way, "sentiment", 0.25))
    pre_trained, scratch = (run.start for run in asked)
    assert isinstance(scratch, BERT)
    assert pre_trained.config.dropout == scratch.config.dropout == train_bert_tasks.DROPOUT
    same = [
        all(torch.equal(p, q) for p, q in zip(start.parameters(), stored.parameters(), strict=True))
        for start in (pre_trained, scratch)
    ]
    assert same == [True, False]


@pytest.mark.parametrize("name", TASKS)
def test_what_is_chosen_by_is_neither_trained_on_nor_in_a_test_set(name, runs):
    asked, _, _ = runs
    way = GPT if name in GPT_RATES else PRE_TRAINED
    train_bert_rates.measured((way, name, 0.25))
    (run,) = asked
    (validation,) = run.tests.values()
    assert len(run.known) == 1000
    assert len(validation) == {"questions": 300, "library": 900}.get(name, 800)
    assert run.known == TASKS[name].examples(1000, "train", 0)
    others = TASKS[name].examples(train_bert_tasks.n_test(name), TASKS[name].tests[0], 0)
    if name == "library":
        texts = {e.texts for e in validation}
        assert not texts & {e.texts for e in run.known}
        assert not texts & {e.texts for e in others}
    else:
        assert validation == TASKS[name].examples(len(validation), "validation", 0)


def test_the_chosen_rates_are_the_best_of_the_stored_search():
    found = {}
    for row in experiments.load_experiment("bert-learning-rates")["results"]:
        score = next(row[key] for key in ("accuracy", "spearman", "f1") if key in row)
        found.setdefault((row["task"], row["way"]), {})[row["learning_rate"]] = score
    chosen = {(name, PRE_TRAINED): task.learning_rate for name, task in TASKS.items()}
    chosen |= {(name, SCRATCH): task.scratch_rate for name, task in TASKS.items()}
    chosen |= {(name, GPT): rate for name, rate in GPT_RATES.items()}
    for key, rate in chosen.items():
        assert found[key][rate] > max(found[key].values()) - 0.0025, key  # nearly equal: see Task

"""The pre-training recipes of chapter 07, in small: what they write can be loaded and is true."""

import functools
import hashlib
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from nlp_helpers import experiments, pretrained
from nlp_helpers.data.corpora import load_corpus
from nlp_helpers.data.masking import IGNORE
from nlp_helpers.data.wordpiece import WordPiece
from nlp_helpers.data.wordpiece_files import SPECIALS
from nlp_helpers.models.bert import BERTForPreTraining
from nlp_helpers.muon import MuonAdamW
from nlp_helpers.pretrained import build_bert, load_checkpoint
from tools import train_bert, train_bert_ablations, train_bert_tasks, train_gpt
from tools.train_bert import Phases, Run, Variant

WORLD = "bert-tiny-world"
SIZES = {"d_model": 12, "n_heads": 3, "n_layers": 2, "max_len": 37}
PHASES = ((3, 17, 5), (2, 37, 3))
WITHOUT = Variant(next_sentence=False)
ALWAYS = Variant(shares=(1.0, 0.0, 0.0))


@pytest.fixture
def few_texts(monkeypatch):
    """A tiny-world of a few stories."""
    monkeypatch.setattr(train_gpt, "N_STORIES", dict.fromkeys(train_gpt.N_STORIES, 5))
    monkeypatch.setattr(train_gpt, "N_ASIDES", 20)


@pytest.fixture
def small(few_texts, monkeypatch, tmp_path):
    """A BERT of few weights, for a few updates on a few texts; it goes to the test's folder."""

    def save(name, model, info, dtype):
        pretrained.save_checkpoint(name, model, info, folder=tmp_path, dtype=dtype)

    run = Run(train_bert.tiny_world_documents, SIZES, pieces=300, phases=PHASES)
    monkeypatch.setattr(train_bert, "RUNS", {WORLD: run})
    monkeypatch.setattr(train_bert, "save_checkpoint", save)
    monkeypatch.setattr(train_bert, "load_checkpoint", lambda name: load_checkpoint(name, tmp_path))
    return tmp_path


@pytest.fixture
def read(monkeypatch):
    """What the loss function is given, and whether it is to predict next sentences."""
    batches = []

    class Loss(train_bert.PreTrainingLoss):
        def __call__(self, model, batch):
            batches.append((self.next_sentence, batch))
            return super().__call__(model, batch)

    monkeypatch.setattr(train_bert, "PreTrainingLoss", Loss)
    return batches


def test_the_recipe_writes_a_checkpoint_that_says_how_it_was_made(small):
    train_bert.RECIPES[WORLD]()
    checkpoint = load_checkpoint(WORLD, small)
    model, info, tokenizer = checkpoint.model, checkpoint.info, checkpoint.tokenizer
    assert isinstance(model, BERTForPreTraining)
    assert isinstance(tokenizer, WordPiece)
    assert tokenizer.vocab_size == model.bert.config.vocab_size == 300
    assert info["config"] == {"vocab_size": 300, **SIZES, "d_ff": 48, "dropout": 0.0}
    documents = train_bert.tiny_world_documents()
    sentences = [s for document in documents["train"] for s in document]
    assert tokenizer.pieces == WordPiece.train(sentences, 300).pieces
    told = info["training"]
    assert told["n_steps"] == 5
    assert told["phases"] == [list(phase) for phase in PHASES]
    assert (told["seed"], told["muon_rate"], told["learning_rate"]) == (0, 0.02, 5e-3)
    assert told["data"] == f"tiny-world, split train: {len(documents['train'])} texts"
    assert told["data_sha256"] == hashlib.sha256("\n".join(sentences).encode()).hexdigest()
    assert told["tokens"] == sum(len(tokenizer.tokenize(s)) for s in sentences)
    assert model.bert.tokens.weight.dtype == torch.float32
    assert (small / f"{WORLD}.safetensors").stat().st_size < 2.2 * sum(
        p.numel() for p in model.parameters()
    ) + 10_000


def test_the_metrics_of_a_checkpoint_are_those_of_what_is_loaded(small):
    train_bert.RECIPES[WORLD]()
    checkpoint, documents = load_checkpoint(WORLD, small), train_bert.tiny_world_documents()
    found = checkpoint.info["metrics"]
    assert found.keys() == {"validation", "test-combinations", "test-templates"}
    for split, values in found.items():
        ids = train_bert.in_ids(checkpoint.tokenizer, documents[split])
        rows = train_bert.held_out(checkpoint.tokenizer, ids, 37)  # those of the last phase
        assert values == train_bert.scores(checkpoint.model, rows)
        assert values.keys() == {"mlm_nats", "mlm_perplexity", "mlm_accuracy", "nsp_accuracy"}
        assert values["mlm_perplexity"] == pytest.approx(np.exp(values["mlm_nats"]))
    assert len({values["mlm_nats"] for values in found.values()}) == 3


def test_the_updates_are_those_of_the_phases_and_change_the_weights(small, read, monkeypatch):
    drawn = []

    def build(config):
        model = build_bert(config)
        drawn.append({name: p.detach().half().float() for name, p in model.named_parameters()})
        return model

    monkeypatch.setattr(train_bert, "build_bert", build)
    train_bert.RECIPES[WORLD]()
    n_rows, lengths = zip(*(batch.inputs.tokens.shape for _, batch in read), strict=True)
    assert len(read) == 5
    assert (max(n_rows[:3]), max(n_rows[3:])) == (5, 3)  # the last batch of an epoch is smaller
    assert max(lengths[:3]) <= 17 < max(lengths[3:]) <= 37
    assert all(next_sentence for next_sentence, _ in read)
    after = dict(load_checkpoint(WORLD, small).model.named_parameters())
    parts = ("bert.tokens.", "bert.stack.", "bert.pooler.", "mlm.", "nsp.")
    for part in parts:
        assert any(
            not torch.equal(before, after[name])
            for name, before in drawn[0].items()
            if name.startswith(part)
        ), part


def test_phases_come_one_after_the_other_and_each_goes_round():
    phases = Phases([(3, [1, 2]), (1, [7, 8]), (2, [9])])
    assert list(phases) == [1, 2, 1, 7, 9, 9]
    assert list(phases) == list(phases)


def test_the_sentences_of_tiny_world_are_all_of_its_texts(few_texts):
    documents, texts = train_bert.tiny_world_documents(), train_gpt.tiny_world_texts()
    assert documents.keys() == texts.keys()
    for split, found in documents.items():
        assert [" ".join(sentences) for sentences in found] == texts[split]
        assert all(len(sentences) > 1 for sentences in found)


def test_a_sentence_ends_with_a_stop_or_a_question_mark(monkeypatch):
    texts = {"train": ["who sat ? mara . jon read .", "anna slept ."]}
    monkeypatch.setattr(train_bert, "tiny_world_texts", lambda: texts)
    wanted = [["who sat ?", "mara .", "jon read ."], ["anna slept ."]]
    assert train_bert.tiny_world_documents() == {"train": wanted}


def test_the_sentences_of_library_docs_are_all_prose_file_by_file():
    documents, corpus = train_bert.library_docs_documents(), load_corpus("library-docs")
    assert documents.keys() == {"train", "validation", "test"}
    for split, found in documents.items():
        passages = corpus.passages_of(split)
        assert len(found) == len({p.source for p in passages})
        prose = "".join("".join(p.text.split()) for p in passages)
        assert "".join("".join("".join(f).split()) for f in found) == prose
        assert sum(map(len, found)) > len(passages)
        assert all(sentence.strip() for sentences in found for sentence in sentences)


# Variants, on documents whose ids tell where a sentence is from

N_DOCUMENTS, N_SENTENCES, N_TOKENS = 4, 5, 3


@pytest.fixture(scope="module")
def tokenizer():
    words = [f"w{i}" for i in range(N_DOCUMENTS * N_SENTENCES * N_TOKENS)]
    return WordPiece([*SPECIALS, *words])


@pytest.fixture
def ids():
    numbers = torch.arange(N_DOCUMENTS * N_SENTENCES * N_TOKENS) + len(SPECIALS)
    documents = numbers.view(N_DOCUMENTS, N_SENTENCES, N_TOKENS).tolist()
    return {"train": documents, "validation": documents[:2]}


def document_of(token: int) -> int:
    return (token - len(SPECIALS)) // (N_SENTENCES * N_TOKENS)


def special(tokenizer):
    return [tokenizer.special_id(name) for name in ("[CLS]", "[SEP]", "[MASK]")]


def test_the_label_1_is_that_of_a_second_text_from_elsewhere(tokenizer, ids):
    cls, sep, _ = special(tokenizer)
    rows, labels = train_bert.rows_of(tokenizer, ids["train"], 17, Variant(), seed=3)
    assert len(rows) == len(labels)
    assert set(labels) == {0, 1}
    for (row, segments), label in zip(rows, labels, strict=True):
        assert (row[0], row[-1], row.count(sep)) == (cls, sep, 2)
        cut = row.index(sep)
        assert segments == [0] * (cut + 1) + [1] * (len(row) - cut - 1)
        first, second = row[1:cut], row[cut + 1 : -1]
        assert label == (document_of(first[-1]) != document_of(second[0]))
        assert label or second[0] == first[-1] + 1
        assert len(row) <= 17
    assert rows != train_bert.rows_of(tokenizer, ids["train"], 17, Variant(), seed=4)[0]


def test_without_next_sentences_rows_are_single_texts_that_hold_all_tokens(tokenizer, ids):
    cls, sep, _ = special(tokenizer)
    rows, labels = train_bert.rows_of(tokenizer, ids["train"], 17, WITHOUT, seed=3)
    assert labels is None
    assert all(set(segments) == {0} and len(row) <= 17 for row, segments in rows)
    assert all((row[0], row[-1]) == (cls, sep) for row, _ in rows)
    tokens = [token for row, _ in rows for token in row if token not in (cls, sep)]
    assert tokens == [t for document in ids["train"] for sentence in document for t in sentence]


def passed_to_train(monkeypatch, variant, tokenizer, ids, phases=((90, 24, 3),), seed=0):
    """What `fit` hands to `train`: batches, loss, settings, and the named arguments."""
    seen = []

    def train(model, batches, loss, settings, validate, **named):
        seen.append((list(batches), loss, settings, named))

    monkeypatch.setattr(train_bert, "train", train)
    run = Run(None, {}, 0, phases, muon_rate=0.25, muon_decay=0.5, learning_rate=0.125)
    model = tiny(tokenizer)
    train_bert.fit(run, model, tokenizer, ids, variant, seed)
    return seen[0]


def tiny(tokenizer):
    torch.manual_seed(0)
    return build_bert({"vocab_size": tokenizer.vocab_size, **SIZES, "d_ff": 24, "dropout": 0.0})


def versions_of_rows(batches):
    """The tokens of a row -> how it was masked, each time that it was read."""
    found = {}
    for batch in batches:
        tokens, targets = batch.inputs.tokens, batch.targets
        rows = torch.where(targets == IGNORE, tokens, targets)
        for row, real, masked in zip(rows, batch.inputs.mask, tokens, strict=True):
            found.setdefault(tuple(row[real].tolist()), []).append(tuple(masked[real].tolist()))
    return found


@pytest.mark.parametrize(("variant", "same"), [(Variant(dynamic=False), True), (Variant(), False)])
def test_static_masks_are_those_of_every_epoch_and_dynamic_ones_are_not(
    variant, same, tokenizer, ids, monkeypatch
):
    batches, *_ = passed_to_train(monkeypatch, variant, tokenizer, ids)
    assert len(batches) == 90
    found = versions_of_rows(batches)
    rows, _ = train_bert.rows_of(tokenizer, ids["train"], 24, variant, 0)
    assert found.keys() == {tuple(row) for row, _ in rows}
    assert min(map(len, found.values())) >= 10
    assert all((len(set(versions)) == 1) == same for versions in found.values())


def test_always_mask_has_only_mask_at_the_chosen_places(tokenizer, ids, monkeypatch):
    mask, asked = special(tokenizer)[-1], {}
    for variant in (ALWAYS, Variant()):
        batches, *_ = passed_to_train(monkeypatch, variant, tokenizer, ids)
        seen = torch.cat([b.inputs.tokens[b.targets != IGNORE] for b in batches])
        asked[variant] = (seen == mask).double().mean().item()
    assert asked[ALWAYS] == 1
    assert asked[Variant()] == pytest.approx(0.8, abs=0.05)
    batches = train_bert.held_out(tokenizer, ids["train"], 24, ALWAYS)
    assert all((b.inputs.tokens[b.targets != IGNORE] == mask).all() for b in batches)


def test_fit_trains_with_the_rates_of_its_run_on_the_rows_of_its_variant(
    tokenizer, ids, monkeypatch
):
    for variant in (Variant(), WITHOUT):
        batches, loss, settings, named = passed_to_train(monkeypatch, variant, tokenizer, ids)
        assert loss.next_sentence == variant.next_sentence
        assert all((b.is_random is not None) == variant.next_sentence for b in batches)
        in_second = any(b.inputs.segments.any() for b in batches)
        assert in_second == variant.next_sentence
        assert (settings.n_steps, settings.learning_rate) == (90, 0.125)
        assert named["optimizer"] is MuonAdamW
        muon, *others = named["groups"]
        assert (muon["lr"], muon["weight_decay"]) == (0.25, 0.5)
        assert {group["lr"] for group in others} == {0.125}
    rows = [
        versions_of_rows(passed_to_train(monkeypatch, Variant(), tokenizer, ids, seed=seed)[0])
        for seed in (1, 1, 2)
    ]
    assert rows[0] == rows[1]
    assert rows[0].keys() != rows[2].keys()


@pytest.mark.parametrize("variant", [Variant(), WITHOUT])
def test_validation_is_on_rows_of_the_variant_and_of_the_first_phase(
    variant, tokenizer, ids, monkeypatch, capsys
):
    def train(model, batches, loss, settings, validate, **named):
        return validate(model)

    monkeypatch.setattr(train_bert, "train", train)
    model = tiny(tokenizer).eval()
    run = Run(None, {}, 0, ((3, 17, 3), (2, 24, 3)))
    nats = train_bert.fit(run, model, tokenizer, ids, variant, seed=5)
    rows = train_bert.held_out(tokenizer, ids["validation"], 17, variant)
    found = train_bert.scores(model, rows)
    assert nats == found["mlm_nats"]
    assert str({name: round(value, 4) for name, value in found.items()}) in capsys.readouterr().out


@pytest.mark.parametrize("variant", [Variant(), WITHOUT])
def test_the_head_of_next_sentences_is_trained_only_where_they_are_predicted(
    variant, tokenizer, ids
):
    model = tiny(tokenizer)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    history = train_bert.fit(Run(None, {}, 0, ((3, 24, 3),)), model, tokenizer, ids, variant, 0)
    assert len(history.losses) == 3
    kept = {name for name, p in model.named_parameters() if torch.equal(p, before[name])}
    heads = {"nsp.weight", "nsp.bias", "bert.pooler.weight", "bert.pooler.bias"}
    assert kept & heads == (set() if variant.next_sentence else heads)
    assert not any(name.startswith("mlm") for name in kept)
    found = train_bert.scores(model, train_bert.held_out(tokenizer, ids["train"], 24, variant))
    assert ("nsp_accuracy" in found) == variant.next_sentence
    assert {"mlm_nats", "mlm_perplexity", "mlm_accuracy"} <= found.keys()


def test_held_out_rows_come_once_and_are_masked_once(tokenizer, ids):
    rows, _ = train_bert.rows_of(tokenizer, ids["train"], 24, Variant(), seed=1)
    once = train_bert.held_out(tokenizer, ids["train"], 24)
    torch.manual_seed(5)
    again = train_bert.held_out(tokenizer, ids["train"], 24)
    found = versions_of_rows(once)
    assert found == versions_of_rows(again)
    assert found.keys() == {tuple(row) for row, _ in rows}
    assert all(len(versions) == 1 for versions in found.values())


@pytest.mark.parametrize("name", ["bert-library-docs", "bert-tiny-world"])
def test_the_stored_scores_are_true(name, monkeypatch):
    few = {"train": 1, "validation": 400, "test-combinations": 1, "test-templates": 1}
    monkeypatch.setattr(train_gpt, "N_STORIES", few)
    monkeypatch.setattr(train_gpt, "N_ASIDES", 20)
    checkpoint, run = load_checkpoint(name), train_bert.RUNS[name]
    told = checkpoint.info["training"]
    assert told["phases"] == [list(phase) for phase in run.phases]
    assert told["n_steps"] == run.n_steps == sum(steps for steps, *_ in run.phases)
    ids = train_bert.in_ids(checkpoint.tokenizer, run.documents()["validation"])
    rows = train_bert.held_out(checkpoint.tokenizer, ids, run.config["max_len"])
    found = train_bert.scores(checkpoint.model, rows)
    assert found == pytest.approx(checkpoint.info["metrics"]["validation"], rel=1e-4)


# What pre-training loses without one of its parts

SEEDS, N_LABELS = (0, 1), 12


@pytest.fixture
def ablations(few_texts, monkeypatch, tmp_path):
    """The experiment with few weights, labels, updates and texts, in this process."""

    def save(name, result):
        experiments.save_experiment(name, result, folder=tmp_path)

    module = train_bert_ablations
    run = replace(module.RUN, config={**SIZES, "max_len": 200}, pieces=250, phases=((2, 48, 4),))
    tasks = {
        name: replace(task, learning_rate=1e-3 * (i + 1), scratch_rate=1e-4 * (i + 1))
        for i, (name, task) in enumerate(module.ABLATION_TASKS.items())
    }
    changes = {"RUN": run, "N_TEXTS": 6, "SEEDS": SEEDS, "N_LABELS": N_LABELS}
    changes |= {"ABLATION_TASKS": tasks, "save_experiment": save}
    changes["prepared"] = functools.cache(module.prepared.__wrapped__)
    changes["PARTS"] = tmp_path / "parts"
    changes["in_two_processes"] = lambda function, jobs: [function(job) for job in jobs]
    for name, value in changes.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(train_bert_tasks, "UPDATES", {N_LABELS: 2})
    monkeypatch.setattr(train_bert_tasks, "DEFAULT_N_TEST", 6)
    return lambda: experiments.load_experiment("bert-ablations", tmp_path)


def test_the_ablations_in_small(ablations):
    train_bert_ablations.RECIPES["bert-ablations"]()
    stored = ablations()
    rows = {row["variant"]: row for row in stored["results"]}
    assert list(rows) == [*train_bert_ablations.VARIANTS, "no pre-training"]
    assert stored["seed"] == [0, 1]
    assert stored["settings"]["variants"].keys() == train_bert_ablations.VARIANTS.keys()
    tasks = train_bert_ablations.ABLATION_TASKS
    measures = {"follows": "accuracy", "entailment": "accuracy", "sentiment": "accuracy"}
    measures["entities"] = "f1"
    words = {"mlm_nats", "mlm_perplexity", "mlm_accuracy"}
    for name, row in rows.items():
        pre_training = row.pop("pre-training", {})
        pairs = name not in ("without next sentences", "no pre-training")
        wanted = words if name != "no pre-training" else set()
        assert pre_training.keys() == wanted | ({"nsp_accuracy"} if pairs else set())
        assert row.keys() == {"variant", *tasks}
        for task in tasks:
            assert row[task].keys() == set(tasks[task].tests)
            for scores in row[task].values():
                assert scores.keys() == {measures[task]}
                spread = scores[measures[task]]
                assert 0 <= spread["least"] <= spread["mean"] <= spread["greatest"] <= 1
        for spread in pre_training.values():
            assert spread["least"] <= spread["mean"] <= spread["greatest"]
        if pre_training:
            assert pre_training["mlm_nats"]["least"] < pre_training["mlm_nats"]["greatest"]


def fine_tuned_with(job, monkeypatch):
    """The arguments of each `bert_scores` that a job calls, by task, and what it found."""
    calls = []

    def scores(task, start, tokenizer, known, tests, seed, rate):
        calls.append((task, start, known, tests, seed, rate))
        return {}

    monkeypatch.setattr(train_bert_ablations, "bert_scores", scores)
    found = train_bert_ablations.measured(job)
    return dict(zip(train_bert_ablations.ABLATION_TASKS, calls, strict=True)), found


def weights_of(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def equal(some, others):
    return all(torch.equal(p, others[name]) for name, p in some.items())


def test_what_was_not_pre_trained_gets_the_rate_of_scratch(ablations, monkeypatch):
    tasks, drawn = train_bert_ablations.ABLATION_TASKS, []

    def build(config):
        model = build_bert(config)
        drawn.append(weights_of(model.bert))
        return model

    monkeypatch.setattr(train_bert_ablations, "build_bert", build)
    scratch, found = fine_tuned_with((None, 1), monkeypatch)
    assert found.keys() == {"variant", "seed", *tasks}
    assert (found["variant"], found["seed"]) == ("no pre-training", 1)
    trained, found = fine_tuned_with(("as BERT", 1), monkeypatch)
    assert found.keys() == {"variant", "seed", "pre-training", *tasks}
    assert (found["variant"], found["seed"]) == ("as BERT", 1)
    other_seed, _ = fine_tuned_with((None, 0), monkeypatch)
    assert equal(drawn[0], drawn[1])
    assert not equal(drawn[0], drawn[2])
    for name, task in tasks.items():
        of_scratch, of_trained = scratch[name], trained[name]
        assert of_scratch[-1] == task.scratch_rate
        assert of_trained[-1] == task.learning_rate
        assert equal(drawn[0], weights_of(of_scratch[1]))
        assert not equal(drawn[1], weights_of(of_trained[1]))
        assert of_trained[1].config.dropout == train_bert_tasks.DROPOUT
        assert of_scratch[2:5] == of_trained[2:5]
        assert len(of_scratch[2]) == N_LABELS
        assert of_scratch[2] != other_seed[name][2]
        assert of_scratch[3] == other_seed[name][3]
        assert of_scratch[3].keys() == set(task.tests)
        assert (of_scratch[4], other_seed[name][4]) == (1, 0)


@pytest.mark.parametrize("name", train_bert_ablations.VARIANTS)
def test_each_variant_is_trained_as_it_says_and_judged_at_masks_on_its_own_rows(
    name, ablations, monkeypatch
):
    trained, judged = [], []
    fit, scores = train_bert.fit, train_bert.scores

    def fit_and_tell(run, model, tokenizer, ids, variant, seed):
        trained.append((variant, seed, len(ids["train"])))
        return fit(run, model, tokenizer, ids, variant, seed)

    def scores_and_tell(model, batches):
        judged.append(batches)
        return scores(model, batches)

    monkeypatch.setattr(train_bert_ablations, "fit", fit_and_tell)
    monkeypatch.setattr(train_bert_ablations, "scores", scores_and_tell)
    fine_tuned_with((name, 1), monkeypatch)
    variant = train_bert_ablations.VARIANTS[name]
    assert trained == [(variant, 1, 6)]
    tokenizer, _ = train_bert_ablations.prepared()
    mask = tokenizer.special_id("[MASK]")
    for batch in itertools.chain(*judged):
        assert (batch.inputs.tokens[batch.targets != IGNORE] == mask).all()
        assert (batch.is_random is not None) == variant.next_sentence


def test_the_variants_are_bert_and_bert_without_one_part():
    variants = train_bert_ablations.VARIANTS
    assert variants["as BERT"] == Variant() == Variant(True, True, (0.8, 0.1, 0.1))
    assert variants["without next sentences"] == WITHOUT
    assert variants["static masks"] == Variant(dynamic=False)
    assert variants["always [MASK]"] == ALWAYS

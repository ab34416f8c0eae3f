"""The fine-tuning experiments of chapter 07, in small: rows, scores, rates, and what is written."""

import itertools
import string
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from nlp_helpers import experiments
from nlp_helpers.data import tiny_world_tasks as world
from nlp_helpers.data.bert_inputs import BERTInputs
from nlp_helpers.data.bpe import ByteLevelBPE
from nlp_helpers.data.gpt_inputs import Marks
from nlp_helpers.data.masking import IGNORE
from nlp_helpers.data.tiny_world_tags import TaggedExample, tagging_examples
from nlp_helpers.data.tiny_world_tasks import QuestionExample, question_examples
from nlp_helpers.data.wordpiece import WordPiece
from nlp_helpers.data.wordpiece_files import SPECIALS
from nlp_helpers.models.bert import (
    BERT,
    BERTForPreTraining,
    BERTForQuestionAnswering,
    BERTForSequenceClassification,
    BERTForTokenClassification,
)
from nlp_helpers.models.bert_config import BERTConfig
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.training import History
from tools import train_bert_tasks, train_gpt_tasks
from tools.train_bert_tasks import TASKS, GPTForTokens, Rows
from tools.train_gpt_tasks import Example

SIZES = {"d_model": 12, "n_heads": 3, "d_ff": 24, "n_layers": 1, "max_len": 500}
N_LABELS, N_TEST, N_QUESTIONS, SEEDS = 12, 8, 3, (0, 1)
WAYS = ["bag of words", "BERT, from scratch", "BERT, pre-trained", "GPT, pre-trained"]
FROM_06 = ("entailment", "agreement", "sentiment", "library")
AUXILIARY = "pre-trained, auxiliary"


@pytest.fixture(scope="module")
def wordpiece():
    """Whole words of tiny-world, and letters for all others."""
    known = [w for e in tagging_examples(40) for w in e.words]
    known += [w for e in question_examples(6) for w in (*e.text, *e.question)]
    characters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = dict.fromkeys([*SPECIALS, *characters, *(f"##{c}" for c in characters), *known])
    return WordPiece(list(pieces))


@pytest.fixture(scope="module")
def bpe():
    words = [w for e in question_examples(20) for w in (*e.text, *e.question)]
    return ByteLevelBPE.train(" ".join(words), 500)


@pytest.fixture
def bert(wordpiece):
    torch.manual_seed(7)
    return BERT(BERTConfig(vocab_size=wordpiece.vocab_size, dropout=0.0, **SIZES)).eval()


@pytest.fixture
def gpt(bpe):
    torch.manual_seed(7)
    return GPT(GPTConfig(vocab_size=bpe.vocab_size, dropout=0.0, **SIZES)).eval()


def chapter_06():
    """Results as chapter 06 writes them, each with other numbers."""
    rows, n = [], 0
    for task in train_gpt_tasks.TASKS:
        for labels in (N_LABELS, 50):
            for way in ("bag of words", *train_gpt_tasks.WAYS):
                row = {"task": task, "labels": labels, "way": way}
                for split in train_gpt_tasks.TASKS[task].tests:
                    n += 1
                    row[split] = {"mean": n / 1000, "least": 0.0, "greatest": 1.0}
                rows.append(row)
    return {"gpt-fine-tuning": {"results": rows}}


@pytest.fixture
def small(bert, gpt, wordpiece, bpe, monkeypatch, tmp_path):
    """Untrained models in place of the stored ones, few labels and updates, in this process."""

    def save(name, result):
        experiments.save_experiment(name, result, folder=tmp_path)

    model = BERTForPreTraining(bert.config).eval()
    model.bert.load_state_dict(bert.state_dict())
    stored = {
        "bert-tiny-world": SimpleNamespace(model=model, tokenizer=wordpiece),
        "bert-library-docs": SimpleNamespace(model=model, tokenizer=wordpiece),
        "gpt-tiny-world": SimpleNamespace(model=gpt, tokenizer=bpe),
    }
    changes = {"load_checkpoint": stored.__getitem__, "save_experiment": save}
    changes |= {"load_experiment": chapter_06().__getitem__}
    changes |= {"LABELLED": (N_LABELS,), "SEEDS": SEEDS, "DEFAULT_N_TEST": N_TEST}
    changes |= {"N_TEST": {"questions": N_QUESTIONS}, "UPDATES": {N_LABELS: 2}}
    changes["PARTS"] = tmp_path / "parts"
    changes["in_two_processes"] = lambda function, jobs: [function(job) for job in jobs]
    for name, value in changes.items():
        monkeypatch.setattr(train_bert_tasks, name, value)
    monkeypatch.setattr(train_gpt_tasks, "UPDATES", {N_LABELS: 2})
    return lambda name: experiments.load_experiment(name, tmp_path)


def weights_of(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def of_all_seeds(name):
    return [train_bert_tasks.measured((name, N_LABELS, seed)) for seed in SEEDS]


def equal(some, others):
    return all(torch.equal(p, others[name]) for name, p in some.items())


def measures(name):
    by_shape = {"span": {"f1", "exact_match"}, "tags": {"f1"}}
    classes = {"spearman"} if name == "similarity" else {"accuracy"}
    return by_shape.get(TASKS[name].shape, classes)


def test_fine_tuning_in_small(small, bert, gpt):
    before = weights_of(bert), weights_of(gpt)
    train_bert_tasks.RECIPES["bert-fine-tuning"]()
    result = small("bert-fine-tuning")
    rows = result["results"]
    assert [(r["task"], r["labels"], r["way"]) for r in rows] == [
        (task, N_LABELS, way) for task in TASKS for way in WAYS
    ]
    for row in rows:
        tests = TASKS[row["task"]].tests
        assert row.keys() == {"task", "labels", "way", *tests}
        for split in tests:
            assert row[split].keys() == measures(row["task"])
            for score in row[split].values():
                assert -1 <= score["least"] <= score["mean"] <= score["greatest"] <= 1
    assert result["seed"] == list(SEEDS)
    told = result["settings"]
    assert told["updates"] == {str(N_LABELS): 2}
    rates = told["learning_rates"]
    assert rates["BERT, pre-trained"] == {name: t.learning_rate for name, t in TASKS.items()}
    assert rates["BERT, from scratch"] == {name: t.scratch_rate for name, t in TASKS.items()}
    assert told["test_examples"] == {
        name: N_QUESTIONS if name == "questions" else N_TEST for name in TASKS
    }
    assert told["batch_sizes"]["library"] == 16
    assert equal(before[0], weights_of(bert))
    assert equal(before[1], weights_of(gpt))


def test_chapter_06_has_gpts_results_with_the_same_labels_and_the_auxiliary_loss(
    small, monkeypatch
):
    for way in ("bag_scores", "bert_scores", "gpt_scores"):
        monkeypatch.setattr(train_bert_tasks, way, lambda *_: {"test": {"f1": 2.0}})
    train_bert_tasks.RECIPES["bert-fine-tuning"]()
    of_gpt = {r["task"]: r for r in small("bert-fine-tuning")["results"] if r["way"] == WAYS[-1]}
    assert of_gpt.keys() == TASKS.keys()
    known = {
        (r["task"], r["labels"], r["way"]): r for r in chapter_06()["gpt-fine-tuning"]["results"]
    }
    for name in FROM_06:
        source = known[name, N_LABELS, AUXILIARY]
        for split in TASKS[name].tests:
            assert of_gpt[name][split] == {"accuracy": source[split]}
    for name in TASKS.keys() - set(FROM_06):
        assert of_gpt[name]["test"]["f1"]["mean"] == 2
        assert train_bert_tasks.from_chapter_06(name, N_LABELS) == []


@pytest.mark.parametrize("name", FROM_06)
def test_the_stored_results_of_chapter_06_are_of_the_same_examples(name):
    task, of_gpt = TASKS[name], train_gpt_tasks.TASKS[name]
    assert task.tests == of_gpt.tests
    assert train_bert_tasks.n_test(name) == train_gpt_tasks.n_test(name) == 1000
    for split in ("train", *task.tests):
        assert task.examples(9, split, 2) == of_gpt.examples(9, split, 2)
    rows = experiments.load_experiment("gpt-fine-tuning")["results"]
    for n_labels in train_bert_tasks.LABELLED:
        (found,) = train_bert_tasks.from_chapter_06(name, n_labels)
        (source,) = (
            r for r in rows if (r["task"], r["labels"], r["way"]) == (name, n_labels, AUXILIARY)
        )
        assert (found["task"], found["labels"], found["way"]) == (name, n_labels, WAYS[-1])
        assert {split: found[split]["accuracy"] for split in task.tests} == {
            split: source[split] for split in task.tests
        }


def test_a_row_has_the_mean_of_its_seeds(small, monkeypatch):
    def measured(job):
        name, _, seed = job
        number = list(TASKS).index(name) + seed
        return {"a way": {split: {"f1": number / 16} for split in TASKS[name].tests}}

    monkeypatch.setattr(train_bert_tasks, "measured", measured)
    train_bert_tasks.RECIPES["bert-fine-tuning"]()
    rows = [r for r in small("bert-fine-tuning")["results"] if r["way"] == "a way"]
    assert [r["task"] for r in rows] == list(TASKS)
    for number, row in enumerate(rows):
        for split in TASKS[row["task"]].tests:
            spread = {"mean": number + 0.5, "least": number, "greatest": number + 1}
            assert row[split] == {"f1": {key: value / 16 for key, value in spread.items()}}


# Which examples, weights and rates each way gets


@pytest.mark.parametrize("name", ["entities", "sentiment"])
def test_all_ways_and_seeds_are_tested_on_the_same_and_learn_from_the_same_as_each_other(
    name, small, monkeypatch
):
    seen = {}

    def keep(way):
        def scores(*arguments):
            known, tests = next(
                (a, b)
                for a, b in itertools.pairwise(arguments)
                if isinstance(a, list) and isinstance(b, dict)
            )
            seen.setdefault(way, []).append((known, tests))
            return {split: {"accuracy": 0.5} for split in tests}

        return scores

    for way in ("bag_scores", "bert_scores", "gpt_scores"):
        monkeypatch.setattr(train_bert_tasks, way, keep(way))
    of_all_seeds(name)
    task = TASKS[name]
    times = {"bag_scores": 1, "bert_scores": 2} | ({"gpt_scores": 1} if name == "entities" else {})
    assert {way: len(calls) for way, calls in seen.items()} == {
        way: n * len(SEEDS) for way, n in times.items()
    }
    wanted = {split: task.examples(N_TEST, split, 0) for split in task.tests}
    for way, calls in seen.items():
        for i, (known, tests) in enumerate(calls):
            assert tests == wanted
            assert known == task.examples(N_LABELS, "train", SEEDS[i // times[way]])
    first, second = (known for known, _ in seen["bag_scores"])
    assert first != second


@pytest.fixture
def trained(monkeypatch):
    """What is handed to `train`, in both modules: model, its weights, batches, loss, settings."""
    calls = []

    def train(model, batches, loss, settings):
        call = SimpleNamespace(model=model, batches=batches, loss=loss, settings=settings)
        call.weights = weights_of(model)
        calls.append(call)
        return History()

    monkeypatch.setattr(train_bert_tasks, "train", train)
    monkeypatch.setattr(train_gpt_tasks, "train", train)
    return calls


@pytest.mark.parametrize("name", ["sentiment", "similarity", "questions", "entities"])
def test_scratch_and_pre_trained_have_their_own_rates_and_weights(
    name, small, bert, gpt, trained, monkeypatch
):
    task = replace(TASKS[name], learning_rate=0.25, scratch_rate=0.125, batch_size=5)
    monkeypatch.setattr(train_bert_tasks, "TASKS", {name: task})
    monkeypatch.setattr(train_bert_tasks, "GPT_RATES", {"questions": 0.5, "entities": 0.75})
    of_all_seeds(name)
    of_bert = [call for call in trained if hasattr(call.model, "bert")]
    of_gpt = [call for call in trained if hasattr(call.model, "gpt")]
    assert [c.settings.learning_rate for c in of_bert] == [0.125, 0.25] * len(SEEDS)
    assert all(c.settings.n_steps == 2 for c in trained)
    assert all(c.batches.batch_size == 5 for c in of_bert)
    assert all(c.model.bert.config.dropout == 0.1 == c.model.dropout.p for c in of_bert)
    starts = [equal(weights_of(c.model.bert), weights_of(bert)) for c in of_bert]
    assert starts == [False, True] * len(SEEDS)
    scratch = [weights_of(c.model.bert) for c in of_bert[::2]]
    assert not equal(*scratch)
    heads = [c.weights["output.weight"] for c in of_bert]
    assert torch.equal(heads[0], heads[1])  # of one seed
    assert not torch.equal(heads[1], heads[3])
    assert len(of_gpt) == (0 if name in FROM_06 else len(SEEDS))
    rate = {"questions": 0.5, "entities": 0.75, "similarity": 3e-4}.get(name)
    assert all(c.settings.learning_rate == rate for c in of_gpt)
    for call in of_gpt:
        tokens = call.weights["gpt.tokens.weight"]
        assert torch.equal(tokens[:-3], gpt.tokens.weight)
        assert call.model.gpt.config.dropout == 0.1 == call.model.dropout.p
    assert len({c.weights["output.weight"].sum().item() for c in of_gpt}) == len(of_gpt)


def test_gpt_learns_pairs_as_chapter_06_does_with_a_rate_of_its_own(small, trained, monkeypatch):
    monkeypatch.setattr(train_bert_tasks, "GPT_RATES", {"paraphrase": 0.5})
    of_all_seeds("paraphrase")
    of_all_seeds("similarity")
    of_gpt = [call for call in trained if hasattr(call.model, "gpt")]
    of_chapter_06 = train_gpt_tasks.TASKS["similarity"].learning_rate
    rates = [call.settings.learning_rate for call in of_gpt]
    assert rates == [0.5] * len(SEEDS) + [of_chapter_06] * len(SEEDS)
    assert all(call.loss.lm_weight == train_gpt_tasks.LM_WEIGHT for call in of_gpt)


@pytest.mark.parametrize("name", ["paraphrase", "similarity", "questions", "entities"])
def test_another_rate_for_gpt_is_the_one_that_is_given(name, small, trained):
    known = TASKS[name].examples(N_LABELS, "train", 0)
    train_bert_tasks.gpt_scores(name, known, {"a": known[:3]}, 0, 0.625)
    assert [call.settings.learning_rate for call in trained] == [0.625]
    assert (name in train_bert_tasks.GPT_RATES) == (name not in train_gpt_tasks.TASKS)


@pytest.mark.parametrize("model", ["BERT", "GPT"])
def test_another_seed_is_another_order_and_another_head(
    model, small, bert, wordpiece, trained, monkeypatch
):
    task = replace(TASKS["entities"], batch_size=5)
    monkeypatch.setattr(train_bert_tasks, "TASKS", {"entities": task})
    known = task.examples(N_LABELS, "train", 0)
    for seed in (3, 3, 4):
        if model == "BERT":
            train_bert_tasks.bert_scores(task, bert, wordpiece, known, {}, seed, 0.1)
        else:
            train_bert_tasks.gpt_scores("entities", known, {}, seed)
    first, again, other = (next(iter(call.batches)).inputs.tokens.tolist() for call in trained)
    assert first == again != other
    first, again, other = (call.weights["output.weight"] for call in trained)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_fit_changes_all_weights_of_its_model_and_none_of_the_start(small, bert, wordpiece):
    task, before = TASKS["agreement"], weights_of(bert)
    known = train_bert_tasks.rows_of(task, task.examples(N_LABELS, "train", 0), wordpiece, 500)
    model = train_bert_tasks.head_of(task, bert)
    start = weights_of(model)
    assert train_bert_tasks.fit(task, model, known, 0, 0, 0.01) is model
    kept = {name for name, p in model.named_parameters() if torch.equal(p, start[name])}
    assert not {name for name in kept if "key" not in name}  # a key's bias changes no softmax
    assert equal(before, weights_of(bert))


def test_fresh_weights_depend_on_the_seed_alone(bert):
    first, again, other = (train_bert_tasks.fresh(bert, seed) for seed in (3, 3, 4))
    assert first.config == bert.config
    assert equal(weights_of(first), weights_of(again))
    for name in ("tokens.weight", "positions.weight", "pooler.weight"):
        drawn = [weights_of(model)[name] for model in (first, other, bert)]
        assert not torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])


def test_dropping_keeps_weights_and_outputs_and_drops_in_training(bert):
    other = train_bert_tasks.dropping(bert)
    assert other.config == replace(bert.config, dropout=0.1)
    assert bert.config.dropout == 0
    assert not other.training
    assert equal(weights_of(bert), weights_of(other))
    tokens = torch.randint(5, 60, (3, 7))
    for wanted, found in zip(bert(tokens), other(tokens), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    other.train()
    assert not torch.equal(other(tokens)[0], other(tokens)[0])
    assert not torch.equal(other(tokens)[0], bert(tokens)[0])
    with torch.no_grad():
        other.tokens.weight += 1
    assert not torch.equal(other.tokens.weight, bert.tokens.weight)


def test_the_class_1_is_that_of_a_paraphrase():
    examples = world.paraphrase_examples(20, "train", 3)
    read = TASKS["paraphrase"].examples(20, "train", 3)
    assert {e.label for e in examples} == {"different", "paraphrase"}
    for example, found in zip(examples, read, strict=True):
        assert found.label == (example.label == "paraphrase")
        assert found.texts == (" ".join(example.first), " ".join(example.second))


# Rows, by hand: "the dogs sat ." is [the dog ##s sat .]

PIECES = [*SPECIALS, "the", "dog", "##s", "sat", ".", "where", "cat", "?"]
PAD, _, CLS, SEP, _, THE, DOG, S, SAT, STOP, WHERE, CAT, ASKED = range(len(PIECES))
QUESTION = QuestionExample(("the", "dogs", "sat", "."), ("where", "cats", "?"), (1, 3))
TAGGED = TaggedExample(("dogs", "cats", "sat", "cats"), ("B-PER", "I-PER", "O", "B-ORG"))


@pytest.fixture(scope="module")
def by_hand():
    return WordPiece(PIECES)


def rows_of(name, example, tokenizer, max_len):
    """The one row of an example and its label."""
    rows = train_bert_tasks.rows_of(TASKS[name], [example], tokenizer, max_len)
    (row,), (label,) = rows
    return *row, label


def test_a_text_that_is_too_long_loses_its_end(by_hand):
    example = Example(("the dogs sat .",), 1)
    whole = [CLS, THE, DOG, S, SAT, STOP, SEP]
    for max_len in (7, 8, 500):
        assert rows_of("sentiment", example, by_hand, max_len) == (whole, [0] * 7, 1)
    assert rows_of("library", example, by_hand, 6) == ([*whole[:5], SEP], [0] * 6, 1)
    assert rows_of("agreement", example, by_hand, 3) == ([CLS, THE, SEP], [0] * 3, 1)


def test_a_pair_is_never_cut(by_hand):
    example = Example(("the dogs sat", "cats ?"), 2.5)
    row = [CLS, THE, DOG, S, SAT, SEP, CAT, S, ASKED, SEP]
    for max_len in (3, 10):
        assert rows_of("similarity", example, by_hand, max_len) == (row, [0] * 6 + [1] * 4, 2.5)
    swapped = Example(("cats ?", "the dogs sat"), 1)
    assert rows_of("entailment", swapped, by_hand, 10)[1] == [0] * 5 + [1] * 5


@pytest.mark.parametrize(
    ("max_len", "n", "label"), [(500, 12, (7, 9)), (11, 11, (7, 9)), (10, 10, (7, 9))]
)
def test_an_answer_is_from_the_first_piece_of_its_first_word_to_the_last_of_its_last(
    max_len, n, label, by_hand
):
    row = [CLS, WHERE, CAT, S, ASKED, SEP, THE, DOG, S, SAT, STOP, SEP]
    ids, segments, found = rows_of("questions", QUESTION, by_hand, max_len)
    if n < 12:  # the passage loses its end
        row = [*row[: n - 1], SEP]
    assert ids == row
    assert segments == [0] * 6 + [1] * (n - 6)
    if n == 10:  # "sat" is cut off: the answer is not wholly there
        label = (0, 0)
    assert found == label


def test_a_word_has_its_tag_at_its_first_piece(by_hand):
    ids, segments, label = rows_of("entities", TAGGED, by_hand, 500)
    assert ids == [CLS, DOG, S, CAT, S, SAT, CAT, S, SEP]
    assert segments == [0] * 9
    assert label == [IGNORE, 1, IGNORE, 2, IGNORE, 0, 5, IGNORE, IGNORE]


@pytest.mark.parametrize("name", TASKS)
def test_the_rows_of_a_task_fit_its_head_its_loss_and_its_scores(name, bert, wordpiece):
    task = TASKS[name]
    examples = task.examples(7, "train", 3)
    assert examples == task.examples(7, "train", 3) != task.examples(7, "train", 4)
    found = train_bert_tasks.rows_of(task, examples, wordpiece, 500)
    assert len(found.rows) == len(found.labels) == 7
    heads = {"span": BERTForQuestionAnswering, "tags": BERTForTokenClassification}
    head = train_bert_tasks.head_of(task, train_bert_tasks.dropping(bert))
    assert type(head) is heads.get(task.shape, BERTForSequenceClassification)
    assert head.dropout.p == train_bert_tasks.DROPOUT
    assert head.output.out_features == task.n_outputs
    (batch,) = train_bert_tasks.labelled_batches(*found, 7, 0, None)
    loss = train_bert_tasks.LOSSES[task.shape]()(head, batch)
    assert loss.item() > 0
    scores = train_bert_tasks.scores_of(task, head, found, 0)
    assert scores.keys() == measures(name)
    if task.shape in ("text", "pair") and name != "similarity":
        counts = [found.labels.count(label) for label in range(task.n_outputs)]
        assert max(counts) - min(counts) <= 1


# Scores, by hand


def test_the_accuracy_of_classes_and_the_rank_correlation_of_numbers():
    logits = np.array([[0.1, 0.2, 0.0], [3.0, -1.0, 2.0], [0.0, 0.0, 5.0]])
    labels = np.array([1, 2, 2])
    assert train_bert_tasks.label_scores(logits, labels) == {"accuracy": pytest.approx(2 / 3)}
    numbers, right = np.array([1.0, 20.0, 3.0]), np.array([0.0, 1.0, 2.0])
    for outputs in (numbers, numbers[:, None]):
        found = train_bert_tasks.label_scores(outputs, right)
        assert found == {"spearman": pytest.approx(0.5)}  # 1 - 6 (0 + 1 + 1) / (3 (9 - 1))
    assert train_bert_tasks.label_scores(-np.exp(right), right)["spearman"] == pytest.approx(-1)


def logits_of(time, **peaks):
    """Logits [time] that are 0 but at some places, given as p4=1.0."""
    logits = torch.zeros(time)
    for place, value in peaks.items():
        logits[int(place[1:])] = value
    return logits


def test_answers_are_spans_of_the_passage_of_at_most_eight_words():
    assert train_bert_tasks.MAX_ANSWER == 8
    places = torch.arange(14)
    whole, short = places < 14, places < 8  # the second row ends with [SEP] at 7
    segments = (places >= 3).long()
    inputs = [
        BERTInputs(
            torch.zeros(2, 14, dtype=torch.long),
            torch.stack([segments, segments * short]),
            torch.stack([whole, short]),
        ),
        BERTInputs(torch.zeros(1, 14, dtype=torch.long), segments[None], whole[None]),
    ]
    outputs = [
        (
            # the question's word 1 has the highest start, [SEP] the highest end: not 4 .. 6
            torch.stack([logits_of(14, p1=9.0, p4=5.0), logits_of(14, p4=5.0)]),
            torch.stack([logits_of(14, p13=9.0, p6=5.0), logits_of(14, p5=5.0, p9=9.0, p7=9.0)]),
        ),
        # ends 12 and 11 would make ten and nine words
        (logits_of(14, p3=9.0)[None], logits_of(14, p12=5.0, p11=4.5, p10=4.0)[None]),
    ]
    labels = [torch.tensor([[4, 6], [5, 6]]), torch.tensor([[3, 12]])]
    found = train_bert_tasks.answer_scores(outputs, labels, inputs)
    # 4 .. 6 is right; 4 .. 5 has one of two words, and one too many; 3 .. 10 eight of ten
    assert found["f1"] == pytest.approx((1 + 1 / 2 + 2 * 8 / (8 + 10)) / 3)
    assert found["exact_match"] == pytest.approx(1 / 3)


def test_tags_count_at_the_first_pieces_of_words_and_as_whole_entities():
    labels = [
        torch.tensor([[IGNORE, 1, IGNORE, 2, 0, 3, IGNORE]]),  # B-PER I-PER O B-LOC
        torch.tensor([[IGNORE, 0, 3, 4, IGNORE]]),  # O B-LOC I-LOC
    ]
    guesses = [
        torch.tensor([[3, 1, 5, 2, 0, 5, 1]]),  # B-PER I-PER O B-ORG
        torch.tensor([[1, 3, 3, 4, 1]]),  # B-LOC B-LOC I-LOC
    ]
    outputs = [nn.functional.one_hot(guess, 7).float() for guess in guesses]
    found = train_bert_tasks.tag_scores(outputs, labels)
    # of three entities two are found, of four guesses two are right: 2 P R / (P + R)
    assert found == {"f1": pytest.approx(4 / 7)}
    right = [nn.functional.one_hot(tags.clamp(min=0), 7).float() for tags in labels]
    assert train_bert_tasks.tag_scores(right, labels) == {"f1": 1.0}


def test_scores_are_of_all_rows_in_eval_mode():
    class Parity(nn.Module):
        """Says whether the first word's number is odd, and says it wrong in training."""

        def forward(self, tokens, segments, mask):
            odd = nn.functional.one_hot(tokens[:, 1] % 2, 2).float()
            return -odd if self.training else odd

    rows = [([CLS, *[i] * (1 + i % 3), SEP], [0] * (3 + i % 3)) for i in range(131)]
    labels = [i % 2 if i != 70 else 1 for i in range(131)]
    model = Parity().train()
    found = train_bert_tasks.scores_of(TASKS["sentiment"], model, Rows(rows, labels), 0)
    assert found == {"accuracy": pytest.approx(130 / 131)}


# Bags of words


def test_each_shape_has_its_bag(small):
    words = [f"w{i}" for i in range(9)]
    known = [Example(("good day",), 1), Example(("bad day",), 0)] * 5
    tests = {"a": known[:3], "b": [Example(("good",), 0)]}
    found = train_bert_tasks.bag_scores("sentiment", known, tests)
    assert found == {"a": {"accuracy": 1.0}, "b": {"accuracy": 0.0}}
    numbers = [Example((w, w), 5.0) for w in words] + [Example((w, "other"), 0.0) for w in words]
    found = train_bert_tasks.bag_scores("similarity", numbers, {"a": numbers})
    assert found["a"].keys() == {"spearman"}
    assert found["a"]["spearman"] > 0.8
    found = train_bert_tasks.bag_scores("entities", [TAGGED] * 2, {"a": [TAGGED]})
    assert found == {"a": {"f1": pytest.approx(2 / 3)}}  # B-PER I-PER is found, B-ORG is not
    longer = QuestionExample(("so", *QUESTION.text), QUESTION.question, (2, 5))
    found = train_bert_tasks.bag_scores("questions", [QUESTION] * 3, {"a": [QUESTION, longer]})
    assert found["a"]["exact_match"] == 0.5
    assert found["a"]["f1"] == pytest.approx((1 + 2 * 2 / (2 + 3)) / 2)


# GPT at every token


@pytest.mark.parametrize(("n_outputs", "span"), [(5, False), (2, True)])
def test_gpt_for_tokens_has_logits_at_every_token_that_see_no_later_one(n_outputs, span, gpt):
    model = GPTForTokens(gpt, n_outputs, span).eval()
    tokens = torch.randint(0, 200, (3, 7))
    mask = torch.ones(3, 7, dtype=torch.bool)

    def logits(tokens):
        found = model(tokens, torch.zeros_like(tokens), mask)
        if not span:
            return found
        start, end = found
        assert start.shape == end.shape == (3, 7)
        return torch.stack([start, end], dim=-1)

    found = logits(tokens)
    assert found.shape == (3, 7, n_outputs)
    hidden = gpt.run(tokens)[0]
    torch.testing.assert_close(found, hidden @ model.output.weight.T + model.output.bias)
    changed = tokens.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 200
    torch.testing.assert_close(logits(changed)[:, :4], found[:, :4])
    assert not torch.allclose(logits(changed)[:, 4:], found[:, 4:])
    model.train()
    assert not torch.equal(logits(tokens), logits(tokens))


def test_the_pieces_of_words_are_those_of_the_joined_text(bpe):
    words = QUESTION.text
    ids, numbers = train_bert_tasks.gpt_pieces(bpe, words)
    assert bpe.decode(ids) == "the dogs sat ."
    assert len(ids) == len(numbers) > len(words)
    assert numbers == sorted(numbers)
    for i, word in enumerate(words):
        own = [token for token, number in zip(ids, numbers, strict=True) if number == i]
        assert bpe.decode(own).strip() == word


def gpt_row(name, example, bpe, max_len=500):
    (row,), (label,) = train_bert_tasks.gpt_rows(TASKS[name], [example], bpe, max_len)
    return *row, label


def test_gpt_reads_a_question_then_the_text_and_points_at_the_answer(bpe):
    marks = Marks.after(bpe.vocab_size)
    ids, segments, (first, last) = gpt_row("questions", QUESTION, bpe)
    cut = ids.index(marks.delimiter)
    assert (ids[0], ids[-1], ids.count(marks.delimiter)) == (marks.start, marks.extract, 1)
    assert bpe.decode(ids[1:cut]) == "where cats ?"
    assert bpe.decode(ids[cut + 1 : -1]) == "the dogs sat ."
    assert segments == [0] * (cut + 1) + [1] * (len(ids) - cut - 1)
    assert bpe.decode(ids[first : last + 1]) == " dogs sat"
    assert gpt_row("questions", QUESTION, bpe, last + 2) == (
        [*ids[: last + 1], marks.extract],
        segments[: last + 2],
        (first, last),
    )
    short, _, label = gpt_row("questions", QUESTION, bpe, last + 1)
    assert short == [*ids[:last], marks.extract]
    assert label == (0, 0)


def test_gpt_has_the_tag_of_a_word_at_its_first_piece(bpe):
    marks = Marks.after(bpe.vocab_size)
    ids, segments, label = gpt_row("entities", TAGGED, bpe)
    assert (ids[0], ids[-1]) == (marks.start, marks.extract)
    assert len(ids) == len(segments) == len(label)
    at = [i for i, tag in enumerate(label) if tag != IGNORE]
    assert [label[i] for i in at] == [1, 2, 0, 5]
    ends = [*at[1:], len(ids) - 1]
    words = [bpe.decode(ids[i:j]) for i, j in zip(at, ends, strict=True)]
    assert words == ["dogs", " cats", " sat", " cats"]
    assert max(j - i for i, j in zip(at, ends, strict=True)) > 1

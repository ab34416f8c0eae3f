"""The recipes of chapter 06, in small: they run, and what they write can be loaded and is true."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nlp_helpers import experiments, pretrained
from nlp_helpers.data.bpe import ByteLevelBPE
from nlp_helpers.data.gpt_inputs import MARKS, Marks
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.pretrained import load_checkpoint
from nlp_helpers.training import TrainConfig
from tools import bag_of_words, train_gpt, train_gpt_tasks
from tools.train_gpt_tasks import TASKS, Example

WORLD = "gpt-tiny-world"


@pytest.fixture
def small(monkeypatch):
    """A GPT of few weights, for a few updates on a few texts."""
    settings = TrainConfig(n_steps=6, learning_rate=5e-3, evaluate_every=3, clip_norm=None)
    monkeypatch.setattr(train_gpt, "SETTINGS", dict.fromkeys(train_gpt.SETTINGS, settings))
    sizes = {"d_model": 12, "n_heads": 3, "n_layers": 2, "max_len": 17}
    monkeypatch.setattr(train_gpt, "CONFIGS", dict.fromkeys(train_gpt.CONFIGS, sizes))
    monkeypatch.setattr(train_gpt, "BATCH", dict.fromkeys(train_gpt.BATCH, 3))
    monkeypatch.setattr(train_gpt, "PIECES", dict.fromkeys(train_gpt.PIECES, 300))
    monkeypatch.setattr(train_gpt, "N_STORIES", dict.fromkeys(train_gpt.N_STORIES, 5))
    monkeypatch.setattr(train_gpt, "N_ASIDES", 20)


def test_the_recipe_writes_a_checkpoint_that_says_how_it_was_made(small, monkeypatch, tmp_path):
    def save(name, model, info, dtype):
        pretrained.save_checkpoint(name, model, info, folder=tmp_path, dtype=dtype)

    monkeypatch.setattr(train_gpt, "save_checkpoint", save)
    monkeypatch.setattr(train_gpt, "load_checkpoint", lambda name: load_checkpoint(name, tmp_path))
    train_gpt.RECIPES[WORLD]()
    checkpoint = load_checkpoint(WORLD, tmp_path)
    assert isinstance(checkpoint.model, GPT)
    info, tokenizer = checkpoint.info, checkpoint.tokenizer
    assert isinstance(tokenizer, ByteLevelBPE)
    assert tokenizer.vocab_size == checkpoint.model.config.vocab_size == 300
    assert tokenizer.specials == (train_gpt.END,)
    assert info["training"]["n_steps"] == 6
    texts = train_gpt.tiny_world_texts()
    assert info["training"]["tokens"] == len(train_gpt.stream(tokenizer, texts["train"]))
    assert info["metrics"] == train_gpt.scores(checkpoint.model, tokenizer, texts)
    assert info["metrics"].keys() == {"validation", "test-combinations", "test-templates"}
    found = info["metrics"]["validation"]
    assert found["perplexity"] == pytest.approx(np.exp(found["nats_per_token"]))
    assert checkpoint.model.tokens.weight.dtype == torch.float32
    assert (tmp_path / f"{WORLD}.safetensors").stat().st_size < 2.2 * sum(
        p.numel() for p in checkpoint.model.parameters()
    ) + 10_000


def test_asides_are_of_all_kinds_and_fill_their_texts():
    texts = train_gpt.asides(40)
    assert len(texts) == 5
    assert all(text.count(" .") + text.count(" ?") == 8 for text in texts)
    assert texts == train_gpt.asides(40)


def test_a_stream_holds_every_text_and_ends_each():
    tokenizer = ByteLevelBPE.train(["some words", "more"], 260, specials=[train_gpt.END])
    ids = train_gpt.stream(tokenizer, ["some words", "more"])
    end = tokenizer.special_id(train_gpt.END)
    assert (ids == end).sum() == 2
    assert ids[-1] == end
    assert tokenizer.decode(ids) == f"some words{train_gpt.END}more{train_gpt.END}"


def one_after_another(function, jobs):
    """In this process, where the fixture below has put other settings."""
    return [function(job) for job in jobs]


@pytest.fixture
def stored(monkeypatch, tmp_path):
    """An untrained GPT in place of the stored ones; results go to a folder of the test's own."""

    def save(name, result):
        experiments.save_experiment(name, result, folder=tmp_path)

    tokenizer = ByteLevelBPE.train("the story of maria and anton .", 270, specials=[train_gpt.END])
    torch.manual_seed(0)
    sizes = {"d_model": 12, "n_heads": 3, "d_ff": 24, "n_layers": 1, "max_len": 900}
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **sizes)).eval()
    checkpoint = SimpleNamespace(model=model, tokenizer=tokenizer)
    monkeypatch.setattr(train_gpt_tasks, "save_experiment", save)
    monkeypatch.setattr(train_gpt_tasks, "load_checkpoint", lambda name: checkpoint)
    for name in ("UPDATES", "FEWER_UPDATES"):
        monkeypatch.setattr(train_gpt_tasks, name, {12: 2, 200: 2})
    for name, value in (("SEEDS", (0, 1)), ("LABELLED", (12,)), ("DEFAULT_N_TEST", 20)):
        monkeypatch.setattr(train_gpt_tasks, name, value)
    monkeypatch.setattr(train_gpt_tasks, "N_TEST", {"choice": 6})
    monkeypatch.setattr(train_gpt_tasks, "in_two_processes", one_after_another)
    return lambda name: experiments.load_experiment(name, tmp_path)


def test_fine_tuning_in_small(stored):
    train_gpt_tasks.RECIPES["gpt-fine-tuning"]()
    rows = stored("gpt-fine-tuning")["results"]
    ways = ["bag of words", *train_gpt_tasks.WAYS]
    assert [(r["task"], r["way"]) for r in rows] == [(t, w) for t in TASKS for w in ways]
    for row in rows:
        for split in TASKS[row["task"]].tests:
            assert -1 <= row[split]["least"] <= row[split]["mean"] <= row[split]["greatest"] <= 1


def test_the_sweep_of_lambda_in_small(stored):
    train_gpt_tasks.RECIPES["gpt-auxiliary"]()
    ways = {row["way"] for row in stored("gpt-auxiliary")["results"]}
    assert {"lambda = 0", "lambda = 0.5", "lambda = 2", "bag of words"} <= ways


@pytest.mark.parametrize("name", TASKS)
def test_the_labels_of_a_task_are_balanced_and_its_rows_are_those_of_gpt1(name, stored):
    task, tokenizer = TASKS[name], train_gpt_tasks.load_checkpoint("").tokenizer
    split = "train"
    examples = task.examples(24, split, 3)
    assert examples == task.examples(24, split, 3) != task.examples(24, split, 4)
    counts = [[e.label for e in examples].count(label) for label in {e.label for e in examples}]
    assert len(counts) >= 2
    assert max(counts) - min(counts) <= 1
    marks = Marks.after(tokenizer.vocab_size)
    for example, rows in zip(
        examples, train_gpt_tasks.rows_of(task, examples, tokenizer, 900), strict=True
    ):
        assert all(row[0] == marks.start and row[-1] == marks.extract for row in rows)
        n_texts = len(example.texts)
        assert len(rows) == {"similarity": 2, "choice": n_texts - 1}.get(name, 1)
        assert all(row.count(marks.delimiter) == (n_texts > 1) for row in rows)
    assert len(MARKS) == 3


def test_a_long_text_loses_its_end_only(stored):
    tokenizer = train_gpt_tasks.load_checkpoint("").tokenizer
    example = Example(("the story of maria and anton",), 0)
    (whole,) = train_gpt_tasks.rows_of(TASKS["agreement"], [example], tokenizer, 900)
    (cut,) = train_gpt_tasks.rows_of(TASKS["agreement"], [example], tokenizer, 7)
    assert len(cut[0]) == 7 < len(whole[0])
    assert cut[0][:-1] == whole[0][:6]
    assert cut[0][-1] == whole[0][-1]


def test_predictions_are_in_the_order_of_their_labels(stored):
    tokenizer = train_gpt_tasks.load_checkpoint("").tokenizer
    task = TASKS["agreement"]
    examples = task.examples(12, "train", 0)
    rows = train_gpt_tasks.rows_of(task, examples, tokenizer, 900)
    start = train_gpt_tasks.load_checkpoint("").model
    model = train_gpt_tasks.fit(task, start, rows, [e.label for e in examples], 0.5, 0)
    outputs, labels = train_gpt_tasks.predictions(model, rows, [float(i) for i in range(12)])
    for output, i in zip(outputs, labels.astype(int), strict=True):
        alone, _ = model(torch.tensor([rows[i]]), torch.tensor([[len(rows[i][0]) - 1]]), False)
        np.testing.assert_allclose(output, alone[0].detach().numpy(), atol=1e-5)


def test_test_passages_are_of_files_that_training_has_not():
    train, test = train_gpt_tasks.passages("train"), train_gpt_tasks.passages("test")
    for name in train_gpt_tasks.LIBRARIES:
        assert not {p.source for p in train[name]} & {p.source for p in test[name]}
        assert len(test[name]) > 300


def examples_of(*pairs):
    return [Example(texts, label) for texts, label in pairs]


def test_a_bag_of_words_tells_what_words_tell_and_no_more():
    known = examples_of(*[(("good day",), 1), (("bad day",), 0)] * 10)
    bag = bag_of_words.fit("classes", known)
    assert bag(examples_of((("day good",), 1), (("day bad",), 0))).argmax(axis=1).tolist() == [1, 0]
    swapped = bag(examples_of((("good day",), 1), (("day good",), 1)))
    np.testing.assert_allclose(swapped[0], swapped[1])


def test_the_share_in_common_is_a_feature_of_pairs():
    assert bag_of_words.in_common("a b c", "c d") == 0.5
    words = [f"w{i}" for i in range(20)]
    known = examples_of(
        *[((w, w), 1.0) for w in words[:10]], *[((w, "other"), 0.0) for w in words[:10]]
    )
    low, high = bag_of_words.fit("numbers", known)(
        examples_of((("w15", "w16"), 0.0), (("w15", "w15"), 1.0))
    )
    assert high > low + 0.2


def test_a_choice_takes_the_answer_with_the_highest_probability():
    known = examples_of(*[(("we met a cat", "a cat", "a dog"), 0)] * 5)
    known += examples_of(*[(("we met a dog", "a cat", "a dog"), 1)] * 5)
    scores = bag_of_words.fit("choice", known)(known)
    assert scores.shape == (10, 2)
    assert (scores.argmax(axis=1) == [e.label for e in known]).all()


def test_unknown_kinds_of_bags():
    with pytest.raises(ValueError, match="kind must be one of classes, numbers, choice; got 'x'"):
        bag_of_words.fit("x", [])


@pytest.mark.parametrize("name", ["gpt-library-docs", "gpt-tiny-world"])
def test_the_stored_perplexities_are_true(name):
    checkpoint = load_checkpoint(name)
    held_out = train_gpt.TEXTS[name](train=False)
    found = train_gpt.scores(checkpoint.model, checkpoint.tokenizer, held_out)
    stored = checkpoint.info["metrics"]
    assert found.keys() == stored.keys()
    for split, values in found.items():
        assert values == pytest.approx(stored[split], rel=1e-4)

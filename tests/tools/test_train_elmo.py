"""The recipes of chapter 05, in small: they run, and what they write can be loaded and is true."""

from types import SimpleNamespace

import pytest
import torch

from nlp_helpers import experiments, pretrained
from nlp_helpers.data.tiny_world_tasks import sense_examples, sentiment_examples
from nlp_helpers.data.vocabulary import Vocab
from nlp_helpers.models.elmo import ELMo
from nlp_helpers.models.elmo_config import ELMoConfig
from nlp_helpers.pretrained import load_checkpoint
from nlp_helpers.training import TrainConfig
from tools import train_elmo, train_elmo_tasks


@pytest.fixture
def small(monkeypatch):
    """A biLM of few weights, trained for a few updates on a few stories."""
    settings = TrainConfig(n_steps=12, learning_rate=5e-3, evaluate_every=6)
    monkeypatch.setattr(train_elmo, "SETTINGS", settings)
    sizes = {"hidden_size": 13, "projection_size": 7, "filters": [[1, 3], [2, 5]]}
    monkeypatch.setattr(train_elmo, "CONFIG", {**train_elmo.CONFIG, **sizes})
    for name, value in (("N_STORIES", 6), ("N_SENSE", 20), ("N_HELD_OUT", 3), ("BATCH_SIZE", 8)):
        monkeypatch.setattr(train_elmo, name, value)


def test_the_recipe_writes_a_checkpoint_that_says_how_it_was_made(small, monkeypatch, tmp_path):
    saved = []

    def save(name, model, info):
        saved.append(name)
        pretrained.save_checkpoint(name, model, info, folder=tmp_path)

    monkeypatch.setattr(train_elmo, "save_checkpoint", save)
    train_elmo.RECIPES["elmo-tiny-world"]()
    assert saved == ["elmo-tiny-world"]
    checkpoint = load_checkpoint("elmo-tiny-world", tmp_path)
    assert isinstance(checkpoint.model, ELMo)
    assert checkpoint.model.config.projection_size == 7
    info = checkpoint.info
    assert info["training"]["n_steps"] == 12
    assert "6 stories, 20 sentences" in info["training"]["data"]
    text = train_elmo.training_text()
    assert info["training"]["tokens"] == sum(map(len, text))
    assert set(checkpoint.vocab.tokens) == {"<unk>", "<S>", "</S>"} | {w for s in text for w in s}
    assert info["metrics"] == train_elmo.scores(checkpoint.model, checkpoint.vocab)
    assert info["metrics"].keys() == {"validation", "test-combinations", "test-templates"}


def test_the_sentences_trained_on_are_not_those_that_probes_are_tested_on():
    trained = {tuple(s) for s in train_elmo.training_text()[-3000:]}
    for split in ("test-combinations", "test-templates"):
        assert not trained & {e.words for e in sense_examples(1200, split, seed=1)}


def test_held_out_batches_are_the_same_each_time(small):
    vocab = Vocab(("the", "."), specials=("<unk>", "<S>", "</S>"))
    batches = train_elmo.batches("validation", vocab)
    for one, other in zip(batches, batches, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def stored(monkeypatch, tmp_path):
    """Experiments go to a folder of the test's own."""

    def save(name, result):
        experiments.save_experiment(name, result, folder=tmp_path)

    monkeypatch.setattr(train_elmo_tasks, "save_experiment", save)
    return lambda name: experiments.load_experiment(name, tmp_path)


def test_frozen_features_in_small(stored, monkeypatch):
    for name, value in (("SEEDS", (0, 1)), ("LABELLED", (8,)), ("N_TEST", 20)):
        monkeypatch.setattr(train_elmo_tasks, name, value)
    monkeypatch.setattr(train_elmo_tasks, "FEATURE_STEPS", 3)
    untrained = ELMo(ELMoConfig(**{**train_elmo.CONFIG, "hidden_size": 13})).eval()
    untrained = SimpleNamespace(model=untrained)
    monkeypatch.setattr(train_elmo_tasks, "load_checkpoint", lambda name: untrained)
    train_elmo_tasks.RECIPES["elmo-frozen-features"]()
    rows = stored("elmo-frozen-features")["results"]
    assert [(r["labels"], r["vectors"]) for r in rows] == [
        (8, "static"),
        (8, "top layer"),
        (8, "mixture"),
    ]
    for row in rows:
        for split in train_elmo_tasks.TESTS:
            assert 0 <= row[split]["least"] <= row[split]["mean"] <= row[split]["greatest"] <= 1


def test_ulmfit_in_small(stored, monkeypatch):
    for name, value in (("SEEDS", (0,)), ("N_TEST", 10), ("LM_STEPS", 2)):
        monkeypatch.setattr(train_elmo_tasks, name, value)
    monkeypatch.setattr(train_elmo_tasks, "ULMFIT_LABELLED", (20,))
    monkeypatch.setattr(train_elmo_tasks, "CLASSIFIER_EPOCHS", 4)
    train_elmo_tasks.RECIPES["ulmfit"]()
    rows = stored("ulmfit")["results"]
    assert [row["way"] for row in rows] == list(train_elmo_tasks.WAYS)


def test_adapting_lowers_the_loss_on_the_tasks_text():
    checkpoint = load_checkpoint("char-lstm-library-docs")
    batch = train_elmo_tasks.spelled(checkpoint, sentiment_examples(30, "validation"))

    def loss() -> float:
        tokens, mask, _ = batch
        with torch.no_grad():
            logits, _ = checkpoint.model.eval()(tokens[:, :-1])
        both = mask[:, 1:]
        return torch.nn.functional.cross_entropy(logits[both], tokens[:, 1:][both]).item()

    before = loss()
    train_elmo_tasks.adapt(checkpoint.model, checkpoint, n_steps=15)
    assert loss() < before - 0.2


def test_labels_are_read_by_name():
    examples = sentiment_examples(10)
    found = train_elmo_tasks.labels_of(examples).tolist()
    assert found == [int(e.label == "positive") for e in examples]
    assert sum(found) == 5

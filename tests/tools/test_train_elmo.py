"""The recipes of chapter 05, in small: they run, and what they write can be loaded and is true."""

from types import SimpleNamespace

import pytest
import torch

from nlp_helpers import experiments, pretrained
from nlp_helpers.data.sentences import SPECIALS
from nlp_helpers.data.tiny_world_tasks import acceptability_examples, sense_examples
from nlp_helpers.data.vocabulary import Vocab
from nlp_helpers.models.elmo import ELMo
from nlp_helpers.models.elmo_config import ELMoConfig
from nlp_helpers.pretrained import load_checkpoint
from nlp_helpers.training import BidirectionalLMLoss, TrainConfig
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


@pytest.fixture
def untrained(monkeypatch):
    """An untrained biLM of few weights, in place of the stored one."""
    words = sorted({w for s in train_elmo.sentences(20, "train") for w in s})
    vocab = Vocab(words, specials=SPECIALS)
    sizes = {"hidden_size": 13, "filters": ((1, 3), (2, 5)), "vocab_size": len(vocab)}
    torch.manual_seed(0)
    elmo = ELMo(ELMoConfig(**{**train_elmo.CONFIG, **sizes})).eval()
    stored = SimpleNamespace(model=elmo, vocab=vocab)
    monkeypatch.setattr(train_elmo_tasks, "load_checkpoint", lambda name: stored)
    return stored


def test_frozen_features_in_small(stored, untrained, monkeypatch):
    for name, value in (("SEEDS", (0, 1)), ("LABELLED", (8,)), ("N_TEST", 20)):
        monkeypatch.setattr(train_elmo_tasks, name, value)
    monkeypatch.setattr(train_elmo_tasks, "FEATURE_STEPS", 3)
    train_elmo_tasks.RECIPES["elmo-frozen-features"]()
    rows = stored("elmo-frozen-features")["results"]
    vectors = ["static", "top layer", "mixture"]
    assert [(r["labels"], r["vectors"]) for r in rows] == [(8, name) for name in vectors]
    for row in rows:
        for split in train_elmo_tasks.TESTS:
            assert 0 <= row[split]["least"] <= row[split]["mean"] <= row[split]["greatest"] <= 1


def test_ulmfit_in_small(stored, untrained, monkeypatch):
    before = {name: value.clone() for name, value in untrained.model.state_dict().items()}
    small = {"ULMFIT_SEEDS": (0, 1), "N_TEST": 10, "LM_STEPS": 2, "N_STORIES": 40}
    small |= {"ULMFIT_LABELLED": (20,), "CLASSIFIER_STEPS": 8}
    for name, value in small.items():
        monkeypatch.setattr(train_elmo_tasks, name, value)
    train_elmo_tasks.RECIPES["ulmfit"]()
    result = stored("ulmfit")
    assert [row["way"] for row in result["results"]] == list(train_elmo_tasks.WAYS)
    assert result["seed"] == [0, 1]
    assert result["settings"]["classifier_steps"] == 8
    after = untrained.model.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_each_way_trains_what_it_says(untrained, monkeypatch):
    monkeypatch.setattr(train_elmo_tasks, "CLASSIFIER_STEPS", 8)
    known = train_elmo_tasks.spelled(acceptability_examples(20))
    bilm = untrained.model.state_dict()
    for way in train_elmo_tasks.WAYS.values():
        model = train_elmo_tasks.classifier(untrained.model, known, way, seed=0)
        moved = {
            name for name, value in model.bilm.state_dict().items()
            if not torch.equal(value, bilm[name])
        }  # fmt: skip
        assert bool(moved) != way.frozen


def test_adapting_lowers_the_loss_on_the_tasks_text(untrained):
    characters, mask, _ = train_elmo_tasks.spelled(acceptability_examples(30, "validation"))
    words = [["<S>", *e.words, "</S>"] for e in acceptability_examples(30, "validation")]
    ids = torch.zeros(mask.shape, dtype=torch.int64)
    for row, sentence in enumerate(words):
        ids[row, : len(sentence)] = torch.tensor(untrained.vocab.encode(sentence))

    @torch.no_grad()
    def loss() -> float:
        return BidirectionalLMLoss()(untrained.model.eval(), (characters, mask, ids)).item()

    before = loss()
    train_elmo_tasks.adapt(untrained.model, untrained.vocab, n_steps=30)
    assert loss() < before - 0.2


def test_labels_are_read_by_name():
    examples = acceptability_examples(10)
    found = train_elmo_tasks.labels_of(examples).tolist()
    assert found == [int(e.label == "acceptable") for e in examples]
    assert sum(found) == 5

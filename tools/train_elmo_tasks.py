"""The long experiments of chapter 05: frozen features in a classifier, and ULMFiT in small.

They are started by tools/train.py, under the names in `RECIPES`. Each is repeated with several
seeds (other labelled sentences, other first weights).
"""

import copy
import datetime
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from nlp_helpers.data.sentences import sentence_batches
from nlp_helpers.data.tiny_world import generate_stories, sentences_of
from nlp_helpers.data.tiny_world_tasks import TextExample, acceptability_examples
from nlp_helpers.data.vocabulary import Vocab
from nlp_helpers.experiments import save_experiment
from nlp_helpers.finetuning import fine_tune
from nlp_helpers.models.char_cnn import characters_of
from nlp_helpers.models.elmo import ELMo
from nlp_helpers.models.text_classifier import BiLMClassifier, LayerMixClassifier
from nlp_helpers.pretrained import load_checkpoint
from nlp_helpers.probing import padded_layers
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import BidirectionalLMLoss, ClassificationLoss, TrainConfig, train
from tools.train_elmo import CONFIG

SEEDS = (0, 1, 2, 3, 4)
LABELLED = (50, 200, 1000)
N_TEST = 1000
TESTS = ("test-combinations", "test-templates")
YES = "acceptable"


def labels_of(examples: Sequence[TextExample]) -> Tensor:
    return torch.tensor([int(e.label == YES) for e in examples])


@torch.no_grad()
def accuracy(model: nn.Module, *inputs_and_labels: Tensor) -> float:
    """Share of labels that the model gives the largest logit."""
    *inputs, labels = inputs_and_labels
    return (model.eval()(*inputs).argmax(dim=-1) == labels).double().mean().item()


def spread(values: Sequence[float]) -> dict:
    """Mean, least and greatest of some accuracies."""
    return {"mean": statistics.fmean(values), "least": min(values), "greatest": max(values)}


# Frozen features
FEATURE_STEPS = 2000


def features_of(elmo: nn.Module, examples: Sequence[TextExample]) -> tuple[Tensor, Tensor, Tensor]:
    """All layers of some sentences, their mask, and the labels."""
    layers, mask = padded_layers(elmo.layers([list(e.words) for e in examples]))
    return layers, mask, labels_of(examples)


def fit_features(layers: Tensor, mask: Tensor, labels: Tensor, seed: int) -> LayerMixClassifier:
    """A mixture of the layers and a classifier on top, fitted for `FEATURE_STEPS` updates."""
    set_seed(seed)
    sizes = {"n_layers": layers.shape[1], "width": layers.shape[-1], "n_classes": 2}
    model = LayerMixClassifier(**sizes, dropout=0.1, normalize=True)
    generator = torch.Generator().manual_seed(seed)
    data = TensorDataset(layers, mask, labels)
    batches = DataLoader(data, batch_size=32, shuffle=True, generator=generator)
    settings = TrainConfig(n_steps=FEATURE_STEPS, learning_rate=1e-3, warmup=20, weight_decay=0.01)
    train(model, batches, ClassificationLoss(), settings)
    return model


VECTORS = {"static": slice(0, 1), "top layer": slice(2, 3), "mixture": slice(0, 3)}


def frozen_features() -> None:
    """Chapter 05: acceptability from frozen vectors, static and contextual, by number of labels."""
    elmo = load_checkpoint("elmo-tiny-world").model
    tests = {split: features_of(elmo, acceptability_examples(N_TEST, split)) for split in TESTS}
    results = []
    for n_labels in LABELLED:
        for name, layers in VECTORS.items():
            found = {split: [] for split in TESTS}
            for seed in SEEDS:
                known = features_of(elmo, acceptability_examples(n_labels, "train", seed))
                model = fit_features(known[0][:, layers], *known[1:], seed)
                for split, (h, mask, labels) in tests.items():
                    found[split].append(accuracy(model, h[:, layers], mask, labels))
            row = {split: spread(values) for split, values in found.items()}
            results.append({"labels": n_labels, "vectors": name, **row})
            print(results[-1], flush=True)
    question = "Are frozen ELMo vectors better than static ones?"
    save("elmo-frozen-features", question, SEEDS, {"n_steps": FEATURE_STEPS}, results)


# ULMFiT in small
ULMFIT_LABELLED, ULMFIT_SEEDS = (50, 200), (0, 1, 2)
LM_STEPS, CLASSIFIER_STEPS = 200, 300
N_STORIES = 2000  # about 1,500 sentences of the task's kind


class Way(NamedTuple):
    """How a classifier comes about: where its biLM starts, and how it is trained."""

    start: str  # "random", "pre-trained" or "adapted"
    frozen: bool = False
    gradual: bool = False


WAYS = {
    "from random weights": Way("random"),
    "frozen": Way("pre-trained", frozen=True),
    "all layers alike": Way("pre-trained"),
    "three rules": Way("pre-trained", gradual=True),
    "adapted, three rules": Way("adapted", gradual=True),
}


def spelled(examples: Sequence[TextExample]) -> tuple[Tensor, Tensor, Tensor]:
    """Sentences as characters, their mask, and the labels."""
    words = [list(example.words) for example in examples]
    return *characters_of(words, CONFIG["max_characters"]), labels_of(examples)


def adapt(bilm: ELMo, vocab: Vocab, n_steps: int | None = None) -> None:
    """The second stage: go on with the language model, on sentences of the task's kind."""
    told = sentences_of(generate_stories(N_STORIES))
    text = [s.words for s in told if s.template.startswith("scene")]
    spell = partial(characters_of, max_characters=bilm.config.max_characters)
    batches = sentence_batches(text, vocab, spell, 32, seed=0)
    settings = TrainConfig(
        n_steps=n_steps or LM_STEPS, learning_rate=1e-3, schedule="slanted-triangular"
    )
    groups = bilm.layer_groups()
    fine_tune(bilm, batches, BidirectionalLMLoss(), groups, settings, unfreeze_every=0)


def opens_every() -> int:
    """After how many updates one more layer opens: an epoch of 50 sentences would be too short."""
    return CLASSIFIER_STEPS // 8


def classifier(
    bilm: ELMo, known: tuple[Tensor, Tensor, Tensor], way: Way, seed: int
) -> BiLMClassifier:
    """The third stage: with ULMFiT's rates, triangle and unfreezing, or without."""
    set_seed(seed)
    model = BiLMClassifier(bilm, n_classes=2, dropout=0.1)
    generator = torch.Generator().manual_seed(seed)
    batches = DataLoader(TensorDataset(*known), batch_size=32, shuffle=True, generator=generator)
    settings = TrainConfig(
        n_steps=CLASSIFIER_STEPS,
        learning_rate=2e-3,
        schedule="slanted-triangular" if way.gradual else "cosine",
    )
    groups = model.layer_groups()[-1:] if way.frozen else model.layer_groups()
    how = {"unfreeze_every": opens_every()}
    if not way.gradual:
        how = {"unfreeze_every": 0, "factor": 1.0}
    fine_tune(model, batches, ClassificationLoss(), groups, settings, **how)
    return model


def ulmfit() -> None:
    """Chapter 05: the biLM becomes a classifier, with and without ULMFiT's stages and rules."""
    checkpoint = load_checkpoint("elmo-tiny-world")
    adapted = copy.deepcopy(checkpoint.model)
    set_seed(0)
    adapt(adapted, checkpoint.vocab)
    set_seed(0)
    starts = {"random": ELMo(checkpoint.model.config), "pre-trained": checkpoint.model}
    starts["adapted"] = adapted
    tests = {split: spelled(acceptability_examples(N_TEST, split)) for split in TESTS}
    results = []
    for n_labels in ULMFIT_LABELLED:
        for name, way in WAYS.items():
            found = {split: [] for split in TESTS}
            for seed in ULMFIT_SEEDS:
                known = spelled(acceptability_examples(n_labels, "train", seed))
                model = classifier(starts[way.start], known, way, seed)
                for split, test in tests.items():
                    found[split].append(accuracy(model, *test))
            row = {split: spread(values) for split, values in found.items()}
            results.append({"labels": n_labels, "way": name, **row})
            print(results[-1], flush=True)
    question = "What does each of ULMFiT's stages and rules add, with few labels?"
    settings = {"language_model_steps": LM_STEPS, "classifier_steps": CLASSIFIER_STEPS}
    settings["unfreeze_every"] = opens_every()
    save("ulmfit", question, ULMFIT_SEEDS, settings, results)


def save(
    name: str, question: str, seeds: Sequence[int], settings: dict, results: list[dict]
) -> None:
    result = {"question": question, "date": datetime.date.today().isoformat()}
    result |= {"seed": list(seeds), "settings": {"test_sentences": N_TEST, **settings}}
    save_experiment(name, {**result, "results": results})


RECIPES: dict[str, Callable[[], None]] = {
    "elmo-frozen-features": frozen_features,
    "ulmfit": ulmfit,
}

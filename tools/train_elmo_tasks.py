"""The long experiments of chapter 05: frozen features in a classifier, and ULMFiT in small.

They are started by tools/train.py, under the names in `RECIPES`. Each is repeated with several
seeds (other labelled sentences, other first weights).
"""

import datetime
import statistics
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from nlp_helpers.data.batches import language_model_batches
from nlp_helpers.data.pairs import pad
from nlp_helpers.data.tiny_world import generate_stories, sentences_of
from nlp_helpers.data.tiny_world_tasks import TextExample, sentiment_examples
from nlp_helpers.experiments import save_experiment
from nlp_helpers.finetuning import fine_tune
from nlp_helpers.models.recurrent_lm import RecurrentLM
from nlp_helpers.models.text_classifier import LanguageModelClassifier, LayerMixClassifier
from nlp_helpers.pretrained import Checkpoint, build_char_lm, load_checkpoint
from nlp_helpers.probing import padded_layers
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import CarriedStateLoss, ClassificationLoss, TrainConfig, train

SEEDS = (0, 1, 2, 3, 4)
LABELLED = (50, 200, 1000)
N_TEST = 1000
TESTS = ("test-combinations", "test-templates")
POSITIVE = "positive"


def labels_of(examples: Sequence[TextExample]) -> Tensor:
    return torch.tensor([int(e.label == POSITIVE) for e in examples])


@torch.no_grad()
def accuracy(model: nn.Module, *inputs_and_labels: Tensor) -> float:
    """Share of labels that the model gives the largest logit."""
    *inputs, labels = inputs_and_labels
    return (model.eval()(*inputs).argmax(dim=-1) == labels).double().mean().item()


def spread(values: Sequence[float]) -> dict:
    """Mean, least and greatest of some accuracies."""
    return {"mean": statistics.fmean(values), "least": min(values), "greatest": max(values)}


# Frozen features
FEATURE_STEPS = 300


def features_of(elmo: nn.Module, examples: Sequence[TextExample]) -> tuple[Tensor, Tensor, Tensor]:
    """All layers of some sentences, their mask, and the labels."""
    layers, mask = padded_layers(elmo.layers([list(e.words) for e in examples]))
    return layers, mask, labels_of(examples)


def fit_features(layers: Tensor, mask: Tensor, labels: Tensor, seed: int) -> LayerMixClassifier:
    """A mixture of the layers and a classifier on top, fitted for `FEATURE_STEPS` updates."""
    set_seed(seed)
    model = LayerMixClassifier(layers.shape[1], layers.shape[-1], n_classes=2, dropout=0.1)
    generator = torch.Generator().manual_seed(seed)
    data = TensorDataset(layers, mask, labels)
    batches = DataLoader(data, batch_size=32, shuffle=True, generator=generator)
    settings = TrainConfig(n_steps=FEATURE_STEPS, learning_rate=3e-3, warmup=20, weight_decay=0.01)
    train(model, batches, ClassificationLoss(), settings)
    return model


VECTORS = {"static": slice(0, 1), "top layer": slice(2, 3), "mixture": slice(0, 3)}


def frozen_features() -> None:
    """Chapter 05: sentiment from frozen vectors, static and contextual, by number of labels."""
    elmo = load_checkpoint("elmo-tiny-world").model
    tests = {split: features_of(elmo, sentiment_examples(N_TEST, split)) for split in TESTS}
    results = []
    for n_labels in LABELLED:
        for name, layers in VECTORS.items():
            found = {split: [] for split in TESTS}
            for seed in SEEDS:
                known = features_of(elmo, sentiment_examples(n_labels, "train", seed))
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
LM_STEPS, CLASSIFIER_EPOCHS = 300, 12
WAYS = {
    "from scratch": {"pretrained": False, "adapted": False, "gradual": False},
    "pre-trained": {"pretrained": True, "adapted": False, "gradual": False},
    "and adapted": {"pretrained": True, "adapted": True, "gradual": False},
    "and opened layer by layer": {"pretrained": True, "adapted": True, "gradual": True},
}


def spelled(checkpoint: Checkpoint, examples: Sequence[TextExample]) -> tuple[Tensor, ...]:
    """Sentences as the characters' ids, their mask, and the labels."""
    ids = [checkpoint.tokenizer.encode(" ".join(e.words)).tolist() for e in examples]
    return *pad(ids), labels_of(examples)


def adapt(language_model: RecurrentLM, checkpoint: Checkpoint, n_steps: int | None = None) -> None:
    """The second stage: go on training the language model, on the task's text without labels."""
    text = " ".join(s.text for s in sentences_of(generate_stories(400)) if s.sentiment != "neutral")
    batches = language_model_batches(checkpoint.tokenizer.encode(text), 16, 64)
    groups = [language_model.embedding, *language_model.recurrent.cells, language_model.output]
    settings = TrainConfig(
        n_steps=n_steps or LM_STEPS, learning_rate=4e-3, schedule="slanted-triangular"
    )
    fine_tune(language_model, batches, CarriedStateLoss(), groups, settings, unfreeze_every=0)


def classifier(
    language_model: RecurrentLM, known: tuple[Tensor, ...], gradual: bool, seed: int
) -> LanguageModelClassifier:
    """The third stage: with ULMFiT's rates, triangle and unfreezing, or all layers alike."""
    set_seed(seed)
    model = LanguageModelClassifier(language_model, n_classes=2, dropout=0.1)
    generator = torch.Generator().manual_seed(seed)
    batches = DataLoader(TensorDataset(*known), batch_size=16, shuffle=True, generator=generator)
    n_steps = CLASSIFIER_EPOCHS * len(batches)
    settings = TrainConfig(
        n_steps=n_steps,
        learning_rate=5e-3,
        schedule="slanted-triangular" if gradual else "cosine",
    )
    how = {} if gradual else {"unfreeze_every": 0, "factor": 1.0}
    fine_tune(model, batches, ClassificationLoss(), model.layer_groups(), settings, **how)
    return model


def ulmfit() -> None:
    """Chapter 05: a character language model becomes a classifier, in ULMFiT's stages."""
    checkpoint = load_checkpoint("char-lstm-library-docs")
    set_seed(0)
    adapted = load_checkpoint("char-lstm-library-docs").model
    adapt(adapted, checkpoint)
    tests = {split: spelled(checkpoint, sentiment_examples(N_TEST, split)) for split in TESTS}
    results = []
    for n_labels in ULMFIT_LABELLED:
        for name, way in WAYS.items():
            found = {split: [] for split in TESTS}
            for seed in ULMFIT_SEEDS:
                set_seed(seed)
                start = adapted if way["adapted"] else checkpoint.model
                if not way["pretrained"]:
                    start = build_char_lm(checkpoint.info["config"])
                known = spelled(checkpoint, sentiment_examples(n_labels, "train", seed))
                model = classifier(start, known, way["gradual"], seed)
                for split, test in tests.items():
                    found[split].append(accuracy(model, *test))
            row = {split: spread(values) for split, values in found.items()}
            results.append({"labels": n_labels, "way": name, **row})
            print(results[-1], flush=True)
    question = "Does each of ULMFiT's stages help, with few labels?"
    settings = {"language_model_steps": LM_STEPS, "epochs": CLASSIFIER_EPOCHS}
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

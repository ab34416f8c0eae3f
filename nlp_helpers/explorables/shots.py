"""What a model says after 0, 1, 2, ... demonstrations, and where it looks for the answer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets

from nlp_helpers.explorables.base import Explorable, html_table, index_of, real_array, text_of
from nlp_helpers.explorables.color_scale import color_scale
from nlp_helpers.explorables.shots_items import N_LABELS
from nlp_helpers.plotting import SEQUENTIAL

MAX_SHOTS, MAX_MODELS, MAX_LENGTH = 8, 4, 40
TOLERANCE = 1e-3  # of a sum of probabilities
DECIMALS = 4  # of every number that is kept
_KEYS = ("query", "query_class", "answer", "demonstrations", "predictions", "attention")


class Shots(Explorable):
    """Add one demonstration after the other and see what the model says, and where it looks.

    Each item is a question: a mapping with the keys query (the word asked about), query_class,
    answer (the right label), demonstrations (1 to 8 triples of word, class, label, as many in each
    item), predictions and attention. `shots_items.shots_item` makes one of a model's numbers.
    predictions: for each model by name, for 0, 1, 2, ... shots, {"labels": the five most probable,
    "probabilities": theirs, falling}. attention: for each model None, or for k = 0, 1, 2, ... shots
    the 2k + 1 weights with which the query looks at word, label, word, label, ..., and itself.

    `accuracies` are the shares of right labels for each model, over many sequences; `ideal` the
    highest that is possible; `chance` that of a guess among all labels. All numbers are kept with
    four decimals. `item`, `shots` and `model` are the indices of what is chosen; `classes` says
    whether the classes are shown.

    Shape: accuracies {model: [shots + 1]}; ideal [shots + 1].

    Raises: TypeError or ValueError, naming the argument and the item, for a key that is missing or
    unknown; texts that are blank or longer than 40; a class with two labels or a label with two
    classes; no or more than four models, other models or another order than in the first item;
    numbers that are too few or too many, outside 0...1, not falling, or sums of probabilities above
    1 or of attention other than 1; and an item, shots or model out of range; ValueError for over
    200 KB.
    """

    _source = "shots.js"
    title = "How many demonstrations does the model need?"

    items = traitlets.List().tag(sync=True)
    models = traitlets.List().tag(sync=True)
    accuracies = traitlets.List().tag(sync=True)
    ideal = traitlets.List(None, allow_none=True).tag(sync=True)
    chance = traitlets.Float(0.0).tag(sync=True)
    scale = traitlets.List().tag(sync=True)
    item = traitlets.Int(0).tag(sync=True)
    shots = traitlets.Int(0).tag(sync=True)
    model = traitlets.Int(0).tag(sync=True)
    classes = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        items: Sequence[Mapping[str, Any]] = (),
        accuracies: Mapping[str, Sequence[float]] | None = None,
        *,
        chance: float,
        ideal: Sequence[float] | None = None,
        name: str = "shots",
        item: int = 0,
        shots: int = 0,
        model: int = 0,
        classes: bool = False,
    ) -> None:
        models, items = check_items(items)
        n = len(items[0]["demonstrations"]) + 1
        check_models(accuracies, "accuracies", models)
        if not isinstance(classes, bool):
            raise TypeError(f"classes must be a bool, got {type(classes).__name__}")
        super().__init__(
            name,
            items=items,
            models=models,
            accuracies=[shares(accuracies[m], f"accuracies[{m!r}]", n) for m in models],
            ideal=None if ideal is None else shares(ideal, "ideal", n),
            chance=shares([chance], "chance", 1)[0],
            scale=color_scale(SEQUENTIAL),
            item=index_of(item, "item", len(items)),
            shots=index_of(shots, "shots", n),
            model=index_of(model, "model", len(models)),
            classes=classes,
        )

    @traitlets.validate("item")
    def _check_item(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "item", len(self.items))

    @traitlets.validate("shots")
    def _check_shots(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "shots", len(self.accuracies[0]))

    @traitlets.validate("model")
    def _check_model(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "model", len(self.models))

    def fallback_html(self) -> str:
        """Return what each model says to the chosen item, and the accuracies, as tables."""
        item = self.items[self.item]
        added = ["none"] + [f"{word} \u2192 {label}" for word, _, label in item["demonstrations"]]
        header = [
            "shots",
            "demonstration added",
            "most probable label",
            "its probability",
            "verdict",
        ]
        said = "".join(
            html_table(
                f"Which label belongs to {item['query']}? The right one is {item['answer']}. "
                f"Model: {model}",
                header,
                [
                    [f"{k}", added[k], one["labels"][0], f"{one['probabilities'][0]:.2f}"]
                    + ["right" if one["labels"][0] == item["answer"] else "wrong"]
                    for k, one in enumerate(item["predictions"][m])
                ],
            )
            for m, model in enumerate(self.models)
        )
        columns = self.accuracies if self.ideal is None else [*self.accuracies, self.ideal]
        names = self.models if self.ideal is None else [*self.models, "knows the classes"]
        rows = [
            [f"{k}", *(f"{value:.2f}" for value in row), f"{self.chance:.2f}"]
            for k, row in enumerate(zip(*columns, strict=True))
        ]
        caption = "Share of right labels over many sequences"
        return said + html_table(caption, ["shots", *names, "chance"], rows)


def check_items(items: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of the models, and the items with a list over the models for each mapping.

    Raises: TypeError or ValueError, naming the item, for anything that does not fit together.
    """
    if isinstance(items, Mapping | str) or not isinstance(items, Sequence):
        raise TypeError(f"items must be a list of mappings, got {type(items).__name__}")
    if not items:
        raise ValueError("items must not be empty")
    checked = [check_words(item, f"items[{k}]") for k, item in enumerate(items)]
    counts = [len(item["demonstrations"]) for item in checked]
    for k, count in enumerate(counts):
        if count != counts[0]:
            raise ValueError(
                f"items[{k}]['demonstrations'] must number {counts[0]}, as in items[0], got {count}"
            )
    models = check_models(items[0]["predictions"], "items[0]['predictions']")
    for k, item in enumerate(items):
        for key in ("predictions", "attention"):
            check_models(item[key], f"items[{k}][{key!r}]", models)
        checked[k] |= {
            "predictions": [
                check_predictions(
                    item["predictions"][model], f"items[{k}]['predictions'][{model!r}]", counts[0]
                )
                for model in models
            ],
            "attention": [
                check_attention(
                    item["attention"][model], f"items[{k}]['attention'][{model!r}]", counts[0]
                )
                for model in models
            ],
        }
    return models, checked


def check_words(item: Any, where: str) -> dict[str, Any]:
    """Return the words, classes and labels of one item.

    Raises: TypeError or ValueError, naming the item, for a key that is missing or unknown, texts
    that are blank or too long, and classes and labels that do not belong to each other.
    """
    if not isinstance(item, Mapping):
        raise TypeError(f"{where} must be a mapping, got {type(item).__name__}")
    if set(item) != set(_KEYS):
        raise ValueError(f"{where} must have the keys {', '.join(_KEYS)}, got {[*item]}")
    query, query_class, answer = (short(item[k], f"{where}[{k!r}]") for k in _KEYS[:3])
    given = item["demonstrations"]
    here = f"{where}['demonstrations']"
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"{here} must be a list, got {type(given).__name__}")
    if not 1 <= len(given) <= MAX_SHOTS:
        raise ValueError(f"{here} must number 1 to {MAX_SHOTS}, got {len(given)}")
    label_of, class_of = {query_class: answer}, {answer: query_class}
    demonstrations = []
    for k, one in enumerate(given):
        if isinstance(one, str) or not isinstance(one, Sequence):
            raise TypeError(f"{here}[{k}] must be a list, got {type(one).__name__}")
        if len(one) != 3:
            raise ValueError(f"{here}[{k}] must be word, class and label, got {one!r:.80}")
        word, kind, label = (short(text, f"{here}[{k}][{i}]") for i, text in enumerate(one))
        if label_of.setdefault(kind, label) != label:
            raise ValueError(
                f"{here}[{k}] gives the class {kind!r} the label {label!r}, in the same sequence "
                f"it has {label_of[kind]!r}"
            )
        if class_of.setdefault(label, kind) != kind:
            raise ValueError(
                f"{here}[{k}] gives the label {label!r} to the class {kind!r}, in the same "
                f"sequence it belongs to {class_of[label]!r}"
            )
        demonstrations.append([word, kind, label])
    return {
        "query": query,
        "query_class": query_class,
        "answer": answer,
        "demonstrations": demonstrations,
    }


def short(text: Any, name: str) -> str:
    """Return a text of 1 to 40 characters. Raises: TypeError or ValueError if it is none."""
    if len(text_of(text, name)) > MAX_LENGTH:
        raise ValueError(f"{name} must have at most {MAX_LENGTH} characters, got {text!r:.80}")
    return text


def check_models(mapping: Any, name: str, models: list[str] | None = None) -> list[str]:
    """Return the names of the models that a mapping has something for.

    Raises: TypeError if it is no mapping of texts; ValueError for none or more than four models,
    or if they are not `models` in the same order.
    """
    if not isinstance(mapping, Mapping):
        raise TypeError(f"{name} must be a mapping by model, got {type(mapping).__name__}")
    names = [short(model, f"{name}: a model's name") for model in mapping]
    if models is not None and names != models:
        raise ValueError(f"{name} must have the models {models} in this order, got {names}")
    if not 1 <= len(names) <= MAX_MODELS:
        raise ValueError(f"{name} must have 1 to {MAX_MODELS} models, got {len(names)}")
    return names


def check_predictions(given: Any, where: str, n_shots: int) -> list[dict[str, Any]]:
    """Return the most probable labels after 0, 1, ... shots.

    Raises: TypeError or ValueError for a wrong number of shots or labels, labels that occur twice,
    and probabilities that are none, or do not fall.
    """
    checked = []
    for k, one in enumerate(each_shot(given, where, n_shots)):
        here = f"{where}[{k}]"
        if not isinstance(one, Mapping):
            raise TypeError(f"{here} must be a mapping, got {type(one).__name__}")
        if set(one) != {"labels", "probabilities"}:
            raise ValueError(f"{here} must have the keys labels, probabilities, got {[*one]}")
        labels = one["labels"]
        if isinstance(labels, str) or not isinstance(labels, Sequence):
            raise TypeError(f"{here}['labels'] must be a list, got {type(labels).__name__}")
        labels = [short(label, f"{here}['labels'][{i}]") for i, label in enumerate(labels)]
        if len(labels) != N_LABELS or len(set(labels)) != N_LABELS:
            raise ValueError(f"{here}['labels'] must be {N_LABELS} different ones, got {labels}")
        values = shares(one["probabilities"], f"{here}['probabilities']", N_LABELS)
        if any(a < b for a, b in itertools.pairwise(values)):
            raise ValueError(f"{here}['probabilities'] must not increase, got {values}")
        if sum(values) > 1 + TOLERANCE:
            raise ValueError(
                f"{here}['probabilities'] must sum to at most 1, they sum to {sum(values):.4g}"
            )
        checked.append({"labels": labels, "probabilities": values})
    return checked


def check_attention(given: Any, where: str, n_shots: int) -> list[list[float]] | None:
    """Return the weights of the query after 0, 1, ... shots, or None where there are none.

    Raises: TypeError or ValueError for a wrong number of shots or weights, and weights that are
    no distribution.
    """
    if given is None:
        return None
    checked = []
    for k, weights in enumerate(each_shot(given, where, n_shots)):
        values = shares(weights, f"{where}[{k}]", 2 * k + 1)
        if abs(sum(values) - 1) > TOLERANCE:
            raise ValueError(f"{where}[{k}] must sum to 1, it sums to {sum(values):.4g}")
        checked.append(values)
    return checked


def each_shot(given: Any, where: str, n_shots: int) -> Sequence[Any]:
    """Return a list of one entry for 0 shots, one for 1, ... Raises: TypeError or ValueError."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"{where} must be a list, got {type(given).__name__}")
    if len(given) != n_shots + 1:
        raise ValueError(
            f"{where} must have {n_shots + 1} entries, for 0 to {n_shots} shots, got {len(given)}"
        )
    return given


def shares(values: Any, name: str, count: int) -> list[float]:
    """Return numbers between 0 and 1 with four decimals.

    Raises: TypeError or ValueError for what is not `count` such numbers.
    """
    array = real_array(values, name, (count,))
    for value in array[(array < 0) | (array > 1 + 1e-6)]:  # a softmax may round to a bit over 1
        raise ValueError(f"{name} must lie between 0 and 1, got {value:g}")
    return np.round(array.clip(0, 1), DECIMALS).tolist()

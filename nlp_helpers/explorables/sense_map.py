"""Where the occurrences of a word lie, by sense, in a mixture of layers that the reader weighs."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import traitlets

from nlp_helpers.explorables.base import Explorable, html_table, index_of, real_array, text_of
from nlp_helpers.explorables.color_scale import two_decimals

LAYER_NAMES = ("characters", "lower LSTM layer", "upper LSTM layer")
DIMENSIONS = (2, 16)
MAX_SENSES = 6  # as many shapes as the page has
MAX_WORDS = 100  # of a sentence
REACH = 10.0  # the largest coordinate that is kept, so that two decimals are enough
SAME = 1e-5  # of a layer's largest number: what a matrix product in float32 may differ by
TIE = 1e-9  # of the largest squared distance: what a sum in float64 may differ by


class SenseItem(NamedTuple):
    """One occurrence of a word: its sentence, its place, its sense, and its vector in every layer.

    Shape: vectors [n_layers, width]; the word is words[position].
    """

    words: tuple[str, ...]
    position: int
    sense: str
    vectors: Any


class SenseMap(Explorable):
    """Weigh the layers of a word's vectors and see whether its senses come apart.

    Items with the same word (`words[position]`, letter for letter) make one map. Each word's
    vectors are centred layer by layer, which moves a map and changes no distance in it, and
    projected to the `n_dimensions` principal components of all its layers together;
    `variance_kept` says how much of each layer is left. They are scaled so that the largest
    coordinate is 10, and kept with two decimals: six words of 40 occurrences in 3 layers of 12
    dimensions take about 75 KB. Vectors of one layer that differ by rounding only are made the
    same.

    `word` is the index of the chosen word, `sliders` the positions (0 to 1) that the page scales to
    weights of sum 1, `marked` the chosen occurrence (from 1; 0 for none), `fit` whether the map is
    enlarged to its points or has one scale for all weights. The page computes mixture, map,
    neighbours and accuracy itself.

    Shape: vectors of an item [n_layers, width], n_layers = len(layer_names).

    Raises: TypeError or ValueError, naming the item, for no items, a position out of range, other
    numbers of layers or widths, numbers that are not finite; ValueError for a word with one sense
    only or more than 6, n_dimensions outside 2…16, and over 200 KB.
    """

    _source = "sense_map.js"
    title = "Which layer knows the sense?"

    words = traitlets.List().tag(sync=True)
    layer_names = traitlets.List().tag(sync=True)
    n_dimensions = traitlets.Int(12).tag(sync=True)
    sliders = traitlets.List().tag(sync=True)
    word = traitlets.Int(0).tag(sync=True)
    marked = traitlets.Int(0).tag(sync=True)
    fit = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        items: Sequence[SenseItem] = (),
        layer_names: Sequence[str] = LAYER_NAMES,
        n_dimensions: int = 12,
        *,
        name: str = "sense-map",
        word: str | None = None,
    ) -> None:
        layers = check_layer_names(layer_names)
        check_dimensions(n_dimensions)
        grouped = check_items(items, len(layers))
        if word is not None and word not in grouped:
            raise ValueError(f"word must be one of {[*grouped]}, got {word!r}")
        super().__init__(
            name,
            words=[state_of(one, grouped[one], int(n_dimensions)) for one in grouped],
            layer_names=layers,
            n_dimensions=int(n_dimensions),
            sliders=[1.0] * len(layers),
            word=0 if word is None else [*grouped].index(word),
        )

    @traitlets.validate("word")
    def _check_word(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "word", len(self.words))

    @traitlets.validate("marked")
    def _check_marked(self, proposal: dict[str, Any]) -> int:
        most = max(len(one["occurrences"]) for one in self.words)
        return index_of(proposal["value"], "marked", most + 1)

    @traitlets.validate("sliders")
    def _check_sliders(self, proposal: dict[str, Any]) -> list[float]:
        return check_sliders(proposal["value"], len(self.layer_names)).tolist()

    @property
    def variance_kept(self) -> dict[str, list[float]]:
        """Of each word, the share of every layer's variance that the kept dimensions hold."""
        return {one["word"]: list(one["kept"]) for one in self.words}

    def vectors(self, word: int) -> np.ndarray:
        """Return the vectors that the page has of a word.

        Shape: returns [n_layers, occurrence, n_dimensions].
        """
        lines = self.words[index_of(word, "word", len(self.words))]["layers"]
        numbers = [[float(number) for number in line.split(" ")] for line in lines]
        return np.reshape(numbers, (len(lines), -1, self.n_dimensions))

    def senses(self, word: int) -> list[str]:
        """Return the sense of each occurrence of a word."""
        one = self.words[index_of(word, "word", len(self.words))]
        return [one["senses"][occurrence["sense"]] for occurrence in one["occurrences"]]

    def accuracy(self, word: int, sliders: Sequence[float]) -> float:
        """Return the leave-one-out accuracy of a word at some positions of the sliders."""
        weights = weights_of(check_sliders(sliders, len(self.layer_names)))
        mixture = np.tensordot(weights, self.vectors(word), axes=1)
        return leave_one_out_accuracy(mixture, self.senses(word))

    def fallback_html(self) -> str:
        """Return every word's accuracy by layer as a table, and what its numbers are."""
        settings = [*np.eye(len(self.layer_names)), np.ones(len(self.layer_names))]
        rows = [
            [one["word"], f"{len(one['occurrences'])}", f"{majority_baseline(self.senses(k)):.3f}"]
            + [f"{self.accuracy(k, sliders):.3f}" for sliders in settings]
            for k, one in enumerate(self.words)
        ]
        header = ["word", "occurrences", "majority", *self.layer_names, "equal weights"]
        caption = "Share of occurrences whose sense the nearest centroid names, by layer"
        return html_table(caption, header, rows) + "".join(
            f"<p>{html.escape(text)}</p>"
            for text in (
                "Each occurrence is left out in turn: the centroids, one per sense, are the means "
                "of the other occurrences. A tie goes to the word's most frequent sense, so that a "
                "layer that has one vector for all occurrences reaches the majority baseline.",
                f"Vectors are projected to {self.n_dimensions} dimensions.",
            )
        )


def leave_one_out_accuracy(vectors: Any, senses: Sequence[str]) -> float:
    """Return how often the nearest sense centroid, made without the occurrence, is the right one.

    The centroid of a sense is the mean of its vectors but for the occurrence's own; a sense of
    which nothing is left has none. Distances that differ by less than 1e-9 of the largest squared
    distance from the first vector are a tie; it goes to the most frequent sense, and among equally
    frequent ones to the first in alphabetical order. So vectors that are all the same reach
    exactly the majority baseline (or 0, if no sense occurs twice).

    Shape: vectors [occurrence, width].

    Raises: TypeError or ValueError for vectors that are no finite numbers of that shape, another
    number of senses, a sense that is no text, or one sense only.
    """
    array = real_array(vectors, "vectors", (None, None))
    names = senses_by_frequency(senses)
    if len(senses) != len(array):
        raise ValueError(f"senses must be {len(array)}, one for each vector, got {len(senses)}")
    own = np.array([names.index(sense) for sense in senses])
    return float((nearest_centroids(array, own, len(names)) == own).mean())


def majority_baseline(senses: Sequence[str]) -> float:
    """Return the share of the most frequent sense.

    Raises: TypeError or ValueError as `leave_one_out_accuracy` for the senses.
    """
    names = senses_by_frequency(senses)
    return [*senses].count(names[0]) / len(senses)


def nearest_centroids(vectors: np.ndarray, senses: np.ndarray, n_senses: int) -> np.ndarray:
    """Return the sense whose centroid, made without the occurrence, is nearest to each vector.

    Shape: vectors [occurrence, width]; senses and what is returned [occurrence], in 0…n_senses-1,
    the first of those that tie.
    """
    moved = vectors - vectors[0]  # exactly zero where all vectors are the same
    belongs = senses[:, None] == np.arange(n_senses)
    counts = belongs.sum(axis=0) - belongs  # [occurrence, sense], without the occurrence
    sums = belongs.T.astype(float) @ moved - belongs[:, :, None] * moved[:, None, :]
    centroids = sums / np.maximum(counts, 1)[:, :, None]
    distances = ((moved[:, None, :] - centroids) ** 2).sum(axis=-1)
    distances = np.where(counts > 0, distances, np.inf)
    slack = TIE * (moved**2).sum(axis=-1).max()
    return (distances <= distances.min(axis=1, keepdims=True) + slack).argmax(axis=1)


def senses_by_frequency(senses: Sequence[str]) -> list[str]:
    """Return the different senses, the most frequent first, equally frequent ones by alphabet.

    Raises: TypeError or ValueError for no list of texts, or one sense only.
    """
    if isinstance(senses, str) or not isinstance(senses, Sequence):
        raise TypeError(f"senses must be a list of texts, got {type(senses).__name__}")
    counts = Counter(text_of(sense, f"senses[{k}]") for k, sense in enumerate(senses))
    if len(counts) < 2:
        raise ValueError(f"senses must hold at least two different ones, got {[*counts]}")
    return sorted(counts, key=lambda sense: (-counts[sense], sense))


def weights_of(sliders: np.ndarray) -> np.ndarray:
    """Return the positions of the sliders scaled to sum 1; equal weights if all of them are 0."""
    total = sliders.sum()
    return sliders / total if total > 0 else np.full(len(sliders), 1 / len(sliders))


def project(vectors: np.ndarray, n_dimensions: int) -> tuple[np.ndarray, list[float]]:
    """Return a word's vectors in common principal components, and what is kept of each layer.

    Every layer is centred; the components are those of all layers stacked, each with its sign such
    that its largest loading is positive. A layer without variance is kept whole.

    Shape: vectors [n_layers, occurrence, width]; returns [n_layers, occurrence, n_dimensions],
    with zeros where there are fewer components.
    """
    centred = np.stack([merged(layer) for layer in vectors])
    centred = centred - centred.mean(axis=1, keepdims=True)
    for layer, given in zip(centred, vectors, strict=True):
        if np.abs(layer).max() <= SAME * np.abs(given).max():
            layer[:] = 0  # the mean of equal numbers may be off by a rounding
    n_layers, count, width = centred.shape
    axes = np.linalg.svd(centred.reshape(-1, width), full_matrices=False)[2][:n_dimensions]
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    found = centred @ axes.T
    total, kept = (centred**2).sum(axis=(1, 2)), (found**2).sum(axis=(1, 2))
    shares = [
        float(part / whole) if whole else 1.0 for part, whole in zip(kept, total, strict=True)
    ]
    padded = np.zeros((n_layers, count, n_dimensions))
    padded[:, :, : len(axes)] = found
    return padded, shares


def merged(layer: np.ndarray) -> np.ndarray:
    """Return vectors where one that repeats an earlier one but for rounding is that earlier one.

    Shape: layer [occurrence, width], and so is what is returned.
    """
    result = layer.copy()
    slack = SAME * np.abs(layer).max()
    for k in range(1, len(result)):
        same = np.flatnonzero(np.abs(result[:k] - result[k]).max(axis=1) <= slack)
        if same.size:
            result[k] = result[same[0]]
    return result


def state_of(word: str, items: list[SenseItem], n_dimensions: int) -> dict[str, Any]:
    """Return what the page needs of a word.

    Raises: ValueError for one sense only, or more senses than there are shapes.
    """
    given = [item.sense for item in items]
    if not 2 <= len(set(given)) <= MAX_SENSES:
        raise ValueError(
            f"{word!r} must have 2 to {MAX_SENSES} senses, got {len(set(given))}: "
            f"{sorted(set(given))}"
        )
    senses = senses_by_frequency(given)
    vectors = np.stack([item.vectors for item in items], axis=1)
    found, shares = project(vectors, n_dimensions)
    largest = np.abs(found).max()
    scaled = found * (REACH / largest) if largest else found
    return {
        "word": word,
        "senses": senses,
        "occurrences": [
            {
                "words": list(item.words),
                "position": item.position,
                "sense": senses.index(item.sense),
            }
            for item in items
        ],
        "layers": [two_decimals(layer) for layer in scaled],
        "kept": [round(share, 4) for share in shares],
    }


def check_items(items: Any, n_layers: int) -> dict[str, list[SenseItem]]:
    """Return the items by word, vectors as arrays, in the order of the words' first occurrences.

    Raises: TypeError or ValueError, naming the item, for what does not fit.
    """
    if isinstance(items, str | SenseItem) or not isinstance(items, Sequence):
        raise TypeError(f"items must be a list of SenseItem, got {type(items).__name__}")
    if not items:
        raise ValueError("items must not be empty")
    grouped: dict[str, list[SenseItem]] = {}
    width = None
    for k, item in enumerate(items):
        checked = check_item(item, f"items[{k}]", n_layers)
        width = width or checked.vectors.shape[1]
        if checked.vectors.shape[1] != width:
            raise ValueError(
                f"all vectors must have the same width: items[0] has {width}, items[{k}] has "
                f"{checked.vectors.shape[1]}"
            )
        grouped.setdefault(checked.words[checked.position], []).append(checked)
    return grouped


def check_item(item: Any, where: str, n_layers: int) -> SenseItem:
    """Return one item with its vectors as a float64 array.

    Raises: TypeError for no SenseItem or a wrong type in it; ValueError for a sentence that is
    empty or too long, a position out of range, another number of layers, or no finite numbers.
    """
    if not isinstance(item, SenseItem):
        raise TypeError(f"{where} must be a SenseItem, got {type(item).__name__}")
    if isinstance(item.words, str) or not isinstance(item.words, Sequence):
        raise TypeError(f"{where}.words must be a tuple of words, got {type(item.words).__name__}")
    if not 1 <= len(item.words) <= MAX_WORDS:
        raise ValueError(f"{where}.words must number 1 to {MAX_WORDS}, got {len(item.words)}")
    words = tuple(text_of(word, f"{where}.words[{k}]") for k, word in enumerate(item.words))
    position = index_of(item.position, f"{where}.position", len(words))
    vectors = real_array(item.vectors, f"{where}.vectors", (n_layers, None))
    return SenseItem(words, position, text_of(item.sense, f"{where}.sense"), vectors)


def check_layer_names(names: Any) -> list[str]:
    """Return the layers' names as a list.

    Raises: TypeError for no list of texts; ValueError for none, blank ones, or a name twice.
    """
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise TypeError(f"layer_names must be a list of texts, got {type(names).__name__}")
    checked = [text_of(name, f"layer_names[{k}]") for k, name in enumerate(names)]
    if not checked or len(set(checked)) < len(checked):
        raise ValueError(f"layer_names must be at least one name, none of them twice: {checked}")
    return checked


def check_dimensions(n_dimensions: Any) -> None:
    """Raise TypeError or ValueError if it is no int between 2 and 16."""
    low, high = DIMENSIONS
    if isinstance(n_dimensions, bool) or not isinstance(n_dimensions, int | np.integer):
        raise TypeError(f"n_dimensions must be an int, got {type(n_dimensions).__name__}")
    if not low <= n_dimensions <= high:
        raise ValueError(f"n_dimensions must be between {low} and {high}, got {n_dimensions}")


def check_sliders(sliders: Any, n_layers: int) -> np.ndarray:
    """Return the positions of the sliders as a float64 array.

    Raises: TypeError or ValueError if they are not one number between 0 and 1 for each layer.
    """
    array = real_array(sliders, "sliders", (n_layers,))
    if array.min() < 0 or array.max() > 1:
        raise ValueError(f"sliders must be between 0 and 1, got {array.tolist()}")
    return array

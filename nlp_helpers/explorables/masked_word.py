"""Which words a model finds for a masked place, from both sides or from the left only."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import traitlets

from nlp_helpers.checks import check_int, check_number
from nlp_helpers.explorables.base import (
    Explorable,
    html_table,
    index_of,
    real_array,
    rounded,
    text_of,
)
from nlp_helpers.explorables.color_scale import color_scale
from nlp_helpers.explorables.masked_word_items import (
    DIGITS,
    MAX_SHOWN,
    TOLERANCE,
    check_places,
)
from nlp_helpers.plotting import SEQUENTIAL

MAX_TOKENS, MAX_MODELS, MAX_LENGTH = 64, 3, 40
PRINTED = 3  # as many of the most probable tokens are in the printed form
READS = {"both": "reads both sides", "left": "reads the left only"}
NOTHING = "-"  # where a model has no answer
_KEYS = ("tokens", "places", "vocab_size", "answers")
_ANSWER = ("tokens", "probabilities", "probability", "rank", "entropy")


class MaskedWord(Explorable):
    """Mask a word of a sentence and see which tokens each model thinks could stand there.

    Each item is a sentence: a mapping with the keys tokens, places (the indices of those that may
    be masked, rising), vocab_size, and answers, for each model by name a list with one entry for
    each place: None, or a mapping with tokens (the most probable ones, as many in every answer),
    probabilities (theirs, falling), probability and rank of the true token, and entropy in bits.
    `masked_word_items.masked_word_item` makes one of models' probabilities. Numbers are kept with
    four significant digits.

    `models` are the names of one to three models, `reads` says of each whether it reads "both"
    sides of the masked place or the "left" only. `sentence` is the index of the chosen item,
    `place` the index of the masked token (None: the middle one of the places), `model` the index
    of the model whose reading is shown in the sentence.

    Raises: TypeError or ValueError, naming the argument and the item, for a key that is missing or
    unknown; texts that are blank or longer than 40; more than 64 tokens; places out of range or not
    rising; other models than `models`; numbers of answers or tokens that differ; probabilities
    outside 0...1, not falling, or with a sum above 1; a rank or an entropy that is impossible; a
    sentence, place or model out of range; ValueError for over 200 KB.
    """

    _source = "masked_word.js"
    title = "Which words does the context determine?"

    items = traitlets.List().tag(sync=True)
    models = traitlets.List().tag(sync=True)
    reads = traitlets.List().tag(sync=True)
    scale = traitlets.List().tag(sync=True)
    sentence = traitlets.Int(0).tag(sync=True)
    place = traitlets.Int(0).tag(sync=True)
    model = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        sentences: Sequence[Mapping[str, Any]] = (),
        models: Sequence[str] = ("BERT", "GPT"),
        *,
        name: str = "masked-word",
        reads: Sequence[str] = ("both", "left"),
        sentence: int = 0,
        place: int | None = None,
        model: int = 0,
    ) -> None:
        models = check_models(models)
        reads = check_reads(reads, models)
        items = check_items(sentences, models)
        sentence = index_of(sentence, "sentence", len(items))
        places = items[sentence]["places"]
        super().__init__(
            name,
            items=items,
            models=models,
            reads=reads,
            scale=color_scale(SEQUENTIAL),
            sentence=sentence,
            place=places[len(places) // 2] if place is None else one_place(place, places),
            model=index_of(model, "model", len(models)),
        )

    @traitlets.validate("sentence")
    def _check_sentence(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "sentence", len(self.items))

    @traitlets.validate("place")
    def _check_place(self, proposal: dict[str, Any]) -> int:
        return one_place(proposal["value"], self.items[self.sentence]["places"])

    @traitlets.validate("model")
    def _check_model(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "model", len(self.models))

    @traitlets.observe("sentence")
    def _keep_place(self, change: dict[str, Any]) -> None:
        self.place = nearest(self.items[self.sentence]["places"], self.place)

    def fallback_html(self) -> str:
        """Return a table for each sentence and model; but for the chosen sentence, folded away."""
        others = [k for k in range(len(self.items)) if k != self.sentence]
        folded = "".join(
            f"<details><summary>{escape(sentence_text(self.items[k]['tokens']))}</summary>"
            f"{self._tables(k)}</details>"
            for k in others
        )
        return (
            f'<div class="nlpx-mw-printed">{self._tables(self.sentence)}{folded}</div>'
            "<p>Each token is masked alone. Probability and rank are those of the true token; the "
            "bits are the entropy: how open the place is.</p>"
        )

    def _tables(self, sentence: int) -> str:
        item = self.items[sentence]
        text = sentence_text(item["tokens"])
        header = ["masked", "probability", "rank", "most probable", "bits"]
        return "".join(
            html_table(
                f"{name} {READS[reads]}: \u201c{text}\u201d; ranks among "
                f"{item['vocab_size']:,} tokens",
                header,
                [
                    [item["tokens"][place], *printed(answer)]
                    for place, answer in zip(item["places"], answers, strict=True)
                ],
            )
            for name, reads, answers in zip(self.models, self.reads, item["answers"], strict=True)
        )


def printed(answer: Mapping[str, Any] | None) -> list[str]:
    """Return the cells of an answer: probability, rank, the most probable tokens, entropy."""
    if answer is None:
        return [NOTHING] * 4
    best = zip(answer["tokens"][:PRINTED], answer["probabilities"], strict=False)
    return [
        share(answer["probability"]),
        f"{answer['rank']:,}",
        ", ".join(f"{token} {share(p)}" for token, p in best),
        f"{answer['entropy']:.2f}",
    ]


def share(value: float) -> str:
    """Return a probability as text: "0.250", "1.0e-04", "0"."""
    return "0" if value == 0 else f"{value:.1e}" if value < 0.001 else f"{value:.3f}"


def sentence_text(tokens: Sequence[str]) -> str:
    """Return tokens as a line of text, without [CLS] and [SEP].

    WordPieces are joined, and no space is left before a comma or full stop.
    """
    words = [token for token in tokens if token not in ("[CLS]", "[SEP]")]
    text = re.sub(r" ##(?=\S)", "", " ".join(words or tokens))
    return re.sub(r" (?=[.,;:!?](?: |$))", "", text)


def nearest(places: Sequence[int], place: int) -> int:
    """Return the place that is nearest; of two, the left one."""
    return min(places, key=lambda one: abs(one - place))


def one_place(place: Any, places: Sequence[int]) -> int:
    """Return a place that may be masked. Raises: TypeError or ValueError if it is none."""
    if index_of(place, "place", MAX_TOKENS) not in places:
        raise ValueError(f"place must be one of {list(places)}, got {place}")
    return int(place)


def check_models(models: Any) -> list[str]:
    """Return the names of the models.

    Raises: TypeError if they are no list of texts; ValueError for none, more than three, or twice
    the same.
    """
    if isinstance(models, str) or not isinstance(models, Sequence):
        raise TypeError(f"models must be a list of names, got {type(models).__name__}")
    if not 1 <= len(models) <= MAX_MODELS:
        raise ValueError(f"models must number 1 to {MAX_MODELS}, got {len(models)}")
    names = [short(model, f"models[{m}]") for m, model in enumerate(models)]
    if len(set(names)) < len(names):
        raise ValueError(f"models must be different, got {names}")
    return names


def check_reads(reads: Any, models: Sequence[str]) -> list[str]:
    """Return for each model which side it reads. Raises: TypeError or ValueError if it is none."""
    if isinstance(reads, str) or not isinstance(reads, Sequence):
        raise TypeError(f"reads must be a list, got {type(reads).__name__}")
    if len(reads) != len(models):
        raise ValueError(f"reads must number {len(models)}, as the models, got {len(reads)}")
    for m, one in enumerate(reads):
        if one not in list(READS):
            raise ValueError(f"reads[{m}] must be one of {', '.join(READS)}, got {one!r}")
    return list(reads)


def check_items(items: Any, models: Sequence[str]) -> list[dict[str, Any]]:
    """Return the items with a list over the models for the answers.

    Raises: TypeError or ValueError, naming the item, for anything that does not fit together.
    """
    if isinstance(items, Mapping | str) or not isinstance(items, Sequence):
        raise TypeError(f"sentences must be a list of mappings, got {type(items).__name__}")
    if not items:
        raise ValueError("sentences must not be empty")
    checked = [check_item(item, f"sentences[{k}]", models) for k, item in enumerate(items)]
    counts = [
        len(answer["tokens"]) for item in checked for each in item["answers"] for answer in each
        if answer is not None
    ]  # fmt: skip
    if len(set(counts)) > 1:
        raise ValueError(
            f"all answers must have as many tokens, they have {min(counts)} to {max(counts)}"
        )
    return checked


def check_item(item: Any, where: str, models: Sequence[str]) -> dict[str, Any]:
    """Return one sentence as plain JSON types.

    Raises: TypeError or ValueError, naming the item, for anything that does not fit together.
    """
    check_keys(item, _KEYS, where)
    tokens, size = item["tokens"], item["vocab_size"]
    tokens = short_list(tokens, f"{where}['tokens']", MAX_TOKENS)
    places = check_places(item["places"], f"{where}['places']", len(tokens))
    check_int(f"{where}['vocab_size']", size, 2)
    given = item["answers"]
    if not isinstance(given, Mapping):
        raise TypeError(f"{where}['answers'] must be a mapping by model, got {given!r:.80}")
    if set(given) != set(models):
        raise ValueError(f"{where}['answers'] must have the models {models}, got {[*given]}")
    answers = []
    for model in models:
        here = f"{where}['answers'][{model!r}]"
        each = given[model]
        if isinstance(each, str) or not isinstance(each, Sequence):
            raise TypeError(f"{here} must be a list, got {type(each).__name__}")
        if len(each) != len(places):
            raise ValueError(f"{here} must number {len(places)}, as the places, got {len(each)}")
        answers.append(
            [
                None if one is None else check_answer(one, f"{here}[{i}]", tokens[place], size)
                for i, (one, place) in enumerate(zip(each, places, strict=True))
            ]
        )
    return {"tokens": tokens, "places": places, "vocab_size": size, "answers": answers}


def check_answer(answer: Any, where: str, true: str, vocab_size: int) -> dict[str, Any]:
    """Return what a model thinks of one place.

    Raises: TypeError or ValueError for a missing or unknown key; probabilities that are none, do
    not fall or sum to more than 1; a rank or an entropy that the vocabulary does not allow; and a
    true token that is not where its rank says.
    """
    check_keys(answer, _ANSWER, where)
    tokens = short_list(answer["tokens"], f"{where}['tokens']", min(MAX_SHOWN, vocab_size))
    shown = real_array(answer["probabilities"], f"{where}['probabilities']", (len(tokens),))
    for value in shown[(shown < 0) | (shown > 1)]:
        raise ValueError(f"{where}['probabilities'] must lie between 0 and 1, got {value:g}")
    check_number(f"{where}['probability']", answer["probability"], 0, 1)
    check_number(f"{where}['entropy']", answer["entropy"], 0, math.log2(vocab_size) + TOLERANCE)
    check_int(f"{where}['rank']", answer["rank"])
    if answer["rank"] > vocab_size:
        raise ValueError(f"{where}['rank'] must be at most {vocab_size}, got {answer['rank']}")
    numbers = {
        "probabilities": shown.tolist(),
        "probability": float(answer["probability"]),
        "entropy": float(answer["entropy"]),
    }
    checked = {"tokens": tokens, "rank": answer["rank"], **rounded(numbers, DIGITS)}
    check_order(checked, where, true)
    return checked


def check_order(answer: Mapping[str, Any], where: str, true: str) -> None:
    """Refuse probabilities that rise or sum to more than 1, and a rank that does not fit to them.

    Raises: ValueError.
    """
    tokens, shown, own = answer["tokens"], answer["probabilities"], answer["probability"]
    rank, beyond = answer["rank"], answer["rank"] > len(tokens)
    if any(a < b for a, b in itertools.pairwise(shown)):
        raise ValueError(f"{where}['probabilities'] must not increase, got {shown}")
    total = sum(shown) + (own if beyond else 0)
    if total > 1 + TOLERANCE:
        raise ValueError(f"{where}: the probabilities must sum to at most 1, got {total:.4g}")
    if beyond and own > shown[-1]:
        raise ValueError(
            f"{where}: the true token has rank {rank} with {own}, more than the last one shown, "
            f"{shown[-1]}"
        )
    if not beyond and (tokens[rank - 1], shown[rank - 1]) != (true, own):
        raise ValueError(
            f"{where}: the true token {true!r} has rank {rank} with {own}, but there stands "
            f"{tokens[rank - 1]!r} with {shown[rank - 1]}"
        )


def check_keys(mapping: Any, keys: Sequence[str], where: str) -> None:
    """Refuse what is no mapping with these keys. Raises: TypeError or ValueError."""
    if not isinstance(mapping, Mapping):
        raise TypeError(f"{where} must be a mapping, got {type(mapping).__name__}")
    if set(mapping) != set(keys):
        raise ValueError(f"{where} must have the keys {', '.join(keys)}, got {[*mapping]}")


def short_list(texts: Any, name: str, most: int) -> list[str]:
    """Return 1 to `most` texts of 1 to 40 characters. Raises: TypeError or ValueError."""
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise TypeError(f"{name} must be a list of texts, got {type(texts).__name__}")
    if not 1 <= len(texts) <= most:
        raise ValueError(f"{name} must number 1 to {most}, got {len(texts)}")
    return [short(text, f"{name}[{i}]") for i, text in enumerate(texts)]


def short(text: Any, name: str) -> str:
    """Return a text of 1 to 40 characters. Raises: TypeError or ValueError if it is none."""
    if len(text_of(text, name)) > MAX_LENGTH:
        raise ValueError(f"{name} must have at most {MAX_LENGTH} characters, got {text!r:.80}")
    return text

"""The "hello" network, one time step and one number at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets

from nlp_helpers.explorables.base import (
    Explorable,
    html_table,
    index_of,
    real_array,
    text_of,
)

MAX_LETTERS = 10
MAX_SNAPSHOTS = 12
MAX_HIDDEN = 6
MATRICES = ("U", "W", "V", "b", "c")


def forward(
    snapshot: Mapping[str, Any], vocabulary: str, letters: str
) -> tuple[np.ndarray, np.ndarray]:
    """Run the network over `letters` from s_0 = 0, as the page does.

    s_t = tanh(U x_t + W s_{t-1} + b), o_t = V s_t + c, p_t = softmax(o_t).

    Shape: U [hidden, vocab], W [hidden, hidden], V [vocab, hidden], b [hidden], c [vocab];
    returns states [time, hidden] and probabilities [time, vocab].
    """
    U, W, V, b, c = (np.asarray(snapshot[key], dtype=np.float64) for key in MATRICES)
    state, states, probabilities = np.zeros(len(b)), [], []
    for letter in letters:
        state = np.tanh(U[:, vocabulary.index(letter)] + W @ state + b)
        logits = V @ state + c
        weights = np.exp(logits - logits.max())
        states.append(state)
        probabilities.append(weights / weights.sum())
    return np.array(states), np.array(probabilities)


class HelloStepper(Explorable):
    """Step through a tiny character RNN and see every number of every step.

    `snapshots` holds the network after more and more training updates, each a mapping with the
    keys updates, U, W, V, b, c. The reader picks the letters, the snapshot, the time step and one
    unit of the state; `text`, `snapshot`, `step` (from 1) and `unit` are the traits behind that.

    Shape: U [hidden, vocab], W [hidden, hidden], V [vocab, hidden], b [hidden], c [vocab].

    Raises: TypeError or ValueError for anything that does not fit together, naming it.
    """

    _source = "hello_stepper.js"
    title = "Step through a network that spells"

    vocabulary = traitlets.Unicode().tag(sync=True)
    word = traitlets.Unicode().tag(sync=True)
    snapshots = traitlets.List().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    snapshot = traitlets.Int().tag(sync=True)
    step = traitlets.Int(1).tag(sync=True)
    unit = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        name: str = "hello-stepper",
        vocabulary: str = "helo",
        word: str = "hello",
        snapshots: Sequence[Mapping[str, Any]] = (),
        text: str | None = None,
    ) -> None:
        check_vocabulary(vocabulary)
        check_letters(word, "word", vocabulary, at_least=2)
        text = word[:-1] if text is None else text
        check_letters(text, "text", vocabulary)
        checked = check_snapshots(snapshots, len(vocabulary))
        super().__init__(
            name,
            vocabulary=vocabulary,
            word=word,
            snapshots=checked,
            text=text,
            snapshot=len(checked) - 1,
        )

    @traitlets.validate("text")
    def _check_text(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] == "":  # the reader may clear the box
            return ""
        return check_letters(proposal["value"], "text", self.vocabulary)

    @traitlets.validate("snapshot")
    def _check_snapshot(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "snapshot", len(self.snapshots))

    @traitlets.validate("unit")
    def _check_unit(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "unit", len(self.snapshots[0]["b"]))

    @traitlets.validate("step")
    def _check_step(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "step", MAX_LETTERS + 1)

    def fallback_html(self) -> str:
        """Return the whole forward pass of the chosen snapshot as a table."""
        chosen = self.snapshots[self.snapshot]
        letters = self.text or self.word[:-1]
        states, probabilities = forward(chosen, self.vocabulary, letters)
        rows = []
        for t, (letter, state, p) in enumerate(zip(letters, states, probabilities, strict=True)):
            known = self.word.startswith(letters[: t + 1]) and t + 1 < len(self.word)
            target = self.word[t + 1] if known else None
            loss = -np.log(p[self.vocabulary.index(target)]) if target else None
            rows.append(
                [f"{t + 1}", letter]
                + [f"{value:.2f}" for value in state]
                + [f"{value:.3f}" for value in p]
                + [target or "none", "none" if loss is None else f"{loss:.3f}"]
            )
        header = (
            ["t", "input"]
            + [f"s{i + 1}" for i in range(states.shape[1])]
            + [f"p({letter})" for letter in self.vocabulary]
            + ["target", "loss (nats)"]
        )
        caption = f"Every step over “{letters}” after {chosen['updates']} training updates"
        return html_table(caption, header, rows)


def check_vocabulary(vocabulary: Any) -> str:
    """Return `vocabulary` if it is 2 to 8 different visible characters.

    Raises: TypeError if it is not a string; ValueError otherwise.
    """
    text_of(vocabulary, "vocabulary")
    if not 2 <= len(vocabulary) <= 8 or len(set(vocabulary)) != len(vocabulary):
        raise ValueError(f"vocabulary must be 2 to 8 different letters, got {vocabulary!r}")
    if not vocabulary.isprintable() or " " in vocabulary:
        raise ValueError(f"vocabulary must hold visible characters only, got {vocabulary!r}")
    if max(map(ord, vocabulary)) > 0xFFFF:  # JavaScript would count two characters
        raise ValueError(f"vocabulary must hold characters up to U+FFFF, got {vocabulary!r}")
    return vocabulary


def check_letters(letters: Any, name: str, vocabulary: str, at_least: int = 1) -> str:
    """Return `letters` if all are in the vocabulary and they are neither too few nor too many.

    Raises: TypeError if it is not a string; ValueError otherwise.
    """
    text_of(letters, name)
    strange = sorted(set(letters) - set(vocabulary))
    if strange:
        raise ValueError(f"{name} has letters outside the vocabulary {vocabulary!r}: {strange}")
    if not at_least <= len(letters) <= MAX_LETTERS:
        raise ValueError(
            f"{name} must have {at_least} to {MAX_LETTERS} letters, got {len(letters)}: {letters!r}"
        )
    return letters


def check_snapshots(snapshots: Any, vocab_size: int) -> list[dict[str, Any]]:
    """Return the snapshots as plain dictionaries with float64 arrays that fit together.

    Raises: TypeError for a wrong type; ValueError for a missing key or a wrong shape, for
    updates that do not increase, and for too few or too many snapshots or units.
    """
    if isinstance(snapshots, Mapping | str) or not isinstance(snapshots, Sequence):
        raise TypeError(f"snapshots must be a list of mappings, got {type(snapshots).__name__}")
    if not 1 <= len(snapshots) <= MAX_SNAPSHOTS:
        raise ValueError(f"snapshots must number 1 to {MAX_SNAPSHOTS}, got {len(snapshots)}")
    checked: list[dict[str, Any]] = []
    for i, snapshot in enumerate(snapshots):
        where = f"snapshots[{i}]"
        if not isinstance(snapshot, Mapping):
            raise TypeError(f"{where} must be a mapping, got {type(snapshot).__name__}")
        if set(snapshot) != {"updates", *MATRICES}:
            raise ValueError(f"{where} must have the keys updates, U, W, V, b, c: {[*snapshot]}")
        b = real_array(snapshot["b"], f"{where}['b']", (None,))
        hidden = len(checked[0]["b"]) if checked else len(b)
        if hidden > MAX_HIDDEN:
            raise ValueError(
                f"{where} has {hidden} hidden units, at most {MAX_HIDDEN} can be drawn"
            )
        shapes = {
            "U": (hidden, vocab_size),
            "W": (hidden, hidden),
            "V": (vocab_size, hidden),
            "b": (hidden,),
            "c": (vocab_size,),
        }
        arrays = {k: real_array(snapshot[k], f"{where}['{k}']", s) for k, s in shapes.items()}
        updates = index_of(snapshot["updates"], f"{where}['updates']", 10**9)
        if checked and updates <= checked[-1]["updates"]:
            raise ValueError(f"updates must increase: {where} has {updates}")
        checked.append({"updates": updates, **arrays})
    return checked

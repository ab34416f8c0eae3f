"""A beam search as a tree that grows step by step."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import traitlets

from nlp_helpers.decoding import Candidate, Step, beam_search, select_rows
from nlp_helpers.explorables.base import Explorable, html_table, index_of, text_of

FATES = ("open", "ended", "dropped")  # what becomes of a candidate at its step
RANKINGS = ("product", "per token")
MAX_WIDTH, MAX_STEPS, MAX_CANDIDATES = 5, 30, 12
TINY = sys.float_info.min  # stands for what is smaller: the page divides by it and takes its log
_KEYS = {"parent", "label", "probability", "product", "fate"}


class BeamTree(Explorable):
    """Step through a beam search: what is kept, what is dropped, what ends, and what wins.

    `searches` holds one search per beam width; each has its width and its steps, and a step has
    its candidates (those kept, and the best of those dropped), best first, and the number of
    `others` that are not shown. A candidate is a mapping with the place of its parent among the
    candidates of the step before (None at the first step), its label, its probability given the
    parent, the product of all probabilities so far, and its fate. The reader picks width, step
    and ranking; `width`, `step` (from 0, nothing searched yet) and `ranking` are the traits
    behind that. `from_step` searches with any step function.

    Raises: TypeError or ValueError for anything that does not fit together, naming it.
    """

    _source = "beam_tree.js"
    title = "Step through a beam search"

    searches = traitlets.List().tag(sync=True)
    start = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    ranking = traitlets.Unicode("product").tag(sync=True)

    def __init__(
        self,
        name: str = "beam-tree",
        searches: Sequence[Mapping[str, Any]] = (),
        start: str = "start",
        width: int | None = None,
    ) -> None:
        checked = check_searches(searches)
        widths = [search["width"] for search in checked]
        width = widths[min(1, len(widths) - 1)] if width is None else width
        text_of(start, "start")
        super().__init__(name, searches=checked, start=start, width=check_width(width, widths))

    @classmethod
    def from_step(
        cls,
        name: str,
        step: Step,
        labels: Sequence[str],
        prompt: torch.Tensor,
        end_token: int | None,
        max_len: int,
        *,
        start: str = "start",
        widths: Sequence[int] = (1, 2, 3),
        width: int | None = None,
        dropped: int = 3,
        state: object = None,
        select: Callable[[object, torch.Tensor], object] = select_rows,
    ) -> BeamTree:
        """Search with `decoding.beam_search` at each of the widths and show all searches.

        `labels` names every token of the vocabulary; `dropped` is how many of the dropped
        candidates to show at each step, the best ones, as far as their probability is not so
        small that it would be 0; `start` is written at the root.

        Shape: prompt: integers [1, time].

        Raises: as `beam_search`; ValueError for more than one prompt, too few labels, or more
        candidates than can be drawn (the largest of the widths, and `dropped`).
        """
        if isinstance(prompt, torch.Tensor) and prompt.dim() == 2 and len(prompt) != 1:
            raise ValueError(f"prompt must be one prompt [1, time], got {list(prompt.shape)}")
        index_of(dropped, "dropped", MAX_CANDIDATES)
        widths = [index_of(one, "widths", MAX_WIDTH + 1) for one in widths]
        if max(widths, default=0) + dropped > MAX_CANDIDATES:
            raise ValueError(
                f"max(widths) + dropped must be at most {MAX_CANDIDATES}, the candidates of a step "
                f"that can be drawn; got widths {widths} and dropped {dropped}"
            )
        searches = []
        for beam_width in widths:
            steps: list[list[Candidate]] = []
            beam_search(step, prompt, beam_width, max_len, end_token, state, select=select,
                        on_step=steps.append)  # fmt: skip
            searches.append(search_of(beam_width, steps, labels, dropped))
        return cls(name, searches, start, width)

    @traitlets.validate("width")
    def _check_width(self, proposal: dict[str, Any]) -> int:
        return check_width(proposal["value"], [search["width"] for search in self.searches])

    @traitlets.validate("step")
    def _check_step(self, proposal: dict[str, Any]) -> int:
        longest = max(len(search["steps"]) for search in self.searches)
        return index_of(proposal["value"], "step", longest + 1)

    @traitlets.validate("ranking")
    def _check_ranking(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] not in RANKINGS:
            raise ValueError(f"ranking must be one of {RANKINGS}, got {proposal['value']!r}")
        return proposal["value"]

    def fallback_html(self) -> str:
        """Return every step of the chosen width, and the hypotheses at the end, as two tables."""
        search = next(s for s in self.searches if s["width"] == self.width)
        rows, words = [], {None: []}
        for t, step in enumerate(search["steps"], 1):
            here: dict[int | None, list[str]] = {}
            for i, candidate in enumerate(step["candidates"]):
                here[i] = [*words[candidate["parent"]], candidate["label"]]
                values = [probability(candidate[key]) for key in ("probability", "product")]
                fate = "kept" if candidate["fate"] == "open" else candidate["fate"]
                rows.append([str(t), " ".join(here[i]), *values, fate])
            words = here
        caption = f"Every step of the search with beam width {self.width}, from “{self.start}”"
        header = ["step", "candidate", "last factor", "product", "fate"]
        steps = html_table(caption, header, rows)
        rows = [
            [" ".join(h["words"]), probability(h["product"]), probability(per_token(h))]
            + ["yes" if h["ended"] else "no"]
            for h in sorted(hypotheses(search), key=lambda h: -self._score(h))
        ]
        by = "product" if self.ranking == "product" else "probability per token"
        header = ["hypothesis", "product", "per token", "ended"]
        results = html_table(f"What the search finds, ranked by {by}", header, rows)
        return f"{steps}{results}<p>Per token: the geometric mean of the factors.</p>"

    def _score(self, hypothesis: dict[str, Any]) -> float:
        return hypothesis["product"] if self.ranking == "product" else per_token(hypothesis)


def search_of(
    width: int, steps: Sequence[Sequence[Candidate]], labels: Sequence[str], dropped: int
) -> dict[str, Any]:
    """Return the state of one search from the candidates that `on_step` was given.

    A dropped candidate whose probability is too small for a float is counted among the others; a
    kept one is shown, with the smallest float there is.

    Raises: ValueError for a token without a label.
    """
    found, before = [], {(): 0.0}  # words so far -> log-probability in nats
    for candidates in steps:
        n_kept = sum(c.kept for c in candidates)  # they come first
        best_dropped = candidates[n_kept : n_kept + dropped]
        shown = [*candidates[:n_kept], *(c for c in best_dropped if math.exp(c.log_prob) >= TINY)]
        rows = []
        for c in shown:
            if c.tokens[-1] >= len(labels):
                raise ValueError(f"token {c.tokens[-1]} has no label: there are {len(labels)}")
            rows.append(
                {
                    "parent": c.parent if found else None,
                    "label": labels[c.tokens[-1]],
                    "probability": max(math.exp(c.log_prob - before[c.tokens[:-1]]), TINY),
                    "product": max(math.exp(c.log_prob), TINY),
                    "fate": "ended" if c.finished else "open" if c.kept else "dropped",
                }
            )
        before = {c.tokens: c.log_prob for c in shown}
        found.append({"candidates": rows, "others": len(candidates) - len(shown)})
    return {"width": width, "steps": found}


def hypotheses(search: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a search finds: all that have ended, then what is open after the last step."""
    ended, before = [], {None: []}
    for step in search["steps"]:
        still_open, here = [], {}
        for i, candidate in enumerate(step["candidates"]):
            here[i] = [*before[candidate["parent"]], candidate["label"]]
            is_end = candidate["fate"] == "ended"
            one = {"words": here[i], "product": candidate["product"], "ended": is_end}
            if candidate["fate"] != "dropped":
                (ended if is_end else still_open).append(one)
        before = here
    return ended + still_open


def per_token(hypothesis: Mapping[str, Any]) -> float:
    """Return the geometric mean of the factors of a hypothesis."""
    return hypothesis["product"] ** (1 / len(hypothesis["words"]))


def probability(value: float) -> str:
    """Return a probability to three significant digits, two below 0.001, as the page writes it."""
    if 0.9995 <= value < 1 - 1e-9:
        return "> 0.999"
    if value < 1e-5:
        return f"{value:.1e}"
    digits = (1 if value < 1e-3 else 2) - math.floor(math.log10(value))
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def check_width(width: Any, widths: Sequence[int]) -> int:
    """Return `width` if there is a search of that width.

    Raises: TypeError if it is not an int; ValueError if there is none.
    """
    if index_of(width, "width", MAX_WIDTH + 1) not in widths:
        raise ValueError(f"width must be one of {list(widths)}, got {width}")
    return width


def check_searches(searches: Any) -> list[dict[str, Any]]:
    """Return the searches as plain dictionaries that fit together.

    Raises: TypeError for a wrong type; ValueError for widths that do not increase, too few or too
    many steps, and for whatever `check_step` refuses.
    """
    if isinstance(searches, Mapping | str) or not isinstance(searches, Sequence):
        raise TypeError(f"searches must be a list of mappings, got {type(searches).__name__}")
    if not 1 <= len(searches) <= MAX_WIDTH:
        raise ValueError(f"searches must number 1 to {MAX_WIDTH}, got {len(searches)}")
    checked: list[dict[str, Any]] = []
    for i, search in enumerate(searches):
        where = f"searches[{i}]"
        if not isinstance(search, Mapping) or set(search) != {"width", "steps"}:
            raise ValueError(f"{where} must be a mapping with the keys width, steps: {search!r}")
        width = index_of(search["width"], f"{where}['width']", MAX_WIDTH + 1)
        if width < 1 or (checked and width <= checked[-1]["width"]):
            raise ValueError(f"widths must increase from 1 upwards: {where} has {width}")
        if not 1 <= len(search["steps"]) <= MAX_STEPS:
            n_steps = len(search["steps"])
            raise ValueError(f"{where} must have 1 to {MAX_STEPS} steps, got {n_steps}")
        steps, room = [], width
        for t, step in enumerate(search["steps"]):
            before = steps[-1]["candidates"] if steps else None
            steps.append(check_step(step, f"{where}['steps'][{t}]", before, room))
            room -= sum(c["fate"] == "ended" for c in steps[-1]["candidates"])
        checked.append({"width": width, "steps": steps})
    return checked


def check_step(step: Any, where: str, before: list | None, room: int) -> dict[str, Any]:
    """Return one step as a plain dictionary, its candidates children of open ones `before`.

    Raises: ValueError for wrong keys, more candidates than can be drawn or kept, and for whatever
    `check_candidate` refuses.
    """
    if not isinstance(step, Mapping) or set(step) != {"candidates", "others"}:
        raise ValueError(f"{where} must be a mapping with the keys candidates, others: {step!r}")
    candidates = step["candidates"]
    if not 1 <= len(candidates) <= MAX_CANDIDATES:
        raise ValueError(
            f"{where} must have 1 to {MAX_CANDIDATES} candidates, got {len(candidates)}"
        )
    checked = [
        check_candidate(candidate, f"{where}['candidates'][{i}]", before)
        for i, candidate in enumerate(candidates)
    ]
    kept = sum(candidate["fate"] != "dropped" for candidate in checked)
    if kept > room:
        raise ValueError(f"{where} keeps {kept} candidates, but the beam has room for {room}")
    others = index_of(step["others"], f"{where}['others']", 10**9)
    return {"candidates": checked, "others": others}


def check_candidate(candidate: Any, where: str, before: list | None) -> dict[str, Any]:
    """Return one candidate as a plain dictionary.

    Raises: TypeError or ValueError for wrong keys, a parent that is not open, a probability
    outside (0, 1], a product that is not the parent's times the probability, an unknown fate.
    """
    if not isinstance(candidate, Mapping) or set(candidate) != _KEYS:
        raise ValueError(f"{where} must be a mapping with the keys {sorted(_KEYS)}: {candidate!r}")
    text_of(candidate["label"], f"{where}['label']")
    if candidate["fate"] not in FATES:
        raise ValueError(f"{where}['fate'] must be one of {FATES}, got {candidate['fate']!r}")
    parent, product = candidate["parent"], 1.0
    if before is None and parent is not None:
        raise ValueError(f"{where}['parent'] must be None at the first step, got {parent!r}")
    if before is not None:
        above = before[index_of(parent, f"{where}['parent']", len(before))]
        if above["fate"] != "open":
            raise ValueError(f"{where} continues {above['label']!r}, which is {above['fate']}")
        product = above["product"]
    for key in ("probability", "product"):
        value = candidate[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{where}['{key}'] must be a number, got {type(value).__name__}")
        if not 0 < value <= 1 + 1e-9:
            raise ValueError(f"{where}['{key}'] must be in (0, 1], got {value}")
    whole = max(product * candidate["probability"], TINY)
    if not math.isclose(whole, candidate["product"], rel_tol=1e-3):
        raise ValueError(
            f"{where}['product'] must be {product} * {candidate['probability']}, "
            f"got {candidate['product']}"
        )
    return dict(candidate)

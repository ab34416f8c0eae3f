"""Which token a language model may write next, under a temperature, top-k and top-p."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets

from nlp_helpers.checks import check_number
from nlp_helpers.explorables.base import Explorable, html_table, index_of, real_array, text_of

TEMPERATURES = (0.1, 2.0)
TOP_PS = (0.05, 1.0)
FLOOR = 99.99  # a logit lies at most this far below its prompt's highest
FALLBACK_TOKENS = 10
_MARKS = {" ": "\u2423", "\n": "\u23ce", "\t": "\u21e5"}


class NextToken(Explorable):
    """Set temperature, top-k and top-p, and see which tokens of a vocabulary can still be drawn.

    `pieces` are the tokens as text, with the space that belongs to them; two of them may read
    alike. Of each prompt the page has how far every logit lies below the highest, with four
    digits and at most 99.99. So a probability above 1e-4 is at most 0.6 percent off, at every
    temperature that the page offers, and 4,096 pieces with 5 prompts take about 160 KB. The page
    cuts and draws itself; `logits` returns what it has.

    `prompt` is the index of the chosen prompt; `temperature`, `top_k` (None: all) and `top_p` are
    those of `decoding.next_token_distribution`; `seed` (below 2^32) starts the page's draws.

    Shape: logits [prompt, piece].

    Raises: TypeError or ValueError, naming the argument, for less than two pieces, an empty piece,
    no prompts, a blank one or one twice, logits of another shape or not finite, a temperature
    outside 0.1…2, a top_k that is not between 1 and the number of pieces, a top_p outside 0.05…1,
    a prompt or seed out of range; ValueError for over 200 KB.
    """

    _source = "next_token.js"
    title = "How free is the choice of the next token?"

    pieces = traitlets.List().tag(sync=True)
    prompts = traitlets.List().tag(sync=True)
    gaps = traitlets.List().tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    prompt = traitlets.Int(0).tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    top_k = traitlets.Int(None, allow_none=True).tag(sync=True)
    top_p = traitlets.Float(1.0).tag(sync=True)

    def __init__(
        self,
        pieces: Sequence[str] = (),
        prompts: Sequence[str] = (),
        logits: Any = (),
        *,
        name: str = "next-token",
        prompt: int = 0,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> None:
        pieces, prompts = check_pieces(pieces), check_prompts(prompts)
        array = real_array(logits, "logits", (len(prompts), len(pieces)))
        check_number("temperature", temperature, *TEMPERATURES)
        check_number("top_p", top_p, *TOP_PS)
        super().__init__(
            name,
            pieces=pieces,
            prompts=prompts,
            gaps=[four_digits(row.max() - row) for row in array],
            seed=index_of(seed, "seed", 2**32),
            prompt=index_of(prompt, "prompt", len(prompts)),
            temperature=float(temperature),
            top_k=check_top_k(top_k, len(pieces)),
            top_p=float(top_p),
        )

    @traitlets.validate("prompt")
    def _check_prompt(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "prompt", len(self.prompts))

    @traitlets.validate("seed")
    def _check_seed(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "seed", 2**32)

    @traitlets.validate("temperature")
    def _check_temperature(self, proposal: dict[str, Any]) -> float:
        check_number("temperature", proposal["value"], *TEMPERATURES)
        return proposal["value"]

    @traitlets.validate("top_k")
    def _check_top_k(self, proposal: dict[str, Any]) -> int | None:
        return check_top_k(proposal["value"], len(self.pieces))

    @traitlets.validate("top_p")
    def _check_top_p(self, proposal: dict[str, Any]) -> float:
        check_number("top_p", proposal["value"], *TOP_PS)
        return proposal["value"]

    def logits(self, prompt: int) -> np.ndarray:
        """Return the logits that the page has of a prompt; the highest is 0.

        Shape: returns [piece].
        """
        line = self.gaps[index_of(prompt, "prompt", len(self.prompts))]
        return -np.array([float(gap) for gap in line.split(" ")])

    def fallback_html(self) -> str:
        """Return each prompt's most probable tokens at temperature 1 as a table."""
        return "".join(
            html_table(
                f"Most probable next tokens after \u201c{readable_text(prompt, keep=' ')}\u201d, "
                f"of {len(self.pieces):,}; temperature 1, nothing cut",
                ["rank", "next token", "probability", "sum so far"],
                self._most_probable(k),
            )
            for k, prompt in enumerate(self.prompts)
        ) + (
            "<p>\u2423 is a space that belongs to the token, \u23ce the end of a line, \u21e5 a "
            "tab.</p>"
        )

    def _most_probable(self, prompt: int) -> list[list[str]]:
        weights = np.exp(self.logits(prompt))
        probabilities = weights / weights.sum()
        order = np.argsort(-probabilities, kind="stable")[:FALLBACK_TOKENS]
        sums = probabilities[order].cumsum()
        return [
            [
                f"{rank}",
                readable_text(self.pieces[token]),
                f"{probabilities[token]:.3f}",
                f"{s:.3f}",
            ]
            for rank, (token, s) in enumerate(zip(order, sums, strict=True), start=1)
        ]


def readable_text(text: str, keep: str = "") -> str:
    r"""Return a text in which every character can be seen: " a\n" becomes "␣a⏎".

    Spaces, line ends and tabs have signs of their own; what else shows nothing, or turns the text
    around it, is written as in a Python string. Characters in `keep` stay as they are.
    """

    def seen(character: str) -> str:
        if character in keep or unicodedata.category(character)[0] not in "CZ":
            return character
        code = ord(character)
        return _MARKS.get(character) or (
            f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000
            else f"\\U{code:08x}"
        )  # fmt: skip

    return "".join(map(seen, text))


def four_digits(gaps: np.ndarray) -> str:
    """Return numbers from 0 to 99.99 as one text with four digits each: ".0312 4.250 17.08".

    What is larger becomes 99.99. Written as decimals, the numbers of a committed notebook are
    compared with a tolerance.

    Shape: gaps [count].
    """

    def written(gap: float) -> str:
        if gap < 0.99995:
            return f"{gap:.4f}"[1:]
        return f"{gap:.3f}" if gap < 9.9995 else f"{min(gap, FLOOR):.2f}"

    return " ".join(map(written, gaps.tolist()))


def check_pieces(pieces: Any) -> list[str]:
    """Return the pieces as a list.

    Raises: TypeError if it is no list of strings; ValueError for less than two, or an empty one.
    """
    if isinstance(pieces, str) or not isinstance(pieces, Sequence):
        raise TypeError(f"pieces must be a list of texts, got {type(pieces).__name__}")
    if len(pieces) < 2:
        raise ValueError(f"pieces must number at least 2, got {len(pieces)}")
    for k, piece in enumerate(pieces):
        if not isinstance(piece, str):
            raise TypeError(f"pieces[{k}] must be a string, got {type(piece).__name__}")
        if not piece:
            raise ValueError(f"pieces[{k}] must not be empty")
    return list(pieces)


def check_prompts(prompts: Any) -> list[str]:
    """Return the prompts as a list.

    Raises: TypeError if it is no list of strings; ValueError for none, a blank one, or one twice.
    """
    if isinstance(prompts, str) or not isinstance(prompts, Sequence):
        raise TypeError(f"prompts must be a list of texts, got {type(prompts).__name__}")
    if not prompts:
        raise ValueError("prompts must not be empty")
    checked = [text_of(prompt, f"prompts[{k}]") for k, prompt in enumerate(prompts)]
    twice = sorted({prompt for prompt in checked if checked.count(prompt) > 1})
    if twice:
        raise ValueError(f"each prompt may occur once, got again: {twice}")
    return checked


def check_top_k(top_k: Any, n_pieces: int) -> int | None:
    """Return `top_k` if it is None (for all) or an int between 1 and the number of pieces.

    Raises: TypeError or ValueError if it is not.
    """
    if top_k is None:
        return None
    if isinstance(top_k, bool) or not isinstance(top_k, int | np.integer):
        raise TypeError(f"top_k must be an int or None, got {type(top_k).__name__}")
    if not 1 <= top_k <= n_pieces:
        raise ValueError(f"top_k must be between 1 and the {n_pieces} pieces, got {top_k}")
    return int(top_k)

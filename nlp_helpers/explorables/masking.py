"""Which places of a text a masked language model is asked for, and what it reads there."""

from __future__ import annotations

import html
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

import numpy as np
import traitlets

from nlp_helpers.checks import check_number
from nlp_helpers.explorables.base import Explorable, html_table, index_of, real_array, rounded

MASK = "[MASK]"
KINDS = ("mask", "random", "kept")  # the order of the shares
RATES = (0.05, 0.5)
MAX_TOKENS, MAX_LENGTH, MAX_DRAWS = 128, 40, 10_000
FALLBACK_DRAWS = 100
LOSS_WORDS = (
    "The loss counts only the chosen places: what the model says at the others is not scored."
)
_PERCENTS = ("share", "expected", "long text")
_LABELS = {
    "free": "may be chosen",
    "chosen": "chosen",
    "mask": "[MASK]",
    "random": "random",
    "kept": "kept",
    "places": "different places",
}


class Chosen(NamedTuple):
    """A place that the model is asked for: its index, what happened there, what is read there."""

    place: int
    kind: str  # one of KINDS
    token: str


class Masking(Explorable):
    """Draw the places that a masked language model is asked for, again and again, and count them.

    `texts` are lists of tokens, `pieces` the list that random tokens are drawn from. Tokens in
    `specials` are never chosen. Of the n others max(1, round(rate · n)) are, a half rounded to the
    even number; each chosen one becomes [MASK], becomes a random token (it may be the same one by
    chance) or is kept, by `shares` in this order. `dynamic`: each draw chooses anew; else all have
    the places and tokens of draw 1, as if the data had been masked once. Page and Python draw the
    same: see `draw`. A higher rate adds places and leaves those that were chosen.

    `text` is the index of the chosen text, `number` counts the draws (or epochs) from 1 and
    `compare` shows the same places under the shares 100/0/0 too.

    Source: Devlin et al. 2019, section 3.1, task 1; Liu et al. 2019 (RoBERTa), section 4.1 for
    static and dynamic. BERT's code counts the special tokens in n too, and caps the number chosen.

    Shape: texts [text][token], 1 to 128 tokens each; pieces [piece]; shares [3], whole percents.

    Raises: TypeError or ValueError, naming the argument, for no texts or pieces, tokens that are
    no strings, blank, longer than 40 or hold what cannot be seen, [MASK] in a text, a text of
    special tokens only, a special token or [MASK] among the pieces, a piece twice, a rate outside
    0.05…0.5, shares that are no three whole percents of sum 1, and a text, seed (below 2^32) or
    number (1 to 10,000) out of range; ValueError for over 200 KB.
    """

    _source = "masking.js"
    title = "Which places is the model asked for?"

    texts = traitlets.List().tag(sync=True)
    pieces = traitlets.List().tag(sync=True)
    specials = traitlets.List().tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    rate = traitlets.Float(0.15).tag(sync=True)
    shares = traitlets.List([0.8, 0.1, 0.1]).tag(sync=True)
    dynamic = traitlets.Bool(True).tag(sync=True)
    text = traitlets.Int(0).tag(sync=True)
    number = traitlets.Int(1).tag(sync=True)
    compare = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        texts: Sequence[Sequence[str]] = (),
        pieces: Sequence[str] = (),
        *,
        specials: Sequence[str] = ("[CLS]", "[SEP]", "[PAD]"),
        name: str = "masking",
        rate: float = 0.15,
        shares: Sequence[float] = (0.8, 0.1, 0.1),
        seed: int = 0,
        dynamic: bool = True,
        text: int = 0,
        number: int = 1,
        compare: bool = False,
    ) -> None:
        specials = check_tokens(specials, "specials")
        texts = check_texts(texts, specials)
        pieces = check_pieces(pieces, specials)
        check_number("rate", rate, *RATES)
        for key, value in (("dynamic", dynamic), ("compare", compare)):
            if not isinstance(value, bool):
                raise TypeError(f"{key} must be a bool, got {type(value).__name__}")
        super().__init__(
            name,
            texts=texts,
            pieces=pieces,
            specials=specials,
            seed=index_of(seed, "seed", 2**32),
            rate=float(rate),
            shares=check_shares(shares),
            dynamic=dynamic,
            text=index_of(text, "text", len(texts)),
            number=check_draw(number),
            compare=compare,
        )

    @traitlets.validate("text")
    def _check_text(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "text", len(self.texts))

    @traitlets.validate("seed")
    def _check_seed(self, proposal: dict[str, Any]) -> int:
        return index_of(proposal["value"], "seed", 2**32)

    @traitlets.validate("number")
    def _check_number(self, proposal: dict[str, Any]) -> int:
        return check_draw(proposal["value"])

    @traitlets.validate("rate")
    def _check_rate(self, proposal: dict[str, Any]) -> float:
        check_number("rate", proposal["value"], *RATES)
        return rounded(proposal["value"])

    @traitlets.validate("shares")
    def _check_shares(self, proposal: dict[str, Any]) -> list[float]:
        return check_shares(proposal["value"])

    def free(self, text: int) -> list[int]:
        """Return the places of a text that may be chosen. Raises: as `draw`."""
        tokens = self.texts[index_of(text, "text", len(self.texts))]
        return [place for place, token in enumerate(tokens) if token not in self.specials]

    def draw(self, text: int, number: int) -> list[Chosen]:
        """Return the places that the page chooses in a draw of a text, in the text's order.

        Every text and draw has its own random numbers. Static masking repeats draw 1.

        Raises: TypeError or ValueError for a text or number out of range.
        """
        free, number = self.free(text), check_draw(number)
        seed = mixed_seed(self.seed, text, number if self.dynamic else 1)
        chosen = choose(free, self.rate, self.shares, len(self.pieces), uniform_numbers(seed))
        tokens = self.texts[text]
        return [
            Chosen(
                place, kind, {"mask": MASK, "random": self.pieces[piece]}.get(kind, tokens[place])
            )
            for place, kind, piece in chosen
        ]

    def counts(self, text: int, number: int) -> dict[str, int]:
        """Return what draws 1 to `number` of a text have done, as the page counts it.

        free: tokens that could be chosen; chosen, and of these mask, random and kept; places: how
        many different ones have been chosen.

        Raises: TypeError or ValueError for a text or number out of range.
        """
        free, number = self.free(text), check_draw(number)
        found, places = dict.fromkeys(KINDS, 0), set()
        for k in range(1, number + 1):
            for place, kind, _ in self.draw(text, k):
                found[kind] += 1
                places.add(place)
        chosen = sum(found.values())
        return {"free": len(free) * number, "chosen": chosen, **found, "places": len(places)}

    def fallback_html(self) -> str:
        """Return the counts over 100 draws of the chosen text, and its first draw, as tables."""
        word, tokens = "draw" if self.dynamic else "epoch", self.texts[self.text]
        first = {one.place: one for one in self.draw(self.text, 1)}
        read = [first[k].token if k in first else token for k, token in enumerate(tokens)]
        return (
            html_table(
                f"Tokens, {'dynamic' if self.dynamic else 'static'} masking",
                ["tokens", f"{word} 1", f"{FALLBACK_DRAWS} {word}s", *_PERCENTS],
                self._count_rows(),
            )
            + "<p>Share, expected and long text are in percent of the tokens that may be chosen; "
            "in a long text the rounding to whole tokens does not matter.</p>"
            + html_table(
                f"What the model is asked for in {word} 1",
                ["place", "right token", "is read as", "kind"],
                [
                    [f"{place}", tokens[place], one.token, _LABELS[one.kind]]
                    for place, one in first.items()
                ],
            )
            + f"<p>The model reads: {html.escape(' '.join(read))}</p><p>{LOSS_WORDS}</p>"
        )

    def _count_rows(self) -> list[list[str]]:
        """What is counted: its name, in the first draw, in 100, their share, and what to expect."""
        once, all_ = (self.counts(self.text, number) for number in (1, FALLBACK_DRAWS))
        n, rounds = once["free"], FALLBACK_DRAWS if self.dynamic else 1
        parts = {"free": None, "chosen": 1.0, **dict(zip(KINDS, self.shares, strict=True))}

        def expected(key: str, rate: float) -> float:
            if key == "places":
                return 1 - (1 - rate) ** rounds
            return 1.0 if parts[key] is None else rate * parts[key]

        return [
            [
                label,
                f"{once[key]}",
                f"{all_[key]}",
                in_percent(all_[key] / (n if key == "places" else all_["free"])),
                in_percent(expected(key, once["chosen"] / n)),
                in_percent(expected(key, self.rate)),
            ]
            for key, label in _LABELS.items()
        ]


def in_percent(share: float) -> str:
    """Return a share in percent with one decimal, a half rounded up as in the page."""
    return f"{Decimal(100 * share).quantize(Decimal('0.1'), ROUND_HALF_UP)}"


def uniform_numbers(seed: int) -> Iterator[float]:
    """Yield uniform numbers from 0 to 1, those of the page; every seed has its own.

    Source: Marsaglia 2003, "Xorshift RNGs": 32 bits, the triple (13, 17, 5).
    """
    state = (seed + 1) * 2654435761 % 2**32 or 1
    for k in itertools.count():
        state ^= (state << 13) % 2**32
        state ^= state >> 17
        state ^= (state << 5) % 2**32
        if k >= 10:  # small seeds begin with small numbers
            yield state / 2**32


def mixed_seed(seed: int, text: int, number: int) -> int:
    """Return a seed for a draw of a text; two draws of one text never have the same."""
    for value in (text, number):
        seed = int(next(uniform_numbers((seed + value) % 2**32)) * 2**32)
    return seed


def number_chosen(rate: float, n_free: int) -> int:
    """Return max(1, round(rate · n)), a half rounded to the even number: how many are chosen."""
    return max(1, round(rate * n_free))


def choose(
    free: Sequence[int],
    rate: float,
    shares: Sequence[float],
    n_pieces: int,
    numbers: Iterator[float],
) -> list[tuple[int, str, int]]:
    """Return the chosen places, each with what happens there and a piece, in the text's order.

    Every chosen place takes three numbers, whatever happens there: other shares then leave the
    places as they are, and a higher rate leaves those that were chosen before.
    """
    free, chosen = list(free), []
    for k in range(number_chosen(rate, len(free))):  # the beginning of a Fisher-Yates shuffle
        other = k + int(next(numbers) * (len(free) - k))
        free[k], free[other] = free[other], free[k]
        u = next(numbers)
        kind = KINDS[0 if u < shares[0] else 1 if u < shares[0] + shares[1] else 2]
        chosen.append((free[k], kind, int(next(numbers) * n_pieces)))
    return sorted(chosen)


def check_tokens(tokens: Any, name: str) -> list[str]:
    """Return tokens as a list.

    Raises: TypeError if it is no list of strings; ValueError for a token that is empty, longer
    than 40 characters, or holds a space or a character that cannot be seen.
    """
    if isinstance(tokens, str) or not isinstance(tokens, Sequence):
        raise TypeError(f"{name} must be a list of tokens, got {type(tokens).__name__}")
    for k, token in enumerate(tokens):
        if not isinstance(token, str):
            raise TypeError(f"{name}[{k}] must be a string, got {type(token).__name__}")
        if not token or len(token) > MAX_LENGTH:
            raise ValueError(
                f"{name}[{k}] must have 1 to {MAX_LENGTH} characters, got {token!r:.80}"
            )
        if " " in token or not token.isprintable():
            raise ValueError(
                f"{name}[{k}] must have no space and nothing that cannot be seen, got {token!r}"
            )
    return list(tokens)


def check_texts(texts: Any, specials: list[str]) -> list[list[str]]:
    """Return the texts as lists of tokens.

    Raises: TypeError if they are no list of lists of strings; ValueError for none, a bad token,
    more than 128, one that is [MASK], or a text in which no token may be chosen.
    """
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise TypeError(f"texts must be a list of lists of tokens, got {type(texts).__name__}")
    if not texts:
        raise ValueError("texts must not be empty")
    checked = [check_tokens(text, f"texts[{k}]") for k, text in enumerate(texts)]
    for k, tokens in enumerate(checked):
        if len(tokens) > MAX_TOKENS:
            raise ValueError(f"texts[{k}] must have at most {MAX_TOKENS} tokens, got {len(tokens)}")
        if MASK in tokens:
            raise ValueError(
                f"texts[{k}] must not be masked already, got {MASK} at {tokens.index(MASK)}"
            )
        if not set(tokens) - set(specials):
            raise ValueError(f"texts[{k}] must have a token that is not special, got {tokens}")
    return checked


def check_pieces(pieces: Any, specials: list[str]) -> list[str]:
    """Return the pieces as a list.

    Raises: TypeError if they are no list of strings; ValueError for none, a bad one, one twice, a
    special one, or [MASK].
    """
    checked = check_tokens(pieces, "pieces")
    if not checked:
        raise ValueError("pieces must not be empty")
    for k, piece in enumerate(checked):
        if piece == MASK or piece in specials:
            raise ValueError(f"pieces[{k}] must be an ordinary token, got {piece!r}")
    twice = sorted(piece for piece, count in Counter(checked).items() if count > 1)
    if twice:
        raise ValueError(f"each piece may occur once, got again: {twice}")
    return checked


def check_shares(shares: Any) -> list[float]:
    """Return the shares of [MASK], random and kept as whole percents.

    Raises: TypeError or ValueError if they are no three numbers of sum 1 with two decimals.
    """
    array = real_array(shares, "shares", (3,))
    percents = 100 * array
    if (array < 0).any() or (abs(percents - percents.round()) > 1e-6).any():
        raise ValueError(f"shares must be whole percents from 0 to 1, got {array.tolist()}")
    if percents.round().sum() != 100:
        raise ValueError(f"shares must sum to 1, got {array.tolist()}")
    return (percents.round() / 100).tolist()


def check_draw(number: Any) -> int:
    """Return the number of a draw, 1 to 10,000. Raises: TypeError or ValueError if it is none."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise TypeError(f"number must be an int, got {type(number).__name__}")
    if not 1 <= number <= MAX_DRAWS:
        raise ValueError(f"number must be between 1 and {MAX_DRAWS}, got {number}")
    return int(number)

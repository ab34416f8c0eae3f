"""Chapter 07's exercises, each with a check that says what is right and why, and its quiz."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlp_helpers.bert_losses import PreTrainingLoss
from nlp_helpers.data.answer_spans import best_spans
from nlp_helpers.data.bert_inputs import (
    PreTrainingBatch,
    pad_rows,
    pair_row,
    pretraining_batches,
    single_row,
)
from nlp_helpers.data.masking import IGNORE, Masker
from nlp_helpers.data.wordpiece import match_steps
from nlp_helpers.exercises.harness import Case, Exercise, compare, format_value
from nlp_helpers.exercises.hints import hints_for, results_of
from nlp_helpers.explorables.quiz import Question
from nlp_helpers.models.bert import BERTForPreTraining
from nlp_helpers.models.bert_config import BERTConfig
from nlp_helpers.models.permutation import permutation_masks
from nlp_helpers.models.scaled_dot_product import causal_mask

EXACT = 1e-5  # relative tolerance where a usual error is close to the right number
UNK = "[UNK]"


def _named(answer: Any, names: Sequence[str]) -> Any:
    """The answer with the parts of its result under names, so that each is compared by itself."""
    if not callable(answer):
        return answer

    def named(*args):
        result = answer(*args)
        parts = list(result) if getattr(result, "ndim", 0) else result  # a tensor of all parts
        if not isinstance(parts, (tuple, list)) or len(parts) != len(names):
            return result
        return dict(zip(names, parts, strict=True))

    named.forward = answer  # where the harness looks for the student's own lines
    return named


def _in_form(results: Sequence | None, expected: Sequence[Mapping]) -> list:
    """The right results under names, or as a tuple where the answer has returned other parts."""
    found = results or [{}] * len(expected)
    return [
        right if isinstance(result, dict) else tuple(right.values())
        for result, right in zip(found, expected, strict=True)
    ]


def _hints_of_parts(
    results: Sequence | None,
    inputs: Sequence[tuple],
    expected: Sequence[Mapping],
    usual: Mapping[str, Sequence[tuple[Callable, str]]],
    rule: str,
) -> list[str]:
    """For each input the hint for the first part of the result that is wrong.

    Args:
        results: of a function that returns `usual`'s names with their values, see `_named`.
        usual: for each part the usual errors as in `hints_for`.
    """
    if results is None:
        return [rule] * len(inputs)
    if any(not isinstance(result, dict) or list(result) != list(usual) for result in results):
        count = {2: "both", 3: "all three"}[len(usual)]
        return [f"return {count}, in this order: {', '.join(usual)}"] * len(inputs)
    hints = {
        name: hints_for([result[name] for result in results], inputs, errors, rule)
        for name, errors in usual.items()
    }
    return [
        next(
            (hints[name][n] for name in usual if compare(result[name], right[name]) is not None),
            rule,
        )
        for n, (result, right) in enumerate(zip(results, expected, strict=True))
    ]


PIECES = Exercise(
    1,
    "longest match first",
    why="The cut follows from what is in the vocabulary and from nothing else: a longer piece wins "
    "also where it tears a root apart.",
)


def _marked(begin: int, letters: str) -> str:
    return "##" * (begin > 0) + letters


def _bare(begin: int, letters: str) -> str:
    return letters


def _hashed(begin: int, letters: str) -> str:
    return "##" + letters


def _cut(
    word: str, vocab: Collection[str], *,
    looked: Callable = _marked, kept: Callable = _marked, order: slice = slice(None),
    unknown: Callable = lambda pieces, rest: [UNK],
) -> Any:  # fmt: skip
    """The pieces from left to right; the keywords stand for the usual errors.

    Args:
        looked, kept: from the place and the letters what is looked up, and what becomes a piece.
        order: of the ends that are tried, the longest part first.
        unknown: what is returned where nothing fits, of the pieces so far and the rest.
    """
    pieces, begin = [], 0
    while begin < len(word):
        ends = range(len(word), begin, -1)[order]
        end = next((end for end in ends if looked(begin, word[begin:end]) in vocab), None)
        if end is None:
            return unknown(pieces, word[begin:])
        pieces.append(kept(begin, word[begin:end]))
        begin = end
    return pieces


def _pieces(word: str, vocab: Collection[str]) -> list[str]:
    taken = [step.taken for step in match_steps(word, vocab)]
    return [UNK] if None in taken else taken


def _all_cuts(word: str, vocab: Collection[str], begin: int = 0) -> list[list[str]]:
    """Every way to cut a word into pieces of the vocabulary, longer first pieces first."""
    if begin == len(word):
        return [[]]
    found = []
    for end in range(len(word), begin, -1):
        piece = _marked(begin, word[begin:end])
        if piece in vocab:
            found += [[piece, *rest] for rest in _all_cuts(word, vocab, end)]
    return found


def _from_the_end(word: str, vocab: Collection[str]) -> list[str]:
    pieces, end = [], len(word)
    while end:
        begin = next((b for b in range(end) if _marked(b, word[b:end]) in vocab), None)
        if begin is None:
            return [UNK]
        pieces.insert(0, _marked(begin, word[begin:end]))
        end = begin
    return pieces


def _with_either(word: str, vocab: Collection[str]) -> list[str]:
    """A part counts as found with ## or without it, wherever it stands."""
    either = {piece.removeprefix("##") for piece in vocab}
    return _cut(word, either, looked=_bare)


def _skipping(word: str, vocab: Collection[str]) -> list[str]:
    """What does not fit becomes [UNK] letter by letter, and the rest goes on."""
    pieces, begin = [], 0
    while begin < len(word):
        ends = range(len(word), begin, -1)
        end = next((end for end in ends if _marked(begin, word[begin:end]) in vocab), None)
        pieces.append(UNK if end is None else _marked(begin, word[begin:end]))
        begin = begin + 1 if end is None else end
    return pieces


def _usual_pieces() -> list[tuple[Callable, str]]:
    inside = "a piece that does not begin the word is in the vocabulary with ## before it"
    first = "the piece that begins the word has no ##"
    whole = (
        "where no piece fits at a place, the whole word becomes the one piece [UNK], whatever was "
        "found before"
    )
    greedy = (
        "take the longest piece at each place and never go back, even if another cut of the word "
        "would be possible"
    )
    return [
        (partial(_cut, looked=_bare, kept=_bare), f"{inside}: look it up so, and return it so"),
        (partial(_cut, looked=_bare), f"{inside}: look it up so"),
        (partial(_cut, kept=_bare), "pieces keep their ##: it tells that they go on with a word"),
        (partial(_cut, kept=_hashed), first),
        (partial(_cut, looked=_hashed, kept=_hashed), first),
        (_with_either, "less and ##less are two pieces: one begins a word, the other goes on"),
        (
            partial(_cut, order=slice(None, None, -1)),
            "try the longest part first: yours takes the shortest piece that fits",
        ),
        (partial(_cut, order=slice(1, None)), "try the whole rest of the word, too"),
        (partial(_cut, order=slice(None, -1)), "a piece may be a single letter"),
        (partial(_cut, unknown=lambda pieces, rest: [*pieces, UNK]), whole),
        (partial(_cut, unknown=lambda pieces, rest: pieces), whole),
        (partial(_cut, unknown=lambda pieces, rest: [*pieces, rest]), whole),
        (partial(_cut, unknown=lambda pieces, rest: [*pieces, "##" + rest]), whole),
        (partial(_cut, unknown=lambda pieces, rest: []), whole),
        (partial(_cut, unknown=lambda pieces, rest: UNK), f"return a list: ['{UNK}']"),
        (lambda *args: " ".join(_pieces(*args)), "return a list of pieces, not one string"),
        (_skipping, whole),
        (
            lambda word, vocab: [word if word in vocab else UNK],
            "a word that is not in the vocabulary is cut into pieces",
        ),
        (_from_the_end, "go from the beginning of the word to its end"),
        (lambda *args: next(iter(_all_cuts(*args)), [UNK]), greedy),
        (lambda *args: min(_all_cuts(*args), key=len, default=[UNK]), greedy),
    ]


def check_word_pieces(answer) -> None:
    """Check `word_pieces(word, vocab) -> pieces`, as `data.wordpiece.match_steps`.

    Args:
        answer: gets a word of at least one letter and a set of pieces.
    """
    rule = (
        "at each place take the longest piece of the vocabulary that fits; after the first piece "
        "look it up with ##; [UNK] if nothing fits"
    )
    spelled = [
        ("playing", "play ##ing ##i ##n ##g"),
        ("sheep", "s she sheep ##eep ##ep"),
        ("replay", "re play ##p ##l ##a ##y"),
        ("able", "a able ##ble"),
        ("lesson", "##less less l ##e ##on ##s"),
        ("lately", "l ##late ##at ##a ##e ##ely ##ly ##t"),
        ("undoing", "do un und ##do ##i ##ing ##ng ##o ##oi"),
        ("carpets", "car carp ##et ##pets ##s"),
        ("forever", "for fore ##e ##ever ##v"),
        ("cozy", "co c ##o ##y"),
        ("zoo", "o ##o ##oo"),
        ("a", "a ##a"),
    ]
    inputs = [(word, set(vocab.split())) for word, vocab in spelled]
    hints = hints_for(results_of(answer, inputs), inputs, _usual_pieces(), rule)
    PIECES.check_function(
        answer,
        [
            Case(args, _pieces(*args), shown=f"'{word}', vocabulary: {vocab}", hint=hint)
            for args, (word, vocab), hint in zip(inputs, spelled, hints, strict=True)
        ],
    )


INPUTS = Exercise(
    2,
    "segments and mask",
    why="Three numbers for each place: which token, which text, and whether it is there at all. "
    "What fills up can be anything, as long as the mask hides it.",
)
INPUT_PARTS = ("tokens", "segments", "mask")


def _rows(
    pairs, cls, sep, pad, *, marks=(True, True, True), swap=False, again=False
) -> list[list[int]]:
    """The rows before they are filled up; the keywords stand for the usual errors."""
    begin, between, end = (
        [mark] if there else [] for mark, there in zip((cls, sep, sep), marks, strict=True)
    )
    between = between + [cls] if again else between
    ordered = [(second, first) if swap else (first, second) for first, second in pairs]
    return [[*begin, *first, *between, *second, *end] for first, second in ordered]


def _filled(rows: Sequence[list], filler: Any, *, left: bool = False, more: int = 0) -> list[list]:
    """All rows as long as the longest, and `more`."""
    longest = max(map(len, rows)) + more
    fill = [[filler] * (longest - len(row)) for row in rows]
    pairs = zip(fill, rows, strict=True)
    return [added + row if left else row + added for added, row in pairs]


def _inputs(pairs, cls, sep, pad) -> dict[str, list]:
    """The right parts, under their names."""
    batch = pad_rows([pair_row(*pair, cls, sep) for pair in pairs], pad)
    return {name: part.tolist() for name, part in zip(INPUT_PARTS, batch, strict=True)}


def _usual_marks() -> list[tuple[Callable, str]]:
    """The tokens without one or more of the three marks, filled up or not."""
    hints = (
        "the row begins with [CLS]",
        "a [SEP] stands between the two texts",
        "a second [SEP] stands after the second text",
    )
    found: list[tuple[Callable, str]] = []
    for marks in product((True, False), repeat=3):
        missing = [hint for hint, there in zip(hints, marks, strict=True) if not there]
        if missing:
            made = partial(_rows, marks=marks)
            hint = "; and ".join(missing)
            found += [(lambda *args, f=made: _filled(f(*args), args[3]), hint), (made, hint)]
    return found


def _each_filled(pairs, cls, sep, pad, *, tail: bool = True) -> list[list[int]]:
    """Each text is filled up by itself, before its [SEP] or after it."""
    parts = []
    for texts in zip(*pairs, strict=True):
        rows = _filled([[*text, sep] if tail else [*text] for text in texts], pad)
        parts.append(rows if tail else [[*row, sep] for row in rows])
    return [[cls, *first, *second] for first, second in zip(*parts, strict=True)]


def _usual_tokens() -> list[tuple[Callable, str]]:
    end = "what fills up stands at the end of the row, after the last [SEP]"
    longest = "the longest row sets the length: no row is cut, and the longest is not filled up"

    def filled(**given):
        return lambda *args: _filled(_rows(*args, **given), args[3])

    def each_longest(pairs, cls, sep, pad):
        rows = _rows(pairs, cls, sep, pad)
        firsts, seconds = (max(map(len, texts)) for texts in zip(*pairs, strict=True))
        return _filled(rows, pad, more=firsts + seconds + 3 - max(map(len, rows)))

    def cut(*args):
        rows = _rows(*args)
        return [row[: min(map(len, rows))] for row in rows]

    def before_the_last(pairs, cls, sep, pad):
        rows = _filled(_rows(pairs, cls, sep, pad, marks=(True, True, False)), pad)
        return [[*row, sep] for row in rows]

    return [
        *_usual_marks(),
        (filled(swap=True), "the first text comes first"),
        (filled(again=True), "[CLS] stands only at the beginning of the row"),
        (
            lambda p, cls, sep, pad: filled()(p, sep, cls, pad),
            "[CLS] and [SEP] have changed places",
        ),
        (lambda *args: _filled(_rows(*args), args[3], left=True), end),
        (before_the_last, end),
        (_each_filled, end),
        (partial(_each_filled, tail=False), end),
        (_rows, "all rows of a batch have the same length: fill up the shorter ones"),
        (lambda *args: _filled(_rows(*args), 0), "fill up with the id of [PAD], the argument pad"),
        (each_longest, longest),
        (cut, longest),
    ]


def _usual_segments() -> list[tuple[Callable, str]]:
    first = "the first [SEP] ends the first text and belongs to it: segment 0"
    last = "the last [SEP] ends the second text and belongs to it: segment 1"
    padding = "what fills up has segment 0"
    marks = "special tokens have a segment, too: a [SEP] that of the text that it ends"

    def built(of_row: Callable, fill: Callable = lambda pad: 0, more: int = 0) -> Callable:
        def segments(pairs, cls, sep, pad):
            return _filled([of_row(len(a), len(b)) for a, b in pairs], fill(pad), more=more)

        return segments

    def right(n, m):
        return [0] * (n + 2) + [1] * (m + 1)

    return [
        (built(lambda n, m: [0] * (n + 1) + [1] * (m + 2)), first),
        (built(lambda n, m: [0] * (n + 1) + [1] * (m + 1) + [0]), f"{first}; and {last}"),
        (built(lambda n, m: [0] * (n + 2) + [1] * m + [0]), last),
        (built(right, lambda pad: 1), padding),
        (built(right, lambda pad: 2), f"{padding}: there are two segments, not three"),
        (built(right, lambda pad: pad), f"{padding}, not the id of [PAD]"),
        (
            built(lambda n, m: [1] * (n + 2) + [2] * (m + 1)),
            "segments count from 0: the first text has 0, the second 1",
        ),
        (
            built(lambda n, m: [1] * (n + 2) + [0] * (m + 1)),
            "the first text has segment 0, the second 1: yours have changed places",
        ),
        (built(lambda n, m: [0] * n + [1] * m), marks),
        (built(lambda n, m: [0] * n + [1] * m, more=3), marks),
        (built(lambda n, m: [0] * (n + 3 + m)), "the second text has segment 1"),
    ]


def _usual_input_masks() -> list[tuple[Callable, str]]:
    """The usual errors, built from the right tokens."""
    special = "special tokens are real tokens, too: only what fills up is False"

    def real(pairs, cls, sep, pad):
        return torch.tensor(_inputs(pairs, cls, sep, pad)["mask"])

    def no_specials(pairs, cls, sep, pad):
        rows = [[False, *[True] * len(a), False, *[True] * len(b), False] for a, b in pairs]
        return _filled(rows, False)

    def after_cls(*args):
        mask = real(*args)
        mask[:, 0] = False
        return mask

    def only_second(*args):
        return torch.tensor(_inputs(*args)["segments"]) == 1

    kind = "a boolean mask is wanted, one value for each token"
    return [
        (lambda *args: ~real(*args), "True = a real token: yours is the other way round"),
        (lambda *args: (~real(*args)).int(), "True = a real token: yours is the other way round"),
        (lambda *args: real(*args).int(), f"{kind}; convert your zeros and ones"),
        (lambda *args: torch.zeros(real(*args).shape).masked_fill(~real(*args), -math.inf), kind),
        (lambda *args: real(*args)[:, None, None], f"{kind}; the model makes [query, key] of it"),
        (lambda *args: real(*args).sum(dim=1), f"{kind}, not the lengths"),
        (no_specials, special),
        (after_cls, special),
        (lambda *args: torch.ones_like(real(*args)), "what fills up is no real token: False"),
        (only_second, "both texts are real: the mask is True in either segment"),
    ]


def check_pair_inputs(answer) -> None:
    """Check `pair_inputs(pairs, cls, sep, pad) -> (tokens, segments, mask)`.

    As `data.bert_inputs.pad_rows` of the `pair_row` of each pair; each part [batch, time].
    """
    rule = (
        "rows are [CLS] first [SEP] second [SEP]; segment 0 up to the first [SEP], with it, then "
        "1; fill up with pad, segment 0 and False"
    )
    inputs = [
        ([([11, 12], [13]), ([14], [15, 16, 17])], 1, 2, 0),
        ([([5, 8, 6], [7, 9]), ([3], [4]), ([8, 4, 4, 5], [6])], 101, 102, 99),
        ([([21], [22, 23])], 2, 3, 0),
        ([([7], [9, 8]), ([9, 9], [7])], 30, 31, 2),
    ]
    expected = [_inputs(*args) for args in inputs]
    usual = {
        "tokens": _usual_tokens(),
        "segments": _usual_segments(),
        "mask": _usual_input_masks(),
    }
    answer = _named(answer, INPUT_PARTS)
    results = results_of(answer, inputs)
    hints = _hints_of_parts(results, inputs, expected, usual, rule)
    cases = []
    for args, right, hint in zip(inputs, _in_form(results, expected), hints, strict=True):
        given = zip(("pairs", "cls", "sep", "pad"), args, strict=True)
        shown = ", ".join(f"{name} {format_value(value)}" for name, value in given)
        cases.append(Case(args, right, shown=shown, hint=hint))
    INPUTS.check_function(answer, cases)


MASKING = Exercise(
    3,
    "80, 10, 10",
    why="15 % of the tokens are asked for, and 12 % become [MASK]. An ordinary token may be asked "
    "for, too, as it is or as a wrong one, so the model needs a good vector at every place.",
)
MASKED_PARTS = ("seen", "targets")
RATE = 0.15
LIMITS = (0.12, 0.135, RATE)  # up to where a lot means [MASK], a random token, the token itself


def _chosen(tokens: Tensor, lots: Tensor, special_ids: Sequence[int]) -> Tensor:
    return (lots < RATE) & ~torch.isin(tokens, torch.tensor(special_ids))


def _seen(
    tokens, lots, others, special_ids, mask_id, *,
    limits=LIMITS, kinds=("masked", "random", "kept"), spared=True,
):  # fmt: skip
    """What the model sees; the keywords stand for the usual errors."""
    ordinary = ~torch.isin(tokens, torch.tensor(special_ids))
    become = {"masked": torch.full_like(tokens, mask_id), "random": others, "kept": tokens}
    seen = tokens
    for limit, kind in reversed(list(zip(limits, kinds, strict=True))):
        here = (lots < limit) & ordinary if spared else lots < limit
        seen = torch.where(here, become[kind], seen)
    return seen


def _targets(tokens, lots, others, special_ids, mask_id) -> Tensor:
    return tokens.masked_fill(~_chosen(tokens, lots, special_ids), IGNORE)


def _usual_limits() -> list[tuple[Callable, str]]:
    """The usual errors in which lot means what: (limits, kinds) and the hint."""
    ask = "a token whose lot is below 0.15 is chosen"
    part = "80 %, 10 % and 10 % are shares of the chosen tokens, not of all"
    order = "from the lowest lots on: 80 % [MASK], then 10 % random, then 10 % kept"
    kinds = ("masked", "random", "kept")
    return [
        (partial(_seen, limits=(RATE, RATE, RATE)), "not every chosen token becomes [MASK]"),
        (partial(_seen, limits=(0.8, 0.9, 1.0)), f"{part}: most tokens stay as they are"),
        (partial(_seen, limits=(0.08, 0.09, 0.1)), ask),
        (partial(_seen, limits=(0.12, 0.12, RATE)), "10 % of the chosen tokens become random ones"),
        (partial(_seen, limits=(0.12, RATE, RATE)), "10 % of the chosen tokens stay as they are"),
        (partial(_seen, limits=(0.8 * RATE, 0.9, 1.0)), part),
        (partial(_seen, limits=(0.12, 0.22, 0.32)), part),
        *(
            (partial(_seen, kinds=tuple(kinds[n] for n in turn)), order)
            for turn in ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
        ),
        *(
            (partial(_seen, limits=limits, kinds=turn), order)
            for limits, turn in (
                ((0.015, 0.03, RATE), ("random", "kept", "masked")),
                ((0.015, 0.03, RATE), ("kept", "random", "masked")),
                ((0.015, 0.135, RATE), ("random", "masked", "kept")),
                ((0.015, 0.135, RATE), ("kept", "masked", "random")),
            )
        ),
        (
            lambda tokens, lots, *rest: _seen(tokens, 1 - lots, *rest),
            f"{ask}; yours are the highest lots",
        ),
    ]


def _usual_seen() -> list[tuple[Callable, str]]:
    spared = "special tokens are never chosen, whatever their lot"

    def in_turn(tokens, lots, others, special_ids, mask_id):
        seen = _seen(tokens, lots, others, special_ids, mask_id, limits=(0.12, 0.12, RATE))
        places = _chosen(tokens, lots, special_ids) & (lots >= LIMITS[0]) & (lots < LIMITS[1])
        return seen.masked_scatter(places, others)

    def inverted(tokens, lots, others, special_ids, mask_id):
        hidden = lots >= RATE
        return tokens.masked_fill(hidden, mask_id)

    return [
        *_usual_limits(),
        (partial(_seen, spared=False), spared),
        (partial(_seen, spared=False, limits=(RATE, RATE, RATE)), spared),
        (partial(_seen, spared=False, limits=(0.8, 0.9, 1.0)), spared),
        (
            in_turn,
            "each place has its own random token: others[i] is that of place i",
        ),
        (inverted, "most tokens stay as they are: a low lot chooses, a high one does not"),
        (lambda tokens, *rest: tokens, "nothing is hidden: the model would read every answer"),
        (_targets, "seen comes first, then the targets"),
    ]


def _usual_targets() -> list[tuple[Callable, str]]:
    ignored = f"where nothing is asked for, the target is {IGNORE}"
    asked = "all chosen tokens are asked for, those that stay and those that are replaced, too"
    before = (
        "a target is the token that stood in the text: yours are taken from the row after the "
        "masking"
    )

    def kept_where(where: Callable, filler: int = IGNORE, of: Callable = lambda *args: args[0]):
        def targets(*args):
            return of(*args).masked_fill(~where(*args), filler)

        return targets

    def chosen(tokens, lots, others, special_ids, mask_id):
        return _chosen(tokens, lots, special_ids)

    def masked(tokens, lots, *rest):
        return chosen(tokens, lots, *rest) & (lots < LIMITS[0])

    def hidden(tokens, lots, *rest):
        return chosen(tokens, lots, *rest) & (lots < LIMITS[1])

    def changed(*args):
        return _seen(*args) != args[0]

    return [
        (lambda tokens, *rest: tokens, f"{ignored}: only the chosen tokens are asked for"),
        (kept_where(chosen, of=_seen), before),
        (_seen, f"{before}; and {ignored}"),
        (kept_where(masked), f"{asked}; yours are those that became [MASK]"),
        (kept_where(hidden), asked),
        (kept_where(changed), asked),
        (kept_where(lambda *args: args[1] < RATE), "special tokens are never asked for"),
        *((kept_where(chosen, n), f"{ignored}, not {n}: a token may have this id") for n in (0, 1)),
        (kept_where(chosen, -1), f"{ignored}, not -1"),
        (lambda *args: kept_where(chosen, args[4])(*args), f"{ignored}, not the id of [MASK]"),
        (kept_where(lambda *args: ~chosen(*args)), "the chosen tokens are asked for, not the rest"),
        (chosen, "a target is the token that stood there, not only whether it is asked for"),
        (lambda *args: args[0][chosen(*args)], "there is a target for each place of the row"),
    ]


def _masking_rows() -> list[tuple]:
    """Rows with padding, special tokens of low lots, and all kinds of chosen tokens."""
    rows = [
        (
            [2, 31, 17, 24, 40, 17, 3, 0],
            [0.03, 0.71, 0.05, 0.128, 0.143, 0.16, 0.13, 0.01],
            [12, 25, 33, 19, 44, 21, 38, 27],
        ),
        ([2, 9, 3], [0.4, 0.93, 0.21], [11, 14, 8]),
        ([2, 12, 15, 3], [0.9, 0.129, 0.14, 0.5], [31, 12, 28, 43]),
    ]
    given = [
        (torch.tensor(tokens), torch.tensor(lots, dtype=torch.float64), torch.tensor(others))
        for tokens, lots, others in rows
    ]
    generator = torch.Generator().manual_seed(8)
    n = 40
    tokens = torch.randint(50, (n,), generator=generator)
    lots = torch.rand(n, generator=generator, dtype=torch.float64) * 0.2
    lots[:8] = torch.linspace(0.3, 1, 9, dtype=torch.float64)[:8]
    tokens[n // 2] = 0
    lots[n // 2] = 0.05
    others = torch.randint(5, 50, (n,), generator=generator)
    return [(*row, [0, 1, 2, 3, 4], 4) for row in [*given, (tokens, lots, others)]]


def check_mask_row(answer) -> None:
    """Check `mask_row(tokens, lots, others, special_ids, mask_id) -> (seen, targets)`.

    Source: Devlin et al. 2019, section 3.1, task 1 and appendix A.1. Each token is chosen by
        itself, where `data.masking.Masker` chooses a fixed number in each row.

    Shape:
        tokens, others: int64 [time]; lots: float64 [time], in [0, 1). seen, targets: [time].
    """
    rule = (
        "a lot below 0.15 chooses an ordinary token: below 0.12 it becomes [MASK], below 0.135 the "
        f"random one, else it stays; its target is the token of the text, all others {IGNORE}"
    )
    inputs = _masking_rows()
    parts = [(_seen(*args).tolist(), _targets(*args).tolist()) for args in inputs]
    expected = [dict(zip(MASKED_PARTS, pair, strict=True)) for pair in parts]
    usual = {"seen": _usual_seen(), "targets": _usual_targets()}
    answer = _named(answer, MASKED_PARTS)
    results = results_of(answer, inputs)
    hints = _hints_of_parts(results, inputs, expected, usual, rule)
    cases = []
    for args, right, hint in zip(inputs, _in_form(results, expected), hints, strict=True):
        tokens, lots, others, special_ids, mask_id = args
        shown = f"a row of {len(tokens)} tokens"
        if len(tokens) < 10:
            shown = (
                f"tokens {tokens.tolist()}, lots {format_value(lots.tolist())}, others "
                f"{others.tolist()}, special_ids {special_ids}, mask_id {mask_id}"
            )
        cases.append(Case(args, right, shown=shown, hint=hint))
    MASKING.check_function(answer, cases)


LOSS = Exercise(
    4,
    "find the bug",
    why="BERT is asked for 15 % of the tokens. At the other places the answer can be read in the "
    "input, and a loss that counts them mostly measures how well a model copies.",
)


def _mlm_loss_with_the_bug(model, batch):
    tokens, segments, mask = batch.inputs
    logits, _ = model(tokens, segments, mask)
    text = torch.where(batch.targets == IGNORE, tokens, batch.targets)
    losses = F.cross_entropy(logits.transpose(1, 2), text, reduction="none")
    return losses[mask].mean()


def _losses(model, batch, *, masked: bool = True, change: Callable = lambda logits: logits):
    """The loss at every place, of the token of the text; the keywords stand for usual errors."""
    tokens, segments, mask = batch.inputs
    logits, _ = model(tokens, segments, mask if masked else None)
    text = torch.where(batch.targets == IGNORE, tokens, batch.targets)
    return F.cross_entropy(change(logits).transpose(1, 2), text, reduction="none")


def _loss_at(places: Callable, **given) -> Callable:
    """The mean loss where places(batch) is True; 0 if that is nowhere."""

    def loss(model, batch):
        found = _losses(model, batch, **given)[places(batch)]
        return found.mean() if len(found) else found.sum()

    return loss


def _asked(batch) -> Tensor:
    return batch.targets != IGNORE


def _usual_counts() -> list[tuple[Callable, str]]:
    """The usual errors in which places count, and in the divisor."""
    most = (
        "the symptom is still there: a model that repeats what it reads gets a low loss, since at "
        "most of the places that count the token can be read"
    )
    every = "all the tokens that were asked for count: [MASK], replaced and kept ones"
    divide = "divide by the number of tokens that were asked for"

    def over(number: Callable) -> Callable:
        return lambda model, batch: _losses(model, batch)[_asked(batch)].sum() / number(batch)

    def of_rows(model, batch):
        parts = zip(_losses(model, batch), _asked(batch), strict=True)
        return torch.stack([row[asked].mean() for row, asked in parts if asked.any()]).mean()

    return [
        (_mlm_loss_with_the_bug, most),
        (
            _loss_at(lambda batch: torch.ones_like(batch.inputs.mask)),
            f"{most}; padding counts, too",
        ),
        (
            _loss_at(lambda batch: batch.inputs.mask & ~_asked(batch)),
            "that is the loss at all other places: those that were asked for are left out",
        ),
        (_loss_at(lambda batch: ~_asked(batch)), "these are the places that were not asked for"),
        (
            _loss_at(lambda batch: batch.inputs.tokens == MASK_ID),
            f"{every}; yours are the places of [MASK]",
        ),
        (_loss_at(lambda batch: _asked(batch) & (batch.inputs.tokens != batch.targets)), every),
        (
            over(lambda batch: batch.inputs.mask.sum()),
            f"{divide}; yours is that of all real tokens",
        ),
        (over(lambda batch: batch.targets.numel()), f"{divide}; the others have added nothing"),
        (over(lambda batch: len(batch.targets)), f"{divide}, not of rows"),
        (over(lambda batch: 1), f"{divide}: a mean, not a sum"),
        (of_rows, f"{divide} in the whole batch: rows may have different numbers of them"),
    ]


def _usual_losses() -> list[tuple[Callable, str]]:
    def repeated(model, batch):
        logits, _ = model(*batch.inputs)
        return F.cross_entropy(logits[_asked(batch)], batch.inputs.tokens[_asked(batch)])

    def inverted(model, batch):
        mask = ~batch.inputs.mask
        return _loss_at(_asked)(model, batch._replace(inputs=batch.inputs._replace(mask=mask)))

    def with_pairs(model, batch):
        return PreTrainingLoss()(model, batch)

    def without_segments(model, batch):
        inputs = batch.inputs._replace(segments=torch.zeros_like(batch.inputs.segments))
        return _loss_at(_asked)(model, batch._replace(inputs=inputs))

    return [
        *_usual_counts(),
        (repeated, "the target is the token of the text, not what the model reads there"),
        (
            _loss_at(_asked, masked=False),
            "the model must know which tokens are padding: give it the mask, as before",
        ),
        (inverted, "the model's mask was right: True = a real token"),
        (without_segments, "the model must know the segments, as before"),
        (with_pairs, "that is the joint loss; the loss of the masked words alone is wanted"),
        (
            _loss_at(_asked, change=lambda logits: logits.softmax(-1)),
            "cross_entropy takes logits: a softmax is in it",
        ),
        (lambda *args: -_loss_at(_asked)(*args), "a loss is minus the logarithm"),
        (lambda *args: _loss_at(_asked)(*args).exp(), "that is the perplexity"),
        (lambda *args: _loss_at(_asked)(*args) / math.log(2), "nats are wanted, not bits"),
        (lambda model, batch: _losses(model, batch), "one number is wanted, the mean"),
        (
            lambda model, batch: _losses(model, batch)[_asked(batch)],
            "one number is wanted, the mean",
        ),
    ]


MASK_ID = 4  # of the small vocabularies here: 0 to 4 are [PAD], [UNK], [CLS], [SEP], [MASK]


def _small_bert(seed: int, **given) -> BERTForPreTraining:
    """A BERT with weights so large that every place and every token shows in its logits."""
    sizes = {"vocab_size": 23, "max_len": 16, "d_model": 8, "n_heads": 2, "d_ff": 16}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        bert = BERTForPreTraining(BERTConfig(**{**sizes, "n_layers": 2, **given})).double().eval()
        for parameter in bert.parameters():
            nn.init.normal_(parameter, mean=0.1, std=0.5)
    return bert.requires_grad_(False)


def _small_batch(seed: int, sizes: Sequence[tuple[int, int]], vocab_size: int) -> PreTrainingBatch:
    """One batch of rows with these numbers of tokens in their texts (0: no second text)."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for n, m in sizes:
        ids = torch.randint(5, vocab_size, (n + m,), generator=generator).tolist()
        rows.append(pair_row(ids[:n], ids[n:], 2, 3) if m else single_row(ids, 2, 3))
    masker = Masker(MASK_ID, vocab_size, range(5), rate=0.4, shares=(0.5, 0.25, 0.25))
    labels = [n % 2 for n in range(len(rows))]
    return next(iter(pretraining_batches(rows, labels, masker, len(rows), 0, seed=seed)))


class _RememberedBERT:
    """A BERT that computes its logits for each input once."""

    def __init__(self, model: BERTForPreTraining):
        self.model, self.bert = model, model.bert
        self.mlm_logits, self.nsp = model.mlm_logits, model.nsp
        self.known: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(self, *inputs: Tensor | None) -> tuple[Tensor, Tensor]:
        key = str([None if part is None else part.tolist() for part in inputs])
        if key not in self.known:
            self.known[key] = self.model(*inputs)
        return self.known[key]


@torch.no_grad()
def check_mlm_loss(answer) -> None:
    """Check `mlm_loss(model, batch) -> loss`, as `bert_losses.PreTrainingLoss(False)`.

    The function with the bug, as it was handed out, counts as not attempted.

    Shape:
        batch: `data.bert_inputs.PreTrainingBatch`; the model is a `models.bert.
        BERTForPreTraining`; loss: a scalar, nats per token that was asked for.
    """
    rule = (
        "the mean loss of the tokens of the text, over the places whose target is not "
        f"{IGNORE}; the model reads the inputs as before"
    )
    bert, other = _small_bert(1), _small_bert(2, vocab_size=31, n_layers=1, n_heads=4)
    inputs = [
        (bert, _small_batch(3, [(4, 3), (6, 5), (2, 2), (7, 6)], 23)),
        (other, _small_batch(4, [(9, 0), (12, 0), (5, 0)], 31)),
        (bert, _small_batch(5, [(3, 9), (8, 1), (1, 6), (5, 5), (2, 10)], 23)),
    ]
    known = [(_RememberedBERT(model), batch) for model, batch in inputs]
    hints = hints_for(results_of(answer, inputs), known, _usual_losses(), rule, rtol=EXACT)
    LOSS.check_function(
        answer,
        [
            Case(
                (model, batch),
                PreTrainingLoss(next_sentence=False)(model, batch).item(),
                shown=f"a small BERT, {len(batch.targets)} rows of up to "
                f"{batch.targets.shape[1]} tokens, {int(_asked(batch).sum())} of them asked for,",
                hint=hint,
                rtol=EXACT,
            )
            for (model, batch), hint in zip(inputs, hints, strict=True)
        ],
        unchanged=_mlm_loss_with_the_bug,
    )


SPAN = Exercise(
    5,
    "the best span",
    why="Two vectors score every place on its own; that the two ends fit together, and that there "
    "is an answer at all, is decided here.",
)


def _span(
    start, end, allowed, max_pieces, tau, *,
    fits: Callable = lambda n, max_pieces: 1 <= n <= max_pieces,
    starts: Callable = lambda allowed: allowed, ends: Callable = lambda allowed: allowed,
    null: Callable = lambda start, end, tau: start[0] + end[0] + tau,
    none: Any = (0, 0), found: Callable = lambda i, j: (i, j), pick: Callable = max,
):  # fmt: skip
    """The best span; the keywords stand for the usual errors.

    Args:
        fits: whether a span may have j - i + 1 = n tokens.
        starts, ends: which places may be the first and the last, of `allowed`.
        null: what the best score has to exceed.
        none, found: what is returned without an answer, and with one.
    """
    start, end, allowed = start.tolist(), end.tolist(), allowed.tolist()
    first, last = ([n for n, may in enumerate(of(allowed)) if may] for of in (starts, ends))
    pairs = [(i, j) for i, j in product(first, last) if fits(j - i + 1, max_pieces)]
    spans = [(start[i] + end[j], i, j) for i, j in pairs]
    if not spans or pick(spans)[0] <= null(start, end, tau):
        return none
    return found(*pick(spans)[1:])


def _usual_places() -> list[tuple[Callable, str]]:
    """The usual errors in how the two ends are found."""
    together = "the sum decides: the best start and the best end need not be the best pair"

    def argmax(logits, allowed, begin=0, end=None):
        places = [i for i in range(begin, min(end or len(logits), len(logits))) if allowed[i]]
        return max(places, key=lambda i: logits[i])

    def apart(turned: Callable = lambda i, j: (i, j)):
        def span(start, end, allowed, max_pieces, tau):
            i, j = argmax(start, allowed), argmax(end, allowed)
            none = start[i] + end[j] <= start[0] + end[0] + tau
            return (0, 0) if none else turned(i, j)

        return span

    def start_first(start, end, allowed, max_pieces, tau):
        i = argmax(start, allowed)
        j = argmax(end, allowed, i, i + max_pieces)
        return (0, 0) if start[i] + end[j] <= start[0] + end[0] + tau else (i, j)

    def end_first(start, end, allowed, max_pieces, tau):
        j = argmax(end, allowed)
        i = argmax(start, allowed, max(j - max_pieces + 1, 0), j + 1)
        return (0, 0) if start[i] + end[j] <= start[0] + end[0] + tau else (i, j)

    return [
        (
            apart(),
            f"{together}; chosen apart, they may even stand in the wrong order, or too far apart",
        ),
        (
            apart(lambda i, j: (min(i, j), max(i, j))),
            f"{together}; and a start that comes after the end is not mended by changing them",
        ),
        (apart(lambda i, j: (i, j) if i <= j else (0, 0)), together),
        (start_first, f"{together}; yours takes the best start, and then the best end for it"),
        (end_first, f"{together}; yours takes the best end, and then the best start for it"),
    ]


def _usual_borders() -> list[tuple[Callable, str]]:
    """The usual errors in which spans take part."""
    order = "a span does not end before it starts"
    length = "a span from i to j has j - i + 1 tokens: j itself is one of them"

    def everywhere(allowed):
        return [True] * len(allowed)

    def with_cls(allowed):
        return [True, *allowed[1:]]

    def but_the_last(allowed):
        return [bool(a) and i < max(k for k, b in enumerate(allowed) if b)
                for i, a in enumerate(allowed)]  # fmt: skip

    passage = "only a place that is allowed may be the first or the last of an answer"
    return [
        (partial(_span, fits=lambda n, most: abs(n - 1) < most), order),
        (partial(_span, fits=lambda n, most: n <= most), order),
        (partial(_span, fits=lambda n, most: n >= 1), "max_pieces bounds the length of the answer"),
        (
            partial(_span, fits=lambda n, most: 1 <= n <= most + 1),
            f"{length}: yours may be too long",
        ),
        (partial(_span, fits=lambda n, most: 1 <= n < most), f"{length}: yours is kept too short"),
        (partial(_span, fits=lambda n, most: 1 < n <= most), "an answer may be a single token"),
        (partial(_span, fits=lambda n, most: 1 < n <= most + 1), "an answer may be a single token"),
        (partial(_span, starts=everywhere, ends=everywhere), passage),
        (partial(_span, ends=everywhere), passage),
        (partial(_span, starts=everywhere), passage),
        (
            partial(_span, starts=with_cls, ends=with_cls),
            "[CLS] takes part in one way only: both ends on it mean that there is no answer",
        ),
        (partial(_span, ends=but_the_last), "the last place that is allowed may be the end, too"),
    ]


def _usual_answers() -> list[tuple[Callable, str]]:
    """The usual errors in whether there is an answer, and in how it is returned."""
    threshold = "the best span has to score more than start[0] + end[0] + tau"
    none = "no answer is the span (0, 0)"
    last = "return the place of the last token of the answer, not the place after it"

    def with_null(null):
        return partial(_span, null=null)

    return [
        (with_null(lambda s, e, tau: -math.inf), f"there may be no answer: {threshold}"),
        (with_null(lambda s, e, tau: s[0] + e[0]), f"{threshold}: tau is missing"),
        (with_null(lambda s, e, tau: s[0] + e[0] - tau), f"{threshold}: the sign of tau"),
        (with_null(lambda s, e, tau: tau), f"{threshold}: [CLS] is missing"),
        (with_null(lambda s, e, tau: s[0] + tau), f"{threshold}: both of its logits count"),
        (with_null(lambda s, e, tau: e[0] + tau), f"{threshold}: both of its logits count"),
        (with_null(lambda s, e, tau: 0), f"{threshold}: [CLS] is missing"),
        (
            with_null(lambda s, e, tau: math.inf),
            "yours finds no answer, where the best span scores more than start[0] + end[0] + tau",
        ),
        (partial(_span, none="none"), f"{none}, not None"),
        (partial(_span, none=(None, None)), f"{none}, not None"),
        (partial(_span, none=(-1, -1)), none),
        (partial(_span, none=()), none),
        (partial(_span, none=0), none),
        (partial(_span, found=lambda i, j: (i, j + 1)), last),
        (partial(_span, found=lambda i, j: (i, j + 1), none=(0, 1)), last),
        (partial(_span, found=lambda i, j: (i, j - i + 1)), "return both places, not the length"),
        (partial(_span, found=lambda i, j: (j, i)), "return the first place, then the last"),
        (partial(_span, pick=min), "that is the span with the lowest score"),
        (
            partial(_span, found=lambda i, j: (i, j, 0.0), none=(0, 0, 0.0)),
            "return the two places alone, without the score",
        ),
    ]  # fmt: skip


def _span_inputs() -> list[tuple]:
    """Logits, where an answer may stand, the longest answer and the threshold."""
    given: list[tuple] = [
        ([0, 5, 2, 6, 1, 4], [1, 6, 5, 1, 3, 2], "..xxx.", 3, 0),
        ([1, 0, 1, 7, 4, 0, 2, 0], [0, 1, 0, 3, 2, 9, 8, 1], "..xxxxx.", 2, 0),
        ([2, 9, 1, 3, 6, 2, 8, 1], [1, 9, 7, 2, 1, 5, 2, 9], "...xxxx.", 4, 0),
        ([4, 8, 1, 3, 2, 0], [5, 1, 7, 2, 4, 6], "..xxx.", 3, 0),
        ([3, 1, 5, 2, 4, 0], [2, 0, 1, 3, 6, 5], "..xxx.", 3, 7),
        ([3, 1, 2, 4, 1, 0], [6, 0, 1, 3, 2, 5], "..xxx.", 2, -4),
        ([-6, 3, -4, -1, -5, 2], [-7, 4, -2, -6, -3, 1], "..xxx.", 3, 0),
        ([1, 2, 9, 3, 4, 1, 2], [0, 9, 6, 1, 5, 8, 3], "..xxxx.", 3, 0),
        ([-2, 1, 3, 2, 1, 0], [9, 5, 1, 2, 0, 2], "..xxx.", 2, 3),
        ([9, 1, 3, 2, 1, 0], [1, 5, 2, 4, 0, 2], "..xxx.", 2, 1),
    ]
    inputs = [
        (torch.tensor(start, dtype=torch.float64), torch.tensor(end, dtype=torch.float64),
         torch.tensor([c == "x" for c in where]), most, tau)
        for start, end, where, most, tau in given
    ]  # fmt: skip
    generator = torch.Generator().manual_seed(2)
    for n, most in ((20, 5), (30, 4)):
        start, end = 3 * torch.randn(2, n, generator=generator, dtype=torch.float64)
        places = torch.arange(n)
        start[0] = end[0] = -1.0
        inputs.append((start, end, (places > 5) & (places < n - 2), most, 0.5))
    return inputs


def _without_none(answer: Any) -> Any:
    """The answer with a word where it returns None, which would stand for "not written yet"."""

    def function(*args):
        result = answer(*args)
        return "none" if result is None else result

    return function if callable(answer) else answer


def check_best_span(answer) -> None:
    """Check `best_span(start, end, allowed, max_pieces, tau) -> (i, j)`.

    As `data.answer_spans.best_spans` with no_answer=True, for one row.

    Shape:
        start, end: float64 [time]; allowed: bool [time]. i and j are the first and the last place,
        (0, 0) without an answer.
    """
    rule = (
        "of all i <= j that are allowed, with at most max_pieces tokens, the pair with the highest "
        "start[i] + end[j]; (0, 0) unless it is more than start[0] + end[0] + tau"
    )
    usual = [*_usual_places(), *_usual_borders(), *_usual_answers()]
    inputs = _span_inputs()
    hints = hints_for(results_of(_without_none(answer), inputs), inputs, usual, rule)
    cases = []
    for args, hint in zip(inputs, hints, strict=True):
        start, end, allowed, max_pieces, tau = args
        row = (part[None] for part in (start, end, allowed))
        i, j, _ = best_spans(*row, max_pieces=max_pieces, no_answer=True, tau=float(tau))
        first, *_, last = allowed.nonzero().flatten().tolist()
        shown = (
            f"start {format_value(start)}, end {format_value(end)}, allowed {first} to {last}, "
            f"max_pieces {max_pieces}, tau {tau}"
        )
        cases.append(Case(args, (i.item(), j.item()), shown=shown, hint=hint))
    SPAN.check_function(answer, cases)


REACH = Exercise(
    6,
    "who reaches whom",
    why="Leaving out its own place hides a token for one layer only: in the next it comes back by "
    "way of another place. So BERT hides it in the input.",
)


def _step(mask: Tensor, reached: Tensor) -> Tensor:
    return (mask.double() @ reached.double()) > 0


def _reach(masks: Sequence[Tensor], residual: bool) -> Tensor:
    reached = torch.eye(len(masks[0]), dtype=torch.bool)
    for mask in masks:
        new = _step(mask, reached)
        reached = new | reached if residual else new
    return reached


def _usual_roads() -> list[tuple[Callable, str]]:
    """The usual errors with the residual connection."""
    road = "the residual connection carries what a place has reached so far past each layer"

    def at_the_end(masks, residual):
        reached = _reach(masks, False)
        return reached | torch.eye(len(reached), dtype=torch.bool) if residual else reached

    def own_input(masks, residual):
        reached = own = torch.eye(len(masks[0]), dtype=torch.bool)
        for mask in masks:
            reached = _step(mask, reached) | own if residual else _step(mask, reached)
        return reached

    def only_past_the_first(masks, residual):
        reached = _reach(masks[:1], residual)
        for mask in masks[1:]:
            reached = _step(mask, reached)
        return reached

    return [
        (lambda masks, residual: _reach(masks, False), f"residual=True is forgotten: {road}"),
        (lambda masks, residual: _reach(masks, True), "residual=False: only attention counts then"),
        (lambda masks, residual: _reach(masks, not residual), "residual is the other way round"),
        (at_the_end, f"{road}, not only the input past the whole stack"),
        (own_input, f"{road}, not only its own input"),
        (only_past_the_first, f"{road}, not only past the first one"),
    ]


def _usual_ways() -> list[tuple[Callable, str]]:
    """The usual errors in how the layers are joined."""
    chain = (
        "a way leads from an input through one place after each layer to an output; that is the "
        "product of the matrices, query times key"
    )

    def alone(n: int) -> Callable:
        return lambda masks, residual: _reach([masks[n]], residual)

    def joined(join: Callable) -> Callable:
        def together(masks, residual):
            own = torch.eye(len(masks[0]), dtype=torch.bool) & residual
            result = masks[0] | own
            for mask in masks[1:]:
                result = join(result, mask | own)
            return result

        return together

    return [
        (lambda masks, residual: _reach(masks[::-1], residual), "masks[0] is the first layer's: "
         "the input meets it first, and the product of matrices begins on the right"),
        (lambda masks, residual: _reach(masks, residual).T, "rows are outputs, columns are inputs"),
        (
            lambda masks, residual: _reach([mask.T for mask in masks], residual),
            "the rows of a mask are its queries, the places that read",
        ),
        (joined(torch.logical_and), f"{chain}; yours must be allowed in every layer at once"),
        (joined(torch.logical_or), f"{chain}; yours looks at each layer alone"),
        (alone(0), "that is the first layer alone"),
        (alone(-1), "that is the last layer alone"),
        (lambda masks, residual: _reach(masks[:-1], residual) if len(masks) > 1 else (),
         "one layer is missing: every mask counts"),
        (lambda masks, residual: _reach([masks[0], *masks], residual), "layer 1 counts once"),
        (lambda masks, residual: _reach([masks[0]] * len(masks), residual),
         "each layer has its own mask: yours takes the first for all"),
    ]  # fmt: skip


def _usual_numbers() -> list[tuple[Callable, str]]:
    """The usual errors in what is returned."""

    def counts(masks, residual):
        ways = torch.eye(len(masks[0]), dtype=torch.int64)
        for mask in masks:
            ways = (mask.long() @ ways) + residual * ways  # beyond 64 bits the sum wraps around
        return ways

    return [
        (counts, "True and False are wanted: whether there is a way, not how many"),
        (lambda *args: _reach(*args).int(), "True and False are wanted, not numbers"),
        (
            lambda *args: counts(*args) > 0,
            "the number of ways grows with every layer, until it is beyond 64 bits and becomes 0; "
            "keep after each layer only whether there is one",
        ),
        (lambda *args: ~_reach(*args), "True = this input reaches this output"),
        (
            lambda *args: _reach(*args).diagonal(),
            "every pair of an output and an input is wanted, not only a place and itself",
        ),
        (lambda *args: _reach(*args).sum(dim=1), "which inputs, not how many"),
    ]


def _band(n: int, width: int) -> Tensor:
    places = torch.arange(n)
    return (places[:, None] - places).abs() <= width


def _stacks() -> list[tuple[str, list[Tensor], bool]]:
    """A name, the masks of the layers, and whether there is a residual connection."""
    elsewhere = ~torch.eye(3, dtype=torch.bool)
    generator = torch.Generator().manual_seed(6)
    sparse = [torch.rand(6, 6, generator=generator) < 0.3 for _ in range(3)]
    content, query = permutation_masks((2, 0, 3, 1))
    everywhere = torch.ones(8, 8, dtype=torch.bool)
    return [
        ("one layer of 3 places, each attends to the others only", [elsewhere], False),
        ("two such layers", [elsewhere] * 2, False),
        ("three layers of 6 places with masks drawn at random", sparse, False),
        ("the same three layers", sparse, True),
        ("two layers of 7 places, a band and a causal mask", [_band(7, 1), causal_mask(7)], True),
        (
            "two layers of 5 places, each attends to those before it",
            [causal_mask(5).tril(-1)] * 2,
            True,
        ),
        ("XLNet's content masks and its query mask, 4 places", [content, content, query], False),
        ("24 layers of 8 places, all open, as in BERT-large", [everywhere] * 24, False),
    ]


def check_reach(answer) -> None:
    """Check `reach(masks, residual) -> bool [output, input]`.

    Shape:
        masks: a list with a bool [query, key] for each layer, the first layer's first, True = may
        attend.
    """
    rule = (
        "before the first layer each place holds its own input; after a layer a place holds what "
        "the places that it attends to held before, and with residual=True what it held itself"
    )
    stacks = _stacks()
    inputs = [(masks, residual) for _, masks, residual in stacks]
    usual = [*_usual_roads(), *_usual_ways(), *_usual_numbers()]
    hints = hints_for(results_of(answer, inputs), inputs, usual, rule)
    REACH.check_function(
        answer,
        [
            Case(
                (masks, residual),
                _reach(masks, residual),
                shown=f"{name}, residual={residual},",
                hint=hint,
            )
            for (name, masks, residual), hint in zip(stacks, hints, strict=True)
        ],
    )


QUIZ = [
    Question(
        "Why does BERT hide words? It could predict every word of a text from all the others.",
        [
            "A model that reads one side only cannot be pre-trained on texts without labels",
            "Through the layers every word would reach its own prediction by way of the others",
            "A softmax over the vocabulary at every place would cost more than it brings",
            "A text without [MASK] gives no targets, so that people would have to write them",
        ],
        1,
        [
            "GPT reads one side only, and is pre-trained on such texts. BERT wants both sides.",
            "One layer may leave a word's own place out. In the next layer the others have read it "
            "already. With [MASK] the word is not in the input, and every place may look "
            "everywhere.",
            "A GPT does this in training, and learns from every token.",
            "Each word of a text can be a target. The difficulty is to predict it from what does "
            "not hold it.",
        ],
    ),
    Question(
        "Fine-tuning never shows [MASK]. What do the 10 % random and the 10 % kept tokens do "
        "about this mismatch?",
        [
            "They soften it: ordinary tokens may be asked for, too",
            "They remove it: the model no longer needs [MASK] to know where it is asked",
            "They do nothing: the loss counts the places of [MASK] only",
            "They move it: random tokens go on in fine-tuning",
        ],
        0,
        [
            "So the model has to keep a good vector for every token that it reads. But 12 % of "
            "what it reads in pre-training is still [MASK], and later nothing is.",
            "12 % of the tokens are [MASK], and 8 of 10 questions stand there. The mismatch has "
            "become smaller, and it is still there.",
            "All chosen places count, those of random and of kept tokens, too.",
            "In fine-tuning nothing is masked or replaced. The model reads the text as it is.",
        ],
    ),
    Question(
        "In pre-training, BERT tells the next text from a random one in 97 to 98 % of the pairs. "
        "What does that say?",
        [
            "That [CLS] stands for the meaning of a whole text",
            "That it has understood how sentences follow each other",
            "That pairs make the pre-trained model better at all its tasks",
            "That the task is easy: another document has another topic",
        ],
        3,
        [
            "The vector was trained for this one question. Without fine-tuning the authors "
            "themselves call it no meaningful representation of a sentence.",
            "It may, but this number cannot show it: words of the same topic are often enough.",
            "RoBERTa left the task out, and was as good or slightly better.",
            "A random text comes from another document, and mostly speaks of other things. Few "
            "shared words give it away.",
        ],
    ),
    Question(
        "A pre-trained BERT gets a new linear layer on top of [CLS], to tell good reviews from "
        "bad ones. What does fine-tuning train?",
        [
            "The new layer: the vector of [CLS] says already what the text means",
            "The new layer and the pooler, as no other parts of it read [CLS]",
            "All weights: those of the new layer, and those of pre-training",
            "The new layer and the last old one: the rest is general",
        ],
        2,
        [
            "It does not, as pre-training leaves it: it was made to tell pairs of texts apart. A "
            "linear layer on frozen vectors is another method, chapter 05's.",
            "[CLS] is computed from all tokens by all layers, and the loss trains all of them.",
            "The architecture stays, the weights do not: they start where pre-training left them, "
            "and go on learning.",
            "Freezing the lower layers is possible; BERT's authors train all.",
        ],
    ),
    Question(
        "A WordPiece vocabulary holds *no*, *now*, *##where* and *##here*. How is *nowhere* cut?",
        [
            "*no* and *##where*, since these are its parts",
            "*now* and *##here*, since *now* is longer",
            "[UNK], since two cuts are possible",
            "*no* and *##where*, as *##where* is longer",
        ],
        1,
        [
            "WordPiece knows nothing of roots or of how words are formed. Pieces are strings that "
            "were frequent where the vocabulary was learned.",
            "The longest piece that begins the word is taken, then the longest that goes on from "
            "there. What the parts mean plays no part.",
            "[UNK] is for a word in which at some place no piece fits.",
            "The cut goes from the left to the right. When *##where* could be tried, *now* has "
            "been taken.",
        ],
    ),
]

"""Chapter 06's exercises, each with a check that says what is right and why, and its quiz."""

import copy
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain, combinations, pairwise, product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nlp_helpers.data.bpe_merges import merge_pair
from nlp_helpers.data.gpt_inputs import Marks, choice_inputs
from nlp_helpers.decoding import next_token_distribution
from nlp_helpers.exercises.harness import Case, Exercise, compare, explain_exception, format_value
from nlp_helpers.exercises.hints import hints_for, results_of
from nlp_helpers.exercises.small_models import Remembered, random_tokens, small_gpt
from nlp_helpers.explorables.quiz import Question
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPT2_SIZES, GPTConfig, n_parameters
from nlp_helpers.models.scaled_dot_product import causal_mask

EXACT = 1e-5  # relative tolerance where a usual error is close to the right number


MERGE = Exercise(
    1,
    "one merge",
    why="Training a tokenizer is this step, thousands of times; the pairs, in the order in which "
    "they were found, are what it learns.",
)


def _apart(pieces: Sequence[str]) -> list[tuple]:
    """The neighbours without those that overlap an equal pair: a a a holds one pair."""
    found, free = [], 0
    for place, pair in enumerate(pairwise(pieces)):
        if place >= free or pair != found[-1]:
            found.append(pair)
            free = place + 2
    return found


def _best_pair(words, *, pairs=pairwise, weighted=True, key=None, pick=min):
    """The most frequent pair; the keywords stand for the usual errors."""
    counts = Counter()
    for pieces, count in words.items():
        for pair in pairs(pieces):
            counts[pair] += count if weighted else 1
    key = key or (lambda count, pair: (-count, pair))
    return pick(counts, key=lambda pair: key(counts[pair], pair))


def _merged(words, pair, join=merge_pair):
    return {tuple(join(pieces, pair)): count for pieces, count in words.items()}


def _merge_step(words):
    pair = _best_pair(words)
    return pair, _merged(words, pair)


def _usual_pairs() -> list[tuple[Callable, str]]:
    first = (
        "of pairs that are equally frequent, take the first in alphabetical order: compare the "
        "tuples, so the left pieces decide, and the right ones where the left are equal"
    )
    counted = "a pair counts as often as its word occurs: add the word's count, not 1"
    twice = "a pair that stands in a word twice counts twice for each time that the word occurs"

    def last_met(pairs, key):
        return sorted(pairs, key=key)[-1]

    def with_count(words):
        pair = _best_pair(words)
        counts = [n for pieces, n in words.items() for here in pairwise(pieces) if here == pair]
        return pair, sum(counts)

    return [
        (partial(_best_pair, weighted=False), counted),
        (partial(_best_pair, weighted=False, key=lambda n, _: -n), f"{counted}; and {first}"),
        (partial(_best_pair, pairs=lambda pieces: {*pairwise(pieces)}), twice),
        (partial(_best_pair, pairs=_apart), "each place counts: a a a holds the pair (a, a) twice"),
        (
            partial(_best_pair, pairs=lambda pieces: combinations(pieces, 2)),
            "the pieces of a pair stand next to each other",
        ),
        (
            partial(_best_pair, pairs=lambda pieces: map(tuple, map(sorted, pairwise(pieces)))),
            "the order matters: (a, b) and (b, a) are two pairs",
        ),
        (partial(_best_pair, key=lambda n, _: -n), first),
        (partial(_best_pair, key=lambda n, _: n, pick=last_met), first),
        (partial(_best_pair, key=lambda n, pair: (n, pair), pick=max), first),
        (partial(_best_pair, key=lambda n, pair: (-n, "".join(pair))), first),
        (partial(_best_pair, key=lambda n, pair: (-n, pair[::-1])), first),
        (partial(_best_pair, key=lambda n, pair: (n, pair)), "yours is the rarest pair"),
        (with_count, "return the pair alone, without its count"),
        (lambda words: "".join(_best_pair(words)), "return the pair as a tuple of two pieces"),
    ]


def _usual_joins() -> list[tuple[Callable, str]]:
    """The usual errors of one word: (pieces, pair) -> pieces."""

    def first_only(pieces, pair):
        for i, here in enumerate(pairwise(pieces)):
            if here == pair:
                return (*pieces[:i], "".join(pair), *pieces[i + 2 :])
        return pieces

    def from_the_right(pieces, pair):
        after = []
        for piece in reversed(pieces):
            if after and (piece, after[0]) == pair:
                after[0] = "".join(pair)
            else:
                after.insert(0, piece)
        return after

    def overlapping(pieces, pair):
        places = [i for i, here in enumerate(pairwise(pieces)) if here == pair]
        taken = {i + 1 for i in places}
        kept = [i for i in range(len(pieces)) if i in places or i not in taken]
        return ["".join(pair) if i in places else pieces[i] for i in kept]

    def in_the_text(pieces, pair):
        return " ".join(pieces).replace(" ".join(pair), "".join(pair)).split(" ")

    def nested(pieces, pair):
        return [pair if p == "".join(pair) else p for p in merge_pair(pieces, pair)]

    return [
        (lambda pieces, pair: pieces, "the words are as before: apply the merge to them"),
        (first_only, "merge the pair wherever it stands in a word, not only at its first place"),
        (from_the_right, "go from left to right: a a a becomes aa a"),
        (overlapping, "each piece goes into one merge only: a a a becomes aa a"),
        (
            in_the_text,
            "compare whole pieces: where the pair is (h, e), the pieces th and e stay apart",
        ),
        (nested, "the new piece is one string, the two pieces joined"),
        (lambda pieces, pair: ["".join(pieces)], "only the pair is joined; the rest stay pieces"),
    ]


def _usual_words() -> list[tuple[Callable, str]]:
    """The usual errors of the words after the merge of the right pair."""

    def uncounted(words):
        return dict.fromkeys(_merge_step(words)[1], 1)

    def only_those_with_the_pair(words):
        after = _merge_step(words)[1]
        return {pieces: count for pieces, count in after.items() if pieces not in words}

    def as_strings(words):
        return {"".join(pieces): count for pieces, count in words.items()}

    return [
        *(
            (lambda words, join=join: _merged(words, _best_pair(words), join), hint)
            for join, hint in _usual_joins()
        ),
        (uncounted, "the words keep their counts"),
        (only_those_with_the_pair, "keep the words without the pair, too"),
        (as_strings, "a word stays a tuple of its pieces"),
    ]


def _merge_hints(answer, inputs: Sequence[tuple]) -> list[str]:
    """The hints: for the pair where it is wrong, else for the words."""
    rule = "the pair of neighbours with the largest count, and the words after merging it"
    both = "return both: the pair, and the dictionary of the words after the merge"
    results = results_of(answer, inputs)
    if results is None:
        return [rule] * len(inputs)
    for result in results:
        pair = isinstance(result, (tuple, list)) and len(result) == 2
        if not pair or not isinstance(result[1], Mapping):
            return [both] * len(inputs)
    for_pairs = hints_for([r[0] for r in results], inputs, _usual_pairs(), rule, rtol=EXACT)
    for_words = hints_for([r[1] for r in results], inputs, _usual_words(), rule, rtol=EXACT)
    right = [compare(r[0], _best_pair(*args)) is None
             for r, args in zip(results, inputs, strict=True)]  # fmt: skip
    return [for_words[n] if right[n] else for_pairs[n] for n in range(len(inputs))]


def check_merge_step(answer) -> None:
    """Check `merge_step(words) -> (pair, words after the merge)`.

    Shape:
        words: a dictionary from each word, a tuple of its pieces, to its count; pair: a tuple of
        two pieces.
    """
    spelled: list[dict[str, int]] = [
        {"a t": 9, "i n": 2, "p i n": 2, "t i n": 2},
        {"m e": 3, "a s": 3, "w e": 3, "i s": 3},
        {"b a n a n a": 2, "c a b": 3},
        {"a a a h": 2, "o h": 3},
        {"s h e": 3, "h e": 5, "th e": 4, "the": 7},
        {"in e": 2, "i ng": 2},
        {"n o": 3, "o n": 3, "a t": 4, "c a r": 3, "c u r": 3},
    ]
    inputs = [({tuple(word.split()): n for word, n in words.items()},) for words in spelled]
    hints = _merge_hints(answer, inputs)
    MERGE.check_function(
        answer,
        [
            Case(args, _merge_step(*args), hint=hint)
            for args, hint in zip(inputs, hints, strict=True)
        ],
    )


CHOICE = Exercise(
    2,
    "multiple choice as rows",
    why="Each row ends in the extract token, where the last layer's vector has read context and "
    "answer; one linear layer makes one number of it, and a softmax compares the rows.",
)


def _rows(
    context, answers, start, delimiter, extract, *,
    marks=(True, True, True), swap=False, again=False,
):  # fmt: skip
    """The rows; the keywords stand for the usual errors (marks: which of the three are there)."""
    begin, between, end = (
        [mark] if there else []
        for mark, there in zip((start, delimiter, extract), marks, strict=True)
    )
    between = between + [start] if again else between
    parts = [(answer, context) if swap else (context, answer) for answer in answers]
    return [[*begin, *first, *between, *second, *end] for first, second in parts]


def _one_row(context, answers, start, delimiter, extract):
    parts = [token for answer in answers for token in (delimiter, *answer)]
    return [[start, *context, *parts, extract]]


def _growing_rows(context, answers, start, delimiter, extract):
    row, found = [start, *context, delimiter], []
    for answer in answers:
        row = [*row, *answer, extract]
        found.append(row)
    return found


def _filled_rows(*args):
    found = _rows(*args)
    return [row + [0] * (max(map(len, found)) - len(row)) for row in found]


def _missing_marks() -> list[tuple[Callable, str]]:
    """The rows without one or more of the three tokens."""
    hints = (
        "the row begins with the start token",
        "between the context and the answer stands the delimiter",
        "the row ends in the extract token: only there has the model read everything",
    )
    found: list[tuple[Callable, str]] = []
    for marks in product((True, False), repeat=3):
        missing = [hint for hint, there in zip(hints, marks, strict=True) if not there]
        if missing:
            found.append((partial(_rows, marks=marks), "; and ".join(missing)))
    return found


def _usual_rows() -> list[tuple[Callable, str]]:
    rows = "one row for each answer, each with the whole context"
    places = "have changed places"
    return [
        *_missing_marks(),
        (partial(_rows, swap=True), "the context comes first, then the answer"),
        (partial(_rows, again=True), "the start token stands only at the beginning of the row"),
        (lambda c, a, s, d, e: _rows(c, a, s, e, d), f"delimiter and extract {places}"),
        (lambda c, a, s, d, e: _rows(c, a, e, d, s), f"start and extract {places}"),
        (_growing_rows, "each row begins anew: this one still holds the answers of rows before it"),
        (
            lambda *args: [_growing_rows(*args)[-1]] * len(args[1]),
            "all rows are the same list, which every answer makes longer; begin a new one",
        ),
        (_one_row, rows),
        (lambda *args: _one_row(*args)[0], rows),
        (lambda *args: [*chain(*_rows(*args))], "return a list of rows, not all rows in one"),
        (lambda *args: _rows(*args)[:1], rows),
        (lambda c, a, *marks: _rows(c, a[:1], *marks) + _rows([], a[1:], *marks), rows),
        (_filled_rows, "the rows keep their own lengths; a batch fills them up later"),
        (
            lambda c, a, s, d, e: [[s, c, d, answer, e] for answer in a],
            "a row is one list of ids, without lists inside",
        ),
    ]


def check_choice_rows(answer) -> None:
    """Check `choice_rows(context, answers, start, delimiter, extract) -> rows`.

    As `data.gpt_inputs.choice_inputs`: all arguments are ids or lists of ids.
    """
    parts = "in this order: start, context, delimiter, answer, extract; one row for each answer"
    inputs = [
        ([5, 8, 6], [[7, 9], [3]], 100, 101, 102),
        ([4], [[8], [6, 6, 2], [9, 5]], 2_001, 17, 300),
        ([9, 3, 9, 7, 8], [[3, 9], [4, 5], [7, 8], [6, 4]], 0, 1, 2),
    ]
    hints = hints_for(results_of(answer, inputs), inputs, _usual_rows(), parts, rtol=EXACT)
    names = ("context", "answers", "start", "delimiter", "extract")
    cases = []
    for args, hint in zip(inputs, hints, strict=True):
        context, answers, *marks = args
        shown = ", ".join(f"{name} {format_value(v)}" for name, v in zip(names, args, strict=True))
        expected = choice_inputs(context, answers, Marks(*marks))
        cases.append(Case(args, expected, shown=shown, hint=hint))
    CHOICE.check_function(answer, cases)


NUCLEUS = Exercise(
    3,
    "the nucleus",
    why="Where the model is sure the nucleus holds one or two tokens, where it is not it holds "
    "many; top-k keeps k in either case.",
)


def _nucleus(
    probabilities, p, *, keep=lambda before, own, p: before < p, descending=True, stable=True,
    divide=True, place=True,
):  # fmt: skip
    """The distribution; the keywords stand for the usual errors.

    `keep` says which tokens stay, of the sums before them and their own probabilities, sorted.
    """
    given = probabilities if stable else probabilities.flip(0)  # flipped: of equals the later first
    ordered, order = given.sort(descending=descending, stable=True)
    order = order if stable else len(order) - 1 - order
    kept = ordered * keep(ordered.cumsum(0) - ordered, ordered, p)
    kept = kept / kept.sum() if divide else kept
    return torch.zeros_like(kept).scatter(0, order, kept) if place else kept


def _where(mask: Callable) -> Callable:
    """The tokens that mask(probabilities, p) chooses, renormalised."""

    def function(probabilities, p):
        kept = probabilities * mask(probabilities, p)
        return kept / kept.sum()

    return function


def _usual_sets() -> list[tuple[Callable, str]]:
    """The usual errors in which tokens are kept."""
    crossing = (
        "the token whose probability makes the sum reach p belongs to the set; without it the sum "
        "is below p"
    )
    reached = "the set is the smallest whose sum reaches p: a sum of exactly p is enough"
    ties = "of equally probable tokens, the one with the lower index is kept first"
    unsorted = "sort first, so that the most probable tokens are added up before the others"
    single = "p bounds the sum, not each single probability"

    def crossed(before, own, p):
        return before + own <= p

    def share_of_the_tokens(before, own, p):
        return torch.arange(len(own)) < math.ceil(p * len(own))

    def as_likely_as_the_last(q, p):
        return q >= q[_nucleus(q, p) > 0].min()

    return [
        (partial(_nucleus, keep=crossed), crossing),
        (partial(_nucleus, keep=lambda before, own, p: before + own < p), crossing),
        (partial(_nucleus, keep=crossed, divide=False), f"{crossing}; and divide by the sum"),
        (partial(_nucleus, keep=lambda before, own, p: before <= p), reached),
        (_where(lambda q, p: q.cumsum(0) - q < p), unsorted),
        (partial(_nucleus, descending=False), "begin with the most probable token"),
        (_where(lambda q, p: q >= p), single),
        (_where(lambda q, p: q >= 1 - p), single),
        (_where(lambda q, p: q >= p * q.max()), "p bounds the sum, not the ratio to the largest"),
        (
            partial(_nucleus, keep=share_of_the_tokens),
            "p is a share of the probability, not of the number of tokens",
        ),
        (lambda q, p: q, "nothing is left out: the improbable tokens get 0"),
        (_where(as_likely_as_the_last), ties),
        (partial(_nucleus, stable=False), ties),
    ]


def _usual_nuclei() -> list[tuple[Callable, str]]:
    order = "each probability goes back to the place where its token stood"

    def gathered(q, p):  # the order is applied once more instead of undone
        return _nucleus(q, p, place=False)[q.sort(descending=True, stable=True).indices]

    return [
        *_usual_sets(),
        (partial(_nucleus, divide=False), "divide by the sum of what is kept, so that it is 1"),
        (
            lambda q, p: _nucleus(q, p, divide=False) / p,
            "divide by the sum of what is kept: it reaches p, but need not be p",
        ),
        (
            lambda q, p: _nucleus(q, p).softmax(0),
            "divide by the sum; a softmax gives the tokens that are left out a share",
        ),
        (partial(_nucleus, place=False), order),
        (gathered, f"{order}: result[order] = kept undoes the sorting, kept[order] does not"),
        (lambda q, p: _nucleus(q, p)[_nucleus(q, p) > 0], "keep the length: the others get 0"),
    ]


def _distributions() -> list[tuple[Tensor, float]]:
    """Probabilities and p; eighths and sixteenths, so that sums that reach p do so exactly."""
    eighths = [([1, 4, 1, 2], 0.7), ([1, 4, 1, 2], 0.75), ([2, 1, 5], 0.3)]
    inputs = [(torch.tensor(parts, dtype=torch.float64) / 8, p) for parts, p in eighths]
    sixteenths = torch.tensor([1, 4, 2, 4, 4, 1], dtype=torch.float64) / 16
    inputs += [(sixteenths, 0.45), (sixteenths, 1.0)]
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(40, generator=generator, dtype=torch.float64)
    return [*inputs, ((2 * logits).softmax(0), 0.9), ((logits / 2).softmax(0), 0.5)]


def check_nucleus(answer) -> None:
    """Check `nucleus(probabilities, p) -> probabilities`, as `decoding.next_token_distribution`.

    Shape:
        probabilities: [vocab], float64, with the sum 1; p: a number in (0, 1].
    """
    rule = (
        "from the most probable token on, keep those before which the sum is still below p; "
        "divide them by their sum, and put them back in their places"
    )
    inputs = _distributions()
    hints = hints_for(results_of(answer, inputs), inputs, _usual_nuclei(), rule, rtol=EXACT)
    NUCLEUS.check_function(
        answer,
        [
            Case(
                (q, p),
                next_token_distribution(q.log(), top_p=p),
                shown=f"probabilities {format_value(q)}, p {p}",
                hint=hint,
                rtol=EXACT,
            )
            for (q, p), hint in zip(inputs, hints, strict=True)
        ],
    )


CACHE = Exercise(
    4,
    "find the bug",
    why="A cache saves work and changes no logit, if each new token gets the vector of its own "
    "place in the whole text.",
)


def _step_with_the_bug(model, tokens, past):
    n_new = tokens.shape[1]
    n_all = n_new if past is None else n_new + past[0][0].shape[2]
    x = model.tokens(tokens) + model.positions(torch.arange(n_new))
    hidden, _, past = model.stack.run(x, causal_mask(n_new, n_all), past)
    return model.logits(hidden[:, -1]), past


class _NotAStep(Exception):
    """What a step returned is not logits and a past; the message says what it is."""


def _read(step: Callable, model: GPT, tokens: Tensor, sizes: Sequence[int]) -> tuple[list, Any]:
    """Give tokens to a step in parts of these sizes: the logits after each, and the last past."""
    past, logits = None, []
    shape = [len(tokens), model.config.vocab_size]
    for part in tokens.split(list(sizes), dim=1):
        result = step(model, part.clone(), past)
        if result is None or result is ...:
            raise NotImplementedError
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            got = format_value(result)
            raise _NotAStep(f"you returned {got}, expected a pair: the logits and the past")
        found, past = result
        if not isinstance(found, Tensor) or list(found.shape) != shape:
            got = format_value(found)
            raise _NotAStep(f"your logits are {got}, expected shape {shape}, [batch, vocab_size]")
        logits.append(found)
    return logits, past


def _whole(model: GPT, tokens: Tensor, sizes: Sequence[int]) -> tuple[list[Tensor], list]:
    """The same from one pass over all tokens, without a cache."""
    hidden, _, present = model.run(tokens)
    logits = model.logits(hidden)
    return [logits[:, end - 1] for end in accumulate(sizes)], present


_CACHE_PARTS = (
    "a prompt of several tokens",
    "single tokens from the beginning on",
    "single tokens after a prompt",
    "several new tokens at once",
)


def _part_of_a_text(sizes: Sequence[int], n: int) -> str:
    """Which of these comes last up to the part n of a text that is read in parts of these sizes."""
    if n == 0:
        return _CACHE_PARTS[0 if sizes[0] > 1 else 1]
    if max(sizes[1 : n + 1]) > 1:
        return _CACHE_PARTS[3]
    return _CACHE_PARTS[2 if sizes[0] > 1 else 1]


def _properties(inputs: Sequence[tuple], results: Sequence[tuple]) -> str:
    """Say how many properties of a cache hold, and which do not; nothing of the cause."""
    right: dict[str, list[bool]] = {name: [] for name in _CACHE_PARTS}
    kept = []
    for args, (found, past) in zip(inputs, results, strict=True):
        logits, present = _whole(*args)
        kept.append(compare(past, present) is None)
        for n, (mine, expected) in enumerate(zip(found, logits, strict=True)):
            right[_part_of_a_text(args[2], n)].append(compare(mine, expected) is None)
    held = {f"logits after {name}": all(same) for name, same in right.items()}
    held["the past: keys and values of all tokens, for each layer"] = all(kept)
    missing = [text for text, holds in held.items() if not holds]
    count = f"properties that hold: {len(held) - len(missing)} of {len(held)}"
    return f"{count}. Missing: {'; '.join(missing)}"


def _first_difference(args: tuple, result: tuple[list, Any]) -> str | None:
    """Where the reading of one text first differs from one pass without a cache."""
    logits, present = _whole(*args)
    for found, expected, end in zip(result[0], logits, accumulate(args[2]), strict=True):
        if compare(found, expected) is not None:
            largest = format_value((found - expected).abs().max().item())
            return f"your logits after {end} tokens differ from the model's by up to {largest}"
    if compare(result[1], present) is not None:
        return f"your logits are right, but the past in the end is {format_value(result[1])}"
    return None


def _judge_step(answer: Any, inputs: Sequence[tuple]) -> str | None:
    """What is wrong with a step, on the first text where something is; None if nothing is."""
    if not callable(answer):
        return f"Your answer must be a function; it is {format_value(answer)}"
    texts = [f"a text of {sum(s)} tokens, read in parts of {', '.join(map(str, s))}"
             for *_, s in inputs]  # fmt: skip
    results = []
    for text, args in zip(texts, inputs, strict=True):
        try:
            results.append(_read(answer, *copy.deepcopy(args)))
        except NotImplementedError:
            raise
        except _NotAStep as error:
            return f"For input {text}, {error}"
        except (Exception, SystemExit) as error:
            return f"For input {text}, your code raised {explain_exception(error, answer)}"
    unchanged = [_read(_step_with_the_bug, *args) for args in inputs]
    if compare(results, unchanged, rtol=1e-6, atol=1e-9) is None:
        raise NotImplementedError
    for text, args, result in zip(texts, inputs, results, strict=True):
        problem = _first_difference(args, result)
        if problem is not None:
            return f"For input {text}, {problem}; {_properties(inputs, results)}"
    return None


@torch.no_grad()
def check_gpt_step(answer) -> None:
    """Check `gpt_step(model, tokens, past) -> (logits, past)` on whole texts, read in parts.

    The function with the bug, as it was handed out, counts as not attempted.

    Shape:
        tokens: int64 [batch, time], those after `past`; past: None, or for each layer keys and
        values [batch, heads, time so far, d_k]. logits: [batch, vocab_size], after the last token.
    """
    pre = small_gpt(1, n_layers=3)
    post = small_gpt(2, norm="post", final_norm=False, n_heads=4)
    inputs = [
        (pre, random_tokens(2, 7, vocab_size=13, seed=1), (3, 1, 1, 1, 1)),
        (pre, random_tokens(1, 6, vocab_size=13, seed=2), (2, 3, 1)),
        (post, random_tokens(3, 5, vocab_size=13, seed=3), (1, 1, 1, 1, 1)),
        (post, random_tokens(1, 12, vocab_size=13, seed=4), (4, 1, 5, 2)),
    ]
    CACHE.check_with(answer, partial(_judge_step, inputs=inputs))


COUNT = Exercise(
    5,
    "count a GPT",
    why="12 d ** 2 for each layer and V d for the tokens are nearly all of it; the small GPT-2 "
    "spends three tenths of its numbers on the tokens, the largest one twentieth.",
)


def _count_errors() -> list[tuple[Callable, str]]:
    """By how much the usual errors change the number, as functions of L, d, V, T."""
    norms = "each layer has two layer normalisations, each with a gain and a bias"
    attention = "the attention has four projections with biases: W_Q, W_K, W_V and W_O"
    feed_forward = (
        "the feed-forward network has two matrices, d by 4d and 4d by d, with biases of 4d and d"
    )
    either = (
        "4 d for each layer are missing: either the biases of the four projections, or the gains "
        "and biases of the two layer normalisations"
    )
    cross = "a GPT has no cross-attention and so no third normalisation in a layer"
    final = "after the last layer comes one more layer normalisation, with a gain and a bias"
    return [
        (lambda L, d, V, T: V * d, "the output's matrix is the token embedding: it counts once"),
        (lambda L, d, V, T: -V * d, "the token embedding is missing: V d"),
        (lambda L, d, V, T: -T * d, "each position has a vector that is learned: max_len d"),
        (lambda L, d, V, T: -2 * d, final),
        (lambda L, d, V, T: -d, final),
        (lambda L, d, V, T: 2 * d, "no layer normalisation follows the embeddings"),
        (lambda L, d, V, T: V, "the output has no bias"),
        (lambda L, d, V, T: -4 * L * d, either),
        (lambda L, d, V, T: -3 * L * d, attention),
        (lambda L, d, V, T: -5 * L * d, feed_forward),
        (lambda L, d, V, T: -2 * L * d, norms),
        (lambda L, d, V, T: -8 * L * d, f"{attention}; and {norms}"),
        (lambda L, d, V, T: -13 * L * d, "biases count, too, and two normalisations in a layer"),
        (lambda L, d, V, T: -L * d * d, attention),
        (lambda L, d, V, T: -L * (d * d + d), attention),
        (lambda L, d, V, T: -L * 4 * d * d, feed_forward),
        (lambda L, d, V, T: -L * (4 * d * d + d), feed_forward),
        (lambda L, d, V, T: -L * (4 * d * d + 4 * d), feed_forward),
        (lambda L, d, V, T: -L * (6 * d * d + 3 * d), "d_ff is 4 d_model, not d_model"),
        (lambda L, d, V, T: L * (4 * d * d + 4 * d), cross),
        (lambda L, d, V, T: L * (4 * d * d + 6 * d), cross),
        (lambda L, d, V, T: -(L - 1) * (12 * d * d + 13 * d), "count all n_layers layers"),
    ]


def _count_hint(answer, inputs: Sequence[tuple], right: Sequence[int]) -> str:
    """Name the fewest usual errors, up to three, that together explain all the differences."""
    parts = (
        "add up: one vector for each token and one for each position, the layers, the final "
        "normalisation; a layer is four projections, two layers of the feed-forward network (all "
        "six with biases) and two normalisations"
    )
    results = results_of(answer, inputs)
    try:
        differences = [round(float(a) - b) for a, b in zip(results or (), right, strict=True)]
    except (TypeError, ValueError, OverflowError, RuntimeError):  # not numbers
        return parts
    errors = _count_errors()
    changes = [[error(*args) for args in inputs] for error, _ in errors]
    for size in (1, 2, 3):
        for chosen in combinations(range(len(errors)), size):
            total = [sum(change) for change in zip(*(changes[n] for n in chosen), strict=True)]
            if total == differences:
                return "; and ".join(dict.fromkeys(errors[n][1] for n in chosen))
    return parts


def check_gpt_parameters(answer) -> None:
    """Check `gpt_parameters(n_layers, d_model, vocab_size, max_len) -> int`.

    Against `models.gpt_config.n_parameters`: small models of awkward sizes, and GPT-2's four.
    """
    small = [(1, 2, 5, 3), (3, 7, 11, 19), (5, 30, 101, 13), (2, 64, 1_000, 50)]
    official = [(c.n_layers, c.d_model, c.vocab_size, c.max_len) for c in GPT2_SIZES.values()]
    inputs = [*small, *official]
    right = [
        n_parameters(
            GPTConfig(
                n_layers=n_layers, d_model=d, n_heads=1, d_ff=4 * d, vocab_size=V, max_len=max_len
            )
        )
        for n_layers, d, V, max_len in inputs
    ]
    hint = _count_hint(answer, inputs, right)
    names = ("n_layers", "d_model", "vocab_size", "max_len")
    COUNT.check_function(
        answer,
        [
            Case(
                args,
                expected,
                shown=", ".join(f"{name}={v}" for name, v in zip(names, args, strict=True)),
                hint=hint,
            )
            for args, expected in zip(inputs, right, strict=True)
        ],
    )


STRIDE = Exercise(
    6,
    "a text longer than the context",
    why="A smaller stride gives each token more to be predicted from, and costs more windows: a "
    "perplexity says little without the context that each token had.",
)


def _nll_of(model, ids: Tensor, start: int, end: int, shift: int = 1) -> Tensor:
    """The losses of a window that reads ids[start:end], of the token after each of them."""
    logits = model(ids[None, start:end])[0]
    return F.cross_entropy(logits, ids[start + shift : end + shift], reduction="none")


def _direct_nll(model, ids: Tensor, stride: int) -> float:
    """Each token by itself, after the tokens that its window has before it."""
    total, max_len = 0.0, model.config.max_len
    for place in range(1, len(ids)):
        start = max(0, math.ceil((place - max_len) / stride)) * stride
        total += _nll_of(model, ids, start, place)[-1].item()
    return total / (len(ids) - 1)


def _window_losses(model, ids, stride, *, full=False, shift=1, length=None) -> list[Tensor]:
    """For each window the losses of the tokens that no window before it has predicted."""
    length, counted, start, found = length or model.config.max_len, 1, 0, []
    while counted < len(ids):
        end = min(start + length, len(ids) - 1)
        begin = max(0, end - length) if full else start  # full: the last one is moved back
        found.append(_nll_of(model, ids, begin, end, shift)[counted - end - 1 :])
        start, counted = start + stride, end + 1
    return found


def _all_losses(model, ids, stride) -> list[Tensor]:
    """For each window the losses of all its tokens: many are in several windows."""
    n, length = len(ids) - 1, model.config.max_len
    starts = range(0, max(1, n - length + stride), stride)
    return [_nll_of(model, ids, start, min(start + length, n)) for start in starts]


def _mean_of(losses: Sequence[Tensor]) -> float:
    return torch.cat(list(losses)).mean().item()


def _mean_of_means(losses: Sequence[Tensor]) -> float:
    return torch.stack([part.mean() for part in losses]).mean().item()


def _usual_windows() -> list[tuple[Callable, str]]:
    """The usual errors in which windows there are, and what is counted of them."""
    nothing = "the stride has no part in it: windows begin at 0, at stride, at 2 stride, and so on"
    last = (
        "the last window begins where the stride puts it and may be shorter than max_len: it is "
        "neither left out nor moved back"
    )
    early = (
        "count a token in the first window that predicts it, which is the one with most tokens "
        "before it"
    )

    def last_ones(model, ids, stride):
        return _mean_of([part[-stride:] for part in _window_losses(model, ids, stride)])

    def first_ones(model, ids, stride):
        *others, last = _all_losses(model, ids, stride)
        return _mean_of([*(part[:stride] for part in others), last])

    def full_windows(model, ids, stride):
        n_full = max(0, (len(ids) - 1 - model.config.max_len) // stride + 1)
        kept = _window_losses(model, ids, stride)[:n_full]
        return _mean_of(kept) if kept else ()

    return [
        (
            lambda model, ids, stride: _direct_nll(model, ids, model.config.max_len),
            f"{nothing}; yours stand side by side",
        ),
        (lambda model, ids, stride: _direct_nll(model, ids, 1), nothing),
        (lambda *args: _mean_of(_window_losses(*args)[:1]), "that is the first window alone"),
        (last_ones, "of the first window all predictions count: no window before it has them"),
        (first_ones, early),
        (full_windows, last),
        (lambda *args: _mean_of(_window_losses(*args, full=True)), last),
    ]


def _usual_strides() -> list[tuple[Callable, str]]:
    once = "each token counts once: of a window count only those that no window before predicted"
    mean = "add up the losses and divide by their number: windows count different numbers of tokens"
    unit = "nats per token are wanted: the natural logarithm, and neither perplexity nor bits"
    first = "the first token is not predicted: there are len(ids) - 1 losses"
    after_last = (
        "a window of max_len tokens makes max_len predictions: its last token predicts the token "
        "after the window"
    )

    def summed(*args):
        return torch.cat(_window_losses(*args)).sum().item()

    def targets_inside(model, ids, stride):  # windows of max_len tokens, their targets included
        length = model.config.max_len - 1
        return _mean_of(_window_losses(model, ids, min(stride, length), length=length))

    return [
        *_usual_windows(),
        (lambda *args: _mean_of(_all_losses(*args)), once),
        (lambda *args: _mean_of_means(_all_losses(*args)), f"{once}; and {mean}"),
        (lambda *args: _mean_of_means(_window_losses(*args)), mean),
        (lambda *args: summed(*args) / len(_window_losses(*args)), mean),
        (summed, "divide by the number of tokens that were predicted, len(ids) - 1"),
        (lambda *args: summed(*args) / len(args[1]), first),
        (lambda *args: -_direct_nll(*args), "change the sign: minus the logarithm is wanted"),
        (lambda *args: math.exp(_direct_nll(*args)), unit),
        (lambda *args: _direct_nll(*args) / math.log(2), unit),
        (targets_inside, after_last),
        (
            lambda *args: _mean_of(_window_losses(*args, shift=0)),
            "not shifted: the logits at a token predict the token after it",
        ),
    ]


@torch.no_grad()
def check_strided_nll(answer) -> None:
    """Check `strided_nll(model, ids, stride) -> nats per token`, against one token at a time.

    Shape:
        ids: int64 [n], n > 1; stride: from 1 to model.config.max_len.
    """
    rule = (
        "window k reads ids[k stride : k stride + max_len] and predicts the token after each; "
        "count those that no window before has predicted, and divide by len(ids) - 1"
    )
    inputs, known = [], []
    for max_len, n, stride in ((4, 7, 2), (5, 25, 3), (6, 20, 6), (4, 15, 1), (7, 5, 3)):
        model = small_gpt(10 * max_len + stride, max_len=max_len)
        inputs.append((model, random_tokens(n, vocab_size=13, seed=n), stride))
        known.append((Remembered(model), *inputs[-1][1:]))
    hints = hints_for(results_of(answer, inputs), known, _usual_strides(), rule, rtol=EXACT)
    STRIDE.check_function(
        answer,
        [
            Case(
                args,
                _direct_nll(*again),
                shown=f"a model with max_len {args[0].config.max_len}, {len(args[1])} tokens, "
                f"stride {args[2]}",
                hint=hint,
                rtol=EXACT,
            )
            for args, again, hint in zip(inputs, known, hints, strict=True)
        ],
    )


QUIZ = [
    Question(
        "GPT-1 has 12 layers and 117 million parameters. What layers are these?",
        [
            "Encoder layers of 2017, which look at all positions",
            "Six encoder and six decoder layers, as in the base model of 2017",
            "Decoder layers of 2017 without the attention to an encoder",
            "Decoder layers of 2017, whose cross-attention reads the prompt",
        ],
        2,
        [
            "A position would then see the token that it has to predict. GPT's self-attention has "
            "a causal mask.",
            "There is no encoder. All 12 layers read and continue one and the same text.",
            "Two sub-layers are left: self-attention with a causal mask, and the feed-forward "
            "network. Counting tokens and positions, 116.5 million numbers come of it.",
            "There is no cross-attention. The prompt is the beginning of the text, and "
            "self-attention reads it.",
        ],
    ),
    Question(
        "Byte-level BPE needs no token for what is unknown. Why?",
        [
            "Its 50,257 pieces include every word and every sign in use",
            "Each of the 256 bytes is a piece, so any text can be spelled",
            "A word that is unknown becomes the piece that is most like it",
            "A sign that is new gets an id when the model first reads it",
        ],
        1,
        [
            "No list has every word. GPT-2's has the 256 bytes, 50,000 merges and a token for the "
            "end of a text.",
            "At worst a text falls into its bytes. The merges are there for the length: a frequent "
            "word is one piece, so the same number of positions holds more text.",
            "Then text could not be restored from ids. Here `decode(encode(text))` is the text, "
            "down to the last space.",
            "Ids are fixed before training starts, because each has its vector in the embedding.",
        ],
    ),
    Question(
        "GPT-1 is fine-tuned to classify texts. What is new, and what is trained?",
        [
            "New: a linear layer. Trained: this layer, on states that stay frozen",
            "New: nothing. Trained: nothing, for the prompt holds labelled examples",
            "New: a linear layer and an encoder of the labels. Trained: only these two",
            "New: a linear layer and three tokens' vectors. Trained: all weights",
        ],
        3,
        [
            "This is how chapter 05 used ELMo's states. In GPT-1 all weights go on learning.",
            "This is prompting with examples, which came with GPT-2 and GPT-3. GPT-1's fine-tuning "
            "takes gradient steps.",
            "Labels are numbers of classes, and nothing encodes them. And what was pre-trained "
            "is trained on.",
            "The vectors are those of start, delimiter and extract token. The loss is L3 = L2 + "
            "λ L1: the task's, and with a weight the language model's on the same texts.",
        ],
    ),
    Question(
        "GPT-2's largest model has pre-LN and 48 layers. The last matrix of each sub-layer starts "
        "smaller. By which factor, and why?",
        [
            "1/√96: attention and feed-forward network both add to the residual path",
            "1/√48: each layer adds to the residual path once, with its output",
            "1/√1600: the width of the vectors, over which every product sums",
            "1/√1024: the length of the context, over which attention sums",
        ],
        0,
        [
            "N is the number of sums, two in each layer. Pre-LN normalises what a sub-layer reads "
            "and leaves the path itself alone until the final norm; with 1/√N its variance at the "
            "start does not grow with the depth.",
            "Each layer has two sub-layers, and each has a residual connection of its own: 96 "
            "sums.",
            "That would be the same for 2 layers and for 200. What is to be balanced is how many "
            "outputs add up on the residual path.",
            "Attention's weights add up to 1 however long the context is, so nothing has to be "
            "made good for.",
        ],
    ),
    Question(
        "You sample from the same trained GPT-2 with top-k = 40, then with top-p = 0.9. What sets "
        "the two apart?",
        [
            "Top-k is a parameter of the model; top-p is a setting of the sampling",
            "Top-k works with a key–value cache; top-p needs the probabilities without one",
            "Top-k cuts off improbable tokens; top-p makes the probabilities more alike",
            "Top-k keeps 40 tokens always; top-p few where the model is sure, else many",
        ],
        3,
        [
            "Both are settings of the sampling. No weight depends on them, and each can be another "
            "at every step.",
            "The cache saves work and changes no probability: both ways of sampling get the same "
            "logits with it and without it.",
            "Both cut off. More alike is what a temperature above 1 makes them.",
            "Among 40 tokens there may be nonsense where two would do, and good ones may be left "
            "out where hundreds would fit.",
        ],
    ),
]

"""Chapter 03's exercises, each with a check that says what is right and why, and its quiz."""

import math

import torch

from nlp_helpers.exercises.harness import Case, Exercise
from nlp_helpers.explorables.quiz import Question
from nlp_helpers.metrics import phoneme_error_rate


def _random(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


ATTEND = Exercise(
    1,
    "attention by hand",
    why="Score, softmax, weighted sum: all attention in this book takes these three steps.",
)


def _attend(query, keys, values):
    weights = torch.softmax(keys @ query, dim=0)
    return weights @ values, weights


def check_attend(answer) -> None:
    """Check `attend(query, keys, values) -> (context, weights)`, scored by the plain dot product.

    Shape:
        query: [key_size]; keys: [source, key_size]; values: [source, value_size];
        context: [value_size]; weights: [source].
    """
    plain = (
        "a score is a plain dot product, query with key; the softmax runs over the source; the "
        "context is the sum of the values, each times its weight"
    )
    mixed = "the keys are only for the scores: what is added up, by weight, are the values"
    large = "exp of a large score is infinite: use torch.softmax, or take away the maximum first"
    one = torch.tensor([1.0, 0.0])
    three = torch.tensor([[math.log(3), 0.0], [0.0, 1.0], [0.0, -1.0]])  # weights 0.6, 0.2, 0.2
    cases = [
        (one, three, three, "query [1, 0] and three keys with scores log 3, 0, 0", plain),
        (_random(4, seed=1), _random(7, 4, seed=2), _random(7, 2, seed=3), "7 keys", mixed),
        (_random(3, seed=4), _random(1, 3, seed=5), _random(1, 2, seed=6), "a single key", plain),
        (
            _random(5, seed=7) * 1e3,
            _random(6, 5, seed=8),
            _random(6, 2, seed=9),
            "big scores",
            large,
        ),
    ]
    ATTEND.check_function(
        answer,
        [
            Case((query, keys, values), _attend(query, keys, values), shown=shown, hint=hint)
            for query, keys, values, shown, hint in cases
        ],
    )


SCORE = Exercise(
    2,
    "a fair score",
    why="A product of probabilities shrinks with every token; a mean of logs does not.",
)


def _length_normalised(probabilities, power):
    return sum(math.log(p) for p in probabilities) / len(probabilities) ** power


def check_length_normalised(answer) -> None:
    """Check `length_normalised(probabilities, power) -> float`, in nats."""
    hat, straw = (0.2, 0.3, 0.1), (0.1, 0.3, 0.3, 0.4)
    product = "with power = 0 nothing is divided: the logarithm of the product, in nats"
    mean = "with power = 1 it is the mean of the logarithms, by the number of tokens"
    divided = "divide by the number of tokens to that power"
    small = "the product of 400 such numbers is 0 for the computer: add logarithms instead"
    SCORE.check_function(
        answer,
        [
            Case((list(p), power), _length_normalised(p, power), hint=hint)
            for p, power, hint in (
                (hat, 0.0, product),
                (hat, 1.0, mean),
                (straw, 1.0, mean),
                (straw, 0.5, divided),
                ((0.25,), 2.0, divided),
            )
        ]
        + [
            Case(
                ([0.1] * 400, 1.0),
                math.log(0.1),
                hint=small,
                shown="400 probabilities of 0.1, power 1",
            )
        ],
    )


MASK = Exercise(
    3,
    "a mask from lengths",
    why="One comparison makes it: positions along one axis, lengths along the other.",
)


def _padding_mask(lengths):
    return torch.arange(lengths.max()) < lengths[:, None]


def check_padding_mask(answer) -> None:
    """Check `padding_mask(lengths) -> mask`.

    Shape:
        lengths: LongTensor [batch]; mask: bool [batch, time], time is the greatest length.
    """
    true = "True stands for a real position, and the first `length` positions are real"
    axes = "one row per sequence, one column per position up to the greatest length"
    cases = [([3, 1, 2], true), ([2, 5], axes), ([4, 4], true), ([1], axes), ([1, 7, 3, 7], axes)]
    MASK.check_function(
        answer,
        [
            Case(
                (torch.tensor(lengths),),
                _padding_mask(torch.tensor(lengths)),
                hint=hint,
                shown=f"lengths {lengths}",
            )
            for lengths, hint in cases
        ],
    )


SOFTMAX = Exercise(
    4,
    "find the bug",
    why="Padding is left out before the softmax, so it takes no share from the real positions.",
)


def _masked_softmax_with_the_bug(scores, mask):
    weights = torch.softmax(scores, dim=-1)
    return weights * mask


def _masked_softmax(scores, mask):
    lowest = torch.finfo(scores.dtype).min
    weights = torch.softmax(scores.masked_fill(~mask, lowest), dim=-1)
    return weights * mask


def check_masked_softmax(answer) -> None:
    """Check `masked_softmax(scores, mask) -> weights`.

    Shape:
        scores: [batch, source]; mask: bool [batch, source], True = real; weights as scores.
    """
    whole = "without padding this is the plain softmax over the last axis; True means real"
    share = (
        "padding must have no part in the sum that the softmax divides by; a score of 0 does not "
        "do that, since exp(0) is 1"
    )
    high = "the score of a padded position may be far above all others: mask it first"
    none = "a row without a real position has nothing to look at: zeros, not nan"
    scores = torch.tensor([[2.0, 1.0, 0.0, 0.0], [2.0, 1.0, 3.0, 2.0]])
    ends = torch.tensor([[True, True, False, False], [True] * 4])
    nowhere = torch.tensor([[True, False, False, False], [False] * 4])
    full = torch.ones(2, 4, dtype=torch.bool)
    far = torch.tensor([[1.0, 2.0, 500.0, 500.0], [0.0, -1.0, 500.0, 1.0]])
    cases = [
        (scores, full, "no padding", whole),
        (scores, ends, "a row of 2 and a row of 4 real positions", share),
        (_random(5, 7, seed=1), _padding_mask(torch.tensor([3, 7, 1, 2, 6])), "5 rows", share),
        (far, ends, "scores of 500 at padded positions", high),
        (scores, nowhere, "a row without a real position", none),
    ]
    SOFTMAX.check_function(
        answer,
        [
            Case((s, mask), _masked_softmax(s, mask), shown=shown, hint=hint)
            for s, mask, shown, hint in cases
        ],
        unchanged=_masked_softmax_with_the_bug,
    )


ERRORS = Exercise(
    5,
    "count the errors",
    why="The same table, filled cell by cell, compares DNA and finds typing errors.",
)


def check_error_rate(answer) -> None:
    """Check `error_rate(hypotheses, references) -> float`, errors per reference phoneme."""
    table = "an edit is one insertion, one deletion or one substitution; find the fewest"
    length = "divide by the length of the reference, not of the hypothesis"
    nearest = "only the nearest reference counts, wherever it stands in the list"
    longest = "of equally near references the longest gives the length"
    total = "add up errors and lengths over all words, and divide once"
    cat, cats = ["K", "AE", "T"], ["K", "AE", "T", "S"]
    cases = [
        ([cat], [[cat]], "the right answer has no errors"),
        ([["K", "AH", "T"]], [[cat]], table),
        ([cats], [[cat]], length),
        ([["AE", "T"]], [[cat]], table),
        ([[]], [[cat]], "an empty hypothesis lacks every phoneme"),
        ([["AE", "T", "K"]], [[cat]], table),
        ([["S", "IH", "T", "IH", "NG"]], [[["K", "IH", "T", "AH", "N"]]], table),
        ([["AY", "DH", "ER"]], [[["IY", "DH", "ER"], ["AY", "DH", "ER"]]], nearest),
        ([cat], [[["K", "AE"], cats]], longest),
        ([["K"], cats + cats], [[["T"]], [cats + cats]], total),
    ]
    ERRORS.check_function(
        answer,
        [
            Case((hypotheses, references), phoneme_error_rate(hypotheses, references), hint=hint)
            for hypotheses, references, hint in cases
        ],
    )


BEAM = Exercise(
    6,
    "one step of beam search",
    why="One sorted list over all parents: a hypothesis may have two children in it, or none.",
)


def _beam_step(log_probs, next_log_probs, k):
    totals = log_probs[:, None] + next_log_probs
    best = totals.flatten().argsort(descending=True, stable=True)[:k].tolist()
    return [divmod(place, next_log_probs.shape[1]) for place in best]


def check_beam_step(answer) -> None:
    """Check `beam_step(log_probs, next_log_probs, k) -> list of k (parent, token), best first`.

    Shape:
        log_probs: [live], the hypotheses so far; next_log_probs: [live, vocab].
    """
    place = "in a flattened table, parent and token are place // vocab and place % vocab"
    total = "rank by log_probs[parent] + next_log_probs[parent, token], the greatest sum first"
    both = "all parents' tokens compete in one list, best first: both winners may be of one parent"
    tie = "equal sums: the lower parent first, then the lower token (topk promises no order)"
    straw = torch.full((2, 6), 0.14, dtype=torch.float64)
    straw[0, 1] = straw[1, 3] = 0.3
    fork = torch.tensor([[0.5, 0.4, 0.1], [0.4, 0.35, 0.25]])
    flat = torch.full((3, 64), 1 / 64, dtype=torch.float64)
    forbidden = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.5, 0.0, 0.5, 0.0]], dtype=torch.float64)
    first = torch.softmax(_random(1, 9, seed=4), dim=-1)
    many = torch.softmax(_random(5, 40, seed=5), dim=-1)
    cases = [
        ([0.6, 0.1], fork, 2, "parents of 0.6 and 0.1, three tokens, k = 2", both),
        ([1.0], first, 3, "one parent, nine tokens, k = 3", place),
        ([0.2, 0.1], straw, 2, "straw (0.2), man (0.1) and six words, k = 2", total),
        ([0.1, 0.6], fork, 2, "parents of 0.1 and 0.6, three tokens, k = 2", total),
        ([0.3, 0.1, 0.2, 0.2, 0.2], many, 5, "five parents, 40 tokens, k = 5", place),
        ([0.5, 0.5, 0.5], flat, 4, "three equal parents, 64 equal tokens, k = 4", tie),
        ([0.25, 0.5], forbidden, 3, "tokens of probability 0, three equal sums, k = 3", tie),
    ]
    BEAM.check_function(
        answer,
        [
            Case(
                (log_probs, table.log(), k),
                _beam_step(log_probs, table.log(), k),
                shown=shown,
                hint=hint,
            )
            for probs, table, k, shown, hint in cases
            for log_probs in [torch.tensor(probs, dtype=table.dtype).log()]
        ],
    )


QUIZ = [
    Question(
        "An encoder–decoder *without* attention reads a word of 20 letters. What does its decoder "
        "get to see of that word?",
        [
            "All 20 states of the encoder",
            "One vector, of the same size as for a word of 3 letters",
            "The letters, one per phoneme",
            "Only the last letter",
        ],
        1,
        [
            "That is what attention adds: every state stays within reach.",
            "Whatever the length, all must pass through one vector of fixed size.",
            "They would not fit: *through* has 7 letters and 3 phonemes.",
            "The last state has been through all letters; how much it keeps is the question.",
        ],
    ),
    Question(
        "While the decoder writes a phoneme, a letter has the attention weight 0.02. What does "
        "that say?",
        [
            "The letter is ignored",
            "Without the letter the answer would be the same",
            "The state at this letter makes up 0.02 of the weighted sum",
            "The model is 2 % sure of its answer",
        ],
        2,
        [
            "Soft attention gives little weight, never none (rounding apart): only a mask forbids.",
            "A weight does not tell: the states beside it have read the letter, too.",
            "That is all a weight is: a share in one sum, at one step.",
            "How sure it is shows in the distribution over phonemes, after all of this.",
        ],
    ),
    Question(
        "Why does the mask come *before* the softmax, as a score of minus infinity?",
        [
            "A score of 0 would do as well",
            "Because the softmax is faster on fewer numbers",
            "Multiplying by 0 afterwards would leave some weight on the padding",
            "So that the weights of the real positions add up to 1",
        ],
        3,
        [
            "exp(0) is 1: a score of 0 takes a share like any other.",
            "It computes as many numbers as before; some of them are 0.",
            "The padding would have none; but its share would be missing from the others.",
            "Padding has no part in the sum, so a word's weights do not depend on "
            "which longer words happen to be in the batch.",
        ],
    ),
    Question(
        "*straw hat ‹end›* has the probabilities 0.2, 0.3, 0.1 and *man with straw hat* 0.1, 0.3, "
        "0.3, 0.4. Which comes first, and why?",
        [
            "The first by product, the second per token: every further factor makes a product "
            "smaller",
            "The first by both: 0.006 is more than 0.0036",
            "The second by both: it is longer and so says more",
            "Neither can be compared, since the lengths differ",
        ],
        0,
        [
            "0.006 against 0.0036 as products; 0.182 against 0.245 as geometric means. "
            "Dividing the logarithm by the length takes this advantage of the short away.",
            "By product, yes. Per token it is 0.182 against 0.245.",
            "By product it loses, 0.0036 against 0.006; and length by itself is no merit.",
            "They can: as probabilities of whole sequences, or per token. The two orders differ.",
        ],
    ),
    Question(
        "Which of these is true?",
        [
            "Taking the most probable token at each step gives the most probable sequence",
            "Beam search finds the most probable sequence if the width is above 1",
            "A decoder trained by teacher forcing may meet prefixes that it was never trained on",
            "Beam search of width 1 draws each token at random",
        ],
        2,
        [
            "That is greedy decoding. The best sequence may begin with a token that is only "
            "second: that is why a beam keeps more than one.",
            "It keeps more, but what has left the beam never comes back: no guarantee, except "
            "when nothing is ever dropped.",
            "In training it reads the right phonemes, in use its own, errors included.",
            "Width 1 keeps the best token at every step: that is greedy decoding, nothing random.",
        ],
    ),
]

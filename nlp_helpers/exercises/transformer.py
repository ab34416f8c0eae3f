"""Chapter 04's exercises, each with a check that says what is right and why, and its quiz."""

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from nlp_helpers.exercises.harness import Case, Exercise, compare, format_value
from nlp_helpers.explorables.quiz import Question
from nlp_helpers.models.scaled_dot_product import causal_mask, scaled_dot_product_attention
from nlp_helpers.models.transformer_config import StackConfig
from nlp_helpers.models.transformer_layers import EncoderLayer


def _random(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _hint_for(answer: Any, args: tuple, usual: Sequence[tuple], otherwise: str) -> str:
    """Return the hint for the usual error that gives what the answer gives, if one does.

    Args:
        answer: the student's function.
        args: one input.
        usual: pairs of a function with an error and the hint for it.
        otherwise: the hint when the answer does none of that.
    """
    try:
        result = answer(*copy.deepcopy(args))
    except (Exception, SystemExit):  # the harness explains it
        return otherwise
    for wrong, hint in usual:
        if compare(result, wrong(*args)) is None:
            return hint
    return otherwise


DECODER_MASK = Exercise(
    1,
    "the decoder's mask",
    why="One & joins what the order forbids and what the padding forbids.",
)


def _mask(tokens, padding, *, keys=True, queries=False, real=None, triangle=torch.tril, diagonal=0):
    """The mask; the keywords stand for the usual errors."""
    time = tokens.shape[1]
    causal = triangle(torch.ones(time, time, dtype=torch.bool), diagonal=diagonal)
    mask = causal.expand(len(tokens), 1, time, time)
    real = tokens != padding if real is None else real(tokens)
    mask = mask & real[:, None, None, :] if keys else mask
    return mask & real[:, None, :, None] if queries else mask


def _usual_masks() -> list[tuple[Callable, str]]:
    upper = "a row is a query, a column a key: earlier keys stand left of the diagonal, so tril"
    query_axis = (
        "the padding belongs to the last axis, [:, None, None, :]: it is keys that may not be "
        "looked at; a padded query keeps its row"
    )
    inverted = "True means may attend; yours is True where attention is forbidden"
    heads = "the heads' axis is missing: [batch, 1, query, key], so that all heads share the mask"
    return [
        (lambda *args: ~_mask(*args), inverted),
        (partial(_mask, triangle=torch.triu), upper),
        (partial(_mask, triangle=torch.triu, diagonal=1), upper),
        (partial(_mask, triangle=torch.triu, keys=False), upper),
        (partial(_mask, triangle=torch.triu, keys=False, diagonal=1), upper),
        (lambda *args: _mask(*args)[:, 0], heads),
        (lambda *args: _mask(*args, keys=False, queries=True)[:, 0], heads),
        (partial(_mask, keys=False, queries=True), query_axis),
        (partial(_mask, queries=True), query_axis),
        (
            partial(_mask, diagonal=-1),
            "a position may attend to itself: its target is the next token, not its own",
        ),
        (partial(_mask, keys=False), "the padded keys are still allowed"),
        (lambda tokens, padding: _mask(tokens, padding)[:1], "every sequence has its own padding"),
        (
            lambda *args: _mask(*args, triangle=lambda ones, diagonal: ones),
            "a query may not attend to later positions",
        ),
        (
            partial(_mask, real=lambda tokens: tokens != 0),
            "padding is the id that the argument names, which need not be 0",
        ),
    ]


def check_decoder_mask(answer) -> None:
    """Check `decoder_mask(tokens, padding) -> mask`.

    Shape:
        tokens: LongTensor [batch, time]; padding: the id that fills up;
        mask: bool [batch, 1, query, key], True = may attend.
    """
    both = "True where the key is not padding and stands no later than the query; bool, 4 axes"
    inputs = [
        ([[5, 3, 2, 0, 0], [4, 1, 2, 3, 2], [6, 2, 0, 0, 0]], 0, "padding (0) at the right"),
        ([[5, 3, 2, 4]], 0, "one sequence of 4 tokens, no padding"),
        ([[0, 0, 5, 3, 2], [4, 1, 2, 3, 2]], 0, "padding (0) at the left"),
        ([[0, 3, 0, 9], [9, 0, 1, 9], [2, 2, 2, 2]], 9, "padding (9), and 0 is a token"),
        ([[7]], 0, "a single token"),
    ]
    usual = _usual_masks()
    cases = []
    for ids, padding, shown in inputs:
        args = (torch.tensor(ids), padding)
        hint = _hint_for(answer, args, usual, both)
        cases.append(Case(args, _mask(*args), shown=shown, hint=hint))
    DECODER_MASK.check_function(answer, cases)


PARAMETERS = Exercise(
    2,
    "count one layer",
    why="Without biases and norms: 4 d_model ** 2 in the attention, "
    "2 d_model d_ff in the feed-forward network, however many heads.",
)


def _count(d_model, d_ff, *, projections=4, copies=(1, 1), biases=(1, 1), norms=4):
    """The number of parameters; the keywords stand for the usual errors."""
    inputs, output = copies  # how often the input projections and W_O are counted
    projection = d_model * d_model + biases[0] * d_model
    attention = (projections - 1) * inputs * projection + output * projection
    return attention + 2 * d_model * d_ff + biases[1] * (d_ff + d_model) + norms * d_model


def _usual_counts() -> list[tuple[Callable, str]]:
    heads = (
        "the heads share d_model among them: the projections of h heads to d_k = d_model / h, "
        "side by side, are one matrix [d_model, d_model]"
    )
    biases = "every projection and both layers of the feed-forward network have biases, too"
    norms = (
        "the layer has two layer normalisations, each with a gain and a bias for every dimension"
    )
    either = (
        "4 d_model are missing: have all four projections a bias, and both layer normalisations "
        "a gain and a bias?"
    )
    usual = [
        (partial(_count, biases=(0, 0), norms=0), f"{biases}; and {norms}"),
        (partial(_count, biases=(0, 1), norms=0), f"{biases}; and {norms}"),
        (partial(_count, biases=(0, 0)), biases),
        (partial(_count, biases=(1, 0)), biases),
        (partial(_count, biases=(0, 1)), either),
        *((partial(_count, norms=norm), norms) for norm in (1, 2)),
    ]
    for bias in (0, 1):
        for norm in (0, 4):
            given = {"biases": (bias, bias), "norms": norm}
            usual.append(
                (
                    partial(_count, projections=3, **given),
                    "after the heads comes one more projection, W_O",
                )
            )
            for h in (2, 4, 8, 12, 16):
                usual += [(partial(_count, copies=(h, n), **given), heads) for n in (1, h)]
    return usual


def _layer_size(d_model: int, d_ff: int, n_heads: int) -> int:
    """The number of parameters of the model's own layer (on no device: nothing is drawn)."""
    with torch.device("meta"):
        layer = EncoderLayer(StackConfig(d_model=d_model, n_heads=n_heads, d_ff=d_ff))
    return sum(parameter.numel() for parameter in layer.parameters())


def check_encoder_layer_parameters(answer) -> None:
    """Check `encoder_layer_parameters(d_model, d_ff) -> int`."""
    parts = (
        "add up four projections of the attention, two layers of the feed-forward network (all "
        "six with biases), and two layer normalisations (gain and bias)"
    )
    usual = _usual_counts()
    PARAMETERS.check_function(
        answer,
        [
            Case(
                (d_model, d_ff),
                _layer_size(d_model, d_ff, n_heads),
                hint=_hint_for(answer, (d_model, d_ff), usual, parts),
            )
            for d_model, d_ff, n_heads in ((30, 70, 3), (512, 2048, 8), (64, 64, 1))
        ],
    )


SPLIT = Exercise(
    3,
    "split into heads",
    why="Every head has all positions, and its own d_k columns of the projection.",
)


def _split_heads(x, n_heads):
    return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)


def _usual_splits() -> list[tuple[Callable, str]]:
    def viewed(x, n_heads):
        return x.reshape(len(x), n_heads, x.shape[1], -1)

    def interleaved(x, n_heads):
        return x.unflatten(-1, (-1, n_heads)).permute(0, 3, 1, 2)

    def stacked(x, n_heads):
        return torch.stack(x.chunk(n_heads, dim=-1))

    def over_time(x, n_heads):
        return torch.stack(x.chunk(n_heads, dim=1), dim=1)

    mixed = (
        "the shape is right, the contents are not: view and reshape keep the numbers in their "
        "order in memory, so here a head gets all columns of some positions, not some columns of "
        "all positions; first make [batch, time, n_heads, d_k], then swap two axes"
    )
    return [
        (viewed, mixed),
        (lambda x, n: _split_heads(x, n).transpose(1, 2), "now swap the axes of time and heads"),
        (
            lambda x, n: _split_heads(x, n).transpose(2, 3),
            "the last two axes are time and d_k, in this order",
        ),
        (
            interleaved,
            "a head has d_k neighbouring columns: cut d_model into (n_heads, d_k), in this order",
        ),
        (stacked, "the batch comes first, then the heads"),
        (over_time, "heads do not divide the sequence: every head keeps all positions"),
    ]


def check_split_heads(answer) -> None:
    """Check `split_heads(x, n_heads) -> heads`.

    Shape:
        x: [batch, time, d_model]; heads: [batch, n_heads, time, d_k], d_k = d_model / n_heads.
    """
    columns = "head i (counted from 0) has the columns i * d_k to (i + 1) * d_k - 1 of x"
    counted = torch.arange(16.0).view(1, 4, 4)
    inputs = [
        (counted, 2, "x = arange(16.0).view(1, 4, 4), two heads"),
        (_random(2, 6, 12, seed=1), 3, "x of shape [2, 6, 12], 3 heads"),
        (_random(3, 2, 5, seed=2), 1, "x of shape [3, 2, 5], one head"),
        (_random(2, 16, 8, seed=3), 8, "x of shape [2, 16, 8], 8 heads"),
    ]
    usual = _usual_splits()
    SPLIT.check_function(
        answer,
        [
            Case(
                (x, n_heads),
                _split_heads(x, n_heads),
                shown=shown,
                hint=_hint_for(answer, (x, n_heads), usual, columns),
            )
            for x, n_heads, shown in inputs
        ],
    )


ATTENTION_BUGS = Exercise(
    4,
    "find the bug",
    why="Divided by the root of d_k, masked before the softmax, and the softmax over the keys.",
)


def _masked_attention_with_the_bugs(query, key, value, mask):
    scores = query @ key.transpose(1, 2) / query.shape[-1]
    weights = torch.softmax(scores, dim=1)
    weights = weights * mask
    return weights @ value, weights


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2


def _properties(answer, free: tuple, masked: tuple) -> str:
    """Say how many properties of attention hold, and which do not; nothing of the cause."""
    formula = scaled_dot_product_attention
    try:
        loose, tight = (answer(*copy.deepcopy(args)) for args in (free, masked))
        if not _is_pair(loose) or not _is_pair(tight):
            return "return the output and the weights"
        rest = tight[1][~masked[3].expand_as(tight[1])]
        held = {
            "with nothing forbidden each row of weights adds up to 1": _rows_add_up(loose[1]),
            "with a mask each row of weights adds up to 1": _rows_add_up(tight[1]),
            "forbidden weights are 0": bool((rest == 0).all()),
            "with nothing forbidden weights and output are those of the formula": (
                compare(loose, formula(*free)) is None
            ),
            "with a mask weights and output are those of the formula": (
                compare(tight, formula(*masked)) is None
            ),
        }
    except (Exception, SystemExit):  # the harness explains it
        return ""
    missing = [text for text, holds in held.items() if not holds]
    count = f"properties that hold: {len(held) - len(missing)} of {len(held)}"
    return f"{count}. Missing: {'; '.join(missing)}" if missing else count


def _rows_add_up(weights: torch.Tensor) -> bool:
    sums = weights.sum(dim=-1)
    return torch.allclose(sums, torch.ones_like(sums))


def check_masked_attention(answer) -> None:
    """Check `masked_attention(query, key, value, mask) -> (output, weights)`.

    Shape:
        query: [batch, query, d_k]; key: [batch, key, d_k]; value: [batch, key, d_v]; mask: bool,
        [query, key] or [batch, query, key], True = may attend, at least one key for each query.
        output: [batch, query, d_v]; weights: [batch, query, key].
    """
    sizes = [(2, 4, 5, 6, 3), (2, 4, 4, 9, 3), (3, 2, 6, 5, 5)]
    own = (_random(3, 2, 6, seed=30) > 0) | (torch.arange(6) == 0)  # key 0 is never forbidden
    masks = [torch.ones(4, 5, dtype=torch.bool), causal_mask(4), own]
    shown = ["nothing forbidden", "a causal mask", "a mask for each sequence"]
    inputs = []
    for seed, ((batch, n_queries, n_keys, d_k, d_v), mask) in enumerate(
        zip(sizes, masks, strict=True)
    ):
        query, key = _random(batch, n_queries, d_k, seed=seed), _random(batch, n_keys, d_k, seed=9)
        inputs.append((3 * query, key, _random(batch, n_keys, d_v, seed=20 + seed), mask))
    hint = _properties(answer, inputs[0], inputs[1])
    ATTENTION_BUGS.check_function(
        answer,
        [
            Case(
                args, scaled_dot_product_attention(*args), shown=f"{n} sequences, {what}", hint=hint
            )
            for args, what, (n, *_) in zip(inputs, shown, sizes, strict=True)
        ],
        unchanged=_masked_attention_with_the_bugs,
    )


SHIFT = Exercise(
    5,
    "a shift is a matrix",
    why="Each pair of dimensions turns by an angle that depends on k alone, never on pos.",
)


def _shift_matrix(k, d_model, *, exponent=-1.0, order=None, sign=1):
    """The matrix; the keywords stand for the usual errors."""
    frequencies = 10_000.0 ** (exponent * torch.arange(0, d_model, 2).double() / d_model)
    blocks = []
    for angle in (k * frequencies).tolist():
        sin, cos = math.sin(angle), math.cos(angle)
        blocks.append(torch.tensor([[cos, sin], [-sign * sin, cos]], dtype=torch.float64))
    matrix = torch.block_diag(*blocks)
    if order == "halves":  # all sines, then all cosines
        places = torch.arange(d_model).view(-1, 2).T.flatten()
        return matrix[places][:, places]
    return matrix


def _usual_shifts() -> list[tuple[Callable, str]]:
    order = (
        "in sinusoidal_positions sine and cosine alternate: entries 2i and 2i + 1 belong to one "
        "frequency, so each block stands on the diagonal"
    )
    back = (
        "this matrix shifts by -k; sin(a + b) = sin a cos b + cos a sin b gives the row of a sine, "
        "cos(a + b) = cos a cos b - sin a sin b that of a cosine"
    )
    frequency = "the frequency of the pair i is 10000 ** (-2i / d_model), i = 0, 1, 2, ..."
    return [
        (lambda k, d: _shift_matrix(k, d).T, back),
        (partial(_shift_matrix, order="halves"), order),
        (lambda k, d: _shift_matrix(k, d, order="halves").T, order),
        *((partial(_shift_matrix, exponent=e), frequency) for e in (-0.5, -2.0, 0.0, 1.0)),
        (
            partial(_shift_matrix, sign=-1),
            "the two sines have opposite signs: a rotation stretches nothing",
        ),
    ]


def check_shift_matrix(answer) -> None:
    """Check `shift_matrix(k, d_model) -> M` with PE(pos + k) = M PE(pos).

    Shape:
        M: [d_model, d_model]; PE in the order of `models.positions.sinusoidal_positions`.
    """
    nothing = "a shift by 0 changes nothing, so M is the identity"
    angles = (
        "write sin(w (pos + k)) and cos(w (pos + k)) as sums of products of sin(w pos) and "
        "cos(w pos): their factors are the entries"
    )
    usual = _usual_shifts()
    SHIFT.check_function(
        answer,
        [
            Case(
                (k, d_model),
                _shift_matrix(k, d_model),
                shown=f"k = {k}, d_model = {d_model}",
                hint=_hint_for(answer, (k, d_model), usual, nothing if k == 0 else angles),
                atol=1e-5,
            )
            for k, d_model in ((0, 4), (1, 2), (3, 6), (-2, 8), (20, 64))
        ],
    )


CACHE = Exercise(
    6,
    "one step with a cache",
    why="Earlier keys and values never change, so each is computed once; and what comes later "
    "is not there yet, so no mask is needed.",
)


def _attend_once(query, keys, values, divisor):
    """One query [batch, d_k] looks at keys and values [batch, time, ...]."""
    scores = torch.einsum("bd,btd->bt", query, keys) / divisor
    return torch.einsum("bt,btd->bd", scores.softmax(dim=-1), values)


def _cached_step(x, cache, W_Q, W_K, W_V):
    new = tuple((x @ W)[:, None] for W in (W_K, W_V))
    if cache is not None:
        new = tuple(torch.cat(pair, dim=1) for pair in zip(cache, new, strict=True))
    return _attend_once(x @ W_Q, *new, math.sqrt(W_K.shape[1])), new


def _usual_caches(x, time) -> list[tuple]:
    """The caches of the usual errors after a step; x: keys and values of the whole sequence."""
    right = [part[:, : time + 1] for part in x]
    return [
        (
            [part[:, :time] for part in x],
            "the new token's key and value are not in it: the next steps could not look at it",
        ),
        (
            [part[:, time : time + 1] for part in x],
            "it holds the new token alone: the keys and values of the earlier ones are "
            "overwritten; torch.cat keeps them",
        ),
        (
            [torch.cat([part[:, time : time + 1], part[:, :time]], dim=1) for part in x],
            "the new token comes last, after the earlier ones",
        ),
        (right[::-1], "keys first, then values"),
    ]


def _usual_outputs(query, keys, values, d_model, expected) -> list[tuple]:
    """The outputs of the usual errors: keys and values up to the new token."""
    d_k = keys.shape[-1]
    root = math.sqrt(d_k)
    divide = "the scores are divided by the square root of d_k, the width of the keys"
    return [
        (_attend_once(query, keys, values, 1.0), f"the scale is left out: {divide}"),
        (_attend_once(query, keys, values, d_k), divide),
        (_attend_once(query, keys, values, math.sqrt(d_model)), divide),
        (
            _attend_once(query, keys[:, :-1], values[:, :-1], root),
            "the new token attends to itself, too: add its key and value before you score",
        ),
        (values[:, -1], "it looks at the new token alone: the cached keys have no part in it"),
        (expected[:, None], "take away the axis of length 1"),
        (expected.squeeze(0), "keep the batch axis"),
    ]


def _told(problem: str, result: Any, usual: Sequence[tuple], otherwise: str) -> str:
    """A sentence about a wrong result, with the hint for the usual error that gives it."""
    hints = [hint for wrong, hint in usual if compare(result, wrong) is None]
    return f"{problem}; {hints[0] if hints else otherwise}"


def _judge_cached_step(answer, x, W_Q, W_K, W_V) -> str | None:
    """Run it over x [batch, time, d_model]; return what is wrong at the first step that is."""
    query, keys, values = x @ W_Q, x @ W_K, x @ W_V
    full, _ = scaled_dot_product_attention(query, keys, values, causal_mask(x.shape[1]))
    cache = None
    for t in range(x.shape[1]):
        where = f"At step {t + 1} of a sequence of {x.shape[1]} you returned"
        result = answer(x[:, t].clone(), copy.deepcopy(cache), W_Q, W_K, W_V)
        if result is None or result is ...:
            raise NotImplementedError
        if not _is_pair(result) or not _is_pair(result[1]):
            return f"{where} {format_value(result)}; return output, (keys, values)"
        output, cache = result[0], tuple(result[1])
        expected = (keys[:, : t + 1], values[:, : t + 1])
        problem = compare(cache, expected)
        if problem is not None:
            appended = "each new key x W_K and value x W_V is appended along the axis of time"
            text = f"{where} the cache {format_value(cache)}, {problem}"
            return _told(text, list(cache), _usual_caches((keys, values), t), appended)
        problem = compare(output, full[:, t])
        if problem is not None:
            usual = _usual_outputs(query[:, t], *expected, x.shape[2], full[:, t])
            scored = "score the new query against all keys, the new one included; softmax over time"
            text = f"{where} the output {format_value(output)}, {problem}"
            return _told(text, output, usual, scored)
    return None


def check_cached_step(answer) -> None:
    """Check `cached_step(x, cache, W_Q, W_K, W_V) -> (output, cache)` over whole sequences.

    Shape:
        x: [batch, d_model]; cache: None, or keys [batch, time, d_k] and values [batch, time, d_v];
        W_Q, W_K: [d_model, d_k]; W_V: [d_model, d_v]; output: [batch, d_v].
    """
    inputs = [
        [_random(*shape, seed=seed + n) / 2 for n, shape in enumerate(shapes)]
        for seed, shapes in (
            (40, ((3, 6, 7), (7, 5), (7, 5), (7, 6))),
            (50, ((1, 3, 4), (4, 4), (4, 4), (4, 4))),
        )
    ]
    CACHE.check_with(
        answer,
        lambda step: next(filter(None, (_judge_cached_step(step, *args) for args in inputs)), None),
    )


QUIZ = [
    Question(
        "In self-attention query, key and value come from the same `X`. Why do `W_Q` and `W_K` "
        "have to be two matrices?",
        [
            "With one for both the softmax could not make the rows add up to 1",
            "`W_Q` reads the encoder's sequence and `W_K` the decoder's",
            "With one for both the scores would be symmetric",
            "With one for both all heads would compute the same",
        ],
        2,
        [
            "The softmax takes any scores, and its rows add up to 1 whatever they are.",
            "In self-attention there is one sequence, and both matrices read it. (In "
            "cross-attention the queries come from the decoder, the keys from the encoder.)",
            "The dot product of `x_i W` and `x_j W` stays the same when `i` and `j` change places: "
            "a verb could not score its noun highly without the noun scoring the verb as highly.",
            "Each head has matrices of its own, so the heads would still differ.",
        ],
    ),
    Question(
        "`d_model` is 512 and there are 8 heads. What does one head have to work with?",
        [
            "All positions, and 64 numbers for each, computed from all 512",
            "All positions, but of each vector only the 64 numbers that are its share",
            "An eighth of the positions, with all 512 numbers of each",
            "All positions and 512 numbers, through projections that the heads share",
        ],
        0,
        [
            "Its part of `W_Q`, `W_K` and `W_V` is 512 rows by 64 columns. What is divided among "
            "the heads is the result of the projection.",
            "The cut comes after the projection, not before. Each of the 64 numbers is a sum over "
            "all 512.",
            "The sequence is not divided: each head has a weight for every pair of positions.",
            "Then all heads would have the same weights. Each has its own columns of the matrices.",
        ],
    ),
    Question(
        "A sub-layer reads `x` and answers `y`. What does *Add & Norm* make of the two in the "
        "paper of 2017?",
        [
            "`softmax(x + y)`, so that the numbers of each position add up to 1",
            "`x + LayerNorm(y)`, so that `x` goes on unchanged",
            "The sum, brought to mean 0 and variance 1 for each dimension over the whole batch",
            "The sum, brought to mean 0 and variance 1 over the dimensions of each position",
        ],
        3,
        [
            "A softmax is inside the attention, over the keys. The norm is a layer normalisation, "
            "and its numbers may be negative.",
            "The paper normalises the sum (post-LN). Pre-LN, `x + sublayer(LayerNorm(x))`, "
            "normalises what the sub-layer reads, not what it answers.",
            "That is batch normalisation. With it a sentence would be read differently in "
            "different batches.",
            "`LayerNorm(x + y)`; a learned gain and bias for each dimension follow. Each position "
            "is normalised by itself.",
        ],
    ),
    Question(
        "Leave the layers aside, which always follow one another. Which *positions* of a decoder "
        "have to wait for each other?",
        [
            "In training and in generation each waits for the one before, since the mask is causal",
            "In generation each waits for the one before; in training none does",
            "In generation each waits for the one before, but a key–value cache ends that",
            "None in either: attention takes all positions at once",
        ],
        1,
        [
            "In training all target tokens are known. The mask hides later ones, and one pass "
            "computes every position.",
            "What is written at one step is read at the next, with a cache or without. In training "
            "the targets are known beforehand.",
            "The cache saves work within a step: earlier keys and values are not computed again. "
            "There are as many steps as before.",
            "The input of a step in generation is the token that the step before has chosen. Until "
            "then there is nothing to take.",
        ],
    ),
    Question(
        "You leave the positional encoding out of a trained encoder and shuffle the tokens of its "
        "input. What does that do to the output vectors?",
        [
            "All of them become equal, since only the mean of the input is left",
            "They change, because each token has other neighbours now",
            "They are shuffled in the same way, and each is otherwise the same",
            "They stay where they are, for attention has no order",
        ],
        2,
        [
            "Different tokens have different queries, and the residual connection keeps each "
            "token's own vector.",
            "Without positions there are no neighbours: a score depends on the two vectors, not on "
            "where they stand.",
            "Each vector depends on its token and on which others there are, not on where they "
            "stand. *dog bites man* and *man bites dog* would be read alike.",
            "Each vector moves with its token. It is the function that has no order; its outputs "
            "follow their inputs.",
        ],
    ),
]

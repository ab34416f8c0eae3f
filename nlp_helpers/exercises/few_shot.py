"""Chapter 06b's exercises, each with a check that says what is right and why."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlp_helpers.data.in_context import Demonstrations, LabelTask, demonstrations
from nlp_helpers.exercises.harness import Case, Exercise, compare, format_value
from nlp_helpers.exercises.hints import hints_for, results_of
from nlp_helpers.exercises.small_models import Remembered, random_tokens, small_gpt
from nlp_helpers.explorables.quiz import Question
from nlp_helpers.induction import label_accuracy
from nlp_helpers.models.scaled_dot_product import attention_weights, banded_mask, causal_mask

EXACT = 1e-5  # relative tolerance where a usual error is close to the right number


COST = Exercise(
    1,
    "the cost of a training run",
    why="Weights and tokens are multiplied: ten times as many of both cost a hundred times as "
    "much.",
)
PETAFLOP_DAY = 1e15 * 24 * 3600  # operations of a machine that does 10^15 a second, in a day


def _cost(n_weights, n_tokens, *, factor=6, day=PETAFLOP_DAY):
    """Operations and days; the keywords stand for the usual errors."""
    operations = factor * n_weights * n_tokens
    return operations, operations / day


def _usual_operations() -> list[tuple[Callable, str]]:
    """The usual errors of the operations: (n_weights, n_tokens) -> operations."""
    backward = "the backward pass is missing: it costs twice as much as the forward pass"
    two = "a multiplication and an addition are two operations"
    product = "every weight meets every token: the two numbers are multiplied"
    return [
        (lambda *args: _cost(*args)[1], "the operations come first, then the days"),
        (lambda *args: _cost(*args, factor=2)[0], backward),
        (lambda *args: _cost(*args, factor=1)[0], f"{backward}; and {two}"),
        (lambda *args: _cost(*args, factor=3)[0], two),
        (
            lambda *args: _cost(*args, factor=4)[0],
            "forward and backward pass are both needed: 2 and 4 operations",
        ),
        (lambda n_weights, n_tokens: 6 * n_weights, product),
        (lambda n_weights, n_tokens: 6 * n_tokens, product),
        (lambda n_weights, n_tokens: 6 * (n_weights + n_tokens), product),
        (lambda *args: _cost(*args, factor=6e-15)[0], "count single operations, not 10 ** 15"),
    ]


def _usual_days() -> list[tuple[Callable, str]]:
    """The usual errors of the days, where the operations are right."""
    rounded = "do not round the days"
    peta = "peta stands for 10 ** 15"

    def with_day(day):
        return lambda *args: _cost(*args, day=day)[1]

    return [
        (with_day(1e15), "those are seconds: a day has 24 * 3600 of them"),
        (with_day(1e15 * 3600), "those are hours: a day has 24 of them"),
        (with_day(1e15 * 60), "those are minutes: a day has 24 * 60 of them"),
        (with_day(1e15 * 24), "a day has 24 hours, and an hour 3,600 seconds"),
        (with_day(1e15 * 24 * 60), "an hour has 3,600 seconds, not 60"),
        (with_day(PETAFLOP_DAY * 365), "those are years, not days"),
        (with_day(24 * 3600), "the machine does 10 ** 15 operations a second, not one"),
        *((with_day(power * 24 * 3600), peta) for power in (1e9, 1e12, 1e18, 2**50)),
        (with_day(1e15 / (24 * 3600)), "divide by the seconds of a day, too"),
        *((lambda *args, f=f: f(_cost(*args)[1]), rounded) for f in (round, math.floor, math.ceil)),
    ]


def _with_floats(answer: Any) -> Any:
    """The answer with Python's integers as floats: beyond 64 bits no array would hold them."""
    if not callable(answer):
        return answer

    def with_floats(*args):
        result = answer(*args)
        if not isinstance(result, (tuple, list)):
            return result
        return [float(item) if type(item) is int else item for item in result]

    with_floats.forward = answer  # where the harness looks for the student's own lines
    return with_floats


def _cost_hints(answer, inputs: Sequence[tuple]) -> list[str]:
    """The hints: for the operations where they are wrong, else for the days."""
    rule = "6 operations for each weight and token; a petaflop/s-day is 10 ** 15 * 24 * 3600"
    results = results_of(answer, inputs)
    if results is None:
        return [rule] * len(inputs)
    if any(not isinstance(result, list) or len(result) != 2 for result in results):
        return ["return both: the operations, and the days"] * len(inputs)
    tolerances = {"rtol": EXACT, "atol": 0.0}
    operations, days = (
        hints_for([result[n] for result in results], inputs, usual, rule, **tolerances)
        for n, usual in enumerate((_usual_operations(), _usual_days()))
    )
    right = [
        compare(result[0], _cost(*args)[0], **tolerances) is None
        for result, args in zip(results, inputs, strict=True)
    ]
    return [days[n] if right[n] else operations[n] for n in range(len(inputs))]


def check_training_cost(answer) -> None:
    """Check `training_cost(n_weights, n_tokens) -> (operations, days)`.

    Source: Kaplan et al. 2020, section 2.1 (6 operations); Brown et al. 2020, appendix D.

    Args:
        answer: operations are floating-point operations; days are petaflop/s-days.
    """
    inputs = [(1.2e9, 1.2e10), (175e9, 300e9), (1.3e9, 4e10), (2.5e8, 3e12)]
    answer = _with_floats(answer)
    hints = _cost_hints(answer, inputs)
    COST.check_function(
        answer,
        [
            Case(
                args,
                list(_cost(*args)),
                shown=f"n_weights={format_value(args[0])}, n_tokens={format_value(args[1])}",
                hint=hint,
                rtol=EXACT,
                atol=0.0,
            )
            for args, hint in zip(inputs, hints, strict=True)
        ],
    )


ANSWER = Exercise(
    2,
    "the probability of an answer",
    why="A prompt asks, the most probable continuation is the answer, and no weight changes. Each "
    "further token makes the sum smaller: compare answers of equal length, or take the mean.",
)


def _scores(
    model, prompt, continuation, *,
    score=lambda logits: logits.log_softmax(dim=-1), shift=0, whole=False,
):  # fmt: skip
    """A score for each token of the continuation; the keywords stand for the usual errors."""
    tokens = torch.cat([prompt, continuation])
    targets = torch.arange(1 if whole else len(prompt), len(tokens))
    places = (targets - 1 + shift).clamp(min=0)
    return score(model(tokens[None])[0])[places, tokens[targets]]


def _log_prob(*args, **keywords) -> float:
    return _scores(*args, **keywords).sum().item()


def _usual_places() -> list[tuple[Callable, str]]:
    """The usual errors in which logits are read, and which tokens count."""
    given = "the prompt is given: only the tokens of the continuation count"
    alone = "the continuation follows the prompt: the model reads both, one after the other"

    def unshifted(model, prompt, continuation):
        log_probs = model(continuation[None])[0].log_softmax(dim=-1)
        return log_probs.gather(1, continuation[:, None]).sum().item()

    def after_the_prompt(model, prompt, continuation):
        return model(prompt[None])[0, -1].log_softmax(dim=-1)[continuation].sum().item()

    return [
        (
            partial(_log_prob, shift=1),
            "one place too late: the logits at a token predict the token after it",
        ),
        (
            partial(_log_prob, shift=-1),
            "one place too early: a token is predicted at the token just before it",
        ),
        (partial(_log_prob, whole=True), given),
        (lambda *args: _scores(*args, whole=True).mean().item(), f"{given}; and add them up"),
        (lambda *args: _scores(*args)[0].item(), "that is the first token alone; add up all"),
        (lambda *args: _scores(*args)[-1].item(), "that is the last token alone; add up all"),
        (
            lambda *args: _scores(*args)[1:].sum().item(),
            "the first token of the continuation counts, too: the prompt's last token predicts it",
        ),
        (lambda *args: _scores(*args)[:-1].sum().item(), "the last token counts, too"),
        (lambda model, p, c: _log_prob(model, c[:1], c[1:]), alone),
        (unshifted, alone),
        (
            after_the_prompt,
            "each token is predicted from the prompt and the continuation's tokens before it; "
            "yours are all predicted from the prompt alone",
        ),
        (lambda model, p, c: _log_prob(model, c, p), "the prompt comes first"),
    ]


def _usual_log_probs() -> list[tuple[Callable, str]]:
    log = "these are probabilities: take their logarithms before you add"
    total = "add up the logarithms; the mean is another measure"
    unit = "nats are wanted: the natural logarithm"
    vocabulary = "the softmax goes over the vocabulary, the last axis, not over the places"

    def probabilities(logits):
        return logits.softmax(dim=-1)

    return [
        *_usual_places(),
        (lambda *args: _scores(*args).mean().item(), total),
        (lambda *args: -_scores(*args).mean().item(), f"change the sign; and {total}"),
        (lambda *args: -_log_prob(*args), "change the sign: the logarithm itself is wanted"),
        (_scores, "add up the logarithms to one number"),
        (partial(_log_prob, score=probabilities), log),
        (lambda *args: _scores(*args, score=probabilities).mean().item(), f"{log}; and {total}"),
        (
            lambda *args: math.exp(_log_prob(*args)),
            "that is the probability; return its logarithm",
        ),
        (lambda *args: math.exp(-_scores(*args).mean().item()), "that is the perplexity"),
        (
            partial(_log_prob, score=lambda logits: logits),
            "logits are not log-probabilities: they are before the softmax",
        ),
        *((lambda *args, b=b: _log_prob(*args) / math.log(b), unit) for b in (2, 10)),
        (partial(_log_prob, score=lambda logits: logits.log_softmax(dim=0)), vocabulary),
        (partial(_log_prob, score=lambda logits: logits[:-1].log_softmax(dim=0)), vocabulary),
    ]


@torch.no_grad()
def check_continuation_log_prob(answer) -> None:
    """Check `continuation_log_prob(model, prompt, continuation) -> float`, in nats.

    Shape:
        prompt, continuation: int64 [n], n >= 1. The model takes tokens [batch, time] and returns
        logits [batch, time, vocab_size].
    """
    rule = (
        "read prompt and continuation together; take for each token of the continuation its "
        "log-probability, predicted at the token before it; add up"
    )
    models = [small_gpt(11), small_gpt(12, vocab_size=29, n_heads=4)]
    sizes = [(0, 4, 3), (1, 2, 5), (1, 6, 1), (0, 1, 4)]
    inputs = []
    for seed, (n, n_prompt, n_new) in enumerate(sizes):
        vocab_size = models[n].config.vocab_size
        tokens = random_tokens(n_prompt + n_new, vocab_size=vocab_size, seed=50 + seed)
        inputs.append((models[n], tokens[:n_prompt].clone(), tokens[n_prompt:].clone()))
    known = [(Remembered(model), *tokens) for model, *tokens in inputs]
    hints = hints_for(results_of(answer, inputs), known, _usual_log_probs(), rule, rtol=EXACT)
    ANSWER.check_function(
        answer,
        [
            Case(
                args,
                _log_prob(*args),
                shown=f"a small GPT, prompt {args[1].tolist()}, continuation {args[2].tolist()}",
                hint=hint,
                rtol=EXACT,
            )
            for args, hint in zip(inputs, hints, strict=True)
        ],
    )


INDUCTION = Exercise(
    3,
    "find the induction head",
    why="In a random sequence only the repetition tells what comes next, and a head with a score "
    "near 1 looks where it is written.",
)


def _attention_at(weights, n, *, shift=0, skip=0):
    """Attention [batch, heads, query] from the second half to t - n + 1 + shift.

    The keywords stand for the usual errors; `skip` leaves out that many queries at the end.
    """
    queries = torch.arange(n, 2 * n - skip)
    return weights[:, :, queries, queries - n + 1 + shift]


def _score(weights, n, **keywords):
    return _attention_at(weights, n, **keywords).mean(dim=(0, 2))


def _usual_keys() -> list[tuple[Callable, str]]:
    """The usual errors in which queries and keys are read."""
    first_half = (
        "only the second half counts: in the first one no token has occurred before; the last "
        "position of the first half belongs to it"
    )
    swapped = "queries are the third axis, keys the fourth: yours have changed places"

    def along(weights, offset, start=0):
        return weights.diagonal(offset=offset, dim1=2, dim2=3)[..., start:].mean(dim=(0, 2))

    return [
        (
            partial(_score, shift=-1),
            "that is the place where the same token stood; wanted is the token after it",
        ),
        (
            partial(_score, shift=-2),
            "that is the token before the one that was the same; wanted is the token after it",
        ),
        (
            lambda weights, n: _score(weights, n, shift=1, skip=1),
            "that is two places after the same token; wanted is the token just after it",
        ),
        (lambda w, n: along(w, -1, n - 1), "that is the attention to the token just before"),
        (lambda w, n: along(w, 1 - n), first_half),
        (lambda weights, n: _score(weights, n) / 2, first_half),
        (lambda weights, n: _score(weights.mT, n), swapped),
        (
            partial(_score, skip=1),
            "the last position counts, too: what followed its token is the first token of the "
            "second half",
        ),
        (
            lambda weights, n: weights[:, :, n:, :n].sum(dim=3).mean(dim=(0, 2)),
            "that is the attention to the whole first half; each query has one key that counts",
        ),
    ]


def _usual_scores() -> list[tuple[Callable, str]]:
    heads = "a score for each head is wanted: take the mean over sequences and places, not heads"

    def most_attended(weights, n):
        queries = torch.arange(n, 2 * n)
        found = weights[:, :, n:].argmax(dim=3) == queries - n + 1
        return found.double().mean(dim=(0, 2))

    return [
        *_usual_keys(),
        (lambda *args: _score(*args).mean(), heads),
        (lambda *args: _attention_at(*args).mean(dim=(1, 2)), heads),
        (lambda *args: _attention_at(*args).mean(dim=2), "take the mean over the sequences, too"),
        (lambda *args: _attention_at(*args).mean(dim=0), "take the mean over the places, too"),
        (lambda *args: _attention_at(*args).sum(dim=(0, 2)), "take the mean, not the sum"),
        (
            lambda *args: _attention_at(*args).sum(dim=2).mean(dim=0),
            "take the mean over the places, not the sum",
        ),
        (
            lambda *args: _attention_at(*args).sum(dim=0).mean(dim=1),
            "take the mean over the sequences, not the sum",
        ),
        (
            lambda *args: _attention_at(*args).amax(dim=2).mean(dim=0),
            "take the mean over the places, not the largest",
        ),
        (most_attended, "the mean of the attention is wanted, not how often it is the largest"),
    ]


def _pure_heads(n: int) -> Tensor:
    """Weights [1, 3, 2n, 2n]: from the second half one head looks at the token after the same one,
    one at the same token, one at the token before; in the first half each looks at itself."""
    first, queries = torch.arange(n), torch.arange(n, 2 * n)
    weights = torch.zeros(1, 3, 2 * n, 2 * n, dtype=torch.float64)
    weights[:, :, first, first] = 1
    for head, keys in enumerate((queries - n + 1, queries - n, queries - 1)):
        weights[:, head, queries, keys] = 1
    return weights


def _causal_attention(batch: int, heads: int, time: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(batch, heads, time, time, generator=generator, dtype=torch.float64)
    return attention_weights(2 * scores, causal_mask(time))


def check_induction_score(answer) -> None:
    """Check `induction_score(weights, n) -> score`, the prefix matching of every head.

    Source: Olsson et al. 2022, "In-context learning and induction heads".

    Shape:
        weights: [batch, heads, 2n, 2n], causal, of random sequences of n tokens that come twice.
        score: [heads].
    """
    rule = (
        "the mean attention from each position t of the second half to t - n + 1, over sequences "
        "and places, for each head"
    )
    inputs = [(_pure_heads(4), 4)]
    inputs += [(_causal_attention(*sizes, 2 * n, seed=n), n)
               for *sizes, n in ((2, 3, 5), (4, 2, 3), (3, 1, 8))]  # fmt: skip
    pure = "three heads, which look after the same token, at it, and just before, n = 4"
    shown = [pure, *(f"weights {list(w.shape)}, n = {n}" for w, n in inputs[1:])]
    hints = hints_for(results_of(answer, inputs), inputs, _usual_scores(), rule, rtol=EXACT)
    INDUCTION.check_function(
        answer,
        [
            Case(args, _score(*args), shown=name, hint=hint, rtol=EXACT)
            for args, name, hint in zip(inputs, shown, hints, strict=True)
        ],
    )


STRIDED = Exercise(
    4,
    "a strided mask",
    why="A query attends to about stride + n / stride positions in place of n, and two layers "
    "still join any two places: one takes the long steps, the other the short ones.",
)


def _strided(n_tokens: int, stride: int) -> Tensor:
    places = torch.arange(n_tokens)
    multiples = (places[:, None] - places) % stride == 0
    return banded_mask(n_tokens, n_tokens, stride) | (multiples & causal_mask(n_tokens))


def _mask_where(allowed: Callable) -> Callable:
    """The mask of those pairs for which allowed(query, key, stride) holds."""

    def mask(n_tokens, stride):
        places = torch.arange(n_tokens)
        query, key = torch.meshgrid(places, places, indexing="ij")
        return allowed(query, key, stride)

    return mask


def _usual_patterns() -> list[tuple[Callable, str]]:
    """The usual errors as conditions on query q, key k and stride s."""
    causal = "not causal: a query may not attend to a later position, in either part"
    start = (
        "the distance from the query is to be a multiple of the stride, not the key's own place: "
        "that is another pattern, whose columns are the same for all queries"
    )
    band = "the band holds the last `stride` positions, the query's own among them"
    return [
        (lambda q, k, s: (q - k < s) | ((q - k) % s == 0), causal),
        (lambda q, k, s: ((q - k).abs() < s) | ((q - k) % s == 0), causal),
        (
            lambda q, k, s: (k <= q) & (q - k < s) | ((q - k) % s == 0),
            f"{causal}; mind that & binds closer than |",
        ),
        (lambda q, k, s: (q - k < s) | ((k <= q) & ((q - k) % s == 0)), causal),
        *(
            (lambda q, k, s, of=of, r=r: (k <= q) & (of(q, k, s) | (k % s == r % s)), start)
            for of in (lambda q, k, s: q - k < s, lambda q, k, s: q // s == k // s)
            for r in (0, -1)
        ),
        (
            lambda q, k, s: (k <= q) & ((q // s == k // s) | ((q - k) % s == 0)),
            "the band moves along with the query: it is no block that begins at a multiple",
        ),
        (
            lambda q, k, s: (k <= q) & ((q - k < s) | (q % s == 0)),
            "it depends on the distance, query minus key, not on the query's own place",
        ),
        (lambda q, k, s: (k <= q) & ((q - k < s - 1) | ((q - k) % s == 0)), f"{band}: too narrow"),
        (lambda q, k, s: (k <= q) & ((q - k <= s + 1) | ((q - k) % s == 0)), f"{band}: too wide"),
        (lambda q, k, s: (k < q) & ((q - k < s) | ((q - k) % s == 0)), "its own place counts, too"),
        (lambda q, k, s: (k <= q) & (q - k < s), "the places at a multiple are missing"),
        (lambda q, k, s: (k <= q) & ((q - k) % s == 0), "the last `stride` positions are missing"),
        (
            lambda q, k, s: (k <= q) & (q - k < s) & ((q - k) % s == 0),
            "a position counts if it is in one of the two parts; it need not be in both",
        ),
        (lambda q, k, s: k <= q, "that is the causal mask: nothing is left out"),
    ]


def _usual_masks() -> list[tuple[Callable, str]]:
    patterns = [(_mask_where(allowed), hint) for allowed, hint in _usual_patterns()]
    inverted = "True stands for may attend: yours is the other way round"
    return [
        *patterns,
        (lambda n, stride: ~_strided(n, stride), inverted),
        (lambda n, stride: (~_strided(n, stride)).tril(), inverted),
        (lambda n, stride: _strided(n, stride).T, "rows are queries, columns are keys"),
        (
            lambda n, stride: torch.zeros(n, n).masked_fill(~_strided(n, stride), -math.inf),
            "a boolean mask is wanted, True = may attend",
        ),
    ]


def check_sparse_mask(answer) -> None:
    """Check `strided_mask(n_tokens, stride) -> bool [query, key]`, True = may attend.

    Source: Child et al. 2019, "Generating long sequences with sparse transformers", section 4.2,
        both parts in one head. (Its band reaches one place further, which the other part holds.)
    """
    rule = (
        "causal; the distance is below the stride, or it is a multiple of the stride; True = may "
        "attend"
    )
    inputs = [(7, 3), (3, 2), (16, 4), (20, 7), (5, 9), (6, 1)]
    hints = hints_for(results_of(answer, inputs), inputs, _usual_masks(), rule)
    STRIDED.check_function(
        answer,
        [
            Case(args, _strided(*args), shown=f"n_tokens={args[0]}, stride={args[1]}", hint=hint)
            for args, hint in zip(inputs, hints, strict=True)
        ],
    )


SHOTS = Exercise(
    5,
    "find the bug",
    why="What is to be predicted may not be among what is read. A curve that is high where there "
    "is nothing to learn from is the sign of it.",
)


class _Known(nn.Module):
    """A model whose behaviour is known."""

    def __init__(self, task: LabelTask):
        super().__init__()
        self.task = task


class _LooksUp(_Known):
    """At a word: what followed the last earlier word of its class; else the first token."""

    def forward(self, tokens: Tensor) -> Tensor:
        word = tokens < self.task.n_words
        classes = tokens // self.task.words_per_class
        same = (classes[:, :, None] == classes[:, None, :]) & (word[:, :, None] & word[:, None, :])
        after = same.tril(-1) * torch.arange(1, tokens.shape[1] + 1)  # the place after each key
        return F.one_hot(tokens.gather(1, after.amax(dim=2)), self.task.vocab_size).double()


class _LastLabel(_Known):
    """The last label so far, whatever is asked; where there is none, the first token."""

    def forward(self, tokens: Tensor) -> Tensor:
        places = (tokens >= self.task.n_words) * torch.arange(tokens.shape[1])
        last = places.cummax(dim=1).values
        return F.one_hot(tokens.gather(1, last), self.task.vocab_size).double()


class _Repeats(_Known):
    """The token that it has just read."""

    def forward(self, tokens: Tensor) -> Tensor:
        return F.one_hot(tokens, self.task.vocab_size).double()


class _ByHeart(_Known):
    """The label that the last token's class always has; it learns nothing from what it reads."""

    def __init__(self, task: LabelTask, label_of: Tensor):
        super().__init__(task)
        self.label_of = label_of

    def forward(self, tokens: Tensor) -> Tensor:
        classes = (tokens // self.task.words_per_class).clamp(max=self.task.n_classes - 1)
        return F.one_hot(self.task.n_words + self.label_of[classes], self.task.vocab_size).double()


@torch.no_grad()
def _few_shot_accuracy_with_the_bug(model, batch):
    pairs = batch.tokens.unflatten(1, (-1, 2))  # [batch, pair, 2]: word, label
    right = []
    for shots in range(pairs.shape[1]):
        shown = pairs[:, : shots + 1].flatten(1)
        word = pairs[:, shots, :1]
        logits = model(torch.cat([shown, word], dim=1))[:, -1]
        right.append(logits.argmax(dim=-1) == pairs[:, shots, 1])
    return torch.stack(right, dim=1).float().mean(dim=0)


def _accuracy_after(shown: Callable) -> Callable:
    """The accuracy where shown(pairs, shots) [batch, n] is read before the word."""

    def accuracy(model, batch):
        pairs = batch.tokens.unflatten(1, (-1, 2))
        right = []
        for shots in range(pairs.shape[1]):
            prompt = torch.cat([shown(pairs, shots), pairs[:, shots, :1]], dim=1)
            right.append(model(prompt)[:, -1].argmax(dim=-1) == pairs[:, shots, 1])
        return torch.stack(right, dim=1).float().mean(dim=0)

    return accuracy


def _right(model, batch) -> Tensor:
    """float [batch, pairs], 1 where the model is right."""
    logits = model(batch.tokens[:, :-1])[:, ::2]
    return (logits.argmax(dim=-1) == batch.labels).float()


def _at_the_labels(model, batch):
    logits = model(batch.tokens)[:, 1::2]
    return (logits.argmax(dim=-1) == batch.labels).float().mean(dim=0)


def _usual_prompts() -> list[tuple[Callable, str]]:
    """The usual errors in what is read before the word: (pairs, shots) -> tokens [batch, n].

    Their hints tell symptoms, not lines.
    """
    return [
        (
            lambda pairs, n: pairs[:, : n + 1 if n else 0].flatten(1),
            "after no demonstration all is well; after one or more, a model that can only look up "
            "is still right more often than the demonstrations allow",
        ),
        (
            lambda pairs, n: pairs[:, : n + 1].flatten(1)[:, :-1],
            "the model that looks up fails where the class was shown: what it reads last is not "
            "word, label, ..., word",
        ),
        (
            lambda pairs, n: pairs[:, : max(n - 1, 0)].flatten(1),
            "the curve comes one place late: after one demonstration the model is as it should be "
            "after none",
        ),
        (
            lambda pairs, n: pairs[:, :0].flatten(1),
            "the demonstrations change nothing any more: the curve is flat",
        ),
        (
            lambda pairs, n: torch.cat([pairs[:, :n], pairs[:, n + 1 :]], dim=1).flatten(1),
            "the number of demonstrations changes nothing any more: each answer has all the others",
        ),
        (lambda pairs, n: pairs[:, :n, 0], "the demonstrations have lost their labels"),
    ]


def _usual_readings() -> list[tuple[Callable, str]]:
    return [
        (
            _few_shot_accuracy_with_the_bug,
            "the symptom is still there: a model that can only look up is right where nothing was "
            "shown; look at what it reads there, token by token",
        ),
        *((_accuracy_after(shown), hint) for shown, hint in _usual_prompts()),
        (
            _at_the_labels,
            "a model that repeats what it has just read is always right: at the place where you "
            "look the label has been read already",
        ),
    ]


def _usual_accuracies() -> list[tuple[Callable, str]]:
    each = "one number for each number of demonstrations, the mean over the sequences"

    def zero_first(model, batch):
        return _right(model, batch).mean(dim=0) * (torch.arange(batch.labels.shape[1]) > 0)

    return [
        *_usual_readings(),
        (lambda *args: _right(*args).mean(), each),
        (lambda *args: _right(*args).mean(dim=1), each),
        (lambda *args: _right(*args), each),
        (lambda *args: _right(*args).bool(), each),
        (lambda *args: _right(*args).sum(dim=0), "the share of right answers, not their number"),
        (lambda *args: 1 - _right(*args).mean(dim=0), "the share of right answers, not of wrong"),
        (
            lambda *args: _right(*args).mean(dim=0)[1:],
            "the curve begins at no demonstration at all",
        ),
        (
            zero_first,
            "the first number is 0 for every model, even for one that knows the labels by heart",
        ),
    ]


def _models_and_batches() -> list[tuple[str, nn.Module, Demonstrations]]:
    """Models whose behaviour is known, each with a task of another size."""
    label_of = torch.tensor([9, 2, 15, 4])
    sizes = [
        ("looks up the label of the last word of the same class", _LooksUp, (3, 4, 12), 40, 7),
        ("always says the last label that it has read", _LastLabel, (2, 5, 8), 50, 6),
        ("repeats the token that it has just read", _Repeats, (6, 8, 32), 20, 5),
        (
            "knows the labels by heart",
            partial(_ByHeart, label_of=label_of),
            (4, 3, 16),
            20,
            8,
        ),
        (
            "is a GPT with random weights",
            lambda task: small_gpt(13, vocab_size=task.vocab_size),
            (2, 4, 8),
            300,
            5,
        ),
    ]
    found = []
    for seed, (name, make, given, n, n_pairs) in enumerate(sizes):
        task = LabelTask(*given)
        fixed = label_of if name == "knows the labels by heart" else None
        generator = torch.Generator().manual_seed(70 + seed)
        batch = demonstrations(task, n, n_pairs, generator=generator, label_of=fixed)
        found.append((name, make(task), batch))
    return found


@torch.no_grad()
def check_few_shot_accuracy(answer) -> None:
    """Check `few_shot_accuracy(model, batch) -> accuracy`, as `induction.label_accuracy`.

    The function with the bug, as it was handed out, counts as not attempted.

    Shape:
        batch: `data.in_context.Demonstrations`; accuracy: [pairs], after 0, 1, 2, ... shots.
    """
    rule = (
        "after k demonstrations the model reads word, label, ..., word: k pairs, and then the word "
        "that is asked for; count how often its most probable token is that word's label"
    )
    known = _models_and_batches()
    inputs = [(model, batch) for _, model, batch in known]
    hints = hints_for(results_of(answer, inputs), inputs, _usual_accuracies(), rule, rtol=EXACT)
    SHOTS.check_function(
        answer,
        [
            Case(
                (model, batch),
                label_accuracy(model, batch),
                shown=f"a model that {name}, {len(batch.tokens)} sequences of "
                f"{batch.labels.shape[1]} pairs,",
                hint=hint,
                rtol=EXACT,
            )
            for (name, model, batch), hint in zip(known, hints, strict=True)
        ],
        unchanged=_few_shot_accuracy_with_the_bug,
    )


QUIZ = [
    Question(
        "GPT-3 answers few-shot. How have its weights been changed for the task?",
        [
            "By one gradient step for each of the demonstrations",
            "Not at all: the demonstrations are a part of the text",
            "Only those of the last layer have been fitted to them",
            "By an update that is undone again after the answer",
        ],
        1,
        [
            "That would be fine-tuning with few examples. Nothing is differentiated here.",
            "The text in front of the question is all that differs. The chapter takes a "
            "fingerprint of the weights before and after.",
            "GPT-1 gets a new layer and trains all weights; few-shot prompting does neither.",
            "There is no update, so there is nothing to undo.",
        ],
    ),
    Question(
        "A head of the second layer attends, from *plum*, to the label that stood after *pear*. "
        "What must have happened before, in the first layer?",
        [
            "The label's place has taken over what class of word stood before it",
            "The word pear has looked ahead at the label that follows it",
            "The word plum has looked at all the labels, and taken their mean",
            "Nothing: the second layer sees words and labels by itself",
        ],
        0,
        [
            "Then the label's key says fruit, and the query of plum can find it. That is the "
            "previous-token head.",
            "The mask forbids to look ahead; pear comes before its label.",
            "A mean of all labels does not say which of them belongs to fruits.",
            "A label's own vector does not know which word stood before it. Without the first "
            "layer's head that looks back, no label of a new pair was found any more.",
        ],
    ),
    Question(
        "A network was trained on demonstrations whose labels are the same in every sequence. "
        "It now reads a sequence with other labels. What does it answer?",
        [
            "The labels of this sequence, after one or two demonstrations",
            "Words in place of labels, since the labels are out of place",
            "The labels that it has learned by heart in training",
            "All 32 labels with the same probability, as it cannot know",
        ],
        2,
        [
            "It would have to look them up, and training never asked for that.",
            "It has learned well enough that a label comes after a word.",
            "Its weights say which label a class has. Whether a network learns in its context "
            "is decided by the data, too.",
            "It has learned that one label is right for each class, and it has no reason to doubt.",
        ],
    ),
    Question(
        "The loss of a family of models follows a power law with the exponent 0.1. "
        "One model has a hundred times as many weights as another. What is its loss?",
        [
            "A hundredth of the other's, since the loss is inversely proportional",
            "A tenth of the other's, since the square root of 100 is 10",
            "About 10 % less, since the exponent is 0.1",
            "About 37 % less, since 100 to the power of -0.1 is 0.63",
        ],
        3,
        [
            "That would be an exponent of 1.",
            "That would be an exponent of 0.5.",
            "That would be the loss of a model about three times as large.",
            "Each factor of 10 multiplies the loss by 0.79; two of them make 0.63.",
        ],
    ),
    Question(
        "A model of four layers has banded attention with a band of 16 in each. How far back "
        "can it look from a position?",
        [
            "15 positions: beyond that every layer's mask is 0",
            "60 positions: each layer carries it another 15 back",
            "To the first token: the residual road has no mask",
            "64 positions: four layers times a band of 16",
        ],
        1,
        [
            "One layer sees 15 back. But the position that it looks at has looked back itself, in "
            "the layer below.",
            "A band of 16 holds the position itself and 15 before it, and the layers add up. "
            "Dense layers in between lift the limit.",
            "The residual road stays in its own position. Only attention moves something from one "
            "position to another.",
            "The position itself is one of the 16, so a layer reaches 15 back.",
        ],
    ),
]

"""Choosing the next token, generating text, beam search: over a step function, for any model."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nlp_helpers.checks import check_int, check_number

Step = Callable[[Tensor, object], tuple[Tensor, object]]
# step(tokens [batch, time], state) -> (logits [batch, vocab] for the next token, state)


def next_token_distribution(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Tensor:
    """Turn logits into the probabilities to sample from: temperature, then top-k, then top-p.

    Temperature divides the logits. Top-k keeps the k most probable tokens. Top-p keeps the
    smallest set of most probable tokens whose probabilities (after temperature and top-k) reach p.
    Among equal logits the token with the lower index is kept first.

    Source: Fan, Lewis and Dauphin 2018 (top-k); Holtzman et al. 2020, section 3.1 (top-p,
        "nucleus sampling").

    Shape:
        logits: [..., vocab]; returns probabilities [..., vocab] that add up to 1.

    Raises:
        ValueError: temperature not above 0, top_k outside [1, vocab], top_p outside (0, 1],
            logits that are not finite or have no vocabulary axis.
        TypeError: logits that are not floating-point, top_k that is not an integer.
    """
    check_settings(temperature, top_k, top_p)
    check_logits(logits)
    if top_k is not None and top_k > logits.shape[-1]:
        raise ValueError(f"top_k must be in [1, vocab={logits.shape[-1]}], got {top_k}")
    scaled = (logits - logits.amax(dim=-1, keepdim=True)) / temperature  # <= 0: no overflow
    ordered, order = scaled.sort(dim=-1, descending=True, stable=True)
    if top_k is not None:
        ordered[..., top_k:] = -torch.inf
    probabilities = ordered.softmax(dim=-1)
    if top_p is not None and top_p < 1:
        before = probabilities.cumsum(dim=-1) - probabilities  # mass of the more probable tokens
        rounding = 8 * torch.finfo(logits.dtype).eps  # a sum that misses p by this has reached it
        probabilities = probabilities.masked_fill(before >= top_p - rounding, 0.0)
        probabilities = probabilities / probabilities.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probabilities).scatter(-1, order, probabilities)


def check_settings(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Refuse settings from which nothing can be sampled."""
    if temperature == 0:
        raise ValueError("temperature must be above 0, got 0; for temperature 0 use greedy()")
    check_number("temperature", temperature, 0, math.inf, open_low=True, open_high=True)
    if top_k is not None:
        check_int("top_k", top_k)
    if top_p is not None:
        check_number("top_p", top_p, 0, 1, open_low=True)


def check_logits(logits: Tensor) -> None:
    """Refuse logits that are no finite scores over a vocabulary."""
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        kind = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
        raise TypeError(f"logits must be a floating-point tensor, got {kind}")
    if logits.dim() == 0 or logits.shape[-1] == 0:
        raise ValueError(f"logits must be [..., vocab], got {list(logits.shape)}")
    if not torch.isfinite(logits).all():
        raise ValueError(f"logits must be finite; those of shape {list(logits.shape)} are not")


def greedy(logits: Tensor) -> Tensor:
    """The most probable token; among equals the one with the lowest index.

    Shape:
        logits: [..., vocab]; returns integers [...].
    """
    check_logits(logits)
    return logits.argmax(dim=-1)


def sampler(
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> Callable[[Tensor], Tensor]:
    """A way of choosing tokens for `generate`.

    Each choice uses one uniform number u: the first token at which the cumulative distribution
    passes u. With a `seed` the sampler has its own stream of such numbers; without one it draws
    from torch's global stream, which `set_seed` repeats.

    Raises:
        ValueError, TypeError: as `next_token_distribution`; the settings are checked at once.
    """
    check_settings(temperature, top_k, top_p)
    generator = None if seed is None else torch.Generator().manual_seed(seed)

    def choose(logits: Tensor) -> Tensor:
        probabilities = next_token_distribution(logits.double(), temperature, top_k, top_p)
        u = torch.rand(logits.shape[:-1] + (1,), generator=generator, dtype=torch.float64)
        u = u.to(logits.device)  # drawn on the CPU: the same on every device
        tokens = (probabilities.cumsum(dim=-1) <= u).sum(dim=-1)
        last_possible = logits.shape[-1] - 1 - probabilities.flip(-1).gt(0).long().argmax(dim=-1)
        return torch.minimum(tokens, last_possible)  # u may pass a sum of 1 - 1e-16

    return choose


@torch.no_grad()
def generate(
    step: Step,
    prompt: Tensor,
    n_tokens: int,
    choose: Callable[[Tensor], Tensor] = greedy,
    state=None,
    stop_token: int | None = None,
) -> Tensor:
    """Read a prompt, then go on: choose a token, feed it back, `n_tokens` times.

    Args:
        step: `(tokens [batch, time], state) -> (logits [batch, vocab], state)`: reads tokens, and
            scores what may follow the last of them.
        choose: `greedy`, or what `sampler(...)` returns.
        stop_token: once a row has chosen it, the rest of that row is filled with it; when all
            rows have, generation ends.

    Shape:
        prompt: integers [batch, time]; returns [batch, time + at most n_tokens].

    Raises:
        ValueError: an empty prompt, a prompt of wrong rank, n_tokens < 1.
        TypeError: a prompt that is not integers.
    """
    check_prompt(prompt)
    check_int("n_tokens", n_tokens)
    sequence, tokens = prompt, prompt
    finished = torch.zeros(len(prompt), dtype=torch.bool, device=prompt.device)
    for _ in range(n_tokens):
        logits, state = step(tokens, state)
        chosen = choose(logits)
        if stop_token is not None:
            chosen = chosen.masked_fill(finished, stop_token)
            finished |= chosen == stop_token
        tokens = chosen.unsqueeze(1)
        sequence = torch.cat([sequence, tokens], dim=1)
        if stop_token is not None and finished.all():
            break
    return sequence


def check_prompt(prompt: Tensor) -> None:
    """Refuse a prompt that is not integers [batch, time] with something to read in it."""
    if not isinstance(prompt, Tensor) or prompt.dtype not in (torch.int64, torch.int32):
        kind = prompt.dtype if isinstance(prompt, Tensor) else type(prompt).__name__
        raise TypeError(f"prompt must be a tensor of integers, got {kind}")
    if prompt.dim() != 2 or 0 in prompt.shape:
        raise ValueError(f"prompt must be [batch, time], none of them 0; got {list(prompt.shape)}")


def language_model_step(model) -> Step:
    """The step function of a recurrent language model `(tokens, state) -> (logits, state)`."""

    def step(tokens: Tensor, state):
        logits, state = model(tokens, state)
        return logits[:, -1], state

    return step


@dataclass(frozen=True)
class Hypothesis:
    """A continuation that beam search returns.

    tokens: without the prompt; the last one is the end token if `finished`.
    log_prob: ln of the product of the tokens' probabilities, in nats.
    score: log_prob / len(tokens) ** length_penalty; the list is sorted by it.
    finished: whether it has ended, or was cut off at `max_len` tokens.
    """

    tokens: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool


@dataclass(frozen=True)
class Candidate:
    """One possible extension of a hypothesis, as one step of beam search weighs it.

    row: which prompt of the batch it continues.
    parent: the place, best first, of its parent among the candidates of the step before;
        0 at the first step.
    tokens, log_prob: as those of `Hypothesis`, with the new token at the end.
    kept: whether the beam had room for it. finished: kept, and the new token ends it.
    """

    row: int
    parent: int
    tokens: tuple[int, ...]
    log_prob: float
    kept: bool
    finished: bool


def select_rows(state, rows: Tensor):
    """The states of the given rows, in the given order (a row may occur often, or never).

    A state with a method `select(rows)` does it itself; None stays None; a recurrent network's
    tensor, or tuple of tensors, is indexed along its batch axis.

    Shape:
        state: tensors [n_layers * directions, batch, hidden]; rows: integers [new batch].
        Returns tensors [n_layers * directions, new batch, hidden].

    Raises:
        TypeError: another kind of state. ValueError: a tensor without three axes.
    """
    if state is None:
        return None
    if isinstance(state, Tensor):
        if state.dim() != 3:
            shape = list(state.shape)
            raise ValueError(
                f"a state must be [n_layers * directions, batch, hidden], got {shape}; "
                "for another layout give beam_search its own `select(state, rows)`"
            )
        return state.index_select(1, rows)
    if hasattr(state, "select"):
        return state.select(rows)
    if isinstance(state, tuple | list):
        return tuple(select_rows(part, rows) for part in state)
    raise TypeError(
        f"cannot re-order a state of type {type(state).__name__}: give it a method "
        "`select(rows)`, or give beam_search its own `select(state, rows)`"
    )


def first_best(scores: Tensor, k: int) -> Tensor:
    """Where the k highest scores of each row are, best first; among equals the lower index first.

    `torch.topk` promises no order among equals, and sorting all scores would cost more.

    Shape:
        scores: [batch, n], n >= k; returns integers [batch, k].
    """
    least = scores.topk(k, dim=1).values[:, -1:]
    above, level = scores > least, scores == least
    room = k - above.sum(dim=1, keepdim=True)
    index = (above | (level & (level.cumsum(dim=1) <= room))).nonzero()[:, 1].view(-1, k)
    order = scores.gather(1, index).argsort(dim=1, descending=True, stable=True)
    return index.gather(1, order)


class Beam:
    """The open hypotheses of each prompt, and those that have ended.

    Shape:
        tokens: [batch, beam_width, time]; log_prob, open: [batch, beam_width], best first, where
        `open` is False for a place that holds no hypothesis to continue; room: [batch, 1], how
        many hypotheses may still be open.
    """

    def __init__(self, batch: int, beam_width: int, device: torch.device):
        self.tokens = torch.zeros(batch, beam_width, 0, dtype=torch.int64, device=device)
        self.log_prob = torch.zeros(batch, beam_width, dtype=torch.float64, device=device)
        self.open = torch.zeros(batch, beam_width, dtype=torch.bool, device=device)
        self.open[:, 0] = True  # the prompt itself
        self.room = torch.full((batch, 1), beam_width, device=device)
        self.ended: list[tuple[Tensor, Tensor, Tensor]] = []  # rows, tokens, log_prob

    def advance(self, log_probs: Tensor, end_token: int | None, on_step=None) -> Tensor:
        """Extend all open hypotheses by every token and keep the best.

        Shape:
            log_probs: [open hypotheses, vocab], in the order of `open`.
            Returns, for each hypothesis now open, its parent's place in `log_probs`.
        """
        (batch, width), vocab = self.open.shape, log_probs.shape[1]
        scores = log_probs.new_full((batch, width, vocab), -torch.inf)
        scores[self.open] = self.log_prob[self.open].unsqueeze(1) + log_probs
        scores = scores.flatten(1)  # [batch, width * vocab]: by parent, then by token
        best = first_best(scores, width)
        log_prob, parent, token = scores.gather(1, best), best // vocab, best % vocab
        rank = torch.arange(width, device=best.device)
        kept = (rank < self.room) & (log_prob > -torch.inf)
        finished = kept & (token == end_token) if end_token is not None else kept & False
        if on_step is not None:
            on_step(self._candidates(scores, best, kept, end_token))
        places = (self.open.flatten().cumsum(0) - 1).view_as(self.open)
        extended = self.tokens.gather(1, parent.unsqueeze(2).expand(-1, -1, self.tokens.shape[2]))
        self.tokens = torch.cat([extended, token.unsqueeze(2)], dim=2)
        self.log_prob, self.open = log_prob, kept & ~finished
        self.room = self.room - finished.sum(dim=1, keepdim=True)
        self.ended.append((finished.nonzero()[:, 0], self.tokens[finished], log_prob[finished]))
        return places.gather(1, parent)[self.open]

    def _candidates(self, scores, best, kept, end_token) -> list[Candidate]:
        """All possible extensions, row by row, best first."""
        vocab, found = scores.shape[1] // self.open.shape[1], []
        for row, row_scores in enumerate(scores):
            chosen = set(best[row][kept[row]].tolist())
            order = row_scores.argsort(descending=True, stable=True)
            for index in order[row_scores[order] > -torch.inf].tolist():
                parent, token = divmod(index, vocab)
                tokens = (*self.tokens[row, parent].tolist(), token)
                is_kept = index in chosen
                ends = is_kept and token == end_token
                score = float(row_scores[index])
                found.append(Candidate(row, parent, tokens, score, is_kept, ends))
        return found

    def hypotheses(self, length_penalty: float) -> list[list[Hypothesis]]:
        """All that have ended and all still open, per prompt, sorted by score."""
        found: list[list[Hypothesis]] = [[] for _ in self.open]
        still_open = (self.open.nonzero()[:, 0], self.tokens[self.open], self.log_prob[self.open])
        for group, finished in [*((group, True) for group in self.ended), (still_open, False)]:
            for row, tokens, log_prob in zip(*(part.tolist() for part in group), strict=True):
                score = log_prob / len(tokens) ** length_penalty
                found[row].append(Hypothesis(tuple(tokens), log_prob, score, finished))
        return [sorted(row, key=lambda h: -h.score) for row in found]  # stable: the earlier first


def next_log_probs(logits: Tensor, rows: int, beam_width: int, end_token: int | None) -> Tensor:
    """Log-probabilities in float64, once the logits are known to be fit for a beam.

    Float64, so that two logits that differ still do after the sum over a whole hypothesis.

    Shape:
        logits: [rows, vocab]; -inf forbids a token. Returns the same shape.
    """
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        kind = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
        raise TypeError(f"logits must be a floating-point tensor, got {kind}")
    if logits.dim() != 2 or len(logits) != rows or logits.shape[1] == 0:
        raise ValueError(f"logits must be [rows={rows}, vocab], got {list(logits.shape)}")
    vocab = logits.shape[1]
    if beam_width > vocab:
        raise ValueError(f"beam_width must be in [1, vocab={vocab}], got {beam_width}")
    if end_token is not None and end_token >= vocab:
        raise ValueError(f"end_token must be in [0, vocab={vocab}), got {end_token}")
    highest = logits.amax(dim=1)  # NaN if there is a NaN in the row
    if not torch.isfinite(highest).all():
        row = int((~torch.isfinite(highest)).nonzero()[0, 0])
        raise ValueError(
            "logits must be finite, or -inf for a forbidden token but not for all tokens; "
            f"the highest of row {row} is {float(highest[row])}"
        )
    return logits.double().log_softmax(dim=1)


@torch.no_grad()
def beam_search(
    step: Step,
    prompt: Tensor,
    beam_width: int,
    max_len: int,
    end_token: int | None,
    state=None,
    length_penalty: float = 0.0,
    select: Callable[[object, Tensor], object] = select_rows,
    on_step: Callable[[list[Candidate]], object] | None = None,
) -> list[list[Hypothesis]]:
    """Keep the `beam_width` most probable continuations at every step instead of one.

    A hypothesis that ends leaves the beam and is kept, and the beam is narrower by one from then
    on: so none that has ended is lost, and a width of 1 is greedy decoding. What is still open
    after `max_len` tokens is returned unfinished. Among equals the one with the better parent,
    then the one with the lower token, comes first.

    Source: Sutskever, Vinyals and Le 2014, section 3.2 (what has ended leaves the beam and is
        kept); Wu et al. 2016, section 7 (log-probabilities divided by a power of the length; there
        of (5 + length) / 6).

    Args:
        step: as for `generate`. It is called with the prompts, then with one row for each open
            hypothesis (at most batch * beam_width, fewer as hypotheses end).
        end_token: the token that ends a hypothesis; None if nothing does.
        length_penalty: 0 ranks by the product of probabilities, 1 by their geometric mean, that
            is per token; the beam itself always compares products, at equal lengths.
        select: `(state, rows) -> state`, where the state is of another kind than `select_rows`
            knows.
        on_step: is given the list of all candidates at each step, to show them.

    Shape:
        prompt: integers [batch, time]. Returns, for each prompt, up to beam_width hypotheses
        (fewer where too many tokens are forbidden), best first.

    Raises:
        ValueError: beam_width outside [1, vocab], max_len < 1, an end token outside the
            vocabulary, a negative length_penalty, an empty prompt or one of wrong rank, logits
            that are NaN, +inf or all -inf.
        TypeError: widths or tokens that are not integers, a state that cannot be re-ordered.
    """
    check_prompt(prompt)
    check_int("beam_width", beam_width)
    check_int("max_len", max_len)
    if end_token is not None:
        check_int("end_token", end_token, 0)
    check_number("length_penalty", length_penalty, 0, open_high=True)
    beam, tokens = Beam(len(prompt), beam_width, prompt.device), prompt
    for _ in range(max_len):
        logits, state = step(tokens, state)
        log_probs = next_log_probs(logits, len(tokens), beam_width, end_token)
        rows = beam.advance(log_probs, end_token, on_step)
        if len(rows) == 0 or beam.tokens.shape[2] == max_len:
            break
        state = select(state, rows)
        tokens = beam.tokens[beam.open][:, -1:].to(prompt.dtype)
    return beam.hypotheses(length_penalty)


@dataclass(frozen=True)
class Prefixes:
    """The state of `table_step`: the words that each row has read since the prompt."""

    rows: tuple[tuple[str, ...], ...]

    def select(self, rows: Tensor) -> "Prefixes":
        return Prefixes(tuple(self.rows[row] for row in rows.tolist()))


def table_step(
    table: Mapping[tuple[str, ...], Mapping[str, float]], vocabulary: Sequence[str]
) -> Step:
    """The step function of a language model that is written down as a table.

    Args:
        table: the words so far -> some next words with their probabilities. All words that are
            not named there share the rest of the probability equally. The prompt is not among
            the words so far: `table[()]` is about the first word after it.
        vocabulary: all words; a token is a place in it.

    Raises:
        ValueError: a word outside the vocabulary, a probability outside [0, 1], probabilities
            that add up to more than 1, or to less where all words are named.
    """
    numbers = {words: _row_of_table(words, table[words], vocabulary) for words in table}

    def step(tokens: Tensor, state: Prefixes | None):
        if state is None:
            state = Prefixes(((),) * len(tokens))
        else:
            read = zip(state.rows, tokens[:, -1].tolist(), strict=True)
            state = Prefixes(tuple((*words, vocabulary[token]) for words, token in read))
        uniform = [1 / len(vocabulary)] * len(vocabulary)
        rows = [numbers.get(words, uniform) for words in state.rows]
        return torch.tensor(rows, dtype=torch.float64, device=tokens.device).log(), state

    return step


def _row_of_table(words, probabilities: Mapping[str, float], vocabulary: Sequence[str]) -> list:
    """The probabilities of all words of the vocabulary, checked."""
    where = f"the words after {' '.join(words) or 'the prompt'!r}"
    strange = sorted({*words, *probabilities} - {*vocabulary})
    if strange:
        raise ValueError(f"{where}: not in the vocabulary: {strange}")
    for word, probability in probabilities.items():
        check_number(f"{where}: the probability of {word!r}", probability, 0, 1)
    total, others = math.fsum(probabilities.values()), len(vocabulary) - len(probabilities)
    if total > 1 + 1e-9 or (not others and total < 1 - 1e-9):
        raise ValueError(f"{where}: the probabilities add up to {total}, with {others} words left")
    rest = max(0.0, 1 - total) / max(1, others)
    return [float(probabilities.get(word, rest)) for word in vocabulary]

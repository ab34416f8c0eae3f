"""Choosing the next token, and generating text: over a step function, for any model."""

import math
from collections.abc import Callable

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
    if not isinstance(prompt, Tensor) or prompt.dtype not in (torch.int64, torch.int32):
        kind = prompt.dtype if isinstance(prompt, Tensor) else type(prompt).__name__
        raise TypeError(f"prompt must be a tensor of integers, got {kind}")
    if prompt.dim() != 2 or 0 in prompt.shape:
        raise ValueError(f"prompt must be [batch, time], none of them 0; got {list(prompt.shape)}")
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


def language_model_step(model) -> Step:
    """The step function of a recurrent language model `(tokens, state) -> (logits, state)`."""

    def step(tokens: Tensor, state):
        logits, state = model(tokens, state)
        return logits[:, -1], state

    return step

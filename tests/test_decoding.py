"""Distributions after temperature, top-k and top-p; sampling; generation over a step function."""

import pytest
import torch

from nlp_helpers.decoding import generate, greedy, next_token_distribution, sampler

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, -2.0], dtype=torch.float64)


def test_temperature_divides_the_logits():
    for temperature in (0.3, 1.0, 7.0):
        torch.testing.assert_close(
            next_token_distribution(LOGITS, temperature), (LOGITS / temperature).softmax(-1)
        )


def test_top_k_keeps_the_k_best_and_their_proportions():
    p = next_token_distribution(LOGITS.flip(0), top_k=2)
    assert p.count_nonzero() == 2
    torch.testing.assert_close(p[4] / p[3], torch.tensor(1.0, dtype=torch.float64).exp())


def test_top_k_breaks_ties_by_index():
    assert next_token_distribution(torch.zeros(6), top_k=2).tolist() == [0.5, 0.5, 0, 0, 0, 0]


@pytest.mark.parametrize("p", [0.01, 0.5, 0.64, 0.9, 0.999, 1.0])
def test_top_p_keeps_the_smallest_set_that_reaches_p(p):
    full = LOGITS.softmax(-1)
    kept = next_token_distribution(LOGITS, top_p=p)
    n = int(kept.count_nonzero())
    assert full[:n].sum() >= p - 1e-12
    assert n == 1 or full[: n - 1].sum() < p
    torch.testing.assert_close(kept[:n], full[:n] / full[:n].sum())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("probabilities", "p", "kept"),
    [([0.5, 0.2, 0.2, 0.1], 0.9, 3), ([0.5, 0.2, 0.2, 0.1], 0.5, 1), ([0.1] * 10, 0.7, 7)],
)
def test_a_set_that_reaches_p_exactly_is_not_enlarged(probabilities, p, kept, dtype):
    logits = torch.tensor(probabilities, dtype=dtype).log()
    assert next_token_distribution(logits, top_p=p).count_nonzero() == kept


def test_uniform_distributions_at_every_boundary():
    for n in range(1, 60):
        for k in range(1, n + 1):
            assert (
                next_token_distribution(torch.zeros(n).double(), top_p=k / n).count_nonzero() == k
            )


@pytest.mark.parametrize(
    ("dtype", "scale", "temperature"),
    [(torch.float32, 1, 1e-39), (torch.float64, 1, 1e-309), (torch.float16, 6e4, 0.5)],
)
def test_extreme_settings_end_at_the_likeliest_token(dtype, scale, temperature):
    logits = scale * torch.tensor([0.5, 1.0], dtype=dtype)
    assert next_token_distribution(logits, temperature).tolist() == [0, 1]
    assert sampler(temperature)(logits).item() == 1


def test_without_a_seed_samples_differ_and_the_global_seed_repeats_them():
    rows = torch.zeros(50, 40)
    torch.manual_seed(1)
    first, second = sampler()(rows), sampler()(rows)
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(sampler()(rows), first)


def test_top_p_counts_after_top_k():
    full = LOGITS[:3].softmax(-1)
    kept = next_token_distribution(LOGITS, top_k=3, top_p=0.7)
    assert kept.count_nonzero() == (2 if full[0] < 0.7 else 1)


def test_batches_are_treated_row_by_row():
    logits = torch.randn(13, 7, 37, generator=torch.Generator().manual_seed(0))
    whole = next_token_distribution(logits, 0.7, top_k=9, top_p=0.8)
    torch.testing.assert_close(whole.sum(-1), torch.ones(13, 7))
    torch.testing.assert_close(
        whole[4, 2], next_token_distribution(logits[4, 2], 0.7, top_k=9, top_p=0.8)
    )


def test_sampler_follows_the_distribution_and_its_seed():
    rows = LOGITS.expand(20_000, 5)
    drawn = sampler(temperature=1.5, top_k=4, seed=1)(rows)
    expected = next_token_distribution(LOGITS, 1.5, top_k=4)
    frequencies = torch.bincount(drawn, minlength=5) / len(rows)
    assert (frequencies - expected).abs().max() < 4 * 0.5 / len(rows) ** 0.5
    assert frequencies[4] == 0
    assert torch.equal(drawn, sampler(temperature=1.5, top_k=4, seed=1)(rows))
    assert not torch.equal(drawn, sampler(temperature=1.5, top_k=4, seed=2)(rows))


def test_sampler_never_returns_a_token_of_probability_zero(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.ones(shape).double())
    assert sampler(top_k=2)(LOGITS.flip(0)).item() in (3, 4)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"temperature": -1.0}, ValueError, "temperature.*-1.0"),
        ({"temperature": 0}, ValueError, "greedy"),
        ({"temperature": float("nan")}, ValueError, "temperature"),
        ({"top_k": 0}, ValueError, "top_k"),
        ({"top_k": 2.0}, TypeError, "float"),
        ({"temperature": "1"}, TypeError, "temperature.*str"),
        ({"top_p": None, "temperature": None}, TypeError, "temperature.*None"),
        ({"top_p": "0.9"}, TypeError, "top_p.*str"),
        ({"top_p": 0.0}, ValueError, "top_p"),
        ({"top_p": 1.1}, ValueError, "top_p.*1.1"),
    ],
)
def test_bad_settings_are_refused_when_the_sampler_is_made(settings, error, words):
    with pytest.raises(error, match=words):
        next_token_distribution(LOGITS, **settings)
    with pytest.raises(error, match=words):
        sampler(**settings)


@pytest.mark.parametrize(
    ("logits", "error", "words"),
    [
        (torch.tensor([1, 2]), TypeError, "int64"),
        ([1.0], TypeError, "list"),
        (torch.tensor(1.0), ValueError, r"\[\]"),
        (torch.tensor([1.0, float("nan")]), ValueError, "finite"),
    ],
)
def test_bad_logits(logits, error, words):
    with pytest.raises(error, match=words):
        next_token_distribution(logits)
    with pytest.raises(error, match=words):
        greedy(logits)


def test_top_k_larger_than_the_vocabulary():
    with pytest.raises(ValueError, match=r"vocab=5.*6"):
        next_token_distribution(LOGITS, top_k=6)
    with pytest.raises(ValueError, match=r"vocab=5.*6"):
        sampler(top_k=6)(LOGITS)


def counting_step(tokens, state):
    """A model that goes on counting modulo 10; its state is the number of tokens it has read."""
    logits = torch.zeros(len(tokens), 10)
    logits[torch.arange(len(tokens)), (tokens[:, -1] + 1) % 10] = 5.0
    return logits, (state or 0) + tokens.shape[1]


def test_generate_reads_the_prompt_then_feeds_back_what_it_chose():
    prompt = torch.tensor([[1, 2, 3], [6, 7, 8]])
    out = generate(counting_step, prompt, 4)
    assert out.tolist() == [[1, 2, 3, 4, 5, 6, 7], [6, 7, 8, 9, 0, 1, 2]]


def test_generate_stops_rows_at_the_stop_token():
    out = generate(counting_step, torch.tensor([[1], [7]]), 20, stop_token=9)
    assert out.tolist() == [[1, 2, 3, 4, 5, 6, 7, 8, 9], [7, 8, 9, 9, 9, 9, 9, 9, 9]]


@pytest.mark.parametrize(
    ("prompt", "n_tokens", "error", "words"),
    [
        (torch.zeros(1, 0, dtype=torch.long), 3, ValueError, r"\[1, 0\]"),
        (torch.zeros(3, dtype=torch.long), 3, ValueError, r"\[3\]"),
        (torch.zeros(1, 3), 3, TypeError, "float32"),
        ("abc", 3, TypeError, "str"),
        (torch.zeros(1, 3, dtype=torch.long), 0, ValueError, "n_tokens"),
        (torch.zeros(1, 3, dtype=torch.long), 2.0, TypeError, "n_tokens"),
        (torch.zeros(1, 3, dtype=torch.bool), 3, TypeError, "bool"),
    ],
)
def test_generate_bad_input(prompt, n_tokens, error, words):
    with pytest.raises(error, match=words):
        generate(counting_step, prompt, n_tokens)

import math

import pytest
import torch

from nlp_helpers.metrics import (
    bits_per_character,
    bits_per_token,
    mean_nll,
    perplexity,
    token_accuracy,
)


def test_mean_nll_is_the_mean_of_minus_log_p():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 7, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 7, (2, 5), generator=generator)
    p = logits.exp() / logits.exp().sum(-1, keepdim=True)
    nats = [-math.log(p[i, t, targets[i, t]]) for i in range(2) for t in range(5)]
    assert mean_nll(logits, targets).item() == pytest.approx(sum(nats) / 10, rel=1e-12)


def test_uniform_logits_give_the_vocabulary_size_as_perplexity():
    nats = mean_nll(torch.zeros(4, 10), torch.arange(4))
    assert perplexity(nats) == pytest.approx(10, rel=1e-6)
    assert perplexity(nats.item()) == pytest.approx(10, rel=1e-6)


def test_masked_tokens_do_not_count_whatever_they_hold():
    logits = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    mask = torch.tensor([[True, False, True, False]])
    targets = torch.tensor([[0, -100, 2, 99]])
    short = mean_nll(logits[:, ::2], targets[:, ::2])
    loss = mean_nll(logits, targets, mask)
    torch.testing.assert_close(loss, short)
    loss.backward()
    assert (logits.grad[0, 1] == 0).all()
    assert (logits.grad[0, 0] != 0).all()
    hits = token_accuracy(logits, logits.argmax(-1) * mask + 99 * ~mask, mask)
    assert hits == 1.0


def test_token_accuracy_counts_hits():
    logits = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
    assert token_accuracy(logits, torch.tensor([1, 0, 0, 1])) == 0.75


def test_token_accuracy_refuses_nan_which_argmax_takes_for_the_highest():
    logits = torch.tensor([[1.0, 2.0], [math.nan, 0.0]])
    targets = torch.tensor([1, 0])
    with pytest.raises(ValueError, match=r"token 1 hold NaN.*diverged"):
        token_accuracy(logits, targets)
    assert token_accuracy(logits, targets, torch.tensor([True, False])) == 1.0


def test_units():
    assert perplexity(0) == 1.0
    assert perplexity(math.log(50)) == pytest.approx(50)
    assert perplexity(1e6) == math.inf
    assert bits_per_token(math.log(2)) == pytest.approx(1.0)
    # 100 tokens of 3 bits each over 400 characters
    assert bits_per_character(3 * math.log(2), 100, 400) == pytest.approx(0.75)


@pytest.mark.parametrize("function", [perplexity, bits_per_token])
def test_bad_nats(function):
    for bad in (-0.1, math.nan):
        with pytest.raises(ValueError, match="0 or more"):
            function(bad)
    for bad in ("1.0", None, True, torch.ones(2)):
        with pytest.raises(TypeError, match="one number"):
            function(bad)


def test_bad_counts():
    with pytest.raises(ValueError, match="n_characters must be at least 1, got 0"):
        bits_per_character(1.0, 10, 0)
    with pytest.raises(TypeError, match="n_tokens"):
        bits_per_character(1.0, 1.5, 10)


@pytest.mark.parametrize("function", [mean_nll, token_accuracy])
def test_bad_logits_targets_and_masks(function):
    logits, targets = torch.zeros(2, 3, 5), torch.zeros(2, 3, dtype=torch.long)
    with pytest.raises(TypeError, match="list"):
        function([[0.0]], targets)
    with pytest.raises(TypeError, match="int64"):
        function(logits.long(), targets)
    with pytest.raises(TypeError, match="float32"):
        function(logits, targets.float())
    with pytest.raises(ValueError, match=r"\[2, 3, 5\] and \[3, 2\]"):
        function(logits, targets.T)
    with pytest.raises(ValueError, match="target 5 is out of range"):
        function(logits, targets + 5)
    with pytest.raises(ValueError, match="target -1"):
        function(logits, targets - 1)
    with pytest.raises(TypeError, match="mask"):
        function(logits, targets, targets)
    with pytest.raises(ValueError, match=r"\[2, 3\], got \[3\]"):
        function(logits, targets, torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="no token counts"):
        function(logits, targets, torch.zeros(2, 3, dtype=torch.bool))

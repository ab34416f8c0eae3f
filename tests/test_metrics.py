import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.metrics import (
    bits_per_character,
    bits_per_token,
    mean_nll,
    perplexity,
    phoneme_error_rate,
    token_accuracy,
    word_error_rate,
)

RATES = [phoneme_error_rate, word_error_rate]
phonemes = st.lists(st.sampled_from(["AA", "B", "K", "KX"]), max_size=6)
transcripts = st.lists(
    st.tuples(phonemes, st.lists(phonemes.filter(bool), min_size=1, max_size=3)),
    min_size=1,
    max_size=5,
)


def naive_edit_distance(a, b):
    """The fewest edits, by trying the three possible first ones."""
    if not a or not b:
        return len(a) + len(b)
    if a[0] == b[0]:
        return naive_edit_distance(a[1:], b[1:])
    return 1 + min(
        naive_edit_distance(a[1:], b),
        naive_edit_distance(a, b[1:]),
        naive_edit_distance(a[1:], b[1:]),
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


def test_error_rates_by_hand():
    hypotheses = [["K", "AE", "T"], ["D", "AO", "G", "Z"], [], ["IY", "DH", "ER"]]
    references = [
        [["K", "AE", "T"]],
        [["D", "AO", "G"], ["D", "AA", "G"]],  # one insertion; two edits
        [["EY"]],  # one deletion
        [["AY", "DH", "ER"], ["IY", "DH", "ER"]],  # the second is met
    ]
    assert phoneme_error_rate(hypotheses, references) == pytest.approx(2 / (3 + 3 + 1 + 3))
    assert word_error_rate(hypotheses, references) == 0.5


def test_phonemes_of_two_letters_are_one_symbol():
    assert phoneme_error_rate([["AE"]], [[["AH"]]]) == 1.0
    assert phoneme_error_rate([["A", "E"]], [[["AE"]]]) == 2.0  # more errors than phonemes


@pytest.mark.parametrize("order", [1, -1])
def test_of_equally_near_references_the_longest_counts(order):
    references = [["K", "AE"], ["K", "AE", "T", "S"]]  # both one edit away
    assert phoneme_error_rate([["K", "AE", "T"]], [references[::order]]) == 0.25


def test_the_nearest_reference_counts_before_the_longest():
    references = [["K", "AE", "T"], ["D", "AO", "G", "Z", "IH"]]
    assert phoneme_error_rate([["K", "AE"]], [references]) == pytest.approx(1 / 3)


def test_long_words_weigh_more():
    hypotheses = [["K"], ["AE"] * 9]
    references = [[["T"]], [["AE"] * 9]]
    assert phoneme_error_rate(hypotheses, references) == pytest.approx(0.1)
    assert word_error_rate(hypotheses, references) == 0.5


@given(transcripts)
def test_error_rates_against_a_naive_edit_distance(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    errors = length = wrong = 0
    for hypothesis, right in pairs:
        distances = [naive_edit_distance(hypothesis, reference) for reference in right]
        nearest = [r for r, d in zip(right, distances, strict=True) if d == min(distances)]
        errors += min(distances)
        length += max(map(len, nearest))
        wrong += hypothesis not in right
    assert phoneme_error_rate(hypotheses, references) == pytest.approx(errors / length)
    assert word_error_rate(hypotheses, references) == pytest.approx(wrong / len(pairs))


@given(transcripts)
def test_tuples_and_lists_are_the_same_symbols(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    as_tuples = [tuple(h) for h in hypotheses], [tuple(map(tuple, r)) for r in references]
    mixed = as_tuples[0], references
    for rate in RATES:
        assert rate(*as_tuples) == rate(*mixed) == rate(hypotheses, references)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("hypotheses", "references", "error", "message"),
    [
        ([], [], ValueError, "there are no words"),
        ([["K"]], [], ValueError, "one entry per word each, got 1 and 0"),
        ([["K"]], [[]], ValueError, r"references\[0\] is empty: give at least one"),
        ([["K"], ["K"]], [[["K"]], [["K"], []]], ValueError, r"references\[1\]\[1\] is empty"),
        (["K AE T"], [[["K"]]], TypeError, r"hypotheses\[0\] must be a sequence.*'K AE T'"),
        ([["K"]], [["K"]], TypeError, r"references\[0\]\[0\] must be a sequence.*got 'K'"),
        ([["K"]], ["K"], TypeError, r"references\[0\] must be a list of references, got 'K'"),
        ([[3]], [[["K"]]], TypeError, r"hypotheses\[0\].*got \[3\]"),
        ([None], [[["K"]]], TypeError, r"hypotheses\[0\].*got None"),
        ("K", [[["K"]]], TypeError, "hypotheses must be a list.*got 'K'"),
        ([["K"]], 5, TypeError, "references must be a list.*got 5"),
    ],
)
def test_bad_transcripts(rate, hypotheses, references, error, message):
    with pytest.raises(error, match=message):
        rate(hypotheses, references)

"""Chapter 04's checks: a right answer passes, typical wrong ones are told what is wrong."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from nlp_helpers.exercises import transformer
from nlp_helpers.models.attention import MultiHeadAttention
from nlp_helpers.models.positions import sinusoidal_positions
from nlp_helpers.models.scaled_dot_product import causal_mask
from nlp_helpers.models.transformer import Encoder, Transformer
from nlp_helpers.models.transformer_config import StackConfig, TransformerConfig
from nlp_helpers.models.transformer_layers import AddNorm
from tests.exercises.judging import assert_length_tells_nothing, assert_quiz, verdict


def decoder_mask(tokens, padding):
    batch, time = tokens.shape
    mask = torch.zeros(batch, 1, time, time, dtype=torch.bool)
    for row, query, key in torch.cartesian_prod(*map(torch.arange, (batch, time, time))).tolist():
        mask[row, 0, query, key] = key <= query and tokens[row, key].item() != padding
    return mask


def below(time):
    return torch.ones(time, time).tril().bool()


def real_keys(tokens, padding):
    return (tokens != padding)[:, None, None, :]


def padded_queries(tokens, padding):
    return (tokens != padding)[:, None, :, None] & below(tokens.shape[1])


def additive(tokens, padding):
    return torch.zeros(1).masked_fill(~decoder_mask(tokens, padding), -math.inf)


def encoder_layer_parameters(d_model, d_ff):
    layer = nn.TransformerEncoderLayer(d_model, nhead=1, dim_feedforward=d_ff)
    return sum(p.numel() for p in layer.parameters())


def split_heads(x, n_heads):
    width = x.shape[-1] // n_heads
    return torch.stack([x[..., i * width : (i + 1) * width] for i in range(n_heads)], dim=1)


def masked_attention(query, key, value, mask, *, power=0.5, dim=-1, fill=-math.inf, zero=False):
    scores = query @ key.mT / query.shape[-1] ** power
    if not zero:
        scores = scores.masked_fill(~mask, fill)
    weights = scores.softmax(dim=dim)
    if zero:
        weights = weights.masked_fill(~mask, 0.0)
    return weights @ value, weights


def shift_matrix(k, d_model):
    """Numbers, not formulas: the rotations as powers of complex numbers."""
    matrix = torch.zeros(d_model, d_model, dtype=torch.float64)
    for i in range(0, d_model, 2):
        turn = torch.polar(
            torch.ones(()).double(), torch.tensor(k / 10_000 ** (i / d_model)).double()
        )
        matrix[i, i] = matrix[i + 1, i + 1] = turn.real
        matrix[i, i + 1], matrix[i + 1, i] = turn.imag, -turn.imag
    return matrix


def sines_before_cosines(k, d_model):
    order = [*range(0, d_model, 2), *range(1, d_model, 2)]
    return shift_matrix(k, d_model)[order][:, order]


def without_the_2(k, d_model):
    return torch.block_diag(
        *[shift_matrix(k * 10_000 ** (-i / d_model), 2) for i in range(d_model // 2)]
    )


def both_sines_positive(k, d_model):
    turned = shift_matrix(k, d_model)
    return torch.where(torch.ones_like(turned).tril(-1).bool(), -turned, turned)


def cached_step(x, cache, W_Q, W_K, W_V, *, divisor=None, wrong=""):
    """One step; `wrong` names an error."""
    query, new = (x @ W_Q)[:, None], [(x @ W)[:, None] for W in (W_K, W_V)]
    keys, values = joined = new if cache is None else [
        torch.cat([old, fresh], dim=0 if wrong == "batch" else 1)
        for old, fresh in zip(cache, new, strict=True)
    ]  # fmt: skip
    if wrong == "first":
        joined = [torch.cat([part[:, -1:], part[:, :-1]], dim=1) for part in joined]
    looked_at = {"old": cache or joined, "new": new}.get(wrong, (keys, values))
    scores = query @ looked_at[0].mT / (divisor or math.sqrt(W_K.shape[1]))
    output = (scores.softmax(dim=-1) @ looked_at[1])[:, 0]
    returned = {"forgotten": cache or joined, "overwritten": new, "swapped": joined[::-1]}
    return output, tuple(returned.get(wrong, joined))


def with_axis(*args):
    output, cache = cached_step(*args)
    return output[:, None], cache


CHECKS = [
    (transformer.check_decoder_mask, decoder_mask),
    (transformer.check_encoder_layer_parameters, encoder_layer_parameters),
    (transformer.check_split_heads, split_heads),
    (transformer.check_masked_attention, masked_attention),
    (transformer.check_shift_matrix, shift_matrix),
    (transformer.check_cached_step, cached_step),
]

MASK, COUNT = transformer.check_decoder_mask, transformer.check_encoder_layer_parameters
SPLIT, SHIFT = transformer.check_split_heads, transformer.check_shift_matrix
ATTENTION, CACHE = transformer.check_masked_attention, transformer.check_cached_step

# check, wrong answer, words of the hint that it must get
WRONG = [
    (MASK, lambda t, p: ~decoder_mask(t, p), "True means may attend"),
    (MASK, lambda t, p: decoder_mask(t, p).float(), "True and False, not numbers"),
    (MASK, additive, "True and False, not numbers"),
    (MASK, lambda t, p: real_keys(t, p) & below(t.shape[1]).T, "so tril"),
    (MASK, lambda t, p: real_keys(t, p) & ~below(t.shape[1]), "so tril"),
    (MASK, lambda t, p: below(t.shape[1]).T.expand(len(t), 1, -1, -1), "so tril"),
    (MASK, padded_queries, "[:, None, None, :]"),
    (MASK, lambda t, p: padded_queries(t, p) & real_keys(t, p), "[:, None, None, :]"),
    (MASK, lambda t, p: decoder_mask(t, p)[:, 0], "the heads' axis is missing"),
    (MASK, lambda t, p: (t != p)[:, :, None] & below(t.shape[1]), "the heads' axis is missing"),
    (MASK, lambda t, p: below(t.shape[1]).expand(len(t), 1, -1, -1), "padded keys are still"),
    (MASK, lambda t, p: real_keys(t, p).expand(-1, -1, t.shape[1], -1), "later positions"),
    (MASK, real_keys, "stands no later than the query"),
    (MASK, lambda t, p: decoder_mask(t, p) & below(t.shape[1]).T.logical_not(), "attend to itself"),
    (MASK, lambda t, p: decoder_mask(t, 0), "need not be 0"),
    (MASK, lambda t, p: decoder_mask(t, p)[:1], "its own padding"),
    (COUNT, lambda d, f: 4 * d * d + 2 * d * f + 4 * d, "have biases, too"),
    (COUNT, lambda d, f: 4 * d * d + 2 * d * f + f + d + 4 * d, "4 d_model are missing"),
    (COUNT, lambda d, f: 4 * d * d + 2 * d * f + f + d, "have biases, too; and the layer has two"),
    (COUNT, lambda d, f: 4 * d * d + 2 * d * f + 5 * d + f, "4 d_model are missing"),
    (COUNT, lambda d, f: 4 * d * d + 2 * d * f + 7 * d + f, "two layer normalisations"),
    (COUNT, lambda d, f: 4 * d * d + 2 * d * f, "have biases, too; and the layer has two layer n"),
    (COUNT, lambda d, f: encoder_layer_parameters(d, f) + 7 * 4 * d * (d + 1), "share d_model"),
    (COUNT, lambda d, f: encoder_layer_parameters(d, f) + 7 * 3 * d * (d + 1), "share d_model"),
    (COUNT, lambda d, f: 8 * 3 * d * d + d * d + 2 * d * f, "share d_model"),
    (COUNT, lambda d, f: encoder_layer_parameters(d, f) - d * (d + 1), "W_O"),
    (COUNT, lambda d, f: 4 * d * (d + 1) + 2 * (2 * d * f + d + f) + 4 * d, "two layers of the"),
    (COUNT, lambda d, f: encoder_layer_parameters(d, 4 * d), "two layers of the feed-forward"),
    (SPLIT, lambda x, h: x.reshape(len(x), h, x.shape[1], -1), "order in memory"),
    (SPLIT, lambda x, h: x.view(x.size(0), h, -1, x.size(2) // h), "order in memory"),
    (SPLIT, lambda x, h: split_heads(x, h).transpose(1, 2), "now swap the axes"),
    (SPLIT, lambda x, h: split_heads(x, h).mT, "the last two axes are time and d_k"),
    (SPLIT, lambda x, h: x.unflatten(-1, (-1, h)).permute(0, 3, 1, 2), "neighbouring columns"),
    (SPLIT, lambda x, h: torch.stack(x.chunk(h, dim=-1)), "the batch comes first"),
    (SPLIT, lambda x, h: torch.stack(x.chunk(h, dim=1), 1), "heads do not divide the sequence"),
    (SPLIT, lambda x, h: x[:, None].expand(-1, h, -1, -1), "head i (counted from 0)"),
    (SHIFT, lambda k, d: shift_matrix(k, d).T, "shifts by -k"),
    (SHIFT, lambda k, d: shift_matrix(-k, d), "shifts by -k"),
    (SHIFT, sines_before_cosines, "sine and cosine alternate"),
    (SHIFT, lambda k, d: sines_before_cosines(-k, d), "shifts by -k"),
    (SHIFT, without_the_2, "10000 ** (-2i / d_model)"),
    (SHIFT, lambda k, d: torch.block_diag(*[shift_matrix(k, 2)] * (d // 2)), "10000 ** (-2i"),
    (SHIFT, both_sines_positive, "opposite signs"),
    (SHIFT, lambda k, d: torch.zeros(d, d), "M is the identity"),
    (SHIFT, lambda k, d: torch.eye(d), "sums of products"),
    (CACHE, partial(cached_step, divisor=1.0), "the scale is left out"),
    (CACHE, partial(cached_step, divisor=5.0), "the square root of d_k"),
    (CACHE, partial(cached_step, divisor=math.sqrt(7)), "the square root of d_k"),
    (CACHE, partial(cached_step, wrong="old"), "attends to itself, too"),
    (CACHE, partial(cached_step, wrong="new"), "cached keys have no part"),
    (CACHE, partial(cached_step, wrong="forgotten"), "new token's key and value are not in it"),
    (CACHE, partial(cached_step, wrong="overwritten"), "overwritten; torch.cat keeps them"),
    (CACHE, partial(cached_step, wrong="first"), "the new token comes last"),
    (CACHE, partial(cached_step, wrong="swapped"), "keys first, then values"),
    (CACHE, with_axis, "take away the axis of length 1"),
    (CACHE, lambda *args: cached_step(*args)[0], "return output, (keys, values)"),
    (CACHE, lambda *args: (cached_step(*args)[0], None), "return output, (keys, values)"),
    (CACHE, lambda *args: (args[0] @ args[4] * 2, cached_step(*args)[1]), "score the new query"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "right"), CHECKS)
def test_right_and_not_attempted(capsys, check, right):
    assert ": correct. " in verdict(capsys, check, right)
    assert "not attempted yet." in verdict(capsys, check, lambda *_: ...)
    assert "not attempted yet." in verdict(capsys, check, None)


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_a_wrong_answer_gets_its_hint(capsys, check, answer, hint):
    out = verdict(capsys, check, answer)
    assert ": not yet. " in out
    assert hint in out


@pytest.mark.parametrize(("check", "_"), CHECKS)
def test_an_answer_that_crashes_is_explained(capsys, check, _):
    out = verdict(capsys, check, lambda *args: args[0] @ None)
    assert ": not yet. " in out
    assert "raised TypeError" in out
    assert ": not yet. " in verdict(capsys, check, 3)


def test_the_reference_solutions_agree_with_the_checks(capsys):
    for check, answer in (
        (transformer.check_decoder_mask, transformer._mask),
        (transformer.check_encoder_layer_parameters, transformer._count),
        (transformer.check_split_heads, transformer._split_heads),
        (transformer.check_shift_matrix, transformer._shift_matrix),
        (transformer.check_cached_step, transformer._cached_step),
    ):
        assert ": correct. " in verdict(capsys, check, answer)


def test_no_check_draws_random_numbers(capsys):
    before = torch.get_rng_state()
    for check, answer in CHECKS:
        if answer is not encoder_layer_parameters:  # this one builds a layer
            verdict(capsys, check, answer)
    verdict(capsys, transformer.check_encoder_layer_parameters, transformer._count)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_function_with_the_bugs_counts_as_not_attempted(capsys):
    bugs = transformer._masked_attention_with_the_bugs
    assert "not attempted yet." in verdict(capsys, transformer.check_masked_attention, bugs)


@pytest.mark.parametrize(
    ("mistakes", "n_properties"),
    [
        ({"power": 1, "dim": 1, "fill": -1e30}, 1),  # the mask repaired
        ({"dim": 1, "zero": True}, 1),  # the scale repaired
        ({"power": 1, "zero": True}, 2),  # the axis repaired
        ({"power": 1}, 3),  # the scale is left
        ({"zero": True}, 3),  # the mask is left
        ({"dim": 1}, 1),  # the axis is left
        ({"fill": 0.0}, 3),  # a forbidden score of 0
    ],
)
def test_each_repair_of_the_attention_counts(capsys, mistakes, n_properties):
    out = verdict(capsys, transformer.check_masked_attention, partial(masked_attention, **mistakes))
    assert ": not yet. " in out
    assert f"properties that hold: {n_properties} of 5. Missing: " in out
    for told in ("sqrt", "root", "dim", "-inf", "infinity", "before"):
        assert told not in out


def test_the_missing_properties_are_named(capsys):
    out = verdict(capsys, transformer.check_masked_attention, partial(masked_attention, power=1))
    assert "Missing: with nothing forbidden weights and output are those of the formula; " in out
    assert "adds up to 1" not in out
    kept = verdict(capsys, transformer.check_masked_attention, partial(masked_attention, zero=True))
    assert "Missing: with a mask each row of weights adds up to 1; with a mask weights and" in kept
    alone = verdict(capsys, transformer.check_masked_attention, lambda q, k, v, mask: q)
    assert "return the output and the weights" in alone


def test_any_lowest_score_will_do(capsys):
    for fill in (-math.inf, -1e9, torch.finfo(torch.float64).min):
        answer = partial(masked_attention, fill=fill)
        assert ": correct. " in verdict(capsys, transformer.check_masked_attention, answer)


def test_the_bugs_show_in_the_notebook():
    """What exercise 4's cell prints: right shapes, zeros where forbidden, rows far from 1."""
    x = torch.arange(12.0).view(1, 3, 4).sin()
    output, weights = transformer._masked_attention_with_the_bugs(x, x, x, causal_mask(3))
    assert list(output.shape) == [1, 3, 4]
    assert (weights[0].triu(1) == 0).all()
    assert not torch.allclose(weights.sum(-1), torch.ones(1, 3), atol=0.1)
    _, right = masked_attention(x, x, x, causal_mask(3))
    assert torch.allclose(right.sum(-1), torch.ones(1, 3))


def test_the_shift_moves_the_models_positions():
    positions = sinusoidal_positions(5000, 16).double()
    for k in (1, 7, 100):
        matrix = transformer._shift_matrix(k, 16)
        assert torch.allclose(positions[:-k] @ matrix.T, positions[k:], atol=1e-5)
        back = transformer._shift_matrix(-k, 16)
        assert torch.allclose(matrix @ back, torch.eye(16).double(), atol=1e-6)
        assert torch.allclose(back, matrix.T, atol=1e-6)


def test_float32_answers_pass(capsys):
    def single(k, d_model):
        return shift_matrix(k, d_model).float()

    assert ": correct. " in verdict(capsys, transformer.check_shift_matrix, single)


def test_a_cache_may_be_a_list_and_is_not_shared(capsys):
    def step(x, cache, *matrices):
        output, new = cached_step(x, cache, *matrices)
        x.zero_()  # what is done to the argument does not spoil the next step
        return [output, list(new)]

    assert ": correct. " in verdict(capsys, transformer.check_cached_step, step)


def test_the_step_is_named(capsys):
    def unscaled_from_step_4(x, cache, *matrices):
        late = cache is not None and cache[0].shape[1] == 3
        return cached_step(x, cache, *matrices, divisor=1.0 if late else None)

    def without_a_batch_of_1(*args):
        output, cache = cached_step(*args)
        return output.squeeze(0), cache

    out = verdict(capsys, transformer.check_cached_step, unscaled_from_step_4)
    assert "At step 4 of a sequence of 6 you returned the output tensor of shape [3, 6], " in out
    assert "the scale is left out" in out
    out = verdict(capsys, transformer.check_cached_step, without_a_batch_of_1)
    assert "At step 1 of a sequence of 3 you returned the output" in out
    assert "keep the batch axis" in out


def test_the_quiz():
    assert_quiz("quiz-transformer", transformer.QUIZ)


def test_the_right_option_is_not_the_longest_or_the_shortest():
    assert_length_tells_nothing(transformer.QUIZ)


def encoder_of(**given):
    torch.manual_seed(0)
    config = StackConfig(d_model=12, n_heads=3, d_ff=20, n_layers=2, dropout=0.0, **given)
    return Encoder(config).double().eval()


def test_what_the_quiz_says_of_one_matrix_for_queries_and_keys():
    x, W_Q, W_K = (torch.randn(5, 5, dtype=torch.float64) for _ in range(3))
    one, two = x @ W_Q @ (x @ W_Q).T, x @ W_Q @ (x @ W_K).T
    assert torch.allclose(one, one.T)
    assert not torch.allclose(two, two.T)


def test_what_the_quiz_says_of_heads():
    attention = MultiHeadAttention(512, 8)
    assert attention.W_Q.weight.shape == (512, 512)
    x = torch.randn(1, 3, 512, requires_grad=True)
    attention._split(attention.W_Q(x))[0, 0].sum().backward()  # the first head's queries
    assert (x.grad != 0).all()


def test_what_the_quiz_says_of_add_and_norm():
    add_norm = AddNorm(StackConfig(d_model=16, n_heads=2, dropout=0.0))
    x, y = torch.randn(2, 3, 16), torch.randn(2, 3, 16)
    normed = add_norm.after(x, y)
    assert torch.allclose(normed.mean(-1), torch.zeros(2, 3), atol=1e-5)
    assert torch.allclose(normed.var(-1, unbiased=False), torch.ones(2, 3), atol=1e-3)
    assert normed.min() < 0
    assert torch.allclose(add_norm.after(x[:1], y[:1]), normed[:1], atol=1e-6)  # no batch in it


def test_what_the_quiz_says_of_shuffled_tokens():
    x, order = torch.randn(1, 7, 12, dtype=torch.float64), [3, 0, 6, 2, 5, 1, 4]
    encoder = encoder_of()
    assert torch.allclose(encoder(x)[:, order], encoder(x[:, order]))
    assert not torch.allclose(encoder(x)[:, 0], encoder(x)[:, 1])


def test_what_the_quiz_says_of_training_and_generation():
    """One pass in training, as many as tokens with a cache, and the same logits."""
    torch.manual_seed(0)
    config = TransformerConfig(
        d_model=12, n_heads=3, d_ff=20, n_layers=2, dropout=0.0, source_vocab_size=9, vocab_size=9
    )
    model = Transformer(config).double().eval()
    source, target_in = torch.randint(9, (1, 4)), torch.randint(9, (1, 5))
    with torch.no_grad():
        logits, _ = model(source, target_in)
        state = model.start(source, None)
        steps = []
        for token in target_in.unbind(1):
            step, state = model.step(token[:, None], state)
            steps.append(step)
    assert state.n_tokens == 5
    assert torch.allclose(torch.stack(steps, 1).view_as(logits), logits)

"""Attention against plain loops and against PyTorch; masks; what must be refused."""

import math

import pytest
import torch
import torch.nn.functional as F

from nlp_helpers.models.attention import (
    AdditiveAttention,
    Attention,
    ConcatAttention,
    DotAttention,
    GeneralAttention,
    attention_weights,
    scaled_dot_product_attention,
)

BATCH, TARGET, SOURCE, QUERY, KEY, SIZE = 13, 5, 7, 37, 11, 6
SCORERS = {
    "dot": lambda: DotAttention(KEY, KEY),
    "general": lambda: GeneralAttention(QUERY, KEY),
    "scaled": lambda: GeneralAttention(QUERY, KEY, scaled=True),
    "additive": lambda: AdditiveAttention(QUERY, KEY, SIZE),
    "concat": lambda: ConcatAttention(QUERY, KEY, SIZE),
}


def random_case(scorer, seed=0):
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(BATCH, TARGET, scorer.query_size, generator=generator).double()
    key = torch.randn(BATCH, SOURCE, KEY, generator=generator).double()
    mask = torch.rand(BATCH, 1, SOURCE, generator=generator) < 0.7
    mask[:, :, 0] = True
    return query.requires_grad_(), key.requires_grad_(), mask


def plain_score(name, scorer, q, k):
    """One query against one key, straight from the papers' formulas."""
    if name == "dot":
        return q.dot(k)
    if name == "general":
        return q.dot(scorer.W.weight.mv(k))
    if name == "scaled":
        return q.dot(scorer.W.weight.mv(k)) / math.sqrt(QUERY)
    v = scorer.v.weight[0]
    if name == "additive":
        return v.dot(torch.tanh(scorer.W.weight.mv(q) + scorer.U.weight.mv(k)))
    return v.dot(torch.tanh(scorer.W.weight.mv(torch.cat([q, k]))))


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("masked", [False, True])
def test_scorers_equal_the_loop_over_pairs(name, masked):
    torch.manual_seed(1)
    scorer = SCORERS[name]().double()
    query, key, mask = random_case(scorer)
    context, weights = scorer(query, key, mask if masked else None)
    assert context.shape == (BATCH, TARGET, KEY)
    assert weights.shape == (BATCH, TARGET, SOURCE)
    for b in (0, 5, BATCH - 1):
        for t in range(TARGET):
            places = [j for j in range(SOURCE) if not masked or mask[b, 0, j]]
            scores = [plain_score(name, scorer, query[b, t], key[b, j]).exp() for j in places]
            plain = torch.zeros(KEY).double()
            for score, j in zip(scores, places, strict=True):
                plain = plain + score / sum(scores) * key[b, j]
                assert math.isclose(
                    weights[b, t, j].item(), (score / sum(scores)).item(), rel_tol=1e-9
                )
            torch.testing.assert_close(context[b, t], plain)
    if masked:
        assert (weights.masked_select(~mask.expand_as(weights)) == 0).all()


@pytest.mark.parametrize("name", SCORERS)
def test_gradients_reach_query_key_and_weights(name):
    scorer = SCORERS[name]().double()
    query, key, mask = (part[:2] for part in random_case(scorer))
    inputs = (query.detach().requires_grad_(), key.detach().requires_grad_())
    assert torch.autograd.gradcheck(lambda q, k: scorer(q, k, mask), inputs)
    scorer(*inputs)[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in scorer.parameters())


@pytest.mark.parametrize("name", SCORERS)
def test_projected_keys_can_be_kept(name):
    scorer = SCORERS[name]().double()
    query, key, mask = random_case(scorer)
    kept = scorer.project_key(key)
    for step in range(TARGET):
        now = scorer(query[:, step : step + 1], key, mask, kept)
        for mine, whole in zip(now, scorer(query, key, mask), strict=True):
            torch.testing.assert_close(mine[:, 0], whole[:, step])


def test_concat_is_additive_with_the_matrices_side_by_side():
    additive, concat = SCORERS["additive"]().double(), SCORERS["concat"]().double()
    with torch.no_grad():
        concat.W.weight.copy_(torch.cat([additive.W.weight, additive.U.weight], dim=1))
        concat.v.weight.copy_(additive.v.weight)
    query, key, mask = random_case(additive)
    for mine, theirs in zip(concat(query, key, mask), additive(query, key, mask), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("shape", [(13,), (3, 4)])
@pytest.mark.parametrize("masked", [False, True])
def test_scaled_dot_product_equals_torch(shape, masked):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(*shape, TARGET, KEY, generator=generator).double().requires_grad_()
    key = torch.randn(*shape, SOURCE, KEY, generator=generator).double().requires_grad_()
    value = torch.randn(*shape, SOURCE, SIZE, generator=generator).double().requires_grad_()
    mask = torch.rand(TARGET, SOURCE, generator=generator) < 0.6 if masked else None
    if masked:
        mask[:, 2] = True
    reference = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    expected = torch.autograd.grad(reference.square().sum(), (query, key, value))
    for need_weights in (True, False):
        output, weights = scaled_dot_product_attention(query, key, value, mask, need_weights)
        torch.testing.assert_close(output, reference)
        found = torch.autograd.grad(output.square().sum(), (query, key, value))
        for mine, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(mine, theirs)
        assert (weights is None) == (not need_weights)
    assert weights is None


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_fully_masked_row_gives_zeros_and_no_nan(need_weights):
    query, key, value = (torch.randn(2, 4, 8, requires_grad=True) for _ in range(3))
    mask = torch.ones(2, 4, 4, dtype=torch.bool)
    mask[0, 1] = False
    with torch.autograd.set_detect_anomaly(True):
        output, weights = scaled_dot_product_attention(query, key, value, mask, need_weights)
        output.square().sum().backward()
    assert output[0, 1].tolist() == [0.0] * 8
    assert not output[0, 0].eq(0).any()
    if need_weights:
        assert weights[0, 1].tolist() == [0.0] * 4
    for tensor in (output, query.grad, key.grad, value.grad):
        assert torch.isfinite(tensor).all()
    assert query.grad[0, 1].abs().sum() == 0


@pytest.mark.parametrize("name", SCORERS)
def test_a_fully_masked_row_gives_zeros_with_every_scorer(name):
    scorer = SCORERS[name]().double()
    query, key, mask = random_case(scorer)
    mask[3] = False
    context, weights = scorer(query, key, mask)
    assert weights[3].abs().sum() == 0 and context[3].abs().sum() == 0
    context.sum().backward()
    assert torch.isfinite(query.grad).all() and torch.isfinite(key.grad).all()
    assert key.grad[3].abs().sum() == 0


def test_masked_scores_do_not_matter_even_when_huge():
    scores = torch.tensor([[1.0, 2.0, 1e30], [0.0, -1e30, 0.0]])
    mask = torch.tensor([[True, True, False], [False, True, False]])
    weights = attention_weights(scores, mask)
    torch.testing.assert_close(weights[0, :2], scores[0, :2].softmax(0))
    assert weights[0, 2] == 0
    assert weights[1].tolist() == [0, 1, 0]


def test_additive_and_luong_are_refused_what_does_not_fit():
    with pytest.raises(ValueError, match="query_size == key_size, got 37 and 11"):
        DotAttention(QUERY, KEY)
    for build in (
        lambda: GeneralAttention(0, 3),
        lambda: AdditiveAttention(3, -1, 2),
        lambda: AdditiveAttention(3, 3, 0),
        lambda: ConcatAttention(3, 3, 0),
    ):
        with pytest.raises(ValueError, match="must be at least 1"):
            build()
    with pytest.raises(TypeError, match="query_size must be an int"):
        GeneralAttention(2.0, 3)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"query": torch.zeros(2, 3, 5)}, ValueError, "query_size=4.*2, 3, 5"),
        ({"query": torch.zeros(2, 4)}, ValueError, "query_size=4"),
        ({"key": torch.zeros(2, 0, 6)}, ValueError, "none of them 0"),
        ({"key": torch.zeros(3, 7, 6)}, ValueError, "batch of 2, key one of 3"),
        ({"key": torch.zeros(2, 7, 6).double()}, TypeError, "one dtype"),
        ({"query": torch.zeros(2, 3, 4).long()}, TypeError, "floating-point"),
        ({"mask": torch.ones(2, 1, 7)}, TypeError, "mask must be a bool"),
        ({"mask": [True]}, TypeError, "got list"),
        ({"mask": torch.ones(2, 7).bool()}, ValueError, "not broadcastable"),
        ({"mask": torch.ones(4, 2, 3, 7).bool()}, ValueError, "not broadcastable"),
        ({"projected_key": torch.zeros(2, 6, 4)}, ValueError, r"any\], got \[2, 6, 4\] for a key"),
        ({"projected_key": torch.zeros(1, 7, 4)}, ValueError, r"\[1, 7, 4\] for a key \[2, 7, 6\]"),
        ({"projected_key": torch.zeros(7, 4)}, ValueError, r"got \[7, 4\]"),
        ({"projected_key": torch.zeros(2, 7, 4).double()}, TypeError, "'projected_key': .*float64"),
        ({"projected_key": [[0.0]]}, TypeError, "'projected_key': 'list'"),
        (
            {"query": torch.zeros(2, 3, 4).double(), "key": torch.zeros(2, 7, 6).double()},
            TypeError,
            "'query': torch.float64, .*'W.weight': torch.float32",
        ),
    ],
)
def test_bad_input(change, error, words):
    arguments = {"query": torch.zeros(2, 3, 4), "key": torch.zeros(2, 7, 6), "mask": None}
    with pytest.raises(error, match=words):
        GeneralAttention(4, 6)(**{**arguments, **change})


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (((2, 3, 4), (2, 7, 5), (2, 7, 5)), "differ in width"),
        (((2, 3, 4), (2, 7, 4), (2, 6, 4)), "length"),
        (((2, 3, 4), (5, 7, 4), (5, 7, 4)), "batch axes"),
        (((2, 3, 4), (2, 0, 4), (2, 0, 4)), "at least one key"),
        (((4,), (7, 4), (7, 4)), "expected"),
        (((2, 3, 0), (2, 7, 0), (2, 7, 4)), "no width of 0"),
        (((2, 3, 4), (2, 7, 4), (2, 7, 0)), "no width of 0"),
    ],
)
def test_scaled_dot_product_refuses(shapes, words):
    with pytest.raises(ValueError, match=words):
        scaled_dot_product_attention(*(torch.zeros(shape) for shape in shapes))
    with pytest.raises(ValueError, match="not broadcastable"):
        scaled_dot_product_attention(
            *(torch.zeros(2, 3, 4) for _ in range(3)), torch.ones(5, 3).bool(), False
        )


def test_the_base_class_cannot_score():
    with pytest.raises(NotImplementedError):
        Attention(4, 4)(torch.zeros(1, 1, 4), torch.zeros(1, 1, 4))

"""Multi-head attention against PyTorch's and against a loop over heads; masks; refusals."""

import math

import pytest
import torch
from torch import nn

from nlp_helpers.models.attention import MultiHeadAttention
from nlp_helpers.models.scaled_dot_product import causal_mask, scaled_dot_product_attention

BATCH, QUERY, KEY, WIDTH, HEADS = 13, 7, 11, 36, 6


def case(seed=0, batch=BATCH):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((batch, QUERY, WIDTH), (batch, KEY, WIDTH), (batch, KEY, WIDTH))
    return [torch.randn(s, generator=generator).double().requires_grad_() for s in shapes]


def masks():
    """Name -> (ours, the arguments of torch that mean the same)."""
    generator = torch.Generator().manual_seed(1)
    real = torch.rand(BATCH, KEY, generator=generator) < 0.6
    real[:, 0] = True
    causal = causal_mask(QUERY, KEY)
    padding = real[:, None, None, :]
    return {
        "none": (None, {}),
        "padding": (padding, {"key_padding_mask": ~real}),
        "causal": (causal, {"attn_mask": ~causal}),
        "both": (padding & causal, {"key_padding_mask": ~real, "attn_mask": ~causal}),
    }


def reference(bias=True):
    torch.manual_seed(2)
    module = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, bias=bias).double()
    for parameter in module.parameters():  # PyTorch starts biases at 0, which hides mistakes
        nn.init.normal_(parameter, std=0.3)
    return module


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("name", masks())
def test_equals_torch_in_outputs_weights_and_gradients(name, need_weights, bias):
    theirs = reference(bias)
    ours = MultiHeadAttention.from_torch(theirs)
    mask, arguments = masks()[name]
    inputs = case()
    expected, expected_weights = theirs(*inputs, average_attn_weights=False, **arguments)
    found, weights = ours(*inputs, mask, need_weights)
    torch.testing.assert_close(found, expected)
    if need_weights:
        torch.testing.assert_close(weights, expected_weights)
    else:
        assert weights is None
    towards = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3)).double()
    for mine, reference_gradient in zip(
        torch.autograd.grad((found * towards).sum(), [*inputs, *in_their_order(ours)]),
        gradients_of_torch(theirs, (expected * towards).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference_gradient)


def in_their_order(ours):
    linears = (ours.W_Q, ours.W_K, ours.W_V, ours.W_O)
    weights = [linear.weight for linear in linears]
    return weights if ours.W_Q.bias is None else weights + [linear.bias for linear in linears]


def gradients_of_torch(theirs, loss, inputs):
    """For the inputs, then W_Q, W_K, W_V, W_O, then their biases."""
    parameters = [theirs.in_proj_weight, theirs.out_proj.weight]
    if theirs.in_proj_bias is not None:
        parameters += [theirs.in_proj_bias, theirs.out_proj.bias]
    found = torch.autograd.grad(loss, [*inputs, *parameters])
    in_order = list(found[:3])
    for stacked, out in zip(found[3::2], found[4::2], strict=True):
        in_order += [*stacked.chunk(3), out]
    return in_order


def test_every_head_is_attention_on_its_own_slices():
    ours = MultiHeadAttention.from_torch(reference())
    query, key, value = case()
    output, weights = ours(query, key, value)
    d_k = WIDTH // HEADS
    heads = []
    for h in range(HEADS):
        rows = slice(h * d_k, (h + 1) * d_k)
        q = query @ ours.W_Q.weight[rows].T + ours.W_Q.bias[rows]
        k = key @ ours.W_K.weight[rows].T + ours.W_K.bias[rows]
        v = value @ ours.W_V.weight[rows].T + ours.W_V.bias[rows]
        own = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(d_k), dim=-1)
        torch.testing.assert_close(weights[:, h], own)
        heads.append(own @ v)
    torch.testing.assert_close(output, ours.W_O(torch.cat(heads, dim=-1)))


@pytest.mark.parametrize("name", masks())
def test_both_paths_give_the_same_output(name):
    ours = MultiHeadAttention.from_torch(reference())
    mask, _ = masks()[name]
    inputs = case()
    slow, weights = ours(*inputs, mask)
    fast, nothing = ours(*inputs, mask, need_weights=False)
    torch.testing.assert_close(slow, fast)
    assert nothing is None
    if mask is not None:
        assert (weights.masked_select(~mask.expand_as(weights)) == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights.sum(-1)))


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_query_that_may_look_nowhere_gives_zeros_and_no_nan(need_weights):
    ours = MultiHeadAttention.from_torch(reference())
    mask = torch.ones(BATCH, 1, QUERY, KEY, dtype=torch.bool)
    mask[4, :, 2] = False
    inputs = case()
    with torch.autograd.set_detect_anomaly(True):
        output, weights = ours(*inputs, mask, need_weights)
        output.square().sum().backward()
    assert not output[4, 2].any()
    assert output[4, 3].any()
    if need_weights:
        assert not weights[4, :, 2].any()
    assert all(torch.isfinite(x.grad).all() for x in [*inputs, *ours.parameters()])
    assert not inputs[0].grad[4, 2].any()


@pytest.mark.parametrize(
    "shape", [(), (KEY,), (QUERY, KEY), (HEADS, 1, KEY), (BATCH, 1, QUERY, 1), (BATCH, 1, 1, KEY)]
)
def test_masks_of_every_broadcastable_shape_act_alike_on_both_paths(shape):
    ours = MultiHeadAttention.from_torch(reference())
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(3)) < 0.6
    whole = mask.expand(BATCH, HEADS, QUERY, KEY)
    found = []
    for given, need_weights in ((mask, True), (mask, False), (whole, True)):
        inputs = case()
        output, _ = ours(*inputs, given, need_weights)
        blind = ~whole.any(-1).any(1)  # [batch, query]: in no head is there a key
        assert not output[blind].any()
        gradients = torch.autograd.grad(output.square().sum(), [*inputs, *ours.parameters()])
        found.append([output, *gradients])
    for other in found[1:]:
        for mine, theirs in zip(found[0], other, strict=True):
            torch.testing.assert_close(mine, theirs)


def test_keys_and_values_can_be_kept():
    ours = MultiHeadAttention.from_torch(reference())
    query, key, value = case()
    kept = ours.keys_and_values(key, value)
    whole = ours(query, key, value)
    for t in range(QUERY):
        output, weights = ours.attend(query[:, t : t + 1], kept)
        torch.testing.assert_close(output, whole[0][:, t : t + 1])
        torch.testing.assert_close(weights, whole[1][:, :, t : t + 1])


@pytest.mark.parametrize("need_weights", [True, False])
def test_dropout_acts_in_training_only_and_keeps_the_mean(need_weights):
    torch.manual_seed(0)
    ours = MultiHeadAttention(WIDTH, HEADS, dropout=0.5).double()
    inputs = [x.detach() for x in case(batch=1)]
    quiet = ours.eval()(*inputs, need_weights=need_weights)[0]
    torch.testing.assert_close(ours(*inputs, need_weights=need_weights)[0], quiet)
    ours.train()
    with torch.no_grad():
        draws = torch.stack([ours(*inputs, need_weights=need_weights)[0] for _ in range(3_000)])
    assert not torch.allclose(draws[0], draws[1])
    assert (draws.mean(0) - quiet).abs().max() < 6 * draws.std(0).max() / math.sqrt(len(draws))


def test_the_returned_weights_are_those_before_dropout():
    query, key, value = (x.detach() for x in case())
    _, weights = scaled_dot_product_attention(query, key, value, dropout=0.9)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights.sum(-1)))


def test_causal_mask_with_earlier_keys():
    assert causal_mask(3).tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
    assert causal_mask(2, 4).tolist() == [[True, True, True, False], [True] * 4]
    with pytest.raises(ValueError, match="n_keys=2"):
        causal_mask(3, 2)
    with pytest.raises(ValueError, match="n_queries"):
        causal_mask(0)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((36, 7), ValueError, "36.*7"),
        ((0, 1), ValueError, "d_model"),
        ((36, 0), ValueError, "n_heads"),
        ((36.0, 6), TypeError, "d_model"),
        ((36, 6, 1.0), ValueError, "dropout"),
    ],
)
def test_bad_sizes_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        MultiHeadAttention(*arguments)


def test_bad_tensors_are_refused():
    ours = MultiHeadAttention(WIDTH, HEADS).double()
    query, key, value = case()
    with pytest.raises(TypeError, match="bool"):
        ours(query, key, value, torch.zeros(QUERY, KEY).double())
    with pytest.raises(ValueError, match="mask"):
        ours(query, key, value, torch.ones(QUERY, KEY + 1, dtype=torch.bool))
    with pytest.raises(ValueError, match="query"):
        ours(query[..., :-1], key, value)
    with pytest.raises(ValueError, match="key"):
        ours(query, key[:, :0], value[:, :0])
    with pytest.raises(ValueError, match="length"):
        ours(query, key, value[:, :-1])
    with pytest.raises(ValueError, match="batch"):
        ours(query[:2], key, value)
    with pytest.raises(TypeError, match="float32"):
        ours(query.float(), key, value)
    with pytest.raises(ValueError, match="query"):
        ours(query[0], key, value)


def test_a_float_mask_is_refused_with_the_convention_named():
    ours = MultiHeadAttention(WIDTH, HEADS).double()
    with pytest.raises(TypeError, match="True = may attend"):
        ours(*case(), torch.zeros(QUERY, KEY).double())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_first": False}, "batch_first"),
        ({"add_bias_kv": True}, "add_bias_kv"),
        ({"add_zero_attn": True}, "add_zero_attn"),
        ({"kdim": 12}, "kdim=12"),
        ({"vdim": 12}, "vdim=12"),
    ],
)
def test_options_that_ours_lacks_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        MultiHeadAttention.from_torch(
            nn.MultiheadAttention(WIDTH, HEADS, **{"batch_first": True, **options})
        )
    with pytest.raises(TypeError, match="Linear"):
        MultiHeadAttention.from_torch(nn.Linear(3, 3))

"""The Transformer against PyTorch's modules; the key-value cache; positions; refusals."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nlp_helpers.models.positions import Embedding, sinusoidal_positions
from nlp_helpers.models.scaled_dot_product import causal_mask
from nlp_helpers.models.transformer import Decoder, Encoder, Transformer
from nlp_helpers.models.transformer_config import TransformerConfig
from nlp_helpers.models.transformer_layers import AddNorm, DecoderLayer, EncoderLayer, FeedForward

BATCH, SOURCE, TARGET, WIDTH, HEADS, INNER = 13, 7, 11, 36, 6, 50
CONFIG = TransformerConfig(
    source_vocab_size=17,
    vocab_size=19,
    d_model=WIDTH,
    n_heads=HEADS,
    d_ff=INNER,
    n_layers=2,
    max_len=32,
)
ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "gelu_tanh": nn.GELU("tanh")}


def randomised(module):
    """Every parameter at random (PyTorch starts biases at 0 and gains at 1), in eval mode."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.3)
    return module.double().eval()


def options(pre, activation="relu"):
    return {
        "dim_feedforward": INNER,
        "dropout": 0.1,
        "activation": ACTIVATIONS[activation],
        "batch_first": True,
        "norm_first": pre,
        "layer_norm_eps": 1e-3,
    }


def case(seed=0):
    """Source and target vectors, and which of the source's positions are real."""
    generator = torch.Generator().manual_seed(seed)
    source = torch.randn(BATCH, SOURCE, WIDTH, generator=generator).double().requires_grad_()
    target = torch.randn(BATCH, TARGET, WIDTH, generator=generator).double().requires_grad_()
    lengths = torch.randint(1, SOURCE + 1, (BATCH,), generator=generator)
    lengths[0] = SOURCE
    return source, target, torch.arange(SOURCE) < lengths[:, None]


def check_gradients(mine, theirs, inputs, ours_module, theirs_module):
    """Inputs and every parameter, taken in the order of PyTorch's layers."""
    towards = torch.randn(mine.shape, generator=torch.Generator().manual_seed(5)).double()
    found = torch.autograd.grad(
        (mine * towards).sum(), [*inputs, *ours_module.parameters()], retain_graph=True
    )
    expected = torch.autograd.grad(
        (theirs * towards).sum(), [*inputs, *theirs_module.parameters()], retain_graph=True
    )
    n = len(inputs)
    for one, other in zip(found[:n], expected[:n], strict=True):
        torch.testing.assert_close(one, other)
    named = dict(zip((k for k, _ in ours_module.named_parameters()), found[n:], strict=True))
    for (name, _), gradient in zip(theirs_module.named_parameters(), expected[n:], strict=True):
        torch.testing.assert_close(our_gradient(name, named), gradient, msg=lambda m, k=name: k + m)


def our_gradient(name, ours):
    """The gradient of ours that belongs to a parameter of PyTorch's."""
    cross = any("cross_attention" in key for key in ours)
    norms = ["attention_norm", "cross_attention_norm", "feed_forward_norm"]
    names = {f"norm{i + 1}": k for i, k in enumerate(norms if cross else norms[::2])}
    names |= {"self_attn": "attention", "multihead_attn": "cross_attention"}
    names |= {"linear1": "feed_forward.inner", "linear2": "feed_forward.outer"}
    *path, last = name.split(".")
    path = [names.get(part, part) for part in path]
    prefix = ".".join(path)
    if last.startswith("in_proj"):
        kind = last.removeprefix("in_proj_")
        return torch.cat([ours[f"{prefix}.W_{x}.{kind}"] for x in "QKV"])
    for before, after in (("out_proj", "W_O"), *((k, f"{k}.norm") for k in norms)):
        prefix = ".".join(after if part == before else part for part in prefix.split("."))
    return ours[f"{prefix}.{last}"]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("pre", [False, True])
def test_encoder_layer_equals_torch(pre, activation):
    torch.manual_seed(1)
    theirs = randomised(nn.TransformerEncoderLayer(WIDTH, HEADS, **options(pre, activation)))
    ours = EncoderLayer.from_torch(theirs)
    source, _, real = case()
    for mask, their_mask in ((None, None), (causal_mask(SOURCE), ~causal_mask(SOURCE))):
        padding = real[:, None, None, :]
        mine = ours(source, padding if mask is None else padding & mask)
        reference = theirs(source, src_mask=their_mask, src_key_padding_mask=~real)
        torch.testing.assert_close(mine[real], reference[real])
        check_gradients(mine[real], reference[real], [source], ours, theirs)


@pytest.mark.parametrize("pre", [False, True])
def test_decoder_layer_equals_torch(pre):
    torch.manual_seed(2)
    theirs = randomised(nn.TransformerDecoderLayer(WIDTH, HEADS, **options(pre)))
    ours = DecoderLayer.from_torch(theirs)
    memory, target, real = case()
    mine = ours(target, memory, causal_mask(TARGET), real[:, None, None, :])
    causal = ~causal_mask(TARGET)
    reference = theirs(target, memory, tgt_mask=causal, memory_key_padding_mask=~real)
    torch.testing.assert_close(mine, reference)
    check_gradients(mine, reference, [target, memory], ours, theirs)


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("pre", [False, True])
def test_stacks_equal_torch(pre, final):
    torch.manual_seed(3)
    norm = nn.LayerNorm(WIDTH, 1e-3) if final else None
    theirs = randomised(
        nn.TransformerEncoder(
            nn.TransformerEncoderLayer(WIDTH, HEADS, **options(pre)), 3, norm, False
        )
    )
    source, target, real = case()
    padding = real[:, None, None, :]
    ours = Encoder.from_torch(theirs)
    mine, reference = ours(source, padding), theirs(source, src_key_padding_mask=~real)
    torch.testing.assert_close(mine[real], reference[real])
    check_gradients(mine[real], reference[real], [source], ours, theirs)

    norm = nn.LayerNorm(WIDTH, 1e-3) if final else None
    layer = nn.TransformerDecoderLayer(WIDTH, HEADS, **options(pre))
    theirs = randomised(nn.TransformerDecoder(layer, 3, norm))
    ours = Decoder.from_torch(theirs)
    causal = causal_mask(TARGET)
    mine = ours(target, source, causal, padding)
    reference = theirs(target, source, tgt_mask=~causal, memory_key_padding_mask=~real)
    torch.testing.assert_close(mine, reference)
    check_gradients(mine, reference, [target, source], ours, theirs)


@pytest.mark.parametrize("pre", [False, True])
def test_whole_model_equals_torch_between_the_embeddings(pre):
    torch.manual_seed(4)
    theirs = randomised(nn.Transformer(WIDTH, HEADS, 2, 2, **options(pre)))
    ours = Transformer.from_torch(theirs, source_vocab_size=17, vocab_size=19, max_len=32)
    source, target, real = tokens_case()
    source_x, target_x = ours.source_embedding(source), ours.target_embedding(target)
    reference = theirs(
        source_x,
        target_x,
        tgt_mask=~causal_mask(TARGET),
        src_key_padding_mask=~real,
        memory_key_padding_mask=~real,
    )
    logits, _ = ours(source, target, real)
    torch.testing.assert_close(logits, ours.output(reference))
    embeddings = [source_x, target_x]
    memory = ours.encoder(source_x, real[:, None, None, :])
    mine = ours.decoder(target_x, memory, causal_mask(TARGET), real[:, None, None, :])
    for part, their_part in ((ours.encoder, theirs.encoder), (ours.decoder, theirs.decoder)):
        check_gradients(mine, reference, embeddings, part, their_part)
    assert ours.config.norm == ("pre" if pre else "post")


def tokens_case(seed=0):
    generator = torch.Generator().manual_seed(seed)
    source = torch.randint(0, 17, (BATCH, SOURCE), generator=generator)
    target = torch.randint(0, 19, (BATCH, TARGET), generator=generator)
    return source, target, case(seed)[2]


def model(**changes):
    torch.manual_seed(6)
    return Transformer(dataclasses.replace(CONFIG, **changes)).double().eval()


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_decoding_with_the_cache_gives_the_logits_of_the_whole_sequence(norm):
    transformer = model(norm=norm, final_norm=norm == "pre")
    source, target, real = tokens_case()
    logits, _ = transformer(source, target, real)
    for first in (1, 4):  # the prompt goes in at once, then token by token
        state = transformer.start(source, real)
        assert state.n_tokens == 0
        found, state = transformer.step(target[:, :first], state)
        torch.testing.assert_close(found, logits[:, first - 1], atol=1e-12, rtol=0)
        for t in range(first, TARGET):
            assert state.n_tokens == t
            found, state = transformer.step(target[:, t : t + 1], state)
            torch.testing.assert_close(found, logits[:, t], atol=1e-12, rtol=0)


def test_the_cache_holds_in_float32_to_1e_5():
    transformer = model().float()
    source, target, real = tokens_case()
    logits, _ = transformer(source, target, real)
    state = transformer.start(source, real)
    for t in range(TARGET):
        found, state = transformer.step(target[:, t : t + 1], state)
        torch.testing.assert_close(found, logits[:, t], atol=1e-5, rtol=0)


def test_a_state_is_not_changed_by_a_step_and_rows_can_be_selected():
    transformer = model()
    source, target, real = tokens_case()
    start = transformer.start(source, real)
    _, state = transformer.step(target[:, :3], start)
    again, _ = transformer.step(target[:, :3], start)
    torch.testing.assert_close(again, transformer(source, target[:, :3], real)[0][:, -1])
    rows = torch.tensor([5, 5, 0])
    mine, _ = transformer.step(target[rows, 3:4], state.select(rows))
    torch.testing.assert_close(mine, transformer(source, target[:, :4], real)[0][rows, -1])
    mine, _ = transformer.step(target[rows, :1], start.select(rows))
    torch.testing.assert_close(mine, transformer(source, target[:, :1], real)[0][rows, -1])


def test_attention_maps_come_from_the_path_that_makes_the_logits():
    transformer = model()
    source, target, real = tokens_case()
    logits, nothing = transformer(source, target, real)
    again, maps = transformer(source, target, real, need_weights=True)
    assert nothing is None
    torch.testing.assert_close(logits, again)
    for weights, n_queries, n_keys in (
        (maps.encoder, SOURCE, SOURCE),
        (maps.decoder, TARGET, TARGET),
        (maps.cross, TARGET, SOURCE),
    ):
        assert [w.shape for w in weights] == [(BATCH, HEADS, n_queries, n_keys)] * 2
        for w in weights:
            torch.testing.assert_close(w.sum(-1), torch.ones_like(w.sum(-1)))
    hidden = ~real[:, None, None, :]
    for w in (*maps.encoder, *maps.cross):
        assert not w.masked_select(hidden.expand_as(w)).any()
    for w in maps.decoder:
        assert not w.triu(1).any()


def test_no_position_sees_a_later_target_token_or_padding_of_the_source():
    transformer = model()
    source, target, real = tokens_case()
    logits, _ = transformer(source, target, real)
    changed = target.clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % 19
    torch.testing.assert_close(transformer(source, changed, real)[0][:, :6], logits[:, :6])
    assert not torch.allclose(transformer(source, changed, real)[0][:, 6], logits[:, 6])
    other = torch.where(real, source, (source + 3) % 17)
    torch.testing.assert_close(transformer(other, target, real)[0], logits)


def test_sinusoids_follow_the_paper():
    table = sinusoidal_positions(60, WIDTH)
    assert table.shape == (60, WIDTH)
    for position in (0, 1, 59):
        for i in (0, 1, 17):
            angle = position / 10_000 ** (2 * i / WIDTH)
            assert math.isclose(table[position, 2 * i].item(), math.sin(angle), abs_tol=1e-6)
            assert math.isclose(table[position, 2 * i + 1].item(), math.cos(angle), abs_tol=1e-6)


def test_a_shift_of_the_position_is_a_rotation_that_does_not_depend_on_it():
    table = sinusoidal_positions(50, 8).double()
    for i in range(4):
        angle = torch.tensor(5 / 10_000 ** (2 * i / 8), dtype=torch.float64)
        rotation = torch.stack(
            [
                torch.stack([angle.cos(), angle.sin()]),
                torch.stack([-angle.sin(), angle.cos()]),
            ]
        )
        pair = table[:, 2 * i : 2 * i + 2]
        torch.testing.assert_close(pair[:-5] @ rotation.T, pair[5:], atol=1e-5, rtol=0)


def test_embedding_scales_tokens_and_adds_positions():
    torch.manual_seed(0)
    embedding = Embedding(17, CONFIG).eval()
    tokens = tokens_case()[0]
    expected = embedding.tokens.weight[tokens] * math.sqrt(WIDTH)
    found = embedding(tokens, start=4)
    torch.testing.assert_close(found, expected + sinusoidal_positions(32, WIDTH)[4 : 4 + SOURCE])
    assert "positions" not in embedding.state_dict()


def test_feed_forward_is_the_same_at_every_position():
    torch.manual_seed(0)
    network = FeedForward(CONFIG).double()
    x = case()[0]
    first, second = network.inner, network.outer
    for t in range(SOURCE):
        hidden = torch.relu(x[:, t] @ first.weight.T + first.bias)
        torch.testing.assert_close(network(x)[:, t], hidden @ second.weight.T + second.bias)
    for name, function in (("gelu", F.gelu), ("gelu_tanh", nn.GELU("tanh"))):
        other = FeedForward(dataclasses.replace(CONFIG, activation=name)).double()
        hidden = function(x @ other.inner.weight.T + other.inner.bias)
        torch.testing.assert_close(other(x), other.outer(hidden))


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_add_and_norm_in_both_orders(norm):
    add = AddNorm(dataclasses.replace(CONFIG, norm=norm, eps=1e-3)).double().eval()
    nn.init.normal_(add.norm.weight)
    x, output = case()[0], case(1)[0]
    normalised = F.layer_norm(x, (WIDTH,), add.norm.weight, add.norm.bias, 1e-3)
    if norm == "pre":
        torch.testing.assert_close(add.before(x), normalised)
        torch.testing.assert_close(add.after(x, output), x + output)
    else:
        assert add.before(x) is x
        both = F.layer_norm(x + output, (WIDTH,), add.norm.weight, add.norm.bias, 1e-3)
        torch.testing.assert_close(add.after(x, output), both)


def test_parameters_of_the_base_model_follow_the_formula():
    config = TransformerConfig(source_vocab_size=37_000, vocab_size=37_000, shared="all")
    d, d_ff, n = config.d_model, config.d_ff, config.n_layers
    attention, inner, norm = 4 * (d * d + d), 2 * d * d_ff + d_ff + d, 2 * d
    layers = n * (attention + inner + 2 * norm) + n * (2 * attention + inner + 3 * norm)
    with torch.device("meta"):
        base = Transformer(config)
    assert sum(p.numel() for p in base.parameters()) == layers + 37_000 * d == 63_082_496


@pytest.mark.parametrize(("shared", "matrices"), [("none", 3), ("output", 2), ("all", 1)])
def test_shared_matrices_are_one_parameter(shared, matrices):
    transformer = model(shared=shared, source_vocab_size=19)
    count = sum(p.numel() for p in transformer.parameters())
    stacks = sum(p.numel() for p in [*transformer.encoder.parameters()])
    stacks += sum(p.numel() for p in [*transformer.decoder.parameters()])
    assert count - stacks == matrices * 19 * WIDTH


def test_every_parameter_gets_a_gradient_and_dropout_is_for_training():
    transformer = model(dropout=0.3)
    source, target, real = tokens_case()
    still, _ = transformer(source, target, real)
    torch.testing.assert_close(transformer(source, target, real)[0], still)
    transformer.train()
    logits, _ = transformer(source, target, real)
    assert not torch.allclose(logits, still)
    logits.square().mean().backward()
    for name, parameter in transformer.named_parameters():
        assert parameter.grad is not None, name
        if not name.endswith("W_K.bias"):  # the softmax does not see a constant on all scores
            assert parameter.grad.abs().sum() > 0, name


def test_the_base_model_begins_at_the_loss_of_a_uniform_guess():
    torch.manual_seed(0)
    transformer = Transformer(dataclasses.replace(CONFIG, shared="none")).eval()
    source, target, real = tokens_case()
    logits, _ = transformer(source, target, real)
    loss = F.cross_entropy(logits.flatten(0, 1), target.flatten())
    assert abs(loss.item() - math.log(19)) < 1.0


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"d_model": 37, "n_heads": 6}, ValueError, "37.*6"),
        ({"d_model": 35, "n_heads": 5}, ValueError, "even d_model, got 35"),
        ({"d_ff": 0}, ValueError, "d_ff"),
        ({"n_layers": 1.5}, TypeError, "n_layers"),
        ({"dropout": 1.0}, ValueError, "dropout"),
        ({"eps": 0.0}, ValueError, "eps"),
        ({"norm": "both"}, ValueError, "norm must be one of post, pre"),
        ({"activation": "swish"}, ValueError, "activation"),
        ({"shared": "all"}, ValueError, "17 and 19"),
        ({"shared": "some"}, ValueError, "shared"),
        ({"final_norm": 1}, TypeError, "final_norm"),
        ({"max_len": 0}, ValueError, "max_len"),
        ({"vocab_size": True}, TypeError, "vocab_size"),
    ],
)
def test_bad_configurations_are_refused(changes, error, words):
    with pytest.raises(error, match=words):
        dataclasses.replace(CONFIG, **changes)


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CONFIG.d_model = 8


def test_bad_sinusoids_are_refused():
    for arguments, error in (((10, 7), ValueError), ((0, 8), ValueError), ((10.0, 8), TypeError)):
        with pytest.raises(error):
            sinusoidal_positions(*arguments)


def test_bad_tokens_and_masks_are_refused():
    transformer = model()
    source, target, real = tokens_case()
    long = torch.zeros(BATCH, 33, dtype=torch.long)
    for arguments, error, words in (
        ((source + 17, target), ValueError, "vocab_size=17"),
        ((source, target - 19), ValueError, "vocab_size=19"),
        ((source.float(), target), TypeError, "float"),
        ((source[:, :0], target), ValueError, "batch, time"),
        ((source, target[:2]), ValueError, "13 sources, but 2 targets"),
        ((long, target), ValueError, "33 tokens are more than max_len=32"),
        ((source, long), ValueError, "33 tokens are more than max_len=32"),
        ((source, target, real[:, :-1]), ValueError, "source_mask"),
        ((source, target, real.float()), TypeError, "True = a real token"),
    ):
        with pytest.raises(error, match=words):
            transformer(*arguments)
    with pytest.raises(ValueError, match="source_mask"):
        transformer.start(source, real[:-1])


def test_the_cache_stops_at_max_len():
    transformer = model(max_len=12)
    source, target, real = tokens_case()
    _, state = transformer.step(target, transformer.start(source, real))
    _, state = transformer.step(target[:, :1], state)
    with pytest.raises(ValueError, match="13 tokens"):
        transformer.step(target[:, :1], state)


def test_a_source_of_padding_alone_gives_no_nan():
    transformer = model()
    source, target, real = tokens_case()
    real[3] = False
    logits, maps = transformer(source, target, real, need_weights=True)
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in transformer.parameters())
    assert not maps.cross[0][3].any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"bias": False}, "bias"), ({"batch_first": False}, "batch_first")],
)
def test_options_of_torch_that_ours_lack_are_refused(changes, words):
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, **{**options(False), **changes})
    with pytest.raises(ValueError, match=words):
        EncoderLayer.from_torch(layer)
    with pytest.raises(ValueError, match=words):
        Encoder.from_torch(nn.TransformerEncoder(layer, 1, enable_nested_tensor=False))


def test_other_modules_of_torch_are_refused():
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, **options(False))
    with pytest.raises(ValueError, match="activation"):
        EncoderLayer.from_torch(
            nn.TransformerEncoderLayer(WIDTH, HEADS, **{**options(False), "activation": torch.tanh})
        )
    for call, wrong in (
        (DecoderLayer.from_torch, layer),
        (Encoder.from_torch, layer),
        (Decoder.from_torch, nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)),
        (EncoderLayer.from_torch, nn.Linear(3, 3)),
    ):
        with pytest.raises(TypeError, match=type(wrong).__name__):
            call(wrong)
    odd = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    odd.layers[1] = nn.TransformerEncoderLayer(WIDTH, HEADS, **options(True))
    with pytest.raises(ValueError, match="one configuration"):
        Encoder.from_torch(odd)
    unlike = nn.Transformer(WIDTH, HEADS, 2, 3, **options(False))
    with pytest.raises(ValueError, match=r"n_layers=2.*n_layers=3"):
        Transformer.from_torch(unlike, source_vocab_size=17, vocab_size=19)
    final = nn.LayerNorm(WIDTH, eps=1e-2)
    with pytest.raises(ValueError, match=r"eps=0\.01"):
        Encoder.from_torch(nn.TransformerEncoder(layer, 1, final, enable_nested_tensor=False))

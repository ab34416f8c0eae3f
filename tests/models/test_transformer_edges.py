"""Edges of the Transformer: the cache in use, dropout of each part, what from_torch refuses."""

import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nlp_helpers.decoding import beam_search
from nlp_helpers.models.scaled_dot_product import causal_mask
from nlp_helpers.models.transformer import Decoder, Encoder, Transformer
from nlp_helpers.models.transformer_config import StackConfig
from nlp_helpers.models.transformer_layers import DecoderLayer, EncoderLayer
from tests.models.test_transformer import (
    BATCH,
    HEADS,
    INNER,
    SOURCE,
    TARGET,
    WIDTH,
    case,
    model,
    options,
    tokens_case,
)

STACK = {"d_model": WIDTH, "n_heads": HEADS, "d_ff": INNER, "n_layers": 2}


# ---- the cache ----


def test_several_tokens_at_once_after_a_past():
    transformer = model()
    source, target, real = tokens_case()
    logits, _ = transformer(source, target, real)
    _, state = transformer.step(target[:, :3], transformer.start(source, real))
    found, state = transformer.step(target[:, 3:8], state)
    torch.testing.assert_close(found, logits[:, 7])
    assert state.n_tokens == 8


def test_rows_can_be_selected_where_nothing_is_padded():
    transformer = model()
    source, target, _ = tokens_case()
    _, state = transformer.step(target[:, :2], transformer.start(source))
    rows = torch.tensor([4, 4, 1])
    found, _ = transformer.step(target[rows, 2:3], state.select(rows))
    torch.testing.assert_close(found, transformer(source, target[:, :3])[0][rows, -1])


def test_beam_search_in_a_padded_batch_finds_what_it_finds_for_each_source_alone():
    transformer = model(max_len=12)
    source, _, real = tokens_case()
    prompt = torch.full((BATCH, 1), 1)
    with torch.no_grad():
        state = transformer.start(source, real)
        found = beam_search(transformer.step, prompt, 3, max_len=6, end_token=2, state=state)
        for row in range(0, BATCH, 4):
            alone = transformer.start(source[row : row + 1, : real[row].sum()])
            (best,) = beam_search(
                transformer.step, prompt[:1], 3, max_len=6, end_token=2, state=alone
            )
            assert [h.tokens for h in best] == [h.tokens for h in found[row]]
            for mine, theirs in zip(best, found[row], strict=True):
                assert mine.log_prob == pytest.approx(theirs.log_prob, abs=1e-9)


def test_another_number_of_rows_than_the_states_is_refused():
    transformer = model()
    source, target, real = tokens_case()
    start = transformer.start(source, real)
    _, state = transformer.step(target, start)
    for before in (start, state):
        with pytest.raises(ValueError, match="tokens of 2 rows do not fit a state of 13"):
            transformer.step(target[:2, :1], before)


def test_an_encoder_goes_on_from_the_keys_and_values_of_its_past():
    """What GPT will do: the stack with a causal mask, in two runs."""
    encoder = Encoder(StackConfig(**STACK)).double().eval()
    _, x, _ = case()
    whole = encoder(x, causal_mask(TARGET))
    first, _, past = encoder.run(x[:, :4], causal_mask(4))
    second, _, _ = encoder.run(x[:, 4:], causal_mask(TARGET - 4, TARGET), past)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)


# ---- dropout, pickling ----

PARTS = {
    "source_embedding": lambda m: m.source_embedding,
    "self-attention": lambda m: m.encoder.layers[0].attention,
    "add and norm": lambda m: m.encoder.layers[0].feed_forward_norm,
    "cross-attention": lambda m: m.decoder.layers[1].cross_attention,
}


@pytest.mark.parametrize("part", PARTS)
def test_every_part_drops_in_training_and_only_then(part):
    transformer = model(dropout=0.5)
    source, target, real = tokens_case()
    still, _ = transformer(source, target, real)
    PARTS[part](transformer).train()
    assert not torch.allclose(transformer(source, target, real)[0], still)
    transformer.eval()
    torch.testing.assert_close(transformer(source, target, real)[0], still)


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh"])
def test_models_can_be_pickled(activation):
    transformer = model(activation=activation)
    source, target, real = tokens_case()
    again = pickle.loads(pickle.dumps(transformer))
    torch.testing.assert_close(again(source, target, real)[0], transformer(source, target, real)[0])


def test_masks_are_made_where_the_tokens_are():
    with torch.device("meta"):
        transformer = model()
        tokens = torch.zeros(2, 5, dtype=torch.long)
        x = torch.zeros(2, 5, WIDTH, dtype=torch.float64)
    assert causal_mask(3, device="meta").device.type == "meta"
    assert transformer.decoder(x, x, causal_mask(5, device=tokens.device)).device.type == "meta"


# ---- refusals ----


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize(
    ("x", "error"),
    [
        (torch.zeros(2, 5, WIDTH - 1), ValueError),
        (torch.zeros(2, 0, WIDTH), ValueError),
        (torch.zeros(5, WIDTH), ValueError),
        (torch.zeros(2, 5, WIDTH).double(), TypeError),
        (torch.zeros(2, 5, WIDTH).long(), TypeError),
        ([[0.0]], TypeError),
    ],
)
def test_bad_vectors_are_refused_in_both_orders_of_the_norm(norm, x, error):
    config = StackConfig(**STACK, norm=norm)
    memory = torch.zeros(2, 5, WIDTH)
    with pytest.raises(error):
        Encoder(config)(x)
    with pytest.raises(error):
        Decoder(config)(x, memory)


def test_a_float_mask_is_refused_by_the_stacks():
    config = StackConfig(**STACK)
    x = torch.zeros(2, 5, WIDTH)
    with pytest.raises(TypeError, match="True = may attend"):
        Encoder(config)(x, causal_mask(5).float())
    with pytest.raises(TypeError, match="True = may attend"):
        Decoder(config)(x, x, memory_mask=torch.zeros(5, 5))


def encoder_layer(**changes):
    return nn.TransformerEncoderLayer(WIDTH, HEADS, **{**options(False), **changes})


def spoiled(name, change):
    layer = encoder_layer()
    change(layer)
    return pytest.param(layer, id=name)


@pytest.mark.parametrize(
    "layer",
    [
        spoiled("eps", lambda layer: setattr(layer.norm2, "eps", 0.1)),
        spoiled("dropout", lambda layer: setattr(layer.dropout2, "p", 0.5)),
        spoiled("no gain", lambda layer: setattr(layer, "norm1", nn.LayerNorm(WIDTH, 1e-3, False))),
        spoiled(
            "no bias", lambda layer: setattr(layer, "norm1", nn.LayerNorm(WIDTH, 1e-3, bias=False))
        ),
    ],
)
def test_layers_that_would_be_another_function_are_refused(layer):
    with pytest.raises(ValueError, match="not supported by ours"):
        EncoderLayer.from_torch(layer)


def test_stacks_of_the_wrong_kind_are_refused():
    for call, module, error in (
        (Decoder, nn.TransformerDecoder(encoder_layer(), 1), TypeError),
        (Encoder, nn.TransformerEncoder(encoder_layer(), 1, nn.LayerNorm(WIDTH + 1)), ValueError),
        (Encoder, nn.TransformerEncoder(encoder_layer(), 1, nn.Linear(WIDTH, WIDTH)), TypeError),
        (DecoderLayer, encoder_layer(), TypeError),
    ):
        with pytest.raises(error):
            call.from_torch(module)
    strange = nn.Transformer(WIDTH, HEADS, custom_encoder=nn.Linear(2, 2), batch_first=True)
    with pytest.raises(TypeError, match=r"nn\.TransformerEncoder, got Linear"):
        Transformer.from_torch(strange, 17, 19)


def test_subclasses_of_ours_can_be_made_from_torch_too():
    class Mine(Encoder):
        pass

    theirs = nn.TransformerEncoder(encoder_layer(), 2, enable_nested_tensor=False)
    assert type(Mine.from_torch(theirs)) is Mine


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (nn.ReLU(), "relu"),
        (torch.relu, "relu"),
        (F.gelu, "gelu"),
        (nn.GELU(), "gelu"),
        (nn.GELU("tanh"), "gelu_tanh"),
    ],
)
def test_every_spelling_of_an_activation_is_understood(given, name):
    theirs = encoder_layer(activation=given).double().eval()
    ours = EncoderLayer.from_torch(theirs)
    x = case()[0].detach()
    torch.testing.assert_close(ours(x), theirs(x))
    again = Encoder.from_torch(nn.TransformerEncoder(theirs, 1, enable_nested_tensor=False))
    assert again.config.activation == name
    assert (again.config.dropout, again.config.eps, again.training) == (0.1, 1e-3, True)
    assert ours.attention.dropout == 0.1
    assert not ours.training
    assert x.shape == (BATCH, SOURCE, WIDTH)

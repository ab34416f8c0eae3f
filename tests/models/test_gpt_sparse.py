"""Banded and alternating attention: masks against loops, the same model where the band is wide."""

from dataclasses import replace

import pytest
import torch

from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig, attended_pairs, n_parameters
from nlp_helpers.models.scaled_dot_product import banded_mask, causal_mask

SIZES = {"d_model": 12, "n_heads": 3, "d_ff": 20, "n_layers": 3, "max_len": 15, "dropout": 0.0}
DENSE = GPTConfig(vocab_size=37, **SIZES)


def built(config: GPTConfig) -> GPT:
    torch.manual_seed(0)
    model = GPT(config).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)  # so that attention is not nearly even
    return model


@pytest.mark.parametrize(
    ("n_queries", "n_keys", "band"), [(7, 7, 3), (4, 9, 2), (1, 5, 5), (6, 6, 1)]
)
def test_the_mask_by_a_loop(n_queries, n_keys, band):
    mask = banded_mask(n_queries, n_keys, band)
    for q in range(n_queries):
        place = n_keys - n_queries + q
        assert mask[q].tolist() == [place - band < k <= place for k in range(n_keys)]


def test_a_band_as_wide_as_the_text_is_dense():
    assert torch.equal(banded_mask(4, 7, 7), causal_mask(4, 7))
    tokens = torch.randint(37, (13, 7))
    for attention in ("banded", "alternating"):
        model = built(replace(DENSE, attention=attention, band=7))
        torch.testing.assert_close(model(tokens), built(DENSE)(tokens), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("attention", "bands"),
    [("dense", [None] * 3), ("banded", [4] * 3), ("alternating", [None, 4, None])],
)
def test_which_layers_have_a_band_and_that_their_weights_keep_to_it(attention, bands):
    config = replace(DENSE, attention=attention, band=None if attention == "dense" else 4)
    assert [config.band_of(layer) for layer in range(3)] == bands
    model = built(config)
    _, weights, _ = model.run(torch.randint(37, (2, 9)), need_weights=True)
    outside = ~banded_mask(9, 9, 4)
    for band, seen in zip(bands, weights, strict=True):
        beyond = seen[:, :, outside & causal_mask(9)]
        assert (beyond == 0).all() if band else (beyond > 0).all()
        torch.testing.assert_close(seen.sum(dim=-1), torch.ones(2, 3, 9, dtype=torch.float64))


def test_how_far_back_a_model_of_bands_can_see():
    model = built(replace(DENSE, attention="banded", band=3))
    tokens = torch.randint(37, (1, 12))
    base = model(tokens)[0, -1]
    for place in range(12):
        changed = tokens.clone()
        changed[0, place] = (changed[0, place] + 1) % 37
        moved = not torch.equal(model(changed)[0, -1], base)
        assert moved == (place >= 12 - 1 - 3 * 2)  # three layers, two places back in each


@pytest.mark.parametrize("attention", ["banded", "alternating"])
def test_the_cache_gives_the_same(attention):
    model = built(replace(DENSE, attention=attention, band=3))
    tokens = torch.randint(37, (13, 7))
    whole = model(tokens)
    logits, state = model.step(tokens[:, :3], None)
    torch.testing.assert_close(logits, whole[:, 2], rtol=0, atol=1e-11)
    for t in range(3, 7):
        logits, state = model.step(tokens[:, t : t + 1], state)
        torch.testing.assert_close(logits, whole[:, t], rtol=0, atol=1e-11)


def test_sparse_attention_has_no_weights_of_its_own():
    sparse = replace(DENSE, attention="alternating", band=3)
    assert sum(p.numel() for p in built(sparse).parameters()) == n_parameters(sparse)
    assert n_parameters(sparse) == n_parameters(DENSE)


@pytest.mark.parametrize("attention", ["dense", "banded", "alternating"])
@pytest.mark.parametrize("n_tokens", [1, 3, 13])
def test_attended_pairs_are_those_of_the_masks(attention, n_tokens):
    config = replace(DENSE, attention=attention, band=None if attention == "dense" else 4)
    masks = built(config).masks(n_tokens, n_tokens)
    assert attended_pairs(config, n_tokens) == sum(int(mask.sum()) for mask in masks)
    for wrong, error in ((0, ValueError), (16, ValueError), (2.0, TypeError)):
        with pytest.raises(error, match="n_tokens"):
            attended_pairs(config, wrong)


def test_a_mask_for_each_layer_or_one_for_all():
    stack = built(DENSE).stack
    x, mask = torch.rand(2, 5, 12, dtype=torch.float64), causal_mask(5)
    assert torch.equal(stack.run(x, [mask] * 3)[0], stack.run(x, mask)[0])
    with pytest.raises(ValueError, match="2 masks do not fit 3 layers"):
        stack.run(x, [mask] * 2)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"attention": "sparse"}, ValueError, "attention"),
        ({"attention": "banded"}, ValueError, "band=None does not fit attention='banded'"),
        ({"band": 3}, ValueError, "band=3 does not fit attention='dense'"),
        ({"attention": "banded", "band": 0}, ValueError, "band"),
        ({"attention": "alternating", "band": 2.0}, TypeError, "band"),
    ],
)
def test_bad_configurations(changes, error, words):
    with pytest.raises(error, match=words):
        replace(DENSE, **changes)

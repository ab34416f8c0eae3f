"""GPT-3's table: the formula against models that can be built, the rows that cannot."""

import pytest
import torch

from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPT3_SIZES, GPT3Size, GPTConfig

INCONSISTENT = {"GPT-3 XL", "GPT-3 13B"}


def config_of(size: GPT3Size) -> GPTConfig:
    return GPTConfig(
        vocab_size=50_257,
        max_len=2_048,
        d_model=size.d_model,
        n_heads=size.n_heads,
        d_ff=4 * size.d_model,
        n_layers=size.n_layers,
    )


@pytest.mark.parametrize("name", sorted(GPT3_SIZES.keys() - INCONSISTENT))
def test_by_formula_as_many_weights_as_the_model_has(name):
    size = GPT3_SIZES[name]
    with torch.device("meta"):  # shapes without numbers: 175 billion would not fit
        model = GPT(config_of(size))
    assert sum(p.numel() for p in model.parameters()) == size.n_parameters()


@pytest.mark.parametrize("name", sorted(INCONSISTENT))
def test_rows_that_cannot_be_built_as_printed(name):
    size = GPT3_SIZES[name]
    assert not size.consistent
    with pytest.raises(ValueError, match="d_model"):
        config_of(size)


def test_the_others_are_consistent_and_near_their_names():
    for name, size in GPT3_SIZES.items():
        if name not in INCONSISTENT:
            assert size.consistent
        assert size.n_parameters() == pytest.approx(size.printed_parameters, rel=0.025)


def test_another_width_of_attention():
    size = GPT3Size(1.0, 2, 6, 3, 2)
    assert size.n_parameters() == size.n_parameters(6, 6)
    # three matrices [d, width] with biases and one back, each layer
    assert size.n_parameters(attention_width=9) - size.n_parameters() == 2 * (4 * 6 * 3 + 3 * 3)
    assert size.n_parameters(8) > size.n_parameters()

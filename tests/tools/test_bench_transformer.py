"""What the speeds of chapter 04 compare computes the same."""

import pytest
import torch

from nlp_helpers.models.transformer import Transformer
from nlp_helpers.models.transformer_config import TransformerConfig
from tools import bench_transformer
from tools.bench_transformer import GROUPS, TITLES, WithoutCache, decode


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = {"source_vocab_size": 64, "vocab_size": 64, "d_model": 36, "n_heads": 6, "d_ff": 50}
    return Transformer(TransformerConfig(**sizes, n_layers=2, max_len=32)).eval()


@torch.no_grad()
def test_without_the_cache_the_logits_are_those_with_it(model):
    state = model.start(torch.arange(7)[None])
    slow = (state, torch.zeros(1, 0, dtype=torch.long))
    tokens = torch.tensor([[5, 9, 2, 44]])
    for t in range(4):
        with_cache, state = model.step(tokens[:, t : t + 1], state)
        without, slow = WithoutCache(model).step(tokens[:, t : t + 1], slow)
        torch.testing.assert_close(with_cache, without, atol=1e-5, rtol=0)


def test_decoding_feeds_every_choice_back_in(model):
    fed = []

    def step(tokens, state):
        fed.append(tokens.item())
        return torch.eye(64)[(tokens[:, 0] + 3) % 64], state

    decode(step, None, 4)
    assert fed == [0, 3, 6, 9]


def test_every_group_has_a_title():
    assert GROUPS.keys() == TITLES.keys()


def test_our_encoder_layers_give_what_torchs_give(monkeypatch):
    for name, value in (("D_MODEL", 36), ("D_FF", 50), ("BATCH", 3), ("TIME", 7), ("N_HEADS", 6)):
        monkeypatch.setattr(bench_transformer, name, value)
    pairs = bench_transformer.encoder_layer_pairs()
    assert len(pairs) == 4
    for pair in pairs:
        (ours, x), (theirs, same) = pair.ours.args, pair.reference.args
        assert x is same
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)

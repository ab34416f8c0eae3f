"""The pairs of the beam bench do the same work."""

import pytest

from nlp_helpers.data.cmudict import load_cmudict
from nlp_helpers.g2p import phonemes_of
from tools import bench_beam


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench_beam, "N_WORDS", 4)


def test_the_words_are_held_out_and_spread(small):
    words = bench_beam.held_out_words()
    held_out = load_cmudict().words("test")
    assert len(words) == len(set(words)) == 4
    assert {*words} <= {*held_out}
    assert held_out.index(words[-1]) > len(held_out) / 2


def test_every_width_is_paired_with_greedy_decoding_of_the_same_words(small):
    pairs = bench_beam.beam_pairs()
    assert [pair.name for pair in pairs] == [
        f"k = {k}, g2p-lstm-luong, 4 words" for k in (1, 2, 4, 8, 16)
    ]
    greedy = pairs[0].reference()
    for width, pair in zip((1, 2, 4, 8, 16), pairs, strict=True):
        found = pair.ours()
        assert pair.against == "greedy"
        assert pair.reference() == greedy
        assert [len(hypotheses) for hypotheses in found] == [width] * 4
    narrowest = [phonemes_of(hypotheses[0].tokens) for hypotheses in pairs[0].ours()]
    assert narrowest == greedy

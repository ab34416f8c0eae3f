"""The pairs of the beam bench do the same work, and report words per second."""

import pytest

from nlp_helpers.data.cmudict import load_cmudict
from nlp_helpers.g2p import phonemes_of
from tools import bench_beam


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench_beam, "N_WORDS", 4)
    monkeypatch.setattr(bench_beam, "CHECKPOINT", "no-such-checkpoint")
    tiny = bench_beam.UNTRAINED | {"hidden_size": 8, "embedding_size": 4, "n_layers": 1}
    monkeypatch.setattr(bench_beam, "UNTRAINED", tiny)


def test_the_words_are_held_out_and_spread(small):
    words = bench_beam.held_out_words()
    held_out = load_cmudict().words("test")
    assert len(words) == len(set(words)) == 4
    assert {*words} <= {*held_out}
    assert held_out.index(words[-1]) > len(held_out) / 2


def test_every_width_is_paired_with_greedy_decoding_of_the_same_words(small):
    pairs = bench_beam.beam_pairs()
    assert [pair.name for pair in pairs] == [
        f"k = {k}, untrained model, 4 words" for k in (1, 2, 4, 8, 16)
    ]
    greedy = pairs[0].reference()
    for width, pair in zip((1, 2, 4, 8, 16), pairs, strict=True):
        found = pair.ours()
        assert pair.against == "greedy"
        assert pair.reference() == greedy
        assert [len(hypotheses) for hypotheses in found] == [width] * 4
    narrowest = [phonemes_of(hypotheses[0].tokens) for hypotheses in pairs[0].ours()]
    assert narrowest == greedy


def test_words_per_second():
    assert bench_beam.words_per_second({"ours_seconds": 0.5}) == 2 * bench_beam.N_WORDS


def test_the_shipped_checkpoint_is_used_when_there_is_one(monkeypatch):
    class Loaded:
        model = "its model"

    monkeypatch.setattr(bench_beam, "load_checkpoint", lambda name: Loaded())
    monkeypatch.setattr(bench_beam, "CHECKPOINT", "char-rnn-library-docs")  # any that is there
    assert bench_beam.model_of_the_chapter() == ("its model", "char-rnn-library-docs")

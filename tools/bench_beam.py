"""Beam search against greedy decoding: the same model, the same words, in one batch.

The ratio says how many times as long a beam of width k takes as `generate` does with the greedy
choice. tools/bench.py measures the pairs.
"""

from functools import partial

from nlp_helpers.benchmarks import Pair
from nlp_helpers.data.cmudict import load_cmudict
from nlp_helpers.g2p import pronounce, pronounce_by_beam
from nlp_helpers.pretrained import load_checkpoint

CHECKPOINT = "g2p-lstm-luong"
WIDTHS = (1, 2, 4, 8, 16)
N_WORDS = 128
TITLE = f"Beam search against greedy decoding, CMUdict, {N_WORDS} words in one batch"


def held_out_words() -> list[str]:
    """`N_WORDS` held-out words, spread evenly over the test split."""
    words = load_cmudict().words("test")
    return words[:: len(words) // N_WORDS][:N_WORDS]


def beam_pairs() -> list[Pair]:
    """Beam search at each width against greedy decoding of the same words."""
    model, words = load_checkpoint(CHECKPOINT).model, held_out_words()
    greedy = partial(pronounce, model, words, batch_size=N_WORDS)
    return [
        Pair(
            f"k = {width}, {CHECKPOINT}, {N_WORDS} words",
            partial(pronounce_by_beam, model, words, width, batch_size=N_WORDS),
            greedy,
            "greedy",
        )
        for width in WIDTHS
    ]

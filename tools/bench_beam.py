"""Beam search against greedy decoding: the same model, the same words, in one batch.

Words per second are `N_WORDS` over the seconds of a row; the ratio says how many times as long a
beam of width k takes as `generate` does with the greedy choice. tools/bench.py measures the pairs.
"""

from functools import partial

from torch import nn

from nlp_helpers.benchmarks import Pair
from nlp_helpers.data.cmudict import LETTERS, PHONEMES, load_cmudict
from nlp_helpers.g2p import pronounce, pronounce_by_beam
from nlp_helpers.pretrained import CHECKPOINTS, build_seq2seq, load_checkpoint
from nlp_helpers.reproducibility import set_seed

CHECKPOINT = "g2p-lstm-luong"
WIDTHS = (1, 2, 4, 8, 16)
N_WORDS = 128
TITLE = f"Beam search against greedy decoding, CMUdict, {N_WORDS} words in one batch"

# Of the checkpoint's size, where there is no checkpoint yet: its untrained weights seldom end a
# word, so that nearly all words run to their limit, with a beam and without.
UNTRAINED = {
    "cell": "lstm",
    "decoder": "luong",
    "source_vocab_size": len(LETTERS),
    "vocab_size": len(PHONEMES),
    "embedding_size": 64,
    "hidden_size": 256,
    "n_layers": 1,
    "dropout": 0.0,
}


def model_of_the_chapter() -> tuple[nn.Module, str]:
    """The shipped model, or an untrained one of its size; and what to call it."""
    if (CHECKPOINTS / f"{CHECKPOINT}.json").exists():
        return load_checkpoint(CHECKPOINT).model, CHECKPOINT
    set_seed(0)
    return build_seq2seq(UNTRAINED).eval(), "untrained model"


def held_out_words() -> list[str]:
    """`N_WORDS` held-out words, spread evenly over the test split."""
    words = load_cmudict().words("test")
    return words[:: len(words) // N_WORDS][:N_WORDS]


def beam_pairs() -> list[Pair]:
    """Beam search at each width against greedy decoding of the same words."""
    model, name = model_of_the_chapter()
    words = held_out_words()
    greedy = partial(pronounce, model, words, batch_size=N_WORDS)
    return [
        Pair(
            f"k = {width}, {name}, {N_WORDS} words",
            partial(pronounce_by_beam, model, words, width, batch_size=N_WORDS),
            greedy,
            "greedy",
        )
        for width in WIDTHS
    ]


def words_per_second(row: dict) -> float:
    """Of a measured row: how many words a second the beam search wrote."""
    return N_WORDS / row["ours_seconds"]

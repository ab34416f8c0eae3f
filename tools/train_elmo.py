"""The long run of chapter 05: a language model in both directions on tiny-world.

It is started by tools/train.py, under its name in `RECIPES`.
"""

import datetime
import hashlib
import time
from collections.abc import Callable
from functools import partial

import torch

from nlp_helpers.data.sentences import SPECIALS, sentence_batches
from nlp_helpers.data.tiny_world import SPLITS, generate_stories, sentences_of
from nlp_helpers.data.tiny_world_tasks import sense_examples
from nlp_helpers.data.vocabulary import Vocab
from nlp_helpers.metrics import perplexity
from nlp_helpers.models.char_cnn import characters_of
from nlp_helpers.models.elmo import ELMo
from nlp_helpers.pretrained import build_elmo, save_checkpoint
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import (
    BidirectionalLMLoss,
    History,
    TrainConfig,
    bidirectional_nll,
    train,
)

SEED = 0
N_STORIES = 5_000  # about 76,000 sentences
N_SENSE = 150_000  # more sentences with a word of several senses, without their labels
SENSE_SEED = 100  # others than the probes' sentences
N_HELD_OUT = 400  # stories of each other split
BATCH_SIZE = 64
CONFIG = {
    "char_dim": 32,
    "filters": [[1, 32], [2, 64], [3, 128], [4, 128]],
    "n_highway": 1,
    "activation": "relu",
    "max_characters": 16,
    "hidden_size": 256,
    "projection_size": 128,
    "dropout": 0.1,
}
SETTINGS = TrainConfig(
    n_steps=8_000, learning_rate=4e-3, warmup=200, final_fraction=0.01, evaluate_every=1_000
)


def sentences(n_stories: int, split: str) -> list[list[str]]:
    """The sentences of some stories, as lists of words."""
    return [sentence.words for sentence in sentences_of(generate_stories(n_stories, split))]


def training_text() -> list[list[str]]:
    """Stories, and more sentences with words of several senses (their labels are not used)."""
    examples = sense_examples(N_SENSE, "train", seed=SENSE_SEED)
    return sentences(N_STORIES, "train") + [list(example.words) for example in examples]


def batches(split: str, vocab: Vocab) -> sentence_batches:
    """The same batches of a held-out split whenever they are walked."""
    spell = partial(characters_of, max_characters=CONFIG["max_characters"])
    return sentence_batches(sentences(N_HELD_OUT, split), vocab, spell, 256, seed=None)


@torch.no_grad()
def scores(model: ELMo, vocab: Vocab) -> dict:
    """Perplexity per word of each direction on each held-out split."""
    found = {}
    for split in SPLITS[1:]:
        forward, backward = bidirectional_nll(model.eval(), batches(split, vocab))
        found[split] = {
            "forward_perplexity": perplexity(forward),
            "backward_perplexity": perplexity(backward),
        }
    return found


def fit(model: ELMo, text: list[list[str]], vocab: Vocab) -> History:
    """Train it; print the validation loss of each direction (nats per word) as it falls."""
    spell = partial(characters_of, max_characters=CONFIG["max_characters"])
    held_out = batches("validation", vocab)

    def validate(model: ELMo) -> float:
        forward, backward = bidirectional_nll(model, held_out)
        print(f"{time.strftime('%H:%M:%S')} {forward:.4f} {backward:.4f} nats", flush=True)
        return (forward + backward) / 2

    data = sentence_batches(text, vocab, spell, BATCH_SIZE, SEED)
    return train(model, data, BidirectionalLMLoss(), SETTINGS, validate)


def elmo_tiny_world() -> None:
    """Chapter 05: the biLM that ELMo's vectors are taken from."""
    set_seed(SEED)
    text = training_text()
    vocab = Vocab((word for words in text for word in words), specials=SPECIALS)
    config = {**CONFIG, "vocab_size": len(vocab)}
    model = build_elmo(config)
    history = fit(model, text, vocab)
    content = "\n".join(" ".join(words) for words in text)
    training = {
        "seed": SEED,
        "data": f"tiny-world, split train: {N_STORIES} stories, {N_SENSE} sentences with a word "
        "of several senses",
        "batch": BATCH_SIZE,
        "date": datetime.date.today().isoformat(),
        "data_sha256": hashlib.sha256(content.encode()).hexdigest(),
        "tokens": sum(map(len, text)),
        **vars(SETTINGS),
        "seconds": round(history.seconds),
        "torch": torch.__version__,
    }
    info = {
        "kind": "elmo",
        "config": config,
        "vocabulary": list(vocab.tokens),
        "training": training,
        "metrics": scores(model, vocab),
    }
    save_checkpoint("elmo-tiny-world", model, info)
    print(info["metrics"])


RECIPES: dict[str, Callable[[], None]] = {"elmo-tiny-world": elmo_tiny_world}

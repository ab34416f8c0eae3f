"""The long runs of chapter 06: GPTs on tiny-world and on library-docs.

They are started by tools/train.py, under their names in `RECIPES`.
"""

import datetime
import hashlib
import random
import time
from collections.abc import Callable
from functools import partial

import torch

from nlp_helpers.data.bpe import ByteLevelBPE
from nlp_helpers.data.corpora import load_corpus
from nlp_helpers.data.tiny_world import Writer, generate_stories
from nlp_helpers.data.windows import all_windows, random_windows
from nlp_helpers.lm_losses import NextTokenLoss, next_token_nll
from nlp_helpers.metrics import bits_per_character, perplexity
from nlp_helpers.models.gpt import GPT
from nlp_helpers.muon import MuonAdamW, muon_groups
from nlp_helpers.pretrained import build_gpt, load_checkpoint, save_checkpoint
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import TrainConfig, evaluated, train

SEED = 0
END = "<|endoftext|>"
N_STORIES = {"train": 15_000, "validation": 400, "test-combinations": 400, "test-templates": 400}
N_ASIDES = 100_000  # more sentences that tell no story, a fifth of each kind
ASIDES_A_TEXT = 8
CONFIGS = {
    "gpt-tiny-world": {"d_model": 128, "n_heads": 4, "n_layers": 4, "max_len": 192},
    "gpt-library-docs": {"d_model": 192, "n_heads": 4, "n_layers": 4, "max_len": 128},
}
PIECES = {"gpt-tiny-world": 2233, "gpt-library-docs": 2048}  # 2,233: every word is a piece
BATCH = {"gpt-tiny-world": 24, "gpt-library-docs": 32}
SETTINGS = {
    "gpt-tiny-world": TrainConfig(
        n_steps=2_500, learning_rate=5e-3, warmup=50, evaluate_every=250, clip_norm=None
    ),
    "gpt-library-docs": TrainConfig(
        n_steps=1_000, learning_rate=5e-3, warmup=50, evaluate_every=250, clip_norm=None
    ),
}
MUON_RATE, MUON_DECAY = 0.02, 0.1


def tiny_world_texts(train: bool = True) -> dict[str, list[str]]:
    """The stories of each split; to those of training come texts of asides."""
    wanted = {split: n for split, n in N_STORIES.items() if train or split != "train"}
    texts = {s: [story.text for story in generate_stories(n, s)] for s, n in wanted.items()}
    if train:
        texts["train"] += asides(N_ASIDES)
        random.Random(SEED).shuffle(texts["train"])
    return texts


def asides(n_sentences: int) -> list[str]:
    """Sentences like those between the events of a story, several to a text."""
    writer, found = Writer("train", SEED, "asides"), []
    kinds = (writer.sense, writer.noun_or_verb, writer.judgement, writer.about_thing)
    while len(found) < n_sentences:
        people = writer.people()
        for kind in kinds:
            found.append(kind(people).text)
        found.append(writer.scene().text)
    random.Random(SEED).shuffle(found)
    return [" ".join(found[i : i + ASIDES_A_TEXT]) for i in range(0, len(found), ASIDES_A_TEXT)]


def library_docs_texts(train: bool = True) -> dict[str, list[str]]:
    """The prose of each split, a passage a text."""
    corpus, splits = load_corpus("library-docs"), ("train", "validation", "test")
    return {s: [p.text for p in corpus.passages_of(s)] for s in splits[not train :]}


TEXTS = {"gpt-tiny-world": tiny_world_texts, "gpt-library-docs": library_docs_texts}


def stream(tokenizer: ByteLevelBPE, texts: list[str]) -> torch.Tensor:
    """All texts in one row of ids, each ended by the end token."""
    end = tokenizer.special_id(END)
    return torch.tensor([i for text in texts for i in (*tokenizer.encode(text), end)])


def scores(model: GPT, tokenizer: ByteLevelBPE, texts: dict[str, list[str]]) -> dict:
    """Of each held-out split: nats per token, perplexity, and bits per character."""
    found = {}
    for split, held_out in texts.items():
        if split == "train":
            continue
        ids = stream(tokenizer, held_out)
        windows = all_windows(ids, 32, model.config.max_len)
        nats = evaluated(model, partial(next_token_nll, batches=windows))
        characters = sum(map(len, held_out))
        found[split] = {
            "nats_per_token": nats,
            "perplexity": perplexity(nats),
            "bits_per_character": bits_per_character(nats, len(ids), characters),
        }
    return found


def fit(name: str, model: GPT, ids: torch.Tensor, held_out: torch.Tensor):
    """Train with Muon and AdamW; print the validation loss (nats per token) as it falls."""
    settings, length = SETTINGS[name], model.config.max_len
    windows = all_windows(held_out, 32, length)

    def validate(model: GPT) -> float:
        nats = next_token_nll(model, windows)
        print(f"{time.strftime('%H:%M:%S')} {nats:.4f} nats", flush=True)
        return nats

    groups = muon_groups(model, model.stack, MUON_RATE, settings.learning_rate, MUON_DECAY)
    batches = random_windows(ids, BATCH[name], length, seed=SEED)
    loss = NextTokenLoss()
    return train(model, batches, loss, settings, validate, groups=groups, optimizer=MuonAdamW)


def pre_train(name: str) -> None:
    """Learn the merges, train the model, measure what is stored."""
    set_seed(SEED)
    texts = TEXTS[name]()
    tokenizer = ByteLevelBPE.train(texts["train"], PIECES[name], specials=[END])
    config = {"vocab_size": tokenizer.vocab_size, **CONFIGS[name]}
    config["dropout"] = 0.0  # little is read twice
    config["d_ff"] = 4 * config["d_model"]
    ids = stream(tokenizer, texts["train"])
    print(f"{time.strftime('%H:%M:%S')} {len(ids):,} tokens", flush=True)
    model = build_gpt(config)
    history = fit(name, model, ids, stream(tokenizer, texts["validation"]))
    content = "\n".join(texts["train"])
    training = {
        "seed": SEED,
        "data": f"{name.removeprefix('gpt-')}, split train: {len(texts['train'])} texts",
        "batch": [BATCH[name], config["max_len"]],
        "date": datetime.date.today().isoformat(),
        "data_sha256": hashlib.sha256(content.encode()).hexdigest(),
        "tokens": len(ids),
        "muon_rate": MUON_RATE,
        "muon_decay": MUON_DECAY,
        **vars(SETTINGS[name]),
        "seconds": round(history.seconds),
        "torch": torch.__version__,
    }
    info = {"kind": "gpt", "config": config, "vocabulary": tokenizer.pieces}
    info |= {"merges": [" ".join(pair) for pair in tokenizer.merges], "training": training}
    save(name, model, tokenizer, texts, info)


def save(name: str, model: GPT, tokenizer: ByteLevelBPE, texts: dict, info: dict) -> None:
    """In half precision; the metrics are of what was stored."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half())
    info["metrics"] = scores(model, tokenizer, texts)
    save_checkpoint(name, model, info, dtype=torch.float16)
    print(load_checkpoint(name).info["metrics"])


def gpt_tiny_world() -> None:
    """Chapter 06: the language model of generated stories, which is fine-tuned for tasks."""
    pre_train("gpt-tiny-world")


def gpt_library_docs() -> None:
    """Chapter 06: a language model of real English, from which text is generated."""
    pre_train("gpt-library-docs")


RECIPES: dict[str, Callable[[], None]] = {
    "gpt-tiny-world": gpt_tiny_world,
    "gpt-library-docs": gpt_library_docs,
}

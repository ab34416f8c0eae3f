"""Trained weights: our own checkpoints, each a safetensors file and a JSON that tells how.

The JSON holds what the model is (`kind`, `config`, `vocabulary`), how it was made (`training`:
seed, steps, data and its hash) and what it reached (`metrics`), and the hash of the weights.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import nn

from nlp_helpers.data.tokenizers import CharTokenizer
from nlp_helpers.data.vocabulary import Vocab
from nlp_helpers.files import write_whole
from nlp_helpers.models.recurrent_lm import RecurrentLM
from nlp_helpers.models.rnn import RNN

CHECKPOINTS = Path(__file__).parent / "checkpoints"


@dataclass(frozen=True)
class Checkpoint:
    """A trained model in eval mode, the tokenizer it was trained with, and its JSON."""

    name: str
    model: nn.Module
    tokenizer: CharTokenizer
    info: dict


def build_char_rnn(config: dict) -> RecurrentLM:
    """The character language model of chapter 01."""
    recurrent = RNN(config["embedding_size"], config["hidden_size"], n_layers=config["n_layers"])
    return RecurrentLM(config["vocab_size"], recurrent, dropout=config["dropout"])


BUILDERS: dict[str, Callable[[dict], nn.Module]] = {"char-rnn": build_char_rnn}


def load_checkpoint(name: str, folder: Path | str = CHECKPOINTS) -> Checkpoint:
    """Load one of the book's own checkpoints, checked against its hash and its config.

    Loading draws no random numbers: what a notebook samples later does not depend on it.

    Raises:
        ValueError: an unknown name (the known ones are listed), a JSON or weights file that is
            not what the book wrote, weights or a vocabulary that do not fit the config.
    """
    folder = Path(folder)
    json_file, weights_file = folder / f"{name}.json", folder / f"{name}.safetensors"
    known = sorted(p.stem for p in folder.glob("*.json"))
    if name not in known:
        raise ValueError(f"no checkpoint {name!r} in {folder}; there are: {', '.join(known)}")
    if not weights_file.exists():
        raise ValueError(f"checkpoint {name!r} has no weights: {weights_file} is missing")
    try:
        info = json.loads(json_file.read_text(encoding="utf-8"))
        check_info(info, extra={"sha256"})
    except ValueError as error:  # JSONDecodeError is one
        raise ValueError(f"checkpoint {name!r}: {json_file.name} is damaged: {error}") from error
    if hashlib.sha256(weights_file.read_bytes()).hexdigest() != info["sha256"]:
        raise ValueError(
            f"checkpoint {name!r}: {weights_file.name} is not the file that {json_file.name} "
            f"describes (SHA-256 differs); restore both, or make them again with `make train`"
        )
    try:
        with torch.random.fork_rng(devices=[]):
            model = BUILDERS[info["kind"]](info["config"])
        model.load_state_dict(load_file(weights_file))
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"checkpoint {name!r} does not fit its config: {error}") from error
    tokenizer = CharTokenizer(Vocab((), specials=info["vocabulary"]))
    return Checkpoint(name, model.eval(), tokenizer, info)


def check_info(info: object, extra: Collection[str] = ()) -> None:
    """Refuse a checkpoint's description that lacks a part or contradicts itself.

    Raises:
        ValueError: naming what is missing or wrong.
    """
    if not isinstance(info, dict):
        raise ValueError(f"info must be a dictionary, got {type(info).__name__}")
    missing = {"kind", "config", "vocabulary", "training", "metrics", *extra} - info.keys()
    if missing:
        raise ValueError(f"info lacks {', '.join(sorted(missing))}")
    if info["kind"] not in BUILDERS:
        raise ValueError(f"unknown kind {info['kind']!r}; there are {', '.join(BUILDERS)}")
    vocab_size = info["config"].get("vocab_size")
    if len(info["vocabulary"]) != vocab_size:
        raise ValueError(
            f"the vocabulary has {len(info['vocabulary'])} tokens, the config says {vocab_size}"
        )


def save_checkpoint(
    name: str, model: nn.Module, info: dict, folder: Path | str = CHECKPOINTS
) -> None:
    """Write a model's weights and their JSON, each whole or not at all.

    `info` holds kind, config, vocabulary, training and metrics; the hash is added here.

    Raises:
        ValueError: a name that is not lower-case words joined by hyphens, an `info` that lacks a
            part or names an unknown kind.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"name must be lower-case words joined by hyphens, got {name!r}")
    check_info(info)
    folder = Path(folder)
    weights = save(
        {k: v.detach().contiguous().to(torch.float32) for k, v in model.state_dict().items()}
    )
    info = {"name": name, **info, "sha256": hashlib.sha256(weights).hexdigest()}
    write_whole(folder / f"{name}.safetensors", weights)
    write_whole(folder / f"{name}.json", json.dumps(info, indent=1) + "\n")

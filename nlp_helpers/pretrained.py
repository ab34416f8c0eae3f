"""Trained weights: our own checkpoints, each a safetensors file and a JSON that tells how.

The JSON holds what the model is (`kind`, `config`, `vocabulary`), how it was made (`training`:
seed, steps, data and its hash) and what it reached (`metrics`), and two hashes: of the weights,
and of what the model is. Official weights of ELMo, GPT-2 and BERT come as their authors' files.
"""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from nlp_helpers.bert_files import open_bert
from nlp_helpers.data.bpe import ByteLevelBPE
from nlp_helpers.data.tokenizers import CharTokenizer
from nlp_helpers.data.vocabulary import Vocab
from nlp_helpers.data.wordpiece import WordPiece
from nlp_helpers.elmo_files import read_elmo
from nlp_helpers.files import write_whole
from nlp_helpers.gpt_files import open_gpt2
from nlp_helpers.models.attention import AdditiveAttention, GeneralAttention
from nlp_helpers.models.bert import BERT, BERTForPreTraining
from nlp_helpers.models.bert_config import BERTConfig
from nlp_helpers.models.elmo import ELMo
from nlp_helpers.models.elmo_config import ELMoConfig
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.models.gru import GRU
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.models.recurrent import Recurrent
from nlp_helpers.models.recurrent_lm import RecurrentLM
from nlp_helpers.models.rnn import RNN
from nlp_helpers.models.seq2seq import Decoder, Encoder, Seq2Seq
from nlp_helpers.models.seq2seq_attention import BahdanauDecoder, LuongDecoder
from nlp_helpers.models.sru import SRU
from nlp_helpers.models.transformer import Transformer
from nlp_helpers.models.transformer_config import TransformerConfig

CHECKPOINTS = Path(__file__).parent / "checkpoints"


@dataclass(frozen=True)
class Checkpoint:
    """A trained model in eval mode, its vocabularies, and its JSON.

    vocab: the tokens that the model predicts.
    source_vocab: those that it reads, where they are others (sequence to sequence).
    """

    name: str
    model: nn.Module
    vocab: Vocab
    info: dict
    source_vocab: Vocab | None = None

    @functools.cached_property
    def tokenizer(self) -> CharTokenizer | ByteLevelBPE | WordPiece:
        """Text <-> ids: WordPiece for BERT, byte-pair encoding with merges, else characters."""
        if self.info["kind"] == "bert":
            return WordPiece(self.info["vocabulary"])
        if "merges" in self.info:
            return bpe_of(self.info)
        return CharTokenizer(self.vocab)


CELLS: dict[str, type[Recurrent]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU, "sru": SRU}


def build_char_lm(config: dict) -> RecurrentLM:
    """A character language model around one of the four cells (chapters 01 and 02)."""
    cell = CELLS[config["cell"]]
    recurrent = cell(config["embedding_size"], config["hidden_size"], n_layers=config["n_layers"])
    return RecurrentLM(config["vocab_size"], recurrent, dropout=config["dropout"])


def build_seq2seq(config: dict) -> Seq2Seq:
    """An encoder in both directions, and a decoder without attention or with one (chapter 03).

    `config["decoder"]` is "plain", "luong" (general attention, scaled) or "bahdanau" (additive).
    """
    cell, width, hidden_size = (config[key] for key in ("cell", "embedding_size", "hidden_size"))
    n_layers, dropout, vocab_size = (config[k] for k in ("n_layers", "dropout", "vocab_size"))
    if config["decoder"] not in ("plain", "luong", "bahdanau"):
        raise KeyError(f"unknown decoder {config['decoder']!r}")
    network, between = CELLS[cell], dropout if n_layers > 1 else 0.0
    reader = network(width, hidden_size // 2, n_layers, bidirectional=True, dropout=between)
    encoder = Encoder(config["source_vocab_size"], reader, dropout)
    if config["decoder"] == "bahdanau":
        attention = AdditiveAttention(hidden_size, hidden_size, hidden_size // 2)
        writer = network(width + hidden_size, hidden_size, n_layers, dropout=between)
        return Seq2Seq(encoder, BahdanauDecoder(vocab_size, writer, attention, dropout))
    writer = network(width, hidden_size, n_layers, dropout=between)
    if config["decoder"] == "luong":
        attention = GeneralAttention(hidden_size, hidden_size, scaled=True)
        return Seq2Seq(encoder, LuongDecoder(vocab_size, writer, attention, dropout))
    return Seq2Seq(encoder, Decoder(vocab_size, writer, dropout))


def build_transformer(config: dict) -> Transformer:
    """The whole model of chapter 04; `config` names the fields of `TransformerConfig`."""
    return Transformer(TransformerConfig(**config))


def build_elmo(config: dict) -> ELMo:
    """The biLM of chapter 05; `config` names the fields of `ELMoConfig`."""
    return ELMo(ELMoConfig(**config))


def build_gpt(config: dict) -> GPT:
    """A language model of chapter 06; `config` names the fields of `GPTConfig`."""
    return GPT(GPTConfig(**config))


def build_bert(config: dict) -> BERTForPreTraining:
    """A BERT of chapter 07 with its two heads; `config` names the fields of `BERTConfig`."""
    return BERTForPreTraining(BERTConfig(**config))


BUILDERS: dict[str, Callable[[dict], nn.Module]] = {
    "char-lm": build_char_lm,
    "seq2seq": build_seq2seq,
    "transformer": build_transformer,
    "elmo": build_elmo,
    "gpt": build_gpt,
    "bert": build_bert,
}


def load_checkpoint(name: str, folder: Path | str = CHECKPOINTS) -> Checkpoint:
    """Load one of the book's own checkpoints, checked against its hashes and its config.

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
        check_info(info, extra={"sha256", "description_sha256"})
        if description_sha256(info) != info["description_sha256"]:
            raise ValueError("its kind, config or vocabulary was changed (SHA-256 differs)")
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
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"checkpoint {name!r} does not fit its config: {error}") from error
    vocab = Vocab((), specials=info["vocabulary"])
    source = info.get("source_vocabulary")
    source_vocab = None if source is None else Vocab((), specials=source)
    return Checkpoint(name, model.eval(), vocab, info, source_vocab)


def load_elmo(options: Path | str, weights: Path | str) -> ELMo:
    """The official ELMo of an options.json and a weights.hdf5, in eval mode.

    Source: Peters et al. 2018; the layout of bilm-tf's files, see `elmo_files.read_elmo`.

    Shape:
        `.layers(sentences)` gives for each sentence [n_layers + 1, n_words, 2 * projection_dim],
        from a zero state.

    Raises:
        FileNotFoundError: a file that is not there.
        ValueError: files that are not JSON and HDF5, an option missing or unknown, a tensor
            missing or of another shape, by name.
    """
    return read_elmo(options, weights)


def load_gpt2(folder_or_name: Path | str) -> tuple[GPT, ByteLevelBPE]:
    """A GPT-2 and its tokenizer, from a folder or by name, the model in eval mode and float32.

    Source: Radford et al. 2019; the layout of Hugging Face's files, see `gpt_files`.

    Args:
        folder_or_name: a folder with config.json, model.safetensors, vocab.json and merges.txt,
            or "gpt2" (0.5 GB), "gpt2-medium" (1.5 GB), "gpt2-large" (3.2 GB) or "gpt2-xl"
            (6.4 GB). A model by name is downloaded once, into the cache folder
            (`NLP_HELPERS_CACHE`), checked by its SHA-256 each time, and needs no network again.

    Shape:
        model(tokens [batch, time]) gives logits [batch, time, vocab_size];
        tokenizer.encode(text) gives a list of ids.

    Raises:
        FileNotFoundError: a file that the folder lacks.
        ValueError: neither a folder nor a known name (they are listed); files that are damaged
            or do not fit each other; a model that is not a GPT-2, such as a GPT-1, or has an
            option that ours does not have.
        RuntimeError: a download that failed, or a cache folder that cannot be used.
        TypeError: neither a path nor a string.
    """
    return open_gpt2(folder_or_name)


def load_bert(folder_or_name: Path | str, lower_case: bool | None = None) -> tuple[BERT, WordPiece]:
    """A BERT and its tokenizer, from a folder or by name, the model in eval mode and float32.

    Source: Devlin et al. 2019; the layout of Hugging Face's files, see `bert_files`.

    Args:
        folder_or_name: a folder with config.json, model.safetensors and vocab.txt (or
            tokenizer.json, which newer versions of transformers write in its place), or
            "bert-tiny" (18 MB: 2 layers of width 128, from Turc et al. 2019),
            "bert-base-uncased", "bert-base-cased" (0.4 GB each) or "bert-large-uncased" (1.3 GB).
            A model by name is downloaded once, into the cache folder (`NLP_HELPERS_CACHE`),
            checked by its SHA-256 each time, and needs no network again.
        lower_case: whether the tokenizer puts text in lower case; None: as tokenizer_config.json
            says, and where there is none, yes.

    Shape:
        model(tokens [batch, time], segments, mask) gives hidden [batch, time, d_model] and pooled
        [batch, d_model], None where the files have no pooler; tokenizer.encode(text, pair) gives
        ids and segments, two lists. Heads in the files are left aside.

    Raises:
        FileNotFoundError: a file that the folder lacks.
        ValueError: neither a folder nor a known name (they are listed); files that are damaged
            or do not fit each other, such as weights of another width than the configuration
            says; a model that is not a BERT, such as a RoBERTa, or has an option that ours does
            not have.
        RuntimeError: a download that failed, or a cache folder that cannot be used.
        TypeError: neither a path nor a string, a lower_case that is none of its three values.
    """
    return open_bert(folder_or_name, lower_case)


def description_sha256(info: dict) -> str:
    """The hash of what a model is: kind, config, vocabularies and merges, as JSON, keys sorted."""
    parts = ["kind", "config", "vocabulary", "source_vocabulary"]
    parts += ["merges"] if "merges" in info else []
    text = json.dumps({k: info.get(k) for k in parts}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


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
    if not isinstance(info["kind"], str) or info["kind"] not in BUILDERS:
        raise ValueError(f"unknown kind {info['kind']!r}; there are {', '.join(BUILDERS)}")
    if not isinstance(info["config"], dict):
        raise ValueError(f"config must be a dictionary, got {info['config']!r:.60}")
    for part in ("vocabulary", "source_vocabulary"):
        if part in info:
            check_vocabulary(part, info[part])
        key = part.replace("vocabulary", "vocab_size")
        size = info["config"].get(key)
        if part in info and len(info[part]) != size:
            raise ValueError(f"the {part} has {len(info[part])} tokens, the config says {size}")
    if "source_vocab_size" in info["config"] and "source_vocabulary" not in info:
        raise ValueError("info lacks source_vocabulary, the config has a source_vocab_size")
    if "merges" in info:
        bpe_of(info)


def bpe_of(info: dict) -> ByteLevelBPE:
    """The tokenizer whose pieces are the vocabulary and whose merges are lines, as "Ġ t".

    Raises:
        ValueError: merges that are not such lines, or do not fit the vocabulary.
    """
    lines = info["merges"]
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise ValueError(f"merges must be a list of strings, got {lines!r:.60}")
    vocab = {piece: i for i, piece in enumerate(info["vocabulary"])}
    return ByteLevelBPE(vocab, [tuple(line.split(" ")) for line in lines])


def check_vocabulary(name: str, tokens: object) -> None:
    """Refuse what is not a list of distinct strings, at least one.

    Raises:
        ValueError: naming the vocabulary and what is wrong.
    """
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError(f"{name} must be a list of strings, got {tokens!r:.60}")
    if not tokens or len(set(tokens)) < len(tokens):
        twice = sorted({token for token in tokens if tokens.count(token) > 1})
        raise ValueError(f"{name} must hold distinct tokens, at least one; repeated: {twice}")


def save_checkpoint(
    name: str,
    model: nn.Module,
    info: dict,
    folder: Path | str = CHECKPOINTS,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a model's weights and their JSON, each whole or not at all.

    `info` holds kind, config, vocabulary, training and metrics (and the merges of a byte-pair
    encoding, as lines); the hashes are added here. With dtype=torch.float16 the file is half as
    large, and its numbers keep about three digits: measure what is loaded, not what was trained.

    Raises:
        ValueError: a name that is not lower-case words joined by hyphens, an `info` that lacks a
            part or names an unknown kind.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"name must be lower-case words joined by hyphens, got {name!r}")
    check_info(info)
    folder = Path(folder)
    tensors = {k: v.detach().to(dtype) for k, v in model.state_dict().items()}
    weights = save({k: v.clone().contiguous() for k, v in tensors.items()})  # shared: a copy each
    info = {"name": name, **info, "sha256": hashlib.sha256(weights).hexdigest()}
    info["description_sha256"] = description_sha256(info)
    write_whole(folder / f"{name}.safetensors", weights)
    write_whole(folder / f"{name}.json", json.dumps(info, indent=1) + "\n")

"""The long runs of chapter 07: BERTs on tiny-world and on library-docs, and without its parts.

They are started by tools/train.py, under their names in `RECIPES`. Texts, sizes, steps and tokens
per step are those of chapter 06's GPTs, so that the two can be compared.
"""

import datetime
import hashlib
import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from nlp_helpers.bert_losses import PreTrainingLoss, pretraining_scores
from nlp_helpers.data.bert_inputs import pair_row, pretraining_batches, single_row
from nlp_helpers.data.corpora import load_corpus
from nlp_helpers.data.masking import Masker
from nlp_helpers.data.sentence_pairs import full_sentences, sentence_pairs
from nlp_helpers.data.wordpiece import WordPiece
from nlp_helpers.metrics import perplexity
from nlp_helpers.models.bert import BERTForPreTraining
from nlp_helpers.muon import MuonAdamW, muon_groups
from nlp_helpers.pretrained import build_bert, load_checkpoint, save_checkpoint
from nlp_helpers.reproducibility import set_seed
from nlp_helpers.training import TrainConfig, train
from tools.train_gpt import tiny_world_texts

SEED = 0
Document = list[str]  # its sentences


@dataclass(frozen=True)
class Run:
    """A corpus, a model, and how it is trained.

    phases: (steps, longest row, rows a step). Short rows come first, as in the paper (appendix
    A.2); all phases have about as many tokens a step.
    """

    documents: Callable[[], dict[str, list[Document]]]
    config: dict
    pieces: int
    phases: tuple[tuple[int, int, int], ...]
    muon_rate: float = 0.02
    muon_decay: float = 0.1
    learning_rate: float = 5e-3

    @property
    def n_steps(self) -> int:
        return sum(steps for steps, _, _ in self.phases)

    @property
    def settings(self) -> TrainConfig:
        return TrainConfig(
            n_steps=self.n_steps,
            learning_rate=self.learning_rate,
            warmup=50,
            evaluate_every=250,
            clip_norm=None,
        )


@dataclass(frozen=True)
class Variant:
    """What pre-training has, or does without."""

    next_sentence: bool = True
    dynamic: bool = True
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)


def tiny_world_documents() -> dict[str, list[Document]]:
    """The texts of chapter 06's GPT, in sentences."""
    return {
        split: [re.findall(r"\S[^.?]*[.?]", text) for text in texts]
        for split, texts in tiny_world_texts().items()
    }


def library_docs_documents() -> dict[str, list[Document]]:
    """The prose of each file, in sentences."""
    corpus, found = load_corpus("library-docs"), {}
    for split in ("train", "validation", "test"):
        files = itertools.groupby(corpus.passages_of(split), key=lambda passage: passage.source)
        found[split] = [
            [s for p in passages for s in re.split(r"(?<=[.!?:;])\s+", p.text) if s]
            for _, passages in files
        ]
    return found


RUNS = {
    "bert-tiny-world": Run(
        tiny_world_documents,
        {"d_model": 128, "n_heads": 4, "n_layers": 4, "max_len": 192},
        pieces=2233,
        phases=((800, 48, 105), (1_700, 192, 44)),
    ),
    "bert-library-docs": Run(
        library_docs_documents,
        {"d_model": 192, "n_heads": 4, "n_layers": 4, "max_len": 128},
        pieces=2048,
        phases=((500, 48, 88), (500, 128, 36)),
    ),
}


def in_ids(tokenizer: WordPiece, documents: list[Document]) -> list[list[list[int]]]:
    return [[ids for s in document if (ids := tokenizer.ids(s))] for document in documents]


def rows_of(tokenizer: WordPiece, documents: list, max_len: int, variant: Variant, seed: int):
    """The rows of pre-training and their labels, 1 where the second text is a random one."""
    cls, sep = tokenizer.special_id("[CLS]"), tokenizer.special_id("[SEP]")
    if not variant.next_sentence:
        rows = full_sentences(documents, max_len, sep)
        return [single_row(ids, cls, sep) for ids in rows], None
    pairs = sentence_pairs(documents, max_len, seed)
    return [pair_row(p.first, p.second, cls, sep) for p in pairs], [not p.is_next for p in pairs]


def masker_of(tokenizer: WordPiece, variant: Variant = Variant()) -> Masker:
    mask = tokenizer.special_id("[MASK]")
    return Masker(mask, tokenizer.vocab_size, tokenizer.special_ids, shares=variant.shares)


class Phases:
    """Batches of one kind for some steps, then of the next."""

    def __init__(self, phases: Sequence[tuple[int, pretraining_batches]]):
        self.phases = phases

    def __iter__(self) -> Iterator:
        for n_steps, batches in self.phases:
            epochs = itertools.chain.from_iterable(itertools.repeat(batches))
            yield from itertools.islice(epochs, n_steps)


def held_out(tokenizer: WordPiece, documents: list, max_len: int, variant=Variant()) -> list:
    """Batches of held-out rows, masked once."""
    rows, labels = rows_of(tokenizer, documents, max_len, variant, seed=1)
    pad = tokenizer.special_id("[PAD]")
    masker = masker_of(tokenizer, variant)
    batches = pretraining_batches(rows, labels, masker, 64, pad, seed=1, bucket=True)
    return list(batches)


def scores(model: BERTForPreTraining, batches: Sequence) -> dict[str, float]:
    """Of the words asked for, and of the pairs where there are some, in the model's eval mode."""
    found = pretraining_scores(model, batches)
    words = {
        "mlm_nats": found.mlm_nll,
        "mlm_perplexity": perplexity(found.mlm_nll),
        "mlm_accuracy": found.mlm_accuracy,
    }
    return words if found.nsp_accuracy is None else {**words, "nsp_accuracy": found.nsp_accuracy}


def fit(run: Run, model: BERTForPreTraining, tokenizer, ids: dict, variant: Variant, seed: int):
    """Train with Muon and AdamW; print the validation scores as they change."""
    pad, masker = tokenizer.special_id("[PAD]"), masker_of(tokenizer, variant)
    phases = []
    for n_steps, max_len, n_rows in run.phases:
        rows, labels = rows_of(tokenizer, ids["train"], max_len, variant, seed)
        batches = pretraining_batches(
            rows, labels, masker, n_rows, pad, seed, dynamic=variant.dynamic, bucket=True
        )
        phases.append((n_steps, batches))
    validation = held_out(tokenizer, ids["validation"], run.phases[0][1], variant)

    def validate(model: BERTForPreTraining) -> float:
        found = scores(model, validation)
        said = {k: round(v, 4) for k, v in found.items()}
        print(time.strftime("%H:%M:%S"), said, flush=True)
        return found["mlm_nats"]

    groups = muon_groups(model, model.bert.stack, run.muon_rate, run.learning_rate, run.muon_decay)
    loss = PreTrainingLoss(variant.next_sentence)
    return train(
        model, Phases(phases), loss, run.settings, validate, groups=groups, optimizer=MuonAdamW
    )


def pre_train(name: str) -> None:
    """Learn the pieces, train the model, measure what is stored."""
    set_seed(SEED)
    run = RUNS[name]
    documents = run.documents()
    sentences = [sentence for document in documents["train"] for sentence in document]
    tokenizer = WordPiece.train(sentences, run.pieces)
    ids = {split: in_ids(tokenizer, found) for split, found in documents.items()}
    n_tokens = sum(len(s) for document in ids["train"] for s in document)
    print(f"{time.strftime('%H:%M:%S')} {n_tokens:,} tokens, {tokenizer.vocab_size} pieces")
    config = {"vocab_size": tokenizer.vocab_size, **run.config}
    config |= {"d_ff": 4 * config["d_model"], "dropout": 0.0}  # little is read twice
    model = build_bert(config)
    history = fit(run, model, tokenizer, ids, Variant(), SEED)
    training = {
        "seed": SEED,
        "data": f"{name.removeprefix('bert-')}, split train: {len(documents['train'])} texts",
        "phases": run.phases,
        "date": datetime.date.today().isoformat(),
        "data_sha256": hashlib.sha256("\n".join(sentences).encode()).hexdigest(),
        "tokens": n_tokens,
        "muon_rate": run.muon_rate,
        "muon_decay": run.muon_decay,
        **vars(run.settings),
        "seconds": round(history.seconds),
        "torch": torch.__version__,
    }
    info = {"kind": "bert", "config": config, "vocabulary": tokenizer.pieces, "training": training}
    save(name, model, tokenizer, ids, info)


def save(name: str, model: BERTForPreTraining, tokenizer: WordPiece, ids: dict, info: dict):
    """In half precision; the metrics are of what was stored."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half())
    run = RUNS[name]
    info["metrics"] = {
        split: scores(model, held_out(tokenizer, documents, run.phases[-1][1]))
        for split, documents in ids.items()
        if split != "train"
    }
    save_checkpoint(name, model, info, dtype=torch.float16)
    print(load_checkpoint(name).info["metrics"])


def bert_tiny_world() -> None:
    """Chapter 07: BERT on generated stories, which is fine-tuned for tasks."""
    pre_train("bert-tiny-world")


def bert_library_docs() -> None:
    """Chapter 07: BERT on real English."""
    pre_train("bert-library-docs")


RECIPES: dict[str, Callable[[], None]] = {
    "bert-tiny-world": bert_tiny_world,
    "bert-library-docs": bert_library_docs,
}

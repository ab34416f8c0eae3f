"""Batches of whole sentences for a language model that reads characters and predicts words."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from nlp_helpers.checks import check_int
from nlp_helpers.data.vocabulary import UNK, Vocab

MARKS = ("<S>", "</S>")  # begin and end of a sentence
SPECIALS = (UNK, *MARKS)


class sentence_batches:
    """Batches of sentences of equal or similar lengths, in random order.

    Each epoch shuffles the sentences, sorts them by length (equal lengths stay shuffled), cuts
    that row into batches and shuffles the batches: little padding, each sentence once an epoch.

    Args:
        sentences: lists of words.
        vocab: what the model predicts, made with ``specials=SPECIALS``; other words are
            ``<unk>`` as targets, but are spelled like all others.
        spell: ``models.char_cnn.characters_of`` with the model's limit: sentences -> (character
            ids [batch, time, max_characters], mask).
        batch_size: sentences per batch.
        seed: of the shuffling; None: in the order of the sentences' lengths, always the same.
    Shape:
        each batch: ``(characters, mask, words)``: int64 [batch, time, max_characters], bool
        [batch, time], int64 [batch, time]; the marks of a sentence are among the time steps.
    Raises:
        TypeError: not lists of words, or a number is not an int.
        ValueError: there are no sentences, one is empty, a number is out of range, or the
            vocabulary lacks a special token.
    """

    def __init__(
        self,
        sentences: Sequence[Sequence[str]],
        vocab: Vocab,
        spell: Callable[[list[list[str]]], tuple[Tensor, Tensor]],
        batch_size: int,
        seed: int | None = 0,
    ):
        check_int("batch_size", batch_size)
        if seed is not None:
            check_int("seed", seed, least=0)
        missing = [token for token in SPECIALS if token not in vocab]
        if missing:
            raise ValueError(f"vocab lacks {missing}: make it with specials={SPECIALS}")
        if isinstance(sentences, str) or any(isinstance(s, str) for s in sentences):
            raise TypeError("sentences must be lists of words, got a string: split it first")
        if not sentences or not all(sentences):
            raise ValueError("sentences is empty or holds an empty sentence")
        begin, end = MARKS
        distinct = list(dict.fromkeys(w for s in sentences for w in s))
        spelled = spell([[word] for word in distinct])[0]  # [words, 3, max_characters]
        marks = spelled[:1, [0, 2]].squeeze(0)  # those of a sentence, the same in each
        padding = torch.zeros_like(marks[:1])
        self._spelling = torch.cat([padding, marks, spelled[:, 1]])  # row 0 fills up
        self._word_ids = torch.tensor([0, *vocab.encode([begin, end, *distinct])])
        row_of = {word: i for i, word in enumerate(distinct, start=3)}
        self._rows = [torch.tensor([1, *(row_of[w] for w in s), 2]) for s in sentences]
        self._lengths = torch.tensor([len(row) for row in self._rows])
        self.batch_size = batch_size
        self._generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-len(self._rows) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        n, generator = len(self._rows), self._generator
        order = torch.arange(n) if generator is None else torch.randperm(n, generator=generator)
        batches = order[self._lengths[order].argsort(stable=True)].split(self.batch_size)
        turn = range(len(batches))
        if generator is not None:
            turn = torch.randperm(len(batches), generator=generator).tolist()
        return (self._batch(batches[i].tolist()) for i in turn)

    def _batch(self, chosen: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.nn.utils.rnn.pad_sequence([self._rows[i] for i in chosen], batch_first=True)
        return self._spelling[rows], rows > 0, self._word_ids[rows]

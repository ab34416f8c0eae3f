"""Pairs of texts for BERT's next-sentence prediction, and RoBERTa's rows without it.

A document is a list of sentences, a sentence a list of ids.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from nlp_helpers.checks import check_int, check_number

Ids = Sequence[int]
Document = Sequence[Ids]


class SentencePair(NamedTuple):
    """Two texts; `is_next` says that the second follows the first in a document."""

    first: list[int]
    second: list[int]
    is_next: bool


def truncate_pair(first: Ids, second: Ids, max_tokens: int) -> tuple[list[int], list[int]]:
    """Both texts, with at most max_tokens together: the longer one loses its last token, again.

    Of two texts of equal length the second loses. The authors' code does the same with the
    lengths, but takes a token from the front as often as from the end. (transformers from version
    5 on gives an odd last token to the text that was longer.)

    Raises:
        ValueError: a max_tokens below 2, which leaves no token for one of the texts.
        TypeError: a max_tokens that is not an int.
    """
    check_int("max_tokens", max_tokens, least=2)
    n, m = len(first), len(second)
    excess = max(0, n + m - max_tokens)
    alone = min(excess, abs(n - m))  # what only the longer one loses
    n, m = (n - alone, m) if n > m else (n, m - alone)
    both = excess - alone
    return list(first[: n - both // 2]), list(second[: m - (both + 1) // 2])


def sentence_pairs(
    documents: Sequence[Document], max_len: int, seed: int, short: float = 0.1
) -> list[SentencePair]:
    """Pairs for next-sentence prediction that go through each document from its begin to its end.

    Sentences are gathered until they fill max_len - 3 tokens (the rest is [CLS] and two [SEP]),
    or, for the share `short` of the pairs, a smaller number drawn from 2 .. max_len - 3. These
    sentences are cut into two texts at a random place. With probability 0.5 that is the pair.
    Otherwise the second text becomes a piece of a random other document: whole sentences from a
    random one on, until the rest of the length is filled or that document ends; the sentences
    that were cut off start the next pair. So as first texts and as true second texts every
    sentence comes once. At last `truncate_pair` shortens what is too long.

    One sentence that fills the length alone, or is left over at the end of a document, cannot be
    cut: its second text is always random. So `is_next` is true for half of the pairs that come
    from two or more sentences, and for less than half of all pairs: much less where sentences
    are as long as max_len, or documents short.

    Source: Devlin et al. 2019, section 3.1 (task 2) and appendix A.2; the details are those of
        the authors' code, but that it draws the smaller length once for a document, and
        truncates at both ends.

    Args:
        documents: two or more, in the order in which the pairs come.
        max_len: the longest row, in tokens.
        seed: of all that is random.
        short: share of pairs with a smaller length.

    Raises:
        ValueError: fewer than two documents, an empty document or sentence, a max_len below 5,
            a share that is not in [0, 1].
        TypeError: documents that are not lists of lists of ids, numbers that are not.
    """
    check_documents(documents, least=2)
    check_int("max_len", max_len, least=5)
    check_int("seed", seed, least=0)
    check_number("short", short, 0, 1)
    rng, max_tokens, pairs = random.Random(seed), max_len - 3, []
    for number, document in enumerate(documents):
        place = 0  # of the first sentence that no pair has had
        while place < len(document):
            is_short = rng.random() < short
            target = rng.randint(2, max_tokens) if is_short else max_tokens
            end = end_of_piece(document, place, target)
            cut = place + 1 if end == place + 1 else rng.randrange(place + 1, end)
            first = joined(document[place:cut])
            is_next = cut < end and rng.random() < 0.5
            if is_next:
                second = joined(document[cut:end])
            else:
                second = random_piece(documents, number, target - len(first), rng)
            pairs.append(SentencePair(*truncate_pair(first, second, max_tokens), is_next))
            place = end if is_next else cut
    return pairs


def random_piece(
    documents: Sequence[Document], number: int, length: int, rng: random.Random
) -> list[int]:
    """Whole sentences of a document that is not the one of this number, about `length` tokens."""
    other = rng.randrange(len(documents) - 1)
    document = documents[other + (other >= number)]
    start = rng.randrange(len(document))
    return joined(document[start : end_of_piece(document, start, length)])


def end_of_piece(document: Document, start: int, length: int) -> int:
    """The end of the fewest sentences from `start` on that have `length` tokens; one at least."""
    end, n = start + 1, len(document[start])
    while end < len(document) and n < length:
        n += len(document[end])
        end += 1
    return end


def joined(sentences: Sequence[Ids]) -> list[int]:
    """The tokens of some sentences in one list."""
    return [token for sentence in sentences for token in sentence]


def full_sentences(
    documents: Sequence[Document], max_len: int, separator_id: int
) -> list[list[int]]:
    """Rows of whole sentences, one after the other, for pre-training without sentence pairs.

    A row takes sentences as long as they fit into max_len - 2 tokens (the rest is [CLS] and
    [SEP]), also beyond the end of a document; the separator stands where another document
    begins within a row. Only a sentence that is longer than a row is split.

    Source: Liu et al. 2019 (RoBERTa), section 4.2, FULL-SENTENCES.

    Raises:
        ValueError: no documents, an empty document or sentence, a max_len below 3, a negative
            separator_id.
        TypeError: documents that are not lists of lists of ids, numbers that are not ints.
    """
    check_documents(documents, least=1)
    check_int("max_len", max_len, least=3)
    check_int("separator_id", separator_id, least=0)
    room, rows, row = max_len - 2, [], []
    for document in documents:
        separator = [separator_id]
        for sentence in document:
            for start in range(0, len(sentence), room):
                piece = list(sentence[start : start + room])
                if row and len(row) + len(separator) + len(piece) > room:
                    rows.append(row)
                    row = []
                row += [*(separator if row else []), *piece]
                separator = []
    return [*rows, row]


def check_documents(documents: Sequence[Document], least: int) -> None:
    """Refuse too few documents, and what are not documents with sentences with tokens."""
    if len(documents) < least:
        wanted = "a second document to draw from" if least == 2 else "a document"
        raise ValueError(f"documents must hold {wanted}, got {len(documents)}")
    for i, document in enumerate(documents):
        if isinstance(document, str) or not len(document):
            raise ValueError(f"documents[{i}] must be a list of sentences, got {document!r:.60}")
        for j, sentence in enumerate(document):
            if isinstance(sentence, str) or not hasattr(sentence, "__len__"):
                message = f"documents[{i}][{j}] must be a list of ids, got {sentence!r:.60}"
                raise TypeError(message)
            if not len(sentence):
                raise ValueError(f"documents[{i}][{j}] is an empty sentence")

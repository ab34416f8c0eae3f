"""What byte-level BPE is made of: bytes as symbols, the words of a text, and merges to learn."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import regex

from nlp_helpers.data.bpe_files import check_text

Pair = tuple[str, str]

# GPT-2 cuts text here first, and no merge crosses a cut: English endings, then letters, numbers
# or other marks with at most one space before them, then white space (all but its last character,
# which goes to the next word if it is a space).
PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)


def byte_alphabet() -> dict[int, str]:
    """GPT-2's printable symbol of each byte: a merge can then be read, and written in a line.

    A byte whose Latin-1 character leaves ink is written as that character. The 68 others (the
    space, control characters, the soft hyphen) take the code points from 256 on, in order: the
    space becomes "Ġ", the line feed "Ċ".

    Source: Radford et al. 2019, `bytes_to_unicode` in the released `encoder.py`.
    """
    inked = [chr(byte).isprintable() and chr(byte) != " " for byte in range(256)]
    spare = iter(range(256, 512))
    return {byte: chr(byte if inked[byte] else next(spare)) for byte in range(256)}


def split_text(text: str) -> list[str]:
    """Cut text into GPT-2's words; joined again they are the text.

    What is a letter or a number depends on the Unicode version. regex 2026.11.15 knows a later
    one than tokenizers 0.23.3 (16.0): 17,480 code points that 16.0 leaves unassigned are letters
    or numbers here and other marks there. All others are cut alike (both are tested).

    Source: Radford et al. 2019, section 2.2, and the pattern in the released `encoder.py`.

    Raises:
        TypeError: not a string.
        ValueError: a lone surrogate, which has no UTF-8 bytes.
    """
    return PATTERN.findall(check_text("text", text))


def count_words(texts: str | Iterable[str]) -> Counter[str]:
    """How often each of GPT-2's words occurs in one text or in several."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        texts = [texts]
    words: Counter[str] = Counter()
    for text in texts:
        words.update(split_text(text))
    return words


def merge_pair(pieces: Sequence[str], pair: Pair) -> list[str]:
    """Join each occurrence of a pair, from left to right: a a a becomes aa a."""
    merged, i = [], 0
    while i < len(pieces):
        if tuple(pieces[i : i + 2]) == pair:
            merged.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            merged.append(pieces[i])
            i += 1
    return merged


class MergeLearner:
    """Words cut into pieces, from bytes upwards, and how often each pair of neighbours occurs.

    A merge changes only the words that hold its pair, so only their pairs are counted again.

    Source: Sennrich et al. 2016, section 3.2.

    Args:
        words: each word with its count.
        forbidden: pieces that no merge may make (the names of special tokens).
    """

    def __init__(self, words: Mapping[str, int], forbidden: Sequence[str] = ()):
        alphabet = byte_alphabet()
        self.vocab = {symbol: i for i, symbol in enumerate(sorted(alphabet.values()))}
        self.words, self.forbidden = words, frozenset(forbidden)
        self.cuts = {word: [alphabet[byte] for byte in word.encode()] for word in words}
        self.pair_counts: Counter[Pair] = Counter()
        self.words_with: dict[Pair, set[str]] = defaultdict(set)
        for word, count in words.items():
            for pair in pairwise(self.cuts[word]):
                self.pair_counts[pair] += count
                self.words_with[pair].add(word)
        # (-count, ids, pair), the most frequent first; a count that has changed since is an
        # entry of its own, and the outdated entry is dropped when it comes up.
        self.queue: list[tuple[int, int, int, Pair]] = []
        for pair in self.pair_counts:
            self.enqueue(pair)

    def enqueue(self, pair: Pair) -> None:
        """Put a pair in the queue with its present count."""
        left, right = pair
        if self.pair_counts[pair] > 0 and left + right not in self.forbidden:
            entry = (-self.pair_counts[pair], self.vocab[left], self.vocab[right], pair)
            heapq.heappush(self.queue, entry)

    def best(self) -> tuple[Pair, int] | None:
        """The most frequent pair and its count; of several, the one whose ids come first."""
        while self.queue:
            negative_count, _, _, pair = self.queue[0]
            if -negative_count == self.pair_counts[pair]:
                return pair, -negative_count
            heapq.heappop(self.queue)
        return None

    def merge(self, pair: Pair) -> None:
        """Make one piece of a pair, wherever it stands."""
        self.vocab["".join(pair)] = len(self.vocab)
        change: Counter[Pair] = Counter()
        for word in self.words_with.pop(pair):
            before, after = self.cuts[word], merge_pair(self.cuts[word], pair)
            self.cuts[word] = after
            for old in pairwise(before):
                change[old] -= self.words[word]
            for new in pairwise(after):
                change[new] += self.words[word]
                self.words_with[new].add(word)
        for changed, difference in change.items():
            if difference:
                self.pair_counts[changed] += difference
                self.enqueue(changed)

    def steps(self, n_merges: int, min_count: int = 1) -> Iterator[tuple[Pair, int]]:
        """Merge the best pair, and yield it with its count, until no pair is frequent enough."""
        for _ in range(n_merges):
            best = self.best()
            if best is None or best[1] < min_count:
                return
            self.merge(best[0])
            yield best

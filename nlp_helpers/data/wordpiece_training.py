"""How the pieces of a WordPiece are learned from words: which pair to join next, and why."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nlp_helpers.checks import check_int
from nlp_helpers.data.bpe_files import check_text
from nlp_helpers.data.bpe_merges import MergeLearner, Pair

# In here a piece that begins a word has this sign before it, and the others are written as they
# are: then joining two pieces is joining two strings. No cleaned text holds it.
START = "\0"

SAME = 1e-9  # gains that differ by less, relatively, are taken as equal


def as_piece(name: str) -> str:
    """A learner's name of a piece, as the vocabulary has it: "##" before what begins no word."""
    return name[1:] if name.startswith(START) else "##" + name


def alphabet_of(words: Iterable[str]) -> list[str]:
    """The characters of words by code point, then once more those that stand inside a word."""
    beginning = {START + c for word in words for c in word}
    return sorted(beginning) + sorted({c for word in words for c in word[1:]})


class FrequencyLearner(MergeLearner):
    """Words cut into pieces, from characters upwards; the most frequent pair is joined first.

    Of pairs that are equally frequent, the one whose ids come first is joined (the first piece's
    id, then the second's). Ids: the characters by code point, then those that stand inside a
    word again, with "##", then the joined pieces. A piece is never made twice, of two pairs.

    Source: Sennrich et al. 2016, section 3.2, with pieces that begin a word kept apart.

    Args:
        words: each word with its count.
        min_frequency: leave pairs that occur fewer times.
    """

    def __init__(self, words: Mapping[str, int], min_frequency: int = 1):
        super().__init__({})
        self.words, self.min_frequency = words, min_frequency
        self.names = alphabet_of(words)
        self.vocab = {name: i for i, name in enumerate(self.names)}
        self.cuts = {word: [START + word[0], *word[1:]] for word in words}
        for word, count in words.items():
            for pair in pairwise(self.cuts[word]):
                self.pair_counts[pair] += count
                self.words_with[pair].add(word)
        for pair in self.pair_counts:
            self.enqueue(pair)

    def merge(self, pair: Pair) -> None:
        """Make one piece of a pair, wherever it stands."""
        self.names.append("".join(pair))
        super().merge(pair)

    def best_scored(self) -> tuple[Pair, float] | None:
        """The next pair to join and its score, here its count; None when no pair is left."""
        best = self.best()
        return best if best and best[1] >= self.min_frequency else None

    def joins(self, n_joins: int) -> Iterator[tuple[Pair, float]]:
        """Join the best pair, and yield it with its score, until none is left."""
        for _ in range(n_joins):
            best = self.best_scored()
            if best is None:
                return
            self.merge(best[0])
            yield best


class LikelihoodLearner(FrequencyLearner):
    """Words cut into pieces; the pair is joined first that makes the corpus most likely.

    The corpus is modelled as pieces drawn one by one, each with its relative frequency. To join
    a and b then raises the log-likelihood, in nats, by
    count(ab) · log(count(ab) · N / (count(a) · count(b))), give or take count(ab) nats at most
    (for a other than b). N counts all pieces: the fraction is how often b follows a, over how
    often it would by chance. When no gain is above 0, training ends. Of gains that differ by less
    than one part in 10⁹, the first by the rule of `FrequencyLearner` is taken.

    Source: Schuster and Nakajima 2012, section 3; Wu et al. 2016, section 4.1.
    """

    def __init__(self, words: Mapping[str, int], min_frequency: int = 1):
        self.rows: dict[Pair, int] = {}  # a pair's row in the next two arrays
        self.ids = np.zeros((1024, 2), dtype=np.int64)
        self.counts = np.zeros(1024)
        super().__init__(words, min_frequency)
        self.piece_counts = np.zeros(len(self.names))
        for word, names in self.cuts.items():
            for name in names:
                self.piece_counts[self.vocab[name]] += words[word]

    def enqueue(self, pair: Pair) -> None:
        """Write down the present count of a pair."""
        row = self.rows.setdefault(pair, len(self.rows))
        if row == len(self.counts):
            self.ids = np.concatenate([self.ids, np.zeros_like(self.ids)])
            self.counts = np.concatenate([self.counts, np.zeros_like(self.counts)])
        self.ids[row] = self.vocab[pair[0]], self.vocab[pair[1]]
        self.counts[row] = self.pair_counts[pair]

    def merge(self, pair: Pair) -> None:
        """Make one piece of a pair, wherever it stands, and count the pieces."""
        before = {word: len(self.cuts[word]) for word in self.words_with[pair]}
        super().merge(pair)
        joined = sum(self.words[word] * (n - len(self.cuts[word])) for word, n in before.items())
        for name in pair:
            self.piece_counts[self.vocab[name]] -= joined
        self.piece_counts = np.append(self.piece_counts, joined)

    def best_scored(self) -> tuple[Pair, float] | None:
        """The next pair to join and its gain in nats; None when no gain is above 0."""
        # All gains are computed each time: N and the counts of pieces change with every join.
        frequent = np.flatnonzero(self.counts >= max(1, self.min_frequency))
        if not len(frequent):
            return None
        ids, counts = self.ids[frequent], self.counts[frequent]
        by_chance = self.piece_counts[ids].prod(axis=1) / self.piece_counts.sum()
        gains = counts * np.log(counts / by_chance)
        gain = float(gains.max())
        if gain <= 0:
            return None
        left, right = min(ids[gains >= gain * (1 - SAME)].tolist())
        return (self.names[left], self.names[right]), gain


SCORES = {"likelihood": LikelihoodLearner, "frequency": FrequencyLearner}


def learner_of(score: str, words: Mapping[str, int], min_frequency: int) -> FrequencyLearner:
    """The learner of a score's name, with arguments checked."""
    if not isinstance(score, str) or score not in SCORES:
        raise ValueError(f"unknown score {score!r}: use one of {', '.join(SCORES)}")
    check_int("min_frequency", min_frequency)
    if not isinstance(words, Mapping):
        raise TypeError(f"words must map words to counts, got {type(words).__name__}")
    for word, count in words.items():
        if not check_text("word", word) or START in word:
            raise ValueError(f"a word must have characters, none of them U+0000, got {word!r}")
        check_int(f"the count of {word!r}", count)
    return SCORES[score](words, min_frequency)


def learn_pieces(
    words: Mapping[str, int], n_pieces: int, score: str = "likelihood", min_frequency: int = 2
) -> list[str]:
    """The pieces that the words give: characters, those inside words with "##", joined pieces.

    Args:
        words: each word with its count.
        n_pieces: how many, without the special tokens; fewer when nothing is left to join.
        score: what the best pair has most of: "likelihood" or "frequency".
        min_frequency: leave pairs that occur fewer times.
    Raises:
        TypeError: a word that is not a string, a number that is not an int.
        ValueError: an unknown score, an empty word, a count or min_frequency below 1, an n_pieces
            below the number of characters.
    """
    check_int("n_pieces", n_pieces, 0)
    learner = learner_of(score, words, min_frequency)
    n_characters = len(learner.names)
    if n_pieces < n_characters:
        raise ValueError(
            f"the words have {n_characters} characters (at the beginning of a word, and inside "
            f"words), more than the {n_pieces} pieces that there is room for"
        )
    for _ in learner.joins(n_pieces - n_characters):
        pass
    return [as_piece(name) for name in learner.names]


@dataclass(frozen=True)
class JoinStep:
    """One pair that was joined: its pieces, the new piece, its count, and its score.

    `score` is the gain in nats for "likelihood", the count for "frequency". `words` holds each
    word's pieces after the step.
    """

    pair: Pair
    piece: str
    count: int
    score: float
    words: dict[str, tuple[str, ...]]


def join_steps(
    words: Mapping[str, int], n_joins: int, score: str = "likelihood", min_frequency: int = 1
) -> list[JoinStep]:
    """The first joins of training, step by step, to be looked at on a few words.

    Args:
        words: each word with its count.
        n_joins: how many; fewer when nothing is left to join.
        score, min_frequency: as in `learn_pieces`.
    Raises:
        TypeError, ValueError: as in `learn_pieces`; an n_joins below 1.
    """
    check_int("n_joins", n_joins)
    learner, steps = learner_of(score, words, min_frequency), []
    for _ in range(n_joins):
        best = learner.best_scored()
        if best is None:
            break
        pair, value = best
        count = learner.pair_counts[pair]
        learner.merge(pair)
        cuts = {word: tuple(map(as_piece, names)) for word, names in learner.cuts.items()}
        left, right = map(as_piece, pair)
        steps.append(JoinStep((left, right), as_piece("".join(pair)), count, value, cuts))
    return steps

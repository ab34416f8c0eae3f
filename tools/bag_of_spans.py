"""Baselines for answers and tags that know words without their order."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression


def fit_tags(examples: Sequence) -> Callable[[Sequence], list[list[str]]]:
    """Each word gets the tag that it had most often; a new word gets O."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for example in examples:
        for word, tag in zip(example.words, example.tags, strict=True):
            counts[word][tag] += 1
    best = {word: found.most_common(1)[0][0] for word, found in counts.items()}
    return lambda tests: [[best.get(word, "O") for word in e.words] for e in tests]


def features(example) -> list[dict[str, float]]:
    """Of each word: what it is beside the question's first word, and what its sentence shares."""
    asked, kind = set(example.question), example.question[0]
    sentences, found = [[]], []
    for word in example.text:
        sentences[-1].append(word)
        if word in (".", "?"):
            sentences.append([])
    for sentence in sentences:
        shared = len(asked & set(sentence))
        for word in sentence:
            inside = {f"{kind} {word}": 1.0, "in the question": float(word in asked)}
            found.append({**inside, "shared": shared, f"{kind} shared": shared})
    return found


def fit_spans(examples: Sequence, longest: int) -> Callable[[Sequence], list[range]]:
    """The best span by two linear models of single words: does it begin, or end, the answer?"""
    rows = [row for example in examples for row in features(example)]
    vectorizer = DictVectorizer().fit(rows)
    x, models = vectorizer.transform(rows), []
    for place in ("first", "last"):
        right = []
        for example in examples:
            begin, end = example.answer
            at = begin if place == "first" else end - 1
            right += [i == at for i in range(len(example.text))]
        models.append(LogisticRegression(max_iter=2000).fit(x, right))

    def spans(tests: Sequence) -> list[range]:
        return [
            best_span(*(m.decision_function(vectorizer.transform(features(e))) for m in models))
            for e in tests
        ]

    def best_span(starts, ends) -> range:
        n = len(starts)
        pairs = ((i, j) for i in range(n) for j in range(i, min(n, i + longest)))
        first, last = max(pairs, key=lambda pair: starts[pair[0]] + ends[pair[1]])
        return range(first, last + 1)

    return spans

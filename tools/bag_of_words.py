"""What the words of a text tell without their order: linear models on counts, as baselines."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

KINDS = ("classes", "numbers", "choice")


def fit(kind: str, examples: Sequence) -> Callable[[Sequence], np.ndarray]:
    """Fit a linear model to the counts of each text's words; returns a function of examples.

    An example has `texts` and a `label`. For several texts there are counts of each, and the share
    of the second's words that are also in the first. "classes" and "choice" give one score a
    class or answer, [examples, classes]; "numbers" one number an example.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
    if kind == "choice":
        return fit_choice(examples)
    features = Features([example.texts for example in examples])
    labels = [example.label for example in examples]
    x = features([example.texts for example in examples])
    if kind == "numbers":
        model = Ridge(alpha=1.0).fit(x, labels)
        return lambda tests: model.predict(features([e.texts for e in tests]))
    model = LogisticRegression(max_iter=2000).fit(x, labels)
    return lambda tests: model.predict_proba(features([e.texts for e in tests]))


def fit_choice(examples: Sequence) -> Callable[[Sequence], np.ndarray]:
    """Each answer with the story is an example, right or wrong; the highest probability wins."""
    pairs, right = [], []
    for example in examples:
        story, *answers = example.texts
        pairs += [(story, answer) for answer in answers]
        right += [i == example.label for i in range(len(answers))]
    features = Features(pairs)
    model = LogisticRegression(max_iter=2000).fit(features(pairs), right)

    def scores(tests: Sequence) -> np.ndarray:
        rows = [(e.texts[0], answer) for e in tests for answer in e.texts[1:]]
        probability = model.predict_proba(features(rows))[:, 1]
        return probability.reshape(len(tests), -1)

    return scores


class Features:
    """Counts of the words of each text, learned from some examples, and the share in common."""

    def __init__(self, texts: Sequence[Sequence[str]]):
        columns = list(zip(*texts, strict=True))
        self.counters = [CountVectorizer(token_pattern=r"\w+|[^\w\s]").fit(c) for c in columns]

    def __call__(self, texts: Sequence[Sequence[str]]) -> csr_matrix:
        columns = list(zip(*texts, strict=True))
        counts = [c.transform(column) for c, column in zip(self.counters, columns, strict=True)]
        if len(columns) == 2:
            counts.append(csr_matrix([[in_common(*row)] for row in texts]))
        return hstack(counts).tocsr()


def in_common(first: str, second: str) -> float:
    """The share of the second text's words that are also in the first."""
    words = second.split()
    return sum(word in first.split() for word in words) / len(words)

"""SQuAD's scores and the scores of entities, against references by brute force."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.span_metrics import EntityScores, SpanScores, entity_scores, span_f1

# ---------------------------------------------------------------- answers

words = st.lists(st.sampled_from("abcd"), max_size=5)


def by_hand(guess, right):
    """Cross off each predicted word against one true word; then the harmonic mean."""
    if not guess or not right:
        return float(guess == right)
    left, common = list(right), 0
    for word in guess:
        if word in left:
            left.remove(word)
            common += 1
    if not common:
        return 0.0
    precision, recall = common / len(guess), common / len(right)
    return 2 * precision * recall / (precision + recall)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=9))
def test_scores_of_answers_by_brute_force(pairs):
    guesses, rights = zip(*pairs, strict=True)
    scores = span_f1(guesses, rights)
    assert isinstance(scores, SpanScores)
    assert scores.exact_match == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
    assert scores.f1 == pytest.approx(sum(by_hand(a, b) for a, b in pairs) / len(pairs))
    assert scores.exact_match <= scores.f1 + 1e-12


@pytest.mark.parametrize(
    ("guess", "right", "exact", "f1"),
    [
        (["the", "park"], ["the", "park"], 1, 1),
        (["in", "the", "park"], ["the", "park"], 0, 0.8),
        (["park", "the"], ["the", "park"], 0, 1),  # a bag of words
        (["the", "the", "the"], ["the"], 0, 0.5),  # each as often as both have it
        (["the"], ["a"], 0, 0),
        ([], [], 1, 1),
        ([], ["a"], 0, 0),
        (["a"], [], 0, 0),
        ([7, 8], (7, 8), 1, 1),
        (range(4, 6), range(5, 8), 0, 0.4),
    ],
)
def test_scores_of_answers_by_hand(guess, right, exact, f1):
    assert span_f1([guess], [right]) == SpanScores(exact, pytest.approx(f1))
    both = span_f1([guess, ["x"]], [right, ["x"]])
    assert both == SpanScores((exact + 1) / 2, pytest.approx((f1 + 1) / 2))


# ---------------------------------------------------------------- entities


def entities(tags):
    """(kind, start, end): a B- and the I- of the same kind right after it; nothing else."""
    found = set()
    for start, tag in enumerate(tags):
        if tag.startswith("B-"):
            end = start + 1
            while end < len(tags) and tags[end] == "I-" + tag[2:]:
                end += 1
            found.add((tag[2:], start, end))
    return found


def by_sets(predicted, true):
    guesses = {(i, *e) for i, tags in enumerate(predicted) for e in entities(tags)}
    rights = {(i, *e) for i, tags in enumerate(true) for e in entities(tags)}
    precision = len(guesses & rights) / len(guesses) if guesses else 0.0
    recall = len(guesses & rights) / len(rights) if rights else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return precision, recall, f1


tags = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
sentences = st.lists(
    st.integers(0, 7).flatmap(lambda n: st.tuples(*[st.lists(tags, min_size=n, max_size=n)] * 2)),
    min_size=1,
    max_size=6,
)


@given(sentences)
def test_scores_of_entities_by_brute_force(pairs):
    predicted, true = zip(*pairs, strict=True)
    scores = entity_scores(predicted, true)
    assert isinstance(scores, EntityScores)
    assert scores == pytest.approx(by_sets(predicted, true))
    assert entity_scores(true, predicted)[:2] == pytest.approx(scores[1::-1])


@pytest.mark.parametrize(
    ("predicted", "true", "expected"),
    [
        ("B-A I-A O B-B", "B-A I-A O B-B", (1, 1, 1)),
        ("B-A O O B-B", "B-A I-A O B-B", (0.5, 0.5, 0.5)),  # a part of an entity is wrong
        ("B-B I-B O B-B", "B-A I-A O B-B", (0.5, 0.5, 0.5)),  # so is another kind
        ("I-A I-A O B-B", "B-A I-A O B-B", (1, 0.5, 2 / 3)),  # I- begins nothing
        ("B-A B-A O B-B", "B-A I-A O B-B", (1 / 3, 0.5, 0.4)),
        ("O O O O", "B-A I-A O B-B", (0, 0, 0)),
        ("B-A I-A O B-B", "O O O O", (0, 0, 0)),
    ],
)
def test_scores_of_entities_by_hand(predicted, true, expected):
    scores = entity_scores([predicted.split(), ["O"]], [true.split(), ["O"]])
    assert scores == pytest.approx(expected)


def test_entities_of_all_sentences_count_alike():
    predicted = [["B-A", "B-A", "B-A"], ["B-A"]]
    true = [["B-A", "B-A", "B-A"], ["O"]]
    assert entity_scores(predicted, true).precision == pytest.approx(3 / 4)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("predicted", "true", "error", "message"),
    [
        ([], [], ValueError, "got 0 predicted and 0 true answers"),
        ([["a"]], [["a"], ["b"]], ValueError, "got 1 predicted and 2 true answers"),
        (["ab"], [["a"]], TypeError, r"predicted\[0\] must be a list, got 'ab'"),
        ([["a"]], [3], TypeError, r"true\[0\] must be a list, got 3"),
    ],
)
def test_bad_answers(predicted, true, error, message):
    with pytest.raises(error, match=message):
        span_f1(predicted, true)


@pytest.mark.parametrize(
    ("predicted", "true", "error", "message"),
    [
        ([], [], ValueError, "got 0 predicted and 0 true sentences"),
        ([["O"]], [["O"], ["O"]], ValueError, "got 1 predicted and 2 true sentences"),
        ([["O"]], [["O", "O"]], ValueError, "sentence 0 has 1 predicted and 2 true tags"),
        ([["O"], ["PER"]], [["O"], ["O"]], ValueError, "got 'PER' in sentence 1"),
        ([["O"]], [["E-PER"]], ValueError, r"O, B-\.\.\. or I-\.\.\., got 'E-PER'"),
        ([["B-"]], [["O"]], ValueError, "got 'B-' in sentence 0"),
        ([[1]], [["O"]], TypeError, "a tag must be a string, got 1 in sentence 0"),
        (["O"], [["O"]], TypeError, r"predicted\[0\] must be a list, got 'O'"),
    ],
)
def test_bad_tags(predicted, true, error, message):
    with pytest.raises(error, match=message):
        entity_scores(predicted, true)

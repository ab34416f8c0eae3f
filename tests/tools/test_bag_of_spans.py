"""Baselines of words without their order: the commonest tag, and spans by two linear models."""

import itertools

import pytest

from nlp_helpers.data.tiny_world_tags import TaggedExample
from nlp_helpers.data.tiny_world_tasks import QuestionExample
from tools.bag_of_spans import features, fit_spans, fit_tags

NAMES = ("mara", "jon", "anna")
PLACES = ("old garden", "big kitchen", "red museum")


def tagged(words: str, tags: str) -> TaggedExample:
    return TaggedExample(tuple(words.split()), tuple(tags.split()))


def test_each_word_gets_its_commonest_tag_wherever_it_stands():
    known = [
        tagged("paris met north", "B-PER O B-PER"),
        tagged("north rails in paris", "B-ORG I-ORG O B-LOC"),
        tagged("paris saw paris", "B-PER O B-LOC"),
        tagged("paris met north", "B-PER O B-ORG"),
    ]
    tags_for = fit_tags(known)
    tests = [tagged("met paris paris", "O B-PER B-LOC"), tagged("rails north", "I-ORG B-PER")]
    assert tags_for(tests) == [["O", "B-PER", "B-PER"], ["I-ORG", "B-ORG"]]


def test_a_word_that_was_never_seen_is_no_entity():
    tags_for = fit_tags([tagged("paris oslo", "B-LOC B-LOC")])
    assert tags_for([tagged("rome paris", "B-LOC B-LOC")]) == [["O", "B-LOC"]]
    assert tags_for([]) == []


def question(text: str, asked: str, answer: str) -> QuestionExample:
    words, wanted = text.split(), answer.split()
    starts = [i for i in range(len(words)) if words[i : i + len(wanted)] == wanted]
    assert len(starts) == 1
    return QuestionExample(tuple(words), tuple(asked.split()), (starts[0], starts[0] + len(wanted)))


def about(a: str, b: str, here: str, there: str) -> list[QuestionExample]:
    """Two sentences, and four questions whose answers are of one or three words."""
    text = f"{a} sat in the {here} . {b} read by the {there} ."
    return [
        question(text, "who sat ?", a),
        question(text, "who read ?", b),
        question(text, f"where sat {a} ?", f"the {here}"),
        question(text, f"where read {b} ?", f"the {there}"),
    ]


KNOWN = [
    example
    for (a, b), (here, there) in itertools.product(
        itertools.permutations(NAMES, 2), itertools.permutations(PLACES, 2)
    )
    if (a, b) != ("jon", "mara")
    for example in about(a, b, here, there)
]
TESTS = [
    example
    for here, there in itertools.permutations(PLACES, 2)
    for example in about("jon", "mara", there, here)
]


def answers(examples):
    return [range(*example.answer) for example in examples]


def test_obvious_answers_are_found():
    spans_for = fit_spans(KNOWN, 8)
    assert spans_for(KNOWN) == answers(KNOWN)
    assert {len(span) for span in spans_for(KNOWN)} == {1, 3}
    longer = [example._replace(text=("so", ",", *example.text)) for example in TESTS]
    moved = [range(begin + 2, end + 2) for begin, end in (e.answer for e in TESTS)]
    assert spans_for(longer) == moved
    assert spans_for([]) == []


@pytest.mark.parametrize("longest", [1, 2, 3])
def test_no_span_is_longer_than_the_longest(longest):
    found = fit_spans(KNOWN, longest)(TESTS)
    assert max(map(len, found)) == longest
    assert min(map(len, found)) >= 1
    assert all(
        0 <= span.start < span.stop <= len(e.text) for span, e in zip(found, TESTS, strict=True)
    )
    assert (found == answers(TESTS)) == (longest == 3)


def test_a_text_that_is_shorter_than_the_longest_span():
    (found,) = fit_spans(KNOWN, 8)([QuestionExample(("mara",), ("who", "sat", "?"), (0, 1))])
    assert found == range(1)


def test_a_word_knows_the_question_and_how_much_its_sentence_shares_with_it():
    example = QuestionExample(
        ("jon", "sat", ".", "mara", "read", "?", "so"), ("who", "sat", "with", "jon", "?"), (0, 1)
    )
    found = features(example)
    assert len(found) == 7
    assert [row["shared"] for row in found] == [2, 2, 2, 1, 1, 1, 0]
    assert [row["who shared"] for row in found] == [2, 2, 2, 1, 1, 1, 0]
    assert [row["in the question"] for row in found] == [1, 1, 0, 0, 0, 1, 0]
    assert all(row[f"who {word}"] == 1 for row, word in zip(found, example.text, strict=True))

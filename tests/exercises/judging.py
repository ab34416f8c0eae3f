"""What the tests of all chapters' exercises share: run a check, read it, judge a quiz."""

from nlp_helpers.explorables.quiz import Quiz


def verdict(capsys, check, answer):
    """What a check prints of an answer."""
    check(answer)
    return capsys.readouterr().out


def assert_judged(capsys, check, right, wrong):
    """The right answer passes, each wrong one gets a hint, an empty one is not an attempt."""
    assert ": correct. " in verdict(capsys, check, right)
    for answer in wrong:
        assert ": not yet. " in verdict(capsys, check, answer)
    assert "not attempted yet." in verdict(capsys, check, lambda *_: ...)
    assert "not attempted yet." in verdict(capsys, check, None)


def assert_quiz(name, questions):
    """Five questions, every option explained, the right ones in all four places."""
    assert len(questions) == 5
    Quiz(name=name, questions=questions)
    for question in questions:
        assert len(question.explanations) == len(question.options)
        assert not any(text.startswith("Right") for text in question.explanations)  # the page does
    assert len({question.answer_index for question in questions}) == 4  # no pattern to guess


def assert_length_tells_nothing(questions):
    """The right option is seldom the longest or the shortest, and all are of similar length."""
    ranks = []
    for question in questions:
        lengths = [len(option) for option in question.options]
        ranks.append(sorted(lengths).index(lengths[question.answer_index]))
        assert max(lengths) <= 2 * min(lengths)
    assert ranks.count(3) <= 2
    assert ranks.count(0) <= 2

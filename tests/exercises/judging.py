"""What the tests of all chapters' exercises share: run a check, read it, judge a quiz."""

import inspect

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


def assert_right_and_not_attempted(capsys, check, right):
    """The right answer passes; what has its arguments but no code is not an attempt."""
    kinds = [p.kind for p in inspect.signature(right).parameters.values()]
    n_arguments = kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)

    def skeleton(*args):
        assert len(args) == n_arguments
        return ...

    def unwritten(*args):
        raise NotImplementedError

    assert_judged(capsys, check, right, [])
    assert "not attempted yet." in verdict(capsys, check, skeleton)
    assert "not attempted yet." in verdict(capsys, check, unwritten)


def assert_crashes_are_explained(capsys, check):
    """An answer that raises is told so, and so is one that is no function."""
    out = verdict(capsys, check, lambda *args: args[0] @ None)
    assert ": not yet. " in out
    assert "raised TypeError" in out
    for wrong in (3, "text", [1, 2]):
        out = verdict(capsys, check, wrong)
        assert ": not yet. Your answer must be a function" in out


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

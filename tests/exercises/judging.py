"""What the tests of all chapters' exercises share: run a check, and read what it says."""


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

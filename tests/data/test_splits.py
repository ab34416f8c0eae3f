import pytest

from nlp_helpers.data.splits import FRACTIONS, SPLITS, split_of


def test_known_names_keep_their_split():
    frozen = {
        "a": "train",
        "b": "train",
        "numpy/linalg/_linalg.py": "test",
        "scipy/stats/_stats_py.py": "train",
        "item 14": "validation",
        "item 0": "test",
    }
    assert {name: split_of(name) for name in frozen} == frozen


def test_fractions_are_met():
    assert sum(FRACTIONS) == pytest.approx(1)
    found = [split_of(f"item {i}") for i in range(20_000)]
    for split, fraction in zip(SPLITS, FRACTIONS, strict=True):
        assert found.count(split) / len(found) == pytest.approx(fraction, abs=0.006)


def test_a_salt_makes_another_split():
    names = [f"item {i}" for i in range(500)]
    first = {n for n in names if split_of(n) == "test"}
    second = {n for n in names if split_of(n, "other") == "test"}
    assert first
    assert second
    assert first != second


def test_bad_input():
    with pytest.raises(ValueError, match="empty"):
        split_of("")
    with pytest.raises(TypeError, match="3"):
        split_of(3)
    with pytest.raises(TypeError, match="salt"):
        split_of("a", None)

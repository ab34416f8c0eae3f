"""The exercise harness: what it prints, and that a wrong answer never stops a notebook."""

from __future__ import annotations

import math
import re
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.exercises.harness import (
    STRICT_VARIABLE,
    Case,
    Exercise,
    ExerciseFailed,
    compare,
    explain_exception,
    format_value,
)

EXERCISE = Exercise(2, "Double", why="Doubling is everywhere.")
CASES = [Case((1.5,), 3.0), Case((-2.0,), -4.0, hint="what about the sign?")]
NOT_ATTEMPTED = "Exercise 2 (Double): not attempted yet.\n"
CORRECT = "Exercise 2 (Double): correct. Doubling is everywhere.\n"


@pytest.fixture(autouse=True)
def _lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STRICT_VARIABLE, raising=False)


def blank(x):
    pass


def dots(x):
    return ...


def todo(x):
    raise NotImplementedError("write me")


def double(x):
    return 2 * x


def unsigned(x):
    return abs(2 * x)


def crash(x):
    y = x - x
    return 1 / y


@pytest.mark.parametrize("answer", [None, ..., blank, dots, todo])
def test_not_attempted(answer, capsys) -> None:
    assert EXERCISE.check_function(answer, CASES) is None
    assert capsys.readouterr().out == NOT_ATTEMPTED


@pytest.mark.parametrize("answer", [None, ...])
def test_value_not_attempted(answer, capsys) -> None:
    EXERCISE.check_value(answer, 3)
    EXERCISE.check_with(answer, lambda _: "wrong")
    assert capsys.readouterr().out == NOT_ATTEMPTED * 2


def test_correct(capsys) -> None:
    EXERCISE.check_function(double, CASES)
    EXERCISE.check_value(3.0001, 3.0)
    EXERCISE.check_with(3, lambda answer: None if answer == 3 else "no")
    assert capsys.readouterr().out == CORRECT * 3


def test_wrong_function_names_the_first_failing_case(capsys) -> None:
    EXERCISE.check_function(unsigned, CASES)
    assert capsys.readouterr().out == (
        "Exercise 2 (Double): not yet. For input -2 you returned 4, expected -4; "
        "what about the sign?\n"
    )


def test_wrong_value(capsys) -> None:
    EXERCISE.check_value(2.5, 3.0, hint="count again.")
    assert capsys.readouterr().out == (
        "Exercise 2 (Double): not yet. Your answer is 2.5: expected 3; count again.\n"
    )


def test_exception_is_one_readable_paragraph(capsys) -> None:
    EXERCISE.check_function(crash, CASES)
    out = capsys.readouterr().out
    assert out == (
        "Exercise 2 (Double): not yet. For input 1.5 your code raised ZeroDivisionError: "
        "float division by zero (in line 3 of crash: return 1 / y).\n"
    )
    assert "Traceback" not in out


def test_exception_deep_inside_a_library_names_the_students_line(capsys) -> None:
    def multiply(x):
        return torch.zeros(2, 3) @ torch.zeros(2, 3)

    EXERCISE.check_function(multiply, CASES)
    out = capsys.readouterr().out
    assert "RuntimeError: mat1 and mat2" in out
    assert "(in line 2 of multiply: return torch.zeros(2, 3) @ torch.zeros(2, 3))" in out
    assert out.count("\n") == 1


def test_wrong_signature_is_explained(capsys) -> None:
    EXERCISE.check_function(lambda: 3, CASES)
    assert "your code raised TypeError" in capsys.readouterr().out


def test_judge(capsys) -> None:
    EXERCISE.check_with(torch.nn.Linear(2, 2), lambda _: "The bias is there.", hint="bias=False")
    EXERCISE.check_with(todo, lambda answer: str(answer(1)))
    EXERCISE.check_with(crash, lambda answer: str(answer(1)))
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "Exercise 2 (Double): not yet. The bias is there; bias=False."
    assert out[1] == NOT_ATTEMPTED.strip()
    assert "Your code raised ZeroDivisionError: division by zero (in line 3 of crash" in out[2]


def test_answer_that_is_no_function(capsys) -> None:
    EXERCISE.check_function(3, CASES)
    assert "must be a function; it is 3." in capsys.readouterr().out


def test_find_the_bug_unchanged_is_not_attempted(capsys) -> None:
    def handed_out(x):
        return abs(2 * x)

    EXERCISE.check_function(unsigned, CASES, unchanged=handed_out)
    EXERCISE.check_function(lambda x: 0.0, CASES, unchanged=handed_out)
    EXERCISE.check_function(double, CASES, unchanged=handed_out)
    out = capsys.readouterr().out.splitlines(keepends=True)
    assert out[0] == NOT_ATTEMPTED
    assert "not yet" in out[1]
    assert out[2] == CORRECT
    with pytest.raises(ValueError, match="passes every case"):
        EXERCISE.check_function(double, CASES, unchanged=double)


def test_input_is_copied_for_every_call(capsys) -> None:
    def spoil(x):
        x.zero_()
        return x

    case = Case((torch.ones(2),), torch.ones(2))
    EXERCISE.check_function(spoil, [case])
    assert case.args[0].tolist() == [1.0, 1.0]
    assert "For input tensor [1, 1] you returned tensor [0, 0], expected tensor [1, 1]" in (
        capsys.readouterr().out
    )


def test_tensors_out_of_a_graph_can_be_inputs_and_answers(capsys) -> None:
    x = torch.ones(2, requires_grad=True) * 2
    EXERCISE.check_function(lambda t: t * 2, [Case((x,), torch.full((2,), 4.0))])
    assert capsys.readouterr().out == CORRECT


@pytest.mark.parametrize(
    "pack",
    [
        lambda x: [x],
        lambda x: (x, 1),
        lambda x: {"x": [(x,)]},
    ],
)
def test_tensors_out_of_a_graph_can_be_inside_inputs(pack, capsys) -> None:
    made = torch.ones(2, requires_grad=True) * 3
    packed = pack(made)

    def spoil(value):
        while not isinstance(value, torch.Tensor):
            value = next(iter(value.values() if isinstance(value, dict) else value))
        value.detach().zero_()
        return 1.0

    EXERCISE.check_function(spoil, [Case((packed,), 1.0), Case((), 1.0, kwargs={"value": packed})])
    assert capsys.readouterr().out == CORRECT
    assert made.tolist() == [3.0, 3.0]  # the student had a copy


def test_the_same_tensor_twice_is_the_same_in_the_copy(capsys) -> None:
    made = torch.ones(2, requires_grad=True) * 3
    EXERCISE.check_function(lambda pair: pair[0] is pair[1], [Case(([made, made],), True)])
    assert capsys.readouterr().out == CORRECT


def test_an_answer_that_ends_the_program_is_explained(capsys) -> None:
    def leave(x):
        sys.exit(3)

    EXERCISE.check_function(leave, CASES)
    said = capsys.readouterr().out
    assert "not yet. For input 1.5 your code raised SystemExit: it ends the whole program" in said
    assert "return a value instead (in line 2 of leave: sys.exit(3))" in said
    EXERCISE.check_function(leave, CASES, unchanged=unsigned)
    EXERCISE.check_with(leave, lambda answer: answer(1))
    assert capsys.readouterr().out.count("raised SystemExit") == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.eye(2).to_sparse(),
        lambda: torch.eye(2).to_sparse_csr(),
        lambda: torch.sparse_coo_tensor([[0], [0]], [1.0], (10**7, 10**7)),
        lambda: torch.empty(2, 2, device="meta"),
        lambda: torch.eye(2, dtype=torch.complex64).conj(),
        lambda: torch.zeros(2, 2, dtype=torch.float8_e5m2),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse")
def test_no_kind_of_tensor_can_raise(make, capsys) -> None:
    for expected in (torch.ones(2, 2), 1.0, [1, 2], "text", {"a": 1}, torch.ones(0)):
        EXERCISE.check_value(make(), expected)
        EXERCISE.check_function(make, [Case((), expected)])
    assert capsys.readouterr().out.count("not yet. ") == 12


def test_a_sparse_tensor_is_compared_by_its_values(capsys) -> None:
    EXERCISE.check_value(torch.eye(2).to_sparse(), torch.eye(2))
    assert capsys.readouterr().out == CORRECT


@pytest.mark.parametrize("value", ["1", "yes"])
def test_strict_environment_raises_on_wrong_answers_only(value, monkeypatch, capsys) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, value)
    EXERCISE.check_function(None, CASES)
    EXERCISE.check_function(double, CASES)
    with pytest.raises(ExerciseFailed, match=r"Exercise 2 \(Double\): not yet"):
        EXERCISE.check_function(unsigned, CASES)


def test_raise_on_failure_raises_unless_right(monkeypatch) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, "0")
    EXERCISE.check_function(unsigned, CASES)
    EXERCISE.check_function(double, CASES, raise_on_failure=True)
    for call in (
        lambda: EXERCISE.check_function(blank, CASES, raise_on_failure=True),
        lambda: EXERCISE.check_function(crash, CASES, raise_on_failure=True),
        lambda: EXERCISE.check_value(1, 2, raise_on_failure=True),
        lambda: EXERCISE.check_with(1, lambda _: "no", raise_on_failure=True),
    ):
        with pytest.raises(ExerciseFailed):
            call()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (3, 3),
        (3.0, 3),
        (torch.tensor(3), 3),
        (np.float32(0.5), 0.5),
        (0.50004, 0.5),
        (math.nan, math.nan),
        ([1.0, 2.0], torch.tensor([1.0, 2.0])),
        (torch.tensor([1.0, 2.0], requires_grad=True), np.array([1.0, 2.0])),
        ((torch.ones(2), torch.zeros(2)), [[1, 1], [0, 0]]),
        (torch.tensor([True, False]), [True, False]),
        ("hello", "hello"),
        (["a", "b"], ("a", "b")),
        ({"a": 1.0, "b": [1, 2]}, {"a": 1.0, "b": [1, 2]}),
        ({1, 2}, {2, 1}),
        ([], []),
        (torch.empty(0, 3), torch.empty(0, 3)),
        ([("a", 0.5)], [("a", 0.50001)]),
    ],
)
def test_compare_accepts(answer, expected) -> None:
    assert compare(answer, expected) is None


@pytest.mark.parametrize(
    ("answer", "expected", "message"),
    [
        (4, 3, "expected 3"),
        (3.01, 3.0, "expected 3"),
        (1, True, "expected True (True and False, not numbers)"),
        (True, 1, "expected 1 (numbers)"),
        ("3", 3, "expected 3 (a number, not a string)"),
        (3, "3", "expected '3' (a string, not a number)"),
        ("hello", "hallo", "expected 'hallo'"),
        (None, 3, "expected 3 (a number, not None)"),
        (0.0, math.nan, "expected nan"),
        (torch.zeros(3, 2), torch.zeros(2, 3), "(shape [2, 3], not [3, 2])"),
        (torch.zeros(1), 0.0, "(one number, not shape [1])"),
        ([1.0, 3.0], torch.tensor([1.0, 2.0]), "expected tensor [1, 2]"),
        (torch.zeros(20), torch.ones(20), "which differs in 20 of 20 entries: entry [0] is 0, "),
        (["a"], ["a", "b"], "(2 items, not 1)"),
        (["a", "c"], ["a", "b"], "where item 1 is 'c', expected 'b'"),
        ("ab", ["a", "b"], "(a list)"),
        ({"a": 1}, {"a": 1, "b": 2}, "missing ['b']"),
        ({"a": 1, "c": 1}, {"a": 1}, "unexpected ['c']"),
        ({"a": 1}, {"a": 2}, "where ['a'] is 1, expected 2"),
        ([1], {"a": 2}, "(a dictionary, not a list)"),
        ({1}, {2}, "expected {2}"),
        (torch.zeros(2), torch.empty(0), "expected tensor of shape [0]"),
        (object(), 3, "not of type object"),
    ],
)
def test_compare_rejects(answer, expected, message: str) -> None:
    assert message in compare(answer, expected)


def test_tolerances_can_be_set() -> None:
    assert compare(1.05, 1.0, rtol=0.1) is None
    assert compare(1.05, 1.0, rtol=0.01) is not None
    assert compare(1e-4, 0.0, atol=1e-3) is None


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_every_number_equals_itself(number: float) -> None:
    assert compare(number, number) is None
    assert compare(torch.tensor(number), number) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=8,
)


@given(anything, anything)
def test_no_answer_can_raise(answer, expected) -> None:
    problem = compare(answer, expected)
    assert problem is None or isinstance(problem, str)


class Opaque:
    """An object with an address in its repr."""

    def __eq__(self, other):
        raise RuntimeError("no")

    __hash__ = object.__hash__


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (-0.0, "0"),
        (1e-12, "1e-12"),
        (123456.0, "1.235e+05"),
        (123456, "123456"),
        (True, "True"),
        (np.float64(0.5), "0.5"),
        (torch.tensor(0.5), "0.5"),
        (torch.zeros(2, 2), "tensor [[0, 0], [0, 0]]"),
        (np.zeros((40, 2)), "array of shape [40, 2]"),
        ("x" * 100, "'" + "x" * 57 + "...'"),
        (list(range(20)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...]"),
        ((1,), "(1,)"),
        ({"b": 1.0}, "{'b': 1}"),
        ({"b", "a"}, "{'a', 'b'}"),
        (set(), "set()"),
        (double, "the function double"),
        (Opaque, "the class Opaque"),
        (Opaque(), "an object of type Opaque"),
        (torch.nn.Linear(1, 1), "an object of type Linear"),
        (None, "None"),
        (..., "..."),
        (np.array(["a"]), "array of <U1 and shape [1]"),
    ],
)
def test_format_value(value, text: str) -> None:
    assert format_value(value) == text


def test_no_addresses_anywhere(capsys) -> None:
    for answer in (Opaque(), lambda x: Opaque(), lambda x: [Opaque()], Opaque):
        EXERCISE.check_function(answer, CASES)
        EXERCISE.check_value(answer, 3.0)
    EXERCISE.check_value(Opaque(), Opaque())
    out = capsys.readouterr().out
    assert not re.search(r"0x[0-9a-f]{4}", out)
    assert out.count("not yet") == 9


def test_explain_exception_without_a_known_student() -> None:
    assert explain_exception(ValueError("a\n  b")) == "ValueError: a b"
    assert explain_exception(KeyError()) == "KeyError"


def test_bad_definitions_are_refused() -> None:
    with pytest.raises(TypeError, match="tuple"):
        Case([1], 2)
    with pytest.raises(ValueError, match="not attempted"):
        Case((1,), None)
    with pytest.raises(ValueError, match="not attempted"):
        EXERCISE.check_value(3, ...)
    with pytest.raises(ValueError, match="cases is empty"):
        EXERCISE.check_function(double, [])
    for arguments in ((0, "t", "w"), (1, " ", "w"), (1, "t", "")):
        with pytest.raises(ValueError, match="number from 1 on"):
            Exercise(*arguments)


def test_integers_beyond_64_bits_are_compared_exactly():
    for answer, expected in ((2**70, 2**70), ([0, 2**70], [0, 2**70])):
        assert compare(answer, expected) is None
    for answer, expected in ((2**70 + 1, 2**70), ((0,), (-(2**63) - 1,)), (0, 2**70)):
        assert "expected" in compare(answer, expected)

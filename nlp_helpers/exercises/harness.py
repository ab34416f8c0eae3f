"""Exercises that check themselves: say "not attempted yet", "correct" or what differs.

A chapter's checks are a few lines each (see `nlp_helpers/exercises/rnn.py`):

    SPECTRAL = Exercise(1, "Spectral radius", why="It decides whether gradients vanish.")

    def check_spectral_radius(answer):
        SPECTRAL.check_function(
            answer,
            [Case((torch.eye(2),), 1.0), Case((W,), 0.9, hint="take the absolute value")],
        )

Every check prints one paragraph of plain text and returns nothing. A wrong answer never raises, so
a notebook with unsolved exercises runs from top to bottom. The text is the same on every run (no
memory addresses; four significant digits), so nbval compares it: a committed solution whose check
stops printing "correct." fails the tests of the book without further ado. Where an exception is
wanted, pass `raise_on_failure=True`, or set NLP_HELPERS_STRICT_EXERCISES=1: then a wrong answer
raises `ExerciseFailed`. (Under the variable an exercise that was not attempted still passes, or no
notebook would run; `raise_on_failure=True` rejects that, too.)
"""

from __future__ import annotations

import copy
import linecache
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

STRICT_VARIABLE = "NLP_HELPERS_STRICT_EXERCISES"
RTOL = 1e-3
ATOL = 1e-6
_MAX_ITEMS = 12
_MAX_TEXT = 60


class ExerciseFailed(AssertionError):
    """A wrong answer, where the caller asked for an exception."""


@dataclass(frozen=True)
class Case:
    """One test input of a function that the student writes.

    Args:
        args: the positional arguments (a fresh copy is passed each time).
        expected: the right result: a number, string, tensor, array, or a list, tuple, set or
            dictionary of them.
        hint: what to think about when this case fails.
        kwargs: the keyword arguments.
        shown: how the message names the input; by default its values.
        rtol: relative tolerance of floating-point numbers.
        atol: absolute tolerance of floating-point numbers.

    Raises:
        TypeError: `args` is not a tuple.
        ValueError: `expected` is None or `...`, which stand for "not attempted".
    """

    args: tuple
    expected: Any
    hint: str = ""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    shown: str = ""
    rtol: float = RTOL
    atol: float = ATOL

    def __post_init__(self) -> None:
        if not isinstance(self.args, tuple):
            raise TypeError(
                f"args must be a tuple of arguments, such as (x,); got {type(self.args).__name__}"
            )
        _require_expected(self.expected)

    def describe(self) -> str:
        """Return the input as the message shows it."""
        if self.shown:
            return self.shown
        parts = [format_value(value) for value in self.args]
        parts += [f"{name}={format_value(value)}" for name, value in self.kwargs.items()]
        return ", ".join(parts) or "()"


@dataclass(frozen=True)
class Exercise:
    """The number, the title and the point of an exercise; its methods check an answer.

    Args:
        number: as in the heading of the notebook.
        title: as in the heading of the notebook.
        why: why it matters; printed when the answer is right.

    Raises:
        ValueError: the number is below 1, or the title or the reason is empty.
    """

    number: int
    title: str
    why: str

    def __post_init__(self) -> None:
        if self.number < 1 or not self.title.strip() or not self.why.strip():
            raise ValueError(
                "an exercise needs a number from 1 on, a title and a reason (why); got "
                f"number={self.number!r}, title={self.title!r}, why={self.why!r}"
            )

    def check_value(
        self,
        answer: Any,
        expected: Any,
        hint: str = "",
        *,
        rtol: float = RTOL,
        atol: float = ATOL,
        raise_on_failure: bool = False,
    ) -> None:
        """Compare one value with the right one and print the verdict.

        Args:
            answer: what the student computed; None or `...` when not attempted.
            expected: the right value, as in `Case`.
            hint: what to think about when it is wrong.
            rtol: relative tolerance of floating-point numbers.
            atol: absolute tolerance of floating-point numbers.
            raise_on_failure: raise unless the answer is right.

        Raises:
            ValueError: `expected` is None or `...`.
            ExerciseFailed: see the module's docstring.
        """
        _require_expected(expected)
        if _is_blank(answer):
            self._not_attempted(raise_on_failure)
            return
        problem = compare(answer, expected, rtol, atol)
        if problem is not None:
            problem = f"Your answer is {format_value(answer)}: {problem}"
        self._verdict(problem, hint, raise_on_failure)

    def check_function(
        self,
        answer: Any,
        cases: Sequence[Case],
        *,
        unchanged: Callable | None = None,
        raise_on_failure: bool = False,
    ) -> None:
        """Call the student's function with each test input and print the verdict.

        Args:
            answer: the student's function.
            cases: the test inputs with the right results; the first that fails is reported.
            unchanged: for "find the bug": the function as it was handed out. An answer that still
                gives its (wrong) result in every case counts as not attempted.
            raise_on_failure: raise unless the answer is right.

        Raises:
            ValueError: there are no cases, or `unchanged` passes them all.
            ExerciseFailed: see the module's docstring.
        """
        if not cases:
            raise ValueError("cases is empty; give at least one Case(args, expected)")
        if unchanged is not None and _first_problem(unchanged, cases) is None:
            raise ValueError("the function with the bug passes every case; add one that shows it")
        if _is_blank(answer):
            self._not_attempted(raise_on_failure)
            return
        if not callable(answer):
            got = format_value(answer)
            self._verdict(f"Your answer must be a function; it is {got}", "", raise_on_failure)
            return
        if _is_skeleton(answer, cases[0]) or _still_the_same(answer, unchanged, cases):
            self._not_attempted(raise_on_failure)
            return
        problem, hint = _first_problem(answer, cases) or (None, "")
        self._verdict(problem, hint, raise_on_failure)

    def check_with(
        self,
        answer: Any,
        judge: Callable[[Any], str | None],
        hint: str = "",
        *,
        raise_on_failure: bool = False,
    ) -> None:
        """Let `judge` decide, for answers that are neither one value nor a pure function.

        Args:
            answer: anything; None or `...` when not attempted.
            judge: called with the answer; returns None when it is right, else a sentence that says
                what is wrong. `NotImplementedError` from the student's code means not attempted;
                other exceptions are explained.
            hint: what to think about when it is wrong.
            raise_on_failure: raise unless the answer is right.

        Raises:
            ExerciseFailed: see the module's docstring.
        """
        if _is_blank(answer):
            self._not_attempted(raise_on_failure)
            return
        try:
            problem = judge(answer)
        except NotImplementedError:
            self._not_attempted(raise_on_failure)
            return
        except (Exception, SystemExit) as error:
            problem = f"Your code raised {explain_exception(error, answer)}"
        self._verdict(problem, hint, raise_on_failure)

    def _say(self, verdict: str) -> str:
        text = f"Exercise {self.number} ({self.title}): {verdict}"
        print(text)
        return text

    def _not_attempted(self, raise_on_failure: bool) -> None:
        text = self._say("not attempted yet.")
        if raise_on_failure:
            raise ExerciseFailed(text)

    def _verdict(self, problem: str | None, hint: str, raise_on_failure: bool) -> None:
        if problem is None:
            self._say(f"correct. {self.why}")
            return
        sentence = f"{problem.rstrip('.')}; {hint}" if hint else problem
        text = self._say(f"not yet. {sentence}{'' if sentence.endswith(('.', '?', '!')) else '.'}")
        if raise_on_failure or os.environ.get(STRICT_VARIABLE, "") not in ("", "0"):
            raise ExerciseFailed(text)


def _require_expected(expected: Any) -> None:
    if _is_blank(expected):
        raise ValueError(f"expected is {expected!r}, which stands for 'not attempted'")


def _is_blank(answer: Any) -> bool:
    return answer is None or answer is Ellipsis


def _call(function: Callable, case: Case) -> Any:
    """Call with copies: a function that changes its input must not spoil the next case."""
    args = tuple(_copy(value) for value in case.args)
    return function(*args, **{name: _copy(value) for name, value in case.kwargs.items()})


def _copy(value: Any) -> Any:
    """Copy deeply; tensors that come out of a graph, which deepcopy refuses, are cloned."""
    clones: dict[int, torch.Tensor] = {}
    _clone_non_leaves(value, clones)
    return copy.deepcopy(value, clones)  # deepcopy takes what is in its memo as copied


def _clone_non_leaves(value: Any, clones: dict[int, torch.Tensor]) -> None:
    if isinstance(value, torch.Tensor):
        if not value.is_leaf and id(value) not in clones:
            clones[id(value)] = value.clone()
    elif isinstance(value, (list, tuple)):
        for item in value:
            _clone_non_leaves(item, clones)
    elif isinstance(value, Mapping):
        for item in value.values():
            _clone_non_leaves(item, clones)


def _is_skeleton(function: Callable, case: Case) -> bool:
    try:
        return _is_blank(_call(function, case))
    except NotImplementedError:
        return True
    except (Exception, SystemExit):
        return False


def _still_the_same(answer: Callable, unchanged: Callable | None, cases: Sequence[Case]) -> bool:
    if unchanged is None:
        return False
    return all(_outcome(answer, case) == _outcome(unchanged, case) for case in cases)


def _outcome(function: Callable, case: Case) -> str:
    """Return the result, or the exception, as text that can be compared."""
    try:
        return _exact(_call(function, case))
    except (Exception, SystemExit) as error:
        return f"raised {type(error).__name__}"


def _exact(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"({', '.join(_exact(item) for item in value)})"
    array = _as_array(value)
    if array is None:
        return format_value(value)
    return f"{array.shape} {[format_value(item) for item in array.ravel().tolist()]}"


def _first_problem(function: Callable, cases: Sequence[Case]) -> tuple[str, str] | None:
    """Return what is wrong in the first case that fails, and its hint."""
    for case in cases:
        try:
            result = _call(function, case)
        except (Exception, SystemExit) as error:
            reason = explain_exception(error, function)
            return f"For input {case.describe()} your code raised {reason}", case.hint
        problem = compare(result, case.expected, case.rtol, case.atol)
        if problem is not None:
            returned = format_value(result)
            return f"For input {case.describe()} you returned {returned}, {problem}", case.hint
    return None


def explain_exception(error: BaseException, answer: Any = None) -> str:
    """Return an exception as one phrase: type, message, and the line of the student's code.

    Args:
        error: the exception.
        answer: the student's function or object, which tells which file is the student's.
    """
    message = " ".join(str(error).split())
    if isinstance(error, SystemExit):
        message = "it ends the whole program; return a value instead"
    text = type(error).__name__ + (f": {message}" if message else "")
    if isinstance(error, SyntaxError):
        return text
    frame = _student_frame(error.__traceback__, answer)
    if frame is None:
        return text
    filename, line, name, first_line = frame
    source = linecache.getline(filename, line).strip()
    where = f"line {line - first_line + 1} of {name}"
    return f"{text} (in {where}: {source})" if source else f"{text} (in {where})"


def _student_frame(
    traceback: TracebackType | None, answer: Any
) -> tuple[str, int, str, int] | None:
    """Return file, line, function and first line of the innermost frame that is the student's."""
    function = getattr(answer, "forward", answer)
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    found = None
    while traceback is not None:
        frame = traceback.tb_frame.f_code
        if code is not None:
            mine = frame.co_filename == code.co_filename
        else:
            mine = "ipykernel" in frame.co_filename or frame.co_filename.startswith("<ipython")
        if mine and frame.co_filename != str(Path(__file__)):
            found = (
                frame.co_filename,
                traceback.tb_lineno,
                frame.co_name,
                frame.co_firstlineno,
            )
        traceback = traceback.tb_next
    return found


def _as_array(value: Any) -> np.ndarray | None:
    """Return tensors, arrays and numbers as an array; None for anything else."""
    if isinstance(value, torch.Tensor):
        try:
            value = value.detach().cpu()
            if value.layout is not torch.strided:
                value = value.to_dense()
            if value.dtype == torch.bfloat16:
                value = value.float()
            return value.resolve_conj().resolve_neg().numpy()
        except (RuntimeError, TypeError):  # e.g. on the meta device, or too big to be dense
            return None
    if isinstance(value, (np.ndarray, np.generic, bool, int, float, complex)):
        array = np.asarray(value)
        return array if array.dtype.kind in "biufc" else None  # e.g. not an int beyond 64 bits
    return None


def _listed_array(value: Any) -> np.ndarray | None:
    """Like `_as_array`, but also take (nested) lists and tuples of numbers or tensors."""
    array = _as_array(value)
    if array is not None or not isinstance(value, (list, tuple)):
        return array
    rows = [_listed_array(item) for item in value]
    if any(row is None for row in rows) or len({row.shape for row in rows if row is not None}) > 1:
        return None
    return np.asarray(rows)


def compare(answer: Any, expected: Any, rtol: float = RTOL, atol: float = ATOL) -> str | None:
    """Say how an answer differs from what was expected; None when it does not.

    Integers, booleans, strings and shapes are compared exactly, floating-point numbers within
    `atol + rtol * |expected|`; nan equals nan. A list of numbers stands for a tensor, a tensor of
    no dimensions for a number.

    Args:
        answer: what the student computed.
        expected: a number, string, tensor, array, or a list, tuple, set or dictionary of them.
        rtol: relative tolerance.
        atol: absolute tolerance.
    """
    wanted = format_value(expected)
    if isinstance(expected, Mapping):
        return _compare_mapping(answer, expected, rtol, atol)
    target = _listed_array(expected) if not isinstance(expected, str) else None
    if target is not None and target.size:
        return _compare_arrays(answer, expected, target, rtol, atol)
    if isinstance(expected, (list, tuple)):
        return _compare_sequence(answer, expected, rtol, atol)
    if isinstance(expected, torch.Tensor | np.ndarray):  # empty
        array = _listed_array(answer)
        return None if array is not None and array.shape == target.shape else f"expected {wanted}"
    if type(answer) is not type(expected) and not isinstance(answer, type(expected)):
        return f"expected {wanted} ({_type_name(expected)}, not {_type_name(answer)})"
    try:
        return None if bool(answer == expected) else f"expected {wanted}"
    except Exception:
        return f"expected {wanted}"


def _compare_mapping(answer: Any, expected: Mapping, rtol: float, atol: float) -> str | None:
    if not isinstance(answer, Mapping):
        return f"expected {format_value(expected)} (a dictionary, not {_type_name(answer)})"
    missing = [key for key in expected if key not in answer]
    extra = [key for key in answer if key not in expected]
    if missing or extra:
        parts = [f"missing {format_value(missing)}"] if missing else []
        parts += [f"unexpected {format_value(extra)}"] if extra else []
        return f"with the wrong keys: {', '.join(parts)}"
    for key, value in expected.items():
        problem = compare(answer[key], value, rtol, atol)
        if problem is not None:
            return f"where [{format_value(key)}] is {format_value(answer[key])}, {problem}"
    return None


def _compare_sequence(answer: Any, expected: Sequence, rtol: float, atol: float) -> str | None:
    if not isinstance(answer, (list, tuple)):
        return f"expected {format_value(expected)} (a {_type_name(expected)[2:]})"
    if len(answer) != len(expected):
        count = f"{len(expected)} items, not {len(answer)}"
        return f"expected {format_value(expected)} ({count})"
    for index, (mine, right) in enumerate(zip(answer, expected, strict=True)):
        problem = compare(mine, right, rtol, atol)
        if problem is not None:
            return f"where item {index} is {format_value(mine)}, {problem}"
    return None


def _compare_arrays(
    answer: Any, expected: Any, target: np.ndarray, rtol: float, atol: float
) -> str | None:
    wanted = format_value(expected)
    array = _listed_array(answer)
    if array is None:
        return f"expected {wanted} ({_type_name(expected)}, not {_type_name(answer)})"
    if array.shape != target.shape:
        if not target.shape:
            return f"expected {wanted} (one number, not shape {_shape(array)})"
        return f"expected {wanted} (shape {_shape(target)}, not {_shape(array)})"
    if (array.dtype.kind == "b") != (target.dtype.kind == "b"):
        kinds = "True and False, not numbers" if target.dtype.kind == "b" else "numbers"
        return f"expected {wanted} ({kinds})"
    exact = target.dtype.kind in "biu"
    same = array == target
    if not exact:
        same = np.isclose(array, target, rtol=rtol, atol=atol, equal_nan=True)
    if same.all():
        return None
    if not target.shape or target.size <= _MAX_ITEMS:
        return f"expected {wanted}"
    wrong = np.argwhere(~same)
    place = ", ".join(str(i) for i in wrong[0])
    first = tuple(wrong[0])
    return (
        f"which differs in {len(wrong)} of {target.size} entries: entry [{place}] is "
        f"{format_value(array[first])}, expected {format_value(target[first])}"
    )


def _shape(array: np.ndarray) -> str:
    return f"[{', '.join(str(size) for size in array.shape)}]"


def _type_name(value: Any) -> str:
    names = {
        torch.Tensor: "a tensor",
        np.ndarray: "an array",
        str: "a string",
        list: "a list",
        tuple: "a tuple",
        set: "a set",
        dict: "a dictionary",
        bool: "True or False",
        int: "a number",
        float: "a number",
        type(None): "None",
    }
    for kind, name in names.items():
        if isinstance(value, kind):
            return name
    if isinstance(value, np.generic):
        return "a number"
    return f"of type {type(value).__name__}"


def format_value(value: Any) -> str:
    """Return a value as short text that is the same on every run (no addresses, 4 digits).

    Args:
        value: anything; big tensors are named by their shape, unknown objects by their type.
    """
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return f"{float(value) + 0.0:.4g}"  # -0.0 + 0.0 is 0.0
    if isinstance(value, (complex, np.complexfloating)):
        return f"{complex(value):.4g}"
    if isinstance(value, str):
        return repr(value if len(value) <= _MAX_TEXT else value[: _MAX_TEXT - 3] + "...")
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return _format_array(value)
    if isinstance(value, Mapping):
        items = [f"{format_value(k)}: {format_value(v)}" for k, v in value.items()]
        return f"{{{_shortened(items)}}}"
    if isinstance(value, (set, frozenset)):
        return (
            f"{{{_shortened(sorted(format_value(item) for item in value))}}}" if value else "set()"
        )
    if isinstance(value, (list, tuple)):
        opening, closing = "[]" if isinstance(value, list) else "()"
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"{opening}{_shortened([format_value(item) for item in value])}{comma}{closing}"
    if _is_blank(value):
        return "..." if value is Ellipsis else "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    return f"an object of type {type(value).__name__}"


def _format_array(value: torch.Tensor | np.ndarray) -> str:
    kind = "tensor" if isinstance(value, torch.Tensor) else "array"
    array = _as_array(value)
    if array is None:
        return f"{kind} of {value.dtype} and shape {_shape(value)}"
    if array.ndim == 0:
        return format_value(array.item())
    if array.size > _MAX_ITEMS or array.size == 0:
        return f"{kind} of shape {_shape(array)}"
    return f"{kind} {format_value(array.tolist())}"


def _shortened(items: list[str]) -> str:
    shown = ", ".join(items[:_MAX_ITEMS])
    return f"{shown}, ..." if len(items) > _MAX_ITEMS else shown

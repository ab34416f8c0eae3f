"""Hints for wrong answers: which usual error gives what the student's function gives?"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

from nlp_helpers.exercises.harness import ATOL, RTOL, compare


def results_of(answer: Any, inputs: Sequence[tuple]) -> list | None:
    """What the answer returns for each input; None where it fails or is not written yet."""
    try:
        results = [answer(*copy.deepcopy(args)) for args in inputs]
    except (Exception, SystemExit):  # the harness explains it
        return None
    return None if any(result is None or result is ... for result in results) else results


def hints_for(
    results: Sequence | None,
    inputs: Sequence[tuple],
    usual: Sequence[tuple[Callable, str]],
    otherwise: str,
    *,
    rtol: float = RTOL,
    atol: float = ATOL,
) -> list[str]:
    """Return for each input the hint for the usual error that gives the same result.

    Where several do, it is the one that agrees on the most inputs.

    Args:
        results: what the answer returned for each input, see `results_of`.
        inputs: its arguments, one tuple for each case.
        usual: pairs of a function with an error and the hint for it.
        otherwise: the hint when the answer does none of that.
        rtol, atol: tolerances of the comparison.
    """
    if results is None:
        return [otherwise] * len(inputs)
    agreed = [
        [
            compare(result, wrong(*args), rtol=rtol, atol=atol) is None
            for args, result in zip(inputs, results, strict=True)
        ]
        for wrong, _ in usual
    ]
    order = sorted(range(len(usual)), key=lambda n: -sum(agreed[n]))
    return [
        next((usual[n][1] for n in order if agreed[n][case]), otherwise)
        for case in range(len(inputs))
    ]

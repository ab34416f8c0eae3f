"""Chapter 02's checks: a right answer passes, typical wrong ones are told what is wrong."""

import math

import pytest
import torch

from nlp_helpers.exercises import gates
from nlp_helpers.models.gru import GRUCell
from nlp_helpers.models.lstm import LSTMCell
from nlp_helpers.models.sru import linear_recurrence
from tests.exercises.judging import assert_judged, verdict


def step_in_torchs_wrong_order(x, h, c, U, W, b):
    i, f, o, g = (U @ x + W @ h + b).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def pass_in_place(a, b, shift):
    a, b = a.clone(), b.clone()
    for t in range(shift, len(a)):
        b[t] = a[t] * b[t - shift] + b[t]
        a[t] = a[t] * a[t - shift]
    return a, b


def new_cell(i, f, g, c):
    return f.sigmoid() * c + i.sigmoid() * g.tanh()


CASES = [
    (gates.check_count_lstm, lambda n, h: 4 * h * (n + h + 1),
     [lambda n, h: 4 * h * (n + h + 2), lambda n, h: h * (n + h + 1)]),
    (gates.check_lstm_step, gates._lstm_step,
     [step_in_torchs_wrong_order, lambda *a: gates._lstm_step(*a)[::-1]]),
    (gates.check_other_convention, lambda U, W, b: (-U, -W, -b),
     [lambda U, W, b: (1 - U, 1 - W, 1 - b), lambda U, W, b: (-U, -W, b)]),
    (gates.check_new_cell, new_cell,
     [lambda i, f, g, c: f.sigmoid() * c + i.sigmoid() * g,
      lambda i, f, g, c: f.sigmoid() * c + (1 - f.sigmoid()) * g.tanh()]),
    (gates.check_bias_for, lambda n: -math.log(2 ** (1 / n) - 1),
     [lambda n: 2 ** (-1 / n), lambda n: math.log(2 ** (1 / n) - 1)]),
    (gates.check_one_pass, gates._one_pass,
     [pass_in_place, lambda a, b, s: (a, gates._one_pass(a, b, s)[1])]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "right", "wrong"), CASES)
def test_right_wrong_and_not_attempted(capsys, check, right, wrong):
    assert_judged(capsys, check, right, wrong)


def test_the_function_with_the_bug_counts_as_not_attempted(capsys):
    out = verdict(capsys, gates.check_new_cell, gates._new_cell_with_the_bug)
    assert "not attempted yet." in out


def test_the_step_is_that_of_the_package():
    cell = LSTMCell(3, 2).double()
    x, h, c = torch.randn(1, 3).double(), torch.randn(1, 2).double(), torch.randn(1, 2).double()
    expected = cell(x, (h, c))
    found = gates._lstm_step(x[0], h[0], c[0], cell.U, cell.W, cell.b)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs[0])


def test_the_other_convention_is_the_same_gru():
    cell = GRUCell(3, 2).double()
    x, h = torch.randn(5, 3).double(), torch.randn(5, 2).double()
    z = cell.gates(x, h)["z"]
    U, W, b = (-part for part in (cell.U[2:4], cell.W[2:4], cell.b[2:4]))
    kept = 1 - torch.sigmoid(x @ U.T + h @ W.T + b)
    torch.testing.assert_close(kept, z)


def test_passes_of_doubled_shift_are_the_recurrence():
    a, b = torch.rand(11).double(), torch.randn(11).double()
    new_a, new_b = a, b
    for shift in (1, 2, 4, 8):
        new_a, new_b = gates._one_pass(new_a, new_b, shift)
    loop = linear_recurrence(a.view(1, -1, 1), b.view(1, -1, 1), torch.zeros(1, 1).double())
    torch.testing.assert_close(new_b, loop.flatten())


@pytest.mark.parametrize("n", [1, 20, 1000])
def test_half_is_left_with_the_bias_of_the_exercise(n):
    bias = torch.tensor(-math.log(2 ** (1 / n) - 1)).double()
    assert bias.sigmoid().item() ** n == pytest.approx(0.5, rel=1e-6)
    if n >= 20:
        assert bias.item() == pytest.approx(math.log(n / math.log(2)), abs=0.02)


def test_five_questions_whose_answers_are_not_all_in_one_place():
    assert len(gates.QUIZ) == 5
    assert len({question.answer_index for question in gates.QUIZ}) >= 3

"""Chapter 02's exercises, each with a check that says what is right and why, and its quiz."""

import math

import torch

from nlp_helpers.exercises.harness import Case, Exercise
from nlp_helpers.explorables.quiz import Question


def _random(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


COUNT = Exercise(
    1, "count the weights", why="Four rows of products, so four times a simple network's layer."
)


def check_count_lstm(answer) -> None:
    """Check `count_lstm(input_size, hidden_size) -> int`, one bias a row."""
    hint = "each of i, f, g and o has a U [hidden, input], a W [hidden, hidden] and a bias [hidden]"
    sizes = [(2, 1), (2, 64), (32, 130), (1, 1), (11, 7)]
    COUNT.check_function(answer, [Case((n, h), 4 * h * (n + h + 1), hint=hint) for n, h in sizes])


LSTM_STEP = Exercise(
    2, "one step of an LSTM", why="Six equations are the whole cell; the rest of an LSTM is a loop."
)


def _lstm_step(x, h, c, U, W, b):
    i, f, g, o = (U @ x + W @ h + b).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def check_lstm_step(answer) -> None:
    """Check `lstm_step(x, h, c, U, W, b) -> (h, c)`, rows in the order i, f, g, o.

    Shape:
        x: [input]; h, c: [hidden]; U: [4 * hidden, input]; W: [4 * hidden, hidden];
        b: [4 * hidden].
    """
    cases = []
    for seed, (width, hidden) in enumerate([(2, 1), (3, 2), (1, 4)]):
        x, h, c = (_random(n, seed=10 * seed + k) for k, n in enumerate((width, hidden, hidden)))
        U, W = _random(4 * hidden, width, seed=40 + seed), _random(4 * hidden, hidden, seed=seed)
        inputs = (x, h, c, U, W, _random(4 * hidden, seed=50 + seed))
        cases.append(
            Case(
                inputs,
                _lstm_step(*inputs),
                shown=f"an input of {width} numbers and {hidden} unit(s)",
                hint="equations (1) to (6); g goes through tanh, the three gates through sigmoid",
            )
        )
    LSTM_STEP.check_function(answer, cases)


CONVENTION = Exercise(
    3,
    "the other convention",
    why="1 - sigmoid(a) is sigmoid(-a): the two conventions name the same networks.",
)


def check_other_convention(answer) -> None:
    """Check `other_convention(U_z, W_z, b_z) -> the three for the gate 1 - z`.

    Shape:
        U_z: [hidden, input]; W_z: [hidden, hidden]; b_z: [hidden].
    """
    cases = []
    for seed, (width, hidden) in enumerate([(2, 3), (1, 1)]):
        given = (
            _random(hidden, width, seed=seed),
            _random(hidden, hidden, seed=10 + seed),
            _random(hidden, seed=20 + seed),
        )
        cases.append(
            Case(
                given,
                tuple(-part for part in given),
                shown=f"random weights of {hidden} unit(s) and {width} input(s)",
                hint="which a' makes sigmoid(a') equal to 1 - sigmoid(a)?",
            )
        )
    CONVENTION.check_function(answer, cases)


CELL_BUG = Exercise(
    4,
    "find the bug",
    why="With a sigmoid for the candidate a cell can be filled but never emptied below zero.",
)


def _new_cell_with_the_bug(i, f, g, c):
    return f.sigmoid() * c + i.sigmoid() * g.sigmoid()


def check_new_cell(answer) -> None:
    """Check `new_cell(i, f, g, c) -> the new cell state`, from net inputs i, f and g.

    Shape:
        all [hidden].
    """
    cases = []
    for seed, hidden in enumerate([3, 1, 5]):
        i, f, g, c = (_random(hidden, seed=10 * seed + k) for k in range(4))
        cases.append(
            Case(
                (i, f, g, c),
                f.sigmoid() * c + i.sigmoid() * g.tanh(),
                shown=f"{hidden} unit(s)",
                hint="compare every line with equations (1) to (5): what range has each quantity?",
            )
        )
    CELL_BUG.check_function(answer, cases, unchanged=_new_cell_with_the_bug)


HALF_LIFE = Exercise(
    5,
    "a bias for a distance",
    why="The longer the distance, the larger the bias: about ln(T / ln 2).",
)


def check_bias_for(answer) -> None:
    """Check `bias_for(n_steps) -> the forget bias with which half is left after n_steps`."""
    hint = "f to the power of n_steps is 1/2; then b is the number whose sigmoid is f"
    HALF_LIFE.check_function(
        answer, [Case((n,), -math.log(2 ** (1 / n) - 1), hint=hint) for n in (1, 2, 20, 1000)]
    )


ONE_PASS = Exercise(
    6,
    "one pass of the scan",
    why="Doubling the shift at every pass, log2(T) passes reach all the way back.",
)


def _one_pass(a, b, shift):
    new_a, new_b = a.clone(), b.clone()
    new_b[shift:] = a[shift:] * b[:-shift] + b[shift:]
    new_a[shift:] = a[shift:] * a[:-shift]
    return new_a, new_b


def check_one_pass(answer) -> None:
    """Check `one_pass(a, b, shift) -> (a, b)`, every step merged with the one `shift` before.

    Shape:
        a and b: [time].
    """
    cases = []
    for seed, (time, shift) in enumerate([(4, 1), (8, 2), (7, 4)]):
        a, b = _random(time, seed=seed), _random(time, seed=20 + seed)
        cases.append(
            Case(
                (a, b, shift),
                _one_pass(a, b, shift),
                shown=f"{time} steps, shift {shift}",
                hint="the first `shift` steps stay; use the old a and b everywhere",
                atol=1e-9,
            )
        )
    ONE_PASS.check_function(answer, cases)


QUIZ = [
    Question(
        "What does the output gate decide?",
        [
            "How much of the input enters the cell",
            "How much of the cell state is shown as `h`",
            "Which token comes out of the network",
            "How much of the cell state is kept",
        ],
        1,
        [
            "That is the input gate.",
            "`h = o * tanh(c)`: the cell state itself does not change by it.",
            "The output layer does that; it reads `h`.",
            "That is the forget gate.",
        ],
    ),
    Question(
        "Along the direct road from `c_t` back to `c_(t-1)` the gradient is multiplied by",
        [
            "the transposed matrix `W`",
            "1, always",
            "the forget gate, number by number",
            "the derivative of tanh",
        ],
        2,
        [
            "`W` is on the other roads, those through `h`.",
            "Only where the gate is 1; the cell of 1997 had no forget gate.",
            "And the gate is a number between 0 and 1 for each unit and step.",
            "There is no tanh between one cell state and the next.",
        ],
    ),
    Question(
        "How does a GRU differ from an LSTM?",
        [
            "It is an LSTM without an output gate",
            "It has no cell state apart from `h`, and one gate both keeps and writes",
            "It has no gates",
            "It has a cell state but no hidden state",
        ],
        1,
        [
            "That would leave two states, and separate gates for keeping and for writing.",
            "What is not kept is overwritten, and all of the state is always shown.",
            "It has two: update and reset.",
            "It has one state only, and it is what the next layer sees.",
        ],
    ),
    Question(
        "You train an LSTM. Do you still clip gradients?",
        [
            "No, gates keep the gradient at 1",
            "No, only a GRU needs that",
            "Yes, the roads through `W` can still make it explode",
            "Yes, because the gradient vanishes",
        ],
        2,
        [
            "A gate below 1 shrinks the direct road, and the other roads lead through `W`.",
            "Both have roads through `W`.",
            "Gates ease vanishing; they do not stop exploding.",
            "Clipping does not help against that: it only shortens.",
        ],
    ),
    Question(
        "Why can the SRU of 2017 run its matrix products for all steps at once?",
        [
            "Its gates see the input only, not the state before",
            "It uses smaller matrices",
            "It has no gates",
            "It drops the cell state",
        ],
        0,
        [
            "What is left for the loop is one product and one sum, number by number.",
            "They are as large; it is the waiting that has gone.",
            "It has two, a forget gate and a reset gate.",
            "The cell state is all that is carried from step to step.",
        ],
    ),
]

"""Chapter 01's exercises, each with a check that says what is right and why, and its quiz."""

import math

import torch

from nlp_helpers.exercises.harness import Case, Exercise
from nlp_helpers.explorables.quiz import Question


def _random(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


COUNT = Exercise(
    1,
    "count the weights",
    why="The length of the text is nowhere in the count: weights are shared.",
)


def check_count_parameters(answer) -> None:
    """Check `count_parameters(vocab_size, hidden_size) -> int`."""
    hint = (
        "U and V hold vocab_size x hidden_size weights each, W hidden_size x hidden_size; b and c"
    )
    sizes = [(4, 3), (87, 256), (1, 1), (11, 37)]
    cases = [Case((v, h), 2 * v * h + h * h + h + v, hint=hint) for v, h in sizes]
    COUNT.check_function(answer, cases)


LAST_STATE = Exercise(
    2, "many to one", why="Many-to-one classifiers read this one vector and nothing else."
)


def _last_state(x, U, W, b):
    state = torch.zeros_like(b)
    for x_t in x:
        state = torch.tanh(U @ x_t + W @ state + b)
    return state


def check_last_state(answer) -> None:
    """Check `last_state(x, U, W, b) -> state`.

    Shape:
        x: [time, input]; U: [hidden, input]; W: [hidden, hidden]; b, state: [hidden].
    """
    cases = []
    for seed, (time, width, hidden) in enumerate([(1, 2, 3), (7, 5, 3), (13, 2, 1)]):
        x, U = _random(time, width, seed=seed), _random(hidden, width, seed=seed + 10)
        W, b = _random(hidden, hidden, seed=seed + 20) / 2, _random(hidden, seed=seed + 30)
        cases.append(
            Case(
                (x, U, W, b),
                _last_state(x, U, W, b),
                shown=f"x of shape [{time}, {width}] and {hidden} units",
                hint="does every step use the state that the step before has left?",
            )
        )
    LAST_STATE.check_function(answer, cases)


CLIP = Exercise(
    3, "clip by norm", why="One factor for all gradients: the step gets shorter, not different."
)


def check_clip_by_norm(answer) -> None:
    """Check `clip_by_norm(gradients, limit) -> list of tensors`."""
    long = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]
    short = [torch.tensor([0.3, 0.0]), torch.tensor([[0.4]])]
    shape = "gradients [3, 0] and [[4]] (norm 5 together)"
    CLIP.check_function(
        answer,
        [
            Case(
                (long, 1.0),
                [torch.tensor([0.6, 0.0]), torch.tensor([[0.8]])],
                shown=f"{shape}, limit 1",
                hint="the norm is that of all gradients together, not of each by itself",
            ),
            Case(
                (short, 1.0),
                short,
                shown="gradients [0.3, 0] and [[0.4]] (norm 0.5 together), limit 1",
                hint="what is below the limit stays as it is",
            ),
            Case(
                ([torch.zeros(3)], 1.0),
                [torch.zeros(3)],
                shown="a gradient of zeros, limit 1",
                hint="mind the division by zero",
            ),
        ],
    )


PAIRS = Exercise(
    4, "find the bug", why="Unshifted targets ask for the letter that the network has just read."
)


def _pairs_with_the_bug(ids, n_steps):
    n_pieces = len(ids) // n_steps
    tokens = ids[: n_pieces * n_steps].view(n_pieces, n_steps)
    return tokens, tokens


def _pairs(ids, n_steps):
    n_pieces = (len(ids) - 1) // n_steps
    tokens = ids[: n_pieces * n_steps].view(n_pieces, n_steps)
    return tokens, ids[1 : n_pieces * n_steps + 1].view(n_pieces, n_steps)


def check_training_pairs(answer) -> None:
    """Check `training_pairs(ids, n_steps) -> (tokens, targets)`."""
    hint = "what is the right answer after the last token of a piece? (one token more is needed)"
    cases = [
        Case(
            (torch.arange(n), n_steps),
            _pairs(torch.arange(n), n_steps),
            shown=f"ids 0 to {n - 1}, n_steps {n_steps}",
            hint=hint,
        )
        for n, n_steps in ((5, 2), (6, 2), (7, 3), (8, 7))
    ]
    PAIRS.check_function(answer, cases, unchanged=_pairs_with_the_bug)


STEPS = Exercise(
    5, "how far until it is gone", why="The reach grows like the logarithm of 1/fraction: slowly."
)


def check_steps_until(answer) -> None:
    """Check `steps_until(w, fraction) -> int, or math.inf if never`."""
    STEPS.check_function(
        answer,
        [
            Case((0.5, 0.1), 4, hint="0.5 ** 3 = 0.125 is not below 0.1, 0.5 ** 4 is"),
            Case((-0.5, 0.1), 4, hint="the sign of w changes the gradient's sign, not its size"),
            Case((0.9, 0.001), 66, hint="count the multiplications by w"),
            Case((0.5, 0.25), 3, hint="0.25 is not below 0.25"),
            Case((0.0, 0.5), 1, hint="one step is enough here"),
            Case((1.0, 0.5), math.inf, hint="with |w| = 1 nothing ever gets smaller"),
            Case((1.2, 0.5), math.inf, hint="with |w| > 1 it grows"),
        ],
    )


CARRY = Exercise(
    6,
    "carry an error back",
    why="This product is all there is to vanishing and exploding gradients.",
)


def _carry_back(delta, states, W):
    for s_k in reversed(states[:-1]):
        delta = (1 - s_k**2) * (W.T @ delta)
    return delta


def check_carry_back(answer) -> None:
    """Check `carry_back(delta, states, W) -> the error term at step 1`.

    Shape:
        delta and result: [hidden]; states: [time, hidden]; W: [hidden, hidden].
    """
    cases = []
    for seed, (time, hidden) in enumerate([(2, 2), (1, 3), (7, 5)]):
        delta, W = _random(hidden, seed=seed), _random(hidden, hidden, seed=seed + 10)
        states = torch.tanh(_random(time, hidden, seed=seed + 20))
        cases.append(
            Case(
                (delta, states, W),
                _carry_back(delta, states, W),
                shown=f"{time} states of {hidden} units",
                hint="W transposed; and f' belongs to the earlier of the two steps",
                atol=1e-9,
            )
        )
    CARRY.check_function(answer, cases)


QUIZ = [
    Question(
        "Which of these does *not* change from one time step to the next?",
        [
            "The matrix `W`",
            "The state",
            "The input",
            "The output",
        ],
        0,
        [
            "All steps share `U`, `W` and `V`; their gradients are sums over time.",
            "The state is updated at every step: that is what makes it a memory.",
            "A new token arrives at every step, even if it may be the same letter.",
            "The output is read off the state, and the state changes.",
        ],
    ),
    Question(
        "Both `l`s of hello have the same `U x`. Why can the network answer differently?",
        [
            "The weights change between the steps",
            "`W s` differs, because the states before differ",
            "Sampling is random",
            "It cannot",
        ],
        1,
        [
            "In use the weights stay as they are.",
            "Before the first `l` the state has seen *he*, before the second *hel*.",
            "The distributions themselves differ, before anything is drawn.",
            "It does: the loss went below the best that is possible without a memory.",
        ],
    ),
    Question(
        "What does truncated BPTT cut?",
        [
            "The state",
            "The text",
            "The gradient",
            "The vocabulary",
        ],
        2,
        [
            "The state is carried on from piece to piece.",
            "It is read in pieces, but all of it.",
            "The forward pass goes on; the error goes back only within a piece.",
            "The vocabulary has nothing to do with it.",
        ],
    ),
    Question(
        "Gradient clipping helps against",
        [
            "vanishing gradients",
            "exploding gradients",
            "both",
            "overfitting",
        ],
        1,
        [
            "Shortening what is already too short does not help.",
            "It shortens long gradients and leaves their direction alone.",
            "Only one of the two: what the product has lost cannot be scaled up again.",
            "It is about the size of a step, not about how well the model generalises.",
        ],
    ),
    Question(
        "A character model has a perplexity of 4. Its average loss is",
        [
            "4 nats",
            "0.25 nats",
            "4 bits",
            "2 bits",
        ],
        3,
        [
            "Perplexity is e to the power of the loss in nats: that would be about 55.",
            "That would be a perplexity of about 1.28.",
            "4 bits would be a perplexity of 16.",
            "2 to the power of 2 is 4: as hard as four equally likely characters.",
        ],
    ),
]

"""Chapter 05's exercises, each with a check that says what is right and why, and its quiz."""

import copy
import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlp_helpers.exercises.harness import Case, Exercise, compare, format_value
from nlp_helpers.exercises.hints import hints_for, results_of
from nlp_helpers.explorables.quiz import Question
from nlp_helpers.finetuning import discriminative_rates
from nlp_helpers.models.char_cnn import BEGIN_WORD, END_WORD, PADDING, character_ids
from nlp_helpers.models.elmo import ScalarMix
from nlp_helpers.training import BidirectionalLMLoss, slanted_triangular


def _random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


SPELL = Exercise(
    1,
    "spell a word",
    why="No vocabulary is asked: any word has these ids, also one that training never showed.",
)


def _spell(
    word, max_characters, *, shift=1, begin=BEGIN_WORD, end=END_WORD, fill=PADDING, room=2,
    units=None, last=None,
):  # fmt: skip
    """The ids; the keywords stand for the usual errors (None leaves a part out)."""
    inside = [unit + shift for unit in (units(word) if units else word.encode("utf-8"))]
    inside = inside if room is None else inside[: max_characters - room]
    marks = [[] if mark is None else [mark] for mark in (begin, end)]
    ids = (marks[0] + inside + marks[1])[:last]
    return ids if fill is None else ids + [fill] * (max_characters - len(ids))


def _usual_marks() -> list[tuple[Callable, str]]:
    shifted = "a byte b has the id b + 1, because 0 is kept free for what is no word at all"
    marks = f"the begin mark {BEGIN_WORD} comes before the bytes, the end mark {END_WORD} after"
    counted = (
        f"the marks are {BEGIN_WORD}, {END_WORD} and {PADDING} as they stand; only the bytes are "
        "counted up by 1"
    )
    filled = f"after the end mark the padding {PADDING} fills the word up to max_characters ids"

    def end_mark_last(word, n):
        ids = _spell(word, n, end=None)
        return [*ids[:-1], END_WORD]

    return [
        (partial(_spell, shift=0), shifted),
        (partial(_spell, shift=0, fill=None), f"{shifted}; and {filled}"),
        *(
            (partial(_spell, begin=begin, end=end, fill=fill), marks)
            for begin, end in ((None, None), (BEGIN_WORD, None), (None, END_WORD))
            for fill in (PADDING, None)
        ),
        *(
            (partial(_spell, begin=258 + by, end=259 + by, fill=260 + by, shift=shift), counted)
            for by, shift in ((0, 0), (0, 1), (2, 1))
        ),
        (partial(_spell, fill=None), filled),
        (partial(_spell, fill=0), f"{filled}; 0 fills up a sentence, not a word"),
        (end_mark_last, "the end mark stands right after the last byte, before the padding"),
    ]


def _usual_cuts() -> list[tuple[Callable, str]]:
    room = (
        "keep the first max_characters - 2 bytes: both marks must fit into max_characters, too, "
        "and the end mark is never cut off"
    )
    as_bytes = (
        "ids stand for bytes, not for characters: word.encode('utf-8') gives several bytes for a "
        "letter outside ASCII"
    )
    return [
        (partial(_spell, room=0), room),
        (partial(_spell, room=1), room),
        (partial(_spell, room=None), room),
        (lambda word, n: _spell(word, n, room=None, last=n), room),
        (partial(_spell, units=lambda word: map(ord, word)), as_bytes),
        (
            lambda word, n: _spell(word[: n - 2], n, room=None),
            "the limit counts bytes, not characters: encode first, then cut",
        ),
        (
            lambda word, n: _spell(word.encode()[: n - 2].decode("utf-8", "ignore"), n),
            "the official code cuts between bytes, also inside a character; keep its first bytes",
        ),
    ]


def check_spell(answer) -> None:
    """Check `spell(word, max_characters) -> list of ids`, as `models.char_cnn.character_ids`."""
    parts = (
        f"in this order: {BEGIN_WORD}, each byte + 1, {END_WORD}, and {PADDING} until there are "
        "max_characters ids"
    )
    usual = _usual_marks() + _usual_cuts()
    words = [("cat", 8), ("a", 4), ("apple", 7), ("embedding", 8), ("naïve", 10), ("语言", 9)]
    words += [("crèmebrûlée", 9), ("日本語", 7), ("transformers", 50)]
    hints = hints_for(results_of(answer, words), words, usual, parts)
    SPELL.check_function(
        answer,
        [
            Case(args, character_ids(*args), hint=hint)
            for args, hint in zip(words, hints, strict=True)
        ],
    )


MIX = Exercise(
    2,
    "the mixture of the layers",
    why="The task learns n_layers + 1 numbers, and chooses by them which layers it reads.",
)


def _mix(layers: Tensor, weights: Tensor, gamma: float) -> Tensor:
    mixture = ScalarMix(len(weights)).to(layers.dtype)
    with torch.no_grad():
        mixture.weights.copy_(weights)
        mixture.gamma.fill_(gamma)
        return mixture(layers)


def _sum_with(s: Tensor, layers: Tensor) -> Tensor:
    return torch.tensordot(s, layers, dims=1)


def _mix_of_words(layers: Tensor, weights: Tensor, gamma: float) -> Tensor | tuple:
    """The mixture over the wrong axis, where there are as many words as layers."""
    if layers.shape[1] != len(weights):
        return ()
    return gamma * _sum_with(weights.softmax(0), layers.transpose(0, 1))


def _usual_mixtures() -> list[tuple[Callable, str]]:
    softmax = (
        "the weights are not normalised: s = softmax(weights), so that the s_j are positive and "
        "add up to 1"
    )
    divided = "divide the exponentials of the weights by their sum, not the weights themselves"
    forgotten = "gamma is forgotten: it multiplies the whole sum"
    axis = "the weights belong to the layers, which are the first axis"
    equal = "the weights have no part in it: this is the mean of the layers"

    return [
        (lambda h, w, gamma: gamma * _sum_with(w, h), softmax),
        (lambda h, w, gamma: _sum_with(w, h), f"{softmax}; and {forgotten}"),
        (lambda h, w, gamma: gamma * _sum_with(w / w.sum(), h), divided),
        (lambda h, w, gamma: _sum_with(w / w.sum(), h), f"{divided}; and {forgotten}"),
        (
            lambda h, w, gamma: gamma * _sum_with(w.exp(), h),
            "the exponentials are not divided by their sum, so the s_j do not add up to 1",
        ),
        (lambda h, w, gamma: _sum_with(w.softmax(0), h), forgotten),
        (
            lambda h, w, gamma: _sum_with((gamma * w).softmax(0), h),
            "gamma multiplies the sum, not the weights inside the softmax",
        ),
        (
            lambda h, w, gamma: gamma + _sum_with(w.softmax(0), h),
            "gamma is a factor, not a summand",
        ),
        (
            lambda h, w, gamma: gamma * h.softmax(0).mul(w[:, None, None]).sum(0),
            "the softmax is taken of the weights, not of the layers' numbers",
        ),
        (lambda h, w, gamma: gamma * h.mean(0), equal),
        (lambda h, w, gamma: h.mean(0), equal),
        (
            lambda h, w, gamma: gamma * w.softmax(0)[:, None, None] * h,
            "the layers are weighted, but not yet added up",
        ),
        (_mix_of_words, axis),
    ]


def check_mix(answer) -> None:
    """Check `mix(layers, weights, gamma) -> vectors`, as `models.elmo.ScalarMix`.

    Shape:
        layers: [n_layers, n_words, width]; weights: [n_layers]; gamma: a number;
        vectors: [n_words, width].
    """
    formula = "gamma * (s_0 h_0 + s_1 h_1 + ...), where s = softmax(weights) and h_j = layers[j]"
    counted = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]]], dtype=torch.float64)
    inputs = [
        (counted, [0.0, 1.0, 2.0], 2.0, "3 layers of one word, weights 0, 1, 2, gamma 2"),
        (_random(3, 3, 4, seed=1), [1.5, -0.5, 0.3], 0.7, "3 layers of 3 words, gamma 0.7"),
        (_random(2, 5, 3, seed=2), [-2.0, 4.0], 1.0, "2 layers of 5 words, gamma 1"),
        (_random(4, 2, 6, seed=3), [30.0, 0.0, 0.0, -30.0], -1.5, "4 layers, one of them chosen"),
    ]
    arguments = [(h, torch.tensor(w, dtype=h.dtype), gamma) for h, w, gamma, _ in inputs]
    hints = hints_for(results_of(answer, arguments), arguments, _usual_mixtures(), formula)
    MIX.check_function(
        answer,
        [
            Case(args, _mix(*args), shown=shown, hint=hint)
            for args, (*_, shown), hint in zip(arguments, inputs, hints, strict=True)
        ],
    )


TARGETS = Exercise(
    3,
    "the targets of both directions",
    why="One text gives each direction as many targets as the other, without any labelling.",
)
IGNORED = -100


def _two_targets(
    words, mask, *, to=(1, -1), own=True, other=True, edges=True, fill=IGNORED, marks=True
):
    """The targets of both directions; the keywords stand for the usual errors.

    `to` are the distances of the targets, `own` and `other` say whether position and target must
    be real words, `edges` whether a row ends at its ends, `marks` whether marks are targets.
    """

    def one(distance):
        moved, real = words.roll(-distance, 1), mask.roll(-distance, 1)
        place = torch.arange(words.shape[1]) + distance
        valid = (mask | (not own)) & (real | (not other))
        if edges:
            valid = valid & (place >= 0) & (place < words.shape[1])
        if not marks:
            n = mask.sum(dim=1, keepdim=True)
            valid = valid & (place > 0) & (place < n - 1)
        return moved.masked_fill(~valid, fill)

    return tuple(one(distance) for distance in to)


def _usual_targets() -> list[tuple[Callable, str]]:
    wrong_way = (
        "shifted the wrong way: the forward direction reads from left to right and must name the "
        "word at t + 1, the backward direction the word at t - 1"
    )
    unshifted = (
        "not shifted: each position would name the word that it has just read, which takes no "
        "language model"
    )
    around = (
        "roll brings the words that leave at one end back in at the other: the last position has "
        "no word after it, the first none before it"
    )
    padded = "padding is no word: neither is it a target, nor has it one"
    after_end = "the end mark has no forward target: what follows it is padding"
    before = "the first padded position has no backward target, though a word stands before it"
    ends = (
        "the marks are targets, too: the forward direction learns by the end mark where sentences "
        "end, the backward direction by the begin mark where they begin"
    )
    shape = "keep [batch, time]: positions without a target get -100, they are not left out"
    ignored = (
        "positions without a target get -100, which cross_entropy ignores; other ids are words"
    )

    distances = [((-1, 1), wrong_way), ((-1, -1), wrong_way), ((1, 1), wrong_way)]
    distances += [((0, 0), unshifted), ((0, -1), unshifted), ((1, 0), unshifted)]
    return [
        *((partial(_two_targets, to=to), hint) for to, hint in distances),
        *((partial(_two_targets, to=to, edges=False), hint) for to, hint in distances),
        (partial(_two_targets, edges=False), around),
        (partial(_two_targets, own=False, other=False), padded),
        (partial(_two_targets, other=False), after_end),
        (partial(_two_targets, own=False), before),
        (partial(_two_targets, marks=False), ends),
        (partial(_two_targets, fill=0), ignored),
        (partial(_two_targets, fill=-1), ignored),
        (lambda words, mask: (words[:, 1:], words[:, :-1]), shape),
        (lambda words, mask: _two_targets(words, words != 0), "padding is where mask is False"),
        (lambda words, mask: _two_targets(words, mask)[0], "return both: (forward, backward)"),
    ]


def check_two_targets(answer) -> None:
    """Check `two_targets(words, mask) -> (forward_targets, backward_targets)`.

    Shape:
        words: int64 [batch, time], marks included; mask: bool [batch, time], True = a word or a
        mark. Both targets: int64 [batch, time], -100 where there is none.
    """
    neighbours = (
        "forward: the word at t + 1, backward: the word at t - 1, each where both positions are "
        "inside the sentence, else -100"
    )
    inputs = [
        ([[1, 5, 8, 6, 2]], [5], "begin mark 1, words 5, 8, 6, end mark 2; no padding"),
        ([[1, 5, 8, 2], [1, 7, 2, 0]], [4, 3], "two sentences, padding (0) after the second"),
        ([[1, 0, 9, 0, 2, 4, 4], [1, 3, 3, 9, 0, 8, 2]], [5, 7], "0 is a word, padding holds a 4"),
        ([[1, 3, 2, 0, 0, 0]], [3], "a sentence of one word, 3 places of padding"),
    ]
    arguments = []
    for ids, lengths, _ in inputs:
        words = torch.tensor(ids)
        mask = torch.arange(words.shape[1]) < torch.tensor(lengths)[:, None]
        arguments.append((words, mask))
    hints = hints_for(results_of(answer, arguments), arguments, _usual_targets(), neighbours)
    TARGETS.check_function(
        answer,
        [
            Case(args, _two_targets(*args), shown=shown, hint=hint)
            for args, (*_, shown), hint in zip(arguments, inputs, hints, strict=True)
        ],
    )


LEAK = Exercise(
    4,
    "find the bug",
    why="Each direction has its own stack; they share the words' vectors and the softmax, and "
    "their outputs meet only after training.",
)


def _states_with_the_bug(x, forward_layers, backward_layers):
    for forward_layer, backward_layer in zip(forward_layers, backward_layers, strict=True):
        forward = forward_layer(x)
        backward = backward_layer(x.flip(1)).flip(1)
        x = forward + backward
    return forward, backward


def _bilm_states(x, forward_layers, backward_layers):
    forward, backward = x, x.flip(1)
    for forward_layer, backward_layer in zip(forward_layers, backward_layers, strict=True):
        forward, backward = forward_layer(forward), backward_layer(backward)
    return forward, backward.flip(1)


class _Layer:
    """A recurrent layer that reads from left to right, [batch, time, width] -> the same."""

    def __init__(self, width: int, seed: int):
        self.W, self.U = _random(2, width, width, seed=seed) / math.sqrt(width)

    def __call__(self, x: Tensor) -> Tensor:
        state, states = torch.zeros_like(x[:, 0]), []
        for step in x.unbind(1):
            state = torch.tanh(step @ self.W + state @ self.U)
            states.append(state)
        return torch.stack(states, dim=1)


def _reach(states: Tensor, x: Tensor) -> Tensor:
    """By how much each state depends on each word: largest gradients, [time, time of the word]."""
    rows = []
    for t in range(x.shape[1]):
        total = states[:, t].sum()
        (gradient,) = torch.autograd.grad(total, x, retain_graph=True, allow_unused=True)
        gradient = torch.zeros_like(x) if gradient is None else gradient
        rows.append(gradient.abs().amax(dim=(0, 2)))
    return torch.stack(rows)


def _seen_gradients(answer, args: tuple) -> list[Tensor] | None:
    """The reach of the forward and of the backward states; None where they are not two tensors."""
    x = args[0].clone().requires_grad_()
    states = answer(x, *copy.deepcopy(args[1:]))
    if not isinstance(states, (tuple, list)) or len(states) != 2:
        return None
    if not all(isinstance(part, Tensor) and part.shape == x.shape for part in states):
        return None
    return [
        _reach(part, x) if part.requires_grad else torch.zeros(2 * x.shape[1:2]) for part in states
    ]


def _leak_hint(answer, args: tuple) -> str:
    """Say how many properties of two directions hold, and which do not; nothing of the cause."""
    try:
        reach = _seen_gradients(answer, args)
        if reach is None:
            return "return the forward and the backward states, each [batch, time, width]"
        states = answer(*copy.deepcopy(args))
        expected = _bilm_states(*args)
        allowed = torch.ones_like(reach[0]).tril().bool()
        held = {}
        for name, found, may, side, rest in (
            ("forward", reach[0], allowed, "later", "up to their own"),
            ("backward", reach[1], allowed.T, "earlier", "from their own on"),
        ):
            held[f"{name} states depend on no {side} word"] = not found[~may].any()
            held[f"{name} states depend on all words {rest}"] = bool((found[may] > 0).all())
        blind = all(held[key] for key in held if "no " in key)
        held["the states are those of two stacks"] = compare(states, expected) is None
    except (Exception, SystemExit):  # the harness explains it
        return ""
    missing = [text for text, holds in held.items() if not holds]
    count = f"properties that hold: {len(held) - len(missing)} of {len(held)}"
    text = f"{count}. Missing: {'; '.join(missing)}" if missing else count
    if blind and _changes_with_the_targets(answer, args):
        return f"{text}. The gradient is cut, but the numbers still flow: detach hides no word"
    return text + _first_leak(reach, allowed)


def _first_leak(reach: list[Tensor], allowed: Tensor) -> str:
    """Name a state that depends on the word that it must predict, if there is one."""
    for name, found, step in (("forward", reach[0], 1), ("backward", reach[1], -1)):
        forbidden = ~(allowed if step == 1 else allowed.T)
        for t in range(len(found)):
            target = t + step
            if 0 <= target < len(found) and forbidden[t, target] and found[t, target] > 0:
                size = format_value(found[t, target].item())
                return (
                    f". The {name} state at word {t + 1} must predict word {target + 1}, and its "
                    f"gradient with respect to that word is {size}, not 0"
                )
    return ""


def _changes_with_the_targets(answer, args: tuple) -> bool:
    """Do the numbers change where only words of the other side do?"""
    x, rest, middle = args[0], args[1:], args[0].shape[1] // 2
    for side, kept in ((0, slice(0, middle)), (1, slice(middle, None))):
        changed = x + 1.0
        changed[:, kept] = x[:, kept]
        before, after = (
            answer(value.clone(), *copy.deepcopy(rest))[side] for value in (x, changed)
        )
        if not torch.allclose(before[:, kept], after[:, kept]):
            return True
    return False


def check_bilm_states(answer) -> None:
    """Check `bilm_states(x, forward_layers, backward_layers) -> (forward, backward)`.

    Shape:
        x: the words' vectors, [batch, time, width]; each layer: [batch, time, width] -> the same,
        reading from left to right. forward, backward: the top states, [batch, time, width], each
        at the position of its word.
    """
    inputs = []
    for n, (n_layers, batch, time, width) in enumerate(((2, 2, 5, 4), (1, 1, 3, 4), (3, 2, 4, 6))):
        stacks = [
            [_Layer(width, seed=100 * n + 10 * side + layer) for layer in range(n_layers)]
            for side in (1, 2)
        ]
        inputs.append((_random(batch, time, width, seed=n), *stacks))
    LEAK.check_function(
        answer,
        [
            Case(
                args,
                _bilm_states(*args),
                shown=f"x of shape {list(args[0].shape)} and {len(args[1])} layer"
                f"{'s' if len(args[1]) > 1 else ''} in each direction",
                hint=_leak_hint(answer, args),
            )
            for args in inputs
        ],
        unchanged=_states_with_the_bug,
    )


class _RandomWordsModel(nn.Module):
    """The smallest biLM: an embedding, two LSTM layers in each direction, one softmax."""

    def __init__(self, bilm_states: Callable, n_words: int, width: int = 32):
        super().__init__()
        self.bilm_states = bilm_states
        self.embedding = nn.Embedding(n_words, width)
        lstms = [nn.LSTM(width, width, batch_first=True) for _ in range(4)]
        self.lstms = nn.ModuleList(lstms)
        self.output = nn.Linear(width, n_words)

    def forward(self, characters: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        layers = [lambda x, lstm=lstm: lstm(x)[0] for lstm in self.lstms]
        x = self.embedding(characters.squeeze(2))
        forward, backward = self.bilm_states(x, layers[:2], layers[2:])
        return self.output(forward), self.output(backward)


def loss_on_random_words(bilm_states: Callable, n_words: int = 10, n_steps: int = 120) -> float:
    """Train a small biLM around `bilm_states` on words drawn at random, new ones at each step.

    Nothing can be learned from them, so an honest language model stays at ln(n_words).

    Args:
        bilm_states: as in exercise 4.

    Returns:
        the mean loss of the last 20 steps, in nats per word.
    """
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _RandomWordsModel(bilm_states, n_words)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(n_steps):
            words = torch.randint(n_words, (32, 8))
            batch = (words[..., None], torch.ones(32, 8, dtype=torch.bool), words)
            loss = BidirectionalLMLoss()(model, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return sum(losses[-20:]) / len(losses[-20:])


RATES = Exercise(
    5,
    "one learning rate for each layer",
    why="Time and depth are two factors: the triangle moves all layers, 2.6 sets them apart.",
)


def _rates(
    step, n_steps, n_layers, eta_max, *,
    fraction=slanted_triangular, factor=2.6, extra=0, linear=False,
):  # fmt: skip
    """The rates, bottom first; the keywords stand for the usual errors."""
    eta = eta_max * fraction(step, n_steps)
    depths = [depth + extra for depth in reversed(range(n_layers))]
    return [eta / (factor * d if linear and d else factor ** (0 if linear else d)) for d in depths]


def _usual_fractions() -> list[tuple[Callable, str]]:
    """The usual errors of the triangle: fractions of eta_max at a step of n_steps."""

    def p(step, n_steps, cut=0.1):
        return slanted_triangular(step, n_steps, cut, 1e12)

    ratio = "the lowest rate is eta_max / 32, not 0: eta_max (1 + p (32 - 1)) / 32"
    share = "the rise takes a tenth of the steps: cut = n_steps / 10, and the fall all the others"
    fall = (
        "from the step cut on p falls in a straight line from 1 to 0, which it reaches at n_steps"
    )
    return [
        (lambda t, n: 1.0, "the schedule is missing: eta_max is reached only at the step cut"),
        (p, ratio),
        (lambda t, n: (1 + p(t, n) * 32) / 32, ratio),
        (lambda t, n: slanted_triangular(min(t + 1, n), n), "steps are counted from 0"),
        (lambda t, n: slanted_triangular(max(t - 1, 0), n), "steps are counted from 0"),
        (lambda t, n: (1 + t * 10 / n * 31) / 32, fall),
        (lambda t, n: (1 + min(t * 10 / n, 1) * 31) / 32, fall),
        (lambda t, n: (1 + (t * 10 / n if t < n / 10 else 1 - t / n) * 31) / 32, fall),
        (lambda t, n: (1 + (t * 10 / n if t < n / 10 else 1 - (t - n / 10) / n) * 31) / 32, fall),
        (lambda t, n: (1 + (1 - t / n) * 31) / 32, "first comes a rise, over n_steps / 10 steps"),
        (lambda t, n: slanted_triangular(t, n, 0.5), share),
        (lambda t, n: slanted_triangular(t, n, 0.9), share),
    ]  # fmt: skip


def _usual_rates() -> list[tuple[Callable, str]]:
    order = "the list runs from the bottom layer to the top: the top one has the largest rate"
    return [
        (lambda *args: _rates(*args)[::-1], order),
        (
            partial(_rates, factor=1.0),
            "each layer has a rate of its own: 2.6 times smaller than that of the layer above",
        ),
        (partial(_rates, factor=1 / 2.6), "divide by 2.6 on the way down; your lower rates grow"),
        (lambda *args: _rates(*args, factor=1 / 2.6)[::-1], "the top layer's rate is the largest"),
        (partial(_rates, extra=1), "the top layer is not divided: depth counts from it, from 0"),
        (
            partial(_rates, linear=True),
            "each layer divides once more by 2.6: powers of it, not multiples",
        ),
        (lambda *args: _rates(*args)[-1], "return a list with one rate for each layer"),
        *((partial(_rates, fraction=fraction), hint) for fraction, hint in _usual_fractions()),
    ]


def check_learning_rates(answer) -> None:
    """Check `learning_rates(step, n_steps, n_layers, eta_max) -> list`, the bottom layer first.

    The check draws on `training.slanted_triangular` and `finetuning.discriminative_rates`.
    """
    parts = (
        "cut = n_steps / 10; p = step / cut before it, and from there 1 - (step - cut) / "
        "(n_steps - cut); the top layer has eta_max (1 + 31 p) / 32, each one below 1 / 2.6 of it"
    )
    inputs = [
        (10, 100, 3, 0.01),
        (0, 100, 3, 0.01),
        (4, 100, 4, 0.01),
        (55, 100, 4, 0.01),
        (199, 200, 2, 0.004),
        (70, 120, 1, 1.0),
    ]
    names = ("step", "n_steps", "n_layers", "eta_max")
    hints = hints_for(results_of(answer, inputs), inputs, _usual_rates(), parts, atol=1e-12)
    cases = []
    for args, hint in zip(inputs, hints, strict=True):
        step, n_steps, n_layers, eta_max = args
        eta = eta_max * slanted_triangular(step, n_steps)
        shown = ", ".join(f"{name}={value}" for name, value in zip(names, args, strict=True))
        expected = discriminative_rates(n_layers, eta)
        cases.append(Case(args, expected, shown=shown, hint=hint, atol=1e-12))
    RATES.check_function(answer, cases)


NEAREST = Exercise(
    6,
    "the nearest sense",
    why="Nothing is trained here, so all dimensions count alike; a probe may weigh them, and can "
    "find a sense that the cosine overlooks.",
)


def _cosines(queries: Tensor, averages: Tensor) -> Tensor:
    return F.normalize(queries, dim=-1) @ F.normalize(averages, dim=-1).T


def _nearest_sense(vectors, labels, queries, *, score=_cosines, average=True, names=None):
    """The labels; the keywords stand for the usual errors."""
    if not average:
        return [labels[i] for i in score(queries, vectors).argmax(1)]
    senses = sorted(set(labels))
    averages = [vectors[[label == sense for label in labels]].mean(0) for sense in senses]
    return [(names or senses)[i] for i in score(queries, torch.stack(averages)).argmax(1)]


def _usual_senses() -> list[tuple[Callable, str]]:
    cosine = (
        "the cosine divides the dot product by both lengths: a sense whose average is long must "
        "not win by its length alone"
    )
    average = "compare with the average of each sense, not with single examples"

    def distance(queries, averages):
        return -torch.cdist(queries, averages)

    def dot(queries, averages):
        return queries @ averages.T

    def numbers(vectors, labels, queries):
        senses = sorted(set(labels))
        return [senses.index(sense) for sense in _nearest_sense(vectors, labels, queries)]

    return [
        (partial(_nearest_sense, score=dot), cosine),
        (
            partial(_nearest_sense, score=distance),
            "this takes the smallest distance; the cosine asks for the angle only, so divide both "
            "vectors by their lengths",
        ),
        (partial(_nearest_sense, average=False), average),
        (partial(_nearest_sense, score=dot, average=False), average),
        (partial(_nearest_sense, score=distance, average=False), average),
        (
            lambda *args: _nearest_sense(*args, score=lambda *pair: -_cosines(*pair)),
            "the nearest sense has the largest cosine; yours has the smallest",
        ),
        (numbers, "return the labels, not their numbers"),
        (
            lambda *args: _nearest_sense(*args, names=list(dict.fromkeys(args[1]))),
            "the averages and the names of the senses are not in the same order",
        ),
        (
            lambda vectors, labels, queries: [max(labels, key=labels.count)] * len(queries),
            "the most frequent sense is the baseline; here the vector decides",
        ),
    ]  # fmt: skip


def _made_up_senses() -> list[tuple]:
    """Vectors, labels, queries and a description; each of the usual errors shows in one of them."""
    plain = ([[1, 0], [3, 1], [0, 1]], ["money", "money", "river"], [[2, 0.5], [0.1, 1], [3, 0]])
    long = (
        [[6, 5], [1, 0], [4, 5], [1, 0.1]],
        ["river", "money", "river", "money"],
        [[1, 0.2], [10, 1], [1, 2]],
    )
    outlier = (
        [[1, 0], [1, 0.1], [0, 1], [0.5, 1], [0.6, 1]],
        ["fruit", "fruit", "fruit", "company", "company"],
        [[0.02, 1], [1, 0.3]],
    )
    found = [
        (*plain, "two senses of bank that point in different directions"),
        (*long, "two senses, the average of one much longer"),
        (*outlier, "two senses, one example of fruit far from the others"),
    ]
    made = [
        (torch.tensor(v, dtype=torch.float64), labels, torch.tensor(q, dtype=torch.float64), shown)
        for v, labels, q, shown in found
    ]
    labels = ["season", "water", "coil", "water", "season", "water", "coil", "season", "water"]
    centres = {sense: _random(16, seed=n) for n, sense in enumerate(sorted(set(labels)))}
    vectors = torch.stack([centres[sense] for sense in labels]) + _random(9, 16, seed=7) / 2
    queries = torch.stack([centres[s] for s in ("coil", "season", "water")] * 3)
    made.append((vectors, labels, queries + _random(9, 16, seed=8), "three senses of spring"))
    return made


def check_nearest_sense(answer) -> None:
    """Check `nearest_sense(vectors, labels, queries) -> list of labels`.

    Shape:
        vectors: [examples, width]; labels: a list of strings, one for each; queries:
        [queries, width].
    """
    steps = (
        "average the vectors of each label; for each query return the label whose average has the "
        "largest cosine with it"
    )
    made = _made_up_senses()
    arguments = [tuple(args) for *args, _ in made]
    hints = hints_for(results_of(answer, arguments), arguments, _usual_senses(), steps)
    NEAREST.check_function(
        answer,
        [
            Case(args, _nearest_sense(*args), shown=shown, hint=hint)
            for args, (*_, shown), hint in zip(arguments, made, hints, strict=True)
        ],
    )


QUIZ = [
    Question(
        "ELMo trains two stacks of LSTMs that never read each other. Why not one stack in which "
        "each layer reads both directions of the layer below?",
        [
            "It would need twice the weights for the same width of the states",
            "From the second layer on, a state would know the word that it must predict",
            "Gradients of the two directions would cancel each other in the shared layers",
            "Its two softmaxes could not be trained on the same text at the same time",
        ],
        1,
        [
            "Widths can be chosen so that both designs have as many weights. What decides is the "
            "task they are trained on.",
            "In layer 1 the backward state at word t has read all words after it. A forward state "
            "of layer 2 that reads it has seen word t + 1, its own target. Exercise 4 shows the "
            "loss that comes of it.",
            "Gradients add up; nothing makes these two cancel. Bidirectional LSTMs of several "
            "layers are trained daily, for tasks whose answer is not among the inputs.",
            "There is one softmax, which both directions share, and both are trained on the same "
            "text at the same time.",
        ],
    ),
    Question(
        "Each word has one static vector, learned as well as can be. What can it *not* do?",
        [
            "Be close to the vectors of words of similar meaning",
            "Tell a frequent word from a rare one by its numbers",
            "Carry information on several meanings of the word at once",
            "Tell which meaning of *bank* a sentence is about",
        ],
        3,
        [
            "This is what static vectors do well: neighbours in the space are often related words.",
            "It can: frequency leaves traces in static vectors, for example in their lengths.",
            "It can: the one vector of *bank* is something like a blend of all its uses. What it "
            "lacks is the choice among them.",
            "The vector is the same in every sentence. A probe that reads nothing else gives every "
            "*bank* the same answer, so it can be no better than the most frequent sense.",
        ],
    ),
    Question(
        "Why does ELMo make a word's first vector from its characters, and not look it up in a "
        "table of words?",
        [
            "Any word gets a vector, and words of similar spelling share what they learn",
            "Words of similar meaning get similar vectors, before any sentence is read",
            "The softmax over the words is no longer needed, which saves most of the time",
            "Each character gets a state of its own, so that the LSTM sees more context",
        ],
        0,
        [
            "An ending such as *-s* or *-ed* is seen by the same filters in every word, also in "
            "one that was never in the training text.",
            "Similar *spelling* gives similar input, whatever the meaning: *letter* and *litter* "
            "look alike to the filters until training sets them apart.",
            "The biLM still predicts words, from a fixed vocabulary. It is its *input* that has "
            "none.",
            "The filters and their maxima give one vector per word, and the LSTM takes one step "
            "per word.",
        ],
    ),
    Question(
        "A task uses the mixture `gamma * (s_0 h_0 + s_1 h_1 + s_2 h_2)`. What are the `s_j`?",
        [
            "Attention weights, computed anew for each word from its three layers",
            "Three numbers that the biLM has learned and that all tasks share",
            "Three numbers that the task learns, the same for all words",
            "One number for each dimension of each layer, learned by the task",
        ],
        2,
        [
            "They do not depend on the word or on its sentence: a softmax of three free parameters "
            "gives them.",
            "The biLM is trained without them. They are learned with the task, while the biLM is "
            "kept as it is, so they differ from task to task.",
            "They are a softmax of three parameters, positive and with the sum 1. With `gamma` "
            "that makes four numbers for a whole task.",
            "Each layer as a whole has one weight. The dimensions of a layer are not weighed "
            "against each other.",
        ],
    ),
    Question(
        "ULMFiT came to arXiv in January 2018, ELMo in February. How do the two belong together?",
        [
            "ELMo began pre-training with language models; ULMFiT made its vectors trainable",
            "Independent work: ULMFiT fine-tunes the whole model, ELMo gives frozen features",
            "Independent work: ULMFiT gives frozen features, ELMo fine-tunes the whole model",
            "ULMFiT began pre-training with language models; ELMo added a second direction",
        ],
        1,
        [
            "ULMFiT was there a month before ELMo. And neither was first: Dai and Le pre-trained "
            "LSTMs as language models in 2015, and TagLM used such features in 2017.",
            "Both learn a language model first. ULMFiT then trains all its layers on the task, "
            "from the top down and each at its own rate. ELMo keeps the biLM as it is, and the "
            "task learns how to mix its layers.",
            "The other way round. Gradual unfreezing and a learning rate for each layer would be "
            "pointless if the model stayed frozen.",
            "Dai and Le had pre-trained with language models in 2015. The second direction was in "
            "TagLM in 2017, and ULMFiT's paper, too, trains a backward model beside the forward "
            "one.",
        ],
    ),
]

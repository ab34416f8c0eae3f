"""Chapter 05's checks: a right answer passes, typical wrong ones are told what is wrong."""

import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nlp_helpers.exercises import elmo
from nlp_helpers.finetuning import discriminative_rates
from nlp_helpers.models.char_cnn import character_ids, characters_of
from nlp_helpers.models.elmo import ELMo, ScalarMix
from nlp_helpers.models.elmo_config import ELMoConfig
from nlp_helpers.training import bidirectional_sums, slanted_triangular
from tests.exercises.judging import (
    assert_crashes_are_explained,
    assert_length_tells_nothing,
    assert_quiz,
    assert_right_and_not_attempted,
    verdict,
)


def spell(word, max_characters):
    ids = [259]
    for byte in word.encode("utf-8"):
        if len(ids) < max_characters - 1:
            ids.append(byte + 1)
    ids.append(260)
    while len(ids) < max_characters:
        ids.append(261)
    return ids


def padded(ids, n, fill=261):
    return ids + [fill] * (n - len(ids))


def without_marks(word, n):
    return padded([b + 1 for b in word.encode()][:n], n)


def marks_added_after_the_cut(word, n):
    return padded([259, *(b + 1 for b in word.encode()[:n]), 260], n)


def cut_with_the_end_mark(word, n):
    return padded([259, *(b + 1 for b in word.encode()), 260][:n], n)


def padding_before_the_end(word, n):
    return [*padded([259, *(b + 1 for b in word.encode()[: n - 2])], n - 1), 260]


def cut_by_characters(word, n):
    return padded([259, *(b + 1 for b in word[: n - 2].encode()), 260], n)


def whole_characters(word, n):
    while len(word.encode()) > n - 2:
        word = word[:-1]
    return spell(word, n)


def mix(layers, weights, gamma):
    exponentials = [math.exp(w) for w in weights.tolist()]
    total = sum(exponentials)
    mixture = torch.zeros_like(layers[0])
    for exponential, layer in zip(exponentials, layers, strict=True):
        mixture = mixture + exponential / total * layer
    return gamma * mixture


def weighted(layers, weights):
    return (weights[:, None, None] * layers).sum(0)


def two_targets(words, mask):
    forward, backward = torch.full_like(words, -100), torch.full_like(words, -100)
    for row, n in enumerate(mask.sum(1).tolist()):
        for t in range(n - 1):
            forward[row, t] = words[row, t + 1]
            backward[row, t + 1] = words[row, t]
    return forward, backward


def rolled(words, mask):
    return tuple(words.roll(by, 1).masked_fill(~mask, -100) for by in (-1, 1))


def rolled_ahead(words, mask):
    return words.roll(-1, 1), words.roll(-1, 1)


def only_the_position_masked(words, mask):
    ahead, behind = torch.full_like(words, -100), torch.full_like(words, -100)
    ahead[:, :-1], behind[:, 1:] = words[:, 1:], words[:, :-1]
    return ahead.masked_fill(~mask, -100), behind.masked_fill(~mask, -100)


def only_the_target_masked(words, mask):
    words = words.masked_fill(~mask, -100)
    return F.pad(words[:, 1:], (0, 1), value=-100), F.pad(words[:, :-1], (1, 0), value=-100)


def padding_not_masked(words, mask):
    return F.pad(words[:, 1:], (0, 1), value=-100), F.pad(words[:, :-1], (1, 0), value=-100)


def without_the_marks(words, mask):
    forward, backward = two_targets(words, mask)
    return forward.masked_fill(words.roll(-1, 1) == 2, -100), backward.masked_fill(
        words.roll(1, 1) == 1, -100
    )


def zeros_taken_for_padding(words, mask):
    real = words != 0
    both = real[:, 1:] & real[:, :-1]
    ahead = words[:, 1:].masked_fill(~both, -100)
    behind = words[:, :-1].masked_fill(~both, -100)
    return F.pad(ahead, (0, 1), value=-100), F.pad(behind, (1, 0), value=-100)


def filled_with_0(words, mask):
    return tuple(part.masked_fill(part == -100, 0) for part in two_targets(words, mask))


def bilm_states(x, forward_layers, backward_layers):
    forward = x
    for layer in forward_layers:
        forward = layer(forward)
    backward = x
    for layer in backward_layers:
        backward = layer(backward.flip(1)).flip(1)
    return forward, backward


def first_layers(x, forward_layers, backward_layers):
    return bilm_states(x, forward_layers[:1], backward_layers[:1])


def two_layers(x, forward_layers, backward_layers):
    return bilm_states(x, forward_layers[:2], backward_layers[:2])


def not_turned(x, forward_layers, backward_layers):
    return bilm_states(x, forward_layers, [])[0], bilm_states(x, backward_layers, [])[0]


def not_turned_back(x, forward_layers, backward_layers):
    forward, backward = bilm_states(x, forward_layers, backward_layers)
    return forward, backward.flip(1)


def swapped_stacks(x, forward_layers, backward_layers):
    return bilm_states(x, backward_layers, forward_layers)


def leaking(x, forward_layers, backward_layers, *, to=(True, True), detach=False):
    """Each direction reads the other's layer below, or only one of them does."""
    forward = backward = x
    for n, (ahead, back) in enumerate(zip(forward_layers, backward_layers, strict=True)):
        inputs = []
        for own, other, reads in ((forward, backward, to[0]), (backward, forward, to[1])):
            other = other.detach() if detach else other
            inputs.append(own + 2 * other if reads and n else own)
        forward, backward = ahead(inputs[0]), back(inputs[1].flip(1)).flip(1)
    return forward, backward


def learning_rates(step, n_steps, n_layers, eta_max):
    cut = n_steps // 10
    share = step / cut if step < cut else (n_steps - step) / (n_steps - cut)
    low = eta_max / 32
    rates = [low + share * (eta_max - low)]
    while len(rates) < n_layers:
        rates.insert(0, rates[0] / 2.6)
    return rates


def scaled(fraction):
    """The right division among the layers, with another fraction of eta_max."""
    return lambda step, n, layers, eta: discriminative_rates(layers, eta * fraction(step, n))


def share(step, n):
    cut = n // 10
    return step / cut if step < cut else (n - step) / (n - cut)


def scaled_by_share(step, n, layers, eta):
    return [share(step, n) * rate for rate in discriminative_rates(layers, eta)]


def depth_rates(divisor):
    def rates(step, n, layers, eta):
        top = eta * slanted_triangular(step, n)
        return [top / divisor(depth) for depth in reversed(range(layers))]

    return rates


def cosine(a, b):
    return (a @ b / (a.norm() * b.norm())).item()


def nearest_sense(vectors, labels, queries, *, score=cosine, best=max):
    sums, counts = {}, {}
    for vector, label in zip(vectors, labels, strict=True):
        sums[label] = sums.get(label, 0) + vector
        counts[label] = counts.get(label, 0) + 1
    return [best(sums, key=lambda s: score(sums[s] / counts[s], query)) for query in queries]


def nearest_example(vectors, labels, queries, *, score=cosine):
    rows = range(len(labels))
    return [labels[max(rows, key=lambda i: score(vectors[i], query))] for query in queries]


def near(a, b):
    return -(a - b).norm().item()


def dot(a, b):
    return (a @ b).item()


def their_numbers(vectors, labels, queries):
    found = nearest_sense(vectors, labels, queries)
    return [sorted(set(labels)).index(label) for label in found]


def names_in_another_order(vectors, labels, queries):
    names = list(dict.fromkeys(labels))
    return [names[i] for i in their_numbers(vectors, labels, queries)]


CHECKS = [
    (elmo.check_spell, spell),
    (elmo.check_mix, mix),
    (elmo.check_two_targets, two_targets),
    (elmo.check_bilm_states, bilm_states),
    (elmo.check_learning_rates, learning_rates),
    (elmo.check_nearest_sense, nearest_sense),
]
SPELL, MIX, TARGETS, LEAK, RATES, NEAREST = (check for check, _ in CHECKS)

# check, wrong answer, words of the hint that it must get
WRONG = [
    (SPELL, lambda w, n: padded([259, *w.encode()[: n - 2], 260], n), "a byte b has the id b + 1"),
    (SPELL, lambda w, n: [259, *w.encode()[: n - 2], 260], "has the id b + 1, because 0 is kept"),
    (SPELL, without_marks, "the begin mark 259 comes before the bytes"),
    (SPELL, lambda w, n: [b + 1 for b in w.encode()], "the begin mark 259 comes before the bytes"),
    (SPELL, lambda w, n: padded(spell(w, n)[1:], n), "the end mark 260 after"),
    (SPELL, lambda w, n: padded([259, *(b + 1 for b in w.encode())], n), "260 after"),
    (SPELL, lambda w, n: [259, *(b + 1 for b in w.encode())], "the end mark 260 after"),
    (SPELL, lambda w, n: [*(b + 1 for b in w.encode()), 260], "the end mark 260 after"),
    (SPELL, lambda w, n: [i for i in spell(w, n) if i != 261], "after the end mark the padding"),
    (SPELL, lambda w, n: padded([i for i in spell(w, n) if i != 261], n, 0), "not a word"),
    (SPELL, lambda w, n: [i - 1 for i in spell(w, n)], "only the bytes are counted up by 1"),
    (SPELL, lambda w, n: [i + (i > 258) for i in spell(w, n)], "only the bytes are counted up"),
    (SPELL, lambda w, n: [i - (i > 258) for i in spell(w, n)], "only the bytes are counted up"),
    (SPELL, padding_before_the_end, "right after the last byte"),
    (SPELL, marks_added_after_the_cut, "keep the first max_characters - 2 bytes"),
    (SPELL, cut_with_the_end_mark, "the end mark is never cut off"),
    (SPELL, lambda w, n: spell(w, max(n, len(w.encode()) + 2)), "keep the first max_characters"),
    (SPELL, lambda w, n: padded([259, *(ord(c) + 1 for c in w[: n - 2]), 260], n), "ids stand for"),
    (SPELL, cut_by_characters, "encode first, then cut"),
    (SPELL, whole_characters, "also inside a character"),
    (SPELL, lambda w, n: sorted(spell(w, n)), "in this order: 259"),
    (SPELL, lambda w, n: [str(i) for i in spell(w, n)], "expected"),
    (MIX, lambda h, w, g: g * weighted(h, w), "not normalised: s = softmax(weights)"),
    (MIX, lambda h, w, g: weighted(h, w), "1; and gamma is forgotten"),
    (MIX, lambda h, w, g: mix(h, w, 1.0), "gamma is forgotten: it multiplies the whole sum"),
    (MIX, lambda h, w, g: g * weighted(h, w / w.sum()), "not the weights themselves"),
    (MIX, lambda h, w, g: weighted(h, w / w.sum()), "themselves; and gamma is forgotten"),
    (MIX, lambda h, w, g: g * weighted(h, w.exp()), "exponentials are not divided"),
    (MIX, lambda h, w, g: mix(h, g * w, 1.0), "not the weights inside the softmax"),
    (MIX, lambda h, w, g: mix(h, w, 1.0) + g, "not a summand"),
    (MIX, lambda h, w, g: g * weighted(h.softmax(0), w), "not of the layers' numbers"),
    (MIX, lambda h, w, g: g * h.mean(0), "this is the mean of the layers"),
    (MIX, lambda h, w, g: h.mean(0), "this is the mean of the layers"),
    (MIX, lambda h, w, g: g * w.softmax(0)[:, None, None] * h, "not yet added up"),
    (MIX, lambda h, w, g: mix(h.transpose(0, 1), w, g) if len(h) == h.shape[1] else mix(h, w, g),
     "which are the first axis"),
    (MIX, lambda h, w, g: g * h[-1], "gamma * (s_0 h_0 + s_1 h_1"),
    (MIX, lambda h, w, g: w.softmax(0), "gamma * (s_0 h_0 + s_1 h_1"),
    (TARGETS, lambda w, m: two_targets(w, m)[::-1], "shifted the wrong way"),
    (TARGETS, lambda w, m: (two_targets(w, m)[0],) * 2, "shifted the wrong way"),
    (TARGETS, lambda w, m: (two_targets(w, m)[1],) * 2, "shifted the wrong way"),
    (TARGETS, lambda w, m: padding_not_masked(w, m)[::-1], "shifted the wrong way"),
    (TARGETS, lambda w, m: rolled(w, m)[::-1], "shifted the wrong way"),
    (TARGETS, lambda w, m: (w, w), "it has just read"),
    (TARGETS, lambda w, m: (w.masked_fill(~m, -100),) * 2, "it has just read"),
    (TARGETS, lambda w, m: (two_targets(w, m)[0], w.masked_fill(~m, -100)), "it has just read"),
    (TARGETS, lambda w, m: (w.masked_fill(~m, -100), two_targets(w, m)[1]), "it has just read"),
    (TARGETS, rolled, "back in at the other"),
    (TARGETS, lambda w, m: (w.roll(-1, 1), w.roll(1, 1)), "back in at the other"),
    (TARGETS, padding_not_masked, "padding is no word"),
    (TARGETS, only_the_position_masked, "the end mark has no forward target"),
    (TARGETS, only_the_target_masked, "the first padded position has no backward target"),
    (TARGETS, without_the_marks, "the marks are targets, too"),
    (TARGETS, rolled_ahead, "shifted the wrong way"),
    (TARGETS, lambda w, m: (w.roll(1, 1), w.roll(1, 1)), "shifted the wrong way"),
    (TARGETS, lambda w, m: (w, w.roll(1, 1)), "it has just read"),
    (TARGETS, lambda w, m: (w.roll(-1, 1), w), "it has just read"),
    (TARGETS, lambda w, m: tuple(p.clamp(-1) for p in two_targets(w, m)), "other ids are words"),
    (TARGETS, filled_with_0, "which cross_entropy ignores"),
    (TARGETS, lambda w, m: (w[:, 1:], w[:, :-1]), "keep [batch, time]"),
    (TARGETS, lambda w, m: (two_targets(w, m)[0][:, :-1], two_targets(w, m)[1][:, 1:]), "keep [b"),
    (TARGETS, zeros_taken_for_padding, "padding is where mask is False"),
    (TARGETS, lambda w, m: two_targets(w, m)[0], "return both"),
    (TARGETS, lambda w, m: (w + 1, w - 1), "both positions are inside the sentence"),
    (LEAK, leaking, "properties that hold: 2 of 5. Missing: forward states depend on no later"),
    (LEAK, partial(leaking, to=(True, False)), "properties that hold: 3 of 5. Missing: forward"),
    (LEAK, partial(leaking, to=(False, True)), "properties that hold: 3 of 5. Missing: backward"),
    (LEAK, partial(leaking, detach=True), "detach hides no word"),
    (LEAK, partial(leaking, to=(False, True), detach=True), "detach hides no word"),
    (LEAK, first_layers, "hold: 4 of 5. Missing: the states are those of two stacks"),
    (LEAK, two_layers, "hold: 4 of 5. Missing: the states are those of two stacks"),
    (LEAK, swapped_stacks, "hold: 4 of 5. Missing: the states are those of two stacks"),
    (LEAK, not_turned, "backward states depend on no earlier word; backward states depend on all"),
    (LEAK, not_turned_back, "Missing: backward states depend on no earlier word"),
    (LEAK, lambda *args: bilm_states(*args)[0], "return the forward and the backward states"),
    (LEAK, lambda *args: torch.cat(bilm_states(*args), -1), "return the forward and the backward"),
    (LEAK, lambda x, f, b: (x[:, :1], x[:, :1]), "return the forward and the backward states"),
    (LEAK, lambda x, f, b: (x, x), "forward states depend on all words up to their own"),
    (LEAK, lambda x, f, b: (torch.zeros_like(x),) * 2, "depend on all words up to their own"),
    (RATES, lambda *args: learning_rates(*args)[::-1], "from the bottom layer to the top"),
    (RATES, depth_rates(lambda depth: 1), "2.6 times smaller than that of the layer above"),
    (RATES, depth_rates(lambda depth: 2.6**-depth), "your lower rates grow"),
    (RATES, lambda t, n, k, eta: [slanted_triangular(t, n) * eta * 2.6**i for i in range(k)],
     "the top layer's rate is the largest"),
    (RATES, depth_rates(lambda depth: 2.6 ** (depth + 1)), "the top layer is not divided"),
    (RATES, depth_rates(lambda depth: 2.6 * depth or 1), "powers of it, not multiples"),
    (RATES, lambda *args: learning_rates(*args)[-1], "a list with one rate for each layer"),
    (RATES, scaled(lambda t, n: 1), "the schedule is missing"),
    (RATES, scaled_by_share, "the lowest rate is eta_max / 32, not 0"),
    (RATES, scaled(lambda t, n: (1 + 32 * share(t, n)) / 32), "(1 + p (32 - 1)) / 32"),
    (RATES, scaled(lambda t, n: slanted_triangular(t + 1, n)), "counted from 0"),
    (RATES, scaled(lambda t, n: slanted_triangular(max(t - 1, 0), n)), "counted from 0"),
    (RATES, scaled(lambda t, n: (1 + 31 * t / (n // 10)) / 32), "falls in a straight line"),
    (RATES, scaled(lambda t, n: (1 + 31 * min(1, t / (n // 10))) / 32), "falls in a straight line"),
    (RATES, scaled(lambda t, n: (1 + 31 * (share(t, n) if t < n / 10 else 1 - t / n)) / 32),
     "falls in a straight line"),
    (RATES, scaled(lambda t, n: (1 + 31 * (share(t, n) if t < n / 10 else 1.1 - t / n)) / 32),
     "falls in a straight line"),
    (RATES, scaled(lambda t, n: (1 + 31 * (1 - t / n)) / 32), "first comes a rise"),
    (RATES, scaled(lambda t, n: slanted_triangular(t, n, 0.5)), "a tenth of the steps"),
    (RATES, scaled(lambda t, n: slanted_triangular(t, n, 0.9)), "a tenth of the steps"),
    (RATES, lambda t, n, k, eta: [eta] * (k + 1), "cut = n_steps / 10; p = step / cut"),
    (NEAREST, partial(nearest_sense, score=dot), "must not win by its length alone"),
    (NEAREST, partial(nearest_sense, score=near), "this takes the smallest distance"),
    (NEAREST, nearest_example, "not with single examples"),
    (NEAREST, partial(nearest_example, score=dot), "not with single examples"),
    (NEAREST, partial(nearest_example, score=near), "not with single examples"),
    (NEAREST, partial(nearest_sense, best=min), "yours has the smallest"),
    (NEAREST, their_numbers, "return the labels, not their numbers"),
    (NEAREST, names_in_another_order, "not in the same order"),
    (NEAREST, lambda v, names, q: [max(names, key=names.count)] * len(q), "is the baseline"),
    (NEAREST, lambda v, names, q: nearest_sense(v, names, q)[0], "average the vectors of each"),
    (NEAREST, lambda v, names, q: nearest_sense(v, names, q)[1:], "average the vectors of each"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "right"), CHECKS)
def test_right_and_not_attempted(capsys, check, right):
    assert_right_and_not_attempted(capsys, check, right)


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_a_wrong_answer_gets_its_hint(capsys, check, answer, hint):
    out = verdict(capsys, check, answer)
    assert ": not yet. " in out
    assert hint in out


@pytest.mark.parametrize(("check", "_"), CHECKS)
def test_an_answer_that_crashes_is_explained(capsys, check, _):
    assert_crashes_are_explained(capsys, check)


@pytest.mark.parametrize(("check", "_"), CHECKS)
@pytest.mark.parametrize("wrong", ["text", {}, 3.5, [None, None], torch.zeros(2, 2), object()])
def test_a_result_of_another_type_is_told(capsys, check, _, wrong):
    assert ": not yet. For input " in verdict(capsys, check, lambda *args: wrong)


def test_the_reference_solutions_agree_with_the_checks(capsys):
    for check, answer in (
        (elmo.check_spell, elmo._spell),
        (elmo.check_mix, elmo._mix),
        (elmo.check_two_targets, elmo._two_targets),
        (elmo.check_bilm_states, elmo._bilm_states),
        (elmo.check_learning_rates, elmo._rates),
        (elmo.check_nearest_sense, elmo._nearest_sense),
    ):
        assert ": correct. " in verdict(capsys, check, answer)


def test_no_check_draws_random_numbers(capsys):
    before = torch.get_rng_state()
    for check, answer in CHECKS:
        verdict(capsys, check, answer)
    elmo.loss_on_random_words(bilm_states, n_steps=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("check", "answer"), CHECKS)
def test_what_an_answer_does_to_its_arguments_spoils_nothing(capsys, check, answer):
    def spoiling(*args):
        result = answer(*args)
        for value in args:
            if isinstance(value, torch.Tensor):
                with torch.no_grad():
                    value.zero_()
            if isinstance(value, list):
                value.clear()
        return result

    assert ": correct. " in verdict(capsys, check, spoiling)


def test_other_containers_and_single_precision_pass(capsys):
    right = [
        (elmo.check_spell, lambda w, n: torch.tensor(spell(w, n))),
        (elmo.check_spell, lambda w, n: tuple(spell(w, n))),
        (elmo.check_mix, lambda h, w, g: mix(h.float(), w.float(), g)),
        (elmo.check_mix, lambda h, w, g: torch.einsum("j,jnd->nd", g * w.softmax(-1), h)),
        (elmo.check_two_targets, lambda w, m: list(two_targets(w, m))),
        (elmo.check_two_targets, lambda w, m: torch.stack(two_targets(w, m))),
        (elmo.check_bilm_states, lambda *args: list(bilm_states(*args))),
        (elmo.check_learning_rates, lambda *args: torch.tensor(learning_rates(*args))),
        (elmo.check_learning_rates, lambda *args: np.array(learning_rates(*args))),
        (elmo.check_nearest_sense, lambda v, names, q: tuple(nearest_sense(v, names, q))),
    ]
    for check, answer in right:
        assert ": correct. " in verdict(capsys, check, answer)


def test_the_ids_are_those_of_the_model(capsys):
    for word in ("cat", "naïve", "日本語", "x" * 60):
        assert spell(word, 16) == character_ids(word, 16)
    assert ": correct. " in verdict(capsys, elmo.check_spell, character_ids)


def test_the_mixture_is_that_of_the_model():
    layers, mixture = torch.randn(3, 4, 5), ScalarMix(3)
    with torch.no_grad():
        mixture.weights.copy_(torch.tensor([0.3, -1.0, 2.0]))
        mixture.gamma.fill_(0.6)
        assert torch.allclose(mixture(layers), mix(layers, mixture.weights, 0.6), atol=1e-6)


def test_the_targets_give_the_loss_of_the_chapter():
    logits = torch.randn(2, 2, 5, 7)
    words = torch.randint(7, (2, 5))
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    batch = (torch.ones(2, 5, 4, dtype=torch.int64), mask, words)
    *sums, count = bidirectional_sums(lambda characters, mask: tuple(logits), batch)
    targets = two_targets(words, mask)
    for one, found, expected in zip(logits, targets, sums, strict=True):
        loss = F.cross_entropy(one.flatten(0, 1), found.flatten(), reduction="sum")
        assert torch.allclose(loss, expected)
        assert int((found != -100).sum()) == count


def test_the_function_with_the_bug_counts_as_not_attempted(capsys):
    bug = elmo._states_with_the_bug
    assert "not attempted yet." in verdict(capsys, elmo.check_bilm_states, bug)

    def written_otherwise(x, forward_layers, backward_layers):
        for ahead, back in zip(forward_layers, backward_layers, strict=True):
            states = (ahead(x), back(x.flip(1)).flip(1))
            x = sum(states)
        return states

    assert "not attempted yet." in verdict(capsys, elmo.check_bilm_states, written_otherwise)


def test_the_function_with_the_bug_is_wrong(capsys):
    def almost_unchanged(*args):
        forward, backward = elmo._states_with_the_bug(*args)
        return forward * 1.01, backward

    out = verdict(capsys, elmo.check_bilm_states, almost_unchanged)
    assert ": not yet. For input x of shape [2, 5, 4] and 2 layers in each direction" in out
    assert "properties that hold: 2 of 5" in out


def test_the_leak_is_named_with_its_gradient(capsys):
    out = verdict(capsys, elmo.check_bilm_states, partial(leaking, to=(False, True)))
    assert "The backward state at word 2 must predict word 1, and its gradient with respect" in out
    assert "that word is 0." in out
    out = verdict(capsys, elmo.check_bilm_states, leaking)
    assert "The forward state at word 1 must predict word 2, and its gradient" in out
    for told in ("stack of its own", "sum", "+ backward", "separate"):
        assert told not in out


def test_a_single_layer_leaks_nothing():
    """What hides the bug from who tries it with one layer."""
    x, layers = torch.randn(2, 4, 6).double(), [elmo._Layer(6, seed=n) for n in (1, 2)]
    bug = elmo._states_with_the_bug(x, layers[:1], layers[1:])
    right = bilm_states(x, layers[:1], layers[1:])
    assert all(torch.equal(a, b) for a, b in zip(bug, right, strict=True))


def test_hardly_anything_is_learned_from_random_words_unless_the_answer_is_seen():
    honest = elmo.loss_on_random_words(bilm_states)
    cheating = elmo.loss_on_random_words(elmo._states_with_the_bug)
    assert abs(honest - math.log(10)) < 0.02
    assert cheating < 0.02
    assert honest == elmo.loss_on_random_words(bilm_states)


def test_the_rates_are_those_of_the_package():
    for step in (0, 3, 20, 120, 199):
        found = learning_rates(step, 200, 4, 0.01)
        expected = discriminative_rates(4, 0.01 * slanted_triangular(step, 200))
        assert found == pytest.approx(expected, rel=1e-12)


def test_small_rates_are_not_taken_for_0(capsys):
    def nothing_for_the_bottom(*args):
        rates = learning_rates(*args)
        return [0.0 if len(rates) > 3 else rates[0], *rates[1:]]

    assert ": not yet. " in verdict(capsys, elmo.check_learning_rates, nothing_for_the_bottom)


def test_senses_may_be_summed_instead_of_averaged(capsys):
    """The cosine does not ask for the length of the average."""

    def summed(vectors, labels, queries):
        sums = {}
        for vector, label in zip(vectors, labels, strict=True):
            sums[label] = sums.get(label, 0) + vector
        return [max(sums, key=lambda s: cosine(sums[s], q)) for q in queries]

    assert ": correct. " in verdict(capsys, elmo.check_nearest_sense, summed)


def test_the_made_up_senses_are_clear():
    """No query stands so near the border that rounding could decide."""
    for vectors, labels, queries, _ in elmo._made_up_senses():
        senses = sorted(set(labels))
        rows = [[n for n, label in enumerate(labels) if label == sense] for sense in senses]
        averages = torch.stack([vectors[row].mean(0) for row in rows])
        best = elmo._cosines(queries, averages).topk(2).values
        assert (best[:, 0] - best[:, 1] > 0.02).all()


def test_the_quiz():
    assert_quiz("quiz-elmo", elmo.QUIZ)


def test_the_right_option_is_not_the_longest_or_the_shortest():
    assert_length_tells_nothing(elmo.QUIZ)


def small_elmo():
    torch.manual_seed(0)
    config = ELMoConfig(
        char_dim=4,
        filters=((1, 4), (2, 8)),
        n_highway=1,
        activation="relu",
        max_characters=8,
        hidden_size=10,
        projection_size=6,
        vocab_size=9,
    )
    return ELMo(config).double().eval()


def test_what_the_quiz_says_of_two_directions():
    """In torch's bidirectional LSTM a state of layer 2 knows the next word; in ELMo it does not."""
    x = torch.randn(1, 5, 6, requires_grad=True)
    for n_layers, leaks in ((1, False), (2, True)):
        lstm = nn.LSTM(6, 7, n_layers, bidirectional=True, batch_first=True)
        (gradient,) = torch.autograd.grad(lstm(x)[0][0, 1, :7].sum(), x)
        assert bool(gradient[0, 2].any()) is leaks
    model = small_elmo()
    words, others = [["a", "b", "c", "d"], ["a", "b", "x", "y"]]
    with torch.no_grad():
        same = [model(*characters_of([s], 8)) for s in (words, others)]
    assert torch.equal(same[0][0][0, :3], same[1][0][0, :3])
    assert not torch.equal(same[0][1][0, :3], same[1][1][0, :3])


def test_what_the_quiz_says_of_characters():
    model = small_elmo()
    (first,), (second,) = (model.layers([s]) for s in (["the", "zzyx"], ["zzyx", "was"]))
    assert first.shape == (3, 2, 12)
    assert torch.allclose(first[0, 1], second[0, 0])  # a word nobody has seen; static in layer 0
    assert not torch.allclose(first[1, 1], second[1, 0])
    assert model.output.out_features == 9  # it predicts words from a fixed vocabulary


def test_what_the_quiz_says_of_the_mixture():
    mixture = ScalarMix(3)
    assert sum(p.numel() for p in mixture.parameters()) == 4
    assert not any("mix" in name for name, _ in small_elmo().named_parameters())

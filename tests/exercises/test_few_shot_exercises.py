"""Chapter 06b's checks: a right answer passes, typical wrong ones are told what is wrong."""

import copy
import math

import pytest
import torch
from torch import nn

from nlp_helpers.data.in_context import LabelTask, demonstrations, ideal_accuracy
from nlp_helpers.exercises import few_shot
from nlp_helpers.exercises.small_models import small_gpt
from nlp_helpers.induction import label_accuracy
from nlp_helpers.models.gpt_config import GPT3_SIZES
from nlp_helpers.prompting import continuation_log_probs
from tests.exercises.judging import (
    assert_crashes_are_explained,
    assert_length_tells_nothing,
    assert_quiz,
    assert_right_and_not_attempted,
    verdict,
)

DAY = 24 * 60 * 60  # seconds


def training_cost(n_weights, n_tokens):
    forward = 2 * n_weights * n_tokens
    operations = forward + 2 * forward
    return operations, operations / 1e15 / DAY


def cost(factor=6, per_day=1e15 * DAY):
    return lambda N, D: (factor * N * D, 6 * N * D / per_day)


def continuation_log_prob(model, prompt, continuation):
    tokens, total = prompt.tolist(), 0.0
    for token in continuation.tolist():
        logits = model(torch.tensor([tokens]))[0, -1]
        total += (logits[token] - logits.logsumexp(dim=0)).item()
        tokens.append(token)
    return total


def log_probs(model, prompt, continuation):
    """[time, vocab] at all places of both."""
    return model(torch.cat([prompt, continuation])[None])[0].log_softmax(dim=-1)


def picked(rows, tokens):
    """The numbers of these tokens, in rows [time, vocab] that may be too few."""
    n = min(len(rows), len(tokens))
    return rows[:n].gather(1, tokens[:n, None])[:, 0]


def too_late(model, prompt, continuation):
    return picked(log_probs(model, prompt, continuation)[len(prompt) :], continuation).sum().item()


def too_early(model, prompt, continuation):
    rows = log_probs(model, prompt, continuation)[max(len(prompt) - 2, 0) :]
    return picked(rows, continuation).sum().item()


def all_tokens(model, prompt, continuation):
    rows = log_probs(model, prompt, continuation)
    return picked(rows, torch.cat([prompt, continuation])[1:]).sum().item()


def each(model, prompt, continuation, over=lambda logits: logits.log_softmax(dim=-1)):
    logits = model(torch.cat([prompt, continuation])[None, :-1])[0]
    return picked(over(logits)[len(prompt) - 1 :], continuation)


def cross_entropy(model, prompt, continuation):
    logits = model(torch.cat([prompt, continuation])[None, :-1])[0, len(prompt) - 1 :]
    return nn.functional.cross_entropy(logits, continuation).item()


def without_the_prompt(model, prompt, continuation):
    rows = model(continuation[None])[0].log_softmax(dim=-1)
    return picked(rows, continuation[1:]).sum().item()


def all_after_the_prompt(model, prompt, continuation):
    return model(prompt[None])[0, -1].log_softmax(dim=0)[continuation].sum().item()


def induction_score(weights, n):
    scores = torch.zeros(weights.shape[1])
    for head in range(weights.shape[1]):
        found = [w[head, t, t - n + 1].item() for w in weights for t in range(n, 2 * n)]
        scores[head] = sum(found) / len(found)
    return scores


def looking_at(key, queries=lambda n: range(n, 2 * n)):
    """The mean attention from these queries to key(t, n)."""

    def score(weights, n):
        columns = [weights[:, :, t, key(t, n)] for t in queries(n)]
        return torch.stack(columns).mean(dim=(0, 1))

    return score


def strided_mask(n_tokens, stride):
    rows = []
    for query in range(n_tokens):
        seen = {*range(max(0, query - stride + 1), query + 1), *range(query, -1, -stride)}
        rows.append([key in seen for key in range(n_tokens)])
    return torch.tensor(rows)


def mask_of(allowed):
    """The mask of those pairs where allowed(query, key, stride) holds."""
    return lambda n, stride: torch.tensor(
        [[bool(allowed(q, k, stride)) for k in range(n)] for q in range(n)]
    )


def few_shot_accuracy(model, batch):
    right = torch.zeros(batch.labels.shape)
    for place in range(batch.labels.shape[1]):
        logits = model(batch.tokens[:, : 2 * place + 1])[:, -1]
        right[:, place] = logits.argmax(dim=1) == batch.labels[:, place]
    return right.mean(dim=0)


def reading(prompt_of):
    """The accuracy of a model that reads prompt_of(tokens, k) before it answers."""

    def accuracy(model, batch):
        found = []
        for k in range(batch.labels.shape[1]):
            logits = model(prompt_of(batch.tokens, k))[:, -1]
            found.append((logits.argmax(dim=1) == batch.labels[:, k]).double().mean())
        return torch.stack(found)

    return accuracy


def word_again(tokens, k, end):
    return torch.cat([tokens[:, :end], tokens[:, 2 * k : 2 * k + 1]], dim=1)


def mended_for_none(tokens, k):
    return tokens[:, :1] if k == 0 else word_again(tokens, k, 2 * k + 2)


def all_the_others(tokens, k):
    parts = (tokens[:, : 2 * k], tokens[:, 2 * k + 2 :], tokens[:, 2 * k : 2 * k + 1])
    return torch.cat(parts, dim=1)


def at_the_labels(model, batch):
    return (model(batch.tokens)[:, 1::2].argmax(dim=2) == batch.labels).double().mean(dim=0)


def without_the_first(model, batch):
    curve = few_shot_accuracy(model, batch)
    curve[0] = 0
    return curve


def handed_out(model, batch):
    """The function as the notebook gives it."""
    pairs = batch.tokens.unflatten(1, (-1, 2))
    right = []
    for shots in range(pairs.shape[1]):
        shown = pairs[:, : shots + 1].flatten(1)
        word = pairs[:, shots, :1]
        logits = model(torch.cat([shown, word], dim=1))[:, -1]
        right.append(logits.argmax(dim=-1) == pairs[:, shots, 1])
    return torch.stack(right, dim=1).float().mean(dim=0)


CHECKS = [
    (few_shot.check_training_cost, training_cost),
    (few_shot.check_continuation_log_prob, continuation_log_prob),
    (few_shot.check_induction_score, induction_score),
    (few_shot.check_sparse_mask, strided_mask),
    (few_shot.check_few_shot_accuracy, few_shot_accuracy),
]
COST, ANSWER, INDUCTION, STRIDED, SHOTS = (check for check, _ in CHECKS)

PRODUCT = "the two numbers are multiplied"
PLACES = "in the first one no token has occurred before"
START = "not the key's own place"
EACH = "one number for each number of demonstrations"

# check, wrong answer, words of the hint that it must get
WRONG = [
    (COST, cost(factor=2), "the backward pass is missing"),
    (COST, cost(factor=1), "and a multiplication and an addition are two"),
    (COST, cost(factor=3), "a multiplication and an addition are two operations"),
    (COST, cost(factor=4), "forward and backward pass are both needed"),
    (COST, lambda N, D: (6 * (N + D), 1.0), PRODUCT),
    (COST, lambda N, D: (6 * N, 1.0), PRODUCT),
    (COST, lambda N, D: (6 * D, 1.0), PRODUCT),
    (COST, lambda N, D: training_cost(N, D)[::-1], "the operations come first"),
    (COST, lambda N, D: (6 * N * D / 1e15, 1.0), "count single operations"),
    (COST, cost(factor=7), "6 operations for each weight and token"),
    (COST, cost(per_day=1e15), "those are seconds"),
    (COST, cost(per_day=1e15 * 60), "those are minutes"),
    (COST, cost(per_day=1e15 * 3600), "those are hours"),
    (COST, cost(per_day=1e15 * 24), "a day has 24 hours, and an hour 3,600 seconds"),
    (COST, cost(per_day=1e15 * 24 * 60), "an hour has 3,600 seconds, not 60"),
    (COST, cost(per_day=1e15 * DAY * 365), "those are years"),
    (COST, cost(per_day=DAY), "10 ** 15 operations a second, not one"),
    (COST, cost(per_day=1e12 * DAY), "peta stands for 10 ** 15"),
    (COST, cost(per_day=1e15 / DAY), "divide by the seconds of a day"),
    (COST, lambda N, D: (6 * N * D, round(training_cost(N, D)[1])), "do not round"),
    (COST, lambda N, D: (6 * N * D, 6 * N * D // (1e15 * DAY)), "do not round"),
    (COST, lambda N, D: 6 * N * D, "return both"),
    (COST, lambda N, D: (*training_cost(N, D), 1), "return both"),
    (ANSWER, too_late, "one place too late"),
    (ANSWER, too_early, "one place too early"),
    (ANSWER, all_tokens, "the prompt is given"),
    (ANSWER, lambda *args: each(*args).mean(), "the mean is another measure"),
    (ANSWER, cross_entropy, "change the sign; and add up the logarithms; the mean"),
    (ANSWER, lambda *args: -continuation_log_prob(*args), "change the sign: the logarithm"),
    (ANSWER, lambda *args: each(*args, lambda z: z.softmax(-1)).sum(), "take their logarithms"),
    (ANSWER, lambda *args: each(*args, lambda z: z.softmax(-1)).prod(), "that is the probability"),
    (ANSWER, lambda *args: each(*args, lambda z: z).sum(), "they are before the softmax"),
    (ANSWER, lambda *args: each(*args, lambda z: z.log_softmax(0)).sum(), "not over the places"),
    (ANSWER, lambda *args: each(*args), "add up the logarithms to one number"),
    (ANSWER, lambda *args: each(*args).tolist(), "add up the logarithms to one number"),
    (ANSWER, lambda *args: each(*args)[0], "the first token alone"),
    (ANSWER, lambda *args: each(*args)[-1], "the last token alone"),
    (ANSWER, lambda *args: each(*args)[1:].sum(), "the prompt's last token predicts it"),
    (ANSWER, lambda *args: each(*args)[:-1].sum(), "the last token counts, too"),
    (ANSWER, lambda *args: each(*args).sum() / math.log(2), "nats are wanted"),
    (ANSWER, lambda *args: math.exp(-each(*args).mean()), "that is the perplexity"),
    (ANSWER, without_the_prompt, "the continuation follows the prompt"),
    (ANSWER, all_after_the_prompt, "all predicted from the prompt alone"),
    (ANSWER, lambda m, p, c: continuation_log_prob(m, c, p), "the prompt comes first"),
    (ANSWER, lambda m, p, c: m(p)[0], "your code raised ValueError"),
    (INDUCTION, looking_at(lambda t, n: t - n), "where the same token stood"),
    (INDUCTION, looking_at(lambda t, n: t - n - 1), "before the one that was the same"),
    (INDUCTION, looking_at(lambda t, n: t - n + 2, lambda n: range(n, 2 * n - 1)), "two places"),
    (INDUCTION, looking_at(lambda t, n: t - 1), "the token just before"),
    (INDUCTION, looking_at(lambda t, n: t - n + 1, lambda n: range(2 * n)), PLACES),
    (INDUCTION, looking_at(lambda t, n: t - n + 1, lambda n: range(n - 1, 2 * n)), PLACES),
    (INDUCTION, looking_at(lambda t, n: t - n + 1, lambda n: range(n, 2 * n - 1)), "the last posi"),
    (INDUCTION, lambda w, n: induction_score(w.transpose(2, 3), n), "have changed places"),
    (INDUCTION, lambda w, n: induction_score(w, n).mean(), "a score for each head"),
    (INDUCTION, lambda w, n: induction_score(w.transpose(0, 1), n), "a score for each head"),
    (INDUCTION, lambda w, n: torch.stack([induction_score(x[None], n) for x in w]),
     "the mean over the sequences, too"),
    (INDUCTION, lambda w, n: induction_score(w, n) * n, "not the sum"),
    (INDUCTION, lambda w, n: induction_score(w, n) * n * len(w), "not the sum"),
    (INDUCTION, lambda w, n: w.mean(dim=(0, 2, 3)), "the mean attention from each position t"),
    (STRIDED, mask_of(lambda q, k, s: q - k < s or (q - k) % s == 0), "not causal"),
    (STRIDED, mask_of(lambda q, k, s: abs(q - k) < s or (q - k) % s == 0), "not causal"),
    (STRIDED, mask_of(lambda q, k, s: 0 <= q - k < s or (q - k) % s == 0), "& binds closer"),
    (STRIDED, mask_of(lambda q, k, s: k <= q and (q - k < s or k % s == 0)), START),
    (STRIDED, mask_of(lambda q, k, s: k <= q and (q - k < s or k % s == s - 1)), START),
    (STRIDED, mask_of(lambda q, k, s: k <= q and (q // s == k // s or k % s == s - 1)), START),
    (STRIDED, mask_of(lambda q, k, s: k <= q and (q // s == k // s or (q - k) % s == 0)),
     "the band moves along with the query"),
    (STRIDED, mask_of(lambda q, k, s: k <= q and (q - k < s or q % s == 0)), "query minus key"),
    (STRIDED, mask_of(lambda q, k, s: 0 <= q - k < s - 1 or (k <= q and (q - k) % s == 0)),
     "too narrow"),
    (STRIDED, mask_of(lambda q, k, s: 0 <= q - k <= s + 1 or (k <= q and (q - k) % s == 0)),
     "too wide"),
    (STRIDED, mask_of(lambda q, k, s: 0 < q - k < s or (k < q and (q - k) % s == 0)),
     "its own place counts"),
    (STRIDED, mask_of(lambda q, k, s: 0 <= q - k < s), "the places at a multiple are missing"),
    (STRIDED, mask_of(lambda q, k, s: k <= q and (q - k) % s == 0), "positions are missing"),
    (STRIDED, mask_of(lambda q, k, s: q == k), "it need not be in both"),
    (STRIDED, mask_of(lambda q, k, s: k <= q), "nothing is left out"),
    (STRIDED, lambda n, s: ~strided_mask(n, s), "the other way round"),
    (STRIDED, lambda n, s: strided_mask(n, s).T, "rows are queries"),
    (STRIDED, lambda n, s: torch.zeros(n, n).masked_fill(~strided_mask(n, s), -math.inf),
     "a boolean mask is wanted"),
    (STRIDED, lambda n, s: strided_mask(n, s).int(), "(True and False, not numbers)"),
    (STRIDED, lambda n, s: strided_mask(n, s)[None], "shape [7, 7], not [1, 7, 7]"),
    (SHOTS, reading(mended_for_none), "after no demonstration all is well"),
    (SHOTS, at_the_labels, "repeats what it has just read is always right"),
    (SHOTS, reading(lambda tokens, k: word_again(tokens, k, 2 * k + 1)), "fails where the class"),
    (SHOTS, reading(lambda tokens, k: word_again(tokens, k, max(2 * k - 2, 0))), "one place late"),
    (SHOTS, reading(lambda tokens, k: tokens[:, 2 * k : 2 * k + 1]), "the curve is flat"),
    (SHOTS, reading(all_the_others), "each answer has all the others"),
    (SHOTS, reading(lambda tokens, k: tokens[:, : 2 * k + 1 : 2]), "have lost their labels"),
    (SHOTS, lambda *args: few_shot_accuracy(*args).mean(), EACH),
    (SHOTS, lambda m, b: (m(b.tokens)[:, ::2].argmax(2) == b.labels).float().mean(1), EACH),
    (SHOTS, lambda m, b: m(b.tokens)[:, ::2].argmax(2) == b.labels, EACH),
    (SHOTS, lambda m, b: (m(b.tokens)[:, ::2].argmax(2) == b.labels).sum(0), "not their number"),
    (SHOTS, lambda *args: 1 - few_shot_accuracy(*args), "not of wrong"),
    (SHOTS, lambda *args: few_shot_accuracy(*args)[1:], "begins at no demonstration at all"),
    (SHOTS, without_the_first, "knows the labels by heart"),
    (SHOTS, lambda *args: handed_out(*args) * 0.99, "after k demonstrations the model reads"),
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
@pytest.mark.parametrize(
    "wrong", ["text", {}, 3.5, [None, None], (1, {}), torch.zeros(2, 2), object()]
)
def test_a_result_of_another_type_is_told(capsys, check, _, wrong):
    assert ": not yet. For input " in verdict(capsys, check, lambda *args: wrong)


def operations(error):
    return lambda *args: (error(*args), training_cost(*args)[1])


def days(error):
    return lambda *args: (training_cost(*args)[0], error(*args))


@pytest.mark.parametrize(
    ("check", "errors"),
    [
        (COST, [(operations(error), text) for error, text in few_shot._usual_operations()]),
        (COST, [(days(error), text) for error, text in few_shot._usual_days()]),
        (ANSWER, few_shot._usual_log_probs()),
        (INDUCTION, few_shot._usual_scores()),
        (STRIDED, few_shot._usual_masks()),
        (SHOTS, few_shot._usual_accuracies()[1:]),  # the first is the function as handed out
    ],
)
def test_every_usual_error_gets_its_own_hint(capsys, check, errors):
    for error, hint in errors:
        out = verdict(capsys, check, error)
        assert ": not yet. " in out
        assert hint in out


def test_no_check_draws_random_numbers(capsys):
    before = torch.get_rng_state()
    for check, answer in CHECKS:
        verdict(capsys, check, answer)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("check", "answer"), CHECKS)
def test_what_an_answer_does_to_its_arguments_spoils_nothing(capsys, check, answer):
    def spoiling(*args):
        result = answer(*copy.deepcopy(args))
        for value in args:
            for tensor in value if isinstance(value, tuple) else (value,):
                if isinstance(tensor, torch.Tensor):
                    tensor.zero_()
            if isinstance(value, nn.Module):
                value.forward = lambda tokens: tokens
        return result

    assert ": correct. " in verdict(capsys, check, spoiling)


def test_other_containers_numbers_and_single_precision_pass(capsys):
    def whole_numbers(N, D):
        return [6 * int(N) * int(D), training_cost(N, D)[1]]  # beyond 64 bits

    right = [
        (COST, whole_numbers),
        (COST, lambda *args: torch.tensor(training_cost(*args), dtype=torch.float64)),
        (ANSWER, lambda *args: torch.tensor(continuation_log_prob(*args))),
        (ANSWER, lambda *args: each(*args).sum()),
        (ANSWER, lambda m, *rest: continuation_log_prob(m.float(), *rest)),
        (INDUCTION, lambda *args: induction_score(*args).tolist()),
        (INDUCTION, lambda w, n: w.diagonal(1 - n, 2, 3)[..., 1:].mean(dim=(0, 2))),
        (STRIDED, lambda *args: strided_mask(*args).tolist()),
        (STRIDED, mask_of(lambda q, k, s: k <= q and (q - k <= s or (q - k) % s == 0))),
        (SHOTS, label_accuracy),
        (SHOTS, lambda *args: few_shot_accuracy(*args).double().numpy()),
        (SHOTS, reading(lambda tokens, k: word_again(tokens, k, 2 * k))),
    ]
    for check, answer in right:
        assert ": correct. " in verdict(capsys, check, answer)


def test_an_error_in_the_cost_is_shown_in_the_line_of_the_student(capsys):
    def dividing(n_weights, n_tokens):
        return n_weights / 0, n_tokens

    out = verdict(capsys, COST, dividing)
    assert "in line 2 of dividing: return n_weights / 0, n_tokens" in out


def test_the_cost_of_gpt3_is_the_papers():
    operations, petaflop_days = training_cost(175e9, 300e9)
    assert operations == pytest.approx(3.15e23)
    assert petaflop_days == pytest.approx(3646, abs=0.5)
    printed = GPT3_SIZES["GPT-3 175B"].printed_parameters
    assert few_shot._cost(printed, 300e9) == pytest.approx((operations, petaflop_days))


def test_the_probability_of_an_answer_is_that_of_the_package(capsys):
    def of_the_package(model, prompt, continuation):
        return continuation_log_probs(model, prompt, [continuation])[0]

    assert ": correct. " in verdict(capsys, ANSWER, of_the_package)


def test_the_largest_attention_of_the_pure_heads_is_theirs_alone():
    weights = few_shot._pure_heads(6)
    assert torch.equal(weights.sum(dim=3), torch.ones(1, 3, 12, dtype=torch.float64))
    assert not weights.triu(1).any()
    assert induction_score(weights, 6).tolist() == [1, 0, 0]


def test_the_random_weights_are_attention():
    weights = few_shot._causal_attention(2, 3, 8, seed=0)
    torch.testing.assert_close(weights.sum(dim=3), torch.ones(2, 3, 8, dtype=torch.float64))
    assert not weights.triu(1).any()


@pytest.mark.parametrize(("n", "stride"), [(1, 1), (9, 1), (9, 3), (16, 4), (13, 5), (5, 8)])
def test_two_layers_of_the_mask_join_any_two_places(n, stride):
    """What the check says when the mask is right."""
    mask = few_shot._strided(n, stride)
    twice = (mask.double() @ mask.double()) > 0
    assert torch.equal(twice, torch.ones(n, n, dtype=torch.bool).tril())
    assert mask.sum(dim=1).max() <= stride + n / stride


def test_the_function_with_the_bug_counts_as_not_attempted(capsys):
    for bug in (handed_out, few_shot._few_shot_accuracy_with_the_bug):
        assert "not attempted yet." in verdict(capsys, SHOTS, bug)
    otherwise = reading(lambda tokens, k: word_again(tokens, k, 2 * k + 2))
    out = verdict(capsys, SHOTS, lambda *args: otherwise(*args).clamp(max=0.9999))
    assert ": not yet. " in out


def test_the_bug_makes_whoever_copies_right_from_the_start():
    """The curve of the text of exercise 5: nearly 1 where the best guesser has 1 / n_labels."""
    task = LabelTask()
    batch = demonstrations(task, 200, 8, generator=torch.Generator().manual_seed(0))
    model = few_shot._LooksUp(task)
    assert handed_out(model, batch).min() == 1
    right = label_accuracy(model, batch)
    assert right[0] == 0
    assert (right <= ideal_accuracy(batch, task) + 1e-6).all()
    assert right[1:].min() > 0.05
    assert right[-1] > 0.6


def test_the_message_tells_the_symptom_and_no_line(capsys):
    for answer in (reading(mended_for_none), at_the_labels, without_the_first):
        out = verdict(capsys, SHOTS, answer)
        for told in ("shots + 1", "shown = ", "slice", "line "):
            assert told not in out


def test_the_models_do_what_their_names_say():
    models = {name: (model, batch) for name, model, batch in few_shot._models_and_batches()}
    curves = {name: label_accuracy(*given) for name, given in models.items()}
    by_heart, gpt, last, looks_up, repeats = (curves[name] for name in sorted(curves, key=by_kind))
    assert by_heart.tolist() == [1] * 8
    assert repeats.tolist() == [0] * 5
    assert looks_up[0] == last[0] == 0
    assert looks_up[1:].min() > 0
    assert last[1] == pytest.approx(0.4, abs=0.15)  # two classes, words not drawn twice
    assert len(set(gpt.tolist())) == 5
    for model, batch in models.values():  # reading a part gives what reading all gives
        whole = model(batch.tokens)[:, :5]
        torch.testing.assert_close(model(batch.tokens[:, :5]), whole)


def by_kind(name):
    kinds = ("knows", "is a GPT", "always", "looks up", "repeats")
    return next(n for n, kind in enumerate(kinds) if name.startswith(kind))


def test_the_looking_model_says_the_label_of_the_last_word_of_the_class():
    task = LabelTask(2, 3, 8)  # words 0 to 5, labels 6 to 13
    tokens = torch.tensor([[0, 9, 3, 12, 2, 9, 1, 9, 5]])
    found = few_shot._LooksUp(task)(tokens).argmax(dim=2)[0, ::2]
    assert found.tolist() == [0, 0, 9, 9, 12]
    again = torch.tensor([[0, 7, 1, 8, 2]])
    assert few_shot._LooksUp(task)(again).argmax(dim=2)[0, -1] == 8
    assert few_shot._LastLabel(task)(tokens).argmax(dim=2)[0].tolist() == [
        0, 9, 9, 12, 12, 9, 9, 9, 9
    ]  # fmt: skip


def test_a_small_model_shows_every_place_and_token():
    model = small_gpt(11)
    logits = model(torch.zeros(1, 12, dtype=torch.long))[0]
    assert torch.cdist(logits, logits)[~torch.eye(12, dtype=torch.bool)].min() > 0.01


def test_the_quiz():
    assert_quiz("quiz-few-shot", few_shot.QUIZ)
    assert_length_tells_nothing(few_shot.QUIZ)


def test_what_the_quiz_says_of_a_power_law():
    assert pytest.approx(0.79, abs=0.005) == 10**-0.1
    assert pytest.approx(0.63, abs=0.005) == 100**-0.1
    assert pytest.approx(0.9, abs=0.005) == 3**-0.1


def test_what_the_quiz_says_of_bands():
    model = small_gpt(5, n_layers=4, max_len=80, attention="banded", band=16)
    tokens = torch.zeros(1, 80, dtype=torch.int64)
    x = (model.tokens(tokens) + model.positions.weight).detach().requires_grad_()
    hidden = model.stack.run(x, model.masks(80, 80))[0]
    hidden[0, -1].sum().backward()
    reached = x.grad[0].abs().sum(dim=1) > 0
    assert reached.nonzero().min().item() == 79 - 60

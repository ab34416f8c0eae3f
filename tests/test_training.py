"""The training loop, its schedule, and the loss that carries a recurrent state."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nlp_helpers.data.windows import random_windows
from nlp_helpers.lm_losses import NextTokenLoss
from nlp_helpers.models.char_cnn import characters_of
from nlp_helpers.models.elmo import ELMo
from nlp_helpers.models.elmo_config import ELMoConfig
from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.models.recurrent_lm import RecurrentLM
from nlp_helpers.models.rnn import RNN
from nlp_helpers.muon import MuonAdamW, muon_groups
from nlp_helpers.training import (
    BidirectionalLMLoss,
    CarriedStateLoss,
    ClassificationLoss,
    TrainConfig,
    bidirectional_nll,
    label_smoothing_divergence,
    language_model_nll,
    paper_step_size,
    parameter_groups,
    slanted_triangular,
    smoothed_targets,
    train,
    warmup_cosine,
    warmup_inverse_sqrt,
    warmup_linear,
)

VOCAB = 11


def language_model(seed=0):
    torch.manual_seed(seed)
    return RecurrentLM(VOCAB, RNN(5, 16))


def counting_batches(batch=13, time=7, n=20):
    """Each row counts upwards modulo VOCAB from its own start; rows go on from batch to batch."""
    ids = (torch.arange(n * time + 1) + torch.arange(batch).unsqueeze(1)) % VOCAB
    return [(ids[:, i : i + time], ids[:, i + 1 : i + time + 1]) for i in range(0, n * time, time)]


def test_train_learns_to_count_and_records_what_happened():
    model = language_model()
    config = TrainConfig(n_steps=60, learning_rate=0.02, evaluate_every=25)
    batches = counting_batches()
    history = train(
        model, batches, CarriedStateLoss(), config, lambda m: language_model_nll(m, batches)
    )
    assert len(history.losses) == len(history.gradient_norms) == 60
    assert list(history.evaluations) == [25, 50, 60]
    assert history.losses[0] > 0.8 * math.log(VOCAB)
    assert history.evaluations[60] < 0.1
    assert history.evaluations[60] < history.evaluations[25]
    assert not model.training
    assert history.seconds > 0


def test_one_step_is_one_adamw_step_on_the_clipped_gradient():
    model, twin = language_model(), language_model()
    tokens, targets = counting_batches()[0]
    config = TrainConfig(n_steps=1, learning_rate=0.01, clip_norm=1e-3, weight_decay=0.1)
    history = train(model, [(tokens, targets)], CarriedStateLoss(), config)

    optimizer = torch.optim.AdamW(parameter_groups(twin, 0.1), lr=0.01)
    loss = F.cross_entropy(twin(tokens)[0].flatten(0, 1), targets.flatten())
    loss.backward()
    norm = torch.stack([p.grad.norm() for p in twin.parameters()]).norm()
    for p in twin.parameters():
        p.grad *= 1e-3 / (norm + 1e-6)
    optimizer.step()
    assert history.losses[0] == pytest.approx(loss.item())
    assert history.gradient_norms[0] == pytest.approx(norm.item())
    for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_schedule_rises_then_falls_to_its_final_fraction():
    config = TrainConfig(n_steps=110, warmup=10, final_fraction=0.1)
    values = [warmup_cosine(step, config) for step in range(111)]
    assert values[0] == pytest.approx(0.1)
    assert values[9] == values[10] == pytest.approx(1.0)
    assert values[60] == pytest.approx(0.55)
    assert values[110] == pytest.approx(0.1)
    assert all(a > b for a, b in itertools.pairwise(values[10:]))


def test_the_linear_schedule_rises_and_falls_in_straight_lines():
    config = TrainConfig(n_steps=110, warmup=10, final_fraction=0.1, schedule="linear")
    values = [warmup_linear(step, config) for step in range(112)]
    assert values[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert values[10:111] == pytest.approx([1 - 0.009 * step for step in range(101)])
    assert values[111] == values[110] == pytest.approx(0.1)
    config = TrainConfig(n_steps=37, learning_rate=0.01, schedule="linear", clip_norm=None)
    model = nn.Linear(1, 1)
    before = model.weight.item()
    train(model, [0], weight_sum, config)  # Adam steps by its rate: 0.01 times 37, 36 ... 1 of 37
    assert before - model.weight.item() == pytest.approx(0.01 * 19, rel=1e-4)


def test_inverse_square_root_is_the_schedule_of_the_paper():
    d_model, warmup = 512, 4_000
    config = TrainConfig(
        n_steps=1,
        learning_rate=(d_model * warmup) ** -0.5,
        warmup=warmup,
        schedule="inverse-sqrt",
    )
    for step in (1, 2, 3_999, 4_000, 4_001, 100_000):
        mine = config.learning_rate * warmup_inverse_sqrt(step - 1, config)
        assert mine == pytest.approx(paper_step_size(step, d_model, warmup), rel=1e-12)
        by_hand = d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
        assert mine == pytest.approx(by_hand, rel=1e-12)
    assert warmup_inverse_sqrt(warmup - 1, config) == 1.0
    with pytest.raises(ValueError, match="step"):
        paper_step_size(0, 512, 4_000)


def test_training_follows_the_chosen_schedule_and_beta2():
    """Two steps, compared with AdamW by hand."""
    config = TrainConfig(
        n_steps=2, learning_rate=0.1, warmup=4, schedule="inverse-sqrt", beta2=0.5, clip_norm=None
    )
    model, twin = nn.Linear(1, 1), nn.Linear(1, 1)
    twin.load_state_dict(model.state_dict())

    def loss_function(model, batch):
        return (model.weight * batch).square().sum() + model.bias.square().sum()

    train(model, [1.0, 3.0], loss_function, config)
    optimizer = torch.optim.AdamW(twin.parameters(), lr=0.1, betas=(0.9, 0.5), weight_decay=0.0)
    for batch, fraction in ((1.0, 0.25), (3.0, 0.5)):
        optimizer.param_groups[0]["lr"] = 0.1 * fraction
        optimizer.zero_grad()
        loss_function(twin, batch).backward()
        optimizer.step()
    torch.testing.assert_close(model.weight, twin.weight)
    torch.testing.assert_close(model.bias, twin.bias)


def paper_slanted_triangle(t, total, cut_frac, ratio):
    """Eq. 3 of Howard and Ruder 2018, letter for letter."""
    cut = math.floor(total * cut_frac)
    p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1))
    return (1 + p * (ratio - 1)) / ratio


@pytest.mark.parametrize(
    ("total", "cut_frac", "ratio"), [(370, 0.1, 32), (130, 0.1, 7), (28, 0.25, 13)]
)
def test_slanted_triangle_is_the_paper_s_equation_where_the_cut_is_whole(total, cut_frac, ratio):
    for step in range(total + 1):
        mine = slanted_triangular(step, total, cut_frac, ratio)
        assert mine == pytest.approx(paper_slanted_triangle(step, total, cut_frac, ratio))


def test_slanted_triangle_rises_for_a_tenth_of_the_steps_and_falls_for_the_rest():
    values = [slanted_triangular(step, 1_000) for step in range(1_001)]
    assert values[0] == pytest.approx(1 / 32)
    assert values[50] == pytest.approx((1 + 0.5 * 31) / 32)
    assert values[100] == 1.0
    assert values[550] == pytest.approx((1 + 0.5 * 31) / 32)
    assert values[1_000] == pytest.approx(1 / 32)
    assert all(a < b for a, b in itertools.pairwise(values[:101]))
    assert all(a > b for a, b in itertools.pairwise(values[100:]))


@pytest.mark.parametrize("total", [1, 7, 9, 13, 19, 37])
def test_slanted_triangle_stays_within_its_bounds_where_the_cut_is_not_whole(total):
    """The paper's form falls below 0 at 19 steps: its cut is 1, and its fall takes 9 steps."""
    values = [slanted_triangular(step, total) for step in range(total + 1)]
    assert max(values) == 1.0
    assert min(values) == pytest.approx(1 / 32)
    assert values.index(1.0) == total // 10
    assert values[-1] == pytest.approx(1 / 32)
    assert paper_slanted_triangle(18, 19, 0.1, 32) < 0


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((-1, 37), ValueError, "step must be at least 0"),
        ((38, 37), ValueError, "step must be at most n_steps=37, got 38"),
        ((0, 0), ValueError, "n_steps"),
        ((0.5, 37), TypeError, "step"),
        ((0, 37, 1.0), ValueError, "cut_fraction"),
        ((0, 37, -0.1), ValueError, "cut_fraction"),
        ((0, 37, "0.1"), TypeError, "cut_fraction"),
        ((0, 37, 0.1, 0.5), ValueError, "ratio"),
        ((0, 37, 0.1, float("inf")), ValueError, "ratio"),
    ],
)
def test_bad_slanted_triangles(arguments, error, words):
    with pytest.raises(error, match=words):
        slanted_triangular(*arguments)


def weight_sum(model, batch):
    """A loss whose gradient is 1 for each weight: Adam then steps by its learning rate."""
    return sum(p.sum() for p in model.parameters() if p.requires_grad)


def test_training_follows_the_slanted_triangle():
    config = TrainConfig(
        n_steps=37, learning_rate=0.01, schedule="slanted-triangular", clip_norm=None
    )
    model = nn.Linear(1, 1)
    before = model.weight.item()
    train(model, [0], weight_sum, config)
    steps = sum(slanted_triangular(step, 37) for step in range(37))
    assert before - model.weight.item() == pytest.approx(0.01 * steps, rel=1e-4)


@pytest.mark.parametrize("option", [{"warmup": 3}, {"final_fraction": 0.1}])
def test_the_slanted_triangle_has_its_own_warmup_and_end(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        TrainConfig(n_steps=37, schedule="slanted-triangular", **option)


def test_given_groups_keep_their_own_rates_and_the_schedule_multiplies_each():
    model = nn.Sequential(nn.Linear(7, 13), nn.Linear(13, 1))
    before = [p.detach().clone() for p in model.parameters()]
    groups = [
        {"params": list(model[0].parameters()), "lr": 1e-3, "weight_decay": 0.0},
        {"params": list(model[1].parameters()), "lr": 1e-2, "weight_decay": 0.0},
    ]
    config = TrainConfig(n_steps=13, learning_rate=0.5, final_fraction=0.5, clip_norm=None)
    train(model, [0], weight_sum, config, groups=groups)
    steps = sum(warmup_cosine(step, config) for step in range(13))
    for old, new, rate in zip(before, model.parameters(), [1e-3, 1e-3, 1e-2, 1e-2], strict=True):
        expected = torch.full_like(old, rate * steps)
        torch.testing.assert_close(old - new.detach(), expected, rtol=1e-3, atol=1e-6)
    assert [group["lr"] for group in groups] == [1e-3, 1e-2]
    assert all("initial_lr" not in group for group in groups)


def test_groups_take_from_the_config_what_they_do_not_say():
    config = TrainConfig(n_steps=5, learning_rate=0.02, weight_decay=0.3)
    default, same, all_decay = (language_model() for _ in range(3))
    train(default, counting_batches(), CarriedStateLoss(), config)
    groups = [{"params": g["params"]} for g in parameter_groups(same, 0.0)]
    groups[1]["weight_decay"] = 0.0
    train(same, counting_batches(), CarriedStateLoss(), config, groups=groups)
    groups = [{"params": all_decay.parameters()}]  # an iterator: read once
    train(all_decay, counting_batches(), CarriedStateLoss(), config, groups=groups)
    for mine, theirs in zip(default.parameters(), same.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert not torch.equal(default.output.bias, all_decay.output.bias)


def test_groups_that_leave_a_trained_parameter_out_or_bring_one_in():
    model = nn.Sequential(nn.Linear(7, 13), nn.Linear(13, 1))
    some = [{"params": list(model[0].parameters()), "lr": 0.1}]
    with pytest.raises(ValueError, match=r"1\.weight.*in no group"):
        train(model, [0], weight_sum, TrainConfig(n_steps=1), groups=some)
    strange = [{"params": [*model.parameters(), *nn.Linear(1, 1).parameters()]}]
    with pytest.raises(ValueError, match=r"\[1, 1\].*not the model's"):
        train(model, [0], weight_sum, TrainConfig(n_steps=1), groups=strange)
    model[1].requires_grad_(False)
    train(model, [0], weight_sum, TrainConfig(n_steps=1), groups=some)


def test_before_step_is_told_each_step_before_its_loss():
    seen = []

    def loss_function(model, batch):
        seen.append("loss")
        return model.weight.sum()

    config = TrainConfig(n_steps=2)
    train(nn.Linear(1, 1, bias=False), [0], loss_function, config, before_step=seen.append)
    assert seen == [0, "loss", 1, "loss"]


def test_what_an_earlier_training_left_in_frozen_weights_does_not_count_in_the_norm():
    model = nn.Sequential(nn.Linear(7, 13), nn.Linear(13, 1))
    model[0].weight.grad = torch.full((13, 7), 100.0)
    model[0].requires_grad_(False)
    history = train(model, [0], weight_sum, TrainConfig(n_steps=2))
    assert history.gradient_norms == pytest.approx([14**0.5] * 2)


def test_an_optimizer_is_given_the_groups_and_the_numbers_of_the_config():
    seen = {}

    def optimizer(groups, **numbers):
        seen.update(numbers, groups=groups)
        return torch.optim.SGD([p for group in groups for p in group["params"]], lr=0.25)

    model = nn.Linear(3, 1)
    before = model.weight.detach().clone()
    config = TrainConfig(
        n_steps=4,
        learning_rate=0.5,
        beta2=0.7,
        weight_decay=0.3,
        final_fraction=0.5,
        clip_norm=None,
    )
    train(model, [0], weight_sum, config, optimizer=optimizer)
    assert {k: v for k, v in seen.items() if k != "groups"} == {
        "lr": 0.5,
        "betas": (0.9, 0.7),
        "weight_decay": 0.3,
    }
    assert [list(map(id, group["params"])) for group in seen["groups"]] == [
        [id(model.weight)],
        [id(model.bias)],
    ]
    steps = sum(warmup_cosine(step, config) for step in range(4))
    torch.testing.assert_close(before - model.weight, torch.full((1, 3), 0.25 * steps))


def test_adamw_is_the_optimizer_where_none_is_named():
    default, named = language_model(), language_model()
    config = TrainConfig(n_steps=5, learning_rate=0.02, weight_decay=0.3, warmup=2)
    train(default, counting_batches(), CarriedStateLoss(), config)
    adamw = torch.optim.AdamW
    train(named, counting_batches(), CarriedStateLoss(), config, optimizer=adamw)
    for mine, theirs in zip(default.parameters(), named.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_schedule_moves_both_halves_of_muon():
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 1))
    before = [p.detach().clone() for p in model.parameters()]
    groups = muon_groups(model, model[0], muon_rate=0.1, rate=0.01)
    config = TrainConfig(n_steps=13, learning_rate=0.5, final_fraction=0.5, clip_norm=None)
    train(model, [0], weight_sum, config, groups=groups, optimizer=MuonAdamW)
    steps = sum(warmup_cosine(step, config) for step in range(13))
    weight, bias, *last = (
        old - p.detach() for old, p in zip(before, model.parameters(), strict=True)
    )
    for moved in (bias, *last):
        torch.testing.assert_close(moved, torch.full_like(moved, 0.01 * steps))
    # the gradient, all ones, has one singular value; all that Muon changes is its size
    torch.testing.assert_close(weight, weight.mean().expand_as(weight))
    assert 0.68 < weight.mean() * 5 / (0.1 * steps) < 1.21


def test_muon_wants_its_groups():
    with pytest.raises(ValueError, match="muon=True"):
        train(nn.Linear(1, 1), [0], weight_sum, TrainConfig(n_steps=1), optimizer=MuonAdamW)


def loss_after(rate, muon_rate=None, seed=0):
    """A tiny GPT reads a sequence of 13 tokens over and over; the mean of its last 10 losses."""
    torch.manual_seed(seed)
    ids = torch.randint(0, 7, (13,)).repeat(60)
    sizes = {"d_model": 32, "n_heads": 4, "d_ff": 64, "n_layers": 2, "max_len": 24}
    model = GPT(GPTConfig(vocab_size=7, dropout=0.0, **sizes))
    options = {}
    if muon_rate is not None:
        groups = muon_groups(model, model.stack, muon_rate, rate)
        options = {"optimizer": MuonAdamW, "groups": groups}
    config = TrainConfig(n_steps=60, learning_rate=rate)
    batches = random_windows(ids, 8, 24, seed=seed)
    losses = train(model, batches, NextTokenLoss(), config, **options).losses
    assert losses[0] > 0.9 * math.log(7)
    return sum(losses[-10:]) / 10


@pytest.mark.parametrize("seed", [0, 3])
def test_muon_learns_a_repeating_sequence_in_fewer_steps_than_adamw(seed):
    """At the best of three rates for AdamW; measured: less than half of AdamW's loss."""
    adamw = min(loss_after(rate, seed=seed) for rate in (0.003, 0.01, 0.03))
    muon = loss_after(0.01, muon_rate=0.05, seed=seed)
    assert muon < 0.7 * adamw


class Scores(nn.Module):
    """A model with two inputs: scores = (vectors at real steps, summed) W."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(7, 5)

    def forward(self, vectors, mask):
        return self.linear((vectors * mask.unsqueeze(-1)).sum(dim=1))


def test_classification_loss_is_the_cross_entropy_of_what_the_model_makes_of_the_inputs():
    torch.manual_seed(0)
    model, vectors = Scores().double(), torch.randn(13, 3, 7).double()
    mask, labels = torch.rand(13, 3) < 0.5, torch.randint(5, (13,))
    loss = ClassificationLoss()(model, (vectors, mask, labels))
    log_probabilities = model(vectors, mask).log_softmax(dim=-1)
    torch.testing.assert_close(loss, -log_probabilities[torch.arange(13), labels].mean())
    (mine,) = torch.autograd.grad(loss, model.linear.bias)
    expected = (log_probabilities.exp() - F.one_hot(labels, 5)).mean(dim=0)
    torch.testing.assert_close(mine, expected)
    torch.testing.assert_close(
        ClassificationLoss()(model.linear, [vectors[:, 0], labels]),
        F.cross_entropy(model.linear(vectors[:, 0]), labels),
    )


@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        (torch.zeros(13, 7), TypeError, "batch must be a tuple"),
        ((torch.zeros(13, 7),), ValueError, "inputs and labels"),
        ((torch.zeros(13, 7), [0] * 13), TypeError, "labels.*list"),
        ((torch.zeros(13, 7), torch.zeros(13)), TypeError, "labels.*float32"),
        ((torch.zeros(13, 7), torch.zeros(12, dtype=torch.long)), ValueError, r"\[13, 5\].*\[12\]"),
        ((torch.zeros(0, 7), torch.zeros(0, dtype=torch.long)), ValueError, r"\[0, 5\]"),
        ((torch.zeros(13, 7), torch.full((13,), 5)), ValueError, r"n_classes=5.*5 \.\. 5"),
        ((torch.zeros(13, 7), torch.full((13,), -100)), ValueError, "-100"),
    ],
)
def test_bad_labels(batch, error, words):
    with pytest.raises(error, match=words):
        ClassificationLoss()(nn.Linear(7, 5), batch)


def smoothing_case():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(13, 7, VOCAB, generator=generator).double().requires_grad_()
    return logits, torch.randint(0, VOCAB, (13, 7), generator=generator)


def test_smoothed_targets_share_a_part_among_all_tokens():
    wanted = smoothed_targets(torch.tensor([[2, 0]]), 4, 0.1)
    expected = torch.tensor([[[0.025, 0.025, 0.925, 0.025], [0.925, 0.025, 0.025, 0.025]]])
    torch.testing.assert_close(wanted, expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_divergence_is_the_librarys_cross_entropy_less_the_entropy_of_the_targets(smoothing):
    logits, targets = smoothing_case()
    divergence = label_smoothing_divergence(logits, targets, smoothing)
    flat, wanted = logits.flatten(0, 1), smoothed_targets(targets, VOCAB, smoothing)
    library = F.cross_entropy(flat, targets.flatten(), label_smoothing=smoothing)
    entropy = -torch.special.xlogy(wanted, wanted).sum(-1).mean().double()
    torch.testing.assert_close(divergence, library - entropy, atol=1e-6, rtol=0)
    (mine,) = torch.autograd.grad(divergence, logits, retain_graph=True)
    (theirs,) = torch.autograd.grad(library, logits)
    torch.testing.assert_close(mine, theirs, atol=1e-8, rtol=1e-5)


def test_divergence_is_0_where_the_model_says_what_is_asked_for():
    targets = smoothing_case()[1]
    perfect = smoothed_targets(targets, VOCAB, 0.1).double().log()
    assert abs(label_smoothing_divergence(perfect, targets, 0.1).item()) < 1e-6


def test_bad_smoothing_is_refused():
    logits, targets = smoothing_case()
    for smoothing, error in ((1.0, ValueError), (-0.1, ValueError), ("0.1", TypeError)):
        with pytest.raises(error, match="label_smoothing"):
            label_smoothing_divergence(logits, targets, smoothing)
    with pytest.raises(ValueError, match=f"vocab_size={VOCAB}"):
        label_smoothing_divergence(logits, targets + VOCAB, 0.1)
    with pytest.raises(TypeError, match="targets"):
        label_smoothing_divergence(logits, targets.float(), 0.1)
    with pytest.raises(ValueError, match="do not fit"):
        label_smoothing_divergence(logits, targets[:, :-1], 0.1)


def test_state_is_carried_within_an_epoch_and_reset_between_epochs():
    model = language_model()
    loss_function = CarriedStateLoss()
    seen = []

    def spy(model, batch):
        seen.append(None if loss_function.state is None else loss_function.state.clone())
        return loss_function(model, batch)

    spy.reset = loss_function.reset
    train(model, counting_batches(n=3), spy, TrainConfig(n_steps=5))
    assert [s is None for s in seen] == [True, False, False, True, False]


def test_carried_state_equals_one_long_sequence_but_its_gradient_is_cut():
    model = language_model()
    batches = counting_batches(n=2)
    loss_function = CarriedStateLoss()
    losses = [loss_function(model, batch) for batch in batches]
    whole_tokens = torch.cat([b[0] for b in batches], dim=1)
    whole_targets = torch.cat([b[1] for b in batches], dim=1)
    whole = F.cross_entropy(model(whole_tokens)[0].flatten(0, 1), whole_targets.flatten())
    assert torch.stack(losses).mean().item() == pytest.approx(whole.item(), rel=1e-5)
    assert not loss_function.state.requires_grad
    weight = model.recurrent.cells[0].W
    (cut,) = torch.autograd.grad(torch.stack(losses).mean(), weight)
    (full,) = torch.autograd.grad(whole, weight)
    assert (cut - full).norm() > 1e-4 * full.norm()


def test_nll_is_the_mean_over_tokens_of_unequal_batches():
    model = language_model().eval()
    (a, b), (c, d) = counting_batches(n=2)
    with torch.no_grad():
        value = language_model_nll(model, [(a, b), (c[:, :2], d[:, :2])])
        tokens, targets = torch.cat([a, c[:, :2]], 1), torch.cat([b, d[:, :2]], 1)
        expected = F.cross_entropy(model(tokens)[0].flatten(0, 1), targets.flatten())
    assert value == pytest.approx(expected.item(), rel=1e-5)


def test_training_is_repeatable():
    runs = []
    for _ in range(2):
        model = language_model(seed=3)
        train(model, counting_batches(), CarriedStateLoss(), TrainConfig(n_steps=5))
        runs.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.equal(*runs)


def test_a_budget_of_seconds_stops_training_early_and_still_evaluates():
    model = language_model()
    history = train(
        model,
        counting_batches(),
        CarriedStateLoss(),
        TrainConfig(n_steps=10_000),
        evaluate=lambda m: 7.0,
        max_seconds=0.0,
    )
    assert len(history.losses) == 1
    assert history.evaluations == {1: 7.0}


def test_evaluation_happens_in_eval_mode_and_training_goes_on():
    model = nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5))
    modes = []
    train(
        model,
        [torch.ones(3, 2)],
        lambda m, x: (modes.append(m.training), m(x).sum())[1],
        TrainConfig(n_steps=3, evaluate_every=1),
        evaluate=lambda m: float(m.training),
    )
    assert modes == [True, True, True]


@pytest.mark.parametrize(
    "bad",
    [
        {"n_steps": 0},
        {"learning_rate": 0.0},
        {"warmup": -1},
        {"final_fraction": 2.0},
        {"clip_norm": 0.0},
        {"weight_decay": -0.1},
        {"evaluate_every": -5},
        {"n_steps": 2.5},
        {"n_steps": "5"},
        {"learning_rate": float("nan")},
        {"beta2": 1.0},
        {"schedule": "constant"},
        {"warmup": 0, "schedule": "inverse-sqrt"},
    ],
)
def test_bad_config(bad):
    with pytest.raises((ValueError, TypeError), match=next(iter(bad))):
        TrainConfig(**{"n_steps": 5, **bad})


def test_no_batches_and_an_exhausted_generator():
    with pytest.raises(ValueError, match="empty"):
        train(language_model(), [], CarriedStateLoss(), TrainConfig(n_steps=1))
    once = iter(counting_batches(n=1))
    with pytest.raises(ValueError, match="only once"):
        train(language_model(), once, CarriedStateLoss(), TrainConfig(n_steps=2))
    with pytest.raises(ValueError, match="nothing to evaluate"):
        language_model_nll(language_model(), [])


def test_a_loss_that_is_not_finite_names_its_step():
    losses = iter([1.0, float("nan")])
    model = nn.Linear(1, 1)

    def loss_function(model, batch):
        return model.weight.sum() * 0 + next(losses)

    with pytest.raises(ValueError, match="nan at step 1"):
        train(model, [0], loss_function, TrainConfig(n_steps=5))


def test_a_gradient_that_is_not_finite_names_its_step_and_keeps_the_weights():
    model = nn.Linear(1, 1)
    before = model.weight.item()
    with pytest.raises(ValueError, match="nan at step 0"):
        train(model, [0], lambda m, batch: (m.weight * 0).sum().sqrt(), TrainConfig(n_steps=1))
    assert model.weight.item() == before


def test_a_negative_budget():
    with pytest.raises(ValueError, match="max_seconds"):
        train(nn.Linear(1, 1), [0], None, TrainConfig(n_steps=1), max_seconds=-1)


def test_the_inverse_square_root_has_no_final_fraction():
    with pytest.raises(ValueError, match="final_fraction"):
        TrainConfig(n_steps=3, warmup=2, schedule="inverse-sqrt", final_fraction=0.5)
    with pytest.raises(ValueError, match="schedule must be one of"):
        TrainConfig(n_steps=3, schedule=["cosine"])


def test_smoothed_targets_keep_double_precision():
    logits = torch.randn(7, 11, generator=torch.Generator().manual_seed(0)).double()
    targets = torch.arange(7)
    wanted = smoothed_targets(targets, 11, 0.1, torch.float64)
    own = -(wanted * wanted.log()).sum(dim=-1).mean()
    expected = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.1) - own
    found = label_smoothing_divergence(logits, targets, 0.1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    with pytest.raises(ValueError, match="do not fit"):
        label_smoothing_divergence(logits[:0], targets[:0], 0.1)
    with pytest.raises(TypeError):
        label_smoothing_divergence(logits.long(), targets, 0.1)


SENTENCES = [["a", "b", "c", "d"], ["b", "c"], ["d", "c", "b"]]
WORD_IDS = {word: i for i, word in enumerate(["<S>", "</S>", "a", "b", "c", "d"])}


def bidirectional_batch(sentences=SENTENCES, fill=0):
    characters, mask = characters_of(sentences, 8)
    words = torch.full(mask.shape, fill)
    for row, sentence in zip(words, sentences, strict=True):
        ids = [WORD_IDS[word] for word in ["<S>", *sentence, "</S>"]]
        row[: len(ids)] = torch.tensor(ids)
    return characters, mask, words


def elmo(**changes):
    torch.manual_seed(0)
    sizes = {"char_dim": 4, "max_characters": 8, "hidden_size": 16, "projection_size": 8}
    return ELMo(
        ELMoConfig(
            **{
                "filters": ((1, 6), (2, 6)),
                "n_highway": 1,
                "activation": "relu",
                "vocab_size": 6,
                **sizes,
                **changes,
            }
        )
    )


def nll_by_hand(model, sentences=SENTENCES):
    """Sums of -log p over each sentence's targets, one by one, and their number."""
    sums, count = [0.0, 0.0], 0
    for sentence in sentences:
        characters, mask, words = bidirectional_batch([sentence])
        forward, backward = (logits[0].log_softmax(-1) for logits in model(characters, mask))
        last = len(sentence) + 1
        for t in range(last):
            sums[0] -= forward[t, words[0, t + 1]].item()  # ... the end mark is the last
            sums[1] -= backward[t + 1, words[0, t]].item()  # the begin mark is the first
        count += last
    return sums, count


@pytest.mark.parametrize("fill", [0, -100])
def test_bidirectional_loss_is_the_mean_over_both_directions_and_all_real_targets(fill):
    model = elmo().eval()
    batch = bidirectional_batch(fill=fill)
    sums, count = nll_by_hand(model)
    assert count == 5 + 3 + 4
    loss = BidirectionalLMLoss()(model, batch)
    assert loss.item() == pytest.approx(sum(sums) / (2 * count), rel=1e-5)
    with torch.no_grad():
        forward, backward = bidirectional_nll(model, [batch])
    assert forward == pytest.approx(sums[0] / count, rel=1e-5)
    assert backward == pytest.approx(sums[1] / count, rel=1e-5)
    halves = [bidirectional_batch(SENTENCES[:1]), bidirectional_batch(SENTENCES[1:])]
    weighted = bidirectional_nll(model, halves)  # batches count by their targets
    assert weighted == pytest.approx((forward, backward), rel=1e-5)


def test_a_bidirectional_model_learns_down_to_what_cannot_be_known():
    """Only a sentence's first word (seen from the left) and its last (from the right) vary."""
    batch = bidirectional_batch()
    config = TrainConfig(n_steps=150, learning_rate=0.02)
    model = elmo()
    history = train(model, [batch], BidirectionalLMLoss(), config)
    assert history.losses[0] > 1.5
    floor = 3 * math.log(3) / 12  # three sentences begin, and end, in three ways
    assert history.losses[-1] == pytest.approx(floor, abs=0.03)
    assert bidirectional_nll(model, [batch]) == pytest.approx((floor, floor), abs=0.03)


def test_bad_bidirectional_batches():
    model, loss_function = elmo(), BidirectionalLMLoss()
    characters, mask, words = bidirectional_batch()
    with pytest.raises(ValueError, match="words must have shape"):
        loss_function(model, (characters, mask, words[:, 1:]))
    with pytest.raises(ValueError, match="mask must have shape"):
        loss_function(model, (characters, mask[:, 1:], words))
    with pytest.raises(TypeError, match="mask must be a bool"):
        loss_function(model, (characters, mask.long(), words))
    with pytest.raises(ValueError, match="vocab_size=6"):
        loss_function(model, (characters, mask, words + 1))
    with pytest.raises(TypeError, match="int64"):
        loss_function(model, (characters, mask, words.float()))
    with pytest.raises(ValueError, match="no two words follow"):
        loss_function(model, (characters, mask & (torch.arange(6) == 0), words))
    with pytest.raises(ValueError, match="vocab_size is None"):
        loss_function(elmo(vocab_size=None), (characters, mask, words))
    with pytest.raises(ValueError, match="nothing to evaluate"):
        bidirectional_nll(model, [])

"""The training loop, its schedule, and the loss that carries a recurrent state."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nlp_helpers.models.recurrent_lm import RecurrentLM
from nlp_helpers.models.rnn import RNN
from nlp_helpers.training import (
    CarriedStateLoss,
    TrainConfig,
    label_smoothing_divergence,
    language_model_nll,
    paper_step_size,
    parameter_groups,
    smoothed_targets,
    train,
    warmup_cosine,
    warmup_inverse_sqrt,
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
        {"schedule": "linear"},
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

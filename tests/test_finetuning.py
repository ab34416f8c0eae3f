"""Fine-tuning in layer groups: rates that fall downwards, layers that open from the top."""

import itertools

import pytest
import torch
from torch import nn

from nlp_helpers import training
from nlp_helpers.finetuning import (
    discriminative_groups,
    discriminative_rates,
    fine_tune,
    unfreeze_from_top,
)
from nlp_helpers.models.char_cnn import characters_of
from nlp_helpers.models.elmo import ELMo
from nlp_helpers.models.elmo_config import ELMoConfig
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.models.recurrent_lm import RecurrentLM
from nlp_helpers.models.text_classifier import BiLMClassifier
from nlp_helpers.training import (
    CarriedStateLoss,
    ClassificationLoss,
    TrainConfig,
    evaluated,
    parameter_groups,
    slanted_triangular,
    train,
)

WIDTH = 7


def stack(n_layers=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(n_layers)))


def batches(n=13):
    torch.manual_seed(1)
    return [(torch.randn(5, WIDTH), torch.randint(WIDTH, (5,))) for _ in range(n)]


def values(module):
    return [p.detach().clone() for p in module.parameters()]


def flags(model):
    return [p.requires_grad for p in model.parameters()]


def same(module, before):
    return all(torch.equal(p, old) for p, old in zip(module.parameters(), before, strict=True))


# Discriminative rates


def test_each_group_below_has_the_rate_above_it_over_the_factor():
    rates = discriminative_rates(4, 0.01)
    assert rates[-1] == 0.01
    for below, above in itertools.pairwise(rates):
        assert below == pytest.approx(above / 2.6, rel=1e-12)
    assert discriminative_rates(3, 0.5, factor=1) == [0.5] * 3
    assert discriminative_rates(1, 0.5) == [0.5]


def test_groups_come_one_a_layer_from_the_bottom_to_the_top():
    model = stack()
    groups = discriminative_groups(list(model), 0.01)
    assert [g["lr"] for g in groups] == pytest.approx([0.01 / 2.6**2, 0.01 / 2.6, 0.01])
    assert [g["layer"] for g in groups] == [0, 1, 2]
    assert all(g["weight_decay"] == 0.0 for g in groups)
    for layer, group in zip(model, groups, strict=True):
        assert [id(p) for p in group["params"]] == [id(p) for p in layer.parameters()]


def test_with_weight_decay_matrices_decay_and_vectors_do_not():
    model = stack(2)
    groups = discriminative_groups([model[0], [model[1].bias]], 0.01, factor=2, weight_decay=0.1)
    found = [(g["layer"], g["lr"], g["weight_decay"], len(g["params"])) for g in groups]
    assert found == [(0, 0.005, 0.1, 1), (0, 0.005, 0.0, 1), (1, 0.01, 0.0, 1)]
    assert groups[0]["params"][0] is model[0].weight
    assert groups[1]["params"][0] is model[0].bias


def test_layer_groups_may_be_modules_parameters_and_lists_of_both():
    model = stack(4)
    shapes = [
        model[0].weight,
        [model[0].bias, model[1]],
        (model[2],),
        nn.ModuleList([model[3]]),
    ]
    groups = discriminative_groups(shapes, 0.01)
    assert [len(g["params"]) for g in groups] == [1, 3, 2, 2]
    unfreeze_from_top(shapes, 2)
    assert flags(model) == [False] * 4 + [True] * 4
    assert [len(g["params"]) for g in discriminative_groups([model.parameters()], 0.01)] == [8]


def tied():
    model = stack()
    model[2].weight = model[0].weight
    return list(model)


@pytest.mark.parametrize(
    ("groups", "error", "words"),
    [
        (list, ValueError, "at least one"),
        (stack, TypeError, "layer_groups must be a list.*Sequential"),
        (lambda: [stack(), nn.ReLU()], ValueError, "layer group 1 has no parameters"),
        (lambda: [[], stack()], ValueError, "layer group 0 has no parameters"),
        (lambda: [stack(), "head"], TypeError, "layer group 1.*str"),
        (lambda: [stack(), 3], TypeError, "layer group 1.*int"),
        (lambda: [[torch.zeros(3, 2)]], TypeError, "layer group 0.*Tensor"),
        (lambda: [torch.zeros(3, 2)], TypeError, "layer group 0.*Tensor"),
        (tied, ValueError, r"\[7, 7\] is in layer groups 0 and 2"),
        (lambda: [[layer, layer] for layer in stack(1)], ValueError, r"layer groups 0 and 0"),
    ],
)
def test_bad_layer_groups(groups, error, words):
    calls = [
        lambda: discriminative_groups(groups(), 0.01),
        lambda: unfreeze_from_top(groups(), 1),
        lambda: tune(stack(), groups=groups()),
    ]
    for call in calls:
        with pytest.raises(error, match=words):
            call()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"learning_rate": 0.0}, ValueError, "learning_rate"),
        ({"learning_rate": "0.1"}, TypeError, "learning_rate"),
        ({"factor": 0.9}, ValueError, r"factor must be in \[1, inf\), got 0.9"),
        ({"factor": float("nan")}, ValueError, "factor"),
        ({"factor": float("inf")}, ValueError, "factor"),
        ({"weight_decay": -0.1}, ValueError, "weight_decay"),
    ],
)
def test_bad_rates(options, error, words):
    with pytest.raises(error, match=words):
        discriminative_groups(list(stack()), **{"learning_rate": 0.01, **options})


def test_bad_number_of_rates():
    with pytest.raises(ValueError, match="n_groups must be at least 1, got 0"):
        discriminative_rates(0, 0.01)
    with pytest.raises(ValueError, match="factor"):
        discriminative_rates(3, 0.01, factor=0.5)


# Unfreezing


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_unfreezing_opens_the_top_and_closes_the_rest(n):
    model = stack()
    unfreeze_from_top(list(model), n)
    assert flags(model) == [False] * 2 * (3 - n) + [True] * 2 * n
    unfreeze_from_top(list(model), 3)
    assert all(flags(model))


@pytest.mark.parametrize(("n", "error"), [(-1, ValueError), (4, ValueError), (1.0, TypeError)])
def test_bad_number_of_open_groups(n, error):
    model = stack()
    with pytest.raises(error, match="n must be"):
        unfreeze_from_top(list(model), n)
    assert all(flags(model))


# Fine-tuning


def tune(model, groups=None, n_steps=37, unfreeze_every=5, loss=None, **options):
    """Fine-tune a stack, one group a layer, without clipping."""
    settings = {"n_steps": n_steps, "learning_rate": 0.01, "clip_norm": None}
    config = TrainConfig(**{**settings, **options.pop("config", {})})
    groups = list(model) if groups is None else groups
    loss = ClassificationLoss() if loss is None else loss
    return fine_tune(model, batches(), loss, groups, config, unfreeze_every, **options)


class Watched(ClassificationLoss):
    """A loss that notes, before each step, what is open and what has changed since the start."""

    def __init__(self, model):
        self.model, self.first, self.open, self.changed = model, [], [], []
        self.first = [values(layer) for layer in model]

    def __call__(self, model, batch):
        self.open.append([all(p.requires_grad for p in layer.parameters()) for layer in model])
        pairs = zip(model, self.first, strict=True)
        self.changed.append([not same(layer, before) for layer, before in pairs])
        return super().__call__(model, batch)


def test_one_group_more_opens_at_a_time_from_the_top():
    model = stack()
    watched = Watched(model)
    history = tune(model, loss=watched)
    assert len(history.losses) == 37
    for step, is_open in enumerate(watched.open):
        assert is_open == [step >= 10, step >= 5, True]
    for step, has_changed in enumerate(watched.changed):
        assert has_changed == [step > 10, step > 5, step > 0]


@pytest.fixture
def optimizers(monkeypatch):
    """The optimizers that training makes, in a list."""
    made = []

    class Spy(torch.optim.AdamW):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(training.torch.optim, "AdamW", Spy)
    return made


def test_what_is_frozen_keeps_its_values_adams_state_and_does_not_decay(optimizers):
    model = stack()
    watched = Watched(model)
    counts = []

    def loss(model, batch):
        (optimizer,) = optimizers
        states = [optimizer.state.get(layer.weight, {}) for layer in model]
        counts.append([int(s["step"]) if s else None for s in states])
        return watched(model, batch)

    tune(model, loss=loss, config={"weight_decay": 0.5})
    assert watched.changed[10] == [False, True, True]
    for step, (bottom, middle, top) in enumerate(counts):
        assert bottom == (step - 10 if step > 10 else None)
        assert middle == (step - 5 if step > 5 else None)
        assert top == (step if step > 0 else None)
    assert len(optimizers) == 1


def test_a_group_that_is_never_opened_is_untouched_bit_by_bit():
    """A parameter in no group is frozen from the first step to the last."""
    model = stack()
    model[0].weight.grad = torch.ones(WIDTH, WIDTH)
    before = values(model[0])
    tune(model, groups=[model[1], model[2]], config={"weight_decay": 0.5})
    assert same(model[0], before)
    assert all(flags(model))


def test_the_language_model_itself_is_tuned_with_all_groups_open():
    """Before it becomes a classifier: small steps further down, no gradual unfreezing."""
    torch.manual_seed(5)
    lm = RecurrentLM(13, LSTM(7, 11, n_layers=2))
    groups = [lm.embedding, *lm.recurrent.cells, lm.output]
    before = [values(group) for group in groups]
    ids = (torch.arange(38) + torch.arange(3).unsqueeze(1)) % 13
    data = [(ids[:, i : i + 7], ids[:, i + 1 : i + 8]) for i in range(0, 35, 7)]
    config = TrainConfig(n_steps=5, learning_rate=0.01, schedule="slanted-triangular")
    history = fine_tune(lm, data, CarriedStateLoss(), groups, config, unfreeze_every=0)
    assert history.losses[-1] < history.losses[0]
    moved = [
        torch.cat([(p - b).abs().flatten() for p, b in zip(g.parameters(), old, strict=True)])
        for g, old in zip(groups, before, strict=True)
    ]
    largest = [m.max().item() for m in moved]
    assert all(0 < below < above for below, above in itertools.pairwise(largest))


def test_steps_are_as_large_as_the_schedule_and_the_depth_say():
    """With a gradient of 1 everywhere, each step of Adam is its learning rate."""
    model = stack()
    before = [values(layer) for layer in model]

    def loss(model, batch):
        return sum(p.sum() for p in model.parameters() if p.requires_grad)

    tune(model, loss=loss, config={"schedule": "slanted-triangular"}, factor=2)
    for layer, (first_step, rate) in enumerate([(10, 0.0025), (5, 0.005), (0, 0.01)]):
        moved = rate * sum(slanted_triangular(step, 37) for step in range(first_step, 37))
        for old, new in zip(before[layer], model[layer].parameters(), strict=True):
            expected = torch.full_like(old, moved)
            torch.testing.assert_close(old - new.detach(), expected, rtol=1e-3, atol=1e-6)


def test_all_open_from_the_start_at_one_rate_is_ordinary_training():
    mine, theirs = stack(), stack()
    config = {"weight_decay": 0.1, "clip_norm": 0.5, "warmup": 3}
    history = tune(mine, n_steps=7, unfreeze_every=0, factor=1, config=config)
    config = TrainConfig(n_steps=7, learning_rate=0.01, **config)
    expected = train(theirs, batches(), ClassificationLoss(), config)
    assert history.losses == pytest.approx(expected.losses, rel=1e-5)
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_group_opens_each_epoch_unless_told_otherwise():
    model = stack()
    watched = Watched(model)
    tune(model, loss=watched, unfreeze_every=None)
    assert [sum(is_open) for is_open in watched.open] == [1] * 13 + [2] * 13 + [3] * 11


def test_flags_come_back_as_they_were():
    model = stack()
    model[1].bias.requires_grad_(False)
    before = flags(model)
    tune(model)
    assert flags(model) == before
    assert not model.training


def test_flags_come_back_after_an_error_too():
    model = stack()
    model[2].weight.requires_grad_(False)
    before = flags(model)
    calls = []

    def loss(model, batch):
        calls.append(flags(model))
        if len(calls) == 8:
            raise RuntimeError("out of paper")
        return ClassificationLoss()(model, batch)

    with pytest.raises(RuntimeError, match="out of paper"):
        tune(model, loss=loss)
    assert calls[0] == [False] * 4 + [True] * 2
    assert calls[7] == [False] * 2 + [True] * 4
    assert flags(model) == before


def test_evaluation_happens_when_the_config_says():
    history = tune(stack(), evaluate=lambda model: 7.0, config={"evaluate_every": 13})
    assert history.evaluations == {13: 7.0, 26: 7.0, 37: 7.0}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"unfreeze_every": -1}, ValueError, "unfreeze_every must be at least 0"),
        ({"unfreeze_every": 2.5}, TypeError, "unfreeze_every"),
        ({"n_steps": 10}, ValueError, "n_steps=10.*3 layer groups.*step 10"),
        ({"unfreeze_every": None, "n_steps": 26}, ValueError, "n_steps=26.*step 26"),
        ({"factor": 0.5}, ValueError, "factor"),
    ],
)
def test_bad_options_change_nothing(options, error, words):
    model = stack()
    before = values(model)
    with pytest.raises(error, match=words):
        tune(model, **options)
    assert same(model, before) and all(flags(model))


def test_groups_of_another_model():
    model, other = stack(), stack()
    with pytest.raises(ValueError, match="not the model's"):
        tune(model, groups=[*model, other[0]])
    assert all(flags(model)) and all(flags(other))


def test_batches_without_a_length_need_a_number():
    model, config = stack(), TrainConfig(n_steps=3)
    with pytest.raises(TypeError, match=r"unfreeze_every.*generator"):
        fine_tune(model, (b for b in batches()), ClassificationLoss(), list(model), config)
    with pytest.raises(ValueError, match="empty"):
        fine_tune(model, [], ClassificationLoss(), list(model), config)
    fine_tune(model, (b for b in batches()), ClassificationLoss(), list(model), config, 1)


def test_a_bilm_becomes_a_classifier_that_fits_a_separable_set():
    """A sentence is of class 1 where one word stands in it, at whatever place."""
    torch.manual_seed(4)
    words = torch.randint(4, 13, (37, 7))
    labels = torch.arange(37) % 2
    words[torch.arange(37), torch.randint(7, (37,))] = torch.where(labels == 1, 3, 4)
    spelled = [["abcdefghijklm"[word] for word in row] for row in words.tolist()]
    tokens, mask = characters_of(spelled, 5)
    settings = ELMoConfig(
        char_dim=8,
        filters=((1, 32),),
        n_highway=0,
        activation="relu",
        max_characters=5,
        hidden_size=32,
        projection_size=16,
    )
    model = BiLMClassifier(ELMo(settings), 2)
    config = TrainConfig(n_steps=80, learning_rate=0.03, schedule="slanted-triangular")
    data = [(tokens[:20], mask[:20], labels[:20]), (tokens[20:], mask[20:], labels[20:])]
    history = fine_tune(
        model,
        data,
        ClassificationLoss(),
        model.layer_groups(),
        config,
        evaluate=lambda m: (m(tokens, mask).argmax(dim=-1) == labels).double().mean().item(),
    )
    assert history.losses[0] == pytest.approx(0.69, abs=0.1)
    assert history.losses[-1] < 0.05
    assert history.evaluations == {80: 1.0}
    accuracy = evaluated(model, lambda m: (m(tokens, mask).argmax(-1) == labels).double().mean())
    assert accuracy == 1.0


def test_ordinary_groups_and_discriminative_ones_of_factor_1_hold_the_same():
    model = stack()
    ours = discriminative_groups(list(model), 0.01, factor=1, weight_decay=0.1)
    decay = {id(p): g["weight_decay"] for g in parameter_groups(model, 0.1) for p in g["params"]}
    assert {id(p): g["weight_decay"] for g in ours for p in g["params"]} == decay

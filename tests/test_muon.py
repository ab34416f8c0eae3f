"""Muon and AdamW in one optimizer: against torch's own, and with its state saved and loaded."""

import copy
import io
import math

import pytest
import torch
from torch import nn

from nlp_helpers.models.gpt import GPT
from nlp_helpers.models.gpt_config import GPTConfig
from nlp_helpers.muon import COEFFICIENTS, MuonAdamW, muon_groups, orthogonalized, same_shape

LOW, HIGH, SMALLEST, GROWTH = 0.68, 1.21, 0.0016, 485  # as the docstring of orthogonalized says


def random_matrix(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def with_singular_values(values, m, n):
    """A matrix [m, n] that has these singular values."""
    U = torch.linalg.qr(random_matrix(m, len(values), seed=1)).Q
    V = torch.linalg.qr(random_matrix(n, len(values), seed=2)).Q
    return U @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ V.T


# ---------------------------------------------------------------- orthogonalized


@pytest.mark.parametrize("n_iterations", [1, 5])
@pytest.mark.parametrize(
    "shape", [(7, 7), (7, 13), (13, 7), (1, 5), (5, 1), (3, 5, 11), (2, 3, 9, 4)]
)
def test_only_the_singular_values_change_each_by_the_polynomial(shape, n_iterations):
    matrices = random_matrix(*shape)
    U, S, Vh = torch.linalg.svd(matrices, full_matrices=False)
    expected = S / S.square().sum(-1, keepdim=True).sqrt()
    a, b, c = COEFFICIENTS
    for _ in range(n_iterations):
        expected = a * expected + b * expected**3 + c * expected**5
    found = orthogonalized(matrices, n_iterations)
    assert found.shape == matrices.shape and found.dtype == matrices.dtype
    wanted = U @ torch.diag_embed(expected) @ Vh
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(50, 50), (32, 128), (128, 32), (1, 5), (3, 64, 48)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_singular_values_come_into_the_range(shape, dtype, scale):
    matrices = scale * random_matrix(*shape)
    before = torch.linalg.svdvals(matrices)
    enough = before >= SMALLEST * before.norm(dim=-1, keepdim=True)
    values = torch.linalg.svdvals(orthogonalized(matrices.to(dtype)))
    assert enough.double().mean() > 0.95
    assert values.max() < HIGH
    assert values[enough].min() > LOW - 1e-4


def test_the_range_is_what_five_iterations_make_of_every_singular_value():
    """Over all of [0, 1]; the bounds of the docstring are rounded, and no wider than that."""
    x = torch.cat([torch.logspace(-9, 0, 100_000).double(), torch.linspace(0, 1, 100_000).double()])
    y, (a, b, c) = x, COEFFICIENTS
    for _ in range(5):
        y = a * y + b * y**3 + c * y**5
    inside = y[x >= SMALLEST]
    assert LOW < inside.min() < LOW + 0.01
    assert HIGH - 0.01 < inside.max() < HIGH
    assert y.min() >= 0 and y.max() < HIGH
    assert y[(x > 0.0014) & (x < 0.0015)].min() < LOW  # below the smallest it is too little
    assert GROWTH - 1 < (y[x > 0] / x[x > 0]).max() < GROWTH


@pytest.mark.parametrize("shape", [(4, 9), (9, 4)])
def test_nearly_singular_matrices_keep_their_vectors_and_small_values_grow(shape):
    values = [1.0, 0.5, 0.01, 1e-6]
    matrix = with_singular_values(values, *shape)
    found = orthogonalized(matrix)
    U, S, Vh = torch.linalg.svd(matrix, full_matrices=False)
    inside = U.T @ found @ Vh.T  # S as the iteration has changed it
    after = inside.diagonal()
    torch.testing.assert_close(inside, torch.diag(after), rtol=0, atol=1e-8)
    assert (after[:3] > LOW).all() and (after[:3] < HIGH).all()
    assert after[3] == pytest.approx(GROWTH * 1e-6 / S.norm().item(), rel=1e-3)


def test_of_a_matrix_of_rank_1_the_other_directions_stay_empty():
    matrix = torch.outer(random_matrix(7)[:], random_matrix(5, seed=1))
    values = torch.linalg.svdvals(orthogonalized(matrix))
    assert LOW < values[0] < HIGH
    assert values[1:].max() < 1e-10


def test_an_orthogonal_matrix_keeps_its_directions():
    matrix = torch.linalg.qr(random_matrix(8, 8)).Q
    found = orthogonalized(matrix)
    scale = (found * matrix).sum() / 8
    torch.testing.assert_close(found, scale * matrix, rtol=0, atol=1e-6)
    assert LOW < scale < HIGH


def test_zeros_stay_zeros_and_the_matrices_are_left_as_they_are():
    assert torch.equal(orthogonalized(torch.zeros(3, 5)), torch.zeros(3, 5))
    matrices = random_matrix(2, 5, 3)
    before = matrices.clone()
    orthogonalized(matrices)
    assert torch.equal(matrices, before)


def test_a_batch_is_its_matrices_one_by_one():
    matrices = random_matrix(3, 7, 5)
    matrices[1] *= 1000
    expected = torch.stack([orthogonalized(matrix) for matrix in matrices])
    torch.testing.assert_close(orthogonalized(matrices), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((torch.zeros(3),), ValueError, r"\[\.\.\., m, n\], got \[3\]"),
        ((torch.zeros(3, 3), 0), ValueError, "n_iterations must be at least 1, got 0"),
        ((torch.zeros(3, 3), 2.0), TypeError, "n_iterations"),
        ((torch.zeros(3, 3).long(),), TypeError, "int64"),
        (([[1.0]],), TypeError, "list"),
    ],
)
def test_bad_matrices(arguments, error, words):
    with pytest.raises(error, match=words):
        orthogonalized(*arguments)


# ---------------------------------------------------------------- one step after the other

SHAPES = [(7, 13), (13, 7), (7, 13), (5, 5), (7, 13), (1, 9), (9, 1)]


def parameters(shapes=SHAPES, dtype=torch.float64):
    return [nn.Parameter(random_matrix(*s, seed=i).to(dtype)) for i, s in enumerate(shapes)]


def put_gradients(step, *lists, without=()):
    """The same gradients for each list; None for those that are to have none in this step."""
    for mine in lists:
        for i, p in enumerate(mine):
            gradient = random_matrix(*p.shape, seed=1000 + 100 * step + i).to(p.dtype)
            p.grad = None if i in without else gradient


def muon(mine, **options):
    numbers = {"lr": 0.02, "weight_decay": 0.1, **options}
    return MuonAdamW([{"params": mine, "muon": True}], **numbers)


@pytest.fixture
def exact_muon(monkeypatch):
    """torch.optim.Muon without its rounding to bfloat16 (it divides the copy in place)."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    return torch.optim.Muon


NUMBERS = [
    {},
    {"weight_decay": 0.0},
    {"momentum": 0.5},
    {"momentum": 0.0},
    {"lr": 0.3, "weight_decay": 0.5, "momentum": 0.9},
]


@pytest.mark.parametrize("numbers", NUMBERS)
def test_steps_are_those_of_torch(exact_muon, numbers):
    """Shapes tall, wide, square and a single row or column; some of them several times."""
    mine, theirs = parameters(), parameters()
    numbers = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.95} | numbers
    ours, reference = muon(mine, **numbers), exact_muon(theirs, **numbers, nesterov=True)
    for step in range(5):
        put_gradients(step, mine, theirs)
        ours.step()
        reference.step()
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)
    moved = [(a - b).abs().max() for a, b in zip(mine, parameters(), strict=True)]
    assert min(moved) > 0.01


def test_the_number_of_iterations_is_torchs_too(exact_muon):
    mine, theirs = parameters(), parameters()
    ours, reference = muon(mine, n_iterations=2), exact_muon(theirs, lr=0.02, ns_steps=2)
    put_gradients(0, mine, theirs)
    ours.step()
    reference.step()
    torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)


def test_torchs_own_steps_differ_by_the_rounding_of_bfloat16():
    mine, theirs = parameters(dtype=torch.float32), parameters(dtype=torch.float32)
    ours, reference = muon(mine), torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1)
    start = [p.detach().clone() for p in mine]
    for step in range(5):
        put_gradients(step, mine, theirs)
        ours.step()
        reference.step()
    for a, b, before in zip(mine, theirs, start, strict=True):
        assert (a - b).norm() < 0.03 * (a - before).norm()


@pytest.mark.parametrize("shape", [(13, 7), (7, 13)])
def test_a_step_by_hand(shape):
    (p,) = parameters([shape])
    before = p.detach().clone()
    optimizer = muon([p], lr=0.1, weight_decay=0.5, momentum=0.9)
    put_gradients(0, [p])
    optimizer.step()
    average = 0.1 * p.grad
    direction = orthogonalized(0.1 * p.grad + 0.9 * average)
    expected = before * (1 - 0.1 * 0.5) - 0.1 * math.sqrt(max(1, shape[0] / shape[1])) * direction
    torch.testing.assert_close(p.detach(), expected)


def test_the_length_of_a_gradient_does_not_matter():
    mine, others = parameters(), parameters()
    optimizers = muon(mine), muon(others)
    for step in range(3):
        put_gradients(step, mine, others)
        for p in others:
            p.grad *= 1000
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(mine, others, rtol=1e-6, atol=1e-7)


# ---------------------------------------------------------------- parameters without gradients


def test_each_matrix_keeps_its_own_average_when_some_have_no_gradient(exact_muon):
    """Of the three of one shape, another one is left out each time, the first one too."""
    mine, theirs = parameters(), parameters()
    ours = muon(mine)
    reference = exact_muon(theirs, lr=0.02, weight_decay=0.1)
    for step, without in enumerate([(), (2,), (0,), (0, 4), (0, 2, 4), (1, 3), (4,), ()]):
        put_gradients(step, mine, theirs, without=without)
        before = [p.detach().clone() for p in mine]
        ours.step()
        reference.step()
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)
        kept = {i for i, p in enumerate(mine) if torch.equal(p, before[i])}
        assert kept == set(without)


def test_no_gradients_at_all_move_nothing():
    model = mlp()
    optimizer = both(model)
    before = copy.deepcopy(model.state_dict())
    optimizer.step()
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())


def test_same_shape_tells_shapes_and_dtypes_apart():
    a, b, c = parameters([(3, 5), (5, 3), (3, 5)])
    d = nn.Parameter(torch.zeros(3, 5))
    put_gradients(0, [a, b, c, d], without=(2,))
    assert [[id(p) for p in part] for part in same_shape([a, b, c, d])] == [
        [id(a)],
        [id(b)],
        [id(d)],
    ]
    c.grad = a.grad
    assert [len(part) for part in same_shape([a, b, c, d])] == [2, 1, 1]


def test_matrices_of_two_dtypes():
    a, b = parameters([(3, 5), (3, 5)])
    b.data = b.data.float()
    optimizer = muon([a, b])
    put_gradients(0, [a, b])
    optimizer.step()
    assert (a.dtype, b.dtype) == (torch.float64, torch.float32)


# ---------------------------------------------------------------- the AdamW half


def mlp(dtype=torch.float64):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(11, 6), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.Linear(6, 5)
    )
    return model.to(dtype)


def both(model, muon_rate=0.02, rate=0.01, weight_decay=0.1, **options):
    """MuonAdamW for a small model: the first two linear layers are its hidden part."""
    groups = muon_groups(model, model[1:4], muon_rate, rate, weight_decay=weight_decay)
    return MuonAdamW(groups, **options)


def walk(model, optimizer, steps, schedule=None):
    for step in steps:
        optimizer.zero_grad()
        tokens = (torch.arange(9) * (step + 1)) % 11
        nn.functional.cross_entropy(model(tokens), tokens % 5).backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.8, 0.5)])
def test_both_halves_are_torchs_optimizers(exact_muon, betas):
    model, twin = mlp(), mlp()
    optimizer = both(model, betas=betas)
    matrices = [twin[1].weight, twin[3].weight]
    vectors = [p for p in twin.parameters() if p.dim() == 1]
    others = [twin[0].weight, twin[4].weight]
    references = (
        exact_muon(matrices, lr=0.02, weight_decay=0.0),
        torch.optim.AdamW(
            [
                {"params": others, "weight_decay": 0.1},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=0.01,
            betas=betas,
        ),
    )
    for step in range(7):
        walk(model, optimizer, [step])
        twin.zero_grad()
        tokens = (torch.arange(9) * (step + 1)) % 11
        nn.functional.cross_entropy(twin(tokens), tokens % 5).backward()
        for reference in references:
            reference.step()
    for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)


def test_a_groups_own_numbers_win_over_the_optimizers():
    a, b, c, d = parameters([(3, 5), (5, 3), (4,), (4,)])
    optimizer = MuonAdamW(
        [
            {"params": [a], "muon": True, "lr": 0.5, "momentum": 0.0},
            {"params": iter([b]), "muon": True},
            {"params": [c], "weight_decay": 0.5},
            {"params": [d], "lr": 0.25, "betas": (0.5, 0.6)},
        ],
        lr=0.125,
        weight_decay=0.25,
    )
    names = ("lr", "weight_decay", "momentum", "betas")
    found = [tuple(group[name] for name in names) for group in optimizer.param_groups]
    assert found == [
        (0.5, 0.25, 0.0, (0.9, 0.999)),
        (0.125, 0.25, 0.95, (0.9, 0.999)),
        (0.125, 0.5, 0.95, (0.9, 0.999)),
        (0.25, 0.25, 0.95, (0.5, 0.6)),
    ]
    before = [p.detach().clone() for p in (a, b, c, d)]
    put_gradients(0, [a, b, c, d])
    optimizer.step()
    rows = zip(found, (a, b, c, d), before, strict=True)
    steps = [q * (1 - lr * decay) - p for (lr, decay, *_), p, q in rows]
    torch.testing.assert_close(steps[0], 0.5 * orthogonalized(a.grad))
    torch.testing.assert_close(steps[1], 0.125 * (5 / 3) ** 0.5 * orthogonalized(b.grad))
    torch.testing.assert_close(steps[2], 0.125 * c.grad.sign(), rtol=1e-5, atol=0)  # Adam's first
    torch.testing.assert_close(steps[3], 0.25 * d.grad.sign(), rtol=1e-5, atol=0)


def test_the_groups_that_were_given_are_not_written_into():
    model = mlp()
    groups = muon_groups(model, model[1:4], 0.02, 0.01)
    before = [dict(group) for group in groups]
    walk(model, MuonAdamW(groups), range(2))
    assert [group.keys() for group in groups] == [group.keys() for group in before]


def test_muon_alone_needs_no_adamw():
    optimizer = muon(parameters())
    assert optimizer.adamw is None and len(optimizer.param_groups) == 1


def test_a_schedule_moves_all_groups():
    model = mlp()
    optimizer = both(model, muon_rate=0.5, rate=0.25)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))
    for n in (1, 2, 3):
        assert [group["lr"] for group in optimizer.param_groups] == [0.5 / n, 0.25 / n, 0.25 / n]
        walk(model, optimizer, [n], schedule)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
    before = copy.deepcopy(model.state_dict())
    walk(model, optimizer, range(2), schedule)
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())


def test_zero_grad_reaches_all_parameters():
    model = mlp()
    optimizer = both(model)
    walk(model, optimizer, [0])
    assert all(p.grad is not None for p in model.parameters())
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    walk(model, optimizer, [0])
    optimizer.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in model.parameters())


def test_a_closure_is_called_with_gradients():
    model, twin = mlp(), mlp()
    optimizer = both(model)
    tokens = torch.arange(9)

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tokens), tokens % 5)
        loss.backward()
        return loss

    expected = nn.functional.cross_entropy(twin(tokens), tokens % 5)
    assert optimizer.step(closure).item() == pytest.approx(expected.item())
    walk(twin, both(twin), [0])
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True)
    )
    assert optimizer.step() is None


def test_a_group_that_is_added_later_is_trained():
    model = mlp()
    matrices = [p for p in model[1:4].parameters() if p.dim() == 2]
    optimizer = muon(matrices)
    optimizer.add_param_group({"params": model[4].parameters(), "lr": 0.01})
    before = copy.deepcopy(model.state_dict())
    walk(model, optimizer, range(2))
    moved = {name for name, p in model.state_dict().items() if not torch.equal(p, before[name])}
    assert moved == {"1.weight", "3.weight", "4.weight", "4.bias"}
    with pytest.raises(ValueError, match="lr"):
        optimizer.add_param_group({"params": model[0].parameters(), "lr": -1.0})


# ---------------------------------------------------------------- saving and loading


def decaying(optimizer):
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.8**step)


def state_to_file_and_back(*parts):
    file = io.BytesIO()
    torch.save([part.state_dict() for part in parts], file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_training_goes_on_exactly_after_loading():
    model = mlp()
    optimizer = both(model)
    schedule = decaying(optimizer)
    walk(model, optimizer, range(4), schedule)
    saved = state_to_file_and_back(model, optimizer, schedule)
    walk(model, optimizer, range(4, 9), schedule)

    again = mlp()
    other = both(again, muon_rate=0.5, rate=0.5)  # its rates are loaded as well
    later = decaying(other)
    for part, state in zip((again, other, later), saved, strict=True):
        part.load_state_dict(state)
    walk(again, other, range(4, 9), later)
    for mine, theirs in zip(again.parameters(), model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    rates = [[group["lr"] for group in one.param_groups] for one in (optimizer, other)]
    assert rates[0] == rates[1] == pytest.approx([0.02 * 0.8**9, 0.01 * 0.8**9, 0.01 * 0.8**9])


def test_the_state_of_every_parameter_is_in_the_dictionary():
    model = mlp()
    optimizer = both(model)
    walk(model, optimizer, range(2))
    state = optimizer.state_dict()["state"]
    n_matrices = len(optimizer.param_groups[0]["params"])
    n_all = len(list(model.parameters()))
    assert sorted(state) == list(range(n_all))
    for i in range(n_all):
        names = {"momentum"} if i < n_matrices else {"step", "exp_avg", "exp_avg_sq"}
        assert set(state[i]) == names


def test_without_its_state_training_would_go_on_otherwise():
    """What the test above relies on: both halves remember something."""
    model, again = mlp(), mlp()
    optimizer, fresh = both(model), both(again)
    walk(model, optimizer, range(4))
    again.load_state_dict(model.state_dict())
    walk(model, optimizer, [4])
    walk(again, fresh, [4])
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert not torch.allclose(a, b)


def test_a_copy_of_model_and_optimizer_goes_on_alone():
    model = mlp()
    optimizer = both(model)
    walk(model, optimizer, range(3))
    again, other = copy.deepcopy((model, optimizer))
    walk(model, optimizer, range(3, 6))
    before = copy.deepcopy(model.state_dict())
    walk(again, other, range(3, 6))
    for name, p in again.state_dict().items():
        assert torch.equal(p, model.state_dict()[name])
        assert torch.equal(model.state_dict()[name], before[name])


# ---------------------------------------------------------------- bad input

MATRIX, VECTOR = nn.Parameter(torch.zeros(3, 5)), nn.Parameter(torch.zeros(7))


@pytest.mark.parametrize(
    ("groups", "error", "words"),
    [
        ([], ValueError, "none of the 0 groups has muon=True"),
        ([{"params": [MATRIX]}], ValueError, "none of the 1 groups has muon=True"),
        ([{"params": [MATRIX], "muon": False}], ValueError, "none of the 1 groups"),
        ([{"params": [MATRIX, VECTOR], "muon": True}], ValueError, r"matrices; got.*\[\[7\]\]"),
        ([{"params": [torch.zeros(2, 3, 5)], "muon": True}], ValueError, r"\[\[2, 3, 5\]\]"),
        ([{"muon": True}], TypeError, "dictionaries with params.*muon"),
        ([MATRIX], TypeError, "dictionaries with params, got Parameter"),
        ({"params": [MATRIX], "muon": True}, TypeError, "dictionaries with params, got 'params'"),
        (
            [{"params": [MATRIX], "muon": True}, {"params": [MATRIX]}],
            ValueError,
            "more than one parameter group",
        ),
    ],
)
def test_bad_groups(groups, error, words):
    with pytest.raises(error, match=words):
        MuonAdamW(groups)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("in_group", [True, False])
@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("lr", -0.1, ValueError),
        ("lr", float("nan"), ValueError),
        ("lr", "0.1", TypeError),
        ("weight_decay", -0.1, ValueError),
        ("weight_decay", None, TypeError),
        ("momentum", 1.0, ValueError),
        ("momentum", -0.1, ValueError),
    ],
)
def test_bad_numbers(name, value, error, in_group, alone):
    groups = [{"params": [MATRIX], "muon": True}] + [{"params": [VECTOR]}] * (not alone)
    if in_group:
        groups[-1] = {**groups[-1], name: value}
    with pytest.raises(error, match=f"{name} must be"):
        MuonAdamW(groups, **({} if in_group else {name: value}))


def test_bad_iterations_and_betas():
    groups = [{"params": [MATRIX], "muon": True}, {"params": [VECTOR]}]
    for value, error in ((0, ValueError), (5.0, TypeError)):
        with pytest.raises(error, match="n_iterations"):
            MuonAdamW(groups, n_iterations=value)
    with pytest.raises(ValueError, match="beta"):
        MuonAdamW(groups, betas=(0.9, 1.0))


# ---------------------------------------------------------------- muon_groups


def gpt():
    torch.manual_seed(0)
    sizes = {"d_model": 12, "n_heads": 3, "d_ff": 20, "n_layers": 2, "max_len": 9}
    return GPT(GPTConfig(vocab_size=17, **sizes))


def test_the_groups_of_a_gpt():
    model = gpt()
    groups = muon_groups(model, model.stack, 0.02, 0.003, 0.2, 0.1)
    names = {p: name for name, p in model.named_parameters()}
    matrices, embeddings, vectors = ([names[p] for p in group["params"]] for group in groups)
    assert len(matrices) == 2 * 6
    assert all(name.startswith("stack") and name.endswith("weight") for name in matrices)
    assert not any("norm" in name for name in matrices)
    assert embeddings == ["tokens.weight", "positions.weight"]
    assert all(name.endswith("bias") or "norm" in name for name in vectors)
    assert sorted([*matrices, *embeddings, *vectors]) == sorted(names.values())
    options = [{k: v for k, v in group.items() if k != "params"} for group in groups]
    assert options == [
        {"lr": 0.02, "weight_decay": 0.2, "muon": True},
        {"lr": 0.003, "weight_decay": 0.1},
        {"lr": 0.003, "weight_decay": 0.0},
    ]


def test_frozen_parameters_are_in_no_group():
    model = gpt()
    frozen = [
        model.tokens.weight,
        model.stack.norm.bias,
        model.stack.layers[0].attention.W_Q.weight,
    ]
    for p in frozen:
        p.requires_grad_(False)
    given = [p for group in muon_groups(model, model.stack, 0.02, 0.003) for p in group["params"]]
    assert {id(p) for p in given} == {id(p) for p in model.parameters() if p.requires_grad}


def test_a_model_of_matrices_alone():
    model = nn.Linear(5, 7, bias=False).double()
    optimizer = MuonAdamW(muon_groups(model, model, 0.02, 0.003))
    put_gradients(0, list(model.parameters()))
    before = model.weight.detach().clone()
    optimizer.step()
    expected = 0.02 * (7 / 5) ** 0.5 * orthogonalized(model.weight.grad)
    torch.testing.assert_close(before - model.weight, expected)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"hidden": nn.LayerNorm(5)}, ValueError, "part of the model that holds matrices"),
        ({"hidden": nn.Linear(5, 5)}, ValueError, "part of the model that holds matrices"),
        ({"muon_rate": 0.0}, ValueError, "muon_rate must be"),
        ({"muon_rate": "0.1"}, TypeError, "muon_rate must be"),
        ({"rate": -0.1}, ValueError, r"rate must be in \(0, inf\), got -0.1"),
        ({"rate": float("inf")}, ValueError, "rate must be"),
        ({"weight_decay": -0.1}, ValueError, "weight_decay must be"),
        ({"muon_decay": -0.1}, ValueError, "muon_decay must be"),
    ],
)
def test_bad_choices_of_groups(change, error, words):
    model = gpt()
    arguments = {"hidden": model.stack, "muon_rate": 0.02, "rate": 0.003, **change}
    with pytest.raises(error, match=words):
        muon_groups(model, **arguments)


def test_frozen_matrices_are_none():
    model = gpt()
    model.stack.requires_grad_(False)
    with pytest.raises(ValueError, match="holds matrices"):
        muon_groups(model, model.stack, 0.02, 0.003)

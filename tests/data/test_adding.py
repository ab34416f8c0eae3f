import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlp_helpers.data.adding import MEAN_ERROR, adding_batch, adding_batches


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@given(batch_size=st.integers(1, 9), n_steps=st.integers(2, 41), seed=st.integers(0, 99))
def test_one_marker_in_each_half_and_the_target_is_the_sum(batch_size, n_steps, seed):
    inputs, targets = adding_batch(batch_size, n_steps, seeded(seed))
    assert inputs.shape == (batch_size, n_steps, 2) and targets.shape == (batch_size,)
    numbers, markers = inputs.unbind(dim=-1)
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert set(markers.unique().tolist()) <= {0.0, 1.0}
    half = n_steps // 2
    assert (markers[:, :half].sum(dim=1) == 1).all()
    assert (markers[:, half:].sum(dim=1) == 1).all()
    torch.testing.assert_close((numbers * markers).sum(dim=1), targets)


def test_every_place_is_marked_about_equally_often():
    inputs, _ = adding_batch(40_000, 5, seeded())
    torch.testing.assert_close(
        inputs[..., 1].mean(dim=0),
        torch.tensor([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3]),
        atol=0.01,
        rtol=0,
    )


def test_answering_the_mean_costs_a_sixth():
    _, targets = adding_batch(200_000, 2, seeded())
    assert MEAN_ERROR == 1 / 6
    assert (targets - 1).square().mean().item() == pytest.approx(MEAN_ERROR, rel=0.01)


def test_the_numbers_do_not_tell_which_are_marked():
    inputs, _ = adding_batch(20_000, 10, seeded())
    numbers, markers = inputs.unbind(dim=-1)
    assert abs((numbers * (markers - 0.2)).mean().item()) < 0.01


def test_batches_are_fresh_and_the_same_again():
    batches = adding_batches(3, 4, 6, seed=5)
    first, second = list(batches), list(batches)
    assert len(first) == len(batches) == 3
    for (x, y), (x_again, y_again) in zip(first, second, strict=True):
        assert torch.equal(x, x_again) and torch.equal(y, y_again)
    assert not torch.equal(first[0][0], first[1][0])
    assert not torch.equal(first[0][0], next(iter(adding_batches(3, 4, 6, seed=6)))[0])


def test_a_given_generator_leaves_the_global_one_alone():
    before = torch.random.get_rng_state()
    adding_batch(2, 4, seeded())
    list(adding_batches(2, 2, 4))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 5), ValueError, "batch_size must be at least 1, got 0"),
        ((3, 1), ValueError, "n_steps must be at least 2, got 1"),
        ((3, 5.0), TypeError, "n_steps"),
        ((True, 5), TypeError, "batch_size"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        adding_batch(*arguments)
    with pytest.raises(error, match=message):
        adding_batches(1, *arguments)


def test_bad_number_of_batches_and_seed():
    with pytest.raises(ValueError, match="n_batches must be at least 1, got 0"):
        adding_batches(0, 1, 2)
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        adding_batches(1, 1, 2, seed=-1)

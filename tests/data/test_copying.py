"""The copy task: what is in a batch, and what is refused."""

import pytest
import torch

from nlp_helpers.data.copying import START, copy_batch, copy_batches


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_target_is_the_source_and_is_read_shifted_right():
    batch = copy_batch(13, 7, 5, seeded())
    assert batch.source.shape == batch.target_in.shape == batch.target_out.shape == (13, 7)
    assert torch.equal(batch.source, batch.target_out)
    assert torch.equal(batch.target_in[:, 1:], batch.source[:, :-1])
    assert (batch.target_in[:, 0] == START).all()
    assert batch.source_mask.all() and batch.target_mask.all()
    assert batch.source_mask.dtype == torch.bool


def test_symbols_are_uniform_and_never_the_start():
    symbols = copy_batch(4_000, 10, 11, seeded()).source
    counts = symbols.flatten().bincount(minlength=11)
    assert len(counts) == 11
    assert counts[START] == 0
    assert (counts[1:] - 4_000).abs().max() < 6 * (4_000 * 0.9) ** 0.5


def test_equal_seeds_give_equal_batches_and_each_pass_new_ones():
    first, second = (copy_batches(3, 5, seed=4) for _ in range(2))
    assert len(first) == 3
    whole = [batch.source for _ in range(2) for batch in first]
    again = [batch.source for _ in range(2) for batch in second]
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
    assert len({tuple(source.flatten().tolist()) for source in whole}) == 6
    other = next(iter(copy_batches(3, 5, seed=5)))
    assert not torch.equal(other.source, whole[0])


def test_making_batches_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    next(iter(copy_batches(3, 5)))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((0,), ValueError, "batch_size"),
        ((4, 0), ValueError, "length"),
        ((4, 10, 1), ValueError, "vocab_size"),
        ((4.0,), TypeError, "batch_size"),
        ((4, True), TypeError, "length"),
    ],
)
def test_bad_sizes_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        copy_batch(*arguments)
    with pytest.raises(error, match=words):
        copy_batches(2, *arguments)


def test_bad_batch_counts_are_refused():
    with pytest.raises(ValueError, match="n_batches"):
        copy_batches(0, 4)
    with pytest.raises(ValueError, match="seed"):
        copy_batches(2, 4, seed=-1)

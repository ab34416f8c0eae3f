"""The two masks of XLNet against the definition, and what they hide after several layers."""

import itertools

import numpy as np
import pytest
import torch

from nlp_helpers.models.attention import MultiHeadAttention
from nlp_helpers.models.permutation import permutation_masks
from nlp_helpers.models.scaled_dot_product import causal_mask

ORDERS = [(0,), (1, 0), (2, 0, 3, 1), (4, 2, 0, 1, 3), (6, 5, 4, 3, 2, 1, 0), (3, 0, 5, 1, 4, 2)]


def by_definition(order):
    """The masks cell by cell: z_t attends to z_1 .. z_t, its query stream to z_1 .. z_(t-1)."""
    n = len(order)
    content, query = np.zeros((n, n), dtype=bool), np.zeros((n, n), dtype=bool)
    for t, position in enumerate(order):
        for s, other in enumerate(order):
            content[position, other] = s <= t
            query[position, other] = s < t
    return content, query


@pytest.mark.parametrize("order", ORDERS)
def test_equal_the_definition(order):
    for mask, expected in zip(permutation_masks(order), by_definition(order), strict=True):
        assert mask.dtype == torch.bool
        np.testing.assert_array_equal(mask.numpy(), expected)


def test_the_example_of_the_paper():
    """Figure 1 (c): the factorization order 3, 2, 4, 1, counted from 1 there."""
    content, query = permutation_masks((2, 1, 3, 0))
    assert content.int().tolist() == [[1, 1, 1, 1], [0, 1, 1, 0], [0, 0, 1, 0], [0, 1, 1, 1]]
    assert query.int().tolist() == [[0, 1, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 0]]


@pytest.mark.parametrize("n", [1, 2, 7, 13])
def test_from_left_to_right_the_content_stream_is_causal(n):
    content, query = permutation_masks(range(n))
    torch.testing.assert_close(content, causal_mask(n))
    torch.testing.assert_close(query, causal_mask(n) & ~torch.eye(n, dtype=torch.bool))


@pytest.mark.parametrize("order", ORDERS)
def test_a_row_has_as_many_trues_as_its_rank(order):
    content, query = permutation_masks(order)
    ranks = [order.index(position) for position in range(len(order))]
    assert query.sum(dim=1).tolist() == ranks
    assert content.sum(dim=1).tolist() == [rank + 1 for rank in ranks]
    torch.testing.assert_close(content & ~query, torch.eye(len(order), dtype=torch.bool))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_sorted_by_the_order_every_mask_is_causal(order):
    content, query = permutation_masks(order)
    index = torch.tensor(order)
    torch.testing.assert_close(content[index][:, index], causal_mask(4))
    torch.testing.assert_close(query[index][:, index], causal_mask(4).tril(-1))


@pytest.mark.parametrize("order", ORDERS)
def test_no_token_reaches_its_own_query_stream_through_two_layers(order):
    """Gradients of a two-layer stack: the query stream sees what comes earlier, never itself."""
    torch.manual_seed(0)
    n, masks = len(order), permutation_masks(order)
    first, second = (MultiHeadAttention(8, 2).double() for _ in range(2))
    x = torch.randn(1, n, 8, dtype=torch.float64, requires_grad=True)
    g = torch.randn(1, n, 8, dtype=torch.float64)
    hidden = first(x, x, x, masks[0], need_weights=False)[0]
    g = g + first(g, x, x, masks[1], need_weights=False)[0]
    g = g + second(g, hidden, hidden, masks[1], need_weights=False)[0]
    for position in range(n):
        (gradient,) = torch.autograd.grad(g[0, position].sum(), x, retain_graph=True)
        seen = gradient[0].abs().sum(dim=1) > 0
        assert seen.tolist() == masks[1][position].tolist()


@pytest.mark.parametrize(
    ("order", "error", "message"),
    [
        ((), ValueError, r"at least one position, got \(\)"),
        ((1, 2), ValueError, r"permutation of 0 \.\. 1, got \(1, 2\)"),
        ((0, 0), ValueError, r"permutation of 0 \.\. 1, got \(0, 0\)"),
        ([0, -1], ValueError, r"permutation of 0 \.\. 1, got \[0, -1\]"),
        ([3, 1, 4, 2], ValueError, r"permutation of 0 \.\. 3, got \[3, 1, 4, 2\]"),
        ((0, 1.0), TypeError, r"order must be a sequence of ints, got \(0, 1\.0\)"),
        ((0, True), TypeError, r"order must be a sequence of ints, got \(0, True\)"),
        ("01", TypeError, "order must be a sequence of ints, got '01'"),
        (2, TypeError, "order must be a sequence of ints, got 2"),
        (torch.arange(3), TypeError, "order must be a sequence of ints, got tensor"),
    ],
)
def test_bad_input(order, error, message):
    with pytest.raises(error, match=message):
        permutation_masks(order)

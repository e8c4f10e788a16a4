"""torch.compile(backend="tenon") against eager: which results and inputs share memory, and sizes among the results."""

import pytest
import torch
from torch.utils._pytree import tree_leaves

import tenon  # noqa: F401


def sharing(tensors):
    """For each tensor the place of the first one with its storage."""
    storages = [tensor.untyped_storage().data_ptr() for tensor in tensors]
    return [storages.index(storage) for storage in storages]


def parts_of_one(x):
    product = x * 3
    return list(product.unbind(0)), product


def view_that_is_read_too(x):
    product = x * 3
    view = product.view(-1)
    return product, view, view + 1


def view_of_a_view_that_is_read_too(x):
    product = x * 3
    turned = product.t()
    return turned[1:], product, turned.relu()


def part_that_is_read_too(x):
    product = x * 3
    first, second = product.split(2)
    return first, second + first, product


def mutated_input(x):
    x.mul_(2)
    return x


def mutated_input_and_a_view(x):
    x.add_(1)
    return x.view(-1), x


def one_result_twice(x):
    product = x * 3
    return product, product


@pytest.mark.parametrize(
    "function",
    [
        parts_of_one,
        view_that_is_read_too,
        view_of_a_view_that_is_read_too,
        part_that_is_read_too,
        mutated_input,
        mutated_input_and_a_view,
        one_result_twice,
    ],
)
@torch.no_grad()
def test_results_share_memory_as_in_eager(function):
    torch._dynamo.reset()
    given = torch.rand(4, 4)
    expected_given = given.clone()
    results = tree_leaves(torch.compile(function, backend="tenon")(given))
    expected = tree_leaves(function(expected_given))
    assert sharing([given, *results]) == sharing([expected_given, *expected])
    results[0].add_(1)
    expected[0].add_(1)
    for a, b in zip([given, *results], [expected_given, *expected], strict=True):
        torch.testing.assert_close(a, b)
        assert a.stride() == b.stride()


def sizes_beside_regions(x):
    half = x.shape[0] // 2
    return x.sort(0)[0][:half].view(-1), (x[:half] * 2).view(-1), half


@torch.no_grad()
def test_sizes_that_eager_operators_read_are_computed_outside_of_regions():
    torch._dynamo.reset()
    compiled = torch.compile(sizes_beside_regions, backend="tenon", dynamic=True)
    for rows in (8, 5):
        x = torch.rand(rows, 3)
        for a, b in zip(compiled(x), sizes_beside_regions(x), strict=True):
            assert torch.equal(a, b) if isinstance(b, torch.Tensor) else a == b

"""Operators of the user's own: implemented in Tenon, or replaced by others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _errors

# By name, "mine::swoosh", what comes behind it.
_definitions: dict[str, str] = {}

# By PyTorch operator.
replacements: dict[Any, Callable[..., Any]] = {}


def implement(definitions: str) -> None:
    """From now on Tenon compiles these operators, of ONNX domains or of `torch.library`, by their definitions
    (docs/operators.md). Where the definition does not take a node's operands, the operator is unsupported as before.

    >>> tenon.implement("mine::swoosh(x; sharpness = 1) = x / (1 + exp(-($sharpness * x))) - 0.1 * x")
    """
    from . import _compiler

    read = _compiler.custom_operators(definitions)
    if isinstance(read, tuple):
        raise _errors.of_kind(*read)
    _definitions.update(read)


def replace(operator: Any, function: Callable[..., Any]) -> None:
    """From now on PyTorch graphs have the function's operators instead of this one (`torch.ops.mine.swoosh.default`), so that
    Tenon can compile and fuse them. The function takes the same arguments and gives the same results."""
    replacements[operator] = function


def definitions() -> str:
    """All that are implemented, as the compiler reads them."""
    return "\n".join(name + definition for name, definition in _definitions.items())


def is_implemented(name: str) -> bool:
    """Whether a PyTorch operator, as `mine.swoosh.default`, is."""
    return name.removesuffix(".default").replace(".", "::", 1) in _definitions

"""Tenon compiles PyTorch models, exported to ONNX, to native code.

>>> import numpy, tenon
>>> model = tenon.compile("linear.onnx", threads=2)
>>> model
<tenon.Model (x: float32[1, 4]) -> (y: float32[1, 3])>
>>> y = model(numpy.ones((1, 4), numpy.float32))
>>> y.shape, y.dtype
((1, 3), dtype('float32'))
>>> model.save("linear.tenon")
>>> tenon.load("linear.tenon", threads=2)(numpy.ones((1, 4), numpy.float32)).tolist() == y.tolist()
True
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from ._errors import (
    ArgumentError,
    Error,
    FileError,
    InputError,
    ModelError,
    OutOfMemoryError,
    RunError,
    ShapeError,
    UnsupportedError,
    UsageError,
)
from ._model import Model, StepTime, Tensor, compile, load
from ._operators import implement, replace
from .verdict import Verdict, verdict

# What needs torch is imported when it is used.
_WITH_TORCH = {"Decision": "_guard", "Explanation": "_explain", "decisions": "_backend", "explain": "_explain", "repack": "_backend"}


def __getattr__(name: str) -> _Any:
    if name in _WITH_TORCH:
        return getattr(_import_module(f".{_WITH_TORCH[name]}", __name__), name)
    raise AttributeError(f"module 'tenon' has no attribute '{name}'")


__all__ = [
    "ArgumentError",
    "Decision",
    "Error",
    "Explanation",
    "FileError",
    "InputError",
    "Model",
    "ModelError",
    "OutOfMemoryError",
    "RunError",
    "ShapeError",
    "StepTime",
    "Tensor",
    "UnsupportedError",
    "UsageError",
    "Verdict",
    "compile",
    "decisions",
    "explain",
    "implement",
    "load",
    "repack",
    "replace",
    "verdict",
]
__version__ = "0.1.0"

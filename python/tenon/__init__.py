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
from .verdict import Verdict, verdict

__all__ = [
    "ArgumentError",
    "Error",
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
    "load",
    "verdict",
]
__version__ = "0.1.0"

"""Tenon compiles PyTorch models, exported to ONNX, to native code.

    >>> model = tenon.compile("resnet50.onnx", threads=2)   # doctest: +SKIP
    >>> y = model(x)                                        # doctest: +SKIP
    >>> model.save("resnet50.tenon")                        # doctest: +SKIP
    >>> model = tenon.load("resnet50.tenon", threads=2)     # doctest: +SKIP
"""

from ._model import CompileError, Model, Tensor, compile, load

__all__ = ["CompileError", "Model", "Tensor", "compile", "load"]
__version__ = "0.1.0"

"""What `tenon.compile` takes, as a file that the compiler reads."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from . import _errors, _operators


def _is_file(model: Any) -> bool:
    return isinstance(model, (str, os.PathLike))


def _exported(model: Any, inputs: Sequence[Any] | None) -> Any:
    """A PyTorch module or ExportedProgram as an ExportedProgram."""
    if hasattr(model, "graph_signature") and hasattr(model, "graph_module"):
        return model
    if not callable(model):
        raise _errors.UsageError(f"cannot compile a {type(model).__name__}: give a file, a PyTorch module or an ExportedProgram")
    if inputs is None:
        raise _errors.UsageError("a PyTorch module needs example inputs: tenon.compile(module, (x,))")
    import torch

    with torch.no_grad():
        program = torch.export.export(model, tuple(inputs))
    return program.run_decompositions(dict(_operators.replacements)) if _operators.replacements else program


@contextlib.contextmanager
def as_file(model: Any, inputs: Sequence[Any] | None) -> Iterator[str]:
    """The path of the model's file, a temporary one for what is no file."""
    if _is_file(model):
        yield os.fspath(model)
        return
    program = _exported(model, inputs)
    import torch

    with tempfile.TemporaryDirectory(prefix="tenon-") as folder:
        path = os.path.join(folder, "model.pt2")
        torch.export.save(program, path)
        yield path


def as_module(model: Any) -> Any:
    """What eager runs for it."""
    if not _is_file(model):
        return model.module() if hasattr(model, "graph_signature") else model
    path = os.fspath(model)
    if not path.endswith(".pt2"):
        raise _errors.UsageError(f"guard=True needs the PyTorch module, which '{path}' does not hold: give a .pt2 file or the module")
    import torch

    return torch.export.load(path).module()

"""Compiled models: how they are made, called, saved and looked at."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any, Iterable, Mapping, NamedTuple, Sequence, Union

from . import _arrays, _errors, _export, _operators, _runtime
from ._guard import Decision, Guard

_runtime.set_package(_errors.BY_CODE, _errors.ArgumentError, _arrays.adopt, _arrays.release)

Path = Union[str, "os.PathLike[str]"]


class Tensor(NamedTuple):
    """An input or output of a model; a size of None is free."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class StepTime(NamedTuple):
    """What one step of a model costs: the nodes it computes, and of one call seconds, operations and bytes moved."""

    nodes: str
    seconds: float
    flops: int
    bytes: int


class Model(_runtime.Model):
    """A compiled model. Call it with numpy arrays or torch CPU tensors of any strides, by position or by name.

    The result is of the same kind as the arguments: one array, or a list when there are several outputs. Calls release
    the GIL; calls from several threads at once are safe and run side by side.

    >>> model = tenon.compile("linear.onnx")
    >>> x = numpy.ones((1, 4), numpy.float32)
    >>> bool((model(x) == model(x=x)).all())
    True
    >>> model(x[0])
    Traceback (most recent call last):
        ...
    tenon._errors.InputError: input 'x' is f32[1, 4] but the call gives f32[4]: it must have 2 dims, not 1
    """

    _source: Any  # the CompiledModel, or the path that was loaded

    def __repr__(self) -> str:
        def show(tensors):
            return ", ".join(f"{t.name}: {t.dtype}[{', '.join('?' if d is None else str(d) for d in t.shape)}]" for t in tensors)

        return f"<tenon.Model ({show(self.inputs)}) -> ({show(self.outputs)})>"

    @property
    def inputs(self) -> list[Tensor]:
        """Name, shape and dtype of each input.

        >>> tenon.compile("linear.onnx").inputs
        [Tensor(name='x', shape=(1, 4), dtype='float32')]
        """
        return [Tensor(*entry) for entry in self._describe(outputs=False)]

    @property
    def outputs(self) -> list[Tensor]:
        """Name, shape and dtype of each output."""
        return [Tensor(*entry) for entry in self._describe(outputs=True)]

    @property
    def compile_seconds(self) -> dict[str, float]:
        """Seconds of each step of the compilation, by name; empty for a loaded model."""
        return {} if isinstance(self._source, str) else dict(self._source.steps)

    def save(self, path: Path) -> None:
        """Writes the model to one .tenon file, which `load` and the C runtime read. The file appears whole or not at all."""
        path = os.fspath(path)
        if not isinstance(self._source, str):
            if (problem := self._source.save(path)) is not None:
                raise _errors.of_kind(*problem)
            return
        try:
            with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(path))) as folder:
                whole = os.path.join(folder, "model")
                shutil.copyfile(self._source, whole)
                os.replace(whole, path)
        except OSError as error:
            raise _errors.FileError(f"cannot write '{path}': {error.strerror}") from error

    def profile(self, *inputs: Any, runs: int = 10, **named: Any) -> list[StepTime]:
        """Time of each step in the order of execution, the mean of `runs` calls.

        >>> [step.nodes for step in tenon.compile("linear.onnx").profile(numpy.ones((1, 4), numpy.float32))]
        ['linear (Gemm)']
        """
        self(*inputs, **named)
        self._profile(on=True)
        try:
            for _ in range(runs):
                self(*inputs, **named)
            times = self._profile_times()
        finally:
            self._profile(on=False)
        return [StepTime(name, seconds / runs, flops, size) for name, seconds, flops, size in times]


class GuardedModel:
    """A compiled model beside the PyTorch module that it was made from: the first calls for each set of input shapes measure
    both, then the faster is kept.

    >>> module = torch.nn.Linear(4, 3)
    >>> x = torch.ones(1, 4)
    >>> model = tenon.compile(module, (x,), guard=True)
    >>> for _ in range(30):
    ...     y = model(x)
    >>> (decision,) = model.decisions()
    >>> decision.keeps in ("compiled", "eager")
    True
    """

    def __init__(self, model: Model, module: Any):
        import torch

        def eager(arguments: list[Any]) -> Any:
            with torch.inference_mode():
                result = module(*arguments)
            return list(result) if isinstance(result, (tuple, list)) and len(result) != 1 else result

        self.model, self.module = model, module
        shapes = lambda arguments: tuple(tuple(argument.shape) for argument in arguments)  # noqa: E731
        self._guard = Guard(lambda arguments: model(*arguments), eager, shapes)

    def __call__(self, *inputs: Any) -> Any:
        """Takes torch CPU tensors by position."""
        return self._guard(list(inputs))

    def decisions(self) -> list[Decision]:
        """What was measured and decided, for each set of input shapes."""
        return self._guard.decisions()


def compile(
    model: Any,
    inputs: Sequence[Any] | None = None,
    *,
    threads: int = 1,
    shapes: Mapping[str, int | Sequence[int]] | None = None,
    guard: bool = False,
    target: str = "native",
    without: Iterable[str] = (),
    dump: Path | None = None,
    cache: Path | None = None,
) -> Any:
    """Compiles an .onnx or .pt2 file, a PyTorch module for example inputs, or an ExportedProgram.

    inputs: example inputs of a module, a sequence of positional arguments.
    threads: how many threads a call of the model uses at most.
    shapes: sizes to fix: {"x": (1, 3, 224, 224)} for an input, {"batch": 8} for a named size.
    guard: gives a `GuardedModel`, which keeps the faster of the module and the compiled model; for modules,
    ExportedPrograms and .pt2 files.
    target: the CPU to compile for, as the command line's --target.
    without: names of pipeline steps to leave out.
    dump: a folder for the text of the model after each step that changed it.
    cache: the folder that keeps compiled kernels, or "off"; by default $TENON_CACHE, else tenon in the user's cache
    folder.

    Raises a `tenon.Error`, which says what is wrong, where, and what to do.

    >>> tenon.compile("missing.onnx")
    Traceback (most recent call last):
        ...
    tenon._errors.FileError: missing.onnx: No such file or directory
    >>> module = torch.nn.Linear(4, 3)
    >>> x = torch.ones(1, 4)
    >>> bool(torch.allclose(tenon.compile(module, (x,))(x), module(x)))
    True
    """
    from . import _compiler

    fixed = {k: list(v) for k, v in (shapes or {}).items() if not isinstance(v, int)}
    symbols = {k: v for k, v in (shapes or {}).items() if isinstance(v, int)}
    with _export.as_file(model, inputs) as path:
        compiled = _compiler.compile(
            path, target, threads, fixed, symbols, set(without), os.fspath(dump or ""), os.fspath(cache or ""), _operators.definitions()
        )
    if isinstance(compiled, tuple):
        raise _errors.of_kind(*compiled)
    made = Model(compiled, compiled.address, compiled.bytes, threads)
    made._source = compiled
    return GuardedModel(made, _export.as_module(model)) if guard else made


def load(path: Path, *, threads: int = 1) -> Model:
    """Loads a .tenon file, without the compiler. Its weights are mapped, so they are shared between processes and read
    when first used.

    >>> tenon.compile("linear.onnx").save("linear.tenon")
    >>> tenon.load("linear.tenon").threads
    1
    """
    path = os.fspath(path)
    model = Model(path, threads)
    model._source = path
    return model

"""Compiled models: how they are made, called, saved and looked at."""

import os
import shutil
from typing import NamedTuple

from . import _arrays, _runtime

_runtime.set_converters(_arrays.adopt, _arrays.release)


class CompileError(Exception):
    """A model that cannot be compiled. `kind` is one of the kinds in docs/cli.md, such as "unsupported"."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class Tensor(NamedTuple):
    """An input or output of a model; a size of None is free."""

    name: str
    shape: tuple
    dtype: str


class Model:
    """A compiled model. Call it with numpy arrays or torch CPU tensors, by position or by name.

    The result is of the same kind as the arguments: one array, or a list when there are several outputs. Wrong shapes
    and dtypes raise ValueError, an index out of range in the model's data IndexError. Calls from several threads at
    once are safe and run side by side.
    """

    def __init__(self, native, source):
        self._native = native
        self._source = source  # the CompiledModel, or the path it was loaded from

    def __call__(self, *inputs, **named):
        return self._native(*inputs, **named)

    @property
    def inputs(self):
        """Name, shape and dtype of each input."""
        return [Tensor(*entry) for entry in self._native.describe(outputs=False)]

    @property
    def outputs(self):
        """Name, shape and dtype of each output."""
        return [Tensor(*entry) for entry in self._native.describe(outputs=True)]

    @property
    def threads(self):
        """How many threads a call uses at most."""
        return self._native.threads

    @property
    def compile_seconds(self):
        """Seconds of each step of the compilation, by name; empty for a loaded model."""
        return {} if isinstance(self._source, str) else dict(self._source.steps)

    def save(self, path):
        """Writes the model to one .tenon file, which `load` and the C runtime read."""
        if isinstance(self._source, str):
            shutil.copyfile(self._source, path)
        else:
            self._source.save(os.fspath(path))

    def profile(self, *inputs, runs=10, **named):
        """Time of each step, measured over `runs` calls: a list of (name, seconds per call, flops, bytes)."""
        self(*inputs, **named)
        self._native.profile(on=True)
        try:
            for _ in range(runs):
                self(*inputs, **named)
            times = self._native.profile_times()
        finally:
            self._native.profile(on=False)
        return [(name, seconds / runs, flops, size) for name, seconds, flops, size in times]

    def __repr__(self):
        def show(tensors):
            return ", ".join(f"{t.name}: {t.dtype}{list(t.shape)}" for t in tensors)

        return f"<tenon.Model ({show(self.inputs)}) -> ({show(self.outputs)})>"


def compile(path, *, threads=1, shapes=None, target="native", without=(), dump=None):
    """Compiles an .onnx file.

    threads: how many threads a call of the model uses at most.
    shapes: sizes to fix: {"x": (1, 3, 224, 224)} for an input, {"batch": 8} for a named size.
    target: the CPU to compile for, as the command line's --target.
    without: names of pipeline steps to leave out.
    dump: a folder for the text of the model after each step that changed it.

    Raises CompileError, which says what is wrong, where, and what to do.
    """
    from . import _compiler

    fixed = {k: list(v) for k, v in (shapes or {}).items() if not isinstance(v, int)}
    symbols = {k: v for k, v in (shapes or {}).items() if isinstance(v, int)}
    compiled = _compiler.compile(os.fspath(path), target, threads, fixed, symbols, set(without), os.fspath(dump or ""))
    if isinstance(compiled, tuple):
        raise CompileError(*compiled)
    return Model(_runtime.load_memory(compiled, compiled.address, compiled.bytes, threads), compiled)


def load(path, *, threads=1):
    """Loads a .tenon file. Its weights are mapped, so they are shared between processes and read when first used."""
    path = os.fspath(path)
    return Model(_runtime.load(path, threads), path)

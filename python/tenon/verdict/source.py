"""Where the engines of a verdict get the model from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Mapping, Protocol, Sequence

from .. import _errors
from .._engines import Input
from . import inputs
from .children import Child, Children, ModuleChannel, ProcessChannel
from .options import Options, baseline_of


class Source(Protocol):
    """A model that engines can be started on."""

    name: str
    form: str  # onnx, pt2, pt or module
    baseline: str
    note: str  # what the baseline is

    def compile(self, children: Children, options: Mapping[str, Any], folder: Path) -> Child:
        """Tenon, compiling from scratch."""

    def compiled(self, children: Children, threads: int, folder: Path) -> Child:
        """Tenon as a deployed model runs, after `compile`."""

    def variant(self, children: Children, options: Mapping[str, Any], folder: Path) -> Child:
        """Tenon, compiled otherwise."""

    def peer(self, children: Children, engine: str, threads: int) -> Child:
        """Another engine."""

    def write_inputs(self, wanted: list[Input], file: Path) -> list[dict[str, Any]]:
        """The file that children bind, and what is in it: name, dtype and shape of each."""


def evict(path: Path) -> None:
    """Asks the kernel to forget the file's pages, so that the next reader reads it from the disk; it may keep them."""
    for file in (path, path.with_name(path.name + ".data")):
        if file.is_file():
            with open(file, "rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class FileSource:
    """A model file."""

    def __init__(self, path: Path, arrays: Path | None, options: Options):
        self.path, self.file_of_arrays, self.options = path, arrays, options
        self.name, self.form = str(path), path.suffix[1:]
        self.baseline, self.note = baseline_of(path, options)

    def _for_tenon(self) -> Path:
        return self.path if self.form != "pt" else self.path.with_suffix(".onnx")

    def compile(self, children: Children, options: Mapping[str, Any], folder: Path) -> Child:
        evict(self._for_tenon())
        return self.variant(children, dict(options) | {"save": str(folder / "model.tenon")}, folder)

    def compiled(self, children: Children, threads: int, folder: Path) -> Child:
        file = folder / "model.tenon"
        evict(file)
        return children.add("tenon", ProcessChannel("tenon", file, {"threads": threads}))

    def variant(self, children: Children, options: Mapping[str, Any], folder: Path) -> Child:
        return children.add("tenon", ProcessChannel("tenon", self._for_tenon(), dict(options)))

    def peer(self, children: Children, engine: str, threads: int) -> Child:
        options = {"threads": threads, "trust_pickle": self.options.trust_pickle}
        evict(self.path)
        return children.add(engine, ProcessChannel(engine, self.path, options))

    def write_inputs(self, wanted: list[Input], file: Path) -> list[dict[str, Any]]:
        import numpy

        arrays = inputs.read(self.file_of_arrays, wanted) if self.file_of_arrays else inputs.random(wanted)
        numpy.savez(file, **arrays)
        return [{"name": name, "dtype": str(array.dtype), "shape": list(array.shape)} for name, array in arrays.items()]


class ModuleSource:
    """A PyTorch module with its inputs, which every child gets by pickle."""

    form, baseline, note = "module", "eager", "eager: the module itself"

    def __init__(self, module: Any, tensors: Sequence[Any], folder: Path):
        self.name = type(module).__name__
        self.saved = folder / "module.pt"
        save_module(module, tensors, self.saved)

    def _start(self, children: Children, engine: str, options: Mapping[str, Any]) -> Child:
        return children.add(engine, ModuleChannel(engine, self.saved, options))

    def compile(self, children: Children, options: Mapping[str, Any], folder: Path) -> Child:
        self.options = dict(options)
        return self._start(children, "tenon", options)

    def compiled(self, children: Children, threads: int, folder: Path) -> Child:
        return self._start(children, "tenon", self.options | {"threads": threads})

    def variant(self, children: Children, options: Mapping[str, Any], folder: Path) -> Child:
        return self._start(children, "tenon", options)

    def peer(self, children: Children, engine: str, threads: int) -> Child:
        return self._start(children, engine, {"threads": threads})

    def write_inputs(self, wanted: list[Input], file: Path) -> list[dict[str, Any]]:
        return [{"name": name, "dtype": dtype, "shape": list(shape)} for name, shape, dtype in wanted]


def save_module(module: Any, tensors: Sequence[Any], file: Path) -> None:
    """Raises UsageError for what does not pickle."""
    import torch

    try:
        torch.save((module, tuple(tensors)), file)
    except Exception as error:  # whatever a __getstate__ or a reducer raises
        raise _errors.UsageError(
            f"the module or its inputs cannot be pickled for the processes that measure it: {type(error).__name__}: {error}; "
            "define its class at the top level of a file, or save it by torch.export.save and give tenon.verdict the .pt2"
        ) from error

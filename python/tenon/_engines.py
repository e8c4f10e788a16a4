"""Engines that run a model file, as `tenon.peer` keeps them in a process of their own.

An engine is a class: `package` is what must be installed; made from a path and options it has loaded the model, and
`bind` gives a function of no arguments that runs it on the arrays. Options: `threads`; for Tenon `without`, `target`,
`shapes`, `cache` and `save`, the path of a .tenon file to write; for eager and Inductor `trust_pickle`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple

from ._errors import UsageError

Arrays = Mapping[str, Any]
Call = Callable[[], Any]


class Missing(Exception):
    """What this engine needs and does not find."""


class Input(NamedTuple):
    """An input of a model; a size of None is free."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Engine:
    """What an engine may leave as it is."""

    package: str
    version: str
    inputs: list[Input] | None = None  # where the engine knows them
    has_inputs = False  # it came with arrays of its own

    def facts(self) -> dict[str, Any]:
        """What else it tells about the model."""
        return {}

    def bind(self, arrays: Arrays) -> Call:
        raise NotImplementedError

    def profile(self, runs: int) -> list[list[Any]]:
        """[nodes, seconds, flops, bytes] of each step of one call, the mean of so many."""
        raise Missing("an engine that tells the time of its steps")

    def explain(self) -> dict[str, Any]:
        """What of the model the engine does not run itself."""
        return {"fallbacks": [], "graph_breaks": []}


class Tenon(Engine):
    """Compiles the file, or loads it when it is a .tenon file."""

    package = "tenon"

    def __init__(self, path: Path, options: Mapping[str, Any]):
        import tenon

        self.version = f"tenon {tenon.__version__}"
        threads = options.get("threads", 1)
        if path.suffix == ".tenon":
            self.model = tenon.load(path, threads=threads)
        else:
            self.model = tenon.compile(
                path,
                threads=threads,
                shapes=options.get("shapes"),
                target=options.get("target", "native"),
                without=options.get("without", ()),
                cache=options.get("cache"),
            )
        if "save" in options:
            self.model.save(options["save"])
        self.inputs = [Input(*entry) for entry in self.model.inputs]

    def facts(self) -> dict[str, Any]:
        compiled = self.model._source
        facts = {"weight_bytes": self.model.weight_bytes, "compile_steps": [list(step) for step in self.model.compile_seconds.items()]}
        if not isinstance(compiled, str):
            facts |= {"compile_seconds": compiled.seconds, "target": compiled.target, "identity": list(compiled.identity)}
        return facts

    def bind(self, arrays: Arrays) -> Call:
        model, self.arrays = self.model, list(arrays.values())
        if self.inputs and all(i.name in arrays for i in self.inputs):
            self.arrays = [arrays[i.name] for i in self.inputs]
        values = self.arrays
        return lambda: model(*values)

    def profile(self, runs: int) -> list[list[Any]]:
        return [list(step) for step in self.model.profile(*self.arrays, runs=runs)]


def pickled_beside(path: Path) -> Path:
    return path.with_suffix(".pt")


def exported_beside(path: Path) -> Path:
    return path.with_suffix(".pt2")


def plain(program: Any) -> Any:
    """An ExportedProgram as a module of its operators, which takes and gives flat lists of tensors: what checks and
    arranges the arguments would count as time of eager."""
    import torch

    module = program.module(check_guards=False)
    module._forward_pre_hooks.clear()
    module.graph.set_codegen(torch.fx.graph.CodeGen())
    module.recompile()
    return module


def torch_module(path: Path, trust_pickle: bool) -> Any:
    """The PyTorch module in the file, or in one that lies beside it: a .pt2, or else a .pt where pickles are trusted."""
    import torch

    exported, pickled = exported_beside(path), pickled_beside(path)
    if exported.exists() and path.suffix != ".pt":
        return plain(torch.export.load(exported))
    if trust_pickle and pickled.exists():
        sys.path.insert(0, str(path.parent))  # for classes that lie beside it
        return torch.load(pickled, weights_only=False).eval()
    raise Missing(f"'{exported}' (torch.export.save)" + (f" or '{pickled}' (torch.save)" if trust_pickle else ""))


class Eager(Engine):
    """PyTorch as it is."""

    package = "torch"

    def __init__(self, path: Path, options: Mapping[str, Any]):
        import torch

        self.version = f"torch {torch.__version__}"
        torch.set_num_threads(options.get("threads", 1))
        self.module = torch_module(path, options.get("trust_pickle", False))

    def bind(self, arrays: Arrays) -> Call:
        import torch

        module, tensors = self.module, [torch.from_numpy(array) for array in arrays.values()]

        def call():
            with torch.inference_mode():
                return module(*tensors)

        return call


class Inductor(Eager):
    """PyTorch's own compiler."""

    def __init__(self, path: Path, options: Mapping[str, Any]):
        super().__init__(path, options)
        import torch

        self.module = torch.compile(self.module, dynamic=False)


class OnnxRuntime(Engine):
    package = "onnxruntime"

    def __init__(self, path: Path, options: Mapping[str, Any]):
        import onnxruntime

        self.version = f"onnxruntime {onnxruntime.__version__}"
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.get("threads", 1)
        settings.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(onnx_beside(path)), settings, providers=["CPUExecutionProvider"])

    def bind(self, arrays: Arrays) -> Call:
        session = self.session
        feed = by_name(arrays, [i.name for i in session.get_inputs()])
        return lambda: session.run(None, feed)


class OpenVino(Engine):
    package = "openvino"

    def __init__(self, path: Path, options: Mapping[str, Any]):
        import openvino

        self.version = f"openvino {openvino.__version__}"
        core = openvino.Core()
        settings = {
            "INFERENCE_NUM_THREADS": options.get("threads", 1),
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,
        }
        self.compiled = core.compile_model(core.read_model(str(onnx_beside(path))), "CPU", settings)
        self.request = self.compiled.create_infer_request()

    def bind(self, arrays: Arrays) -> Call:
        import openvino

        request, outputs = self.request, range(len(self.compiled.outputs))
        tensors = [openvino.Tensor(a) for a in by_name(arrays, [i.any_name for i in self.compiled.inputs]).values()]

        def call():
            for k, tensor in enumerate(tensors):
                request.set_input_tensor(k, tensor)
            request.infer()
            return [request.get_output_tensor(k).data for k in outputs]

        return call


def onnx_beside(path: Path) -> Path:
    """The file that engines read which know ONNX only."""
    onnx = path.with_suffix(".onnx")
    if not onnx.exists():
        raise Missing(f"'{onnx}'")
    return onnx


def by_name(arrays: Arrays, names: list[str]) -> dict[str, Any]:
    """The arrays of these names; by position where the names are others.

    >>> by_name({"a": 1, "b": 2}, ["b", "a"]), by_name({"x": 1, "y": 2}, ["b", "a"])
    ({'b': 2, 'a': 1}, {'b': 1, 'a': 2})
    """
    if all(name in arrays for name in names):
        return {name: arrays[name] for name in names}
    if len(arrays) != len(names):
        raise UsageError(f"the model takes {len(names)} inputs ({', '.join(names)}) but there are {len(arrays)} arrays")
    return dict(zip(names, arrays.values()))


ENGINES: dict[str, type[Engine]] = {
    "tenon": Tenon,
    "eager": Eager,
    "inductor": Inductor,
    "ort": OnnxRuntime,
    "openvino": OpenVino,
}


def arrays_of(result: Any) -> list[Any]:
    """The outputs of a call, of any engine and in any nest of lists and dictionaries, as numpy arrays in order.

    >>> import numpy
    >>> [a.tolist() for a in arrays_of({"a": numpy.ones(1), "b": [numpy.zeros(2), None, 3]})]
    [[1.0], [0.0, 0.0], 3]
    """
    import numpy

    if result is None:
        return []
    if isinstance(result, Mapping):
        return [array for value in result.values() for array in arrays_of(value)]
    if isinstance(result, (list, tuple)):
        return [array for value in result for array in arrays_of(value)]
    if hasattr(result, "data_ptr"):
        from ._arrays import adopt

        array, dtype, _ = adopt(result.detach().cpu())
        # numpy has no bfloat16: its bits are the upper half of a float32's.
        return [array if dtype < 0 else (array.view(numpy.uint16).astype(numpy.uint32) << 16).view(numpy.float32)]
    return [numpy.asarray(result)]

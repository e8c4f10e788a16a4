"""A region of a graph as native code that takes and gives torch tensors."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch._C._dynamo.guards import _empty_strided_cpu

from . import _aten, _errors, _operators, _runtime
from ._options import Options

live: "weakref.WeakSet[Region]" = weakref.WeakSet()


class Refused(Exception):
    """Nodes that the compiler does not take, by name, and why."""

    def __init__(self, reasons: dict[str, str]):
        super().__init__("; ".join(f"{node}: {reason}" for node, reason in reasons.items()))
        self.reasons = reasons


class _Result(NamedTuple):
    """What a region gives. `shape`, `strides`: row-major, where it holds no free size; `order`: of axes in memory, where that
    is another. Known before any call: PyTorch's stand-ins for tensors take long to answer."""

    shape: tuple[int, ...] | None
    strides: tuple[int, ...]
    dtype: torch.dtype
    order: list[int] | None

    @classmethod
    def of(cls, value: torch.Tensor) -> "_Result":
        free = any(not isinstance(size, int) for size in value.shape)
        order = None if value.is_contiguous() else sorted(range(value.dim()), key=lambda axis: -value.stride(axis))
        if free:
            return cls(None, (), value.dtype, order)
        shape = tuple(value.shape)
        return cls(shape, _strides(shape, range(len(shape))), value.dtype, order)


class _Weights:
    """The parameters of a region as they were when they were packed."""

    def __init__(self, tensors: Sequence[torch.Tensor]):
        # Tensors at addresses that are free again can come to lie there: the storages are kept.
        self.storages = [tensor.untyped_storage() for tensor in tensors]
        self.state = self._state(tensors)
        dense = [tensor for tensor in tensors if tensor.numel() and tensor.is_contiguous()]
        self.probe = _runtime.Probe(
            [tensor.data_ptr() for tensor in dense], [tensor.numel() * tensor.element_size() for tensor in dense]
        )

    @staticmethod
    def _state(tensors: Sequence[torch.Tensor]) -> list[Any]:
        # Tensors made in inference mode have no version.
        return [(tensor.data_ptr(), None if tensor.is_inference() else tensor._version) for tensor in tensors]

    def same(self, tensors: Sequence[torch.Tensor]) -> bool:
        return self._state(tensors) == self.state and self.probe.same()


class _Code(NamedTuple):
    """Native code for parameters as they were."""

    places: list[int]  # of the packed parameters among the arguments
    weights: _Weights
    inputs: list[int]  # of the other tensors
    sizes: list[int]  # of all their dims; empty where some are free
    compiled: Any
    threads: int
    model: _runtime.Model

    def fits(self, arguments: Sequence[Any]) -> bool:
        return self.weights.same([arguments[place] for place in self.places])


class Region:
    """Calls the native code of a graph. Compiled at the first call, when the parameters are known.

    `packed`: for each placeholder whether it is a parameter, which the code may hold in a form of its own. They are
    packed anew when they have changed: another address or version, or another content in the one line of memory of each
    that is looked at. A region whose parameters keep changing gets them as inputs.
    """

    most_packings = 4

    def __init__(self, graph_module: torch.fx.GraphModule, packed: Sequence[bool], options: Options):
        self.eager = graph_module
        self.options = options
        self.packings = 0
        self.lock = threading.Lock()
        self.placeholders = list(graph_module.graph.find_nodes(op="placeholder"))
        self.packed = list(packed)
        result = graph_module.graph.output_node().args[0]
        self.single = not isinstance(result, (tuple, list))
        self.results = [_Result.of(node.meta["val"]) for node in ([result] if self.single else result)]
        self.free_sizes = any(value.shape is None for value in self.results)
        self.code: _Code | None = None  # replaced as a whole: other threads may be in a call
        self.gave_up = False
        live.add(self)

    def compile(self, arguments: Sequence[Any]) -> _Code:
        """Compiles for the parameters among the arguments. Raises Refused."""
        from . import _compiler

        self.packings += 1
        if self.packings > self.most_packings:
            self.packed = [False] * len(self.packed)
        places = [place for place, packed in enumerate(self.packed) if packed]
        weights = [arguments[place] for place in places]
        state = _Weights(weights)
        dense = [tensor.detach().contiguous() for tensor in weights]
        parameters = {
            self.placeholders[place].name: (tensor.data_ptr(), _aten.DTYPES.index(tensor.dtype), list(tensor.shape))
            for place, tensor in zip(places, dense)
        }
        try:
            graph = _aten.to_json(self.eager, parameters)
        except Exception as error:
            raise self._refused(f"PyTorch cannot serialise the region: {error}") from error
        options = self.options
        compiled = _compiler.compile_aten(
            graph, parameters, options.target, set(options.without), options.cache, _operators.definitions()
        )
        if isinstance(compiled, tuple):
            raise self._refusal(*compiled)
        inputs = [
            place
            for place, node in enumerate(self.placeholders)
            if not self.packed[place] and isinstance(node.meta["val"], torch.Tensor)
        ]
        sizes = [size for place in inputs for size in self.placeholders[place].meta["val"].shape]
        sizes = sizes if all(isinstance(size, int) for size in sizes) else []
        threads = self._threads()
        self.code = _Code(places, state, inputs, sizes, compiled, threads, _load(compiled, threads))
        return self.code

    def _threads(self) -> int:
        return self.options.threads or torch.get_num_threads()

    def _refused(self, reason: str) -> Refused:
        return Refused({node.name: reason for node in self.eager.graph.nodes})

    def _refusal(self, kind: str, text: str, nodes: Sequence[tuple[str, str]]) -> Refused:
        known = {node.name for node in self.eager.graph.nodes}
        named = {node.split(" ")[0]: message for node, message in nodes}
        if kind == "unsupported" and named and named.keys() <= known:
            return Refused(named)
        return self._refused(f"the compiler refuses the region: {text}")

    def repack(self) -> None:
        """Takes the parameters anew at the next call, whatever a look at them says."""
        self.code = None

    def _current(self, arguments: Sequence[Any]) -> _Code:
        """The code for these parameters and this number of threads."""

        code = self.code
        if code is None or not code.fits(arguments):
            with self.lock:
                code = self.code
                if code is None or not code.fits(arguments):
                    code = self.compile(arguments)
        if code.threads != self._threads():
            with self.lock:
                threads = self._threads()
                self.code = code = code._replace(threads=threads, model=_load(code.compiled, threads))
        return code

    def __call__(self, *arguments: Any) -> Any:
        if self.gave_up:
            return self.eager(*arguments)
        try:
            code = self._current(arguments)
        except Refused as refused:  # new parameters, or parameters as inputs
            self.gave_up = True
            self.options.log.warning("tenon: runs in eager from now on: %s", refused)
            return self.eager(*arguments)
        inputs = [arguments[place].contiguous() for place in code.inputs]
        addresses = [tensor.data_ptr() for tensor in inputs]
        sizes = code.sizes or [size for tensor in inputs for size in tensor.shape]
        try:
            if self.free_sizes:
                shapes = code.model._shapes(addresses, sizes)
                outputs = [torch.empty(shape, dtype=value.dtype) for shape, value in zip(shapes, self.results)]
            else:
                outputs = [_empty_strided_cpu(value.shape, value.strides, value.dtype) for value in self.results]
            code.model._run_at(addresses, sizes, [tensor.data_ptr() for tensor in outputs])
        except _errors.InputError as error:
            # The code asks more of the sizes than PyTorch promises.
            self.options.log.warning("tenon: runs in eager for these sizes: %s", error)
            return self.eager(*arguments)
        outputs = [tensor if value.order is None else _laid_out(tensor, value.order) for tensor, value in zip(outputs, self.results)]
        return outputs[0] if self.single else outputs


def _load(compiled: Any, threads: int) -> _runtime.Model:
    return _runtime.Model(compiled, compiled.address, compiled.bytes, threads, on_openmp=True)


def _strides(shape: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
    """Of dense memory with this order of axes, the innermost last."""
    strides, stride = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = stride
        stride *= max(shape[axis], 1)
    return tuple(strides)


def _laid_out(tensor: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
    """A copy with this order of axes in memory, which is that of eager."""
    return torch.empty_strided(tensor.shape, _strides(tensor.shape, order), dtype=tensor.dtype).copy_(tensor)

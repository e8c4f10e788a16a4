"""A region of a graph as native code that takes and gives torch tensors."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any

import torch

from . import _aten, _errors, _runtime
from ._options import Options

live: "weakref.WeakSet[Region]" = weakref.WeakSet()


class Refused(Exception):
    """Nodes that the compiler does not take, by name, and why."""

    def __init__(self, reasons: dict[str, str]):
        super().__init__("; ".join(f"{node}: {reason}" for node, reason in reasons.items()))
        self.reasons = reasons


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
        self.results = [node.meta["val"] for node in ([result] if self.single else result)]
        self.model: _runtime.Model | None = None
        live.add(self)

    def compile(self, arguments: Sequence[Any]) -> None:
        """Compiles for the parameters among the arguments. Raises Refused."""
        from . import _compiler

        self.packings += 1
        if self.packings > self.most_packings:
            self.packed = [False] * len(self.packed)
        places = [place for place, packed in enumerate(self.packed) if packed]
        weights = [arguments[place] for place in places]
        dense = [tensor.detach().contiguous() for tensor in weights]
        state = _Weights(weights)
        parameters = {
            self.placeholders[place].name: (tensor.data_ptr(), _aten.DTYPES.index(tensor.dtype), list(tensor.shape))
            for place, tensor in zip(places, dense)
        }
        try:
            graph = _aten.to_json(self.eager, parameters)
        except Exception as error:
            raise Refused({node.name: f"PyTorch cannot serialise the region: {error}" for node in self.eager.graph.nodes}) from error
        compiled = _compiler.compile_aten(graph, parameters, self.options.target, set(self.options.without), self.options.cache)
        if isinstance(compiled, tuple):
            self._refuse(*compiled)
        self.inputs = [
            place
            for place, node in enumerate(self.placeholders)
            if not self.packed[place] and isinstance(node.meta["val"], torch.Tensor)
        ]
        self.places, self.weights, self.compiled = places, state, compiled
        self.free_sizes = any(not all(isinstance(size, int) for size in value.shape) for value in self.results)
        self._load()

    def _load(self) -> None:
        self.threads = self.options.threads or torch.get_num_threads()
        compiled = self.compiled
        self.model = _runtime.Model(compiled, compiled.address, compiled.bytes, self.threads, on_openmp=True)

    def _refuse(self, kind: str, text: str, nodes: list[str]) -> None:
        known = {node.name for node in self.eager.graph.nodes}
        named = [node.split(" ")[0] for node in nodes]
        if kind == "unsupported" and named and all(node in known for node in named):
            raise Refused({node: text for node in named})
        raise Refused({node: f"the compiler refuses the region: {text}" for node in known})

    def repack(self) -> None:
        """Takes the parameters anew at the next call, whatever a look at them says."""
        self.weights = None

    def __call__(self, *arguments: Any) -> Any:
        weights = [arguments[place] for place in self.places]
        if self.weights is None or not self.weights.same(weights):
            with self.lock:
                if self.weights is None or not self.weights.same(weights):
                    self.compile(arguments)
        if not self.options.threads and torch.get_num_threads() != self.threads:
            with self.lock:
                self._load()
        inputs = [arguments[place].contiguous() for place in self.inputs]
        addresses = [tensor.data_ptr() for tensor in inputs]
        sizes = [size for tensor in inputs for size in tensor.shape]
        model = self.model
        try:
            shapes = model._shapes(addresses, sizes) if self.free_sizes else [value.shape for value in self.results]
            outputs = [torch.empty(shape, dtype=value.dtype) for shape, value in zip(shapes, self.results)]
            model._run_at(addresses, sizes, [tensor.data_ptr() for tensor in outputs])
        except _errors.InputError as error:
            # The code asks more of the sizes than PyTorch promises.
            self.options.log.warning("tenon: runs in eager for these sizes: %s", error)
            return self.eager(*arguments)
        outputs = [_with_strides(tensor, value) for tensor, value in zip(outputs, self.results)]
        return outputs[0] if self.single else outputs


def _with_strides(tensor: torch.Tensor, promised: torch.Tensor) -> torch.Tensor:
    """The tensor in the order of axes in which eager gives it, a copy where it is another than row-major."""
    if promised.is_contiguous():
        return tensor
    order = sorted(range(tensor.dim()), key=lambda axis: -promised.stride(axis))
    strides, stride = [0] * tensor.dim(), 1
    for axis in reversed(order):
        strides[axis] = stride
        stride *= max(tensor.shape[axis], 1)
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)

"""`torch.compile(module, backend="tenon")`."""

from __future__ import annotations

import functools
import operator
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch._decomp import core_aten_decompositions
from torch._dynamo.backends.common import aot_autograd
from torch._functorch.aot_autograd import make_boxed_func

from . import _errors, _operators, _recurrent, _region, _regions
from ._composites import COMPOSITES
from ._guard import Decision, Guard
from ._options import Options

_graphs: "weakref.WeakSet[Graph]" = weakref.WeakSet()


@functools.cache
def _imports(name: str) -> bool:
    from . import _compiler

    return name.startswith("aten.") and _compiler.imports_aten(name.removeprefix("aten.").removesuffix(".default"))


def is_known(name: str) -> bool:
    """Whether the compiler takes the operator, as `aten.relu.default`."""
    return _imports(_recurrent.ATEN_NAMES.get(name, name)) or _operators.is_implemented(name)


@functools.cache
def _decompositions() -> Mapping[Any, Callable[..., Any]]:
    """PyTorch's decompositions of the operators that the compiler does not take whole."""
    return {op: rule for op, rule in core_aten_decompositions().items() if not _imports(str(op))}


class _Direct(NamedTuple):
    """A graph that is one region and nothing else."""

    region: _region.Region
    arguments: list[int]  # which of the graph's
    results: list[int]  # which of the region's


class Graph:
    """What PyTorch gets for one graph: regions of native code, with eager between them where Tenon lacks something.

    Made whole at the first call, when the parameters are known.
    """

    def __init__(self, graph_module: torch.fx.GraphModule, static: Sequence[int], options: Options):
        self.eager = graph_module
        self.options = options
        self.lock = threading.Lock()
        self.fallbacks: list[_regions.Fallback] = []
        self.operators = sum(map(_regions.is_operator, graph_module.graph.nodes))
        self.seconds = 0.0
        self.split: torch.fx.GraphModule | None = None
        self.static = frozenset(static)
        tensors = [
            place
            for place, node in enumerate(graph_module.graph.find_nodes(op="placeholder"))
            if place not in self.static and isinstance(node.meta["val"], torch.Tensor)
        ]
        # What a call does once the graph is made.
        self.call: Callable[[list[Any]], Any] = self.run
        self.guard: Guard | None = None
        if options.guard:
            shapes = lambda arguments: tuple(tuple(arguments[place].shape) for place in tensors)  # noqa: E731
            self.call = self.guard = Guard(self.run, lambda arguments: self.eager(*arguments), shapes)
        _graphs.add(self)

    def __call__(self, arguments: list[Any]) -> list[Any]:
        """The boxed calling convention of AOTAutograd."""
        if self.split is None:
            with self.lock:
                if self.split is None:
                    self._make(arguments)
        return self.call(arguments)

    def run(self, arguments: list[Any]) -> list[Any]:
        if self.direct is None:
            return self.split(*arguments)
        region, places, results = self.direct
        values = region(*[arguments[place] for place in places])
        return [values] * len(results) if region.single else [values[place] for place in results]

    def _make(self, arguments: Sequence[Any]) -> None:
        start = time.perf_counter()
        rejected: dict[str, str] = {}
        while True:
            split, fallbacks = _regions.split(self.eager, is_known, rejected)
            try:
                self._compile_regions(split, arguments)
                break
            except _region.Refused as refused:
                rejected.update(refused.reasons)
        if fallbacks and not self.options.fallback:
            raise _errors.UnsupportedError(_listing(fallbacks))
        if fallbacks:
            self.options.log.warning("tenon: %s", _listing(fallbacks))
        self.fallbacks = fallbacks
        self.direct = _direct(split.graph, self.regions)
        self.split = split
        self.seconds = time.perf_counter() - start

    def _compile_regions(self, split: torch.fx.GraphModule, arguments: Sequence[Any]) -> None:
        """Puts a Region in the place of each submodule."""
        given = dict(zip(split.graph.find_nodes(op="placeholder"), range(len(arguments))))
        self.regions = {}
        for node in split.graph.find_nodes(op="call_module"):
            packed = [given.get(argument, -1) in self.static for argument in node.args]
            region = _region.Region(getattr(split, node.target), packed, self.options)
            region.compile([arguments[given[argument]] if argument in given else None for argument in node.args])
            self.regions[node.target] = region
        for name, region in self.regions.items():
            delattr(split, name)
            split.__dict__[name] = region


def _direct(graph: torch.fx.Graph, regions: Mapping[str, _region.Region]) -> _Direct | None:
    places = {node: place for place, node in enumerate(graph.find_nodes(op="placeholder"))}
    calls = [node for node in graph.nodes if node.op not in ("placeholder", "output") and node.target is not operator.getitem]
    if len(calls) != 1 or calls[0].op != "call_module" or not all(argument in places for argument in calls[0].args):
        return None
    (call,) = calls
    results = []
    for node in graph.output_node().args[0]:
        if node is call:
            results.append(0)
        elif isinstance(node, torch.fx.Node) and node.target is operator.getitem and node.args[0] is call:
            results.append(node.args[1])
        else:
            return None
    return _Direct(regions[call.target], [places[argument] for argument in call.args], results)


def _listing(fallbacks: Sequence[_regions.Fallback]) -> str:
    lines = [f"{f.operator} ({f.line or 'no PyTorch line known'}): {f.reason}" for f in fallbacks]
    return f"{len(fallbacks)} operators run in eager: " + "; ".join(dict.fromkeys(lines))


def compile_graphs(graph_module: torch.fx.GraphModule, inputs: Sequence[Any], options: Options, made: list[Graph]) -> Callable[..., Any]:
    """What a Dynamo backend does; each Graph that it makes is added to `made`."""

    def forward(graph_module: torch.fx.GraphModule, inputs: Sequence[Any], *, inference: bool) -> Graph:
        static: list[int] = []
        context = torch._guards.TracingContext.try_get()
        if inference and context and context.fw_metadata:
            mutated = {place for place, info in enumerate(context.fw_metadata.input_info) if info.mutates_data}
            static = [place for place in context.fw_metadata.static_input_indices if place not in mutated]
        graph = Graph(graph_module, static, options)
        graph._boxed_call = True
        made.append(graph)
        return graph

    _recurrent.keep_whole(graph_module, inputs)
    return aot_autograd(
        fw_compiler=functools.partial(forward, inference=False),
        bw_compiler=lambda graph_module, inputs: make_boxed_func(graph_module.forward),
        inference_compiler=functools.partial(forward, inference=True),
        decompositions={**_decompositions(), **COMPOSITES, **_operators.replacements},
    )(graph_module, inputs)


def backend(graph_module: torch.fx.GraphModule, inputs: Sequence[Any], *, options: Mapping[str, Any] | None = None, mode: Any = None):
    """What `torch.compile` calls. `options`: see `Options`; `mode` says nothing to Tenon.

    Forward passes of training are compiled with parameters as inputs; backward passes run in eager.
    """
    return compile_graphs(graph_module, inputs, Options.of(options), [])


def repack() -> None:
    """All parameters of modules compiled by `torch.compile(backend="tenon")` are packed anew at their next call.

    Changes of parameters are noticed without this when PyTorch counts them (in-place operators, `load_state_dict`,
    `.data =`) or when they touch the one line of memory of each parameter that every call looks at.
    """
    for region in list(_region.live):
        region.repack()


def decisions() -> list[Decision]:
    """What `options={"guard": True}` has measured and decided, for each graph and set of input shapes."""
    return [decision for graph in list(_graphs) if graph.guard for decision in graph.guard.decisions()]

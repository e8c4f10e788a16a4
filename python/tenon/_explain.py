"""What `torch.compile(backend="tenon")` makes of a module: what is native code, what stays in eager, why, and its share of the
time."""

from __future__ import annotations

import collections
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from . import _backend
from ._options import Options


class Operator(NamedTuple):
    """An operator that runs in eager: what it is, the PyTorch line it comes from, why, and its share of a call's time."""

    operator: str
    line: str
    reason: str
    share: float


class Explanation(NamedTuple):
    """graphs: how many graphs PyTorch made of the module; regions: how many pieces of native code they hold;
    operators: how many operators the graphs have; fallbacks: those that run in eager; graph_breaks: where PyTorch
    itself left the graph, and why; compile_seconds: what Tenon took to compile."""

    graphs: int
    regions: int
    operators: int
    fallbacks: list[Operator]
    graph_breaks: list[str]
    compile_seconds: float

    def __str__(self) -> str:
        compiled = self.operators - len(self.fallbacks)
        lines = [
            f"{compiled} of {self.operators} operators compiled, in {self.regions} regions of {self.graphs} graphs, "
            f"in {self.compile_seconds:.2f} s"
        ]
        lines += [f"eager, {f.share:.0%} of the time: {f.operator} ({f.line or 'no line known'}): {f.reason}" for f in self.fallbacks]
        lines += [f"graph break: {reason}" for reason in self.graph_breaks]
        return "\n".join(lines)


class _Timed(torch.fx.Interpreter):
    """Runs a graph and adds to the seconds of each of its nodes."""

    def __init__(self, module: torch.fx.GraphModule, seconds: dict[str, float]):
        super().__init__(module)
        self.seconds = seconds

    def call_module(self, target, args, kwargs):
        return self.module.__dict__[target](*args, **kwargs)

    def run_node(self, node: torch.fx.Node) -> Any:
        start = time.perf_counter()
        result = super().run_node(node)
        self.seconds[node.name] += time.perf_counter() - start
        return result


def explain(module: Any, *inputs: Any, **named: Any) -> Explanation:
    """Compiles a module or function for these inputs as `torch.compile(module, backend="tenon")` does, and calls it a few
    times.

    >>> print(str(tenon.explain(torch.nn.Linear(4, 3), torch.ones(1, 4))).rsplit(",", 1)[0])
    2 of 2 operators compiled, in 1 regions of 1 graphs
    """
    graphs: list[_backend.Graph] = []
    breaks = collections.Counter(torch._dynamo.utils.counters["graph_break"])
    compiled = torch.compile(module, backend=lambda graph, example: _backend.compile_graphs(graph, example, Options(), graphs))
    with torch.no_grad():
        compiled(*inputs, **named)
        seconds = [collections.Counter() for _ in graphs]
        for graph, times in zip(graphs, seconds):
            graph.call = lambda arguments, graph=graph, times=times: _Timed(graph.split, times).run(*arguments)
        for _ in range(3):
            compiled(*inputs, **named)
    total = sum(times.total() for times in seconds) or 1.0
    fallbacks = [
        Operator(f.operator, f.line, f.reason, times[f.node] / total) for graph, times in zip(graphs, seconds) for f in graph.fallbacks
    ]
    breaks = collections.Counter(torch._dynamo.utils.counters["graph_break"]) - breaks
    return Explanation(
        len(graphs),
        sum(len(graph.regions) for graph in graphs),
        sum(graph.operators for graph in graphs),
        sorted(fallbacks, key=lambda f: -f.share),
        list(breaks),
        sum(graph.seconds for graph in graphs),
    )

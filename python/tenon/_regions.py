"""Splits a graph of ATen operators into regions for the compiler and operators that stay in eager."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch.fx import GraphModule, Node
from torch.fx.passes.infra.partitioner import CapabilityBasedPartitioner
from torch.fx.passes.operator_support import OperatorSupportBase

from . import _aten


class Fallback(NamedTuple):
    """An operator that runs in eager: the node's name, its operator, the PyTorch line it comes from, and why."""

    node: str
    operator: str
    line: str
    reason: str


def operator_name(node: Node) -> str:
    """`aten.topk.default`, or a Python function's name."""
    return str(node.target) if isinstance(node.target, torch._ops.OpOverload) else getattr(node.target, "__name__", str(node.target))


def line_of(node: Node) -> str:
    """`file.py:12, in forward: y = x.topk(2)`: the innermost frame of the user's code, or nothing."""
    lines = [line.strip() for line in node.meta.get("stack_trace", "").splitlines() if line.strip()]
    for place in range(len(lines) - 1, -1, -1):
        if lines[place].startswith('File "'):
            file, number, where = (lines[place].split(", ", 2) + ["", ""])[:3]
            code = lines[place + 1] if place + 1 < len(lines) else ""
            return f"{file[6:-1]}:{number.removeprefix('line ')}, {where}: {code}"
    return ""


def is_view(node: Node) -> bool:
    """Whether the result, or each of several, shares memory with an argument."""
    if node.target is operator.getitem:
        return is_view(node.args[0])
    schema = getattr(node.target, "_schema", None)
    return schema is not None and any(result.alias_info is not None for result in schema.returns)


def is_operator(node: Node) -> bool:
    """A call that computes a tensor; not arithmetic on sizes, not taking one of several results."""
    return node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload) and any(
        isinstance(value, torch.Tensor) for value in _aten.values(node)
    )


def why_not(node: Node, is_known: Callable[[str], bool]) -> str | None:
    """Why the compiler cannot have the node, as far as that can be seen without compiling."""
    if node.op != "call_function":
        return f"'{node.op}' nodes stay in eager"
    if node.target is operator.getitem:
        return why_not(node.args[0], is_known)
    if isinstance(node.target, torch._ops.OpOverload) and not is_known(str(node.target)):
        return "Tenon does not have this operator"
    if not isinstance(node.target, torch._ops.OpOverload) and not all(
        isinstance(value, torch.SymInt) for value in _aten.values(node)
    ):
        return "Tenon does not have this function"
    for value in [value for n in [node, *node.all_input_nodes] for value in _aten.values(n)]:
        if not _aten.is_plain(value):
            kind = f"{value.dtype} on {value.device}" if isinstance(value, torch.Tensor) else type(value).__name__
            return f"Tenon does not have values of this kind: {kind}"
        if isinstance(value, torch.Tensor) and any(
            torch.fx.experimental.symbolic_shapes.free_unbacked_symbols(size) for size in value.shape
        ):
            return "a size depends on data"
    return None


def at_the_end(graph: torch.fx.Graph) -> set[Node]:
    """Views that only the caller sees: in eager they cost no copy."""
    found: set[Node] = set()
    for node in reversed(graph.nodes):
        if node.op == "call_function" and is_view(node) and all(user.op == "output" or user in found for user in node.users):
            found.add(node)
    return found


def own_copies(graph: torch.fx.Graph, readers: Iterable[Node], wanted: Callable[[Node], bool]) -> set[Node]:
    """Gives the readers copies of the nodes that are wanted, from one to the next, which nobody else reads. Returns those."""
    copies: dict[Node, Node] = {}

    def own(node: Node) -> Node:
        if not wanted(node):
            return node
        if node not in copies:
            with graph.inserting_after(node):
                copies[node] = graph.node_copy(node, own)
            copies[node].meta = dict(node.meta)
        return copies[node]

    for reader in readers:
        reader.args, reader.kwargs = torch.fx.map_arg((reader.args, reader.kwargs), own)
    for node in reversed(list(graph.nodes)):
        if node in copies and not node.users:
            graph.erase_node(node)
    return set(copies.values())


def is_size(node: Node) -> bool:
    """Arithmetic on sizes."""
    return node.op == "call_function" and all(isinstance(value, torch.SymInt) for value in _aten.values(node))


class _Supported(OperatorSupportBase):
    def __init__(self, accept: Callable[[Node], bool]):
        self.accept = accept

    def is_node_supported(self, submodules, node: Node) -> bool:
        return self.accept(node)


def split(graph_module: GraphModule, is_known: Callable[[str], bool], rejected: dict[str, str]) -> tuple[GraphModule, list[Fallback]]:
    """A copy of the graph in which each region is a submodule, and the operators that stay outside.

    `is_known`: whether the compiler has an operator. `rejected`: nodes by name that it has refused, with its reasons. Regions
    that compute nothing stay outside without being counted.
    """
    graph = torch.fx.Graph()
    graph.output(graph.graph_copy(graph_module.graph, mapping := {}))
    copy = GraphModule(graph_module, graph)
    for old, new in mapping.items():
        new.meta = dict(old.meta)
    # Results that share memory do so in what is called, whoever else reads them.
    own_copies(copy.graph, [copy.graph.output_node()], is_view)
    outside = at_the_end(copy.graph)
    reasons = {node: rejected.get(node.name) or why_not(node, is_known) for node in copy.graph.nodes}
    # Regions give tensors: what stays outside has its sizes outside.
    readers = [node for node in copy.graph.nodes if node in outside or reasons[node] is not None]
    sizes = own_copies(copy.graph, readers, is_size)
    outside |= sizes
    reasons |= dict.fromkeys(sizes)
    partitioner = CapabilityBasedPartitioner(
        copy, _Supported(lambda node: reasons[node] is None and node not in outside), allows_single_node_partition=True
    )
    partitions = [
        partition for partition in partitioner.propose_partitions() if any(is_operator(n) and not is_view(n) for n in partition.nodes)
    ]
    fallbacks = [
        Fallback(node.name, operator_name(node), line_of(node), reasons[node])
        for node in copy.graph.nodes
        if is_operator(node) and reasons[node] is not None and node not in outside
    ]
    return partitioner.fuse_partitions(partitions), fallbacks

"""Graphs of ATen operators in the JSON schema of `torch.export.save`, which the compiler reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch._export.serde import schema, serialize
from torch.export.graph_signature import ExportGraphSignature

from . import _recurrent

# Numbered as in runtime/abi.h.
DTYPES = (
    torch.bool,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
)


def values(node: torch.fx.Node) -> list[Any]:
    """The fake values that a node gives: tensors, symbolic numbers, None."""
    value = node.meta.get("val")
    return list(value) if isinstance(value, (tuple, list)) else [value]


def is_plain(value: Any) -> bool:
    """Whether the compiler can hold the value: a dense CPU tensor of a dtype it has, or a number."""
    if isinstance(value, torch.Tensor):
        return value.device.type == "cpu" and value.layout == torch.strided and value.dtype in DTYPES
    return value is None or isinstance(value, (int, float, bool, torch.SymInt))


def to_json(graph_module: torch.fx.GraphModule, parameters: Iterable[str]) -> str:
    """The graph as an exported program. `parameters`: names of those placeholders whose data the compiler gets beside it.
    Raises what PyTorch's serializer raises for what the schema has no form for."""
    for node in graph_module.graph.nodes:
        node.meta = {key: node.meta[key] for key in ("val", "stack_trace") if key in node.meta}
    graph = serialize.GraphModuleSerializer(ExportGraphSignature([], []), []).serialize_graph(graph_module)
    named = set(parameters)
    inputs = []
    for node in graph_module.graph.find_nodes(op="placeholder"):
        argument = {"name": node.name}
        if node.name in named:
            inputs.append({"parameter": {"arg": argument, "parameter_name": node.name}})
        elif isinstance(node.meta["val"], torch.Tensor):
            inputs.append({"user_input": {"arg": {"as_tensor": argument}}})
        else:
            inputs.append({"user_input": {"arg": {"as_sym_int": {"as_name": node.name}}}})
    plain = serialize._dataclass_to_dict(graph)
    for node in plain["nodes"]:
        node["target"] = _recurrent.ATEN_NAMES.get(node["target"].removeprefix("torch.ops."), node["target"])
    program = {
        "graph_module": {
            "graph": plain,
            "signature": {"input_specs": inputs, "output_specs": [{"user_output": {"arg": out}} for out in plain["outputs"]]},
            "module_call_graph": [],
        },
        "opset_version": {"aten": 10},
        "range_constraints": _ranges(graph_module),
        "schema_version": dict(zip(("major", "minor"), schema.SCHEMA_VERSION)),
        "verifiers": [],
        "torch_version": torch.__version__,
    }
    return json.dumps(program, cls=serialize.EnumEncoder)


def _ranges(graph_module: torch.fx.GraphModule) -> Mapping[str, Mapping[str, int | None]]:
    """What PyTorch knows of the symbols in the shapes."""
    ranges = {}
    for node in graph_module.graph.nodes:
        for value in values(node):
            sizes = value.shape if isinstance(value, torch.Tensor) else [value]
            for size in sizes:
                if not isinstance(size, torch.SymInt):
                    continue
                environment = size.node.shape_env
                for symbol in size.node.expr.free_symbols:
                    bounds = environment.bound_sympy(symbol)
                    least, most = int(bounds.lower), bounds.upper
                    ranges[str(symbol)] = {"min_val": least, "max_val": int(most) if most.is_Integer else None}
    return ranges

"""Recurrent layers as operators that AOTAutograd does not unroll over time.

Each is the ATen operator of its name under another namespace: the compiler reads it as that one, and in eager it calls it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_NAMESPACE = "tenon"
_SCHEMA = (
    "{name}(Tensor input, Tensor{list} hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train,"
    " bool bidirectional, bool batch_first) -> ({results})"
)
_FUNCTIONS = {"lstm": torch.lstm, "gru": torch.gru, "rnn_tanh": torch.rnn_tanh, "rnn_relu": torch.rnn_relu}
_library = torch.library.Library(_NAMESPACE, "DEF")

# The compiler's names of our operators.
ATEN_NAMES: Mapping[str, str] = {f"{_NAMESPACE}.{name}.default": f"aten.{name}.input" for name in _FUNCTIONS}


def _shapes(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first) -> Any:
    """Results without values, with the strides that eager gives."""
    states = hx if isinstance(hx, (list, tuple)) else [hx]
    steps = input.transpose(0, 1) if batch_first and input.dim() == 3 else input
    hidden = states[0].shape[-1] * (2 if bidirectional else 1)
    output = input.new_empty([*steps.shape[:-1], hidden])
    if steps is not input:
        output = output.transpose(0, 1)
    return (output, *(state.new_empty(state.shape) for state in states))


def _define(name: str) -> None:
    states = 2 if name == "lstm" else 1
    _library.define(
        _SCHEMA.format(name=name, list="[]" if states == 2 else "", results=", ".join(["Tensor"] * (1 + states))),
        tags=(torch.Tag.pt2_compliant_tag,),
    )
    _library.impl(name, _FUNCTIONS[name], "CPU")
    torch.library.register_fake(f"{_NAMESPACE}::{name}", _shapes, lib=_library)


for _name in _FUNCTIONS:
    _define(_name)

_OPERATORS = {function: getattr(torch.ops.tenon, name).default for name, function in _FUNCTIONS.items()}


def keep_whole(graph_module: torch.fx.GraphModule, inputs: Sequence[Any]) -> None:
    """Puts our operators in the place of PyTorch's recurrent layers in a graph of Dynamo's, but for packed sequences.

    They have no derivative, and autocast does not know them: a graph that may need either stays as it is.
    """
    trains = torch.is_grad_enabled() and any(isinstance(value, Tensor) and value.requires_grad for value in inputs)
    if trains or torch.is_autocast_enabled("cpu"):
        return
    graph = graph_module.graph
    for function, operator in _OPERATORS.items():
        for node in graph.find_nodes(op="call_function", target=function):
            # A packed sequence has its batch sizes as another argument, before this flag.
            if len(node.args) != 9 or not isinstance(node.args[3], bool):
                continue
            with graph.inserting_after(node):
                whole = graph.call_function(operator, node.args)
            whole.meta = dict(node.meta)
            node.replace_all_uses_with(whole)
            graph.erase_node(node)
    graph_module.recompile()

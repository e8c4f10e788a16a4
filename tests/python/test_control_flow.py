"""If, Loop and Scan: as PyTorch writes them, and in forms that it does not, against eager and numpy."""

import numpy
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import tenon


def tensor(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def node(op_type, inputs, outputs, **attributes):
    return helper.make_node(op_type, inputs, outputs, name=f"the_{op_type}", **attributes)


def constant(name, value):
    return node("Constant", [], [name], value=onnx.numpy_helper.from_array(numpy.array(value)))


def save(path, nodes, inputs, outputs):
    graph = helper.make_graph(nodes, "main", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.save(model, path)
    return path


class Conditional(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda x: self.linear(x), lambda x: x.sin() - 1, (x,))


def test_a_branch_is_chosen_when_the_model_runs(tmp_path):
    torch.manual_seed(0)
    module = Conditional().eval()
    program = torch.onnx.export(module, (torch.ones(3, 4),), dynamo=True, verbose=False)
    program.save(tmp_path / "m.onnx")
    assert any(node.op_type == "If" for node in onnx.load(tmp_path / "m.onnx").graph.node)
    model = tenon.compile(tmp_path / "m.onnx")
    with torch.inference_mode():
        for x in (torch.ones(3, 4), -torch.ones(3, 4)):
            torch.testing.assert_close(model(x), module(x))


def branches(then_shape, else_shape):
    def branch(name, shape, value):
        return helper.make_graph(
            [constant("shape", numpy.array(shape)), node("ConstantOfShape", ["shape"], ["made"]), node("Add", ["made", value], [name])],
            name,
            [],
            [tensor(name, shape)],
        )

    return node(
        "If", ["flag"], ["y"], then_branch=branch("a", then_shape, "x"), else_branch=branch("b", else_shape, "x")
    )


def test_branches_of_different_shape_are_refused(tmp_path):
    inputs = [tensor("flag", [], TensorProto.BOOL), tensor("x", [])]
    path = save(tmp_path / "m.onnx", [branches([2], [3])], inputs, [tensor("y", None)])
    with pytest.raises(tenon.Error) as raised:
        tenon.compile(path)
    assert raised.value.kind == "unsupported" and "the_If" in str(raised.value)


def loop_body(with_list):
    """state = state * 2, while it is less than 50; the list has every state before."""
    nodes = [
        constant("two", numpy.float32(2)),
        constant("fifty", numpy.float32(50)),
        node("Mul", ["state", "two"], ["next"]),
        node("ReduceMax", ["next"], ["largest"], keepdims=0),
        node("Less", ["largest", "fifty"], ["goes_on"]),
    ]
    outputs = [tensor("goes_on", [], TensorProto.BOOL), tensor("next", [3])]
    if with_list:
        nodes[-1] = node("Identity", ["condition"], ["goes_on"])
        nodes.append(node("Identity", ["state"], ["before"]))
        outputs.append(tensor("before", [3]))
    inputs = [tensor("i", [], TensorProto.INT64), tensor("condition", [], TensorProto.BOOL), tensor("state", [3])]
    return helper.make_graph(nodes, "body", inputs, outputs)


def test_a_loop_stops_when_its_data_says(tmp_path):
    nodes = [constant("limit", numpy.int64(9)), node("Loop", ["limit", "", "x"], ["y"], body=loop_body(False))]
    path = save(tmp_path / "m.onnx", nodes, [tensor("x", [3])], [tensor("y", [3])])
    model = tenon.compile(path)
    for first in (1, 30, 100, 0.01):
        x = state = numpy.array([first, 0.5, 0.25], numpy.float32)
        for _ in range(9):
            state = state * 2
            if state.max() >= 50:
                break
        numpy.testing.assert_array_equal(model(x), state)


def test_a_loop_gives_a_list(tmp_path):
    nodes = [constant("limit", numpy.int64(4)), node("Loop", ["limit", "", "x"], ["y", "all"], body=loop_body(True))]
    path = save(tmp_path / "m.onnx", nodes, [tensor("x", [3])], [tensor("y", [3]), tensor("all", [4, 3])])
    x = numpy.array([1, 2, 3], numpy.float32)
    last, states = tenon.compile(path)(x)
    numpy.testing.assert_array_equal(last, 16 * x)
    numpy.testing.assert_array_equal(states, numpy.outer([1, 2, 4, 8], x))


def test_a_loop_without_limit_is_refused(tmp_path):
    path = save(
        tmp_path / "m.onnx",
        [node("Loop", ["", "", "x"], ["y"], body=loop_body(False))],
        [tensor("x", [3])],
        [tensor("y", [3])],
    )
    with pytest.raises(tenon.Error, match="the_Loop.*depends on data"):
        tenon.compile(path)


def test_a_loop_that_is_too_long_is_refused(tmp_path):
    nodes = [constant("limit", numpy.int64(10**9)), node("Loop", ["limit", "", "x"], ["y", "all"], body=loop_body(True))]
    path = save(tmp_path / "m.onnx", nodes, [tensor("x", [3])], [tensor("y", [3]), tensor("all", None)])
    with pytest.raises(tenon.Error, match="the_Loop.*more than 20000 nodes"):
        tenon.compile(path)


@pytest.mark.parametrize("backwards", [0, 1])
def test_a_scan_runs_along_an_axis_both_ways(tmp_path, backwards):
    body = helper.make_graph(
        [node("Add", ["sum", "x"], ["next"]), node("Identity", ["next"], ["running"])],
        "body",
        [tensor("sum", [2]), tensor("x", [2])],
        [tensor("next", [2]), tensor("running", [2])],
    )
    scan = node(
        "Scan",
        ["first", "xs"],
        ["last", "all"],
        body=body,
        num_scan_inputs=1,
        scan_input_axes=[1],
        scan_input_directions=[backwards],
        scan_output_axes=[1],
        scan_output_directions=[backwards],
    )
    inputs = [tensor("first", [2]), tensor("xs", [2, 5])]
    path = save(tmp_path / "m.onnx", [scan], inputs, [tensor("last", [2]), tensor("all", [2, 5])])
    x = numpy.arange(10, dtype=numpy.float32).reshape(2, 5)
    model = tenon.compile(path)
    last, running = model(numpy.array([1, 2], numpy.float32), x)
    order = x[:, ::-1] if backwards else x
    sums = numpy.cumsum(order, 1) + numpy.array([[1], [2]], numpy.float32)
    numpy.testing.assert_array_equal(last, sums[:, -1])
    numpy.testing.assert_array_equal(running, sums[:, ::-1] if backwards else sums)

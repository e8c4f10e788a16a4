"""Files that are well-formed ONNX and make no sense: each is refused with its kind, or fails at the call."""

import sys
from pathlib import Path

import numpy
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import tenon

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
from models import SimpleCNN  # noqa: E402


def tensor(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def integers(name, values):
    return onnx.numpy_helper.from_array(numpy.array(values, numpy.int64), name)


def save(path, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "main", inputs, [tensor(name, None) for name in outputs], list(initializers))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def refused(path, kind, words):
    with pytest.raises(tenon.Error, match=words) as raised:
        tenon.compile(path)
    assert raised.value.kind == kind


def test_a_result_beyond_any_limit_is_refused(tmp_path):
    node = helper.make_node("MatMul", ["column", "row"], ["y"], name="the_product")
    inputs = [tensor("column", [2**30, 1]), tensor("row", [1, 2**30])]
    refused(save(tmp_path / "m.onnx", [node], inputs, ["y"]), "bad-shape", "beyond any limit(.|\n)*the_product|the_product(.|\n)*beyond any limit")


def test_parts_that_overflow_are_refused(tmp_path):
    node = helper.make_node("Split", ["x", "sizes"], ["a", "b"], name="the_split")
    path = save(tmp_path / "m.onnx", [node], [tensor("x", [4])], ["a", "b"], [integers("sizes", [2, 2**63 - 1])])
    refused(path, "bad-model", "the_split")


def test_open_sizes_that_cannot_be_reshaped_fail_at_the_call(tmp_path):
    """[n, 6] to [n / 2, 12]: right for an even n, an error for an odd one."""
    nodes = [
        helper.make_node("Shape", ["x"], ["sizes"], end=1),
        helper.make_node("Div", ["sizes", "two"], ["half"]),
        helper.make_node("Concat", ["half", "twelve"], ["target"], axis=0),
        helper.make_node("Abs", ["x"], ["positive"]),
        helper.make_node("Reshape", ["positive", "target"], ["folded"]),
        helper.make_node("Transpose", ["folded"], ["y"], perm=[1, 0]),
    ]
    constants = [integers("two", [2]), integers("twelve", [12])]
    model = tenon.compile(save(tmp_path / "m.onnx", nodes, [tensor("x", ["n", 6])], ["y"], constants))
    for n in (2, 8):
        x = numpy.arange(6 * n, dtype=numpy.float32).reshape(n, 6)
        numpy.testing.assert_array_equal(model(x), x.reshape(n // 2, 12).T)
    with pytest.raises(ValueError):
        model(numpy.zeros((3, 6), numpy.float32))


def test_a_list_is_known_when_the_model_is_compiled(tmp_path):
    nodes = [
        helper.make_node("SplitToSequence", ["x", "two"], ["pieces"], axis=1),
        helper.make_node("SequenceErase", ["pieces", "first"], ["fewer"]),
        helper.make_node("SequenceInsert", ["fewer", "x"], ["longer"]),
        helper.make_node("SequenceLength", ["longer"], ["length"]),
        helper.make_node("SequenceAt", ["longer", "last"], ["whole"]),
        helper.make_node("ConcatFromSequence", ["longer"], ["joined"], axis=1),
    ]
    constants = [onnx.numpy_helper.from_array(numpy.int64(v), n) for n, v in (("two", 2), ("first", 0), ("last", -1))]
    path = save(tmp_path / "m.onnx", nodes, [tensor("x", [2, 5])], ["length", "whole", "joined"], constants)
    x = numpy.arange(10, dtype=numpy.float32).reshape(2, 5)
    length, whole, joined = tenon.compile(path)(x)
    assert length == 3
    numpy.testing.assert_array_equal(whole, x)
    numpy.testing.assert_array_equal(joined, numpy.concatenate([x[:, 2:4], x[:, 4:], x], 1))


def test_a_list_is_no_output(tmp_path):
    node = helper.make_node("SplitToSequence", ["x"], ["pieces"], name="the_split")
    refused(save(tmp_path / "m.onnx", [node], [tensor("x", [2])], ["pieces"]), "unsupported", "pieces.*list")


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    """The small network of the quick start, for images of 26 x 26, as both kinds of file; and with open sizes."""
    folder, module, x = tmp_path_factory.mktemp("cnn"), SimpleCNN().eval(), torch.zeros(1, 1, 26, 26)
    torch.export.save(torch.export.export(module, (x,)), folder / "net.pt2")
    torch.onnx.export(module, (x,), folder / "net.onnx", dynamo=False, input_names=["x"])
    torch.onnx.export(module, (x,), folder / "open.onnx", dynamo=False, input_names=["x"], dynamic_axes={"x": {2: "h", 3: "w"}})
    return folder, module


@pytest.mark.parametrize("name", ["net.onnx", "net.pt2"])
def test_an_image_of_another_size_is_refused_with_the_line_and_the_shape_that_fits(cnn, name):
    with pytest.raises(tenon.ShapeError) as raised:
        tenon.compile(cnn[0] / name, shapes={"x": (1, 1, 24, 24)})
    assert "cannot reshape 1936 elements into rows of 2304" in str(raised.value)
    assert "the shape in the file fits: x: f32[1, 1, 26, 26]" in str(raised.value)
    assert name == "net.onnx" or "models.py:18 in forward: return self.fc1(" in str(raised.value)


def test_a_call_with_an_image_of_another_size_names_the_dim(cnn):
    with pytest.raises(tenon.InputError, match=r"'x' is f32\[1, 1, 26, 26\] but the call gives f32\[1, 1, 24, 24\]: dim 2 must be 26"):
        tenon.compile(cnn[0] / "net.pt2")(torch.zeros(1, 1, 24, 24))


def test_open_sizes_that_a_reshape_does_not_allow_are_to_be_fixed(cnn):
    with pytest.raises(tenon.ShapeError, match="fix the open sizes with --shape"):
        tenon.compile(cnn[0] / "open.onnx")
    assert tenon.compile(cnn[0] / "open.onnx", shapes={"h": 26, "w": 26}).inputs[0].shape == (1, 1, 26, 26)


@torch.no_grad()
def test_torch_compile_gives_the_error_of_eager_and_goes_on(cnn):
    module = cnn[1]
    torch._dynamo.reset()
    compiled, x = torch.compile(module, backend="tenon"), torch.rand(1, 1, 26, 26)
    for _ in range(2):
        torch.testing.assert_close(compiled(x), module(x))
        with pytest.raises(RuntimeError, match="2304") as raised:
            compiled(torch.zeros(1, 1, 24, 24))
        assert "return self.fc1(x.view(-1, 16 * 12 * 12))" in str(raised.value)

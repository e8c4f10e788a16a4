"""Operators of ONNX Runtime's own domain, against ONNX Runtime."""

import numpy
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import tenon

RANDOM = numpy.random.default_rng(7)
TYPES = {"int32": TensorProto.INT32, "float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


def u8(*shape):
    return RANDOM.integers(0, 256, shape).astype(numpy.uint8)


def i8(*shape):
    """So small that two products with bytes fit 16 bits, where ONNX Runtime saturates on a CPU without VNNI."""
    return RANDOM.integers(-64, 65, shape).astype(numpy.int8)


def f32(*shape):
    return RANDOM.standard_normal(shape).astype(numpy.float32)


def scale(value):
    return numpy.array(value, numpy.float32)


def zero(value, dtype=numpy.uint8):
    return numpy.array(value, dtype)


IMAGE = u8(2, 3, 5, 4)
QUANTISED = [scale(0.02), zero(120)]

# Name: (operator, operands, attributes). Operands of more than one axis are inputs, the others constants.
CASES = {
    "add": ("QLinearAdd", [u8(3, 5), scale(0.1), zero(100), u8(3, 5), scale(0.05), zero(20), scale(0.12), zero(110)], {}),
    "add_i8": (
        "QLinearAdd",
        [i8(3, 5), scale(0.1), zero(3, "i1"), i8(3, 5), scale(0.05), zero(-20, "i1"), scale(0.12), zero(0, "i1")],
        {},
    ),
    "mul": ("QLinearMul", [u8(3, 5), scale(0.1), zero(100), u8(3, 5), scale(0.05), zero(20), scale(0.6), zero(90)], {}),
    "sigmoid": ("QLinearSigmoid", [u8(4, 9), *QUANTISED, scale(1 / 256), zero(0)], {}),
    "leaky_relu": ("QLinearLeakyRelu", [u8(4, 9), *QUANTISED, scale(0.015), zero(50)], {"alpha": 0.2}),
    "softmax": ("QLinearSoftmax", [u8(4, 9), *QUANTISED, scale(1 / 256), zero(0)], {"axis": -1, "opset": 13}),
    "pool": ("QLinearGlobalAveragePool", [IMAGE, *QUANTISED, scale(0.01), zero(100)], {"channels_last": 0}),
    "concat": (
        "QLinearConcat",
        [scale(0.05), zero(7), u8(2, 3), scale(0.1), zero(10), u8(2, 4), scale(0.02), zero(30)],
        {"axis": 1},
    ),
    "gemm": (
        "QGemm",
        [u8(4, 6), scale(0.02), zero(100), i8(5, 6), scale(0.01), zero(0, "i1")]
        + [RANDOM.integers(-900, 900, 5).astype("i4"), scale(0.05), zero(128)],
        {"transB": 1},
    ),
    "to_float": (
        "MatMulIntegerToFloat",
        [u8(4, 6), i8(6, 5), scale(0.02), scale(0.01), zero(100), zero(3, "i1"), f32(5)],
        {},
    ),
    "attention": (
        "MultiHeadAttention",
        [f32(2, 3, 8), f32(2, 5, 8), f32(2, 5, 8), f32(24), numpy.array([[1, 1, 1, 1, 0], [1, 1, 0, 1, 0]], "i4"), f32(2, 2, 3, 5)],
        {"num_heads": 2},
    ),
    "attention_causal": ("MultiHeadAttention", [f32(2, 5, 8), f32(2, 5, 8), f32(2, 5, 8)], {"num_heads": 2, "unidirectional": 1}),
    "dynamic": ("DynamicQuantizeMatMul", [f32(4, 6), i8(6, 5), scale(0.01), zero(3, "i1"), f32(5)], {}),
}


@pytest.mark.parametrize("name", CASES)
def test_equals_onnx_runtime(name, tmp_path):
    op_type, operands, attributes = CASES[name]
    names = [f"operand_{i}" for i in range(len(operands))]
    inputs = {n: x for n, x in zip(names, operands) if x.ndim > 1}
    node = helper.make_node(op_type, names, ["y"], domain="com.microsoft", **attributes)
    graph = helper.make_graph(
        [node],
        "main",
        [helper.make_tensor_value_info(n, TYPES[x.dtype.name], x.shape) for n, x in inputs.items()],
        [helper.make_empty_tensor_value_info("y")],
        [onnx.numpy_helper.from_array(x, n) for n, x in zip(names, operands) if n not in inputs],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    expected = session.run(None, inputs)[0]
    got = tenon.compile(tmp_path / "m.onnx")(*inputs.values())
    assert got.dtype == expected.dtype and got.shape == expected.shape
    # A tie may be rounded either way.
    tolerance = 1e-5 if expected.dtype.kind == "f" else 1
    numpy.testing.assert_allclose(got.astype("f8"), expected.astype("f8"), rtol=tolerance if tolerance < 1 else 0, atol=tolerance)

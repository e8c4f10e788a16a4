"""Operators of the user's own: implemented in Tenon from a definition, and replaced by others."""

import os
import subprocess
from pathlib import Path

import numpy
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import tenon

TENON = os.environ.get("TENON_BIN", str(Path(__file__).resolve().parents[2] / "build/release/bin/tenon"))


@torch.library.custom_op("mine::swoosh", mutates_args=())
def swoosh(x: torch.Tensor, sharpness: float = 1.0) -> torch.Tensor:
    return x * torch.sigmoid(sharpness * x) - 0.1 * x


@swoosh.register_fake
def _(x, sharpness=1.0):
    return torch.empty_like(x)


SWOOSH = "mine::swoosh(x; sharpness = 1) = x / (1 + exp(-($sharpness * x))) - 0.1 * x"


class Swooshed(torch.nn.Module):
    def forward(self, x):
        return torch.relu(swoosh(swoosh(x), 1.5))


@pytest.fixture(autouse=True)
def nothing_defined(monkeypatch):
    monkeypatch.setattr("tenon._operators._definitions", {})
    monkeypatch.setattr("tenon._operators.replacements", {})
    torch._dynamo.reset()


x = torch.linspace(-3, 3, 33)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_a_definition_is_compiled_in_torch_compile(dtype):
    tenon.implement(SWOOSH)
    compiled, values = torch.compile(Swooshed(), backend="tenon", options={"fallback": False}), x.to(dtype)
    torch.testing.assert_close(compiled(values), Swooshed()(values), rtol=2e-3 if dtype == torch.float16 else 1e-5, atol=1e-3)
    assert compiled(values).dtype == dtype


def onnx_model(path, op="swoosh", dtype=TensorProto.FLOAT, **attributes):
    values = [helper.make_tensor_value_info(name, dtype, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], domain="mine", **attributes)], "net", values[:1], values[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]), path)
    return str(path)


@pytest.mark.parametrize("attributes, sharpness", [({}, 1.0), ({"sharpness": 1.5}, 1.5), ({"sharpness": 2}, 2.0)])
def test_a_definition_serves_onnx_domains(tmp_path, attributes, sharpness):
    tenon.implement(SWOOSH)
    model = tenon.compile(onnx_model(tmp_path / "net.onnx", **attributes))
    torch.testing.assert_close(model(x), swoosh(x, sharpness))


def test_the_command_line_takes_definitions(tmp_path):
    (tmp_path / "operators.txt").write_text("// Ours.\n" + SWOOSH)
    torch.export.save(torch.export.export(Swooshed(), (x,)), tmp_path / "net.pt2")
    command = [TENON, "compile", tmp_path / "net.pt2", "-o", tmp_path / "net.tenon"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 5 and "operator mine.swoosh is not supported (2 nodes)" in refused.stderr
    subprocess.run([*command, "--operators", tmp_path / "operators.txt"], check=True)
    torch.testing.assert_close(tenon.load(tmp_path / "net.tenon")(x), Swooshed()(x))


def test_definitions_that_do_not_fit_are_told(tmp_path):
    with pytest.raises(tenon.UsageError, match="operator 'mine::swoosh': line 1, column 4: expected '='"):
        tenon.implement("mine::swoosh(x)")
    for definition, why in {
        "mine::swoosh(x, y) = x + y": "mine::swoosh with 1 operands; its definition has 2",
        "mine::swoosh(x; sharpness) = x * $sharpness": "mine::swoosh without attribute 'sharpness'",
        "mine::swoosh(x) = x + z": "does not work with f32: line 1, column 5: no such name at 'z'",
    }.items():
        tenon.implement(definition)
        with pytest.raises(tenon.UnsupportedError) as told:
            tenon.compile(onnx_model(tmp_path / "net.onnx"))
        assert why in str(told.value)


@torch.no_grad()
def test_a_definition_that_does_not_fit_leaves_the_operator_in_eager():
    tenon.implement("mine::swoosh(x; sharpness = 1) = x & 1")
    torch.testing.assert_close(torch.compile(Swooshed(), backend="tenon")(x), Swooshed()(x))
    assert "does not work with f32" in tenon.explain(Swooshed(), x).fallbacks[0].reason


def test_a_replacement_is_compiled_by_tenon_compile():
    with pytest.raises(tenon.UnsupportedError, match="mine.swoosh"):
        tenon.compile(Swooshed(), (x,))
    tenon.replace(torch.ops.mine.swoosh.default, lambda x, sharpness=1.0: x * torch.sigmoid(sharpness * x) - 0.1 * x)
    torch.testing.assert_close(tenon.compile(Swooshed(), (x,))(x), Swooshed()(x))


def test_several_operands_broadcast_and_conditions_are_bools(tmp_path):
    tenon.implement("mine::pick(which, a, b; scale = 2) = select(which, a * $scale, b)")
    values = [
        helper.make_tensor_value_info("which", TensorProto.BOOL, [3, 1]),
        helper.make_tensor_value_info("a", TensorProto.FLOAT, [1, 4]),
        helper.make_tensor_value_info("b", TensorProto.FLOAT, []),
    ]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 4])]
    graph = helper.make_graph([helper.make_node("pick", ["which", "a", "b"], ["y"], domain="mine")], "net", values, out)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "net.onnx")
    which, a, b = numpy.array([[True], [False], [True]]), numpy.arange(4, dtype=numpy.float32)[None], numpy.float32(9)
    got = tenon.compile(tmp_path / "net.onnx")(which, a, numpy.array(b))
    numpy.testing.assert_array_equal(got, numpy.where(which, a * 2, b))

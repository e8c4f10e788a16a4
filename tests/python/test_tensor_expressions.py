"""Operators that are tensor expressions of the user's, through every door: ONNX domains, `.pt2` files and torch.compile."""

import os
import subprocess
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper

import tenon

ROOT = Path(__file__).resolve().parents[2]
TENON = os.environ.get("TENON_BIN", str(ROOT / "build/release/bin/tenon"))

DEFINITIONS = """
mine::distance(a: f32[n, d], b: f32[m, d]) -> f32[n, m][i, j] =
    sqrt(sum(k < d) (a[i, k] - b[j, k]) * (a[i, k] - b[j, k]))
mine::pairs(x: f32[n, c]; size = 2) -> f32[n, floor_div(c, $size)][i, j] = sum(k < $size) x[i, j * $size + k] / $size
mine::smooth(x: f32[n, c]; wide = 1) -> f32[n, c][i, j] =  // zeros around it
    sum(k < 2 * $wide + 1) select(j + k >= $wide & j + k < c + $wide, x[i, j + k - $wide], 0)
mine::lookup(table: f16[n, c], at: i64[m]) -> f16[m, c][i, j] = table[at[i], j] * 0.5 + max(k < c) table[at[i], k]
"""


@torch.library.custom_op("mine::distance", mutates_args=())
def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a[:, None] - b[None]).square().sum(2).sqrt()


@torch.library.custom_op("mine::pairs", mutates_args=())
def pairs(x: torch.Tensor, size: int = 2) -> torch.Tensor:
    return x[:, : x.shape[1] // size * size].unflatten(1, (-1, size)).mean(2)


@torch.library.custom_op("mine::smooth", mutates_args=())
def smooth(x: torch.Tensor, wide: int = 1) -> torch.Tensor:
    return torch.nn.functional.conv1d(x[:, None], torch.ones(1, 1, 2 * wide + 1), padding=wide)[:, 0]


@torch.library.custom_op("mine::lookup", mutates_args=())
def lookup(table: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    rows = table[at].float()
    return (rows * 0.5 + rows.amax(1, keepdim=True)).half()


distance.register_fake(lambda a, b: a.new_empty(a.shape[0], b.shape[0]))
pairs.register_fake(lambda x, size=2: x.new_empty(x.shape[0], x.shape[1] // size))
smooth.register_fake(lambda x, wide=1: torch.empty_like(x))
lookup.register_fake(lambda table, at: table.new_empty(at.shape[0], table.shape[1]))


@pytest.fixture(autouse=True)
def defined(monkeypatch):
    monkeypatch.setattr("tenon._operators._definitions", {})
    torch._dynamo.reset()
    tenon.implement(DEFINITIONS)


class Network(torch.nn.Module):
    """All of them, with work around them that can join their kernels."""

    def forward(self, x, table, at):
        y = torch.relu(smooth(pairs(x, 3) * 2) - 1) + 0.5
        return torch.exp(-distance(y, y[1:])), smooth(y.t(), 2).t() * 3, torch.relu(lookup(table, at))


def inputs(rows=7, columns=41):
    generator = torch.Generator().manual_seed(rows)
    x, table = torch.randn(rows, columns, generator=generator), torch.randn(9, 20, generator=generator).half()
    return x, table, torch.randint(0, 9, (5,), generator=generator)


@torch.no_grad()
def test_torch_compile():
    compiled = torch.compile(Network(), backend="tenon", options={"fallback": False}, dynamic=False)
    torch.testing.assert_close(compiled(*inputs()), Network()(*inputs()))


@torch.no_grad()
def test_torch_compile_with_sizes_that_are_open():
    compiled = torch.compile(Network(), backend="tenon", options={"fallback": False}, dynamic=True)
    for shape in ((7, 41), (3, 100), (2, 6)):
        torch.testing.assert_close(compiled(*inputs(*shape)), Network()(*inputs(*shape)))


def test_a_pt2_file_becomes_code_that_needs_no_definition(tmp_path, monkeypatch):
    rows = torch.export.Dim("rows", min=3)
    program = torch.export.export(Network(), inputs(), dynamic_shapes=({0: rows}, None, None))
    torch.export.save(program, tmp_path / "net.pt2")
    tenon.compile(tmp_path / "net.pt2").save(tmp_path / "net.tenon")
    monkeypatch.setattr("tenon._operators._definitions", {})
    model = tenon.load(tmp_path / "net.tenon")
    for shape in ((7, 41), (4, 41)):
        torch.testing.assert_close(tuple(model(*inputs(*shape))), Network()(*inputs(*shape)))


def onnx_model(path, op, types, **attributes):
    values = [helper.make_tensor_value_info(name, dtype, shape) for name, (dtype, shape) in types.items()]
    nodes = [helper.make_node(op, list(types), ["s"], domain="mine", **attributes), helper.make_node("Relu", ["s"], ["y"])]
    graph = helper.make_graph(nodes, "net", values, [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]), path)
    return path


@pytest.mark.parametrize("columns", [12, "c"])
def test_onnx_domains(tmp_path, columns):
    x, table, at = inputs(4, 12)
    float_matrix = TensorProto.FLOAT, ["n", columns]
    model = tenon.compile(onnx_model(tmp_path / "net.onnx", "pairs", {"x": float_matrix}, size=3))
    torch.testing.assert_close(model(x), torch.relu(pairs(x, 3)))
    model = tenon.compile(onnx_model(tmp_path / "net.onnx", "distance", {"a": float_matrix, "b": (TensorProto.FLOAT, ["m", columns])}))
    torch.testing.assert_close(model(x, x[1:]), distance(x, x[1:]))
    model = tenon.compile(
        onnx_model(tmp_path / "net.onnx", "lookup", {"table": (TensorProto.FLOAT16, [9, 20]), "at": (TensorProto.INT64, ["m"])})
    )
    torch.testing.assert_close(model(table, at), torch.relu(lookup(table, at)))


def test_the_command_line_checks_it_against_reference_evaluation(tmp_path):
    (tmp_path / "operators.txt").write_text(DEFINITIONS)
    options = ["--operators", tmp_path / "operators.txt"]
    onnx_model(tmp_path / "net.onnx", "smooth", {"x": (TensorProto.FLOAT, ["n", 37])}, wide=2)
    for more in ([], ["--checked"]):
        subprocess.run([TENON, "check", tmp_path / "net.onnx", "--shape", "n=4", *options, *more], check=True)
    subprocess.run([TENON, "compile", tmp_path / "net.onnx", "--to", "to-loops", "-o", tmp_path / "net.tn", *options], check=True)
    subprocess.run([TENON, "compile", tmp_path / "net.tn", "--from", "to-loops", "-o", tmp_path / "net.tenon"], check=True)
    x = inputs(3, 37)[0]
    torch.testing.assert_close(tenon.load(tmp_path / "net.tenon")(x), torch.relu(smooth(x, 2)))


@pytest.mark.parametrize("op, types", [("smooth", {"x": ["n", 37]}), ("distance", {"a": ["n", 70], "b": ["m", 70]}), ("pairs", {"x": ["n", "c"]})])
def test_it_is_one_kernel_of_vectors_with_its_epilogue(tmp_path, op, types):
    onnx_model(tmp_path / "net.onnx", op, {name: (TensorProto.FLOAT, shape) for name, shape in types.items()})
    (tmp_path / "operators.txt").write_text(DEFINITIONS)
    command = [TENON, "compile", tmp_path / "net.onnx", "--target", "x86-64-v3", "--operators", tmp_path / "operators.txt"]
    subprocess.run([*command, "--to", "vectorise", "-o", tmp_path / "net.tn"], check=True)
    kernels = (tmp_path / "net.tn").read_text()
    assert kernels.count("func ") == 1 and "f32x8" in kernels and "gather" not in kernels


def test_a_read_outside_ends_the_call_and_names_the_node(tmp_path):
    types = {"table": (TensorProto.FLOAT16, [9, 20]), "at": (TensorProto.INT64, ["m"])}
    model = tenon.compile(onnx_model(tmp_path / "net.onnx", "lookup", types))
    _, table, at = inputs()
    for wrong in (9, -1, 2**62, -(2**63)):
        at[3] = wrong
        with pytest.raises(tenon.RunError, match="lookup.*index in its input is out of range"):
            model(table, at)
    at[3] = 8
    torch.testing.assert_close(model(table, at), torch.relu(lookup(table, at)))


def test_what_does_not_fit_is_told(tmp_path):
    with pytest.raises(tenon.UsageError, match="operator 'mine::pairs': line 1, column 36: no such name at 'k'"):
        tenon.implement("mine::pairs(x: f32[n, c]) -> f32[n][i] = x[i, k]")
    tenon.implement("mine::pairs(x: f64[n, c]) -> f64[n][i] = x[i, 0]")
    with pytest.raises(tenon.UnsupportedError, match=r"operand 'x' must be f64\[n, c\], not f32\[n, 12\]"):
        tenon.compile(onnx_model(tmp_path / "net.onnx", "pairs", {"x": (TensorProto.FLOAT, ["n", 12])}))

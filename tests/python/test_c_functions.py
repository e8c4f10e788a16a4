"""Operators that are C functions of the user's: shape rule, memory, files, and what is said when something is wrong."""

import os
import subprocess
from pathlib import Path

import numpy
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import tenon

ROOT = Path(__file__).resolve().parents[2]
TENON = os.environ.get("TENON_BIN", str(ROOT / "build/release/bin/tenon"))

SOURCE = """
#include "abi.h"
/* Running sums of rows, times a factor; more than a hundred rows are an error. */
int32_t sums(const tenon_args* args, int64_t begin, int64_t end) {
  const float* x = args->buffers[0];
  float* y = args->buffers[1];
  if (begin != 0 || end != 1 || args->params[0] > 100) return 7;
  for (int64_t r = 0; r < args->params[0]; ++r) {
    float sum = 0;
    for (int64_t c = 0; c < args->params[1]; ++c) {
      sum += x[r * args->params[1] + c];
      y[r * args->params[1] + c] = sum * (float)tenon_number(args, 2);
    }
  }
  return TENON_KERNEL_OK;
}
"""


def reference(x, factor=1.5):
    return x.cumsum(1) * factor


@torch.library.custom_op("mine::sums", mutates_args=())
def sums(x: torch.Tensor, factor: float) -> torch.Tensor:
    return reference(x, factor)


sums.register_fake(lambda x, factor: torch.empty_like(x, memory_format=torch.contiguous_format))


@pytest.fixture(scope="module")
def library(c_library):
    return c_library(SOURCE)


@pytest.fixture(autouse=True)
def definition(monkeypatch, library):
    monkeypatch.setattr("tenon._operators._definitions", {})
    torch._dynamo.reset()
    tenon.implement(f'mine::sums(x: f32[n, c]; factor = 1.5) -> f32[n, c] = sums in "{library}"')


def onnx_model(path, shape=("n", 5), before=(), x="x"):
    nodes = [*before, helper.make_node("sums", [x], ["s"], domain="mine"), helper.make_node("Relu", ["s"], ["y"])]
    ends = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]), path)
    return path


@torch.no_grad()
@pytest.mark.parametrize(
    "function",
    [
        lambda x: sums(x, 2.0),
        lambda x: torch.relu(sums(x.t() + 1, 2.0)) * 2,
        lambda x: torch.cat([sums(x[:, 1:], 0.5), sums(x, 1.0)], 1) * 2,
        lambda x: sums(sums(x, 1.0), 2.0).t(),
        lambda x: sums(torch.cat([x, x * 2], 0), 1.0),
    ],
)
def test_operands_and_results_are_dense(function):
    x = torch.rand(4, 5)
    compiled = torch.compile(function, backend="tenon", options={"fallback": False}, dynamic=False)
    torch.testing.assert_close(compiled(x), function(x))


@torch.no_grad()
def test_sizes_may_be_free():
    compiled = torch.compile(lambda x: sums(x * 2, 3.0) + 1, backend="tenon", options={"fallback": False}, dynamic=True)
    for shape in ((2, 3), (7, 4)):
        x = torch.rand(shape)
        torch.testing.assert_close(compiled(x), reference(x * 2, 3.0) + 1)


def test_a_file_names_function_and_library(tmp_path, library):
    x = torch.rand(3, 5)
    tenon.compile(onnx_model(tmp_path / "net.onnx")).save(tmp_path / "net.tenon")
    torch.testing.assert_close(tenon.load(tmp_path / "net.tenon")(x), torch.relu(reference(x)))
    whole = (tmp_path / "net.tenon").read_bytes()
    assert f"sums@{library}\0".encode() in whole


def test_a_file_whose_function_is_missing_says_so(tmp_path):
    (tmp_path / "operators.txt").write_text('mine::sums(x: f32[n, c]) -> f32[n, c] = sums in "libnowhere.so"')
    numpy.savez(tmp_path / "in.npz", x=numpy.ones((3, 5), numpy.float32))
    compiled = [TENON, "compile", onnx_model(tmp_path / "net.onnx"), "-o", tmp_path / "net.tenon", "--operators", tmp_path / "operators.txt"]
    subprocess.run(compiled, check=True)
    subprocess.run([TENON, "inspect", "--verify", tmp_path / "net.tenon"], check=True)
    run = [TENON, "run", tmp_path / "net.tenon", "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz"]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 3
    assert "net.tenon: cannot find its function 'sums@libnowhere.so' (libnowhere.so: cannot open shared object file" in done.stderr
    assert "LD_LIBRARY_PATH" in done.stderr


def test_the_command_line_checks_against_the_function_itself(tmp_path, library):
    onnx_model(tmp_path / "net.onnx")
    (tmp_path / "operators.txt").write_text(f'mine::sums(x: f32[n, c]; factor = 1.5) -> f32[n, c] =\n  sums in "{library}"')
    options = ["--operators", tmp_path / "operators.txt"]
    subprocess.run([TENON, "check", tmp_path / "net.onnx", "--shape", "n=4", *options], check=True)
    subprocess.run([TENON, "compile", tmp_path / "net.onnx", "--to", "to-loops", "-o", tmp_path / "net.tn", *options], check=True)
    subprocess.run([TENON, "compile", tmp_path / "net.tn", "--from", "to-loops", "-o", tmp_path / "net.tenon"], check=True)
    x = torch.rand(3, 5)
    torch.testing.assert_close(tenon.load(tmp_path / "net.tenon")(x), torch.relu(reference(x)))


def test_a_code_of_the_function_ends_the_call_with_the_node(tmp_path):
    model = tenon.compile(onnx_model(tmp_path / "net.onnx"))
    with pytest.raises(tenon.RunError, match="sums"):
        model(numpy.zeros((101, 5), numpy.float32))


@pytest.mark.parametrize(
    "definition, why",
    [
        ("(x: f32[n]) -> f32[n]", r"operand 'x' must be f32\[n\], not f32\[n, 5\]"),
        ("(x: f64[n, c]) -> f64[n, c]", r"operand 'x' must be f64\[n, c\], not f32\[n, 5\]"),
        ("(x: f32[n, 6]) -> f32[n]", r"operand 'x' must be f32\[n, 6\], not f32\[n, 5\]"),
        ("(x: f32[n, c]) -> f32[m]", "no operand before shows the size 'm'"),
        ("(x: f32[n, c]) -> real[n]", "'real' is no dtype"),
        ("(x: f32[n, c]; half = 0.5) -> f32[$half * n]", "attribute 'half' must be a whole number, not 0.5"),
        ("(x: f32[n, c]) -> f32[$half * n]", "no such attribute"),
    ],
)
def test_shapes_that_do_not_fit_are_told(tmp_path, definition, why):
    tenon.implement(f'mine::sums{definition} = sums in "mine.so"')
    with pytest.raises(tenon.UnsupportedError, match=why):
        tenon.compile(onnx_model(tmp_path / "net.onnx"))


def test_definitions_that_make_no_sense_are_told():
    for definition, why in {
        "mine::sums(x) -> f32[n] = sums in \"mine.so\"": "operand 'x' has no type",
        "mine::sums(x: f32) -> f32[n] = sums": r"expected '\[",
        "mine::sums(x: f32[n]) -> f32[n] = sums": "expected 'in'",
        "mine::sums(x: f32[n]) -> f32[n] = sums in mine.so": "expected a text in double quotes",
    }.items():
        with pytest.raises(tenon.UsageError, match=why):
            tenon.implement(definition)

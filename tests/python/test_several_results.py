"""Operators of the user's own with several results, of each kind and through every door."""

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
/* Of rows the sums, and the places of the greatest elements with how many are positive; more than a hundred rows are an error. */
int32_t survey(const tenon_args* args, int64_t begin, int64_t end) {
  const float* x = args->buffers[0];
  float* sums = args->buffers[1];
  int64_t* counts = args->buffers[2];
  const int64_t rows = args->params[0], columns = args->params[1];
  if (begin != 0 || end != 1 || rows > 100) return 7;
  for (int64_t r = 0; r < rows; ++r, x += columns) {
    float sum = 0;
    int64_t greatest = 0, positive = 0;
    for (int64_t c = 0; c < columns; ++c) {
      sum += x[c];
      positive += x[c] > 0;
      if (x[c] > x[greatest]) greatest = c;
    }
    sums[r] = sum * (float)tenon_number(args, 2);
    counts[2 * r] = greatest;
    counts[2 * r + 1] = positive;
  }
  return TENON_KERNEL_OK;
}
"""

DEFINITIONS = """
mine::stats(x: f32[n, c]; scale = 1) ->
    f32[n][i] = sum(k < c) $scale * x[i, k] / cast(c, f32),  // the mean
    f32[n][i] = max(k < c) x[i, k],
    i64[c, n][j, i] = cast(x[i, j] * 100, i64)
mine::sincos(x; turns = 1) = sin($turns * x), cos($turns * x)
mine::survey(x: f32[n, c]; factor = 1.5) -> (f32[n], i64[n, 2]) = survey in "{library}"
"""


@torch.library.custom_op("mine::stats", mutates_args=())
def stats(x: torch.Tensor, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return x.mean(1) * scale, x.amax(1), (x.t() * 100).long()


@torch.library.custom_op("mine::sincos", mutates_args=())
def sincos(x: torch.Tensor, turns: float = 1.0) -> list[torch.Tensor]:
    return [torch.sin(x * turns), torch.cos(x * turns)]


@torch.library.custom_op("mine::survey", mutates_args=())
def survey(x: torch.Tensor, factor: float = 1.5) -> tuple[torch.Tensor, torch.Tensor]:
    return x.sum(1) * factor, torch.stack([x.argmax(1), (x > 0).sum(1)], 1)


@stats.register_fake
def _(x, scale=1.0):
    return x.new_empty(x.shape[0]), x.new_empty(x.shape[0]), x.new_empty(x.shape[1], x.shape[0], dtype=torch.int64)


@sincos.register_fake
def _(x, turns=1.0):
    return [torch.empty_like(x), torch.empty_like(x)]


@survey.register_fake
def _(x, factor=1.5):
    return x.new_empty(x.shape[0]), x.new_empty(x.shape[0], 2, dtype=torch.int64)


@pytest.fixture(scope="module")
def definitions(c_library):
    return DEFINITIONS.format(library=c_library(SOURCE))


@pytest.fixture(autouse=True)
def defined(monkeypatch, definitions):
    monkeypatch.setattr("tenon._operators._definitions", {})
    torch._dynamo.reset()
    tenon.implement(definitions)


class Network(torch.nn.Module):
    """All of them: results that are outputs, that are read by others, and that nobody reads."""

    def forward(self, x):
        sines, cosines = sincos(x * 2, 3.0)
        mean, most, hundreds = stats(torch.relu(x), 2.0)
        sums, counts = survey(x.t() + 1)
        _, alone = survey(sines, 2.0)
        return sines * cosines + most[:, None], mean, hundreds, torch.exp(-sums), counts, alone + 1, stats(cosines)[1]


def inputs(rows=7, columns=41):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))


@torch.no_grad()
def test_torch_compile():
    compiled = torch.compile(Network(), backend="tenon", options={"fallback": False}, dynamic=False)
    torch.testing.assert_close(compiled(inputs()), Network()(inputs()))


@torch.no_grad()
def test_torch_compile_with_sizes_that_are_open():
    compiled = torch.compile(Network(), backend="tenon", options={"fallback": False}, dynamic=True)
    for shape in ((7, 41), (3, 90), (2, 6)):
        torch.testing.assert_close(compiled(inputs(*shape)), Network()(inputs(*shape)))


def test_a_pt2_file_becomes_code_that_needs_no_definition(tmp_path, monkeypatch):
    rows = torch.export.Dim("rows", min=3)
    torch.export.save(torch.export.export(Network(), (inputs(),), dynamic_shapes=({0: rows},)), tmp_path / "net.pt2")
    tenon.compile(tmp_path / "net.pt2").save(tmp_path / "net.tenon")
    monkeypatch.setattr("tenon._operators._definitions", {})
    model = tenon.load(tmp_path / "net.tenon")
    for shape in ((7, 41), (4, 41)):
        torch.testing.assert_close(tuple(model(inputs(*shape))), Network()(inputs(*shape)))


def onnx_model(path, op, outputs, x=("n", 41), weights=None, **attributes):
    """`outputs`: names by place. `weights`: what is known of the operand, which then is no input."""
    ends = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs if name]
    start = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)]
    nodes = [helper.make_node(op, ["x" if weights is None else "w"], outputs, domain="mine", name="it", **attributes)]
    known = [] if weights is None else [onnx.numpy_helper.from_array(weights, "w")]
    if weights is not None:
        nodes.append(helper.make_node("Neg", ["x"], ["negative"]))
        ends.append(helper.make_tensor_value_info("negative", TensorProto.FLOAT, None))
    graph = helper.make_graph(nodes, "net", start, ends, known)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]), path)
    return path


OPERATORS = {"stats": (stats, {"scale": 3.0}), "sincos": (sincos, {"turns": 0.5}), "survey": (survey, {"factor": 2.0})}


@pytest.mark.parametrize(
    "op, outputs",
    [
        ("stats", ["a", "b", "c"]),
        ("stats", ["", "b", ""]),
        ("stats", ["a", "b"]),
        ("sincos", ["a", "b"]),
        ("sincos", ["", "b"]),
        ("survey", ["a", "b"]),
        ("survey", ["", "b"]),
        ("survey", ["a"]),
    ],
)
def test_onnx_domains_where_outputs_may_be_left_out(tmp_path, op, outputs):
    x, (function, attributes) = inputs(), OPERATORS[op]
    wanted = [result for name, result in zip(outputs, function(x, *attributes.values())) if name]
    got = tenon.compile(onnx_model(tmp_path / "net.onnx", op, outputs, **attributes))(x)
    torch.testing.assert_close([got] if len(wanted) == 1 else list(got), wanted)


@pytest.mark.parametrize("op", OPERATORS)
def test_results_of_weights_are_computed_while_compiling(tmp_path, op):
    x, (function, attributes) = inputs(), OPERATORS[op]
    wanted = function(x, *attributes.values())
    names = list("abc")[: len(wanted)]
    model = tenon.compile(onnx_model(tmp_path / "net.onnx", op, names, weights=x.numpy(), **attributes))
    torch.testing.assert_close(list(model(x)), [*wanted, -x])


@pytest.mark.parametrize("op", OPERATORS)
def test_the_command_line_checks_it_against_reference_evaluation(tmp_path, definitions, op):
    (tmp_path / "operators.txt").write_text(definitions)
    options = ["--operators", tmp_path / "operators.txt"]
    x, (function, attributes) = inputs(), OPERATORS[op]
    wanted = function(x, *attributes.values())
    onnx_model(tmp_path / "net.onnx", op, list("abc")[: len(wanted)], **attributes)
    for more in ([], ["--checked"], ["--layers"]):
        subprocess.run([TENON, "check", tmp_path / "net.onnx", "--shape", "n=4", *options, *more], check=True)
    subprocess.run([TENON, "compile", tmp_path / "net.onnx", "--to", "to-loops", "-o", tmp_path / "net.tn", *options], check=True)
    subprocess.run([TENON, "compile", tmp_path / "net.tn", "--from", "to-loops", "-o", tmp_path / "net.tenon"], check=True)
    torch.testing.assert_close(list(tenon.load(tmp_path / "net.tenon")(x)), list(wanted))


def test_a_code_of_the_function_ends_the_call_with_the_node(tmp_path):
    model = tenon.compile(onnx_model(tmp_path / "net.onnx", "survey", ["a", "b"]))
    with pytest.raises(tenon.RunError, match=r"it \(survey\)"):
        model(numpy.zeros((101, 41), numpy.float32))


@torch.no_grad()
def test_another_number_of_results_is_unsupported(tmp_path):
    tenon.implement("mine::sincos(x) = sin(x)")
    with pytest.raises(tenon.UnsupportedError, match="mine::sincos with 2 results; its definition has 1"):
        tenon.compile(onnx_model(tmp_path / "net.onnx", "sincos", ["a", "b"]))
    for definition in ("sincos(x) = sin(x)", "sincos(x; turns = 1) = sin(x), cos(x), tan(x)"):
        tenon.implement("mine::" + definition)
        function = lambda x: sincos(x)[1] + 1  # noqa: E731
        torch._dynamo.reset()
        torch.testing.assert_close(torch.compile(function, backend="tenon")(inputs()), function(inputs()))
        assert "mine.sincos: 2 results; its definition has" in tenon.explain(function, inputs()).fallbacks[0].reason


def test_a_result_that_does_not_fit_is_told(tmp_path):
    tenon.implement("mine::survey(x: f32[n, c]) -> (f32[n], i64[m]) = survey in \"mine.so\"")
    with pytest.raises(tenon.UnsupportedError, match="no operand before shows the size 'm'"):
        tenon.compile(onnx_model(tmp_path / "net.onnx", "survey", ["a", "b"]))
    tenon.implement("mine::sincos(x) = sin(x), x & 1")
    with pytest.raises(tenon.UnsupportedError, match=r"'\(x\) = x & 1' does not work with f32"):
        tenon.compile(onnx_model(tmp_path / "net.onnx", "sincos", ["a", "b"]))


@pytest.mark.parametrize(
    "definition, why",
    [
        ("(x: f32[n]) -> f32[n][i] = x[i], f32[n][i] = x[j]", "column 48: no such name at 'j'"),
        ("(x: f32[n]) -> f32[n][i] = x[i], f32[n]", "column 40: expected '['"),
        ("(x: f32[n]) -> f32[n][i] = x[i], x[i]", "column 38: expected '['"),
        ("(x: f32[n]) -> f32[n][i] = x[i], f32[][i] = x[0]", r"f32\[\]\[i\]: 1 indices of a result of 0 axes"),
        ("(x: f32[n]) -> f32[n][i] = x[i], f32[m][i] = x[0]", "no operand before shows the size 'm'"),
        ("(x: f32[n]) -> f32[n][i] = x[i], real[n][i] = x[0]", "'real' is no dtype"),
        ("(x: f32[n]) -> f32[n][i] = x[i],", "column 33: expected a name"),
        ("(x: f32[n]) -> f32[n][i] = , f32[n][i] = x[i]", "column 28: expected an expression"),
        ("(x: f32[n]) -> (f32[n][i] = x[i])", r"column 23: expected '\)'"),
        ("(x: f32[n]) -> (f32[n], f32[n]) [i] = x[i]", "column 33: expected '='"),
        ("(x: f32[n]) -> () = f in 'mine.so'", "column 17: expected a name"),
        ("(x: f32[n]) -> f32[n], f32[n] = f in \"mine.so\"", "column 22: expected '='"),
        ("(x) = sin(x),", "column 14: expected an expression"),
        ("(x) = , sin(x)", "column 7: expected an expression"),
    ],
)
def test_definitions_that_make_no_sense_are_told_where(definition, why):
    with pytest.raises(tenon.UsageError, match=why if "\\" in why else why.replace("[", r"\[")):
        tenon.implement("mine::f" + definition)

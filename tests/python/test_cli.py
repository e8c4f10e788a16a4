"""The `tenon` executable: results, reports, exit codes and errors."""

import errno
import json
import os
import resource
import signal
import struct
import subprocess
import time
import zipfile
from pathlib import Path

import numpy
import onnx
import pytest
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parents[2]
TENON = os.environ.get("TENON_BIN", str(ROOT / "build/release/bin/tenon"))

MISMATCH, USAGE, IO, BAD_MODEL, UNSUPPORTED, BAD_INPUT = 1, 2, 3, 4, 5, 7


def tenon(*arguments, code=0):
    done = subprocess.run([TENON, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def tenon_json(*arguments, code=0):
    return json.loads(tenon(*arguments, "--json", code=code).stdout)


def save_model(path, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


def tensor(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


WEIGHT = numpy.random.default_rng(0).standard_normal((6, 5)).astype(numpy.float32)


@pytest.fixture
def linear(tmp_path):
    """y = relu(x @ w), x of [batch, 6]; and twice = x + x."""
    return save_model(
        tmp_path / "linear.onnx",
        [
            helper.make_node("MatMul", ["x", "w"], ["h"]),
            helper.make_node("Relu", ["h"], ["y"]),
            helper.make_node("Add", ["x", "x"], ["twice"]),
        ],
        [tensor("x", ["batch", 6])],
        [tensor("y", ["batch", 5]), tensor("twice", ["batch", 6])],
        [onnx.numpy_helper.from_array(WEIGHT, "w")],
    )


def run(model, tmp_path, *options, **arrays):
    numpy.savez(tmp_path / "in.npz", **arrays)
    tenon("run", model, "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz", *options)
    return dict(numpy.load(tmp_path / "out.npz"))


def test_compile_then_run(linear, tmp_path):
    artifact = tmp_path / "linear.tenon"
    report = tenon_json("compile", linear, "-o", artifact)
    assert report["file_bytes"] == artifact.stat().st_size
    assert report["steps"] >= 2 and report["compile_steps"][0]["name"] == "import"
    x = numpy.random.default_rng(1).standard_normal((3, 6)).astype(numpy.float32)
    for model in (artifact, linear):
        outputs = run(model, tmp_path, "--threads", 1, x=x)
        assert list(outputs) == ["y", "twice"]
        numpy.testing.assert_allclose(outputs["y"], numpy.maximum(x @ WEIGHT, 0), rtol=1e-5, atol=1e-6)
        numpy.testing.assert_array_equal(outputs["twice"], x + x)
    assert {path.name for path in tmp_path.iterdir()} == {"linear.onnx", "linear.tenon", "in.npz", "out.npz"}


def test_equal_calls_give_equal_files(linear, tmp_path):
    tenon("compile", linear, "-o", tmp_path / "a", "--threads", 1)
    tenon("compile", linear, "-o", tmp_path / "b", "--threads", 2)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_inputs_by_position_beside_arrays_that_are_ignored(linear, tmp_path):
    x = numpy.ones((2, 6), numpy.float32)
    for name in ("in_0", "arr_0"):
        outputs = run(linear, tmp_path, **{name: x, "out_0": numpy.array([None], object)})
        numpy.testing.assert_array_equal(outputs["twice"], 2 * x)


def test_missing_inputs_are_named(tmp_path):
    model = save_model(
        tmp_path / "sum.onnx",
        [helper.make_node("Sum", ["left", "middle", "right"], ["s"])],
        [tensor(name, [2]) for name in ("left", "middle", "right")],
        [tensor("s", [2])],
    )
    numpy.savez(tmp_path / "in.npz", middle=numpy.zeros(2, numpy.float32))
    files = ("--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
    errors = tenon("run", model, *files, code=BAD_INPUT).stderr
    assert "'left' (left: f32[2])" in errors and "'right'" in errors and "input 'middle'" not in errors
    assert not (tmp_path / "out.npz").exists()
    error = tenon_json("run", model, *files, code=BAD_INPUT)["error"]
    assert error["kind"] == "bad-input" and error["exit_code"] == BAD_INPUT and len(error["diagnostics"]) == 2


def test_shapes_are_fixed(linear, tmp_path):
    for shape in ("x:4x6", "batch=4"):
        artifact = tmp_path / "fixed.tenon"
        tenon("compile", linear, "-o", artifact, "--shape", shape)
        assert run(artifact, tmp_path, x=numpy.ones((4, 6), numpy.float32))["y"].shape == (4, 5)
        numpy.savez(tmp_path / "in.npz", x=numpy.ones((3, 6), numpy.float32))
        files = ("--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
        assert "'x'" in tenon("run", artifact, *files, code=BAD_INPUT).stderr


DTYPES = {
    "bool": TensorProto.BOOL,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}


@pytest.mark.parametrize("name", DTYPES)
def test_arrays_of_every_dtype_order_and_byte_order(name, tmp_path):
    model = save_model(
        tmp_path / "t.onnx",
        [helper.make_node("Transpose", ["x"], ["y"], perm=[1, 2, 0])],
        [tensor("x", [2, 3, 4], DTYPES[name])],
        [tensor("y", [3, 4, 2], DTYPES[name])],
    )
    artifact = tmp_path / "t.tenon"
    tenon("compile", model, "-o", artifact)
    x = (numpy.arange(24).reshape(2, 3, 4) % 5).astype(name)
    for array in (x, numpy.asfortranarray(x), x.astype(x.dtype.newbyteorder(">"))):
        y = run(artifact, tmp_path, x=array)["y"]
        assert y.dtype == x.dtype
        numpy.testing.assert_array_equal(y, x.transpose(1, 2, 0))


def test_compressed_archives_and_all_header_versions(linear, tmp_path):
    x = numpy.random.default_rng(2).standard_normal((5, 6)).astype(numpy.float32)
    numpy.savez_compressed(tmp_path / "in.npz", x=x)
    out = tmp_path / "out.npz"
    tenon("run", linear, "--inputs", tmp_path / "in.npz", "--outputs", out)
    numpy.testing.assert_array_equal(numpy.load(out)["twice"], x + x)

    for version in ((1, 0), (2, 0), (3, 0)):
        with zipfile.ZipFile(tmp_path / "in.npz", "w") as archive, archive.open("x.npy", "w") as entry:
            numpy.lib.format.write_array(entry, x, version=version)
        tenon("run", linear, "--inputs", tmp_path / "in.npz", "--outputs", out)
        numpy.testing.assert_array_equal(numpy.load(out)["twice"], x + x)


def npy(header, data, version=b"\x01\x00"):
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + data


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"\x93NUMPY\x01",
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 6), }", bytes(47)),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 6), }", bytes(48)),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 6), }", bytes(48)),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 6", bytes(48)),
        npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1, 6), }", bytes(48)),
        npy("{'descr': '<f4', 'shape': (2, 6), }", bytes(48)),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 6), }", bytes(48), b"\x09\x00"),
    ],
)
def test_damaged_arrays_are_refused(entry, linear, tmp_path):

    with zipfile.ZipFile(tmp_path / "in.npz", "w") as archive:
        archive.writestr("x.npy", entry)
    errors = tenon("run", linear, "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "o", code=BAD_INPUT).stderr
    assert "in.npz: x: " in errors


def test_damaged_files_have_their_exit_codes(linear, tmp_path):
    files = ("--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
    assert "in.npz" in tenon("run", linear, *files, code=IO).stderr
    (tmp_path / "in.npz").write_bytes(b"no archive")
    assert "not an .npz file" in tenon("run", linear, *files, code=BAD_INPUT).stderr
    broken = tmp_path / "broken.tenon"
    tenon("compile", linear, "-o", broken)
    broken.write_bytes(broken.read_bytes()[:-200] if broken.stat().st_size > 400 else b"")
    tenon("run", broken, *files, code=BAD_MODEL)
    (tmp_path / "broken.onnx").write_bytes(b"\xff" * 64)
    tenon("compile", tmp_path / "broken.onnx", "-o", tmp_path / "o", code=BAD_MODEL)
    tenon("compile", tmp_path / "absent.onnx", "-o", tmp_path / "o", code=IO)
    tenon("compile", linear, "-o", tmp_path / "absent" / "o", code=IO)
    assert not (tmp_path / "o").exists()


def test_wrong_usage(linear, tmp_path):
    assert "--help" in tenon("compile", linear, code=USAGE).stderr
    tenon("frobnicate", code=USAGE)
    tenon(code=USAGE)
    output = ("-o", tmp_path / "o")
    errors = tenon("compile", linear, *output, "--shape", "x", "--shape", "x:2y", "--without", "nothing", code=USAGE)
    assert errors.stderr.count("this is no shape") == 2 and "there is no step 'nothing'" in errors.stderr
    errors = tenon("compile", linear, *output, "--without", "group", "--without", "winograd", code=USAGE).stderr
    assert "the step 'group' cannot be left out" in errors and "can be left out: fold-constants, simplify" in errors
    assert "x86-64-v3" in tenon("compile", linear, *output, "--target", "pdp-11", code=USAGE).stderr
    assert tenon_json("compile", code=USAGE)["error"]["kind"] == "usage"


def test_all_that_is_unsupported_is_listed(tmp_path):
    model = save_model(
        tmp_path / "odd.onnx",
        [
            helper.make_node("Wobble", ["x"], ["a"], domain="odd"),
            helper.make_node("Frob", ["a"], ["y"], domain="odd"),
        ],
        [tensor("x", [2])],
        [tensor("y", [2])],
    )
    errors = tenon("compile", model, "-o", tmp_path / "o", code=UNSUPPORTED).stderr
    assert "Wobble" in errors and "Frob" in errors


def test_help_has_examples_and_version():
    assert tenon("--version").stdout.startswith("tenon ")
    for command in ("compile", "run", "bench", "check", "inspect", "verdict"):
        text = tenon(command, "--help").stdout
        assert "Examples:" in text and "--json" in text


def test_dump_and_steps(linear, tmp_path):
    text = tenon("compile", linear, "-o", tmp_path / "o", "--dump", tmp_path / "d" / "e", "-v").stdout
    assert "to-loops" in text and any("place" in file.name for file in (tmp_path / "d" / "e").iterdir())


def test_stop_and_go_on(linear, tmp_path):
    tenon("compile", linear, "-o", tmp_path / "whole")
    for step in ("import", "place", "vectorise"):
        assert tenon_json("compile", linear, "-o", tmp_path / "t", "--to", step)["after"] == step
        tenon("compile", tmp_path / "t", "-o", tmp_path / "resumed", "--from", step)
        assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()
    assert "give --from vectorise" in tenon("compile", tmp_path / "t", "-o", "o", "--from", "group", code=USAGE).stderr
    (tmp_path / "t.data").unlink()
    assert "no data for @" in tenon("compile", tmp_path / "t", "-o", "o", "--from", step, code=BAD_MODEL).stderr
    assert "no step 'x'" in tenon("compile", linear, "-o", "o", "--to", "x", code=USAGE).stderr


def test_a_kernel_by_itself(linear, tmp_path):
    artifact = tmp_path / "o"
    tenon("compile", linear, "-o", artifact, "--dump-kernel", 0, "--shape", "batch=4")
    folder = tmp_path / "o.kernel-0"
    assert {file.name for file in folder.iterdir()} == {"loops.tn", "kernel.ll", "kernel.s", "bench.c"}
    assert (folder / "loops.tn").read_text().startswith("func ")
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "bench.c", "kernel.s", "-o", "bench"], cwd=folder, check=True)
    assert " calls: median " in subprocess.run([folder / "bench"], capture_output=True, text=True, check=True).stdout
    assert "no kernel 9" in tenon("compile", linear, "-o", artifact, "--dump-kernel", 9, code=USAGE).stderr
    assert "--shape" in tenon("compile", linear, "-o", artifact, "--dump-kernel", 0, code=USAGE).stderr


def test_an_interrupt_leaves_no_file(linear, tmp_path):
    for delay in (0, 0.002, 0.005, 0.01, 0.02):
        process = subprocess.Popen([TENON, "compile", linear, "-o", tmp_path / "o"], stdout=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        left = {path.name for path in tmp_path.iterdir()} - {"linear.onnx"}
        assert left <= {"o"}
        if "o" in left:
            assert tenon("run", tmp_path / "o", "--inputs", "absent", "--outputs", "absent", code=IO)
            (tmp_path / "o").unlink()


def test_bench_reports_latency_memory_and_steps(linear, tmp_path):
    report = tenon_json("bench", linear, "--shape", "batch=8", "--threads", 1, "--seconds", 0.1, "--profile")
    latency = report["latency_seconds"]
    assert 0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p95"] <= latency["p99"]
    assert latency["count"] >= 10 and latency["min"] <= latency["mean"] and latency["stddev"] >= 0
    assert report["threads"] == 1 and report["compile_seconds"] > 0 and report["first_call_seconds"] > 0
    assert report["memory"]["weights"] >= WEIGHT.nbytes and report["memory"]["resident"] > 1e6
    assert sum(step["share"] for step in report["steps"]) == pytest.approx(1)
    assert sum(step["flops"] for step in report["steps"]) >= 2 * 8 * 6 * 5
    assert report["roofline"]["bytes_per_second"] > 1e8 and 0 < report["roofline"]["share"] <= 1
    artifact = tmp_path / "linear.tenon"
    tenon("compile", linear, "-o", artifact)
    assert "--inputs" in tenon("bench", artifact, code=BAD_INPUT).stderr
    numpy.savez(tmp_path / "in.npz", x=numpy.ones((2, 6), numpy.float32))
    text = tenon("bench", artifact, "--inputs", tmp_path / "in.npz", "--seconds", 0.05, "--profile").stdout
    assert "p99" in text and "GB/s" in text and "compile" not in text


def test_bench_compares_rounds_with_caches(tmp_path):
    steps, inputs, hidden = 12, 6, 32
    values = numpy.random.default_rng(1)
    weights = {
        "w": values.standard_normal((1, 4 * hidden, inputs), numpy.float32),
        "r": values.standard_normal((1, 4 * hidden, hidden), numpy.float32),
    }
    nodes = [helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=hidden)]
    path = save_model(
        tmp_path / "lstm.onnx", nodes, [tensor("x", [steps, 1, inputs])], [tensor("y", [steps, 1, 1, hidden])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    report = tenon_json("bench", path, "--threads", 1, "--seconds", 0.1, "--profile")
    (cached,) = report["roofline"]["cached"]
    assert cached["bytes"] >= weights["r"].nbytes and cached["bytes_per_second"] > 1e9
    assert sorted(step["cached_bytes"] for step in report["steps"]) == [0] * (len(report["steps"]) - 1) + [steps * cached["bytes"]]
    recurrent = max(report["steps"], key=lambda step: step["cached_bytes"])
    least = recurrent["cached_bytes"] / cached["bytes_per_second"]
    assert recurrent["roofline_share"] >= 0.999 * least / recurrent["seconds"]
    text = tenon("bench", path, "--threads", 1, "--seconds", 0.05, "--profile").stdout
    assert "GB/s from caches, where each round of a step reads" in text


def test_check_passes_and_fails_by_tolerance(tmp_path):
    weight = numpy.random.default_rng(3).standard_normal((700, 40)).astype(numpy.float32)
    model = save_model(
        tmp_path / "m.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Shape", ["x"], ["s"])],
        [tensor("x", [9, 700])],
        [tensor("y", [9, 40]), tensor("s", [2], TensorProto.INT64)],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    report = tenon_json("check", model)
    assert report["passes"] and [output["name"] for output in report["outputs"]] == ["y", "s"]
    product, shape = report["outputs"]
    assert shape["tolerance"] == 0 and shape["max_absolute"] == 0
    needed = product["needed_tolerance"]
    assert 0 < needed < 1e-5 and product["max_absolute"] > 0
    tenon("check", model, "--tolerance", needed * 1.01)
    failed = tenon("check", model, "--tolerance", needed / 2, code=MISMATCH).stdout
    assert "DIFFERENT: y" in failed and "same: s" in failed and "worst at element" in failed
    assert not tenon_json("check", model, "--tolerance", needed / 2, code=MISMATCH)["passes"]
    tenon("compile", model, "-o", tmp_path / "m.tenon")
    tenon("check", tmp_path / "m.tenon", code=USAGE)


def test_one_file_for_several_targets(linear, tmp_path):
    artifact, inputs = tmp_path / "m.tenon", tmp_path / "in.npz"
    report = tenon_json("compile", linear, "-o", artifact, "--target", "x86-64-v3,x86-64-v4")
    assert report["target"] == "x86-64-v4" and [t["target"] for t in report["other_targets"]] == ["x86-64-v3"]
    inspected = tenon_json("inspect", artifact)
    assert inspected["target"] == "x86-64-v4" and inspected["other_targets"][0]["target"] == "x86-64-v3"
    text = tenon("inspect", artifact).stdout
    assert "for x86-64-v4" in text and "for x86-64-v3" in text
    x = numpy.ones((2, 6), numpy.float32)
    numpy.savez(inputs, x=x)
    for model in (artifact, linear):
        target = "x86-64-v3" if model == artifact else "x86-64-v3,x86-64-v4"
        tenon("run", model, "--inputs", inputs, "--outputs", tmp_path / "out.npz", "--target", target)
        assert numpy.allclose(numpy.load(tmp_path / "out.npz")["y"], numpy.maximum(x @ WEIGHT, 0), atol=1e-5)
    assert tenon_json("bench", artifact, "--seconds", "0.1", "--target", "x86-64-v3", "--inputs", inputs)["target"] == "x86-64-v3"
    assert tenon_json("check", linear, "--inputs", inputs, "--target", "x86-64-v3,x86-64-v4")["passes"]
    missing = tenon("run", artifact, "--inputs", inputs, "--outputs", tmp_path / "o.npz", "--target", "neoverse-n1", code=UNSUPPORTED)
    assert "no code for 'neoverse-n1'" in missing.stderr
    assert "twice" in tenon("compile", linear, "-o", artifact, "--target", "x86-64-v3,x86-64-v3", code=USAGE).stderr
    one = tenon("compile", linear, "-o", artifact, "--target", "x86-64-v3,x86-64-v4", "--dump-kernel", "0", code=USAGE)
    assert "one target at a time" in one.stderr


def test_inspect_a_model_and_its_artifact(linear, tmp_path):
    report = tenon_json("inspect", linear)
    assert report["inputs"] == ["x: f32[batch, 6]"] and report["outputs"][0] == "y: f32[batch, 5]"
    assert report["operators"] == {"matmul": 1, "relu": 1, "add": 1}
    assert report["parameters"] == {"tensors": 1, "numbers": 30, "bytes": 120}
    artifact = tmp_path / "linear.tenon"
    tenon("compile", linear, "-o", artifact, "--target", "x86-64-v4", "--shape", "batch=2")
    inspected = tenon_json("inspect", artifact, "--verify")
    assert inspected["inputs"] == ["x: f32[2, 6]"] and inspected["target"] == "x86-64-v4" and inspected["verified"]
    assert len(inspected["steps"]) == len(report["steps"])
    assert 0 < sum(step["code_bytes"] for step in inspected["steps"])
    assert sum(step["flops"] for step in inspected["steps"]) >= 2 * 2 * 6 * 5
    assert "MFLOP" in tenon("inspect", artifact).stdout
    damaged = bytearray(artifact.read_bytes())
    damaged[-60] ^= 1  # a weight
    artifact.write_bytes(damaged)
    tenon("inspect", artifact, "--verify", code=BAD_MODEL)


def test_inspect_lists_what_is_unsupported(tmp_path):
    model = save_model(
        tmp_path / "odd.onnx",
        [helper.make_node("Wobble", ["x"], ["a"], domain="odd"), helper.make_node("Frob", ["a"], ["y"], domain="odd")],
        [tensor("x", [2])],
        [tensor("y", [2])],
    )
    assert len(tenon_json("inspect", model, code=UNSUPPORTED)["unsupported"]) == 2
    assert "Wobble" in tenon("inspect", model, code=UNSUPPORTED).stdout


def test_check_compares_every_layer(linear):
    report = tenon_json("check", linear, "--shape", "batch=4", "--layers")
    assert report["passes"] and len(report["layers"]) == 3
    assert "layers: 0 of 3 differ" in tenon("check", linear, "--shape", "batch=4", "--layers").stdout
    # 0 is more than rounding in another order leaves.
    failed = tenon("check", linear, "--shape", "batch=4", "--layers", "--tolerance", -1, code=MISMATCH).stdout
    assert "layers: 3 of 3 differ" in failed


def test_inspect_tells_recipes_and_memory(linear, tmp_path):
    tenon("compile", linear, "-o", tmp_path / "m", "--shape", "batch=4")
    report = tenon_json("inspect", tmp_path / "m")
    assert {step["recipe"] for step in report["steps"]} == {"matmul", "loops"}
    assert report["memory"]["arena"] >= report["memory"]["live"]
    assert report["flops"] == sum(step["flops"] for step in report["steps"])
    assert tenon_json("inspect", linear)["memory"] is None
    data = bytearray((tmp_path / "m").read_bytes())
    at = data.index(b'{"recipes"')
    data[at : at + 4] = b"]]]]"  # no check covers what only inspect reads
    (tmp_path / "m.tenon").write_bytes(data)
    assert {step["recipe"] for step in tenon_json("inspect", tmp_path / "m.tenon")["steps"]} == {"?"}


def test_bench_against_others(linear, tmp_path):
    command = ("bench", linear, "--shape", "batch=4", "--seconds", 0.01, "--against", "ort,abacus,eager")
    answers = tenon_json(*command)["against"]
    assert [answer["engine"] for answer in answers] == ["ort", "abacus", "eager"]
    assert "no engine 'abacus'" in answers[1]["missing"] and ".pt2" in answers[2]["missing"]
    if "missing" not in answers[0]:  # python3 may have no onnxruntime
        assert answers[0]["ratio_p10"] <= answers[0]["ratio"] <= answers[0]["ratio_p90"] and answers[0]["resident"] > 1e6
    tenon("compile", linear, "-o", tmp_path / "other.tenon", "--shape", "batch=4")
    assert "other.onnx" in tenon("bench", tmp_path / "other.tenon", "--against", "ort", code=IO).stderr


def test_a_bench_that_is_stopped_leaves_no_process(linear):
    command = [TENON, "bench", linear, "--shape", "batch=4", "--seconds", "3", "--against", "ort"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None and not (child := children.read_text().split()):
        time.sleep(0.02)
    process.terminate()
    process.wait(timeout=60)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{child[0]}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{child[0]}").exists()


def test_kernels_are_cached(linear, tmp_path):
    cache = ("--cache", tmp_path / "cache")
    assert tenon_json("compile", linear, "-o", tmp_path / "a", *cache)["cached_kernels"] == 0
    again = tenon_json("compile", linear, "-o", tmp_path / "b", *cache)
    assert again["cached_kernels"] == again["kernels"] > 0
    assert tenon_json("compile", linear, "-o", tmp_path / "c", "--cache", "off")["cached_kernels"] == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


@pytest.mark.parametrize("most", [0, 50, 4096, 20_000])
def test_a_file_that_cannot_grow_is_not_left_half_written(tmp_path, most):
    """As on a full disk: the system lets files grow to `most` bytes."""
    weight = numpy.ones((100, 100), numpy.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    model = save_model(
        tmp_path / "wide.onnx",
        nodes,
        [tensor("x", [100, 100])],
        [tensor("y", [100, 100])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    numpy.savez(tmp_path / "in.npz", x=weight)
    kept = set(tmp_path.iterdir())
    for command in [
        ("compile", model, "-o", tmp_path / "o.tenon"),
        ("compile", model, "-o", tmp_path / "o.tn", "--to", "simplify"),
        ("run", model, "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "o.npz"),
    ]:
        done = subprocess.run(
            [TENON, *map(str, command), "--cache", "off"],
            capture_output=True,
            text=True,
            timeout=300,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        )
        assert done.returncode == IO, f"exit code {done.returncode}\n{done.stderr}"
        assert "cannot write" in done.stderr and os.strerror(errno.EFBIG) in done.stderr
        assert set(tmp_path.iterdir()) == kept


def test_paths_that_are_no_files(linear, tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "empty.tenon").touch()
    output = ("-o", tmp_path / "o")
    assert "folder.onnx" in tenon("compile", tmp_path / "folder.onnx", *output, code=IO).stderr
    assert "empty.onnx" in tenon("compile", tmp_path / "empty.onnx", *output, code=BAD_MODEL).stderr
    assert "empty" in tenon("inspect", tmp_path / "empty.tenon", code=BAD_MODEL).stderr
    assert "folder.onnx" in tenon("compile", linear, "-o", tmp_path / "folder.onnx", code=IO).stderr
    assert "/dev/full" in tenon("compile", linear, "-o", "/dev/full/o", code=IO).stderr
    assert {path.name for path in tmp_path.iterdir()} == {"linear.onnx", "folder.onnx", "empty.onnx", "empty.tenon"}

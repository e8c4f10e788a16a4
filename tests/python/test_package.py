"""The Python package: what it maps, which errors it raises, what its documentation shows."""

import doctest
import os
import subprocess
import sys
from pathlib import Path

import numpy
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import tenon
import tenon.peer

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(tenon._runtime.__file__).parents[2] / "lib" / "libtenon_runtime.so"
WEIGHT = numpy.arange(12, dtype=numpy.float32).reshape(4, 3)


def save_linear(path):
    """y = x @ WEIGHT, x of [1, 4]."""
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], "linear")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [onnx.numpy_helper.from_array(WEIGHT, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


@pytest.fixture
def linear(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return save_linear(tmp_path / "linear.onnx")


def python(code, *arguments):
    environment = os.environ | {"PYTHONPATH": str(Path(tenon.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["__init__", "_explain", "_model"])
def test_documentation_runs(linear, module):
    documented = __import__(f"tenon.{module}" if module != "__init__" else "tenon", fromlist=["x"])
    result = doctest.testmod(documented, extraglobs={"numpy": numpy, "tenon": tenon, "torch": torch}, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0 and result.failed == 0


def test_loading_maps_no_compiler(linear):
    tenon.compile(linear).save("linear.tenon")
    code = """if True:
        import sys, numpy, tenon
        model = tenon.load(sys.argv[1])
        assert model(numpy.ones((1, 4), numpy.float32)).tolist() == [[18, 22, 26]]
        maps = open("/proc/self/maps").read()
        print("LLVM" in maps, "/_compiler." in maps, "tenon._compiler" in sys.modules)
        tenon.compile("linear.onnx")
        print("LLVM" in open("/proc/self/maps").read())
    """
    assert python(code, "linear.tenon").split() == ["False", "False", "False", "True"]


@pytest.mark.parametrize("order", ["import torch, tenon", "import tenon, torch"])
def test_lives_beside_torch(linear, order):
    code = f"""if True:
        {order}
        module = torch.nn.Linear(4, 3)
        print(tenon.compile("linear.onnx")(torch.ones(1, 4)).shape, module(torch.ones(1, 4)).shape)
    """
    assert python(code).count("torch.Size([1, 3])") == 2


def test_arrays_of_any_layout(linear):
    model = tenon.compile(linear)
    x = numpy.array([[1, 2, 3, 4]], numpy.float32)
    expected = (x @ WEIGHT).tolist()
    unaligned = numpy.frombuffer(b"\0" + x.tobytes(), numpy.uint8)[1:].view(numpy.float32).reshape(1, 4)
    for array in (
        x,
        x.astype(">f4"),
        numpy.ascontiguousarray(x[:, ::-1])[:, ::-1],
        numpy.asfortranarray(numpy.vstack([x, x]))[:1],
        unaligned,
        x.tolist() and numpy.broadcast_to(x, (1, 4)),
        torch.from_numpy(x),
        torch.from_numpy(numpy.repeat(x, 2, 1))[:, ::2],
        torch.from_numpy(x).requires_grad_(),
    ):
        assert model(array).tolist() == expected
    assert isinstance(model(torch.from_numpy(x)), torch.Tensor)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_tensors(tmp_path, dtype):
    class Double(torch.nn.Module):
        def forward(self, x):
            return x + x

    x = torch.randn(3, 5).to(dtype)
    torch.onnx.export(Double(), (x,), tmp_path / "m.onnx", dynamo=True, verbose=False)
    model = tenon.compile(tmp_path / "m.onnx")
    y = model(x)
    assert y.dtype == dtype and torch.equal(y, x + x)
    if dtype == torch.float16:
        numpy.testing.assert_array_equal(model(x.numpy()), (x + x).numpy())
    else:
        with pytest.raises(tenon.InputError):
            model(x.float().numpy())


def test_every_kind_of_error_has_its_class(linear, tmp_path):
    model = tenon.compile(linear)
    x = numpy.ones((1, 4), numpy.float32)
    for arguments, named in [((), {}), ((x, x), {}), ((), {"z": x}), ((["a"],), {}), ((object(),), {})]:
        with pytest.raises(tenon.ArgumentError) as raised:
            model(*arguments, **named)
        assert isinstance(raised.value, TypeError) and raised.value.kind == "bad-input"
    with pytest.raises(tenon.InputError, match=r"f32\[1, 4\].*f32\[1, 5\]"):
        model(numpy.ones((1, 5), numpy.float32))
    with pytest.raises(tenon.InputError, match="f64"):
        model(x.astype(float))
    with pytest.raises(tenon.UsageError):
        tenon.compile(linear, target="pdp-11")
    with pytest.raises(tenon.UsageError, match="'place' cannot be left out"):
        tenon.compile(linear, without=["place"])
    with pytest.raises(tenon.FileError):
        tenon.load(tmp_path / "absent.tenon")
    with pytest.raises(tenon.FileError):
        model.save(tmp_path / "absent" / "m.tenon")
    (tmp_path / "bad.tenon").write_bytes(b"TENONMDL" + bytes(500))
    with pytest.raises(tenon.ModelError):
        tenon.load(tmp_path / "bad.tenon")
    with pytest.raises(TypeError):
        tenon.Model.__new__(tenon.Model)(x)
    for name in tenon.__all__:
        if name.endswith("Error"):
            assert issubclass(getattr(tenon, name), tenon.Error)


def test_a_loaded_model_saves_whole_files(linear, tmp_path):
    tenon.compile(linear).save(tmp_path / "a.tenon")
    model = tenon.load(tmp_path / "a.tenon")
    model.save(tmp_path / "b.tenon")
    assert (tmp_path / "a.tenon").read_bytes() == (tmp_path / "b.tenon").read_bytes()
    with pytest.raises(tenon.FileError):
        model.save(tmp_path / "absent" / "c.tenon")
    assert {path.name for path in tmp_path.iterdir()} == {"linear.onnx", "a.tenon", "b.tenon"}


def test_kernels_come_from_the_cache(linear, tmp_path):
    tenon.compile(linear, cache=tmp_path / "cache")
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept
    tenon.compile(linear, cache="off").save("a.tenon")
    for path in kept:
        path.write_bytes(path.read_bytes()[:-1])  # damaged: made again
    tenon.compile(linear, cache=tmp_path / "cache").save("b.tenon")
    assert Path("a.tenon").read_bytes() == Path("b.tenon").read_bytes()


def test_the_program_of_the_documentation(linear, tmp_path):
    """Built as a user would, with a C compiler, abi.h and the runtime alone."""
    shown = (ROOT / "docs/c-api.md").read_text().split("```c\n")[1].split("```")[0]
    source = ROOT / "examples/run_model.c"
    assert shown in source.read_text()
    tenon.compile(linear).save("linear.tenon")
    link = [f"-L{LIBRARY.parent}", "-ltenon_runtime", f"-Wl,-rpath,{LIBRARY.parent}"]
    subprocess.run(["cc", "-std=c11", "-Wall", "-Werror", f"-I{ROOT / 'src'}", source, *link, "-o", "run_model"], check=True)
    x = numpy.array([[1, 2, 3, 4]], numpy.float32)
    done = subprocess.run(["./run_model", "linear.tenon", "1", "4"], input=x.tobytes(), capture_output=True, check=True)
    numpy.testing.assert_array_equal(numpy.frombuffer(done.stdout, numpy.float32), (x @ WEIGHT)[0])
    needed = subprocess.run(["ldd", "run_model"], capture_output=True, text=True, check=True).stdout
    assert all(word in ("linux-vdso.so.1", "libtenon_runtime.so", "libc.so.6") or "ld-linux" in word for word in
               (line.split()[0].rsplit("/", 1)[-1] for line in needed.splitlines()))
    wrong = subprocess.run(["./run_model", "linear.tenon", "1", "5"], input=bytes(20), capture_output=True)
    assert wrong.returncode != 0 and b"input 'x'" in wrong.stderr


def test_peers_say_what_is_missing(linear):
    def answers(*arguments):
        environment = os.environ | {"PYTHONPATH": str(Path(tenon.__file__).parents[1])}
        command = [sys.executable, "-m", "tenon.peer", *map(str, arguments)]
        return subprocess.run(command, input="memory\n", capture_output=True, text=True, env=environment).stdout

    assert "there is no engine 'abacus'" in answers("abacus", linear)
    assert "linear.pt2" in answers("eager", linear)
    assert "absent.onnx" in answers("ort", "absent.onnx") or "not installed" in answers("ort", "absent.onnx")
    assert "resident" in answers("tenon", linear)
    assert "usage" in answers("tenon")

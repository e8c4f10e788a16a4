"""What a call from Python costs beyond its kernels: one numpy input and output, a kernel that negates one number.

PYTHONPATH=build/release/python python bench/call_overhead.py
"""

import pathlib
import tempfile
import timeit

import numpy
import onnx
import torch
from onnx import TensorProto, helper

import tenon


def main():
    shape = [1]
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "negate.onnx"
        onnx.save(model, path)
        compiled = tenon.compile(path)
    for kind, x in (("numpy", numpy.ones(shape, numpy.float32)), ("torch", torch.ones(shape))):
        seconds = min(timeit.repeat(lambda: compiled(x), number=100_000, repeat=5)) / 100_000
        empty = min(timeit.repeat(lambda: None, number=100_000, repeat=5)) / 100_000
        print(f"{kind}: {1e9 * (seconds - empty):.0f} ns per call")


if __name__ == "__main__":
    main()

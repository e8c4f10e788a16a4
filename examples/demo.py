"""Exports the example models, compiles them, and times them beside eager PyTorch.

python examples/demo.py [FOLDER]      FOLDER takes the .onnx and .tenon files; default build/demo
"""

import logging
import pathlib
import statistics
import sys
import time
import warnings

import models
import numpy
import torch

import tenon


def milliseconds(call, seconds=1.0):
    """Median time of a call, after a warm-up."""
    for _ in range(3):
        call()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def main():
    warnings.filterwarnings("ignore")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # the exporter names libraries that no model here needs
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo")
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    print(f"{'model':14} {'compile':>9} {'eager':>10} {'tenon':>10} {'speed-up':>9} {'error':>8}   (1 thread)")
    for name, module, inputs in models.examples():
        onnx = folder / f"{name}.onnx"
        torch.onnx.export(module, inputs, onnx, dynamo=True, verbose=False, external_data=False)
        start = time.perf_counter()
        compiled = tenon.compile(onnx)
        seconds = time.perf_counter() - start
        compiled.save(folder / f"{name}.tenon")
        with torch.inference_mode():
            expected = module(*inputs).numpy()
            eager = milliseconds(lambda: module(*inputs))
        arrays = [x.numpy() for x in inputs]
        error = numpy.abs(compiled(*arrays) - expected).max() / numpy.abs(expected).max()
        ours = milliseconds(lambda: compiled(*arrays))
        print(f"{name:14} {seconds:7.2f} s {eager:7.3f} ms {ours:7.3f} ms {eager / ours:8.2f}x {error:8.0e}")
    print(f"compiled files are in {folder}/")


if __name__ == "__main__":
    main()

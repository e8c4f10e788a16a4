"""Engines on two cores of which a spinning process takes one, as on a machine shared with others.

    PYTHONPATH=build/release/python python bench/neighbour.py MODEL.onnx... [--engines tenon,ort] [--seconds 1]

A line per model and engine: milliseconds at one thread alone, at two threads alone and at two threads beside the
spinning process, and the last over the first. Run it where nothing else runs. Inputs are in_0, in_1, ... of the .npz
beside the model, else zeros.
"""

import argparse
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

import tenon
from tenon.verdict.children import Children, EngineFailed, ProcessChannel


def median_ms(child, seconds):
    """Of the calls of about this time."""
    times = []
    while sum(times) < seconds:
        times += child.calls(max(1, int(0.1 / min(times, default=1))))
    return 1e3 * statistics.median(times)


def write_inputs(model, folder):
    path = folder / f"{model.stem}.npz"
    known = numpy.load(model.with_suffix(".npz")) if model.with_suffix(".npz").exists() else {}
    arrays = {}
    for index, spec in enumerate(tenon.compile(model).inputs):
        key = f"in_{index}"
        arrays[spec.name] = known[key] if key in known else numpy.zeros(spec.shape, spec.dtype)
    numpy.savez(path, **arrays)
    return path


def measure(name, model, inputs, spinner, seconds):
    with Children() as children:
        pair = []
        for threads in (1, 2):
            options = {"threads": threads, "trust_pickle": True}
            pair.append(children.add(name, ProcessChannel(name, model, options)))
            pair[-1].ask("bind", inputs)
        one, two = pair
        rounds = []
        for _ in range(3):
            alone = median_ms(one, seconds / 3), median_ms(two, seconds / 3)
            spinner.send_signal(signal.SIGCONT)
            time.sleep(0.05)
            beside = median_ms(two, seconds / 3)
            spinner.send_signal(signal.SIGSTOP)
            rounds.append((*alone, beside, beside / alone[0]))
    return [statistics.median(column) for column in zip(*rounds)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--engines", default="tenon,ort")
    parser.add_argument("--seconds", type=float, default=1, help="about how long each figure is measured")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("two cores are needed")
    os.sched_setaffinity(0, cores)
    spinner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.sched_setaffinity(spinner.pid, cores[1:])
    spinner.send_signal(signal.SIGSTOP)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for model in arguments.models:
                inputs = write_inputs(model, pathlib.Path(folder))
                for name in arguments.engines.split(","):
                    try:
                        one, two, beside, ratio = measure(name, model, inputs, spinner, arguments.seconds)
                    except EngineFailed as failure:
                        print(f"{model.stem} {failure}", flush=True)
                        continue
                    print(
                        f"{model.stem} {name}: one thread {one:.3f} ms, two {two:.3f}, "
                        f"beside a spinning process {beside:.3f}: {ratio:.2f} of one thread",
                        flush=True,
                    )
    finally:
        spinner.kill()


if __name__ == "__main__":
    main()

"""Engines on two cores of which a spinning process takes one, as on a machine shared with others.

    PYTHONPATH=build/release/python python bench/neighbour.py MODEL.onnx... [--engines tenon,ort] [--seconds 3]

A line per model and engine: milliseconds at one thread and at two threads, alone and beside the spinning process; then
two threads beside it over one thread alone, and one thread beside it over one thread alone, which is what it costs
through caches and memory. The four take turns, a few calls each, and figures are medians over the turns: a machine
whose speed changes from minute to minute changes them alike. Inputs are in_0, in_1, ... of the .npz beside the model,
else zeros.
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


TURN_SECONDS = 0.03
FEWEST_ROUNDS = 7


def median_ms(child, calls):
    return 1e3 * statistics.median(child.calls(calls))


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
    """Milliseconds of one and of two threads alone, of both beside the spinning process, and what they are of the first."""
    with Children() as children:
        pair = []
        for threads in (1, 2):
            options = {"threads": threads, "trust_pickle": True}
            pair.append(children.add(name, ProcessChannel(name, model, options)))
            pair[-1].ask("bind", inputs)
        calls = [max(1, int(TURN_SECONDS / min(child.calls(3)))) for child in pair]
        turns = []
        end = time.monotonic() + seconds
        while len(turns) < FEWEST_ROUNDS or time.monotonic() < end:
            alone = list(map(median_ms, pair, calls))
            spinner.send_signal(signal.SIGCONT)
            time.sleep(0.02)
            beside = list(map(median_ms, pair, calls))
            spinner.send_signal(signal.SIGSTOP)
            time.sleep(0.02)
            turns.append((*alone, *beside, beside[1] / alone[0], beside[0] / alone[0]))
    return [statistics.median(column) for column in zip(*turns)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--engines", default="tenon,ort")
    parser.add_argument("--seconds", type=float, default=3, help="how long each engine is measured")
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
                        one, two, one_beside, two_beside, ratio, cost = measure(name, model, inputs, spinner, arguments.seconds)
                    except EngineFailed as failure:
                        print(f"{model.stem} {failure}", flush=True)
                        continue
                    print(
                        f"{model.stem} {name}: one thread {one:.3f} ms, two {two:.3f}; beside a spinning process "
                        f"{one_beside:.3f} and {two_beside:.3f}: two are {ratio:.2f}, one {cost:.2f} of one alone",
                        flush=True,
                    )
    finally:
        spinner.kill()


if __name__ == "__main__":
    main()

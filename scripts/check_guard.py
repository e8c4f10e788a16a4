#!/usr/bin/env python3
"""Compares what the guard keeps with eager, over a folder of models.

    PYTHONPATH=build/release/python:CLASSES python scripts/check_guard.py FOLDER [NAME...] [--threads 1]

FOLDER holds NAME.pt (a pickled module, which is trusted; CLASSES are its classes' folder) and inputs in_0, in_1, ... in
NAME.npz. All models are gone through twice, each time with new processes in which the guard decides anew; then ten
rounds of eager and of what it keeps are timed in turn.

Prints a line for each: eager's time over that of what was kept, with its 95 % interval. Exit code 1 when both intervals
of a model lie below 1.
"""

import argparse
import json
import pathlib
import sys
import time

import numpy
import torch
from check_verdict import epoch

import tenon
from tenon.verdict.decide import median_interval
from tenon.verdict.words import times


def load(path, threads):
    torch.set_num_threads(threads)
    module = torch.load(path, weights_only=False).eval()
    data = numpy.load(path.with_suffix(".npz"))
    return module, [torch.from_numpy(data[f"in_{k}"]) for k in range(sum(key.startswith("in_") for key in data))]


def worker(engine, path, threads):
    """Answers like the benchmark of check_verdict.py."""
    answer, sys.stdout = sys.stdout, sys.stderr
    module, inputs = load(path, threads)
    run = module
    with torch.inference_mode():
        if engine == "guarded":
            run = tenon.compile(module, tuple(inputs), threads=threads, guard=True)
            while not any(decision.keeps for decision in run.decisions()):
                run(*inputs)
        print("ready", file=answer, flush=True)
        for line in sys.stdin:
            seconds = []
            for _ in range(int(line)):
                start = time.perf_counter()
                run(*inputs)
                seconds.append(time.perf_counter() - start)
            print(json.dumps({"times": seconds}), file=answer, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_intermixed_args()
    names = arguments.names or sorted(path.stem for path in arguments.folder.glob("*.pt"))
    intervals = {name: [] for name in names}
    for turn in range(2):
        for name in names:
            rounds = epoch(__file__, arguments.folder / f"{name}.pt", arguments.threads, ("eager", "guarded"))
            ratios = [eager / guarded for eager, guarded in zip(rounds["eager"], rounds["guarded"])]
            intervals[name].append(median_interval(ratios))
            print(turn, name, times(intervals[name][-1]._asdict()), flush=True)
    slower = [name for name in names if all(interval.high < 1 for interval in intervals[name])]
    print(f"{len(slower)} slower than eager" + (": " + ", ".join(slower) if slower else ""))
    return 1 if slower else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        sys.exit(worker(sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])))
    sys.exit(main())

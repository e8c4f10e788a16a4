#!/usr/bin/env python3
"""Compares verdicts with an independent benchmark, run separately, over a folder of models.

    PYTHONPATH=build/release/python python scripts/check_verdict.py FOLDER [NAME...] --bench BENCH.py [--markdown FILE]

FOLDER holds NAME.onnx, NAME.pt (a pickled module, which is trusted) and NAME.npz. `python BENCH.py --worker ENGINE
NAME.onnx THREADS` is a process that loads a model, prints a line about itself, and then answers each line with a number
of calls by {"times": [seconds, ...]}; its engines are `eager` and `tenon`. Thirty rounds of it come before the verdict and
thirty after, at least half a minute apart, in three pairs of processes each; the verdict's epochs lie between.

Prints a line for each model: both answers with their 95 % intervals, and whether they agree (the same class, and
intervals that overlap). Exit code 1 when one disagrees.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from tenon.verdict.decide import compare
from tenon.verdict.words import times

STARTS, ROUNDS, APART, TURN = 3, 10, 30.0, 0.1
ENGINES = ("eager", "tenon")


class Worker:
    """One engine of the benchmark."""

    def __init__(self, bench, engine, model, threads):
        command = [sys.executable, bench, "--worker", engine, str(model), str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if not self.process.stdout.readline():
            raise ChildProcessError(f"the benchmark's engine {engine} fails on {model}")
        self.count = 1

    def turn(self):
        """The median seconds of calls for about a turn."""
        self.process.stdin.write(f"{self.count}\n")
        self.process.stdin.flush()
        median = statistics.median(json.loads(self.process.stdout.readline())["times"])
        self.count = max(1, min(2000, int(TURN / median)))
        return median

    def close(self):
        self.process.kill()
        self.process.communicate()


def epoch(bench, model, threads, engines=ENGINES):
    """Rounds of the benchmark in new processes: {engine: [seconds, ...]}."""
    workers = {}
    try:
        for engine in engines:
            workers[engine] = Worker(bench, engine, model, threads)
        return take_rounds(workers)
    finally:
        for worker in workers.values():
            worker.close()


def take_rounds(workers):
    for worker in workers.values():
        worker.turn()
        worker.turn()
    rounds = {engine: [] for engine in workers}
    for number in range(ROUNDS):
        for engine in list(workers)[:: 1 if number % 2 == 0 else -1]:
            rounds[engine].append(workers[engine].turn())
            time.sleep(0.005)
    return rounds


def verdict(model, bench, threads):
    """Classes of pickled modules lie beside the benchmark."""
    command = [sys.executable, "-m", "tenon.verdict", model.with_suffix(".pt"), "--trust-pickle", "--inputs", model.with_suffix(".npz")]
    command += ["--threads", threads, "--causes", 0, "--json"]
    paths = filter(None, [os.environ.get("PYTHONPATH"), str(pathlib.Path(bench).resolve().parent)])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
    found = json.loads(done.stdout or "{}")
    if "answer" not in found:
        raise ChildProcessError(f"no verdict on {model}: {done.stderr or done.stdout}")
    return found


def check(model, bench, threads):
    """The verdict and the benchmark's comparison."""
    epochs = [epoch(bench, model, threads) for _ in range(STARTS)]
    begin = time.monotonic()
    found = verdict(model, bench, threads)
    time.sleep(max(0.0, APART - (time.monotonic() - begin)))
    epochs += [epoch(bench, model, threads) for _ in range(STARTS)]
    return found, compare(*([rounds[engine] for rounds in epochs] for engine in ENGINES))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--bench", required=True, help="the independent benchmark")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--markdown", type=pathlib.Path, help="append a row for each model to this table")
    arguments = parser.parse_intermixed_args()
    disagree = []
    for name in arguments.names or sorted(path.stem for path in arguments.folder.glob("*.onnx")):
        found, separate = check(arguments.folder / f"{name}.onnx", arguments.bench, arguments.threads)
        ratio, other = found["ratio"], separate.ratio._asdict()
        overlap = ratio["low"] <= other["high"] and other["low"] <= ratio["high"]
        agrees = found["speed"] == separate.answer and overlap
        if not agrees:
            disagree.append(name)
        cells = [name, found["answer"], times(ratio), separate.answer, times(other), "yes" if agrees else "no", "; ".join(found["noise"])]
        print(" | ".join(cells), flush=True)
        if arguments.markdown:
            with open(arguments.markdown, "a") as table:
                table.write(f"| {' | '.join(cells)} |\n")
    print(f"{len(disagree)} disagree" + (": " + ", ".join(disagree) if disagree else ""))
    return 1 if disagree else 0


if __name__ == "__main__":
    sys.exit(main())

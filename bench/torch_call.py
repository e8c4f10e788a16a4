"""What a call through `torch.compile` costs beside eager, Inductor and the compiled model called by itself, on models that
compute next to nothing.

    PYTHONPATH=build/release/python python bench/torch_call.py

Median microseconds of a call at one thread, the ways taking turns of a few milliseconds. Without a C++ compiler for
Inductor its column is empty.
"""

import statistics
import sys
import time
import types
from pathlib import Path

import torch
from torch import nn

import tenon

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from models import SimpleCNN  # noqa: E402

MODELS = {
    "one operator": (nn.ReLU(), torch.ones(1)),
    "two layers": (nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)), torch.ones(1, 8)),
    "simple_cnn": (SimpleCNN(), torch.ones(1, 1, 26, 26)),
}
ROUNDS, TURN = 60, 0.005


def function_of(module):
    """With code of its own: PyTorch looks for compiled code of all backends under one."""

    def call(x):
        return module(x)

    return types.FunctionType(call.__code__.replace(), globals(), closure=call.__closure__)


def ways(module, x):
    """Functions without arguments by name."""
    direct = tenon.compile(module, (x,))
    calls = {"eager": lambda: module(x), "tenon.compile": lambda: direct(x)}
    for backend in ("tenon", "inductor"):
        compiled = torch.compile(function_of(module), backend=backend)
        try:
            compiled(x)
        except Exception as error:  # Inductor without a compiler
            print(f"{backend}: {error}", file=sys.stderr)
            continue
        calls[f"torch.compile {backend}"] = lambda compiled=compiled: compiled(x)
    return calls


def medians(calls):
    """Microseconds of a call, by name."""
    for call in calls.values():
        call()
    counts = {}
    for name, call in calls.items():
        start = time.perf_counter()
        for _ in range(50):
            call()
        counts[name] = max(1, int(TURN * 50 / (time.perf_counter() - start)))
    times = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(counts[name]):
                call()
            times[name].append((time.perf_counter() - start) / counts[name])
    return {name: 1e6 * statistics.median(seconds) for name, seconds in times.items()}


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    print(f"{'':14}" + "".join(f"{name:>24}" for name in ("eager", "torch.compile inductor", "torch.compile tenon", "tenon.compile")))
    for name, (module, x) in MODELS.items():
        found = medians(ways(module.eval(), x))
        columns = ("eager", "torch.compile inductor", "torch.compile tenon", "tenon.compile")
        print(f"{name:14}" + "".join(f"{found.get(column, float('nan')):24.1f}" for column in columns))


if __name__ == "__main__":
    main()

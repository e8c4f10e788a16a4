"""Measurements that look for causes: steps of the pipeline left out, threads, an empty call, steps of a call."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any, Mapping

from . import decide
from .children import Child, Children, EngineFailed, ProcessChannel
from .empty_model import empty_onnx
from .rounds import take_epoch, turn
from .source import Source

SHORT_TURN, FEW_ROUNDS = 0.03, 8
PROFILE_SECONDS = 0.5
PROFILE_BATCHES = 9


class Budget:
    """Seconds that may be spent."""

    def __init__(self, seconds: float):
        self.end = time.monotonic() + seconds

    def left(self) -> bool:
        return time.monotonic() < self.end


def paired(first: Child, second: Child) -> tuple[decide.Interval, float]:
    """(the first's time over the second's, the difference in seconds a call), in turn."""
    epoch = take_epoch({"first": first, "second": second}, 0, FEW_ROUNDS, SHORT_TURN)
    one, two = epoch.rounds["first"], epoch.rounds["second"]
    ratio = decide.median_interval([a / b for a, b in zip(one, two)])
    return ratio, statistics.median(a - b for a, b in zip(one, two))


def profile(child: Child) -> list[dict[str, Any]]:
    """Each step of a call, in order: the median over batches of calls, as one batch may be disturbed."""
    once = statistics.median(turn(child))
    runs = max(1, min(1000, int(PROFILE_SECONDS / PROFILE_BATCHES / max(once, 1e-6))))
    batches = [child.ask("profile", runs)["steps"] for _ in range(PROFILE_BATCHES)]
    steps = []
    for nodes, _, flops, moved in batches[0]:
        seconds = statistics.median(batch[len(steps)][1] for batch in batches)
        steps.append({"nodes": nodes, "seconds": seconds, "flops": flops, "bytes": moved})
    return steps


def roofline(target: str, threads: int) -> dict[str, Any]:
    """What this machine can do now, with the target's vectors."""
    from .. import _compiler

    name, vector_bytes = _compiler.target(target)
    flops, bandwidth = _compiler.roofline(threads, vector_bytes)
    return {"target": name, "vector_bytes": vector_bytes, "flops_per_second": flops, "bytes_per_second": bandwidth}


def at_least(step: Mapping[str, Any], roof: Mapping[str, Any]) -> float:
    """Seconds that a step needs at this roofline, if its bytes come from memory.

    >>> at_least({"flops": 100, "bytes": 10}, {"flops_per_second": 50, "bytes_per_second": 20})
    2.0
    """
    by_flops = step["flops"] / roof["flops_per_second"] if roof["flops_per_second"] else 0.0
    return max(by_flops, step["bytes"] / roof["bytes_per_second"])


def variants(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Other ways to compile: what the options left out put back, the machine's own target, then each step left out, those
    nearest to the code first."""
    from .. import _compiler

    without = list(options["without"])
    others = [{"step": s, "change": "put back", "options": {"without": [w for w in without if w != s]}} for s in without]
    if len(without) > 1:
        others.insert(0, {"step": ", ".join(without), "change": "put back", "options": {"without": []}})
    best = _compiler.target("native")[0]
    if best != _compiler.target(options["target"])[0]:
        others.append({"step": best, "change": "target", "options": {"target": best}})
    for step in reversed(_compiler.optional_steps()):
        if step not in without:
            others.append({"step": step, "change": "left out", "options": {"without": [*without, step]}})
    return others


def try_variants(
    source: Source, children: Children, base: Child, identity: Any, options: Mapping[str, Any], file: Path, folder: Path, budget: Budget
) -> list[dict[str, Any]]:
    """Each variant with its `status`: measured (then with `ratio`, its time over ours, and `seconds` more a call), no
    effect (the same plan and code), failed, or no time."""
    results = []
    for variant in variants(options):
        changed = variant.pop("options")
        variant["status"] = "no time"
        results.append(variant)
        if not budget.left():
            continue
        try:
            child = source.variant(children, dict(options) | changed, folder)
        except EngineFailed as failure:
            variant |= {"status": "failed", "why": failure.why}
            continue
        try:
            if identity is not None and child.hello.get("identity") == identity:
                variant["status"] = "no effect"
                continue
            child.ask("bind", file)
            ratio, seconds = paired(child, base)
            variant |= {"status": "measured", "ratio": ratio._asdict(), "seconds": seconds}
        except EngineFailed as failure:
            variant |= {"status": "failed", "why": failure.why}
        finally:
            children.end(child)
    return results


def threads(source: Source, children: Children, ours: Child, baseline: Child, file: Path, folder: Path, used: int, other: int) -> dict[str, Any]:
    """How much faster both are with the larger of two numbers of threads."""
    found: dict[str, Any] = {"used": used, "other": other}
    for name, child in (("tenon", ours), ("baseline", baseline)):
        try:
            rival = source.compiled(children, other, folder) if name == "tenon" else source.peer(children, source.baseline, other)
        except EngineFailed:
            continue
        rival.ask("bind", file)
        ratio, seconds = paired(rival, child)  # the other's time over that of the number used
        found[name] = {"ratio": ratio._asdict(), "seconds": seconds}
        children.end(rival)
    return found


def empty_call(children: Children, inputs: int, outputs: int, folder: Path, cache: str) -> float:
    """Seconds of a call that computes nothing, with as many inputs and outputs."""
    import numpy

    inputs, outputs = max(1, min(inputs, 40)), max(1, min(outputs, 40))
    model, arrays = folder / "empty.onnx", folder / "empty.npz"
    model.write_bytes(empty_onnx(inputs, outputs))
    numpy.savez(arrays, **{f"x{k}": numpy.ones(1, numpy.float32) for k in range(inputs)})
    child = children.add("tenon", ProcessChannel("tenon", model, {"cache": cache}))
    child.ask("bind", arrays)
    child.calls(1000)
    seconds = statistics.median(child.calls(2000))
    children.end(child)
    return seconds

"""Why a compiled model is as fast as it is: each finding with the seconds of a call that it is about."""

from __future__ import annotations

from typing import Any, Callable

from .decide import CANNOT_TELL, NO_DIFFERENCE, Interval, class_of
from .probes import at_least
from .words import duration, inverse, name_of, percent, shorten, size, times

LEAST_EFFECT = 0.03

Cause = dict[str, Any]
Verdict = dict[str, Any]


def call_of(verdict: Verdict, engine: str) -> float:
    return verdict["engines"][engine]["call_seconds"]["median"]


def difference(verdict: Verdict) -> float:
    """Seconds that a call gains over the baseline; negative where it loses."""
    return call_of(verdict, verdict["baseline"]) - call_of(verdict, "tenon")


def find_causes(verdict: Verdict) -> list[Cause]:
    """Each with `kind`, `name`, `finding`, `seconds` of a call (what it gains; negative: what it costs; None where it is no
    matter of a call) and `share`, those seconds in the difference to the baseline, or in a call where there is none.
    Largest effect first; shares do not add up, since causes work on each other."""
    found = [cause for find in FINDERS for cause in find(verdict)]
    known = verdict["speed"] not in (NO_DIFFERENCE, CANNOT_TELL)
    whole = abs(difference(verdict)) if known else call_of(verdict, "tenon")
    for cause in found:
        cause["share"] = None if cause["seconds"] is None else cause["seconds"] / max(whole, 1e-12)
        cause["share_of"] = "the difference" if known else "a call"
    return sorted(found, key=lambda cause: -abs(cause["seconds"] or 0.0))


def cause(kind: str, name: str, seconds: float | None, finding: str) -> Cause:
    return {"kind": kind, "name": name, "seconds": seconds, "finding": finding}


def support(verdict: Verdict) -> list[Cause]:
    """What is not compiled."""
    told, found = verdict.get("support", {}), []
    for fallback in told.get("fallbacks", []):
        seconds = fallback["share"] * call_of(verdict, "tenon")
        where, operator = fallback["line"] or "an unknown line", fallback["operator"]
        text = f"{operator} at {where} runs in eager ({fallback['reason']}): {duration(seconds)}, {percent(fallback['share'])} of a call"
        found.append(cause("operator support", operator, -seconds, text))
    for reason in told.get("graph_breaks", []):
        found.append(cause("operator support", "graph break", None, f"PyTorch leaves the graph: {reason}"))
    return found or [cause("operator support", "fallbacks", 0.0, "every operator is compiled; nothing falls back")]


def measured_variants(verdict: Verdict, *changes: str) -> list[dict[str, Any]]:
    """Those of these changes that make a difference."""
    return [v for v in verdict.get("variants", []) if v["status"] == "measured" and v["change"] in changes and differs(v["ratio"])]


def differs(ratio: dict[str, float]) -> bool:
    """Whether two processes differ by more than two of the same kind may, since memory lies elsewhere in each.

    >>> differs({"median": 1.02, "low": 1.01, "high": 1.03}), differs({"median": 0.9, "low": 0.85, "high": 0.95})
    (False, True)
    """
    return class_of(Interval(**ratio)) != NO_DIFFERENCE and abs(ratio["median"] - 1) >= LEAST_EFFECT


def graph(verdict: Verdict) -> list[Cause]:
    """What steps of the pipeline are worth, by leaving them out or putting them back."""
    found = []
    for variant in measured_variants(verdict, "left out", "put back"):
        step, seconds, back = variant["step"], variant["seconds"], variant["change"] == "put back"
        ratio = times(variant["ratio"] if variant["ratio"]["median"] > 1 else inverse(variant["ratio"]))
        effect = f"{duration(abs(seconds))} a call, {ratio}"
        if back:
            text = f"'{step}' was left out, which {'costs' if seconds < 0 else 'gains'} {effect}"
        else:
            text = f"the step '{step}' {'gains' if seconds > 0 else 'costs'} {effect}"
        found.append(cause("graph optimisation", step, seconds, text))
    return found


def beyond_roofline(verdict: Verdict) -> list[tuple[float, dict[str, Any]]]:
    """(seconds above what the machine needs at least, step), the largest first."""
    roof = verdict["roofline"]
    return sorted(((max(0.0, s["seconds"] - at_least(s, roof)), s) for s in verdict["profile"]), key=lambda entry: -entry[0])


def hardware(verdict: Verdict) -> list[Cause]:
    """Kernels against what the machine can do."""
    found = []
    for variant in measured_variants(verdict, "target"):
        ratio = times(variant["ratio"] if variant["ratio"]["median"] > 1 else inverse(variant["ratio"]))
        text = f"code is for {verdict['target']}, and this machine can run {variant['step']}, which is {duration(abs(variant['seconds']))} a call {'faster' if variant['seconds'] < 0 else 'slower'}, {ratio}"
        found.append(cause("hardware", "instruction set", variant["seconds"], text))
    if not verdict.get("profile"):
        return found
    beyond, total = beyond_roofline(verdict), sum(step["seconds"] for step in verdict["profile"])
    left_out = sum(-v["seconds"] for v in measured_variants(verdict, "put back", "target") if v["seconds"] < 0 and ", " not in v["step"])
    above = max(0.0, sum(seconds for seconds, _ in beyond) - left_out)
    worst, step = beyond[0]
    text = (
        f"kernels for {verdict['roofline']['target']} run at {percent(1 - sum(s for s, _ in beyond) / max(total, 1e-12))} of the measured roofline "
        f"({verdict['roofline']['flops_per_second'] / 1e9:.0f} GFLOP/s, {verdict['roofline']['bytes_per_second'] / 1e9:.0f} GB/s)"
    )
    if worst > 0:
        text += f"; most is left in '{shorten(step['nodes'])}': {duration(worst)} of its {duration(step['seconds'])}"
    found.append(cause("hardware", "kernels", -above, text))
    return found


def conversion(verdict: Verdict) -> list[Cause]:
    """What is paid once."""
    paid = verdict["conversion"]
    steps = sorted(paid["steps"], key=lambda step: -step["seconds"])[:3]
    parts = ", ".join(f"{step['name']} {duration(step['seconds'])}" for step in steps)
    text = f"compiling takes {duration(paid['compile_seconds'])} once" + (f" (most: {parts})" if parts else "")
    text += f", loading the compiled file {duration(paid['load_seconds'])}"
    return [cause("conversion", "compile and load", None, text)]


def overhead(verdict: Verdict) -> list[Cause]:
    """What a call costs that computes nothing."""
    seconds = verdict.get("empty_call_seconds")
    if seconds is None:
        return []
    seconds = min(seconds, call_of(verdict, "tenon"))
    share = percent(seconds / call_of(verdict, "tenon"))
    return [cause("call overhead", "empty call", -seconds, f"a call that computes nothing takes {duration(seconds)}, {share} of this model's")]


def threads(verdict: Verdict) -> list[Cause]:
    """What more threads bring, here and in the baseline."""
    scaling = verdict.get("thread_scaling")
    if not scaling or "tenon" not in scaling:
        return []
    used, other = scaling["used"], scaling["other"]
    more = max(used, other)

    def gain(name: str) -> dict[str, float]:
        ratio = scaling[name]["ratio"]  # the other's time over that of the number used
        return ratio if other < used else inverse(ratio)

    text = f"{more} threads are {times(gain('tenon'))} as fast as 1"
    if "baseline" in scaling:
        text += f"; {name_of(verdict['baseline'])}: {times(gain('baseline'))}"
    seconds = scaling["tenon"]["seconds"] if other < used else None
    return [cause("threads", f"{more} threads", seconds, text)]


def memory(verdict: Verdict) -> list[Cause]:
    """What is resident."""
    parts = [f"{name_of(name)} {size(e['resident'])} ({size(e['peak'])} at most)" for name, e in verdict["engines"].items() if "resident" in e]
    weights = f"; weights {size(verdict['weight_bytes'])}" if verdict.get("weight_bytes") else ""
    text = f"resident: {', '.join(parts)}{weights}; while compiling {size(verdict['conversion']['peak'])}"
    return [cause("memory", "resident", None, text)]


def accuracy(verdict: Verdict) -> list[Cause]:
    """How far the answers are from the baseline's."""
    ours = verdict["engines"]["tenon"]
    text = ours["wrong"] or f"largest error {ours['error']:.1e} of an output's largest value, and {ours['tolerance']:g} is allowed; dtypes and shapes are equal"
    return [cause("accuracy", "outputs", None, text)]


FINDERS: tuple[Callable[[Verdict], list[Cause]], ...] = (
    support,
    graph,
    hardware,
    overhead,
    threads,
    conversion,
    memory,
    accuracy,
)

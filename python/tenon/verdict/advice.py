"""What to change, by what it was measured to gain."""

from __future__ import annotations

from typing import Any

from .causes import Verdict, beyond_roofline, call_of, measured_variants
from .decide import CANNOT_TELL, HELPS, HURTS, Interval, class_of
from .words import counted, duration, inverse, name_of, percent, shorten, times

SLOW_STEP = 0.15  # share of a call above the roofline that is worth a look
BUSY_CALL = 0.2  # share of a call that computes nothing
LONG_PAYBACK = 1000  # calls
STOP = "Do not use the compiled model"


def advise(verdict: Verdict) -> list[dict[str, Any]]:
    """Sentences with `gain_seconds` of a call, the largest first; a wrong answer before all, what has no gain of a call
    (None) last."""
    found = [entry for find in (_right, _quiet, _pipeline, _threads, _support, _engines, _kernels, _calls, _once) for entry in find(verdict)]
    return sorted(found, key=lambda entry: (not entry["text"].startswith(STOP), -(entry["gain_seconds"] or 0.0)))


def _entry(gain: float | None, text: str) -> dict[str, Any]:
    return {"gain_seconds": gain, "text": text}


def _right(verdict: Verdict) -> list[dict[str, Any]]:
    if not verdict["engines"]["tenon"]["wrong"]:
        return []
    return [_entry(None, f"{STOP}: its answer is wrong. `tenon check MODEL --layers` finds the operator; please report it.")]


def _quiet(verdict: Verdict) -> list[dict[str, Any]]:
    if verdict["speed"] != CANNOT_TELL:
        return []
    return [_entry(None, f"Measure again on a quiet machine, or for longer (--thorough): {'; '.join(verdict['noise'])}.")]


def _pipeline(verdict: Verdict) -> list[dict[str, Any]]:
    found = []
    for variant in measured_variants(verdict, "left out", "put back", "target"):
        gain, step = -variant["seconds"], variant["step"]
        if gain <= 0:
            continue
        ratio = times(inverse(variant["ratio"]))
        do = {"left out": f"Leave out the step '{step}' (--without {step})", "put back": f"Do not leave out '{step}'", "target": f"Compile for {step} (--target native)"}
        found.append(_entry(gain, f"{do[variant['change']]}: {duration(gain)} less a call, {ratio}."))
    return found


def _threads(verdict: Verdict) -> list[dict[str, Any]]:
    scaling = verdict.get("thread_scaling")
    if not scaling or "tenon" not in scaling or class_of(Interval(**scaling["tenon"]["ratio"])) != HURTS:
        return []
    gain, other = -scaling["tenon"]["seconds"], scaling["other"]
    ratio = times(inverse(scaling["tenon"]["ratio"]))
    return [_entry(gain, f"Use {other} thread{'s' * (other > 1)} (--threads {other}): {duration(gain)} less a call, {ratio}.")]


def _support(verdict: Verdict) -> list[dict[str, Any]]:
    told, found = verdict.get("support", {}), []
    for fallback in told.get("fallbacks", []):
        gain = fallback["share"] * call_of(verdict, "tenon")
        text = f"Give Tenon the operator {fallback['operator']}, or write it with operators that it has: {duration(gain)} of a call run in eager."
        found.append(_entry(gain, text))
    if told.get("graph_breaks"):
        found.append(_entry(None, "Write the module without graph breaks (torch.compile(fullgraph=True) shows them): each starts another graph."))
    return found


def _engines(verdict: Verdict) -> list[dict[str, Any]]:
    found = []
    for name, ratio in verdict["ratios"].items():
        if class_of(Interval(**ratio)) == HURTS:
            gain = call_of(verdict, "tenon") - call_of(verdict, name)
            stay = "Stay with" if name == verdict["baseline"] else "Use"
            found.append(_entry(gain, f"{stay} {name_of(name)} for this model: it is {times(inverse(ratio))} as fast."))
    return found


def _kernels(verdict: Verdict) -> list[dict[str, Any]]:
    if not verdict.get("profile"):
        return []
    above, step = beyond_roofline(verdict)[0]
    if above < SLOW_STEP * call_of(verdict, "tenon"):
        return []
    text = f"Look at the kernel of '{shorten(step['nodes'])}': it takes {percent(step['seconds'] / call_of(verdict, 'tenon'))} of a call, and {duration(above)} more than this machine needs."
    return [_entry(above, text + " Write that part of the model with other operators, or report it.")]


def _calls(verdict: Verdict) -> list[dict[str, Any]]:
    empty, call = verdict.get("empty_call_seconds"), call_of(verdict, "tenon")
    if empty is None or empty < BUSY_CALL * call:
        return []
    share = min(1.0, empty / call)
    return [_entry(share * call / 2, f"Give a call more work (a larger batch): {percent(share)} of its time is the call itself.")]


def _once(verdict: Verdict) -> list[dict[str, Any]]:
    even, saved = verdict["break_even"], verdict["break_even_saved"]
    if verdict["speed"] != HELPS or not even:
        return []
    text = f"Compile ahead (`tenon compile MODEL -o OUT.tenon`): loading pays back after {counted(saved['calls'], 'call')} instead of {even['calls']}."
    return [_entry(None, text)] if even["calls"] > LONG_PAYBACK or even["calls"] > 2 * saved["calls"] else []

"""A verdict as text: the answer, then causes, then advice."""

from __future__ import annotations

import textwrap
from typing import Any

from .words import duration, name_of, times

WIDTH = 110


def show(verdict: dict[str, Any]) -> str:
    """The first line is the answer."""
    lines = [verdict["headline"], ""]
    lines += _engines(verdict)
    if verdict["noise"]:
        lines += [f"noise: {'; '.join(verdict['noise'])}"]
    lines += ["", f"causes (share of {verdict['causes'][0]['share_of']}; they work on each other and do not add up)"]
    for cause in verdict["causes"]:
        share = "" if cause["share"] is None or not cause["seconds"] else f"{100 * cause['share']:+.0f} %"
        lines += _wrapped(f"  {cause['kind']:<18} {share:>7}  ", cause["finding"])
    lines += _untold(verdict)
    lines += _steps(verdict.get("profile") or [])
    if verdict["advice"]:
        lines += ["", "advice"]
        for number, entry in enumerate(verdict["advice"], 1):
            lines += _wrapped(f"  {number}. ", entry["text"])
    return "\n".join(lines) + "\n"


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False) or [head]


def _engines(verdict: dict[str, Any]) -> list[str]:
    conditions = f"{verdict['model']}: {verdict['threads']} thread{'s' * (verdict['threads'] > 1)}, {verdict['machine']['cpu']}"
    lines = [conditions, *_wrapped("baseline ", verdict["baseline_is"])]
    for name, engine in verdict["engines"].items():
        if "missing" in engine:
            lines.append(f"  {name_of(name):<13} not measured: {engine['missing']}")
            continue
        call = engine["call_seconds"]
        ratio = f", {times(verdict['ratios'][name])} Tenon's time" if name in verdict["ratios"] else ""
        lines.append(
            f"  {name_of(name):<13} {duration(call['median'])} a call (p90 {duration(call['p90'])}, p99 {duration(call['p99'])}){ratio}; "
            f"load {duration(engine['load_seconds'])}, first call {duration(engine['first_call_seconds'])}"
        )
    return lines


def _steps(profile: list[dict[str, Any]], most: int = 6) -> list[str]:
    """The steps that take most of a call."""
    total = sum(step["seconds"] for step in profile) or 1e-12
    slowest = sorted(profile, key=lambda step: -step["seconds"])[:most]
    lines = ["", f"time of a call, the slowest of {len(profile)} steps"] if slowest else []
    for step in slowest:
        lines += _wrapped(f"  {100 * step['seconds'] / total:4.0f} % {duration(step['seconds']):>9}  ", step["nodes"])
    return lines


def _untold(verdict: dict[str, Any]) -> list[str]:
    """What was not looked at, or made no difference."""
    told = {status: [v["step"] for v in verdict.get("variants", []) if v["status"] == status] for status in ("no effect", "no time", "failed")}
    lines = []
    if told["no effect"]:
        lines += _wrapped("  steps that change nothing here: ", ", ".join(told["no effect"]))
    if told["no time"]:
        lines += _wrapped("  steps not measured for lack of time (--causes SECONDS): ", ", ".join(told["no time"]))
    for variant in verdict.get("variants", []):
        if variant["status"] == "failed":
            lines += _wrapped(f"  {variant['step']} {variant['change']}: ", f"fails: {variant['why']}")
    return lines

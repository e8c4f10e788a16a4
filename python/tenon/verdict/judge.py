"""From the facts of a measurement to the verdict: the answer, its causes, advice. Nothing is measured here."""

from __future__ import annotations

from typing import Any

from . import decide, machine
from .advice import advise
from .causes import find_causes
from .decide import CANNOT_TELL, HELPS, HURTS, NO_DIFFERENCE
from .words import counted, duration, inverse, name_of, percent, times

SCHEMA = 1
WRONG = "wrong answer"
EXIT_CODES = {HELPS: 0, WRONG: 1, NO_DIFFERENCE: 10, HURTS: 11, CANNOT_TELL: 12}

Facts = dict[str, Any]


def judge(facts: Facts) -> Facts:
    """The facts with `answer`, `headline`, `ratio`, `noise`, `break_even`, `causes` and `advice`."""
    engines, baseline = facts["engines"], facts["baseline"]
    comparison = decide.compare(engines[baseline]["rounds"], engines["tenon"]["rounds"])
    noise = reasons_of_noise(facts)
    verdict = {"schema": SCHEMA, "speed": decide.settle(comparison, noise)}
    verdict["answer"] = WRONG if engines["tenon"]["wrong"] else verdict["speed"]
    verdict["exit_code"] = EXIT_CODES[verdict["answer"]]
    verdict["headline"] = ""
    verdict |= facts
    verdict["ratio"] = comparison.ratio._asdict()
    verdict["epochs"] = [epoch._asdict() for epoch in comparison.epochs]
    verdict["epochs_agree"] = comparison.agree
    verdict["noise"] = noise
    verdict["ratios"] = {
        name: decide.compare(engine["rounds"], engines["tenon"]["rounds"]).ratio._asdict()
        for name, engine in engines.items()
        if name != "tenon" and "rounds" in engine
    }
    verdict["break_even"], verdict["break_even_saved"] = pay_back(verdict)
    verdict["causes"] = find_causes(verdict)
    verdict["advice"] = advise(verdict)
    verdict["headline"] = headline(verdict)
    return verdict


def reasons_of_noise(facts: Facts) -> list[str]:
    """Why the machine cannot be called quiet; none when it was."""
    reasons = machine.Quiet(**facts["quiet"]).reasons()
    for name, engine in facts["engines"].items():
        for rounds in engine.get("rounds", []):
            if (spread := decide.spread(rounds)) > decide.SPREAD_OF_NOISE:
                reasons.append(f"the rounds of {name_of(name)} spread over {percent(spread)} of their median")
                break
    return reasons


def pay_back(verdict: Facts) -> tuple[Facts | None, Facts | None]:
    """When compiling has paid, and when loading a saved file has; only where it is known that it helps."""
    if verdict["speed"] != HELPS:
        return None, None
    conversion = verdict["conversion"]
    calls = [verdict["engines"][name]["call_seconds"]["median"] for name in (verdict["baseline"], "tenon")]
    whole = conversion["compile_seconds"] + conversion["load_seconds"]
    found = []
    for cost in (whole, conversion["load_seconds"]):
        even = decide.break_even(cost, *calls)
        found.append({"cost_seconds": cost, **even._asdict()} if even else None)
    return found[0], found[1]


def headline(verdict: Facts) -> str:
    """The answer in one line."""
    if verdict["answer"] == WRONG:
        return f"wrong answer: {verdict['engines']['tenon']['wrong']}; by speed: {speed_line(verdict)}"
    return speed_line(verdict)


def speed_line(verdict: Facts) -> str:
    speed, ratio = verdict["speed"], verdict["ratio"]
    if speed == HELPS:
        even = verdict["break_even"]
        after = f", pays back after {counted(even['calls'], 'call')} ({duration(even['seconds'])})" if even else ""
        return f"helps {times(ratio)}{after}"
    if speed == HURTS:
        return f"hurts {times(inverse(ratio))}: compiled calls take longer, it never pays back"
    if speed == CANNOT_TELL:
        return f"cannot tell {times(ratio)}: the machine was too noisy ({verdict['noise'][0]})"
    if not verdict["epochs_agree"]:
        epochs = ", ".join(f"{epoch['median']:.2f}x" for epoch in verdict["epochs"])
        return f"no difference {times(ratio)}: the epochs disagree ({epochs})"
    return f"no difference {times(ratio)}"

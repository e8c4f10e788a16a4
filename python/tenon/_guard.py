"""Compiled code only where it is the faster: measured in the first calls for each set of input shapes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from .verdict.decide import quantile

Call = Callable[[list[Any]], Any]
Shapes = tuple[tuple[int, ...], ...]


class Decision(NamedTuple):
    """Which of the two is kept for inputs of these shapes, and the figures: median seconds, and their ratio round by
    round (eager / compiled) with its median and the 10th and 90th percentile; `keeps` is None while measuring."""

    shapes: Shapes
    keeps: str | None
    rounds: int
    eager_seconds: float
    compiled_seconds: float
    ratio: float
    low: float
    high: float


class _Trial:
    """Calls in the order compiled, eager, eager, compiled, ... after one of each that is not counted."""

    rounds = 10

    def __init__(self) -> None:
        self.calls = 0
        self.seconds: dict[str, list[float]] = {"compiled": [], "eager": []}
        self.keeps: str | None = None

    def turn(self) -> str:
        return ("compiled", "eager", "eager", "compiled")[self.calls % 4]

    def record(self, kind: str, seconds: float) -> None:
        self.calls += 1
        if self.calls > 2:
            self.seconds[kind].append(seconds)
        if min(map(len, self.seconds.values())) >= self.rounds:
            self.keeps = "compiled" if statistics.median(self.ratios()) >= 1 else "eager"

    def ratios(self) -> list[float]:
        return [eager / compiled for eager, compiled in zip(self.seconds["eager"], self.seconds["compiled"])]


class Guard:
    """Calls the faster of two functions of the same results. Either may run in a call before the decision.

    `shapes` gives what of the arguments the decision depends on.
    """

    def __init__(self, compiled: Call, eager: Call, shapes: Callable[[list[Any]], Shapes]):
        self.shapes = shapes
        self.run = {"compiled": compiled, "eager": eager}
        self.trials: dict[Shapes, _Trial] = {}

    def __call__(self, arguments: list[Any]) -> Any:
        shapes = self.shapes(arguments)
        trial = self.trials.get(shapes)
        if trial is None:
            trial = self.trials.setdefault(shapes, _Trial())
        if trial.keeps is not None:
            return self.run[trial.keeps](arguments)
        kind = trial.turn()
        start = time.perf_counter()
        result = self.run[kind](arguments)
        trial.record(kind, time.perf_counter() - start)
        return result

    def decisions(self) -> list[Decision]:
        found = []
        for shapes, trial in list(self.trials.items()):
            if not (ratios := trial.ratios()):
                continue
            medians = {kind: statistics.median(seconds) for kind, seconds in trial.seconds.items()}
            found.append(
                Decision(
                    shapes,
                    trial.keeps,
                    len(ratios),
                    medians["eager"],
                    medians["compiled"],
                    statistics.median(ratios),
                    quantile(ratios, 0.1),
                    quantile(ratios, 0.9),
                )
            )
        return found

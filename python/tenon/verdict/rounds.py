"""Engines timed in turn: A B, then B A, so that a change of the machine's speed hits all alike."""

from __future__ import annotations

import statistics
import time
from typing import Mapping, NamedTuple

from .children import Child
from .machine import Quiet, Watch

TURN_SECONDS = 0.1
FEWEST_ROUNDS = 10
PAUSE_SECONDS = 0.005  # threads of one engine that spin for more work go to sleep before the next is timed


class Epoch(NamedTuple):
    """What one spell of rounds gave, by engine."""

    rounds: dict[str, list[float]]  # median seconds of a call, a round each
    calls: dict[str, list[float]]  # seconds of every call
    quiet: Quiet


def turn(child: Child, turn_seconds: float = TURN_SECONDS) -> list[float]:
    """Calls for about so long, by what the last turn took."""
    seconds = child.calls(child.calls_of_turn)
    child.calls_of_turn = max(1, min(2000, int(turn_seconds / max(statistics.median(seconds), 1e-9))))
    return seconds


def warm_up(children: Mapping[str, Child]) -> None:
    """Finds how many calls fit into a turn."""
    for child in children.values():
        turn(child)
        turn(child)


def take_epoch(
    children: Mapping[str, Child], seconds: float, fewest: int = FEWEST_ROUNDS, turn_seconds: float = TURN_SECONDS
) -> Epoch:
    """Rounds for about `seconds` per engine, and at least so many, an even number."""
    warm_up(children)
    rounds: dict[str, list[float]] = {name: [] for name in children}
    calls: dict[str, list[float]] = {name: [] for name in children}
    watch = Watch(child.pid for child in children.values())
    deadline, done = time.monotonic() + seconds * len(children), 0
    while done < fewest or done % 2 or time.monotonic() < deadline:
        for name in list(children)[:: 1 if done % 2 == 0 else -1]:
            taken = turn(children[name], turn_seconds)
            rounds[name].append(statistics.median(taken))
            calls[name] += taken
            time.sleep(PAUSE_SECONDS)
        watch.look()
        done += 1
    return Epoch(rounds, calls, watch.stop())

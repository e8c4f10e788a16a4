"""The machine and how quiet it is."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any, Iterable, NamedTuple

TICK = os.sysconf("SC_CLK_TCK")
OTHERS_OF_NOISE = 0.25  # CPUs that other processes keep busy
CLOCK_OF_NOISE = 0.05  # change of the clock's frequency


def cpus() -> list[int]:
    """Those that this process may use."""
    return sorted(os.sched_getaffinity(0))


def cpu_name() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def busy_seconds(stat: Iterable[str], wanted: Iterable[int]) -> float:
    """Seconds that these CPUs have worked since the machine's start, by the lines of /proc/stat; stolen time is work of
    others.

    >>> busy_seconds(["cpu  9 9 9 9", "cpu0 300 0 100 5000 0 0 0 0 0 0", "cpu1 100 0 0 1 0 0 0 50 0 0"], [1]) * TICK
    150.0
    """
    names, busy = {f"cpu{n}" for n in wanted}, 0
    for line in stat:
        name, *fields = line.split()
        if name in names:
            user, nice, system, _idle, _waiting, interrupts, soft, stolen = map(int, fields[:8])
            busy += user + nice + system + interrupts + soft + stolen
    return busy / TICK


def used_seconds(pid: int) -> float:
    """CPU time of a process so far; 0 when it is gone."""
    text = "".join(_lines(f"/proc/{pid}/stat"))
    fields = text[text.rfind(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICK if len(fields) > 12 else 0.0


def clock_mhz() -> float | None:
    """The fastest of our CPUs now; None where the machine does not tell."""
    told = [float(line.split(":")[1]) for line in _lines("/proc/cpuinfo") if line.startswith("cpu MHz")]
    return max(told) if told else None


class Quiet(NamedTuple):
    """What else went on while something was measured."""

    others: float  # CPUs that other processes kept busy, of those that we may use
    load: float  # the load average of the last minute, at the end
    clock: tuple[float, float] | None  # slowest and fastest in MHz

    def reasons(self) -> list[str]:
        """Why it was not quiet.

        >>> Quiet(1.25, 3.0, (2000.0, 3000.0)).reasons()
        ['other processes kept 1.2 CPUs busy', 'the clock ran between 2.0 and 3.0 GHz']
        >>> Quiet(0.05, 1.0, None).reasons()
        []
        """
        found = []
        if self.others > OTHERS_OF_NOISE:
            found.append(f"other processes kept {self.others:.1f} CPUs busy")
        if self.clock and self.clock[1] > self.clock[0] * (1 + CLOCK_OF_NOISE):
            found.append(f"the clock ran between {self.clock[0] / 1e3:.1f} and {self.clock[1] / 1e3:.1f} GHz")
        return found


class Watch:
    """Looks at the machine while processes of ours are measured on it."""

    def __init__(self, pids: Iterable[int]):
        self.pids = [os.getpid(), *pids]
        self.start, self.busy, self.ours = time.monotonic(), self._busy(), self._ours()
        self.clocks: list[float] = []
        self.look()

    def _busy(self) -> float:
        return busy_seconds(_lines("/proc/stat"), cpus())

    def _ours(self) -> float:
        return sum(map(used_seconds, self.pids))

    def look(self) -> None:
        if (clock := clock_mhz()) is not None:
            self.clocks.append(clock)

    def stop(self) -> Quiet:
        self.look()
        seconds = max(time.monotonic() - self.start, 1e-3)
        others = max(0.0, (self._busy() - self.busy) - (self._ours() - self.ours)) / seconds
        clock = (min(self.clocks), max(self.clocks)) if self.clocks else None
        return Quiet(others, os.getloadavg()[0], clock)


def worst(epochs: Iterable[Quiet]) -> Quiet:
    """Of several spells."""
    epochs = list(epochs)
    clocks = [clock for quiet in epochs if quiet.clock for clock in quiet.clock]
    return Quiet(
        max(quiet.others for quiet in epochs), max(quiet.load for quiet in epochs), (min(clocks), max(clocks)) if clocks else None
    )


def describe() -> dict[str, Any]:
    return {"cpu": cpu_name(), "cpus": len(cpus()), "cpus_of_machine": os.cpu_count(), "system": platform.platform()}

"""What samples of time say: intervals, the class of a verdict, break-even. No clocks here."""

from __future__ import annotations

import math
import statistics
from typing import NamedTuple, Sequence

HELPS, HURTS, NO_DIFFERENCE, CANNOT_TELL = "helps", "hurts", "no difference", "cannot tell"

Epochs = Sequence[Sequence[float]]

SPREAD_OF_NOISE = 0.10  # of an engine's rounds, as `spread` takes it
WIDTH_OF_NOISE = 1.10  # of an interval, above over below: from here on a difference may hide in it


class Interval(NamedTuple):
    """A median with a confidence interval around it."""

    median: float
    low: float
    high: float


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Distribution-free, from order statistics: the k-th smallest and the k-th largest of n values enclose the median
    unless fewer than k fall on one side, and how many fall there is binomial with p = 1/2 (J.-Y. Le Boudec, Performance
    Evaluation of Computer and Communication Systems, theorem 2.1). The values are to be independent; with fewer than six
    no interval has 95 %, and all of the range is given.

    >>> median_interval([5, 1, 4, 2, 3, 6, 7, 9, 8])
    Interval(median=5, low=2, high=8)
    """
    ascending, n = sorted(values), len(values)
    outside, k = 0.5**n, 0  # outside: the probability that at most k values fall below the median
    while 2 * (k + 1) < n:
        wider = outside + math.comb(n, k + 1) * 0.5**n
        if 2 * wider > 1 - confidence:
            break
        outside, k = wider, k + 1
    return Interval(statistics.median(ascending), ascending[k], ascending[n - 1 - k])


def class_of(interval: Interval) -> str:
    """Of baseline's time over ours.

    >>> class_of(Interval(1.2, 1.1, 1.3)), class_of(Interval(0.8, 0.7, 0.9)), class_of(Interval(1.1, 0.9, 1.3))
    ('helps', 'hurts', 'no difference')
    """
    return HELPS if interval.low > 1 else HURTS if interval.high < 1 else NO_DIFFERENCE


class Comparison(NamedTuple):
    """Two engines over all epochs; times are in the baseline's over ours."""

    answer: str
    ratio: Interval
    epochs: tuple[Interval, ...]
    agree: bool


def compare(baseline: Epochs, ours: Epochs) -> Comparison:
    """From the median time of each round of each epoch, where a ratio is taken within a round. The interval holds those
    of all epochs: what differs between epochs does not show within one.

    >>> compare([[2.0] * 8, [2.1] * 8], [[1.0] * 8, [1.0] * 8]).answer
    'helps'
    >>> compare([[2.0] * 8, [0.9] * 8], [[1.0] * 8, [1.0] * 8])[::3]
    ('no difference', False)
    """
    ratios = [[b / o for b, o in zip(*epoch)] for epoch in zip(baseline, ours)]
    epochs = tuple(median_interval(epoch) for epoch in ratios)
    middle = statistics.median(ratio for epoch in ratios for ratio in epoch)
    ratio = Interval(middle, min(epoch.low for epoch in epochs), max(epoch.high for epoch in epochs))
    agree = len({class_of(epoch) for epoch in epochs}) == 1
    return Comparison(class_of(ratio) if agree else NO_DIFFERENCE, ratio, epochs, agree)


def quantile(values: Sequence[float], q: float) -> float:
    """Linear between neighbours.

    >>> quantile([3, 1, 2], 0.75)
    2.5
    """
    ascending = sorted(values)
    place = q * (len(ascending) - 1)
    below = int(place)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (ascending[above] - ascending[below]) * (place - below)


def spread(rounds: Sequence[float]) -> float:
    """From the 10th to the 90th percentile, in medians: how quiet the machine was.

    >>> round(spread([1.0, 1.0, 1.1, 1.0, 1.0]), 3)
    0.06
    """
    return (quantile(rounds, 0.9) - quantile(rounds, 0.1)) / statistics.median(rounds)


class BreakEven(NamedTuple):
    """From how many calls on a one-off cost has paid, and how long those take."""

    calls: int
    seconds: float


def break_even(cost: float, baseline: float, ours: float) -> BreakEven | None:
    """`cost` in seconds, the others in seconds a call; None where it never pays.

    >>> break_even(1.0, 0.010, 0.006)
    BreakEven(calls=250, seconds=2.5)
    >>> break_even(1.0, 0.006, 0.010)
    """
    if ours >= baseline:
        return None
    calls = max(1, math.ceil(round(cost / (baseline - ours), 9)))
    return BreakEven(calls, calls * baseline)


def settle(comparison: Comparison, noise: Sequence[str]) -> str:
    """The answer where reasons to call the machine noisy are known: an interval that is wide for that cannot tell, one that
    is narrow all the same can.

    >>> settle(compare([[0.8, 1.5] * 5] * 2, [[1.0] * 10] * 2), ["others took 1.2 CPUs"])
    'cannot tell'
    >>> settle(compare([[0.99, 1.02] * 5] * 2, [[1.0] * 10] * 2), ["others took 1.2 CPUs"])
    'no difference'
    """
    wide = comparison.ratio.high / comparison.ratio.low > WIDTH_OF_NOISE
    return CANNOT_TELL if comparison.answer == NO_DIFFERENCE and noise and wide else comparison.answer

"""Charts as inline SVG; colours are those of the page's style."""

from __future__ import annotations

import math
import statistics
from html import escape
from typing import Any, Mapping, Sequence

from .probes import at_least
from .words import duration, percent

Step = Mapping[str, Any]


def bar(share: float) -> str:
    """From the middle to the right for gains, to the left for costs; -1 <= share <= 1.

    >>> 'class="cost"' in bar(-0.5), 'class="gain"' in bar(0.5)
    (True, True)
    """
    width = max(0.5, 50 * abs(share))
    kind, left = ("gain", 50.0) if share >= 0 else ("cost", 50 - width)
    return (
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="{kind}" x="{left:.2f}" y="1" width="{width:.2f}" height="8"/>'
        '<line class="axis" x1="50" y1="0" x2="50" y2="10"/></svg>'
    )


def reached(step: Step, roof: Mapping[str, Any]) -> float:
    """The part of the roofline that a step reaches."""
    return at_least(step, roof) / max(step["seconds"], 1e-12)


def rates(step: Step, roof: Mapping[str, Any]) -> tuple[str, str, str]:
    """GFLOP/s, GB/s and the part of the roofline."""
    seconds = max(step["seconds"], 1e-12)
    return f"{step['flops'] / seconds / 1e9:.1f}", f"{step['bytes'] / seconds / 1e9:.1f}", percent(reached(step, roof))


def time_line(profile: Sequence[Step], roof: Mapping[str, Any]) -> str:
    """One call from left to right, a box for each step."""
    total, at, boxes = sum(step["seconds"] for step in profile) or 1e-12, 0.0, []
    for step in profile:
        width = 1000 * step["seconds"] / total
        shade = min(1.0, reached(step, roof))
        title = f"{step['nodes']}: {duration(step['seconds'])}, {percent(step['seconds'] / total)} of the call, {percent(reached(step, roof))} of the roofline"
        boxes.append(f'<rect class="step" x="{at:.2f}" y="0" width="{max(width - 0.6, 0.3):.2f}" height="60" style="--reached:{shade:.2f}"><title>{escape(title)}</title></rect>')
        at += width
    ticks = "".join(f'<span>{duration(total * k / 4) if k else "0"}</span>' for k in range(5))
    return f'<svg class="time-line" viewBox="0 0 1000 60" preserveAspectRatio="none" role="img" aria-label="Time line of one call">{"".join(boxes)}</svg><div class="ticks">{ticks}</div>'


WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM = 640, 360, 70, 30, 56


def _decades(low: float, high: float) -> range:
    return range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)


def roofline(profile: Sequence[Step], roof: Mapping[str, Any]) -> str:
    """Operations a second over operations per byte, both logarithmic."""
    points = [(s["flops"] / s["bytes"], s["flops"] / s["seconds"], s) for s in profile if s["flops"] and s["bytes"] and s["seconds"] > 0]
    peak, bandwidth = roof["flops_per_second"], roof["bytes_per_second"]
    if not points or not peak:
        return ""
    xs, ys = [x for x, _, _ in points] + [peak / bandwidth], [y for _, y, _ in points] + [peak]
    across, up = _decades(min(xs), max(xs) * 1.5), _decades(max(min(ys), peak / 1e6), max(ys))

    def place_x(value: float) -> float:
        return LEFT + (math.log10(value) - across[0]) / (across[-1] - across[0]) * (WIDTH - LEFT - RIGHT)

    def place_y(value: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(value) - up[0]) / (up[-1] - up[0]) * (HEIGHT - BOTTOM - 12)

    marks = []
    for power in across:
        x = place_x(10.0**power)
        marks.append(f'<line class="grid" x1="{x:.1f}" y1="12" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"/><text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{10.0**power:g}</text>')
    for power in up:
        y = place_y(10.0**power)
        marks.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/><text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0 ** (power - 9):g}</text>')
    left, right, bend = 10.0 ** across[0], 10.0 ** across[-1], peak / bandwidth
    start = max(left, 10.0 ** up[0] / bandwidth)
    line = f'<polyline class="roof" points="{place_x(start):.1f},{place_y(start * bandwidth):.1f} {place_x(bend):.1f},{place_y(peak):.1f} {place_x(right):.1f},{place_y(peak):.1f}"/>'
    total = sum(step["seconds"] for step in profile)
    dots = []
    for x, y, step in sorted(points, key=lambda point: -point[2]["seconds"]):
        radius = 3 + 22 * math.sqrt(step["seconds"] / total)
        title = f"{step['nodes']}: {y / 1e9:.1f} GFLOP/s at {x:.2g} operations a byte, {percent(step['seconds'] / total)} of the call"
        dots.append(f'<circle class="dot" cx="{place_x(x):.1f}" cy="{place_y(max(y, 10.0 ** up[0])):.1f}" r="{radius:.1f}"><title>{escape(title)}</title></circle>')
    names = (
        f'<text class="name" x="{WIDTH / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">operations per byte</text>'
        f'<text class="name" x="14" y="{HEIGHT / 2:.0f}" text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2:.0f})">GFLOP/s</text>'
        f'<text class="peak" x="{WIDTH - RIGHT}" y="{place_y(peak) - 6:.1f}" text-anchor="end">{peak / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.0f} GB/s</text>'
    )
    return f'<svg class="roofline" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Roofline plot">{"".join(marks)}{line}{"".join(dots)}{names}</svg>'


def rounds(series: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """A strip for each engine: each round's time over the engine's median, between 0.8 and 1.2."""
    strips = []
    for name, epochs in series.items():
        middle = statistics.median(value for epoch in epochs for value in epoch)
        count, at, dots = sum(map(len, epochs)) + 2 * (len(epochs) - 1), 0, []
        for epoch in epochs:
            for value in epoch:
                y = 30 - 25 * max(-1.0, min(1.0, (value / middle - 1) / 0.2))
                dots.append(f'<circle class="dot" cx="{10 + 980 * (at + 0.5) / count:.1f}" cy="{y:.1f}" r="4"><title>{duration(value)}</title></circle>')
                at += 1
            at += 2
        strips.append(
            f'<figure><figcaption>{escape(name)}, {duration(middle)}; 20 % up and down</figcaption><svg class="rounds" viewBox="0 0 1000 60" role="img" aria-label="Rounds of {escape(name)}">'
            f'<line class="axis" x1="0" y1="30" x2="1000" y2="30"/>{"".join(dots)}</svg></figure>'
        )
    return "".join(strips)

"""Figures in words."""

from __future__ import annotations

import math
from typing import Mapping


def duration(seconds: float) -> str:
    """Three digits in the unit that fits.

    >>> duration(0.0123456), duration(3.2e-6), duration(75), duration(-0.5)
    ('12.3 ms', '3.2 us', '75 s', '-500 ms')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if abs(seconds) >= size:
            return f"{_three(seconds / size)} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def _three(value: float) -> str:
    digits = max(0, 2 - int(math.floor(math.log10(abs(value)))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(number: float) -> str:
    """
    >>> size(2_500_000), size(900)
    ('2.5 MB', '900 bytes')
    """
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= one:
            return f"{number / one:.1f} {unit}"
    return f"{number:.0f} bytes"


def percent(share: float) -> str:
    """
    >>> percent(0.123), percent(0.004), percent(-2.5)
    ('12 %', '0.4 %', '-250 %')
    """
    return f"{100 * share:.1f} %" if abs(share) < 0.01 else f"{100 * share:.0f} %"


def times(ratio: Mapping[str, float]) -> str:
    """A ratio with its interval, in as many digits as tell the interval from 1.

    >>> times({"median": 1.84, "low": 1.71, "high": 1.93})
    '1.84x (1.71-1.93)'
    >>> times({"median": 1.004, "low": 1.002, "high": 1.006})
    '1.004x (1.002-1.006)'
    """
    nearest = min(abs(value - 1) for value in (ratio["low"], ratio["high"]))
    digits = 2 if nearest >= 0.005 else 3
    return f"{ratio['median']:.{digits}f}x ({ratio['low']:.{digits}f}-{ratio['high']:.{digits}f})"


def inverse(ratio: Mapping[str, float]) -> dict[str, float]:
    """The other way round.

    >>> inverse({"median": 0.5, "low": 0.25, "high": 1.0})
    {'median': 2.0, 'low': 1.0, 'high': 4.0}
    """
    return {"median": 1 / ratio["median"], "low": 1 / ratio["high"], "high": 1 / ratio["low"]}


def counted(number: int, noun: str) -> str:
    """
    >>> counted(1, "call"), counted(412, "call")
    ('1 call', '412 calls')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


def name_of(engine: str) -> str:
    """
    >>> name_of("ort"), name_of("tenon")
    ('ONNX Runtime', 'Tenon')
    """
    return {"ort": "ONNX Runtime", "openvino": "OpenVINO", "inductor": "Inductor", "tenon": "Tenon"}.get(engine, engine)


def shorten(nodes: str, length: int = 60) -> str:
    """
    >>> shorten("a" * 100, 10)
    'aaaaaaa...'
    """
    return nodes if len(nodes) <= length else nodes[: length - 3] + "..."

"""Whether two engines give the same answer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple, Sequence

TOLERANCE = {"float64": 1e-3, "float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}


class Difference(NamedTuple):
    """Of the outputs of two engines."""

    error: float  # the largest of any output, relative to the output's largest value; infinite where they cannot be compared
    tolerance: float
    wrong: str  # what is wrong, or nothing


def error_of(got: Any, expected: Any) -> float:
    """The largest difference relative to the largest expected value; infinite where NaN is in other places.

    >>> import numpy
    >>> error_of(numpy.array([1.0, 2.5]), numpy.array([1.0, 2.0])), error_of(numpy.array([math.nan]), numpy.array([1.0]))
    (0.25, inf)
    """
    import numpy

    got, expected = got.astype(numpy.float64), expected.astype(numpy.float64)
    if not got.size:
        return 0.0
    same = (got == expected) | (numpy.isnan(got) & numpy.isnan(expected))
    if same.all():
        return 0.0
    largest = numpy.max(numpy.abs(expected[numpy.isfinite(expected)]), initial=0.0)
    error = float(numpy.max(numpy.where(same, 0.0, numpy.abs(got - expected))) / max(largest, 1e-30))
    return error if math.isfinite(error) else math.inf


def compare(got: Sequence[Any], expected: Sequence[Any], tolerance: float | None = None) -> Difference:
    """Arrays in order. Without a tolerance that of the output's dtype, which is 0 for integers and bools.

    >>> import numpy
    >>> compare([numpy.ones(3, "f")], [numpy.ones(3, "f")]).wrong
    ''
    >>> compare([numpy.ones(3, "f")], [numpy.ones(4, "f")]).wrong
    'output 0 is float32[3] and should be float32[4]'
    >>> compare([numpy.array([1.0, 2.0])], [numpy.array([1.0, 4.0])]).wrong
    'output 0 is off by 0.5 of its largest value, and 0.001 is allowed'
    """
    if len(got) != len(expected):
        return Difference(math.inf, 0.0, f"there are {len(got)} outputs and there should be {len(expected)}")
    worst, allowed, wrong = 0.0, 0.0, ""
    for k, (g, e) in enumerate(zip(got, expected)):
        if (g.dtype, g.shape) != (e.dtype, e.shape):
            shown = [f"{a.dtype}[{', '.join(map(str, a.shape))}]" for a in (g, e)]
            return Difference(math.inf, 0.0, f"output {k} is {shown[0]} and should be {shown[1]}")
        limit = TOLERANCE.get(str(e.dtype), 0.0) if tolerance is None else tolerance
        error = error_of(g, e)
        if error > limit and not wrong:
            amount = f"is off by {error:.2g} of its largest value" if math.isfinite(error) else "has NaN or infinity in other places"
            wrong = f"output {k} {amount}, and {limit:g} is allowed"
        if error >= worst:
            worst, allowed = error, limit
    return Difference(worst, allowed, wrong)


def read(file: Path) -> list[Any]:
    """Outputs as `tenon.peer` writes them."""
    import numpy

    with numpy.load(file) as archive:
        return [archive[f"out_{k}"] for k in range(len(archive.files))]

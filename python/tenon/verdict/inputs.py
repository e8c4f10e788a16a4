"""The arrays that a verdict is measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Sequence

from .._engines import Input
from .._errors import FileError, InputError

SEED = 1


def choose(inputs: Sequence[Input], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """For each input the array with its name, or else in_0, in_1, ... or arr_0, ... by position; others are ignored.

    >>> choose([Input("x", (1,), "float32"), Input("y", (1,), "float32")], {"y": 2, "in_0": 1, "out_0": 3})
    {'x': 1, 'y': 2}
    """
    chosen, missing = {}, []
    for position, tensor in enumerate(inputs):
        name = next((n for n in (tensor.name, f"in_{position}", f"arr_{position}") if n in arrays), None)
        if name is None:
            missing.append(f"'{tensor.name}' or 'in_{position}'")
        else:
            chosen[tensor.name] = arrays[name]
    if missing:
        raise InputError(f"there is no array {', '.join(missing)}; arrays: {', '.join(arrays) or 'none'}")
    return chosen


def read(path: Path, inputs: Sequence[Input]) -> dict[str, Any]:
    """From an .npz file."""
    import numpy

    try:
        with numpy.load(path) as archive:
            return choose(inputs, {name: archive[name] for name in archive})
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: this is no .npz file of arrays: {error}") from error


def random(inputs: Sequence[Input]) -> dict[str, Any]:
    """Floats between -1 and 1, integers and bools 0 or 1; the same each time.

    >>> {name: (a.shape, str(a.dtype)) for name, a in random([Input("x", (2, 3), "float32"), Input("n", (), "int64")]).items()}
    {'x': ((2, 3), 'float32'), 'n': ((), 'int64')}
    >>> random([Input("x", (None, 3), "float32")])
    Traceback (most recent call last):
        ...
    tenon._errors.InputError: input 'x' has free sizes: [?, 3]; give --inputs, or fix them with --shape
    """
    import numpy

    generator, arrays = numpy.random.default_rng(SEED), {}
    for name, shape, dtype in inputs:
        if None in shape:
            shown = ", ".join("?" if size is None else str(size) for size in shape)
            raise InputError(f"input '{name}' has free sizes: [{shown}]; give --inputs, or fix them with --shape")
        if dtype == "bfloat16":
            raise InputError(f"input '{name}' is of bfloat16, which numpy lacks: call tenon.verdict with torch tensors")
        if "float" in dtype:
            arrays[name] = numpy.asarray(generator.uniform(-1, 1, shape)).astype(dtype)
        else:
            arrays[name] = numpy.asarray(generator.integers(0, 2, shape)).astype(dtype)
    return arrays

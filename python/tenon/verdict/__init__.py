"""Does compiling a model help or hurt, by how much, why, and what to do: `tenon.verdict`, and `python3 -m tenon.verdict`.

`measure` runs the engines and gives facts, `judge` makes the verdict of them, `text` and `page` show it.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence, Union

from .. import _errors
from .options import Options

__all__ = ["Verdict", "verdict"]


class Verdict:
    """The answer with all figures that it rests on. `print` shows it.

    >>> figures = {"answer": "helps", "headline": "helps 1.80x (1.70-1.90)", "ratio": {"median": 1.8}, "causes": [], "advice": []}
    >>> Verdict(figures)
    <tenon.Verdict: helps 1.80x (1.70-1.90)>
    >>> Verdict(figures).ratio
    1.8
    """

    def __init__(self, figures: Mapping[str, Any]):
        self.figures = dict(figures)

    @property
    def answer(self) -> str:
        """"helps", "hurts", "no difference", "cannot tell" or "wrong answer"."""
        return self.figures["answer"]

    @property
    def ratio(self) -> float:
        """The baseline's time over that of the compiled model."""
        return self.figures["ratio"]["median"]

    @property
    def causes(self) -> list[dict[str, Any]]:
        return self.figures["causes"]

    @property
    def advice(self) -> list[str]:
        return [entry["text"] for entry in self.figures["advice"]]

    def __repr__(self) -> str:
        return f"<tenon.Verdict: {self.figures['headline']}>"

    def __str__(self) -> str:
        from .text import show

        return show(self.figures)

    def html(self) -> str:
        """A page without network: tables, a bar for each cause, the time line of a call, the roofline plot."""
        from .page import page

        return page(self.figures)

    def json(self) -> str:
        """All figures; docs/verdict.md lists the keys."""
        return json.dumps(_finite(self.figures), indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    """JSON has no infinity: null.

    >>> _finite({"error": float("inf"), "rounds": [(1.0, 2.0)]})
    {'error': None, 'rounds': [[1.0, 2.0]]}
    """
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def verdict(
    model: Any,
    inputs: Any = None,
    *,
    against: Iterable[str] = (),
    threads: int = 0,
    seconds: float = 1.0,
    epochs: int = 6,
    apart: float = 0.0,
    causes: float = 20.0,
    tolerance: float | None = None,
    target: str = "native",
    without: Iterable[str] = (),
    shapes: Mapping[str, Union[int, Sequence[int]]] | None = None,
    trust_pickle: bool = False,
) -> Verdict:
    """Whether compiling a model helps or hurts, measured on this machine.

    model: an .onnx or .pt2 file, or with `trust_pickle` a .pt file; or a PyTorch module, which is compared as
    `torch.compile(model, backend="tenon")`. A module goes to other processes by pickle, so its class is to be defined at the
    top level of a file, and a script's call is to stand under `if __name__ == "__main__"`.
    inputs: an .npz file of arrays, by the inputs' names or in_0, in_1, ...; by default random. For a module, its tensors.
    against: other engines to measure too: eager, ort, openvino, inductor; for a module inductor.
    threads: how many each engine may use; 0: as many as this process may.
    seconds: how long each engine is measured in each epoch.
    epochs, apart: how many, each with new processes, and how many seconds from one's end to the next's start at least.
    causes: seconds to spend on causes; 0: none are looked for.
    tolerance: of outputs, relative to their largest value; by default by dtype.
    target, without, shapes: as `tenon.compile`'s.

    Raises a `tenon.Error` where Tenon or the baseline cannot run.

    >>> import tenon
    >>> tenon.verdict("missing.onnx")
    Traceback (most recent call last):
        ...
    tenon._errors.FileError: missing.onnx: there is no such file
    """
    options = Options(
        tuple(against), threads, seconds, epochs, apart, causes, tolerance, target, tuple(without), dict(shapes or {}), trust_pickle
    )
    if isinstance(model, (str, os.PathLike)):
        return of_file(Path(model), None if inputs is None else Path(inputs), options)
    return of_module(model, inputs, options)


def of_file(path: Path, arrays: Path | None, options: Options) -> Verdict:
    """`verdict` of a file with its options in one object."""
    from .options import check_model
    from .source import FileSource

    options = options.checked()
    check_model(path, options)
    return _measured(lambda folder: FileSource(path, arrays, options), options)


def of_module(module: Any, tensors: Any, options: Options) -> Verdict:
    """`verdict` of a module."""
    from .source import ModuleSource

    if not callable(module) or not isinstance(tensors, (list, tuple)):
        raise _errors.UsageError("tenon.verdict takes a model file, or a PyTorch module with a tuple of its inputs")
    options = options.checked()
    return _measured(lambda folder: ModuleSource(module, tensors, folder), options)


def _measured(source: Any, options: Options) -> Verdict:
    from .judge import judge
    from .measure import measure, show_progress

    try:
        return Verdict(judge(measure(source, options, show_progress)))
    finally:
        show_progress("")

"""What a verdict is asked for."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Mapping, Sequence, Union

from .. import _engines, _errors
from . import machine

PEERS = ("eager", "ort", "openvino", "inductor")
SIZES = re.compile(r"\d+(x\d+)*")


@dataclasses.dataclass(frozen=True)
class Options:
    """Those of `tenon.verdict`, which has them in words."""

    against: tuple[str, ...] = ()
    threads: int = 0
    seconds: float = 1.0
    epochs: int = 6
    apart: float = 0.0
    causes: float = 20.0
    tolerance: float | None = None
    target: str = "native"
    without: tuple[str, ...] = ()
    shapes: Mapping[str, Union[int, Sequence[int]]] = dataclasses.field(default_factory=dict)
    trust_pickle: bool = False

    def checked(self) -> Options:
        """With the number of threads resolved. Raises UsageError."""
        for engine in self.against:
            if engine not in PEERS:
                raise _errors.UsageError(f"there is no engine '{engine}' to compare with; engines: {', '.join(PEERS)}")
        if self.epochs < 1 or self.seconds < 0 or self.threads < 0:
            raise _errors.UsageError("a verdict needs at least one epoch, and no negative number of seconds or threads")
        return dataclasses.replace(self, threads=self.threads or len(machine.cpus()))


def thorough(options: Options) -> Options:
    """At least six epochs, longer and half a minute apart; time for every cause."""
    return dataclasses.replace(
        options,
        epochs=max(options.epochs, 6),
        apart=max(options.apart, 30.0),
        seconds=max(options.seconds, 5.0),
        causes=max(options.causes, 120.0),
    )


def parse_shapes(texts: Sequence[str]) -> dict[str, Union[int, list[int]]]:
    """As the command line writes them. Names may have colons and equal signs in them: the last one counts.

    >>> parse_shapes(["x:1x3", "batch=8", "s:"])
    {'x': [1, 3], 'batch': 8, 's': []}
    """
    shapes: dict[str, Union[int, list[int]]] = {}
    for text in texts:
        name, colon, sizes = text.rpartition(":")
        symbol, equals, size = text.rpartition("=")
        if name and colon and (not sizes or SIZES.fullmatch(sizes)):
            shapes[name] = [int(size) for size in sizes.split("x") if size]
        elif symbol and equals and size.isdigit():
            shapes[symbol] = int(size)
        else:
            raise _errors.UsageError(f"--shape {text}: this is no shape; write x:1x3x224x224 for an input, or batch=8 for a named size")
    return shapes


def check_model(path: Path, options: Options) -> None:
    """Raises for what no verdict can be about."""
    if path.suffix not in (".onnx", ".pt2", ".pt"):
        raise _errors.UsageError(f"'{path}': a verdict is about an .onnx, .pt2 or .pt file")
    if path.suffix == ".pt" and not options.trust_pickle:
        raise _errors.UsageError(
            f"'{path}' is a pickle, which runs what its maker wrote into it: give --trust-pickle if you trust that, "
            "or save the module with torch.export.save as .pt2"
        )
    if not path.is_file():
        raise _errors.FileError(f"{path}: there is no such file")


def baseline_of(path: Path, options: Options) -> tuple[str, str]:
    """The engine that compiling is judged against, and a note on it.

    >>> baseline_of(Path("net.pt2"), Options())
    ('eager', 'eager: the exported program, run by torch')
    >>> baseline_of(Path("net.onnx"), Options())[0]
    'ort'
    """
    exported, pickled = _engines.exported_beside(path), _engines.pickled_beside(path)
    if path.suffix == ".pt2":
        return "eager", "eager: the exported program, run by torch"
    if path.suffix == ".pt":
        return "eager", "eager: the pickled module"
    if exported.exists():
        return "eager", f"eager: {exported.name}, which lies beside the model, run by torch"
    if options.trust_pickle and pickled.exists():
        return "eager", f"eager: the module in {pickled.name}, which lies beside the model"
    return "ort", "ONNX Runtime stands in for eager: an .onnx file holds no PyTorch module (put a .pt2 of it beside)"

"""An engine as a child process, for `tenon bench --against` and `tenon verdict`:

    python3 -m tenon.peer ENGINE MODEL [OPTIONS]

OPTIONS is a JSON object (`tenon._engines` has what may be in it). Answers in lines of JSON on the standard output: at
the start what the engine is, what its inputs are where it knows, and how long importing its package and loading the
model took; or {"missing": ...} or {"error": ...}. Then one answer for each line of the standard input, until that ends:

    bind FILE.npz   takes its arrays and calls once    {"first_call_seconds": s}
    calls N         calls so often                     {"seconds": [s, ...]}
    profile N       the mean cost of each step         {"steps": [[nodes, seconds, flops, bytes], ...]}
    outputs FILE    calls, and writes out_0, out_1 ..  {"outputs": [[dtype, shape], ...]}
    explain         what the engine does not run       {"fallbacks": [...], "graph_breaks": [...]}
    memory                                             {"resident": bytes, "peak": bytes}

`serve_module` is the same over a connection, for a module that another process saved.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping

from . import _errors
from ._engines import ENGINES, Engine, Missing, arrays_of

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Answer = dict[str, Any]
Options = Mapping[str, Any]

COPIES = 4  # of the inputs


def memory() -> Answer:
    """Bytes of this process, as the kernel counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return {"resident": 1024 * kilobytes["VmRSS"], "peak": 1024 * kilobytes["VmHWM"]}


def read_arrays(file: str) -> dict[str, Any]:
    import numpy

    with numpy.load(file) as archive:
        return {name: archive[name] for name in archive}


class Session:
    """An engine that answers requests."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self.turns: Iterator[Callable[[], Any]] = iter(())

    def answer(self, request: str) -> Answer:
        """The answer to a line as the module's documentation lists them."""
        verb, _, argument = request.strip().partition(" ")
        if verb not in ("bind", "calls", "profile", "outputs", "explain", "memory"):
            return {"error": f"there is no request '{verb}'"}
        return getattr(self, verb)(argument)

    def bind(self, file: str) -> Answer:
        """Calls take turns with copies of the arrays, so that these are no more in a cache than a caller's are."""
        calls = [self.engine.bind({} if self.engine.has_inputs else read_arrays(file)) for _ in range(COPIES)]
        self.turns = itertools.cycle(calls)
        start = time.perf_counter()
        next(self.turns)()
        return {"first_call_seconds": time.perf_counter() - start}

    def calls(self, count: str) -> Answer:
        clock, seconds = time.perf_counter, []
        for call in itertools.islice(self.turns, int(count)):
            begin = clock()
            call()
            seconds.append(clock() - begin)
        return {"seconds": seconds}

    def profile(self, runs: str) -> Answer:
        return {"steps": self.engine.profile(int(runs))}

    def outputs(self, file: str) -> Answer:
        import numpy

        outputs = arrays_of(next(self.turns)())
        numpy.savez(file, **{f"out_{k}": array for k, array in enumerate(outputs)})
        return {"outputs": [[str(array.dtype), list(array.shape)] for array in outputs]}

    def explain(self, _: str) -> Answer:
        return self.engine.explain()

    def memory(self, _: str) -> Answer:
        return memory()


def start(name: str, engines: Mapping[str, type[Engine]], path: Path, options: Options) -> tuple[Session, Answer]:
    """The session of an engine, and what it says first."""
    if name not in engines:
        raise Missing(f"one of the engines {', '.join(engines)}: there is no engine '{name}'")
    begin = time.perf_counter()
    importlib.import_module(engines[name].package)
    imported = time.perf_counter()
    made = engines[name](path, options)
    hello = {"engine": name, "version": made.version, "import_seconds": imported - begin, "load_seconds": time.perf_counter() - imported}
    if made.inputs is not None:
        hello["inputs"] = [list(entry) for entry in made.inputs]
    return Session(made), hello | made.facts()


def describe(error: BaseException) -> Answer:
    """What an exception says to the parent."""
    if isinstance(error, ModuleNotFoundError):
        return {"missing": f"the Python package '{error.name}' is not installed for {sys.executable}"}
    if isinstance(error, Missing):
        return {"missing": f"it needs {error}"}
    if isinstance(error, _errors.Error):
        return {"error": str(error), "kind": error.kind}
    return {"error": f"it fails: {type(error).__name__}: {error}"}


def converse(hello: Callable[[], tuple[Session, Answer]], requests: Iterable[str], answer: Callable[[Answer], None]) -> None:
    """Answers all requests; ends after the first failure."""
    try:
        session, first = hello()
        answer(first)
        for request in requests:
            answer(session.answer(request))
    except KeyboardInterrupt:
        pass
    except Exception as error:
        answer(describe(error))


def serve_module(connection: Connection, name: str, path: str, options: Options) -> None:
    """Run in a process of its own, started by multiprocessing."""
    from ._live_engines import LIVE_ENGINES

    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)

    def requests() -> Iterable[str]:
        while True:
            try:
                yield connection.recv()
            except EOFError:
                return

    try:
        converse(lambda: start(name, LIVE_ENGINES, Path(path), options), requests(), connection.send)
    except BrokenPipeError:
        pass  # the parent is gone


def main(arguments: list[str]) -> None:
    # Engines print what they like: only answers go to the parent.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def answer(value: Answer) -> None:
        print(json.dumps(value), file=out, flush=True)

    if len(arguments) not in (2, 3):
        return answer({"error": "usage: python3 -m tenon.peer ENGINE MODEL [OPTIONS]"})
    options = json.loads(arguments[2]) if len(arguments) == 3 else {}
    converse(lambda: start(arguments[0], ENGINES, Path(arguments[1]), options), sys.stdin, answer)


if __name__ == "__main__":
    main(sys.argv[1:])

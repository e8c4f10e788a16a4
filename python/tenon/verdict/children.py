"""Engines in processes of their own, seen from the parent; none outlives it."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Mapping, Protocol

from .. import _errors, peer

Answer = dict[str, Any]


class EngineFailed(Exception):
    """What an engine could not do; `error` has it as one of the package's exceptions."""

    def __init__(self, engine: str, answer: Answer):
        kind = answer.get("kind", "unsupported")
        why = answer.get("missing") or answer.get("error") or "its process ended"
        self.engine, self.why = engine, why
        self.error = _errors.of_kind(kind, why if engine == "tenon" else f"{engine}: {why}")
        super().__init__(f"{engine}: {why}")


class Channel(Protocol):
    """A way to a child: lines to it, answers from it (None when it has ended)."""

    @property
    def pid(self) -> int: ...
    def send(self, line: str) -> None: ...
    def receive(self) -> Answer | None: ...
    def close(self) -> None: ...


class ProcessChannel:
    """`python -m tenon.peer` on a model file."""

    def __init__(self, engine: str, model: Path, options: Mapping[str, Any]):
        command = [sys.executable, "-m", "tenon.peer", engine, str(model), json.dumps(options)]
        paths = [str(Path(_errors.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "OMP_NUM_THREADS": str(options.get("threads", 1)),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, line: str) -> None:
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # `receive` finds out

    def receive(self) -> Answer | None:
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class ModuleChannel:
    """`tenon.peer.serve_module` on a saved module, in a process that has imported this program's main module, which may
    define the module's class."""

    def __init__(self, engine: str, saved: Path, options: Mapping[str, Any]):
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=peer.serve_module, args=(other, engine, str(saved), dict(options)), daemon=True)
        self.process.start()
        other.close()

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    def send(self, line: str) -> None:
        try:
            self.connection.send(line)
        except BrokenPipeError:
            pass  # `receive` finds out

    def receive(self) -> Answer | None:
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class Child:
    """An engine that has loaded its model. `hello` is what it said first."""

    def __init__(self, engine: str, channel: Channel):
        self.engine, self.channel = engine, channel
        self.calls_of_turn = 1

    @property
    def pid(self) -> int:
        return self.channel.pid

    def greet(self) -> None:
        self.hello = self._receive()

    def ask(self, *words: Any) -> Answer:
        """Raises EngineFailed."""
        self.channel.send(" ".join(map(str, words)))
        return self._receive()

    def _receive(self) -> Answer:
        answer = self.channel.receive()
        if answer is None or "missing" in answer or "error" in answer:
            raise EngineFailed(self.engine, answer or {})
        return answer

    def calls(self, count: int) -> list[float]:
        """Seconds of each of so many calls."""
        return self.ask("calls", count)["seconds"]

    def close(self) -> None:
        self.channel.close()


class Children:
    """All that were started; leaving the `with` block ends them, whatever happened."""

    def __init__(self) -> None:
        self._all: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: Any) -> None:
        while self._all:
            self._all.pop().close()

    def add(self, engine: str, channel: Channel) -> Child:
        """Waits until it has loaded its model. Raises EngineFailed."""
        child = Child(engine, channel)
        self._all.append(child)
        try:
            child.greet()
        except EngineFailed:
            self.end(child)
            raise
        return child

    def end(self, child: Child) -> None:
        self._all.remove(child)
        child.close()

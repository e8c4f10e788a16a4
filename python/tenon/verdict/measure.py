"""The measurement of a verdict, from the first process to the last: facts, no judgement."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

from .._engines import Input
from . import accuracy, decide, machine, probes
from .children import Child, Children, EngineFailed
from .options import Options
from .rounds import Epoch, take_epoch
from .source import Source

Facts = dict[str, Any]
Progress = Callable[[str], None]


def measure(make_source: Callable[[Path], Source], options: Options, progress: Progress) -> Facts:
    """`options` are checked; the source is given a folder that goes at the end. Raises a `tenon.Error` where Tenon or the
    baseline cannot run."""
    with tempfile.TemporaryDirectory(prefix="tenon-verdict-") as folder, Children() as children:
        try:
            return _Measurement(make_source(Path(folder)), options, progress, children, Path(folder)).run()
        except EngineFailed as failure:
            raise failure.error from failure


class _Measurement:
    def __init__(self, source: Source, options: Options, progress: Progress, children: Children, folder: Path):
        self.source, self.options, self.progress, self.children, self.folder = source, options, progress, children, folder
        self.cache, self.file = str(folder / "cache"), folder / "inputs.npz"
        self.compile_options = {
            "threads": options.threads,
            "shapes": dict(options.shapes),
            "target": options.target,
            "without": list(options.without),
            "cache": self.cache,
        }
        self.facts: Facts = {
            "model": source.name,
            "form": source.form,
            "baseline": source.baseline,
            "baseline_is": source.note,
            "threads": options.threads,
            "target": options.target,
            "without": list(options.without),
            "seconds": options.seconds,
            "apart_seconds": options.apart,
            "machine": machine.describe(),
        }

    def run(self) -> Facts:
        facts, options = self.facts, self.options
        self._convert()
        engines = self._start()
        self._check(engines)
        epochs: list[Epoch] = []
        for number in range(options.epochs):
            begin = time.monotonic()
            if number == 1:
                self._look_for_causes(engines)
            if number:
                self._start_again(engines)
                time.sleep(max(0.0, options.apart - (time.monotonic() - begin)))
            self.progress(f"epoch {number + 1} of {options.epochs}")
            epochs.append(take_epoch(engines, options.seconds))
        if options.epochs == 1:
            self._look_for_causes(engines)
        self._tell_epochs(engines, epochs)
        return facts

    def _convert(self) -> None:
        """Compiles from scratch: nothing cached, the file's pages dropped. What compiles in its first call has taken that
        to compile."""
        self.progress("compiling")
        child = self.source.compile(self.children, self.compile_options, self.folder)
        hello = child.hello
        wanted = [Input(name, tuple(shape), dtype) for name, shape, dtype in hello["inputs"]]
        self.facts["inputs"] = self.source.write_inputs(wanted, self.file)
        first = child.ask("bind", self.file)["first_call_seconds"]
        self.hello, self.identity = hello, hello.get("identity")
        self.facts["conversion"] = {
            "compile_seconds": hello.get("compile_seconds", first),
            "steps": [{"name": name, "seconds": seconds} for name, seconds in hello.get("compile_steps", [])],
            "first_call_seconds": first,
            "peak": child.ask("memory")["peak"],
        }
        self.facts["target"] = hello.get("target", self.options.target)
        self.facts["support"] = child.ask("explain")
        self.children.end(child)

    def _start_engine(self, name: str) -> tuple[Child, float]:
        """The process of an engine, and the seconds of its first call."""
        self.progress(f"starting {name}")
        if name == "tenon":
            child = self.source.compiled(self.children, self.options.threads, self.folder)
        else:
            child = self.source.peer(self.children, name, self.options.threads)
        return child, child.ask("bind", self.file)["first_call_seconds"]

    def _start_again(self, engines: dict[str, Child]) -> None:
        """Every epoch has processes of its own: where their memory lies is chance too."""
        for name, child in engines.items():
            self.children.end(child)
            engines[name], _ = self._start_engine(name)

    def _start(self) -> dict[str, Child]:
        """Every engine that can be had; the baseline must."""
        source = self.source
        engines: dict[str, Child] = {}
        self.facts["engines"] = {}
        for name in ("tenon", source.baseline, *self.options.against):
            if name in engines:
                continue
            try:
                child, first = self._start_engine(name)
            except EngineFailed as failure:
                if name in ("tenon", source.baseline):
                    raise
                self.facts["engines"][name] = {"missing": failure.why}
                continue
            engines[name] = child
            self.facts["engines"][name] = {
                "version": child.hello["version"],
                "import_seconds": child.hello["import_seconds"],
                "load_seconds": child.hello["load_seconds"],
                "first_call_seconds": first,
            }
        ours = self.facts["engines"]["tenon"]
        in_call = "compile_seconds" not in self.hello
        self.facts["conversion"]["load_seconds"] = ours["first_call_seconds"] if in_call else ours["load_seconds"]
        self.facts["weight_bytes"] = engines["tenon"].hello.get("weight_bytes")
        return engines

    def _check(self, engines: dict[str, Child]) -> None:
        """The outputs of every engine against the baseline's."""
        self.progress("comparing outputs")
        outputs = {}
        for name, child in engines.items():
            file = self.folder / f"{name}.npz"
            child.ask("outputs", file)
            outputs[name] = accuracy.read(file)
        self.output_count = len(outputs["tenon"])
        for name, arrays in outputs.items():
            difference = accuracy.compare(arrays, outputs[self.source.baseline], self.options.tolerance)
            self.facts["engines"][name] |= difference._asdict()

    def _look_for_causes(self, engines: dict[str, Child]) -> None:
        if self.options.causes <= 0:
            return
        facts, budget, tenon = self.facts, probes.Budget(self.options.causes), engines["tenon"]
        self.progress("timing steps")
        if self.source.form != "module":
            facts["profile"] = probes.profile(tenon)
        facts["roofline"] = probes.roofline(facts["target"], self.options.threads)
        facts["empty_call_seconds"] = probes.empty_call(self.children, len(facts["inputs"]), self.output_count, self.folder, self.cache)
        used, cpus = self.options.threads, len(machine.cpus())
        other = cpus if used == 1 else 1
        if other != used:
            self.progress(f"timing {other} thread{'s' * (other > 1)}")
            facts["thread_scaling"] = probes.threads(
                self.source, self.children, tenon, engines[self.source.baseline], self.file, self.folder, used, other
            )
        self.progress("leaving out steps of the pipeline")
        facts["variants"] = probes.try_variants(
            self.source, self.children, tenon, self.identity, self.compile_options, self.file, self.folder, budget
        )

    def _tell_epochs(self, engines: dict[str, Child], epochs: list[Epoch]) -> None:
        facts = self.facts
        for name, child in engines.items():
            calls = [seconds for epoch in epochs for seconds in epoch.calls[name]]
            facts["engines"][name] |= {
                "call_seconds": {
                    "median": statistics.median(r for epoch in epochs for r in epoch.rounds[name]),
                    "p90": decide.quantile(calls, 0.9),
                    "p99": decide.quantile(calls, 0.99),
                    "min": min(calls),
                    "count": len(calls),
                },
                "rounds": [epoch.rounds[name] for epoch in epochs],
                **child.ask("memory"),
            }
        facts["quiet"] = machine.worst(epoch.quiet for epoch in epochs)._asdict()


def show_progress(text: str) -> None:
    """On a terminal's standard error, one line that is wiped by the next."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

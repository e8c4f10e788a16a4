"""The verdict: decisions on samples whose truth is known, causes that were planted, the conversation with engines, and the
command. Times are made up wherever a test depends on them."""

import doctest
import importlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import numpy
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import tenon
from tenon import _engines, peer
from tenon.verdict import decide, machine, options, probes, rounds
from tenon.verdict.children import Children, EngineFailed
from tenon.verdict.judge import judge
from tenon.verdict.measure import measure
from tenon.verdict.text import show

ROOT = Path(__file__).resolve().parents[2]
TENON = os.environ.get("TENON_BIN", str(ROOT / "build/release/bin/tenon"))
PACKAGE = Path(tenon.__file__).parent
MODULES = sorted(path.stem for path in (PACKAGE / "verdict").glob("*.py") if path.stem != "__main__")


@pytest.mark.parametrize("module", ["tenon._engines", *(f"tenon.verdict.{name}".removesuffix(".__init__") for name in MODULES)])
def test_documentation_runs(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(module)).failed == 0


# ---- Decisions


def samples(seconds, rounds, epochs=2, noise=0.01, seed=0):
    generator = random.Random(seed)
    return [[seconds * math.exp(generator.gauss(0, noise)) for _ in range(rounds)] for _ in range(epochs)]


@pytest.mark.parametrize(
    "baseline, ours, noise, answer",
    [(2.0, 1.0, 0.05, "helps"), (1.0, 1.3, 0.05, "hurts"), (1.0, 1.0, 0.02, "no difference"), (1.03, 1.0, 0.002, "helps"), (1.03, 1.0, 0.2, "no difference")],
)
def test_classes(baseline, ours, noise, answer):
    compared = decide.compare(samples(baseline, 20, noise=noise, seed=1), samples(ours, 20, noise=noise, seed=2))
    assert compared.answer == answer and compared.ratio.low <= compared.ratio.median <= compared.ratio.high


def test_epochs_that_disagree_are_no_difference():
    compared = decide.compare(samples(1.5, 20, 1) + samples(0.7, 20, 1), samples(1.0, 20))
    assert compared.answer == "no difference" and not compared.agree
    assert compared.ratio.low < 0.75 and compared.ratio.high > 1.4


def test_intervals_hold_the_median_as_often_as_they_say():
    generator, held = random.Random(3), 0
    for _ in range(2000):
        interval = decide.median_interval([generator.expovariate(1) for _ in range(20)])
        held += interval.low <= math.log(2) <= interval.high
    assert 0.94 < held / 2000 < 0.99  # 95.9 % by the binomial distribution


def test_processes_that_differ_do_not_make_verdicts_contradict_each_other():
    def verdict(epochs, seed):
        generator = random.Random(seed)
        processes = [math.exp(generator.gauss(0, 0.02)) for _ in range(epochs)]
        engine = [samples(process, rounds.FEWEST_ROUNDS, 1, 0.003, generator.random())[0] for process in processes]
        return decide.compare(engine, samples(1.0, rounds.FEWEST_ROUNDS, epochs, 0.003, generator.random())).ratio

    def overlaps(epochs):
        pairs = [(verdict(epochs, seed), verdict(2, 1000 + seed)) for seed in range(500)]
        return sum(one.low <= two.high and two.low <= one.high for one, two in pairs) / len(pairs)

    assert overlaps(options.Options.epochs) > 0.9 > overlaps(2)


def test_noise_that_hides_a_difference_is_said():
    wide = decide.compare(samples(1.05, 12, noise=0.4, seed=1), samples(1.0, 12, noise=0.4, seed=2))
    assert decide.settle(wide, ["others"]) == "cannot tell" and decide.settle(wide, []) == "no difference"
    clear = decide.compare(samples(3.0, 12, noise=0.2, seed=1), samples(1.0, 12, noise=0.2, seed=2))
    assert decide.settle(clear, ["others"]) == "helps"


def test_a_busy_machine_is_seen():
    watch = machine.Watch([])
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in machine.cpus()]
    try:
        ours = machine.Watch([loop.pid for loop in loops])
        time.sleep(0.5)
        busy, mine = watch.stop(), ours.stop()
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    assert any("other processes" in reason for reason in busy.reasons())
    assert mine.others < busy.others


# ---- The whole way, with engines that only say how long they take


HELLO = {"version": "1", "import_seconds": 0.1, "load_seconds": 0.02, "inputs": [["x", [2, 3], "float32"]]}


class FakeChannel:
    """Answers as a child does; a call takes `seconds`."""

    pid = 0

    def __init__(self, seconds, hello=(), outputs=(1.0, 2.0), steps=(), fails=None, support=None):
        self.support = support or {"fallbacks": [], "graph_breaks": []}
        self.seconds, self.outputs, self.steps = seconds, outputs, steps
        self.answers = [HELLO | dict(hello)] if fails is None else [fails]
        self.closed = False

    def send(self, line):
        verb, _, argument = line.partition(" ")
        if verb == "bind":
            self.answers.append({"first_call_seconds": 2 * self.seconds})
        elif verb == "calls":
            self.answers.append({"seconds": [self.seconds * (1 + 0.001 * (k % 5)) for k in range(int(argument))]})
        elif verb == "profile":
            self.answers.append({"steps": [list(step) for step in self.steps]})
        elif verb == "explain":
            self.answers.append(self.support)
        elif verb == "outputs":
            numpy.savez(argument, out_0=numpy.array(self.outputs, numpy.float32))
            self.answers.append({"outputs": [["float32", [2]]]})
        else:
            self.answers.append({"resident": 10_000_000, "peak": 20_000_000})

    def receive(self):
        return self.answers.pop(0) if self.answers else None

    def close(self):
        self.closed = True


class FakeSource:
    """`ours(without, threads, target)` are the seconds of a call of Tenon's."""

    name, form, baseline, note = "fake.onnx", "onnx", "ort", "ort: made up"

    def __init__(self, ours, baseline=0.010, outputs=(1.0, 2.0), steps=(), missing=(), support=None):
        self.support = support
        self.ours, self.seconds, self.outputs, self.steps, self.missing = ours, baseline, outputs, steps, missing
        self.channels = []

    def _add(self, children, engine, channel):
        self.channels.append(channel)
        return children.add(engine, channel)

    def _tenon(self, children, seconds, hello=()):
        return self._add(children, "tenon", FakeChannel(seconds, hello, self.outputs, self.steps, support=self.support))

    def variant(self, children, wanted, folder):
        seconds = self.ours(wanted["without"], wanted["threads"], wanted["target"])
        self.chosen = wanted
        return self._tenon(children, seconds, {"identity": [seconds], "compile_seconds": 1.0, "compile_steps": [["import", 0.2], ["emit", 0.8]]})

    def compile(self, children, wanted, folder):
        self.base = dict(wanted)
        return self.variant(children, wanted, folder)

    def compiled(self, children, threads, folder):
        return self._tenon(children, self.ours(self.base["without"], threads, self.base["target"]))

    def peer(self, children, engine, threads):
        if engine in self.missing:
            return self._add(children, engine, FakeChannel(0, fails={"missing": "not here"}))
        return self._add(children, engine, FakeChannel(self.seconds / threads**0.5))

    def write_inputs(self, wanted, file):
        return [{"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape)} for tensor in wanted]


def verdict_of(source, **chosen):
    chosen = {"threads": 1, "seconds": 0.0, "causes": 600.0} | chosen
    roof = {"target": "made-up", "vector_bytes": 32, "flops_per_second": 1e11, "bytes_per_second": 1e10}
    with mock.patch.object(probes, "roofline", lambda *_: roof), mock.patch.object(probes, "empty_call", lambda *_: 4e-7):
        return judge(measure(lambda folder: source, options.Options(**chosen).checked(), lambda text: None))


def causes(found, kind):
    return [cause for cause in found["causes"] if cause["kind"] == kind]


def test_helps_and_when_it_has_paid():
    found = verdict_of(FakeSource(lambda *_: 0.005))
    assert found["answer"] == "helps" and found["exit_code"] == 0 and found["ratio"]["median"] == pytest.approx(2)
    assert found["break_even"]["calls"] == math.ceil(1.02 / found["engines"]["tenon"]["call_seconds"]["median"])
    assert found["break_even_saved"]["calls"] == 4
    text = show(found)
    assert text.startswith("helps 2.00x (2.00-2.00), pays back after 20")
    assert json.loads(tenon.Verdict(found).json())["causes"] == found["causes"]


def test_hurts_and_the_step_that_was_left_out():
    found = verdict_of(FakeSource(lambda without, *_: 0.020 if "vectorise" in without else 0.005), without=("vectorise",))
    assert found["answer"] == "hurts" and found["exit_code"] == 11 and found["break_even"] is None
    first = found["causes"][0]
    assert (first["kind"], first["name"]) == ("graph optimisation", "vectorise")
    assert first["seconds"] == pytest.approx(-0.015, rel=0.01) and first["share"] == pytest.approx(-1.5, rel=0.01)
    assert "Do not leave out 'vectorise'" in found["advice"][0]["text"]
    assert show(found).startswith("hurts 2.00x")


def test_a_step_that_costs_is_found():
    found = verdict_of(FakeSource(lambda without, *_: 0.011 if "winograd" not in without else 0.004))
    assert causes(found, "graph optimisation")[0]["name"] == "winograd" and found["causes"][0]["seconds"] < 0
    assert "--without winograd" in found["advice"][0]["text"]
    assert {v["status"] for v in found["variants"] if v["step"] != "winograd"} == {"no effect"}


def test_a_target_below_the_machine_is_found():
    best = importlib.import_module("tenon._compiler").target("native")[0]
    lower = next(name for name in ("x86-64-v3", "neoverse-n1") if name != best)
    found = verdict_of(FakeSource(lambda without, threads, target: 0.02 if target == lower else 0.01), target=lower)
    assert found["causes"][0]["name"] == "instruction set" and any(f"Compile for {best}" in a["text"] for a in found["advice"])


def test_a_slow_kernel_is_found():
    steps = [("quick (Conv)", 1e-9, 100, 100), ("dull (CumSum)", 0.018, 1000, 1000)]
    found = verdict_of(FakeSource(lambda *_: 0.02, steps=steps))
    assert found["answer"] == "hurts"
    assert found["causes"][0]["kind"] == "hardware" and "dull (CumSum)" in found["causes"][0]["finding"]
    assert any("dull (CumSum)" in entry["text"] for entry in found["advice"])


def test_calls_that_are_only_calls_are_found():
    found = verdict_of(FakeSource(lambda *_: 5e-7, baseline=2e-7))
    assert found["answer"] == "hurts" and found["causes"][0]["kind"] == "call overhead"
    assert any("larger batch" in entry["text"] for entry in found["advice"])


def test_operators_that_fall_back_are_found():
    fallback = {"operator": "fft", "line": "net.py:7", "reason": "Tenon has no fft", "share": 0.8}
    support = {"fallbacks": [fallback], "graph_breaks": ["print at net.py:9"]}
    found = verdict_of(FakeSource(lambda *_: 0.02, support=support))
    assert found["causes"][0]["name"] == "fft" and "net.py:7" in found["causes"][0]["finding"]
    assert found["causes"][0]["seconds"] == pytest.approx(-0.016, rel=0.01)
    assert any("print at net.py:9" in cause["finding"] for cause in found["causes"])
    assert any("the operator fft" in entry["text"] for entry in found["advice"])


def test_threads_that_do_not_help_are_found():
    found = verdict_of(FakeSource(lambda without, threads, target: 0.01 * threads), threads=2)
    cause = causes(found, "threads")[0]
    assert cause["seconds"] == pytest.approx(-0.01, rel=0.01) and "0.50x" in cause["finding"]
    assert any("Use 1 thread" in entry["text"] for entry in found["advice"])


def test_a_wrong_answer_comes_first():
    class Wrong(FakeSource):
        def peer(self, children, engine, threads):
            return self._add(children, engine, FakeChannel(0.01, outputs=(1.0, 3.0)))

    found = verdict_of(Wrong(lambda *_: 0.001))
    assert found["answer"] == "wrong answer" and found["exit_code"] == 1 and found["speed"] == "helps"
    assert show(found).startswith("wrong answer: output 0 is off by 0.33") and "Do not use" in found["advice"][0]["text"]
    found["engines"]["tenon"]["error"] = math.inf
    assert json.loads(tenon.Verdict(found).json())["engines"]["tenon"]["error"] is None


def test_peers_that_are_missing_or_faster():
    found = verdict_of(FakeSource(lambda *_: 0.02, missing=("openvino",)), against=("openvino", "inductor"))
    assert found["engines"]["openvino"] == {"missing": "not here"} and "not here" in show(found)
    assert "Stay with ONNX Runtime" in found["advice"][0]["text"]
    with pytest.raises(tenon.UnsupportedError, match="ort: not here"):
        verdict_of(FakeSource(lambda *_: 0.02, missing=("ort",)))


def test_every_child_is_closed():
    source = FakeSource(lambda *_: 0.005)
    verdict_of(source)
    assert source.channels and all(channel.closed for channel in source.channels)
    with pytest.raises(KeyboardInterrupt), Children() as children:
        channel = FakeChannel(1)
        children.add("ort", channel)
        raise KeyboardInterrupt
    assert channel.closed


class Page(HTMLParser):
    """Sees that tags are closed in order, and what there is."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.addresses = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_has_its_parts():
    steps = [("first <Conv>", 0.004, 10**8, 10**6), ("second", 0.001, 10**5, 10**6), ("copies", 0.0001, 0, 10**4)]
    found = verdict_of(FakeSource(lambda without, *_: 0.005 + 0.001 * ("vectorise" in without), steps=steps, missing=("openvino",)), against=("openvino",))
    text = tenon.Verdict(found).html()
    page = Page(text)
    assert not page.open and not page.addresses and "http" not in text and "@import" not in text
    assert text.count('class="step"') == 3 and "first &lt;Conv&gt;" in text and "helps 2.00x" in text
    for title in ("Causes", "Advice", "Engines", "One call, step by step", "Roofline", "Steps of the pipeline", "Conversion", "Rounds"):
        assert f"<h2>{title}</h2>" in text
    assert 'class="roofline"' in text and text.count('class="bar"') == len(found["causes"]) and 'class="gain"' in text
    found = verdict_of(FakeSource(lambda *_: 0.005), causes=0)
    assert not Page(tenon.Verdict(found).html()).open


# ---- The conversation


class FakeEngine(_engines.Engine):
    package, version = "json", "fake 1"

    def __init__(self, path, options):
        pass

    def bind(self, arrays):
        return lambda: [array * 2 for array in arrays.values()]


def test_a_session_answers(tmp_path):
    numpy.savez(tmp_path / "in.npz", x=numpy.ones(3, numpy.float32))
    said = []
    requests = [f"bind {tmp_path / 'in.npz'}\n", "calls 3\n", f"outputs {tmp_path / 'out.npz'}\n", "memory\n", "profile 2\n", "calls 1\n"]
    peer.converse(lambda: peer.start("fake", {"fake": FakeEngine}, tmp_path, {}), requests, said.append)
    hello, bound, calls, outputs, memory, profile = said  # the failure ends it
    assert hello["version"] == "fake 1" and hello["load_seconds"] >= 0 and bound["first_call_seconds"] >= 0
    assert len(calls["seconds"]) == 3 and memory["resident"] > 0 and outputs["outputs"] == [["float32", [3]]]
    assert numpy.load(tmp_path / "out.npz")["out_0"].tolist() == [2, 2, 2]
    assert "it needs an engine that tells" in profile["missing"]
    said.clear()
    peer.converse(lambda: peer.start("fake", {"fake": FakeEngine}, tmp_path, {}), ["dance\n"], said.append)
    assert "no request 'dance'" in said[1]["error"]


def test_a_child_that_ends_is_an_error():
    with Children() as children, pytest.raises(EngineFailed, match="ort: its process ended"):
        child = children.add("ort", FakeChannel(1))
        child.channel.send = lambda line: None
        child.calls(1)


# ---- Models


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(6, 5)

    def forward(self, x):
        return torch.relu(self.layer(x))


@pytest.fixture
def small(tmp_path):
    """small.onnx with small.pt2 beside."""
    torch.manual_seed(0)
    module, x = Small().eval(), torch.ones(2, 6)
    torch.export.save(torch.export.export(module, (x,)), tmp_path / "small.pt2")
    weight, bias = (p.detach().numpy() for p in (module.layer.weight, module.layer.bias))
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["h"], transB=1), helper.make_node("Relu", ["h"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 5])],
        [onnx.numpy_helper.from_array(weight, "w"), onnx.numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "small.onnx")
    return tmp_path / "small.onnx"


def test_a_module_goes_to_processes_that_answer(tmp_path):
    """Small is no class of the main module."""
    from tenon.verdict.source import ModuleSource

    module, x = Small().eval(), torch.ones(2, 6)
    source = ModuleSource(module, (x,), tmp_path)
    with Children() as children:
        child = source.peer(children, "eager", 1)
        assert source.write_inputs([_engines.Input(*child.hello["inputs"][0])], tmp_path / "none") == [
            {"name": "in_0", "dtype": "float32", "shape": [2, 6]}
        ]
        child.ask("bind", "none")
        assert len(child.calls(3)) == 3
        child.ask("outputs", tmp_path / "out.npz")
        numpy.testing.assert_array_equal(numpy.load(tmp_path / "out.npz")["out_0"], module(x).detach().numpy())


def test_a_module_that_does_not_pickle():
    module = torch.nn.Linear(2, 2)
    module.hook = lambda: None
    with pytest.raises(tenon.UsageError, match="top level"):
        tenon.verdict(module, (torch.ones(1, 2),))
    with pytest.raises(tenon.UsageError, match="tuple of its inputs"):
        tenon.verdict(module, torch.ones(1, 2))


QUICK = ("--seconds", 0, "--epochs", 2, "--causes", 1, "--threads", 1)


def command(*arguments):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([TENON, "verdict", *map(str, arguments)], capture_output=True, text=True, timeout=300, env=environment)


def test_the_command_on_a_model(small):
    report = small.with_name("report.html")
    done = command(small, *QUICK, "--json", "--against", "ort", "--html", report)
    assert not Page(report.read_text()).open
    found = json.loads(done.stdout)
    assert done.returncode == found["exit_code"] in (0, 10, 11, 12)
    assert found["baseline"] == "eager" and "small.pt2" in found["baseline_is"] and not found["engines"]["tenon"]["wrong"]
    assert all(len(epoch) >= 8 for engine in ("tenon", "eager") for epoch in found["engines"][engine]["rounds"])
    assert {"operator support", "hardware", "conversion", "call overhead", "memory", "accuracy"} <= {c["kind"] for c in found["causes"]}
    assert found["profile"] and found["roofline"]["bytes_per_second"] > 0 and found["empty_call_seconds"] > 0
    small.with_suffix(".pt2").unlink()
    done = command(small, *QUICK)
    assert "ONNX Runtime stands in for eager" in done.stdout and done.stdout.startswith(("helps", "hurts", "no difference", "cannot tell"))


def test_the_verdict_on_the_network_of_the_quick_start_says_where_its_time_goes(tmp_path):
    sys.path.insert(0, str(ROOT / "examples"))
    from models import SimpleCNN

    torch.export.save(torch.export.export(SimpleCNN().eval(), (torch.randn(1, 1, 26, 26),)), tmp_path / "cnn.pt2")
    said = command(tmp_path / "cnn.pt2", *QUICK).stdout.split("time of a call, the slowest of ")[1].split("\n\n")[0]
    for step in ("conv2d (conv2d) + max_pool2d (max_pool2d)", "linear (linear)"):
        assert step in said
    assert sum(int(line.split(" %")[0]) for line in said.splitlines()[1:]) in range(98, 103)


def test_the_command_sees_a_wrong_answer(small):
    torch.export.save(torch.export.export(Small().eval(), (torch.ones(2, 6),)), small.with_suffix(".pt2"))  # other weights
    done = command(small, *QUICK[:4], "--causes", 0)
    assert done.returncode == 1 and done.stdout.startswith("wrong answer: output 0 is off by")


def test_what_could_not_run(small, tmp_path):
    def error(*arguments, code):
        done = command(*arguments)
        assert done.returncode == code and not done.stdout, done
        return done.stderr

    (tmp_path / "net.pt").write_bytes(b"")
    assert "--trust-pickle" in error(tmp_path / "net.pt", code=2)
    assert "no engine 'abacus'" in error(small, "--against", "abacus", code=2)
    assert "no shape" in error(small, "--shape", "x", code=2)
    assert "no folder" in error(small, "--html", tmp_path / "absent" / "r.html", code=3)
    assert "there is no such file" in error(tmp_path / "absent.onnx", code=3)
    numpy.savez(tmp_path / "in.npz", z=numpy.ones(2))
    assert "'x' or 'in_0'" in error(small, "--inputs", tmp_path / "in.npz", code=7)
    done = command(tmp_path / "absent.onnx", "--json")
    assert json.loads(done.stdout)["error"]["kind"] == "io" and done.returncode == 3


def test_without_python_it_says_so(small, tmp_path):
    done = subprocess.run([TENON, "verdict", small], capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert done.returncode == 5 and "python3" in done.stderr
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    done = subprocess.run([TENON, "verdict", small], capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert done.returncode == 5 and "packages tenon and numpy" in done.stderr


def descendants(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(small, tmp_path, number):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [TENON, "verdict", str(small), "--seconds", "60"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a test run in the background ignores SIGINT
    )
    while process.poll() is None and len(found := descendants(process.pid)) < 3:
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(timeout=60) == -number
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in found) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)
    assert not list(tmp_path.glob("tenon-verdict-*"))

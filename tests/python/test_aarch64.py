"""Code for AArch64 under qemu, with the runtime that docs/c-api.md says how to build."""

import shutil
import subprocess
from pathlib import Path

import numpy
import pytest
import torch
from test_cli import tenon
from test_models import Bottleneck, export
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ["aarch64-linux-gnu-g++", "aarch64-linux-gnu-gcc", "qemu-aarch64"]
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"scripts/setup installs what is missing: {', '.join(MISSING)}")


class Network(nn.Module):
    """Convolutions of every kind, matrix products, attention, exponentials; one input, one output."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 8, 3, padding=1, groups=4))
        self.mobile = Bottleneck()
        self.up = nn.ConvTranspose2d(12, 8, 2, stride=2)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.Linear(8, 24)
        self.memory = nn.LSTM(8, 20, batch_first=True)
        self.head = nn.Linear(20, 10)

    def forward(self, x):
        x = self.up(self.mobile(self.stem(x))).flatten(2).transpose(1, 2)
        q, k, v = self.attention(self.norm(x)).chunk(3, 2)
        x = x + nn.functional.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return self.head(self.memory(x)[0][:, -1])


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A folder with the runtime and the example program, from the page's commands."""
    folder = tmp_path_factory.mktemp("board")
    for name in ("src", "examples"):
        (folder / name).symlink_to(ROOT / name)
    page = (ROOT / "docs/c-api.md").read_text().split("## On a board")[1]
    commands = "".join(line for line in page.splitlines(keepends=True) if line.startswith("    "))
    subprocess.run(["bash", "-e", "-c", commands], cwd=folder, check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "network.onnx"
    torch.manual_seed(0)
    module, x = Network().eval(), torch.randn(1, 3, 10, 12)
    export(module, (x,), path, True)
    with torch.inference_mode():
        return path, x.numpy(), module(x).numpy()


def run(board, file, x):
    command = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", board / "run_model", file, *map(str, x.shape)]
    done = subprocess.run(command, input=x.tobytes(), capture_output=True, timeout=300)
    return done.returncode, done.stderr.decode(), numpy.frombuffer(done.stdout, numpy.float32)


@pytest.mark.parametrize("target", ["neoverse-n1", "x86-64-v3,neoverse-n1"])
def test_equals_eager(board, network, tmp_path, target):
    path, x, expected = network
    tenon("compile", path, "-o", tmp_path / "n.tenon", "--target", target)
    code, message, y = run(board, tmp_path / "n.tenon", x)
    assert code == 0, message
    assert numpy.abs(y - expected.ravel()).max() <= 1e-5 * numpy.abs(expected).max()


def test_code_for_another_machine_is_refused(board, network, tmp_path):
    path, x, _ = network
    tenon("compile", path, "-o", tmp_path / "n.tenon", "--target", "x86-64-v3")
    code, message, _ = run(board, tmp_path / "n.tenon", x)
    assert code != 0 and "x86-64-v3" in message

"""The examples that the documentation names run, and hold what they assert."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tenon

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("name", ["image_classifier", "text_encoder", "custom_operator", "custom_function", "tensor_expression"])
def test_example(name):
    environment = os.environ | {"PYTHONPATH": str(Path(tenon.__file__).parents[1])}
    done = subprocess.run([sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr

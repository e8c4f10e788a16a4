"""Small PyTorch models in every configuration of the compiler: native code against reference evaluation.

As in tests/testing/configuration.h, the environment variable TENON_CONFIGURATIONS=all asks for all of them.
"""

import os

import pytest
import torch
from test_cli import tenon, tenon_json
from test_models import CASES, export

ALL = os.environ.get("TENON_CONFIGURATIONS") == "all"


def configurations():
    chosen = {"checked": ["--checked"]}
    if ALL:
        chosen["x86-64-v3, checked"] = ["--target=x86-64-v3", "--checked"]
        advice = tenon_json("bench", "none.onnx", "--without=none", code=2)["error"]["diagnostics"][0]["advice"]
        for step in advice.removeprefix("steps that can be left out: ").split(", "):
            chosen["without " + step] = ["--checked", "--without=" + step]
    return chosen


CONFIGURATIONS = configurations()


@pytest.fixture(scope="module", params=["dynamo", "torchscript"] if ALL else ["dynamo"])
def exported(request, tmp_path_factory):
    """Exports a model of CASES when it is first asked for."""
    folder = tmp_path_factory.mktemp(request.param)

    def path(name):
        file = folder / f"{name}.onnx"
        if not file.exists():
            torch.manual_seed(0)
            build, shapes = CASES[name]
            export(build().eval(), tuple(torch.randn(s) for s in shapes), file, request.param == "dynamo")
        return file

    return path


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("name", CASES)
def test_native_code_equals_reference(exported, name, configuration):
    tenon("check", exported(name), *CONFIGURATIONS[configuration])

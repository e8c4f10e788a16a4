import os
import subprocess
from pathlib import Path

import pytest

ABI = Path(__file__).resolve().parents[2] / "src/runtime"


@pytest.fixture(scope="session", autouse=True)
def kernels_of_this_run(tmp_path_factory):
    """No test sees kernels that others left."""
    os.environ["TENON_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def c_library(tmp_path_factory):
    """Makes a shared library of C code that includes abi.h."""

    def make(source):
        folder = tmp_path_factory.mktemp("library")
        (folder / "mine.c").write_text(source)
        command = ["cc", "-shared", "-fPIC", "-O2", "-Werror", "-I", ABI, folder / "mine.c", "-o", folder / "mine.so"]
        subprocess.run(command, check=True)
        return folder / "mine.so"

    return make

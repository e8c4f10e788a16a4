import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def kernels_of_this_run(tmp_path_factory):
    """No test sees kernels that others left."""
    os.environ["TENON_CACHE"] = str(tmp_path_factory.mktemp("cache"))

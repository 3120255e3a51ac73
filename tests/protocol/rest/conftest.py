"""A server of the module's own, and its command line in a folder of the test's own."""

import os
import subprocess
import sys

import pytest

from support.server_process import ServerProcess


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    server = ServerProcess(tmp_path_factory.mktemp("home"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def hl(place, tmp_path):
    def run(*arguments, **more):
        environment = {**os.environ, "HELICLINE_URL": place.url, "GIT_PYTHON_REFRESH": "quiet", **more}
        command = [sys.executable, "-m", "helicline.cli.app", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    return run

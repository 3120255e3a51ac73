"""The supervisor keeps the listening sockets: while a process restarts, its clients wait instead of being refused."""

import os
import signal
import socket
import threading

import httpx
import pytest

from helicline import settings
from helicline.cli.supervisor import Supervisor
from helicline.errors import Unavailable
from support.wait import wait_for


@pytest.fixture
def supervisor(tmp_path, monkeypatch):
    for name in ("HELICLINE_PORT", "HELICLINE_GATEWAY_PORT"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("HELICLINE_HOME", str(tmp_path / "home"))
    supervisor = Supervisor(settings.load())
    yield supervisor
    supervisor.stop()


@pytest.mark.parametrize(("name", "path"), [("gateway", "/v2/health/live"), ("server", "/api/v1/status")])
def test_a_request_to_a_process_that_was_killed_waits_for_the_next_one(supervisor, name, path):
    supervisor.start()
    child = next(child for child in supervisor.children if child.name == name)
    pid = child.process.pid
    os.kill(pid, signal.SIGKILL)
    child.process.wait()
    statuses = []
    asking = threading.Thread(
        target=lambda: statuses.append(httpx.get(supervisor.urls[name] + path, timeout=60, trust_env=False).status_code)
    )
    asking.start()
    wait_for(lambda: child.tend() or child.process.pid != pid, "the next process")
    asking.join()
    assert statuses == [200]


def test_a_port_in_use_is_said_at_once(supervisor, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setenv("HELICLINE_PORT", str(port))
        supervisor.settings = settings.load()
        with pytest.raises(Unavailable, match=f"port {port} of 127.0.0.1: Address already in use"):
            supervisor.start()

"""The guard of a server that a command has started: it ends with the command, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from support.wait import wait_for

GUARD = [sys.executable, "-P", "-m", "helicline.cli.transfer.guard"]
# a server with a process of its own, which tells both their ids
SERVER = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])  # until it is killed
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)  # until it is killed
"""
STARTER = """
import subprocess, sys, time
guard = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
time.sleep(600)  # until it is killed
"""


def is_there(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it ended before the file was opened, or before it was read
        return False


@pytest.fixture
def folder(tmp_path):
    work_folder = tmp_path / "work"
    work_folder.mkdir()
    (work_folder / "copy.db").write_text("large")
    return work_folder


def pids(file) -> list[int]:
    wait_for(file.exists, "the process ids")
    return [int(pid) for pid in file.read_text().split()]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes by /proc")
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_who_started_it(tmp_path, folder, kind):
    pid_file = tmp_path / "pids"
    command = [*GUARD, str(folder), sys.executable, "-c", SERVER, str(pid_file)]
    starter = subprocess.Popen([sys.executable, "-c", STARTER, *command])
    server, child = pids(pid_file)
    assert is_there(server)
    assert is_there(child)
    starter.send_signal(kind)
    starter.wait()
    wait_for(lambda: not (is_there(server) or is_there(child) or folder.exists()), "the end of the server")


def test_a_server_that_ends_by_itself_tells_its_code(folder):
    guard = subprocess.Popen([*GUARD, str(folder), sys.executable, "-c", "raise SystemExit(7)"], stdin=subprocess.PIPE)
    assert guard.wait(timeout=60) == 7
    guard.stdin.close()
    assert folder.exists()

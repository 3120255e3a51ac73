"""A server that is killed at random moments under mixed writes loses nothing that it acknowledged."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.acknowledged_writes import Writers
from support.server_process import ForkedServer, ServerProcess
from support.wait import wait_for

KILLS = int(os.environ.get("HELICLINE_KILLS", "40"))
FORK_SERVER = Path(__file__).with_name("fork_server.py")


@pytest.fixture
def killed(tmp_path):
    """Run a server, kill it `times` times under load, and return it restarted with what its writers remember."""
    servers = []

    def run(times, program=FORK_SERVER, seed=7):
        chance, server = random.Random(seed), ForkedServer(tmp_path / f"home{len(servers)}", program)
        servers.append(server)
        server.start()
        writers = Writers(server)
        writers.begin()
        for _ in range(times):
            time.sleep(chance.uniform(0.005, 0.6))  # the kill comes at a random moment: that is the test
            server.kill()
            server.start()
        # a slow disk takes few writes between the kills: enough of each kind come before the end, however long that is
        wait_for(lambda: all(len(writers.acknowledged[name]) > 20 for name in writers.kinds()), "writes of every kind")
        writers.end()
        return server, writers

    yield run
    for server in servers:
        server.stop()


def integrity(home):
    with sqlite3.connect(home / "meta.db") as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def test_nothing_acknowledged_is_lost_or_doubled(killed):
    server, writers = killed(KILLS)
    assert writers.lost() == {}
    with writers.client() as client:
        assert client.get("/api/v1/audit").json()["ok"] is True
    server.stop()
    assert integrity(server.home) == "ok"


def test_the_harness_sees_a_server_that_acknowledges_too_early(killed):
    _, writers = killed(6, Path(__file__).with_name("early_server.py"))
    assert writers.lost() != {}


def test_a_stop_on_request_finishes_what_it_has_begun(tmp_path):
    server = ServerProcess(tmp_path / "home")
    server.start()
    writers = Writers(server)
    writers.begin()
    try:
        wait_for(lambda: all(len(writers.acknowledged[name]) > 3 for name in writers.kinds()), "writes of every kind")
    finally:
        server.stop()
    assert server.process.returncode == 0
    server.start()
    writers.end()
    assert writers.lost() == {}
    server.stop()


BLOCK_POINTS = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from helicline.server.main import main
main()
"""


def test_a_full_disk_refuses_writes_in_words_and_recovers(tmp_path):
    """Files cannot grow over 3 MB: writes are refused with 507 or 503, reads go on, and more space heals it."""
    program = tmp_path / "full.py"
    program.write_text(BLOCK_POINTS)
    server = ServerProcess(tmp_path / "home", str(program), "3000000")
    server.start()
    writers = Writers(server)
    writers.begin()
    writers.end()
    with writers.client() as client:
        statuses = fill(client, writers)
        assert statuses[-1].status_code in (503, 507)
        assert "Free some space" in statuses[-1].text or "unavailable" in statuses[-1].text
        assert client.get("/api/v1/status").status_code == 200
        assert client.put("/api/v1/blobs", content=b"x" * 4_000_000).status_code in (503, 507)
    server.stop()
    normal = ServerProcess(server.home)
    normal.port = server.port
    normal.start()
    assert writers.lost() == {}
    with writers.client() as client:
        assert client.get("/api/v1/audit").json()["ok"] is True
        owner = {"Authorization": f"Bearer {(server.home / 'owner.token').read_text()}"}
        answer = client.post("/api/v1/tokens", json={"name": "after", "role": "viewer"}, headers=owner)
        assert answer.status_code == 201
    normal.stop()
    assert integrity(server.home) == "ok"


def fill(client, writers):
    """Log big tags until one is refused; what was taken counts as acknowledged."""
    answers = []
    for at in range(3000):
        body = {"run_id": writers.run_id, "key": f"tag{at}", "value": "x" * 7000}
        answers.append(client.post("/api/2.0/mlflow/runs/set-tag", json=body))
        if answers[-1].status_code != 200:
            break
    return answers


def test_two_servers_of_one_home_are_not_started_by_accident(tmp_path):
    from helicline.cli.supervisor import Supervisor
    from helicline.errors import Conflict
    from helicline.settings import Settings

    first, second = (Supervisor(Settings(home=str(tmp_path))) for _ in range(2))
    first._take_lock()
    with pytest.raises(Conflict, match="in use by process"):
        second.start()
    first.stop()


def test_a_server_that_cannot_open_its_database_says_so_and_ends(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "meta.db").write_bytes(b"this is no database" * 100)
    command = [sys.executable, "-m", "helicline.server.main"]
    environment = {"HELICLINE_HOME": str(home), "HELICLINE_PORT": "0", "PATH": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "not a database" in done.stderr

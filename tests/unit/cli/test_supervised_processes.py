"""The processes of a home end with their supervisor, and one that hangs is replaced."""

import contextlib
import errno
import fcntl
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import psutil
import pytest

from helicline import listening_socket, log_files, settings
from helicline.cli import doctor, health
from helicline.cli.handover import handover
from helicline.cli.handover.adopted_process import AdoptedProcess
from helicline.cli.handover.orphans import taken_or_bound
from helicline.cli.supervisor import SUPERVISOR_LOG, Child, Supervisor, owner_of
from support.wait import wait_for


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("HELICLINE_PORT", "HELICLINE_GATEWAY_PORT"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("HELICLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def start_up(home):
    """Start `hl up` as a process of its own, and return it once everything is ready."""
    process = subprocess.Popen([sys.executable, "-m", "helicline.cli.app", "up"], stdout=subprocess.DEVNULL)
    wait_for((home / "gateway.url").is_file, "the start", limit_s=60)
    wait_for((home / "worker.alive").is_file, "the worker", limit_s=60)
    return process


def descendants(process):
    return psutil.Process(process.pid).children(recursive=True)


def has_ended(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def ask_on(url, answers, stopping):
    """Ask again and again over connections of their own; nothing is tried a second time."""
    while not stopping.is_set():
        try:
            answers.append(httpx.get(url, timeout=120, trust_env=False).status_code)
        except httpx.HTTPError as error:
            answers.append(repr(error))


@contextlib.contextmanager
def callers_of(home):
    """Have server and gateway asked all the time; yield what they answer."""
    urls = [
        (home / name).read_text() + path
        for name, path in (("server.url", "/version"), ("gateway.url", "/v2/health/live"))
    ]
    answers, stopping = [], threading.Event()
    callers = [threading.Thread(target=ask_on, args=(url, answers, stopping)) for url in urls]
    for caller in callers:
        caller.start()
    yield answers
    stopping.set()
    for caller in callers:
        caller.join()


def kill(supervisor):
    supervisor.kill()
    supervisor.wait()


def wait_for_orphans(home):
    for name in listening_socket.SERVERS:
        wait_for((home / f"{name}.handover").exists, f"the {name} that serves on", limit_s=60)


def test_after_a_killed_supervisor_no_request_fails_until_the_next_one_has_taken_over(home):
    killed = start_up(home)
    children = descendants(killed)
    assert len(children) >= 3
    addresses = [(home / name).read_text() for name in ("server.url", "gateway.url")]
    with callers_of(home) as answers:
        kill(killed)
        wait_for_orphans(home)
        (home / "gateway.url").unlink()
        again = start_up(home)
    assert (set(answers), len(answers) > 2) == ({200}, True)
    assert [(home / name).read_text() for name in ("server.url", "gateway.url")] == addresses
    assert owner_of(home) == again.pid
    wait_for(lambda: all(has_ended(child) for child in children), "the end of what was taken over", limit_s=60)
    again.terminate()
    assert again.wait(60) == 0


def test_what_serves_on_without_its_supervisor_is_told_and_ended(home):
    killed = start_up(home)
    children = descendants(killed)
    kill(killed)
    wait_for_orphans(home)
    [finding] = [finding for finding in doctor.examine(settings.load()) if finding.what == "processes"]
    assert (finding.ok, "the server (process " in finding.detail, "hl up" in finding.next_step) == (False, True, True)
    command = [sys.executable, "-m", "helicline.cli.app", "down"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert "stopped what served on without a supervisor: gateway, server" in done.stdout
    wait_for(lambda: all(has_ended(child) for child in children), "the end of everything", limit_s=60)
    assert not (home / "server.url").exists()


ORPHAN = """
import signal, sys
from pathlib import Path
from helicline import listening_socket
listener = listening_socket.bind("127.0.0.1", 0)
listening_socket.offer("server", Path(sys.argv[1]), listener, limit_s=float(sys.argv[2]))
signal.pause()
"""


def orphan_process(home, *, limit_s):
    home.mkdir(parents=True)
    return subprocess.Popen([sys.executable, "-c", ORPHAN, str(home), str(limit_s)], start_new_session=True)


def test_a_process_that_no_supervisor_takes_over_ends_after_its_time(home):
    process = orphan_process(home, limit_s=0.1)
    assert process.wait(60) == -signal.SIGTERM
    assert not (home / "server.handover").exists()


def test_a_process_that_was_only_looked_at_serves_on_and_hands_its_socket_over_where_the_path_is_long(tmp_path):
    home = tmp_path / ("long" * 40)
    process = orphan_process(home, limit_s=600)
    wait_for((home / "server.handover").exists, "the offer", limit_s=60)
    [orphan] = listening_socket.orphans(home)
    orphan.close()
    with taken_or_bound(home, "server", host="127.0.0.1", port=0) as listener:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    assert (orphan.pid, process.wait(60)) == (process.pid, -signal.SIGTERM)
    assert listening_socket.orphans(home) == []


def test_a_process_that_hangs_without_its_supervisor_is_killed(home):
    process = orphan_process(home, limit_s=600)
    wait_for((home / "server.handover").exists, "the offer", limit_s=60)
    process.send_signal(signal.SIGSTOP)
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "the stop", limit_s=60)
    orphan = listening_socket.Orphan.find(home, "server")
    assert orphan.take(patience_s=0.1) is None
    orphan.wait_end(patience_s=0.1)
    assert process.wait(60) == -signal.SIGKILL


def test_a_gateway_waits_for_the_end_of_one_whose_supervisor_was_killed(home):
    (home / "logs").mkdir(parents=True)
    log = home / "logs" / "gateway.log"
    command = [sys.executable, "-m", "helicline.cli.app", "up"]
    with (home / "gateway.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(lambda: log.is_file() and "has not ended yet" in log.read_text(), "the wait", limit_s=60)
        assert not (home / "gateway.url").is_file()
    wait_for((home / "gateway.url").is_file, "the start", limit_s=60)
    process.terminate()
    assert process.wait(60) == 0


def test_a_restart_replaces_every_process_and_fails_no_request(home):
    process = start_up(home)
    before = {child.pid for child in psutil.Process(process.pid).children()}
    url = (home / "server.url").read_text() + "/version"
    with callers_of(home) as answers:
        command = [sys.executable, "-m", "helicline.cli.app", "restart"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
        after = {child.pid for child in psutil.Process(process.pid).children()}
    assert (done.returncode, "restarted: " in done.stdout) == (0, True), done.stderr
    assert (len(after), before & after) == (len(before), set())
    assert set(answers) == {200}
    # the supervisor too is another program now, under the same id, and goes on restarting what ends
    assert handover.VARIABLE in psutil.Process(process.pid).environ()
    assert owner_of(home) == process.pid
    server = next(
        child for child in psutil.Process(process.pid).children() if "helicline.server.main" in child.cmdline()
    )
    server.kill()
    wait_for(lambda: not server.is_running(), "the end of the server", limit_s=60)
    wait_for(lambda: httpx.get(url, timeout=60, trust_env=False).status_code == 200, "the next one", limit_s=60)
    process.terminate()
    assert process.wait(60) == 0


def test_a_restart_says_what_did_not_come_up(home):
    process = start_up(home)
    (home / "owner.token").unlink()
    (home / "owner.token").mkdir()  # the server cannot read it
    command = [sys.executable, "-m", "helicline.cli.app", "restart"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 1
    assert "it did not start" in done.stderr + done.stdout
    process.terminate()
    assert process.wait(60) == 0


def test_a_program_that_cannot_start_takes_nothing_over(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    process = start_up(home)
    before = {child.pid for child in psutil.Process(process.pid).children()}
    (tmp_path / "helicline.toml").write_text("no_such_setting = 1")
    (home / "restarting").write_text("")
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: "no_such_setting" in (home / "restarting").read_text(), "the reason", limit_s=60)
    assert {child.pid for child in psutil.Process(process.pid).children()} == before
    assert httpx.get((home / "server.url").read_text() + "/version", trust_env=False).status_code == 200
    process.terminate()
    assert process.wait(60) == 0


def test_the_end_of_an_adopted_process_is_noticed():
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        adopted = AdoptedProcess(sleeper.pid)
        assert adopted.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            adopted.wait(0.01)
        adopted.terminate()
        assert adopted.wait(60) == -signal.SIGTERM
        adopted.kill()  # does not reach for a process that may be another's by now
        assert AdoptedProcess(sleeper.pid).wait(60) == 0  # its end was noticed by the program before


class FullDisk(io.StringIO):
    """Takes nothing."""

    def write(self, _):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_process_whose_log_cannot_be_written_runs_without_one(tmp_path, capfd):
    """A disk that has become read-only; the supervisor would end, and everything with it."""
    child = Child("server", [sys.executable, "-c", "print('unheard')"], log=tmp_path, environment=dict(os.environ))
    child.start()
    assert child.process.wait(60) == 0
    assert "the server runs without a log" in capfd.readouterr().err
    with contextlib.redirect_stderr(FullDisk()):  # nor can it be said anywhere
        child.start()
    assert child.process.wait(60) == 0


def test_the_log_of_the_supervisor_is_bounded(home, monkeypatch):
    home.mkdir()
    supervisor = Supervisor(settings.load())
    monkeypatch.setattr(time, "sleep", lambda _: setattr(supervisor, "stopping", True))
    with (home / SUPERVISOR_LOG).open("wb") as log:
        log.truncate(log_files.MAX_BYTES + 1)
    supervisor.tend()
    assert (home / SUPERVISOR_LOG).stat().st_size == 0
    assert (home / f"{SUPERVISOR_LOG}.old").stat().st_size == log_files.MAX_BYTES + 1


def test_a_process_that_is_stopped_is_replaced(home):
    supervisor = Supervisor(settings.load())
    supervisor.start()
    server = next(child for child in supervisor.children if child.name == "server")
    server.watch.stop()
    server.watch = health.Watch(health.answers(f"{supervisor.urls['server']}/health", timeout_s=1.0))
    hung = server.process.pid
    os.kill(hung, signal.SIGSTOP)
    wait_for(lambda: server.tend() or server.process.pid != hung, "the next process", limit_s=60, interval_s=0.1)
    assert f"the server does not answer; process {hung} is ended" in server.log.read_text()
    assert not psutil.pid_exists(hung)
    supervisor.stop()


def test_a_worker_that_beats_no_more_is_hung_and_doctor_says_so(home):
    home.mkdir()
    beat, seconds = home / "worker.alive", [0.0]
    probe = health.Beats(beat, now=lambda: seconds[0])
    assert probe()  # one that has not begun yet
    beat.touch()
    assert probe()
    assert doctor._worker().ok
    long_ago = time.time() - 3600
    os.utime(beat, (long_ago, long_ago))
    assert probe()  # the clock went forward: that alone says nothing of the worker
    seconds[0] += health.BEAT_LIMIT_S + 1
    assert not probe()
    finding = doctor._worker()
    assert (finding.ok, finding.detail) == (False, "asked for tasks 3600.0 s ago")


def test_a_log_that_a_process_goes_on_writing_to_is_bounded(tmp_path):
    path = tmp_path / "logs" / "worker.log"
    with log_files.begin(path) as output:
        output.write(b"long" * 100)
        output.flush()
        assert not log_files.bound(path, most=400)
        assert log_files.bound(path, most=399)
        output.write(b"and on")
    assert path.read_bytes() == b"and on"
    assert (tmp_path / "logs" / "worker.log.old").read_bytes() == b"long" * 100

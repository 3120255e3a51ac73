"""Real workers: a server and workers in processes of their own, and turns whose steps do what a test wants."""

import os
import subprocess
import sys

from helicline.cli.loop_file.apply import record
from helicline.sdk.client import Client
from support.server_process import ServerProcess
from support.wait import wait_for


class WorkerHarness:
    """A server and workers of its own, and turns of loops that are made of one source text."""

    def __init__(self, folder, source, **environment):
        self.folder, self.source = folder, source
        self.server = ServerProcess(folder / "home", HELICLINE_LEASE_S="4", **environment)
        self.server.start()
        self.token = (folder / "home" / "owner.token").read_text()
        self.client = Client(self.server.url, token=self.token)
        self.workers = [self.worker()]

    def worker(self):
        command = [sys.executable, "-m", "helicline.engine.worker", "--server", self.server.url, "--slots", "4"]
        own = {"HELICLINE_TOKEN": self.token, "HELICLINE_HOME": str(self.folder / "home")}
        own |= {"HELICLINE_WRITABLE_PATHS": str(self.folder / "markers")}
        (self.folder / "markers").mkdir(exist_ok=True)
        with (self.folder / "worker.log").open("ab") as out:
            return subprocess.Popen(
                command, cwd=self.folder, stdout=out, stderr=out, start_new_session=True, env=os.environ | own
            )

    def begin(self, name, how):
        """Begin a turn of a new loop; there is a worker to do it, whatever a test did to the last one."""
        if self.workers[-1].poll() is not None:
            self.workers.append(self.worker())
        timeout = "2s" if how == "hangs" else "120s"  # one step is to be timed out, on a slow machine too
        text = self.source.replace("NAME", name).replace("HOW", how).replace("TIMEOUT", timeout)
        text = text.replace("MARKER", str(self.folder / "markers" / name))
        path = self.folder / f"{name}_loop.py"
        path.write_text(text)
        record(self.client, path)
        return self.client.post(f"/loops/{name}/turns", dict, {})

    def turn(self, name, *states):
        def turn():
            record = self.client.get(f"/turns/{name}", dict)
            return record if record["state"] in states else None

        event = f"{name} to be {states}; the worker's log is {self.folder / 'worker.log'}"
        return wait_for(turn, event, limit_s=120, interval_s=0.1)

    def detail(self, turn):
        return self.client.get(f"/pipeline-runs/{turn['pipeline_run']}", dict)

    def close(self):
        for worker in self.workers:
            if worker.poll() is None:
                worker.terminate()
                worker.wait(30)
        self.client.close()
        self.server.kill()

"""What the stories of the examples share: a home with the program running in it, and words for what has to come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helicline import Client

PATIENCE_S = 300.0


class Home:
    """A home of its own with the program running in it; commands run in the folder of the example."""

    def __init__(self, folder: Path, *, example: Path) -> None:
        self.folder, self.example, self.loop = folder, example, example.name
        environment = os.environ | {"HELICLINE_HOME": str(folder / ".helicline"), "HELICLINE_LOG_SEAL_S": "0.5"}
        for name in ("HELICLINE_PORT", "HELICLINE_GATEWAY_PORT"):
            environment.setdefault(name, "0")
        self._environment = environment

    def __enter__(self) -> Home:
        log = (self.folder / "up.log").open("wb")
        command = [sys.executable, "-m", "helicline.cli.app", "up"]
        self._program = subprocess.Popen(command, env=self._environment, cwd=self.example, stdout=log, stderr=log)
        note = self.folder / ".helicline" / "gateway.url"
        until("the start", note.is_file)
        self.gateway_url = note.read_text()
        self.url = (self.folder / ".helicline" / "server.url").read_text()
        self._environment["HELICLINE_URL"] = self.url
        self.client = Client(self.url)
        return self

    def __exit__(self, *_: object) -> None:
        self._program.send_signal(signal.SIGTERM)
        self._program.wait(60)

    def hl(self, *arguments: str, may_fail: bool = False) -> str:
        """Return what a command printed."""
        command = [sys.executable, "-m", "helicline.cli.app", *arguments]
        done = subprocess.run(
            command, env=self._environment, cwd=self.example, capture_output=True, text=True, check=False
        )
        if done.returncode and not may_fail:
            sys.exit(f"hl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr if may_fail else done.stdout

    def turns(self) -> list[dict[str, Any]]:
        return self.client.items("/turns", dict[str, Any], loop=self.loop)

    def turn(self, number: int) -> dict[str, Any]:
        """Return a turn of the loop; empty until it begins."""
        return next((turn for turn in self.turns() if turn["number"] == number), {})

    def firing(self, kind: str = "") -> list[dict[str, Any]]:
        alerts = self.client.items("/alerts", dict[str, Any], deployment=self.loop, state="firing")
        return [alert for alert in alerts if not kind or alert["kind"] == kind]

    def newest(self, kind: str) -> dict[str, Any]:
        monitors = self.client.items("/monitors", dict[str, Any], deployment=self.loop)
        windows = next(detail["windows"] for detail in monitors if detail["monitor"]["spec"]["kind"] == kind)
        return windows[-1] if windows else {"severity": "", "findings": []}

    def trigger(self) -> dict[str, Any]:
        trigger: dict[str, Any] = self.client.get(f"/loops/{self.loop}", dict[str, Any])["triggers"][0]
        return trigger


def until(event: str, probe: Callable[[], Any]) -> Any:
    """Return what `probe` gives as soon as it gives something; end the story where that takes too long."""
    end = time.monotonic() + PATIENCE_S
    while not (result := probe()):
        if time.monotonic() > end:
            sys.exit(f"{event} did not happen within {PATIENCE_S:.0f} s")
        time.sleep(0.25)
    return result


def expect(condition: object, otherwise: str) -> None:
    """End the story where it goes another way."""
    if not condition:
        sys.exit(f"the story went another way: {otherwise}")

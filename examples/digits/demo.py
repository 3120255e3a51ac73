"""The story of `make demo`: complete turns of the loop on real data, through public interfaces only.

python examples/digits/demo.py [--exit]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from scans import PIXELS, Scans, write
from traffic import Traffic

from helicline import Client

HERE = Path(__file__).parent
PATIENCE_S = 600.0  # a hung leg ends the story; on a busy machine a leg may take minutes
PERSON = "demo visitor"


class Unexpected(Exception):
    """A leg did not come out as the story says."""


class Story:
    """Runs the legs in order and shows how each came out."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
        self.legs: list[tuple[str, float, str]] = []
        self.now, self.began = "", time.monotonic()
        self.scans = Scans()
        self.traffic: Traffic | None = None
        self.client: Client
        self.supervisor: subprocess.Popen[bytes] | None = None

    def hl(self, *arguments: str) -> str:
        """Run a command as a user would, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "helicline.cli.app", *arguments],
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=180,
        )
        if done.returncode != 0:
            raise Unexpected(f"hl {' '.join(arguments)}: {done.stdout[-800:]}{done.stderr[-800:]}")
        return done.stdout

    def until(self, event: str, probe: Callable[[], Any], *, patience_s: float = PATIENCE_S) -> Any:
        """Return what `probe` returns as soon as that is true."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            result = probe()
            if result:
                return result
            time.sleep(0.25)
        raise Unexpected(f"{event} did not happen within {patience_s:.0f} s")

    def get(self, path: str) -> Any:
        return self.client.get(path, dict[str, Any])

    def turn(self, number: int) -> dict[str, Any] | None:
        turns = self.client.items("/turns", dict[str, Any], loop="digits")
        return next((turn for turn in turns if turn["number"] == number), None)

    def alert(self, kind: str) -> dict[str, Any] | None:
        alerts = self.client.items("/alerts", dict[str, Any], deployment="digits")
        return next((alert for alert in alerts if alert["kind"] == kind), None)

    def __rich__(self) -> Group:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, seconds, outcome in self.legs:
            table.add_row("[green]✔[/]", escape(name), f"{seconds:5.1f} s", Text(outcome, style="dim"))
        if self.now:
            table.add_row("[yellow]▸[/]", escape(self.now), f"{time.monotonic() - self.began:5.1f} s", "")
        lines: list[Any] = [Text("Helicline: one model, complete turns of the loop", style="bold"), table]
        if self.traffic is not None:
            versions = ", ".join(f"v{version}: {count}" for version, count in sorted(self.traffic.by_version.items()))
            lines.append(
                Text(
                    f"  traffic {self.traffic.sent} requests, {self.traffic.failed} failed, "
                    f"live accuracy {self.traffic.accuracy:.0%}  ({versions})",
                    style="cyan",
                )
            )
        return Group(*lines)

    def leg(self, name: str, act: Callable[[], str]) -> None:
        self.now, self.began = name, time.monotonic()
        outcome = act()
        self.legs.append((name, time.monotonic() - self.began, outcome))
        self.now = ""
        if not self.console.is_terminal:
            self.console.print(f"{self.legs[-1][1]:6.1f} s  {name}: {outcome}", soft_wrap=True)

    # --- the legs -------------------------------------------------------------------------------------------------

    def start(self) -> str:
        environment = {**os.environ, "HELICLINE_LOG_SEAL_S": "0.5", "HELICLINE_WORKER_SLOTS": "3"}
        for name, port in (("HELICLINE_PORT", 7070), ("HELICLINE_GATEWAY_PORT", 7080)):
            environment.setdefault(name, str(port if _is_free(port) else 0))
        with (self.home.parent / "demo.log").open("wb") as log:
            self.supervisor = subprocess.Popen(
                [sys.executable, "-m", "helicline.cli.app", "up"], env=environment, cwd=HERE, stdout=log, stderr=log
            )
        note = self.home / "gateway.url"
        self.until("the start", lambda: note.is_file() or self.supervisor.poll() is not None)  # type: ignore[union-attr]
        if not note.is_file():
            raise Unexpected(f"hl up ended: {(self.home.parent / 'demo.log').read_text()[-800:]}")
        url = (self.home / "server.url").read_text()
        os.environ["HELICLINE_URL"] = url
        self.client = Client(url)
        self.traffic = Traffic(note.read_text(), "digits", self.scans)
        return f"{url} and {note.read_text()}"

    def commit(self) -> str:
        folder = self.home.parent / "scans"
        write(self.scans.history, folder / "digits" / "history" / "scans.parquet")
        write(self.scans.archive, folder / "archive" / "scans.parquet")
        self.hl("data", "commit", "digits-archive", str(folder / "archive"), "--message", "scans of the first days")
        committed = self.hl(
            "data", "commit", "digits", str(folder / "digits"), "--message", "half of the scans", "--json"
        )
        version = json.loads(committed)
        return f"digits@{version['id']}, {version['row_count']} rows"

    def first_turn(self) -> str:
        self.hl("apply", "loop.py")
        turn = json.loads(self.hl("run", "digits", "--json"))
        _expect(turn["state"] == "PROMOTED", f"the first turn ended {turn['state']}: {turn['result']}")
        report = self.get(f"/gates/digits/{turn['model_version']}")
        return f"digits/1 is champion, accuracy {report['evidence']['metrics']['accuracy']:.3f}"

    def serve(self) -> str:
        assert self.traffic is not None
        self.traffic.start()

        def calm() -> bool:
            monitors = self.client.items("/monitors", dict[str, Any])
            states = [[window["severity"] for window in monitor["windows"]] for monitor in monitors]
            return all("ok" in severities or "info" in severities for severities in states)

        self.until("a calm window of every monitor", calm)
        return f"{self.traffic.sent} requests, {self.traffic.labelled} labels, every monitor is calm"

    def age(self) -> str:
        assert self.traffic is not None
        self.traffic.old_scanner = True
        drift = self.until("the drift alert", lambda: self.alert("drift"))
        worst = drift["findings"][0]
        sizes = f"{worst['window_count']} rows against {worst['reference_count']}"
        return (
            f"{drift['deployment']}!{drift['number']} on the inputs: {len(drift['findings'])} columns, worst "
            f"{worst['column']} psi {worst['value']:.2f}, {sizes}"
        )

    def suffer(self) -> str:
        alert = self.until("the performance alert", lambda: self.alert("performance"))
        return f"{alert['deployment']}!{alert['number']}: {alert['summary']}, {alert['findings'][0]['detail']}"

    def retrain(self) -> str:
        turn = self.until("the second turn", lambda: self._ended(2))
        _expect(turn["state"] == "PROMOTED", f"turn 2 ended {turn['state']}: {turn['result']}")
        _expect(turn["cause"]["kind"] == "alert", f"turn 2 was caused by {turn['cause']}")
        steps = self.client.items(f"/pipeline-runs/{turn['pipeline_run']}/why", dict[str, Any])
        cached = [step["step"] for step in steps if step["state"] == "CACHED"]
        _expect(cached == ["acceptance"], f"cached steps were {cached}")
        comparison = self.get("/gates/digits/2")["evidence"]["comparisons"][0]
        _expect(comparison["difference"] > 0, f"the candidate did not beat the champion: {comparison}")
        return (
            f"accuracy {comparison['champion']:.2f} → {comparison['candidate']:.2f} on {comparison['row_count']} "
            f"held-out rows of both kinds; cached: {', '.join(cached)}; 10 → 50 → 100 %"
        )

    def _ended(self, number: int) -> dict[str, Any] | None:
        turn = self.turn(number)
        return turn if turn and turn["finished_at"] else None

    def recover(self) -> str:
        def quiet() -> bool:
            return not self.client.items("/alerts", dict[str, Any], deployment="digits", state="firing")

        self.until("the end of every alert", quiet)
        assert self.traffic is not None
        _expect(self.traffic.failed == 0, f"{self.traffic.failed} requests failed: {self.traffic.first_failure}")
        requests = f"0 of {self.traffic.sent} requests failed"
        return f"every alert is resolved, live accuracy {self.traffic.accuracy:.0%}, {requests}"

    def bad_candidate(self) -> str:
        """Train on shuffled labels and register the result by hand, with the stock client alone."""
        script = HERE / "shuffled.py"
        addresses = dict.fromkeys(("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"), self.client.url)
        environment = {**os.environ, **addresses, "GIT_PYTHON_REFRESH": "quiet"}
        done = subprocess.run(
            [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120
        )
        _expect(done.returncode == 0, done.stderr[-800:])
        turn = self.until("the gate's verdict", lambda: self._ended(3))
        _expect(turn["state"] == "REJECTED", f"turn 3 is {turn['state']}: {turn['result']}")
        verdicts = self.get("/gates/digits/3")["verdicts"]
        return "digits/3 stopped: " + "; ".join(
            verdict["reason"] for verdict in verdicts if verdict["outcome"] == "fail"
        )

    def waive(self) -> str:
        report = self.get("/gates/digits/3")
        for verdict in report["verdicts"]:
            if verdict["outcome"] not in ("pass", "waived"):
                check = verdict["check"]
                name = f"{check['kind']}:{check['metric']}" if check["metric"] else check["kind"]
                reason = "to see the guard at work on live traffic"
                self.hl("gate", "waive", "digits/3", name, "--by", PERSON, "--reason", reason)
        turn = self.until("the rollback", lambda: (self.turn(3) or {}).get("state") == "ROLLED_BACK" and self.turn(3))
        assert self.traffic is not None
        _expect(self.traffic.failed == 0, f"{self.traffic.failed} requests failed: {self.traffic.first_failure}")
        return f"waived by {PERSON}; rolled back by itself: {turn['result']}"

    def why(self) -> str:
        assert self.traffic is not None
        prediction = self.traffic.last_prediction["2"]
        explanation = self.until("the prediction in the log", lambda: self._why(prediction))
        _expect(explanation["version"]["model"] == "digits", "no version")
        _expect(
            bool(explanation["run"] and explanation["code"] and explanation["environment"] and explanation["datasets"]),
            "a link is missing",
        )
        _expect(bool(explanation["report"]["verdicts"]), "no verdicts")
        data = next(iter(explanation["datasets"].values()))
        return f"{prediction[:8]}… ← digits/{explanation['version']['number']} ← {explanation['turn']} ← {data}"

    def _why(self, prediction: str) -> dict[str, Any] | None:
        try:
            explanation: dict[str, Any] = json.loads(self.hl("why", prediction, "--json"))
            return explanation
        except Unexpected:
            return None

    def roll_back(self) -> str:
        assert self.traffic is not None
        first = self.hl("rollback", "digits", "--reason", "to show that it is instant").strip()
        before = self.traffic.by_version["1"]
        self.until("traffic on the previous version", lambda: self.traffic.by_version["1"] > before + 20)  # type: ignore[union-attr]
        second = self.hl("rollback", "digits", "--reason", "and back").strip()
        before = self.traffic.by_version["2"]
        self.until("traffic back on the new version", lambda: self.traffic.by_version["2"] > before + 20)  # type: ignore[union-attr]
        _expect(self.traffic.failed == 0, f"{self.traffic.failed} requests failed: {self.traffic.first_failure}")
        return f"{first}, then {second}; 0 of {self.traffic.sent} requests failed"

    def audit(self) -> str:
        return self.hl("audit", "verify").strip()

    def run(self, legs: int | None = None) -> None:
        """Run the story, or its first `legs` legs."""
        story = (
            ("start server, worker and gateway", self.start),
            ("commit the data", self.commit),
            ("first turn: train, gate, deploy", self.first_turn),
            ("traffic of a healthy scanner", self.serve),
            ("the scanner ages: drift", self.age),
            ("labels come in: performance", self.suffer),
            ("second turn by itself", self.retrain),
            ("the alerts resolve", self.recover),
            ("a bad candidate by hand", self.bad_candidate),
            ("the gate is waived, the guard is not", self.waive),
            ("one prediction, all the way back", self.why),
            ("instant rollback, and back", self.roll_back),
            ("the audit trail", self.audit),
        )
        for name, act in story[:legs]:
            self.leg(name, act)

    def turn_table(self) -> Table:
        table = Table(title="Turns", title_justify="left", header_style="bold", box=None, pad_edge=False)
        for column in ("turn", "cause", "legs", "verdicts", "result"):
            table.add_column(column, overflow="fold")
        for turn in reversed(self.client.items("/turns", dict[str, Any], loop="digits")):
            table.add_row(
                f"{turn['loop']}~{turn['number']}",
                turn["cause"]["sentence"],
                "\n".join(f"{leg['name']} {_seconds(leg)}" for leg in turn["legs"]),
                self._verdicts(turn["model_version"]),
                f"{turn['state']}: {turn['result']}",
            )
        return table

    def _verdicts(self, number: int) -> str:
        if not number:
            return ""
        verdicts = self.get(f"/gates/digits/{number}")["verdicts"]
        lines = []
        for verdict in verdicts:
            check = verdict["check"]
            name = f"{check['kind']}:{check['metric']}" if check["metric"] else check["kind"]
            lines.append(f"{name} {verdict['outcome']}")
        return "\n".join(lines)

    def stop(self) -> None:
        if self.traffic is not None and self.traffic.sent:
            self.traffic.stop()
        if self.supervisor is not None and self.supervisor.poll() is None:
            self.supervisor.terminate()
            self.supervisor.wait(40)


def _seconds(leg: dict[str, Any]) -> str:
    if not leg["finished_at"]:
        return "…"
    ended, began = (datetime.fromisoformat(leg[name]) for name in ("finished_at", "started_at"))
    return f"{(ended - began).total_seconds():.1f} s"


def _expect(holds: object, why: str) -> None:
    if not holds:
        raise Unexpected(why)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--exit", action="store_true", help="end by itself, with status 0 if all came out as the story says"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(".demo"), help="where the demo keeps everything (made anew)"
    )
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    home = arguments.folder.resolve() / "home"
    os.environ["HELICLINE_HOME"] = str(home)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    story, status, began = Story(home), 0, time.monotonic()
    try:
        if story.console.is_terminal:
            with Live(story, console=story.console, refresh_per_second=8):
                story.run()
        else:
            story.run()
        story.console.print()
        story.console.print(story.turn_table())
        story.console.print(f"\nall legs came out as the story says, in {time.monotonic() - began:.0f} s")
        story.console.print(f"web UI: [bold]{story.client.url}[/]")
        if not arguments.exit:
            story.console.print("traffic goes on; Ctrl-C stops everything")
            signal.pause()
    except Unexpected as error:
        story.console.print(f"\n[red]not as the story says[/] in leg {story.now!r}: {escape(str(error))}")
        story.console.print(f"logs: {home / 'logs'}")
        status = 1
    except KeyboardInterrupt:
        pass
    finally:
        story.stop()
    return status


__all__ = ["PIXELS", "Story", "main"]

if __name__ == "__main__":
    sys.exit(main())

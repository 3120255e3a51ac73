"""A server whose power is cut loses nothing that it acknowledged, whatever the disk had not yet been told to keep."""

import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from support.acknowledged_writes import Writers
from support.power_cut import FATES, NOTHING_LOST, Disk, Fate, Journal, Kind, contents
from support.server_process import ForkedServer
from support.wait import wait_for

CUTS = int(os.environ.get("HELICLINE_CUTS", "10"))
LOAD_S = 1.5 + CUTS / 50
HERE = Path(__file__).parent


class Witness(Writers):
    """Writers that note each acknowledgement in the journal, between the steps of the server."""

    def __init__(self, server, journal):
        super().__init__(server)
        self.journal = journal

    def remember(self, name, value):
        super().remember(name, value)
        self.journal.mark(name)

    def count(self):
        return sum(map(len, self.acknowledged.values()))

    def least(self):
        """Return how many writes the slowest kind of writer has acknowledged."""
        return min(len(self.acknowledged[name]) for name in self.kinds())

    def until(self, marks, server):
        """Return writers that remember no more than what was acknowledged when `marks` had been set."""
        past = Writers(server)
        past.run_id = self.run_id
        past.acknowledged = {name: values[: marks[name]] for name, values in self.acknowledged.items()}
        return past


class Outage:
    """One server under load with a journal of its disk; then any number of power cuts, each at some moment of it."""

    def __init__(self, folder, program, *, fail_one_in=0, seed=7):
        self.folder, self.chance = folder, random.Random(seed)
        self.journal = Journal(folder, fail_one_in=fail_one_in)
        server = ForkedServer(self.journal.root / "home", HERE / program, **self.journal.environment)
        server.log = folder / "watched.log"
        self.witness = Witness(server, self.journal)
        try:
            server.start()
            self.journal.mark("ready")
            self.token = (server.home / "owner.token").read_bytes()
            self.witness.begin()
            if fail_one_in:
                self.journal.fail()
                self._load(9 * fail_one_in)
                self.journal.heal()
            time.sleep(LOAD_S / 2)  # the writers load the server; the length of the load is the setting
            server.kill(signal.SIGTERM)  # a clean end, so that the log is folded into the database and begun anew
            server.start()
            time.sleep(LOAD_S / 2)  # the same load on the second log
            wait_for(lambda: self.witness.least() > 5, "some writes of every kind", limit_s=60)  # machines are busy
        finally:
            server.stop()
            self.witness.end()
        self.disk = Disk(self.journal)
        self.after = ForkedServer(folder / "after" / "home", HERE / "fork_server.py")
        self.after.log = folder / "after.log"

    def _load(self, least):
        """Let the writers go on for a while, and until so many more things are acknowledged: machines are busy."""
        enough, began = self.witness.count() + least, time.monotonic()
        while (past := time.monotonic() - began) < LOAD_S or (past < 40 and self.witness.count() < enough):
            time.sleep(0.05)  # how often the two conditions of this bounded loop are looked at

    def moments(self, count):
        """Half of them right after an acknowledgement, when most is at stake; the others at any step."""
        records = self.disk.records
        marks = [record.at + 1 for record in records if record.kind is Kind.MARK]
        after_acknowledgements = self.chance.sample(marks, min(count // 2, len(marks)))
        return sorted(
            after_acknowledgements + self.chance.sample(range(len(records)), count - len(after_acknowledgements))
        )

    def cut(self, moment, fate):
        """Return what is wrong after a power cut at that step, by name."""
        self.disk.play(moment)
        self.disk.rebuild(self.after.home.parent, Fate(self.chance, **FATES[fate]))
        try:
            self.after.start()
            return self._wrong()
        finally:
            if self.after.pid:
                self.after.kill()

    def _wrong(self):
        marks = self.disk.marks
        past = self.witness.until(marks, self.after)
        lost = past.lost() if marks["run"] else {}
        with past.client() as client:
            if not client.get("/api/v1/audit").json()["ok"]:
                lost["audit"] = ["broken"]
        with sqlite3.connect(self.after.home / "meta.db") as connection:
            if (verdict := connection.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                lost["database"] = [verdict]
        token = (self.after.home / "owner.token").read_bytes()
        if not token or (marks["ready"] and token != self.token):
            lost["owner.token"] = [token]
        return lost

    def at_the_end(self):
        """Return the disk as the journal has it at its end, with nothing lost."""
        self.disk.play(len(self.disk.records))
        self.disk.rebuild(self.folder / "whole", Fate(self.chance, **NOTHING_LOST))
        return contents(self.folder / "whole")

    def cuts(self, count):
        """Yield (moment, fate, what is wrong) of `count` power cuts."""
        for at, moment in enumerate(self.moments(count)):
            fate = list(FATES)[at % len(FATES)]
            yield moment, fate, self.cut(moment, fate)


@pytest.fixture
def outage(tmp_path):
    outages = []

    def begin(program, **more):
        outages.append(Outage(tmp_path / str(len(outages)), program, **more))
        return outages[-1]

    yield begin
    for opened in outages:
        opened.after.stop()


def test_nothing_acknowledged_is_lost_in_a_power_cut(outage):
    dark = outage("fork_server.py")
    wrong = {(moment, fate): problems for moment, fate, problems in dark.cuts(CUTS) if problems}
    assert wrong == {}
    assert dark.at_the_end() == contents(dark.journal.root)
    assert dark.witness.least() > 5


def test_nothing_acknowledged_is_lost_when_a_bad_disk_loses_its_power(outage):
    """One step in fifty fails; what a failed fsync was to keep is gone, even where a later one succeeds."""
    dark = outage("fork_server.py", fail_one_in=50)
    assert sum(record.kind is Kind.SYNC_FAILED for record in dark.disk.records) > 3
    wrong = {(moment, fate): problems for moment, fate, problems in dark.cuts(CUTS // 2) if problems}
    assert wrong == {}
    assert dark.witness.least() > 5


@pytest.mark.parametrize("program", ["unsynced_server.py", "early_server.py", "nameless_server.py"])
def test_a_power_cut_shows_a_server_that_does_not_wait_for_its_disk(outage, program):
    assert any(problems for _, _, problems in outage(program).cuts(CUTS))

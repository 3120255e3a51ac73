"""The power is cut at every single step of small programs: what they were told is kept is there, whole and once."""

import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from blake3 import blake3

from helicline.access.tokens import owner_token
from helicline.gateway.log_sealer import seal_all
from helicline.serving.prediction_log.files import listed
from helicline.serving.prediction_log.merge import Merger
from helicline.serving.prediction_log.segment import close_leftovers
from helicline.store.blobs import LocalBlobs
from support.power_cut import FATES, Disk, Fate, Journal, contents

FIRST_LABEL = datetime.fromtimestamp(10**9, UTC)
PROGRAM = Path(__file__).with_name("small_writers.py")


@pytest.fixture
def steps(tmp_path):
    """Return what each power cut in a program left, a cut at a time: (what it was told is kept, the home)."""

    def run(name, *, sync_ms=0, times=1):
        journal = Journal(tmp_path, sync_ms=sync_ms, fail_one_in=1)
        environment = {
            **os.environ,
            **journal.environment,
            "PYTHONPATH": os.pathsep.join([str(PROGRAM.parents[1]), *sys.path]),
        }
        command = [sys.executable, str(PROGRAM), name, str(journal.root / "home")]
        subprocess.run(command, env=environment, check=True, timeout=60)
        disk = Disk(journal)
        for moment in range(len(disk.records) + 1):
            disk.play(moment)
            for at, fate in enumerate([*FATES.values()] * times):
                disk.rebuild(tmp_path / "after", Fate(random.Random(moment + at), **fate))
                yield list(disk.marks), tmp_path / "after" / "home"

    return run


def blobs_lost(acknowledged, home):
    if acknowledged:
        LocalBlobs(home / "blobs")  # a server that starts
    paths = [home / "blobs" / digest[:2] / digest for digest in acknowledged]
    return [path.name for path in paths if not path.is_file() or blake3(path.read_bytes()).hexdigest() != path.name]


@pytest.mark.parametrize(
    "program",
    ["blobs", "blob_that_another_writes", "blob_of_a_killed_writer", "blob_whose_folder_failed", "blob_that_is_spared"],
)
def test_a_blob_is_kept_once_its_digest_is_told(steps, program):
    losses = [(acknowledged, blobs_lost(acknowledged, home)) for acknowledged, home in steps(program, sync_ms=20)]
    assert [lost for _, lost in losses if lost] == []
    assert losses[-1][0]


def test_the_owner_token_is_never_empty_and_stays_what_it_was(steps):
    tokens = [(acknowledged, owner_token(home)) for acknowledged, home in steps("owner")]
    assert [token for acknowledged, token in tokens if len(token) != 46 or acknowledged not in ([], [token])] == []
    assert tokens[-1][0]


def labels(home):
    """Return the prediction ids of the labels after a restart, as often as they are there."""
    close_leftovers(home / "log")
    seal_all(home)
    return listed_labels(home)


def listed_labels(home):
    """Return the prediction ids of the labels in the files that readers list."""
    paths = [str(file.path) for file in listed(home, "labels", deployment="churn")]
    if not paths:
        return []
    rows = duckdb.execute("SELECT prediction_id FROM read_parquet($1)", [paths]).fetchall()
    return [prediction_id for (prediction_id,) in rows]


def test_acknowledged_feedback_is_there_once(steps):
    states = [(acknowledged, labels(home)) for acknowledged, home in steps("feedback")]
    assert [
        (acknowledged, stored)
        for acknowledged, stored in states
        if any(stored.count(prediction_id) != 1 for prediction_id in acknowledged)
    ] == []
    assert sorted(states[-1][0]) == ["p0", "p1", "p2", "p3"]


def test_labels_are_there_once_at_every_step_of_their_merges(steps):
    """Read where the cut left them, after a restart, and after the merges were made anew."""
    losses = []
    for acknowledged, home in steps("merged_feedback"):
        if any(listed_labels(home).count(prediction_id) > 1 for prediction_id in acknowledged):
            losses.append((acknowledged, "twice before the restart"))
        states = [labels(home)]
        merger = Merger(home)
        for hours in (4, 48, 49):
            merger.run(FIRST_LABEL + timedelta(hours=hours))
            states.append(listed_labels(home))
        losses += [
            (acknowledged, state)
            for state in states
            if any(state.count(prediction_id) != 1 for prediction_id in acknowledged)
        ]
    assert losses == []
    assert [path.name for path in home.glob("tables/**/*.*") if not path.name.startswith(".")] == [
        file.path.name for file in listed(home, "labels", deployment="churn")
    ]


def test_labels_that_are_dropped_never_come_back_in_part_or_twice(steps):
    """While the day's file goes, all of it is there or nothing, whatever of its parts is still on the disk."""
    every_label, states = ["p0", "p1", "p2", "p3"], []
    for acknowledged, home in steps("dropped_feedback"):
        state = sorted(labels(home))
        if acknowledged[:4] == every_label:
            states.append(state)
    assert [state for state in states if state not in (every_label, [])] == []
    assert states[-1] == []


def test_feedback_survives_the_failed_sync_of_what_came_before_it(steps):
    states = [(acknowledged, labels(home)) for acknowledged, home in steps("feedback_on_a_bad_disk", sync_ms=20)]
    assert [
        (acknowledged, stored)
        for acknowledged, stored in states
        if any(stored.count(prediction_id) != 1 for prediction_id in acknowledged)
    ] == []
    assert sorted(states[-1][0]) == ["p0", "p10", "p2", "p4", "p6", "p8"]


def test_model_files_are_whole_where_their_folder_is(steps):
    homes = (home for _, home in steps("model_files", times=20))
    folders = (folder for home in homes for folder in (home / "models").glob("[!.]*"))
    states = [contents(folder) for folder in folders if folder.is_dir()]
    complete = {"MLmodel": b"blob 0 " * 200, "data/weights.bin": b"blob 1 " * 200}
    assert states
    assert [state for state in states if state != complete] == []

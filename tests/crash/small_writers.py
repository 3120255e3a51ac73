"""Programs that write one kind of thing, for a journal of a few steps: the power can then be cut at each of them.

Each takes the home and marks in the journal what it was told is kept.
"""

import asyncio
import contextlib
import os
import sys
import tarfile
import threading
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import count
from pathlib import Path

import httpx
from blake3 import blake3

from helicline.access.tokens import owner_token
from helicline.content_hash import content_digest
from helicline.errors import Unavailable
from helicline.gateway.fleet import archive
from helicline.gateway.log_sealer import seal_all
from helicline.gateway.prediction_log import PredictionLog
from helicline.records.deployment import RevisionSpec
from helicline.serving.prediction_log.files import listed
from helicline.serving.prediction_log.merge import Merger, remove
from helicline.serving.prediction_log.segment import Label
from helicline.store.blobs import LocalBlobs
from support.power_cut import mark


def acknowledge(word):
    mark(Path(os.environ["DISK_JOURNAL"]), word)


def content(at):
    return b"blob %d " % at * 200


def blobs(home):
    store = LocalBlobs(home / "blobs")
    for at in range(4):
        digest, _ = store.put([content(at)])
        acknowledge(digest)


def blob_that_another_writes(home):
    """Who asks for a blob finds what its writer has not yet made sure, in a folder where all else is."""
    store = LocalBlobs(home / "blobs")
    digest = blake3(content(0)).hexdigest()
    store.put([neighbour(digest)])
    writer = threading.Thread(target=store.put, args=([content(0)],))
    writer.start()
    while not store.has(digest):
        pass
    acknowledge(digest)
    writer.join()


def blob_whose_folder_failed(home):
    """Its bytes are kept and its name is set, but the sync of the name fails; then it is sent again."""
    store, failing = LocalBlobs(home / "blobs"), Path(os.environ["DISK_FAILING"])
    digest = blake3(content(0)).hexdigest()
    store.put([neighbour(digest)])
    writer = threading.Thread(target=refused, args=(store,))
    writer.start()
    while not store.path(digest).is_file():
        pass
    failing.touch()
    writer.join()
    failing.unlink()
    store.put([content(0)])
    acknowledge(digest)


def blob_that_is_spared(home):
    """It is to go, but somebody asked for it in its last moment; meanwhile others make the folder's names sure."""
    store, digest = LocalBlobs(home / "blobs"), blake3(content(0)).hexdigest()
    store.put([content(0)])
    acknowledge(digest)
    other_writer = threading.Thread(target=store.put, args=([neighbour(digest)],))
    other_writer.start()
    for _ in range(20):
        store.discard(digest, datetime.now(UTC) - timedelta(days=1))
    other_writer.join()


def refused(store):
    with contextlib.suppress(Unavailable):
        store.put([content(0)])


def neighbour(digest):
    """Return what lies in the same folder as the digest."""
    return next(content(at) for at in count(1) if blake3(content(at)).hexdigest()[:2] == digest[:2])


def blob_of_a_killed_writer(home):
    """What a killed process has renamed, but not made sure, is sent again to the next one."""
    target = LocalBlobs(home / "blobs").path(blake3(content(0)).hexdigest())
    target.parent.mkdir()
    with target.open("wb") as out:
        out.write(content(0))
        out.flush()
        os.fsync(out.fileno())
    digest, _ = LocalBlobs(home / "blobs").put([content(0)])
    acknowledge(digest)


def owner(home):
    acknowledge(owner_token(home))


def feedback(home):
    """Two labels a segment, and the segments sealed in between."""
    prediction_log = PredictionLog(home, seal_s=1000)
    for at in range(4):
        asyncio.run(prediction_log.append_labels([label(f"p{at}")]))
        acknowledge(f"p{at}")
        if at % 2:
            prediction_log.rotate()
            seal_all(home)


def merged_feedback(home):
    """Feedback of two hours, and the merges of its files: to hours, to a day; then what they replaced goes."""
    sealed_feedback(home)
    merger = Merger(home)
    for hours in (4, 48, 49):
        merger.run(FIRST_LABEL + timedelta(hours=hours))


def dropped_feedback(home):
    """The same, but the day is dropped for its age while what it replaced is still there."""
    sealed_feedback(home)
    merger = Merger(home)
    for hours in (4, 48):
        merger.run(FIRST_LABEL + timedelta(hours=hours))
    remove(listed(home, "labels", deployment="churn"), FIRST_LABEL + timedelta(hours=99))
    acknowledge("dropped")


def sealed_feedback(home):
    prediction_log = PredictionLog(home, seal_s=1000)
    for at in range(4):
        hour_us = (at // 2) * 3_600_000_000
        asyncio.run(prediction_log.append_labels([label(f"p{at}", received_us=10**15 + hour_us + at)]))
        acknowledge(f"p{at}")
        prediction_log.rotate()
        seal_all(home)


def feedback_on_a_bad_disk(home):
    """Every other label's sync fails, after its bytes were written: the one that comes next must not hang on it."""
    asyncio.run(in_turn(home, Path(os.environ["DISK_FAILING"])))


async def in_turn(home, failing):
    prediction_log = PredictionLog(home, seal_s=1000)
    for at in range(12):
        before = size_of(home / "log")
        keeping = asyncio.create_task(prediction_log.append_labels([label(f"p{at}")]))
        while size_of(home / "log") == before:  # noqa: ASYNC110 - the growth of a file is no event
            await asyncio.sleep(0)  # lets the task run
        if at % 2:
            failing.touch()
        with contextlib.suppress(OSError):
            await keeping
            acknowledge(f"p{at}")
        failing.unlink(missing_ok=True)


def size_of(folder):
    return sum(path.stat().st_size for path in folder.glob("*"))


def label(prediction_id, received_us=10**15):
    return Label("churn", prediction_id, 0, "left", "yes", 10**15, received_us, "test")


FIRST_LABEL = datetime.fromtimestamp(10**9, UTC)


MODEL_FILES = ("MLmodel", "data/weights.bin")
MODEL_DIGEST = content_digest((name, blake3(content(at)).hexdigest()) for at, name in enumerate(MODEL_FILES))


def model_files(home):
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for at, name in enumerate(MODEL_FILES):
            member = tarfile.TarInfo(name)
            member.size = len(content(at))
            tar.addfile(member, BytesIO(content(at)))
    answers = httpx.MockTransport(lambda _: httpx.Response(200, content=packed.getvalue()))
    order = RevisionSpec(
        deployment="churn", revision=1, model="m", model_version=1, digest=MODEL_DIGEST, archive_path="/a"
    )

    async def fetch():
        async with httpx.AsyncClient(transport=answers, base_url="http://server") as client:
            await archive.fetch(client, order, models=home / "models")

    asyncio.run(fetch())


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))

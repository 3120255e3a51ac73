"""What was deleted goes for good, and nothing that something lives on."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import obstore
import pytest

from helicline import bus, evaluation, registry, trace, tracking
from helicline.data import versions
from helicline.errors import Conflict, Invalid, NotFound
from helicline.loop.context import Context
from helicline.loop.trash import empty as trash
from helicline.loop.trash import unused
from helicline.loop.trash.find import Selection
from helicline.records.dataset import FileEntry
from helicline.records.run import MetricPoint
from helicline.settings import Settings
from helicline.store.blobs import LocalBlobs, open_blobs
from helicline.store.database import Store
from helicline.store.rows import event
from helicline.store.uploads import PartUploads
from support.s3_bucket import backdate, bucket

NOW = timedelta(0)


@pytest.fixture
def house(store: Store, blobs: LocalBlobs, tmp_path: Path) -> Context:
    return Context(store, blobs, Settings(home=str(tmp_path)))


def a_run(house: Context, content: bytes, experiment: str = "0") -> str:
    """Return a run with a metric, a parameter, a dataset and a file."""
    digest, size = house.blobs.put([content])

    def unit(tx) -> str:
        run = tracking.create_run(tx, experiment, tags={"a": "b"})
        point = MetricPoint(key="auc", value=0.5, timestamp_ms=1)
        tracking.log_batch(tx, run.run_id, metrics=[point], params={"lr": "1"})
        tracking.put_artifact(tx, f"{experiment}/{run.run_id}/artifacts/model/weights", hash=digest, size=size)
        return run.run_id

    return house.store.write(unit)


def emptied(house: Context, **selection) -> trash.Emptied:
    write = lambda unit: house.store.write(unit, actor="ann")  # noqa: E731
    return trash.empty(house, Selection(**selection), write, grace=NOW)


def delete(house: Context, run_id: str) -> None:
    house.store.write(lambda tx: tracking.delete_run(tx, run_id))


def blob_contents(house: Context) -> set[bytes]:
    """Return the content of every blob that is there."""
    return {path.read_bytes() for path in house.blobs.folder.glob("??/*")}


def rows_about(house: Context, word: str) -> dict[str, int]:
    """Return how many rows of each table name the word, but for events."""
    from helicline.store.noun import metadata

    def view(tx) -> dict[str, int]:
        counts = {}
        for table in metadata.sorted_tables:
            rows = [row for row in tx.execute(table.select()) if any(word in str(value) for value in row)]
            counts |= {table.name: len(rows)} if rows else {}
        return counts

    return {name: count for name, count in house.store.read(view).items() if name != "event"}


def test_a_deleted_run_goes_with_its_rows_and_bytes(house: Context):
    living, doomed = a_run(house, b"kept"), a_run(house, b"doomed")
    assert {"run", "series", "run_tag", "run_param", "artifact"} <= rows_about(house, doomed).keys()
    delete(house, doomed)
    done = emptied(house)
    assert (done.run_count, done.blob_count, done.freed_bytes, done.remaining) == (1, 1, 6, ())
    assert rows_about(house, doomed) == {}
    assert blob_contents(house) == {b"kept"}
    assert house.store.read(lambda tx: tracking.get_run(tx, living)).metrics[0].value == 0.5


def test_it_is_told_before_and_done_after(house: Context):
    doomed = a_run(house, b"doomed")
    delete(house, doomed)
    preview = trash.look(house, Selection(), grace=NOW)
    assert blob_contents(house) == {b"doomed"}
    done = emptied(house)
    assert preview.dry_run
    assert (preview.run_count, preview.blob_count, preview.freed_bytes) == (
        done.run_count,
        done.blob_count,
        done.freed_bytes,
    )


def test_what_went_stands_in_the_audit_chain(house: Context):
    doomed = a_run(house, b"doomed")
    delete(house, doomed)
    emptied(house)
    entries = house.store.read(
        lambda tx: [(entry.verb, entry.noun, entry.id, entry.actor) for entry in event.latest(tx, limit=2)]
    )
    assert entries == [("swept", "blobs", "unused", "ann"), ("purged", "run", doomed, "ann")]
    assert house.store.read(bus.verify) > 0


def test_bytes_that_two_share_stay_for_the_other(house: Context):
    a_run(house, b"same")
    delete(house, a_run(house, b"same"))
    done = emptied(house)
    assert (done.run_count, done.blob_count) == (1, 0)
    assert blob_contents(house) == {b"same"}


def test_what_a_version_comes_from_stays_until_the_version_goes(house: Context):
    run_id = a_run(house, b"weights")

    def register(tx) -> None:
        registry.create_model(tx, "churn")
        registry.register(tx, "churn", source=f"runs:/{run_id}/model")

    house.store.write(register)
    delete(house, run_id)
    (stays,) = emptied(house).remaining
    assert (stays.noun, stays.id, stays.why) == ("run", run_id, "churn/1 comes from it")
    assert blob_contents(house) == {b"weights"}
    house.store.write(lambda tx: registry.delete_version(tx, "churn", 1))
    done = emptied(house)
    assert (done.run_count, done.model_version_count, done.remaining) == (1, 1, ())
    assert blob_contents(house) == set()


def test_a_deleted_logged_model_goes(house: Context):
    run_id = a_run(house, b"run")
    digest, size = house.blobs.put([b"model"])

    def log(tx) -> str:
        model = tracking.create_logged_model(tx, "0", name="m", run_id=run_id, facts=({"p": "1"}, {"t": "1"}))
        tracking.put_artifact(tx, f"0/models/{model.model_id}/artifacts/MLmodel", hash=digest, size=size)
        tracking.delete_logged_model(tx, model.model_id)
        return model.model_id

    model_id = house.store.write(log)
    assert emptied(house).logged_model_count == 1
    assert rows_about(house, model_id) == {}
    assert blob_contents(house) == {b"run"}


def test_a_deleted_experiment_goes_with_all_that_is_in_it(house: Context):
    name = house.store.write(lambda tx: tracking.create_experiment(tx, "old")).experiment_id
    runs = [a_run(house, content, name) for content in (b"one", b"two")]

    def fill(tx) -> None:
        evaluation.register_scorer(tx, name, "s", "{}")
        for number in range(3):
            place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": name}}
            trace.put_trace(
                tx, {"trace_id": f"tr-{number}", "trace_location": place, "request_time": "2026-01-01T00:00:00Z"}
            )
        tracking.delete_experiment(tx, name)

    house.store.write(fill)
    done = emptied(house)
    assert (done.experiment_count, done.run_count, done.trace_count, done.blob_count) == (1, 2, 3, 2)
    with pytest.raises(NotFound):
        house.store.read(lambda tx: tracking.get_experiment(tx, name))
    assert [rows_about(house, word) for word in (*runs, "tr-1")] == [{}, {}, {}]
    assert house.store.write(lambda tx: tracking.create_experiment(tx, "old")).name == "old"


def test_an_experiment_stays_while_one_of_its_runs_must(house: Context):
    name = house.store.write(lambda tx: tracking.create_experiment(tx, "old")).experiment_id
    run_id = a_run(house, b"one", name)

    def register(tx) -> None:
        registry.create_model(tx, "churn")
        registry.register(tx, "churn", source=f"runs:/{run_id}/model")
        tracking.delete_experiment(tx, name)

    house.store.write(register)
    assert [(item.noun, item.id) for item in emptied(house).remaining] == [("run", run_id), ("experiment", name)]
    house.store.write(lambda tx: tracking.restore_experiment(tx, name))
    assert house.store.read(lambda tx: tracking.get_run(tx, run_id)).lifecycle == "active"


def test_only_what_is_old_enough_goes(timed: Store, blobs: LocalBlobs, tmp_path: Path, clock):
    house = Context(timed, blobs, Settings(home=str(tmp_path)))
    old, young = a_run(house, b"old"), a_run(house, b"young")
    delete(house, old)
    clock.advance(3 * 86400)
    delete(house, young)
    assert trash.look(house, Selection(older_than=timedelta(days=4))).run_count == 0
    assert emptied(house, older_than=timedelta(days=2)).run_count == 1
    assert house.store.read(lambda tx: tracking.get_run(tx, young)).lifecycle == "deleted"


def test_runs_by_name_go_alone_and_only_when_deleted(house: Context):
    first, second, living = (a_run(house, content) for content in (b"1", b"2", b"3"))
    delete(house, first)
    delete(house, second)
    with pytest.raises(Invalid, match="only what is deleted"):
        emptied(house, run_ids=(first, living))
    with pytest.raises(NotFound):
        emptied(house, run_ids=("0" * 32,))
    assert emptied(house, run_ids=(first,)).run_count == 1
    assert house.store.read(lambda tx: tracking.get_run(tx, second)).lifecycle == "deleted"


def test_a_run_that_came_back_meanwhile_stays(house: Context):
    run_id = a_run(house, b"1")
    delete(house, run_id)

    def write(unit):
        house.store.write(lambda tx: tracking.restore_run(tx, run_id))
        return house.store.write(unit)

    assert trash.empty(house, Selection(), write, grace=NOW).run_count == 0
    assert blob_contents(house) == {b"1"}


def test_the_default_experiment_stays(house: Context):
    house.store.write(lambda tx: tracking.delete_experiment(tx, "0"))
    assert [item.why for item in emptied(house).remaining] == ["it is the default one"]


def test_bytes_of_dataset_versions_stay(house: Context):
    digest, size = house.blobs.put([b"rows"])
    prepared = versions.prepare(house.blobs, [FileEntry("a.txt", size, digest)])
    house.store.write(lambda tx: versions.commit(tx, "d", prepared))
    house.blobs.put([b"nobody's"])
    before = blob_contents(house)
    assert emptied(house).blob_count == 1
    assert before - blob_contents(house) == {b"nobody's"}


def test_where_a_manifest_is_lost_no_byte_goes(house: Context):
    digest, size = house.blobs.put([b"rows"])
    prepared = versions.prepare(house.blobs, [FileEntry("a.txt", size, digest)])
    house.store.write(lambda tx: versions.commit(tx, "d", prepared))
    house.blobs.discard(prepared.root_hash, house.store.clock.now() + timedelta(hours=1))
    with pytest.raises(NotFound):
        emptied(house)
    assert b"rows" in blob_contents(house)


def test_what_was_used_lately_stays(house: Context):
    digest, _ = house.blobs.put([b"fresh"])
    assert unused.blobs(house, house.store.clock.now() - trash.GRACE) == []
    _age(house)
    assert unused.blobs(house, house.store.clock.now() - trash.GRACE) == [(digest, 5)]
    assert house.blobs.has(digest)
    assert unused.blobs(house, house.store.clock.now() - trash.GRACE) == []


def _age(house: Context, seconds: float = 90_000) -> None:
    for path in house.blobs.folder.glob("*/*"):
        os.utime(path, (path.stat().st_atime - seconds, path.stat().st_mtime - seconds))


def test_what_a_cut_off_upload_left_goes(house: Context):
    (house.blobs.folder / "tmp" / "half").write_bytes(b"12345")
    _age(house)
    write = house.store.write
    assert trash.empty(house, Selection(), write).freed_bytes == 5


def test_bytes_that_come_again_while_they_are_swept_are_there_afterwards(house: Context):
    contents = [f"{number}".encode() for number in range(300)]
    for content in contents:
        house.blobs.put([content])
    _age(house)
    since = house.store.clock.now() - trash.GRACE
    begin = threading.Barrier(3)

    def sweep() -> None:
        begin.wait()
        for digest, _ in list(house.blobs.unused(since)):
            house.blobs.discard(digest, since)

    def put() -> None:
        begin.wait()
        for content in contents:
            house.blobs.put([content])

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(act) for act in (sweep, put, put)]:
            done.result()
    assert blob_contents(house) == set(contents)


def test_one_at_a_time(house: Context):
    def write(unit):
        with pytest.raises(Conflict, match="already"):
            trash.empty(house, Selection(), house.store.write)
        return house.store.write(unit)

    delete(house, a_run(house, b"1"))
    assert trash.empty(house, Selection(), write, grace=NOW).run_count == 1


@pytest.mark.parametrize("units", range(4))
def test_what_was_cut_off_is_finished_the_next_time(house: Context, units: int):
    name = house.store.write(lambda tx: tracking.create_experiment(tx, "old")).experiment_id
    delete(house, a_run(house, b"alone"))
    a_run(house, b"inside", name)
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": name}}
    house.store.write(lambda tx: trace.put_trace(tx, {"trace_id": "tr-1", "trace_location": place}))
    house.store.write(lambda tx: tracking.delete_experiment(tx, name))
    remaining = iter(range(units))

    def cut_off(unit):
        next(remaining)
        return house.store.write(unit)

    with pytest.raises(StopIteration):
        trash.empty(house, Selection(), cut_off, grace=NOW)
    assert emptied(house).remaining == ()
    assert trash.look(house, Selection(), grace=NOW) == trash.Emptied(dry_run=True)
    assert blob_contents(house) == set()
    assert house.store.read(bus.verify) > 0


def test_a_bucket_is_swept_too(store: Store, tmp_path: Path):
    with bucket() as url:
        house = Context(store, open_blobs(url, tmp_path), Settings(home=str(tmp_path)))
        living, doomed = a_run(house, b"kept"), a_run(house, b"doomed")
        delete(house, doomed)
        backdate(url, 2)
        PartUploads(house.blobs).begin("x", 1)
        obstore.put(house.blobs.store, "uploads/" + "a" * 32 + "/00001", b"12345")
        assert trash.empty(house, Selection(), store.write).freed_bytes == 6
        backdate(url, 2)
        assert trash.empty(house, Selection(), store.write).freed_bytes > 5
        paths = [entry["path"] for page in obstore.list(house.blobs.store) for entry in page]
        (file,) = store.read(lambda tx: tracking.artifact_files(tx, f"0/{living}"))
        assert paths == [f"blobs/{file.hash[:2]}/{file.hash}"]

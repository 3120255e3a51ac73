"""`hl backup` and `hl restore` as a person runs them, and homes of released versions in today's code."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from helicline import bus
from helicline.cli.doctor import examine
from helicline.store import durable
from helicline.store.backup import restore, write_backup
from helicline.store.blobs import open_blobs
from helicline.store.database import Store
from helicline.store.migrations import HEAD, revision_of
from support.live_server import make_context, running_server
from support.s3_bucket import bucket_of

HOMES = Path(__file__).parents[2] / "homes"


@pytest.fixture
def home(tmp_path):
    """A home with a run, an artifact and the keys."""
    context = make_context(tmp_path / "home")
    with running_server(context) as http:
        run = http.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
        http.put(f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/notes.txt", content=b"kept").raise_for_status()
        http.post("/api/v1/tokens", json={"name": "shop", "scopes": ["metrics"]}).raise_for_status()
    return tmp_path / "home"


def hl(home, *arguments, **environ):
    environment = {**os.environ, "HELICLINE_HOME": str(home), **environ}
    command = [sys.executable, "-m", "helicline.cli.app", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home.parent, timeout=120)


def test_a_home_is_backed_up_and_restored_with_its_keys_apart(home, tmp_path):
    archive, keys, new = tmp_path / "backup.tar", tmp_path / "apart" / "keys.json", tmp_path / "new"
    done = hl(home, "backup", str(archive), "--keys", str(keys))
    assert done.returncode == 0, done.stderr
    assert (home / "secrets.key").read_bytes() not in archive.read_bytes()
    assert keys.stat().st_mode & 0o077 == 0
    restored = hl(new, "restore", str(archive), "--keys", str(keys))
    assert restored.returncode == 0, restored.stderr
    assert (new / "secrets.key").read_text() == (home / "secrets.key").read_text()
    assert b"kept" in {path.read_bytes() for path in (new / "blobs").rglob("*") if path.is_file()}
    again = hl(new, "restore", str(archive))
    assert (again.returncode, "already" in again.stderr) == (1, True)


def test_only_an_earlier_backup_is_written_over(home, tmp_path):
    archive, keys = tmp_path / "backup.tar", tmp_path / "keys.json"
    for _ in range(2):
        assert hl(home, "backup", str(archive), "--keys", str(keys)).returncode == 0
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    for arguments in ([str(thesis)], [str(archive), "--keys", str(thesis)], [str(tmp_path)]):
        refused = hl(home, "backup", *arguments)
        assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert thesis.read_text() == "years of work"


@pytest.fixture(params=["folder", "S3"])
def bucket_url(request, tmp_path):
    with bucket_of(request.param, tmp_path) as url:
        yield url


def test_a_bucket_takes_a_backup_and_the_doctor_says_when_the_last_was(home, tmp_path, bucket_url):
    place = f"{bucket_url}/backup.tar"
    assert hl(home, "backup", place).returncode == 0
    assert hl(tmp_path / "new", "restore", place).returncode == 0
    from helicline.settings import Settings

    findings = {finding.what: finding.detail for finding in examine(Settings(home=str(home)))}
    assert findings["last backup"].endswith(place)
    never = {finding.what: finding.detail for finding in examine(Settings(home=str(tmp_path / "nowhere")))}
    assert never["last backup"].startswith("never")


def notes_below(folder):
    return {path.read_bytes() for path in folder.rglob("*") if path.is_file()} & {b"kept"}


@pytest.mark.parametrize("bucket_url", ["S3"], indirect=True)
def test_blobs_in_a_bucket_are_copied_with_the_flag_only(home, tmp_path, bucket_url):
    source = open_blobs("", home)
    digests = [digest for digest, _ in source.unused(datetime.now(UTC) + timedelta(days=1))]
    target = open_blobs(bucket_url, tmp_path / "cache")
    for digest in digests:
        target.put(source.read(digest))
    shutil.rmtree(home / "blobs")
    short, long = str(tmp_path / "short.tar"), str(tmp_path / "long.tar")
    done = hl(home, "backup", short, HELICLINE_BLOBS=bucket_url)
    assert "--with-bucket" in done.stdout, done.stderr
    assert hl(home, "backup", long, "--with-bucket", HELICLINE_BLOBS=bucket_url).returncode == 0
    without, complete = hl(tmp_path / "without", "restore", short), hl(tmp_path / "complete", "restore", long)
    assert (without.returncode, complete.returncode) == (0, 0), without.stderr + complete.stderr
    assert ("set HELICLINE_BLOBS" in without.stdout, "HELICLINE_BLOBS" in complete.stdout) == (True, False)
    assert not notes_below(tmp_path / "without")
    assert notes_below(tmp_path / "complete" / "blobs")


def test_blobs_in_another_folder_are_in_the_backup(home, tmp_path):
    shutil.move(home / "blobs", tmp_path / "elsewhere")
    assert hl(home, "backup", str(tmp_path / "b.tar"), HELICLINE_BLOBS=str(tmp_path / "elsewhere")).returncode == 0
    assert hl(tmp_path / "new", "restore", str(tmp_path / "b.tar")).returncode == 0
    assert notes_below(tmp_path / "new" / "blobs")


class Watched(io.BytesIO):
    """A target of a backup that keeps, at each write, whether files of the log could be merged."""

    def __init__(self, home):
        super().__init__()
        self.lock, self.was_free = home / "tables" / durable.MERGE_LOCK, []

    def write(self, content):
        with durable.lock(self.lock) as is_free:
            self.was_free.append(is_free)
        return super().write(content)


def test_the_files_of_the_log_are_not_merged_while_a_backup_copies_them(tmp_path):
    context = make_context(tmp_path / "home")
    table = context.home / "tables" / "labels"
    table.mkdir(parents=True)
    (table / "rows.parquet").write_bytes(b"x" * 100_000)
    target = Watched(context.home)
    write_backup(context.store, context.home, target, version="test")
    assert target.was_free[0]
    assert False in target.was_free
    with durable.lock(target.lock) as is_free:
        assert is_free


@pytest.mark.parametrize("release", sorted(path.stem for path in HOMES.glob("*.tar")))
def test_the_home_of_a_released_version_opens_in_todays_code(release, tmp_path):
    store = Store(f"sqlite:///{tmp_path}/meta.db")
    with (HOMES / f"{release}.tar").open("rb") as source:
        manifest = restore(store, tmp_path, source)
    assert manifest.version == release
    assert store.read(lambda tx: revision_of(tx.connection)) == HEAD
    assert store.read(bus.verify) == manifest.tables["event"] > 0
    store.close()


def test_there_is_a_home_of_the_first_version():
    assert (HOMES / "0.1.0.tar").is_file()

"""The environment of a step: what is installed is read once, and again where it has changed."""

import importlib.metadata
import os

import pytest

from helicline.sdk import environment
from helicline.sdk.environment import capture, environment_parts


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of packages on the path, with one in it."""
    install(tmp_path, "1.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(folder, version, name="Thing"):
    info = folder / f"{name}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def listed_packages():
    return [package for package in environment_parts()[2] if package.startswith(("thing==", "other=="))]


@pytest.fixture
def reads(monkeypatch):
    """The folders whose packages were read."""
    folders, distributions = [], importlib.metadata.distributions

    def note(*, path):
        folders.extend(path)
        return distributions(path=path)

    monkeypatch.setattr(importlib.metadata, "distributions", note)
    return folders


def test_the_packages_are_those_that_importlib_finds(folder):
    installed = {f"{row.metadata['Name'].lower()}=={row.version}" for row in importlib.metadata.distributions()}
    assert environment_parts()[2] == tuple(sorted(installed))


def test_what_has_not_changed_is_not_read_again(folder, reads):
    first = capture()
    reads.clear()
    assert (capture(), reads) == (first, [])


def test_a_forked_process_reads_nothing_again(folder, reads):
    environment_parts()
    reads.clear()
    pid = os.fork()
    if pid == 0:
        environment_parts()
        os._exit(len(reads))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_what_is_installed_upgraded_in_place_or_removed_is_seen(folder, reads):
    before = capture()
    assert listed_packages() == ["thing==1.0"]
    install(folder, "1.0.1")
    assert listed_packages() == ["thing==1.0.1"]
    install(folder, "2", name="Other")
    assert (listed_packages(), capture().hash == before.hash) == (["other==2", "thing==1.0.1"], False)
    (folder / "Other.dist-info" / "METADATA").unlink()
    (folder / "Other.dist-info").rmdir()
    install(folder, "1.0")
    assert (listed_packages(), capture().hash) == (["thing==1.0"], before.hash)
    assert set(reads) >= {str(folder)}


def test_a_folder_that_is_not_there_has_no_packages(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "none"))
    assert environment._packages_in(str(tmp_path / "none")) == frozenset()

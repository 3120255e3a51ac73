"""Which files of a folder become a version: plain ones, and nothing that leads elsewhere or never ends."""

import os
import socket

import pytest

from helicline.errors import Invalid
from helicline.sdk.local_files import local_files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret").write_text("not to be sent")
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    (data / "rows.csv").write_text("a,b")
    (data / "deep" / "more.csv").write_text("c")
    return data


def names(folder):
    return [entry.path for entry, _ in local_files(folder)]


ELSEWHERE = {
    "a link to a file": lambda folder: (folder / "l").symlink_to(folder.parent / "secret"),
    "a link to a folder": lambda folder: (folder / "l").symlink_to(folder.parent),
    "a link to itself": lambda folder: (folder / "l").symlink_to("l"),
    "a loop of folders": lambda folder: (folder / "deep" / "l").symlink_to(folder),
    "a link to nothing": lambda folder: (folder / "l").symlink_to("gone"),
    "a pipe that nobody fills": lambda folder: os.mkfifo(folder / "l"),
    "a socket": lambda folder: socket.socket(socket.AF_UNIX).bind(str(folder / "l")),
}
HIDDEN = {
    "a hidden file": lambda folder: (folder / ".env").write_text("TOKEN=x"),
    "a file in a hidden folder": lambda folder: ((folder / ".git").mkdir(), (folder / ".git" / "c").write_text("x")),
    "a hidden link": lambda folder: (folder / ".link").symlink_to("/etc"),
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_what_leads_elsewhere_or_never_ends_is_refused_by_name(folder, kind):
    ELSEWHERE[kind](folder)
    with pytest.raises(Invalid, match=r"/l(, a symlink to|')"):
        local_files(folder)


@pytest.mark.parametrize("kind", HIDDEN)
def test_what_is_hidden_stays_out(folder, kind):
    HIDDEN[kind](folder)
    assert names(folder) == ["deep/more.csv", "rows.csv"]


def test_a_link_to_a_file_of_the_folder_is_followed(folder):
    (folder / "deep" / "again.csv").symlink_to("../rows.csv")
    entries = dict((entry.path, entry.size) for entry, _ in local_files(folder))
    assert entries == {"deep/again.csv": 3, "deep/more.csv": 1, "rows.csv": 3}


def test_names_are_kept_as_they_are_or_refused_with_the_reason(folder):
    (folder / "u\u0308.csv").write_text("nfd")
    assert "u\u0308.csv" in names(folder)
    (folder / os.fsdecode(b"b\xe4d.csv")).write_text("latin-1")
    with pytest.raises(Invalid, match=r"b.+xe4d\.csv'?, allowed: names in UTF-8"):
        local_files(folder)


def test_a_pipe_given_as_the_source_is_refused(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(Invalid, match="a file or a folder"):
        local_files(folder / "pipe")

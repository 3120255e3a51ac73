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


ODD = {
    "a link to a file": lambda folder: (folder / "l").symlink_to(folder.parent / "secret"),
    "a link to a folder": lambda folder: (folder / "l").symlink_to(folder.parent),
    "a link to itself": lambda folder: (folder / "l").symlink_to("l"),
    "a loop of folders": lambda folder: (folder / "deep" / "l").symlink_to(folder),
    "a link to nothing": lambda folder: (folder / "l").symlink_to("gone"),
    "a pipe that nobody fills": lambda folder: os.mkfifo(folder / "pipe"),
    "a socket": lambda folder: socket.socket(socket.AF_UNIX).bind(str(folder / "s")),
    "a hidden file": lambda folder: (folder / ".env").write_text("TOKEN=x"),
    "a file in a hidden folder": lambda folder: ((folder / ".git").mkdir(), (folder / ".git" / "c").write_text("x")),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_plain_file_is_left_out(folder, kind):
    ODD[kind](folder)
    assert names(folder) == ["deep/more.csv", "rows.csv"]


def test_a_pipe_given_as_the_source_is_refused(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(Invalid, match="a file or a folder"):
        local_files(folder / "pipe")

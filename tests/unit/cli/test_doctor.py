"""What `hl doctor` says of a disk and a home that take nothing: a sentence each, with the next step."""

import errno
import os
from collections import namedtuple

import pytest

from helicline.cli import doctor

Usage = namedtuple("Usage", "total used free")
Status = namedtuple("Status", "f_files f_favail")


@pytest.mark.parametrize(
    ("number", "detail", "step"),
    [
        (errno.ENOSPC, "takes no file: its disk is full", "Free some space"),
        (errno.EDQUOT, "the quota of its user is used up", "Free some space"),
        (errno.EROFS, "its file system is read-only", "remount,rw"),
        (errno.EACCES, f"user id {os.geteuid()} may not write there", "owner of the home"),
        (errno.EIO, os.strerror(errno.EIO), "dmesg"),
    ],
)
def test_a_home_that_takes_no_file_says_why_and_what_to_do(tmp_path, number, detail, step):
    def refuse(_):
        raise OSError(number, os.strerror(number))

    finding = doctor._home(tmp_path, probe=refuse)
    assert (finding.ok, detail in finding.detail, step in finding.next_step) == (False, True, True)


def test_a_home_that_takes_files_is_as_it_was_after_the_look(tmp_path):
    assert doctor._home(tmp_path).ok
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_home_is_said(tmp_path):
    (tmp_path / "home").write_text("")
    finding = doctor._home(tmp_path / "home")
    assert (finding.ok, finding.detail) == (False, f"{tmp_path / 'home'} is no folder")


@pytest.mark.parametrize(
    ("free", "inodes", "detail"),
    [
        (0, 5, "is full: predictions are answered, and every write is refused"),
        (5 << 30, 0, "has no room for another file, though 5.0 GiB are free"),
        (1 << 29, 5, "0.5 GiB free at"),
    ],
)
def test_a_full_disk_says_so(tmp_path, monkeypatch, free, inodes, detail):
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(10 << 30, 0, free))
    monkeypatch.setattr("os.statvfs", lambda _: Status(10, inodes))
    finding = doctor._disk(tmp_path)
    assert (finding.ok, detail in finding.detail, "hl gc --dry-run" in finding.next_step) == (False, True, True)

import io
import tarfile

import pytest

from helicline.errors import Invalid
from helicline.gateway.fleet.archive import read_mlmodel, unpack


def packed(tmp_path, *members):
    path = tmp_path / "model.tar"
    with tarfile.open(path, "w") as archive:
        for name, content, kind in (("MLmodel", b"flavors: {}", tarfile.REGTYPE), *members):
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))
    return path


def test_plain_files_and_folders_are_unpacked(tmp_path):
    unpack(packed(tmp_path, ("./code/a.py", b"x = 1", tarfile.REGTYPE)), tmp_path / "out")
    assert (tmp_path / "out" / "code" / "a.py").read_bytes() == b"x = 1"
    assert read_mlmodel(tmp_path / "out") == {"flavors": {}}


@pytest.mark.parametrize("name", ["../outside", "/absolute", "a/../../b", "a\\..\\b"])
def test_a_path_that_leads_outside_is_refused(tmp_path, name):
    with pytest.raises(Invalid, match="relative path"):
        unpack(packed(tmp_path, (name, b"x", tarfile.REGTYPE)), tmp_path / "out")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    with pytest.raises(Invalid):
        unpack(packed(tmp_path, ("odd", b"", kind)), tmp_path / "out")


def test_what_is_not_a_tar_or_not_a_model_is_refused(tmp_path):
    (tmp_path / "junk").write_bytes(b"junk" * 500)
    with pytest.raises(Invalid):
        unpack(tmp_path / "junk", tmp_path / "out")
    tarfile.open(tmp_path / "empty.tar", "w").close()
    with pytest.raises(Invalid, match="MLmodel"):
        unpack(tmp_path / "empty.tar", tmp_path / "other")


def test_an_mlmodel_with_python_objects_is_refused(tmp_path):
    (tmp_path / "MLmodel").write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(Invalid):
        read_mlmodel(tmp_path)


def tar_of(path, *members):
    """A tar of members as they are given: (what makes its head, content)."""
    with tarfile.open(path, "w") as archive:
        for more, content in (({"name": "MLmodel"}, b"flavors: {}"), *members):
            info = tarfile.TarInfo()
            info.size = len(content)
            for name, value in more.items():
                setattr(info, name, value)
            archive.addfile(info, io.BytesIO(content))
    return path


SPARSE = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "s", "GNU.sparse.size": "50000000"}
SPARSE |= {"GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,1"}
ODD = {
    "a link, then a file through it": [
        ({"name": "d", "type": tarfile.SYMTYPE, "linkname": "/tmp"}, b""),
        ({"name": "d/x"}, b"x"),
    ],
    "a hard link to a file outside": [({"name": "h", "type": tarfile.LNKTYPE, "linkname": "../../x"}, b"")],
    "a big file that is all holes": [({"name": "s", "pax_headers": SPARSE}, b"x")],
    "a file, then a file below it": [({"name": "a"}, b"x"), ({"name": "a/b"}, b"y")],
    "a folder, then a file in its place": [({"name": "a", "type": tarfile.DIRTYPE}, b""), ({"name": "a"}, b"y")],
    "a name twice": [({"name": "a"}, b"first"), ({"name": "a"}, b"second")],
    "a name that is too long": [({"name": "x" * 300}, b"x")],
}


@pytest.mark.parametrize("case", ODD)
def test_what_an_honest_archive_does_not_hold_is_refused(tmp_path, case):
    with pytest.raises(Invalid):
        unpack(tar_of(tmp_path / "model.tar", *ODD[case]), tmp_path / "out")
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 100_000


def test_an_archive_that_ends_too_soon_is_refused(tmp_path):
    complete = tar_of(tmp_path / "model.tar", ({"name": "weights"}, b"x" * 5000))
    complete.write_bytes(complete.read_bytes()[:4000])
    with pytest.raises(Invalid):
        unpack(complete, tmp_path / "out")


def test_modes_and_owners_of_an_archive_do_not_count(tmp_path):
    unpack(tar_of(tmp_path / "model.tar", ({"name": "run", "mode": 0o6777, "uid": 1}, b"x")), tmp_path / "out")
    status = (tmp_path / "out" / "run").stat()
    assert (status.st_mode & 0o7111, status.st_uid) == (0, (tmp_path / "out").stat().st_uid)

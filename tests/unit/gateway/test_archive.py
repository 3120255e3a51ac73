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

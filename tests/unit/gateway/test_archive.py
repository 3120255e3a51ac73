import asyncio
import io
import tarfile

import httpx
import pytest
from blake3 import blake3

from helicline.content_hash import content_digest
from helicline.errors import Invalid
from helicline.gateway.fleet import archive
from helicline.gateway.fleet.archive import read_mlmodel, unpack
from helicline.records.deployment import RevisionSpec


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


MODEL = {"MLmodel": b"flavors: {}", "data/weights.bin": b"\x01\x02"}


def archive_of(files):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return content.getvalue()


def digest_of(files):
    return content_digest((name, blake3(body).hexdigest()) for name, body in files.items())


def fetched(models, files, digest):
    """Fetch a model whose server sends `files`; return its folder and how often the server was asked."""
    requested = []

    def answer(request):
        requested.append(request.url.path)
        return httpx.Response(200, content=archive_of(files))

    async def fetch():
        order = RevisionSpec(deployment="d", revision=1, model="m", model_version=1, digest=digest, archive_path="/a")
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://server") as client:
            return await archive.fetch(client, order, models=models)

    return asyncio.run(fetch()), len(requested)


def test_files_that_are_not_those_that_were_registered_are_never_loaded(tmp_path):
    changed = MODEL | {"data/weights.bin": b"\x66"}
    with pytest.raises(Invalid, match="that was registered"):
        fetched(tmp_path / "models", changed, digest_of(MODEL))
    assert [path.name for path in (tmp_path / "models").iterdir()] == []


def test_files_that_are_here_are_checked_and_not_fetched_again(tmp_path):
    folder, _ = fetched(tmp_path / "models", MODEL, digest_of(MODEL))
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "code.pyc").write_bytes(b"a worker leaves this")
    assert fetched(tmp_path / "models", MODEL, digest_of(MODEL)) == (folder, 0)


@pytest.mark.parametrize("harm", ["changed", "gone", "list"])
def test_files_that_have_changed_here_are_fetched_again(tmp_path, harm):
    folder, _ = fetched(tmp_path / "models", MODEL, digest_of(MODEL))
    weights, listed = folder / "data" / "weights.bin", folder.with_name(f"{folder.name}.files.json")
    if harm == "changed":
        weights.write_bytes(b"evil")
    elif harm == "gone":
        weights.unlink()
    else:
        listed.write_bytes(b"[]")
    assert fetched(tmp_path / "models", MODEL, digest_of(MODEL)) == (folder, 1)
    assert weights.read_bytes() == MODEL["data/weights.bin"]


def test_a_folder_of_an_earlier_release_is_taken_where_it_is_right(tmp_path):
    folder, _ = fetched(tmp_path / "models", MODEL, digest_of(MODEL))
    folder.with_name(f"{folder.name}.files.json").unlink()
    assert fetched(tmp_path / "models", MODEL, digest_of(MODEL)) == (folder, 0)

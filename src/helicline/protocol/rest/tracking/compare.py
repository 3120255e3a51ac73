"""The difference of the artifacts of two runs, over HTTP."""

from __future__ import annotations

import msgspec
from litestar import get

from helicline.errors import Invalid, NotFound
from helicline.protocol.rest.edge import Edge
from helicline.protocol.rest.tracking.artifacts import first_bytes
from helicline.records.model import ArtifactFile
from helicline.store.unit import Reader
from helicline.tracking.browse import files
from helicline.tracking.browse.preview import MAX_TEXT_BYTES, preview


class TextDiff(msgspec.Struct, frozen=True, kw_only=True):
    """A unified diff, line by line."""

    path: str
    lines: list[str]


@get("/runs/diff", sync_to_thread=True)
def diff_files(edge: Edge, before: str, after: str) -> files.FilesDiff:
    """Which files of two runs differ by content."""
    return edge.read(lambda tx: files.diff_runs(tx, before, after))


@get("/runs/diff/text", sync_to_thread=True)
def diff_text(edge: Edge, before: str, after: str, path: str) -> TextDiff:
    """How a text file differs between two runs; a run without the file counts as empty."""
    texts = [_text(edge, run_id, path) for run_id in (before, after)]
    if texts == [None, None]:
        raise NotFound("artifact", path, "Neither of the two runs has it.")
    return TextDiff(path=path, lines=files.diff_text(texts[0] or "", texts[1] or ""))


def _text(edge: Edge, run_id: str, path: str) -> str | None:
    def find(tx: Reader) -> ArtifactFile | None:
        try:
            return files.file_of(tx, run_id, path)
        except NotFound:
            files.root_of(tx, run_id)  # raises NotFound where the run itself does not exist
            return None

    file = edge.read(find)
    return None if file is None else text_of(edge, file)


def text_of(edge: Edge, file: ArtifactFile) -> str:
    """Return the text of a file. Raises Invalid where it is not text, or too long to compare."""
    if file.size > MAX_TEXT_BYTES:
        raise Invalid("path", file.path, f"text of at most {MAX_TEXT_BYTES >> 20} MB")
    text_preview = preview("x.txt", first_bytes(edge, file, MAX_TEXT_BYTES), size=file.size)
    if text_preview.kind != "text":
        raise Invalid("path", file.path, "a text file")
    return text_preview.text


ROUTES = [diff_files, diff_text]

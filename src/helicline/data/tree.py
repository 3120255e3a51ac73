"""The manifest of a file tree: sorted shards below one root, so that equal trees have equal hashes (note 0003).

Format 1. A shard is zstd-compressed JSON lines ``["path", size, "blake3"]`` sorted by path; it ends after a path
whose hash (its first 4 bytes as a fraction of 2^32) is below 1/4096, so an edit changes one shard and all others stay
shared. The root is JSON:
format, totals and ``[first, last, count, shard]``. An entry may get a fourth element (chunks of a large file)
without a new format.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import zstandard
from blake3 import blake3

from helicline.errors import Invalid
from helicline.records.dataset import FileEntry, TreeDiff
from helicline.store.blobs import Blobs

FORMAT = 1
MEAN_SHARD_LENGTH = 4096
MAX_PATH = 1024


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """The root of a tree."""

    format: int
    file_count: int
    byte_count: int
    shards: tuple[tuple[str, str, int, str], ...]


def checked_path(path: str) -> str:
    """Return `path`. Raises Invalid where it could leave the tree's root on some system.

    Raises:
        Invalid: empty, absolute, with '..', '\\', control characters, a drive, or not in normal form.
    """
    allowed = "a relative path of plain names joined by '/'"
    if not path or len(path) > MAX_PATH or path != unicodedata.normalize("NFC", path):
        raise Invalid("path", path, allowed)
    if any(ord(character) < 32 or character in "\\:\x7f" or 0xD800 <= ord(character) < 0xE000 for character in path):
        raise Invalid("path", ascii(path), allowed)
    if any(part in ("", ".", "..") or part.endswith((" ", ".")) for part in path.split("/")):
        raise Invalid("path", path, allowed)
    return path


def checked_entries(entries: Iterable[FileEntry]) -> list[FileEntry]:
    """Return the entries sorted by path. Raises Invalid for an invalid path or size, or a repeated path."""
    ordered = sorted(entries, key=lambda entry: entry.path)
    folded: set[str] = set()
    for entry in ordered:
        checked_path(entry.path)
        if entry.size < 0:
            raise Invalid(entry.path, entry.size, "a size of 0 or more")
        if entry.path.casefold() in folded:
            raise Invalid("path", entry.path, "each path once, also where letters differ only in case")
        folded.add(entry.path.casefold())
    return ordered


def write_tree(blobs: Blobs, entries: Sequence[FileEntry]) -> str:
    """Store the shards and the root of sorted `entries`; return the root's hash, which identifies the tree."""
    shards = []
    for group in _split(entries):
        lines = b"\n".join(msgspec.json.encode(entry) for entry in group)
        digest, _ = blobs.put([zstandard.ZstdCompressor(level=3).compress(lines)])
        shards.append((group[0].path, group[-1].path, len(group), digest))
    total = sum(entry.size for entry in entries)
    root = Root(format=FORMAT, file_count=len(entries), byte_count=total, shards=tuple(shards))
    digest, _ = blobs.put([msgspec.json.encode(root)])
    return digest


def _split(entries: Sequence[FileEntry]) -> Iterator[list[FileEntry]]:
    group: list[FileEntry] = []
    for entry in entries:
        group.append(entry)
        if int.from_bytes(blake3(entry.path.encode()).digest()[:4], "big") < (1 << 32) // MEAN_SHARD_LENGTH:
            yield group
            group = []
    if group:
        yield group


def read_root(blobs: Blobs, root_hash: str) -> Root:
    """Return the root of a tree."""
    root = msgspec.json.decode(b"".join(blobs.read(root_hash)), type=Root)
    if root.format != FORMAT:
        raise Invalid("tree format", root.format, f"format {FORMAT}", "Upgrade Helicline to read this tree.")
    return root


def read_shard(blobs: Blobs, shard: str) -> list[FileEntry]:
    lines = zstandard.ZstdDecompressor().decompress(b"".join(blobs.read(shard)), max_output_size=1 << 30)
    return [msgspec.json.decode(line, type=FileEntry) for line in lines.split(b"\n")]


def read_tree(blobs: Blobs, root_hash: str) -> list[FileEntry]:
    """Return every entry of a tree, sorted by path."""
    return [entry for *_, shard in read_root(blobs, root_hash).shards for entry in read_shard(blobs, shard)]


def find_entry(blobs: Blobs, root_hash: str, path: str) -> FileEntry | None:
    """Return the file of a tree at `path`, None where there is none; one shard is read."""
    for first, last, _, shard in read_root(blobs, root_hash).shards:
        if first <= path <= last:
            return next((entry for entry in read_shard(blobs, shard) if entry.path == path), None)
    return None


def diff(blobs: Blobs, before: str, after: str) -> TreeDiff:
    """Return the difference of two trees; shards in both are not read."""
    old_root, new_root = read_root(blobs, before), read_root(blobs, after)
    shared = {shard[3] for shard in old_root.shards} & {shard[3] for shard in new_root.shards}
    old = {
        entry.path: entry for *_, shard in old_root.shards if shard not in shared for entry in read_shard(blobs, shard)
    }
    new = {
        entry.path: entry for *_, shard in new_root.shards if shard not in shared for entry in read_shard(blobs, shard)
    }
    return TreeDiff(
        added=tuple(new[path] for path in sorted(new.keys() - old.keys())),
        removed=tuple(old[path] for path in sorted(old.keys() - new.keys())),
        changed=tuple(
            (old[path], new[path]) for path in sorted(old.keys() & new.keys()) if old[path].hash != new[path].hash
        ),
    )

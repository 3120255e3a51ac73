"""Blobs that nothing names any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from helicline.data import tree
from helicline.loop.context import Context
from helicline.store import nouns
from helicline.store.blobs import BucketBlobs
from helicline.store.rows import trash as trash_rows
from helicline.store.uploads import remove_abandoned


def blobs(context: Context, since: datetime, *, without: Sequence[str] = ()) -> list[tuple[str, int]]:
    """Return digest and size of each blob that no record names and nobody used since then.

    Records are asked after the blobs: what is named in between was used in between. Artifacts below the folders
    `without` count as gone.
    """
    unused = list(context.blobs.unused(since))
    named, versions = context.store.read(
        lambda tx: (set(trash_rows.named_digests(tx, without=without)), nouns.DATASET_VERSIONS.select(tx))
    )
    for version in versions:
        named.update((*_tree(context, version.root_hash), version.table))
    return [(digest, size) for digest, size in unused if digest not in named]


def _tree(context: Context, root: str) -> Iterator[str]:
    """Yield every blob of a dataset version. Raises NotFound where its manifest is gone: then nothing is removed."""
    yield root
    for *_, shard in tree.read_root(context.blobs, root).shards:
        yield shard
        yield from (entry.hash for entry in tree.read_shard(context.blobs, shard))


def remove_blobs(context: Context, now: datetime, since: datetime) -> Counter[str]:
    """Remove the blobs that nothing names and what uploads left; return how many blobs and bytes went."""
    freed: Counter[str] = Counter()
    for digest, size in blobs(context, since):
        if context.blobs.discard(digest, since):
            freed += Counter(blob=1, byte=size)
    freed["byte"] += context.blobs.tidy(since)
    if isinstance(context.blobs, BucketBlobs):
        freed["byte"] += remove_abandoned(context.blobs.store, now)
    return freed

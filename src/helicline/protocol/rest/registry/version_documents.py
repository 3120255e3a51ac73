"""A version's card, its lineage, and its difference to another version, over HTTP."""

from __future__ import annotations

import msgspec
from litestar import Response, get, post

from helicline import registry
from helicline.loop.walk.card import Card, read_card
from helicline.loop.walk.lineage import Lineage, lineage
from helicline.protocol.rest.edge import Edge
from helicline.protocol.rest.tracking.compare import TextDiff, text_of
from helicline.records.model import ArtifactFile
from helicline.registry.diff import VersionsDiff
from helicline.store.unit import Reader
from helicline.tracking.browse.files import diff_text


class CardBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Texts by field; an empty text deletes a field."""

    fields: dict[str, str]


@get("/models/{name:str}/versions/{number:int}/card", sync_to_thread=True)
def get_card(edge: Edge, name: str, number: int) -> Card:
    """A version's card: recorded facts, texts of people, and the fields that are still empty."""
    return edge.read(lambda tx: read_card(edge.context, tx, name, number))


@post("/models/{name:str}/versions/{number:int}/card", sync_to_thread=True, status_code=200)
def edit_card(edge: Edge, name: str, number: int, data: CardBody) -> Card:
    """Write fields of a version's card."""
    edge.write(lambda tx: registry.edit_card(tx, name, number, data.fields))
    return edge.read(lambda tx: read_card(edge.context, tx, name, number))


@get("/models/{name:str}/versions/{number:int}/card.md", sync_to_thread=True, media_type="text/markdown")
def download_card(edge: Edge, name: str, number: int) -> Response[bytes]:
    """The card as a Markdown document."""
    card = edge.read(lambda tx: read_card(edge.context, tx, name, number))
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(card.markdown.encode(), headers=headers)


@get("/models/{name:str}/diff", sync_to_thread=True)
def diff_versions(edge: Edge, name: str, before: int, after: int) -> VersionsDiff:
    """How two versions differ: signature, files, parameters, metrics."""
    return edge.read(lambda tx: registry.diff_versions(tx, edge.context.blobs, name, before=before, after=after))


@get("/models/{name:str}/diff/text", sync_to_thread=True)
def diff_file(edge: Edge, name: str, before: int, after: int, path: str) -> TextDiff:
    """How a text file differs between two versions; a version without the file counts as empty."""

    def find(tx: Reader, number: int) -> ArtifactFile | None:
        members = registry.files(tx, registry.get_version(tx, name, number))
        return next((file for file in members if file.path == path), None)

    members = edge.read(lambda tx: (find(tx, before), find(tx, after)))
    texts = [text_of(edge, file) if file else "" for file in members]
    return TextDiff(path=path, lines=diff_text(*texts))


@get("/lineage", sync_to_thread=True)
def get_lineage(edge: Edge, noun: str, id: str) -> Lineage:
    """The origins of a dataset version, run, model version or deployment, and its results."""
    return edge.read(lambda tx: lineage(tx, noun, id))


ROUTES = [get_card, edit_card, download_card, diff_versions, diff_file, get_lineage]

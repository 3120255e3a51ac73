"""The MLmodel file of a version, parsed as data: nothing in it is executed."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from helicline.errors import Invalid, NotFound
from helicline.records.model import ModelVersion, Signature
from helicline.registry.version import files
from helicline.store.blobs import Blobs
from helicline.store.unit import Reader

NAME = "MLmodel"
MAX_BYTES = 4 * 1024 * 1024


class _NoAliases(yaml.SafeLoader):
    """A YAML loader that rejects aliases, by which a small file can expand to a document of any size."""

    def compose_node(self, parent: Any, index: int) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise Invalid(NAME, "a YAML alias", "plain YAML")
        return super().compose_node(parent, index)


def read_mlmodel(tx: Reader, blobs: Blobs, version: ModelVersion) -> dict[str, Any]:
    """Return the MLmodel file as a dict. Raises NotFound where the version has none, Invalid where it is not YAML."""
    file = next((file for file in files(tx, version) if file.path == NAME), None)
    if file is None:
        raise NotFound("MLmodel file", version.id)
    if file.size > MAX_BYTES:
        raise Invalid(NAME, f"{file.size} bytes", f"at most {MAX_BYTES} bytes")
    return parse_mlmodel(b"".join(blobs.read(file.hash)))


def parse_mlmodel(content: bytes) -> dict[str, Any]:
    """Return the document. Raises Invalid where it is not a YAML mapping."""
    try:
        document = yaml.load(content, _NoAliases)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Invalid(NAME, str(error)[:200], "YAML") from None
    if not isinstance(document, dict):
        raise Invalid(NAME, type(document).__name__, "a YAML mapping")
    return document


def signature(document: dict[str, Any]) -> Signature:
    """Return the signature, which the document has as JSON strings; missing parts are empty."""
    section = document.get("signature") or {}
    if not isinstance(section, dict):
        raise Invalid("signature", type(section).__name__, "a mapping")
    return Signature(**{part: _columns(part, section.get(part)) for part in ("inputs", "outputs", "params")})


def _columns(part: str, text: Any) -> tuple[dict[str, Any], ...]:
    if not text:
        return ()
    try:
        return msgspec.json.decode(text, type=tuple[dict[str, Any], ...])
    except (msgspec.MsgspecError, TypeError, RecursionError) as error:
        raise Invalid(f"signature.{part}", str(text)[:200], str(error)) from None

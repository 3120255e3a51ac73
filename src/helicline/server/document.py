"""The OpenAPI document of our API, put right where the framework's does not say what is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute

from helicline.protocol.rest.errors import Problem
from helicline.records.dataset import FileEntry

_RAW_BODIES = (("put", "/api/v1/blobs"), ("post", "/api/v1/attempts/{attempt_id}/log"))
_IMAGE = "/api/v1/runs/{run_id}/artifacts/image"  # named here: said at its handler, it would be what is sent
_SCHEMAS = "#/components/schemas/"
_OUR_PROBLEMS = {
    "description": "What went wrong, and the next step",
    "content": {"application/problem+json": {"schema": {"$ref": f"{_SCHEMAS}Problem"}}},
}


def api_document(app: Litestar) -> dict[str, Any]:
    """Return the document, ready to be encoded."""
    document = app.openapi_schema.to_schema()
    # a file's entry is an array, where the framework takes every record for an object
    _, schemas = msgspec.json.schema_components([Problem, FileEntry], ref_template=_SCHEMAS + "{name}")
    document["components"]["schemas"].update(schemas)
    for method, path in _RAW_BODIES:
        document["paths"][path][method]["requestBody"] = {"content": {"application/octet-stream": {"schema": {}}}}
    response = document["paths"][_IMAGE]["get"]["responses"]["200"]
    response["content"] = {"image/*": next(iter(response["content"].values()))}
    for operation in (operation_entry for path in document["paths"].values() for operation_entry in path.values()):
        operation["responses"].pop("400", None)  # the framework's own form, which is never sent
        operation["responses"]["default"] = _OUR_PROBLEMS
    for path, method, body in _bodies(app):
        schema = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
        document["components"]["schemas"][schema["$ref"].removeprefix(_SCHEMAS)] |= _closed(body)
    _right_tuples(document)
    return document


def _bodies(app: Litestar) -> Iterator[tuple[str, str, type[msgspec.Struct]]]:
    """Yield path, method and record of every operation that takes one."""
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if handler.parsed_data_field is not None:
                for method in handler.http_methods:
                    yield route.path_format, method.lower(), handler.parsed_data_field.annotation


def _closed(body: type[msgspec.Struct]) -> dict[str, Any]:
    """Say that a record has no other fields, where others are refused."""
    return {"additionalProperties": False} if body.__struct_config__.forbid_unknown_fields else {}


def _right_tuples(part: Any) -> None:
    """Say what stands at each place of a tuple in the words of this version of the standard."""
    if isinstance(part, dict):
        places = part.get("items")
        if isinstance(places, list):
            part |= {"prefixItems": places, "items": False, "minItems": len(places), "maxItems": len(places)}
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _right_tuples(inner)

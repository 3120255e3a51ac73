"""The OpenAPI document of the REST API, corrected where the framework's document differs from what is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute

from helicline.protocol.rest.errors import Problem
from helicline.records.dataset import FileEntry

_RAW_BODIES = (("put", "/api/v1/blobs"), ("post", "/api/v1/attempts/{attempt_id}/log"))
# corrected here, because a media type at the handler would change the response
_IMAGE = "/api/v1/runs/{run_id}/artifacts/image"
_SCHEMAS = "#/components/schemas/"
_PROBLEM_RESPONSE = {
    "description": "What went wrong, and the next step",
    "content": {"application/problem+json": {"schema": {"$ref": f"{_SCHEMAS}Problem"}}},
}


def api_document(app: Litestar) -> dict[str, Any]:
    """Return the document, ready for encoding."""
    document = app.openapi_schema.to_schema()
    # a FileEntry is encoded as an array; the framework describes every record as an object
    _, schemas = msgspec.json.schema_components([Problem, FileEntry], ref_template=_SCHEMAS + "{name}")
    document["components"]["schemas"].update(schemas)
    for method, path in _RAW_BODIES:
        document["paths"][path][method]["requestBody"] = {"content": {"application/octet-stream": {"schema": {}}}}
    response = document["paths"][_IMAGE]["get"]["responses"]["200"]
    response["content"] = {"image/*": next(iter(response["content"].values()))}
    for operation in (entry for path in document["paths"].values() for entry in path.values()):
        operation["responses"].pop("400", None)  # the framework's error format, which this API never sends
        operation["responses"]["default"] = _PROBLEM_RESPONSE
    for path, method, body in _bodies(app):
        schema = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
        document["components"]["schemas"][schema["$ref"].removeprefix(_SCHEMAS)] |= _additional_properties(body)
    _fix_tuples(document)
    return document


def _bodies(app: Litestar) -> Iterator[tuple[str, str, type[msgspec.Struct]]]:
    """Yield path, method and record type of every operation with a request body."""
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if handler.parsed_data_field is not None:
                for method in handler.http_methods:
                    yield route.path_format, method.lower(), handler.parsed_data_field.annotation


def _additional_properties(body: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the schema part that forbids other fields, for a record that rejects them."""
    return {"additionalProperties": False} if body.__struct_config__.forbid_unknown_fields else {}


def _fix_tuples(part: Any) -> None:
    """Describe the elements of tuples in the keywords of OpenAPI 3.1."""
    if isinstance(part, dict):
        items = part.get("items")
        if isinstance(items, list):
            part |= {"prefixItems": items, "items": False, "minItems": len(items), "maxItems": len(items)}
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _fix_tuples(inner)

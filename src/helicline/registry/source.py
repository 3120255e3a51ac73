"""Sources of model versions: each is resolved to a folder of the artifact store, or rejected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn
from urllib.parse import urlsplit

import msgspec
from blake3 import blake3

from helicline import tracking
from helicline.content_hash import content_digest
from helicline.errors import Invalid, NotFound
from helicline.records.model import ArtifactFile, ModelVersion
from helicline.store.nouns import ALIASES, VERSIONS
from helicline.store.rows import logged_model as model_rows
from helicline.store.unit import Reader
from helicline.tracking.artifact import path_in_store
from helicline.tracking.checks import checked_path, checked_ref

EXTERNAL = frozenset({"s3", "s3a", "gs", "wasbs", "abfss", "adl", "hdfs", "dbfs", "http", "https"})
PROMPT_SOURCES = frozenset({"dummy-source", "prompt-template"})
MODEL_ID = re.compile(r"m-[0-9a-f]{32}")


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """A resolved source: `root` is empty where the files are in another store, or of another tracking server."""

    source: str
    root: str
    run_id: str = ""
    model_id: str = ""


def resolve(tx: Reader, source: str, *, run_id: str = "", model_id: str = "") -> Origin:
    """Return the resolved `source`.

    A named run or model must contain the source, so that a version cannot claim a wrong lineage. One that is not here
    was recorded by another tracking server: the source is kept as it is, and names no files of this one.

    Raises:
        Invalid: it is neither in this server's artifact store nor a plain URI with a known scheme.
    """
    scheme = urlsplit(source).scheme if ":" in source else ""
    origin = Origin(
        source=source, root="", run_id=checked_ref("run_id", run_id), model_id=checked_ref("model_id", model_id)
    )
    if scheme == "runs":
        return _from_run(tx, origin)
    if scheme == "models":
        return _from_model(tx, origin)
    if scheme == "mlflow-artifacts":
        return _from_store(tx, origin)
    path = source.partition(":")[2]
    if scheme in EXTERNAL and path.startswith("/") and not re.search(r"[?#;]", path):
        checked_path("source", path.strip("/"))
        return origin
    return refuse(source, "It lies outside of the artifact store, and is no plain URI of another store.")


def check_claim(source: str, *, run_id: str, model_id: str) -> None:
    """Raise Invalid for a source in this store without its run or model, as the stock server does.

    `resolve` checks that the named run or model contains it.
    """
    parameter = "the model_id" if model_id else "the run_id"
    scheme = source.partition(":")[0].lower() if ":" in source else ""
    if scheme in ("runs", "models") and "://" in source:
        refuse(source, f"It names a host, which a {scheme}: source has not.")
    claimed = {"runs": bool(run_id) and not model_id, "mlflow-artifacts": bool(run_id or model_id)}
    if scheme == "models" and MODEL_ID.fullmatch(re.sub(r"^models:/+", "", source)):
        claimed["models"], parameter = bool(model_id), "the model_id"
    if scheme in ("http", "https") and "/mlflow-artifacts/artifacts" in source:
        claimed[scheme] = False
    if not claimed.get(scheme, True):
        refuse(
            source, f"{parameter} request parameter must identify the resource that contains the source.".capitalize()
        )


def refuse(source: str, why: str) -> NoReturn:
    raise Invalid("source", source, f"Invalid model version source: '{source}'. {why}")


def _from_run(tx: Reader, origin: Origin) -> Origin:
    match = re.fullmatch(r"runs:/+([^/]+)/(.+)", origin.source)
    if match is None:
        refuse(origin.source, "It should be runs:/<run_id>/<path>.")
    run_id, path = match[1], checked_path("source", match[2].rstrip("/"))
    if origin.run_id and origin.run_id != run_id:
        refuse(origin.source, "To use a runs:/ source, the run_id request parameter has to be the same run.")
    if origin.run_id and tracking.find_run(tx, run_id) is None:
        return origin
    run = tracking.get_run(tx, run_id)
    origin = msgspec.structs.replace(origin, run_id=run_id)
    for model in model_rows.of_run(tx, run_id):
        # MLflow 3 stores models outside of runs; their runs:/ URI stays valid
        if model.name == path and (not origin.model_id or origin.model_id == model.model_id):
            return _located(origin, model.artifact_uri, model_id=model.model_id)
    return _located(origin, f"{run.artifact_uri}/{path}")


def _from_model(tx: Reader, origin: Origin) -> Origin:
    rest = re.sub(r"^models:/+", "", origin.source)
    if MODEL_ID.fullmatch(rest):
        if origin.model_id and origin.model_id != rest:
            refuse(origin.source, "To use a models:/ source, the model_id request parameter has to be the same model.")
        if origin.model_id and model_rows.find(tx, rest) is None:
            return origin
        model = tracking.get_logged_model(tx, rest)
        run_id = origin.run_id or model.source_run_id
        return _located(msgspec.structs.replace(origin, run_id=run_id), model.artifact_uri, model_id=rest)
    number = _number(tx, origin.source, rest)
    name = re.split("[/@]", rest)[0]
    version = VERSIONS.find(tx, name, number)
    if version is None or version.deleted:
        raise NotFound("model version", f"{name}/{number}")
    return Origin(source=version.source, root=version.artifact_root, run_id=version.run_id, model_id=version.model_id)


def _number(tx: Reader, source: str, rest: str) -> int:
    if match := re.fullmatch(r"([^/@]+)/([0-9]{1,9})", rest):
        return int(match[2])
    if match := re.fullmatch(r"([^/@]+)@([\w-]+)", rest):
        alias = ALIASES.find(tx, match[1], match[2])
        if alias is None:
            raise NotFound("alias", match[2])
        return alias.number
    refuse(source, "It should be models:/<model_id>, models:/<name>/<version> or models:/<name>@<alias>.")


def _from_store(tx: Reader, origin: Origin) -> Origin:
    if re.search(r"[?#;]", origin.source):
        refuse(origin.source, "No query, parameters or fragment may stand in it.")
    path = path_in_store(origin.source) or ""
    uris = _named_uris(tx, origin)
    if not uris and (origin.run_id or origin.model_id):
        return origin
    roots = [path_in_store(uri) for uri in uris]
    if uris and not any(root and (path == root or path.startswith(root + "/")) for root in roots):
        refuse(origin.source, "It has to be contained within the artifacts of the run_id or model_id given.")
    return msgspec.structs.replace(origin, root=path)


def _named_uris(tx: Reader, origin: Origin) -> list[str]:
    """Return where the named run and model keep their files, as far as they are of this server."""
    uris = []
    if origin.model_id and model_rows.find(tx, origin.model_id) is not None:
        uris.append(tracking.get_logged_model(tx, origin.model_id).artifact_uri)
    if origin.run_id and (run := tracking.find_run(tx, origin.run_id)) is not None:
        uris.append(run.artifact_uri)
        uris += [model.artifact_uri for model in model_rows.of_run(tx, origin.run_id)]
    return uris


def _located(origin: Origin, uri: str, *, model_id: str = "") -> Origin:
    return msgspec.structs.replace(origin, root=path_in_store(uri) or "", model_id=model_id or origin.model_id)


def download_uri(tx: Reader, version: ModelVersion) -> str:
    """Return the URI of the version's files: in this store, in another one, or as another tracking server names it."""
    if version.artifact_root:
        return f"mlflow-artifacts:/{version.artifact_root}"
    if not version.source.startswith(("runs:", "models:")):
        return version.source
    if version.model_id and model_rows.find(tx, version.model_id) is not None:
        return tracking.get_logged_model(tx, version.model_id).artifact_uri
    run = tracking.find_run(tx, version.run_id)
    if run is None or version.source.startswith("models:"):
        return version.source
    return f"{run.artifact_uri}/{version.source.removeprefix('runs:').lstrip('/').partition('/')[2]}"


def digest_of(files: Sequence[ArtifactFile], uri: str) -> str:
    """Return the digest of the content.

    Without files in this store (another store, or nothing uploaded yet) it is the digest of the URI.
    """
    if not files:
        return str(blake3(msgspec.json.encode(uri)).hexdigest()[:32])
    return content_digest((file.path, file.hash) for file in files)

"""The routes of the MLflow protocol, each with the permission it requires."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from helicline.protocol.mlflow import experiments, logged_models, registry, runs, webhooks
from helicline.protocol.mlflow.artifact import files, links, multipart, trace_files
from helicline.protocol.mlflow.genai import datasets, scorers
from helicline.protocol.mlflow.metric import history
from helicline.protocol.mlflow.request import Request, Response
from helicline.protocol.mlflow.trace import assessments, ingest, insights, legacy
from helicline.protocol.mlflow.trace import handlers as traces
from helicline.records.access import Permission

Handler = Callable[[Request], Awaitable[Any]]
Route = tuple[str, str, Permission, Handler]
VERSION = "3.17.2"
PREFIXES = ("/api/2.0/mlflow", "/api/3.0/mlflow", "/ajax-api/2.0/mlflow", "/ajax-api/3.0/mlflow")


async def version(request: Request) -> Any:
    return Response(body=VERSION.encode(), headers=(("content-type", "text/plain; charset=utf-8"),))


async def health(request: Request) -> Any:
    return Response(body=b"OK", headers=(("content-type", "text/plain; charset=utf-8"),))


async def server_info(request: Request) -> Any:
    return {
        "store_type": "SqlStore",
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": request.uploads is not None,
        "multipart_downloads_enabled": request.uploads is not None,
        "presigned_upload_run_id_supported": False,
        "presigned_upload_model_id_supported": False,
        "features_enabled": {"gateway": False},
    }


# below each of PREFIXES
MLFLOW: tuple[Route, ...] = (
    ("GET", "/server-info", "open", server_info),
    ("POST", "/experiments/create", "log", experiments.create),
    ("GET", "/experiments/get", "read", experiments.get),
    ("GET", "/experiments/get-by-name", "read", experiments.get_by_name),
    ("POST", "/experiments/search", "read", experiments.search),
    ("GET", "/experiments/search", "read", experiments.search),
    ("POST", "/experiments/search-datasets", "read", experiments.search_datasets),
    ("POST", "/experiments/delete", "write", experiments.delete),
    ("POST", "/experiments/restore", "write", experiments.restore),
    ("POST", "/experiments/update", "write", experiments.update),
    ("POST", "/experiments/set-experiment-tag", "write", experiments.set_tag),
    ("POST", "/experiments/delete-experiment-tag", "write", experiments.delete_tag),
    ("POST", "/runs/create", "log", runs.create),
    ("GET", "/runs/get", "read", runs.get),
    ("POST", "/runs/update", "log", runs.update),
    ("POST", "/runs/delete", "write", runs.delete),
    ("POST", "/runs/restore", "write", runs.restore),
    ("POST", "/runs/search", "read", runs.search),
    ("POST", "/runs/log-metric", "log", runs.log_metric),
    ("POST", "/runs/log-parameter", "log", runs.log_parameter),
    ("POST", "/runs/log-batch", "log", runs.log_batch),
    ("POST", "/runs/set-tag", "log", runs.set_tag),
    ("POST", "/runs/delete-tag", "log", runs.delete_tag),
    ("POST", "/runs/log-inputs", "log", runs.log_inputs),
    ("POST", "/runs/log-model", "log", runs.log_model),
    ("POST", "/runs/outputs", "log", runs.log_outputs),
    ("GET", "/metrics/get-history", "read", history.of_run),
    ("GET", "/metrics/get-history-bulk", "read", history.bulk),
    ("GET", "/metrics/get-history-bulk-interval", "read", history.interval),
    ("GET", "/artifacts/list", "read", files.of_run),
    ("POST", "/upload-artifact", "log", files.upload_to_run),
    ("GET", "/get-trace-artifact", "read", trace_files.of_trace),
    ("POST", "/artifacts/presigned-upload-url", "write", multipart.upload_url),
    ("POST", "/artifacts/presigned-download-url", "read", multipart.download_url),
    ("POST", "/logged-models", "log", logged_models.create),
    ("POST", "/logged-models/search", "read", logged_models.search),
    ("GET", "/logged-models/{model_id}", "read", logged_models.get),
    ("PATCH", "/logged-models/{model_id}", "log", logged_models.finalize),
    ("DELETE", "/logged-models/{model_id}", "write", logged_models.delete),
    ("PATCH", "/logged-models/{model_id}/tags", "log", logged_models.set_tags),
    ("DELETE", "/logged-models/{model_id}/tags/{key}", "log", logged_models.delete_tag),
    ("POST", "/logged-models/{model_id}/params", "log", logged_models.add_params),
    ("GET", "/logged-models/{model_id}/artifacts/directories", "read", files.of_model),
    ("GET", "/logged-models/{model_id}/artifacts/files", "read", links.of_logged_model),
    ("POST", "/registered-models/create", "write", registry.create_model),
    ("GET", "/registered-models/get", "read", registry.get_model),
    ("PATCH", "/registered-models/update", "write", registry.update_model),
    ("POST", "/registered-models/rename", "deploy", registry.rename_model),
    ("DELETE", "/registered-models/delete", "deploy", registry.delete_model),
    ("GET", "/registered-models/search", "read", registry.search_models),
    ("POST", "/registered-models/set-tag", "write", registry.set_model_tag),
    ("DELETE", "/registered-models/delete-tag", "write", registry.delete_model_tag),
    ("POST", "/registered-models/get-latest-versions", "read", registry.latest_versions),
    ("GET", "/registered-models/get-latest-versions", "read", registry.latest_versions),
    ("POST", "/registered-models/alias", "deploy", registry.set_alias),
    ("DELETE", "/registered-models/alias", "deploy", registry.delete_alias),
    ("GET", "/registered-models/alias", "read", registry.get_by_alias),
    ("POST", "/model-versions/create", "write", registry.create_version),
    ("GET", "/model-versions/get", "read", registry.get_version),
    ("PATCH", "/model-versions/update", "write", registry.update_version),
    ("DELETE", "/model-versions/delete", "deploy", registry.delete_version),
    ("GET", "/model-versions/search", "read", registry.search_versions),
    ("GET", "/model-versions/get-download-uri", "read", registry.download_uri),
    ("POST", "/model-versions/set-tag", "write", registry.set_version_tag),
    ("DELETE", "/model-versions/delete-tag", "write", registry.delete_version_tag),
    ("POST", "/model-versions/transition-stage", "deploy", registry.transition_stage),
    ("POST", "/webhooks", "admin", webhooks.create),
    ("GET", "/webhooks", "admin", webhooks.listing),
    ("GET", "/webhooks/{webhook_id}", "admin", webhooks.get),
    ("PATCH", "/webhooks/{webhook_id}", "admin", webhooks.update),
    ("DELETE", "/webhooks/{webhook_id}", "admin", webhooks.delete),
    ("POST", "/webhooks/{webhook_id}/test", "admin", webhooks.test),
)
# in version 3.0 of the API only
EVALUATION: tuple[Route, ...] = (
    ("POST", "/datasets/create", "write", datasets.create),
    ("POST", "/datasets/search", "read", datasets.search),
    ("GET", "/datasets/search", "read", datasets.search),
    ("GET", "/datasets/{dataset_id}", "read", datasets.get),
    ("DELETE", "/datasets/{dataset_id}", "write", datasets.delete),
    ("PATCH", "/datasets/{dataset_id}/tags", "write", datasets.set_tags),
    ("DELETE", "/datasets/{dataset_id}/tags/{key}", "write", datasets.delete_tag),
    ("POST", "/datasets/{dataset_id}/records", "write", datasets.upsert_records),
    ("GET", "/datasets/{dataset_id}/records", "read", datasets.get_records),
    ("DELETE", "/datasets/{dataset_id}/records", "write", datasets.delete_records),
    ("GET", "/datasets/{dataset_id}/experiment-ids", "read", datasets.experiment_ids),
    ("POST", "/datasets/{dataset_id}/add-experiments", "write", datasets.add_experiments),
    ("POST", "/datasets/{dataset_id}/remove-experiments", "write", datasets.remove_experiments),
    ("POST", "/scorers/register", "write", scorers.register),
    ("GET", "/scorers/list", "read", scorers.newest),
    ("GET", "/scorers/versions", "read", scorers.versions),
    ("GET", "/scorers/get", "read", scorers.get),
    ("DELETE", "/scorers/delete", "write", scorers.delete),
    ("PUT", "/scorers/online-config", "write", scorers.set_online),
    ("GET", "/scorers/online-configs", "read", scorers.online),
)
# in version 3.0 of the API only: in 2.0 the same paths are LEGACY
TRACES: tuple[Route, ...] = (
    ("POST", "/traces", "log", traces.start),
    ("GET", "/traces/get", "read", traces.get),
    ("GET", "/traces/batchGet", "read", traces.batch_get),
    ("POST", "/traces/batchGetInfos", "read", traces.batch_infos),
    ("POST", "/traces/search", "read", traces.search),
    ("POST", "/traces/metrics", "read", insights.metrics),
    ("POST", "/traces/calculate-filter-correlation", "read", insights.correlation),
    ("GET", "/traces/{trace_id}", "read", traces.get_info),
    ("POST", "/traces/{trace_id}/assessments", "write", assessments.create),
    ("GET", "/traces/{trace_id}/assessments/{assessment_id}", "read", assessments.get),
    ("PATCH", "/traces/{trace_id}/assessments/{assessment_id}", "write", assessments.update),
    ("DELETE", "/traces/{trace_id}/assessments/{assessment_id}", "write", assessments.delete),
)
LEGACY: tuple[Route, ...] = (
    ("POST", "/traces", "write", legacy.begin),
    ("GET", "/traces", "read", legacy.search),
    ("PATCH", "/traces/{trace_id}", "write", legacy.end),
    ("GET", "/traces/{trace_id}/info", "read", legacy.get),
)
TRACES_BOTH: tuple[Route, ...] = (
    ("POST", "/traces/delete-traces", "write", traces.delete),
    ("POST", "/traces/link-to-run", "write", traces.link_to_run),
    ("POST", "/traces/link-prompts", "write", traces.link_prompts),
    ("PATCH", "/traces/{trace_id}/tags", "write", traces.set_tag),
    ("DELETE", "/traces/{trace_id}/tags", "write", traces.delete_tag),
)
ARTIFACTS: tuple[Route, ...] = (
    ("GET", "/mlflow-artifacts/artifacts", "read", files.listing),
    ("PUT", "/mlflow-artifacts/artifacts/{path*}", "log", files.upload),
    ("GET", "/mlflow-artifacts/artifacts/{path*}", "read", files.download),
    ("DELETE", "/mlflow-artifacts/artifacts/{path*}", "write", files.delete),
    ("POST", "/mlflow-artifacts/mpu/create/{path*}", "log", multipart.create),
    ("POST", "/mlflow-artifacts/mpu/complete/{path*}", "log", multipart.complete),
    ("POST", "/mlflow-artifacts/mpu/abort/{path*}", "log", multipart.abort),
    ("GET", "/mlflow-artifacts/presigned/{path*}", "read", multipart.presigned),
)
PLAIN: tuple[Route, ...] = (
    ("GET", "/version", "open", version),
    ("GET", "/health", "open", health),
    ("GET", "/get-artifact", "read", links.of_run),
    ("GET", "/model-versions/get-artifact", "read", links.of_version),
    ("POST", "/v1/traces", "log", ingest.export),
)


def _prefixed(prefixes: tuple[str, ...], routes: tuple[Route, ...]) -> tuple[Route, ...]:
    return tuple(
        (method, prefix + path, permission, handler)
        for prefix in prefixes
        for method, path, permission, handler in routes
    )


ROUTES: tuple[Route, ...] = (
    *_prefixed(PREFIXES, MLFLOW),
    *_prefixed(PREFIXES, TRACES_BOTH),
    *_prefixed(("/api/3.0/mlflow", "/ajax-api/3.0/mlflow"), EVALUATION),
    *_prefixed(("/api/3.0/mlflow", "/ajax-api/3.0/mlflow"), TRACES),
    *_prefixed(("/api/2.0/mlflow", "/ajax-api/2.0/mlflow"), LEGACY),
    *_prefixed(("/api/2.0", "/ajax-api/2.0"), ARTIFACTS),
    *PLAIN,
)


class RouteTable:
    """The routes for look-up by path: exact paths in a dict, patterns in a list."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.exact: dict[str, dict[str, tuple[Permission, Handler]]] = {}
        self.patterns: list[tuple[re.Pattern[str], str, Permission, Handler]] = []
        for method, path, permission, handler in routes:
            if "{" in path:
                self.patterns.append((_pattern(path), method, permission, handler))
            else:
                self.exact.setdefault(path, {})[method] = (permission, handler)

    def find(self, method: str, path: str) -> tuple[Permission, Handler, dict[str, str]] | None:
        """Return the route's permission, handler and path parameters, or None where there is no such route."""
        if (verbs := self.exact.get(path)) is not None:
            route = verbs.get(method)
            return None if route is None else (*route, {})
        for pattern, verb, permission, handler in self.patterns:
            if verb == method and (match := pattern.fullmatch(path)):
                return permission, handler, match.groupdict()
        return None


def _pattern(path: str) -> re.Pattern[str]:
    text = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", path)
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", text), re.DOTALL)

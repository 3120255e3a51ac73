"""Statistics over traces: metrics for dashboards, and the correlation of two filters."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from helicline import trace as traces
from helicline.protocol.mlflow.errors import missing
from helicline.protocol.mlflow.fields import Fields
from helicline.protocol.mlflow.request import Request, non_empty

# enums are sent by name or by number
VIEWS = {1: "TRACES", 2: "SPANS", 3: "ASSESSMENTS"}
KINDS = {1: "COUNT", 2: "SUM", 3: "AVG", 4: "PERCENTILE", 5: "MIN", 6: "MAX"}


def _enum_name(fields: Fields, name: str, names: dict[int, str]) -> str:
    value = fields.raw(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return names.get(value, str(value))
    return fields.required(name)


def _aggregation(fields: Fields) -> traces.Aggregation:
    percentile = fields.number("percentile_value") if fields.has("percentile_value") else None
    return traces.Aggregation(_enum_name(fields, "aggregation_type", KINDS), percentile)


def _required_texts(fields: Fields, name: str) -> list[str]:
    texts = fields.texts(name)
    if not texts:
        missing(name)
    return texts


async def metrics(request: Request) -> Any:
    fields = request.fields
    query = traces.MeasureQuery(
        experiment_ids=_required_texts(fields, "experiment_ids"),
        view=_enum_name(fields, "view_type", VIEWS),
        metric=fields.required("metric_name"),
        aggregations=fields.list_of("aggregations", _aggregation) or missing("aggregations"),
        dimensions=fields.texts("dimensions"),
        filters=fields.texts("filters"),
        interval_s=fields.integer("time_interval_seconds") or 0,
        start_ms=fields.integer("start_time_ms"),
        end_ms=fields.integer("end_time_ms"),
        max_results=fields.integer("max_results", 1000) or 0,
    )
    points = await request.read(lambda tx: traces.measure(tx, query))
    return non_empty(data_points=[msgspec.structs.asdict(point) for point in points])


async def correlation(request: Request) -> Any:
    fields = request.fields
    experiments, base_filter = _required_texts(fields, "experiment_ids"), fields.text("base_filter")
    first, second = fields.required("filter_string1"), fields.required("filter_string2")
    result = await request.read(lambda tx: traces.correlate(tx, experiments, first, second, base_filter=base_filter))
    values = msgspec.structs.asdict(result)
    return {name: value for name, value in values.items() if not math.isnan(value)}

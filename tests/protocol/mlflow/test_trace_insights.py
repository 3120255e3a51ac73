"""Numbers over many traces are those that the stock server tells."""

from __future__ import annotations

import json
import math
import time

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from support.compare_with_mlflow import THREE, TWO, Ref, differences

pytestmark = pytest.mark.filterwarnings("ignore")
BEGAN = 1_767_225_600_000  # 2026-01-01T00:00:00Z
HOUR = 3_600_000


def trace_of(number: int, *, state: str, duration: str, tokens: str = "", session: str = "", name: str = "") -> dict:
    metadata = {"mlflow.trace.tokenUsage": tokens, "mlflow.trace.session": session, "team": f"t{number % 2}"}
    return {
        "trace_id": f"tr-{TRACES}{number:020x}",
        "request_time": f"2026-01-01T{number:02d}:30:00Z",
        "state": state,
        "execution_duration": duration,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": Ref("experiment", 0)}},
        "tags": {"mlflow.traceName": name, "k": f"v{number % 3}"} if name else {"k": "v"},
        "trace_metadata": {key: value for key, value in metadata.items() if value},
    }


TRACES = f"{time.time_ns() % 16**12:012x}"
USED = '{"input_tokens": %d, "output_tokens": 5, "total_tokens": %d}'
INFOS = [
    trace_of(0, state="OK", duration="0.100s", tokens=USED % (10, 15), session="s1", name="chat"),
    trace_of(1, state="OK", duration="0.250s", tokens=USED % (20, 25), session="s1", name="chat"),
    trace_of(2, state="ERROR", duration="1.500s", tokens=USED % (30, 35), session="s2", name="plan"),
    trace_of(3, state="OK", duration="0.700s", name="plan"),
    trace_of(4, state="IN_PROGRESS", duration="0s"),
    trace_of(5, state="OK", duration="2.000s", tokens="no json", session="s2", name="Chat"),
]
SCORES = [
    (0, "good", "yes"),
    (1, "good", "no"),
    (2, "good", True),
    (3, "score", 0.5),
    (4, "score", 3),
    (0, "score", "x"),
]


def post_call(path: str, body: dict, *id_path: str):
    return ("POST", path, body, id_path)


def filled() -> list:
    calls = [post_call(f"{TWO}/experiments/create", {"name": f"insights-{TRACES}"}, "experiment", "experiment_id")]
    calls += [post_call(f"{THREE}/traces", {"trace": {"trace_info": info}}) for info in INFOS]
    for at, name, value in SCORES:
        assessment = {
            "assessment_name": name,
            "feedback": {"value": value},
            "source": {"source_type": "CODE", "source_id": "x"},
        }
        where = f"{THREE}/traces/{INFOS[at]['trace_id']}/assessments"
        calls.append(post_call(where, {"assessment": assessment}, "assessment", "assessment", "assessment_id"))
    return calls


def metrics_query(view: str, metric: str, *kinds, **more) -> tuple:
    aggregations = [
        {"aggregation_type": "PERCENTILE", "percentile_value": kind}
        if isinstance(kind, float)
        else {"aggregation_type": kind}
        for kind in kinds
    ]
    body = {
        "experiment_ids": [Ref("experiment", 0)],
        "view_type": view,
        "metric_name": metric,
        "aggregations": aggregations,
    }
    return post_call(f"{THREE}/traces/metrics", body | more)


BUCKETS = {"time_interval_seconds": 7200, "start_time_ms": BEGAN, "end_time_ms": BEGAN + 12 * HOUR}
NUMBERS = ("AVG", "MIN", "MAX", 50.0, 90.0, 99.9, 0.0, 100.0)
FEEDBACK_OF_GOOD_TRACES = ["assessment.type = 'feedback'", "trace.status = 'OK'"]
QUESTIONS = [
    metrics_query("TRACES", "trace_count", "COUNT"),
    metrics_query("TRACES", "trace_count", "COUNT", dimensions=["trace_name"]),
    metrics_query("TRACES", "trace_count", "COUNT", dimensions=["trace_status", "trace_name"], max_results=2),
    metrics_query("TRACES", "trace_count", "COUNT", **BUCKETS),
    metrics_query("TRACES", "trace_count", "COUNT", dimensions=["trace_status"], **BUCKETS),
    metrics_query("TRACES", "trace_count", "COUNT", start_time_ms=BEGAN + HOUR, end_time_ms=BEGAN + 3 * HOUR),
    metrics_query("TRACES", "trace_count", "COUNT", start_time_ms=BEGAN + 90 * HOUR),
    metrics_query("TRACES", "session_count", "COUNT"),
    metrics_query("TRACES", "session_count", "COUNT", **BUCKETS),
    metrics_query("TRACES", "latency", *NUMBERS),
    metrics_query("TRACES", "latency", *NUMBERS, dimensions=["trace_name"], **BUCKETS),
    metrics_query("TRACES", "latency", "AVG", start_time_ms=BEGAN + 90 * HOUR),
    metrics_query("TRACES", "input_tokens", "SUM", *NUMBERS),
    metrics_query("TRACES", "total_tokens", "SUM", dimensions=["trace_name"]),
    metrics_query("TRACES", "cache_read_input_tokens", "SUM"),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["trace.status = 'OK'"]),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["trace.status = 'OK'", 'trace.tag.k = "v1"']),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["trace.tag.`mlflow.traceName` = 'chat'"]),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["trace.metadata.team = 't1'"]),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["trace.metadata.`mlflow.trace.session` = 's2'"]),
    metrics_query("ASSESSMENTS", "assessment_count", "COUNT"),
    metrics_query("ASSESSMENTS", "assessment_count", "COUNT", dimensions=["assessment_name", "assessment_value"]),
    metrics_query("ASSESSMENTS", "assessment_value", *NUMBERS, dimensions=["assessment_name"]),
    metrics_query("ASSESSMENTS", "assessment_value", "AVG", filters=["assessment.name = 'score'"], **BUCKETS),
    metrics_query("ASSESSMENTS", "assessment_count", "COUNT", filters=FEEDBACK_OF_GOOD_TRACES),
    metrics_query("SPANS", "span_count", "COUNT"),
    metrics_query("SPANS", "latency", "AVG", dimensions=["span_name"]),
    # what is refused
    metrics_query("TRACES", "nope", "COUNT"), metrics_query("TRACES", "trace_count", "SUM"),
    metrics_query("TRACES", "trace_count", "COUNT", dimensions=["span_name"]), metrics_query("TRACES", "trace_count"),
    metrics_query("TRACES", "latency", 101.0), metrics_query("TRACES", "latency", "PERCENTILE"),
    metrics_query("TRACES", "trace_count", "COUNT", time_interval_seconds=60),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["span.name = 'x'"]),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["trace.status != 'OK'"]),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["trace.status = 'OK' AND trace.tag.k = 'v'"]),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["trace.nope = 'OK'"]),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["trace.tag = 'OK'"]),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["trace.status.x = 'OK'"]),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["status = 'OK'"]),
    metrics_query("TRACES", "trace_count", "COUNT", filters=["trace.status = OK"]),
]  # fmt: skip


def correlated(first: str, second: str, **more) -> tuple:
    body = {"experiment_ids": [Ref("experiment", 0)], "filter_string1": first, "filter_string2": second}
    return post_call(f"{THREE}/traces/calculate-filter-correlation", body | more)


TOGETHER = [
    correlated("status = 'OK'", "name = 'chat'"),
    correlated("status = 'OK'", "status = 'ERROR'"),
    correlated("status = 'OK'", "status = 'OK'"),
    correlated("tags.k = 'v1'", "tags.k LIKE 'v%'"),
    correlated("status = 'NOPE'", "status = 'OK'"),
    correlated("status = 'OK'", "execution_time > 200", base_filter="name LIKE '%'"),
    correlated("feedback.good = 'yes'", "status = 'OK'"),
    correlated("nope = 'x'", "status = 'OK'"),
    correlated("", "status = 'OK'"),
]


def test_numbers_over_traces_are_those_of_the_stock_server(sides):
    difference = differences(sides, [*filled(), *QUESTIONS, *TOGETHER])
    assert difference == [], "\n".join(difference[-4:])


def test_a_number_that_differs_is_seen(sides):
    name = {"name": f"other-{TRACES}"}
    begun = post_call(f"{TWO}/experiments/create", name, "experiment", "experiment_id")
    assert differences(sides, [begun, metrics_query("TRACES", "trace_count", "COUNT")]) == []
    info = INFOS[0] | {"trace_id": f"tr-{TRACES}{99:020x}"}
    sides[0].send("POST", f"{THREE}/traces", {"trace": {"trace_info": info}})
    again = ("GET", f"{TWO}/experiments/get-by-name", {"experiment_name": name["name"]})
    difference = differences(
        sides,
        [(*again, ("experiment", "experiment", "experiment_id")), metrics_query("TRACES", "trace_count", "COUNT")],
    )
    assert "trace_count" in difference[-1]


@pytest.fixture
def spans(client, experiment):
    """Two traces by the stock client, whose spans cost something."""
    mlflow.set_experiment(experiment_id=experiment)
    for cost in (0.25, 0.75):
        with mlflow.start_span("agent", span_type="AGENT"), mlflow.start_span("call", span_type="LLM") as call:
            call.set_attribute("mlflow.llm.cost", {"input_cost": cost, "output_cost": 0.0, "total_cost": cost})
            call.set_attribute("mlflow.llm.model", "small")
    mlflow.flush_trace_async_logging()
    return experiment


def metric_values(client, experiment: str, view: str, metric: str, kind: str, **more) -> dict:
    from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType

    store = client._tracking_client.store
    points = store.query_trace_metrics(
        [experiment], MetricViewType(view), metric, [MetricAggregation(AggregationType(kind))], **more
    )
    return {tuple(sorted(point.dimensions.values())): point.values[kind] for point in points}


def test_spans_are_counted_and_their_cost_is_summed(client, spans):
    counted = metric_values(client, spans, "SPANS", "span_count", "COUNT", dimensions=["span_type", "span_name"])
    assert counted == {("AGENT", "agent"): 2.0, ("LLM", "call"): 2.0}
    assert metric_values(client, spans, "SPANS", "total_cost", "SUM", dimensions=["span_model_name"]) == {
        ("small",): 1.0
    }
    assert metric_values(client, spans, "SPANS", "span_count", "COUNT", filters=["span.name = 'call'"]) == {(): 2.0}
    assert metric_values(client, spans, "SPANS", "total_cost", "SUM", start_time_ms=0, end_time_ms=1) == {}


def test_what_spans_cost_is_summed_for_their_trace(client, spans):
    costs = [trace.info.trace_metadata["mlflow.trace.cost"] for trace in client.search_traces(locations=[spans])]
    assert sorted(json.loads(cost)["total_cost"] for cost in costs) == [0.25, 0.75]


def test_the_client_learns_what_goes_together(spans):
    client = mlflow.tracing.client.TracingClient()
    correlation = client.calculate_trace_filter_correlation([spans], "span.type = 'LLM'", "status = 'OK'")
    assert (correlation.npmi, correlation.joint_count, correlation.total_count) == (1.0, 2, 2)
    assert math.isnan(client.calculate_trace_filter_correlation([spans], "name = 'x'", "status = 'OK'").npmi)


JUDGE = '{"name": "judge", "instructions_judge_pydantic_data": {"model": "%s", "instructions": "{{ outputs }}"}}'


@pytest.fixture
def scorer(client, experiment) -> str:
    from mlflow.tracking._tracking_service.utils import _get_store

    return _get_store().register_scorer(experiment, "judge", JUDGE % "openai:/gpt-4").scorer_id


def test_a_scorer_has_a_sampling_of_none_at_most(client, experiment, scorer):
    store = client._tracking_client.store
    assert store.get_online_scoring_configs([scorer]) == []
    store.upsert_online_scoring_config(experiment, "judge", 0.0, "status = 'OK'")
    (config,) = store.get_online_scoring_configs([scorer])
    assert (config.sample_rate, config.filter_string, config.experiment_id) == (0.0, "status = 'OK'", experiment)
    store.register_scorer(experiment, "judge", JUDGE % "gateway:/judge")
    assert store.get_online_scoring_configs([scorer]) == [config]


def test_a_registered_judge_is_listed_and_stopped(client, experiment):
    judge = mlflow.genai.make_judge("short", instructions="Is {{ outputs }} short?", model="openai:/gpt-4")
    registered = judge.register(experiment_id=experiment)
    assert [judge.name for judge in mlflow.genai.list_scorers(experiment_id=experiment)] == ["short"]
    assert registered.stop(experiment_id=experiment).sample_rate == 0
    assert mlflow.genai.get_scorer(name="short", experiment_id=experiment).sample_rate == 0


@pytest.mark.parametrize(("rate", "filter", "message"), [(0.5, None, "gateway model"), (1.5, None, "0.0 to 1.0"),
                                                       (0.0, "nope", "nope")])  # fmt: skip
def test_a_sampling_that_cannot_be_is_refused(client, experiment, scorer, rate, filter, message):
    with pytest.raises(MlflowException, match=message):
        client._tracking_client.store.upsert_online_scoring_config(experiment, "judge", rate, filter)


def test_nothing_is_scored_in_the_server(client, experiment, scorer):
    store = client._tracking_client.store
    store.register_scorer(experiment, "judge", JUDGE % "gateway:/judge")
    with pytest.raises(MlflowException, match=r"mlflow\.genai\.evaluate") as refusal:
        store.upsert_online_scoring_config(experiment, "judge", 0.5)
    assert refusal.value.error_code == "PERMISSION_DENIED"

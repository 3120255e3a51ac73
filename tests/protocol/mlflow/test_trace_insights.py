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


def made(path: str, body: dict, *kept: str):
    return ("POST", path, body, kept)


def filled() -> list:
    calls = [made(f"{TWO}/experiments/create", {"name": f"insights-{TRACES}"}, "experiment", "experiment_id")]
    calls += [made(f"{THREE}/traces", {"trace": {"trace_info": info}}) for info in INFOS]
    for at, name, value in SCORES:
        told = {
            "assessment_name": name,
            "feedback": {"value": value},
            "source": {"source_type": "CODE", "source_id": "x"},
        }
        where = f"{THREE}/traces/{INFOS[at]['trace_id']}/assessments"
        calls.append(made(where, {"assessment": told}, "assessment", "assessment", "assessment_id"))
    return calls


def asked(view: str, metric: str, *kinds, **more) -> tuple:
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
    return made(f"{THREE}/traces/metrics", body | more)


BUCKETS = {"time_interval_seconds": 7200, "start_time_ms": BEGAN, "end_time_ms": BEGAN + 12 * HOUR}
NUMBERS = ("AVG", "MIN", "MAX", 50.0, 90.0, 99.9, 0.0, 100.0)
QUESTIONS = [
    asked("TRACES", "trace_count", "COUNT"),
    asked("TRACES", "trace_count", "COUNT", dimensions=["trace_name"]),
    asked("TRACES", "trace_count", "COUNT", dimensions=["trace_status", "trace_name"], max_results=2),
    asked("TRACES", "trace_count", "COUNT", **BUCKETS),
    asked("TRACES", "trace_count", "COUNT", dimensions=["trace_status"], **BUCKETS),
    asked("TRACES", "trace_count", "COUNT", start_time_ms=BEGAN + HOUR, end_time_ms=BEGAN + 3 * HOUR),
    asked("TRACES", "trace_count", "COUNT", start_time_ms=BEGAN + 90 * HOUR),
    asked("TRACES", "session_count", "COUNT"),
    asked("TRACES", "session_count", "COUNT", **BUCKETS),
    asked("TRACES", "latency", *NUMBERS),
    asked("TRACES", "latency", *NUMBERS, dimensions=["trace_name"], **BUCKETS),
    asked("TRACES", "latency", "AVG", start_time_ms=BEGAN + 90 * HOUR),
    asked("TRACES", "input_tokens", "SUM", *NUMBERS),
    asked("TRACES", "total_tokens", "SUM", dimensions=["trace_name"]),
    asked("TRACES", "cache_read_input_tokens", "SUM"),
    asked("TRACES", "trace_count", "COUNT", filters=["trace.status = 'OK'"]),
    asked("TRACES", "trace_count", "COUNT", filters=["trace.status = 'OK'", 'trace.tag.k = "v1"']),
    asked("TRACES", "trace_count", "COUNT", filters=["trace.tag.`mlflow.traceName` = 'chat'"]),
    asked("TRACES", "trace_count", "COUNT", filters=["trace.metadata.team = 't1'"]),
    asked("TRACES", "trace_count", "COUNT", filters=["trace.metadata.`mlflow.trace.session` = 's2'"]),
    asked("ASSESSMENTS", "assessment_count", "COUNT"),
    asked("ASSESSMENTS", "assessment_count", "COUNT", dimensions=["assessment_name", "assessment_value"]),
    asked("ASSESSMENTS", "assessment_value", *NUMBERS, dimensions=["assessment_name"]),
    asked("ASSESSMENTS", "assessment_value", "AVG", filters=["assessment.name = 'score'"], **BUCKETS),
    asked("ASSESSMENTS", "assessment_count", "COUNT", filters=["assessment.type = 'feedback'", "trace.status = 'OK'"]),
    asked("SPANS", "span_count", "COUNT"),
    asked("SPANS", "latency", "AVG", dimensions=["span_name"]),
    # what is refused
    asked("TRACES", "nope", "COUNT"), asked("TRACES", "trace_count", "SUM"),
    asked("TRACES", "trace_count", "COUNT", dimensions=["span_name"]), asked("TRACES", "trace_count"),
    asked("TRACES", "latency", 101.0), asked("TRACES", "latency", "PERCENTILE"),
    asked("TRACES", "trace_count", "COUNT", time_interval_seconds=60),
    asked("TRACES", "trace_count", "COUNT", filters=["span.name = 'x'"]),
    asked("TRACES", "trace_count", "COUNT", filters=["trace.status != 'OK'"]),
    asked("TRACES", "trace_count", "COUNT", filters=["trace.status = 'OK' AND trace.tag.k = 'v'"]),
    asked("TRACES", "trace_count", "COUNT", filters=["trace.nope = 'OK'"]),
    asked("TRACES", "trace_count", "COUNT", filters=["trace.tag = 'OK'"]),
    asked("TRACES", "trace_count", "COUNT", filters=["trace.status.x = 'OK'"]),
    asked("TRACES", "trace_count", "COUNT", filters=["status = 'OK'"]),
    asked("TRACES", "trace_count", "COUNT", filters=["trace.status = OK"]),
]  # fmt: skip


def correlated(first: str, second: str, **more) -> tuple:
    body = {"experiment_ids": [Ref("experiment", 0)], "filter_string1": first, "filter_string2": second}
    return made(f"{THREE}/traces/calculate-filter-correlation", body | more)


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
    found = differences(sides, [*filled(), *QUESTIONS, *TOGETHER])
    assert found == [], "\n".join(found[-4:])


def test_a_number_that_differs_is_seen(sides):
    name = {"name": f"other-{TRACES}"}
    begun = made(f"{TWO}/experiments/create", name, "experiment", "experiment_id")
    assert differences(sides, [begun, asked("TRACES", "trace_count", "COUNT")]) == []
    info = INFOS[0] | {"trace_id": f"tr-{TRACES}{99:020x}"}
    sides[0].send("POST", f"{THREE}/traces", {"trace": {"trace_info": info}})
    again = ("GET", f"{TWO}/experiments/get-by-name", {"experiment_name": name["name"]})
    found = differences(
        sides, [(*again, ("experiment", "experiment", "experiment_id")), asked("TRACES", "trace_count", "COUNT")]
    )
    assert "trace_count" in found[-1]


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


def told(client, experiment: str, view: str, metric: str, kind: str, **more) -> dict:
    from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType

    store = client._tracking_client.store
    found = store.query_trace_metrics(
        [experiment], MetricViewType(view), metric, [MetricAggregation(AggregationType(kind))], **more
    )
    return {tuple(sorted(point.dimensions.values())): point.values[kind] for point in found}


def test_spans_are_counted_and_their_cost_is_summed(client, spans):
    counted = told(client, spans, "SPANS", "span_count", "COUNT", dimensions=["span_type", "span_name"])
    assert counted == {("AGENT", "agent"): 2.0, ("LLM", "call"): 2.0}
    assert told(client, spans, "SPANS", "total_cost", "SUM", dimensions=["span_model_name"]) == {("small",): 1.0}
    assert told(client, spans, "SPANS", "span_count", "COUNT", filters=["span.name = 'call'"]) == {(): 2.0}
    assert told(client, spans, "SPANS", "total_cost", "SUM", start_time_ms=0, end_time_ms=1) == {}


def test_what_spans_cost_is_summed_for_their_trace(client, spans):
    costs = [trace.info.trace_metadata["mlflow.trace.cost"] for trace in client.search_traces(locations=[spans])]
    assert sorted(json.loads(cost)["total_cost"] for cost in costs) == [0.25, 0.75]


def test_the_client_learns_what_goes_together(spans):
    client = mlflow.tracing.client.TracingClient()
    found = client.calculate_trace_filter_correlation([spans], "span.type = 'LLM'", "status = 'OK'")
    assert (found.npmi, found.joint_count, found.total_count) == (1.0, 2, 2)
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
    (kept,) = store.get_online_scoring_configs([scorer])
    assert (kept.sample_rate, kept.filter_string, kept.experiment_id) == (0.0, "status = 'OK'", experiment)
    store.register_scorer(experiment, "judge", JUDGE % "gateway:/judge")
    assert store.get_online_scoring_configs([scorer]) == [kept]


def test_a_registered_judge_is_listed_and_stopped(client, experiment):
    judge = mlflow.genai.make_judge("short", instructions="Is {{ outputs }} short?", model="openai:/gpt-4")
    registered = judge.register(experiment_id=experiment)
    assert [one.name for one in mlflow.genai.list_scorers(experiment_id=experiment)] == ["short"]
    assert registered.stop(experiment_id=experiment).sample_rate == 0
    assert mlflow.genai.get_scorer(name="short", experiment_id=experiment).sample_rate == 0


@pytest.mark.parametrize(("rate", "filter", "said"), [(0.5, None, "gateway model"), (1.5, None, "0.0 to 1.0"),
                                                       (0.0, "nope", "nope")])  # fmt: skip
def test_a_sampling_that_cannot_be_is_refused(client, experiment, scorer, rate, filter, said):
    with pytest.raises(MlflowException, match=said):
        client._tracking_client.store.upsert_online_scoring_config(experiment, "judge", rate, filter)


def test_nothing_is_scored_in_the_server(client, experiment, scorer):
    store = client._tracking_client.store
    store.register_scorer(experiment, "judge", JUDGE % "gateway:/judge")
    with pytest.raises(MlflowException, match=r"mlflow\.genai\.evaluate") as refusal:
        store.upsert_online_scoring_config(experiment, "judge", 0.5)
    assert refusal.value.error_code == "PERMISSION_DENIED"

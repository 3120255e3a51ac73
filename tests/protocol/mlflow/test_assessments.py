"""Assessments as the stock client changes, overrides and deletes them."""

from __future__ import annotations

import uuid

import mlflow
import pytest
from mlflow.entities import AssessmentSource, Feedback
from mlflow.entities.assessment import IssueReference
from mlflow.exceptions import MlflowException

HUMAN = AssessmentSource("HUMAN", "me")
TRACES = "/api/3.0/mlflow/traces"


@pytest.fixture
def trace_id(http, client, experiment) -> str:
    info = {
        "trace_id": f"tr-{uuid.uuid4().hex}",
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}},
        "request_time": "2026-01-01T00:00:00Z",
        "state": "OK",
    }
    return http.post(TRACES, json={"trace": {"trace_info": info}}).json()["trace"]["trace_info"]["trace_id"]


@pytest.fixture
def stars(trace_id):
    return mlflow.log_feedback(
        trace_id=trace_id, name="stars", value=3, source=HUMAN, metadata={"a": "1", "b": "2"}, rationale="why"
    )


def matching(client, experiment, text):
    traces = client.search_traces(locations=[experiment], filter_string=text, include_spans=False)
    return [trace.info.trace_id for trace in traces]


def test_an_update_adds_to_the_metadata_and_keeps_the_rest(trace_id, stars):
    mlflow.update_assessment(
        trace_id=trace_id,
        assessment_id=stars.assessment_id,
        assessment=Feedback(name="stars", value=4, source=HUMAN, metadata={"b": "3", "c": "4"}),
    )
    updated = mlflow.get_assessment(trace_id, stars.assessment_id)
    assert updated.metadata == {"a": "1", "b": "3", "c": "4"}
    assert (updated.value, updated.rationale, updated.source) == (4, "why", HUMAN)


def test_deleting_an_override_makes_the_original_valid_again(trace_id, stars):
    override = mlflow.override_feedback(trace_id=trace_id, assessment_id=stars.assessment_id, value=5)
    assert not mlflow.get_assessment(trace_id, stars.assessment_id).valid
    again = mlflow.override_feedback(trace_id=trace_id, assessment_id=override.assessment_id, value=1)
    mlflow.delete_assessment(trace_id, again.assessment_id)
    assert mlflow.get_assessment(trace_id, override.assessment_id).valid
    assert not mlflow.get_assessment(trace_id, stars.assessment_id).valid
    mlflow.delete_assessment(trace_id, override.assessment_id)
    assert mlflow.get_assessment(trace_id, stars.assessment_id).valid
    mlflow.delete_assessment(trace_id, override.assessment_id)  # twice is no error


def test_an_override_of_nothing_is_refused(http, trace_id):
    body = {"assessment_name": "stars", "feedback": {"value": 1}, "overrides": "a-nope"}
    answer = http.post(f"{TRACES}/{trace_id}/assessments", json={"assessment": body})
    assert answer.status_code == 404
    assert answer.json()["message"] == f"Assessment with ID 'a-nope' not found for trace '{trace_id}'"


@pytest.mark.parametrize("text", ["feedback.stars = '3'", "feedback.stars >= 3", "feedback.stars = 3"])
def test_a_whole_number_is_found_as_it_was_logged(client, experiment, trace_id, stars, text):
    assert matching(client, experiment, text) == [trace_id]


def test_a_reference_to_an_issue_is_taken_and_found(client, experiment, trace_id):
    reference = IssueReference(issue_id="iss-1", issue_name="Too long", source=HUMAN)
    logged = mlflow.log_assessment(trace_id=trace_id, assessment=reference)
    assert (logged.issue_id, logged.issue_name) == ("iss-1", "Too long")
    read = mlflow.get_assessment(trace_id, logged.assessment_id)
    assert (read.issue_id, read.issue_name, read.source) == ("iss-1", "Too long", HUMAN)
    assert matching(client, experiment, "issue.id = 'iss-1'") == [trace_id]
    assert matching(client, experiment, "issue.id = 'iss-2'") == []
    mlflow.delete_assessment(trace_id, logged.assessment_id)
    assert matching(client, experiment, "issue.id = 'iss-1'") == []


def test_an_issue_is_counted_by_its_kind(http, experiment, trace_id, stars):
    mlflow.log_assessment(trace_id=trace_id, assessment=IssueReference(issue_id="i", issue_name="I", source=HUMAN))
    query = {
        "experiment_ids": [experiment],
        "view_type": "ASSESSMENTS",
        "metric_name": "assessment_count",
        "aggregations": [{"aggregation_type": "COUNT"}],
        "dimensions": ["assessment_name"],
        "filters": ["assessment.type = 'issue'"],
    }
    points = http.post(f"{TRACES}/metrics", json=query).json()["data_points"]
    assert [(point["dimensions"], point["values"]) for point in points] == [({"assessment_name": "i"}, {"COUNT": 1})]


@pytest.mark.parametrize(
    ("changes", "mask", "message"),
    [({"expectation": {"value": 1}}, "expectation", "Cannot update expectation value on a Feedback assessment."),
     ({"source": {}}, "source", "of assessment_name"),
     ({"rationale": "x"}, "", "Missing value for required parameter 'update_mask'")],
)  # fmt: skip
def test_an_update_that_cannot_be_is_refused(http, trace_id, stars, changes, mask, message):
    where = f"{TRACES}/{trace_id}/assessments/{stars.assessment_id}"
    answer = http.patch(where, json={"assessment": changes, "update_mask": mask})
    assert (answer.status_code, message in answer.json()["message"]) == (400, True)
    assert mlflow.get_assessment(trace_id, stars.assessment_id).value == 3


def test_an_assessment_has_one_kind_of_value(http, trace_id):
    body = {"assessment_name": "x", "feedback": {"value": 1}, "expectation": {"value": 1}}
    answer = http.post(f"{TRACES}/{trace_id}/assessments", json={"assessment": body})
    assert (answer.status_code, "this one has feedback and expectation" in answer.json()["message"]) == (400, True)
    with pytest.raises(MlflowException, match="'a-nope' not found"):
        mlflow.get_assessment(trace_id, "a-nope")

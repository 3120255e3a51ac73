"""Evaluation datasets and scorers, as users of the stock client meet them."""

from __future__ import annotations

import json
import uuid

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.genai import datasets

pytestmark = pytest.mark.filterwarnings("ignore")
DATASETS, SCORERS = "/api/3.0/mlflow/datasets", "/api/3.0/mlflow/scorers"


@pytest.fixture
def name() -> str:
    return f"set-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def dataset(client, experiment, name):
    return datasets.create_dataset(name=name, experiment_id=experiment, tags={"team": "red"})


def examples(*questions: str, **more) -> list[dict]:
    return [
        {"inputs": {"question": question}, "expectations": {"answer": question.upper()}} | more
        for question in questions
    ]


def test_records_come_back_as_they_were_merged(dataset):
    dataset.merge_records(examples("why", "how"))
    frame = datasets.get_dataset(dataset_id=dataset.dataset_id).to_df()
    assert sorted(row["question"] for row in frame["inputs"]) == ["how", "why"]
    assert {row["answer"] for row in frame["expectations"]} == {"HOW", "WHY"}


def test_the_same_inputs_change_their_record(dataset, http):
    dataset.merge_records(examples("why"))
    dataset.merge_records(examples("why", expectations={"length": 3}))
    answer = http.get(f"{DATASETS}/{dataset.dataset_id}/records").json()
    (record,) = json.loads(answer["records"])
    assert record["expectations"] == {"answer": "WHY", "length": 3}


def test_the_schema_and_the_count_follow_the_records(dataset):
    dataset.merge_records(examples("why", "how"))
    stored = datasets.get_dataset(dataset_id=dataset.dataset_id)
    assert json.loads(stored.schema)["inputs"] == {"question": "string"}
    assert json.loads(stored.profile) == {"num_records": 2}


def test_records_are_deleted_by_their_ids(dataset):
    dataset.merge_records(examples("why", "how"))
    first = dataset.to_df()["dataset_record_id"][0]
    assert dataset.delete_records([first, "dr-none"]) == 1
    assert len(datasets.get_dataset(dataset_id=dataset.dataset_id).to_df()) == 1


def test_datasets_are_found_by_experiment_name_and_tag(dataset, experiment, name):
    other = mlflow.create_experiment(f"{name}-other")

    def names_of(**how) -> list[str]:
        return [dataset_hit.name for dataset_hit in datasets.search_datasets(**how)]

    assert names_of(experiment_ids=[experiment]) == [name]
    assert names_of(experiment_ids=[other]) == []
    assert names_of(experiment_ids=[experiment], filter_string="tags.team = 'blue'") == []
    assert names_of(filter_string=f"name = '{name}' AND tags.team = 'red'", order_by=["created_time DESC"]) == [name]


def test_a_dataset_moves_between_experiments(dataset, experiment, name):
    other = mlflow.create_experiment(f"{name}-other")
    datasets.add_dataset_to_experiments(dataset_id=dataset.dataset_id, experiment_ids=[other])
    datasets.remove_dataset_from_experiments(dataset_id=dataset.dataset_id, experiment_ids=[experiment])
    assert datasets.get_dataset(dataset_id=dataset.dataset_id).experiment_ids == [other]


def test_tags_are_set_and_go(dataset):
    datasets.set_dataset_tags(dataset_id=dataset.dataset_id, tags={"stage": "gold"})
    datasets.delete_dataset_tag(dataset_id=dataset.dataset_id, key="team")
    tags = datasets.get_dataset(dataset_id=dataset.dataset_id).tags
    assert (tags["stage"], "team" in tags) == ("gold", False)


def test_a_deleted_dataset_is_gone_with_its_records(dataset, http):
    dataset.merge_records(examples("why"))
    datasets.delete_dataset(dataset_id=dataset.dataset_id)
    with pytest.raises(MlflowException, match="not found"):
        datasets.get_dataset(dataset_id=dataset.dataset_id)
    assert http.get(f"{DATASETS}/{dataset.dataset_id}/records").status_code == 404


def test_records_come_in_pages(dataset, http):
    dataset.merge_records(examples(*"abcde"))
    path, questions, token = f"{DATASETS}/{dataset.dataset_id}/records", [], ""
    for _ in range(3):
        page = http.get(path, params={"max_results": 2, "page_token": token}).json()
        questions += [record["inputs"]["question"] for record in json.loads(page["records"])]
        token = page.get("next_page_token", "")
    assert (sorted(questions), token) == (list("abcde"), "")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "create", {}),
        ("POST", "create", {"name": "x", "tags": "[]"}),
        ("POST", "create", {"name": "x", "tags": '{"a": 1}'}),
        ("POST", "search", {"filter_string": "nope = 1"}),
        ("POST", "ID/records", {"records": "{"}),
        ("POST", "ID/records", {"records": '[{"inputs": 3}]'}),
        ("POST", "ID/records", {"records": '[{"inputs": {"a": "x\\u0000"}}]'}),
        ("POST", "ID/records", {}),
        ("PATCH", "ID/tags", {"tags": "3"}),
        ("POST", "ID/add-experiments", {"experiment_ids": ["x"]}),
    ],
)
def test_a_wrong_request_is_refused_in_words(http, dataset, method, path, body):
    answer = http.request(method, f"{DATASETS}/{path.replace('ID', dataset.dataset_id)}", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def registered(http, experiment: str, name: str = "judge", text: str = '{"name": "judge"}') -> dict:
    body = {"experiment_id": experiment, "name": name, "serialized_scorer": text}
    return http.post(f"{SCORERS}/register", json=body).json()


def test_scorers_have_versions_of_which_the_newest_is_listed(http, experiment):
    first, second = registered(http, experiment), registered(http, experiment, text='{"v": 2}')
    assert (first["version"], second["version"], first["scorer_id"]) == (1, 2, second["scorer_id"])
    registered(http, experiment, name="another")
    listed = http.get(f"{SCORERS}/list", params={"experiment_id": experiment}).json()["scorers"]
    assert [(version["scorer_name"], version["scorer_version"]) for version in listed] == [("another", 1), ("judge", 2)]
    named = {"experiment_id": experiment, "name": "judge"}
    assert (
        http.get(f"{SCORERS}/get", params=named | {"version": 1}).json()["scorer"]["serialized_scorer"]
        == '{"name": "judge"}'
    )
    assert len(http.get(f"{SCORERS}/versions", params=named).json()["scorers"]) == 2


def test_a_scorer_goes_version_by_version_or_whole(http, experiment):
    registered(http, experiment)
    registered(http, experiment)
    named = {"experiment_id": experiment, "name": "judge"}
    assert http.request("DELETE", f"{SCORERS}/delete", json=named | {"version": 1}).json() == {}
    assert http.get(f"{SCORERS}/get", params=named | {"version": 1}).status_code == 404
    assert http.request("DELETE", f"{SCORERS}/delete", json=named).json() == {}
    assert http.request("DELETE", f"{SCORERS}/delete", json=named).json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_the_client_lists_what_was_registered(client, http, experiment):
    from mlflow.tracking._tracking_service.utils import _get_store

    registered(http, experiment)
    (stored,) = _get_store().list_scorers(experiment)
    assert (stored.scorer_name, stored.scorer_version) == ("judge", 1)


@pytest.mark.parametrize(
    "body", [{"name": " "}, {"serialized_scorer": "x"}, {"serialized_scorer": "[]"}, {"experiment_id": "x"}]
)
def test_a_scorer_that_is_none_is_refused(http, experiment, body):
    full_body = {"experiment_id": experiment, "name": "judge", "serialized_scorer": "{}"} | body
    assert http.post(f"{SCORERS}/register", json=full_body).status_code == 400

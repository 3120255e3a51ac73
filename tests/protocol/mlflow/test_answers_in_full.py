"""Answers that say all of it: orders, empty texts, infinities, and what a search narrows down to."""

from __future__ import annotations

import math
import uuid

import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric

TWO, THREE = "/api/2.0/mlflow", "/api/3.0/mlflow"


@pytest.fixture
def run_id(client, experiment) -> str:
    return client.create_run(experiment).info.run_id


def dataset(name, digest="1"):
    return DatasetInput(Dataset(name, digest, "local", "{}"), [InputTag("mlflow.data.context", "train")])


def test_datasets_come_in_the_order_they_were_logged(client, experiment, run_id):
    client.log_inputs(run_id, [dataset("b"), dataset("a"), dataset("c")])
    client.log_inputs(run_id, [dataset("0"), dataset("b"), dataset("a", "0")])
    runs = [client.get_run(run_id), client.search_runs([experiment])[0]]
    names = [[(used.dataset.name, used.dataset.digest) for used in run.inputs.dataset_inputs] for run in runs]
    assert names == [[("b", "1"), ("a", "1"), ("c", "1"), ("0", "1"), ("a", "0")]] * 2


def test_an_infinite_metric_comes_back_infinite(client, http, experiment, run_id):
    model = client.create_logged_model(experiment, name="m")
    values = {"up": math.inf, "down": -math.inf, "large": 1.7e308}
    client.log_batch(run_id, [Metric(key, value, 1, 0) for key, value in values.items()])
    client.log_metric(run_id, "on model", math.inf, model_id=model.model_id)
    for run in (client.get_run(run_id), client.search_runs([experiment])[0]):
        assert run.data.metrics == values | {"on model": math.inf}
    assert [point.value for point in client.get_metric_history(run_id, "down")] == [-math.inf]
    assert [metric.value for metric in client.get_logged_model(model.model_id).metrics] == [math.inf]
    query = {"run_id": run_id, "metric_key": "up"}
    raw = http.get(f"{TWO}/metrics/get-history-bulk", params=query).json()["metrics"]
    assert [point["value"] for point in raw] == ["Infinity"]


@pytest.fixture
def models(client, http, experiment, run_id):
    """Models a, b and c: measured on dataset d and later on e, on d with another digest, and on nothing."""
    ids = {name: client.create_logged_model(experiment, name=name).model_id for name in "abc"}
    points = [("a", 0.1, 1, "d", "1"), ("a", 0.9, 5, "e", "1"), ("b", 0.5, 1, "d", "2")]
    for name, value, timestamp, data, digest in points:
        point = {"run_id": run_id, "key": "acc", "value": value, "timestamp": timestamp, "model_id": ids[name]}
        dataset_names = {"dataset_name": data, "dataset_digest": digest}
        http.post(f"{TWO}/runs/log-metric", json=point | dataset_names).raise_for_status()
    return ids


def search(http, experiment, **query):
    answer = http.post(f"{TWO}/logged-models/search", json={"experiment_ids": [experiment], **query}).json()
    return [model["info"]["name"] for model in answer.get("models", [])]


@pytest.mark.parametrize(
    ("datasets", "text", "names"),
    [([{"dataset_name": "d"}], "", {"a", "b"}), ([{"dataset_name": "d", "dataset_digest": "2"}], "", {"b"}),
     ([{"dataset_name": "e"}, {"dataset_name": "d", "dataset_digest": "2"}], "", {"a", "b"}),
     ([{"dataset_name": "none"}], "", set()), ([{"dataset_name": "d"}], "name = 'a'", {"a"}),
     ([{"dataset_name": "d"}], "metrics.acc > 0.4", {"b"}), ([], "", {"a", "b", "c"})],
)  # fmt: skip
def test_a_search_for_models_by_dataset_alone_narrows_down(http, experiment, models, datasets, text, names):
    assert set(search(http, experiment, datasets=datasets, filter=text)) == names


def test_models_are_ordered_by_a_metric_on_one_dataset(http, experiment, models):
    key = {"field_name": "metrics.acc", "ascending": True}
    assert search(http, experiment, order_by=[key]) == ["b", "a", "c"]  # the newest value of a is 0.9, on e
    assert search(http, experiment, order_by=[key | {"dataset_name": "d"}]) == ["a", "b", "c"]
    on_other_digest = key | {"dataset_name": "d", "dataset_digest": "2"}
    assert search(http, experiment, order_by=[on_other_digest])[0] == "b"


def test_empty_texts_are_sent_where_a_stock_server_sends_them(http, experiment):
    """Clients in other languages read a field that is absent as null."""
    info = http.post(f"{TWO}/runs/create", json={"experiment_id": experiment}).json()["run"]["info"]
    assert info["user_id"] == ""
    empty = {"dataset": {"name": "d", "digest": "1", "source_type": "", "source": ""}}
    http.post(f"{TWO}/runs/log-inputs", json={"run_id": info["run_id"], "datasets": [empty]})
    run = http.get(f"{TWO}/runs/get", params={"run_id": info["run_id"]}).json()["run"]
    assert run["inputs"]["dataset_inputs"] == [empty]
    model = http.post(f"{TWO}/logged-models", json={"experiment_id": experiment}).json()["model"]["info"]
    assert (model["model_type"], model["source_run_id"]) == ("", "")
    name = f"empty-{uuid.uuid4().hex[:8]}"
    http.post(f"{TWO}/registered-models/create", json={"name": name})
    created = http.post(f"{TWO}/model-versions/create", json={"name": name, "source": "s3://b/m"}).json()
    assert [created["model_version"][key] for key in ("description", "run_id", "run_link")] == ["", "", ""]


def test_a_link_of_a_version_to_its_run_is_kept(client):
    name = client.create_registered_model(f"linked-{uuid.uuid4().hex[:8]}").name
    client.create_model_version(name, "s3://b/m", run_link="https://other/#/runs/1")
    assert client.get_model_version(name, "1").run_link == "https://other/#/runs/1"


def test_deleting_a_tag_of_a_dataset_that_is_not_there_is_no_error(http, experiment):
    created = http.post(f"{THREE}/datasets/create", json={"name": uuid.uuid4().hex, "experiment_ids": [experiment]})
    for dataset_id in (created.json()["dataset"]["dataset_id"], "d-nope"):
        answer = http.delete(f"{THREE}/datasets/{dataset_id}/tags/nope")
        assert (answer.status_code, answer.json()) == (200, {})

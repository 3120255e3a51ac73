"""The life of registered models and prompts, as users of the stock client meet it."""

from __future__ import annotations

import uuid

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from helicline import registry

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def name(client) -> str:
    name = f"model-{uuid.uuid4().hex[:8]}"
    client.create_registered_model(name, tags={"team": "red"}, description="first")
    return name


@pytest.fixture
def source(client, experiment) -> tuple[str, str]:
    run_id = client.create_run(experiment).info.run_id
    client.log_text(run_id, "flavors: {}", "model/MLmodel")
    return f"runs:/{run_id}/model", run_id


@pytest.fixture
def two(client, name, source) -> str:
    for _ in range(2):
        client.create_model_version(name, *source)
    return name


def test_versions_count_up_and_numbers_are_not_reused(client, two, source):
    client.delete_model_version(two, "2")
    assert client.create_model_version(two, *source).version == "3"
    with pytest.raises(MlflowException, match=rf"Model Version \(name={two}, version=2\) not found"):
        client.get_model_version(two, "2")


def test_an_alias_points_moves_and_goes(client, two):
    client.set_registered_model_alias(two, "champion", "1")
    client.set_registered_model_alias(two, "champion", "2")
    assert client.get_model_version_by_alias(two, "champion").version == "2"
    assert client.get_model_version(two, "2").aliases == ["champion"]
    assert client.get_registered_model(two).aliases == {"champion": "2"}
    assert client.get_model_version_by_alias(two, "latest").version == "2"
    client.delete_registered_model_alias(two, "champion")
    with pytest.raises(MlflowException, match="Registered model alias champion not found") as caught:
        client.get_model_version_by_alias(two, "champion")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("alias", ["latest", "LATEST", "v1", "V22", "a b", "a/b", "é!", "x" * 256])
def test_an_alias_that_reads_like_something_else_is_refused(client, two, alias: str):
    with pytest.raises(MlflowException):
        client.set_registered_model_alias(two, alias, "1")


def test_moving_a_version_to_a_stage_archives_the_one_that_stood_there(client, two):
    client.transition_model_version_stage(two, "1", "production")
    client.transition_model_version_stage(two, "2", "Production", archive_existing_versions=True)
    assert client.get_model_version(two, "1").current_stage == "Archived"
    assert [version.version for version in client.get_latest_versions(two, ["Production"])] == ["2"]


def test_a_stage_is_an_alias_too(client, two):
    client.transition_model_version_stage(two, "1", "Staging")
    assert client.get_model_version_by_alias(two, "staging").version == "1"
    client.transition_model_version_stage(two, "1", "Archived")
    assert client.get_registered_model(two).aliases == {}


def test_a_protected_stage_changes_only_once_somebody_else_approved(client, server, two):
    client.transition_model_version_stage(two, "1", "Production")
    server.store.write(lambda tx: registry.protect(tx, two, "production"), actor="owner")
    with pytest.raises(MlflowException, match="promotion request") as refusal:
        client.transition_model_version_stage(two, "2", "Production", archive_existing_versions=True)
    assert refusal.value.error_code == "PERMISSION_DENIED"
    assert [version.version for version in client.get_latest_versions(two, ["Production"])] == ["1"]
    (request,) = server.store.read(lambda tx: registry.requests_of(tx, two))
    server.store.write(lambda tx: registry.decide_request(tx, request.id, person="bob", role="approver", approve=True))
    assert [version.version for version in client.get_latest_versions(two, ["Production"])] == ["2"]
    assert client.get_model_version(two, "1").current_stage == "Archived"


def test_tags_and_descriptions_change(client, two):
    client.set_registered_model_tag(two, "a", "b")
    client.delete_registered_model_tag(two, "team")
    client.update_registered_model(two, "second")
    client.set_model_version_tag(two, "1", "k", "v")
    client.update_model_version(two, "1", "it")
    model, version = client.get_registered_model(two), client.get_model_version(two, "1")
    assert (model.tags, model.description) == ({"a": "b"}, "second")
    assert (version.tags, version.description) == ({"k": "v"}, "it")


def test_renaming_takes_versions_and_aliases_along(client, two):
    client.set_registered_model_alias(two, "champion", "1")
    client.rename_registered_model(two, f"{two}-new")
    assert client.get_model_version_by_alias(f"{two}-new", "champion").version == "1"
    with pytest.raises(MlflowException, match=f"Registered Model with name={two} not found"):
        client.get_registered_model(two)


def test_searches_find_models_and_versions(client, two, source):
    assert [model.name for model in client.search_registered_models(f"name LIKE '{two[:-1]}%'")] == [two]
    assert client.search_registered_models(f"name = '{two}' AND tags.team = 'blue'") == []
    assert [v.version for v in client.search_model_versions(f"name = '{two}'")] == ["2", "1"]
    assert len(client.search_model_versions(f"run_id = '{source[1]}' AND version_number > 1")) == 1


def test_deleting_a_model_takes_all_of_it(client, two):
    client.delete_registered_model(two)
    assert client.search_model_versions(f"name = '{two}'") == []
    client.create_registered_model(two)


def test_the_download_address_lies_in_the_store(client, two, source, experiment):
    uri = client.get_model_version_download_uri(two, "1")
    assert uri == f"mlflow-artifacts:/{experiment}/{source[1]}/artifacts/model"


@pytest.mark.parametrize(
    "source",
    ["/etc", "file:///etc", "runs:/RUN/../x", "mlflow-artifacts:/0/other/artifacts", "models:/m-" + "0" * 32,
     "s3://../x", "s3://b/x?y", "dbfs:x", "jar:file:x", "dummy-source", "models:/nope/1", "runs:/RUN/a#b"],
)  # fmt: skip
def test_a_source_outside_of_the_store_is_refused(client, http, name, experiment, source: str):
    run_id = client.create_run(experiment).info.run_id
    body = {"name": name, "source": source.replace("RUN", run_id), "run_id": run_id}
    assert http.post("/api/2.0/mlflow/model-versions/create", json=body).status_code in (400, 404)


def test_a_source_in_a_known_foreign_store_is_taken_as_it_is(client, name):
    assert client.create_model_version(name, "s3://bucket/model").source == "s3://bucket/model"
    assert client.get_model_version_download_uri(name, "1") == "s3://bucket/model"


def test_a_prompt_rides_on_the_registry_and_is_no_model(client):
    name = f"prompt-{uuid.uuid4().hex[:8]}"
    mlflow.genai.register_prompt(name, "Hello {{who}}", commit_message="one")
    mlflow.genai.register_prompt(name, "Bye {{who}}")
    mlflow.genai.set_prompt_alias(name, "live", 1)
    assert mlflow.genai.load_prompt(f"prompts:/{name}@live").format(who="you") == "Hello you"
    assert mlflow.genai.load_prompt(f"prompts:/{name}/2").template == "Bye {{who}}"
    assert name not in [model.name for model in client.search_registered_models()]
    assert name in [prompt.name for prompt in mlflow.genai.search_prompts(f"name = '{name}'")]


def test_a_prompt_cannot_claim_files(client, http):
    name = f"prompt-{uuid.uuid4().hex[:8]}"
    mlflow.genai.register_prompt(name, "Hello")
    body = {"name": name, "source": "/etc", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}
    assert http.post("/api/2.0/mlflow/model-versions/create", json=body).status_code == 400


def test_a_protected_alias_moves_only_once_somebody_else_approved(client, server, two):
    client.set_registered_model_alias(two, "champion", "1")
    server.store.write(lambda tx: registry.protect(tx, two, "champion"), actor="owner")
    with pytest.raises(MlflowException, match=r"promotion request .* was opened") as caught:
        client.set_registered_model_alias(two, "champion", "2")
    assert (caught.value.error_code, caught.value.get_http_status_code()) == ("PERMISSION_DENIED", 403)
    assert client.get_model_version_by_alias(two, "champion").version == "1"
    (request,) = server.store.read(lambda tx: registry.requests_of(tx, two, number=2))
    assert request.id in str(caught.value)
    decide = {"person": "somebody else", "role": "approver", "approve": True}
    server.store.write(lambda tx: registry.decide_request(tx, request.id, **decide))
    assert client.get_model_version_by_alias(two, "champion").version == "2"


def test_a_protected_alias_is_not_dropped_nor_its_version_deleted(client, server, two):
    client.set_registered_model_alias(two, "champion", "1")
    server.store.write(lambda tx: registry.protect(tx, two, "champion"), actor="owner")
    for act in (
        lambda: client.delete_registered_model_alias(two, "champion"),
        lambda: client.delete_model_version(two, "1"),
        lambda: client.delete_registered_model(two),
    ):
        with pytest.raises(MlflowException, match="protected"):
            act()
    assert client.get_model_version_by_alias(two, "champion").version == "1"

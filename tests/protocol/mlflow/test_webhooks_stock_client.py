"""Webhooks, as users of the stock client meet them."""

from __future__ import annotations

import pytest
from mlflow.entities.webhook import WebhookStatus
from mlflow.exceptions import MlflowException

pytestmark = pytest.mark.filterwarnings("ignore")
URL, HOOKS = "https://hooks.example.com/x", "/api/2.0/mlflow/webhooks"


@pytest.fixture
def hook(client):
    webhook = client.create_webhook("hook", URL, ["model_version.created"], description="first", secret="s3cret")
    yield webhook
    client.delete_webhook(webhook.webhook_id)


def test_a_webhook_comes_back_without_its_secret(client, http, hook):
    stored = client.get_webhook(hook.webhook_id)
    assert (stored.name, stored.url, [str(event) for event in stored.events]) == (
        "hook",
        URL,
        ["model_version.created"],
    )
    assert stored.status == WebhookStatus.ACTIVE
    assert "s3cret" not in http.get(f"{HOOKS}/{hook.webhook_id}").text + http.get(HOOKS).text


def test_a_webhook_changes_and_keeps_the_rest(client, hook):
    client.update_webhook(hook.webhook_id, status="DISABLED", events=["prompt.created", "prompt_alias.deleted"])
    stored = client.get_webhook(hook.webhook_id)
    assert (stored.status, stored.description, len(stored.events)) == (WebhookStatus.DISABLED, "first", 2)


def test_webhooks_are_listed_in_pages(client, hook):
    other = client.create_webhook("other", URL, ["prompt.created"])
    first = client.list_webhooks(max_results=1)
    second = client.list_webhooks(max_results=1, page_token=first.token)
    client.delete_webhook(other.webhook_id)
    assert {first[0].name, second[0].name} == {"hook", "other"}


def test_a_deleted_webhook_is_gone(client):
    webhook = client.create_webhook("gone", URL, ["prompt.created"])
    client.delete_webhook(webhook.webhook_id)
    with pytest.raises(MlflowException, match="not found") as caught:
        client.get_webhook(webhook.webhook_id)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize(
    "more",
    [{"url": "http://hooks.example.com"}, {"url": "https://127.0.0.1/x"}, {"url": "https://169.254.169.254/"},
    {"name": "-x"},
     {"name": "x" * 64}, {"events": []}, {"events": [{"entity": "RUN", "action": "CREATED"}]}, {"events": "x"},
     {"events": [{"entity": "PROMPT", "action": "DELETED"}]}, {"status": "SLEEPY"}, {"secret": "x" * 1001},
      {"name": ""}],
)  # fmt: skip
def test_a_webhook_that_cannot_be_is_refused_in_words(http, more):
    body = {"name": "hook", "url": URL, "events": [{"entity": "PROMPT", "action": "CREATED"}]} | more
    answer = http.post(HOOKS, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_only_an_admin_sees_or_makes_webhooks(server, http, hook):
    server.role = "operator"
    try:
        answers = [http.get(HOOKS), http.get(f"{HOOKS}/{hook.webhook_id}"), http.post(HOOKS, json={})]
        answers.append(http.post(f"{HOOKS}/{hook.webhook_id}/test", json={}))
    finally:
        server.role = "admin"
    assert {answer.status_code for answer in answers} == {403}


def test_a_test_that_does_not_arrive_says_why(client, hook):
    result = client.test_webhook(hook.webhook_id)
    assert (result.success, result.response_status) == (False, None)
    assert result.error_message

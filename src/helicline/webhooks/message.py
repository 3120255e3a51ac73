"""Messages of webhooks: the entities, actions and data fields of a stock MLflow server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from helicline import registry
from helicline.errors import NotFound
from helicline.records.event import Event
from helicline.registry.model import IS_PROMPT
from helicline.store.unit import Reader

# event of this project -> MLflow's event for a model, and for a prompt ("" for none)
EVENT_NAMES = {
    ("registered_model", "created"): ("registered_model.created", "prompt.created"),
    ("registered_model", "tagged"): ("", "prompt_tag.set"),
    ("registered_model", "untagged"): ("", "prompt_tag.deleted"),
    ("model_version", "registered"): ("model_version.created", "prompt_version.created"),
    ("model_version", "tagged"): ("model_version_tag.set", "prompt_version_tag.set"),
    ("model_version", "untagged"): ("model_version_tag.deleted", "prompt_version_tag.deleted"),
    ("alias", "pointed"): ("model_version_alias.created", "prompt_alias.created"),
    ("alias", "unpointed"): ("model_version_alias.deleted", "prompt_alias.deleted"),
}
FIELDS = {
    "registered_model.created": ("name", "tags", "description"),
    "model_version.created": ("name", "version", "source", "run_id", "tags", "description"),
    "model_version_tag.set": ("name", "version", "key", "value"),
    "model_version_tag.deleted": ("name", "version", "key"),
    "model_version_alias.created": ("name", "alias", "version"),
    "model_version_alias.deleted": ("name", "alias"),
    "prompt.created": ("name", "tags", "description"),
    "prompt_version.created": ("name", "version", "template", "tags", "description"),
    "prompt_tag.set": ("name", "key", "value"),
    "prompt_tag.deleted": ("name", "key"),
    "prompt_version_tag.set": ("name", "version", "key", "value"),
    "prompt_version_tag.deleted": ("name", "version", "key"),
    "prompt_alias.created": ("name", "alias", "version"),
    "prompt_alias.deleted": ("name", "alias"),
    "budget_policy.exceeded": (
        "budget_policy_id",
        "budget_unit",
        "budget_amount",
        "current_spend",
        "duration_unit",
        "duration_value",
        "target_scope",
        "workspace",
        "target_value",
        "window_start",
    ),
}
EXAMPLE: dict[str, Any] = {
    "name": "example",
    "version": "1",
    "alias": "champion",
    "key": "team",
    "value": "pricing",
    "tags": {"team": "pricing"},
    "description": "An example",
    "source": "models:/m-0123456789abcdef0123456789abcdef",
    "run_id": "0123456789abcdef0123456789abcdef",
    "template": "Answer {{question}}",
    "budget_policy_id": "bp-example",
    "budget_unit": "USD",
    "budget_amount": 100.0,
    "current_spend": 105.5,
    "duration_unit": "MONTHS",
    "duration_value": 1,
    "target_scope": "WORKSPACE",
    "workspace": "default",
    "target_value": None,
    "window_start": 1_767_225_600_000,
}
PROMPT_TEXT = "mlflow.prompt.text"
INTERNAL_TAGS = {IS_PROMPT, "_mlflow_prompt_type"}  # tags of prompts that messages leave out


def message(tx: Reader, event: Event) -> tuple[str, dict[str, Any]] | None:
    """Return MLflow's name of the event and its document with present data, or None where MLflow has no such event."""
    if (event.noun, event.verb) not in EVENT_NAMES:
        return None
    name, number, alias = _subject(event)
    try:
        is_prompt = registry.get_model(tx, name).is_prompt
    except NotFound:
        return None
    event_name = EVENT_NAMES[event.noun, event.verb][is_prompt]
    if not event_name:
        return None
    facts = {"name": name, "version": str(number), "alias": alias, **_facts(tx, event, name, number)}
    if is_prompt and "tags" in facts:
        tags = {key: value for key, value in facts["tags"].items() if key not in INTERNAL_TAGS}
        if event.noun == "model_version":
            facts["template"] = tags.pop(PROMPT_TEXT, None)
        facts["tags"] = tags
    return event_name, document(event_name, event.at, _data(event_name, facts))


def example(event_name: str, at: datetime) -> dict[str, Any]:
    """Return an example document of an event."""
    return document(event_name, at, _data(event_name, EXAMPLE) if event_name in FIELDS else {"id": "example"})


def document(event_name: str, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    """Return the message of an event, as MLflow writes it."""
    entity, _, action = event_name.partition(".")
    return {"entity": entity, "action": action, "timestamp": at.isoformat(), "data": data}


def _data(event_name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in FIELDS[event_name]}


def _subject(event: Event) -> tuple[str, int, str]:
    """Return the model's name, the version's number (0 without one) and the alias."""
    if event.noun == "alias":
        name, _, alias = event.id.rpartition("@")
        return name, int(event.detail.get("number") or 0), alias
    if event.noun == "model_version":
        name, _, number = event.id.rpartition("/")
        return name, int(number), ""
    return event.id, 0, ""


def _facts(tx: Reader, event: Event, name: str, number: int) -> dict[str, Any]:
    if event.noun == "alias":
        return {}
    key = str(event.detail.get("key", ""))
    if event.noun == "registered_model":
        model = registry.get_model(tx, name)
        data: dict[str, Any] = {"tags": model.tags, "description": model.description}
    else:
        version = registry.get_version(tx, name, number)
        data = {"tags": version.tags, "description": version.description or None}
        data |= {"source": version.source, "run_id": version.run_id or None}
    return data | {"key": key, "value": data["tags"].get(key, "")}

"""The same calls to several servers at once: what differs once ids and the servers' own clocks are named alike."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import Any

import httpx

TWO, THREE = "/api/2.0/mlflow", "/api/3.0/mlflow"
ABSENT = {
    "experiment": "987654",
    "run": "0" * 32,
    "model": "m-" + "0" * 32,
    "trace": "tr-" + "0" * 32,
    "assessment": "a-" + "0" * 32,
}
# set by the server's own clock, or by chance
CLOCKS = frozenset(
    [
        "creation_time",
        "last_update_time",
        "creation_timestamp",
        "last_updated_timestamp",
        "creation_timestamp_ms",
        "last_updated_timestamp_ms",
        "next_page_token",
        "create_time",
        "created_time",
        "last_update_time_ms",
    ]
)
THEIR_FAULT = ("INTERNAL_ERROR", "BAD_REQUEST", "INVALID_STATE", None)
# marks of one side's own: where spans lie is told always by us, once there are some by the stock server
INTERNAL_KEYS = frozenset({"mlflow.trace.spansLocation"})
# lists that mean sets
SETS = frozenset(
    [
        "tags",
        "params",
        "aliases",
        "dataset_inputs",
        "model_outputs",
        "model_inputs",
        "registrations",
        "latest_versions",
        "dataset_summaries",
    ]
)


# a stage keeps an alias with us
STAGES = frozenset({"production", "staging"})


class Ref:
    """Stands for the id of the `number`-th thing of a kind that this sequence of calls made."""

    def __init__(self, kind: str, number: int) -> None:
        self.kind, self.number = kind, number

    def __repr__(self) -> str:
        return f"Ref({self.kind!r}, {self.number})"


class ComparedServer:
    """One server, and the ids it gave."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60)
        self.ids: dict[str, list[str]] = {}

    def begin(self) -> None:
        self.ids = {kind: [] for kind in ABSENT}

    def resolved(self, value: Any) -> Any:
        if isinstance(value, Ref):
            ids = self.ids[value.kind]
            return ids[value.number % len(ids)] if ids else ABSENT[value.kind]
        if isinstance(value, dict):
            return {key: self.resolved(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.resolved(inner) for inner in value]
        if isinstance(value, tuple):  # pieces of one text
            return "".join(str(self.resolved(inner)) for inner in value)
        return value

    def send(self, method: str, path: Any, body: dict[str, Any]) -> httpx.Response:
        fields = self.resolved(body)
        how = {"params": fields} if method == "GET" else {"json": fields}
        return self.http.request(method, self.resolved(path), **how)  # type: ignore[arg-type]

    def named(self, value: Any, key: str = "") -> Any:
        """Return the answer with every id as its name, and sets in order."""
        if isinstance(value, dict):
            inner = {
                name: self.named(inner_value, name) for name, inner_value in value.items() if name not in INTERNAL_KEYS
            }
            if key == "data" and "metrics" in inner:  # the latest of each key; a history has an order
                inner["metrics"] = sorted(inner["metrics"], key=lambda metric: json.dumps(metric, sort_keys=True))
            # to a protobuf client what is empty and what is absent are one
            return {name: inner_value for name, inner_value in inner.items() if inner_value not in ("", {}, [])}
        if isinstance(value, list):
            if key == "aliases":
                value = [
                    alias for alias in value if (alias["alias"] if isinstance(alias, dict) else alias) not in STAGES
                ]
            items = [self.named(item, key) for item in value]
            return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if key in SETS else items
        if key == "user_id" and value == "tester":  # we keep who registered a version, the stock server does not
            return ""
        if key in CLOCKS:
            return f"<{key}>"
        if isinstance(value, str):
            return self._text(value, key)
        if isinstance(value, float) and abs(value) == sys.float_info.max:  # an infinity, which we answer as one
            return "Infinity" if value > 0 else "-Infinity"
        return value

    def _text(self, text: str, key: str) -> str:
        for kind in ("run", "model", "assessment"):
            for number, own_id in enumerate(self.ids[kind]):
                text = text.replace(own_id, f"<{kind} {number}>")
        experiments = {own_id: f"<experiment {number}>" for number, own_id in enumerate(self.ids["experiment"])}
        if key == "experiment_id":
            return experiments.get(text, text)
        return re.sub(
            r"^(mlflow-artifacts:/)(\d+)(?=/|$)", lambda match: match[1] + experiments.get(match[2], match[2]), text
        )


def content_of(side: ComparedServer, response: httpx.Response) -> Any:
    """Return what an answer says: its document, or its error code."""
    try:
        document = response.json()
    except ValueError:
        return {"status": response.status_code}
    if response.status_code != 200:
        return {"error": document.get("error_code"), "message": document.get("message", "")}
    return side.named(document)


def differences(
    sides: list[ComparedServer], calls: Iterable[tuple[str, Any, dict[str, Any], tuple[str, ...]]]
) -> list[str]:
    """Send each call to all; return the first one that the first side answers unlike another, and how."""
    for side in sides:
        side.begin()
    trail = []
    for method, path, body, makes in calls:
        trail.append(f"{method} {path} {body}")
        answers = []
        for side in sides:
            response = side.send(method, path, body)
            if response.status_code == 200 and makes:
                _keep(side, makes, response.json())
            answer = content_of(side, response)
            if str(path).endswith("/traces/search"):  # a full page that is the last has a token there, not with us
                answer.pop("next_page_token", None)
            if (method, str(path)[-7:]) == ("POST", "/traces") and "error" not in answer:
                answer = {}  # the stock server answers some facts as they were before; what is read later is compared
            answers.append(answer)
        broken = answers[0].get("status", 0) >= 500
        halfway = "IntegrityError" in answers[0].get("message", "")
        if (broken or halfway) and all(answer.get("status", 0) < 500 for answer in answers[1:]):
            if broken and all("error" in answer for answer in answers[1:]):
                continue
            return []  # it kept half of the request, or none: from here on the two keep different things
        if any(not alike(answers[0], answer) for answer in answers[1:]):
            return [*trail, *(json.dumps(answer, sort_keys=True)[:3000] for answer in answers)]
    return []


def alike(stock: Any, own: Any) -> bool:
    """Tell whether two answers say the same. What the stock server calls its own fault is the caller's with us."""
    if "error" not in stock or "error" not in own:
        return bool(stock == own)
    return stock["error"] == own["error"] or (stock["error"] in THEIR_FAULT and own["error"] not in THEIR_FAULT)


def _keep(side: ComparedServer, makes: tuple[str, ...], document: Any) -> None:
    kind, *path = makes
    for part in path:
        document = document[part]
    if document not in side.ids[kind]:
        side.ids[kind].append(document)


def pages(side: ComparedServer, method: str, path: str, body: dict[str, Any], most: int = 30) -> list[Any]:
    """Return every page of a search as that side tells it."""
    answers, token = [], ""
    for _ in range(most):
        response = side.send(method, path, body | ({"page_token": token} if token else {}))
        answers.append(content_of(side, response))
        token = response.json().get("next_page_token", "") if response.status_code == 200 else ""
        if not token:
            break
    return answers

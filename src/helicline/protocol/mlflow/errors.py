"""The table of errors of the MLflow protocol: code, status and message. Clients match the messages."""

from __future__ import annotations

import json
import logging
from typing import NoReturn

import msgspec

from helicline.errors import (
    Conflict,
    HeliclineError,
    Invalid,
    NotFound,
    RateLimited,
    Refused,
    StorageFull,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from helicline.store.noun import Stale
from helicline.tracking.checks import TooLong
from helicline.tracking.errors import NotActive, ParamChanged

log = logging.getLogger("helicline.protocol.mlflow")

STATUS = {
    "INVALID_PARAMETER_VALUE": 400,
    "BAD_REQUEST": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    # the stock server answers 500, and its client then retries for minutes a request that cannot succeed
    "INVALID_STATE": 400,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_CONFLICT": 409,
    "REQUEST_TOO_LARGE": 413,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
    "RESOURCE_EXHAUSTED": 507,
    "INTERNAL_ERROR": 500,
}
NOT_FOUND_MESSAGES = {
    "experiment": "No Experiment with id={name} exists",
    "experiment by name": "Could not find experiment with name '{name}'",
    "experiment tag": "No tag with name: {name} in experiment with id {hint}",
    "run": "Run with id={name} not found",
    "run tag": "No tag with name: {name} in run with id {hint}",
    "logged model": "Logged model with ID '{name}' not found.",
    "logged model tag": "No tag with key {name!r} found for model with ID {hint!r}.",
    "registered model": "Registered Model with name={name} not found",
    "trace": "Trace with ID '{name}' not found.",
    "assessment": "Assessment with ID '{name}' not found for trace '{hint}'",
    "evaluation dataset": "Evaluation dataset with id '{name}' not found",
    "scorer": "Scorer with name '{name}' not found for experiment {hint}.",
    "scorer version": "Scorer version '{name}' not found for experiment {hint}.",
    "webhook": "Webhook with ID {name} not found.",
    "upload": "No such upload: '{name}'. {hint}",
    "artifact": "No such artifact: '{name}'",
}
EXISTS_MESSAGES = {
    "experiment": "Experiment(name={name}) already exists",
    "registered model": "Registered Model (name={name}) already exists.",
}
# a message that begins so is complete: clients match it from its first word
COMPLETE_MESSAGES = (
    "'artifact_location' ",
    "'latest' alias ",
    "Both 'run_name' ",
    "Expected ",
    "Invalid ",
    "Missing value ",
    "Version alias ",
)


class WireError(HeliclineError):
    """``WireError(code, message)``: an error of the MLflow protocol that no room raises."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.wire_code, self.message = code, message


def missing(field: str) -> NoReturn:
    raise WireError(
        "INVALID_PARAMETER_VALUE",
        f"Missing value for required parameter '{field}'."
        " See the API docs for more information about request parameters.",
    )


def as_wire(error: BaseException) -> tuple[int, bytes]:
    """Return the HTTP status and the JSON body for `error`."""
    code, message = _code_and_message(error)
    if STATUS[code] == 500:
        log.error("unexpected error", exc_info=error)
    return STATUS[code], msgspec.json.encode({"error_code": code, "message": message})


def _code_and_message(error: BaseException) -> tuple[str, str]:
    if isinstance(error, WireError):
        return error.wire_code, error.message
    if isinstance(error, NotFound):
        return _missing(error)
    if isinstance(error, Conflict):
        return _conflict(error)
    if isinstance(error, Invalid):
        return _invalid(error)
    if isinstance(error, Unauthenticated):
        return "UNAUTHENTICATED", str(error)
    if isinstance(error, Refused):
        return "PERMISSION_DENIED", str(error)
    if isinstance(error, StorageFull):
        return "RESOURCE_EXHAUSTED", str(error)
    if isinstance(error, RateLimited):
        return "REQUEST_LIMIT_EXCEEDED", str(error)
    if isinstance(error, Unavailable):
        return "TEMPORARILY_UNAVAILABLE", str(error)
    return "INTERNAL_ERROR", "An internal error has occurred"


def _missing(error: NotFound) -> tuple[str, str]:
    if error.noun == "alias":
        return "INVALID_PARAMETER_VALUE", f"Registered model alias {error.name} not found."
    if error.noun == "model version":
        name, _, number = error.name.rpartition("/")
        return "RESOURCE_DOES_NOT_EXIST", f"Model Version (name={name}, version={number}) not found"
    text = NOT_FOUND_MESSAGES.get(error.noun)
    return "RESOURCE_DOES_NOT_EXIST", text.format(name=error.name, hint=error.hint) if text else str(error)


def _conflict(error: Conflict) -> tuple[str, str]:
    if isinstance(error, ParamChanged):
        return "INVALID_PARAMETER_VALUE", error.why
    if isinstance(error, NotActive):
        return "INVALID_PARAMETER_VALUE", f"The {error.noun} {error.name} {error.why}."
    if isinstance(error, Stale):
        return "RESOURCE_CONFLICT", str(error)
    if error.why == "exists already" and error.noun in EXISTS_MESSAGES:
        return "RESOURCE_ALREADY_EXISTS", EXISTS_MESSAGES[error.noun].format(name=error.name)
    return "INVALID_STATE", str(error)


def _invalid(error: Invalid) -> tuple[str, str]:
    if isinstance(error, TooLarge):
        return "REQUEST_TOO_LARGE", str(error)
    if isinstance(error, TooLong):
        return "INVALID_PARAMETER_VALUE", f"'{error.field}' exceeds the maximum length of {error.limit} characters"
    if error.allowed.startswith(COMPLETE_MESSAGES):
        return "INVALID_PARAMETER_VALUE", error.allowed
    value_text = json.dumps(error.got)
    if len(value_text) > 300:
        value_text = value_text[:297] + "..."
    separator = ". " if error.allowed.startswith("It must be") else ": "
    message = f"Invalid value {value_text} for parameter '{error.field}' supplied{separator}{error.allowed}"
    return "INVALID_PARAMETER_VALUE", message

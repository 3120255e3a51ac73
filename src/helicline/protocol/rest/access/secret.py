"""Secrets of steps over HTTP: set, listed and removed; no answer contains a value."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import delete, get, put

from helicline.access import secrets
from helicline.errors import Refused
from helicline.protocol.rest.edge import NO_STORE, Done, Edge, Page
from helicline.records.access import Secret
from helicline.store import nouns
from helicline.store.unit import Reader
from helicline.store.vault import Vault


class SecretBody(msgspec.Struct, forbid_unknown_fields=True):
    value: str


class SecretShown(msgspec.Struct, frozen=True, kw_only=True):
    """A secret without its value. `used_by` are the steps that name it, as `loop/step`."""

    name: str
    created_at: datetime
    updated_at: datetime
    updated_by: str
    used_by: list[str]


def _shown(tx: Reader, records: list[Secret]) -> list[SecretShown]:
    loops = nouns.LOOPS.select(tx)
    steps = [(f"{loop.name}/{step.name}", step.secrets) for loop in loops for step in loop.spec.pipeline.steps]
    return [
        SecretShown(
            name=secret.name,
            created_at=secret.created_at,
            updated_at=secret.updated_at,
            updated_by=secret.updated_by,
            used_by=[step for step, names in steps if secret.name in names],
        )
        for secret in records
    ]


def _check_identified(edge: Edge) -> None:
    """Refuse a caller without a token, in local mode too: any program of the machine could come, a step for example."""
    if not edge.caller.is_identified:
        hint = "Send the owner's token, as the command does: hl secret set NAME"
        raise Refused("change a secret", "the request came without a token", hint)


@put("/secrets/{name:str}", sync_to_thread=True, response_headers=NO_STORE)
def set_secret(edge: Edge, name: str, data: SecretBody) -> SecretShown:
    """Set a secret or replace its value, which is sealed at once."""
    _check_identified(edge)
    vault = Vault.of(edge.context.settings)
    secret = edge.write(lambda tx: secrets.set_secret(tx, vault, name, value=data.value))
    return edge.read(lambda tx: _shown(tx, [secret]))[0]


@get("/secrets", sync_to_thread=True)
def list_secrets(edge: Edge) -> Page[SecretShown]:
    """Every secret, without its value."""
    return Page(edge.read(lambda tx: _shown(tx, nouns.SECRETS.select(tx))))


@delete("/secrets/{name:str}", sync_to_thread=True, status_code=200)
def remove_secret(edge: Edge, name: str) -> Done:
    """Delete a secret; steps that name it are refused from now on."""
    _check_identified(edge)
    edge.write(lambda tx: secrets.remove(tx, name))
    return Done()


ROUTES = [set_secret, list_secrets, remove_secret]

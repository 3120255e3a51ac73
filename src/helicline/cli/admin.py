"""Tokens, the audit trail, settings: `hl token`, `hl audit`, `hl config`."""

from __future__ import annotations

import sys
from typing import Any

from cyclopts import App

from helicline import settings as settings_file
from helicline.cli.show import as_json, connect, say, table

token_app = App(name="token", help="Tokens for people and programs.")
audit_app = App(name="audit", help="The audit trail.")
config_app = App(name="config", help="The settings in force.")
SECRET = ("token", "database")


@token_app.command(name="create")
def create_token(name: str, *, role: str = "viewer", days: int = 90, json: bool = False) -> None:
    """Make a token; its secret is printed this once.

    Example: `hl token create ci --role contributor --days 30`

    Parameters
    ----------
    role
        viewer, contributor, operator, approver, worker, gateway or admin.
    """
    made = connect().post("/tokens", dict[str, Any], {"name": name, "role": role, "days": days})
    if json:
        as_json(made)
        return
    say(f"{made['name']} ({made['role']}), id {made['id']}; keep this secret, it is not shown again:")
    print(made["secret"])


@token_app.command(name="ls")
def list_tokens(*, json: bool = False) -> None:
    """List tokens without their secrets. Example: `hl token ls`"""
    found = connect().items("/tokens", dict[str, Any])
    if json:
        as_json(found)
        return
    rows = [
        (one["id"], one["name"], one["role"], one["expires_at"], "revoked" if one["revoked_at"] else "")
        for one in found
    ]
    table("", ("id", "name", "role", "expires", ""), rows, empty="No tokens.")


@token_app.command(name="revoke")
def revoke_token(token: str) -> None:
    """End a token at once. Example: `hl token revoke 3f9a1c2b4d5e`"""
    found = connect().post(f"/tokens/{token}/revoke", dict[str, Any])
    say(f"{found['name']} is revoked")


@audit_app.command(name="verify")
def verify_audit(*, json: bool = False) -> None:
    """Walk the whole chain of events and say whether it holds. Example: `hl audit verify`"""
    found = connect().get("/audit", dict[str, Any])
    if json:
        as_json(found)
    elif found["ok"]:
        say(f"the chain of {found['events']} events holds")
    else:
        say(f"[red]the chain is broken at event {found['broken_at']}[/]: {found['why']}")
    if not found["ok"]:
        sys.exit(1)


@audit_app.command(name="ls")
def list_events(noun: str = "", *, limit: int = 30, json: bool = False) -> None:
    """List events, newest first. Example: `hl audit ls rollout`"""
    found = connect().items("/events", dict[str, Any], noun=noun or None, limit=limit)
    if json:
        as_json(found)
        return
    rows = [(one["seq"], one["at"], one["actor"], one["verb"], one["noun"], one["id"]) for one in found]
    table("", ("seq", "at", "actor", "verb", "noun", "id"), rows, empty="No events yet.")


@config_app.command(name="show")
def show_config(*, json: bool = False) -> None:
    """Show every setting, its value and where it comes from. Example: `hl config show`"""
    found = settings_file.origins()
    rows = [
        (name, "(set)" if name in SECRET and value else value, origin)
        for name, (value, origin) in sorted(found.items())
    ]
    if json:
        as_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
        return
    table("", ("setting", "value", "from"), rows)

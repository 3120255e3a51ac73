"""Secrets of steps: `hl secret`."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from cyclopts import App

from helicline.cli.show import as_json, connect, say, table

app = App(name="secret", help="Secrets of steps: set, list, remove.")


@app.command(name="set")
def set_secret(name: str) -> None:
    """Set a secret, or replace its value, which is asked for or read from standard input.

    Never an argument: these are seen in lists of processes and in histories of shells.

    Example: `hl secret set SHOP_DB`
    """
    prompt = f"Value of {name} (not shown): "
    value = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n").removesuffix("\r")
    secret = connect().send("PUT", f"/secrets/{name}", body={"value": value}).json()
    say("{} is set; a step sees it that names it: @hl.step(secrets=[{!r}])", secret["name"], secret["name"])


@app.command(name="ls")
def list_secrets(*, json: bool = False) -> None:
    """List secrets without their values. Example: `hl secret ls`"""
    secrets = connect().items("/secrets", dict[str, Any])
    if json:
        as_json(secrets)
        return
    rows = [
        (secret["name"], secret["updated_at"], secret["updated_by"], ", ".join(secret["used_by"])) for secret in secrets
    ]
    table("", ("secret", "set", "by", "steps"), rows, empty="No secrets. Set one with: hl secret set NAME")


@app.command(name="rm")
def remove_secret(name: str) -> None:
    """Remove a secret: steps that name it are refused from now on. Example: `hl secret rm SHOP_DB`"""
    client = connect()
    users = [
        step
        for secret in client.items("/secrets", dict[str, Any])
        if secret["name"] == name
        for step in secret["used_by"]
    ]
    client.send("DELETE", f"/secrets/{name}")
    say("{} is removed", name)
    if users:
        say("these steps cannot run until it is set again: {}", ", ".join(users))

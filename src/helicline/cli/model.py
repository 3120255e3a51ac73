"""Models and versions: `hl model`."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from helicline.cli.deploy import split_version
from helicline.cli.show import ago, as_json, connect, say, table
from helicline.records.model import Alias, ModelVersion

app = App(name="model", help="Registered models, versions and aliases.")


@app.command(name="ls")
def list_models(model: str = "", *, json: bool = False) -> None:
    """List models, or the versions of one. Example: `hl model ls churn`"""
    client = connect()
    if not model:
        found = client.items("/models", dict[str, Any])
        if json:
            as_json(found)
            return
        rows = [(one["model"]["name"], (one["latest"] or {}).get("number", ""), _aliases(one)) for one in found]
        table("", ("model", "latest", "aliases"), rows, empty="No model yet.")
        return
    found = client.items(f"/models/{model}/versions", dict[str, Any])
    if json:
        as_json(found)
        return
    table("", ("version", "aliases", "gates", "serves in", "from"), [_row(one) for one in found])


def _aliases(one: dict[str, Any]) -> str:
    return ", ".join(f"{alias['alias']} → {alias['number']}" for alias in one["aliases"])


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    version, report = one["version"], one["report"]
    verdicts = " ".join(verdict["outcome"] for verdict in report["verdicts"]) if report else "not judged"
    turn = f"{version['loop']}~{version['turn']}" if version["turn"] else version["created_by"]
    return (
        f"{version['model']}/{version['number']}",
        ", ".join(one["aliases"]),
        verdicts,
        ", ".join(one["deployments"]),
        turn,
    )


@app.command(name="register")
def register(model: str, source: str, *, description: str = "", json: bool = False) -> None:
    """Register a logged model as the next version; the model's loops then judge it.

    Example: `hl model register churn models:/m-0123456789abcdef0123456789abcdef`
    """
    body = {"source": source, "description": description}
    found = connect().post(f"/models/{model}/versions", ModelVersion, body)
    if json:
        as_json(found)
        return
    say(f"[bold]{found.id}[/] registered {ago(found.created_at)}; its verdicts: hl gate show {found.id}")


@app.command(name="point")
def point(version: str, alias: str) -> None:
    """Point an alias to a version. Example: `hl model point churn/7 challenger`"""
    model, number = split_version(version)
    found = connect().post(f"/models/{model}/aliases/{alias}", Alias, {"number": number})
    say(f"{found.model}@{found.alias} → {found.number}")

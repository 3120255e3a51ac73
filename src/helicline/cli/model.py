"""Models and versions: `hl model`."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from helicline.cli.deploy import split_version
from helicline.cli.show import ago, as_json, connect, say, table
from helicline.errors import Invalid
from helicline.records.model import Alias, ModelVersion, PromotionRequest, RegisteredModel

app = App(name="model", help="Registered models, versions and aliases.")


@app.command(name="ls")
def list_models(model: str = "", *, json: bool = False) -> None:
    """List models, or the versions of one. Example: `hl model ls churn`"""
    client = connect()
    if not model:
        summaries = client.items("/models", dict[str, Any])
        if json:
            as_json(summaries)
            return
        rows = [
            (summary["model"]["name"], (summary["latest"] or {}).get("number", ""), _aliases(summary))
            for summary in summaries
        ]
        table("", ("model", "latest", "aliases"), rows, empty="No model yet.")
        return
    summaries = client.items(f"/models/{model}/versions", dict[str, Any])
    if json:
        as_json(summaries)
        return
    table("", ("version", "aliases", "gates", "serves in", "from"), [_row(detail) for detail in summaries])


def _aliases(summary: dict[str, Any]) -> str:
    return ", ".join(f"{alias['alias']} → {alias['number']}" for alias in summary["aliases"])


def _row(detail: dict[str, Any]) -> tuple[Any, ...]:
    version, report = detail["version"], detail["report"]
    verdicts = " ".join(verdict["outcome"] for verdict in report["verdicts"]) if report else "not judged"
    turn = f"{version['loop']}~{version['turn']}" if version["turn"] else version["created_by"]
    return (
        f"{version['model']}/{version['number']}",
        ", ".join([*detail["aliases"], *(["archived"] if version["stage"] == "Archived" else [])]),
        verdicts,
        ", ".join(detail["deployments"]),
        turn,
    )


@app.command(name="register")
def register(model: str, source: str, *, description: str = "", json: bool = False) -> None:
    """Register a logged model as the next version; the gates of the model's loops then judge it.

    Example: `hl model register churn models:/m-0123456789abcdef0123456789abcdef`
    """
    body = {"source": source, "description": description}
    version = connect().post(f"/models/{model}/versions", ModelVersion, body)
    if json:
        as_json(version)
        return
    say("[bold]{}[/] registered {}; its verdicts: hl gate show {}", version.id, ago(version.created_at), version.id)


@app.command(name="point")
def point(version: str, alias: str, *, by: str = "", reason: str = "") -> None:
    """Point an alias to a version; for a protected alias this opens a promotion request.

    Example: `hl model point churn/7 challenger`

    Parameters
    ----------
    by
        Who requests it, where the alias is protected; with a token, the token's name.
    """
    model, number = split_version(version)
    body = {"number": number, "person": by, "reason": reason}
    pointer = connect().post(f"/models/{model}/aliases/{alias}", Alias, body)
    say("{}@{} → {}", pointer.model, pointer.alias, pointer.number)


@app.command(name="request")
def request(version: str, alias: str, *, by: str = "", reason: str = "", json: bool = False) -> None:
    """Request that a protected alias points to a version; people answer with `hl approve` and `hl reject`.

    Example: `hl model request churn/7 champion --by "$USER" --reason "2 points better on new data"`
    """
    model, number = split_version(version)
    body = {"model": model, "number": number, "alias": alias, "person": by, "reason": reason}
    opened = connect().post("/promotion-requests", PromotionRequest, body)
    if json:
        as_json(opened)
        return
    say(
        "request [bold]{}[/]: {} of role {} must approve; hl approve {}",
        opened.id,
        opened.people,
        opened.role,
        opened.id,
    )


@app.command(name="protect")
def protect(model: str, alias: str, *, role: str = "approver", people: int = 1) -> None:
    """Protect an alias: it moves only when people other than the requester approve.

    Example: `hl model protect churn champion --people 2`
    """
    connect().post(f"/models/{model}/aliases/{alias}/protect", RegisteredModel, {"role": role, "people": people})
    say("{}@{} moves when {} of role {} approve", model, alias, people, role)


@app.command(name="unprotect")
def unprotect(model: str, alias: str) -> None:
    """Remove the protection of an alias. Example: `hl model unprotect churn champion`"""
    connect().post(f"/models/{model}/aliases/{alias}/unprotect", RegisteredModel)
    say("{}@{} moves freely", model, alias)


@app.command(name="card")
def card(version: str, *, set: list[str] | None = None, json: bool = False) -> None:
    """Print a version's card as Markdown, or write fields of it.

    Example: `hl model card churn/7 --set intended_use="To rank customers who may leave"`

    Parameters
    ----------
    set
        `field=text`: owner, intended_use, out_of_scope, limitations or ethics; an empty text deletes the field.
    """
    model, number = split_version(version)
    path = f"/models/{model}/versions/{number}/card"
    if set:
        fields = dict(_field(assignment) for assignment in set)
        document = connect().post(path, dict[str, Any], {"fields": fields})
    else:
        document = connect().get(path, dict[str, Any])
    if json:
        as_json(document)
        return
    print(document["markdown"])


def _field(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise Invalid("--set", text, "field=text")
    return name, value


@app.command(name="diff")
def diff(before: str, after: int, *, json: bool = False) -> None:
    """Show the difference of two versions: signature, parameters, metrics, files.

    Example: `hl model diff churn/6 7`
    """
    model, number = split_version(before)
    changes = connect().get(f"/models/{model}/diff", dict[str, Any], before=number, after=after)
    if json:
        as_json(changes)
        return
    rows = [
        (
            f"{change['part']} {change['name']}",
            change["before"],
            change["after"],
            "breaks callers" if change["breaks"] else "",
        )
        for change in changes["signature"]
    ]
    rows += [(f"param {change['name']}", change["before"], change["after"], "") for change in changes["params"]]
    rows += [
        (f"metric {change['name']}", _number(change["before"]), _number(change["after"]), "")
        for change in changes["metrics"]
    ]
    rows += [(f"file {change['path']}", "", "", change["change"]) for change in changes["files"]["changes"]]
    table("", ("what", before, f"{model}/{after}", ""), rows, empty="They do not differ.")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


@app.command(name="lineage")
def lineage(version: str, *, json: bool = False) -> None:
    """Show the origins of a version, and where it is used. Example: `hl model lineage churn/7`"""
    graph = connect().get("/lineage", dict[str, Any], noun="model_version", id=version)
    if json:
        as_json(graph)
        return
    words = {"back": "from", "focus": "", "forward": "to"}
    rows = [
        (words[node["side"]], node["noun"].replace("_", " "), node["id"], node["detail"]) for node in graph["nodes"]
    ]
    table("", ("", "what", "id", ""), rows)

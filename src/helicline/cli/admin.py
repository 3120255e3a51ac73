"""Tokens, the audit trail, settings, the trash: `hl token`, `hl audit`, `hl config`, `hl gc`."""

from __future__ import annotations

import re
import sys
from typing import Any

from cyclopts import App

from helicline import settings as settings_file
from helicline.cli.show import as_json, connect, say, table
from helicline.errors import Invalid, Refused

token_app = App(name="token", help="Tokens for people and programs.")
audit_app = App(name="audit", help="The audit trail.")
config_app = App(name="config", help="The settings in force.")
SECRET_SETTINGS = ("token", "database", "secret_key")
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])")
CHECKPOINTS_PER_PAGE = 1_000  # 300 bytes each
GC_TIMEOUT_S = 6 * 3600.0


@token_app.command(name="create")
def create_token(name: str, *, role: str = "", scope: tuple[str, ...] = (), days: int = 90, json: bool = False) -> None:
    """Make a token; its secret is printed only once.

    Example: `hl token create ci --role contributor --days 30`

    Parameters
    ----------
    role
        viewer (where nothing is said), contributor, operator, approver, worker, gateway or admin.
    scope
        Instead of a role, for calls of gateways: predict:DEPLOYMENT, feedback:DEPLOYMENT or metrics; may be repeated.
    """
    body = {"name": name, "role": role or ("" if scope else "viewer"), "scopes": list(scope), "days": days}
    token = connect().post("/tokens", dict[str, Any], body)
    if json:
        as_json(token)
        return
    say("{} ({}), id {}; keep this secret, it is not shown again:", token["name"], token["role"], token["id"])
    print(token["secret"])


@token_app.command(name="ls")
def list_tokens(*, json: bool = False) -> None:
    """List tokens without their secrets. Example: `hl token ls`"""
    tokens = connect().items("/tokens", dict[str, Any])
    if json:
        as_json(tokens)
        return
    rows = [_token_row(token) for token in tokens]
    table("", ("id", "name", "role or scopes", "expires", ""), rows, empty="No tokens.")


def _token_row(token: dict[str, Any]) -> tuple[str, ...]:
    allowed = ", ".join(token["scopes"]) or token["role"]
    return (token["id"], token["name"], allowed, token["expires_at"], "revoked" if token["revoked_at"] else "")


@token_app.command(name="revoke")
def revoke_token(token: str) -> None:
    """End a token at once. Example: `hl token revoke 3f9a1c2b4d5e`"""
    revoked = connect().post(f"/tokens/{token}/revoke", dict[str, Any])
    say("{} is revoked", revoked["name"])


@audit_app.command(name="verify")
def verify_audit(*, anchor: str = "", json: bool = False) -> None:
    """Verify the hash chain of all events, archived ones too.

    Example: `hl audit verify --anchor /mnt/audit/anchor.jsonl`

    Parameters
    ----------
    anchor
        The file or bucket of the setting audit_anchor: also finds a chain that was cut short or built anew.
    """
    audit = _compared(anchor) if anchor else connect().get("/audit", dict[str, Any], archives=True)
    if json:
        as_json(audit)
    elif audit["ok"]:
        say("the chain of {} events holds", audit["events"])
    else:
        say("[red]the chain is broken at event {}[/]: {}", audit["broken_at"], audit["why"])
    if not audit["ok"]:
        sys.exit(1)


def _compared(place: str) -> dict[str, Any]:
    from helicline.access.audit_anchor import Anchor

    client, (first, *more) = connect(), Anchor(place).checkpoints()
    audit: dict[str, Any] = {"ok": True}
    for start in range(0, max(1, len(more)), CHECKPOINTS_PER_PAGE):
        # the first goes with every page: all have to be signed with its key
        page = [first, *more[start : start + CHECKPOINTS_PER_PAGE]]
        body = {"checkpoints": page, "with_chain": start == 0}
        audit = client.post("/audit/compare", dict[str, Any], body)
        if not audit["ok"]:
            break
    return audit


@audit_app.command(name="thin")
def thin_anchor(anchor: str, *, dry_run: bool = False) -> None:
    """Make an anchor shorter: all checkpoints of a day stay, one of each hour of a month, one of each day before.

    The server never does that: it needs no right to change what it has written there. Verify before you thin.

    Example: `hl audit thin /mnt/audit/anchor.jsonl --dry-run`

    Parameters
    ----------
    anchor
        The file or bucket of the setting audit_anchor.
    dry_run
        Remove nothing, and say how many would go.
    """
    from datetime import UTC, datetime

    from helicline.access.audit_anchor import Anchor, AnchorMismatch, check_signatures, thinned

    place = Anchor(anchor)
    checkpoints = place.checkpoints()
    try:
        check_signatures(checkpoints)
    except AnchorMismatch as broken:
        why = f"the checkpoint of event {broken.seq}: {broken.why}"
        raise Refused(f"thin {anchor}", why, f"Keep it as it is, and see: hl audit verify --anchor {anchor}") from None
    remaining = thinned(checkpoints, datetime.now(UTC))
    if not dry_run:
        place.replace(checkpoints, remaining)
    went = "would go" if dry_run else "went"
    say("{:,} of {:,} checkpoints {}", len(checkpoints) - len(remaining), len(checkpoints), went)


@audit_app.command(name="ls")
def list_events(noun: str = "", *, limit: int = 30, json: bool = False) -> None:
    """List events, newest first. Example: `hl audit ls rollout`"""
    events = connect().items("/events", dict[str, Any], noun=noun or None, limit=limit)
    if json:
        as_json(events)
        return
    rows = [(event["seq"], event["at"], event["actor"], event["verb"], event["noun"], event["id"]) for event in events]
    table("", ("seq", "at", "actor", "verb", "noun", "id"), rows, empty="No events yet.")


@config_app.command(name="show")
def show_config(*, json: bool = False) -> None:
    """Show every setting, its value and where it comes from. Example: `hl config show`"""
    values = settings_file.origins()
    rows = [
        (name, "(set)" if name in SECRET_SETTINGS and value else value, origin)
        for name, (value, origin) in sorted(values.items())
    ]
    if json:
        as_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
        return
    table("", ("setting", "value", "from"), rows)


def gc(
    *,
    older_than: str = "0s",
    run_ids: str = "",
    experiment_ids: str = "",
    grace: str = "24h",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Remove deleted runs, experiments, logged models and versions permanently, with the blobs that nothing refers to.

    What a registered or deployed model version comes from stays, with the reason. Safe while the server runs. Without
    names, predictions, feedback and monitor windows that are older than the setting `log_keep` says go as well, and
    traces that are older than `trace_keep` and logs of steps and models that are older than `process_log_keep` says.
    Events that are older than `event_keep` says go to compressed files, which `hl audit verify` reads.

    Example: `hl gc --older-than 30d --dry-run`

    Parameters
    ----------
    older_than
        Only what was deleted at least so long ago: `30d`, `12h`, `1d12h30m`.
    run_ids
        Only these deleted runs, joined by commas.
    experiment_ids
        Only these deleted experiments with everything in them, joined by commas.
    grace
        Blobs that were uploaded or checked in this time stay: their upload may be in progress.
    dry_run
        Remove nothing, and list what would be removed.
    """
    body = {
        "older_than_s": _seconds("older_than", older_than),
        "grace_s": _seconds("grace", grace),
        "run_ids": _split_names(run_ids),
        "experiment_ids": _split_names(experiment_ids),
        "dry_run": dry_run,
    }
    report = connect().send("POST", "/trash/empty", body=body, timeout_s=GC_TIMEOUT_S).json()
    if json:
        as_json(report)
        return
    nouns = ("experiment", "run", "logged_model", "model_version", "trace", "blob")
    table("", ("what", "would go" if dry_run else "gone"), [(noun, report[f"{noun}_count"]) for noun in nouns])
    say("{:,} bytes {} free", report["freed_bytes"], "would be" if dry_run else "are")
    _show_log(report["log"])
    traces = [(part["name"], part["trace_count"], part["before"]) for part in report["old_traces"]]
    if traces:
        table("", ("traces of", "count", "all before"), traces)
    for logs in report["process_logs"]:
        say("{} logs of steps and model workers ({:,} bytes)", logs["file_count"], logs["freed_bytes"])
    for old in report["old_events"]:
        say("{:,} events before {} {} archived", old["event_count"], old["before"], "would be" if dry_run else "are")
    if body["grace_s"]:
        say("Blobs that were used in the last {} stay until later (--grace).", grace)
    remaining = [(item["noun"], item["id"], item["why"]) for item in report["kept"]]
    if remaining:
        table("", ("stays", "id", "because"), remaining)


def _show_log(parts: list[dict[str, Any]]) -> None:
    """Show what went, or would go, of the prediction log of each deployment."""
    columns = ("deployment", "file_count", "freed_bytes", "window_count", "before", "needed")
    rows = [tuple(part[name] for name in columns) for part in parts]
    if rows:
        table("", ("log of", "files", "bytes", "windows", "all before", "more stays because"), rows)


def _seconds(name: str, text: str) -> float:
    if not re.fullmatch(f"({DURATION_PART.pattern})+", text.strip()):
        raise Invalid(name, text, "a time like 30d, 12h or 1d12h30m")
    return sum(float(number) * UNITS[unit] for number, unit in DURATION_PART.findall(text))


def _split_names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]

"""Loops, turns and triggers: `hl run`, `hl turn`, `hl trigger`, `hl loop`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from helicline import settings as settings_file
from helicline.cli.loop_file.apply import applied
from helicline.cli.show import ago, as_json, connect, duration, say, table
from helicline.errors import Conflict, Invalid
from helicline.records.loop import Trigger, Turn
from helicline.sdk.client import Client

app = App(name="loop", help="The loops that are recorded.")
turn_app = App(name="turn", help="Turns: single passages round the loop.")
trigger_app = App(name="trigger", help="Triggers: what begins turns automatically.")


def run(
    name: str,
    *,
    params: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    harvest: bool = False,
    wait: bool = True,
    json: bool = False,
) -> None:
    """Turn a loop once and follow it to its end. Of a loop file, first record its loops, as `hl apply` does.

    Example: `hl run churn --set train.lr=0.3`; `hl run loop.py`

    Parameters
    ----------
    name
        The loop; or a Python file that defines one or several.
    params
        A parameter of a step or of the pipeline, for this turn: train.lr=0.3 or lr=0.3; may be repeated.
    harvest
        First commit the labelled production rows as a new version of the loop's dataset.
    wait
        Follow the turn; with --no-wait return at once.
    """
    client, order = connect(), {"harvest": harvest, "params": settings_of(params)}
    is_file = name.endswith(".py")
    names = [spec.name for spec, _ in applied(client, Path(name), quiet=json)] if is_file else [name]
    begin = begun_or_first if is_file and not any(order.values()) else begun
    turns = [_turned(client, begin(client, loop, order), wait=wait, json=json) for loop in names]
    if json:
        as_json(turns if is_file else turns[0])
    if any(turn.state in ("FAILED", "ROLLED_BACK", "REJECTED") for turn in turns):
        sys.exit(1)


def begun(client: Client, loop: str, order: dict[str, Any]) -> Turn:
    return client.post(f"/loops/{loop}/turns", Turn, order)


def begun_or_first(client: Client, loop: str, order: dict[str, Any]) -> Turn:
    """Return the turn that begins, or the loop's first one where a trigger was faster: it does the same.

    The first version of a loop's data, which came with its file, may have begun it.
    """
    try:
        return begun(client, loop, order)
    except Conflict:
        turns = client.items("/turns", Turn, loop=loop)
        if len(turns) != 1 or turns[0].state in ENDED:
            raise
        return turns[0]


def _turned(client: Client, turn: Turn, *, wait: bool, json: bool) -> Turn:
    if wait:
        turn = follow(client, turn.id, quiet=json)
    elif not json:
        say("began {}; follow it with: hl turn show {}", turn.id, turn.id)
    return turn


def settings_of(texts: Sequence[str]) -> dict[str, str]:
    """Return what `--set name=value` says, by name. Raises Invalid where there is no `=`."""
    pairs = [text.partition("=") for text in texts]
    wrong = [name for name, equals, _ in pairs if not (name and equals)]
    if wrong:
        raise Invalid("--set", wrong[0], "a parameter and its value, like train.lr=0.3")
    return {name.strip(): value for name, _, value in pairs}


ENDED = ("PROMOTED", "SUCCEEDED", "REJECTED", "ROLLED_BACK", "FAILED", "UNCHANGED", "CANCELLED")


def follow(client: Client, turn_id: str, *, quiet: bool = False) -> Turn:
    """Print the legs of a turn as they happen, and return the turn when it ends."""
    printed: set[tuple[str, bool]] = set()
    while True:
        turn = client.get(f"/turns/{turn_id}", Turn)
        for leg in turn.legs:
            key = (leg.name, leg.finished_at is not None)
            if key not in printed and not quiet:
                printed.add(key)
                text = f"{leg.result} in {duration(leg.seconds)}" if leg.finished_at else f"began {leg.subject}"
                say("  {:9} {}", leg.name, text)
        if turn.state in ENDED:
            if not quiet:
                say("[bold]{}[/] {}: {}", turn.id, turn.state, turn.result)
                _say_next(client, turn)
            return turn
        time.sleep(0.3)


def _say_next(client: Client, turn: Turn) -> None:
    """Print where a model answers that serves now, or where to look why none does."""
    loop = client.get(f"/loops/{turn.loop}", dict[str, Any])["loop"]["spec"]
    gateway = settings_file.load().home_path / "gateway.url"
    if turn.state == "PROMOTED" and gateway.is_file():
        say("it answers at {}/endpoints/{}/invocations", gateway.read_text().strip(), loop["deployment"])
    if turn.state == "REJECTED" and turn.model_version:
        say("see: hl gate show {}/{}", loop["model"], turn.model_version)
    if turn.state == "FAILED":
        say("see: hl turn show {}", turn.id)
        say("to go on where it stopped: hl turn retry {}", turn.id)


@app.command(name="ls")
def list_loops(*, json: bool = False) -> None:
    """List the loops. Example: `hl loop ls`"""
    details = connect().items("/loops", dict[str, Any])
    if json:
        as_json(details)
        return
    rows = [
        (
            detail["loop"]["name"],
            detail["loop"]["spec_version"],
            detail["loop"]["last_turn"],
            "paused" if detail["loop"]["paused"] else "",
            len(detail["monitors"]),
            len(detail["alerts"]),
        )
        for detail in details
    ]
    table(
        "",
        ("loop", "spec", "turns", "", "monitors", "alerts"),
        rows,
        empty="No loop yet. Record one with: hl apply loop.py",
    )


@app.command(name="pause")
def pause_loop(
    loop: str = "", *, everything: Annotated[bool, Parameter(name="--all")] = False, reason: str = ""
) -> None:
    """Let no trigger of a loop begin a turn, until it is resumed. What is under way goes on; by hand, turns begin.

    Example: `hl loop pause churn --reason "stocktaking"`; `hl loop pause --all`

    Parameters
    ----------
    everything
        All loops that there are.
    reason
        Why, for those who wonder.
    """
    _pause(loop, everything=everything, paused=True, reason=reason)


@app.command(name="resume")
def resume_loop(loop: str = "", *, everything: Annotated[bool, Parameter(name="--all")] = False) -> None:
    """Let the triggers of a paused loop begin turns again. Example: `hl loop resume churn`; `hl loop resume --all`

    Parameters
    ----------
    everything
        All loops that are paused.
    """
    _pause(loop, everything=everything, paused=False, reason="")


def _pause(name: str, *, everything: bool, paused: bool, reason: str) -> None:
    if bool(name) == everything:
        raise Invalid("loop", f"{name} and --all" if name else "none", "the name of a loop, or --all")
    client, order = connect(), {"paused": paused, "reason": reason}
    changed = (
        client.post("/pause", dict[str, Any], order)["items"]
        if everything
        else [client.post(f"/loops/{name}/pause", dict[str, Any], order)]
    )
    for loop in changed:
        say("{} {}", loop["name"], "is paused: no trigger begins a turn" if paused else "goes on")
    if not changed:
        say("{}", "no loop that is not paused already" if paused else "no loop is paused")


@app.command(name="show")
def show_loop(name: str) -> None:
    """Print a loop's whole spec as JSON. Example: `hl loop show churn`"""
    as_json(connect().get(f"/loops/{name}", dict[str, Any])["loop"])


@turn_app.command(name="ls")
def list_turns(loop: str = "", *, limit: int = 20, json: bool = False) -> None:
    """List turns, newest first. Example: `hl turn ls churn`"""
    turns = connect().items("/turns", Turn, loop=loop or None, limit=limit)
    if json:
        as_json(turns)
        return
    rows = [
        (
            turn.id,
            turn.state,
            turn.cause.sentence,
            " ".join(f"{leg.name} {duration(leg.seconds)}" for leg in turn.legs),
            ago(turn.created_at),
        )
        for turn in turns
    ]
    table("", ("turn", "state", "cause", "legs", "began"), rows, empty="No turn yet. Begin one with: hl run NAME")


@turn_app.command(name="show")
def show_turn(turn: str, *, json: bool = False) -> None:
    """Show one turn: cause, legs with seconds, result. Example: `hl turn show churn~3`"""
    detail = connect().get(f"/turns/{turn}", Turn)
    if json:
        as_json(detail)
        return
    say("[bold]{}[/] {}  {}", detail.id, detail.state, detail.result)
    say("cause: {}", detail.cause.sentence)
    if detail.params:
        say("set: {}", ", ".join(f"{name}={value}" for name, value in detail.params.items()))
    table(
        "",
        ("leg", "seconds", "outcome", "on"),
        [(leg.name, duration(leg.seconds), leg.result, leg.subject) for leg in detail.legs],
    )


@turn_app.command(name="retry")
def retry_turn(turn: str) -> None:
    """Go on where a failed turn stopped: a new turn, in which finished steps come from the cache.

    Example: `hl turn retry churn~3`
    """
    begun = connect().post(f"/turns/{turn}/retry", Turn)
    say("{} {}: {}", begun.id, begun.state, begun.cause.sentence)


@turn_app.command(name="cancel")
def cancel_turn(turn: str, *, reason: str = "") -> None:
    """Cancel a turn, its pipeline run and its rollout. Example: `hl turn cancel churn~3`"""
    cancelled = connect().post(f"/turns/{turn}/cancel", Turn, {"reason": reason})
    say("{} {}", cancelled.id, cancelled.state)


@trigger_app.command(name="ls")
def list_triggers(loop: str, *, json: bool = False) -> None:
    """List a loop's triggers. Example: `hl trigger ls churn`"""
    triggers = connect().get(f"/loops/{loop}", dict[str, Any])["triggers"]
    if json:
        as_json(triggers)
        return
    rows = [
        (
            trigger["name"],
            "muted" if trigger["muted"] else "",
            trigger["pending"],
            trigger["last_turn"] or "",
            trigger["last_fired_at"] or "never",
        )
        for trigger in triggers
    ]
    table("", ("trigger", "", "waits with", "last turn", "last fired"), rows, empty="This loop has no triggers.")
    for trigger in triggers:
        if trigger.get("waits_for"):
            say("{} waits: {}", trigger["name"], trigger["waits_for"])


@trigger_app.command(name="mute")
def mute_trigger(loop: str, trigger: str) -> None:
    """Stop a trigger from beginning turns. Example: `hl trigger mute churn alert`"""
    connect().post(f"/triggers/{loop}/{trigger}/mute", Trigger, {"muted": True})
    say("{}/{} is muted", loop, trigger)


@trigger_app.command(name="unmute")
def unmute_trigger(loop: str, trigger: str) -> None:
    """Let a trigger begin turns again. Example: `hl trigger unmute churn alert`"""
    connect().post(f"/triggers/{loop}/{trigger}/mute", Trigger, {"muted": False})
    say("{}/{} is at work again", loop, trigger)

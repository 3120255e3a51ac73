"""Loops, turns and triggers: `hl apply`, `hl run`, `hl turn`, `hl trigger`, `hl loop`."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from helicline.cli import loop_lines
from helicline.cli.show import ago, as_json, connect, duration, print_error, say, table
from helicline.errors import HeliclineError, Invalid
from helicline.records.loop import Loop, LoopSpec, Trigger, Turn
from helicline.records.pipeline import CodeState
from helicline.sdk import code
from helicline.sdk.client import Client
from helicline.sdk.environment import capture
from helicline.sdk.steps.place import place_of, placed

app = App(name="loop", help="The loops that are recorded.")
turn_app = App(name="turn", help="Turns: single passages round the loop.")
trigger_app = App(name="trigger", help="Triggers: what begins turns automatically.")


def load_loops(path: Path) -> list[Any]:
    """Return the hl.Loop objects that a Python file defines.

    Raises:
        Invalid: the file does not exist, does not run, or defines no loop.
    """
    from helicline.sdk.loop import Loop as LoopObject

    if not path.is_file():
        raise Invalid("file", str(path), "a Python file that defines an hl.Loop")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except HeliclineError as error:
        raise placed(error, place_of(error, Path.cwd()) or str(path)) from None
    except Exception as error:
        wrong = Invalid(str(path), f"{type(error).__name__}: {error}", "a file that runs", f"Try: python {path}")
        raise placed(wrong, place_of(error, Path.cwd())) from None
    loops = [value for value in vars(module).values() if isinstance(value, LoopObject)]
    if not loops:
        raise Invalid(str(path), "no loop", "a file that defines one, like `loop = hl.Loop(...)`")
    return loops


def problems_of(client: Client, path: Path, loops: list[Any]) -> list[dict[str, Any]]:
    """Return all that cannot work in the loops of a file, each problem with its line; nothing is recorded."""
    environment = capture()
    problems: list[dict[str, Any]] = []
    for loop in loops:
        spec = loop.spec(state=CodeState(bundle=""), environment=environment)
        answer = client.post("/loops/check", dict[str, Any], spec)["items"]
        problems += [
            {"loop": loop.name, "line": loop_lines.line_of(path, problem["field"], spec), **problem}
            for problem in answer
        ]
    return problems + loop_lines.relative_code_paths(path)


def _print_problems(problems: list[dict[str, Any]], path: Path, *, json: bool) -> None:
    """Print each problem with its line, and end the command where one of them is an error."""
    failed = any(problem["severity"] == "error" for problem in problems)
    if json and failed:
        as_json({"problems": problems})
    for problem in () if json else problems:
        error = Invalid(problem["field"], problem["got"], problem["allowed"], problem["hint"])
        place = f"{path}:{problem['line']}" if problem["line"] else str(path)
        print_error(error, place=place, severity=problem["severity"])
    if failed:
        raise SystemExit(1)


def record(client: Client, path: Path) -> list[tuple[LoopSpec, dict[str, Any]]]:
    """Upload the code of a loop file and record its loops; return each spec with the server's answer."""
    return _record(client, path, load_loops(path))


def _record(client: Client, path: Path, loops: list[Any]) -> list[tuple[LoopSpec, dict[str, Any]]]:
    commands = [step.command for loop in loops for step in loop.pipeline.trace()[0] if step.command]
    content, files = code.bundle(path, commands)
    state = CodeState(bundle=client.put_bytes(content), files=files, **code.git_state(path.resolve().parent))
    environment = capture()
    specs = [loop.spec(state=state, environment=environment) for loop in loops]
    return [(spec, client.post("/loops", dict[str, Any], spec)) for spec in specs]


def apply(file: Path = Path("loop.py"), *, check: bool = False, json: bool = False) -> None:
    """Record the loops of a Python file: idempotent, versioned, diffed. What cannot work is refused with its line.

    Example: `hl apply loop.py`

    Args:
        file: the Python file that defines the loops.
        check: only tell what cannot work, all of it at once; record nothing.
        json: print JSON instead of text.
    """
    client, loops = connect(), load_loops(file)
    problems = problems_of(client, file, loops)
    _print_problems(problems, file, json=json)
    if check:
        verdict = "nothing speaks against recording it" if problems else "nothing speaks against it"
        as_json({"problems": problems}) if json else say("{}: {}", file, verdict)
        return
    answers = _record(client, file, loops)
    if json:
        as_json([answer for _, answer in answers])
        return
    for spec, answer in answers:
        changes = answer["changes"]
        verdict = "recorded" if "new" in changes else f"changed: {', '.join(changes)}" if changes else "unchanged"
        say("[bold]{}[/] {}", spec.name, verdict)
        counts = [len(part) for part in (spec.pipeline.steps, spec.gates, spec.monitors, spec.triggers)]
        say("  {} steps, {} gates, {} monitors, {} triggers; turn it once with: hl run {}", *counts, spec.name)


def run(
    name: str,
    *,
    params: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    harvest: bool = False,
    wait: bool = True,
    json: bool = False,
) -> None:
    """Turn a loop once and follow it to its end.

    Example: `hl run churn --set train.lr=0.3`

    Parameters
    ----------
    params
        A parameter of a step or of the pipeline, for this turn: train.lr=0.3 or lr=0.3; may be repeated.
    harvest
        First commit the labelled production rows as a new version of the loop's dataset.
    wait
        Follow the turn; with --no-wait return at once.
    """
    client = connect()
    turn = client.post(f"/loops/{name}/turns", Turn, {"harvest": harvest, "params": settings_of(params)})
    if wait:
        turn = follow(client, turn.id, quiet=json)
    if json:
        as_json(turn)
    elif not wait:
        say("began {}; follow it with: hl turn show {}", turn.id, turn.id)
    if turn.state in ("FAILED", "ROLLED_BACK", "REJECTED"):
        sys.exit(1)


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
            return turn
        time.sleep(0.3)


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
            len(detail["monitors"]),
            len(detail["alerts"]),
        )
        for detail in details
    ]
    table(
        "",
        ("loop", "spec", "turns", "monitors", "alerts"),
        rows,
        empty="No loop yet. Record one with: hl apply loop.py",
    )


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


__all__ = ["Loop", "app", "apply", "follow", "load_loops", "record", "run", "trigger_app", "turn_app"]

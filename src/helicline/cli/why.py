"""`hl why`: from one prediction back to its origins."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from helicline.cli.show import as_json, connect, say_styled, styled
from helicline.errors import NotFound
from helicline.sdk.client import Client

SEALED_AFTER_S = 10.0  # the log is read when it is sealed, seconds after an answer


def why(prediction_id: str, *, json: bool = False) -> None:
    """Show the origins of one prediction: version, run, code, environment, data, gates and people.

    Example: `hl why 0193a1c2-7b5e-7c3a-9f00-0123456789ab`
    """
    answer = _answer(connect(), prediction_id)
    if json:
        as_json(answer)
        return
    for line in lines(answer):
        say_styled(line)


def _answer(client: Client, prediction_id: str) -> dict[str, Any]:
    """Return the origins of a prediction; of one that was answered just now, when its log is sealed."""
    while True:
        try:
            return client.get(f"/why/{prediction_id}", dict[str, Any])
        except NotFound:
            if not _is_new(prediction_id):
                raise
            time.sleep(0.5)


def _is_new(prediction_id: str) -> bool:
    """Tell whether an id was made so lately that its log may not be sealed (RFC 9562: 48 bits of milliseconds)."""
    try:
        made_at = (UUID(prediction_id).int >> 80) / 1000
    except ValueError:
        return False
    return 0 <= time.time() - made_at < SEALED_AFTER_S


def lines(answer: dict[str, Any]) -> list[str]:
    """Return the answer as lines with rich markup, one for each origin of the prediction."""
    prediction, version = answer["prediction"], answer["version"]
    labels = ", ".join(f"{name}={value}" for name, value in prediction["labels"].items()) or "none yet"
    output = [
        styled(
            "[bold]prediction[/]  {} → {}   label: {}", prediction["prediction_id"], prediction["prediction"], labels
        ),
        styled(
            "[bold]served by[/]   {}#{} ({}) in {:.1f} ms at {}",
            prediction["deployment"],
            prediction["served_by"],
            prediction["variant"],
            prediction["latency_us"] / 1000,
            prediction["at"],
        ),
        styled("[bold]version[/]     {}/{}   digest {}", version["model"], version["number"], version["digest"][:16]),
    ]
    if answer["turn"]:
        output.append(styled("[bold]turn[/]        {}: {}", answer["turn"], answer["turn_cause"]))
    if answer["run"]:
        output.append(styled("[bold]run[/]         {} {}", answer["run"]["run_id"], answer["run"]["name"]))
    if answer["code"]:
        state = answer["code"]
        commit = f"commit {state['commit'][:12]}{' (dirty)' if state['dirty'] else ''}, " if state["commit"] else ""
        output.append(
            styled("[bold]code[/]        {}bundle {} ({})", commit, state["bundle"][:12], ", ".join(state["files"]))
        )
    if answer["environment"]:
        packages = answer["environment"]["packages"]
        text = (
            f"python {answer['environment']['python']}, {len(packages)} packages, {answer['environment']['hash'][:12]}"
        )
        output.append(styled("[bold]environment[/] {}", text))
    output += [styled("[bold]data[/]        {}", ref) for ref in answer["datasets"].values()]
    if answer["params"]:
        params = ", ".join(f"{name}={value}" for name, value in answer["params"].items())
        output.append(styled("[bold]parameters[/]  {}", params))
    return [*output, *_verdicts(answer)]


def _verdicts(answer: dict[str, Any]) -> list[str]:
    output = []
    for verdict in (answer["report"] or {"verdicts": []})["verdicts"]:
        name = verdict["check"]["kind"] + (f":{verdict['check']['metric']}" if verdict["check"]["metric"] else "")
        by = f", waived by {verdict['waived_by']}: {verdict['waiver_reason']}" if verdict["waived_by"] else ""
        output.append(styled("[bold]gate[/]        {} {}: {}{}", name, verdict["outcome"], verdict["reason"], by))
    decisions = (answer["request"] or {"approvals": []})["approvals"]
    return output + [
        styled(
            "[bold]approval[/]    {} by {} ({}) at {}",
            decision["decision"],
            decision["person"],
            decision["role"],
            decision["at"],
        )
        for decision in decisions
    ]

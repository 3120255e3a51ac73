"""`hl status`: the loop in the terminal."""

from __future__ import annotations

from typing import Any

from helicline.cli.show import as_json, connect, say, say_styled, styled, table


def _symbol(station: dict[str, Any]) -> str:
    if station["trouble"]:
        return "[red]✖[/]"
    return "[yellow]●[/]" if station["moving"] else "[green]○[/]"


def diagram(stations: list[dict[str, Any]]) -> str:
    """Return the loop as text: the name and state of each station, with arrows between them."""
    by_name = {station["name"]: station for station in stations}

    def labelled(name: str) -> str:
        return _symbol(by_name[name]) + styled(" {}", name)

    return "\n".join(
        [
            f"        ╭──────▶────── {labelled('Data')} ──────▶──────╮",
            f"    {labelled('Retrain')}                         {labelled('Train')}",
            "        ▲                                  ▼",
            f"    {labelled('Watch')}                           {labelled('Register')}",
            "        ▲                                  ▼",
            f"        ╰────◀──── {labelled('Serve')} ◀─── {labelled('Gate')} ◀───╯",
        ]
    )


def status(*, json: bool = False) -> None:
    """Show the state of the loop, and what needs a person.

    Example: `hl status`
    """
    status_now = connect().get("/status", dict[str, Any])
    if json:
        as_json(status_now)
        return
    say_styled(diagram(status_now["stations"]) + "\n")
    table("", ("station", "now"), [(station["name"], station["sentence"]) for station in status_now["stations"]])
    seen_s = status_now["gateway_seen_s"]
    say("\ngateway: {}", "not seen yet" if seen_s is None else f"reported {seen_s:.1f} s ago")
    if status_now["needs"]:
        say("\n[bold]needs you[/]")
        for need in status_now["needs"]:
            say("  [yellow]{}[/] {}", need["kind"], need["sentence"])
            if need["next_step"] and need["next_step"]["command"]:
                say("      next: {}", need["next_step"]["command"])

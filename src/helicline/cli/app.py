"""The tree of commands. Each noun's module is imported only when its command runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App

from helicline import __version__

HELP = """The whole MLOps loop in one program.

Start everything on this machine with `hl up`, record a loop with `hl apply loop.py`, turn it once with `hl run NAME`,
and look at the circle with `hl status` or in the browser at http://127.0.0.1:7070.
"""

app = App(name="hl", help=HELP, version=__version__, version_flags=["--version"], help_format="markdown")

COMMANDS = {
    "up": ("helicline.cli.up:up", "Start server, worker and gateway for this folder.\n\nExample: `hl up`"),
    "down": ("helicline.cli.up:down", "Stop what `hl up` started.\n\nExample: `hl down`"),
    "doctor": (
        "helicline.cli.doctor:doctor",
        "Say what is wrong here, and what to do about it.\n\nExample: `hl doctor`",
    ),
    "status": (
        "helicline.cli.status:status",
        "Show where the circle stands, and what needs you.\n\nExample: `hl status`",
    ),
    "apply": ("helicline.cli.loop:apply", "Record the loops of a Python file.\n\nExample: `hl apply loop.py`"),
    "run": (
        "helicline.cli.loop:run",
        "Turn a loop once and follow it; or, after `--`, run any program as a tracked one.\n\n"
        "Examples: `hl run churn`, `hl run --name deeper -- python train.py`\n\n"
        "Before the `--` may stand `--name`, for runs that the program does not name itself, and `--experiment`, for"
        " those for which it sets none.",
    ),
    "why": (
        "helicline.cli.why:why",
        "Walk one prediction back to everything behind it.\n\nExample: `hl why 0193a1c2-7b5e-7c3a-9f00-0123456789ab`",
    ),
    "rollback": ("helicline.cli.deploy:rollback", "Roll a deployment back at once.\n\nExample: `hl rollback churn`"),
    "approve": (
        "helicline.cli.gate:approve",
        'Approve a promotion request.\n\nExample: `hl approve 4f2a91c03b7d --by "$USER"`',
    ),
    "reject": (
        "helicline.cli.gate:reject",
        'Reject a promotion request.\n\nExample: `hl reject 4f2a91c03b7d --by "$USER"`',
    ),
    "data": ("helicline.cli.data:app", "Versioned data: commit, list, diff, check out."),
    "pipeline": ("helicline.cli.pipeline:app", "Pipeline runs, their steps and logs."),
    "runs": ("helicline.cli.runs:app", "Tracked runs, and why steps ran again."),
    "model": ("helicline.cli.model:app", "Registered models, versions and aliases."),
    "gate": ("helicline.cli.gate:app", "Checks, verdicts, waivers."),
    "deploy": ("helicline.cli.deploy:app", "Deployments: where models answer."),
    "rollout": ("helicline.cli.deploy:rollout_app", "The passage of traffic to a candidate."),
    "monitor": ("helicline.cli.monitor:app", "Monitors, windows and alerts."),
    "trigger": ("helicline.cli.loop:trigger_app", "What begins turns by itself."),
    "turn": ("helicline.cli.loop:turn_app", "Turns: one passage round the circle each."),
    "loop": ("helicline.cli.loop:app", "The loops that are recorded."),
    "import": ("helicline.cli.transfer.command:import_app", "Bring in what another tool holds."),
    "export": ("helicline.cli.transfer.command:export_app", "Give everything to another tool."),
    "gc": (
        "helicline.cli.admin:gc",
        "Remove for good what was deleted.\n\nExample: `hl gc --older-than 30d --dry-run`",
    ),
    "token": ("helicline.cli.admin:token_app", "Tokens for people and programs."),
    "audit": ("helicline.cli.admin:audit_app", "The audit trail."),
    "config": ("helicline.cli.admin:config_app", "The settings in force."),
}

for name, (home, summary) in COMMANDS.items():
    app.command(home, name=name, help=summary)
RUNS_VERBS = frozenset({"ls", "show", "compare", "watch", "tail", "why-rerun"})
SCRIPT = "run --"  # no word that anybody can type by itself
app.command("helicline.cli.script:run_script", name=SCRIPT, show=False)


def arguments_of(argv: Sequence[str]) -> list[str]:
    """Return the arguments as the tree of commands takes them.

    `run ... --` is a command of its own, and `run ls` is `runs ls` (who calls a loop `ls` turns it by a trigger).
    """
    if argv[:1] != ["run"]:
        return list(argv)
    if "--" in argv:
        return [SCRIPT, *argv[1:]]
    return ["runs" if argv[1:2] and argv[1] in RUNS_VERBS else "run", *argv[1:]]


def main() -> None:
    """Run the command line; one of our errors is a sentence and a hint, never a traceback."""
    from helicline.errors import HeliclineError

    try:
        app(arguments_of(sys.argv[1:]))
    except HeliclineError as error:
        from helicline.cli.show import complain

        complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # who reads has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush would complain
        sys.exit(141)


if __name__ == "__main__":
    main()

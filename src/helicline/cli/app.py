"""The tree of commands. Each noun's module is imported only when its command runs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cyclopts import App

from helicline import __version__

if TYPE_CHECKING:
    from helicline.errors import HeliclineError

HELP = """The whole MLOps loop in one program.

Begin a project with `hl init NAME --data FILE --label COLUMN`, start everything on this machine with `hl up`, turn the
loop once with `hl run loop.py`, and look at the circle with `hl status` or in the browser at http://127.0.0.1:7070.
"""

app = App(name="hl", help=HELP, version=__version__, version_flags=["--version"], help_format="markdown")

COMMANDS = {
    "init": (
        "helicline.cli.init.command:init",
        "Begin a project: a loop that runs, for a table of your own.\n\n"
        "Example: `hl init churn --data customers.csv --label churned`",
    ),
    "up": ("helicline.cli.up:up", "Start server, worker and gateway for this folder.\n\nExample: `hl up`"),
    "restart": (
        "helicline.cli.up:restart",
        "Restart what `hl up` started, without a failed request.\n\nExample: `hl restart`",
    ),
    "down": ("helicline.cli.up:down", "Stop what `hl up` started.\n\nExample: `hl down`"),
    "doctor": (
        "helicline.cli.doctor:doctor",
        "Check this installation, and say what to do where a check fails.\n\nExample: `hl doctor`",
    ),
    "status": (
        "helicline.cli.status:status",
        "Show the state of the loop, and what needs you.\n\nExample: `hl status`",
    ),
    "apply": (
        "helicline.cli.loop_file.apply:apply",
        "Record the loops of a Python file.\n\nExample: `hl apply loop.py`",
    ),
    "run": (
        "helicline.cli.loop:run",
        "Turn a loop once and follow it; or, after `--`, run any program as a tracked one.\n\n"
        "Examples: `hl run churn`, `hl run loop.py`, `hl run --name deeper -- python train.py`\n\n"
        "Before the `--` may stand `--name`, for runs that the program does not name itself, and `--experiment`, for"
        " those for which it sets none.",
    ),
    "why": (
        "helicline.cli.why:why",
        "Show the origins of one prediction.\n\nExample: `hl why 0193a1c2-7b5e-7c3a-9f00-0123456789ab`",
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
    "deploy": ("helicline.cli.deploy:app", "Deployments: named places that answer predictions."),
    "rollout": ("helicline.cli.deploy:rollout_app", "Rollouts: traffic moves to a candidate step by step."),
    "feedback": ("helicline.cli.feedback:app", "What became of predictions: outcomes and labels."),
    "monitor": ("helicline.cli.monitor:app", "Monitors, windows and alerts."),
    "trigger": ("helicline.cli.loop:trigger_app", "Triggers: what begins turns automatically."),
    "turn": ("helicline.cli.loop:turn_app", "Turns: single passages round the loop."),
    "loop": ("helicline.cli.loop:app", "The loops that are recorded."),
    "import": ("helicline.cli.transfer.command:import_app", "Import data from another tool."),
    "export": ("helicline.cli.transfer.command:export_app", "Export data to another tool."),
    "backup": (
        "helicline.cli.backup:backup",
        "Back up the home while everything runs.\n\nExample: `hl backup /mnt/backups/helicline.tar`",
    ),
    "restore": (
        "helicline.cli.backup:restore",
        "Restore a backup to an empty home.\n\nExample: `hl restore helicline.tar --keys keys.json`",
    ),
    "gc": (
        "helicline.cli.admin:gc",
        "Remove deleted items permanently.\n\nExample: `hl gc --older-than 30d --dry-run`",
    ),
    "secret": ("helicline.cli.secret:app", "Secrets of steps: set, list, remove."),
    "token": ("helicline.cli.admin:token_app", "Tokens for people and programs."),
    "audit": ("helicline.cli.admin:audit_app", "The audit trail."),
    "config": ("helicline.cli.admin:config_app", "The settings in force."),
}

for name, (target, summary) in COMMANDS.items():
    app.command(target, name=name, help=summary)
RUNS_VERBS = frozenset({"ls", "show", "compare", "watch", "tail", "why-rerun"})
SCRIPT_COMMAND = "run --"  # no word that a user can type as one argument
app.command("helicline.cli.script:run_script", name=SCRIPT_COMMAND, show=False)


def arguments_of(argv: Sequence[str]) -> list[str]:
    """Return the arguments for the tree of commands.

    `run ... --` is a command of its own, and `run ls` means `runs ls` (only a trigger can turn a loop of that name).
    """
    if argv[:1] != ["run"]:
        return list(argv)
    if "--" in argv:
        return [SCRIPT_COMMAND, *argv[1:]]
    return ["runs" if argv[1:2] and argv[1] in RUNS_VERBS else "run", *argv[1:]]


def main() -> None:
    """Run the command line; an error of ours or of the system is printed as a sentence and a hint, no traceback."""
    from helicline.errors import HeliclineError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without UTF-8 shows what it can instead of a traceback
            stream.reconfigure(errors="replace")
    try:
        app(arguments_of(sys.argv[1:]))
    except HeliclineError as error:
        from helicline.cli.show import print_error

        print_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader has closed the pipe, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit would fail
        sys.exit(141)
    except OSError as error:  # a disk that is full or read-only, a folder that cannot be made, no free descriptor
        from helicline.cli.show import print_error

        print_error(refusal_of_the_system(error))
        sys.exit(1)


def refusal_of_the_system(error: OSError) -> HeliclineError:
    """Return an error of the operating system as a sentence and a next step."""
    from helicline.errors import Unavailable

    place = str(error.filename or "the system")
    why = error.strerror or str(error) or type(error).__name__
    return Unavailable(place, why, f"Look at {place}; for the home folder and its disk: hl doctor")


if __name__ == "__main__":
    main()

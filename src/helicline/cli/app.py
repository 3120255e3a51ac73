"""The tree of commands. Each noun's module is imported only when its command runs."""

from __future__ import annotations

import sys

from cyclopts import App

from helicline import __version__

HELP = """The whole MLOps loop in one program.

Start everything on this machine with `hl up`, record a loop with `hl apply loop.py`, turn it once with `hl run NAME`,
and look at the circle with `hl status` or in the browser at http://127.0.0.1:7070.
"""

app = App(name="hl", help=HELP, version=__version__, version_flags=["--version"], help_format="markdown")

for name, home in {
    "up": "helicline.cli.up:up",
    "down": "helicline.cli.up:down",
    "doctor": "helicline.cli.doctor:doctor",
    "apply": "helicline.cli.loop:apply",
    "run": "helicline.cli.loop:run",
    "status": "helicline.cli.status:status",
    "why": "helicline.cli.why:why",
    "rollback": "helicline.cli.deploy:rollback",
    "approve": "helicline.cli.gate:approve",
    "reject": "helicline.cli.gate:reject",
    "data": "helicline.cli.data:app",
    "runs": "helicline.cli.runs:app",
    "pipeline": "helicline.cli.pipeline:app",
    "model": "helicline.cli.model:app",
    "gate": "helicline.cli.gate:app",
    "deploy": "helicline.cli.deploy:app",
    "rollout": "helicline.cli.deploy:rollout_app",
    "monitor": "helicline.cli.monitor:app",
    "trigger": "helicline.cli.loop:trigger_app",
    "turn": "helicline.cli.loop:turn_app",
    "loop": "helicline.cli.loop:app",
    "token": "helicline.cli.admin:token_app",
    "audit": "helicline.cli.admin:audit_app",
    "config": "helicline.cli.admin:config_app",
}.items():
    app.command(home, name=name)


def main() -> None:
    """Run the command line; one of our errors is a sentence and a hint, never a traceback."""
    from helicline.errors import HeliclineError

    try:
        app()
    except HeliclineError as error:
        from helicline.cli.show import complain

        complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

"""Feedback: `hl feedback load`."""

from __future__ import annotations

import sys
from pathlib import Path

from cyclopts import App

from helicline.cli.show import as_json, is_terminal, say, table

app = App(name="feedback", help="What became of predictions: outcomes and labels.")


@app.command(name="load")
def load(
    path: Path,
    *,
    deployment: str = "",
    name: str = "",
    value: str = "",
    time: str = "",
    unit: str = "",
    event: str = "",
    json: bool = False,
) -> None:
    """Send the outcomes in a Parquet, CSV or JSON lines file to the gateway, which joins them to their predictions.

    The file has a column `prediction_id`, one with the outcome, and `row` where predictions were made in batches; or a
    column of units, like users. Rows without an outcome are left out; loading a file again does no harm.

    Example: `hl feedback load labels.parquet --deployment churn --value churned`
    Example: `hl feedback load orders.parquet --name revenue --unit user_id --value amount --event order_id --time at`

    Parameters
    ----------
    deployment
        Whose predictions they are; by default the only one.
    name
        The name of the feedback; by default the label of the deployment's loop.
    value
        The column with the outcome; by default the one called like the feedback, or `label`, or `value`.
    time
        The column that says when it came about; by default now.
    unit
        The column of units, in place of `prediction_id`.
    event
        The column that tells events of a unit apart; by default their time does.
    """
    from rich.console import Console
    from rich.progress import Progress

    from helicline.sdk import feedback

    with Progress(console=Console(stderr=True), disable=json or not is_terminal()) as bars:
        task = bars.add_task("rows", total=None)
        loaded = feedback.load(
            path,
            deployment=deployment,
            name=name,
            value=value,
            time_column=time,
            unit=unit,
            event=event,
            progress=lambda sent, total: bars.update(task, completed=sent, total=total),
        )
    if json:
        as_json(loaded)
    else:
        counts = (loaded.accepted, loaded.without_value, loaded.refused)
        say("{} outcomes accepted, {} rows without one, {} refused", *counts)
        if loaded.refusals:
            table("", ("row", "refused because"), [(refusal.row, refusal.why) for refusal in loaded.refusals])
    if loaded.refused:
        sys.exit(1)

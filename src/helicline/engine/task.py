"""`python -m helicline.engine.task FOLDER`: runs one leased task, in a process that holds nothing else.

Reads `order.json` from the folder and leaves `result.json` there. User code is imported only here.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import msgspec

from helicline import parent_process
from helicline.engine.secret_mask import SecretMask
from helicline.errors import HeliclineError
from helicline.records.pipeline import Completion, TaskSpec
from helicline.sdk.client import Client
from helicline.sdk.steps.place import place_of

BOUNDARY_HINT = (
    ". A step reaches its inputs and its own folder only: commit the file as a dataset with `hl data commit NAME PATH`,"
    " or name its folder in the setting readable_paths or writable_paths of the worker"
)


def run(task: TaskSpec, client: Client, scratch: Path) -> Completion:
    """Run the task and return its report. Raises the errors of the task."""
    if task.task == "step":
        from helicline.engine.step import run_step

        return run_step(task, client, scratch)
    if task.task == "judge":
        from helicline.engine.judging import run_judge

        return run_judge(task, client, scratch)
    if task.task == "check":
        from helicline.engine.checking import run_check

        return run_check(task, client, scratch)
    from helicline.engine.harvest.commit import run_harvest

    return run_harvest(task, client, scratch)


def reason_of(error: BaseException, code: Path, mask: SecretMask) -> str:
    """Return the error in one line for people, with its place in the user's own files, which are below `code`."""
    text = str(error) if isinstance(error, HeliclineError) else f"{type(error).__name__}: {error}"
    place = place_of(error, code)
    hint = BOUNDARY_HINT if isinstance(error, PermissionError) and error.filename else ""
    return mask.text(f"{text}{f' ({place})' if place else ''}{hint}")[:2000]  # a secret that is cut is not recognised


def main() -> None:
    parent_process.end_with(os.getppid())
    scratch = Path(sys.argv[1])
    task = msgspec.json.decode((scratch / "order.json").read_bytes(), type=TaskSpec)
    mask = SecretMask(os.environ.get(name, "") for name in (task.step.secrets if task.step else ()))
    client = Client(os.environ["HELICLINE_URL"])
    try:
        completion = run(task, client, scratch)
    except Exception as error:
        traceback.print_exc()
        completion = Completion(fence=task.fence, ok=False, error=reason_of(error, scratch / "code", mask))
    partial = scratch / "result.json.part"
    partial.write_bytes(msgspec.json.encode(completion))
    partial.rename(scratch / "result.json")


if __name__ == "__main__":
    main()

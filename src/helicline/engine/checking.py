"""The check task: tests a dataset version by its contract, in a process with limited memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from helicline.errors import Invalid
from helicline.monitor import drift, profile
from helicline.monitor.testable import is_tested, with_roles
from helicline.records.contract import CheckResult, CheckSpec
from helicline.records.monitor import MonitorSpec
from helicline.records.pipeline import Completion, TaskSpec
from helicline.sdk.client import Client
from helicline.sdk.handles import Table
from helicline.sdk.steps.dataset_table import open_dataset
from helicline.tables.apart import limited_session
from helicline.tables.checks import run_checks
from helicline.tables.read import copies_folder

MEMORY_MB = 1024
DRIFT_ROWS = 200_000  # that are compared of each side, chosen by chance but the same each time


def run_check(task: TaskSpec, client: Client, scratch: Path) -> Completion:
    """Check the version and return a report with the result of each check."""
    spec = task.check
    assert spec is not None
    results = check_version(spec, client, scratch)
    for result in results:
        print(f"{result.outcome} {result.check}: {result.detail}", flush=True)
    return Completion(fence=task.fence, ok=True, result={"results": msgspec.to_builtins(results)})


def check_version(spec: CheckSpec, client: Client, scratch: Path) -> list[CheckResult]:
    """Return what each check gives.

    Raises:
        Invalid: the version is no table.
    """
    (scratch / "spill").mkdir()
    session = limited_session(str(scratch / "spill"), memory_mb=MEMORY_MB)
    _view(session, "data", open_dataset(spec.version, client, scratch / "data"))
    before = _before(spec, client, scratch)
    if before is None:
        session.execute("CREATE VIEW before AS SELECT * FROM data LIMIT 0")
    else:
        _view(session, "before", before)
    _lock(session, scratch)
    results = run_checks(session, spec.contract, has_before=before is not None, now=spec.now)
    if spec.contract.drift is not None:
        results += _distribution(session, spec.contract.drift, has_before=before is not None)
    return results


def _lock(session: Any, scratch: Path) -> None:
    """Let queries of the contract read the table's own files only, and change nothing of this."""
    session.execute("SET allowed_directories = ?", [[str(scratch), str(copies_folder())]])
    session.execute("SET enable_external_access = false")
    session.execute("SET lock_configuration = true")


def _before(spec: CheckSpec, client: Client, scratch: Path) -> Table | None:
    if not spec.before:
        return None
    try:
        return open_dataset(spec.before, client, scratch / "before")
    except Invalid:
        return None  # it was committed as files: there is no table to compare with


def _view(session: Any, name: str, table: Table) -> None:
    session.execute(f"CREATE VIEW {name} AS {table.query_in(session)}")


def _distribution(session: Any, limit: float, *, has_before: bool) -> list[CheckResult]:
    """Compare each column with the version before, by the kernel of the drift monitors."""
    if not has_before:
        return [CheckResult(check="drift", outcome="pass", detail="there is no version before")]
    try:
        old, new = (_sample(session, view) for view in ("before", "data"))
        reference = with_roles(profile.build(old), old)
        window = profile.build(new, profile.centres_of(reference))
        findings = drift.findings(MonitorSpec(kind="drift", threshold=limit, critical=limit), reference, window)
    except Exception as error:
        return [CheckResult(check="drift", outcome="error", detail=f"it cannot run: {error}"[:400])]
    moved = [finding for finding in findings if finding.severity in ("warning", "critical")]
    if not moved:
        untested = [finding.column for finding in findings if not is_tested(finding)]
        alike = f"{len(findings) - len(untested)} columns are like before"
        detail = f"{alike}; not compared: {', '.join(untested)}" if untested else alike
        return [CheckResult(check="drift", outcome="pass", detail=detail)]
    return [
        CheckResult(
            check=f"drift {finding.column}",
            outcome="fail",
            detail=f"PSI {finding.value:.2f} against the version before, at most {limit:.2f} is allowed"
            if finding.statistic == "psi"
            else f"{finding.statistic}: {finding.detail}",
        )
        for finding in moved
    ]


def _sample(session: Any, view: str) -> dict[str, Any]:
    """Return the columns of a table, of at most so many rows as are compared."""
    rows = f"SELECT * FROM {view} USING SAMPLE reservoir({DRIFT_ROWS} ROWS) REPEATABLE (1)"
    return dict(session.execute(rows).fetchnumpy())

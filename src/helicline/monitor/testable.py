"""Which columns of a reference can be compared with what comes in, and why the others cannot.

An identifier and a time never look like those of the past, so their distribution says nothing: they are recognised when
the reference is profiled, and are left out unless the monitor includes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Literal

import msgspec
import numpy as np

from helicline.monitor.profile import PREDICTION, Array, Column, Profile
from helicline.records.monitor import NOT_TESTED, Finding, MonitorSpec

Role = Literal["", "identifier", "time"]
LEAST_ROWS = 50  # of fewer values nobody can tell that they are all different
DISTINCT_TEXT = 0.9
DISTINCT_BY_NAME = 0.5
LEAST_REPEATS = 20.0  # that none of so many pairs is equal has the chance exp(-20)
EPOCHS = ((946_684_800, 4_102_444_800), (946_684_800_000, 4_102_444_800_000))  # 2000 to 2100, seconds and milliseconds
_NO_REFERENCE = (
    "no column is tested: the version's reference has none; where its signature names no inputs, none is logged: "
    "log the model with a signature of named columns"
)
_ID_NAME = re.compile(r"(^|[_\-. ])(id|ids|uuid|guid|key)$|[a-z](Id|ID|Uuid|UUID)$", re.ASCII)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
_REASONS = {
    "identifier": "nearly every value is different, as of an identifier or free text",
    "time": "it is a time, which moves on by itself",
}


def with_roles(profile: Profile, columns: dict[str, Array], prediction: Array | None = None) -> Profile:
    """Return the profile of a reference with the role of each of its columns, which are made of these values."""
    roles = {name: role_of(name, columns[name]) for name in profile.columns}
    marked = {name: msgspec.structs.replace(column, role=roles[name]) for name, column in profile.columns.items()}
    return msgspec.structs.replace(profile, columns=marked, prediction=_answered(profile.prediction, prediction))


def _answered(prediction: Column | None, values: Array | None) -> Column | None:
    """Return what the model answered, with its role where it is text; numbers never are too different to compare."""
    if prediction is None or values is None or prediction.kind == "number":
        return prediction
    return msgspec.structs.replace(prediction, role=role_of(PREDICTION, values))


def role_of(name: str, values: Array) -> Role:
    """Return what a column is by its values and its name: an identifier, a time, or "" for everything else."""
    present = np.ma.asarray(values).compressed()
    if present.dtype.kind == "M":
        return "time"
    listed = [value for value in present.tolist() if value is not None and value == value]
    if not listed:
        return ""
    if all(isinstance(value, date | datetime | np.datetime64) for value in listed):
        return "time"
    if all(isinstance(value, str) for value in listed):
        return _role_of_text(name, listed)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in listed):
        return _role_of_numbers(name, np.array(listed, dtype=np.float64))
    return ""


def _role_of_text(name: str, values: list[str]) -> Role:
    different = set(values)
    if len(different) > 1 and all(_ISO_DATE.fullmatch(value) for value in different):
        return "time"
    least = DISTINCT_BY_NAME if _ID_NAME.search(name) else DISTINCT_TEXT
    return "identifier" if len(values) >= LEAST_ROWS and len(different) >= least * len(values) else ""


def _role_of_numbers(name: str, values: Array) -> Role:
    different = np.unique(values)
    if len(values) < LEAST_ROWS or not (np.isfinite(values).all() and (values == np.floor(values)).all()):
        return ""
    if len(different) > 2 and any(low <= different[0] and different[-1] <= high for low, high in EPOCHS):
        return "time"
    if _ID_NAME.search(name) and len(different) >= DISTINCT_BY_NAME * len(values):
        return "identifier"
    if len(different) < len(values):
        return ""
    steps = np.diff(values)
    is_counter = bool((steps > 0).all() or (steps < 0).all())
    return "identifier" if is_counter or _expected_repeats(different) >= LEAST_REPEATS else ""


def _expected_repeats(different: Array) -> float:
    """Return how many pairs of these whole numbers would be equal at least, had they been measured or counted.

    That is the birthday problem: values that are spread evenly over their range repeat least often. Numbers that were
    given out, each once, do not repeat at all.
    """
    span = float(different[-1] - different[0]) + 1
    return len(different) ** 2 / (2 * span)


def why_left_out(spec: MonitorSpec, name: str, reference: Column) -> str:
    """Return why the values of a column are not compared by this monitor, "" where they are."""
    if name in spec.exclude:
        return "the monitor excludes it"
    return "" if name in spec.include else _REASONS.get(reference.role, "")


def why_untestable(reference: Column, window: Column | None) -> str:
    """Return why two columns cannot be compared, "" where they can."""
    if window is None:
        return "the column did not come in"
    if not reference.count:
        return "the reference has no value of it"
    if not window.count:
        return "no value of it came in"
    if reference.kind != window.kind:
        return f"{_values_of(reference)} in the reference, {_values_of(window)} in what came in"
    if reference.centre != window.centre:
        return "what came in was counted for another version; the rows that come in from now on are compared"
    return ""


def why_prediction_is_untested(spec: MonitorSpec, reference: Column | None, window: Column | None) -> str:
    """Return why what the model answered cannot be compared with its answers to the hold-out, "" where it can."""
    if reference is None:
        return (
            "the version has no answers to compare with: it was judged by an earlier release, "
            "or answers with several values a row"
        )
    if window is None:
        return "no answer of one value a row came in"
    return why_left_out(spec, PREDICTION, reference) or why_untestable(reference, window)


def _values_of(column: Column) -> str:
    return "numbers" if column.kind == "number" else "text"


def not_tested(name: str, why: str, *, reference: Column, window: Column | None) -> Finding:
    """Return the finding that says that a column was not tested, and why."""
    return Finding(
        column=name,
        statistic=NOT_TESTED,
        value=0.0,
        threshold=0.0,
        p_value=None,
        severity="insufficient_data",
        window_count=window.count + window.missing if window else 0,
        reference_count=reference.count + reference.missing,
        detail=f"not tested: {why}",
    )


def is_tested(finding: Finding) -> bool:
    return finding.statistic != NOT_TESTED


def nothing_tested(findings: Iterable[Finding]) -> Finding | None:
    """Return the warning of a monitor that tests no input at all, None where it tests one."""
    listed = list(findings)
    if any(map(is_tested, listed)):
        return None
    whys = "; ".join(f"{finding.column}: {finding.detail.removeprefix('not tested: ')}" for finding in listed[:3])
    return Finding(
        column="(all columns)",
        statistic=NOT_TESTED,
        value=0.0,
        threshold=0.0,
        p_value=None,
        severity="warning",
        window_count=0,
        reference_count=0,
        detail=f"no column is tested ({whys})" if whys else _NO_REFERENCE,
    )

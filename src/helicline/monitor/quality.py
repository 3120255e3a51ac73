"""Data quality: missing values, values outside of the reference's range, a stuck value, unseen categories.

Values that are written otherwise than they were are told apart from those that changed: another unit, other codes,
exchanged columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from helicline.monitor import recoded, unit
from helicline.monitor.profile import Column, Profile, cell_values
from helicline.monitor.testable import not_tested, why_left_out, why_untestable
from helicline.records.monitor import Alert, Finding, MonitorSpec, Severity

BAD = ("warning", "critical")
MISSING_Z, MISSING_DIFFERENCE = 5.0, 0.02
OUTSIDE_SHARE, RANGE_MARGIN = 0.01, 0.10
STUCK_NOW, STUCK_BEFORE = 0.9, 0.6
UNSEEN_SHARE = 0.01
BROKEN = frozenset(
    {"absent", "type", "missing", "stuck", "out_of_range", "unit", "recoded", "swapped"}
)  # what no model should learn from; a new value it may


def says_broken(alert: Alert) -> bool:
    """Tell whether an alert says that the data is broken: a column is not what it was, or quality is critical."""
    return (alert.kind == "quality" and alert.severity == "critical") or bool(broken(alert.findings))


def broken(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that say that the data is broken."""
    return [finding for finding in findings if finding.statistic in BROKEN and finding.severity in BAD]


def findings(spec: MonitorSpec, reference: Profile, window: Profile) -> list[Finding]:
    """Return the findings of every column; a missing column is a critical one, and so is one of another type.

    Of identifiers and times only what is missing is tested.
    """
    results: list[Finding] = []
    for name, old in reference.columns.items():
        new = window.columns.get(name)
        if name in spec.exclude:
            results.append(not_tested(name, "the monitor excludes it", reference=old, window=new))
            continue
        if new is None or is_of_other_kind(old, new):
            results.append(unlike(name, old, new))
        else:
            results += _column(name, old, new, left_out=why_left_out(spec, name, old))
    compared = {result.column for result in results if result.statistic in ("stuck", "unseen")}
    return [*results, *written_otherwise(reference, window, [name for name in reference.columns if name in compared])]


def written_otherwise(reference: Profile, window: Profile, names: list[str]) -> Iterator[Finding]:
    """Yield the critical findings of those columns whose values are in another unit, code or column than they were."""
    partners = {name: pair for pair in recoded.swapped(reference, window, names) for name in pair}
    for name in names:
        old, new = reference.columns[name], window.columns[name]
        if name in partners:
            other = next(other for other in partners[name] if other != name)
            detail = f"its values are like those of {other}, and those of {other} like its own: exchanged columns?"
            yield _finding(name, "swapped", value=1.0, severity="critical", reference=old, window=new, detail=detail)
        elif (factor := unit.factor_between(old, new)) is not None:
            detail = unit.sentence(factor)
            yield _finding(name, "unit", value=factor, severity="critical", reference=old, window=new, detail=detail)
        elif detail := recoded.sentence_of(old, new):
            yield _finding(name, "recoded", value=1.0, severity="critical", reference=old, window=new, detail=detail)


def _column(name: str, old: Column, new: Column, *, left_out: str) -> Iterator[Finding]:
    yield missing(name, old, new)
    if old.kind != new.kind:
        return  # one of both sides has no value
    if left_out:
        yield not_tested(name, left_out, reference=old, window=new)
    elif old.kind == "number":
        yield _stuck(name, old, new)
        yield _outside(name, old, new)
    else:
        yield _unseen(name, old, new)


def is_of_other_kind(old: Column, new: Column) -> bool:
    return old.kind != new.kind and old.count > 0 and new.count > 0


def unlike(name: str, old: Column, new: Column | None) -> Finding:
    """Return the critical finding of a column that did not come in, or came in as another type."""
    statistic = "absent" if new is None else "type"
    detail = why_untestable(old, new)
    return _finding(name, statistic, value=1.0, severity="critical", reference=old, window=new, detail=detail)


def _finding(
    name: str, statistic: str, *, value: float, severity: Severity, reference: Column, window: Column | None = None,
    threshold: float = 0.0, detail: str = "",
) -> Finding:  # fmt: skip
    return Finding(
        column=name,
        statistic=statistic,
        value=value,
        threshold=threshold,
        p_value=None,
        severity=severity,
        window_count=window.count + window.missing if window else 0,
        reference_count=reference.count + reference.missing,
        detail=detail,
    )


def missing(name: str, old: Column, new: Column) -> Finding:
    """Return whether more values are missing than in the reference."""
    n, m = old.count + old.missing, new.count + new.missing
    before, now = old.missing / n if n else 0.0, new.missing / m if m else 0.0
    pooled = (old.missing + new.missing) / (n + m) if n + m else 0.0
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)) if n and m else 0.0
    is_bad = now - before >= MISSING_DIFFERENCE and spread > 0 and (now - before) / spread > MISSING_Z
    severity: Severity = "critical" if is_bad else "ok"
    detail = f"{now:.1%} missing, {before:.1%} in the reference"
    return _finding(
        name,
        "missing",
        value=now - before,
        severity=severity,
        reference=old,
        window=new,
        threshold=MISSING_DIFFERENCE,
        detail=detail,
    )


def _outside(name: str, old: Column, new: Column) -> Finding:
    if old.low is None or old.high is None or not new.count:
        return _finding(
            name, "out_of_range", value=0.0, severity="ok", reference=old, window=new, threshold=OUTSIDE_SHARE
        )
    slack = RANGE_MARGIN * max(old.high - old.low, 1e-9)
    keys, counts = new.cells
    values = cell_values(keys, old.centre)
    outside = counts[(values < old.low - slack) | (values > old.high + slack)].sum() / new.count
    severity: Severity = "warning" if outside >= OUTSIDE_SHARE else "ok"
    detail = f"{outside:.1%} outside of {old.low:g} to {old.high:g}"
    return _finding(
        name,
        "out_of_range",
        value=float(outside),
        severity=severity,
        reference=old,
        window=new,
        threshold=OUTSIDE_SHARE,
        detail=detail,
    )


def _largest_share(column: Column, *, empty: float) -> float:
    """Return the share of the commonest value among those that are there."""
    keys, counts = column.cells
    numbers = counts[(keys & 0x7F80) != 0x7F80]  # not the cells of NaN and infinities
    return float(numbers.max()) / float(numbers.sum()) if len(numbers) else empty


def _stuck(name: str, old: Column, new: Column) -> Finding:
    now, before = _largest_share(new, empty=0.0), _largest_share(old, empty=1.0)
    severity: Severity = "critical" if now >= STUCK_NOW and before < STUCK_BEFORE else "ok"
    detail = f"one value is {now:.0%} of the window, {before:.0%} of the reference"
    return _finding(
        name, "stuck", value=now, severity=severity, reference=old, window=new, threshold=STUCK_NOW, detail=detail
    )


def _unseen(name: str, old: Column, new: Column) -> Finding:
    unseen = sum(count for value, count in new.categories.items() if value not in old.categories)
    singles = sum(1 for count in old.categories.values() if count == 1)
    threshold = max(UNSEEN_SHARE, 5 * singles / max(old.count, 1))  # Good-Turing estimate of the share of unseen values
    share = unseen / new.count if new.count else 0.0
    severity: Severity = "warning" if share >= threshold and unseen >= 5 else "ok"
    detail = f"{share:.1%} in values the reference does not have"
    return _finding(
        name, "unseen", value=share, severity=severity, reference=old, window=new, threshold=threshold, detail=detail
    )

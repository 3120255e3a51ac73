"""Drift of inputs and predictions: a column has drifted when its change is both significant and material.

Significance: chi-square homogeneity with its linear and quadratic components on ordered bins, combined by the Cauchy
combination test, with Benjamini-Hochberg over columns. Materiality: debiased PSI, whose mean without drift is 0 at any
sample size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from scipy.stats import chi2, norm

from helicline.monitor import quality
from helicline.monitor.profile import IS_NUMBER, PREDICTION, RANK, Column, Profile
from helicline.monitor.testable import not_tested, why_left_out, why_prediction_is_untested, why_untestable
from helicline.records.monitor import Finding, MonitorSpec, Severity

Array = np.ndarray[Any, Any]
BINS = 10
MIN_EXPECTED = 5.0
TOP_CATEGORIES = 200


def findings(spec: MonitorSpec, reference: Profile, window: Profile) -> list[Finding]:
    """Return one finding for each column of the reference, in its order; a column that is not tested says why.

    Data that is broken is told as such and not as drift: a column that did not come in, or came in as another type.
    Behind the columns come those that moved because their values are written otherwise: another unit, other codes.
    """
    results = [_test_column(spec, name, reference=old, window=window) for name, old in reference.columns.items()]
    tested = [result for result in results if result.statistic == "psi"]
    significant = benjamini_hochberg([result.p_value or 0.0 for result in tested], spec.q)
    severities = {
        result.column: _severity(spec, result.value, is_significant=is_significant)
        for result, is_significant in zip(tested, significant, strict=True)
    }
    judged = [
        msgspec.structs.replace(result, severity=severities[result.column]) if result.statistic == "psi" else result
        for result in results
    ]
    moved = [result.column for result in judged if result.statistic == "psi" and result.severity == "critical"]
    return [*judged, *quality.written_otherwise(reference, window, moved)]


def of_prediction(spec: MonitorSpec, reference: Profile, window: Profile) -> Finding:
    """Return the finding for what the model answered, which is tested on its own.

    It is no input: it never says that data is broken, and changes nothing of what is said of the inputs.
    """
    old, new = reference.prediction, window.prediction
    if why := why_prediction_is_untested(spec, old, new):
        return not_tested(PREDICTION, why, reference=old or Column(kind="category"), window=new)
    assert old is not None
    assert new is not None
    result = _compared(spec, PREDICTION, reference=old, new=new)
    is_significant = (result.p_value or 0.0) <= spec.q
    return msgspec.structs.replace(result, severity=_severity(spec, result.value, is_significant=is_significant))


def _severity(spec: MonitorSpec, psi: float, *, is_significant: bool) -> Severity:
    if not is_significant:
        return "ok"
    if psi >= spec.critical:
        return "critical"
    return "warning" if psi >= spec.threshold else "info"


def _test_column(spec: MonitorSpec, name: str, *, reference: Column, window: Profile) -> Finding:
    new = window.columns.get(name)
    if why := why_left_out(spec, name, reference):
        return not_tested(name, why, reference=reference, window=new)
    if new is None or quality.is_of_other_kind(reference, new):
        return quality.unlike(name, reference, new)
    if not new.count and (finding := quality.missing(name, reference, new)).severity != "ok":
        return finding
    if why := why_untestable(reference, new):
        return not_tested(name, why, reference=reference, window=new)
    return _compared(spec, name, reference=reference, new=new)


def _compared(spec: MonitorSpec, name: str, *, reference: Column, new: Column) -> Finding:
    is_ordered = reference.kind == "number"
    old_bins, new_bins = _ordered_bins(reference, new) if is_ordered else _category_bins(reference, new)
    return Finding(
        column=name,
        statistic="psi",
        value=debiased_psi(old_bins, new_bins),
        threshold=spec.threshold,
        p_value=combined_p(old_bins, new_bins, is_ordered=is_ordered),
        severity="ok",
        window_count=new.count,
        reference_count=reference.count,
    )


def _ranked_counts(column: Column) -> tuple[Array, Array]:
    """Return the ranks of the column's number cells, ascending, and their counts."""
    keys, counts = column.cells
    keys, counts = keys[IS_NUMBER[keys]], counts[IS_NUMBER[keys]]
    ranks = RANK[keys]
    order = np.argsort(ranks)
    return ranks[order], counts[order]


def _ordered_bins(reference: Column, window: Column) -> tuple[Array, Array]:
    """Return the counts in about ten bins of equal reference share.

    A value with the share of a bin has a bin of its own, so that what moves to either side of it is seen.
    """
    old, new = _ranked_counts(reference), _ranked_counts(window)
    cumulative = np.cumsum(old[1])
    targets = cumulative[-1] * np.arange(1, BINS) / BINS
    cuts = np.unique(old[0][np.searchsorted(cumulative, targets)])
    atoms = old[0][old[1] * BINS >= cumulative[-1]]
    starts = np.unique(np.concatenate(([0], cuts + 1, atoms, atoms + 1)))
    starts = starts[starts < len(RANK)]

    def bin_counts(ranks: Array, counts: Array) -> Array:
        bins = np.searchsorted(starts, ranks, side="right") - 1
        return np.bincount(bins, weights=counts, minlength=len(starts)).astype(np.int64)

    before, now = bin_counts(*old), bin_counts(*new)
    is_used = before + now > 0
    return before[is_used], now[is_used]


def _category_bins(reference: Column, window: Column) -> tuple[Array, Array]:
    present = [name for name, count in reference.categories.items() if count]
    top = sorted(present, key=lambda name: -reference.categories[name])[:TOP_CATEGORIES]
    old = [reference.categories[name] for name in top]
    new = [window.categories.get(name, 0) for name in top]
    rest = (reference.count - sum(old), window.count - sum(new))
    return np.array([*old, rest[0]]), np.array([*new, rest[1]])


def debiased_psi(old: Array, new: Array) -> float:
    """Return the population stability index minus its mean without drift: (B - 1)(1/n + 1/m)."""
    bins, n, m = len(old), old.sum(), new.sum()
    p, q = (old + 0.5) / (n + bins / 2), (new + 0.5) / (m + bins / 2)
    return float(np.sum((p - q) * np.log(p / q)) - (bins - 1) * (1 / n + 1 / m))


def combined_p(old: Array, new: Array, *, is_ordered: bool) -> float:
    """Return one p-value of chi-square and, for ordered bins, of its 1-df components for location and scale."""
    old, new = _merge_bins(old, new)
    if len(old) < 2:
        return 1.0
    n, m = old.sum(), new.sum()
    h, p, q, w = 1 / n + 1 / m, old / n, new / m, (old + new) / (n + m)
    values = [float(chi2.sf(np.sum((p - q) ** 2 / w) / h, len(old) - 1))]
    if is_ordered:
        values += [2 * float(norm.sf(abs(z))) for z in _components(q - p, w, h)]
    return cauchy(values)


def _components(difference: Array, w: Array, h: float) -> list[float]:
    linear = np.cumsum(w) - w / 2 - 0.5
    linear = linear - np.sum(w * linear)
    square = linear**2 - np.sum(w * linear**2)
    weight = np.sum(w * linear**2)
    square = square - linear * (np.sum(w * linear * square) / weight if weight > 0 else 0.0)
    components = []
    for score in (linear, square):
        variance = float(np.sum(w * score**2))
        if variance > 1e-12:
            components.append(float(np.sum(difference * score)) / math.sqrt(h * variance))
    return components


def _merge_bins(old: Array, new: Array) -> tuple[Array, Array]:
    """Merge neighbouring bins until the expected count of each is at least five on the smaller side."""
    n, m = old.sum(), new.sum()
    min_total = MIN_EXPECTED * (n + m) / max(min(n, m), 1)
    groups: list[list[int]] = [[]]
    mass = 0.0
    for position, total in enumerate(old + new):
        groups[-1].append(position)
        mass += float(total)
        if mass >= min_total:
            groups.append([])
            mass = 0.0
    last = groups.pop()
    if last and groups:
        groups[-1] += last
    elif last:
        groups = [last]
    return np.array([old[g].sum() for g in groups]), np.array([new[g].sum() for g in groups])


def cauchy(values: Sequence[float]) -> float:
    """Return the Cauchy combination of p-values, which need not be independent."""
    clipped = [min(max(value, 1e-300), 1 - 1e-12) for value in values]
    if min(clipped) < 1e-15:
        return min(1.0, min(clipped) * len(clipped))
    statistic = sum(math.tan((0.5 - value) * math.pi) for value in clipped) / len(clipped)
    return 0.5 - math.atan(statistic) / math.pi


def benjamini_hochberg(values: Sequence[float], q: float) -> list[bool]:
    """Return which hypotheses are rejected at false discovery rate q."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    last = max((rank for rank, index in enumerate(order, 1) if values[index] <= q * rank / len(values)), default=0)
    rejected = set(order[:last])
    return [index in rejected for index in range(len(values))]

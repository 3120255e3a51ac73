"""What `hl monitor` says of a window in one line."""

from helicline.cli.monitor import _remarks
from helicline.records.monitor import NOT_TESTED


def finding(column, severity, value, statistic="psi"):
    return {"column": column, "statistic": statistic, "severity": severity, "value": value, "gate": 0.1}


def test_the_worst_findings_come_first_and_the_rest_are_counted():
    findings = [
        finding("a", "warning", 0.2),
        finding("b", "ok", 0.0),
        finding("c", "critical", 0.5),
        finding("d", "critical", 4.0),
        finding("e", "warning", 0.15),
        finding("f", "insufficient_data", 0.0, NOT_TESTED),
    ]
    remarks = _remarks({"reason": "", "findings": findings})
    assert remarks == "d psi 4, c psi 0.5, a psi 0.2 and 1 more; not tested: f"


def test_a_calm_window_has_no_remark_and_an_unjudged_one_its_reason():
    assert _remarks({"reason": "", "findings": [finding("a", "ok", 0.01)]}) == ""
    assert _remarks({"reason": "3 of at least 200 rows", "findings": []}) == "3 of at least 200 rows"

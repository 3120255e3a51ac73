"""The worker's look at the rows that it harvested."""

import numpy as np
import pandas as pd
import pytest

from helicline.engine.harvest.commit import _check
from helicline.errors import Invalid
from helicline.monitor import profile
from helicline.monitor.testable import with_roles
from helicline.records.monitor import MonitorSpec
from helicline.records.pipeline import HarvestSpan, HarvestSpec
from support.prediction_log import NOON

COLUMNS = {
    "customer_id": np.arange(500),
    "income": np.random.default_rng(1).lognormal(7, 0.4, 500),
    "plan": np.array(["basic", "plus", "pro", "plus"] * 125, dtype=object),
    "signup": pd.date_range("2025-01-01", periods=500).to_numpy(),
}


MONITOR = MonitorSpec(kind="quality")


class Blobs:
    """The client of a server that has one blob: the reference."""

    def fetch_blob(self, _digest, target):
        target.write_bytes(profile.encode(with_roles(profile.build(COLUMNS), COLUMNS)))
        return target


def check(folder, monitor=MONITOR, reference="b" * 64, rows=200, **changes):
    until = HarvestSpan(labels_until=NOON, predictions_until=NOON)
    spec = HarvestSpec(
        dataset="customers", ref="main", deployment="churn", label="churned", until=until, message="",
        reference=reference, monitor=monitor,
    )  # fmt: skip
    frame = pd.DataFrame(COLUMNS).assign(churned=1, **changes).head(rows)
    frame.to_parquet(folder / "rows.parquet")
    _check(spec, Blobs(), folder / "rows.parquet")


def test_rows_like_the_reference_are_taken(tmp_path):
    check(tmp_path)
    check(tmp_path, customer_id=np.arange(500) + 10**6, signup=pd.date_range("2026-01-01", periods=500))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"income": COLUMNS["income"] * 1000}, "income unit"),
        ({"income": None}, "income missing"),
        ({"income": [f"{value:.2f} EUR" for value in COLUMNS["income"]]}, "income type"),
        ({"plan": np.where(np.arange(500) % 2, None, COLUMNS["plan"])}, "plan missing"),
    ],
)
def test_broken_rows_are_refused_where_no_monitor_of_the_inputs_looks_at_them(tmp_path, changes, words):
    with pytest.raises(Invalid, match=words) as refused:
        check(tmp_path, **changes)
    assert "accept as normal" in refused.value.hint


def test_the_monitor_says_which_columns_are_not_tested(tmp_path):
    check(tmp_path, MonitorSpec(kind="quality", exclude=("income",)), income=COLUMNS["income"] * 1000)


@pytest.mark.parametrize(
    ("more", "words"), [({"rows": 20}, "they are too few"), ({"reference": ""}, "no version serves")]
)
def test_rows_that_cannot_be_tested_are_said_to_be_untested(tmp_path, capsys, more, words):
    check(tmp_path, income=COLUMNS["income"] * 1000, **more)
    assert words in capsys.readouterr().out


def test_values_beyond_their_range_are_refused_where_a_quality_monitor_would_say_so(tmp_path):
    """Where nothing but performance or drift is watched, inputs that moved are what is to be learned."""
    moved = {"income": COLUMNS["income"] + 20_000}
    with pytest.raises(Invalid, match="income out_of_range"):
        check(tmp_path, **moved)
    check(tmp_path, None, **moved)
    with pytest.raises(Invalid, match="income unit"):
        check(tmp_path, None, income=COLUMNS["income"] * 1000)

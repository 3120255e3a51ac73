"""Customers of a telephone company, made up: an id, dates, categories, numbers with gaps, and who left."""

from __future__ import annotations

import numpy as np
import pandas as pd

PLANS, REGIONS = ("basic", "plus", "pro"), ("north", "south", "east", "west")
INPUTS = ("customer_id", "signup", "plan", "region", "tenure_months", "monthly_fee", "support_calls")
LABEL = "churned"
NEW_YEAR = pd.Timestamp("2026-01-01")


class Customers:
    """Draws customers; their ids go on counting and their days moving, as they do in a company.

    `rival` is the year in which a competitor wins over those who pay much: others leave than before, and others stay.
    """

    def __init__(self, seed: int = 1) -> None:
        self.rival = False
        self._chance = np.random.default_rng(seed)
        self._next_id, self._day = 100_000, 0

    def draw(self, count: int) -> pd.DataFrame:
        """Return the next customers with their label `churned`, 1 for those who left."""
        chance = self._chance
        rows = pd.DataFrame(
            {
                "customer_id": np.arange(self._next_id, self._next_id + count),
                "signup": NEW_YEAR + pd.to_timedelta(self._day + np.arange(count) // 50, unit="D"),
                "plan": chance.choice(PLANS, count, p=(0.2, 0.4, 0.4) if self.rival else (0.5, 0.3, 0.2)),
                "region": chance.choice(REGIONS, count),
                "tenure_months": chance.gamma(2.0, 12.0, count).round(1),
                "monthly_fee": chance.normal(58.0 if self.rival else 45.0, 12.0, count).clip(10).round(2),
                "support_calls": chance.poisson(1.5, count),
            }
        )
        self._next_id += count
        self._day += count // 50
        rows[LABEL] = (chance.random(count) < self._risk(rows)).astype(int)
        rows.loc[chance.random(count) < 0.08, "tenure_months"] = np.nan  # the older system did not keep it
        return rows

    def _risk(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the chance to leave: many calls and a short time drive away; with the rival, a high fee does."""
        worry = 2.2 * (rows["support_calls"] - 1.5) - 0.12 * (rows["tenure_months"] - 24)
        if self.rival:
            worry = 0.35 * (rows["monthly_fee"] - 55) - 0.02 * (rows["tenure_months"] - 24)
        return (1 / (1 + np.exp(-1.5 * worry))).to_numpy()

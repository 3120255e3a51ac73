"""Events of a shop, made up: who looked at what and bought what, day by day, in the files that two systems export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

USERS, ITEMS, TASTES = 4000, 240, 12
BROKEN_DAY = 41
FIRST_DAY = pd.Timestamp("2026-01-01")


class Shop:
    """Draws the events of a day. Each user has a taste, and mostly looks at its items; some items are liked by all."""

    def __init__(self, seed: int = 1, *, events_per_day: int = 3400) -> None:
        self._chance, self._per_day, self._next_id = np.random.default_rng(seed), events_per_day, 1
        self._taste_of_user = self._chance.integers(0, TASTES, USERS)
        self._activity = self._chance.gamma(1.2, 1.0, USERS)
        self._activity /= self._activity.sum()

    def day(self, number: int) -> pd.DataFrame:
        """Return the events of a day, numbered from 1: event_id, at, user, item, kind (view or buy), price."""
        chance, count = self._chance, self._per_day
        users = chance.choice(USERS, count, p=self._activity)
        per_taste = ITEMS // TASTES
        own = self._taste_of_user[users] * per_taste + np.minimum(chance.geometric(0.18, count) - 1, per_taste - 1)
        anything = chance.integers(0, ITEMS, count)
        items = np.where(chance.random(count) < 0.75, own, anything)
        seconds = pd.to_timedelta(np.sort(chance.integers(0, 86_400, count)), unit="s")
        rows = pd.DataFrame(
            {
                "event_id": np.arange(self._next_id, self._next_id + count),
                "at": (FIRST_DAY + pd.Timedelta(days=number - 1) + seconds).astype("datetime64[us]"),
                "user": users,
                "item": [f"item-{item:03d}" for item in items],
                "kind": np.where(chance.random(count) < 0.2, "buy", "view"),
                "price": (5 + 0.5 * items).round(2),
            }
        )
        self._next_id += count
        return rows

    def export(self, number: int, folder: Path) -> tuple[Path, pd.DataFrame]:
        """Write the file of a day, CSV on odd days and Parquet on even ones, and return it with its rows."""
        rows = self.day(number)
        return write(rows, folder / f"day-{number:02d}"), rows


def write(rows: pd.DataFrame, stem: Path) -> Path:
    """Write rows as the system of that day does."""
    if int(stem.name[-2:]) % 2:
        path = stem.with_suffix(".csv")
        rows.to_csv(path, index=False)
    else:
        path = stem.with_suffix(".parquet")
        rows.to_parquet(path, index=False)
    return path


def broken(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as a broken export has them: prices in cents, and a third of the users lost."""
    lost = np.arange(len(rows)) % 3 == 0
    return rows.assign(price=rows["price"] * 100, user=rows["user"].astype("Int64").mask(lost))

"""How old a prediction must be to be judged by its label: as declared, or learned from the labels that came lately.

What is known of delays is cut off by time: nobody has yet seen a label that comes later than the first prediction is
old. Counted are the labels that *arrived* lately, whenever their predictions were made: under steady traffic they are a
fair sample of all delays up to the age of the deployment, while the predictions made lately would show short ones only.
Longer delays are not seen at all, so a delay that fills much of that age is said to be a lower limit.
"""

from __future__ import annotations

import numpy as np

from helicline.monitor.profile import Array
from helicline.records.monitor import LabelDelay

QUANTILE = 0.95
LEAST_LABELS = 50  # of fewer, two late ones would decide
SETTLED_SHARE = 0.5  # of the age of the deployment: longer delays may still be unseen


def declared(delay_s: float) -> LabelDelay:
    """Return the delay that the monitor's spec tells."""
    detail = f"{words(delay_s)} after the prediction, as declared"
    return LabelDelay(seconds=delay_s, source="declared", detail=detail)


def learned(delays_s: Array, age_s: float) -> LabelDelay:
    """Return the delay within which nearly all labels came, of those that arrived lately; each label counts alike.

    `age_s` is the age of the deployment. With too few labels it is 0: every label counts as soon as it comes.
    """
    if len(delays_s) < LEAST_LABELS:
        few = f"{len(delays_s)} of at least {LEAST_LABELS} labels to learn a delay from"
        detail = f"{few}: every label counts as soon as it comes"
        return LabelDelay(seconds=0.0, source="unknown", detail=detail)
    # a value that occurred, and not one between two: those may be a month apart
    delay_s = float(np.quantile(np.maximum(delays_s, 0.0), QUANTILE, method="higher"))
    detail = f"{words(delay_s)} after the prediction: {QUANTILE:.0%} of the last {len(delays_s):,} labels came by then"
    if delay_s > SETTLED_SHARE * age_s:
        detail += f"; later ones may be still to come, as the deployment is {words(age_s)} old"
    return LabelDelay(seconds=delay_s, source="learned", detail=detail)


def words(duration_s: float) -> str:
    """Return a duration in words."""
    for name, seconds in (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if duration_s >= 2 * seconds:
            return f"{duration_s / seconds:.1f} {name}".replace(".0 ", " ")
    return f"{duration_s:.1f} seconds".replace(".0 ", " ")

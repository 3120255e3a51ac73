"""The delay of labels: declared, or learned from those that came lately, with what is not known of it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from helicline.monitor.label_delay import LEAST_LABELS, QUANTILE, declared, learned

YEAR = 365 * 86_400.0
DELAYS = st.lists(st.floats(-600, YEAR), min_size=LEAST_LABELS, max_size=400)


@given(DELAYS)
def test_nearly_all_labels_came_within_the_learned_delay_and_not_sooner(delays):
    delay = learned(np.array(delays), YEAR)
    arrived = np.maximum(delays, 0.0)
    assert delay.seconds in arrived
    assert (arrived <= delay.seconds).mean() >= QUANTILE
    assert (arrived < delay.seconds).mean() <= QUANTILE


@given(DELAYS, st.integers(2, 5))
def test_each_label_counts_alike_however_often_all_of_them_are_told(delays, times):
    assert abs(learned(np.array(delays * times), YEAR).seconds - learned(np.array(delays), YEAR).seconds) <= np.ptp(
        np.sort(np.maximum(delays, 0.0))[-len(delays) // 10 :]
    )


def test_a_late_label_or_two_do_not_make_the_delay():
    assert learned(np.array([10.0] * 98 + [YEAR] * 2), YEAR).seconds == 10.0


def test_two_files_a_month_apart_give_the_time_of_the_later_one():
    days = learned(np.repeat([30.0, 60.0], 100) * 86_400, YEAR)
    assert days.detail == "60 days after the prediction: 95% of the last 200 labels came by then"


def test_too_few_labels_give_no_delay():
    delay = learned(np.array([YEAR] * (LEAST_LABELS - 1)), YEAR)
    assert (delay.seconds, delay.source) == (0.0, "unknown")


def test_a_delay_that_fills_the_age_of_the_deployment_is_a_lower_limit():
    """Of labels that come within 90 days, a deployment of 20 days has seen those of 20 days at most."""
    day, chance = 86_400.0, np.random.default_rng(1)
    predicted_at, delays = chance.uniform(0, 200, 20_000), chance.uniform(0, 90, 20_000)

    def seen_at(age):
        arrived = predicted_at + delays
        return learned(delays[(arrived <= age) & (arrived > age - 35)] * day, age * day)

    young, grown = seen_at(20.0), seen_at(200.0)
    assert young.seconds < 20 * day
    assert young.detail.endswith("later ones may be still to come, as the deployment is 20 days old")
    assert 84 * day < grown.seconds < 87 * day
    assert "still to come" not in grown.detail


def test_a_declared_delay_is_said_as_such():
    assert declared(90 * 86_400.0).detail == "90 days after the prediction, as declared"

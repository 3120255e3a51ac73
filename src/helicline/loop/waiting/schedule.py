"""When a schedule is due: five cron fields in a time zone, also when its clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from croniter import croniter

from helicline.errors import Invalid
from helicline.records.loop import Trigger, TriggerSpec

LATE = timedelta(minutes=1)  # a moment that passed so long ago was missed: nothing ran that could have seen it
MOST_MISSED = 100  # of the moments that were missed, that are caught up one by one
CLOCK_CHANGE = timedelta(hours=3)  # more than any clock is set forth or back


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its IANA name. Raises Invalid where there is none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "Where the system knows no time zones: pip install tzdata"
        raise Invalid("timezone", name, "a name like Europe/Vienna, or UTC", hint) from None


def next_due(after: datetime, spec: TriggerSpec) -> datetime | None:
    """Return the first moment after `after` at which a schedule is due, in UTC; None for other kinds of triggers.

    The fields are local time. A time of day that the clocks leave out comes as much later as they are set forth, and
    one that comes twice counts once, the first time. Schedules of every hour, or every few minutes, go on in both
    hours that the clocks show alike.

    Raises:
        Invalid: there is no such moment, or no such time zone.
    """
    if spec.kind != "schedule":
        return None
    zone = zone_of(spec.timezone)
    later: list[datetime] = []
    try:
        local = croniter(spec.cron, (after - CLOCK_CHANGE).astimezone(zone).replace(tzinfo=None))
        folds = (0, 1) if spec.cron.split()[1].startswith("*") else (0,)
        while True:
            naive: datetime = local.get_next(datetime)
            moments = [naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in folds]
            if later and moments[0] > min(later) + CLOCK_CHANGE:
                return min(later)
            later += [moment for moment in moments if moment > after]
    except ValueError as error:
        if later:
            return min(later)
        raise Invalid("cron", spec.cron, "five cron fields that name a day there is", str(error)) from None


def was_missed(trigger: Trigger, now: datetime) -> bool:
    """Tell whether a schedule was due when nothing could begin its turn, and not only waits for something."""
    return trigger.due_at is not None and not trigger.pending and now - trigger.due_at > LATE


def after_turn(trigger: Trigger, now: datetime) -> Trigger:
    """Return a trigger as it waits for its next moment; with `catch_up="all"` that may be one that has passed."""
    if trigger.spec.catch_up == "all" and trigger.due_at is not None and trigger.due_at < now:
        following = next_due(trigger.due_at, trigger.spec) or now
        earliest = now - MOST_MISSED * (following - trigger.due_at)
        due = next_due(max(trigger.due_at, earliest), trigger.spec)
    else:
        due = next_due(now, trigger.spec)
    return msgspec.structs.replace(trigger, wake_at=due, due_at=due)

"""Schedules: the clocks of a zone, also when they change, and moments at which nothing ran."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import helicline as hl
from helicline import bus
from helicline.errors import Conflict, Invalid, NotFound
from helicline.loop import loops, triggers, turns
from helicline.loop.overview.needs import needs_of
from helicline.loop.waiting.schedule import MOST_MISSED, next_due
from helicline.records.loop import ACTIVE
from helicline.store import nouns
from helicline.store.rows import event
from support.records import commit, loop_spec

VIENNA = "Europe/Vienna"
FORTH, BACK = date(2026, 3, 29), date(2026, 10, 25)  # the clocks of Vienna: 2:00 becomes 3:00, and 3:00 becomes 2:00


def due(cron, after, zone=VIENNA):
    return next_due(after, msgspec.structs.replace(hl.every(cron), timezone=zone))


def days_of(cron, first, count, zone=VIENNA):
    """Return the moments of some days from midnight of the first one on, as local times with their offsets."""
    place = ZoneInfo(zone)
    moment = datetime(first.year, first.month, first.day, tzinfo=place) - timedelta(seconds=1)
    end = datetime(first.year, first.month, first.day, tzinfo=place) + timedelta(days=count)
    moments = []
    while (moment := due(cron, moment.astimezone(UTC), zone)) < end:
        moments.append(moment.astimezone(place))
    return moments


def test_a_time_of_day_is_that_of_the_zone_in_winter_and_summer():
    assert due("0 3 * * *", datetime(2026, 1, 5, tzinfo=UTC)) == datetime(2026, 1, 5, 2, tzinfo=UTC)
    assert due("0 3 * * *", datetime(2026, 7, 5, tzinfo=UTC)) == datetime(2026, 7, 5, 1, tzinfo=UTC)


def test_a_time_that_the_clocks_leave_out_comes_later_that_day():
    (moment,) = days_of("30 2 * * *", FORTH, 1)
    assert f"{moment:%H:%M %z}" == "03:30 +0200"


def test_a_time_that_comes_twice_counts_once():
    (moment,) = days_of("30 2 * * *", BACK, 1)
    assert f"{moment:%H:%M %z}" == "02:30 +0200"


@pytest.mark.parametrize(("day", "hours"), [(FORTH, 23), (BACK, 25), (date(2026, 7, 5), 24)])
@pytest.mark.parametrize(("cron", "an_hour"), [("0 * * * *", 1), ("*/20 * * * *", 3)])
def test_every_hour_is_every_hour_that_there_is(day, hours, cron, an_hour):
    end = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(VIENNA)) + timedelta(days=1)
    moments = [moment for moment in days_of(cron, day, 1) if moment < end]
    assert len(moments) == hours * an_hour
    apart = {later.astimezone(UTC) - earlier.astimezone(UTC) for earlier, later in pairwise(moments)}
    assert apart == {timedelta(hours=1) / an_hour}


@settings(deadline=None, max_examples=60)
@given(
    minute=st.integers(0, 59), hour=st.integers(0, 23), first=st.dates(date(2020, 1, 1), date(2030, 12, 1)),
    zone=st.sampled_from([VIENNA, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)  # fmt: skip
def test_a_daily_schedule_is_due_once_on_every_day(minute, hour, first, zone):
    moments = days_of(f"{minute} {hour} * * *", first, 5, zone)
    assert [moment.date() for moment in moments] == [first + timedelta(days=number) for number in range(5)]


def test_a_zone_that_does_not_exist_and_a_day_that_never_comes_are_refused():
    with pytest.raises(Invalid, match="timezone"):
        due("0 3 * * *", datetime(2026, 1, 5, tzinfo=UTC), "Europe/Wien")
    with pytest.raises(Invalid, match="cron"):
        due("0 3 31 2 *", datetime(2026, 1, 5, tzinfo=UTC))


class Place:
    """A loop with a daily schedule, and a clock."""

    def __init__(self, store, blobs, clock):
        self.store, self.clock = store, clock
        commit(store, blobs, b"first")

    def apply(self, catch_up):
        spec = hl.every("day", catch_up=catch_up)
        self.store.write(lambda tx: loops.apply(tx, loop_spec(triggers=(spec,))))

    def trigger(self):
        (row,) = self.store.read(lambda tx: loops.triggers(tx, "churn"))
        return row

    def look(self):
        """Let the trigger act as long as it is due; each of its turns ends at once. Return what caused them."""
        before = len(self.store.read(lambda tx: nouns.TURNS.select(tx)))
        while (row := self.trigger()).wake_at is not None and row.wake_at <= self.clock.now():
            self.store.write(lambda tx: triggers.advance(tx, nouns.TRIGGERS.get(tx, "churn", row.name)))
            self.store.write(self._end)
            if self.trigger() == row:
                break
        return [turn.cause.sentence for turn in self.store.read(lambda tx: nouns.TURNS.select(tx))[before:]]

    @staticmethod
    def _end(tx):
        for turn in nouns.TURNS.select(tx, nouns.TURNS.table.c.state.in_(ACTIVE)):
            turns.cancel(tx, turn, reason="the test goes on")


@pytest.fixture
def place(timed, blobs, clock):
    return Place(timed, blobs, clock)


@pytest.mark.parametrize(("catch_up", "count"), [("none", 0), ("latest", 1), ("all", 5)])
def test_moments_that_were_missed_are_caught_up_as_declared(place, catch_up, count):
    place.apply(catch_up)
    place.clock.advance(86_400 * 5)
    causes = place.look()
    assert len(causes) == count
    assert all(" was due at 20" in cause for cause in causes)
    assert place.trigger().wake_at > place.clock.now()
    place.clock.advance(86_400)
    on_time = place.look()
    assert len(on_time) == (0 if catch_up == "none" else 1)  # the clock jumped a day: that moment was missed as well


def test_what_is_left_out_is_recorded(place):
    place.apply("none")
    place.clock.advance(86_400 * 2)
    place.look()
    assert "when nothing ran that could begin a turn" in place.trigger().waits_for
    skipped = [record for record in place.store.read(lambda tx: event.after(tx, 0)) if record.verb == "skipped"]
    assert len(skipped) == 1


def test_no_more_than_so_many_are_caught_up(place):
    place.apply("all")
    place.clock.advance(86_400 * 3 * MOST_MISSED)
    assert MOST_MISSED - 1 <= len(place.look()) <= MOST_MISSED + 1


def test_a_paused_loop_begins_nothing_and_goes_on_when_it_is_resumed(place):
    place.apply("latest")
    place.store.write(lambda tx: loops.pause(tx, "churn", paused=True, reason="stocktaking"))
    place.clock.advance(86_400)
    assert place.look() == []
    assert place.trigger().waits_for == "loop churn is paused"
    (need,) = [need for need in place.store.read(needs_of) if need.kind == "loop"]
    assert "stocktaking" in need.sentence
    assert need.next_step.command == "hl loop resume churn"
    place.store.write(lambda tx: loops.pause(tx, "churn", paused=False))
    while bus.consume(place.store, triggers.CONSUMER, triggers.hear):
        pass
    assert len(place.look()) == 1


def test_pausing_twice_is_told_and_all_is_all(place):
    place.apply("latest")
    changed = place.store.write(lambda tx: loops.pause_all(tx, paused=True))
    assert [loop.name for loop in changed] == ["churn"]
    assert place.store.write(lambda tx: loops.pause_all(tx, paused=True)) == []
    with pytest.raises(Conflict, match="paused already"):
        place.store.write(lambda tx: loops.pause(tx, "churn", paused=True))
    with pytest.raises(NotFound):
        place.store.write(lambda tx: loops.pause(tx, "nobody", paused=True))


def test_a_turn_that_could_not_begin_is_not_left_out_as_missed(place):
    place.apply("none")
    place.clock.advance((place.trigger().due_at - place.clock.now()).total_seconds() + 1)
    place.store.write(lambda tx: triggers.postpone(tx, nouns.TRIGGERS.get(tx, "churn", place.trigger().name), "busy"))
    place.clock.advance(triggers.REST_S + 1)
    assert len(place.look()) == 1

"""Labels of predictions: the last label of a (prediction, row, name) wins, here and nowhere else."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from helicline.serving.prediction_log import sql
from helicline.serving.prediction_log.files import UNKNOWN, LogFile, again_when_merged, label_files, listed, paths_of
from helicline.serving.prediction_log.names import NO_ID, TIMED, TIMED_BEFORE, id_time, moment_of, text_of

RECENT_LABELS = (timedelta(days=35), timedelta(days=100))  # a month's batch; where there are few, that of a quarter
MOST_RECENT_LABELS = 200_000
LATE_LABELS = timedelta(days=7)  # labels of these days tell how long after its prediction one may come
OF_PREDICTIONS = "prediction_id <> ''"  # feedback on a unit names none
Array = np.ndarray[Any, Any]
_START = datetime.fromtimestamp(0, UTC)


def labelled_span(file: LogFile) -> tuple[datetime, datetime] | None:
    """Return the earliest prediction with labels in a file, and when its last label came; None for ids without time.

    The name of a file of an earlier version does not tell: any prediction. A merge names it anew.
    """
    if file.name.first_id == NO_ID:
        return None
    return moment_of(file.name.first_id) if file.name.is_exact else _START, moment_of(file.name.last)


def longest_delay(home: Path, deployment: str, since: datetime) -> timedelta | None:
    """Return up to how long after their predictions the labels came since then, None where no file tells."""
    files = [file for file in label_files(home, deployment, since) if file.name.is_exact]
    spans = (labelled_span(file) for file in files)
    return max((arrived_at - made_at for made_at, arrived_at in filter(None, spans)), default=None)


@again_when_merged
def recent_delays(home: Path, deployment: str, *, name: str, now: datetime, enough: int) -> Array:
    """Return how many seconds after their predictions the first labels of rows came, of those that came first lately.

    Read are the newest files up to a number of labels, so it costs the same however much the log holds, and twice the
    time that counts: a label that is sent again and again, as by a nightly export of all, was there before. An id that
    tells no time (a client may make its own) tells no delay either.
    """
    delays: Array = np.array([])
    for reach in RECENT_LABELS:
        files = [file for file in label_files(home, deployment, now - 2 * reach) if file.name.first_id != NO_ID]
        newest = sorted(files, key=lambda file: (file.name.last, file.path.name), reverse=True)
        delays = _delays(paths_of(newest), name, now - reach) if newest else delays
        if len(delays) >= enough:
            break
    return delays


def _delays(files: Iterable[Path], name: str, since: datetime) -> Array:
    """Return the delays of the first labels since then; where not all could be read, of the later half of the time."""
    timed = f"regexp_full_match(prediction_id, {sql.literal(TIMED)}) AND prediction_id < {sql.literal(TIMED_BEFORE)}"
    made_us = "epoch_us(uuid_extract_timestamp(TRY_CAST(prediction_id AS UUID)))"
    columns = sql.fetch(
        f"""WITH labels AS MATERIALIZED (
                SELECT prediction_id, row, epoch_us(received_ts) AS us FROM {sql.parquet(files)}
                WHERE name = {sql.literal(name)} AND {timed} LIMIT {MOST_RECENT_LABELS}),
            read AS (
                SELECT count(*) = {MOST_RECENT_LABELS} AS partly, (min(us) + max(us)) / 2 AS middle_us FROM labels),
            firsts AS (SELECT prediction_id, min(us) AS us FROM labels GROUP BY prediction_id, row)
            SELECT (us - {made_us}) / 1e6 AS delay_s FROM firsts, read
            WHERE us >= epoch_us({sql.timestamp(since)}) AND (us >= middle_us OR NOT partly)"""
    )
    return columns["delay_s"]


def latest_labels(
    files: Iterable[Path],
    *,
    name: str | None = None,
    prediction_ids: Iterable[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> str:
    """Return a query for the last label of each prediction, row and name, of those received from `since` to `until`.

    Its columns: prediction_id, row, name, value (text), received_ts.
    """
    conditions = [OF_PREDICTIONS]
    if name is not None:
        conditions.append(f"name = {sql.literal(name)}")
    if prediction_ids is not None:
        conditions.append(f"prediction_id IN ({', '.join(sorted(map(sql.literal, prediction_ids)))})")
    if since is not None:
        conditions.append(f"received_ts >= {sql.timestamp(since)}")
    if until is not None:
        conditions.append(f"received_ts < {sql.timestamp(until)}")
    return f"""SELECT prediction_id, row, name, arg_max(value, received_ts) AS value, max(received_ts) AS received_ts
               FROM {sql.parquet(files)} WHERE {" AND ".join(conditions)} GROUP BY prediction_id, row, name"""


class Change(NamedTuple):
    """A label that got another value: both, with the times at which they came."""

    prediction_id: str
    row: int
    name: str
    before: str
    before_at: datetime
    after: str
    after_at: datetime
    source: str


@again_when_merged
def never_made(home: Path, deployment: str, *, since: datetime, until: datetime) -> list[str]:
    """Return the ids with labels that arrived from `since` to `until`, of which the log holds no prediction.

    An id that is older than the oldest file is left out: its prediction may have been dropped.
    """
    ids = _arrived(home, deployment, since=since, until=until)
    calls = listed(home, "predictions", deployment="*" if deployment == UNKNOWN else deployment)
    oldest = min((file.name.first_id for file in calls if file.name.first_id != NO_ID), default=NO_ID)
    ids = {each_id: made_at for each_id, made_at in ids.items() if made_at is None or text_of(made_at) >= oldest}
    files = _holding_each(calls, ids)
    if not ids or not files:
        return sorted(ids)
    columns = sql.fetch(
        f"""SELECT DISTINCT prediction_id FROM {sql.parquet(file.path for file in files)}
            WHERE prediction_id IN (SELECT prediction_id FROM wanted)""",
        wanted={"prediction_id": np.array(sorted(ids), dtype=object)},
    )
    return sorted(ids.keys() - {str(each_id) for each_id in columns["prediction_id"]})


@again_when_merged
def changed(home: Path, deployment: str, *, since: datetime, until: datetime) -> list[Change]:
    """Return the labels that got another value from `since` to `until`."""
    ids = _arrived(home, deployment, since=since, until=until)
    files = _holding_each(label_files(home, deployment), ids)
    if not files:
        return []
    order = "(PARTITION BY prediction_id, row, name ORDER BY received_ts)"
    columns = sql.fetch(
        f"""SELECT prediction_id, row, name, before, before_at, value, received_ts, source FROM (
                SELECT *, lag(value) OVER {order} AS before, lag(received_ts) OVER {order} AS before_at
                FROM {sql.parquet(file.path for file in files)}
                WHERE prediction_id IN (SELECT prediction_id FROM wanted) AND received_ts < {sql.timestamp(until)})
            WHERE received_ts >= {sql.timestamp(since)} AND before <> value ORDER BY received_ts""",
        wanted={"prediction_id": np.array(sorted(ids), dtype=object)},
    )
    return [
        Change(str(each_id), int(row), str(name), str(before), _aware(before_at), str(value), _aware(at), str(source))
        for each_id, row, name, before, before_at, value, at, source in zip(*columns.values(), strict=True)
    ]


def _aware(moment: np.datetime64) -> datetime:
    return _START + timedelta(microseconds=int(moment.astype("datetime64[us]").astype(np.int64)))


def _arrived(home: Path, deployment: str, *, since: datetime, until: datetime) -> dict[str, datetime | None]:
    """Return the ids whose labels arrived in that time, with the time in each."""
    files = listed(home, "labels", deployment=deployment, since=since, until=until)
    if not files:
        return {}
    columns = sql.fetch(
        f"""SELECT DISTINCT prediction_id FROM {sql.parquet(file.path for file in files)}
            WHERE {OF_PREDICTIONS} AND received_ts >= {sql.timestamp(since)} AND received_ts < {sql.timestamp(until)}"""
    )
    return {str(each_id): id_time(str(each_id)) for each_id in columns["prediction_id"]}


def _holding_each(files: Iterable[LogFile], ids: Mapping[str, datetime | None]) -> list[LogFile]:
    """Return the files that may hold rows of one of the ids: labels of a day may belong to calls of many days."""
    times = sorted(text_of(made_at) for made_at in ids.values() if made_at is not None)
    untimed = len(times) < len(ids)

    def may_hold(file: LogFile) -> bool:
        place = bisect_left(times, file.name.first_id)
        holds_timed = file.name.first_id != NO_ID and place < len(times) and times[place] <= file.name.last_id
        return holds_timed or (untimed and file.name.has_untimed)

    return [file for file in files if may_hold(file)]

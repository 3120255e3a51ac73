"""What questions to the prediction log cost when it is 90 days old, against what they cost after its first hour.

usage: python bench/log_age.py [--days 90] [--rows 10000000] [--rounds 9] [--most 1.5]

The last hour is the same in both logs: segments of two seconds, sealed and merged by the code of the gateway. Before it
the old log has the files that merges leave: one for each hour of today and one for each day. A fifth of the rows has a
label, ten minutes after the call. The numbers are CPU seconds of this process, the median of rounds in which both logs
are asked in turn. Ends with 1 where a question costs more than `--most` times as much in the old log.
"""

import argparse
import itertools
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import msgspec
import numpy as np

from helicline.gateway.log_sealer import seal_all
from helicline.gateway.segment_profiles import merge_profiles
from helicline.gateway.worker import log as worker_log
from helicline.loop.evidence.rollout_evidence import Moments
from helicline.monitor import profile
from helicline.records.pipeline import HarvestSpan
from helicline.serving.prediction_log import harvest, profiles, sql
from helicline.serving.prediction_log import read as predictions
from helicline.serving.prediction_log.files import listed, paths_of
from helicline.serving.prediction_log.merge import Merger
from helicline.serving.prediction_log.names import Level, Name, micros_of, moment_at, span_of, text_of
from helicline.serving.prediction_log.segment import Label, Line, Schema, SegmentWriter, framed

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SEGMENT = timedelta(seconds=2)
DELAY = timedelta(minutes=10)
LABELLED = 5  # one row of so many
COLUMNS = ("f_a", "f_b", "f_c", "f_d")
ROW = Line(
    prediction_id="",
    ts_us=0,
    deployment="churn",
    revision=1,
    model="churn",
    model_version=1,
    variant="stable",
    served_by=1,
    fallback_reason="",
    rollout=1,
    stage=1,
    weight_bp=500,
    unit_key_hash="00",
    protocol="mlflow",
    status=200,
    batch_rows=1,
    latency_us=900,
    packed=b"",
)
SEGMENTS = itertools.count(1)


def main() -> int:
    """Make both logs, ask them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--most", type=float, default=1.5)
    options = parser.parse_args()
    pause = timedelta(days=options.days) / options.rows
    with tempfile.TemporaryDirectory(prefix="log-age-") as folder:
        young, old = Path(folder) / "hour", Path(folder) / "days"
        began = time.monotonic()
        write_hour(young, pause)
        shutil.copytree(young, old)
        write_past(old, pause, since=NOW - timedelta(days=options.days))
        print(f"{options.rows} rows of {options.days} days, made in {time.monotonic() - began:.0f} s")
        for name, home in (("hour", young), ("days", old)):
            print(f"{name}: {rows_in(home)} rows, {sum(1 for _ in home.rglob('*.parquet'))} files of all kinds")
        return report(young, old, options)


def report(young: Path, old: Path, options: argparse.Namespace) -> int:
    """Print what each question costs in both logs; return 1 where the ratio is over the limit."""
    over = 0
    print(f"{'CPU ms':34}{'first hour':>12}{f'{options.days} days':>12}{'ratio':>8}")
    for name, question in questions(young, old).items():
        costs = in_turn(question, options.rounds)
        ratio = costs[1] / costs[0]
        over += ratio > options.most
        print(f"{name:34}{1000 * costs[0]:12.1f}{1000 * costs[1]:12.1f}{ratio:8.2f}", flush=True)
    return 1 if over else 0


def in_turn(question, rounds: int) -> list[float]:
    """Return the median CPU seconds of the question in the young and in the old log."""
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for is_old in (0, 1):
            began = time.process_time()
            question(is_old)
            spent[is_old].append(time.process_time() - began)
    return [statistics.median(seconds[1:]) for seconds in spent]  # the first round opens what is opened once


def questions(young: Path, old: Path):
    """Return the questions by name; each takes 0 for the young log and 1 for the old one."""
    homes = (young, old)
    last_ids = [an_id(home, latest=True) for home in homes]
    first_ids = [an_id(young, latest=True), an_id(old, latest=False)]
    since, start = NOW - HOUR, NOW - HOUR / 2
    rollout = SimpleNamespace(deployment="churn", number=1, created_at=start)
    guards = [Moments(home, rollout, kind="correct", label="label") for home in homes]
    for guard in guards:
        guard.update()
    target = young.parent / "harvest.parquet"
    return {
        "why, of the last hour": lambda at: found_once(homes[at], last_ids[at]),
        "why, of the oldest rows": lambda at: found_once(homes[at], first_ids[at]),
        "why, of an id that is nowhere": lambda at: predictions.find(homes[at], id_of(NOW - HOUR / 3, 7)),
        "the latest 50 rows": lambda at: predictions.recent(homes[at], "churn", 50),
        "performance monitor, one hour": lambda at: predictions.labelled(homes[at], "churn", since=since, until=NOW),
        "drift monitor, one hour": lambda at: drift(homes[at], since),
        "guard, first look (30 minutes)": lambda at: Moments(
            homes[at], rollout, kind="correct", label="label"
        ).update(),
        "guard, each look after it": lambda at: guards[at].update(),
        "harvest of one hour": lambda at: harvest.write(
            homes[at], "churn", target, label="label", since=HarvestSpan(labels_until=since, predictions_until=since)
        ),
    }


def found_once(home: Path, prediction_id: str) -> None:
    """Ask for a prediction that is there, with its label."""
    (row,) = predictions.find(home, prediction_id)
    assert row.labels, prediction_id


def drift(home: Path, since: datetime) -> None:
    """Read and add the profiles of an hour, as a drift monitor does."""
    parts = profiles.between(home, "churn", revision=1, since=since, until=NOW)
    profile.merged([profile.decode(part) for part in parts])


def an_id(home: Path, *, latest: bool) -> str:
    """Return the id of a row with a label."""
    files = paths_of(listed(home, "labels", deployment="churn"))
    order = "DESC" if latest else "ASC"
    query = f"SELECT prediction_id FROM {sql.parquet(files)} ORDER BY prediction_id {order} LIMIT 1"
    return str(sql.fetch(query)["prediction_id"][0])


def rows_in(home: Path) -> int:
    """Return the rows of predictions that readers list."""
    files = paths_of(listed(home, "predictions", deployment="churn"))
    return int(sql.fetch(f"SELECT count(*) AS count FROM {sql.parquet(files)}")["count"][0])


def id_of(moment: datetime, number: int) -> str:
    """Return a prediction id of a moment."""
    return str(uuid.UUID(int=(micros_of(moment) // 1000) << 80 | 0x7 << 76 | 0x2 << 62 | number))


def write_hour(home: Path, pause: timedelta) -> None:
    """Write the last hour as a gateway does: segments, which are sealed and merged."""
    features = tuple((name, "double") for name in COLUMNS)
    calls = [NOW - HOUR + number * pause for number in range(max(int(HOUR / pause), 8))]
    generator = np.random.default_rng(0)
    merger = Merger(home, merge_profiles)
    merged_at = NOW - HOUR
    by_segment, labels_by_segment = defaultdict(list), defaultdict(list)
    for number, moment in enumerate(calls):
        by_segment[(moment - NOW + HOUR) // SEGMENT].append(line(moment, number, generator))
        if number % LABELLED == 0 and moment + DELAY < NOW:
            labels_by_segment[(moment + DELAY - NOW + HOUR) // SEGMENT].append(label(moment, number))
    for segment in range(HOUR // SEGMENT):
        start, lines, late = NOW - HOUR + segment * SEGMENT, by_segment[segment], labels_by_segment[segment]
        append(home, "predictions", [Schema("churn", 1, features), *lines] if lines else [])
        append(home, "labels", late)
        seal_all(home, on_sealed=write_profile)
        if start - merged_at > timedelta(minutes=1):
            merged_at = start
            merger.run(start)
    merger.run(NOW)


def line(moment: datetime, number: int, generator: np.random.Generator) -> Line:
    """Return a call as the gateway logs it."""
    packed = worker_log.pack(generator.normal(size=(1, len(COLUMNS))), np.array([1.0]), row_count=1)
    return msgspec.structs.replace(ROW, prediction_id=id_of(moment, number), ts_us=micros_of(moment), packed=packed)


def label(moment: datetime, number: int) -> Label:
    """Return the label of a call."""
    received_us = micros_of(moment + DELAY)
    return Label("churn", id_of(moment, number), 0, "label", "1", received_us, received_us, "bench")


def append(home: Path, kind: str, records) -> None:
    """Write a segment; none where there is no record, as a gateway does."""
    records = list(records)
    if not records:
        return
    opened_at = max(moment_at(getattr(record, "ts_us", 0)) for record in records)
    writer = SegmentWriter(home / "log", kind, new_id=lambda: id_of(opened_at, next(SEGMENTS)))
    for record in records:
        writer.append(framed(record))
    writer.rotate()


def write_profile(path: Path, columns) -> None:
    """Write the profile of a segment, as the sealer does."""
    profiles.write(path, {1: profile_of(columns)})


def profile_of(columns) -> bytes:
    """Return the encoded profile of feature columns."""
    return profile.encode(profile.build({name[2:]: np.asarray(columns[name]) for name in COLUMNS}))


def write_past(home: Path, pause: timedelta, *, since: datetime) -> None:
    """Write what merges leave of the time before the last hour: hours of today, and days."""
    today = NOW.replace(hour=0)
    spans = [(today + number * HOUR, HOUR, "h") for number in range(int((NOW - HOUR - today) / HOUR))]
    start = today
    while start > since:
        start -= DAY
        spans.append((start, DAY, "d"))
    with duckdb.connect(config={"threads": 1}) as session:
        for start, length, level in spans:
            write_span(session, home, start=max(start, since), end=start + length, pause=pause, level=level)


def write_span(
    session: duckdb.DuckDBPyConnection, home: Path, *, start: datetime, end: datetime, pause: timedelta, level: Level
) -> None:
    """Write the merged files of a time, predictions with their profiles and labels."""
    count, first_us, pause_us = max(int((end - start) / pause), 1), micros_of(start), pause // timedelta(microseconds=1)
    session.execute("SELECT setseed(0.5)")
    features = ", ".join(f"random() AS {name}" for name in COLUMNS)
    session.execute(
        f"""CREATE OR REPLACE TEMP TABLE calls AS SELECT
            printf('%s-%s-7%03x-8%03x-%012x', millis[1:8], millis[9:12], (random() * 4095)::INT,
                   (random() * 4095)::INT, (random() * 1e14)::BIGINT) AS prediction_id,
            0::INTEGER AS row, make_timestamp({first_us} + number * {pause_us}) AS ts, 'churn' AS deployment,
            1::INTEGER AS revision, 'churn' AS model, 1::INTEGER AS model_version, 'stable' AS variant,
            1::INTEGER AS served_by, '' AS fallback_reason, 1::INTEGER AS rollout, 1::INTEGER AS stage,
            500::INTEGER AS weight_bp, '00' AS unit_key_hash, 'mlflow' AS protocol, 200::INTEGER AS status,
            1::INTEGER AS batch_rows, 900::BIGINT AS latency_us, {features}, '1.0' AS prediction, 1.0::DOUBLE AS score
            FROM (SELECT number, printf('%012x', ({first_us} + number * {pause_us}) // 1000) AS millis
                  FROM range({count}) rows(number))"""
    )
    path = copy(session, home, table="predictions", query="SELECT * FROM calls", level=level)
    step = HOUR if level == "d" else timedelta(minutes=1)
    profiles.write_parts(path, list(parts_of(session, start=start, end=end, step=step)))
    delay = f"INTERVAL {DELAY // timedelta(seconds=1)} SECOND"
    copy(
        session,
        home,
        table="labels",
        query=f"""SELECT prediction_id, row, 'label' AS name, '1' AS value, ts + {delay} AS ts,
                         ts + {delay} AS received_ts, 'bench' AS source
                  FROM calls WHERE rowid % {LABELLED} = 0""",
        level=level,
    )


def copy(session: duckdb.DuckDBPyConnection, home: Path, *, table: str, query: str, level: Level) -> Path:
    """Write the answer of a query as a merged file, and return its path."""
    times = "ts" if table == "predictions" else "received_ts"
    first, last, first_id, last_id, _ = session.execute(
        f"SELECT min({times}), max({times}), {sql.id_bounds()} FROM ({query})"
    ).fetchall()[0]
    ids = span_of(first_id, last_id, has_untimed=False)
    name = Name(
        first=text_of(first.replace(tzinfo=UTC)),
        last=text_of(last.replace(tzinfo=UTC)),
        first_id=ids.first,
        last_id=ids.last,
        level=level,
        has_untimed=False,
        id=uuid.uuid4().hex,
    )
    # labels of the last minutes of a day lie with the day here; they are few
    folder = home / "tables" / table / "deployment=churn" / f"date={first:%Y-%m-%d}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name.file_name
    session.execute(
        f"COPY ({query}) TO {sql.literal(str(path))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)"
    )
    return path


def parts_of(session: duckdb.DuckDBPyConnection, *, start: datetime, end: datetime, step: timedelta):
    """Yield the profiles of each minute or hour."""
    while start < end:
        condition = f"ts >= {sql.timestamp(start)} AND ts < {sql.timestamp(start + step)}"
        columns = session.execute(f"SELECT {', '.join(COLUMNS)} FROM calls WHERE {condition}").fetchnumpy()
        if len(columns[COLUMNS[0]]):
            yield profiles.Part(micros_of(start), {1: profile_of(columns)})
        start += step


if __name__ == "__main__":
    sys.exit(main())

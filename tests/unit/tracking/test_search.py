"""The grammar of searches, and what each clause finds, on both databases."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest

from helicline import tracking
from helicline.clock import from_epoch_ms
from helicline.errors import Invalid
from helicline.records.run import DatasetInput, MetricPoint
from helicline.store.database import Store
from helicline.tracking import search
from helicline.tracking.grammar import like, parse_filter, parse_order
from helicline.tracking.page_token import decode_token, encode_token

RUNS = {
    "a": ({"auc": 0.9}, {"lr": "0.1", "kind": "tree"}, {"team": "Red"}),
    "b": ({"auc": 0.5, "loss": -2.0}, {"lr": "0.2"}, {"team": "blue", "a b": "x%y"}),
    "c": ({"auc": math.nan}, {"lr": "0.1"}, {"5": "five"}),
    "d": ({}, {}, {"quote": "it's", "back": "a\\b"}),
}


@pytest.fixture
def filled(store: Store) -> Store:
    def unit(tx) -> None:
        for start, (name, (metrics, params, tags)) in enumerate(RUNS.items(), start=1):
            run = tracking.create_run(tx, "0", name=name, user=f"u{start}", start_time=from_epoch_ms(start * 1000))
            points = [MetricPoint(key=key, value=value, timestamp_ms=1) for key, value in metrics.items()]
            tracking.log_batch(tx, run.run_id, metrics=points, params=params, tags=tags)
            if name == "a":
                data = DatasetInput(name="iris", digest="d1", tags={"mlflow.data.context": "train"})
                tracking.log_inputs(tx, run.run_id, datasets=[data])
                tracking.update_run(tx, run.run_id, status="FINISHED", end_time=from_epoch_ms(5000))

    store.write(unit)
    return store


def names(store: Store, filter: str = "", **how) -> str:
    runs, _ = store.read(lambda tx: tracking.search_runs(tx, ["0"], filter=filter, **how))
    return "".join(run.name for run in runs)


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("", "dcba"),
        ("metrics.auc > 0.6", "a"),
        ("metric.auc >= 0.5 and metrics.auc < 1e0", "ba"),
        ("metrics.auc != 0.9", "cb"),
        ("metrics.auc = 0.9", "a"),
        ("metrics.loss < -1.5", "b"),
        ("params.lr = '0.1'", "ca"),
        ("parameters.lr != '0.1'", "b"),
        ('params."lr" = "0.2"', "b"),
        ("tags.`a b` LIKE 'x%'", "b"),
        ("tags.team LIKE 'r%'", ""),
        ("tags.team ILIKE 'R_d'", "a"),
        ("tags.team IS NULL", "dc"),
        ("tag.team is not null", "ba"),
        ("tags.quote = 'it''s'", "d"),
        ('tags.quote = "it\'s"', "d"),
        ("tags.back LIKE 'a\\b'", "d"),
        ("tags.5 = 'five'", "c"),
        ("attributes.status = 'FINISHED'", "a"),
        ("status != 'FINISHED'", "dcb"),
        ("start_time > 2000 AND attr.start_time <= 4000", "dc"),
        ("created = 1000", "a"),
        ("end_time > 0", "a"),
        ("run_name LIKE '%a%'", "a"),
        ("tags.mlflow.runName = 'b'", "b"),
        ("user_id = 'u2'", "b"),
        ("dataset.name = 'iris' AND datasets.context IN ('train', 'x')", "a"),
        ("dataset.digest NOT IN ('d1')", ""),
        ("run_id IN ('nope')", ""),
        ("tags.team = '''; DROP TABLE run; --'", ""),
    ],
)
def test_a_filter_finds_what_it_says(filled: Store, filter: str, expected: str):
    assert names(filled, filter) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (["metrics.auc"], "bacd"),
        (["metrics.auc DESC"], "abcd"),
        (["params.lr DESC", "start_time ASC"], "bacd"),
        (["tags.team"], "abdc"),
        (["start_time"], "abcd"),
        (["attributes.end_time"], "adcb"),
        (["run_name DESC"], "dcba"),
        (["metrics.`auc` asc"], "bacd"),
    ],
)
def test_an_order_puts_missing_values_last_and_nan_just_before(filled: Store, order: list[str], expected: str):
    assert names(filled, order_by=order) == expected


@pytest.mark.parametrize(
    "filter",
    [
        "metrics.auc",
        "metrics.auc > 'x'",
        "metrics.auc LIKE 3",
        "params.lr = 0.1",
        "params.lr > '1'",
        "a = 1 OR b = 2",
        "(metrics.auc > 1)",
        "nope.x = 'y'",
        "attribute.nope = 'x'",
        "AND metrics.auc > 1",
        "metrics.auc > 1 AND AND",
        "run_id IN 'x'",
        "run_id IN ('x'",
        "run_name IN ('x')",
        "status = 'x' status = 'y'",
        "params.lr = 'open",
        "; DROP TABLE run",
        "start_time > 'abc'",
        " AND ".join(["metrics.a > 1"] * 300),
        "metrics.m > 1e999",
    ],
)
def test_a_filter_outside_the_grammar_is_refused(filter: str):
    with pytest.raises(Invalid):
        parse_filter(filter, search.RUNS)


@pytest.mark.parametrize(
    "order", [["auc DESC"], ["metrics.auc UP"], ["start_time", "start_time DESC"], [""], ["x.y.z"], ["dataset.name"]]
)
def test_an_order_outside_the_grammar_is_refused(order: list[str]):
    with pytest.raises(Invalid):
        parse_order(order, search.RUNS)


def test_questions_of_one_shape_are_answered_by_their_own_values(store: Store):
    long = "x" * 60  # as long as what an index holds of a value
    values = ("", "a", long, long + "a", long + "b")

    def unit(tx) -> None:
        for value in values:
            run = tracking.create_run(tx, "0", name=f"is {value}")
            tracking.log_batch(tx, run.run_id, params={"text": value}, tags={"text": value})

    store.write(unit)
    for value in values:
        assert names(store, f"params.text = '{value}'") == f"is {value}"
        assert names(store, f"tags.text = '{value}' AND run_name = 'is {value}'") == f"is {value}"
    ids = [run.run_id for run in store.read(lambda tx: tracking.search_runs(tx, ["0"]))[0]]
    for some in (ids[:2], ids[2:4], ids[:3]):
        listed = ", ".join(f"'{run_id}'" for run_id in some)
        runs, _ = store.read(lambda tx, listed=listed: tracking.search_runs(tx, ["0"], filter=f"run_id IN ({listed})"))
        assert {run.run_id for run in runs} == set(some)


def test_no_experiment_has_no_runs(filled: Store):
    for order in ([], ["metrics.auc DESC"]):
        page = filled.read(lambda tx, order=order: tracking.search_runs(tx, [], order_by=order))
        assert page == ([], "")


def test_pages_follow_each_other_without_gap_or_overlap(filled: Store):
    collected, token = "", ""
    while True:
        page, token = filled.read(
            lambda tx, token=token: tracking.search_runs(tx, ["0"], max_results=1, page_token=token)
        )
        collected += "".join(run.name for run in page)
        if not token:
            break
    assert collected == "dcba"


class Position(NamedTuple):
    at: int
    id: str


@pytest.mark.parametrize("token", ["x", "e30=", "WzFd", "WyJhIiwiYiJd", "é", "eyJvZmZzZXQiOiAxZTk5fQ=="])
def test_a_page_token_that_we_never_gave_is_refused(token: str):
    with pytest.raises(Invalid):
        decode_token(token, Position)


def test_a_page_token_holds_its_place():
    place = Position(2**60, "ü")
    assert decode_token(encode_token(place), Position) == place


def test_deleted_runs_are_found_only_when_asked_for(filled: Store):
    runs, _ = filled.read(lambda tx: tracking.search_runs(tx, ["0"], filter="run_name = 'b'"))
    filled.write(lambda tx: tracking.run.delete_run(tx, runs[0].run_id))
    assert names(filled) == "dca"
    assert names(filled, view="DELETED_ONLY") == "b"
    assert names(filled, view="ALL") == "dcba"


@pytest.mark.parametrize(
    ("text", "pattern", "matches"),
    [
        ("abc", "a%", True),
        ("abc", "%c", True),
        ("abc", "a_c", True),
        ("abc", "_", False),
        ("", "%", True),
        ("a" * 5000, "%a" * 500 + "b", False),
        ("x%y", "x%y", True),
        ("abc", "abcd", False),
    ],
)
def test_like_means_the_same_as_in_sql(text: str, pattern: str, matches: bool):
    assert like(text, pattern) is matches

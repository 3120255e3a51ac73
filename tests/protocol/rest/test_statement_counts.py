"""The views of what exists need as many statements for thirty deployments as for three; on both databases."""

import msgspec
import pytest
import sqlalchemy as sa

from helicline.loop.overview import needs, status
from helicline.protocol.rest import deployments as deployment_routes
from helicline.protocol.rest import loops as loop_routes
from helicline.protocol.rest import models as model_routes
from helicline.records.deployment import Deployment
from helicline.records.loop import Loop, Trigger, TriggerSpec
from helicline.records.model import Alias, ModelVersion, PromotionRequest, RegisteredModel
from helicline.records.monitor import Alert, Monitor, MonitorSpec, Window
from helicline.records.webhook import Delivery, Webhook
from helicline.serving import deployments
from helicline.store import nouns
from support.records import NOW, loop_spec, pipeline_run, pipeline_spec, revision, rollout, turn

VIEWS = {
    "status": lambda tx: status.read(tx, version="t"),
    "needs": needs.needs_of,
    "desired": deployments.desired,
    "/deployments": deployment_routes.details,
    "/models": model_routes.summaries,
    "/loops": loop_routes.details,
    "/monitors": lambda tx: loop_routes.monitor_details(tx, max_windows=3),
}


def rows_of(name):
    """One of each: a model, what serves it, its loop with turns of all kinds, and all that can be in trouble."""
    times = {"created_at": NOW, "updated_at": NOW}
    version = {"source": "s", "artifact_root": "a", "run_id": "r", "model_id": "m", "created_by": "b", **times}
    quality = MonitorSpec(kind="quality")
    yield nouns.MODELS, RegisteredModel(name=name, **times)
    for number in (1, 2, 3):
        yield nouns.VERSIONS, ModelVersion(model=name, number=number, digest="d", deleted=number == 3, **version)
        state = "QUARANTINED" if number == 1 else "READY"
        yield nouns.REVISIONS, revision(state, deployment=name, model=name, number=number, model_version=number)
    yield nouns.ALIASES, Alias(model=name, alias="champion", number=1, updated_at=NOW)
    yield nouns.DEPLOYMENTS, Deployment(name=name, model=name, stable=1, previous=2, **times)
    yield nouns.ROLLOUTS, rollout("SUCCEEDED", deployment=name, number=1)
    yield nouns.ROLLOUTS, rollout("PAUSED", deployment=name, number=2, stable=1, candidate=2)
    yield (
        nouns.LOOPS,
        Loop(
            name=name, spec=loop_spec(name=name, model=name, deployment=name), spec_hash="h", spec_version=1,
            updated_by="b", last_turn=4, **times,
        ),
    )  # fmt: skip
    yield nouns.TRIGGERS, Trigger(loop=name, name="new_data", spec=TriggerSpec(kind="new_data"), wake_at=None)
    for number, state in enumerate(("REJECTED", "PROMOTED", "REJECTED", "APPROVING", "FAILED"), 1):
        yield nouns.TURNS, turn(state, loop=name, number=number, request=name if state == "APPROVING" else "")
    yield (
        nouns.REQUESTS,
        PromotionRequest(
            id=name, model=name, number=1, digest="d", role="approver", people=1, requested_by="b", created_at=NOW
        ),
    )
    yield (
        nouns.MONITORS,
        Monitor(deployment=name, name="quality", spec=quality, loop=name, created_at=NOW, wake_at=NOW),
    )
    yield (
        nouns.WINDOWS,
        Window(
            deployment=name, monitor="quality", start=NOW, end=NOW, severity="critical", row_count=9, model_version=1
        ),
    )
    yield (
        nouns.ALERTS,
        Alert(
            deployment=name, number=1, monitor="quality", kind="quality", state="firing", severity="critical",
            opened_at=NOW, last_seen_at=NOW, model_version=1, summary="it is bad",
        ),
    )  # fmt: skip
    spec = msgspec.structs.replace(pipeline_spec(), name=name)
    yield nouns.PIPELINE_RUNS, pipeline_run(spec, id=name, pipeline=name, state="FAILED", wake_at=None)
    yield nouns.WEBHOOKS, Webhook(id=name, name=name, url="u", events=(), created_at=NOW, updated_at=NOW)
    dead = Delivery(id=name, webhook=name, seq=1, body="{}", created_at=NOW, state="DEAD", wake_at=None)
    yield nouns.DELIVERIES, dead


def fill(store, count):
    for name in (f"m{number:02}" for number in range(count)):
        for noun, row in rows_of(name):
            store.write(lambda tx, noun=noun, row=row: noun.put(tx, row))


def statements(store, view):
    """Return the number of statements of a view, and what it gave."""
    executed = []

    def note(_connection, _cursor, text, *_more):
        executed.append(text)

    sa.event.listen(store.engine, "before_cursor_execute", note)
    try:
        answer = store.read(view)
    finally:
        sa.event.remove(store.engine, "before_cursor_execute", note)
    return len(executed), answer


def test_the_number_of_statements_does_not_grow_with_what_exists(timed):
    fill(timed, 3)
    few = {name: statements(timed, view)[0] for name, view in VIEWS.items()}
    fill(timed, 30)
    many = {name: statements(timed, view)[0] for name, view in VIEWS.items()}
    assert few == many
    assert many["desired"] <= 8
    assert many["/deployments"] <= 9


@pytest.fixture
def two(timed):
    fill(timed, 2)
    return timed


def test_what_needs_a_person_is_the_same_for_each(two):
    kinds = [(need.kind, need.id) for need in two.read(needs.needs_of) if need.kind != "process"]
    expected = [
        (kind, f"{name}{mark}")
        for kind, mark in (
            ("revision", "#1"), ("alert", "!1"), ("approval", ""), ("rollout", "#2"), ("turn", "~5"),
            ("pipeline_run", ""), ("webhook", ""),
        )
        for name in ("m00", "m01")
    ]  # fmt: skip
    assert kinds == expected


def test_a_list_has_the_newest_version_that_is_not_deleted_and_each_detail_is_of_its_own(two):
    assert [(row.model.name, row.latest.number) for row in two.read(model_routes.summaries)] == [("m00", 2), ("m01", 2)]
    (first, second) = two.read(deployment_routes.details)
    assert [row.number for row in first.revisions] == [1, 2, 3]
    assert {row.deployment for row in second.revisions} == {"m01"}
    assert (second.rollout.number, [row.number for row in second.rollouts]) == (2, [2, 1])
    loop = two.read(loop_routes.details)[1]
    assert [row.number for row in loop.turns] == [5, 4, 3, 2, 1]
    assert (loop.request.id, len(loop.triggers), len(loop.alerts)) == ("m01", 1, 1)
    assert two.read(loop_routes.details) == [
        two.read(lambda tx, n=n: loop_routes.details(tx, n))[0] for n in ("m00", "m01")
    ]
    monitor = two.read(lambda tx: loop_routes.monitor_details(tx, "m01", max_windows=3))[0]
    assert (len(monitor.windows), monitor.alert.id) == (1, "m01!1")


def test_desired_orders_what_serves_what_served_and_the_candidate(two):
    desired = two.read(deployments.desired)
    assert [(order.deployment, order.revision) for order in desired.orders] == [
        ("m00", 1), ("m00", 2), ("m01", 1), ("m01", 2)
    ]  # fmt: skip
    assert [route.deployment for route in desired.routes] == ["m00", "m01"]

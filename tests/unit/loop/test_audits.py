"""Write, audit, publish: `main` of a dataset with a contract moves only to versions that passed it."""

import msgspec
import pytest

import helicline as hl
from helicline import tracking  # noqa: F401  (its tables belong to the schema)
from helicline.data import contracts, versions
from helicline.errors import Invalid, NotFound, Refused
from helicline.loop import audits, task_specs
from helicline.loop.overview.needs import needs_of
from helicline.pipeline import attempts
from helicline.records.contract import CheckResult
from helicline.records.dataset import Commit, FileEntry
from helicline.records.pipeline import Completion
from helicline.store import nouns
from helicline.store.noun import Stale
from helicline.store.rows import event

PASS, FAIL = (
    CheckResult(check="rows", outcome="pass"),
    CheckResult(check="nulls id", outcome="fail", detail="3 rows missing"),
)
ERROR = CheckResult(check="sql x", outcome="error", detail="it cannot run")


@pytest.fixture
def data(store, blobs):
    return Data(store, blobs)


class Data:
    """A dataset with a contract, and the worker that checks its versions."""

    def __init__(self, store, blobs):
        self.store, self.blobs = store, blobs
        self.set(hl.contract("rows", rows=(1, None)))

    def set(self, spec):
        return self.store.write(lambda tx: contracts.set_contract(tx, spec))

    def commit(self, content, **how):
        digest, size = self.blobs.put([content])
        prepared = versions.prepare(self.blobs, [FileEntry("a.txt", size, digest)])
        return self.store.write(lambda tx: audits.commit(tx, "rows", prepared, Commit(**how)))

    def lease(self):
        return task_specs.lease_next(self.store.read, self.store.write, worker="w", lease_s=30)

    def check(self, *results, **how):
        """Do the check that waits, and return what its version is then."""
        task = self.lease()
        done = {"ok": True, "result": {"results": msgspec.to_builtins(results)}} | how
        self.store.write(lambda tx: task_specs.complete(tx, task.attempt, Completion(fence=task.fence, **done)))
        self.hear()
        return self.version(task.check.version)

    def hear(self):
        def unit(tx):
            for recorded in event.after(tx, 0):
                if recorded.noun in audits.NOUNS:
                    audits.hear(tx, recorded)

        self.store.write(unit)

    def version(self, ref):
        return self.store.read(lambda tx: versions.resolve(tx, ref))

    def main(self):
        head = self.store.read(lambda tx: versions.head_of(tx, "rows", "main"))
        return head.id if head else ""

    def events(self, verb):
        return [recorded for recorded in self.store.read(lambda tx: event.after(tx, 0)) if recorded.verb == verb]

    def needs(self):
        return [need for need in self.store.read(needs_of) if need.kind == "data"]

    def point(self, ref, **how):
        override = contracts.Override(**how)
        return self.store.write(lambda tx: contracts.point(tx, "rows", "main", target=ref.id, override=override))


def test_a_commit_is_a_draft_until_its_checks_pass(data):
    draft = data.commit(b"a")
    assert (draft.state, draft.audit.state, data.main()) == ("draft", "waiting", "")
    passed = data.check(PASS)
    assert (passed.state, passed.audit.state, data.main()) == ("published", "passed", draft.id)


@pytest.mark.parametrize(
    ("results", "state"), [([PASS, FAIL], "failed"), ([PASS, ERROR], "error"), ([FAIL, ERROR], "failed"), ([], "error")]
)
def test_a_version_that_does_not_pass_is_quarantined_with_its_checks_and_main_stays(data, results, state):
    data.commit(b"a")
    good = data.check(PASS)
    data.commit(b"b")
    bad = data.check(*results)
    assert (bad.state, bad.audit.state, data.main()) == ("quarantined", state, good.id)
    assert list(bad.audit.results) == results
    (need,) = data.needs()
    assert need.id == bad.ref
    assert need.next_step.command == f"hl data contract check {bad.ref}"
    assert not [moved for moved in data.events("moved") if moved.detail["target"] == bad.id]  # triggers hear nothing


@pytest.mark.parametrize(
    "how",
    [{"ok": False, "error": "no table"}, {"ok": False, "timed_out": True}, {"result": {"results": 5}}, {"result": {}}],
)
def test_a_check_that_could_not_run_is_an_error_of_the_version_and_no_pass(data, how):
    data.commit(b"a")
    bad = data.check(PASS, **how)
    assert (bad.state, bad.audit.state, data.main()) == ("quarantined", "error", "")
    assert bad.audit.why


def test_a_check_that_was_killed_is_tried_again_three_times_in_all(data):
    data.commit(b"a")
    for _ in range(audits.TRIES - 1):
        assert data.check(ok=False, killed=True, error="killed").audit.state == "waiting"
    assert (
        data.check(ok=False, killed=True, error="killed by SIGKILL").audit.why
        == "it could not be checked: killed by SIGKILL"
    )


def test_a_check_whose_worker_fell_silent_is_tried_again(data):
    data.commit(b"a")
    task = data.lease()

    def lose(tx):
        attempt = nouns.ATTEMPTS.get(tx, task.attempt)
        attempts._lose(tx, attempt)

    data.store.write(lose)
    data.hear()
    assert data.check(PASS).state == "published"


def test_a_later_good_version_ends_the_need(data):
    data.commit(b"a")
    data.check(FAIL)
    assert len(data.needs()) == 1
    data.commit(b"b")
    data.check(PASS)
    assert data.needs() == []


def test_main_that_moved_meanwhile_stays_and_the_version_says_so(data):
    first, second = data.commit(b"a"), data.commit(b"b")
    data.check(PASS)
    late = data.check(PASS)
    assert (data.main(), late.state) == (first.id, "draft")
    assert "has moved" in late.audit.why
    assert late.id == second.id
    data.point(late)  # it passed: anybody may publish it
    assert data.main() == late.id


def test_a_commit_on_a_main_that_moved_is_stale(data):
    data.commit(b"a")
    data.check(PASS)
    with pytest.raises(Stale):
        data.commit(b"b", expected="")


def test_another_ref_and_a_dataset_without_a_contract_are_published_at_once(data):
    assert data.commit(b"a", ref="try").state == "published"
    data.store.write(lambda tx: contracts.remove(tx, "rows"))
    assert data.commit(b"b").state == "published"


def test_only_a_person_with_a_reason_publishes_what_did_not_pass_and_that_is_recorded(data):
    data.commit(b"a")
    bad = data.check(FAIL)
    for how, words in (
        ({}, "nulls id"),
        ({"because": "checked by hand"}, "nobody answers"),
        ({"person": "Ann"}, "nulls id"),
    ):
        with pytest.raises(Refused, match=words):
            data.point(bad, **how)
    assert data.main() == ""
    data.point(bad, because="the source is right", person="Ann")
    assert (data.main(), data.version(bad.ref).state, data.needs()) == (bad.id, "published", [])
    (override,) = data.events("overridden")
    assert override.detail | {"why": ""} == {
        "person": "Ann", "because": "the source is right", "failed": ["nulls id"], "why": "",
    }  # fmt: skip


def test_a_version_that_the_contract_has_not_seen_is_not_pointed_to(data):
    other = data.commit(b"a", ref="try")
    with pytest.raises(Refused, match="not checked by the contract"):
        data.point(other)
    data.store.write(lambda tx: audits.check_again(tx, other.ref))
    data.check(PASS)
    assert data.main() == ""  # to check it publishes nothing
    data.point(other)
    assert data.main() == other.id


def test_a_quarantined_version_is_checked_again_by_a_changed_contract_and_published(data):
    data.commit(b"a")
    bad = data.check(FAIL)
    data.set(hl.contract("rows", rows=(0, None)))
    data.store.write(lambda tx: audits.check_again(tx, bad.ref))
    assert (data.check(PASS).state, data.main()) == ("published", bad.id)


def test_what_main_points_to_is_not_quarantined_when_it_is_checked_again(data):
    data.commit(b"a")
    good = data.check(PASS)
    data.store.write(lambda tx: audits.check_again(tx, good.ref))
    again = data.check(FAIL)
    assert (again.state, again.audit.state, data.main()) == ("published", "failed", good.id)


def test_a_contract_counts_its_changes_and_the_same_changes_nothing(data):
    first = data.set(hl.contract("rows", rows=(1, None)))
    assert first.number == 1
    assert data.set(hl.contract("rows", rows=(2, None))).number == 2
    with pytest.raises(Invalid, match="a share from 0 to 1"):
        data.set(hl.contract("rows", nulls={"x": 5}))
    with pytest.raises(Invalid, match="a query"):
        data.set(hl.contract("rows", sql={"x": "DROP TABLE data"}))
    with pytest.raises(NotFound, match="hl data contract infer none"):
        data.store.read(lambda tx: contracts.get(tx, "none"))

"""Audits: a commit to a dataset with a contract is a draft while a worker checks it (note 0041)."""

from __future__ import annotations

import msgspec

from helicline.data import contracts, versions
from helicline.data.versions import PreparedTree
from helicline.pipeline import attempts
from helicline.records.contract import CheckResult, CheckSpec, Contract, DataAudit
from helicline.records.dataset import Commit, DatasetVersion
from helicline.records.event import Event
from helicline.records.pipeline import Attempt
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

CONSUMER = "audits"
NOUNS = ("attempt",)  # of the events that `hear` handles
TIMEOUT_S = 1800.0
TRIES = 3  # of a check whose worker fell silent or was killed


def commit(tx: Tx, name: str, prepared: PreparedTree, detail: Commit) -> DatasetVersion:
    """Commit a version. On `main` of a dataset with a contract it is a draft, and published when its checks pass.

    Raises:
        Stale: the ref points to another version than expected.
    """
    contract = contracts.find(tx, name)
    if contract is None or detail.ref != contracts.GUARDED:
        return versions.commit(tx, name, prepared, detail)
    head = versions.head_of(tx, name, detail.ref)
    version = versions.commit(tx, name, prepared, msgspec.structs.replace(detail, draft=True))
    if head is not None and head.id == version.id:
        return version
    return _begin(tx, version, contract, ref="" if detail.draft else detail.ref, base=head.id if head else "")


def check_again(tx: Tx, spec: str) -> DatasetVersion:
    """Check a version by the contract as it is now; where the last commit of it waited for that, it is published.

    Raises:
        NotFound: the version does not exist, or its dataset has no contract.
    """
    version = versions.resolve(tx, spec)
    contract = contracts.get(tx, version.dataset)
    audit = version.audit
    if audit is not None and audit.state == "waiting" and audit.number == contract.number:
        return version
    return _begin(tx, version, contract, ref=audit.ref if audit else "", base=audit.base if audit else version.parent)


def _begin(
    tx: Tx, version: DatasetVersion, contract: Contract, *, ref: str, base: str, tries: int = 1
) -> DatasetVersion:
    attempt = attempts.create(tx, "check", timeout_s=TIMEOUT_S, subject=version.ref, number=tries)
    audit = DataAudit(state="waiting", number=contract.number, ref=ref, base=base, attempt=attempt.id, tries=tries)
    return contracts.begin(tx, version, contract, audit)


def spec_of(tx: Reader, attempt: Attempt) -> CheckSpec:
    """Return the checks of an attempt, complete for a worker.

    Raises:
        NotFound: the contract was removed meanwhile.
    """
    version = versions.resolve(tx, attempt.subject)
    base = version.audit.base if version.audit else version.parent
    return CheckSpec(
        version=version.ref,
        before=f"{version.dataset}@{base}" if base and base != version.id else "",
        contract=contracts.get(tx, version.dataset).spec,
        now=tx.now,
    )


def hear(tx: Tx, event: Event) -> None:
    """Record the end of a check: what it gave, or why it could not run; lost ones are tried again."""
    if event.verb != "ended":
        return
    attempt = nouns.ATTEMPTS.find(tx, event.id)
    if attempt is None or attempt.task != "check":
        return
    version = versions.resolve(tx, attempt.subject)
    audit = version.audit
    if audit is None or audit.attempt != attempt.id or audit.state != "waiting":
        return
    contract = contracts.find(tx, version.dataset)
    if (attempt.state == "LOST" or attempt.killed) and audit.tries < TRIES and contract is not None:
        _begin(tx, version, contract, ref=audit.ref, base=audit.base, tries=audit.tries + 1)
        return
    results, error = _results(attempt)
    version = contracts.conclude(tx, version, results=results, error=error)
    _wake_turn(tx, version)


def _results(attempt: Attempt) -> tuple[list[CheckResult], str]:
    """Return what a check gave, or why it gave nothing: that is an error of the version, and never a pass."""
    if attempt.state != "SUCCEEDED":
        return [], f"it could not be checked: {attempt.error or attempt.state}"
    try:
        results = msgspec.convert(attempt.result.get("results"), list[CheckResult])
    except msgspec.ValidationError as error:
        return [], f"its report cannot be read: {error}"
    return results, "" if results else "the contract has no check"


def _wake_turn(tx: Tx, version: DatasetVersion) -> None:
    """Have the turn go on that harvested a version."""
    loop, _, number = version.turn.rpartition("~")
    turn = nouns.TURNS.find(tx, loop, int(number)) if number.isdecimal() else None
    if turn is not None and turn.state == "HARVESTING":
        nouns.TURNS.swap(tx, msgspec.structs.replace(turn, wake_at=tx.now))


def quarantined(tx: Reader) -> list[DatasetVersion]:
    """Return the newest quarantined version of each dataset that no later version of `main` has replaced."""
    column = nouns.DATASET_VERSIONS.table.c
    newest = {
        row.dataset: row
        for row in nouns.DATASET_VERSIONS.select(tx, column.state == "quarantined", order=[column.sequence])
    }
    heads = {ref.dataset: ref.target for ref in nouns.DATASET_REFS.select(tx) if ref.name == contracts.GUARDED}
    head_versions = nouns.DATASET_VERSIONS.find_many(tx, [(name, heads[name]) for name in newest if name in heads])
    sequences = {name: head.sequence for (name, _), head in head_versions.items()}
    return [version for name, version in newest.items() if version.sequence > sequences.get(name, 0)]

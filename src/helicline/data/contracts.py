"""Contracts of datasets, and the rule for `main`: write, audit, publish (note 0041).

A dataset with a contract has no version on `main` that did not pass it, unless a named person overrode that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from helicline import bus
from helicline.data import versions
from helicline.errors import Invalid, NotFound, Refused
from helicline.ids import checked_name
from helicline.records.contract import NAMED_CHECKS, CheckResult, Contract, ContractSpec, DataAudit
from helicline.records.dataset import DatasetRef, DatasetVersion
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

GUARDED = "main"
QUERY = re.compile(r"^\s*(select|with|from|values)\b", re.IGNORECASE)


def find(tx: Reader, dataset: str) -> Contract | None:
    return nouns.CONTRACTS.find(tx, dataset)


def get(tx: Reader, dataset: str) -> Contract:
    """Return the contract of a dataset. Raises NotFound, with the next step, where it has none."""
    contract = find(tx, dataset)
    if contract is None:
        raise NotFound("contract", dataset, f"Begin with: hl data contract infer {dataset}")
    return contract


def set_contract(tx: Tx, spec: ContractSpec, *, loop: str = "") -> Contract:
    """Record the contract of a dataset; the same again changes nothing. It holds for commits from now on.

    Raises:
        Invalid: it could not be checked as it is.
    """
    checked_spec(spec)
    versions.create(tx, spec.dataset)
    existing = find(tx, spec.dataset)
    if existing is not None and existing.spec == spec:
        return existing
    contract = Contract(
        dataset=spec.dataset,
        spec=spec,
        number=existing.number + 1 if existing else 1,
        updated_at=tx.now,
        updated_by=tx.actor,
        loop=loop,
        version=existing.version if existing else 1,
    )
    bus.emit(tx, "set", "contract", spec.dataset, number=contract.number, loop=loop)
    return nouns.CONTRACTS.swap(tx, contract) if existing else nouns.CONTRACTS.insert(tx, contract)


def remove(tx: Tx, dataset: str) -> None:
    """Remove the contract of a dataset: its commits are published at once again. Raises NotFound for none."""
    get(tx, dataset)
    nouns.CONTRACTS.delete(tx, dataset)
    bus.emit(tx, "removed", "contract", dataset)


def checked_spec(spec: ContractSpec) -> ContractSpec:
    """Return the contract. Raises Invalid where it could not be checked as it is."""
    checked_name("dataset", spec.dataset)
    names = [column.name for column in spec.columns]
    if len(set(names)) < len(names):
        raise Invalid("columns", ", ".join(names), "each column once")
    if spec.schema == "exact" and not names:
        raise Invalid("schema", "exact", "with columns", "Name the columns, or say schema='inferred'.")
    shares = [("nulls", column.nulls) for column in spec.columns]
    for field, share in shares:
        if share is not None and not 0 <= share <= 1:
            raise Invalid(field, share, "a share from 0 to 1")
    for field, amount in (("rows_change", spec.rows_change), ("drift", spec.drift), *spec.fresh.items()):
        if amount is not None and amount < 0:
            raise Invalid(field, amount, "0 or more")
    for name, query in spec.sql.items():
        if not QUERY.match(query):
            raise Invalid(f"sql {name}", query[:80], "a query that returns the rows which must not be: SELECT ...")
    return spec


def begin(tx: Tx, version: DatasetVersion, contract: Contract, audit: DataAudit) -> DatasetVersion:
    """Record that a version waits for its checks."""
    bus.emit(tx, "checking", "dataset_version", version.ref, contract=contract.number, attempt=audit.attempt)
    return nouns.DATASET_VERSIONS.swap(tx, msgspec.structs.replace(version, audit=audit))


def conclude(
    tx: Tx, version: DatasetVersion, *, results: Sequence[CheckResult] = (), error: str = ""
) -> DatasetVersion:
    """Record what the checks gave: the version is published where it passed, and quarantined where it did not."""
    assert version.audit is not None
    state = "error" if error or any(result.outcome == "error" for result in results) else "passed"
    state = "failed" if any(result.outcome == "fail" for result in results) else state
    audit = msgspec.structs.replace(version.audit, state=state, results=tuple(results), why=error)
    own_state = version.state
    if state == "passed" and own_state == "quarantined":
        own_state = "draft"
    elif state != "passed" and not _is_pointed_to(tx, version):
        own_state = "quarantined"
    version = nouns.DATASET_VERSIONS.swap(tx, msgspec.structs.replace(version, audit=audit, state=own_state))
    failed = [result.check for result in audit.failed]
    bus.emit(tx, "checked", "dataset_version", version.ref, state=state, failed=failed, turn=version.turn)
    return _publish(tx, version, audit) if state == "passed" and audit.ref else version


def _is_pointed_to(tx: Reader, version: DatasetVersion) -> bool:
    return any(ref.target == version.id for ref in versions.refs(tx, version.dataset))


def _publish(tx: Tx, version: DatasetVersion, audit: DataAudit) -> DatasetVersion:
    """Move the ref to a version that passed, unless it has moved since the commit."""
    head = versions.head_of(tx, version.dataset, audit.ref)
    target = head.id if head else ""
    if target == version.id:
        return version
    if target != audit.base:
        why = f"{version.dataset}@{audit.ref} has moved since it was committed"
        bus.emit(tx, "not_published", "dataset_version", version.ref, why=why)
        return nouns.DATASET_VERSIONS.swap(
            tx, msgspec.structs.replace(version, audit=msgspec.structs.replace(audit, why=why))
        )
    versions.point(tx, version.dataset, audit.ref, target=version.id)
    return nouns.DATASET_VERSIONS.get(tx, version.dataset, version.id)


class Override(msgspec.Struct, frozen=True):
    """Why a version is published that did not pass, and who answers for it."""

    because: str = ""
    person: str = ""


NO_OVERRIDE = Override()


def point(
    tx: Tx, name: str, ref: str, *, target: str, expected: str | None = None, override: Override = NO_OVERRIDE
) -> DatasetRef:
    """Move a ref to an existing version; `main` of a dataset with a contract only to one that passed it.

    A named person may override that, with a reason, which is recorded as an event.

    Raises:
        Refused: the version did not pass its checks, and there is no reason, or nobody who gives it.
    """
    version = versions.resolve(tx, f"{name}@{target}")
    if why := why_not(tx, version, ref):
        _override(tx, version, why, override)
    return versions.point(tx, name, ref, target=version.id, expected=expected)


def _override(tx: Tx, version: DatasetVersion, why: str, override: Override) -> None:
    if not override.because.strip():
        raise Refused(f"publish {version.ref}", why, HINT_BECAUSE.format(version.ref))
    if not override.person:
        raise Refused(f"publish {version.ref}", "nobody answers for it", "Say who: --by NAME")
    failed = [result.check for result in version.audit.failed] if version.audit else []
    bus.emit(
        tx, "overridden", "dataset_version", version.ref,
        person=override.person, because=override.because.strip()[:1000], failed=failed, why=why,
    )  # fmt: skip
    if version.state == "quarantined":
        nouns.DATASET_VERSIONS.swap(tx, msgspec.structs.replace(version, state="draft"))


HOW_TO_PUBLISH = "hl data publish {} --by NAME --because REASON"
HINT_BECAUSE = f"Mend the data and commit again; or answer for it: {HOW_TO_PUBLISH}"


def why_not(tx: Reader, version: DatasetVersion, ref: str) -> str:
    """Return why a ref may not move to a version, "" where it may."""
    contract = find(tx, version.dataset)
    audit = version.audit
    if version.state == "quarantined":
        return f"it is quarantined: {why_quarantined(version)}"
    if contract is None or ref != GUARDED:
        return ""
    if audit is None or audit.number != contract.number:
        return f"it was not checked by the contract as it is now: see `hl data contract check {version.ref}`"
    return "" if audit.state == "passed" else f"its checks are {audit.state}"


def why_quarantined(version: DatasetVersion) -> str:
    """Return in one sentence why a version is quarantined."""
    return version.audit.reason(most=NAMED_CHECKS) if version.audit else ""

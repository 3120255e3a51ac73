"""Evaluation datasets and their records."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from helicline import bus
from helicline.clock import epoch_ms
from helicline.errors import Invalid, NotFound
from helicline.records.evaluation import EvaluationDataset, EvaluationRecord
from helicline.records.run import Clause, Sort
from helicline.store.noun import column_value
from helicline.store.nouns import EVALUATION_DATASETS as DATASETS
from helicline.store.nouns import EVALUATION_RECORDS as RECORDS
from helicline.store.rows.experiment import lock_topics
from helicline.store.unit import Reader, Tx
from helicline.tracking import checks, get_experiment, grammar
from helicline.tracking.grammar import LISTED, NULLABLE, NUMERIC, TEXT, Grammar, Kind, attribute
from helicline.tracking.page_token import decode_token, encode_token, paginate
from helicline.tracking.search import checked_page, sort_items

USER_TAG = "mlflow.user"
MAX_RECORDS = 10_000
FIELDS = ("inputs", "outputs", "expectations")
GRAMMAR = Grammar(
    aliases={alias: "tag" for alias in ("tag", "tags")}
    | {alias: "attribute" for alias in ("attribute", "attributes", "attr", "dataset")},
    kinds={
        "tag": Kind(ops=NULLABLE),
        "attribute": Kind(
            ops=TEXT,
            keys=attribute(LISTED, "name")
            | attribute(TEXT, "created_by")
            | attribute(TEXT, "last_updated_by")
            | attribute(NUMERIC, "created_time", is_number=True)
            | attribute(NUMERIC, "last_update_time", is_number=True),
        ),
    },
)


def create_dataset(
    tx: Tx, name: str, *, tags: dict[str, str] | None = None, experiments: Sequence[str] = ()
) -> EvaluationDataset:
    """Return the new dataset, without records. Names need not be unique, as on the stock server."""
    checks.checked_text("name", checks.checked_length("name", 255, name))
    checked_tags = _checked_tags(tags or {})
    user = checked_tags.get(USER_TAG, "")
    dataset = EvaluationDataset(
        id=f"d-{uuid.uuid4().hex}",
        name=name,
        digest=_digest(name, epoch_ms(tx.now)),
        created_at=tx.now,
        updated_at=tx.now,
        tags=checked_tags,
        created_by=user,
        updated_by=user,
        experiments=tuple(dict.fromkeys(experiments)),
    )
    bus.emit(tx, "created", "evaluation_dataset", dataset.id, name=name)
    return DATASETS.insert(tx, dataset)


def _digest(name: str, millis: int) -> str:
    return hashlib.sha256(f"{name}:{millis}".encode()).hexdigest()[:8]


def _checked_tags(tags: dict[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        checks.checked_text("tags.key", checks.checked_length("tags.key", 255, key))
        checks.checked_text("tags.value", checks.checked_length("tags.value", 5000, value))
    return tags


def get_dataset(tx: Reader, dataset_id: str) -> EvaluationDataset:
    dataset = DATASETS.find(tx, dataset_id)
    if dataset is None:
        raise NotFound("evaluation dataset", dataset_id)
    return dataset


def _lock(tx: Tx, dataset_id: str) -> EvaluationDataset:
    lock_topics(tx, f"evaluation_dataset:{dataset_id}")
    return get_dataset(tx, dataset_id)


def delete_dataset(tx: Tx, dataset_id: str) -> None:
    """Delete the dataset with its records; no error where it does not exist."""
    lock_topics(tx, f"evaluation_dataset:{dataset_id}")
    if DATASETS.find(tx, dataset_id) is None:
        return
    for record in RECORDS.select(tx, RECORDS.table.c.dataset == dataset_id):
        RECORDS.delete(tx, dataset_id, record.id)
    DATASETS.delete(tx, dataset_id)
    bus.emit(tx, "deleted", "evaluation_dataset", dataset_id)


def tag_dataset(tx: Tx, dataset_id: str, tags: dict[str, str | None]) -> None:
    """Set the tags; a tag with the value None is deleted."""
    dataset = _lock(tx, dataset_id)
    added = _checked_tags({key: value for key, value in tags.items() if value is not None})
    merged = {key: value for key, value in (dataset.tags | added).items() if key not in tags or tags[key] is not None}
    _swap(tx, dataset, tags=merged, updated_by=added.get(USER_TAG, dataset.updated_by))


def link_experiments(
    tx: Tx, dataset_id: str, *, add: Sequence[str] = (), drop: Sequence[str] = ()
) -> EvaluationDataset:
    """Return the dataset after linking it to the experiments in `add` and unlinking those in `drop`."""
    for experiment_id in add:
        get_experiment(tx, experiment_id)
    dataset = _lock(tx, dataset_id)
    linked = tuple(
        experiment_id for experiment_id in dict.fromkeys((*dataset.experiments, *add)) if experiment_id not in drop
    )
    return _swap(tx, dataset, experiments=linked)


def _swap(tx: Tx, dataset: EvaluationDataset, **fields: Any) -> EvaluationDataset:
    return DATASETS.swap(tx, msgspec.structs.replace(dataset, updated_at=tx.now, **fields))


def search_datasets(
    tx: Reader,
    experiments: Sequence[str] = (),
    *,
    filter: str = "",
    order_by: Sequence[str] = (),
    max_results: int = 1000,
    page_token: str = "",
) -> tuple[list[EvaluationDataset], str]:
    """Return one page of datasets and the token of the next; newest first by default."""
    checked_page("max_results", max_results, 50_000)
    clauses, order = grammar.parse_filter(filter, GRAMMAR), grammar.parse_order(order_by, GRAMMAR)
    experiment_ids = set(experiments)
    table = DATASETS.table.c
    matching = [
        dataset
        for dataset in DATASETS.select(tx, order=(table.created_at.desc(), table.id))
        if (not experiment_ids or experiment_ids & set(dataset.experiments))
        and all(grammar.satisfies(clause, _value(dataset, clause)) for clause in clauses)
    ]
    ordered = sort_items(matching, order, _value)
    return paginate(ordered, limit=max_results, token=page_token, id_of=lambda dataset: dataset.id)


def _value(dataset: EvaluationDataset, term: Clause | Sort) -> Any:
    if term.entity == "tag":
        return dataset.tags.get(term.key)
    if term.key in ("created_time", "last_update_time"):
        return epoch_ms(dataset.created_at if term.key == "created_time" else dataset.updated_at)
    names = {"name": dataset.name, "created_by": dataset.created_by, "last_updated_by": dataset.updated_by}
    return names[term.key]


def upsert_records(tx: Tx, dataset_id: str, records: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Add the records, or merge them into those with equal inputs; return how many were added and how many merged."""
    if len(records) > MAX_RECORDS:
        raise Invalid("records", len(records), f"at most {MAX_RECORDS} in one request")
    dataset = _lock(tx, dataset_id)
    table, inserted, schema = RECORDS.table.c, 0, _copy_schema(dataset.schema)
    user = dataset.updated_by
    for number, record in enumerate(records):
        fields = _checked_record(record, f"records[{number}]")
        user = fields["tags"].get(USER_TAG, user)
        inputs_hash = hashlib.sha256(msgspec.json.encode(fields["inputs"], order="deterministic")).hexdigest()
        before = RECORDS.select(tx, table.dataset == dataset_id, table.inputs_hash == inputs_hash, limit=1)
        if before:
            RECORDS.swap(tx, _merge(before[0], record, fields, tx))
        else:
            RECORDS.insert(tx, _new_record(dataset_id, inputs_hash, fields, tx))
            inserted += 1
        _extend_schema(schema, record)
    changes = {"schema": schema, "record_count": dataset.record_count + inserted, "updated_by": user}
    _swap(tx, dataset, digest=_digest(dataset.name, epoch_ms(tx.now)), **changes)
    return inserted, len(records) - inserted


def _checked_record(record: dict[str, Any], path: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"outputs": record.get("outputs")}
    for name in ("inputs", "expectations", "tags", "source"):
        value = record.get(name) or {}
        if not isinstance(value, dict):
            raise Invalid(f"{path}.{name}", type(value).__name__, "an object")
        fields[name] = value
    for key, value in fields["tags"].items():
        if not isinstance(value, str):
            raise Invalid(f"{path}.tags.{key}", type(value).__name__, "a string")
    return fields


def _new_record(dataset_id: str, inputs_hash: str, fields: dict[str, Any], tx: Tx) -> EvaluationRecord:
    user = fields["tags"].get(USER_TAG, "")
    return EvaluationRecord(
        dataset=dataset_id,
        id=f"dr-{uuid.uuid4().hex}",
        inputs_hash=inputs_hash,
        created_at=tx.now,
        updated_at=tx.now,
        created_by=user,
        updated_by=user,
        **fields,
    )


def _merge(before: EvaluationRecord, record: dict[str, Any], fields: dict[str, Any], tx: Tx) -> EvaluationRecord:
    return msgspec.structs.replace(
        before,
        outputs=fields["outputs"] if "outputs" in record else before.outputs,
        expectations=before.expectations | fields["expectations"],
        tags=before.tags | fields["tags"],
        updated_at=tx.now,
        updated_by=fields["tags"].get(USER_TAG, before.updated_by),
    )


def _copy_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: dict(schema.get(name) or {}) for name in FIELDS} | {"version": "1.0"}


def _extend_schema(schema: dict[str, Any], record: dict[str, Any]) -> None:
    """Add the type of each new field to the schema; the first type stays."""
    for name in FIELDS:
        if isinstance(value := record.get(name), dict):
            for key, inner in value.items():
                schema[name].setdefault(key, _type(inner))


def _type(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array", dict: "object"}
    return "null" if value is None else kinds.get(type(value), "unknown")


def records(
    tx: Reader, dataset_id: str, *, max_results: int = 1000, page_token: str = ""
) -> tuple[list[EvaluationRecord], str]:
    """Return one page of the dataset's records, oldest first, and the token of the next."""
    checked_page("max_results", max_results, 10_000)
    get_dataset(tx, dataset_id)
    after = decode_token(page_token, _Position) if page_token else None
    table = RECORDS.table.c
    where = [table.dataset == dataset_id]
    if after is not None:
        where += [table.created_at >= after.created_at, (table.created_at > after.created_at) | (table.id > after.id)]
    page_records = RECORDS.select(tx, *where, order=(table.created_at, table.id), limit=max_results + 1)
    if len(page_records) <= max_results:
        return page_records, ""
    last = page_records[max_results - 1]
    return page_records[:max_results], encode_token(_Position(column_value(last.created_at), last.id))


class _Position(NamedTuple):
    """A position: the last record of a page, with its time as in the column."""

    created_at: int
    id: str


def delete_records(tx: Tx, dataset_id: str, ids: Sequence[str]) -> int:
    """Delete those of the records that exist; return their number."""
    dataset = _lock(tx, dataset_id)
    record_ids = [record_id for record_id in dict.fromkeys(ids) if RECORDS.find(tx, dataset_id, record_id) is not None]
    for record_id in record_ids:
        RECORDS.delete(tx, dataset_id, record_id)
    if record_ids:
        _swap(tx, dataset, record_count=dataset.record_count - len(record_ids))
    return len(record_ids)

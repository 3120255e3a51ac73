"""`Noun`, the table of a record type: its key and its indexed columns, beside the whole record as JSON.

One declaration gives the table and the functions that read and write it. Times are stored as microseconds since 1970
UTC, which both databases compare alike.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from helicline.errors import Conflict, NotFound
from helicline.store.unit import Reader, Tx

Record = TypeVar("Record", bound=msgspec.Struct)
metadata = sa.MetaData()


class Stale(Conflict):
    """``Stale(noun, id, why)``: another writer changed the row first; read it again and decide again."""

    code = "stale"


def column_value(value: Any) -> Any:
    """Return `value` in the form of its column."""
    return round(value.timestamp() * 1_000_000) if isinstance(value, datetime) else value


def _column_type(annotation: Any) -> sa.types.TypeEngine[Any]:
    arguments = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    base_type = next(part for part in arguments if part is not type(None))
    if base_type is datetime:
        return sa.BigInteger()
    if base_type is bool:
        return sa.Boolean()
    if base_type is int:
        return sa.BigInteger()
    return sa.Text()


class Noun(Generic[Record]):
    """The table of one noun. `key`, `index` and `columns` name the attributes of the record that become columns.

    Each attribute in `index` gets an index of its own, each tuple in `indexes` one over its columns. `columns` were
    added by later revisions of the schema.
    """

    def __init__(
        self,
        name: str,
        kind: type[Record],
        *,
        key: Sequence[str],
        index: Sequence[str] = (),
        columns: Sequence[str] = (),
        indexes: Sequence[tuple[str, ...]] = (),
    ) -> None:
        self.name, self.kind, self.key = name, kind, tuple(key)
        annotations = typing.get_type_hints(kind)
        self._fields = (*key, *index, *columns)
        first_columns = [
            sa.Column(field, _column_type(annotations[field]), primary_key=field in key, autoincrement=False)
            for field in (*key, *index)
        ]
        parts: list[sa.Column[Any] | sa.Index] = [
            *first_columns,
            sa.Column("version", sa.BigInteger, nullable=False),
            sa.Column("doc", sa.Text, nullable=False),
            *(sa.Column(field, _column_type(annotations[field])) for field in columns),
        ]
        parts += [sa.Index(f"ix_{name}_{'_'.join(fields)}", *fields) for fields in (*((f,) for f in index), *indexes)]
        self.table = sa.Table(name, metadata, *parts)
        self._decoder = msgspec.json.Decoder(kind)
        # made once: to build them costs as much as to run them
        at_key = sa.and_(*(self.table.c[field] == sa.bindparam(f"at_{field}") for field in key))
        self._find = sa.select(self.table.c.doc).where(at_key)
        self._finds: dict[int, sa.TextClause] = {}
        self._swap = self.table.update().where(at_key, self.table.c.version == sa.bindparam("expected_version"))

    def _row(self, record: Record) -> dict[str, Any]:
        row = {field: column_value(getattr(record, field)) for field in self._fields}
        return row | {"version": record.version, "doc": msgspec.json.encode(record).decode()}  # type: ignore[attr-defined]

    def _where(self, key: Sequence[Any]) -> sa.ColumnElement[bool]:
        return sa.and_(
            *(self.table.c[field] == column_value(value) for field, value in zip(self.key, key, strict=True))
        )

    def _at(self, key: Sequence[Any]) -> dict[str, Any]:
        return {f"at_{field}": column_value(value) for field, value in zip(self.key, key, strict=True)}

    def label(self, key: Sequence[Any]) -> str:
        return "/".join(str(part) for part in key)

    def find(self, tx: Reader, *key: Any) -> Record | None:
        """Return the record, or None."""
        doc = tx.execute(self._find, self._at(key)).scalar()
        return None if doc is None else self._decoder.decode(doc)

    def get(self, tx: Reader, *key: Any) -> Record:
        """Return the record. Raises NotFound where it does not exist."""
        record = self.find(tx, *key)
        if record is None:
            raise NotFound(self.name.replace("_", " "), self.label(key))
        return record

    def select(
        self,
        tx: Reader,
        *where: sa.ColumnElement[bool],
        order: Sequence[Any] = (),
        limit: int | None = None,
    ) -> list[Record]:
        """Return the matching records, in the order of `order` or else of the key."""
        statement = sa.select(self.table.c.doc).where(*where)
        statement = statement.order_by(*(order or [self.table.c[field] for field in self.key]))
        if limit is not None:
            statement = statement.limit(limit)
        return self.records(tx, statement)

    def records(self, tx: Reader, statement: sa.Select[Any]) -> list[Record]:
        """Return the records of a statement that selects their `doc`; NULL, of an outer join, stands for none."""
        return [self._decoder.decode(doc) for (doc,) in tx.execute(statement) if doc is not None]

    def due(self, tx: Reader, *where: sa.ColumnElement[bool]) -> list[Record]:
        """Return the records whose `wake_at` is not later than now, in its order, which its index has."""
        wake_at = self.table.c.wake_at
        return self.select(tx, wake_at <= column_value(tx.now), *where, order=[wake_at])

    def find_many(self, tx: Reader, keys: Iterable[Sequence[Any]]) -> dict[tuple[Any, ...], Record]:
        """Return the records that exist of these keys, by key, with one statement."""
        rows = [tuple(column_value(part) for part in key) for key in dict.fromkeys(map(tuple, keys))]
        if not rows:
            return {}
        size = 1 << (len(rows) - 1).bit_length()  # few forms of the statement, each of which is compiled once
        padded = [*rows, *[rows[-1]] * (size - len(rows))]
        values = {
            f"{field}_{n}": value for n, row in enumerate(padded) for field, value in zip(self.key, row, strict=True)
        }
        docs = tx.execute(self._find_of(size), values)
        records = (self._decoder.decode(doc) for (doc,) in docs if doc is not None)
        return {tuple(getattr(record, field) for field in self.key): record for record in records}

    def _find_of(self, size: int) -> sa.TextClause:
        """Return the statement that finds so many keys: as text, for `sa.values` would be compiled at each call.

        The outer join has SQLite look for each key by the index.
        """
        if size not in self._finds:
            columns = [self.table.c[field] for field in self.key]
            row = ", ".join(f"CAST(:{column.name}_{{n}} AS {column.type})" for column in columns)
            listed = ", ".join(f"({row.format(n=n)})" for n in range(size))
            names = ", ".join(f'"{field}"' for field in self.key)
            same = " AND ".join(f'own."{field}" = listed."{field}"' for field in self.key)
            self._finds[size] = sa.text(
                f"WITH listed ({names}) AS (VALUES {listed})"
                f' SELECT own.doc FROM listed LEFT JOIN "{self.name}" AS own ON {same}'
            )
        return self._finds[size]

    def newest(
        self, tx: Reader, limit: int, *where: sa.ColumnElement[bool], of: Noun[Any], on: Mapping[str, str], by: str = ""
    ) -> dict[tuple[Any, ...], list[Record]]:
        """Return the newest records that belong to each record of another noun, with one statement.

        The newest are the last by `by`, else by the last part of the key. `on` pairs columns of this noun with those
        of the other, `where` restricts the other; the result is by the values of the paired columns, the newest first.
        """
        own, other, last = self.table.c, of.table.c, by or self.key[-1]
        older = self.table.alias()
        first = (
            sa.select(older.c[last])
            .where(*(older.c[field] == other[name] for field, name in on.items()))
            .order_by(older.c[last].desc())
            .offset(limit - 1)
            .limit(1)
            .correlate(of.table)
            .scalar_subquery()
        )
        belongs = sa.and_(*(own[field] == other[name] for field, name in on.items()))
        statement = (
            sa.select(own.doc)
            # an outer join: it keeps SQLite from reading all of this table, and looking for the other by each row
            .select_from(of.table.outerjoin(self.table, sa.and_(belongs, own[last] >= sa.func.coalesce(first, 0))))
            .where(*where)
            .order_by(own[last].desc())
        )
        groups: dict[tuple[Any, ...], list[Record]] = {}
        for record in self.records(tx, statement):
            groups.setdefault(tuple(getattr(record, field) for field in on), []).append(record)
        return groups

    def count(self, tx: Reader, *where: sa.ColumnElement[bool]) -> int:
        return int(tx.execute(sa.select(sa.func.count()).select_from(self.table).where(*where)).scalar() or 0)

    def insert(self, tx: Tx, record: Record) -> Record:
        """Add the record. Raises Conflict where its key exists."""
        key = [getattr(record, field) for field in self.key]
        if self.find(tx, *key) is not None:
            raise Conflict(self.name.replace("_", " "), self.label(key), "exists already")
        tx.execute(self.table.insert(), self._row(record))
        return record

    def insert_new(self, tx: Tx, records: Iterable[Record]) -> None:
        """Add many records at once, for keys that cannot exist, or were just looked for.

        One that exists all the same is an error of the database. Where another unit of work has just added it, this one
        is done again, and finds it.
        """
        rows = [self._row(record) for record in records]
        if rows:
            tx.execute(self.table.insert(), rows)

    def swap(self, tx: Tx, record: Record) -> Record:
        """Write the record unless it has changed since it was read; return it with its next version.

        Raises:
            Stale: the row's version is no longer `record.version`.
        """
        key = [getattr(record, field) for field in self.key]
        expected: int = record.version  # type: ignore[attr-defined]
        updated = msgspec.structs.replace(record, version=expected + 1)
        values = self._row(updated) | self._at(key) | {"expected_version": expected}
        if tx.execute(self._swap, values).rowcount != 1:
            raise Stale(self.name.replace("_", " "), self.label(key), "was changed by somebody else")
        return updated

    def put(self, tx: Tx, record: Record) -> Record:
        """Write the record without a check of its version: for rows with a single writer."""
        key = [getattr(record, field) for field in self.key]
        tx.execute(self.table.delete().where(self._where(key)))
        tx.execute(self.table.insert(), self._row(record))
        return record

    def delete(self, tx: Tx, *key: Any) -> None:
        tx.execute(self.table.delete().where(self._where(key)))

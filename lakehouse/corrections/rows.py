"""The quarantine's rows: selected by table, day, rule, id or a condition, each with a short id of its own.

Belongs here: reading rows and the decisions about them, without an engine. What is done about them belongs in
``quarantine`` beside this module.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from lakehouse.catalog.ledger_views import QUARANTINED
from lakehouse.catalog.reader import Catalog, rows
from lakehouse.delta.system_tables import DECISIONS, QUARANTINE
from lakehouse.errors import RequestError
from lakehouse.quarantine.decisions import Decision, RecordId

STATUSES = ("open", "replayed", "discarded", "superseded", "all")
_ID = """substr(sha256(concat_ws(chr(31),
    table_name, source_file, source_version, coalesce(source_record::VARCHAR, ''))), 1, 12)"""


@dataclass(frozen=True)
class Selection:
    """Which rows are meant; what is None or empty does not narrow.

    Attributes:
        table: the table that rejected them.
        day: their business date, as a date or in ISO 8601.
        rule: a rule that they broke.
        ids: their ids.
        where: a condition in DuckDB's SQL over the quarantine's columns and ``sources``.
        status: what became of them: one of ``STATUSES``.
        sources: names of received columns that the condition may use.
    """

    table: str | None = None
    day: dt.date | str | None = None
    rule: str | None = None
    ids: Sequence[str] = ()
    where: str | None = None
    status: str = "open"
    sources: Sequence[str] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it."""
        return not any((self.table, self.day, self.rule, self.ids, self.where))


@dataclass(frozen=True)
class QuarantinedRow:
    """A rejected record, with the rules it broke and what became of it.

    Attributes:
        rules: the rules it broke.
        offending_values: the received values of the columns that broke them.
        raw_record: the record as received.
        source_record: its number in the file; None where a file was refused as a whole.
        verdict: what happened to its day: ``published`` or ``held``.
        id: the row's own, short and unchanging.
    """

    table_name: str
    business_date: dt.date
    rules: tuple[str, ...]
    offending_values: Mapping[str, Any]
    raw_record: str | None
    source_file: str
    source_version: str
    source_record: int | None
    landing_date: dt.date | None
    batch_id: int | None
    ingestion_timestamp: dt.datetime | None
    verdict: str
    status: str
    first_seen: dt.datetime | None
    rules_version: str | None
    closed_by: str | None
    closed_why: str | None
    closed_at: dt.datetime | None
    id: str

    @property
    def record_id(self) -> RecordId:
        """The record it is about."""
        return RecordId(self.business_date, self.source_file, self.source_version, self.source_record)

    @property
    def is_unread(self) -> bool:
        """Whether the landing reader could not read the record."""
        return any(rule.startswith("record:") for rule in self.rules)

    @property
    def position(self) -> str:
        """File and record, in words."""
        record = "the file" if self.source_record is None else f"record {self.source_record}"
        return f"{self.source_file} {record}"

    @property
    def received(self) -> dict[str, Any]:
        """The columns of the record as received; none where the reader could not read it."""
        try:
            record = json.loads(self.raw_record or "{}")
        except ValueError:
            return {}
        return record if isinstance(record, dict) else {}


@dataclass(frozen=True, order=True)
class RowCount:
    """How many rows of a day broke a rule."""

    table: str
    business_date: dt.date
    rule: str
    verdict: str
    status: str
    rows: int


def select_rows(catalog: Catalog, selection: Selection) -> list[QuarantinedRow]:
    """Return the selected rows in the order of table, day, file and record.

    Raises:
        RequestError: the lake is empty, an id names no row, or the condition is none.
    """
    order = "ORDER BY table_name, business_date, source_file, source_record NULLS FIRST"
    found = [_row(each) for each in _narrowed(catalog, selection, "*", order)]
    found = _satisfying(found, selection)
    _refuse_missing(found, selection)
    return found


def count_rows(catalog: Catalog, selection: Selection) -> list[RowCount]:
    """Count the selected rows by table, day and rule; a row that broke two rules is counted under both."""
    columns = "table_name, business_date, unnest(rules) AS rule, verdict, status"
    found = _narrowed(catalog, selection, columns, "")
    counts = Counter(tuple(row.values()) for row in found if selection.rule in {None, row["rule"]})
    return sorted(RowCount(*(*key, rows)) for key, rows in counts.items())


def closed_since(catalog: Catalog, time: dt.datetime) -> dict[str, int]:
    """Count the rows that have been closed since a time, by their new status."""
    if QUARANTINE.name not in catalog.names():
        return {}
    sql = f"SELECT status, count(*) AS closed FROM {QUARANTINED} WHERE closed_at >= ? GROUP BY ALL ORDER BY ALL"  # noqa: S608 - a constant
    return {row["status"]: row["closed"] for row in catalog.rows(sql, [time])}


def date_of(day: dt.date | str) -> dt.date:
    """Return a day that is given as a date or in ISO 8601.

    Raises:
        RequestError: it is no date.
    """
    if isinstance(day, dt.date):
        return day
    try:
        return dt.date.fromisoformat(day)
    except ValueError:
        raise RequestError(f"{day} is no date like 2024-01-31") from None


def _row(columns: Mapping[str, Any]) -> QuarantinedRow:
    own = {each.name: columns[each.name] for each in fields(QuarantinedRow)}
    values = json.loads(own["offending_values"] or "{}")
    return QuarantinedRow(**own | {"offending_values": values, "rules": tuple(own["rules"])})


def _narrowed(catalog: Catalog, selection: Selection, columns: str, order: str) -> list[dict[str, Any]]:
    """Return rows that match all of a selection but its condition."""
    if selection.status not in STATUSES:
        raise RequestError(f"there is no status {selection.status}", hint=f"there are {', '.join(STATUSES)}")
    day = None if selection.day is None else date_of(selection.day)
    names = catalog.names()
    if not names:
        raise RequestError(f"there are no tables under {catalog.root} yet", hint="`lakehouse run` makes them")
    if QUARANTINE.name not in names:
        return []
    sql = f"""
        SELECT {columns} FROM (SELECT *, {_ID} AS id FROM {QUARANTINED})
        WHERE ($status = 'all' OR status = $status) AND ($table IS NULL OR table_name = $table)
            AND ($day IS NULL OR business_date = $day::DATE) AND ($rule IS NULL OR list_contains(rules, $rule))
            AND (len($ids) = 0 OR list_contains($ids, id)) {order}
    """  # noqa: S608 - constants
    parameters = {
        "status": selection.status,
        "table": selection.table,
        "day": day,
        "rule": selection.rule,
        "ids": list(selection.ids),
    }
    return rows(catalog.connect(sql), sql, parameters)


def _satisfying(found: list[QuarantinedRow], selection: Selection) -> list[QuarantinedRow]:
    """Return the rows for which a person's condition is true.

    It is evaluated over these rows alone, in a connection that sees neither table nor file.
    """
    import duckdb
    import pyarrow as pa

    if selection.where is None or not found:
        return found
    columns = [each.name for each in fields(QuarantinedRow)]
    received = {name.lower(): name for name in selection.sources if name.lower() not in columns}  # SQL knows no case
    seen = [{**vars(row), "offending_values": json.dumps(row.offending_values)} for row in found]
    for row, values in zip(found, seen, strict=True):
        record = {name.lower(): value for name, value in row.received.items()}
        values |= {name: _as_text(record.get(lower)) for lower, name in received.items()}
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET python_enable_replacements = false")
    table = pa.Table.from_pylist([{"place": place, **row} for place, row in enumerate(seen)])
    for place, name in enumerate(table.schema.names):
        if pa.types.is_null(table.schema.field(name).type):  # a column without any value is text to a condition
            table = table.set_column(place, name, pa.nulls(table.num_rows, pa.string()))
    connection.register("received_rows", table)
    connection.execute("CREATE TABLE quarantined_rows AS SELECT * FROM received_rows")
    connection.unregister("received_rows")
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")
    try:
        condition = duckdb.SQLExpression(selection.where)  # of one expression only, whatever brackets the text has
        places = connection.table("quarantined_rows").filter(condition).project("place").fetchall()
    except duckdb.Error as error:
        raise RequestError(
            f"the condition {selection.where} cannot be evaluated: {str(error).strip().partition(chr(10))[0]}",
            hint=(
                "give one condition, such as \"Quantity = 'six'\"; columns: "
                f"{', '.join([*columns, *received.values()])}"
            ),
        ) from error
    return [found[place] for (place,) in sorted(places)]


def _refuse_missing(found: Sequence[QuarantinedRow], selection: Selection) -> None:
    """Refuse ids that name no row: a typing error must not pass for nothing to do."""
    missing = sorted({*selection.ids} - {row.id for row in found})
    if missing:
        kind = "" if selection.status == "all" else f"{selection.status} "
        raise RequestError(
            f"no {kind}row has the id {', '.join(missing)}", hint="`lakehouse quarantine show` lists the ids"
        )


def _as_text(value: Any) -> str | None:
    """Return a received value as text; an unreadable JSON record may hold any kind of them."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def decisions_on(catalog: Catalog, row: QuarantinedRow) -> list[Decision]:
    """Return every decision about a row and the releases of its day, oldest first."""
    if DECISIONS.name not in catalog.names():
        return []
    sql = """
        FROM system.decisions
        WHERE table_name = ? AND business_date = ? AND (action = 'release' OR (source_file = ? AND source_version = ?
            AND source_record IS NOT DISTINCT FROM ?))
        ORDER BY decided_at
    """
    return [Decision.of(each) for each in catalog.rows(sql, [row.table_name, *row.record_id])]


def bronze_record(catalog: Catalog, bronze: str, row: QuarantinedRow) -> dict[str, Any] | None:
    """Return the record as bronze has it; None where bronze no longer has it."""
    sql = f"""
        SELECT * FROM {bronze} WHERE business_date = ? AND source_file = ? AND source_version = ?
            AND source_record IS NOT DISTINCT FROM ? ORDER BY batch_id DESC LIMIT 1
    """  # noqa: S608 - a table's name
    found = catalog.rows(sql, list(row.record_id))
    return found[0] if found else None

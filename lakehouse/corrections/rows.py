"""Quarantine's rows for people: chosen by table, day, rule, id or a condition, each with a short id of its own.

Belongs here: reading rows and decisions without an engine. What is done about them is for the commands.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse.catalog.ledger_views import QUARANTINED
from lakehouse.catalog.reader import Catalog, qualified, rows
from lakehouse.delta.system_tables import DECISIONS, QUARANTINE
from lakehouse.errors import RequestError
from lakehouse.quarantine.decisions import Place

STATUSES = ("open", "replayed", "discarded", "superseded", "all")
_ID = """substr(sha256(concat_ws(chr(31),
    table_name, source_file, source_version, coalesce(source_record::VARCHAR, ''))), 1, 12)"""


@dataclass(frozen=True)
class Selection:
    """Which rows are meant; what is None or empty does not narrow.

    Attributes:
        where: a condition in DuckDB's SQL over quarantine's columns and ``sources``.
        sources: names of received columns that the condition may use.
    """

    table: str | None = None
    day: str | None = None
    rule: str | None = None
    ids: Sequence[str] = ()
    where: str | None = None
    status: str = "open"
    sources: Sequence[str] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it."""
        return not any((self.table, self.day, self.rule, self.ids, self.where))


def quarantined(lake: Catalog, selection: Selection) -> list[dict[str, Any]]:
    """Return the chosen rows in the order of table, day, file and record, with ``id`` and the values as data.

    Raises:
        RequestError: the lake is empty, an id names no row, or the condition is none.
    """
    found = _asked(lake, selection, "*", "ORDER BY table_name, business_date, source_file, source_record NULLS FIRST")
    for row in found:
        row["offending_values"] = json.loads(row["offending_values"] or "{}")
        row["rules"] = list(row["rules"])
    return _all_found(_satisfying(found, selection), selection)


def counted(lake: Catalog, selection: Selection) -> list[dict[str, Any]]:
    """Count the chosen rows by table, day and rule; a row that broke two rules is counted under both."""
    columns = 'table_name AS "table", business_date, unnest(rules) AS rule, verdict, status'
    found = _asked(lake, selection, columns, "")
    counts = Counter(tuple(row.items()) for row in found if selection.rule in {None, row["rule"]})
    return [{**dict(key), "rows": rows} for key, rows in sorted(counts.items())]


def _asked(lake: Catalog, selection: Selection, columns: str, order: str) -> list[dict[str, Any]]:
    if selection.status not in STATUSES:
        raise RequestError(f"--status {selection.status}: there are {', '.join(STATUSES)}")
    day = None if selection.day is None else day_of(selection.day)
    names = lake.names()
    if not names:
        raise RequestError(f"there are no tables under {lake.root} yet; `lakehouse run` makes them")
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
    return rows(lake.connect(sql), sql, parameters)


def _satisfying(found: list[dict[str, Any]], selection: Selection) -> list[dict[str, Any]]:
    """Return the rows for which a person's condition is true.

    It is evaluated over these rows alone, in a connection that sees neither table nor file.
    """
    import duckdb
    import pyarrow as pa

    if selection.where is None or not found:
        return found
    own = {name.lower() for name in found[0]}
    received = {name.lower(): name for name in selection.sources if name.lower() not in own}  # SQL knows no case
    seen = [{**row, "offending_values": json.dumps(row["offending_values"])} for row in found]
    for row in seen:
        record = {name.lower(): value for name, value in received_values(row).items()}
        row |= {name: _as_text(record.get(lower)) for lower, name in received.items()}
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
        hint = (
            f"give one condition, such as \"Quantity = 'six'\"; columns: {', '.join([*found[0], *received.values()])}"
        )
        raise RequestError(f"--where {selection.where}: {str(error).strip().partition(chr(10))[0]}; {hint}") from error
    return [found[place] for (place,) in sorted(places)]


def _all_found(found: list[dict[str, Any]], selection: Selection) -> list[dict[str, Any]]:
    """Refuse ids that name no row: a typing error must not pass for nothing to do."""
    missing = sorted({*selection.ids} - {row["id"] for row in found})
    if missing:
        kind = "" if selection.status == "all" else f"{selection.status} "
        raise RequestError(f"no {kind}row has the id {', '.join(missing)}; `lakehouse quarantine show` tells the ids")
    return found


def received_values(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a record as received; none where the reader could not read it."""
    try:
        record = json.loads(row["raw_record"] or "{}")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _as_text(value: Any) -> str | None:
    """Return a received value as text; an unreadable JSON record may hold any kind of them."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def is_unread(row: Mapping[str, Any]) -> bool:
    """Whether the landing reader could not read the record."""
    return any(rule.startswith("record:") for rule in row["rules"])


def where_it_stands(row: Mapping[str, Any]) -> str:
    """Return file and record in words."""
    record = "the file" if row["source_record"] is None else f"record {row['source_record']}"
    return f"{row['source_file']} {record}"


def decisions_on(lake: Catalog, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every decision about a row and the releases of its day, oldest first."""
    if DECISIONS.name not in lake.names():
        return []
    sql = """
        SELECT action, corrected, reason, decided_by, decided_at FROM system.decisions
        WHERE table_name = ? AND business_date = ? AND (action = 'release' OR (source_file = ? AND source_version = ?
            AND source_record IS NOT DISTINCT FROM ?))
        ORDER BY decided_at
    """
    place = Place.of(row)
    found = lake.rows(sql, [row["table_name"], *place])
    for decision in found:
        decision["corrected"] = json.loads(decision["corrected"] or "{}")
    return found


def bronze_record(lake: Catalog, bronze: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the record as bronze has it; None where it is not there any more."""
    sql = f"""
        SELECT * FROM {bronze} WHERE business_date = ? AND source_file = ? AND source_version = ?
            AND source_record IS NOT DISTINCT FROM ? ORDER BY batch_id DESC LIMIT 1
    """  # noqa: S608 - a table's name
    found = lake.rows(qualified(sql), list(Place.of(row)))
    return found[0] if found else None


def day_of(text: str) -> dt.date:
    """Read a business date from the command line."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise RequestError(f"--day {text}: give a date like 2024-01-31") from None

"""What the tables say, boiled down to what the scorecard asks of them.

Reading Arrow tables into small lookups belongs here. Whether what they say is right does not: that is
`scorecard.py`. A table that does not exist is an empty one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from examples.shop.answer_key import SOURCES

Tables = Callable[[str], pa.Table]

BRONZE_COLUMNS = (
    "source_file",
    "source_version",
    "source_record",
    "business_date",
    "batch_id",
    "rescued_data",
    "reject_reason",
)
MEASURES = ("lines", "units", "gross_sales", "returns", "net_sales")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    **{f"bronze.{source}": BRONZE_COLUMNS for source in SOURCES},
    "silver.transactions": ("business_date", "kind", "quantity", "amount", "invoice_no", "stock_code"),
    "silver.customers": ("business_date", "customer_id", "updated_at", "phone", "is_deleted"),
    "silver.products": ("business_date", "stock_code", "updated_at", "reorder_level"),
    "silver.inventory": ("business_date", "movement_id", "movement_type", "quantity"),
    "silver.clicks": ("business_date", "event_id", "event_type", "url", "clicked_at"),
    "silver.quarantine": (
        "table_name",
        "business_date",
        "rules",
        "source_file",
        "source_version",
        "source_record",
        "verdict",
        "status",
    ),
    "system.landing_files": ("source_file", "source_version", "batch_id", "outcome"),
    "system.row_ledger": (
        "table_name",
        "business_date",
        "recorded_at",
        "verdict",
        "published",
        "rejected",
        "duplicate",
        "superseded",
    ),
    "gold.daily_sales_summary": ("business_date", *MEASURES),
    "gold.weekly_sales_summary": ("week_start", "days", *MEASURES),
    "gold.monthly_sales_summary": ("month_start", "days", *MEASURES),
}
"""The columns the scorecard reads of each table; a caller may hand over these alone."""

_LINE_KEY = {
    "transactions": "invoice_no",
    "customers": "customer_id",
    "products": "stock_code",
    "inventory": "movement_id",
    "clicks": "event_id",
}
_KIND = {"inventory": "movement_type", "clicks": "event_type"}
_UNITS = {"inventory": "quantity"}
_MARK = "file:superseded"
_NOTHING_NEW = ("unchanged", "refilled")
_STATUS = "status"


@dataclass(frozen=True)
class Quarantined:
    """A quarantined row."""

    table: str
    business_date: date
    rules: tuple[str, ...]
    file: str
    version: str
    record: int | None
    verdict: str


@dataclass(frozen=True)
class BronzeRows:
    """The rows of one file version in one day's partition of bronze."""

    file: str
    version: str
    batch: int
    business_date: date
    good: int
    rejected: int
    rescued: int


def rows_of(tables: Tables, name: str) -> pa.Table:
    """Return the columns of a table that the scorecard reads; none of its rows where it does not exist."""
    columns = list(COLUMNS[name])
    try:
        table = tables(name)
    except LookupError:
        return pa.table({column: pa.nulls(0) for column in columns})
    if _STATUS in columns and _STATUS not in table.column_names:  # a quarantine of before rows had a status
        table = table.append_column(_STATUS, pa.nulls(table.num_rows, pa.string()))
    return table.select(columns)


def quarantine(tables: Tables) -> list[Quarantined]:
    """Return the rows that are in quarantine now."""
    return [
        Quarantined(
            table=row["table_name"],
            business_date=row["business_date"],
            rules=tuple(sorted(row["rules"])),
            file=row["source_file"],
            version=row["source_version"],
            record=row["source_record"],
            verdict=row["verdict"],
        )
        for row in rows_of(tables, "silver.quarantine").to_pylist()
        if row[_STATUS] in {None, "open"}
    ]


def landing_files(tables: Tables) -> dict[str, list[dict[str, Any]]]:
    """Return what became of each file's versions, oldest first."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows_of(tables, "system.landing_files").to_pylist(), key=lambda row: row["batch_id"]):
        if row["outcome"] not in _NOTHING_NEW:
            found[row["source_file"]].append(row)
    return dict(found)


def ledger(tables: Tables) -> dict[tuple[str, date], list[dict[str, Any]]]:
    """Return the ledger's lines for each table and day, oldest first."""
    found: dict[tuple[str, date], list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows_of(tables, "system.row_ledger").to_pylist(), key=lambda row: row["recorded_at"]):
        found[row["table_name"], row["business_date"]].append(row)
    return dict(found)


def bronze(tables: Tables, source: str) -> list[BronzeRows]:
    """Count bronze's rows by file version and day; marks of superseded files are no rows."""
    table = rows_of(tables, f"bronze.{source}")
    if not table.num_rows:
        return []
    reason = table["reject_reason"]
    table = table.filter(pc.invert(pc.fill_null(pc.starts_with(reason, _MARK), fill_value=False)))
    keys = ["source_file", "source_version", "batch_id", "business_date"]
    counted = table.group_by(keys).aggregate([([], "count_all"), ("reject_reason", "count"), ("rescued_data", "count")])
    return [
        BronzeRows(
            file=row["source_file"],
            version=row["source_version"],
            batch=row["batch_id"],
            business_date=row["business_date"],
            good=row["count_all"] - row["reject_reason_count"],
            rejected=row["reject_reason_count"],
            rescued=row["rescued_data_count"],
        )
        for row in counted.to_pylist()
    ]


def rows_by_day(tables: Tables, source: str) -> Counter[date]:
    """Count silver's rows by day."""
    table = rows_of(tables, f"silver.{source}")
    counted = table.group_by("business_date").aggregate([([], "count_all")]).to_pylist() if table.num_rows else []
    return Counter({row["business_date"]: row["count_all"] for row in counted})


def sales_by_day(tables: Tables) -> dict[date, dict[str, dict[str, Any]]]:
    """Sum silver.transactions by day and kind: lines, units, amount."""
    table = rows_of(tables, "silver.transactions")
    found: dict[date, dict[str, dict[str, Any]]] = defaultdict(dict)
    if not table.num_rows:
        return found
    summed = table.group_by(["business_date", "kind"]).aggregate(
        [([], "count_all"), ("quantity", "sum"), ("amount", "sum")]
    )
    for row in summed.to_pylist():
        found[row["business_date"]][row["kind"]] = {
            "lines": row["count_all"],
            "units": row["quantity_sum"],
            "amount": row["amount_sum"],
        }
    return found


def kinds_by_day(tables: Tables, source: str) -> dict[date, tuple[dict[str, int], dict[str, int]]]:
    """Count silver's rows by day and kind, and sum up their units where they have any."""
    table, kind, units = rows_of(tables, f"silver.{source}"), _KIND[source], _UNITS.get(source)
    found: dict[date, tuple[dict[str, int], dict[str, int]]] = defaultdict(lambda: ({}, {}))
    if not table.num_rows:
        return found
    measured: list[Any] = [([], "count_all"), *([(units, "sum")] if units else [])]
    for row in table.group_by(["business_date", kind]).aggregate(measured).to_pylist():
        lines, sums = found[row["business_date"]]
        lines[row[kind]] = row["count_all"]
        sums[row[kind]] = row[f"{units}_sum"] if units else 0
    return found


def summaries(tables: Tables, name: str) -> dict[date, list[dict[str, Any]]]:
    """Return the rows of a summary in gold by the first day they are about; there should be one each."""
    found: dict[date, list[dict[str, Any]]] = defaultdict(list)
    first_day = COLUMNS[name][0]
    for row in rows_of(tables, name).to_pylist():
        found[row.pop(first_day)].append(row)
    return found


def lines(tables: Tables, source: str, wanted: Iterable[Any]) -> dict[Any, list[dict[str, Any]]]:
    """Return the silver rows of some invoices, customers, products, movements or events, by that key."""
    table, key = rows_of(tables, f"silver.{source}"), _LINE_KEY[source]
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    if table.num_rows:
        chosen = table.filter(pc.is_in(table[key], pa.array(sorted(set(wanted)), table.schema.field(key).type)))
        for row in chosen.to_pylist():
            found[row[key]].append({name: _plain(value) for name, value in row.items()})
    return found


def line_key(source: str, line: Mapping[str, Any]) -> Any:
    """Return the invoice, customer, product, movement or event a line of the answer key is about."""
    return line[_LINE_KEY[source]]


def _plain(value: object) -> object:
    """Return a time as the answer key writes it."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value

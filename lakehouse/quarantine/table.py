"""Quarantine: rejected rows, whole, with the rules they broke, the way back to their file, and what became of them.

Belongs here: the quarantine table's layout, how a rejected row becomes a row of it, and how its history goes on when
its day is validated again. A row is ``open`` while it is rejected; then it is

``replayed``    it passes now: it was fixed, or the contract has changed
``discarded``   somebody decided to leave it out
``superseded``  a newer version of its file counts

and open again if it is rejected again.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.contracts.contract import columns_of, custom_rules_of
from lakehouse.contracts.row_outcome import POINTERS, REJECTED, RULES
from lakehouse.delta.system_tables import LEDGER, QUARANTINE
from lakehouse.quarantine.decisions import DISCARD, FIX, ActiveDecisions, RecordId

if TYPE_CHECKING:
    from lakehouse.contracts.contract import Contract
    from lakehouse.engines.base import Engine


OPEN, REPLAYED, DISCARDED, SUPERSEDED = "open", "replayed", "discarded", "superseded"


@dataclass(frozen=True)
class PublicationContext:
    """What a publication knows about some days besides their rejected rows.

    Attributes:
        versions: the current file versions: day, file, source version.
        decisions: the active decisions about those days.
    """

    versions: Collection[tuple[dt.date, str, str]]
    decisions: ActiveDecisions
    rules_version: str | None
    now: dt.datetime


def quarantine_rows(
    table: str, rejected: Sequence[pa.Table], held: Collection[dt.date], contract: type[Contract]
) -> pa.Table:
    """Return quarantine rows for the rejected rows of one write."""
    sources = {column.name: column.source for column in columns_of(contract) if column.source}
    custom = {rule.name: rule.columns for rule in custom_rules_of(contract)}
    rows = [
        _row(table, row, held, sources, custom)
        for part in rejected
        for row in part.select(["business_date", RULES, REJECTED]).to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=QUARANTINE.schema)


def _row(
    table: str,
    row: Mapping[str, Any],
    held: Collection[dt.date],
    sources: Mapping[str, str],
    custom: Mapping[str, tuple[str, ...]],
) -> dict[str, Any]:
    day, rules, rejected = row["business_date"], row[RULES], row[REJECTED]
    return {
        "table_name": table,
        "business_date": day,
        "rules": rules,
        "offending_values": _offending(rules, rejected["raw_record"], sources, custom),
        "raw_record": rejected["raw_record"],
        "verdict": "held" if day in held else "published",
        **{name: rejected[name] for name in POINTERS},
    }


def _offending(
    rules: Sequence[str],
    raw_record: str | None,
    sources: Mapping[str, str],
    custom: Mapping[str, tuple[str, ...]],
) -> str:
    """Return, as JSON, the received values of the columns whose rules were broken, or that a custom rule reads."""
    named = [name for rule in rules for name in custom.get(rule, (rule.split(":")[0],))]
    columns = [name for name in named if name in sources]
    if not columns or raw_record is None:
        return "{}"
    received = json.loads(raw_record)
    return json.dumps({name: received.get(sources[name]) for name in dict.fromkeys(columns)}, ensure_ascii=False)


def with_history(rejected: pa.Table, before: pa.Table, context: PublicationContext) -> pa.Table | None:
    """Return the quarantine's rows of some days: those rejected now, and earlier ones with what became of them.

    None if the quarantine holds exactly these already.

    Args:
        rejected: the rows that are rejected now, as ``quarantine_rows`` returns them.
        before: quarantine's rows of the same table and days; older tables lack the columns of the history.
        context: what else is known.
    """
    if not before.num_rows:
        return _opened(rejected, context) if rejected.num_rows else None
    earlier = {RecordId.of(row): row for row in before.to_pylist()}
    rows = {}
    for row in rejected.to_pylist():
        record_id = RecordId.of(row)
        known = earlier.get(record_id, {})
        first_seen = known.get("first_seen") or known.get("ingestion_timestamp") or context.now
        rows[record_id] = {**row, "status": OPEN, "first_seen": first_seen, "rules_version": context.rules_version}
    rows |= {each: _closed(row, each, context) for each, row in earlier.items() if each not in rows}
    return None if rows == earlier else pa.Table.from_pylist(list(rows.values()), schema=QUARANTINE.schema)


def _opened(rejected: pa.Table, context: PublicationContext) -> pa.Table:
    """Return rows of days that have no history."""
    for name, value in (
        ("status", OPEN),
        ("first_seen", context.now),
        ("rules_version", context.rules_version),
    ):
        column = QUARANTINE.schema.field(name)
        index = rejected.schema.get_field_index(name)
        rejected = rejected.set_column(index, column, pa.repeat(pa.scalar(value, column.type), rejected.num_rows))
    return rejected


def _closed(row: Mapping[str, Any], record_id: RecordId, context: PublicationContext) -> dict[str, Any]:
    """Return a row that is no longer rejected; one that was closed before keeps its reason."""
    status, by, why = _outcome(record_id, context)
    before = row.get("status") or OPEN
    if before == status or (before != OPEN and status == SUPERSEDED):
        return dict(row)
    first_seen = row.get("first_seen") or row["ingestion_timestamp"]
    closed = {"status": status, "closed_by": by, "closed_why": why, "closed_at": context.now}
    return {**row, "first_seen": first_seen, **closed}


def _outcome(record_id: RecordId, context: PublicationContext) -> tuple[str, str, str]:
    """Return the status of a row that is not rejected, by whom, and why."""
    if (record_id.business_date, record_id.source_file, record_id.source_version) not in context.versions:
        return SUPERSEDED, "source", f"a newer version of {record_id.source_file} counts"
    decision = context.decisions.by_record.get(record_id)
    if decision is not None and decision.action in {DISCARD, FIX}:
        return DISCARDED if decision.action == DISCARD else REPLAYED, decision.decided_by, decision.reason
    return REPLAYED, "contract", f"it passes the rules of version {context.rules_version}"


def unaccounted(engine: Engine) -> list[str]:
    """Compare quarantine with the newest audit of each partition; return one sentence for each that differs."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    if engine.version(LEDGER.name) is None:
        return []
    partition = ("table_name", "business_date")
    ledger = engine.read(LEDGER.name)  # before any expression, which needs the engine's session
    newest = F.row_number().over(Window.partitionBy(*partition).orderBy(F.col("recorded_at").desc())) == 1
    audits = ledger.where("rows_in IS NOT NULL").withColumn("newest", newest).where("newest")
    rejected = {tuple(row[n] for n in partition): row["rejected"] for row in engine.collect(audits).to_pylist()}
    held = {}
    if engine.version(QUARANTINE.name) is not None:
        rows = engine.read(QUARANTINE.name)
        if "status" in rows.columns:  # tables of before the status hold open rows only
            rows = rows.where(F.coalesce(F.col("status"), F.lit(OPEN)) == OPEN)
        counted = rows.groupBy(*partition).agg(F.count(F.lit(1)).alias("rows"))
        held = {tuple(row[n] for n in partition): row["rows"] for row in engine.collect(counted).to_pylist()}
    return [
        f"{table} {day}: {held.get((table, day), 0)} open rows in quarantine, {rejected.get((table, day), 0)} rejected"
        for table, day in sorted({*rejected, *held})
        if held.get((table, day), 0) != rejected.get((table, day), 0)
    ]

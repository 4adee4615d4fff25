"""Quarantine: rejected rows, whole, with the rules they broke and the way back to their file.

Belongs here: the quarantine table's layout and how a rejected row becomes a row of it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from quality.judge import POINTERS, REJECTED, RULES
from quality.ledger import LEDGER
from resources.engine import TableLayout

if TYPE_CHECKING:
    from quality.contract import ContractColumn
    from resources.engine import Engine

QUARANTINE = TableLayout(
    name="silver.quarantine",
    schema=pa.schema(
        [
            ("table_name", pa.string()),
            ("business_date", pa.date32()),
            ("rules", pa.list_(pa.string())),
            ("offending_values", pa.string()),
            ("raw_record", pa.string()),
            ("source_file", pa.string()),
            ("source_version", pa.string()),
            ("source_record", pa.int64()),
            ("landing_date", pa.date32()),
            ("batch_id", pa.int64()),
            ("ingestion_timestamp", pa.timestamp("us", tz="UTC")),
            ("verdict", pa.string()),
        ]
    ),
    partition_by=("table_name", "business_date"),
    description="Rows that broke a rule: what was received, the rules, and the file and record they came from.",
)


def quarantined(
    table: str, rejected: Sequence[pa.Table], held: Collection[dt.date], columns: Sequence[ContractColumn]
) -> pa.Table:
    """Return quarantine rows for the rejected rows of one write."""
    sources = {column.name: column.source for column in columns if column.source}
    rows = [
        _row(table, row, held, sources)
        for part in rejected
        for row in part.select(["business_date", RULES, REJECTED]).to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=QUARANTINE.schema)


def _row(table: str, row: Mapping[str, Any], held: Collection[dt.date], sources: Mapping[str, str]) -> dict[str, Any]:
    day, rules, rejected = row["business_date"], row[RULES], row[REJECTED]
    return {
        "table_name": table,
        "business_date": day,
        "rules": rules,
        "offending_values": _offending(rules, rejected["raw_record"], sources),
        "raw_record": rejected["raw_record"],
        "verdict": "held" if day in held else "published",
        **{name: rejected[name] for name in POINTERS},
    }


def _offending(rules: Sequence[str], raw_record: str | None, sources: Mapping[str, str]) -> str:
    """Return, as JSON, the received values of the columns whose rules were broken."""
    columns = [rule.split(":")[0] for rule in rules if rule.split(":")[0] in sources]
    if not columns or raw_record is None:
        return "{}"
    received = json.loads(raw_record)
    return json.dumps({name: received.get(sources[name]) for name in dict.fromkeys(columns)}, ensure_ascii=False)


def unaccounted(engine: Engine) -> list[str]:
    """Compare quarantine with the newest audit of each partition; return one sentence for each that differs."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    if engine.version(LEDGER.name) is None:
        return []
    partition = ("table_name", "business_date")
    newest = F.row_number().over(Window.partitionBy(*partition).orderBy(F.col("recorded_at").desc())) == 1
    audits = engine.read(LEDGER.name).where("rows_in IS NOT NULL").withColumn("newest", newest).where("newest")
    rejected = {tuple(row[n] for n in partition): row["rejected"] for row in engine.collect(audits).to_pylist()}
    held = {}
    if engine.version(QUARANTINE.name) is not None:
        counted = engine.read(QUARANTINE.name).groupBy(*partition).agg(F.count(F.lit(1)).alias("rows"))
        held = {tuple(row[n] for n in partition): row["rows"] for row in engine.collect(counted).to_pylist()}
    return [
        f"{table} {day}: {held.get((table, day), 0)} rows in quarantine, {rejected.get((table, day), 0)} rejected"
        for table, day in sorted({*rejected, *held})
        if held.get((table, day), 0) != rejected.get((table, day), 0)
    ]

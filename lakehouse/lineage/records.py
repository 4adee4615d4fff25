"""The records behind rows of silver, and those of the same days that do not count, each with the reason.

Belongs here: bronze, quarantine's reasons and people's decisions about single records. The rows of other tables belong
in ``trace``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.ledger_views import LedgerEntries
from lakehouse.contracts.casting import named
from lakehouse.contracts.contract import columns_of
from lakehouse.contracts.row_outcome import DUPLICATE, OUTCOME, POINTERS, PUBLISHED, REFUSED, RULES, SUPERSEDED_MARK
from lakehouse.lineage.row_trace import RecordTrace, partitions_of
from lakehouse.publication.current_rows import current_rows
from lakehouse.quarantine.decisions import DISCARD, FIX, RecordId, active_decisions
from lakehouse.reconciliation.recompute import Recomputation, key_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from lakehouse.quarantine.decisions import ActiveDecisions
    from lakehouse.tables.declarations import ContractTable

RECORD = ("business_date", "source_file", "batch_id", "source_record")
"""What names a record in bronze."""
_RECEIVED = "received"


@dataclass(frozen=True)
class RecordFinder:
    """Finds records of one lake.

    Attributes:
        entries: what the row ledger says now: of a held day, the rows that were published before count.
    """

    recomputation: Recomputation
    entries: LedgerEntries

    def behind(self, table: ContractTable, rows: pa.Table) -> RecordTrace:
        """Return the records behind rows of a silver table, and those beside them that do not count."""
        from pyspark.sql import functions as F  # noqa: N812

        engine, days, key = self.recomputation.engine, partitions_of(table, rows), key_of(table)
        bronze = self.bronze(table, days)
        validated = self.recomputation.validated(table, days, bronze, POINTERS)
        outcome = [*key, OUTCOME, RULES, *POINTERS]
        of_rows = engine.collect(
            self.recomputation.semi_joined(validated.select(*dict.fromkeys(outcome)), rows, key).where(
                F.col(OUTCOME) != REFUSED
            )
        )
        published = of_rows.filter(_equals(of_rows, OUTCOME, PUBLISHED))
        kept = {tuple(row[name] for name in key): row for row in published.select([*key, *POINTERS[:3]]).to_pylist()}
        (name,) = table.inputs.values()
        sources = tuple(dict.fromkeys(column.source for column in columns_of(table.terms.contract) if column.source))
        copies = of_rows.filter(_equals(of_rows, OUTCOME, DUPLICATE))
        received = {RecordId.of(row): row[_RECEIVED] for row in self._received(bronze, sources, copies, RECORD)}
        beside = [
            _beside(
                row, f"duplicate of {_place(kept.get(tuple(row[name] for name in key)))}", received[RecordId.of(row)]
            )
            for row in copies.to_pylist()
        ]
        rejected = validated.where(F.col(OUTCOME) == REFUSED).select("business_date", RULES, "_rejected.*")
        beside += [
            _beside(row, f"rejected: {', '.join(row[RULES])}", row["raw_record"])
            for row in engine.collect(rejected).to_pylist()
        ]
        decided = active_decisions(engine, table.full_name, days)
        beside += self._superseded(bronze, sources, days)
        beside += [_decided(place, decided, "discarded") for place in _places(decided, DISCARD)]
        behind = self.recomputation.matching(bronze, published, RECORD)
        there = {RecordId.of(row) for row in behind.select(list(RecordId._fields)).to_pylist()}
        fixed = [_decided(place, decided, "fixed") for place in _places(decided, FIX) if place in there]
        order = [(column, "ascending") for column in ("source_file", "batch_id", "source_record")]
        beside.sort(key=lambda row: (row["why"], row["source_file"], row["source_record"] or 0))
        return RecordTrace(name, sources, behind.sort_by(order), beside, fixed)

    def _received(
        self, bronze: DataFrame, sources: Sequence[str], places: pa.Table, by: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return bronze's records at some places, each as it was received, in one text."""
        from pyspark.sql import functions as F  # noqa: N812

        if not places.num_rows:
            return []
        record = F.to_json(F.struct(*[named(name).cast("string").alias(name) for name in sources]))
        sent = F.coalesce(F.col("raw_record"), F.col("reject_reason"), record).alias(_RECEIVED)
        rows = bronze.select("business_date", *POINTERS, sent)
        return list(self.recomputation.engine.collect(self.recomputation.semi_joined(rows, places, by)).to_pylist())

    def bronze(self, table: ContractTable, days: Sequence[dt.date]) -> DataFrame:
        """Return the bronze rows that days were published from: of held days, those that were there then."""
        from pyspark.sql import functions as F  # noqa: N812

        (bronze,) = (self.recomputation.inputs(table, days) or {}).values()
        for day in days:
            entry = self.entries.get(table.full_name, {}).get(day)
            if entry is not None and entry.held and entry.published_at is not None:
                later = (F.col("business_date") == F.lit(day)) & (
                    F.col("ingestion_timestamp") > F.lit(entry.published_at)
                )
                bronze = bronze.where(~later)
        return bronze

    def _superseded(self, bronze: DataFrame, sources: Sequence[str], days: Sequence[dt.date]) -> list[dict[str, Any]]:
        """Return the rows of file versions that do not count any more."""
        from pyspark.sql import functions as F  # noqa: N812

        engine, version = self.recomputation.engine, ["business_date", "source_file", "batch_id"]
        counting = current_rows(engine, bronze, days).versions
        versions = engine.collect(bronze.select(*version).distinct())
        stale = [row for row in versions.to_pylist() if tuple(row.values()) not in counting]
        if not stale:
            return []
        newest = {(day, file): batch for day, file, batch in sorted(counting)}
        mark = F.coalesce(F.col("reject_reason"), F.lit("")).startswith(SUPERSEDED_MARK)
        found = self._received(bronze.where(~mark), sources, _table(stale, versions.schema), version)
        return [
            _beside(row, _superseded_by(newest.get((row["business_date"], row["source_file"]))), row[_RECEIVED])
            for row in found
        ]


def _equals(rows: pa.Table, column: str, value: int) -> Any:
    import pyarrow.compute as pc

    return pc.equal(rows.column(column), value)


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=schema)


def _beside(row: Mapping[str, Any], why: str, received: str | None = None) -> dict[str, Any]:
    place = {name: row[name] for name in ("business_date", "source_file", "source_version", "source_record")}
    return {"why": why, **place, "received": received}


def _place(row: Mapping[str, Any] | None) -> str:
    return "another record" if row is None else f"{row['source_file']} record {row['source_record']}"


def _superseded_by(batch: int | None) -> str:
    return (
        "superseded: a newer version of the file has no such day" if batch is None else f"superseded by batch {batch}"
    )


def _places(decided: ActiveDecisions, action: str) -> list[RecordId]:
    return [place for place, decision in decided.by_record.items() if decision.action == action]


def _decided(place: RecordId, decided: ActiveDecisions, what: str) -> dict[str, Any]:
    decision = decided.by_record[place]
    why = f"{what} by {decision.decided_by}: {decision.reason}"
    return {"why": why, **place._asdict(), "received": None, "corrected": dict(decision.corrected)}

"""What the Dagster UI shows of a table: columns, lineage, counts, versions, rejected rows with a sample.

Belongs here: turning contracts, publications and ingestions into Dagster metadata. Decides nothing.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from lakehouse.contracts.contract import columns_of, day_rules_of
from lakehouse.contracts.rule_compiler import check_text, every_rule
from lakehouse.ingestion.bronze_rows import METADATA, bronze_layout
from lakehouse.ingestion.schema_drift import drift_in
from lakehouse.lineage.columns import Lineage
from lakehouse.lineage.plan_walker import LineageError
from lakehouse.tables.declarations import BronzeTable, ContractTable, ManagedTable, Table

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.contracts.contract import ContractColumn
    from lakehouse.ingestion.batches import Ingested
    from lakehouse.publication.audit import DayTally
    from lakehouse.publication.publish import Publication

SAMPLE_ROWS = 5


@dataclass(frozen=True)
class Verdict:
    """A check's verdict on a partition, as the UI shows it."""

    passed: bool
    description: str
    metadata: dict[str, Any] = field(default_factory=dict)


def kinds(table: Table) -> set[str]:
    """Return the technologies that make a table."""
    return {"deltalake", "pyspark", "pandera"} if isinstance(table, ContractTable) else {"deltalake"}


def definition_metadata(table: Table, lineage: Lineage) -> dict[str, Any]:
    """Return what is known of a table before it has any rows."""
    reference = dg.LocalFileCodeReference(file_path=table.file, line_number=table.line, label=table.full_name)
    metadata = {
        PARTITION_COLUMN: table.partition_column,
        "dagster/table_name": table.full_name,
        "dagster/storage_kind": "deltalake",
        "dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference]),
        **lineage_metadata(table, lineage),
    }
    if isinstance(table, ContractTable):
        columns = columns_of(table.terms.contract)
        metadata["dagster/column_schema"] = _contract_columns(columns, table.terms.policy.key)
        metadata |= {"rules_version": table.terms.rules_version, "rules": _rules(table)}
    elif isinstance(table, ManagedTable):
        metadata["dagster/column_schema"] = arrow_columns(table.layout.schema)
    elif isinstance(table, BronzeTable):
        metadata["dagster/column_schema"] = arrow_columns(
            bronze_layout(table.source).schema, {name: meaning for name, _, meaning in METADATA}
        )
    return metadata


def _rules(table: ContractTable) -> dg.MetadataValue[Any]:
    """Return every rule of a table, what it does when broken and what must hold."""
    contract = table.terms.contract
    rules = [(rule.name, rule.action, rule.reason) for rule in every_rule(contract, table.terms.policy)]
    rules += [(rule.name, rule.when_broken, rule.reason) for rule in day_rules_of(contract)]
    names = ("rule", "when broken", "what must hold")
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(zip(names, rule, strict=True))) for rule in rules],
        schema=dg.TableSchema([dg.TableColumn(name, "string") for name in names]),
    )


def arrow_columns(schema: pa.Schema, meanings: Mapping[str, str] | None = None) -> dg.TableSchema:
    """Return an Arrow schema as the UI's columns."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(column.name, str(column.type), description=(meanings or {}).get(column.name))
            for column in schema
        ]
    )


def _contract_columns(columns: Sequence[ContractColumn], key: Sequence[str]) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type.simpleString(),
                description=column.meaning,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable,
                    unique=list(key) == [column.name],
                    other=[check_text(name, arguments) for name, arguments in column.checks],
                ),
            )
            for column in columns
        ],
        constraints=dg.TableConstraints(other=[f"unique: {', '.join(key)}"]),
    )


def lineage_metadata(table: Table, lineage: Lineage) -> dict[str, Any]:
    """Return which columns the values of each column are computed from; what decides rows, the command line tells.

    A table that lineage cannot see through is no reason not to load or to run it: its metadata says why.
    """
    try:
        values = lineage.values(table.full_name)
    except LineageError as error:
        return {"column_lineage_unknown": str(error)}
    columns = {
        column: [
            dg.TableColumnDep(asset_key=each.table.split("."), column_name=each.column)
            for each in sorted(made_from)
            if each.table != table.full_name  # the UI would follow a running balance round and round
        ]
        for column, made_from in values.items()
        if made_from
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(columns)} if columns else {}


def ingested_metadata(ingested: Ingested, day: dt.date) -> dict[str, Any]:
    """Return what a bronze run did to one business date."""
    files = [file["source_file"] for file in ingested.files if day in file["business_dates"]]
    metadata: dict[str, Any] = {"dagster/partition_row_count": ingested.rows.get(day, 0)}
    if files:
        metadata["files"] = dg.MetadataValue.json(files[:100])
    drift = {
        file["source_file"]: [each.sentence for each in drift_in(file["drift"])]
        for file in ingested.files
        if file["drift"] and day in (file["landing_date"], *file["business_dates"])
    }
    if drift:
        metadata["drift"] = dg.MetadataValue.json(drift)
    if ingested.version is not None:
        metadata["delta_version"] = ingested.version
    return metadata


def readable(files: Sequence[Mapping[str, Any]]) -> Verdict:
    """Return whether every record of a landing date's files could be read."""
    refused = [file["source_file"] for file in files if file["outcome"] == "refused"]
    rejected = sum(file["rejected_records"] for file in files)
    records = sum(file["records"] for file in files)
    description = f"{len(files)} files, {records} records, {rejected} unreadable, {len(refused)} files refused"
    metadata: dict[str, Any] = {"files": len(files), "records": records, "unreadable_records": rejected}
    if refused:
        metadata["refused_files"] = dg.MetadataValue.json(refused)
    return Verdict(not refused and not rejected, description, metadata)


def published_metadata(publication: Publication, day: dt.date) -> dict[str, Any]:
    """Return what a publication did to one partition; whole numbers are plotted by partition."""
    if day not in publication.tallies:
        return {"dagster/partition_row_count": publication.rows[day]} if day in publication.rows else {}
    tally = publication.tallies[day]
    metadata: dict[str, Any] = {"dagster/partition_row_count": tally.published}
    if publication.version is not None:
        metadata["delta_version"] = publication.version
    if tally.rows_in is not None:
        metadata |= {**ledger_numbers(tally), "warnings": tally.warned.total()}
    return metadata


def ledger_numbers(tally: DayTally) -> dict[str, Any]:
    """Return where the rows of a partition went, as numbers to plot."""
    return {
        "rows_in": tally.rows_in,
        "rows_rejected": tally.rejected,
        "rows_duplicate": tally.duplicate,
        "rows_superseded": tally.superseded,
        "rows_discarded": tally.discarded,
        "rows_late": tally.late,
        "rows_replayed": tally.replayed,
    }


def audited(publication: Publication, day: dt.date) -> Verdict:
    """Return the audit's verdict on one partition, with warnings and rejected rows by rule."""
    if day in publication.unchanged:
        return Verdict(passed=True, description="unchanged: the rows are those that were published before")
    tally, held = publication.tallies[day], publication.held.get(day)
    description = held or f"{tally.published} rows published, {tally.rejected} rejected"
    metadata: dict[str, Any] = {}
    if waived := publication.waived.get(day):
        description = f"released by {waived.by}: {waived.why} (it would be held: {waived.held_for})"
        metadata |= {"released_by": waived.by, "released_why": waived.why, "would_be_held_for": waived.held_for}
    if tally.rows_in is not None:
        metadata |= ledger_numbers(tally)
    if tally.warned:
        metadata |= {"warnings": tally.warned.total(), "warned_by_rule": _by_rule(tally.warned)}
    if tally.findings:
        metadata["findings"] = "\n".join(f"{rule}: {found}" for rule, found in tally.findings.items())
    if not tally.rejected:
        return Verdict(held is None, description, metadata)
    metadata |= {"rejected_rows": tally.rejected, "rejected_by_rule": _by_rule(tally.rules)}
    if sample := _sample(publication, day):
        metadata["rejected_sample"] = dg.MetadataValue.table(
            sample,
            schema=dg.TableSchema([dg.TableColumn(n, "string") for n in ("file", "record", "rules", "received")]),
        )
    return Verdict(held is None, description, metadata)


def _by_rule(counts: Counter[str]) -> dg.MetadataValue[Any]:
    rules = [dg.TableRecord({"rule": rule, "rows": rows}) for rule, rows in counts.most_common()]
    return dg.MetadataValue.table(
        rules, schema=dg.TableSchema([dg.TableColumn("rule", "string"), dg.TableColumn("rows", "int")])
    )


def _sample(publication: Publication, day: dt.date) -> list[dg.TableRecord]:
    import pyarrow.compute as pc

    sample: list[dg.TableRecord] = []
    for part in publication.rejected:
        rows = part.filter(pc.equal(part.column("business_date"), day)).slice(0, SAMPLE_ROWS - len(sample))
        sample += [
            dg.TableRecord(
                {
                    "file": row["source_file"],
                    "record": str(row["source_record"] or ""),
                    "rules": ", ".join(row["rules"]),
                    "received": (row["raw_record"] or "")[:500],
                }
            )
            for row in rows.to_pylist()
        ]
    return sample


PARTITION_COLUMN = "partition_column"
"""The asset metadata that names the date column a table is partitioned by."""

"""The layouts of the library's own tables: file registry, quarantine, row ledger, decisions."""

from __future__ import annotations

import pyarrow as pa

from lakehouse.delta.model import TableLayout

LEDGER = TableLayout(
    name="system.row_ledger",
    schema=pa.schema(
        [
            ("table_name", pa.string()),
            ("business_date", pa.date32()),
            ("run_id", pa.string()),
            ("recorded_at", pa.timestamp("us", tz="UTC")),
            ("verdict", pa.string()),
            ("reason", pa.string()),
            ("rows_in", pa.int64()),
            ("published", pa.int64()),
            ("rejected", pa.int64()),
            ("duplicate", pa.int64()),
            ("superseded", pa.int64()),
            ("rules", pa.string()),
            ("delta_version", pa.int64()),
            ("discarded", pa.int64()),
            ("late", pa.int64()),
            ("replayed", pa.int64()),
            ("warned", pa.string()),
            ("rules_version", pa.string()),
        ]
    ),
    partition_by=("table_name",),
    properties={"delta.appendOnly": "true"},
    description=(
        "One line per audited partition, named by its first day: "
        "rows in = published + rejected + duplicate + superseded + discarded."
    ),
)


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
            ("status", pa.string()),
            ("first_seen", pa.timestamp("us", tz="UTC")),
            ("rules_version", pa.string()),
            ("closed_by", pa.string()),
            ("closed_why", pa.string()),
            ("closed_at", pa.timestamp("us", tz="UTC")),
        ]
    ),
    partition_by=("table_name", "business_date"),
    description=(
        "Rows that broke a rule: what was received, the rules, the file and record they came from, and what became of "
        "them. Rejected now are those whose status is open."
    ),
)


DECISIONS = TableLayout(
    name="system.decisions",
    schema=pa.schema(
        [
            ("decision_id", pa.string()),
            ("action", pa.string()),
            ("table_name", pa.string()),
            ("business_date", pa.date32()),
            ("source_file", pa.string()),
            ("source_version", pa.string()),
            ("source_record", pa.int64()),
            ("batch_id", pa.int64()),
            ("corrected", pa.string()),
            ("reason", pa.string()),
            ("decided_by", pa.string()),
            ("decided_at", pa.timestamp("us", tz="UTC")),
            ("rules_version", pa.string()),
            ("would_publish", pa.int64()),
        ]
    ),
    partition_by=("table_name",),
    properties={"delta.appendOnly": "true"},
    description="What people decided about rejected records and held days, by whom, when and why. It only grows.",
)


FILES = TableLayout(
    name="system.landing_files",
    schema=pa.schema(
        [
            ("data_source", pa.string()),
            ("source_file", pa.string()),
            ("source_version", pa.string()),
            ("etag", pa.string()),
            ("size_bytes", pa.int64()),
            ("landing_date", pa.date32()),
            ("batch_id", pa.int64()),
            ("outcome", pa.string()),
            ("copy_of", pa.string()),
            ("records", pa.int64()),
            ("rejected_records", pa.int64()),
            ("business_dates", pa.list_(pa.date32())),
            ("ingested_at", pa.timestamp("us", tz="UTC")),
            ("drift", pa.string()),
        ]
    ),
    partition_by=("data_source",),
    properties={"delta.appendOnly": "true"},
    description="Every file version that was ever taken from the landing zone, and what became of it.",
)

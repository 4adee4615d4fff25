"""The row ledger and quarantine in SQL: how their rows are read, and what several readers ask of them.

Belongs here: questions to ``system.row_ledger``, and what lakes of before have otherwise in these two tables.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse.catalog.reader import Catalog
from lakehouse.delta.system_tables import LEDGER, QUARANTINE

NEWEST_LINES = f"""
    SELECT * REPLACE (coalesce(discarded, 0) AS discarded)
    FROM (FROM {LEDGER.name} UNION ALL BY NAME SELECT NULL::BIGINT AS discarded WHERE false)
    QUALIFY row_number() OVER (PARTITION BY table_name, business_date ORDER BY recorded_at DESC) = 1
"""  # noqa: S608 - a constant
"""The line that counts of each table and day. Ledgers of before there were decisions lack the column."""

_ENTRIES = f"""
    WITH published AS (
        SELECT table_name, business_date, arg_max(delta_version, recorded_at) AS version,
            max(recorded_at) AS published_at
        FROM {LEDGER.name} WHERE verdict <> 'held' GROUP BY ALL
    )
    SELECT newest.*, version, published_at
    FROM ({NEWEST_LINES}) AS newest LEFT JOIN published USING (table_name, business_date)
"""  # noqa: S608 - a constant

QUARANTINED = f"""(
    SELECT * REPLACE (coalesce(status, 'open') AS status)
    FROM (
        FROM {QUARANTINE.name} UNION ALL BY NAME SELECT
            NULL::VARCHAR AS status, NULL::TIMESTAMPTZ AS first_seen, NULL::VARCHAR AS rules_version,
            NULL::VARCHAR AS closed_by, NULL::VARCHAR AS closed_why, NULL::TIMESTAMPTZ AS closed_at WHERE false
    )
)"""  # noqa: S608 - a constant
"""Quarantine's rows. Tables of before there was a history hold open rows only."""
OPEN_ROWS = f"(FROM {QUARANTINED} WHERE status = 'open')"
"""Quarantine's rows that are rejected now."""


@dataclass(frozen=True)
class HeldDay:
    """A partition that is not published in its newest state; its last good version stays readable."""

    table: str
    business_date: dt.date
    reason: str


@dataclass(frozen=True)
class LedgerEntry:
    """What the row ledger says now of a partition.

    Attributes:
        version: the table's version in which it was last published, and ``published_at`` when; None if never.
        counts: the newest line itself.
    """

    held: bool
    recorded_at: dt.datetime
    version: int | None
    published_at: dt.datetime | None
    counts: Mapping[str, Any]


LedgerEntries = dict[str, dict[dt.date, LedgerEntry]]
"""The newest entries, by table and partition."""


@dataclass(frozen=True)
class Outcome:
    """What became of a table's rows in some runs."""

    table: str
    days: int
    published: int
    rejected: int
    duplicate: int
    superseded: int
    held: int


def held_days(lake: Catalog) -> list[HeldDay]:
    """Return the days that are held now."""
    if LEDGER.name not in lake.names():
        return []
    rows = lake.rows(
        f"""
        SELECT table_name AS table, business_date, reason FROM ({NEWEST_LINES})
        WHERE verdict = 'held' ORDER BY ALL
        """  # noqa: S608 - a constant
    )
    return [HeldDay(**row) for row in rows]


def newest_entries(lake: Catalog) -> LedgerEntries:
    """Return what the row ledger says now of every partition; nothing where there is no ledger."""
    found: LedgerEntries = {}
    if LEDGER.name not in lake.names():
        return found
    for row in lake.rows(_ENTRIES):
        entry = LedgerEntry(row["verdict"] == "held", row["recorded_at"], row["version"], row["published_at"], row)
        found.setdefault(row["table_name"], {})[row["business_date"]] = entry
    return found


def outcomes(lake: Catalog, run_ids: Collection[str]) -> list[Outcome]:
    """Sum up what some runs did to audited tables; of a day audited twice the last verdict counts."""
    if not run_ids or LEDGER.name not in lake.names():
        return []
    rows = lake.rows(
        f"""
        SELECT
            table_name AS table,
            count(*) AS days,
            coalesce(sum(published) FILTER (verdict = 'published'), 0)::BIGINT AS published,
            sum(rejected)::BIGINT AS rejected,
            sum(duplicate)::BIGINT AS duplicate,
            sum(superseded)::BIGINT AS superseded,
            count(*) FILTER (verdict = 'held') AS held
        FROM ({NEWEST_LINES}) WHERE list_contains(?, run_id) GROUP BY ALL ORDER BY ALL
        """,  # noqa: S608 - a constant
        [list(run_ids)],
    )
    return [Outcome(**row) for row in rows]

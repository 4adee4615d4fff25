"""What the row ledger says, for people: which days are held, and what a drain published.

Belongs here: questions to ``system.row_ledger`` that several commands ask.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from lakehouse.catalog.reader import Catalog

LEDGER = "system.row_ledger"

NEWEST_LINES = """
    SELECT * REPLACE (coalesce(discarded, 0) AS discarded)
    FROM (FROM system.row_ledger UNION ALL BY NAME SELECT NULL::BIGINT AS discarded WHERE false)
    QUALIFY row_number() OVER (PARTITION BY table_name, business_date ORDER BY recorded_at DESC) = 1
"""
"""The line that counts of each table and day. Ledgers of before there were decisions lack the column."""

QUARANTINE = "silver.quarantine"
QUARANTINED = """(
    SELECT * REPLACE (coalesce(status, 'open') AS status)
    FROM (
        FROM silver.quarantine UNION ALL BY NAME SELECT
            NULL::VARCHAR AS status, NULL::TIMESTAMPTZ AS first_seen, NULL::VARCHAR AS rules_version,
            NULL::VARCHAR AS closed_by, NULL::VARCHAR AS closed_why, NULL::TIMESTAMPTZ AS closed_at WHERE false
    )
)"""
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
    if LEDGER not in lake.names():
        return []
    rows = lake.rows(
        f"""
        SELECT table_name AS table, business_date, reason FROM ({NEWEST_LINES})
        WHERE verdict = 'held' ORDER BY ALL
        """  # noqa: S608 - a constant
    )
    return [HeldDay(**row) for row in rows]


def outcomes(lake: Catalog, run_ids: Collection[str]) -> list[Outcome]:
    """Sum up what some runs did to audited tables; of a day judged twice the last verdict counts."""
    if not run_ids or LEDGER not in lake.names():
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

"""The partitions that a request means: by name, or all whose result differs under the current code."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lakehouse.catalog.ledger_views import newest_entries
from lakehouse.errors import RequestError
from lakehouse.reconciliation.strict import differing_tallies
from lakehouse.tables.calendars import partition_of
from lakehouse.tables.declarations import ContractTable, ManagedTable

if TYPE_CHECKING:
    from lakehouse.catalog.reader import Catalog
    from lakehouse.reconciliation.recompute import Recomputation
    from lakehouse.tables.declarations import Table


def partition_keys(
    tables: Mapping[str, Table], start_date: dt.date, today: dt.date, days: Iterable[tuple[str, dt.date]]
) -> dict[str, list[str]]:
    """Return partition keys by table; any day of a week or month stands for it.

    Raises:
        RequestError: there is no such table, or its calendar has no such day.
    """
    known = [name for name, table in tables.items() if not isinstance(table, ManagedTable)]
    found: dict[str, list[str]] = {}
    for name, day in days:
        if name not in known:
            raise RequestError(f"there is no table {name}", hint=f"give one of {', '.join(known)}")
        column = tables[name].partition_column
        if not partition_of(column, start_date) <= partition_of(column, day) <= today:
            raise RequestError(f"{name} has no partition for {day}: the calendar goes from {start_date} to today")
        found.setdefault(name, []).append(partition_of(column, day).isoformat())
    return found


def stale_partitions(catalog: Catalog, recomputation: Recomputation) -> dict[str, list[str]]:
    """Return the partitions, by table, whose rows differ from what the current code computes from the same inputs.

    Only rows are compared, never versions of code: a rewritten function with the same result changes nothing, and a
    function whose helper was changed may.
    """
    ledger = newest_entries(catalog)
    found: dict[str, list[str]] = {}
    for table in recomputation.tables.values():
        if not isinstance(table, ContractTable):
            continue
        entries = ledger.get(table.full_name, {})
        actual, expected = recomputation.actual(table), recomputation.expected(table, entries)
        stale = {each for each in {*actual, *entries} if actual.get(each) != expected.digests.get(each)}
        stale |= {day for day, *_ in differing_tallies(expected, entries)}
        if stale:
            found[table.full_name] = [str(each) for each in sorted(stale)]
    return found

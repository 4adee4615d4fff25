"""What must be computed again after a table was changed by hand.

Belongs here: from partitions of one table to partitions of those computed from it. Dagster sees only what its runs do,
so that its automation does not notice a restore.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.catalog.reader import Catalog
from lakehouse.delta.data_files import data_files

if TYPE_CHECKING:
    from lakehouse.delta.model import Partition
    from lakehouse.tables.declarations import Table


@dataclass(frozen=True)
class Rebuild:
    """Partitions of a table, from the first to the last, that must be computed again."""

    table: str
    first: dt.date
    last: dt.date


def rebuilds(catalog: Catalog, tables: Iterable[Table], table: str, partitions: Sequence[Partition]) -> list[Rebuild]:
    """Return what must be materialized again after partitions of a table have changed; the rest follows from that."""
    from lakehouse.tables.calendars import partition_of
    from lakehouse.tables.declarations import ContractTable

    made_from_it = [
        found
        for found in tables
        if isinstance(found, ContractTable) and table in found.inputs.values() and table != found.full_name
    ]
    found = []
    for each in made_from_it:
        days = _days(partitions)
        if partitions and not days:  # a table in one piece may have changed for any day
            days = _days_of(catalog, each.full_name)
        if days:
            first, last = (partition_of(each.partition_column, day) for day in (days[0], days[-1]))
            found.append(Rebuild(each.full_name, first, last))
    return found


def _days(partitions: Iterable[Partition]) -> list[dt.date]:
    return sorted(dt.date.fromisoformat(value) for partition in partitions for _, value in partition if value)


def _days_of(lake: Catalog, table: str) -> list[dt.date]:
    """Return the partitions that a table has."""
    return _days(file.partition for file in data_files(lake.open(table))) if table in lake.names() else []

"""What has to be made anew after a table was changed by hand, and how.

Belongs here: from partitions of one table to partitions of those made from it. Dagster sees only what its runs do, so
that its automation does not notice a restore.
"""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resources.data_files import Partition
    from resources.settings import Settings


@dataclass(frozen=True)
class Rebuild:
    """Partitions of a table, from the first to the last, and the command that materializes them."""

    table: str
    first: dt.date
    last: dt.date
    command: str


def rebuilds(settings: Settings, table: str, partitions: Sequence[Partition]) -> list[Rebuild]:
    """Return what must be materialized again after partitions of a table have changed; the rest follows from that."""
    from lakehouse_assets.definitions import find_tables
    from lakehouse_assets.layers import ContractTable

    days = sorted(dt.date.fromisoformat(value) for partition in partitions for _, value in partition if value)
    if not days:
        return []
    made_from_it = [
        found for found in find_tables() if isinstance(found, ContractTable) and table in found.inputs.values()
    ]
    found = []
    for each in made_from_it:
        first, last = (_first_day(each.partition_column, day) for day in (days[0], days[-1]))
        found.append(Rebuild(each.full_name, first, last, _command(settings, each.full_name, first, last)))
    return found


def _first_day(partition_column: str, day: dt.date) -> dt.date:
    """Return the partition that a day belongs to."""
    from lakehouse_assets.partitions import MONTHLY, WEEKLY

    if partition_column == WEEKLY:
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if partition_column == MONTHLY else day


def _command(settings: Settings, table: str, first: dt.date, last: dt.date) -> str:
    partitions = f"--partition {first}" if first == last else f"--partition-range {first}...{last}"
    home = shlex.quote(str(settings.dagster_home))
    return (
        f"DAGSTER_HOME={home} dagster asset materialize -m lakehouse_assets.definitions "
        f"--select {table.replace('.', '/')} {partitions}"
    )

"""Every table as its Delta log describes it: rows, partitions, version, last commit.

Belongs here: what a status shows of tables. Of all tables only quarantine is read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.ledger_views import OPEN_ROWS, HeldDay
from lakehouse.catalog.reader import Catalog
from lakehouse.delta.system_tables import QUARANTINE

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True)
class TableState:
    """A table now.

    Attributes:
        newest_partition: the newest date it has rows of; None where it has no date partitions.
        partitions: partitions with rows; None likewise.
        held: days whose newest state is not published.
        quarantined: rows that are rejected now.
    """

    name: str
    newest_partition: dt.date | None
    partitions: int | None
    rows: int
    delta_version: int
    last_commit: dt.datetime
    held: int
    quarantined: int


def table_states(lake: Catalog, held: Sequence[HeldDay]) -> list[TableState]:
    """Return the state of every table, layer by layer."""
    names = lake.names()
    quarantined = _quarantined(lake, names)
    return [
        _table_state(name, lake.open(name), sum(day.table == name for day in held), quarantined.get(name, 0))
        for name in names
    ]


def _quarantined(lake: Catalog, names: Sequence[str]) -> dict[str, int]:
    """Count the rows that are rejected now, by table."""
    if QUARANTINE.name not in names:
        return {}
    counted = lake.rows(f'SELECT table_name AS "table", count(*) AS rows FROM {OPEN_ROWS} GROUP BY ALL')  # noqa: S608
    return {count["table"]: count["rows"] for count in counted}


def _files(opened: DeltaTable) -> list[dict[str, Any]]:
    """Return the files of a table: number of records, and the partition's values as ``partition.<column>``."""
    import pyarrow as pa

    files = pa.table(opened.get_add_actions(flatten=True))
    wanted = [name for name in files.column_names if name == "num_records" or name.startswith("partition.")]
    return list(files.select(wanted).to_pylist())


def _table_state(name: str, opened: DeltaTable, held: int, quarantined: int) -> TableState:
    files = _files(opened)
    dates = {value for file in files for value in file.values() if isinstance(value, dt.date)}
    (last,) = opened.history(1)
    return TableState(
        name,
        newest_partition=max(dates, default=None),
        partitions=len(dates) or None,
        rows=sum(file["num_records"] for file in files),
        delta_version=opened.version(),
        last_commit=dt.datetime.fromtimestamp(last["timestamp"] / 1000, tz=dt.UTC),
        held=held,
        quarantined=quarantined,
    )

"""`lakehouse status`: what is in the lake, what is held, and what still lies in the landing zone."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from lakehouse.catalog.landing_state import LandingState, landing_state
from lakehouse.catalog.ledger_views import OPEN_ROWS, QUARANTINE, HeldDay, held_days
from lakehouse.catalog.reader import Catalog
from lakehouse.cli.console import JsonFlag, number, out, print_json, table
from lakehouse.cli.run import print_held
from lakehouse.project import Lakehouse
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

_SHOWN_FILES = 10


@dataclass(frozen=True)
class TableState:
    """A table as its Delta log describes it; of all tables only quarantine is read.

    Attributes:
        newest_partition: the newest date it has rows of; None where it has no date partitions.
        partitions: partitions with rows; None likewise.
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


def status(*, as_json: JsonFlag = False) -> None:
    """Show every table, the held days with their reasons, and the landing files that are not in the lake."""
    opened = Lakehouse.open()
    settings, lake = opened.settings, opened.catalog
    held = held_days(lake)
    quarantined = _quarantined(lake)
    tables = [
        _table_state(name, lake.open(name), sum(day.table == name for day in held), quarantined.get(name, 0))
        for name in lake.names()
    ]
    landing = landing_state(settings, lake, opened.source_names)
    drift = opened.contracts.drift()
    if as_json:
        print_json(
            {
                "root": settings.root,
                "landing_zone": settings.landing,
                "tables": tables,
                "held": held,
                "landing": landing,
                "drift": [column.as_data() for column in drift],
            }
        )
        return
    _print(settings, tables, held, landing)
    for column in drift:
        out().print(f"drift: {column.source}: {escape(column.sentence)} (`lakehouse drift`)", soft_wrap=True)


def _quarantined(lake: Catalog) -> dict[str, int]:
    """Count the rows that are rejected now, by table."""
    if QUARANTINE not in lake.names():
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


def _print(settings: Settings, tables: list[TableState], held: list[HeldDay], landing: LandingState) -> None:
    console = out()
    if tables:
        made = table("table", "#rows", "#parts", "#newest", "#rejected", "#held", "#commit, UTC")
        for each in tables:
            made.add_row(
                each.name,
                number(each.rows),
                number(each.partitions),
                str(each.newest_partition or ""),
                number(each.quarantined or None),
                number(each.held or None),
                f"v{each.delta_version} {each.last_commit:%m-%d %H:%M}",
            )
        console.print(made)
    else:
        console.print(f"There are no tables under {escape(settings.root)} yet.", soft_wrap=True)
    print_held(held)
    console.print(f"landing zone {escape(settings.landing)}: {landing.known:,} files taken in", soft_wrap=True)
    if landing.pending:
        waiting = f"{len(landing.pending):,} files wait for `lakehouse run`: {_some(landing.pending)}"
        console.print(waiting, soft_wrap=True)
    for file in landing.unroutable:
        console.print(f"[yellow]nobody takes {escape(file.key)}:[/] {escape(file.why)}", soft_wrap=True)
    for source in landing.unfinished:
        console.print(
            f"the ingestion of {source} is not finished: it is running, or `lakehouse run` finishes it", soft_wrap=True
        )


def _some(keys: list[str]) -> str:
    shown = ", ".join(escape(key) for key in keys[:_SHOWN_FILES])
    return f"{shown}, …" if len(keys) > _SHOWN_FILES else shown

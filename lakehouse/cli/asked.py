"""What `run` and `plan` are asked to make again: partitions by name, or all that comes out otherwise by now.

Belongs here: reading the two options, and finding the partitions they mean. How partitions are made again is
``draining``'s matter.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.catalog.reader import Lake
from lakehouse.cli.console import CommandError

if TYPE_CHECKING:
    from lakehouse.settings import Settings

Partitions = Annotated[
    list[str] | None,
    typer.Option(metavar="TABLE=DAY", help="Make this partition again, such as silver.transactions=2024-01-31."),
]
Code = Annotated[
    bool,
    typer.Option("--code", help="Make again what comes out otherwise by the functions, contracts and rules of today."),
]


def partitions_asked(settings: Settings, given: Sequence[str]) -> dict[str, list[str]]:
    """Return partition keys by table, as ``TABLE=DAY`` names them; any day of a week or month stands for it.

    Raises:
        CommandError: there is no such table, or it has no such day.
    """
    from lakehouse.orchestration.partitions import Calendars
    from lakehouse.tables.calendars import partition_of
    from lakehouse.tables.declarations import SideTable
    from lakehouse_assets.definitions import find_tables

    tables = {table.full_name: table for table in find_tables() if not isinstance(table, SideTable)}
    found: dict[str, list[str]] = {}
    for each in given:
        name, _, text = each.partition("=")
        if name not in tables:
            raise CommandError(f"--partition {each}: there is no table {name}; give one of {', '.join(tables)}")
        column = tables[name].partition_column
        try:
            key = partition_of(column, dt.date.fromisoformat(text)).isoformat()
        except ValueError:
            raise CommandError(f"--partition {each}: give a day, such as {name}=2024-01-31") from None
        if not Calendars(settings.start_date).of(column).has_partition_key(key):
            raise CommandError(f"--partition {each}: the calendar goes from {settings.start_date} to today")
        found.setdefault(name, []).append(key)
    return found


def changed_by_code(settings: Settings) -> dict[str, list[str]]:
    """Return the partitions, by table, that would come out otherwise than they are, computed from what is there.

    No version of the code is believed, only the rows: a function that was written anew and does the same changes
    nothing, and one whose helper was changed may.
    """
    from lakehouse.reconciliation.recompute import Recomputation
    from lakehouse.reconciliation.strict import newest_lines, tallies_that_differ
    from lakehouse.tables.declarations import ContractTable

    again, lines = Recomputation.of(settings), newest_lines(Lake(settings.root))
    found: dict[str, list[str]] = {}
    for table in again.tables.values():
        if not isinstance(table, ContractTable):
            continue
        judged = lines.get(table.full_name, {})
        there, due = again.there(table), again.due(table, judged)
        off = {each for each in {*there, *judged} if there.get(each) != due.contents.get(each)}
        off |= {day for day, *_ in tallies_that_differ(due, judged)}
        if off:
            found[table.full_name] = [str(each) for each in sorted(off)]
    return found


def as_asked(
    settings: Settings, partitions: Sequence[str] | None, *, code: bool
) -> Mapping[str, Collection[str]] | None:
    """Return the partitions that the options mean; None where neither is given.

    Raises:
        CommandError: both are given, or a partition is not to be had.
    """
    if partitions and code:
        raise CommandError("give --partition or --code; each is a run of its own")
    if code:
        return changed_by_code(settings)
    return partitions_asked(settings, partitions) if partitions else None

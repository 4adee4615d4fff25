"""The partitions that a change reaches, by the graph of tables alone: an answer in seconds, before anything runs.

Belongs here: from landing files and partitions to the partitions made from them. No rows are computed, so that a
partition is listed even if its rows come out the same; ``orchestration.simulation`` finds the exact answer by a run.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from lakehouse.tables.calendars import partition_of, shifted
from lakehouse.tables.declarations import BronzeTable, ContractTable, ManagedTable, Scd2Table
from lakehouse.tables.inputs import affected_partitions

if TYPE_CHECKING:
    from lakehouse.engines.base import Engine
    from lakehouse.tables.declarations import Table


@dataclass(frozen=True)
class AffectedTable:
    """What a change may rewrite of a table.

    Attributes:
        partitions: the partitions it reaches by their dates, sorted.
        with_members_of: dimensions that change, and that the table is or reads, directly or by its inputs: it may
            change in any other partition that holds a member whose history changes. Only a run knows which those are.
    """

    table: str
    partitions: tuple[dt.date, ...]
    with_members_of: tuple[str, ...] = ()


def affected_tables(
    engine: Engine, tables: Mapping[str, Table], changed: Mapping[str, Collection[dt.date]]
) -> list[AffectedTable]:
    """Return what a change of some partitions may rewrite, each table after those that it is made from.

    Args:
        engine: says which partitions there are; no session is started.
        tables: every table, by full name.
        changed: the partitions that change, by table; the tables themselves are part of the answer.
    """
    found: dict[str, AffectedTable] = {}
    for table in in_order(tables.values()):
        name = table.full_name
        days, dimensions = {*changed.get(name, ())}, set[str]()
        if isinstance(table, ContractTable):
            for read in (found[each] for each in table.inputs.values() if each in found and each != name):
                days |= _fed(tables[read.table].partition_column, table.partition_column, read.partitions)
                dimensions.update(read.with_members_of)
            if days and isinstance(table, Scd2Table):
                dimensions.add(name)
            if days:
                days = {*affected_partitions(engine, tables, table, sorted(days))}
        elif isinstance(table, ManagedTable):
            beside = (each for each in found.values() if tables[each.table].layer == table.layer)
            days.update(day for each in beside for day in each.partitions)
        if days or dimensions:
            found[name] = AffectedTable(name, tuple(sorted(days)), tuple(sorted(dimensions)))
    return list(found.values())


def in_order(tables: Iterable[Table]) -> list[Table]:
    """Return tables, each after those that it is made from; a layer's side table after the layer's other tables."""
    by_name = {table.full_name: table for table in tables}
    behind: dict[str, set[str]] = defaultdict(set)
    for name, table in by_name.items():
        if isinstance(table, ContractTable):
            behind[name] = {*table.inputs.values()} - {name}
        elif isinstance(table, ManagedTable):
            behind[name] = {
                other.full_name
                for other in by_name.values()
                if isinstance(other, ContractTable) and other.layer == table.layer
            }
        else:
            behind[name] = set()
    return [by_name[name] for name in TopologicalSorter(behind).static_order() if name in by_name]


def bronze_tables(tables: Mapping[str, Table]) -> dict[str, BronzeTable]:
    """Return the bronze tables by the names of their sources."""
    return {table.source.name: table for table in tables.values() if isinstance(table, BronzeTable)}


def _fed(upstream: str, downstream: str, partitions: Iterable[dt.date]) -> set[dt.date]:
    """Return the partitions of one calendar that partitions of another feed."""
    return {partition_of(downstream, day) for partition in partitions for day in _days(upstream, partition)}


def _days(partition_column: str, partition: dt.date) -> Iterator[dt.date]:
    end = shifted(partition_column, partition, 1)
    while partition < end:
        yield partition
        partition += dt.timedelta(days=1)

"""What a table is made from: the rows of its inputs, and the partitions that a change of them may reach.

Belongs here: a table's ``InputWindow`` turned into partitions and frames, the same for a run, a recomputation and a
plan. Knows no Dagster.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse.contracts.contract import spark_schema
from lakehouse.delta.predicates import Predicate
from lakehouse.tables.calendars import partition_of, partitions_behind, shifted
from lakehouse.tables.declarations import ContractTable, InputWindow, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lakehouse.engines.base import Engine


def reads_of(table: ContractTable, parameter: str) -> InputWindow:
    """Return how a table reads an input; the rows of its own last partition are read by whoever needs them."""
    return table.reads.get(parameter, InputWindow())


def self_input(table: ContractTable) -> str | None:
    """Return the parameter by which a running balance reads what it was before, if the table is one."""
    return next((parameter for parameter, name in table.inputs.items() if name == table.full_name), None)


def is_wide(table: ContractTable) -> bool:
    """Return whether a table is made from more than the partitions that are its own."""
    return bool(table.reads) or self_input(table) is not None


def required(table: ContractTable) -> list[str]:
    """Return the tables whose partition a partition waits for.

    If it needs none, any input will do, and a dimension only if there is nothing else.
    """
    others = _others(table)
    events = [name for parameter, name in others.items() if not reads_of(table, parameter).whole]
    return _needed(table) or events or list(others.values())


def gating_inputs(table: ContractTable) -> list[str]:
    """Return the tables whose partition a partition waits for where no request names it.

    A running balance may change with a dimension on a day that has nothing else, and from that day on.
    """
    if self_input(table) is None or _needed(table):
        return required(table)
    return list(_others(table).values())


def waits_for_all(table: ContractTable, columns: Mapping[str, str]) -> bool:
    """Whether every required partition must be there; of other calendars, or where none is required, one will do."""
    needed = _needed(table)
    return bool(needed) and all(columns[name] == table.partition_column for name in needed)


def affected_partitions(
    engine: Engine, tables: Mapping[str, Table], table: ContractTable, partitions: Sequence[dt.date]
) -> list[dt.date]:
    """Return the partitions that may change when some do: these, and others that exist.

    A table that reads partitions around its own, or what it was before, may change in partitions whose own input is as
    it was.
    """
    before = max((reads.before for reads in table.reads.values()), default=0)
    after = max((reads.after for reads in table.reads.values()), default=0)
    column, is_running = table.partition_column, self_input(table) is not None
    if not (before or after or is_running):
        return sorted(partitions)
    existing = {*engine.dates(table.full_name, column)}
    for name in required(table):
        its = tables[name].partition_column
        existing |= {partition_of(column, day) for day in engine.dates(name, its)}
    if is_running:
        return sorted({*partitions, *(day for day in existing if day >= min(partitions))})
    near = {shifted(column, day, by) for day in partitions for by in range(-after, before + 1)}
    return sorted({*partitions, *(existing & near)})


def compute(table: ContractTable, frames: Mapping[str, DataFrame], partitions: Sequence[dt.date]) -> DataFrame:
    """Return the rows of some partitions, from inputs that may hold more than these are made from."""
    frame = table.transform(**frames)
    return frame.where(Predicate(table.partition_column, tuple(partitions)).column()) if table.reads else frame


def load(
    engine: Engine, tables: Mapping[str, Table], table: ContractTable, partitions: Sequence[dt.date] | None
) -> dict[str, DataFrame]:
    """Return a table's inputs, by parameter, for some of its partitions, or for all.

    For all, a running balance has been nothing before.

    Raises:
        MissingTableError: an input that is required was never written.
    """
    frames = {}
    for parameter, name in table.inputs.items():
        reads = reads_of(table, parameter)
        if name == table.full_name:
            frames[parameter] = _before(engine, table, partitions)
        elif not reads.required and engine.version(name) is None:
            frames[parameter] = empty_frame(engine, tables[name])
        elif reads.whole or partitions is None:
            frames[parameter] = engine.read(name)
        else:
            column = tables[name].partition_column
            frames[parameter] = engine.read(name, Predicate(column, _behind(table, column, reads, partitions)))
    return frames


def sizes(
    engine: Engine, tables: Mapping[str, Table], table: ContractTable, partitions: Sequence[dt.date]
) -> dict[dt.date, int]:
    """Return how many rows of its inputs each partition is about; rows around it and dimensions do not count."""
    found = dict.fromkeys(partitions, 0)
    for parameter, name in _others(table).items():
        if not reads_of(table, parameter).whole:
            its = tables[name].partition_column
            counts = engine.row_counts(name, its)
            for own in partitions:
                found[own] += sum(counts.get(day, 0) for day in partitions_behind(its, table.partition_column, own))
    return found


def _others(table: ContractTable) -> dict[str, str]:
    """Return a table's inputs by parameter, but for itself."""
    return {parameter: name for parameter, name in table.inputs.items() if name != table.full_name}


def _needed(table: ContractTable) -> list[str]:
    return [name for parameter, name in _others(table).items() if reads_of(table, parameter).required]


def _behind(
    table: ContractTable, column: str, reads: InputWindow, partitions: Sequence[dt.date]
) -> tuple[dt.date, ...]:
    found: set[dt.date] = set()
    for own in partitions:
        found.update(partitions_behind(column, table.partition_column, own, before=reads.before, after=reads.after))
    return tuple(sorted(found))


def _before(engine: Engine, table: ContractTable, partitions: Sequence[dt.date] | None) -> DataFrame:
    """Return the rows of the last partition before the first of some."""
    column = table.partition_column
    there = (
        [] if partitions is None else [day for day in engine.dates(table.full_name, column) if day < min(partitions)]
    )
    if not there:
        return empty_frame(engine, table)
    return engine.read(table.full_name, Predicate(column, (there[-1],)))


def empty_frame(engine: Engine, table: Table) -> DataFrame:
    """Return no rows, with a table's columns."""
    if not isinstance(table, ContractTable):
        raise TypeError(f"{table.full_name} has no contract that says what columns it would have")
    return engine.session().createDataFrame([], spark_schema(table.terms.contract))

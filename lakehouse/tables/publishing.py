"""Publishing a table's partitions: each kind of table in its own way, from its inputs as they are now.

Belongs here: which publication a kind of table takes, and in which parts. Auditing and committing belong in
``publication``; which partitions are due, in ``orchestration``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from lakehouse.publication.publish import Publication, publish_derived, publish_received, slices
from lakehouse.publication.scd2 import publish_histories
from lakehouse.tables.declarations import ContractTable, Scd2Table
from lakehouse.tables.inputs import affected_partitions, compute, load, sizes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lakehouse.engines.base import Engine
    from lakehouse.tables.declarations import Table


def publish_table(
    engine: Engine,
    tables: Mapping[str, Table],
    table: ContractTable,
    partitions: Collection[dt.date],
    *,
    unreported: Collection[dt.date] = (),
    inputs: Mapping[str, DataFrame] | None = None,
    run_id: str,
    report: Callable[[str], None] = lambda _: None,
) -> Publication:
    """Publish partitions of a table, and those that change with them.

    Args:
        engine: where the tables are.
        tables: every table, by full name.
        table: the table.
        partitions: those that are due.
        unreported: partitions that an interrupted run has published and not reported; a gold table takes them again.
        inputs: the inputs of exactly these partitions, by parameter, where the caller has loaded them.
        run_id: kept with every commit and ledger line.
        report: told of each part, in a sentence.
    """
    if table.layer == "silver":
        days = sorted(partitions)
        (bronze,) = (inputs or load(engine, tables, table, days)).values()
        return publish_received(engine, table.terms, table.transform, bronze, days, run_id=run_id, report=report)
    due = sorted({*partitions, *unreported})
    if isinstance(table, Scd2Table):
        return publish_histories(engine, table.terms, table.history, table.transform, due, run_id=run_id, report=report)
    result = Publication()
    affected = affected_partitions(engine, tables, table, due)
    parts = [*slices(sizes(engine, tables, table, affected))]
    for part in parts:
        frames = inputs if inputs and [*part] == sorted(partitions) else load(engine, tables, table, part)
        frame = compute(table, frames, part)
        result.extend(publish_derived(engine, table.terms, frame, part, run_id=run_id, report=report))
    return result

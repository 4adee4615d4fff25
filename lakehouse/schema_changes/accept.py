"""Accepting a proposal: the patch of two table files, and what the next run does once it is applied.

Nothing is written: people apply the patch and commit it, and the ingestion moves the rescued values into a column that
it finds declared (``lakehouse.ingestion.batches``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.errors import RequestError
from lakehouse.ingestion.schema_drift import same_column
from lakehouse.schema_changes.findings import rescued_columns
from lakehouse.schema_changes.proposal import source_of
from lakehouse.schema_changes.source_edits import with_bronze_columns, with_silver_columns

if TYPE_CHECKING:
    from lakehouse.catalog.reader import Catalog
    from lakehouse.schema_changes.proposal import Proposal
    from lakehouse.tables.declarations import Table


@dataclass(frozen=True)
class SchemaChange:
    """What accepting columns of a proposal comes to.

    Attributes:
        diff: the patch of the table files, from the project's folder; empty where the columns are declared.
        columns: the columns that bronze does not have yet and whose rescued values the next run moves into them.
        business_dates: the days that it restates.
        rows: rows with such values, in ``files`` files.
    """

    source: str
    diff: str
    columns: Sequence[str]
    business_dates: Sequence[dt.date]
    rows: int
    files: int


def accept(lake: Catalog, tables: Mapping[str, Table], proposal: Proposal) -> SchemaChange:
    """Work out what the columns of a proposal come to; nothing is changed.

    Raises:
        RequestError: the table files are not as the proposal takes them to be.
    """
    source = source_of(tables, proposal.source)
    same, bronze = same_column(source.format), f"bronze.{source.name}"
    edits = [with_bronze_columns(tables[bronze], [each.bronze for each in proposal.columns])]
    typed = [each.silver for each in proposal.columns if each.silver is not None]
    if typed:
        silver = tables.get(proposal.silver_table or "")
        if silver is None:
            raise RequestError(f"the proposal has lines for silver, and its silver_table is {proposal.silver_table}")
        edits.append(with_silver_columns(silver, typed))
    there = lake.open(bronze).schema().to_arrow().names if bronze in lake.names() else []
    new = {same(each.column) for each in proposal.columns} - {same(name) for name in there}
    waiting = {name: found for name, found in rescued_columns(lake, source).items() if same(name) in new}
    return SchemaChange(
        source.name,
        "".join(edit.diff for edit in edits if edit is not None),
        [each.column for each in proposal.columns if same(each.column) in {same(name) for name in waiting}],
        sorted({day for found in waiting.values() for day in found.days}),
        sum(found.rows for found in waiting.values()),
        len({file for found in waiting.values() for file in found.files}),
    )

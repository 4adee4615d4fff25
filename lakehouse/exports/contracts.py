"""The contracts of a lakehouse: listed, described, exported, and extended by columns that came undeclared.

Belongs here: putting together what is declared and what has drifted. A contract in other words is for ``odcs``; what
drifted columns come to, for ``schema_changes``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.errors import RequestError

if TYPE_CHECKING:
    from lakehouse.catalog.reader import Catalog
    from lakehouse.schema_changes.accept import SchemaChange
    from lakehouse.schema_changes.findings import DriftedColumn
    from lakehouse.tables.declarations import ContractTable, Table


class Contracts:
    """What the tables of a lakehouse promise, and what their files bring beyond it."""

    def __init__(self, catalog: Catalog, tables: Callable[[], Mapping[str, Table]]) -> None:
        """Take the lake, and what returns its tables by full name; they are imported when first needed."""
        self._catalog = catalog
        self._tables = tables

    def tables(self) -> dict[str, ContractTable]:
        """Return the tables that have a contract, by full name."""
        from lakehouse.tables.declarations import ContractTable

        return {name: table for name, table in self._tables().items() if isinstance(table, ContractTable)}

    def describe(self, name: str) -> dict[str, Any]:
        """Return a table's contract as data: columns, rules, key, and when a partition is held.

        Raises:
            RequestError: the table has no contract.
        """
        from lakehouse.exports.odcs import describe

        tables = self.tables()
        if name not in tables:
            raise RequestError(f"{name} has no contract", hint=f"these have: {', '.join(tables)}")
        return describe(tables[name])

    def files(self) -> dict[str, str]:
        """Return a page and an ODCS data contract of each table, and the page that leads to them, by file name."""
        import yaml

        from lakehouse.exports.odcs import index, odcs, page

        tables = self.tables()
        files = {"README.md": index(tables.values())}
        for name, table in tables.items():
            files[f"{name}.md"] = page(table)
            files[f"{name}.odcs.yaml"] = yaml.safe_dump(odcs(table), sort_keys=False, allow_unicode=True, width=120)
        return files

    def metrics_page(self, folder: str) -> str:
        """Return the page that defines the metrics of gold; ``folder`` is where it finds the pages of the tables."""
        from lakehouse.exports.odcs import metrics_page

        return metrics_page(self.tables().values(), folder)

    def drift(self, source: str | None = None) -> list[DriftedColumn]:
        """Return how the columns of landing files, of one source or all, differ from those declared."""
        from lakehouse.schema_changes.findings import drift_report

        return [column for column in drift_report(self._catalog, self._tables) if source in {None, column.source}]

    def propose(self, source: str | None = None) -> dict[str, dict[str, Any]]:
        """Return what contracts could say about the columns that came undeclared, by source.

        Raises:
            RequestError: there is no such source.
        """
        from lakehouse.schema_changes.proposal import propose, source_of
        from lakehouse.tables.declarations import BronzeTable

        tables = self._tables()
        names = [table.source.name for table in tables.values() if isinstance(table, BronzeTable)]
        drift = self.drift(None if source is None else source_of(tables, source).name)
        proposals = {
            name: propose(self._catalog, tables, name, [column for column in drift if column.source == name])
            for name in ([source] if source else sorted(names))
        }
        return {name: proposal for name, proposal in proposals.items() if proposal is not None}

    def accept(self, proposal: Path, columns: Sequence[str] = ()) -> SchemaChange:
        """Return the patch of the table files that a proposal's file comes to, of some columns or all.

        Raises:
            RequestError: it is no proposal, has no such column, or does not fit the table files.
        """
        from lakehouse.schema_changes.accept import accept
        from lakehouse.schema_changes.proposal import read_proposal

        return accept(self._catalog, self._tables(), read_proposal(proposal).only(columns))

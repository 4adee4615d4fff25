"""The tables that reject received records, and the received columns that they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakehouse.errors import RequestError

if TYPE_CHECKING:
    from lakehouse.tables.declarations import ContractTable, Table


def rejecting_tables(tables: Mapping[str, Table]) -> dict[str, ContractTable]:
    """Return the tables whose rejected rows go to the quarantine, by name: those of silver."""
    from lakehouse.tables.declarations import ContractTable

    return {
        name: table for name, table in tables.items() if isinstance(table, ContractTable) and table.layer == "silver"
    }


def rejecting_table(tables: Mapping[str, Table], name: str) -> ContractTable:
    """Return one of these tables.

    Raises:
        RequestError: there is none of this name.
    """
    found = rejecting_tables(tables)
    if name not in found:
        raise RequestError(f"there is no table {name} that rejects rows", hint=f"there are {', '.join(found)}")
    return found[name]


def received_columns(table: ContractTable) -> dict[str, str]:
    """Return the received columns of a table, by the contract's columns that are typed from them."""
    from lakehouse.contracts.contract import columns_of

    return {column.name: column.source for column in columns_of(table.terms.contract) if column.source}


def received_column(table: ContractTable, name: str) -> str:
    """Return the received column that a person means: by its own name in any case, or by the contract's.

    Raises:
        RequestError: there is none.
    """
    columns = received_columns(table)
    by_lower = {received.lower(): received for received in columns.values()}
    found = by_lower.get(name.lower()) or columns.get(name)
    if found is None:
        raise RequestError(
            f"{table.full_name} receives no column {name}", hint=f"there are {', '.join(columns.values())}"
        )
    return found


def every_received_column(tables: Mapping[str, Table]) -> list[str]:
    """Return the received columns of all these tables, for conditions."""
    found = (column for table in rejecting_tables(tables).values() for column in received_columns(table).values())
    return list(dict.fromkeys(found))

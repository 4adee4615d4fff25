"""Contracts: a Pandera model per table, and what the rest of the project reads out of it.

Belongs here: the base class, the field helper and the views on a model (columns, types, sources, Arrow schema). How a
contract becomes row rules is ``rules``; the contracts themselves stand in the files of their tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandera.pyspark as pa

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyspark.sql.types import DataType, StructType


class Contract(pa.DataFrameModel):  # type: ignore[misc]  # Pandera is not typed for us
    """The contract of a table: columns, types, rules and descriptions.

    A subclass declares its columns in the order of the table. The subclass's docstring is not shown anywhere; the
    module's is the table's description.
    """

    class Config:
        """A table has the columns of its contract and no others."""

        strict = True


def column(description: str, *, source: str | None = None, nullable: bool = False, **checks: Any) -> Any:
    """Declare a column of a contract.

    Args:
        description: what the column means, with its unit; shown in the UI.
        source: the column of the input table it is typed from (see ``casting.typed``); none if it is derived.
        nullable: whether a row may lack it.
        checks: Pandera's built-in checks, such as ``in_range={"min_value": 0, "max_value": 10}`` or ``isin=[...]``.
    """
    return pa.Field(nullable=nullable, description=description, metadata={"source": source}, **checks)


@dataclass(frozen=True)
class ContractColumn:
    """One column of a contract.

    Attributes:
        checks: Pandera check names and their arguments, in the order declared.
    """

    name: str
    type: DataType
    nullable: bool
    description: str
    source: str | None
    checks: tuple[tuple[str, dict[str, Any]], ...]


def columns_of(contract: type[Contract]) -> tuple[ContractColumn, ...]:
    """Return a contract's columns in the table's order.

    Raises:
        TypeError: the contract has a check that is not one of a column's built-in checks.
    """
    schema = contract.to_schema()
    if schema.checks:
        raise TypeError(f"{contract.__name__}: checks over a whole frame cannot judge a row; give them to the audit")
    columns = []
    for name, declared in schema.columns.items():
        checks = []
        for check in declared.checks:
            if not check.statistics:
                raise TypeError(f"{contract.__name__}.{name}: {check.name!r} is not a built-in check of Pandera")
            checks.append((str(check.name), dict(check.statistics)))
        columns.append(
            ContractColumn(
                name=name,
                type=declared.dtype.type,
                nullable=declared.nullable,
                description=declared.description or "",
                source=(declared.metadata or {}).get("source"),
                checks=tuple(checks),
            )
        )
    return tuple(columns)


def spark_schema(contract: type[Contract]) -> StructType:
    """Return a contract's columns as a Spark schema."""
    from pyspark.sql.types import StructField, StructType

    return StructType([StructField(column.name, column.type) for column in columns_of(contract)])


def arrow_schema(contract: type[Contract]) -> Schema:
    """Return a contract's columns as an Arrow schema: timestamps in microseconds, UTC."""
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(spark_schema(contract), timezone="UTC")

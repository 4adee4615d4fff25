"""From received text to the contract's types, without losing what was received.

Belongs here: the one projection that types a source's columns. It never fails and never drops a row: what cannot be
typed exactly becomes null, and the rule ``<column>:readable`` (see ``rule_compiler``) rejects the row later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

    from lakehouse.contracts.contract import Contract, ContractColumn

RECEIVED = "_received"
"""The struct column in which a typed row keeps its source's columns as received, as text."""
_WIDEST = "decimal(38,19)"
"""Holds every bigint, and as many digits after the point: a difference beyond them is not seen."""


def named(name: str) -> Column:
    """Return the column of a name, whatever it holds: bare, a dot in it would ask for a field of a struct."""
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    return F.col(quoted(name))


def quoted(name: str) -> str:
    """Return a column's name as an engine's SQL takes it for one name."""
    return "`" + name.replace("`", "``") + "`"


def typed(contract: type[Contract]) -> Callable[[DataFrame], DataFrame]:
    """Return a transform that types every column with a ``source``, for ``DataFrame.transform``.

    The source's columns move into the struct ``_received``; other columns stay. Text is trimmed and an empty text is
    null. Numbers are taken only if they fit the type exactly: ``"17850.0"`` is the integer 17850, ``"1.5"`` is not
    one, and ``"0.0005"`` is no decimal of three digits. Times need a whole date; those without a zone are UTC.
    """
    from pyspark.sql import functions as F  # noqa: N812

    from lakehouse.contracts.contract import columns_of  # here, so that decisions are read without Pandera

    def apply(frame: DataFrame) -> DataFrame:
        columns = [column for column in columns_of(contract) if column.source is not None]
        sources = list(dict.fromkeys(column.source for column in columns if column.source))
        types = {field.name: field.dataType for field in frame.schema.fields}
        targets = {column.name.lower() for column in columns}
        kept = [named(name) for name in types if name not in sources and name.lower() not in targets]
        # As text: engines write decimals and times into JSON differently.
        received = F.struct(*[named(name).cast("string").alias(name) for name in sources]).alias(RECEIVED)
        return frame.select(
            *kept, received, *[_cast(named(c.source), types[c.source], c).alias(c.name) for c in columns if c.source]
        )

    return apply


def _cast(value: Column, received: DataType, column: ContractColumn) -> Column:
    from pyspark.sql import functions as F  # noqa: N812
    from pyspark.sql import types as T  # noqa: N812

    if isinstance(received, T.StringType):
        value = F.nullif(F.trim(value), F.lit(""))
        if isinstance(column.type, T.TimestampType):  # the cast would read "2011" as New Year and "08:48" as today
            value = F.when((F.substring(value, 5, 1) == "-") & (F.substring(value, 8, 1) == "-"), value)
    if received == column.type:
        return value
    if isinstance(column.type, T.StringType):
        return value.cast(column.type)
    if isinstance(column.type, T.IntegralType | T.DecimalType):
        exact, fitted = value.try_cast(_WIDEST), value.try_cast(column.type)
        if isinstance(column.type, T.IntegralType):
            fitted = exact.try_cast(column.type)
        return F.when(exact == fitted, fitted)
    return value.try_cast(column.type)

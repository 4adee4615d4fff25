"""What rows come to: hashes by which the rows of a partition are compared, in whatever order and files they lie.

Belongs here: rows as a contract has them, the hash of one and the digest of many. Which rows ought to be there is for
others to say.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from lakehouse.contracts.contract import columns_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyspark.sql import Column, DataFrame

    from lakehouse.contracts.contract import Contract
    from lakehouse.engines.base import Engine

_EXACT = "decimal(38,0)"
"""Holds the sum of as many 64-bit hashes as any table has rows."""


def to_contract(frame: DataFrame, contract: type[Contract], *more: str) -> DataFrame:
    """Return a frame's columns as the contract has them; one that it does not have yet is null."""
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    there = set(frame.columns)
    columns = [
        (F.col(column.name) if column.name in there else F.lit(None)).cast(column.type).alias(column.name)
        for column in columns_of(contract)
    ]
    return frame.select(*columns, *more)


def row_hash(contract: type[Contract], names: Collection[str] | None = None, *, salt: str = "") -> Column:
    """Return the hash of a row's contract columns, or of some of them; another salt gives another one.

    Each stands as text after its length, so that no two rows look alike.
    """
    from pyspark.sql import functions as F  # noqa: N812
    from pyspark.sql import types as T  # noqa: N812

    parts = [F.lit(salt)] if salt else []
    for column in columns_of(contract):
        if names is not None and column.name not in names:
            continue
        value = F.col(column.name)
        nested = isinstance(column.type, T.ArrayType | T.MapType | T.StructType)
        text = F.to_json(value) if nested else F.hex(value) if isinstance(column.type, T.BinaryType) else None
        text = value.cast(column.type).cast("string") if text is None else text
        parts.append(F.coalesce(F.concat(F.length(text).cast("string"), F.lit(":"), text), F.lit("-")))
    return F.xxhash64(F.concat(*parts))


def digest(hashes: str) -> Column:
    """Return what a column of row hashes comes to: equal for equal rows, in any order."""
    from pyspark.sql import functions as F  # noqa: N812

    return F.sum(F.col(hashes).cast(_EXACT))


def digests(
    engine: Engine, frame: DataFrame, contract: type[Contract], partition_column: str
) -> dict[dt.date, tuple[int, int]]:
    """Return the number of rows and the digest of each partition that a frame has rows of."""
    from pyspark.sql import functions as F  # noqa: N812

    rows = to_contract(frame, contract).select(partition_column, row_hash(contract).alias("hash"))
    found = rows.groupBy(partition_column).agg(F.count(F.lit(1)).alias("rows"), digest("hash").alias("digest"))
    return {row[partition_column]: (row["rows"], int(row["digest"])) for row in engine.collect(found).to_pylist()}

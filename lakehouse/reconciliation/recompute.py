"""What a table should hold: its partitions computed again from its inputs, as its runs would, and what differs.

Belongs here: the rows that are expected, by the table's own function and contract, and comparing them with the actual
ones. Nothing is written, and no event of a run counts. Which partitions have to agree belongs in ``strict``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any

from lakehouse.contracts.contract import columns_of
from lakehouse.contracts.row_outcome import DIGEST, DUPLICATE, OUTCOME, PUBLISHED
from lakehouse.delta.model import MissingTableError
from lakehouse.delta.predicates import Predicate
from lakehouse.publication.audit import DayTally
from lakehouse.publication.digests import digest, row_hash, to_contract
from lakehouse.publication.publish import judged_days
from lakehouse.tables.calendars import partition_of
from lakehouse.tables.declarations import Scd2Table
from lakehouse.tables.inputs import empty_frame, load, required, self_input, waits_for_all

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

    from lakehouse.engines.base import Engine
    from lakehouse.publication.publish import JudgedDays
    from lakehouse.tables.declarations import ContractTable, Table

EXAMPLES = 3
"""Keys that are named of each partition that differs."""
_HASH, _ROWS, _SUM = "_hash", "_rows", "_sum_"
_ACTUAL, _EXPECTED, _EXTRA, _MISSING = "_actual", "_expected", "_extra", "_missing"
RECORD = ("source_file", "source_record")


@dataclass(frozen=True)
class PartitionDigest:
    """A partition's rows in three figures: where they are equal the rows are the same, in whatever order and files.

    Attributes:
        rows: how many.
        digest: the sum of the rows' hashes.
        sums: the exact sum of each decimal column.
    """

    rows: int = 0
    digest: int = 0
    sums: Mapping[str, Decimal] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Expected:
    """What a table's partitions should hold.

    Attributes:
        digests: by partition, of those that should have any row.
        tallies: what became of the rows of each day, of a table made from bronze.
    """

    digests: dict[dt.date, PartitionDigest]
    tallies: dict[dt.date, DayTally] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """A key whose rows are not as they should be.

    Attributes:
        key: the key's columns.
        kind: ``missing``, ``extra`` or ``changed``.
        columns: of a changed row, the columns that differ: actual value, expected value.
        record: the file and record that the expected row comes from, of a table made from bronze.
    """

    key: dict[str, Any]
    kind: str
    columns: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    record: tuple[str, int] | None = None


@dataclass
class Difference:
    """How a partition's rows differ from the expected ones: rows by kind, and a few keys."""

    missing: int = 0
    extra: int = 0
    changed: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Recomputation:
    """The tables of a lake, computed again.

    Attributes:
        tables: every table there is, by full name.
    """

    engine: Engine
    tables: Mapping[str, Table]

    def actual(
        self, table: ContractTable, partitions: Sequence[dt.date] | None = None, *, version: int | None = None
    ) -> dict[dt.date, PartitionDigest]:
        """Return what a table's partitions hold, some or all, now or at a version; nothing if it was never written."""
        if self.engine.version(table.full_name) is None:
            return {}
        return self._digests(table, self.rows(table, partitions, version=version))

    def expected(self, table: ContractTable, days: Iterable[dt.date] = ()) -> Expected:
        """Return what a table's partitions should hold.

        Args:
            table: the table.
            days: partitions to account for even if its input has no rows of them.
        """
        if table.layer != "silver":
            frame = self.derived(table)
            digests = {} if frame is None else self._digests(table, frame)
            if not table.reads or isinstance(table, Scd2Table):
                return Expected(digests)
            wanted = {*days, *self._partitions_of_inputs(table)}
            return Expected({partition: its for partition, its in digests.items() if partition in wanted})
        found = Expected({})
        for part in self._validated_days(table, sorted({*days, *self._days_of_input(table)})):
            self._add(table, part, found)
        return found

    def differences(self, table: ContractTable, partitions: Sequence[dt.date]) -> dict[dt.date, Difference]:
        """Compare actual rows with expected ones, key by key, in some partitions."""
        from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

        actual, expected = self._sides(table, partitions)
        partition, key = table.partition_column, key_of(table)
        sides = [
            frame.select(  # Sail plans no union of columns whose comments differ; what is computed has none
                *[F.coalesce(F.col(name), F.lit(None)).alias(name) for name in key],
                row_hash(table.terms.contract).alias(_HASH),
                F.lit(is_actual).alias(_ACTUAL),
                F.lit(1 - is_actual).alias(_EXPECTED),
            )
            for frame, is_actual in ((actual, 1), (expected, 0))
        ]
        counted = sides[0].unionByName(sides[1]).groupBy(*key, _HASH)
        sums = counted.agg(F.sum(_ACTUAL).alias(_ACTUAL), F.sum(_EXPECTED).alias(_EXPECTED))
        unequal = sums.where(F.col(_ACTUAL) != F.col(_EXPECTED))
        surplus = F.col(_ACTUAL) - F.col(_EXPECTED)
        by_key = unequal.groupBy(*key).agg(
            F.sum(F.when(surplus > 0, surplus).otherwise(0)).alias(_EXTRA),
            F.sum(F.when(surplus < 0, -surplus).otherwise(0)).alias(_MISSING),
        )
        changed = F.least(_EXTRA, _MISSING)
        counts = by_key.groupBy(partition).agg(
            F.sum(F.col(_MISSING) - changed).alias("missing"),
            F.sum(F.col(_EXTRA) - changed).alias("extra"),
            F.sum(changed).alias("changed"),
        )
        found = {row.pop(partition): Difference(**row) for row in self.engine.collect(counts).to_pylist()}
        for when, example in self._examples(table, by_key, actual, expected):
            found[when].examples.append(example)
        return found

    def rows(
        self, table: ContractTable, partitions: Sequence[dt.date] | None = None, *, version: int | None = None
    ) -> DataFrame:
        """Return the rows a table holds, of some partitions or all, as the contract has them."""
        where = None if partitions is None else Predicate(table.partition_column, tuple(partitions))
        return to_contract(self.engine.read(table.full_name, where, version=version), table.terms.contract)

    def inputs(self, table: ContractTable, partitions: Sequence[dt.date] | None = None) -> dict[str, DataFrame] | None:
        """Return a table's inputs by parameter, of the partitions that feed some of its own; None if one is missing.

        A running balance is fed by all there ever was, and by nothing that it held itself, which may be wrong.
        """
        others = [name for name in table.inputs.values() if name != table.full_name]
        if all(self.engine.version(name) is None for name in others):  # none is required, and none is there
            return None
        try:
            return load(self.engine, self.tables, table, None if self_input(table) else partitions)
        except MissingTableError:
            return None

    def no_rows(self, table: ContractTable) -> DataFrame:
        """Return no rows, with a table's columns."""
        return empty_frame(self.engine, table)

    def validated(
        self, table: ContractTable, days: Sequence[dt.date], bronze: DataFrame, carried: Sequence[str]
    ) -> DataFrame:
        """Validate bronze rows of some days again; each keeps the given columns of bronze."""
        parts = [
            part.frame for part in judged_days(self.engine, table.terms, table.transform, bronze, days, carried=carried)
        ]
        return reduce(lambda left, right: left.unionByName(right), parts)

    def derived(self, table: ContractTable, partitions: Sequence[dt.date] | None = None) -> DataFrame | None:
        """Return the rows that a gold table makes of its inputs, of some partitions or all; None if one is missing."""
        inputs = self.inputs(table, partitions)
        if inputs is None:
            return None
        frame = to_contract(table.transform(**inputs), table.terms.contract)
        return (
            frame if partitions is None else frame.where(Predicate(table.partition_column, tuple(partitions)).column())
        )

    def _partitions_of_inputs(self, table: ContractTable) -> set[dt.date]:
        """Return the partitions that a table should have by those of its inputs, whatever its function returns."""
        own, columns = table.partition_column, {name: each.partition_column for name, each in self.tables.items()}
        found = [{partition_of(own, day) for day in self.engine.dates(name, columns[name])} for name in required(table)]
        every = waits_for_all(table, columns)
        return reduce(lambda left, right: left & right if every else left | right, found)

    def _validated_days(self, table: ContractTable, days: Sequence[dt.date]) -> Iterable[JudgedDays]:
        inputs = self.inputs(table, days) if days else None
        if inputs is None:
            return ()
        (bronze,) = inputs.values()
        return judged_days(self.engine, table.terms, table.transform, bronze, days)

    def _days_of_input(self, table: ContractTable) -> list[dt.date]:
        (name,) = table.inputs.values()
        if self.engine.version(name) is None:
            return []
        column = self.tables[name].partition_column
        return [
            row[column] for row in self.engine.collect(self.engine.read(name).select(column).distinct()).to_pylist()
        ]

    def _add(self, table: ContractTable, part: JudgedDays, found: Expected) -> None:
        """Count outcomes and sum up the published rows of some validated days, each content key once."""
        from pyspark.sql import functions as F  # noqa: N812

        partition, money = table.partition_column, _decimals(table)
        frame, by = part.frame, [partition, OUTCOME]
        hashed = [row_hash(table.terms.contract).alias(_HASH), F.lit(1).alias(_ROWS)]
        frame = frame.select(*dict.fromkeys([*by, *money]), *[n for n in (DIGEST,) if n in frame.columns], *hashed)
        copies = F.lit(0)
        if DIGEST in frame.columns:  # rows of a content key are alike: any stands for all
            alike = [F.min(name).alias(name) for name in (_HASH, *money)]
            frame = frame.groupBy(*by, DIGEST).agg(F.sum(_ROWS).alias(_ROWS), *alike)
            copies = F.sum(F.col(_ROWS) - 1)
        measured = frame.groupBy(*by).agg(
            F.sum(_ROWS).alias("all"), copies.alias("copies"), *_sums(money), digest(_HASH).alias("digest")
        )
        found.tallies.update(part.tallies)
        for row in self.engine.collect(measured).to_pylist():
            tally = found.tallies.setdefault(row[partition], DayTally())
            if row[OUTCOME] == PUBLISHED:
                tally.published, tally.duplicate = row["all"] - row["copies"], tally.duplicate + row["copies"]
                found.digests[row[partition]] = _digest(row, tally.published, money)
            elif row[OUTCOME] == DUPLICATE:
                tally.duplicate += row["all"]
            else:
                tally.rejected += row["all"]

    def _digests(self, table: ContractTable, frame: DataFrame) -> dict[dt.date, PartitionDigest]:
        from pyspark.sql import functions as F  # noqa: N812

        money = _decimals(table)
        hashed = frame.select(
            *dict.fromkeys([table.partition_column, *money]), row_hash(table.terms.contract).alias(_HASH)
        )
        measured = hashed.groupBy(table.partition_column).agg(
            F.count(F.lit(1)).alias("all"), *_sums(money), digest(_HASH).alias("digest")
        )
        rows = self.engine.collect(measured).to_pylist()
        return {row[table.partition_column]: _digest(row, row["all"], money) for row in rows}

    def _sides(self, table: ContractTable, partitions: Sequence[dt.date]) -> tuple[DataFrame, DataFrame]:
        """Return the actual rows and the expected ones; the latter with their records, where they have any."""
        from pyspark.sql import functions as F  # noqa: N812

        if table.layer != "silver":
            expected = self.derived(table, partitions)
        elif (inputs := self.inputs(table, partitions)) is not None:
            (bronze,) = inputs.values()
            validated = self.validated(table, partitions, bronze, RECORD)
            expected = to_contract(validated.where(F.col(OUTCOME) == PUBLISHED), table.terms.contract, *RECORD)
        else:
            expected = None
        none = self.no_rows(table)
        actual = none if self.engine.version(table.full_name) is None else self.rows(table, partitions)
        return actual, none if expected is None else expected

    def _examples(
        self, table: ContractTable, by_key: DataFrame, actual: DataFrame, expected: DataFrame
    ) -> Iterable[tuple[dt.date, Example]]:
        from pyspark.sql import Window
        from pyspark.sql import functions as F  # noqa: N812

        key = key_of(table)
        place = F.row_number().over(Window.partitionBy(table.partition_column).orderBy(*key))
        few = self.engine.collect(by_key.withColumn("_place", place).where(F.col("_place") <= EXAMPLES).select(*key))
        if not few.num_rows:
            return
        mine_by_key = {_values(row, key): row for row in self.matching(actual, few, key).to_pylist()}
        its_by_key = {_values(row, key): row for row in self.matching(expected, few, key).to_pylist()}
        names = [column.name for column in columns_of(table.terms.contract)]
        for row in few.to_pylist():
            mine, its = mine_by_key.get(_values(row, key)), its_by_key.get(_values(row, key))
            kind = "extra" if its is None else "missing" if mine is None else "changed"
            columns = {}
            if mine is not None and its is not None:
                columns = {name: (mine[name], its[name]) for name in names if mine[name] != its[name]}
            record = None if its is None or RECORD[0] not in its else (its[RECORD[0]], its[RECORD[1]])
            yield row[table.partition_column], Example(row, kind, columns, record)

    def matching(self, frame: DataFrame, keys: pa.Table, columns: Sequence[str]) -> pa.Table:
        """Return a frame's rows that have one of some keys."""
        return self.engine.collect(self.semi_joined(frame, keys, columns))

    def semi_joined(self, frame: DataFrame, keys: pa.Table, columns: Sequence[str]) -> DataFrame:
        """Leave a frame's rows that have one of some keys; a null equals a null."""
        from pyspark.sql import functions as F  # noqa: N812

        if not keys.num_rows:
            return frame.limit(0)
        distinct = keys.select(list(columns)).group_by(list(columns)).aggregate([])
        wanted = self.engine.session().createDataFrame(distinct).alias("wanted")
        same = [F.col(f"rows.{name}").eqNullSafe(F.col(f"wanted.{name}")) for name in columns]
        return frame.alias("rows").join(wanted, reduce(lambda left, right: left & right, same), "left_semi")


def key_of(table: ContractTable) -> list[str]:
    """Return the columns that name a row of a table."""
    return list(dict.fromkeys([table.partition_column, *table.terms.policy.key]))


def _decimals(table: ContractTable) -> list[str]:
    from pyspark.sql import types as T  # noqa: N812

    return [column.name for column in columns_of(table.terms.contract) if isinstance(column.type, T.DecimalType)]


def _sums(columns: Sequence[str]) -> list[Column]:
    from pyspark.sql import functions as F  # noqa: N812

    return [F.sum(name).alias(f"{_SUM}{name}") for name in columns]


def _digest(row: Mapping[str, Any], rows: int, money: Sequence[str]) -> PartitionDigest:
    return PartitionDigest(rows, int(row["digest"]), {name: row[f"{_SUM}{name}"] or Decimal(0) for name in money})


def _values(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)

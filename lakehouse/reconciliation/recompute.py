"""What a table should hold: its partitions computed again from its inputs, as its runs would, and what differs.

Belongs here: the rows that are due, by the table's own transform and judgement, and comparing them with the rows that
are there. Nothing is written, and no event of a run is believed. Which partitions have to agree, and what is said to
people, is for the commands.
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
_HERE, _DUE, _EXTRA, _MISSING = "_here", "_due", "_extra", "_missing"
RECORD = ("source_file", "source_record")


@dataclass(frozen=True)
class Content:
    """What a partition's rows come to; of equal contents the rows are the same, in whatever order and files.

    Attributes:
        rows: how many.
        digest: the sum of the rows' hashes.
        sums: the exact sum of each decimal column.
    """

    rows: int = 0
    digest: int = 0
    sums: Mapping[str, Decimal] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Due:
    """What a table's partitions should hold.

    Attributes:
        contents: by partition, of those that should have any row.
        tallies: what became of the rows of each day, of a table made from bronze.
    """

    contents: dict[dt.date, Content]
    tallies: dict[dt.date, DayTally] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """A key whose rows are not as they should be.

    Attributes:
        key: the key's columns.
        kind: ``missing``, ``extra`` or ``changed``.
        columns: of a changed row, the columns that differ: what is there, and what should be.
        record: the file and record that the due row comes from, of a table made from bronze.
    """

    key: dict[str, Any]
    kind: str
    columns: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    record: tuple[str, int] | None = None


@dataclass
class Difference:
    """How a partition's rows differ from those that are due: rows by kind, and a few keys."""

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

    def there(
        self, table: ContractTable, partitions: Sequence[dt.date] | None = None, *, version: int | None = None
    ) -> dict[dt.date, Content]:
        """Return what a table's partitions hold, some or all, now or at a version; nothing if it was never written."""
        if self.engine.version(table.full_name) is None:
            return {}
        return self._contents(table, self.rows(table, partitions, version=version))

    def due(self, table: ContractTable, days: Iterable[dt.date] = ()) -> Due:
        """Return what a table's partitions should hold.

        Args:
            table: the table.
            days: partitions to account for even if its input has no rows of them.
        """
        if table.layer != "silver":
            frame = self.derived(table)
            contents = {} if frame is None else self._contents(table, frame)
            if not table.reads or isinstance(table, Scd2Table):
                return Due(contents)
            wanted = {*days, *self._partitions_of_inputs(table)}
            return Due({partition: content for partition, content in contents.items() if partition in wanted})
        found = Due({})
        for part in self._judged(table, sorted({*days, *self._days_of_input(table)})):
            self._take(table, part, found)
        return found

    def differences(self, table: ContractTable, partitions: Sequence[dt.date]) -> dict[dt.date, Difference]:
        """Compare rows with those that are due, key by key, in some partitions."""
        from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

        here, due = self._sides(table, partitions)
        partition, key = table.partition_column, self._key(table)
        sides = [
            frame.select(  # Sail plans no union of columns whose comments differ; what is computed has none
                *[F.coalesce(F.col(name), F.lit(None)).alias(name) for name in key],
                row_hash(table.terms.contract).alias(_HASH),
                F.lit(is_here).alias(_HERE),
                F.lit(1 - is_here).alias(_DUE),
            )
            for frame, is_here in ((here, 1), (due, 0))
        ]
        counted = sides[0].unionByName(sides[1]).groupBy(*key, _HASH)
        unequal = counted.agg(F.sum(_HERE).alias(_HERE), F.sum(_DUE).alias(_DUE)).where(F.col(_HERE) != F.col(_DUE))
        surplus = F.col(_HERE) - F.col(_DUE)
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
        for when, example in self._examples(table, by_key, here, due):
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

        A running balance is fed by all there ever was, and by nothing that it has been itself: that may be wrong.
        """
        others = [name for name in table.inputs.values() if name != table.full_name]
        if all(self.engine.version(name) is None for name in others):  # none is required, and none is there
            return None
        try:
            return load(self.engine, self.tables, table, None if self_input(table) else partitions)
        except MissingTableError:
            return None

    def nothing(self, table: ContractTable) -> DataFrame:
        """Return no rows, with a table's columns."""
        return empty_frame(self.engine, table)

    def judged(
        self, table: ContractTable, days: Sequence[dt.date], bronze: DataFrame, carried: Sequence[str]
    ) -> DataFrame:
        """Judge bronze rows of some days again; each keeps the columns of bronze that are asked for."""
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
        """Return the partitions that a table ought to have by those of its inputs, whatever its function returns."""
        own, columns = table.partition_column, {name: each.partition_column for name, each in self.tables.items()}
        found = [{partition_of(own, day) for day in self.engine.dates(name, columns[name])} for name in required(table)]
        every = waits_for_all(table, columns)
        return reduce(lambda left, right: left & right if every else left | right, found)

    def _judged(self, table: ContractTable, days: Sequence[dt.date]) -> Iterable[JudgedDays]:
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

    def _take(self, table: ContractTable, part: JudgedDays, found: Due) -> None:
        """Count outcomes and sum up the published rows of some judged days, each content key once."""
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
                found.contents[row[partition]] = _content(row, tally.published, money)
            elif row[OUTCOME] == DUPLICATE:
                tally.duplicate += row["all"]
            else:
                tally.rejected += row["all"]

    def _contents(self, table: ContractTable, frame: DataFrame) -> dict[dt.date, Content]:
        from pyspark.sql import functions as F  # noqa: N812

        money = _decimals(table)
        hashed = frame.select(
            *dict.fromkeys([table.partition_column, *money]), row_hash(table.terms.contract).alias(_HASH)
        )
        measured = hashed.groupBy(table.partition_column).agg(
            F.count(F.lit(1)).alias("all"), *_sums(money), digest(_HASH).alias("digest")
        )
        rows = self.engine.collect(measured).to_pylist()
        return {row[table.partition_column]: _content(row, row["all"], money) for row in rows}

    def _key(self, table: ContractTable) -> list[str]:
        return list(dict.fromkeys([table.partition_column, *table.terms.policy.key]))

    def _sides(self, table: ContractTable, partitions: Sequence[dt.date]) -> tuple[DataFrame, DataFrame]:
        """Return the rows that are there and those that are due; the latter with their records, where they have any."""
        from pyspark.sql import functions as F  # noqa: N812

        if table.layer != "silver":
            due = self.derived(table, partitions)
        elif (inputs := self.inputs(table, partitions)) is not None:
            (bronze,) = inputs.values()
            judged = self.judged(table, partitions, bronze, RECORD)
            due = to_contract(judged.where(F.col(OUTCOME) == PUBLISHED), table.terms.contract, *RECORD)
        else:
            due = None
        none = self.nothing(table)
        here = none if self.engine.version(table.full_name) is None else self.rows(table, partitions)
        return here, none if due is None else due

    def _examples(
        self, table: ContractTable, by_key: DataFrame, here: DataFrame, due: DataFrame
    ) -> Iterable[tuple[dt.date, Example]]:
        from pyspark.sql import Window
        from pyspark.sql import functions as F  # noqa: N812

        key = self._key(table)
        place = F.row_number().over(Window.partitionBy(table.partition_column).orderBy(*key))
        few = self.engine.collect(by_key.withColumn("_place", place).where(F.col("_place") <= EXAMPLES).select(*key))
        if not few.num_rows:
            return
        there = {_values(row, key): row for row in self.matching(here, few, key).to_pylist()}
        should = {_values(row, key): row for row in self.matching(due, few, key).to_pylist()}
        names = [column.name for column in columns_of(table.terms.contract)]
        for row in few.to_pylist():
            mine, its = there.get(_values(row, key)), should.get(_values(row, key))
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


def _decimals(table: ContractTable) -> list[str]:
    from pyspark.sql import types as T  # noqa: N812

    return [column.name for column in columns_of(table.terms.contract) if isinstance(column.type, T.DecimalType)]


def _sums(columns: Sequence[str]) -> list[Column]:
    from pyspark.sql import functions as F  # noqa: N812

    return [F.sum(name).alias(f"{_SUM}{name}") for name in columns]


def _content(row: Mapping[str, Any], rows: int, money: Sequence[str]) -> Content:
    return Content(rows, int(row["digest"]), {name: row[f"{_SUM}{name}"] or Decimal(0) for name in money})


def _values(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)

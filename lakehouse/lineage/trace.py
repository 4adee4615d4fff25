"""From a row back to what landed: the rows behind it, table by table, and the records behind those.

Belongs here: walking from a table to its inputs and on to bronze, and computing a row again from the records that were
found. It knows no table by name; what is shown of it is for ``trace``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse.contracts.casting import named
from lakehouse.contracts.contract import columns_of
from lakehouse.contracts.row_outcome import DUPLICATE, OUTCOME, POINTERS, PUBLISHED, REFUSED, RULES, SUPERSEDED_MARK
from lakehouse.errors import RequestError
from lakehouse.publication.current_rows import current_rows
from lakehouse.publication.digests import to_contract
from lakehouse.quarantine.decisions import DISCARD, FIX, Place, decisions_about
from lakehouse.reconciliation.recompute import Recomputation
from lakehouse.reconciliation.strict import Lines
from lakehouse.tables.declarations import ContractTable, Scd2Table
from lakehouse.tables.inputs import reads_of, self_input

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

    from lakehouse.contracts.contract import ContractColumn
    from lakehouse.quarantine.decisions import Decided
    from lakehouse.tables.declarations import Table

RECORD = ("business_date", "source_file", "batch_id", "source_record")
"""What names a record in bronze."""
_RECEIVED = "received"


@dataclass(frozen=True)
class Records:
    """The records behind rows of a silver table, as received.

    Attributes:
        bronze: the table they stand in.
        sources: its columns that are the source's own.
        behind: the records that became the rows: bronze's columns.
        beside: records of the same days that do not count, with ``why``: rejected, duplicate, superseded, discarded.
        fixed: what people corrected in records behind the rows, and why.
    """

    bronze: str
    sources: tuple[str, ...]
    behind: pa.Table
    beside: list[dict[str, Any]]
    fixed: list[dict[str, Any]]


@dataclass(frozen=True)
class Traced:
    """Rows of a table, and where they come from.

    Attributes:
        rows: the rows, as the table holds them.
        by: the columns by which the rows were found; without any they are all rows of the partitions.
        inputs: the rows behind them, by the parameter of the table's function.
        records: the records behind them, of a table made from bronze.
        unfollowed: why no rows behind them are shown, in a sentence, where single rows are not made from single rows.
    """

    table: Table
    rows: pa.Table
    by: tuple[str, ...] = ()
    inputs: dict[str, Traced] = field(default_factory=dict)
    records: Records | None = None
    unfollowed: str = ""

    def levels(self) -> Iterator[Traced]:
        """Return this and everything behind it, the nearest first."""
        yield self
        for each in self.inputs.values():
            yield from each.levels()


@dataclass(frozen=True)
class CellDifference:
    """A cell that is not what its records come to; without a column, the whole row is not."""

    table: str
    key: dict[str, Any]
    column: str | None
    here: Any
    computed: Any


@dataclass(frozen=True)
class Tracer:
    """Traces rows of one lake.

    Attributes:
        lines: the newest lines of the row ledger: of a held day, the rows that were published before count.
    """

    again: Recomputation
    lines: Lines

    def row(self, name: str, given: Mapping[str, str]) -> tuple[ContractTable, pa.Table]:
        """Find the one row of a table that has some values, given as text; an empty text is null.

        Raises:
            RequestError: there is no such table, column or row, or more than one row.
        """
        table = self.again.tables.get(name)
        if not isinstance(table, ContractTable):
            known = [each.full_name for each in self.again.tables.values() if isinstance(each, ContractTable)]
            raise RequestError(f"{name} cannot be traced: give one of {', '.join(known)}")
        columns = {column.name: column for column in columns_of(table.terms.contract)}
        rows = self.again.rows(table)
        for column, text in given.items():
            rows = rows.where(self._equal(table, columns, column, text))
        found = self.again.engine.collect(rows.limit(2))
        asked = " ".join(f"{column}={text}" for column, text in given.items())
        if not found.num_rows:
            raise RequestError(f"{name} has no row with {asked}; `lakehouse reconcile --strict` says if one is missing")
        if found.num_rows > 1:
            raise RequestError(f"{name} has several rows with {asked}; its key is {', '.join(key_of(table))}")
        return table, found

    def _equal(self, table: ContractTable, columns: Mapping[str, ContractColumn], name: str, text: str) -> Column:
        from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

        if name not in columns:
            raise RequestError(f"{table.full_name} has no column {name}: it has {', '.join(columns)}")
        type_ = columns[name].type
        if not text:
            return F.col(name).isNull()
        value = F.lit(text).try_cast(type_)
        read = self.again.engine.collect(self.again.engine.session().range(1).select(value.alias("value")))
        if read.column("value")[0].as_py() is None:
            raise RequestError(f"--key {name}={text}: {text} is no {type_.simpleString()}")
        return F.col(name) == value

    def trace(self, table: Table, rows: pa.Table, by: tuple[str, ...] = ()) -> Traced:
        """Return where rows come from, down to the landing files."""
        if not isinstance(table, ContractTable) or not rows.num_rows:
            return Traced(table, rows, by)
        if table.layer == "silver":
            return Traced(table, rows, by, records=self._records(table, rows))
        whole = self._inputs(table, partitions_of(table, rows))
        for shared, with_partition in self._ways(table, rows, whole):
            narrow = self._narrowed(table, rows, whole, shared)
            if with_partition:
                narrow = self._with_partition(table, rows, whole, narrow)
            if self._is_enough(table, rows, whole, narrow):
                break
        else:
            if _is_wide(table):
                return Traced(table, rows, by, unfollowed=_unfollowed(table))
            shared, narrow = dict.fromkeys(whole, ()), whole
        inputs = {}
        for parameter, frame in narrow.items():
            source = self.again.tables[table.inputs[parameter]]
            if source is table:  # what a balance was before is behind it by the rows that it was made from
                continue
            columns = to_contract(frame, source.terms.contract) if isinstance(source, ContractTable) else frame
            found = _sorted(source, self.again.engine.collect(columns))
            if reads_of(table, parameter).whole and not shared[parameter] and found.num_rows:
                inputs[parameter] = Traced(source, found, unfollowed=_read_whole(table))
            else:
                inputs[parameter] = self.trace(source, found, shared[parameter])
        return Traced(table, rows, by, inputs)

    def _inputs(self, table: ContractTable, partitions: Sequence[dt.date]) -> dict[str, DataFrame]:
        """Return the inputs that some partitions are made from; what came after them is not behind a balance."""
        from pyspark.sql import functions as F  # noqa: N812

        frames = self.again.inputs(table, partitions) or {}
        if self_input(table):
            for parameter, name in table.inputs.items():
                column = self.again.tables[name].partition_column
                if column == table.partition_column and not reads_of(table, parameter).whole:
                    frames[parameter] = frames[parameter].where(F.col(column) <= F.lit(max(partitions)))
        return frames

    def _narrowed(
        self,
        table: ContractTable,
        rows: pa.Table,
        whole: Mapping[str, DataFrame],
        shared: Mapping[str, tuple[str, ...]],
    ) -> dict[str, DataFrame]:
        """Return the inputs' rows that have the values of rows in the columns they share; of sightings the first."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F  # noqa: N812

        found = {
            parameter: self.again.semi_joined(frame, rows, shared[parameter]) if shared[parameter] else frame
            for parameter, frame in whole.items()
        }
        if isinstance(table, Scd2Table):
            key = table.history.natural_key
            for parameter, name in table.inputs.items():
                if time := table.history.sightings.get(name):
                    first = F.min(time).over(Window.partitionBy(key)).alias("_first")
                    seen = found[parameter].where(F.col(key).isNotNull()).select("*", first)
                    found[parameter] = seen.where(F.col(time) == F.col("_first")).drop("_first")
        return found

    def _is_enough(
        self, table: ContractTable, rows: pa.Table, whole: Mapping[str, DataFrame], narrow: Mapping[str, DataFrame]
    ) -> bool:
        """Whether the function makes of the narrowed inputs exactly what it makes for these rows of the whole ones."""
        due = self.again.matching(to_contract(table.transform(**whole), table.terms.contract), rows, key_of(table))
        made = to_contract(table.transform(**narrow), table.terms.contract)
        if _is_wide(table):  # it may make rows of other partitions, too, or other versions of a member
            return _counted(self.again.matching(made, rows, key_of(table))) == _counted(due)
        return _counted(self.again.engine.collect(made)) == _counted(due)

    def _ways(
        self, table: ContractTable, rows: pa.Table, whole: Mapping[str, DataFrame]
    ) -> Iterator[tuple[dict[str, tuple[str, ...]], bool]]:
        """Return columns by which the rows behind rows may be found, by the parameter, the most likely ones first.

        With them, whether all rows of the partition are behind a row, too: a balance has one for each that it knows of
        on a day on which anything else has happened.
        """
        usual = {
            parameter: self._named_by(table, parameter, {*frame.columns}.intersection(rows.column_names))
            for parameter, frame in whole.items()
        }
        wide = [
            parameter
            for parameter in whole
            if (parameter in table.reads or self_input(table))
            and not isinstance(self.again.tables[table.inputs[parameter]], Scd2Table)
        ]
        is_narrow = all(usual[parameter] for parameter in wide)
        if is_narrow:
            yield usual, False
        if self_input(table):
            yield usual, True
            return
        names = [name for parameter in wide for name in whole[parameter].columns if name in rows.column_names]
        for name in dict.fromkeys(names):
            if _names_something(rows.schema.field(name).type):
                yield usual | {each: (name,) for each in wide if name in whole[each].columns}, False
        if not is_narrow:
            yield usual, False

    def _with_partition(
        self, table: ContractTable, rows: pa.Table, whole: Mapping[str, DataFrame], narrow: Mapping[str, DataFrame]
    ) -> dict[str, DataFrame]:
        """Return narrowed inputs with all rows of the same partitions, where they are not read whole."""
        found = dict(narrow)
        for parameter, name in table.inputs.items():
            column = self.again.tables[name].partition_column
            if column == table.partition_column and name != table.full_name and not reads_of(table, parameter).whole:
                same = self.again.semi_joined(whole[parameter], rows, [column])
                found[parameter] = narrow[parameter].unionByName(same).distinct()
        return found

    def _named_by(self, table: ContractTable, parameter: str, columns: Collection[str]) -> tuple[str, ...]:
        """Return the columns by which a row names those it is made from, of the columns that they share."""
        source, key = self.again.tables[table.inputs[parameter]], key_of(table)
        if isinstance(table, Scd2Table):
            key = [table.history.natural_key]
        elif isinstance(source, Scd2Table):
            history = source.history
            key = [history.surrogate_key if history.surrogate_key in columns else history.natural_key]
        elif parameter in table.reads or self_input(table):
            key = [name for name in key if name != table.partition_column]
        return tuple(name for name in key if name in columns)

    def _records(self, table: ContractTable, rows: pa.Table) -> Records:
        from pyspark.sql import functions as F  # noqa: N812

        engine, days, key = self.again.engine, partitions_of(table, rows), key_of(table)
        bronze = self._bronze(table, days)
        judged = self.again.judged(table, days, bronze, POINTERS)
        outcome = [*key, OUTCOME, RULES, *POINTERS]
        of_rows = engine.collect(
            self.again.semi_joined(judged.select(*dict.fromkeys(outcome)), rows, key).where(F.col(OUTCOME) != REFUSED)
        )
        published = of_rows.filter(_equals(of_rows, OUTCOME, PUBLISHED))
        kept = {tuple(row[name] for name in key): row for row in published.select([*key, *POINTERS[:3]]).to_pylist()}
        (name,) = table.inputs.values()
        sources = tuple(dict.fromkeys(column.source for column in columns_of(table.terms.contract) if column.source))
        copies = of_rows.filter(_equals(of_rows, OUTCOME, DUPLICATE))
        received = {Place.of(row): row[_RECEIVED] for row in self._received(bronze, sources, copies, RECORD)}
        beside = [
            _beside(row, f"duplicate of {_place(kept.get(tuple(row[name] for name in key)))}", received[Place.of(row)])
            for row in copies.to_pylist()
        ]
        refused = judged.where(F.col(OUTCOME) == REFUSED).select("business_date", RULES, "_rejected.*")
        beside += [
            _beside(row, f"rejected: {', '.join(row[RULES])}", row["raw_record"])
            for row in engine.collect(refused).to_pylist()
        ]
        decided = decisions_about(engine, table.full_name, days)
        beside += self._superseded(bronze, sources, days)
        beside += [_decided(place, decided, "discarded") for place in _places(decided, DISCARD)]
        behind = self.again.matching(bronze, published, RECORD)
        there = {Place.of(row) for row in behind.select(list(Place._fields)).to_pylist()}
        fixed = [_decided(place, decided, "fixed") for place in _places(decided, FIX) if place in there]
        order = [(column, "ascending") for column in ("source_file", "batch_id", "source_record")]
        beside.sort(key=lambda row: (row["why"], row["source_file"], row["source_record"] or 0))
        return Records(name, sources, behind.sort_by(order), beside, fixed)

    def _received(
        self, bronze: DataFrame, sources: Sequence[str], places: pa.Table, by: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return bronze's records at some places, each as it was received, in one text."""
        from pyspark.sql import functions as F  # noqa: N812

        if not places.num_rows:
            return []
        record = F.to_json(F.struct(*[named(name).cast("string").alias(name) for name in sources]))
        sent = F.coalesce(F.col("raw_record"), F.col("reject_reason"), record).alias(_RECEIVED)
        rows = bronze.select("business_date", *POINTERS, sent)
        return list(self.again.engine.collect(self.again.semi_joined(rows, places, by)).to_pylist())

    def _bronze(self, table: ContractTable, days: Sequence[dt.date]) -> DataFrame:
        """Return the bronze rows that days were published from: of held days, those that were there then."""
        from pyspark.sql import functions as F  # noqa: N812

        (bronze,) = (self.again.inputs(table, days) or {}).values()
        for day in days:
            line = self.lines.get(table.full_name, {}).get(day)
            if line is not None and line.held and line.published_at is not None:
                later = (F.col("business_date") == F.lit(day)) & (
                    F.col("ingestion_timestamp") > F.lit(line.published_at)
                )
                bronze = bronze.where(~later)
        return bronze

    def _superseded(self, bronze: DataFrame, sources: Sequence[str], days: Sequence[dt.date]) -> list[dict[str, Any]]:
        """Return the rows of file versions that do not count any more."""
        from pyspark.sql import functions as F  # noqa: N812

        engine, version = self.again.engine, ["business_date", "source_file", "batch_id"]
        counting = current_rows(engine, bronze, days).versions
        versions = engine.collect(bronze.select(*version).distinct())
        stale = [row for row in versions.to_pylist() if tuple(row.values()) not in counting]
        if not stale:
            return []
        newest = {(day, file): batch for day, file, batch in sorted(counting)}
        mark = F.coalesce(F.col("reject_reason"), F.lit("")).startswith(SUPERSEDED_MARK)
        found = self._received(bronze.where(~mark), sources, _table(stale, versions.schema), version)
        return [
            _beside(row, _superseded_by(newest.get((row["business_date"], row["source_file"]))), row[_RECEIVED])
            for row in found
        ]

    def verify(self, traced: Traced, column: str | None = None) -> list[CellDifference]:
        """Compute rows again from the records behind them and nothing else; return what differs.

        Args:
            traced: the rows.
            column: compare this one of the rows only; else all, and all of the rows between them and the records.
        """
        levels = [
            each
            for each in ([traced] if column else traced.levels())
            if each is traced or (isinstance(each.table, ContractTable) and not each.unfollowed)
        ]
        return [each for level in levels for each in self._differences(level, column)]

    def columns(self, traced: Traced, column: str) -> dict[int, set[str]]:
        """Return the columns that a cell is made from, with those of the keys.

        Found by experiment: a column matters if the cell is another one, or cannot be had, where the column is null.

        Returns:
            Column names by the ``id`` of each traced level that has any, and of its records.
        """
        return dict(self._columns(traced, {column}))

    def _columns(self, traced: Traced, wanted: set[str]) -> Iterator[tuple[int, set[str]]]:
        table = traced.table
        key = set(key_of(table)) if isinstance(table, ContractTable) else set()
        yield id(traced), wanted | key
        if not isinstance(table, ContractTable):
            return
        if traced.records is not None:
            (parameter,) = table.inputs
            records = self.again.semi_joined(
                self._bronze(table, partitions_of(table, traced.rows)), traced.records.behind, RECORD
            )
            frames = {parameter: records}
            sources = set(traced.records.sources)
            yield id(traced.records), self._mattering(traced, frames, wanted, {parameter: sources})[parameter]
            return
        if traced.unfollowed:
            return
        frames = {name: self._held(each) for name, each in traced.inputs.items()}
        candidates = {name: set(frame.columns) for name, frame in frames.items()}
        mattering = self._mattering(traced, frames, wanted, candidates)
        for name, each in traced.inputs.items():
            if mattering[name] or not any(mattering.values()):  # where no column matters, it is the rows that do
                yield from self._columns(each, mattering[name])

    def _held(self, traced: Traced) -> DataFrame:
        """Return traced rows as the table holds them, lazily."""
        table = traced.table
        if not isinstance(table, ContractTable):
            return self.again.engine.session().createDataFrame(traced.rows)
        if not traced.rows.num_rows:
            return self.again.nothing(table)
        return self.again.semi_joined(
            self.again.rows(table, partitions_of(table, traced.rows)), traced.rows, key_of(table)
        )

    def _mattering(
        self,
        traced: Traced,
        frames: Mapping[str, DataFrame],
        wanted: set[str],
        candidates: Mapping[str, set[str]],
    ) -> dict[str, set[str]]:
        """Return the columns of each input without which some columns of a table are not what they are."""
        from pyspark.sql import functions as F  # noqa: N812

        table = traced.table
        assert isinstance(table, ContractTable)  # noqa: S101 - for the type checker; others have nothing to compute

        def outcome(inputs: Mapping[str, DataFrame]) -> dict[str, Any]:
            computed = to_contract(table.transform(**self._beginning(table), **inputs), table.terms.contract)
            if _is_wide(table):
                computed = self.again.semi_joined(computed, traced.rows, key_of(table))
            measures = [
                measure.alias(f"{number}:{name}")
                for name in sorted(wanted)
                for number, measure in enumerate((F.count(name), F.min(name), F.max(name), F.count_distinct(name)))
            ]
            (found,) = self.again.engine.collect(computed.agg(F.count(F.lit(1)), *measures)).to_pylist()
            return dict(found)

        usual = outcome(frames)
        mattering: dict[str, set[str]] = {parameter: set() for parameter in candidates}
        for parameter, names in candidates.items():
            types = {each.name: each.dataType for each in frames[parameter].schema.fields}
            for name in sorted(names):
                without = frames[parameter].withColumn(name, F.lit(None).cast(types[name]))
                if outcome({**frames, parameter: without}) != usual:
                    mattering[parameter].add(name)
        return mattering

    def _differences(self, traced: Traced, column: str | None) -> Iterator[CellDifference]:
        table = traced.table
        assert isinstance(table, ContractTable)  # noqa: S101 - for the type checker; others have nothing to compute
        key = key_of(table)
        made = self.again.derived(table, partitions_of(table, traced.rows)) if traced.unfollowed else None
        made = self._computed(traced) if made is None else made
        computed = self.again.matching(made, traced.rows, key).to_pylist()
        due = {tuple(row[name] for name in key): row for row in computed}
        for row in traced.rows.to_pylist():
            its = due.get(tuple(row[name] for name in key))
            named = {name: row[name] for name in key}
            if its is None:
                yield CellDifference(table.full_name, named, None, None, None)
                continue
            for name in [column] if column else row:
                if row[name] != its[name]:
                    yield CellDifference(table.full_name, named, name, row[name], its[name])

    def _computed(self, traced: Traced) -> DataFrame:
        """Return the rows of a table computed from the records behind them alone."""
        from pyspark.sql import functions as F  # noqa: N812

        table = traced.table
        if not isinstance(table, ContractTable):
            return self.again.engine.session().createDataFrame(traced.rows)
        if not traced.rows.num_rows:
            return self.again.nothing(table)
        if traced.unfollowed:
            return self._held(traced)
        if traced.records is not None:
            days = partitions_of(table, traced.rows)
            records = self.again.semi_joined(self._bronze(table, days), traced.records.behind, RECORD)
            judged = self.again.judged(table, days, records, POINTERS)
            return to_contract(judged.where(F.col(OUTCOME) == PUBLISHED), table.terms.contract)
        frames = {name: self._computed(each) for name, each in traced.inputs.items()}
        return to_contract(table.transform(**self._beginning(table), **frames), table.terms.contract)

    def _beginning(self, table: ContractTable) -> dict[str, DataFrame]:
        """Return what a balance was at first, by the parameter of its function: nothing."""
        parameter = self_input(table)
        return {parameter: self.again.nothing(table)} if parameter else {}


def key_of(table: ContractTable) -> list[str]:
    """Return the columns that name a row of a table."""
    return list(dict.fromkeys([table.partition_column, *table.terms.policy.key]))


def partitions_of(table: ContractTable, rows: pa.Table) -> list[dt.date]:
    """Return the partitions that rows lie in."""
    return sorted(set(rows.column(table.partition_column).to_pylist()))


def _sorted(table: Table, rows: pa.Table) -> pa.Table:
    return rows.sort_by([(name, "ascending") for name in key_of(table)]) if isinstance(table, ContractTable) else rows


def _counted(rows: pa.Table) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows.to_pylist():
        text = repr(row)
        found[text] = found.get(text, 0) + 1
    return found


def _is_wide(table: ContractTable) -> bool:
    """Whether a table is made from more than the partitions that are its own."""
    return bool(table.reads) or self_input(table) is not None


def _names_something(type_: pa.DataType) -> bool:
    """Whether values of a type can name a member, such as a customer, and are no figure or time."""
    import pyarrow as pa

    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_int64(type_))


def _unfollowed(table: ContractTable) -> str:
    behind = ", ".join(name for name in table.inputs.values() if name != table.full_name)
    return f"each row is made from many rows of {behind} together, so no few of them are behind it; trace those instead"


def _read_whole(table: ContractTable) -> str:
    return f"read by {table.full_name} whatever the row; trace those that matter by themselves"


def _equals(rows: pa.Table, column: str, value: int) -> Any:
    import pyarrow.compute as pc

    return pc.equal(rows.column(column), value)


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=schema)


def _beside(row: Mapping[str, Any], why: str, received: str | None = None) -> dict[str, Any]:
    place = {name: row[name] for name in ("business_date", "source_file", "source_version", "source_record")}
    return {"why": why, **place, "received": received}


def _place(row: Mapping[str, Any] | None) -> str:
    return "another record" if row is None else f"{row['source_file']} record {row['source_record']}"


def _superseded_by(batch: int | None) -> str:
    return (
        "superseded: a newer version of the file has no such day" if batch is None else f"superseded by batch {batch}"
    )


def _places(decided: Decided, action: str) -> list[Place]:
    return [place for place, decision in decided.records.items() if decision.action == action]


def _decided(place: Place, decided: Decided, what: str) -> dict[str, Any]:
    decision = decided.records[place]
    why = f"{what} by {decision.decided_by}: {decision.reason}"
    return {"why": why, **place._asdict(), "received": None, "corrected": dict(decision.corrected)}

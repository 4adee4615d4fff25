"""A trace put to the test: rows computed again from the records behind them, and which columns a cell depends on.

Belongs here: computing with what a trace has found. Finding it belongs in ``trace``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.contracts.row_outcome import OUTCOME, POINTERS, PUBLISHED
from lakehouse.lineage.records import RECORD, RecordFinder
from lakehouse.lineage.row_trace import CellDifference, CellTrace, RowTrace, partitions_of
from lakehouse.publication.digests import to_contract
from lakehouse.reconciliation.recompute import Recomputation, key_of
from lakehouse.tables.declarations import ContractTable
from lakehouse.tables.inputs import is_wide, self_input

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class TraceVerifier:
    """Computes traced rows again."""

    recomputation: Recomputation
    records: RecordFinder

    def differences(self, trace: RowTrace, column: str | None = None) -> list[CellDifference]:
        """Compute rows again from the records behind them and nothing else; return what differs.

        Args:
            trace: the rows.
            column: compare this one of the rows only; else all, and all of the rows between them and the records.
        """
        levels = [
            each
            for each in ([trace] if column else trace.levels())
            if each is trace or (isinstance(each.table, ContractTable) and not each.not_traceable_reason)
        ]
        return [each for level in levels for each in self._differences(level, column)]

    def cell(self, trace: RowTrace, column: str) -> CellTrace:
        """Return the columns that a cell is computed from, with those of the keys.

        Found by experiment: a column matters if the cell is another one, or cannot be had, where the column is null.
        """
        return self._cell(trace, {column})

    def _cell(self, trace: RowTrace, wanted: set[str]) -> CellTrace:
        table = trace.table
        if not isinstance(table, ContractTable):
            return CellTrace(trace, frozenset(wanted))
        shown = frozenset(wanted | set(key_of(table)))
        if trace.records is not None:
            (parameter,) = table.inputs
            candidates = {parameter: set(trace.records.sources)}
            matter = self._columns_that_matter(trace, {parameter: self._records(table, trace)}, wanted, candidates)
            return CellTrace(trace, shown, sources=frozenset(matter[parameter]))
        if trace.not_traceable_reason:
            return CellTrace(trace, shown)
        frames = {name: self._held(each) for name, each in trace.inputs.items()}
        matter = self._columns_that_matter(
            trace, frames, wanted, {name: set(frame.columns) for name, frame in frames.items()}
        )
        is_by_rows = not any(matter.values())  # where no column matters, it is the rows that do
        inputs = [self._cell(each, matter[name]) for name, each in trace.inputs.items() if matter[name] or is_by_rows]
        return CellTrace(trace, shown, tuple(inputs))

    def _records(self, table: ContractTable, trace: RowTrace) -> DataFrame:
        """Return the records behind rows, as bronze holds them, lazily."""
        assert trace.records is not None  # noqa: S101 - for the type checker: only levels with records are asked
        bronze = self.records.bronze(table, partitions_of(table, trace.rows))
        return self.recomputation.semi_joined(bronze, trace.records.behind, RECORD)

    def _held(self, trace: RowTrace) -> DataFrame:
        """Return traced rows as the table holds them, lazily."""
        table = trace.table
        if not isinstance(table, ContractTable):
            return self.recomputation.engine.session().createDataFrame(trace.rows)
        if not trace.rows.num_rows:
            return self.recomputation.no_rows(table)
        return self.recomputation.semi_joined(
            self.recomputation.rows(table, partitions_of(table, trace.rows)), trace.rows, key_of(table)
        )

    def _columns_that_matter(
        self,
        trace: RowTrace,
        frames: Mapping[str, DataFrame],
        wanted: set[str],
        candidates: Mapping[str, set[str]],
    ) -> dict[str, set[str]]:
        """Return the columns of each input without which some columns of a table are not what they are."""
        from pyspark.sql import functions as F  # noqa: N812

        table = trace.table
        assert isinstance(table, ContractTable)  # noqa: S101 - for the type checker; others have nothing to compute

        def outcome(inputs: Mapping[str, DataFrame]) -> dict[str, Any]:
            computed = to_contract(table.transform(**self._beginning(table), **inputs), table.terms.contract)
            if is_wide(table):
                computed = self.recomputation.semi_joined(computed, trace.rows, key_of(table))
            measures = [
                measure.alias(f"{number}:{name}")
                for name in sorted(wanted)
                for number, measure in enumerate((F.count(name), F.min(name), F.max(name), F.count_distinct(name)))
            ]
            (found,) = self.recomputation.engine.collect(computed.agg(F.count(F.lit(1)), *measures)).to_pylist()
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

    def _differences(self, trace: RowTrace, column: str | None) -> Iterator[CellDifference]:
        table = trace.table
        assert isinstance(table, ContractTable)  # noqa: S101 - for the type checker; others have nothing to compute
        key = key_of(table)
        made = (
            self.recomputation.derived(table, partitions_of(table, trace.rows)) if trace.not_traceable_reason else None
        )
        made = self._computed(trace) if made is None else made
        computed = self.recomputation.matching(made, trace.rows, key).to_pylist()
        expected = {tuple(row[name] for name in key): row for row in computed}
        for row in trace.rows.to_pylist():
            its = expected.get(tuple(row[name] for name in key))
            named = {name: row[name] for name in key}
            if its is None:
                yield CellDifference(table.full_name, named, None, None, None)
                continue
            for name in [column] if column else row:
                if row[name] != its[name]:
                    yield CellDifference(table.full_name, named, name, row[name], its[name])

    def _computed(self, trace: RowTrace) -> DataFrame:
        """Return the rows of a table computed from the records behind them alone."""
        from pyspark.sql import functions as F  # noqa: N812

        table = trace.table
        if not isinstance(table, ContractTable):
            return self.recomputation.engine.session().createDataFrame(trace.rows)
        if not trace.rows.num_rows:
            return self.recomputation.no_rows(table)
        if trace.not_traceable_reason:
            return self._held(trace)
        if trace.records is not None:
            days = partitions_of(table, trace.rows)
            validated = self.recomputation.validated(table, days, self._records(table, trace), POINTERS)
            return to_contract(validated.where(F.col(OUTCOME) == PUBLISHED), table.terms.contract)
        frames = {name: self._computed(each) for name, each in trace.inputs.items()}
        return to_contract(table.transform(**self._beginning(table), **frames), table.terms.contract)

    def _beginning(self, table: ContractTable) -> dict[str, DataFrame]:
        """Return what a balance begins with, by the parameter of its function: no rows."""
        parameter = self_input(table)
        return {parameter: self.recomputation.no_rows(table)} if parameter else {}

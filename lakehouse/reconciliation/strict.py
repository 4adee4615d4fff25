"""The strict comparison: every partition of silver and gold computed again, and compared row for row.

Belongs here: which partitions have to agree with what, and the sentence for each that does not. How rows are computed
again belongs in ``recompute``. Knows no table by name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lakehouse.catalog.ledger_views import LedgerEntries, LedgerEntry, newest_entries
from lakehouse.catalog.reader import Catalog
from lakehouse.delta.data_files import data_files, present
from lakehouse.delta.model import TableError
from lakehouse.delta.system_tables import LEDGER
from lakehouse.errors import RequestError
from lakehouse.reconciliation.compare import Discrepancy, Reconciliation
from lakehouse.reconciliation.recompute import Difference, Example, Expected, PartitionDigest, Recomputation
from lakehouse.storage.files import table_uri
from lakehouse.tables.calendars import partitions_behind
from lakehouse.tables.declarations import ContractTable
from lakehouse.tables.inputs import reads_of
from lakehouse.text import cell, cleaned

DETAILED = 10
"""Partitions of a table whose rows are compared one by one; of the others only counts and sums are told."""
_NO_ROWS = PartitionDigest()
_COLUMNS_TOLD = 4


def verify(found: Reconciliation, lake: Catalog, recomputation: Recomputation, progress: Callable[[str], None]) -> None:
    """Compute every silver and gold partition again and compare it, row for row, with what the table holds.

    Args:
        found: takes what is found; its damaged tables are left alone.
        lake: the tables as readers see them.
        recomputation: the tables computed again.
        progress: told of each table before it is computed.
    """
    from pyspark.errors import PySparkException

    entries = {} if LEDGER.name in found.damaged else newest_entries(lake)
    tables = [table for table in recomputation.tables.values() if isinstance(table, ContractTable)]
    for place, table in enumerate(tables, start=1):
        if found.damaged & {table.full_name, *table.inputs.values()}:
            continue
        progress(f"computing {table.full_name} again ({place} of {len(tables)})")
        try:
            _TableCheck(found, lake, recomputation, entries, table).run()
        except (PySparkException, TableError) as error:
            sentence = f"cannot be computed again: {cleaned(str(error)).partition(chr(10))[0]}"
            found.discrepancies.append(Discrepancy(table.full_name, None, None, sentence))


@dataclass(frozen=True)
class _TableCheck:
    """The comparison of one table."""

    found: Reconciliation
    lake: Catalog
    recomputation: Recomputation
    entries: LedgerEntries
    table: ContractTable

    def run(self) -> None:
        """Compare every partition that the table has, should have, or was audited."""
        name = self.table.full_name
        entries = self.entries.get(name, {})
        actual, expected = self.recomputation.actual(self.table), self.recomputation.expected(self.table, entries)
        partitions = sorted({*actual, *expected.digests, *entries})
        if not partitions:
            return
        self.found.compared[f"partitions of {name}, computed again"] = len(partitions)
        held = [each for each in partitions if each in entries and entries[each].held]
        wrong = []
        for partition in partitions:
            if partition in held or actual.get(partition, _NO_ROWS) == expected.digests.get(partition, _NO_ROWS):
                continue
            if entries and partition not in entries and partition not in actual:
                self._add_unpublished(partition, expected.digests[partition])
            else:
                wrong.append(partition)
        self.found.discrepancies += self._wrong(wrong, actual, expected)
        self.found.discrepancies += self._held(held, actual)
        self.found.discrepancies += self._tallies(expected, entries)

    def _wrong(
        self, wrong: Sequence[dt.date], actual: Mapping[dt.date, PartitionDigest], expected: Expected
    ) -> Iterator[Discrepancy]:
        differences = self.recomputation.differences(self.table, wrong[:DETAILED]) if wrong else {}
        for partition in wrong:
            difference = differences.get(partition)
            mine, its = actual.get(partition, _NO_ROWS), expected.digests.get(partition, _NO_ROWS)
            said = [_digests_text(mine, its), *_difference_text(difference), *self._likely_causes(partition)]
            files = {example.record[0] for example in difference.examples if example.record} if difference else set()
            file = files.pop() if len(files) == 1 else None
            yield Discrepancy(self.table.full_name, partition, file, "; ".join(said), difference)

    def _likely_causes(self, partition: dt.date) -> Iterator[str]:
        """Return what has happened since a partition was published that may explain the difference."""
        own = self.entries.get(self.table.full_name, {}).get(partition)
        if own is None:
            return
        rules = self.table.terms.rules_version
        if (then := own.counts.get("rules_version")) and then != rules:
            yield f"it was published under rules {then}, which are now {rules}: materialize it again"
        later = [
            f"{name} {each}"
            for name, each in self._behind(partition)
            if (entry := self.entries.get(name, {}).get(each)) and not entry.held
            if entry.recorded_at > own.recorded_at
        ]
        if later:
            yield f"{later[0]} was published later; `lakehouse run` brings it in"

    def _behind(self, partition: dt.date) -> Iterator[tuple[str, dt.date]]:
        """Return the inputs' partitions that feed a partition."""
        own = self.table.partition_column
        for parameter, name in self.table.inputs.items():
            column, reads = self.recomputation.tables[name].partition_column, reads_of(self.table, parameter)
            if name != self.table.full_name:
                behind = partitions_behind(column, own, partition, before=reads.before, after=reads.after)
                yield from ((name, each) for each in behind)

    def _add_unpublished(self, partition: dt.date, expected: PartitionDigest) -> None:
        """Report a partition that should have rows and was never audited, unless that is known or an input is held."""
        name = self.table.full_name
        if any((each.table, each.partition) == (name, partition) for each in self.found.discrepancies):
            return
        held = [
            f"{source} {each}"
            for source, each in self._behind(partition)
            if (entry := self.entries.get(source, {}).get(each)) and entry.held
        ]
        if held:
            self.found.notes.append(f"{name} {partition} waits for {held[0]}, which is held")
            return
        sentence = f"was never published, and {expected.rows:,} rows are expected; `lakehouse run` brings them"
        self.found.discrepancies.append(Discrepancy(name, partition, None, sentence))

    def _held(self, held: Sequence[dt.date], actual: Mapping[dt.date, PartitionDigest]) -> Iterator[Discrepancy]:
        """Compare held partitions with what was last published of them."""
        name = self.table.full_name
        versions: dict[int, list[dt.date]] = {}
        for partition in held:
            version = self.entries[name][partition].version
            if version is None:
                if partition in actual:
                    sentence = f"is held and was never published, but has {actual[partition].rows:,} rows"
                    yield Discrepancy(name, partition, None, sentence)
                continue
            versions.setdefault(version, []).append(partition)
        for version, partitions in versions.items():
            if not self._is_whole(version, partitions):
                self.found.notes.append(
                    f"{name}: version {version} is gone, so {len(partitions)} held partitions are not compared with it"
                )
                continue
            before = self.recomputation.actual(self.table, partitions, version=version)
            for partition in partitions:
                mine, its = actual.get(partition, _NO_ROWS), before.get(partition, _NO_ROWS)
                if mine != its:
                    sentence = f"is held, and not what version {version} published: {_digests_text(mine, its)}"
                    yield Discrepancy(name, partition, None, sentence.replace("computed again", "published then"))

    def _is_whole(self, version: int, partitions: Sequence[dt.date]) -> bool:
        """Whether a version can still be read, as far as some partitions go."""
        from deltalake.exceptions import DeltaError

        name = self.table.full_name
        days = {str(partition) for partition in partitions}
        try:
            opened = replace(self.lake, version=version).open(name)
        except (DeltaError, RequestError):
            return False
        files = [
            file.path
            for file in data_files(opened)
            if not file.partition or days & {value for _, value in file.partition}
        ]
        return len(present(table_uri(self.lake.root, name), files)) == len(files)

    def _tallies(self, expected: Expected, entries: Mapping[dt.date, LedgerEntry]) -> Iterator[Discrepancy]:
        """Compare what became of each received row with the row ledger."""
        for day, count, says, counted in differing_tallies(expected, entries):
            sentence = f"the row ledger says {says:,} {count}, computed again {counted:,}"
            yield Discrepancy(self.table.full_name, day, None, sentence)


def differing_tallies(
    expected: Expected, entries: Mapping[dt.date, LedgerEntry]
) -> Iterator[tuple[dt.date, str, int, int]]:
    """Return where the ledger's count of a day's rows is another than the computed one: day, count, ledger, computed.

    Rows that were never audited are reported by the quick comparisons.
    """
    for day, tally in expected.tallies.items():
        entry = entries.get(day)
        if entry is None or entry.counts["rows_in"] != tally.rows_in:
            continue
        for count in ("rejected", "duplicate", "superseded", "discarded"):
            says, counted = entry.counts.get(count) or 0, getattr(tally, count, 0)
            if says != counted:
                yield day, count, says, counted


def _digests_text(mine: PartitionDigest, its: PartitionDigest) -> str:
    """Return how two digests differ: in rows and in money."""
    said = []
    if mine.rows != its.rows:
        said.append(f"{mine.rows:,} rows, computed again {its.rows:,}")
    for name in {**its.sums, **mine.sums}:
        actual, expected = mine.sums.get(name, 0), its.sums.get(name, 0)
        if actual != expected:
            said.append(f"{name} {actual:,f}, computed again {expected:,f}")
    return ", ".join(said) or f"{mine.rows:,} rows, but not the same as computed again"


def _difference_text(difference: Difference | None) -> Iterator[str]:
    if difference is None:
        return
    counts = {"missing": difference.missing, "extra": difference.extra, "changed": difference.changed}
    yield ", ".join(f"{rows:,} {kind}" for kind, rows in counts.items() if rows)
    for example in difference.examples:
        yield _example_text(example)


def _example_text(example: Example) -> str:
    (_, *named), whole = example.key.items(), example.key.items()  # the partition, which comes first, is told beside
    key = " ".join(f"{name}={cell(value)}" for name, value in named or whole)
    record = f" ({example.record[0]} record {example.record[1]})" if example.record else ""
    said = f"{example.kind} {key}{record}"
    if not example.columns:
        return said
    told = [
        f"{name} is {cell(mine) or 'null'}, computed again {cell(its) or 'null'}"
        for name, (mine, its) in list(example.columns.items())[:_COLUMNS_TOLD]
    ]
    more = len(example.columns) - len(told)
    return f"{said}: {', '.join(told)}{f' and {more} more columns' if more else ''}"

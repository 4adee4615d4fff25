"""The proof behind `lakehouse reconcile --strict`: every partition of silver and gold computed again and compared.

Belongs here: which partitions have to agree with what, and the sentence for each that does not. How rows are computed
again is ``lakehouse.reconciliation.recompute``'s matter. Knows no table by name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lakehouse.catalog.ledger_views import LEDGER, NEWEST_LINES
from lakehouse.catalog.reader import Catalog
from lakehouse.delta.data_files import data_files, present
from lakehouse.delta.model import TableError
from lakehouse.errors import RequestError
from lakehouse.reconciliation.compare import Imbalance, Reconciliation
from lakehouse.reconciliation.recompute import Content, Difference, Due, Example, Recomputation
from lakehouse.storage.files import table_uri
from lakehouse.tables.calendars import partitions_behind
from lakehouse.tables.declarations import ContractTable
from lakehouse.tables.inputs import reads_of
from lakehouse.text import cell, cleaned

DETAILED = 10
"""Partitions of a table whose rows are compared one by one; of the others only counts and sums are told."""
_NOTHING = Content()
_COLUMNS_TOLD = 4

_LINES = f"""
    WITH published AS (
        SELECT table_name, business_date, arg_max(delta_version, recorded_at) AS version,
            max(recorded_at) AS published_at
        FROM system.row_ledger WHERE verdict <> 'held' GROUP BY ALL
    )
    SELECT newest.*, version, published_at
    FROM ({NEWEST_LINES}) AS newest LEFT JOIN published USING (table_name, business_date)
"""  # noqa: S608 - a constant


@dataclass(frozen=True)
class Line:
    """The newest line of the row ledger about a partition.

    Attributes:
        version: the table's version in which it was last published, and ``published_at`` when; None if never.
        counts: the line itself.
    """

    held: bool
    recorded_at: dt.datetime
    version: int | None
    published_at: dt.datetime | None
    counts: Mapping[str, Any]


Lines = dict[str, dict[dt.date, Line]]
"""The newest lines, by table and partition."""


def prove(found: Reconciliation, lake: Catalog, again: Recomputation, tell: Callable[[str], None]) -> None:
    """Compute every silver and gold partition again and compare it, row for row, with what the table holds.

    Args:
        found: takes what is found; its damaged tables are left alone.
        lake: the tables as readers see them.
        again: the tables computed again.
        tell: told of each table before it is computed.
    """
    from pyspark.errors import PySparkException

    lines = newest_lines(lake, found.damaged)
    tables = [table for table in again.tables.values() if isinstance(table, ContractTable)]
    for place, table in enumerate(tables, start=1):
        if found.damaged & {table.full_name, *table.inputs.values()}:
            continue
        tell(f"computing {table.full_name} again ({place} of {len(tables)})")
        try:
            _Proof(found, lake, again, lines, table).run()
        except (PySparkException, TableError) as error:
            sentence = f"cannot be computed again: {cleaned(str(error)).partition(chr(10))[0]}"
            found.imbalances.append(Imbalance(table.full_name, None, None, sentence))


def newest_lines(lake: Catalog, damaged: Collection[str] = ()) -> Lines:
    """Return what the row ledger says now of every partition; nothing where it is not there or damaged."""
    found: Lines = {}
    if LEDGER in damaged or LEDGER not in lake.names():
        return found
    for row in lake.rows(_LINES):
        line = Line(row["verdict"] == "held", row["recorded_at"], row["version"], row["published_at"], row)
        found.setdefault(row["table_name"], {})[row["business_date"]] = line
    return found


@dataclass(frozen=True)
class _Proof:
    """The comparison of one table."""

    found: Reconciliation
    lake: Catalog
    again: Recomputation
    lines: Lines
    table: ContractTable

    def run(self) -> None:
        """Compare every partition that the table has, should have, or was judged."""
        name = self.table.full_name
        judged = self.lines.get(name, {})
        there, due = self.again.there(self.table), self.again.due(self.table, judged)
        partitions = sorted({*there, *due.contents, *judged})
        if not partitions:
            return
        self.found.compared[f"partitions of {name}, computed again"] = len(partitions)
        held = [each for each in partitions if each in judged and judged[each].held]
        wrong = []
        for partition in partitions:
            if partition in held or there.get(partition, _NOTHING) == due.contents.get(partition, _NOTHING):
                continue
            if judged and partition not in judged and partition not in there:
                self._take_unpublished(partition, due.contents[partition])
            else:
                wrong.append(partition)
        self.found.imbalances += self._wrong(wrong, there, due)
        self.found.imbalances += self._held(held, there)
        self.found.imbalances += self._tallies(due, judged)

    def _wrong(self, wrong: Sequence[dt.date], there: Mapping[dt.date, Content], due: Due) -> Iterator[Imbalance]:
        differences = self.again.differences(self.table, wrong[:DETAILED]) if wrong else {}
        for partition in wrong:
            difference = differences.get(partition)
            mine, its = there.get(partition, _NOTHING), due.contents.get(partition, _NOTHING)
            said = [_contents_text(mine, its), *_difference_text(difference), *self._excuses(partition)]
            files = {example.record[0] for example in difference.examples if example.record} if difference else set()
            file = files.pop() if len(files) == 1 else None
            yield Imbalance(self.table.full_name, partition, file, "; ".join(said), difference)

    def _excuses(self, partition: dt.date) -> Iterator[str]:
        """Say what has happened since a partition was published that may be all that is wrong with it."""
        own = self.lines.get(self.table.full_name, {}).get(partition)
        if own is None:
            return
        rules = self.table.terms.rules_version
        if (then := own.counts.get("rules_version")) and then != rules:
            yield f"it was published under rules {then}, which are now {rules}: materialize it again"
        later = [
            f"{name} {each}"
            for name, each in self._behind(partition)
            if (line := self.lines.get(name, {}).get(each)) and not line.held
            if line.recorded_at > own.recorded_at
        ]
        if later:
            yield f"{later[0]} was published later; `lakehouse run` brings it in"

    def _behind(self, partition: dt.date) -> Iterator[tuple[str, dt.date]]:
        """Return the inputs' partitions that feed a partition."""
        own = self.table.partition_column
        for parameter, name in self.table.inputs.items():
            column, reads = self.again.tables[name].partition_column, reads_of(self.table, parameter)
            if name != self.table.full_name:
                behind = partitions_behind(column, own, partition, before=reads.before, after=reads.after)
                yield from ((name, each) for each in behind)

    def _take_unpublished(self, partition: dt.date, due: Content) -> None:
        """Tell of a partition that should have rows and was never judged, unless that is known or an input is held."""
        name = self.table.full_name
        if any((each.table, each.partition) == (name, partition) for each in self.found.imbalances):
            return
        held = [
            f"{source} {each}"
            for source, each in self._behind(partition)
            if (line := self.lines.get(source, {}).get(each)) and line.held
        ]
        if held:
            self.found.notes.append(f"{name} {partition} waits for {held[0]}, which is held")
            return
        sentence = f"was never published, and {due.rows:,} rows are due; `lakehouse run` brings them"
        self.found.imbalances.append(Imbalance(name, partition, None, sentence))

    def _held(self, held: Sequence[dt.date], there: Mapping[dt.date, Content]) -> Iterator[Imbalance]:
        """Compare held partitions with what was last published of them."""
        name = self.table.full_name
        versions: dict[int, list[dt.date]] = {}
        for partition in held:
            version = self.lines[name][partition].version
            if version is None:
                if partition in there:
                    sentence = f"is held and was never published, but has {there[partition].rows:,} rows"
                    yield Imbalance(name, partition, None, sentence)
                continue
            versions.setdefault(version, []).append(partition)
        for version, partitions in versions.items():
            if not self._is_whole(version, partitions):
                self.found.notes.append(
                    f"{name}: version {version} is gone, so {len(partitions)} held partitions are not compared with it"
                )
                continue
            before = self.again.there(self.table, partitions, version=version)
            for partition in partitions:
                mine, its = there.get(partition, _NOTHING), before.get(partition, _NOTHING)
                if mine != its:
                    sentence = f"is held, and not what version {version} published: {_contents_text(mine, its)}"
                    yield Imbalance(name, partition, None, sentence.replace("computed again", "published then"))

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

    def _tallies(self, due: Due, judged: Mapping[dt.date, Line]) -> Iterator[Imbalance]:
        """Compare what became of each received row with the row ledger."""
        for day, count, says, counted in tallies_that_differ(due, judged):
            sentence = f"the row ledger says {says:,} {count}, computed again {counted:,}"
            yield Imbalance(self.table.full_name, day, None, sentence)


def tallies_that_differ(due: Due, judged: Mapping[dt.date, Line]) -> Iterator[tuple[dt.date, str, int, int]]:
    """Return the days of whose received rows the ledger says other than is computed: of what, how many, and how many.

    Rows that nobody has judged yet are told of by the quick comparisons.
    """
    for day, tally in due.tallies.items():
        line = judged.get(day)
        if line is None or line.counts["rows_in"] != tally.rows_in:
            continue
        for count in ("rejected", "duplicate", "superseded", "discarded"):
            says, counted = line.counts.get(count) or 0, getattr(tally, count, 0)
            if says != counted:
                yield day, count, says, counted


def _contents_text(mine: Content, its: Content) -> str:
    """Say how two contents differ: in rows and in money."""
    said = []
    if mine.rows != its.rows:
        said.append(f"{mine.rows:,} rows, computed again {its.rows:,}")
    for name in {**its.sums, **mine.sums}:
        here, due = mine.sums.get(name, 0), its.sums.get(name, 0)
        if here != due:
            said.append(f"{name} {here:,f}, computed again {due:,f}")
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

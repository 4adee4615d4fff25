"""Publication: audit, then commit. The one order in which a table's days become readable.

Belongs here: stream through the audit into the commit, publish the good days where others are held, then write the
quarantine and the ledger. Days are published in slices of bounded size.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse import clock
from lakehouse.contracts.contract import columns_of
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.delta.predicates import Predicate, date_ranges
from lakehouse.delta.system_tables import LEDGER, QUARANTINE
from lakehouse.publication.audit import Audit, DayTally, HeldError
from lakehouse.publication.current_rows import current_rows
from lakehouse.publication.digests import digests
from lakehouse.publication.earlier_figures import earlier_figures
from lakehouse.publication.ledger import ledger_lines
from lakehouse.publication.validation import judge_derived, judge_received
from lakehouse.quarantine.decisions import ActiveDecisions, Decision, RecordId, active_decisions, apply_decisions
from lakehouse.quarantine.table import PublicationContext, quarantine_rows, with_history

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lakehouse.engines.base import Engine

AFFECTED = "affected"
"""In the metadata of a commit: the partitions that are to be reported because of it, as spans of first and last."""
SLICE_ROWS = 1_200_000
"""Rows that one commit takes at most, unless a single day has more: it bounds the memory of sorting and writing."""


@dataclass(frozen=True)
class Waived:
    """Why a day would be held, and who decided that it is published all the same."""

    held_for: str
    by: str
    why: str


@dataclass
class Publication:
    """What a write came to.

    Attributes:
        tallies: what became of the rows, by partition.
        held: the partitions that were not published, and why.
        version: the table's newest version, None if nothing was committed.
        rejected: the quarantined rows of this write.
        waived: the partitions that are published because somebody released them.
        rewritten: the partitions whose quarantine was written.
        affected: days of other tables that must be restated, of a dimension with history.
        unchanged: the partitions of which there are the rows that there ought to be; nothing was written of them.
        rows: how many rows there are of partitions that are not in ``tallies``.
    """

    tallies: dict[dt.date, DayTally] = field(default_factory=dict)
    held: dict[dt.date, str] = field(default_factory=dict)
    version: int | None = None
    rejected: list[pa.Table] = field(default_factory=list)
    waived: dict[dt.date, Waived] = field(default_factory=dict)
    rewritten: set[dt.date] = field(default_factory=set)
    affected: list[dt.date] = field(default_factory=list)
    unchanged: set[dt.date] = field(default_factory=set)
    rows: dict[dt.date, int] = field(default_factory=dict)

    @property
    def published(self) -> list[dt.date]:
        """The partitions that were published."""
        return [day for day in self.tallies if day not in self.held]

    def extend(self, later: Publication) -> None:
        """Add what a later part of the same write came to, about other partitions or the same."""
        self.tallies |= later.tallies
        self.held |= later.held
        self.version = self.version if later.version is None else later.version
        self.affected = sorted({*self.affected, *later.affected})
        self.unchanged |= later.unchanged
        self.rows |= later.rows


Report = Callable[[str], None]


def publish_received(
    engine: Engine,
    terms: TableSpec,
    transform: Callable[[DataFrame], DataFrame],
    bronze: DataFrame,
    days: Sequence[dt.date],
    *,
    run_id: str,
    report: Report = lambda _: None,
) -> Publication:
    """Judge bronze's rows of some days and publish the days that may be, with their quarantine and ledger.

    Args:
        engine: where the tables are.
        terms: the table, its contract and policy.
        transform: the table's own function, from bronze rows to the contract's columns.
        bronze: bronze rows of those days, all file versions.
        days: the partitions to replace; a day without rows is published empty.
        run_id: kept with every commit and ledger line.
        report: told of each slice, in a sentence.
    """
    result = Publication()
    for judged in judged_days(engine, terms, transform, bronze, days, report=report):
        part = list(judged.tallies)
        audit = _audit(engine, terms, judged.tallies)
        _audited_commit(engine, terms, judged.frame, part, audit, result, run_id)
        rejected = quarantine_rows(terms.name, audit.rejected, audit.reasons(), terms.contract)
        _count_replayed(judged, rejected)
        _note_waived(judged, terms.policy, result)
        context = PublicationContext(judged.versions, judged.decisions, terms.rules_version, clock.now())
        result.rewritten |= _write_quarantine(engine, terms.name, rejected, part, context, run_id)
        write_ledger(engine, terms, audit.tallies, result, run_id)
        result.rejected.append(rejected)
        report(_sentence(terms.name, part, audit))
    return result


@dataclass(frozen=True)
class JudgedDays:
    """Judged rows of some days, and a tally for each day that already knows all but what its own rows come to.

    Attributes:
        versions: the file versions that count: day, file, source version.
        decisions: the active ones about these days; ``fixed`` names the records that carry a fix.
    """

    frame: DataFrame
    tallies: dict[dt.date, DayTally]
    versions: frozenset[tuple[dt.date, str, str]]
    decisions: ActiveDecisions
    fixed: frozenset[RecordId]


def judged_days(
    engine: Engine,
    terms: TableSpec,
    transform: Callable[[DataFrame], DataFrame],
    bronze: DataFrame,
    days: Sequence[dt.date],
    *,
    carried: Sequence[str] = (),
    report: Report = lambda _: None,
    proposed: Sequence[Decision] = (),
) -> Iterator[JudgedDays]:
    """Judge bronze's rows of some days, all file versions, in slices of bounded size; nothing is written.

    Every publication starts from this, and so does whoever computes again what one should have come to. ``carried``
    is for the latter (see ``judge_received``), and so are ``proposed`` decisions, which nobody has taken yet.
    """
    once = functools.cache(report)  # every slice says the same of a rule that is not evaluated
    current = current_rows(engine, bronze, days)
    decisions = active_decisions(engine, terms.name, days).followed_by(proposed)
    sources = [column.source for column in columns_of(terms.contract) if column.source]
    applied = apply_decisions(engine, current.frame, decisions, sources)
    for record_id in applied.discarded:
        current.tallies[record_id.business_date].discarded += 1
    for day, newest in current.newest.items():
        if release := decisions.release(day, newest, terms.rules_version):
            current.tallies[day].released = f"released by {release.decided_by}: {release.reason}"
            current.tallies[day].released_empty = release.would_publish == 0
    for part in slices({day: tally.rows_in or 0 for day, tally in current.tallies.items()}):
        frame = judge_received(
            _only(applied.frame, part, "business_date"),
            transform,
            terms.contract,
            terms.policy,
            tables=engine.read,
            carried=carried,
            report=once,
        )
        tallies = {day: current.tallies[day] for day in part}
        yield JudgedDays(frame, tallies, current.contents, decisions, applied.fixed)


def publish_derived(
    engine: Engine,
    terms: TableSpec,
    frame: DataFrame,
    partitions: Sequence[dt.date],
    *,
    run_id: str,
    report: Report = lambda _: None,
) -> Publication:
    """Publish the changed partitions of a table made from other tables, in one commit.

    A partition with a row that a rule rejects is held.
    """
    result = Publication()
    same = _unchanged(engine, terms, frame, partitions)
    result.unchanged = set(same)
    result.rows = {day: tally.published for day, tally in same.items()}
    partitions = [day for day in partitions if day not in same]
    if partitions:
        audit = _audit(engine, terms, {day: DayTally() for day in partitions}, strict=True)
        if same:
            frame = _only(frame, partitions, terms.partition_column)
        judged = judge_derived(frame, terms.contract, key=terms.policy.key, tables=engine.read, report=report)
        _audited_commit(engine, terms, judged, partitions, audit, result, run_id)
    # A partition that was held, and whose rows are again those published before, is held no more.
    write_ledger(engine, terms, {**result.tallies, **same}, result, run_id)
    return result


def _unchanged(
    engine: Engine, terms: TableSpec, frame: DataFrame, partitions: Sequence[dt.date]
) -> dict[dt.date, DayTally]:
    """Return the partitions of which a frame has exactly the rows that are there, or none where none are."""
    column, wanted = terms.partition_column, set(partitions)
    there = [day for day in engine.dates(terms.name, column) if day in wanted]
    if not there:
        return {}
    before = digests(engine, engine.read(terms.name, Predicate(column, tuple(there))), terms.contract, column)
    after = digests(engine, _only(frame, partitions, column), terms.contract, column)
    return {
        day: DayTally(published=before.get(day, (0, 0))[0]) for day in partitions if before.get(day) == after.get(day)
    }


def spans(days: Iterable[dt.date]) -> str:
    """Return days as text, each run of days as one span: ``2010-12-01..2010-12-24 2011-01-04..2011-01-04``."""
    return " ".join(f"{first}..{last}" for first, last in date_ranges(days))


def unreported(engine: Engine, table: str, since: int | None) -> list[dt.date]:
    """Return the partitions affected by a table's commits after a version, or by all of them.

    A run may have committed and died before it could report them; what it would have said is kept with its commit.
    """
    found: set[dt.date] = set()
    newest = engine.version(table)
    if newest is None or newest == since:
        return []
    if since is not None and since > newest:  # the table was dropped and written again
        since = None
    for commit in engine.history(table, None if since is None else newest - since):
        for span in commit.metadata.get(AFFECTED, "").split():
            first, last = (dt.date.fromisoformat(day) for day in span.split(".."))
            found.update(first + dt.timedelta(days=day) for day in range((last - first).days + 1))
    return sorted(found)


def _audit(engine: Engine, terms: TableSpec, tallies: Mapping[dt.date, DayTally], *, strict: bool = False) -> Audit:
    earlier = earlier_figures(engine, terms.name, terms.partition_column, terms.contract, list(tallies))
    return Audit(terms.partition_column, tallies, terms.policy, contract=terms.contract, earlier=earlier, strict=strict)


def _audited_commit(
    engine: Engine,
    terms: TableSpec,
    judged: DataFrame,
    days: Sequence[dt.date],
    audit: Audit,
    result: Publication,
    run_id: str,
) -> None:
    """Commit the days that pass, in one commit; where some are held, in a second pass without them."""
    column = terms.partition_column

    def metadata(published: Sequence[dt.date]) -> dict[str, str]:
        return {"run_id": run_id, "rules_version": terms.rules_version, AFFECTED: spans(published)}

    try:
        result.version = engine.publish(
            terms.layout, judged, Predicate(column, tuple(days)), gate=audit, metadata=metadata(days)
        )
    except HeldError as held:
        good = [day for day in days if day not in held.days]
        if good:
            known = {day: audit.tallies[day] for day in good}
            tallies = {
                day: DayTally(released=tally.released, released_empty=tally.released_empty)
                for day, tally in known.items()
            }
            again = Audit(column, tallies, terms.policy)
            result.version = engine.publish(
                terms.layout,
                _only(judged, good, column),
                Predicate(column, tuple(good)),
                gate=again,
                metadata=metadata(good),
            )
    result.tallies.update(audit.tallies)
    result.held.update(audit.reasons())


def _count_replayed(judged: JudgedDays, rejected: pa.Table) -> None:
    """Count the rows that carry a fix and are not rejected."""
    if not judged.fixed:
        return
    places = rejected.select(list(RecordId._fields)).to_pylist()
    for place in judged.fixed.difference(RecordId.of(row) for row in places):
        if place.business_date in judged.tallies:
            judged.tallies[place.business_date].replayed += 1


def _note_waived(judged: JudgedDays, policy: Policy, result: Publication) -> None:
    """Note the days that a release publishes, and drop releases that are not needed."""
    for day, tally in judged.tallies.items():
        held_for = tally.worth_a_look(policy)
        if tally.released and held_for and day not in result.held:
            decision = judged.decisions.releases[day]
            result.waived[day] = Waived(held_for, decision.decided_by, decision.reason)
        else:
            tally.released = None


def _write_quarantine(
    engine: Engine, table: str, rejected: pa.Table, days: Sequence[dt.date], context: PublicationContext, run_id: str
) -> set[dt.date]:
    """Write the partitions' quarantine, open rows and closed ones; return the days that have any."""
    where = Predicate("business_date", tuple(days), equals=(("table_name", table),))
    is_there = engine.version(QUARANTINE.name) is not None
    before = engine.collect(engine.read(QUARANTINE.name, where)) if is_there else QUARANTINE.schema.empty_table()
    rows = with_history(rejected, before, context)
    if rows is None:
        return set()
    engine.publish(QUARANTINE, rows, where, metadata={"run_id": run_id})
    return set(rows.column("business_date").to_pylist())


def write_ledger(
    engine: Engine, terms: TableSpec, tallies: Mapping[dt.date, DayTally], result: Publication, run_id: str
) -> None:
    """Write a line for each partition that has a tally; the version is the newest where nothing was committed."""
    lines = ledger_lines(
        terms.name,
        tallies,
        result.held,
        run_id=run_id,
        recorded_at=clock.now(),
        version=engine.version(terms.name) if result.version is None else result.version,
        rules_version=terms.rules_version,
    )
    engine.append(LEDGER, lines, metadata={"run_id": run_id})


def slices(sizes: Mapping[dt.date, int]) -> Iterator[list[dt.date]]:
    """Split partitions, in their order, so that what is published at once is bounded.

    Args:
        sizes: how many rows each has, or about that.
    """
    part: list[dt.date] = []
    rows = 0
    for day in sorted(sizes):
        if part and rows + sizes[day] > SLICE_ROWS:
            yield part
            part, rows = [], 0
        part.append(day)
        rows += sizes[day]
    if part:
        yield part


def _only(frame: DataFrame, days: Sequence[dt.date], column: str) -> DataFrame:
    return frame.where(Predicate(column, tuple(days)).column())


def _sentence(table: str, days: Sequence[dt.date], audit: Audit) -> str:
    held = audit.reasons()
    published = sum(tally.published for day, tally in audit.tallies.items() if day not in held)
    rejected = sum(tally.rejected for tally in audit.tallies.values())
    span = str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"{table} {span}: {published:,} rows published, {rejected:,} rejected, {len(held)} of {len(days)} days held"

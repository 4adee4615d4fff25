"""The steward's side of a lakehouse: rejected rows and held days, and every decision about them.

Belongs here: what is refused before a decision is taken, and which days are computed again for it. How rows are
selected, validated and explained is in the modules beside this one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from lakehouse.catalog.ledger_views import NEWEST_LINES, HeldDay, held_days
from lakehouse.corrections.columns import every_received_column, rejecting_table
from lakehouse.corrections.rows import (
    QuarantinedRow,
    RowCount,
    Selection,
    closed_since,
    count_rows,
    date_of,
    select_rows,
)
from lakehouse.errors import RequestError
from lakehouse.quarantine.decisions import DISCARD, RELEASE, Decision, RecordId, record_decisions

if TYPE_CHECKING:
    from lakehouse.catalog.reader import Catalog
    from lakehouse.corrections.explanation import Explanation
    from lakehouse.corrections.fixes import Correction, Fix, Values
    from lakehouse.engines.base import Engine
    from lakehouse.orchestration.local_runner import LocalRunner
    from lakehouse.orchestration.runner import Progress, RunReport
    from lakehouse.tables.declarations import ContractTable, Table

    Watch = Callable[[Progress], None]


class _Lakehouse(Protocol):
    """What is needed of a lakehouse."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def tables(self) -> Mapping[str, Table]: ...
    @property
    def runner(self) -> LocalRunner: ...


@dataclass(frozen=True)
class FixResult:
    """Requested corrections with what would become of their rows, and how many of them are kept."""

    corrections: tuple[Correction, ...]
    kept: int


@dataclass(frozen=True)
class ReplayResult:
    """What became of open rows when their days were computed again.

    Attributes:
        considered: how many open rows were looked at.
        partitions: the partitions that were computed again, by table.
        closed: how many rows were closed meanwhile, by their new status.
        held: which of these partitions are held.
        report: the runs; None where nothing had to be computed.
    """

    considered: int
    partitions: Mapping[str, Collection[str]] = field(default_factory=dict)
    closed: Mapping[str, int] = field(default_factory=dict)
    held: tuple[HeldDay, ...] = ()
    report: RunReport | None = None


@dataclass(frozen=True)
class ReleaseResult:
    """What became of a held day that somebody released.

    Attributes:
        held: why it is still held; None where it is published.
    """

    decision: Decision
    held: HeldDay | None
    report: RunReport


class Quarantine:
    """The rejected rows of a lakehouse, and what people decide about them.

    Landing files and bronze are never edited. Safe from any thread; what computes days again runs alone.
    """

    def __init__(self, lake: _Lakehouse) -> None:
        """Take the lakehouse."""
        self._lake = lake

    def count(self, selection: Selection | None = None) -> list[RowCount]:
        """Count rejected rows by table, day and rule; a row that broke two rules is counted under both.

        Raises:
            RequestError: the selection cannot be understood, or the lake is empty.
        """
        return count_rows(self._lake.catalog, selection or Selection())

    def rows(self, selection: Selection | None = None) -> list[QuarantinedRow]:
        """Return rejected rows, the open ones unless the selection says otherwise.

        Raises:
            RequestError: the selection cannot be understood, an id names no row, or the lake is empty.
        """
        chosen = selection or Selection()
        if chosen.where is not None and not chosen.sources:
            chosen = replace(chosen, sources=every_received_column(self._lake.tables))
        return select_rows(self._lake.catalog, chosen)

    def explain(self, row_id: str) -> Explanation:
        """Return why a record was rejected: what was received, what each rule demands, what was decided so far.

        Raises:
            RequestError: no row has the id.
        """
        from lakehouse.corrections.explanation import explain

        (row,) = self.rows(Selection(ids=[row_id], status="all"))
        return explain(self._lake.catalog, self._table(row.table_name), row)

    def fix(self, selection: Selection, values: Values, *, reason: str, by: str, dry_run: bool = False) -> FixResult:
        """Correct the selected rows, for a replay to publish them.

        Each is validated by the contract as it is now. Only corrections after which their row would pass are kept.

        Args:
            selection: which open rows.
            values: new text by column, named as received or as in the contract; None takes the value away.
            reason: why; it is kept.
            by: who decides; it is kept.
            dry_run: keep nothing.

        Raises:
            RequestError: no row is meant, a column is unknown, or a record cannot be fixed that way.
        """
        _refuse_anonymous(reason, by)
        return self._fix([(row, values) for row in self._selected(selection)], reason, by, dry_run=dry_run)

    def fix_each(self, fixes: Sequence[Fix], *, reason: str, by: str, dry_run: bool = False) -> FixResult:
        """Correct open rows, each with values of its own; otherwise as ``fix``.

        Raises:
            RequestError: a fix names no open row, a column is unknown, or a record cannot be fixed that way.
        """
        from lakehouse.corrections.fixes import match_fixes

        _refuse_anonymous(reason, by)
        requested = match_fixes(fixes, self.rows())
        if not requested:
            raise _no_row()
        return self._fix(requested, reason, by, dry_run=dry_run)

    def discard(
        self,
        selection: Selection,
        *,
        reason: str,
        by: str,
        progress: Watch = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> ReplayResult:
        """Leave open rows out for good and compute their days again. The ledger counts them, and bronze keeps them.

        Raises:
            RequestError: no row is meant.
            BusyError: another process runs this lakehouse.
        """
        _refuse_anonymous(reason, by)
        rows = self._selected(selection)
        decisions = [Decision(DISCARD, row.table_name, row.record_id, reason, by) for row in rows]
        from lakehouse.corrections.replay import days_of

        with self._lake.runner.exclusively():
            return self._recompute(
                len(rows), days_of(rows), lambda: record_decisions(self._lake.engine, decisions), progress, should_stop
            )

    def replay(
        self,
        selection: Selection | None = None,
        *,
        progress: Watch = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> ReplayResult:
        """Publish the open rows that pass by now: fixed ones, and those that a changed contract lets pass.

        Their days are computed again from bronze and all decisions, and what follows from them. A day in which no open
        row would pass is left alone, so that a second replay changes nothing. An interrupted one is completed.

        Raises:
            RequestError: the selection cannot be understood.
            BusyError: another process runs this lakehouse.
        """
        rows, runner = self.rows(replace(selection or Selection(), status="open")), self._lake.runner
        if not rows and not runner.pending():
            return ReplayResult(0)
        from lakehouse.corrections.replay import days_of, replayable

        with runner.exclusively():
            partitions = days_of(replayable(self._lake.engine, self._lake.tables, rows))
            for table, days in runner.pending().items():
                partitions[table] = sorted({*partitions.get(table, ()), *days})
            if not partitions:
                return ReplayResult(len(rows))
            return self._recompute(len(rows), partitions, lambda: None, progress, should_stop)

    def release(
        self,
        table: str,
        day: dt.date | str,
        *,
        reason: str,
        by: str,
        progress: Watch = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> ReleaseResult:
        """Publish a held day as it is. Its bad rows stay in the quarantine.

        The decision lapses as soon as anything new arrives for the day, or the table's rules change. A day that does
        not add up, or in which keys repeat, is never released.

        Raises:
            RequestError: the day is not held, or more has arrived for it since.
            BusyError: another process runs this lakehouse.
        """
        _refuse_anonymous(reason, by)
        business_date, declared, lake = date_of(day), self._table(table), self._lake
        if self._held(table, business_date) is None:
            raise RequestError(f"{table} {business_date} is not held, so that there is nothing to release")
        with lake.runner.exclusively():
            decision = self._release_of(declared, business_date, reason, by)
            report = lake.runner.backfill(
                {table: [business_date.isoformat()]},
                decide=lambda: record_decisions(lake.engine, [decision]),
                progress=progress,
                should_stop=should_stop,
            )
        return ReleaseResult(decision, self._held(table, business_date), report)

    def _table(self, name: str) -> ContractTable:
        return rejecting_table(self._lake.tables, name)

    def _selected(self, selection: Selection) -> list[QuarantinedRow]:
        """Return the open rows that a decision is about."""
        if selection.is_everything:
            raise RequestError("nothing says which rows are meant", hint="name an id, condition, rule, day or table")
        rows = self.rows(replace(selection, status="open"))
        if not rows:
            raise _no_row()
        return rows

    def _fix(
        self, requested: Sequence[tuple[QuarantinedRow, Values]], reason: str, by: str, *, dry_run: bool
    ) -> FixResult:
        from lakehouse.corrections.fixes import corrections_of

        engine = self._lake.engine
        corrections = corrections_of(engine, self._lake.tables, requested, reason, by)
        passing = [each.decision for each in corrections if each.passes]
        if passing and not dry_run:
            record_decisions(engine, passing)
        return FixResult(tuple(corrections), 0 if dry_run else len(passing))

    def _recompute(
        self,
        considered: int,
        partitions: Mapping[str, Collection[str]],
        decide: Callable[[], None],
        progress: Watch,
        should_stop: Callable[[], bool],
    ) -> ReplayResult:
        """Compute partitions again and return what became of their rows."""
        begun = dt.datetime.now(tz=dt.UTC)
        report = self._lake.runner.backfill(partitions, decide=decide, progress=progress, should_stop=should_stop)
        catalog = self._lake.catalog
        held = [each for each in held_days(catalog) if str(each.business_date) in partitions.get(each.table, ())]
        return ReplayResult(considered, partitions, closed_since(catalog, begun), tuple(held), report)

    def _held(self, table: str, day: dt.date) -> HeldDay | None:
        held = held_days(self._lake.catalog)
        return next((each for each in held if (each.table, each.business_date) == (table, day)), None)

    def _release_of(self, table: ContractTable, day: dt.date, reason: str, by: str) -> Decision:
        """Return the release of what the newest audit of a held day has seen, and of nothing that came later."""
        name, catalog, (bronze,) = table.full_name, self._lake.catalog, table.inputs.values()
        audits = catalog.rows(f"FROM ({NEWEST_LINES}) WHERE table_name = ? AND business_date = ?", [name, day])
        if [audit["verdict"] for audit in audits] != ["held"]:
            raise RequestError(f"{name} {day} is no longer held, so that there is nothing to release")
        (audit,) = audits
        (batches,) = catalog.rows(
            f"""
            SELECT max(batch_id) FILTER (ingestion_timestamp <= ?) AS seen, max(batch_id) AS newest
            FROM {bronze} WHERE business_date = ?
            """,  # noqa: S608 - a table's name
            [audit["recorded_at"], day],
        )
        if batches["seen"] != batches["newest"]:
            raise RequestError(
                f"more has arrived for {name} {day} since it was held",
                hint="let `lakehouse run` validate it, and look again",
            )
        return Decision(
            RELEASE,
            name,
            RecordId(day, "", "", None),
            reason,
            by,
            batch_id=batches["seen"],
            rules_version=audit.get("rules_version") or table.terms.rules_version,
            would_publish=audit["published"],
        )


def _refuse_anonymous(reason: str, by: str) -> None:
    """Refuse a decision that nobody takes, or for no reason."""
    if not reason.strip():
        raise RequestError("a decision needs a reason", hint="say why in a sentence; it is kept with the decision")
    if not by.strip():
        raise RequestError("a decision needs somebody who takes it", hint="say who; it is kept with the decision")


def _no_row() -> RequestError:
    return RequestError("no open row is meant by that", hint="`lakehouse quarantine show` lists them")

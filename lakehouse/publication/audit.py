"""The audit: what a stream of judged rows says about each day, and whether the day may be published.

Belongs here: counting outcomes on the way to the commit, and the verdict. Nothing here reads or writes a table; the
order of verdict, commit, quarantine and ledger is ``publication``'s matter.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import day_rules_of
from lakehouse.contracts.partition_rules import Figures, trailing
from lakehouse.contracts.row_outcome import DIGEST, DUPLICATE, KEY, OUTCOME, PUBLISHED, REFUSED, REJECTED, RULES, WARNED
from lakehouse.contracts.rule_compiler import every_rule

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lakehouse.contracts.contract import Contract
    from lakehouse.contracts.policy import Policy

_JUDGEMENT = (OUTCOME, RULES, WARNED, REJECTED, DIGEST, *KEY)
_ROWS, _DISTINCT, _RULE, _HOUR, _SUM = "count_all", "distinct", "_rule", "_hour_", "_sum_"


class HeldError(Exception):
    """Some days of a write must not be published; raised before the commit, so nothing is committed."""

    def __init__(self, days: tuple[dt.date, ...]) -> None:
        """Take the days."""
        super().__init__(f"held: {', '.join(map(str, days))}")
        self.days = days


@dataclass
class DayTally:
    """What became of the rows of one partition.

    Attributes:
        rows_in: rows of the input, counted apart from the judged stream; None where the table derives its rows.
        superseded: rows of file versions that a newer version has replaced.
        discarded: rows that somebody decided to leave out.
        late: rows of the input that landed after the day they are about.
        replayed: rows that carry a fix and are not rejected any more.
        rules: rejected rows by rule; a row counts once for each rule it broke.
        warned: published rows by rule that warns, likewise; a day rule that warns counts once.
        findings: what day rules found wrong, by their name, in words.
        holding: rules that hold the day: broken rules about rows and findings, each in words.
        released: who decided to publish the day whatever share of it is rejected, and why; None where nobody did.
        released_empty: that was decided of a day of which no row is published.
    """

    rows_in: int | None = None
    superseded: int = 0
    discarded: int = 0
    late: int = 0
    replayed: int = 0
    published: int = 0
    duplicate: int = 0
    rejected: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)
    findings: dict[str, str] = field(default_factory=dict)
    holding: dict[str, str] = field(default_factory=dict)
    repeated_keys: int = 0
    released: str | None = None
    released_empty: bool = False

    def reason_to_hold(self, policy: Policy) -> str | None:
        """Return why the day must be held, in one sentence, or None if it may be published."""
        is_released = self.released and (self.published or self.released_empty)
        return self.defect(policy) or (None if is_released else self.worth_a_look(policy))

    def defect(self, policy: Policy) -> str | None:
        """Return what nobody can wave through, or None."""
        if self.rows_in is not None:
            accounted = self.published + self.rejected + self.duplicate + self.superseded + self.discarded
            if accounted != self.rows_in:
                return f"the row ledger does not balance: {self.rows_in} rows in, {accounted} accounted for"
        if self.repeated_keys:
            return f"{self.repeated_keys} keys ({', '.join(policy.key)}) occur more than once"
        return None

    def worth_a_look(self, policy: Policy) -> str | None:
        """Return why somebody should look at the day before it is published, or None; a release waves it through."""
        if self.holding:
            return "; ".join(f"{name}: {what}" for name, what in self.holding.items())
        if self.rows_in and self.superseded == self.rows_in > self.late:  # late rows alone may well move to their day
            return f"all rows are gone: {self.rows_in} came, and the newest versions of their files have none"
        if self.rejected and not self.published:
            return f"all {self.rejected} rows are rejected{self._worst()}"
        judged = self.rejected + self.published + self.duplicate
        if self.rejected >= policy.hold_from and self.rejected > policy.hold_above * judged:
            share, limit = self.rejected / judged, policy.hold_above
            return f"{self.rejected} of {judged} rows are rejected ({share:.1%}, limit {limit:.0%}){self._worst()}"
        return None

    def _worst(self) -> str:
        worst = ", ".join(f"{rule} {rows}" for rule, rows in self.rules.most_common(3))
        return f"; mostly {worst}" if worst else ""


class Audit:
    """Counts the judged rows that pass through it, keeps the rejected ones, and holds days that must be held.

    An engine that streams asks ``stream``, one that distributes asks ``frame`` (``lakehouse.engines.base.Gate``).

    Args:
        partition_column: the date column that names a row's partition.
        tallies: one per partition of the write, with ``rows_in`` and ``superseded`` where they are known.
        policy: when to hold.
        contract: says which rules hold a day, and what is asked of a whole day; without it nothing is.
        earlier: figures of earlier days, for the day rules that look back (``publication.earlier_figures``).
        strict: hold a day with any rejected row (tables made from other tables have no quarantine).
        without: day rules to leave out, by name.
    """

    def __init__(
        self,
        partition_column: str,
        tallies: Mapping[dt.date, DayTally],
        policy: Policy,
        *,
        contract: type[Contract] | None = None,
        earlier: Mapping[dt.date, Figures] | None = None,
        strict: bool = False,
        without: Collection[str] = (),
    ) -> None:
        """Start counting."""
        self.tallies = dict(tallies)
        self.rejected: list[pa.Table] = []
        self._column = partition_column
        self._policy = policy
        self._strict = strict
        rules = every_rule(contract, policy) if contract else []
        self._holding = {rule.name: rule.reason for rule in rules if rule.action == "hold"}
        self._day_rules = [rule for rule in (day_rules_of(contract) if contract else ()) if rule.name not in without]
        self._summed = list(dict.fromkeys(rule.summed for rule in self._day_rules if rule.summed))
        self._timed = list(dict.fromkeys(rule.timed for rule in self._day_rules if rule.timed))
        self._earlier = dict(earlier or {})
        self._figures: dict[dt.date, Figures] = defaultdict(Figures)
        self._keys: list[pa.Table] = []
        self._seen: dict[dt.date, set[bytes]] = defaultdict(set)

    def stream(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass on the rows to publish as they stream; at the end of the stream, raise if a day must be held.

        Raises:
            HeldError: before the consumer can commit.
        """
        for batch in batches:
            outcomes = batch.column(OUTCOME)
            if DIGEST in batch.schema.names:
                outcomes = self._repeats_marked(batch.column(self._column), outcomes, batch.column(DIGEST).to_pylist())
            self._count(batch.column(self._column), outcomes)
            good = batch
            if pc.max(outcomes).as_py() != PUBLISHED:
                refused = batch.filter(pc.equal(outcomes, REFUSED))
                if refused.num_rows:
                    self._keep(pa.Table.from_batches([refused]))
                good = batch.filter(pc.equal(outcomes, PUBLISHED))
            self._take_warnings(good)
            if self._strict:
                key = KEY if KEY[0] in batch.schema.names else self._policy.key
                names = list(dict.fromkeys([self._column, *key]))
                # Counted at once: a column that is only kept keeps the memory of its whole batch.
                self._keys.append(pa.Table.from_batches([good.select(names)]).group_by(names).aggregate([([], _ROWS)]))
            good = good.drop_columns([name for name in _JUDGEMENT if name in batch.schema.names])
            self._take_figures(good)
            if good.num_rows:
                yield good
        if self._keys:
            keys = pa.concat_tables(self._keys)
            counted = keys.group_by([name for name in keys.column_names if name != _ROWS]).aggregate([(_ROWS, "sum")])
            self._take_repeated_keys(counted.rename_columns([*counted.column_names[:-1], _ROWS]))
        self._judge_days()
        self._verdict()

    def frame(self, frame: DataFrame, collect: Callable[[DataFrame], pa.Table]) -> DataFrame:
        """Return the rows to publish, judged by queries over the frame instead of in passing.

        Raises:
            HeldError: a day must be held.
        """
        from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

        counted = [F.count(F.lit(1)).alias(_ROWS)]
        good = frame.where(F.col(OUTCOME) == PUBLISHED)
        if DIGEST in frame.columns:
            counted.append(F.count_distinct(DIGEST).alias(_DISTINCT))
            good = good.dropDuplicates([self._column, DIGEST])
        counts = collect(frame.groupBy(self._column, OUTCOME).agg(*counted))
        self._add_up(_copies_apart(counts, self._column) if DIGEST in frame.columns else counts)
        if any(tally.rejected for tally in self.tallies.values()):
            self._keep(collect(frame.where(F.col(OUTCOME) == REFUSED)))
        if self._strict:
            names = dict.fromkeys([self._column, *self._policy.key])
            keys = good.groupBy(*names).agg(F.count(F.lit(1)).alias(_ROWS))
            self._take_repeated_keys(collect(keys.where(F.col(_ROWS) > 1)))
        if WARNED in frame.columns:
            by_rule = good.select(self._column, F.explode(WARNED).alias(_RULE)).groupBy(self._column, _RULE)
            self._add_warnings(collect(by_rule.agg(F.count(F.lit(1)).alias(_ROWS))))
        if self._summed or self._timed:  # at once: each query sifts all rows
            hours = [F.hour(name).alias(f"{_HOUR}{name}") for name in self._timed]
            sums = [F.sum(name).alias(f"{_SUM}{name}") for name in self._summed]
            found = collect(good.groupBy(self._column, *hours).agg(F.count(F.lit(1)).alias(_ROWS), *sums))
            for name in self._summed:
                self._add_sums(found, name, f"{_SUM}{name}")
            for name in self._timed:
                self._add_hours(found, name, f"{_HOUR}{name}")
        self._judge_days()
        self._verdict()
        return good.drop(*_JUDGEMENT)

    def _verdict(self) -> None:
        if held := tuple(sorted(self.reasons())):
            raise HeldError(held)

    def reasons(self) -> dict[dt.date, str]:
        """Return the days to hold and why."""
        found = {}
        for day, tally in self.tallies.items():
            reason = tally.reason_to_hold(self._policy)
            if reason is None and self._strict and tally.rejected:
                reason = f"{tally.rejected} rows break the contract: {dict(tally.rules)}"
            if reason:
                found[day] = reason
        return found

    def _repeats_marked(self, days: pa.Array, outcomes: pa.Array, digests: list[bytes]) -> pa.Array:
        """Mark good rows whose digest was seen before on their day as duplicates."""
        marked = outcomes.to_pylist()
        span = pc.min_max(days).as_py()
        of_day = [span["min"]] * len(marked) if span["min"] == span["max"] else days.to_pylist()
        for place, (day, digest) in enumerate(zip(of_day, digests, strict=True)):
            if marked[place] == PUBLISHED:
                seen = self._seen[day]
                if digest in seen:
                    marked[place] = DUPLICATE
                else:
                    seen.add(digest)
        return pa.array(marked, outcomes.type)

    def _take_warnings(self, good: pa.RecordBatch) -> None:
        """Count the broken rules of rows to publish; most batches have none, and cost no more than to see that."""
        if WARNED not in good.schema.names:
            return
        broken = good.column(WARNED)
        rules = broken.flatten()
        if len(rules):
            days = good.column(self._column).take(pc.list_parent_indices(broken))
            self._add_warnings(
                pa.table({self._column: days, _RULE: rules}).group_by([self._column, _RULE]).aggregate([([], _ROWS)])
            )

    def _add_warnings(self, counts: pa.Table) -> None:
        names = (self._column, _RULE, _ROWS)
        for day, rule, rows in zip(*(counts.column(name).to_pylist() for name in names), strict=True):
            self._tally(day).warned[rule] += rows

    def _take_figures(self, good: pa.RecordBatch) -> None:
        """Take what the day rules need of rows to publish."""
        days = good.column(self._column)
        for name in self._summed:
            by_day = pa.table({self._column: days, name: good.column(name)}).group_by(self._column)
            self._add_sums(by_day.aggregate([(name, "sum")]), name, f"{name}_sum")
        for name in self._timed:
            local = good.column(name).cast(pa.timestamp("us"))  # in UTC, without asking for a database of time zones
            hours = pa.table({self._column: days, _HOUR: pc.hour(local)})
            self._add_hours(hours.group_by([self._column, _HOUR]).aggregate([]), name, _HOUR)

    def _add_sums(self, sums: pa.Table, name: str, column: str) -> None:
        for day, value in zip(sums.column(self._column).to_pylist(), sums.column(column).to_pylist(), strict=True):
            known = self._figures[day].sums
            known[name] = known.get(name, Decimal(0)) + Decimal(value or 0)

    def _add_hours(self, hours: pa.Table, name: str, column: str) -> None:
        for day, hour in zip(hours.column(self._column).to_pylist(), hours.column(column).to_pylist(), strict=True):
            self._figures[day].hours.setdefault(name, set()).add(hour)

    def _judge_days(self) -> None:
        """Evaluate the rules about whole days, earlier days first: the others are compared with them."""
        known = self._earlier
        for day, tally in sorted(self.tallies.items()):
            for name, reason in self._holding.items():
                if tally.rules[name]:
                    tally.holding[name] = f"{tally.rules[name]} rows break it ({reason})"
            figures = self._figures[day]
            figures.rows, figures.duplicates = tally.published, tally.duplicate
            for rule in self._day_rules:
                found = rule.finding(figures, [known[other] for other in trailing(day, rule) if other in known])
                if found is None:
                    continue
                tally.findings[rule.name] = found
                if rule.when_broken == "hold":
                    tally.holding[rule.name] = found
                else:
                    tally.warned[rule.name] += 1
            if figures.rows and tally.reason_to_hold(self._policy) is None:
                known[day] = figures

    def _count(self, days: pa.Array, outcomes: pa.Array) -> None:
        self._add_up(
            pa.table({self._column: days, OUTCOME: outcomes}).group_by([self._column, OUTCOME]).aggregate([([], _ROWS)])
        )

    def _add_up(self, counts: pa.Table) -> None:
        """Take rows by day and outcome into the tallies."""
        names = (self._column, OUTCOME, _ROWS)
        for day, outcome, rows in zip(*(counts.column(name).to_pylist() for name in names), strict=True):
            tally = self._tally(day)
            if outcome == PUBLISHED:
                tally.published += rows
            elif outcome == DUPLICATE:
                tally.duplicate += rows
            else:
                tally.rejected += rows

    def _tally(self, day: dt.date) -> DayTally:
        return self.tallies.setdefault(day, DayTally())

    def _keep(self, refused: pa.Table) -> None:
        for day, rules in zip(refused.column(self._column).to_pylist(), refused.column(RULES).to_pylist(), strict=True):
            self._tally(day).rules.update(rules)
        self.rejected.append(refused)

    def _take_repeated_keys(self, counted: pa.Table) -> None:
        for day in counted.filter(pc.greater(counted.column(_ROWS), 1)).column(self._column).to_pylist():
            self._tally(day).repeated_keys += 1


def _copies_apart(counts: pa.Table, column: str) -> pa.Table:
    """Count published rows beyond the first of each digest as duplicates."""
    published = counts.filter(pc.equal(counts.column(OUTCOME), PUBLISHED))
    distinct = published.column(_DISTINCT)
    parts = [
        counts.filter(pc.not_equal(counts.column(OUTCOME), PUBLISHED)).select([column, OUTCOME, _ROWS]),
        pa.table({column: published.column(column), OUTCOME: published.column(OUTCOME), _ROWS: distinct}),
        pa.table(
            {
                column: published.column(column),
                OUTCOME: pa.array([DUPLICATE] * published.num_rows, published.schema.field(OUTCOME).type),
                _ROWS: pc.subtract(published.column(_ROWS), distinct),
            }
        ),
    ]
    return pa.concat_tables(parts, promote_options="permissive")

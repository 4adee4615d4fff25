"""Mutation: are the rules of a table worth anything? Faults are planted into a copy of a day, and judged.

Belongs here: judging and auditing a faulty copy as a publication would, without one, and comparing the verdict with
that on the same rows without the fault. The faults themselves are ``faults``' matter. Nothing is written.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from lakehouse.contracts.casting import named
from lakehouse.contracts.contract import columns_of, day_rules_of
from lakehouse.contracts.partition_rules import KNOWN_FROM, trailing
from lakehouse.contracts.row_outcome import DIGEST, OUTCOME, RULES, WARNED
from lakehouse.contracts.rule_compiler import every_rule
from lakehouse.delta.model import TableError
from lakehouse.delta.predicates import Predicate
from lakehouse.publication.audit import Audit, DayTally, HeldError
from lakehouse.publication.current_rows import current_rows
from lakehouse.publication.earlier_figures import earlier_figures
from lakehouse.publication.validation import judge_received
from lakehouse.quarantine.decisions import active_decisions, apply_decisions
from lakehouse.rule_testing.faults import KINDS, Received, faults_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from lakehouse.contracts.table_spec import TableSpec
    from lakehouse.engines.base import Engine
    from lakehouse.rule_testing.faults import Fault

ROWS = 20_000
"""Rows of a day that are taken at most; of a larger day a sample."""
_ENOUGH_ROWS = 1000
_HIT = 0.1
"""The share of the planted rows that a rule must count to have caught a fault: one row of hundreds is a coincidence."""


@dataclass(frozen=True)
class Mutant:
    """One fault in a copy, and what was said of it.

    Attributes:
        columns: the source's columns that it is about.
        what: what had happened to them, in words.
        planted: rows that were changed, added or taken out.
        caught_by: the rules that count more than without the fault, and how much more; a day rule counts once.
        stopped: whether the faulty rows are rejected, or the day is held; else whoever reads warnings knows.
        set_aside: rows that are duplicates of others, beyond those without the fault: nobody is told, nothing is wrong.
    """

    kind: str
    columns: tuple[str, ...]
    what: str
    planted: int
    caught_by: dict[str, int]
    stopped: bool
    set_aside: int


@dataclass(frozen=True)
class Worth:
    """What one rule is worth: what changes without it.

    Attributes:
        catches: mutants that it catches, alone or with others.
        caught: mutants caught without it, and ``stopped`` those stopped.
        only: mutants that only it catches.
        weaker: mutants that are still noticed without it, but not stopped.
        why_none: why no fault in received rows can break it, where that is so.
    """

    rule: str
    catches: int
    caught: int
    stopped: int
    only: list[Mutant] = field(default_factory=list)
    weaker: list[Mutant] = field(default_factory=list)
    why_none: str | None = None

    @property
    def adds(self) -> bool:
        """Whether it catches or stops anything that nothing else does."""
        return bool(self.only or self.weaker)


@dataclass(frozen=True)
class MutationTest:
    """What became of every mutant of one day.

    Attributes:
        rows: the rows of the day, and ``rows_used`` those that faults were planted into.
        without: the rules that were left out.
        not_evaluated: rules that could not be, and why, in words.
        nothing_to_plant: kinds that the contract or the rows give no place for.
        worth: of each rule, where that was asked.
    """

    table: str
    day: dt.date
    rows: int
    rows_used: int
    seed: int
    without: tuple[str, ...]
    mutants: list[Mutant]
    not_evaluated: list[str]
    nothing_to_plant: list[str]
    worth: list[Worth] | None = None

    @property
    def caught(self) -> int:
        """How many mutants some rule has caught."""
        return sum(bool(mutant.caught_by) for mutant in self.mutants)

    @property
    def stopped(self) -> int:
        """How many mutants do not reach gold."""
        return sum(mutant.stopped for mutant in self.mutants)

    @property
    def kinds(self) -> dict[str, bool]:
        """Each kind that was planted, and whether it is caught: at least half of its mutants are."""
        by_kind = defaultdict(list)
        for mutant in self.mutants:
            by_kind[mutant.kind].append(bool(mutant.caught_by))
        return {kind: 2 * sum(caught) >= len(caught) for kind, caught in by_kind.items()}

    @property
    def share(self) -> float:
        """The share of kinds that are caught."""
        return sum(self.kinds.values()) / len(self.kinds) if self.kinds else 0.0


@dataclass(frozen=True)
class Subject:
    """What is tested.

    Attributes:
        terms: the table.
        transform: its own function, from bronze rows to the contract's columns.
        bronze: the table that it is made from.
    """

    terms: TableSpec
    transform: Callable[[DataFrame], DataFrame]
    bronze: str


def mutation_test(
    engine: Engine,
    subject: Subject,
    *,
    day: dt.date | None = None,
    seed: int = 7,
    rows: int = ROWS,
    without: Collection[str] = (),
    each: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> MutationTest:
    """Plant every fault that a table's rows can have into a copy of a day, one at a time, and see what catches it.

    Args:
        engine: where the tables are.
        subject: the table.
        day: a published day; the newest with enough rows unless given.
        seed: chooses the rows that are changed.
        rows: how many rows to take at most.
        without: rules to leave out, by name.
        each: ask of each rule what would change without it.
        report: told what is at work, in a few words.

    Raises:
        TableError: the table has no such rule or no such day.
    """
    known = _rules_of(subject.terms)
    if unknown := sorted(set(without) - set(known)):
        raise TableError(f"{subject.terms.name} has no rule {', '.join(unknown)}; it has {', '.join(known)}")
    trial = _Trial(engine, subject, _chosen_day(engine, subject.terms, day), seed, rows, frozenset(without))
    test = trial.run(report)
    if not each:
        return test
    worth = []
    for rule in known:
        if rule not in test.without:
            report(f"without {rule}")
            worth.append(trial.worth(rule, test))
    return replace(test, worth=worth)


def _rules_of(terms: TableSpec) -> list[str]:
    """Return the names of all rules of a table."""
    about_rows = [rule.name for rule in every_rule(terms.contract, terms.policy)]
    return about_rows + [rule.name for rule in day_rules_of(terms.contract)]


def _chosen_day(engine: Engine, terms: TableSpec, day: dt.date | None) -> dt.date:
    """Return the day asked for, or the newest of many rows, or else the one of most rows."""
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    column = terms.partition_column
    counted = engine.collect(engine.read(terms.name).groupBy(column).agg(F.count(F.lit(1)).alias("rows")))
    days: dict[dt.date, int] = dict(
        zip(counted.column(column).to_pylist(), counted.column("rows").to_pylist(), strict=True)
    )
    if day is not None and day not in days:
        raise TableError(f"{terms.name} has no published rows of {day}; `lakehouse status` shows what there is")
    if not days:
        raise TableError(f"{terms.name} has no rows yet; `lakehouse run` publishes what has landed")
    return day or max(days, key=lambda each: (min(days[each], _ENOUGH_ROWS), each))


@dataclass(frozen=True)
class _Verdict:
    tally: DayTally
    held: str | None


class _Trial:
    """A day's received rows, and verdicts on copies of them."""

    def __init__(
        self, engine: Engine, subject: Subject, day: dt.date, seed: int, rows: int, without: frozenset[str]
    ) -> None:
        self._engine, self._subject, self._day, self._seed = engine, subject, day, seed
        terms = subject.terms
        self._not_evaluated: dict[str, None] = {}
        self._earlier = earlier_figures(engine, terms.name, terms.partition_column, terms.contract, [day])
        received = self._received()
        self._all_rows = received.num_rows
        looking_back = {rule.name for rule in day_rules_of(terms.contract) if rule.looks_back}
        if received.num_rows > rows:
            chance = random.Random(seed)  # noqa: S311 - a sample, no secret
            received = pc.take(received, sorted(chance.sample(range(received.num_rows), rows)))
            without |= looking_back
            self._not_evaluated |= dict.fromkeys(f"{name}: only a sample of the day is used" for name in looking_back)
        self._without = without
        self._note_short_history()
        self._copy = Received(received, day)
        self._faults = faults_of(terms.contract, terms.policy)
        self._baselines: dict[frozenset[str], _Verdict] = {}

    def run(self, report: Callable[[str], None]) -> MutationTest:
        """Judge every mutant."""
        mutants = []
        for number, fault in enumerate(self._faults, start=1):
            report(f"fault {number} of {len(self._faults)}: {fault.kind} {', '.join(fault.columns)}")
            if mutant := self._mutant(fault, self._without):
                mutants.append(mutant)
        return MutationTest(
            table=self._subject.terms.name,
            day=self._day,
            rows=self._all_rows,
            rows_used=self._copy.rows.num_rows,
            seed=self._seed,
            without=tuple(sorted(self._without)),
            mutants=mutants,
            not_evaluated=list(self._not_evaluated),
            nothing_to_plant=[kind for kind in KINDS if kind not in {mutant.kind for mutant in mutants}],
        )

    def worth(self, rule: str, test: MutationTest) -> Worth:
        """Judge again without a rule what would be missed or let through if nothing else stops it."""
        only, weaker = [], []
        rejecting = {
            each.name
            for each in every_rule(self._subject.terms.contract, self._subject.terms.policy)
            if each.action != "warn"
        }
        faults = {(fault.kind, fault.columns, fault.what): fault for fault in self._faults}
        for mutant in test.mutants:
            if rule not in mutant.caught_by or rejecting & (mutant.caught_by.keys() - {rule}):
                continue  # another rule rejects the rows as before
            fault = faults[mutant.kind, mutant.columns, mutant.what]
            again = self._mutant(fault, self._without | {rule})
            if again is None or not again.caught_by:
                only.append(mutant)
            elif mutant.stopped and not again.stopped:
                weaker.append(mutant)
        let_through = sum(mutant.stopped for mutant in [*only, *weaker])
        why_none = None if only or weaker else self._why_none(rule)
        catches = sum(rule in mutant.caught_by for mutant in test.mutants)
        return Worth(rule, catches, test.caught - len(only), test.stopped - let_through, only, weaker, why_none)

    def _received(self) -> pa.Table:
        """Return the day's rows that count, with decisions applied, as text."""
        engine, terms = self._engine, self._subject.terms
        sources = [column.source for column in columns_of(terms.contract) if column.source]
        bronze = engine.read(self._subject.bronze, Predicate("business_date", (self._day,)))
        current = current_rows(engine, bronze, [self._day]).frame
        frame = apply_decisions(engine, current, active_decisions(engine, terms.name, [self._day]), sources).frame
        as_text = [named(name).cast("string").alias(name) if name in sources else named(name) for name in frame.columns]
        placed = frame.select(*as_text).orderBy("source_file", "source_record")
        return engine.collect(placed)

    def _note_short_history(self) -> None:
        for rule in day_rules_of(self._subject.terms.contract):
            known = sum(day in self._earlier for day in trailing(self._day, rule))
            if rule.looks_back and rule.name not in self._without and known < KNOWN_FROM:
                told = f"{known} earlier days of the same weekday are known, {KNOWN_FROM} are needed"
                self._not_evaluated[f"{rule.name}: {told}"] = None

    def _mutant(self, fault: Fault, without: frozenset[str]) -> Mutant | None:
        """Plant a fault and compare; None where the rows give no place for it."""
        planted = fault.planted_into(self._copy, self._seed)
        if not planted.planted or not planted.rows.num_rows:
            return None
        if without not in self._baselines:
            self._baselines[without] = self._judged(self._copy.rows, without)
        before, after = self._baselines[without], self._judged(planted.rows, without)
        enough = max(1, math.ceil(_HIT * planted.planted))
        caught = {}
        for rule, rows in (after.tally.rules + after.tally.warned).items():
            more = rows - before.tally.rules[rule] - before.tally.warned[rule]
            if more >= (1 if rule in after.tally.findings else enough):
                caught[rule] = more
        caught |= dict.fromkeys(after.tally.findings.keys() - before.tally.findings.keys(), 1)
        rejected = after.tally.rejected - before.tally.rejected >= enough
        return Mutant(
            fault.kind,
            fault.columns,
            fault.what,
            planted.planted,
            dict(sorted(caught.items(), key=lambda rule: (-rule[1], rule[0]))),
            stopped=rejected or (after.held is not None and before.held is None),
            set_aside=max(0, after.tally.duplicate - before.tally.duplicate),
        )

    def _judged(self, rows: pa.Table, without: frozenset[str]) -> _Verdict:
        engine, terms = self._engine, self._subject.terms
        column = terms.partition_column
        judged = judge_received(
            engine.session().createDataFrame(rows),
            self._subject.transform,
            terms.contract,
            terms.policy,
            tables=engine.read,
            without=without,
            report=self._note,
        )
        day_rules = day_rules_of(terms.contract)
        figures = [name for rule in day_rules for name in (rule.summed, rule.timed) if name]
        judgement = [name for name in (WARNED, DIGEST) if name in judged.columns]
        result = engine.collect(judged.select(*dict.fromkeys([column, OUTCOME, RULES, *judgement, *figures])))
        audit = Audit(
            column,
            {self._day: DayTally(rows_in=rows.num_rows)},
            terms.policy,
            contract=terms.contract,
            earlier=self._earlier,
            without=without,
        )
        try:
            for _ in audit.stream(iter(result.to_batches())):
                pass
        except HeldError:
            pass
        return _Verdict(audit.tallies[self._day], audit.reasons().get(self._day))

    def _note(self, sentence: str) -> None:
        self._not_evaluated[sentence.removeprefix("the rule ").replace(" is not evaluated", "", 1)] = None

    def _why_none(self, rule: str) -> str | None:
        """Return why no fault in received rows can break a rule."""
        told = next((note for note in self._not_evaluated if note.startswith(f"{rule}: ")), None)
        if told is not None:
            return f"not evaluated: {told.removeprefix(f'{rule}: ')}"
        name = rule.partition(":")[0]
        derived = {column.name for column in columns_of(self._subject.terms.contract) if column.source is None}
        return f"{name} is derived: it guards the code of the table, not what is received" if name in derived else None

"""Backtest: what the rules as they are now would have made of past days, and of the tables made from them.

Belongs here: judging days again without publishing them, and comparing that with what was adopted: the newest line of
the row ledger, the open rows of the quarantine and the rows of the table. Nothing is written.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any

from lakehouse.contracts.contract import columns_of
from lakehouse.contracts.row_outcome import DIGEST, OUTCOME, PUBLISHED
from lakehouse.contracts.rule_compiler import every_rule
from lakehouse.delta.model import TableError
from lakehouse.delta.predicates import Predicate
from lakehouse.delta.system_tables import LEDGER, QUARANTINE
from lakehouse.publication.audit import Audit, HeldError
from lakehouse.publication.earlier_figures import earlier_figures
from lakehouse.publication.publish import judged_days
from lakehouse.quarantine.decisions import RecordId
from lakehouse.quarantine.table import OPEN, quarantine_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from lakehouse.contracts.table_spec import TableSpec
    from lakehouse.engines.base import Engine
    from lakehouse.publication.audit import DayTally

SAMPLES = 3
"""Newly rejected rows that are shown of each day."""
_ROWS = "rows"


@dataclass(frozen=True)
class Made:
    """A table that is made from others.

    Attributes:
        terms: the table.
        transform: its function.
        inputs: the function's parameters and the tables they stand for.
    """

    terms: TableSpec
    transform: Callable[..., DataFrame]
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """A row that would be rejected and is not.

    Attributes:
        rules: the rules it would break, and ``values`` what it has in their columns, as received.
        file: the landing file, and ``record`` its number there.
    """

    rules: list[str]
    values: dict[str, Any]
    file: str
    record: int | None


@dataclass(frozen=True)
class Verdict:
    """What became of a day, or would.

    Attributes:
        rejected: rows by the rules they broke, and ``warned`` likewise.
        held: why the day is not published, if it is not.
    """

    published: int
    rejected: dict[str, int]
    warned: dict[str, int]
    held: str | None


@dataclass(frozen=True)
class DayBacktest:
    """A day as it was judged, and as it would be.

    Attributes:
        rules_version: the version that it was judged by; None where that is not known.
        newly_rejected: rows that would be rejected and are not, and ``samples`` of them.
        no_longer_rejected: rows that are rejected and would not be.
    """

    day: dt.date
    rules_version: str | None
    before: Verdict
    after: Verdict
    newly_rejected: int
    no_longer_rejected: int
    samples: list[Sample]

    @property
    def differs(self) -> bool:
        """Whether anything would be different."""
        return self.before != self.after or bool(self.newly_rejected or self.no_longer_rejected)


@dataclass(frozen=True)
class Effect:
    """A figure of a partition of another table that would be different: the sum of a column, or the number of rows."""

    table: str
    partition: dt.date
    column: str
    before: Decimal | int | float | None
    after: Decimal | int | float | None


@dataclass
class Backtest:
    """What the rules would have made of some days.

    Attributes:
        rules_version: the version of the rules that were tried.
        effects: what would be different in tables made from this one.
        notes: what could not be computed, and why.
    """

    table: str
    rules_version: str
    days: list[DayBacktest] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def backtest(
    engine: Engine,
    table: Made,
    readers: Sequence[Made],
    *,
    since: dt.date | None = None,
    until: dt.date | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Backtest:
    """Judge past days of a table again and compare, down to the sums of the tables that read it.

    Args:
        engine: where the tables are.
        table: the table, with the contract and function to try.
        readers: tables that are made from it and have the same partitions.
        since: the first day, and ``until`` the last; all that were ever judged unless given.
        until: see there.
        report: told what is at work, in a few words.

    Raises:
        TableError: no such day was ever judged.
    """
    name = table.terms.name
    lines = {
        day: line
        for day, line in _newest_lines(engine, name).items()
        if (since is None or day >= since) and (until is None or day <= until)
    }
    if not lines:
        raise TableError(f"no day of {name} has been judged in this time; `lakehouse status` shows what there is")
    result = Backtest(name, table.terms.rules_version)
    (bronze,) = (engine.read(source, Predicate("business_date", tuple(lines))) for source in table.inputs.values())
    open_rows = _open_rows(engine, name, list(lines))
    sources = _sources(table.terms)
    kept = []
    for part in judged_days(engine, table.terms, table.transform, bronze, list(lines), report=result.notes.append):
        days = sorted(part.tallies)
        report(f"{name} {days[0]} to {days[-1]}")
        earlier = earlier_figures(engine, name, table.terms.partition_column, table.terms.contract, days)
        audit = Audit(
            table.terms.partition_column,
            part.tallies,
            table.terms.policy,
            contract=table.terms.contract,
            earlier=earlier,
        )
        try:
            audit.frame(part.frame, engine.collect)
        except HeldError:
            report(f"{name}: days that would be held")
        reasons = audit.reasons()
        rejected = quarantine_rows(name, audit.rejected, reasons, table.terms.contract)
        for day in days:
            tally, held = audit.tallies[day], reasons.get(day)
            result.days.append(_compared(lines[day], tally, held, rejected, open_rows, sources))
        kept.append(_published(engine, table, part.frame, [day for day in days if day not in reasons], list(reasons)))
    after = reduce(lambda left, right: left.unionByName(right), kept)
    for reader in readers:
        report(f"{reader.terms.name} before and after")
        result.effects += _effects(engine, reader, name, after, list(lines), result.notes)
    return result


def _newest_lines(engine: Engine, table: str) -> dict[dt.date, dict[str, Any]]:
    """Return the newest line of the row ledger of each day."""
    if engine.version(LEDGER.name) is None:
        return {}
    rows = engine.collect(engine.read(LEDGER.name).where(f"table_name = '{table}'")).to_pylist()
    return {
        row["business_date"]: row for row in sorted(rows, key=lambda row: (row["business_date"], row["recorded_at"]))
    }


def _open_rows(engine: Engine, table: str, days: Sequence[dt.date]) -> dict[RecordId, list[str]]:
    """Return where the rows stand that are rejected now, and the rules they broke."""
    if engine.version(QUARANTINE.name) is None:
        return {}
    where = Predicate("business_date", tuple(days), equals=(("table_name", table),))
    rows = engine.collect(engine.read(QUARANTINE.name, where)).to_pylist()
    return {RecordId.of(row): row["rules"] for row in rows if row.get("status") in {None, OPEN}}


def _compared(
    line: Mapping[str, Any],
    tally: DayTally,
    held: str | None,
    rejected: pa.Table,
    open_rows: Mapping[RecordId, list[str]],
    sources: Mapping[str, list[str]],
) -> DayBacktest:
    day = line["business_date"]
    now = {RecordId.of(row): row for row in rejected.to_pylist() if row["business_date"] == day}
    was = {place: rules for place, rules in open_rows.items() if place.business_date == day}
    new = sorted(now.keys() - was.keys(), key=lambda place: (place.source_file, place.source_record or 0))
    samples = [_sample(now[place], place, sources) for place in new[:SAMPLES]]
    before = Verdict(
        line["published"],
        dict(sorted(Counter(rule for rules in was.values() for rule in rules).items())),
        json.loads(line.get("warned") or "{}"),
        line["reason"] if line["verdict"] == "held" else None,
    )
    after = Verdict(tally.published, dict(sorted(tally.rules.items())), dict(sorted(tally.warned.items())), held)
    return DayBacktest(day, line.get("rules_version"), before, after, len(new), len(was.keys() - now.keys()), samples)


def _sample(row: Mapping[str, Any], place: RecordId, sources: Mapping[str, list[str]]) -> Sample:
    """Return a rejected row with what it has in the columns that its rules read."""
    judged = dict.fromkeys(name for rule in row["rules"] for name in sources.get(rule, ()))
    received = json.loads(row["raw_record"]) if judged and row["raw_record"] else {}
    values = {name: received.get(name) for name in judged}
    return Sample(row["rules"], values, place.source_file, place.source_record)


def _sources(terms: TableSpec) -> dict[str, list[str]]:
    """Return the columns of the source that each rule about rows reads."""
    source = {column.name: column.source for column in columns_of(terms.contract) if column.source}
    rules = every_rule(terms.contract, terms.policy)
    return {rule.name: [source[name] for name in rule.columns if name in source] for rule in rules}


def _published(
    engine: Engine, table: Made, judged: DataFrame, days: Sequence[dt.date], held: Sequence[dt.date]
) -> DataFrame:
    """Return the rows that the table would have: of a day that would be held, those that it has."""
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    terms, column = table.terms, table.terms.partition_column
    good = judged.where(F.col(OUTCOME) == PUBLISHED)
    if DIGEST in judged.columns:
        good = good.dropDuplicates([column, DIGEST])
    columns = columns_of(terms.contract)
    made = good.select(*[each.name for each in columns])
    made = made.where(Predicate(column, tuple(days)).column()) if days else made.limit(0)
    if not held or engine.version(terms.name) is None:
        return made
    there = engine.read(terms.name, Predicate(column, tuple(held)))
    known = set(there.columns)
    as_before = [
        (F.col(each.name) if each.name in known else F.lit(None)).cast(each.type).alias(each.name) for each in columns
    ]
    return made.unionByName(there.select(*as_before))


def _effects(
    engine: Engine, reader: Made, table: str, after: DataFrame, days: Sequence[dt.date], notes: list[str]
) -> list[Effect]:
    """Compare a table made from the rows that are there with one made from those that would be."""
    column = reader.terms.partition_column
    where = Predicate(column, tuple(days))
    others = {}
    for parameter, name in reader.inputs.items():
        if engine.version(name) is None:
            notes.append(f"{reader.terms.name} is not compared: {name} has never been written")
            return []
        if name != table:
            others[parameter] = engine.read(name)
    (own,) = (parameter for parameter, name in reader.inputs.items() if name == table)
    sides = [
        _figures(engine, reader.transform(**others, **{own: rows}).where(where.column()), column)
        for rows in (engine.read(table, where), after)
    ]
    return [
        Effect(reader.terms.name, day, name, sides[0].get(day, {}).get(name), sides[1].get(day, {}).get(name))
        for day in sorted({*sides[0], *sides[1]})
        for name in {**sides[0].get(day, {}), **sides[1].get(day, {})}
        if sides[0].get(day, {}).get(name) != sides[1].get(day, {}).get(name)
    ]


def _figures(engine: Engine, frame: DataFrame, partition: str) -> dict[dt.date, dict[str, Any]]:
    """Return the number of rows and the sum of each number, by partition."""
    from pyspark.sql import functions as F  # noqa: N812
    from pyspark.sql import types as T  # noqa: N812

    numbers = [each.name for each in frame.schema.fields if isinstance(each.dataType, T.NumericType)]
    sums = [F.sum(name).alias(name) for name in numbers]
    found = engine.collect(frame.groupBy(partition).agg(F.count(F.lit(1)).alias(_ROWS), *sums)).to_pylist()
    return {row.pop(partition): row for row in found}

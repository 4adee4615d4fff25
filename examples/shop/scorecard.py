"""The scorecard: the answer key against the tables. Planted, caught, missed, and false alarms.

What counts as caught, and what as a false alarm, belongs here. It believes the tables only, never what a run says of
itself; how tables are read down to lookups is `observations.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from examples.shop import observations as evidence
from examples.shop.answer_key import (
    SOURCES,
    WITH_KINDS,
    AnswerKey,
    Fault,
    KindsDay,
    Partition,
    SalesDay,
    read_answer_key,
)
from examples.shop.observations import Quarantined, Tables


@dataclass(frozen=True)
class Score:
    """How one kind of fault fared."""

    source: str
    kind: str
    expect: str
    planted: int
    caught: int

    @property
    def missed(self) -> int:
        """How many were not caught."""
        return self.planted - self.caught


@dataclass(frozen=True)
class Miss:
    """A planted fault that did not become what it must, and why."""

    fault: Fault
    why: str


@dataclass(frozen=True)
class Alarm:
    """Something in a table that the answer key does not know."""

    table: str
    business_date: date
    what: str


@dataclass(frozen=True)
class Scorecard:
    """The whole comparison."""

    scores: tuple[Score, ...]
    misses: tuple[Miss, ...]
    alarms: tuple[Alarm, ...]

    @property
    def planted(self) -> int:
        """How many faults were planted."""
        return sum(score.planted for score in self.scores)

    @property
    def caught(self) -> int:
        """How many of them became what they must."""
        return sum(score.caught for score in self.scores)

    @property
    def missed(self) -> int:
        """How many did not."""
        return len(self.misses)

    @property
    def false_alarms(self) -> int:
        """How much is in the tables that should not be, or not so."""
        return len(self.alarms)

    @property
    def perfect(self) -> bool:
        """Nothing missed and no false alarm."""
        return not self.misses and not self.alarms


def score(out: Path, tables: Tables, *, waves: int) -> Scorecard:
    """Compare the answer key of a world with the tables made from it.

    Args:
        out: The landing root of the generated world.
        tables: Returns a table by its name, e.g. `silver.quarantine`; raises a `LookupError` for one that does not
            exist. `examples.shop.observations.COLUMNS` names the columns it needs.
        waves: How many waves have been delivered.

    Raises:
        FileNotFoundError: When no world was generated there.
        ValueError: When the world has no such wave.
    """
    key = read_answer_key(out)
    key.after(waves)
    judge = _Judge(key, tables, waves)
    misses = tuple(Miss(fault, why) for fault in judge.faults if (why := judge.miss(fault)))
    missed = {miss.fault.id for miss in misses}
    planted = Counter((fault.source, fault.kind, fault.expect) for fault in judge.faults)
    caught = Counter((fault.source, fault.kind, fault.expect) for fault in judge.faults if fault.id not in missed)
    scores = tuple(Score(*kind, planted=count, caught=caught[kind]) for kind, count in planted.items())
    return Scorecard(scores, misses, tuple(judge.alarms()))


_PERIODS: dict[str, Callable[[date], date]] = {
    "gold.daily_sales_summary": lambda day: day,
    "gold.weekly_sales_summary": lambda day: day - timedelta(days=day.weekday()),
    "gold.monthly_sales_summary": lambda day: day.replace(day=1),
}
"""The summaries in gold, and the first day of the period that a day belongs to."""


class _Judge:
    """Holds the evidence of one comparison."""

    def __init__(self, key: AnswerKey, tables: Tables, waves: int) -> None:
        self.faults = [fault for fault in key.faults if fault.counts_after(waves)]
        self._expected = key.after(waves)
        self._versions = _delivered_versions(key, waves)
        self._files = evidence.landing_files(tables)
        self._ledger = evidence.ledger(tables)
        self._quarantine = evidence.quarantine(tables)
        self._bronze = {source: evidence.bronze(tables, source) for source in SOURCES}
        self._rows = {source: evidence.rows_by_day(tables, source) for source in SOURCES}
        self._sales = evidence.sales_by_day(tables)
        self._kinds = {source: evidence.kinds_by_day(tables, source) for source in WITH_KINDS}
        self._gold = {name: evidence.summaries(tables, name) for name in _PERIODS}
        self._lines = {source: evidence.lines(tables, source, self._wanted(source)) for source in SOURCES}
        self._by_record = {(row.table, row.file, row.record): row for row in self._quarantine}

    def _wanted(self, source: str) -> list[Any]:
        """List the keys of all lines that some fault looks for in silver."""
        return [
            evidence.line_key(source, fault.line)
            for fault in self.faults
            if fault.source == source and fault.line is not None
        ]

    def miss(self, fault: Fault) -> str | None:
        """Return why a fault did not become what it must, or None if it did."""
        if fault.line is not None:
            return self._miss_of_line(fault)
        checks: dict[str, Callable[[Fault], str | None]] = {
            "rejected": self._miss_of_rejected,
            "refused": self._miss_of_refused,
            "copy": self._miss_of_copy,
            "held": self._miss_of_held,
            "released": self._miss_of_released,
            "rescued": self._miss_of_rescued,
        }
        return checks.get(fault.expect, self._miss_of_file)(fault)

    def _miss_of_line(self, fault: Fault) -> str | None:
        line = {**(fault.line or {}), "business_date": fault.business_date}
        rows = self._lines[fault.source][evidence.line_key(fault.source, line)]
        found = sum(all(row[name] == value for name, value in line.items()) for row in rows)
        wanted = 0 if fault.expect == "superseded" else 1
        return None if found == wanted else f"silver.{fault.source} has {found} such rows, expected {wanted}"

    def _miss_of_rejected(self, fault: Fault, record: int | None = None) -> str | None:
        row = self._by_record.get((f"silver.{fault.source}", fault.file, record or fault.record))
        if row is None:
            return "not in silver.quarantine"
        if row.rules != tuple(sorted(fault.rules)):
            return f"quarantined for {', '.join(row.rules)}, expected {', '.join(fault.rules)}"
        if row.business_date != fault.business_date:
            return f"quarantined under {row.business_date}, expected {fault.business_date}"
        return None

    def _miss_of_refused(self, fault: Fault) -> str | None:
        return self._miss_of_rejected(fault) or self._miss_of_outcome(fault, "refused")

    def _miss_of_outcome(self, fault: Fault, outcome: str) -> str | None:
        versions = self._files.get(fault.file)
        if not versions:
            return "not in system.landing_files"
        found = versions[-1]
        if found["source_version"] != self._versions[fault.file][-1]["sha256"]:
            return "system.landing_files does not know its newest version"
        return None if found["outcome"] == outcome else f"system.landing_files says {found['outcome']}"

    def _miss_of_copy(self, fault: Fault) -> str | None:
        pair = [file for file in (fault.file, fault.twin) if file is not None]
        outcomes = sorted(self._files[file][-1]["outcome"] for file in pair if file in self._files)
        if outcomes != ["copy", "ingested"]:
            return f"system.landing_files says {outcomes or 'nothing'} of it and its twin"
        in_bronze = {rows.file for rows in self._bronze[fault.source]} & set(pair)
        return None if len(in_bronze) == 1 else f"bronze has rows of {len(in_bronze)} of the two files"

    def _miss_of_held(self, fault: Fault) -> str | None:
        published = self._rows[fault.source][fault.business_date]
        if published:
            return f"{published} rows of the day are in silver.{fault.source}"
        if self._verdicts(fault)[-1:] != ["held"]:
            return "system.row_ledger does not say that the day is held"
        for record in fault.records or ():
            if why := self._miss_of_rejected(fault, record):
                return f"record {record}: {why}"
            if self._by_record[f"silver.{fault.source}", fault.file, record].verdict != "held":
                return f"record {record} is not marked as held"
        return None

    def _miss_of_released(self, fault: Fault) -> str | None:
        verdicts = self._verdicts(fault)
        if verdicts[-1:] != ["published"]:
            return "system.row_ledger does not say that the day is published"
        seen = {version["source_version"] for version in self._files.get(fault.file, [])}
        if seen.issuperset(fault.versions or ()) and "held" not in verdicts:
            return "the bad version was ingested, but the day was never held"
        return self._miss_of_file(fault)

    def _verdicts(self, fault: Fault) -> list[str]:
        """Return all verdicts on the fault's day, oldest first."""
        lines = self._ledger.get((f"silver.{fault.source}", fault.business_date), [])
        return [line["verdict"] for line in lines]

    def _miss_of_rescued(self, fault: Fault) -> str | None:
        rescued = sum(rows.rescued for rows in self._current(fault))
        if rescued != fault.rows:
            return f"bronze has the extra column of {rescued} rows, expected {fault.rows}"
        return self._miss_of_file(fault)

    def _miss_of_file(self, fault: Fault) -> str | None:
        """Check that the newest version of a file is in bronze, all its good rows, and nothing newer."""
        good = sum(rows.good for rows in self._current(fault))
        if good != fault.rows:
            return f"bronze has {good} good rows of the file's newest version, expected {fault.rows}"
        return self._miss_of_outcome(fault, "ingested")

    def _current(self, fault: Fault) -> Iterator[evidence.BronzeRows]:
        """Yield the rows of a file's newest version, provided that it is the version bronze got last."""
        of_file = [rows for rows in self._bronze[fault.source] if rows.file == fault.file]
        last = max((rows.batch for rows in of_file), default=None)
        newest = self._versions[fault.file][-1]["sha256"]
        yield from (rows for rows in of_file if rows.batch == last and rows.version == newest)

    def alarms(self) -> Iterator[Alarm]:
        """Yield everything in the tables that the answer key does not know."""
        yield from self._quarantine_alarms()
        partitions = {(partition.source, partition.business_date): partition for partition in self._expected.partitions}
        for partition in self._expected.partitions:
            yield from self._partition_alarms(partition)
        for source in SOURCES:
            for day in self._rows[source]:
                if (source, day) not in partitions:
                    yield Alarm(f"silver.{source}", day, f"{self._rows[source][day]} rows on a day without any")
        for expected in self._expected.sales:
            yield from self._sales_alarms(expected)
        for due in self._expected.kinds:
            yield from self._kinds_alarms(due)
        for name, starts in _PERIODS.items():
            yield from self._summary_alarms(name, starts)

    def _quarantine_alarms(self) -> Iterator[Alarm]:
        """Find quarantined rows that were not planted, are of a replaced file version, or are there twice."""
        planted: set[tuple[str, str, int | None]] = set()
        for fault in self.faults:
            if fault.expect in {"rejected", "refused", "held"}:
                for record in fault.records or (fault.record,):
                    planted.add((f"silver.{fault.source}", fault.file, record))
        seen: set[tuple[str, str, int | None]] = set()
        for row in self._quarantine:
            place = (row.table, row.file, row.record)
            if place not in planted or place in seen or not self._is_newest(row):
                where = row.file if row.record is None else f"{row.file} record {row.record}"
                yield Alarm("silver.quarantine", row.business_date, f"{where}: {', '.join(row.rules)}")
            seen.add(place)

    def _is_newest(self, row: Quarantined) -> bool:
        """Whether a quarantined row is of its file's newest delivered version."""
        return row.file in self._versions and row.version == self._versions[row.file][-1]["sha256"]

    def _partition_alarms(self, partition: Partition) -> Iterator[Alarm]:
        """Compare a partition's rows in silver, in bronze and in the ledger with what they must be."""
        source, day = partition.source, partition.business_date
        table = f"silver.{source}"
        found = self._rows[source][day]
        if found != partition.published:
            yield Alarm(table, day, f"{found} rows published, expected {partition.published}")
        superseded = self._superseded(partition)
        last = self._ledger.get((table, day), [None])[-1]
        if last is None:
            yield Alarm("system.row_ledger", day, f"no line for {table}")
            return
        expected = {
            "verdict": "held" if partition.held else "published",
            "rejected": partition.rejected,
            "duplicate": partition.duplicates,
            "superseded": superseded,
        }
        if not partition.held:
            expected["published"] = partition.published
            in_bronze = sum(rows.good + rows.rejected for rows in self._bronze[source] if rows.business_date == day)
            due = partition.published + partition.rejected + partition.duplicates + superseded
            if in_bronze != due:
                yield Alarm(f"bronze.{source}", day, f"{in_bronze} rows, expected {due}")
        told = {name: last[name] for name in expected}
        if told != expected:
            yield Alarm("system.row_ledger", day, f"{table}: {told}, expected {expected}")

    def _superseded(self, partition: Partition) -> int:
        """Count the superseded rows there must be: only versions that were ever ingested can be superseded."""
        total = 0
        for file, versions in self._versions.items():
            seen = {version["source_version"] for version in self._files.get(file, [])}
            for version in versions[:-1]:
                if version["source"] == partition.source and version["sha256"] in seen:
                    total += version["rows"].get(str(partition.business_date), 0)
        return total

    def _sales_alarms(self, expected: SalesDay) -> Iterator[Alarm]:
        """Compare a day's sales in silver with the totals the generator counted."""
        day = expected.business_date
        found = self._sales.get(day, {})
        for kind, due in expected.by_kind.items():
            told = found.get(kind, {"lines": 0, "units": 0, "amount": Decimal(0)})
            if told != {"lines": due["lines"], "units": due["units"], "amount": Decimal(due["amount"])}:
                yield Alarm("silver.transactions", day, f"{kind}: {told}, expected {due}")

    def _kinds_alarms(self, expected: KindsDay) -> Iterator[Alarm]:
        """Compare the rows of each kind in a day's partition, and their units, with what they must be."""
        lines, units = self._kinds[expected.source][expected.business_date]
        for kind in sorted({*expected.lines, *lines}):
            told = lines.get(kind, 0), units.get(kind, 0)
            due = expected.lines.get(kind, 0), expected.units.get(kind, 0)
            if told != due:
                what = f"{kind}: {told[0]} rows, {told[1]} units, expected {due[0]} rows, {due[1]} units"
                yield Alarm(f"silver.{expected.source}", expected.business_date, what)

    def _summary_alarms(self, name: str, starts: Callable[[date], date]) -> Iterator[Alarm]:
        """Compare a summary in gold with the totals of the days it sums up."""
        due: dict[date, dict[str, Any]] = {}
        for day in self._expected.sales:
            total = due.setdefault(starts(day.business_date), dict.fromkeys(evidence.COLUMNS[name][1:], 0))
            for measure in evidence.MEASURES:
                total[measure] += getattr(day, measure)
            if "days" in total:
                total["days"] += 1
        found = self._gold[name]
        for start in sorted({*due, *found}):
            told, expected = found.get(start, []), due.get(start)
            if told != ([] if expected is None else [expected]):
                yield Alarm(name, start, f"{told}, expected {expected}")


def _delivered_versions(key: AnswerKey, waves: int) -> dict[str, list[dict[str, Any]]]:
    """Return the delivered versions of each file, oldest first."""
    versions: dict[str, list[dict[str, Any]]] = {}
    for delivery in key.deliveries[:waves]:
        for file in delivery["files"]:
            versions.setdefault(file["file"], []).append(file)
    return versions

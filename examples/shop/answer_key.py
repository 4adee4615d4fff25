"""The answer key: every planted fault and every expected number, as data and as `answer_key.json`.

The shapes of the key and its reading and writing belong here. What the faults are does not: each source's module
plants its own; nor how they are checked against tables, which is `scorecard.py`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

ANSWER_KEY = "answer_key.json"
SOURCES = ("transactions", "customers", "products", "inventory", "clicks")
KINDS = ("sale", "cancellation", "bad_debt", "adjustment")
WITH_KINDS = ("inventory", "clicks")

Expect = Literal[
    "rejected", "refused", "duplicate", "superseded", "copy", "rescued", "late", "kept", "held", "released"
]


@dataclass(frozen=True)
class Fault:
    """One planted fault and what must become of it.

    Attributes:
        kind: What was planted, e.g. `quantity_not_a_number`.
        source: One of `SOURCES`.
        file: The file's key relative to the landing root.
        record: 1-based number of the record in the file as the reader counts; None is the file as a whole.
        wave: The delivery it arrives with.
        expect: What must become of it.
        rules: The exact rules it breaks.
        business_date: The day in whose partition its outcome is to be seen.
        until: The wave that replaces its file, from which on the fault no longer exists.
        line: Silver column values that find the line in silver, and those it must have there.
        records: Record numbers, where one fault is many records (the held day).
        rows: Good rows of the file, where the fault is the file as a whole.
        twin: The file this one is a copy of.
        versions: sha256 of the file's versions so far, oldest first, where the file changes.
        id: Given when the key is assembled.
    """

    kind: str
    source: str
    file: str
    record: int | None
    wave: int
    expect: Expect
    business_date: date
    rules: tuple[str, ...] = ()
    until: int | None = None
    line: dict[str, Any] | None = None
    records: tuple[int, ...] | None = None
    rows: int | None = None
    twin: str | None = None
    versions: tuple[str, ...] | None = None
    id: str = ""

    def counts_after(self, waves: int) -> bool:
        """Whether the fault is at rest in the landing folder once that many waves were delivered."""
        return self.wave <= waves and (self.until is None or waves < self.until)


@dataclass
class DayTally:
    """What one file, or the whole landing folder, leaves in one day's partition of one source.

    Published rows are counted by kind, with their units and cents where they have any.
    """

    published: int = 0
    rejected: int = 0
    duplicates: int = 0
    lines: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    cents: Counter[str] = field(default_factory=Counter)

    def add(self, other: DayTally) -> None:
        """Add another tally of the same day."""
        self.published += other.published
        self.rejected += other.rejected
        self.duplicates += other.duplicates
        self.lines.update(other.lines)
        self.units.update(other.units)
        self.cents.update(other.cents)

    @property
    def rows(self) -> int:
        """All rows, whatever becomes of them."""
        return self.published + self.rejected + self.duplicates

    def publish(self, kind: str, lines: int = 1, units: int = 0, cents: int = 0) -> None:
        """Count published rows of one kind; negative numbers take them back."""
        self.published += lines
        self.lines[kind] += lines
        self.units[kind] += units
        self.cents[kind] += cents


Tally = dict[date, DayTally]


def new_tally() -> Tally:
    """Return an empty tally whose days appear when they are first counted."""
    return defaultdict(DayTally)


@dataclass(frozen=True)
class FileVersion:
    """One delivered version of a landing file.

    Attributes:
        key: The file's key relative to the landing root.
        source: The source it belongs to.
        wave: The delivery it arrives with.
        sha256: Of its bytes.
        size_bytes: Its size.
        records: Records a reader finds in it, rejected ones included.
        tally: What its rows leave in the partitions, by business date.
    """

    key: str
    source: str
    wave: int
    sha256: str
    size_bytes: int
    records: int
    tally: Tally


@dataclass(frozen=True)
class Partition:
    """The expected final counts of one partition of silver.

    Attributes:
        source: One of `SOURCES`.
        business_date: The partition.
        held: Whether it must be held; then nothing of it is published.
        published: Rows in the table.
        rejected: Rows in quarantine.
        duplicates: Rows dropped because the same line is there already.
        superseded: Rows of replaced file versions, when each wave was processed before the next was delivered.
    """

    source: str
    business_date: date
    held: bool
    published: int
    rejected: int
    duplicates: int
    superseded: int


@dataclass(frozen=True)
class SalesDay:
    """The expected totals of one day's published transactions; money is exact."""

    business_date: date
    lines: int
    units: int
    gross_sales: Decimal
    returns: Decimal
    net_sales: Decimal
    by_kind: dict[str, dict[str, str | int]]


@dataclass(frozen=True)
class KindsDay:
    """How many rows of each kind one day's partition must have, and their units where they have any."""

    source: str
    business_date: date
    lines: dict[str, int]
    units: dict[str, int]


@dataclass(frozen=True)
class Expected:
    """Everything the tables must hold once a wave was delivered and processed."""

    wave: int
    partitions: tuple[Partition, ...]
    sales: tuple[SalesDay, ...]
    kinds: tuple[KindsDay, ...]


@dataclass(frozen=True)
class AnswerKey:
    """The whole key of one generated world.

    Attributes:
        arguments: What `generate` was called with.
        deliveries: The waves, each with its files: key, source, sha256, size, records, and rows by business date.
        faults: Everything planted.
        expected: What must be in the tables after each wave.
    """

    arguments: dict[str, Any]
    deliveries: tuple[dict[str, Any], ...]
    faults: tuple[Fault, ...]
    expected: tuple[Expected, ...]

    @property
    def waves(self) -> int:
        """How many deliveries there are."""
        return len(self.deliveries)

    def after(self, waves: int) -> Expected:
        """Return what must be in the tables after that many waves.

        Raises:
            ValueError: When there is no such wave.
        """
        for expected in self.expected:
            if expected.wave == waves:
                return expected
        raise ValueError(f"the answer key has waves 1 to {self.waves}, not {waves}")


def money(cents: int) -> Decimal:
    """Return cents as an exact amount with two decimals."""
    return Decimal(cents).scaleb(-2)


def _sales_day(day: date, tally: DayTally) -> SalesDay:
    """Sum one day's published lines by kind."""
    return SalesDay(
        business_date=day,
        lines=sum(tally.lines.values()),
        units=sum(tally.units.values()),
        gross_sales=money(tally.cents["sale"]),
        returns=money(tally.cents["cancellation"]),
        net_sales=money(sum(tally.cents.values())),
        by_kind={
            kind: {"lines": tally.lines[kind], "units": tally.units[kind], "amount": str(money(tally.cents[kind]))}
            for kind in KINDS
        },
    )


def expect_after(wave: int, versions: Iterable[FileVersion], held: set[tuple[str, date]]) -> Expected:
    """Sum the tallies of the file versions at rest after a wave.

    Args:
        wave: The wave.
        versions: All file versions of the world, in the order of their delivery.
        held: The (source, business date) whose partition must be held after this wave.
    """
    delivered = [version for version in versions if version.wave <= wave]
    current = {version.key: version for version in delivered}
    totals: dict[tuple[str, date], DayTally] = defaultdict(DayTally)
    superseded: Counter[tuple[str, date]] = Counter()
    for version in delivered:
        for day, tally in version.tally.items():
            if version is current[version.key]:
                totals[version.source, day].add(tally)
            else:
                superseded[version.source, day] += tally.rows
    partitions = tuple(
        Partition(
            source=source,
            business_date=day,
            held=(source, day) in held,
            published=0 if (source, day) in held else tally.published,
            rejected=tally.rejected,
            duplicates=tally.duplicates,
            superseded=superseded[source, day],
        )
        for (source, day), tally in sorted(totals.items())
    )
    sales = tuple(
        _sales_day(day, tally)
        for (source, day), tally in sorted(totals.items())
        if source == "transactions" and (source, day) not in held
    )
    kinds = tuple(
        KindsDay(source, day, lines=dict(sorted(tally.lines.items())), units=dict(sorted(tally.units.items())))
        for (source, day), tally in sorted(totals.items())
        if source in WITH_KINDS and (source, day) not in held
    )
    return Expected(wave, partitions, sales, kinds)


def _plain(value: object) -> object:
    """Render a date or an amount for JSON."""
    if isinstance(value, date | Decimal):
        return str(value)
    raise TypeError(f"{value!r} has no place in an answer key")


def _fault_entry(fault: Fault) -> dict[str, Any]:
    """Render a fault; the optional attributes only where they are set."""
    required = ("id", "kind", "source", "file", "record", "wave", "expect", "rules", "business_date")
    values = asdict(fault)
    entry = {name: values.pop(name) for name in required}
    return entry | {name: value for name, value in values.items() if value is not None}


def write_answer_key(key: AnswerKey, path: Path) -> None:
    """Write the key; last and atomically, so that its presence says that the world is complete."""
    document = {
        "arguments": key.arguments,
        "deliveries": key.deliveries,
        "expected": [asdict(expected) for expected in key.expected],
        "faults": [_fault_entry(fault) for fault in key.faults],
    }
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(json.dumps(document, indent=1, default=_plain, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _read_fault(entry: dict[str, Any]) -> Fault:
    """Build a fault from its JSON entry."""
    values = dict(entry)
    for name in ("rules", "records", "versions"):
        if name in values:
            values[name] = tuple(values[name])
    values["business_date"] = date.fromisoformat(values["business_date"])
    return Fault(**values)


def _read_expected(entry: dict[str, Any]) -> Expected:
    """Build one wave's expectations from their JSON entry."""

    def dated(item: dict[str, Any]) -> dict[str, Any]:
        values = dict(item)
        for name in ("gross_sales", "returns", "net_sales"):
            if name in values:
                values[name] = Decimal(values[name])
        values["business_date"] = date.fromisoformat(values["business_date"])
        return values

    return Expected(
        wave=entry["wave"],
        partitions=tuple(Partition(**dated(item)) for item in entry["partitions"]),
        sales=tuple(SalesDay(**dated(item)) for item in entry["sales"]),
        kinds=tuple(KindsDay(**dated(item)) for item in entry["kinds"]),
    )


def read_answer_key(out: Path) -> AnswerKey:
    """Read the key of the world in a landing folder.

    Raises:
        FileNotFoundError: When no complete world was generated there.
    """
    document = json.loads((out / ANSWER_KEY).read_text(encoding="utf-8"))
    return AnswerKey(
        arguments=document["arguments"],
        deliveries=tuple(document["deliveries"]),
        faults=tuple(_read_fault(entry) for entry in document["faults"]),
        expected=tuple(_read_expected(entry) for entry in document["expected"]),
    )

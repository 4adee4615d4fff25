"""The rows of small files: each with what must become of it, put in order, counted and entered in the answer key.

What customers, products, stock movements and clicks have in common belongs here. Transactions do not: they are made by
the million, column by column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from examples.shop.answer_key import Expect, Fault, Tally, new_tally
from examples.shop.landing import FIRST_WAVE
from examples.shop.rng import Dice

Values = dict[str, Any]
Damage = Callable[[bytes], bytes]


@dataclass(frozen=True)
class RowPlant:
    """A kind of broken row.

    Attributes:
        kind: The name of what is planted.
        rules: The rules it breaks.
        values: Values that are replaced.
        damage: What the line is damaged with once it is text, for formats that have lines.
    """

    kind: str
    rules: tuple[str, ...]
    values: Values = field(default_factory=dict)
    damage: Damage | None = None

    def broken(self, values: Values, business_date: date) -> FileRow:
        """Return a row broken in this way.

        Args:
            values: The sound row.
            business_date: The day whose partition it is to be seen in.
        """
        return FileRow(values | self.values, business_date, "rejected", self.kind, self.rules, self.damage)


@dataclass(frozen=True)
class FileRow:
    """One row of a file.

    Attributes:
        values: The row by column.
        business_date: The day whose partition it belongs to.
        expect: What must become of it; None is an ordinary row.
        kind: What is planted, for all but ordinary rows.
        rules: The rules it breaks.
        damage: What the line is damaged with.
        checks: Silver columns, and the values that must be found there.
        reported: Whether a planted row gets an entry in the answer key.
    """

    values: Values
    business_date: date
    expect: Expect | None = None
    kind: str = ""
    rules: tuple[str, ...] = ()
    damage: Damage | None = None
    checks: Values = field(default_factory=dict)
    reported: bool = True


@dataclass(frozen=True)
class RowSource:
    """What the accounts need to know of a source.

    Attributes:
        name: The source.
        key: The column that names what a row is about.
        kind_of: Returns the kind of a published row and its units.
    """

    name: str
    key: str
    kind_of: Callable[[Values], tuple[str, int]] = lambda _: ("", 0)


@dataclass(frozen=True)
class Account:
    """What the rows of a file leave in the partitions, its faults, and the numbers of planted rows without an entry."""

    tally: Tally
    faults: tuple[Fault, ...]
    unreported: tuple[int, ...]


def strewn(rows: Sequence[FileRow], planted: Sequence[FileRow], dice: Dice) -> list[FileRow]:
    """Return rows with planted ones among them, each after another place."""
    found = list(rows)
    places = [dice.one(f"place {index}", len(found)) for index in range(len(planted))]
    for place, row in sorted(zip(places, planted, strict=True), key=lambda pair: -pair[0]):
        found.insert(place + 1, row)
    return found


def account(source: RowSource, rows: Sequence[FileRow], file: str, wave: int = FIRST_WAVE) -> Account:
    """Count what the rows of a file leave in the partitions, and list its faults.

    Args:
        source: Whose rows they are.
        rows: The file's rows in order; a row's number is its record number.
        file: The file's key relative to the landing root.
        wave: The delivery it arrives with.
    """
    tally, faults, unreported = new_tally(), [], []
    for record, row in enumerate(rows, start=1):
        day = tally[row.business_date]
        if row.expect == "rejected":
            day.rejected += 1
        elif row.expect == "duplicate":
            day.duplicates += 1
        else:
            kind, units = source.kind_of(row.values)
            day.publish(kind, units=units)
        if row.expect is None:
            continue
        if not row.reported:
            unreported.append(record)
            continue
        line = None if row.expect == "rejected" else {source.key: row.values[source.key]} | row.checks
        faults.append(
            Fault(
                kind=row.kind,
                source=source.name,
                file=file,
                record=record,
                wave=wave,
                expect=row.expect,
                business_date=row.business_date,
                rules=row.rules,
                line=line,
            )
        )
    return Account(tally, tuple(faults), tuple(unreported))

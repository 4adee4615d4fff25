"""Change feeds: master data as it changes from day to day, and what is wrong with some of the changes.

What the customers' and the products' feeds have in common belongs here. Their columns, their kinds of broken values
and their file formats do not: those are `shop/customers.py` and `shop/products.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from shop import schedule
from shop.answer_key import Expect, Fault, Tally, new_tally
from shop.dice import Dice

Values = dict[str, Any]
MakeValues = Callable[[int, int, datetime], Values]

_STRIDE = 1_013  # prime to the number of customers and of products, so that a round of changes meets everyone once
_SNAPSHOT_FROM, _CHANGES_FROM, _CHANGES_LAST = time(5), time(8), timedelta(hours=10)
_EARLIER_VERSION = 1_000_000  # added to a version's number for the earlier of two changes of one day


@dataclass(frozen=True)
class FeedPlant:
    """A kind of broken change.

    Attributes:
        kind: The name of what is planted.
        rules: The rules it breaks.
        values: Values that are replaced.
        damage: What the line is damaged with once it is text, for formats that have lines.
    """

    kind: str
    rules: tuple[str, ...]
    values: Values = field(default_factory=dict)
    damage: Callable[[bytes], bytes] | None = None


@dataclass(frozen=True)
class FeedRow:
    """One change in a file of the feed.

    Attributes:
        values: The change by column.
        business_date: The day whose partition it belongs to.
        expect: What must become of it; "published" is an ordinary change.
        kind: What is planted, for all but ordinary changes.
        rules: The rules it breaks.
        damage: What the line is damaged with.
        checks: Silver columns, and the values that must be found there.
    """

    values: Values
    business_date: date
    expect: Expect | None = None
    kind: str = ""
    rules: tuple[str, ...] = ()
    damage: Callable[[bytes], bytes] | None = None
    checks: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Feed:
    """The changes of one kind of master data.

    Attributes:
        source: customers or products.
        key: The column that names the thing that changes.
        seed: The seed of the world.
        start: The first day, on which everything is delivered.
        count: How many things there are.
        changes: How many of them change each day after the first.
        make: Makes the values of a thing (by index), in a version, as changed at a moment.
        plants: The kinds of broken change.
    """

    source: str
    key: str
    seed: int
    start: date
    count: int
    changes: int
    make: MakeValues
    plants: tuple[FeedPlant, ...]

    def date_of(self, day: int) -> date:
        """Return the calendar date of a day of the world."""
        return self.start + timedelta(days=day)

    def rows(self, day: int) -> list[FeedRow]:
        """Return the changes of a day in the order of its file, planted ones among them."""
        clean = self._clean(day)
        planted = [*self._broken(day), *self._repeated(day, clean), *self._late(day)]
        dice = Dice(self.seed, self.source, "places", day)
        places = [dice.one(f"place {index}", len(clean)) for index in range(len(planted))]
        for place, row in sorted(zip(places, planted, strict=True), key=lambda pair: -pair[0]):
            clean.insert(place + 1, row)
        return clean

    def _moment(self, day: int, position: int) -> datetime:
        """Return when the change at a position of the day's clean changes was made."""
        if day == 0:
            return datetime.combine(self.start, _SNAPSHOT_FROM, UTC) + timedelta(seconds=position)
        step = _CHANGES_LAST // self.changes
        return datetime.combine(self.date_of(day), _CHANGES_FROM, UTC) + timedelta(seconds=position * step.seconds)

    def _index(self, day: int, position: int) -> int:
        """Return what changes at a position of a day; a day's changes are all about different things."""
        return (day * self.changes + position) * _STRIDE % self.count

    def _clean(self, day: int) -> list[FeedRow]:
        """Return the ordinary changes: everything on the first day, a few things on each later one."""
        indices = range(self.count) if day == 0 else [self._index(day, place) for place in range(self.changes)]
        return [
            FeedRow(self.make(index, day, self._moment(day, position)), self.date_of(day))
            for position, index in enumerate(indices)
        ]

    def _broken(self, day: int) -> list[FeedRow]:
        """Return the day's broken changes, all about things that do not change that day."""
        return [
            FeedRow(
                values=self.make(self._index(day, self.changes + place), day, self._moment(day, place)) | plant.values,
                business_date=self.date_of(day),
                expect="rejected",
                kind=plant.kind,
                rules=plant.rules,
                damage=plant.damage,
            )
            for place, plant in enumerate(schedule.falling_on(day, self.plants))
        ]

    def _repeated(self, day: int, clean: list[FeedRow]) -> list[FeedRow]:
        """Return a change sent twice, and an earlier change of the same day that arrives after its successor."""
        rows = []
        kinds = schedule.falling_on(day, ("change_sent_twice", "changes_out_of_order"), frozenset({0}))
        if "change_sent_twice" in kinds:
            rows.append(replace(clean[1], expect="duplicate", kind="change_sent_twice"))
        if "changes_out_of_order" in kinds:
            moment = self._moment(day, 2) - timedelta(hours=1)
            earlier = self.make(self._index(day, 2), day + _EARLIER_VERSION, moment)
            checks = {"updated_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}
            rows.append(FeedRow(earlier, self.date_of(day), "kept", "changes_out_of_order", checks=checks))
        return rows

    def _late(self, day: int) -> list[FeedRow]:
        """Return a change made on an earlier day, about a thing that did not change that day."""
        if not schedule.falling_on(day, ("late_change",) * 2, frozenset({0, 1})):
            return []
        earlier = schedule.earlier_day(Dice(self.seed, self.source, "late", day), day, first=1)
        index = self._index(earlier, self.changes + day)
        values = self.make(index, earlier, self._moment(earlier, 0))
        return [FeedRow(values, self.date_of(earlier), "late", "late_change")]


def account(feed: Feed, rows: list[FeedRow], key: str) -> tuple[Tally, list[Fault]]:
    """Count what the rows of a file leave in the partitions, and list its faults.

    Args:
        feed: The feed.
        rows: The file's rows in order; a row's number is its record number.
        key: The file's key relative to the landing root.
    """
    tally, faults = new_tally(), []
    for record, row in enumerate(rows, start=1):
        day = tally[row.business_date]
        if row.expect == "rejected":
            day.rejected += 1
        elif row.expect == "duplicate":
            day.duplicates += 1
        else:
            day.published += 1
        if row.expect is not None:
            line = None if row.expect == "rejected" else {feed.key: row.values[feed.key]} | row.checks
            faults.append(
                Fault(
                    kind=row.kind,
                    source=feed.source,
                    file=key,
                    record=record,
                    wave=1,
                    expect=row.expect,
                    business_date=row.business_date,
                    rules=row.rules,
                    line=line,
                )
            )
    return tally, faults

"""Change feeds: master data as it changes from day to day, and what is wrong with some of the changes.

What the customers' and the products' feeds have in common belongs here. Their columns, their kinds of broken values
and their file formats do not: those are `customers.py` and `products.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count

from examples.shop import schedule
from examples.shop.answer_key import Expect
from examples.shop.rng import Dice
from examples.shop.rows import FileRow, RowPlant, RowSource, Values, strewn

MakeValues = Callable[[int, int, datetime], Values]

BELATED_DAY = 6  # the landing date of the changes that arrive with the corrections

_STRIDE = 1_013  # prime to the number of customers and of products, so that a round of changes meets everyone once
_SNAPSHOT_FROM, _CHANGES_FROM, _CHANGES_LAST = time(5), time(8), timedelta(hours=10)
_OTHER_VERSION = 1_000_000  # added to a version's number for another change of the same day
_APART = 1_500  # further on in a day's round, nothing changes that day: there the planted histories are
_AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Feed:
    """The changes of one kind of master data.

    Attributes:
        source: customers or products.
        key: The column that names the thing that changes.
        tells: A column that tells versions of a thing apart, of the same value in silver.
        seed: The seed of the world.
        start: The first day, on which everything is delivered.
        count: How many things there are.
        changes: How many of them change each day after the first.
        make: Makes the values of a thing (by index), in a version, as changed at a moment.
        plants: The kinds of broken change.
        deletable: Whether things are ever deleted; then changes say `is_deleted`.
    """

    source: str
    key: str
    tells: str
    seed: int
    start: date
    count: int
    changes: int
    make: MakeValues
    plants: tuple[RowPlant, ...]
    deletable: bool = False

    @property
    def rows_source(self) -> RowSource:
        """What the accounts need to know of it."""
        return RowSource(self.source, self.key)

    def date_of(self, day: int) -> date:
        """Return the calendar date of a day of the world."""
        return self.start + timedelta(days=day)

    def rows(self, day: int) -> list[FileRow]:
        """Return the changes of a day in the order of its file, planted ones among them."""
        clean = self._clean(day)
        planted = [*self._broken(day), *self._repeated(day, clean), *self._late(day), *self._deletions(day)]
        found = strewn(clean, planted, Dice(self.seed, self.source, "places", day))
        kinds = schedule.falling_on(day, ("another_change_at_the_same_time",) * 3, frozenset({0, 1, 2}))
        return [*found, self._at_the_same_time(day, 3)] if kinds else found

    def belated(self) -> list[FileRow]:
        """Return what arrives with the corrections: changes of days that are long past, and one known already."""
        rows = []
        for place, day in enumerate((1, 2, 4, 5)):
            values = self.make(self._index(day, _APART + place), day, self._moment(day, 5))
            tells = {self.tells: values[self.tells]}
            rows.append(FileRow(values, self.date_of(day), "late", "change_days_late", checks=tells))
        first = self._clean(1)[4]
        rows.append(replace(first, expect="duplicate", kind="change_sent_again_days_later"))
        rows.append(self._at_the_same_time(2, 4))
        if self.deletable:
            index = self._index(5, _APART + 10)
            rows.append(self._told(index, 5, self._moment(5, 7), "late", "deletion_days_late", is_deleted=True))
        return rows

    def _moment(self, day: int, position: int) -> datetime:
        """Return when the change at a position of the day's clean changes was made."""
        if day == 0:
            return datetime.combine(self.start, _SNAPSHOT_FROM, UTC) + timedelta(seconds=position)
        step = _CHANGES_LAST // self.changes
        return datetime.combine(self.date_of(day), _CHANGES_FROM, UTC) + timedelta(seconds=position * step.seconds)

    def _index(self, day: int, position: int) -> int:
        """Return what changes at a position of a day; a day's changes are all about different things."""
        return (day * self.changes + position) * _STRIDE % self.count

    def _clean(self, day: int) -> list[FileRow]:
        """Return the ordinary changes: everything on the first day, a few things on each later one."""
        indices = range(self.count) if day == 0 else [self._index(day, place) for place in range(self.changes)]
        return [
            FileRow(self.make(index, day, self._moment(day, position)), self.date_of(day))
            for position, index in enumerate(indices)
        ]

    def _broken(self, day: int) -> list[FileRow]:
        """Return the day's broken changes, all about things that do not change that day."""
        return [
            plant.broken(
                self.make(self._index(day, self.changes + place), day, self._moment(day, place)), self.date_of(day)
            )
            for place, plant in enumerate(schedule.falling_on(day, self.plants))
        ]

    def _repeated(self, day: int, clean: list[FileRow]) -> list[FileRow]:
        """Return a change sent twice, and an earlier change of the same day that arrives after its successor."""
        rows = []
        kinds = schedule.falling_on(day, ("change_sent_twice", "changes_out_of_order"), frozenset({0}))
        if "change_sent_twice" in kinds:
            rows.append(replace(clean[1], expect="duplicate", kind="change_sent_twice"))
        if "changes_out_of_order" in kinds:
            moment = self._moment(day, 2) - _AN_HOUR
            earlier = self.make(self._index(day, 2), day + _OTHER_VERSION, moment)
            checks = {"updated_at": text_of(moment)}
            rows.append(FileRow(earlier, self.date_of(day), "kept", "changes_out_of_order", checks=checks))
        return rows

    def _late(self, day: int) -> list[FileRow]:
        """Return a change made on an earlier day, about a thing that did not change that day."""
        if not schedule.falling_on(day, ("late_change",) * 2, frozenset({0, 1})):
            return []
        earlier = schedule.earlier_day(Dice(self.seed, self.source, "late", day), day, first=1)
        index = self._index(earlier, self.changes + day)
        values = self.make(index, earlier, self._moment(earlier, 0))
        return [FileRow(values, self.date_of(earlier), "late", "late_change")]

    def _at_the_same_time(self, day: int, position: int) -> FileRow:
        """Return another change of a thing at the moment of an ordinary one, which stands before it and counts."""
        first, moment = self._clean(day)[position].values, self._moment(day, position)
        others = (self.make(self._index(day, position), day + number * _OTHER_VERSION, moment) for number in count(2))
        other = next(values for values in others if values[self.tells] != first[self.tells])
        checks = {"updated_at": text_of(moment), self.tells: first[self.tells]}
        return FileRow(other, self.date_of(day), "duplicate", "another_change_at_the_same_time", checks=checks)

    def _deletions(self, day: int) -> list[FileRow]:
        """Return deletions with the returns after them: both of one day, and a deletion that comes with its return."""
        kinds = schedule.falling_on(day, ("within_a_day", "overnight"), frozenset({0, 1})) if self.deletable else []
        rows = []
        if "within_a_day" in kinds:
            index, gone = self._index(day, _APART + 20), self._moment(day, 10)
            rows.append(self._told(index, day, gone + _AN_HOUR, "kept", "return_after_deletion", is_deleted=False))
            rows.append(self._told(index, day, gone, "kept", "deletion_before_return", is_deleted=True))
        if "overnight" in kinds:
            index, gone = self._index(day, _APART + 30), self._moment(day - 1, 11)
            rows.append(self._told(index, day, self._moment(day, 11), "kept", "return_overnight", is_deleted=False))
            rows.append(
                self._told(index, day - 1, gone, "late", "deletion_that_comes_with_its_return", is_deleted=True)
            )
        return rows

    def _told(self, index: int, day: int, moment: datetime, expect: Expect, kind: str, *, is_deleted: bool) -> FileRow:
        """Return a change that deletes a thing or brings it back."""
        values = self.make(index, day, moment) | {"is_deleted": is_deleted}
        checks = {"updated_at": text_of(moment), "is_deleted": is_deleted}
        return FileRow(values, self.date_of(day), expect, kind, checks=checks)


def text_of(moment: datetime) -> str:
    """Return a time as text: in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

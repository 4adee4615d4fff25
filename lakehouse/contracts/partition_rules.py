"""Day rules: what a contract asks of a whole day, from the figures of its rows and of earlier days.

Belongs here: the rules and the figures they need. The figures of the day at hand are counted by the ``audit``, which
also decides; those of earlier days are read by ``earlier_figures``. Rules about rows belong in ``rule_compiler``.

A contract lists them as its ``day_rules``::

    day_rules = (volume(at_least=0.5, at_most=2.0), duplicates(at_most=0.1), hours("sold_at", opens=9, closes=17))

A day rule warns or holds: there is no row to reject.
"""

from __future__ import annotations

import datetime as dt
import statistics
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

DayAction = Literal["warn", "hold"]
_WEEK = dt.timedelta(weeks=1)
KNOWN_FROM = 3
"""The number of earlier days of the same weekday from which a median of them says something."""


@dataclass
class Figures:
    """What day rules need to know of a day.

    Attributes:
        rows: published rows.
        duplicates: rows that were set aside because another says the same.
        sums: the sum over published rows, by column.
        hours: the hours of the day, UTC, in which published rows lie, by column.
    """

    rows: int = 0
    duplicates: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)
    hours: dict[str, set[int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DayRule(ABC):
    """Something asked of a whole day.

    Attributes:
        when_broken: ``warn`` or ``hold``.
    """

    when_broken: DayAction = "warn"

    @property
    def name(self) -> str:
        """``day:volume``."""
        return f"day:{type(self).__name__.lower()}"

    @property
    @abstractmethod
    def reason(self) -> str:
        """What must hold, in words."""

    @property
    def summed(self) -> str | None:
        """The column whose sum it needs."""
        return None

    @property
    def timed(self) -> str | None:
        """The column whose hours it needs."""
        return None

    @property
    def looks_back(self) -> int:
        """How many weeks back it looks."""
        return 0

    @abstractmethod
    def finding(self, day: Figures, earlier: Sequence[Figures]) -> str | None:
        """Return what is wrong with a day, in words, or None.

        Args:
            day: its figures.
            earlier: those of the same weekday in the weeks before, as far as they are known.
        """


@dataclass(frozen=True, kw_only=True)
class Volume(DayRule):
    """See ``volume``."""

    at_least: float
    at_most: float
    weeks: int

    @property
    def reason(self) -> str:
        """What must hold, in words."""
        return f"as many rows as on the same weekday before: {_band(self.at_least, self.at_most, self.weeks)}"

    @property
    def looks_back(self) -> int:
        """How many weeks back it looks."""
        return self.weeks

    def finding(self, day: Figures, earlier: Sequence[Figures]) -> str | None:
        """Compare the day's rows."""
        if not day.rows:
            return None
        return _outside(day.rows, [other.rows for other in earlier], self.at_least, self.at_most, "rows")


@dataclass(frozen=True, kw_only=True)
class Total(DayRule):
    """See ``total``."""

    column: str
    at_least: float
    at_most: float
    weeks: int

    @property
    def name(self) -> str:
        """``day:total_amount``."""
        return f"day:total_{self.column}"

    @property
    def reason(self) -> str:
        """What must hold, in words."""
        band = _band(self.at_least, self.at_most, self.weeks)
        return f"{self.column} sums up to as much as on the same weekday before: {band}"

    @property
    def summed(self) -> str | None:
        """The column whose sum it needs."""
        return self.column

    @property
    def looks_back(self) -> int:
        """How many weeks back it looks."""
        return self.weeks

    def finding(self, day: Figures, earlier: Sequence[Figures]) -> str | None:
        """Compare the column's sum."""
        if not day.rows:
            return None
        sums = [other.sums[self.column] for other in earlier if self.column in other.sums]
        return _outside(day.sums.get(self.column, Decimal(0)), sums, self.at_least, self.at_most, self.column)


@dataclass(frozen=True, kw_only=True)
class Duplicates(DayRule):
    """See ``duplicates``."""

    at_most: float

    @property
    def reason(self) -> str:
        """What must hold, in words."""
        return f"at most {self.at_most:.0%} of the rows say the same as another"

    def finding(self, day: Figures, earlier: Sequence[Figures]) -> str | None:
        """Compare the share of duplicates."""
        del earlier
        rows = day.rows + day.duplicates
        if day.duplicates <= self.at_most * rows:
            return None
        return f"{day.duplicates} of {rows} rows are duplicates ({day.duplicates / rows:.1%}, limit {self.at_most:.0%})"


@dataclass(frozen=True, kw_only=True)
class Hours(DayRule):
    """See ``hours``."""

    column: str
    opens: int
    closes: int
    from_rows: int

    @property
    def reason(self) -> str:
        """What must hold, in words."""
        return f"a row in every hour from {self.opens} to {self.closes} UTC, on a day of {self.from_rows} rows or more"

    @property
    def timed(self) -> str | None:
        """The column whose hours it needs."""
        return self.column

    def finding(self, day: Figures, earlier: Sequence[Figures]) -> str | None:
        """Look for hours without a row."""
        del earlier
        empty = sorted(set(range(self.opens, self.closes)) - day.hours.get(self.column, set()))
        if not empty or day.rows < self.from_rows:
            return None
        return f"no row from {', '.join(f'{hour}:00 to {hour + 1}:00' for hour in empty)} of {day.rows} rows"


def volume(*, at_least: float, at_most: float, weeks: int = 8, when_broken: DayAction = "warn") -> DayRule:
    """Ask for about as many published rows as on the same weekday of the weeks before.

    The median of those days is taken, once three of them are known. Only dates before the day count, each with what is
    published of it. A day without any row is taken for one on which nobody sold, such as a holiday.

    Args:
        at_least: the smallest share of the median, and ``at_most`` the largest.
        at_most: see there.
        weeks: how far to look back.
        when_broken: ``warn`` or ``hold``.
    """
    return Volume(at_least=at_least, at_most=at_most, weeks=weeks, when_broken=_of_day(when_broken))


def total(column: str, *, at_least: float, at_most: float, weeks: int = 8, when_broken: DayAction = "warn") -> DayRule:
    """Ask that a column sums up to about as much as on the same weekday of the weeks before, like ``volume``.

    A median that is not positive says nothing, and the rule is not evaluated.
    """
    return Total(column=column, at_least=at_least, at_most=at_most, weeks=weeks, when_broken=_of_day(when_broken))


def duplicates(*, at_most: float, when_broken: DayAction = "warn") -> DayRule:
    """Ask that few of a day's good rows say the same as another: ``at_most`` is their share."""
    return Duplicates(at_most=at_most, when_broken=_of_day(when_broken))


def hours(column: str, *, opens: int, closes: int, from_rows: int = 500, when_broken: DayAction = "warn") -> DayRule:
    """Ask for a row in every hour of the core of a day, so that an hour that got lost is seen.

    Args:
        column: the time of a row.
        opens: the first hour, UTC, and ``closes`` the one that is asked no more.
        closes: see there.
        from_rows: a day with fewer rows may well have none for an hour, and is not judged.
        when_broken: ``warn`` or ``hold``.
    """
    return Hours(column=column, opens=opens, closes=closes, from_rows=from_rows, when_broken=_of_day(when_broken))


def trailing(day: dt.date, rule: DayRule) -> list[dt.date]:
    """Return the earlier days that a rule compares a day with."""
    return [day - week * _WEEK for week in range(1, rule.looks_back + 1)]


def _of_day(action: str) -> DayAction:
    if action == "warn":
        return "warn"
    if action == "hold":
        return "hold"
    raise ValueError(f"when_broken={action!r} of a day rule must be warn or hold: it has no row to reject")


def _band(at_least: float, at_most: float, weeks: int) -> str:
    return f"{at_least:g} to {at_most:g} times the median of {weeks} weeks"


def _outside(
    value: Decimal | int, earlier: Sequence[Decimal | int], at_least: float, at_most: float, what: str
) -> str | None:
    """Say in words that a value lies outside a band around the median of earlier ones, or return None."""
    if len(earlier) < KNOWN_FROM:
        return None
    median = statistics.median(float(other) for other in earlier)
    if median <= 0 or at_least * median <= float(value) <= at_most * median:
        return None
    return f"{value:,} {what} are {float(value) / median:.2f} times the {median:,.0f} usual on this weekday"

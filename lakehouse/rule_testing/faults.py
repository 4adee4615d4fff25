"""Faults: what typically goes wrong with a delivery, to be planted into a copy of received rows, one at a time.

Belongs here: the kinds of faults, which of them a contract can have, and how each changes rows. Nothing here reads or
writes a table; whether a fault is caught is ``mutation``'s matter.

====================  ================================================================================================
``nulls``             a value that must be there is missing, in a sample of rows
``swapped_columns``   two columns of like type that stand beside each other have changed places, in a sample
``unit_change``       numbers in another unit: times 100, packs for pieces, millionths; or signs the other way round
``duplicated_rows``   the whole delivery comes twice
``dropped_hour``      an hour of the day is missing, or whatever is small
``shifted_time_zone`` times of another zone; a row that thereby is about another day leaves this one
``orphan_keys``       keys that stand nowhere in the table they refer to
``truncated_text``    texts are cut in half, times to their date
``unreadable_values`` text where a number or a time should be
``stale_dates``       the date of a clock that was never set
====================  ================================================================================================
"""

from __future__ import annotations

import datetime as dt
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import columns_of

if TYPE_CHECKING:
    from lakehouse.contracts.contract import Contract, ContractColumn
    from lakehouse.contracts.policy import Policy

KINDS = (
    "nulls",
    "swapped_columns",
    "unit_change",
    "duplicated_rows",
    "dropped_hour",
    "shifted_time_zone",
    "orphan_keys",
    "truncated_text",
    "unreadable_values",
    "stale_dates",
)
SAMPLE, FEW = 0.05, 20
"""The share of rows that a sample is, and the rows that it has at least."""
_LARGEST = 0.3
_NEVER_SET = "1970-01-01"
_DATE = 10
"""The letters of a date in ISO 8601."""


@dataclass(frozen=True)
class Received:
    """A copy of received rows of one day, which faults are planted into; the source's columns are text.

    Attributes:
        rows: bronze's columns.
        day: the day they are about.
    """

    rows: pa.Table
    day: dt.date

    def texts(self, column: str) -> list[str | None]:
        """Return a column's values."""
        values: list[str | None] = self.rows.column(column).to_pylist()
        return values

    def given(self, column: str) -> dict[int, str]:
        """Return a column's values by the place of their row, of records that could be read and have one."""
        refused = self.rows.column("reject_reason").to_pylist()
        return {
            place: value
            for place, value in enumerate(self.texts(column))
            if refused[place] is None and value is not None and value.strip()
        }

    def times(self, column: str) -> dict[int, dt.datetime]:
        """Return a column's times by the place of their row, in UTC, as far as they can be read."""
        found = {}
        for place, value in self.given(column).items():
            try:
                when = dt.datetime.fromisoformat(value.strip())
            except ValueError:
                continue
            found[place] = when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)
        return found


@dataclass(frozen=True)
class Planted:
    """Rows with a fault in them, and how many rows were changed, added or taken out."""

    rows: pa.Table
    planted: int


Plant = Callable[[Received, random.Random], Planted]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: one of ``KINDS``.
        columns: the source's columns that it is about.
        what: what has happened, in words.
        plant: plants it into a copy.
    """

    kind: str
    columns: tuple[str, ...]
    what: str
    plant: Plant

    def planted_into(self, received: Received, seed: int) -> Planted:
        """Plant it; the same seed chooses the same rows."""
        chance = random.Random(f"{seed} {self.kind} {self.columns} {self.what}")  # noqa: S311 - a sample, no secret
        return self.plant(received, chance)


def faults_of(contract: type[Contract], policy: Policy) -> list[Fault]:
    """Return every fault that rows of a table can have, by its columns' types, sources and references.

    Args:
        contract: the table's contract.
        policy: says which columns name a row and which is its time.
    """
    columns = list({column.source: column for column in columns_of(contract) if column.source}.values())
    event = next((column for column in columns if column.name == policy.event_time), None)
    made = [_nulls(columns), _swapped(columns), _units(columns, policy), _twice(columns)]
    if event is not None:
        made += [_lost(event, _measures(columns, policy)), _shifted(event)]
    made += [_orphans(columns), _truncated(columns), _unreadable(columns)]
    if event is not None:
        made.append(_stale(event))
    return [fault for faults in made for fault in faults]


def _nulls(columns: Sequence[ContractColumn]) -> Iterator[Fault]:
    for column in columns:
        if not column.nullable:
            yield _in_sample("nulls", column, "no value", lambda _: None)


def _swapped(columns: Sequence[ContractColumn]) -> Iterator[Fault]:
    for alike in (_is_text, _is_number, _is_time):
        for one, other in pairwise(column for column in columns if alike(column)):
            names = (_source(one), _source(other))
            yield Fault("swapped_columns", names, "each has the other's value", partial(_plant_swap, names))


def _units(columns: Sequence[ContractColumn], policy: Policy) -> Iterator[Fault]:
    for column in _measures(columns, policy):
        yield _in_all("unit_change", column, "x 100", partial(_times, factor=100))
        if _is_whole(column):
            yield _in_all("unit_change", column, "x 12: packs for pieces", partial(_times, factor=12))
        yield _in_sample("unit_change", column, "x 100, in a few rows", partial(_times, factor=100), share=0)
        yield _in_sample("unit_change", column, "x 1,000,000: millionths", partial(_times, factor=1_000_000))
        yield _in_sample("unit_change", column, "a minus that was not there", partial(_times, factor=-1), _is_positive)
        yield _in_sample("unit_change", column, "the minus is lost", partial(_times, factor=-1), _is_negative, share=1)


def _twice(columns: Sequence[ContractColumn]) -> Iterator[Fault]:
    def plant(received: Received, _: random.Random) -> Planted:
        places = [place for place, why in enumerate(received.rows.column("reject_reason").to_pylist()) if why is None]
        copy = pc.take(received.rows, pa.array(places, pa.int64()))
        again = [f"{file}.again" for file in copy.column("source_file").to_pylist()]
        copy = _with(copy, {"source_file": again})
        return Planted(pa.concat_tables([received.rows, copy]), len(places))

    if columns:
        yield Fault("duplicated_rows", (), "the delivery comes twice", plant)


def _lost(event: ContractColumn, measures: Sequence[ContractColumn]) -> Iterator[Fault]:
    def hour(received: Received, _: random.Random) -> Planted:
        times = received.times(_source(event))
        if not times:
            return Planted(received.rows, 0)
        ((busiest, _rows),) = Counter(when.hour for when in times.values()).most_common(1)
        return _left_out(received, {place for place, when in times.items() if when.hour == busiest})

    def small(received: Received, _: random.Random, column: ContractColumn) -> Planted:
        sizes = {place: abs(number) for place, number in _numbers(received, column).items()}
        ranked = sorted(sizes, key=lambda place: sizes[place], reverse=True)
        return _left_out(received, set(ranked[int(len(ranked) * _LARGEST) :]))

    yield Fault("dropped_hour", (_source(event),), "the busiest hour is missing", hour)
    for column in measures[:1]:
        what = f"only the largest {_LARGEST:.0%} are there"
        yield Fault("dropped_hour", (_source(column),), what, partial(small, column=column))


def _shifted(event: ContractColumn) -> Iterator[Fault]:
    def plant(received: Received, chance: random.Random, hours: int, share: float) -> Planted:
        times = received.times(_source(event))
        chosen = _sampled(sorted(times), chance, share)
        later = {place: times[place] + dt.timedelta(hours=hours) for place in chosen}
        moved = _changed(received, _source(event), {place: _time_text(when) for place, when in later.items()})
        gone = {place for place, when in later.items() if when.date() != received.day}
        return Planted(_left_out(Received(moved.rows, received.day), gone).rows, len(chosen))

    for hours, share, what in (
        (1, 1, "an hour later: summer time"),
        (-5, 1, "five hours earlier: New York"),
        (9, 1, "nine hours later: Tokyo"),
        (-9, SAMPLE, "nine hours earlier, in a sample: one till"),
    ):
        yield Fault("shifted_time_zone", (_source(event),), what, partial(plant, hours=hours, share=share))


def _orphans(columns: Sequence[ContractColumn]) -> Iterator[Fault]:
    def unknown(value: str, *, digits: int) -> str:
        return re.sub(r"[A-Za-z]", "Z", re.sub(r"\d+", lambda found: "9" * len(found[0]), value, count=digits))

    for column in columns:
        if column.references:
            digits = 1 if _is_number(column) else 0  # a fraction of zero stays one: 17850.0 is a whole number
            what = f"not in {column.references.table}"
            yield _in_sample("orphan_keys", column, what, partial(unknown, digits=digits))


def _truncated(columns: Sequence[ContractColumn]) -> Iterator[Fault]:
    for column in columns:
        if _is_text(column):
            yield _in_sample("truncated_text", column, "cut in half", lambda value: value[: len(value) // 2])
        elif _is_time(column):
            yield _in_sample("truncated_text", column, "cut to the date", lambda value: value[:_DATE])


def _unreadable(columns: Sequence[ContractColumn]) -> Iterator[Fault]:
    def day_first(value: str) -> str:
        year, month, day = value[:_DATE].split("-") if value[:_DATE].count("-") == 2 else ("", "", "")  # noqa: PLR2004
        return f"{day}/{month}/{year}{value[_DATE:]}"

    for column in columns:
        if _is_time(column):
            yield _in_sample("unreadable_values", column, "the day before the month and the year", day_first)
        elif not _is_text(column):
            yield _in_sample("unreadable_values", column, "n/a", lambda _: "n/a")


def _stale(event: ContractColumn) -> Iterator[Fault]:
    yield _in_sample("stale_dates", event, "the clock was never set", lambda value: f"{_NEVER_SET}{value[_DATE:]}")


def _in_sample(
    kind: str,
    column: ContractColumn,
    what: str,
    change: Callable[[str], str | None],
    among: Callable[[str], bool] = lambda _: True,
    *,
    share: float = SAMPLE,
) -> Fault:
    """Return a fault that changes a column's value in a share of the rows, in at least a few."""

    def plant(received: Received, chance: random.Random) -> Planted:
        given = received.given(_source(column))
        changed = {place: change(value) for place, value in given.items() if among(value)}
        places = sorted(place for place, value in changed.items() if value != given[place])
        chosen = _sampled(places, chance, share)
        return _changed(received, _source(column), {place: changed[place] for place in chosen})

    return Fault(kind, (_source(column),), what, plant)


def _in_all(kind: str, column: ContractColumn, what: str, change: Callable[[str], str | None]) -> Fault:
    return _in_sample(kind, column, f"{what}, in all rows", change, share=1)


def _plant_swap(names: tuple[str, str], received: Received, chance: random.Random) -> Planted:
    one, other = (received.texts(name) for name in names)
    chosen = _sampled(sorted(received.given(names[0])), chance, SAMPLE)
    half = _changed(received, names[0], {place: other[place] for place in chosen})
    rows = _changed(Received(half.rows, received.day), names[1], {place: one[place] for place in chosen}).rows
    return Planted(rows, half.planted)


def _sampled(places: Sequence[int], chance: random.Random, share: float) -> list[int]:
    wanted = min(len(places), max(FEW, round(share * len(places))))
    return chance.sample(places, wanted)


def _changed(received: Received, column: str, values: Mapping[int, str | None]) -> Planted:
    texts = received.texts(column)
    different = {place: value for place, value in values.items() if value != texts[place]}
    for place, value in different.items():
        texts[place] = value
    return Planted(_with(received.rows, {column: texts}), len(different))


def _left_out(received: Received, places: set[int]) -> Planted:
    kept = [place for place in range(received.rows.num_rows) if place not in places]
    return Planted(pc.take(received.rows, pa.array(kept, pa.int64())), len(places))


def _with(rows: pa.Table, columns: Mapping[str, Sequence[str | None]]) -> pa.Table:
    for name, values in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, pa.string()))
    return rows


def _numbers(received: Received, column: ContractColumn) -> dict[int, Decimal]:
    found = {place: _number(value) for place, value in received.given(_source(column)).items()}
    return {place: number for place, number in found.items() if number is not None}


def _number(value: str) -> Decimal | None:
    try:
        number = Decimal(value.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _times(value: str, factor: int) -> str:
    number = _number(value)
    return value if number is None else format(number * factor, "f")


def _is_positive(value: str) -> bool:
    return (_number(value) or 0) > 0


def _is_negative(value: str) -> bool:
    return (_number(value) or 0) < 0


def _time_text(when: dt.datetime) -> str:
    return when.replace(tzinfo=None).isoformat(sep=" ")


def _measures(columns: Sequence[ContractColumn], policy: Policy) -> list[ContractColumn]:
    """Return the columns that measure something: numbers that name no row, here or elsewhere."""
    return [
        column for column in columns if _is_number(column) and not column.references and column.name not in policy.key
    ]


def _source(column: ContractColumn) -> str:
    return column.source or column.name


def _is_text(column: ContractColumn) -> bool:
    from pyspark.sql import types as T  # noqa: N812 - the field's name for it

    return isinstance(column.type, T.StringType)


def _is_number(column: ContractColumn) -> bool:
    from pyspark.sql import types as T  # noqa: N812

    return isinstance(column.type, T.NumericType)


def _is_whole(column: ContractColumn) -> bool:
    from pyspark.sql import types as T  # noqa: N812

    return isinstance(column.type, T.IntegralType)


def _is_time(column: ContractColumn) -> bool:
    from pyspark.sql import types as T  # noqa: N812

    return isinstance(column.type, T.TimestampType | T.TimestampNTZType | T.DateType)

"""The rows of a table that one write replaces or one read takes, as an explicit predicate.

Belongs here: the one place where partition values become SQL text. Which partitions a run is about is decided by
``io_managers`` and ``orchestration``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column

_DAY = dt.timedelta(days=1)


def text_literal(value: str) -> str:
    """Quote a text for SQL; a quote inside is doubled, NUL is refused."""
    if "\0" in value:
        raise ValueError(f"a partition value cannot hold a NUL character: {value!r}")
    return "'" + value.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    if not name.isidentifier():
        raise ValueError(f"not a plain column name: {name!r}")
    return name


def date_ranges(days: Iterable[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    """Group days into runs of consecutive days, first and last included."""
    first = last = None
    for day in sorted(set(days)):
        if last is not None and day == last + _DAY:
            last = day
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = day
    if first is not None and last is not None:
        yield first, last


@dataclass(frozen=True)
class Predicate:
    """Rows whose date column is one of some dates, and whose text columns have one value each.

    Attributes:
        dates_column: the date column the table is partitioned by.
        dates: the dates; none at all is refused, for such a predicate would say nothing.
        equals: further partition columns and their text, in the table's order.
    """

    dates_column: str
    dates: tuple[dt.date, ...]
    equals: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse an empty predicate: an overwrite without one would replace the whole table."""
        if not self.dates:
            raise ValueError(f"a predicate over {self.dates_column} needs at least one date")

    @property
    def sql(self) -> str:
        """The predicate as SQL that delta-rs, DuckDB and Spark read alike."""
        column = _identifier(self.dates_column)
        ranges = [
            f"{column} = '{first}'" if first == last else f"({column} >= '{first}' AND {column} <= '{last}')"
            for first, last in date_ranges(self.dates)
        ]
        texts = [f"{_identifier(name)} = {text_literal(value)}" for name, value in self.equals]
        return " AND ".join([*texts, f"({' OR '.join(ranges)})"])

    def column(self) -> Column:
        """Return the predicate as a Spark column."""
        from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

        dates = F.col(self.dates_column)
        ranges = [dates.between(F.lit(first), F.lit(last)) for first, last in date_ranges(self.dates)]
        texts = [F.col(name) == F.lit(value) for name, value in self.equals]
        return reduce(lambda left, right: left & right, texts, _either(ranges))


def _either(conditions: list[Column]) -> Column:
    """Join conditions by OR in a balanced tree: a long chain would be nested too deep to be sent to an engine."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return _either(conditions[:half]) | _either(conditions[half:])

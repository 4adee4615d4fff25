"""Profiling: what the rows of a table are like, and the rules that would hold for them.

Belongs here: measuring columns and days in a few queries, and turning figures into rules with a margin. A proposal says
what was, not what must be: it is for people to read and to choose from.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse.contracts.contract import columns_of, day_rules_of
from lakehouse.contracts.partition_rules import KNOWN_FROM
from lakehouse.contracts.rule_compiler import check_text
from lakehouse.delta.model import TableError
from lakehouse.delta.predicates import Predicate

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

    from lakehouse.contracts.contract import ContractColumn
    from lakehouse.contracts.table_spec import TableSpec
    from lakehouse.engines.base import Engine

FEW_VALUES, ROWS_OF_A_VALUE = 40, 20
"""A column of so few values, each with so many rows on average, is taken for a list of them."""
MARGIN = 1.5
"""How far beyond what was seen a bound is set, before it is rounded outward."""
_MOSTLY = 0.99
"""The share of values from which a pattern is worth a warning for the others."""
_FROM_ROWS = 500
"""Rows from which a day is expected to have some in every hour of its core."""
_SHAPES: tuple[tuple[str, str, bool], ...] = (
    ("digits", r"\d", True),
    ("hexadecimal digits", r"[0-9a-f]", True),
    ("perhaps a capital, then digits", r"[A-Z]?\d+", False),
    ("capitals and digits", r"[A-Z0-9]", True),
    ("small letters and digits", r"[a-z0-9]", True),
    ("capitals, digits and signs", r"[A-Z0-9_. -]", True),
    ("e-mail address", r"[^@\s]+@[^@\s]+", False),
)
"""What texts may look like, from narrow to wide: in words, as a pattern, and whether that is of each letter."""


@dataclass(frozen=True)
class ColumnProfile:
    """What the values of a column are like.

    Attributes:
        type: in the words of the engine.
        smallest: the smallest value, of a text its length; ``largest`` likewise.
        values: all values, most frequent first, where they are few.
        looks_like: a pattern that most values have, in words, and ``share`` of the values that have it.
        unique: whether no value occurs twice.
        today: what the contract asks, in words.
        proposed: what the data would bear, as arguments of ``column``.
        code: the line of the contract that says so.
    """

    name: str
    type: str
    nulls: int
    distinct: int
    smallest: Any
    largest: Any
    values: list[Any]
    looks_like: str | None
    share: float | None
    unique: bool
    today: str
    proposed: dict[str, Any]
    code: str


@dataclass(frozen=True)
class DayProfile:
    """What the days are like.

    Attributes:
        fewest: rows of the smallest day; ``usual`` the median, ``most`` of the largest.
        hours: rows by hour of the time of events, UTC, over all days.
        today: the rules that the contract has about days, in words.
        code: the rules that the days would bear, as they stand in a contract.
        notes: what cannot be said, and why.
    """

    fewest: int
    usual: float
    most: int
    hours: dict[int, int]
    today: list[str]
    code: list[str]
    notes: list[str]


@dataclass(frozen=True)
class Profile:
    """What a table is like, from some days.

    Attributes:
        key_is_unique: whether the table's key names each row.
    """

    table: str
    days: list[dt.date]
    rows: int
    key: tuple[str, ...]
    key_is_unique: bool
    columns: list[ColumnProfile]
    by_day: DayProfile


@dataclass
class _Facts:
    """What was measured of a column."""

    nulls: int
    distinct: int
    smallest: Any = None
    largest: Any = None
    shapes: dict[str, int] = field(default_factory=dict)
    values: list[Any] = field(default_factory=list)


def profile(
    engine: Engine,
    terms: TableSpec,
    *,
    day: dt.date | None = None,
    last: int = 30,
    report: Callable[[str], None] = lambda _: None,
) -> Profile:
    """Measure the published rows of a table and propose rules.

    Args:
        engine: where the table is.
        terms: the table.
        day: only this partition.
        last: so many of the newest partitions otherwise.
        report: told what is at work, in a few words.

    Raises:
        TableError: there are no such rows.
    """
    report("the days")
    counted = _rows_by_day(engine, terms)
    days = [each for each in sorted(counted) if day is None or each == day][-last:]
    if not days:
        raise TableError(
            f"{terms.name} has no published rows{f' of {day}' if day else ''}; `lakehouse status` shows all"
        )
    where = Predicate(terms.partition_column, tuple(days))
    frame = engine.read(terms.name, where)
    there = set(frame.columns)
    columns = [column for column in columns_of(terms.contract) if column.name in there]
    rows = sum(counted[each] for each in days)
    report("the columns")
    facts, keys = _measured(engine, frame, columns, terms.policy.key)
    profiles = [_column_profile(terms, column, facts[column.name], rows) for column in columns]
    report("the hours")
    hours = _hours(engine, frame, terms) if terms.policy.event_time else {}
    by_day = _day_profile(terms, {each: counted[each] for each in days}, hours)
    return Profile(terms.name, days, rows, terms.policy.key, keys == rows, profiles, by_day)


def _rows_by_day(engine: Engine, terms: TableSpec) -> dict[dt.date, int]:
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    column = terms.partition_column
    counted = engine.collect(engine.read(terms.name).groupBy(column).agg(F.count(F.lit(1)).alias("rows")))
    return dict(zip(counted.column(column).to_pylist(), counted.column("rows").to_pylist(), strict=True))


def _measured(
    engine: Engine, frame: DataFrame, columns: Sequence[ContractColumn], key: Sequence[str]
) -> tuple[dict[str, _Facts], int]:
    """Measure all columns in one query, and those of few values in one more each."""
    from pyspark.sql import functions as F  # noqa: N812

    keys = F.countDistinct(F.struct(*key)) if key else F.lit(0)  # without a struct, keys with a null do not count
    asked: list[Column] = [keys.alias("_keys")]
    for column in columns:
        value, name = F.col(column.name), column.name
        asked += [
            F.sum(value.isNull().cast("bigint")).alias(f"{name}|nulls"),
            F.countDistinct(value).alias(f"{name}|distinct"),
        ]
        if _is_text(column.type):
            asked += [F.min(F.length(value)).alias(f"{name}|min"), F.max(F.length(value)).alias(f"{name}|max")]
            asked += [
                F.sum(value.rlike(f"^({pattern}{'+' if of_letters else ''})$").cast("bigint")).alias(f"{name}|{words}")
                for words, pattern, of_letters in _SHAPES
            ]
        elif _is_ordered(column.type):
            asked += [F.min(value).alias(f"{name}|min"), F.max(value).alias(f"{name}|max")]
    (found,) = engine.collect(frame.agg(*asked)).to_pylist()
    facts = {}
    for column in columns:
        own = {name.partition("|")[2]: value for name, value in found.items() if name.startswith(f"{column.name}|")}
        facts[column.name] = _Facts(
            own.pop("nulls") or 0, own.pop("distinct"), own.pop("min", None), own.pop("max", None), own
        )
        if _is_text(column.type) and facts[column.name].distinct <= FEW_VALUES:
            by_value = frame.groupBy(column.name).agg(F.count(F.lit(1)).alias("rows"))
            counted = engine.collect(by_value.where(F.col(column.name).isNotNull())).to_pylist()
            ranked = sorted(counted, key=lambda row: (-row["rows"], row[column.name]))
            facts[column.name].values = [row[column.name] for row in ranked]
    return facts, found["_keys"]


def _hours(engine: Engine, frame: DataFrame, terms: TableSpec) -> dict[dt.date, dict[int, int]]:
    from pyspark.sql import functions as F  # noqa: N812

    day, hour = terms.partition_column, F.hour(terms.policy.event_time).alias("hour")
    counted = engine.collect(frame.groupBy(day, hour).agg(F.count(F.lit(1)).alias("rows"))).to_pylist()
    found: dict[dt.date, dict[int, int]] = defaultdict(dict)
    for row in counted:
        found[row[day]][row["hour"]] = row["rows"]
    return found


def _column_profile(terms: TableSpec, column: ContractColumn, facts: _Facts, rows: int) -> ColumnProfile:
    given = rows - facts.nulls
    shape = next((words for words, many in facts.shapes.items() if given and many == given), None)
    if shape is None and given:
        words, many = max(facts.shapes.items(), key=lambda each: each[1], default=("", 0))
        shape = words if many >= _MOSTLY * given else None
    share = facts.shapes[shape] / given if shape else None
    unique = given > 1 and facts.distinct == given
    proposed = {}
    if column.name != terms.partition_column:
        proposed = _proposed(column, facts, given, shape, share)
    if column.references or column.name in terms.policy.key:  # a number that names something has no range
        proposed.pop("in_range", None)
    return ColumnProfile(
        name=column.name,
        type=column.type.simpleString(),
        nulls=facts.nulls,
        distinct=facts.distinct,
        smallest=facts.smallest,
        largest=facts.largest,
        values=facts.values,
        looks_like=shape,
        share=share,
        unique=unique,
        today=_today(column),
        proposed=proposed,
        code=_code(column, proposed),
    )


def _proposed(
    column: ContractColumn, facts: _Facts, given: int, shape: str | None, share: float | None
) -> dict[str, Any]:
    """Return the arguments of ``column`` that the values would bear."""
    from pyspark.sql import types as T  # noqa: N812

    proposed: dict[str, Any] = {"nullable": True} if facts.nulls else {}
    if not given:
        return proposed
    if isinstance(column.type, T.NumericType):
        proposed["in_range"] = {"min_value": _below(facts.smallest), "max_value": _above(facts.largest)}
    elif facts.values and given >= ROWS_OF_A_VALUE * facts.distinct:
        proposed["isin"] = sorted(facts.values)
    elif shape is not None:
        pattern, of_letters = next((pattern, of_letters) for words, pattern, of_letters in _SHAPES if words == shape)
        lengths = str(facts.largest) if facts.smallest == facts.largest else f"{facts.smallest},{facts.largest}"
        proposed["str_matches"] = f"{pattern}{{{lengths}}}$" if of_letters else f"{pattern}$"
        if share is not None and share < 1:
            proposed["when_broken"] = "warn"
    elif _is_text(column.type):
        proposed["str_length"] = {"min_value": facts.smallest, "max_value": int(_above(facts.largest))}
    return proposed


def _today(column: ContractColumn) -> str:
    """Say in words what the contract asks of a column."""
    asked = [check_text(check, arguments) for check, arguments in column.checks]
    if column.checks and column.when_broken != "reject":
        asked[-1] += f" ({column.when_broken})"
    if column.references:
        asked.append(f"found in {column.references.table}.{column.references.column} ({column.references.action})")
    return "; ".join(["may be missing" if column.nullable else "given", *asked])


def _code(column: ContractColumn, proposed: Mapping[str, Any]) -> str:
    """Return the line of a contract that declares a column so."""
    from pyspark.sql import types as T  # noqa: N812

    arguments = [json.dumps(column.description, ensure_ascii=False)]
    if column.unit:
        arguments.append(f'unit="{column.unit}"')
    if column.source:
        arguments.append(f'source="{column.source}"')
    arguments += [f"{name}={'r' if name == 'str_matches' else ''}{_literal(item)}" for name, item in proposed.items()]
    if column.references:
        arguments.append(f'references="{column.references.table}.{column.references.column}"')
    type_ = f"T.{type(column.type).__name__}"
    if isinstance(column.type, T.DecimalType):
        type_ += f"({column.type.precision}, {column.type.scale})"
    return f"{column.name}: {type_} = column({', '.join(arguments)})"


def _literal(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_literal(name)}: {_literal(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _day_profile(
    terms: TableSpec, rows: Mapping[dt.date, int], hours: Mapping[dt.date, Mapping[int, int]]
) -> DayProfile:
    total: dict[int, int] = defaultdict(int)
    for of_day in hours.values():
        for hour, many in of_day.items():
            total[hour] += many
    code, notes = [], []
    ratios = _ratios(rows)
    if ratios:
        at_least, at_most = min(ratios) / MARGIN, max(ratios) * MARGIN
        code.append(f"volume(at_least={math.floor(at_least * 20) / 20:g}, at_most={math.ceil(at_most * 2) / 2:g})")
    else:
        notes.append(f"no volume is proposed: no weekday was seen more than {KNOWN_FROM} times")
    large = [set(hours.get(day, ())) for day, many in rows.items() if many >= _FROM_ROWS]
    always = set.intersection(*large) if len(large) >= KNOWN_FROM else set()
    if terms.policy.event_time and always:
        opens, closes = _longest_run(always)
        code.append(f'hours("{terms.policy.event_time}", opens={opens}, closes={closes})')
    elif terms.policy.event_time:
        notes.append(
            f"no hours are proposed: no hour has rows on each of {KNOWN_FROM} days of {_FROM_ROWS} rows or more"
        )
    return DayProfile(
        fewest=min(rows.values()),
        usual=statistics.median(rows.values()),
        most=max(rows.values()),
        hours=dict(sorted(total.items())),
        today=[rule.reason for rule in day_rules_of(terms.contract)],
        code=code,
        notes=notes,
    )


def _ratios(rows: Mapping[dt.date, int]) -> list[float]:
    """Return each day's rows as a share of the median of the same weekday before it, once enough of those are known."""
    found = []
    for day, many in rows.items():
        before = [other for when, other in rows.items() if when < day and when.weekday() == day.weekday()]
        if len(before) >= KNOWN_FROM:
            found.append(many / statistics.median(before))
    return found


def _longest_run(hours: set[int]) -> tuple[int, int]:
    """Return the longest run of hours: its first, and the one after its last."""
    runs = [
        (start, next(end for end in range(start + 1, 26) if end not in hours))
        for start in hours
        if start - 1 not in hours
    ]
    return max(runs, key=lambda run: (run[1] - run[0], -run[0]))


def _above(value: Any) -> int:
    """Return a round number well above a value."""
    return -_below(-value) if value < 0 else _round_up(float(value) * MARGIN)


def _below(value: Any) -> int:
    """Return a round number well below a value; of what was never negative, zero."""
    return 0 if value >= 0 else -_round_up(float(-value) * MARGIN)


def _round_up(value: float) -> int:
    """Return the next number of one digit, 1, 2 or 5, and zeros."""
    if value <= 1:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(int(digit * power) for digit in (1, 2, 5, 10) if digit * power >= value)


def _is_text(type_: DataType) -> bool:
    from pyspark.sql import types as T  # noqa: N812

    return isinstance(type_, T.StringType)


def _is_ordered(type_: DataType) -> bool:
    from pyspark.sql import types as T  # noqa: N812

    return isinstance(type_, T.NumericType | T.DateType | T.TimestampType | T.TimestampNTZType)

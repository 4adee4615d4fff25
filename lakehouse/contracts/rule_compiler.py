"""Rules: a contract compiled to one projection that names, for each row, the rules it breaks.

Belongs here: the meaning of every rule as a Spark expression, and the version of a set of rules. A null value passes
every rule but ``not_null``, as in Pandera. What happens to a row that breaks a rule is for ``validation``; what is
asked of a whole day, for ``partition_rules``.

=========================  ==========================================================================================
``record:<kind>``          the landing reader could not read the record (``fields``, ``quote``, ``encoding`` ...)
``file:<kind>``            the landing reader refused the whole file
``<column>:readable``      a value was received that the column's type cannot hold exactly
``<column>:not_null``      no value was received, or none could be derived
``<column>:<check>``       a built-in check of the contract, by Pandera's name
``<column>:on_business_date``  the row's own date is not the business date of its partition
``<column>:references``    the value stands nowhere in the column of the other table
``row:<function>``         a function of the contract's over columns of the row
``table:<function>``       a function of the contract's over rows together, or other tables
``day:<rule>``             what the contract asks of a whole day
=========================  ==========================================================================================
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import operator
import re
import textwrap
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakehouse.contracts.casting import RECEIVED, quoted
from lakehouse.contracts.contract import columns_of, custom_rules_of, day_rules_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyspark.sql import Column, DataFrame

    from lakehouse.contracts.contract import Action, Contract, ContractColumn, CustomRule
    from lakehouse.contracts.policy import Policy

_VERSION_DIGITS = 12
_SHOWN = 6
"""The number of values of a list that a sentence names."""


@dataclass(frozen=True)
class Rule:
    """One rule about rows.

    Attributes:
        name: as quarantine and ledger say it.
        reason: what must hold, in words.
        action: what a broken row does.
        columns: the columns of the contract that it judges.
        condition: makes the condition that is true for a row that breaks it; only that needs an engine.
    """

    name: str
    reason: str
    action: Action
    columns: tuple[str, ...]
    condition: Callable[[], Column]


@dataclass(frozen=True)
class Lookup:
    """A rule about rows that takes more than the row: its condition reads a column that ``marked`` joins to them.

    Attributes:
        tables: the tables it reads.
        marked: adds that column to a frame, given the rows a rule about rows together is shown, and the tables' frames.
    """

    rule: Rule
    tables: tuple[str, ...]
    marked: Callable[..., DataFrame]


def compile_rules(contract: type[Contract], *, event_time: str | None = None, received: bool = False) -> list[Rule]:
    """Return the rules that a row is judged by alone, in the order of the contract.

    Args:
        contract: the table's contract.
        event_time: the column whose date must be the row's ``business_date``.
        received: whether the rows carry what was received (``casting.RECEIVED``), so that an unreadable value can be
            told from a missing one.

    Raises:
        TypeError: the contract has a check that is not known here.
    """
    rules: list[Rule] = []
    for column in columns_of(contract):
        rules += _presence(column, received=received)
        for check, arguments in column.checks:
            if check not in _PASSES:
                raise TypeError(f"{contract.__name__}.{column.name}: the check {check!r} cannot judge a row here")
            rules.append(_check(column, check, arguments))
    if event_time is not None:
        rules.append(_on_business_date(event_time))
    return rules + [_row_rule(custom) for custom in custom_rules_of(contract) if custom.columns]


def lookups(contract: type[Contract]) -> list[Lookup]:
    """Return the rules of a contract that need other rows or other tables."""
    found = [_reference(column) for column in columns_of(contract) if column.references]
    return found + [_table_rule(contract, custom) for custom in custom_rules_of(contract) if not custom.columns]


def every_rule(contract: type[Contract], policy: Policy) -> list[Rule]:
    """Return all rules about rows of a table: those a row is judged by alone, then those that need other rows."""
    received = policy.event_time is not None
    alone = compile_rules(contract, event_time=policy.event_time, received=received)
    return alone + [lookup.rule for lookup in lookups(contract)]


def broken(rules: Sequence[Rule]) -> Column:
    """Return the array of the names of the rules a row breaks; empty for a good row."""
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    names = F.array(*[F.when(rule.condition(), F.lit(rule.name)) for rule in rules])
    return F.array_compact(names) if rules else names.cast("array<string>")


def reader_rule(reason: Column) -> Column:
    """Turn a landing reader's reason into a rule name: ``fields: 3 of 8`` -> ``record:fields``."""
    from pyspark.sql import functions as F  # noqa: N812

    kind = F.regexp_extract(reason, r"^((?:file:)?[a-z_]+)", 1)
    return F.when(kind.startswith("file:"), kind).otherwise(F.concat(F.lit("record:"), kind))


def rules_version(contract: type[Contract], policy: Policy) -> str:
    """Return the version of a table's rules: it changes with any rule, and with nothing else.

    It is the start of a hash over the columns, their types and checks, the source text of the custom rules, the day
    rules and the policy. Descriptions are not in it; nor are functions that a custom rule calls.
    """
    columns = [
        (
            column.name,
            column.type.simpleString(),
            column.nullable,
            column.source,
            column.checks,
            column.when_broken,
            dataclasses.astuple(column.references) if column.references else None,
        )
        for column in columns_of(contract)
    ]
    custom = [(rule.name, rule.reason, rule.action, _source(rule.function)) for rule in custom_rules_of(contract)]
    days = [(type(rule).__name__, dataclasses.asdict(rule)) for rule in day_rules_of(contract)]
    canonical = json.dumps([columns, custom, days, dataclasses.asdict(policy)], default=_canonical, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_VERSION_DIGITS]


def _canonical(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    return value.pattern if isinstance(value, re.Pattern) else str(value)


def _source(function: Callable[..., Any]) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except OSError:  # made at a prompt: its instructions stand for its text
        return f"{function.__code__.co_code.hex()} {function.__code__.co_consts!r} {function.__code__.co_names!r}"


def _presence(column: ContractColumn, *, received: bool) -> list[Rule]:
    """Return the rules that a value is there; they always reject, for a column without its value has no use."""

    def missing() -> Column:
        from pyspark.sql import functions as F  # noqa: N812

        return F.col(column.name).isNull()

    def blank() -> Column:
        from pyspark.sql import functions as F  # noqa: N812

        sent = F.trim(F.col(f"{RECEIVED}.{quoted(column.source or '')}"))
        return sent.isNull() | (sent == "")

    name, own = column.name, (column.name,)
    type_ = column.type.simpleString()
    if column.source is None or not received or type_ == "string":  # any value can be read as text
        not_null = Rule(f"{name}:not_null", f"{name} is given", "reject", own, missing)
        return [] if column.nullable else [not_null]
    readable = Rule(f"{name}:readable", f"{name} can be read as {type_}", "reject", own, lambda: missing() & ~blank())
    not_null = Rule(f"{name}:not_null", f"{name} is given", "reject", own, lambda: missing() & blank())
    return [readable] if column.nullable else [readable, not_null]


def _check(column: ContractColumn, check: str, arguments: Mapping[str, Any]) -> Rule:
    def condition() -> Column:
        from pyspark.sql import functions as F  # noqa: N812

        return ~_PASSES[check](F.col(column.name), **arguments)

    name = f"{column.name}:{_NAMES.get(check, check)}"
    reason = f"{column.name} is {check_text(check, arguments)}"
    return Rule(name, reason, column.when_broken, (column.name,), condition)


def _on_business_date(event_time: str) -> Rule:
    def condition() -> Column:
        from pyspark.sql import functions as F  # noqa: N812

        return F.to_date(F.col(event_time)) != F.col("business_date")

    reason = f"{event_time} lies on the business date of its partition"
    return Rule(f"{event_time}:on_business_date", reason, "reject", (event_time,), condition)


def _row_rule(custom: CustomRule) -> Rule:
    def condition() -> Column:
        from pyspark.sql import functions as F  # noqa: N812

        good = custom.function(**{name: F.col(name) for name in custom.columns})
        return ~F.coalesce(good, F.lit(True))  # noqa: FBT003 - a literal column

    return Rule(custom.name, custom.reason, custom.action, custom.columns, condition)


def _reference(column: ContractColumn) -> Lookup:
    target = column.references
    if target is None:
        raise ValueError(f"{column.name} references no table")
    mark = f"_known_{column.name}"

    def condition() -> Column:
        from pyspark.sql import functions as F  # noqa: N812

        return F.col(column.name).isNotNull() & F.col(mark).isNull()

    def marked(frame: DataFrame, _: DataFrame, other: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F  # noqa: N812

        known = other.select(F.col(target.column).cast(column.type).alias(mark)).distinct()
        return frame.join(F.broadcast(known), F.col(column.name) == F.col(mark), "left")

    reason = f"{column.name} is found in {target.table}.{target.column}"
    rule = Rule(f"{column.name}:references", reason, target.action, (column.name,), condition)
    return Lookup(rule, (target.table,), marked)


def _table_rule(contract: type[Contract], custom: CustomRule) -> Lookup:
    mark = f"_broken_{custom.name.partition(':')[2]}"
    columns = {column.name for column in columns_of(contract)}

    def condition() -> Column:
        from pyspark.sql import functions as F  # noqa: N812

        return F.col(mark).isNotNull()

    def marked(frame: DataFrame, shown: DataFrame, *others: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F  # noqa: N812

        found = custom.function(shown, *others)
        names = found.columns
        if not names or not columns.issuperset(names):
            raise TypeError(
                f"{contract.__name__}: the rule {custom.name} returns the columns {', '.join(names) or 'none'}; it "
                "must return those columns of the contract that name the broken rows, such as the table's key"
            )
        return frame.join(found.distinct().withColumn(mark, F.lit(1)), on=names, how="left")

    rule = Rule(custom.name, custom.reason, custom.action, (), condition)
    return Lookup(rule, tuple(table for _, table in custom.tables), marked)


def check_text(check: str, arguments: Mapping[str, Any]) -> str:
    """Say a built-in check in words: ``one of sale, return`` or ``-100,000 to 100,000``."""
    if check in {"isin", "notin"}:
        (values,) = arguments.values()
        shown = ", ".join(map(str, list(values)[:_SHOWN]))
        more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
        return f"{'one of' if check == 'isin' else 'none of'} {shown}{more}"
    if check == "in_range":
        open_ends = [arguments.get(end, True) for end in ("include_min", "include_max")]
        ends = [_number(arguments[name]) for name in ("min_value", "max_value")]
        lower, upper = (end if included else f"{end} excluded" for end, included in zip(ends, open_ends, strict=True))
        return f"{lower} to {upper}"
    if check == "str_length":
        minimum, maximum, exact = (arguments.get(name) for name in ("min_value", "max_value", "exact_value"))
        bounds = [f"{word} {bound}" for word, bound in (("from", minimum), ("up to", maximum)) if bound is not None]
        return f"of {exact if exact is not None else ' '.join(bounds)} characters"
    (value,) = arguments.values()
    return f"{_IN_WORDS.get(check, check.replace('_', ' '))} {_number(value)}"


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float | Decimal) else str(getattr(value, "pattern", value))


def _in_range(value: Column, min_value: Any, max_value: Any, **ends: bool) -> Column:
    lower = operator.ge if ends.get("include_min", True) else operator.gt
    upper = operator.le if ends.get("include_max", True) else operator.lt
    return lower(value, min_value) & upper(value, max_value)


def _pattern(pattern: str | re.Pattern[str], *, anchored: bool) -> str:
    text = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
    text = re.sub(r"(?<!\\)\$$", r"\\z", text)  # to Spark, `$` is also before a line end that is the last character
    return f"^(?:{text})" if anchored else text


def _str_length(
    value: Column, min_value: int | None = None, max_value: int | None = None, exact_value: int | None = None
) -> Column:
    from pyspark.sql import functions as F  # noqa: N812

    length, passes = F.length(value), F.lit(True)  # noqa: FBT003 - a literal column
    for bound, compare in ((min_value, operator.ge), (max_value, operator.le), (exact_value, operator.eq)):
        if bound is not None:
            passes &= compare(length, bound)
    return passes


_PASSES: dict[str, Callable[..., Column]] = {
    "greater_than": lambda value, min_value: value > min_value,
    "greater_than_or_equal_to": lambda value, min_value: value >= min_value,
    "less_than": lambda value, max_value: value < max_value,
    "less_than_or_equal_to": lambda value, max_value: value <= max_value,
    "in_range": _in_range,
    "isin": lambda value, allowed_values: value.isin(list(allowed_values)),
    "notin": lambda value, forbidden_values: ~value.isin(list(forbidden_values)),
    "str_matches": lambda value, pattern: value.rlike(_pattern(pattern, anchored=True)),
    "str_contains": lambda value, pattern: value.rlike(_pattern(pattern, anchored=False)),
    "str_startswith": lambda value, string: value.startswith(string),
    "str_endswith": lambda value, string: value.endswith(string),
    "str_length": _str_length,
}
_IN_WORDS = {
    "greater_than_or_equal_to": "at least",
    "less_than_or_equal_to": "at most",
    "str_matches": "text like",
    "str_contains": "text with",
    "str_startswith": "text that starts with",
    "str_endswith": "text that ends with",
}
_NAMES = {"greater_than_or_equal_to": "ge", "greater_than": "gt", "less_than_or_equal_to": "le", "less_than": "lt"}

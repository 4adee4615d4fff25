"""Rules: a contract compiled to one projection that names, for each row, the rules it breaks.

Belongs here: the meaning of every rule as a Spark expression. A null value passes every rule but ``not_null``, as in
Pandera. What happens to a row that breaks a rule is ``judge``'s matter.

=========================  ==========================================================================================
``record:<kind>``          the landing reader could not read the record (``fields``, ``quote``, ``encoding`` ...)
``file:<kind>``            the landing reader refused the whole file
``<column>:readable``      a value was received that the column's type cannot hold exactly
``<column>:not_null``      no value was received, or none could be derived
``<column>:<check>``       a built-in check of the contract, by Pandera's name
``<column>:on_business_date``  the row's own date is not the business date of its partition
=========================  ==========================================================================================
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

from quality.casting import RECEIVED
from quality.contract import columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import Column

    from quality.contract import Contract, ContractColumn


def compile_rules(
    contract: type[Contract], *, event_time: str | None = None, received: bool = False
) -> list[tuple[str, Column]]:
    """Return each rule's name and the condition that is true for a row that breaks it.

    Args:
        contract: the table's contract.
        event_time: the column whose date must be the row's ``business_date``.
        received: whether the rows carry what was received (``casting.RECEIVED``), so that an unreadable value can be
            told from a missing one.

    Raises:
        TypeError: the contract has a check that is not known here.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    rules: list[tuple[str, Column]] = []
    for column in columns_of(contract):
        rules += _presence(column, received=received)
        for check, arguments in column.checks:
            if check not in _PASSES:
                raise TypeError(f"{contract.__name__}.{column.name}: the check {check!r} cannot judge a row here")
            rules.append(
                (f"{column.name}:{_NAMES.get(check, check)}", ~_PASSES[check](F.col(column.name), **arguments))
            )
    if event_time is not None:
        off = F.to_date(F.col(event_time)) != F.col("business_date")
        rules.append((f"{event_time}:on_business_date", off))
    return rules


def broken(rules: Sequence[tuple[str, Column]]) -> Column:
    """Return the array of the names of the rules a row breaks; empty for a good row."""
    from pyspark.sql import functions as F  # noqa: N812

    return F.array_compact(F.array(*[F.when(condition, F.lit(name)) for name, condition in rules]))


def reader_rule(reason: Column) -> Column:
    """Turn a landing reader's reason into a rule name: ``fields: 3 of 8`` -> ``record:fields``."""
    from pyspark.sql import functions as F  # noqa: N812

    kind = F.regexp_extract(reason, r"^((?:file:)?[a-z_]+)", 1)
    return F.when(kind.startswith("file:"), kind).otherwise(F.concat(F.lit("record:"), kind))


def _presence(column: ContractColumn, *, received: bool) -> list[tuple[str, Column]]:
    from pyspark.sql import functions as F  # noqa: N812

    missing = F.col(column.name).isNull()
    if column.source is None or not received:
        return [] if column.nullable else [(f"{column.name}:not_null", missing)]
    sent = F.trim(F.col(f"{RECEIVED}.{column.source}"))
    blank = sent.isNull() | (sent == "")
    rules = [(f"{column.name}:readable", missing & ~blank)]
    return rules if column.nullable else [*rules, (f"{column.name}:not_null", missing & blank)]


def _in_range(value: Column, min_value: Any, max_value: Any, **ends: bool) -> Column:
    lower = operator.ge if ends.get("include_min", True) else operator.gt
    upper = operator.le if ends.get("include_max", True) else operator.lt
    return lower(value, min_value) & upper(value, max_value)


def _pattern(pattern: str | re.Pattern[str], *, anchored: bool) -> str:
    text = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
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
_NAMES = {"greater_than_or_equal_to": "ge", "greater_than": "gt", "less_than_or_equal_to": "le", "less_than": "lt"}

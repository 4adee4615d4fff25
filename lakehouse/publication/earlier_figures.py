"""The figures of earlier days that a contract's day rules compare a day with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from lakehouse.contracts.contract import day_rules_of
from lakehouse.contracts.partition_rules import Figures, trailing
from lakehouse.delta.model import MissingTableError
from lakehouse.delta.predicates import Predicate

if TYPE_CHECKING:
    from lakehouse.contracts.contract import Contract
    from lakehouse.engines.base import Engine


_ROWS = "_rows"


def earlier_figures(
    engine: Engine, table: str, partition_column: str, contract: type[Contract], days: Sequence[dt.date]
) -> dict[dt.date, Figures]:
    """Return the figures of the published days that the contract's day rules compare some days with.

    It is one query over those days of the table itself, and none for a contract whose rules do not look back.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    rules = [rule for rule in day_rules_of(contract) if rule.looks_back]
    wanted = {earlier for rule in rules for day in days for earlier in trailing(day, rule)}
    if not wanted:
        return {}
    summed = list(dict.fromkeys(rule.summed for rule in rules if rule.summed))
    try:
        rows = engine.read(table, Predicate(partition_column, tuple(sorted(wanted))))
    except MissingTableError:
        return {}
    sums = [F.sum(name).alias(name) for name in summed]
    found = engine.collect(rows.groupBy(partition_column).agg(F.count(F.lit(1)).alias(_ROWS), *sums)).to_pylist()
    return {
        row[partition_column]: Figures(rows=row[_ROWS], sums={name: Decimal(row[name] or 0) for name in summed})
        for row in found
    }

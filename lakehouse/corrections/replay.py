"""Replay: what would become of rejected rows if their days were validated now.

Belongs here: validating some records, by the contract as it is and the decisions there are; nothing is written. Whole
days are validated by publishing them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse.contracts.row_outcome import RULES
from lakehouse.corrections.columns import rejecting_table
from lakehouse.delta.predicates import Predicate
from lakehouse.publication.publish import judged_days
from lakehouse.quarantine.decisions import DISCARD, Decision, RecordId, active_decisions, records_with_ids

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lakehouse.contracts.table_spec import TableSpec
    from lakehouse.corrections.rows import QuarantinedRow
    from lakehouse.engines.base import Engine
    from lakehouse.tables.declarations import Table


def revalidate(
    engine: Engine,
    terms: TableSpec,
    transform: Callable[[DataFrame], DataFrame],
    bronze: str,
    record_ids: Collection[RecordId],
    *,
    proposed: Sequence[Decision] = (),
) -> Mapping[RecordId, tuple[str, ...]]:
    """Return, for some records, the rules that each would break now; none for one that would pass.

    Records that are discarded, or are no longer in bronze, are left out. A rule that looks at rows together sees no
    others than these records.

    Args:
        engine: where the tables are.
        terms: the table the records are meant for.
        transform: the table's own function.
        bronze: the table they were received into.
        record_ids: the records.
        proposed: decisions that nobody has taken yet, to see what they would do.
    """
    if not record_ids:
        return {}
    days = sorted({record_id.business_date for record_id in record_ids})
    received = records_with_ids(engine, engine.read(bronze, Predicate("business_date", tuple(days))), record_ids)
    carried = [name for name in RecordId._fields if name != "business_date"]
    found: dict[RecordId, tuple[str, ...]] = {}
    for judged in judged_days(engine, terms, transform, received, days, carried=carried, proposed=proposed):
        rows = engine.collect(judged.frame.select(*RecordId._fields, RULES)).to_pylist()
        found |= {RecordId.of(row): tuple(row[RULES]) for row in rows}
    return found


def replayable(engine: Engine, tables: Mapping[str, Table], rows: Iterable[QuarantinedRow]) -> list[QuarantinedRow]:
    """Return the rows that would not be rejected now: they would pass, or have been discarded."""
    by_table = defaultdict(list)
    for row in rows:
        by_table[row.table_name].append(row)
    found = []
    for name, of_table in by_table.items():
        table = rejecting_table(tables, name)
        (bronze,) = table.inputs.values()
        active = active_decisions(engine, name, sorted({row.business_date for row in of_table}))
        discarded = {each for each, decision in active.by_record.items() if decision.action == DISCARD}
        rules = revalidate(engine, table.terms, table.transform, bronze, [row.record_id for row in of_table])
        found += [row for row in of_table if rules.get(row.record_id) == () or row.record_id in discarded]
    return found


def days_of(rows: Iterable[QuarantinedRow]) -> dict[str, list[str]]:
    """Return the partitions of some rows, by table."""
    days = defaultdict(set)
    for row in rows:
        days[row.table_name].add(row.business_date.isoformat())
    return {name: sorted(found) for name, found in days.items()}

"""Explanations: a rejected record beside the rules that it broke.

Belongs here: what quarantine, bronze, the contract and the decisions say about one row. Nothing is validated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.corrections.columns import received_columns
from lakehouse.corrections.rows import bronze_record, decisions_on
from lakehouse.ingestion.bronze_rows import METADATA
from lakehouse.text import plain

if TYPE_CHECKING:
    from lakehouse.catalog.reader import Catalog
    from lakehouse.corrections.rows import QuarantinedRow
    from lakehouse.quarantine.decisions import Decision
    from lakehouse.tables.declarations import ContractTable

_READER_RULES = {
    "record": "the landing reader could not read the record: {reason}",
    "file": "the landing reader refused the whole file: {reason}",
}
_OWN_COLUMNS = {name for name, _, _ in METADATA}


@dataclass(frozen=True)
class BrokenRule:
    """A rule that a row broke: what it demands, and the value that broke it."""

    rule: str
    reason: str
    value: Any


@dataclass(frozen=True)
class Explanation:
    """Why a record was rejected.

    Attributes:
        row: the row of the quarantine.
        rules_version_now: the version of its table's rules today.
        rules: the rules that it broke.
        received: its columns as bronze has them, or its text where it could not be read.
        decisions: every decision about it and the releases of its day, oldest first.
        columns_to_fix: the received columns that a fix has to name.
    """

    row: QuarantinedRow
    rules_version_now: str
    rules: tuple[BrokenRule, ...]
    received: Mapping[str, Any] | str | None
    decisions: tuple[Decision, ...]
    columns_to_fix: tuple[str, ...]


def explain(catalog: Catalog, table: ContractTable, row: QuarantinedRow) -> Explanation:
    """Return why a table has rejected a record."""
    (bronze,) = table.inputs.values()
    record = bronze_record(catalog, bronze, row)
    columns = received_columns(table).values() if row.is_unread else row.offending_values
    return Explanation(
        row,
        table.terms.rules_version,
        tuple(_broken_rules(table, row, record)),
        _received(record, row),
        tuple(decisions_on(catalog, row)),
        tuple(columns),
    )


def _broken_rules(table: ContractTable, row: QuarantinedRow, record: Mapping[str, Any] | None) -> Iterator[BrokenRule]:
    from lakehouse.contracts.rule_compiler import every_rule

    demands = {rule.name: rule.reason for rule in every_rule(table.terms.contract, table.terms.policy)}
    for name in row.rules:
        subject = name.partition(":")[0]
        if subject in _READER_RULES:
            reason = (record or {}).get("reject_reason") or row.raw_record or name
            yield BrokenRule(name, _READER_RULES[subject].format(reason=reason), None)
            continue
        reason = demands.get(name, "the contract has no such rule any more")
        yield BrokenRule(name, reason, row.offending_values.get(subject))


def _received(record: Mapping[str, Any] | None, row: QuarantinedRow) -> Mapping[str, Any] | str | None:
    if record is None or record["reject_reason"] is not None:
        return row.raw_record if record is None else record["raw_record"]
    return {name: plain(value) for name, value in record.items() if name not in _OWN_COLUMNS}

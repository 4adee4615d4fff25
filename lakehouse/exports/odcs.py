"""A table's contract for readers outside this repository: as data, as a page, as an ODCS data contract.

Belongs here: what is said of a contract, and in which words of Markdown or of the Open Data Contract Standard. What a
rule means is for ``contracts.rule_compiler``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.contracts.contract import columns_of, day_rules_of, fresh_within_of
from lakehouse.contracts.metrics import metrics_of
from lakehouse.contracts.rule_compiler import every_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lakehouse.contracts.contract import ContractColumn
    from lakehouse.tables.declarations import ContractTable

ODCS = "v3.0.2"
_LOGICAL = {"int": "integer", "bigint": "integer", "boolean": "boolean", "date": "date", "timestamp": "date"}
_FORMATS = {"int": "i32", "bigint": "i64", "date": "yyyy-MM-dd", "timestamp": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSX"}
_DIMENSIONS = {"not_null": "completeness", "references": "consistency", "row": "consistency", "table": "consistency"}
_SEVERITIES = {"warn": "warning", "reject": "error", "hold": "error"}
_ACTIONS = """A broken rule that says `warn` leaves its row published and counts it; `reject` puts the row into
`silver.quarantine`; `hold` does so and publishes nothing of the day."""
_DERIVED_ACTIONS = """A broken rule that says `warn` leaves its row published and counts it; any other holds the
partition, for a row that breaks it is a defect of the table's function."""

_TABLES = """What each table holds and what is asked of its rows, read out of its [contract](../contracts.md). What the
numbers of gold mean is said once, in [metrics](../metrics.md)."""
_METRICS = """What the numbers of gold mean. A column with one of these names means this in every table that has it, of
the lines, days or months that a row is about. Formulas are over the columns of `silver.transactions`, unless they name
another table, and over other metrics; "added up" is what a week or a month does with the numbers of its days."""


@dataclass(frozen=True)
class RuleText:
    """A rule as people read it: about the rows of some columns, or, without any, about rows together or a day."""

    name: str
    when_broken: str
    reason: str
    columns: tuple[str, ...] = ()


def rules_of(table: ContractTable) -> list[RuleText]:
    """Return a table's rules: those about rows, then those about days."""
    contract, policy = table.terms.contract, table.terms.policy
    rows = [RuleText(rule.name, rule.action, rule.reason, rule.columns) for rule in every_rule(contract, policy)]
    return rows + [RuleText(rule.name, rule.when_broken, rule.reason) for rule in day_rules_of(contract)]


def describe(table: ContractTable) -> dict[str, Any]:
    """Return a contract as data."""
    policy = table.terms.policy
    return {
        "table": table.full_name,
        "description": table.description,
        "owner": table.owner,
        "rules_version": table.terms.rules_version,
        "made_from": list(table.inputs.values()),
        "partition": table.partition_column,
        "key": list(policy.key),
        "held_when": held_when(table),
        "fresh_within_hours": _fresh_within_hours(table),
        "columns": [
            {
                "name": column.name,
                "type": column.type.simpleString(),
                "nullable": column.nullable,
                "source": column.source,
                "description": column.description,
                "unit": column.unit,
            }
            for column in columns_of(table.terms.contract)
        ],
        "rules": rules_of(table),
    }


def held_when(table: ContractTable) -> list[str]:
    """Return when a partition is held, beside the rules that say so, in words."""
    policy = table.terms.policy
    key = ", ".join(policy.key)
    if table.layer != "silver":
        return [f"two rows have one key ({key})", "a row breaks a rule that does not warn"]
    return [
        f"more than {policy.hold_above:.0%} of its rows are rejected, and at least {policy.hold_from}",
        "all of its rows are rejected",
        "its rows do not add up to those received",
    ]


def _fresh_within_hours(table: ContractTable) -> int | None:
    window = fresh_within_of(table.terms.contract)
    return None if window is None else int(window.total_seconds() // 3600)


def page(table: ContractTable) -> str:
    """Return a contract as a page of Markdown."""
    about, file = describe(table), "/".join(Path(table.file).parts[-3:])
    facts = [
        ("key", _code(about["key"])),
        ("partition", _code([about["partition"]])),
        ("made from", _code(about["made_from"])),
        ("owner", about["owner"]),
        *([("late after", f"{hours} hours without a new partition")] if (hours := about["fresh_within_hours"]) else []),
        ("version of the rules", _code([about["rules_version"]])),
    ]
    columns = [
        (
            _code([column["name"]]),
            column["type"],
            "yes" if column["nullable"] else "no",
            _code([column["source"]] if column["source"] else []),
            column["unit"] or "",
            column["description"],
        )
        for column in about["columns"]
    ]
    rules = [(_code([rule.name]), rule.when_broken, rule.reason.replace("[", r"\[")) for rule in about["rules"]]
    return "\n\n".join(
        [
            f"# {table.full_name}",
            about["description"],
            _markdown(("", ""), facts),
            "## Columns",
            _markdown(("column", "type", "may be missing", "received as", "unit", "meaning"), columns),
            "## Rules",
            _ACTIONS if table.layer == "silver" else _DERIVED_ACTIONS,
            _markdown(("rule", "when broken", "what must hold"), rules),
            "A partition is held when " + ", or ".join(about["held_when"]) + ".",
            f"Made by `lakehouse contract export` from `{file}`.\n",
        ]
    )


def index(tables: Iterable[ContractTable]) -> str:
    """Return the page that leads to the others."""
    lines = [
        (f"[{table.full_name}]({table.full_name}.md)", f"[ODCS]({table.full_name}.odcs.yaml)", _first_line(table))
        for table in tables
    ]
    return "\n\n".join(
        [
            "# Tables",
            _TABLES,
            _markdown(("table", "data contract", "what it holds"), lines),
            "Made by `lakehouse contract export`.\n",
        ]
    )


def metrics_page(tables: Iterable[ContractTable], folder: str) -> str:
    """Return the page that defines the numbers of gold.

    Args:
        tables: all tables.
        folder: where the pages of the tables are, from this one.
    """
    gold = [table for table in tables if table.layer == "gold"]
    metrics = metrics_of(table.terms.contract for table in gold)
    places: dict[str, list[str]] = {metric.name: [] for metric in metrics}
    for table in gold:
        link = f"[{table.name}]({folder}/{table.full_name}.md)"
        for column in columns_of(table.terms.contract):
            places.get(column.name, []).append(link)
    lines = [
        (_code([each.name]), each.unit, each.definition, _code([each.formula]), ", ".join(places[each.name]))
        for each in metrics
    ]
    return "\n\n".join(
        [
            "# Metrics",
            _METRICS,
            _markdown(("metric", "unit", "what it is", "formula", "tables"), lines),
            "Made by `lakehouse contract export` from the contracts of gold.\n",
        ]
    )


def odcs(table: ContractTable) -> dict[str, Any]:
    """Return a contract in the words of the Open Data Contract Standard."""
    contract, policy = table.terms.contract, table.terms.policy
    rules, hours = rules_of(table), _fresh_within_hours(table)
    return {
        "apiVersion": ODCS,
        "kind": "DataContract",
        "id": f"urn:lakehouse:{table.full_name}",
        "name": table.full_name,
        "version": table.terms.rules_version,
        "status": "active",
        "description": {"purpose": table.description},
        "schema": [
            {
                "name": table.name,
                "physicalName": f"{table.layer}/{table.name}",
                "physicalType": "table",
                "logicalType": "object",
                "description": table.description,
                "properties": [_property(table, column, rules) for column in columns_of(contract)],
                "quality": [_quality(rule) for rule in rules if len(rule.columns) != 1],
            }
        ],
        **({"slaProperties": [{"property": "frequency", "value": hours, "unit": "h"}]} if hours else {}),
        "team": [{"username": table.owner, "role": "owner"}],
        "customProperties": [
            {"property": "holdAbove", "value": policy.hold_above},
            {"property": "holdFrom", "value": policy.hold_from},
        ],
    }


def _property(table: ContractTable, column: ContractColumn, rules: Sequence[RuleText]) -> dict[str, Any]:
    key, type_ = table.terms.policy.key, column.type.simpleString()
    found: dict[str, Any] = {
        "name": column.name,
        "description": column.description,
        "logicalType": _LOGICAL.get(type_, "number" if type_.startswith("decimal") else "string"),
        "physicalType": type_,
        "required": not column.nullable,
    }
    if column.unit:  # the standard has no word for it
        found["customProperties"] = [{"property": "unit", "value": column.unit}]
    if options := _options(column):
        found["logicalTypeOptions"] = options
    if column.name in key:
        found |= {"primaryKey": True, "primaryKeyPosition": key.index(column.name) + 1, "unique": len(key) == 1}
    if column.name == table.partition_column:
        found |= {"partitioned": True, "partitionKeyPosition": 1}
    if column.source:
        (source,) = table.inputs.values()
        found["transformSourceObjects"] = [f"{source}.{column.source}"]
    if quality := [_quality(rule) for rule in rules if rule.columns == (column.name,)]:
        found["quality"] = quality
    return found


def _options(column: ContractColumn) -> dict[str, Any]:
    """Return what the standard has words of its own for; a bound that only warns is no part of the type."""
    type_ = column.type.simpleString()
    found: dict[str, Any] = {"format": _FORMATS[type_]} if type_ in _FORMATS else {}
    for check, arguments in column.checks if column.when_broken != "warn" else ():
        match check:
            case "in_range":
                found |= {"minimum": _plain(arguments["min_value"]), "maximum": _plain(arguments["max_value"])}
                found |= {
                    word: True
                    for word, end in (("exclusiveMinimum", "include_min"), ("exclusiveMaximum", "include_max"))
                    if not arguments.get(end, True)
                }
            case "greater_than_or_equal_to":
                found["minimum"] = _plain(arguments["min_value"])
            case "greater_than":
                found |= {"minimum": _plain(arguments["min_value"]), "exclusiveMinimum": True}
            case "less_than_or_equal_to":
                found["maximum"] = _plain(arguments["max_value"])
            case "less_than":
                found |= {"maximum": _plain(arguments["max_value"]), "exclusiveMaximum": True}
            case "str_matches":
                found["pattern"] = f"^(?:{getattr(arguments['pattern'], 'pattern', arguments['pattern'])})"
            case "str_length":
                lengths = {"minLength": arguments.get("min_value"), "maxLength": arguments.get("max_value")}
                found |= {word: length for word, length in lengths.items() if length is not None}
    return found


def _quality(rule: RuleText) -> dict[str, Any]:
    about, _, check = rule.name.partition(":")
    dimension = _DIMENSIONS.get(check) or _DIMENSIONS.get(about) or ("coverage" if about == "day" else "conformity")
    return {
        "name": rule.name,
        "description": rule.reason,
        "type": "custom",
        "engine": "lakehouse",
        "implementation": rule.name,
        "dimension": dimension,
        "severity": _SEVERITIES[rule.when_broken],
        "customProperties": [{"property": "whenBroken", "value": rule.when_broken}],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _first_line(table: ContractTable) -> str:
    return table.description.split("\n\n")[0].replace("\n", " ")


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)

"""`lakehouse quarantine explain`: a rejected record beside the rules that refused it.

Belongs here: what is told of one row, from quarantine, bronze, the contract and the decisions. Nothing is judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from lakehouse.catalog.reader import Catalog
from lakehouse.cli.console import JsonFlag, out, print_json
from lakehouse.cli.quarantine_fix import contract_table, sources_of
from lakehouse.corrections.rows import Selection, bronze_record, decisions_on, is_unread, quarantined, where_it_stands
from lakehouse.ingestion.bronze_rows import METADATA
from lakehouse.settings import Settings
from lakehouse.text import cell, plain

_KINDS = {
    "record": "the landing reader could not read the record: {told}",
    "file": "the landing reader refused the whole file: {told}",
}
_OWN = {name for name, _, _ in METADATA}


def explain(
    row_id: Annotated[str, typer.Argument(metavar="ID", help="The row's id, as `lakehouse quarantine show` tells it.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Tell why a record was rejected: what was received, what each rule asks, and what was decided so far.

    * `lakehouse quarantine explain 3f2a9c01b7de`
    """
    lake = Catalog(Settings.load().root)
    (row,) = quarantined(lake, Selection(ids=[row_id], status="all"))
    made = contract_table(row["table_name"])
    (bronze,) = made.inputs.values()
    received = bronze_record(lake, bronze, row)
    from lakehouse.contracts.rule_compiler import every_rule

    asked = {rule.name: rule.reason for rule in every_rule(made.terms.contract, made.terms.policy)}
    told = {
        "id": row["id"],
        "table": row["table_name"],
        "business_date": row["business_date"],
        "status": row["status"],
        "verdict": row["verdict"],
        "source_file": row["source_file"],
        "source_version": row["source_version"],
        "source_record": row["source_record"],
        "first_seen": row["first_seen"] or row["ingestion_timestamp"],
        "rules_version": row["rules_version"],
        "rules_version_now": made.terms.rules_version,
        "rules": list(_rules(row, asked, received)),
        "received": _received(received, row),
        "closed": {name: row[f"closed_{name}"] for name in ("by", "why", "at")} if row["status"] != "open" else None,
        "decisions": decisions_on(lake, row),
    }
    if as_json:
        print_json(told)
    else:
        _print(told, row, list(sources_of(made).values()))


def _rules(
    row: Mapping[str, Any], asked: Mapping[str, str], received: Mapping[str, Any] | None
) -> Iterator[dict[str, Any]]:
    """Yield each broken rule with what it asks, and the value that broke it."""
    for name in row["rules"]:
        subject = name.partition(":")[0]
        if subject in _KINDS:
            reason = (received or {}).get("reject_reason") or row["raw_record"] or name
            yield {"rule": name, "reason": _KINDS[subject].format(told=reason), "value": None}
            continue
        reason = asked.get(name, "the contract has no such rule any more")
        yield {"rule": name, "reason": reason, "value": row["offending_values"].get(subject)}


def _received(record: Mapping[str, Any] | None, row: Mapping[str, Any]) -> Any:
    """Return the record as bronze has it: its columns, or its text where it could not be read."""
    if record is None or record["reject_reason"] is not None:
        return (record or row)["raw_record"]
    return {name: plain(value) for name, value in record.items() if name not in _OWN}


def _print(told: Mapping[str, Any], row: Mapping[str, Any], sources: Sequence[str]) -> None:
    lines = [
        f"[bold]{escape(where_it_stands(row))}[/], meant for {told['table']} of {told['business_date']}",
        f"  {told['status']}, first seen {cell(told['first_seen'])}; its day is {told['verdict']}",
    ]
    if told["closed"]:
        closed = told["closed"]
        lines.append(f"  {told['status']} by {escape(closed['by'])} at {cell(closed['at'])}: {escape(closed['why'])}")
    for rule in told["rules"]:
        given = "" if rule["value"] is None else f", but it is {escape(json.dumps(rule['value'], ensure_ascii=False))}"
        lines.append(f"[red]{escape(rule['rule'])}[/]  must hold: {escape(rule['reason'])}{given}")
    received = told["received"]
    if isinstance(received, dict):
        lines += [f"  {escape(name)} = {escape(cell(value))}" for name, value in received.items()]
    elif received:
        lines.append(f"  [dim]{escape(str(received))}[/]")
    for each in told["decisions"]:
        values = ", ".join(f"{name}={value or ''}" for name, value in each["corrected"].items())
        what = escape(f"{each['action']} {values}".strip())
        lines.append(f"{cell(each['decided_at'])} {escape(each['decided_by'])}: {what} ({escape(each['reason'])})")
    out().print("\n".join(lines), soft_wrap=True)
    if told["status"] == "open":
        out().print(_next_step(row, sources), soft_wrap=True)


def _next_step(row: Mapping[str, Any], sources: Sequence[str]) -> str:
    discard = f"`lakehouse quarantine discard --id {row['id']} --reason …` leaves it out"
    if row["source_record"] is None:
        return escape(f"A corrected file of the same name replaces it; {discard}.")
    columns = sources if is_unread(row) else list(row["offending_values"]) or ["column"]
    sets = " ".join(f"--set {name}=…" for name in columns)
    return escape(f"`lakehouse quarantine fix --id {row['id']} {sets} --reason …` mends it; {discard}.")

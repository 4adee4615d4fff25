"""`lakehouse quarantine explain`: a rejected record beside the rules that it broke."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lakehouse.cli.console import JsonFlag, out, print_json
from lakehouse.project import Lakehouse
from lakehouse.text import cell

if TYPE_CHECKING:
    from lakehouse.corrections.explanation import Explanation

_OF_THE_ROW = ("business_date", "status", "verdict", "source_file", "source_version", "source_record")
_OF_A_DECISION = ("action", "corrected", "reason", "decided_by", "decided_at")


def explain(
    row_id: Annotated[str, typer.Argument(metavar="ID", help="The row's id, as `lakehouse quarantine show` lists it.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Explain why a record was rejected: what was received, what each rule demands, and what was decided so far.

    * `lakehouse quarantine explain 3f2a9c01b7de`
    """
    found = Lakehouse.open().quarantine.explain(row_id)
    if as_json:
        print_json(_as_data(found))
    else:
        _print(found)


def _as_data(found: Explanation) -> dict[str, Any]:
    row = found.row
    closed = {"by": row.closed_by, "why": row.closed_why, "at": row.closed_at}
    return {
        "id": row.id,
        "table": row.table_name,
        **{name: getattr(row, name) for name in _OF_THE_ROW},
        "first_seen": row.first_seen or row.ingestion_timestamp,
        "rules_version": row.rules_version,
        "rules_version_now": found.rules_version_now,
        "rules": found.rules,
        "received": found.received,
        "closed": None if row.status == "open" else closed,
        "decisions": [{name: getattr(each, name) for name in _OF_A_DECISION} for each in found.decisions],
    }


def _print(found: Explanation) -> None:
    row = found.row
    lines = [
        f"[bold]{escape(row.position)}[/], meant for {row.table_name} of {row.business_date}",
        f"  {row.status}, first seen {cell(row.first_seen or row.ingestion_timestamp)}; its day is {row.verdict}",
    ]
    if row.status != "open":
        by, why = escape(row.closed_by or ""), escape(row.closed_why or "")
        lines.append(f"  {row.status} by {by} at {cell(row.closed_at)}: {why}")
    for rule in found.rules:
        given = "" if rule.value is None else f", but it is {escape(json.dumps(rule.value, ensure_ascii=False))}"
        lines.append(f"[red]{escape(rule.rule)}[/]  must hold: {escape(rule.reason)}{given}")
    if isinstance(found.received, str):
        lines.append(f"  [dim]{escape(found.received)}[/]")
    elif found.received:
        lines += [f"  {escape(name)} = {escape(cell(value))}" for name, value in found.received.items()]
    for each in found.decisions:
        values = ", ".join(f"{name}={value or ''}" for name, value in each.corrected.items())
        what = escape(f"{each.action} {values}".strip())
        lines.append(f"{cell(each.decided_at)} {escape(each.decided_by)}: {what} ({escape(each.reason)})")
    out().print("\n".join(lines), soft_wrap=True)
    if row.status == "open":
        out().print(escape(_next_step(found)), soft_wrap=True)


def _next_step(found: Explanation) -> str:
    discard = f"`lakehouse quarantine discard --id {found.row.id} --reason …` leaves it out"
    if found.row.source_record is None:
        return f"A corrected file of the same name replaces it; {discard}."
    sets = " ".join(f"--set {name}=…" for name in found.columns_to_fix or ("column",))
    return f"`lakehouse quarantine fix --id {found.row.id} {sets} --reason …` corrects it; {discard}."

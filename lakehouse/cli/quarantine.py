"""`lakehouse quarantine`: the group, and its commands that show rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from lakehouse.cli import (
    console,
    quarantine_discard,
    quarantine_explain,
    quarantine_fix,
    quarantine_release,
    quarantine_replay,
)
from lakehouse.cli.console import JsonFlag, number, out, print_json, table
from lakehouse.cli.process import PROCESS
from lakehouse.cli.quarantine_options import Day, Rule, Status, Table
from lakehouse.project import Lakehouse

if TYPE_CHECKING:
    from lakehouse.corrections.rows import QuarantinedRow

app = console.group(
    "Look at rejected rows, correct or discard them, and release held days. Landing files and bronze are never edited: "
    "a decision is kept beside them, with who took it and why, and every rebuild applies it."
)


@app.command("list")
def list_(
    *, table_name: Table = None, day: Day = None, rule: Rule = None, status: Status = "open", as_json: JsonFlag = False
) -> None:
    """Count rejected rows by table, day and rule. A row that broke two rules is counted under both.

    * `lakehouse quarantine list`
    * `lakehouse quarantine list --table silver.transactions --rule quantity:readable`
    * `lakehouse quarantine list --status all`
    """
    PROCESS.only_reads()
    from lakehouse.corrections.rows import Selection

    counts = Lakehouse.open().quarantine.count(Selection(table_name, day, rule, status=status))
    if as_json:
        print_json(counts)
        return
    if not counts:
        out().print("No rejected rows.")
        return
    shown = table("table", "day", "rule", "day is", *([] if status == "open" else ["status"]), "#rows")
    for count in counts:
        own = [] if status == "open" else [count.status]
        shown.add_row(
            count.table, str(count.business_date), escape(count.rule), count.verdict, *own, number(count.rows)
        )
    out().print(shown)


@app.command()
def show(
    *,
    table_name: Table = None,
    day: Day = None,
    rule: Rule = None,
    status: Status = "open",
    limit: Annotated[int, typer.Option(min=0, help="Rows to show.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """Show rejected rows: id, file, record, rules, offending values and the record as it was received.

    * `lakehouse quarantine show --table silver.transactions --day 2024-01-04`
    """
    PROCESS.only_reads()
    from lakehouse.corrections.rows import Selection

    found = Lakehouse.open().quarantine.rows(Selection(table_name, day, rule, status=status))
    if as_json:
        print_json(found[:limit])
        return
    if not found:
        about = f" of {table_name}" if table_name else ""
        out().print(f"No rejected rows{escape(about)}{escape(f' on {day}' if day else '')}.")
        return
    for row in found[:limit]:
        _print_row(row)
    if len(found) > limit:
        console.err().print(f"{limit} of {len(found)} rows; --limit shows more.")


app.command()(quarantine_explain.explain)
app.command()(quarantine_fix.fix)
app.command()(quarantine_replay.replay)
app.command()(quarantine_discard.discard)
app.command()(quarantine_release.release)


def _print_row(row: QuarantinedRow) -> None:
    rules = escape(", ".join(row.rules))
    lines = [f"[bold]{escape(row.position)}[/]: [red]{rules}[/]  id {row.id}"]
    if row.status != "open":
        lines.append(f"  {row.status} by {escape(row.closed_by or '')}: {escape(row.closed_why or '')}")
    lines += [f"  {escape(name)} = {escape(json.dumps(value))}" for name, value in row.offending_values.items()]
    if row.raw_record:
        lines.append(f"  [dim]{escape(row.raw_record)}[/]")
    out().print("\n".join(lines), soft_wrap=True)

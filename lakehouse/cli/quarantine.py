"""`lakehouse quarantine`: the rejected rows, and what people do about them.

Belongs here: the commands and how they show rows. How rows are chosen is ``quarantined``'s matter; what a decision does
to a day, ``lakehouse.quarantine.decisions``'.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape

from lakehouse.catalog.reader import Catalog
from lakehouse.cli import console, quarantine_explain, quarantine_fix, quarantine_replay
from lakehouse.cli.console import JsonFlag, number, out, print_json, table
from lakehouse.cli.process import PROCESS
from lakehouse.corrections.rows import Selection, counted, quarantined, where_it_stands
from lakehouse.settings import Settings

app = console.group(
    "Look at rejected rows, mend or discard them, and release held days. Landing files and bronze are never edited: a "
    "decision is kept beside them, with who took it and why, and every rebuild heeds it."
)

Table = Annotated[str | None, typer.Option("--table", help="Only rows for this table, such as silver.orders.")]
Day = Annotated[str | None, typer.Option(help="Only this business date: yyyy-mm-dd.")]
Rule = Annotated[str | None, typer.Option(help="Only rows that broke this rule, such as quantity:readable.")]
Status = Annotated[str, typer.Option(help="Only rows of this status: open, replayed, discarded, superseded; or all.")]


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
    counts = counted(Catalog(Settings.load().root), Selection(table_name, day, rule, status=status))
    if as_json:
        print_json(counts)
        return
    if not counts:
        out().print("No rejected rows.")
        return
    made = table("table", "day", "rule", "day is", *([] if status == "open" else ["status"]), "#rows")
    for count in counts:
        own = [] if status == "open" else [count["status"]]
        day_of = str(count["business_date"])
        made.add_row(count["table"], day_of, escape(count["rule"]), count["verdict"], *own, number(count["rows"]))
    out().print(made)


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
    lake = Catalog(Settings.load().root)
    found = quarantined(lake, Selection(table_name, day, rule, status=status))
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
app.command()(quarantine_replay.discard)
app.command()(quarantine_replay.release)


def _print_row(row: dict[str, Any]) -> None:
    rules = escape(", ".join(row["rules"]))
    lines = [f"[bold]{escape(where_it_stands(row))}[/]: [red]{rules}[/]  id {row['id']}"]
    if row["status"] != "open":
        lines.append(f"  {row['status']} by {escape(row['closed_by'])}: {escape(row['closed_why'])}")
    lines += [f"  {escape(name)} = {escape(json.dumps(value))}" for name, value in row["offending_values"].items()]
    if row["raw_record"]:
        lines.append(f"  [dim]{escape(row['raw_record'])}[/]")
    out().print("\n".join(lines), soft_wrap=True)

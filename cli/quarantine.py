"""`lakehouse quarantine`: the rejected rows, counted and one by one."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli import console
from cli.console import CommandError, JsonFlag, number, out, print_json, table
from cli.lake import Lake
from resources.settings import Settings

app = console.group("Look at rejected rows: which rules they broke, and the way back to file and record.")

QUARANTINE = "silver.quarantine"


@app.command("list")
def list_(
    *,
    table_name: Annotated[str | None, typer.Option("--table", help="Only this table, such as silver.orders.")] = None,
    day: Annotated[str | None, typer.Option(help="Only this business date: yyyy-mm-dd.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only rows that broke this rule, such as quantity:readable.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Count rejected rows by table, day and rule. A row that broke two rules is counted under both.

    * `lakehouse quarantine list`
    * `lakehouse quarantine list --table silver.transactions --rule quantity:readable`
    """
    counts = _ask(
        """
        SELECT table_name AS "table", business_date, rule, verdict, count(*) AS rows
        FROM (SELECT *, unnest(rules) AS rule FROM silver.quarantine)
        WHERE ($table IS NULL OR table_name = $table) AND ($day IS NULL OR business_date = $day::DATE)
            AND ($rule IS NULL OR rule = $rule)
        GROUP BY ALL ORDER BY ALL
        """,
        {"table": table_name, "day": day, "rule": rule},
    )
    if as_json:
        print_json(counts)
        return
    if not counts:
        out().print("No rejected rows.")
        return
    made = table("table", "day", "rule", "day is", "#rows")
    for count in counts:
        made.add_row(
            count["table"], str(count["business_date"]), escape(count["rule"]), count["verdict"], number(count["rows"])
        )
    out().print(made)


@app.command()
def show(
    *,
    table_name: Annotated[str, typer.Option("--table", help="The table the rows were meant for: silver.orders.")],
    day: Annotated[str, typer.Option(help="Their business date: yyyy-mm-dd.")],
    limit: Annotated[int, typer.Option(min=0, help="Rows to show.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """Show rejected rows of a day: file, record, rules, offending values and the record as it was received.

    * `lakehouse quarantine show --table silver.transactions --day 2024-01-04`
    """
    found = _ask(
        """
        SELECT source_file, source_record, rules, offending_values, raw_record, verdict, source_version, landing_date
        FROM silver.quarantine WHERE table_name = $table AND business_date = $day::DATE
        ORDER BY source_file, source_record NULLS FIRST LIMIT $limit
        """,
        {"table": table_name, "day": day, "limit": limit},
    )
    for row in found:
        row["offending_values"] = json.loads(row["offending_values"] or "{}")
    if as_json:
        print_json(found)
        return
    if not found:
        out().print(f"No rejected rows of {escape(table_name)} on {escape(day)}.")
        return
    for row in found:
        _print_row(row)


def _print_row(row: dict[str, Any]) -> None:
    record = "the file" if row["source_record"] is None else f"record {row['source_record']}"
    lines = [f"[bold]{escape(row['source_file'])}[/] {record}: [red]{escape(', '.join(row['rules']))}[/]"]
    lines += [f"  {escape(name)} = {escape(json.dumps(value))}" for name, value in row["offending_values"].items()]
    if row["raw_record"]:
        lines.append(f"  [dim]{escape(row['raw_record'])}[/]")
    out().print("\n".join(lines), soft_wrap=True)


def _ask(sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask the quarantine; a lake that never rejected a row has none."""
    import duckdb

    lake = Lake(Settings.load().root)
    names = lake.names()
    if not names:
        raise CommandError(f"there are no tables under {lake.root} yet; `lakehouse run` makes them")
    if QUARANTINE not in names:
        return []
    try:
        return lake.rows(sql, parameters)
    except duckdb.ConversionException:
        raise CommandError(f"--day {parameters['day']}: give a date like 2024-01-31") from None

"""`lakehouse contract`: the contracts of the tables.

Belongs here: the group of commands, and those that show contracts. Those about columns that drifted are in ``drift``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lakehouse.cli import console
from lakehouse.cli.console import JsonFlag, out, print_json, table
from lakehouse.cli.drift import accept_columns, propose_columns
from lakehouse.project import Lakehouse

app = console.group("Look at the contracts of tables, and take up what files bring that no contract has yet.")

app.command("propose")(propose_columns)
app.command("accept")(accept_columns)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="A silver or gold table, such as silver.transactions.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Show a table's contract: columns, rules, what a broken rule does, key, and when a partition is held.

    * `lakehouse contract show silver.transactions`
    """
    about = Lakehouse.open().contracts.describe(name)
    if as_json:
        print_json(about)
        return
    out().print(
        f"[bold]{name}[/]  made from {', '.join(about['made_from'])}, by {escape(about['owner'])}\n"
        f"{escape(about['description'])}\n"
        f"key {', '.join(about['key'])}; partition {about['partition']}; rules version {about['rules_version']}\n"
        f"held when {escape(', or '.join(about['held_when']))}",
        soft_wrap=True,
    )
    columns = table("column", "type", "may be missing", "received as", "unit", "meaning")
    for column in about["columns"]:
        texts = [column["source"] or "", column["unit"] or "", escape(column["description"])]
        columns.add_row(column["name"], column["type"], "yes" if column["nullable"] else "no", *texts)
    out().print(columns)
    rules = table("rule", "when broken", "what must hold")
    for rule in about["rules"]:
        rules.add_row(rule.name, rule.when_broken, escape(rule.reason))
    out().print(rules)


@app.command()
def export(
    *,
    out_folder: Annotated[
        Path, typer.Option("--out", help="The folder for the tables; the page of metrics is written beside it.")
    ] = Path("docs/tables"),
) -> None:
    """Write a page of Markdown and an ODCS v3 data contract for each table, a page that leads to them, and metrics.md.

    * `lakehouse contract export`
    * `lakehouse contract export --out build/contracts`
    """
    contracts = Lakehouse.open().contracts
    files = contracts.files()
    out_folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out_folder / name).write_text(text, encoding="utf-8")
    metrics = out_folder.resolve().with_name("metrics.md")
    metrics.write_text(contracts.metrics_page(out_folder.resolve().name), encoding="utf-8")
    out().print(f"{len(files)} files in {escape(str(out_folder))}, and metrics.md beside it", soft_wrap=True)

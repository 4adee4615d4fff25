"""`lakehouse rules`: what the rules of a table catch, and what a changed contract would have done."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from lakehouse.cli import console, rules_view
from lakehouse.cli.console import FAILED, OK, CommandError, JsonFlag, err, print_json
from lakehouse.project import Lakehouse

app = console.group("Test the rules of a table: plant faults and see what catches them, or judge past days again.")

Name = Annotated[str, typer.Argument(metavar="TABLE", help="A silver table, such as silver.transactions.")]


@app.command()
def mutate(
    name: Name,
    *,
    day: Annotated[
        str | None, typer.Option(help="A published business date; the newest with enough rows unless given.")
    ] = None,
    min_caught: Annotated[
        float, typer.Option(min=0, max=1, help="Exit with 1 when a smaller share of the kinds of faults is caught.")
    ] = 0.9,
    seed: Annotated[int, typer.Option(help="Chooses the rows that are changed.")] = 7,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the day to take at most; of more, a sample.")] = 20_000,
    without: Annotated[list[str] | None, typer.Option(help="Leave this rule out; may be given again.")] = None,
    each: Annotated[bool, typer.Option("--each", help="Tell of each rule what would be missed without it.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Plant typical faults into a copy of a day, one at a time, and tell which rules catch which. No table is changed.

    A rule has caught a fault when it counts at least a tenth of the planted rows more than without the fault, or, if it
    is about the whole day, when only the faulty day breaks it. A fault is stopped when its rows are rejected or the day
    is held; else it is only noticed: a warning is counted. A kind is caught when at least half of its faults are.

    Exit code 1: a smaller share of the kinds is caught than `--min-caught` asks for, or the test could not be made.
    """
    with err().status("starting the engine") as status:  # shown on a terminal only
        test = Lakehouse.open().rules.test(
            name, day=a_day(day), seed=seed, rows=rows, without=without or (), each=each, report=status.update
        )
    if as_json:
        print_json(rules_view.as_data(test, min_caught))
    else:
        rules_view.print_test(test, min_caught)
    raise typer.Exit(OK if test.share >= min_caught else FAILED)


@app.command()
def backtest(
    name: Name,
    *,
    first: Annotated[str | None, typer.Option("--from", help="The first business date: yyyy-mm-dd.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last business date: yyyy-mm-dd.")] = None,
    contract: Annotated[
        Path | None,
        typer.Option(help="A changed copy of the table's file; else the file as it is now is compared with the past."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Judge past days by a changed contract, before it is adopted: what would be rejected, warned of or held.

    The days are judged again from their received rows, and compared with what was adopted: the ledger, the quarantine
    and the table. Then the daily gold tables are computed from both. Nothing is written.
    """
    with err().status("starting the engine") as status:  # shown on a terminal only
        result = Lakehouse.open().rules.backtest(
            name,
            since=a_day(first, "--from"),
            until=a_day(last, "--to"),
            changed=contract,
            report=status.update,
        )
    if as_json:
        print_json(result)
    else:
        rules_view.print_backtest(result)


def a_day(text: str | None, option: str = "--day") -> dt.date | None:
    """Return the date that an option gives."""
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} {text}: give a date like 2024-01-31") from None

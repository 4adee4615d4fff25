"""`lakehouse quarantine replay`: publish the open rows that pass by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from lakehouse.cli.console import FAILED, HELD, OK, JsonFlag, how_many, out, print_json
from lakehouse.cli.progress import watched
from lakehouse.cli.quarantine_options import Day, Ids, Table
from lakehouse.cli.run import print_failures, print_held
from lakehouse.project import Lakehouse

if TYPE_CHECKING:
    from lakehouse.corrections.quarantine import ReplayResult


def replay(*, table_name: Table = None, day: Day = None, ids: Ids = None, as_json: JsonFlag = False) -> None:
    """Publish the open rows that pass by now: fixed ones, and those that a changed contract lets pass.

    Their days are computed again from bronze and all decisions, and what follows from them. A day in which no open row
    would pass is left alone, so that a second replay changes nothing. An interrupted one is completed.

    * `lakehouse quarantine replay`
    * `lakehouse quarantine replay --table silver.transactions --day 2024-01-04`
    """
    from lakehouse.corrections.rows import Selection

    with watched() as (progress, should_stop):
        result = Lakehouse.open().quarantine.replay(
            Selection(table_name, day, ids=ids or ()), progress=progress, should_stop=should_stop
        )
    print_result(result, "replayed", as_json=as_json)


def print_result(result: ReplayResult, status: str, *, as_json: bool) -> None:
    """Show what became of the rows of a decision, which should have come to a status. Leave with the exit code."""
    report = result.report
    if as_json:
        print_json(
            {
                "rows": result.closed.get(status, 0),
                "closed": result.closed,
                "partitions": result.partitions,
                "held": result.held,
                "runs": report.runs if report else [],
                "errors": report.errors if report else [],
            }
        )
    else:
        out().print(_sentence(result, status))
        print_held(list(result.held))
    if report is not None:
        print_failures(report)
    raise typer.Exit(FAILED if report and report.errors else HELD if result.held else OK)


def _sentence(result: ReplayResult, status: str) -> str:
    if result.report is None:
        if not result.considered:
            return "0 rows: nothing is open."
        rows = how_many(result.considered, "open row")
        return f"0 rows: of {rows} none would pass; `lakehouse quarantine fix` corrects them."
    closed = ", ".join(f"{how_many(rows, 'row')} {each}" for each, rows in sorted(result.closed.items()))
    days = how_many(sum(map(len, result.partitions.values())), "day")
    return f"{closed or f'0 rows {status}'}; {days} computed again, in {how_many(len(result.report.runs), 'run')}."

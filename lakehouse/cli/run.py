"""`lakehouse run`: bring what has landed to gold."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from lakehouse.catalog.ledger_views import HeldDay, held_days, outcomes
from lakehouse.catalog.reader import Catalog
from lakehouse.cli.backfill_selection import Code, Partitions, selected_partitions
from lakehouse.cli.console import (
    FAILED,
    HELD,
    OK,
    CommandError,
    JsonFlag,
    err,
    number,
    out,
    print_json,
    table,
)
from lakehouse.cli.progress import as_data, watched
from lakehouse.project import Lakehouse
from lakehouse.storage.files import is_local
from lakehouse.text import cleaned

if TYPE_CHECKING:
    from lakehouse.orchestration.runner import RunReport

_SHOWN_NOTES = 10


def run(*, partition: Partitions = None, code: Code = False, as_json: JsonFlag = False) -> None:
    """Bring everything that has landed to gold, and stop. What has been taken in before is not touched.

    With `--partition` or `--code`, what has landed is left alone: some partitions are computed again, and what follows
    from them. `lakehouse plan` says beforehand which partitions get a new version.

    Exit code 0: all is published. 3: some day is held, the rest is published. 1: something failed; nothing is lost and
    the next run goes on. 130: stopped by Ctrl-C, the same.
    """
    lake = Lakehouse.open()
    refuse_missing_landing(lake)
    begun = time.monotonic()
    with lake.runner.exclusively():
        selected = selected_partitions(lake, partition, code=code)
        with watched() as (progress, should_stop):
            if selected is None:
                report = lake.runner.run(progress=progress, should_stop=should_stop)
            else:
                report = lake.runner.backfill(selected, progress=progress, should_stop=should_stop)
    seconds = time.monotonic() - begun
    held = held_days(lake.catalog)
    if as_json:
        print_json({**as_data(report), "held": held, "seconds": round(seconds, 3)})
    else:
        _print_summary(lake.catalog, report, held, seconds)
        if not lake.catalog.names():
            hint = f"Drop files into {escape(lake.settings.landing)}, such as transactions/2024-01-31.csv"
            err().print(f"{hint}; or try `lakehouse demo`.", soft_wrap=True)
    raise typer.Exit(FAILED if report.errors else HELD if held else OK)


def refuse_missing_landing(lake: Lakehouse) -> None:
    """Refuse a landing zone that was named and is not there: nothing would ever land in it."""
    landing = lake.settings.landing
    named = "landing" in lake.settings.model_fields_set
    if named and is_local(landing) and not Path(landing).is_dir():
        raise CommandError(
            f"LAKEHOUSE_LANDING is {landing}, and there is no such folder. Make it, with a folder for each "
            f"source ({', '.join(lake.source_names)}), or set LAKEHOUSE_LANDING to where the files are"
        )


def _print_summary(lake: Catalog, report: RunReport, held: list[HeldDay], seconds: float) -> None:
    console = out()
    if done := outcomes(lake, [each.run_id for each in report.runs]):
        made = table("table", "#days", "#published", "#rejected", "#duplicates", "#superseded", "#held")
        for line in done:
            counts = (line.days, line.published, line.rejected, line.duplicate, line.superseded, line.held)
            made.add_row(line.table, *map(number, counts))
        console.print(made)
    print_held(held)
    print_notes(report)
    print_failures(report)
    for key in sorted(set(report.unroutable)):
        err().print(f"[yellow]left in the landing zone:[/] {escape(key)} (`lakehouse status` says why)")
    runs = f"{len(report.runs)} run{'' if len(report.runs) == 1 else 's'}"
    what = f"{runs} in {seconds:.1f} s" if report.runs else "nothing new has landed"
    console.print(f"{what}. {_next_step(report, held)}")


def print_notes(report: RunReport) -> None:
    """Say what tables warned of."""
    for note in report.notes[:_SHOWN_NOTES]:
        err().print(f"[yellow]noted:[/] {escape(note)}", soft_wrap=True)
    if (more := len(report.notes) - _SHOWN_NOTES) > 0:
        err().print(f"[yellow]noted:[/] {more:,} more of the kind; `lakehouse drift` sums them up", soft_wrap=True)


def print_failures(report: RunReport) -> None:
    """Name the tables and partitions that failed, and why."""
    for failure in dict.fromkeys(report.errors):
        where = failure.first if failure.first == failure.last else f"{failure.first} to {failure.last}"
        err().print(f"[red]error:[/] {failure.table} {where}: {escape(cleaned(failure.message))}", soft_wrap=True)


def print_held(held: list[HeldDay]) -> None:
    """Show the days that are held, and why."""
    if not held:
        return
    made = table("held", "day", "reason")
    for day in held:
        made.add_row(day.table, str(day.business_date), escape(day.reason))
    out().print(made)


def _next_step(report: RunReport, held: list[HeldDay]) -> str:
    if report.errors:
        return "Some tables failed; mend the cause and `lakehouse run` again, nothing is lost."
    if held:
        first = held[0]
        return (
            "Everything else is published. See the rows: "
            f"`lakehouse quarantine show --table {first.table} --day {first.business_date}`; "
            "a corrected file with the same name publishes the day, and so do `lakehouse quarantine fix` and `release`."
        )
    return "All is published."

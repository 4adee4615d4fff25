"""`lakehouse run`: drain the landing zone to gold."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from lakehouse.catalog.landing_state import source_names
from lakehouse.catalog.ledger_views import HeldDay, held_days, outcomes
from lakehouse.catalog.reader import Lake
from lakehouse.cli.asked import Code, Partitions, as_asked
from lakehouse.cli.console import (
    FAILED,
    HELD,
    INTERRUPTED,
    OK,
    CommandError,
    JsonFlag,
    cleaned,
    err,
    number,
    out,
    print_json,
    table,
)
from lakehouse.cli.draining import alone, as_data, bring_to_gold, make_again
from lakehouse.settings import Settings
from lakehouse.storage.files import is_local

if TYPE_CHECKING:
    from lakehouse.orchestration.runner import Drained

_SHOWN_NOTES = 10


def run(*, partition: Partitions = None, code: Code = False, as_json: JsonFlag = False) -> None:
    """Bring everything that has landed to gold, and stop. What has been taken in before is not touched.

    With `--partition` or `--code`, what has landed is left alone: some partitions are made again, and what follows from
    them. `lakehouse plan` says beforehand which partitions get a new version.

    Exit code 0: all is published. 3: some day is held, the rest is published. 1: something failed; nothing is lost and
    the next run goes on. 130: stopped by Ctrl-C, the same.
    """
    settings = Settings.load()
    refuse_missing_landing(settings)
    begun = time.monotonic()
    with alone(settings):
        asked = as_asked(settings, partition, code=code)
        drained = interruptible_drain(settings) if asked is None else make_again(settings, asked)
    seconds = time.monotonic() - begun
    lake = Lake(settings.root)
    held = held_days(lake)
    if as_json:
        print_json({**as_data(drained), "held": held, "seconds": round(seconds, 3)})
    else:
        _print_summary(lake, drained, held, seconds)
        if not lake.names():
            hint = f"Drop files into {escape(settings.landing)}, such as transactions/2024-01-31.csv"
            err().print(f"{hint}; or try `lakehouse demo`.", soft_wrap=True)
    raise typer.Exit(FAILED if drained.errors else HELD if held else OK)


def refuse_missing_landing(settings: Settings) -> None:
    """Refuse a landing zone that was named and is not there: nothing would ever land in it."""
    named = "landing" in settings.model_fields_set
    if named and is_local(settings.landing) and not Path(settings.landing).is_dir():
        raise CommandError(
            f"LAKEHOUSE_LANDING is {settings.landing}, and there is no such folder. Make it, with a folder for each "
            f"source ({', '.join(source_names())}), or set LAKEHOUSE_LANDING to where the files are"
        )


def interruptible_drain(settings: Settings) -> Drained:
    """Drain; on Ctrl-C say that nothing is lost, and leave."""
    try:
        return bring_to_gold(settings)
    except BaseException as error:
        if not _is_interrupt(error):
            raise
        err().print("\nStopped. Nothing is lost: `lakehouse run` goes on where this one stopped.")
        raise typer.Exit(INTERRUPTED) from error


def _is_interrupt(error: BaseException) -> bool:
    from dagster import DagsterExecutionInterruptedError

    return isinstance(error, (KeyboardInterrupt, DagsterExecutionInterruptedError))


def _print_summary(lake: Lake, drained: Drained, held: list[HeldDay], seconds: float) -> None:
    console = out()
    if done := outcomes(lake, [each.run_id for each in drained.runs]):
        made = table("table", "#days", "#published", "#rejected", "#duplicates", "#superseded", "#held")
        for line in done:
            counts = (line.days, line.published, line.rejected, line.duplicate, line.superseded, line.held)
            made.add_row(line.table, *map(number, counts))
        console.print(made)
    print_held(held)
    print_notes(drained)
    print_failures(drained)
    for key in sorted(set(drained.unroutable)):
        err().print(f"[yellow]left in the landing zone:[/] {escape(key)} (`lakehouse status` says why)")
    runs = f"{len(drained.runs)} run{'' if len(drained.runs) == 1 else 's'}"
    what = f"{runs} in {seconds:.1f} s" if drained.runs else "nothing new has landed"
    console.print(f"{what}. {_next_step(drained, held)}")


def print_notes(drained: Drained) -> None:
    """Say what tables warned of."""
    for note in drained.notes[:_SHOWN_NOTES]:
        err().print(f"[yellow]noted:[/] {escape(note)}", soft_wrap=True)
    if (more := len(drained.notes) - _SHOWN_NOTES) > 0:
        err().print(f"[yellow]noted:[/] {more:,} more of the kind; `lakehouse drift` sums them up", soft_wrap=True)


def print_failures(drained: Drained) -> None:
    """Name the tables and partitions that failed, and why."""
    for failure in dict.fromkeys(drained.errors):
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


def _next_step(drained: Drained, held: list[HeldDay]) -> str:
    if drained.errors:
        return "Some tables failed; mend the cause and `lakehouse run` again, nothing is lost."
    if held:
        first = held[0]
        return (
            "Everything else is published. See the rows: "
            f"`lakehouse quarantine show --table {first.table} --day {first.business_date}`; "
            "a corrected file with the same name publishes the day, and so do `lakehouse quarantine fix` and `release`."
        )
    return "All is published."

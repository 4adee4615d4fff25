"""What `lakehouse demo` shows: the scorecard of planted faults, and where to look next."""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from lakehouse.catalog.ledger_views import held_days
from lakehouse.catalog.reader import Catalog
from lakehouse.cli.console import number, out, table
from lakehouse.cli.progress import as_data
from lakehouse.cli.run import print_failures, print_held

if TYPE_CHECKING:
    from examples.shop import Score, Scorecard
    from lakehouse.orchestration.runner import RunReport

_SHOWN = 20


def reports_as_data(lake: Catalog, reports: list[RunReport], seconds: float) -> dict[str, Any]:
    """Return what several runs did, for JSON."""
    data: dict[str, Any] = {"runs": [], "errors": [], "notes": [], "unroutable": []}
    for report in reports:
        for name, more in as_data(report).items():
            data[name] += more
    return {**data, "held": held_days(lake), "seconds": round(seconds, 3)}


def scorecard_as_data(scorecard: Scorecard) -> dict[str, Any]:
    """Return a scorecard for JSON."""
    return {
        "planted": scorecard.planted,
        "caught": scorecard.caught,
        "missed": scorecard.missed,
        "false_alarms": scorecard.false_alarms,
        "by_kind": scorecard.scores,
        "misses": scorecard.misses,
        "alarms": scorecard.alarms,
    }


def print_scorecard(scorecard: Scorecard) -> None:
    """Show what was planted and what became of it."""
    console = out()
    kinds: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for score in scorecard.scores:
        kinds[score.source, score.expect].append(score)
    made = table("planted in", "must be", "#kinds", "#planted", "#caught", "#missed")
    for (source, expect), scores in sorted(kinds.items()):
        planted, caught = sum(score.planted for score in scores), sum(score.caught for score in scores)
        made.add_row(source, expect, *map(number, (len(scores), planted, caught, planted - caught or None)))
    console.print(made)
    for miss in scorecard.misses[:_SHOWN]:
        where = miss.fault.file if miss.fault.record is None else f"{miss.fault.file} record {miss.fault.record}"
        console.print(f"[red]missed[/] {escape(f'{miss.fault.kind}, {where}: {miss.why}')}", soft_wrap=True)
    for alarm in scorecard.alarms[:_SHOWN]:
        where = f"{alarm.table} {alarm.business_date}"
        console.print(f"[red]false alarm[/] {escape(f'{where}: {alarm.what}')}", soft_wrap=True)
    colour = "green" if scorecard.perfect else "red"
    console.print(
        f"[bold {colour}]planted {scorecard.planted}, caught {scorecard.caught}, missed {scorecard.missed}, "
        f"false alarms {scorecard.false_alarms}[/]"
    )


def print_end(lake: Catalog, reports: list[RunReport], seconds: float) -> None:
    """Show held days, failures, and commands to look further."""
    console = out()
    print_held(held_days(lake))
    for report in reports:
        print_failures(report)
    runs = sum(len(report.runs) for report in reports)
    console.print(f"{runs} runs in {seconds:.1f} s" if runs else "nothing new has landed; the tables are as they were")
    console.print("Look further:")
    name = "lakehouse" if shutil.which("lakehouse") else sys.argv[0].removeprefix(f"{Path.cwd()}/")
    for command, why in (
        (f"{name} status", "tables, held days, landing zone"),
        (f'{name} query "FROM gold.daily_sales_summary ORDER BY 1"', "SQL over every table"),
        (f"{name} quarantine list", "rejected rows by rule"),
        (f"{name} reconcile", "does every row add up"),
        ("make dev", "the Dagster UI on this lake"),
    ):
        console.print(f"  [bold]{command}[/]  {why}", soft_wrap=True)

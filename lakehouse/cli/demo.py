"""`lakehouse demo`: sample data from landing to gold, and what came of them."""

from __future__ import annotations

import shutil
import sys
import time
from collections import defaultdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lakehouse.catalog.ledger_views import held_days
from lakehouse.catalog.reader import Catalog
from lakehouse.cli.console import FAILED, OK, JsonFlag, err, number, out, print_json, table
from lakehouse.cli.generate import Days, RowsPerDay, Seed
from lakehouse.cli.progress import as_data, watched
from lakehouse.cli.run import print_failures, print_held
from lakehouse.cli.sample_data import (
    DEFAULT_DAYS,
    DEFAULT_ROWS_PER_DAY,
    DEFAULT_SEED,
    DEFAULT_START,
    World,
    bring_real_days,
    make_world,
    sample_folder,
    send,
)
from lakehouse.delta.model import MissingTableError
from lakehouse.project import Lakehouse

if TYPE_CHECKING:
    import pyarrow as pa

    from examples.shop import Score, Scorecard
    from lakehouse.orchestration.runner import RunReport

ATTRIBUTION = (
    "Data: Online Retail, Daqing Chen (2015), UCI Machine Learning Repository, doi.org/10.24432/C5BW33, CC BY 4.0"
)
_SHOWN = 20


class Data(StrEnum):
    """Sample data there are."""

    SHOP = "shop"
    ONLINE_RETAIL = "online_retail"


def demo(
    *,
    data: Annotated[Data, typer.Option(help="A synthetic shop full of faults, or thirty real days.")] = Data.SHOP,
    days: Days = DEFAULT_DAYS,
    rows_per_day: RowsPerDay = DEFAULT_ROWS_PER_DAY,
    seed: Seed = DEFAULT_SEED,
    as_json: JsonFlag = False,
) -> None:
    """Take sample data from landing to gold and show what came of them. Safe to repeat.

    The shop's files hold planted faults, and some are corrected in a second delivery. The scorecard compares the answer
    key with the tables. Exit code 1: a fault was missed, something sound was taken for one, or a run failed.

    * `lakehouse demo`
    * `LAKEHOUSE_ROOT=.lakehouse-online_retail lakehouse demo --data online_retail`
    """
    lake = Lakehouse.open()
    with lake.runner.exclusively():
        if data is Data.ONLINE_RETAIL:
            _real_days(lake, as_json=as_json)
        else:
            start = max(DEFAULT_START, lake.settings.start_date)
            _shop(lake, World(days, rows_per_day, seed, start), as_json=as_json)


def _shop(lake: Lakehouse, world: World, *, as_json: bool) -> None:
    from examples import shop

    settings = lake.settings
    folder = sample_folder(settings)
    made = make_world(folder, world, settings.landing)
    send(folder, settings.landing)
    _say(f"{made.files} files, {sum(made.records.values()):,} records in {settings.landing}")
    begun = time.monotonic()
    reports: list[RunReport] = []
    for delivery in range(1, made.waves + 1):
        delivered = shop.deliver(folder, delivery)
        send(folder, settings.landing)
        if delivered:
            _say(f"delivery {delivery}: {len(delivered)} corrected, late and re-sent files")
        if delivered or not reports:
            reports.append(_run(lake))
    seconds = time.monotonic() - begun
    catalog = lake.catalog
    scorecard = shop.score(folder, lambda name: _table(catalog, name), waves=made.waves)
    failed = any(report.errors for report in reports)
    if as_json:
        print_json({"world": made, **_as_data(catalog, reports, seconds), "scorecard": _card(scorecard)})
    else:
        _print_scorecard(scorecard)
        _print_end(catalog, reports, seconds)
    raise typer.Exit(OK if scorecard.perfect and not failed else FAILED)


def _table(lake: Catalog, name: str) -> pa.Table:
    """Return what the scorecard reads of a table."""
    from examples.shop.observations import COLUMNS

    try:
        there = {field.name for field in lake.open(name).schema().fields}
        return lake.read(name, [column for column in COLUMNS[name] if column in there])
    except MissingTableError as error:
        raise LookupError(name) from error


def _real_days(lake: Lakehouse, *, as_json: bool) -> None:
    settings = lake.settings
    new = bring_real_days(settings.landing)
    _say(f"{new} new files in {settings.landing}/transactions")
    begun = time.monotonic()
    report = _run(lake)
    seconds = time.monotonic() - begun
    catalog = lake.catalog
    months = catalog.rows("FROM gold.monthly_sales_summary ORDER BY month_start")
    if as_json:
        print_json({**_as_data(catalog, [report], seconds), "months": months, "attribution": ATTRIBUTION})
    else:
        made = table("month", "#days", "#orders", "#lines", "#gross sales", "#returns", "#net sales")
        for month in months:
            counts = (month["days"], month["orders"], month["lines"])
            amounts = (month["gross_sales"], month["returns"], month["net_sales"])
            made.add_row(f"{month['month_start']:%Y-%m}", *map(number, counts), *[f"{each:,.2f}" for each in amounts])
        out().print(made)
        out().print(ATTRIBUTION, soft_wrap=True)
        _print_end(catalog, [report], seconds)
    raise typer.Exit(FAILED if report.errors else OK)


def _run(lake: Lakehouse) -> RunReport:
    with watched() as (progress, should_stop):
        return lake.runner.run(progress=progress, should_stop=should_stop)


def _say(text: str) -> None:
    err().print(escape(text), soft_wrap=True)


def _as_data(lake: Catalog, reports: list[RunReport], seconds: float) -> dict[str, Any]:
    """Return what several reports did, for JSON."""
    data: dict[str, Any] = {"runs": [], "errors": [], "notes": [], "unroutable": []}
    for report in reports:
        for name, more in as_data(report).items():
            data[name] += more
    return {**data, "held": held_days(lake), "seconds": round(seconds, 3)}


def _card(scorecard: Scorecard) -> dict[str, Any]:
    return {
        "planted": scorecard.planted,
        "caught": scorecard.caught,
        "missed": scorecard.missed,
        "false_alarms": scorecard.false_alarms,
        "by_kind": scorecard.scores,
        "misses": scorecard.misses,
        "alarms": scorecard.alarms,
    }


def _print_scorecard(scorecard: Scorecard) -> None:
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


def _print_end(lake: Catalog, reports: list[RunReport], seconds: float) -> None:
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

"""`lakehouse demo`: sample data from landing to gold, with a scorecard."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from lakehouse.catalog.reader import Catalog
from lakehouse.cli.console import FAILED, OK, JsonFlag, err, number, out, print_json, table
from lakehouse.cli.demo_view import print_end, print_scorecard, reports_as_data, scorecard_as_data
from lakehouse.cli.generate import Days, RowsPerDay, Seed
from lakehouse.cli.progress import watched
from lakehouse.cli.sample_data import bring_real_days, make_shop_data, sample_folder, send
from lakehouse.cli.shop import DEFAULT_DAYS, DEFAULT_ROWS_PER_DAY, DEFAULT_SEED, DEFAULT_START, ShopSize, shop_package
from lakehouse.delta.model import MissingTableError
from lakehouse.project import Lakehouse

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.orchestration.runner import RunReport

ATTRIBUTION = (
    "Data: Online Retail, Daqing Chen (2015), UCI Machine Learning Repository, doi.org/10.24432/C5BW33, CC BY 4.0"
)


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
            _shop(lake, ShopSize(days, rows_per_day, seed, start), as_json=as_json)


def _shop(lake: Lakehouse, size: ShopSize, *, as_json: bool) -> None:
    shop = shop_package()
    settings = lake.settings
    folder = sample_folder(settings)
    made = make_shop_data(folder, size, settings.landing)
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
        print_json(
            {"world": made, **reports_as_data(catalog, reports, seconds), "scorecard": scorecard_as_data(scorecard)}
        )
    else:
        print_scorecard(scorecard)
        print_end(catalog, reports, seconds)
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
        print_json({**reports_as_data(catalog, [report], seconds), "months": months, "attribution": ATTRIBUTION})
    else:
        made = table("month", "#days", "#orders", "#lines", "#gross sales", "#returns", "#net sales")
        for month in months:
            counts = (month["days"], month["orders"], month["lines"])
            amounts = (month["gross_sales"], month["returns"], month["net_sales"])
            made.add_row(f"{month['month_start']:%Y-%m}", *map(number, counts), *[f"{each:,.2f}" for each in amounts])
        out().print(made)
        out().print(ATTRIBUTION, soft_wrap=True)
        print_end(catalog, [report], seconds)
    raise typer.Exit(FAILED if report.errors else OK)


def _run(lake: Lakehouse) -> RunReport:
    with watched() as (progress, should_stop):
        return lake.runner.run(progress=progress, should_stop=should_stop)


def _say(text: str) -> None:
    err().print(escape(text), soft_wrap=True)

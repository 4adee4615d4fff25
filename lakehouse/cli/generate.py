"""`lakehouse generate`: the synthetic shop's files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lakehouse.cli.console import JsonFlag, number, out, print_json, table
from lakehouse.cli.sample_data import make_shop_data, sample_folder, send
from lakehouse.cli.shop import DEFAULT_DAYS, DEFAULT_ROWS_PER_DAY, DEFAULT_SEED, DEFAULT_START, ShopSize
from lakehouse.settings import Settings

_FIRST_DAY = dt.datetime.combine(DEFAULT_START, dt.time())  # Typer knows no plain dates
Days = Annotated[int, typer.Option(help="Days of business; at least 7.")]
RowsPerDay = Annotated[int, typer.Option(help="Invoice lines of an average day; at least 200.")]
Seed = Annotated[int, typer.Option(help="Another seed, another shop; the same seed, the same bytes.")]


def generate(
    *,
    days: Days = DEFAULT_DAYS,
    rows_per_day: RowsPerDay = DEFAULT_ROWS_PER_DAY,
    seed: Seed = DEFAULT_SEED,
    start: Annotated[dt.datetime, typer.Option(formats=["%Y-%m-%d"], help="First day.")] = _FIRST_DAY,
    to: Annotated[Path | None, typer.Option("--out", help="Folder to write to; default: the landing zone.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a messy retail world: invoices, customers, products, stock and clicks, with an answer key.

    The first delivery is put in place. Corrections and re-sent files come later: `lakehouse demo` delivers them.

    * `lakehouse generate --days 30 --rows-per-day 5000 --seed 1`
    """
    settings = Settings.load()
    folder = sample_folder(settings) if to is None else to.resolve()
    landing = settings.landing if to is None else str(folder)
    report = make_shop_data(folder, ShopSize(days, rows_per_day, seed, start.date()), landing)
    send(folder, landing)
    if as_json:
        print_json(report)
        return
    console = out()
    made = table("source", "#records")
    for source, records in report.records.items():
        made.add_row(source, number(records))
    console.print(made)
    was = "were there already" if report.already_there else "made"
    console.print(
        f"{report.files} files ({report.size_bytes / 1e6:,.1f} MB) with {sum(report.faults.values()):,} faults of "
        f"{len(report.faults)} kinds {was} in {escape(landing)}",
        soft_wrap=True,
    )
    console.print("Next: `lakehouse run`" if to is None else f"Next: LAKEHOUSE_LANDING={folder} lakehouse run")

"""What a day more costs in a lake of many days: CPU seconds after a month and after a year, in one run.

Two lakes are made of the same shop, all five sources, one with a month of it and one with a year. Then the next days
land in both, one at a time and in turn, and are brought to gold as `lakehouse run` does. What the tables' steps cost is
counted apart from the whole, in which Dagster looks for what is due among all the partitions there are.

    python -m bench.year [--days 31 365] [--rows 500] [--more 5] [--tables] [--json]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import logging
import os
import re
import shutil
import statistics
import tempfile
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from examples.shop import generate
from lakehouse.orchestration.instance.home import open_instance
from lakehouse.orchestration.runner import run_until_idle
from lakehouse.settings import Settings
from lakehouse.tables.declarations import BronzeTable
from lakehouse_assets.definitions import build_defs, find_tables

START = dt.date(2024, 1, 1)
SEED = 11
DAGSTER = "looking for what is due"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass
class Lake:
    """A lake of some days, and the shop's files by landing date."""

    root: Path
    shop: Path
    days: int
    files: dict[dt.date, list[Path]]

    def __post_init__(self) -> None:
        """Build the definitions."""
        self.settings = Settings(root=str(self.root), landing=str(self.root / "landing"), start_date=START)
        self.definitions = build_defs(self.settings)
        self.sources = [table.source for table in find_tables() if isinstance(table, BronzeTable)]

    def land(self, days: range) -> None:
        """Copy the files of some days, counted from the first, into the landing zone."""
        for day in (START + dt.timedelta(number) for number in days):
            for file in self.files.get(day, ()):
                place = self.root / "landing" / file
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.shop / file, place)

    def drain(self) -> tuple[float, dict[str, float]]:
        """Bring to gold what has landed and return the CPU seconds, in all and by table."""
        found: dict[str, float] = defaultdict(float)
        start = since = time.process_time()
        at_work = DAGSTER

        def heard(table: str, message: str) -> None:
            nonlocal since, at_work
            if not message:
                found[at_work] += time.process_time() - since
                since, at_work = time.process_time(), table

        with open_instance(self.settings.dagster_home) as instance:
            drained = run_until_idle(
                self.definitions,
                self.settings,
                self.sources,
                instance,
                progress=lambda said: heard(said.table or DAGSTER, said.message),
            )
        if drained.errors:
            raise RuntimeError("; ".join(map(str, drained.errors)))
        return time.process_time() - start, found


def shop_files(folder: Path, days: int, rows: int) -> dict[dt.date, list[Path]]:
    """Make a shop and return its files by landing date."""
    generate(folder, days=days, rows_per_day=rows, seed=SEED, start=START)
    found = defaultdict(list)
    for file in sorted(folder.glob("[!.]*/**/*.*")):
        if file.is_file() and (day := _DAY.search(str(file.relative_to(folder)))):
            found[dt.date.fromisoformat(day[0])].append(file.relative_to(folder))
    return found


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, nargs=2, default=(31, 365), help="of the smaller lake and the larger one")
    parser.add_argument("--rows", type=int, default=500, help="invoice lines of a day")
    parser.add_argument("--more", type=int, default=5, help="days that land then and count, after one that does not")
    parser.add_argument("--tables", action="store_true", help="by table, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    small, large = given.days
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as folder:
        shop = Path(folder, "shop")
        files = shop_files(shop, max(given.days) + given.more + 1, given.rows)
        lakes = [Lake(Path(folder, f"lake_{days}"), shop, days, files) for days in given.days]
        for lake in lakes:
            lake.land(range(lake.days))
            lake.drain()
        whole: dict[int, list[float]] = defaultdict(list)
        tables: dict[int, dict[str, list[float]]] = {lake.days: defaultdict(list) for lake in lakes}
        for more in range(given.more + 1):
            for lake in lakes:
                lake.land(range(lake.days + more, lake.days + more + 1))
                cost, by_table = lake.drain()
                if more:
                    whole[lake.days].append(cost)
                    for table, seconds in by_table.items():
                        tables[lake.days][table].append(seconds)
    small, large = given.days
    figures = {"all of it": {days: statistics.median(costs) for days, costs in whole.items()}}
    steps = {
        table: {days: sum(tables[days].get(table, [])) / given.more for days in given.days}
        for table in sorted({*tables[small], *tables[large]} - {DAGSTER})
    }
    figures["the tables' steps"] = {days: sum(costs[days] for costs in steps.values()) for days in given.days}
    figures |= steps if given.tables else {}
    if given.json:
        print(json.dumps({"cpu_s": figures}))
        return
    print(f"{'a day more, CPU s':30}{f'after {small} days':>16}{f'after {large} days':>16}{'ratio':>8}")
    for name, costs in figures.items():
        ratio = costs[large] / costs[small] if costs[small] else float("nan")
        print(f"{name:30}{costs[small]:16.2f}{costs[large]:16.2f}{ratio:8.2f}")


if __name__ == "__main__":
    os.environ.setdefault("TZ", "UTC")
    main()

"""What a day more costs in a table of many days: CPU seconds at 10 daily partitions and at 1,000, in one run.

Both tables have grown day by day, a commit each, and look as if that took as many days. Then days of the given sizes go
from a table of received text to a typed one of as many days, in turn into the small pair and the large pair: read,
transformed and published, all of it.
Every tenth commit makes a checkpoint, and a tenth of the publications pay for it; the mean is over all of them. CPU
seconds are those of this process and of the ones it has started, such as Spark's.

    python -m bench.growth [--engine spark] [--partitions 10 1000] [--rows 1000 20000] [--days 20] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

from lakehouse.delta.model import TableLayout
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.base import Engine
from lakehouse.engines.factory import open_engine

FIRST = dt.date(2020, 1, 1)
TEXTS = ("invoice_no", "stock_code", "description", "quantity", "unit_price", "invoiced_at", "customer_id", "country")
RECEIVED = pa.schema(
    [*((name, pa.string()) for name in TEXTS), ("source_file", pa.string()), ("business_date", pa.date32())]
)
TYPED = pa.schema(
    [
        ("line_id", pa.string()),
        ("business_date", pa.date32()),
        ("invoice_no", pa.string()),
        ("stock_code", pa.string()),
        ("description", pa.string()),
        ("quantity", pa.int32()),
        ("unit_price", pa.decimal128(18, 3)),
        ("amount", pa.decimal128(18, 3)),
        ("invoiced_at", pa.timestamp("us", tz="UTC")),
        ("customer_id", pa.int64()),
        ("country", pa.string()),
    ]
)
WARM_UP = 12
"""Publications that do not count; a checkpoint is among them."""
DAY_SECONDS = 86_400
FEW_ROWS = 5
"""Of the days that are there before: how many rows they have is nothing to a publication beside them."""


@dataclass(frozen=True)
class Pair:
    """A table as received and a typed one, both with a number of daily partitions to begin with."""

    partitions: int

    @property
    def received(self) -> TableLayout:
        """The table as received."""
        statistics = ("invoiced_at", "source_file")
        only_grows = {"delta.appendOnly": "true"}
        name = f"bronze.lines_{self.partitions}"
        return TableLayout(name, RECEIVED, ("business_date",), only_grows, statistics=statistics)

    @property
    def typed(self) -> TableLayout:
        """The typed table."""
        return TableLayout(f"silver.lines_{self.partitions}", TYPED, ("business_date",), statistics=("invoiced_at",))

    def grow(self, engine: Engine, lines: pa.Table) -> None:
        """Make both tables, a commit a day, of the same few lines every day."""
        few = received(FIRST, FEW_ROWS)
        for number in range(self.partitions):
            day = FIRST + dt.timedelta(number)
            engine.append(self.received, dated(few, day))
            engine.publish(self.typed, dated(lines, day), Predicate("business_date", (day,)))

    def age(self, engine: Engine) -> None:
        """Make their commits a day older each; a log keeps those of a month, and older ones go at a checkpoint."""
        for layout in (self.received, self.typed):
            for file in Path(engine.root, layout.name.replace(".", "/"), "_delta_log").glob("0*"):
                then = time.time() - DAY_SECONDS * (self.partitions - int(file.name[:20]))
                os.utime(file, (then, then))

    def publish(self, engine: Engine, day: dt.date) -> None:
        """Bring one day from the one table to the other."""
        where = Predicate("business_date", (day,))
        engine.publish(self.typed, typed(engine.read(self.received.name, where)), where)


def received(day: dt.date, rows: int) -> pa.Table:
    """Return a day as received."""
    numbers = range(rows)
    columns = {
        "invoice_no": [str(500_000 + number // 20) for number in numbers],
        "stock_code": [str(20_000 + number * 7 % 4_000) for number in numbers],
        "description": [f"item number {number * 7 % 4_000}" for number in numbers],
        "quantity": [str(1 + number % 50) for number in numbers],
        "unit_price": [f"{1 + number % 900}.{number % 100:02}" for number in numbers],
        "invoiced_at": [f"{day} {number * 3 % 24:02}:{number % 60:02}:00" for number in numbers],
        "customer_id": [str(12_000 + number % 6_000) for number in numbers],
        "country": [("United Kingdom", "France", "EIRE")[number % 3] for number in numbers],
        "source_file": [f"lines/{day}.csv"] * rows,
        "business_date": [day] * rows,
    }
    return pa.table(columns, schema=RECEIVED)


def typed(lines: DataFrame) -> DataFrame:
    """Type received lines, as a silver table does."""
    price = F.col("unit_price").try_cast("decimal(18,3)")
    return lines.select(
        F.sha2(F.concat_ws("|", *TEXTS), 256).alias("line_id"),
        "business_date",
        "invoice_no",
        F.upper(F.trim("stock_code")).alias("stock_code"),
        F.trim("description").alias("description"),
        F.col("quantity").try_cast("int").alias("quantity"),
        price.alias("unit_price"),
        (F.col("quantity").try_cast("decimal(10,0)") * price).cast("decimal(18,3)").alias("amount"),
        F.col("invoiced_at").try_cast("timestamp").alias("invoiced_at"),
        F.col("customer_id").try_cast("bigint").alias("customer_id"),
        "country",
    )


def dated(rows: pa.Table, day: dt.date) -> pa.Table:
    """Return rows of another day."""
    column = rows.schema.get_field_index("business_date")
    return rows.set_column(column, "business_date", pa.array([day] * rows.num_rows, pa.date32()))


def cpu_seconds() -> float:
    """Return the CPU seconds of this process, and of those below it that live."""
    stats = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            stats[int(file.parent.name)] = file.read_text(encoding="utf-8").rpartition(")")[2].split()
    below = {os.getpid()}
    while more := {pid for pid, stat in stats.items() if int(stat[1]) in below and pid not in below}:
        below |= more
    ticks = sum(int(stats[pid][11]) + int(stats[pid][12]) for pid in below if pid != os.getpid())
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """Return CPU milliseconds by size of a day and number of partitions."""
    pairs = [Pair(number) for number in given.partitions]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as root:
        engine = open_engine(root, given.engine, given.spark_url)
        few = engine.session().createDataFrame(received(FIRST, FEW_ROWS))
        lines = engine.collect(typed(few)).cast(TYPED)
        sail = open_engine(root, "sail", given.spark_url)  # for its commits; beside Spark it never starts a session
        for pair in pairs:
            pair.grow(sail, lines)
            if not given.at_once:
                pair.age(sail)
        day = FIRST + dt.timedelta(max(given.partitions))
        for size in given.rows:
            costs: dict[int, list[float]] = {number: [] for number in given.partitions}
            for number in range(WARM_UP + given.days):
                for pair in pairs:
                    sail.append(pair.received, received(day, size))
                    start = cpu_seconds()
                    pair.publish(engine, day)
                    if number >= WARM_UP:
                        costs[pair.partitions].append(1000 * (cpu_seconds() - start))
                day += dt.timedelta(1)
            found[str(size)] = {
                number: {"median": statistics.median(each), "mean": statistics.mean(each)}
                for number, each in costs.items()
            }
        if given.engine == "spark":
            engine.session().stop()  # while its event log is still there
    return found


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("sail", "spark"), default="sail")
    parser.add_argument("--spark-url", default="local[2]")
    parser.add_argument("--partitions", type=int, nargs=2, default=(10, 1000))
    parser.add_argument("--rows", type=int, nargs="+", default=(1_000, 20_000))
    parser.add_argument("--days", type=int, default=20, help="published into each table and counted")
    parser.add_argument("--at-once", action="store_true", help="the days were all committed today, as by a backfill")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    found = measured(arguments)
    if arguments.json:
        print(json.dumps({"engine": arguments.engine, "cpu_ms": found}))
        return
    for rows, costs in found.items():
        for name in ("median", "mean"):
            small, large = (costs[number][name] for number in arguments.partitions)
            print(
                f"{int(rows):>8,} rows, {name:6} {small:7,.0f} ms CPU at {arguments.partitions[0]:,} partitions"
                f" {large:7,.0f} ms at {arguments.partitions[1]:,} {large / small:6.2f}x"
            )


if __name__ == "__main__":
    main()

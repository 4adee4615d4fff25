"""A backfill from landing to gold beside a plain script that makes the same three layers.

All run as processes of their own, in turn on the same files; the figures are whole-process ones. Ours is run twice:
with the gold tables that the script makes, too, and what these need of others, and with all tables, as `lakehouse run`
does. Dagster with its persistent instance, the safe reader, contracts, quarantine and ledger are included.

    python -m bench.backfill [--landing DIR] [--json]           real days, by default those in data/online_retail
    python -m bench.backfill --rows 5000000 [--json]            generated days of a million rows
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

REPOSITORY = Path(__file__).parents[1]
ROWS_PER_DAY = 1_000_000
SAME = tuple(
    f"gold.{name}" for name in ("sales_by_region", "sales_by_product", "weekly_sales_summary", "monthly_sales_summary")
)
"""What the plain script makes from `gold.daily_sales_summary` and beside it."""


def measure(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Run a command and return its wall and CPU seconds and its peak memory in MB.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in {0, 3}:  # 3: some day is held
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)} exited {process.returncode}:\n{output.read().decode()[-4000:]}")
    return {"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}


def compare(landing: Path, start: dt.date, *, days_at_once: int) -> dict[str, dict[str, float]]:
    """Measure the plain script and ours on one landing folder."""
    ours = {"same tables": ["bench.drained", *SAME], "all tables": ["lakehouse", "run"]}
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as folder:
        plain = [sys.executable, "-m", "bench.plain", str(landing), f"{folder}/plain"]
        found = {"plain": measure([*plain, "--days-at-once", str(days_at_once)], {})}
        for number, (name, command) in enumerate(ours.items()):
            environment = {
                "LAKEHOUSE_ROOT": f"{folder}/lake_{number}",
                "LAKEHOUSE_LANDING": str(landing),
                "LAKEHOUSE_START_DATE": start.isoformat(),
            }
            found[name] = measure([sys.executable, "-m", *command], environment)
    for name in ours:
        found[f"{name}, ratio"] = {each: found[name][each] / found["plain"][each] for each in found["plain"]}
    return found


def real(source: Path) -> dict[str, dict[str, float]]:
    """Compare on a folder of daily files named by their day."""
    files = sorted(source.glob("*.csv"))
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as folder:
        landing = Path(folder, "transactions")
        landing.mkdir()
        for file in files:
            shutil.copy(file, landing)
        return compare(Path(folder), dt.date.fromisoformat(files[0].stem), days_at_once=len(files))


def generated(rows: int) -> dict[str, dict[str, float]]:
    """Compare on generated invoice lines, a day at a time; one line in fifty is sent twice."""
    start = dt.date(2026, 1, 5)
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as folder:
        landing = Path(folder, "transactions")
        landing.mkdir()
        for place in range(max(1, rows // ROWS_PER_DAY)):
            day = start + dt.timedelta(days=place)
            _write_day(landing / f"{day}.csv", day, min(rows, ROWS_PER_DAY))
        return compare(Path(folder), start, days_at_once=1)


def _write_day(path: Path, day: dt.date, rows: int) -> None:
    """Write a day of invoice lines, every fiftieth of them twice."""
    table = lines_of_day(day, rows)
    with pacsv.CSVWriter(path, table.schema) as writer:
        writer.write(table)
        writer.write(table.take(pa.array(np.arange(rows)[::50])))


def lines_of_day(day: dt.date, rows: int) -> pa.Table:
    """Return clean invoice lines as text: the plain script survives no other."""
    number = np.arange(rows)
    chance = np.random.default_rng(day.toordinal())
    seconds = np.sort(chance.integers(8 * 3600, 20 * 3600, rows))
    times = np.datetime64(day.isoformat()) + seconds.astype("timedelta64[s]")
    is_cancelled = number // 12 % 50 == 0
    cancelled = pa.array(np.where(is_cancelled, "C", ""))
    quantity = chance.integers(1, 48, rows) * np.where(is_cancelled, -1, 1)
    product = chance.integers(0, 4000, rows)
    return pa.table(
        {
            "InvoiceNo": pc.binary_join_element_wise(cancelled, pa.array(500_000 + number // 12).cast(pa.string()), ""),
            "StockCode": pa.array(20_000 + product).cast(pa.string()),
            "Description": pc.binary_join_element_wise("PRODUCT, NUMBER", pa.array(product).cast(pa.string()), " "),
            "Quantity": pa.array(quantity).cast(pa.string()),
            "InvoiceDate": pc.strftime(pa.array(times), "%Y-%m-%d %H:%M:%S"),
            "UnitPrice": pc.binary_join_element_wise(
                pa.array(product % 40).cast(pa.string()), pa.array(10 + product % 90).cast(pa.string()), "."
            ),
            "CustomerID": pa.array(12_000 + number // 12 % 5000).cast(pa.string()),
            "Country": pa.array(np.array(["United Kingdom", "EIRE", "Germany", "France"])[product % 4]),
        }
    )


def show(found: dict[str, dict[str, float]]) -> None:
    """Print the figures."""
    print(f"{'':20}{'wall s':>10}{'CPU s':>10}{'peak MB':>10}")
    for name, figures in found.items():
        print(f"{name:20}" + "".join(f"{figures[column]:>10.2f}" for column in ("wall_s", "cpu_s", "peak_mb")))


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landing", type=Path, default=REPOSITORY / "data" / "online_retail")
    parser.add_argument("--rows", type=int, help="generate this many invoice lines instead")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = generated(arguments.rows) if arguments.rows else real(arguments.landing)
    print(json.dumps(found, indent=1)) if arguments.json else show(found)


if __name__ == "__main__":
    main()

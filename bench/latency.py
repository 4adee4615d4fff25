"""How long a dropped file takes to be seen in gold under `lakehouse dev`, and where the time goes.

Starts `lakehouse dev` on a fresh lake and drops one day's small file at a time, each after the runs of the one before
have ended and a pause. The clock stops when the day stands in the Delta log of ``gold.daily_sales_summary``. The parts
are from the Dagster event log: waits for the sensor, the queue and a process with its imports, then the steps.

    python -m bench.latency [--drops 10] [--json]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 12.0
"""What the median may be on an idle machine."""
FIRST_DAY = dt.date(2010, 12, 1)
LINES = 200
PAUSE_SECONDS = 4.0
PATIENCE_SECONDS = 180.0
PARTS = ("sensor", "queue", "process", "steps")
GOLD = "gold/daily_sales_summary"


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drops", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "lake"
        load_before = os.getloadavg()[0]
        with running(root):
            drops = [measure(root, number) for number in range(arguments.drops)]
        figures: dict[str, Any] = {
            "drops": [parts(root, *drop) for drop in drops],
            **summary([seconds for _, _, seconds in drops]),
            "load_average": [load_before, os.getloadavg()[0]],
        }
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


@contextmanager
def running(root: Path) -> Iterator[None]:
    """Run `lakehouse dev` on a lake until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root.mkdir(parents=True)
    log = root.parent / "dev.log"
    environment = {**os.environ, "LAKEHOUSE_ROOT": str(root), "LAKEHOUSE_LANDING": str(root / "landing")}
    with log.open("w") as output:
        dev = subprocess.Popen(
            [sys.executable, "-m", "lakehouse", "dev", "--port", str(port)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "Ready:" not in log.read_text():
            if dev.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"lakehouse dev did not start:\n{log.read_text()}")
            time.sleep(0.2)
        yield
    finally:
        dev.send_signal(signal.SIGTERM)
        dev.wait()


def measure(root: Path, number: int) -> tuple[dt.date, float, float]:
    """Drop a day's file, and return the day, when it was dropped and how many seconds later gold had it."""
    wait_until_idle(root)
    # A different point of the sensor's five seconds each time, the same ones in each measurement.
    time.sleep(PAUSE_SECONDS + number * 1.9 % 5)
    day = FIRST_DAY + dt.timedelta(days=number)
    landing = root / "landing" / "transactions" / f"{day}.csv"
    draft = root / "draft.csv"
    draft.write_text(lines_of(day), encoding="utf-8")
    draft.rename(landing)
    dropped = time.time()
    while not visible(root, day):
        if time.time() - dropped > PATIENCE_SECONDS:
            sys.exit(f"{landing} did not reach {GOLD} in {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.05)
    return day, dropped, time.time() - dropped


def lines_of(day: dt.date) -> str:
    """Return a small file of good invoice lines."""
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    return header + "".join(
        f"{536365 + line // 10},{20000 + line},LANTERN,{1 + line % 9},{day} 08:26:00,2.55,17850,United Kingdom\n"
        for line in range(LINES)
    )


def visible(root: Path, day: dt.date) -> bool:
    """Whether a commit has brought the day."""
    commits = (root / GOLD / "_delta_log").glob("*.json")
    return any(f"business_date={day}" in commit.read_text(encoding="utf-8") for commit in commits)


def wait_until_idle(root: Path) -> None:
    """Wait until every run has ended and automation has had the time to ask for more."""
    from dagster import DagsterRunStatus, RunsFilter

    from lakehouse.orchestration.instance.home import open_instance

    ended = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
    busy = RunsFilter(statuses=[status for status in DagsterRunStatus if status not in ended])
    quiet_since = time.monotonic()
    with open_instance(root / "dagster") as instance:
        while time.monotonic() - quiet_since < 2 * PAUSE_SECONDS:
            if instance.get_run_ids(busy):
                quiet_since = time.monotonic()
            time.sleep(0.5)


def parts(root: Path, day: dt.date, dropped: float, seconds: float) -> dict[str, float | str]:
    """Return the parts of one drop's time, in seconds."""
    from dagster import DagsterEventType, RunsFilter

    from lakehouse.orchestration.instance.home import open_instance

    with open_instance(root / "dagster") as instance:
        (record,) = instance.get_run_records(
            RunsFilter(job_name="transactions", tags={"dagster/partition": day.isoformat()})
        )
        events = instance.all_logs(record.dagster_run.run_id)
        times = {
            event.dagster_event.event_type: event.timestamp
            for event in reversed(events)  # the first of each kind
            if event.dagster_event
        }
    requested = record.create_timestamp.timestamp()
    dequeued, begun = times[DagsterEventType.PIPELINE_STARTING], times[DagsterEventType.PIPELINE_START]
    marks = [dropped, requested, dequeued, begun, dropped + seconds]
    taken = {name: round(end - start, 2) for name, start, end in zip(PARTS, marks, marks[1:], strict=False)}
    return {"day": day.isoformat(), "seconds": round(seconds, 2), **taken}


def summary(seconds: list[float]) -> dict[str, float]:
    """Return the median, the 95th percentile and the worst."""
    ordered = sorted(seconds)
    return {"p50": statistics.median(ordered), "p95": ordered[round(0.95 * (len(ordered) - 1))], "max": ordered[-1]}


def show(figures: dict[str, Any]) -> None:
    """Print the figures for people."""
    print(f"{'day':<12}{'total':>8}" + "".join(f"{name:>9}" for name in PARTS))
    for drop in figures["drops"]:
        print(f"{drop['day']:<12}{drop['seconds']:>7.1f}s" + "".join(f"{drop[name]:>8.1f}s" for name in PARTS))
    p50, p95, worst = (figures[name] for name in ("p50", "p95", "max"))
    print(f"p50 {p50:.1f} s (limit on an idle machine {LIMIT_SECONDS:.0f} s), p95 {p95:.1f} s, max {worst:.1f} s")
    before, after = figures["load_average"]
    print(f"load average {before:.1f} before, {after:.1f} after, on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()

"""A drain killed at any moment, again and again, loses nothing and doubles nothing."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import real_data
from tests.spark_servers import need_spark

REPOSITORY = Path(__file__).parents[2]
RUN = [sys.executable, "-m", "lakehouse", "run"]


@pytest.mark.parametrize(
    ("engine", "kills", "days_landing"),
    [
        ("sail", 3, 3),
        pytest.param("sail", 20, 8, marks=pytest.mark.long),
        pytest.param("spark", 3, 2, marks=pytest.mark.long),
    ],
)
def test_kills_at_random_moments_and_then_a_run_give_exact_tables(engine, kills, days_landing, lake_root, monkeypatch):
    if engine == "spark":
        need_spark()
        monkeypatch.setenv("LAKEHOUSE_SPARK_URL", "local[2]")
        monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    monkeypatch.setenv("LAKEHOUSE_ENGINE", engine)
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)  # noqa: S311 - moments of a test, printed below
    landing = lake_root / "landing" / "transactions"
    days = real_data.files()[:days_landing]
    during = 0
    for kill in range(kills):
        # Days land all along, so that there is work to be killed at.
        if kill % (kills // days_landing) == 0 and (number := kill // (kills // days_landing)) < days_landing:
            real_data.deliver([(landing / days[number].name, days[number].read_bytes())])
        before = real_data.versions(lake_root)
        process = subprocess.Popen(
            RUN, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        # How long a process takes to its first commit depends on the machine: most kills wait for some to be made.
        _wait_for_work(process, lake_root, before, commits=kill if engine == "spark" else chance.randint(0, 3))
        time.sleep(chance.uniform(0, 1))
        with contextlib.suppress(ProcessLookupError):  # it was faster
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        during += sum(real_data.versions(lake_root).values()) - sum(before.values())

    done = subprocess.run(RUN, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    about = f"seed {seed}, {during} commits during {kills} kills\n{done.stdout}{done.stderr}"
    print(about)  # noqa: T201 - without commits between the kills the test would show little
    assert done.returncode == 0, about
    assert during >= days_landing, about
    expected = {
        day: total for day, total in real_data.expected_days().items() if f"{day}.csv" in {d.name for d in days}
    }
    daily = real_data.query(
        lake_root, "select business_date, lines, orders, units, net_sales from gold_daily_sales_summary"
    )
    assert {str(day): tuple(measures) for day, *measures in daily} == expected, about
    raw = sum(len(day.read_text(encoding="utf-8").splitlines()) - 1 for day in days)
    ((rows, records),) = real_data.query(
        lake_root, "select count(*), count(distinct (source_file, source_record)) from bronze_transactions"
    )
    assert rows == records == raw, about


def _wait_for_work(process: subprocess.Popen[bytes], root: Path, before: dict[str, int], commits: int) -> None:
    """Wait until the drain has begun to write, and has made some commits, or has ended."""
    manifest = root / "system" / "manifests" / "transactions.json"
    for _ in range(6000):
        made = sum(real_data.versions(root).values()) - sum(before.values())
        if process.poll() is not None or (made >= commits and (manifest.exists() or made)):
            return
        time.sleep(0.05)

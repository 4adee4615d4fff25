"""`lakehouse run`: what it says, how it ends, and that nothing is lost when it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from filelock import FileLock
from typer.testing import CliRunner

from lakehouse.cli.main import app
from tests.lakehouse.cli.conftest import lakehouse, land, sales_of

REPOSITORY = Path(__file__).parents[3]


def test_a_run_with_a_held_day_exits_3_and_names_it_with_the_reason(small_lake):
    assert small_lake.made.code == 3
    (held,) = small_lake.made.data["held"]
    assert (held["table"], held["business_date"]) == ("silver.transactions", "2024-01-03")
    assert held["reason"].startswith("25 of 30 rows are rejected (83.3%, limit 5%)")


def test_json_tells_runs_errors_and_what_was_left_in_the_landing_zone(small_lake):
    said = small_lake.made.data
    assert said["errors"] == []
    assert said["unroutable"] == ["transactions/notes.txt"]
    first = said["runs"][0]
    assert {"bronze.transactions", "silver.transactions"} <= set(first["tables"])
    assert (first["first"], first["last"]) == ("2024-01-01", "2024-01-03")
    assert said["seconds"] > 0


def test_a_second_run_does_nothing_and_still_says_what_is_held(small_lake):
    again = lakehouse(small_lake.root, "run", "--json")
    assert again.code == 3
    assert again.data["runs"] == []
    assert [day["business_date"] for day in again.data["held"]] == ["2024-01-03"]


def test_a_corrected_file_publishes_the_held_day_and_the_run_exits_0(own_lake):
    land(own_lake, "2024-01-03.csv", sales_of("2024-01-03", 30))
    done = lakehouse(own_lake, "run")
    assert done.code == 0
    assert "All is published." in done.out
    assert "silver.transactions" in done.out
    published = lakehouse(own_lake, "query", "--json", "SELECT lines FROM gold.daily_sales_summary ORDER BY 1")
    assert [row["lines"] for row in published.data] == [2, 3, 30]


def test_a_table_that_failed_is_named_exits_1_and_is_made_by_the_next_run(lake_root):
    land(lake_root, "2024-01-01.csv", sales_of("2024-01-01", 3))
    obstacle = lake_root / "gold" / "sales_by_region"
    obstacle.parent.mkdir(parents=True)
    obstacle.write_text("a file where a table should be")

    failed = lakehouse(lake_root, "run")
    obstacle.unlink()
    mended = lakehouse(lake_root, "run")

    assert failed.code == 1
    assert "error: gold.sales_by_region 2024-01-01: " in failed.err
    assert "\x1b" not in failed.err
    assert mended.code == 0
    made = lakehouse(lake_root, "query", "--json", "SELECT country, lines FROM gold.sales_by_region")
    assert made.data == [{"country": "United Kingdom", "lines": 3}]


def test_a_second_drain_at_the_same_time_is_refused(small_lake):
    with FileLock(small_lake.root / "dagster" / ".drain.lock"):
        refused = lakehouse(small_lake.root, "run")
    assert refused.code == 1
    assert "another `lakehouse run`, `lakehouse demo` or `lakehouse dev` is at work" in refused.err


def test_unusable_settings_are_one_sentence_and_no_traceback(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_START_DATE", "soon")
    refused = lakehouse(tmp_path / "lake", "run")
    assert refused.code == 1
    assert refused.err.startswith("error: LAKEHOUSE_START_DATE: ")
    assert "Traceback" not in refused.err


def test_a_landing_zone_that_was_named_and_is_not_there_is_refused(lake_root):
    refused = lakehouse(lake_root, "run")
    assert refused.code == 1
    assert f"LAKEHOUSE_LANDING is {lake_root}/landing, and there is no such folder" in refused.err
    assert "clicks, customers, inventory, products, transactions" in refused.err
    assert not lake_root.exists()


def test_a_new_lake_without_files_says_where_they_go(lake_root, monkeypatch):
    monkeypatch.delenv("LAKEHOUSE_LANDING")
    done = CliRunner().invoke(app, ["run"])
    assert done.exit_code == 0
    assert f"Drop files into {lake_root}/landing" in done.stderr


def test_another_start_date_for_a_lake_is_refused(own_lake, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_START_DATE", "2024-01-02")
    refused = lakehouse(own_lake, "run")
    assert refused.code == 1
    assert refused.err.startswith("error: LAKEHOUSE_START_DATE is 2024-01-02, and the lake")
    assert "Set LAKEHOUSE_START_DATE=2010-12-01" in refused.err


def test_ctrl_c_during_a_run_stops_it_with_130_and_the_next_run_goes_on(lake_root):
    for number in range(1, 8):
        land(lake_root, f"2024-01-0{number}.csv", sales_of(f"2024-01-0{number}", 3))
    process = subprocess.Popen(
        [sys.executable, "-m", "lakehouse", "run"],
        cwd=REPOSITORY,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores the signal, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads
    )
    for line in process.stderr:
        if line.startswith("run 1:"):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Nothing is lost" in said
    assert "Traceback" not in said
    assert lakehouse(lake_root, "run").code == 0
    counted = lakehouse(lake_root, "query", "--json", "SELECT count(*) AS rows FROM silver.transactions")
    assert counted.data == [{"rows": 21}]

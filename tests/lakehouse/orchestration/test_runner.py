"""From landing to gold without a daemon: tiny files, real runs, and what is left on disk."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest
from dagster._utils.concurrency import ConcurrencySlotStatus

from lakehouse.ingestion.batches import Ingestion
from lakehouse.orchestration import landing_scan
from lakehouse.orchestration.instance.home import copy_home, open_instance
from lakehouse.orchestration.runner import backfill, run_until_idle
from tests.contents import OF_THE_RUN, content_hashes
from tests.line import Line, bad_lines, days, good_lines
from tests.scenario import csv_bytes, day, drop, rows, sale

TEN = range(1, 11)
DAILY = ("gold.daily_sales_summary", "gold.sales_by_product", "gold.sales_by_region")


@pytest.fixture(scope="module")
def drained(tmp_path_factory) -> Path:
    """A lake, with its home, that ten days were brought to gold in, the sixth of them held; tests copy it."""
    folder = tmp_path_factory.mktemp("drained")
    with open_instance(folder / "home") as instance:
        line = Line(folder / "lake" / "landing", instance=instance)
        for number in TEN:
            line.land(number, *(bad_lines(number) if number == 6 else ()))
        line.drain()
    return folder


@pytest.fixture
def ten_days(drained, tmp_path) -> Iterator[Line]:
    """A copy of the ten days. Its landing files are new, as copies are, and hold what is known already."""
    shutil.copytree(drained / "lake", tmp_path / "lake")
    copy_home(drained / "home", tmp_path / "home")
    with open_instance(tmp_path / "home") as instance:
        yield Line(tmp_path / "lake" / "landing", instance=instance)


def gold_days(line: Line) -> list[str]:
    """Return the days that gold shows."""
    return sorted(str(when) for (when,) in rows(line.lakehouse.engine, "gold.daily_sales_summary", "business_date"))


def test_one_bad_day_of_ten_is_held_and_nine_are_in_gold(ten_days):
    assert gold_days(ten_days) == days([1, 2, 3, 4, 5, 7, 8, 9, 10])
    engine = ten_days.lakehouse.engine
    assert rows(engine, "gold.weekly_sales_summary", "week_start", "days", "lines") == [
        (dt.date(2011, 2, 28), 5, 15),
        (day(7), 4, 12),
    ]
    assert rows(engine, "gold.monthly_sales_summary", "month_start", "days", "net_sales") == [
        (day(1), 9, 27 * Decimal("15.3"))
    ]
    assert {when for when, _ in rows(engine, "silver.quarantine", "business_date", "verdict")} == {day(6)}


def test_a_corrected_file_publishes_its_day_with_no_manual_step(ten_days):
    ten_days.land(6)
    ten_days.drain()
    assert gold_days(ten_days) == days(TEN)
    engine = ten_days.lakehouse.engine
    assert rows(engine, "gold.weekly_sales_summary", "week_start", "days") == [(dt.date(2011, 2, 28), 6), (day(7), 4)]
    assert set(rows(engine, "silver.quarantine", "business_date", "status")) == {(day(6), "superseded")}


def test_partitions_made_again_with_the_same_rows_change_nothing_that_is_made_of_them(ten_days):
    before = {table: ten_days.files(table) for table in ten_days.versions()}
    done = backfill(ten_days.defs, ten_days.instance, {"silver.transactions": days([2, 3, 9])})
    assert done.errors == []
    silver = [(run.first, run.last) for run in done.runs if run.tables == ("silver.transactions",)]
    assert silver == [("2011-03-02", "2011-03-03"), ("2011-03-09", "2011-03-09")]
    after = {table: ten_days.files(table) for table in ten_days.versions()}
    silver = "silver.transactions"
    changed = {place for place in after[silver] if after[silver][place] != before[silver][place]}
    assert changed == {f"business_date={when}" for when in days([2, 3, 9])}
    assert {table: files for table, files in after.items() if table.startswith(("bronze.", "gold."))} == {
        table: files for table, files in before.items() if table.startswith(("bronze.", "gold."))
    }
    assert backfill(ten_days.defs, ten_days.instance, {}).runs == []


def test_a_second_drain_runs_and_commits_nothing(drained):
    with open_instance(drained / "home") as instance:
        line = Line(drained / "lake" / "landing", instance=instance)
        before = line.versions()
        assert line.drain().runs == []
        assert line.versions() == before


def test_a_file_sent_again_changes_nothing(ten_days):
    before = {table: ten_days.files(table) for table in ten_days.versions()}
    ten_days.land(3)
    ten_days.land(4, name="-again")
    drop(ten_days.landing, "transactions/2011-03-04-again.csv", csv_bytes(good_lines(4)))
    ten_days.drain()
    after = {table: ten_days.files(table) for table in ten_days.versions()}
    assert after | {"system.landing_files": {}} == before | {"system.landing_files": {}}


def test_a_row_of_march_that_lands_in_may_restates_its_day_its_week_and_its_month_only(ten_days):
    before = {table: ten_days.files(table) for table in ten_days.versions()}
    late = sale("990001", at="2011-03-08 17:00:00")
    drop(ten_days.landing, "transactions/2011-05-02.csv", csv_bytes([late, sale("990002", at="2011-05-02 09:00:00")]))
    ten_days.drain()
    changed = {
        table: {
            partition for partition, names in ten_days.files(table).items() if names != before[table].get(partition)
        }
        for table in before
        if not table.startswith("system.")
    }
    daily = {"business_date=2011-03-08", "business_date=2011-05-02"}
    assert {table: found for table, found in changed.items() if found} == {
        "bronze.transactions": daily,
        "silver.transactions": daily,
        "gold.customer_days": daily,
        "gold.daily_sales_summary": daily,
        "gold.sales_by_product": daily,
        "gold.sales_by_region": daily,
        "gold.weekly_sales_summary": {"week_start=2011-03-07", "week_start=2011-05-02"},
        "gold.monthly_sales_summary": {"month_start=2011-03-01", "month_start=2011-05-01"},
    }
    engine = ten_days.lakehouse.engine
    assert (day(8), 4) in rows(engine, "gold.daily_sales_summary", "business_date", "lines")
    assert (day(7), 4, 13) in rows(engine, "gold.weekly_sales_summary", "week_start", "days", "lines")


def test_a_held_day_keeps_its_last_good_version_and_its_week_with_it(ten_days):
    before = {table: ten_days.files(table) for table in ("silver.transactions", *DAILY, "gold.weekly_sales_summary")}
    ten_days.land(8, *bad_lines(8))
    ten_days.drain()
    assert {table: ten_days.files(table) for table in before} == before


@pytest.mark.parametrize("died_in", ["confirm", "report"])
def test_a_crash_between_append_and_report_loses_nothing(line, monkeypatch, died_in):
    for number in (7, 8, 9, 10):
        line.land(number)
    line.drain()
    late = sale("990001", at="2011-03-08 17:00:00")
    drop(line.landing, "transactions/2011-05-02.csv", csv_bytes([late]))

    def die(*_args, **_kwargs):
        raise RuntimeError("died")

    with monkeypatch.context() as patched:
        if died_in == "confirm":
            patched.setattr(Ingestion, "confirm", die)
        else:
            patched.setattr("lakehouse.orchestration.asset_factory._report_ingested", die)
        failed = run_until_idle(line.defs, line.settings, line.sources, line.instance)
    assert [(failure.table, failure.message) for failure in failed.errors] == [
        ("bronze.transactions", "RuntimeError: died")
    ]
    appended = line.versions()["bronze.transactions"]
    line.drain()
    assert line.versions()["bronze.transactions"] == appended
    engine = line.lakehouse.engine
    assert (day(8), 4) in rows(engine, "gold.daily_sales_summary", "business_date", "lines")
    assert (day(7), 4, 13) in rows(engine, "gold.weekly_sales_summary", "week_start", "days", "lines")
    assert line.drain().runs == []


def test_what_a_dead_run_left_is_reported_even_if_nothing_new_has_landed(line, monkeypatch):
    line.land(1)
    with monkeypatch.context() as patched:
        patched.setattr(Ingestion, "confirm", lambda _: None)
        line.drain()
    (source,) = [source for source in line.sources if source.name == "transactions"]
    assert line.lakehouse.ingestion(source).interrupted() is not None
    (first, *_) = line.drain().runs
    assert (first.first, "bronze.transactions" in first.tables) == ("2011-03-01", True)
    assert line.lakehouse.ingestion(source).interrupted() is None
    assert line.drain().runs == []


def test_more_spans_than_one_look_requests_are_all_drained(line, monkeypatch):
    for number in range(1, 6):
        line.land(number)
    line.drain()
    monkeypatch.setattr(landing_scan, "REQUESTS_PER_TICK", 2)
    for number in (1, 3, 5):
        line.land(number, *good_lines(number, 4))
    line.drain()
    found = rows(line.lakehouse.engine, "gold.daily_sales_summary", "business_date", "lines")
    assert [lines for _, lines in found] == [4, 3, 4, 3, 4]


def test_an_empty_landing_zone_is_drained_at_once(line):
    assert line.drain().runs == []
    assert set(line.versions().values()) == {None}


def test_a_line_whose_amount_fits_nowhere_does_not_stop_the_other_days(line):
    line.land(1)
    line.land(2, *good_lines(2), sale("9", at="2011-03-02 10:00:00", Quantity="2147483647", UnitPrice="9" * 15))
    line.drain()
    assert gold_days(line) == days([1, 2])
    assert len(rows(line.lakehouse.engine, "silver.quarantine", "rules")) == 1


def test_a_drain_on_spark_ends_in_the_rows_of_one_on_sail(tmp_path, spark_url, monkeypatch):
    """Two days, one of them with a bad line: the demo with all tables is for the long dose."""
    monkeypatch.setenv("LAKEHOUSE_SPARK_URL", spark_url)
    made = {}
    for engine in ("sail", "spark"):
        monkeypatch.setenv("LAKEHOUSE_ENGINE", engine)
        line = Line(tmp_path / engine / "landing")
        line.land(1, *good_lines(1, 30), *bad_lines(1, 1))
        line.land(2, *good_lines(2), *good_lines(2, 1))
        line.drain()
        made[engine] = content_hashes(str(tmp_path / engine), {*OF_THE_RUN, "batch_id"})  # as large as suits the engine
    assert made["spark"] == made["sail"]
    assert {"bronze.transactions", "silver.quarantine", "gold.monthly_sales_summary"} <= {*made["sail"]}


@pytest.mark.parametrize("killed", ["holding a place in a pool", "before it took the place that it was given"])
def test_a_drain_is_not_kept_waiting_by_a_run_that_was_killed(landing_root, tmp_path, monkeypatch, killed):
    with open_instance(tmp_path / "home") as instance:
        line = Line(landing_root, instance=instance)
        line.land(1)
        dead = instance.create_run_for_job(
            line.defs.resolve_job_def("transactions"), status=dg.DagsterRunStatus.STARTED
        )
        instance.event_log_storage.initialize_concurrency_limit_to_default("silver_transactions")
        storage = instance.event_log_storage
        with monkeypatch.context() as patch:
            if killed.startswith("before"):
                patch.setattr(storage, "_claim_concurrency_slot", lambda **_: ConcurrencySlotStatus.BLOCKED)
            storage.claim_concurrency_slot("silver_transactions", dead.run_id, "step")
        places = storage.get_concurrency_info("silver_transactions")
        assert (places.assigned_run_ids if killed.startswith("before") else places.active_run_ids) == {dead.run_id}

        line.drain()

        assert gold_days(line) == days([1])
        assert instance.get_run_by_id(dead.run_id).status is dg.DagsterRunStatus.FAILURE

"""Tables as assets, run in process: what is written, reported and held."""

from __future__ import annotations

import dagster as dg
import pytest

from lakehouse.orchestration.asset_factory import READABLE, asset_key
from lakehouse.orchestration.instance.events import latest_materializations
from lakehouse.quarantine.decisions import RELEASE, Decision, RecordId, record_decisions
from tests.line import Line, bad_lines, days, good_lines
from tests.scenario import csv_bytes, customer, day, drop, jsonl_bytes, rows, sale

DAILY_GOLD = ("gold.sales_by_product", "gold.sales_by_region")


@pytest.fixture
def line(landing_root) -> Line:
    """The few tables that runs of a day are about: what they do is the same whatever tables there are."""
    return Line(landing_root, tables=DAILY_GOLD)


def events(result: dg.ExecuteInProcessResult, table: str) -> dict[str, dict]:
    """Return the materializations of a table that a run reported: metadata by partition."""
    return {
        event.partition: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key == asset_key(table)
    }


def day_counts(line: Line, table: str) -> dict[str, int]:
    found = [str(when) for (when,) in rows(line.lakehouse.engine, table, "business_date")]
    return {when: found.count(when) for when in sorted(found)}


def test_a_day_runs_from_landing_to_daily_gold(line):
    line.land(1)
    result = line.run(1)
    assert result.success
    for table in ("bronze.transactions", "silver.transactions", *DAILY_GOLD):
        assert list(events(result, table)) == days([1])
    assert line.checks("silver.transactions") == [("2011-03-01", True)]
    assert rows(line.lakehouse.engine, "gold.sales_by_region", "business_date", "orders") == [(day(1), 3)]


def test_a_range_is_one_run_with_a_materialization_and_a_verdict_for_each_day(line):
    for number in (1, 2, 4):
        line.land(number)
    result = line.run(1, 4)
    assert result.success
    for table in ("bronze.transactions", "silver.transactions", *DAILY_GOLD):
        assert list(events(result, table)) == days([1, 2, 3, 4])
    assert [verdict for verdict in line.checks("silver.transactions") if verdict[0]] == [
        (when, True) for when in days([1, 2, 3, 4])
    ]
    assert day_counts(line, "silver.transactions") == dict.fromkeys(days([1, 2, 4]), 3)
    assert line.versions()["silver.transactions"] == 1


def test_each_partition_carries_counts_and_version(line):
    line.land(1, *good_lines(1, 4), good_lines(1)[0])
    line.land(2, *good_lines(2, 2), *bad_lines(2, 1))
    result = line.run(1, 2)
    about = {
        "dagster/partition_row_count": 4,
        "delta_version": 1,
        "rows_in": 5,
        "rows_rejected": 0,
        "rows_duplicate": 1,
        "rows_superseded": 0,
    }
    found = events(result, "silver.transactions")
    assert {name: found["2011-03-01"][name] for name in about} == about
    assert (found["2011-03-02"]["dagster/partition_row_count"], found["2011-03-02"]["rows_rejected"]) == (2, 1)
    bronze = events(result, "bronze.transactions")["2011-03-02"]
    assert (bronze["dagster/partition_row_count"], bronze["files"]) == (3, ["transactions/2011-03-02.csv"])
    gold = events(result, "gold.sales_by_region")["2011-03-01"]
    assert (gold["dagster/partition_row_count"], gold["delta_version"]) == (1, 1)


def test_rejected_rows_are_reported_as_quarantine(line):
    line.land(1)
    line.land(2, *good_lines(2), *bad_lines(2, 2))
    assert {when: about["dagster/partition_row_count"] for when, about in quarantined(line.run(1, 2)).items()} == {
        "2011-03-02": 2
    }


def quarantined(result):
    return events(result, "silver.quarantine")


def test_a_held_day_fails_its_run_and_nothing_after_bronze_is_materialized(line):
    line.land(1, *bad_lines(1))
    result = line.run(1)
    assert not result.success
    assert events(result, "silver.transactions") == {}
    assert line.checks("silver.transactions") == [("2011-03-01", False)]
    assert [line.materialized(table) for table in DAILY_GOLD] == [[], []]
    assert quarantined(result)["2011-03-01"]["dagster/partition_row_count"] == 3


def test_a_held_day_in_a_range_leaves_the_good_days_materialized_and_gold_to_automation(line):
    for number in (1, 2, 3):
        line.land(number, *(bad_lines(2) if number == 2 else ()))
    result = line.run(1, 3)
    assert not result.success
    assert list(events(result, "silver.transactions")) == days([1, 3])
    verdicts = [verdict for verdict in line.checks("silver.transactions") if verdict[0]]
    assert verdicts == [("2011-03-01", True), ("2011-03-02", False), ("2011-03-03", True)]
    assert line.materialized("gold.sales_by_region") == []
    assert day_counts(line, "silver.transactions") == dict.fromkeys(days([1, 3]), 3)


def test_the_verdict_on_a_day_of_a_range_names_the_materialization_it_judged(line):
    for number in (1, 2):
        line.land(number)
    result = line.run(1, 2)
    newest = latest_materializations(line.instance, asset_key("silver.transactions"), days([1, 2]))
    judged = {
        verdict.partition: verdict.target_materialization_data
        for verdict in result.get_asset_check_evaluations()
        if verdict.check_name == "audit" and verdict.asset_key == asset_key("silver.transactions")
    }
    assert {when: judged[when] for when in days([1, 2])} == newest


def test_the_failing_verdict_says_why_and_shows_the_rows(line):
    line.land(1, *bad_lines(1))
    (verdict,) = line.run(1).get_asset_check_evaluations()[-1:]
    assert verdict.check_name == "audit"
    assert verdict.description == "all 3 rows are rejected; mostly quantity:readable 3"
    assert len(verdict.metadata["rejected_sample"].records) == 3


def test_a_late_row_reports_the_other_day_and_only_that(line):
    for number in (1, 2):
        line.land(number)
    line.run(1, 2)
    line.land(3, *good_lines(3), sale("99", at="2011-03-01 20:00:00"))
    result = line.run(3)
    assert sorted(events(result, "bronze.transactions")) == days([1, 3])
    assert events(result, "bronze.transactions")["2011-03-01"]["dagster/partition_row_count"] == 4
    assert list(events(result, "silver.transactions")) == days([3])
    assert line.materialize("silver.transactions", "2011-03-01").success
    assert day_counts(line, "silver.transactions") == {"2011-03-01": 4, "2011-03-02": 3, "2011-03-03": 3}


def test_an_identical_file_sent_again_materializes_nothing(line):
    line.land(1)
    line.run(1)
    tables = ("bronze.transactions", "silver.transactions", *DAILY_GOLD, "system.row_ledger")
    before = {table: line.files(table) for table in tables}
    line.land(1)
    drop(line.landing, "transactions/2011-03-01-copy.csv", csv_bytes(good_lines(1)))
    result = line.run(1)
    assert result.success
    assert result.get_asset_materialization_events() == []
    assert {table: line.files(table) for table in tables} == before


def test_a_range_in_which_one_day_changed_reports_that_day_only(line):
    for number in (1, 2, 3):
        line.land(number)
    line.run(1, 3)
    line.land(2, *good_lines(2, 5))
    result = line.run(1, 3)
    assert result.success
    assert list(events(result, "bronze.transactions")) == days([2])
    assert events(result, "silver.transactions") == {}
    assert line.materialize("silver.transactions", "2011-03-02").success
    assert day_counts(line, "silver.transactions")["2011-03-02"] == 5


def test_a_changed_file_supersedes_its_older_version(line):
    line.land(1, *good_lines(1, 5))
    line.run(1)
    line.land(1, *good_lines(1, 2), sale("77", at="2011-03-01 11:00:00"))
    found = events(line.run(1), "silver.transactions")["2011-03-01"]
    assert (found["dagster/partition_row_count"], found["rows_in"], found["rows_superseded"]) == (3, 8, 5)


def test_a_file_of_nothing_but_other_days_leaves_its_own_day_empty(line):
    line.land(5, *good_lines(1))
    result = line.run(5)
    assert result.success
    assert sorted(events(result, "bronze.transactions")) == days([1, 5])
    assert events(result, "silver.transactions")["2011-03-05"]["dagster/partition_row_count"] == 0


def test_records_that_cannot_be_read_show_as_a_warning_of_bronze(line):
    line.land(1)
    content = csv_bytes(good_lines(2)) + b"1,2,3\n"
    drop(line.landing, "transactions/2011-03-02.csv", content)
    drop(line.landing, "transactions/2011-03-03.csv", b"no,such,header\n1,2,3\n")
    result = line.run(1, 3)
    assert [verdict for verdict in line.checks("bronze.transactions", READABLE) if verdict[0]] == [
        ("2011-03-01", True),
        ("2011-03-02", False),
        ("2011-03-03", False),
    ]
    assert list(events(result, "bronze.transactions")) == days([1, 2, 3])
    assert list(events(result, "silver.transactions")) == days([1, 2])  # nothing but a refused file: held
    reasons = rows(line.lakehouse.engine, "silver.quarantine", "business_date", "rules")
    assert reasons == [(day(2), ["record:fields"]), (day(3), ["file:header"])]


def test_the_last_good_version_outlives_a_bad_delivery_and_the_correction_replaces_it(line):
    line.land(1)
    line.run(1)
    line.land(1, *bad_lines(1, 30))
    assert not line.run(1).success
    assert day_counts(line, "silver.transactions") == {"2011-03-01": 3}
    line.land(1, *good_lines(1, 6))
    assert line.run(1).success
    assert day_counts(line, "silver.transactions") == {"2011-03-01": 6}
    assert rows(line.lakehouse.engine, "gold.sales_by_region", "lines") == [(6,)]


def test_weeks_and_months_are_made_of_the_days_in_gold_and_a_week_without_any_is_empty(landing_root):
    line = Line(landing_root, tables=("gold.weekly_sales_summary", "gold.monthly_sales_summary"))
    for number in (4, 5, 7):
        line.land(number)
    line.run(4, 7)
    assert line.materialize("gold.weekly_sales_summary", "2011-02-28", "2011-03-07").success
    assert line.materialize("gold.weekly_sales_summary", "2011-03-14").success
    assert line.materialize("gold.monthly_sales_summary", "2011-03-01").success
    engine = line.lakehouse.engine
    weeks = rows(engine, "gold.weekly_sales_summary", "week_start", "days", "lines")
    assert sorted(weeks) == [(day(1).replace(month=2, day=28), 2, 6), (day(7), 1, 3)]
    assert rows(engine, "gold.monthly_sales_summary", "month_start", "days", "lines") == [(day(1), 3, 9)]


def test_the_change_feeds_reach_silver(landing_root):
    line = Line(landing_root, tables=("silver.customers",))
    good = [customer(number, segment="consumer") for number in (1, 2)]
    drop(line.landing, "customers/2011-03-01.jsonl", jsonl_bytes([*good, customer(3, segment="unheard of")]))
    assert line.run(1, job="customers").success
    assert rows(line.lakehouse.engine, "silver.customers", "customer_id") == [(1,), (2,)]
    assert rows(line.lakehouse.engine, "silver.quarantine", "table_name", "rules") == [
        ("silver.customers", ["segment:isin"])
    ]


def test_a_released_day_passes_its_check_which_names_who_and_why_and_gold_opens(line):
    line.land(1, *good_lines(1, 30), *bad_lines(1, 25))
    assert not line.run(1).success
    place = RecordId(day(1), "", "", None)
    release = Decision(RELEASE, "silver.transactions", place, "the till was down", "ada", batch_id=1)
    record_decisions(line.lakehouse.engine, [release])
    result = line.materialize("silver.transactions", "2011-03-01")
    assert result.success
    (verdict,) = result.get_asset_check_evaluations()
    about = {name: value.value for name, value in verdict.metadata.items()}
    assert (verdict.passed, about["released_by"], about["released_why"]) == (True, "ada", "the till was down")
    assert about["would_be_held_for"].startswith("25 of 55 rows are rejected")
    assert about["rows_in"] == 55
    line.drain()
    assert rows(line.lakehouse.engine, "gold.sales_by_region", "business_date", "lines") == [(day(1), 30)]


def test_quarantine_is_reported_empty_when_its_rows_are_open_no_more(line):
    line.land(1, *good_lines(1), *bad_lines(1, 1))
    line.run(1)
    line.land(1, *good_lines(1, 4))
    assert quarantined(line.run(1))["2011-03-01"]["dagster/partition_row_count"] == 0


@pytest.mark.parametrize("selection", ["silver.transactions", "gold.sales_by_region"])
def test_running_a_table_again_changes_no_number(line, selection):
    for number in (1, 2):
        line.land(number, *good_lines(number), *bad_lines(number, 1))
    line.run(1, 2)
    columns = ("business_date", "orders", "lines", "net_sales")
    before = rows(line.lakehouse.engine, "gold.sales_by_region", *columns)
    assert line.materialize(selection, "2011-03-01", "2011-03-02").success
    assert line.materialize(selection, "2011-03-02").success
    assert rows(line.lakehouse.engine, "gold.sales_by_region", *columns) == before
    assert len(rows(line.lakehouse.engine, "silver.quarantine", "rules")) == 2


def test_a_run_on_spark_says_once_what_its_tasks_have_cost(landing_root, spark_url, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_ENGINE", "spark")
    monkeypatch.setenv("LAKEHOUSE_SPARK_URL", spark_url)
    line = Line(landing_root, tables=("silver.transactions",))
    line.land(1)
    line.land(2)
    result = line.run(1, 2)
    assert result.success
    told = events(result, "silver.transactions")
    first, last = ({name: v for name, v in told[when].items() if name.startswith("spark/")} for when in days([1, 2]))
    assert first == {}
    assert last["spark/tasks"] > 5
    assert last["spark/task_seconds"] >= last["spark/cpu_seconds"] > 0
    assert last["spark/shuffle_bytes_written"] > 0
    assert last["spark/spilled_bytes"] == 0


def test_a_files_drift_is_told_once_in_the_log_and_with_the_days_it_touches(line):
    key = "transactions/2011-03-02.csv"
    lines = [{**sale("1", at=f"{day(number)} 10:00:00"), "Till": "4"} for number in (1, 2)]
    drop(line.landing, key, csv_bytes(lines, lines[0]))
    line.land(2, name="b")
    first = line.run(2)
    told = {key: ["new column Till, kept in rescued_data, such as '4'"]}
    assert {when: about.get("drift") for when, about in events(first, "bronze.transactions").items()} == {
        "2011-03-01": told,
        "2011-03-02": told,
    }

    def warnings(result: dg.ExecuteInProcessResult) -> list[str]:
        logged = line.instance.all_logs(result.run_id)
        return [entry.user_message for entry in logged if entry.level >= 30 and "column" in entry.user_message]

    assert warnings(first) == [f"bronze.transactions: {key}: {told[key][0]}"]
    line.land(2, sale("9", at=f"{day(2)} 10:00:00"), name="c")
    again = line.run(2)
    assert (events(again, "bronze.transactions")["2011-03-02"].get("drift"), warnings(again)) == (None, [])


def test_a_file_corrected_to_hold_nothing_does_not_empty_its_day(line):
    line.land(1)
    line.run(1)
    drop(line.landing, f"transactions/{day(1)}.csv", csv_bytes([]))
    line.run(1)
    assert line.checks("silver.transactions")[-1] == ("2011-03-01", False)
    assert day_counts(line, "silver.transactions") == {"2011-03-01": 3}
    ((reason,),) = {
        row[:1] for row in rows(line.lakehouse.engine, "system.row_ledger", "reason", "table_name") if row[0]
    }
    assert reason == "all rows are gone: 3 came, and the newest versions of their files have none"
    line.land(1, *good_lines(1, 2))
    line.run(1)
    assert line.checks("silver.transactions")[-1] == ("2011-03-01", True)
    assert day_counts(line, "silver.transactions") == {"2011-03-01": 2}


def test_a_late_row_that_is_corrected_away_leaves_its_day_empty(line):
    late = sale("late", at=f"{day(1)} 10:00:00")
    line.land(2, *good_lines(2), late)
    line.drain()
    assert day_counts(line, "silver.transactions") == {"2011-03-01": 1, "2011-03-02": 3}
    line.land(2)
    line.drain()
    assert day_counts(line, "silver.transactions") == {"2011-03-02": 3}

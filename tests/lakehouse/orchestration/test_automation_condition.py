"""What automation requests, evaluated over the real definitions. Most runs are only reported here, not made."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.line import Line, bad_lines, days

DAILY_GOLD = (
    "gold.dim_customers",  # before what is made of it
    "gold.customer_days",
    "gold.daily_sales_summary",
    "gold.sales_by_product",
    "gold.sales_by_region",
)
WEEKS, MONTHS = "gold.weekly_sales_summary", "gold.monthly_sales_summary"
CHAIN = ("silver.transactions", *DAILY_GOLD)


def of_chain(*numbers: int) -> dict[str, list[str]]:
    """Return a request for the daily tables of some days of March 2011."""
    return {table: days(numbers) for table in sorted(CHAIN)}


@pytest.fixture
def built(line) -> Line:
    """Ten days, 1 to 10 March 2011, built up to weeks and months, and nothing left to request."""
    assert line.tick() == {}
    line.report(("bronze.transactions", *CHAIN), *days(range(1, 11)))
    line.report(WEEKS, "2011-02-28", "2011-03-07")
    line.report(MONTHS, "2011-03-01")
    line.tick()
    assert line.tick() == {}
    return line


def test_an_empty_lake_requests_nothing(line):
    assert [line.tick() for _ in range(3)] == [{}, {}, {}]


def test_a_new_day_is_requested_once_and_its_week_and_month_once_it_is_there(line):
    line.tick()
    line.report("bronze.transactions", *days([2, 3]))
    assert line.tick() == of_chain(2, 3)
    assert line.tick() == {}
    line.report(CHAIN, *days([2, 3]))
    assert line.tick() == {MONTHS: ["2011-03-01"], WEEKS: ["2011-02-28"]}
    assert line.tick() == {}
    line.report(WEEKS, "2011-02-28")
    line.report(MONTHS, "2011-03-01")
    assert [line.tick(), line.tick()] == [{}, {}]


def test_days_built_before_the_first_look_are_not_built_again_but_their_weeks_are(line):
    line.report(("bronze.transactions", *CHAIN), *days([2]))
    assert line.tick() == {MONTHS: ["2011-03-01"], WEEKS: ["2011-02-28"]}
    assert line.tick() == {}


def test_a_late_day_restates_exactly_its_day_its_week_and_its_month(built):
    built.report("bronze.transactions", "2011-02-03", *days([9]))
    assert built.tick() == {table: ["2011-02-03", "2011-03-09"] for table in sorted(CHAIN)}
    built.report(CHAIN, "2011-02-03", "2011-03-09")
    after = built.tick()
    assert (after[WEEKS], after[MONTHS]) == (["2011-01-31", "2011-03-07"], ["2011-02-01", "2011-03-01"])
    assert set(after) == {WEEKS, MONTHS}
    assert built.tick() == {}


def test_a_held_day_without_an_older_version_reaches_nothing(line):
    line.tick()
    line.report("bronze.transactions", *days([2, 3]))
    line.audit("silver.transactions", "2011-03-02", passed=False)
    line.report("silver.transactions", "2011-03-03")
    requested = line.tick()
    assert requested["gold.daily_sales_summary"] == ["2011-03-02", "2011-03-03"]
    assert requested["silver.transactions"] == ["2011-03-02"]  # its one new try, and gold behind its gate
    line.audit("silver.transactions", "2011-03-02", passed=False)
    line.report(DAILY_GOLD, "2011-03-03")
    assert line.tick() == {MONTHS: ["2011-03-01"], WEEKS: ["2011-02-28"]}
    assert line.tick() == {}


def test_a_held_day_with_an_older_version_requests_nothing_until_it_is_corrected(built):
    built.report("bronze.transactions", "2011-03-05")
    built.tick()
    built.audit("silver.transactions", "2011-03-05", passed=False)
    assert [built.tick(), built.tick()] == [{}, {}]
    built.report("bronze.transactions", "2011-03-05")
    assert built.tick() == of_chain(5)


def test_what_else_changes_of_a_held_day_is_made_with_its_last_good_version_and_its_week_waits(built):
    built.report("bronze.transactions", "2011-03-05")
    built.tick()
    built.audit("silver.transactions", "2011-03-05", passed=False)
    built.report("gold.dim_customers", "2011-03-05")
    assert built.tick() == {"gold.daily_sales_summary": ["2011-03-05"]}


def test_a_held_day_does_not_close_its_neighbours(built):
    built.report("bronze.transactions", *days([5, 6]))
    built.tick()
    built.audit("silver.transactions", "2011-03-05", passed=False)
    built.report("silver.transactions", "2011-03-06")
    requested = built.tick()
    assert {table: requested[table] for table in DAILY_GOLD} == {table: ["2011-03-06"] for table in DAILY_GOLD}


def test_a_day_that_gold_holds_closes_its_week_and_month_until_it_passes(built):
    built.report("silver.transactions", *days([5, 6, 8]))
    built.tick()
    built.audit("gold.daily_sales_summary", "2011-03-05", passed=False)
    built.report("gold.daily_sales_summary", *days([6, 8]))
    assert built.tick() == {WEEKS: ["2011-03-07"]}
    built.report("gold.daily_sales_summary", "2011-03-05")
    assert built.tick() == {WEEKS: ["2011-02-28"], MONTHS: ["2011-03-01"]}


def test_a_second_update_in_one_tick_is_not_forgotten(built):
    built.report("silver.transactions", "2011-03-05")
    built.report(DAILY_GOLD, "2011-03-05")
    built.report("silver.transactions", "2011-03-05")
    requested = built.tick()
    assert {table: requested[table] for table in DAILY_GOLD} == {table: ["2011-03-05"] for table in DAILY_GOLD}


def test_an_update_between_the_request_and_its_run_is_not_forgotten(built):
    built.report("silver.transactions", "2011-03-05")
    assert set(DAILY_GOLD) <= set(built.tick())
    built.report("silver.transactions", "2011-03-05")
    assert set(DAILY_GOLD) <= set(built.tick())


def test_a_week_is_built_from_the_days_that_exist(line):
    line.tick()
    line.report("gold.daily_sales_summary", *days([2, 4]))
    assert line.tick() == {MONTHS: ["2011-03-01"], WEEKS: ["2011-02-28"]}


@pytest.mark.parametrize("table", [WEEKS, MONTHS])
def test_a_period_whose_run_fails_is_tried_again_only_when_a_day_of_it_changes(built, table):
    period = {WEEKS: "2011-03-07", MONTHS: "2011-03-01"}[table]
    built.report("gold.daily_sales_summary", "2011-03-08")
    assert period in built.tick()[table]
    built.audit(table, period, passed=False)
    assert [built.tick(), built.tick()] == [{}, {}]
    built.report("gold.daily_sales_summary", "2011-03-09")
    assert period in built.tick()[table]


@pytest.mark.parametrize("table", [WEEKS, MONTHS])
def test_a_day_that_changes_while_its_period_is_built_is_not_forgotten(built, table):
    period = {WEEKS: "2011-03-07", MONTHS: "2011-03-01"}[table]
    built.report("gold.daily_sales_summary", "2011-03-08")
    built.tick()
    built.report("gold.daily_sales_summary", "2011-03-09")
    built.report(table, period)  # the run had read day 9 before it changed
    built.report("gold.daily_sales_summary", "2011-03-10")
    assert period in built.tick()[table]
    assert built.tick() == {}


def test_the_first_week_and_month_begin_before_the_calendar_does(landing_root):
    line = Line(landing_root, start=dt.date(2011, 3, 2))
    line.tick()
    line.report("gold.daily_sales_summary", "2011-03-02")
    assert line.tick() == {MONTHS: ["2011-03-01"], WEEKS: ["2011-02-28"]}


def test_one_bad_day_of_ten_is_left_out_of_gold_and_its_correction_let_in(line):
    line.tick()
    for number in range(1, 11):
        line.land(number, *(bad_lines(number) if number == 6 else ()))
    assert not line.run(1, 10).success
    requested = line.tick()
    assert requested["silver.transactions"] == ["2011-03-06"]
    assert line.materialized("silver.transactions") == days([1, 2, 3, 4, 5, 7, 8, 9, 10])
    assert not line.materialize("silver.transactions", "2011-03-06").success
    for first, last in ((1, 5), (7, 10)):
        for table in DAILY_GOLD:
            assert line.materialize(table, days([first])[0], days([last])[0]).success
    assert line.tick() == {MONTHS: ["2011-03-01"], WEEKS: ["2011-02-28", "2011-03-07"]}
    assert line.tick() == {}
    line.land(6)
    assert line.run(6).success
    assert line.materialized("gold.daily_sales_summary") == days(range(1, 11))
    assert line.tick() == {MONTHS: ["2011-03-01"], WEEKS: ["2011-02-28"]}

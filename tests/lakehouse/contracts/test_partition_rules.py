"""What is asked of a whole day: volume, total, duplicates, hours."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyspark.sql.types as T  # noqa: N812
import pytest

from lakehouse.contracts.contract import Contract, column, day_rules_of
from lakehouse.contracts.partition_rules import Figures, duplicates, hours, total, trailing, volume
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.publication.audit import Audit, DayTally, HeldError
from lakehouse.publication.earlier_figures import earlier_figures
from lakehouse.publication.publish import publish_derived
from lakehouse.publication.validation import judge_derived

DAY = dt.date(2011, 3, 1)
WEEK = dt.timedelta(weeks=1)
POLICY = Policy(("n",))


class Sales(Contract):
    """A rule of each kind; one of them holds."""

    n: T.LongType = column("a number")
    at: T.TimestampType = column("a time, UTC")
    amount: T.DecimalType(18, 3) = column("money", nullable=True)  # type: ignore[valid-type]
    business_date: T.DateType = column("the partition")

    day_rules = (
        volume(at_least=0.5, at_most=2.0, weeks=4, when_broken="hold"),
        total("amount", at_least=0.5, at_most=2.0, weeks=4),
        duplicates(at_most=0.25),
        hours("at", opens=9, closes=12, from_rows=4),
    )


def figures(rows=4, amount=100, **about):
    return Figures(rows=rows, sums={"amount": Decimal(amount)}, **about)


def found(day, *earlier, rule=0):
    return Sales.day_rules[rule].finding(day, list(earlier))


def test_a_contract_lists_its_day_rules_by_name_and_in_words():
    assert {rule.name: (rule.when_broken, rule.reason) for rule in day_rules_of(Sales)} == {
        "day:volume": ("hold", "as many rows as on the same weekday before: 0.5 to 2 times the median of 4 weeks"),
        "day:total_amount": (
            "warn",
            "amount sums up to as much as on the same weekday before: 0.5 to 2 times the median of 4 weeks",
        ),
        "day:duplicates": ("warn", "at most 25% of the rows say the same as another"),
        "day:hours": ("warn", "a row in every hour from 9 to 12 UTC, on a day of 4 rows or more"),
    }
    assert list(Sales.to_schema().columns) == ["n", "at", "amount", "business_date"]


@pytest.mark.parametrize(("rows", "broken"), [(49, True), (50, False), (200, False), (201, True), (0, False)])
def test_volume_is_compared_with_the_median_of_earlier_weeks(rows, broken):
    earlier = [figures(100), figures(5), figures(900), figures(100)]
    assert (found(figures(rows), *earlier) is not None) is broken


def test_volume_says_how_far_off_it_is():
    assert found(figures(2500), *[figures(1000)] * 3) == "2,500 rows are 2.50 times the 1,000 usual on this weekday"


@pytest.mark.parametrize("rule", [0, 1])
def test_two_earlier_days_say_nothing(rule):
    assert found(figures(9999, 9999), *[figures()] * 2, rule=rule) is None
    assert found(figures(9999, 9999), *[figures()] * 3, rule=rule) is not None


def test_a_total_is_compared_but_not_with_a_median_that_is_not_positive():
    assert found(figures(4, "49.999"), *[figures()] * 3, rule=1) is not None
    assert found(figures(4, 50), *[figures()] * 3, rule=1) is None
    assert found(figures(4, 500), *[figures(amount=0)] * 3, rule=1) is None
    assert found(figures(0, 0), *[figures()] * 3, rule=1) is None


@pytest.mark.parametrize(("copies", "broken"), [(0, False), (1, False), (2, True)])
def test_duplicates_are_a_share_of_the_good_rows(copies, broken):
    said = found(figures(3, duplicates=copies), rule=2)
    assert (said is not None) is broken
    assert said in {None, "2 of 5 rows are duplicates (40.0%, limit 25%)"}


def test_an_empty_hour_is_named_unless_the_day_is_small():
    assert found(figures(4, hours={"at": {8, 9, 11}}), rule=3) == "no row from 10:00 to 11:00 of 4 rows"
    assert found(figures(4, hours={"at": {9, 10, 11}}), rule=3) is None
    assert found(figures(3, hours={"at": {9}}), rule=3) is None


def test_earlier_days_are_those_of_the_same_weekday_before():
    assert trailing(DAY, Sales.day_rules[0]) == [DAY - week * WEEK for week in (1, 2, 3, 4)]
    assert trailing(DAY, Sales.day_rules[2]) == []


@pytest.mark.parametrize(
    "declare",
    [
        lambda: volume(at_least=1, at_most=2, when_broken="reject"),
        lambda: hours("at", opens=1, closes=2, when_broken="reject"),
    ],
)
def test_a_day_rule_rejects_no_row(declare):
    with pytest.raises(ValueError, match="must be warn or hold"):
        declare()


def sales(engine, *days):
    """Return rows: of each day so many, an hour apart from nine on, of one amount each."""
    made = [
        (1000 * place + number, dt.datetime.combine(day, dt.time(9 + number % 3)), Decimal(amount), day)
        for place, (day, rows, amount) in enumerate(days)
        for number in range(rows)
    ]
    return engine.session().createDataFrame(made, "n bigint, at timestamp, amount decimal(18,3), business_date date")


each_way = pytest.mark.parametrize("audited", ["stream", "frame"], indirect=True)
"""How an embedded engine's rows are audited: as they stream past, and by queries."""
each_way_and_on_spark = pytest.mark.parametrize(
    ("engine", "audited"), [("sail", "stream"), ("sail", "frame"), ("spark", "frame")], indirect=True
)


@pytest.fixture
def audited(request, engine):
    """Audit days in each of the two ways, and return the audit."""

    def audit(*days, earlier=None):
        gate = Audit("business_date", {day: DayTally() for day, _, _ in days}, POLICY, contract=Sales, earlier=earlier)
        judged = judge_derived(sales(engine, *days), Sales)
        try:
            if request.param == "frame":
                gate.frame(judged, engine.collect)
            else:
                list(gate.stream(iter(engine.collect(judged).to_batches(max_chunksize=3))))
        except HeldError:
            assert gate.reasons()
        return gate

    return audit


@each_way_and_on_spark
def test_a_broken_day_rule_warns_once_or_holds_and_says_what_it_found(audited):
    earlier = {DAY - week * WEEK: figures(8, 80) for week in (1, 2, 3)}
    gate = audited((DAY, 20, 1), (DAY + dt.timedelta(days=1), 2, 1), earlier=earlier)
    tally = gate.tallies[DAY]
    assert tally.findings == {
        "day:volume": "20 rows are 2.50 times the 8 usual on this weekday",
        "day:total_amount": "20.000 amount are 0.25 times the 80 usual on this weekday",
    }
    assert tally.warned == {"day:total_amount": 1}
    assert gate.reasons() == {DAY: "day:volume: 20 rows are 2.50 times the 8 usual on this weekday"}
    assert gate.tallies[DAY + dt.timedelta(days=1)].findings == {}


@each_way
def test_days_of_one_write_are_compared_with_each_other_but_not_with_held_ones(audited):
    days = [(DAY + week * WEEK, rows, 1) for week, rows in enumerate((4, 4, 4, 40, 9, 8))]
    gate = audited(*days)
    assert list(gate.reasons()) == [DAY + 3 * WEEK, DAY + 4 * WEEK]


@each_way
def test_hours_are_those_of_published_rows(audited):
    gate = audited((DAY, 6, 1), (DAY + WEEK, 4, 1))
    assert not any(tally.findings for tally in gate.tallies.values())


TERMS = TableSpec("gold.sales", Sales, POLICY, "business_date")


def test_earlier_figures_are_those_published(engine):
    assert earlier_figures(engine, "gold.sales", "business_date", Sales, [DAY]) == {}
    days = [(DAY - week * WEEK, 3 + week, 10) for week in (4, 3, 2, 1)]
    publish_derived(engine, TERMS, sales(engine, *days), [day for day, _, _ in days], run_id="run")
    read = earlier_figures(engine, "gold.sales", "business_date", Sales, [DAY, DAY + dt.timedelta(days=1)])
    assert read == {day: figures(rows, rows * amount) for day, rows, amount in days}


def test_a_day_out_of_line_with_published_ones_is_held_and_the_last_good_version_stays(engine):
    days = [(DAY - week * WEEK, 4, 10) for week in (3, 2, 1)]
    publish_derived(engine, TERMS, sales(engine, *days), [day for day, _, _ in days], run_id="run")
    publish_derived(engine, TERMS, sales(engine, (DAY, 5, 10)), [DAY], run_id="run")
    result = publish_derived(engine, TERMS, sales(engine, (DAY, 1, 10)), [DAY], run_id="run")
    assert result.held == {DAY: "day:volume: 1 rows are 0.25 times the 4 usual on this weekday"}
    assert engine.read("gold.sales").where("business_date = DATE '2011-03-01'").count() == 5


def test_no_query_is_made_for_rules_that_do_not_look_back():
    class Alone(Contract):
        n: T.LongType = column("a number")
        day_rules = (duplicates(at_most=0.1),)

    assert earlier_figures(None, "gold.sales", "business_date", Alone, [DAY]) == {}

"""What rules are worth: faults in a copy of a day are caught, each by its rule, and without that rule they are not."""

from __future__ import annotations

import datetime as dt
import random

import pyarrow as pa
import pyspark.sql.types as T  # noqa: N812 - the field's name for it
import pytest
from pyspark.sql import Column

from lakehouse.contracts.casting import typed
from lakehouse.contracts.contract import Contract, column, rule
from lakehouse.contracts.partition_rules import duplicates, hours, volume
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.delta.model import TableError, TableLayout
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.sail import SailEngine
from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.ingestion.staging import Source
from lakehouse.landing.reader import CsvFormat
from lakehouse.publication.publish import publish_received
from lakehouse.rule_testing.faults import KINDS
from lakehouse.rule_testing.mutation import MutationTest, Subject, mutation_test
from tests.frames import bronze_table

SOURCE = Source("orders", CsvFormat(("order_no", "product", "units", "sold_at")), "sold_at")
DAY = dt.date(2011, 3, 29)
WEEK = dt.timedelta(weeks=1)
PRODUCTS = ("71053A", "84029G", "85123A", "22752B")


class Orders(Contract):
    """Orders of a small shop."""

    order_no: T.StringType = column("number of the order", source="order_no", str_matches=r"\d{6}$")
    product: T.StringType = column(
        "what was ordered", source="product", references="silver.products.stock_code", when_broken="hold"
    )
    units: T.IntegerType = column("how many", source="units", in_range={"min_value": 1, "max_value": 5000})
    sold_at: T.TimestampType = column("when, UTC", source="sold_at")
    business_date: T.DateType = column("day of the order; the partition")

    day_rules = (
        volume(at_least=0.5, at_most=2.0, when_broken="hold"),
        duplicates(at_most=0.1),
        hours("sold_at", opens=9, closes=17, from_rows=100),
    )

    @rule("at most a hundred units are usual", when_broken="warn")
    @staticmethod
    def usual(units: Column) -> Column:
        return units <= 100


TERMS = TableSpec("silver.orders", Orders, Policy(("order_no", "product"), event_time="sold_at"), "business_date")
SUBJECT = Subject(TERMS, typed(Orders), "bronze.orders")


def orders(day: dt.date, count: int = 600) -> list[dict[str, object]]:
    """Return orders of a day, from 8 to 18 o'clock; one row in a hundred is not in order."""
    chance = random.Random(day.toordinal())  # noqa: S311 - a sample, no secret
    return [
        {
            "order_no": f"{100000 + number}",
            "product": PRODUCTS[number % 4],
            "units": "many" if number % 100 == 99 else f"{chance.randint(1, 30)}",
            "sold_at": f"{day} {12 if number % 20 == 0 else 8 + number % 10:02}:{chance.randrange(60):02}:00",
            "business_date": day,
            "landing_date": day,
            "source_file": f"orders/{day}.csv",
        }
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake with four Tuesdays and a small Wednesday of orders."""
    engine = SailEngine(str(tmp_path_factory.mktemp("orders")))
    products = pa.table({"stock_code": list(PRODUCTS), "business_date": [DAY] * 4})
    layout = TableLayout("silver.products", products.schema, ("business_date",))
    engine.publish(layout, products, Predicate("business_date", (DAY,)))
    days = [*[DAY - weeks * WEEK for weeks in (3, 2, 1, 0)], DAY + dt.timedelta(days=1)]
    lines = [line for day in days for line in orders(day, 30 if day > DAY else 600)]
    engine.append(bronze_layout(SOURCE), bronze_table(SOURCE, lines))
    bronze = engine.read("bronze.orders")
    assert not publish_received(engine, TERMS, SUBJECT.transform, bronze, days, run_id="run").held
    return engine


@pytest.fixture(scope="module")
def test_of_all(lake) -> MutationTest:
    """Every fault, and what each rule is worth."""
    return mutation_test(lake, SUBJECT, day=DAY, each=True)


def mutant(test, kind, *columns, what=""):
    (found,) = [each for each in test.mutants if (each.kind, each.columns) == (kind, columns) and what in each.what]
    return found


def test_every_kind_is_caught_and_no_table_has_changed(lake, test_of_all):
    assert (test_of_all.kinds, test_of_all.share) == (dict.fromkeys(KINDS, True), 1.0)
    assert (test_of_all.rows, test_of_all.rows_used) == (600, 600)
    assert (test_of_all.not_evaluated, test_of_all.nothing_to_plant) == ([], [])
    assert (lake.version("silver.orders"), lake.version("bronze.orders")) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "columns", "what", "rules"),
    [
        ("nulls", ("units",), "", {"units:not_null": 30}),
        ("truncated_text", ("order_no",), "", {"order_no:str_matches": 30}),
        ("unreadable_values", ("sold_at",), "", {"sold_at:readable": 30}),
        ("stale_dates", ("sold_at",), "", {"sold_at:on_business_date": 30}),
        ("orphan_keys", ("product",), "", {"product:references": 30}),
        ("unit_change", ("units",), "millionths", {"units:in_range": 30}),
        ("duplicated_rows", (), "", {"day:duplicates": 1}),
        ("dropped_hour", ("sold_at",), "", {"day:hours": 1}),
        ("dropped_hour", ("units",), "", {"day:volume": 1}),
    ],
)
def test_a_fault_is_caught_by_its_rule(test_of_all, kind, columns, what, rules):
    assert mutant(test_of_all, kind, *columns, what=what).caught_by == rules


def test_what_is_rejected_or_held_is_stopped_and_what_warns_is_noticed(test_of_all):
    assert mutant(test_of_all, "nulls", "units").stopped
    assert mutant(test_of_all, "dropped_hour", "units").stopped  # day:volume holds
    assert mutant(test_of_all, "orphan_keys", "product").stopped  # the reference holds
    few = mutant(test_of_all, "unit_change", "units", what="in a few rows")
    assert (set(few.caught_by), few.stopped) == ({"row:usual"}, False)


def test_what_no_rule_asks_for_is_not_caught(test_of_all):
    summer = mutant(test_of_all, "shifted_time_zone", "sold_at", what="summer")
    assert (summer.caught_by, summer.stopped) == ({}, False)


def test_a_delivery_that_comes_twice_is_set_aside(test_of_all):
    assert mutant(test_of_all, "duplicated_rows").set_aside == 594


def test_without_any_one_rule_less_is_caught_or_stopped(test_of_all):
    derived = {"business_date:not_null"}
    worth = {each.rule: each for each in test_of_all.worth}
    assert {rule for rule, each in worth.items() if not each.adds} == derived
    assert "derived" in worth["business_date:not_null"].why_none
    for rule_ in worth.keys() - derived:
        assert (worth[rule_].caught, worth[rule_].stopped) < (test_of_all.caught, test_of_all.stopped)


@pytest.mark.parametrize(
    ("left_out", "kind", "columns"),
    [
        ("order_no:str_matches", "truncated_text", ("order_no",)),
        ("units:not_null", "nulls", ("units",)),
        ("day:hours", "dropped_hour", ("sold_at",)),
        ("product:references", "orphan_keys", ("product",)),
    ],
)
def test_what_a_rule_is_said_to_be_worth_is_missed_without_it(lake, test_of_all, left_out, kind, columns):
    worth = next(each for each in test_of_all.worth if each.rule == left_out)
    assert (kind, columns) in {(each.kind, each.columns) for each in worth.only}
    without = mutation_test(lake, SUBJECT, day=DAY, without=[left_out])
    assert without.without == (left_out,)
    assert mutant(without, kind, *columns).caught_by == {}
    assert (without.caught, without.stopped) == (worth.caught, worth.stopped)


def test_the_day_is_the_newest_with_many_rows_unless_it_is_said(lake):
    assert mutation_test(lake, SUBJECT, without=[]).day == DAY
    small = mutation_test(lake, SUBJECT, day=DAY + dt.timedelta(days=1))
    assert (small.day, small.rows) == (DAY + dt.timedelta(days=1), 30)
    assert small.not_evaluated == [
        "day:volume: 0 earlier days of the same weekday are known, 3 are needed",
    ]


def test_of_a_large_day_a_sample_is_used_and_days_are_not_compared_with_it(lake):
    test = mutation_test(lake, SUBJECT, day=DAY, rows=200)
    assert (test.rows, test.rows_used) == (600, 200)
    assert test.not_evaluated == ["day:volume: only a sample of the day is used"]
    assert mutant(test, "nulls", "units").caught_by == {"units:not_null": 20}


def test_an_unknown_rule_or_day_is_refused(lake):
    with pytest.raises(TableError, match="has no rule units:nul; it has order_no:not_null"):
        mutation_test(lake, SUBJECT, without=["units:nul"])
    with pytest.raises(TableError, match="no published rows of 2011-01-01"):
        mutation_test(lake, SUBJECT, day=dt.date(2011, 1, 1))

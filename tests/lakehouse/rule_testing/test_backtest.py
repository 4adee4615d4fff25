"""A changed contract is tried on past days: what it would reject, hold and let through, and what gold would be."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
import pytest
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.casting import typed
from lakehouse.contracts.contract import Contract, column
from lakehouse.contracts.partition_rules import duplicates
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.delta.model import TableError
from lakehouse.delta.system_tables import DECISIONS, LEDGER, QUARANTINE
from lakehouse.engines.sail import SailEngine
from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.ingestion.staging import Source
from lakehouse.landing.reader import CsvFormat
from lakehouse.publication.publish import publish_received
from lakehouse.rule_testing.backtest import Effect, Made, Sample, backtest
from tests.frames import bronze_table
from tests.scenario import day

SOURCE = Source("orders", CsvFormat(("order_no", "units", "sold_at")), "sold_at")
DAYS = [day(1), day(2), day(3)]
TABLES = ("silver.orders", "bronze.orders", LEDGER.name, QUARANTINE.name, DECISIONS.name)


class Orders(Contract):
    """Orders of a small shop, as adopted."""

    order_no: T.StringType = column("number of the order", source="order_no")
    units: T.IntegerType = column("how many", source="units", in_range={"min_value": 1, "max_value": 100})
    sold_at: T.TimestampType = column("when, UTC", source="sold_at")
    business_date: T.DateType = column("day of the order; the partition")


class Stricter(Orders):
    """At most 19 units."""

    units: T.IntegerType = column("how many", source="units", in_range={"min_value": 1, "max_value": 19})


class Looser(Orders):
    """Any number of units, with a warning."""

    units: T.IntegerType = column(
        "how many", source="units", in_range={"min_value": 1, "max_value": 100}, when_broken="warn"
    )


class Holding(Orders):
    """No duplicates."""

    day_rules = (duplicates(at_most=0, when_broken="hold"),)


TERMS = TableSpec("silver.orders", Orders, Policy(("order_no",), event_time="sold_at"), "business_date")


def made(contract: type[Contract] = Orders) -> Made:
    """Return the table of orders under a contract."""
    return Made(replace(TERMS, contract=contract), typed(contract), {"bronze_orders": "bronze.orders"})


class UnitsOfDays(Contract):
    """Units of days."""

    business_date: T.DateType = column("day; the partition")
    units: T.LongType = column("units")


READER = Made(
    TableSpec("gold.units_of_days", UnitsOfDays, Policy(("business_date",)), "business_date"),
    lambda orders: orders.groupBy("business_date").agg(F.sum("units").alias("units")),
    {"orders": "silver.orders"},
)


def orders(when: dt.date, *units: str) -> list[dict[str, object]]:
    """Return orders of a day, one for each number of units."""
    return [
        {
            "order_no": f"{number}",
            "units": each,
            "sold_at": f"{when} 10:00:00",
            "business_date": when,
            "landing_date": when,
            "source_file": f"orders/{when}.csv",
            "source_record": number,
        }
        for number, each in enumerate(units, start=1)
    ]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A sound day, one with a duplicate and a row too many units of, and one that is held: most of it is too many."""
    engine = SailEngine(str(tmp_path_factory.mktemp("orders")))
    second = orders(day(2), "10", "20", "500")
    bad = orders(day(3), "7", *["101"] * 25)
    lines = [*orders(day(1), "1", "2", "3"), *second, {**second[0], "source_record": 4}, *bad]
    engine.append(bronze_layout(SOURCE), bronze_table(SOURCE, lines))
    adopted = made()
    result = publish_received(engine, TERMS, adopted.transform, engine.read("bronze.orders"), DAYS, run_id="run")
    assert list(result.held) == [day(3)]
    return engine


@pytest.fixture
def tried(lake):
    """Try a contract, and see that nothing was written."""

    def try_(contract, **span):
        before = [lake.version(table) for table in TABLES]
        found = backtest(lake, made(contract), [READER], **span)
        assert [lake.version(table) for table in TABLES] == before
        return found

    return try_


def test_the_contract_that_was_adopted_changes_nothing(tried):
    found = tried(Orders)
    assert [each.day for each in found.days] == DAYS
    assert not any(each.differs for each in found.days)
    assert (found.effects, found.notes) == ([], [])
    assert {each.rules_version for each in found.days} == {found.rules_version}


def test_what_a_stricter_rule_would_reject_is_named_with_its_file_and_record(tried):
    found = tried(Stricter)
    first, second, third = found.days
    assert not first.differs
    assert (second.before.rejected, second.after.rejected) == ({"units:in_range": 1}, {"units:in_range": 2})
    assert (second.newly_rejected, second.no_longer_rejected) == (1, 0)
    assert second.samples == [Sample(["units:in_range"], {"units": "20"}, f"orders/{day(2)}.csv", 2)]
    assert (second.before.published, second.after.published) == (2, 1)
    assert not third.differs
    assert found.rules_version != second.rules_version


def test_gold_is_computed_from_what_would_be_published(tried):
    assert tried(Stricter).effects == [Effect("gold.units_of_days", day(2), "units", 30, 10)]


def test_a_held_day_would_be_published_under_a_looser_rule(tried):
    found = tried(Looser)
    third = found.days[2]
    assert third.before.held is not None
    assert third.after.held is None
    assert (third.no_longer_rejected, third.after.rejected, third.after.warned) == (25, {}, {"units:in_range": 25})
    assert found.effects == [
        Effect("gold.units_of_days", day(2), "units", 30, 530),
        Effect("gold.units_of_days", day(3), "rows", None, 1),
        Effect("gold.units_of_days", day(3), "units", None, 2532),
    ]


def test_a_day_that_would_be_held_keeps_what_is_published_of_it(tried):
    found = tried(Holding)
    second = found.days[1]
    assert second.before.held is None
    assert second.after.held == "day:duplicates: 1 of 3 rows are duplicates (33.3%, limit 0%)"
    assert second.differs
    assert found.effects == []


def test_only_the_days_asked_for_are_judged(tried):
    assert [each.day for each in tried(Stricter, since=day(2), until=day(2)).days] == [day(2)]
    with pytest.raises(TableError, match="been judged in this time"):
        tried(Orders, since=day(9))

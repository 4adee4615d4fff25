"""`gold.fact_sales`: each invoice line with the customer and the product as they were then."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import arrow_schema, columns_of, spark_schema
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.sail import SailEngine
from lakehouse.publication.scd2 import publish_history
from lakehouse_assets.gold.dim_customers import DimCustomers, dim_customers
from lakehouse_assets.gold.dim_products import DimProducts, dim_products
from lakehouse_assets.gold.fact_sales import FactSales, fact_sales
from lakehouse_assets.silver.clicks import Clicks
from lakehouse_assets.silver.customers import customers
from lakehouse_assets.silver.inventory import Inventory
from lakehouse_assets.silver.products import products
from lakehouse_assets.silver.transactions import transactions
from tests.frames import (
    TEN_LINES,
    bronze_customers,
    bronze_products,
    bronze_transactions,
    customer_change,
    picked,
    product,
)
from tests.scenario import day, sale


def nothing(engine, contract):
    return engine.session().createDataFrame([], spark_schema(contract))


def dimensions(engine, lines, records=(), goods=()):
    """Return both dimensions of some lines, customer records and product records."""
    of_customers = dim_customers(customers(bronze_customers(engine, records)), lines)
    others = nothing(engine, Clicks), nothing(engine, Inventory)
    return of_customers, dim_products(products(bronze_products(engine, goods)), lines, *others)


def at(number, hour=9):
    return dt.datetime(2011, 3, number, hour, tzinfo=dt.UTC)


def test_a_line_has_the_version_of_its_time_and_what_it_cost_then(engine):
    records = [
        customer_change(17850, at="2011-03-02T09:00:00Z", name="before"),
        customer_change(17850, at="2011-03-04T09:00:00Z", name="after"),
    ]
    goods = [product("85123A", updated_at=at(2)), product("85123A", updated_at=at(5), cost=Decimal("2.000"))]
    lines = transactions(
        bronze_transactions(engine, [sale(str(number), at=f"2011-03-0{number} 09:00:00") for number in range(1, 6)])
    )
    of_customers, of_products = dimensions(engine, lines, records, goods)
    names = of_customers.select("customer_key", "name", F.col("is_inferred").alias("is_inferred_customer"))
    facts = fact_sales(lines, of_customers, of_products).join(names, "customer_key").orderBy("invoice_no")
    assert picked(facts, "invoice_no", "name", "is_inferred_customer", "cost_amount") == [
        ("1", None, True, None),
        ("2", "before", False, Decimal("7.500")),
        ("3", "before", False, Decimal("7.500")),
        ("4", "after", False, Decimal("7.500")),
        ("5", "after", False, Decimal("12.000")),
    ]


def test_every_line_is_there_once_with_its_amount_and_belongs_to_members_that_exist(engine):
    lines = transactions(bronze_transactions(engine, TEN_LINES))
    of_customers, of_products = dimensions(engine, lines)
    facts = fact_sales(lines, of_customers, of_products)
    columns = ("line_id", "amount", "quantity", "kind", "customer_id", "business_date")
    assert sorted(picked(facts, *columns), key=repr) == sorted(picked(lines, *columns), key=repr)
    for dimension, key, natural in (
        (of_customers, "customer_key", "customer_id"),
        (of_products, "product_key", "stock_code"),
    ):
        own = dict(picked(dimension, key, natural))
        assert all(own[key] == name for key, name in picked(facts, key, natural))
    unknown = [key for key, customer in picked(facts, "customer_key", "customer_id") if customer is None]
    assert unknown == ["UNKNOWN"] * 4
    assert picked(facts.where("date_key <> business_date OR date_key IS NULL"), "line_id") == []


def test_before_there_are_dimensions_every_line_belongs_to_the_unknown_members(engine):
    lines = transactions(bronze_transactions(engine, TEN_LINES))
    facts = fact_sales(lines, nothing(engine, DimCustomers), nothing(engine, DimProducts))
    assert set(picked(facts, "customer_key", "product_key", "cost_amount")) == {("UNKNOWN", "UNKNOWN", None)}
    assert facts.count() == len(TEN_LINES)


def test_it_has_the_columns_of_its_contract(engine):
    lines = transactions(bronze_transactions(engine, []))
    facts = fact_sales(lines, *dimensions(engine, lines))
    assert {column.name for column in columns_of(FactSales)} <= set(facts.columns)


# A late record: the days that the dimension says, and no others, have other facts.


@pytest.fixture
def lake(lake_root):
    """A lake with a week of sales: one customer on odd days, another on even ones."""
    engine = SailEngine(str(lake_root))
    lines = [
        {
            **sale(str(number), at=f"2011-03-0{number} 12:00:00", CustomerID=str(2 - number % 2)),
            "business_date": day(number),
        }
        for number in range(1, 8)
    ]
    put(engine, transactions, transactions(bronze_transactions(engine, lines)), *[day(n) for n in range(1, 8)])
    publish(engine, *[day(number) for number in range(1, 8)])
    return engine


def put(engine, table, frame, *days):
    """Replace a silver table's days."""
    schema = arrow_schema(table.terms.contract)
    rows = engine.collect(frame.select(*schema.names))
    engine.publish(table.terms.layout, rows.cast(schema), Predicate("business_date", days))


def publish(engine, *days):
    """Publish both dimensions and return the days that follow."""
    affected = set()
    for table in (dim_customers, dim_products):
        result = publish_history(engine, table.terms, table.history, table.transform, days, run_id="run")
        assert result.held == {}
        affected.update(result.affected)
    return sorted(affected)


def facts(engine):
    """Return the facts of each day, computed again."""
    frames = [engine.read(name) for name in ("silver.transactions", "gold.dim_customers", "gold.dim_products")]
    found = {}
    for row in engine.collect(fact_sales(*frames)).to_pylist():
        found.setdefault(row["business_date"], []).append(sorted(row.items()))
    return {when: sorted(rows) for when, rows in found.items()}


def differing(before, after):
    return sorted(when for when in before.keys() | after.keys() if before.get(when) != after.get(when))


def test_a_late_record_of_a_customer_changes_the_facts_of_exactly_the_days_it_says(lake):
    before = facts(lake)
    late = {**customer_change(1, at="2011-03-03T10:00:00Z"), "business_date": day(3)}
    put(lake, customers, customers(bronze_customers(lake, [late])), day(3))
    affected = publish(lake, day(3))
    between = facts(lake)
    assert affected == differing(before, between) == [day(3), day(5), day(7)]
    newer = {**customer_change(1, at="2011-03-06T10:00:00Z"), "business_date": day(6)}
    put(lake, customers, customers(bronze_customers(lake, [newer])), day(6))
    affected = publish(lake, day(6))
    assert affected == differing(between, facts(lake)) == [day(7)]


def test_a_record_that_is_corrected_changes_the_facts_of_the_days_it_was_valid(lake):
    for number, cost in ((2, "1.000"), (5, "2.000")):
        goods = [{**product("85123A", updated_at=at(number), cost=Decimal(cost)), "business_date": day(number)}]
        put(lake, products, products(bronze_products(lake, goods)), day(number))
        publish(lake, day(number))
    before = facts(lake)
    goods = [{**product("85123A", updated_at=at(2), cost=Decimal("1.500")), "business_date": day(2)}]
    put(lake, products, products(bronze_products(lake, goods)), day(2))
    affected = publish(lake, day(2))
    assert affected == differing(before, facts(lake)) == [day(2), day(3), day(4)]

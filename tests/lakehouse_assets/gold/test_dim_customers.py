"""`gold.dim_customers`: every version of a customer, and a member for those of whom nothing is known."""

from __future__ import annotations

import datetime as dt
import random
import shutil

import pytest

from examples import shop
from lakehouse.contracts.contract import columns_of
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.sail import SailEngine
from lakehouse.publication.publish import publish_received
from lakehouse.publication.scd2 import publish_history
from lakehouse_assets.gold.dim_customers import CUSTOMERS, DimCustomers, dim_customers
from lakehouse_assets.silver.customers import customers
from lakehouse_assets.silver.transactions import transactions
from tests.frames import bronze_customers, bronze_transactions, customer_change, picked
from tests.scenario import CUSTOMERS as FEED
from tests.scenario import START, TODAY, TRANSACTIONS, day, ingestion, sale

VERSION = ("customer_id", "name", "is_inferred", "is_deleted", "is_current")


def test_a_customer_is_inferred_from_the_first_line_until_the_first_record(engine):
    records = [
        customer_change(17850, at="2011-03-02T09:00:00Z"),
        customer_change(17850, at="2011-03-04T09:00:00Z", name="Ada Lovelace", is_deleted=True),
    ]
    lines = [sale("1"), sale("2", CustomerID="13047"), sale("3", CustomerID=""), sale("4", at="2011-03-01 08:25:00")]
    made = dim_customers(
        customers(bronze_customers(engine, records)), transactions(bronze_transactions(engine, lines))
    ).orderBy("customer_id", "valid_from")
    assert picked(made, *VERSION) == [
        (None, None, False, False, True),
        (13047, None, True, False, True),
        (17850, None, True, False, False),
        (17850, "Ada Example", False, False, False),
        (17850, "Ada Lovelace", False, True, False),
    ]
    first = dt.datetime(2011, 3, 1, 8, 25)  # noqa: DTZ001 - as the session gives it, in UTC
    assert [seen for (seen,) in picked(made, "first_seen_at")][2:] == [first] * 3
    assert {key for (key,) in picked(made, "customer_key") if len(key) != 64} == {"UNKNOWN"}


def test_it_has_the_columns_of_its_contract(engine):
    made = dim_customers(customers(bronze_customers(engine, [])), transactions(bronze_transactions(engine, [])))
    assert made.columns == [column.name for column in columns_of(DimCustomers)]


def test_it_has_no_partitions_on_disk_and_statistics_of_its_key_and_times():
    layout = dim_customers.terms.layout
    assert (layout.partition_by, layout.cluster_by) == ((), ())
    assert layout.statistics == ("customer_id", "valid_from", "valid_to", "first_seen_at", "business_date")


# The generated shop: its files arrive in random order, and so do the days that the dimension is told of.


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A world with all of its files in place."""
    out = tmp_path_factory.mktemp("world")
    shop.generate(out, days=8, rows_per_day=200, seed=6, start=day(1))
    shop.deliver(out, 2)
    return out


def arrive(engine, landing, dice):
    """Take in what has landed, and publish it and the dimension a few days at a time, in any order."""
    changed = set()
    every = [START + dt.timedelta(days=number) for number in range((TODAY - START).days + 1)]
    for source, silver in ((FEED, customers), (TRANSACTIONS, transactions)):
        days = sorted(ingestion(engine, landing, source).run(every, run_id="run").dates)
        if days:
            bronze = engine.read(f"bronze.{source.name}", Predicate("business_date", tuple(days)))
            published = publish_received(engine, silver.terms, silver.transform, bronze, days, run_id="run")
            changed.update(published.published)
    order = sorted(changed)
    dice.shuffle(order)
    while order:
        some, order = order[:3], order[3:]
        publish_history(engine, dim_customers.terms, CUSTOMERS, dim_customers.transform, some, run_id="run")


@pytest.mark.parametrize("seed", [1])
def test_files_of_the_shop_in_any_order_end_in_what_a_full_rebuild_gives(world, landing_root, seed):
    engine, dice = SailEngine(str(landing_root.parent)), random.Random(seed)  # noqa: S311 - no secret
    files = [path for source in ("customers", "transactions") for path in sorted((world / source).rglob("*.*"))]
    dice.shuffle(files)
    third = -(-len(files) // 3)
    for start in range(0, len(files), third):
        for path in files[start : start + third]:
            place = landing_root / path.relative_to(world)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        arrive(engine, landing_root, dice)
    rebuilt = engine.collect(dim_customers(engine.read("silver.customers"), engine.read("silver.transactions")))
    rows = engine.collect(engine.read("gold.dim_customers").select(*rebuilt.schema.names)).cast(rebuilt.schema)
    key = [("customer_key", "ascending")]
    assert rows.sort_by(key) == rebuilt.sort_by(key)
    kinds = {name: sum(rebuilt.column(name).to_pylist()) for name in ("is_inferred", "is_deleted")}
    assert all(kinds.values()), f"the world has none of some kind: {kinds}"

"""What turns a contract and a function, or a source, into a table."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import pyspark.sql.types as T  # noqa: N812
import pytest

from lakehouse.contracts.contract import Contract, column
from lakehouse.landing.reader import CsvFormat
from lakehouse.publication.scd2 import History
from lakehouse.tables.calendars import DAILY, WEEKLY
from lakehouse.tables.declarations import InputWindow, bronze_table, gold_table, scd2_table, silver_table
from lakehouse_assets.gold.weekly_sales_summary import weekly_sales_summary
from lakehouse_assets.silver.transactions import transactions


class Orders(Contract):
    """A table of one column."""

    business_date: T.DateType = column("the partition")


@pytest.fixture
def module(monkeypatch):
    """Make a table's module and a function of it."""

    def make(name: str, docstring: str | None = "Orders.\n\n    One row each.\n", function: str = "orders"):
        made = ModuleType(name, docstring)
        made.__file__ = name.replace(".", "/") + ".py"
        monkeypatch.setitem(sys.modules, name, made)
        exec(f"def {function}(bronze_orders, gold_daily_orders): return bronze_orders, gold_daily_orders", vars(made))  # noqa: S102
        return vars(made)[function]

    return make


def declared(function):
    return silver_table(contract=Orders, key=["business_date"], event_time="business_date")(function)


def test_a_table_takes_layer_name_and_description_from_its_file(module):
    table = declared(module("anywhere.silver.orders"))
    assert (table.full_name, table.layer, table.name) == ("silver.orders", "silver", "orders")
    assert (table.description, table.file, table.line) == ("Orders.\n\nOne row each.", "anywhere/silver/orders.py", 1)
    assert (table.terms.name, table.partition_column, table.owner) == ("silver.orders", DAILY, "team:data-platform")


def test_its_parameters_name_its_inputs(module):
    table = declared(module("anywhere.silver.orders"))
    assert table.inputs == {"bronze_orders": "bronze.orders", "gold_daily_orders": "gold.daily_orders"}


def test_calling_a_table_calls_its_function(module):
    assert declared(module("anywhere.silver.orders"))("a", "b") == ("a", "b")


def test_one_table_one_name_one_file(module):
    with pytest.raises(ValueError, match=r"move it to silver/receipts\.py"):
        declared(module("anywhere.silver.orders", function="receipts"))
    with pytest.raises(ValueError, match=r"silver\.orders is declared in .*gold/orders\.py"):
        declared(module("anywhere.gold.orders"))


def test_a_file_outside_of_the_layers_is_refused(module):
    with pytest.raises(ValueError, match="one of bronze, silver, gold"):
        declared(module("anywhere.copper.orders"))


def test_a_file_without_a_docstring_is_refused(module):
    with pytest.raises(ValueError, match=r"no docstring; it is the description of silver\.orders"):
        declared(module("anywhere.silver.orders", None))


def test_a_bronze_table_names_its_source_after_its_file(module):
    landing_format = CsvFormat(columns=("a", "at"))
    module("anywhere.bronze.orders")
    scope = vars(sys.modules["anywhere.bronze.orders"])
    scope |= {"bronze_table": bronze_table, "landing_format": landing_format}
    exec("table = bronze_table(landing_format=landing_format, business_date='at', owner='team:till')", scope)  # noqa: S102
    table = scope["table"]
    assert (table.full_name, table.owner, table.partition_column) == ("bronze.orders", "team:till", DAILY)
    assert (table.source.name, table.source.format, table.source.business_date) == ("orders", landing_format, "at")


def test_a_gold_table_keeps_its_own_calendar(module):
    table = gold_table(contract=Orders, key=["week_start"], partition_column=WEEKLY)(module("anywhere.gold.orders"))
    assert (table.partition_column, table.terms.partition_column, table.owner) == (WEEKLY, WEEKLY, "team:analytics")


def test_a_gold_table_may_have_clusters_instead_of_partitions_on_disk(module):
    declare = gold_table(contract=Orders, key=["week_start"], partition_column=WEEKLY, cluster_by=["week_start"])
    terms = declare(module("anywhere.gold.orders")).terms
    assert (terms.partition_column, terms.cluster_by) == (WEEKLY, ("week_start",))


ORDERS = History(
    natural_key="number",
    surrogate_key="order_key",
    attributes=("price",),
    changes="bronze.orders",
    time="changed_at",
    sightings={"gold.daily_orders": "sold_at"},
)


def test_a_dimension_with_history_reads_its_feed_and_sightings_whole_and_has_no_partitions_on_disk(module):
    table = scd2_table(contract=Orders, history=ORDERS)(module("anywhere.gold.orders"))
    assert (table.full_name, table.history, table.partition_column) == ("gold.orders", ORDERS, DAILY)
    assert (table.terms.partitioned, table.terms.policy.key) == (False, ("number", "valid_from"))
    assert dict(table.reads) == dict.fromkeys(
        ["bronze_orders", "gold_daily_orders"], InputWindow(whole=True, required=False)
    )


def test_the_function_of_a_history_takes_what_the_history_names_in_its_order(module):
    turned = replace(ORDERS, changes="gold.daily_orders", sightings={"bronze.orders": "sold_at"})
    with pytest.raises(ValueError, match=r"gold\.orders: its function takes gold_daily_orders, bronze_orders, in this"):
        scd2_table(contract=Orders, history=turned)(module("anywhere.gold.orders"))


def test_the_policy_says_what_the_declaration_said(module):
    declare = silver_table(
        contract=Orders, key=["a", "b"], event_time="at", latest_by=["at"], hold_above=0.2, owner="a@example.com"
    )
    table = declare(module("anywhere.silver.orders"))
    policy = table.terms.policy
    assert (policy.key, policy.event_time, policy.latest_by, policy.hold_above) == (("a", "b"), "at", ("at",), 0.2)
    assert (policy.content_key, policy.hold_from, table.owner) == (False, 20, "a@example.com")


def test_the_real_tables_are_tables():
    assert transactions.inputs == {"bronze_transactions": "bronze.transactions"}
    assert weekly_sales_summary.inputs == {
        "gold_daily_sales_summary": "gold.daily_sales_summary",
        "gold_customer_days": "gold.customer_days",
    }
    assert transactions.terms.layout.partition_by == ("business_date",)
    assert weekly_sales_summary.terms.layout.partition_by == ("week_start",)

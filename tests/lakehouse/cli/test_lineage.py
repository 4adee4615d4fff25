"""`lakehouse lineage`: what a column is made from, and what is made from it, for people and for programs."""

from __future__ import annotations

import pyspark.sql.types as T  # noqa: N812
import pytest
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.lineage.columns import Lineage
from lakehouse.orchestration import asset_metadata as catalogue
from lakehouse.tables.declarations import ContractTable
from lakehouse_assets import definitions
from lakehouse_assets.definitions import find_tables
from tests.docs.pages import commands, page
from tests.lakehouse.cli.conftest import lakehouse

NET_SALES = "gold.sales_by_region.net_sales"


@pytest.fixture
def asked(lake_root):
    """Ask where there is no lake."""
    return lambda *arguments: lakehouse(lake_root, "lineage", *arguments)


def test_a_column_leads_down_to_the_landing_files(asked):
    shown = asked(NET_SALES)
    assert shown.code == 0
    assert shown.out.splitlines()[:6] == [
        "gold.sales_by_region.net_sales",
        "└── silver.transactions.amount",
        "    ├── bronze.transactions.Quantity",
        "    │   └── landing.transactions.Quantity",
        "    └── bronze.transactions.UnitPrice",
        "        └── landing.transactions.UnitPrice",
    ]
    (rows,) = [line.split() for line in shown.out.splitlines() if line.startswith(" gold.sales_by_region ")]
    assert rows == ["gold.sales_by_region", "silver.transactions:", "business_date,", "country"]


def test_programs_get_values_and_rows_of_every_column_on_the_way(asked):
    data = asked(NET_SALES, "--json").data
    assert data["column"] == NET_SALES
    assert list(data["columns"]) == [
        NET_SALES,
        "silver.transactions.amount",
        "bronze.transactions.Quantity",
        "bronze.transactions.UnitPrice",
        "landing.transactions.Quantity",
        "landing.transactions.UnitPrice",
    ]
    assert data["columns"][NET_SALES] == {
        "values": ["silver.transactions.amount"],
        "rows": ["silver.transactions.business_date", "silver.transactions.country"],
    }
    assert "bronze.transactions.reject_reason" in data["columns"]["silver.transactions.amount"]["rows"]
    assert data["columns"]["landing.transactions.Quantity"] == {"values": [], "rows": []}


def test_downstream_are_the_columns_that_a_change_touches(asked):
    data = asked("landing.transactions.Country", "--downstream", "--json").data
    assert data["values"][0] == "bronze.transactions.Country"
    assert {"silver.transactions.country", "silver.transactions.line_id", "gold.sales_by_region.country"} <= {
        *data["values"]
    }
    assert NET_SALES in data["rows"]
    assert not {*data["values"]} & {*data["rows"]}
    assert not [
        each for each in data["values"] + data["rows"] if each.startswith(("bronze.products", "silver.products"))
    ]

    shown = asked("silver.transactions.country", "--downstream").out
    assert "├── gold.fact_sales.country\n" in shown
    (rows,) = [line.split() for line in shown.splitlines() if line.startswith(" gold.sales_by_region ")]
    assert rows == ["gold.sales_by_region", "all", "others"]


def test_downstream_and_upstream_are_each_others_inverse(asked):
    touched = asked("bronze.products.cost", "--downstream", "--json").data["values"]
    assert "gold.fact_sales.cost_amount" in touched
    for each in touched:
        assert "bronze.products.cost" in asked(each, "--json").data["columns"]
    assert "bronze.products.cost" not in asked("gold.fact_sales.amount", "--json").data["columns"]


def test_a_column_that_stands_in_the_tree_twice_is_unfolded_once(asked):
    shown = asked("gold.sales_by_region.gross_sales").out
    assert shown.count("landing.transactions.Quantity") == 1
    assert shown.count("bronze.transactions.Quantity (as above)") == 1


def test_a_table_is_shown_with_every_column_one_step_far(asked):
    shown = asked("silver.transactions")
    assert shown.code == 0
    told = [line.split(maxsplit=1) for line in shown.out.splitlines() if line.startswith(" ")]
    by_column = {name: text.strip() for name, text in (each for each in told if len(each) > 1)}
    assert by_column["amount"] == "bronze.transactions: Quantity, UnitPrice"
    assert "its rows are decided by bronze.transactions: Country, " in shown.out
    assert "from no column: constant, counted, or added by the run" in asked("gold.sales_by_region").out

    data = asked("silver.transactions", "--downstream", "--json").data
    assert NET_SALES in data["columns"]["amount"]["values"]
    assert NET_SALES in data["columns"]["country"]["rows"]
    assert data["columns"]["description"]["values"] == []
    assert "its columns decide rows of " in asked("silver.transactions", "--downstream").out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gold.sales_by_regions", "there is no table gold.sales_by_regions; did you mean gold.sales_by_region"),
        ("gold.sales_by_region.netsales", "gold.sales_by_region has no column netsales; did you mean net_sales"),
        ("transactions", "there is no table transactions; did you mean "),
        (
            "gold.sales_by_region.zzz",
            "gold.sales_by_region has no column zzz; there are business_date, country, orders",
        ),
    ],
)
def test_an_unknown_name_is_answered_with_near_ones(asked, name, told):
    answer = asked(name)
    assert (answer.code, answer.out) == (1, "")
    assert told in " ".join(answer.err.split())
    assert asked(name, "--json").data["error"].startswith(told)


class Balances(Contract):
    """What has been sold so far."""

    business_date: T.DateType = column("day")
    sold: T.LongType = column("units sold until then")


def balances(silver_transactions, gold_balances):
    """Add a day's units to what there was before."""
    today = silver_transactions.groupBy("business_date").agg(F.sum("quantity").alias("today"))
    return today.crossJoin(gold_balances.select("sold")).withColumn("sold", F.col("sold") + F.col("today"))


def test_a_running_balance_is_made_from_itself_a_partition_before(asked, monkeypatch):
    terms = TableSpec("gold.balances", Balances, Policy(("business_date",)), "business_date")
    table = ContractTable("gold", "balances", "", "team:test", "business_date", __file__, 1, terms, balances)
    tables = [*find_tables(), table]
    monkeypatch.setattr(definitions, "find_tables", lambda: tables)
    monkeypatch.setattr(catalogue, "_lineage", lambda: Lineage(tables))

    shown = asked("gold.balances.sold").out.splitlines()
    assert shown[:2] == [
        "gold.balances.sold (and from itself, a partition before)",
        "└── silver.transactions.quantity",
    ]
    assert "gold.balances.sold" in asked("gold.balances.sold", "--json").data["columns"]["gold.balances.sold"]["values"]
    in_the_ui = catalogue.lineage_metadata(table)["dagster/column_lineage"].deps_by_column["sold"]
    assert [each.asset_key.to_user_string() for each in in_the_ui] == ["silver/transactions"]


def test_the_page_shows_what_the_command_prints(asked):
    (shown,) = [each for each in commands(page("docs/lineage.md")) if each.shown]
    _, _, *arguments = shown.line.split()
    printed = [" ".join(line.split()) for line in asked(*arguments).out.replace("─", " ").splitlines()]
    assert printed[: len(shown.shown)] == list(shown.shown)

"""`lakehouse lineage`: what a column is made from, and what is made from it, for people and for programs."""

from __future__ import annotations

import pyspark.sql.types as T  # noqa: N812
import pytest
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.cli.lineage_view import as_data, print_lineage
from lakehouse.contracts.contract import Contract, column
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.lineage.columns import Lineage
from lakehouse.orchestration.asset_metadata import lineage_metadata
from lakehouse.tables.declarations import ContractTable
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
    assert data.keys() == {"column", "values", "rows"}
    assert data["values"][0] == "bronze.transactions.Country"
    assert NET_SALES in data["rows"]

    shown = asked("silver.transactions.country", "--downstream").out
    assert "├── gold.fact_sales.country\n" in shown
    (rows,) = [line.split() for line in shown.splitlines() if line.startswith(" gold.sales_by_region ")]
    assert rows == ["gold.sales_by_region", "all", "others"]


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


class Balances(Contract):
    """What has been sold so far."""

    business_date: T.DateType = column("day")
    sold: T.LongType = column("units sold until then")


def balances(silver_transactions, gold_balances):
    """Add a day's units to what there was before."""
    today = silver_transactions.groupBy("business_date").agg(F.sum("quantity").alias("today"))
    return today.crossJoin(gold_balances.select("sold")).withColumn("sold", F.col("sold") + F.col("today"))


def test_a_running_balance_is_shown_as_made_from_itself(capsys):
    terms = TableSpec("gold.balances", Balances, Policy(("business_date",)), "business_date")
    table = ContractTable("gold", "balances", "", "team:test", "business_date", __file__, 1, terms, balances)
    lineage = Lineage([*find_tables(), table])

    found = lineage.explore("gold.balances.sold")
    print_lineage(found)

    assert capsys.readouterr().out.splitlines()[:2] == [
        "gold.balances.sold (and from itself, a partition before)",
        "└── silver.transactions.quantity",
    ]
    assert "gold.balances.sold" in as_data(found)["columns"]["gold.balances.sold"]["values"]
    in_the_ui = lineage_metadata(table, lineage)["dagster/column_lineage"].deps_by_column["sold"]
    assert [each.asset_key.to_user_string() for each in in_the_ui] == ["silver/transactions"]


def test_an_unknown_name_is_answered_with_near_ones(asked):
    answer = asked("gold.sales_by_region.netsales", "--json")
    assert (answer.code, answer.data.keys()) == (1, {"error"})
    told = "gold.sales_by_region has no column netsales; did you mean net_sales"
    assert answer.data["error"].startswith(told)
    assert told in " ".join(answer.err.split())


def test_the_page_shows_what_the_command_prints(asked):
    (shown,) = [each for each in commands(page("docs/lineage.md")) if each.shown]
    _, _, *arguments = shown.line.split()
    printed = [" ".join(line.split()) for line in asked(*arguments).out.replace("─", " ").splitlines()]
    assert printed[: len(shown.shown)] == list(shown.shown)

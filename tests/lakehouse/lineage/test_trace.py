"""A row leads back to its records, and they give the row again; what is tampered with does not verify."""

from __future__ import annotations

import datetime as dt
import random
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pyspark.sql.types as T  # noqa: N812
import pytest
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.errors import RequestError
from lakehouse.project import Lakehouse
from lakehouse.publication.publish import publish_derived
from lakehouse.reconciliation.recompute import key_of
from lakehouse.settings import Settings
from lakehouse.tables.declarations import ContractTable
from tests import real_data
from tests.lakes import lake_at, land, run, sales_of, table_at, tamper

SECOND = dt.date(2024, 1, 2)
PRODUCT = {"business_date": SECOND, "stock_code": "85123A"}


def daily(lake, **options):
    """Trace the summary of the second day."""
    return lake.trace("gold.daily_sales_summary", {"business_date": SECOND}, **options)


def line_id(lake, invoice):
    """Return the id of the first line of an invoice."""
    (row,) = lake.read("silver.transactions", ["line_id"], f"invoice_no = '{invoice}'").to_arrow().to_pylist()
    return row["line_id"]


def test_a_row_of_gold_leads_to_silver_bronze_file_and_record(sales):
    found = daily(sales, verify=True)
    assert (found.is_verified, found.differences) == (True, [])
    (gold,) = found.row.rows.to_pylist()
    assert (gold["lines"], gold["net_sales"]) == (2, Decimal("5.000"))
    silver = found.row.inputs["silver_transactions"]
    assert (silver.table.full_name, silver.found_by) == ("silver.transactions", ("business_date",))
    assert sorted(silver.rows.column("invoice_no").to_pylist()) == ["020000", "020001"]
    assert silver.records.bronze == "bronze.transactions"
    records = silver.records.behind.select(["source_file", "source_record", "InvoiceNo"]).to_pylist()
    assert [tuple(row.values()) for row in records] == [
        ("transactions/2024-01-02.csv", 1, "020000"),
        ("transactions/2024-01-02.csv", 2, "020001"),
    ]


def test_unless_it_is_verified_nobody_says_that_it_is(sales):
    assert daily(sales).is_verified is None


def test_records_that_do_not_count_stand_beside_with_the_reason(sales):
    silver = daily(sales).row.inputs["silver_transactions"]
    beside = {row["source_record"]: row for row in silver.records.beside}
    assert beside.keys() == {3, 4}
    assert beside[3]["why"] == "duplicate of transactions/2024-01-02.csv record 1"
    assert beside[4]["why"] == "rejected: stock_code:not_null, quantity:readable"
    assert '"Quantity":"many"' in beside[4]["received"]


def test_superseded_records_stand_beside_with_the_batch_that_replaced_them(own_sales):
    land(own_sales, "2024-01-01.csv", sales_of("2024-01-01", 2, UnitPrice="4.00"))
    run(own_sales)
    found = own_sales.trace("gold.weekly_sales_summary", {"week_start": dt.date(2024, 1, 1)}, verify=True)
    assert found.is_verified
    assert found.row.rows.column("net_sales").to_pylist() == [Decimal("13.000")]
    days = found.row.inputs["gold_daily_sales_summary"]
    assert (days.found_by, days.rows.num_rows) == ((), 2)
    records = days.inputs["silver_transactions"].records
    superseded = [row for row in records.beside if row["why"].startswith("superseded by batch ")]
    assert [row["source_record"] for row in superseded] == [1, 2, 3]
    assert '"UnitPrice":"2.50"' in superseded[0]["received"]


def test_a_held_day_leads_to_the_records_that_were_last_published(own_sales):
    land(own_sales, "2024-01-02.csv", sales_of("2024-01-02", 30, Quantity="x"))
    run(own_sales)
    found = daily(own_sales, verify=True)
    assert found.is_verified
    assert found.row.rows.column("net_sales").to_pylist() == [Decimal("5.000")]
    assert found.row.inputs["silver_transactions"].records.behind.num_rows == 2


def test_a_fact_leads_to_its_line_and_to_the_versions_of_its_customer_and_its_product(facts):
    found = facts.trace("gold.fact_sales", {"line_id": line_id(facts, "020001")}, verify=True)
    assert found.is_verified
    lines, customer, product = found.row.inputs.values()
    behind = lines.records.behind.select(["source_file", "source_record"]).to_pylist()
    assert behind == [{"source_file": "transactions/2024-01-02.csv", "source_record": 2}]
    assert (customer.table.full_name, customer.found_by) == ("gold.dim_customers", ("customer_key",))
    assert (product.table.full_name, product.found_by) == ("gold.dim_products", ("product_key",))
    (inferred,), (changes, sightings) = customer.rows.to_pylist(), customer.inputs.values()
    assert (inferred["customer_id"], inferred["is_inferred"], changes.rows.num_rows) == (17850, True, 0)
    first = set(sightings.records.behind.column("source_file").to_pylist())
    assert first == {"transactions/2024-01-01.csv"}  # the first that was ever seen of the customer, and no others


def test_a_dimension_that_is_read_whole_is_not_followed_from_the_tables_that_read_it(sales):
    silver, dimension = daily(sales).row.inputs.values()
    assert silver.found_by == ("business_date",)
    assert (dimension.table.full_name, dimension.inputs) == ("gold.dim_customers", {})
    assert dimension.not_traceable_reason.startswith("read by gold.daily_sales_summary whatever the row")


def test_a_tampered_version_of_a_customer_does_not_verify_below_its_fact(own_facts):
    tamper(own_facts, "gold.dim_customers", {"first_seen_at": "valid_from + INTERVAL '1' DAY"}, "customer_id = 17850")
    found = own_facts.trace("gold.fact_sales", {"line_id": line_id(own_facts, "020001")}, verify=True)
    assert {(each.table, each.column) for each in found.differences} == {("gold.dim_customers", "first_seen_at")}


def test_a_stock_level_leads_to_what_has_moved_its_product_by_then(facts):
    key = {"business_date": SECOND, "stock_code": "A"}  # a day on which it has not moved itself
    found = facts.trace("gold.inventory_levels", key, verify=True)
    assert found.is_verified
    assert found.row.rows.column("closing").to_pylist() == [10]
    moved = found.row.inputs["silver_inventory"].rows.select(["stock_code", "movement_id"]).to_pylist()
    assert sorted(tuple(row.values()) for row in moved) == [
        ("A", "2024-01-01"),
        ("B", "2024-01-02"),  # without it the day would not be there
    ]


def test_a_row_of_silver_leads_to_its_record(sales):
    found = sales.trace("silver.transactions", {"line_id": line_id(sales, "010002")}, verify=True)
    assert found.is_verified
    assert found.row.records.behind.column("source_record").to_pylist() == [3]


def test_of_a_cell_only_the_columns_behind_it_are_followed(sales):
    found = sales.trace("gold.sales_by_product", PRODUCT, "net_sales", verify=True)
    assert found.is_verified
    gold, silver = found.cell.levels()
    assert gold.columns == {"business_date", "stock_code", "net_sales"}
    assert silver.columns == {"line_id", "business_date", "amount"}
    assert silver.sources == {"Quantity", "UnitPrice"}


def test_values_of_a_key_are_of_the_columns_type_or_text(sales):
    for key in (
        {"business_date": SECOND, "net_sales": Decimal("5.000"), "lines": 2},
        {"business_date": "2024-01-02", "net_sales": "5", "lines": "2"},
        {"business_date": dt.date(2024, 1, 2), "net_sales": 5},
    ):
        assert sales.trace("gold.daily_sales_summary", key).row.rows.num_rows == 1
    at = dt.datetime(2024, 1, 2, 10, tzinfo=dt.UTC)
    key = {"invoiced_at": at, "invoice_no": "020001"}
    assert sales.trace("silver.transactions", key).row.rows.column("invoiced_at").to_pylist() == [at]


def test_nothing_in_a_key_is_null(own_sales):
    tamper(own_sales, "gold.sales_by_region", {"average_basket": "NULL"}, "business_date = '2024-01-02'")
    for nothing in (None, ""):
        row = own_sales.trace("gold.sales_by_region", {"average_basket": nothing}).row.rows
        assert row.column("business_date").to_pylist() == [SECOND]


def test_a_tampered_cell_of_gold_does_not_verify_and_the_others_do(own_sales):
    tamper(own_sales, "gold.sales_by_product", {"net_sales": "net_sales + 0.001"})
    (difference,) = own_sales.trace("gold.sales_by_product", PRODUCT, verify=True).differences
    assert (difference.table, difference.key, difference.column) == ("gold.sales_by_product", PRODUCT, "net_sales")
    assert (difference.here, difference.computed) == (Decimal("5.001"), Decimal("5.000"))
    assert own_sales.trace("gold.sales_by_product", PRODUCT, "lines", verify=True).is_verified
    assert not own_sales.trace("gold.sales_by_product", PRODUCT, "net_sales", verify=True).is_verified


def test_a_tampered_row_of_silver_does_not_verify_below_a_sound_row_of_gold(own_sales):
    tamper(own_sales, "silver.transactions", {"amount": "amount + 1"}, "invoice_no = '020001'")
    differences = daily(own_sales, verify=True).differences
    told = [(each.table, each.column, each.here) for each in differences]
    assert told == [("silver.transactions", "amount", Decimal("3.500"))]


def test_a_row_gone_from_silver_leaves_gold_unverified(own_sales):
    table_at(own_sales, "silver.transactions").delete("invoice_no = '020001'")
    cells = {each.column: (each.here, each.computed) for each in daily(own_sales, verify=True).differences}
    assert cells["net_sales"] == (Decimal("5.000"), Decimal("2.500"))


def test_eight_threads_trace_at_once(sales):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: daily(sales, verify=True), range(8)))
    assert [each.differences for each in found] == [[]] * 8
    assert {each.row.inputs["silver_transactions"].records.behind.num_rows for each in found} == {2}


@pytest.mark.parametrize(
    ("table", "key", "told"),
    [
        ("gold.nothing", {"a": "b"}, "gold.nothing cannot be traced"),
        ("bronze.transactions", {"a": "b"}, "bronze.transactions cannot be traced"),
        ("gold.sales_by_region", {"town": "Leeds"}, "gold.sales_by_region has no column town: it has business_date"),
        ("gold.sales_by_region", {"business_date": "soon"}, "business_date=soon: soon is no date"),
        ("gold.sales_by_region", {"lines": 77}, "gold.sales_by_region has no row with lines=77"),
        ("gold.sales_by_region", {"country": "United Kingdom"}, "has several rows with country=United Kingdom"),
        ("gold.sales_by_region", {}, "gold.sales_by_region has several rows with no key"),
        ("silver.customers", {"customer_id": 1}, "silver.customers has never been written"),
    ],
)
def test_a_row_that_cannot_be_found_is_refused_in_a_sentence(sales, table, key, told):
    with pytest.raises(Exception, match=told) as refused:
        sales.trace(table, key)
    assert refused.type.__name__ in {"RequestError", "MissingTableError"}


def test_a_column_that_is_not_there_is_refused(sales):
    with pytest.raises(RequestError, match=r"daily_sales_summary has no column town: it has business_date"):
        daily(sales, column="town")


def test_where_there_are_no_tables_there_is_no_row(lake_root):
    with pytest.raises(RequestError, match="there are no tables under"):
        daily(lake_at(lake_root))


class Letters(Contract):
    """Sales by the first letter of the product, and their share of the day."""

    business_date: T.DateType = column("day")
    letter: T.StringType = column("first letter of the product's name")
    net_sales: T.DecimalType(18, 3) = column("amount, GBP")  # type: ignore[valid-type]
    of_day: T.DecimalType(18, 3) = column("amount of the day, GBP")  # type: ignore[valid-type]


def letters(silver_transactions, gold_daily_sales_summary):
    lines = silver_transactions.withColumn("letter", F.substring("description", 1, 1))
    sums = lines.groupBy("business_date", "letter").agg(F.sum("amount").alias("net_sales"))
    whole = gold_daily_sales_summary.select("business_date", F.col("net_sales").alias("of_day"))
    return sums.join(whole, "business_date")


def test_where_a_key_is_derived_and_inputs_are_several_whole_partitions_are_behind_the_row(lake_root):
    lamps = sales_of("2024-01-01", 3, Description="LAMP", StockCode="LAMP")
    land(lake_at(lake_root), "2024-01-01.csv", [*sales_of("2024-01-01", 2), *lamps])
    run(lake_at(lake_root))
    terms = TableSpec("gold.letters", Letters, Policy(("business_date", "letter")), "business_date")
    table = ContractTable("gold", "letters", "", "team:test", "business_date", __file__, 1, terms, letters)
    lake = Lakehouse.open(settings=lake_at(lake_root).settings, tables=[*lake_at(lake_root).tables.values(), table])
    when = dt.date(2024, 1, 1)
    inputs = lake.recomputation.inputs(table, [when])
    assert publish_derived(lake.engine, terms, letters(**inputs), [when], run_id="run").held == {}

    found = lake.trace("gold.letters", {"letter": "L"}, verify=True)

    assert [(each.table.full_name, each.rows.num_rows, each.found_by) for each in found.row.levels()] == [
        ("gold.letters", 1, ()),
        ("silver.transactions", 5, ()),
        ("gold.daily_sales_summary", 1, ()),
        ("silver.transactions", 5, ("business_date",)),
        ("gold.dim_customers", 2, ()),
    ]
    assert found.is_verified
    assert found.row.rows.column("net_sales").to_pylist() == [Decimal("7.500")]
    tamper(lake, "gold.letters", {"of_day": "of_day + 1"}, "letter = 'L'")
    (difference,) = lake.trace("gold.letters", {"letter": "L"}, verify=True).differences
    assert (difference.column, difference.here, difference.computed) == (
        "of_day",
        Decimal("13.500"),
        Decimal("12.500"),
    )


@pytest.mark.parametrize(("days", "rows_traced"), [(2, 3), pytest.param(None, 10, marks=pytest.mark.long)])
def test_every_cell_of_random_rows_of_the_real_days_verifies_and_a_tampered_one_does_not(lake_root, days, rows_traced):
    landing = lake_root / "landing" / "transactions"
    real_data.deliver([(landing / file.name, file.read_bytes()) for file in real_data.files()[:days]])
    lake = Lakehouse.open(settings=Settings(root=str(lake_root), landing=str(landing.parent)))
    run(lake)
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - which rows were taken
    chance = random.Random(seed)  # noqa: S311 - a test's choice, not a secret
    written = [name for name in lake.catalog.names() if name.startswith("gold.")]
    rows = {name: lake.read(name).to_arrow().to_pylist() for name in written}
    tables = [lake.table(name) for name in written if rows[name]]
    assert len(tables) >= 10
    with_figures = [table for table in tables if figures_of(table, rows[table.full_name][0])]
    traced = [*chance.sample(tables, rows_traced - 1), chance.choice(with_figures)]
    picked = [(table, chance.choice(rows[table.full_name])) for table in traced]
    for table, row in picked:
        found = lake.trace(table.full_name, {name: row[name] for name in key_of(table)}, verify=True)
        assert found.differences == [], (table.full_name, row)

    cells = [(table, row, name) for table, row in picked for name in figures_of(table, row)]
    table, row, cell = chance.choice(cells)
    key = {name: row[name] for name in key_of(table)}
    tamper(
        lake, table.full_name, {cell: f"{cell} + 1"}, " AND ".join(f"{name} = '{value}'" for name, value in key.items())
    )
    differences = lake.trace(table.full_name, key, verify=True).differences
    assert (table.full_name, cell) in {(each.table, each.column) for each in differences}, (row, cell)


def figures_of(table, row):
    """Return the columns of a row that hold figures, of one that is named by more than times and nulls."""
    key = key_of(table)
    if any(row[name] is None or isinstance(row[name], dt.datetime) for name in key):
        return []
    return [name for name, value in row.items() if isinstance(value, int | Decimal) and name not in key]

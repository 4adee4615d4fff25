"""`lakehouse trace`: a row leads back to its records, and comes out of them again; what is tampered with does not."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import pyspark.sql.types as T  # noqa: N812
import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.catalog.reader import Catalog
from lakehouse.contracts.contract import Contract, column
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.lineage.trace import Tracer, key_of
from lakehouse.project import Lakehouse
from lakehouse.publication.publish import publish_derived
from lakehouse.reconciliation.recompute import Recomputation
from lakehouse.reconciliation.strict import newest_lines
from lakehouse.settings import Settings
from lakehouse.tables.declarations import ContractTable
from lakehouse_assets.definitions import find_tables
from tests import real_data
from tests.lakehouse.cli.conftest import lakehouse, land, sales_of
from tests.scenario import csv_bytes, day

DAILY = ("trace", "gold.daily_sales_summary", "--key", "business_date=2024-01-02")
PRODUCT = ("trace", "gold.sales_by_product", "--key", "business_date=2024-01-02", "--key", "stock_code=85123A")


def tamper(root, table, updates, where=None):
    """Change cells behind the lake's back."""
    DeltaTable(root / table.replace(".", "/")).update(updates=updates, predicate=where)


def test_a_row_of_gold_leads_to_silver_bronze_file_and_record(ask):
    found = ask(*DAILY, "--verify", "--json")
    assert (found.code, found.data["verified"], found.data["differences"]) == (0, True, [])
    (gold,) = found.data["rows"]
    assert (gold["lines"], gold["net_sales"]) == (2, "5.000")
    silver, *_ = found.data["inputs"]
    assert (silver["table"], silver["found_by"]) == ("silver.transactions", ["business_date"])
    assert sorted(row["invoice_no"] for row in silver["rows"]) == ["020000", "020001"]
    records = silver["records"]
    assert records["table"] == "bronze.transactions"
    assert [(row["source_file"], row["source_record"], row["InvoiceNo"]) for row in records["behind"]] == [
        ("transactions/2024-01-02.csv", 1, "020000"),
        ("transactions/2024-01-02.csv", 2, "020001"),
    ]


def test_a_column_of_the_key_is_given_once(ask):
    refused = ask(*DAILY, "--key", "business_date=2024-01-01")
    assert (refused.code, refused.out) == (1, "")
    assert "business_date is given twice" in refused.err


def test_records_that_do_not_count_stand_beside_with_the_reason(ask):
    silver, *_ = ask(*DAILY, "--json").data["inputs"]
    beside = {row["source_record"]: row for row in silver["records"]["beside"]}
    assert beside.keys() == {3, 4}
    assert beside[3]["why"] == "duplicate of transactions/2024-01-02.csv record 1"
    assert beside[4]["why"] == "rejected: stock_code:not_null, quantity:readable"
    assert '"Quantity":"many"' in beside[4]["received"]


def test_superseded_records_stand_beside_with_the_batch_that_replaced_them(own_lake):
    land(own_lake, "2024-01-01.csv", sales_of("2024-01-01", 2, UnitPrice="4.00"))
    assert lakehouse(own_lake, "run").code == 3  # the third day is held as before
    found = lakehouse(
        own_lake, "trace", "gold.weekly_sales_summary", "--key", "week_start=2024-01-01", "--verify", "--json"
    )
    assert (found.code, found.data["rows"][0]["net_sales"]) == (0, "13.000")
    daily, *_ = found.data["inputs"]
    assert (daily["table"], daily["found_by"], len(daily["rows"])) == ("gold.daily_sales_summary", [], 2)
    silver, *_ = daily["inputs"]
    superseded = [row for row in silver["records"]["beside"] if row["why"].startswith("superseded by batch ")]
    assert [row["source_record"] for row in superseded] == [1, 2, 3]
    assert '"UnitPrice":"2.50"' in superseded[0]["received"]


def test_a_held_day_leads_to_the_records_that_were_last_published(own_lake):
    land(own_lake, "2024-01-02.csv", sales_of("2024-01-02", 30, Quantity="x"))
    assert lakehouse(own_lake, "run").code == 3
    found = lakehouse(own_lake, *DAILY, "--verify", "--json")
    assert (found.code, found.data["rows"][0]["net_sales"]) == (0, "5.000")
    silver, *_ = found.data["inputs"]
    assert len(silver["records"]["behind"]) == 2


def test_a_fixed_record_counts_and_says_who_fixed_it_and_a_released_day_adds_up(own_lake):
    fix = ("quarantine", "fix", "--table", "silver.transactions", "--day", "2024-01-02")
    fixed = lakehouse(
        own_lake, *fix, "--set", "Quantity=2", "--set", "StockCode=F1", "--reason", "asked", "--by", "Ada"
    )
    assert fixed.code == 0
    assert lakehouse(own_lake, "quarantine", "replay").code == 0
    release = ("quarantine", "release", "--table", "silver.transactions", "--day", "2024-01-03")
    assert lakehouse(own_lake, *release, "--reason", "known", "--by", "Ada").code == 0

    proof = lakehouse(own_lake, "reconcile", "--strict", "--json")
    found = lakehouse(own_lake, *DAILY, "--verify", "--json")

    assert (proof.code, proof.data["imbalances"]) == (0, [])
    assert (found.code, found.data["rows"][0]["lines"]) == (0, 3)
    records = found.data["inputs"][0]["records"]
    assert [row["source_record"] for row in records["behind"]] == [1, 2, 4]
    (told,) = records["fixed"]
    assert (told["why"], told["source_record"]) == ("fixed by Ada: asked", 4)
    assert told["corrected"] == {"Quantity": "2", "StockCode": "F1"}


def test_a_fact_leads_to_its_line_and_to_the_versions_of_its_customer_and_its_product(ask):
    (line,) = ask("query", "--json", "SELECT line_id FROM gold.fact_sales WHERE invoice_no = '020001'").data
    found = ask("trace", "gold.fact_sales", "--key", f"line_id={line['line_id']}", "--verify", "--json")
    assert (found.code, found.data["verified"]) == (0, True)
    lines, customer, product = found.data["inputs"]
    assert [(row["source_file"], row["source_record"]) for row in lines["records"]["behind"]] == [
        ("transactions/2024-01-02.csv", 2)
    ]
    assert (customer["table"], customer["found_by"]) == ("gold.dim_customers", ["customer_key"])
    assert (product["table"], product["found_by"]) == ("gold.dim_products", ["product_key"])
    ((inferred,), (changes, sightings)) = customer["rows"], customer["inputs"]
    assert (inferred["customer_id"], inferred["is_inferred"], changes["rows"]) == (17850, True, [])
    first = {row["source_file"] for row in sightings["records"]["behind"]}
    assert first == {"transactions/2024-01-01.csv"}  # the first that was ever seen of the customer, and no others


def test_a_dimension_that_is_read_whole_is_not_followed_from_the_tables_that_read_it(ask):
    (silver, dimension) = ask(*DAILY, "--json").data["inputs"]
    assert silver["found_by"] == ["business_date"]
    assert (dimension["table"], "inputs" in dimension) == ("gold.dim_customers", False)
    assert dimension["unfollowed"].startswith("read by gold.daily_sales_summary whatever the row")


def test_a_tampered_version_of_a_customer_does_not_verify_below_its_fact(own_lake):
    tamper(own_lake, "gold.dim_customers", {"first_seen_at": "valid_from + INTERVAL '1' DAY"}, "customer_id = 17850")
    (line,) = lakehouse(
        own_lake, "query", "--json", "SELECT line_id FROM gold.fact_sales WHERE invoice_no = '020001'"
    ).data
    found = lakehouse(own_lake, "trace", "gold.fact_sales", "--key", f"line_id={line['line_id']}", "--verify", "--json")
    assert found.code == 2
    assert {(each["table"], each["column"]) for each in found.data["differences"]} == {
        ("gold.dim_customers", "first_seen_at")
    }


def test_a_stock_level_leads_to_what_has_moved_its_product_by_then(own_lake):
    columns = ("movement_id", "stock_code", "movement_type", "quantity", "moved_at")
    moved = [("2024-01-01", "A", "10"), ("2024-01-02", "B", "5"), ("2024-01-03", "A", "2")]
    for date, product, quantity in moved:
        line = dict(zip(columns, (date, product, "receipt", quantity, f"{date} 10:00:00"), strict=True))
        file = own_lake / "landing" / "inventory" / f"{date}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(csv_bytes([line], columns))
    assert lakehouse(own_lake, "run").code == 3  # the held day of transactions
    keys = ("--key", "business_date=2024-01-02", "--key", "stock_code=A")  # a day on which it has not moved itself
    found = lakehouse(own_lake, "trace", "gold.inventory_levels", *keys, "--verify", "--json")
    assert (found.code, found.data["verified"], found.data["rows"][0]["closing"]) == (0, True, 10)
    movements = found.data["inputs"][0]
    assert sorted((row["stock_code"], row["movement_id"]) for row in movements["rows"]) == [
        ("A", "2024-01-01"),
        ("B", "2024-01-02"),  # without it the day would not be there
    ]


def test_a_row_of_silver_leads_to_its_record(ask, small_lake):
    line = next(
        row["line_id"]
        for row in Catalog(str(small_lake.root)).read("silver.transactions").to_pylist()
        if row["invoice_no"] == "010002"
    )
    found = ask("trace", "silver.transactions", "--key", f"line_id={line}", "--verify", "--json")
    assert found.code == 0
    assert [row["source_record"] for row in found.data["records"]["behind"]] == [3]


def test_of_a_cell_only_the_columns_behind_it_are_shown(ask):
    shown = ask(*PRODUCT, "--column", "net_sales", "--verify")
    assert shown.code == 0
    assert "verified: the cell net_sales is what 2 records come to" in shown.out
    headers = [
        line.split() for line in shown.out.splitlines() if line.startswith((" business_date", " line_id", " source_"))
    ]
    assert headers[:3] == [
        ["business_date", "stock_code", "net_sales"],
        ["line_id", "amount", "business_date"],
        ["source_file", "source_version", "source_record", "Quantity", "UnitPrice"],
    ]


def test_people_see_as_many_rows_as_they_ask_for_and_how_many_there_are(ask):
    shown = ask("trace", "gold.monthly_sales_summary", "--key", "month_start=2024-01-01", "--limit", "1")
    assert "gold.daily_sales_summary: 2 rows, all of business_date 2024-01-01 to 2024-01-02" in shown.out
    assert "silver.transactions: 5 rows, found by business_date" in shown.out
    assert "and 4 more; --limit shows them, --json all" in shown.out
    assert "beside them, and not counted: 1 duplicate, 1 rejected" in shown.out
    assert "verified" not in shown.out


def test_a_tampered_cell_of_gold_does_not_verify_and_the_others_do(own_lake):
    tamper(own_lake, "gold.sales_by_product", {"net_sales": "net_sales + 0.001"})
    found = lakehouse(own_lake, *PRODUCT, "--verify", "--json")
    assert (found.code, found.data["verified"]) == (2, False)
    (difference,) = found.data["differences"]
    assert (difference["table"], difference["column"], difference["here"], difference["computed"]) == (
        "gold.sales_by_product",
        "net_sales",
        "5.001",
        "5.000",
    )
    assert lakehouse(own_lake, *PRODUCT, "--verify", "--column", "lines").code == 0
    told = lakehouse(own_lake, *PRODUCT, "--verify", "--column", "net_sales")
    assert told.code == 2
    assert "not verified: 1 difference\n" in told.out


def test_a_tampered_row_of_silver_does_not_verify_below_a_sound_row_of_gold(own_lake):
    tamper(own_lake, "silver.transactions", {"amount": "amount + 1"}, "invoice_no = '020001'")
    found = lakehouse(own_lake, *DAILY, "--verify", "--json")
    assert found.code == 2
    assert [(each["table"], each["column"], each["here"]) for each in found.data["differences"]] == [
        ("silver.transactions", "amount", "3.500")
    ]


def test_a_row_gone_from_silver_leaves_gold_unverified(own_lake):
    DeltaTable(own_lake / "silver" / "transactions").delete("invoice_no = '020001'")
    found = lakehouse(own_lake, *DAILY, "--verify", "--json")
    assert found.code == 2
    cells = {each["column"]: (each["here"], each["computed"]) for each in found.data["differences"]}
    assert cells["net_sales"] == ("5.000", "2.500")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("gold.nothing", "--key", "a=b"), "gold.nothing cannot be traced: give one of silver.clicks, "),
        (("bronze.transactions", "--key", "a=b"), "bronze.transactions cannot be traced: give one of "),
        (("gold.sales_by_region", "--key", "town=Leeds"), "gold.sales_by_region has no column town: it has business_d"),
        (("gold.sales_by_region", "--key", "business_date"), "--key business_date: give column=value"),
        (("gold.sales_by_region", "--key", "business_date=soon"), "--key business_date=soon: soon is no date"),
        (("gold.sales_by_region", "--key", "lines=77"), "gold.sales_by_region has no row with lines=77; "),
        (("gold.sales_by_region", "--key", "country=United Kingdom"), "its key is business_date, country"),
        (("silver.customers", "--key", "customer_id=1"), "silver.customers has never been written"),
    ],
)
def test_a_row_that_cannot_be_found_is_told_in_a_sentence(ask, arguments, told):
    answer = ask("trace", *arguments)
    assert answer.code == 1
    assert told in " ".join(answer.err.split())


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
    land(
        lake_root,
        "2024-01-01.csv",
        [*sales_of("2024-01-01", 2), *sales_of("2024-01-01", 3, Description="LAMP", StockCode="LAMP")],
    )
    assert lakehouse(lake_root, "run").code == 0
    settings = Settings(root=str(lake_root), landing=str(lake_root / "landing"))
    terms = TableSpec("gold.letters", Letters, Policy(("business_date", "letter")), "business_date")
    table = ContractTable("gold", "letters", "", "team:test", "business_date", __file__, 1, terms, letters)
    of_lake = Lakehouse.open(settings=settings).recomputation
    again = Recomputation(of_lake.engine, {**of_lake.tables, "gold.letters": table})
    when = day(1).replace(2024, 1, 1)
    inputs = again.inputs(table, [when])
    assert publish_derived(again.engine, terms, letters(**inputs), [when], run_id="run").held == {}

    tracer = Tracer(again, newest_lines(Catalog(str(lake_root))))
    traced = tracer.trace(*tracer.row("gold.letters", {"letter": "L"}))

    assert [(each.table.full_name, each.rows.num_rows, each.by) for each in traced.levels()] == [
        ("gold.letters", 1, ()),
        ("silver.transactions", 5, ()),
        ("gold.daily_sales_summary", 1, ()),
        ("silver.transactions", 5, ("business_date",)),
        ("gold.dim_customers", 2, ()),
    ]
    assert tracer.verify(traced) == []
    assert traced.rows.column("net_sales").to_pylist() == [Decimal("7.500")]
    tamper(lake_root, "gold.letters", {"of_day": "of_day + 1"}, "letter = 'L'")
    (found,) = tracer.verify(tracer.trace(*tracer.row("gold.letters", {"letter": "L"})))
    assert (found.column, found.here, found.computed) == ("of_day", Decimal("13.500"), Decimal("12.500"))


@pytest.mark.slow
def test_every_cell_of_ten_random_rows_of_the_real_days_verifies_and_a_tampered_one_does_not(lake_root):
    landing = lake_root / "landing" / "transactions"
    real_data.deliver([(landing / file.name, file.read_bytes()) for file in real_data.files()])
    assert lakehouse(lake_root, "run").code == 0
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - which rows were taken
    chance = random.Random(seed)  # noqa: S311 - a test's choice, not a secret
    written = Catalog(str(lake_root)).names()
    tables = [table for table in find_tables() if table.layer == "gold" and table.full_name in written]
    tables = [table for table in tables if rows_of(lake_root, table)]
    assert len(tables) >= 10
    picked = [(table, chance.choice(rows_of(lake_root, table))) for table in chance.sample(tables, 10)]
    for table, row in picked:
        found = lakehouse(lake_root, *trace_of(table, row), "--verify", "--json")
        assert (found.code, found.data["verified"], found.data["differences"]) == (0, True, []), (table.full_name, row)

    cells = [(table, row, name) for table, row in picked for name in figures_of(table, row)]
    table, row, cell = chance.choice(cells)
    key = " AND ".join(f"{name} = '{row[name]}'" for name in key_of(table))
    tamper(lake_root, table.full_name, {cell: f"{cell} + 1"}, key)
    tampered = lakehouse(lake_root, *trace_of(table, row), "--verify", "--json")
    assert tampered.code == 2, (table.full_name, row, cell)
    assert (table.full_name, cell) in {(each["table"], each["column"]) for each in tampered.data["differences"]}


def rows_of(root, table):
    return Catalog(str(root)).read(table.full_name).to_pylist()


def figures_of(table, row):
    """Return the columns of a row that hold figures, of one that is named by more than times and nulls."""
    key = key_of(table)
    if any(row[name] is None or isinstance(row[name], dt.datetime) for name in key):
        return []
    return [name for name, value in row.items() if isinstance(value, int | Decimal) and name not in key]


def trace_of(table, row):
    keys = [f"{name}={'' if row[name] is None else row[name]}" for name in key_of(table)]
    return ["trace", table.full_name, *[argument for key in keys for argument in ("--key", key)]]

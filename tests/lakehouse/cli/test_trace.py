"""`lakehouse trace`: what is printed, its JSON, and its exit codes."""

from __future__ import annotations

import pytest
from deltalake import DeltaTable

from tests.lakehouse.cli.conftest import lakehouse

DAILY = ("trace", "gold.daily_sales_summary", "--key", "business_date=2024-01-02")
PRODUCT = ("trace", "gold.sales_by_product", "--key", "business_date=2024-01-02", "--key", "stock_code=85123A")


def test_programs_get_rows_inputs_records_and_the_verdict(ask):
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
    assert records.keys() == {"table", "behind", "fixed", "beside"}
    dimension = found.data["inputs"][1]
    assert dimension["unfollowed"].startswith("read by gold.daily_sales_summary whatever the row")


def test_a_column_of_the_key_is_given_once(ask):
    refused = ask(*DAILY, "--key", "business_date=2024-01-01")
    assert (refused.code, refused.out) == (1, "")
    assert "business_date is given twice" in refused.err


def test_a_fixed_record_counts_and_says_who_fixed_it_and_a_released_day_adds_up(own_lake):
    fix = ("quarantine", "fix", "--table", "silver.transactions", "--day", "2024-01-02")
    fixed = lakehouse(
        own_lake, *fix, "--set", "Quantity=2", "--set", "StockCode=F1", "--reason", "asked", "--by", "Ada"
    )
    assert fixed.code == 0
    assert lakehouse(own_lake, "quarantine", "replay").code == 0
    release = ("quarantine", "release", "--table", "silver.transactions", "--day", "2024-01-03")
    assert lakehouse(own_lake, *release, "--reason", "known", "--by", "Ada").code == 0

    strict = lakehouse(own_lake, "reconcile", "--strict", "--json")
    found = lakehouse(own_lake, *DAILY, "--verify", "--json")

    assert (strict.code, strict.data["imbalances"]) == (0, [])
    assert (found.code, found.data["rows"][0]["lines"]) == (0, 3)
    records = found.data["inputs"][0]["records"]
    assert [row["source_record"] for row in records["behind"]] == [1, 2, 4]
    (told,) = records["fixed"]
    assert (told["why"], told["source_record"]) == ("fixed by Ada: asked", 4)
    assert told["corrected"] == {"Quantity": "2", "StockCode": "F1"}


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


def test_a_tampered_cell_does_not_verify_and_exits_2(own_lake):
    DeltaTable(own_lake / "gold" / "sales_by_product").update(updates={"net_sales": "net_sales + 0.001"})
    found = lakehouse(own_lake, *PRODUCT, "--verify", "--json")
    assert (found.code, found.data["verified"]) == (2, False)
    assert found.data["differences"] == [
        {
            "table": "gold.sales_by_product",
            "key": {"business_date": "2024-01-02", "stock_code": "85123A"},
            "column": "net_sales",
            "here": "5.001",
            "computed": "5.000",
        }
    ]
    told = lakehouse(own_lake, *PRODUCT, "--verify", "--column", "net_sales")
    assert told.code == 2
    assert "not verified: 1 difference\n" in told.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("gold.nothing", "--key", "a=b"), "gold.nothing cannot be traced; give one of silver.clicks, "),
        (("gold.sales_by_region", "--key", "business_date"), "--key business_date: give column=value"),
        (("gold.sales_by_region", "--key", "country=United Kingdom"), "its key is business_date, country"),
    ],
)
def test_a_row_that_cannot_be_found_is_told_in_a_sentence(ask, arguments, told):
    answer = ask("trace", *arguments)
    assert answer.code == 1
    assert told in " ".join(answer.err.split())

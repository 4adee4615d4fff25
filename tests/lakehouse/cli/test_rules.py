"""`lakehouse rules` and `lakehouse profile`: rules are tested with faults and on past days; nothing is ever written."""

from __future__ import annotations

import pytest
from deltalake import DeltaTable

from lakehouse_assets.silver import transactions
from tests.lakehouse.cli.conftest import lakehouse


def versions(root):
    """Return every table's version."""
    return {log.parent: DeltaTable(log.parent).version() for log in root.glob("*/*/_delta_log")}


@pytest.fixture
def changed(tmp_path):
    """Return what writes a changed copy of the file of silver.transactions, anywhere and under any name."""

    def write(was, now):
        text = open(transactions.__file__, encoding="utf-8").read()  # noqa: PTH123, SIM115
        assert was in text
        file = tmp_path / "stricter.py"
        file.write_text(text.replace(was, now))
        return str(file)

    return write


def test_the_rules_of_transactions_catch_nine_of_ten_kinds(demo_lake):
    before = versions(demo_lake.root)
    answer = lakehouse(demo_lake.root, "rules", "mutate", "silver.transactions", "--json")
    assert (answer.code, answer.data["passed"], len(answer.data["kinds"])) == (0, True, 10)
    assert sum(answer.data["kinds"].values()) >= 9
    assert answer.data["caught"] > 30
    assert versions(demo_lake.root) == before


def test_too_few_caught_kinds_are_exit_code_1(demo_lake):
    answer = lakehouse(demo_lake.root, "rules", "mutate", "silver.products")
    assert answer.code == 1
    assert "kinds are caught, 90% are asked for" in answer.err
    assert lakehouse(demo_lake.root, "rules", "mutate", "silver.products", "--min-caught", "0.1").code == 0


def test_people_read_what_was_caught_and_what_each_rule_is_worth(demo_lake):
    answer = lakehouse(demo_lake.root, "rules", "mutate", "silver.customers", "--each", "--min-caught", "0")
    assert "nulls" in answer.out
    assert "customer_id:not_null" in answer.out
    assert "not caught" in answer.out
    assert "rows are set aside as duplicates" in answer.out
    assert "note: there is no place for orphan_keys" in answer.out
    assert "business_date:not_null adds nothing here: business_date is derived" in answer.out
    assert "kinds caught;" in answer.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mutate", "silver.nothing"), "there is no table silver.nothing that is judged as it arrives"),
        (("mutate", "silver.transactions", "--day", "2024"), "--day 2024: give a date like 2024-01-31"),
        (("backtest", "silver.transactions", "--contract", "no.py"), "no.py: there is no such file; copy "),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(ask, arguments, said):
    answer = ask("rules", *arguments)
    assert answer.code == 1
    assert said in answer.err


def test_a_stricter_contract_is_shown_with_its_rows_and_its_effect_on_gold(ask, small_lake, changed):
    before = versions(small_lake.root)
    file = changed('"min_value": -1_000_000, "max_value": 1_000_000', '"min_value": -1_000_000, "max_value": 2')
    answer = ask("rules", "backtest", "silver.transactions", "--contract", file, "--to", "2024-01-02", "--json")
    first, second = answer.data["days"]
    assert first["after"]["rejected"] == {"unit_price:in_range": 3}
    assert (first["newly_rejected"], first["before"]["published"], first["after"]["published"]) == (3, 3, 0)
    assert first["after"]["held"].startswith("all 3 rows are rejected")
    assert first["samples"][0] == {
        "rules": ["unit_price:in_range"],
        "values": {"UnitPrice": "2.50"},
        "file": "transactions/2024-01-01.csv",
        "record": 1,
    }
    assert second["newly_rejected"] == 3  # the duplicate, too
    assert answer.data["effects"] == []  # both days would be held, and keep what they have
    assert versions(small_lake.root) == before


def test_a_rule_that_goes_is_shown_to_people(ask, changed):
    file = changed('source="StockCode",', 'source="StockCode", nullable=True,')
    answer = ask("rules", "backtest", "silver.transactions", "--contract", file)
    assert "2024-01-02" in answer.out
    assert "stock_code:not_null" in answer.out
    assert "1 of 3 days of silver.transactions would be different: 0 rows newly rejected, 0 no longer." in answer.out


def test_a_profile_shows_what_there_is_and_what_it_would_bear(ask):
    answer = ask("profile", "silver.transactions")
    assert answer.code == 0
    assert "What 2 days (2024-01-01 to 2024-01-02), 5 rows would bear:" in answer.out
    assert (
        'quantity: T.IntegerType = column("units sold, negative when returned", unit="units", source="Quantity"'
        in answer.out
    )
    assert "The key line_id names each row." in answer.out


def test_a_profile_of_one_day_for_programs(ask):
    answer = ask("profile", "silver.transactions", "--day", "2024-01-01", "--json")
    assert (answer.data["days"], answer.data["rows"]) == (["2024-01-01"], 3)
    price = next(each for each in answer.data["columns"] if each["name"] == "unit_price")
    assert (price["smallest"], price["largest"], price["proposed"]) == (
        "2.500",
        "2.500",
        {"in_range": {"min_value": 0, "max_value": 5}},
    )
    assert ask("profile", "silver.quarantine").code == 1

"""The rules of a lakehouse's tables are tested by name, against its own days and a changed copy of a table's file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from deltalake import DeltaTable

from bench.drained import with_inputs
from lakehouse.errors import LakehouseError, RequestError
from lakehouse.project import Lakehouse
from lakehouse.rule_testing.table_rules import changed_table
from lakehouse.settings import Settings
from tests.lakehouse.cli.conftest import land, sales_of

FIRST, SECOND = dt.date(2024, 1, 1), dt.date(2024, 1, 2)


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Lakehouse:
    """Two days of sales, of which the second has a duplicate and a line without a product."""
    root = tmp_path_factory.mktemp("rules") / "lake"
    land(root, f"{FIRST}.csv", sales_of(str(FIRST), 3))
    lines = sales_of(str(SECOND), 30)
    land(root, f"{SECOND}.csv", [*lines, lines[0], {**lines[1], "InvoiceNo": "999999", "StockCode": ""}])
    settings = Settings(root=str(root), landing=f"{root}/landing")
    lake = Lakehouse.open(settings=settings, tables=with_inputs(["gold.sales_by_product"]))
    assert lake.run().errors == []
    return lake


@pytest.fixture
def changed(lake, tmp_path):
    """Return what writes a changed copy of the file of silver.transactions, anywhere and under any name."""

    def write(was: str, now: str) -> Path:
        text = Path(lake.table("silver.transactions").file).read_text(encoding="utf-8")
        assert was in text
        file = tmp_path / "stricter.py"
        file.write_text(text.replace(was, now), encoding="utf-8")
        return file

    return write


def versions(lake) -> dict[str, int]:
    """Return every table's version."""
    return {
        name: DeltaTable(f"{lake.settings.root}/{name.replace('.', '/')}").version() for name in lake.catalog.names()
    }


def test_the_contract_as_it_is_changes_nothing(lake):
    result = lake.rules.backtest("silver.transactions")
    assert [(day.day, day.differs) for day in result.days] == [(FIRST, False), (SECOND, False)]
    assert result.effects == []


def test_a_stricter_contract_is_told_with_its_rows_and_nothing_is_written(lake, changed):
    before = versions(lake)
    file = changed('"min_value": -1_000_000, "max_value": 1_000_000', '"min_value": -1_000_000, "max_value": 2')
    (day,) = lake.rules.backtest("silver.transactions", until=FIRST, changed=file).days
    assert (day.newly_rejected, day.after.rejected) == (3, {"unit_price:in_range": 3})
    assert day.after.held.startswith("all 3 rows are rejected")
    assert (day.samples[0].file, day.samples[0].record) == (f"transactions/{FIRST}.csv", 1)
    assert day.samples[0].values == {"UnitPrice": "2.50"}
    assert versions(lake) == before


def test_a_rule_that_goes_admits_its_rows_and_changes_daily_gold(lake, changed):
    file = changed('source="StockCode",', 'source="StockCode", nullable=True,')
    result = lake.rules.backtest("silver.transactions", changed=file)
    (day,) = [day for day in result.days if day.differs]
    assert (day.day, day.before.rejected, day.after.rejected) == (SECOND, {"stock_code:not_null": 1}, {})


def test_planted_faults_are_caught_and_a_rule_that_is_left_out_is_missed(lake):
    whole = lake.rules.test("silver.transactions")
    assert (whole.day, whole.rows) == (SECOND, 32)
    less = lake.rules.test("silver.transactions", without=["quantity:not_null"])
    assert ("nulls", ("Quantity",)) in {(each.kind, tuple(each.columns)) for each in less.mutants if not each.caught_by}
    assert less.caught < whole.caught


def test_a_profile_has_the_rules_that_the_rows_would_bear(lake):
    found = lake.profile("silver.transactions", day=FIRST)
    assert (found.days, found.rows, found.key_is_unique) == ([FIRST], 3, True)
    (price,) = [column for column in found.columns if column.name == "unit_price"]
    assert price.proposed == {"in_range": {"min_value": 0, "max_value": 5}}


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (lambda lake: lake.rules.test("silver.nothing"), "no table silver.nothing that is judged as it arrives"),
        (lambda lake: lake.rules.backtest("gold.sales_by_product"), "no table gold.sales_by_product that is judged"),
        (lambda lake: lake.rules.test("silver.transactions", without=["x:y"]), "has no rule x:y; it has"),
        (lambda lake: lake.profile("silver.quarantine"), "no table silver.quarantine with a contract"),
        (
            lambda lake: lake.rules.test("silver.transactions", day=dt.date(2030, 1, 1)),
            "no published rows of 2030-01-01",
        ),
        (
            lambda lake: lake.rules.backtest("silver.transactions", since=dt.date(2030, 1, 1)),
            "no day of silver.transactions has been judged",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(lake, question, said):
    with pytest.raises(LakehouseError, match=said):
        question(lake)


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("class Transactions(Contract):", "class Transactions(Contract:", "cannot be loaded: SyntaxError"),
        ("def transactions(", "def others(", "cannot be loaded: ValueError"),
        ("@silver_table(", "@(lambda **_: lambda made: made)(", r"declares no silver\.transactions"),
    ],
)
def test_a_copy_that_is_no_such_table_is_refused(lake, changed, was, now, said):
    with pytest.raises(RequestError, match=said):
        changed_table(changed(was, now), lake.table("silver.transactions"))


def test_a_copy_that_is_not_there_is_refused_and_says_what_to_copy(lake):
    with pytest.raises(RequestError, match=r"no\.py: there is no such file") as refused:
        changed_table(Path("no.py"), lake.table("silver.transactions"))
    assert refused.value.hint.startswith("copy ")

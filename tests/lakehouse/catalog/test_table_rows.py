"""Rows of one table: columns, conditions and versions, in every form, and never anything else."""

from __future__ import annotations

import datetime as dt
import importlib.util
from decimal import Decimal

import pytest
from deltalake import DeltaTable

from lakehouse.delta.model import MissingTableError
from lakehouse.errors import RequestError

ODD = 'the "odd" one.x'
LAND = 'O\'Hara "Land"'


def test_all_rows_and_columns_unless_some_are_named(lake):
    rows = lake.read("gold.regions").to_arrow()
    assert rows.num_rows == 3
    assert rows.column_names == ["business_date", "country", "net_sales", "seen_at", ODD]


def test_columns_come_in_the_order_they_are_named_and_names_are_quoted(lake):
    rows = lake.read("gold.regions", [ODD, "country"], "net_sales = 0.2").to_arrow()
    assert rows.to_pylist() == [{ODD: 2, "country": "France"}]


def test_a_condition_is_any_expression_over_the_columns(lake):
    found = lake.read("gold.regions", ["net_sales"], "country = 'O''Hara \"Land\"' OR business_date < '2024-01-02'")
    assert sorted(found.to_arrow().column("net_sales").to_pylist()) == [Decimal("0.100"), Decimal("12345678901234.567")]


def test_an_older_version_and_an_older_time_are_read(lake, lake_root):
    first = min(commit["timestamp"] for commit in DeltaTable(lake_root / "gold" / "regions").history())
    then = dt.datetime.fromtimestamp(first / 1000, tz=dt.UTC)
    assert lake.read("gold.regions", version=1).to_arrow().num_rows == 2
    assert lake.read("gold.regions", as_of=then).to_arrow().num_rows == 1
    with pytest.raises(RequestError, match="has versions 0 to 2, not 7"):
        lake.read("gold.regions", version=7)


def test_a_table_that_was_never_written_is_missing(lake):
    with pytest.raises(MissingTableError, match=r"gold\.nothing has never been written"):
        lake.read("gold.nothing")


def test_in_pandas_decimals_stay_exact(lake):
    frame = lake.read("gold.regions", ["net_sales"], "net_sales < 1").to_pandas()
    assert frame["net_sales"].sum() == Decimal("0.300")


def test_a_duckdb_relation_goes_on_from_there(lake):
    relation = lake.read("gold.regions", ["country", "net_sales"], "net_sales < 1").to_duckdb()
    assert relation.aggregate("country, sum(net_sales)").fetchall() == [("France", Decimal("0.300"))]


@pytest.mark.skipif(importlib.util.find_spec("polars") is None, reason="Polars is not installed")
def test_in_polars_decimals_stay_exact(lake):
    frame = lake.read("gold.regions", ["net_sales"], "net_sales < 1").to_polars()
    assert frame["net_sales"].sum() == Decimal("0.300")


def test_a_frame_of_the_engine_is_lazy_and_has_the_same_rows(lake):
    frame = lake.read("gold.regions", [ODD, "net_sales"], "country = 'France'", version=1).to_spark()
    rows = [row.asDict() for row in frame.orderBy("net_sales").collect()]
    assert rows == [{ODD: 1, "net_sales": Decimal("0.100")}, {ODD: 2, "net_sales": Decimal("0.200")}]


BAD_CONDITIONS = [
    "net_sales >",
    "nothing = 1",
    "",
    "net_sales > 0; SELECT 1",
    "net_sales > 0) UNION SELECT 1 WHERE (true",
]


@pytest.mark.parametrize("condition", BAD_CONDITIONS)
def test_a_condition_that_is_none_is_refused(lake, condition):
    with pytest.raises(RequestError):
        lake.read("gold.regions", where=condition).to_arrow()


@pytest.mark.parametrize("condition", BAD_CONDITIONS)
def test_the_engine_refuses_a_condition_that_is_none_too(lake, condition):
    with pytest.raises(RequestError):
        lake.read("gold.regions", where=condition).to_spark()


@pytest.mark.parametrize("name", ["nothing", "*) FROM (SELECT 1", f'"{ODD}"'])
def test_a_column_that_is_not_there_is_refused(lake, name):
    with pytest.raises(RequestError):
        lake.read("gold.regions", [name]).to_arrow()
    with pytest.raises(RequestError):
        lake.read("gold.regions", [name]).to_spark()


def test_a_value_that_fails_the_condition_is_refused_in_a_sentence(lake):
    with pytest.raises(RequestError, match="Could not convert string"):
        lake.read("gold.regions", where="CAST(country AS INTEGER) = 1").to_arrow()


@pytest.mark.parametrize(
    "condition",
    [
        "country IN (SELECT content FROM read_text('{file}'))",
        "EXISTS (FROM '{file}')",
        "(SELECT count(*) FROM glob('{file}')) = 1",
    ],
)
def test_a_condition_reaches_no_file(lake, tmp_path, condition):
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    with pytest.raises(RequestError, match="disabled"):
        lake.read("gold.regions", where=condition.format(file=file)).to_arrow()


@pytest.mark.parametrize(
    "condition",
    [
        "country IN (SELECT * FROM text.`{file}`)",
        "EXISTS ( /* */ FROM csv.`{file}`)",
        "EXISTS (TABLE csv.`{file}`)",
        "`it's` = 1 OR EXISTS (SELECT * FROM csv.`{file}` WHERE a = '')",
        "r'\\' = '' OR EXISTS (SELECT * FROM csv.`{file}`)",
        "EXISTS (FROM csv.`{file}`)",
    ],
)
def test_a_condition_for_the_engine_holds_no_query(lake, tmp_path, condition):
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    with pytest.raises(RequestError, match="a condition for Spark holds no query"):
        lake.read("gold.regions", where=condition.format(file=file)).to_spark()


def test_a_condition_may_compare_with_another_table(lake):
    rows = lake.read("gold.regions", ["country"], "net_sales > (SELECT max(net_sales) FROM silver.lines)").to_arrow()
    assert rows.to_pylist() == [{"country": LAND}]

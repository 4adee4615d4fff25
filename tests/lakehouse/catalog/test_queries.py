"""SQL over the tables: exact values, the past, and nothing but reading."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakehouse.errors import RequestError
from tests.lakehouse.catalog.conftest import write

COUNT = "SELECT count(*) AS rows FROM gold.regions"


def test_values_are_exact_and_times_are_utc(lake):
    found = lake.query("SELECT sum(net_sales) AS net_sales, max(seen_at) AS seen_at FROM gold.regions")
    assert found.to_pylist() == [
        {"net_sales": Decimal("12345678901234.867"), "seen_at": dt.datetime(2024, 1, 2, 10, tzinfo=dt.UTC)}
    ]


def test_parameters_are_taken_by_place_and_by_name(lake):
    by_place = lake.query("SELECT net_sales FROM gold.regions WHERE country = ?", ['O\'Hara "Land"'])
    by_name = lake.query("SELECT net_sales FROM gold.regions WHERE country = $name", {"name": 'O\'Hara "Land"'})
    assert by_place.to_pylist() == by_name.to_pylist() == [{"net_sales": Decimal("12345678901234.567")}]


def test_rows_come_one_by_one_with_the_names_of_their_columns(lake):
    found = lake.cursor("SELECT country, net_sales FROM gold.regions ORDER BY net_sales")
    assert found.columns == ["country", "net_sales"]
    assert next(iter(found)) == ("France", Decimal("0.100"))


def test_a_pivot_and_an_explanation_read_too(lake):
    pivot = lake.query("PIVOT gold.regions ON country USING sum(net_sales) GROUP BY business_date")
    assert {"business_date", "France"} <= set(pivot.column_names)
    assert lake.query(f"EXPLAIN {COUNT}").num_rows > 0


def test_an_older_version_and_an_older_time_show_the_rows_of_then(lake, lake_root):
    commits = sorted(commit["timestamp"] for commit in DeltaTable(lake_root / "gold" / "regions").history())
    first = dt.datetime.fromtimestamp(commits[0] / 1000, tz=dt.UTC)
    before = first.replace(tzinfo=None)  # without a zone, a time is UTC
    assert lake.query(COUNT).to_pylist() == [{"rows": 3}]
    assert lake.query(COUNT, version=0).to_pylist() == [{"rows": 1}]
    assert lake.query(COUNT, as_of=first).to_pylist() == lake.query(COUNT, as_of=before).to_pylist() == [{"rows": 1}]


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({"version": 3}, "gold.regions has versions 0 to 2, not 3"),
        ({"version": -1}, "gold.regions has versions 0 to 2, not -1"),
        (
            {"as_of": dt.datetime(2001, 1, 1, tzinfo=dt.UTC)},
            r"gold.regions did not exist at 2001-01-01T00:00:00\+00:00",
        ),
        ({"as_of": dt.datetime(9999, 1, 1, tzinfo=dt.UTC)}, "lies in the future"),
        ({"as_of": dt.datetime(2001, 1, 1, tzinfo=dt.UTC), "version": 0}, "a version and a time exclude each other"),
    ],
)
def test_a_version_or_a_time_that_never_was_is_refused(lake, when, message):
    with pytest.raises(RequestError, match=message):
        lake.query(COUNT, **when)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE mine AS SELECT 1",
        "INSERT INTO gold.regions SELECT * FROM gold.regions",
        "DELETE FROM gold.regions",
        "DROP VIEW gold.regions",
        "COPY (SELECT 1) TO 'out.csv'",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "PRAGMA enable_profiling",
        "SELECT 1; SELECT 2",
        "",
    ],
)
def test_only_one_statement_that_reads_is_taken(lake, sql):
    with pytest.raises(RequestError, match="give one statement that reads"):
        lake.query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM '{file}'",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM glob('/*')",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{file}.copy'",
    ],
)
def test_sql_reaches_no_file(lake, tmp_path, sql):
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    with pytest.raises(RequestError):
        lake.query(sql.format(file=file))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["secret.csv"]


def test_a_table_that_is_not_there_is_refused_with_those_that_are(lake):
    with pytest.raises(RequestError, match="regionz does not exist") as refused:
        lake.query("SELECT * FROM gold.regionz")
    assert refused.value.hint == "the tables are silver.lines, gold.regions"


def test_a_value_that_fails_the_statement_is_refused_in_a_sentence(lake):
    sql = "SELECT CAST(country AS INTEGER) FROM gold.regions"
    with pytest.raises(RequestError, match="Could not convert string"):
        list(lake.cursor(sql))
    with pytest.raises(RequestError, match="Could not convert string"):
        lake.query(sql)


def test_systems_own_tables_are_found_whatever_stands_in_texts_and_comments(lake, lake_root):
    write(lake_root, 1, "x", "1", table="system/row_ledger")
    sql = """SELECT count(*) AS lines, 'system.row_ledger' AS said FROM "system".row_ledger -- system.row_ledger"""
    assert lake.query(sql).to_pylist() == [{"lines": 1, "said": "system.row_ledger"}]


def test_a_file_that_is_not_there_any_more_is_no_reason_to_look_elsewhere(lake, lake_root):
    for file in DeltaTable(lake_root / "gold" / "regions").file_uris():
        Path(file).unlink()
    with pytest.raises((RequestError, OSError)):
        lake.query("SELECT * FROM gold.regions")

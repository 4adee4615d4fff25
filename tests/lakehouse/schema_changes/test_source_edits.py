"""Lines are added to a table's file where they belong, and what is not written as the documents show is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lakehouse.errors import RequestError
from lakehouse.project import Lakehouse
from lakehouse.schema_changes.source_edits import with_bronze_columns, with_silver_columns

TABLES = Lakehouse.open().tables
BRONZE, SILVER = TABLES["bronze.transactions"], TABLES["silver.transactions"]


def added(edit) -> list[str]:
    """Return the lines that a patch adds."""
    return [line[1:] for line in edit.diff.splitlines() if line.startswith("+") and not line.startswith("+++")]


def test_bronze_columns_go_behind_the_last_one_and_those_declared_are_left_out():
    edit = with_bronze_columns(BRONZE, ['"Channel"', '"Country"', '"TillNo"'])
    assert edit.diff.startswith("--- a/lakehouse_assets/bronze/transactions.py\n+++ b/lakehouse_assets/bronze/")
    assert added(edit) == ['            "Channel",', '            "TillNo",']
    assert with_bronze_columns(BRONZE, ['"Country"']) is None


def test_a_typed_column_goes_into_a_tuple_on_one_line_too(tmp_path):
    products = TABLES["bronze.products"]
    file = tmp_path / "products.py"
    columns = ", ".join(f'("{name}", "{type_}")' for name, type_ in products.source.format.columns)
    file.write_text(f"products = bronze_table(landing_format=ParquetFormat(columns=({columns})))\n")
    edit = with_bronze_columns(replace(products, file=str(file)), ['("channel", "string")'])
    assert edit.after == edit.before.replace(columns, f'{columns}, ("channel", "string")')


def test_a_silver_column_goes_behind_the_last_one_that_has_a_source():
    line = 'channel: T.StringType = column("Channel, as received", source="Channel", nullable=True)'
    edit = with_silver_columns(SILVER, [line])
    assert added(edit) == [f"    {line}"]
    above, _, below = edit.after.partition(f"    {line}\n")
    assert "source=" in above.rpartition(" = column(")[2]
    assert "source=" not in below
    there = 'customer_id: T.StringType = column("else", source="CustomerID")'
    assert with_silver_columns(SILVER, [there]) is None


@pytest.mark.parametrize(
    ("edit", "table", "line", "said"),
    [
        (with_bronze_columns, BRONZE, "print(1)", "is no column as bronze/transactions.py declares them"),
        (with_bronze_columns, BRONZE, '("a", "string")', "is no column"),
        (with_bronze_columns, BRONZE, '"country"', "declares a column country in another way"),
        (with_bronze_columns, SILVER, '"a"', "silver.transactions is no bronze table"),
        (with_silver_columns, SILVER, "import os", "is no column of a contract"),
        (with_silver_columns, SILVER, 'a: T.LongType = column("a")', "is no column of a contract"),
        (with_silver_columns, SILVER, 'kind: T.StringType = column("k", source="a")', "has a column kind already"),
        (with_silver_columns, BRONZE, 'a: T.LongType = column("a", source="a")', "has no contract"),
    ],
)
def test_a_line_that_cannot_stand_there_is_refused_with_a_sentence(edit, table, line, said):
    with pytest.raises(RequestError, match=said):
        edit(table, [line])


def test_columns_that_are_not_written_out_are_refused(tmp_path):
    file = tmp_path / "transactions.py"
    file.write_text("transactions = bronze_table(landing_format=CsvFormat(columns=COLUMNS))\n")
    with pytest.raises(RequestError, match="does not write its columns out"):
        with_bronze_columns(replace(BRONZE, file=str(file)), ['"Channel"'])

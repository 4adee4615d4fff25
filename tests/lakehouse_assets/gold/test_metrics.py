"""What the numbers of gold mean is said once."""

from __future__ import annotations

from pyspark.sql.types import NumericType

from lakehouse.contracts.contract import columns_of
from lakehouse.contracts.metrics import Metric, metrics_of
from lakehouse.tables.declarations import ContractTable
from lakehouse_assets.definitions import find_tables
from lakehouse_assets.gold import _metrics

GOLD = [table for table in find_tables() if table.layer == "gold" and isinstance(table, ContractTable)]
SHARED = [value for value in vars(_metrics).values() if isinstance(value, Metric)]
NAMES = {"customer_id"}
"""Numbers that count nothing: they name something."""


def test_every_number_of_gold_has_a_unit_and_nothing_else_has():
    for table in GOLD:
        columns = columns_of(table.terms.contract)
        numbers = {column.name for column in columns if isinstance(column.type, NumericType)} - NAMES
        assert {column.name for column in columns if column.unit} == numbers, table.full_name


def test_every_column_of_gold_says_what_it_is_and_leaves_the_unit_to_the_unit():
    for table in GOLD:
        for column in columns_of(table.terms.contract):
            assert column.description, (table.full_name, column.name)
            assert not column.unit or "GBP" not in column.description, (table.full_name, column.name)


def test_a_metric_stands_among_the_shared_ones_exactly_if_several_tables_show_it():
    metrics = metrics_of(table.terms.contract for table in GOLD)
    tables = {
        metric: [table for table in GOLD for each in columns_of(table.terms.contract) if each.name == metric.name]
        for metric in metrics
    }
    assert set(SHARED) == {metric for metric, found in tables.items() if len(found) > 1}

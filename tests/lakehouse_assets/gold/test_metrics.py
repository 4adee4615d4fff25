"""What the numbers of gold mean is said once."""

from __future__ import annotations

import pytest
from pyspark.sql.types import NumericType

from lakehouse.contracts.contract import columns_of
from lakehouse.tables.declarations import ContractTable
from lakehouse_assets.definitions import find_tables
from lakehouse_assets.gold._metrics import METRICS, metric

GOLD = [table for table in find_tables() if table.layer == "gold" and isinstance(table, ContractTable)]
NAMES = {"customer_id"}
"""Numbers that count nothing: they name something."""


@pytest.mark.parametrize("table", GOLD, ids=lambda table: table.full_name)
def test_every_number_of_gold_has_a_unit_and_nothing_else_has(table):
    columns = columns_of(table.terms.contract)
    numbers = {column.name for column in columns if isinstance(column.type, NumericType)} - NAMES
    assert {column.name for column in columns if column.unit} == numbers


@pytest.mark.parametrize("table", GOLD, ids=lambda table: table.full_name)
def test_every_column_of_gold_says_what_it_is_and_leaves_the_unit_to_the_unit(table):
    for column in columns_of(table.terms.contract):
        assert column.description
        assert not column.unit or "GBP" not in column.description


@pytest.mark.parametrize("table", GOLD, ids=lambda table: table.full_name)
def test_a_column_with_the_name_of_a_metric_is_that_metric(table):
    for column in columns_of(table.terms.contract):
        if found := METRICS.get(column.name):
            assert (column.description, column.unit) == (found.definition, found.unit)


def test_a_column_cannot_be_of_a_metric_that_nobody_defined():
    with pytest.raises(KeyError, match="net_sails"):
        metric("net_sails")

"""A metric is a column with a formula, and means one thing in all contracts."""

from __future__ import annotations

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
import pytest

from lakehouse.contracts.contract import Contract, column, columns_of
from lakehouse.contracts.metrics import Metric, metrics_of

SALES = Metric("sales", "amount of sales", "sum(amount)", "GBP")


class Days(Contract):
    """A table with a shared metric and one of its own."""

    day: T.DateType = column("the day")
    sales: T.LongType = SALES.column(nullable=True, ge=0)
    lines: T.LongType = column("invoice lines", formula="count(*)", unit="lines")


class Months(Contract):
    """Another table that shows the shared one."""

    sales: T.LongType = SALES.column()


class Strange(Contract):
    """A table whose column has the name of a metric, and another meaning."""

    sales: T.LongType = column("people who sell", unit="people")


def test_a_column_of_a_metric_says_what_the_metric_says_and_has_checks_of_its_own():
    sales = columns_of(Days)[1]
    assert (sales.meaning, sales.formula, sales.nullable) == ("amount of sales [GBP]", "sum(amount)", True)
    assert sales.checks == (("greater_than_or_equal_to", {"min_value": 0}),)


def test_the_metrics_of_contracts_are_found_once_in_the_order_of_their_names():
    assert metrics_of([Months, Days]) == [Metric("lines", "invoice lines", "count(*)", "lines"), SALES]


def test_a_name_means_one_thing():
    with pytest.raises(ValueError, match=r"sales means two things: .*amount of sales.*people who sell"):
        metrics_of([Days, Strange])

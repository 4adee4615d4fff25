"""The customers of the real days: their segments and features, against SQL over the files as they came.

`ONLINE_RETAIL` asks for more of the data set than the repository has, see ``tests.real_data``.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from pyarrow import csv

from lakehouse.contracts.contract import arrow_schema
from lakehouse_assets.gold.customer_days import customer_days
from lakehouse_assets.gold.customer_features import CustomerFeatures, customer_features
from lakehouse_assets.gold.customer_months import customer_months
from lakehouse_assets.gold.customer_segments import SEGMENTS, CustomerSegments, customer_segments
from lakehouse_assets.silver.transactions import transactions
from tests import real_data
from tests.scenario import TRANSACTIONS

COLUMNS = TRANSACTIONS.format.columns
CUSTOMERS = 4372
"""Customer numbers in the whole data set."""

FACTS = """
    SELECT month_start, customer_id,
        (month_start + INTERVAL 1 MONTH)::date - max(sold_on) - 1 AS recency_days,
        coalesce(sum(sale_orders) FILTER (month > month_start - INTERVAL 12 MONTH), 0)::bigint AS frequency,
        coalesce(sum(net_sales) FILTER (month > month_start - INTERVAL 12 MONTH), 0)::decimal(18,3) AS monetary
    FROM month_sums JOIN asked ON month BETWEEN month_start - INTERVAL 23 MONTH AND month_start
    GROUP BY month_start, customer_id
"""
BEFORE = """
    SELECT month_start, customer_id,
        coalesce(sum(net_sales) FILTER (month >= month_start - INTERVAL 3 MONTH), 0)::decimal(18,3) AS net_sales_3m,
        month_start - max(sold_on) AS days_since_last_sale
    FROM month_sums JOIN asked ON month >= month_start - INTERVAL 24 MONTH AND month < month_start
    GROUP BY month_start, customer_id
"""


@pytest.fixture
def received() -> pa.Table:
    """Every line of the real days, as text, with its day."""
    options = csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=False)
    days = []
    for file in real_data.files():
        lines = csv.read_csv(file, convert_options=options)
        days.append(lines.append_column("business_date", pa.array([file.stem] * len(lines)).cast(pa.date32())))
    return pa.concat_tables(days)


@pytest.fixture
def files(received) -> duckdb.DuckDBPyConnection:
    """The same lines for SQL, and what each customer did in each month, computed by another engine."""
    files = duckdb.connect()
    files.register("received", received)
    files.execute("""
        CREATE TABLE line AS SELECT DISTINCT InvoiceNo AS invoice, upper(StockCode) AS code, Description,
            Quantity::int AS quantity, InvoiceDate::timestamp AS sold_at, UnitPrice::decimal(18,3) AS price,
            CustomerID::decimal(18,1)::bigint AS customer_id, Country,
            invoice NOT SIMILAR TO '[AC].*' AND price <> 0 AS is_sale FROM received WHERE CustomerID <> '';
        CREATE TABLE month_sums AS SELECT date_trunc('month', sold_at)::date AS month, customer_id,
            count(DISTINCT (sold_at::date, invoice)) FILTER (is_sale) AS sale_orders,
            max(sold_at::date) FILTER (is_sale) AS sold_on,
            sum(quantity * price) AS net_sales FROM line GROUP BY ALL;
        CREATE TABLE asked AS SELECT DISTINCT date_trunc('month', InvoiceDate::timestamp)::date AS month_start
            FROM received;
    """)
    return files


@pytest.fixture
def months(engine, received):
    """`gold.customer_months` of the real days, and the months there are."""
    lines = transactions(engine.session().createDataFrame(received)).dropDuplicates(["line_id"])
    found = engine.collect(customer_months(customer_days(lines)))
    customers = engine.session().createDataFrame(found)
    return customers, customers.select("month_start").distinct()


def test_every_real_customer_is_in_one_segment_in_each_month_of_their_scope(engine, files, months):
    segments = engine.collect(customer_segments(*months)).cast(arrow_schema(CustomerSegments))
    files.register("segments", segments)

    twice = files.sql("SELECT 1 FROM segments GROUP BY month_start, customer_id HAVING count(*) > 1").fetchall()
    assert twice == []
    told = "SELECT month_start, customer_id, recency_days, frequency, monetary FROM segments"
    expected = files.sql(FACTS).fetchall()
    assert sorted(files.sql(told).fetchall()) == sorted(expected)
    customers = files.sql("SELECT count(DISTINCT customer_id) FROM line").fetchall()
    assert files.sql("SELECT count(DISTINCT customer_id) FROM segments").fetchall() == customers
    if len(real_data.files()) == 305:
        assert customers == [(CUSTOMERS,)]
        assert len({segment for (segment,) in files.sql("SELECT segment FROM segments").fetchall()}) == len(SEGMENTS)
    broken = """
        SELECT * FROM segments now LEFT JOIN segments before
            ON before.customer_id = now.customer_id AND before.month_start = now.month_start - INTERVAL 1 MONTH
        WHERE now.month_start > (SELECT min(month_start) FROM segments)
            AND now.previous_segment IS DISTINCT FROM before.segment
    """
    assert files.sql(broken).fetchall() == []


def test_the_features_of_real_customers_are_of_the_days_before(engine, files, months):
    features = engine.collect(customer_features(*months)).cast(arrow_schema(CustomerFeatures))
    files.register("features", features)
    told = "SELECT month_start, customer_id, net_sales_3m, days_since_last_sale FROM features"
    expected = files.sql(BEFORE).fetchall()
    assert expected
    assert sorted(files.sql(told).fetchall(), key=repr) == sorted(expected, key=repr)

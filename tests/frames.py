"""Bronze rows as frames: ten lines of a day, every kind of fault, and what becomes of each.

Belongs here: rows that have already been taken in. Landing files and how they are taken in belong in ``scenario``.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.contracts.row_outcome import REJECTED, RULES, WARNED
from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.publication.validation import judge_received
from lakehouse_assets.bronze.clicks import clicks
from lakehouse_assets.bronze.inventory import inventory
from tests.scenario import CUSTOMERS, PRODUCTS, TRANSACTIONS, customer, day, sale

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lakehouse.engines.base import Engine
    from lakehouse.ingestion.staging import Source
    from lakehouse.publication.validation import Tables
    from lakehouse.tables.declarations import ContractTable

NOW = dt.datetime(2011, 3, 2, 6, 0, tzinfo=dt.UTC)
"""When every row of these frames was appended to bronze."""

TEN_LINES: tuple[dict[str, str], ...] = (
    sale("536365"),
    sale("536365", StockCode="71053", Description="WHITE METAL LANTERN", UnitPrice="3.39"),
    sale("536366", StockCode="22633", Description="HAND WARMER UNION JACK", Quantity="12", UnitPrice="1.85"),
    sale("536367", StockCode="84406B", CustomerID="13047.0", Country="France", UnitPrice="2.750"),
    sale("536368", StockCode="22960", Quantity="1", UnitPrice="4.255", CustomerID=""),
    sale("C536379", StockCode="D", Description="Discount", Quantity="-1", UnitPrice="27.50", CustomerID="14527"),
    sale("C536383", StockCode="35004c", Quantity="-2", UnitPrice="4.65", CustomerID="15311", Country="France"),
    sale("A563185", StockCode="B", Description="Adjust bad debt", Quantity="1", UnitPrice="-11062.06", CustomerID=""),
    sale("536414", StockCode="22139", Description="", Quantity="56", UnitPrice="0", CustomerID=""),
    sale("536415", StockCode="22140", Quantity="-3", UnitPrice="0.000", CustomerID=""),
)
"""Five sales, two cancellations, one bad debt, two adjustments: ten good lines of 1 March 2011."""

FAULTS: dict[str, tuple[dict[str, str], list[str]]] = {
    "quantity is a word": (sale("1", Quantity="six"), ["quantity:readable"]),
    "quantity has a fraction": (sale("2", Quantity="1.5"), ["quantity:readable"]),
    "quantity is larger than any integer": (sale("3", Quantity="99999999999"), ["quantity:readable"]),
    "quantity is absurd": (sale("4", Quantity="100001"), ["quantity:in_range"]),
    "quantity is missing": (sale("5", Quantity=""), ["quantity:not_null"]),
    "price is a word": (sale("6", UnitPrice="free"), ["unit_price:readable"]),
    "price is finer than money": (sale("7", UnitPrice="2.5555"), ["unit_price:readable"]),
    "price is absurd": (sale("8", UnitPrice="1000000.001"), ["unit_price:in_range"]),
    "price is missing": (sale("9", UnitPrice=" "), ["unit_price:not_null"]),
    "amount fits no column": (
        sale("10", Quantity="2147483647", UnitPrice="999999999999999.999"),
        ["quantity:in_range", "unit_price:in_range"],
    ),
    "date is no date": (sale("11", at="2011-02-30 08:26:00"), ["invoiced_at:readable"]),
    "date is a time only": (sale("12", at="08:26"), ["invoiced_at:readable"]),
    "date is a year only": (sale("13", at="2011"), ["invoiced_at:readable"]),
    "date is missing": (sale("14", at=""), ["invoiced_at:not_null"]),
    "date is absurd": (sale("15", at="1970-01-01 00:00:00"), ["invoiced_at:on_business_date"]),
    "customer is a word": (sale("16", CustomerID="guest"), ["customer_id:readable"]),
    "invoice is missing": (sale(""), ["invoice_no:not_null"]),
    "invoice is blank": (sale("   "), ["invoice_no:not_null"]),
    "product is missing": (sale("17", StockCode=""), ["stock_code:not_null"]),
    "country is missing": (sale("18", Country=""), ["country:not_null"]),
    "two columns are broken": (
        sale("19", Quantity="six", UnitPrice="free"),
        ["quantity:readable", "unit_price:readable"],
    ),
}
"""A line of 1 March 2011 for every fault a value can have, and the rules it breaks, in the order of the contract."""


def unread(reason: str, raw: str | None = None, **about: Any) -> dict[str, Any]:
    """Return a bronze row that the landing reader could not read."""
    return {"reject_reason": reason, "raw_record": raw, **about}


def superseded_mark(batch_id: int, **about: Any) -> dict[str, Any]:
    """Return the bronze row that says a newer version of a file has no rows for the day any more."""
    return unread("file:superseded: v9 has no rows for this day", source_record=None, batch_id=batch_id, **about)


def refusal(batch_id: int, kind: str = "gzip", **about: Any) -> dict[str, Any]:
    """Return the one bronze row of a file that was refused whole."""
    return unread(f"file:{kind}: ends in the middle", source_record=None, batch_id=batch_id, **about)


def bronze_table(source: Source, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return bronze rows: the source's columns, and bronze's own where a row does not give them."""
    defaults = {
        "ingestion_timestamp": NOW,
        "source_file": f"{source.name}/{day(1)}.{'csv' if source is TRANSACTIONS else 'dat'}",
        "data_source": source.name,
        "source_version": "v1",
        "landing_date": day(1),
        "business_date": day(1),
        "batch_id": 1,
    }
    placed = [{**defaults, "source_record": number, **row} for number, row in enumerate(rows, start=1)]
    return pa.Table.from_pylist(placed, schema=bronze_layout(source).schema)


def as_frame(engine: Engine, table: pa.Table) -> DataFrame:
    """Return a table as a frame; Spark knows no empty one."""
    if table.num_rows:
        return engine.session().createDataFrame(table)
    nothing = pa.table(
        {name: pa.nulls(1, column.type) for name, column in zip(table.schema.names, table.schema, strict=True)}
    )
    return engine.session().createDataFrame(nothing).limit(0)


def bronze_transactions(engine: Engine, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Return `bronze.transactions` rows as a frame."""
    return as_frame(engine, bronze_table(TRANSACTIONS, rows))


def bronze_customers(engine: Engine, records: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Return `bronze.customers` rows as a frame; values become the text they have in JSON."""
    own = CUSTOMERS.format.columns
    texts = [
        {
            name: json.dumps(value) if name in own and isinstance(value, bool | int | float) else value
            for name, value in row.items()
        }
        for row in records
    ]
    return as_frame(engine, bronze_table(CUSTOMERS, texts))


def bronze_products(engine: Engine, records: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Return `bronze.products` rows as a frame."""
    return as_frame(engine, bronze_table(PRODUCTS, records))


def bronze_clicks(engine: Engine, events: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Return `bronze.clicks` rows as a frame; values become the text they have in JSON."""
    texts = [
        {name: value if isinstance(value, str | None) else json.dumps(value) for name, value in event.items()}
        for event in events
    ]
    return as_frame(engine, bronze_table(clicks.source, texts))


def bronze_inventory(engine: Engine, movements: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Return `bronze.inventory` rows as a frame."""
    return as_frame(engine, bronze_table(inventory.source, movements))


def product(stock_code: str | None, **changed: Any) -> dict[str, Any]:
    """Return a product record of the change feed; keywords change single columns."""
    record = {
        "stock_code": stock_code,
        "description": "WHITE METAL LANTERN",
        "category": "lighting",
        "cost": Decimal("1.250"),
        "list_price": Decimal("3.390"),
        "reorder_level": 20,
        "updated_at": dt.datetime(2011, 3, 1, 9, 0, tzinfo=dt.UTC),
    }
    return {**record, **changed}


def click(event_id: str | None, at: str = "2011-03-01T09:00:00Z", **changed: Any) -> dict[str, Any]:
    """Return an event of the web shop; keywords change single fields."""
    event = {
        "event_id": event_id,
        "session_id": "s-1",
        "user_id": 17850,
        "event_type": "view",
        "stock_code": "85123A",
        "url": "https://shop.example/p/85123A",
        "ts": at,
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
        "context": {"screen": {"width": 1280, "height": 720}, "referrer": None},
    }
    return {**event, **changed}


def movement(movement_id: str, at: str = "2011-03-01 07:00:00", **changed: str) -> dict[str, str]:
    """Return a stock movement as the warehouse writes it; keywords change single columns."""
    moved = {
        "movement_id": movement_id,
        "stock_code": "85123A",
        "movement_type": "receipt",
        "quantity": "24",
        "moved_at": at,
    }
    return {**moved, **changed}


def customer_change(customer_id: Any, **changed: Any) -> dict[str, Any]:
    """Return a customer record with a segment the contract knows."""
    return customer(customer_id, **{"segment": "consumer", **changed})


def verdicts(
    bronze: DataFrame, table: ContractTable, cases: Iterable[str], tables: Tables | None = None
) -> dict[str, tuple[list[str], list[str]]]:
    """Return the rules that rows break, and those they are warned of, by their cases, which are in the same order."""
    terms = table.terms
    carried = ["source_record"]
    judged = judge_received(bronze, table.transform, terms.contract, terms.policy, tables=tables, carried=carried)
    found = {row["source_record"]: row.asDict() for row in judged.drop(REJECTED).collect()}
    return {case: (found[place][RULES], found[place].get(WARNED, [])) for place, case in enumerate(cases, start=1)}


def picked(frame: DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """Return a frame's rows as tuples of some columns, in their order."""
    return [tuple(row[name] for name in columns) for row in frame.select(*columns).collect()]


def daily_sales(engine: Engine, *days: dt.date) -> DataFrame:
    """Return rows of `gold.daily_sales_summary`, the same sales for each day."""
    schema = (
        "business_date date, orders bigint, sale_orders bigint, lines bigint, units bigint, gross_sales decimal(18,3), "
        "returns decimal(18,3), net_sales decimal(18,3), customers bigint, new_customers bigint"
    )
    sums = (3, 2, 5, 8, Decimal("10.125"), Decimal("-1.250"), Decimal("8.875"), 2, 1)
    return engine.session().createDataFrame([(day, *sums) for day in days], schema)


def customers_of_days(engine: Engine, customers: Mapping[dt.date, Iterable[int]]) -> DataFrame:
    """Return who bought on which day, as `gold.customer_days` has it."""
    rows = [(day, each) for day, known in customers.items() for each in known] or [(dt.date(1999, 1, 1), 0)]
    return engine.session().createDataFrame(rows, "business_date date, customer_id bigint")


def first_seen(engine: Engine, customers: Mapping[int, Iterable[str | None]]) -> DataFrame:
    """Return versions of customers, as `gold.dim_customers` has them, with the time of their first invoice line."""
    rows = [(each, at and dt.datetime.fromisoformat(f"{at}Z")) for each, times in customers.items() for at in times]
    return engine.session().createDataFrame([(None, None), *rows], "customer_id bigint, first_seen_at timestamp")


def customer_months(engine: Engine, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Return `gold.customer_months` rows as a frame, with the columns that other tables read."""
    schema = pa.schema(
        [
            ("month_start", pa.date32()),
            ("customer_id", pa.int64()),
            ("sale_orders", pa.int64()),
            ("gross_sales", pa.decimal128(18, 3)),
            ("returns", pa.decimal128(18, 3)),
            ("net_sales", pa.decimal128(18, 3)),
            ("first_sold_on", pa.date32()),
            ("last_sold_on", pa.date32()),
        ]
    )
    return as_frame(engine, pa.Table.from_pylist(list(rows), schema=schema))


def customer_month(month: str, customer_id: int = 1, **changed: Any) -> dict[str, Any]:
    """Return a customer's month, such as ``2011-03``: a sale of 100 GBP on its first day; without orders, no sale."""
    start = dt.date.fromisoformat(f"{month}-01")
    orders = changed.get("sale_orders", 1)
    row = {
        "month_start": start,
        "customer_id": customer_id,
        "sale_orders": orders,
        "gross_sales": Decimal(100 * orders),
        "returns": Decimal(0),
        "first_sold_on": start if orders else None,
        "last_sold_on": start if orders else None,
        **changed,
    }
    return {"net_sales": row["gross_sales"] + row["returns"], **row}


def monthly_sales(engine: Engine, *months: str) -> DataFrame:
    """Return rows of `gold.monthly_sales_summary`, as far as it says which months there are."""
    rows = [(dt.date.fromisoformat(f"{month}-01"),) for month in months]
    return engine.session().createDataFrame(rows, "month_start date")

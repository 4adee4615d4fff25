"""Small scenes for tests: sources, landing files, and the bronze rows they become."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.engines.base import Engine
from lakehouse.ingestion.batches import Ingestion
from lakehouse.ingestion.staging import Source
from lakehouse.landing.reader import CsvFormat, JsonLinesFormat, ParquetFormat
from lakehouse.landing.zone import LocalLanding

START = dt.date(2010, 12, 1)
"""The first day of the lakehouse's calendar."""
TODAY = dt.date(2011, 12, 31)
"""The last day of the lakehouse's calendar."""

TRANSACTIONS = Source(
    "transactions",
    CsvFormat(
        (
            "InvoiceNo",
            "StockCode",
            "Description",
            "Quantity",
            "InvoiceDate",
            "UnitPrice",
            "CustomerID",
            "Country",
        )
    ),
    "InvoiceDate",
)
CUSTOMERS = Source(
    "customers",
    JsonLinesFormat(
        ("customer_id", "name", "email", "phone", "city", "country", "segment", "updated_at", "is_deleted")
    ),
    "updated_at",
)
PRODUCTS = Source(
    "products",
    ParquetFormat(
        (
            ("stock_code", "string"),
            ("description", "string"),
            ("category", "string"),
            ("cost", "decimal(18,3)"),
            ("list_price", "decimal(18,3)"),
            ("reorder_level", "int32"),
            ("updated_at", "timestamp"),
        )
    ),
    "updated_at",
)


def day(number: int) -> dt.date:
    """Return the n-th day of March 2011."""
    return dt.date(2011, 3, number)


def sale(invoice: str, at: str = "2011-03-01 08:26:00", **changed: str) -> dict[str, str]:
    """Return an invoice line as a till exports it; keywords change single columns."""
    line = {
        "InvoiceNo": invoice,
        "StockCode": "85123A",
        "Description": "WHITE HANGING HEART T-LIGHT HOLDER",
        "Quantity": "6",
        "InvoiceDate": at,
        "UnitPrice": "2.55",
        "CustomerID": "17850",
        "Country": "United Kingdom",
    }
    return {**line, **changed}


def customer(customer_id: int, at: str = "2011-03-01T09:00:00Z", **changed: Any) -> dict[str, Any]:
    """Return a customer record of the change feed; keywords change single columns."""
    record = {
        "customer_id": customer_id,
        "name": "Ada Example",
        "email": "ada@example.com",
        "phone": "+44 20 7946 0000",
        "city": "London",
        "country": "United Kingdom",
        "segment": "retail",
        "updated_at": at,
        "is_deleted": False,
    }
    return {**record, **changed}


def csv_bytes(
    lines: Iterable[Mapping[str, str]], columns: Iterable[str] = TRANSACTIONS.format.schema.names[:8]
) -> bytes:
    """Write invoice lines as a CSV file with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()


def jsonl_bytes(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Write records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def parquet_bytes(table: pa.Table) -> bytes:
    """Write a table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def drop(landing_root: Path, key: str, content: bytes) -> Path:
    """Put a file into the landing zone, as one rename, the way a careful source does."""
    path = landing_root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    arriving = path.with_name(f".{path.name}.arriving")
    arriving.write_bytes(content)
    return arriving.replace(path)


def ingestion(engine: Engine, landing_root: Path, source: Source = TRANSACTIONS) -> Ingestion:
    """Return the ingestion of a source from a landing folder into the lake around it."""
    return Ingestion(
        engine=engine,
        landing=LocalLanding(str(landing_root)),
        source=source,
        root=str(landing_root.parent),
        earliest=START,
        latest=TODAY,
    )


def rows(engine: Engine, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """Return a table's rows as sorted tuples of some columns; empty where the table was never written."""
    if engine.version(table) is None:
        return []
    found = engine.collect(engine.read(table).select(*columns)).to_pylist()
    return sorted((tuple(row[column] for column in columns) for row in found), key=repr)

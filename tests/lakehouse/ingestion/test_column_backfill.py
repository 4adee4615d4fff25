"""Refilling: values rescued before their column was declared come into it, exactly once, and only their days change.

On the embedded engine; that the other one refills the same is for ``test_ingestion_engines``.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pytest

from lakehouse.delta.system_tables import FILES
from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.ingestion.manifest import ManifestFile, Refill
from lakehouse.ingestion.staging import Source
from lakehouse.landing.reader import CsvFormat, JsonLinesFormat, ParquetFormat
from lakehouse.publication.current_rows import current_rows
from tests.lakehouse.ingestion.test_batches import POINTS, CrashError, crash, engine
from tests.scenario import csv_bytes, day, drop, ingestion, jsonl_bytes, parquet_bytes, sale

__all__ = ["crash", "engine"]

OLD = ("InvoiceNo", "InvoiceDate", "Country")
BEFORE = Source("transactions", CsvFormat(OLD), "InvoiceDate")
AFTER = Source("transactions", CsvFormat((*OLD, "Channel")), "InvoiceDate")
FIRST, SECOND = "transactions/2011-03-01.csv", "transactions/2011-03-02.csv"
CHANNEL = Refill(["Channel"], [day(1), day(2)], day(1))


def lines(*invoices: str, at: str = "2011-03-01 10:00:00", **more: str) -> bytes:
    """Return a CSV file of invoices with three columns, and more."""
    return csv_bytes(
        [{"InvoiceNo": invoice, "InvoiceDate": at, "Country": "FR", **more} for invoice in invoices], (*OLD, *more)
    )


@pytest.fixture
def take_in(engine, landing_root):
    """Run an ingestion of two days under a declaration, report nothing and confirm."""

    def run(source=BEFORE, *, confirm=True):
        taking = ingestion(engine, landing_root, source)
        result = taking.run([day(1), day(2)], run_id="run")
        if confirm:
            taking.confirm()
        return result

    return run


@pytest.fixture
def refill(engine, landing_root, take_in):
    """Ask for a refill, and run under the new declaration."""

    def run(source=AFTER, asked=CHANNEL):
        ingestion(engine, landing_root, source).ask_for_refill(asked, "somebody")
        return take_in(source)

    return run


def current(engine, source=AFTER) -> list[dict]:
    """Return the rows that count, as silver sees them, without what differs from batch to batch."""
    table = bronze_layout(source).name
    days = sorted(set(engine.collect(engine.read(table))["business_date"].to_pylist()))
    found = engine.collect(current_rows(engine, engine.read(table), days).frame).to_pylist()
    kept = [{n: v for n, v in row.items() if n not in {"batch_id", "ingestion_timestamp"}} for row in found]
    return sorted(kept, key=lambda row: (row["source_file"], row["source_record"] or 0))


def as_read_anew(source, tmp_path, landing_root) -> list[dict]:
    """Return the rows that count in another lake that reads the same files under a declaration from the start."""
    from lakehouse.engines.sail import SailEngine

    other = SailEngine(str(tmp_path / "other"))
    ingestion(other, tmp_path / "other" / "landing", source)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "landing").symlink_to(landing_root)
    ingestion(other, tmp_path / "other" / "landing", source).run([day(1), day(2)], run_id="run")
    return current(other, source)


def registered(engine) -> list[tuple]:
    found = engine.collect(engine.read(FILES.name)).to_pylist()
    return sorted((row["source_file"], row["batch_id"], row["outcome"], row["records"]) for row in found)


CASES = {
    "csv": (
        BEFORE,
        AFTER,
        "Channel",
        {
            FIRST: lines("1", "2", Channel="web") + b"3,2011-03-01,FR,\n4,cut\n5,2011-03-02,DE,shop\n",
            SECOND: lines("6", at="2011-03-02", CHANNEL="till", Cashier="Ann"),
            "transactions/2011-03-02b.csv": lines("7", at="2011-03-02"),
        },
    ),
    "json lines": (
        Source("customers", JsonLinesFormat(("id", "at")), "at"),
        Source("customers", JsonLinesFormat(("id", "at", "tags")), "at"),
        "tags",
        {
            "customers/2011-03-01.jsonl": jsonl_bytes(
                [
                    {"id": 1, "at": "2011-03-01", "tags": ["a", {"b": 1.50}]},
                    {"id": 2, "at": "2011-03-01", "tags": None, "Tags": "x"},
                    {"id": 3, "at": "2011-03-01", "tags": 'é "q" \n', "more": 1},
                    {"id": 4, "at": "2011-03-02"},
                ]
            )
            + b'{"id": 5, "at": "2011-03-01", "tags": 1.500}\n{"id"\n',
        },
    ),
    "parquet": (
        Source("products", ParquetFormat((("code", "string"), ("at", "date"))), "at"),
        Source("products", ParquetFormat((("code", "string"), ("at", "date"), ("cost", "decimal(9,2)"))), "at"),
        "cost",
        {
            "products/2011-03-01.parquet": parquet_bytes(
                pa.table(
                    {
                        "code": ["a", "b"],
                        "at": pa.array([day(1), day(2)]),
                        "cost": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
                        "other": [1.5, 2.5],
                    }
                )
            )
        },
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_after_a_refill_the_rows_are_those_of_reading_the_files_anew(
    engine, landing_root, tmp_path, take_in, refill, kind
):
    before, after, column, files = CASES[kind]
    for key, content in files.items():
        drop(landing_root, key, content)
    take_in(before)
    assert any(column.casefold() in (row["rescued_data"] or "").casefold() for row in current(engine, before))
    refill(after, Refill([column], [day(1), day(2)], day(1)))
    assert current(engine, after) == as_read_anew(after, tmp_path, landing_root)
    assert {row[column] for row in current(engine, after)} > {None}


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("int64", pa.array([1, None, -5])),
        ("boolean", pa.array([True, False, None])),
        ("date", pa.array([day(1), None, day(2)])),
        (
            "timestamp",
            pa.array([dt.datetime(2011, 3, 1, 10, 0, 0, 123456, dt.UTC), None, None], pa.timestamp("us", "UTC")),
        ),
        ("timestamp", pa.array([dt.datetime(2011, 3, 1), None, None], pa.timestamp("ms"))),  # noqa: DTZ001
        ("string", pa.array(["x", "", None])),
    ],
)
def test_a_parquet_value_comes_back_in_its_type(engine, landing_root, tmp_path, take_in, refill, type_, values):
    before = Source("products", ParquetFormat((("code", "string"),)), "code")
    after = Source("products", ParquetFormat((("code", "string"), ("more", type_))), "code")
    content = parquet_bytes(pa.table({"code": ["a", "b", "c"], "more": values}))
    drop(landing_root, "products/2011-03-01.parquet", content)
    take_in(before)
    refill(after, Refill(["more"], [day(1)], day(1)))
    assert current(engine, after) == as_read_anew(after, tmp_path, landing_root)
    assert {row["rescued_data"] for row in current(engine, after)} == {None}


def test_a_value_that_does_not_fit_its_column_stays_rescued(engine, landing_root, take_in, refill):
    before = Source("products", ParquetFormat((("code", "string"),)), "code")
    after = Source("products", ParquetFormat((("code", "string"), ("more", "int32"))), "code")
    content = parquet_bytes(pa.table({"code": ["a", "b"], "more": [1, 1 << 40]}))
    drop(landing_root, "products/2011-03-01.parquet", content)
    take_in(before)
    refill(after, Refill(["more"], [day(1)], day(1)))
    assert [(row["more"], row["rescued_data"]) for row in current(engine, after)] == [
        (1, None),
        (None, json.dumps({"more": 1 << 40}, separators=(",", ":"))),
    ]


def test_only_the_days_with_rescued_values_are_appended_and_reported(engine, landing_root, take_in, refill):
    drop(landing_root, FIRST, lines("1"))
    mixed = jsonl_bytes([{"id": 1, "at": "2011-03-01", "vip": 1}, {"id": 2, "at": "2011-03-02"}])
    before = Source("customers", JsonLinesFormat(("id", "at")), "at")
    after = Source("customers", JsonLinesFormat(("id", "at", "vip")), "at")
    drop(landing_root, "customers/2011-03-01.jsonl", mixed)
    take_in(before)
    result = refill(after, Refill(["vip"], [day(1)], day(1)))
    assert (result.dates, result.files) == ({day(1)}, [])
    assert registered(engine) == [
        ("customers/2011-03-01.jsonl", 1, "ingested", 2),
        ("customers/2011-03-01.jsonl", 2, "refilled", 1),
    ]
    assert result.notes == ["1 rows of 1 files appended again, with rescued values in vip"]
    versions = engine.version("bronze.customers"), engine.version(FILES.name)
    assert (refill(after, Refill(["vip"], [day(1)], day(1))).dates, take_in(after).dates) == ({day(1)}, set())
    assert versions == (engine.version("bronze.customers"), engine.version(FILES.name))


def test_a_file_is_still_the_file_it_was(engine, landing_root, take_in, refill):
    """It is not read again, it can be corrected, and the days that a correction leaves are marked."""
    drop(landing_root, FIRST, lines("1", Channel="web") + b"2,2011-03-02,FR,till\n")
    take_in()
    refill()
    assert take_in(AFTER).files == []
    drop(landing_root, FIRST, lines("1b", Channel="shop"))
    assert take_in(AFTER).dates == {day(1), day(2)}
    assert [(row["InvoiceNo"], row["Channel"]) for row in current(engine)] == [("1b", "shop")]


def test_rows_of_older_versions_are_not_refilled(engine, landing_root, take_in, refill):
    drop(landing_root, FIRST, lines("1", Channel="web"))
    take_in()
    drop(landing_root, FIRST, lines("2"))
    take_in()
    refill()
    assert [(row["InvoiceNo"], row["Channel"]) for row in current(engine)] == [("2", None)]
    assert [outcome for _, _, outcome, _ in registered(engine)] == ["ingested", "ingested"]


def test_a_refusal_that_stands_beside_the_rows_still_does(engine, landing_root, take_in, refill):
    drop(landing_root, FIRST, lines("1", Channel="web"))
    take_in()
    drop(landing_root, FIRST, b"not,a,header\n")
    take_in()
    refill()
    assert [(row["InvoiceNo"], row["Channel"], row["reject_reason"] is None) for row in current(engine)] == [
        (None, None, False),
        ("1", "web", True),
    ]
    assert take_in(AFTER).files == []


@pytest.mark.parametrize("point", [point for point in POINTS if point != "during bronze"])  # a table, not parts
@pytest.mark.parametrize("rows_a_batch", [1, 1000])
def test_a_crash_at_any_point_of_a_refill_loses_and_doubles_nothing(  # noqa: PLR0917
    engine, landing_root, tmp_path, take_in, refill, crash, monkeypatch, point, rows_a_batch
):
    monkeypatch.setattr("lakehouse.ingestion.batches._REFILLED_ROWS", rows_a_batch)
    drop(landing_root, FIRST, lines("1", "2", Channel="web"))
    drop(landing_root, SECOND, lines("3", at="2011-03-02", Channel="till"))
    take_in()
    if point == "before confirm":
        ingestion(engine, landing_root, AFTER).ask_for_refill(CHANNEL, "somebody")
        take_in(AFTER, confirm=False)
    else:
        crash(point, 3 if rows_a_batch == 1 else 2)
        with pytest.raises(CrashError):
            refill()
    assert ingestion(engine, landing_root, AFTER).interrupted().landing_dates == [day(1)]
    assert take_in(AFTER).dates == {day(1), day(2)}
    assert current(engine) == as_read_anew(AFTER, tmp_path, landing_root)
    refilled = [(file, rows) for file, _, outcome, rows in registered(engine) if outcome == "refilled"]
    assert refilled == [(FIRST, 2), (SECOND, 1)]
    assert ingestion(engine, landing_root, AFTER).interrupted() is None


def test_a_refill_of_a_column_that_was_never_declared_is_dropped(engine, landing_root, take_in, refill):
    drop(landing_root, FIRST, lines("1", Channel="web"))
    take_in()
    assert refill(BEFORE).dates == set()
    assert ingestion(engine, landing_root, BEFORE).interrupted() is None
    assert [row["rescued_data"] for row in current(engine, BEFORE)] == ['{"Channel":"web"}']


def test_a_refill_is_asked_for_beside_batches_that_are_not_reported_yet(engine, landing_root, take_in):
    drop(landing_root, FIRST, lines("1", Channel="web"))
    drop(landing_root, SECOND, lines("2", at="2010-12-24"))
    take_in(confirm=False)
    taking = ingestion(engine, landing_root, AFTER)
    taking.ask_for_refill(Refill(["Channel"], [day(1)], day(1)), "somebody")
    kept = ManifestFile(taking.root, "transactions").read()
    assert (kept.refill.columns, kept.landing_dates) == (["Channel"], [day(1), day(2)])
    assert take_in(AFTER).dates == {dt.date(2010, 12, 24), day(1)}
    assert [row["Channel"] for row in current(engine)] == ["web", None]


def test_what_refilling_does_not_know_it_leaves(engine, landing_root, take_in, refill):
    drop(landing_root, FIRST, lines("1", Channel="web", Till="4"))
    drop(landing_root, SECOND, csv_bytes([sale("2")]))
    take_in()
    refill()
    (first, second) = current(engine)
    assert (first["Channel"], first["rescued_data"]) == ("web", '{"Till":"4"}')
    assert (second["Channel"], json.loads(second["rescued_data"])["StockCode"]) == (None, "85123A")

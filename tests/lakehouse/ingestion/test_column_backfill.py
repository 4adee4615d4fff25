"""Values rescued before their column was declared come into it, exactly once, and only their days change.

On the embedded engine; that the other one does the same is for ``test_ingestion_engines``.
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


def current(engine, source=AFTER) -> list[dict]:
    """Return the rows that count, as silver sees them, without what differs from batch to batch."""
    table = bronze_layout(source).name
    days = sorted(set(engine.collect(engine.read(table))["business_date"].to_pylist()))
    found = engine.collect(current_rows(engine, engine.read(table), days).frame).to_pylist()
    kept = [{n: v for n, v in row.items() if n not in {"batch_id", "ingestion_timestamp"}} for row in found]
    return sorted(kept, key=lambda row: (row["source_file"], row["source_record"] or 0))


def as_read_then(source, tmp_path, landing_root) -> list[dict]:
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
def test_once_the_column_is_declared_the_rows_are_those_of_reading_the_files_then(
    engine, landing_root, tmp_path, take_in, kind
):
    before, after, column, files = CASES[kind]
    for key, content in files.items():
        drop(landing_root, key, content)
    take_in(before)
    assert any(column.casefold() in (row["rescued_data"] or "").casefold() for row in current(engine, before))
    take_in(after)
    assert current(engine, after) == as_read_then(after, tmp_path, landing_root)
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
def test_a_parquet_value_comes_back_in_its_type(engine, landing_root, tmp_path, take_in, type_, values):
    before = Source("products", ParquetFormat((("code", "string"),)), "code")
    after = Source("products", ParquetFormat((("code", "string"), ("more", type_))), "code")
    content = parquet_bytes(pa.table({"code": ["a", "b", "c"], "more": values}))
    drop(landing_root, "products/2011-03-01.parquet", content)
    take_in(before)
    take_in(after)
    assert current(engine, after) == as_read_then(after, tmp_path, landing_root)
    assert {row["rescued_data"] for row in current(engine, after)} == {None}


def test_a_value_that_does_not_fit_its_column_stays_rescued(engine, landing_root, take_in):
    before = Source("products", ParquetFormat((("code", "string"),)), "code")
    after = Source("products", ParquetFormat((("code", "string"), ("more", "int32"))), "code")
    content = parquet_bytes(pa.table({"code": ["a", "b"], "more": [1, 1 << 40]}))
    drop(landing_root, "products/2011-03-01.parquet", content)
    take_in(before)
    take_in(after)
    assert [(row["more"], row["rescued_data"]) for row in current(engine, after)] == [
        (1, None),
        (None, json.dumps({"more": 1 << 40}, separators=(",", ":"))),
    ]


def test_only_the_days_with_rescued_values_are_appended_and_reported_once(engine, landing_root, take_in):
    mixed = jsonl_bytes([{"id": 1, "at": "2011-03-01", "vip": 1}, {"id": 2, "at": "2011-03-02", "tier": "vip"}])
    before = Source("customers", JsonLinesFormat(("id", "at")), "at")
    after = Source("customers", JsonLinesFormat(("id", "at", "vip")), "at")
    drop(landing_root, "customers/2011-03-01.jsonl", mixed)
    take_in(before)
    result = take_in(after)
    assert (result.dates, result.files) == ({day(1)}, [])
    assert registered(engine) == [
        ("customers/2011-03-01.jsonl", 1, "ingested", 2),
        ("customers/2011-03-01.jsonl", 2, "refilled", 1),
    ]
    assert result.notes == ["1 rows of 1 files appended again, with rescued values in vip"]
    versions = engine.version("bronze.customers"), engine.version(FILES.name)
    assert (take_in(after).dates, take_in(before).dates, take_in(after).dates) == (set(), set(), set())
    assert versions == (engine.version("bronze.customers"), engine.version(FILES.name))


def test_a_column_without_rescued_values_is_given_to_bronze_and_no_day_is_reported(engine, landing_root, take_in):
    drop(landing_root, FIRST, lines("1", Till="4"))
    take_in()
    declared = ingestion(engine, landing_root, AFTER)
    assert (declared.new_columns(), declared.last_landing_date()) == (["Channel"], day(1))
    result = take_in(AFTER)
    assert (result.dates, result.notes) == (set(), [])
    assert declared.new_columns() == []
    assert current(engine) == [{**row, "Channel": None} for row in current(engine, BEFORE)]
    version = engine.version("bronze.transactions")
    take_in(AFTER)
    assert engine.version("bronze.transactions") == version


def test_a_source_that_never_landed_has_no_new_columns(engine, landing_root):
    nothing = ingestion(engine, landing_root, AFTER)
    assert (nothing.new_columns(), nothing.last_landing_date()) == ([], None)


def test_a_file_is_still_the_file_it_was(engine, landing_root, take_in):
    """It is not read again, it can be corrected, and the days that a correction leaves are marked."""
    drop(landing_root, FIRST, lines("1", Channel="web") + b"2,2011-03-02,FR,till\n")
    take_in()
    take_in(AFTER)
    assert take_in(AFTER).files == []
    drop(landing_root, FIRST, lines("1b", Channel="shop"))
    assert take_in(AFTER).dates == {day(1), day(2)}
    assert [(row["InvoiceNo"], row["Channel"]) for row in current(engine)] == [("1b", "shop")]


def test_rows_of_older_versions_are_not_appended_again(engine, landing_root, take_in):
    drop(landing_root, FIRST, lines("1", Channel="web"))
    take_in()
    drop(landing_root, FIRST, lines("2"))
    take_in()
    take_in(AFTER)
    assert [(row["InvoiceNo"], row["Channel"]) for row in current(engine)] == [("2", None)]
    assert [outcome for _, _, outcome, _ in registered(engine)] == ["ingested", "ingested"]


def test_a_refusal_that_stands_beside_the_rows_still_does(engine, landing_root, take_in):
    drop(landing_root, FIRST, lines("1", Channel="web"))
    take_in()
    drop(landing_root, FIRST, b"not,a,header\n")
    take_in()
    take_in(AFTER)
    assert [(row["InvoiceNo"], row["Channel"], row["reject_reason"] is None) for row in current(engine)] == [
        (None, None, False),
        ("1", "web", True),
    ]
    assert take_in(AFTER).files == []


@pytest.mark.parametrize("point", [point for point in POINTS if point != "during bronze"])  # a table, not parts
@pytest.mark.parametrize("rows_a_batch", [1, 1000])
def test_a_crash_at_any_point_loses_and_doubles_nothing(  # noqa: PLR0917
    engine, landing_root, tmp_path, take_in, crash, monkeypatch, point, rows_a_batch
):
    monkeypatch.setattr("lakehouse.ingestion.batches._REFILLED_ROWS", rows_a_batch)
    drop(landing_root, FIRST, lines("1", "2", Channel="web"))
    drop(landing_root, SECOND, lines("3", at="2011-03-02", Channel="till"))
    take_in()
    if point == "before confirm":
        take_in(AFTER, confirm=False)
    else:
        crash(point, 3 if rows_a_batch == 1 else 2)
        with pytest.raises(CrashError):
            take_in(AFTER)
    assert ingestion(engine, landing_root, AFTER).interrupted().landing_dates == [day(1)]
    assert take_in(AFTER).dates == {day(1), day(2)}
    assert current(engine) == as_read_then(AFTER, tmp_path, landing_root)
    refilled = [(file, rows) for file, _, outcome, rows in registered(engine) if outcome == "refilled"]
    assert refilled == [(FIRST, 2), (SECOND, 1)]
    assert ingestion(engine, landing_root, AFTER).interrupted() is None


def test_a_column_declared_before_an_interrupted_one_is_filled_is_filled_with_it(engine, landing_root, take_in, crash):
    both = Source("transactions", CsvFormat((*OLD, "Channel", "Till")), "InvoiceDate")
    drop(landing_root, FIRST, lines("1", Channel="web"))
    drop(landing_root, SECOND, lines("2", at="2011-03-02", Till="4"))
    take_in()
    crash("before bronze", 2)
    with pytest.raises(CrashError):
        take_in(AFTER)
    assert take_in(both).dates == {day(1), day(2)}
    assert [(row["Channel"], row["Till"], row["rescued_data"]) for row in current(engine, both)] == [
        ("web", None, None),
        (None, "4", None),
    ]


@pytest.mark.parametrize("declared", [AFTER, BEFORE])
def test_a_manifest_of_before_that_names_columns_is_honoured_while_they_are_declared(
    engine, landing_root, take_in, declared
):
    drop(landing_root, FIRST, lines("1", Channel="web"))
    drop(landing_root, SECOND, lines("2", at="2010-12-24"))
    take_in(confirm=False)
    kept = ManifestFile(str(landing_root.parent), "transactions")
    kept.write("accept-1", kept.read().batches, Refill(["Channel"], [day(1)], day(1)))
    assert kept.read().landing_dates == [day(1), day(2)]
    assert take_in(declared).dates == {dt.date(2010, 12, 24), day(1)}
    assert kept.read() is None
    rescued = [row["rescued_data"] for row in current(engine, declared)]
    assert rescued == ([None, None] if declared is AFTER else ['{"Channel":"web"}', None])


def test_values_of_other_columns_stay_rescued(engine, landing_root, take_in):
    drop(landing_root, FIRST, lines("1", Channel="web", Till="4"))
    drop(landing_root, SECOND, csv_bytes([sale("2")]))
    take_in()
    take_in(AFTER)
    (first, second) = current(engine)
    assert (first["Channel"], first["rescued_data"]) == ("web", '{"Till":"4"}')
    assert (second["Channel"], json.loads(second["rescued_data"])["StockCode"]) == (None, "85123A")

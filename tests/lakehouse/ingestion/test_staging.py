"""Staging: one landing file, read whole, with a business date for every row."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
from decimal import Decimal

import pyarrow as pa
import pytest

from lakehouse.ingestion.staging import FileChangedError, FoundFile, Source, stage
from lakehouse.landing.reader import ParquetFormat
from lakehouse.landing.zone import LandingObject, LocalLanding, route
from tests.scenario import (
    CUSTOMERS,
    PRODUCTS,
    START,
    TRANSACTIONS,
    csv_bytes,
    customer,
    day,
    drop,
    jsonl_bytes,
    parquet_bytes,
    sale,
)

LANDED = day(10)
CALENDAR = (START, day(11))


@pytest.fixture
def staged(landing_root, tmp_path):
    """Stage one file with some content."""

    def stage_content(content: bytes, key="transactions/2011-03-10.csv", source=TRANSACTIONS):
        drop(landing_root, key, content)
        return stage_key(landing_root, tmp_path, key, source)

    return stage_content


def stage_key(landing_root, tmp_path, key, source=TRANSACTIONS, landing=None):
    zone = LocalLanding(str(landing_root))
    (found,) = [landed for landed in zone.objects("") if landed.key == key]
    file = FoundFile(found, route(key).landing_date, CALENDAR)
    return stage(landing or zone, file, source, tmp_path)


def rows(staged_file) -> list[dict]:
    with pa.OSFile(str(staged_file.path)) as spool, pa.ipc.open_stream(spool) as reader:
        return reader.read_all().to_pylist()


def days(staged_file) -> list[dt.date]:
    return [row["business_date"] for row in rows(staged_file)]


def test_a_file_is_described_by_its_bytes_and_records(staged):
    content = csv_bytes([sale("1"), sale("2", at="2011-03-10 10:00:00")]) + b"cut,off\n"
    file = staged(content)
    assert file.key == "transactions/2011-03-10.csv"
    assert file.version == hashlib.sha256(content).hexdigest()
    assert (file.size, file.records, file.rejected_records) == (len(content), 3, 1)
    assert file.business_dates == (day(1), day(10))
    assert file.refusal is None
    assert [row["InvoiceNo"] for row in rows(file)] == ["1", "2", None]
    assert [row["source_record"] for row in rows(file)] == [1, 2, 3]
    assert rows(file)[2]["raw_record"] == "cut,off"


@pytest.mark.parametrize(
    ("text", "business_date"),
    [
        ("2011-03-01 08:26:00", day(1)),
        ("2011-03-01", day(1)),
        ("2011-03-01T23:59:59Z", day(1)),
        ("2011-03-01T23:59:59.999999Z", day(1)),
        ("2011-03-01T23:30:00-05:00", day(2)),
        ("2011-03-01T00:30:00+01:00", dt.date(2011, 2, 28)),
        ("2011-03-01 00:30:00+0100", dt.date(2011, 2, 28)),
        ("2011-03-01T00:30:00+01", dt.date(2011, 2, 28)),
        ("2011-03-01T00:30:00.5+05:30", dt.date(2011, 2, 28)),
        (str(START), START),
        ("2011-03-11 23:59:59", day(11)),  # a day ahead: a shop east of the file's clock
    ],
)
def test_a_date_that_can_be_believed_is_the_business_date(staged, text, business_date):
    assert days(staged(csv_bytes([sale("1", at=text)]))) == [business_date]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "soon",
        "01/03/2011 08:26",
        "2011-02-29 08:26:00",
        "2011-13-01",
        "20110301",
        "2011-3-1",
        "2010-11-30 23:59:59",
        "2011-03-12 00:00:00",
        "2999-01-01",
        "0001-01-01",
        "0001-01-01T00:30:00+14:00",  # the day before there are dates
        "9999-12-31T23:59:59-05:00",  # the day after
        "2011-03-01T25:00:00+01:00",
        "2011-03-01T08:26:00+99:99",
        "\N{ARABIC-INDIC DIGIT TWO}011-03-01",
        "x" * 50_000,
    ],
)
def test_a_date_that_cannot_be_believed_falls_back_to_the_landing_date(staged, text):
    assert days(staged(csv_bytes([sale("1", at=text), sale("2")]))) == [LANDED, day(1)]


def test_a_rejected_record_belongs_to_the_landing_date(staged):
    assert days(staged(csv_bytes([sale("1")]) + b'2,"unclosed\n')) == [day(1), LANDED]


def test_json_dates_are_read_like_text(staged):
    content = jsonl_bytes([customer(1), customer(2, at=None), customer(3, at=20110301), customer(4, at=["2011-03-01"])])
    file = staged(content, "customers/2011-03-10.jsonl", CUSTOMERS)
    assert days(file) == [day(1), LANDED, LANDED, LANDED]


def test_parquet_timestamps_give_their_utc_date(staged):
    schema = PRODUCTS.format.schema
    instants = [
        "2011-03-01T00:00:00",
        "2011-03-01T23:59:59.999999",
        "1969-12-31T23:59:59.999999",
        "2011-03-12T00:00:00",
    ]
    products = pa.table(
        {
            "stock_code": ["a", "b", "c", "d", "e"],
            "description": ["x"] * 5,
            "category": ["y"] * 5,
            "cost": pa.array([Decimal("1.005")] * 5, schema.field("cost").type),
            "list_price": pa.array([Decimal("2.5")] * 5, schema.field("list_price").type),
            "reorder_level": pa.array([1] * 5, pa.int32()),
            "updated_at": pa.array(
                [*[dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) for text in instants], None],
                pa.timestamp("us", tz="UTC"),
            ),
        }
    )
    file = staged(parquet_bytes(products), "products/2011-03-10.parquet", PRODUCTS)
    assert days(file) == [day(1), day(1), LANDED, LANDED, LANDED]
    assert rows(file)[0]["cost"] == Decimal("1.005")


def test_parquet_dates_are_business_dates(staged):
    source = Source("stock", ParquetFormat((("counted_on", "date"),)), "counted_on")
    counted = pa.table({"counted_on": pa.array([day(1), None, dt.date(1969, 12, 31)])})
    assert days(staged(parquet_bytes(counted), "stock/2011-03-10.parquet", source)) == [day(1), LANDED, LANDED]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "header"),
        (b"Some,Other,Header\n1,2,3\n", "header"),
        (gzip.compress(csv_bytes([sale(str(number)) for number in range(50_000)]), 1, mtime=0)[:-20], "gzip"),
        (csv_bytes([sale("1")]).replace(b"WHITE", b"\xff\xfe\x00"), None),
    ],
)
def test_a_refused_file_leaves_one_row_and_none_of_its_own(staged, content, kind):
    file = staged(content)
    if kind is None:  # a record that cannot be decoded is rejected alone
        assert (file.refusal, file.rejected_records) == (None, 1)
        return
    (row,) = rows(file)
    assert file.refusal == row["reject_reason"]
    assert file.refusal.startswith(f"file:{kind}: ")
    assert {name for name, value in row.items() if value is not None} == {"reject_reason", "business_date"}
    assert (file.records, file.rejected_records, file.business_dates) == (0, 0, (LANDED,))


def test_a_file_of_only_a_header_has_no_rows(staged):
    file = staged(csv_bytes([]))
    assert (file.refusal, file.records, file.business_dates) == (None, 0, ())
    assert rows(file) == []


class _ChangingLanding(LocalLanding):
    """A zone whose file is changed by its source while it is read."""

    def __init__(self, root, change) -> None:
        super().__init__(str(root))
        self._change = change

    def open(self, key):
        file = super().open(key)
        self._change()
        return file


@pytest.mark.parametrize("change", ["append", "replace", "delete"])
def test_a_file_that_changes_while_it_is_read_is_left_for_later(landing_root, tmp_path, change):
    key = "transactions/2011-03-10.csv"
    path = drop(landing_root, key, csv_bytes([sale("1")]))
    changes = {
        "append": lambda: path.write_bytes(csv_bytes([sale("1"), sale("2")])),
        "replace": lambda: drop(landing_root, key, csv_bytes([sale("2")])),
        "delete": path.unlink,
    }
    with pytest.raises(FileChangedError, match=key):
        stage_key(landing_root, tmp_path, key, landing=_ChangingLanding(landing_root, changes[change]))


def test_a_file_that_changed_since_it_was_listed_is_left_for_later(landing_root, tmp_path):
    drop(landing_root, "transactions/2011-03-10.csv", csv_bytes([sale("1")]))
    listed = LandingObject(dt.datetime.now(tz=dt.UTC), "transactions/2011-03-10.csv", "another etag", 1)
    with pytest.raises(FileChangedError):
        stage(LocalLanding(str(landing_root)), FoundFile(listed, LANDED, CALENDAR), TRANSACTIONS, tmp_path)


def test_a_file_that_is_gone_is_reported_as_gone(landing_root, tmp_path):
    listed = LandingObject(dt.datetime.now(tz=dt.UTC), "transactions/2011-03-10.csv", "etag", 1)
    with pytest.raises(FileNotFoundError):
        stage(LocalLanding(str(landing_root)), FoundFile(listed, LANDED, CALENDAR), TRANSACTIONS, tmp_path)


def test_files_of_one_run_are_kept_apart(staged):
    files = [
        staged(csv_bytes([sale(name)]), key)
        for name, key in (("1", "transactions/2011-03-10.csv"), ("2", "transactions/dt=2011-03-10/2011-03-10.csv"))
    ]
    assert [rows(file)[0]["InvoiceNo"] for file in files] == ["1", "2"]

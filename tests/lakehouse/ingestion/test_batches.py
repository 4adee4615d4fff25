"""Ingestion: every file version once, whatever is re-sent, changed, broken or interrupted.

On the embedded engine; that the other one takes in the same is for ``test_ingestion_engines``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import os

import pyarrow as pa
import pytest

from lakehouse.delta.model import TableError, Token
from lakehouse.delta.system_tables import FILES
from lakehouse.engines.sail import SailEngine
from lakehouse.ingestion import manifest as manifests
from lakehouse.ingestion import staging as module
from lakehouse.ingestion.batches import ConcurrentIngestionError
from lakehouse.ingestion.bronze_rows import bronze_layout
from tests.scenario import (
    CUSTOMERS,
    PRODUCTS,
    TRANSACTIONS,
    csv_bytes,
    customer,
    day,
    drop,
    ingestion,
    jsonl_bytes,
    parquet_bytes,
    rows,
    sale,
)

BRONZE = "bronze.transactions"
FIRST, SECOND = "transactions/2011-03-01.csv", "transactions/2011-03-02.csv"


@pytest.fixture
def engine(lake_root) -> SailEngine:
    """The embedded engine, in whose process a test can interfere."""
    return SailEngine(str(lake_root))


@pytest.fixture
def take_in(engine, landing_root):
    """Run an ingestion over some landing dates, report nothing and confirm."""

    def run(*landing_dates: dt.date, source=TRANSACTIONS, confirm: bool = True):
        taking = ingestion(engine, landing_root, source)
        result = taking.run(landing_dates or (day(1), day(2)), run_id="run")
        if confirm:
            taking.confirm()
        return result

    return run


def invoices(engine) -> list[tuple]:
    """What bronze holds: file, batch, invoice; a row about a file has no invoice."""
    return rows(engine, BRONZE, "source_file", "batch_id", "InvoiceNo")


def registered(engine) -> list[tuple]:
    return rows(engine, FILES.name, "source_file", "batch_id", "outcome")


def current(engine) -> list[tuple]:
    """The invoices that count: within a day, those of a file's highest batch."""
    if engine.version(BRONZE) is None:
        return []
    found = engine.collect(engine.read(BRONZE)).to_pylist()
    newest: dict[tuple, int] = {}
    for row in found:
        if not (row["reject_reason"] or "").startswith("file:") or row["reject_reason"].startswith("file:superseded"):
            version = row["business_date"], row["source_file"]
            newest[version] = max(newest.get(version, 0), row["batch_id"])
    counting = [
        (row["source_file"], row["InvoiceNo"], row["business_date"])
        for row in found
        if row["source_record"] is not None and row["batch_id"] == newest[row["business_date"], row["source_file"]]
    ]
    return sorted(counting, key=repr)


# What is taken in


def test_a_file_becomes_rows_as_received_and_what_is_known_about_them(engine, landing_root, take_in):
    drop(landing_root, FIRST, csv_bytes([sale("1", Quantity=" 6", Description='5" pipe'), sale("2")]) + b"cut,off\n")
    before = dt.datetime.now(tz=dt.UTC)
    result = take_in()

    assert engine.read(BRONZE).columns == bronze_layout(TRANSACTIONS).schema.names
    good, _, bad = sorted(engine.collect(engine.read(BRONZE)).to_pylist(), key=lambda row: row["source_record"])
    assert (good["Quantity"], good["Description"], good["UnitPrice"]) == (" 6", '5" pipe', "2.55")
    assert (good["source_file"], good["data_source"], good["source_record"]) == (FIRST, "transactions", 1)
    assert (good["landing_date"], good["business_date"], good["batch_id"]) == (day(1), day(1), 1)
    assert before <= good["ingestion_timestamp"] <= dt.datetime.now(tz=dt.UTC)
    assert (good["reject_reason"], good["raw_record"]) == (None, None)
    assert bad["raw_record"] == "cut,off"
    assert bad["reject_reason"].startswith("fields: ")

    (file,) = engine.collect(engine.read(FILES.name)).to_pylist()
    assert (file["outcome"], file["records"], file["rejected_records"], file["copy_of"]) == ("ingested", 3, 1, None)
    assert (file["business_dates"], file["source_version"]) == ([day(1)], good["source_version"])
    assert file["ingested_at"] == good["ingestion_timestamp"]
    assert (result.dates, result.rows, result.version) == ({day(1)}, {day(1): 3}, 1)
    assert [row["source_file"] for row in result.newest] == [FIRST]


@pytest.mark.parametrize(
    ("source", "key", "content"),
    [
        (CUSTOMERS, "customers/2011-03-01.jsonl", jsonl_bytes([customer(1), customer(2)])),
        (CUSTOMERS, "customers/dt=2011-03-01/part.jsonl.gz", gzip.compress(jsonl_bytes([customer(1), customer(2)]))),
        (
            PRODUCTS,
            "products/2011-03-01.parquet",
            parquet_bytes(
                pa.table(
                    {
                        field.name: pa.nulls(2, field.type)
                        for field in list(PRODUCTS.format.schema)[: len(PRODUCTS.format.columns)]
                    }
                )
            ),
        ),
    ],
)
def test_every_format_is_taken_in(engine, landing_root, take_in, source, key, content):
    drop(landing_root, key, content)
    take_in(source=source)
    take_in(source=source)
    found = rows(engine, f"bronze.{source.name}", "source_file", "source_record", "business_date")
    assert found == [(key, 1, day(1)), (key, 2, day(1))]


def test_an_unchanged_file_is_taken_in_once(engine, landing_root, take_in):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    take_in()
    again = take_in()
    assert invoices(engine) == [(FIRST, 1, "1")]
    assert (again.dates, again.files, again.version) == (set(), [], None)
    assert (engine.version(BRONZE), engine.version(FILES.name)) == (1, 1)
    assert [row["source_file"] for row in again.newest] == [FIRST]


def test_the_same_bytes_sent_again_under_the_same_name_are_no_news(engine, landing_root, take_in):
    for _ in range(2):
        drop(landing_root, FIRST, csv_bytes([sale("1")]))
        take_in()
    assert invoices(engine) == [(FIRST, 1, "1")]


def test_only_the_landing_dates_asked_for_are_taken(engine, landing_root, take_in):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, SECOND, csv_bytes([sale("2")]))
    drop(landing_root, "transactions/2011-03-011.txt", b"")
    drop(landing_root, "customers/2011-03-01.csv", csv_bytes([sale("3")]))
    take_in(day(1))
    assert current(engine) == [(FIRST, "1", day(1))]
    take_in(*[day(number) for number in range(1, 20)])
    assert current(engine) == [(FIRST, "1", day(1)), (SECOND, "2", day(1))]


def test_nothing_in_the_landing_zone_makes_no_table(engine, take_in):
    result = take_in()
    assert (result.dates, result.newest, engine.version(BRONZE), engine.version(FILES.name)) == (set(), [], None, None)


def test_rows_of_other_days_are_reported(landing_root, take_in):
    drop(landing_root, SECOND, csv_bytes([sale("1"), sale("2", at="2010-12-24 10:00:00"), sale("3", at="absurd")]))
    result = take_in()
    assert result.dates == {dt.date(2010, 12, 24), day(1), day(2)}
    assert result.rows == {dt.date(2010, 12, 24): 1, day(1): 1, day(2): 1}


# What is changed, copied or refused


def test_a_changed_file_supersedes_and_marks_the_days_it_left(engine, landing_root, take_in):
    drop(landing_root, SECOND, csv_bytes([sale("1"), sale("2", at="2011-03-02 10:00:00")]))
    take_in()
    drop(landing_root, SECOND, csv_bytes([sale("2b", at="2011-03-02 10:00:00")]))
    result = take_in()
    assert result.dates == {day(1), day(2)}
    assert current(engine) == [(SECOND, "2b", day(2))]
    assert rows(engine, BRONZE, "batch_id", "InvoiceNo", "business_date", "source_record")[1:] == [
        (1, "2", day(2), 2),
        (2, "2b", day(2), 1),
        (2, None, day(1), None),
    ]
    (mark,) = engine.collect(engine.read(BRONZE).where("source_record IS NULL")).to_pylist()
    assert mark["reject_reason"].startswith("file:superseded: ")


def test_a_file_may_go_back_to_an_older_version(engine, landing_root, take_in):
    for invoice in ("1", "2", "1"):
        drop(landing_root, FIRST, csv_bytes([sale(invoice)]))
        take_in()
    assert current(engine) == [(FIRST, "1", day(1))]
    assert [batch for _, batch, _ in registered(engine)] == [1, 2, 3]


def test_a_file_changed_to_hold_nothing_leaves_no_row(engine, landing_root, take_in):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    take_in()
    drop(landing_root, FIRST, csv_bytes([]))
    assert take_in().dates == {day(1)}
    assert current(engine) == []
    assert take_in().dates == set()


def test_a_file_of_only_a_header_is_registered_once(engine, landing_root, take_in):
    drop(landing_root, FIRST, csv_bytes([]))
    assert take_in().dates == set()
    assert registered(engine) == [(FIRST, 1, "ingested")]
    assert take_in().files == []


def test_a_copy_is_recorded_and_not_taken_in(engine, landing_root, take_in):
    copy = "transactions/2011-03-01 again.csv"
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    take_in()
    drop(landing_root, copy, csv_bytes([sale("1")]))
    result = take_in()
    assert (result.dates, result.rows) == (set(), {})
    assert invoices(engine) == [(FIRST, 1, "1")]
    assert rows(engine, FILES.name, "source_file", "outcome", "copy_of") == [
        (copy, "copy", FIRST),
        (FIRST, "ingested", None),
    ]
    assert take_in().files == []


def test_of_two_copies_in_one_run_one_is_taken_in(engine, landing_root, take_in):
    drop(landing_root, "transactions/dt=2011-03-01/a.csv", csv_bytes([sale("1")]))
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    take_in()
    assert len(invoices(engine)) == 1
    assert sorted(outcome for _, _, outcome in registered(engine)) == ["copy", "ingested"]


def test_a_copy_that_is_changed_is_taken_in(engine, landing_root, take_in):
    copy = "transactions/2011-03-01b.csv"
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, copy, csv_bytes([sale("1")]))
    take_in()
    drop(landing_root, copy, csv_bytes([sale("2")]))
    take_in()
    assert current(engine) == [(FIRST, "1", day(1)), (copy, "2", day(1))]


def test_the_same_bytes_on_another_landing_date_are_a_new_snapshot(engine, landing_root, take_in):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, SECOND, csv_bytes([sale("1")]))
    take_in()
    assert current(engine) == [(FIRST, "1", day(1)), (SECOND, "1", day(1))]


def test_sources_do_not_know_each_others_files(engine, landing_root, take_in):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, "customers/2011-03-01.jsonl", jsonl_bytes([customer(1)]))
    take_in()
    take_in(source=CUSTOMERS)
    assert rows(engine, FILES.name, "data_source", "batch_id") == [("customers", 1), ("transactions", 1)]
    assert take_in().files == take_in(source=CUSTOMERS).files == []


def test_a_refused_file_is_one_row_and_heals_when_it_comes_whole(engine, landing_root, take_in):
    whole = gzip.compress(csv_bytes([sale("1", at="2011-02-28 10:00:00")]))
    key = "transactions/2011-03-01.csv.gz"
    drop(landing_root, key, whole[:-10])
    assert take_in().dates == {day(1)}
    assert registered(engine) == [(key, 1, "refused")]
    assert invoices(engine) == [(key, 1, None)]
    assert take_in().files == []

    drop(landing_root, key, whole)
    assert take_in().dates == {dt.date(2011, 2, 28), day(1)}
    assert current(engine) == [(key, "1", dt.date(2011, 2, 28))]


def test_a_good_file_that_is_sent_broken_keeps_its_rows(engine, landing_root, take_in):
    christmas = dt.date(2010, 12, 24)
    drop(landing_root, FIRST, csv_bytes([sale("1"), sale("2", at=f"{christmas} 10:00:00")]))
    take_in()
    drop(landing_root, FIRST, b"not,a,header\n")
    assert take_in().dates == {day(1)}
    assert current(engine) == [(FIRST, "1", day(1)), (FIRST, "2", christmas)]
    assert [outcome for _, _, outcome in registered(engine)] == ["ingested", "refused"]


def test_the_same_refused_bytes_under_another_name_are_refused_too(engine, landing_root, take_in):
    drop(landing_root, FIRST, b"not,a,header\n")
    drop(landing_root, "transactions/2011-03-01b.csv", b"not,a,header\n")
    take_in()
    assert [outcome for _, _, outcome in registered(engine)] == ["refused", "refused"]


POISON = {
    "empty": b"",
    "another header": b"Some,Other\n1,2\n",
    "cut gzip": gzip.compress(csv_bytes([sale("1")]))[:-9],
    "broken gzip": b"\x1f\x8b\x08\x00" + b"\xff" * 100,
    "not text": bytes(range(256)) * 10,
    "wrong encoding": csv_bytes([sale("9", Description="é")]).decode().encode("utf-16-be"),
    "nul bytes": csv_bytes([sale("9")]) + b"\x00" * 1000 + b"\n",
    "open quote": csv_bytes([]) + b'9,"' + b"x,\n" * 5000,
    "parquet": parquet_bytes(pa.table({"a": [1]})),
    "a date before all dates": csv_bytes([sale("9", at="0001-01-01T00:00:00+14:00")]),
    "a date after all dates": csv_bytes([sale("9", at="9999-12-31T23:59:59-01:00")]),
    "a very long field": csv_bytes([sale("9", at="9" * 1_000_000)]),
    "columns of bronze": b"batch_id,business_date,source_file\n1,2,3\n",
    "extra columns of bronze": csv_bytes(
        [sale("9", batch_id="0", business_date="x", source_record="y")],
        [*TRANSACTIONS.format.schema.names[:8], "batch_id", "business_date", "source_record"],
    ),
}


@pytest.mark.parametrize("kind", POISON)
def test_a_poisonous_file_leaves_a_row_and_does_not_stop_the_others(engine, landing_root, take_in, kind):
    poison = "transactions/2011-03-01b.csv"
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, poison, POISON[kind])
    drop(landing_root, SECOND, csv_bytes([sale("2")]))
    take_in()
    assert {file for file, _, _ in registered(engine)} == {FIRST, poison, SECOND}
    assert [batch for file, batch, _ in invoices(engine) if file == poison]
    assert [found for found in current(engine) if found[0] != poison] == [(FIRST, "1", day(1)), (SECOND, "2", day(1))]
    assert take_in().files == []


@pytest.mark.parametrize("key", ["customers/2011-03-01.jsonl", "products/2011-03-01.parquet"])
@pytest.mark.parametrize(
    "content", [b"", b"[1, 2]", b"PAR1", b"\x00" * 100, b"{}\n{", gzip.compress(b"{}", mtime=0)[:-5]]
)
def test_poison_in_other_formats_does_not_stop_the_run(engine, landing_root, take_in, key, content):
    source = CUSTOMERS if key.startswith("customers") else PRODUCTS
    drop(landing_root, key, content)
    take_in(source=source)
    assert [file for file, _, _ in registered(engine)] == [key]


def test_poisonous_names_do_not_stop_the_run(engine, landing_root, take_in):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    folder = landing_root / "transactions"
    os.mkfifo(folder / "2011-03-01-pipe.csv")
    (folder / "2011-03-01-folder.csv").mkdir()
    (folder / "2011-03-01-gone.csv").symlink_to("nowhere")
    (folder / os.fsdecode(b"2011-03-01-\xff.csv")).write_bytes(csv_bytes([sale("9")]))
    odd = 'transactions/2011-03-01 it\'s "ünï 雪" 100%\n\t.csv'
    drop(landing_root, odd, csv_bytes([sale("2")]))
    take_in()
    assert current(engine) == [(odd, "2", day(1)), (FIRST, "1", day(1))]
    assert take_in().files == []


def test_a_file_that_is_being_written_to_is_left_for_the_next_run(landing_root, take_in, monkeypatch, engine):
    path = drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, SECOND, csv_bytes([sale("2")]))
    read = module.stage

    def growing(landing, file, *rest):
        if file.found.key == FIRST:
            path.write_bytes(path.read_bytes() + csv_bytes([sale("1b")]).split(b"\n", 1)[1])
        return read(landing, file, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(module, "stage", growing)
        assert take_in().skipped == [FIRST]
    assert current(engine) == [(SECOND, "2", day(1))]
    assert take_in().skipped == []
    assert current(engine) == [(FIRST, "1", day(1)), (FIRST, "1b", day(1)), (SECOND, "2", day(1))]


def test_a_file_that_vanishes_is_left_out(engine, landing_root):
    path = drop(landing_root, FIRST, csv_bytes([sale("1")]))
    taking = ingestion(engine, landing_root)
    result = taking.run([day(1)], run_id="run", progress=lambda _: path.unlink())
    assert result.skipped == [FIRST]
    assert engine.version(BRONZE) is None


# Batches


def test_a_run_commits_batch_by_batch_and_keeps_no_staged_file_of_a_committed_one(engine, landing_root, monkeypatch):
    for number in range(1, 6):
        drop(landing_root, f"transactions/2011-03-0{number}.csv", csv_bytes([sale(str(number))]))
    monkeypatch.setattr(engine, "batch_bytes", 0)
    folders, left = set(), []
    read = module.stage

    def watched(landing, file, source, folder):
        folders.add(folder)
        left.append(len(list(folder.iterdir())))
        return read(landing, file, source, folder)

    monkeypatch.setattr(module, "stage", watched)
    taking = ingestion(engine, landing_root)
    result = taking.run([day(number) for number in range(1, 6)], run_id="run")
    assert [batch for _, batch, _ in invoices(engine)] == [1, 2, 3, 4, 5]
    assert (result.rows, len(result.files), result.version) == ({day(1): 5}, 5, 5)
    assert [batch.number for batch in taking.interrupted().batches] == [1, 2, 3, 4, 5]
    assert left == [0] * 5
    assert not any(folder.exists() for folder in folders)


def test_progress_names_every_file_before_it_is_read(engine, landing_root):
    for key in (FIRST, SECOND):
        drop(landing_root, key, csv_bytes([sale(key)]))
    seen = []
    ingestion(engine, landing_root).run([day(1), day(2)], run_id="run", progress=seen.append)
    assert [(file.done, file.total, file.key) for file in seen] == [(1, 2, FIRST), (2, 2, SECOND)]


# Crashes


class CrashError(BaseException):
    """The process ends here; like a kill, nothing on the way catches it."""


@pytest.fixture
def crash(monkeypatch, engine):
    """Let the process end at a point of the protocol, once."""

    def at(point: str, batch: int = 1) -> None:
        happened = []
        append, write = engine.append, manifests.write_text

        def dying() -> None:
            happened.append(point)
            raise CrashError(point)

        def appending(layout, batches, *, token: Token | None = None, metadata=None):
            table = "files" if layout.name == FILES.name else "bronze"
            mine = token is not None and token.number == batch and not happened
            if mine and point == f"before {table}":
                dying()
            if mine and point == f"during {table}":
                with contextlib.suppress(TableError, OSError):
                    append(layout, [*batches, _breaks_off], token=token, metadata=metadata)
                dying()
            version = append(layout, batches, token=token, metadata=metadata)
            if mine and point == f"after {table}":
                dying()
            return version

        def writing(location, text):
            if point == "before manifest" and not happened and f'"number": {batch}' in text:
                dying()
            write(location, text)

        monkeypatch.setattr(engine, "append", appending)
        monkeypatch.setattr(manifests, "write_text", writing)

    return at


def _breaks_off():
    raise OSError("the machine went away")
    yield


POINTS = [
    "before manifest",
    "before bronze",
    "during bronze",
    "after bronze",
    "before files",
    "after files",
    "before confirm",
]


@pytest.fixture(params=["one batch", "a batch a file"])
def crashing_batch(request, monkeypatch, engine) -> int:
    """The batch to crash in: the only one, or the second of several."""
    if request.param == "one batch":
        return 1
    monkeypatch.setattr(engine, "batch_bytes", 0)
    return 2


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_any_point_loses_and_doubles_nothing(engine, landing_root, take_in, crash, crashing_batch, point):
    march = "transactions/2011-03-02 late.csv"
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, SECOND, csv_bytes([sale("2", at="2011-03-02 10:00:00")]))
    drop(landing_root, march, csv_bytes([sale("3", at="2010-12-24 10:00:00")]))
    if point == "before confirm":
        take_in(confirm=False)
    else:
        crash(point, crashing_batch)
        with pytest.raises(CrashError):
            take_in()

    reported = take_in().dates

    once = [(FIRST, "1"), (march, "3"), (SECOND, "2")]
    assert [(file, invoice) for file, _, invoice in invoices(engine)] == sorted(once)
    assert sorted(file for file, _, _ in registered(engine)) == sorted(file for file, _ in once)
    assert reported == {dt.date(2010, 12, 24), day(1), day(2)}
    again = take_in()
    assert (again.dates, again.files) == (set(), [])


@pytest.mark.parametrize("point", POINTS[3:])
def test_dates_of_a_crashed_run_are_reported_by_a_run_for_other_landing_dates(
    engine, landing_root, take_in, crash, point
):
    drop(landing_root, FIRST, csv_bytes([sale("1", at="2010-12-24 10:00:00")]))
    drop(landing_root, "transactions/2011-03-05.csv", csv_bytes([sale("5")]))
    if point == "before confirm":
        take_in(day(1), confirm=False)
    else:
        crash(point)
        with pytest.raises(CrashError):
            take_in(day(1))
    assert take_in(day(5)).dates == {dt.date(2010, 12, 24), day(1)}
    assert take_in(day(1)).files == []
    assert len(invoices(engine)) == 2


@pytest.mark.parametrize("point", POINTS)
def test_crashing_again_and_again_loses_and_doubles_nothing(engine, landing_root, take_in, crash, monkeypatch, point):
    monkeypatch.setattr(engine, "batch_bytes", 0)
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, SECOND, csv_bytes([sale("2", at="2011-03-02 10:00:00")]))
    for batch in (1, 2):
        if point == "before confirm":
            take_in(confirm=False)
            continue
        crash(point, batch)
        with pytest.raises(CrashError):
            take_in()
    assert take_in().dates >= {day(2)}
    assert [(file, invoice) for file, _, invoice in invoices(engine)] == [(FIRST, "1"), (SECOND, "2")]
    assert len(registered(engine)) == 2


@pytest.mark.parametrize("point", POINTS)
def test_a_changed_file_and_a_copy_survive_a_crash(engine, landing_root, take_in, crash, point):
    drop(landing_root, FIRST, csv_bytes([sale("1"), sale("gone", at="2010-12-24 10:00:00")]))
    take_in()
    drop(landing_root, FIRST, csv_bytes([sale("1b")]))
    drop(landing_root, SECOND, csv_bytes([sale("2", at="2011-03-02 10:00:00")]))
    drop(landing_root, "transactions/2011-03-02b.csv", csv_bytes([sale("2", at="2011-03-02 10:00:00")]))
    if point == "before confirm":
        take_in(confirm=False)
    else:
        crash(point, 2)
        with pytest.raises(CrashError):
            take_in()
    assert take_in().dates == {dt.date(2010, 12, 24), day(1), day(2)}
    assert current(engine) == [(FIRST, "1b", day(1)), (SECOND, "2", day(2))]
    assert len(invoices(engine)) == 5  # two old ones, a new one, a mark, and the other file's
    assert [outcome for _, _, outcome in registered(engine)].count("copy") == 1


@pytest.mark.parametrize("point", POINTS)
def test_a_run_of_only_a_copy_survives_a_crash(engine, landing_root, take_in, crash, point):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    take_in()
    drop(landing_root, "transactions/2011-03-01b.csv", csv_bytes([sale("1")]))
    if point == "before confirm":
        take_in(confirm=False)
    else:
        crash(point, 2)
        with pytest.raises(CrashError):
            take_in()
    take_in()
    drop(landing_root, SECOND, csv_bytes([sale("2")]))
    take_in()
    assert current(engine) == [(FIRST, "1", day(1)), (SECOND, "2", day(1))]
    assert sorted(outcome for _, _, outcome in registered(engine)) == ["copy", "ingested", "ingested"]


def test_a_file_that_vanished_after_the_crash_is_still_registered(engine, landing_root, take_in, crash):
    path = drop(landing_root, FIRST, csv_bytes([sale("1")]))
    crash("after bronze")
    with pytest.raises(CrashError):
        take_in()
    path.unlink()
    assert take_in().dates == {day(1)}
    assert registered(engine) == [(FIRST, 1, "ingested")]


def test_a_confirmed_run_has_no_manifest(engine, landing_root, take_in):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    taking = ingestion(engine, landing_root)
    take_in(confirm=False)
    assert taking.interrupted().landing_dates == [day(1)]
    taking.confirm()
    taking.confirm()
    assert taking.interrupted() is None


# Two runs at once, which a pool should prevent


def test_a_run_overtaken_while_it_reads_gives_up_and_the_next_one_takes_its_files(engine, landing_root, take_in):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, SECOND, csv_bytes([sale("2")]))
    overtaken = ingestion(engine, landing_root)
    with pytest.raises(ConcurrentIngestionError, match=r"bronze\.transactions.*batch 1"):
        overtaken.run([day(1), day(2)], run_id="slow", progress=lambda file: file.done == 1 and take_in(day(2)))
    assert invoices(engine) == [(SECOND, 1, "2")]
    take_in()
    assert invoices(engine) == [(FIRST, 2, "1"), (SECOND, 1, "2")]
    assert len(registered(engine)) == 2


@pytest.mark.parametrize("moment", ["before bronze", "after bronze"])
@pytest.mark.parametrize("landing_dates", [(day(1), day(2)), (day(2),)])
def test_a_run_overtaken_while_it_commits_loses_nothing(
    engine, landing_root, take_in, monkeypatch, moment, landing_dates
):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, SECOND, csv_bytes([sale("2")]))
    append = engine.append
    overtaken = []

    def overtake() -> None:
        if not overtaken:
            overtaken.append(True)
            take_in(*landing_dates)

    def appending(layout, batches, **arguments):
        if layout.name == FILES.name or overtaken:
            return append(layout, batches, **arguments)
        if moment == "before bronze":
            overtake()
        version = append(layout, batches, **arguments)
        overtake()
        return version

    monkeypatch.setattr(engine, "append", appending)
    slow = ingestion(engine, landing_root)
    if moment == "before bronze":
        with pytest.raises(ConcurrentIngestionError):
            slow.run([day(1)], run_id="slow")
    else:
        slow.run([day(1)], run_id="slow")
    take_in()
    assert sorted(invoice for _, _, invoice in invoices(engine)) == ["1", "2"]
    assert len(registered(engine)) == 2


def test_a_manifest_of_a_loser_never_registers_files_that_are_not_in_bronze(engine, landing_root, take_in, crash):
    """One run has appended and dies; another one has put its own manifest, for the same number, in the place."""
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, SECOND, csv_bytes([sale("2", at="2011-03-02 10:00:00")]))
    manifest = landing_root.parent / "system" / "manifests" / "transactions.json"
    crash("before bronze")
    with pytest.raises(CrashError):
        take_in(day(2))
    of_loser = manifest.read_text()
    crash("after bronze")
    with pytest.raises(CrashError):
        take_in(day(1))
    manifest.write_text(of_loser)

    take_in()
    assert current(engine) == [(FIRST, "1", day(1)), (SECOND, "2", day(2))]
    assert {file for file, _, _ in registered(engine)} == {FIRST, SECOND}


def test_bytes_that_a_correction_has_replaced_are_no_copy_under_another_name(engine, landing_root, take_in):
    first, other = csv_bytes([sale("1", at="2011-03-01 09:00:00")]), csv_bytes([sale("2", at="2011-03-01 10:00:00")])
    drop(landing_root, "transactions/2011-03-01.csv", first)
    take_in(day(1))
    drop(landing_root, "transactions/2011-03-01.csv", other)
    take_in(day(1))
    drop(landing_root, "transactions/2011-03-01-b.csv", first)
    take_in(day(1))
    assert rows(engine, FILES.name, "source_file", "outcome") == [
        ("transactions/2011-03-01-b.csv", "ingested"),
        ("transactions/2011-03-01.csv", "ingested"),
        ("transactions/2011-03-01.csv", "ingested"),
    ]


def test_a_copy_is_taken_in_once_the_file_it_is_a_copy_of_has_other_bytes(engine, landing_root, take_in):
    copy, third = "transactions/2011-03-01b.csv", "transactions/2011-03-01c.csv"
    for key in (FIRST, copy, third):
        drop(landing_root, key, csv_bytes([sale("1")]))
    take_in()
    drop(landing_root, FIRST, csv_bytes([sale("1b")]))
    assert len(take_in().files) == 3  # in the same run: nobody asks for the copy's day again
    assert current(engine) == [(FIRST, "1b", day(1)), (copy, "1", day(1))]
    assert [(file, outcome) for file, _, outcome in registered(engine) if file == third] == [(third, "copy")] * 2
    assert take_in().files == []
    drop(landing_root, FIRST, b"not,a,header\n")  # a refusal replaces nothing
    take_in()
    assert [file for file, _, _ in current(engine)] == [FIRST, copy]


def test_a_copy_of_a_file_that_was_corrected_before_is_taken_in_by_the_next_run(engine, landing_root, take_in):
    """As in lakes that left it out."""
    copy = "transactions/2011-03-01b.csv"
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, copy, csv_bytes([sale("1")]))
    take_in()
    hidden = (landing_root / copy).rename(landing_root / "hidden")
    drop(landing_root, FIRST, csv_bytes([sale("1b")]))
    take_in()
    hidden.rename(landing_root / copy)
    take_in()
    assert current(engine) == [(FIRST, "1b", day(1)), (copy, "1", day(1))]


@pytest.mark.parametrize(("content", "outcome"), [(csv_bytes([sale("1")]), "ingested"), (b"not,a,header\n", "refused")])
def test_a_file_written_again_with_the_same_bytes_is_read_once_more_and_not_again(
    engine, landing_root, take_in, monkeypatch, content, outcome
):
    drop(landing_root, FIRST, content)
    take_in()
    drop(landing_root, FIRST, content)
    again = take_in()
    assert (again.files, again.dates, [row["outcome"] for row in again.newest]) == ([], set(), [outcome])
    monkeypatch.setattr(module, "stage", None)
    assert take_in().files == []
    assert [kind for _, _, kind in registered(engine)] == [outcome, "unchanged"]
    assert len(invoices(engine)) == 1


@pytest.mark.parametrize("point", POINTS)
def test_a_run_of_only_an_unchanged_file_survives_a_crash(engine, landing_root, take_in, crash, point):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    take_in()
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    if point == "before confirm":
        take_in(confirm=False)
    else:
        crash(point, 2)
        with pytest.raises(CrashError):
            take_in()
    take_in()
    assert [kind for _, _, kind in registered(engine)] == ["ingested", "unchanged"]
    assert current(engine) == [(FIRST, "1", day(1))]
    drop(landing_root, FIRST, csv_bytes([sale("1b", at="2011-03-02 09:00:00")]))
    assert take_in().dates == {day(1), day(2)}
    assert current(engine) == [(FIRST, "1b", day(2))]

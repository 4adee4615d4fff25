"""The files as the landing reader sees them: every planted unreadable record where the key says, and no other."""

from __future__ import annotations

from examples import shop
from tests.examples.shop.handmade import landing_files, records


def unreadable(out):
    found = set()
    for key in landing_files(out):
        for row in records(out, key):
            reason = row["reject_reason"]
            if reason is not None:
                parts = reason.split(":")
                rule = f"file:{parts[1]}" if parts[0] == "file" else f"record:{parts[0]}"
                found.add((key, row["source_record"], rule))
    return found


def planted(out, waves):
    faults = [fault for fault in shop.read_answer_key(out).faults if fault.counts_after(waves)]
    return {
        (fault.file, fault.record, fault.rules[0])
        for fault in faults
        if fault.rules and fault.rules[0].startswith(("record:", "file:"))
    }


def test_the_reader_rejects_each_planted_unreadable_record_and_none_else(world):
    assert unreadable(world) == planted(world, 1)


def test_after_the_corrections_the_truncated_archive_is_whole(processed):
    archive = "transactions/dt=2026-01-07/part-1.csv.gz"
    assert unreadable(processed.out) == planted(processed.out, 2)
    assert not [place for place in unreadable(processed.out) if place[0] == archive]


def test_every_way_of_being_unreadable_occurs(world):
    assert {rule for _, _, rule in planted(world, 1)} == {
        *(f"record:{kind}" for kind in ("fields", "quote", "encoding", "nul", "newline", "json", "not_object")),
        "record:duplicate_key",
        *(f"file:{kind}" for kind in ("header", "bom", "gzip", "not_object", "parquet")),
    }


def test_the_reader_counts_as_many_records_as_the_key(world):
    for file in shop.read_answer_key(world).deliveries[0]["files"]:
        rows = records(world, file["file"])
        refused = (rows[0]["reject_reason"] or "").startswith("file:")
        assert (0 if refused else len(rows)) == file["records"], file["file"]


def test_a_file_with_an_extra_column_keeps_it_and_one_without_customers_has_none(world):
    app = records(world, "transactions/2026-01-09-app.csv")
    assert {row["rescued_data"] for row in app} == {'{"Channel":"app"}'}
    phone = records(world, "transactions/2026-01-10-phone.csv")
    assert {row["CustomerID"] for row in phone} == {None}
    assert all(row["Country"] for row in phone)


def test_a_file_of_other_order_case_line_ends_and_mark_reads_like_any_other(world):
    kiosk = records(world, "transactions/2026-01-09-kiosk.csv")
    assert (world / "transactions/2026-01-09-kiosk.csv").read_bytes().startswith(b"\xef\xbb\xbfCOUNTRY,CUSTOMERID,")
    assert all(row["InvoiceDate"].startswith("2026-01-09 ") and row["StockCode"] for row in kiosk)

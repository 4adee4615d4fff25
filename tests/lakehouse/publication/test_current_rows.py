"""Which bronze rows still count, and the count of rows to account for."""

from __future__ import annotations

import random

from lakehouse.publication.current_rows import current_rows
from tests.embedded import on_both
from tests.frames import bronze_transactions, picked, refusal, superseded_mark
from tests.scenario import day, sale

A, B = "transactions/2011-03-01.csv", "transactions/2011-03-01-b.csv"


def line(invoice, batch_id, file=A, **about):
    return {**sale(invoice), "batch_id": batch_id, "source_file": file, "source_version": f"v{batch_id}", **about}


def current(engine, rows, *days):
    """Return the invoices (or reasons) that count, and rows in and superseded of each day."""
    rows = list(rows)
    random.Random(7).shuffle(rows)  # noqa: S311 - the order of arrival must not matter
    found = current_rows(engine, bronze_transactions(engine, rows), days or [day(1)])
    kept = picked(found.frame, "InvoiceNo", "reject_reason")
    counts = {number: (tally.rows_in, tally.superseded) for number, tally in found.tallies.items()}
    return sorted(invoice or reason.split(": ")[0] for invoice, reason in kept), counts


def test_rows_of_every_file_count_while_nothing_replaces_them(engine):
    rows = [line("1", 1), line("2", 1), line("3", 2, file=B)]
    assert current(engine, rows) == (["1", "2", "3"], {day(1): (3, 0)})


def test_a_newer_version_replaces_all_rows_of_its_file(engine):
    rows = [line("1", 1), line("2", 1), line("2", 4), line("3", 2, file=B)]
    assert current(engine, rows) == (["2", "3"], {day(1): (4, 2)})


def test_of_many_versions_the_highest_batch_counts(engine):
    rows = [line(str(batch), batch) for batch in (3, 10, 2, 9)]
    assert current(engine, rows) == (["10"], {day(1): (4, 3)})


def test_versions_are_told_apart_by_day(engine):
    rows = [line("1", 1), line("2", 1, business_date=day(2)), line("3", 2)]
    assert current(engine, rows, day(1), day(2)) == (["2", "3"], {day(1): (2, 1), day(2): (1, 0)})


def test_a_mark_removes_what_a_newer_version_no_longer_holds_and_is_no_row(engine):
    rows = [line("1", 1), line("2", 1), superseded_mark(2, source_file=A), line("3", 1, file=B)]
    assert current(engine, rows) == (["3"], {day(1): (3, 2)})


def test_rows_that_come_back_after_a_mark_count(engine):
    rows = [line("1", 1), superseded_mark(2, source_file=A), line("1", 3)]
    assert current(engine, rows) == (["1"], {day(1): (2, 1)})


def test_a_refused_version_replaces_nothing_and_stands_beside_the_rows(engine):
    rows = [line("1", 1), refusal(2, source_file=A)]
    assert current(engine, rows) == (["1", "file:gzip"], {day(1): (2, 0)})


def test_of_two_refusals_the_newer_stands(engine):
    rows = [line("1", 1), refusal(2, source_file=A), refusal(3, "encoding", source_file=A)]
    assert current(engine, rows) == (["1", "file:encoding"], {day(1): (3, 1)})


def test_a_readable_version_heals_every_refusal_before_it(engine):
    rows = [refusal(1, source_file=A), refusal(2, source_file=A), line("1", 3)]
    assert current(engine, rows) == (["1"], {day(1): (3, 2)})


def test_a_refusal_is_healed_by_a_version_with_rows_of_other_days_only(engine):
    rows = [refusal(1, source_file=A), superseded_mark(2, source_file=A), line("1", 2, business_date=day(2))]
    assert current(engine, rows, day(1), day(2)) == (["1"], {day(1): (1, 1), day(2): (1, 0)})


def test_a_refusal_after_the_healing_stands_again(engine):
    rows = [refusal(1, source_file=A), line("1", 2), refusal(3, source_file=A)]
    assert current(engine, rows) == (["1", "file:gzip"], {day(1): (3, 1)})


def test_a_day_without_rows_is_accounted_for_with_nothing(engine):
    assert current(engine, [], day(1), day(2)) == ([], {day(1): (0, 0), day(2): (0, 0)})


@on_both
def test_files_of_any_name_are_told_apart_in_one_day(engine):
    odd = ["o'brien.csv", 'a"b.csv', "é — 1.csv"]
    rows = [line(f"{name} {batch}", batch, file=name) for name in odd for batch in (1, 2)]
    rows += [line("1", 1), refusal(2, source_file=A), refusal(3, "encoding", source_file=A)]
    rows += [line("2", 1, file=B), superseded_mark(2, source_file=B), line("3", 2, file=B, business_date=day(2))]
    kept = sorted(["1", "3", "file:encoding", *[f"{name} 2" for name in odd]])
    assert current(engine, rows, day(1), day(2)) == (kept, {day(1): (10, 5), day(2): (1, 0)})

"""Generating and delivering a world: the same bytes, safe to repeat, every kind of fault in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from examples import shop
from lakehouse.landing.zone import route
from tests.examples.shop.conftest import SMALLEST
from tests.examples.shop.handmade import landing_files


def contents(out):
    return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_the_same_arguments_give_the_same_bytes_in_another_process_with_other_hashes(world, tmp_path):
    program = (
        "from examples import shop; import datetime, pathlib;"
        f"shop.generate(pathlib.Path({str(tmp_path)!r}), days=8, rows_per_day=200, seed=3,"
        " start=datetime.date(2026, 1, 5))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    assert contents(tmp_path) == contents(world)


def test_another_seed_gives_another_world(world, tmp_path):
    shop.generate(tmp_path, **SMALLEST | {"seed": 4})
    mine, other = contents(tmp_path), contents(world)
    assert mine.keys() == other.keys()
    same = {path.name for path in mine if mine[path] == other[path]}
    assert same == {
        "2026-01-06-empty.csv",
        "2026-01-07-empty.csv",
        "2026-01-08-array.jsonl",
        "2026-01-09-array.jsonl",
        "2026-01-11-utf16.csv",
    }


def test_a_known_file_still_has_the_bytes_it_always_had(world):
    """When this fails, the same seed no longer means the same world: raise `examples.shop.generator.FORMAT`."""
    digests = {name: hashlib.sha256((world / name).read_bytes()).hexdigest() for name in KNOWN_FILES}
    assert digests == KNOWN_FILES


def test_every_landing_file_has_a_place_in_the_landing_layout_and_nothing_unfinished_is_left(world):
    delivered = [file["file"] for file in shop.read_answer_key(world).deliveries[0]["files"]]
    assert landing_files(world) == sorted(delivered)
    assert all(route(key) is not None for key in delivered)
    assert not [path for path in world.rglob(".*") if path.name != ".later"]


def test_the_key_knows_each_file_by_its_bytes(world):
    for delivery in shop.read_answer_key(world).deliveries:
        root = world if delivery["wave"] == 1 else world / ".later" / str(delivery["wave"])
        for file in delivery["files"]:
            content = (root / file["file"]).read_bytes()
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["size_bytes"])


def test_repeating_a_generation_changes_nothing_even_after_a_delivery(tmp_path):
    first = shop.generate(tmp_path, **SMALLEST)
    shop.deliver(tmp_path, 2)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = shop.generate(tmp_path, **SMALLEST)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert (first.already_there, again.already_there) == (False, True)
    assert (again.records, again.faults) == (first.records, first.faults)


def test_a_generation_that_was_interrupted_is_made_whole(world, tmp_path):
    shop.generate(tmp_path, **SMALLEST)
    (tmp_path / "answer_key.json").unlink()
    (tmp_path / "transactions/2026-01-12.csv").write_text("half a fi")
    shop.generate(tmp_path, **SMALLEST)
    assert contents(tmp_path) == contents(world)


def test_a_folder_with_another_world_is_left_alone(world):
    with pytest.raises(FileExistsError, match="holds another world"):
        shop.generate(world, **SMALLEST | {"seed": 99})


@pytest.mark.parametrize("too_small", [{"days": 6}, {"rows_per_day": 199}])
def test_a_world_too_small_for_its_faults_is_refused(tmp_path, too_small):
    with pytest.raises(ValueError, match="at least 7 days of 200 rows"):
        shop.generate(tmp_path, **SMALLEST | too_small)


def test_delivering_a_wave_brings_its_files_once(tmp_path):
    shop.generate(tmp_path, **SMALLEST)
    expected = [file["file"] for file in shop.read_answer_key(tmp_path).deliveries[1]["files"]]
    assert shop.deliver(tmp_path, 1) == ()
    assert list(shop.deliver(tmp_path, 2)) == expected
    assert shop.deliver(tmp_path, 2) == ()
    for key in expected:
        assert (tmp_path / key).read_bytes() == (tmp_path / ".later/2" / key).read_bytes()


def test_a_wave_that_does_not_exist_cannot_be_delivered(world):
    with pytest.raises(ValueError, match="has waves 1 to 2, not 3"):
        shop.deliver(world, 3)


def test_progress_counts_the_days_of_each_source(tmp_path):
    told = []
    shop.generate(tmp_path, **SMALLEST, progress=lambda *step: told.append(step))
    sources = ("products", "customers", "transactions", "inventory", "clicks")
    assert told == [(source, day, 8) for source in sources for day in range(1, 9)]


def test_every_kind_of_fault_is_planted_even_in_the_smallest_world(tmp_path):
    report = shop.generate(tmp_path, **SMALLEST | {"days": 7})
    assert set(report.faults) == ALL_KINDS


def test_a_busy_shop_makes_more_mistakes_but_keeps_all_other_days_far_from_being_held(tmp_path):
    report = shop.generate(tmp_path, **SMALLEST | {"days": 7, "rows_per_day": 30_000})
    assert report.faults["price_unparseable"] == 2
    quiet = [part for part in shop.read_answer_key(tmp_path).after(1).partitions if not part.held]
    assert all(part.rejected < 20 or part.rejected < 0.01 * part.published for part in quiet)


KNOWN_FILES = {
    "transactions/2026-01-12.csv": "40a00755e3a47fabe8a5549bfd570123118045d33964773e45b883279ec54b64",
    "customers/2026-01-12.jsonl": "83cb2df6c45915a501e00fbff6bc47124a9b62dc8a25d4d5d48f8556b8c2001a",
    "inventory/2026-01-12.csv": "a67b411c81cb1ab6c9d29be2bfd33806865bdbd5628124f3631461b04ef53bb2",
    "clicks/2026-01-12.jsonl": "fe2a78bae4651f393d2c66d636b0ac46ca1a41472573f3f33bd5a830571403e6",
}
ALL_KINDS = {
    "adjustment_of_nothing",
    "after_midnight_elsewhere",
    "another_change_at_the_same_time",
    "archive_truncated",
    "archive_whole",
    "bad_utf8_byte",
    "cart_without_product",
    "change_days_late",
    "change_sent_again_days_later",
    "change_sent_twice",
    "changes_out_of_order",
    "clock_ahead",
    "context_is_text",
    "cost_negative",
    "count_booked_late",
    "count_negative",
    "country_missing",
    "customer_after_the_first_sale",
    "customer_id_missing",
    "customer_id_not_an_integer",
    "date_before_the_shop",
    "date_impossible",
    "date_in_the_far_future",
    "date_missing",
    "date_unreadable",
    "deletion_before_return",
    "deletion_days_late",
    "deletion_that_comes_with_its_return",
    "duplicate_across_days",
    "duplicate_across_files",
    "duplicate_in_file",
    "email_broken",
    "empty_file",
    "event_a_day_late",
    "event_broken_twice",
    "event_id_missing",
    "event_in_two_files",
    "event_number_used_again",
    "event_sent_again_next_day",
    "event_sent_twice",
    "event_type_missing",
    "event_type_unknown",
    "extra_column",
    "extra_field",
    "file_corrected",
    "header_repeated",
    "held_day",
    "held_day_corrected",
    "invoice_number_missing",
    "json_array",
    "json_bad_utf8_byte",
    "json_key_twice",
    "json_last_line_cut",
    "json_not_an_object",
    "json_nul",
    "json_unfinished",
    "last_line_cut",
    "late_and_broken",
    "late_change",
    "late_file",
    "late_row",
    "late_row_gone",
    "late_row_withdrawn",
    "line_added",
    "line_break_in_quotes",
    "line_corrected",
    "list_price_missing",
    "list_price_negative",
    "missing_column",
    "movement_added",
    "movement_booked_twice",
    "movement_broken_twice",
    "movement_id_missing",
    "movement_in_two_files",
    "movement_number_used_again",
    "movement_type_missing",
    "movement_type_unknown",
    "movement_withdrawn",
    "nul_byte",
    "orphan_customer",
    "orphan_stock_code",
    "other_order_case_and_line_ends",
    "parquet_truncated",
    "price_missing",
    "price_out_of_range",
    "price_unparseable",
    "product_broken_twice",
    "purchase_without_product",
    "quantity_beyond_integer",
    "quantity_corrected",
    "quantity_missing",
    "quantity_not_a_number",
    "quantity_out_of_range",
    "quantity_with_a_fraction",
    "quote_unclosed",
    "receipt_that_takes",
    "return_after_deletion",
    "return_overnight",
    "robot_withdrawn",
    "row_too_long",
    "row_too_short",
    "sale_booked_late",
    "sale_that_adds",
    "segment_unknown",
    "sent_again_under_another_name",
    "session_id_missing",
    "several_values_broken",
    "signs_lost",
    "signs_restored",
    "stock_code_missing",
    "stray_carriage_return",
    "time_before_the_shop",
    "time_before_the_web",
    "time_in_the_far_future",
    "time_missing",
    "time_of_another_zone",
    "time_unreadable",
    "unknown_product",
    "unknown_visitor",
    "updated_at_in_the_future",
    "updated_at_missing",
    "updated_at_unreadable",
    "user_id_not_a_number",
    "utf16_file",
    "visit_over_midnight",
    "wrong_encoding",
}

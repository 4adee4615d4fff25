"""The answer key: what it promises is consistent with itself and with how days are judged."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

import shop
from shop.answer_key import expect_after, write_answer_key
from tests.shop.conftest import START

HELD = START + dt.timedelta(days=3)


@pytest.fixture(scope="module")
def key(world):
    return shop.read_answer_key(world)


def test_a_key_is_read_as_it_was_written(key, tmp_path):
    write_answer_key(key, tmp_path / "answer_key.json")
    assert shop.read_answer_key(tmp_path) == key


def test_only_one_day_is_held_and_it_is_held_beyond_doubt(key):
    (held,) = [part for part in key.after(1).partitions if part.held]
    (fault,) = [fault for fault in key.faults if fault.expect == "held"]
    assert (held.source, held.business_date, held.published) == ("transactions", HELD, 0)
    assert held.rejected == len(fault.records) >= 20
    (file,) = [file for file in key.deliveries[0]["files"] if file["file"] == fault.file]
    assert held.rejected / file["records"] > 0.07
    assert not [part for part in key.after(2).partitions if part.held]


@pytest.mark.parametrize("wave", [1, 2])
def test_every_other_day_has_fewer_rejected_rows_than_any_day_is_held_for(key, wave):
    assert all(part.rejected < 20 < part.published for part in key.after(wave).partitions if not part.held)


def test_the_corrections_change_exactly_the_days_they_touch(key):
    before, after = (
        {(part.source, part.business_date): part.published for part in key.after(wave).partitions} for wave in (1, 2)
    )
    changed = {day for (source, day), rows in after.items() if before.get((source, day)) != rows}
    (withdrawn,) = [fault for fault in key.faults if fault.kind == "late_row_withdrawn"]
    assert changed == {START, START + dt.timedelta(days=2), HELD, withdrawn.business_date}


def test_superseded_rows_are_those_of_the_replaced_versions(key):
    superseded = {part.business_date: part.superseded for part in key.after(2).partitions if part.superseded}
    first = {file["file"]: file for file in key.deliveries[0]["files"]}
    replaced = [first[file["file"]] for file in key.deliveries[1]["files"] if file["file"] in first]
    assert len(replaced) == 3
    assert sum(superseded.values()) == sum(sum(file["rows"].values()) for file in replaced)


def test_gross_sales_returns_and_the_rest_add_up_to_net_sales(key):
    for day in key.after(2).sales:
        rest = sum(Decimal(day.by_kind[kind]["amount"]) for kind in ("bad_debt", "adjustment"))
        assert day.gross_sales + day.returns + rest == day.net_sales
        assert day.gross_sales > 0 >= day.returns


def test_a_fault_counts_from_its_wave_until_its_file_is_replaced(key):
    (truncated,) = [fault for fault in key.faults if fault.kind == "archive_truncated"]
    (whole,) = [fault for fault in key.faults if fault.kind == "archive_whole"]
    assert [truncated.counts_after(wave) for wave in (1, 2)] == [True, False]
    assert [whole.counts_after(wave) for wave in (1, 2)] == [False, True]


def test_every_fault_has_a_name_of_its_own(key):
    assert len({fault.id for fault in key.faults}) == len(key.faults)


def test_a_key_knows_no_wave_that_was_never_planned(key):
    with pytest.raises(ValueError, match="waves 1 to 2, not 3"):
        key.after(3)


def test_no_file_versions_expect_nothing():
    assert expect_after(1, [], set()).partitions == ()

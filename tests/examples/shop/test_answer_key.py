"""The answer key: what it promises is consistent with itself and with how days are judged."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from examples import shop
from examples.shop.answer_key import WITH_KINDS, expect_after, write_answer_key
from tests.examples.shop.conftest import START

HELD = {"transactions": START + dt.timedelta(days=3), "inventory": START + dt.timedelta(days=4)}


@pytest.fixture(scope="module")
def key(world):
    return shop.read_answer_key(world)


def test_a_key_is_read_as_it_was_written(key, tmp_path):
    write_answer_key(key, tmp_path / "answer_key.json")
    assert shop.read_answer_key(tmp_path) == key


@pytest.mark.parametrize(("source", "day"), HELD.items())
def test_one_day_of_the_tills_and_one_of_the_warehouse_is_held_and_that_beyond_doubt(key, source, day):
    (held,) = [part for part in key.after(1).partitions if part.held and part.source == source]
    (fault,) = [fault for fault in key.faults if fault.expect == "held" and fault.source == source]
    assert (held.business_date, held.published) == (day, 0)
    assert held.rejected == len(fault.records) >= 20
    (file,) = [file for file in key.deliveries[0]["files"] if file["file"] == fault.file]
    assert held.rejected / file["records"] > 0.07
    assert {part.source for part in key.after(1).partitions if part.held} == HELD.keys()
    assert not [part for part in key.after(2).partitions if part.held]


@pytest.mark.parametrize("wave", [1, 2])
def test_every_other_day_has_fewer_rejected_rows_than_any_day_is_held_for(key, wave):
    assert all(part.rejected < 20 < part.published for part in key.after(wave).partitions if not part.held)


def test_the_corrections_change_exactly_the_days_they_touch(key):
    before, after = (
        {(part.source, part.business_date): (part.published, part.superseded) for part in key.after(wave).partitions}
        for wave in (1, 2)
    )
    changed = {place for place, rows in after.items() if before.get(place) != rows}
    (withdrawn,) = [fault for fault in key.faults if fault.kind == "late_row_withdrawn"]
    touched = {
        (file["source"], dt.date.fromisoformat(day)) for file in key.deliveries[1]["files"] for day in file["rows"]
    }
    assert changed == touched | {("transactions", withdrawn.business_date)}
    assert {*HELD.items(), *(("customers", START + dt.timedelta(days=day)) for day in (1, 2, 4, 5))} < changed
    assert not {day for _, day in changed} & {START + dt.timedelta(days=day) for day in (6, 7)}


def test_superseded_rows_are_those_of_the_replaced_versions(key):
    superseded = sum(part.superseded for part in key.after(2).partitions)
    first = {file["file"]: file for file in key.deliveries[0]["files"]}
    replaced = [first[file["file"]] for file in key.deliveries[1]["files"] if file["file"] in first]
    assert sorted(file["source"] for file in replaced) == ["clicks", *["inventory"] * 2, *["transactions"] * 3]
    assert superseded == sum(sum(file["rows"].values()) for file in replaced)


def test_rows_by_kind_add_up_to_the_published_ones_and_a_held_day_has_none(key):
    for wave in (1, 2):
        expected = key.after(wave)
        kinds = {(day.source, day.business_date): sum(day.lines.values()) for day in expected.kinds}
        published = {
            (part.source, part.business_date): part.published
            for part in expected.partitions
            if part.source in WITH_KINDS and not part.held
        }
        assert kinds == published


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

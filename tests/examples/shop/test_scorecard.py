"""The scorecard: right tables score perfectly, and each kind of wrong table loses exactly what is wrong in it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from examples import shop
from tests.examples.shop.conftest import SMALLEST, START
from tests.examples.shop.handmade import Lakehouse

HELD = START + dt.timedelta(days=3)


def scored(processed, waves=2, **replaced):
    """Score a world with some of its tables replaced; `silver__quarantine` is silver.quarantine."""
    tables = {**processed.after[waves], **{name.replace("__", "."): table for name, table in replaced.items()}}
    return shop.score(processed.out, tables.__getitem__, waves=waves)


def rows(processed, name, waves=2):
    return processed.after[waves][name].to_pylist()


def table(rows, like):
    return pa.Table.from_pylist(rows, schema=like.schema)


def changed(processed, name, change, waves=2):
    """Return a table with its rows changed by a function."""
    return table(change(rows(processed, name, waves)), processed.after[waves][name])


@pytest.mark.parametrize("waves", [1, 2])
def test_right_tables_score_perfectly_after_each_wave(processed, waves):
    card = scored(processed, waves)
    assert card.perfect, (card.misses, card.alarms)
    assert card.planted == card.caught > 80
    assert (card.missed, card.false_alarms) == (0, 0)


def test_waves_delivered_together_score_perfectly_too_though_nothing_was_ever_held(tmp_path):
    shop.generate(tmp_path, **SMALLEST)
    shop.deliver(tmp_path, 2)
    lakehouse = Lakehouse(tmp_path, START)
    lakehouse.run()
    card = shop.score(tmp_path, lakehouse.tables().__getitem__, waves=2)
    assert card.perfect, (card.misses, card.alarms)


def test_a_second_run_without_new_files_changes_no_score(tmp_path):
    shop.generate(tmp_path, **SMALLEST)
    lakehouse = Lakehouse(tmp_path, START)
    lakehouse.run()
    lakehouse.run()
    assert shop.score(tmp_path, lakehouse.tables().__getitem__, waves=1).perfect


def test_a_row_missing_from_quarantine_is_one_miss(processed):
    card = scored(processed, silver__quarantine=processed.after[2]["silver.quarantine"].slice(1))
    assert (card.missed, card.false_alarms) == (1, 0)
    assert card.misses[0].why == "not in silver.quarantine"
    assert [score.missed for score in card.scores if score.missed] == [1]


def test_a_row_in_quarantine_that_was_not_planted_is_one_false_alarm(processed):
    good = {"source_file": "transactions/2026-01-05.csv", "source_record": 1, "rules": ["country:not_null"]}
    card = scored(
        processed,
        silver__quarantine=changed(processed, "silver.quarantine", lambda rows: [*rows, rows[0] | good]),
    )
    assert (card.missed, card.false_alarms) == (0, 1)
    assert "transactions/2026-01-05.csv record 1: country:not_null" in card.alarms[0].what


def test_a_row_that_is_in_quarantine_twice_is_one_false_alarm(processed):
    twice = changed(processed, "silver.quarantine", lambda rows: [*rows, rows[0]])
    card = scored(processed, silver__quarantine=twice)
    assert (card.missed, card.false_alarms) == (0, 1)


def test_a_row_quarantined_for_the_wrong_rule_is_a_miss(processed):
    wrong = changed(processed, "silver.quarantine", lambda rows: [rows[0] | {"rules": ["other:rule"]}, *rows[1:]])
    card = scored(processed, silver__quarantine=wrong)
    assert (card.missed, card.false_alarms) == (1, 0)
    assert "quarantined for other:rule" in card.misses[0].why


def test_a_row_of_a_replaced_version_left_in_quarantine_is_a_false_alarm(processed):
    (stale,) = [row for row in rows(processed, "silver.quarantine", 1) if row["rules"] == ["file:gzip"]]
    left = changed(processed, "silver.quarantine", lambda rows: [*rows, {n: stale.get(n) for n in rows[0]}])
    card = scored(processed, silver__quarantine=left)
    assert (card.missed, card.false_alarms) == (0, 1)


def test_a_lost_line_is_a_false_alarm_of_the_day_and_of_its_kind(processed):
    silver = changed(processed, "silver.transactions", lambda rows: rows[1:])
    card = scored(processed, silver__transactions=silver)
    assert [alarm.table for alarm in card.alarms] == ["silver.transactions"] * 2


def test_money_that_is_a_penny_off_is_a_false_alarm(processed):
    def penny(rows):
        return [rows[0] | {"amount": rows[0]["amount"] + Decimal("0.01")}, *rows[1:]]

    card = scored(processed, silver__transactions=changed(processed, "silver.transactions", penny))
    assert (card.missed, card.false_alarms) == (0, 1)


def test_gold_that_disagrees_with_the_sales_is_a_false_alarm(processed):
    def short(rows):
        return [rows[0] | {"net_sales": rows[0]["net_sales"] - 1}, *rows[1:]]

    gold = changed(processed, "gold.daily_sales_summary", short)
    card = scored(processed, gold__daily_sales_summary=gold)
    assert [(alarm.table, alarm.business_date) for alarm in card.alarms] == [("gold.daily_sales_summary", START)]


def test_weeks_and_months_left_as_they_were_before_the_corrections_are_false_alarms(processed):
    names = ("gold.weekly_sales_summary", "gold.monthly_sales_summary")
    card = scored(processed, **{name.replace(".", "__"): processed.after[1][name] for name in names})
    assert card.missed == 0
    assert [(alarm.table, alarm.business_date) for alarm in card.alarms] == [
        ("gold.weekly_sales_summary", START),
        ("gold.monthly_sales_summary", START.replace(day=1)),
    ]


def test_a_duplicate_that_was_published_is_a_miss(processed):
    (fault, *_) = [f for f in shop.read_answer_key(processed.out).faults if f.kind == "duplicate_in_file"]

    def doubled(rows):
        again = [row for row in rows if all(row[name] == value for name, value in fault.line.items())]
        return [*rows, *again]

    card = scored(processed, silver__transactions=changed(processed, "silver.transactions", doubled))
    assert [miss.fault.id for miss in card.misses] == [fault.id]


def test_a_late_row_that_was_published_on_its_landing_date_is_a_miss(processed):
    (fault, *_) = [f for f in shop.read_answer_key(processed.out).faults if f.kind == "late_row"]
    landed = dt.date.fromisoformat(fault.file[13:23])

    def moved(rows):
        late = fault.line["invoice_no"]
        return [row | {"business_date": landed} if row["invoice_no"] == late else row for row in rows]

    card = scored(processed, silver__transactions=changed(processed, "silver.transactions", moved))
    assert [miss.fault.id for miss in card.misses] == [fault.id]


def test_publishing_the_held_day_is_a_miss_and_a_false_alarm(processed):
    released = processed.after[2]["silver.transactions"]
    silver = pa.concat_tables(
        [
            processed.after[1]["silver.transactions"],
            released.filter(pc.equal(released["business_date"], pa.scalar(HELD))),
        ],
        promote_options="default",
    )
    card = scored(processed, waves=1, silver__transactions=silver)
    assert [miss.fault.kind for miss in card.misses] == ["held_day"]
    assert {(alarm.table, alarm.business_date) for alarm in card.alarms} == {("silver.transactions", HELD)}


def test_a_day_released_without_ever_having_been_held_is_a_miss(processed):
    never = changed(
        processed,
        "system.row_ledger",
        lambda rows: [row | {"verdict": "published"} for row in rows],
    )
    card = scored(processed, system__row_ledger=never)
    assert [miss.fault.kind for miss in card.misses] == ["held_day_corrected", "signs_restored"]


def test_a_copy_that_was_ingested_is_a_miss(processed):
    def ingested(rows):
        return [row | {"outcome": "ingested"} if row["source_file"].endswith("pm.resent.csv") else row for row in rows]

    files = changed(processed, "system.landing_files", ingested)
    card = scored(processed, system__landing_files=files)
    assert [miss.fault.expect for miss in card.misses] == ["copy"]


def test_either_of_two_equal_files_may_be_the_copy(processed):
    pair = ("customers/2026-01-07-web.jsonl", "customers/2026-01-07-web.resent.jsonl")
    other = dict(zip(pair, reversed(pair), strict=True))

    def swapped(rows):
        return [row | {"source_file": other.get(row["source_file"], row["source_file"])} for row in rows]

    replaced = {
        name.replace(".", "__"): changed(processed, name, swapped)
        for name in ("system.landing_files", "bronze.customers")
    }
    assert scored(processed, **replaced).perfect


@pytest.mark.parametrize("source", ["inventory", "clicks"])
def test_a_lost_movement_or_event_is_a_false_alarm_of_its_day_and_of_its_kind(processed, source):
    silver = changed(processed, f"silver.{source}", lambda rows: [rows[0], *rows[2:]])
    card = scored(processed, **{f"silver__{source}": silver})
    assert card.missed == 0
    assert [(alarm.table, alarm.business_date) for alarm in card.alarms] == [(f"silver.{source}", START)] * 2


@pytest.mark.parametrize("source", ["inventory", "clicks"])
def test_a_movement_or_event_that_never_reached_bronze_is_noticed(processed, source):
    lost = processed.after[2][f"bronze.{source}"].slice(1)
    card = scored(processed, **{f"bronze__{source}": lost})
    assert [(alarm.table, alarm.business_date) for alarm in card.alarms] == [(f"bronze.{source}", START)]


def test_a_movement_of_one_unit_more_is_a_false_alarm(processed):
    def more(rows):
        return [rows[0] | {"quantity": rows[0]["quantity"] + 1}, *rows[1:]]

    card = scored(processed, silver__inventory=changed(processed, "silver.inventory", more))
    (alarm,) = card.alarms
    assert (alarm.table, alarm.business_date, card.missed) == ("silver.inventory", START, 0)
    assert alarm.what.startswith("count: 4000 rows, ")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("inventory", "movement_number_used_again"),
        ("clicks", "event_number_used_again"),
        ("customers", "another_change_at_the_same_time"),
        ("products", "another_change_at_the_same_time"),
    ],
)
def test_publishing_the_second_of_two_rows_with_one_key_is_a_miss(processed, source, kind):
    (fault, *_) = [f for f in shop.read_answer_key(processed.out).faults if (f.source, f.kind) == (source, kind)]
    (key, *_) = fault.line
    told = {"quantity": 0, "url": "https://other.example/", "phone": "0", "reorder_level": 0}

    def second(rows):
        return [row | {n: told.get(n, row[n]) for n in row} if row[key] == fault.line[key] else row for row in rows]

    card = scored(processed, **{f"silver__{source}": changed(processed, f"silver.{source}", second)})
    assert fault.id in {miss.fault.id for miss in card.misses}


def test_an_event_that_was_withdrawn_and_is_still_there_is_a_miss(processed):
    (fault,) = [f for f in shop.read_answer_key(processed.out).faults if f.kind == "robot_withdrawn"]

    def left(rows):
        robot = {"event_id": fault.line["event_id"], "business_date": fault.business_date}
        return [*rows, rows[0] | robot]

    card = scored(processed, silver__clicks=changed(processed, "silver.clicks", left))
    assert [miss.fault.id for miss in card.misses] == [fault.id]


def test_a_late_event_that_was_published_on_its_landing_date_is_a_miss(processed):
    faults = [fault for fault in shop.read_answer_key(processed.out).faults if fault.counts_after(2)]
    (fault, *_) = [fault for fault in faults if fault.kind == "visit_over_midnight"]

    def moved(rows):
        landed = fault.business_date + dt.timedelta(days=1)
        late = fault.line["event_id"]
        return [row | {"business_date": landed} if row["event_id"] == late else row for row in rows]

    card = scored(processed, silver__clicks=changed(processed, "silver.clicks", moved))
    assert [miss.fault.id for miss in card.misses] == [fault.id]


def test_extra_columns_that_were_dropped_are_a_miss(processed):
    def dropped(rows):
        return [row | {"rescued_data": None} for row in rows]

    card = scored(processed, bronze__transactions=changed(processed, "bronze.transactions", dropped))
    assert [miss.fault.kind for miss in card.misses] == ["extra_column"]


def test_a_row_lost_on_the_way_to_bronze_is_noticed(processed):
    lost = processed.after[2]["bronze.products"].slice(1)
    card = scored(processed, bronze__products=lost)
    assert [(alarm.table, alarm.business_date) for alarm in card.alarms] == [("bronze.products", START)]


def test_a_ledger_that_tells_other_numbers_is_a_false_alarm(processed):
    def boasting(rows):
        last = rows[-1]
        return [*rows, last | {"published": last["published"] + 1, "recorded_at": 99}]

    card = scored(processed, system__row_ledger=changed(processed, "system.row_ledger", boasting))
    assert [alarm.table for alarm in card.alarms] == ["system.row_ledger"]


def test_rows_on_a_day_that_should_have_none_are_a_false_alarm(processed):
    def elsewhere(rows):
        return [*rows, rows[0] | {"business_date": dt.date(2031, 1, 1), "stock_code": "NEW"}]

    card = scored(processed, silver__products=changed(processed, "silver.products", elsewhere))
    assert [(alarm.table, alarm.business_date.year) for alarm in card.alarms] == [("silver.products", 2031)]


def test_tables_that_do_not_exist_are_empty_tables(processed):
    card = shop.score(processed.out, {}.__getitem__, waves=1)
    expect_nothing = {"late_row_gone"}
    assert {miss.fault.kind for miss in card.misses} >= {"held_day", "quantity_missing", "late_row", "extra_column"}
    assert all(score.caught == 0 for score in card.scores if score.kind not in expect_nothing)
    assert card.false_alarms > 0

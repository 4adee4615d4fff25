"""The first day of a lake's calendar: kept in the lake, on whatever storage, and never changed."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse.ingestion.calendar_start import hold_first_day
from lakehouse.settings import SettingsError
from lakehouse.storage.files import read_text
from tests.scenario import START, TRANSACTIONS, day, ingestion


def test_the_day_a_lake_was_made_with_stays(lake_root):
    hold_first_day(str(lake_root), START)
    hold_first_day(str(lake_root), START)
    with pytest.raises(SettingsError, match=r"^LAKEHOUSE_START_DATE is 2020-01-01, .* made with 2010-12-01.*Set "):
        hold_first_day(str(lake_root), dt.date(2020, 1, 1))
    hold_first_day(str(lake_root), START)


def test_a_lake_on_an_object_store_keeps_it_too(remote):
    hold_first_day(f"{remote.uri}/lake", START)
    with pytest.raises(SettingsError):
        hold_first_day(f"{remote.uri}/lake", dt.date(2020, 1, 1))
    assert "2010-12-01" in (read_text(f"{remote.uri}/lake/system/lakehouse.json") or "")


def test_of_two_first_days_at_once_one_stays(lake_root):
    days = [START + dt.timedelta(days=number) for number in range(8)]
    together = threading.Barrier(len(days))

    def hold(first):
        together.wait()
        try:
            hold_first_day(str(lake_root), first)
        except SettingsError:
            return False
        return True

    with ThreadPoolExecutor(len(days)) as pool:
        held = [first for first, is_held in zip(days, pool.map(hold, days), strict=True) if is_held]
    assert len(held) == 1
    hold_first_day(str(lake_root), held[0])


def test_an_ingestion_with_another_first_day_is_refused_before_anything_is_read(engine, landing_root):
    hold_first_day(str(landing_root.parent), dt.date(2020, 1, 1))
    with pytest.raises(SettingsError, match=r"made with 2020-01-01"):
        ingestion(engine, landing_root, TRANSACTIONS).run([day(1)], run_id="one")
    assert engine.version("bronze.transactions") is None

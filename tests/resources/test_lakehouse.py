"""The lakehouse resource: settings in, an engine and a landing zone out."""

from __future__ import annotations

import datetime as dt

from lakehouse.settings import Settings
from resources.lakehouse import Lakehouse
from tests.scenario import TRANSACTIONS, csv_bytes, drop, rows, sale


def test_a_lakehouse_is_what_the_settings_say(lake_root, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_START_DATE", "2011-01-01")
    lakehouse = Lakehouse.of(Settings.load())
    assert (lakehouse.root, lakehouse.landing) == (str(lake_root), str(lake_root / "landing"))
    assert lakehouse.start_date == "2011-01-01"
    assert not lake_root.exists()


def test_lakehouses_of_one_root_share_their_engine(lake_root):
    first, second = (Lakehouse.of(Settings.load()) for _ in range(2))
    other = Lakehouse(root=str(lake_root / "other"), landing="", start_date="2011-01-01")
    assert first.engine is second.engine
    assert other.engine is not first.engine


def test_a_lakehouse_takes_in_files_within_its_calendar(landing_root, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_START_DATE", "2011-01-01")
    lakehouse = Lakehouse.of(Settings.load())
    today = dt.datetime.now(tz=dt.UTC).date()
    tomorrow = today + dt.timedelta(days=1)
    lines = [sale(str(day), at=f"{day} 10:00:00") for day in ("2010-12-31", "2011-01-01", today, tomorrow)]
    drop(landing_root, f"transactions/{today}.csv", csv_bytes(lines))

    ingestion = lakehouse.ingestion(TRANSACTIONS)
    ingestion.run([today], run_id="run")
    ingestion.confirm()

    assert rows(lakehouse.engine, "bronze.transactions", "InvoiceNo", "business_date") == [
        ("2010-12-31", today),
        ("2011-01-01", dt.date(2011, 1, 1)),
        *sorted([(str(today), today), (str(tomorrow), today)]),
    ]

"""The real `lakehouse dev`: files are dropped while it runs, and gold follows by itself."""

from __future__ import annotations

import datetime as dt
import os
import signal
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from deltalake import DeltaTable

from lakehouse.storage.files import delta_options, table_uri
from tests.processes import free_port, lake_environment, started, wait_for

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
THURSDAY, TUESDAY, WEDNESDAY = dt.date(2010, 12, 9), dt.date(2010, 12, 7), dt.date(2010, 12, 8)
MONDAY = dt.date(2010, 12, 6)

DAILY, WEEKLY = "gold.daily_sales_summary", "gold.weekly_sales_summary"


@dataclass(frozen=True)
class Dev:
    """A running `lakehouse dev` and the lake it works on."""

    root: Path
    log: Path

    def drop(self, name: str, *lines: str) -> None:
        """Bring a file of invoice lines into the landing zone, whole at once."""
        draft = self.root / f"{name}.draft"
        draft.write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
        draft.rename(self.root / "landing/transactions" / name)

    def rows(self, table: str) -> list[dict]:
        """Return a table's rows; none when it has never been written."""
        return _rows(str(self.root), table)

    def wait_for_rows(self, table: str, *expected: dict) -> None:
        """Wait until a table holds exactly these rows; columns that they do not name may hold anything."""
        names = tuple(expected[0])
        wait_for(
            f"{table} to hold {expected}, it holds {self.rows(table)}",
            lambda: sorted(_rows(str(self.root), table, *names), key=str) == sorted(expected, key=str),
            seconds=300,
            log=self.log,
        )

    def files_of(self, table: str, day: dt.date) -> set[str]:
        """Return the files that hold a day in a table's newest version."""
        return {uri for uri in DeltaTable(str(self.root / table.replace(".", "/"))).file_uris() if str(day) in uri}


@pytest.fixture
def dev(tmp_path):
    root, log, port = tmp_path / "lake", tmp_path / "dev.log", free_port()
    with started(["lakehouse", "dev", "--port", str(port)], log, lake_environment(root)) as process:
        wait_for("lakehouse dev to be ready", lambda: "Ready:" in log.read_text(), log=log)
        with urlopen(f"http://127.0.0.1:{port}/server_info", timeout=30) as answer:
            assert answer.status == 200
        yield Dev(root, log)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()[-4000:]
    _assert_nothing_is_left_of(root, port)


def test_dropped_files_reach_gold_late_rows_restate_their_day_and_a_bad_day_is_held(dev):
    dev.drop("2010-12-07.csv", _line("536365", 6, TUESDAY, "2.55"), _line("C536366", -1, TUESDAY, "2.55"))
    dev.drop("2010-12-09.csv", _line("536370", 10, THURSDAY, "1.00"))

    tuesday, thursday = _sales(2, 2, 5, "15.300", "-2.550"), _sales(1, 1, 10, "10.000", "0.000")
    dev.wait_for_rows(DAILY, {"business_date": TUESDAY, **tuesday}, {"business_date": THURSDAY, **thursday})
    dev.wait_for_rows(WEEKLY, {"week_start": MONDAY, "days": 2, **_sum_of(tuesday, thursday)})
    untouched = dev.files_of(DAILY, THURSDAY)

    dev.drop("2010-12-10.csv", _line("536367", 1, TUESDAY, "5.00"))
    dev.drop("2010-12-08.csv", *(_line(f"53638{n}", "many", WEDNESDAY, "1.00") for n in range(3)))

    tuesday = _sales(3, 3, 6, "20.300", "-2.550")
    dev.wait_for_rows(DAILY, {"business_date": TUESDAY, **tuesday}, {"business_date": THURSDAY, **thursday})
    dev.wait_for_rows(WEEKLY, {"week_start": MONDAY, "days": 2, **_sum_of(tuesday, thursday)})
    assert dev.files_of(DAILY, THURSDAY) == untouched
    held = wait_for("the bad day to be held", lambda: dev.rows("silver.quarantine"), log=dev.log)
    assert [(row["business_date"], row["verdict"], row["rules"]) for row in held] == [
        (WEDNESDAY, "held", ["quantity:readable"])
    ] * 3
    assert WEDNESDAY not in {row["business_date"] for row in dev.rows("silver.transactions")}


@pytest.mark.long
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_files_dropped_into_a_bucket_reach_gold_in_the_bucket(s3, tmp_path):
    root, log, port = f"{s3.uri}/lake", tmp_path / "dev.log", free_port()
    with started(["lakehouse", "dev", "--port", str(port)], log, lake_environment(root), folder=tmp_path):
        wait_for("lakehouse dev to be ready", lambda: "Ready:" in log.read_text(), log=log)
        content = "\n".join([HEADER, _line("536365", 6, TUESDAY, "2.55"), ""]).encode()
        s3.put("lake/landing/transactions/2010-12-07.csv", content)
        expected = [{"business_date": TUESDAY, **_sales(1, 1, 6, "15.300", "0.000")}]
        wait_for("the day to be in gold", lambda: _rows(root, DAILY, *expected[0]) == expected, seconds=300, log=log)


def _rows(root: str, table: str, *columns: str) -> list[dict]:
    """Return some columns of a table's rows, or all of them; none when it has never been written."""
    uri, options = table_uri(root, table), delta_options(root)
    if not DeltaTable.is_deltatable(uri, options):
        return []
    return DeltaTable(uri, storage_options=options).to_pyarrow_table(columns=list(columns) or None).to_pylist()


def _line(invoice: str, quantity: object, day: dt.date, price: str, code: str = "85123A") -> str:
    return f"{invoice},{code},LANTERN,{quantity},{day} 08:26:00,{price},17850,United Kingdom"


def _sales(orders: int, lines: int, units: int, gross: str, returns: str) -> dict:
    amounts = {
        "gross_sales": Decimal(gross),
        "returns": Decimal(returns),
        "net_sales": Decimal(gross) + Decimal(returns),
    }
    return {"orders": orders, "lines": lines, "units": units, **amounts, "customers": 1}


def _sum_of(*days: dict) -> dict:
    """Return what weeks sum up: all but customers, which cannot be added."""
    return {name: sum(day[name] for day in days) for name in days[0] if name != "customers"}


def _assert_nothing_is_left_of(root: Path, port: int) -> None:
    """Assert that no process speaks of the lake in its environment any more, and that the port is free."""
    with pytest.raises((URLError, OSError)):
        urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5)
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(root).encode() in (process / "environ").read_bytes() and int(process.name) != os.getpid():
                left.append((process / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    assert left == []

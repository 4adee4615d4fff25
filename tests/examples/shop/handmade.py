"""A lakehouse made by hand: landing files to Arrow tables in plain Python, one row at a time.

It shares the landing reader with the real one and nothing else, so that the answer key is checked by other code than
made it. Slow and small on purpose.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa

from examples.shop.inventory import COLUMNS as MOVEMENT_COLUMNS
from examples.shop.products import SCHEMA as PRODUCTS
from examples.shop.sales import COLUMNS
from lakehouse.landing.reader import CsvFormat, JsonLinesFormat, ParquetFormat, read

FORMATS = {
    "transactions": CsvFormat(columns=COLUMNS),
    "customers": JsonLinesFormat(
        columns=("customer_id", "name", "email", "phone", "city", "country", "segment", "updated_at", "is_deleted")
    ),
    "products": ParquetFormat(
        columns=tuple(
            zip(
                PRODUCTS.names,
                ("string", "string", "string", "decimal(18,3)", "decimal(18,3)", "int32", "timestamp"),
                strict=True,
            )
        )
    ),
    "inventory": CsvFormat(columns=MOVEMENT_COLUMNS),
    "clicks": JsonLinesFormat(
        columns=(
            "event_id", "session_id", "user_id", "event_type", "stock_code", "url", "ts", "user_agent", "context",
        )
    ),
}  # fmt: skip
DATED_BY = {
    "transactions": "InvoiceDate",
    "customers": "updated_at",
    "products": "updated_at",
    "inventory": "moved_at",
    "clicks": "ts",
}
KEYS = {
    "customers": ("customer_id", "updated_at"),
    "products": ("stock_code", "updated_at"),
    "inventory": ("movement_id",),
    "clicks": ("event_id",),
}
"""What names a row; a transaction is named by all that it says."""
SILVER_COLUMNS = {
    "transactions": {"InvoiceNo": "invoice_no", "StockCode": "stock_code", "Quantity": "quantity",
                     "InvoiceDate": "invoiced_at", "UnitPrice": "unit_price", "CustomerID": "customer_id",
                     "Country": "country"},
}  # fmt: skip
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
Row = dict[str, Any]


def landing_files(out: Path) -> list[str]:
    """List the landing files of a world, as the landing zone would: hidden ones left out."""
    found = [path.relative_to(out) for path in out.rglob("*") if path.is_file()]
    return sorted(path.as_posix() for path in found if path.parts[0] in FORMATS and not path.name.startswith("."))


def source_of(key: str) -> str:
    """Return the source a file belongs to."""
    return key.partition("/")[0]


def records(out: Path, key: str) -> list[Row]:
    """Read a file with the landing reader; a refused file is its refusal alone."""
    with (out / key).open("rb") as file:
        rows = [row for batch in read(file, FORMATS[source_of(key)]) for row in batch.to_pylist()]
    refusals = [row for row in rows if (row["reject_reason"] or "").startswith("file:")]
    return refusals or rows


class Lakehouse:
    """Bronze, silver, gold and the system tables of one world, as lists of rows."""

    def __init__(self, out: Path, start: dt.date) -> None:
        """Start with empty tables and a landing folder that is not read yet."""
        self.out, self.start, self.batch = out, start, 0
        self.bronze: dict[str, list[Row]] = defaultdict(list)
        self.files: list[Row] = []
        self.ledger: list[Row] = []
        self.quarantine: list[Row] = []
        self.silver: dict[str, list[Row]] = defaultdict(list)

    def run(self) -> None:
        """Take in what is new in the landing folder, and make all tables from it again."""
        self.batch += 1
        for key in landing_files(self.out):
            self._ingest(key)
        self.quarantine = []
        for source in FORMATS:
            self._judge(source)

    def _ingest(self, key: str) -> None:
        source, version = source_of(key), hashlib.sha256((self.out / key).read_bytes()).hexdigest()
        landing_date = dt.date.fromisoformat(DAY.search(key).group())
        known = [file for file in self.files if file["source_file"] == key]
        if known and known[-1]["source_version"] == version:
            return
        twins = [
            file
            for file in self.files
            if (source_of(file["source_file"]), file["source_version"]) == (source, version)
            and file["landing_date"] == landing_date
        ]
        rows = [] if twins else records(self.out, key)
        refused = bool(rows) and (rows[0]["reject_reason"] or "").startswith("file:")
        about = {"source_file": key, "source_version": version, "landing_date": landing_date, "batch_id": self.batch}
        self.files.append(about | {"outcome": "copy" if twins else "refused" if refused else "ingested"})
        for row in rows:
            day = _day(row.get(DATED_BY[source])) if row["reject_reason"] is None else None
            believed = day is not None and self.start <= day <= landing_date + dt.timedelta(days=1)
            self.bronze[source].append(row | about | {"business_date": day if believed else landing_date})

    def _judge(self, source: str) -> None:
        newest: dict[str, int] = {}
        for row in self.bronze[source]:
            newest[row["source_file"]] = max(row["batch_id"], newest.get(row["source_file"], 0))
        days: dict[dt.date, Counter[str]] = defaultdict(Counter)
        good: dict[dt.date, dict[tuple[object, ...], Row]] = defaultdict(dict)
        bad: dict[dt.date, list[Row]] = defaultdict(list)
        for row in sorted(self.bronze[source], key=lambda row: (row["source_file"], row["source_record"] or 0)):
            day = row["business_date"]
            if row["batch_id"] < newest[row["source_file"]]:
                days[day]["superseded"] += 1
                continue
            rules, line = _typed(source, row)
            if rules:
                days[day]["rejected"] += 1
                bad[day].append(row | {"table_name": f"silver.{source}", "rules": rules})
            elif (key := tuple(line[name] for name in KEYS.get(source, line))) in good[day]:
                days[day]["duplicate"] += 1
            else:
                good[day][key] = line | {"business_date": day}
        self.silver[source] = []
        for day in sorted({*days, *good}):
            counts = days[day]
            rejected, published = counts["rejected"], len(good[day])
            held = not published or (rejected >= 20 and rejected / (rejected + published + counts["duplicate"]) > 0.05)
            self.silver[source] += [] if held else good[day].values()
            verdict = "held" if held else "published"
            self.quarantine += [row | {"verdict": verdict} for row in bad[day]]
            told = {name: counts[name] for name in ("rejected", "duplicate", "superseded")}
            self.ledger.append(
                told | {"table_name": f"silver.{source}", "business_date": day, "recorded_at": self.batch,
                        "verdict": verdict, "published": published}
            )  # fmt: skip

    def tables(self) -> dict[str, pa.Table]:
        """Return the tables by name."""
        found = {f"bronze.{source}": pa.Table.from_pylist(rows) for source, rows in self.bronze.items()}
        found |= {f"silver.{source}": pa.Table.from_pylist(rows) for source, rows in self.silver.items()}
        return found | {
            "silver.quarantine": pa.Table.from_pylist(self.quarantine),
            "system.landing_files": pa.Table.from_pylist(self.files),
            "system.row_ledger": pa.Table.from_pylist(self.ledger),
            "gold.daily_sales_summary": pa.Table.from_pylist(self._days()),
            "gold.weekly_sales_summary": self._periods("week_start", lambda day: day - dt.timedelta(day.weekday())),
            "gold.monthly_sales_summary": self._periods("month_start", lambda day: day.replace(day=1)),
        }

    def _periods(self, name: str, start: Callable[[dt.date], dt.date]) -> pa.Table:
        periods: dict[dt.date, Row] = {}
        for day in self._days():
            first = start(day.pop("business_date"))
            period = periods.setdefault(first, {name: first, "days": 0, **dict.fromkeys(day, 0)})
            period["days"] += 1
            for measure, value in day.items():
                period[measure] += value
        return pa.Table.from_pylist(list(periods.values()))

    def _days(self) -> list[Row]:
        days: dict[dt.date, Row] = {}
        for line in self.silver["transactions"]:
            zero = {"lines": 0, "units": 0, "gross_sales": Decimal(0), "returns": Decimal(0), "net_sales": Decimal(0)}
            day = days.setdefault(line["business_date"], {"business_date": line["business_date"], **zero})
            day["lines"] += 1
            day["units"] += line["quantity"]
            day["net_sales"] += line["amount"]
            if line["kind"] in {"sale", "cancellation"}:
                day["gross_sales" if line["kind"] == "sale" else "returns"] += line["amount"]
        return list(days.values())


def _day(value: object) -> dt.date | None:
    moment = _moment(value)
    return None if moment is None else moment.date()


def _moment(value: object) -> dt.datetime | None:
    if isinstance(value, dt.datetime):
        return value
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _number(value: object) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _integer(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


class _Line:
    """One row on its way to silver: values as they are typed, rules as they are broken."""

    def __init__(self, row: Row) -> None:
        self.row, self.rules, self.values = row, [], {}

    def take(self, source: str, name: str, cast: Any = str, *, required: bool = True) -> Any:
        value = self.row[source]
        value = None if value == "" else value
        typed = None if value is None else cast(value)
        if value is not None and typed is None:
            self.rules.append(f"{name}:readable")
        elif value is None and required:
            self.rules.append(f"{name}:not_null")
        self.values[name] = typed
        return typed

    def demand(self, rule: str, holds: object) -> None:
        if holds is False:
            self.rules.append(rule)

    def between(self, name: str, low: int, high: int) -> None:
        value = self.values[name]
        self.demand(f"{name}:in_range", None if value is None else low <= value <= high)

    def on_business_date(self, name: str) -> None:
        value = self.values[name]
        self.demand(f"{name}:on_business_date", None if value is None else value.date() == self.row["business_date"])


def _typed(source: str, row: Row) -> tuple[list[str], Row]:
    reason = row["reject_reason"]
    if reason is not None:
        kind = ":".join(reason.split(":")[:2]) if reason.startswith("file:") else f"record:{reason.split(':')[0]}"
        return [kind], {}
    line = _Line(row)
    judges = {
        "transactions": _transaction,
        "customers": _customer,
        "products": _product,
        "inventory": _movement,
        "clicks": _event,
    }
    judges[source](line)
    return line.rules, line.values


def _transaction(line: _Line) -> None:
    invoice = line.take("InvoiceNo", "invoice_no")
    line.take("StockCode", "stock_code")
    line.take("Description", "description", required=False)
    quantity = line.take("Quantity", "quantity", lambda value: _small(_integer(value)))
    line.take("InvoiceDate", "invoiced_at", _moment)
    price = line.take("UnitPrice", "unit_price", _number)
    line.take("CustomerID", "customer_id", _integer, required=False)
    line.take("Country", "country")
    line.between("quantity", -100_000, 100_000)
    line.between("unit_price", -1_000_000, 1_000_000)
    line.on_business_date("invoiced_at")
    if not line.rules:
        kinds = {"C": "cancellation", "A": "bad_debt"}
        line.values["kind"] = kinds.get(invoice[0], "adjustment" if price == 0 else "sale")
        line.values["amount"] = quantity * price


def _small(number: int | None) -> int | None:
    return number if number is not None and abs(number) < 2**31 else None


def _customer(line: _Line) -> None:
    line.take("customer_id", "customer_id", _integer)
    line.take("updated_at", "updated_at", _moment)
    email = line.take("email", "email", required=False)
    segment = line.take("segment", "segment", required=False)
    line.take("phone", "phone", required=False)
    line.take("is_deleted", "is_deleted", {"true": True, "false": False}.get, required=False)
    line.demand("email:str_matches", None if email is None else bool(re.match(r"^[^@\s]+@[^@\s]+$", email)))
    line.demand("segment:isin", None if segment is None else segment in {"consumer", "corporate", "home_office"})
    line.on_business_date("updated_at")


def _product(line: _Line) -> None:
    line.take("stock_code", "stock_code")
    line.take("updated_at", "updated_at", _moment)
    line.take("reorder_level", "reorder_level", _integer, required=False)
    for name in ("cost", "list_price"):
        line.take(name, name, _number)
        line.between(name, 0, 1_000_000)
    line.on_business_date("updated_at")


def _movement(line: _Line) -> None:
    line.take("movement_id", "movement_id")
    line.take("stock_code", "stock_code")
    kind = line.take("movement_type", "movement_type")
    quantity = line.take("quantity", "quantity", lambda value: _small(_integer(value)))
    line.take("moved_at", "moved_at", _moment)
    line.between("quantity", -1_000_000, 1_000_000)
    line.demand("movement_type:isin", None if kind is None else kind in {"receipt", "sale", "adjustment", "count"})
    line.on_business_date("moved_at")
    if quantity is not None:
        line.demand("row:receipt_adds", kind != "receipt" or quantity > 0)
        line.demand("row:sale_takes", kind != "sale" or quantity < 0)
        line.demand("row:count_is_not_negative", kind != "count" or quantity >= 0)


def _event(line: _Line) -> None:
    line.take("event_id", "event_id")
    line.take("session_id", "session_id")
    line.take("user_id", "user_id", _integer, required=False)
    kind = line.take("event_type", "event_type")
    product = line.take("stock_code", "stock_code", required=False)
    line.take("url", "url", required=False)
    line.take("ts", "clicked_at", _moment)
    line.demand("event_type:isin", None if kind is None else kind in {"view", "cart", "purchase"})
    line.on_business_date("clicked_at")
    line.demand("row:deal_names_a_product", kind not in {"cart", "purchase"} or product is not None)

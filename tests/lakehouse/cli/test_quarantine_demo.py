"""Every rejected row of the demo is fixed or discarded, and the lake is the one that sound sources would have made."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import shutil
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from examples.shop.answer_key import read_answer_key
from lakehouse.catalog.reader import Catalog
from lakehouse_assets.bronze.clicks import clicks
from lakehouse_assets.bronze.inventory import inventory
from tests.contents import content_hashes
from tests.lakehouse.cli.conftest import lakehouse
from tests.lakehouse.cli.test_demo import versions
from tests.scenario import CUSTOMERS, PRODUCTS, TRANSACTIONS, parquet_bytes

SOURCES = {source.name: source for source in (TRANSACTIONS, CUSTOMERS, PRODUCTS, inventory.source, clicks.source)}
WHY = ("--reason", "list of the shop", "--by", "ada")


def columns_of(source: str) -> list[str]:
    return [each if isinstance(each, str) else each[0] for each in SOURCES[source].format.columns]


def sound(source: str, day: str, number: int) -> dict[str, str]:
    """Return a sound record of a day that is like no other."""
    clock = f"{20 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
    return {
        "transactions": {
            "InvoiceNo": f"9{number:05}",
            "StockCode": "85123A",
            "Description": "as the shop remembers",
            "Quantity": "2",
            "InvoiceDate": f"{day} {clock}",
            "UnitPrice": "1.25",
            "CustomerID": "17850",
            "Country": "United Kingdom",
        },
        "customers": {
            "customer_id": f"{800_000 + number}",
            "name": "Ada Example",
            "email": "ada@example.com",
            "phone": "",
            "city": "London",
            "country": "United Kingdom",
            "segment": "consumer",
            "updated_at": f"{day}T{clock}Z",
            "is_deleted": "false",
        },
        "products": {
            "stock_code": f"NEW{number}",
            "description": "as the shop remembers",
            "category": "lighting",
            "cost": "1.250",
            "list_price": "3.390",
            "reorder_level": "20",
            "updated_at": f"{day} {clock}",
        },
        "inventory": {
            "movement_id": f"fix-{number}",
            "stock_code": "20000",
            "movement_type": "sale",
            "quantity": "-2",
            "moved_at": f"{day} {clock}",
        },
        "clicks": {
            "event_id": f"fix-{number}",
            "session_id": f"s-fix-{number}",
            "user_id": "17850",
            "event_type": "view",
            "stock_code": "20000",
            "url": "https://shop.example/p/20000",
            "ts": f"{day}T{clock}Z",
            "user_agent": "as the shop remembers",
            "context": '{"referrer":null}',
        },
    }[source]


def corrections(rows: list[dict]) -> dict[str, dict[str, str]]:
    """Return what each row must be corrected to, by id: the columns that broke a rule, or the whole record."""
    contract_names = {
        "transactions": dict(
            zip(
                ("invoice_no", "stock_code", "description", "quantity", "invoiced_at", "unit_price", "customer_id"),
                columns_of("transactions"),
                strict=False,
            ),
            country="Country",
        ),
        **{source: {name: name for name in columns_of(source)} for source in ("customers", "products", "inventory")},
        "clicks": {"clicked_at" if name == "ts" else name: name for name in columns_of("clicks")},
    }
    found = {}
    for number, row in enumerate(rows):
        source = row["table_name"].partition(".")[2]
        record, named = sound(source, row["business_date"], number), contract_names[source]
        broken = {named.get(rule.partition(":")[0]) for rule in row["rules"]}
        if source == "transactions":  # a sale has units and a return gives some back: these three go together
            broken |= {"InvoiceNo", "Quantity", "UnitPrice"}
        found[row["id"]] = record if None in broken else {name: record[name] for name in broken}
    return found


def write_fixes(path: Path, source: str, rows: list[dict], fixes: dict[str, dict[str, str]]) -> None:
    with path.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, ["id", *columns_of(source)])
        writer.writeheader()
        writer.writerows({"id": row["id"], **fixes[row["id"]]} for row in rows)


def write_sound_sources(lake: Catalog, landing: Path, fixes: dict[tuple[str, int], dict[str, str]]) -> None:
    """Write the files that would have come had the sources been right: bronze's newest records, corrected."""
    newest = {}
    for file in sorted(lake.read("system.landing_files").to_pylist(), key=lambda file: file["batch_id"]):
        if file["outcome"] == "ingested":
            newest[file["source_file"]] = file["source_version"], file["data_source"]
    records = defaultdict(list)
    for source in SOURCES:
        for row in lake.read(f"bronze.{source}").to_pylist():
            is_newest = newest.get(row["source_file"]) == (row["source_version"], source)
            if is_newest and row["source_record"] is not None:
                records[row["source_file"]].append(row)
    for file, rows in records.items():
        source = newest[file][1]
        rows.sort(key=lambda row: row["source_record"])
        corrected = [
            {
                **{name: row[name] for name in columns_of(source)},
                **{name: value or None for name, value in fixes.get((file, row["source_record"]), {}).items()},
            }
            for row in rows
        ]
        content = written(source, file, corrected)
        path = landing / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if file.endswith(".gz") else content)


def written(source: str, file: str, records: list[dict]) -> bytes:
    names = columns_of(source)
    if file.endswith(".parquet"):
        schema = pa.schema([SOURCES[source].format.schema.field(name) for name in names])
        typed = [{name: of_type(record[name], schema.field(name).type) for name in names} for record in records]
        return parquet_bytes(pa.Table.from_pylist(typed, schema))
    if ".jsonl" in file:
        return "".join(json.dumps(record) + "\n" for record in records).encode()
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def of_type(value: object, wanted: pa.DataType) -> object:
    """Return what the text of a fix stands for in a typed column."""
    if not isinstance(value, str) or pa.types.is_string(wanted):
        return value
    if pa.types.is_timestamp(wanted):
        return dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC)
    return Decimal(value) if pa.types.is_decimal(wanted) else int(value)


def open_rows(root: Path) -> list[dict]:
    return lakehouse(root, "quarantine", "show", "--limit", "10000", "--json").data


def test_all_rows_fixed_and_replayed_make_the_lake_of_sound_sources(demo_lake, lake_root, tmp_path):
    shutil.copytree(demo_lake.root, lake_root)
    rows = open_rows(lake_root)
    key = read_answer_key(lake_root / "landing")
    planted = {
        (fault.file, fault.record)
        for fault in key.faults
        if fault.counts_after(key.waves) and fault.expect in {"rejected", "refused"}
    }
    assert {(row["source_file"], row["source_record"]) for row in rows} == planted
    refused = [row["id"] for row in rows if row["source_record"] is None]
    rows = [row for row in rows if row["source_record"] is not None]
    fixes = corrections(rows)
    write_sound_sources(
        Catalog(str(lake_root)),
        tmp_path / "sound" / "landing",
        {(row["source_file"], row["source_record"]): fixes[row["id"]] for row in rows},
    )

    for source in SOURCES:
        of_source = [row for row in rows if row["table_name"] == f"silver.{source}"]
        write_fixes(tmp_path / "fixes.csv", source, of_source, fixes)
        fixed = lakehouse(lake_root, "quarantine", "fix", "--file", str(tmp_path / "fixes.csv"), *WHY, "--json")
        assert [(each["rules"], each["corrected"]) for each in fixed.data["fixes"] if not each["passes"]] == []
    ids = [word for row_id in refused for word in ("--id", row_id)]
    assert lakehouse(lake_root, "quarantine", "discard", *ids, *WHY).code == 0
    replayed = lakehouse(lake_root, "quarantine", "replay", "--json").data
    assert replayed["held"] == replayed["errors"] == []

    assert open_rows(lake_root) == []
    counted = lakehouse(
        lake_root, "query", "--json", "SELECT status, count(*) AS n FROM silver.quarantine GROUP BY ALL"
    )
    closed = {each["status"]: each["n"] for each in counted.data}
    assert (closed["replayed"], closed["discarded"]) == (len(rows), len(refused))
    strict = lakehouse(lake_root, "reconcile", "--strict", "--json")
    assert (strict.data["imbalances"], strict.code) == ([], 0)

    before = versions(lake_root)
    assert lakehouse(lake_root, "quarantine", "replay").out.startswith("0 rows")
    assert versions(lake_root) == before

    assert lakehouse(tmp_path / "sound", "run").code == 0
    assert open_rows(tmp_path / "sound") == []
    made = made_from_sources(lake_root)
    assert {"silver.transactions", "gold.daily_sales_summary", "gold.monthly_sales_summary"} <= {*made}
    assert made == made_from_sources(tmp_path / "sound")


def made_from_sources(root: Path) -> dict[str, str]:
    """Return the hashes of silver and gold; quarantine tells of the sources themselves."""
    hashes = content_hashes(str(root))
    return {
        name: found for name, found in hashes.items() if not name.startswith("bronze.") and name != "silver.quarantine"
    }

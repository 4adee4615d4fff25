"""However files came, late, corrected, copied or emptied, and whatever was run again: gold is what they make now.

Ten random sequences, one after the other, in a shop of four customers and three products. After each of them every
gold table equals, row for row, what its function alone makes of a fresh lake that has only seen the final files.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame

from lakehouse.catalog.reader import Catalog
from lakehouse.contracts.contract import arrow_schema, spark_schema
from lakehouse.engines.base import Engine
from lakehouse.publication.digests import to_contract
from lakehouse.publication.publish import publish_received
from lakehouse.settings import Settings
from lakehouse_assets.definitions import find_tables
from resources.lakehouse import Lakehouse
from tests.contents import content_hash
from tests.frames import click, customer_change, movement, product
from tests.line import Line
from tests.scenario import START, csv_bytes, drop, jsonl_bytes, parquet_bytes, sale

TABLES = {table.full_name: table for table in find_tables()}
GOLD = [name for name in TABLES if name.startswith("gold.")]
DAYS = [dt.date.fromisoformat(day) for day in ("2010-12-06", "2010-12-31", "2011-01-03", "2011-03-02")]
"""Days of the shop: a week that reaches over the edge of a month and of a year, and a month without sales."""
SEEDS = range(1, 11)
CHANGES = 4
"""What happens to files in a sequence, before it is brought to gold."""
SOURCES = {"transactions": "csv", "customers": "jsonl", "products": "parquet", "inventory": "csv", "clicks": "jsonl"}
"""The ending of a source's files."""

CUSTOMERS = (12346, 12347, 12348, 12349)
"""Those who buy; of the first nothing else is known."""
PRODUCTS = pa.schema(
    {
        "stock_code": pa.string(),
        "description": pa.string(),
        "category": pa.string(),
        "cost": pa.decimal128(18, 3),
        "list_price": pa.decimal128(18, 3),
        "reorder_level": pa.int32(),
        "updated_at": pa.timestamp("us", tz="UTC"),
    }
)

Record = dict[str, Any]


@dataclass
class Files:
    """The files of a small shop, as they are in the landing zone now, and random changes of them.

    Attributes:
        records: what each file holds, by its key in the landing zone.
    """

    chance: random.Random
    landing: Path
    records: dict[str, list[Record]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1000)))

    def open(self) -> None:
        """Bring a file of each source and day, which stays as it is: a day that loses all of its rows is held."""
        for source, ending in SOURCES.items():
            for day in DAYS:
                key = f"{source}/{day}.{ending}"
                self.records[key] = [self.record(source, [day]) for _ in range(2)]
                self.write(key, "opens")

    def change(self) -> str:
        """Let something happen to a file, and say what."""
        changeable = sorted(key for key in self.records if "-no-" in key)
        change = self.chance.choice((self.correct, self.correct, self.empty, self.send_again, self.copy))
        if not changeable or self.chance.random() < 0.4:
            return self.arrive()
        return change(self.chance.choice(changeable))

    def arrive(self) -> str:
        """Bring a new file, with rows of its own day and of days before."""
        (source,), day = self.chance.choices([*SOURCES], weights=(3, 2, 2, 1, 1)), self.chance.choice(DAYS)
        key = f"{source}/{day}-no-{next(self.numbers)}.{SOURCES[source]}"
        self.records[key] = [self.record(source, until(day)) for _ in range(self.chance.randint(1, 5))]
        return self.write(key, "arrives")

    def correct(self, key: str) -> str:
        """Replace some of a file's rows."""
        source, _, name = key.partition("/")
        kept = [record for record in self.records[key] if self.chance.random() < 0.5]
        self.records[key] = [*kept, self.record(source, until(dt.date.fromisoformat(name[:10])))]
        return self.write(key, "is corrected")

    def empty(self, key: str) -> str:
        """Take all of a file's rows away."""
        self.records[key] = []
        return self.write(key, "is emptied")

    def send_again(self, key: str) -> str:
        """Send a file as it is."""
        return self.write(key, "is sent again")

    def copy(self, key: str) -> str:
        """Send a file a second time, under another name."""
        name, _, ending = key.rpartition(".")
        again = f"{name}-{next(self.numbers)}.{ending}"
        self.records[again] = self.records[key]
        return self.write(again, f"is a copy of {key}")

    def write(self, key: str, what: str) -> str:
        """Put a file into the landing zone."""
        drop(self.landing, key, content(key, self.records[key]))
        return f"{key} {what}, {len(self.records[key])} rows"

    def record(self, source: str, days: list[dt.date]) -> Record:
        """Make a row of one of some days, for a file of a source."""
        pick = self.chance.choice
        day, time = pick(days), pick(("08:26:00", "12:00:00", "17:45:00"))
        at, stock_code = f"{day}T{time}Z", pick(("85123A", "22423", "71053"))
        if source == "customers":
            city, is_deleted = pick(("London", "Leeds")), self.chance.random() < 0.2
            return customer_change(pick(CUSTOMERS[1:]), at=at, city=city, is_deleted=is_deleted)
        if source == "products":
            cost, level, category = pick(("1.000", "1.255", "2.500")), pick((10, 50)), pick(("lighting", "kitchen"))
            changed = {"cost": Decimal(cost), "reorder_level": level, "category": category}
            return product(stock_code, **changed, updated_at=dt.datetime.fromisoformat(at))
        if source == "inventory":
            kind, quantity = pick((("receipt", "60"), ("sale", "-6"), ("adjustment", "-1"), ("count", "40")))
            number = f"m-{next(self.numbers)}"
            return movement(number, f"{day} {time}", stock_code=stock_code, movement_type=kind, quantity=quantity)
        if source == "clicks":
            about = {"event_type": pick(("view", "cart", "purchase")), "session_id": pick(("s-1", "s-2"))}
            return click(f"e-{next(self.numbers)}", at, **about, stock_code=stock_code, user_id=pick(CUSTOMERS))
        back = self.chance.random() < 0.3
        return sale(
            f"{'C' if back else ''}{pick(range(536365, 536369))}",
            at=f"{day} {time}",
            StockCode=stock_code,
            Quantity=str(-pick((1, 6)) if back else pick((1, 6, 120))),
            UnitPrice=pick(("2.55", "0", "7.125")),
            CustomerID=str(pick((*CUSTOMERS, ""))),
            Country=pick(("United Kingdom", "France")),
        )


def until(day: dt.date) -> list[dt.date]:
    """Return the days of the shop up to one."""
    return [each for each in DAYS if each <= day]


def content(key: str, records: list[Record]) -> bytes:
    """Write a file's rows in the format of its source."""
    source = TABLES[f"bronze.{key.partition('/')[0]}"].source
    if key.endswith(".csv"):
        return csv_bytes(records, source.format.columns)
    return jsonl_bytes(records) if key.endswith(".jsonl") else parquet_bytes(pa.Table.from_pylist(records, PRODUCTS))


def held(root: Path) -> dict[str, str]:
    """Return the content of every gold table of a lake."""
    lake = Catalog(str(root))
    written = {name for name in lake.names() if name in GOLD}
    return {name: content_hash(as_declared(name, lake.read(name) if name in written else None)) for name in GOLD}


def rebuilt(folder: Path, files: Files) -> dict[str, str]:
    """Return the content of every gold table, made at once by its function, in a fresh lake of the final files."""
    for key, records in files.records.items():
        drop(folder / "landing", key, content(key, records))
    lakehouse = Lakehouse.of(Settings(root=str(folder), landing=str(folder / "landing"), start_date=START))
    engine = lakehouse.engine
    made: dict[str, pa.Table] = {}

    def make(name: str) -> pa.Table:
        if name not in made:
            table = TABLES[name]
            if table.layer == "silver":
                bronze = TABLES[f"bronze.{table.name}"]
                days = lakehouse.ingestion(bronze.source).run(DAYS, run_id="rebuild").dates
                if days:
                    rows = engine.read(bronze.full_name)
                    publish_received(engine, table.terms, table.transform, rows, sorted(days), run_id="rebuild")
                found = Catalog(str(folder)).read(name) if days else None
            else:
                inputs = {each: as_declared(of) if of == name else make(of) for each, of in table.inputs.items()}
                frames = {each: as_frame(engine, table.inputs[each], rows) for each, rows in inputs.items()}
                found = engine.collect(to_contract(table.transform(**frames), table.terms.contract))
            made[name] = as_declared(name, found)
        return made[name]

    return {name: content_hash(make(name)) for name in GOLD}


def as_frame(engine: Engine, name: str, rows: pa.Table) -> DataFrame:
    """Return rows of a table as a frame."""
    empty = spark_schema(TABLES[name].terms.contract)
    return engine.session().createDataFrame(rows) if rows.num_rows else engine.session().createDataFrame([], empty)


def as_declared(name: str, rows: pa.Table | None = None) -> pa.Table:
    """Return rows with the types that their table's contract declares; none if there are none."""
    schema = arrow_schema(TABLES[name].terms.contract).remove_metadata()
    return schema.empty_table() if rows is None else rows.select(schema.names).cast(schema)


@pytest.mark.slow
def test_gold_is_what_the_final_files_make_however_they_came(landing_root, tmp_path):
    files = Files(random.Random(0), landing_root)  # noqa: S311 - a test's sequence, not a secret
    files.open()
    line = Line(landing_root, tables=GOLD)
    line.drain()
    happened: list[str] = []
    for seed in SEEDS:
        files.chance.seed(seed)
        happened += [f"seed {seed}: {files.change()}" for _ in range(CHANGES)]
        source, day = files.chance.choice([*SOURCES]), str(files.chance.choice(DAYS))
        happened.append(f"seed {seed}: {source} of {day} is run again")
        assert line.execute(line.defs.resolve_job_def(source), day, day).success
        line.drain()
        found, expected = held(landing_root.parent), rebuilt(tmp_path / f"rebuilt-{seed}", files)
        unequal = [name for name in GOLD if found[name] != expected[name]]
        assert unequal == [], "\n".join(happened)

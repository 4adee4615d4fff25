"""However files came, late, corrected, copied or emptied, and whatever was run again: gold is what they make now.

Random sequences, one after the other, in a shop of four customers and three products. After each of them every gold
table equals, row for row, what its function alone makes of a fresh lake that has only seen the final files.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

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
from tests.lakehouse_assets.world import DAYS, ENDINGS, Record, content, record
from tests.line import Line
from tests.scenario import START, drop

TABLES = {table.full_name: table for table in find_tables()}
GOLD = [name for name in TABLES if name.startswith("gold.")]
CHANGES = 4
"""What happens to files in a sequence, before it is brought to gold."""


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
        for source, ending in ENDINGS.items():
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
        (source,), day = self.chance.choices([*ENDINGS], weights=(3, 2, 2, 1, 1)), self.chance.choice(DAYS)
        key = f"{source}/{day}-no-{next(self.numbers)}.{ENDINGS[source]}"
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
        """Make a record of one of some days, for a file of a source."""
        return record(self.chance, self.numbers, source, days)


def until(day: dt.date) -> list[dt.date]:
    """Return the days of the shop up to one."""
    return [each for each in DAYS if each <= day]


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


@pytest.mark.parametrize("sequences", [2, pytest.param(10, marks=pytest.mark.long)])
def test_gold_is_what_the_final_files_make_however_they_came(landing_root, tmp_path, sequences):
    files = Files(random.Random(0), landing_root)  # noqa: S311 - a test's sequence, not a secret
    files.open()
    line = Line(landing_root, tables=GOLD)
    line.drain()
    happened: list[str] = []
    for seed in range(1, sequences + 1):
        files.chance.seed(seed)
        happened += [f"seed {seed}: {files.change()}" for _ in range(CHANGES)]
        source, day = files.chance.choice([*ENDINGS]), str(files.chance.choice(DAYS))
        happened.append(f"seed {seed}: {source} of {day} is run again")
        assert line.execute(line.defs.resolve_job_def(source), day, day).success
        line.drain()
        found, expected = held(landing_root.parent), rebuilt(tmp_path / f"rebuilt-{seed}", files)
        unequal = [name for name in GOLD if found[name] != expected[name]]
        assert unequal == [], "\n".join(happened)

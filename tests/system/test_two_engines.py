"""Both engines on one lake: each reads, merges, widens and rewrites what the other has written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from lakehouse.delta.model import TableLayout, Token
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.base import Engine
from lakehouse.storage.files import delta_options, table_uri
from tests.conftest import engine_at
from tests.s3_server import new_bucket
from tests.scenario import day

SCHEMA = pa.schema(
    [
        ("business_date", pa.date32()),
        ("stock_code", pa.string()),
        ("price", pa.decimal128(9, 2)),
        ("sold_at", pa.timestamp("us", tz="UTC")),
        ("rules", pa.list_(pa.string())),
    ]
)
OFTEN = {"delta.checkpointInterval": "2"}
"""Each engine soon has to read the checkpoints of the other, and not only its commits."""
SALES = TableLayout("silver.sales", SCHEMA, ("business_date",), OFTEN)
WIDER = TableLayout("silver.sales", SCHEMA.append(pa.field("colour", pa.string())), ("business_date",), OFTEN)
RECEIVED = TableLayout("bronze.sales", SCHEMA, ("business_date",), {**OFTEN, "delta.appendOnly": "true"})

Row = tuple[Any, ...]


def sale(number: int, stock_code: str | None, pence: int | None) -> Row:
    """A row of the n-th of March 2011: exact money, microseconds, and a list that may be null."""
    price = None if pence is None else Decimal(pence).scaleb(-2)
    sold_at = dt.datetime(2011, 3, number, 23, 59, 59, 999999, tzinfo=dt.UTC)
    return day(number), stock_code, price, sold_at, None if pence is None else ["a:b", "it's"]


def table(rows: Iterable[Row], layout: TableLayout = SALES) -> pa.Table:
    names = layout.schema.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=layout.schema)


def on(*numbers: int) -> Predicate:
    return Predicate("business_date", [day(number) for number in numbers])


class Lake:
    """A lake under two engines, and what every version of a table has to hold."""

    def __init__(self, first: Engine, second: Engine) -> None:
        """Take the engines, in the order of their turns."""
        self.first, self.second = first, second
        self.versions: dict[int, list[Row]] = {}

    def holds(self, version: int | None, rows: Iterable[Row], name: str = SALES.name) -> None:
        """See that both engines find these rows, and that they are the newest version's."""
        assert version is not None
        self.versions[version] = sorted(rows, key=repr)
        for engine in (self.first, self.second):
            assert engine.version(name) == version
            assert found(engine, name) == self.versions[version], engine.name

    def holds_its_past(self, name: str = SALES.name) -> None:
        """See that both engines find the rows of every version there was."""
        assert list(self.versions) == list(range(1, len(self.versions) + 1))
        for engine in (self.first, self.second):
            for version, rows in self.versions.items():
                assert found(engine, name, version) == rows, (engine.name, version)

    def protocol(self, name: str = SALES.name) -> tuple[int, int, list[str]]:
        """Return the versions of readers and writers that a table asks for, and its features beyond those."""
        uri = table_uri(self.first.root, name)
        asked = DeltaTable(uri, storage_options=delta_options(uri)).protocol()
        features = {*(asked.reader_features or ()), *(asked.writer_features or ())}
        return asked.min_reader_version, asked.min_writer_version, sorted(features)


def found(engine: Engine, name: str, version: int | None = None) -> list[Row]:
    rows = engine.collect(engine.read(name, version=version)).to_pylist()
    return sorted((tuple(row.values()) for row in rows), key=repr)


PLACES = ["disk sail spark", "s3 spark sail"]
on_disk = pytest.mark.parametrize("lake", [PLACES[0], pytest.param(PLACES[1], marks=pytest.mark.long)], indirect=True)


@pytest.fixture(params=PLACES)
def lake(request, lake_root, run_folder, spark_url, monkeypatch) -> Lake:
    """An empty lake, on disk or on an object store, and the order in which the engines take turns."""
    monkeypatch.setenv("LAKEHOUSE_SPARK_URL", spark_url)
    place, first, second = request.param.split()
    root = str(lake_root) if place == "disk" else f"{new_bucket(run_folder, 'moto', monkeypatch).uri}/lake"
    return Lake(engine_at(root, first), engine_at(root, second))


def test_engines_take_turns_in_writing_and_every_version_stays_readable_by_both(lake):
    first, second = lake.first, lake.second
    rows = [sale(1, "a", 100), sale(1, "b", None), sale(2, "a", 200), sale(3, None, 300)]
    lake.holds(first.publish(SALES, table(rows), on(1, 2, 3)), rows)

    changes = [sale(1, "b", 999_999_999), sale(3, None, 333), sale(4, "new", 400)]
    rows = [sale(1, "a", 100), sale(2, "a", 200), *changes]
    lake.holds(second.merge(SALES, table(changes), ["business_date", "stock_code"]), rows)

    for number, engine in enumerate((first, second, first), start=5):
        more = [sale(2, str(number), number)]
        rows += more
        lake.holds(engine.append(SALES, table(more), token=Token("sales", number)), rows)

    for engine in (first, second):
        done = engine.optimize(SALES.name)
        assert (done.partitions > 0, done.files[0] > done.files[1]) == (True, True), engine.name
        lake.holds(done.version, rows)
        assert engine.optimize(SALES.name).version == done.version  # nothing is left to do
        more = [sale(4, engine.name, 44)]
        rows += more
        other = second if engine is first else first
        lake.holds(other.append(SALES, table(more)), rows)

    rows = [row for row in rows if row[0] != day(2)]
    frame = second.read(SALES.name, on(2)).where("price < 0")
    lake.holds(second.publish(SALES, frame, on(2)), rows)
    lake.holds(first.restore(SALES.name, 1), lake.versions[1])
    lake.holds_its_past()
    assert lake.protocol() == (1, 2, [])


@on_disk
def test_a_token_that_one_engine_has_used_is_refused_by_the_other(lake):
    engines = [lake.first, lake.second] * 2
    rows: list[Row] = []
    for number, engine in enumerate(engines, start=1):
        new = [sale(1, engine.name, number)]
        rows += new
        other = next(one for one in engines if one is not engine)
        lake.holds(engine.append(RECEIVED, table(new), token=Token("sales", number)), rows, RECEIVED.name)
        assert other.last_token(RECEIVED.name, "sales") == number
        assert other.append(RECEIVED, table(new), token=Token("sales", number)) is None
    assert found(lake.first, RECEIVED.name) == found(lake.second, RECEIVED.name) == lake.versions[4]
    lake.holds_its_past(RECEIVED.name)
    assert lake.protocol(RECEIVED.name) == (1, 2, [])


@on_disk
def test_a_table_that_one_engine_has_widened_is_written_by_the_other(lake):
    first, second = lake.first, lake.second
    old, kept = sale(1, "old", 100), sale(2, "kept", 200)
    assert first.publish(SALES, table([old, kept]), on(1, 2)) == 1
    red = (*sale(1, "new", 100), "red")
    wide = [red, (*kept, None)]
    assert second.publish(WIDER, table([red], WIDER), on(1)) == 3  # the column came with a commit of its own
    assert found(first, SALES.name) == found(second, SALES.name) == sorted(wide, key=repr)

    blue, plain = (*sale(3, "third", 300), "blue"), sale(4, "fourth", 400)
    assert first.append(WIDER, table([blue], WIDER)) == 4
    assert first.publish(SALES, table([plain]), on(4)) == 5
    green = (*kept, "green")
    assert second.merge(WIDER, table([green], WIDER), ["business_date", "stock_code"]) == 6
    expected = sorted([red, green, blue, (*plain, None)], key=repr)
    for engine in (first, second):
        assert found(engine, SALES.name) == expected
        assert found(engine, SALES.name, 1) == sorted([old, kept], key=repr)
        assert found(engine, SALES.name, 3) == sorted(wide, key=repr)
    assert lake.protocol() == (1, 2, [])

"""A copy of a lake has what the lake has, and nothing done to it reaches the lake."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from lakehouse.delta.clone import clone
from lakehouse.delta.model import TableLayout, Token
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.sail import SailEngine
from lakehouse.storage.files import read_text, sizes_below, write_text

DAYS = tuple(dt.date(2024, 1, day) for day in (1, 2, 3))
LAYOUT = TableLayout("silver.t", pa.schema([("day", pa.date32()), ("text", pa.string())]), ("day",))


def rows(engine: SailEngine) -> list[tuple[dt.date, str]]:
    """Return a table's rows."""
    return sorted((row["day"], row["text"]) for row in engine.collect(engine.read("silver.t")).to_pylist())


def filled(root: str) -> SailEngine:
    """Make a lake of one table, written often enough to have a checkpoint, and a manifest."""
    engine = SailEngine(root)
    for number in range(12):
        day = DAYS[number % 3]
        table = pa.Table.from_pylist([{"day": day, "text": f"version {number}"}], schema=LAYOUT.schema)
        engine.publish(LAYOUT, table, Predicate("day", (day,)))
    engine.append(LAYOUT, LAYOUT.schema.empty_table(), token=Token("source", 7))
    write_text(f"{root}/system/lakehouse.json", "{}")
    write_text(f"{root}/system/manifests/orders.json", '{"run_id": "r"}')
    return engine


def copied_and_written_to(root: str, folder) -> None:
    """Copy a lake, look at the copy, write to it, and look at the lake."""
    lake = filled(root)
    before, files = rows(lake), sizes_below(root)

    versions = clone(root, folder)

    copy = SailEngine(str(folder))
    assert versions == {"silver.t": lake.version("silver.t")}
    assert rows(copy) == before == [(day, f"version {9 + number}") for number, day in enumerate(DAYS)]
    assert (copy.version("silver.t"), copy.last_token("silver.t", "source")) == (versions["silver.t"], 7)
    assert read_text(f"{folder}/system/manifests/orders.json") == '{"run_id": "r"}'
    for number in range(12):
        table = pa.Table.from_pylist([{"day": DAYS[0], "text": f"copy {number}"}], schema=LAYOUT.schema)
        copy.publish(LAYOUT, table, Predicate("day", (DAYS[0],)))
    write_text(f"{folder}/system/manifests/orders.json", "changed")
    assert rows(copy)[0] == (DAYS[0], "copy 11")
    assert (rows(lake), sizes_below(root)) == (before, files)
    assert read_text(f"{root}/system/manifests/orders.json") == '{"run_id": "r"}'


def test_a_copy_of_a_lake_on_disk_has_its_rows_and_what_is_written_to_it_stays_there(tmp_path):
    copied_and_written_to(str(tmp_path / "lake"), tmp_path / "copy")


def test_a_copy_of_a_lake_on_an_object_store_has_its_rows_and_what_is_written_to_it_stays_there(remote, tmp_path):
    copied_and_written_to(f"{remote.uri}/lake", tmp_path / "copy")


def test_a_table_that_was_only_made_is_copied_and_has_no_version(tmp_path):
    root = str(tmp_path / "lake")
    SailEngine(root)._ready(LAYOUT)  # noqa: SLF001 - a process that died before its first commit
    assert clone(root, tmp_path / "copy") == {}


@pytest.mark.parametrize("text", ["a/b", "Home & Décor", "100 %"])
def test_partitions_with_any_name_are_copied(tmp_path, text):
    root, layout = str(tmp_path / "lake"), TableLayout("gold.t", LAYOUT.schema, ("text",))
    lake = SailEngine(root)
    lake.append(layout, pa.Table.from_pylist([{"day": DAYS[0], "text": text}], schema=layout.schema))
    clone(root, tmp_path / "copy")
    copy = SailEngine(str(tmp_path / "copy"))
    assert copy.collect(copy.read("gold.t")).column("text").to_pylist() == [text]

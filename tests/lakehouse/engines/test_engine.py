"""The engine port's contract: what every engine must do, whatever it runs on."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

from lakehouse.delta.model import MissingTableError, TableError, TableLayout, Token
from lakehouse.delta.predicates import Predicate
from tests.conftest import engine_at
from tests.processes import wait_for
from tests.s3_server import SERVERS, new_bucket
from tests.scenario import day

SCHEMA = pa.schema([("business_date", pa.date32()), ("name", pa.string()), ("quantity", pa.int32())])
SALES = TableLayout("silver.sales", SCHEMA, ("business_date",))
NAMED = TableLayout("silver.named", SCHEMA, ("name", "business_date"))


def table(*rows, schema: pa.Schema = SCHEMA) -> pa.Table:
    """Rows in the schema's order."""
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


@dataclass(frozen=True)
class Sieve:
    """A gate that keeps rows of some quantity, or raises when it has seen all."""

    at_least: int = 0
    error: BaseException | None = None

    def stream(self, batches):
        for batch in batches:
            yield batch.filter(pc.greater_equal(batch["quantity"], self.at_least)).select([2, 0, 1])
        self._decide()

    def frame(self, frame, collect):
        assert collect(frame).num_rows > 0
        self._decide()
        return frame.where(f"quantity >= {self.at_least}").select("quantity", "business_date", "name")

    def _decide(self):
        if self.error is not None:
            raise self.error


@dataclass(frozen=True)
class Rows:
    """A part of an append: rows, and then perhaps an error."""

    rows: tuple
    error: str | None = None

    def __call__(self):
        yield from table(*self.rows).to_batches()
        if self.error is not None:
            raise ValueError(self.error)


@dataclass(frozen=True)
class SlowRows:
    """A part that starts when it says so, and goes on when it is told to."""

    rows: tuple
    folder: Path

    def __call__(self):
        (self.folder / "started").touch()
        while not (self.folder / "go").exists():
            time.sleep(0.02)
        yield from table(*self.rows).to_batches()


def on(*days: dt.date, **equals: str) -> Predicate:
    return Predicate("business_date", days, tuple(equals.items()))


def rows(engine, name="silver.sales", where=None, **pinned):
    """A table's rows as tuples, sorted."""
    found = engine.collect(engine.read(name, where, **pinned))
    return sorted((tuple(row.values()) for row in found.to_pylist()), key=repr)


def files(lake_root, name="silver.sales") -> set[str]:
    """The data files of a table's newest version."""
    return set(DeltaTable(str(lake_root / name.replace(".", "/"))).file_uris())


@pytest.fixture
def three_days(engine):
    """Three days, each with its row."""
    engine.publish(SALES, table((day(1), "a", 1), (day(2), "b", 2), (day(3), "c", 3)), on(day(1), day(2), day(3)))
    return engine


# Reading


def test_a_table_that_was_never_written_has_no_version_and_no_token(engine):
    assert engine.version("silver.sales") is None
    assert engine.last_token("silver.sales", "some") is None


def test_a_table_is_seen_as_it_is_whoever_wrote_it_removed_it_or_put_another_in_its_place(engine, lake_root):
    for number in (1, 2):
        engine.publish(SALES, table((day(number), "a", 1)), on(day(number)))
    place, other = lake_root / "silver" / "sales", lake_root / "silver" / "others"
    others = TableLayout("silver.others", SCHEMA, ("business_date",))
    for number in (3, 4):
        engine.publish(others, table((day(number), "b", 2), (day(number), "c", 3)), on(day(number)))
    assert (engine.version(SALES.name), engine.dates(SALES.name, "business_date")) == (2, [day(1), day(2)])

    write_deltalake(place, table((day(5), "d", 4)), mode="append")
    assert (engine.version(SALES.name), engine.dates(SALES.name, "business_date")) == (3, [day(1), day(2), day(5)])

    shutil.rmtree(place)
    assert engine.version(SALES.name) is None

    shutil.copytree(other, place)  # a younger one
    assert engine.row_counts(SALES.name, "business_date") == {day(3): 2, day(4): 2}
    shutil.rmtree(place)
    other.rename(place)  # one with as many commits
    engine.publish(SALES, table((day(3), "b", 2)), on(day(3)))
    assert engine.row_counts(SALES.name, "business_date") == {day(3): 1, day(4): 2}


def test_what_others_have_committed_during_a_write_is_seen_after_it(engine, lake_root, tmp_path):
    engine.append(SALES, table((day(1), "a", 1)))
    writer = threading.Thread(target=engine.append, args=(SALES, [SlowRows(((day(2), "a", 1),), tmp_path)]))
    writer.start()
    wait_for("the write to start", (tmp_path / "started").exists)
    write_deltalake(lake_root / "silver" / "sales", table((day(3), "b", 2), (day(3), "c", 3)), mode="append")
    (tmp_path / "go").touch()
    writer.join()
    assert engine.version(SALES.name) == 3
    assert engine.row_counts(SALES.name, "business_date") == {day(1): 1, day(2): 1, day(3): 2}
    engine.publish(SALES, table((day(3), "d", 4)), on(day(3)))
    assert [row[1:] for row in rows(engine)] == [("a", 1), ("a", 1), ("d", 4)]


def test_reading_a_table_that_was_never_written_says_so_instead_of_giving_no_rows(engine):
    with pytest.raises(MissingTableError, match=r"silver\.sales has never been written"):
        engine.read("silver.sales")


def test_a_folder_without_commits_is_a_missing_table(engine, lake_root):
    (lake_root / "silver" / "sales" / "_delta_log").mkdir(parents=True)
    with pytest.raises(MissingTableError):
        engine.read("silver.sales")


def test_a_predicate_selects_rows(three_days):
    assert rows(three_days, where=on(day(2), day(3))) == [(day(2), "b", 2), (day(3), "c", 3)]
    assert rows(three_days, where=on(day(9))) == []


def test_older_versions_can_be_read_by_number_and_by_time(engine):
    first = engine.publish(SALES, table((day(1), "old", 1)), on(day(1)))
    between = dt.datetime.now(tz=dt.UTC)
    second = engine.publish(SALES, table((day(1), "new", 1)), on(day(1)))
    assert (first, second) == (1, 2)
    assert rows(engine, version=1) == [(day(1), "old", 1)]
    assert rows(engine, as_of=between) == [(day(1), "old", 1)]
    assert rows(engine, as_of=dt.datetime.now(tz=dt.UTC)) == rows(engine) == [(day(1), "new", 1)]


def test_every_version_can_be_read_however_far_it_is_from_a_checkpoint(engine, lake_root):
    layout = TableLayout("silver.sales", SCHEMA, ("business_date",), {"delta.checkpointInterval": "5"})
    engine.append(layout, table((day(1), "a", 1)))
    for quantity in range(2, 13):
        write_deltalake(lake_root / "silver" / "sales", table((day(1), "a", quantity)), mode="append")
    log = lake_root / "silver" / "sales" / "_delta_log"
    assert [path.name[18:20] for path in sorted(log.glob("0*.checkpoint.parquet"))] == ["04", "09"]
    for version in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12):
        assert rows(engine, version=version) == sorted(((day(1), "a", n) for n in range(1, version + 1)), key=repr)
    assert rows(engine, where=on(day(2)), version=7) == []


def test_a_frame_keeps_its_rows_while_others_commit_on_past_a_checkpoint(engine, lake_root):
    for quantity in range(1, 13):
        engine.append(SALES, table((day(1), "a", quantity)))
    seen = sorted(rows(engine))
    other = TableLayout("silver.other", SCHEMA, ("business_date",))
    engine.append(other, table((day(1), "a", 1)))
    joined = engine.read("silver.sales").join(engine.read("silver.other").select("name"), "name")
    looked_at, collected, published = (engine.read("silver.sales") for _ in range(3))
    for name in ("sales", "other"):
        for quantity in range(13, 34):
            write_deltalake(lake_root / "silver" / name, table((day(1), "a", quantity)), mode="append")
        assert list((lake_root / "silver" / name / "_delta_log").glob("*.checkpoint.parquet"))
    assert engine.collect(joined).num_rows == 12
    assert looked_at.columns == SCHEMA.names
    assert sorted(tuple(row.values()) for row in engine.collect(collected).to_pylist()) == seen
    engine.publish(NUMBERS, published, on(day(1)))
    assert sorted(rows(engine, "bronze.numbers")) == seen
    assert len(rows(engine)) == 33


def test_sql_reads_an_older_version_by_number_and_by_time(engine, lake_root):
    for quantity in range(1, 11):
        engine.publish(SALES, table((day(1), "a", quantity)), on(day(1)))
    between = dt.datetime.now(tz=dt.UTC)
    engine.publish(SALES, table((day(1), "a", 11)), on(day(1)))
    for then in ("VERSION AS OF 10", f"TIMESTAMP AS OF '{between:%Y-%m-%d %H:%M:%S.%f}'"):
        query = f"SELECT quantity FROM delta.`{lake_root}/silver/sales` {then}"  # noqa: S608 - a path of ours
        assert engine.collect(engine.session().sql(query)).to_pylist() == [{"quantity": 10}]


def test_a_version_that_does_not_exist_is_refused_and_named(three_days):
    with pytest.raises(TableError, match=r"silver\.sales.*99"):
        three_days.read("silver.sales", version=99)


def test_a_time_before_the_first_version_is_refused(three_days):
    with pytest.raises(TableError, match=r"silver\.sales.*1999"):
        three_days.read("silver.sales", as_of=dt.datetime(1999, 1, 1, tzinfo=dt.UTC))


def test_a_frame_keeps_the_version_it_was_read_at(three_days):
    before = three_days.read("silver.sales")
    three_days.publish(SALES, table((day(2), "new", 9)), on(day(2)))
    assert three_days.collect(before).num_rows == 3
    assert three_days.collect(before.where("quantity = 9")).num_rows == 0


# Publishing


def test_publishing_replaces_the_predicates_rows_and_no_other_file(three_days, lake_root):
    before = files(lake_root)
    three_days.publish(SALES, table((day(2), "new", 7), (day(2), "newer", 8)), on(day(2)))
    assert rows(three_days) == [(day(1), "a", 1), (day(2), "new", 7), (day(2), "newer", 8), (day(3), "c", 3)]
    kept = files(lake_root) & before
    assert {uri.split("business_date=")[1][:10] for uri in kept} == {"2011-03-01", "2011-03-03"}
    assert len(kept) == 2


def test_publishing_a_gap_of_days_keeps_the_day_between(three_days, lake_root):
    before = files(lake_root)
    three_days.publish(SALES, table((day(1), "new", 7)), on(day(1), day(3)))
    assert rows(three_days) == [(day(1), "new", 7), (day(2), "b", 2)]
    assert len(files(lake_root) & before) == 1


def test_a_partition_is_one_file_however_many_tasks_have_made_its_rows(engine, lake_root):
    days = [day(number) for number in range(1, 6)]
    given = table(*[(own, name, 1) for own in days for name in "abcdefgh"])
    frame = engine.session().createDataFrame(given).repartition(16)
    engine.publish(SALES, frame, on(*days), gate=Sieve())
    assert len(rows(engine)) == 40
    assert len(files(lake_root)) == 5


def test_publishing_twice_leaves_the_same_rows(engine):
    for _ in range(2):
        engine.publish(SALES, table((day(1), "a", 1), (day(1), "a", 1)), on(day(1)))
    assert rows(engine) == [(day(1), "a", 1), (day(1), "a", 1)]


def test_a_frame_of_the_session_is_published(three_days):
    frame = three_days.read("silver.sales", on(day(1))).selectExpr("quantity + 1 AS quantity", "name", "business_date")
    three_days.publish(SALES, frame, on(day(1)))
    assert rows(three_days, where=on(day(1))) == [(day(1), "a", 2)]


def test_an_empty_frame_empties_the_predicates_rows(three_days):
    version = three_days.publish(SALES, table(), on(day(2)))
    assert version == 2
    assert rows(three_days) == [(day(1), "a", 1), (day(3), "c", 3)]


def test_an_empty_frame_makes_the_table(engine):
    frame = engine.session().createDataFrame([], "business_date date, name string, quantity int")
    assert engine.publish(SALES, frame, on(day(1))) == 1
    assert rows(engine) == []


@pytest.mark.parametrize("stray", [(day(3), "stray", 1), (None, "stray", 1)])
def test_a_row_outside_the_predicate_is_refused_and_nothing_committed(three_days, stray):
    with pytest.raises(TableError, match=r"silver\.sales"):
        three_days.publish(SALES, table((day(2), "new", 1), stray), on(day(2)))
    assert three_days.version("silver.sales") == 1
    assert rows(three_days) == [(day(1), "a", 1), (day(2), "b", 2), (day(3), "c", 3)]


@pytest.mark.parametrize("stray", [("other", day(1)), (None, day(1)), ("one", None), ("", day(1))])
def test_a_row_outside_a_predicate_with_texts_is_refused(engine, stray):
    name, business_date = stray
    with pytest.raises(TableError):
        engine.publish(NAMED, table((business_date, name, 1)), on(day(1), name="one"))
    assert engine.version("silver.named") is None


@pytest.mark.parametrize(
    "name", ["ba'z", "a/b", "a=b", "100%", "a%20b", "ünï 雪", "two words", "back\\slash", "a:b?c*d", "{x}", "\t", '"q"']
)
def test_a_text_partition_value_may_hold_any_character(engine, name):
    engine.publish(NAMED, table((day(1), "other", 1)), on(day(1), name="other"))
    for quantity in (1, 2):
        engine.publish(NAMED, table((day(1), name, quantity)), on(day(1), name=name))
    assert rows(engine, "silver.named", on(day(1), name=name)) == [(day(1), name, 2)]
    assert len(rows(engine, "silver.named")) == 2


def test_two_tables_do_not_touch_each_other(three_days):
    three_days.publish(NAMED, table((day(1), "a", 1)), on(day(1), name="a"))
    three_days.publish(NAMED, table(), on(day(1), name="a"))
    assert len(rows(three_days)) == 3
    assert (three_days.version("silver.sales"), three_days.version("silver.named")) == (1, 2)


def test_a_table_keeps_what_its_layout_says(engine, lake_root):
    layout = TableLayout("silver.sales", SCHEMA, ("business_date",), {"delta.appendOnly": "true"}, "What was sold.")
    engine.append(layout, table((day(1), "a", 1)))
    metadata = DeltaTable(str(lake_root / "silver" / "sales")).metadata()
    assert (metadata.name, metadata.description) == ("silver.sales", "What was sold.")
    assert metadata.partition_columns == ["business_date"]
    assert metadata.configuration["delta.appendOnly"] == "true"


def test_a_table_that_is_append_only_cannot_be_published(engine):
    layout = TableLayout("silver.sales", SCHEMA, ("business_date",), {"delta.appendOnly": "true"})
    engine.append(layout, table((day(1), "a", 1)))
    with pytest.raises(TableError):
        engine.publish(layout, table((day(1), "b", 1)), on(day(1)))
    assert rows(engine) == [(day(1), "a", 1)]


def test_metadata_is_kept_with_the_commit(three_days):
    three_days.publish(SALES, table((day(1), "a", 1)), on(day(1)), metadata={"run_id": "it's 1"})
    three_days.append(SALES, table((day(1), "a", 1)), metadata={"run_id": "2"})
    kept = [commit.metadata.get("run_id") for commit in three_days.history("silver.sales")]
    assert kept[:3] == ["2", "it's 1", None]


# What does not fit is refused


def wide(type_: pa.DataType) -> TableLayout:
    """The table with another type of quantity."""
    return TableLayout("silver.sales", SCHEMA.set(2, pa.field("quantity", type_)), ("business_date",))


INSTANT = dt.datetime(2011, 3, 1, 8, 26, 0, 1, tzinfo=dt.UTC)
UTC_MICROS = pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize(
    ("value", "given", "wanted"),
    [
        ("six", pa.string(), pa.int32()),
        ("6", pa.string(), pa.int32()),
        ("2011-03-01", pa.string(), pa.date32()),
        (2**31, pa.int64(), pa.int32()),
        (-(2**31) - 1, pa.int64(), pa.int32()),
        (5, pa.int64(), pa.bool_()),
        (5, pa.int32(), pa.string()),
        (1.5, pa.float64(), pa.int32()),
        (1.005, pa.float64(), pa.decimal128(18, 2)),
        (0.1, pa.float64(), pa.float32()),
        (Decimal("1.005"), pa.decimal128(18, 3), pa.decimal128(18, 2)),
        (Decimal("1234.00"), pa.decimal128(18, 2), pa.decimal128(5, 2)),
        (INSTANT, UTC_MICROS, pa.date32()),
        (1, pa.timestamp("ns", tz="UTC"), UTC_MICROS),
        ([1], pa.list_(pa.int64()), pa.int64()),
    ],
)
def test_a_value_that_the_column_cannot_hold_exactly_is_refused(engine, value, given, wanted):
    engine.publish(wide(wanted), table(schema=wide(wanted).schema), on(day(1)))
    frame = table((day(1), "a", value), schema=wide(given).schema)
    for write in (
        lambda: engine.publish(wide(wanted), frame, on(day(1))),
        lambda: engine.append(wide(wanted), frame),
    ):
        with pytest.raises(TableError, match=r"silver\.sales.*quantity"):
            write()
    assert engine.version("silver.sales") == 1


@pytest.mark.parametrize(
    ("value", "given", "wanted"),
    [
        (2**31 - 1, pa.int64(), pa.int32()),
        (6, pa.int32(), pa.int64()),
        (Decimal("1.500"), pa.decimal128(38, 3), pa.decimal128(18, 2)),
        (INSTANT, pa.timestamp("ns", tz="UTC"), UTC_MICROS),
        ("six", pa.large_string(), pa.string()),
        (None, pa.null(), pa.int32()),
    ],
)
def test_a_value_that_fits_exactly_is_cast(engine, value, given, wanted):
    engine.publish(wide(wanted), table((day(1), "a", value), schema=wide(given).schema), on(day(1)))
    assert rows(engine) == [(day(1), "a", value)]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["business_date", "name"], r"missing columns \['quantity'\]"),
        (["business_date", "name", "quantity", "colour"], r"undeclared columns \['colour'\]"),
        (["business_date", "name", "Quantity"], r"missing columns \['quantity'\], undeclared columns \['Quantity'\]"),
    ],
)
def test_missing_and_undeclared_columns_are_refused(three_days, names, told):
    frame = pa.table({name: pa.array([day(2)] if name == "business_date" else [1]) for name in names})
    with pytest.raises(TableError, match=told):
        three_days.publish(SALES, frame, on(day(2)))
    assert three_days.version("silver.sales") == 1


MORE = SCHEMA.append(pa.field("colour", pa.string())).append(pa.field("weight", pa.decimal128(9, 3)))
WIDER = TableLayout("silver.sales", MORE, ("business_date",))


def test_new_columns_are_added_and_are_null_in_the_rows_there_were(three_days):
    red = (day(1), "a", 1, "red", Decimal("0.500"))
    three_days.publish(WIDER, table(red, schema=MORE), on(day(1)))
    assert rows(three_days) == [red, (day(2), "b", 2, None, None), (day(3), "c", 3, None, None)]
    blue = (day(2), "b", 2, "blue", None)
    three_days.append(WIDER, table(blue, schema=MORE))
    assert blue in rows(three_days)
    assert rows(three_days, version=1) == [(day(1), "a", 1), (day(2), "b", 2), (day(3), "c", 3)]


def test_a_new_column_may_stand_anywhere_and_a_layout_without_it_still_writes(three_days):
    first = pa.schema([MORE.field("colour"), *SCHEMA])
    layout = TableLayout("silver.sales", first, ("business_date",))
    three_days.publish(layout, table(("red", day(1), "a", 1), schema=first), on(day(1)))
    three_days.publish(SALES, table((day(2), "new", 9)), on(day(2)))
    assert rows(three_days, where=on(day(1), day(2))) == [(day(1), "a", 1, "red"), (day(2), "new", 9, None)]


def test_a_column_never_changes_its_type(three_days):
    with pytest.raises(TableError, match=r"silver\.sales: column quantity is int32 in the table and declared as int64"):
        three_days.publish(wide(pa.int64()), table((day(1), "a", 1), schema=wide(pa.int64()).schema), on(day(1)))
    assert three_days.version("silver.sales") == 1


def test_a_null_in_a_required_column_is_refused(engine):
    layout = TableLayout("silver.sales", SCHEMA.set(1, pa.field("name", pa.string(), nullable=False)), ())
    engine.append(layout, table((day(1), "a", 1)))
    with pytest.raises(TableError):
        engine.append(layout, table((day(1), None, 1)))
    assert engine.version("silver.sales") == 1


def test_a_first_write_that_fails_leaves_no_table(engine):
    with pytest.raises(TableError):
        engine.publish(SALES, table((day(1), "a", 1), (day(2), "stray", 1)), on(day(1)))
    with pytest.raises(TableError):
        engine.append(SALES, pa.table({"name": ["a"]}))
    assert engine.version("silver.sales") is None
    with pytest.raises(MissingTableError):
        engine.read("silver.sales")
    engine.append(SALES, table((day(1), "a", 1)))
    assert rows(engine) == [(day(1), "a", 1)]


# A gate


class HeldError(Exception):
    """What an audit raises."""


def test_a_gate_decides_what_is_written(three_days):
    three_days.publish(SALES, table((day(1), "no", 1), (day(1), "yes", 2)), on(day(1)), gate=Sieve(at_least=2))
    assert rows(three_days, where=on(day(1))) == [(day(1), "yes", 2)]


@pytest.mark.parametrize("as_frame", [False, True])
@pytest.mark.parametrize("error", [HeldError("too many rejected rows"), KeyboardInterrupt()])
def test_what_a_gate_raises_arrives_as_it_is_and_nothing_is_committed(three_days, as_frame, error):
    given = table((day(2), "new", 1))
    frame = three_days.session().createDataFrame(given) if as_frame else given
    with pytest.raises(type(error)) as arrived:
        three_days.publish(SALES, frame, on(day(2)), gate=Sieve(error=error))
    assert arrived.value is error
    assert three_days.version("silver.sales") == 1
    assert rows(three_days, where=on(day(2))) == [(day(2), "b", 2)]


def test_a_gate_that_raises_leaves_no_table(engine):
    with pytest.raises(HeldError):
        engine.publish(SALES, table((day(1), "a", 1)), on(day(1)), gate=Sieve(error=HeldError()))
    assert engine.version("silver.sales") is None
    with pytest.raises(MissingTableError):
        engine.read("silver.sales")


def test_a_query_that_fails_midway_commits_nothing(three_days):
    frame = three_days.session().sql(
        "SELECT date'2011-03-02' AS business_date, 'a' AS name, cast(text AS int) AS quantity "
        "FROM VALUES ('1'), ('two') AS given(text)"
    )
    with pytest.raises(Exception, match="two"):
        three_days.publish(SALES, frame, on(day(2)))
    assert three_days.version("silver.sales") == 1


# Appending once


@pytest.mark.parametrize("number", [0, 1, 2**62])
def test_an_append_with_a_token_happens_once(engine, number):
    assert engine.append(SALES, table((day(1), "a", 1)), token=Token("some", number)) == 1
    assert engine.append(SALES, table((day(1), "a", 1)), token=Token("some", number)) is None
    assert rows(engine) == [(day(1), "a", 1)]
    assert engine.last_token("silver.sales", "some") == number


def test_a_token_below_the_last_one_has_happened(engine):
    engine.append(SALES, table((day(1), "a", 1)), token=Token("some", 5))
    assert engine.append(SALES, table((day(1), "a", 1)), token=Token("some", 4)) is None
    assert engine.append(SALES, table((day(2), "b", 1)), token=Token("some", 6)) == 2
    assert len(rows(engine)) == 2


def test_applications_have_tokens_of_their_own(engine):
    engine.append(SALES, table((day(1), "a", 1)), token=Token("some", 5))
    engine.append(SALES, table((day(1), "b", 1)), token=Token("it's other", 1))
    assert engine.last_token("silver.sales", "some") == 5
    assert engine.last_token("silver.sales", "it's other") == 1
    assert engine.last_token("silver.sales", "third") is None


def test_an_append_of_parts_takes_the_rows_of_all(engine):
    parts = [Rows(((day(number), "a", number), (day(9), "b", number))) for number in range(1, 6)]
    assert engine.append(SALES, parts) == 1
    assert rows(engine) == sorted((row for part in parts for row in part.rows), key=repr)


def test_an_append_of_which_a_part_fails_leaves_its_token_unused(engine):
    engine.append(SALES, table((day(1), "a", 1)), token=Token("some", 1))
    parts = [Rows(((day(2), "b", 1),)), Rows(((day(3), "c", 1),), error="the disk is gone")]
    with pytest.raises((ValueError, TableError), match="the disk is gone"):
        engine.append(SALES, parts, token=Token("some", 2))
    assert engine.last_token("silver.sales", "some") == 1
    assert rows(engine) == [(day(1), "a", 1)]
    assert engine.append(SALES, parts[:1], token=Token("some", 2)) == 2


@pytest.mark.parametrize("first", [True, False])
def test_an_append_of_no_rows_uses_its_token_up(engine, first):
    if not first:
        engine.append(SALES, table((day(1), "a", 1)), token=Token("some", 1))
    assert engine.append(SALES, table(), token=Token("some", 2)) is not None
    assert engine.last_token("silver.sales", "some") == 2


def test_a_publication_leaves_tokens_as_they_are(engine):
    engine.append(SALES, table((day(1), "a", 1)), token=Token("some", 3))
    for number in range(12):
        engine.publish(SALES, table((day(1), "a", number)), on(day(1)))
    assert engine.last_token("silver.sales", "some") == 3


def test_a_token_that_is_used_while_the_append_runs_is_used_once(engine, tmp_path):
    """Another writer commits the same token between this one's look at the table and its commit."""
    engine.append(SALES, table((day(1), "a", 1)), token=Token("some", 1))
    mine: list[int | None] = []
    slow = SlowRows(((day(2), "mine", 1),), tmp_path)
    writer = threading.Thread(target=lambda: mine.append(engine.append(SALES, [slow], token=Token("some", 2))))
    writer.start()
    wait_for("the append to run", (tmp_path / "started").exists)
    theirs = engine.append(SALES, table((day(2), "theirs", 1)), token=Token("some", 2))
    (tmp_path / "go").touch()
    writer.join()
    assert (theirs, mine) == (2, [None])
    assert rows(engine, where=on(day(2))) == [(day(2), "theirs", 1)]


# Merging


PRICES = TableLayout(
    "gold.prices",
    pa.schema(
        [("stock_code", pa.string()), ("shop", pa.int32()), ("price", pa.decimal128(9, 2)), ("note", pa.string())]
    ),
    (),
)


def prices(*rows) -> pa.Table:
    return table(*rows, schema=PRICES.schema)


def merged(engine) -> set[tuple]:
    return set(rows(engine, "gold.prices"))


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_merge_replaces_rows_of_a_key_and_adds_the_others(engine, as_frame):
    old, kept = ("a", 1, Decimal("1.00"), "old"), ("a", 2, Decimal("2.00"), "kept")
    assert engine.merge(PRICES, prices(old, kept), ["stock_code", "shop"]) == 1
    new = prices(("a", 1, Decimal("1.50"), None), ("b", 1, None, "added"))
    given = engine.session().createDataFrame(new) if as_frame else new
    assert engine.merge(PRICES, given, ["stock_code", "shop"], metadata={"run_id": "7"}) == 2
    assert merged(engine) == {("a", 1, Decimal("1.50"), None), ("b", 1, None, "added"), kept}
    assert engine.history("gold.prices")[0].metadata["run_id"] == "7"
    assert set(rows(engine, "gold.prices", version=1)) == {old, kept}


def test_a_null_in_a_key_is_a_key_like_any_other(engine):
    first = [
        (None, 1, Decimal(1), "x"),
        ("a", None, Decimal(2), "y"),
        (None, None, Decimal(3), "z"),
        ("", 1, None, None),
    ]
    engine.merge(PRICES, prices(*first), ["stock_code", "shop"])
    second = [(*row[:2], Decimal(9), None) for row in first]
    engine.merge(PRICES, prices(*second), ["stock_code", "shop"])
    assert merged(engine) == set(second)


def test_a_merge_of_the_same_rows_twice_leaves_the_same_rows(engine):
    given = prices(("a", 1, Decimal(1), None), (None, None, None, None))
    for _ in range(2):
        engine.merge(PRICES, given, ["stock_code", "shop"])
    assert merged(engine) == {("a", 1, Decimal(1), None), (None, None, None, None)}


@pytest.mark.parametrize("key", [("a", 1), (None, 1)])
def test_a_merge_of_two_rows_with_one_key_is_refused_and_the_key_named(engine, key):
    engine.merge(PRICES, prices(("a", 1, Decimal(1), None)), ["stock_code", "shop"])
    with pytest.raises(TableError, match=rf"gold\.prices: keys \(stock_code, shop\) .*{key[0]}"):
        engine.merge(PRICES, prices((*key, Decimal(2), "x"), (*key, Decimal(3), "y")), ["stock_code", "shop"])
    assert engine.version("gold.prices") == 1


GONE = PRICES.schema.append(pa.field("gone", pa.bool_()))


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_merge_takes_rows_away_that_are_gone(engine, as_frame):
    kept = ("a", 2, Decimal("2.00"), "kept")
    before = [("a", 1, Decimal("1.00"), "old"), kept, (None, 1, Decimal(3), "no code"), ("c", 1, None, "to change")]
    engine.merge(PRICES, prices(*before), ["stock_code", "shop"])
    given = table(
        ("a", 1, None, None, True),
        (None, 1, Decimal(9), "whatever it says", True),
        ("never there", 1, None, None, True),
        ("b", 1, Decimal("4.00"), "added", False),
        ("c", 1, Decimal("5.00"), "changed", None),
        schema=GONE,
    )
    rows_given = engine.session().createDataFrame(given) if as_frame else given
    assert engine.merge(PRICES, rows_given, ["stock_code", "shop"], gone="gone", metadata={"run_id": "7"}) == 2
    assert merged(engine) == {kept, ("b", 1, Decimal("4.00"), "added"), ("c", 1, Decimal("5.00"), "changed")}
    newest, *_ = engine.history("gold.prices")
    assert (newest.version, newest.metadata["run_id"]) == (2, "7")


def test_a_merge_of_nothing_but_gone_rows_may_empty_a_table(engine):
    engine.merge(PRICES, prices(("a", 1, None, None), ("b", 1, None, None)), ["stock_code", "shop"])
    given = table(("a", 1, None, None, True), ("b", 1, None, None, True), schema=GONE)
    for _ in range(2):
        engine.merge(PRICES, given, ["stock_code", "shop"], gone="gone")
    assert merged(engine) == set()


def test_a_row_cannot_be_gone_and_there_in_one_merge(engine):
    given = table(("a", 1, None, None, True), ("a", 1, Decimal(2), None, False), schema=GONE)
    with pytest.raises(TableError, match=r"gold\.prices: keys \(stock_code, shop\) occur more than once"):
        engine.merge(PRICES, given, ["stock_code", "shop"], gone="gone")


def test_the_column_of_gone_rows_is_one_of_the_rows_and_none_of_the_table(engine):
    with pytest.raises(TableError, match=r"gold\.prices: missing columns \['gone'\]"):
        engine.merge(PRICES, prices(("a", 1, None, None)), ["stock_code", "shop"], gone="gone")
    with pytest.raises(TableError, match=r"gold\.prices has a column note"):
        engine.merge(PRICES, prices(("a", 1, None, None)), ["stock_code", "shop"], gone="note")


def test_a_merge_of_what_does_not_fit_is_refused(engine):
    engine.merge(PRICES, prices(("a", 1, Decimal(1), None)), ["stock_code", "shop"])
    fine = pa.schema([("stock_code", pa.string()), ("shop", pa.int32()), ("price", pa.decimal128(9, 3))])
    with pytest.raises(TableError, match=r"gold\.prices: missing columns \['note'\]"):
        engine.merge(PRICES, table(("a", 1, Decimal("1.005")), schema=fine), ["stock_code", "shop"])
    thousandths = fine.append(pa.field("note", pa.string()))
    with pytest.raises(TableError, match=r"gold\.prices.*price"):
        engine.merge(PRICES, table(("a", 1, Decimal("1.005"), ""), schema=thousandths), ["stock_code", "shop"])
    assert merged(engine) == {("a", 1, Decimal(1), None)}


# Values


def test_decimals_keep_every_digit(engine):
    layout = wide(pa.decimal128(38, 10))
    values = [Decimal("9" * 28 + "." + "9" * 10), Decimal("-0.0000000001"), Decimal(0), None]
    engine.publish(layout, table(*[(day(1), "a", value) for value in values], schema=layout.schema), on(day(1)))
    assert {row[2] for row in rows(engine)} == set(values)


@pytest.mark.parametrize(
    "instant",
    [
        "2011-03-27T00:59:59.999999",  # the hour that London skips
        "2011-03-27T01:30:00",
        "2011-10-30T00:30:00",  # the hour that London has twice
        "2011-10-30T01:30:00",
        "2010-12-31T23:59:59.999999",
        "2011-01-01T00:00:00",
        "2012-02-29T12:00:00",
        "1969-12-31T23:59:59.000001",
        "1900-01-01T00:00:00",
        "9999-12-31T23:59:59.999999",
    ],
)
def test_timestamps_stay_the_same_instant_through_a_frame(engine, instant):
    layout = wide(UTC_MICROS)
    value = dt.datetime.fromisoformat(instant).replace(tzinfo=dt.UTC)
    engine.publish(layout, table((day(1), "a", value), schema=layout.schema), on(day(1)))
    engine.publish(layout, engine.read("silver.sales"), on(day(1)))
    assert rows(engine) == [(day(1), "a", value)]
    as_text = engine.read("silver.sales").selectExpr("cast(cast(quantity AS date) AS string) AS day")
    assert engine.collect(as_text).to_pylist() == [{"day": instant[:10]}]


def test_texts_keep_every_character(engine):
    texts = ["", " ", "\n\r\t", "ünï 雪 🛒", "a\0b", "'\"\\", "x" * 100_000]
    engine.publish(SALES, table(*[(day(1), text, 1) for text in texts]), on(day(1)))
    assert {row[1] for row in rows(engine)} == set(texts)


def test_nested_values_are_kept(engine):
    schema = pa.schema(
        [("business_date", pa.date32()), ("days", pa.list_(pa.date32())), ("rules", pa.list_(pa.string()))]
    )
    layout = TableLayout("silver.nested", schema, ("business_date",))
    given = [(day(1), [day(1), day(2)], ["a:b", "it's"]), (day(1), [], None)]
    engine.append(layout, table(*given, schema=schema))
    engine.publish(layout, engine.read("silver.nested"), on(day(1)))
    found = engine.collect(engine.read("silver.nested")).to_pylist()
    assert sorted((tuple(row.values()) for row in found), key=repr) == sorted(given, key=repr)


def test_a_plan_may_be_hundreds_of_steps_deep(engine):
    engine.publish(SALES, table((day(1), "a", 0)), on(day(1)))
    frame = engine.read("silver.sales")
    for _ in range(150):
        frame = frame.withColumn("quantity", F.col("quantity") + 1).where("quantity > 0")
    engine.publish(SALES, frame, on(day(1)))
    assert rows(engine) == [(day(1), "a", 150)]


def test_nulls_stay_nulls_in_every_column(engine):
    schema = pa.schema(
        [
            ("business_date", pa.date32()),
            ("text", pa.string()),
            ("whole", pa.int64()),
            ("money", pa.decimal128(18, 2)),
            ("time", UTC_MICROS),
            ("flag", pa.bool_()),
            ("list", pa.list_(pa.string())),
            ("float", pa.float64()),
        ]
    )
    layout = TableLayout("silver.nulls", schema, ("business_date",))
    full = (day(1), "", 0, Decimal("0.00"), INSTANT, False, [], 0.0)
    given = [tuple(None if place == hole else value for place, value in enumerate(full)) for hole in range(1, 8)]
    engine.append(layout, table(*given, schema=schema))
    engine.publish(layout, engine.read("silver.nulls"), on(day(1)))
    found = engine.collect(engine.read("silver.nulls")).to_pylist()
    assert sorted((tuple(row.values()) for row in found), key=repr) == sorted(given, key=repr)


def test_frames_may_be_three_hundred_columns_wide(engine):
    schema = pa.schema([("business_date", pa.date32()), *[(f"column_{number}", pa.int64()) for number in range(300)]])
    layout = TableLayout("gold.wide", schema, ("business_date",))
    row = (day(1), *range(300))
    engine.publish(layout, table(row, schema=schema), on(day(1)))
    engine.publish(layout, engine.read("gold.wide"), on(day(1)))
    assert rows(engine, "gold.wide") == [row]


# Statistics


COUNTED = TableLayout(
    "silver.counted",
    pa.schema(
        [
            ("business_date", pa.date32()),
            ("name", pa.string()),
            ("unit price", pa.int32()),
            ("sold_at", pa.timestamp("us", tz="UTC")),
        ]
    ),
    ("business_date",),
    statistics=("business_date", "unit price", "sold_at"),
)


def noon(number: int) -> dt.datetime:
    return dt.datetime.combine(day(number), dt.time(12, microsecond=123_456), dt.UTC)


def test_a_query_opens_only_the_files_whose_statistics_match(engine, lake_root):
    for number in (1, 2, 3):
        one = (day(1), "a", number, noon(number))
        engine.append(COUNTED, table(one, schema=COUNTED.schema))
    log = pa.table(DeltaTable(lake_root / "silver" / "counted").get_add_actions(flatten=True))
    assert {name for name in log.column_names if name.startswith("min.")} == {"min.unit price", "min.sold_at"}
    assert sorted(log["min.unit price"].to_pylist()) == [1, 2, 3]
    third = (pc.field("min.unit price") == 3) & (pc.field("max.unit price") == 3)
    for path in log.filter(~third)["path"].to_pylist():
        (lake_root / "silver" / "counted" / path).unlink()  # whoever opens it fails

    frame = engine.read("silver.counted")
    for only in (
        F.col("unit price") == 3,
        F.col("sold_at") > noon(2) + dt.timedelta(hours=1),
        F.col("sold_at") == noon(3),
    ):
        assert [row["unit price"] for row in engine.collect(frame.where(only)).to_pylist()] == [3]
    with pytest.raises(Exception, match=r"(?i)no such file|not found|not exist"):
        engine.collect(frame.where("name = 'a'"))


def test_a_layout_by_a_column_that_is_not_there_is_refused():
    with pytest.raises(TableError, match=r"silver\.sales has no column colour, price to lay it out by"):
        TableLayout("silver.sales", SCHEMA, ("colour",), statistics=("price", "name"))


# Side by side


NUMBERS = TableLayout("bronze.numbers", SCHEMA, ("business_date",))
WRITERS = 4
ROUNDS = int(os.environ.get("WRITERS_ROUNDS", "2"))
"""How often each of several processes writes. It takes some to show a lost commit: set it to 10 after a change."""


@pytest.fixture(params=["disk", "s3"])
def shared(request, engine, run_folder, monkeypatch):
    """An engine over a lake on disk or in an object store, with two tables.

    They have been written once, for of two that make a table at the same moment one may be refused.
    """
    if request.param == "s3":
        engine = engine_at(f"{new_bucket(run_folder, SERVERS[-1], monkeypatch).uri}/lake", engine.name)
    engine.publish(SALES, table((day(1), "first", 0)), on(day(1)))
    engine.append(NUMBERS, table((day(9), "first", 0)))
    return engine


def _write(name: str, root: str, writer: int, business_date: dt.date, start, done) -> None:
    """Publish a day and append to it, again and again, from a process of its own; tell what came of it."""
    engine = engine_at(root, name)
    start.wait()
    for quantity in range(ROUNDS):
        row = (business_date, f"writer {writer}", quantity)
        token = Token(f"writer {writer}", quantity + 1)
        for layout, write in (
            (SALES, lambda row=row: engine.publish(SALES, table(row), on(business_date))),
            (NUMBERS, lambda row=row, token=token: engine.append(NUMBERS, table(row), token=token)),
        ):
            try:
                done.put((layout.name, write(), row))
            except TableError as error:
                done.put((layout.name, str(error), row))


def written_at_once(engine, days: Sequence[dt.date]) -> dict[str, list[tuple[int | str, tuple]]]:
    """Let a process for each day write to it; return versions, or what a refusal said, with rows, by table."""
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(len(days)), context.Queue()
    writers = [
        context.Process(target=_write, args=(engine.name, engine.root, writer, business_date, start, done), daemon=True)
        for writer, business_date in enumerate(days)
    ]
    for writer in writers:
        writer.start()
    told: dict[str, list[tuple[int | str, tuple]]] = {SALES.name: [], NUMBERS.name: []}
    for _ in range(2 * ROUNDS * len(days)):
        name, outcome, row = done.get(timeout=240)
        told[name].append((outcome, row))
    for writer in writers:
        writer.join(timeout=60)
    assert [writer.exitcode for writer in writers] == [0] * len(days)
    return told


def test_every_commit_of_four_processes_to_days_of_their_own_arrives(shared):
    days = [day(number) for number in range(1, WRITERS + 1)]
    told = written_at_once(shared, days)
    commits = list(range(2, WRITERS * ROUNDS + 2))
    assert sorted(version for version, _ in told[SALES.name]) == commits
    assert sorted(version for version, _ in told[NUMBERS.name]) == commits
    assert shared.version(SALES.name) == shared.version(NUMBERS.name) == commits[-1]
    assert rows(shared) == [(own, f"writer {writer}", ROUNDS - 1) for writer, own in enumerate(days)]
    appended = [(own, f"writer {writer}", n) for writer, own in enumerate(days) for n in range(ROUNDS)]
    assert rows(shared, NUMBERS.name) == sorted([*appended, (day(9), "first", 0)], key=repr)


def test_of_four_processes_that_write_one_day_each_write_is_a_version_or_is_refused(shared):
    told = written_at_once(shared, [day(1)] * WRITERS)
    published = {outcome: row for outcome, row in told[SALES.name] if isinstance(outcome, int)}
    refused = [outcome for outcome, _ in told[SALES.name] if isinstance(outcome, str)]
    print(f"{len(published)} published, {len(refused)} refused")  # noqa: T201 - how much they met
    assert len(published) + len(refused) == WRITERS * ROUNDS
    assert all("the write was refused and nothing is committed" in told for told in refused)
    assert sorted(published) == list(range(2, shared.version(SALES.name) + 1))
    for version, row in published.items():
        assert rows(shared, version=version) == [row]
    assert all(isinstance(outcome, int) for outcome, _ in told[NUMBERS.name])  # appends do not meet
    appended = [row for _, row in told[NUMBERS.name]]
    assert rows(shared, NUMBERS.name) == sorted([*appended, (day(9), "first", 0)], key=repr)


def test_readers_see_whole_commits_while_a_writer_works(engine):
    def publish(quantity: int) -> None:
        engine.publish(
            SALES, table(*[(day(number), "a", quantity) for number in (1, 2, 3)]), on(day(1), day(2), day(3))
        )

    publish(0)
    writer = threading.Thread(target=lambda: [publish(quantity) for quantity in range(1, 7)])
    writer.start()
    seen = []
    while writer.is_alive():
        seen.append([row[2] for row in rows(engine)])
    writer.join()
    assert all(len(quantities) == 3 and len(set(quantities)) == 1 for quantities in seen)
    assert [quantities[0] for quantities in seen] == sorted(quantities[0] for quantities in seen)
    assert rows(engine)[0][2] == 6

"""The engine port's contract: what every engine must do, whatever it runs on.

A write on Spark costs seconds. A case therefore does on the engine only what it is about: what must be there before is
written by the embedded engine, and what is there afterwards is read by it, for both write the same lakes.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import shutil
import threading
import time
from collections import Counter
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
from lakehouse.engines.sail import SailEngine
from tests.conftest import ENGINES, engine_at
from tests.processes import wait_for
from tests.s3_server import SERVERS, new_bucket
from tests.scenario import day
from tests.spark_servers import adapting

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
    """A table's rows as tuples, sorted, as the engine reads them."""
    found = engine.collect(engine.read(name, where, **pinned))
    return sorted((tuple(row.values()) for row in found.to_pylist()), key=repr)


def files(lake_root, name="silver.sales") -> set[str]:
    """The data files of a table's newest version."""
    return set(DeltaTable(str(lake_root / name.replace(".", "/"))).file_uris())


@pytest.fixture
def embedded(lake_root) -> SailEngine:
    """The engine that costs next to nothing, for what a case is not about."""
    return SailEngine(str(lake_root))


@pytest.fixture
def three_days(engine, embedded):
    """Three days, each with its row."""
    embedded.publish(SALES, table((day(1), "a", 1), (day(2), "b", 2), (day(3), "c", 3)), on(day(1), day(2), day(3)))
    return engine


def test_no_case_is_left_out_for_an_engine(request):
    asked = request.config
    if asked.getoption("keyword") or any("::" in argument for argument in asked.args):
        pytest.skip("only some cases were asked for")
    cases = {name: Counter[str]() for name in ENGINES}
    for item in request.session.items:
        params = {**item.callspec.params} if item.path == request.path and hasattr(item, "callspec") else {}
        if name := params.pop("engine", None):
            cases[name][f"{item.originalname} {params}"] += 1
    assert cases["sail"] == cases["spark"]
    assert cases["sail"].total() > 60


# Reading


def test_a_table_that_was_never_written_has_no_version_and_no_token_and_is_not_read_as_empty(engine, lake_root):
    assert engine.version("silver.sales") is None
    assert engine.last_token("silver.sales", "some") is None
    with pytest.raises(MissingTableError, match=r"silver\.sales has never been written"):
        engine.read("silver.sales")
    (lake_root / "silver" / "sales" / "_delta_log").mkdir(parents=True)
    with pytest.raises(MissingTableError):
        engine.read("silver.sales")


def test_a_table_is_seen_as_it_is_whoever_wrote_it_removed_it_or_put_another_in_its_place(engine, embedded, lake_root):
    embedded.publish(SALES, table((day(1), "a", 1)), on(day(1)))
    engine.publish(SALES, table((day(2), "a", 1)), on(day(2)))
    place, other = lake_root / "silver" / "sales", lake_root / "silver" / "others"
    others = TableLayout("silver.others", SCHEMA, ("business_date",))
    for number in (3, 4):
        embedded.publish(others, table((day(number), "b", 2), (day(number), "c", 3)), on(day(number)))
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


def test_what_others_have_committed_during_a_write_is_seen_after_it(engine, embedded, lake_root, tmp_path):
    embedded.append(SALES, table((day(1), "a", 1)))
    writer = threading.Thread(target=engine.append, args=(SALES, [SlowRows(((day(2), "a", 1),), tmp_path)]))
    writer.start()
    wait_for("the write to start", (tmp_path / "started").exists)
    write_deltalake(lake_root / "silver" / "sales", table((day(3), "b", 2), (day(3), "c", 3)), mode="append")
    (tmp_path / "go").touch()
    writer.join()
    assert engine.version(SALES.name) == 3
    assert engine.row_counts(SALES.name, "business_date") == {day(1): 1, day(2): 1, day(3): 2}
    engine.publish(SALES, table((day(3), "d", 4)), on(day(3)))
    assert [row[1:] for row in rows(embedded)] == [("a", 1), ("a", 1), ("d", 4)]


def test_a_predicate_selects_rows(three_days):
    assert rows(three_days, where=on(day(2), day(3))) == [(day(2), "b", 2), (day(3), "c", 3)]
    assert rows(three_days, where=on(day(9))) == []


def test_older_versions_can_be_read_by_number_and_by_time(engine, embedded, lake_root):
    """By a read and by SQL, before the first checkpoint and after it."""
    for quantity in range(1, 11):
        embedded.publish(SALES, table((day(1), "a", quantity)), on(day(1)))
    between = dt.datetime.now(tz=dt.UTC)
    embedded.publish(SALES, table((day(1), "a", 11)), on(day(1)))
    assert rows(engine, version=1) == [(day(1), "a", 1)]
    assert rows(engine, as_of=between) == [(day(1), "a", 10)]
    assert rows(engine, as_of=dt.datetime.now(tz=dt.UTC)) == [(day(1), "a", 11)]
    for then in ("VERSION AS OF 10", f"TIMESTAMP AS OF '{between:%Y-%m-%d %H:%M:%S.%f}'"):
        query = f"SELECT quantity FROM delta.`{lake_root}/silver/sales` {then}"  # noqa: S608 - a path of ours
        assert engine.collect(engine.session().sql(query)).to_pylist() == [{"quantity": 10}]


def test_a_version_can_be_read_however_far_it_is_from_a_checkpoint(engine, embedded, lake_root):
    layout = TableLayout("silver.sales", SCHEMA, ("business_date",), {"delta.checkpointInterval": "5"})
    embedded.append(layout, table((day(1), "a", 1)))
    for quantity in range(2, 13):
        write_deltalake(lake_root / "silver" / "sales", table((day(1), "a", quantity)), mode="append")
    log = lake_root / "silver" / "sales" / "_delta_log"
    assert [path.name[18:20] for path in sorted(log.glob("0*.checkpoint.parquet"))] == ["04", "09"]
    for version in (3, 8) if engine.name == "spark" else range(1, 13):  # the embedded engine makes checkpoints
        assert rows(engine, version=version) == sorted(((day(1), "a", n) for n in range(1, version + 1)), key=repr)
    assert rows(engine, where=on(day(2)), version=7) == []


def test_a_frame_keeps_its_rows_while_others_and_the_engine_itself_commit_on_past_a_checkpoint(
    engine, embedded, lake_root
):
    for quantity in range(1, 13):
        embedded.append(SALES, table((day(1), "a", quantity)))
    seen = rows(embedded)
    embedded.append(TableLayout("silver.other", SCHEMA, ("business_date",)), table((day(1), "a", 1)))
    joined = engine.read("silver.sales").join(engine.read("silver.other").select("name"), "name")
    looked_at, collected, published = (engine.read("silver.sales") for _ in range(3))
    for name in ("sales", "other"):
        for quantity in range(13, 34):
            write_deltalake(lake_root / "silver" / name, table((day(1), "a", quantity)), mode="append")
        assert list((lake_root / "silver" / name / "_delta_log").glob("*.checkpoint.parquet"))
    assert engine.collect(joined).num_rows == 12
    assert looked_at.columns == SCHEMA.names
    assert len(rows(embedded)) == 33
    engine.publish(SALES, published.where("quantity > 1"), on(day(1)))
    assert [row[2] for row in rows(embedded)] == [row[2] for row in seen if row[2] > 1]
    assert sorted((tuple(row.values()) for row in engine.collect(collected).to_pylist()), key=repr) == seen


def test_a_version_that_does_not_exist_and_a_time_before_the_first_are_refused_and_named(three_days):
    with pytest.raises(TableError, match=r"silver\.sales.*99"):
        three_days.read("silver.sales", version=99)
    with pytest.raises(TableError, match=r"silver\.sales.*1999"):
        three_days.read("silver.sales", as_of=dt.datetime(1999, 1, 1, tzinfo=dt.UTC))


# Publishing


def test_publishing_replaces_the_predicates_rows_and_no_other_file_however_often(three_days, embedded, lake_root):
    """The day between those that are published stays; equal rows stay two."""
    (kept,) = [file for file in files(lake_root) if "business_date=2011-03-02" in file]
    for version in (2, 3):
        given = table((day(1), "new", 7), (day(1), "new", 7))
        assert three_days.publish(SALES, given, on(day(1), day(3))) == version
        assert rows(embedded) == [(day(1), "new", 7), (day(1), "new", 7), (day(2), "b", 2)]
        assert kept in files(lake_root)


def test_a_partition_is_one_file_however_many_tasks_have_made_its_rows(engine, embedded, lake_root):
    days = [day(number) for number in range(1, 6)]
    given = table(*[(own, name, 1) for own in days for name in "abcdefgh"])
    frame = engine.session().createDataFrame(given).repartition(16)
    with adapting(engine.session()):
        engine.publish(SALES, frame, on(*days), gate=Sieve())
    assert len(rows(embedded)) == 40
    assert len(files(lake_root)) == 5


def test_a_frame_of_the_session_is_published(three_days, embedded):
    frame = three_days.read("silver.sales", on(day(1))).selectExpr("quantity + 1 AS quantity", "name", "business_date")
    three_days.publish(SALES, frame, on(day(1)))
    assert rows(embedded) == [(day(1), "a", 2), (day(2), "b", 2), (day(3), "c", 3)]


def test_an_empty_frame_empties_the_predicates_rows_of_its_table(three_days, embedded):
    embedded.publish(NAMED, table((day(2), "a", 1)), on(day(2), name="a"))
    assert three_days.publish(SALES, table(), on(day(2))) == 2
    assert rows(embedded) == [(day(1), "a", 1), (day(3), "c", 3)]
    assert rows(embedded, "silver.named") == [(day(2), "a", 1)]


def test_an_empty_frame_makes_the_table(engine):
    frame = engine.session().createDataFrame([], "business_date date, name string, quantity int")
    assert engine.publish(SALES, frame, on(day(1))) == 1
    assert rows(engine) == []


def test_a_row_outside_the_predicate_is_refused_and_nothing_committed(three_days, embedded):
    given = rows(embedded)
    for stray in (day(3), None):
        with pytest.raises(TableError, match=r"silver\.sales"):
            three_days.publish(SALES, table((day(2), "new", 1), (stray, "stray", 1)), on(day(2)))
        assert (three_days.version("silver.sales"), rows(embedded)) == (1, given), stray


def test_a_row_outside_a_predicate_with_texts_is_refused(engine):
    for name, business_date in (("other", day(1)), (None, day(1)), ("one", None), ("", day(1))):
        with pytest.raises(TableError):
            engine.publish(NAMED, table((business_date, name, 1)), on(day(1), name="one"))
        assert engine.version("silver.named") is None, (name, business_date)


@pytest.mark.parametrize("name", ['ba\'z back\\slash "q" a%20b ünï 雪 {x}', "a/b=c 100% d:e?f*\tg"])
def test_a_text_partition_value_may_hold_any_character(engine, embedded, name):
    embedded.publish(NAMED, table((day(1), "other", 1)), on(day(1), name="other"))
    for quantity, writer in ((1, embedded), (2, engine)):
        writer.publish(NAMED, table((day(1), name, quantity)), on(day(1), name=name))
    assert rows(engine, "silver.named", on(day(1), name=name)) == [(day(1), name, 2)]
    assert len(rows(embedded, "silver.named")) == 2


def test_a_table_keeps_what_its_layout_says_and_one_that_is_append_only_cannot_be_published(
    engine, embedded, lake_root
):
    layout = TableLayout("silver.sales", SCHEMA, ("business_date",), {"delta.appendOnly": "true"}, "What was sold.")
    engine.append(layout, table((day(1), "a", 1)))
    metadata = DeltaTable(str(lake_root / "silver" / "sales")).metadata()
    assert (metadata.name, metadata.description) == ("silver.sales", "What was sold.")
    assert metadata.partition_columns == ["business_date"]
    assert metadata.configuration["delta.appendOnly"] == "true"
    with pytest.raises(TableError):
        engine.publish(layout, table((day(1), "b", 1)), on(day(1)))
    assert rows(embedded) == [(day(1), "a", 1)]


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
def test_a_value_that_the_column_cannot_hold_exactly_is_refused(engine, embedded, value, given, wanted):
    embedded.publish(wide(wanted), table(schema=wide(wanted).schema), on(day(1)))
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
        ("6", pa.string(), pa.int32()),
        (2**31, pa.int64(), pa.int32()),
        (Decimal("1.005"), pa.decimal128(18, 3), pa.decimal128(18, 2)),
    ],
)
def test_a_value_of_a_frame_that_the_column_cannot_hold_exactly_is_refused(engine, value, given, wanted):
    frame = engine.session().createDataFrame(table((day(1), "a", value), schema=wide(given).schema))
    with pytest.raises(TableError, match=r"silver\.sales.*quantity"):
        engine.publish(wide(wanted), frame, on(day(1)))
    assert engine.version("silver.sales") is None


def test_a_value_that_fits_exactly_is_cast(engine, embedded):
    cases = (
        (2**31 - 1, pa.int64(), pa.int32()),
        (6, pa.int32(), pa.int64()),
        (Decimal("1.500"), pa.decimal128(38, 3), pa.decimal128(18, 2)),
        (INSTANT, pa.timestamp("ns", tz="UTC"), UTC_MICROS),
        ("six", pa.large_string(), pa.string()),
        (None, pa.null(), pa.int32()),
    )
    names = [f"column {number}" for number in range(len(cases))]
    given, wanted = (
        pa.schema([("business_date", pa.date32()), *zip(names, types, strict=True)])
        for types in list(zip(*cases, strict=True))[1:]
    )
    row = (day(1), *[value for value, *_ in cases])
    layout = TableLayout("silver.fitted", wanted, ("business_date",))
    arrow = table(row, schema=given)
    # pyspark itself would make other types of these two
    frame = engine.session().createDataFrame(arrow.drop_columns(["column 3", "column 4"]))
    engine.append(layout, arrow)
    narrower = pa.schema([field for field in wanted if field.name not in {"column 3", "column 4"}])
    engine.publish(TableLayout("silver.framed", narrower, ("business_date",)), frame, on(day(1)))
    assert rows(embedded, "silver.fitted") == [row]
    assert rows(embedded, "silver.framed") == [(*row[:4], None)]


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


def test_new_columns_are_added_and_a_layout_without_them_still_writes(three_days, embedded):
    """They may stand anywhere in the layout, and are null in rows that came without them."""
    more = pa.schema([("colour", pa.string()), *SCHEMA, ("weight", pa.decimal128(9, 3))])
    red = ("red", day(1), "a", 1, Decimal("0.500"))
    layout = TableLayout("silver.sales", more, ("business_date",))
    three_days.publish(layout, table(red, schema=more), on(day(1)))
    three_days.append(SALES, table((day(2), "new", 9)))
    assert rows(three_days) == [
        (day(1), "a", 1, "red", Decimal("0.500")),
        (day(2), "b", 2, None, None),
        (day(2), "new", 9, None, None),
        (day(3), "c", 3, None, None),
    ]
    assert rows(embedded, version=1) == [(day(1), "a", 1), (day(2), "b", 2), (day(3), "c", 3)]


def test_a_column_never_changes_its_type(three_days):
    with pytest.raises(TableError, match=r"silver\.sales: column quantity is int32 in the table and declared as int64"):
        three_days.publish(wide(pa.int64()), table((day(1), "a", 1), schema=wide(pa.int64()).schema), on(day(1)))
    assert three_days.version("silver.sales") == 1


def test_a_null_in_a_required_column_is_refused(engine, embedded):
    layout = TableLayout("silver.sales", SCHEMA.set(1, pa.field("name", pa.string(), nullable=False)), ())
    embedded.append(layout, table((day(1), "a", 1)))
    with pytest.raises(TableError):
        engine.append(layout, table((day(1), None, 1)))
    with pytest.raises(TableError):
        engine.publish(layout, engine.session().createDataFrame(table((day(1), None, 1))), on(day(1)))
    assert engine.version("silver.sales") == 1


def test_a_first_write_that_fails_leaves_no_table(engine, embedded):
    with pytest.raises(TableError):
        engine.publish(SALES, table((day(1), "a", 1), (day(2), "stray", 1)), on(day(1)))
    with pytest.raises(TableError):
        engine.append(SALES, pa.table({"name": ["a"]}))
    with pytest.raises(HeldError):
        engine.publish(SALES, table((day(1), "a", 1)), on(day(1)), gate=Sieve(error=HeldError()))
    assert engine.version("silver.sales") is None
    with pytest.raises(MissingTableError):
        engine.read("silver.sales")
    engine.append(SALES, table((day(1), "a", 1)))
    assert rows(embedded) == [(day(1), "a", 1)]


# A gate


class HeldError(Exception):
    """What an audit raises."""


def test_a_gate_decides_what_is_written(three_days, embedded):
    three_days.publish(SALES, table((day(1), "no", 1), (day(1), "yes", 2)), on(day(1)), gate=Sieve(at_least=2))
    assert rows(embedded, where=on(day(1))) == [(day(1), "yes", 2)]


@pytest.mark.parametrize("as_frame", [False, True])
@pytest.mark.parametrize("error", [HeldError("too many rejected rows"), KeyboardInterrupt()])
def test_what_a_gate_raises_arrives_as_it_is_and_nothing_is_committed(three_days, embedded, as_frame, error):
    given = table((day(2), "new", 1))
    frame = three_days.session().createDataFrame(given) if as_frame else given
    with pytest.raises(type(error)) as arrived:
        three_days.publish(SALES, frame, on(day(2)), gate=Sieve(error=error))
    assert arrived.value is error
    assert three_days.version("silver.sales") == 1
    assert rows(embedded, where=on(day(2))) == [(day(2), "b", 2)]


def test_a_query_that_fails_midway_commits_nothing(three_days):
    frame = three_days.session().sql(
        "SELECT date'2011-03-02' AS business_date, 'a' AS name, cast(text AS int) AS quantity "
        "FROM VALUES ('1'), ('two') AS given(text)"
    )
    with pytest.raises(Exception, match="two"):
        three_days.publish(SALES, frame, on(day(2)))
    assert three_days.version("silver.sales") == 1


# Appending once


def test_an_append_with_a_token_happens_once_and_applications_have_tokens_of_their_own(engine, embedded):
    def append(application: str, number: int) -> int | None:
        return engine.append(SALES, table((day(1), application, 1)), token=Token(application, number))

    assert [append("some", 0), append("some", 0)] == [1, None]
    assert [append("it's other", 2**62), append("it's other", 2**62)] == [2, None]
    assert [append("some", 5), append("some", 4)] == [3, None], "a token below the last one has happened"
    assert engine.last_token("silver.sales", "some") == 5
    assert engine.last_token("silver.sales", "it's other") == 2**62
    assert engine.last_token("silver.sales", "third") is None
    assert [name for _, name, _ in rows(embedded)] == ["it's other", "some", "some"]


def test_an_append_of_parts_takes_the_rows_of_all_or_of_none_and_leaves_its_token_unused(engine, embedded):
    embedded.append(SALES, table((day(1), "a", 1)), token=Token("some", 1))
    parts = [Rows(((day(number), "a", number), (day(9), "b", number))) for number in range(1, 6)]
    with pytest.raises((ValueError, TableError), match="the disk is gone"):
        engine.append(SALES, [*parts, Rows(((day(3), "c", 1),), error="the disk is gone")], token=Token("some", 2))
    assert engine.last_token("silver.sales", "some") == 1
    assert rows(embedded) == [(day(1), "a", 1)]
    assert engine.append(SALES, parts, token=Token("some", 2)) == 2
    assert rows(embedded) == sorted([(day(1), "a", 1), *(row for part in parts for row in part.rows)], key=repr)


@pytest.mark.parametrize("first", [True, False])
def test_an_append_of_no_rows_uses_its_token_up(engine, embedded, first):
    if not first:
        embedded.append(SALES, table((day(1), "a", 1)), token=Token("some", 1))
    assert engine.append(SALES, table(), token=Token("some", 2)) is not None
    assert engine.last_token("silver.sales", "some") == 2


def test_a_publication_and_its_checkpoint_leave_tokens_as_they_are(engine, embedded, lake_root):
    embedded.append(SALES, table((day(1), "a", 1)), token=Token("some", 3))
    for number in range(8):
        embedded.publish(SALES, table((day(1), "a", number)), on(day(1)))
    assert engine.publish(SALES, table((day(1), "a", 8)), on(day(1))) == 10
    log = lake_root / "silver" / "sales" / "_delta_log"
    own = {"sail": 9, "spark": 10}[engine.name]
    assert (log / f"{own:020}.checkpoint.parquet").exists()
    (log / f"{1:020}.json").unlink()  # the commit that used the token
    assert SailEngine(engine.root).last_token("silver.sales", "some") == 3


def test_a_token_that_is_used_while_the_append_runs_is_used_once(engine, embedded, tmp_path):
    """Another writer commits the same token between this one's look at the table and its commit."""
    embedded.append(SALES, table((day(1), "a", 1)), token=Token("some", 1))
    mine: list[int | None] = []
    slow = SlowRows(((day(2), "mine", 1),), tmp_path)
    writer = threading.Thread(target=lambda: mine.append(engine.append(SALES, [slow], token=Token("some", 2))))
    writer.start()
    wait_for("the append to run", (tmp_path / "started").exists)
    theirs = engine.append(SALES, table((day(2), "theirs", 1)), token=Token("some", 2))
    (tmp_path / "go").touch()
    writer.join()
    assert (theirs, mine) == (2, [None])
    assert rows(embedded, where=on(day(2))) == [(day(2), "theirs", 1)]


# Merging


PRICES = TableLayout(
    "gold.prices",
    pa.schema(
        [("stock_code", pa.string()), ("shop", pa.int32()), ("price", pa.decimal128(9, 2)), ("note", pa.string())]
    ),
    (),
)
KEY = ["stock_code", "shop"]


def prices(*rows) -> pa.Table:
    return table(*rows, schema=PRICES.schema)


def merged(engine) -> set[tuple]:
    return set(rows(engine, "gold.prices"))


def test_a_merge_replaces_rows_of_a_key_and_adds_the_others_however_often(engine, embedded):
    """A null in a key is a key like any other."""
    kept = ("a", 2, Decimal("2.00"), "kept")
    with_nulls = [(None, 1, Decimal(1), "x"), ("a", None, Decimal(2), "y"), (None, None, Decimal(3), "z")]
    embedded.merge(PRICES, prices(("a", 1, Decimal("1.00"), "old"), ("", 1, None, None), kept, *with_nulls), KEY)
    new = [("a", 1, Decimal("1.50"), None), ("b", 1, None, "added"), ("", 1, Decimal(9), None)]
    new += [(*row[:2], Decimal(9), None) for row in with_nulls]
    for version, given in ((2, engine.session().createDataFrame(prices(*new))), (3, prices(*new))):
        assert engine.merge(PRICES, given, KEY, metadata={"run_id": "7"}) == version
        assert merged(embedded) == {kept, *new}
        assert engine.history("gold.prices")[0].metadata["run_id"] == "7"


GONE = PRICES.schema.append(pa.field("gone", pa.bool_()))


def test_a_merge_takes_rows_away_that_are_gone(engine, embedded):
    kept = ("a", 2, Decimal("2.00"), "kept")
    before = [("a", 1, Decimal("1.00"), "old"), kept, (None, 1, Decimal(3), "no code"), ("c", 1, None, "to change")]
    embedded.merge(PRICES, prices(*before), KEY)
    given = table(
        ("a", 1, None, None, True),
        (None, 1, Decimal(9), "whatever it says", True),
        ("never there", 1, None, None, True),
        ("b", 1, Decimal("4.00"), "added", False),
        ("c", 1, Decimal("5.00"), "changed", None),
        schema=GONE,
    )
    frame = engine.session().createDataFrame(given)
    assert engine.merge(PRICES, frame, KEY, gone="gone", metadata={"run_id": "7"}) == 2
    assert merged(embedded) == {kept, ("b", 1, Decimal("4.00"), "added"), ("c", 1, Decimal("5.00"), "changed")}
    newest, *_ = engine.history("gold.prices")
    assert (newest.version, newest.metadata["run_id"]) == (2, "7")
    all_gone = table(*[(code, shop, None, None, True) for code, shop, *_ in merged(embedded)], schema=GONE)
    engine.merge(PRICES, all_gone, KEY, gone="gone")
    assert merged(embedded) == set()


def test_a_merge_of_two_rows_with_one_key_is_refused_and_the_key_named(engine, embedded):
    embedded.merge(PRICES, prices(("a", 1, Decimal(1), None)), KEY)
    for key in (("a", 1), (None, 1)):
        with pytest.raises(TableError, match=rf"gold\.prices: keys \(stock_code, shop\) .*{key[0]}"):
            engine.merge(PRICES, prices((*key, Decimal(2), "x"), (*key, Decimal(3), "y")), KEY)
    gone_and_there = table(("a", 1, None, None, True), ("a", 1, Decimal(2), None, False), schema=GONE)
    with pytest.raises(TableError, match=r"gold\.prices: keys \(stock_code, shop\) occur more than once"):
        engine.merge(PRICES, gone_and_there, KEY, gone="gone")
    assert engine.version("gold.prices") == 1


def test_the_column_of_gone_rows_is_one_of_the_rows_and_none_of_the_table(engine):
    with pytest.raises(TableError, match=r"gold\.prices: missing columns \['gone'\]"):
        engine.merge(PRICES, prices(("a", 1, None, None)), KEY, gone="gone")
    with pytest.raises(TableError, match=r"gold\.prices has a column note"):
        engine.merge(PRICES, prices(("a", 1, None, None)), KEY, gone="note")


def test_a_merge_of_what_does_not_fit_is_refused(engine, embedded):
    embedded.merge(PRICES, prices(("a", 1, Decimal(1), None)), KEY)
    fine = pa.schema([("stock_code", pa.string()), ("shop", pa.int32()), ("price", pa.decimal128(9, 3))])
    with pytest.raises(TableError, match=r"gold\.prices: missing columns \['note'\]"):
        engine.merge(PRICES, table(("a", 1, Decimal("1.005")), schema=fine), KEY)
    thousandths = fine.append(pa.field("note", pa.string()))
    with pytest.raises(TableError, match=r"gold\.prices.*price"):
        engine.merge(PRICES, table(("a", 1, Decimal("1.005"), ""), schema=thousandths), KEY)
    assert merged(embedded) == {("a", 1, Decimal(1), None)}


# Values


VALUES = TableLayout(
    "silver.values",
    pa.schema(
        [
            ("business_date", pa.date32()),
            ("text", pa.string()),
            ("whole", pa.int64()),
            ("money", pa.decimal128(38, 10)),
            ("time", UTC_MICROS),
            ("flag", pa.bool_()),
            ("rules", pa.list_(pa.string())),
            ("days", pa.list_(pa.date32())),
            ("float", pa.float64()),
        ]
    ),
    ("business_date",),
)
EXTREMES: dict[str, tuple] = {
    "text": ("", " ", "\n\r\t", "ünï 雪 🛒", "a\0b", "'\"\\", "x" * 100_000),
    "whole": (2**63 - 1, -(2**63)),
    "money": (Decimal("9" * 28 + "." + "9" * 10), Decimal("-0.0000000001")),
    "time": (
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
    ),
    "rules": (["a:b", "it's"], []),
    "days": ([day(1), day(2)], [None]),
}
"""By column: each is the only value of its row beside others that are plain."""


def test_every_value_and_every_null_stays_as_it_is_through_a_frame(engine, embedded):
    plain = (day(1), "", 0, Decimal(0), INSTANT, False, [], [], 0.0)
    given = [tuple(None if place == hole else value for place, value in enumerate(plain)) for hole in range(1, 9)]
    for column, values in EXTREMES.items():
        place = VALUES.schema.names.index(column)
        for value in values:
            read = dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC) if column == "time" else value
            given.append((*plain[:place], read, *plain[place + 1 :]))
    written = table(*given, schema=VALUES.schema)
    engine.append(VALUES, written)
    wanted = sorted((tuple(row.values()) for row in written.to_pylist()), key=repr)
    assert rows(embedded, "silver.values") == wanted
    engine.publish(VALUES, engine.read("silver.values"), on(day(1)))
    assert rows(engine, "silver.values") == wanted
    days = engine.read("silver.values").selectExpr("cast(cast(time AS date) AS string) AS day").distinct()
    found = {row["day"] for row in engine.collect(days).to_pylist()}
    assert found == {None, "2011-03-01", *(instant[:10] for instant in EXTREMES["time"])}


def test_a_plan_may_be_hundreds_of_steps_deep(engine, embedded):
    embedded.publish(SALES, table((day(1), "a", 0)), on(day(1)))
    frame = engine.read("silver.sales")
    for _ in range(150):
        frame = frame.withColumn("quantity", F.col("quantity") + 1).where("quantity > 0")
    engine.publish(SALES, frame, on(day(1)))
    assert rows(embedded) == [(day(1), "a", 150)]


def test_frames_may_be_three_hundred_columns_wide(engine, embedded):
    schema = pa.schema([("business_date", pa.date32()), *[(f"column_{number}", pa.int64()) for number in range(300)]])
    layout = TableLayout("gold.wide", schema, ("business_date",))
    row = (day(1), *range(300))
    embedded.publish(layout, table(row, schema=schema), on(day(1)))
    engine.publish(layout, engine.read("gold.wide"), on(day(1)))
    assert rows(embedded, "gold.wide") == [row]


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
    given = [(day(number), "a", number, noon(number)) for number in (1, 2, 3)]
    engine.append(COUNTED, table(*given, schema=COUNTED.schema))
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
CONTESTED = TableLayout("silver.contested", SCHEMA, ("business_date",))
WRITERS = 3


@pytest.fixture(params=["disk", "s3"])
def shared(request, engine, run_folder, monkeypatch):
    """An engine over a lake on disk or in an object store, with three tables.

    They have been written once, for of two that make a table at the same moment one may be refused.
    """
    if request.param == "s3":
        engine = engine_at(f"{new_bucket(run_folder, SERVERS[-1], monkeypatch).uri}/lake", engine.name)
    embedded = engine_at(engine.root, "sail")
    for layout in (SALES, CONTESTED, NUMBERS):
        embedded.publish(layout, table((day(9), "first", 0)), on(day(9)))
    return engine


def _write(name: str, root: str, writer: int, rounds: int, start, done) -> None:
    """Write, again and again, from a process of its own: its own day, a day of all, and an append; tell what came."""
    engine = engine_at(root, name)
    start.wait()
    for quantity in range(rounds):
        row, contested = ((number, f"writer {writer}", quantity) for number in (day(writer + 1), day(9)))
        token = Token(f"writer {writer}", quantity + 1)
        for layout, write in (
            (SALES, lambda row=row: engine.publish(SALES, table(row), on(row[0]))),
            (CONTESTED, lambda row=contested: engine.publish(CONTESTED, table(row), on(row[0]))),
            (NUMBERS, lambda row=row, token=token: engine.append(NUMBERS, table(row), token=token)),
        ):
            try:
                done.put((layout.name, write(), contested if layout is CONTESTED else row))
            except TableError as error:
                done.put((layout.name, str(error), row))


def written_at_once(engine, rounds: int) -> dict[str, list[tuple[int | str, tuple]]]:
    """Let processes write at once; return versions, or what a refusal said, with rows, by table."""
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(WRITERS), context.Queue()
    writers = [
        context.Process(target=_write, args=(engine.name, engine.root, writer, rounds, start, done), daemon=True)
        for writer in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    told: dict[str, list[tuple[int | str, tuple]]] = {layout.name: [] for layout in (SALES, CONTESTED, NUMBERS)}
    for _ in range(3 * rounds * WRITERS):
        name, outcome, row = done.get(timeout=240)
        told[name].append((outcome, row))
    for writer in writers:
        writer.join(timeout=60)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    return told


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.long)])  # ten show a commit that is lost
def test_every_commit_of_several_processes_arrives_or_is_refused(shared, rounds):
    """Each to a day of its own and each of its appends arrives; of those to one day some are refused, and say so."""
    told = written_at_once(shared, rounds)
    embedded = engine_at(shared.root, "sail")
    first = (day(9), "first", 0)

    commits = list(range(2, WRITERS * rounds + 2))
    for name in (SALES.name, NUMBERS.name):
        assert sorted(version for version, _ in told[name]) == commits
        assert shared.version(name) == commits[-1]
    days = [(day(writer + 1), f"writer {writer}", rounds - 1) for writer in range(WRITERS)]
    assert rows(embedded, SALES.name) == sorted([*days, first], key=repr)
    appended = [row for _, row in told[NUMBERS.name]]
    assert rows(embedded, NUMBERS.name) == sorted([*appended, first], key=repr)

    published = {outcome: row for outcome, row in told[CONTESTED.name] if isinstance(outcome, int)}
    refused = [outcome for outcome, _ in told[CONTESTED.name] if isinstance(outcome, str)]
    assert len(published) + len(refused) == WRITERS * rounds
    assert all("the write was refused and nothing is committed" in told for told in refused)
    assert sorted(published) == list(range(2, shared.version(CONTESTED.name) + 1))
    for version, row in published.items():
        assert rows(embedded, CONTESTED.name, version=version) == [row]


def test_readers_see_whole_commits_while_a_writer_works(engine, embedded):
    def publish(own, quantity: int) -> None:
        own.publish(SALES, table(*[(day(number), "a", quantity) for number in (1, 2, 3)]), on(day(1), day(2), day(3)))

    publish(embedded, 0)
    writer = threading.Thread(target=lambda: [publish(engine, quantity) for quantity in (1, 2)])
    writer.start()
    seen = []
    while writer.is_alive():
        seen.append([row[2] for row in rows(engine)])
    writer.join()
    assert all(len(quantities) == 3 and len(set(quantities)) == 1 for quantities in seen)
    assert [quantities[0] for quantities in seen] == sorted(quantities[0] for quantities in seen)
    assert rows(embedded)[0][2] == 2
